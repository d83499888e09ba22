"""Roles that the engine needs filled from outside: the network as the ingestion shell sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """A REST answer of any status; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Socket(Protocol):
    """One open WebSocket."""

    async def receive(self) -> bytes:
        """Return the next text or binary message.

        Raises:
            FeedUnavailable: The peer closed, or the connection broke.
        """

    async def ping(self) -> None:
        """Send a ping and wait for its pong.

        Raises:
            FeedUnavailable: The connection broke before the pong.
        """

    async def close(self) -> None:
        """Close; never raises, may be called twice."""


class Transport(Protocol):
    """The network."""

    async def connect(self, url: str) -> Socket:
        """Open a WebSocket.

        Raises:
            FeedUnavailable: No connection, or the handshake was refused.
        """

    async def get(self, url: str, *, timeout_s: float) -> Response:
        """GET `url`; any HTTP status is an answer.

        Raises:
            FeedUnavailable: No answer within `timeout_s`, or the connection broke.
        """

    async def aclose(self) -> None:
        """Release everything."""
