"""`tradetui data`: what is stored, brought in and out, and whether it agrees with itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradetui.cli import data_backfill, data_import, data_upkeep
from tradetui.cli.options import Json, Profile, places_of
from tradetui.cli.output import show_json, table

if TYPE_CHECKING:
    from storage.interchange.holes import Gap, SeriesGaps
    from storage.interchange.verifying import Comparison

app = typer.Typer(
    help="Stored market data: import, export, list, check, back up. Nothing here needs a running engine.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

NEVER = 1 << 61

Symbol = Annotated[str, typer.Argument(help="Instrument, as in ETH/USDT or kraken:BTC/USDC; without one all.")]
One = Annotated[str, typer.Argument(help="Instrument, as in ETH/USDT or kraken:BTC/USDC.")]
Timeframe = Annotated[str, typer.Option("--timeframe", "-t", help="1s, 1m, 5m, 15m, 1h, 4h or 1d. [default: all]")]
Source = Annotated[str, typer.Option(help="Only this source, as `data ls` names it.")]
Start = Annotated[str, typer.Option("--from", help="UTC time of the first, as in 2024-08-09 or 2024-08-09T00:00.")]
End = Annotated[str, typer.Option("--to", help="UTC time before which the last opens.")]


def key_of(symbol: str) -> str:
    """Return the key of an instrument of any venue; without a venue it is Binance spot. "" stays.

    Raises:
        SettingsInvalid: Not an instrument.
    """
    from engine.errors import SettingsInvalid

    venue, colon, name = symbol.partition(":")
    if not symbol:
        return ""
    if not colon or "/" in venue:
        venue, name = "binance", symbol
    if "/" not in name:
        raise SettingsInvalid(f"{symbol!r}: expected an instrument, as in ETH/USDT or kraken:BTC/USDC")
    return f"{venue.lower()}:{name.upper()}"


def timeframe_of(name: str) -> str:
    """Return a timeframe's name; "" stays.

    Raises:
        SettingsInvalid: There is none such.
    """
    from engine.errors import SettingsInvalid
    from engine.types import Timeframe

    if name and name not in list(Timeframe):
        raise SettingsInvalid(f"--timeframe {name!r}: expected one of {', '.join(Timeframe)}")
    return name


def time_of(option: str, text: str, usual: int) -> int:
    """Return a UTC time as ms.

    Raises:
        SettingsInvalid: Not a time.
    """
    from engine.errors import SettingsInvalid

    if not text:
        return usual
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsInvalid(
            f"{option} {text!r}: expected a UTC time, as in 2024-08-09 or 2024-08-09T00:00"
        ) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def iso(ms: int) -> str:
    """Return UTC ms as text."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


app.command("import")(data_import.import_files)


@app.command("ls")
def ls(symbol: Symbol = "", timeframe: Timeframe = "", profile: Profile = None, as_json: Json = False) -> None:
    """List every stored series: venue, symbol, timeframe, source, first, last, rows, gaps, duplicates.

    One instrument and timeframe may have several sources, side by side; the first one listed serves where it has a
    candle. Exit code: 0, also if nothing is stored, 2 if the database cannot be read.
    """
    from engine.types import Timeframe as Length
    from tradetui.cli.data_store import archive

    places = places_of(profile)
    key, length = key_of(symbol), timeframe_of(timeframe)
    found: list[Any] = []
    if places.database.exists():
        with archive(places) as stored:
            found = [
                each
                for each in stored.series()
                if key in ("", f"{each.venue}:{each.symbol}") and length in ("", each.timeframe)
            ]
    lengths = [*Length, "trades", "aggregate trades"]
    found.sort(key=lambda each: (each.venue, each.symbol, lengths.index(each.timeframe)))
    if as_json:
        show_json(
            [
                {
                    "venue": each.venue, "symbol": each.symbol, "timeframe": each.timeframe, "source": each.source,
                    "first": iso(each.first_ms), "last": iso(each.last_ms), "rows": each.rows, "gaps": each.gaps,
                    "missing": each.missing, "duplicates": each.duplicates, "conflicts": each.conflicts,
                    "first_ms": each.first_ms, "last_ms": each.last_ms,
                }
                for each in found
            ]
        )  # fmt: skip
        return
    if not found:
        typer.echo("nothing is stored; `tradetui data import PATH` brings data in")
        return
    table(
        ("instrument", "timeframe", "source", "first", "last", "rows", "gaps", "missing", "duplicates", "conflicts"),
        [
            (f"{e.venue}:{e.symbol}", e.timeframe, e.source, iso(e.first_ms), iso(e.last_ms), f"{e.rows:,}",
             f"{e.gaps:,}", f"{e.missing:,}", f"{e.duplicates:,}", f"{e.conflicts:,}")
            for e in found
        ], "56789",
    )  # fmt: skip


@app.command("gaps")
def gaps(
    symbol: Symbol = "",
    timeframe: Timeframe = "",
    source: Source = "",
    least: Annotated[int, typer.Option("--least", min=1, help="Only gaps of at least so many bars.")] = 1,
    longest: Annotated[
        int, typer.Option("--longest", min=0, help="Show the longest of each series; 0 shows all.")
    ] = 20,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """List where bars are missing: first missing open, how many, and how far the neighbours lie apart.

    `inside one file`: the file goes on after it, so that the exchange was out, or nobody traded; `between files`: no
    imported file has those times. Nothing is ever filled in. Exit code: 0, or 2 if the database cannot be read.
    """
    from storage.cold import Cold
    from storage.interchange import holes
    from tradetui.cli.data_store import reading

    places = places_of(profile)
    with reading(places) as connection:
        series = holes.listed(connection, key_of(symbol), timeframe_of(timeframe), source)
        found = list(holes.gaps(connection, Cold(places.cold), series, least=least))
    if as_json:
        show_json([_gaps(each) for each in found])
        return
    for each in found:
        missing = sum(gap.missing for gap in each.gaps)
        typer.echo(
            f"{each.instrument} {each.timeframe} {each.source}: {each.rows:,} rows from {iso(each.first)} to"
            f" {iso(each.last)}, {len(each.gaps):,} gap{'' if len(each.gaps) == 1 else 's'}, {missing:,} bars missing"
        )
        shown = sorted(each.gaps, key=lambda gap: -gap.missing)[: longest or None]
        for gap in sorted(shown, key=lambda gap: gap.first):
            typer.echo(
                f"    {iso(gap.first)}  {gap.missing:>9,} missing  {apart(gap.distance_s):>12} between neighbours"
                f"  {gap.why}"
            )
        if len(shown) < len(each.gaps):
            typer.echo(f"    and {len(each.gaps) - len(shown):,} shorter ones; --longest 0 shows all")


def apart(seconds: int) -> str:
    """Return a distance for people, as in `4h45m` or `120d03h00m`."""
    days, rest = divmod(seconds, 86_400)
    text = f"{rest // 3600}h{rest % 3600 // 60:02}m" + (f"{rest % 60:02}s" if rest % 60 else "")
    return f"{days}d{text}" if days else text


def _gaps(each: SeriesGaps) -> dict[str, Any]:
    venue, _, symbol = each.instrument.partition(":")

    def gap(one: Gap) -> dict[str, Any]:
        return {
            "first_missing": iso(one.first), "last_missing": iso(one.last), "missing": one.missing,
            "distance_s": one.distance_s, "distance": apart(one.distance_s), "next": iso(one.before), "why": one.why,
        }  # fmt: skip

    return {
        "venue": venue, "symbol": symbol, "timeframe": each.timeframe, "source": each.source, "first": iso(each.first),
        "last": iso(each.last), "rows": each.rows, "missing": sum(one.missing for one in each.gaps),
        "gaps": [gap(one) for one in each.gaps],
    }  # fmt: skip


@app.command("verify")
def verify(
    symbol: Symbol = "",
    examples: Annotated[int, typer.Option("--examples", min=0, help="Disagreements shown of each pair; 0 all.")] = 3,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Compare what overlaps: sources of one timeframe, and longer candles with what the shorter ones make of them.

    Only candles of which both sides are complete are compared; numbers differ when they are further apart than 1e-9 of
    their size. Exit code: 0 all agree, 1 something differs, 2 the database cannot be read.
    """
    from storage.cold import Cold
    from storage.interchange import holes
    from storage.interchange.verifying import verify as compared
    from tradetui.cli.data_store import Progress, reading

    places = places_of(profile)
    with reading(places) as connection:
        series = holes.listed(connection, key_of(symbol))
        found = list(compared(connection, Cold(places.cold), series, Progress(quiet=as_json)))
    differing = [each for each in found if each.differing]
    if as_json:
        show_json(
            {
                "pairs": len(found), "compared": sum(each.compared for each in found), "agree": not differing,
                "differing_pairs": len(differing), "differing_candles": sum(each.differing for each in found),
                "comparisons": [_comparison(each) for each in found],
            }
        )  # fmt: skip
    else:
        for each in differing:
            _differs(each, examples)
        typer.echo(
            f"{len(found):,} pairs, {sum(each.compared for each in found):,} candles compared: "
            + (
                f"{len(differing):,} pairs differ in {sum(e.differing for e in differing):,} candles"
                if differing
                else "all agree"
                if found
                else "nothing overlaps"
            )
        )
    if differing:
        raise typer.Exit(1)


def _differs(each: Comparison, examples: int) -> None:
    how = "built from" if each.built else "against"
    left, right = (each.right, each.left) if each.built else (each.left, each.right)
    fields = ", ".join(
        f"{name} {count:,} (by up to {100 * each.worst[name]:.3g} %)" for name, count in each.fields.items()
    )
    typer.echo(f"{each.instrument} {left} {how} {right}: {each.differing:,} of {each.compared:,} differ: {fields}")
    for one in each.disagreements[: examples or None]:
        typer.echo(
            f"    {iso(one.at)} {one.field}: {one.left} {one.left_value:.12g}, {one.right} {one.right_value:.12g}"
        )


def _comparison(each: Comparison) -> dict[str, Any]:
    return {
        "instrument": each.instrument, "left": each.left, "right": each.right, "built": each.built,
        "compared": each.compared, "differing": each.differing, "fields": each.fields, "worst": each.worst,
        "disagreements": [
            {"time": iso(one.at), "field": one.field, "left": one.left_value, "right": one.right_value}
            for one in each.disagreements
        ],
    }  # fmt: skip


@app.command("export")
def export(
    symbol: One,
    timeframe: Annotated[str, typer.Option("--timeframe", "-t", help="1s, 1m, 5m, 15m, 1h, 4h, 1d, or trades.")] = "1m",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File, or folder for a file of the usual name. [default: here]")
    ] = None,
    format: Annotated[
        str, typer.Option("--format", help="parquet, csv, freqtrade-feather or freqtrade-json.")
    ] = "parquet",
    start: Start = "",
    end: End = "",
    source: Source = "",
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Write stored candles or trades to a file: of each time the best source's, or one source's.

    Exit code: 0 written, 2 nothing to write, or it cannot be written.
    """
    from engine.errors import SettingsInvalid
    from engine.types import Timeframe as Length
    from storage.cold import Cold
    from storage.interchange import exporting
    from tradetui.cli.data_store import Progress, archive, reading

    key, places = key_of(symbol), places_of(profile)
    if format not in exporting.FORMATS:
        raise SettingsInvalid(f"--format {format!r}: expected one of {', '.join(exporting.FORMATS)}")
    length = timeframe if timeframe == "trades" else timeframe_of(timeframe)
    path = out or Path()
    path = path / exporting.name_of(key, length, format) if path.is_dir() else path
    if path.exists() and not force:
        raise SettingsInvalid(f"{path} is there already; --force writes over it")
    progress = Progress(quiet=as_json)
    with archive(places) as stored, reading(places) as connection:
        first, last = _extent(connection, stored, key, length)
        range_ms = {
            "start_ms": max(time_of("--from", start, first), first),
            "end_ms": min(time_of("--to", end, last), last),
        }
        if length == "trades":
            done = exporting.trades(connection, Cold(places.cold), key, path, format, **range_ms, progress=progress)
        else:
            read, name = (
                _one(connection, Cold(places.cold), key, Length(length), source) if source else (None, "export")
            )
            done = exporting.candles(
                stored, key, Length(length), path, format, **range_ms, progress=progress, read=read, source=name
            )
    progress(1, 1, "")
    if as_json:
        import msgspec

        show_json({**msgspec.to_builtins(done), "first": iso(done.first), "last": iso(done.last)})
    else:
        typer.echo(f"{done.path}: {done.rows:,} rows from {iso(done.first)} to {iso(done.last)}, {done.bytes:,} bytes")


def _extent(connection: Any, stored: Any, key: str, length: str) -> tuple[int, int]:
    """Return the time of the first row and the time after the last one, UTC ms; both 0 if there is none."""
    from engine.types import Timeframe as Length

    if length != "trades":
        extent = stored.bounds(key, Length(length))
        return (extent[0], extent[1] + 1) if extent else (0, 0)
    found = connection.execute(
        "SELECT min(a), max(b) FROM (SELECT min(t.ts) a, max(t.ts) b FROM trades t JOIN instruments i ON"
        " i.id = t.instrument_id WHERE i.key = ?1 UNION ALL SELECT min(c.first), max(c.last) FROM cold_files c"
        " JOIN instruments i ON i.id = c.instrument_id WHERE i.key = ?1 AND c.kind = 'trades')",
        (key,),
    ).fetchone()
    return (found[0] // 1_000_000, found[1] // 1_000_000 + 1) if found[0] is not None else (0, 0)


def _one(connection: Any, packed: Any, key: str, length: Any, source: str) -> tuple[Any, str]:
    """Return what reads the candles of one source, and its name.

    Raises:
        SettingsInvalid: There is no such series.
    """
    from engine.errors import SettingsInvalid
    from storage.candles import stretch
    from storage.interchange.holes import listed

    found = listed(connection, key, str(length), source)
    if not found:
        there = ", ".join(each.source for each in listed(connection, key, str(length))) or "none"
        raise SettingsInvalid(f"--source {source!r}: {key} {length} has {there}")
    series = [found[0].series]
    return (lambda a, b: stretch(connection, packed, series, length, a, b, None).candles), found[0].source


app.command("backfill")(data_backfill.backfill)
app.command("prune")(data_upkeep.prune)
app.command("migrate")(data_import.migrate)
app.command("backup")(data_upkeep.backup)
app.command("restore")(data_upkeep.restore)
app.command("check")(data_upkeep.check)
app.command("rejects")(data_upkeep.rejects)
