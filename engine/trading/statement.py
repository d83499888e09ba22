"""What a run's trading came to: every order, every fill, and the ledger, to the last unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from engine.execution.account import Account
from engine.execution.ledger import ClosedTrade
from engine.execution.lifecycle import Order, apply
from engine.execution.money import value
from engine.keep import Keep
from engine.orders import Answered, Fill, Journaled, Noticed, OrderEvent, OrderFilled, OrderSpec, decimal
from engine.state import EngineState
from engine.trading.marks import mark_of, rate_of, value_account
from engine.types import MS, Command

_spec = msgspec.json.Decoder(OrderSpec)
_filled = msgspec.json.Decoder(OrderFilled)
_event: msgspec.json.Decoder[OrderEvent] = msgspec.json.Decoder(OrderEvent)
_closed = msgspec.json.Decoder(ClosedTrade)


class Statement:
    """Hears the commands of a run; `build` tells what they came to. Amounts are decimals as text, exact."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._trades: list[ClosedTrade] = []
        self._fills: list[Fill] = []
        self._answers: list[Answered] = []
        self._notices: list[Noticed] = []

    def take(self, commands: Sequence[Command | Keep]) -> None:
        """Hear what a record has brought about."""
        for command in commands:
            match command:
                case Journaled(kind="order"):
                    spec = _spec.decode(command.body)
                    self._orders[spec.id] = Order(spec)
                case Journaled(kind="order_event"):
                    self._apply(_event.decode(command.body))
                case Journaled(kind="fill"):
                    filled = _filled.decode(command.body)
                    self._fills.append(filled.fill)
                    self._apply(filled)
                case Journaled(kind="trade"):
                    self._trades.append(_closed.decode(command.body))
                case Answered():
                    self._answers.append(command)
                case Noticed():
                    self._notices.append(command)
                case _:
                    pass

    def _apply(self, event: OrderEvent) -> None:
        """Follow an order beyond the time for which the account remembers it."""
        order = self._orders.get(event.order)
        if order is not None:
            apply(order, event)

    def build(self, state: EngineState, account: Account, start: int | None) -> dict[str, Any]:
        """Return the ledger; `start` is what the account was worth at the beginning (1e-8 of its currency)."""
        value_account(state, account)
        return {
            "mode": str(account.mode),
            "currency": account.trading.currency,
            "orders": [_order(account.orders.by_id.get(each.id, each)) for each in self._orders.values()],
            "fills": [_fill(fill) for fill in self._fills],
            "positions": _positions(state, account),
            "trades": [_trade(each) for each in self._trades],
            "balances": {
                asset: decimal(amount)
                for ledger in account.ledgers.values()
                for asset, amount in sorted(ledger.balances.items())
                if amount
            },
            "realised_pnl": _total(state, account, "realised"),
            "fees": _total(state, account, "fees"),
            "fees_by_asset": {
                asset: decimal(amount)
                for ledger in account.ledgers.values()
                for asset, amount in sorted(ledger.taken.items())
            },
            "funding": _total(state, account, "funding"),
            "equity": [_text(start), _text(account.equity)],
            "answers": [
                {"line": each.id, "done": each.done, "text": each.text, "code": each.code} for each in self._answers
            ],
            "notices": [{"code": each.code, "component": each.component, "text": each.text} for each in self._notices],
        }


def _order(order: Order) -> dict[str, Any]:
    spec = order.spec
    return {
        "id": spec.id,
        "at_ms": spec.created // MS,
        "symbol": spec.instrument,
        "side": str(spec.side),
        "type": str(spec.type),
        "quantity": decimal(order.quantity),
        "price": decimal(order.price) if spec.price else None,
        "stop_price": decimal(order.stop_price) if spec.stop_price else None,
        "filled": decimal(order.filled),
        "average": decimal(order.average) if order.filled else None,
        "state": str(order.state),
        "reason": order.reason,
        "origin": str(spec.origin),
        "reduce_only": spec.reduce_only,
        "oco": spec.oco,
    }


def _fill(fill: Fill) -> dict[str, Any]:
    return {
        "id": fill.id,
        "order": fill.order,
        "at_ms": fill.ts // MS,
        "symbol": fill.instrument,
        "side": str(fill.side),
        "price": decimal(fill.price),
        "quantity": decimal(fill.quantity),
        "fee": decimal(fill.fee),
        "fee_asset": fill.fee_asset,
        "liquidity": str(fill.liquidity),
    }


def _positions(state: EngineState, account: Account) -> list[dict[str, Any]]:
    found = []
    for ledger in account.ledgers.values():
        for key, position in sorted(ledger.positions.items()):
            if not position.quantity:
                continue
            mark = mark_of(state, key)
            worth = value(mark, position.quantity) if mark is not None else None
            found.append(
                {
                    "symbol": key,
                    "quantity": decimal(position.quantity),
                    "cost": decimal(position.cost),
                    "average": decimal(position.average),
                    "mark": _text(mark),
                    "unrealised_pnl": _text(worth - position.cost if worth is not None else None),
                    "dust": not position.open,
                }
            )
    return found


def _trade(closed: Any) -> dict[str, Any]:
    money = ("quantity", "entry", "exit", "gross", "fees", "funding", "net", "risk")
    plain = msgspec.to_builtins(closed)
    return {name: decimal(each) if name in money else each for name, each in plain.items()}


def _total(state: EngineState, account: Account, name: str) -> str | None:
    """Return a sum over all assets in the account's currency; None where one of them has no price."""
    total = 0
    for ledger in account.ledgers.values():
        for asset, amount in getattr(ledger, name).items():
            rate = rate_of(state, account, asset)
            if rate is None and amount:
                return None
            total += value(rate or 0, amount)
    return decimal(total)


def _text(amount: int | None) -> str | None:
    return None if amount is None else decimal(amount)
