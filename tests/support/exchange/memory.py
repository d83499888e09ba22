"""The engine's network ports over a recorded exchange, without sockets; waits only on the running loop's clock."""

from __future__ import annotations

import asyncio

from engine.errors import FeedUnavailable
from engine.ports import Response
from tests.support.exchange.addresses import RestAddress, StreamAddress, parse
from tests.support.exchange.answers import ConnectRefused
from tests.support.exchange.connection import Connection
from tests.support.exchange.exchange import RecordedExchange
from tests.support.exchange.pump import Pump


class MemorySocket:
    """One client end; implements `engine.ports.Socket`."""

    def __init__(self, exchange: RecordedExchange, connection: Connection, latency_s: float) -> None:
        self._exchange = exchange
        self._connection = connection
        self._latency_s = latency_s
        self._changed = asyncio.Event()
        self._left = False
        self._gone = asyncio.Event()
        connection.on_change = self._on_change

    def _on_change(self) -> None:
        self._changed.set()
        if self._connection.closed:
            self._gone.set()

    async def receive(self) -> bytes:
        """The next message; what was sent before a drop still arrives."""
        connection = self._connection
        while not connection.pending or self._left:
            if connection.closed or self._left:
                raise FeedUnavailable("the exchange closed the connection")
            self._changed.clear()
            await self._changed.wait()
        return connection.pending.popleft()

    async def ping(self) -> None:
        """A round trip; a ping to a dead exchange is lost, so it lasts until the connection breaks."""
        await asyncio.sleep(self._latency_s)
        if not self._connection.closed and not self._exchange.answers_pings():
            await self._gone.wait()
        if self._connection.closed:
            raise FeedUnavailable("the connection broke before the pong")

    async def close(self) -> None:
        """Leave."""
        if not self._left:
            self._left = True
            self._exchange.leave(self._connection)
            self._connection.pending.clear()
            self._on_change()


class MemoryTransport:
    """The network, in memory; implements `engine.ports.Transport`. URLs are the server's, with any host.

    Args:
        exchange: Answers; its clock should be the running loop's.
        rest_s: How long a request takes.
        connect_s: How long a handshake takes.
        ping_s: How long a ping takes.
    """

    def __init__(
        self, exchange: RecordedExchange, *, rest_s: float = 0.020, connect_s: float = 0.005, ping_s: float = 0.005
    ) -> None:
        self._exchange = exchange
        self._rest_s = rest_s
        self._connect_s = connect_s
        self._ping_s = ping_s
        self._pump = Pump(exchange)
        self._sockets: list[MemorySocket] = []

    async def connect(self, url: str) -> MemorySocket:
        """Open a WebSocket."""
        address = parse(url)
        await asyncio.sleep(self._connect_s)
        if not isinstance(address, StreamAddress):
            raise FeedUnavailable(f"no stream at {url}")
        try:
            connection = self._exchange.open(address.market, address.route, address.streams, combined=address.combined)
        except ConnectRefused as refused:
            raise FeedUnavailable(str(refused)) from refused
        socket = MemorySocket(self._exchange, connection, self._ping_s)
        self._sockets.append(socket)
        self._pump.start()
        return socket

    async def get(self, url: str, *, timeout_s: float) -> Response:
        """GET."""
        address = parse(url)
        await asyncio.sleep(min(self._rest_s / 2, timeout_s))
        if not isinstance(address, RestAddress):
            foreign = self._exchange.request_abroad(url)
            if foreign is None:
                return Response(status=404, headers={}, body=b"")
            return Response(status=foreign.status, headers=foreign.headers, body=foreign.body)
        answer = self._exchange.request(address.market, address.path, address.params)
        left_s = timeout_s - self._rest_s / 2
        way_s = self._rest_s / 2 + answer.delay_s
        if answer.drops:
            # In the middle of the answer's way.
            asyncio.get_running_loop().call_later(way_s / 2, lambda: self._exchange.disconnect(abrupt=True))
        if answer.hangs or way_s > left_s:
            await asyncio.sleep(max(0.0, left_s))
            raise FeedUnavailable(f"no answer within {timeout_s} s")
        await asyncio.sleep(way_s)
        return Response(status=answer.status, headers=answer.headers, body=answer.body)

    async def aclose(self) -> None:
        """Close every socket and stop driving the exchange."""
        for socket in self._sockets:
            await socket.close()
        self._sockets.clear()
        await self._pump.stop()
