"""Positions, orders, fills and closed trades as rows; each row of an order or a fill says whose money it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.types import SECOND
from tradetui.console.account import described, kind, mark
from tradetui.console.render.cells import NOTHING, age, clock, stamp
from tradetui.console.render.pens import ASK, BAD, BID, BOLD, FAINT, GOOD, TEXT, WARN, pen
from tradetui.console.render.sums import MODES, SIDES, gain, number, plain, price, r
from tradetui.console.render.table import PAST, PLAIN, QUIET, Cell, Column, Row

if TYPE_CHECKING:
    from engine.tradingviews import FillView, JournalView, OrderView, PositionView

Pairs = list[tuple[str, str]]

POSITIONS = (
    Column("mode", 5, rank=3), Column("sym", 4, 14), Column("side", 7), Column("size", 10, 12, right=True, early=True),
    Column("average", 9, 13, right=True, rank=2), Column("mark", 9, 13, right=True, rank=5),
    Column("P&L open", 9, 12, right=True), Column("stop", 9, 13, right=True, rank=1),
    Column("target", 9, 13, right=True, rank=4), Column("R", 5, right=True, rank=6),
    Column("held", 6, rank=8), Column("age", 4, right=True, rank=7), Column("realised", 9, right=True, rank=9),
    Column("fees", 8, right=True, rank=10),
)  # fmt: skip

ORDERS = (
    Column("mode", 5), Column("time", 9, 11, rank=5), Column("sym", 4, 14), Column("side", 6),
    Column("type", 5, 17, rank=2), Column("size", 7, 10, right=True, early=True),
    Column("price", 9, 13, right=True, rank=1), Column("state", 8, 10),
    Column("filled", 7, 10, right=True, rank=4, early=True), Column("average", 9, 13, right=True, rank=6),
    Column("for", 8, rank=7), Column("tif", 6, rank=8), Column("why", 14, 200, rank=3),
)  # fmt: skip

FILLS = (
    Column("mode", 5), Column("time", 9, 11, rank=1), Column("sym", 4, 14), Column("side", 6),
    Column("size", 7, 12, right=True), Column("price", 9, 13, right=True),
    Column("fee", 11, 16, right=True, rank=2, early=True), Column("as", 5, rank=3),
    Column("realised", 9, 12, right=True, rank=2), Column("order", 8, 32, rank=5, end=True),
)  # fmt: skip

JOURNAL = (
    Column("mode", 5, rank=2), Column("closed", 9, 11, rank=1), Column("sym", 4, 14), Column("side", 7),
    Column("size", 7, 11, right=True, rank=3, early=True), Column("entry", 9, 13, right=True, rank=4),
    Column("exit", 9, 13, right=True, rank=4), Column("net", 9, 12, right=True), Column("R", 5, right=True),
    Column("fees", 8, right=True, rank=5), Column("for", 5, right=True, rank=6), Column("by", 8, 60, rank=5),
)  # fmt: skip

STATES = {
    "filled": pen(GOOD), "rejected": pen(BAD), "denied": pen(BAD), "unresolved": pen(BAD, attributes=BOLD),
    "partial": pen(WARN), "canceling": pen(WARN), "amending": pen(WARN),
}  # fmt: skip

SHORT = {
    "market": "MKT", "limit": "LIMIT", "stop": "STOP", "stop_limit": "STOP LIMIT", "take_profit": "TP",
    "take_profit_limit": "TP LIMIT",
}  # fmt: skip


def modes(mode: str, fresh: bool) -> Cell:
    """Return the mark of a mode."""
    return mark(mode), MODES.get(mode, pen(WARN)) if fresh else PAST


def long(quantity: str) -> bool:
    """Tell whether a signed quantity is one that was bought."""
    return not quantity.startswith("-")


def side_of(quantity: str, fresh: bool) -> Cell:
    """Return which way a position stands."""
    told = ("\u25b2 LONG", pen(BID)) if long(quantity) else ("\u25bc SHORT", pen(ASK))
    return told if fresh else (told[0], PAST)


def _cell(told: tuple[str, int], fresh: bool) -> Cell:
    return told if fresh else (told[0], PAST)


def when(ts: int, now: int) -> str:
    """Return a time of today, or day and minute of another day."""
    told = clock(ts, now)
    return told if ":" in told else stamp(ts)[5:16]


def position(view: PositionView, name: str, tick: float, now: int, fresh: bool, *, acts: bool = True) -> Row:
    """Return the row of a position; figures that nobody vouches for now have no colour.

    `acts`: its exits do; those that do not are told as off.
    """
    stop, target = (price(each, tick) if acts or not each else "off" for each in (view.stop_loss, view.take_profit))
    bare = pen(WARN) if not (view.stop_loss and acts) and fresh else PLAIN
    cells: tuple[Cell, ...] = (
        modes(view.mode, fresh), name, side_of(view.quantity, fresh), plain(view.quantity.lstrip("-")),
        price(view.average, tick), price(view.mark, tick), _cell(gain(view.unrealised), fresh),
        (stop if view.stop_loss else "none", bare if fresh else PAST),
        target, r(view.r), view.stop_held or NOTHING, age((now - view.opened) / SECOND),
        plain(view.realised, 2), plain(view.fees, 2),
    )  # fmt: skip
    return Row(view.instrument, cells, PLAIN if fresh else PAST)


def order(view: OrderView, name: str, tick: float, now: int, fresh: bool) -> Row:
    """Return the row of an order; one that is over is told more quietly."""
    base = PAST if not fresh else PLAIN if view.open else QUIET
    side = SIDES.get(view.side, (view.side, base))
    state = STATES.get(view.state, pen(TEXT) if view.open else pen(FAINT))
    at = price(view.stop_price, tick) if view.stop_price else price(view.price, tick)
    filled = number(view.filled) or 0.0
    cells: tuple[Cell, ...] = (
        modes(view.mode, fresh), when(view.created, now), name, _cell(side, fresh and view.open),
        SHORT.get(view.type, kind(view)), plain(view.quantity), at, (view.state, state if fresh else PAST),
        plain(view.filled) if filled else NOTHING, price(view.average, tick), view.origin, flags(view), view.reason,
    )  # fmt: skip
    return Row(view.id, cells, base)


def flags(view: OrderView) -> str:
    """Return how long an order stands, and what else binds it."""
    bound = "R" if view.reduce_only else "P" if view.post_only else ""
    return f"{view.time_in_force.upper()}{f' {bound}' if bound else ''}"


def fill(view: FillView, name: str, tick: float, now: int, fresh: bool) -> Row:
    """Return the row of a fill."""
    closes = number(view.realised)
    cells: tuple[Cell, ...] = (
        modes(view.mode, fresh), when(view.ts, now), name, _cell(SIDES.get(view.side, (view.side, PLAIN)), fresh),
        plain(view.quantity), price(view.price, tick), f"{plain(view.fee)} {view.fee_asset}", view.liquidity,
        _cell(gain(view.realised), fresh) if closes else NOTHING, view.order,
    )  # fmt: skip
    return Row((view.order, view.id), cells, PLAIN if fresh else PAST)


def trade(view: JournalView, name: str, tick: float, now: int, fresh: bool) -> Row:
    """Return the row of a closed trade."""
    shown = ("\u25b2 LONG", pen(BID)) if view.side == "long" else ("\u25bc SHORT", pen(ASK))
    cells: tuple[Cell, ...] = (
        modes(view.mode, fresh), when(view.closed, now), name, _cell(shown, fresh), plain(view.quantity),
        price(view.entry, tick), price(view.exit, tick), _cell(gain(view.net), fresh), r(view.r),
        plain(view.fees, 2), age((view.closed - view.opened) / SECOND), view.reason,
    )  # fmt: skip
    return Row(view.id, cells, PLAIN if fresh else PAST)


# Details, in words. -------------------------------------------------------------------------------------------------


def position_told(view: PositionView, now: int, *, acts: bool = True) -> Pairs:
    """Return everything of a position as pairs of name and text."""
    stop = f"{plain(view.stop_loss)}, held by the {view.stop_held or 'engine'}" if view.stop_loss else "none"
    trailing = f", trailing {view.trailing_bps:g} bps behind the best price" if view.trailing_bps > 0 else ""
    late = f", closed at {stamp(view.time_stop)}" if view.time_stop else ""
    way = "long" if long(view.quantity) else "short"
    part = f" ({view.unrealised_pct:+.2f} %)" if view.unrealised_pct is not None else ""
    return [
        ("position", f"{way} {plain(view.quantity.lstrip('-'))} of {view.instrument} ({mark(view.mode)}), "
                     f"opened {stamp(view.opened)}, {age((now - view.opened) / SECOND)} ago"),
        ("prices", f"average {plain(view.average)}, mark {plain(view.mark)}, value {plain(view.value, 2)}"),
        ("P&L", f"{gain(view.unrealised)[0]} open{part}, "
                f"{plain(view.realised, 2)} realised, {plain(view.fees)} fees, {plain(view.funding)} funding; "
                f"R {r(view.r)}"),
        ("exits", f"{'' if acts else 'OFF, they do not act: '}stop {stop}, "
                  f"target {plain(view.take_profit) if view.take_profit else 'none'}{trailing}{late}"),
        ("trade", view.trade),
    ]  # fmt: skip


def order_told(view: OrderView) -> Pairs:
    """Return everything of an order as pairs of name and text."""
    fees = ", ".join(f"{plain(amount)} {asset}" for asset, amount in view.fees.items()) or "none"
    bound = ", ".join(
        told for told, on in (("only reduces", view.reduce_only), ("only as maker", view.post_only)) if on
    )
    return [
        ("order", described(view)),
        ("state", f"{view.state}{f': {view.reason}' if view.reason else ''}"),
        ("filled", f"{plain(view.filled)} of {plain(view.quantity)}"
                   f"{f' at {plain(view.average)} on average' if view.average else ''}; fees {fees}"),
        ("terms", ", ".join(filter(None, (view.time_in_force.upper(), bound)))),
        ("for", f"{view.origin}{f', ends with the others of {view.oco}' if view.oco else ''}"),
        ("times", f"made {stamp(view.created)}, changed {stamp(view.updated)}"),
        ("ids", f"{view.id}{f', at the venue {view.venue_id}' if view.venue_id else ''}"),
    ]  # fmt: skip


def fill_told(view: FillView) -> Pairs:
    """Return everything of a fill as pairs of name and text."""
    return [
        ("fill", f"{view.side} {plain(view.quantity)} of {view.instrument} at {plain(view.price)} ({mark(view.mode)})"),
        ("fee", f"{plain(view.fee)} {view.fee_asset}, as {view.liquidity}"),
        ("realised", f"{plain(view.realised)} before fees"),
        ("when", stamp(view.ts)),
        ("ids", f"{view.id} of order {view.order}"),
    ]


def trade_told(view: JournalView) -> Pairs:
    """Return everything of a closed trade as pairs of name and text."""
    return [
        ("trade", f"{view.side} {plain(view.quantity)} of {view.instrument} ({mark(view.mode)})"),
        ("prices", f"in at {plain(view.entry)}, out at {plain(view.exit)}"),
        ("result", f"{gain(view.net)[0]} net: {plain(view.gross)} less fees {plain(view.fees)}, funding "
                   f"{plain(view.funding)}; R {r(view.r)}"),
        ("times", f"{stamp(view.opened)} to {stamp(view.closed)}, {age((view.closed - view.opened) / SECOND)}"),
        ("ended by", view.reason or NOTHING),
    ]  # fmt: skip
