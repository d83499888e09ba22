"""One account at a loopback venue, and the engines that trade it: each is killed, the next has to find the truth."""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tests.fault.orders_books import differences, kept
from tests.support.processes import BlockingClient, EngineProcess
from tests.support.venue import KEY, SECRET, VenueProcess

PATIENCE_S = 30.0
"""For an engine to be there, and for the two books to agree."""

LIVES = 5
"""Times that the engine of each account is killed."""

GONE = (EOFError, OSError)
"""What a client sees of an engine that was killed."""

KINDS = (
    ("binance", "binance:BTC/USDT", "binance:BTC/USDT", "spot:BTCUSDT"),
    ("binanceusdm", "binanceusdm:BTC/USDT:USDT", "binanceusdm:BTC/USDT:USDT", "linear:BTCUSDT"),
    ("bybit", "bybit:BTC/USDT", "binance:BTC/USDT", "spot:BTCUSDT"),
    ("bybit", "bybit:BTC/USDT:USDT", "binanceusdm:BTC/USDT:USDT", "linear:BTCUSDT"),
)
"""Venue, what is traded there, what is followed and prices it, and the venue's own name of it."""


# Faults of requests and streams, and how often each is drawn.
REQUESTS: tuple[tuple[int, str, dict[str, Any]], ...] = (
    (4, "submit", {"kind": "silent"}),
    (4, "submit", {"kind": "torn"}),
    (3, "submit", {"kind": "broken", "status": 504}),
    (2, "submit", {"kind": "error", "status": 503}),
    (2, "submit", {"kind": "lost"}),
    (2, "submit", {"kind": "cut"}),
    (2, "submit", {"kind": "late", "seconds": 0.4}),
    (2, "submit", {"kind": "throttle", "seconds": 1}),
    (1, "submit", {"kind": "garbage"}),
    (1, "submit", {"kind": "refuse", "code": "-2010"}),
    (3, "cancel", {"kind": "torn"}),
    (2, "cancel", {"kind": "silent"}),
    (2, "cancel", {"kind": "error"}),
    (2, "amend", {"kind": "torn"}),
    (2, "query", {"kind": "unseen", "times": 2}),
    (2, "query", {"kind": "error", "times": 2}),
    (2, "trades", {"kind": "error"}),
    (1, "account", {"kind": "error"}),
    (1, "open", {"kind": "cut"}),
)
STREAMS: tuple[tuple[int, dict[str, Any]], ...] = (
    (3, {"duplicate": 20}),
    (3, {"reorder": 5}),
    (3, {"drop_after": 3}),
    (2, {"cut": True}),
    (1, {"mute": 3}),
    (1, {"refuse": 2, "cut": True}),
    (1, {"delay": 0.05}),
)


class Outcome(msgspec.Struct, kw_only=True):
    """What became of one account."""

    seed: int
    number: int
    kind: str
    kills: list[str]
    faults: list[str]
    trapped: int
    """Kills by the venue itself, at a request or message."""
    unsent: int
    """Orders that are in the journal and never came to the venue."""
    orders: int
    fills: int
    answers: dict[str, int]
    complaints: list[str]
    recovery_s: list[float]
    seconds: float


class Ways(NamedTuple):
    """How an engine ends: `start` before it trades; the venue kills it itself at a request or message, or we do."""

    name: str
    start: bool = False
    fault: dict[str, Any] | None = None
    stream: int = -1
    journal: int = -1
    wait_s: float = 0.0


def way(dice: random.Random) -> Ways:
    """Draw one."""
    drawn = dice.random()
    if drawn < 0.12:
        if dice.random() < 0.4:
            return Ways("start, some time", start=True, wait_s=dice.uniform(0.2, 4.0))
        action = dice.choice(("account", "open", "trades", "query", "permissions", "time", "rules"))
        return Ways(f"start, at {action}", start=True, fault={"on": action, "kind": dice.choice(("kill", "killed"))})
    if drawn < 0.45:
        action = dice.choice(("submit", "submit", "submit", "cancel", "amend"))
        kind = dice.choice(("kill", "killed", "killed"))
        return Ways(f"{kind} at {action}", fault={"on": action, "kind": kind, "skip": dice.randrange(4)})
    if drawn < 0.65:
        return Ways("between two messages", stream=dice.randrange(14))
    if drawn < 0.82:
        return Ways("between journal and send", journal=dice.randrange(4))
    return Ways("some time", wait_s=dice.uniform(0.0, 2.0))


class Case:
    """One account: its venue process, its home, and its operator."""

    def __init__(self, seed: int, number: int, folder: Path, config: str) -> None:
        self.dice = random.Random(f"{seed}-{number}")
        self.kind, self.symbol, followed, self.key = KINDS[number % len(KINDS)]
        self.venue = VenueProcess(self.kind, journal=folder / "venue.jsonl")
        self.home = folder
        self.mark = Decimal(0)
        self.asked = 0
        self.engine: EngineProcess | None = None
        self.database = Path()
        self.answers: Counter[str] = Counter()
        self.outcome = Outcome(
            seed=seed, number=number, kind=self.symbol, kills=[], faults=[], trapped=0, unsent=0, orders=0, fills=0,
            answers={},
            complaints=[], recovery_s=[], seconds=0.0,
        )  # fmt: skip
        self.config = folder / "config.toml"
        priced = f'priced_by = {{"{self.symbol}" = "{followed}"}}' if followed != self.symbol else ""
        self.config.write_text(
            config.format(
                kind=self.kind, followed=followed, priced=priced, rest=self.venue.rest, ws=self.venue.ws,
                keys=folder / "keys.toml",
            )
        )  # fmt: skip
        if self.dice.random() < 0.2:  # a venue's clock is what it is: it never jumps
            self.venue.control("set", skew_ms=self.dice.choice((-15000, -4000, 4000, 15000)))
        keys = folder / "keys.toml"
        keys.touch(mode=0o600)
        keys.write_text(f'[{self.kind}]\napi_key = "{KEY}"\napi_secret = "{SECRET}"\n')

    # Lives. --------------------------------------------------------------------------------------------------------

    def run(self, lives: int) -> Outcome:
        """Live and be killed so often, and once more to compare at the end."""
        begun = time.monotonic()
        try:
            for life in range(lives):
                if not self.live(way(self.dice), first=life == 0):
                    break
            else:
                self.start()
                self.agree()
        finally:
            if self.engine is not None:
                self.engine.stop(9)
            self.outcome.complaints += self.slips()
            state = self.venue.state()
            self.outcome.faults = state["faults"]["done"]
            self.outcome.orders, self.outcome.fills = len(state["orders"]), len(state["trades"])
            self.outcome.trapped = state["kills"]
            self.outcome.unsent = len(kept(self.database).orders - state["heard"].keys())
            self.outcome.answers = dict(self.answers)
            self.outcome.seconds = round(time.monotonic() - begun, 1)
            self.venue.stop()
        return self.outcome

    def live(self, end: Ways, *, first: bool) -> bool:
        """One engine, to its end; False when its books were wrong."""
        self.venue.control("clear")
        self.outcome.kills.append(end.name)
        if end.start and end.fault:
            self.venue.control("fault", **end.fault)
        self.start()
        assert self.engine is not None
        if end.start:
            self.wait_for_death(end.wait_s or 6.0)
            self.meanwhile()
            return True
        if not self.agree():
            return False
        client = BlockingClient(self.engine.places.socket)
        with client, contextlib.suppress(*GONE):
            self.arm(client)
            self.spoil()
            self.venue.control("set", pid=self.engine.pid)
            if end.fault:
                self.venue.control("fault", **end.fault)
            if end.stream >= 0:
                self.venue.control("stream", kill_after=end.stream)
            self.operate(client, end)
        self.wait_for_death(0.0)
        self.meanwhile()
        return True

    def start(self) -> None:
        """An engine of this account."""
        self.engine = EngineProcess(self.home, self.config)
        self.venue.control("set", pid=self.engine.pid)
        self.database = self.engine.places.of_mode("live").database

    def priced(self, client: BlockingClient) -> bool:
        """Whether the engine has a book; the venue's market is then where that one was first."""
        bids = [row["best_bid"] for row in client.ask(type="get", id=0, topic="markets")["data"] if row["live"]]
        if bids and not self.mark:
            self.mark = Decimal(str(bids[0])).quantize(Decimal("0.1"))
            self.move(Decimal(1))
        return bool(bids)

    def wait_for_death(self, within_s: float) -> None:
        """The engine ends by the trap, or by our hand after so long."""
        assert self.engine is not None
        end = time.monotonic() + within_s
        while self.engine.process.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        self.engine.stop(9)
        self.venue.control("set", pid=0)

    def meanwhile(self) -> None:
        """The market does not stop for an engine that is dead."""
        self.venue.control("clear")
        if not self.mark:
            return
        for _ in range(self.dice.randrange(3)):
            self.move(Decimal(str(round(self.dice.uniform(0.99, 1.01), 4))))
        if self.dice.random() < 0.3:
            self.fill_some()

    # What an operator, a market and a bad day do. ------------------------------------------------------------------

    def spoil(self) -> None:
        """Draw what goes wrong in this life."""
        for _ in range(self.dice.choice((0, 1, 1, 2, 3))):
            if self.dice.random() < 0.65:
                _, action, fault = self.dice.choices(REQUESTS, [each[0] for each in REQUESTS])[0]
                self.venue.control("fault", on=action, skip=self.dice.randrange(3), **fault)
            else:
                self.venue.control("stream", **self.dice.choices(STREAMS, [each[0] for each in STREAMS])[0][1])

    def arm(self, client: BlockingClient) -> None:
        """Until the engine takes it."""
        end = time.monotonic() + PATIENCE_S
        while (said := self.tell(client, "arm", word="LIVE", reason="seeded run"))["type"] != "done":
            if time.monotonic() > end:
                raise AssertionError(f"the engine cannot be armed: {said}")
            time.sleep(0.1)
        while not Decimal(self.trading(client)["equity"] or 0) and time.monotonic() < end:
            time.sleep(0.05)

    def trading(self, client: BlockingClient) -> Any:
        """The state of trading now."""
        return client.ask(type="get", id=0, topic="trading")["data"]

    def tell(self, client: BlockingClient, name: str, **arguments: Any) -> dict[str, Any]:
        """A command, and its answer."""
        self.asked += 1
        said = client.ask(type="command", id=self.asked, name=name, arguments=arguments)
        self.answers[f"{name}: {said.get('code') or said['type']}"] += 1
        return said

    def rows(self, client: BlockingClient, topic: str) -> list[Any]:
        """The rows of a topic now."""
        self.asked += 1
        data = client.ask(type="get", id=self.asked, topic=topic)["data"]
        return data if isinstance(data, list) else next(iter(data.values()))

    def operate(self, client: BlockingClient, end: Ways) -> None:
        """Trade until the end comes."""
        until = time.monotonic() + (end.wait_s if end.wait_s else 4.0)
        orders, seen = len(kept(self.database).orders), 0
        while time.monotonic() < until:
            self.act(client)
            if end.journal >= 0 and seen <= end.journal:
                seen += 1
                if seen > end.journal:
                    self.kill_at_the_record(client, orders)
                    return
            time.sleep(self.dice.choice((0.0, 0.005, 0.03, 0.1)))

    def kill_at_the_record(self, client: BlockingClient, orders: int) -> None:
        """Kill as soon as an order is on disk, before it can have left, if that is quick enough."""
        assert self.engine is not None
        orders = len(kept(self.database).orders)
        self.asked += 1
        client.send(type="command", id=self.asked, name="order", arguments=self.wanted())
        end = time.monotonic() + 1.0
        while len(kept(self.database).orders) == orders and time.monotonic() < end:
            pass
        self.engine.process.kill()

    def wanted(self) -> dict[str, Any]:
        """An order that an operator may want."""
        dice = self.dice
        side = dice.choice(("buy", "buy", "sell"))
        quantity = str(dice.choice(("0.005", "0.01", "0.02")))
        sign = 1 if side == "buy" else -1
        order: dict[str, Any] = {"symbol": self.symbol, "side": side, "quantity": quantity}
        drawn = dice.random()
        if drawn < 0.5:
            near = dice.choice((-0.002, 0.0005, 0.001, 0.002, 0.004))
            order |= {"type": "limit", "price": self.price(1 - sign * near)}
            order["time_in_force"] = dice.choice(("gtc", "gtc", "gtc", "ioc", "fok"))
            if dice.random() < 0.2:
                order |= {"post_only": True, "time_in_force": "gtc"}
        elif drawn < 0.75:
            order["type"] = "market"
        elif drawn < 0.9:
            order |= {"type": "stop", "stop_price": self.price(1 + sign * dice.choice((0.002, 0.004)))}
        else:
            order |= {"type": "market", "stop_loss": self.price(1 - sign * 0.004)}
            if dice.random() < 0.5:
                order["take_profit"] = self.price(1 + sign * 0.004)
        return order

    def act(self, client: BlockingClient) -> None:
        """One thing that happens."""
        match self.dice.choices(
            ("place", "cancel", "cancel all", "amend", "flatten", "move", "fill"), (45, 10, 2, 8, 3, 20, 12)
        )[0]:
            case "place":
                self.tell(client, "order", **self.wanted())
            case "cancel":
                if standing := self.standing(client):
                    self.tell(client, "cancel", order=self.dice.choice(standing)["id"])
            case "cancel all":
                self.tell(client, "cancel", all=True)
            case "amend":
                if standing := [each for each in self.standing(client) if each["type"] == "limit"]:
                    chosen = self.dice.choice(standing)
                    change = {"price": self.price(0.998)} if self.dice.random() < 0.5 else {"quantity": "0.004"}
                    self.tell(client, "amend", order=chosen["id"], **change)
            case "flatten":
                self.tell(client, "flatten", symbol=self.symbol)
            case "move":
                self.move(Decimal(str(round(self.dice.uniform(0.997, 1.003), 5))))
            case "fill":
                self.fill_some()

    def standing(self, client: BlockingClient) -> list[Any]:
        return [each for each in self.rows(client, "orders") if each["open"]]

    def price(self, factor: float) -> str:
        """A price so far from the mark, in ticks of ten cents."""
        return str((self.mark * Decimal(str(factor))).quantize(Decimal("0.1")))

    def move(self, factor: Decimal) -> None:
        """Set the venue's price at so much of the mark."""
        self.venue.control("price", symbol=self.key, price=str((self.mark * factor).quantize(Decimal("0.1"))))

    def fill_some(self) -> None:
        """Somebody takes a part of an order that rests."""
        resting = [each for each in self.venue.state()["orders"] if each["state"] == "open"]
        if resting:
            chosen = self.dice.choice(resting)
            part = self.dice.choice(("0.001", "0.002", chosen["quantity"]))
            self.venue.control("fill", order=chosen["client"], quantity=part)

    # Looking. ------------------------------------------------------------------------------------------------------

    def agree(self) -> bool:
        """Wait until the books of both sides are the same; complain if they do not become so."""
        assert self.engine is not None
        begun = time.monotonic()
        wrong = ["the engine did not start"]
        while time.monotonic() - begun < PATIENCE_S:
            if self.engine.process.poll() is not None:
                wrong = [f"the engine ended: {self.engine.words.read_text()[-500:]}"]
                break
            with contextlib.suppress(*GONE), BlockingClient(self.engine.places.socket) as client:
                trading = self.trading(client)
                if any("fault of ours" in reason for reason in trading["reasons"]):
                    wrong = list(trading["reasons"])
                    break
                reconciled = all(each["reconciled"] and each["connected"] for each in trading["venues"])
                wrong = [f"not reconciled: {trading['reasons']}"]
                if reconciled and trading["venues"] and not trading["unresolved"] and self.priced(client):
                    orders, positions = self.rows(client, "orders"), self.rows(client, "positions")
                    wrong = differences(self.venue.state(), kept(self.database), orders, positions, trading["balances"])
            if not wrong:
                self.outcome.recovery_s.append(round(time.monotonic() - begun, 2))
                return True
            time.sleep(0.05)
        self.outcome.complaints += wrong
        return False

    def slips(self) -> list[str]:
        """What engines of this account should never have written: faults of their own, and the key."""
        said: dict[str, None] = {}
        secret = SECRET.encode()
        for file in self.home.rglob("*"):
            if not file.is_file() or file == self.home / "keys.toml":
                continue
            body = file.read_bytes()
            if secret in body:
                said[f"the secret is in {file.name}"] = None
            if file.name == "engine.log":
                for line in body.splitlines():
                    with contextlib.suppress(ValueError):
                        entry = json.loads(line)
                        if "Traceback" in entry.get("error", "") or "TRADING_FAILED" in entry["text"]:
                            said[f"{entry['text']} {entry.get('error', '')[-300:]}"] = None
        return list(said)[:3]
