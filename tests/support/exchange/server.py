"""The recorded exchange on a loopback port: `/spot`, `/usdm` and `/coinm` before the venue's own paths."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from tests.support.exchange.addresses import RestAddress, StreamAddress, parse
from tests.support.exchange.answers import ConnectRefused
from tests.support.exchange.candle_faults import CandleFault
from tests.support.exchange.connection import Connection
from tests.support.exchange.exchange import RecordedExchange
from tests.support.exchange.pump import Pump

# A timer per message would cost more than the messages at high rates.
_GRAIN_S = 0.001


class _Server:
    def __init__(self, exchange: RecordedExchange) -> None:
        self._exchange = exchange
        self.pump = Pump(exchange, _GRAIN_S)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/control/state":
            return web.json_response(body=msgspec.json.encode(self._exchange.state()))
        if request.path == "/control/weights":
            self._exchange.forget_weights()
            return web.Response(status=204)
        if request.path.startswith("/control/candles/"):
            kind = request.path.rpartition("/")[2]
            self._exchange.candle_fault = CandleFault(kind) if kind != "good" else None
            return web.Response(status=204)
        address = parse(request.path_qs)
        if isinstance(address, StreamAddress) and request.headers.get("upgrade", "").lower() == "websocket":
            return await self._stream(request, address)
        if isinstance(address, RestAddress):
            return await self._rest(request, address)
        foreign = self._exchange.request_abroad(request.path_qs)
        if foreign is not None:
            return web.Response(status=foreign.status, headers=foreign.headers, body=foreign.body)
        return web.Response(status=404)

    async def _rest(self, request: web.Request, address: RestAddress) -> web.StreamResponse:
        answer = self._exchange.request(address.market, address.path, address.params)
        if answer.drops:
            loop = asyncio.get_running_loop()
            loop.call_later(answer.delay_s / 2, lambda: self._exchange.disconnect(abrupt=True))
        if answer.hangs:
            await asyncio.Event().wait()
        await asyncio.sleep(answer.delay_s)
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    async def _stream(self, request: web.Request, address: StreamAddress) -> web.StreamResponse:
        try:
            connection = self._exchange.open(address.market, address.route, address.streams, combined=address.combined)
        except ConnectRefused as refused:
            if refused.broken and request.transport is not None:
                request.transport.abort()
            return web.Response(status=503)
        socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=1 << 20)
        await socket.prepare(request)
        self.pump.start()
        writer = asyncio.get_running_loop().create_task(self._write(request, socket, connection))
        try:
            await self._read(socket, connection)
        finally:
            self._exchange.leave(connection)
            connection.flush()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return socket

    async def _read(self, socket: web.WebSocketResponse, connection: Connection) -> None:
        async for message in socket:
            if message.type is WSMsgType.PING and self._exchange.answers_pings():
                await socket.pong(message.data)
            elif message.type is WSMsgType.TEXT:
                reply = self._command(connection, message.data)
                await socket.send_bytes(reply) if not isinstance(reply, str) else await socket.send_str(reply)

    def _command(self, connection: Connection, text: str) -> str:
        try:
            command: dict[str, Any] = msgspec.json.decode(text)
            names = [str(name) for name in command.get("params", [])]
            method = command["method"]
        except (msgspec.DecodeError, KeyError, AttributeError, TypeError):
            return '{"error":{"code":3,"msg":"Invalid JSON"}}'
        if method == "SUBSCRIBE":
            connection.add(names)
        elif method == "UNSUBSCRIBE":
            connection.remove(names)
        self._exchange.resubscribe()
        result = list(connection.streams) if method == "LIST_SUBSCRIPTIONS" else None
        return msgspec.json.encode({"result": result, "id": command.get("id")}).decode()

    async def _write(self, request: web.Request, socket: web.WebSocketResponse, connection: Connection) -> None:
        changed = asyncio.Event()
        connection.on_change = changed.set
        while True:
            while connection.pending:
                message = connection.pending.popleft()
                # Garbage may be no text at all, which a text frame cannot carry.
                await socket.send_frame(message, WSMsgType.TEXT if _is_text(message) else WSMsgType.BINARY)
            if connection.closed:
                break
            changed.clear()
            await changed.wait()
        if connection.abrupt and request.transport is not None:
            request.transport.abort()
        else:
            await socket.close(code=WSCloseCode.GOING_AWAY)


def _is_text(message: bytes) -> bool:
    if message.isascii():
        return True
    try:
        message.decode()
    except UnicodeDecodeError:
        return False
    return True


@asynccontextmanager
async def serve(exchange: RecordedExchange, *, port: int = 0) -> AsyncIterator[str]:
    """Serve an exchange on 127.0.0.1; gives the address, such as `http://127.0.0.1:40001`."""
    server = _Server(exchange)
    application = web.Application()
    application.router.add_get("/{path:.*}", server.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        exchange.disconnect()
        await runner.cleanup()
        await server.pump.stop()
