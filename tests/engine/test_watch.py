"""What the watch finds wrong with an engine, told by hand: every cause, its bounds, its words and its end."""

from __future__ import annotations

import re
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.alerts import CATALOGUE, Cause, Severity
from engine.errors import FeedUnavailable, VenueThrottled
from engine.ingestion.coverage import Wanted
from engine.supervisor import Part, PartState
from engine.types import SECOND, Bar, InstrumentListed, Timeframe
from engine.watch import APART, HOLD, PATIENCE, STALL_S, START, Counted, Watch
from tests.engine.support import BTC, T0, delta, snapshot
from tests.engine.workbench import KEY, SOURCE, VENUE, Bench

TENTH = SECOND // 10


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_an_engine_that_is_well_has_no_alert(bench: Bench) -> None:
    for _ in range(300):
        bench.say()
        assert bench.look(TENTH) == {}
    assert bench.told == []


@given(st.lists(st.integers(0, 5) | st.none(), max_size=30))
def test_counters_are_told_in_full_even_when_they_begin_again(steps: list[int | None]) -> None:
    counted, value, told = Counted(), 0, 0
    for step_by in steps:
        value = 0 if step_by is None else value + step_by
        told += counted.grown("x", value)
    assert told == sum(step_by or 0 for step_by in steps)


def test_a_counter_that_shrinks_has_begun_again() -> None:
    counted = Counted()
    assert [counted.grown("x", value) for value in (0, 3, 3, 4, 1, 1, 2, 0, 0, 5)] == [0, 3, 0, 1, 1, 0, 1, 0, 0, 5]
    assert counted.grown("new", 2) == 2


def test_what_was_before_the_watch_is_not_told() -> None:
    bench = Bench()
    bench.engine.overflow, bench.connection.refused = 7, 9
    bench.engine.state.markets[KEY].sync.gaps = 3
    again = Watch(bench.engine, bench.alerts, bench.resources, monotonic=bench.monotonic, disk_low_mb=0)
    again.look(bench.clock.now())
    assert bench.told == []


# Connections. ---------------------------------------------------------------------------------------------------------


def test_a_lost_connection_says_why_and_what_is_done(bench: Bench) -> None:
    bench.look()
    bench.lose("no pong within 5 s")
    lost = bench.clock.now()
    alert = bench.one(TENTH)
    assert (alert.code, alert.component, alert.text) == ("FEED_DOWN", SOURCE, "no pong within 5 s")
    assert abs(alert.since - lost) < 10
    assert alert.doing == "waits for its feed to start again"  # the connection does not run here
    bench.up()
    bench.apply(snapshot(20, [(100, 5)], [(101, 5)]))
    bench.say()
    assert bench.look(TENTH) == {}
    assert [change for change, _ in bench.told] == ["raised", "healed"]


def test_a_connection_that_was_never_there_is_told_after_a_while() -> None:
    bench = Bench(live=False)
    assert bench.look(START - 1000) == {}
    alert = bench.one(2000)
    assert (alert.code, alert.text) == ("FEED_DOWN", "not connected yet")
    assert alert.since == T0 * SECOND


def test_a_first_connection_that_is_refused_is_told_at_once() -> None:
    bench = Bench(live=False)
    bench.connection.session.reason = "connection refused"
    assert bench.one().text == "connection refused"


def test_silence_is_told_with_what_is_done(bench: Bench) -> None:
    heard = bench.clock.now()
    limit = int(bench.engine.state.settings.stale_after_s * SECOND)
    assert bench.look(limit - 1) == {}
    alert = bench.one(2)
    assert (alert.code, alert.component, alert.text) == ("FEED_SILENT", SOURCE, "no valid message for more than 5 s")
    assert abs(alert.since - heard) < 10
    assert re.fullmatch(r"given up in 10\.0 s", alert.doing)
    bench.connection.session.pinged(bench.monotonic())
    assert bench.one(SECOND // 2).doing == "given up in 9.5 s", "the pong may be on its way"
    assert bench.one(SECOND // 2).doing == "pinged, no answer yet; given up in 4.0 s"
    bench.connection.session.pong()
    assert bench.one(SECOND).doing == "given up in 8.0 s"
    bench.say()
    assert bench.look(TENTH) == {}


def test_refused_frames_are_counted_and_the_last_is_named(bench: Bench) -> None:
    bench.connection.refused, bench.connection.refusal = 3, "Expected `object`, got `str`"
    alert = bench.one()
    assert (alert.code, alert.count, alert.text) == ("FEED_REFUSED", 3, "Expected `object`, got `str`")
    bench.connection.refused, bench.connection.refusal = 5, "truncated"
    alert = bench.one(SECOND)
    assert (alert.count, alert.text) == (5, "truncated")
    assert set(bench.calm(HOLD - 1000)) == {("FEED_REFUSED", SOURCE)}
    assert bench.look(2000) == {}


# Requests. ------------------------------------------------------------------------------------------------------------


def test_a_request_that_fails_says_since_when_why_and_when_again(bench: Bench) -> None:
    began = bench.clock.now()
    bench.feed.note("depth of BTCUSDT", FeedUnavailable("no answer"), 0.5)
    alert = bench.one()
    assert (alert.code, alert.component) == ("REQUEST_FAILED", "binance depth of BTCUSDT")
    assert (alert.text, alert.doing, alert.since) == ("no answer", "try 2 in 0.5 s", began)
    assert bench.one(3 * TENTH).doing == "try 2 in 0.2 s"
    assert bench.one(3 * TENTH).doing == "try 2 under way"
    bench.feed.note("depth of BTCUSDT", FeedUnavailable("still no answer"), 10)
    alert = bench.one(SECOND)
    assert (alert.text, alert.doing, alert.since, alert.count) == ("still no answer", "try 3 in 9.0 s", began, 1)
    bench.feed.troubles.clear()
    bench.say()
    assert bench.look() == {}


def test_who_stands_in_for_which_candles_is_told_until_nobody_does(bench: Bench) -> None:
    wanted = Wanted(BTC, Timeframe.M1, T0 * 1000, (T0 + 180) * 1000)
    serving = bench.feed.history.serving(wanted)
    candles = [
        Bar(
            open_ms=(T0 + 60 * place) * 1000, open=1, high=1, low=1, close=1, volume=1, trades=-1, taker_buy=-1,
            quote_volume=-1, source="mexc" if place != 1 else "venue",
        )
        for place in range(3)
    ]  # fmt: skip
    wanted.take(candles[1:2])
    serving.filled(candles[:1], wanted)
    assert bench.look() == {}, "before the venue's first candle there is nothing amiss"
    serving.filled(candles[2:], wanted)
    alert = bench.one()
    assert (alert.code, alert.component) == ("HISTORY_FALLBACK", f"{KEY} 1m")
    assert alert.text == "the venue does not have all candles asked for"
    assert alert.doing == "candles of mexc fill the holes; the venue is asked again"
    serving.failed = "venue: HTTP 503"
    assert bench.one().text == "venue: HTTP 503"
    serving.forget()
    assert bench.look() == {}


def test_bars_that_differ_are_told_with_one_of_them(bench: Bench) -> None:
    bars = bench.engine.state.markets[KEY].bars
    ours = Bar(open_ms=1000, open=1, high=3, low=1, close=2, volume=9, trades=2, taker_buy=1, quote_volume=15)
    bars.differed += 2
    bars.differences.append((Timeframe.S1, ours, msgspec.structs.replace(ours, close=3, volume=8)))
    alert = bench.one()
    assert (alert.code, alert.component, alert.count) == ("BARS_DIFFERED", KEY, 2)
    assert alert.text == "2 bars, the last of 1s at 1000: close 2 and not 3, volume 9 and not 8 (ticks, lots)"


def test_a_venue_that_told_us_to_wait_delays_every_try(bench: Bench) -> None:
    said = VenueThrottled(VENUE, 4.0, "HTTP 429 from http://x on depth")
    bench.feed.note("depth of BTCUSDT", said, 4.0)
    bench.feed.note("klines", FeedUnavailable("no answer"), 0.5)
    bench.feed.rest.budget.block(4.0, bench.monotonic())
    active = bench.look(SECOND)
    assert active["VENUE_THROTTLED", VENUE].doing == "requests go on in 3.0 s"
    depth = active["REQUEST_FAILED", "binance depth of BTCUSDT"]
    assert (depth.text, depth.doing) == ("binance: HTTP 429 from http://x on depth", "try 2 in 3.0 s")
    assert active["REQUEST_FAILED", "binance klines"].doing == "try 2 in 3.0 s"
    bench.feed.troubles.clear()
    bench.say()
    assert bench.look(3 * SECOND) == {}


def test_an_instrument_that_the_venue_does_not_list_stays_told(bench: Bench) -> None:
    bench.feed.missing = ["NOPEUSDT", "NADAUSDT"]
    alert = bench.one()
    assert (alert.code, alert.component, alert.text) == ("INSTRUMENT_UNKNOWN", VENUE, "not listed: NOPEUSDT, NADAUSDT")


# Books and clocks. ----------------------------------------------------------------------------------------------------


def test_a_gap_is_told_though_it_healed_at_once(bench: Bench) -> None:
    market = bench.engine.state.markets[KEY]
    bench.look()
    bench.apply(delta(30, [(100, 1)], ts=bench.clock.now()))
    bench.apply(snapshot(30, [(100, 5)], [(101, 5)]))
    assert market.sync.live
    alert = bench.one(TENTH)
    assert (alert.code, alert.component, alert.count) == ("BOOK_GAP", KEY, 1)
    assert alert.text == "messages of the book are missing or differ"
    assert bench.calm(HOLD) == {}


def test_a_crossed_book_is_a_gap_of_another_name(bench: Bench) -> None:
    last = bench.engine.state.markets[KEY].sync.book.update_id
    bench.apply(delta(last + 1, [(105, 1)], ts=bench.clock.now()))
    bench.apply(snapshot(40, [(100, 5)], [(101, 5)]))
    assert bench.one().text == "the book crossed"


def test_a_book_that_stays_out_of_step_is_told_with_what_it_waits_for(bench: Bench) -> None:
    market = bench.engine.state.markets[KEY]
    bench.apply(delta(30, [(100, 1)], ts=bench.clock.now()))
    broken = bench.clock.now()
    assert set(bench.look()) == {("BOOK_GAP", KEY)}
    assert set(bench.look(PATIENCE)) == {("BOOK_GAP", KEY)}
    active = bench.look(1)
    alert = active["BOOK_OUT_OF_STEP", KEY]
    assert (alert.text, alert.doing) == ("the book is not the market", "waiting for a depth snapshot")
    assert abs(alert.since - broken) < 10
    # Losing the connection now is no end of it.
    bench.lose("gone")
    active = bench.look(HOLD)
    assert set(active) == {("BOOK_OUT_OF_STEP", KEY), ("FEED_DOWN", SOURCE)}
    assert active["BOOK_OUT_OF_STEP", KEY].doing == "waiting for its connection"
    assert active["BOOK_OUT_OF_STEP", KEY].count == 1
    bench.up()
    bench.apply(snapshot(50, [(100, 5)], [(101, 5)]))
    assert market.sync.live
    assert set(bench.look(TENTH)) == {("BOOK_OUT_OF_STEP", KEY)}  # live, but nothing has come of its stream yet
    assert bench.one(TENTH).doing == "waiting for the stream"
    bench.say()
    assert bench.look(TENTH) == {}


@pytest.mark.parametrize("why", ["down", "silent"])
def test_a_book_whose_connection_is_gone_has_its_alert_already(bench: Bench, why: str) -> None:
    code = "FEED_DOWN" if why == "down" else "FEED_SILENT"
    bench.look()
    if why == "down":
        bench.lose("gone")
    else:
        bench.look(5 * SECOND)
    for _ in range(30):
        assert {key[0] for key in bench.look(TENTH)} <= {code}
    assert set(bench.look()) == {(code, SOURCE)}


def test_a_first_book_may_take_longer() -> None:
    bench = Bench(live=False)
    bench.up()
    bench.look()
    for last in range(START // SECOND):
        assert bench.look(SECOND - 10) == {}
        bench.apply(delta(5 + last, [(100, 1)], ts=bench.clock.now()))
    assert bench.one(SECOND).code == "BOOK_OUT_OF_STEP"


def test_missed_trades_are_counted(bench: Bench) -> None:
    bench.engine.state.markets[KEY].counters.trade_gaps += 2
    alert = bench.one()
    assert (alert.code, alert.component, alert.count) == ("TRADES_MISSED", KEY, 2)


def test_a_failed_instrument_counts_once_and_heals_with_its_book(bench: Bench) -> None:
    market = bench.engine.state.markets[KEY]
    market.counters.failures, market.failed = 1, "ZeroDivisionError: x"
    alert = bench.one()
    assert (alert.code, alert.count, alert.text) == ("INSTRUMENT_FAILED", 1, "ZeroDivisionError: x")
    assert [alert.count for alert in bench.calm(2 * HOLD).values()] == [1]
    market.failed = ""
    assert bench.calm(TENTH) == {}


@pytest.mark.parametrize(
    ("offset", "said"),
    [
        (APART, None),
        (-APART, None),
        (APART + 1, "the exchange's clock is more than 1 s ahead of ours"),
        (-3_700_000_000, "the exchange's clock is more than 3 s behind ours"),
    ],
)
def test_clocks_that_differ(bench: Bench, offset: int, said: str | None) -> None:
    bench.engine.state.markets[KEY].offset = offset
    active = bench.look()
    assert [alert.text for alert in active.values()] == ([] if said is None else [said])
    bench.engine.state.markets[KEY].offset = 0
    assert bench.look() == {}


def test_clocks_that_hardly_differ_enough_do_not_come_and_go(bench: Bench) -> None:
    market = bench.engine.state.markets[KEY]
    for offset in (1_050_000_000, 950_000_000, 1_200_000_000, 810_000_000):
        market.offset = offset
        (alert,) = bench.calm(TENTH).values()
        assert alert.text == "the exchange's clock is more than 1 s ahead of ours"
        assert alert.doing.endswith(f"{offset / SECOND:+.1f} s from ours")
    market.offset = 800_000_000
    assert bench.calm(TENTH) == {}
    assert [change for change, _ in bench.told] == ["raised", "healed"]


def test_a_clock_that_was_set_is_told_as_often_as_it_was(bench: Bench) -> None:
    bench.clock.steps += 2
    alert = bench.one()
    assert (alert.code, alert.component, alert.count) == ("CLOCK_STEPPED", "clock", 2)


# The engine itself. ---------------------------------------------------------------------------------------------------


def test_a_loop_that_stood_still_is_told_with_its_time(bench: Bench) -> None:
    assert bench.look(TENTH, beat_s=STALL_S) == {}
    bench.say()
    alert = bench.one(3 * SECOND, beat_s=3.04)
    assert (alert.code, alert.text, alert.count) == ("ENGINE_STALLED", "the engine's loop stood still for 3.0 s", 1)
    assert bench.clock.now() - alert.since == pytest.approx(3.04 * SECOND)
    assert bench.calm(HOLD) == {}


def test_dropped_records_are_counted(bench: Bench) -> None:
    bench.engine.overflow = 250
    alert = bench.one()
    assert (alert.code, alert.count, alert.text) == ("QUEUE_OVERFLOW", 250, "250 records dropped")


def test_a_part_that_fails_counts_its_failures_and_says_when_it_starts_again(bench: Bench) -> None:
    async def run() -> None:
        return

    part = Part(name="socket", run=run, state=PartState.RUNNING)
    bench.engine.supervisor.parts["socket"] = part
    assert bench.look() == {}
    part.state, part.failures, part.last_error = PartState.WAITING, 1, "OSError: [Errno 98]"
    part.again_at = bench.monotonic() + 1
    alert = bench.one()
    assert (alert.code, alert.component, alert.text) == ("COMPONENT_FAILED", "socket", "OSError: [Errno 98]")
    assert (alert.doing, alert.count) == ("starts again in 1.0 s", 1)
    bench.say()
    assert bench.one(5 * TENTH).doing == "starts again in 0.5 s"
    part.state, part.restarts = PartState.RUNNING, 1
    bench.say()
    alert = bench.one(5 * TENTH)
    assert (alert.doing, alert.count) == ("started again", 1)
    part.state, part.failures = PartState.WAITING, 2
    assert bench.one(TENTH).count == 2
    part.state, part.restarts = PartState.RUNNING, 2
    bench.look(TENTH)
    assert bench.calm(HOLD) == {}


def test_a_worker_that_is_given_up_says_so_for_good(bench: Bench) -> None:
    async def run() -> None:
        return

    part = Part(name="trainer", run=run, state=PartState.WAITING, failures=1, last_error="exit 3", code="WORKER_DOWN")
    bench.engine.supervisor.parts["trainer"] = part
    assert bench.one().code == "WORKER_DOWN"
    part.state, part.failures = PartState.GIVEN_UP, 2
    bench.say()
    active = bench.look(TENTH)
    assert {alert.doing for alert in active.values()} == {"left alone; its part is off"}
    assert active["WORKER_DOWN", "trainer"].count == 2
    assert set(bench.calm(HOLD)) == {("WORKER_GIVEN_UP", "trainer")}
    assert [alert.text for alert in bench.calm(60 * SECOND).values()] == ["exit 3"]


def test_a_disk_that_is_nearly_full(bench: Bench) -> None:
    bench.resources.disk_free_mb = 100
    assert bench.look() == {}
    bench.resources.disk_free_mb = 99
    alert = bench.one()
    assert (alert.code, alert.text, alert.doing) == ("DISK_LOW", "less than 100 MB are free", "99 MB are free")
    bench.resources.disk_free_mb = None
    assert bench.look() == {}


def test_a_recording_that_cannot_be_written(bench: Bench) -> None:
    error = [""]
    bench.engine.recorder = SimpleNamespace(view=lambda: SimpleNamespace(error=error[0]))  # type: ignore[assignment]
    assert bench.look() == {}
    error[0] = "btc.gz: No space left on device"
    alert = bench.one()
    assert (alert.code, alert.component, alert.text) == ("RECORDING_FAILED", "recorder", error[0])
    error[0] = ""
    assert bench.look() == {}


def test_what_others_see_is_told_and_healed(bench: Bench) -> None:
    bench.causes = [Cause("JOURNAL_FAILED", "journal", "events.jsonl: No space left on device", "tried again")]
    assert bench.one().code == "JOURNAL_FAILED"
    bench.causes = []
    assert bench.look() == {}


def test_a_book_that_is_followed_anew_is_counted_from_zero(bench: Bench) -> None:
    """The venue changed its scale: the instrument begins again, and so do its counters."""
    market = bench.engine.state.markets[KEY]
    market.counters.trade_gaps = 5
    assert bench.one().count == 5
    bench.apply(InstrumentListed(instrument=msgspec.structs.replace(BTC, price_decimals=BTC.price_decimals + 1)))
    fresh = bench.engine.state.markets[KEY]
    assert fresh is not market
    fresh.counters.trade_gaps = 2
    assert bench.look()["TRADES_MISSED", KEY].count == 7


def test_only_what_is_at_least_a_warning_can_come_of_a_look() -> None:
    """An alert of less would be lost in the verdict; who adds one decides what it means."""
    assert {code for code, kind in CATALOGUE.items() if kind.severity < Severity.WARNING} == {
        "CLIENT_SLOW", "ORDER_REFUSED", "ORDER_EXPIRED", "SIZE_CHANGED", "STOP_HIT", "FILLED",
    }  # fmt: skip
