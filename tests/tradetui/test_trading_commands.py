"""Socket commands about trading: what is wrong is said before the engine is asked; the latch is closed first."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.actions import Attributed
from engine.errors import RequestDenied
from engine.operator import (
    AmendOrder,
    Arm,
    CancelOrders,
    Disarm,
    Flatten,
    Kill,
    OperatorCommand,
    PlaceOrder,
    Protect,
    Reconcile,
    SetLimits,
    Switch,
    Who,
)
from engine.orders import Answered, OrderType, Side
from engine.text import inert
from engine.tradingviews import PreviewView
from tradetui.audit import Audit
from tradetui.credentials import Credentials, Secret
from tradetui.kill.inside import KillSignal
from tradetui.latch import Latch
from tradetui.redaction import redactor
from tradetui.trading_arguments import WORDS
from tradetui.trading_commands import trading_commands

KEYS = Credentials(api_key=Secret("marked-key-9"), api_secret=Secret("marked-secret-9"), source="a test")

ANNA = Who(user="anna", client="console", pid=7)
BTC = "binance:BTC/USDT"
ORDER: dict[str, Any] = {"symbol": BTC, "side": "buy", "quantity": "0.01"}
PREVIEW = PreviewView(
    instrument=BTC, side="buy", type="market", quantity="0.01", price="60000", cost="600", fee="0.6", fee_asset="USDT",
    slippage_bps=1.0, risk="12", risk_share=0.0012, reward="", position_after="0.01", exposure_after=0.06, allowed=True,
    refusals=(), notes=(),
)  # fmt: skip


class Core:
    """Answers as it is told, and remembers what it was asked and whether the latch was closed then."""

    def __init__(self, folder: Path) -> None:
        self.latch = Latch(folder / "killed")
        self.latch.prepare()
        self.asked: list[tuple[OperatorCommand, Who, bool]] = []
        self.says = (True, "done", "")
        self.meanwhile: Callable[[], object] = lambda: None
        self.commands = trading_commands(self.ask, self.latch, lambda order: PREVIEW)

    async def ask(self, command: OperatorCommand, who: Who) -> Answered:
        self.asked.append((command, who, bool(self.latch.closed())))
        self.meanwhile()
        done, text, code = self.says
        return Answered(id=0, done=done, text=text, code=code)

    async def do(self, name: str, /, **arguments: Any) -> str:
        command = self.commands[name]
        assert isinstance(command, Attributed)
        return await command.act(arguments, ANNA)

    @property
    def last(self) -> OperatorCommand:
        return self.asked[-1][0]


@pytest.fixture
def core(tmp_path: Path) -> Core:
    return Core(tmp_path)


GOOD: list[tuple[str, dict[str, Any], OperatorCommand]] = [
    ("order", ORDER, PlaceOrder(symbol=BTC, side=Side.BUY, quantity="0.01")),
    ("order", {**ORDER, "type": "stop_limit", "price": "59000.5", "stop_price": "59100", "trailing_bps": 5,
               "reduce_only": True},
     PlaceOrder(symbol=BTC, side=Side.BUY, quantity="0.01", type=OrderType.STOP_LIMIT, price="59000.5",
                stop_price="59100", trailing_bps=5.0, reduce_only=True)),
    ("order", {"symbol": BTC, "side": "sell", "size": "volatility", "quantity": ""},
     PlaceOrder(symbol=BTC, side=Side.SELL, size="volatility")),
    ("cancel", {"order": "x-1"}, CancelOrders(order="x-1")),
    ("cancel", {"symbol": BTC}, CancelOrders(symbol=BTC)),
    ("cancel", {"all": True}, CancelOrders(all=True)),
    ("amend", {"order": "x-1", "price": "5"}, AmendOrder(order="x-1", price="5")),
    ("protect", {"symbol": BTC, "stop_loss": "off", "trailing_bps": -1.0},
     Protect(symbol=BTC, stop_loss="off", trailing_bps=-1.0)),
    ("flatten", {}, Flatten()),
    ("flatten", {"symbol": BTC}, Flatten(symbol=BTC)),
    ("disarm", {"reason": "a\x1bb"}, Disarm(reason="a?b")),
    ("switch", {"name": "entries", "on": False}, Switch(name="entries", on=False)),
    ("limits", {"daily_loss": 0.01, "orders_per_minute": 5},
     SetLimits(values={"daily_loss": 0.01, "orders_per_minute": 5.0})),
    ("reconcile", {}, Reconcile()),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "command"), GOOD, ids=range(len(GOOD)))
async def test_what_is_right_reaches_the_engine_with_who_asks(
    name: str, arguments: dict[str, Any], command: OperatorCommand, core: Core
) -> None:
    assert await core.do(name, **arguments) == "done"
    assert core.asked == [(command, ANNA, False)]


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("order", {"side": "buy"}, "symbol is missing"),
    ("order", {**ORDER, "side": "long"}, "side 'long': expected buy or sell"),
    ("order", {**ORDER, "quantity": 0.01}, "quantity 0.01: expected a quantity above 0 as text"),
    ("order", {**ORDER, "quantity": "-1"}, "quantity '-1'"),
    ("order", {**ORDER, "quantity": "0"}, "quantity '0'"),
    ("order", {**ORDER, "quantity": "nan"}, "quantity 'nan'"),
    ("order", {**ORDER, "quantity": "0.000000001"}, "quantity '0.000000001'"),
    ("order", {**ORDER, "quantity": "1e99"}, "quantity '1e99'"),
    ("order", {**ORDER, "type": "limit"}, "an order of type limit needs price"),
    ("order", {**ORDER, "price": "5"}, "an order of type market has no price"),
    ("order", {**ORDER, "type": "stop"}, "needs stop_price"),
    ("order", {**ORDER, "post_only": True}, "post_only is for orders with a limit price"),
    ("order", {**ORDER, "reduce_only": "yes"}, "reduce_only 'yes': expected true or false"),
    ("order", {**ORDER, "reduceonly": True}, "unknown argument 'reduceonly'"),
    ("order", {**ORDER, "record": "x"}, "unknown argument 'record'"),
    ("order", {**ORDER, "trailing_bps": float("inf")}, "trailing_bps inf"),
    ("order", {**ORDER, "size": "all"}, "size 'all'"),
    ("cancel", {}, "expected one of order, symbol and all"),
    ("cancel", {"all": True, "symbol": BTC}, "expected one of order, symbol and all"),
    ("cancel", {"all": False}, "expected one of"),
    ("amend", {"price": "5"}, "order is missing"),
    ("amend", {"order": "x-1"}, "nothing to change"),
    ("protect", {"symbol": BTC}, "nothing to set"),
    ("protect", {"symbol": BTC, "stop_loss": "never"}, "stop_loss 'never'"),
    ("kill", {"flatten": "yes"}, "flatten 'yes': expected true or false"),
    ("arm", {}, "word is missing"),
    ("switch", {"name": "entries"}, "on is missing"),
    ("switch", {"name": "entries", "on": 1}, "on 1: expected true or false"),
    ("limits", {}, "expected limits with their new values"),
    ("limits", {"daily_loss": "0.01"}, "daily_loss '0.01': expected a number"),
    ("limits", {"daily_loss": True}, "daily_loss True: expected a number"),
    ("limits", {"daily_loss": float("nan")}, "daily_loss nan: expected a number"),
    ("reconcile", {"now": True}, "unknown argument 'now'"),
]


@pytest.mark.parametrize(("name", "arguments", "said"), BAD, ids=range(len(BAD)))
async def test_what_is_wrong_is_said_and_the_engine_is_not_asked(
    name: str, arguments: dict[str, Any], said: str, core: Core
) -> None:
    with pytest.raises(RequestDenied) as denied:
        await core.do(name, **arguments)
    assert said in denied.value.reason
    assert denied.value.code == "invalid_argument"
    assert core.asked == []
    assert core.latch.closed() == ""


values = st.one_of(
    st.text(max_size=20), st.integers(), st.floats(), st.booleans(), st.sampled_from(["buy", "0.01", BTC, "limit"])
)
names = st.one_of(st.sampled_from([*WORDS["order"], "name", "on", "order", "all"]), st.text(max_size=10))


@settings(max_examples=200, deadline=None)
@given(
    arguments=st.dictionaries(names, values, max_size=6),
    name=st.sampled_from(["order", "preview", "cancel", "amend", "protect", "switch", "limits"]),
)
def test_whatever_is_sent_is_done_or_denied_in_a_sentence(
    arguments: dict[str, Any], name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    core = Core(tmp_path_factory.getbasetemp())
    denied = ""
    try:
        asyncio.run(core.do(name, **arguments))
    except RequestDenied as error:
        denied = error.reason
    assert inert(denied) == denied
    assert bool(core.asked) == (not denied and name != "preview")


async def test_a_refusal_has_the_engines_code_and_words(core: Core) -> None:
    core.says = (False, "the book is 3.1 s old", "stale")
    with pytest.raises(RequestDenied) as denied:
        await core.do("order", **ORDER)
    assert (denied.value.code, denied.value.reason) == ("stale", "the book is 3.1 s old")


async def test_a_preview_is_asked_of_nobody_else(core: Core) -> None:
    import msgspec

    assert msgspec.json.decode(await core.do("preview", **ORDER), type=PreviewView) == PREVIEW
    assert core.asked == []
    with pytest.raises(RequestDenied):
        await core.do("preview", **{**ORDER, "quantity": "x"})


async def until(fact: Callable[[], object]) -> None:
    """Wait for what another thread or a later turn of the loop does."""
    async with asyncio.timeout(20):
        while not fact():  # noqa: ASYNC110 - a thread writes
            await asyncio.sleep(0.01)


async def test_kill_closes_the_latch_before_the_engine_is_asked(core: Core) -> None:
    core.says = (False, "it does not", "failed")
    with pytest.raises(RequestDenied):
        await core.do("kill", flatten=True, reason="\x1b[2Jmad feed")
    assert core.asked == [(Kill(flatten=True, reason="?[2Jmad feed"), ANNA, True)]
    await until(lambda: core.latch.note() is not None)
    note = core.latch.note()
    assert note is not None
    assert (note.user, note.reason) == ("anna", "?[2Jmad feed")


async def test_kill_with_a_disk_that_refuses_says_so_and_holds(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> str:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Latch, "close", refused)
    said = await core.do("kill")
    assert "in this engine only, not on disk (Read-only file system)" in said
    assert core.asked[0][2]
    assert core.latch.closed()


async def test_arming_opens_the_latch_only_after_the_engine_said_yes(core: Core) -> None:
    core.latch.close("a test")
    with pytest.raises(RequestDenied, match="needs a reason"):
        await core.do("arm", word="PAPER")
    assert core.asked == []
    core.says = (False, "type PAPER", "word")
    with pytest.raises(RequestDenied):
        await core.do("arm", word="LIVE", reason="x")
    assert core.latch.closed()
    core.says = (True, "armed", "")
    assert await core.do("arm", word="PAPER", reason="it is over") == "armed"
    assert core.last == Arm(word="PAPER", reason="it is over")
    assert core.latch.closed() == ""


async def test_a_kill_while_it_is_armed_wins(core: Core) -> None:
    other = Latch(core.latch._path)
    for close in (lambda: None, lambda: core.latch.close("before")):
        close()
        core.meanwhile = lambda: other.close("meanwhile")
        with pytest.raises(RequestDenied, match="again meanwhile") as denied:
            await core.do("arm", word="PAPER", reason="x")
        assert denied.value.code == "latched"
        assert "meanwhile" in core.latch.closed()


async def test_an_armed_engine_does_not_heed_the_latch_that_is_being_opened(core: Core) -> None:
    heeded: list[str] = []
    core.latch.close("before")
    core.meanwhile = lambda: heeded.append(core.latch.unheeded())
    await core.do("arm", word="PAPER", reason="x")
    assert heeded == [""]


async def test_the_signal_kills_at_once_and_asks_the_engine_when_it_can(core: Core) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    switch = KillSignal(core.latch, core.ask, Who(client="signal"))
    switch.install(asyncio.get_running_loop())
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert "SIGUSR1" in core.latch.closed()  # the loop has had no turn
        assert core.asked == []
        await until(lambda: core.asked and core.latch.note() is not None)
        os.kill(os.getpid(), signal.SIGUSR1)
        await until(lambda: len(core.asked) == 2)
    finally:
        switch.remove()
    assert [command for command, *_ in core.asked] == [
        Kill(flatten=None, reason="signal SIGUSR1"), Kill(flatten=False, reason="signal SIGUSR1"),
    ]  # fmt: skip
    assert core.latch.note() is not None
    assert signal.getsignal(signal.SIGUSR1) == before


def test_every_command_takes_the_arguments_of_what_it_asks(core: Core) -> None:
    kinds = {str(kind.__struct_config__.tag): set(kind.__struct_fields__) for kind in get_args(OperatorCommand)}
    assert {name: set(words) for name, words in WORDS.items() if name != "preview"} == {
        name: fields for name, fields in kinds.items() if name != "limits"
    }
    assert set(core.commands) == {*kinds, "preview"}


async def test_what_people_write_is_kept_without_secrets_and_control_characters(core: Core) -> None:
    core.commands = trading_commands(core.ask, core.latch, lambda order: PREVIEW, redactor({"binance": KEYS}))
    await core.do("disarm", reason="my secret is marked-secret-9")
    assert core.last == Disarm(reason="my secret is ***")
    await core.do("kill", reason="marked-key-9")
    assert core.last == Kill(reason="***")
    assert "marked" not in core.latch.closed()
    await core.do("limits", **{"\x1b[31m\nmarked-key-9": 1.0})
    assert core.last == SetLimits(values={"?[31m ***": 1.0})


async def test_an_order_that_the_engine_comes_to_too_late_is_denied(core: Core) -> None:
    """It was stopped, or hung: the order was meant for another market."""
    order = {"symbol": "binance:BTC/USDT", "side": "buy", "quantity": "0.01"}
    with pytest.raises(RequestDenied, match=r"1\.\d s too late") as late:
        await core.do("order", **order, until_ms=int(time.time() * 1000) - 1500)
    assert late.value.code == "late"
    assert core.asked == []
    await core.do("order", **order, until_ms=int(time.time() * 1000) + 60_000)
    assert len(core.asked) == 1
    with pytest.raises(RequestDenied, match="expected UTC milliseconds"):
        await core.do("order", **order, until_ms="soon")


# The audit. -----------------------------------------------------------------------------------------------------------


class Audited(Core):
    """The same, with an audit as the engine puts it around its commands."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.rows: list[dict[str, Any]] = []
        self.standing = "reduce: not armed"
        clean = redactor({"binance": KEYS})
        audit = Audit(self._record, "paper", clean, lambda: 42)
        made = trading_commands(self.ask, self.latch, lambda order: PREVIEW, clean)
        self.commands = audit.refusals(made, lambda: self.standing)

    async def _record(self, kind: str, _key: str, body: bytes, *, mode: str, ts: int) -> bool:
        assert (kind, mode, ts) == ("audit", "paper", 42)
        self.rows.append(json.loads(body))
        return True


@pytest.mark.parametrize(("name", "arguments", "said"), BAD, ids=range(len(BAD)))
async def test_what_is_wrong_is_audited_though_the_engine_is_not_asked(
    name: str, arguments: dict[str, Any], said: str, tmp_path: Path
) -> None:
    core = Audited(tmp_path)
    with pytest.raises(RequestDenied):
        await core.do(name, **arguments)
    (row,) = core.rows
    assert (row["command"], row["user"], row["client"], row["pid"], row["done"]) == (name, "anna", "console", 7, False)
    assert said in row["result"]
    assert set(json.loads(row["detail"])) == set(arguments)
    assert (row["before"], row["after"]) == ("reduce: not armed", "reduce: not armed")


async def test_what_the_engine_judges_it_audits_itself(tmp_path: Path) -> None:
    core = Audited(tmp_path)
    for name, arguments, _ in GOOD:
        await core.do(name, **arguments)
    core.says = (False, "the book is 3.1 s old", "stale")
    with pytest.raises(RequestDenied, match=r"3\.1 s old"):
        await core.do("order", **ORDER)
    assert core.rows == []


async def test_a_late_order_and_one_that_was_not_answered_are_audited(tmp_path: Path) -> None:
    core = Audited(tmp_path)
    with pytest.raises(RequestDenied) as late:
        await core.do("order", **ORDER, until_ms=int(time.time() * 1000) - 1500)
    core.says = (False, "the engine has not come to it within 10 s", "no_answer")
    with pytest.raises(RequestDenied) as lost:
        await core.do("order", **ORDER)
    assert (late.value.code, lost.value.code) == ("late", "no_answer")
    assert [row["result"] for row in core.rows] == [late.value.reason, lost.value.reason]


async def test_an_arming_that_the_latch_refused_is_audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    core = Audited(tmp_path)
    core.latch.close("a test")
    with pytest.raises(RequestDenied, match="needs a reason"):
        await core.do("arm", word="PAPER")

    def refused(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Latch, "open", refused)
    with pytest.raises(RequestDenied, match="is not open"):
        await core.do("arm", word="PAPER", reason="x")
    assert ["needs a reason" in row["result"] for row in core.rows] == [True, False]
    assert "Read-only file system" in core.rows[1]["result"]


async def test_a_preview_is_no_attempt(tmp_path: Path) -> None:
    core = Audited(tmp_path)
    with pytest.raises(RequestDenied):
        await core.do("preview", **{**ORDER, "quantity": "x"})
    assert core.rows == []


async def test_secrets_are_masked_in_what_was_refused(tmp_path: Path) -> None:
    core = Audited(tmp_path)
    with pytest.raises(RequestDenied):
        await core.do("order", **{**ORDER, "marked-key-9": "marked-secret-9", "side": "marked-secret-9"})
    assert "marked" not in str(core.rows)
    assert "***" in core.rows[0]["detail"]


async def test_a_fault_of_ours_is_audited_by_its_name(tmp_path: Path) -> None:
    core = Audited(tmp_path)

    def broken() -> object:
        raise KeyError("x")

    core.meanwhile = broken
    with pytest.raises(KeyError):
        await core.do("disarm")
    assert [(row["command"], row["done"], row["result"]) for row in core.rows] == [("disarm", False, "KeyError")]
