"""The day's volume by price: exact from recorded trades, near to it from candles, and its value area."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.ingestion.binance import Codec
from engine.ingestion.markets import SPOT
from engine.ingestion.symbols import guess
from engine.market.profile import ProfileKept, Range, VolumeProfile, value_area
from engine.ohlcv import OHLCV
from engine.types import MS, SECOND, Bar, Timeframe, Trade
from tests.engine.support import BTC, T0, frames, trade

MIDNIGHT = T0 * 1000


def recorded_trades(root: Path) -> list[Trade]:
    """The recorded trades of BTC/USDT round a midnight."""
    codec = Codec(SPOT, [guess(SPOT, "BTCUSDT", 2, 5)])
    path = root / "hftbacktest-binance-ws" / "spot" / "btcusdt_20240808.gz"
    messages = [message for _, message in frames(path) if b"@trade" in message[:40]]
    return [event for message in messages for event in codec.decode(message) if isinstance(event, Trade)]


def minutes(trades: list[Trade]) -> OHLCV:
    """Candles of those trades, made plainly."""
    by_minute: dict[int, list[Trade]] = {}
    for each in trades:
        by_minute.setdefault(each.ts_exch // (60 * SECOND) * 60_000, []).append(each)
    bars = [
        Bar(
            open_ms=open_ms, open=of[0].price, high=max(t.price for t in of), low=min(t.price for t in of),
            close=of[-1].price, volume=sum(t.size for t in of), trades=len(of), quote_volume=-1,
            taker_buy=sum(t.size for t in of if not t.sell),
        )
        for open_ms, of in sorted(by_minute.items())
    ]  # fmt: skip
    return OHLCV.of_bars(Timeframe.M1, bars, BTC)


def test_volume_of_recorded_trades_since_midnight(recordings_root_path: Path) -> None:
    """Trades of the day before are forgotten at midnight, exactly; the sum of the buckets is the sum of the trades."""
    trades = recorded_trades(recordings_root_path)
    profile = VolumeProfile(1000, trades[0].ts_exch // MS)
    assert not profile.whole
    for each in trades:
        profile.take(each)
    day = [each for each in trades if each.ts_exch >= T0 * SECOND]
    assert 0 < len(day) < len(trades)
    assert profile.whole
    assert not profile.approximate
    assert (profile.since_ms, profile.until_ms) == (MIDNIGHT, max(each.ts_exch for each in day) // MS)
    assert sum(profile.buys.values()) == sum(each.size for each in day if not each.sell)
    assert sum(profile.sells.values()) == sum(each.size for each in day if each.sell)
    for k, volume in profile.volumes().items():
        assert volume == sum(each.size for each in day if each.price // 1000 == k)
    found = profile.value_area()
    assert found is not None
    assert found.low <= found.control <= found.high
    inside = sum(volume for k, volume in profile.volumes().items() if found.low <= k <= found.high)
    assert inside * 100 >= 70 * sum(profile.volumes().values())


def test_kept_and_read_again_it_goes_on(recordings_root_path: Path) -> None:
    trades = [each for each in recorded_trades(recordings_root_path) if each.ts_exch >= T0 * SECOND][:2000]
    whole, first = VolumeProfile(1000, MIDNIGHT), VolumeProfile(1000, MIDNIGHT)
    for each in trades:
        whole.take(each)
    for each in trades[:700]:
        first.take(each)
    for codec in (msgspec.json, msgspec.msgpack):
        again = VolumeProfile.of(codec.decode(codec.encode(first.kept()), type=ProfileKept))
        for each in trades[700:]:
            again.take(each)
        assert again.kept() == whole.kept()


def test_the_day_before_the_first_trade_comes_from_candles(recordings_root_path: Path) -> None:
    """Laid over their range they give the exact total and sides, near the exact place; marked as approximate."""
    trades = [each for each in recorded_trades(recordings_root_path) if each.ts_exch >= T0 * SECOND]
    begins = MIDNIGHT + 3 * 60_000
    whole, joined = VolumeProfile(1000, MIDNIGHT), VolumeProfile(1000, begins)
    for each in trades:
        whole.take(each)
        joined.take(each)
    assert not joined.whole
    for _ in range(2):  # a second time there is nothing left to fill
        joined.fill(minutes(trades), BTC)
        assert joined.whole
        assert joined.approximate
        assert joined.spread == sum(each.size for each in trades if each.ts_exch < begins * MS)
        assert sum(joined.buys.values()) == sum(whole.buys.values())
        assert sum(joined.volumes().values()) == sum(whole.volumes().values())
    exact, near = whole.value_area(), joined.value_area()
    assert exact is not None
    assert near is not None
    assert abs(near.low - exact.low) + abs(near.high - exact.high) <= 4


def test_candles_of_another_day_and_later_ones_are_left_out() -> None:
    profile = VolumeProfile(10, MIDNIGHT + 90_000)
    times = [MIDNIGHT - 60_000, MIDNIGHT, MIDNIGHT + 60_000]
    bars = [
        Bar(open_ms=at, open=100, high=119, low=100, close=110, volume=20, trades=1, taker_buy=0, quote_volume=-1)
        for at in times
    ]
    candles = OHLCV.of_bars(Timeframe.M1, bars, BTC)
    profile.fill(msgspec.structs.replace(candles, taker_buy=np.full(3, np.nan)), BTC)
    assert (profile.unsided, profile.buys, profile.sells) == ({10: 10, 11: 10}, {}, {})
    assert (profile.since_ms, profile.spread) == (MIDNIGHT, 20)


@given(
    low=st.integers(1, 500),
    span=st.integers(0, 300),
    volume=st.integers(0, 2**60),
    bought=st.floats(0, 1),
    bucket=st.integers(1, 70),
)
def test_a_laid_candle_is_even_and_loses_nothing(low: int, span: int, volume: int, bought: float, bucket: int) -> None:
    profile = VolumeProfile(bucket, MIDNIGHT)
    buys = int(volume * bought)
    profile.lay(low, low + span, volume, buys)
    assert sum(profile.buys.values()) == buys
    assert sum(profile.sells.values()) == volume - buys
    for k in range(low // bucket, (low + span) // bucket + 1):
        covered = len(range(max(low, k * bucket), min(low + span, (k + 1) * bucket - 1) + 1))
        assert abs(profile.buys[k] * (span + 1) - buys * covered) <= span + 1


def test_what_does_not_belong_to_the_day_is_left_out() -> None:
    profile = VolumeProfile(10, MIDNIGHT + 1000)
    profile.take(trade(1, 105, 7, (T0 + 2) * SECOND))
    profile.take(trade(2, 105, 1, T0 * SECOND))  # from before the profile's beginning: candles tell of it
    profile.take(trade(3, 105, 1, (T0 - 1) * SECOND))
    profile.take(trade(4, 105, 1, (T0 + 3) * SECOND, regular=False))
    profile.take(trade(5, 105, 2, (T0 + 3) * SECOND, sell=True))
    assert (profile.volumes(), profile.buys, profile.sells) == ({10: 9}, {10: 7}, {10: 2})


def test_a_new_day_begins_without_a_trade() -> None:
    profile = VolumeProfile(10, MIDNIGHT + 1000)
    profile.take(trade(1, 105, 7, (T0 + 2) * SECOND))
    profile.advance(MIDNIGHT + 60_000)
    assert (profile.volumes(), profile.until_ms) == ({10: 7}, MIDNIGHT + 60_000)
    profile.advance(MIDNIGHT + 86_400_000)
    assert (profile.volumes(), profile.whole, profile.value_area()) == ({}, True, None)
    profile.take(trade(2, 105, 7, (T0 + 86_399) * SECOND))
    assert profile.volumes() == {}, "a late trade of the day before"


def test_value_area_by_hand() -> None:
    """POC 5; pairs 6+7 = 25 against 3+4 = 20, then 3+4 against the single 8."""
    volumes = {2: 3, 3: 8, 4: 12, 5: 30, 6: 15, 7: 10, 8: 2}
    assert value_area(volumes, 60) == Range(control=5, low=5, high=7)
    assert value_area(volumes) == Range(control=5, low=3, high=7)
    assert value_area(volumes, 100) == Range(control=5, low=2, high=8)
    assert value_area({4: 9}) == Range(control=4, low=4, high=4)
    assert value_area({}) is None
    assert value_area({3: 0}) is None


def test_equal_buckets_are_chosen_by_the_rules_written_down() -> None:
    assert value_area({1: 5, 2: 1, 3: 5, 9: 1}, 1) == Range(control=3, low=3, high=3), "nearest the middle, 5"
    assert value_area({1: 5, 3: 5}, 1) == Range(control=1, low=1, high=1), "equally near: the lower"
    assert value_area({4: 2, 5: 9, 6: 2}, 80) == Range(control=5, low=5, high=6), "equal pairs: the upper"


@given(volumes=st.dictionaries(st.integers(0, 60), st.integers(0, 2**60), max_size=25), share=st.integers(1, 100))
def test_value_area_holds_its_share(volumes: dict[int, int], share: int) -> None:
    found = value_area(volumes, share)
    total = sum(volumes.values())
    if found is None:
        assert not total
        return
    assert volumes[found.control] == max(volumes.values())
    assert found.low <= found.control <= found.high
    assert sum(v for k, v in volumes.items() if found.low <= k <= found.high) * 100 >= share * total
