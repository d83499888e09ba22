"""Recorded frames through the live path: the same codecs, the same `step`, the clock of the recording.

Speed changes how long the replay waits between frames and nothing else. Seeking backwards starts again from the first
frame, so the state at a point is that of a straight replay to it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from math import inf
from pathlib import Path

import msgspec

from engine.core import Commands, step
from engine.errors import ProtocolError, RecordingUnusable
from engine.ingestion import envelope
from engine.ingestion.binance import PREFIX, Codec
from engine.ingestion.markets import MARKETS, Market
from engine.ingestion.survey import Contents
from engine.ingestion.tape import Line, TapeFile, files_of, merge
from engine.settings import MarketSettings
from engine.state import EngineState
from engine.timers import Timers
from engine.types import SECOND, Event, InstrumentListed, Record, TimerFired

Observer = Callable[[Record, EngineState], None]


class Refusals(msgspec.Struct):
    """Frames that gave no event."""

    count: int = 0
    reasons: Counter[str] = msgspec.field(default_factory=Counter)

    def add(self, error: ProtocolError) -> None:
        """Count one; the list of reasons stays short."""
        self.count += 1
        if len(self.reasons) < 50 or error.reason in self.reasons:
            self.reasons[error.reason] += 1


class Recording:
    """A recording opened for replay: what it holds, and its lines from the first on."""

    def __init__(self, paths: list[Path], market: Market | None = None) -> None:
        files = list(dict.fromkeys(file.resolve() for path in paths for file in files_of(path)))
        self.contents = Contents(files, market)
        self.paths = [survey.path for survey in self.contents.files]
        self.start = min(survey.start for survey in self.contents.files)
        self.tapes: list[TapeFile] = []

    def codecs(self) -> list[tuple[Codec, str]]:
        """Return per file its codec and, if it is of one instrument, the symbol."""
        found: dict[str, Codec] = {}
        for (venue, _), instrument in self.contents.instruments.items():
            found.setdefault(venue, Codec(MARKETS[venue])).add(instrument)
        return [(found.get(s.market.venue, Codec(s.market)), s.symbol) for s in self.contents.files]

    def batches(self) -> Iterator[list[Line]]:
        """Yield all lines in order of reception."""
        self.tapes = [TapeFile(path, index) for index, path in enumerate(self.paths)]
        return merge(self.tapes)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.paths)

    @property
    def consumed(self) -> int:
        """Bytes on disk read so far."""
        return sum(tape.consumed for tape in self.tapes)

    def notes(self) -> list[str]:
        """Return what was skipped so far, by file."""
        said = [f"{path.name}: no message of a known stream; skipped" for path in self.contents.skipped]
        said += [f"{survey.path.name}: {survey.note}" for survey in self.contents.files if survey.note]
        for tape in self.tapes:
            said += [f"{tape.path.name}: {note}" for note in tape.notes]
            if tape.malformed:
                said.append(f"{tape.path.name}: {tape.malformed} lines without a receive stamp were skipped")
            if tape.backwards:
                said.append(f"{tape.path.name}: {tape.backwards} receive stamps ran backwards and were held")
        return said


class Replay:
    """A position in a recording and the state there."""

    def __init__(
        self, recording: Recording, settings: MarketSettings | None = None, observer: Observer | None = None
    ) -> None:
        self.recording = recording
        self.settings = settings or MarketSettings()
        self.observer = observer
        self.commands: Callable[[Commands], None] | None = None
        self._rewind()

    def _rewind(self) -> None:
        self.state = EngineState(self.settings)
        self.refusals = Refusals()
        self.messages = 0
        self.position = 0
        self._codecs = self.recording.codecs()
        self._batches = self.recording.batches()
        self._batch: list[Line] = []
        self._place = 0
        self._timers = Timers()
        self._noted = (0, b"")
        contents = self.recording.contents
        for (_, _), instrument in sorted(contents.instruments.items()):
            listed = InstrumentListed(instrument=instrument, trade_stream=contents.trade_streams[instrument.key])
            self._apply(self.recording.start, "replay", listed, b"")

    def next_stamp(self) -> int | None:
        """Return the receive stamp of the next line, or None at the end."""
        while self._place >= len(self._batch):
            batch = next(self._batches, None)
            if batch is None:
                return None
            self._batch = batch
            self._place = 0
        return self._batch[self._place][0]

    def run(self, until: float = inf, limit: float = inf) -> int:
        """Apply lines received at or before `until`, at most `limit` of them; return how many."""
        done = 0
        while done < limit:
            stamp = self.next_stamp()
            if stamp is None or stamp > until:
                break
            start = self._place
            stop = min(len(self._batch), start + int(min(limit - done, len(self._batch))))
            if until != inf:
                while stop > start and self._batch[stop - 1][0] > until:
                    stop -= 1
            self._run(self._batch[start:stop])
            self._place = stop
            done += stop - start
        return done

    def _run(self, lines: list[Line]) -> None:
        """The hot loop."""
        codecs = self._codecs
        state = self.state
        observer = self.observer
        timers = self._timers
        seq = state.seq
        for stamp, index, frame in lines:
            if stamp > timers.next:
                state.seq = seq
                self._fire(stamp)
                seq = state.seq
            try:
                event, source = codecs[index][0].decode(frame)
            except ProtocolError as error:
                found = self._other(stamp, index, frame, error)
                if found is None:
                    continue
                event, source = found
            seq += 1
            record = Record(seq=seq, ts_recv=stamp, source=source, event=event, frame=frame)
            commands = step(state, record)
            if commands and self.commands is not None:
                self.commands(commands)
            if observer is not None:
                observer(record, state)
        self.messages += len(lines)
        self.position = lines[-1][0]

    def _fire(self, stamp: int) -> None:
        for boundary in self._timers.before(stamp):
            self._apply(boundary, "timer", TimerFired(boundary=boundary), b"")

    def _apply(self, stamp: int, source: str, event: Event, frame: bytes) -> None:
        record = Record(seq=self.state.seq + 1, ts_recv=stamp, source=source, event=event, frame=frame)
        commands = step(self.state, record)
        if commands and self.commands is not None:
            self.commands(commands)
        if self.observer is not None:
            self.observer(record, self.state)

    def _other(self, stamp: int, index: int, frame: bytes, error: ProtocolError) -> tuple[Event, str] | None:
        """Read a line that is no market frame: a snapshot or a note of our own recorder."""
        codec, symbol = self._codecs[index]
        try:
            if frame.startswith(envelope.PREFIX):
                if (stamp, frame) == self._noted:
                    return None  # the same connection event, from the file of another instrument
                self._noted = stamp, frame
                note = envelope.decode(frame)
                return envelope.to_event(note, codec, note.symbol or symbol)
            if not frame.startswith(PREFIX) and not symbol:
                error = ProtocolError("not a stream message, in a file of several symbols", frame)
            elif not frame.startswith(PREFIX):
                return codec.snapshot(symbol, frame), codec.market.venue + envelope.REST_SUFFIX
        except ProtocolError as damaged:
            error = damaged
        self.refusals.add(error)
        return None

    def seek(self, stamp: int) -> None:
        """Go to the state after the last line received at or before `stamp`.

        Raises:
            RecordingUnusable: The recording does not reach there; the message says what it holds.
        """
        if stamp < self.recording.start:
            raise RecordingUnusable(self._outside(stamp, None))
        if stamp < self.position:
            self._rewind()
        self.run(until=stamp)
        if self.next_stamp() is None and self.position < stamp:
            raise RecordingUnusable(self._outside(stamp, self.position))

    def _outside(self, stamp: int, end: int | None) -> str:
        upto = f" to {iso(end)}" if end is not None else ""
        return f"{iso(stamp)} is not in the recording, which goes from {iso(self.recording.start)}{upto}"


class Player:
    """Plays a replay at a speed, in an event loop; pause, step and seek at any time."""

    def __init__(self, replay: Replay, speed: float = 1.0) -> None:
        self.replay = replay
        self.progress: Callable[[], None] | None = None
        self._speed = speed
        self._paused = False
        self._changed = asyncio.Event()
        self._anchor: tuple[float, int] | None = None

    @property
    def speed(self) -> float:
        """Recorded seconds per second; infinite is as fast as possible."""
        return self._speed

    @property
    def paused(self) -> bool:
        """True while nothing moves."""
        return self._paused

    def set_speed(self, speed: float) -> None:
        """Change the speed from here on."""
        self._speed = speed
        self._nudge()

    def pause(self) -> None:
        """Stop at the next frame."""
        self._paused = True
        self._nudge()

    def resume(self) -> None:
        """Go on."""
        self._paused = False
        self._nudge()

    def step(self, frames: int = 1) -> None:
        """Apply the next `frames` frames and pause."""
        self._paused = True
        self.replay.run(limit=frames)
        self._nudge()

    def seek(self, stamp: int) -> None:
        """Jump to a receive stamp and go on from there as before."""
        self.replay.seek(stamp)
        self._nudge()

    def _nudge(self) -> None:
        self._anchor = None
        self._changed.set()

    async def play(self, until: float = inf) -> None:
        """Play until `until`, or the end of the recording; other tasks run between slices."""
        replay = self.replay
        while True:
            self._changed.clear()
            if self._paused:
                await self._changed.wait()
                continue
            stamp = replay.next_stamp()
            if self.progress is not None:
                self.progress()
            if stamp is None or stamp > until:
                return
            if self._speed == inf:
                replay.run(until=until, limit=4096)
                await asyncio.sleep(0)
                continue
            now = time.monotonic()
            if self._anchor is None:
                self._anchor = now, stamp
            began, first = self._anchor
            due = first + int((now - began) * self._speed * SECOND)
            if stamp <= due:
                replay.run(until=min(due, until), limit=4096)
                await asyncio.sleep(0)
                continue
            try:
                await asyncio.wait_for(self._changed.wait(), (stamp - due) / SECOND / self._speed)
            except TimeoutError:
                continue


def iso(stamp: int) -> str:
    """Return a stamp in ns as UTC text for people."""
    try:
        return datetime.fromtimestamp(stamp / SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    except (ValueError, OverflowError, OSError):
        return f"{stamp} ns"
