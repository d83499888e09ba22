"""Roles that the engine needs filled from outside: the network as the ingestion shell sees it, the journal, records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

import msgspec

from engine.alerts import Alert
from engine.types import Instrument, PivotsLoaded


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


class StructureSource(Protocol):
    """Where the market structure of what is stored can be had."""

    def load(self, instrument: Instrument) -> AsyncIterator[PivotsLoaded]:
        """Yield the structure of each timeframe of which anything is stored; never raises."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the journal.

    `cursor` counts entries over all restarts; `ts` is UTC ns; `kind` is `alert`, `start` or `stop`, `change` what
    became of the alert; `seq` the last record applied before it.
    """

    cursor: int
    ts: int
    seq: int
    kind: str
    change: str = ""
    text: str = ""
    alert: Alert | None = None


class Journal(Protocol):
    """Events that outlive the engine."""

    @property
    def error(self) -> str:
        """What keeps entries from being written, or ""."""

    def append(
        self, ts: int, seq: int, kind: str, change: str = "", text: str = "", alert: Alert | None = None
    ) -> None:
        """Take an event; it is on disk a moment later."""

    def after(self, cursor: int, limit: int) -> list[Entry]:
        """Return the oldest `limit` entries after `cursor` that are still in memory."""

    @property
    def last(self) -> int:
        """Cursor of the newest entry, 0 without any."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One record of trading as it is kept: `id` counts on in the order of keeping, `body` is JSON, `ts` UTC ns.

    Kinds and bodies are those of `orders.Journaled`.
    """

    id: int
    kind: str
    key: str
    ts: int
    body: bytes


class Records(Protocol):
    """Records of trading that outlive the engine. Calls block; each raises StorageFailed when nothing can be read."""

    def newest(
        self,
        kinds: Sequence[str],
        *,
        limit: int,
        start: int | None = None,
        end: int | None = None,
        instrument: str = "",
        tag: str = "",
    ) -> list[Record]:
        """Return the newest `limit` records of some kinds with start <= ts < end (UTC ns), newest first.

        With `instrument` only those whose body names it, with `tag` only those whose `record` is that.
        """

    def of_orders(self, orders: Sequence[str]) -> list[Record]:
        """Return what became of some orders (kinds `order_event` and `fill`), in the order in which it was kept."""
