"""`kill -9` while a halt closes positions: the next engine closes the rest, once, and only if nobody else may be."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.fault.orders import TRADING, market
from tests.fault.orders_books import DUST
from tests.fault.orders_case import GONE, Case
from tests.support.processes import BlockingClient, EngineProcess, until

SYMBOL = "binance:BTC/USDT"


@pytest.fixture(scope="module")
def settings(recordings_root_path: object) -> Iterator[str]:
    with market() as settings:
        yield settings


@pytest.fixture
def stage(settings: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Case]:
    """An account at a venue of the kind that the test names, whose engine is armed and holds a position."""
    case = Case(3, getattr(request, "param", 0), tmp_path, TRADING + settings)
    try:
        yield case
    finally:
        if case.engine is not None:
            case.engine.stop(signal.SIGKILL)
        assert case.slips() == []
        case.venue.stop()


def client(case: Case) -> BlockingClient:
    assert case.engine is not None
    return BlockingClient(case.engine.places.socket)


def bought(case: Case, *, stop: bool = False) -> Decimal:
    """Start, arm and buy; return what is held."""
    case.start()
    assert case.agree(), case.outcome.complaints
    with client(case) as one:
        case.arm(one)
        exits = {"stop_loss": case.price(0.99)} if stop else {}
        said = case.tell(one, "order", symbol=case.symbol, side="buy", quantity="0.01", type="market", **exits)
        assert said["type"] == "done", said
        until(lambda: case.rows(one, "positions"), "the position")
        if stop:
            until(lambda: [row for row in case.standing(one) if row["state"] == "working"], "the stop")
    return held(case)


def held(case: Case) -> Decimal:
    """What the venue says is held; the account began with nothing."""
    state = case.venue.state()
    return Decimal(state["positions"].get(case.key, 0) if case.key.startswith("linear") else state["balances"]["BTC"])


def killed(case: Case, **fault: Any) -> None:
    """Kill with flattening; the engine ends at a request that belongs to it, when the halt is on disk."""
    assert case.engine is not None
    case.venue.control("set", pid=case.engine.pid)
    case.venue.control("fault", **fault)
    with contextlib.suppress(*GONE), client(case) as one:
        case.tell(one, "kill", flatten=True, reason="a test")
    if fault["kind"].startswith("kill"):
        until(lambda: case.venue.state()["kills"], "the engine's end")
    else:
        until(lambda: case.venue.state()["asked"].get(fault["on"]), "the request")
        until(lambda: halted(case.database), "the record of the halt")
    case.engine.stop(signal.SIGKILL)
    case.venue.control("clear")


def halted(database: Path) -> bool:
    """Whether a halt that closes positions is on disk."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
        rows = connection.execute("SELECT body FROM records WHERE kind = 'trading'")
        return any(json.loads(body).get("closing") for (body,) in rows)


def alerts(one: BlockingClient) -> dict[str, str]:
    """What was told, by code, without what was told before the venue was asked."""
    rows = one.ask(type="get", id=1, topic="alerts")["data"]
    return {row["code"]: row["text"] for row in rows if not row["text"].endswith("known here")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "fault", "parts"),
    [
        (0, {"on": "submit", "kind": "kill"}, ""),
        (1, {"on": "submit", "kind": "killed"}, ""),
        (2, {"on": "cancel", "kind": "silent"}, ""),
        (3, {"on": "cancel", "kind": "lost"}, ""),
        (0, {"on": "submit", "kind": "killed", "skip": 1}, "0.004"),
        (1, {"on": "submit", "kind": "kill", "skip": 1}, "0.004"),
    ],
    indirect=["stage"],
)
def test_the_next_engine_closes_the_rest_once(stage: Case, fault: dict[str, Any], parts: str) -> None:
    whole = bought(stage, stop=fault["on"] == "cancel")
    assert whole > DUST
    if parts:
        stage.venue.control("set", depth=parts)
    killed(stage, **fault)
    left = held(stage)
    stage.venue.control("set", depth=None)
    stage.start()
    until(lambda: abs(held(stage)) < DUST, "the closing")
    assert stage.agree(), stage.outcome.complaints
    time.sleep(1.5)  # would it close twice
    state = stage.venue.state()
    closing = [trade for trade in state["trades"] if trade["side"] == "SELL"]
    assert abs(sum(Decimal(trade["quantity"]) for trade in closing) - whole) < DUST
    assert all(count == 1 for count in state["heard"].values())
    assert stage.agree(), stage.outcome.complaints
    with client(stage) as one:
        trading, told = stage.trading(one), alerts(one)
    assert (trading["state"], trading["latched"]) == ("halted", True)
    assert "NOT_FLAT" not in told
    if abs(left) >= DUST:
        assert "killed: a test" in told["FLATTEN_RESUMED"]
        assert f"{left.normalize():f}" in told["FLATTEN_RESUMED"]
    else:
        assert "FLATTEN_RESUMED" not in told


@pytest.mark.slow
@pytest.mark.parametrize("flatten", [False, True])
def test_who_has_killed_since_from_outside_is_left_to_it(stage: Case, flatten: bool) -> None:
    whole = bought(stage)
    killed(stage, on="submit", kind="kill")
    assert stage.engine is not None
    command = [sys.executable, "-m", "tradetui", "kill", "--json", *(["--flatten"] if flatten else [])]
    done = subprocess.run(command, env=stage.engine.environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    left = held(stage)
    assert left < DUST if flatten else left == whole
    stage.start()
    until(stage.engine.reached, "the socket")
    with client(stage) as one:
        until(lambda: all(each["reconciled"] for each in stage.trading(one)["venues"]), "the reconciliation")
        time.sleep(2)
        told = alerts(one)
    assert held(stage) == left
    assert "FLATTEN_RESUMED" not in told
    if flatten:
        assert "NOT_FLAT" not in told
    else:
        assert f"{whole.normalize():f} of {SYMBOL} are left" in told["NOT_FLAT"]


# On paper. ------------------------------------------------------------------------------------------------------------

PAPER = """
data_provider.stand_ins = []
data_provider.symbols = ["binance:BTC/USDT"]
trading.paper.latency_ms = 1500
risk.kill_flattens = true
[risk.limits]
risk_per_trade = 0.1
max_position = 10
max_exposure = 10
price_collar = 0.5
stale_ms = 60000
max_spread_bps = 1000
"""


class Fills:
    """What the database has of the orders that close, and of fills."""

    def __init__(self, engine: EngineProcess) -> None:
        connection = sqlite3.connect(f"file:{engine.places.of_mode('paper').database}?mode=ro", uri=True, timeout=10)
        with contextlib.closing(connection):
            rows = connection.execute("SELECT kind, body FROM records WHERE kind IN ('order', 'fill') ORDER BY id")
            found = [(kind, json.loads(body)) for kind, body in rows]
        self.closing = [body["id"] for kind, body in found if kind == "order" and body["origin"] == "flatten"]
        fills = [body["fill"] for kind, body in found if kind == "fill"]
        self.bought = sum(each["quantity"] - each["fee"] for each in fills if each["side"] == "buy")
        self.sold = sum(each["quantity"] for each in fills if each["side"] == "sell")


@pytest.mark.slow
@pytest.mark.parametrize("way", ["command", "signal"])
def test_on_paper_it_is_closed_once_too(settings: str, tmp_path: Path, way: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(PAPER + settings)
    engine = EngineProcess(tmp_path, config).ready(1)
    try:
        with BlockingClient(engine.places.socket) as one:

            def tell(name: str, **arguments: Any) -> Any:
                return one.ask(type="command", id=2, name=name, arguments=arguments)

            assert tell("arm", word="PAPER")["type"] == "done"
            until(lambda: tell("order", symbol=SYMBOL, side="buy", quantity="0.01")["type"] == "done", "the order")
            until(lambda: one.ask(type="get", id=1, topic="positions")["data"], "the position")
            if way == "signal":
                engine.process.send_signal(signal.SIGUSR1)
            else:
                assert tell("kill", reason="a test")["type"] == "done"
            until(lambda: Fills(engine).closing, "the closing order's record")
            until(engine.places.latch.exists, "the latch")
        engine.stop(signal.SIGKILL)
        assert Fills(engine).sold == 0, "it was under way"
        whole = Fills(engine).bought
        engine = EngineProcess(tmp_path, config).ready(1)
        until(lambda: Fills(engine).sold, "the closing")
        time.sleep(2)
        found = Fills(engine)
        assert 0 <= whole - found.sold < 1000  # less than a lot
        assert len(found.closing) == 2
        with BlockingClient(engine.places.socket) as one:
            assert ("SIGUSR1" if way == "signal" else "killed: a test") in alerts(one)["FLATTEN_RESUMED"]
            trading = one.ask(type="get", id=1, topic="trading")["data"]
            assert (trading["state"], trading["latched"]) == ("halted", True)
    finally:
        engine.stop(signal.SIGKILL)
