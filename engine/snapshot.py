"""What others see of the engine: frozen values made from the state on demand, one kind per topic."""

from __future__ import annotations

import msgspec

from engine.market.cob import RADIUS, Averages, Cob, spread_bps
from engine.market.flow import flow
from engine.state import EngineState, MarketState
from engine.types import MS, SECOND, Level, Timeframe


class BucketView(msgspec.Struct, frozen=True, kw_only=True):
    """One price bucket.

    Units: `price` lower edge in quote units; volumes in base asset (on inverse markets contracts x contract size /
    price); `vwap` in quote units; `imbalance` (bid - ask) / (bid + ask). None where nothing is known to be there.
    """

    price: float
    bid: float
    ask: float
    imbalance: float | None
    vwap: float | None
    partial: bool


class FlowView(msgspec.Struct, frozen=True, kw_only=True):
    """Aggressive volume over the last `window_s` seconds, in base asset (contracts on inverse markets).

    `buy_ratio` is buys over both, None without trades.
    """

    window_s: int
    buy: float
    sell: float
    buy_ratio: float | None
    trades: int


class CobView(msgspec.Struct, frozen=True, kw_only=True):
    """The consolidated order book of one instrument.

    Units: prices in quote units; liquidity in base asset, over the 40 buckets; `age_ms` since the last book update.
    `volume_weighted_mid` weights the two best prices by the size on the other side (Stoikov 2018, "The micro-price").
    `live` False means that nothing here is the market now.
    """

    instrument: str
    seq: int
    live: bool
    age_ms: float | None
    bucket_size: float | None = None
    best_bid: float | None = None
    best_ask: float | None = None
    mid: float | None = None
    volume_weighted_mid: float | None = None
    spread_bps: float | None = None
    bid_liquidity: float | None = None
    ask_liquidity: float | None = None
    liquidity_imbalance: float | None = None
    partial_buckets: int | None = None
    buckets: tuple[BucketView, ...] = ()
    imbalance: tuple[Averages, ...] = ()
    flow: tuple[FlowView, ...] = ()


class BookView(msgspec.Struct, frozen=True, kw_only=True):
    """The best levels, best first: (price, size) in quote units and base asset (contracts on inverse markets)."""

    instrument: str
    seq: int
    live: bool
    update_id: int
    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]


def is_live(state: EngineState, market: MarketState, now: int) -> bool:
    """Tell whether the book is the market at `now` (ns): in sequence, and its connection not silent for long."""
    source = state.sources.get(market.book_source)
    fresh = source is not None and source.up and now - source.last_frame <= state.settings.stale_after_s * SECOND
    return market.sync.live and fresh and bool(market.sync.book.best_bid and market.sync.book.best_ask)


def book_view(state: EngineState, key: str, depth: int, now: int) -> BookView:
    """Return the best `depth` levels of each side."""
    market = state.markets[key]
    instrument = market.instrument
    bids, asks = market.sync.book.top(depth)

    def for_people(levels: list[Level]) -> tuple[tuple[float, float], ...]:
        return tuple((instrument.price(price), instrument.size(size)) for price, size in levels)

    return BookView(
        instrument=key,
        seq=state.seq,
        live=is_live(state, market, now),
        update_id=market.sync.book.update_id,
        bids=for_people(bids),
        asks=for_people(asks),
    )


def cob_view(state: EngineState, key: str, now: int) -> CobView:
    """Return the COB topic of one instrument at `now` (engine clock, ns)."""
    market = state.markets[key]
    live = is_live(state, market, now)
    age = (now - market.ts_book) / MS if market.ts_book else None
    book, cob, instrument = market.sync.book, market.cob, market.instrument
    if cob is None or not market.sync.live or not (book.best_bid and book.best_ask):
        return CobView(instrument=key, seq=state.seq, live=live, age_ms=age)
    bid_size, ask_size = book.bids[book.best_bid], book.asks[book.best_ask]
    weighted = (book.best_bid * ask_size + book.best_ask * bid_size) / (bid_size + ask_size)
    buckets = _buckets(market, cob)
    bid, ask = sum(bucket.bid for bucket in buckets), sum(bucket.ask for bucket in buckets)
    seconds = list(market.bars.closed[Timeframe.S1])
    running = market.bars.running(Timeframe.S1)
    exchange_s = (now + (market.offset or 0)) // SECOND
    return CobView(
        instrument=key,
        seq=state.seq,
        live=live,
        age_ms=age,
        bucket_size=instrument.price(cob.bucket),
        best_bid=instrument.price(book.best_bid),
        best_ask=instrument.price(book.best_ask),
        mid=instrument.price((book.best_bid + book.best_ask) / 2),
        volume_weighted_mid=instrument.price(weighted),
        spread_bps=spread_bps(book.best_bid, book.best_ask),
        bid_liquidity=bid,
        ask_liquidity=ask,
        liquidity_imbalance=(bid - ask) / (bid + ask) if bid + ask else None,
        partial_buckets=sum(bucket.partial for bucket in buckets),
        buckets=buckets,
        imbalance=cob.averages(state.tenth),
        flow=tuple(
            FlowView(
                window_s=over.window_s,
                buy=instrument.size(over.buy),
                sell=instrument.size(over.sell),
                buy_ratio=over.buy_ratio,
                trades=over.trades,
            )
            for over in (flow(seconds, running, exchange_s, window) for window in (1, 5, 15, 60))
        ),
    )


def _buckets(market: MarketState, cob: Cob) -> tuple[BucketView, ...]:
    instrument = market.instrument
    column = cob.column(0, market.sync.book, market.sync.low, market.sync.high)
    views = []
    for i in range(2 * RADIUS):
        bid, ask = column.bids[i], column.asks[i]
        total, notional = bid + ask, column.bid_notional[i] + column.ask_notional[i]
        vwap = instrument.price(notional / total) if total else None
        # A contract is worth contract_size quote units; at the bucket's mean price that is this much base asset.
        base = instrument.contract_size / vwap if instrument.contract_size and vwap else 1.0
        views.append(
            BucketView(
                price=instrument.price((column.base + i) * cob.bucket),
                bid=instrument.size(bid) * base,
                ask=instrument.size(ask) * base,
                imbalance=(bid - ask) / total if total else None,
                vwap=vwap,
                partial=column.partial[i],
            )
        )
    return tuple(views)
