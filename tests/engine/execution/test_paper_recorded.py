"""The paper venue on recorded spot books: every fill held against the raw messages, counted again in decimals."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.execution.paper import NEVER, Look, PaperVenue
from engine.execution.settings import FeeTable
from engine.orders import (
    Liquidity,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderSpec,
    OrderTriggered,
    OrderType,
    Side,
    TimeInForce,
    decimal,
    units,
)
from engine.replay import Recording, Replay
from engine.risk.rules import assumed
from engine.state import EngineState
from engine.types import MS, SECOND, BookDelta, BookSnapshot, Record, Trade
from tests.engine.execution.papers import approved

KEY = "binance:ETH/USDT"
LATENCY = 50 * MS
LINES = 12_000

Asked = tuple[int, OrderSpec]


@pytest.fixture(scope="module")
def path(recordings_root_path: Path) -> Path:
    return recordings_root_path / "hftbacktest-binance-ws" / "spot" / "ethusdt_20240808.gz"


def drive(path: Path, asked: Sequence[Asked]) -> tuple[list[OrderEvent], list[object]]:
    """Replay the recording's beginning with orders sent at given times; return what the venue told, and its state."""
    seen: list[Record] = []

    def observe(record: Record, _state: EngineState) -> None:
        seen.append(record)

    replay = Replay(Recording([path]), observer=observe)
    venue = PaperVenue(LATENCY, FeeTable(), lambda _: units("1000000"), lambda _: 0)
    told: list[OrderEvent] = []
    waiting = list(asked)

    def look(key: str) -> Look:
        market = replay.state.markets[key]
        sync, rules = market.sync, assumed(market.instrument)
        stamp = market.stamp_book
        return Look(market.instrument, sync.book, sync.live, rules, None, sync.low, sync.high, stamp, sync.resyncs)

    for _ in range(LINES):
        stamp = replay.next_stamp()
        assert stamp is not None
        while waiting and waiting[0][0] < stamp:
            at, spec = waiting.pop(0)
            venue.submit(approved(spec), at)
        while venue.due < stamp:
            told += venue.advance(venue.due, look)
        replay.run(limit=1)
        event = seen[-1].event
        seen.clear()
        if KEY not in venue.watched:
            continue
        if isinstance(event, BookDelta):
            told += venue.on_delta(look(KEY), event, stamp)
        elif isinstance(event, Trade):
            told += venue.on_trade(look(KEY), event, stamp)
        elif isinstance(event, BookSnapshot):
            told += venue.on_reload(look(KEY), stamp)
    assert venue.due == NEVER
    assert not waiting
    return told, venue.state()


def spec(number: int, side: Side, quantity: str, kind: OrderType = OrderType.MARKET, **more: Any) -> OrderSpec:
    return OrderSpec(id=f"o{number}", instrument=KEY, side=side, type=kind, quantity=units(quantity), **more)


# The same, counted by hand. ------------------------------------------------------------------------------------------


class Counted:
    """A book in decimals, from the raw messages, with what of it is gone."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, Decimal]] = {"b": {}, "a": {}}
        self.ours: dict[str, dict[Decimal, Decimal]] = {"b": {}, "a": {}}
        self.id = self.stamp = 0
        self.backlog: list[dict[str, Any]] = []

    def message(self, text: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(text)
        if "lastUpdateId" in found:
            self.id = found["lastUpdateId"]
            for name, levels in (("b", found["bids"]), ("a", found["asks"])):
                self.sides[name] = {Decimal(price): Decimal(size) for price, size in levels}
            for data in self.backlog:
                self._depth(data)
        elif found["stream"].endswith("@depth@100ms"):
            data = found["data"]
            self.stamp = data["E"]
            if self.id:
                self._depth(data)
            else:
                self.backlog.append(data)
        return found

    def _depth(self, data: dict[str, Any]) -> None:
        if data["u"] <= self.id:
            return
        assert data["U"] <= self.id + 1
        self.id = data["u"]
        for name in ("b", "a"):
            for price, size in data[name]:
                self.ours[name].pop(Decimal(price), None)
                self.sides[name][Decimal(price)] = Decimal(size)

    def taken(self, side: Side, quantity: Decimal, limit: Decimal | None) -> list[tuple[Decimal, Decimal]]:
        """What an order gets, level by level."""
        name = "a" if side is Side.BUY else "b"
        step, parts = Decimal("0.0001"), []
        for price in sorted(self.sides[name], reverse=name == "b"):
            if limit is not None and (price > limit if name == "a" else price < limit):
                break
            there = self.sides[name][price] - self.ours[name].get(price, Decimal(0))
            part = min(there, quantity) // step * step
            if part > 0:
                parts.append((price, part))
                quantity -= part
                self.ours[name][price] = self.ours[name].get(price, Decimal(0)) + part
            if not quantity:
                break
        return parts


def raw(path: Path) -> Iterator[tuple[int, str]]:
    with gzip.open(path, "rt") as lines:
        for _, line in zip(range(LINES), lines, strict=False):
            stamp, _, text = line.partition(" ")
            yield int(stamp), text


def counted_fills(path: Path, asked: Sequence[Asked]) -> dict[str, list[tuple[str, str]]]:
    """What orders that take at once must get."""
    book, found = Counted(), {}
    waiting = [(at + LATENCY, order) for at, order in asked]
    for stamp, text in raw(path):
        while waiting and waiting[0][0] < stamp:
            order = waiting.pop(0)[1]
            limit = Decimal(decimal(order.price)) if order.price else None
            parts = book.taken(order.side, Decimal(decimal(order.quantity)), limit)
            found[order.id] = [(decimal(units(str(price))), decimal(units(str(size)))) for price, size in parts]
        book.message(text)
    return found


def takers(start: int) -> list[Asked]:
    """Orders of all sizes, some in quick succession so that they meet what they took before."""
    asked: list[Asked] = []
    at = start + 2 * SECOND
    for number in range(60):
        side = Side.BUY if number % 3 else Side.SELL
        quantity = ["0.01", "5", "40", "150", "0.5"][number % 5]
        kind, more = OrderType.MARKET, {}
        if number % 4 == 3:
            kind = OrderType.LIMIT
            more = {"price": units("2684.5" if side is Side.BUY else "2683"), "time_in_force": TimeInForce.IOC}
        asked.append((at, spec(number, side, quantity, kind, **more)))
        at += [7 * MS, 30 * MS, 180 * MS, 900 * MS, 3 * SECOND][number % 5]
    return asked


def test_every_fill_is_what_the_raw_messages_give(path: Path) -> None:
    start = next(raw(path))[0]
    asked = takers(start)
    told, _ = drive(path, asked)
    fills: dict[str, list[tuple[str, str]]] = {order.id: [] for _, order in asked}
    for event in told:
        if isinstance(event, OrderFilled):
            fills[event.order].append((decimal(event.fill.price), decimal(event.fill.quantity)))
    expected = counted_fills(path, asked)
    assert fills == expected
    assert sum(len(parts) for parts in fills.values()) > 200
    whole = [order for _, order in asked if sum(units(part) for _, part in fills[order.id]) == order.quantity]
    assert len(whole) > 40
    due = {order.id: at + LATENCY for at, order in asked}
    assert all(event.ts == due[event.order] for event in told)


def resting(start: int) -> list[Asked]:
    """Limit orders around the best prices, and stops a little way off, every few seconds."""
    asked: list[Asked] = []
    for number in range(20):
        side = Side.BUY if number % 2 else Side.SELL
        price = units("2683.5") - side.sign * units("0.25") * (number % 7)
        kind, more = OrderType.LIMIT, {"price": price}
        if number % 5 == 4:
            kind, more = OrderType.STOP, {"stop_price": units("2683.5") + side.sign * units("0.4")}
        asked.append((start + 2 * SECOND + number * 3 * SECOND, spec(number, side, "0.8", kind, **more)))
    return asked


def test_resting_orders_and_stops_keep_to_their_prices_and_to_what_was_dealt(path: Path) -> None:
    start = next(raw(path))[0]
    asked = resting(start)
    told, state = drive(path, asked)
    again, same = drive(path, asked)
    assert (told, state) == (again, same)
    orders = {order.id: order for _, order in asked}
    trades = [
        (stamp, Decimal(data["p"]), Decimal(data["q"]))
        for stamp, text in raw(path)
        if '@trade"' in text
        for data in [json.loads(text)["data"]]
    ]
    made = stopped = 0
    for event in told:
        order = orders[event.order]
        if isinstance(event, OrderTriggered):
            stopped += 1
            at = [price for stamp, price, _ in trades if stamp == event.ts]
            assert Decimal(decimal(event.price)) in at
            assert (event.price - order.stop_price) * order.side.sign >= 0
        if not isinstance(event, OrderFilled):
            continue
        fill = event.fill
        if order.price:
            assert (fill.price - order.price) * order.side.sign <= 0
        else:
            trigger = next(e for e in told if isinstance(e, OrderTriggered) and e.order == order.id)
            assert (fill.price - trigger.price) * order.side.sign >= 0  # no better than the trade that woke it
        if fill.liquidity is Liquidity.MAKER:
            made += 1
            assert fill.price == order.price
    for number, order in orders.items():
        filled = sum(e.fill.quantity for e in told if isinstance(e, OrderFilled) and e.order == number)
        assert filled <= order.quantity
        ended = [e for e in told if isinstance(e, OrderCanceled) and e.order == number]
        assert all(e.filled == filled for e in ended)
    assert made >= 5
    assert stopped >= 2


def queued(path: Path, at: int, order: OrderSpec) -> list[tuple[int, str]]:
    """What a BUY that rests must get, and when: alone in the market, behind what is displayed when it comes."""
    book, found = Counted(), []
    price, left = Decimal(decimal(order.price)), Decimal(decimal(order.quantity))
    ahead = least = Decimal(-1)
    since = -1

    def fill(stamp: int, part: Decimal) -> None:
        nonlocal left
        part = min(part, left) // Decimal("0.0001") * Decimal("0.0001")
        if part > 0:
            found.append((stamp, decimal(units(str(part)))))
            left -= part

    for stamp, text in raw(path):
        if since < 0 and at + LATENCY < stamp:
            assert not [ask for ask, size in book.sides["a"].items() if ask <= price and size]
            ahead = least = book.sides["b"].get(price, Decimal(0))
            since = book.stamp
        late = book.stamp
        told = book.message(text)
        data = told.get("data", {})
        if since < 0 or not left or "stream" not in told:
            continue
        if told["stream"].endswith("@depth@100ms"):
            least = min([least, *(Decimal(size) for bid, size in data["b"] if Decimal(bid) == price)])
            for _, part in book.taken(Side.BUY, left, price):
                fill(stamp, part)
        elif told["stream"].endswith("@trade") and data["T"] > since:
            size = Decimal(data["q"])
            if Decimal(data["p"]) < price:
                ahead = least = Decimal(0)
                fill(stamp, size)
            elif Decimal(data["p"]) == price and data["m"]:
                before = ahead if data["T"] <= late else min(ahead, least)
                fill(stamp, size - before)
                ahead = max(ahead - size, Decimal(0))
                least = least if data["T"] <= late else max(least - size, Decimal(0))
    return found


@pytest.mark.parametrize("second", [2, 20, 29, 41, 62, 85])
def test_a_resting_order_is_filled_when_its_turn_comes(path: Path, second: int) -> None:
    start = next(raw(path))[0]
    at = start + second * SECOND
    book = Counted()
    for stamp, text in raw(path):
        if stamp > at:
            break
        book.message(text)
    best = max(bid for bid, size in book.sides["b"].items() if size)
    order = spec(1, Side.BUY, "1.5", OrderType.LIMIT, price=units(str(best)) - units("0.01") * (second % 3))
    told, _ = drive(path, [(at, order)])
    fills = [(event.ts, decimal(event.fill.quantity)) for event in told if isinstance(event, OrderFilled)]
    assert fills == queued(path, at, order)
