"""The console's screen at the three sizes: what it says, that nothing moves, and every key."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import Static

from engine.errors import EngineUnreachable, SettingsInvalid
from tests.tradetui.fake_engine import FakeEngine, alert, health, market
from tradetui import link as link_module
from tradetui.app import ConsoleApp, share
from tradetui.cli.console import arguments, console, farewell
from tradetui.client import Client, connect
from tradetui.keymap import KEYS
from tradetui.link import Link
from tradetui.panes.rows import Rows
from tradetui.places import Places, places
from tradetui.render import cells
from tradetui.screens.dialogs import Confirm, Help

SIZES = [(80, 24), (120, 40), (200, 60)]
EVIL = "[bold red]x[/] \x1b[31mred\x07 \u202eabc"


@pytest.fixture
def here(tmp_path: Path) -> Places:
    return places("default", {"HOME": str(tmp_path)})


@pytest.fixture(autouse=True)
def launched(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    calls: list[list[str]] = []

    async def attach(at: Places, name: str, given: list[str], waiting: Callable[[str], None]) -> tuple[Client, bool]:
        try:
            return await connect(at, name), False
        except EngineUnreachable:
            calls.append(given)
            waiting("starting engine")
            while True:
                with contextlib.suppress(EngineUnreachable):
                    return await connect(at, name), True
                await asyncio.sleep(0.02)

    monkeypatch.setattr(link_module, "attach", attach)
    return calls


class Shown:
    """A console on the screen."""

    def __init__(self, app: ConsoleApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def screen(self) -> list[str]:
        """What is on the screen, line by line, as it is composed of the widgets."""
        screen = self.app.screen_stack[0]
        return [strip.text for strip in screen._compositor.render_strips()]

    @property
    def text(self) -> str:
        return "\n".join(self.screen)

    async def sees(self, text: str, within_s: float = 6.0) -> None:
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            if text in self.text:
                return
            await self.pilot.pause(0.05)
        raise AssertionError(f"{text!r} is not on the screen:\n{self.text}")

    def rows(self, name: str) -> list[str]:
        return self.app.screen_stack[0].query_one(f"#{name}", Rows).plain


@contextlib.asynccontextmanager
async def shown(
    here: Places, size: tuple[int, int] = (120, 40), given: list[str] | None = None
) -> AsyncIterator[Shown]:
    app = ConsoleApp(Link(here, given or [], pauses=(0.2, 0.4)))
    async with app.run_test(size=size) as pilot:
        yield Shown(app, pilot)


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_on_the_screen(here: Places, size: tuple[int, int]) -> None:
    async with FakeEngine(here) as engine:
        engine.states["markets"] = [
            market(),
            market("binanceusdm:BTC/USDT:USDT", last=61000.5, last_sell=True, tick=0.1),
        ]
        engine.states["alerts"] = [alert(1), alert(2, active=False, healed=time.time_ns(), severity="warning")]
        engine.event("hello")
        async with shown(here, size) as console_:
            await console_.sees("2,683.61")
            await console_.sees("hello")
            await console_.sees("FEED_DOWN")
            lines = console_.screen
            assert len(lines) == size[1]
            assert {cell_len(line) for line in lines} == {size[0]}
            for word in (
                "live",
                "not built",
                "healthy",
                "4711",
                "1/1",
                "gaps 0",
                "1234567",
                "\u25b2",
                "\u25bc",
                "-1.25",
                "0.04",
                "active",
                "try 2 in 1 s",
                "nothing, if it heals",
                "detach",
                "freeze",
            ):
                assert word in console_.text, word
            assert "BTC/USDT:USDT" in console_.text
            regions = [w.region for w in console_.app.screen.query(Rows) if w.display]
            whole = console_.app.screen.region
            assert all(whole.contains_region(region) for region in regions)
            assert sum(region.area for region in regions) == whole.area, "they overlap, or leave holes"


@pytest.mark.parametrize("size", SIZES)
async def test_nothing_moves_when_numbers_change(here: Places, size: tuple[int, int]) -> None:
    columns = []
    async with FakeEngine(here) as engine, shown(here, size) as console_:
        await console_.sees("2,683.61")
        for row, fared in (
            (market(), health()),
            (market(best_bid=99999.99, best_ask=100000.0, last=100000.0, change_24h_pct=None, age_ms=59_000.0), health(
                seq=98765432, state="degraded")),
            (market(best_bid=None, best_ask=None, last=None, live=False, age_ms=None), health(seq=1, state="starting")),
            (market(best_bid=1.0, best_ask=1.01, last=0.5, last_sell=None, age_ms=1e9), health(seq=0)),
        ):  # fmt: skip
            engine.states |= {"markets": [row], "health": fared}
            seq = fared.seq
            await console_.sees(f"seq {seq} " if size[0] > 100 else f"#{cells.count(seq, 7)} ")
            await console_.pilot.pause(0.4)
            status = console_.rows("status")[0]
            line = console_.rows("markets")[1]
            assert cell_len(line) <= size[0]
            columns.append((status.index("4711"), status.index("gaps"), status.index("1/1"), status.index("Z")))
            assert " nan" not in line
    assert len(set(columns)) == 1, columns


async def test_old_numbers_say_so(here: Places) -> None:
    async with FakeEngine(here) as engine, shown(here) as console_:
        await console_.sees("healthy")
        engine.states["markets"] = [market(live=False, age_ms=42_000.0)]
        await console_.sees("NOT LIVE")
        await console_.sees("42s")
        grey = console_.app.query_one("#markets", Rows)._lines[1]
        assert grey.style == cells.STALE
        engine.states["markets"] = [market()]
        await console_.sees(" live ")
        await engine.stop("the engine is stopping")
        await console_.sees("engine gone since")
        await console_.sees("(pid 4711: the engine is stopping)")
        await console_.sees("start it with E")
        await console_.sees("GONE")
        await console_.sees("no news")
        for name, line in (("markets", 1), ("connections", 1)):
            assert console_.app.query_one(f"#{name}", Rows)._lines[line].style == cells.STALE
        engine.pid = 4712
        await engine.start()
        await console_.sees("new engine (pid 4712)")
        assert "engine gone since" not in "\n".join(console_.screen[:5])
        assert not console_.app.query_one("#banner", Static).display


async def test_a_stalled_engine(here: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "SILENT_S", 0.6)
    async with FakeEngine(here) as engine, shown(here) as console_:
        await console_.sees("healthy")
        engine.mute = True
        await console_.sees("engine (pid 4711) stalled: attached, but no news for")
        await console_.sees("STALLED")
        engine.mute = False
        await console_.sees("healthy")


async def test_starting_is_said(here: Places, launched: list[list[str]]) -> None:
    async with shown(here, given=["--debug"]) as console_:
        await console_.sees("starting engine of profile default")
        assert launched == [["--debug"]]
        async with FakeEngine(here):
            await console_.sees("started the engine (pid 4711)")


async def test_text_from_outside_is_inert(here: Places) -> None:
    async with FakeEngine(here) as engine:
        engine.states["alerts"] = [alert(1, text=EVIL, component=EVIL, doing=EVIL, suggestion=EVIL)]
        engine.states["markets"] = [market(EVIL)]
        engine.states["health"] = health(data=EVIL, trading=EVIL, state=EVIL)
        engine.event(EVIL)
        async with shown(here, (200, 60)) as console_:
            await console_.sees("[bold red]x[/] ?[31mred? ?abc")
            await engine.stop(EVIL)
            await console_.sees("engine gone since")
            for char in ("\x1b", "\x07", "\u202e"):
                assert char not in console_.text
            assert {cell_len(line) for line in console_.screen} == {200}


async def test_many_of_everything(here: Places) -> None:
    async with FakeEngine(here) as engine:
        engine.states["markets"] = [market(f"binance:COIN{i}/USDT") for i in range(60)]
        engine.states["alerts"] = [alert(i) for i in range(1, 300)]
        connection = engine.states["health"].connections[0]
        engine.states["health"] = health(connections=(connection,) * 20)
        for size in SIZES:
            async with shown(here, size) as console_:
                await console_.sees("more; there is no room for them")
                await console_.sees("alert 1 of 299")
                await console_.pilot.press("end")
                await console_.sees("alert 299 of 299")
                assert "\u25b8" in console_.text
                await console_.pilot.press("k", "up")
                await console_.sees("alert 297 of 299")
                await console_.pilot.press("home", "j", "down")
                await console_.sees("alert 3 of 299")
                assert {cell_len(line) for line in console_.screen} == {size[0]}


async def test_the_selection_stays_with_its_alert(here: Places) -> None:
    async with FakeEngine(here) as engine:
        engine.states["alerts"] = [alert(1), alert(2)]
        async with shown(here) as console_:
            await console_.sees("alert 1 of 2")
            await console_.pilot.press("j")
            await console_.sees("alert 2 of 2")
            engine.states["alerts"] = [alert(7), alert(1), alert(2)]
            engine.say("alerts")
            await console_.sees("alert 3 of 3")
            await console_.pilot.press("a")
            await console_.sees("acknowledged")
            assert engine.commands == [("acknowledge", {"alert": 2})]
            engine.states["alerts"] = []
            engine.say("alerts")
            await console_.sees("no alert")
            await console_.pilot.press("a", "j", "k")
            await console_.sees("there is no alert to acknowledge")


async def test_stopping_the_engine_asks_first(here: Places) -> None:
    async with FakeEngine(here) as engine, shown(here) as console_:
        await console_.sees("healthy")
        for answer in ("n", "enter", "escape", "q"):
            await console_.pilot.press("E")
            assert isinstance(console_.app.screen, Confirm)
            await console_.pilot.press(answer)
            assert len(console_.app.screen_stack) == 1
        assert engine.commands == []
        await console_.pilot.press("E", "y")
        await console_.sees("(pid 4711: stopped from this console)")
        assert [name for name, _ in engine.commands] == ["stop"]
        await engine.start()


async def test_starting_the_engine_asks_first(here: Places, launched: list[list[str]]) -> None:
    async with FakeEngine(here) as engine, shown(here) as console_:
        await console_.sees("healthy")
        await engine.stop()
        await console_.sees("engine gone")
        await console_.pilot.press("E", "enter")
        await console_.pilot.pause(0.6)
        assert launched == []
        await console_.pilot.press("E", "y")
        await console_.sees("starting engine")
        assert launched == [[]]
        await engine.start()
        await console_.sees("healthy")


async def test_an_engine_that_changes_while_the_question_stands_is_not_stopped(here: Places) -> None:
    async with FakeEngine(here) as engine, shown(here) as console_:
        await console_.sees("healthy")
        await console_.pilot.press("E")
        await engine.stop()
        engine.pid = 4712
        await engine.start()
        await console_.sees("new engine (pid 4712)")
        await console_.pilot.press("y")
        await console_.sees("not done: engine 4711 is gone")
        assert engine.commands == []


async def test_freezing_keeps_the_tables_and_not_the_truth(here: Places) -> None:
    async with FakeEngine(here) as engine, shown(here) as console_:
        await console_.sees("2,683.61")
        await console_.pilot.press("space")
        await console_.sees("FROZEN")
        engine.states["markets"] = [market(best_bid=1111.11)]
        await console_.pilot.pause(0.8)
        assert "2,683.61" in console_.text
        assert "1,111.11" not in console_.text
        await console_.pilot.resize_terminal(80, 24)
        await console_.sees("2,683.61")
        await console_.pilot.press("space")
        await console_.sees("1,111.11")
        assert "FROZEN" not in console_.text
        await console_.pilot.press("space")
        await engine.stop()
        await console_.sees("engine gone since")
        await console_.sees("no news")


async def test_help_explains_every_key_and_esc_leaves(here: Places) -> None:
    async with FakeEngine(here), shown(here, (80, 24)) as console_:
        await console_.sees("healthy")
        for leave in ("escape", "question_mark", "q"):
            await console_.pilot.press("question_mark")
            assert isinstance(console_.app.screen, Help)
            await console_.pilot.press(leave)
            assert len(console_.app.screen_stack) == 1
        await console_.pilot.resize_terminal(120, 50)
        await console_.pilot.press("question_mark")
        await console_.pilot.pause(0.3)
        drawn = "\n".join(strip.text for strip in console_.app.screen._compositor.render_strips())
        for key in KEYS:
            assert key.explained[:30] in drawn, key.shown


@pytest.mark.parametrize("size", [(79, 24), (80, 23), (10, 3), (1, 1)])
async def test_too_small(here: Places, size: tuple[int, int]) -> None:
    async with FakeEngine(here), shown(here) as console_:
        await console_.sees("healthy")
        await console_.pilot.press("E")
        await console_.pilot.resize_terminal(*size)
        await console_.pilot.pause(0.5)
        assert len(console_.app.screen_stack) == 1, "a question that cannot be read is not asked"
        assert "healthy" not in console_.text
        if size[0] > 40:
            assert "too small: need 80x24" in console_.text
        await console_.pilot.resize_terminal(80, 24)
        await console_.sees("healthy")
        await console_.sees("2,683.61")


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
async def test_leaving_does_nothing_to_the_engine(here: Places, key: str) -> None:
    async with FakeEngine(here) as engine:
        app = ConsoleApp(Link(here, []))
        async with app.run_test() as pilot:
            await Shown(app, pilot).sees("healthy")
            await pilot.press(key)
            await pilot.pause(0.2)
            assert not app.is_running or app._exit
        assert engine.commands == []
        assert farewell(app.link).startswith("detached; the engine (pid 4711) goes on: `tradetui` attaches again")


async def test_a_fault_of_the_screen_ends_it_without_a_traceback(
    here: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = ConsoleApp(Link(here, []))

    def broken() -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(app, "draw", broken)
    with pytest.raises(RuntimeError, match="ours"):
        async with app.run_test() as pilot:
            await pilot.pause(1.0)
    assert isinstance(app.fault, RuntimeError)
    assert "Traceback" not in "".join(capsys.readouterr())


async def test_only_changed_lines_are_drawn(here: Places) -> None:
    async with FakeEngine(here), shown(here) as console_:
        await console_.sees("healthy")
        await console_.pilot.pause(0.5)
        rows = {each.id: each for each in console_.app.screen.query(Rows)}
        before = {name: each.drawn for name, each in rows.items()}
        await console_.pilot.pause(1.1)
        drawn = {name: each.drawn - before[name] for name, each in rows.items()}
        assert drawn["footer"] == drawn["alerts"] == drawn["events"] == drawn["detail"] == 0, drawn
        assert drawn["status"] <= 6


def test_without_a_terminal() -> None:
    with pytest.raises(SettingsInvalid, match="the console needs a terminal; use `tradetui status`"):
        console("default", None, {}, symbols=[])


def test_what_an_engine_started_from_here_is_told(tmp_path: Path) -> None:
    flags: dict[str, object] = {
        "engine.record": "/tape", "parts.inference": None, "parts.training": False, "parts.trading": False,
        "log.level": "DEBUG",
    }  # fmt: skip
    told = arguments(Path("x.toml"), flags, ["binance:A/B", "C/D"])
    assert told == [
        "--config", str(Path("x.toml").absolute()), "--symbol", "binance:A/B", "--symbol", "C/D", "--record", "/tape",
        "--no-training", "--no-trading", "--debug",
    ]  # fmt: skip
    assert arguments(None, {"log.level": None, "engine.record": None}, []) == []


@pytest.mark.parametrize("height", range(24, 80))
def test_lines_are_shared_out(height: int) -> None:
    for markets in (0, 1, 2, 5, 100):
        for connections in (0, 1, 3, 50):
            top, middle, low = share(height, markets, connections)
            assert top >= 2
            assert middle >= 2
            assert height - 2 - 3 - 4 - top - middle - low >= 4, "alerts have no room"


def test_cells() -> None:
    assert cells.fit("abcdef", 4) == "abc\u2026"
    assert cells.fit("abcdef", 4, keep_end=True) == "\u2026def"
    assert cells.fit("ab", 4, right=True) == "  ab"
    assert cell_len(cells.fit("\u65e5\u672c\u8a9e\u65e5\u672c", 6)) == 6
    assert cells.fit("abc", 0) == ""
    assert cells.price(61826.01, 0.01, 11) == "61,826.01"
    assert cells.price(123456789.12, 0.01, 12) == "123456789.12"
    assert cells.price(0.00001234, 0.00000001, 10) == "0.00001234"
    assert cells.price(None, 0.01, 10) == "-"
    assert [cells.age(s) for s in (None, 0.2, 5.9, 99, 100, 5999, 6000, 359_999, 360_000, 1e12)] == [
        "-", "<1s", "5s", "99s", "1m", "99m", "1h", "99h", "4d", "999d",
    ]  # fmt: skip
    assert [cells.uptime(s) for s in (-1, 0, 59, 754, 11_040, 183_600, 86_400 * 4000)] == [
        "0s", "0s", "59s", "12m34s", "3h04m", "2d03h", "4000d",
    ]  # fmt: skip
    assert [cells.count(n, 7) for n in (0, 1234567, 12345678, 10**12)] == ["0", "1234567", "12345k", "1000G"]
    assert cells.clock(0) == "00:00:00Z"
    assert cells.clock(10**30) == "00:00:00Z"
    assert cells.clock(0, 86_400 * 10**9) == "1970-01-01"
