"""Trading as it is put together for an engine: what it leaves for the kill switch, and what it says is wrong."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from engine.clock import Clock
from engine.execution.account import Closing
from engine.orders import Mode, OrderSpec, OrderType, Origin, Side
from engine.runtime import Engine
from tradetui import trading as joined
from tradetui.config.sections import Settings
from tradetui.latch import Note
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
