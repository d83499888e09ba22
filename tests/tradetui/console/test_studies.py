"""What is laid over candles: its numbers are those of the engine's indicators, whatever way the bars came."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.market.indicators import NAMES, indicators
from engine.types import Timeframe
from engine.views import BarRow
from tests.support.recorded_past import RecordedPast
from tests.support.series import minutes
from tests.tradetui.console.render.rows import CRASH, crash
from tests.tradetui.console.told import Told
from tradetui.console.series import Candles
from tradetui.console.studies import LINES, MARKS, STUDIES, Values, column


@pytest.fixture(scope="module")
def bars(recordings_root_path: Path) -> list[BarRow]:
    return crash(recordings_root_path)


def test_every_name_has_columns_that_exist() -> None:
    for line in LINES.values():
        assert set(line.columns) <= set(NAMES)
    for study in STUDIES.values():
        assert {*study.columns, *([study.bars] if study.bars else [])} <= set(NAMES)
    letters = [line.letter for line in LINES.values()]
    assert len(set(letters)) == len(letters)
    names = [*LINES, *STUDIES, *MARKS]
    assert len(set(names)) == len(names), "one word on the command line means one thing"


def test_the_values_are_the_engines_own_however_the_bars_come(recordings_root_path: Path, bars: list[BarRow]) -> None:
    archive = RecordedPast("binance:ETH/USDT", minutes(recordings_root_path, "ETH", ("2024-07_08",)))
    archive.until_ms = CRASH
    whole = archive.bars(Timeframe.M1)[-len(bars) :]
    assert whole.open_ms[0] == bars[0].open_ms
    wanted = indicators(whole).values
    candles, values = Candles(), Values()
    candles.take(bars[:1400])
    values.of(candles, "1m")
    for bar in bars[1400:]:
        running = msgspec.structs.replace(bar, high=bar.open, low=bar.open, close=bar.open, volume=0.0, closed=False)
        candles.take([running])
        before = values.of(candles, "1m")
        assert len(before) == len(candles)
        candles.take([bar])
    found = values.of(candles, "1m")
    # VWAP and OBV are of the day whose start was seen, the others need their warm-up alone.
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


def test_a_running_bar_is_so_far_and_changes_nothing_before_it(bars: list[BarRow]) -> None:
    candles, values = Candles(), Values()
    candles.take(bars[:-1])
    before = values.of(candles, "1m").copy()
    candles.take([msgspec.structs.replace(bars[-1], closed=False)])
    after = values.of(candles, "1m")
    np.testing.assert_array_equal(after[:-1], before)
    candles.take([bars[-1]])
    np.testing.assert_allclose(values.of(candles, "1m")[-1], after[-1], rtol=1e-9)


def test_a_bar_that_was_corrected_is_counted_anew(bars: list[BarRow]) -> None:
    candles, values = Candles(), Values()
    candles.take(bars)
    values.of(candles, "1m")
    candles.take([msgspec.structs.replace(bars[700], close=bars[700].low)])
    fresh = Values().of(candles, "1m")
    np.testing.assert_array_equal(values.of(candles, "1m"), fresh)


def test_warm_up_has_no_value(bars: list[BarRow]) -> None:
    candles = Candles()
    candles.take(bars[:30])
    values = Values().of(candles, "1m")
    assert np.isnan(column(values, "ema_50")).all()
    assert np.isfinite(column(values, "ema_9")[8:]).all()
    assert np.isnan(column(values, "ema_9")[:8]).all()


def test_layers_are_switched_and_kept_in_order() -> None:
    desk = Told().desk
    desk.lay("vwap")
    desk.lay("ema9", on=True)
    desk.lay("rsi")
    desk.lay("macd")
    desk.lay("pivots3")
    desk.lay("profile")
    chart = desk.chart
    assert chart.lines == ("ema9", "vwap")
    assert chart.study == "macd", "one at a time"
    assert chart.marks == ("pivots3", "profile", "orders")
    assert all(map(desk.laid, ("ema9", "vwap", "macd", "pivots3", "profile")))
    assert not desk.laid("rsi")
    desk.lay("ema9")
    desk.lay("vwap", on=True)
    desk.lay("macd", on=False)
    assert chart.lines == ("vwap",)
    assert chart.study == ""
    desk.lay("none")
    assert (chart.lines, chart.study, chart.marks) == ((), "", ())
