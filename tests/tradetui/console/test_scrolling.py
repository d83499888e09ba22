"""Years of candles behind a desk: scrolled, gone to, laid over, and told when there are none, on a real socket."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine.protocol import Asked
from engine.types import Timeframe
from engine.views import NOBODY_HAS, HistoryView
from tests.support.candles import bars
from tests.support.recorded_past import RecordedPast
from tests.support.series import minutes
from tests.tradetui.console.consoles import SIZES, Shown, console
from tests.tradetui.fake_engine import FakeEngine, market
from tradetui.console.view import View
from tradetui.places import Places, places

ETH = "binance:ETH/USDT"
MINUTE = 60_000
CRASH = 1_722_823_200_000
"""2024-08-05 02:00."""


@pytest.fixture
def here(tmp_path: Path) -> Places:
    return places("default", {"HOME": str(tmp_path)})


@pytest.fixture(scope="module")
def archive(recordings_root_path: Path) -> RecordedPast:
    """Two months of 2021, then five weeks of 2024, and nothing between them."""
    past = RecordedPast(ETH, minutes(recordings_root_path, "ETH", ("2021-04_05", "2024-07_08")))
    past.until_ms = CRASH
    return past


def engine_of(here: Places, archive: RecordedPast) -> FakeEngine:
    engine = FakeEngine(here)
    engine.states["markets"] = [market(ETH)]
    engine.clock = lambda: CRASH * 1_000_000
    for timeframe in ("1m", "1h", "1d"):
        table = archive._tables[Timeframe.M1]
        engine.series["bars", ETH, timeframe] = bars(table.tail(60_000), Timeframe(timeframe), CRASH)
    for topic in ("history", "pivots", "profile", "quality", "gaps"):
        engine.answers[topic] = partial(_answer, archive, topic)
    return engine


def _answer(archive: RecordedPast, topic: str, asked: Any) -> Any:
    return getattr(archive, topic)(asked)


async def typed(shown: Shown, *lines: str) -> None:
    """Enter commands."""
    for line in lines:
        shown.burst(f":{line}\r")
        await shown.pilot.pause()


async def reaches(shown: Shown, found: Callable[[], object]) -> None:
    await shown.becomes(found)


async def pressed_until(shown: Shown, key: str, found: Callable[[], object]) -> None:
    """Press a key again and again, until something is so."""
    until = time.monotonic() + 30
    while not found():
        assert time.monotonic() < until, shown.text
        await shown.press(key)
        await shown.pilot.pause(0.05)


@pytest.mark.parametrize("size", SIZES)
async def test_one_scrolls_back_beyond_what_the_engine_holds_and_comes_back(
    here: Places, archive: RecordedPast, size: tuple[int, int]
) -> None:
    async with engine_of(here, archive) as engine, console(here, size) as shown:
        await shown.sees("1m")
        await shown.sees("live \u25b8")
        pane = shown.app.chart_pane
        await reaches(shown, lambda: len(pane.outlook.live) > 0)
        first = int(pane.outlook.live.open_ms[0])
        await pressed_until(shown, "pageup", lambda: pane.chart.end is not None and pane.chart.end < first)
        await shown.sees("history: storage")
        await shown.sees("back")
        assert all(asked.topic == "history" for asked in engine.got if asked.timeframe == "1m")
        opens = pane.outlook.candles.open_ms
        assert (opens[1:] > opens[:-1]).all()
        await shown.press("end")
        await shown.sees("live \u25b8")
        assert pane.chart.end is None


async def test_home_goes_to_the_first_bar_that_is_stored_and_says_that_nothing_is_before_it(
    here: Places, archive: RecordedPast
) -> None:
    async with engine_of(here, archive), console(here) as shown:
        await shown.sees("live \u25b8")
        await shown.press("home")
        await shown.sees("no data before 2021-04-20 20:40")
        await shown.sees("20 Apr 2021")
        pane = shown.app.chart_pane
        assert pane.sight().view.first == 0
        await shown.press("left", "pageup", "ctrl+left")
        assert "no data before 2021-04-20 20:40" in shown.text
        await shown.press("end")
        await shown.sees("live \u25b8")


async def test_while_a_page_is_under_way_the_chart_says_so_and_keys_work(here: Places, archive: RecordedPast) -> None:
    async with engine_of(here, archive) as engine, console(here) as shown:
        await shown.sees("live \u25b8")
        engine.answering.clear()
        await typed(shown, "goto 2021-05-10 12:00")
        await shown.sees("loading older candles")
        pane = shown.app.chart_pane
        zoom = pane.chart.columns
        await shown.press("plus")
        assert pane.chart.columns != zoom, "nothing waits for the page"
        engine.answering.set()
        await shown.sees("10 May 2021")
        await shown.misses("loading older candles")


async def test_a_date_is_gone_to_by_key_and_stands_in_the_middle_on_every_chart(
    here: Places, archive: RecordedPast
) -> None:
    async with engine_of(here, archive), console(here, (200, 60), view=View(preset="quad")) as shown:
        await shown.sees("live \u25b8")
        shown.app.focus_pane("chart2")
        shown.burst("g2021-05-12 06:00\r")
        await reaches(shown, lambda: "12 May 2021" in "\n".join(shown.lines("chart2")))
        pane = shown.app.chart_pane
        sought = 1_620_799_200_000

        def centred() -> bool:
            sight = pane.sight()
            assert sight is not None
            slot = sight.slots.at(sought)
            return slot is not None and abs(slot - (sight.view.first + sight.view.last) / 2) <= 1

        await reaches(shown, centred)
        for number in (3, 4):
            chart = shown.app.desk.view.charts[number - 1]
            assert chart.end is not None
            assert abs(chart.end - sought) < 2 * 86_400_000


async def test_spans_go_on_from_what_is_seen_and_now_is_right_aligned(here: Places, archive: RecordedPast) -> None:
    async with engine_of(here, archive), console(here) as shown:
        await shown.sees("live \u25b8")
        chart = shown.app.chart_pane.chart
        await typed(shown, "goto -1d")
        await reaches(shown, lambda: chart.end is not None)
        first = chart.end
        await typed(shown, "goto -1d")
        await reaches(shown, lambda: chart.end != first)
        assert first is not None
        assert chart.end is not None
        assert abs((first - chart.end) - 86_400_000) < 3_600_000
        await typed(shown, "goto 2024-08-05 01:55")  # BUG-23: no empty half for what is near now
        await shown.sees("live \u25b8")
        assert chart.end is None
        await typed(shown, "goto 2031-01-01")
        await shown.sees("the newest bar is of 2024-08-05 01:59; it is shown")


async def test_what_cannot_be_read_is_told_in_the_line_and_esc_leaves(here: Places, archive: RecordedPast) -> None:
    async with engine_of(here, archive), console(here) as shown:
        await shown.sees("live \u25b8")
        await shown.press("g")
        assert shown.app.command_line.open
        shown.burst("2024-02-30\r")
        await shown.sees("there is no such time")
        assert shown.app.command_line.open
        await shown.press("escape")
        assert not shown.app.command_line.open
        assert shown.app.chart_pane.chart.end is None


@pytest.mark.parametrize("span", ["-1h", "+1h", "-10m"])
async def test_a_short_span_moves_as_far_as_it_says(here: Places, archive: RecordedPast, span: str) -> None:
    """The chart shows more than three hours: what stands in the middle moves, not the newest bar into the middle."""
    async with engine_of(here, archive), console(here, (200, 60)) as shown:
        await shown.sees("live \u25b8")
        await shown.press("z")
        pane = shown.app.chart_pane
        await typed(shown, "goto 2021-05-10 12:00")
        await reaches(shown, lambda: pane.seen == 1_620_648_000_000)
        by = {"-1h": -60, "+1h": 60, "-10m": -10}[span] * MINUTE
        await typed(shown, f"goto {span}")
        await reaches(shown, lambda: pane.seen == 1_620_648_000_000 + by)


async def test_the_bars_on_both_sides_of_a_hole_are_loaded_before_the_nearest_are_told(
    here: Places, archive: RecordedPast
) -> None:
    async with engine_of(here, archive), console(here, (140, 45)) as shown:
        await shown.sees("live \u25b8")
        await typed(shown, "goto 2021-07-01")
        await shown.sees("there are no bars of 2021-07-01 00:00; the nearest bars are of 2021-05-20 20:38")
        assert shown.app.chart_pane.outlook.slots().broken.any()
        await shown.press("end")
        await shown.sees("live \u25b8")
        await typed(shown, "goto 2024-07-20")
        await shown.sees("there are no bars of 2024-07-20 00:00; the nearest bars are of 2024-07-26 14:16")


async def test_a_date_without_bars_shows_the_nearest_and_says_so(here: Places, archive: RecordedPast) -> None:
    async with engine_of(here, archive), console(here, (140, 45)) as shown:
        await shown.sees("live \u25b8")
        await typed(shown, "goto 2021-04-25 06:00")  # the venue's outage
        await shown.sees("there are no bars of 2021-04-25 06:00")
        await typed(shown, "goto 2010-01-01")
        await shown.sees("no data before 2021-04-20 20:40; the oldest are shown")
        await shown.sees("20 Apr 2021")


async def test_a_hole_of_years_is_scrolled_over_in_both_directions(here: Places, archive: RecordedPast) -> None:
    """Between May 2021 and July 2024 nothing is recorded: the bars on both sides stand side by side."""
    async with engine_of(here, archive), console(here, (140, 45)) as shown:
        await shown.sees("live \u25b8")
        pane = shown.app.chart_pane
        await typed(shown, "goto 2024-07-26 14:30")
        await shown.sees("26 Jul")
        await pressed_until(shown, "ctrl+left", lambda: "May 2021" in "\n".join(shown.lines("chart2")))
        made = pane.outlook.slots()
        assert made.broken.sum() >= 1
        await typed(shown, "goto 2021-05-20 19:00")
        await shown.sees("20 May 2021")
        await pressed_until(shown, "pagedown", lambda: pane.chart.end is None or pane.chart.end > 1_700_000_000_000)


async def test_a_history_that_fails_says_why_and_the_market_stays(here: Places, archive: RecordedPast) -> None:
    async with engine_of(here, archive) as engine, console(here, (140, 45)) as shown:
        await shown.sees("live \u25b8")
        engine.denies.add("history")
        await typed(shown, "goto 2021-05-10")
        await shown.sees("history: no such topic")
        await shown.sees("2,683.62")
        await shown.press("end")
        await shown.sees("live \u25b8")


async def test_another_engine_is_asked_anew(here: Places, archive: RecordedPast) -> None:
    engine = engine_of(here, archive)
    async with engine, console(here) as shown:
        await shown.sees("live \u25b8")
        await typed(shown, "goto 2021-05-10 12:00")
        await shown.sees("10 May 2021")
        await engine.stop("gone")
        await shown.sees("NO ENGINE")
        engine.got.clear()
        engine.pid += 1
        await engine.start()
        await shown.misses("NO ENGINE")
        await shown.sees("10 May 2021")
        await reaches(shown, lambda: any(asked.topic == "history" for asked in engine.got))


async def test_ranges_zoom_and_take_longer_bars_where_they_have_to(here: Places, archive: RecordedPast) -> None:
    async with engine_of(here, archive), console(here) as shown:
        await shown.sees("live \u25b8")
        chart = shown.app.chart_pane.chart
        shown.burst("w1h\r")
        await reaches(shown, lambda: chart.columns == 1.0 and chart.timeframe == "1m")
        await typed(shown, "range 1d")
        await reaches(shown, lambda: chart.timeframe == "1h" or chart.timeframe == "15m")
        await typed(shown, "range nonsense")
        await shown.sees("expected a stretch of time")


async def test_layers_are_chosen_in_a_dialog_and_kept(here: Places, archive: RecordedPast, tmp_path: Path) -> None:
    memory = tmp_path / "view.json"
    async with engine_of(here, archive), console(here, memory=memory) as shown:
        await shown.sees("live \u25b8")
        await shown.press("i", "down", "space")
        await shown.sees("[*] ema21")
        await shown.press("escape", "o", "down", "down", "enter")
        await shown.sees("[*] pivots3")
        await shown.press("escape")
        await shown.sees("EMA 21 2,")
        await typed(shown, "layer rsi", "layer trend on")
        await shown.sees("RSI 14 ")
        await shown.sees("trend 1")
        assert shown.app.desk.view.charts[1].lines == ("ema21",)
    async with engine_of(here, archive), console(here, memory=memory) as shown:
        await shown.sees("EMA 21 2,")
        await shown.sees("RSI 14 ")


async def test_the_data_pane_is_reached_by_key_and_by_word(here: Places, archive: RecordedPast) -> None:
    async with engine_of(here, archive), console(here) as shown:
        await shown.sees("live \u25b8")
        await shown.press("9")
        await shown.sees("0.20 NOT VALID")
        await shown.sees("2021-04-20 20:40")
        await shown.press("1")
        await typed(shown, "quality")
        await reaches(shown, lambda: shown.app.desk.view.pane == "data")
        pane = shown.pane("data")
        pane.chosen = ("gap", "1m")  # type: ignore[attr-defined]
        await shown.press("enter")
        await shown.sees("284 bars")
        await shown.press("escape")
        await typed(shown, "layout data")
        await shown.sees("layout data")


async def test_from_the_edge_of_a_hole_one_goes_far_back_with_indicators_on(
    here: Places, archive: RecordedPast
) -> None:
    """Their warm-up reaches into the hole before the bars of 2024; a date of 2021 lies behind it."""
    async with engine_of(here, archive), console(here, (140, 45)) as shown:
        await shown.sees("live \u25b8")
        shown.app.chart_pane.chart.lines = ("ema100",)
        await typed(shown, "goto 2024-07-26 14:30")
        await shown.sees("EMA 100")
        await shown.pilot.pause(0.5)
        await typed(shown, "goto 2021-05-10 12:00")
        await shown.sees("10 May 2021")
        await reaches(shown, lambda: shown.app.chart_pane.seen == 1_620_648_000_000)


async def test_where_nobody_has_anything_it_is_asked_once_and_the_newest_stay(
    here: Places, archive: RecordedPast
) -> None:
    """A replay without storage: the chart goes back to what there is, and does not ask again and again."""
    asked: list[Asked] = []

    def nothing(question: Asked) -> HistoryView:
        asked.append(question)
        return HistoryView(
            instrument=ETH, timeframe=question.timeframe, rows=(), served=(), gaps=(), reached_start=False,
            first_ms=None, last_ms=None, reason=NOBODY_HAS,
        )  # fmt: skip

    async with engine_of(here, archive) as engine, console(here, (140, 45)) as shown:
        engine.answers["history"] = nothing
        await shown.sees("live \u25b8")
        await typed(shown, "goto 2021-01-01")
        await shown.sees("there are no bars of 2021-01-01 00:00")
        before = len(asked)
        await shown.pilot.pause(1.0)
        assert len(asked) - before < 12, "pages beside what is seen, on each of the tied charts"


async def test_a_tied_chart_without_bars_of_then_does_not_ask_again_and_again(
    here: Places, archive: RecordedPast
) -> None:
    asked: list[Asked] = []

    def only_minutes(question: Asked) -> HistoryView:
        asked.append(question)
        if question.timeframe == "1m":
            return archive.history(question)
        return HistoryView(
            instrument=ETH, timeframe=question.timeframe, rows=(), served=(), gaps=(), reached_start=False,
            first_ms=None, last_ms=None, reason=NOBODY_HAS,
        )  # fmt: skip

    async with engine_of(here, archive) as engine, console(here, (200, 60), view=View(preset="quad")) as shown:
        engine.answers["history"] = only_minutes
        await shown.sees("live \u25b8")
        shown.app.focus_pane("chart2")
        await typed(shown, "goto 2021-05-10 12:00")
        await shown.sees("10 May 2021")
        before = len(asked)
        await shown.pilot.pause(1.0)
        assert len(asked) - before < 12
