"""What was ordered, filled, traded and asked for, out of the records that outlive the engine; newest first."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from engine.errors import StorageFailed
from engine.execution.ledger import ClosedTrade
from engine.execution.lifecycle import Order, apply
from engine.orders import OrderEvent, OrderFilled, OrderSpec
from engine.ports import Record, Records
from engine.trading.views import fill_view, journal_view, order_view
from engine.tradingviews import AuditView, FillView, JournalView, OrderView

T = TypeVar("T")

PAST = ("order_history", "fill_history", "trade_history", "audit")
"""Topics that are answered here."""

_spec = msgspec.json.Decoder(OrderSpec)
_event: msgspec.json.Decoder[OrderEvent] = msgspec.json.Decoder(OrderEvent)
_filled = msgspec.json.Decoder(OrderFilled)
_trade = msgspec.json.Decoder(ClosedTrade)
_audit = msgspec.json.Decoder(AuditView)


def past(
    records: Records, topic: str, *, limit: int, start: int | None = None, end: int | None = None, instrument: str = ""
) -> list[Any]:
    """Return the newest `limit` rows of a topic of `PAST` with start <= time < end (UTC ns). Blocks.

    The time of an order is that of its making, of a trade that of its end.

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
    """Return orders, with what became of them since, whenever that was."""
    found = {(spec := _read(each, _spec)).id: Order(spec) for each in records.newest(["order"], **ask)}
    for each in records.of_orders(list(found)):
        event = _read(each, _event)
        apply(found[event.order], event)
    return [order_view(order) for order in found.values()]


def fills(records: Records, **ask: Any) -> list[FillView]:
    """Return fills; what each of them closed is told by the trades."""
    return [fill_view(_read(each, _filled).fill, None) for each in records.newest(["fill"], **ask)]


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
