"""Indicators against a plain reading of their textbooks, and what holds for all of them on recorded candles."""

from __future__ import annotations

import warnings
from math import isnan, log, nan, sqrt
from pathlib import Path
from random import Random

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.market.anchored import DayAnchor
from engine.market.indicator_state import IndicatorState
from engine.market.indicators import INDICATORS, NAMES, WARM_UP, Indicators, indicators
from engine.ohlcv import OHLCV, Floats
from engine.types import DAY_MS, Timeframe
from tests.support.series import BINANCE_1H, BINANCE_1M, BITSTAMP_1D, OUTAGES_1H, QUIET_1M, candles, recorded

SERIES = {
    "1m": (BINANCE_1M, Timeframe.M1),
    "1h": (BINANCE_1H, Timeframe.H1),
    "1h with outages": (OUTAGES_1H, Timeframe.H1),
    "1d": (BITSTAMP_1D, Timeframe.D1),
    "1m mostly without trades": (QUIET_1M, Timeframe.M1),
}
MIDNIGHT = 1_722_470_400_000


@pytest.fixture(params=SERIES, scope="module")
def series(request: pytest.FixtureRequest, recordings_root_path: Path) -> OHLCV:
    return recorded(recordings_root_path, *SERIES[request.param])


def rows(ohlcv: OHLCV) -> list[tuple[float, ...]]:
    names = ("open_ms", "open", "high", "low", "close", "volume", "quote_volume")
    return list(zip(*[getattr(ohlcv, name).tolist() for name in names], strict=True))


def one_by_one(ohlcv: OHLCV, anchor: DayAnchor | None = None) -> Floats:
    state = IndicatorState(anchor)
    return np.array([state.advance(*bar) for bar in rows(ohlcv)]).reshape(-1, len(NAMES))


def same(ours: Floats, theirs: Floats, ohlcv: OHLCV) -> None:
    """Equal to 1e-9 of what the column measures: the price, a per cent, the day's volume, the usual return."""
    scales = {
        "quote": np.abs(ohlcv.close)[:, None],
        "0..100": 100.0,
        "base": np.maximum(np.abs(ohlcv.volume).max(initial=0), 1e-300),
        "log return per bar": 1e-4,
    }
    assert ours.shape == theirs.shape
    assert (np.isnan(ours) == np.isnan(theirs)).all(), "not the same values are known"
    for unit, scale in scales.items():
        places = [place for place, indicator in enumerate(INDICATORS) if indicator.unit == unit]
        apart = np.nan_to_num(np.abs(ours[:, places] - theirs[:, places])) / scale
        if apart.size:
            worst = np.unravel_index(apart.argmax(), apart.shape)
            assert apart[worst] <= 1e-9, f"{NAMES[places[worst[1]]]} at {worst[0]} is {apart[worst]} apart"


def part(result: Indicators, first: int, stop: int | None = None) -> Floats:
    return result.values[first:stop]


def made(bars: list[tuple[float, float, float, float, float]], first_ms: int = MIDNIGHT) -> OHLCV:
    """Candles of a minute: open, high, low, close, volume."""
    table = pl.DataFrame(bars, ["open", "high", "low", "close", "volume"], orient="row")
    return candles(Timeframe.M1, table.with_columns((first_ms + 60_000 * pl.int_range(pl.len())).alias("open_ms")))


BARS = st.lists(
    st.tuples(
        st.lists(st.integers(1, 400), min_size=4, max_size=4).map(sorted), st.booleans(), st.integers(0, 9)
    ).map(lambda b: (b[0][2 - b[1]] / 4, b[0][3] / 4, b[0][0] / 4, b[0][1 + b[1]] / 4, b[2] / 8)),
    max_size=360,
)  # fmt: skip


# --- what holds for all --------------------------------------------------------------------------------------------


def test_incremental_equals_batch(series: OHLCV) -> None:
    part = series[: min(len(series), 9000)]
    same(one_by_one(part), indicators(part).values, part)


@settings(max_examples=60, deadline=None)
@given(bars=BARS)
def test_incremental_equals_batch_on_any_bars(bars: list) -> None:
    ohlcv = made(bars, MIDNIGHT + 3 * 60_000 * 400)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(one_by_one(ohlcv), indicators(ohlcv).values, ohlcv)


def test_any_warm_up_gives_the_same_values(series: OHLCV) -> None:
    whole = indicators(series)
    dice = Random(5)
    for _ in range(25):
        begin = dice.randrange(len(series) - WARM_UP - 1)
        stop = min(begin + WARM_UP + 400, len(series))
        ours = indicators(series[begin:stop])
        same(part(ours, WARM_UP), part(whole, begin + WARM_UP, stop), series[begin + WARM_UP : stop])


def test_truncation_changes_nothing(series: OHLCV) -> None:
    """Exactly: what comes after t is not in the values up to t."""
    some = series[:6000]
    whole = indicators(some).values
    dice = Random(6)
    for _ in range(25):
        cut = dice.randrange(1, len(some))
        assert np.array_equal(indicators(some[:cut]).values, whole[:cut], equal_nan=True)


def test_values_begin_where_the_table_says(series: OHLCV) -> None:
    """All but VWAP and OBV, which begin with the first midnight."""
    values = indicators(series[:2000]).values
    for place, indicator in enumerate(INDICATORS):
        if indicator.name not in ("vwap", "obv"):
            known = ~np.isnan(values[:, place])
            assert known.argmax() == indicator.first, indicator.name
            assert known[indicator.first :].all(), indicator.name


def test_state_of_candles_goes_on_as_the_series_does(series: OHLCV) -> None:
    """Built again from what is in memory, it says the same as the one that never stopped."""
    some = series[: WARM_UP + 600]
    state = IndicatorState.of(some[100 : 100 + WARM_UP])
    later = some[100 + WARM_UP :]
    ours = np.array([state.advance(*bar) for bar in rows(later)])
    same(ours, part(indicators(some), 100 + WARM_UP), later)


@settings(max_examples=30, deadline=None)
@given(bars=BARS.filter(len))
def test_peek_is_advance_that_did_not_happen(bars: list) -> None:
    *before, last = rows(made(bars))
    state = IndicatorState()
    for bar in before:
        state.take(*bar)
    seen = state.row()
    peeked = state.peek(*last)
    assert np.array_equal(state.row(), seen, equal_nan=True)
    assert np.array_equal(state.advance(*last), peeked, equal_nan=True)


# --- known values --------------------------------------------------------------------------------------------------


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def average(values: list[float], period: int, weight: float) -> list[float]:
    """nan until there are enough, then the mean of the first, then the recursion as books print it."""
    out = [nan] * len(values)
    if len(values) >= period:
        out[period - 1] = mean(values[:period])
        for i in range(period, len(values)):
            out[i] = weight * values[i] + (1 - weight) * out[i - 1]
    return out


def spread(values: list[float]) -> float:
    return sqrt(mean([(value - mean(values)) ** 2 for value in values]))


def textbook(ohlcv: OHLCV) -> dict[str, list[float]]:
    """Each indicator by its definition, one bar after the other."""
    o, h, lo, c, v = (getattr(ohlcv, name).tolist() for name in ("open", "high", "low", "close", "volume"))
    n = len(c)
    out: dict[str, list[float]] = {name: [nan] * n for name in NAMES}
    for period in (9, 21, 50, 100):
        out[f"ema_{period}"] = average(c, period, 2 / (period + 1))
    for period in (20, 50, 200):
        for i in range(period - 1, n):
            out[f"sma_{period}"][i] = mean(c[i - period + 1 : i + 1])
    fast, slow = average(c, 12, 2 / 13), average(c, 26, 2 / 27)
    out["macd"] = [a - b for a, b in zip(fast, slow, strict=True)]
    out["macd_signal"] = [nan] * 25 + average(out["macd"][25:], 9, 0.2)
    out["macd_histogram"] = [a - b for a, b in zip(out["macd"], out["macd_signal"], strict=True)]
    for i in range(19, n):
        window = c[i - 19 : i + 1]
        out["bb_middle"][i] = mean(window)
        out["bb_upper"][i] = mean(window) + 2 * spread(window)
        out["bb_lower"][i] = mean(window) - 2 * spread(window)
    ups, downs, ranges, plus, minus = [], [], [], [], []
    for i in range(1, n):
        ups.append(max(c[i] - c[i - 1], 0))
        downs.append(max(c[i - 1] - c[i], 0))
        ranges.append(max(h[i] - lo[i], abs(h[i] - c[i - 1]), abs(lo[i] - c[i - 1])))
        rise, fall = h[i] - h[i - 1], lo[i - 1] - lo[i]
        plus.append(rise if rise > max(fall, 0) else 0)
        minus.append(fall if fall > max(rise, 0) else 0)
    up, down, tr, pdm, mdm = ([nan, *average(x, 14, 1 / 14)] for x in (ups, downs, ranges, plus, minus))
    out["atr_14"] = tr
    strength = []
    for i in range(14, n):
        out["rsi_14"][i] = 100 - 100 / (1 + up[i] / down[i])
        out["plus_di_14"][i] = 100 * pdm[i] / tr[i]
        out["minus_di_14"][i] = 100 * mdm[i] / tr[i]
        p, m = out["plus_di_14"][i], out["minus_di_14"][i]
        strength.append(100 * abs(p - m) / (p + m))
    out["adx_14"] = [nan] * 14 + average(strength, 14, 1 / 14)
    raw = [nan] * n
    for i in range(13, n):
        lowest, highest = min(lo[i - 13 : i + 1]), max(h[i - 13 : i + 1])
        raw[i] = 100 * (c[i] - lowest) / (highest - lowest)
    for i in range(15, n):
        out["stoch_k"][i] = mean(raw[i - 2 : i + 1])
    for i in range(17, n):
        out["stoch_d"][i] = mean(out["stoch_k"][i - 2 : i + 1])
    returns = [nan] + [log(c[i] / c[i - 1]) for i in range(1, n)]
    for period in (20, 300):
        for i in range(period, n):
            out[f"volatility_{period}"][i] = spread(returns[i - period + 1 : i + 1])
    for i in range(n):
        day = [j for j in range(i + 1) if ohlcv.open_ms[j] // DAY_MS == ohlcv.open_ms[i] // DAY_MS]
        if ohlcv.open_ms[day[0]] % DAY_MS and day[0] == 0:
            continue
        if sum(v[j] for j in day):
            out["vwap"][i] = sum(v[j] * (h[j] + lo[j] + c[j]) / 3 for j in day) / sum(v[j] for j in day)
        signs = [np.sign(c[j] - (o[j] if j == day[0] else c[j - 1])) for j in day]
        out["obv"][i] = sum(sign * v[j] for sign, j in zip(signs, day, strict=True))
    return out


@pytest.mark.parametrize("name", ["1m", "1h", "1d"])
def test_known_values(name: str, recordings_root_path: Path) -> None:
    some = recorded(recordings_root_path, *SERIES[name])[50:950]
    expected = textbook(some)
    same(indicators(some).values, np.array([expected[name] for name in NAMES]).T, some)


def test_wilders_rsi_of_the_published_example() -> None:
    """The example that charting schools print (StockCharts, "Relative Strength Index"): QQQQ, 14 days."""
    closes = [
        44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245, 45.8433, 46.0826, 45.8931, 46.0328,
        45.6140, 46.2820, 46.2820, 46.0028, 46.0328, 46.4116, 46.2222, 45.6439,
    ]  # fmt: skip
    rsi = indicators(made([(c, c, c, c, 1.0) for c in closes]))["rsi_14"]
    assert [round(value, 2) for value in rsi[14:]] == [70.53, 66.32, 66.55, 69.41, 66.36, 57.97]


def test_quote_volume_is_the_truth_where_it_is_known() -> None:
    bars = made([(10, 12, 9, 11, 2.0), (11, 12, 11, 12, 3.0), (12, 12, 12, 12, 0.0)])
    known = msgspec.structs.replace(bars, quote_volume=np.array([21.0, nan, 0.0]))
    vwap = indicators(known)["vwap"].tolist()
    assert vwap == pytest.approx([10.5, (21 + 3 * 35 / 3) / 5, (21 + 35) / 5])


def test_the_day_begins_anew_at_midnight() -> None:
    """The first bar of a day counts by its own open; a day without trades so far has no VWAP."""
    bars = made(
        [(10, 11, 9, 11, 1.0), (11, 11, 8, 8, 2.0), (9, 9, 9, 9, 0.0), (9, 10, 9, 10, 4.0)], MIDNIGHT - 2 * 60_000
    )
    result = indicators(bars)
    assert np.array_equal(result["obv"], [nan, nan, 0.0, 4.0], equal_nan=True)
    assert np.array_equal(result["vwap"], [nan, nan, nan, 29 / 3], equal_nan=True)


def test_a_hole_over_midnight_is_followed_by_the_new_day() -> None:
    """Bars of the day before are there: what the new day has, it has from its start."""
    before = made([(10, 11, 9, 11, 1.0)], MIDNIGHT - 120_000)
    after = made([(11, 11, 8, 8, 2.0)], MIDNIGHT + 300_000)
    assert indicators(OHLCV.join([before, after]))["obv"].tolist()[1:] == [-2.0]
    assert isnan(indicators(after)["obv"][0])


def test_an_anchor_goes_on_where_the_day_was_left(recordings_root_path: Path) -> None:
    """The second half of a day from the anchor kept in its middle: the same to the last bit."""
    series = recorded(recordings_root_path, BINANCE_1M, Timeframe.M1)
    begin = int(np.argmax(series.open_ms % DAY_MS == 0))
    day = series[begin : begin + 2000]
    whole = indicators(day)
    for cut in (1, 700, 1439, 1440, 1700):
        anchor = IndicatorState.of(day[:cut]).anchor
        assert anchor is not None
        stored = msgspec.json.decode(msgspec.json.encode(anchor), type=DayAnchor)
        assert all(isnan(x) for x in indicators(day[cut:])["obv"][: 1440 - cut]), "the day's start is not known"
        for begins in (cut, cut - 1):  # a bar that is in the anchor already is not counted again
            later = indicators(day[begins:], stored)
            for name in ("vwap", "obv"):
                assert np.array_equal(later[name][cut - begins :], whole[name][cut:])
                assert np.isnan(later[name][: cut - begins]).all()
        assert np.array_equal(one_by_one(day[cut:], stored)[:, NAMES.index("obv")], whole["obv"][cut:])


def test_no_anchor_before_the_day_was_seen_from_its_start() -> None:
    bars = [(10.0, 10.0, 10.0, 10.0, 1.0)] * 3
    assert IndicatorState.of(made(bars, MIDNIGHT + 60_000)).anchor is None
    assert IndicatorState.of(made([])).anchor is None
    assert IndicatorState.of(made(bars)).anchor == DayAnchor(
        day=MIDNIGHT // DAY_MS, volume=3.0, quote=30.0, obv=0.0, close=10.0, until_ms=MIDNIGHT + 120_000
    )


# --- the edges -----------------------------------------------------------------------------------------------------


def test_a_flat_market_has_neutral_values() -> None:
    flat = made([(7.3, 7.3, 7.3, 7.3, 0.0)] * 400)
    last = dict(zip(NAMES, indicators(flat).values[-1].tolist(), strict=True))
    assert last["rsi_14"] == last["stoch_k"] == last["stoch_d"] == 50
    assert last["adx_14"] == last["plus_di_14"] == last["minus_di_14"] == last["atr_14"] == last["obv"] == 0
    assert last["volatility_20"] == last["volatility_300"] == 0
    assert isnan(last["vwap"])
    for name in ("bb_upper", "bb_middle", "bb_lower", "sma_200", "ema_100"):
        assert last[name] == pytest.approx(7.3, rel=1e-12)


def test_one_tick_is_forgotten_after_a_while() -> None:
    """RSI keeps its value while a market stands still, and is neutral when it has done so for a few hundred bars."""
    bars = made([(2000.0, 2000.0, 2000.0, 2000.0, 0.0)] * 20 + [(2000.01, 2000.01, 2000.01, 2000.01, 1.0)] * 300)
    rsi = indicators(bars)["rsi_14"]
    assert rsi[19] == 50
    assert (rsi[20:180] == 100).all()
    assert (rsi[300:] == 50).all()


def test_where_a_series_begins_in_a_standstill_is_forgotten() -> None:
    """Averages that have all but died out are no values: a series that began after the last move has none of them."""
    moves = [(100.0 + i % 3, 103.0, 99.0, 100.0 + i % 4, 1.0) for i in range(40)]
    whole = made(moves + [(100.5, 100.5, 100.5, 100.5, 0.0)] * (WARM_UP + 50))
    begin = len(moves) + 3
    same(part(indicators(whole[begin:]), WARM_UP), part(indicators(whole), begin + WARM_UP), whole[begin + WARM_UP :])


def test_none_and_one() -> None:
    assert indicators(OHLCV.empty(Timeframe.S1)).values.shape == (0, len(NAMES))
    one = indicators(made([(1.0, 2.0, 0.5, 1.5, 3.0)]))
    known = {name: value for name, value in zip(NAMES, one.values[0].tolist(), strict=True) if not isnan(value)}
    assert known == {"vwap": pytest.approx(4 / 3), "obv": 3.0}


def test_a_hole_is_not_filled(recordings_root_path: Path) -> None:
    """Whether time passed between two bars says nothing to anything but VWAP and OBV."""
    series = recorded(recordings_root_path, BINANCE_1M, Timeframe.M1)[:1200]
    holes = series.take(np.arange(1200) % 400 < 250)
    together = msgspec.structs.replace(holes, open_ms=series.open_ms[: len(holes)])
    anchored = [NAMES.index("vwap"), NAMES.index("obv")]
    ours, theirs = (np.delete(indicators(o).values, anchored, axis=1) for o in (holes, together))
    assert np.array_equal(ours, theirs, equal_nan=True)
    same(one_by_one(holes), indicators(holes).values, holes)


def test_the_specification_s_names_are_kept() -> None:
    """DP-12: the columns of the specification's table."""
    assert {"rsi_14", "macd", "macd_signal", "bb_upper", "bb_middle", "bb_lower"} <= set(NAMES)
    assert len(set(NAMES)) == len(NAMES)
