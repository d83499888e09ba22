"""Candles of one symbol, in exact integers: recorded minutes before the tape, trades served since.

Recorded minute candles hold prices and volume only; quote volume, trade count and taker volumes are not known for them
and served as zero. The minute in which the tape begins comes from the trades while it runs (it misses what was traded
before the tape's start) and, where minutes were recorded, from the record once it is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support.exchange.aggregates import Trade
from tests.support.exchange.tape import Instrument

INTERVALS_MS = {
    "1s": 1_000, "1m": 60_000, "3m": 180_000, "5m": 300_000, "15m": 900_000, "30m": 1_800_000, "1h": 3_600_000,
    "2h": 7_200_000, "4h": 14_400_000, "6h": 21_600_000, "8h": 28_800_000, "12h": 43_200_000, "1d": 86_400_000,
}  # fmt: skip
MINUTE_MS = 60_000
_SCALE = 100_000_000


class Bar(NamedTuple):
    """One candle; prices and sizes are multiples of 1e-8, quote amounts of 1e-16."""

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    quote: int
    trades: int
    taker_volume: int
    taker_quote: int
    detailed: bool


def scaled(text: str) -> int:
    """Decimal text as a multiple of 1e-8."""
    whole, _, fraction = text.partition(".")
    return int(whole) * _SCALE + int(fraction.ljust(8, "0"))


def as_text(value: int, scale: int, decimals: int) -> str:
    """A multiple of 10**-scale with so many decimals, cut as the venue cuts."""
    digits = value // 10 ** (scale - decimals)
    if not decimals:
        return str(digits)
    whole, fraction = divmod(digits, 10**decimals)
    return f"{whole}.{fraction:0{decimals}d}"


def merged(open_ms: int, bars: Sequence[Bar]) -> Bar:
    """One candle over consecutive ones."""
    known = all(bar.detailed for bar in bars)
    return Bar(
        open_ms,
        bars[0].open,
        max(bar.high for bar in bars),
        min(bar.low for bar in bars),
        bars[-1].close,
        sum(bar.volume for bar in bars),
        sum(bar.quote for bar in bars) if known else 0,
        sum(bar.trades for bar in bars) if known else 0,
        sum(bar.taker_volume for bar in bars) if known else 0,
        sum(bar.taker_quote for bar in bars) if known else 0,
        known,
    )


def flat(open_ms: int, price: int) -> Bar:
    """A candle without a trade."""
    return Bar(open_ms, price, price, price, price, 0, 0, 0, 0, 0, True)


def recorded_minutes(instrument: Instrument, root: Path | None) -> list[Bar]:
    """The recorded 1m candles of a spot symbol, at their recorded times; empty when there are none."""
    if root is None or instrument.market != "spot" or not instrument.symbol.endswith("USDT"):
        return []
    pair = instrument.symbol.removesuffix("USDT") + "_USDT"
    path = root / "candles-1m-binance-spot" / "2024-07_08" / f"{pair}-1m.feather"
    if not path.is_file():
        return []
    # Slow to import, and needed by few tests.
    import polars as pl

    columns = ["open", "high", "low", "close", "volume"]
    table = pl.read_ipc(path).sort("date").with_columns((pl.col(columns) * _SCALE).round().cast(pl.Int64))
    table = table.select(pl.col("date").dt.epoch("ms"), *columns)
    return [Bar(at, o, h, low, c, v, 0, 0, 0, 0, False) for at, o, h, low, c, v in table.iter_rows()]


class TradeBars:
    """Candles of one step built from trades as they are served; steps without a trade are filled on reading."""

    def __init__(self, step_ms: int, contract_size: int | None) -> None:
        self.step_ms = step_ms
        self._contract_size = contract_size
        self._bars: dict[int, Bar] = {}

    def add(self, trade: Trade, stamp_ms: int) -> None:
        """Count a trade, its times moved by `stamp_ms`."""
        at = trade.T + stamp_ms
        open_ms = at - at % self.step_ms
        price, size = scaled(trade.p), scaled(trade.q)
        contract = self._contract_size
        quote = price * size if contract is None else size * contract * _SCALE * _SCALE // price
        taker_size, taker_quote = (0, 0) if trade.m else (size, quote)
        one = Bar(open_ms, price, price, price, price, size, quote, 1, taker_size, taker_quote, True)
        old = self._bars.get(open_ms)
        self._bars[open_ms] = one if old is None else merged(open_ms, (old, one))

    def read(self, now_ms: int) -> list[Bar]:
        """All candles up to the one that is running."""
        if not self._bars:
            return []
        first = min(self._bars)
        close, filled = self._bars[first].open, []
        for open_ms in range(first, max(max(self._bars), now_ms) + 1, self.step_ms):
            bar = self._bars.get(open_ms) or flat(open_ms, close)
            close = bar.close
            filled.append(bar)
        return filled


class Candles:
    """All candles of one symbol as of exchange time."""

    def __init__(self, instrument: Instrument, root: Path | None, start_ms: int, delta_ms: int) -> None:
        contract = None if instrument.market != "coinm" else (100 if instrument.symbol.startswith("BTC") else 10)
        self._instrument = instrument
        self._root = root
        self._start_ms = start_ms
        self._delta_ms = delta_ms
        self._steps = {step: TradeBars(step, contract) for step in (1_000, MINUTE_MS)}
        self._recorded: list[Bar] | None = None
        self._unread: list[tuple[Trade, int]] = []
        self._closed: dict[int, list[Bar]] = {}

    def add(self, trade: Trade, stamp_ms: int) -> None:
        """Count a served trade; the work is done when candles are asked for."""
        self._unread.append((trade, stamp_ms))

    def rows(self, interval: str, now_ms: int) -> list[Bar]:
        """All candles of an interval up to the running one, oldest first."""
        for trade, stamp_ms in self._unread:
            for bars in self._steps.values():
                bars.add(trade, stamp_ms)
        self._unread.clear()
        step = INTERVALS_MS[interval]
        if step < MINUTE_MS:
            whole = -(-self._start_ms // step) * step
            return [bar for bar in self._steps[step].read(now_ms) if bar.open_ms >= whole]
        minutes = self._minutes(now_ms)
        return minutes if step == MINUTE_MS else self._coarser(step, minutes, now_ms)

    def _history(self) -> list[Bar]:
        if self._recorded is None:
            # The minute in which the tape begins is the last one taken from the record.
            rows = recorded_minutes(self._instrument, self._root)
            moved = (bar._replace(open_ms=bar.open_ms + self._delta_ms) for bar in rows)
            self._recorded = [bar for bar in moved if bar.open_ms < self._start_ms]
        return self._recorded

    def _minutes(self, now_ms: int) -> list[Bar]:
        history, served = self._history(), self._steps[MINUTE_MS].read(now_ms)
        if history and now_ms < history[-1].open_ms + MINUTE_MS:
            history = history[:-1]
        known_to = history[-1].open_ms if history else -1
        return history + [bar for bar in served if bar.open_ms > known_to]

    def _coarser(self, step: int, minutes: list[Bar], now_ms: int) -> list[Bar]:
        closed = self._closed.get(step)
        begin = self._start_ms - self._start_ms % step
        if closed is None:
            closed = self._closed[step] = _grouped((b for b in minutes if b.open_ms < begin), step, None)
        return closed + _grouped((b for b in minutes if b.open_ms >= begin), step, now_ms)


def _grouped(minutes: Iterable[Bar], step: int, now_ms: int | None) -> list[Bar]:
    """Coarser candles, only where every minute is present (of the running one: every minute so far)."""
    groups: dict[int, list[Bar]] = {}
    for bar in minutes:
        groups.setdefault(bar.open_ms - bar.open_ms % step, []).append(bar)
    complete: list[Bar] = []
    for open_ms, bars in groups.items():
        end = open_ms + step if now_ms is None else min(open_ms + step, now_ms + 1)
        if len(bars) == -(-(end - open_ms) // MINUTE_MS):
            complete.append(merged(open_ms, bars))
    return complete
