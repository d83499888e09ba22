"""Trading as it is put together for an engine: what it leaves for the kill switch, and what it says is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.clock import Clock
from engine.runtime import Engine
from tradetui import trading as joined
from tradetui.config.sections import Settings
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
