"""A paper venue on one hand-made book, with an account that knows its balances and its position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from engine.approval import _SEAL, Approved
from engine.execution.lifecycle import Order, Orders, Outcome
from engine.execution.money import value_up
from engine.execution.paper import NEVER, Look, PaperVenue
from engine.execution.settings import FeeTable
from engine.market.book import Book
from engine.orders import (
    AmendRefused,
    AmendSent,
    CancelRefused,
    Fill,
    OrderEvent,
    OrderFilled,
    OrderSpec,
    OrderSubmitted,
    OrderType,
    Rules,
    Side,
    decimal,
    units,
)
from engine.types import MS, SECOND, BookDelta, Instrument, Level, Trade

SPOT = Instrument(
    key="binance:BTC/USDT",
    venue="binance",
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    price_decimals=2,
    size_decimals=8,
)
PERPETUAL = msgspec.structs.replace(SPOT, key="binanceusdm:BTC/USDT:USDT", venue="binanceusdm", size_decimals=3)
RULES = Rules(tick=units("0.01"), step=units("0.00001"), min_quantity=units("0.00001"), min_notional=units("5"))

START = 1_700_000_000 * SECOND
LATENCY = 50 * MS


def approved(spec: OrderSpec) -> Approved[OrderSpec]:
    return Approved(spec, _SEAL)


class Papers:
    """The venue, its market and its account. Prices and sizes are decimals as text; time goes on by itself."""

    def __init__(self, instrument: Instrument = SPOT, *, base: str = "0", quote: str = "1000000") -> None:
        self.instrument = instrument
        self.book = Book()
        self.live = True
        self.rules = RULES
        self.low = self.high = self.stamp = 0
        self.loads = 1
        self.now = START
        self.position = units(base)
        self.balances: dict[str, int | None] = {"USDT": units(quote), "BTC": units(base)}
        self.venue = PaperVenue(LATENCY, FeeTable(), self.free, lambda _: self.position)
        self.events: list[OrderEvent] = []
        self.kept = Orders()
        self.count = 0

    def free(self, spec: OrderSpec) -> int | None:
        if self.instrument is PERPETUAL or spec.side is Side.BUY:
            free = self.balances["USDT"]
            others = [order for order in self.orders.values() if order.open and order.spec.side is Side.BUY]
            held = sum(value_up(order.price, order.remaining) for order in others if order.spec.id != spec.id)
            return None if free is None else free - held
        return self.balances["BTC"]

    @property
    def orders(self) -> Mapping[str, Order]:
        return self.kept.by_id

    @property
    def fills(self) -> list[Fill]:
        return [event.fill for event in self.events if isinstance(event, OrderFilled)]

    def told(self, order: str) -> list[str]:
        """The kinds of events of one order, in order."""
        return [type(event).__name__ for event in self.events if event.order == order]

    def last(self, kind: type[Any]) -> Any:
        return next(event for event in reversed(self.events) if isinstance(event, kind))

    # The market. ---------------------------------------------------------------------------------------------------

    def look(self, _key: str = "") -> Look:
        return Look(
            self.instrument, self.book, self.live, self.rules, None, self.low, self.high, self.stamp, self.loads
        )

    def levels(self, side: dict[str, str]) -> tuple[Level, ...]:
        return tuple(
            (
                units(price) // 10 ** (8 - self.instrument.price_decimals),
                units(size) // 10 ** (8 - self.instrument.size_decimals),
            )
            for price, size in side.items()
        )

    def load(self, bids: dict[str, str], asks: dict[str, str]) -> list[OrderEvent]:
        self.wait()
        self.book.load(self.levels(bids), self.levels(asks), self.book.update_id + 1)
        self.loads += 1
        return self.hear(self.venue.on_reload(self.look(), self.now))

    def lose(self) -> list[OrderEvent]:
        self.wait()
        self.live = False
        self.book.clear()
        return self.hear(self.venue.on_reload(self.look(), self.now))

    def delta(
        self, bids: dict[str, str] | None = None, asks: dict[str, str] | None = None, *, old: bool = False
    ) -> list[OrderEvent]:
        """The book changes; `old`: the venue says again what the book has passed."""
        self.wait()
        change = BookDelta(
            instrument=self.instrument.key,
            first_id=self.book.update_id + 1,
            last_id=self.book.update_id + 1,
            prev_id=self.book.update_id,
            ts_exch=self.now,
            bids=self.levels(bids or {}),
            asks=self.levels(asks or {}),
        )
        if old:
            self.book.update_id += 5
        else:
            self.book.apply(change.bids, change.asks, change.last_id)
        self.stamp = max(self.stamp, change.ts_exch)
        if self.instrument.key not in self.venue.watched:
            return []
        return self.hear(self.venue.on_delta(self.look(), change, self.now))

    def trade(self, price: str, size: str, *, sell: bool, at: int = 0) -> list[OrderEvent]:
        self.wait()
        [(ticks, lots)] = self.levels({price: size})
        trade = Trade(
            instrument=self.instrument.key,
            id=self.now,
            price=ticks,
            size=lots,
            ts_exch=at or self.now,
            ts_sent=self.now,
            sell=sell,
        )
        if self.instrument.key not in self.venue.watched:
            return []
        return self.hear(self.venue.on_trade(self.look(), trade, self.now))

    # Orders. -------------------------------------------------------------------------------------------------------

    def spec(self, side: Side, quantity: str, price: str = "0", stop: str = "0", **more: Any) -> OrderSpec:
        self.count += 1
        kind = more.pop(
            "type", OrderType.LIMIT if price != "0" else OrderType.STOP if stop != "0" else OrderType.MARKET
        )
        return OrderSpec(
            id=more.pop("id", f"o{self.count}"),
            instrument=self.instrument.key,
            side=side,
            type=kind,
            quantity=units(quantity),
            price=units(price),
            stop_price=units(stop),
            created=self.now,
            **more,
        )

    def order(self, side: Side, quantity: str, price: str = "0", stop: str = "0", **more: Any) -> str:
        """Send an order and let it arrive."""
        spec = self.spec(side, quantity, price, stop, **more)
        self.send(spec)
        self.wait()
        return spec.id

    def send(self, spec: OrderSpec) -> None:
        self.kept.add(spec)
        self.kept.apply(OrderSubmitted(order=spec.id, ts=self.now))
        self.venue.submit(approved(spec), self.now)

    def change(self, spec: OrderSpec) -> None:
        """Ask for a change and let it arrive."""
        if self.orders[spec.id].open:
            self.kept.apply(AmendSent(order=spec.id, ts=self.now, price=spec.price, quantity=spec.quantity))
        self.venue.amend(approved(spec), self.now)
        self.wait()

    def wait(self, ns: int = 0) -> None:
        """Let everything arrive that is under way, and a little more time pass."""
        while self.venue.due < NEVER:
            self.now = max(self.now, self.venue.due)
            self.hear(self.venue.advance(self.venue.due, self.look))
        self.now += ns or MS

    def hear(self, events: Sequence[OrderEvent]) -> list[OrderEvent]:
        """Take the events as the account would: every order's life, its fills, balances and position."""
        for event in events:
            _, outcome = self.kept.apply(event)
            assert outcome is Outcome.APPLIED or isinstance(event, CancelRefused | AmendRefused), (outcome, event)
            if isinstance(event, OrderFilled):
                self._settle(event.fill)
        self.events.extend(events)
        return list(events)

    def _settle(self, fill: Fill) -> None:
        sign = fill.side.sign
        kept = fill.fee if fill.fee_asset == "BTC" else 0
        self.position += sign * fill.quantity - kept
        self.balances["BTC"] = (self.balances["BTC"] or 0) + sign * fill.quantity - kept
        worth = sign * fill.price * fill.quantity // units("1")
        self.balances["USDT"] = (self.balances["USDT"] or 0) - worth - (fill.fee if not kept else 0)


def filled(papers: Papers) -> list[tuple[str, str, str]]:
    """Fills as (order, price, quantity), decimals as text."""
    return [(fill.order, decimal(fill.price), decimal(fill.quantity)) for fill in papers.fills]
