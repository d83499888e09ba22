"""Depth near the mid and the liquidity score, against the plainest sums and on a recorded book."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ingestion.binance import Codec
from engine.ingestion.markets import SPOT
from engine.ingestion.symbols import guess
from engine.market.book import Book
from engine.market.depth import BANDS_BPS, Band, LiquidityScale, depth, imbalance, liquidity
from tests.engine.support import BTC, BTC_COINM, frames

SIZES = st.integers(1, 2**60)
BIDS = st.dictionaries(st.integers(9880, 10_010), SIZES, min_size=1, max_size=40)
ASKS = st.dictionaries(st.integers(9990, 10_120), SIZES, min_size=1, max_size=40)
"""The edges of the bands fall on ticks and between them."""


def recorded_book(root: Path) -> tuple[dict[int, int], dict[int, int]]:
    """Both sides of the first recorded snapshot of BTC/USDT."""
    codec = Codec(SPOT, [guess(SPOT, "BTCUSDT", 2, 5)])
    path = root / "hftbacktest-binance-ws" / "spot" / "btcusdt_20240808.gz"
    message = next(message for _, message in frames(path) if message.startswith(b'{"lastUpdateId"'))
    snapshot = codec.snapshot("BTCUSDT", message)
    book = Book()
    book.load(snapshot.bids, snapshot.asks, snapshot.last_id)
    return book.bids, book.asks


def test_gv10_market_depth_is_inclusive() -> None:
    """GV-10, AGGC-7: mid 2000, 0.5 %: bids from 1990 and asks up to 2010 count; 1989.99 and 2010.01 do not."""
    bids = {199_999: 1, 199_000: 2, 198_999: 4}
    asks = {200_001: 8, 201_000: 16, 201_001: 32}
    (band,) = depth(bids, asks, 190_000, 210_000, (50,))
    assert (band.bid, band.ask, band.total) == (3, 24, 27)
    assert not band.partial
    # At a mid of 2000.01 the band begins and ends between two ticks: 1990.00995 to 2010.01005.
    (band,) = depth(bids | {200_000: 64}, {200_002: 8, 201_001: 16, 201_002: 32}, 190_000, 210_000, (50,))
    assert (band.bid, band.ask) == (65, 24)


@pytest.mark.parametrize(("low", "high", "partial"), [
    (199_000, 201_000, (False, False)), (199_001, 201_000, (True, False)), (199_000, 200_999, (False, True)),
])  # fmt: skip
def test_a_band_that_the_known_range_just_holds(low: int, high: int, partial: tuple[bool, bool]) -> None:
    (band,) = depth({199_999: 1}, {200_001: 1}, low, high, (50,))
    assert (band.bid_partial, band.ask_partial) == partial


def test_gv10_imbalance() -> None:
    """GV-10: bid 30, ask 10 -> 0.5; of nothing there is none."""
    assert imbalance(30, 10) == 0.5
    assert imbalance(0, 0) is None


@given(bids=BIDS, asks=ASKS, low=st.integers(9880, 10_000), high=st.integers(10_000, 10_120))
def test_depth_is_the_sum_over_the_levels_of_the_band(
    bids: dict[int, int], asks: dict[int, int], low: int, high: int
) -> None:
    middle = Fraction(max(bids) + min(asks), 2)
    found = depth(bids, asks, low, high)
    assert [band.bps for band in found] == list(BANDS_BPS)
    for band in found:
        reach = middle * band.bps / 10_000
        assert band.bid == sum(size for price, size in bids.items() if price >= middle - reach)
        assert band.ask == sum(size for price, size in asks.items() if price <= middle + reach)
        # A whole tick of the band that is outside the known range makes it a lower bound.
        assert band.bid_partial == (low - 1 >= middle - reach)
        assert band.ask_partial == (high + 1 <= middle + reach)


def test_without_a_side_there_is_no_mid() -> None:
    assert depth({}, {5: 1}, 0, 9) == depth({5: 1}, {}, 0, 9) == ()
    assert liquidity({}, {5: 1}, (), BTC) is None


def test_depth_of_a_recorded_book(recordings_root_path: Path) -> None:
    """A snapshot of 1000 levels a side reaches 0.1 % of BTC, not 1 %: said of each band and side."""
    bids, asks = recorded_book(recordings_root_path)
    low, high = min(bids), max(asks)
    near, wide, widest = depth(bids, asks, low, high)
    middle = (max(bids) + min(asks)) / 2
    assert near.bid == sum(size for price, size in bids.items() if price >= middle * 0.999)
    assert near.ask == sum(size for price, size in asks.items() if price <= middle * 1.001)
    assert near.total <= wide.total <= widest.total
    for band in (near, wide, widest):
        assert band.bid_partial == (low > middle * (1 - band.bps / 10_000))
        assert band.ask_partial == (high < middle * (1 + band.bps / 10_000))
    assert widest.partial
    scored = liquidity(bids, asks, (near, wide, widest), BTC)
    assert scored is not None
    assert 0 < scored.score < 1
    assert scored.partial == wide.partial


def book(spread: int, near: int, wide: int, share: int = 50) -> float:
    """The score of a book round 60 000.00 with that spread (ticks) and depths (100 lots), `share` % of them bids."""
    bids, asks = {6_000_000 - spread: 1}, {6_000_000 + spread: 1}
    inner, outer = (
        Band(bps=bps, bid=lots * share, ask=lots * (100 - share), bid_partial=False, ask_partial=False)
        for bps, lots in ((10, near), (50, wide))
    )
    scored = liquidity(bids, asks, (inner, outer), BTC)
    assert scored is not None
    assert scored.partial is False
    return scored.score


@given(
    spread=st.integers(1, 5000),
    near=st.integers(10, 10**7),
    wide=st.integers(10, 10**7),
    share=st.integers(2, 50),
    step=st.integers(10, 10**6),
)
def test_liquidity_is_monotone_in_each_part(spread: int, near: int, wide: int, share: int, step: int) -> None:
    at = book(spread, near, wide, share)
    assert 0 <= at <= 1
    assert book(spread + step, near, wide, share) < at
    assert book(spread, near + step, wide, share) >= at
    assert book(spread, near, wide + step, share) >= at
    assert book(spread, near, wide, share // 2) < at


def test_liquidity_by_its_formula() -> None:
    """Half of everything: the scale's spread, the scale's notional, a balanced book."""
    bids, asks = {5_999_700: 1}, {6_000_300: 1}
    lots = round(1_000_000 / 60_000 * BTC.size_scale / 2)
    bands = tuple(
        Band(bps=bps, bid=lots * bps // 10, ask=lots * bps // 10, bid_partial=False, ask_partial=bps == 50)
        for bps in (10, 50)
    )
    scored = liquidity(bids, asks, bands, BTC, LiquidityScale(spread_bps=1.0, notional=1_000_000))
    assert scored is not None
    assert scored.score == pytest.approx(0.4 * 0.5 + 0.25 * 0.5 + 0.25 * 0.5 + 0.1, rel=1e-6)
    assert scored.partial
    # A contract of an inverse market is worth its quote units whatever the price.
    inverse = tuple(msgspec.structs.replace(band, bid=50 * band.bps // 10, ask=50 * band.bps // 10) for band in bands)
    assert BTC_COINM.contract_size == 100
    of_contracts = liquidity(bids, asks, inverse, BTC_COINM, LiquidityScale(spread_bps=1.0, notional=10_000))
    assert of_contracts is not None
    assert of_contracts.near == of_contracts.wide == 0.5


def test_liquidity_names_the_missing_band() -> None:
    with pytest.raises(ValueError, match=r"10 and 50 bps.*\[100\]"):
        liquidity({1: 1}, {2: 1}, depth({1: 1}, {2: 1}, 0, 9, (100,)), BTC)
