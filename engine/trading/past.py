"""What was ordered, filled, traded and asked for, out of the records that outlive the engine; newest first."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from engine.errors import StorageFailed
from engine.execution.ledger import ClosedTrade
from engine.execution.lifecycle import Order, apply
from engine.orders import Adopted, FillKept, OrderAccepted, OrderEvent, OrderSpec
from engine.ports import Record, Records
from engine.trading.views import fill_view, journal_view, order_view
from engine.tradingviews import AuditView, FillView, JournalView, OrderView

T = TypeVar("T")

PAST = ("order_history", "fill_history", "trade_history", "audit")
"""Topics that are answered here."""

_spec = msgspec.json.Decoder(OrderSpec)
_event: msgspec.json.Decoder[OrderEvent] = msgspec.json.Decoder(OrderEvent)
_filled = msgspec.json.Decoder(FillKept)
_adopted = msgspec.json.Decoder(Adopted)
_trade = msgspec.json.Decoder(ClosedTrade)
_audit = msgspec.json.Decoder(AuditView)


def past(
    records: Records, topic: str, *, limit: int, start: int | None = None, end: int | None = None, instrument: str = ""
) -> list[Any]:
    """Return the newest `limit` rows of a topic of `PAST` with start <= time < end (UTC ns). Blocks.

    The time of an order is that of its making, or finding, of a trade that of its end.

    Raises:
        StorageFailed: They cannot be read.
    """
    ask: dict[str, Any] = {"limit": limit, "start": start, "end": end, "instrument": instrument}
    match topic:
        case "order_history":
            return orders(records, **ask)
        case "fill_history":
            return fills(records, **ask)
        case "trade_history":
            return trades(records, **ask)
        case _:
            return audit(records, **ask)


def orders(records: Records, **ask: Any) -> list[OrderView]:
    """Return orders, those found at a venue too, with what became of them since, whenever that was."""
    rows = [*records.newest(["order"], **ask), *records.newest(["account"], tag=Adopted.__name__, **ask)]
    found: dict[str, Order] = {}
    for each in sorted(rows, key=lambda row: (row.ts, row.id), reverse=True)[: ask["limit"]]:
        order = _adopt(_read(each, _adopted)) if each.kind == "account" else Order(_read(each, _spec))
        if each.kind == "order":
            found.pop(order.id, None)  # one of ours that was found again is ours
        found.setdefault(order.id, order)
    for each in records.of_orders(list(found)):
        event = _read(each, _event)
        apply(found[event.order], event)
    return [order_view(order) for order in found.values()]


def _adopt(adopted: Adopted) -> Order:
    order = Order(adopted.spec)
    apply(order, OrderAccepted(order=order.id, ts=adopted.ts, venue_id=adopted.venue_id))
    return order


def fills(records: Records, **ask: Any) -> list[FillView]:
    """Return fills; what they realised is not known of those that older versions kept."""
    kept = (_read(each, _filled) for each in records.newest(["fill"], **ask))
    return [fill_view(each.fill, each.realised) for each in kept]


def trades(records: Records, **ask: Any) -> list[JournalView]:
    """Return closed trades."""
    return [journal_view(_read(each, _trade)) for each in records.newest(["trade"], **ask)]


def audit(records: Records, **ask: Any) -> list[AuditView]:
    """Return what was asked for, by whom, and what came of it; of all instruments."""
    return [_read(each, _audit) for each in records.newest(["audit"], **(ask | {"instrument": ""}))]


def _read(record: Record, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return decoder.decode(record.body)
    except msgspec.MsgspecError as error:
        raise StorageFailed(
            f"record {record.id} ({record.kind}) cannot be read by this version of tradetui ({error}); use the one "
            "that wrote it"
        ) from error
