"""Other venues that stand in where the venue itself cannot give its candles, through ccxt.

Their prices are other prices: such candles say whose they are, fill holes only, and give way to the venue's own. ccxt
words the request and reads the answer; the request itself goes through the engine's one network, within a budget of
its own, to the addresses that are set. ccxt's own throttle is off.

Source: docs.ccxt.com, "fetchOHLCV".
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

from engine.errors import FeedUnavailable, ProtocolError, VenueThrottled
from engine.ingestion.budget import Budget
from engine.ingestion.coverage import checked
from engine.ingestion.markets import STAND_IN_MARKETS
from engine.ingestion.shapes import DAMAGE
from engine.ports import Transport
from engine.types import MS, Bar, Instrument, Timeframe

log = logging.getLogger(__name__)

TIMEOUT_S = 5.0

STOP_S = 30.0
"""Pause after the venue said that requests come too fast."""


class StandIn:
    """Candles of another venue of the same pair, in the ticks and lots of the instrument asked for."""

    def __init__(
        self,
        name: str,
        rest: tuple[str, ...],
        transport: Transport,
        *,
        now: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        """`now` tells UTC ns, by which a candle has closed or not."""
        kind = STAND_IN_MARKETS[name]
        self.name = name
        self.page = kind.page
        self.budget = Budget(name, kind.limit)
        self._kind = kind
        self._rest = rest
        self._host = 0
        self._transport = transport
        self._now = now
        self._monotonic = monotonic
        self._client: Any = None
        self._errors: Any = None
        self._answered = 0
        self._opening = asyncio.Lock()
        self._asking = asyncio.Lock()

    def serves(self, instrument: Instrument, timeframe: Timeframe) -> bool:
        """Tell whether it has such a pair: linear ones, spot or (where it is known) perpetual, from a minute on."""
        pair, _, settle = instrument.key.partition(":")[2].partition(":")
        linear = not instrument.contract_size and pair == f"{instrument.base}/{instrument.quote}"
        kind = not settle or (self._kind.perpetuals and settle == instrument.quote)
        return bool(self._rest) and linear and kind and timeframe is not Timeframe.S1

    async def candles(
        self, instrument: Instrument, timeframe: Timeframe, start_ms: int, end_ms: int, *, share: float
    ) -> tuple[Bar, ...]:
        """Return its closed candles that open in [start_ms, end_ms), prices rounded to the instrument's tick.

        Raises:
            FeedError: No usable answer.
        """
        length = timeframe.seconds * 1000
        client = await self._open()
        symbol = self._know(client, instrument)
        async with self._asking:
            await self._allowed(share)
            self.budget.spend(1, self._monotonic())
            rows = await self._ask(client, symbol, timeframe, start_ms, end_ms)
        closed = [row for row in rows if row[0] + length <= self._now() // MS]
        try:
            bars = [_bar(row, instrument, self.name) for row in closed]
        except DAMAGE as error:
            raise ProtocolError(f"{self.name}: candles of {symbol}: {error}") from error
        return checked(bars, timeframe, start_ms, end_ms, self.name)

    async def _allowed(self, share: float) -> None:
        wait = self.budget.wait(1, self._monotonic(), share)
        if wait > 0:
            await asyncio.sleep(wait)
            await self._allowed(share)

    async def _open(self) -> Any:
        """Return ccxt's client; it takes half a second and 90 MB to load, so it is loaded late and in a thread."""
        async with self._opening:
            if self._client is None:
                module = await asyncio.to_thread(importlib.import_module, f"ccxt.async_support.{self.name}")
                self._errors = await asyncio.to_thread(importlib.import_module, "ccxt.base.errors")
                client = getattr(module, self.name)({"enableRateLimit": False})
                client.fetch = self._fetch
                client.set_markets([])
                self._client = client
        return self._client

    def _know(self, client: Any, instrument: Instrument) -> str:
        """Return ccxt's symbol of the same pair; its own list of thousands of symbols is not asked for."""
        symbol = instrument.key.partition(":")[2]
        if symbol not in client.markets:
            swap = ":" in symbol
            client.set_markets(
                [
                    *client.markets.values(),
                    {
                        "id": instrument.base + instrument.quote, "symbol": symbol, "base": instrument.base,
                        "quote": instrument.quote, "settle": instrument.quote if swap else None,
                        "type": "swap" if swap else "spot", "spot": not swap, "swap": swap, "future": False,
                        "option": False, "contract": swap, "linear": swap, "inverse": False, "active": True,
                    },
                ]
            )  # fmt: skip
        return symbol

    async def _ask(
        self, client: Any, symbol: str, timeframe: Timeframe, start_ms: int, end_ms: int
    ) -> Sequence[Sequence[Any]]:
        errors = self._errors
        most = -(-(end_ms - start_ms) // (timeframe.seconds * 1000))
        host = self._rest[self._host % len(self._rest)]
        public = client.urls["api"]
        if isinstance(public.get("spot"), dict):
            public["spot"]["public"] = host
        else:
            public["public"] = host
        try:
            rows = await client.fetch_ohlcv(symbol, str(timeframe), start_ms, most, {"until": end_ms - 1})
        except (errors.RateLimitExceeded, errors.DDoSProtection) as error:
            self.budget.block(STOP_S, self._monotonic())
            raise VenueThrottled(self.name, STOP_S, _short(error)) from error
        except errors.NetworkError as error:
            self._host += 1
            raise FeedUnavailable(f"{self.name}: {_short(error)}") from error
        except errors.BaseError as error:
            raise FeedUnavailable(f"{self.name} refused candles of {symbol}: {_short(error)}") from error
        except FeedUnavailable:
            self._host += 1
            raise
        except (*DAMAGE, LookupError) as error:
            raise ProtocolError(f"{self.name}: candles of {symbol}: {error}") from error
        found = [row for row in rows if isinstance(row[0], int) and start_ms <= row[0] < end_ms]
        # A candle that opens where the range ends is let pass: venues differ in whether their bounds are inclusive.
        if self._answered and not found and (not rows or any(row[0] != end_ms for row in rows)):
            raise ProtocolError(f"{self.name}: {self._answered} candles of {symbol}, none of the time asked for")
        return found

    async def _fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        """Take the place of ccxt's own network."""
        client = self._client
        response = await self._transport.get(url, timeout_s=TIMEOUT_S)
        if response.status >= 500:
            raise FeedUnavailable(f"{self.name}: HTTP {response.status}")
        text = response.body.decode("utf-8", "replace")
        answer = client.parse_json(text)
        client.handle_errors(response.status, "", url, method, dict(response.headers), text, answer, headers, body)
        client.handle_http_status_code(response.status, "", url, method, text)
        rows = answer
        for name in self._kind.rows:
            rows = rows.get(name) if isinstance(rows, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) >= 6 for row in rows):
            # ccxt passes over what it does not understand, and no candles would be told as none there.
            raise ProtocolError(f"{self.name}: no rows of candles in the answer", response.body)
        self._answered = len(rows)
        return answer


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200]


def _bar(row: Sequence[Any], instrument: Instrument, source: str) -> Bar:
    open_ms, *numbers = row[:6]
    if not all(isinstance(number, int | float) and math.isfinite(number) and number >= 0 for number in numbers):
        raise ProtocolError(f"{source}: candle {open_ms} holds {numbers}")
    step = instrument.tick
    prices = [round(price * instrument.price_scale / step) * step for price in numbers[:4]]
    return Bar(
        open_ms=open_ms,
        open=prices[0],
        high=prices[1],
        low=prices[2],
        close=prices[3],
        volume=round(numbers[4] * instrument.size_scale),
        trades=-1,
        taker_buy=-1,
        quote_volume=-1,
        source=source,
    )
