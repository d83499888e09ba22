"""The chart pane: whatever is pressed the view stays one of what there is, and what is shown is said truly."""

from __future__ import annotations

from math import inf
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.app import App, ComposeResult
from textual.events import MouseScrollUp
from textual.geometry import Size

from engine.views import BarRow
from tests.tradetui.console.render.rows import CRASH, MINUTE, crash, row
from tests.tradetui.fake_engine import health, market
from themes.palette import load
from tradetui.console.desk import Desk
from tradetui.console.keymap import KEYS
from tradetui.console.link import Link
from tradetui.console.news import Phase, Want
from tradetui.console.panes.chart import ChartPane
from tradetui.console.panes.paint import Paint
from tradetui.console.render.look import Look
from tradetui.console.render.pens import OLD
from tradetui.console.view import TIMEFRAMES, Cross, View
from tradetui.places import places

ETH = "binance:ETH/USDT"
HELD = ("1m", "5m", "15m", "1h", "4h", "1d")

bars: dict[str, list[BarRow]] = {}


@pytest.fixture(scope="module", autouse=True)
def recorded(recordings_root_path: Path) -> None:
    for timeframe in HELD:
        bars[timeframe] = crash(recordings_root_path, timeframe)


def desk(look: Look = Look(), *, known: bool = True) -> Desk:  # noqa: B008
    """A desk attached to an engine that has told of the crash."""
    link = Link(places("default", {"HOME": "/nowhere"}), [], monotonic=lambda: 10.0, wall=lambda: CRASH * 10**6)
    link.phase, link.health, link.markets = Phase.ATTACHED, health(), [market(ETH)]
    link._heard |= {Want("health"): 10.0, Want("markets"): 10.0}
    for timeframe in HELD if known else ():
        link.candles(ETH, timeframe).take(bars[timeframe])
    view = View(symbol=ETH)
    for chart, timeframe in zip(view.charts, ("1m", "5m", "1h", "1d"), strict=True):
        chart.timeframe = timeframe
    return Desk(link, view, look, Paint(load("colour-safe"), look))


class Sized(ChartPane):
    """A pane without an app, of a given size."""

    def __init__(self, on: Desk, number: int = 1, size: tuple[int, int] = (80, 24)) -> None:
        super().__init__(on, number)
        self.of = Size(*size)

    @property
    def size(self) -> Size:
        return self.of

    def act(self, action: str) -> None:
        name, _, argument = action.partition("(")
        getattr(self, f"action_{name}")(*((int(argument.rstrip(")")),) if argument else ()))

    def lines(self) -> list[str]:
        self.version()
        drawn = self.frame(*self.of)
        assert not self.fault, self.fault
        return drawn.lines()


def corner(pane: Sized) -> str:
    """What stands at the end of the time axis."""
    return pane.lines()[-2][1:-1].rpartition("   ")[2].strip()


# The keys. ----------------------------------------------------------------------------------------------------------

ACTIONS = sorted({key.action for key in KEYS if key.where == "chart"})


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(ACTIONS) | st.sampled_from(["bar", "sync", "timeframe", "other"]), max_size=40),
    st.sampled_from([(80, 24), (30, 9), (14, 5), (160, 50), (3, 3)]),
)
def test_any_keys_keep_the_view_valid_and_the_crosshair_in_sight(presses: list[str], size: tuple[int, int]) -> None:
    on = desk()
    panes = [Sized(on, number, size) for number in (1, 2, 3, 4)]
    pane, minute = panes[0], CRASH
    for press in presses:
        match press:
            case "bar":
                on.news.candles(ETH, "1m").take([row(minute, (2300, 2310, 2290, 2295), closed=False)])
                minute += MINUTE * 3
            case "sync":
                on.view.sync = not on.view.sync
            case "timeframe":
                chart = pane.chart
                chart.timeframe = HELD[(HELD.index(chart.timeframe) + 1) % len(HELD)]
            case "other":
                pane = panes[(panes.index(pane) + 1) % 4]
            case _:
                pane.act(press)
        for each in panes:
            each.lines()
            sight = each.sight()
            assert sight is not None
            view = sight.view
            assert 0 <= view.first <= view.last < len(sight.slots)
            assert view.last >= min(view.room, len(sight.slots)) - 1, "there is more to show on the left"
            assert -inf < sight.scale.bottom < sight.scale.top < inf
            assert each.chart.end is None or 0 <= each.chart.end < sight.slots.end_ms[-1]
            if sight.cross is not None:
                assert view.first <= sight.cross.slot <= view.last
        if on.view.cross is not None and on.view.cross.chart == panes.index(pane) and "timeframe" not in presses:
            sight = pane.sight()
            assert sight is not None
            assert sight.cross is not None, "its own crosshair is in sight"


@pytest.mark.parametrize("actions", [(), ("crosshair", "move(-3)"), ("page(-1)",), ("heikin", "closer(-1)", "scale")])
def test_where_only_ascii_may_be_sent_every_character_has_a_stand_in(actions: tuple[str, ...]) -> None:
    pane = Sized(desk(Look("none", ascii=True)))
    for action in actions:
        pane.act(action)
    text = "".join(pane.lines())
    assert text.isascii()
    assert "?" not in text


@pytest.mark.parametrize("action", ACTIONS)
def test_every_key_of_a_chart_has_its_action_and_does_nothing_without_bars(action: str) -> None:
    on = desk(known=False)
    pane = Sized(on)
    pane.act(action)
    assert any("no 1m bars of binance:ETH/USDT yet" in line for line in pane.lines())


def test_a_step_back_moves_every_candle_by_one_column_and_end_comes_back() -> None:
    pane = Sized(desk())
    live = [line[1:69] for line in pane.lines()[1:-2]]
    assert corner(pane) == "live \u25b8"
    pane.act("stretch(1)")
    held = [line[1:69] for line in pane.lines()[1:15]]
    pane.act("move(-1)")
    assert [line[2:67] for line in pane.lines()[1:15]] == [line[:65] for line in held]
    assert corner(pane) == "\u25c2 1 bar back \u00b7 end: newest"
    pane.act("move(-1)")
    assert corner(pane) == "\u25c2 2 bars back \u00b7 end: newest"
    pane.act("live")
    pane.act("autoscale")
    assert [line[1:69] for line in pane.lines()[1:-2]] == live
    assert pane.chart.end is None


def test_oldest_and_pages_end_where_the_bars_do() -> None:
    pane = Sized(desk())
    pane.act("oldest")
    sight = pane.sight()
    assert sight is not None
    assert sight.view.first == 0
    for _ in range(40):
        pane.act("page(1)")
    assert pane.chart.end is None
    for _ in range(40):
        pane.act("page(-1)")
    assert pane.sight().view == sight.view  # type: ignore[union-attr]


def test_new_bars_do_not_move_a_view_of_the_past() -> None:
    on = desk()
    pane = Sized(on)
    pane.act("page(-1)")
    before = pane.lines()
    on.news.candles(ETH, "1m").take([row(CRASH + place * MINUTE, (2300, 2310, 2290, 2295)) for place in range(3)])
    after = pane.lines()
    assert [line[1:69] for line in after[1:-2]] == [line[1:69] for line in before[1:-2]]
    assert "69 bars back" in after[-2]


def test_the_crosshair_holds_on_to_the_close_until_its_price_is_moved() -> None:
    pane = Sized(desk())
    pane.act("crosshair")
    pane.act("move(-20)")
    sight, cross = pane.sight(), pane.desk.view.cross
    assert sight is not None
    assert sight.cross is not None
    assert cross is not None
    assert sight.cross.price == sight.slots.ohlc[len(sight.slots) - 21, 3]
    pane.act("price(1)")
    moved = pane.sight()
    assert moved is not None
    assert moved.cross is not None
    row_high = (moved.scale.top - moved.scale.bottom) / moved.parts.rows
    assert 0 < moved.cross.price - sight.cross.price < 2 * row_high
    pane.act("move(-1)")
    assert pane.desk.view.cross is not None
    assert pane.desk.view.cross.price == moved.cross.price
    pane.act("crosshair")
    assert pane.desk.view.cross is None


def test_the_legend_is_of_the_crosshairs_bar_and_otherwise_of_the_newest() -> None:
    pane = Sized(desk())
    newest, before = bars["1m"][-1], bars["1m"][-2]
    assert f"C {newest.close:,.2f}" in pane.told()
    pane.act("crosshair")
    pane.act("move(-1)")
    assert f"O {before.open:,.2f} H {before.high:,.2f} L {before.low:,.2f} C {before.close:,.2f}" in pane.told()
    pane.of = Size(40, 12)
    assert pane.told() == f"L{before.low:.2f} C{before.close:.2f}"
    pane.of = Size(61, 21)  # that of the desk on 80 columns
    prices = zip("OHLC", (before.open, before.high, before.low, before.close), strict=True)
    figures = " ".join(f"{name}{price:.2f}" for name, price in prices)
    assert pane.told().startswith(figures)
    assert pane.title() == "ETH 1m"


def test_zooming_keeps_the_crosshairs_bar_where_it_is_and_otherwise_the_right_edge() -> None:
    pane = Sized(desk())
    pane.act("closer(1)")
    assert pane.chart.end is None
    pane.act("closer(-1)")
    pane.act("crosshair")
    pane.act("move(-30)")
    before = pane.sight()
    pane.act("closer(1)")
    after = pane.sight()
    assert before is not None
    assert after is not None
    assert before.cross is not None
    assert after.cross is not None
    assert after.cross.slot == before.cross.slot
    assert abs(after.view.middle(after.cross.slot) - before.view.middle(before.cross.slot)) <= 1


def test_the_scale_is_held_once_stretched_and_let_go_by_autoscale() -> None:
    on = desk()
    pane = Sized(on)
    followed = pane.sight()
    pane.act("stretch(1)")
    assert "fixed scale" in pane.title()
    on.news.candles(ETH, "1m").take([row(CRASH, (2300, 9000, 2290, 9000))])
    held = pane.sight()
    assert followed is not None
    assert held is not None
    assert held.scale.high < followed.scale.high
    assert any("\u21919,000.00" in line for line in pane.lines())
    pane.act("price(1)")
    assert pane.sight().scale.low > held.scale.low  # type: ignore[union-attr]
    pane.act("autoscale")
    assert pane.sight().scale.high > 9000  # type: ignore[union-attr]
    assert "fixed scale" not in pane.title()


def test_scales_glyphs_and_candles_go_round_and_the_title_names_what_is_unusual() -> None:
    pane = Sized(desk())
    assert pane.title() == "ETH/USDT 1m"
    titles = []
    for action in ("scale", "scale", "scale", "heikin", "closer(-1)"):
        pane.act(action)
        titles.append(pane.title())
    assert titles == [
        "ETH/USDT 1m log", "ETH/USDT 1m %", "ETH/USDT 1m", "ETH/USDT 1m HA", "ETH/USDT 1m \u00d72 HA",
    ]  # fmt: skip
    shown = []
    for _ in range(4):
        pane.act("glyphs")
        shown.append("\n".join(pane.lines()))
    assert len(set(shown)) == 4
    pane.act("reset")
    assert pane.title() == "ETH/USDT 1m HA"


def test_heikin_ashi_candles_leave_the_last_price_real() -> None:
    pane = Sized(desk())
    last = f"{bars['1m'][-1].close:,.2f}"
    plain = pane.lines()
    pane.act("heikin")
    averaged = pane.lines()
    assert averaged != plain
    assert any(f"\u25bc{last}" in line for line in averaged)


# Charts tied to each other. -----------------------------------------------------------------------------------------


def test_a_synced_crosshair_stands_on_the_bar_that_holds_its_time_on_every_chart() -> None:
    on = desk()
    panes = [Sized(on, number) for number in (1, 2, 3, 4)]
    panes[0].act("crosshair")
    panes[0].act("move(-400)")
    assert on.view.cross is not None
    for pane in panes:
        sight = pane.sight()
        assert sight is not None
        assert sight.cross is not None
        assert sight.slots.open_ms[sight.cross.slot] <= on.view.cross.ms < sight.slots.end_ms[sight.cross.slot]
        assert sight.view.first <= sight.cross.slot <= sight.view.last
    on.view.sync = False
    assert [pane.sight().cross is not None for pane in panes] == [True, False, False, False]  # type: ignore[union-attr]


def test_a_crosshair_where_a_chart_has_no_bars_leaves_that_chart_alone() -> None:
    on = desk()
    minute, day = Sized(on, 1), Sized(on, 4)
    before = minute.lines()
    day.act("crosshair")
    day.act("move(-3)")
    assert minute.sight().cross is None  # type: ignore[union-attr]
    assert minute.lines() == before
    minute.act("move(-1)")
    assert minute.sight().cross is not None  # type: ignore[union-attr]


def test_panning_takes_synced_charts_to_the_same_time() -> None:
    on = desk()
    panes = [Sized(on, number) for number in (1, 2, 3, 4)]
    panes[2].act("move(-3)")
    ends = [pane.chart.end for pane in panes]
    hour = bars["1h"][-4].open_ms
    assert ends[2] == hour
    assert ends[0] == hour + 59 * MINUTE
    assert ends[1] == hour + 55 * MINUTE
    assert ends[3] == bars["1d"][-2].open_ms
    panes[2].act("oldest")
    panes[2].lines()
    oldest = panes[2].chart.end
    assert oldest is not None
    assert bars["1h"][0].open_ms <= oldest < bars["1m"][0].open_ms
    assert [pane.chart.end for pane in panes[:2]] == [oldest, oldest], "bars of then are asked for"
    for pane in panes[:3]:
        assert pane.sight().view.first == 0, "the nearest there are"  # type: ignore[union-attr]
    panes[2].act("live")
    assert [pane.chart.end for pane in panes] == [None] * 4
    on.view.sync = False
    panes[2].act("move(-3)")
    assert [pane.chart.end for pane in panes] == [None, None, hour, None]


# Changes of what is shown. ------------------------------------------------------------------------------------------


def test_another_timeframe_lets_go_of_the_scale_and_of_a_time_after_its_newest_bar() -> None:
    on = desk()
    pane = Sized(on)
    pane.lines()
    pane.chart.low, pane.chart.high, pane.chart.end = 2299.0, 2300.0, bars["1m"][200].open_ms
    pane.chart.timeframe = "1h"
    pane.lines()
    assert pane.chart.low is None
    assert pane.chart.end == bars["1m"][200].open_ms
    on.news.candles(ETH, "1s").take([row(bars["1m"][200].open_ms - 1000, (1, 1, 1, 1))])
    pane.chart.timeframe = "1s"
    pane.lines()
    assert pane.chart.end is None


def test_a_kept_view_is_taken_up_unless_it_shows_nothing_any_more() -> None:
    for low, kept in ((2200.0, 2200.0), (9000.0, None)):
        on = desk()
        on.view.charts[0].low, on.view.charts[0].high = low, low + 100
        pane = Sized(on)
        pane.lines()
        assert pane.chart.low == kept


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_every_timeframe_is_drawn_or_waited_for(timeframe: str) -> None:
    on = desk()
    on.view.charts[0].timeframe = timeframe
    lines = Sized(on).lines()
    assert (timeframe in HELD) != any(f"no {timeframe} bars" in line for line in lines)


# What it says of itself. --------------------------------------------------------------------------------------------


def test_without_bars_it_says_why_what_is_done_and_what_can_be_done() -> None:
    on = desk(known=False)
    (connection,) = health().connections
    on.link.health = health(connections=(msgspec.structs.replace(connection, up=False, doing="next attempt in 4 s"),))
    text = "\n".join(Sized(on).lines())
    assert "no 1m bars of binance:ETH/USDT yet" in text
    assert "feed down" in text.lower().partition("\n")[2]
    assert "binance: next attempt in 4 s" in text
    assert "tradetui --replay PATH" in text


def test_nothing_is_called_live_that_is_not() -> None:
    on = desk()
    pane = Sized(on)
    assert corner(pane) == "live \u25b8"
    on.freeze(on=True)
    assert corner(pane) == "last \u25b8"
    on.freeze(on=False)
    on.link.phase = Phase.GONE
    assert corner(pane) == "last \u25b8"
    frame = pane.frame(80, 24)
    assert (frame.pens[1:-1, 1:-1] & OLD).all()
    assert "NO ENGINE" in frame.lines()[0]


def test_a_chart_that_cannot_be_drawn_shows_the_closes_and_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pane = Sized(desk())

    def broken(*_: object) -> None:
        raise ZeroDivisionError("by hand")

    monkeypatch.setattr("tradetui.console.render.chart.draw", broken)
    lines = pane.frame(80, 24).lines()
    assert "ZeroDivisionError: by hand" in lines[1]
    assert f"closes only, last {bars['1m'][-1].close:,.2f}" in lines[2]
    assert sum(line.count("\u2022") for line in lines) == 78


def test_the_same_market_is_not_drawn_twice() -> None:
    on = desk()
    pane = Sized(on)
    version = pane.version()
    assert pane.version() == version
    on.news.version += 1
    assert pane.version() == version
    on.news.candles(ETH, "1m").take([row(CRASH, (2300, 2310, 2290, 2295))])
    assert pane.version() != version
    version = pane.version()
    on.view.cross = Cross(ms=CRASH)
    assert pane.version() != version


def test_a_tick_changes_few_cells() -> None:
    on = desk()
    pane = Sized(on)
    on.news.candles(ETH, "1m").take([row(CRASH, (2284, 2290, 2283, 2285), 100.0, closed=False)])
    pane.lines()
    before = pane.frame(80, 24)
    on.news.candles(ETH, "1m").take([row(CRASH, (2284, 2292, 2283, 2291), 120.0, closed=False)])
    runs = pane.frame(80, 24).changed(before)
    assert runs
    assert sum(run.width for run in runs) < 100


def test_prices_never_move_the_axis() -> None:
    on = desk()
    pane = Sized(on)
    columns = set()
    for page in range(12):
        lines = pane.lines()
        columns.add(max(lines[3].rfind("\u2502", 0, 79), lines[3].rfind("\u251c")))
        pane.act("page(-1)" if page < 8 else "stretch(-1)")
    assert len(columns) == 1


# On a terminal. -----------------------------------------------------------------------------------------------------


class Charts(App[None]):
    CSS = "ChartPane { width: 80; height: 24; }"

    def __init__(self, on: Desk) -> None:
        super().__init__()
        self.desk = on

    def compose(self) -> ComposeResult:
        yield ChartPane(self.desk, 1)


async def test_keys_and_mouse_reach_the_chart() -> None:
    on = desk()
    async with Charts(on).run_test(size=(90, 30)) as pilot:
        pane = pilot.app.query_one(ChartPane)
        on.changed = pane.tick
        pane.tick()
        await pilot.press("left")
        assert on.view.charts[0].end == bars["1m"][-2].open_ms
        await pilot.press("end", "c", "left", "up")
        assert on.view.cross is not None
        assert on.view.cross.price is not None
        await pilot.press("c")
        await pilot.click(pane, offset=(30, 8))
        assert pilot.app.focused is pane
        sight = pane.sight()
        assert sight is not None
        assert sight.cross is not None
        assert sight.view.middle(sight.cross.slot) == 29
        on.view.cross = None
        await pilot.mouse_down(pane, offset=(30, 8))
        await pilot.hover(pane, offset=(40, 8))
        await pilot.mouse_up(pane, offset=(40, 8))
        assert on.view.charts[0].end == bars["1m"][-11].open_ms
        assert on.view.cross is None, "a pull is no click"
        on.view.charts[0].low, on.view.charts[0].high = 2000.0, 3000.0
        await pilot.click(pane, offset=(75, 8), times=2)
        assert on.view.charts[0].low is None
        await pilot.press("end")
        pane.post_message(MouseScrollUp(pane, 30, 8, 0, -1, 0, shift=False, meta=False, ctrl=False))
        await pilot.pause()
        assert on.view.charts[0].columns == 2.0
