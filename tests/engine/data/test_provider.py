"""One place that is asked for data: live and past alike, never later than asked, and a reason where there is none."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from engine.data.answers import InferenceData, Time
from engine.data.provider import DataProvider
from engine.errors import SettingsInvalid
from engine.market.cob import SECONDS
from engine.market.columns import ColumnRing
from engine.market.outputs import ModelOutput, ModelType
from engine.market.track import Track
from engine.types import MS, SECOND, Timeframe
from storage.archive import StoredArchive
from tests.engine.recorded import KEYS, Recorded, differences

ETH_KEY, BTC_KEY = KEYS
S1, M1 = Timeframe.S1, Timeframe.M1


@pytest.fixture
def archive(recorded_database: Path) -> Iterator[StoredArchive]:
    opened = StoredArchive(recorded_database, recorded_database.parent / "cold")
    yield opened
    opened.close()


@pytest.fixture
def live(recorded: Recorded, archive: StoredArchive) -> DataProvider:
    """A provider of an engine that stands at the end of the recording."""
    state = recorded.replay.state
    return DataProvider(state=lambda: state, archive=archive, now=lambda: recorded.last + SECOND // 2)


@pytest.fixture
def offline(archive: StoredArchive) -> DataProvider:
    return DataProvider(archive=archive)


def asked(provider: DataProvider, when: Time = None, *, window: float = 0, symbol: str = "ETH/USDT") -> InferenceData:
    return asyncio.run(provider.get_inference_data(symbol, when, context_window_minutes=window))


# Inference data. ----------------------------------------------------------------------------------------------------


def test_the_present_comes_out_of_memory_and_is_built_once(live: DataProvider, recorded: Recorded) -> None:
    first, again = asked(live), asked(live, "latest")
    assert (first.source, first.symbol, first.as_of) == ("cache", ETH_KEY, recorded.last)
    assert first.input is not None
    assert first.input is again.input
    assert asked(live, recorded.last).input is first.input
    (reads,) = live.reads()
    assert (reads.name, reads.count, reads.hits, reads.misses) == ("input", 3, 3, 0)
    assert first.query_latency_ms > 0


def test_the_same_time_is_the_same_object_from_memory_and_from_storage(
    live: DataProvider, offline: DataProvider, recorded: Recorded
) -> None:
    one, other = asked(live), asked(offline, recorded.last)
    assert (one.source, other.source) == ("cache", "database")
    assert differences(one.input, other.input) == []
    for (key, as_of), given in list(recorded.live.items())[::6]:
        assert differences(asked(live, as_of, symbol=key).input, given) == []


def test_an_engine_that_has_just_begun_takes_up_the_book_of_the_one_before(
    archive: StoredArchive, offline: DataProvider, recorded: Recorded
) -> None:
    state = recorded.replay.state
    frames = state.markets[ETH_KEY].frames
    whole, frames.columns = frames.columns, ColumnRing(frames.instrument)
    try:
        kept = [keep for keep in recorded.keeps if keep.instrument.key == ETH_KEY and keep.column is not None]
        for keep in kept[-20:]:
            assert keep.column is not None
            frames.columns.append(keep.column, keep.bucket)
        begun = DataProvider(state=lambda: state, archive=archive, now=lambda: recorded.last)
        given = asked(begun)
    finally:
        frames.columns = whole
    assert given.source == "cache"
    assert given.input is not None
    assert given.input.cob.there.sum() == SECONDS
    assert differences(given.input, asked(offline, recorded.last).input) == []


def test_without_an_engine_the_newest_is_the_newest_stored(offline: DataProvider, recorded: Recorded) -> None:
    newest = asked(offline)
    assert newest.as_of == max(keep.known_at for keep in recorded.keeps if keep.instrument.key == ETH_KEY and keep.bars)
    assert newest.input is not None


def test_a_time_between_seconds_is_the_second_before(offline: DataProvider, recorded: Recorded) -> None:
    as_of = recorded.first // SECOND * SECOND + 300 * SECOND
    exact = asked(offline, as_of)
    assert exact.as_of == as_of
    for time in (as_of + 1, as_of + SECOND - 1, datetime.fromtimestamp((as_of + 999 * MS) / SECOND, UTC)):
        between = asked(offline, time)
        assert between.as_of == as_of
        assert differences(between.input, exact.input, tolerance=0) == []
    iso = datetime.fromtimestamp(as_of // SECOND, UTC).isoformat()
    assert differences(asked(offline, iso).input, exact.input, tolerance=0) == []


def test_before_everything_there_is_nothing_and_the_reason_says_so(offline: DataProvider, recorded: Recorded) -> None:
    found = asked(offline, recorded.first - 60 * SECOND)
    assert (found.input, found.reason) == (None, f"nothing of {ETH_KEY} is stored that was known by then")


def test_after_everything_the_newest_bar_is_too_old(offline: DataProvider, recorded: Recorded) -> None:
    """At most one bar older, with a warning; what is older than that is not the market of that time."""
    newest = asked(offline)
    assert newest.input is not None
    end = newest.input.frames[S1].end_ms
    assert end is not None
    near = asked(offline, end * MS + 4 * SECOND)
    assert near.input is not None
    assert near.age_s == 4.0
    assert near.warnings[0] == "the newest bar (1s) ended 4.0 s before that time"
    warnings = asked(offline, end * MS + 3 * SECOND).warnings
    assert not any(warning.startswith("the newest bar") for warning in warnings)
    far = asked(offline, end * MS + 5 * SECOND)
    assert far.input is None
    assert "ended 5.0 s before that time, which is more than one bar" in far.reason


def test_a_time_in_a_gap_gives_a_reason(recorded: Recorded, tmp_path: Path) -> None:
    """A minute is taken out of what is kept: within it there is no input, after it there is one with a hole."""
    first = recorded.first // SECOND * SECOND + 240 * SECOND
    gap = Recorded.__new__(Recorded)
    gap.first, gap.last = recorded.first, recorded.last
    gap.keeps = [
        keep
        if not first < keep.known_at <= first + 60 * SECOND
        else msgspec.structs.replace(keep, bars=(), column=None)
        for keep in recorded.keeps
    ]
    archive = StoredArchive(gap.store(tmp_path / "gap.db"), tmp_path / "cold")
    provider = DataProvider(archive=archive)
    inside = asked(provider, first + 30 * SECOND)
    assert inside.input is None
    assert "more than one bar: nothing is known of the time between" in inside.reason
    after = asked(provider, first + 90 * SECOND).input
    assert after is not None
    assert 50 <= (~after.frames[S1].there[-100:]).sum() <= 62
    assert not after.cob.there[-80:-40].any()
    archive.close()


def test_the_future_and_nonsense_are_refused_with_a_reason(live: DataProvider, recorded: Recorded) -> None:
    assert asked(live, recorded.last + 100 * SECOND).reason == "that time is 100 s in the future"
    assert "no time zone" in asked(live, datetime(2024, 8, 9)).reason  # noqa: DTZ001
    assert "'yesterday' is no time" in asked(live, "yesterday").reason
    assert asked(live, symbol="nonsense").reason.startswith("binance:NONSENSE: expected binance:BASE/QUOTE")


def test_a_stamp_of_numpy_leaves_out_what_a_plain_one_does(offline: DataProvider, recorded: Recorded) -> None:
    as_of = recorded.first // SECOND * SECOND + 200 * SECOND
    plain, other = asked(offline, as_of), asked(offline, np.int64(as_of))
    assert plain.input is not None
    assert (type(other.as_of), other.as_of) == (int, as_of)
    assert differences(other.input, plain.input, tolerance=0) == []
    for each, points in asyncio.run(offline.calculate_williams_pivot_points(ETH_KEY, np.int64(as_of))).items():
        assert all(point.known_at <= as_of for point in points), each


@pytest.mark.parametrize("when", [1.7e18, float("nan"), b"now", [1]])
def test_what_is_no_time_is_refused(offline: DataProvider, when: Any) -> None:
    assert "is no time" in asked(offline, when).reason


@pytest.mark.parametrize("when", [10**30, 2**63, -1, "2500-01-01T00:00:00Z", datetime(1969, 12, 31, tzinfo=UTC)])
def test_times_that_no_stamp_can_tell_are_refused(offline: DataProvider, when: Time) -> None:
    assert "is not between 1970 and 2262" in asked(offline, when).reason


def test_a_context_without_an_end_is_refused_and_a_long_one_is_all(offline: DataProvider, recorded: Recorded) -> None:
    for window in (float("inf"), float("nan")):
        assert "has no end" in asked(offline, recorded.last, window=window).reason
    context = asked(offline, recorded.last, window=1e12).context
    assert context is not None
    assert context.start == 0
    assert len(context.candles[S1]) > 600


def test_of_longer_bars_none_but_the_newest_may_be_missing(recorded: Recorded, tmp_path: Path) -> None:
    """A file's bar is known when it ends: there is no lag to allow for."""
    minutes = Recorded.__new__(Recorded)
    minutes.first, minutes.last = recorded.first, recorded.last
    minutes.keeps = [
        msgspec.structs.replace(
            keep, bars=tuple(each for each in keep.bars if each[0] is M1), column=None, pivots=(), trades=()
        )
        for keep in recorded.keeps
    ]
    archive = StoredArchive(minutes.store(tmp_path / "minutes.db"), tmp_path / "cold")
    offline = DataProvider(archive=archive)
    newest = asked(offline)
    assert newest.input is not None
    end = newest.input.frames[M1].end_ms
    assert end is not None
    late = {age: asked(offline, (end + age * 1000) * MS) for age in (59, 60, 119, 120)}
    assert not any(warning.startswith("the newest bar") for warning in late[59].warnings)
    for age in (60, 119):
        assert late[age].input is not None
        assert late[age].warnings[0] == f"the newest bar (1m) ended {age}.0 s before that time"
    assert late[120].input is None
    assert "which is more than one bar" in late[120].reason
    archive.close()


def test_an_unknown_instrument_has_a_reason(live: DataProvider, offline: DataProvider) -> None:
    assert asked(live, symbol="SOL/USDT").reason == "nothing of binance:SOL/USDT is stored"
    assert asked(offline, symbol="binanceusdm:ETH/USDT:USDT").reason == "nothing of binanceusdm:ETH/USDT:USDT is stored"


def test_without_storage_the_past_has_a_reason(recorded: Recorded) -> None:
    state = recorded.replay.state
    provider = DataProvider(state=lambda: state, now=lambda: recorded.last)
    assert asked(provider).input is not None
    assert asked(provider, recorded.last - 60 * SECOND).reason == "no storage to look it up in"
    assert asked(provider, symbol="SOL/USDT").reason == (
        "binance:SOL/USDT is not followed; the engine has nothing of it yet"
    )


def test_a_database_that_cannot_be_read_is_said(tmp_path: Path, recorded_database: Path, recorded: Recorded) -> None:
    shutil.copy(recorded_database, tmp_path / "market.db")
    archive = StoredArchive(tmp_path / "market.db", tmp_path / "cold")
    with (tmp_path / "market.db").open("r+b") as file:
        file.write(b"no database at all" * 100)
    found = asked(DataProvider(archive=archive), recorded.last, window=5)
    assert found.input is None
    assert "market.db" in found.reason
    archive.close()


def test_what_is_not_on_disk_yet_is_written_first(archive: StoredArchive, recorded: Recorded) -> None:
    calls: list[None] = []

    async def written() -> None:
        calls.append(None)

    state = recorded.replay.state
    provider = DataProvider(state=lambda: state, archive=archive, now=lambda: recorded.last + SECOND, written=written)
    asked(provider, recorded.last - 60 * SECOND)
    assert not calls
    asked(provider, recorded.last - 5 * SECOND)
    assert len(calls) == 1


def test_context_lies_round_the_time_and_never_inside_the_input(
    live: DataProvider, offline: DataProvider, recorded: Recorded
) -> None:
    as_of = recorded.first // SECOND * SECOND + 400 * SECOND
    with_context, without = asked(offline, as_of, window=1), asked(offline, as_of)
    assert without.context is None
    assert differences(with_context.input, without.input, tolerance=0) == []
    context = with_context.context
    assert context is not None
    assert (context.start, context.end) == (as_of - 60 * SECOND, as_of + 60 * SECOND)
    opens = context.candles[S1].open_ms
    assert (opens.min(), opens.max()) == (context.start // MS, context.end // MS - 1000)
    assert [column.column.second for column in context.columns] == list(
        range(context.start // SECOND, context.end // SECOND + 1)
    )
    assert min(trade.ts_exch for trade in context.trades) >= context.start
    assert as_of < max(trade.ts_exch for trade in context.trades) < context.end
    given = with_context.input
    assert given is not None
    assert max(int(frame.open_ms[-1]) for frame in given.frames.values()) < as_of // MS + 2000
    assert given.cob.seconds[-1] == as_of // SECOND
    assert asked(live, window=1).context is not None


def test_context_of_an_engine_that_keeps_nothing_is_its_memory(recorded: Recorded) -> None:
    state = recorded.replay.state
    provider = DataProvider(state=lambda: state, now=lambda: recorded.last)
    context = asked(provider, window=1).context
    assert context is not None
    assert len(context.candles[S1]) >= 58
    assert context.trades
    before = context.candles[S1].close.copy()
    context.candles[S1].close.setflags(write=True)
    context.candles[S1].close[:] = 0
    again = asked(provider, window=1).context
    assert again is not None
    np.testing.assert_array_equal(again.candles[S1].close, before)


def test_answers_of_models_come_with_it_and_make_a_new_one(live: DataProvider, recorded: Recorded) -> None:
    known: dict[str, ModelOutput] = {}
    live._inference._outputs = lambda _: dict(known)
    first = asked(live).input
    known["cnn"] = ModelOutput(
        model_type=ModelType.CNN, model_name="cnn", instrument=ETH_KEY, as_of=recorded.last - SECOND,
        known_at=recorded.last, confidence=0.5,
    )  # fmt: skip
    second = asked(live).input
    assert first is not None
    assert second is not None
    assert not first.outputs
    assert list(second.outputs) == ["cnn"]


def test_storage_is_read_in_other_threads(live: DataProvider, archive: StoredArchive, recorded: Recorded) -> None:
    threads: set[int] = set()
    real = archive.candles

    def candles(*given: object, **named: object) -> object:
        threads.add(threading.get_ident())
        return real(*given, **named)  # type: ignore[arg-type]

    archive.candles = candles  # type: ignore[method-assign, assignment]
    asked(live, recorded.last - 100 * SECOND, window=1)
    assert threads
    assert threading.get_ident() not in threads


# Bars, book, structure. ---------------------------------------------------------------------------------------------


def test_timeframes_are_of_one_time(live: DataProvider, offline: DataProvider, recorded: Recorded) -> None:
    as_of = recorded.first // SECOND * SECOND + 400 * SECOND
    found = asyncio.run(offline.get_multi_timeframe_data("ETH/USDT", ["1s", "1m", "5m"], as_of, limit=50))
    assert found.as_of == as_of
    assert {str(each): len(candles) for each, candles in found.candles.items()} == {"1s": 50, "1m": 6, "5m": 2}
    assert all(int(candles.known_at.max()) <= as_of for candles in found.candles.values())
    now = asyncio.run(live.get_multi_timeframe_data("ETH/USDT", [S1, M1], limit=50))
    assert now.source == "cache"
    stored = asyncio.run(offline.get_multi_timeframe_data("ETH/USDT", [S1, M1], recorded.last, limit=50))
    for each in (S1, M1):
        assert np.array_equal(now.candles[each].close, stored.candles[each].close)
    none = asyncio.run(offline.get_multi_timeframe_data("ETH/USDT", ["2s"]))
    assert "2s" in none.reason
    assert asyncio.run(offline.get_multi_timeframe_data("SOL/USDT", [S1])).reason == (
        "nothing of binance:SOL/USDT is stored"
    )


def test_what_memory_lacks_has_a_reason_as_in_storage(live: DataProvider, recorded: Recorded) -> None:
    market = recorded.replay.state.markets[ETH_KEY]
    tracks = market.frames.tracks
    market.frames.tracks = {**tracks, Timeframe.D1: Track(market.instrument, Timeframe.D1, 1500, 2)}
    try:
        now = asyncio.run(live.get_multi_timeframe_data("ETH/USDT", ["1m", "1d"]))
    finally:
        market.frames.tracks = tracks
    assert (now.source, now.reason) == ("cache", "nothing known of 1d at that time")


@pytest.mark.parametrize("limit", [0, -1, 2.5, "3"])
def test_a_limit_is_a_whole_number(live: DataProvider, offline: DataProvider, limit: Any) -> None:
    for provider in (live, offline):
        said = f"limit is {limit!r}; it is a whole number from 1 on"
        assert asyncio.run(provider.get_multi_timeframe_data("ETH/USDT", ["1m"], limit=limit)).reason == said
        assert asyncio.run(provider.get_order_book_data("ETH/USDT", limit=limit)).reason == said


def test_an_unknown_timeframe_is_named_with_those_that_are_known(live: DataProvider) -> None:
    found = asyncio.run(live.get_multi_timeframe_data("ETH/USDT", ["7m"]))
    assert found.reason == "unknown timeframe '7m' (known: 1s, 1m, 5m, 15m, 1h, 4h, 1d)"


def test_history_is_the_newest(live: DataProvider) -> None:
    found = asyncio.run(live.get_historical_data("ETH/USDT", "1s", limit=20))
    assert len(found) == 20
    assert np.diff(found.open_ms).tolist() == [1000] * 19


def test_books_by_aggregation(live: DataProvider, offline: DataProvider, recorded: Recorded) -> None:
    as_of = recorded.first // SECOND * SECOND + 400 * SECOND
    seconds = asyncio.run(offline.get_order_book_data("ETH/USDT", as_of, "1s", limit=30))
    assert [each.column.second for each in seconds.columns] == list(range(as_of // SECOND - 29, as_of // SECOND + 1))
    assert seconds.columns[-1].averages
    raw = asyncio.run(offline.get_order_book_data("ETH/USDT", as_of, "raw", limit=4))
    assert len(raw.books) == 4
    assert all(book.known_at <= as_of and book.bids[0][0] < book.asks[0][0] for book in raw.books)
    minutes = asyncio.run(offline.get_order_book_data("ETH/USDT", as_of, "1m", limit=4))
    assert [each.column.second % 60 for each in minutes.columns] == [0] * len(minutes.columns)
    assert len(minutes.columns) >= 3
    now = asyncio.run(live.get_order_book_data("ETH/USDT"))
    assert (now.source, len(now.columns)) == ("cache", SECONDS)
    assert asyncio.run(offline.get_order_book_data("ETH/USDT", recorded.first - 99 * SECOND)).reason == (
        "no live book is known of that time"
    )
    with pytest.raises(ValueError, match="no aggregation '5m'; there are raw, 1s, 1m"):
        asyncio.run(live.get_order_book_data("ETH/USDT", aggregation="5m"))  # type: ignore[arg-type]


def test_seconds_of_the_book_are_the_same_from_memory_and_storage(
    live: DataProvider, offline: DataProvider, recorded: Recorded
) -> None:
    """With the averages of each, and after a hole the same time, not the same number."""
    state = recorded.replay.state
    cob = state.markets[ETH_KEY].cob
    assert cob is not None
    for limit in (1, 40, SECONDS):
        now = asyncio.run(live.get_order_book_data("ETH/USDT", limit=limit))
        assert now.source == "cache"
        assert all(each.averages for each in now.columns)
        assert now.columns == asyncio.run(offline.get_order_book_data("ETH/USDT", recorded.last, limit=limit)).columns
    alone = DataProvider(state=lambda: state, now=lambda: recorded.last)
    whole = cob.columns.copy()
    try:
        for _ in range(30):
            cob.columns.pop()
        assert len(asyncio.run(alone.get_order_book_data("ETH/USDT", limit=40)).columns) == 10
        dark = asyncio.run(alone.get_order_book_data("ETH/USDT", limit=20))
        assert (dark.columns, dark.reason) == ((), "no live book is known of that time")
    finally:
        cob.columns.extend(list(whole)[-30:])


def test_the_heat_map_is_the_same_from_memory_and_storage(
    live: DataProvider, offline: DataProvider, recorded: Recorded
) -> None:
    for metric in ("imbalance", "volume", "spread"):
        one = asyncio.run(live.get_cob_heatmap_matrix("ETH/USDT", 120, 10, metric))
        other = asyncio.run(offline.get_cob_heatmap_matrix("ETH/USDT", 120, 10, metric, recorded.last))
        assert one is not None
        assert one.cells.shape == (120, 20)
        assert differences(one, other, tolerance=0) == []
    with pytest.raises(ValueError, match="metric 'colour'; known are imbalance, volume, spread"):
        asyncio.run(live.get_cob_heatmap_matrix("ETH/USDT", metric="colour"))
    assert asyncio.run(offline.get_cob_heatmap_matrix("SOL/USDT")) is None


def test_the_book_of_now_and_its_imbalance(live: DataProvider, offline: DataProvider) -> None:
    view = live.get_latest_cob_data("ETH/USDT")
    assert view is not None
    assert view.instrument == ETH_KEY
    assert [each.window_s for each in live.get_current_cob_imbalance("ETH/USDT")] == [1, 5, 15, 60]
    assert offline.get_latest_cob_data("ETH/USDT") is None
    assert offline.get_current_cob_imbalance("ETH/USDT") == ()
    with pytest.raises(SettingsInvalid):
        live.get_latest_cob_data("nonsense")


def test_pivots_are_the_same_from_memory_and_storage(
    live: DataProvider, offline: DataProvider, recorded: Recorded
) -> None:
    one = asyncio.run(live.calculate_williams_pivot_points("ETH/USDT"))
    other = asyncio.run(offline.calculate_williams_pivot_points("ETH/USDT", recorded.last))
    assert len(one[S1]) > 60
    for each in Timeframe:
        assert sorted(map(str, one[each])) == sorted(map(str, other[each]))
    base = asyncio.run(live.get_base_data_input("ETH/USDT"))
    assert base is not None
    assert base.pivots[S1].there.any()


def test_figures_tell_of_every_kind_of_question(live: DataProvider, recorded: Recorded) -> None:
    asked(live)
    asked(live, recorded.last - 50 * SECOND)
    asyncio.run(live.get_historical_data("ETH/USDT", "1m", 5))
    asyncio.run(live.get_order_book_data("ETH/USDT", limit=10))
    found = {each.name: each for each in live.reads()}
    assert set(found) == {"input", "bars", "book"}
    assert (found["input"].hits, found["input"].misses, found["input"].count) == (1, 1, 2)
    assert found["input"].p99_ms is not None
