"""What is laid over and under candles, as a person sees it: the crash of August 2024, and the outage of April 2021."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.protocol import Asked
from tests.support.recorded_past import RecordedPast
from tests.support.series import minutes
from tests.tradetui.console.panes.test_chart_pane import Sized, desk, recorded
from tests.tradetui.console.render.rows import CRASH, MINUTE
from tradetui.console.past import Page
from tradetui.console.render.look import Look
from tradetui.console.view import Cross

assert recorded
ETH = "binance:ETH/USDT"
GOLDENS = Path(__file__).parent / "goldens"
OUTAGE = 1_619_323_260_000
"""2021-04-25 04:01: the first of 284 missing minutes."""

PLAIN, ASCII, MONO = Look(), Look("none", ascii=True), Look("none")


@pytest.fixture(scope="module")
def archive(recordings_root_path: Path) -> RecordedPast:
    past = RecordedPast(ETH, minutes(recordings_root_path, "ETH", ("2021-04_05", "2024-07_08")))
    past.until_ms = CRASH
    return past


def laid(archive: RecordedPast, look: Look, size: tuple[int, int]) -> Sized:
    on = desk(look)
    asked = Asked(id=1, topic="pivots", instrument=ETH, timeframe="1m")
    on.link.pivots[ETH, "1m"] = archive.pivots(asked)
    on.link.profiles[ETH] = archive.profile(asked)
    return Sized(on, 1, size)


def gone_to(pane: Sized, archive: RecordedPast, ms: int) -> None:
    """Load a day round a moment, as the link would have."""
    past, page = pane.outlook.past, Page(ms - 720 * MINUTE, ms + 720 * MINUTE)
    past.ask(page)
    asked = Asked(
        id=1, topic="history", instrument=ETH, timeframe="1m", start_ms=page.start_ms, end_ms=page.end_ms, limit=1441
    )
    past.take(page, archive.history(asked), 0.0)
    past.served = "storage 12 ms"
    pane.outlook.seek(ms)
    pane.outlook.sought = ms


CHOSEN = {
    "lines": ("ema9", "ema50", "bollinger", "vwap"),
    "study": "macd",
    "marks": ("pivots2", "pivots3", "pivots4", "pivots5", "levels", "floor", "trend", "profile"),
}


@pytest.mark.parametrize("size", [(60, 20), (100, 30), (160, 50)])
@pytest.mark.parametrize(("name", "look"), [("", PLAIN), ("-ascii", ASCII), ("-mono", MONO)])
def test_everything_at_once(
    archive: RecordedPast, golden: Callable[[Path, str], None], name: str, look: Look, size: tuple[int, int]
) -> None:
    pane = laid(archive, look, size)
    for key, value in CHOSEN.items():
        setattr(pane.chart, key, value)
    text = "\n".join(line.rstrip() for line in pane.lines()) + "\n"
    golden(GOLDENS / f"layers-{size[0]}x{size[1]}{name}.txt", text)
    if look.ascii:
        assert text.isascii()
        assert "?" not in text.replace("5?", "").replace("4?", "").replace("3?", "")


@pytest.mark.parametrize(("name", "look"), [("", PLAIN), ("-ascii", ASCII)])
def test_an_outage_is_a_break_with_its_length(
    archive: RecordedPast, golden: Callable[[Path, str], None], name: str, look: Look
) -> None:
    pane = laid(archive, look, (100, 24))
    gone_to(pane, archive, OUTAGE)
    text = "\n".join(line.rstrip() for line in pane.lines()) + "\n"
    golden(GOLDENS / f"outage{name}.txt", text)
    assert "4h" in text, "the length of the break"
    assert "history: storage 12 ms" in text
    assert "25 Apr 2021" in text, "the year is said where it is not this one"
    pane.desk.view.cross = Cross(ms=OUTAGE - 30 * MINUTE)
    assert "4h" in pane.lines()[-2], "beside a crosshair, too"
    pane.desk.view.cross = Cross(ms=OUTAGE + 30 * MINUTE)
    assert pane.told() == "no bars for 4h44m, from 25 Apr 04:01"


def test_a_short_gap_takes_its_place_and_has_a_mark_at_the_axis(archive: RecordedPast) -> None:
    pane = laid(archive, PLAIN, (100, 24))
    whole = pane.lines()
    opens = pane.outlook.live.open_ms
    kept = [place for place in range(len(opens)) if not 1450 <= place < 1455]
    holed = pane.outlook.live.where(np.isin(range(len(opens)), kept))
    pane.desk.link._candles[ETH, "1m"] = holed
    lines = pane.lines()
    x = lines[-3].index("\u254c")
    assert lines[-3].count("\u254c") == 5
    assert all(line[x : x + 5] == " " * 5 for line in lines[1:-3]), "no candle is drawn that is not there"
    assert [line[:x] for line in lines[1:-3]] == [line[:x] for line in whole[1:-3]]
    assert [line[x + 5 : 80] for line in lines[1:-6]] == [line[x + 5 : 80] for line in whole[1:-6]]


def test_the_crosshair_tells_when_a_pivot_was_confirmed(archive: RecordedPast) -> None:
    pane = laid(archive, PLAIN, (110, 24))
    pane.chart.marks = ("pivots3",)
    point = [each for each in pane.desk.link.pivots[ETH, "1m"].points if each.level == 3][-1]
    pane.desk.view.cross = Cross(ms=point.ts_ms)
    side = "high" if point.high else "low"
    assert f"pivot 3 {side} {point.price:,.2f}, confirmed" in pane.lines()[1]
    pane.chart.marks = ("pivots4",)
    assert "pivot 3" not in pane.lines()[1], "only what was chosen"


def test_where_no_pivot_is_known_any_more_it_is_said_from_when_on_they_are(archive: RecordedPast) -> None:
    pane = laid(archive, PLAIN, (110, 24))
    pane.chart.marks = ("pivots3",)
    assert "pivots from" not in pane.lines()[1]
    gone_to(pane, archive, OUTAGE)
    assert "pivots from 202" in pane.lines()[1]


def test_prices_that_hold_now_are_not_laid_over_candles_of_long_ago(archive: RecordedPast) -> None:
    pane = laid(archive, PLAIN, (110, 24))
    pane.chart.marks = ("levels", "floor")
    text = "\n".join(pane.lines())
    assert "fS1" in text or "fS2" in text or "fS3" in text
    assert "now" not in pane.lines()[1]
    pane.act("move(-30)")
    assert "levels now" in pane.lines()[1]
    gone_to(pane, archive, OUTAGE)
    pivots = pane.desk.link.pivots[ETH, "1m"]
    old = tuple(msgspec.structs.replace(each, support=2220.0, resistance=2230.0) for each in pivots.trends)
    pane.desk.link.pivots[ETH, "1m"] = msgspec.structs.replace(pivots, trends=old)
    text = "\n".join(pane.lines())
    assert "R5 2,230" not in text
    assert "levels: only of now floor pivots: only of today" in pane.lines()[1]


def test_the_figures_told_are_those_of_the_newest_bar_in_sight(archive: RecordedPast) -> None:
    pane = laid(archive, PLAIN, (110, 24))
    before = pane.told()
    pane.act("move(-30)")
    sight = pane.sight()
    assert sight is not None
    assert pane.told() != before
    assert f"C {sight.slots.ohlc[sight.view.last, 3]:,.2f}" in pane.told()


def test_what_is_not_told_yet_is_said_and_not_made_up(archive: RecordedPast) -> None:
    pane = Sized(desk(), 1, (110, 24))
    pane.chart.marks = ("pivots3", "profile")
    assert "pivots: not told yet" in pane.lines()[1]
    assert "volume by price: not told yet" in pane.lines()[1]


def test_lines_are_drawn_on_every_scale_and_zoom(archive: RecordedPast) -> None:
    pane = laid(archive, PLAIN, (100, 30))
    for key, value in CHOSEN.items():
        setattr(pane.chart, key, value)
    for action in ("scale", "scale", "closer(1)", "closer(1)", "closer(-1)", "closer(-1)", "closer(-1)", "closer(-1)",
                   "closer(-1)", "heikin", "crosshair", "move(-30)", "stretch(1)", "glyphs", "volume"):  # fmt: skip
        pane.act(action)
        lines = pane.lines()
        assert "EMA 9" in lines[1]
        assert any("MACD 12 26 9" in line for line in lines)
