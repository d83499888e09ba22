"""Notices of alerts and fills to a web address of the person's own. Nothing here ever holds the engine or raises.

The address may hold a token: it comes from the environment alone (`TRADETUI_WEBHOOK_URL`), and is never shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

import aiohttp
import msgspec

from engine.alerts import CATALOGUE, Alert, Cause, Severity
from engine.errors import SettingsInvalid
from engine.orders import Noticed
from tradetui.credentials import Secret

log = logging.getLogger("tradetui.engine")

VARIABLE = "TRADETUI_WEBHOOK_URL"

WAITING = 100
"""Notices that wait, at most; then the oldest is given up."""

TRIES = 5
"""Times that a notice is sent before it is given up."""

AGAIN_S = 1.0
"""Pause after the first failure; it doubles."""

AGAIN_MOST_S = 60.0

WITHIN_S = 10.0
"""Time for an answer."""

FILLED = "FILLED"

OWN = "NOTICE_FAILED"
"""The alert about notices is not itself sent: it would follow itself."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent, as JSON. `ts` is UTC ns, `component` what it is about: an instrument, a venue, a part."""

    ts: int
    profile: str
    mode: str
    code: str
    severity: str
    component: str
    text: str


Post = Callable[[str, bytes], Awaitable[tuple[int, float]]]
"""POSTs a body to an address; returns the HTTP status, and for how many seconds the server asks to wait, or 0."""


def webhook_url(environment: Mapping[str, str] = os.environ) -> Secret | None:
    """Return the address, None where none is set.

    Raises:
        SettingsInvalid: It is no address; the message does not show it.
    """
    text = environment.get(VARIABLE, "").strip()
    if not text:
        return None
    try:
        parts = urlsplit(text)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:
        wrong = True
    if wrong or not text.isprintable() or " " in text:
        raise SettingsInvalid(f"{VARIABLE} is no address, as in https://host/path (its value is not shown)")
    return Secret(text)


def secrets_of(url: Secret) -> list[Secret]:
    """Return what must not be shown of an address: all of it, and what may be a token in it."""
    parts = urlsplit(url.reveal())
    pieces = [parts.path + (f"?{parts.query}" if parts.query else ""), parts.path, parts.query, parts.password or ""]
    pieces += [piece for piece in parts.path.split("/") if len(piece) >= 16]
    pieces += [value for pair in parts.query.split("&") if (value := pair.partition("=")[2])]
    return [url, *(Secret(piece) for piece in pieces if len(piece) >= 8)]


class Webhook:
    """Sends notices one after the other, in the order in which they were taken."""

    def __init__(
        self,
        url: Secret,
        least: str,
        *,
        fills: bool,
        profile: str,
        mode: str,
        post: Post | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`least` is the least severity that is sent; `post` and `sleep` are the network's and the clock's."""
        self._url = url
        self._least = Severity[least.upper()]
        self._fills = fills
        self._profile = profile
        self._mode = mode
        self._post = post or _post
        self._sleep = sleep
        self._waiting: deque[Notice] = deque()
        self._wake = asyncio.Event()
        self._told = 0
        self.sent = self.given_up = 0
        self.error = ""
        """Why the last notice could not be sent; "" after one that was."""

    def alert(self, change: str, alert: Alert) -> None:
        """Take what happened to an alert; only that it was raised is sent. Fills come by `fill`."""
        if change == "raised" and alert.code not in (FILLED, OWN) and Severity[alert.severity.upper()] >= self._least:
            self._take(alert.last_seen, alert.code, alert.component, alert.text)

    def fill(self, ts: int, component: str, text: str) -> None:
        """Take a fill, at `ts` (UTC ns)."""
        if self._fills:
            self._take(ts, FILLED, component, text)

    def beside(
        self, notice: Callable[[Noticed], None], now: Callable[[], int], clean: Callable[[str], str]
    ) -> Callable[[Noticed], None]:
        """Return what takes notices of trading to `notice`, as before, and fills of them here, too."""

        def both(noticed: Noticed) -> None:
            notice(noticed)
            if noticed.code == FILLED:
                self.fill(now(), clean(noticed.component), clean(noticed.text))

        return both

    def _take(self, ts: int, code: str, component: str, text: str) -> None:
        if len(self._waiting) >= WAITING:
            self._waiting.popleft()
            self.given_up += 1
        severity = CATALOGUE[code].severity.name.lower()
        self._waiting.append(
            Notice(
                ts=ts, profile=self._profile, mode=self._mode, code=code, severity=severity, component=component,
                text=text,
            )
        )  # fmt: skip
        self._wake.set()

    @property
    def waiting(self) -> int:
        """Notices that are not sent yet."""
        return len(self._waiting)

    def news(self) -> tuple[Cause, int] | None:
        """Return what was given up since the last look, and how many; None for nothing."""
        lost, self._told = self.given_up - self._told, self.given_up
        if not lost:
            return None
        text = f"{lost} notices could not be sent to the webhook: {self.error or 'too many were waiting'}"
        return Cause(OWN, "webhook", text, "given up; the next ones are tried"), lost

    async def run(self) -> None:
        """Send what is taken, until cancelled."""
        while True:
            self._wake.clear()
            while self._waiting:
                await self._send(self._waiting.popleft())
            await self._wake.wait()

    async def _send(self, notice: Notice) -> None:
        body, pause = msgspec.json.encode(notice), AGAIN_S
        for attempt in range(1, TRIES + 1):
            final, wait = False, 0.0
            try:
                async with asyncio.timeout(WITHIN_S):
                    status, wait = await self._post(self._url.reveal(), body)
                if 200 <= status < 300:
                    self.sent += 1
                    self.error = ""
                    return
                self.error = f"it answered HTTP {status}"
                final = 300 <= status < 500 and status not in (408, 425, 429)
            except TimeoutError:
                self.error = f"no answer within {WITHIN_S:.0f} s"
            except (aiohttp.ClientError, OSError, ValueError) as error:
                self.error = type(error).__name__  # its own words name the address
            if final or attempt == TRIES:
                break
            await self._sleep(min(max(pause, wait), AGAIN_MOST_S))
            pause *= 2
        self.given_up += 1
        log.warning("a notice of %s could not be sent to the webhook: %s", notice.code, self.error)


async def _post(url: str, body: bytes) -> tuple[int, float]:
    """Send over the network. A redirect is not followed: it would carry the token to somebody else."""
    headers = {"Content-Type": "application/json", "User-Agent": "tradetui"}
    async with (
        aiohttp.ClientSession(trust_env=True) as session,
        session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
    ):
        wait = 0.0
        with contextlib.suppress(ValueError):
            wait = float(answer.headers.get("Retry-After", "0"))
        return answer.status, wait
