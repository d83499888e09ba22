"""A scripted operator trades the recorded minutes: each fill and all the money are held against the raw messages."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import pytest

from engine.digest import state_hash
from engine.errors import RequestDenied, SettingsInvalid
from engine.execution.account import Account
from engine.execution.settings import PaperSettings, TradingSettings
from engine.operator import Flatten, PlaceOrder
from engine.orders import Side
from engine.playback import Playback
from engine.player import Player
from engine.replay import Asked, Recording, Replay
from engine.risk.limits import RiskSettings
from engine.script import read_script
from engine.trading.statement import Statement
from engine.types import SECOND
from tests.replay.script_cases import (
    BEGIN_MS,
    BTC,
    ETH,
    FILES,
    LATENCY_NS,
    MS,
    PERPETUAL,
    SPOT,
    Books,
    Command,
    Past,
    write,
)
from tests.support.exchange import run_virtual

CASH = "10000000"
FEES = {
    ("binance", "taker"): "10",
    ("binance", "maker"): "10",
    ("binanceusdm", "taker"): "5",
    ("binanceusdm", "maker"): "2",
}


def opened(cash: str = CASH) -> Account:
    settings = TradingSettings(paper=PaperSettings(balances={"USDT": cash}))
    return Account(settings, RiskSettings(), prefix="r", armed=True)


class Run:
    """A replay of some instruments with a script, and what it came to."""

    def __init__(self, root: Path, keys: Sequence[str], script: Sequence[Asked], cash: str = CASH) -> None:
        paths = [root / "hftbacktest-binance-ws" / FILES[key] for key in keys]
        self.replay = Replay(Recording(paths), account=partial(opened, cash), script=script)
        self.statement = Statement()
        self.replay.commands = self.statement.take

    def ledger(self) -> dict[str, Any]:
        account = self.replay.state.account
        assert account is not None
        assert "fault" not in account.conditions
        return self.statement.build(self.replay.state, account, opened().ledgers["paper"].balances["USDT"])

    @property
    def hash(self) -> str:
        return state_hash(self.replay.state)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("script") / "spot.jsonl", SPOT)


@pytest.fixture(scope="module")
def straight(recordings_root_path: Path, script: Path) -> Run:
    run = Run(recordings_root_path, (BTC, ETH), read_script(script))
    run.replay.run()
    return run


@pytest.fixture(scope="module")
def ledger(straight: Run) -> dict[str, Any]:
    return straight.ledger()


@pytest.fixture(scope="module")
def perpetual(recordings_root_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    begin_ms = Recording([recordings_root_path / "hftbacktest-binance-ws" / FILES[PERPETUAL]]).start // MS
    path = write(tmp_path_factory.mktemp("script") / "usdm.jsonl", SHORT, begin_ms)
    run = Run(recordings_root_path, (PERPETUAL,), read_script(path), "200000")
    run.replay.run()
    return run.ledger()


def order(ledger: dict[str, Any], number: int, symbol: str = "") -> dict[str, Any]:
    """The order so many in a symbol."""
    orders: list[dict[str, Any]] = [each for each in ledger["orders"] if symbol in ("", each["symbol"])]
    return orders[number]


def fills_of(ledger: dict[str, Any], order: dict[str, Any]) -> list[dict[str, Any]]:
    return [fill for fill in ledger["fills"] if fill["order"] == order["id"]]


# What was done. ------------------------------------------------------------------------------------------------------


def test_the_operator_opens_scales_and_is_stopped_out(ledger: dict[str, Any]) -> None:
    entry, stop, target, more = (order(ledger, number, BTC) for number in range(4))
    assert (entry["filled"], more["filled"]) == ("2.5", "1.5")
    assert len(fills_of(ledger, entry)) > 5  # it walks the book
    assert (stop["type"], stop["stop_price"], stop["state"], stop["oco"]) == ("stop", "61790", "filled", target["oco"])
    assert stop["filled"] == stop["quantity"] == "3.996"  # all that was bought, less the fee in the base asset
    assert (target["type"], target["price"], target["state"]) == ("limit", "61900", "canceled")
    assert [trade["reason"] for trade in ledger["trades"]] == ["exit", "exit", "flatten", "flatten"]


def test_a_trailing_stop_follows_the_best_trade_since(ledger: dict[str, Any], recordings_root_path: Path) -> None:
    stop = order(ledger, 1, ETH)
    past = Past(recordings_root_path / "hftbacktest-binance-ws" / FILES[ETH])
    begin, end = (BEGIN_MS + 12_050) * MS, fills_of(ledger, stop)[0]["at_ms"] * MS
    best = max(price for at, price, *_ in past.trades if begin <= at <= end)
    held = Decimal(stop["stop_price"])
    # It follows in steps of 2 bps, on the venue's price grid.
    assert best * (1 - Decimal("0.0010")) < held <= best * (1 - Decimal("0.0008")) + Decimal("0.01")
    assert stop["state"] == "filled"


def test_limits_rest_and_are_filled_as_maker(ledger: dict[str, Any]) -> None:
    makers = [fill for fill in ledger["fills"] if fill["liquidity"] == "maker"]
    resting = {each["id"]: each for each in ledger["orders"] if each["type"] == "limit" and each["filled"] != "0"}
    assert {fill["order"] for fill in makers} == set(resting)
    assert {each["price"]: each["filled"] for each in resting.values()} == {"2681.5": "30", "2684.5": "10"}
    for fill in makers:
        assert fill["price"] == resting[fill["order"]]["price"]


def test_a_kill_flattens_and_nothing_follows_it(ledger: dict[str, Any]) -> None:
    last = ledger["orders"][-1]
    assert (last["origin"], last["state"], last["symbol"]) == ("flatten", "filled", BTC)
    assert ledger["positions"] == []
    assert [answer["code"] for answer in ledger["answers"]] == [""] * 10 + ["latched"]
    assert set(ledger["balances"]) == {"USDT"}


# Held against the raw messages. --------------------------------------------------------------------------------------


def test_what_orders_took_was_in_the_book_then(ledger: dict[str, Any], recordings_root_path: Path) -> None:
    strict = 0
    for symbol in (BTC, ETH):
        past = Past(recordings_root_path / "hftbacktest-binance-ws" / FILES[symbol])
        takers = [
            each
            for each in ledger["orders"]
            if each["symbol"] == symbol and any(fill["liquidity"] == "taker" for fill in fills_of(ledger, each))
        ]
        for each in sorted(takers, key=lambda each: fills_of(ledger, each)[0]["at_ms"]):
            fills = fills_of(ledger, each)
            assert len({fill["at_ms"] for fill in fills}) == 1
            arrival = each["at_ms"] * MS + LATENCY_NS
            if each["type"] == "stop":
                woken = past.first(arrival, "sell", Decimal(each["stop_price"]))
                assert fills[0]["at_ms"] == woken[0] // MS, "not the first trade at the stop price"
                past.go(woken[0])
                _, price, size, sold = woken
                missed = past.walk("sell", fills)
                # What that trade has swept is still displayed, and is not to be had.
                assert sold
                assert missed.pop(price, Decimal(0)) <= size
                assert all(level > price for level in missed)
            else:
                assert fills[0]["at_ms"] == arrival // MS, "not as of the command's time and the latency"
                past.go(arrival)
                assert past.walk(each["side"], fills) == {}
                strict += 1
    assert strict == 6  # four market orders of the operator, two that flattened


def test_what_came_to_resting_orders_was_traded_then(ledger: dict[str, Any], recordings_root_path: Path) -> None:
    past = Past(recordings_root_path / "hftbacktest-binance-ws" / FILES[ETH])
    makers = [fill for fill in ledger["fills"] if fill["liquidity"] == "maker"]
    by_trade = 0
    for fill in makers:
        price, buys = Decimal(fill["price"]), fill["side"] == "buy"
        came = [size for _, at, size, sold in past.around(fill["at_ms"]) if (at <= price if buys else at >= price)]
        past.go(fill["at_ms"] * MS + MS)
        crossed = min(past.asks) <= price if buys else max(past.bids) >= price
        assert crossed or Decimal(fill["quantity"]) <= sum(came), fill
        by_trade += bool(came)
    assert by_trade


def test_the_ledger_is_equal_to_the_last_unit(ledger: dict[str, Any]) -> None:
    books = Books(CASH, FEES)
    books.take(ledger["fills"])
    assert {asset: amount for asset, amount in books.balances.items() if amount} == {
        asset: Decimal(amount) for asset, amount in ledger["balances"].items()
    }
    assert books.realised == Decimal(ledger["realised_pnl"])
    assert books.fees == Decimal(ledger["fees"])
    assert books.taken == {asset: Decimal(amount) for asset, amount in ledger["fees_by_asset"].items()}
    start, end = (Decimal(each) for each in ledger["equity"])
    assert end - start == books.realised - books.fees
    assert sum(Decimal(trade["net"]) for trade in ledger["trades"]) == end - start
    assert not any(books.quantity.values())


def test_each_moment_between_adds_up_too(recordings_root_path: Path, script: Path) -> None:
    """While positions are open: equity is what it began with, realised and unrealised, less fees."""
    run = Run(recordings_root_path, (BTC, ETH), read_script(script))
    for seconds in (15, 45, 200, 290):
        run.replay.run(until=(BEGIN_MS + seconds * 1000) * MS)
        found = run.ledger()
        books = Books(CASH, FEES)
        books.take(found["fills"])
        unrealised = Decimal(0)
        for position in found["positions"]:
            key = position["symbol"]
            assert Decimal(position["quantity"]) == books.quantity[key]
            assert Decimal(position["cost"]) == books.cost[key]
            unrealised += Decimal(position["unrealised_pnl"])
        assert found["positions"]
        assert Decimal(found["equity"][1]) == Decimal(CASH) + books.realised + unrealised - books.fees


# The same again. -----------------------------------------------------------------------------------------------------


def pieces(run: Run) -> None:
    dice = random.Random(4)
    while run.replay.next_stamp() is not None:
        run.replay.run(limit=dice.choice((1, 7, 500, 20_000)))


def played(speed: float) -> Callable[[Run], None]:
    def play(run: Run) -> None:
        run_virtual(Player(run.replay, speed).play)

    return play


@pytest.mark.parametrize("way", [pieces, played(300.0), played(inf)], ids=["pieces", "300x", "max"])
def test_another_run_gives_the_same_fills(
    way: Callable[[Run], None], straight: Run, ledger: dict[str, Any], recordings_root_path: Path, script: Path
) -> None:
    again = Run(recordings_root_path, (BTC, ETH), read_script(script))
    way(again)
    assert again.ledger() == ledger
    assert again.hash == straight.hash


def test_going_back_asks_everything_again(straight: Run, recordings_root_path: Path, script: Path) -> None:
    run = Run(recordings_root_path, (BTC, ETH), read_script(script))
    run.replay.seek((BEGIN_MS + 60_000) * MS)
    run.replay.seek((BEGIN_MS + 11_000) * MS)
    assert len(run.replay.state.account.orders.open(BTC)) == 2  # type: ignore[union-attr]
    run.replay.run()
    assert run.hash == straight.hash


def test_what_is_asked_by_hand_is_asked_again_at_the_same_moment(recordings_root_path: Path, script: Path) -> None:
    """Also between two lines, where timers have passed since the last one."""
    event = read_script(script)[0].event
    run = Run(recordings_root_path, (BTC,), ())
    moment = (run.replay.recording.start // SECOND + 10) * SECOND + 1
    stamps: list[int] = []
    run.replay.observer = lambda record, _: stamps.append(record.ts_recv)
    run.replay.run(until=moment)
    run.replay.ask(event)
    run.replay.run(until=moment + 20 * SECOND)
    assert stamps == sorted(stamps)
    first = run.hash
    run.replay.seek(run.replay.recording.start + SECOND)
    run.replay.run(until=moment + 20 * SECOND)
    assert run.hash == first
    assert run.replay.state.account is not None
    assert run.replay.state.account.quantity(BTC)


def test_on_the_way_to_another_place_nothing_is_asked(recordings_root_path: Path, script: Path) -> None:
    """Where a replay goes back there is another account on the way; what is asked of this one would be lost."""
    playback = Playback(Recording([recordings_root_path / "hftbacktest-binance-ws" / FILES[BTC]]), account=opened)
    playback.player.seek(playback.recording.start + 20 * SECOND)
    with pytest.raises(RequestDenied, match="ask again when it is there"):
        playback.tell(read_script(script)[0].event)


def test_the_command_reports_the_same(
    straight: Run, ledger: dict[str, Any], recordings_root_path: Path, script: Path, tmp_path: Path
) -> None:
    config, report = tmp_path / "config.toml", tmp_path / "report.json"
    config.write_text(f'[trading.paper.balances]\nUSDT = "{CASH}"\n', encoding="utf-8")
    folder = recordings_root_path / "hftbacktest-binance-ws"
    files = [option for key in (BTC, ETH) for option in ("--replay", str(folder / FILES[key]))]
    options = ["--headless", "--speed", "max", "--config", str(config), "--report", str(report), *files]
    seek = ["--seek", "2024-08-08T23:55:20"]  # what was asked before it counts as well
    subprocess.run(
        [sys.executable, "-m", "tradetui", *options, *seek, "--script", str(script)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    said = json.loads(report.read_bytes())
    assert said["ledger"].pop("unasked") == 0
    assert said["ledger"] == ledger
    assert said["state_hash"] == straight.hash


# A short with margin. ------------------------------------------------------------------------------------------------

SHORT: tuple[Command, ...] = (
    (9, {"order": {"symbol": PERPETUAL, "side": "sell", "quantity": "5"}}),
    (10, {"order": {"symbol": PERPETUAL, "side": "sell", "quantity": "0.3", "stop_loss": "62100",
                    "take_profit": "61640"}}),
    (15, {"order": {"symbol": PERPETUAL, "side": "sell", "quantity": "0.2"}}),
    (200, {"order": {"symbol": PERPETUAL, "side": "buy", "quantity": "0.6", "reduce_only": True}}),
    (300, {"order": {"symbol": PERPETUAL, "side": "sell", "quantity": "0.25", "trailing_bps": 3}}),
    (325, {"flatten": {}}),
)  # fmt: skip


def test_a_short_is_closed_by_its_target_as_maker(perpetual: dict[str, Any]) -> None:
    entry, stop, target, more = (order(perpetual, number) for number in range(4))
    assert (entry["side"], entry["filled"], more["filled"]) == ("sell", "0.3", "0.2")
    assert (target["side"], target["type"], target["filled"], target["reduce_only"]) == ("buy", "limit", "0.5", True)
    assert {fill["liquidity"] for fill in fills_of(perpetual, target)} == {"maker"}
    assert (stop["state"], stop["filled"]) == ("canceled", "0")
    first, second = perpetual["trades"]
    assert (first["side"], first["quantity"], first["reason"]) == ("short", "0.5", "exit")
    assert Decimal(first["gross"]) > 0
    assert second["side"] == "short"
    assert perpetual["positions"] == []


def test_a_short_beyond_the_margin_is_refused(perpetual: dict[str, Any]) -> None:
    codes = [answer["code"] for answer in perpetual["answers"]]
    assert codes == ["max_position", "", "", "reduce_only", "", ""]


def test_the_ledger_of_a_short_is_equal_to_the_last_unit(perpetual: dict[str, Any]) -> None:
    books = Books("200000", FEES)
    books.take(perpetual["fills"])
    assert books.balances["USDT"] == Decimal(perpetual["balances"]["USDT"]) == Decimal(perpetual["equity"][1])
    assert books.realised == Decimal(perpetual["realised_pnl"])
    assert books.fees == Decimal(perpetual["fees"])
    assert set(perpetual["fees_by_asset"]) == {"USDT"}


# Scripts that are none. ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2: .*expected"),
        ('{"at_ms": "soon", "command": {"kill": {}}}', "line 2: Expected `int`"),
        ('{"command": {"kill": {}}}', "line 2: .*at_ms"),
        ('{"at_ms": 1, "command": {}}', "line 2: a line has one command"),
        ('{"at_ms": 1, "command": {"kill": {}, "flatten": {}}}', "line 2: a line has one command"),
        ('{"at_ms": 1, "command": {"explode": {}}}', "line 2: unknown command 'explode'; there are order, cancel"),
        ('{"at_ms": 1, "command": {"order": {"symbol": "binance:BTC/USDT"}}}', "line 2: order: .*side"),
        ('{"at_ms": 1, "command": {"order": {"symbol": "x", "side": "up"}}}', "line 2: order: Invalid enum value 'up'"),
        ('{"at_ms": 1, "command": {"kill": {"flaten": true}}}', "line 2: kill: .*unknown field `flaten`"),
    ],
)
def test_a_bad_line_is_named(line: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "script.jsonl"
    path.write_text(f"# comment\n{line}\n", encoding="utf-8")
    with pytest.raises(SettingsInvalid, match=said):
        read_script(path)


def test_a_script_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"none\.jsonl: No such file"):
        read_script(tmp_path / "none.jsonl")


def test_lines_are_asked_in_the_order_of_their_times(tmp_path: Path) -> None:
    path = tmp_path / "script.jsonl"
    kill = '{"at_ms": %d, "command": {"kill": {"reason": "%s"}}}\n'
    path.write_text("".join(kill % each for each in ((5, "c"), (1, "a"), (5, "d"), (2, "b"))), encoding="utf-8")
    reasons = [each.event.command.reason for each in read_script(path)]  # type: ignore[union-attr]
    assert reasons == ["a", "b", "c", "d"]


def test_amounts_may_be_numbers_and_a_bare_pair_is_spot(tmp_path: Path) -> None:
    path = tmp_path / "script.jsonl"
    path.write_text(
        '{"at_ms": 1, "command": {"order": {"symbol": "BTC/USDT", "side": "buy", "quantity": 0.01,'
        ' "stop_loss": 59000}}}\n'
        '{"at_ms": 2, "command": {"flatten": {}}}\n'
    )
    order, flatten = (asked.event.command for asked in read_script(path))  # type: ignore[union-attr]
    assert order == PlaceOrder(symbol="binance:BTC/USDT", side=Side.BUY, quantity="0.01", stop_loss="59000")
    assert flatten == Flatten()
