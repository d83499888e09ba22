"""REST answers of the recorded exchange."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.support.exchange import RecordedExchange, Tape

MINUTE = 60_000
SECOND = 1_000_000_000


class Clock:
    def __init__(self, ns: int) -> None:
        self.ns = ns

    def __call__(self) -> int:
        return self.ns


Get = Callable[..., Any]


def _get(exchange: RecordedExchange, market: Any, path: str, status: int = 200, **params: Any) -> Any:
    got, headers, body = exchange.get(market, path, {k: str(v) for k, v in params.items()})
    assert got == status, body
    assert int(headers["x-mbx-used-weight-1m"]) > 0
    return json.loads(body)


@pytest.fixture
def clock(spot: Tape) -> Clock:
    return Clock(spot.aligned(1_767_225_600 * SECOND))


@pytest.fixture
def exchange(spot: Tape, clock: Clock) -> RecordedExchange:
    return RecordedExchange(spot, clock, tile=False)


@pytest.mark.parametrize("symbol", ["BTC", "ETH"])
def test_minutes_equal_the_recorded_candles(
    symbol: str, exchange: RecordedExchange, clock: Clock, recordings: Path
) -> None:
    clock.ns += 648 * SECOND
    rows = _get(exchange, "spot", "/api/v3/klines", symbol=f"{symbol}USDT", interval="1m", limit=1000)
    path = recordings.parent / "candles-1m-binance-spot" / "2024-07_08" / f"{symbol}_USDT-1m.feather"
    recorded = {row[0]: row[1:] for row in pl.read_ipc(path).with_columns(pl.col("date").dt.epoch("ms")).iter_rows()}
    delta = exchange.timeline.delta_ns // 1_000_000
    assert len(rows) == 1000
    counted = 0
    for row in rows[:-1]:
        assert [float(text) for text in row[1:6]] == list(recorded[row[0] - delta])
        assert row[6] == row[0] + MINUTE - 1
        counted += row[8] > 0
    # The ten full minutes of the recording come from its trades.
    assert counted == 10


def test_running_minute_and_seconds_come_from_trades(exchange: RecordedExchange, clock: Clock) -> None:
    clock.ns += 200 * SECOND
    minutes = _get(exchange, "spot", "/api/v3/klines", symbol="BTCUSDT", interval="1m", limit=2)
    seconds = _get(exchange, "spot", "/api/v3/klines", symbol="BTCUSDT", interval="1s", limit=1000)
    assert seconds[-1][0] == clock.ns // SECOND * 1000
    assert [b[0] - a[0] for a, b in pairwise(seconds)] == [1000] * (len(seconds) - 1)
    for minute in minutes:
        inside = [row for row in seconds if minute[0] <= row[0] < minute[0] + MINUTE]
        assert minute[1] == inside[0][1]
        assert Decimal(minute[2]) == max(Decimal(row[2]) for row in inside)
        assert Decimal(minute[3]) == min(Decimal(row[3]) for row in inside)
        assert minute[4] == inside[-1][4]
        for column in (5, 7, 8, 9, 10):
            assert Decimal(minute[column]) == sum(Decimal(row[column]) for row in inside)
    price = _get(exchange, "spot", "/api/v3/ticker/price", symbol="BTCUSDT")
    assert price == {"symbol": "BTCUSDT", "price": minutes[-1][4]}


@pytest.mark.parametrize(("interval", "minutes"), [("5m", 5), ("15m", 15), ("1h", 60), ("4h", 240), ("1d", 1440)])
def test_coarser_candles_are_exact(interval: str, minutes: int, exchange: RecordedExchange, clock: Clock) -> None:
    clock.ns += 300 * SECOND
    rows = _get(exchange, "spot", "/api/v3/klines", symbol="ETHUSDT", interval=interval, limit=3)
    assert [row[0] % (minutes * MINUTE) for row in rows] == [0, 0, 0]
    for row in rows:
        fine: list[Any] = []
        while len(fine) < minutes:
            start = row[0] + len(fine) * MINUTE
            params = {"symbol": "ETHUSDT", "interval": "1m", "limit": 1000, "startTime": start, "endTime": row[6]}
            got = _get(exchange, "spot", "/api/v3/klines", **params)
            fine += got
            if not got:
                break
        assert row[1] == fine[0][1]
        assert row[4] == fine[-1][4]
        assert Decimal(row[2]) == max(Decimal(each[2]) for each in fine)
        assert Decimal(row[3]) == min(Decimal(each[3]) for each in fine)
        assert Decimal(row[5]) == sum(Decimal(each[5]) for each in fine)


def test_kline_ranges(exchange: RecordedExchange, clock: Clock) -> None:
    def opens(**params: Any) -> list[int]:
        params = {"symbol": "BTCUSDT", "interval": "1m", **params}
        return [row[0] for row in _get(exchange, "spot", "/api/v3/klines", **params)]

    now = clock.ns // 1_000_000 // MINUTE * MINUTE
    assert len(opens()) == 500
    assert len(opens(limit=5000)) == 1000
    # The minute that the tape begins in has no trade before the first one.
    assert opens(limit=1)[0] in {now, now - MINUTE}
    start = now - 100 * MINUTE
    assert opens(startTime=start, limit=3) == [start, start + MINUTE, start + 2 * MINUTE]
    assert opens(startTime=start, endTime=start + MINUTE) == [start, start + MINUTE]
    assert opens(endTime=start, limit=2) == [start - MINUTE, start]


def test_depth(exchange: RecordedExchange, usdm: Tape, coinm: Tape, clock: Clock) -> None:
    clock.ns += 10 * SECOND
    body = _get(exchange, "spot", "/api/v3/depth", symbol="BTCUSDT", limit=7)
    book = exchange.book("spot", "BTCUSDT")
    assert body["lastUpdateId"] == book.update_id
    assert [tuple(level) for level in body["bids"]] == book.snapshot(7)[0]
    assert list(body) == ["lastUpdateId", "bids", "asks"]
    for tape, market, path, symbol in (
        (usdm, "usdm", "/fapi/v1/depth", "ETHUSDT"),
        (coinm, "coinm", "/dapi/v1/depth", "BTCUSD_PERP"),
    ):
        futures = RecordedExchange(tape, clock)
        body = _get(futures, market, path, symbol=symbol, limit=100)
        assert len(body["bids"]) == 100
        assert 0 <= clock.ns // 1_000_000 - body["T"] < 1000
        assert body["E"] >= body["T"]
        if market == "coinm":
            assert (body["symbol"], body["pair"]) == ("BTCUSD_PERP", "BTCUSD")
        assert _get(futures, market, path, 400, symbol=symbol, limit=3)["code"] == -4021


def test_exchange_info(exchange: RecordedExchange, usdm: Tape, coinm: Tape, clock: Clock) -> None:
    def ticks(body: Any) -> dict[str, Decimal]:
        rules = {s["symbol"]: s["filters"] for s in body["symbols"]}
        return {
            symbol: Decimal(next(f["tickSize"] for f in filters if f["filterType"] == "PRICE_FILTER"))
            for symbol, filters in rules.items()
        }

    path = "/api/v3/exchangeInfo"
    assert ticks(_get(exchange, "spot", path, symbol="BTCUSDT")) == {"BTCUSDT": Decimal("0.01")}
    both = _get(exchange, "spot", path, symbols='["BTCUSDT","ETHUSDT"]')
    assert set(ticks(both)) == {"BTCUSDT", "ETHUSDT"}
    assert _get(exchange, "spot", path, 400, symbol="NOPE")["code"] == -1121
    linear = ticks(_get(RecordedExchange(usdm, clock), "usdm", "/fapi/v1/exchangeInfo"))
    assert (linear["BTCUSDT"], linear["ETHUSDT"]) == (Decimal("0.1"), Decimal("0.01"))
    inverse = _get(RecordedExchange(coinm, clock), "coinm", "/dapi/v1/exchangeInfo")
    assert ticks(inverse) == {"BTCUSD_PERP": Decimal("0.1"), "ETHUSD_PERP": Decimal("0.01")}
    assert [entry["contractSize"] for entry in inverse["symbols"]] == [100, 10]


def test_errors_and_weights(exchange: RecordedExchange, usdm: Tape, clock: Clock) -> None:
    assert _get(exchange, "spot", "/api/v3/nothing", 404)
    assert _get(exchange, "spot", "/fapi/v1/ping", 404)
    assert _get(exchange, "spot", "/api/v3/depth", 400, symbol="NOPE")["code"] == -1121
    assert _get(exchange, "spot", "/api/v3/depth", 400)["code"] == -1102
    futures = RecordedExchange(usdm, clock)
    answer = _get(futures, "usdm", "/fapi/v1/klines", 400, symbol="BTCUSDT", interval="1s")
    assert answer == {"code": -1120, "msg": "Invalid interval."}
    clock.ns += 60 * SECOND
    used = [
        int(exchange.get("spot", "/api/v3/depth", {"symbol": "BTCUSDT", "limit": limit})[1]["x-mbx-used-weight-1m"])
        for limit in ("100", "101", "1000", "5000")
    ]
    assert used == [5, 30, 80, 330]
    statuses = [exchange.get("spot", "/api/v3/depth", {"symbol": "BTCUSDT", "limit": "5000"}) for _ in range(23)]
    assert [status for status, _, _ in statuses[-2:]] == [200, 429]
    assert 1 <= int(statuses[-1][1]["retry-after"]) <= 60


def test_candles_go_on_over_the_seam(spot: Tape) -> None:
    clock = Clock(spot.aligned(1_767_225_600 * SECOND))
    exchange = RecordedExchange(spot, clock)
    clock.ns += 25 * 60 * SECOND
    rows = _get(exchange, "spot", "/api/v3/klines", symbol="BTCUSDT", interval="1m", limit=40)
    assert exchange.timeline.round == 2
    assert [b[0] - a[0] for a, b in pairwise(rows)] == [MINUTE] * 39
    assert all(row[8] for row in rows[-25:-1])
    turn = exchange.timeline.round_ns // 1_000_000
    by_open = {row[0]: row[1:6] for row in rows}
    assert any(by_open.get(at - turn) == row for at, row in by_open.items())
