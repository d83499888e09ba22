"""Candles of other venues through ccxt: recorded shapes, wrong shapes, and a loopback server over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from engine.errors import FeedError, FeedUnavailable, ProtocolError, VenueThrottled
from engine.ingestion.network import AiohttpTransport
from engine.ingestion.standins import STOP_S, StandIn
from engine.ports import Response, Transport
from engine.types import SECOND, Instrument, Timeframe
from tests.engine.support import BTC, BTC_COINM, BTC_USDM

HOUR = 3_600_000
AT = 1_710_327_600_000
"""The opening time of the recorded MEXC candle."""

LATER = (AT // 1000 + 10 * 3600) * SECOND


class Abroad:
    """A transport that gives one answer."""

    def __init__(self, body: bytes, status: int = 200) -> None:
        self.body, self.status = body, status
        self.urls: list[str] = []

    async def get(self, url: str, *, timeout_s: float) -> Response:
        assert timeout_s > 0
        self.urls.append(url)
        return Response(status=self.status, headers={}, body=self.body)


def stand_in(name: str, transport: object, *, now: int = LATER, rest: tuple[str, ...] = ("http://one",)) -> StandIn:
    return StandIn(name, rest, transport, now=lambda: now, monotonic=lambda: 0.0)  # type: ignore[arg-type]


async def ask(source: StandIn, instrument: Instrument = BTC, hours: int = 2) -> tuple[Any, ...]:
    return await source.candles(instrument, Timeframe.H1, AT, AT + hours * HOUR, share=0.7)


@pytest.fixture(scope="session")
def mexc_rows(recordings_root_path: Path) -> bytes:
    recorded = json.loads((recordings_root_path / "ccxt-mexc-rest" / "mexc_spot_public.json").read_bytes())
    return json.dumps(recorded["fetchOHLCV BTC/USDT 1h limit 1"]).encode()


def bybit(rows: object, code: int = 0, message: str = "OK") -> bytes:
    result = {"category": "spot", "symbol": "BTCUSDT", "list": rows}
    return json.dumps({"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": AT}).encode()


async def test_the_recorded_answer_of_mexc(mexc_rows: bytes) -> None:
    transport = Abroad(mexc_rows)
    (bar,) = await ask(stand_in("mexc", transport))
    assert (bar.open_ms, bar.open, bar.high, bar.low, bar.close) == (AT, 7326000, 7344295, 7323869, 7341421)
    assert (bar.volume, bar.source, bar.complete) == (4956024, "mexc", True)
    assert (bar.trades, bar.taker_buy, bar.quote_volume) == (-1, -1, -1)
    (url,) = transport.urls
    assert url.startswith("http://one/api/v3/klines?symbol=BTCUSDT&interval=60m&")


async def test_the_documented_answer_of_mexcs_client(recordings_root_path: Path) -> None:
    file = recordings_root_path / "mexc-net-fixtures/Endpoints/SpotApi/ExchangeData/GetKlines.txt"
    rows = file.read_text().split("\n", 3)[3].encode()
    source = stand_in("mexc", Abroad(rows), now=1_650_000_000 * SECOND)
    (bar,) = await source.candles(BTC, Timeframe.M1, 1_640_804_880_000, 1_640_804_940_000, share=0.7)
    assert (bar.open, bar.close, bar.volume) == (4748236, 4743610, 355072)


@pytest.mark.parametrize(("instrument", "category"), [(BTC, "spot"), (BTC_USDM, "linear")])
async def test_the_documented_answer_of_bybit_is_turned_round(instrument: Instrument, category: str) -> None:
    rows = [[str(AT + HOUR), "20.5", "30", "10", "20", "1.5", "3"], [str(AT), "10", "30", "10", "20.5", "1", "3"]]
    transport = Abroad(bybit(rows))
    bars = await ask(stand_in("bybit", transport), instrument)
    assert [bar.open_ms for bar in bars] == [AT, AT + HOUR]
    assert bars[1].open == bars[0].close == round(20.5 * instrument.price_scale)
    assert {bar.source for bar in bars} == {"bybit"}
    assert f"category={category}" in transport.urls[0]


async def test_prices_are_rounded_to_the_tick() -> None:
    rows = [[AT, "10.04", "10.06", "9.951", "10.06", "1", AT + HOUR, "1"]]
    coarse = msgspec.structs.replace(BTC, price_decimals=2, tick=5)
    (bar,) = await ask(stand_in("mexc", Abroad(json.dumps(rows).encode())), coarse)
    assert (bar.open, bar.high, bar.low, bar.close) == (1005, 1005, 995, 1005)


async def test_a_running_candle_is_not_taken(mexc_rows: bytes) -> None:
    end = (AT + HOUR) * 10**6
    assert await ask(stand_in("mexc", Abroad(mexc_rows), now=end - 1)) == ()
    assert len(await ask(stand_in("mexc", Abroad(mexc_rows), now=end))) == 1


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"<html>busy</html>", 503, FeedUnavailable),
        (b"", 404, FeedUnavailable),
        (b'{"code":-1121,"msg":"Invalid symbol."}', 400, FeedUnavailable),
        (b"", 429, VenueThrottled),
        (b'{"data":[]}', 200, ProtocolError),
        (b"null", 200, ProtocolError),
        (b'[[1710327600000,"73260.0","734', 200, ProtocolError),
        (b'[["a","b","c","d","e","f"]]', 200, ProtocolError),
        (b'[[1710327600000,"1","3","1"]]', 200, ProtocolError),
        (b'[[1710327600000,"1","3","1","nan","1",0,"0"]]', 200, ProtocolError),
        (b'[[1710327600000,"1","3","1","-2","1",0,"0"]]', 200, ProtocolError),
        (b'[[1710327600000,"1","2","3","1","1",0,"0"]]', 200, ProtocolError),
        (b'[[1710327600001,"1","3","1","1","1",0,"0"]]', 200, ProtocolError),
        (b'[[1510327600000,"1","3","1","1","1",0,"0"]]', 200, ProtocolError),
        (b"\xff\xfe", 200, ProtocolError),
    ],
)
async def test_wrong_answers_are_errors_and_never_no_candles(body: bytes, status: int, error: type[FeedError]) -> None:
    with pytest.raises(error, match="mexc"):
        await ask(stand_in("mexc", Abroad(body, status)))


@pytest.mark.parametrize(("code", "error"), [(10001, FeedUnavailable), (10006, VenueThrottled)])
async def test_bybits_errors_come_with_status_200(code: int, error: type[FeedError]) -> None:
    with pytest.raises(error, match="bybit"):
        await ask(stand_in("bybit", Abroad(bybit([], code, "no"))))


async def test_no_candles_is_an_answer(mexc_rows: bytes) -> None:
    assert await ask(stand_in("mexc", Abroad(b"[]"))) == ()
    assert await ask(stand_in("bybit", Abroad(bybit([])))) == ()


def test_who_stands_in_for_what() -> None:
    served = {
        (name, instrument.key, str(timeframe))
        for name in ("mexc", "bybit")
        for instrument in (BTC, BTC_USDM, BTC_COINM)
        for timeframe in (Timeframe.S1, Timeframe.M1)
        if stand_in(name, None).serves(instrument, timeframe)
    }
    assert served == {("mexc", BTC.key, "1m"), ("bybit", BTC.key, "1m"), ("bybit", BTC_USDM.key, "1m")}
    assert not stand_in("mexc", None, rest=()).serves(BTC, Timeframe.M1)
    dated = msgspec.structs.replace(BTC_USDM, key="binanceusdm:BTC/USDT:USDT-241227")
    assert not stand_in("bybit", None).serves(dated, Timeframe.M1)


async def test_the_next_address_is_tried_after_a_failure_and_the_budget_is_its_own() -> None:
    transport = Abroad(b"", 503)
    source = stand_in("mexc", transport, rest=("http://one", "http://two"))
    for _ in range(3):
        with pytest.raises(FeedUnavailable):
            await ask(source)
    assert [url.partition("/api")[0] for url in transport.urls] == ["http://one", "http://two", "http://one"]
    assert source.budget.view(0.0).used == 3
    transport.status = 429
    with pytest.raises(VenueThrottled):
        await ask(source)
    assert source.budget.view(0.0).blocked_s == STOP_S


async def over_sockets(answer: Callable[[web.Request], Awaitable[web.Response]], name: str) -> tuple[Any, ...]:
    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    transport: Transport = AiohttpTransport()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return await ask(StandIn(name, (address,), transport, now=lambda: LATER, monotonic=lambda: 0.0))
    finally:
        await transport.aclose()
        await runner.cleanup()


async def test_over_real_sockets(mexc_rows: bytes) -> None:
    seen: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request)
        return web.Response(body=mexc_rows, content_type="application/json")

    assert len(await over_sockets(answer, "mexc")) == 1
    (request,) = seen
    assert request.path == "/api/v3/klines"
    assert (request.query["startTime"], request.query["limit"]) == (str(AT), "2")


async def test_a_connection_that_breaks_is_an_error() -> None:
    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        await asyncio.sleep(1)
        return web.Response()

    with pytest.raises(FeedUnavailable):
        await over_sockets(answer, "bybit")
