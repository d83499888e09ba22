"""What was traded while an engine recorded is traded again by a replay of it: the same orders, fills and state."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Any

import pytest

from engine.digest import state_hash
from engine.errors import RequestDenied
from engine.operator import Flatten, OperatorAsked, Who
from engine.playback import Playback
from engine.replay import Recording, Replay
from tests.support.exchange.process import exchange_process
from tests.support.processes import BlockingClient, EngineProcess, until

BOOK = "binance:BTC/USDT"
SHORT = "binanceusdm:BTC/USDT:USDT"


@pytest.fixture(scope="module")
def config(recordings_root_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = recordings_root_path / "hftbacktest-binance-ws"
    with exchange_process(root / "spot", root / "usdm") as (_, address):
        found = tmp_path_factory.mktemp("config") / "config.toml"
        spot, futures = f"{address}/spot", f"{address}/usdm"
        found.write_text(f"""
[data_provider]
symbols = ["{BOOK}", "{SHORT}"]
stand_ins = []
[venues.binance]
rest = ["{spot}"]
ws = ["{spot.replace("http", "ws", 1)}"]
[venues.binanceusdm]
rest = ["{futures}"]
ws = ["{futures.replace("http", "ws", 1)}"]
""")
        yield found


class Trader:
    """A person at the socket."""

    def __init__(self, client: BlockingClient) -> None:
        self.client = client
        self.number = 10

    def does(self, name: str, **arguments: Any) -> str:
        answer = self.asks(type="command", name=name, arguments=arguments)
        assert answer["type"] == "done", answer
        return str(answer["text"])

    def asks(self, **request: Any) -> dict[str, Any]:
        self.number += 1
        return self.client.ask(id=self.number, **request)

    def may(self, **order: str) -> bool:
        """Whether the risk limits would let an order pass now."""
        return bool(json.loads(self.does("preview", **order))["allowed"])

    def sees(self, topic: str, **more: Any) -> Any:
        answer = self.asks(type="get", topic=topic, **more)
        return answer.get("data", answer.get("rows"))

    def price(self) -> float:
        rows = self.sees("markets")
        return float(next(row["best_bid"] for row in rows if row["instrument"] == BOOK))


@contextmanager
def at_work(engine: EngineProcess) -> Iterator[Trader]:
    """A person at an engine, which is stopped in order afterwards."""
    try:
        with BlockingClient(engine.places.socket) as client:
            yield Trader(client)
    finally:
        code = engine.stop()
    assert code == 0


def replayed(tape: Path, report: Path, *more: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tradetui", "--headless", "--replay", str(tape), "--speed", "max"]
    subprocess.run([*command, "--report", str(report), *more], check=True, capture_output=True, timeout=120)
    found: dict[str, Any] = json.loads(report.read_bytes())
    return found


def trade(trader: Trader) -> None:
    """Everything that a person can do, with time in between."""
    trader.does("arm", word="PAPER")
    until(lambda: trader.may(symbol=BOOK, side="buy", quantity="0.01"), "a book and the day's equity")
    trader.does("order", symbol=BOOK, side="buy", quantity="0.01")
    price = trader.price()
    trader.does("order", symbol=BOOK, side="buy", type="limit", quantity="0.002", price=f"{price * 0.999:.2f}")
    short = {"symbol": SHORT, "side": "sell", "quantity": "0.01", "stop_loss": f"{price * 1.01:.1f}"}
    until(lambda: trader.may(**short), "a book there")
    trader.does("order", **short)
    until(lambda: len(trader.sees("positions")) == 2, "two positions")
    trader.does("protect", symbol=BOOK, stop_loss=f"{price * 0.99:.2f}", take_profit=f"{price * 1.02:.2f}")
    trader.does("limits", daily_loss=0.03)
    denied = trader.asks(type="command", name="order", arguments={"symbol": BOOK, "side": "buy", "quantity": "5"})
    assert denied["type"] == "denied"
    trader.does("flatten", symbol=SHORT)
    until(lambda: len(trader.sees("positions")) == 1, "the short is closed")
    trader.does("order", symbol=BOOK, side="sell", quantity="0.004", reduce_only=True)
    time.sleep(0.7)
    trader.does("disarm", reason="enough")


def test_a_replay_trades_as_was_traded(config: Path, tmp_path: Path) -> None:
    tape, live = tmp_path / "tape", tmp_path / "live.json"
    engine = EngineProcess(tmp_path, config, "--record", str(tape), "--report", str(live)).ready()
    with at_work(engine) as trader:
        trade(trader)
        fills = trader.sees("fills")
        orders = trader.sees("orders")
    assert len(fills) == 4
    told = json.loads(live.read_bytes())

    again = replayed(tape, tmp_path / "replay.json")
    assert again["state_hash"] == told["state_hash"]
    ledger = again["ledger"]
    assert {(each["id"], each["price"], each["quantity"], each["fee"]) for each in ledger["fills"]} == {
        (each["id"], each["price"], each["quantity"], each["fee"]) for each in fills
    }
    assert {each["id"] for each in orders} <= {each["id"] for each in ledger["orders"]}
    assert ledger["mode"] == "paper"
    assert [each["symbol"] for each in ledger["positions"]] == [BOOK]
    assert again["recording"]["notes"] == []
    assert again["recording"]["refusals"] == {}

    replay = Replay(Recording([tape]))
    replay.run()
    middle = (replay.recording.start + replay.position) // 2
    replay.seek(middle)  # from the start again
    assert state_hash(replay.state) != told["state_hash"]
    replay.run()
    assert state_hash(replay.state) == told["state_hash"]
    playback = Playback(Recording([tape]), speed=inf, traded=True)
    assert playback.view().as_traded
    with pytest.raises(RequestDenied, match="shows what was traded"):
        playback.tell(OperatorAsked(id=1, who=Who(), command=Flatten()))

    (path,) = tape.glob("trading_*.gz")
    assert path.stat().st_mode & 0o077 == 0, "what was traded is its owner's affair"
    anew = replayed(tape, tmp_path / "anew.json", "--anew")
    assert "ledger" not in anew
    assert anew["state_hash"] != told["state_hash"]

    # The second engine takes up what the first has left: orders, a position with exits, limits.
    tape, live = tmp_path / "second", tmp_path / "second.json"
    engine = EngineProcess(tmp_path, config, "--record", str(tape), "--report", str(live)).ready()
    with at_work(engine) as trader:
        assert [row["instrument"] for row in trader.sees("positions")] == [BOOK]
        trader.does("arm", word="PAPER")
        trader.does("cancel", symbol=BOOK)
        trader.does("flatten")
        until(lambda: not trader.sees("positions"), "all is closed")
    again = replayed(tape, tmp_path / "again.json")
    assert again["state_hash"] == json.loads(live.read_bytes())["state_hash"]
    assert len(again["ledger"]["fills"]) == 1
    assert again["ledger"]["positions"] == []


@pytest.mark.parametrize(
    ("whole", "torn", "why"),
    [(b'"prefix"', b'"prefax"', "account in the recording"), (b'"command"', b'"commend"', "record of trading in the")],
)
def test_what_is_damaged_is_refused_and_the_market_goes_on(
    whole: bytes, torn: bytes, why: str, config: Path, tmp_path: Path
) -> None:
    tape = tmp_path / "tape"
    engine = EngineProcess(tmp_path, config, "--record", str(tape)).ready()
    with at_work(engine) as trader:
        trader.does("arm", word="PAPER")
    (path,) = tape.glob("trading_*.gz")
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(whole, torn)))
    found = replayed(tape, tmp_path / "report.json")
    assert found["recording"]["refused"] == 1
    (reason,) = found["recording"]["refusals"]
    assert reason.startswith(why)
    assert found["streams"][BOOK]["live"]
