"""What others see: the COB topic and the book, from the state, in units for people (WSF-9)."""

from __future__ import annotations

import pytest

from engine.settings import MarketSettings
from engine.snapshot import book_view, cob_view, is_live
from engine.types import MS, SECOND, FeedLost
from tests.engine.support import BTC, T0, Driver, delta, snapshot, trade

START = T0 * SECOND
BIDS = [(6_000_000, 200_000), (5_999_500, 100_000), (5_998_999, 50_000), (5_900_000, 900_000)]
ASKS = [(6_000_100, 100_000), (6_001_000, 300_000), (6_050_000, 700_000)]


def live() -> Driver:
    driver = Driver(BTC)
    driver.up(START)
    driver.at(START + MS, delta(11, BIDS[:1]))
    driver.at(START + 2 * MS, snapshot(10, BIDS, ASKS), "binance:rest")
    return driver


def test_nothing_known_is_none_not_zero() -> None:
    driver = Driver(BTC)
    view = cob_view(driver.state, BTC.key, START)
    assert (view.live, view.age_ms, view.buckets, view.imbalance, view.flow) == (False, None, (), (), ())
    for name in ("best_bid", "best_ask", "mid", "volume_weighted_mid", "spread_bps", "bid_liquidity", "bucket_size"):
        assert getattr(view, name) is None
    book = book_view(driver.state, BTC.key, 5, START)
    assert (book.live, book.bids, book.asks) == (False, (), ())


def test_figures_of_a_live_book() -> None:
    driver = live()
    view = cob_view(driver.state, BTC.key, START + 7 * MS)
    assert view.live
    assert view.age_ms == 6.0
    assert (view.best_bid, view.best_ask, view.mid, view.bucket_size) == (60_000.0, 60_001.0, 60_000.5, 10.0)
    # The larger bid pushes the fair price towards the ask.
    assert view.volume_weighted_mid == pytest.approx((60_000 * 1 + 60_001 * 2) / 3)
    assert view.spread_bps == pytest.approx(1 / 60_000.5 * 10_000)
    filled = {bucket.price: bucket for bucket in view.buckets if bucket.bid or bucket.ask}
    # 60050.00 etc. lie 500 above: outside +-20 buckets of $10 stand 59000 and 60500.
    assert set(filled) == {60_000.0, 59_990.0, 59_980.0, 60_010.0}
    assert (filled[60_000.0].bid, filled[60_000.0].ask) == (2.0, 1.0)
    assert filled[60_000.0].imbalance == pytest.approx(1 / 3)
    assert filled[60_000.0].vwap == pytest.approx((60_000 * 2 + 60_001 * 1) / 3)
    assert filled[59_990.0].bid == 1.0
    assert filled[59_980.0].bid == 0.5
    assert (view.bid_liquidity, view.ask_liquidity) == (3.5, 4.0)
    assert view.liquidity_imbalance == pytest.approx(-0.5 / 7.5)
    assert len(view.buckets) == 40
    assert view.partial_buckets == 0
    empty = next(bucket for bucket in view.buckets if bucket.price == 60_020.0)
    assert (empty.bid, empty.ask, empty.imbalance, empty.vwap, empty.partial) == (0.0, 0.0, None, None, False)


def test_partial_buckets_are_counted() -> None:
    driver = Driver(BTC)
    driver.up(START)
    driver.at(START + 2 * MS, snapshot(10, BIDS[:3], ASKS[:2]), "binance:rest")
    view = cob_view(driver.state, BTC.key, START + 7 * MS)
    whole = [bucket.price for bucket in view.buckets if not bucket.partial]
    # Known from 59989.99 to 60010.00: only these lie wholly inside.
    assert whole == [59_990.0, 60_000.0]
    assert view.partial_buckets == 38


def test_book_view_is_the_best_levels() -> None:
    driver = live()
    book = book_view(driver.state, BTC.key, 2, START + 7 * MS)
    assert book.bids == ((60_000.0, 2.0), (59_995.0, 1.0))
    assert book.asks == ((60_001.0, 1.0), (60_010.0, 3.0))
    assert (book.live, book.update_id) == (True, 11)


def test_bug49_a_silent_book_is_not_live() -> None:
    """Older than 5 s by the connection's last sign of life; the age is that of the book itself."""
    driver = live()
    market = driver.market()
    assert is_live(driver.state, market, START + 2 * MS + 5 * SECOND - MS)
    late = START + 2 * MS + 5 * SECOND + 5 * MS
    assert not is_live(driver.state, market, late)
    view = cob_view(driver.state, BTC.key, late)
    assert not view.live
    assert view.age_ms == pytest.approx(5006)
    driver.at(late, trade(1, 6_000_000, 1, late))
    assert is_live(driver.state, market, late + MS)


def test_a_lost_connection_shows_nothing_as_the_market() -> None:
    driver = live()
    driver.at(START + SECOND, FeedLost(source="binance", reason="x"), "binance")
    view = cob_view(driver.state, BTC.key, START + SECOND)
    assert (view.live, view.mid, view.buckets) == (False, None, ())
    assert book_view(driver.state, BTC.key, 5, START + SECOND).bids == ()


def test_flow_and_imbalance_windows() -> None:
    driver = live()
    for second in range(8):
        at = START + second * SECOND + 100 * MS
        driver.at(at, trade(second + 1, 6_000_000, 100_000 * (second + 1), at, sell=second % 2 == 0))
        driver.at(at + MS, delta(12 + second, ts=at))
    driver.until(START + 7 * SECOND + 950 * MS)
    view = cob_view(driver.state, BTC.key, START + 7 * SECOND + 960 * MS)
    assert [flow.window_s for flow in view.flow] == [1, 5, 15, 60]
    assert [(flow.buy, flow.sell) for flow in view.flow[:2]] == [
        (BTC.size(800_000), 0),
        (BTC.size(1_800_000), BTC.size(1_200_000)),
    ]
    assert [average.window_s for average in view.imbalance] == [1, 5, 15, 60]
    # Band of five buckets: bids 2 + 1 + 0.5, asks 1 + 3.
    assert view.imbalance[0].plain == pytest.approx(-0.5 / 7.5)
    assert view.imbalance[0].samples == 10


def test_the_configured_staleness_is_used() -> None:
    driver = Driver(BTC, settings=MarketSettings(stale_after_s=1.0))
    driver.up(START)
    driver.at(START, snapshot(10, BIDS, ASKS), "binance")
    assert is_live(driver.state, driver.market(), START + SECOND)
    assert not is_live(driver.state, driver.market(), START + SECOND + 1)
