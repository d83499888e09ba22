"""What a client gets for a request or a connection attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tests.support.exchange.fault_driver import RestTrouble


class ConnectRefused(Exception):
    """The handshake failed; `broken` when it died half-way instead of being refused."""

    def __init__(self, *, broken: bool) -> None:
        super().__init__("handshake broke" if broken else "connection refused")
        self.broken = broken


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A REST answer, and how it reaches the client.

    Attributes:
        delay_s: It comes this late.
        hangs: It never comes.
        drops: All sockets break while it is on its way.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    delay_s: float = 0.0
    hangs: bool = False
    drops: bool = False

    def hindered(self, trouble: RestTrouble | None) -> Answer:
        """The same answer with a fault's delay."""
        if trouble is None:
            return self
        return replace(self, delay_s=trouble.delay_s, hangs=trouble.hangs, drops=trouble.drops)


def exhausted(headers: Mapping[str, str], wait_s: int) -> Answer:
    """The minute's request weight is used up."""
    body = b'{"code":-1003,"msg":"Too much request weight used; current limit is reached."}'
    return Answer(status=429, headers={**headers, "retry-after": str(wait_s)}, body=body)


def troubled(headers: Mapping[str, str], trouble: RestTrouble) -> Answer:
    """A fault's error status."""
    if trouble.retry_after_s:
        body = b'{"code":-1003,"msg":"Too many requests."}'
        return Answer(status=trouble.status, headers={**headers, "retry-after": str(trouble.retry_after_s)}, body=body)
    return Answer(status=trouble.status, headers=headers, body=b"<html>service unavailable</html>")
