"""The state: bounded memory, and figures by name."""

from __future__ import annotations

import pytest

from engine.digest import state_hash
from engine.errors import SettingsInvalid
from engine.market import cob, flow
from engine.market import raw as raw_updates
from engine.settings import CacheSettings, CobSettings, MarketSettings
from engine.state import Counters, EngineState, in_ticks
from engine.types import SECOND, InstrumentListed, Timeframe
from tests.engine.support import BTC, ETH, T0, Driver, delta, snapshot, trade

START = T0 * SECOND


def test_dp3_memory_is_as_large_as_ruled() -> None:
    """1500 bars per timeframe, 300 s of COB, 30 min or 180,000 raw updates, 1000 ticks per symbol."""
    assert (CacheSettings().candles_per_timeframe, cob.SECONDS, flow.TAPE) == (1500, 300, 1000)
    assert (raw_updates.MOST, raw_updates.AGE) == (180_000, 30 * 60 * SECOND)
    driver = Driver(BTC)
    market = driver.market()
    driver.up(START)
    mid = 6_000_000
    driver.at(START, snapshot(10, [(mid - 30_000, 1), (mid, 1)], [(mid + 1, 1), (mid + 30_000, 1)]), "binance:rest")
    for second in range(1700):
        at = START + second * SECOND
        driver.at(at, delta(11 + second, ts=at))
        driver.at(at, trade(second + 1, mid, 1, at))
    assert len(market.bars.closed[Timeframe.S1]) == 1500
    assert market.cob is not None
    assert len(market.cob.columns) == 300
    assert len(market.cob.samples) == 600
    assert len(market.tape.trades) == 1000
    assert len(market.raw) == 1700
    assert len(market.offsets) == 63
    assert market.counters.failures == 0


def test_lost_trades_are_remembered_within_bounds() -> None:
    driver = Driver(BTC, timers=False)
    driver.at(START, trade(1, 100, 1, START))
    for number in range(1, 400):
        driver.at(START + number, trade(1 + 9_000 * number, 100, 1, START + number))
    assert len(driver.market().missing_trades) <= 10_000


def test_counters_are_told_by_name() -> None:
    counters = Counters()
    assert set(counters.values()) == set(Counters.__slots__)
    assert set(counters.values().values()) == {0}
    counters.trades += 1
    assert counters.values()["trades"] == 1


def test_sources_are_made_once() -> None:
    state = EngineState()
    assert state.source("a") is state.source("a")
    assert state.sources["a"].up is False
    assert state.sources["a"].reason


def test_state_is_complete_enough_to_tell_two_books_apart() -> None:
    digests = set()
    for bids in ([(10, 1)], [(10, 2)], [(9, 1)], [(10, 1), (9, 1)]):
        driver = Driver(BTC)
        driver.at(START, snapshot(10, bids, [(11, 1)]), "binance:rest")
        digests.add(state_hash(driver.state))
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("amount", "instrument", "ticks"), [("1", ETH, 100), ("10", BTC, 1000), ("0.01", BTC, 1), ("1e1", BTC, 1000)]
)
def test_amounts_become_ticks_exactly(amount: str, instrument: object, ticks: int) -> None:
    assert in_ticks(amount, instrument, "x") == ticks  # type: ignore[arg-type]


def test_a_bucket_size_that_does_not_fit_ends_the_run_with_its_name() -> None:
    """SettingsInvalid means exit: it is no failure of the instrument, after which snapshots are asked for for ever."""
    driver = Driver(settings=MarketSettings(cob=CobSettings(bucket_sizes={"BTC/USDT": "0.005"})))

    def begin() -> None:
        driver.at(START, InstrumentListed(instrument=BTC), "binance:rest")
        for number in range(3):
            driver.at(START + number, snapshot(10 + number, [(10, 1)], [(11, 1)]), "binance:rest")

    with pytest.raises(SettingsInvalid, match=r"bucket size 0\.005 of binance:BTC/USDT"):
        begin()
