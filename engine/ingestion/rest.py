"""REST requests to one market: several addresses in turn, within the request budget, heeding the venue's stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from urllib.parse import urlencode

from engine.errors import FeedUnavailable, RequestRefused, VenueThrottled
from engine.ingestion.budget import Budget
from engine.ingestion.markets import Market
from engine.ports import Response, Transport

log = logging.getLogger(__name__)

TIMEOUT_S = 5.0
STOP = 5.0
"""Seconds to keep still after a 429 or 418 that does not say how long."""

STOP_MOST = 3 * 86_400.0
"""Seconds of the longest ban there is (Binance, "Limits": 2 minutes to 3 days); a longer one is damage."""


class Rest:
    """The public endpoints of one market."""

    def __init__(
        self,
        market: Market,
        hosts: tuple[str, ...],
        transport: Transport,
        monotonic: Callable[[], float],
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.market = market
        self.budget = Budget(market.venue, market.weight_limit)
        self._hosts = hosts
        self._host = 0
        self._transport = transport
        self._monotonic = monotonic
        self._timeout_s = timeout_s

    async def exchange_info(self, symbols: list[str]) -> bytes:
        """Return exchangeInfo; spot answers for the given symbols alone."""
        query = {} if self.market.futures else {"symbols": "[" + ",".join(f'"{symbol}"' for symbol in symbols) + "]"}
        return await self._get("exchangeInfo", query, self.market.info_weight)

    async def depth(self, symbol: str, limit: int) -> bytes:
        """Return a depth snapshot of `limit` levels a side."""
        weight = self.market.depth_weight(limit)
        return await self._get("depth", {"symbol": symbol, "limit": str(limit)}, weight)

    async def klines(
        self,
        symbol: str,
        interval: str,
        start_ms: int,
        end_ms: int | None,
        *,
        limit: int | None = None,
        share: float | None = None,
    ) -> bytes:
        """Return the first `limit` candles that open in [start_ms, end_ms], oldest first; a page of them by default.

        `share` of the budget is all that may be used up when the request goes out.
        """
        limit = min(limit or self.market.kline_limit, self.market.kline_limit)
        query = {"symbol": symbol, "interval": interval, "startTime": str(start_ms), "limit": str(limit)}
        if end_ms is not None:
            query["endTime"] = str(end_ms)
        return await self._get("klines", query, self.market.kline_weight(limit), share)

    async def price(self, symbol: str) -> bytes:
        """Return the last price."""
        return await self._get("ticker/price", {"symbol": symbol}, self.market.price_weight)

    async def _get(self, path: str, query: dict[str, str], weight: int, share: float | None = None) -> bytes:
        """Ask the current address; an address that does not answer is left for the next one.

        Raises:
            VenueThrottled: The venue told us to wait.
            FeedUnavailable: No usable answer.
            RequestRefused: The venue refused the request itself.
        """
        await self._allowed(weight, share)
        host = self._hosts[self._host % len(self._hosts)]
        self.budget.spend(weight, self._monotonic())
        try:
            url = f"{host}{self.market.api}/{path}" + (f"?{urlencode(query)}" if query else "")
            response = await self._transport.get(url, timeout_s=self._timeout_s)
        except FeedUnavailable:
            self._host += 1
            raise
        log.debug("%s: GET %s: HTTP %d, %d bytes", self.market.venue, path, response.status, len(response.body))
        return self._read(path, host, response)

    async def _allowed(self, weight: int, share: float | None) -> None:
        wait = self.budget.wait(weight, self._monotonic(), share)
        if wait > 0:
            await asyncio.sleep(wait)
            await self._allowed(weight, share)

    def _read(self, path: str, host: str, response: Response) -> bytes:
        used = response.headers.get("x-mbx-used-weight-1m", "")
        if used.isdecimal():
            self.budget.correct(int(used), self._monotonic())
        if response.status in (418, 429):
            said = response.headers.get("retry-after", "")
            pause = min(float(said), STOP_MOST) if said.replace(".", "", 1).isdecimal() else STOP
            self.budget.block(pause, self._monotonic())
            raise VenueThrottled(self.market.venue, pause, f"HTTP {response.status} from {host} on {path}")
        if response.status >= 500:
            self._host += 1
            raise FeedUnavailable(f"{host}: HTTP {response.status} on {path}")
        if response.status != 200:
            # 403 and 451 come where an address is closed to us; the next may not be.
            self._host += response.status not in (400, 404)
            raise RequestRefused(f"{host} refused {path}", response.status, response.body)
        return response.body
