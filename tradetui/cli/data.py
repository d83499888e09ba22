"""`tradetui data`: what is stored, brought in and out, and whether it agrees with itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradetui.cli import data_backfill, data_export, data_import, data_upkeep
from tradetui.cli.options import Json, Profile, Stored, key_of, places_of, timeframe_of
from tradetui.cli.output import iso, show_json, table

if TYPE_CHECKING:
    from storage.interchange.holes import Gap, SeriesGaps
    from storage.interchange.verifying import Comparison

app = typer.Typer(
    help="Stored market data: import, export, list, check, back up. Nothing here needs a running engine.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Timeframe = Annotated[str, typer.Option("--timeframe", "-t", help="1s, 1m, 5m, 15m, 1h, 4h or 1d. [default: all]")]
Source = Annotated[str, typer.Option(help="Only this source, as `data ls` names it.")]


app.command("import")(data_import.import_files)


@app.command("ls")
def ls(symbol: Stored = "", timeframe: Timeframe = "", profile: Profile = None, as_json: Json = False) -> None:
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
    symbol: Stored = "",
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
    symbol: Stored = "",
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


app.command("export")(data_export.export)
app.command("backfill")(data_backfill.backfill)
app.command("prune")(data_upkeep.prune)
app.command("migrate")(data_import.migrate)
app.command("backup")(data_upkeep.backup)
app.command("restore")(data_upkeep.restore)
app.command("check")(data_upkeep.check)
app.command("rejects")(data_upkeep.rejects)
