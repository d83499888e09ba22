"""Lists on a screen: the cursor stays with its row, keys and mouse reach it, and what is sent is what has changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from engine.ports import Entry
from engine.types import SECOND
from tests.support.emulator import EmulatedDriver, differing, rendered, shown
from tests.tradetui.console.told import ALERTS, EVIL, NOW, Told, fit, playing, troubled
from tests.tradetui.fake_engine import market
from tradetui.console.news import Phase
from tradetui.console.panes import table
from tradetui.console.panes.alerts import Acknowledge, AlertsPane
from tradetui.console.panes.events import EventsPane
from tradetui.console.panes.lines import BannerPane, EventLine, Footer, ReplayLine, StatusLine, TabLine
from tradetui.console.panes.markets import MarketsPane
from tradetui.console.panes.pane import Pane
from tradetui.console.panes.system import SystemPane, ToggleEngine
from tradetui.console.panes.table import TablePane
from tradetui.console.render.look import COLOURS, Look

GOLDENS = Path(__file__).with_name("goldens")
PANES = (MarketsPane, AlertsPane, EventsPane, SystemPane)
LINES = (StatusLine, TabLine, BannerPane, EventLine, Footer)


class Screen(App[None]):
    """Some panes above each other, drawn when they are told to."""

    CSS = "Pane { height: 1fr; width: 1fr; } Line { height: 1; } BannerPane { height: 4; }"

    def __init__(self, told: Told, *kinds: type[Any], **options: Any) -> None:
        look = told.desk.look
        super().__init__(ansi_color=look.colours in ("16", "none"), **options)
        self.told = told
        self.panes: list[Pane] = [kind(told.desk) for kind in kinds]
        self.heard: list[object] = []
        self.acknowledged: list[int] = []
        told.desk.changed = self.tick

    def compose(self) -> ComposeResult:
        yield from self.panes

    def tick(self) -> None:
        for pane in self.panes:
            pane.tick()

    def on_told(self, message: table.Told) -> None:
        self.heard.append((message.title, dict(message.lines)))

    def on_acknowledge(self, message: Acknowledge) -> None:
        self.acknowledged.append(message.alert.id)

    def on_toggle_engine(self, message: ToggleEngine) -> None:
        self.heard.append(message)


@asynccontextmanager
async def on_screen(
    told: Told, *kinds: type[Any], size: tuple[int, int] = (100, 12)
) -> AsyncIterator[tuple[Screen, Pilot[None]]]:
    app = Screen(told, *kinds)
    async with app.run_test(size=size) as pilot:
        app.panes[-1].focus()
        await pilot.pause()
        app.tick()
        yield app, pilot


def cursor(pane: Pane) -> str:
    """Return the row that the cursor is on."""
    return next((line[2:].strip() for line in pane.plain if "\u25b8" in line), "")


def many(number: int) -> list[Any]:
    return [market(f"binance:COIN{i}/USDT") for i in range(number)]


# What they look like. -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(38, 10), (80, 24), (118, 12), (200, 30)], ids=lambda size: "x".join(map(str, size)))
@pytest.mark.parametrize("kind", PANES)
async def test_text(kind: type[TablePane], size: tuple[int, int], golden: Callable[[Path, str], None]) -> None:
    told = Told().attached(fit(state="degraded", why=("FEED_DOWN binanceusdm/public: cannot connect: refused",)))
    told.entries(
        Entry(cursor=1, ts=NOW - 86_400 * SECOND, seq=0, kind="start", text="tradetui 0.1.0, pid 4711"),
        Entry(cursor=2, ts=NOW - 60 * SECOND, seq=9, kind="alert", change="raised", alert=ALERTS[0]),
        Entry(cursor=3, ts=NOW - 10 * SECOND, seq=9, kind="alert", change="healed", alert=ALERTS[1]),
    )
    told.link.say("attached to the engine (pid 4711)")
    async with on_screen(told, kind, size=size) as (app, _):
        (pane,) = app.panes
        assert not pane.fault
        assert {len(line) for line in pane.plain} == {size[0]}
        text = "\n".join(line.rstrip() for line in pane.plain) + "\n"
        golden(GOLDENS / f"{pane.id}-{size[0]}x{size[1]}.txt", text)


@pytest.mark.parametrize("colours", COLOURS)
async def test_ascii_has_no_other_character(colours: str) -> None:
    told = Told(Look(colours, ascii=True)).attached(fit(data="replay"), replay=playing())
    async with on_screen(told, *LINES, *PANES, size=(120, 60)) as (app, _):
        for pane in app.panes:
            assert not pane.fault
            assert "".join(pane.plain).isascii()
        text = "\n".join(app.panes[5].plain)
        assert "v-1.25%" in text
        assert "^+0.42%" in text


async def test_text_from_outside_is_inert() -> None:
    told = Told().attached(
        fit(why=(EVIL,), state=EVIL, data=EVIL, trading=EVIL), [market(EVIL)],
        [troubled(1, text=EVIL, component=EVIL, doing=EVIL, suggestion=EVIL, code=EVIL)],
    )  # fmt: skip
    told.entries(Entry(cursor=1, ts=NOW, seq=0, kind=EVIL, text=EVIL))
    told.desk.view.filters = {"markets": "\x1b[31m"}
    async with on_screen(told, *LINES, *PANES, size=(120, 60)) as (app, _):
        text = "".join("".join(pane.plain) for pane in app.panes)
        assert "[bold red]x[/]" in text
        for char in ("\x1b", "\x07", "\u202e", "\u65e5"):
            assert char not in text


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (12, 4), (38, 60), (300, 5)])
async def test_any_size(size: tuple[int, int]) -> None:
    for told in (
        Told(),
        Told().attached(),
        Told().attached(markets=many(200), alerts=[troubled(i) for i in range(300)]),
    ):
        for kind in (*PANES, *LINES):
            app = Screen(told, kind)
            async with app.run_test(size=size):
                app.tick()
                assert not app.panes[0].fault


async def test_changed_runs_make_the_same_screen_as_a_full_render() -> None:
    told = Told().attached(markets=many(20))
    app = Screen(told, *LINES, *PANES, driver_class=EmulatedDriver)
    async with app.run_test(headless=False, size=(110, 50)) as pilot:
        for step in range(20):
            told.seconds += 0.25 if step < 16 else 2
            rows = [
                msgspec.structs.replace(row, last=2000.0 + step, live=bool(step % 7)) for row in many(20 + step % 3)
            ]
            told.state("markets", rows)
            if step < 16:
                told.state("health", fit(seq=step, state="degraded" if step % 5 else "healthy"))
            told.state("alerts", [troubled(i, active=bool((i + step) % 3)) for i in range(1 + step % 9)])
            if step % 6 == 0:
                told.link.say(f"step {step}")
            if step == 12:
                await pilot.resize_terminal(90, 44)
                driver = app._driver
                assert isinstance(driver, EmulatedDriver)
                driver.resized(90, 44)
            if step % 4 == 0:
                app.panes[5 + step % 3].focus()
                await pilot.press("down")
            app.tick()
            await pilot.pause()
            assert not differing(shown(app), rendered(app)), step
            assert not any(pane.fault for pane in app.panes)


async def test_nothing_is_drawn_when_nothing_is_new() -> None:
    told = Told().attached()
    async with on_screen(told, *LINES, *PANES, size=(120, 60)) as (app, pilot):
        await pilot.pause()
        app.tick()
        before = [pane.drawn for pane in app.panes]
        for _ in range(3):
            told.seconds += 0.2
            app.tick()
        assert [pane.drawn for pane in app.panes] == before
        told.state("markets", [*told.link.markets[:1], msgspec.structs.replace(told.link.markets[1], last=61000.62)])
        told.state("markets", [told.link.markets[0], told.link.markets[1]])
        app.panes[5].tick()
        told.state("markets", [told.link.markets[0], msgspec.structs.replace(told.link.markets[1], last=61000.63)])
        sent = app.panes[5].drawn
        app.panes[5].tick()
        assert 0 < app.panes[5].drawn - sent <= 4, "one digit has changed"


# The cursor. --------------------------------------------------------------------------------------------------------


async def test_the_cursor_stays_with_its_row() -> None:
    told = Told().attached(alerts=[troubled(1), troubled(2)])
    async with on_screen(told, AlertsPane) as (app, pilot):
        (pane,) = app.panes
        assert "binance1" in cursor(pane)
        told.state("alerts", [troubled(7, severity="critical"), troubled(1), troubled(2)])
        app.tick()
        assert "binance7" in cursor(pane), "nobody has moved it: it is on the worst"
        await pilot.press("j", "j")
        assert "binance2" in cursor(pane)
        told.state(
            "alerts", [troubled(9, severity="critical"), troubled(7, severity="critical"), troubled(2), troubled(1)]
        )
        app.tick()
        assert "binance2" in cursor(pane)
        told.state("alerts", [troubled(1)])
        app.tick()
        assert "binance1" in cursor(pane)
        told.state("alerts", [])
        app.tick()
        assert cursor(pane) == ""
        assert "no alert: nothing was wrong so far" in "".join(pane.plain)
        await pilot.press("j", "k", "home", "end", "enter", "pagedown")


async def test_keys_go_through_many_rows() -> None:
    told = Told().attached(markets=many(60))
    async with on_screen(told, MarketsPane, size=(100, 12)) as (app, pilot):
        (pane,) = app.panes
        for keys, coin in (
            (("end",), 59), (("up", "k"), 57), (("home",), 0), (("j", "down"), 2), (("pagedown",), 10),
            (("pagedown", "pageup", "up"), 9), (("home", "up"), 0), (("end", "down"), 59),
        ):  # fmt: skip
            await pilot.press(*keys)
            assert f"COIN{coin}/USDT" in cursor(pane), keys
        assert "COIN59/USDT" in pane.plain[-2], "the last row is the last line"


async def test_the_mouse_chooses_uses_and_scrolls() -> None:
    told = Told().attached(markets=many(60))
    async with on_screen(told, MarketsPane, size=(100, 12)) as (app, pilot):
        (pane,) = app.panes
        assert isinstance(pane, MarketsPane)
        await pilot.click(pane, offset=(20, 4))
        assert "COIN2/USDT" in cursor(pane)
        await pilot.click(pane, offset=(20, 5), times=2)
        assert told.desk.view.symbol == "binance:COIN3/USDT"
        await pilot._post_mouse_events([table.events.MouseScrollDown], pane, offset=(20, 5))
        assert "COIN3/USDT" in pane.plain[2]
        assert "COIN3/USDT" in cursor(pane)
        await pilot._post_mouse_events([table.events.MouseScrollDown], pane, offset=(20, 5))
        assert "COIN6/USDT" in cursor(pane), "it stays in sight"
        await pilot._post_mouse_events([table.events.MouseScrollUp] * 5, pane, offset=(20, 5))
        assert "COIN0/USDT" in pane.plain[2]
        await pilot.click(pane, offset=(20, 1))
        await pilot.click(pane, offset=(20, 0))
        assert cursor(pane)


async def test_a_filter_shows_what_it_hides() -> None:
    told = Told().attached(markets=[*many(11), market("kraken:ETH/EUR")])
    async with on_screen(told, MarketsPane) as (app, pilot):
        (pane,) = app.panes
        told.desk.view.filters["markets"] = "KRAKEN"
        app.tick()
        assert "Markets /KRAKEN 1 of 12" in pane.plain[0]
        assert "ETH/EUR" in cursor(pane)
        assert "COIN" not in "".join(pane.plain)
        await pilot.press("enter")
        assert told.desk.symbol == "kraken:ETH/EUR"
        told.desk.view.filters["markets"] = "nothing"
        app.tick()
        assert "no row holds 'nothing'" in "".join(pane.plain)
        assert "0 of 12" in pane.plain[0]
        await pilot.press("enter", "j")


# Markets. -----------------------------------------------------------------------------------------------------------


async def test_enter_puts_an_instrument_on_the_desk() -> None:
    told = Told().attached()
    told.desk.view.charts[0].low = 1.0
    async with on_screen(told, MarketsPane) as (app, pilot):
        (pane,) = app.panes
        assert "\u25cf" in pane.plain[2]
        await pilot.press("j", "enter")
        assert told.desk.symbol == "binance:BTC/USDT"
        assert "\u25cf" in pane.plain[3]
        assert "\u25cf" not in pane.plain[2]
        assert told.desk.view.charts[0].low is None, "a scale of another instrument's prices"
        assert "2 of 4 live" in pane.plain[0]


async def test_a_list_says_what_it_waits_for() -> None:
    told = Told()
    async with on_screen(told, *PANES, size=(100, 40)) as (app, _):
        texts = ["".join(pane.plain) for pane in app.panes]
        assert "no engine is attached (E starts one)" in texts[0]
        assert "not known: no engine is attached" in texts[1]
        assert "nothing happened yet" in texts[2]
        assert "looking" in texts[3]
        told.attached(markets=[], alerts=[])
        app.tick()
        assert "no instrument yet" in "".join(app.panes[0].plain)


# Alerts. ------------------------------------------------------------------------------------------------------------


async def test_which_alerts_are_listed() -> None:
    told = Told().attached()
    view = told.desk.view.alerts
    async with on_screen(told, AlertsPane) as (app, pilot):
        (pane,) = app.panes
        assert "\u25a0 1 critical" in pane.plain[0]
        for severity, hidden in (("warning", "CLIENT_SLOW"), ("error", "BOOK_OUT"), ("critical", "FEED_DOWN")):
            await pilot.press("s")
            assert view.severity == severity
            assert f"from {severity}" in pane.plain[0]
            assert hidden not in "".join(pane.plain)
        await pilot.press("s", "d")
        assert (view.severity, view.active) == ("info", True)
        assert "TRADES_MISSED" not in "".join(pane.plain)
        told.state("alerts", [ALERTS[1]])
        app.tick()
        assert "no alert from info up that is active" in "".join(pane.plain)
        assert "nothing is wrong" in pane.plain[0]


async def test_a_tall_pane_tells_of_the_chosen_alert_and_enter_tells_all() -> None:
    told = Told().attached()
    async with on_screen(told, AlertsPane, size=(100, 16)) as (app, pilot):
        (pane,) = app.panes
        assert "it ended 5 times in a minute" in "".join(pane.plain)
        await pilot.press("j")
        assert "you    nothing, if it heals" in "".join(pane.plain)
        await pilot.resize_terminal(100, 8)
        app.tick()
        assert "nothing, if it heals" not in "".join(pane.plain)
        await pilot.press("enter")
        await pilot.pause()
        ((title, lines),) = app.heard  # type: ignore[misc]
        assert title == "FEED_DOWN binanceusdm/public"
        assert lines["you"] == "nothing, if it heals"


async def test_acknowledging_is_asked_of_the_app_once() -> None:
    told = Told().attached(alerts=[troubled(1), troubled(2, acknowledged=True)])
    async with on_screen(told, AlertsPane) as (app, pilot):
        await pilot.press("a")
        await pilot.pause()
        assert app.acknowledged == [1]
        await pilot.press("j", "a")
        assert app.acknowledged == [1]
        assert "is acknowledged already" in told.link.notes[-1].text
        told.state("alerts", [])
        await pilot.press("a")
        assert told.link.notes[-1].text == "there is no alert to acknowledge"


# Events. ------------------------------------------------------------------------------------------------------------


async def test_the_newest_event_is_followed_until_the_cursor_moves_up() -> None:
    told = Told().attached()
    told.entries(*(Entry(cursor=i, ts=NOW - 99 + i, seq=0, kind="start", text=f"event {i}") for i in range(1, 41)))
    async with on_screen(told, EventsPane) as (app, pilot):
        (pane,) = app.panes
        assert cursor(pane).split("\u2503")[0].strip().endswith("event 40")
        told.link.say("newest")
        app.tick()
        assert "newest" in cursor(pane)
        await pilot.press("k")
        assert "event 40" in cursor(pane)
        told.link.say("newer still")
        app.tick()
        assert "event 40" in cursor(pane)
        assert "2 newer (end)" in pane.plain[0]
        await pilot.press("end")
        told.link.say("the last")
        app.tick()
        assert "the last" in cursor(pane)
        await pilot.press("enter")
        await pilot.pause()
        assert app.heard == [("Event", {"when": "2024-08-05 12:00:00Z", "who": "console", "what": "the last"})]


async def test_the_line_of_events_tells_what_a_key_did_on_a_frozen_screen() -> None:
    told = Told().attached()
    async with on_screen(told, EventLine, EventsPane) as (app, _):
        told.desk.freeze(True)
        told.link.say("acknowledged")
        app.tick()
        assert "acknowledged" in app.panes[0].plain[0]
        assert "acknowledged" not in "".join(app.panes[1].plain)


# System. ------------------------------------------------------------------------------------------------------------


async def test_headings_cannot_be_chosen_and_the_engine_is_toggled() -> None:
    told = Told().attached()
    async with on_screen(told, SystemPane, size=(100, 40)) as (app, pilot):
        (pane,) = app.panes
        assert isinstance(pane, SystemPane)
        seen = []
        for _ in range(60):
            item = pane.item
            assert item is not None
            assert not item.head
            seen.append(item.id)
            if item.id == ("process", "engine"):
                await pilot.press("enter")
            pane.action_row(1)
        assert len(set(seen)) == sum(not row.head for row in pane.items())
        await pilot.pause()
        assert [type(message) for message in app.heard] == [ToggleEngine]
        await pilot.press("enter")
        await pilot.pause()
        assert app.heard[-1][0] == "System"  # type: ignore[index]


async def test_all_of_a_long_list_can_be_reached_in_a_small_pane() -> None:
    told = Told().attached()
    async with on_screen(told, SystemPane, size=(38, 10)) as (app, pilot):
        (pane,) = app.panes
        assert isinstance(pane, SystemPane)
        text = ""
        for _ in range(60):
            text += "".join(pane.plain)
            pane.action_row(1)
        for word in ("feeds", "connection", "latency", "requests", "consol", "this console", "sends"):
            assert word in text, word
        await pilot.press("home")
        assert "healthy" in pane.plain[1]


async def test_a_wide_pane_has_two_columns() -> None:
    told = Told().attached()
    async with on_screen(told, SystemPane, size=(200, 30)) as (app, pilot):
        (pane,) = app.panes
        assert "healthy" in pane.plain[1][:100]
        assert pane.plain[1][100:].split()[0] == "part"
        await pilot.click(pane, offset=(120, 3))
        assert "\u25b8" in pane.plain[3][100:]
        await pilot.press("home")
        assert "\u25b8" in pane.plain[1][:5]
        told.desk.view.filters["system"] = "refused"
        app.tick()
        text = "\n".join(pane.plain)
        assert "connection" in text, "the heading of what was found"
        assert "latency" not in text


async def test_what_the_console_costs_is_told_when_it_is_measured() -> None:
    told = Told().attached()
    async with on_screen(told, StatusLine, SystemPane, size=(200, 40)) as (app, _):
        assert "not measured" in "".join(app.panes[1].plain)

        class Meter:
            lag_ms = 312.4
            kilobytes_s = 41.7

        told.desk.meter = Meter()  # type: ignore[assignment, attr-defined, unused-ignore]
        app.tick()
        assert "312 ms late" in "".join(app.panes[1].plain)
        assert "42 kB/s" in "".join(app.panes[0].plain)


# Lines. -------------------------------------------------------------------------------------------------------------


async def test_lines_follow_the_pane_in_focus() -> None:
    told = Told().attached()
    async with on_screen(told, TabLine, Footer, MarketsPane, AlertsPane, size=(120, 30)) as (app, pilot):
        tabs, footer = app.panes[:2]
        assert "[7 Alerts]" in tabs.plain[0]
        assert "a acknowledge" in footer.plain[0]
        app.panes[2].focus()
        await pilot.pause()
        app.tick()
        assert "[5 Markets]" in tabs.plain[0]
        assert "acknowledge" not in footer.plain[0]


async def test_a_replay_has_a_line_of_its_own() -> None:
    told = Told().attached()
    told.state("replay", playing())
    async with on_screen(told, TabLine, ReplayLine, MarketsPane, size=(120, 30)) as (app, _):
        tabs, replay = app.panes[:2]
        assert "[5 Markets]" in tabs.plain[0]
        assert "plays 10x" in replay.plain[0]


async def test_lines_take_no_focus() -> None:
    told = Told().attached()
    async with on_screen(told, *LINES, MarketsPane, size=(120, 30)) as (app, pilot):
        for _ in range(4):
            await pilot.press("tab")
            assert app.focused is app.panes[-1]


async def test_a_banner_says_how_many_lines_it_needs() -> None:
    told = Told().attached()
    banner = BannerPane(told.desk)
    assert banner.lines(80) == 0
    told.gone()
    async with on_screen(told, BannerPane) as (app, _):
        (shown_,) = app.panes
        assert isinstance(shown_, BannerPane)
        assert shown_.lines(100) == 2
        assert "engine gone since" in shown_.plain[0]
        assert "looking again in 4 s" in shown_.plain[1]
        told.seconds += 1
        app.tick()
        assert "looking again in 3 s" in shown_.plain[1]
        told.link.phase = Phase.STARTING
        app.tick()
        assert "starting engine" in shown_.plain[0]
