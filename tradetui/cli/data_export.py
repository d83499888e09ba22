"""`tradetui data export`: stored candles and trades as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tradetui.cli.options import Json, Profile, key_of, places_of, time_of, timeframe_of
from tradetui.cli.output import iso, show_json


def export(
    symbol: Annotated[str, typer.Argument(help="Instrument, as in ETH/USDT or kraken:BTC/USDC.")],
    timeframe: Annotated[str, typer.Option("--timeframe", "-t", help="1s, 1m, 5m, 15m, 1h, 4h, 1d, or trades.")] = "1m",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File, or folder for a file of the usual name. [default: here]")
    ] = None,
    format: Annotated[
        str, typer.Option("--format", help="parquet, csv, freqtrade-feather or freqtrade-json.")
    ] = "parquet",
    start: Annotated[
        str, typer.Option("--from", help="UTC time of the first, as in 2024-08-09 or 2024-08-09T00:00.")
    ] = "",
    end: Annotated[str, typer.Option("--to", help="UTC time before which the last opens.")] = "",
    source: Annotated[str, typer.Option(help="Only this source, as `data ls` names it.")] = "",
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
