"""What is to be kept: nothing is left out, nothing is said twice, and all of it was known by then."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings

from engine.core import Commands
from engine.keep import Keep
from engine.market.bars import Bars
from engine.replay import Recording, Replay
from engine.types import SECOND, Bar, Timeframe, Trade
from tests.engine.lives import STEPS, Step, live
from tests.engine.support import BTC, ETH, T0, Driver, delta, snapshot, trade

Mirror = dict[tuple[Timeframe, int], Bar]


def follow(mirror: Mirror, bars: Bars) -> None:
    there, gone = bars.drain()
    mirror.update({(timeframe, bar.open_ms): bar for timeframe, bar in there})
    for place in gone:
        mirror.pop(place, None)  # it came and went between two looks


def check(mirror: Mirror, bars: Bars) -> None:
    for timeframe in Timeframe:
        closed = {(timeframe, bar.open_ms): bar for bar in bars.closed[timeframe]}
        oldest = min(closed)[1] if closed else 0
        assert {place: bar for place, bar in mirror.items() if place[0] is timeframe and place[1] >= oldest} == closed


def candle(open_s: int, price: int) -> Bar:
    return Bar(
        open_ms=open_s * 1000, open=price, high=price, low=price, close=price, volume=7, trades=2, taker_buy=3,
        quote_volume=-1, source="venue",
    )  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(steps=STEPS)
def test_a_mirror_of_what_was_kept_is_what_is_in_memory(steps: list[Step]) -> None:
    bars, mirror = Bars(20_000), {}  # nothing leaves memory by age here
    for _ in live(bars, steps, candle):
        follow(mirror, bars)
        check(mirror, bars)


def test_a_second_is_told_once_with_its_trades_column_and_averages() -> None:
    driver = Driver(BTC)
    driver.up(T0 * SECOND)
    driver.at(T0 * SECOND + 1, snapshot(1, [(6_000_000, 5)], [(6_000_100, 5)]), "binance:rest")
    driver.at(T0 * SECOND + 2, delta(2, [(5_999_000, 7)]))
    made = [trade(n, 6_000_000 + n, n, T0 * SECOND + n * SECOND // 4) for n in range(1, 9)]
    for each in made:
        driver.at(each.ts_exch, each)
    driver.until((T0 + 4) * SECOND)
    kept = [command for command in driver.commands if isinstance(command, Keep)]
    assert [keep.known_at for keep in kept] == sorted({keep.known_at for keep in kept})
    assert all(keep.known_at % SECOND == 0 for keep in kept)
    assert [t for keep in kept for t in keep.trades] == made
    for keep in kept:
        assert all(t.ts_exch <= keep.known_at for t in keep.trades)
        assert all(bar.open_ms + timeframe.seconds * 1000 <= keep.known_at // 1_000_000 for timeframe, bar in keep.bars)
        if keep.column is not None:
            assert keep.column.second == keep.known_at // SECOND
            assert (keep.bucket, keep.band) == (1000, 5000)
            assert [each.window_s for each in keep.averages] == [1, 5, 15, 60]
    assert sum(keep.column is not None for keep in kept) >= 3


def test_a_book_is_kept_once_a_minute() -> None:
    driver = Driver(BTC)
    driver.up(T0 * SECOND)
    driver.at(T0 * SECOND + 1, snapshot(1, [(p, 1) for p in range(6_000_000, 5_999_900, -1)], [(6_000_100, 5)]))
    for second in range(1, 130):
        driver.at((T0 + second) * SECOND, delta(second + 1, [(5_999_950, second)]))
    books = [(c.known_at // SECOND - T0, c.book) for c in driver.commands if isinstance(c, Keep) and c.book is not None]
    assert [second for second, _ in books] == [60, 120]
    (_, book), _ = books
    assert (len(book.bids), len(book.asks)) == (50, 1)
    assert book.bids[0] == (6_000_000, 1)
    assert book.sequence == 61  # what came at the boundary itself was known by then


def test_everything_of_a_recording_is_kept(recordings_root_path: Path) -> None:
    """The bars, trades and columns of the whole recording, second by second, add up to the state at its end."""
    kept: list[Keep] = []

    def commanded(commands: Commands) -> None:
        kept.extend(command for command in commands if isinstance(command, Keep))

    replay = Replay(Recording([recordings_root_path / "hftbacktest-binance-ws" / "spot"]))
    replay.commands = commanded
    replay.run()
    for key, trades in ((BTC.key, 19_904), (ETH.key, 14_515)):
        market = replay.state.markets[key]
        mine = [keep for keep in kept if keep.instrument.key == key]
        mirror = {(t, bar.open_ms): bar for keep in mine for t, bar in keep.bars}
        told = [t for keep in mine for t in keep.trades]
        assert len(told) + len(market.fresh) == trades
        assert [t.id for t in told] == sorted(t.id for t in told)
        last: list[Trade] = [*told, *market.fresh]
        assert last[-1] == market.last_trade
        follow(mirror, market.bars)
        check(mirror, market.bars)
        columns = [keep.column for keep in mine if keep.column is not None]
        assert market.cob is not None
        assert columns[-300:] == list(market.cob.columns)
        assert len({keep.known_at for keep in mine}) == len(mine)
