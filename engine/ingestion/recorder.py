"""Writing a recording: the frames as received, one file per market and symbol, made whole on disk every second."""

from __future__ import annotations

import asyncio
import gzip
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from engine.health import RecorderView
from engine.ingestion import envelope
from engine.types import SECOND, Instrument

log = logging.getLogger(__name__)

LEVEL = 6
TRADING = "trading"
"""Name of the file of what was traded, which is nobody else's business."""

HELD = 64 << 20
"""Bytes kept per file while the disk refuses to take them; more is lost, and said."""


class _Track:
    """One file: lines not yet written, and the length up to which it is whole."""

    def __init__(self, path: Path, mode: int = 0o666) -> None:
        """`mode` is that of the file, less the umask."""
        self.path = path
        self._mode = mode
        self.pending: list[bytes] = []
        self.held = 0
        self.whole = 0
        self.raw = 0
        self.lost = 0
        self.error = ""

    def write(self, lines: list[bytes]) -> None:
        """Append lines as one compressed member; after a failure the file is cut back to its whole members."""
        packed = gzip.compress(b"".join(lines), LEVEL)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: a buffer would be written once more at closing, behind the cut.
        with open(self.path, "ab", buffering=0, opener=self._open) as stream:
            start = stream.seek(0, os.SEEK_END)
            rest = memoryview(packed)
            try:
                while rest:
                    rest = rest[stream.write(rest) :]
            except OSError:
                os.ftruncate(stream.fileno(), start)
                raise
        self.whole = start + len(packed)

    def _open(self, path: str, flags: int) -> int:
        return os.open(path, flags, self._mode)


class Recorder:
    """Takes every frame, answer and connection event with its stamp, in the order in which the engine takes them."""

    def __init__(self, folder: Path, now: Callable[[], int]) -> None:
        self.folder = folder
        self._now = now
        self._tracks: dict[str, _Track] = {}
        self._closed = False
        self._writing = asyncio.Lock()

    def open(self, instrument: Instrument) -> None:
        """Begin the file of an instrument."""
        if instrument.key not in self._tracks:
            start = self._now() // SECOND
            name = f"{instrument.symbol.lower()}_{start}.gz"
            self._tracks[instrument.key] = _Track(self.folder / instrument.venue / name)

    def open_trading(self) -> None:
        """Begin the file of what is traded, for its owner alone."""
        name = f"{TRADING}_{self._now() // SECOND}.gz"
        self._tracks[TRADING] = _Track(self.folder / name, 0o600)

    def frame(self, instrument: str, stamp: int, frame: bytes) -> None:
        """Keep a frame or a raw answer of an instrument."""
        track = self._tracks.get(instrument)
        if track is None or self._closed:
            return
        # A line break in a message that was understood is white space of its JSON.
        line = b"%d %s\n" % (stamp, frame.replace(b"\n", b" ").replace(b"\r", b" "))
        if track.held > HELD:
            track.lost += 1
            return
        track.pending.append(line)
        track.held += len(line)
        track.raw += len(line)

    def note(self, instruments: Iterable[str], stamp: int, note: envelope.Note) -> None:
        """Keep what is no frame, in the file of every instrument concerned."""
        line = envelope.encode(note)
        for instrument in instruments:
            self.frame(instrument, stamp, line)

    async def run(self) -> None:
        """Write once a second until cancelled."""
        while True:
            await asyncio.sleep(1)
            await self.flush()

    async def flush(self) -> None:
        """Write what is pending; a disk that refuses is tried again at the next call."""
        # One under way is not cut off by a stop: its lines are out of memory and not yet on disk.
        await asyncio.shield(asyncio.create_task(self._flush()))

    async def _flush(self) -> None:
        async with self._writing:
            for track in self._tracks.values():
                await self._write(track)

    async def _write(self, track: _Track) -> None:
        lines, track.pending = track.pending, []
        if lines:
            try:
                await asyncio.to_thread(track.write, lines)
                track.held -= sum(map(len, lines))
                track.error = ""
            except OSError as error:
                said, track.error = track.error, f"{track.path}: {error.strerror or error}"
                if not said:
                    log.warning("recording: %s; lines are kept in memory", track.error)
                track.pending = lines + track.pending

    async def close(self, stamp: int) -> None:
        """Mark the end, write everything, and take no more."""
        if not self._closed:
            self.note(self._tracks, stamp, envelope.Note(e="end"))
            self._closed = True
            await self.flush()
            for track in self._tracks.values():
                if track.pending:
                    track.lost += len(track.pending)
                    log.error("%s: %d lines could not be written and are lost", track.path, len(track.pending))

    def view(self) -> RecorderView:
        """Return the figures for people."""
        tracks = self._tracks.values()
        return RecorderView(
            path=str(self.folder),
            bytes_raw=sum(track.raw for track in tracks),
            bytes_written=sum(track.whole for track in tracks),
            lost_lines=sum(track.lost for track in tracks),
            error="; ".join(track.error for track in tracks if track.error),
        )
