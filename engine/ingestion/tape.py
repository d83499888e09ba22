"""Recorded frames from disk, in the order in which they were received.

A line is `<local receive time, ns> <raw message>`, the format of the public hftbacktest collector; files are plain,
gzip or zstd. Lines of several files are merged by receive time (ties: order of paths, then of lines). A tail that was
torn off by a crash is skipped and said.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from math import inf
from operator import itemgetter
from pathlib import Path
from typing import IO, Protocol, TypeAlias

import msgspec
import zstandard

from engine.errors import RecordingUnusable

Line: TypeAlias = tuple[int, int, bytes]
"""(receive stamp ns, index of the file, raw message)."""

CHUNK = 1 << 20
LATEST = 4_102_444_800 * 10**9
"""Receive stamps after 2100 are damage."""

LONGEST_LINE = 64 << 20
_SUFFIXES = (".gz", ".zst", ".jsonl", ".log", ".txt")


def files_of(path: Path) -> list[Path]:
    """Return the recording files that a path names: itself, or every one below a folder, sorted.

    Raises:
        RecordingUnusable: There is no such path, or nothing that looks like a recording below it.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise RecordingUnusable(f"{path}: no such file or folder")
    found = sorted(file for file in path.rglob("*") if file.is_file() and file.name.endswith(_SUFFIXES))
    if not found:
        raise RecordingUnusable(f"{path}: no recordings in it (looked for {', '.join(_SUFFIXES)})")
    return found


class TapeFile:
    """One file of a recording, read forwards once; `notes` says what was skipped, `consumed` counts bytes on disk."""

    def __init__(self, path: Path, index: int) -> None:
        self.path = path
        self.index = index
        self.notes: list[str] = []
        self.malformed = 0
        self.backwards = 0
        self.consumed = 0
        self._last = 0

    def lines(self) -> Iterator[list[Line]]:
        """Yield chunks of lines in order of reception; a stamp that runs backwards is held at the one before it."""
        rest = b""
        for chunk in self._chunks():
            pieces = (rest + chunk).split(b"\n")
            rest = pieces.pop()
            if len(rest) > LONGEST_LINE:
                self.notes.append(f"a line of more than {LONGEST_LINE >> 20} MB: the rest was skipped")
                return
            yield self._parse(pieces)
        if rest:
            if _is_whole(rest):
                yield self._parse([rest])
            else:
                self.notes.append(f"torn tail: the last {len(rest)} bytes are not a whole line and were skipped")

    def _parse(self, pieces: list[bytes]) -> list[Line]:
        index = self.index
        last = self._last
        lines: list[Line] = []
        for piece in pieces:
            head, _, frame = piece.partition(b" ")
            try:
                stamp = int(head)
            except ValueError:
                self.malformed += bool(piece)
                continue
            if stamp > LATEST:
                self.malformed += 1
                continue
            if stamp < last:
                self.backwards += 1
                stamp = last
            last = stamp
            lines.append((stamp, index, frame))
        self._last = last
        return lines

    def _chunks(self) -> Iterator[bytes]:
        """Yield decompressed bytes as far as the file is whole."""
        try:
            with self.path.open("rb") as stream:
                if self.path.name.endswith(".gz"):
                    yield from self._inflate(stream, lambda: zlib.decompressobj(wbits=31))
                elif self.path.name.endswith(".zst"):
                    yield from self._inflate(stream, zstandard.ZstdDecompressor().decompressobj)
                else:
                    while chunk := stream.read(CHUNK):
                        self.consumed += len(chunk)
                        yield chunk
        except OSError as error:
            raise RecordingUnusable(f"{self.path}: {error.strerror or error}") from error

    def _inflate(self, stream: IO[bytes], member: Callable[[], _Inflater]) -> Iterator[bytes]:
        """Decompress member after member, giving out all that comes before a break."""
        inflater = member()
        fresh = True
        try:
            while packed := stream.read(CHUNK // 8):
                self.consumed += len(packed)
                while packed:
                    fresh = False
                    if chunk := inflater.decompress(packed):
                        yield chunk
                    packed = b""
                    if inflater.eof:
                        packed = inflater.unused_data
                        inflater = member()
                        fresh = True
        except (zlib.error, zstandard.ZstdError) as error:
            self.notes.append(f"torn tail: the compressed data breaks here ({error}); the rest was skipped")
            return
        if not fresh:
            self.notes.append("torn tail: the compressed data ends in the middle of a member")


def _is_whole(line: bytes) -> bool:
    """Tell whether a line without its line break is all there."""
    try:
        msgspec.json.decode(line.partition(b" ")[2])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False
    return True


class _Inflater(Protocol):
    """What zlib's and zstandard's decompression objects have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


class _Cursor:
    """A file in a merge: its lines not yet given out."""

    def __init__(self, file: TapeFile) -> None:
        self._lines = file.lines()
        self.waiting: deque[Line] = deque()
        self.exhausted = False

    def more(self) -> None:
        """Read one more chunk."""
        chunk = next(self._lines, None)
        if chunk is None:
            self.exhausted = True
        else:
            self.waiting.extend(chunk)

    def take(self, before: float) -> Iterable[Line]:
        """Give out the lines received before a stamp."""
        waiting = self.waiting
        if waiting and waiting[-1][0] < before:
            self.waiting = deque()
            return waiting
        taken = []
        while waiting and waiting[0][0] < before:
            taken.append(waiting.popleft())
        return taken


def merge(files: list[TapeFile]) -> Iterator[list[Line]]:
    """Yield the lines of all files merged by receive stamp, in batches.

    Only what stands before every file's read position is given out, so one chunk per file is held in memory. After
    every chunk comes an empty batch, so that whoever has other things to do can do them in between.
    """
    cursors = [_Cursor(file) for file in files]
    while cursors:
        for cursor in cursors:
            while not cursor.waiting and not cursor.exhausted:
                cursor.more()
                yield []
        cursors = [cursor for cursor in cursors if cursor.waiting]
        open_ends = [cursor for cursor in cursors if not cursor.exhausted]
        horizon = min((cursor.waiting[-1][0] for cursor in open_ends), default=inf)
        batch: list[Line] = []
        for cursor in cursors:
            batch.extend(cursor.take(horizon))
        if batch:
            batch.sort(key=itemgetter(0))
            yield batch
        for cursor in open_ends:
            if not cursor.waiting or cursor.waiting[-1][0] <= horizon:
                cursor.more()
                yield []
