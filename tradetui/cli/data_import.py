"""`tradetui data import` and `data migrate`: files into storage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradetui.cli.options import Json, Profile, places_of
from tradetui.cli.output import show_json

if TYPE_CHECKING:
    from storage.interchange.batch import Hints
    from storage.interchange.importing import Unit
    from storage.interchange.report import FileReport, Report
    from tradetui.places import Places

Paths = Annotated[list[Path], typer.Argument(help="Files, and folders with all that is below them.", metavar="PATH...")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and check everything, store nothing.")]


def import_files(
    paths: Paths,
    manifest: Annotated[
        Path | None, typer.Option(help="TOML file that says whose the files are: [[file]] entries with a glob.")
    ] = None,
    venue: Annotated[str, typer.Option(help="Exchange, as in binance, where a file does not tell.")] = "",
    symbol: Annotated[str, typer.Option(help="Instrument, as in BTC/USDT or BTC/USDT:USDT.")] = "",
    timeframe: Annotated[str, typer.Option("--timeframe", "-t", help="1s, 1m, 5m, 15m, 1h, 4h or 1d.")] = "",
    source: Annotated[str, typer.Option(help="Name for this hand's data; each is kept beside the others.")] = "",
    format: Annotated[
        str,
        typer.Option(
            "--format",
            help="archive, freqtrade, csv, parquet, feather, lean, octobot, json or recording. [default: told]",
        ),
    ] = "",
    columns: Annotated[
        str, typer.Option(help="Names of a table's columns in order, with - for those to leave out.")
    ] = "",
    volume: Annotated[str, typer.Option(help="What volumes count: base, quote or contracts.")] = "base",
    since: Annotated[str, typer.Option(help="Take only what opens at this UTC time or later.")] = "",
    until: Annotated[str, typer.Option(help="Take only what opens before this UTC time.")] = "",
    dry_run: DryRun = False,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Import candles and trades: Binance's archive zips, freqtrade, CSV, Parquet, LEAN, OctoBot, events, recordings.

    Files are only read. Each is one transaction; what was imported is known by its content, so the same command again
    goes on where it was broken off, and changes nothing when all is done. What is refused is counted, with the reason.

    Exit code: 0 all was taken, 1 a file was refused, or every row of one, 2 nothing could be done.
    """
    from engine.errors import ImportRefused
    from storage.interchange.batch import Hints
    from storage.interchange.importing import units
    from storage.interchange.manifest import Manifest, load

    if volume not in ("base", "quote", "contracts"):
        raise ImportRefused(f"--volume {volume!r}: expected base, quote or contracts")
    flags = Hints(
        format=format, venue=venue, symbol=symbol, timeframe=timeframe, source=source, volume=volume, since=since,
        until=until, columns=tuple(name.strip() for name in columns.split(",")) if columns else (),
    )  # fmt: skip
    known = load(manifest) if manifest is not None else Manifest()
    done = run(places_of(profile), units(paths, known, flags), flags, dry_run=dry_run, quiet=as_json)
    tell(done, as_json=as_json)


def migrate(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Folders of the old layout, with ETHUSDT_1m.parquet and the like.")
    ] = None,
    venue: Annotated[str, typer.Option(help="Exchange that the old files are of.")] = "binance",
    archive_to: Annotated[
        Path | None, typer.Option(help="Move the old files here once they are in storage and counted.")
    ] = None,
    dry_run: DryRun = False,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Bring the database to this version's schema, and Parquet files of the old layout into it.

    Old files are kept where they are unless --archive-to is given; a file of which not every row was taken stays.
    Exit code: 0 done, 1 a file was refused, 2 nothing could be done.
    """
    from storage.interchange.batch import Hints
    from storage.interchange.importing import units
    from storage.interchange.manifest import Manifest

    places, flags = places_of(profile), Hints(venue=venue, source="migrated")
    old = (".parquet", ".pkl", ".pickle")
    wanted = [unit for unit in units(paths or [], Manifest(), flags) if unit.paths[0].name.lower().endswith(old)]
    done = run(places, wanted, flags, dry_run=dry_run, quiet=as_json)
    if archive_to is not None and not dry_run:
        _archive(done, wanted, archive_to)
    tell(done, as_json=as_json)


def _archive(done: Report, wanted: list[Unit], folder: Path) -> None:
    """Move files of which every row is in storage.

    Raises:
        ImportRefused: One cannot be moved.
    """
    import shutil

    from engine.errors import ImportRefused

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for report, unit in zip(done.files, wanted, strict=True):
            whole = report.outcome in ("imported", "already") and not (
                report.refused or report.conflicts or report.left_out
            )
            if whole and not (folder / unit.paths[0].name).exists():
                shutil.move(unit.paths[0], folder / unit.paths[0].name)
                report.notes.append(f"moved to {folder}")
    except OSError as error:
        raise ImportRefused(f"--archive-to {folder}: {error.strerror or error}") from error


def run(places: Places, wanted: list[Unit], flags: Hints, *, dry_run: bool, quiet: bool) -> Report:
    """Import, and work out the pivots of what was touched."""
    from engine.errors import EngineUnreachable, StorageFailed
    from storage.interchange.importing import Importer
    from tradetui.cli.data_store import Progress, writing

    del flags
    progress = Progress(quiet=quiet)
    if dry_run:
        return Importer(_Nothing(places), places.temporary, dry_run=True, progress=progress).run(wanted)
    with writing(places) as storage:
        report = Importer(storage, places.temporary, progress=progress).run(wanted)
        report.schema = storage.migrated
        if not report.interrupted and not report.failed:
            try:
                storage.pivots(progress)
            except KeyboardInterrupt:
                report.interrupted = True
            except (StorageFailed, EngineUnreachable) as error:  # the next command works them out
                report.failed = str(error)
    return report


class _Nothing:
    """Storage for a dry run: tells what is there, takes nothing."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def done(self, sha256: str, said: str) -> str | None:
        """Return the path that a file was imported from earlier, or None."""
        from storage.interchange.staging import imported
        from tradetui.cli.data_store import reading

        if not self._places.database.exists():
            return None
        with reading(self._places) as connection:
            return imported(connection, sha256, said)

    def take(self, staged: Path) -> FileReport:
        """Take nothing."""
        raise AssertionError(staged)


def tell(report: Report, *, as_json: bool) -> None:
    """Print a report, and end with its exit code."""
    if as_json:
        import msgspec

        show_json({**msgspec.to_builtins(report), "ok": report.ok, "totals": totals(report)})
    else:
        _lines(report)
    if report.failed:
        typer.echo(f"tradetui: {report.failed}; what is listed is done, the same command goes on", err=True)
        raise typer.Exit(2)
    if report.interrupted:
        raise typer.Exit(130)
    if not report.ok:
        raise typer.Exit(1)


def totals(report: Report) -> dict[str, int]:
    """Return the counts of all files together."""
    names = ("rows", "new", "identical", "conflicts", "refused", "left_out")
    return {"files": len(report.files), **{name: sum(getattr(each, name) for each in report.files) for name in names}}


def _say(text: str) -> None:
    """Print a line; names and texts of files are made fit for a terminal."""
    from engine.text import inert

    typer.echo(inert(text, 1000))


def _lines(report: Report) -> None:
    for each in report.files:
        if each.outcome == "skipped":
            continue
        _say(_head(each))
        for kind, count in each.kinds.items():
            first = next((row for row in each.examples if row.reason.startswith(kind)), None)
            where = f", first in row {first.row}: {first.reason}" if first is not None else ""
            _say(f"    refused {count:,} x {kind}{where}")
        for why, count in each.left.items():
            _say(f"    left out {count:,}: {why}")
        for difference in each.differences[:3]:
            _say(
                f"    conflict {difference.series} at {difference.at}: {difference.field} is {difference.stored} in"
                f" storage, {difference.file} in the file; storage keeps its own"
            )
        for note in each.notes:
            _say(f"    {note}")
    if report.schema:
        _say(f"the database has schema {report.schema[-1]} now")
    counts = totals(report)
    outcomes = {
        name: sum(each.outcome == name for each in report.files)
        for name in dict.fromkeys(e.outcome for e in report.files)
    }
    _say(
        f"{counts['files']:,} files: {', '.join(f'{count:,} {name}' for name, count in outcomes.items()) or 'none'}; "
        f"{counts['rows']:,} rows read = {counts['new']:,} new + {counts['identical']:,} identical + "
        f"{counts['conflicts']:,} conflicts + {counts['refused']:,} refused + {counts['left_out']:,} left out; "
        f"{report.seconds:.1f} s"
    )
    if report.interrupted:
        _say("interrupted: the files above are done; the same command goes on with the others")
    skipped: dict[str, int] = {}
    for each in report.files:
        if each.outcome == "skipped":
            skipped[each.reason] = skipped.get(each.reason, 0) + 1
    for reason, count in skipped.items():
        _say(f"skipped {count:,}: {reason}")


def _head(each: FileReport) -> str:
    if each.outcome in ("refused", "already"):
        return f"{each.path}: {each.outcome.upper() if each.outcome == 'refused' else each.outcome}: {each.reason}"
    names = ", ".join(f"{one.instrument} {one.kind} {one.source}" for one in each.series[:4])
    more = f" and {len(each.series) - 4} more" if len(each.series) > 4 else ""
    new = "" if each.new == each.rows else f" of {each.rows:,}"
    return f"{each.path}: {each.new:,}{new} rows {each.outcome if each.outcome != 'imported' else 'new'}  {names}{more}"
