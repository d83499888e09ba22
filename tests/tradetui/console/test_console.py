"""The console's screen at three sizes: what it says, what is old, what its keys and dialogs do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

from engine.errors import EngineUnreachable, SettingsInvalid
from engine.views import BarRow
from tests.tradetui.console.consoles import SIZES, Shown, console
from tests.tradetui.fake_engine import FakeEngine, alert, health, market
from tradetui.cli.console import arguments
from tradetui.cli.console import console as console_command
from tradetui.cli.screen import farewell
from tradetui.client import Client, connect
from tradetui.console import link as link_module
from tradetui.console import news as news_module
from tradetui.console.app import ConsoleApp
from tradetui.console.keymap import KEYS
from tradetui.console.layout import DIGITS, PRESETS
from tradetui.console.render.pens import OLD
from tradetui.console.screens.dialogs import Confirm, Help, Leave
from tradetui.console.view import Cross, View
from tradetui.places import Places, places

EVIL = "[bold red]x[/] \x1b[31mred\x07 \u202eabc"
ETH = "binance:ETH/USDT"
BTC = "binance:BTC/USDT"


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


def bar(minute: int, close: float = 2683.0) -> BarRow:
    return BarRow(minute * 60_000, 2680.0, 2690.0, 2670.0, close, 5.0, 3, 2.0, True, True, "stream")


def is_old(shown: Shown, name: str) -> bool:
    """Tell whether a pane's content is drawn as old."""
    frame = shown.pane(name)._frame
    assert frame is not None
    inside = frame.inside()
    written = inside.glyphs != " "
    return bool(written.any()) and bool((inside.pens[written] & OLD).all())


# What is on the screen. ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_on_the_screen(here: Places, size: tuple[int, int]) -> None:
    async with FakeEngine(here) as engine:
        engine.states["markets"] = [
            market(),
            market("binanceusdm:BTC/USDT:USDT", last=61000.5, last_sell=True, tick=0.1),
        ]
        engine.series["bars", ETH, "1m"] = [bar(minute) for minute in range(100)]
        async with console(here, size) as shown:
            await shown.sees("2,683.62")
            await shown.sees("healthy")
            await shown.sees("live \u25b8")
            assert "ETH/USDT 1m" in shown.text or " ETH 1m " in shown.text
            for word in ("LIVE", "? help", ": command", "q quit", "[ ]", "\u25b2", "\u25bc"):
                assert word in shown.text, word
            lines = shown.screen
            assert len(lines) == size[1]
            assert {cell_len(line) for line in lines} == {size[0]}


@pytest.mark.parametrize("size", SIZES)
async def test_somebody_who_has_read_nothing_finds_the_way(here: Places, size: tuple[int, int]) -> None:
    async with FakeEngine(here), console(here, size) as shown:
        await shown.sees("healthy")
        for hint in ("? help", "x symbol", "[ ] timeframe", "c crosshair", "+ - zoom", "q quit", ": command"):
            assert hint in shown.text, hint


async def test_the_mode_is_the_engines_word_alone(here: Places) -> None:
    async with FakeEngine(here) as engine, console(here) as shown:
        await shown.sees("LIVE")
        engine.states["health"] = health(data="replay")
        await shown.sees("REPLAY")
        engine.states["health"] = health(data="live", trading="paper")
        await shown.sees("PAPER")
        assert "REPLAY" not in shown.text
        await engine.stop()
        await shown.sees("GONE")
        assert " LIVE " not in shown.screen[0]


@pytest.mark.parametrize("size", SIZES)
async def test_nothing_moves_when_numbers_change(here: Places, size: tuple[int, int]) -> None:
    columns = []
    async with FakeEngine(here) as engine, console(here, size) as shown:
        await shown.sees("2,683.62")
        for number, (row, fared) in enumerate((
            (market(), health()),
            (market(best_bid=99999.99, best_ask=100000.0, last=100000.0, change_24h_pct=None, age_ms=59_000.0),
             health(seq=98765432, state="degraded")),
            (market(best_bid=None, best_ask=None, last=None, live=False, age_ms=None), health(seq=1, state="starting")),
            (market(best_bid=1.0, best_ask=1.01, last=0.5, last_sell=None, age_ms=1e9), health(seq=0)),
        )):  # fmt: skip
            engine.states |= {"markets": [row], "health": fared}
            await shown.sees(fared.state)
            await shown.pilot.pause(0.4)
            line = shown.screen[0]
            assert " nan" not in line, number
            columns.append((line.index("ETH"), line.index("Z") if size[0] > 100 else len(line.rstrip())))
    assert len(set(columns)) == 1, columns


async def test_old_numbers_say_so(here: Places) -> None:
    async with FakeEngine(here) as engine:
        engine.series["bars", ETH, "1m"] = [bar(minute) for minute in range(50)]
        async with console(here, (200, 60)) as shown:
            await shown.sees("live \u25b8")
            await shown.becomes(lambda: not is_old(shown, "chart2"))
            engine.states["markets"] = [market(live=False, age_ms=42_000.0)]
            await shown.sees("BOOK NOT LIVE 42s")
            await shown.sees("NOT LIVE")
            assert is_old(shown, "chart2")
            engine.states["markets"] = [market()]
            await shown.misses("NOT LIVE", of="chart2")
            await shown.misses("NOT LIVE", of="markets")
            assert not is_old(shown, "chart2")
            connection = engine.states["health"].connections[0]
            import msgspec

            down = msgspec.structs.replace(connection, up=False, age_ms=7000.0, doing="try 3 in 4 s")
            engine.states["health"] = health(connections=(down,), state="degraded")
            await shown.sees("FEED DOWN 7s")
            assert is_old(shown, "chart2")
            await engine.stop("the engine is stopping")
            await shown.sees("engine gone since")
            await shown.sees("start it with E")
            await shown.sees("NO ENGINE")
            assert is_old(shown, "chart2")
            engine.states["health"] = health()
            engine.pid = 4712
            await engine.start()
            await shown.sees("new engine (pid 4712)")
            await shown.misses("engine gone since")
            await shown.misses("NO ENGINE")
            assert not is_old(shown, "chart2")


async def test_a_stalled_engine(here: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news_module, "SILENT_S", 0.6)
    async with FakeEngine(here) as engine, console(here) as shown:
        await shown.sees("healthy")
        engine.mute = True
        await shown.sees("engine (pid 4711) stalled: attached, but no news for")
        await shown.sees("STALLED")
        engine.mute = False
        await shown.sees("healthy")
        await shown.misses("STALLED")


async def test_starting_is_said(here: Places, launched: list[list[str]]) -> None:
    async with console(here, given=["--debug"]) as shown:
        await shown.sees("starting engine of profile default")
        assert launched == [["--debug"]]
        async with FakeEngine(here):
            await shown.sees("started the engine (pid 4711)")


async def test_without_network_it_says_what_it_tries_and_how_to_replay(here: Places) -> None:
    import msgspec

    async with FakeEngine(here) as engine:
        connection = msgspec.structs.replace(
            health().connections[0], up=False, age_ms=None, reason="connection refused", doing="try 4 in 7 s"
        )
        engine.states |= {"markets": [], "health": health(state="starting", connections=(connection,), instruments=())}
        for size in SIZES:
            async with console(here, size) as shown:
                await shown.sees("try 4 in 7 s")
                await shown.sees("connection refused")
                await shown.sees("tradetui --replay")


@pytest.mark.parametrize("size", SIZES)
async def test_text_from_outside_is_inert(here: Places, size: tuple[int, int]) -> None:
    async with FakeEngine(here) as engine:
        engine.states["alerts"] = [alert(1, text=EVIL, component=EVIL, doing=EVIL, suggestion=EVIL)]
        engine.states["markets"] = [market(EVIL)]
        engine.states["health"] = health(data=EVIL, trading=EVIL, state=EVIL, why=(EVIL,))
        engine.event(EVIL)
        async with console(here, size, view=View(preset="engine", pane="alerts")) as shown:
            await shown.sees("[bold red]x[/] ?[31mred? ?abc")
            await shown.press("enter")
            await shown.pilot.pause(0.2)
            await shown.press("escape", "colon", *"show \u202ex", "enter")
            await shown.pilot.pause(0.2)
            await shown.press("escape")
            await engine.stop(EVIL)
            await shown.sees("engine gone since")
            for char in ("\x1b", "\x07", "\u202e"):
                assert char not in shown.text
            assert {cell_len(line) for line in shown.screen} == {size[0]}


async def test_many_of_everything(here: Places) -> None:
    async with FakeEngine(here) as engine:
        engine.states["markets"] = [market(f"binance:COIN{i}/USDT") for i in range(60)]
        engine.states["alerts"] = [alert(i) for i in range(1, 300)]
        connection = engine.states["health"].connections[0]
        engine.states["health"] = health(connections=(connection,) * 20)
        for size in SIZES:
            async with console(here, size, view=View(pane="alerts")) as shown:
                await shown.sees("FEED_DOWN")
                await shown.press("end", "home", "pagedown", "j", "k", "5", "end", "home", "6", "end")
                for name in ("alerts", "markets", "system"):
                    assert shown.pane(name).fault == ""
                assert {cell_len(line) for line in shown.screen} == {size[0]}


# Keys, dialogs, lines. ----------------------------------------------------------------------------------------------


async def test_stopping_the_engine_asks_first(here: Places) -> None:
    async with FakeEngine(here) as engine, console(here) as shown:
        await shown.sees("healthy")
        for answer in ("n", "enter", "escape", "q"):
            await shown.press("E")
            assert isinstance(shown.app.screen, Confirm)
            await shown.press(answer)
            assert len(shown.app.screen_stack) == 1
        assert engine.commands == []
        await shown.press("E", "y")
        await shown.sees("(pid 4711: stopped from this console)")
        assert [name for name, _ in engine.commands] == ["stop"]
        await engine.start()


async def test_starting_the_engine_asks_first(here: Places, launched: list[list[str]]) -> None:
    async with FakeEngine(here) as engine, console(here) as shown:
        await shown.sees("healthy")
        await engine.stop()
        await shown.sees("engine gone")
        await shown.press("E", "enter")
        await shown.pilot.pause(0.6)
        assert launched == []
        await shown.press("E", "y")
        await shown.sees("starting engine")
        assert launched == [[]]
        await engine.start()
        await shown.sees("healthy")


async def test_an_engine_that_changes_while_the_question_stands_is_not_stopped(here: Places) -> None:
    async with FakeEngine(here) as engine, console(here, (200, 60)) as shown:
        await shown.sees("healthy")
        await shown.press("E")
        await engine.stop()
        engine.pid = 4712
        await engine.start()
        await shown.becomes(lambda: shown.app.link.attached and shown.app.link.pid == 4712)
        await shown.press("y")
        await shown.sees("not done: engine 4711 is gone")
        assert engine.commands == []


async def test_acknowledging_is_told_whatever_comes_of_it(here: Places) -> None:
    async with FakeEngine(here) as engine:
        engine.states["alerts"] = [alert(1), alert(2, acknowledged=True)]
        async with console(here, (200, 60), view=View(preset="engine", pane="alerts")) as shown:
            await shown.sees("FEED_DOWN")
            await shown.press("a")
            await shown.sees("FEED_DOWN binance1 acknowledged")
            assert engine.commands == [("acknowledge", {"alert": 1})]
            engine.denies.add("acknowledge")
            await shown.press("a")
            await shown.sees("not done: it cannot be done")
            await engine.stop()
            await shown.sees("engine gone since")
            await shown.press("a")
            await shown.sees("not done: no engine is attached")


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
async def test_leaving_asks_detach_or_stop(here: Places, key: str) -> None:
    async with FakeEngine(here) as engine:
        async with console(here) as shown:
            await shown.sees("healthy")
            await shown.press(key)
            assert isinstance(shown.app.screen, Leave)
            await shown.sees("stop the engine")
            await shown.press("escape")
            assert len(shown.app.screen_stack) == 1
            await shown.press(key, "d")
            await shown.becomes(lambda: shown.app._exit)
        assert engine.commands == []
        assert farewell(shown.app.link).startswith("detached; the engine (pid 4711) goes on: `tradetui` attaches again")
        async with console(here) as shown:
            await shown.sees("healthy")
            await shown.press(key, "s")
            await shown.becomes(lambda: shown.app._exit)
        assert [name for name, _ in engine.commands] == ["stop"]
        await engine.start()


async def test_leaving_without_an_engine_asks_nothing(here: Places) -> None:
    async with console(here) as shown:
        await shown.sees("starting engine")
        await shown.press("q")
        await shown.becomes(lambda: shown.app._exit)


async def test_freezing_keeps_the_screen_and_not_the_truth(here: Places) -> None:
    async with FakeEngine(here) as engine, console(here, (200, 60)) as shown:
        await shown.sees("2,683.62")
        await shown.press("space")
        await shown.sees("FROZEN")
        engine.states["markets"] = [market(last=1111.11)]
        await shown.pilot.pause(0.8)
        assert "2,683.62" in shown.text
        assert "1,111.11" not in shown.text
        await shown.resize(120, 40)
        await shown.sees("2,683.62")
        assert all("FROZEN" in shown.lines(name)[0] for name in ("chart2", "markets", "heat"))
        await shown.press("space")
        await shown.sees("1,111.11")
        assert "FROZEN" not in shown.text
        await shown.press("space")
        await engine.stop()
        await shown.sees("engine gone since")
        await shown.sees("NO ENGINE")


async def test_esc_leaves_every_dialog_and_line(here: Places) -> None:
    async with FakeEngine(here), console(here) as shown:
        await shown.sees("healthy")
        for keys in (["question_mark"], ["q"], ["E"], ["grave_accent"], ["ctrl+p"], ["colon", *"theme", "enter"],
                     ["colon", *"keys", "enter"], ["colon"], ["slash"], ["colon", *"nonsense", "enter"]):  # fmt: skip
            await shown.press(*keys)
            await shown.becomes(lambda: len(shown.app.screen_stack) > 1 or shown.app.command_line.open)
            await shown.press("escape")
            await shown.becomes(lambda: len(shown.app.screen_stack) == 1)
            assert not shown.app.command_line.open, keys
            await shown.becomes(lambda: shown.app.screen.focused is shown.app.focused_pane)


async def test_help_tells_the_pane_in_focus_first_and_every_key(here: Places) -> None:
    async with FakeEngine(here), console(here, (120, 40)) as shown:
        await shown.sees("healthy")
        await shown.press("2", "question_mark")
        assert isinstance(shown.app.screen, Help)
        await shown.sees("Heat map and ladder")
        told = ""
        for _ in range(12):
            told += shown.text
            await shown.press("pagedown")
        flat = " ".join(told.split())
        for key in KEYS:
            assert key.explained[:24] in flat, key.id


async def test_the_command_line(here: Places) -> None:
    async with FakeEngine(here) as engine, console(here, (120, 40)) as shown:
        engine.states["markets"] = [market(), market(BTC)]
        await shown.sees("BTC")

        async def enter(line: str) -> None:
            await shown.press("colon", *(" " if char == " " else char for char in line), "enter")

        view = shown.app.desk.view
        await enter("btc 5m")
        await shown.becomes(lambda: (view.symbol, shown.app.desk.chart.timeframe) == (BTC, "5m"))
        shown.app.enter("layout book")
        assert view.preset == "book"
        shown.app.enter("theme light")
        assert view.theme == "light"
        shown.app.enter("metric imbalance")
        assert view.heat.metric == "imbalance"
        shown.app.enter("rate 2")
        assert view.rate == 2
        shown.app.enter("alerts")
        assert view.pane == "alerts"
        shown.app.enter("log debug")
        await shown.becomes(lambda: engine.commands)
        assert engine.commands == [("log_level", {"level": "debug"})]
        await enter("them light")
        await shown.sees("did you mean")
        assert shown.app.command_line.open, "a line that is wrong stays to be mended"
        await shown.press("escape")
        assert engine.commands == [("log_level", {"level": "debug"})]


@pytest.mark.parametrize(("burst", "preset"), [(":layout book\r", "book"), (":theme light\r", "desk")])
async def test_a_line_that_comes_in_one_burst_goes_into_the_line(here: Places, burst: str, preset: str) -> None:
    """As it comes of a paste, a macro, or `tmux send-keys`: no key of it may act on a pane."""
    async with FakeEngine(here), console(here) as shown:
        await shown.sees("healthy")
        shown.burst(burst)
        view = shown.app.desk.view
        theme = "light" if "light" in burst else "colour-safe"
        await shown.becomes(lambda: (view.preset, view.theme) == (preset, theme))
        await shown.becomes(lambda: not shown.app.command_line.open)
        assert not shown.app.desk.frozen, "the blank froze the screen"


BURSTS = [
    (":layout book\r:theme light\r", {"preset": "book", "theme": "light"}),
    (":layout book\r:layout quad\r", {"preset": "quad"}),
    (":theme light\r6", {"theme": "light", "pane": "system"}),
    (":nonsense\r:theme light\r", {"theme": "light"}),
    (":theme light\rz", {"theme": "light", "zoomed": True}),
]


@pytest.mark.parametrize(("burst", "wanted"), BURSTS)
async def test_what_follows_a_line_in_one_burst_is_done_after_it(
    here: Places, burst: str, wanted: dict[str, object]
) -> None:
    async with FakeEngine(here), console(here) as shown:
        await shown.sees("healthy")
        shown.burst(burst)
        view = shown.app.desk.view
        await shown.becomes(lambda: {name: getattr(view, name) for name in wanted} == wanted)
        await shown.becomes(lambda: not shown.app.command_line.open)


async def test_a_filter_narrows_as_it_is_typed_and_esc_takes_it_back(here: Places) -> None:
    async with FakeEngine(here) as engine:
        engine.states["alerts"] = [alert(1), alert(2, code="GAP", component="other")]
        async with console(here, view=View(preset="engine", pane="alerts")) as shown:
            await shown.sees("GAP")
            await shown.press("slash", *"gap")
            await shown.misses("FEED_DOWN")
            assert "GAP" in shown.text
            await shown.press("escape")
            await shown.sees("FEED_DOWN")
            await shown.press("slash", *"gap", "enter")
            await shown.misses("FEED_DOWN")
            assert shown.app.desk.view.filters == {"alerts": "gap"}
            await shown.press("escape")
            await shown.sees("FEED_DOWN")


async def test_jumping(here: Places) -> None:
    async with FakeEngine(here), console(here, (200, 60)) as shown:
        await shown.sees("healthy")
        await shown.press("grave_accent")
        letters = dict(shown.app.desk.letters)
        assert set(letters) == set(shown.app.visible_panes())
        await shown.sees(f" {letters['tape']} ")
        await shown.press(letters["tape"])
        await shown.becomes(lambda: shown.app.desk.view.pane == "tape")
        assert shown.app.desk.letters == {}


async def test_digits_tab_zoom_and_fold(here: Places) -> None:
    async with FakeEngine(here), console(here, (80, 24)) as shown:
        await shown.sees("healthy")
        for digit, name in DIGITS.items():
            await shown.press(digit)
            assert shown.app.desk.view.pane == name
            assert name in shown.boxes
            assert shown.pane(name).has_focus
        await shown.press("1")
        chart = shown.app.desk.view.chart
        await shown.press("1")
        assert shown.app.desk.view.chart == (chart + 1) % 4, "again: the next chart"
        await shown.press("z")
        assert set(shown.boxes) == {"status", "tabs", "event", "footer", shown.app.desk.view.pane}
        await shown.press("escape")
        assert "ladder" in shown.boxes
        await shown.resize(200, 60)
        await shown.press("2", "m")
        assert shown.boxes["heat"].height == 1
        await shown.press("m")
        assert shown.boxes["heat"].height > 5
        seen = []
        for _ in shown.app.visible_panes():
            await shown.press("tab")
            seen.append(shown.app.desk.view.pane)
        assert sorted(seen) == sorted(shown.app.visible_panes())
        await shown.press("shift+tab")
        assert shown.app.desk.view.pane == seen[-2]


async def test_layouts_themes_symbols_timeframes(here: Places) -> None:
    async with FakeEngine(here) as engine, console(here, (200, 60)) as shown:
        engine.states["markets"] = [market(), market(BTC, last=61000.0)]
        await shown.sees("BTC")
        view = shown.app.desk.view
        seen = []
        for _ in PRESETS:
            await shown.press("p")
            seen.append(view.preset)
            assert view.pane in shown.boxes
        assert sorted(seen) == sorted(PRESETS)
        before = shown.app.desk.paint
        await shown.press("t")
        assert shown.app.desk.paint is not before
        view.cross = Cross(ms=1)
        await shown.press("1", "x")
        assert shown.app.desk.symbol == BTC
        assert view.cross is None, "a crosshair of another instrument means nothing here"
        frame = shown.app.desk.chart.timeframe
        await shown.press("right_square_bracket")
        assert shown.app.desk.chart.timeframe != frame
        for _ in range(9):
            await shown.press("right_square_bracket")
        assert shown.app.desk.chart.timeframe == "1d"


async def test_a_theme_that_cannot_be_read_is_passed_over(here: Places, tmp_path: Path) -> None:
    (tmp_path / "aaa.toml").write_text("colours = 5")
    (tmp_path / "mine.toml").write_text('like = "light"\n')
    async with FakeEngine(here), console(here) as shown:
        await shown.sees("healthy")
        shown.app.acts.own_themes = tmp_path
        seen = []
        for _ in range(7):
            await shown.press("t")
            seen.append(shown.app.desk.view.theme)
        assert "mine" in seen
        assert seen[-1] == "colour-safe", "it goes round"
        shown.app.enter("theme aaa")
        await shown.sees("aaa.toml")
        assert shown.app.desk.view.theme == "colour-safe"


@pytest.mark.parametrize("size", [(79, 24), (80, 23), (10, 3), (200, 1), (1, 1)])
async def test_too_small(here: Places, size: tuple[int, int]) -> None:
    async with FakeEngine(here), console(here) as shown:
        await shown.sees("healthy")
        await shown.press("E")
        await shown.resize(*size)
        await shown.becomes(lambda: len(shown.app.screen_stack) == 1)  # a question that cannot be read is not asked
        await shown.misses("healthy")
        if size[0] > 40 and size[1] > 1:
            await shown.sees("too small: need 80x24")
        await shown.resize(80, 24)
        await shown.sees("healthy")
        await shown.sees("2,683.62")


# What is kept. ------------------------------------------------------------------------------------------------------


async def test_the_view_is_there_again(here: Places, tmp_path: Path) -> None:
    kept = tmp_path / "console.json"
    async with FakeEngine(here) as engine:
        engine.states["markets"] = [market(), market(BTC)]
        async with console(here, (200, 60), memory=kept) as shown:
            await shown.sees("BTC")
            await shown.press("x", "p", "y", "t", "2", "s", "1", "s", "m")
            view = shown.app.desk.view
        async with console(here, (200, 60), memory=kept) as shown:
            await shown.sees("BTC")
            assert shown.app.desk.view == view
            assert shown.app.desk.symbol == BTC
            assert shown.pane(view.pane).has_focus


async def test_the_view_is_kept_while_it_runs(here: Places, tmp_path: Path) -> None:
    kept = tmp_path / "console.json"
    async with FakeEngine(here), console(here, memory=kept) as shown:
        await shown.sees("healthy")
        await shown.press("p")
        await shown.becomes(lambda: kept.exists() and b'"preset":"quad"' in kept.read_bytes())


# Faults. ------------------------------------------------------------------------------------------------------------


async def test_a_pane_that_fails_takes_nobody_with_it(here: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeEngine(here) as engine:
        engine.series["bars", ETH, "1m"] = [bar(minute, 2675.0 + minute % 10) for minute in range(90)]
        async with console(here, (200, 60)) as shown:
            await shown.sees("live \u25b8")
            chart = shown.pane("chart2")

            def broken(_frame: object) -> None:
                raise ZeroDivisionError("ours")

            monkeypatch.setattr(chart, "draw", broken)
            engine.series["bars", ETH, "1m"].append(bar(91))
            engine.say("bars", ETH, "1m")
            await shown.sees("cannot be drawn: ZeroDivisionError: ours")
            assert "FAILED" in shown.lines("chart2")[0]
            assert any(line.strip("\u2502\u2503 ") for line in shown.lines("chart2")[3:-1]), "no line of closes"
            monkeypatch.undo()
            engine.series["bars", ETH, "1m"].append(bar(92))
            engine.say("bars", ETH, "1m")
            await shown.misses("cannot be drawn")


async def test_a_fault_of_the_screen_ends_it_without_a_traceback(
    here: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_app: ConsoleApp) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(ConsoleApp, "_tick", broken)
    fault: BaseException | None = None
    try:
        async with console(here) as shown:
            await shown.becomes(lambda: shown.app.fault)
    except RuntimeError as error:
        fault = error
    assert str(fault) == "ours"
    assert shown.app.fault is fault
    assert "Traceback" not in "".join(capsys.readouterr())


async def test_nothing_is_sent_for_what_has_not_changed(here: Places) -> None:
    async with FakeEngine(here) as engine:
        engine.series["bars", ETH, "1m"] = [bar(minute) for minute in range(90)]
        async with console(here, (200, 60)) as shown:
            await shown.sees("live \u25b8")
            link = shown.app.link
            await shown.becomes(lambda: all(link.fresh(topic) for topic in ("health", "markets", "alerts")))
            await shown.pilot.pause(1.0)
            before = {name: shown.pane(name).drawn for name in ("chart1", "chart2", "heat", "tape", "alerts", "footer")}
            await shown.pilot.pause(1.2)
            assert before == {name: shown.pane(name).drawn for name in before}


def test_without_a_terminal() -> None:
    with pytest.raises(SettingsInvalid, match="the console needs a terminal; use `tradetui status`"):
        console_command("default", None, {}, symbols=[])


def test_what_an_engine_started_from_here_is_told() -> None:
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
