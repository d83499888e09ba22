"""A recorded exchange: pure logic, no sockets and no waiting, on an injected clock.

Nothing happens by itself: `advance` does all that has become due. A transport calls it when `next_due_ns` says so, and
every request or connection attempt calls it first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.support.exchange import abroad
from tests.support.exchange.answers import Answer, ConnectRefused, exhausted, troubled
from tests.support.exchange.broadcast import Broadcast
from tests.support.exchange.candle_faults import CandleFault
from tests.support.exchange.connection import Connection
from tests.support.exchange.fault_driver import Delivery, FaultDriver, Handshake, RestTrouble, garbage
from tests.support.exchange.faults import FaultKind, FaultScript
from tests.support.exchange.listing import Listing
from tests.support.exchange.oracle import NaiveBook, OracleHistory
from tests.support.exchange.rest import PREFIXES, Refusal, RestDesk
from tests.support.exchange.stamps import render
from tests.support.exchange.tape import Frame, Instrument, Market, Tape, recordings_root
from tests.support.exchange.timeline import Begin, Timeline
from tests.support.exchange.weights import LIMITS, WeightCounter, weight_of


class RecordedExchange:
    """The exchange.

    Args:
        tape: What is played.
        now_ns: The clock.
        faults: What goes wrong.
        shift, speed, rate, tile, begin: See `Timeline`.
        t0_ns: When play begins on that clock; now, unless given.
        legacy_routes: Serve USD-M streams at the unrouted address too (the venue stopped that in 2026-04).
        limit_weight: Answer 429 when a minute's request weight is used up, as the venue does.
        recordings: Where candles and instrument lists were recorded.
        ahead: Depth answers are one diff ahead of the streams, as the venue's mostly are.
    """

    def __init__(
        self,
        tape: Tape,
        now_ns: Callable[[], int],
        *,
        faults: FaultScript | None = None,
        shift: bool = True,
        speed: float = 1.0,
        rate: float | None = None,
        tile: bool = True,
        begin: Begin = "now",
        t0_ns: int | None = None,
        legacy_routes: bool = False,
        limit_weight: bool = True,
        recordings: Path | None = None,
        ahead: bool = False,
    ) -> None:
        self.tape = tape
        self.now_ns = now_ns
        self.t0_ns = now_ns() if t0_ns is None else t0_ns
        self.timeline = Timeline(tape, self.t0_ns, shift=shift, speed=speed, rate=rate, tile=tile, begin=begin)
        self.faults = FaultDriver(faults or FaultScript(), self.t0_ns)
        root = recordings or recordings_root()
        delta_ms = self.timeline.delta_ns // 1_000_000
        self.listings = {each: Listing(tape, each, root, delta_ms) for each in tape.instruments}
        self.frames_served = 0
        self.candle_fault: CandleFault | None = None
        self.candle_requests = self.abroad_requests = 0
        self.abroad_closed = False
        self._out = Broadcast(legacy_routes=legacy_routes)
        self._rest = RestDesk(tape, self.listings, root)
        self._weights = WeightCounter()
        self._limit_weight = limit_weight
        self.ahead = ahead
        self.advance()

    # What the transports drive

    @property
    def connections(self) -> list[Connection]:
        """The open ones."""
        return self._out.connections

    def next_due_ns(self) -> int | None:
        """When `advance` has something to do next, on the injected clock; None: never again."""
        times = (self.timeline.next_frame_ns(), self.timeline.seam_ns(), self.faults.next_ns())
        return min((time for time in times if time is not None), default=None)

    def advance(self) -> None:
        """Do everything that has become due, in order."""
        now_ns = self.now_ns()
        seam_ns, fault_ns = self.timeline.seam_ns(), self.faults.next_ns()
        while True:
            frame_ns = self.timeline.next_frame_ns()
            if (
                fault_ns is not None
                and fault_ns <= now_ns
                and fault_ns <= min(frame_ns or fault_ns, seam_ns or fault_ns)
            ):
                self._arm(fault_ns)
                fault_ns = self.faults.next_ns()
            elif frame_ns is not None and frame_ns <= now_ns:
                self._serve(self.timeline.take(), frame_ns)
            elif seam_ns is not None and seam_ns <= now_ns:
                self._seam()
                seam_ns = self.timeline.seam_ns()
            else:
                break
        self.faults.settle(self.connections, now_ns)
        self._out.flush()

    def open(self, market: Market, route: str, streams: Iterable[str], *, combined: bool = True) -> Connection:
        """Accept a client.

        Raises:
            ConnectRefused: It is not accepted.
        """
        self.advance()
        now_ns = self.now_ns()
        outcome = self.faults.handshake(now_ns)
        if outcome in {Handshake.REFUSE, Handshake.BREAK}:
            raise ConnectRefused(broken=outcome is Handshake.BREAK)
        connection = Connection(market, route, combined=combined)
        connection.add(streams)
        if outcome is Handshake.ACCEPT_AND_DROP:
            connection.close(abrupt=True)
            return connection
        self.connections.append(connection)
        self.faults.limit_frames(self.connections, now_ns)
        self.resubscribe()
        return connection

    def resubscribe(self) -> None:
        """Take note of changed subscriptions or closed connections."""
        self._out.refresh()

    def leave(self, connection: Connection) -> None:
        """A client went away."""
        connection.closed = True
        self.resubscribe()

    def request(self, market: Market, path: str, params: Mapping[str, str]) -> Answer:
        """Answer a REST request, faults included."""
        self.advance()
        now_ns = self.now_ns()
        prefix = PREFIXES[market]
        endpoint = path.removeprefix(prefix) if path.startswith(prefix) else ""
        used = self._weights.add(market, weight_of(market, endpoint, params), now_ns)
        headers = {"content-type": "application/json;charset=UTF-8", "x-mbx-used-weight-1m": str(used)}
        trouble = self.faults.request(depth=endpoint == "depth", now_ns=now_ns)
        if trouble is not None and trouble.status:
            return troubled(headers, trouble)
        if self._limit_weight and used > LIMITS[market]:
            return exhausted(headers, 60 - now_ns // 1_000_000_000 % 60)
        try:
            if endpoint == "depth":
                body = self._depth(market, params, trouble)
            else:
                body = self._rest.answer(market, endpoint, params, self.server_ms(), self._candles_now_ms())
        except Refusal as refusal:
            return Answer(status=refusal.status, headers=headers, body=refusal.body)
        answer = Answer(status=200, headers=headers, body=body).hindered(trouble)
        if endpoint == "klines":
            self.candle_requests += 1
            answer = self.candle_fault.spoil(answer) if self.candle_fault is not None else answer
        return answer

    def request_abroad(self, url: str) -> Answer | None:
        """Answer a request for candles at one of the venues that stand in, from the candles known here."""
        self.advance()
        found = abroad.answer(url, lambda each, interval: self.listings[each].candles.rows(interval, self.server_ms()))
        self.abroad_requests += found is not None
        return found if not self.abroad_closed else None

    def get(self, market: Market, path: str, params: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body, whatever delay a fault would add."""
        answer = self.request(market, path, params)
        return answer.status, answer.headers, answer.body

    def answers_pings(self) -> bool:
        """Whether a ping sent now gets its pong."""
        return self.faults.answers_pings(self.now_ns())

    def disconnect(self, *, abrupt: bool = False) -> None:
        """Drop every client."""
        self._out.drop_all(abrupt=abrupt)
        self.faults.forget_held(self.now_ns())

    def forget_weights(self) -> None:
        """Who asks from now on has the whole minute's request weight, as from an address of its own."""
        self._weights.forget()

    # What tests look at

    def server_ms(self) -> int:
        """The exchange's clock."""
        return self.timeline.exchange_ns(self.now_ns()) // 1_000_000 + self.faults.stamp_jump_ms

    def book(self, market: Market, symbol: str) -> NaiveBook:
        """The naive book now; a view, valid until the exchange moves on."""
        self.advance()
        return self.listings[Instrument(market, symbol)].book

    def oracle(self, market: Market, symbol: str) -> OracleHistory:
        """The naive book at any update id."""
        return self.listings[Instrument(market, symbol)].history

    def state(self) -> dict[str, Any]:
        """Counters and the faults' fates, for tests in another process."""
        return {
            "round": self.timeline.round,
            "framesServed": self.frames_served,
            "framesSent": sum(each.frames_sent for each in self.connections),
            "connections": len(self.connections),
            "serverTime": self.server_ms(),
            "t0": self.t0_ns,
            "faults": self.faults.script.fates(),
        }

    # What becomes due

    def _serve(self, frame: Frame, due_ns: int) -> None:
        instrument, kind = frame.instrument, frame.kind
        shifts = self.timeline.shifts(instrument)
        listing = self.listings[instrument]
        listing.serve(frame, shifts)
        self.frames_served += 1
        clients = self._out.clients(instrument, kind)
        aggregated = self._out.clients(instrument, "aggTrade") if kind == "trade" else []
        if not clients and not aggregated:
            return
        if self.faults.silent(due_ns):
            return
        if self.faults.stamp_jump_ms:
            shifts = shifts._replace(stamp_ms=shifts.stamp_ms + self.faults.stamp_jump_ms)
        if clients:
            deliveries = [Delivery(frame, render(frame, shifts))]
            if kind == "depth":
                deliveries = self.faults.deliveries(deliveries[0], due_ns)
            for delivery in deliveries:
                self._out.send(clients, delivery, shifts.book_id)
        if aggregated:
            body = listing.aggregates.render(frame.trade_id, shifts, self.timeline.round)
            if body is not None:
                self._out.send(aggregated, Delivery(frame, body), 0)

    def _arm(self, due_ns: int) -> None:
        fault = self.faults.arm(due_ns)
        if fault.kind is FaultKind.GARBAGE:
            for connection in self.connections:
                self._out.send_raw(connection, garbage(fault, connection))
            self._out.refresh()
            fault.end(due_ns)
        elif fault.kind is FaultKind.DROP_AFTER_FRAMES:
            self.faults.limit_frames(self.connections, due_ns)
        elif fault.disconnects:
            self.disconnect(abrupt=True)

    def _seam(self) -> None:
        self.disconnect()
        self.timeline.turn()
        for listing in self.listings.values():
            listing.restart(self.timeline.round)

    def _candles_now_ms(self) -> int:
        """Candles know no clock jumps, and end with the tape where that is played once."""
        now_ns = self.timeline.exchange_ns(self.now_ns())
        if not self.timeline.tile:
            now_ns = min(now_ns, self.tape.end_ns + self.timeline.delta_ns)
        return now_ns // 1_000_000

    def _depth(self, market: Market, params: Mapping[str, str], trouble: RestTrouble | None) -> bytes:
        listing = self._rest.listing(market, params)
        limit = self._rest.depth_limit(market, params)
        book = listing.book
        if trouble is not None and trouble.stale:
            joined = [first for c in self.connections if (first := c.first_depth.get(listing.instrument)) is not None]
            older = listing.history.before(min([*joined, book.update_id]))
            if older is not None and self.connections:
                self.faults.stale_served(trouble.fault, self.now_ns())
                book = older
        elif self.ahead:
            book = listing.history.after(book.update_id) or book
        return self._rest.depth(book, limit, self.server_ms(), self.timeline.shifts_ms)
