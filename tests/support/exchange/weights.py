"""Request weights by the venue's published tables, counted per minute."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.exchange.tape import MINUTE_NS, Market

LIMITS: dict[Market, int] = {"spot": 6000, "usdm": 2400, "coinm": 2400}


def _step(value: int, steps: tuple[tuple[int, int], ...]) -> int:
    return next((weight for limit, weight in steps if value <= limit), steps[-1][1])


def _number(params: Mapping[str, str], default: int) -> int:
    text = params.get("limit", "")
    return int(text) if text.isdigit() else default


def weight_of(market: Market, endpoint: str, params: Mapping[str, str]) -> int:
    """What one request costs; `endpoint` is the path's part after the version."""
    spot = market == "spot"
    if endpoint == "depth":
        if spot:
            return _step(_number(params, 100), ((100, 5), (500, 25), (1000, 50), (5000, 250)))
        return _step(_number(params, 500), ((50, 2), (100, 5), (500, 10), (1000, 20)))
    if endpoint == "klines":
        return 2 if spot else _step(_number(params, 500), ((99, 1), (499, 2), (1000, 5), (1500, 10)))
    if endpoint == "exchangeInfo":
        return 20 if spot else 1
    if endpoint == "ticker/price":
        single = "symbol" in params
        return (2 if single else 4) if spot else (1 if single else 2)
    return 1


class WeightCounter:
    """The weight used in the present minute, per market."""

    def __init__(self) -> None:
        self._minute = -1
        self._used: dict[Market, int] = {}

    def forget(self) -> None:
        """Begin anew, as for a client at an address of its own."""
        self._used = {}

    def add(self, market: Market, weight: int, now_ns: int) -> int:
        """Count a request; returns the minute's total with it."""
        minute = now_ns // MINUTE_NS
        if minute != self._minute:
            self._minute, self._used = minute, {}
        self._used[market] = self._used.get(market, 0) + weight
        return self._used[market]
