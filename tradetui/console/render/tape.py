"""The trade tape: the last trades, newest on top, and which of them a filter lets through."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tradetui.console.render.cells import aligned, decimals
from tradetui.console.render.pens import BOLD, DOWN, FAINT, TEXT, UP, pen

if TYPE_CHECKING:
    from engine.views import TradeRow
    from tradetui.console.render.frame import Frame

MARK = "■"
"""Behind a large trade."""

FORMS = ((12, True), (8, False), (5, False), (0, False))
"""Forms of a row, widest first: characters of the time, and whether the side is a word as well."""

LEAST, ENOUGH = 4, 8
"""Characters of a size: never fewer, and how many a time gives way to."""

LIMIT = re.compile(r"([<>]=?)(\d+(?:\.\d*)?|\.\d+)")


class Flow(NamedTuple):
    """Taker volume over `seconds`: bought and sold in base asset, and the number of trades."""

    seconds: float
    buy: float
    sell: float
    trades: int


def passes(text: str) -> Callable[[TradeRow], bool]:
    """Return what a filter lets through: words that all have to fit.

    `buy`, `sell`, `large`; `>1`, `>=1`, `<1`, `<=1` are sizes; anything else is a part of the time or of the price.
    """
    tests = [_test(word) for word in text.lower().split()]
    return lambda row: all(test(row) for test in tests)


def _test(word: str) -> Callable[[TradeRow], bool]:
    match = LIMIT.fullmatch(word)
    if match:
        limit = float(match[2])
        return {
            ">": lambda row: row.size > limit,
            ">=": lambda row: row.size >= limit,
            "<": lambda row: row.size < limit,
            "<=": lambda row: row.size <= limit,
        }[match[1]]
    if word in ("buy", "bought"):
        return lambda row: not row.sell
    if word in ("sell", "sold"):
        return lambda row: row.sell
    if word == "large":
        return lambda row: row.large
    return lambda row: word in _time(row.ts_ms, 12) or word in f"{row.price:.10f}"


def flow_of(rows: Iterable[TradeRow], now_ms: int, window_s: int) -> Flow | None:
    """Return the taker volume of the last seconds; `rows` newest first. None if they do not reach back so far."""
    since = now_ms - 1000 * window_s
    volume = [0.0, 0.0]
    for count, row in enumerate(rows):
        if row.ts_ms <= since:
            return Flow(window_s, volume[0], volume[1], count)
        volume[row.sell] += row.size
    return None


def flow_told(flow: Flow | None, room: int) -> str:
    """Return the share that was bought, and trades a second, as much as there is room for."""
    if flow is None:
        return ""
    total = flow.buy + flow.sell
    share = f"{100 * flow.buy / total:3.0f} %" if total > 0 else "  - %"
    texts = (f"bought {share}  {flow.trades / flow.seconds:5.1f}/s", f"bought {share}")
    return next((text for text in texts if len(text) <= room), "")


def draw(frame: Frame, rows: Sequence[TradeRow], tick: float, places: int) -> None:
    """Draw trades, the newest first; prices and sizes (with `places` decimals) stand at fixed places."""
    rows = rows[: frame.height]
    if not rows:
        return
    fine = decimals(tick) if tick else 2
    price = max(len(f"{row.price:.{fine}f}") for row in rows)
    least = min(max(places + 2, LEAST), ENOUGH) if places else LEAST
    for long, worded in FORMS:
        words = (" buy ", " sell") if worded else ("", "")
        at = long + 1 if long else 0
        end = at + 1 + len(words[0]) + 1 + price
        if frame.width >= end + 1 + least + 1:
            break
    size = min(max(frame.width - end - 2, LEAST), 10)
    sizes = [aligned(row.size, places, size) for row in rows]
    times = [f"{_time(row.ts_ms, long)} " if long else "" for row in rows]
    frame.block(
        0,
        0,
        [
            f"{time}{'▲▼'[row.sell]}{words[row.sell]} {row.price:{price}.{fine}f} {told:>{size}}"
            f"{MARK if row.large else ' '}"
            for row, told, time in zip(rows, sizes, times, strict=True)
        ],
    )
    pens = frame.pens[: len(rows)]
    side = np.array([pen(DOWN if row.sell else UP) for row in rows], dtype=np.int32)[:, None]
    large = np.array([row.large for row in rows])[:, None]
    pens[:, :at] = pen(FAINT)
    pens[:, at:end] = np.where(large, side | BOLD, side)
    pens[:, end:] = np.where(large, side | BOLD, pen(TEXT))


def _time(ms: int, long: int) -> str:
    """Return a UTC time in 12 (to the millisecond), 8 or 5 (minutes and seconds) characters."""
    seconds, rest = divmod(ms, 1000)
    text = f"{_clock(seconds)}.{rest:03}"
    return text[3:8] if long == 5 else text[:long]


@lru_cache(1024)
def _clock(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return "--:--:--"
