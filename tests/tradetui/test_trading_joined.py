"""Trading as it is put together for an engine: what it leaves for the kill switch, and what it says is wrong."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from engine.clock import Clock
from engine.execution.account import Closing
from engine.orders import BlindTime, Mode, OrderSpec, OrderType, Origin, Side
from engine.ports import Record
from engine.runtime import Engine
from engine.types import SECOND
from tradetui import trading as joined
from tradetui.config.sections import Settings
from tradetui.latch import Latch, Note
from tradetui.places import places
from tradetui.stored import Stored
from tradetui.trading import Trading


def made(tmp_path: Path) -> tuple[Trading, Engine]:
    here = places("default", {"HOME": str(tmp_path)})
    here.make()
    settings = Settings()
    trading = Trading(settings, here, Stored(here, settings.storage), {}, 1_700_000_000_000_000_000)
    return trading, Engine(Clock(), account=trading.account)


async def test_a_kill_switch_that_is_ready_is_not_spoken_of(tmp_path: Path) -> None:
    trading, engine = made(tmp_path)
    await trading.recover(engine)
    assert list(trading.troubles()) == []
    assert trading.places.kill_card.exists()


async def test_one_that_is_not_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined, "write_card", lambda *_: "kill.json: no space left on device")
    trading, engine = made(tmp_path)
    await trading.recover(engine)
    (cause,) = trading.troubles()
    assert cause.code == "KILL_UNREADY"
    assert "no space left" in cause.text


async def test_a_latch_that_was_closed_before_the_start_holds_from_the_start(tmp_path: Path) -> None:
    trading, engine = made(tmp_path)
    trading.latch.close("the feed is mad", "anna")
    await trading.recover(engine)
    assert trading.account.latched
    assert "the feed is mad" in trading.account.halted


async def test_the_latch_lets_nothing_pass_but_the_closing_that_belongs_to_the_halt(tmp_path: Path) -> None:
    trading, _ = made(tmp_path)
    account, key = trading.account, "binance:BTC/USDT"
    closing = OrderSpec(
        id="e-1", instrument=key, side=Side.SELL, type=OrderType.MARKET, quantity=10**6, origin=Origin.FLATTEN,
        mode=Mode.LIVE, created=time.time_ns(),
    )  # fmt: skip
    other = msgspec.structs.replace(closing, origin=Origin.OPERATOR)
    assert trading._held(closing) == trading._held(other) == ""
    trading.latch.close("K K", "anna")
    assert "K K" in trading._held(closing), "the core has not halted yet: it was made before"
    account.latched = True
    account.closing[key] = Closing("flattened by hand", 0)
    assert "K K" in trading._held(closing), "a closing from before the kill"
    account.closing[key] = Closing("killed", 0, halting=True)
    assert trading._held(closing) == ""
    assert "K K" in trading._held(other)
    note = Note(at=time.time_ns(), user="bert", pid=1, reason="tradetui kill --flatten")
    trading.places.latch.write_bytes(msgspec.json.encode(note))
    assert "bert" in trading._held(closing), "who kills again closes by himself"
    later = msgspec.structs.replace(closing, created=note.at + 1)
    assert trading._held(later) == "", "asked for by a person since"
    account.closing[key].recalled = note.at - 1
    assert "bert" in trading._held(later), "what an earlier engine was to close nobody has asked for since"
    account.closing[key].recalled = note.at + 1
    assert trading._held(later) == ""


async def told(tmp_path: Path, *, engine: bool, before: int) -> BlindTime:
    """What a start is told of the kill switch, after a halt that closes, and a closing of the latch since or before."""
    trading, started = made(tmp_path)
    at = time.time_ns()
    halt = {"halted": "killed: K K", "latched": True, "flatten": True, "closing": ["binance:BTC/USDT"]}
    record = Record(id=1, kind="trading", key="paper/trading/x", ts=at - before, body=msgspec.json.encode(halt))
    trading.places.database.parent.mkdir(parents=True, exist_ok=True)
    trading.places.database.touch()
    trading.records = SimpleNamespace(since_image=lambda: (None, [record]))  # type: ignore[assignment]
    Latch(trading.places.latch, engine=engine).close("K K", "bert")
    heard: list[Any] = []
    await trading.recover(SimpleNamespace(state=started.state, now=started.now, tell=heard.append))  # type: ignore[arg-type]
    (closing,) = trading.account.closing.values()
    assert (closing.waits, closing.begun, closing.reason) == (True, record.ts, "killed: K K")
    (blind,) = [each for each in heard if isinstance(each, BlindTime)]
    return blind


async def test_a_start_says_whether_somebody_has_killed_beside_the_halt_that_it_remembers(tmp_path: Path) -> None:
    own = await told(tmp_path, engine=True, before=SECOND)
    assert (own.killed, own.killed_at) == ("", 0)
    other = await told(tmp_path, engine=False, before=SECOND)
    assert "bert" in other.killed
    assert other.killed_at > own.since


async def test_of_half_an_account_nothing_is_closed(tmp_path: Path) -> None:
    trading, engine = made(tmp_path)
    trading.account.closing["binance:BTC/USDT"] = Closing("killed", 0, halting=True)
    trading.unreadable(engine, "it is damaged")
    assert trading.account.closing == {}
