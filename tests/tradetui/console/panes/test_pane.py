"""The ground of all panes: what is sent is what has changed, a pane that fails takes nobody with it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.containers import Horizontal

from tests.support.emulator import EmulatedDriver, differing, rendered, shown, text
from themes.palette import LEVELS, ROLES, load
from tradetui.console.desk import Condition, Desk
from tradetui.console.link import Link
from tradetui.console.panes.paint import Paint
from tradetui.console.panes.pane import Pane
from tradetui.console.panes.writing import Written
from tradetui.console.render.frame import Frame
from tradetui.console.render.look import COLOURS, FULL, Look
from tradetui.console.render.pens import ASK, BALANCE, BID, BOLD, DOWN, GROUND, HEAT, OLD, REVERSE, SELECT, UP, pen
from tradetui.console.view import View
from tradetui.places import places

PALETTES = [load(name) for name in ("colour-safe", "light")]


class Noise(Pane):
    """Draws what it is told to."""

    def __init__(self, desk: Desk, name: str) -> None:
        super().__init__(desk, name)
        self.marks: dict[tuple[int, int], tuple[str, int]] = {}
        self.count = 0
        self.breaks = ""

    def version(self) -> object:
        return self.count

    def condition(self) -> Condition | None:
        return None

    def draw(self, frame: Frame) -> None:
        if self.breaks:
            raise ValueError(self.breaks)
        for (x, y), (glyph, pen_) in self.marks.items():
            if x < frame.width and y < frame.height:
                frame.glyphs[y, x], frame.pens[y, x] = glyph, pen_

    def simple(self, frame: Frame) -> None:
        frame.text(0, 1, "what can still be drawn")

    def shake(self, dice: random.Random, marks: int) -> None:
        for _ in range(marks):
            place = dice.randrange(60), dice.randrange(30)
            self.marks[place] = dice.choice("ab\u2588\u2580\u25b2 "), pen(
                dice.choice((UP, DOWN, HEAT + 3, BALANCE + 9)), dice.choice((GROUND, SELECT, HEAT + 12)),
                dice.choice((0, BOLD, REVERSE, OLD)),
            )  # fmt: skip
        self.count += 1


class Panes(App[None]):
    CSS = "Pane { width: 1fr; height: 1fr; }"

    def __init__(self, look: Look = FULL, *, write: bool = True) -> None:
        super().__init__(driver_class=EmulatedDriver, ansi_color=look.colours in ("16", "none"))
        link = Link(places("default", {"HOME": str(Path("/nowhere"))}), [])
        self.desk = Desk(link, View(), look, Paint(PALETTES[0], look))
        self.write = write
        self.panes = [Noise(self.desk, name) for name in ("one", "two", "three")]

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield from self.panes

    def tick(self) -> None:
        written = "".join(pane.tick(write=self.write) for pane in self.panes)
        if written:
            self._display(self.screen, Written(written))


@pytest.mark.parametrize("colours", COLOURS)
@pytest.mark.parametrize("write", [True, False])
async def test_changed_runs_make_the_same_screen_as_a_full_render(write: bool, colours: str) -> None:
    dice, app = random.Random(7), Panes(Look(colours), write=write)
    async with app.run_test(headless=False, size=(90, 20)) as pilot:
        driver = app._driver
        assert isinstance(driver, EmulatedDriver)
        for step in range(24):
            for pane in app.panes:
                if dice.random() < 0.6:
                    pane.shake(dice, dice.choice((1, 3, 20, 400)))
            if step % 6 == 5:
                app.desk.paint = Paint(PALETTES[step // 6 % 2], app.desk.look)
            if step % 8 == 7:
                width, height = dice.randrange(30, 120), dice.randrange(6, 30)
                driver.resized(width, height)
                await pilot.resize_terminal(width, height)
            app.tick()
            await pilot.pause()
            assert not differing(shown(app), rendered(app)), step


async def test_less_is_sent_when_less_has_changed() -> None:
    app, dice = Panes(), random.Random(1)
    async with app.run_test(headless=False, size=(120, 30)) as pilot:
        app.tick()
        await pilot.pause()
        driver = app._driver
        assert isinstance(driver, EmulatedDriver)
        app.panes[0].shake(dice, 2000)
        app.tick()
        await pilot.pause()
        before = driver.written
        app.tick()
        await pilot.pause()
        assert driver.written == before, "nothing has changed, and something was sent"
        app.panes[0].marks[30, 5] = "z", pen(UP)
        app.panes[0].count += 1
        app.tick()
        await pilot.pause()
        assert 0 < driver.written - before < 120


async def test_a_pane_that_fails_says_why_and_comes_back() -> None:
    app = Panes()
    async with app.run_test(headless=False, size=(120, 12)) as pilot:
        app.panes[1].breaks, app.panes[1].count = "a \x1b[31mfault\u202e", 1
        app.tick()
        await pilot.pause()
        told = "\n".join(text(app))
        assert "cannot be drawn: ValueError: a" in told
        assert "what can still be drawn" in told
        assert "FAILED" in told
        assert "\x1b" not in told
        assert "one" in told
        app.panes[1].breaks, app.panes[1].count = "", 2
        app.tick()
        await pilot.pause()
        assert "cannot be drawn" not in "\n".join(text(app))


async def test_the_pane_in_focus_is_told_by_its_border_not_only_by_colour() -> None:
    app = Panes()
    async with app.run_test(headless=False, size=(90, 6)) as pilot:
        app.panes[1].focus()
        await pilot.pause()
        app.tick()
        await pilot.pause()
        assert text(app)[0].count("\u250f") == 1
        assert text(app)[0].count("\u256d") == 2


@pytest.mark.parametrize("colours", COLOURS)
def test_every_pen_has_a_style_and_bids_and_asks_differ(colours: str) -> None:
    paint = Paint(PALETTES[0], Look(colours))
    for role in (*range(len(ROLES)), *range(HEAT, HEAT + 4 * LEVELS)):
        for attributes in (0, OLD, BOLD | REVERSE):
            style = paint.style(pen(role, GROUND, attributes))
            assert (style.color is None) == (colours == "none")
            paint.style(pen(GROUND, role, attributes))
    if colours != "none":
        assert paint.style(pen(BID)) != paint.style(pen(ASK))
        assert paint.style(pen(UP)) != paint.style(pen(UP, attributes=OLD))
        assert paint.style(pen(UP, attributes=OLD)) == paint.style(pen(UP, attributes=OLD))
