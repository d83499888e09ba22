"""Answers of Binance's REST endpoints as events.

Source: developers.binance.com, market data endpoints of the three markets.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from typing import Any

import msgspec

from engine.errors import ProtocolError
from engine.ingestion.scaling import EXACT, exact, exact_levels, positive, scaler
from engine.ingestion.shapes import (
    DAMAGE,
    Scaled,
    SnapshotShape,
    Text,
    read_klines,
    read_prices,
    read_snapshot,
    read_snapshot_text,
)
from engine.ingestion.streams import LATEST_MS
from engine.types import MS, Bar, BarsLoaded, BookSnapshot, Instrument, Level, PriceReported, Timeframe


def snapshot(instrument: Instrument, body: bytes) -> BookSnapshot:
    """Return the event that a REST depth answer tells.

    Raises:
        ProtocolError: The answer is damaged or belongs to another symbol.
    """
    try:
        answer, bids, asks = _read_snapshot(body, instrument)
    except DAMAGE as error:
        raise ProtocolError(f"depth answer: {error}", body) from error
    if answer.symbol and answer.symbol != instrument.symbol:
        raise ProtocolError(f"depth answer of {answer.symbol} where {instrument.symbol} was asked", body)
    return BookSnapshot(
        instrument=instrument.key, last_id=answer.lastUpdateId, bids=bids, asks=asks, ts_exch=answer.T * MS
    )


def klines(instrument: Instrument, timeframe: Timeframe, body: bytes) -> BarsLoaded:
    """Return the candles of a REST klines answer, as the venue sent them (the last may still be running).

    Raises:
        ProtocolError: The answer is damaged, of longer candles, or a candle contradicts itself.
    """
    try:
        rows = read_klines(body)
        bars = tuple(_bar(row, instrument, timeframe) for row in rows)
    except ProtocolError as error:
        raise ProtocolError(f"klines answer: {error.reason}", body) from None
    except DAMAGE as error:
        raise ProtocolError(f"klines answer: {error}", body) from error
    if any(later.open_ms <= bar.open_ms for bar, later in pairwise(bars)):
        raise ProtocolError("klines answer: candles are not in order of time", body)
    return BarsLoaded(instrument=instrument.key, timeframe=timeframe, bars=bars)


def price(instrument: Instrument, body: bytes) -> PriceReported:
    """Return the price of a REST price answer (COIN-M answers with a list of one).

    Raises:
        ProtocolError: The answer is damaged or of another symbol.
    """
    try:
        answer = read_prices(body)
    except DAMAGE as error:
        raise ProtocolError(f"price answer: {error}", body) from error
    for entry in answer if isinstance(answer, list) else [answer]:
        if entry.symbol == instrument.symbol:
            ticks = positive(entry.price, instrument.price_decimals, "price")
            return PriceReported(instrument=instrument.key, price=ticks)
    raise ProtocolError(f"price answer is not of {instrument.symbol}", body)


def _read_snapshot(
    body: bytes, instrument: Instrument
) -> tuple[SnapshotShape[Scaled] | SnapshotShape[Text], tuple[Level, ...], tuple[Level, ...]]:
    scaled, levels = scaler(b'"bids":[', b'"asks":[', instrument)(body)
    with suppress(msgspec.ValidationError):
        answer: SnapshotShape[Scaled] = read_snapshot(scaled)
        if len(answer.bids) + len(answer.asks) == levels:
            return answer, answer.bids, answer.asks
    text: SnapshotShape[Text] = read_snapshot_text(body)
    return text, exact_levels(text.bids, instrument), exact_levels(text.asks, instrument)


def _bar(
    row: tuple[int, str, str, str, str, str, int, str, int, str, str, Any], instrument: Instrument, timeframe: Timeframe
) -> Bar:
    open_ms, o, h, l, c, v, end_ms, quote, trades, taker, _, _ = row  # noqa: E741
    if end_ms - open_ms > timeframe.seconds * 1000:
        raise ProtocolError(f"candle {open_ms} ends at {end_ms}: it is longer than {timeframe}")
    decimals = instrument.price_decimals
    prices = [positive(text, decimals, "a candle's price") for text in (o, h, l, c)]
    if max(prices) >= EXACT:
        raise ProtocolError(f"candle {open_ms}: a price of {h} is beyond reason")
    if max(prices) != prices[1] or min(prices) != prices[2]:
        raise ProtocolError(f"candle {open_ms}: open {o} and close {c} are not between low {l} and high {h}")
    volume, taker_buy = exact(v, instrument.size_decimals), exact(taker, instrument.size_decimals)
    if not 0 <= open_ms < LATEST_MS or trades < 0 or taker_buy > volume:
        raise ProtocolError(f"candle {open_ms}: {trades} trades, volume {v}, of it bought {taker}")
    try:
        quote_volume = -1 if instrument.contract_size else exact(quote, decimals + instrument.size_decimals)
    except ProtocolError:
        quote_volume = -1
    if volume:
        # A volume of no value, or of no trade, is a figure that was left out.
        quote_volume = quote_volume or -1
        trades, taker_buy = (trades, taker_buy) if trades else (-1, -1)
    return Bar(
        open_ms=open_ms,
        open=prices[0],
        high=prices[1],
        low=prices[2],
        close=prices[3],
        volume=volume,
        trades=trades,
        taker_buy=taker_buy,
        quote_volume=quote_volume,
        source="venue",
    )
