"""Imports files: finds them, recognises each, reads it, and hands it over to storage, one transaction a file.

What is done is remembered by the file's content and by what was said of it, by flags, manifest and its name, so that an
import that was broken off goes on where it was, and one that is repeated changes nothing. Originals are only ever read.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from engine.errors import EngineUnreachable, ImportRefused, StorageFailed
from storage.interchange import recognise
from storage.interchange.batch import Hints, LeftOut, Parsed
from storage.interchange.identity import told
from storage.interchange.manifest import Manifest
from storage.interchange.report import FileReport, Report, of_parsed, total
from storage.interchange.staging import stage

DOCUMENTS = (".md", ".rst", ".checksum", ".sha256", ".toml", ".ds_store")
"""Files beside data that are none."""

PIECE = 1 << 20


class Target(Protocol):
    """Storage as an import needs it."""

    def done(self, sha256: str, said: str) -> str | None:
        """Return the path that the file was imported from earlier, with the same things said of it, or None."""

    def take(self, staged: Path) -> FileReport:
        """Merge a staged file; return its report.

        Raises:
            ImportRefused: It contradicts what is stored; nothing of it was taken.
            StorageFailed: The database refused; nothing of it was taken.
        """


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """What is imported in one transaction: a file, or the files of one folder's recording."""

    paths: tuple[Path, ...]
    format: str
    hints: Hints
    reason: str = ""
    """Why it is not imported, "" if it is."""
    skipped: bool = False
    """That is no fault: the manifest says so, or it is no data."""

    @property
    def said(self) -> str:
        """What a person and the name say of it (JSON): under another name the same may be another instrument's."""
        return self.hints.said if self.format == "recording" else f"[{self.hints.said},{told(self.paths[0])}]"

    @property
    def name(self) -> str:
        """The file, or the folder."""
        one = len(self.paths) == 1
        name = str(self.paths[0]) if one else f"{self.paths[0].parent}/ ({len(self.paths)} files)"
        return os.fsencode(name).decode(errors="backslashreplace")  # a name may be no text


def units(paths: list[Path], manifest: Manifest, flags: Hints) -> list[Unit]:
    """Return what there is to import, in order; flags go before the manifest."""
    found: list[Unit] = []
    tapes: dict[tuple[Path, str], tuple[Hints, list[Path]]] = {}
    for path, odd in _files(paths):
        if odd:
            found.append(Unit(paths=(path,), format="", hints=flags, reason=odd, skipped=odd == NO_DATA))
            continue
        for hints in [flags.over(each) for each in manifest.hints(path.absolute())] or [flags]:
            if hints.skip:
                found.append(Unit(paths=(path,), format="", hints=hints, reason=hints.skip, skipped=True))
                continue
            try:
                format = hints.format or recognise.format_of(path)
            except ImportRefused as error:
                found.append(Unit(paths=(path,), format="", hints=hints, reason=str(error)))
                continue
            if format == "recording":
                tapes.setdefault((path.parent, hints.said), (hints, []))[1].append(path)
            else:
                found.append(Unit(paths=(path,), format=format, hints=hints))
    found += [Unit(paths=tuple(files), format="recording", hints=hints) for hints, files in tapes.values()]
    return found


NO_DATA = "a document, no data"


def _files(paths: list[Path]) -> Iterator[tuple[Path, str]]:
    """Yield every file once, and what is odd about it; links to folders are not followed, hidden files left out."""
    seen: set[Path] = set()
    for path in paths:
        if not path.is_dir():
            wanted = [path]
        else:
            wanted = []
            for folder, folders, names in os.walk(path):
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                wanted += [Path(folder, name) for name in sorted(names) if not name.startswith(".")]
        for file in wanted:
            try:
                real, facts = file.resolve(strict=True), file.stat()
            except (OSError, RuntimeError) as error:
                yield file, f"cannot be read: {getattr(error, 'strerror', '') or error}"
                continue
            if real in seen:
                continue
            seen.add(real)
            if not stat.S_ISREG(facts.st_mode):
                yield file, "not a plain file"
            elif file.name.lower().endswith(DOCUMENTS):
                yield file, NO_DATA
            else:
                yield file, ""


class Importer:
    """Imports units one after the other; `progress` is told what is done (units done, of all, the one in hand)."""

    def __init__(
        self, target: Target, scratch: Path, *, dry_run: bool = False,
        progress: Callable[[int, int, str], None] = lambda *_: None,
    ) -> None:  # fmt: skip
        self._target = target
        self._scratch = scratch
        self._dry_run = dry_run
        self._progress = progress

    def run(self, wanted: list[Unit]) -> Report:
        """Import; ctrl-c, a database that refuses and an engine that goes leave what is done done, and it is told."""
        report = Report(dry_run=self._dry_run)
        begun = time.monotonic()
        try:
            for place, unit in enumerate(wanted):
                self._progress(place, len(wanted), unit.name)
                report.files.append(self._one(unit))
            self._progress(len(wanted), len(wanted), "")
        except KeyboardInterrupt:
            report.interrupted = True
        except (StorageFailed, EngineUnreachable) as error:
            report.failed = str(error)
        report.seconds = round(time.monotonic() - begun, 3)
        return report

    def _one(self, unit: Unit) -> FileReport:
        begun = time.monotonic()
        report = FileReport(path=unit.name, outcome="skipped" if unit.skipped else "refused", reason=unit.reason)
        if not unit.reason:
            try:
                report = self._import(unit)
            except ImportRefused as error:
                outcome = "skipped" if isinstance(error, LeftOut) else "refused"
                report = FileReport(path=unit.name, outcome=outcome, reason=str(error), format=unit.format)
        report.seconds = round(time.monotonic() - begun, 3)
        return report

    def _import(self, unit: Unit) -> FileReport:
        size, sha256 = digest(unit.paths)
        said = unit.said
        earlier = self._target.done(sha256, said)
        if earlier is not None:
            report = FileReport(path=unit.name, outcome="already", format=unit.format, bytes=size, sha256=sha256)
            report.reason = f"imported earlier{'' if earlier == unit.name else f', as {earlier}'}"
            return report
        parsed: Parsed = recognise.read(list(unit.paths), unit.format, unit.hints)
        if self._dry_run:
            report = of_parsed(unit.name, parsed)
            report.outcome, report.bytes, report.sha256 = "would import", size, sha256
            for each in report.series:
                each.new = each.rows
            total(report)
            return report
        descriptor, name = tempfile.mkstemp(prefix="import-", suffix=".db", dir=self._scratch)
        os.close(descriptor)
        staged = Path(name)
        try:
            stage(staged, parsed, source_path=unit.name, size=size, sha256=sha256, said=said)
            return self._target.take(staged)
        finally:
            staged.unlink(missing_ok=True)


def digest(paths: tuple[Path, ...]) -> tuple[int, str]:
    """Return the bytes of files and the SHA-256 of their contents (of several: of their hashes).

    Raises:
        ImportRefused: One cannot be read, or is not what the checksum beside it (`NAME.CHECKSUM`) says.
    """
    size, hashes = 0, []
    for path in paths:
        whole = hashlib.sha256()
        try:
            with path.open("rb") as stream:
                while piece := stream.read(PIECE):
                    whole.update(piece)
                    size += len(piece)
            beside = path.with_name(f"{path.name}.CHECKSUM")
            expected = beside.read_text(encoding="utf-8", errors="replace").split() if beside.is_file() else []
        except OSError as error:
            raise ImportRefused(f"cannot be read: {error.strerror or error}") from error
        if expected and expected[0].lower() != whole.hexdigest():
            raise ImportRefused(
                f"it is not what {beside.name} says (SHA-256 {whole.hexdigest()[:16]}...); fetch it again"
            )
        hashes.append(whole.hexdigest())
    return size, hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
