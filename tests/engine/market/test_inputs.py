"""What models are given: the same live and from storage, nothing from after its time, every row in its place."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.data.parts import live_parts, no_columns, reference_of, stored_parts
from engine.market import inputs
from engine.market.anchored import DaySums
from engine.market.assembly import Parts, build
from engine.market.cob import WINDOWS, Cob, Column
from engine.market.columns import BUCKETS, ColumnRing, Columns
from engine.market.indicators import NAMES, indicators
from engine.market.inputs import BARS, FRAMES, MICRO, TIMEFRAMES, ModelInput
from engine.market.outputs import Action, ModelOutput, ModelType
from engine.market.structure import Swings
from engine.market.validation import validate
from engine.ohlcv import OHLCV
from engine.replay import Replay
from engine.types import MS, SECOND, FeedLost, FeedUp, Timeframe
from storage.archive import StoredArchive
from storage.rollup import rolled_up
from tests.engine.recorded import KEYS, Recorded, differences, inject, load
from tests.engine.support import BTC, BTC_COINM, T0

ETH_KEY, BTC_KEY = KEYS
S1, M1, H1, D1 = TIMEFRAMES


@pytest.fixture(scope="module")
def archive(recorded_database: Path) -> Iterator[StoredArchive]:
    opened = StoredArchive(recorded_database, recorded_database.parent / "cold")
    yield opened
    opened.close()


def at(archive: StoredArchive, key: str, as_of: int) -> ModelInput:
    return build(stored_parts(archive, key, as_of))


def empty(**given: object) -> Parts:
    nothing: dict[str, object] = {
        "symbol": BTC.key,
        "as_of": (T0 + 600) * SECOND,
        "contract_size": 0,
        "candles": {each: OHLCV.empty(each) for each in TIMEFRAMES},
        "values": {},
        "columns": no_columns(),
        "averages": (),
        "swings": {each: Swings(each) for each in TIMEFRAMES},
        "reference": "",
        "reference_1s": OHLCV.empty(S1),
        "reference_contract_size": 0,
        "outputs": {},
    }
    made = Parts(**{**nothing, **given})  # type: ignore[arg-type]
    values = {each: indicators(held).values for each, held in made.candles.items()}
    return msgspec.structs.replace(made, values=values)


def candles(timeframe: Timeframe, opens: list[int], **columns: object) -> OHLCV:
    count = len(opens)
    usual: dict[str, object] = {
        "open": np.full(count, 10.0), "high": np.full(count, 12.0), "low": np.full(count, 9.0),
        "close": np.full(count, 11.0), "volume": np.full(count, 2.0), "quote_volume": np.full(count, 22.0),
        "taker_buy": np.full(count, 0.5), "trades": np.full(count, 3), "complete": np.ones(count, np.bool_),
        "known_at": np.zeros(count, np.int64), "source": np.zeros(count, np.uint8),
    }  # fmt: skip
    return OHLCV(timeframe=timeframe, open_ms=np.array(opens, np.int64) * 1000, **{**usual, **columns})  # type: ignore[arg-type]


# Live, stored, cut. -------------------------------------------------------------------------------------------------


def test_live_and_stored_are_the_same_field_by_field(recorded: Recorded, archive: StoredArchive) -> None:
    assert len(recorded.live) >= 30
    for (key, as_of), live in recorded.live.items():
        assert differences(live, at(archive, key, as_of)) == [], (key, as_of)


def test_they_are_the_same_whatever_happens(recordings_root_path: Path, tmp_path: Path) -> None:
    """History that comes late, a lost connection, a hole, a clock set back, late trades, the venue's candles."""

    def late_trades(replay: Replay) -> None:
        market = replay.state.markets[ETH_KEY]
        last = market.last_trade
        assert last is not None
        for back in (3, 10, 50):
            ts_exch = last.ts_exch - back * SECOND
            market.bars.trade(
                msgspec.structs.replace(last, id=last.id - 7 * back, price=last.price + 50 * back, ts_exch=ts_exch)
            )

    def hole(replay: Replay) -> None:
        for market in replay.state.markets.values():
            market.bars.hole(replay.position - 20 * SECOND)

    def set_back(replay: Replay) -> None:
        for market in replay.state.markets.values():
            market.bars.rewind(replay.position - 10 * SECOND)

    disturbed = Recorded(
        recordings_root_path,
        0.06,
        [
            (30, lambda replay: load(recordings_root_path, replay, 400)),
            (100, lambda replay: inject(replay, FeedLost(source="binance", reason="as a test"))),
            (140, lambda replay: inject(replay, FeedUp(source="binance"))),
            (200, lambda replay: load(recordings_root_path, replay, 20)),
            (260, lambda replay: load(recordings_root_path, replay, 700)),
            (300, hole),
            (330, set_back),
            (420, lambda replay: load(recordings_root_path, replay, 20)),
            (450, late_trades),
        ],
    )
    market = disturbed.replay.state.markets[ETH_KEY]
    assert market.bars.revisions == 3
    assert len(market.bars.closed[M1]) > 400
    archive = StoredArchive(disturbed.store(tmp_path / "market.db"), tmp_path / "cold")
    assert len(disturbed.live) > 40
    for (key, as_of), live in disturbed.live.items():
        assert differences(live, at(archive, key, as_of)) == [], (key, as_of)
    archive.close()


def test_what_is_compared_is_not_empty(recorded: Recorded) -> None:
    newest = recorded.live[max(recorded.live, key=lambda each: (each[0] == ETH_KEY, each[1]))]
    assert newest.frames[S1].there.all()
    assert newest.reference_1s.there.all()
    assert newest.cob.there.all()
    assert newest.frames[M1].there.sum() >= 8
    assert not np.isnan(newest.imbalance).any()
    assert not np.isnan(newest.flow).any()
    assert (~np.isnan(newest.bucket_imbalance)).mean() > 0.8
    assert newest.pivots[S1].there.sum() > 15
    assert newest.so_far[H1] is not None
    assert newest.so_far[D1] is not None
    assert not np.isnan(newest.indicators[S1].values).any()
    assert newest.quality.score == 1.0
    assert not np.isnan([newest.micro[name] for name in MICRO]).any()


def test_storage_of_each_time_gives_what_all_of_it_gives(
    recorded: Recorded, archive: StoredArchive, tmp_path: Path
) -> None:
    """Bit by bit, for times at random: nothing of what became known later is in it."""
    seconds = range(recorded.first // SECOND + 1, recorded.last // SECOND)
    times = sorted(second * SECOND for second in random.Random(11).sample(seconds, 30))
    path, written = tmp_path / "market.db", 0
    for as_of in times:
        written = recorded.store_on(path, written, as_of)
        cut = StoredArchive(path, tmp_path / "cold")
        for key in KEYS:
            assert differences(at(archive, key, as_of), at(cut, key, as_of), tolerance=0) == [], (key, as_of)
        cut.close()


def test_a_future_that_is_another_changes_nothing(recorded: Recorded, archive: StoredArchive, tmp_path: Path) -> None:
    """The canary: prices after a time are doubled. What is for that time stays, what is for later sees it."""
    as_of = (recorded.first // SECOND + 400) * SECOND

    def twice(value: int, known_at: int) -> int:
        return value * 2 if known_at > as_of else value

    other = Recorded.__new__(Recorded)
    other.last, other.first = recorded.last, recorded.first
    other.keeps = [
        msgspec.structs.replace(
            keep,
            bars=tuple(
                (
                    timeframe,
                    msgspec.structs.replace(
                        bar, **{name: twice(getattr(bar, name), keep.known_at) for name in BARS[:5]}
                    ),
                )
                for timeframe, bar in keep.bars
            ),
        )
        for keep in recorded.keeps
    ]
    changed = StoredArchive(other.store(tmp_path / "other.db"), tmp_path / "cold")
    assert differences(at(archive, ETH_KEY, as_of), at(changed, ETH_KEY, as_of), tolerance=0) == []
    later = as_of + 3 * SECOND
    assert differences(at(archive, ETH_KEY, later), at(changed, ETH_KEY, later)) != []
    changed.close()


def test_an_input_cannot_be_written_to(recorded: Recorded) -> None:
    given = recorded.live[ETH_KEY, max(as_of for _, as_of in recorded.live)]
    for array in (given.frames[S1].values, given.cob.bids, given.pivots[M1].price, given.indicators[M1].values):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_the_same_second_is_the_same_input_whenever_it_is_built(recorded: Recorded) -> None:
    parts = live_parts(recorded.replay.state, ETH_KEY)
    assert differences(build(parts), build(parts), tolerance=0) == []


# Bars. --------------------------------------------------------------------------------------------------------------


def test_running_bars_are_made_of_what_was_traded_in_closed_seconds(recorded: Recorded) -> None:
    trades = [trade for keep in recorded.keeps if keep.instrument.key == ETH_KEY for trade in keep.trades]
    instrument = recorded.replay.state.markets[ETH_KEY].instrument
    checked = 0
    for (key, as_of), given in recorded.live.items():
        running = given.so_far[M1]
        if key != ETH_KEY or running is None or running.covered_s < running.elapsed_s:
            continue
        end_ms = running.open_ms + 1000 * running.elapsed_s
        assert end_ms == given.frames[S1].end_ms
        inside = [trade for trade in trades if running.open_ms <= trade.ts_exch // MS < end_ms]
        assert all(trade.ts_sent <= as_of + 2 * SECOND for trade in inside)
        volume = sum(trade.size for trade in inside) / instrument.size_scale
        bought = sum(trade.size for trade in inside if not trade.sell) / instrument.size_scale
        assert running.values[4] == pytest.approx(volume)
        assert running.values[6] == pytest.approx(bought)
        assert running.values[7] == len(inside)
        if inside:
            assert running.values[3] == max(inside, key=lambda trade: trade.id).price / instrument.price_scale
        checked += 1
    assert checked > 8


def test_a_running_day_is_hours_then_minutes_then_seconds() -> None:
    end = T0 + 2 * 3600 + 3 * 60 + 4
    parts = empty(
        candles={
            S1: candles(S1, list(range(end - 200, end))),
            M1: candles(M1, [T0 + 7200, T0 + 7260, T0 + 7320]),
            H1: candles(H1, [T0, T0 + 3600]),
            D1: candles(D1, [T0 - 86_400]),
        }
    )
    given = build(parts)
    day = given.so_far[D1]
    assert day is not None
    assert (day.open_ms, day.elapsed_s, day.covered_s) == (T0 * 1000, 7384, 7384)
    assert day.values.tolist() == [10.0, 12.0, 9.0, 11.0, 2.0 * 9, 22.0 * 9, 0.5 * 9, 27.0]
    hour = given.so_far[H1]
    assert hour is not None
    assert (hour.elapsed_s, hour.covered_s, hour.values[7]) == (184, 184, 21.0)
    minute = given.so_far[M1]
    assert minute is not None
    assert (minute.open_ms, minute.elapsed_s, minute.values[7]) == ((T0 + 7380) * 1000, 4, 12.0)


def test_a_running_bar_is_the_bar_that_it_becomes() -> None:
    """Seconds without trades carry a price, and do not open, raise or lower the bar."""
    traded = np.arange(30) % 7 == 3
    usual = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0}
    prices = {name: np.where(traded, price, 99.0) for name, price in usual.items()}
    opens = [T0 + second for second in range(30)]
    whole = candles(S1, opens, volume=2.0 * traded, trades=3 * traded, **prices)
    for count in (2, 30):
        running = build(empty(candles={**empty().candles, S1: whole[:count]})).so_far[M1]
        closed = rolled_up(whole[:count], M1)
        assert running is not None
        assert running.values[:5].tolist() == [float(getattr(closed, name)[0]) for name in BARS[:5]]


def test_a_hole_in_a_running_bar_is_told() -> None:
    parts = empty(candles={**empty().candles, M1: candles(M1, [T0, T0 + 60, T0 + 240]), S1: candles(S1, [T0 + 300])})
    hour = build(parts).so_far[H1]
    assert hour is not None
    assert (hour.elapsed_s, hour.covered_s) == (301, 181)


def test_missing_bars_are_masked_where_they_belong() -> None:
    opens = [T0 + second for second in range(100) if second not in (40, 41, 99)]
    given = build(empty(candles={**empty().candles, S1: candles(S1, opens)}))
    frame = given.frames[S1]
    assert frame.open_ms[-1] == (T0 + 98) * 1000
    assert np.diff(frame.open_ms).tolist() == [1000] * (FRAMES - 1)
    there = set(frame.open_ms[frame.there] // 1000 - T0)
    assert there == set(range(99)) - {40, 41}
    assert np.isnan(frame.values[~frame.there]).all()
    assert not frame.there[: FRAMES - 99].any()


def test_what_reaches_farther_back_than_memory_changes_nothing() -> None:
    """Storage is read 1800 bars back, memory holds 1500: VWAP, OBV and the range are those of either."""
    end = T0 + 3 * 3600
    minutes = candles(
        M1, [end - 60 * back for back in range(1800, 0, -1)], close=10 + np.sin(np.arange(1800)), known_at=np.ones(1800)
    )
    days = candles(D1, [T0 - 86_400 * back for back in range(1800, 0, -1)], high=np.arange(3600.0, 1800.0, -1))
    stored = build(empty(candles={**empty().candles, M1: minutes, D1: days}))
    live = build(empty(candles={**empty().candles, M1: minutes[-1500:], D1: days[-1500:]}))
    assert differences(live, stored) == []
    vwap = live.indicators[M1].values[:, NAMES.index("vwap")]
    assert np.isnan(vwap[:120]).all()
    assert not np.isnan(vwap[120:]).any()
    bounds = live.pivots[M1].bounds
    assert bounds is not None
    assert bounds.upper == 3300.0


def test_a_reference_of_which_nothing_is_known_is_none() -> None:
    """Whether it is followed cannot be read from storage."""
    primary = candles(S1, [T0 + second for second in range(400)])
    for reference_1s in (OHLCV.empty(S1), candles(S1, [T0 - 5000])):
        given = build(
            empty(candles={**empty().candles, S1: primary}, reference="binance:ETH/USDT", reference_1s=reference_1s)
        )
        assert given.reference == ""
        assert not given.reference_1s.there.any()


def test_the_reference_stands_on_the_seconds_of_the_primary() -> None:
    primary = candles(S1, [T0 + second for second in range(150)])
    reference = candles(
        S1, [T0 + second for second in range(160) if second != 70], close=np.arange(159, dtype=np.float64)
    )
    given = build(empty(candles={**empty().candles, S1: primary}, reference="binance:ETH/USDT", reference_1s=reference))
    assert np.array_equal(given.reference_1s.open_ms, given.frames[S1].open_ms)
    place = int(np.flatnonzero(given.reference_1s.open_ms == (T0 + 70) * 1000)[0])
    assert not given.reference_1s.there[place]
    assert given.reference_1s.values[place - 1, 3] == 69.0
    assert given.reference_1s.values[place + 1, 3] == 70.0
    assert given.reference_1s.values[-1, 3] == 148.0  # what came after the primary's last second is not in it


def test_a_reference_that_is_ahead_loses_no_second() -> None:
    primary = candles(S1, [T0 + second for second in range(400)])
    ahead = candles(S1, [T0 + second for second in range(405)])
    given = build(empty(candles={**empty().candles, S1: primary}, reference="binance:ETH/USDT", reference_1s=ahead))
    assert given.reference_1s.there.all()


def test_a_reference_that_is_one_bar_away_is_found(recorded: Recorded) -> None:
    given = recorded.live[max(each for each in recorded.live if each[0] == ETH_KEY)]
    moved = msgspec.structs.replace(given.reference_1s, open_ms=given.reference_1s.open_ms - 1000)
    bad = msgspec.structs.replace(given, reference_1s=moved)
    assert "reference 1s: expected the seconds of the primary, have seconds -1 s away" in map(str, validate(bad))
    assert not any("seconds of the primary" in str(each) for each in validate(given))


def test_contracts_become_base_asset() -> None:
    opens = [T0 + second for second in range(5)]
    bars = candles(S1, opens, volume=np.full(5, 8.0), quote_volume=np.full(5, 80.0), taker_buy=np.full(5, 4.0))
    values = build(empty(candles={**empty().candles, S1: bars}, contract_size=100)).frames[S1].values[-1]
    assert dict(zip(BARS, values, strict=True))["volume"] == 8 * 100 / 10
    assert dict(zip(BARS, values, strict=True))["quote_volume"] == 800
    assert dict(zip(BARS, values, strict=True))["taker_buy"] == 40
    column = Column(
        second=T0, base=100, best_bid=1_000_000, best_ask=1_000_010, bids=(0,) * 19 + (3,) + (0,) * 20,
        asks=(0,) * BUCKETS, bid_notional=(0,) * 19 + (3_000_000,) + (0,) * 20, ask_notional=(0,) * BUCKETS,
        partial=(False,) * BUCKETS,
    )  # fmt: skip
    row = Columns.of([(column, 10_000)], BTC_COINM)
    assert row.bids[0, 19] == pytest.approx(3 * 100 / 100_000)
    assert row.bid_quote[0, 19] == pytest.approx(300)


def test_vwap_of_seconds_is_that_of_the_whole_day(recorded: Recorded) -> None:
    """Out of minutes and the running one's seconds; the recording begins before midnight."""
    seconds = recorded.replay.state.markets[ETH_KEY].frames.tracks[S1].candles(5000)
    sums = DaySums()
    names = ("open_ms", "open", "high", "low", "close", "volume", "quote_volume")
    wanted = {
        bar[0]: sums.take(*bar)[0] for bar in zip(*[getattr(seconds, name).tolist() for name in names], strict=True)
    }
    checked = 0
    for (key, _), given in recorded.live.items():
        frame = given.frames[S1]
        end = frame.end_ms
        if key == ETH_KEY and end is not None and end > T0 * 1000 + 1000:
            assert given.indicators[S1].last["vwap"] == pytest.approx(wanted[end - 1000], rel=1e-12)
            checked += 1
    assert checked > 5


# Book, answers of models. -------------------------------------------------------------------------------------------


def test_columns_stand_on_their_seconds(recorded: Recorded) -> None:
    market = recorded.replay.state.markets[ETH_KEY]
    parts = live_parts(recorded.replay.state, ETH_KEY)
    assert market.cob is not None
    kept = {column.second: column for column in market.cob.columns}
    dropped = sorted(kept)[-5]
    thinned = msgspec.structs.replace(parts, columns=parts.columns.take(parts.columns.seconds != dropped))
    given = build(thinned).cob
    assert given.seconds[-1] == parts.as_of // SECOND
    assert given.seconds[~given.there].tolist() == [dropped]
    assert np.isnan(given.bids[~given.there]).all()
    assert given.partial[~given.there].all()
    for row in (0, 150, 299):
        column = kept[int(given.seconds[row])]
        assert given.bids[row].tolist() == [lots / market.instrument.size_scale for lots in column.bids]
        usd = [value / market.instrument.size_scale / market.instrument.price_scale for value in column.ask_notional]
        assert given.ask_quote[row] == pytest.approx(usd)
        assert given.low[row] == column.base * market.cob.bucket / market.instrument.price_scale
        mid = (column.best_bid + column.best_ask) / 2 / market.instrument.price_scale
        assert given.mid[row] == pytest.approx(mid, rel=1e-12)
        assert given.spread_bps[row] == pytest.approx(column.spread_bps)


def test_bucket_averages_are_those_of_the_cob(recorded: Recorded) -> None:
    market = recorded.replay.state.markets[BTC_KEY]
    cob = market.cob
    assert cob is not None
    given = build(live_parts(recorded.replay.state, BTC_KEY))
    wanted = cob.bucket_averages(given.as_of // SECOND)
    base = cob.columns[-1].base
    for place in range(BUCKETS):
        mine = given.bucket_imbalance[place].tolist()
        theirs = wanted.get(base + place, (None,) * len(WINDOWS))
        assert mine == [pytest.approx(np.nan if value is None else value, nan_ok=True) for value in theirs]


def test_columns_of_another_bucket_size_are_left_out() -> None:
    ring = ColumnRing(BTC)
    cob = Cob(10, 1)
    cob._bid_volume[5] = 7
    for second, bucket in ((T0, 10), (T0 + 1, 20), (T0 + 2, 20)):
        column = Column(
            second=second, base=1, best_bid=99, best_ask=101, bids=(1,) * BUCKETS, asks=(1,) * BUCKETS,
            bid_notional=(100,) * BUCKETS, ask_notional=(100,) * BUCKETS, partial=(False,) * BUCKETS,
        )  # fmt: skip
        ring.append(column, bucket)
    given = build(empty(columns=ring.last(), as_of=(T0 + 2) * SECOND))
    assert given.cob.seconds[given.cob.there].tolist() == [T0 + 1, T0 + 2]
    assert given.cob.size == 0.2


def test_a_ring_of_columns_keeps_the_newest(recorded: Recorded) -> None:
    columns = [
        (keep.column, keep.bucket)
        for keep in recorded.keeps
        if keep.instrument.key == BTC_KEY and keep.column is not None
    ]
    ring = ColumnRing(BTC)
    for number, (column, bucket) in enumerate(columns, 1):
        ring.append(column, bucket)
        if number in (1, 299, 300, 301, 600, len(columns)):
            wanted = Columns.of(columns[:number][-300:], BTC)
            assert differences(ring.last(), wanted, tolerance=0) == []
    assert len(columns) > 600


def output(**given: object) -> ModelOutput:
    usual: dict[str, object] = {
        "model_type": ModelType.CNN, "model_name": "pivots", "instrument": BTC.key, "as_of": 1, "known_at": 2,
        "confidence": 0.5,
    }  # fmt: skip
    return ModelOutput(**{**usual, **given})  # type: ignore[arg-type]


def test_answers_that_were_not_there_yet_are_left_out() -> None:
    as_of = (T0 + 600) * SECOND
    known = {"old": output(known_at=as_of - 5 * SECOND), "late": output(known_at=as_of + 1)}
    given = build(empty(outputs=known))
    assert list(given.outputs) == ["old"]
    assert given.output_age_s("old") == 5.0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"confidence": 1.2}, "confidence is 1.2, allowed is 0 to 1"),
        ({"direction": -1.1}, "direction is -1.1, allowed is -1 to 1"),
        ({"direction_confidence": float("nan")}, "direction_confidence is nan"),
        ({"probabilities": {"BUY": 0.7, "SELL": 0.7}}, "the probabilities sum to 1.4"),
        ({"probabilities": {"BUY": -0.1, "SELL": 1.1}}, "the probability of BUY is -0.1"),
        ({"known_at": 0}, "an answer known at 0 to an input of 1"),
    ],
)
def test_an_answer_out_of_range_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        output(**given)
    assert output(action=Action.BUY, probabilities={"BUY": 0.75, "SELL": 0.25}).action is Action.BUY


# Layout. ------------------------------------------------------------------------------------------------------------


def test_shapes_are_those_that_are_written_down(recorded: Recorded) -> None:
    given = build(live_parts(recorded.replay.state, ETH_KEY))
    rows = re.findall(r"^\| (`.*?) \| \[(.*?)\] \|", inputs.__doc__ or "", re.M)
    assert len(rows) > 15
    checked = 0
    for names, shape in rows:
        where: object = given
        for name in re.findall(r"`([^`]+)`", names):
            *path, last = name.replace("[t]", "").split(".")
            if path:
                where = given
                for step in path:
                    where = getattr(where, step)
                if isinstance(where, dict):
                    where = where[M1]
            array = getattr(where, last)
            assert array.shape == tuple(int(size) for size in shape.split(", ")), name
            assert array.dtype in (np.float64, np.bool_, np.int64, np.int8), name
            checked += 1
    assert checked > 20


def test_nothing_at_all_is_all_masked() -> None:
    given = build(empty())
    assert not any(frame.there.any() for frame in given.frames.values())
    assert not given.cob.there.any()
    assert given.quality.score == 0.0
    assert np.isnan(given.price)
    assert given.so_far == {M1: None, H1: None, D1: None}


@pytest.mark.parametrize(
    ("key", "reference"),
    [
        ("binance:ETH/USDT", "binance:BTC/USDT"),
        ("binance:BTC/USDT", "binance:ETH/USDT"),
        ("binanceusdm:ETH/USDT:USDT", "binanceusdm:BTC/USDT:USDT"),
        ("binancecoinm:BTC/USD:BTC", "binancecoinm:ETH/USD:ETH"),
        ("binancecoinm:BTC/USD:BTC-241227", "binancecoinm:ETH/USD:ETH-241227"),
        ("binance:SOL/USDT", ""),
    ],
)
def test_the_reference_is_of_the_same_kind(key: str, reference: str) -> None:
    assert reference_of(key) == reference


def test_a_reference_can_be_chosen() -> None:
    assert reference_of("binance:SOL/USDT", {"SOL": "ETH"}) == "binance:ETH/USDT"
