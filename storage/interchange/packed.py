"""What lies in packed files, read within bounds: an archive may unpack to more than there is room for."""

from __future__ import annotations

import gzip
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO, Protocol

from engine.errors import ImportRefused

MOST = 4 << 30
"""Bytes that one file may hold, unpacked."""

RATIO = 200
"""Times its size that a file may unpack to; candles and trades as text pack five to twelve times."""

SMALL = 16 << 20
"""Up to here no ratio is asked."""

PIECE = 1 << 20

STEP = 2048
"""Packed bytes of zstd taken at once."""


def content(path: Path, most: int = MOST) -> bytes:
    """Return what is in a file: plain, gzip, xz or zstd, by its first bytes.

    Raises:
        ImportRefused: It is torn, unpacks to too much, or cannot be read.
    """
    import zstandard

    try:
        with path.open("rb") as raw:
            size = path.stat().st_size
            stream = _opened(raw)
            if stream is not raw:
                return _bounded(stream, size, most)
            if size > most:
                raise _too_much(size, most)
            return raw.read()
    except (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, gzip.BadGzipFile) as error:
        raise ImportRefused(f"the file is torn: {str(error) or 'it ends too early'}; fetch it again") from error
    except OSError as error:
        raise ImportRefused(f"cannot be read: {error.strerror or error}") from error


def beginning(path: Path, most: int) -> bytes:
    """Return the first bytes of what is in a file, as far as it is whole.

    Raises:
        ImportRefused: It cannot be read.
    """
    import zstandard

    found = b""
    try:
        with path.open("rb") as raw:
            stream = _opened(raw)
            while len(found) < most and (piece := stream.read(min(PIECE, most - len(found)))):
                found += piece
    except (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, gzip.BadGzipFile):
        return found
    except OSError as error:
        raise ImportRefused(f"cannot be read: {error.strerror or error}") from error
    return found


class _Readable(Protocol):
    """What can be read in pieces."""

    def read(self, size: int = ..., /) -> bytes: ...


class _Zstandard:
    """Reads zstd frames to their end; the library's own reader takes a torn frame for a whole one.

    Little goes in at once, since a few bytes may unpack to a block of 128 kB.
    """

    def __init__(self, raw: BinaryIO) -> None:
        import zstandard

        self._raw = raw
        self._new = zstandard.ZstdDecompressor().decompressobj
        self._inflater = self._new()
        self._between = True

    def read(self, _size: int = -1, /) -> bytes:
        """Return the next piece, b"" at the end.

        Raises:
            EOFError: The file ends within a frame.
        """
        while packed := self._raw.read(STEP):
            found = b""
            while packed:
                self._between = False
                found += self._inflater.decompress(packed)
                packed = b""
                if self._inflater.eof:
                    packed, self._inflater, self._between = self._inflater.unused_data, self._new(), True
            if found:
                return found
        if not self._between:
            raise EOFError("it ends within a frame")
        return b""


def _opened(raw: BinaryIO) -> _Readable:
    """Return a stream of what is in a file, by its first bytes."""
    magic = raw.read(6)
    raw.seek(0)
    if magic[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=raw)
    if magic == b"\xfd7zXZ\x00":
        return lzma.LZMAFile(raw)
    if magic[:4] == b"\x28\xb5\x2f\xfd":
        return _Zstandard(raw)
    return raw


def members(path: Path, suffix: str = ".csv") -> list[tuple[str, bytes]]:
    """Return the names and contents of a zip's members that end in `suffix`.

    Raises:
        ImportRefused: No whole zip, locked, nothing of that kind in it, or it unpacks to too much.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            wanted = [info for info in archive.infolist() if info.filename.lower().endswith(suffix)]
            if not wanted:
                names = ", ".join(info.filename[:40] for info in archive.infolist()[:5]) or "nothing"
                raise ImportRefused(f"no {suffix} in the zip, but {names}")
            declared, size = sum(info.file_size for info in wanted), path.stat().st_size
            if declared > MOST or declared > max(SMALL, RATIO * size):
                raise _too_much(declared, min(MOST, max(SMALL, RATIO * size)))
            found = []
            for info in wanted:
                with archive.open(info) as stream:
                    found.append((Path(info.filename).name, _bounded(stream, size, MOST)))
            return found
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ImportRefused(f"no whole zip: {error}; fetch it again") from error
    except RuntimeError as error:  # locked, or packed in a way that Python does not know
        raise ImportRefused(f"the zip cannot be opened: {error}") from error
    except OSError as error:
        raise ImportRefused(f"cannot be read: {error.strerror or error}") from error


def _bounded(stream: _Readable, size: int, most: int) -> bytes:
    bound = min(most, max(SMALL, RATIO * size))
    pieces, total = [], 0
    while piece := stream.read(PIECE):
        total += len(piece)
        if total > bound:
            raise _too_much(total, bound)
        pieces.append(piece)
    return b"".join(pieces)


def _too_much(found: int, bound: int) -> ImportRefused:
    return ImportRefused(
        f"unpacks to more than {bound >> 20} MB (at least {found >> 20} MB): unpack it and look what it is"
    )
