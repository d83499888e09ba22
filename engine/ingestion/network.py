"""The real network: aiohttp behind the `Transport` port."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable

import aiohttp

from engine.errors import FeedUnavailable
from engine.ports import Response

_DATA = (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)

LARGEST = 64 << 20
"""Bytes of the largest message or answer taken."""


class AiohttpSocket:
    """A WebSocket of aiohttp. Somebody must be receiving for pings to be answered and pongs to be seen."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        self._socket = socket
        self._pong = asyncio.Event()

    async def receive(self) -> bytes:
        """Return the next message; answer pings in between."""
        while True:
            message = await self._socket.receive()
            if message.type in _DATA:
                data: bytes = message.data
                return data
            if message.type is aiohttp.WSMsgType.PONG:
                self._pong.set()
            elif message.type is aiohttp.WSMsgType.PING:
                await self._quietly(self._socket.pong(message.data))
            else:
                error = self._socket.exception()
                code = self._socket.close_code
                raise FeedUnavailable(f"{type(error).__name__}: {error}" if error else f"closed by the peer ({code})")

    async def ping(self) -> None:
        """Send a ping and wait for its pong."""
        self._pong.clear()
        await self._quietly(self._socket.ping())
        await self._pong.wait()

    async def _quietly(self, sending: Awaitable[None]) -> None:
        try:
            await sending
        except (aiohttp.ClientError, ConnectionError) as error:
            raise FeedUnavailable(f"{type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Close."""
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            await self._socket.close()


class AiohttpTransport:
    """HTTP and WebSocket through one client session."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=True, headers={"User-Agent": "tradetui"})
        return self._session

    async def connect(self, url: str) -> AiohttpSocket:
        """Open a WebSocket."""
        try:
            socket = await self._open().ws_connect(url, max_msg_size=LARGEST, autoping=False, decode_text=False)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise FeedUnavailable(f"{url.partition('?')[0]}: {type(error).__name__}: {error}") from error
        return AiohttpSocket(socket)

    async def get(self, url: str, *, timeout_s: float) -> Response:
        """GET."""
        try:
            timeout = aiohttp.ClientTimeout(total=timeout_s)
            async with self._open().get(url, timeout=timeout) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                if (response.content_length or 0) > LARGEST:
                    raise FeedUnavailable(f"{url.partition('?')[0]}: an answer of {response.content_length} bytes")
                return Response(status=response.status, headers=headers, body=await response.read())
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise FeedUnavailable(f"{url.partition('?')[0]}: {type(error).__name__}: {error}") from error

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
