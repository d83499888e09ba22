"""Commands about the market as the running engine knows it: price, book, bars, and streams to follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradetui.cli.options import Json, Profile, Symbol, places_of
from tradetui.cli.output import clock, decimals_of, json_line, number, show_json, span, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.protocol import Series, State
    from engine.snapshot import CobView
    from engine.views import BarRow, MarketRow
    from tradetui.places import Places

Timeframe = Annotated[str, typer.Option("--timeframe", "-t", help="1s, 1m, 5m, 15m, 1h, 4h or 1d.")]
Count = Annotated[int, typer.Option("--count", "-n", min=0, help="End after this many lines; 0 goes on until ctrl-c.")]


def price(symbol: Symbol, profile: Profile = None, as_json: Json = False) -> None:
    """Show the best price there is, with its source and age. Exit code 1 without a fresh one."""
    import asyncio

    from engine.views import PriceView
    from tradetui.client import engine_of

    places, key = places_of(profile), _key(symbol)

    async def ask() -> PriceView:
        async with engine_of(places, "price") as engine:
            return await engine.get("price", PriceView, instrument=key)

    found = asyncio.run(ask())
    if as_json:
        show_json(found)
    elif found.price is None:
        typer.echo(f"{key}: no price known")
    else:
        stale = "  STALE" if found.stale else ""
        age = span(found.age_ms / 1000 if found.age_ms is not None else None)
        typer.echo(f"{key}  {found.price:,}  {found.source}, {age} old{stale}")
    if found.stale:
        raise typer.Exit(1)


def book(
    symbol: Symbol,
    depth: Annotated[int, typer.Option("--depth", "-d", min=1, max=5000, help="Levels a side.")] = 10,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Show the order book: asks above bids, best in the middle."""
    import asyncio

    from engine.snapshot import BookView
    from engine.views import MarketRow
    from tradetui.client import engine_of

    places, key = places_of(profile), _key(symbol)

    async def ask() -> tuple[BookView, list[MarketRow]]:
        async with engine_of(places, "book") as engine:
            view = await engine.get("book", BookView, instrument=key, depth=depth)
            return view, await engine.get("markets", list[MarketRow])

    found, markets = asyncio.run(ask())
    if as_json:
        show_json(found)
        return
    decimals = next((decimals_of(row.tick) for row in markets if row.instrument == key), 8)
    typer.echo(f"{key}  {'live' if found.live else 'NOT LIVE'}  update {found.update_id}  record {found.seq}")
    sides = [("ask", level) for level in reversed(found.asks)] + [("bid", level) for level in found.bids]
    table(
        ("", "price", "size", "total"),
        [
            (side, number(price, decimals), f"{size:,.8g}", f"{_total(found, side, price):,.8g}")
            for side, (price, size) in sides
        ], "123",
    )  # fmt: skip


def _total(book: Any, side: str, price: float) -> float:
    """Return the size from the best level to `price`."""
    if side == "ask":
        return float(sum(size for level, size in book.asks if level <= price))
    return float(sum(size for level, size in book.bids if level >= price))


def bars(
    symbol: Symbol,
    timeframe: Timeframe = "1m",
    limit: Annotated[int, typer.Option("--limit", "-l", min=1, max=5000, help="How many, newest last.")] = 20,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Show candles; the last one is still running."""
    import asyncio

    from engine.views import BarRow, MarketRow
    from tradetui.client import engine_of

    places, key = places_of(profile), _key(symbol)

    async def ask() -> tuple[list[BarRow], list[MarketRow]]:
        async with engine_of(places, "bars") as engine:
            rows = await engine.rows("bars", BarRow, instrument=key, timeframe=timeframe, limit=limit)
            return rows, await engine.get("markets", list[MarketRow])

    found, markets = asyncio.run(ask())
    if as_json:
        show_json([_bar(row) for row in found])
        return
    decimals = next((decimals_of(row.tick) for row in markets if row.instrument == key), 8)
    live = any(row.live for row in markets if row.instrument == key)
    if not live:
        age = next((row.age_ms for row in markets if row.instrument == key), None)
        typer.echo(f"{key}  NOT LIVE  last book update {span(age / 1000 if age is not None else None)} ago")
    head = ("open time", "open", "high", "low", "close", "volume", "trades", "")
    table(head, [_cells(row, decimals, live=live) for row in found], "123456")


def _bar(row: BarRow) -> dict[str, Any]:
    import msgspec

    return msgspec.structs.asdict(row)


def _cells(row: BarRow, decimals: int, *, live: bool) -> tuple[str, ...]:
    running = "running" if live else "so far"
    state = "" if row.closed and row.complete else running if not row.closed else "incomplete"
    prices = (number(value, decimals) for value in (row.open, row.high, row.low, row.close))
    return clock(row.open_ms * 1_000_000), *prices, f"{row.volume:,.8g}", f"{row.trades:,}", state


stream = typer.Typer(help="Follow what the engine receives.", no_args_is_help=True)


@stream.command("status")
def stream_status(profile: Profile = None, as_json: Json = False) -> None:
    """Show every connection and instrument: what comes in, how old it is, what was lost."""
    import asyncio

    from engine.health import HealthView
    from engine.views import MarketRow
    from tradetui.client import engine_of

    places = places_of(profile)

    async def ask() -> tuple[HealthView, list[MarketRow]]:
        async with engine_of(places, "stream status") as engine:
            return await engine.get("health", HealthView), await engine.get("markets", list[MarketRow])

    health, markets = asyncio.run(ask())
    if as_json:
        show_json({"connections": health.connections, "instruments": health.instruments, "markets": markets})
        return
    table(
        ("connection", "state", "msg/s", "messages", "age", "doing"),
        [
            (c.source, "silent" if c.stale else "up" if c.up else "DOWN", number(c.rate, 1), f"{c.frames:,}",
             span(c.age_ms / 1000 if c.age_ms is not None else None), c.doing or "-")
            for c in health.connections
        ], "234",
    )  # fmt: skip
    typer.echo("")
    table(
        ("instrument", "book", "bid", "ask", "last", "24 h %"),
        [
            (m.instrument, "live" if m.live else "NOT LIVE", *_prices(m), number(m.change_24h_pct, 2))
            for m in markets
        ], "2345",
    )  # fmt: skip


def _prices(row: MarketRow) -> tuple[str, str, str]:
    decimals = decimals_of(row.tick)
    return number(row.best_bid, decimals), number(row.best_ask, decimals), number(row.last, decimals)


@stream.command("ohlcv")
def stream_ohlcv(
    symbol: Symbol, timeframe: Timeframe = "1s", count: Count = 0, profile: Profile = None, as_json: Json = False
) -> None:
    """Follow closed candles, one line each."""
    import msgspec

    from engine.views import BarRow

    decoder = msgspec.msgpack.Decoder(BarRow)
    told = [0]

    def lines(news: State | Series) -> list[BarRow]:
        rows = [decoder.decode(row) for row in getattr(news, "rows", ())]
        fresh = [row for row in rows if row.closed and row.open_ms > told[0]]
        fresh = fresh if told[0] else fresh[-1:]  # of those before, only the last is news
        told[0] = max((row.open_ms for row in fresh), default=told[0])
        return fresh

    def show(row: BarRow) -> None:
        if as_json:
            json_line(_bar(row))
        else:
            state = "" if row.complete else "  incomplete"
            typer.echo(
                f"{clock(row.open_ms * 1_000_000)}  O {row.open:,}  H {row.high:,}  L {row.low:,}  C {row.close:,}"
                f"  V {row.volume:,.8g}  {row.trades} trades{state}"
            )

    _follow(places_of(profile), "bars", lines, show, count, instrument=_key(symbol), timeframe=timeframe, limit=100)


@stream.command("cob")
def stream_cob(symbol: Symbol, count: Count = 0, profile: Profile = None, as_json: Json = False) -> None:
    """Follow the consolidated order book, once a second."""
    import msgspec

    from engine.snapshot import CobView

    decoder = msgspec.msgpack.Decoder(CobView)

    def lines(news: State | Series) -> list[CobView]:
        return [decoder.decode(getattr(news, "data", b""))]

    def show(view: CobView) -> None:
        if as_json:
            json_line(view)
            return
        if view.mid is None:
            typer.echo(f"{view.instrument}  NOT LIVE")
            return
        averages = "  ".join(f"{a.window_s}s {number(a.plain, 3)}" for a in view.imbalance)
        typer.echo(
            f"{view.instrument}  {'live' if view.live else 'NOT LIVE'}  mid {view.mid:,}"
            f"  spread {number(view.spread_bps, 2)} bps"
            f"  bids {number(view.bid_liquidity, 2)}  asks {number(view.ask_liquidity, 2)}"
            f"  imbalance {averages}  partial {view.partial_buckets}/40"
        )

    _follow(places_of(profile), "cob", lines, show, count, instrument=_key(symbol), every_ms=1000)


def _follow(
    places: Places,
    topic: str,
    lines: Callable[[State | Series], list[Any]],
    show: Callable[[Any], None],
    count: int,
    **asked: Any,
) -> None:
    """Print what a subscription brings until enough was printed, ctrl-c, or the engine is gone.

    Raises:
        EngineUnreachable: The engine went away.
    """
    import asyncio

    from engine.errors import EngineUnreachable
    from tradetui.client import engine_of

    async def follow() -> None:
        async with engine_of(places, f"stream {topic}") as engine:
            enough = asyncio.Event()
            printed = 0
            closed: BrokenPipeError | None = None

            def news(news: State | Series) -> None:
                nonlocal printed, closed
                try:
                    for line in lines(news):
                        if not count or printed < count:
                            show(line)
                            printed += 1
                except BrokenPipeError as error:  # as with `| head`
                    closed = error
                if closed is not None or (count and printed >= count):
                    enough.set()

            await engine.subscribe(topic, news, **asked)
            lost, done = asyncio.create_task(engine.lost()), asyncio.create_task(enough.wait())
            await asyncio.wait((lost, done), return_when=asyncio.FIRST_COMPLETED)
            if not enough.is_set():
                raise EngineUnreachable(f"the stream has ended: {lost.result()}")
            for task in (lost, done):
                task.cancel()
            if closed is not None:
                raise closed

    try:
        asyncio.run(follow())
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _key(symbol: str) -> str:
    """Return the instrument's key.

    Raises:
        SettingsInvalid: Not an instrument.
    """
    from engine.ingestion.symbols import full_key

    return full_key(symbol)
