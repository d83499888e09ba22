"""One venue behind aiohttp: requests, streams, faults and the control interface."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from tests.support.venue import binance_words, bybit_words
from tests.support.venue.binance import Binance, Call
from tests.support.venue.bybit import Bybit
from tests.support.venue.faults import AFTER, BEFORE, Fault, RequestFaults
from tests.support.venue.instruments import KINDS
from tests.support.venue.matching import Matching
from tests.support.venue.orders import Happened, Order, Refusal
from tests.support.venue.streams import Connection, Streams

ROOTS = ("/control/", "/ws-api/", "/private/", "/sapi/", "/fapi/", "/api/", "/v5/", "/ws/")
"""Where the venue's own paths begin, whatever stands before them."""

BALANCES = {"USDT": Decimal(100_000), "BTC": Decimal(0), "ETH": Decimal(0), "SOL": Decimal(0)}
"""What the account begins with."""


class Venue:
    """One account at a venue of a kind: `binance` (spot), `binanceusdm` or `bybit` (spot and linear)."""

    def __init__(
        self, kind: str = "binance", *, clock: Callable[[], int] = time.time_ns, journal: Path | None = None
    ) -> None:
        self.kind = kind
        self.skew_ms = 0
        self.matching = Matching(
            KINDS[kind], dict(BALANCES), self.now_ms, self._happened, unique=kind == "bybit"
        )  # fmt: skip
        self.desk: Binance | Bybit = (
            Bybit(self.matching, self.now_ms)
            if kind == "bybit"
            else Binance(self.matching, self.now_ms, spot=kind == "binance")
        )
        self.faults = RequestFaults()
        self.streams = Streams(self.kill)
        self.pid = 0
        """Whom the faults kill."""
        self.kills = 0
        self.heard: Counter[str] = Counter()
        """How often each client order id was submitted, done or not."""
        self.asked: Counter[str] = Counter()
        self.served_us: list[float] = []
        """What the venue itself needed for each submit."""
        self.weight_limit = 0
        self._weight = (0, 0)
        self._clock = clock
        self._journal = journal.open("ab") if journal else None

    def now_ms(self) -> int:
        """The venue's clock."""
        return self._clock() // 1_000_000 + self.skew_ms

    # What is told. -------------------------------------------------------------------------------------------------

    def _happened(self, happened: Happened) -> None:
        now = self.now_ms()
        order, trade = happened.order, happened.trade
        self._write(
            what=happened.what, client=order.client if order else "", trade=trade.number if trade else 0, ms=now
        )
        if self.kind == "bybit":
            for topic, rows in bybit_words.events(self.matching, happened, now):
                message = {"id": f"venue-{self.streams.sent}", "topic": topic, "creationTime": now, "data": rows}
                self.streams.say(f"{topic}.{rows[0].get('category', '')}" if rows else topic, message)
            return
        for event in binance_words.events(self.matching, happened, now):
            self.streams.say("user", {"subscriptionId": 0, "event": event} if self.kind == "binance" else event)

    def _write(self, **facts: Any) -> None:
        if self._journal is not None:
            self._journal.write(msgspec.json.encode(facts) + b"\n")
            self._journal.flush()

    def kill(self) -> None:
        """End whoever is asked by, at once."""
        if self.pid:
            self._write(what="KILL", ms=self.now_ms())
            os.kill(self.pid, signal.SIGKILL)
            self.pid, self.kills = 0, self.kills + 1

    # Requests. -----------------------------------------------------------------------------------------------------

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer whatever comes."""
        begun = time.perf_counter()
        path = _rooted(request.path)
        if path.startswith("/control/"):
            return await self._control(request, path.removeprefix("/control/"))
        if request.headers.get("upgrade", "").lower() == "websocket":
            return await self._stream(request, path)
        body = (await request.read()).decode()
        call = self.desk.call(request.method, path, request.rel_url.raw_query_string, body)
        action = self.desk.action(call)
        self.asked[action] += 1
        if action == "submit":
            self.heard[self.desk.client(call)] += 1
        fault = self.faults.take(action)
        self._write(
            asked=action, client=self.desk.client(call), path=f"{call.method} {path}",
            fault=fault.kind if fault else "", ms=self.now_ms(),
        )  # fmt: skip
        if fault is not None and fault.kind in BEFORE:
            return await self._undone(request, call, fault)
        if fault is not None and fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
        status, answer = self._answer(request, call, body)
        if action == "submit":
            self.served_us.append((time.perf_counter() - begun) * 1e6)
        if fault is not None and fault.kind in AFTER:
            return await self._spoiled(request, fault, status, answer)
        return web.json_response(body=msgspec.json.encode(answer), status=status, headers=self._headers())

    def _answer(self, request: web.Request, call: Call, body: str) -> tuple[int, Any]:
        minute = self.now_ms() // 60_000
        used = self._weight[1] if self._weight[0] == minute else 0
        self._weight = (minute, used + self.desk.weight(call))
        if self.weight_limit and self._weight[1] > self.weight_limit:
            return 429, {"code": -1003, "msg": "Too much request weight used; please use the streams."}
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            return 200, self.desk.answer(call, headers, request.rel_url.raw_query_string, body)
        except Refusal as refusal:
            return self.desk.refused(refusal.why, refusal.text, call)

    def _headers(self, **more: str) -> dict[str, str]:
        used = str(self._weight[1])
        return {"X-MBX-USED-WEIGHT-1M": used, **{name.replace("_", "-"): value for name, value in more.items()}}

    async def _undone(self, request: web.Request, call: Call, fault: Fault) -> web.StreamResponse:
        match fault.kind:
            case "lost":
                await asyncio.Event().wait()
            case "cut":
                return _torn(request)
            case "kill":
                self.kill()
                return _torn(request)
            case "throttle" | "ban":
                status = 429 if fault.kind == "throttle" else 418
                reset = str(self.now_ms() + int(fault.seconds * 1000))
                headers = self._headers(Retry_After=str(int(fault.seconds)), X_Bapi_Limit_Reset_Timestamp=reset)
                text = {"code": -1003, "msg": f"Too many requests; banned until {reset}."}
                if self.kind == "bybit" and fault.kind == "throttle":
                    status, text = 200, {"retCode": 10006, "retMsg": "Too many visits. Exceeded the API Rate Limit.",
                                         "result": {}, "retExtInfo": {}, "time": self.now_ms()}  # fmt: skip
                return web.json_response(body=msgspec.json.encode(text), status=status, headers=headers)
            case "error":
                return web.Response(status=fault.status, text="<html>Service unavailable</html>")
        status, answer = self.desk.unseen() if fault.kind == "unseen" else self.desk.scripted(fault.code, fault.text)
        return web.json_response(body=msgspec.json.encode(answer), status=status, headers=self._headers())

    async def _spoiled(self, request: web.Request, fault: Fault, status: int, answer: Any) -> web.StreamResponse:
        body = msgspec.json.encode(answer)
        match fault.kind:
            case "silent":
                await asyncio.Event().wait()
            case "torn":
                return _torn(request)
            case "killed":
                self.kill()
                return _torn(request)
            case "broken":
                return web.Response(status=fault.status, text="<html>Gateway timeout</html>")
            case "garbage":
                body = body[: len(body) // 2]
            case "late":
                await asyncio.sleep(fault.seconds)
        return web.Response(body=body, status=status, content_type="application/json", headers=self._headers())

    # Streams. ------------------------------------------------------------------------------------------------------

    async def _stream(self, request: web.Request, path: str) -> web.StreamResponse:
        faults = self.streams.faults
        if faults.refuse:
            faults.refuse -= 1
            return web.Response(status=503)
        socket = web.WebSocketResponse(max_msg_size=1 << 20)
        await socket.prepare(request)
        connection = Connection(socket, request)
        self.streams.open.add(connection)
        self.streams.opened += 1
        listen = request.query.get("listenKey") or path.rpartition("/")[2]
        if isinstance(self.desk, Binance) and listen in self.desk.keys:
            connection.topics.add("user")
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._spoken(connection, message.data)
        finally:
            self.streams.open.discard(connection)
            await connection.close()
        return socket

    def _spoken(self, connection: Connection, text: str) -> None:
        if isinstance(self.desk, Binance):
            answer, good = self.desk.spoken(text)
            if good:
                connection.topics.add("user")
        else:
            answer, connection.known, topics = self.desk.spoken(text, connection.known)
            connection.topics.update(topics)
        connection.send(answer)

    # Control. ------------------------------------------------------------------------------------------------------

    async def _control(self, request: web.Request, name: str) -> web.StreamResponse:
        body = await request.read()
        try:
            answer = self.control(name, msgspec.json.decode(body) if body else {})
        except (Refusal, ValueError, KeyError, TypeError, StopIteration, msgspec.MsgspecError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        return web.json_response(body=msgspec.json.encode(answer))

    def control(self, name: str, said: dict[str, Any]) -> Any:
        """Do what a test wants; see the package's docstring.

        Raises:
            Refusal, ValueError, KeyError, TypeError, StopIteration: It cannot be done.
        """
        matching = self.matching
        match name:
            case "state":
                return self.state()
            case "price":
                matching.price(self._key(said["symbol"]), Decimal(str(said["price"])))
            case "fill":
                order = self._order(said["order"])
                quantity = Decimal(str(said.get("quantity", order.remaining)))
                matching.fill(order, quantity, Decimal(str(said.get("price", 0))))
            case "expire":
                matching.expire(self._order(said["order"]), said.get("reason", ""))
            case "cancel":
                matching.cancel(self._order(said["order"]), said.get("reason", ""))
            case "deposit":
                matching.deposit(said["asset"], Decimal(str(said["amount"])))
            case "fund":
                matching.fund(self._key(said["symbol"], "linear"), Decimal(str(said["amount"])))
            case "fault":
                self.faults.waiting.append(msgspec.convert(said, Fault))
            case "stream":
                cut = said.pop("cut", False)
                for key, value in said.items():
                    setattr(self.streams.faults, key, value)
                if cut:
                    self.streams.cut()
            case "set":
                self._set(said)
            case "clear":
                self.faults.waiting.clear()
                self.streams.faults = type(self.streams.faults)()
                self.weight_limit = 0
            case _:
                raise ValueError(f"no such control: {name}")
        return {}

    def _set(self, said: dict[str, Any]) -> None:
        matching = self.matching
        for key, value in said.items():
            match key:
                case "skew_ms" | "weight_limit" | "pid":
                    setattr(self, key, int(value))
                case "withdraw":
                    self.desk.withdraw = bool(value)
                case "parts":
                    matching.parts = int(value)
                case "still":
                    matching.still = bool(value)
                case "depth":
                    matching.depth = None if value is None else Decimal(str(value))
                case _:
                    raise ValueError(f"no such setting: {key}")

    def _order(self, client: str) -> Order:
        """The newest order of a client id."""
        return next(order for order in reversed(self.matching.orders) if order.client == client)

    def _key(self, symbol: str, category: str = "") -> str:
        """`BTCUSDT`, or `linear:BTCUSDT` where a venue has both."""
        if ":" in symbol:
            return symbol
        known = [key for key in self.matching.instruments if key.endswith(f":{symbol}") and key.startswith(category)]
        return known[0]

    def state(self) -> dict[str, Any]:
        """All that a comparison needs, in decimals as text."""
        matching = self.matching
        return {
            "kind": self.kind,
            "now_ms": self.now_ms(),
            "balances": {asset: f"{total:f}" for asset, total in matching.wallet.total.items()},
            "locked": {asset: f"{matching.locked(asset):f}" for asset in matching.wallet.total},
            "positions": {key: f"{each.amount:f}" for key, each in matching.wallet.positions.items()},
            "prices": {key: f"{price:f}" for key, price in matching.prices.items()},
            "orders": [
                {"client": each.client, "venue_id": each.child, "algo_id": each.algo, "key": each.instrument.key,
                 "side": each.asked.side, "type": each.asked.said, "state": each.state,
                 "quantity": f"{each.asked.quantity:f}", "price": f"{each.asked.price:f}",
                 "trigger": f"{each.asked.trigger:f}", "filled": f"{each.filled:f}"}
                for each in matching.orders
            ],
            "trades": [
                {"id": self._trade_id(each), "client": each.client, "key": each.instrument.key, "side": each.side,
                 "price": f"{each.price:f}", "quantity": f"{each.quantity:f}", "fee": f"{each.fee:f}",
                 "asset": each.asset, "maker": each.maker, "ms": each.ms}
                for each in matching.trades
            ],
            "heard": dict(self.heard),
            "made": dict(matching.made),
            "asked": dict(self.asked),
            "faults": {"waiting": len(self.faults.waiting), "done": self.faults.done},
            "streams": {"open": len(self.streams.open), "opened": self.streams.opened, "sent": self.streams.sent},
            "kills": self.kills,
            "served_us": self.served_us[-1000:],
        }  # fmt: skip

    def _trade_id(self, trade: Any) -> str:
        return str(bybit_words.trade_body(trade)["execId"]) if self.kind == "bybit" else str(trade.number)

    def close(self) -> None:
        """Release the journal."""
        if self._journal is not None:
            self._journal.close()


def _rooted(path: str) -> str:
    """A path from the venue's own root on."""
    starts = [at for root in ROOTS if (at := f"{path}/".find(root)) >= 0]
    return path[min(starts) :] if starts else path


def _torn(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


@asynccontextmanager
async def serve(venue: Venue, *, port: int = 0) -> AsyncIterator[str]:
    """Serve a venue on 127.0.0.1; gives the address, such as `http://127.0.0.1:40001`."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", venue.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        venue.streams.cut()
        with contextlib.suppress(asyncio.CancelledError):
            await runner.cleanup()
        venue.close()
