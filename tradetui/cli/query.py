"""Questions about the market that take a while: history, market structure, volume, book, quality, model input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from tradetui.cli.market import Timeframe
from tradetui.cli.options import Json, Profile, Symbol, places_of, time_of
from tradetui.cli.output import MS, clock, decimals_of, number, show_json, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.views import StreamView

T = TypeVar("T")

MOST_DECIMALS = 5


def history(
    symbol: Symbol,
    timeframe: Timeframe = "1m",
    limit: Annotated[int, typer.Option("--limit", "-l", min=1, max=5000, help="How many, newest last.")] = 20,
    end: Annotated[str, typer.Option("--end", help="Before this UTC time, as in 2024-08-05T13:00.")] = "",
    start: Annotated[str, typer.Option("--start", help="From this UTC time on.")] = "",
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Show closed candles of any time, who gave them, and what is missing."""
    from engine.errors import SettingsInvalid
    from engine.views import HistoryView

    first, last = time_of("--start", start, None), time_of("--end", end, None)
    if first is not None and last is not None and first >= last:
        raise SettingsInvalid(f"--start {start} is not before --end {end}")
    asked: dict[str, Any] = {"timeframe": timeframe, "limit": limit, "start_ms": first, "end_ms": last}
    found = _ask(profile, "history", symbol, HistoryView, **asked)
    if as_json:
        show_json(found)
        return
    prices = [(row.open, row.high, row.low, row.close) for row in found.rows]
    places, parts = _places([price for each in prices for price in each]), _places([row.volume for row in found.rows])
    rows = [
        (clock(row.open_ms * MS), *(number(price, places) for price in each), number(row.volume, parts),
         "-" if row.trades < 0 else f"{row.trades:,}", row.source, "" if row.complete else "incomplete")
        for row, each in zip(found.rows, prices, strict=True)
    ]  # fmt: skip
    if rows:
        heads = ("open time", "open", "high", "low", "close", f"volume {_base(symbol)}", "trades", "source", "")
        table(heads, rows, "123456")
        typer.echo("")
    else:
        typer.echo(f"{found.instrument} {found.timeframe}: no candles")
    for served in found.served:
        typer.echo(f"{served.source}: {served.rows:,} rows in {served.ms:,.1f} ms")
    for gap in found.gaps:
        typer.echo(f"missing: {gap.missing:,} from {clock(gap.first_ms * MS)} to {clock(gap.last_ms * MS)}")
    if found.first_ms is not None and found.last_ms is not None:
        typer.echo(f"stored: {clock(found.first_ms * MS)} to {clock(found.last_ms * MS)}")
    if found.reason:
        typer.echo(found.reason)


def pivots(symbol: Symbol, timeframe: Timeframe = "1m", profile: Profile = None, as_json: Json = False) -> None:
    """Show the market structure: confirmed pivots, trends, support and resistance, floor pivots."""
    from engine.views import PivotsView

    found = _ask(profile, "pivots", symbol, PivotsView, timeframe=timeframe)
    if as_json:
        show_json(found)
        return
    _said(found.instrument, found.as_of, found.reason)
    table(
        ("level", "trend", "support", "resistance"),
        [(str(each.level), each.trend, _price(each.support), _price(each.resistance)) for each in found.trends],
        "023",
    )
    if found.bounds is not None:
        typer.echo(f"\nbounds {found.bounds.low:,} to {found.bounds.high:,} (from the {found.bounds.source})")
    if found.floor is not None:
        names = ("s3", "s2", "s1", "pivot", "r1", "r2", "r3")
        typer.echo("floor  " + "  ".join(f"{name} {number(getattr(found.floor, name), 2)}" for name in names))
    typer.echo("")
    places = _places([row.price for row in found.points[-40:]])
    table(
        ("level", "", "price", "turned", "confirmed"),
        [
            (str(row.level), "high" if row.high else "low", number(row.price, places), clock(row.ts_ms * MS),
             clock(row.confirmed_ms * MS))
            for row in found.points[-40:]
        ],
        "02",
    )  # fmt: skip


def profile(symbol: Symbol, profile: Profile = None, as_json: Json = False) -> None:
    """Show the volume by price since 00:00 UTC."""
    from engine.views import ProfileView

    found = _ask(profile, "profile", symbol, ProfileView)
    if as_json:
        show_json(found)
        return
    _said(found.instrument, found.until_ms * MS, found.reason)
    if not found.volumes:
        return
    most = max(found.volumes)
    prices = [round(found.price + place * found.size, 8) for place in range(len(found.volumes))]
    places, parts = _places(prices), _places(found.volumes)
    rows = [
        (number(price, places), number(volume, parts), "#" * round(40 * volume / most) if most > 0 else "")
        for price, volume in zip(prices, found.volumes, strict=True)
    ]
    table(("price", f"volume {_base(symbol)}", ""), rows[::-1], "01")
    approximate = ", part of it from candles" if found.approximate else ""
    typer.echo(
        f"\npoint of control {_price(found.control)}, 70 % from {_price(found.value_low)} to {_price(found.value_high)}"
        f", total {found.total:,.8g}{approximate}"
    )


def depth(symbol: Symbol, profile: Profile = None, as_json: Json = False) -> None:
    """Show what the book amounts to: volume near the mid, walls, liquidity. Exit code 1 without a live book."""
    from engine.views import DepthView

    found = _ask(profile, "depth", symbol, DepthView)
    if as_json:
        show_json(found)
    elif not found.live:
        typer.echo(f"{found.instrument}: {found.reason}")
    else:
        typer.echo(
            f"{found.instrument}  mid {_price(found.mid)}  spread {number(found.spread_bps, 3)} bps"
            f"  liquidity {number(found.liquidity, 3)}  partial {found.partial_buckets}/40\n"
        )
        table(
            ("within", "bids", "asks", "imbalance", ""),
            [
                (f"{band.within_pct:g} %", f"{band.bid:,.8g}", f"{band.ask:,.8g}", number(band.imbalance, 3),
                 "lower bounds" if band.partial else "")
                for band in found.bands
            ],
            "0123",
        )  # fmt: skip
        typer.echo("")
        table(
            ("wall", "price", "size", "intensity"),
            [
                ("bid" if wall.bid else "ask", f"{wall.price:,.10g}", f"{wall.size:,.8g}", number(wall.intensity, 2))
                for wall in found.walls
            ],
            "123",
        )
    if not found.live:
        raise typer.Exit(1)


def quality(symbol: Symbol, profile: Profile = None, as_json: Json = False) -> None:
    """Show how good the input of models is, part by part. Exit code 1 if no model could be run on it."""
    from engine.views import QualityView

    found = _ask(profile, "quality", symbol, QualityView)
    if as_json:
        show_json(found)
    else:
        _said(found.instrument, found.as_of, found.reason)
        typer.echo(f"quality {found.score:.3f}\n")
        table(
            ("part", "weight", "score", "why"),
            [(part.name, number(part.weight, 2), number(part.score, 3), part.why) for part in found.parts],
            "12",
        )
        typer.echo("")
        _streams(found.streams)
        for missing in found.missing:
            typer.echo(f"missing: {missing}")
        if found.storage is not None:
            stored = found.storage
            typer.echo(
                f"\nstorage {stored.path}: {stored.bytes:,} bytes, {stored.waiting:,} rows wait, "
                f"{stored.written:,} written, {stored.rejected:,} refused{'; ' + stored.error if stored.error else ''}"
            )
    if not found.valid:
        raise typer.Exit(1)


def model_input(
    symbol: Symbol,
    at: Annotated[str, typer.Option("--at", help="At this UTC time instead of now.")] = "",
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Show what models are given. Exit code 1 if there is nothing."""
    from engine.views import ModelInputView

    found = _ask(profile, "model_input", symbol, ModelInputView, end_ms=time_of("--at", at, None))
    if as_json:
        show_json(found)
    else:
        _said(found.instrument, found.as_of, found.reason)
        typer.echo(
            f"price {_price(found.price)}  quality {found.score:.3f}  from {found.source} in {found.build_ms:,.1f} ms"
            f"  reference {found.reference or '-'}\n"
        )
        _streams(found.streams)
        if found.indicators:
            typer.echo("")
            frames = list(found.indicators)
            names = list(found.indicators[frames[0]])
            rows = [(name, *(_figure(found.indicators[frame][name]) for frame in frames)) for name in names]
            table(("indicator", *frames), rows, "1234")
            typer.echo("")
            table(("figure", ""), [(name, _figure(value)) for name, value in found.micro.items()], "1")
        for warning in (*found.warnings, *found.missing):
            typer.echo(warning)
    if found.reason:
        raise typer.Exit(1)


def _ask(profile: str | None, topic: str, symbol: str, kind: type[T], **asked: Any) -> T:
    """Return the engine's answer.

    Raises:
        EngineUnreachable: No engine runs, or it does not answer.
        RequestDenied: It says why not.
    """
    import asyncio

    from engine.ingestion.symbols import full_key
    from tradetui.client import engine_of

    places, key = places_of(profile), full_key(symbol)

    async def ask() -> T:
        async with engine_of(places, topic) as engine:
            return await engine.get(topic, kind, instrument=key, **asked)

    return asyncio.run(ask())


def _places(values: Iterable[float]) -> int:
    """Return the decimals that all of some numbers need, 5 at most: they are aligned then."""
    return max((min(decimals_of(abs(value)), MOST_DECIMALS) for value in values), default=0)


def _base(symbol: str) -> str:
    """Return the unit of volumes; inverse contracts are counted."""
    from engine.ingestion.symbols import full_key

    venue, _, pair = full_key(symbol).partition(":")
    return "contracts" if venue == "binancecoinm" else pair.partition("/")[0]


def _said(instrument: str, as_of: int, reason: str) -> None:
    typer.echo(f"{instrument}  {clock(as_of)}" + (f"  {reason}" if reason else ""))


def _price(value: float | None) -> str:
    return "-" if value is None else f"{value:,.10g}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:,.6g}"


def _streams(streams: Sequence[StreamView]) -> None:
    table(
        ("stream", "rows", "incomplete", "missing", "first", "last", "sources"),
        [
            (each.name, f"{each.rows}/{each.wanted}", str(each.incomplete), str(each.missing),
             clock(None if each.first_ms is None else each.first_ms * MS),
             clock(None if each.last_ms is None else each.last_ms * MS),
             ", ".join(f"{name} {count}" for name, count in each.sources.items()))
            for each in streams
        ],
        "123",
    )  # fmt: skip
