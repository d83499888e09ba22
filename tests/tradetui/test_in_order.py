"""What one connection asks back to back reaches the engine in that order, although each is answered by itself."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any, cast

from engine.alerts import Alerts
from engine.errors import RequestDenied
from engine.operator import OperatorAsked, TradingEvent
from engine.orders import Answered
from engine.playback import Playback
from engine.trader import Trader
from tests.support.serving import in_virtual_time, stage
from tests.support.wire import Wire, said
from tests.tradetui.test_trading_commands import BTC, PREVIEW
from tradetui.audit import Audit
from tradetui.commands import commands
from tradetui.latch import Latch
from tradetui.logs import ProcessLog
from tradetui.trading_commands import trading_commands

ASKED: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("order", "PlaceOrder", {"symbol": BTC, "side": "buy", "quantity": "0.01"}),
    ("cancel", "CancelOrders", {"all": True}),
    ("amend", "AmendOrder", {"order": "x-1", "price": "5"}),
    ("protect", "Protect", {"symbol": BTC, "stop_loss": "off"}),
    ("flatten", "Flatten", {}),
    ("kill", "Kill", {"reason": "enough"}),
    ("arm", "Arm", {"word": "PAPER", "reason": "again"}),
    ("disarm", "Disarm", {}),
    ("switch", "Switch", {"name": "entries", "on": False}),
    ("limits", "SetLimits", {"daily_loss": 0.01}),
    ("reconcile", "Reconcile", {}),
)


class Core:
    """Takes what is asked, and answers each after a time of its own."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.asked: list[str] = []
        self.latch = Latch(folder / f"killed-{seed}")
        self.trader = Trader(self._tell)
        self.commands = trading_commands(self.trader.ask, self.latch, lambda order: PREVIEW)

    def _tell(self, event: TradingEvent) -> None:
        assert isinstance(event, OperatorAsked)
        self.asked.append(type(event.command).__name__)
        answer = Answered(id=event.id, done=True, text="done")
        asyncio.get_running_loop().call_later(self.random.random(), self.trader.carry_out, answer)


async def _send(wire: Wire, asked: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Send commands in one piece; return the answers in the order of the commands."""
    frames = [said(type="command", id=at, name=name, arguments=given) for at, (name, given) in enumerate(asked)]
    wire.writer.write(b"".join(frames))
    answers = [await wire.read() for _ in asked]
    return sorted(answers, key=lambda each: int(each["id"]))


@in_virtual_time
async def test_commands_about_trading_reach_the_core_in_the_order_sent(tmp_path: Path) -> None:
    for seed in range(20):
        core = Core(tmp_path, seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        async with stage(folder, commands=cast(Any, core.commands)) as made:
            wire = await made.client()
            chosen = core.random.choices(ASKED, k=30)
            answers = await _send(wire, [(name, given) for name, _, given in chosen])
            assert core.asked == [kind for _, kind, _ in chosen]
            assert {each["type"] for each in answers} <= {"done", "denied"}
            kills = [number for number, (name, _, _) in enumerate(chosen) if name == "kill"]
            arms = [number for number, (name, _, _) in enumerate(chosen) if name == "arm"]
            if kills and kills[-1] > max(arms, default=-1):
                assert core.latch.closed(), "the kill was last"


@in_virtual_time
async def test_an_arming_behind_a_kill_opens_nothing_that_the_kill_closes_later(tmp_path: Path) -> None:
    """Whatever of the two is answered first: a latch that is open at the end was armed after it was closed."""
    for seed in range(20):
        core = Core(tmp_path, seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        async with stage(folder, commands=cast(Any, core.commands)) as made:
            wire = await made.client()
            again = {"word": "PAPER", "reason": "again"}
            kill, arm = await _send(wire, [("kill", {"reason": "enough"}), ("arm", again)])
            assert core.asked == ["Kill", "Arm"]
            assert kill["type"] == "done"
            assert bool(core.latch.closed()) == (arm["type"] == "denied"), (kill, arm)
            if arm["type"] == "denied":
                assert arm["code"] == "latched"
                assert (await wire.ask(type="command", id=9, name="arm", arguments=again))["type"] == "done"
            assert not core.latch.closed()


class Told(Playback):
    """A replay that notes what is asked of it."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pause(self) -> str:
        return self._note("pause")

    def resume(self) -> str:
        return self._note("resume")

    def step(self, frames: int) -> str:
        return self._note(f"step {frames}")

    def set_speed(self, speed: float) -> str:
        return self._note(f"speed {speed:g}")

    def seek(self, stamp: int) -> str:
        return self._note(f"seek {stamp}")

    def seek_by(self, seconds: float) -> str:
        if seconds > 5:
            raise RequestDenied("invalid_argument", "too far")
        return self._note(f"by {seconds:g}")

    def _note(self, text: str) -> str:
        self.told.append(text)
        return text


@in_virtual_time
async def test_commands_to_a_replay_are_carried_out_in_the_order_sent(tmp_path: Path) -> None:
    played = Told()
    known = commands(Alerts(lambda *_: None), cast(ProcessLog, None), lambda _: None, played)

    async def record(*_given: Any, **_named: Any) -> bool:
        await asyncio.sleep(1)
        return True

    audited = Audit(record, "replay", str).over(known)
    async with stage(tmp_path, commands=cast(Any, audited)) as made:
        wire = await made.client()
        asked: list[tuple[str, dict[str, Any]]] = [
            ("replay_seek", {"to": 5}), ("replay_pause", {}), ("replay_resume", {}), ("replay_step", {"frames": 3}),
            ("replay_speed", {"speed": 2}), ("replay_seek", {"by_s": 9}), ("replay_seek", {"by_s": -1}),
            ("replay_pause", {}), ("replay_seek", {"to": 7}), ("replay_step", {}), ("replay_resume", {}),
        ]  # fmt: skip
        answers = await _send(wire, asked)
        assert played.told == [
            "seek 5", "pause", "resume", "step 3", "speed 2", "by -1", "pause", "seek 7", "step 1", "resume",
        ]  # fmt: skip
        assert [each.get("text", each.get("code")) for each in answers] == [
            "seek 5", "pause", "resume", "step 3", "speed 2", "invalid_argument", "by -1", "pause", "seek 7", "step 1",
            "resume",
        ]  # fmt: skip
