"""Questions of the socket: each against what memory and storage hold, bounded, and never guessed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import pytest

from engine.data import summaries
from engine.data.parts import live_parts
from engine.data.provider import DataProvider
from engine.data.queries import QUERIES, Queries
from engine.errors import FeedUnavailable, RequestDenied
from engine.health import GapView
from engine.ingestion.history import HistoryAnswer, Served
from engine.market.assembly import build
from engine.market.depth import depth as bands_of
from engine.market.track import Track
from engine.ohlcv import OHLCV
from engine.protocol import Get
from engine.types import MS, SECOND, Bar, Instrument, Timeframe
from engine.views import (
    DepthView,
    GapsView,
    HistoryView,
    ModelInputView,
    PivotsView,
    ProfileView,
    QualityView,
    StorageView,
)
from storage.archive import StoredArchive
from tests.engine.recorded import KEYS, Recorded
from tests.engine.support import BTC, T0, Driver
from tests.support.serving import in_virtual_time, stage

ETH_KEY = KEYS[0]
S1, M1 = Timeframe.S1, Timeframe.M1
V = TypeVar("V")

FIGURES = StorageView(
    path="market.db", bytes=1, free_bytes=2, schema=1, tables=(), waiting=0, written=3, rejected=0, lag_ms=None,
    backup_ms=None, error="",
)  # fmt: skip


class Elsewhere:
    """Another source: gives the candles it holds, or fails."""

    def __init__(self, candles: OHLCV, *, fails: str = "", reached: bool = False) -> None:
        self.candles = candles
        self.fails = fails
        self.reached = reached
        self.asked: list[tuple[int, int]] = []

    async def range(
        self, instrument: Instrument, timeframe: Timeframe | str, start_ms: int, end_ms: int
    ) -> HistoryAnswer:
        self.asked.append((start_ms, end_ms))
        if self.fails:
            raise FeedUnavailable(self.fails)
        found = self.candles.take((self.candles.open_ms >= start_ms) & (self.candles.open_ms < end_ms))
        gaps: tuple[GapView, ...] = ()
        served = (Served(source="venue", rows=len(found), ms=5.0),)
        return HistoryAnswer(ohlcv=found, served=served, gaps=gaps, reached_start=self.reached, reason="")


@pytest.fixture
def archive(recorded_database: Path) -> Iterator[StoredArchive]:
    opened = StoredArchive(recorded_database, recorded_database.parent / "cold")
    yield opened
    opened.close()


def queries(recorded: Recorded, archive: StoredArchive | None = None, **given: Any) -> Queries:
    state, now = recorded.replay.state, recorded.last + SECOND // 2
    provider = DataProvider(state=lambda: state, archive=archive, now=lambda: now)
    return Queries(provider, lambda: state, lambda: now, **given)


def ask(asked_of: Queries, kind: type[V], topic: str, instrument: str = "ETH/USDT", **asked: Any) -> V:
    answer = asyncio.run(asked_of.answer(Get(id=1, topic=topic, instrument=instrument, **asked)))
    return msgspec.msgpack.decode(answer, type=kind)


# History. -----------------------------------------------------------------------------------------------------------


def test_the_newest_candles_come_from_memory_and_storage(recorded: Recorded, archive: StoredArchive) -> None:
    held = recorded.replay.state.markets[ETH_KEY].frames.tracks[S1].candles(5000)
    for source in (archive, None):
        found = ask(queries(recorded, source), HistoryView, "history", timeframe="1s", limit=100)
        assert [row.open_ms for row in found.rows] == held.open_ms[-100:].tolist()
        assert [row.close for row in found.rows] == held.close[-100:].tolist()
        assert all(row.closed for row in found.rows)
        assert {each.source for each in found.served} == ({"storage", "memory"} if source else {"memory"})
        assert found.gaps == ()
    assert found.first_ms is None
    past = ask(queries(recorded), HistoryView, "history", timeframe="1s", limit=3, end_ms=T0 * 1000)
    assert [row.open_ms for row in past.rows] == [(T0 - back) * 1000 for back in (3, 2, 1)]


def test_a_range_of_the_past(recorded: Recorded, archive: StoredArchive) -> None:
    opens = archive.candles(ETH_KEY, S1).open_ms
    first = int(opens[0])
    asked_of = queries(recorded, archive)
    found = ask(asked_of, HistoryView, "history", timeframe="1s", limit=50, end_ms=first + 200_000)
    assert [row.open_ms for row in found.rows] == list(range(first + 150_000, first + 200_000, 1000))
    assert (found.first_ms, found.last_ms) == (first, int(opens[-1]))
    assert (found.reason, found.reached_start) == ("", False)
    onward = ask(asked_of, HistoryView, "history", timeframe="1s", limit=50, start_ms=first + 100_500)
    assert [row.open_ms for row in onward.rows] == list(range(first + 101_000, first + 151_000, 1000))
    before = ask(asked_of, HistoryView, "history", timeframe="1s", limit=50, end_ms=first + 20_000)
    assert len(before.rows) == 20
    assert (before.reason, before.reached_start) == ("there is nothing older", True)
    nothing = ask(asked_of, HistoryView, "history", timeframe="1s", limit=50, end_ms=first)
    assert (nothing.rows, nothing.reached_start) == ((), True)


def test_what_is_missing_is_asked_of_others_and_only_that(recorded: Recorded, archive: StoredArchive) -> None:
    whole = archive.candles(ETH_KEY, M1)
    first = int(whole.open_ms[0])
    older = OHLCV.join([whole[:1]] * 10)
    older = msgspec.structs.replace(older, open_ms=first - 60_000 * np.arange(10, 0, -1, dtype=np.int64))
    venue = Elsewhere(older)
    asked_of = queries(recorded, archive, history=lambda _: venue)
    found = ask(asked_of, HistoryView, "history", timeframe="1m", limit=15, end_ms=first + 300_000)
    assert venue.asked == [(first - 600_000, first)]
    assert [row.open_ms for row in found.rows] == list(range(first - 600_000, first + 300_000, 60_000))
    assert [(each.source, each.rows) for each in found.served] == [("storage", 5), ("memory", 5), ("venue", 10)]
    assert found.reason == ""
    failing = Elsewhere(older, fails="binance is down")
    asked_of = queries(recorded, archive, history=lambda _: failing)
    found = ask(asked_of, HistoryView, "history", timeframe="1m", limit=15, end_ms=first + 300_000)
    assert (len(found.rows), found.reason) == (5, "binance is down")


def test_holes_between_rows_are_told() -> None:
    opens = np.array([0, 60, 240, 300, 900], np.int64) * 1000
    candles = OHLCV.join([OHLCV.empty(M1)])
    whole = msgspec.structs.replace(
        candles, **{name: np.zeros(5, array.dtype) for name, array in msgspec.structs.asdict(candles).items()
                    if name != "timeframe"} | {"open_ms": opens}
    )  # fmt: skip
    assert [(gap.first_ms, gap.last_ms, gap.missing) for gap in summaries.holes(whole)] == [
        (120_000, 180_000, 2), (360_000, 840_000, 9)
    ]  # fmt: skip
    assert summaries.missing(whole, 0, 360_000, 60_000) == (120_000, 180_000)
    assert summaries.missing(whole[:2], 0, 120_000, 60_000) is None


def test_where_two_have_a_candle_the_later_counts(archive: StoredArchive) -> None:
    stored = archive.candles(ETH_KEY, M1)[:3]
    newer = msgspec.structs.replace(stored[1:2], close=stored.close[1:2] + 1)
    whole = summaries.together(M1, [stored, newer])
    assert whole.open_ms.tolist() == stored.open_ms.tolist()
    assert (whole.close - stored.close).tolist() == [0, 1, 0]
    assert len(summaries.together(M1, [])) == 0


def test_gaps_of_what_is_stored(recorded: Recorded, archive: StoredArchive) -> None:
    found = ask(queries(recorded, archive), GapsView, "gaps", timeframe="1s")
    assert (found.gaps, found.missing, found.reason) == ((), 0, "")
    assert found.first_ms == int(archive.candles(ETH_KEY, S1).open_ms[0])
    none = ask(queries(recorded, archive), GapsView, "gaps", "SOL/USDT", timeframe="1s")
    assert (none.first_ms, none.reason) == (None, "no 1s candle of binance:SOL/USDT is stored")


# Structure, book, volume. -------------------------------------------------------------------------------------------


def test_pivots_trends_and_bounds(recorded: Recorded, archive: StoredArchive) -> None:
    track = recorded.replay.state.markets[ETH_KEY].frames.tracks[S1]
    found = ask(queries(recorded, archive), PivotsView, "pivots", timeframe="1s")
    assert [(row.level, row.high, row.ts_ms, row.price) for row in found.points] == [
        (point.level, point.high, point.ts_ms, point.price) for point in track.pivots
    ]
    assert found.as_of == recorded.last
    price = float(track.candles(1).close[-1])
    wanted = track.swings.read(price)
    assert [each.trend for each in found.trends] == [str(each.trend or "unknown") for each in wanted]
    assert [each.support for each in found.trends] == [each.support and each.support.price for each in wanted]
    assert found.bounds is not None
    assert found.bounds.source == "pivots"
    assert found.bounds.low < price < found.bounds.high
    assert found.floor is None  # the day before is not complete
    empty = ask(queries(recorded, archive), PivotsView, "pivots", timeframe="1h")
    assert (empty.points, empty.reason) == ((), "no pivot has been confirmed yet")
    assert empty.bounds is not None
    assert empty.bounds.source == "range"


def test_bounds_of_a_young_structure_are_those_of_the_model_input(recorded: Recorded) -> None:
    """Out of all days in memory, not the newest 300 of them."""
    market = recorded.replay.state.markets[ETH_KEY]
    tracks, days = market.frames.tracks, Track(market.instrument, Timeframe.D1, 1500, 2)
    bars = [
        Bar(
            open_ms=(T0 - 86_400 * back) * 1000, open=100, high=100 + back, low=50, close=100, volume=1, trades=1,
            taker_buy=0, quote_volume=100,
        )
        for back in range(400, 0, -1)
    ]  # fmt: skip
    days.take(bars, (), recorded.last)
    market.frames.tracks = {**tracks, Timeframe.D1: days}
    try:
        found = ask(queries(recorded), PivotsView, "pivots", timeframe="1h")
        given = build(live_parts(recorded.replay.state, ETH_KEY)).pivots[Timeframe.H1].bounds
    finally:
        market.frames.tracks = tracks
    assert found.bounds is not None
    assert given is not None
    assert (found.bounds.low, found.bounds.high) == (given.lower, given.upper)
    assert given.upper == 500 / market.instrument.price_scale


def test_volume_by_price_is_that_of_the_days_trades(recorded: Recorded) -> None:
    market = recorded.replay.state.markets[ETH_KEY]
    found = ask(queries(recorded), ProfileView, "profile")
    day = [
        trade
        for keep in recorded.keeps if keep.instrument.key == ETH_KEY
        for trade in keep.trades if trade.ts_exch >= T0 * SECOND
    ]  # fmt: skip
    wanted: dict[int, int] = {}
    for trade in [*day, *market.fresh]:
        wanted[trade.price // 100] = wanted.get(trade.price // 100, 0) + trade.size
    assert (found.since_ms, found.approximate, found.reason) == (T0 * 1000, False, "")
    assert found.size == 1.0
    assert found.price == min(wanted)
    lots = market.instrument.size_scale
    assert list(found.volumes) == pytest.approx([wanted.get(k, 0) / lots for k in range(min(wanted), max(wanted) + 1)])
    busiest = max(wanted, key=lambda k: wanted[k])
    assert found.control == busiest + 0.5
    assert found.value_low is not None
    assert found.value_high is not None
    assert found.value_low <= busiest < found.value_high
    assert ask(queries(recorded), ProfileView, "profile", "SOL/USDT").reason == "not followed by this engine"


def test_what_the_book_amounts_to(recorded: Recorded) -> None:
    market = recorded.replay.state.markets[ETH_KEY]
    instrument, sync = market.instrument, market.sync
    found = ask(queries(recorded), DepthView, "depth")
    wanted = bands_of(sync.book.bids, sync.book.asks, sync.low, sync.high)
    assert [(each.within_pct, each.partial) for each in found.bands] == [
        (0.1, wanted[0].partial), (0.5, wanted[1].partial), (1.0, wanted[2].partial)
    ]  # fmt: skip
    assert found.bands[1].bid == instrument.size(wanted[1].bid)
    assert found.live
    assert found.liquidity is not None
    assert 0 < found.liquidity < 1
    assert [each.bid for each in found.top] == [True] * 5 + [False] * 5
    assert all(each.intensity >= 0.7 for each in found.walls)
    assert found.top[0].size == max(each.size for each in found.top if each.bid)
    dead = Driver(BTC)
    provider = DataProvider(state=lambda: dead.state, now=lambda: T0 * SECOND)
    silent = Queries(provider, lambda: dead.state, lambda: T0 * SECOND)
    assert ask(silent, DepthView, "depth", BTC.key).reason == "the book is not live"


# Model input. -------------------------------------------------------------------------------------------------------


def test_the_quality_is_told_with_its_parts(recorded: Recorded, archive: StoredArchive) -> None:
    found = ask(queries(recorded, archive, storage=lambda: FIGURES), QualityView, "quality")
    assert (found.score, found.valid, found.reason) == (1.0, False, "")
    assert sum(part.weight * part.score for part in found.parts) == pytest.approx(1.0)
    assert any(each.startswith("primary 1h: expected at least 100 bars") for each in found.missing)
    streams = {each.name: each for each in found.streams}
    assert list(streams) == [
        "primary_1s", "primary_1m", "primary_1h", "primary_1d", "reference_1s", "cob_1s"
    ]  # fmt: skip
    assert (streams["primary_1s"].rows, streams["primary_1s"].sources) == (300, {"trades": 300})
    assert streams["primary_1m"].rows == 11
    assert streams["cob_1s"].rows == 300
    assert found.storage == FIGURES
    none = ask(queries(recorded, archive), QualityView, "quality", "SOL/USDT")
    assert (none.score, none.valid, none.storage) == (0.0, False, None)
    assert none.reason == "nothing of binance:SOL/USDT is stored"


def test_an_input_is_summed_up_for_now_and_for_then(recorded: Recorded, archive: StoredArchive) -> None:
    now = ask(queries(recorded, archive), ModelInputView, "model_input")
    assert (now.source, now.as_of, now.reference) == ("cache", recorded.last, KEYS[1])
    assert now.indicators["1s"]["rsi_14"] is not None
    assert now.indicators["1h"]["rsi_14"] is None
    assert len(now.imbalance) == 8
    assert now.price == now.micro["mid"]
    assert [len(counts) for counts in now.pivots.values()] == [5] * 4
    at_ms = (recorded.first // SECOND + 300) * 1000
    then = ask(queries(recorded, archive), ModelInputView, "model_input", end_ms=at_ms)
    assert (then.source, then.as_of) == ("database", at_ms * MS)
    late = ask(queries(recorded, archive), ModelInputView, "model_input", end_ms=at_ms + 10_000_000)
    assert late.reason.endswith("s in the future")


def test_what_cannot_be_asked_is_denied(recorded: Recorded) -> None:
    for given, code, reason in (
        ({"topic": "history", "timeframe": "2s"}, "unknown_timeframe", "unknown timeframe '2s'"),
        ({"topic": "depth", "instrument": "nonsense"}, "unknown_instrument", "binance:NONSENSE: expected"),
        ({"topic": "storage", "instrument": ""}, "not_available", "this engine keeps nothing"),
    ):
        with pytest.raises(RequestDenied, match=reason) as denied:
            ask(queries(recorded), object, **{"instrument": ETH_KEY, **given})
        assert denied.value.code == code
    assert ask(queries(recorded, storage=lambda: FIGURES), StorageView, "storage", "") == FIGURES
    assert set(QUERIES) >= {"history", "storage"}


@in_virtual_time
async def test_over_the_socket_they_are_asked_for_and_not_subscribed_to(tmp_path: Path, recorded: Recorded) -> None:
    async with stage(tmp_path, state=recorded.replay.state) as made:
        wire = await made.client()
        answer = await wire.ask(type="get", id=1, topic="pivots", instrument=ETH_KEY, timeframe="1s")
        assert (answer["type"], answer["topic"], answer["data"]["instrument"]) == ("state", "pivots", ETH_KEY)
        assert answer["data"]["points"][0][2] in (1, 2, 3)
        for number, topic in enumerate((each for each in QUERIES if each != "storage"), 2):
            denied = await wire.ask(type="subscribe", id=number, topic=topic, instrument=ETH_KEY, timeframe="1m")
            assert (denied["type"], denied["code"]) == ("denied", "not_available")
        wrong = await wire.ask(type="get", id=99, topic="history", instrument=ETH_KEY, timeframe="3m")
        assert wrong["code"] == "unknown_timeframe"
        assert (await wire.ask(type="get", id=100, topic="storage"))["code"] == "not_available"
