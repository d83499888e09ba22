"""Of which format a file is, by its first bytes and, where these say little, its name."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from engine.errors import ImportRefused
from storage.interchange.batch import Hints, Parsed
from storage.interchange.formats.delimited import delimiter_of, first_lines, usual_count
from storage.interchange.identity import of_archive, of_lean
from storage.interchange.packed import beginning

FORMATS = ("archive", "freqtrade", "csv", "parquet", "feather", "lean", "octobot", "json", "recording")
"""Names for --format and manifests."""

HEAD = 1 << 16

_TAPE = re.compile(rb"\d{16,20} [\[{]")
_PICKLED = re.compile(rb"\x80[\x02-\x05][\x95\x8c\x63}\]\(cq]")
_LEAN = re.compile(r"\d{8}_[a-z0-9]+_(second|minute)_(trade|quote|openinterest)\w*\.csv")

PICKLE = (
    "a pickle can run any code when it is opened, so it is never read: open it where you trust it and save the table "
    "as Parquet or CSV (pandas: read_pickle(...).to_parquet(...)), then import that"
)


def format_of(path: Path) -> str:
    """Return the format's name.

    Raises:
        ImportRefused: None that is known; the message says what was tried.
    """
    name = path.name.lower()
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD)
    except OSError as error:
        raise ImportRefused(f"cannot be read: {error.strerror or error}") from error
    if name.endswith((".pkl", ".pickle", ".pickle.gz", ".pkl.gz")) or _PICKLED.match(head):
        raise ImportRefused(PICKLE)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip(path)
    for magic, found in ((b"ARROW1", "feather"), (b"PAR1", "parquet"), (b"SQLite format 3\x00", "octobot")):
        if head.startswith(magic):
            return found
    for magic, what, remedy in (
        (b"FEA1", "Feather of version 1", "write it again with a newer pandas or freqtrade"),
        (b"\x89HDF", "HDF5", "freqtrade convert-data --format-from hdf5 --format-to feather makes Feather of it"),
    ):
        if head.startswith(magic):
            raise ImportRefused(f"{what} is not read: {remedy}")
    if not head:
        return "csv"
    text = (
        head
        if head[:2] != b"\x1f\x8b" and head[:4] != b"\x28\xb5\x2f\xfd" and head[:6] != b"\xfd7zXZ\x00"
        else _unpacked(path)
    )
    if _PICKLED.match(text):
        raise ImportRefused(PICKLE)
    if _TAPE.match(text):
        return "recording"
    if text.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"[", b"{"):
        return "json"
    if _is_table(text):
        return "csv"
    raise ImportRefused(f"of no format that is known; tried {', '.join(FORMATS)}; --format NAME insists on one")


def _zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [Path(name).name for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise ImportRefused(f"no whole zip: {error}; fetch it again") from error
    if of_lean(path) is not None or any(_LEAN.fullmatch(name) for name in names):
        return "lean"
    if any(of_archive(path, name) is not None for name in names):
        return "archive"
    if any(name.lower().endswith(".csv") for name in names):
        return "zip"
    raise ImportRefused(f"a zip of {', '.join(name[:40] for name in names[:5]) or 'nothing'}: no CSV in it")


def _unpacked(path: Path) -> bytes:
    """Return the beginning of a packed file; a torn one gives what there is."""
    return beginning(path, HEAD)


def _is_table(head: bytes) -> bool:
    """Tell whether text looks like a table: most lines have the same delimiters, and there is nothing unprintable."""
    lines = first_lines(head)
    if not lines or any((ord(c) < 32 and c not in "\t\x00\x1f") or c == "\ufffd" for line in lines for c in line):
        return False
    delimiter = delimiter_of(lines)
    usual = usual_count(lines, delimiter)
    return usual >= 3 and sum(line.count(delimiter) == usual for line in lines) > len(lines) / 2


def read(paths: list[Path], format: str, hints: Hints) -> Parsed:
    """Read a file (of a recording: its files) of a format.

    Raises:
        ImportRefused: It cannot be imported as it is; the message says why and what to do.
    """
    from storage.interchange.formats import archive, delimited, freqtrade, lean, octobot, parquet, tapes

    if format == "recording":
        return tapes.read(paths, hints)
    readers: dict[str, Callable[[Path, Hints], Parsed]] = {
        "archive": archive.read,
        "csv": delimited.read,
        "zip": delimited.read_zip,
        "feather": freqtrade.read_feather,
        "json": freqtrade.read_json,
        "freqtrade": freqtrade.read_json,
        "lean": lean.read,
        "octobot": octobot.read,
        "parquet": parquet.read,
    }
    if format not in readers:
        raise ImportRefused(f"--format {format!r}: expected one of {', '.join(FORMATS)}")
    if format == "freqtrade" and (named := format_of(paths[0])) in ("feather", "parquet"):
        format = named
    return readers[format](paths[0], hints)
