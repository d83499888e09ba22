"""Every setting has an effect: for each key one case that shows what it changes, from the key to the engine.

A setting without a case here fails the first test.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest

from engine.alerts import Alert
from engine.errors import EngineUnreachable, FeedUnavailable, SettingsInvalid
from engine.health import HealthView
from engine.ingestion.markets import SPOT
from engine.ingestion.session import Due, Session
from engine.ingestion.symbols import guess
from engine.keep import Keep
from engine.orders import Noticed
from engine.ports import Response
from engine.runtime import Engine
from engine.snapshot import cob_view
from engine.types import SECOND, Bar, BarsLoaded, FeedAlive, FetchBars, Timeframe
from storage.backup import DailyBackup, backups
from storage.retention import Retention
from tests.engine.support import BTC, ETH, T0, Driver, delta, snapshot, trade
from tests.engine.workbench import Bench
from tests.support.exchange import run_virtual
from tests.support.virtual_clock import VirtualClock
from tests.tradetui.test_trading_settings import CASES as TRADING
from tradetui import asking
from tradetui.bootstrap import build_engine, stand_ins
from tradetui.client import Client, connect
from tradetui.config import load
from tradetui.config.schema import SETTINGS
from tradetui.config.sections import Addresses, Settings, Venues
from tradetui.places import places
from tradetui.service import Service
from tradetui.stored import Stored
from tradetui.webhook import Notice

START = T0 * SECOND
MID = 6_000_000

CASES: dict[str, Callable[..., None]] = {}


def case(*keys: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register what shows the effect of these keys."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        assert not CASES.keys() & set(keys)
        CASES.update(dict.fromkeys(keys, function))
        return function

    return register


def chosen(key: str = "", value: object = None, **more: object) -> Settings:
    """The defaults with some keys set, as the command line sets them."""
    flags = {name.replace("__", "."): item for name, item in more.items()}
    return load(None, {"HOME": "/nowhere"}, flags={**({key: value} if key else {}), **flags})


def test_every_setting_has_a_case() -> None:
    assert {*CASES, *TRADING} == {setting.key for setting in SETTINGS.values()}


@pytest.mark.parametrize("key", CASES)
def test_the_setting_has_an_effect(key: str, tmp_path: Path) -> None:
    CASES[key](key, tmp_path)


# The network: what is asked of it. ------------------------------------------------------------------------------------


class Silent:
    """A connection on which nothing comes and pings are answered."""

    async def receive(self) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError

    async def ping(self) -> None:
        return

    async def close(self) -> None:
        return


class Network:
    """Knows four instruments and nothing else; notes what is asked of it, and when. It may take no connections."""

    def __init__(self, *, accepts: bool = True) -> None:
        self.accepts = accepts
        self.asked: list[tuple[float, str]] = []

    def _note(self, url: str) -> None:
        self.asked.append((asyncio.get_running_loop().time(), url))

    async def connect(self, url: str) -> Silent:
        self._note(url)
        if not self.accepts:
            await asyncio.Event().wait()
        return Silent()

    async def get(self, url: str, *, timeout_s: float) -> Response:  # noqa: ASYNC109, RUF100
        self._note(url)
        if "exchangeInfo" not in url:
            raise FeedUnavailable("nothing here")
        entries = [
            {
                "symbol": symbol,
                "baseAsset": symbol[:3],
                "quoteAsset": quote,
                "filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.01"}],
                "quantityPrecision": 3,
            }
            for symbol, quote in (("BTCUSDT", "USDT"), ("ETHUSDT", "USDT"), ("SOLUSDT", "USDT"), ("BTCUSD_PERP", "USD"))
        ]
        return Response(status=200, headers={}, body=msgspec.json.encode({"symbols": entries}))

    async def aclose(self) -> None:
        return


def asked(settings: Settings, seconds: float = 3.0, *, accepts: bool = True) -> list[tuple[float, str]]:
    """What an engine with these settings asks of the network in its first seconds."""
    network = Network(accepts=accepts)

    async def main() -> None:
        engine = build_engine(
            settings,
            [],
            clock=VirtualClock(),
            transport=network,
            monotonic=asyncio.get_running_loop().time,
            dice=lambda: 1.0,
        )
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, stop.set)
        await engine.run(stop)

    run_virtual(main, start_ns=START)
    return network.asked


def urls(settings: Settings, part: str, **options: Any) -> list[str]:
    return [url for _, url in asked(settings, **options) if part in url]


@case("data_provider.symbols")
def _symbols(key: str, _folder: Path) -> None:
    (stream,) = urls(chosen(key, ["SOL/USDT"]), "/stream?")
    assert "solusdt@depth" in stream
    assert "ethusdt" not in stream
    assert any("btcusdt@depth" in url for url in urls(chosen(), "/stream?"))


@case("data_provider.websocket.update_speed")
def _update_speed(key: str, _folder: Path) -> None:
    for symbol, stream_of in (
        ("ETH/USDT", {"100ms": "depth@100ms", "1000ms": "depth"}),
        ("binanceusdm:ETH/USDT:USDT", {"100ms": "depth@100ms", "250ms": "depth", "500ms": "depth@500ms"}),
    ):
        for speed, stream in stream_of.items():
            streams = urls(chosen(key, speed, data_provider__symbols=[symbol]), "/stream?")
            names = "/".join(url.partition("streams=")[2] for url in streams).split("/")
            assert f"ethusdt@{stream}" in names
    settings = chosen(key, "250ms", data_provider__symbols=["binanceusdm:ETH/USDT:USDT"])
    with pytest.raises(SettingsInvalid, match="100ms, 1000ms"):
        build_engine(settings, ["ETH/USDT"], transport=Network())


@case("data_provider.websocket.max_depth")
def _max_depth(key: str, _folder: Path) -> None:
    for symbol, depth, limit in (
        ("ETH/USDT", 1000, 1000),
        ("ETH/USDT", 5000, 5000),
        ("ETH/USDT", 77, 77),
        ("binanceusdm:ETH/USDT:USDT", 77, 100),
        ("binanceusdm:ETH/USDT:USDT", 5000, 1000),
    ):
        found = urls(chosen(key, depth, data_provider__symbols=[symbol]), "/depth?")
        assert {url.partition("limit=")[2] for url in found} == {str(limit)}


@case(
    "venues.binance.rest",
    "venues.binance.ws",
    "venues.binanceusdm.rest",
    "venues.binanceusdm.ws",
    "venues.binancecoinm.rest",
    "venues.binancecoinm.ws",
)
def _address(key: str, _folder: Path) -> None:
    _, venue, kind = key.split(".")
    pair = {"binance": "BTC/USDT", "binanceusdm": "BTC/USDT:USDT", "binancecoinm": "BTC/USD:BTC"}[venue]
    address = "http://here:1/x" if kind == "rest" else "ws://here:1/x"
    only = {"data_provider__symbols": [f"{venue}:{pair}"], "data_provider__stand_ins": []}
    found = [url for _, url in asked(chosen(key, [address], **only))]
    reached = [url for url in found if url.startswith("http" if kind == "rest" else "ws")]
    assert reached
    assert all(url.startswith(address) for url in reached)


def substituted(settings: Settings) -> dict[str, str]:
    """Ask each venue that stands in for a candle; return the address that it asks, by name."""

    async def main() -> dict[str, str]:
        found: dict[str, str] = {}
        for source in stand_ins(settings, Nothing(), now=lambda: START, monotonic=lambda: 0.0):  # type: ignore[arg-type]
            try:
                await source.candles(BTC, Timeframe.M1, 0, 60_000, share=0.7)
            except FeedUnavailable as error:
                found[source.name] = str(error)
        return found

    return asyncio.run(main())


class Nothing:
    """A network that says only what it was asked for."""

    async def get(self, url: str, *, timeout_s: float) -> object:
        raise FeedUnavailable(f"{url} within {timeout_s} s")


@case("venues.mexc.rest", "venues.bybit.rest")
def _stand_in_address(key: str, _folder: Path) -> None:
    name = key.split(".")[1]
    assert substituted(chosen(key, ["http://here:1/x"]))[name].startswith("http://here:1/x/")
    assert set(substituted(chosen(key, []))) == {"mexc", "bybit"} - {name}


@case("data_provider.stand_ins")
def _stand_ins(key: str, _folder: Path) -> None:
    assert list(substituted(chosen(key, ["bybit", "mexc", "bybit"]))) == ["bybit", "mexc"]
    assert substituted(chosen(key, [])) == {}


@case("data_provider.websocket.connect_timeout_s")
def _connect_timeout(key: str, _folder: Path) -> None:
    for seconds in (3.0, 10.0):
        settings = chosen(key, seconds, data_provider__symbols=["BTC/USDT"])
        times = [at for at, url in asked(settings, 30, accepts=False) if "/stream?" in url]
        assert times[1] - times[0] == pytest.approx(seconds + 1.0, abs=0.2)


@case("engine.record")
def _record(key: str, folder: Path) -> None:
    asked(chosen())
    asked(chosen(key, folder / "tape"))
    assert [path for path in (folder / "tape").rglob("*") if path.is_file()]


# The connection's policy. ---------------------------------------------------------------------------------------------


def session(key: str, value: object) -> Session:
    """A session as the engine opens it at the time 0."""
    settings = chosen(key, value)
    made = Session(build_engine(settings, [], transport=Network()).feeds[0].settings)
    made.opened(0.0)
    return made


@case("data_provider.websocket.ping_after_s")
def _ping_after(key: str, _folder: Path) -> None:
    assert [session(key, value).due(1.5) for value in (1.0, 2.0)] == [Due.PING, Due.NOTHING]


@case("data_provider.websocket.pong_within_s")
def _pong_within(key: str, _folder: Path) -> None:
    for value, due in ((1.0, Due.RECONNECT), (5.0, Due.NOTHING)):
        made = session(key, value)
        made.pinged(2.0)
        assert made.due(4.0) is due


@case("data_provider.websocket.silence_s")
def _silence(key: str, _folder: Path) -> None:
    assert [session(key, value).due(6.0) for value in (5.0, 15.0)] == [Due.RECONNECT, Due.PING]


@case("data_provider.websocket.rotate_after_s")
def _rotate_after(key: str, _folder: Path) -> None:
    for value, due in ((100.0, Due.ROTATE), (1000.0, Due.NOTHING)):
        made = session(key, value)
        made.frame(199.0)
        assert made.due(200.0) is due


@case("data_provider.websocket.max_errors")
def _max_errors(key: str, _folder: Path) -> None:
    for value in (2, 10):
        made = session(key, value)
        assert [made.refused(1.0) for _ in range(value)] == [False] * (value - 1) + [True]


@case("data_provider.websocket.reconnect_delay")
def _reconnect_delay(key: str, _folder: Path) -> None:
    assert [session(key, value).delay(1.0) for value in (1.0, 7.0)] == [1.0, 7.0]


@case("data_provider.websocket.max_reconnect_delay")
def _max_reconnect_delay(key: str, _folder: Path) -> None:
    for value in (5.0, 60.0):
        made = session(key, value)
        assert max(made.delay(1.0) for _ in range(10)) == value


@case("data_provider.websocket.settle_s")
def _settle(key: str, _folder: Path) -> None:
    for value, failures in ((1.0, 0), (5.0, 1)):
        made = session(key, value)
        made.delay(1.0)
        made.frame(1.0)
        made.frame(3.0)
        assert made.failures == failures


# The market. ----------------------------------------------------------------------------------------------------------


def driven(key: str, value: object) -> Driver:
    """An engine state with these settings, its book live."""
    driver = Driver(BTC, settings=chosen(key, value).for_market())
    driver.up(START)
    driver.at(START, snapshot(10, [(MID - 30_000, 5), (MID - 1, 7)], [(MID + 1, 1), (MID + 30_000, 2)]), "binance:rest")
    driver.at(START + 1, delta(11, ts=START))
    return driver


BAR = Bar(
    open_ms=0, open=MID, high=MID, low=MID, close=MID, volume=1, trades=1, taker_buy=1, quote_volume=MID, source="venue"
)


def loads(driver: Driver) -> list[str]:
    return [str(command.timeframe) for command in driver.commands if isinstance(command, FetchBars)]


def damaged(driver: Driver) -> Driver:
    """Let minutes and hours be missing until bars are healed."""
    driver.commands.clear()
    for timeframe in (Timeframe.M1, Timeframe.H1):
        length = timeframe.seconds * 1000
        now = T0 * 1000 // length * length
        bars = tuple(msgspec.structs.replace(BAR, open_ms=now - back * length) for back in (9, 2))
        driver.at(START + 2, BarsLoaded(instrument=BTC.key, timeframe=timeframe, bars=bars), "binance:rest")
    driver.until(START + 70 * SECOND)
    return driver


@case("data_provider.timeframes")
def _timeframes(key: str, _folder: Path) -> None:
    driver = driven(key, ["1m", "1d"])
    assert loads(driver) == ["1m", "1d"]
    assert set(loads(damaged(driver))) == {"1m"}
    driver = driven(key, list(Timeframe))
    assert loads(driver) == list(Timeframe)
    assert set(loads(damaged(driver))) == {"1m", "1h"}


@case("data_provider.cache.enabled")
def _cache(key: str, _folder: Path) -> None:
    driver = driven(key, False)
    assert loads(driver) == []
    assert loads(damaged(driver)) == []
    assert loads(damaged(driven(key, True)))


@case("data_provider.cache.candles_per_timeframe")
def _candles(key: str, _folder: Path) -> None:
    for value in (100, 150):
        driver = driven(key, value)
        request = next(c for c in driver.commands if isinstance(c, FetchBars) and c.timeframe is Timeframe.M1)
        assert request.start_ms == (T0 // 60 - value) * 60_000
        for second in range(200):
            at = START + second * SECOND
            driver.at(at, trade(second + 1, MID, 1, at))
        assert len(driver.market().bars.closed[Timeframe.S1]) == value


@case("data_provider.cob.enabled")
def _cob(key: str, _folder: Path) -> None:
    driver = driven(key, False)
    driver.until(START + 2 * SECOND)
    market = driver.market()
    assert market.sync.live
    assert market.cob is None
    view = cob_view(driver.state, BTC.key, START + SECOND)
    assert (view.live, view.buckets) == (True, ())
    assert driven(key, True).market().cob is not None
    assert market.counters.failures == 0


@case("data_provider.cob.bucket_sizes")
def _bucket_sizes(key: str, _folder: Path) -> None:
    for value, ticks in (({"BTC/USDT": "25"}, 2500), ({"ETH/USDT": "25"}, 1000)):
        cob = driven(key, value).market().cob
        assert cob is not None
        assert cob.bucket == ticks


@case("data_provider.cob.price_ranges")
def _price_ranges(key: str, _folder: Path) -> None:
    for value, buckets in (({"BTC/USDT": 100}, 10), ({}, 5)):
        cob = driven(key, value).market().cob
        assert cob is not None
        assert cob.band == buckets


@case("data_provider.references")
def _references(key: str, folder: Path) -> None:
    sol = guess(SPOT, "SOLUSDT", 2, 3)
    driver = Driver(BTC, ETH, sol)
    engine = Engine(Bench().clock)
    engine.state = driver.state
    driver.up(START)
    driver.until(START + 3 * SECOND)
    for value, reference in ((["ETH/BTC"], ""), (["ETH/BTC", "SOL/ETH"], ETH.key)):
        settings = chosen(key, value)
        places_ = places("default", {"HOME": str(folder)})
        stored = Stored(places_, settings.storage)
        asked = asking.provider(engine, stored, settings.data_provider)
        assert asked.live_parts(sol.key).reference == reference
        assert asked.live_parts(ETH.key).reference == BTC.key


@case("market.large_trade")
def _large_trade(key: str, _folder: Path) -> None:
    for value, large in ((1.0, True), (100_000.0, False)):
        driver = driven(key, value)
        driver.at(START + 5, trade(1, MID, 1000, START))
        tape = driver.state.markets[BTC.key].tape
        assert tape.is_large(tape.trades[-1], BTC) is large


@case("market.stale_after_s")
def _stale_after(key: str, _folder: Path) -> None:
    for value, live in ((1.0, False), (5.0, True)):
        assert cob_view(driven(key, value).state, BTC.key, START + 3 * SECOND).live is live


@case("market.silence_s")
def _market_silence(key: str, _folder: Path) -> None:
    for value, closed in ((0.1, 1), (0.5, 0)):
        driver = driven(key, value)
        at = START + SECOND
        driver.at(at, trade(1, MID, 1, at))
        later = at + 13 * SECOND // 10
        driver.at(later, FeedAlive(source="binance"))
        driver.until(later + SECOND // 10)
        assert len(driver.market().bars.closed[Timeframe.S1]) == closed


# Storage. -------------------------------------------------------------------------------------------------------------

TABLES = {
    "books": {"book_snapshots"}, "cob": {"cob_1s", "cob_1m"}, "imbalances": {"imbalances"}, "trades": {"trades"},
    "seconds": {"bars"},
}  # fmt: skip


@cache
def news() -> tuple[Keep, ...]:
    """What an engine has to keep of two minutes: rows of every table that is packed and pruned."""
    driver = driven("market.large_trade", 1.0)
    for second in range(1, 130):
        at = START + second * SECOND
        driver.at(at, delta(11 + second, [(MID - 1, second)], ts=at))
        driver.at(at + 1, trade(second, MID, 1, at))
    return tuple(command for command in driver.commands if isinstance(command, Keep))


def kept(settings: Settings, home: Path, scene: Callable[[Stored], Awaitable[Any]]) -> Any:
    """Give the news to the storage of a profile; return what a scene with it returns."""

    async def main() -> Any:
        stored = Stored(places("default", {"HOME": str(home)}), settings.storage)
        await stored.writer.open()
        try:
            for keep in news():
                stored.writer.put(keep)
            return await scene(stored)
        finally:
            await stored.close()

    return asyncio.run(main())


def upkept(settings: Settings, home: Path, *, days: int = 0, free: int = 10**12) -> tuple[Retention, set[str]]:
    """Make a pass over the news so many days later; return who made it, and the tables of which there are files."""

    async def scene(stored: Stored) -> tuple[Retention, set[str]]:
        await stored.writer.flush()
        now = news()[-1].known_at + days * 86_400 * SECOND
        keeper = Retention(
            stored.writer, stored.archive.cold, stored.retention.policy, clock=lambda: now, free=lambda _: free
        )
        await keeper.once()
        kinds = await stored.writer.commit(lambda open_: open_.execute("SELECT kind FROM cold_files").fetchall())
        return keeper, {kind for (kind,) in kinds}

    made: tuple[Retention, set[str]] = kept(settings, home, scene)
    return made


@case(*(f"storage.pack_{name}_days" for name in TABLES))
def _pack_days(key: str, folder: Path) -> None:
    tables = TABLES[key.removeprefix("storage.pack_").removesuffix("_days")]
    for value, packed in ((5, tables), (30, set())):
        _, files = upkept(chosen(key, value), folder / str(value), days=10)
        assert files & tables == packed


@case(*(f"storage.{name}_days" for name in TABLES))
def _kept_days(key: str, folder: Path) -> None:
    for value, deleted in ((5, True), (30, False)):
        keeper, _ = upkept(chosen(key, value), folder / str(value), days=10)
        assert bool(keeper.last.deleted) is deleted


@case("storage.prune_below_mb")
def _prune_below(key: str, folder: Path) -> None:
    for value, pressed in ((700, "600 MB free, 700 MB wanted"), (500, "")):
        keeper, _ = upkept(chosen(key, value), folder / str(value), free=600_000_000)
        assert keeper.pressed == pressed


@case("storage.flush_rows", "storage.flush_s")
def _flush(key: str, folder: Path) -> None:
    """Rows are written at a number or after a time; upkeep comes after all that is due."""

    async def waiting(stored: Stored) -> int:
        if key == "storage.flush_s":
            await asyncio.sleep(0.5)
        await stored.writer.upkeep(lambda _: None)
        return stored.writer.waiting

    slow = {"storage__flush_rows": 20_000, "storage__flush_s": 60.0}
    assert kept(chosen(**slow), folder / "slow", waiting) > 100
    assert kept(chosen(**slow | {key.replace(".", "__"): 1}), folder / "quick", waiting) == 0


@case("storage.waiting_rows")
def _waiting_rows(key: str, folder: Path) -> None:
    many = msgspec.structs.replace(news()[-1], trades=tuple(trade(n, MID, 1, START) for n in range(800)))
    for value, lost in ((1000, True), (10_000, False)):
        stored = Stored(places("default", {"HOME": str(folder)}), chosen(key, value).storage)
        for _ in range(3):
            stored.writer.put(many)
        assert bool(stored.writer.lost) is lost


@case("storage.backups")
def _backups(key: str, folder: Path) -> None:
    async def copies(stored: Stored) -> int:
        backup = stored.backup
        for day in range(1, 5):
            clock = partial(int, day * START)
            await DailyBackup(backup.database, backup.folder, keep=backup.keep, clock=clock).once()
        return len(backups(backup.folder))

    for value in (1, 3):
        assert kept(chosen(key, value), folder / str(value), copies) == value


# The engine as a process. ---------------------------------------------------------------------------------------------

Scene = Callable[[Client, Service], Awaitable[Any]]


def served(settings: Settings, home: Path, scene: Scene) -> Any:
    """Run a service without a network, and a scene with a client of it; return what the scene returns."""
    nowhere = Addresses(rest=("http://127.0.0.1:9",), ws=("ws://127.0.0.1:9",))
    settings = msgspec.structs.replace(settings, venues=Venues(binance=nowhere))
    here = places("default", {"HOME": str(home)})

    async def main() -> Any:
        with Service(settings, here) as service:
            running = asyncio.create_task(service.run())
            try:
                while True:
                    try:
                        client = await connect(here, "test")
                        break
                    except EngineUnreachable:
                        await asyncio.sleep(0.01)
                async with client:
                    return await scene(client, service)
            finally:
                service.stop("the test is over")
                await running

    return asyncio.run(asyncio.wait_for(main(), 60))


@case("parts.inference", "parts.training", "parts.trading")
def part(key: str, tmp_path: Path) -> None:
    """Status tells that it is off; on, that it is not there yet."""

    async def parts(client: Client, _service: Service) -> dict[str, str]:
        return (await client.get("health", HealthView)).parts

    name = key.partition(".")[2]
    assert served(chosen(key, True), tmp_path, parts)[name] == "not built"
    assert served(chosen(key, False), tmp_path, parts)[name] == "off"


@case("engine.disk_low_mb")
def disk_low(key: str, tmp_path: Path) -> None:
    async def low(client: Client, _service: Service, *, within_s: float) -> bool:
        while (await client.get("health", HealthView)).disk_free_mb is None:
            pass
        end = time.monotonic() + within_s
        while True:
            alerts = await client.get("alerts", list[Alert])
            if any(alert.code == "DISK_LOW" and alert.active for alert in alerts):
                return True
            if time.monotonic() > end:
                return False
            await asyncio.sleep(0.05)

    assert served(chosen(key, 10**9), tmp_path, partial(low, within_s=20))
    assert not served(chosen(key, 0), tmp_path, partial(low, within_s=0.5))


def lines(home: Path) -> list[str]:
    return [file.name for file in sorted((home / ".local/state/tradetui/default/logs").iterdir())]


@case("log.level")
def log_level(key: str, tmp_path: Path) -> None:
    async def level(client: Client, service: Service) -> str:
        logging.getLogger("test").info("an ordinary thing happened")
        return (await client.get("health", HealthView)).log_level

    log = tmp_path / ".local/state/tradetui/default/logs/engine.log"
    assert served(chosen(key, "ERROR"), tmp_path, level) == "ERROR"
    assert not log.exists() or "an ordinary thing" not in log.read_text()
    assert served(chosen(key, "INFO"), tmp_path, level) == "INFO"
    assert "an ordinary thing" in log.read_text()


@case("log.max_mb", "log.backups")
def log_files(key: str, tmp_path: Path) -> None:
    async def much(_client: Client, service: Service) -> None:
        for _ in range(60):
            for _ in range(60):
                logging.getLogger("test").info("x" * 1000)
            await asyncio.to_thread(service.log.flush)

    def files(**more: object) -> int:
        home = tmp_path / "-".join(map(str, more.values()))
        served(chosen("", None, **more), home, much)
        return sum(name.startswith("engine.log") for name in lines(home))

    assert files(log__max_mb=1, log__backups=1) == 2
    if key == "log.max_mb":
        assert files(log__max_mb=8, log__backups=1) == 1
    else:
        assert files(log__max_mb=1, log__backups=3) == 4


@case("credentials.file")
def credentials(key: str, tmp_path: Path) -> None:
    """Its keys are known, so that they are kept out of every text; one that others can read is refused."""
    file = tmp_path / "keys.toml"
    file.write_text('[binance]\napi_key = "k3y-k3y-k3y"\napi_secret = "s3cret-s3cret"\n')
    file.chmod(0o600)

    async def said(_client: Client, service: Service) -> str:
        return service.clean("signed with s3cret-s3cret")

    assert served(chosen(), tmp_path, said) == "signed with s3cret-s3cret"
    assert served(chosen(key, str(file)), tmp_path, said) == "signed with ***"
    file.chmod(0o644)
    with pytest.raises(SettingsInvalid, match="chmod 600"):
        served(chosen(key, str(file)), tmp_path, said)


@case("notices.least", "notices.fills")
def noticed(key: str, tmp_path: Path) -> None:
    """What is sent to the person's own address, which is in no log and no database."""

    async def happens(_client: Client, service: Service, *, wanted: set[str], got: list[str]) -> None:
        assert service.engine is not None
        assert service.webhook is not None
        assert service.engine.trader is not None
        for code in ("KILLED", "FLASH_MOVE"):
            service.engine.trader.notice(Noticed(code=code, component="x", text=f"{code} happened"))
        service.engine.trader.notice(Noticed(code="FILLED", component="x", text="bought"))
        async with asyncio.timeout(20):
            while not wanted <= {notice.code for notice in decoded(got)}:  # noqa: ASYNC110 - another task sends
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)  # would more be sent

    def decoded(got: list[str]) -> list[Notice]:
        return [msgspec.json.decode(body, type=Notice) for body in list(got)]

    def tell(wanted: set[str], **more: object) -> None:
        got: list[str] = []
        home = tmp_path / "-".join(map(str, more.values()))
        with posts(got) as address, pytest.MonkeyPatch.context() as patch:
            patch.setenv("TRADETUI_WEBHOOK_URL", f"{address}/marked-token-0123456789")
            served(chosen("", None, **more), home, partial(happens, wanted=wanted, got=got))
        kept = [file.read_bytes() for file in home.rglob("*") if file.is_file()]
        assert not any(b"marked-token" in text for text in kept)
        found = decoded(got)
        assert {(each.profile, each.mode) for each in found} == {("default", "paper")}
        assert {each.code for each in found} & {"KILLED", "FLASH_MOVE", "FILLED"} == wanted

    tell({"KILLED"}, notices__least="critical", notices__fills=False)
    if key == "notices.least":
        tell({"KILLED", "FLASH_MOVE"}, notices__least="warning", notices__fills=False)
    else:
        tell({"KILLED", "FILLED"}, notices__least="critical", notices__fills=True)


@contextmanager
def posts(got: list[str]) -> Iterator[str]:
    """A server that takes what it is sent; gives its address."""

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
