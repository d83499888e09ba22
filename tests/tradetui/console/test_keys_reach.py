"""Every key of the map reaches its action, in every focus and in every mode."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tradetui.console.consoles import console, everything
from tests.tradetui.fake_engine import FakeEngine, alert
from tradetui.console.app import ConsoleApp
from tradetui.console.keymap import KEYS
from tradetui.console.layout import PANES
from tradetui.console.panes.pane import Pane
from tradetui.console.view import Cross, View
from tradetui.places import Places, places

MODES: dict[str, Callable[[View], None]] = {
    "plain": lambda view: None,
    "zoomed": lambda view: setattr(view, "zoomed", True),
    "folded": lambda view: setattr(view, "folded", list(PANES)),
    "crosshair": lambda view: setattr(view, "cross", Cross(ms=60_000)),
    "another layout": lambda view: setattr(view, "preset", "book"),
    "frozen": lambda view: None,
}


@pytest.fixture
def here(tmp_path: Path) -> Places:
    return places("default", {"HOME": str(tmp_path)})


@pytest.mark.parametrize("mode", MODES)
async def test_every_key_reaches_its_action(here: Places, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[tuple[str, str]] = []

    async def run_action(_app: ConsoleApp, action: Any, default_namespace: Any = None, *_: Any) -> bool:
        name = default_namespace.id if isinstance(default_namespace, Pane) else "app"
        reached.append((str(action), name))
        return True

    view = View(preset="desk")
    MODES[mode](view)
    async with FakeEngine(here) as engine:
        engine.states["alerts"] = [alert(1)]
        async with console(here, (200, 60), view=view) as shown:
            await shown.sees("healthy")
            if mode == "frozen":
                await shown.press("space")
                await shown.sees("FROZEN")
            app = shown.app
            for name in PANES:
                app.focus_pane(name)
                await shown.pilot.pause()
                pane = shown.pane(name)
                assert app.screen.focused is pane
                kinds = set(everything(pane))
                monkeypatch.setattr(ConsoleApp, "run_action", run_action)
                for key in KEYS:
                    if key.where not in kinds:
                        continue
                    for pressed in key.names.split(","):
                        reached.clear()
                        await app._check_bindings(pressed, priority=True) or await app._check_bindings(pressed)
                        where = "app" if key.where in ("everywhere", "replay", "trading") else name
                        assert reached == [(key.action, where)], (name, key.id, pressed, reached)
                monkeypatch.undo()


async def test_every_action_there_is_can_be_run(here: Places) -> None:
    """What the keys name exists: on the app, or on every pane of their kind."""
    async with FakeEngine(here), console(here, (200, 60)) as shown:
        await shown.sees("healthy")
        for key in KEYS:
            method = f"action_{key.action.partition('(')[0]}"
            if key.where in ("everywhere", "replay", "trading"):
                assert hasattr(shown.app, method), key.id
            else:
                panes = [shown.pane(name) for name in PANES if key.where in shown.pane(name).KIND.split()]
                assert panes, key.where
                for pane in panes:
                    assert hasattr(pane, method), (pane.id, key.id)


async def test_every_looking_key_can_be_pressed_in_every_pane_without_harm(here: Places) -> None:
    """Lower-case keys only look: whatever is pressed, the engine is asked for nothing but topics."""
    looking = [key for key in KEYS if not any(name.isupper() and len(name) == 1 for name in key.names.split(","))]
    async with FakeEngine(here) as engine, console(here, (200, 60)) as shown:
        await shown.sees("healthy")
        for name in ("chart2", "heat", "tape", "markets", "system", "alerts"):  # one of each kind
            shown.app.focus_pane(name)
            await shown.pilot.pause()
            for key in looking:
                if key.id in ("leave", "acknowledge", "palette") or key.where not in set(everything(shown.pane(name))):
                    continue
                for pressed in key.names.split(","):
                    first = await shown.app._check_bindings(pressed, priority=True)
                    first or await shown.app._check_bindings(pressed)
                    await shown.pilot.pause()
                    until = time.monotonic() + 30
                    while len(shown.app.screen_stack) > 1 and time.monotonic() < until:
                        await shown.pilot.press("escape")
                    assert len(shown.app.screen_stack) == 1, (name, key.id)
                    if shown.app.command_line.open:
                        await shown.pilot.press("escape")
                        await shown.pilot.pause()
                    assert not shown.app.command_line.open, (name, key.id)
                    assert shown.pane(name).fault == "", (name, key.id)
            shown.app.desk.view.zoomed = False
            shown.app.desk.view.folded.clear()
        assert engine.commands == []
        assert shown.app.fault is None
