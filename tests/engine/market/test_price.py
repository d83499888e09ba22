"""The current price: best fresh source, else the youngest, never without source and age."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.market.price import FRESH, PriceSource, choose
from engine.types import MS, SECOND, PriceReported, Ticker
from tests.engine.support import BTC, T0, Driver, delta, snapshot, trade

NOW = T0 * SECOND


@given(ages=st.lists(st.integers(-SECOND, 3 * SECOND), max_size=4))
def test_choice(ages: list[int]) -> None:
    known = [(source, 100.0 + i, NOW - age) for i, (source, age) in enumerate(zip(PriceSource, ages, strict=False))]
    chosen = choose("x", known, NOW)
    if not known:
        assert chosen is None
        return
    assert chosen is not None
    ages = [max(age, 0) for age in ages]
    fresh = [i for i, age in enumerate(ages) if age <= FRESH]
    expected = fresh[0] if fresh else ages.index(min(ages))
    assert (chosen.source, chosen.ticks, chosen.age) == (known[expected][0], 100.0 + expected, ages[expected])
    assert chosen.stale == (not fresh)


def test_fresh_is_half_a_second_dp14() -> None:
    def stale(age: int) -> bool:
        chosen = choose("x", [(PriceSource.BOOK, 1.0, NOW - age)], NOW)
        assert chosen is not None
        return chosen.stale

    assert not stale(500 * MS)
    assert stale(500 * MS + 1)


def test_sources_of_a_market_in_their_order() -> None:
    driver = Driver(BTC, timers=False)
    market = driver.market()
    assert market.price(NOW) is None
    driver.at(NOW, PriceReported(instrument=BTC.key, price=10))
    ticker = Ticker(instrument=BTC.key, ts_exch=NOW, last=20, open=1, high=1, low=1, volume=1, trades=1, change_pct=0.0)
    for event, source, ticks in [
        (PriceReported(instrument=BTC.key, price=10), PriceSource.REST, 10),
        (ticker, PriceSource.TICKER, 20),
        (trade(1, 30, 1, NOW), PriceSource.TRADE, 30),
    ]:
        driver.at(NOW, event)
        price = market.price(NOW)
        assert price is not None
        assert (price.source, price.ticks, price.instrument) == (source, ticks, BTC.key)
    driver.at(NOW, delta(11, [(40, 1)], [(43, 1)]))
    driver.at(NOW, snapshot(10, [(40, 1)], [(43, 1)]), "binance:rest")
    price = market.price(NOW)
    assert price is not None
    assert (price.source, price.ticks) == (PriceSource.BOOK, 41.5)
    # The book grows old while trades go on: the trade is the better price then.
    driver.at(NOW + SECOND, trade(2, 33, 1, NOW + SECOND))
    price = market.price(NOW + SECOND + MS)
    assert price is not None
    assert (price.source, price.ticks, price.age) == (PriceSource.TRADE, 33, MS)


@pytest.mark.parametrize("one_sided", [([(40, 1)], []), ([], [(43, 1)])])
def test_a_one_sided_book_has_no_mid(one_sided: tuple) -> None:
    driver = Driver(BTC, timers=False)
    driver.at(NOW, snapshot(10, *one_sided), "binance:rest")
    assert driver.market().sync.live
    assert driver.market().price(NOW) is None
