"""Dialogs, the line of input and the palette, in an app that has nothing else."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest
from rich.style import Style
from textual import _wait
from textual.app import App, ComposeResult
from textual.containers import Container
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input, OptionList, Static

import themes
from themes.palette import catalogue, load, names
from tradetui.console.arguments import Known
from tradetui.console.guide import WORDS, guide
from tradetui.console.keymap import KEYS, WHERE
from tradetui.console.palette import ConsoleCommands, Palette
from tradetui.console.prompt import COMMANDS
from tradetui.console.render.look import Look
from tradetui.console.screens.command_line import CommandLine
from tradetui.console.screens.dialogs import Choice, Confirm, Dialog, Help, Leave, Told
from tradetui.console.screens.jump import Jump
from tradetui.console.screens.theme import ThemePicker, textual_theme

EVIL = "[bold red]x[/] [@click=app.exit]y[/] \x1b[31mred\x07 \u202eabc"
KNOWN = Known(("binance:ETH/USDT", "binance:BTC/USDT"), ("desk", "quad"), ("colour-safe", "light"))
STYLE = Path(themes.__file__).with_name("console.tcss")


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Textual's pilot looks four times as often whether the app is idle."""
    monkeypatch.setattr(_wait, "SLEEP_GRANULARITY", _wait.SLEEP_GRANULARITY / 4)
    monkeypatch.setattr(_wait, "SLEEP_IDLE", _wait.SLEEP_IDLE / 4)


class Pane(Static, can_focus=True):
    KIND = "chart"

    def action_crosshair(self) -> None:
        self.app.done.append("crosshair")  # type: ignore[attr-defined]


class Host(App[None]):
    CSS_PATH: ClassVar = [STYLE]
    CSS = "#body { layout: vertical; } #pane { height: 1fr; } #event { height: 1; }"
    COMMANDS: ClassVar = {ConsoleCommands}

    def __init__(self, *, look: Look = Look(), theme: str = "colour-safe", known: Known = KNOWN) -> None:  # noqa: B008
        super().__init__()
        self.animation_level = "none"
        self.look = look
        self.keys = KEYS
        self.done: list[object] = []
        self.line = CommandLine(lambda: known, self.line_entered, self.line_changed, self.line_closed)
        self.told = known
        self._first = theme

    def compose(self) -> ComposeResult:
        with Container(id="body"):
            yield Pane("desk", id="pane")
            yield Static(id="event")
            yield self.line

    def on_mount(self) -> None:
        self.set_class(self.look.ascii, "ascii")
        self.paint(self._first)
        self.line.display = False
        self.query_one(Pane).focus()

    def paint(self, name: str) -> None:
        theme = textual_theme(load(name), self.look)
        self.register_theme(theme)
        self.theme = theme.name

    def action_theme(self, steps: int) -> None:
        self.done.append(("theme", steps))

    @property
    def focused_pane(self) -> Pane:
        return self.screen_stack[0].query_one(Pane)

    def known(self) -> Known:
        return self.told

    def enter(self, line: str) -> None:
        self.done.append(line)

    def begin_line(self, prefix: str, text: str) -> None:
        self.line.display = True
        self.line.begin(prefix, text)
        self.line.focus_line()

    def line_entered(self, prefix: str, text: str) -> None:
        self.done.append((prefix, text))

    def line_changed(self, prefix: str, text: str) -> None:
        self.done.append(f"{prefix}{text}~")

    def line_closed(self) -> None:
        self.line.display = False
        self.query_one(Pane).focus()


class Shown:
    def __init__(self, app: Host, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot
        self.answers: list[object] = []

    @property
    def lines(self) -> list[str]:
        return [strip.text for strip in self.app.screen._compositor.render_strips()]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    async def becomes(self, fact: Callable[[], object]) -> None:
        until = time.monotonic() + 30
        while not fact():
            assert time.monotonic() < until, self.text
            await self.pilot.pause(0.02)

    async def push(self, screen: Screen[Any]) -> None:
        self.app.push_screen(screen, self.answers.append)
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str, *keys: str) -> None:
        self.app.screen.query_one(Input).insert_text_at_cursor(text)
        await self.pilot.pause()
        await self.press(*keys)

    async def click(self, text: str) -> None:
        choice = next(each for each in self.app.screen.query(Choice) if text in each._text)
        await self.pilot.click(choice)
        await self.pilot.pause()


@contextlib.asynccontextmanager
async def shown(size: tuple[int, int] = (80, 24), **options: Any) -> AsyncIterator[Shown]:
    app = Host(**options)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield Shown(app, pilot)


DIALOGS: dict[str, Callable[[], Dialog[Any]]] = {
    "confirm": lambda: Confirm(f"Stop the engine ({EVIL})?", f"It goes.\n\nOptions: {EVIL}"),
    "leave": lambda: Leave(4711, "default", ("console (pid 12)", EVIL)),
    "leave replay": lambda: Leave(4711, "default/12", replay=True),
    "leave nothing": lambda: Leave(0, "default"),
    "told": lambda: Told(f"FEED_DOWN {EVIL}", [f"{EVIL} " * 8] * 40),
    "help": lambda: Help(("table", "alerts"), replay=True),
    "themes": lambda: ThemePicker(catalogue()[0], "colour-safe", lambda name: None),
}


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_a_dialog_fits_and_esc_leaves_it(size: tuple[int, int]) -> None:
    async with shown(size) as on:
        for name, make in DIALOGS.items():
            await on.push(make())
            screen = on.app.screen
            assert isinstance(screen, Dialog)
            box = screen.query_one(".box")
            assert screen.region.contains_region(box.region), name
            for choice in screen.query(Choice):
                assert box.region.contains_region(choice.region), (name, choice._text)
                assert choice.region.height, (name, choice._text)
            assert "\x1b" not in on.text
            if "x[/]" in str(vars(screen)):
                assert "[bold red]x[/]" in on.text, "what came from outside is shown as it is"
            await on.press("escape")
            assert not isinstance(on.app.screen, Dialog), name
            assert on.answers.pop() in (None, False)


async def test_nothing_but_ascii() -> None:
    async with shown(look=Look("16", ascii=True)) as on:
        for name, make in DIALOGS.items():
            await on.push(make())
            assert on.text.isascii(), (name, {char for char in on.text if not char.isascii()})
            await on.press("escape")


@pytest.mark.parametrize("colours", ["truecolor", "16", "none"])
async def test_text_of_a_dialog_stands_out(colours: str) -> None:
    async with shown(look=Look(colours)) as on:
        await on.push(DIALOGS["leave"]())
        for name in names():
            on.app.paint(name)
            await on.pilot.pause()
            seen = [segment for strip in on.app.screen._compositor.render_strips() for segment in strip]
            same = [each.text for each in seen if each.text.strip() and each.style and _flat(each.style)]
            assert not same, name


def _flat(style: Style) -> bool:
    return style.color is not None and style.color == style.bgcolor


async def test_confirm() -> None:
    keys = {"y": True, "n": False, "enter": False, "escape": False, "q": False, "ctrl+c": False}
    async with shown() as on:
        for key, answer in keys.items():
            await on.push(Confirm("Sure?", "It happens."))
            await on.press("x", "Y")
            assert on.answers == [], "only y means yes"
            await on.press(key)
            assert on.answers.pop() is answer


@pytest.mark.parametrize("consequence", ["", "It happens.", "It happens for a reason, in detail. " * 15])
async def test_a_question_has_no_rows_for_nothing(consequence: str) -> None:
    async with shown((120, 40)) as on:
        await on.push(Confirm("Sure?", consequence))
        box = on.app.screen.query_one(".box").region
        inside = [line[box.x + 1 : box.right - 1].strip() for line in on.lines[box.y + 1 : box.bottom - 1]]
        assert not any(one == other == "" for one, other in pairwise(inside)), on.text


async def test_the_mouse_doubles_the_keys() -> None:
    async with shown() as on:
        for text, answer in (("yes", True), ("no", False)):
            await on.push(Confirm("Sure?", "It happens."))
            await on.click(text)
            assert on.answers.pop() is answer
        for text, said in (("detach", "detach"), ("stop the engine", "stop"), ("stay", None)):
            await on.push(Leave(4711, "default"))
            await on.click(text)
            assert on.answers.pop() == said
        await on.push(Confirm("Sure?", "It happens."))
        await on.pilot.click(offset=(0, 0))
        await on.pilot.pause()
        assert on.answers == [False], "a click beside the box does nothing"


async def test_leave() -> None:
    keys = {"enter": "detach", "d": "detach", "q": "detach", "ctrl+c": "detach", "s": "stop", "escape": None, "n": None}
    async with shown() as on:
        for key, answer in keys.items():
            await on.push(Leave(4711, "default", ("console (pid 12)",)))
            assert "pid 4711, profile default" in on.text
            assert "console (pid 12)" in on.text
            await on.press(key)
            assert on.answers.pop() == answer


async def test_leave_without_an_engine_stops_none() -> None:
    async with shown() as on:
        await on.push(Leave(0, "default"))
        assert "No engine is attached" in on.text
        await on.press("s")
        assert on.answers == []
        await on.press("enter")
        assert on.answers == ["detach"]


async def test_leave_says_what_becomes_of_a_replay() -> None:
    async with shown() as on:
        await on.push(Leave(4711, "default/1", replay=True))
        assert "the replay ends: nobody looks on any more" in on.text
        await on.press("escape")
        await on.push(Leave(4711, "default/1", ("console (pid 12)",), replay=True))
        assert "it goes on for the others" in on.text
        assert "for all of them" in on.text


async def test_told_scrolls() -> None:
    async with shown() as on:
        await on.push(Told("title", [f"line {number}" for number in range(60)]))
        assert "line 0" in on.text
        assert "line 59" not in on.text
        await on.press("end")
        assert "line 59" in on.text


# Help. --------------------------------------------------------------------------------------------------------------


def test_the_guide_says_everything_once() -> None:
    sections = guide(("table", "alerts"), replay=True)
    titles = [section.title for section in sections]
    assert titles[:6] == [
        "Tables: the pane in focus", "Alerts: the pane in focus", "In a replay", "Everywhere", "Words on the screen",
        "Commands, behind :",
    ]  # fmt: skip
    rows = [row for section in sections for row in section.rows]
    assert len(rows) == len(KEYS) + len(COMMANDS) + len(WORDS)
    assert len(set(titles)) == len(titles)
    assert guide()[0].title == WHERE["everywhere"]


def test_the_guide_is_of_the_keys_as_they_hold() -> None:
    table = tuple(key._replace(shown="w") if key.id == "zoom" else key for key in KEYS)
    assert ("w", next(key.explained for key in KEYS if key.id == "zoom")) in guide((), table)[0].rows


def test_the_guide_narrowed() -> None:
    sections = guide(("chart",), narrow=" CROSSHAIR")
    assert sections
    assert all("crosshair" in " ".join(row).lower() for section in sections for row in section.rows)
    assert guide(narrow="no such word") == []


async def test_help_is_narrowed_as_one_types() -> None:
    async with shown() as on:
        await on.push(Help(("chart",)))
        assert "Charts: the pane in focus" in on.text
        assert "FROZEN" not in on.text
        await on.press("slash")
        await on.type("frozen")
        assert "FROZEN" in on.text
        assert "one bar back" not in on.text
        await on.type("zzz")
        assert "nothing has this text" in on.text
        await on.press("escape")
        assert on.answers == [None]
        await on.push(Help(narrow="heikin"))
        assert "Heikin-Ashi" in on.text
        await on.press("q")
        assert on.answers == [None, None]


# Themes, jump. ------------------------------------------------------------------------------------------------------


async def test_themes_are_shown_at_once_and_taken_back() -> None:
    async with shown() as on:
        painted: list[str] = []

        def preview(name: str) -> None:
            painted.append(name)
            on.app.paint(name)

        palettes = catalogue()[0]
        listed = names()
        await on.push(ThemePicker(palettes, "colour-safe", preview))
        assert painted == []
        await on.press("down", "j")
        assert painted == listed[1:3]
        assert on.app.theme == f"tradetui-{listed[2]}"
        await on.press("escape")
        assert painted[-1] == "colour-safe"
        assert on.answers == [None]
        await on.push(ThemePicker(palettes, "light", preview))
        assert on.app.screen.query_one(OptionList).highlighted == listed.index("light")
        await on.press("down", "enter")
        assert on.answers[-1] == painted[-1] == listed[listed.index("light") + 1]


async def test_jump() -> None:
    async with shown() as on:
        for key, answer in {"a": "chart1", "S": "chart2", "x": None, "escape": None}.items():
            await on.push(Jump({"a": "chart1", "s": "chart2"}))
            await on.press(key)
            assert on.answers.pop() == answer
        assert on.app.done == []


# The line. ----------------------------------------------------------------------------------------------------------


async def open_line(on: Shown, prefix: str = ":", text: str = "") -> None:
    on.app.begin_line(prefix, text)
    await on.pilot.pause()
    on.app.done.clear()


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_command(size: tuple[int, int]) -> None:
    async with shown(size) as on:
        await open_line(on)
        assert on.lines[-1].startswith(":")
        assert "esc leaves" in on.lines[-2], "what can be done is said above it"
        await on.type("eth 1m", "enter")
        assert on.app.done[-1] == (":", "eth 1m")
        assert not on.app.line.open
        assert on.app.focused is on.app.query_one(Pane)


async def test_keys_of_the_desk_are_text_in_it() -> None:
    async with shown() as on:
        await open_line(on)
        await on.press("c", "q", "question_mark", "space", "E")
        assert on.app.line.query_one(Input).value == "cq? E"


async def test_a_wrong_command_stays_and_is_told() -> None:
    async with shown() as on:
        await open_line(on)
        await on.type("theme lite", "enter")
        assert on.app.line.open
        assert not any(isinstance(done, tuple) for done in on.app.done)
        assert "did you mean `theme light`?" in on.lines[-2]
        assert on.app.line.query_one(".said").has_class("wrong")
        await on.press("backspace")
        assert not on.app.line.query_one(".said").has_class("wrong")
        await on.press("backspace", "backspace")
        await on.type("ight", "enter")
        assert on.app.done[-1] == (":", "theme light")


async def test_completion() -> None:
    async with shown() as on:
        await open_line(on)
        line = on.app.line.query_one(Input)
        await on.type("th")
        assert "theme" in on.lines[-1], "what tab would make of it is shown"
        await on.press("tab")
        assert line.value == "theme"
        await on.press("space", "tab")
        assert line.value == "theme colour-safe"
        await on.press("tab")
        assert line.value == "theme light"
        await on.press("tab")
        assert line.value == "theme ", "and round again"
        await on.press("shift+tab")
        assert line.value == "theme light"
        on.app.begin_line(":", "lay")
        await on.pilot.pause()
        await on.press("right")
        assert line.value == "layout"


async def test_history() -> None:
    async with shown() as on:
        for text in ("eth", "5m", "eth"):
            await open_line(on)
            await on.type(text, "enter")
        await open_line(on)
        line = on.app.line.query_one(Input)
        await on.press("q", "up")
        assert line.value == "eth"
        await on.press("up", "up")
        assert line.value == "5m", "the oldest; a line entered twice is kept once"
        await on.press("down", "down")
        assert line.value == "q"
        await open_line(on, "/")
        await on.press("up")
        assert line.value == "", "a filter is no command"


async def test_a_filter_holds_as_one_types() -> None:
    async with shown() as on:
        await open_line(on, "/", "feed")
        await on.press("x", "backspace", "s")
        assert on.app.done == ["/feedx~", "/feed~", "/feeds~"]
        await on.press("escape")
        assert on.app.done[-1] == "/feed~", "esc takes it back"
        assert on.app.focused is on.app.query_one(Pane)
        await open_line(on, "/", "feed")
        await on.press("backspace", "backspace", "backspace", "backspace", "enter")
        assert on.app.done[-1] == ("/", ""), "an empty line is a filter, too"


async def test_esc_leaves_the_line() -> None:
    async with shown() as on:
        for key in ("escape", "ctrl+c"):
            await open_line(on)
            await on.type("stop", key)
            assert not on.app.line.open
            assert not any(isinstance(done, tuple) for done in on.app.done)
        await open_line(on)
        await on.press("enter")
        assert not on.app.line.open
        assert on.app.done == []


# The palette. -------------------------------------------------------------------------------------------------------


async def find(on: Shown, typed: str) -> None:
    on.app.push_screen(Palette())
    await on.becomes(lambda: isinstance(on.app.screen, Palette) and on.app.screen.query(Input))
    on.app.screen.query_one(Input).value = typed
    await found(on)


async def found(on: Shown) -> None:
    """Wait for the end of the search, and for what it has found to be shown."""
    await on.pilot.pause()
    await on.app.workers.wait_for_complete()
    await on.pilot.pause()


async def test_palette() -> None:
    async with shown((120, 40)) as on:
        on.app.push_screen(Palette())  # keys of the pane in focus come first
        await on.becomes(lambda: "crosshair, or the view, one bar back" in on.text)
        await on.press("escape")
        for typed, done in (
            ("crosshair on or off", "crosshair"), ("next theme", ("theme", 1)), ("theme light", "theme light"),
        ):  # fmt: skip
            await find(on, typed)
            await on.press("enter")
            await on.becomes(lambda done=done: on.app.done[-1:] == [done])
        await find(on, "theme")
        assert ":theme [NAME]" in on.text
        await on.press("escape")
        await find(on, "frames a second")
        await on.press("enter")
        await on.becomes(lambda: on.app.line.open)
        assert on.app.line.query_one(Input).value == "rate "


async def test_palette_in_ascii_and_inert() -> None:
    evil = Known((f"binance:{EVIL}/USDT",), ("desk",), ("light",))
    async with shown(look=Look("16", ascii=True), known=evil) as on:
        await find(on, "")
        assert on.text.isascii(), {char for char in on.text if not char.isascii()}
        on.app.screen.query_one(Input).value = "show"
        await found(on)
        assert "\x1b" not in on.text
        assert "[bold red]" in on.text
