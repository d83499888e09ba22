"""What the socket serves is what the engine holds: every topic against the state itself, on recorded markets."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgpack
import msgspec
import pytest

from engine.alerts import Cause
from engine.delivery import Delivery, Subscription
from engine.errors import RequestDenied
from engine.market.cob import RADIUS
from engine.protocol import Get, Series, State, Subscribe
from engine.replay import Recording, Replay
from engine.settings import CobSettings, MarketSettings
from engine.state import EngineState, MarketState
from engine.types import MS, SECOND, Bar, BarsLoaded, InstrumentListed, Timeframe
from tests.engine.support import BTC, T0, Driver, snapshot, trade
from tests.support.exchange import run_virtual
from tests.support.serving import START_NS, Market, Stage, in_virtual_time, stage

FILES = (
    "spot/btcusdt_20240808.gz", "spot/ethusdt_20240808.gz", "usdm/btcusdt_20240808.gz", "cm/btcusd_perp_20240808.gz",
)  # fmt: skip
KEYS = ("binance:BTC/USDT", "binance:ETH/USDT", "binanceusdm:BTC/USDT:USDT", "binancecoinm:BTC/USD:BTC")


@pytest.fixture(scope="module")
def played(data_root: Path) -> EngineState:
    """The state after some minutes of three markets; nobody may change it."""
    replay = Replay(Recording([data_root / "hftbacktest-binance-ws" / name for name in FILES]))
    replay.run(limit=40_000)
    assert set(replay.state.markets) == set(KEYS)
    return replay.state


@asynccontextmanager
async def reading(folder: Path, state: EngineState) -> AsyncIterator[Callable[..., Any]]:
    """Gives a function that asks for a topic as a client does, and returns what a client makes of the answer."""
    async with stage(folder, state=state, serve=False) as made:
        delivery = Delivery(made.topics)

        async def ask(topic: str, **asked: Any) -> Any:
            answer = await delivery.answer(Get(id=1, topic=topic, **asked), asyncio.get_running_loop().time())
            if isinstance(answer, State):
                assert answer.seq == state.seq
                return msgpack.unpackb(bytes(answer.data))
            return [msgpack.unpackb(bytes(row)) for row in answer.rows]

        yield ask


def on(played: EngineState, folder: Path, scene: Callable[[Callable[..., Any]], Any]) -> None:
    """Play a scene at the time of the recording's end."""

    async def main() -> None:
        async with reading(folder, played) as ask:
            await scene(ask)

    run_virtual(main, start_ns=played.ts_recv)


def exact(number: int, decimals: int) -> float:
    """A scaled integer as the nearest float, by another way than the product's."""
    return float(Decimal(number).scaleb(-decimals))


# States. ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("depth", [1, 20, 5000])
def test_book_is_the_engines(key: str, depth: int, played: EngineState, tmp_path: Path) -> None:
    async def scene(ask: Callable[..., Any]) -> None:
        market = played.markets[key]
        book, instrument = market.sync.book, market.instrument
        found = await ask("book", instrument=key, depth=depth)
        for name, levels, best_first in (("bids", book.bids, True), ("asks", book.asks, False)):
            expected = [
                [exact(price, instrument.price_decimals), exact(size, instrument.size_decimals)]
                for price, size in sorted(levels.items(), reverse=best_first)
            ]
            assert found[name] == expected[:depth]
            assert expected
        assert (found["instrument"], found["seq"], found["update_id"]) == (key, played.seq, book.update_id)
        assert found["live"] is market.sync.live

    on(played, tmp_path, scene)


def test_markets_are_the_engines(played: EngineState, tmp_path: Path) -> None:
    async def scene(ask: Callable[..., Any]) -> None:
        rows = await ask("markets")
        assert [row["instrument"] for row in rows] == list(played.markets)
        for row in rows:
            market = played.markets[row["instrument"]]
            places, book = market.instrument.price_decimals, market.sync.book
            assert market.last_trade is not None
            assert row["best_bid"] == exact(max(book.bids), places)
            assert row["best_ask"] == exact(min(book.asks), places)
            assert row["last"] == exact(market.last_trade.price, places)
            assert row["last_sell"] is market.last_trade.sell
            assert row["tick"] == exact(market.instrument.tick, places)
            assert row["live"] is market.sync.live is True
            assert row["age_ms"] == pytest.approx((played.ts_recv - market.ts_book) / MS, abs=0.06)
            ticker, mark = market.ticker, market.mark
            assert row["high_24h"] == (exact(ticker.high, places) if ticker else None)
            assert row["low_24h"] == (exact(ticker.low, places) if ticker else None)
            assert row["change_24h_pct"] == (ticker.change_pct if ticker else None)
            volume = exact(ticker.volume, market.instrument.size_decimals) if ticker else None
            assert row["volume_24h"] == volume
            assert (row["mark"], row["funding_rate"]) == ((mark.mark, mark.funding_rate) if mark else (None, None))

    on(played, tmp_path, scene)


@pytest.mark.parametrize("key", KEYS)
def test_cob_is_the_book_in_buckets(key: str, played: EngineState, tmp_path: Path) -> None:
    """Summed here from the levels, each to its bucket, with exact fractions."""

    async def scene(ask: Callable[..., Any]) -> None:
        market = played.markets[key]
        book, instrument, cob = market.sync.book, market.instrument, market.cob
        assert cob is not None
        found = await ask("cob", instrument=key)
        assert len(found["buckets"]) == 2 * RADIUS
        assert found["bucket_size"] == exact(cob.bucket, instrument.price_decimals)
        first = (book.best_bid + book.best_ask) // 2 // cob.bucket - RADIUS
        for place, bucket in enumerate(found["buckets"]):
            low = (first + place) * cob.bucket
            assert bucket["price"] == exact(low, instrument.price_decimals)
            bid, ask_, notional = 0, 0, 0
            for levels, is_bid in ((book.bids, True), (book.asks, False)):
                inside = {price: size for price, size in levels.items() if low <= price < low + cob.bucket}
                bid += sum(inside.values()) if is_bid else 0
                ask_ += 0 if is_bid else sum(inside.values())
                notional += sum(price * size for price, size in inside.items())
            base = 1.0
            if bid + ask_:
                vwap = notional / (bid + ask_) / 10**instrument.price_decimals
                assert bucket["vwap"] == pytest.approx(vwap, rel=1e-12)
                assert bucket["imbalance"] == pytest.approx((bid - ask_) / (bid + ask_), rel=1e-12)
                base = instrument.contract_size / vwap if instrument.contract_size else 1.0
            else:
                assert (bucket["vwap"], bucket["imbalance"]) == (None, None)
            scale = 10**instrument.size_decimals
            assert bucket["bid"] == pytest.approx(bid / scale * base, rel=1e-12)
            assert bucket["ask"] == pytest.approx(ask_ / scale * base, rel=1e-12)
        assert found["bid_liquidity"] == pytest.approx(sum(bucket["bid"] for bucket in found["buckets"]))
        assert found["partial_buckets"] == sum(bucket["partial"] for bucket in found["buckets"])

    on(played, tmp_path, scene)


def test_price_is_the_mid_and_says_where_it_is_from(played: EngineState, tmp_path: Path) -> None:
    async def scene(ask: Callable[..., Any]) -> None:
        for key, market in played.markets.items():
            book = market.sync.book
            found = await ask("price", instrument=key)
            middle = exact(book.best_bid + book.best_ask, market.instrument.price_decimals) / 2
            assert found["price"] == pytest.approx(middle, rel=1e-15)
            assert found["source"] == "book mid"
            age = (played.ts_recv - market.ts_book) / MS
            assert found["age_ms"] == pytest.approx(age, abs=0.06)
            assert found["stale"] is (age > 500)

    on(played, tmp_path, scene)


@in_virtual_time
async def test_a_price_that_nobody_knows_is_nil(tmp_path: Path) -> None:
    driver = Driver(BTC)
    async with reading(tmp_path, driver.state) as ask:
        assert await ask("price", instrument=BTC.key) == {
            "instrument": BTC.key, "price": None, "source": "unknown", "age_ms": None, "stale": True,
        }  # fmt: skip
        (row,) = await ask("markets")
        assert {name for name, value in row.items() if value is not None} == {"instrument", "live", "tick"}
        assert row["live"] is False


# Series. ------------------------------------------------------------------------------------------------------------


def bar_row(bar: Bar, market: MarketState, *, closed: bool) -> list[Any]:
    places, lots = market.instrument.price_decimals, market.instrument.size_decimals
    prices = [exact(value, places) for value in (bar.open, bar.high, bar.low, bar.close)]
    return [
        bar.open_ms, *prices, exact(bar.volume, lots), bar.trades, exact(bar.taker_buy, lots), closed, bar.complete,
        bar.source,
    ]  # fmt: skip


def bar_rows(market: MarketState, timeframe: Timeframe) -> list[list[Any]]:
    rows = [bar_row(bar, market, closed=True) for bar in market.bars.closed[timeframe]]
    running = market.bars.running(timeframe)
    return rows if running is None else [*rows, bar_row(running, market, closed=False)]


@pytest.mark.parametrize("key", KEYS)
def test_bars_are_the_engines(key: str, played: EngineState, tmp_path: Path) -> None:
    async def scene(ask: Callable[..., Any]) -> None:
        market = played.markets[key]
        for timeframe in Timeframe:
            expected = bar_rows(market, timeframe)
            assert await ask("bars", instrument=key, timeframe=str(timeframe)) == expected
            assert await ask("bars", instrument=key, timeframe=str(timeframe), limit=2) == expected[-2:]
            assert expected

    on(played, tmp_path, scene)


@pytest.mark.parametrize("key", KEYS)
def test_trades_are_the_tape(key: str, played: EngineState, tmp_path: Path) -> None:
    async def scene(ask: Callable[..., Any]) -> None:
        market = played.markets[key]
        instrument = market.instrument
        places, lots = instrument.price_decimals, instrument.size_decimals
        found = await ask("trades", instrument=key)
        assert len(found) > 100
        for row, made in zip(found, market.tape.trades, strict=True):
            value = made.size * instrument.contract_size if instrument.contract_size else (
                exact(made.size, lots) * exact(made.price, places)
            )  # fmt: skip
            assert row[:5] == [
                made.id, made.ts_exch // 10**6, exact(made.price, places), exact(made.size, lots), made.sell,
            ]  # fmt: skip
            assert row[5] is (value >= market.tape.large)

    on(played, tmp_path, scene)


@pytest.mark.parametrize("key", KEYS)
def test_heat_is_the_columns(key: str, played: EngineState, tmp_path: Path) -> None:
    async def scene(ask: Callable[..., Any]) -> None:
        market = played.markets[key]
        instrument, cob = market.instrument, market.cob
        assert cob is not None
        places, lots = instrument.price_decimals, instrument.size_decimals
        found = await ask("heat", instrument=key)
        assert len(found) > 20
        for row, column in zip(found, cob.columns, strict=True):
            assert row[:5] == [
                column.second, exact(column.base * cob.bucket, places), exact(cob.bucket, places),
                exact(column.best_bid, places), exact(column.best_ask, places),
            ]  # fmt: skip
            for side, volumes in ((row[5], column.bids), (row[6], column.asks)):
                for place, (shown, lot) in enumerate(zip(side, volumes, strict=True)):
                    middle = (column.base + place + 0.5) * cob.bucket / 10**places
                    base = instrument.contract_size / middle if instrument.contract_size else 1.0
                    assert shown == pytest.approx(exact(lot, lots) * base, rel=1e-12)
            assert row[7] == list(column.partial)

    on(played, tmp_path, scene)


class Follower:
    """A client that keeps the rows of a series by key, resumes by cursor, and now and then connects anew."""

    def __init__(self, made: Stage, limit: int = 5000, **asked: Any) -> None:
        self.delivery = Delivery(made.topics)
        self.asked = Subscribe(id=1, limit=limit, **asked)
        self.subscription = Subscription(self.asked)
        self.rows: dict[int, list[Any]] = {}
        self.resets = self.last_seq = self.changes = 0

    def reconnect(self) -> None:
        cursor = self.subscription.cursor
        self.subscription = Subscription(msgspec.structs.replace(self.asked, since=cursor))

    def look(self) -> list[list[Any]]:
        """Take the news; return them."""
        news = self.delivery.news(self.subscription, asyncio.get_running_loop().time())
        if news is None:
            return []
        assert isinstance(news, Series)
        assert news.seq >= self.last_seq
        self.last_seq = news.seq
        if news.reset:
            self.rows.clear()
            self.resets += 1
        found = [msgpack.unpackb(bytes(row)) for row in news.rows]
        for row in found:
            self.changes += row[0] in self.rows
            self.rows[row[0]] = row
        return found

    def newest(self, number: int) -> list[list[Any]]:
        return sorted(self.rows.values())[-number:]


@pytest.mark.parametrize("seed", range(3))
def test_who_follows_by_cursor_has_what_the_engine_has(seed: int, data_root: Path, tmp_path: Path) -> None:
    """Bars, trades and heat, looked at after random numbers of records and over random reconnections."""
    replay = Replay(Recording([data_root / "hftbacktest-binance-ws" / name for name in FILES[:2]]))
    dice = random.Random(seed)

    async def main() -> None:
        async with stage(tmp_path, state=replay.state, serve=False) as made:
            replay.run(limit=3000)
            key = KEYS[seed % 2]
            market = replay.state.markets[key]
            followers = [
                Follower(made, topic="bars", instrument=key, timeframe=str(timeframe)) for timeframe in Timeframe
            ]
            trades = Follower(made, topic="trades", instrument=key)
            heat = Follower(made, topic="heat", instrument=key)
            for _ in range(60):
                replay.run(limit=dice.choice((1, 1, 7, 40, 500)))
                for follower in (*followers, trades, heat):
                    if dice.random() < 0.2:
                        follower.reconnect()
                    if dice.random() < 0.7:
                        follower.look()
            for follower in (*followers, trades, heat):
                follower.look()
                assert follower.look() == []
                assert follower.resets == 1
            for timeframe, follower in zip(Timeframe, followers, strict=True):
                expected = bar_rows(market, timeframe)
                assert follower.newest(len(expected)) == expected
                assert len(follower.rows) == len(expected)
                assert follower.changes > 5  # the running bar, again and again
            ids = [made.id for made in market.tape.trades]
            assert [row[0] for row in trades.newest(len(ids))] == ids
            assert trades.changes == 0
            assert market.cob is not None
            seconds = [column.second for column in market.cob.columns]
            assert [row[0] for row in heat.newest(len(seconds))] == seconds
            assert heat.changes == 0

    run_virtual(main, start_ns=START_NS)


def bars(driver: Driver, timeframe: Timeframe = Timeframe.S1) -> list[list[Any]]:
    return bar_rows(driver.market(), timeframe)


@asynccontextmanager
async def following(folder: Path, **asked: Any) -> AsyncIterator[tuple[Driver, Follower]]:
    """Ten seconds of trades, and a follower who has seen them."""
    driver = Driver(BTC)
    driver.up(T0 * SECOND)
    for number in range(10):
        driver.at((T0 + number) * SECOND + 500 * MS, trade(number, 6_000_000 + number, 10, (T0 + number) * SECOND + 1))
    async with stage(folder, state=driver.state, serve=False) as made:
        follower = Follower(made, topic="bars", instrument=BTC.key, **{"timeframe": "1s", **asked})
        follower.look()
        assert follower.resets == 1
        yield driver, follower


@in_virtual_time
async def test_the_running_bar_comes_again_when_it_changes_and_only_then(tmp_path: Path) -> None:
    async with following(tmp_path) as (driver, follower):
        assert follower.look() == []
        driver.at((T0 + 9) * SECOND + 600 * MS, trade(10, 6_000_500, 7, (T0 + 9) * SECOND + 2))
        (row,) = follower.look()
        assert (row[0], row[2], row[6], row[8]) == ((T0 + 9) * 1000, 60_005.0, 2, False)
        assert follower.look() == []
        driver.at((T0 + 10) * SECOND + 600 * MS, trade(11, 6_000_100, 7, (T0 + 10) * SECOND + 2))
        closed, running = follower.look()
        assert (closed[0], closed[8], closed[9]) == ((T0 + 9) * 1000, True, True)
        assert (running[0], running[8]) == ((T0 + 10) * 1000, False)
        assert follower.newest(99) == bars(driver)
        assert follower.resets == 1


@in_virtual_time
async def test_a_late_trade_reaches_who_has_the_closed_bar(tmp_path: Path) -> None:
    async with following(tmp_path) as (driver, follower):
        now = (T0 + 9) * SECOND + 700 * MS
        driver.at(now, trade(12, 6_000_000, 1, now))  # 10 and 11 are missing
        follower.look()
        driver.at(now + MS, trade(10, 7_000_000, 3, (T0 + 4) * SECOND + 5, sent=now))
        rows = follower.look()
        (revised,) = (row for row in rows if row[0] == (T0 + 4) * 1000)
        assert (revised[2], revised[5], revised[6], revised[8]) == (70_000.0, exact(13, 5), 2, True)
        assert follower.newest(99) == bars(driver)
        assert follower.resets == 1


@in_virtual_time
async def test_candles_of_the_venue_come_in_front_and_in_place(tmp_path: Path) -> None:
    async with following(tmp_path) as (driver, follower):
        early = tuple(
            Bar(open_ms=(T0 - 60 + n) * 1000, open=1, high=4, low=1, close=2 + n % 3, volume=1, trades=1, taker_buy=0,
                quote_volume=1, source="venue")
            for n in range(40)
        )  # fmt: skip
        now = (T0 + 60) * SECOND
        driver.at(now, BarsLoaded(instrument=BTC.key, timeframe=Timeframe.S1, bars=early), "binance:rest")
        rows = follower.look()
        assert {row[0] for row in rows} >= {bar.open_ms for bar in early}
        assert follower.resets == 1
        assert follower.newest(999) == bars(driver)


@in_virtual_time
async def test_bars_that_were_taken_back_are_forgotten(tmp_path: Path) -> None:
    async with following(tmp_path) as (driver, follower):
        driver.market().bars.rewind((T0 + 3) * SECOND)
        driver.state.seq += 1  # as the record that does it would
        assert follower.look() == bars(driver)
        assert follower.resets == 2
        assert len(follower.rows) == len(bars(driver)) < 10
        follower.reconnect()
        assert follower.look() == []
        assert follower.resets == 2


@in_virtual_time
async def test_an_instrument_that_begins_again_begins_again_for_all(tmp_path: Path) -> None:
    async with following(tmp_path) as (driver, follower):
        finer = msgspec.structs.replace(BTC, price_decimals=3)
        driver.at((T0 + 20) * SECOND, InstrumentListed(instrument=finer), "binance:rest")
        assert follower.look() == []
        assert follower.resets == 2
        assert follower.rows == {}
        driver.at((T0 + 21) * SECOND, trade(500, 60_000_000, 10, (T0 + 21) * SECOND))
        (row,) = follower.look()
        assert row[4] == 60_000.0


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_fewer_rows_than_are_new_come_with_a_reset(limit: int, tmp_path: Path) -> None:
    """A client that missed more than it wants at once must not take the newest for all."""

    @in_virtual_time
    async def scene() -> None:
        async with following(tmp_path, limit=limit) as (driver, follower):
            for number in range(10, 20):
                stamp = (T0 + number) * SECOND
                driver.at(stamp + 500 * MS, trade(number, 6_000_000, 10, stamp + 1))
            assert follower.look() == bars(driver)[-limit:]
            assert follower.resets == 2
            assert follower.newest(99) == bars(driver)[-limit:]

    scene()


@in_virtual_time
async def test_a_cursor_of_another_engine_is_answered_in_full(tmp_path: Path) -> None:
    async with following(tmp_path) as (driver, follower):
        for cursor in ("b.1", "a.99", "a.", ".1", "a", "1", "a.-1", "a.1.0", "a.٣", "\x00", "a." + "1" * 16, "a.1 "):
            follower.subscription = Subscription(msgspec.structs.replace(follower.asked, since=cursor))
            before = follower.resets
            rows = follower.look()
            assert follower.resets == before + 1, cursor
            assert rows == bars(driver)


@in_virtual_time
async def test_two_who_ask_at_the_same_record_get_the_same_bytes(tmp_path: Path) -> None:
    market = Market()
    async with stage(tmp_path, state=market.state) as made:
        moving = asyncio.create_task(market.run(0.13))
        seen: list[dict[tuple[str, int], bytes]] = [{}, {}]
        topics = ("book", "cob", "markets", "health", "alerts")

        async def follow(mine: dict[tuple[str, int], bytes]) -> None:
            wire = await made.client()
            for number, topic in enumerate(topics):
                wire.send(type="subscribe", id=number, topic=topic, instrument=BTC.key, every_ms=100)
            async for message in wire:
                mine[message["topic"], message["seq"], message["ts"]] = msgpack.packb(message["data"])

        tasks = [asyncio.create_task(follow(mine)) for mine in seen]
        for number in range(20):
            await asyncio.sleep(0.5)
            happened(made, 1 + number % 2)
        for task in (moving, *tasks):
            task.cancel()
        await asyncio.gather(moving, *tasks, return_exceptions=True)
        both = seen[0].keys() & seen[1].keys()
        assert {topic for topic, *_ in both} == set(topics)
        assert len(both) > 200
        assert all(seen[0][each] == seen[1][each] for each in both)


# What can be asked. -------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_without_a_cob_there_is_neither_cob_nor_heat(tmp_path: Path) -> None:
    driver = Driver(BTC, settings=MarketSettings(cob=CobSettings(enabled=False)))
    async with reading(tmp_path, driver.state) as ask:
        for topic in ("cob", "heat"):
            with pytest.raises(RequestDenied, match=r"data_provider\.cob\.enabled") as denied:
                await ask(topic, instrument=BTC.key)
            assert denied.value.code == "not_available"
        assert (await ask("book", instrument=BTC.key))["bids"] == []


@in_virtual_time
async def test_only_the_engines_timeframes_are_served(tmp_path: Path) -> None:
    driver = Driver(BTC, settings=MarketSettings(timeframes=(Timeframe.M1,)))
    async with reading(tmp_path, driver.state) as ask:
        assert await ask("bars", instrument=BTC.key, timeframe="1m") == []
        with pytest.raises(RequestDenied, match="known: 1m"):
            await ask("bars", instrument=BTC.key, timeframe="1s")


@in_virtual_time
async def test_a_book_that_is_lost_is_not_live_and_empty(tmp_path: Path) -> None:
    market = Market()
    async with reading(tmp_path, market.state) as ask:
        assert (await ask("book", instrument=BTC.key))["live"]
        market.driver.at(START_NS + SECOND, snapshot(5, [], []), "binance:rest")
        market.driver.market().sync.lose()
        found = await ask("cob", instrument=BTC.key)
        assert (found["live"], found["mid"], found["buckets"]) == (False, None, [])


# Events. ------------------------------------------------------------------------------------------------------------


def happened(made: Stage, times: int) -> None:
    for _ in range(times):
        made.alerts.passing(Cause("BOOK_GAP", f"x{made.journal.last}", "gap"), made.engine.now())


@in_virtual_time
async def test_events_come_oldest_first_without_hole_or_double(tmp_path: Path) -> None:
    async with stage(tmp_path, serve=False) as made:
        happened(made, 30)
        entries, cursor, reset = made.topics.entries("", 10)
        assert ([entry.cursor for entry in entries], cursor, reset) == (list(range(21, 31)), "30", True)
        assert made.topics.entries(cursor, 10) == ([], "30", False)
        happened(made, 25)
        seen: list[int] = []
        while True:
            entries, cursor, reset = made.topics.entries(cursor, 10)
            assert not reset
            seen += [entry.cursor for entry in entries]
            if len(entries) < 10:
                break
        assert seen == list(range(31, 56))


@pytest.mark.parametrize("since", ["56", "99999", "-1", "x", "1.0", "9" * 16, "a.3", " 3"])
def test_a_cursor_that_is_none_gives_the_newest_with_a_reset(since: str, tmp_path: Path) -> None:
    @in_virtual_time
    async def scene() -> None:
        async with stage(tmp_path, serve=False) as made:
            happened(made, 55)
            entries, cursor, reset = made.topics.entries(since, 10)
            assert ([entry.cursor for entry in entries], cursor, reset) == (list(range(46, 56)), "55", True)

    scene()


@in_virtual_time
async def test_an_empty_journal_has_a_beginning(tmp_path: Path) -> None:
    async with stage(tmp_path, serve=False) as made:
        assert made.topics.entries("", 10) == ([], "0", True)
        assert made.topics.entries("0", 10) == ([], "0", False)
        happened(made, 3)
        entries, cursor, reset = made.topics.entries("0", 10)
        assert ([entry.cursor for entry in entries], cursor, reset) == ([1, 2, 3], "3", False)


@in_virtual_time
async def test_events_that_are_no_longer_there_are_a_hole_that_is_said(tmp_path: Path) -> None:
    async with stage(tmp_path, serve=False) as made:
        happened(made, 10_100)  # 10,000 are kept
        entries, cursor, reset = made.topics.entries("50", 10)
        assert ([entry.cursor for entry in entries], reset) == (list(range(101, 111)), True)
        entries, _, reset = made.topics.entries(cursor, 10)
        assert ([entry.cursor for entry in entries], reset) == (list(range(111, 121)), False)
        entries, _, reset = made.topics.entries("100", 10)
        assert (entries[0].cursor, reset) == (101, False)
