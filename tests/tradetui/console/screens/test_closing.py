"""Dialogs, the palette and the jump close once: what was under way to them does nothing more."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events
from textual.command import CommandPalette
from textual.screen import ModalScreen

from tests.tradetui.console.consoles import Shown, console
from tests.tradetui.fake_engine import FakeEngine
from tradetui.console.palette import Palette
from tradetui.console.screens.dialogs import Confirm, Dialog
from tradetui.console.screens.jump import Jump
from tradetui.places import places


async def both(shown: Shown, *sent: events.Event) -> None:
    """Send something before what was sent first can have its effect."""
    for event in sent:
        shown.app.post_message(event)
    await shown.pilot.pause()
    await shown.pilot.pause()


@pytest.mark.parametrize("key", ["q", "E", "question_mark", "grave_accent", "ctrl+p"])
async def test_twice_the_same_key_or_click(tmp_path: Path, key: str) -> None:
    here = places("default", {"HOME": str(tmp_path)})
    async with FakeEngine(here), console(here) as shown:
        await shown.sees("healthy")
        await shown.press(key)
        assert len(shown.app.screen_stack) == 2
        await both(shown, *(events.Key("escape", "\x1b") for _ in range(3)))
        assert len(shown.app.screen_stack) == 1
        await shown.press(key)
        click = [
            kind(None, 1, 38, 0, 0, 1, False, False, False, screen_x=1, screen_y=38)
            for kind in (events.MouseDown, events.MouseUp) * 2
        ]
        await both(shown, *click)
        assert len(shown.app.screen_stack) == 1
        assert shown.app.is_running
        await shown.sees("healthy")


async def test_a_dialog_that_has_gone_takes_no_other_with_it(tmp_path: Path) -> None:
    here = places("default", {"HOME": str(tmp_path)})
    async with FakeEngine(here), console(here) as shown:
        await shown.sees("healthy")
        answers: list[bool | None] = []
        first = Confirm("first?", "")
        await shown.app.push_screen(first, answers.append)
        first.dismiss(False)
        await shown.app.push_screen(Confirm("second?", ""))
        first.dismiss(True)
        await shown.pilot.pause()
        assert len(shown.app.screen_stack) == 2
        assert answers == [False]


@pytest.mark.parametrize("size", [(1, 1), (2, 36), (79, 24)])
async def test_nothing_opens_where_it_cannot_be_read_and_q_leaves(tmp_path: Path, size: tuple[int, int]) -> None:
    here = places("default", {"HOME": str(tmp_path)})
    async with FakeEngine(here) as engine, console(here) as shown:
        await shown.sees("healthy")
        await shown.resize(*size)
        await shown.press("ctrl+p", "E", "question_mark", "grave_accent", "colon", "y", "enter", "p", "space")
        assert len(shown.app.screen_stack) == 1
        assert not shown.app.command_line.open
        assert not shown.app.desk.frozen
        assert shown.app.desk.view.preset == "desk"
        await shown.press("q")
        await shown.becomes(lambda: not shown.app.is_running)
        assert engine.commands == []


def test_they_keep_what_textual_gives_to_modal_screens() -> None:
    assert "command-palette--highlight" in Palette()._get_component_classes()
    for kind, base in ((Dialog, ModalScreen), (Jump, ModalScreen), (Palette, CommandPalette)):
        assert base in kind._css_bases(kind), "its style sheet is not found"
