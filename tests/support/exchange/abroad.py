"""Candle requests as MEXC and Bybit are sent them, answered in their shapes from the recorded spot candles.

The rows are those of the recorded exchange: they exercise parsers and the order of sources, and are nobody's prices.
Shapes: `ccxt-mexc-rest`, `mexc-net-fixtures` of the recorded data; bybit-exchange.github.io/docs/v5/market/kline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from tests.support.exchange.answers import Answer
from tests.support.exchange.candles import INTERVALS_MS, Bar, as_text
from tests.support.exchange.tape import Instrument

_MEXC = {"60m": "1h"}
_BYBIT = {"1": "1m", "5": "5m", "15": "15m", "60": "1h", "240": "4h", "D": "1d"}
Rows = Callable[[Instrument, str], list[Bar]]


def answer(url: str, rows: Rows) -> Answer | None:
    """The answer to a candle request under `/mexc` or `/bybit`; None for every other address."""
    parts = urlsplit(url)
    params = dict(parse_qsl(parts.query))
    if parts.path == "/mexc/api/v3/klines":
        return _said(_mexc(params, rows))
    if parts.path == "/bybit/v5/market/kline":
        return _said(_bybit(params, rows))
    return None


def _said(body: Any) -> Answer:
    return Answer(status=200, headers={"content-type": "application/json"}, body=msgspec.json.encode(body))


def _found(params: Mapping[str, str], rows: Rows, interval: str, start: str, end: str) -> list[Bar]:
    found = rows(Instrument("spot", params["symbol"]), interval)
    return [bar for bar in found if int(params[start]) <= bar.open_ms <= int(params[end])][: int(params["limit"])]


def _mexc(params: Mapping[str, str], rows: Rows) -> list[list[Any]]:
    interval = _MEXC.get(params["interval"], params["interval"])
    found = _found(params, rows, interval, "startTime", "endTime")
    return [
        [bar.open_ms, *_texts(bar), bar.open_ms + INTERVALS_MS[interval], as_text(bar.quote, 16, 2)] for bar in found
    ]


def _bybit(params: Mapping[str, str], rows: Rows) -> dict[str, Any]:
    found = _found(params, rows, _BYBIT[params["interval"]], "start", "end")
    listed = [[str(bar.open_ms), *_texts(bar), as_text(bar.quote, 16, 2)] for bar in reversed(found)]
    result = {"category": params["category"], "symbol": params["symbol"], "list": listed}
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": found[-1].open_ms if found else 0}


def _texts(bar: Bar) -> list[str]:
    return [as_text(price, 8, 2) for price in (bar.open, bar.high, bar.low, bar.close)] + [as_text(bar.volume, 8, 6)]
