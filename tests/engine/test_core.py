"""The functional core: what each record does to the state, and that one instrument's failure stays its own."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.digest import state_hash
from engine.market import raw as raw_updates
from engine.market.bars import Bars
from engine.settings import MarketSettings
from engine.snapshot import cob_view
from engine.state import DEEPER_PAUSE, MarketState
from engine.types import (
    MS,
    SECOND,
    Bar,
    BarsLoaded,
    Event,
    FeedAlive,
    FeedLost,
    FeedUp,
    FetchBars,
    FetchSnapshot,
    Instrument,
    InstrumentListed,
    MarkPrice,
    Quote,
    Timeframe,
)
from tests.engine.support import BTC, BTC_USDM, ETH, T0, Driver, delta, snapshot, trade

START = T0 * SECOND
MID = {BTC.key: 6_000_000, ETH.key: 300_000}


def script(seconds: int, seed: int = 1) -> list[tuple[int, Event, str]]:
    """Two markets on one connection: diffs, trades and a first snapshot each."""
    dice = random.Random(seed)
    ids = {BTC.key: 100, ETH.key: 5000}
    numbers = dict(ids)
    events: list[tuple[int, Event, str]] = [(START, FeedUp(source="binance"), "binance")]
    for tenth in range(seconds * 10):
        at = START + tenth * 100 * MS + 10 * MS
        for instrument in (BTC, ETH):
            key, mid = instrument.key, MID[instrument.key]
            ids[key] += 1
            levels = [(mid - dice.randint(1, 3000), dice.randint(0, 50)) for _ in range(3)]
            asks = [(mid + dice.randint(1, 3000), dice.randint(0, 50)) for _ in range(3)]
            levels.append((mid - 1, 7))
            asks.append((mid + 1, 7))
            events.append((at, delta(ids[key], dict(levels).items(), dict(asks).items(), key=key, ts=at), "binance"))
            if tenth == 3:
                first = snapshot(ids[key], [(mid - 1, 7), (mid - 30_000, 9)], [(mid + 1, 7), (mid + 30_000, 9)], key)
                events.append((at + MS, first, "binance:rest"))
            if dice.random() < 0.4:
                numbers[key] += 1
                price = mid + dice.randint(-50, 50)
                sell = dice.random() < 0.5
                events.append((at + 2 * MS, trade(numbers[key], price, 5, at, sell=sell, key=key), "binance"))
    return events


def play(driver: Driver, events: list[tuple[int, Event, str]]) -> Driver:
    for at, event, source in events:
        driver.at(at, event, source)
    return driver


def cob_agrees(market: MarketState) -> None:
    """The bucket sums equal those over the book as it stands."""
    if market.cob is None:
        return
    for levels, volume in (
        (market.sync.book.bids, market.cob._bid_volume),
        (market.sync.book.asks, market.cob._ask_volume),
    ):
        expected: dict[int, int] = {}
        for price, size in levels.items():
            expected[price // market.cob.bucket] = expected.get(price // market.cob.bucket, 0) + size
        assert {k: v for k, v in volume.items() if v} == expected


# Isolation. -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["bars", "sync", "cob", "timer"])
def test_a_failing_market_leaves_the_other_alone_and_recovers(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    events = script(12)
    reference = play(Driver(BTC, ETH), events)
    half = len(events) // 2
    driver = play(Driver(BTC, ETH), events[:half])
    market = driver.market(BTC)
    assert market.sync.live

    def fail(*_: object) -> None:
        raise ZeroDivisionError("our bug")

    assert market.cob is not None
    owner, name = {
        "bars": (Bars, "trade"),
        "sync": (type(market.sync), "delta"),
        "cob": (type(market.cob), "apply"),
        "timer": (type(market.cob), "sample"),
    }[part]
    original: Callable[..., object] = getattr(owner, name)
    broken = {"bars": market.bars, "sync": market.sync, "cob": market.cob, "timer": market.cob}[part]

    def only_this(self: object, *arguments: object, **named: object) -> object:
        return fail() if self is broken else original(self, *arguments, **named)

    before = market.counters.failures
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, only_this)
        place = half
        while market.counters.failures == before:
            at, event, source = events[place]
            driver.commands.clear()
            driver.at(at, event, source)
            place += 1
    assert "ZeroDivisionError: our bug" in market.failed
    assert not market.sync.live
    assert not market.sync.book.bids
    assert driver.commands.count(FetchSnapshot(instrument=BTC.key)) == 1
    cob_agrees(market)

    # The others go on, and this one is whole again with the next snapshot.
    for at, event, source in events[place:]:
        driver.at(at, event, source)
        other = driver.market(ETH)
        assert other.failed == ""
    assert driver.market(ETH).state() == reference.market(ETH).state()
    assert driver.commands.count(FetchSnapshot(instrument=BTC.key)) == 1
    mid = MID[BTC.key]
    last = max(
        event.last_id
        for _, event, _ in events
        if getattr(event, "instrument", "") == BTC.key and hasattr(event, "prev_id")
    )
    driver.at(events[-1][0] + MS, snapshot(last, [(mid - 1, 7)], [(mid + 1, 7)]), "binance:rest")
    assert market.sync.live
    assert market.failed == ""
    cob_agrees(market)


def test_a_trade_that_failed_leaves_no_complete_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trade is lost to the bars, so the second and the minute must not call themselves complete."""
    driver = Driver(BTC)
    driver.up(START - 3 * SECOND)
    driver.at(START - 2 * SECOND, trade(1, 100, 1, START - 2 * SECOND))
    for number in range(2, 70):
        at = START + (number - 2) * SECOND
        if number == 30:
            with monkeypatch.context() as patch:
                patch.setattr(Bars, "trade", lambda *_: 1 / 0)
                driver.at(at, trade(number, 100, 1, at))
            assert driver.market().counters.failures == 1
            continue
        driver.at(at, trade(number, 100, 1, at))
    closed = driver.market().bars.closed
    second = next((bar for bar in closed[Timeframe.S1] if bar.open_ms == (T0 + 28) * 1000), None)
    assert second is None or not second.complete
    minute = next(bar for bar in closed[Timeframe.M1] if bar.open_ms == T0 * 1000)
    assert minute.trades == 59
    assert not minute.complete


def test_an_instrument_that_is_not_followed_changes_nothing() -> None:
    driver = Driver(BTC)
    before = state_hash(driver.state)
    driver.apply(START, "binance", trade(1, 100, 1, START, key=ETH.key))
    assert state_hash(driver.state) == before
    assert set(driver.state.markets) == {BTC.key}


def test_listing_again_keeps_the_market_and_new_scales_start_it_anew() -> None:
    driver = play(Driver(BTC, ETH), script(2))
    kept = driver.market(BTC)
    driver.at(START + 9 * SECOND, InstrumentListed(instrument=BTC), "binance:rest")
    assert driver.market(BTC) is kept
    finer = msgspec.structs.replace(BTC, price_decimals=3)
    driver.at(START + 9 * SECOND, InstrumentListed(instrument=finer), "binance:rest")
    assert driver.market(BTC) is not kept
    assert driver.market(BTC).instrument.price_decimals == 3


def test_the_same_records_give_the_same_state() -> None:
    one, two = play(Driver(BTC, ETH), script(8)), play(Driver(BTC, ETH), script(8))
    assert state_hash(one.state) == state_hash(two.state)
    assert one.commands == two.commands


# Books. -----------------------------------------------------------------------------------------------------------


def test_one_snapshot_is_asked_for_and_asked_again_only_when_needed() -> None:
    driver = Driver(BTC)
    driver.up(START)
    for number in range(5):
        driver.at(START + number, delta(10 + number, [(99, 1)], [(101, 1)]))
    driver.commands[:] = [command for command in driver.commands if isinstance(command, FetchSnapshot)]
    assert driver.commands == [FetchSnapshot(instrument=BTC.key)]
    # Too old: asked again, once.
    driver.at(START + 10, snapshot(5, [(99, 1)], [(101, 1)]), "binance:rest")
    assert driver.commands == [FetchSnapshot(instrument=BTC.key)] * 2
    driver.at(START + 11, snapshot(12, [(99, 1)], [(101, 1)]), "binance:rest")
    assert driver.market().sync.live
    # A gap: asked again, once.
    driver.at(START + 12, delta(20, [(98, 1)], prev=18))
    driver.at(START + 13, delta(21, [(97, 1)]))
    assert driver.commands == [FetchSnapshot(instrument=BTC.key)] * 3
    assert not driver.market().sync.live
    assert driver.market().counters.snapshots == 2


def test_feed_lost_empties_the_book_and_the_next_diff_asks_anew() -> None:
    driver = play(Driver(BTC, ETH), script(3))
    assert driver.market().sync.live
    at = START + 4 * SECOND
    driver.at(at, FeedLost(source="binance", reason="gone"), "binance")
    for market in driver.state.markets.values():
        assert not market.sync.live
        assert not market.sync.book.bids
        assert market.price(at) is None or market.price(at).source != "book mid"
        cob_agrees(market)
    assert driver.state.sources["binance"].reason == "gone"
    view = cob_view(driver.state, BTC.key, at)
    assert (view.live, view.buckets, view.best_bid) == (False, (), None)
    driver.commands.clear()
    driver.up(at + SECOND)
    driver.at(at + SECOND, delta(9000, [(99, 1)], [(101, 1)]))
    assert FetchSnapshot(instrument=BTC.key) in driver.commands


def test_losing_a_connection_that_carries_only_trades_keeps_the_book() -> None:
    driver = Driver(BTC_USDM)
    key = BTC_USDM.key
    driver.up(START, "binanceusdm/public")
    driver.up(START, "binanceusdm/market")
    driver.at(START, delta(11, [(99, 1)], [(101, 1)], key=key), "binanceusdm/public")
    driver.at(START, snapshot(10, [(99, 1)], [(101, 1)], key), "binanceusdm:rest")
    driver.at(START + MS, FeedLost(source="binanceusdm/market", reason="x"), "binanceusdm/market")
    assert driver.market(BTC_USDM).sync.live
    driver.at(START + 2 * MS, FeedLost(source="binanceusdm/public", reason="x"), "binanceusdm/public")
    assert not driver.market(BTC_USDM).sync.live


def live(driver: Driver, spread: int = 1, depth: int = 30_000) -> Driver:
    mid = MID[BTC.key]
    driver.up(START)
    driver.at(START, delta(11, [(mid - spread, 7)], [(mid + spread, 7)]))
    driver.at(
        START,
        snapshot(10, [(mid - spread, 7), (mid - depth, 9)], [(mid + spread, 7), (mid + depth, 9)]),
        "binance:rest",
    )
    assert driver.market().sync.live
    return driver


def test_a_shallow_book_asks_for_a_deeper_snapshot_now_and_then() -> None:
    driver = live(Driver(BTC), depth=5_000)
    driver.commands.clear()
    for second in range(95):
        driver.at(START + second * SECOND + 1, delta(12 + second, ts=START + second * SECOND))
    asked = [c for c in driver.commands if isinstance(c, FetchSnapshot)]
    # At once, after 30 s, and 60 s after that: what does not help is asked for ever more rarely.
    assert asked == [FetchSnapshot(instrument=BTC.key, deeper=True)] * 3
    assert DEEPER_PAUSE == 30 * SECOND


def test_a_deep_book_does_not_ask() -> None:
    driver = live(Driver(BTC), depth=30_000)
    driver.commands.clear()
    driver.at(START + 5 * SECOND, delta(12))
    assert not [c for c in driver.commands if isinstance(c, FetchSnapshot)]


@pytest.mark.parametrize("ahead", [False, True], ids=["snapshot behind the book", "snapshot ahead of the book"])
def test_a_deeper_snapshot_reaches_the_cob(ahead: bool) -> None:
    """Merged at once or held until its diff has come: the buckets hold what the book holds."""
    driver = live(Driver(BTC), depth=5_000)
    mid = MID[BTC.key]
    driver.at(START + 1, delta(12, [(mid - 2, 4)]))
    last = 13 if ahead else 12
    deeper = snapshot(
        last,
        [(mid - 1, 7), (mid - 2, 4), (mid - 5_000, 9), (mid - 9_000, 11)],
        [(mid + 1, 7), (mid + 5_000, 9), (mid + 9_000, 12)],
    )
    driver.at(START + 2, deeper, "binance:rest")
    driver.at(START + 3, delta(13))
    market = driver.market()
    assert market.sync.low == mid - 9_000
    assert market.sync.book.bids[mid - 9_000] == 11
    cob_agrees(market)
    driver.at(START + 4, delta(14, [(mid - 9_000, 0)]))
    cob_agrees(market)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    faults=st.lists(st.sampled_from(["drop", "snap", "deep", "ahead", "lost", "cross"]), max_size=8),
)
def test_bug46_cob_equals_the_book_whatever_happens(seed: int, faults: list[str]) -> None:
    """After every single record the bucket sums equal those over the book."""
    dice = random.Random(seed)
    driver = Driver(BTC, timers=False)
    market = driver.market()
    mid = 6_000_000
    bids = {mid - 100 * n: 5 for n in range(1, 60)}
    asks = {mid + 100 * n: 5 for n in range(1, 60)}
    last = 100
    at = START
    for fault in ["snap", *faults, "snap", "deep"]:
        for _ in range(3):
            at += MS
            last += 1
            change_b = [(mid - 100 * dice.randint(1, 60), dice.randint(0, 9)) for _ in range(2)]
            change_a = [(mid + 100 * dice.randint(1, 60), dice.randint(0, 9)) for _ in range(2)]
            change_b, change_a = list(dict(change_b).items()), list(dict(change_a).items())
            bids |= dict(change_b)
            asks |= dict(change_a)
            if fault == "drop" and dice.random() < 0.3:
                continue
            if fault == "cross" and dice.random() < 0.3:
                change_b = [*change_b, (max(asks) + 1, 3)]
            driver.at(at, delta(last, change_b, change_a))
            cob_agrees(market)
        at += MS
        full_b = sorted(((p, q) for p, q in bids.items() if q), reverse=True)
        full_a = sorted((p, q) for p, q in asks.items() if q)
        if fault == "lost":
            driver.at(at, FeedLost(source="binance", reason=""), "binance")
        elif fault == "ahead":
            last += 1
            driver.at(at, snapshot(last, full_b, full_a), "binance:rest")
            driver.at(at + 1, delta(last))
        elif fault in ("snap", "deep"):
            depth = 10 if fault == "snap" else 60
            driver.at(at, snapshot(last, full_b[:depth], full_a[:depth]), "binance:rest")
        cob_agrees(market)
    assert market.counters.failures == 0


def test_raw_updates_are_those_of_the_last_half_hour() -> None:
    driver = Driver(BTC, timers=False)
    for number in range(50):
        driver.apply(START + number, "binance", delta(10 + number), b"frame")
    driver.apply(START + raw_updates.AGE + SECOND, "binance", delta(60), b"late")
    raw = list(driver.market().raw.since(0))
    assert raw[-1] == (START + raw_updates.AGE + SECOND, b"late")
    assert min(stamp for stamp, _ in raw) >= START + SECOND


# Trades. ----------------------------------------------------------------------------------------------------------


def seconds_of(driver: Driver, timeframe: Timeframe = Timeframe.S1, instrument: Instrument = BTC) -> dict[int, Bar]:
    return {bar.open_ms // 1000 - T0: bar for bar in driver.market(instrument).bars.closed[timeframe]}


def trading(driver: Driver, numbers: range, first: int = 0) -> Driver:
    """One trade a second, number n at second n - first of T0."""
    for number in numbers:
        at = START + (number - first) * SECOND + MS
        driver.at(at, trade(number, 100 + number % 5, 1, at))
    return driver


def test_a_gap_in_trade_ids_makes_the_bars_round_it_incomplete() -> None:
    driver = Driver(BTC)
    driver.up(START - 2 * SECOND)
    driver.at(START - 2 * SECOND, trade(0, 100, 1, START - 2 * SECOND))
    trading(driver, range(1, 20), 1)
    trading(driver, range(22, 75), 1)  # 20 and 21 never come
    found = seconds_of(driver)
    assert driver.market().counters.trade_gaps == 1
    incomplete = {second for second, bar in found.items() if not bar.complete and second >= 0}
    assert {18, 21} <= incomplete <= {18, 19, 20, 21}
    assert not [second for second in (19, 20) if second in found and found[second].complete]
    assert not seconds_of(driver, Timeframe.M1)[0].complete


def test_missing_trades_that_come_after_all_are_taken_once() -> None:
    """At a rotation the old connection may deliver what the new one has overtaken."""
    driver = Driver(BTC)
    driver.up(START - 2 * SECOND)
    trading(driver, range(1, 5), 1)
    trading(driver, range(7, 9), 1)
    counters = driver.market().counters
    for _ in range(2):
        for number in (5, 6):
            at = START + (number - 1) * SECOND + MS
            driver.at(START + 9 * SECOND, trade(number, 100 + number % 5, 1, at))
    assert counters.duplicate_trades == 2
    assert driver.market().trade_id == 8
    minute = driver.market().bars.running(Timeframe.M1)
    assert minute is not None
    assert (minute.trades, minute.volume) == (8, 8)


def test_duplicate_trades_count_once() -> None:
    driver = Driver(BTC)
    driver.up(START - 2 * SECOND)
    for number in range(1, 11):
        at = START + number * 100 * MS
        for _ in range(3):
            driver.at(at, trade(number, 100, 2, at))
    driver.at(START + 3 * SECOND, trade(11, 100, 1, START + 3 * SECOND))
    found = seconds_of(driver)
    assert (found[0].trades, found[0].volume) == (9, 18)
    assert (found[1].trades, found[1].volume) == (1, 2)
    assert driver.market().counters.duplicate_trades == 20
    assert driver.market().counters.trade_gaps == 0
    assert len(driver.market().tape.trades) == 11


def test_one_trade_stream_feeds_the_bars_and_irregular_trades_stay_out() -> None:
    for instrument, own in ((BTC, False), (BTC_USDM, True)):
        driver = Driver(instrument)
        source = driver.market(instrument).trade_source
        driver.up(START - 2 * SECOND, source)
        key = instrument.key
        driver.at(START, trade(1, 100, 1, START, key=key, aggregate=own), source)
        driver.at(START + 1, trade(2, 500, 1, START, key=key, aggregate=not own), source)
        driver.at(START + 2, trade(2, 900, 1, START, key=key, aggregate=own, regular=False), source)
        driver.at(START + 3, trade(2, 101, 1, START, key=key, aggregate=own), source)
        running = driver.market(instrument).bars.running(Timeframe.S1)
        assert running is not None
        assert (running.high, running.trades) == (101, 2)
        assert driver.market(instrument).counters.excluded_trades == 2


def test_an_implausible_time_is_refused_unless_it_persists() -> None:
    driver = Driver(BTC)
    driver.up(START - 2 * SECOND)
    trading(driver, range(1, 5), 1)
    wrong = START + 7200 * SECOND
    driver.at(START + 5 * SECOND, trade(5, 999, 1, wrong, sent=START + 5 * SECOND))
    market = driver.market()
    assert market.counters.implausible_trades == 1
    trading(driver, range(6, 8), 1)
    assert max(seconds_of(driver)) <= 6
    assert max(bar.high for bar in seconds_of(driver).values()) < 999
    for number in range(8, 18):
        driver.at(START + 8 * SECOND + number, trade(number, 200, 1, wrong + number * MS))
    assert market.trade_id == 17
    running = market.bars.running(Timeframe.S1)
    assert running is not None
    assert running.open_ms // 1000 == wrong // SECOND


def test_the_refused_trade_leaves_a_hole() -> None:
    driver = Driver(BTC)
    driver.up(START - 2 * SECOND)
    trading(driver, range(1, 5), 1)
    driver.at(START + 4 * SECOND, trade(5, 999, 1, START - 7200 * SECOND, sent=START + 4 * SECOND))
    trading(driver, range(6, 70), 1)
    assert not seconds_of(driver, Timeframe.M1)[0].complete


def test_flat_seconds_on_a_healthy_feed_stop_with_it() -> None:
    driver = Driver(BTC)
    driver.up(START - 2 * SECOND)
    trading(driver, range(1, 3), 1)
    for second in range(3, 8):
        driver.at(START + second * SECOND, FeedAlive(source="binance"), "binance")
    driver.at(START + 9 * SECOND, FeedLost(source="binance", reason="gone"), "binance")
    driver.until(START + 60 * SECOND)
    found = seconds_of(driver)
    # The last sign of life came at 7 s; half a second before that everything had arrived.
    assert set(found) == set(range(6))
    assert [found[second].trades for second in range(6)] == [1, 1, 0, 0, 0, 0]
    assert all(found[second].close == found[1].close for second in range(2, 6))
    assert all(bar.complete for second, bar in found.items() if second > 0)


def test_bars_are_complete_again_after_a_reconnect() -> None:
    """The coverage of a new connection begins with its first stamp, whatever kind of message brings it."""
    driver = Driver(BTC)
    driver.up(START - 2 * SECOND)
    trading(driver, range(1, 4), 1)
    driver.at(START + 3 * SECOND, FeedLost(source="binance", reason="gone"), "binance")
    driver.up(START + 10 * SECOND)
    driver.at(START + 10 * SECOND + MS, delta(5, ts=START + 10 * SECOND))
    # No trade was missed, so nothing but the connection tells that it is whole again.
    trading(driver, range(4, 72), -8)
    found = seconds_of(driver)
    assert all(found[second].complete for second in range(11, 70) if second in found)
    assert set(range(12, 70)) <= set(found)
    assert not found[2].complete
    trading(driver, range(72, 117), -8)
    minutes = seconds_of(driver, Timeframe.M1)
    assert not minutes[0].complete
    assert minutes[60].complete


def test_without_a_sign_of_life_no_second_is_called_flat() -> None:
    """Silence alone proves nothing: seconds are flat only up to the last frame or pong."""
    driver = Driver(BTC)
    driver.up(START - 2 * SECOND)
    trading(driver, range(1, 3), 1)
    driver.until(START + 30 * SECOND)
    assert set(seconds_of(driver)) == {0}


@pytest.mark.parametrize("delay", [-1_272 * MS, 0, 350 * MS])
def test_bars_close_by_the_exchanges_clock(delay: int) -> None:
    """The recorder's clock may stand 1.27 s behind the exchange: the median offset tells its time."""
    driver = Driver(BTC, delay=delay)
    driver.up(START - 2 * SECOND)
    trading(driver, range(1, 4), 1)
    driver.at(START + 3 * SECOND + 400 * MS, FeedAlive(source="binance"), "binance")
    driver.until(START + 3 * SECOND + 499 * MS + delay)
    assert max(seconds_of(driver)) == 1
    driver.at(START + 3 * SECOND + 600 * MS, FeedAlive(source="binance"), "binance")
    driver.until(START + 3 * SECOND + 800 * MS + delay)
    assert max(seconds_of(driver)) == 2


# Candles of the venue. --------------------------------------------------------------------------------------------


def candle(second: int, close: int = 50) -> Bar:
    body = {"open": close, "high": close, "low": close, "close": close}
    return Bar(open_ms=(T0 + second) * 1000, volume=5, trades=2, taker_buy=1, quote_volume=250, source="venue", **body)


def loaded(timeframe: Timeframe, *bars: Bar) -> BarsLoaded:
    return BarsLoaded(instrument=BTC.key, timeframe=timeframe, bars=bars)


def test_connecting_asks_for_history_and_rotating_does_not() -> None:
    driver = Driver(BTC)
    commands = [command for command in driver.up(START) if not isinstance(command, FetchSnapshot)]
    assert [c.timeframe for c in commands if isinstance(c, FetchBars)] == list(Timeframe)
    for command in commands:
        assert isinstance(command, FetchBars)
        kept = (command.end_ms - command.start_ms) // (command.timeframe.seconds * 1000)
        assert kept == 1499
        assert (command.start_ms % (command.timeframe.seconds * 1000), command.compare) == (0, False)
    assert driver.at(START + 1, FeedUp(source="binance", rotated=True), "binance") == ()
    # The venue has no seconds of futures; storage may.
    futures = Driver(BTC_USDM)
    usdm = futures.up(START, "binanceusdm/market")
    assert [c.timeframe for c in usdm if isinstance(c, FetchBars)] == list(Timeframe)


def test_a_candle_that_is_still_running_is_not_taken() -> None:
    driver = Driver(BTC)
    driver.up(START - 40 * SECOND)
    rows = tuple(candle(60 * minute) for minute in range(-3, 1))
    # Before the exchange's clock is known, half a minute is left for the difference.
    driver.at(START - 60 * SECOND + 29 * SECOND, loaded(Timeframe.M1, *rows[:2]), "binance:rest")
    assert set(seconds_of(driver, Timeframe.M1)) == {-180}
    driver.at(START + MS, trade(1, 100, 1, START))
    driver.until(START + 5 * SECOND)
    assert driver.market().offset is not None
    driver.at(START + 59 * SECOND, loaded(Timeframe.M1, *rows), "binance:rest")
    assert set(seconds_of(driver, Timeframe.M1)) == {-180, -120, -60}
    driver.at(START + 60 * SECOND + 900 * MS, loaded(Timeframe.M1, *rows), "binance:rest")
    assert 0 not in seconds_of(driver, Timeframe.M1)
    driver.at(START + 61 * SECOND + 100 * MS, loaded(Timeframe.M1, *rows), "binance:rest")
    assert seconds_of(driver, Timeframe.M1)[0].source == "venue"


def test_damaged_bars_are_asked_for_and_healed() -> None:
    driver = Driver(BTC)
    driver.up(START - 90 * SECOND)
    driver.at(START - 80 * SECOND, trade(0, 100, 1, START - 80 * SECOND))
    trading(driver, range(1, 30), 1)
    trading(driver, range(33, 70), 1)
    driver.commands.clear()
    driver.until(START + 130 * SECOND)
    asked = [c for c in driver.commands if isinstance(c, FetchBars) and c.timeframe is Timeframe.M1]
    assert asked
    assert asked[0].start_ms <= T0 * 1000 <= asked[0].end_ms
    driver.at(START + 131 * SECOND, loaded(Timeframe.M1, candle(0)), "binance:rest")
    assert seconds_of(driver, Timeframe.M1)[0].complete
    assert seconds_of(driver, Timeframe.M1)[0].source == "venue"


def test_the_first_trade_after_an_outage_does_not_spoil_the_venues_candles() -> None:
    """The jump in ids across an outage is what the candles were fetched for."""
    driver = Driver(BTC)
    driver.up(START - 2 * SECOND)
    trading(driver, range(1, 31), 1)
    driver.at(START + 31 * SECOND, FeedLost(source="binance", reason="gone"), "binance")
    driver.up(START + 60 * SECOND)
    driver.at(START + 60 * SECOND + MS, FeedAlive(source="binance"), "binance")
    driver.until(START + 61 * SECOND)
    rows = [candle(second) for second in range(29, 61)]
    driver.at(START + 62 * SECOND, loaded(Timeframe.S1, *rows), "binance:rest")
    trading(driver, range(564, 570), 500)
    found = seconds_of(driver)
    for second in range(31, 60):
        assert found[second].source == "venue"
        assert found[second].complete, second


# Staleness, quotes, statistics. -----------------------------------------------------------------------------------


def test_a_stale_book_gives_no_columns_and_no_samples() -> None:
    driver = live(Driver(BTC))
    for second in range(3):
        driver.at(START + second * SECOND + 50 * MS, delta(12 + second))
    driver.until(START + 20 * SECOND)
    cob = driver.market().cob
    assert cob is not None
    # Silent since 2.05 s, stale after 5 s.
    assert [column.second - T0 for column in cob.columns] == list(range(8))
    assert cob.samples[-1].tenth <= (T0 + 7) * 10 + 1
    view = cob_view(driver.state, BTC.key, START + 20 * SECOND)
    assert not view.live
    assert view.age_ms == pytest.approx(17_950)
    driver.at(START + 20 * SECOND, delta(15))
    driver.until(START + 21 * SECOND + 1)
    assert cob.columns[-1].second == T0 + 21


def test_a_pong_does_not_make_a_silent_book_fresh() -> None:
    """Depth comes ten times a second: pongs alone do not tell that the book is still the market."""
    driver = live(Driver(BTC))
    for second in range(0, 20, 2):
        driver.at(START + second * SECOND + 50 * MS, FeedAlive(source="binance"), "binance")
    cob = driver.market().cob
    assert cob is not None
    assert [column.second - T0 for column in cob.columns] == list(range(6))


def test_a_one_sided_book_gives_no_column() -> None:
    driver = live(Driver(BTC))
    mid = MID[BTC.key]
    driver.at(START + 100 * MS, delta(12, [], [(mid + 1, 0), (mid + 30_000, 0)]))
    driver.until(START + 3 * SECOND)
    market = driver.market()
    assert market.sync.live
    assert market.cob is not None
    assert [column.second for column in market.cob.columns] == [T0]
    assert market.counters.failures == 0
    assert cob_view(driver.state, BTC.key, START + 3 * SECOND).mid is None


def test_an_older_quote_does_not_replace_a_newer() -> None:
    driver = Driver(BTC)

    def quote(number: int) -> Quote:
        return Quote(instrument=BTC.key, update_id=number, bid=number, bid_size=1, ask=number + 1, ask_size=1)

    driver.at(START, quote(10))
    driver.at(START + 1, quote(9))
    market = driver.market()
    assert market.quote is not None
    assert market.quote.update_id == 10
    assert market.counters.quotes == 2


def test_a_mark_price_tells_that_the_connection_is_whole() -> None:
    """On USD-M trades and marks share a connection: the first mark starts the coverage of the bars."""
    driver = Driver(BTC_USDM)
    key, source = BTC_USDM.key, "binanceusdm/market"
    driver.up(START, source)
    mark = MarkPrice(instrument=key, ts_exch=START, mark=1.0, index=None, funding_rate=None, next_funding=0)
    driver.at(START, mark, source)
    driver.at(START + SECOND, trade(1, 100, 1, START + SECOND, key=key, aggregate=True), source)
    driver.at(START + 2 * SECOND, trade(2, 100, 1, START + 2 * SECOND, key=key, aggregate=True), source)
    assert seconds_of(driver, instrument=BTC_USDM)[1].complete


def test_market_settings_reach_the_timers() -> None:
    driver = live(Driver(BTC, settings=MarketSettings(stale_after_s=1.0)))
    driver.until(START + 10 * SECOND)
    cob = driver.market().cob
    assert cob is not None
    assert [column.second - T0 for column in cob.columns] == [0, 1]
