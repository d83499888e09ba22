"""What may enter storage: every row is checked, and what is refused is kept aside with its number and the reason.

Checked are (UDS-17): a UTC time that is a multiple of the timeframe and has come; finite, positive prices; high not
below open, close and low, low not above open and close; a volume that is not negative; figures within reason; prices
that do not leap by a power of ten.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from engine.errors import ImportRefused
from engine.ohlcv import COLUMNS, OHLCV, Flags, Floats, Ints, source_code
from engine.types import MS, Timeframe
from storage.interchange.batch import Candles, Hints, Parsed, Trades, first_of_equals
from storage.interchange.stamps import of_column

PRICES = ("open", "high", "low", "close")

LEAP = 0.9
"""Decades between two neighbouring closes from which on a unit has changed: no market moves eightfold in a bar."""

LEAP_BARS = 3
"""Bars that neighbours may be apart for that."""

MOST = 1e15
"""Price beyond which, as below 1 / it, a number is damage: its square has to be one too."""

MOST_VOLUME = 1e24
"""Volume beyond which a number is damage."""

MOST_TRADES = 10**12
"""Trades of one candle beyond which their number is damage."""

SHOWN = 20
"""Contradictions within a file that are told one by one."""

Text = Callable[[int], str]
"""Gives a row's text by its place, for what is kept aside."""


def window(hints: Hints) -> tuple[int, int]:
    """Return the UTC ns of `since` and `until`.

    Raises:
        ImportRefused: One is no time.
    """
    bounds = []
    for name, text, usual in (("since", hints.since, 0), ("until", hints.until, 2**62)):
        bounds.append(_time(name, text) if text else usual)
    return bounds[0], bounds[1]


def _time(name: str, text: str) -> int:
    import polars as pl

    ns, good, _ = of_column(pl.Series([text]))
    if not good[0]:
        raise ImportRefused(f"{name} {text!r}: expected a UTC date or time, as in 2015-07-22 or 2015-07-22T06:00:00")
    return int(ns[0])


class Sieve:
    """Which rows of a file are still good; each is refused for one reason, the first found."""

    def __init__(self, parsed: Parsed, rows: Ints, text: Text) -> None:
        self._parsed = parsed
        self._rows = rows
        self._text = text
        self.good: Flags = np.ones(len(rows), np.bool_)

    def refuse(self, bad: Flags, kind: str, detail: Callable[[int], str] = lambda _: "") -> None:
        """Refuse the rows where `bad` is true and that were good so far."""
        for place in np.flatnonzero(bad & self.good):
            self._parsed.refusals.add(int(self._rows[place]), kind, detail(int(place)), self._text(int(place)))
        self.good &= ~bad

    def leave(self, out: Flags, why: str) -> None:
        """Leave rows out that were not asked for."""
        count = int(np.count_nonzero(out & self.good))
        if count:
            self._parsed.skipped[why] += count
        self.good &= ~out


def candles(
    parsed: Parsed,
    instrument: str,
    timeframe: Timeframe,
    source: str,
    columns: dict[str, npt.NDArray[np.float64] | Ints],
    rows: Ints,
    text: Text,
    hints: Hints,
) -> None:
    """Take the good rows of one series into `parsed`; the others are refused.

    `columns`: `time` (UTC ns, 0 for none), open, high, low, close, volume, and what there is of quote_volume,
    taker_buy, trades, complete, known_at. Shapes: [n].
    """
    sieve = Sieve(parsed, rows, text)
    length = timeframe.seconds * 1000 * MS
    time = columns["time"].astype(np.int64)
    prices = {name: np.asarray(columns[name], np.float64) for name in PRICES}
    volume = np.asarray(columns["volume"], np.float64)
    now = clock.time_ns()
    sieve.refuse(time <= 0, "no time")
    sieve.refuse(time > now, "time is in the future")
    since, until = window(hints)
    sieve.leave((time < since) | (time >= until), "outside since and until")
    sieve.refuse(
        time % length != 0, f"time is not a multiple of {timeframe}", lambda i: f"{time[i] % length / 1e9:g} s over"
    )
    for name, values in prices.items():
        sieve.refuse(~np.isfinite(values), f"{name} is not a number")
        sieve.refuse(values <= 0, f"{name} is not positive", _shown(values))
        sieve.refuse((values > MOST) | (values < 1 / MOST), f"{name} is beyond reason", _shown(values))
    sieve.refuse(~np.isfinite(volume), "volume is not a number")
    sieve.refuse(volume < 0, "volume is negative", lambda i: f"{volume[i]:g}")
    sieve.refuse(volume > MOST_VOLUME, "volume is beyond reason", _shown(volume))
    opened, high, low, close = (prices[name] for name in PRICES)
    with np.errstate(invalid="ignore"):
        sieve.refuse(high < low, "high is below low", lambda i: f"{high[i]:g} < {low[i]:g}")
        sieve.refuse(high < opened, "high is below open", lambda i: f"{high[i]:g} < {opened[i]:g}")
        sieve.refuse(high < close, "high is below close", lambda i: f"{high[i]:g} < {close[i]:g}")
        sieve.refuse(low > opened, "low is above open", lambda i: f"{low[i]:g} > {opened[i]:g}")
        sieve.refuse(low > close, "low is above close", lambda i: f"{low[i]:g} > {close[i]:g}")
    taken = np.flatnonzero(sieve.good)
    order = taken[np.argsort(time[taken], kind="stable")]
    leaps = np.zeros(len(time), np.bool_)
    leaps[order] = other_units(time[order], close[order], length)
    sieve.refuse(leaps, "price leaps by a power of ten: another unit?", lambda i: f"{close[i]:g}")
    taken = np.flatnonzero(sieve.good)
    if len(taken):
        parsed.candles.append(_candles(instrument, timeframe, source, columns, taken, hints.volume, now))


def _shown(values: Floats) -> Callable[[int], str]:
    """Return what tells a value by its place."""
    return lambda place: f"{values[place]:g}"


def other_units(time: Ints, close: Floats, length: int) -> Flags:
    """Return which closes stand a power of ten off those of most others. Sorted by time; shapes: [n].

    A leap counts where neighbours lie at most `LEAP_BARS` apart: over a hole of years a price may well grow tenfold.
    """
    if len(close) < 3:
        return np.zeros(len(close), np.bool_)
    steps = np.diff(np.log10(close))
    steps[(np.diff(time) > LEAP_BARS * length) | (np.abs(steps) < LEAP)] = 0
    if not steps.any():
        return np.zeros(len(close), np.bool_)
    level = np.concatenate(([0], np.cumsum(np.round(steps)))).astype(np.int64)
    kinds, counts = np.unique(level, return_counts=True)
    usual: Flags = level != kinds[np.argmax(counts)]
    return usual


def _candles(
    instrument: str,
    timeframe: Timeframe,
    source: str,
    columns: dict[str, npt.NDArray[np.float64] | Ints],
    taken: npt.NDArray[np.intp],
    counted: str,
    now: int,
) -> Candles:
    """Return good rows as candles, sorted, each time once; one that has not ended by `now` (UTC ns) is not complete.

    A file may say when a candle was known, but no complete one was before it ended, and none will be after `now`.
    """
    n = len(taken)
    open_ms = columns["time"][taken].astype(np.int64) // MS
    volume = np.asarray(columns["volume"], np.float64)[taken]
    unknown = np.full(n, np.nan)

    def floats(name: str) -> Floats:
        values = columns.get(name)
        if values is None:
            return unknown
        numbers = np.asarray(values, np.float64)[taken]
        return np.where(np.isfinite(numbers) & (numbers >= 0), numbers, np.nan)

    def ints(name: str, usual: Ints) -> Ints:
        values = columns.get(name)
        if values is None:
            return usual
        whole = np.where(np.isfinite(values[taken]), values[taken], -1).astype(np.int64)
        return np.where(whole >= 0, whole, usual)

    quoted = counted == "quote"
    ends = (open_ms + timeframe.seconds * 1000) * MS
    complete = (ints("complete", np.ones(n, np.int64)) != 0) & (ends <= now)
    counts, known = ints("trades", np.full(n, -1, np.int64)), ints("known_at", ends)
    known = np.where(known > now, ends, np.maximum(known, np.where(complete, ends, open_ms * MS)))
    whole = OHLCV(
        timeframe=timeframe,
        open_ms=open_ms,
        **{name: np.asarray(columns[name], np.float64)[taken] for name in PRICES},
        volume=unknown if quoted else volume,
        quote_volume=volume if quoted else floats("quote_volume"),
        taker_buy=unknown if quoted else floats("taker_buy"),
        trades=np.where(counts <= MOST_TRADES, counts, -1),
        complete=complete,
        known_at=known,
        source=np.full(n, source_code(source), np.uint8),
    )
    order, firsts = first_of_equals(open_ms)
    same = np.ones(n, np.bool_)
    clashes: list[tuple[int, str, float, float]] = []
    for name in COLUMNS:
        values = getattr(whole, name)
        first, again = values[firsts], values[order]
        agree = (first == again) | ((first != first) & (again != again))
        clashes += [
            (int(open_ms[order[i]]), name, float(first[i]), float(again[i])) for i in np.flatnonzero(~agree)[:SHOWN]
        ]
        same &= agree
    repeated = order != firsts
    return Candles(
        instrument=instrument,
        source=source,
        ohlcv=whole.take(order[~repeated]),
        duplicates=int(np.count_nonzero(repeated & same)),
        conflicts=int(np.count_nonzero(repeated & ~same)),
        clashes=tuple(clashes[:SHOWN]),
    )


def trades(
    parsed: Parsed,
    instrument: str,
    source: str,
    columns: dict[str, npt.NDArray[np.float64] | Ints],
    rows: Ints,
    text: Text,
    hints: Hints,
    *,
    aggregate: bool,
) -> None:
    """Take the good trades of one instrument into `parsed`; the others are refused.

    `columns`: `time` (UTC ns, 0 for none), price, size, sell (1, 0, -1 for unknown), and what there is of id, count,
    sent. A trade without an id gets one of its own: minus (its time in ms x 1000 + its place among those of that ms),
    which is the same whenever the file is read, and never a venue's.
    """
    sieve = Sieve(parsed, rows, text)
    time = columns["time"].astype(np.int64)
    price, size = np.asarray(columns["price"], np.float64), np.asarray(columns["size"], np.float64)
    sell = columns["sell"].astype(np.int64)
    sieve.refuse(time <= 0, "no time")
    sieve.refuse(time > clock.time_ns(), "time is in the future")
    since, until = window(hints)
    sieve.leave((time < since) | (time >= until), "outside since and until")
    for name, values, most in (("price", price, MOST), ("size", size, MOST_VOLUME)):
        sieve.refuse(~np.isfinite(values), f"{name} is not a number")
        sieve.refuse(values <= 0, f"{name} is not positive", _shown(values))
        sieve.refuse((values > most) | (values < 1 / most), f"{name} is beyond reason", _shown(values))
    sieve.refuse(sell < 0, "the taker's side is not told")
    ids = columns["id"].astype(np.int64) if "id" in columns else _numbered(time)
    if "id" in columns:
        sieve.refuse(ids < 0, "the trade's id is not a whole number")
    taken = np.flatnonzero(sieve.good)
    if not len(taken):
        return
    n = len(time)
    count = columns["count"].astype(np.int64) if "count" in columns else np.ones(n, np.int64)
    sent = columns["sent"].astype(np.int64) if "sent" in columns else np.zeros(n, np.int64)
    order, firsts = first_of_equals(ids[taken])
    order, firsts = taken[order], taken[firsts]
    same = np.ones(len(taken), np.bool_)
    for told in (time, price, size, sell, count):
        same &= told[firsts] == told[order]
    repeated = order != firsts
    kept = order[~repeated]
    parsed.trades.append(
        Trades(
            instrument=instrument,
            source=source,
            aggregate=aggregate,
            ids=ids[kept],
            ts=time[kept],
            ts_sent=np.maximum(sent[kept], 0),
            price=price[kept],
            size=size[kept],
            sell=sell[kept] == 1,
            count=np.maximum(count[kept], 1),
            duplicates=int(np.count_nonzero(repeated & same)),
            conflicts=int(np.count_nonzero(repeated & ~same)),
        )
    )


def _numbered(time: Ints) -> Ints:
    """Return ids for trades that have none."""
    ms = time // MS
    order = np.argsort(ms, kind="stable")
    ordered = ms[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    within = np.arange(len(ms)) - np.repeat(starts, np.diff(np.append(starts, len(ms))))
    ids = np.empty(len(ms), np.int64)
    ids[order] = -(ordered * 1000 + np.minimum(within, 999))
    return ids
