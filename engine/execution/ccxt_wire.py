"""The line to one account: ccxt words and signs a request, this sends it, once, and says what came of it.

ccxt's own network, throttle and retries are not used: it would send again what may have arrived, and log addresses with
signatures in them. Nothing that is said here holds an address, a header or a body.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import ssl
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import yarl

from engine.errors import FeedUnavailable, SettingsInvalid, VenueThrottled
from engine.execution.ccxt_words import Call, Meaning, Said, Words
from engine.ingestion.budget import Budget
from engine.ingestion.rest import STOP, STOP_MOST
from engine.orders import Mode
from engine.text import inert
from engine.types import MS

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
"""Time for the answer to a request; what became of an order without one is asked for."""

CONNECT_S = 4.0
"""Time for a connection."""

ORDER_SHARE = 0.8
"""Part of a venue's request budget up to which orders are sent; the rest is for cancels."""

ASK_SHARE = 0.7
"""The same for questions that somebody waits for."""

LOOK_SHARE = 0.5
"""The same for looking round."""

LONGEST = 200
"""Characters kept of what a venue says."""

WAIT_S = 0.5
"""Longest that an order waits for room in the budget; it is denied then, as prices move on."""

LARGEST = 32 << 20
"""Bytes of the largest answer taken (all instruments of USD-M are about 1 MB)."""

PING_MS = 10_000
"""Between two pings of a private stream; two unanswered ones end it."""


class NotSent(FeedUnavailable):
    """A request did not leave: no connection, or no room in the budget. It has changed nothing."""


_HELD: ContextVar[Callable[[], str]] = ContextVar("held", default=str)
"""What holds back the order that is being sent; "" nothing."""


class NotAnswered(FeedUnavailable):
    """A request may have arrived: time-out, broken connection, or an answer that does not tell."""


class Wire:
    """Signed requests of one account within a budget."""

    def __init__(
        self,
        words: Words,
        key: Callable[[], str],
        secret: Callable[[], str],
        budget: Budget,
        *,
        mode: Mode,
        rest: str = "",
        ws: str = "",
        timeout_s: float = TIMEOUT_S,
        clean: Callable[[str], str] = str,
        now: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`rest` and `ws` (scheme and host) take the place of ccxt's addresses; the paths stay.

        `clean` takes secrets, in whatever form they travel, out of what the venue says.
        """
        self.words = words
        self.budget = budget
        self.testnet = mode is Mode.TESTNET
        self._key = key
        self._secret = secret
        self._rest = rest
        self._ws = ws
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(CONNECT_S, timeout_s))
        self._clean = clean
        self._now = now
        self._ahead_ms = 0.0
        self._monotonic = monotonic
        self._client: Any = None
        self._session: aiohttp.ClientSession | None = None
        self._opening = asyncio.Lock()

    @property
    def ready(self) -> bool:
        """Whether requests can be worded: ccxt is loaded."""
        return self._client is not None

    async def open(self) -> Any:
        """Return ccxt's client; loading it takes about a second and 110 MB, so it is done late and in a thread.

        Raises:
            SettingsInvalid: The venue has no testnet.
        """
        async with self._opening:
            if self._client is None:
                module = await asyncio.to_thread(importlib.import_module, f"ccxt.pro.{self.words.venue}")
                self._client = await asyncio.to_thread(self._made, getattr(module, self.words.venue))
        return self._client

    def _made(self, kind: Any) -> Any:
        keys = {"apiKey": self._key(), "secret": self._secret()}
        client = kind({**keys, "enableRateLimit": False, "options": dict(self.words.options)})
        if self.testnet and not self._rest:
            self._to_testnet(client)
        client.urls["api"] = _moved(client.urls["api"], client.hostname or "", self._rest, self._ws)
        client.set_markets([])
        client.streaming = {**client.streaming, "keepAlive": PING_MS}
        client.timeout_on_exit = 0
        # Reading the certificates takes a tenth of a second, which the loop does not have.
        plain = self._rest.startswith("http:") and self._ws.startswith("ws:")
        client.ssl_context = False if plain else ssl.create_default_context(cafile=client.cafile)
        client.fetch, client.milliseconds = self._fetch, self._milliseconds
        return client

    def _to_testnet(self, client: Any) -> None:
        if self.words.venue == "binanceusdm":
            client.enable_demo_trading(True)
        elif client.urls.get("test"):
            client.set_sandbox_mode(True)
        else:
            raise SettingsInvalid(f"{self.words.venue} has no testnet; trade it on paper, or live")

    def clock(self, ahead_ms: float) -> None:
        """Stamp requests with the venue's time, which is so far ahead of ours."""
        self._ahead_ms = ahead_ms

    def _milliseconds(self) -> int:
        return int(self._now() / MS + self._ahead_ms)

    async def ask(self, call: Call) -> Any:
        """Ask for something, waiting for room in the budget.

        Raises:
            FeedError: No answer, or a refusal.
        """
        await self._room(call.weight, ASK_SHARE)
        return await self._send(call)

    async def look(self, call: Call) -> Any:
        """Ask for something that can wait, as `ask`."""
        await self._room(call.weight, LOOK_SHARE)
        return await self._send(call)

    async def order(self, call: Call, held: Callable[[], str] = str) -> Any:
        """Send an order or a change, if there is room for it at once.

        `held` tells what holds it back, "" for nothing. It is asked when the connection is there, which may take
        seconds, and nothing is written yet.

        Raises:
            NotSent: It did not leave.
            Said: The venue does not do it, or does not say whether it did (`meaning`).
            NotAnswered: It may have arrived.
        """
        wait = self.budget.wait(call.weight, self._monotonic(), ORDER_SHARE)
        if wait > WAIT_S:
            raise NotSent(f"the requests that {self.words.venue} allows are used up for {wait:.1f} s")
        await asyncio.sleep(wait)
        token = _HELD.set(held)
        try:
            return await self._send(call)
        finally:
            _HELD.reset(token)

    async def urgent(self, call: Call) -> Any:
        """Send a cancel: only the venue's own word holds it back.

        Raises:
            FeedError: As `order`.
        """
        blocked = self.budget.view(self._monotonic()).blocked_s
        if blocked > 0:
            raise NotSent(f"{self.words.venue} takes no requests for another {blocked:.1f} s")
        return await self._send(call)

    async def _room(self, weight: int, share: float) -> None:
        while (wait := self.budget.wait(weight, self._monotonic(), share)) > 0:
            if wait > 60:
                raise VenueThrottled(self.words.venue, wait, "it takes no requests")
            await asyncio.sleep(wait)

    async def _send(self, call: Call) -> Any:
        client = await self.open()
        self.budget.spend(call.weight, self._monotonic())
        return await getattr(client, call.method)(dict(call.params))

    async def _fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        """Take the place of ccxt's own network: one request, no redirects, no second try."""
        venue = self.words.venue
        what = f"{method} {urlsplit(url).path}"
        try:
            async with self._sessions().request(
                method, yarl.URL(url, encoded=True), data=body.encode() if body else None, headers=headers or {},
                allow_redirects=False,
            ) as response:  # fmt: skip
                if (response.content_length or 0) > LARGEST:
                    raise NotAnswered(f"{venue}: an answer of {response.content_length} bytes to {what}")
                status, data, told = response.status, await response.read(), response.headers
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotSent(f"no connection to {venue} ({type(error).__name__})") from None
        except TimeoutError:
            raise NotAnswered(f"{venue} did not answer {what} within {self._timeout.total:.0f} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise NotAnswered(f"the connection to {venue} broke during {what} ({type(error).__name__})") from None
        used = told.get("x-mbx-used-weight-1m", "")
        if used.isdecimal():
            self.budget.correct(int(used), self._monotonic())
        log.debug("%s: %s: HTTP %d, %d bytes", venue, what, status, len(data))
        return self._read(what, status, data, told)

    def _read(self, what: str, status: int, data: bytes, told: Any) -> Any:
        venue = self.words.venue
        try:
            answer = json.loads(data, parse_float=str)
        except ValueError:
            answer = None
        said = self.words.said(status, answer)
        if said is None:
            if answer is None:
                raise NotAnswered(f"{venue} answered {what} with something that cannot be read (HTTP {status})")
            return answer
        code, text = said
        meaning = self.words.meaning(status, code, text)
        code = inert(self.shown(code), 20)  # masked before it is cut: no half of a key stays
        if meaning is Meaning.THROTTLED:
            pause = self._pause(told)
            self.budget.block(pause, self._monotonic())
            log.warning("%s: too many requests (HTTP %d, code %s); none for %.1f s", venue, status, code, pause)
        shown = self.shown(text) or f"HTTP {status}"
        raise Said(venue, code, shown, meaning)

    def _pause(self, told: Any) -> float:
        after = told.get("retry-after", "")
        if after.replace(".", "", 1).isdecimal():
            return min(float(after), STOP_MOST)
        reset = told.get("x-bapi-limit-reset-timestamp", "")
        if reset.isdecimal():
            return min(max((int(reset) - self._milliseconds()) / 1000, 0.1), 60.0)
        return STOP

    def shown(self, text: str) -> str:
        """Return what a venue said, fit to be shown: short, inert, without our keys."""
        for hidden in (self._key(), self._secret()):
            if hidden:
                text = text.replace(hidden, "***")
        return inert(self._clean(text), LONGEST)

    def _sessions(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._client.ssl_context)
            tracing = aiohttp.TraceConfig()
            tracing.on_request_headers_sent.append(_last_look)
            self._session = aiohttp.ClientSession(timeout=self._timeout, connector=connector, trace_configs=[tracing])
            # aiohttp would send a cancel again after a broken connection; the first may have arrived.
            self._session._retry_connection = False
        return self._session

    async def close(self) -> None:
        """Release everything; never raises."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        if self._client is not None:
            await self._client.close()


async def _last_look(*_: object) -> None:
    """Hold an order back at the last moment: aiohttp calls this before it writes (`http_writer.write_headers`)."""
    if closed := _HELD.get()():
        raise NotSent(f"the kill switch holds: {closed}")


def _moved(urls: Any, hostname: str, rest: str, ws: str) -> Any:
    """Return ccxt's addresses with another scheme and host, where they are set."""
    if isinstance(urls, dict):
        return {name: _moved(url, hostname, rest, ws) for name, url in urls.items()}
    if not isinstance(urls, str):
        return urls
    base = ws if urls.startswith("ws") else rest
    if not base:
        return urls
    parts, there = urlsplit(urls.replace("{hostname}", hostname)), urlsplit(base)
    return urlunsplit((there.scheme, there.netloc, parts.path, "", ""))
