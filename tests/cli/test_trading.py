"""Commands that act on trading: what they ask, that they ask before they act, and what they say."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from engine.errors import RequestDenied
from engine.tradingviews import LimitView, PreviewView, RiskView, TradingView, VenueView
from tradetui import client
from tradetui.cli.app import app
from tradetui.kill.command import Asked, parsed

BTC = "binance:BTC/USDT"
PREVIEW = PreviewView(
    instrument=BTC, side="buy", type="market", quantity="0.01", price="60000", cost="600 USDT", fee="0.00001",
    fee_asset="BTC", slippage_bps=1.2, risk="12", risk_share=0.0012, reward="24", position_after="0.01",
    exposure_after=0.06, allowed=True, refusals=(), notes=("sized by 0.5 % of risk",),
)  # fmt: skip
VENUE = VenueView(
    name="binance", connected=True, clock_ms=3.0, trade=True, withdraw=None, reconciled=1,
    differences=("order x-1 was filled while no engine ran",), paused_s=0.0, trouble="",
)  # fmt: skip
TRADING = TradingView(
    mode="testnet", state="halted", reasons=("killed: a test",), armed=False, latched=True, word="TESTNET",
    currency="USDT", equity="10000", day_pnl="0", drawdown=0.0, exposure="0", unrealised="0", realised="0", fees="0",
    funding="0", open_orders=1, unresolved=0, open_trades=0, positions=0, blind_s=61.0, blind_from=1, switches=(),
    venues=(VENUE,), balances={}, instruments=(BTC,),
)  # fmt: skip
LIMIT = LimitView(
    name="daily_loss", value=0.02, used=0.005, least=0, most=1, unit="share", explained="Loss since 00:00 UTC."
)


class Engine:
    """Says what it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.denies = ""
        self.preview = PREVIEW

    async def command(self, name: str, /, **arguments: Any) -> str:
        self.asked.append((name, arguments))
        if name == "preview":
            return msgspec.json.encode(self.preview).decode()
        if self.denies:
            raise RequestDenied("stale", self.denies)
        return f"{name} done"

    async def get(self, topic: str, kind: type, **_: Any) -> Any:
        if kind is RiskView:
            fields: dict[str, Any] = dict.fromkeys(RiskView.__struct_fields__)
            return RiskView(**(fields | {"limits": (LIMIT,)}))
        return TRADING


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    made = Engine()

    @asynccontextmanager
    async def engine_of(*_: object) -> Any:
        yield made

    monkeypatch.setattr(client, "engine_of", engine_of)
    return made


@pytest.fixture
def at_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    from tradetui.cli import trading

    class Terminal:
        class stdin:  # noqa: N801
            @staticmethod
            def isatty() -> bool:
                return True

    monkeypatch.setattr(trading, "sys", Terminal)


def run(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(app, list(arguments), input=typed)


ASKED: list[tuple[list[str], str, dict[str, Any]]] = [
    (["cancel", "x-1"], "cancel", {"order": "x-1"}),
    (["cancel", "--symbol", "btc/usdt"], "cancel", {"symbol": BTC}),
    (["cancel", "--all"], "cancel", {"all": True}),
    (["protect", "BTC/USDT", "--stop", "59000", "--trailing-bps", "20"], "protect",
     {"symbol": BTC, "stop_loss": "59000", "take_profit": "", "trailing_bps": 20.0, "time_stop_s": 0.0}),
    (["flatten", "BTC/USDT", "--yes"], "flatten", {"symbol": BTC}),
    (["flatten", "--all", "-y"], "flatten", {}),
    (["arm", "--word", "PAPER", "--reason", "why"], "arm",
     {"word": "PAPER", "reason": "why", "unknown_withdrawal": False}),
    (["disarm", "--reason", "lunch"], "disarm", {"reason": "lunch"}),
    (["reconcile"], "reconcile", {}),
    (["switch", "entries", "off"], "switch", {"name": "entries", "on": False}),
    (["switch", "BTC/USDT", "ON"], "switch", {"name": BTC, "on": True}),
    (["limits", "daily-loss", "0.01", "drawdown", "0.2"], "limits", {"daily_loss": 0.01, "drawdown": 0.2}),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "name", "given"), ASKED, ids=[" ".join(each[0][:2]) for each in ASKED])
def test_what_each_asks_of_the_engine(arguments: list[str], name: str, given: dict[str, Any], engine: Engine) -> None:
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    assert engine.asked == [(name, given)]
    assert done.output == f"{name} done\n"
    engine.denies = "the book is 3.1 s old"
    assert run(*arguments).exit_code == 1
    refused = run(*arguments, "--json")
    assert json.loads(refused.output) == {"done": False, "code": "stale", "text": "the book is 3.1 s old"}
    assert refused.exit_code == 1
    engine.denies = ""
    assert json.loads(run(*arguments, "--json").output)["done"] is True


WRONG = [
    (["cancel"], "needs one of ORDER, --symbol and --all"),
    (["cancel", "x-1", "--all"], "needs one of ORDER"),
    (["flatten"], "needs an instrument or --all"),
    (["flatten", "BTC/USDT"], "add --yes"),
    (["order", "BTC/USDT", "buy", "0.01"], "add --yes"),
    (["order", "BTC/USDT", "buy", "0.01", "--json"], "add --yes"),
    (["order", "BTCUSDT", "buy", "-y"], "expected an instrument"),
    (["protect", "BTC/USDT"], "one of --stop, --take-profit, --trailing-bps and --time-stop"),
    (["switch", "entries", "maybe"], "expected on or off"),
    (["limits", "daily_loss"], "in pairs"),
    (["limits", "daily_loss", "much"], "expected a number"),
    (["arm"], "--word PAPER"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=[" ".join(each[0]) for each in WRONG])
def test_what_is_wrong_is_said_and_nothing_is_asked(arguments: list[str], said: str, engine: Engine) -> None:
    done = run(*arguments)
    assert said in str(done.exception)
    assert getattr(done.exception, "exit_code", 0) == 2
    assert engine.asked == []


def test_an_order_with_yes_goes_at_once(engine: Engine) -> None:
    done = run("order", "BTC/USDT", "BUY", "0.01", "--price", "59000", "--stop", "58000", "--tif", "IOC", "--yes")
    assert done.exit_code == 0, done.output
    ((name, given),) = engine.asked
    assert name == "order"
    assert given.pop("until_ms") > time.time() * 1000
    assert {key: value for key, value in given.items() if value} == {
        "symbol": BTC, "side": "buy", "type": "limit", "quantity": "0.01", "price": "59000", "stop_loss": "58000",
        "time_in_force": "ioc",
    }  # fmt: skip


@pytest.mark.parametrize(("typed", "sent"), [("y\n", True), ("n\n", False), ("\n", False), ("", False)])
def test_an_order_is_shown_and_asked_for_and_the_default_is_no(
    typed: str, sent: bool, engine: Engine, at_terminal: None
) -> None:
    done = run("order", "BTC/USDT", "buy", "0.01", typed=typed)
    assert [name for name, _ in engine.asked] == (["preview", "order"] if sent else ["preview"])
    assert done.exit_code == (0 if sent else 1)
    for text in ("TESTNET", "0.12% of equity", "cost 600 USDT", "fee 0.00001 BTC", "sized by 0.5 % of risk", "[y/N]"):
        assert text in done.output


def test_what_would_be_refused_is_not_asked_for(engine: Engine, at_terminal: None) -> None:
    engine.preview = msgspec.structs.replace(PREVIEW, allowed=False, refusals=("the spread is 12 bps",))
    done = run("order", "BTC/USDT", "buy", "0.01", typed="y\n")
    assert "refused: the spread is 12 bps" in done.output
    assert done.exit_code == 1
    assert [name for name, _ in engine.asked] == ["preview"]
    shown = run("order", "BTC/USDT", "buy", "0.01", "--preview", "--json")
    assert json.loads(shown.output)["refusals"] == ["the spread is 12 bps"]
    assert shown.exit_code == 1


def test_arming_shows_state_and_differences_and_wants_the_word_typed(engine: Engine, at_terminal: None) -> None:
    done = run("arm", typed="the feed is back\nTESTNET\n")
    assert engine.asked == [("arm", {"word": "TESTNET", "reason": "the feed is back", "unknown_withdrawal": False})]
    for text in ("killed: a test", "filled while no engine ran", "withdraw: unknown", "no engine ran for 61 s"):
        assert text in done.output
    run("arm", typed="\n\n")
    assert engine.asked[-1] == ("arm", {"word": "", "reason": "", "unknown_withdrawal": False})


def test_limits_are_shown_with_what_is_used_of_them(engine: Engine) -> None:
    assert "0.005" in run("limits").output
    assert json.loads(run("limits", "--json").output)[0]["name"] == "daily_loss"
    assert engine.asked == []


def test_kill_says_the_worst_last_and_exits_with_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tradetui.kill import command, killing
    from tradetui.kill.venues import VenueReport

    clean = VenueReport(venue="binance", url="u", canceled=["BTCUSDT buy limit 0.01"], positions=["BTCUSDT 0.01"])
    bad = VenueReport(venue="bybit", url="u", open=["ETHUSDT sell"], troubles=["no answer"])
    report = killing.KillReport(
        profile="default", mode="live", reason="r", flatten=False, latched=True, latch="closed", venues=[clean, bad]
    )
    given: list[dict[str, Any]] = []

    def kill(_places: object, **asked: Any) -> killing.KillReport:
        given.append(asked)
        return report

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(command, "kill", kill)
    done = run("kill", "--flatten", "--reason", "why")
    assert done.exit_code == 1
    order = [
        "kill switch closed",
        "cancelled: BTCUSDT",
        "position: BTCUSDT",
        "STILL OPEN: ETHUSDT",
        "not everything is done",
    ]
    places = [done.output.index(text) for text in order]
    assert places == sorted(places)
    assert (given[0]["flatten"], given[0]["reason"]) == (True, "why")
    card: Callable[[], Any] = given[0]["card"]
    assert card().mode == "paper"
    report.venues.pop()
    assert run("kill").exit_code == 0
    assert given[1]["flatten"] is None
    assert json.loads(run("kill", "--json", "--no-flatten").output)["done"] is True
    assert given[2]["flatten"] is False


def test_help_names_every_command() -> None:
    said = run("--help").output
    for name in ("order", "cancel", "protect", "flatten", "kill", "arm", "disarm", "switch", "limits", "reconcile"):
        assert f" {name} " in said


PLAIN: list[tuple[str, Any]] = [
    ("", Asked()),
    ("--flatten --json", Asked(flatten=True, as_json=True)),
    ("--no-flatten --reason=why --profile cob", Asked(flatten=False, reason="why", profile="cob")),
    ("--config /x.toml --reason a", Asked(config="/x.toml", reason="a")),
    ("--help", None),
    ("-h", None),
    ("--reason", None),
    ("--reason --json", None),
    ("--flatten=yes", None),
    ("now", None),
]


@pytest.mark.parametrize(("words", "asked"), PLAIN, ids=[words for words, _ in PLAIN])
def test_kill_reads_plain_words_by_itself_and_leaves_the_others(words: str, asked: Asked | None) -> None:
    assert parsed(words.split()) == asked
