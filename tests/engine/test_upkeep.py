"""What wrong clocks, wrong ids and new scales do to bars and books, through `core.step`."""

from __future__ import annotations

import msgspec
import pytest

from engine.types import (
    MS,
    SECOND,
    BookDelta,
    FeedAlive,
    FeedLost,
    FetchSnapshot,
    InstrumentListed,
    Quote,
    Timeframe,
)
from tests.engine.support import BTC, T0, Driver, delta, snapshot, trade

START = T0 * SECOND
PACE = 100 * MS
AHEAD = 3000 * SECOND


class Scene:
    """Trades of price 100 and size 1, one in every tenth of a second of the exchange's time; ids count them."""

    def __init__(self, delay: int = 0) -> None:
        self.driver = Driver(BTC, delay=delay)
        self.market = self.driver.market()
        self.now = START - 2 * SECOND
        self.number = 0
        self.made: dict[int, int] = {}
        self.driver.up(self.now)

    def make(
        self, count: int, *, base: int = 0, heard: bool = True, sign: type | None = None, price: int = 100
    ) -> None:
        for _ in range(count):
            self.now += PACE
            self.number += 1
            second = self.now // SECOND * 1000
            self.made[second] = self.made.get(second, 0) + 1
            if heard:
                self.driver.at(self.now, trade(base + self.number, price, 1, self.now))
            if sign is FeedAlive:
                self.driver.at(self.now + MS, FeedAlive(source="binance"))
            elif sign is Quote:
                quote = Quote(instrument=BTC.key, update_id=self.number, bid=99, bid_size=1, ask=101, ask_size=1)
                self.driver.at(self.now + MS, quote)
            elif sign is BookDelta:
                self.driver.at(self.now + MS, delta(self.number, ts=self.now))
            self.honest()

    def honest(self) -> None:
        """No bar is of the future, and a complete second holds its trades."""
        for timeframe in Timeframe:
            for bar in self.market.bars.closed[timeframe]:
                ended = (bar.open_ms + timeframe.seconds * 1000) * MS <= self.now
                assert ended or not bar.complete, (timeframe, bar, self.now)
                if bar.complete:
                    whole = range(bar.open_ms, bar.open_ms + timeframe.seconds * 1000, 1000)
                    assert bar.trades == sum(self.made.get(second, 0) for second in whole), (timeframe, bar)

    def complete(self, timeframe: Timeframe = Timeframe.S1) -> int:
        return sum(bar.complete for bar in self.market.bars.closed[timeframe])

    def recovers(self) -> None:
        """Every second of trades that are made from now on is complete, and none of them comes late."""
        bars, begun = self.market.bars, self.now
        revisions, complete = bars.revisions, self.complete()
        self.make(150)
        assert (bars.revisions, bars.unplaced) == (revisions, 0)
        assert self.complete() - complete >= 13
        assert self.market.last_trade is not None
        assert self.market.last_trade.ts_exch == self.now > begun


@pytest.mark.parametrize("sign", [None, FeedAlive, Quote, BookDelta])
@pytest.mark.parametrize("seconds", [1800, 8])
def test_a_step_of_our_clock_closes_no_bar_of_the_future(sign: type | None, seconds: int) -> None:
    scene = Scene()
    scene.make(53, sign=sign)
    assert scene.complete() >= 3
    scene.driver.delay += seconds * SECOND
    scene.make(40, sign=sign)
    assert scene.market.bars.revisions == 0
    scene.recovers()
    assert scene.market.counters.implausible_trades <= 10


@pytest.mark.parametrize("sign", [FeedAlive, Quote])
def test_a_step_of_our_clock_in_a_silence_of_trades(sign: type) -> None:
    """Signs of life alone pass the step on; the seconds must not run ahead with it."""
    scene = Scene()
    scene.make(53)
    scene.driver.delay += 1800 * SECOND
    for _ in range(30):
        scene.now += PACE
        event = FeedAlive(source="binance")
        if sign is Quote:
            event = Quote(instrument=BTC.key, update_id=1, bid=99, bid_size=1, ask=101, ask_size=1)
        scene.driver.at(scene.now, event)
        scene.honest()
    scene.make(20)
    assert scene.market.bars.revisions == 0
    scene.recovers()


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("sign", [None, Quote])
@pytest.mark.parametrize("wrong", [AHEAD, 6 * SECOND])
def test_a_single_trade_from_the_future_moves_nothing(sent: bool, sign: type | None, wrong: int) -> None:
    """Stamped ahead in both its times, or in that of the trade alone."""
    scene = Scene()
    scene.make(53, sign=sign)
    for _ in range(3):
        scene.now += PACE
        scene.number += 1
        scene.made[scene.now // SECOND * 1000] = scene.made.get(scene.now // SECOND * 1000, 0) + 1
        wrongly = trade(scene.number, 999, 1, scene.now + wrong, sent=scene.now + (wrong if sent else 0))
        scene.driver.at(scene.now, wrongly)
        assert scene.market.last_trade is not None
        assert scene.market.last_trade.price == 100
        scene.make(15, sign=sign)
    assert scene.market.counters.implausible_trades == 3
    assert scene.market.bars.revisions == 0
    scene.recovers()
    assert all(bar.high == 100 for timeframe in Timeframe for bar in scene.market.bars.closed[timeframe])


@pytest.mark.parametrize("again", [False, True])
def test_a_trade_from_the_future_as_the_first_of_a_connection(again: bool) -> None:
    """Nothing is known yet that it could contradict; once ten real ones have, real bars follow."""
    scene = Scene()
    if again:
        scene.make(53)
        scene.driver.at(scene.now, FeedLost(source="binance", reason="gone"))
        scene.make(20, heard=False)
        scene.driver.up(scene.now)
    scene.number += 1
    scene.driver.at(scene.now + MS, trade(scene.number, 100, 1, scene.now + AHEAD))
    scene.make(40)
    scene.recovers()


def test_one_far_trade_id_is_not_believed() -> None:
    scene = Scene()
    scene.make(53)
    scene.make(1, base=10**12, price=999)
    assert scene.market.trade_id == 53
    assert scene.market.counters.implausible_trades == 1
    assert scene.market.last_trade is not None
    assert scene.market.last_trade.price == 100
    scene.recovers()
    assert scene.market.trade_id == scene.number
    assert scene.market.counters.duplicate_trades == 0


def test_ten_far_trade_ids_are_believed() -> None:
    scene = Scene()
    scene.make(53)
    scene.make(9, base=10**12)
    assert scene.market.trade_id == 53
    scene.make(1, base=10**12)
    assert scene.market.trade_id == 10**12 + 63
    scene.make(150, base=10**12)
    assert scene.market.counters.implausible_trades == 10
    assert scene.complete() >= 16
    assert scene.market.bars.revisions == 0


@pytest.mark.parametrize("reconnect", [True, False])
@pytest.mark.parametrize("pause", [PACE, 7 * SECOND])
def test_trade_ids_that_begin_again_are_followed_within_ten_trades(reconnect: bool, pause: int) -> None:
    scene = Scene()
    scene.make(653)
    market = scene.market
    if reconnect:
        scene.driver.at(scene.now, FeedLost(source="binance", reason="gone"))
        scene.make(5, heard=False)
        scene.driver.up(scene.now)
    begun, known = scene.now, scene.complete()
    scene.number = 0
    for number in range(1, 11):
        assert market.last_trade is not None
        assert market.last_trade.price == 100
        scene.now += pause - PACE
        while scene.driver.boundary < scene.now - 5 * SECOND:
            scene.driver.at(scene.driver.boundary + 1, FeedAlive(source="binance"))
        scene.driver.at(scene.now, FeedAlive(source="binance"))
        scene.number = number - 1
        scene.now += PACE
        scene.number = number
        scene.made[scene.now // SECOND * 1000] = scene.made.get(scene.now // SECOND * 1000, 0) + 1
        scene.driver.at(scene.now, trade(number, 200, 1, scene.now))
    assert market.last_trade is not None
    assert market.last_trade.price == 200
    assert market.trade_id == 10
    scene.honest()
    for timeframe in Timeframe:
        for bar in market.bars.closed[timeframe]:
            end = (bar.open_ms + timeframe.seconds * 1000) * MS
            assert not bar.complete or end <= begun, (timeframe, bar)
    assert scene.complete() <= known
    scene.recovers()
    minute = (scene.now // (60 * SECOND) + 1) * 60 * SECOND
    scene.make((minute - scene.now) // PACE + 620)
    assert market.bars.closed[Timeframe.M1][-1].complete


def test_a_book_whose_ids_began_again_is_asked_for_anew() -> None:
    driver = Driver(BTC)
    driver.up(START)
    market = driver.market()
    driver.at(START, snapshot(10**12, [(99, 1)], [(101, 1)]), "binance:rest")
    assert market.sync.live
    driver.commands.clear()
    seen = 0
    while market.sync.live:
        seen += 1
        assert seen <= 102, "ten seconds are enough"
        assert FetchSnapshot(instrument=BTC.key) not in driver.commands
        driver.at(START + seen * PACE, delta(seen, [(98, seen)], ts=START + seen * PACE))
    assert seen > 20, "a rotation brings about twenty old ones"
    assert driver.commands.count(FetchSnapshot(instrument=BTC.key)) == 1
    driver.at(START + seen * PACE + MS, snapshot(seen, [(99, 5)], [(101, 5)]), "binance:rest")
    assert market.sync.live
    driver.at(START + seen * PACE + PACE, delta(seen + 1, [(98, 7)], ts=START + seen * PACE + PACE))
    assert market.sync.book.bids == {99: 5, 98: 7}


def test_old_diffs_of_a_rotation_are_no_restart() -> None:
    driver = Driver(BTC)
    driver.up(START)
    market = driver.market()
    driver.at(START, snapshot(1000, [(99, 1)], [(101, 1)]), "binance:rest")
    driver.commands.clear()
    for number in range(1, 200):
        for old in range(20):
            driver.at(START + number * PACE, delta(900 + old, [(98, old)]))
        driver.at(START + number * PACE, delta(1000 + number, [(98, number)]))
    assert market.sync.live
    assert not [command for command in driver.commands if command == FetchSnapshot(instrument=BTC.key)]
    assert market.sync.book.bids == {99: 1, 98: 199}


def test_new_scales_bring_complete_bars_without_a_reconnect() -> None:
    scene = Scene()
    scene.make(653)
    assert scene.complete(Timeframe.M1) == 1
    finer = msgspec.structs.replace(BTC, price_decimals=3)
    scene.driver.commands.clear()
    scene.driver.at(scene.now, InstrumentListed(instrument=finer), "binance:rest")
    assert FetchSnapshot(instrument=BTC.key) in scene.driver.commands
    market = scene.market = scene.driver.market()
    assert market.instrument == finer
    assert not market.bars.closed[Timeframe.S1]
    begun = scene.now
    scene.make(1300, price=1000)
    assert {bar.close for bar in market.bars.closed[Timeframe.S1]} == {1000}
    complete = [bar.open_ms * MS for bar in market.bars.closed[Timeframe.S1] if bar.complete]
    assert min(complete) - begun <= 2 * SECOND
    assert len(complete) >= 126
    assert scene.complete(Timeframe.M1) >= 1
    assert scene.driver.state.sources["binance"].up


def test_other_instruments_of_the_connection_stay_covered_when_one_is_listed_again() -> None:
    scene = Scene()
    scene.make(53)
    other = msgspec.structs.replace(BTC, key="binance:ETH/USDT", symbol="ETHUSDT", base="ETH")
    scene.driver.at(scene.now, InstrumentListed(instrument=other), "binance:rest")
    scene.recovers()
    assert not [bar for bar in list(scene.market.bars.closed[Timeframe.S1])[2:] if not bar.complete]
