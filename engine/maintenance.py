"""Which past candles an instrument asks for: history at a connect, what is missing or poor, and the venue's word.

Maintenance holds every closed bar against the venue's own candle, looking each half candle whether there is one that
was not compared yet. That costs a request of weight 1 or 2 per candle and timeframe; seconds are compared in pages.
"""

from __future__ import annotations

from engine.ingestion.markets import MARKETS
from engine.ohlcv import STAND_INS
from engine.state import MarketState
from engine.types import MS, SECOND, TIMEFRAME_SECONDS, Bar, FetchBars, Timeframe

SETTLED_MS = 1000
"""A candle of the venue counts as final this long after its end."""

COMPARED_MS = 2000
"""A candle is asked for, to compare it with ours, this long after its end."""

COMPARED_MOST = 480
"""Candles compared at once; what is older is left to healing."""

EVERY_S: dict[Timeframe, int] = {
    timeframe: 10 if timeframe is Timeframe.S1 else timeframe.seconds // 2 for timeframe in Timeframe
}
"""Seconds between two looks for bars to compare: half a candle, but ten seconds of the shortest go in one request."""

AT_S = 3
"""Seconds into that interval at which it is done: the venue's candle is final by then."""

HEAL_EVERY_S = 60
"""Seconds between two looks for bars to heal."""

HEAL_MOST_S = 3600
"""The pause between two requests for the same bars doubles from `HEAL_EVERY_S` to this."""


def history(market: MarketState, ts_recv: int) -> list[FetchBars]:
    """Ask for the candles since the last closed one, at most as many as are kept."""
    now_ms = (ts_recv + (market.offset or 0)) // MS
    commands: list[FetchBars] = []
    for timeframe in market.settings.timeframes if market.settings.cache.enabled else ():
        length = TIMEFRAME_SECONDS[timeframe] * 1000
        closed = market.bars.closed[timeframe]
        running = now_ms // length * length
        start = max(running - market.bars.kept * length, closed[-1].open_ms if closed else 0)
        if start < running:
            commands.append(_fetch(market, timeframe, start, running - length))
    return commands


def maintain(market: MarketState, second: int) -> list[FetchBars]:
    """Ask for what is due at a second of the engine's clock (UTC): bars to heal, and bars to compare."""
    commands: list[FetchBars] = []
    now_ms = (second * SECOND + (market.offset or 0)) // MS
    for timeframe in _own(market):
        if second % HEAL_EVERY_S == AT_S:
            commands += _heal(market, timeframe, second, now_ms)
        if second % EVERY_S[timeframe] == AT_S and market.offset is not None:
            commands += _compare(market, timeframe, now_ms)
    return commands


def note_loaded(market: MarketState, timeframe: Timeframe, bars: tuple[Bar, ...], now_ms: int) -> None:
    """Take note of candles that were loaded."""
    own = [bar.open_ms for bar in bars if bar.source not in STAND_INS]
    if own:
        market.compared[timeframe] = max(max(own), market.compared.get(timeframe, 0))
    market.gaps[timeframe] = market.bars.lacking(timeframe, now_ms - SETTLED_MS)


def _own(market: MarketState) -> list[Timeframe]:
    """Return the timeframes of which the venue has candles."""
    settings = market.settings
    if not settings.cache.enabled:
        return []
    return [length for length in MARKETS[market.instrument.venue].kline_timeframes if length in settings.timeframes]


def _heal(market: MarketState, timeframe: Timeframe, second: int, now_ms: int) -> list[FetchBars]:
    """Ask for bars that are missing, not complete, or a stand-in's; for the same ones ever more patiently."""
    bars = market.bars
    market.gaps[timeframe] = bars.lacking(timeframe, now_ms - SETTLED_MS)
    damage = bars.damage(timeframe, now_ms - SETTLED_MS)
    if damage is None:
        market.asked_bars.pop(timeframe, None)
        return []
    start, end, times, due = market.asked_bars.get(timeframe, (0, 0, 0, 0))
    times = times if (start, end) == damage else 0
    if times and second < due:
        return []
    pause = min(HEAL_EVERY_S << min(times, 10), HEAL_MOST_S)
    market.asked_bars[timeframe] = (*damage, times + 1, second + pause)
    return [_fetch(market, timeframe, *damage)]


def _compare(market: MarketState, timeframe: Timeframe, now_ms: int) -> list[FetchBars]:
    """Ask for the venue's candles of the bars that closed since it was last heard of them."""
    length = TIMEFRAME_SECONDS[timeframe] * 1000
    last = (now_ms - COMPARED_MS) // length * length - length
    known = market.compared.get(timeframe)
    if known is None:
        closed = market.bars.closed[timeframe]
        if not closed:
            return []
        known = closed[0].open_ms - length
    first = max(known + length, last - (COMPARED_MOST - 1) * length)
    return [_fetch(market, timeframe, first, last, compare=True)] if first <= last else []


def _fetch(market: MarketState, timeframe: Timeframe, start: int, end: int, *, compare: bool = False) -> FetchBars:
    key = market.instrument.key
    return FetchBars(instrument=key, timeframe=timeframe, start_ms=start, end_ms=end, compare=compare)
