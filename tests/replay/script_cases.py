"""What a scripted operator asks in the recorded minutes, and the raw messages of those minutes, read by themselves.

Nothing of the engine's is used here but the names of instruments: `Past` and `Books` are a second opinion.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

BTC, ETH, PERPETUAL = "binance:BTC/USDT", "binance:ETH/USDT", "binanceusdm:BTC/USDT:USDT"
FILES = {
    BTC: "spot/btcusdt_20240808.gz",
    ETH: "spot/ethusdt_20240808.gz",
    PERPETUAL: "usdm/btcusdt_20240808.gz",
}
BEGIN_MS = 1_723_161_253_937
"""The first message of the spot recording."""

LATENCY_NS = 50_000_000
MS = 1_000_000
UNIT = Decimal("0.00000001")

Command = tuple[float, dict[str, Any]]
"""Seconds since the beginning, and what is asked."""

SPOT: tuple[Command, ...] = (
    (10, {"order": {"symbol": BTC, "side": "buy", "quantity": "2.5", "stop_loss": "61790", "take_profit": "61900"}}),
    (12, {"order": {"symbol": ETH, "side": "buy", "quantity": "40", "trailing_bps": 8}}),
    (20, {"order": {"symbol": BTC, "side": "buy", "quantity": "1.5"}}),
    (100, {"order": {"symbol": ETH, "side": "buy", "type": "limit", "price": "2681.50", "quantity": "30",
                     "post_only": True, "stop_loss": "2675", "take_profit": "2700"}}),
    (250, {"protect": {"symbol": ETH, "stop_loss": "off", "take_profit": "off"}}),
    (270, {"order": {"symbol": ETH, "side": "sell", "type": "limit", "price": "2684.50", "quantity": "10",
                     "reduce_only": True}}),
    (285, {"order": {"symbol": BTC, "side": "buy", "quantity": "1", "stop_loss": "61500", "take_profit": "62000"}}),
    (305, {"protect": {"symbol": ETH, "stop_loss": "2676"}}),
    (310, {"flatten": {"symbol": ETH}}),
    (330, {"kill": {"flatten": True, "reason": "the end of the exercise"}}),
    (335, {"order": {"symbol": BTC, "side": "buy", "quantity": "1"}}),
)  # fmt: skip


def write(path: Path, commands: Sequence[Command], begin_ms: int = BEGIN_MS) -> Path:
    """Write a script."""
    lines = [json.dumps({"at_ms": begin_ms + int(at * 1000), "command": command}) for at, command in commands]
    path.write_text("# what the operator does\n\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def up(amount: Decimal) -> Decimal:
    return amount.quantize(UNIT, ROUND_CEILING)


def even(amount: Decimal) -> Decimal:
    return amount.quantize(UNIT, ROUND_HALF_EVEN)


Trade = tuple[int, Decimal, Decimal, bool]
"""Receive stamp (ns), price, size, and whether the seller took."""


class Past:
    """One instrument's recorded messages: its book at any of their times, and its trades.

    The book follows Binance's own instructions ("How to manage a local order book correctly"): the snapshot, and every
    later diff that is newer. `taken` is what we took of it: gone until a message names that level again.
    """

    def __init__(self, path: Path) -> None:
        self.trades: list[Trade] = []
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}
        self.taken: dict[tuple[str, Decimal], Decimal] = {}
        self._messages = list(self._read(path))
        self._early: list[dict[str, Any]] = []
        self._last = -1
        self._place = 0

    def _read(self, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
        with gzip.open(path) as lines:
            for line in lines:
                stamp, _, text = line.partition(b" ")
                if b"@depth" in text[:50] or b'"lastUpdateId"' in text[:20]:
                    message = json.loads(text)
                    yield int(stamp), message.get("data", message)
                elif b"@trade" in text[:40]:
                    said = json.loads(text)["data"]
                    if said.get("X", "MARKET") == "MARKET":
                        self.trades.append((int(stamp), Decimal(said["p"]), Decimal(said["q"]), said["m"]))

    def go(self, stamp: int) -> None:
        """Take in all messages up to a time; it only goes forward."""
        while self._place < len(self._messages) and self._messages[self._place][0] <= stamp:
            _, message = self._messages[self._place]
            self._place += 1
            if "lastUpdateId" in message:
                self._last = message["lastUpdateId"]
                for side, levels in ((self.bids, message["bids"]), (self.asks, message["asks"])):
                    side.update({Decimal(price): Decimal(size) for price, size in levels})
                for early in self._early:
                    self._change(early)
            elif self._last < 0:
                self._early.append(message)
            else:
                self._change(message)

    def _change(self, diff: dict[str, Any]) -> None:
        if diff["u"] <= self._last:
            return
        self._last = diff["u"]
        for name, side in (("b", self.bids), ("a", self.asks)):
            for text, size in diff[name]:
                price = Decimal(text)
                self.taken.pop((name, price), None)
                if Decimal(size):
                    side[price] = Decimal(size)
                else:
                    side.pop(price, None)

    def walk(self, side: str, fills: Sequence[dict[str, Any]]) -> dict[Decimal, Decimal]:
        """Hold what an order took against the book as it is now; return what of better levels it did not get.

        It must not get more of a level than is there, and has to get the best first.
        """
        name, levels, better = ("a", self.asks, min) if side == "buy" else ("b", self.bids, max)
        got: dict[Decimal, Decimal] = {}
        for fill in fills:
            price = Decimal(fill["price"])
            got[price] = got.get(price, Decimal(0)) + Decimal(fill["quantity"])
        prices = list(got)
        assert prices == sorted(prices, reverse=side == "sell"), "not best first"
        worst = prices[-1]
        missed: dict[Decimal, Decimal] = {}
        for price in levels:
            if better(price, worst) != price:
                continue
            there = levels[price] - self.taken.get((name, price), Decimal(0))
            mine = got.pop(price, Decimal(0))
            assert mine <= there, (price, mine, there)
            if mine < there and price != worst:
                missed[price] = there - mine
            if mine:
                self.taken[name, price] = self.taken.get((name, price), Decimal(0)) + mine
        assert not got, f"there was nothing at {list(got)}"
        return missed

    def first(self, since: int, side: str, price: Decimal) -> Trade:
        """Return the first trade since a time at a price or beyond: at or below it for a sell, above it for a buy."""
        return next(
            trade
            for trade in self.trades
            if trade[0] > since and (trade[1] <= price if side == "sell" else trade[1] >= price)
        )

    def around(self, at_ms: int) -> list[Trade]:
        """Return the trades that were received within one millisecond."""
        return [trade for trade in self.trades if trade[0] // MS == at_ms]


class Books:
    """The money of a run, in decimals, by hand: average cost as a total, fees as the venue takes them."""

    def __init__(self, cash: str, bps: dict[tuple[str, str], str]) -> None:
        """`bps`: the fee by venue and liquidity."""
        self.balances = {"USDT": Decimal(cash)}
        self.quantity: dict[str, Decimal] = {}
        self.cost: dict[str, Decimal] = {}
        self.realised = self.fees = Decimal(0)
        self.taken: dict[str, Decimal] = {}
        self._bps = bps

    def take(self, fills: Iterable[dict[str, Any]]) -> None:
        for fill in fills:
            venue, _, name = fill["symbol"].partition(":")
            contract = ":" in name
            base, sign = name.partition("/")[0], 1 if fill["side"] == "buy" else -1
            price, quantity = Decimal(fill["price"]), Decimal(fill["quantity"])
            worth = even(price * quantity)
            rate = Decimal(self._bps[venue, fill["liquidity"]]) / 10_000
            in_base = sign > 0 and not contract
            fee = up((quantity if in_base else worth) * rate)
            asset = base if in_base else "USDT"
            assert (Decimal(fill["fee"]), fill["fee_asset"]) == (fee, asset), fill
            self.taken[asset] = self.taken.get(asset, Decimal(0)) + fee
            of_quote = up(price * fee) if in_base else fee
            self.fees += of_quote
            change, cost = sign * quantity, sign * worth
            if in_base:
                change, cost = change - fee, cost - of_quote
            gained = self._change(fill["symbol"], change, cost)
            self.realised += gained
            if contract:
                self._move("USDT", gained - fee)
            else:
                self._move(base, change)
                self._move("USDT", -sign * worth - (0 if in_base else fee))

    def _change(self, symbol: str, change: Decimal, cost: Decimal) -> Decimal:
        """Change a position, and return what that realised; no fill of these runs crosses zero."""
        held, paid = self.quantity.get(symbol, Decimal(0)), self.cost.get(symbol, Decimal(0))
        gained = Decimal(0)
        if held * change < 0:
            part = even(paid * -change / held)
            gained, cost = -cost - part, -part
        self.quantity[symbol], self.cost[symbol] = held + change, paid + cost
        return gained

    def _move(self, asset: str, amount: Decimal) -> None:
        self.balances[asset] = self.balances.get(asset, Decimal(0)) + amount
