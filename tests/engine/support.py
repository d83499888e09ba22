"""Short ways to say instruments, events and records in the tests of the engine."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from engine.core import Commands, step
from engine.ingestion.markets import COINM, SPOT, USDM, Market
from engine.ingestion.symbols import guess
from engine.settings import MarketSettings
from engine.state import EngineState, MarketState
from engine.types import (
    SECOND,
    BookDelta,
    BookSnapshot,
    Event,
    FeedUp,
    Instrument,
    InstrumentListed,
    Level,
    Record,
    TimerFired,
    Trade,
)

T0 = 1_723_161_600
"""A midnight (UTC seconds) inside the recordings."""

BTC = guess(SPOT, "BTCUSDT", 2, 5)
ETH = guess(SPOT, "ETHUSDT", 2, 4)
BTC_USDM = guess(USDM, "BTCUSDT", 1, 3)
BTC_COINM = guess(COINM, "BTCUSD_PERP", 1, 0)


def delta(
    last: int,
    bids: Sequence[Level] = (),
    asks: Sequence[Level] = (),
    *,
    prev: int | None = None,
    key: str = BTC.key,
    ts: int = T0 * SECOND,
) -> BookDelta:
    """A diff of (prev, last]; by default of one update."""
    prev = last - 1 if prev is None else prev
    return BookDelta(
        instrument=key, first_id=prev + 1, last_id=last, prev_id=prev, ts_exch=ts, bids=tuple(bids), asks=tuple(asks)
    )


def snapshot(last: int, bids: Sequence[Level], asks: Sequence[Level], key: str = BTC.key) -> BookSnapshot:
    """A depth snapshot."""
    return BookSnapshot(instrument=key, last_id=last, bids=tuple(bids), asks=tuple(asks))


def trade(
    number: int,
    price: int,
    size: int,
    ts: int,
    *,
    sell: bool = False,
    key: str = BTC.key,
    aggregate: bool = False,
    sent: int | None = None,
    regular: bool = True,
) -> Trade:
    """A trade at `ts` ns of exchange time."""
    return Trade(
        instrument=key,
        id=number,
        price=price,
        size=size,
        ts_exch=ts,
        ts_sent=ts if sent is None else sent,
        sell=sell,
        aggregate=aggregate,
        regular=regular,
    )


class Driver:
    """An engine state driven by hand: events at exchange times, timers in between as replay and engine fire them."""

    def __init__(
        self, *instruments: Instrument, settings: MarketSettings | None = None, delay: int = 0, timers: bool = True
    ) -> None:
        self.state = EngineState(settings)
        self.delay = delay
        self.timers = timers
        self.boundary = 0
        self.commands: list[object] = []
        for instrument in instruments:
            self.apply(T0 * SECOND - 5 * SECOND, "binance:rest", InstrumentListed(instrument=instrument))

    def market(self, instrument: Instrument = BTC) -> MarketState:
        return self.state.markets[instrument.key]

    def apply(self, ts_recv: int, source: str, event: Event, frame: bytes = b"") -> Commands:
        record = Record(seq=self.state.seq + 1, ts_recv=ts_recv, source=source, event=event, frame=frame)
        commands = step(self.state, record)
        self.commands.extend(commands)
        return commands

    def at(self, ts: int, event: Event, source: str = "binance") -> Commands:
        """Apply an event received `delay` after the exchange time `ts`."""
        stamp = ts + self.delay
        self.until(stamp)
        return self.apply(stamp, source, event)

    def until(self, stamp: int) -> None:
        """Fire the timers that lie before a receive stamp."""
        tenth = SECOND // 10
        if not self.timers:
            return
        if not self.boundary:
            self.boundary = (stamp - 1) // tenth * tenth + tenth
        while self.boundary < stamp:
            self.apply(self.boundary, "timer", TimerFired(boundary=self.boundary))
            self.boundary += tenth

    def up(self, ts: int, source: str = "binance") -> Commands:
        return self.at(ts, FeedUp(source=source), source)


def frames(path: Path, limit: int | None = None) -> Iterator[tuple[int, bytes]]:
    """The (receive stamp, message) lines of a recording, read in the plainest way."""
    with gzip.open(path, "rb") as lines:
        for line in islice(lines, limit):
            stamp, _, message = line.rstrip(b"\n").partition(b" ")
            yield int(stamp), message


MARKET_FILES: list[tuple[Market, str, str, int, int]] = [
    (SPOT, "spot/btcusdt_20240808.gz", "BTCUSDT", 2, 8),
    (SPOT, "spot/ethusdt_20240808.gz", "ETHUSDT", 2, 8),
    (USDM, "usdm/btcusdt_20240808.gz", "BTCUSDT", 2, 3),
    (USDM, "usdm/ethusdt_20240808.gz", "ETHUSDT", 2, 3),
    (COINM, "cm/btcusd_perp_20240808.gz", "BTCUSD_PERP", 1, 0),
    (COINM, "cm/ethusd_perp_20240808.gz", "ETHUSD_PERP", 2, 0),
]
"""Market, file, symbol, price and size decimals of the recorded folders."""
