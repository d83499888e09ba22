"""The consolidated order book against sums over the whole book."""

from __future__ import annotations

from decimal import Decimal
from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import SettingsInvalid
from engine.ingestion.markets import SPOT
from engine.ingestion.symbols import guess
from engine.market.book import Book
from engine.market.cob import RADIUS, RATE, SECONDS, WINDOWS, Cob, nice_bucket, spread_bps
from engine.settings import CobSettings, MarketSettings
from engine.snapshot import cob_view
from engine.state import EngineState, MarketState, in_ticks
from engine.types import BookDelta
from tests.engine.support import BTC, BTC_COINM, ETH, T0, Driver, delta, snapshot

LEVELS = st.dictionaries(st.integers(1, 400), st.integers(0, 2**60), max_size=12)


def sums(levels: dict[int, int], bucket: int) -> tuple[dict[int, int], dict[int, int]]:
    """Volume and notional per bucket index, summed in the plainest way."""
    volume: dict[int, int] = {}
    notional: dict[int, int] = {}
    for price, size in levels.items():
        index = price // bucket
        volume[index] = volume.get(index, 0) + size
        notional[index] = notional.get(index, 0) + price * size
    return volume, notional


def agree(cob: Cob, book: Book) -> None:
    for levels, volume, notional in (
        (book.bids, cob._bid_volume, cob._bid_notional),
        (book.asks, cob._ask_volume, cob._ask_notional),
    ):
        expected = sums(levels, cob.bucket)
        assert ({k: v for k, v in volume.items() if v}, {k: v for k, v in notional.items() if v}) == expected
        # BUG-46: nothing on the way is a float, which would lose lots above 2**53.
        assert all(type(v) is int for v in (*volume, *volume.values(), *notional.values()))


def made(bids: dict[int, int], asks: dict[int, int], bucket: int, band: int = 5) -> tuple[Book, Cob]:
    book, cob = Book(), Cob(bucket, band)
    book.load(bids.items(), asks.items(), 1)
    cob.rebuild(book)
    return book, cob


@given(bucket=st.integers(1, 60), start=st.tuples(LEVELS, LEVELS), diffs=st.lists(st.tuples(LEVELS, LEVELS)))
def test_bug46_bucket_sums_are_exact_after_any_diffs(bucket: int, start: tuple, diffs: list) -> None:
    book, cob = made(*start, bucket)
    agree(cob, book)
    for number, (bids, asks) in enumerate(diffs, 2):
        diff = delta(number, list(bids.items()), list(asks.items()))
        cob.apply(diff, book)
        book.apply(diff.bids, diff.asks, number)
        agree(cob, book)


def test_one_diff_that_names_a_level_twice() -> None:
    """The last word on a level counts, for the book and for the sums alike."""
    book, cob = made({100: 1}, {110: 1}, 10)
    diff = delta(2, [(99, 5), (99, 7)], [(111, 3), (111, 0)])
    cob.apply(diff, book)
    book.apply(diff.bids, diff.asks, 2)
    agree(cob, book)


@given(
    bid=st.integers(1, 5000),
    gap=st.integers(1, 300),
    bucket=st.integers(1, 97),
    bids=LEVELS,
    asks=LEVELS,
    low=st.integers(0, 5000),
    high=st.integers(1, 6000),
)
def test_a_view_is_the_forty_buckets_round_the_mid(
    bid: int, gap: int, bucket: int, bids: dict, asks: dict, low: int, high: int
) -> None:
    ask = bid + gap
    bids = {p: q for p, q in bids.items() if q and p < bid} | {bid: 7}
    asks = {p + ask: q for p, q in asks.items() if q} | {ask: 9}
    book, cob = made(bids, asks, bucket)
    column = cob.column(T0, book, low, high)
    middle = int((Decimal(bid + ask) / 2) // bucket)
    assert column.base == middle - 20
    assert len(column.bids) == len(column.asks) == len(column.partial) == 40
    for place in range(40):
        edge = (middle - 20 + place) * bucket
        inside = range(edge, edge + bucket)
        assert column.bids[place] == sum(q for p, q in bids.items() if p in inside)
        assert column.asks[place] == sum(q for p, q in asks.items() if p in inside)
        assert column.bid_notional[place] == sum(p * q for p, q in bids.items() if p in inside)
        assert column.ask_notional[place] == sum(p * q for p, q in asks.items() if p in inside)
        # A bucket is whole when each of its prices lies in the known range; prices below one tick do not exist.
        assert column.partial[place] == any(not low <= p <= high for p in (inside[0], inside[-1]))
    assert (column.best_bid, column.best_ask) == (bid, ask)
    whole = all(
        not cob.column(T0, book, low, high).partial[place] for place in range(40) if (middle - 20 + place) * bucket >= 0
    )
    if cob.covers(book, low, high, 0):
        assert whole


def test_a_price_on_an_edge_belongs_to_the_bucket_above() -> None:
    book, cob = made({100: 1, 99: 2}, {110: 4, 109: 8, 119: 16, 120: 32}, 10)
    column = cob.column(T0, book, 0, 1000)
    values = {column.base + i: (column.bids[i], column.asks[i]) for i in range(40) if column.bids[i] + column.asks[i]}
    assert values == {9: (2, 0), 10: (1, 8), 11: (0, 20), 12: (0, 32)}


def test_gv11_buckets_are_intervals_in_exact_numbers() -> None:
    """BTC 50004.9 in $10 lies in [50000, 50010), ETH 3020.4 in $1 in [3020, 3021), 0.3 in 0.1 in [0.3, 0.4)."""
    for price, size, lower in [
        ("50004.9", "10", "50000"),
        ("3020.4", "1", "3020"),
        ("0.3", "0.1", "0.3"),
        ("1.15", "0.01", "1.15"),
        ("50010", "10", "50010"),
    ]:
        decimals = 2
        ticks, bucket = int(Decimal(price).scaleb(decimals)), int(Decimal(size).scaleb(decimals))
        book, cob = made({ticks: 5}, {ticks + 10 * bucket: 5}, bucket)
        column = cob.column(T0, book, 0, 10**9)
        (place,) = [i for i in range(40) if column.bids[i]]
        edge = Decimal((column.base + place) * bucket).scaleb(-decimals)
        assert edge == Decimal(lower)
        assert edge <= Decimal(price) < edge + Decimal(size)


def test_bug44_asks_stand_at_their_price_and_best_prices_are_kept() -> None:
    """Bid and ask may share an interval, but the best prices are exact and never equal."""
    book, cob = made({50004: 3}, {50006: 4}, 10)
    column = cob.column(T0, book, 0, 10**6)
    place = 5000 - column.base
    assert (column.bids[place], column.asks[place]) == (3, 4)
    assert (column.best_bid, column.best_ask) == (50004, 50006)
    assert column.spread_bps == pytest.approx(2 / 50005 * 10_000)
    assert column.ask_notional[place] / column.asks[place] == 50006


@pytest.mark.parametrize(
    ("symbol", "decimals", "mid", "low", "high"),
    [
        ("ADAUSDT", 4, "0.45", 1, 3),
        ("DOTUSDT", 3, "4.5", 1, 3),
        ("SHIBUSDT", 8, "0.00001352", 1, 1),
        ("SOLUSDT", 2, "155.2", 1, 5),
        ("BTCUSDT", 2, "61000", 1000, 2000),
    ],
)
def test_bug45_default_buckets_suit_cheap_coins(symbol: str, decimals: int, mid: str, low: int, high: int) -> None:
    """About 2.5 bps of the mid, 1, 2 or 5 x 10^n ticks, never below a tick: no coin collapses into one bucket."""
    ticks = Decimal(mid).scaleb(decimals)
    instrument = guess(SPOT, symbol, decimals, 0)
    market = MarketState(
        instrument, MarketSettings(cob=CobSettings(bucket_sizes={})), book_source="b", trade_source="b", aggregate=False
    )
    market.sync.snapshot(snapshot(1, [(int(ticks) - 1, 5)], [(int(ticks) + 1, 5)], instrument.key))
    cob = market.open_cob()
    assert low <= cob.bucket <= high
    column = cob.column(T0, market.sync.book, 0, 10**9)
    assert sum(column.bids) == sum(column.asks) == 5
    assert column.base + RADIUS == int(ticks) // cob.bucket


@given(mid=st.floats(1, 1e12), tick=st.integers(1, 1000))
def test_bug45_nice_buckets(mid: float, tick: int) -> None:
    bucket = nice_bucket(mid, tick)
    assert bucket >= tick
    assert bucket % tick == 0
    if mid * 2.5e-4 >= 10 * tick:
        assert mid * 0.5e-4 <= bucket <= mid * 2.51e-4
    if tick == 1:
        assert str(bucket).rstrip("0") in ("1", "2", "5")


def test_configured_buckets_and_ranges_dp7() -> None:
    """ETH $1 and BTC $10 by default with +-5 buckets; price ranges from the configuration, no code edit."""
    for instrument, expected in ((ETH, 100), (BTC, 1000)):
        market = MarketState(instrument, MarketSettings(), book_source="b", trade_source="b", aggregate=False)
        market.sync.snapshot(snapshot(1, [(299_900, 1)], [(300_000, 1)], instrument.key))
        cob = market.open_cob()
        assert (cob.bucket, cob.band) == (expected, 5)
    settings_ = MarketSettings(cob=CobSettings(bucket_sizes={"BTC/USDT": "2.5"}, price_ranges={"BTC/USDT": "25"}))
    market = MarketState(BTC, settings_, book_source="b", trade_source="b", aggregate=False)
    market.sync.snapshot(snapshot(1, [(1, 1)], [(2, 1)]))
    assert (market.open_cob().bucket, market.open_cob().band) == (250, 10)


@pytest.mark.parametrize("amount", ["0", "-1", "nan", "inf", "one", "0.001", ""])
def test_a_bucket_size_that_is_no_multiple_of_the_tick_is_refused(amount: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"bucket size.*BTC/USDT"):
        in_ticks(amount, BTC, "bucket size")


def test_gv10_imbalance() -> None:
    book, cob = made({1000: 30}, {1001: 10}, 10)
    cob.sample(T0 * RATE, book)
    for average in cob.averages(T0 * RATE):
        assert (average.plain, average.weighted, average.samples) == (0.5, 0.5, 1)


def test_gv10_the_band_is_five_buckets_to_each_side() -> None:
    """Mid 2000 in $1 buckets (100 ticks): the band is [1995, 2005); a cent outside does not count."""
    book, cob = made({199_999: 1, 199_500: 10, 199_499: 100}, {200_001: 2, 200_499: 20, 200_500: 200}, 100)
    cob.sample(T0 * RATE, book)
    (sample,) = cob.samples
    assert (sample.bid, sample.ask) == (11, 22)


def test_averages_of_windows() -> None:
    """Plain is the mean of the samples, weighted that of the volumes; each window ends now and has its own length."""
    cob = Cob(10, 5)
    book = Book()
    now = T0 * RATE
    expected: list[tuple[int, int]] = []
    for tenth in range(now - 700, now + 1):
        bid, ask = 1 + tenth % 13, 1 + tenth % 7
        book.load([(1000, bid)], [(1001, ask)], 1)
        cob.rebuild(book)
        cob.sample(tenth, book)
        expected.append((bid, ask))
    assert len(cob.samples) == 600
    for average, window in zip(cob.averages(now), WINDOWS, strict=True):
        part = expected[-window * RATE :]
        assert (average.window_s, average.samples) == (window, window * 10)
        assert average.plain == pytest.approx(sum((b - a) / (b + a) for b, a in part) / len(part))
        bids, asks = sum(b for b, _ in part), sum(a for _, a in part)
        assert average.weighted == pytest.approx((bids - asks) / (bids + asks))
    for average in cob.averages(now + 600):
        assert (average.plain, average.weighted, average.samples) == (None, None, 0)
    later = cob.averages(now + 5)
    assert [average.samples for average in later] == [5, 45, 145, 595]


def test_a_second_without_volume_in_the_band_is_no_sample() -> None:
    book, cob = made({10_000: 5}, {90_000: 5}, 10)
    cob.sample(T0 * RATE, book)
    assert all(average.plain is None for average in cob.averages(T0 * RATE))


@settings(max_examples=40)
@given(
    moves=st.lists(st.tuples(st.integers(-30, 30), LEVELS, LEVELS), min_size=1, max_size=12),
    radius=st.sampled_from([5, 10, 20, 30]),
    bucket=st.integers(1, 7),
)
def test_bug56_heat_map_keeps_time_and_aligns_absolute_buckets(moves: list, radius: int, bucket: int) -> None:
    """Rows are seconds, columns absolute buckets round the newest mid, also when the mid has moved in between."""
    cob = Cob(bucket, 5)
    book = Book()
    mid = 3000
    books: list[tuple[dict[int, int], dict[int, int], int]] = []
    for second, (move, bids, asks) in enumerate(moves):
        mid += move * bucket
        # All levels stand within ten buckets of the mid, well inside the view.
        span = 10 * bucket
        book.load(
            [(mid - 1 - p % span, q) for p, q in bids.items()] + [(mid - 1, 3)],
            [(mid + 1 + p % span, q) for p, q in asks.items()] + [(mid + 1, 3)],
            1,
        )
        cob.rebuild(book)
        cob.columns.append(cob.column(T0 + second, book, 0, 10**9))
        books.append((dict(book.bids), dict(book.asks), cob.middle(book)))
    base = books[-1][2] - radius
    for metric in ("size", "imbalance", "spread"):
        heat = cob.heatmap(metric, radius=radius)
        assert heat.cells.shape == heat.partial.shape == (len(moves), 2 * radius)
        assert (heat.base, heat.seconds) == (base, tuple(range(T0, T0 + len(moves))))
        for row, (bids, asks, middle) in enumerate(books):
            bid_volume, ask_volume = sums(bids, bucket)[0], sums(asks, bucket)[0]
            for place in range(2 * radius):
                k, cell = base + place, heat.cells[row, place]
                bid, ask = bid_volume.get(k, 0), ask_volume.get(k, 0)
                if not middle - 20 <= k < middle + 20:
                    assert isnan(cell)
                elif metric == "size":
                    assert cell == pytest.approx(float(bid + ask))
                elif metric == "imbalance":
                    assert isnan(cell) if not bid + ask else cell == pytest.approx((bid - ask) / (bid + ask))
                elif max(bids) // bucket <= k <= min(asks) // bucket:
                    assert cell == pytest.approx(spread_bps(max(bids), min(asks)))
                else:
                    assert isnan(cell)


def test_bug56_history_is_three_hundred_seconds() -> None:
    book, cob = made({1000: 1}, {1001: 1}, 10)
    for second in range(SECONDS + 50):
        cob.columns.append(cob.column(T0 + second, book, 0, 10**6))
    heat = cob.heatmap("size")
    assert heat.cells.shape == (300, 40)
    assert heat.seconds[0] == T0 + 50
    assert Cob(10, 5).heatmap("size").cells.shape == (0, 40)


def test_an_unknown_metric_is_named() -> None:
    book, cob = made({1000: 1}, {1001: 1}, 10)
    cob.columns.append(cob.column(T0, book, 0, 10**6))
    with pytest.raises(ValueError, match="colour"):
        cob.heatmap("colour")


def test_partial_buckets_are_marked_in_the_heat_map() -> None:
    book, cob = made({1000: 1, 950: 1}, {1001: 1, 1099: 1}, 10)
    cob.columns.append(cob.column(T0, book, 950, 1099))
    heat = cob.heatmap("size", radius=20)
    edges = [(heat.base + i) * 10 for i in range(40)]
    assert [bool(p) for p in heat.partial[0]] == [not 950 <= edge <= 1090 for edge in edges]
    assert np.isfinite(heat.cells[0]).all()


def test_bucket_averages_follow_the_absolute_bucket_when_the_mid_moves() -> None:
    """DP-8: the mean is over the seconds in which the bucket was known, wherever the mid was then."""
    cob = Cob(10, 5)
    book = Book()
    for second, mid in enumerate((1000, 1100, 1000)):
        bid_size = 30 if second < 2 else 10
        book.load([(mid - 5, bid_size), (905, 30)], [(mid + 5, 10), (1195, 20)], 1)
        cob.rebuild(book)
        cob.columns.append(cob.column(T0 + second, book, 905 if second != 1 else 1000, 1199))
    averages = cob.bucket_averages(T0 + 2)
    # Bucket 99 (990..999) held the bid in seconds 0 and 2 only.
    assert averages[99][0] == pytest.approx(1.0)
    assert averages[99][1] == pytest.approx(1.0)
    # Bucket 100 (1000..1009) held the ask in seconds 0 and 2: -1 each.
    assert averages[100] == pytest.approx((-1.0, -1.0, -1.0, -1.0))
    # Bucket 109 held the bid and 110 the ask, one second ago: out of the 1 s window, inside the others.
    assert averages[109][0] is None
    assert averages[109][1] == pytest.approx(1.0)
    assert averages[110][3] == pytest.approx(-1.0)
    # Bucket 90 lies wholly in the known range only where low is at its edge or below: 905 makes it partial.
    assert 90 not in averages
    assert 119 in averages


def test_inverse_contracts_are_shown_in_base_asset() -> None:
    """A COIN-M contract of $100 at $50,000 is 0.002 BTC."""
    driver = Driver(BTC_COINM, settings=MarketSettings(cob=CobSettings(bucket_sizes={"BTC/USD": "10"})))
    ts = T0 * 10**9
    driver.up(ts, "binancecoinm")
    key = BTC_COINM.key
    driver.at(ts + 1, delta(11, [(500_000, 40)], [(500_010, 10)], key=key), "binancecoinm")
    driver.at(ts + 2, snapshot(10, [(500_000, 1)], [(500_010, 1), (500_030, 30)], key), "binancecoinm:rest")
    view = cob_view(driver.state, key, ts + 3)
    assert view.live
    filled = {bucket.price: bucket for bucket in view.buckets if bucket.bid + bucket.ask}
    assert set(filled) == {50_000.0}
    bucket = filled[50_000.0]
    vwap = (50_000 * 40 + 50_001 * 10 + 50_003 * 30) / 80
    assert bucket.vwap == pytest.approx(vwap)
    assert bucket.bid == pytest.approx(40 * 100 / vwap)
    assert bucket.ask == pytest.approx(40 * 100 / vwap)
    assert bucket.imbalance == 0
    assert view.volume_weighted_mid == pytest.approx((50_000 * 10 + 50_001 * 40) / 50)


def test_a_market_without_entry_opens_its_cob_with_the_first_live_book() -> None:
    state = EngineState(MarketSettings(cob=CobSettings(bucket_sizes={})))
    market = MarketState(BTC, state.settings, book_source="b", trade_source="b", aggregate=False)
    assert market.cob is None
    market.sync.snapshot(snapshot(10, [(6_100_000, 1)], [(6_100_010, 1)]))
    assert market.open_cob().bucket == 1000
    empty: BookDelta = delta(11)
    market.open_cob().apply(empty, market.sync.book)
    agree(market.open_cob(), market.sync.book)
