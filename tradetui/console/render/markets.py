"""The instruments in a table. What is old is grey, its age goes on counting, and its state is told in words."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from tradetui.console.render.cells import NOTHING, age, change, count, figure, number, price
from tradetui.console.render.pens import DOWN, GOOD, KEY, TEXT, UP, WARN, pen
from tradetui.console.render.table import PAST, PLAIN, Cell, Column, Columns, Row

if TYPE_CHECKING:
    from engine.views import MarketRow
    from tradetui.console.news import News

LIVE, NOT_LIVE, NO_NEWS = "live", "NOT LIVE", "no news"

ON_DESK = "\u25cf"
"""Stands before the instrument on the desk."""

BESIDE = 46
"""Columns from which the state of a book has a column of its own; below, it stands in the place of the 24 h change."""

NARROW = (
    Column("", 1), Column("market", 9, 14), Column("last", 12, right=True), Column("24h %", 8, right=True),
)  # fmt: skip

COLUMNS = (
    Column("", 1), Column("market", 9, 14), Column("venue", 7, 12, rank=6), Column("book", 8),
    Column("age", 4, right=True), Column("bid", 10, 14, True, rank=2), Column("ask", 10, 14, True, rank=2),
    Column("bps", 5, right=True, rank=4), Column("last", 12, 16, True), Column("24h %", 8, 9, True, rank=1),
    Column("24h high", 10, 14, True, rank=7), Column("24h low", 10, 14, True, rank=7),
    Column("24h volume", 10, 14, True, rank=7), Column("mark", 10, 14, True, rank=8),
    Column("funding %", 9, right=True, rank=8),
)  # fmt: skip


def columns(width: int) -> Columns:
    """Return the columns for a table of that width."""
    return COLUMNS if width >= BESIDE else NARROW


def _volume(value: float | None) -> str:
    """Return a volume in ten characters: in full while it is small, else shortened; what is no number is nothing."""
    if value is None or not isfinite(value) or abs(value) < 1e6:
        return number(value, 1)
    return count(round(value), 10)


def state(news: News, market: MarketRow) -> tuple[str, int]:
    """Return whether an instrument's figures are the market now, in a word, and its pen."""
    if not news.fresh("markets"):
        return NO_NEWS, PAST
    return (LIVE, pen(GOOD)) if market.live else (NOT_LIVE, pen(WARN))


def old_s(news: News, market: MarketRow) -> float | None:
    """Return the seconds since the book of an instrument changed."""
    return None if market.age_ms is None else market.age_ms / 1000 + (news.age("markets") or 0.0)


def direction(market: MarketRow) -> tuple[str, int]:
    """Return what the last trade was, as a shape, and its pen."""
    if market.last is None or market.last_sell is None:
        return " ", pen(TEXT)
    return ("\u25bc", pen(DOWN)) if market.last_sell else ("\u25b2", pen(UP))


def sign(value: float | None) -> int:
    """Return the pen of a value by its sign."""
    return pen(UP if value and value > 0 else DOWN if value and value < 0 else TEXT)


def row(news: News, market: MarketRow, short: str, on_desk: bool, width: int) -> Row:
    """Return the row of an instrument for `columns(width)`; `short` is its short name."""
    told, told_pen = state(news, market)
    live = told == LIVE
    tick, bid, ask = market.tick, market.best_bid, market.best_ask
    shape, last_pen = direction(market)
    last = f"{price(market.last, tick, 10)} {shape}"
    venue, _, name = market.instrument.partition(":")
    mark: Cell = (ON_DESK if on_desk else " ", pen(KEY))
    own = PAST if not live else pen(KEY) if on_desk else PLAIN
    moved: Cell = (change(market.change_24h_pct), sign(market.change_24h_pct) if live else PAST)
    if width < BESIDE:
        old = f"{price(market.last, tick, 8)} {age(old_s(news, market)):>3}"
        cells: tuple[Cell, ...] = (
            mark, (short, own), (last, last_pen) if live else old, moved if live else (told, told_pen)
        )  # fmt: skip
        return Row(market.instrument, cells, PLAIN if live else PAST)
    spread = (ask - bid) / (ask + bid) * 20_000 if bid and ask and ask + bid else None
    volume = market.volume_24h
    cells = (
        mark, (name or market.instrument, own), venue if name else NOTHING, (told, told_pen), age(old_s(news, market)),
        price(bid, tick, 10), price(ask, tick, 10), figure(spread), (last, last_pen if live else PAST), moved,
        price(market.high_24h, tick, 10), price(market.low_24h, tick, 10),
        _volume(volume),
        price(market.mark, tick, 10),
        number(market.funding_rate * 100 if market.funding_rate is not None else None, 4, sign=True),
    )  # fmt: skip
    return Row(market.instrument, cells, PLAIN if live else PAST)
