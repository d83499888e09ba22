"""Signed requests to one venue by the standard library alone: one connection, a deadline for all of them together."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from engine.text import inert

REQUEST_S = 3.0
"""Time of one request; less where less is left."""

TRIES = 3
"""Of a request that may be sent again without harm."""

PAUSE_S = 0.1
"""Before the second try; it doubles."""

BODY_MOST = 16 << 20
"""Bytes of the longest answer that is read."""

THROTTLED = frozenset({"418", "429", "-1003", "10006", "10429"})
"""HTTP statuses and venues' codes for: too many requests; this one was not done."""

NOT_TOLD = frozenset({"-1001", "-1006", "-1007", "10000", "10016"})
"""Codes for: something went wrong inside, the request may have been done."""

Params = Mapping[str, str]


class Call(NamedTuple):
    """A request, signed: what goes on the wire."""

    target: str
    headers: dict[str, str]
    body: bytes = b""


Sign = Callable[[str, str, Params, int], Call]
"""Signs (method, path, parameters, time in ms)."""


class Refusal(Exception):
    """The venue said no; `code` is its own ("" without one)."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Unanswered(Exception):
    """No answer, or none that tells: with an order it may have happened."""


class Line:
    """One venue's address. `clean` takes secrets out of what it says."""

    def __init__(self, url: str, sign: Sign, clean: Callable[[str], str], until: float) -> None:
        """`until` is the time (monotonic, s) at which nothing is asked any more.

        Raises:
            ValueError: It is no address.
        """
        found = urlsplit(url)
        if found.scheme not in ("http", "https") or not found.hostname:
            raise ValueError(f"{url!r} is no address of a venue")
        self._secure = found.scheme == "https"
        self._host, self._port = found.hostname, found.port
        self._prefix = found.path.rstrip("/")
        self._sign = sign
        self._clean = clean
        self._until = until
        self._connection: http.client.HTTPConnection | None = None
        self.offset_ms = 0
        """The venue's clock less ours."""
        self.outdated: frozenset[str] = frozenset()
        """Codes by which the venue says that our clock is wrong."""
        self.clock: Callable[[Line], int] | None = None
        """Asks the venue for its time, ms."""

    def left_s(self) -> float:
        """Return the seconds that are left."""
        return self._until - time.monotonic()

    def ask(self, method: str, path: str, params: Params | None = None, *, again: bool = True) -> Any:
        """Send a signed request; return what the answer's JSON says.

        `again`: it may be sent several times without harm. An order may not: it is sent again only after the venue
        has said that it did nothing with it (too many requests, a wrong clock).

        Raises:
            Refusal: The venue says no.
            Unanswered: It does not say anything that can be understood.
        """
        set_right = False
        pause = PAUSE_S
        for number in range(1, TRIES + 1):
            try:
                status, headers, body = self._send(
                    method, self._sign(method, path, params or {}, int(time.time() * 1000) + self.offset_ms)
                )
            except (OSError, http.client.HTTPException) as error:
                if not again or number == TRIES or self.left_s() < pause:
                    raise Unanswered(self._said(f"{method} {path}", _why(error))) from None
            else:
                answer = _read(body)
                code, text = _verdict(status, answer)
                if not code:
                    return answer
                if code in self.outdated and not set_right and self.clock is not None:
                    set_right = True
                    self.offset_ms = self.clock(self) - int(time.time() * 1000)
                    continue
                said = self._said(f"{method} {path}", f"HTTP {status}, {text or 'no JSON'}")
                throttled = not THROTTLED.isdisjoint((str(status), code))
                if throttled:
                    with contextlib.suppress(ValueError):
                        pause = max(pause, float(headers.get("retry-after", "0")))
                elif status >= 500 or answer is None or code in NOT_TOLD:
                    if not again:
                        raise Unanswered(said)
                else:
                    raise Refusal(code, said)
                if number == TRIES or self.left_s() < pause:
                    raise Refusal(code, said) if throttled else Unanswered(said)
            time.sleep(pause)
            pause *= 2
        raise Unanswered(self._said(f"{method} {path}", "our clock is not the venue's"))

    def public(self, path: str) -> Any:
        """GET without a signature.

        Raises:
            Refusal: The venue says no.
            Unanswered: As `ask`.
        """
        try:
            status, _, body = self._send("GET", Call(path, {}))
        except (OSError, http.client.HTTPException) as error:
            raise Unanswered(self._said(f"GET {path}", _why(error))) from None
        answer = _read(body)
        code, text = _verdict(status, answer)
        if code:
            raise Refusal(code, self._said(f"GET {path}", f"HTTP {status}, {text}"))
        return answer

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(self, method: str, call: Call) -> tuple[int, dict[str, str], bytes]:
        left = min(REQUEST_S, self.left_s())
        if left <= 0:
            raise TimeoutError("the time for all requests is over")
        if self._connection is None:
            made = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
            self._connection = made(self._host, self._port, timeout=left)
        elif self._connection.sock is not None:
            self._connection.sock.settimeout(left)
        try:
            self._connection.request(method, self._prefix + call.target, body=call.body or None, headers=call.headers)
            answer = self._connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, headers, answer.read(BODY_MOST)
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def _said(self, what: str, why: str) -> str:
        return inert(self._clean(f"{what}: {why}"))


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _verdict(status: int, answer: Any) -> tuple[str, str]:
    """Return a venue's code and words for no, ("", "") for yes: an HTTP status, or Bybit's `retCode`."""
    if isinstance(answer, dict):
        code = answer.get("retCode") if "retCode" in answer else answer.get("code")
        text = answer.get("retMsg") if "retCode" in answer else answer.get("msg")
        if "retCode" in answer:
            return ("", "") if code == 0 and status == 200 else (str(code), str(text))
        if status != 200:
            return (str(code) if code is not None else f"HTTP {status}"), str(text)
    if status != 200:
        return f"HTTP {status}", ""
    return ("", "") if answer is not None else ("no JSON", "")
