"""Faults at work: what the exchange asks before it does anything."""

from __future__ import annotations

import random
from enum import Enum
from typing import NamedTuple

import msgspec

from tests.support.exchange.connection import Connection
from tests.support.exchange.faults import Fault, FaultKind, FaultScript
from tests.support.exchange.tape import Frame, Instrument

K = FaultKind
_TIMED = {K.SILENCE, K.DEAD_SOCKET, K.THROTTLED, K.BANNED}


class Handshake(Enum):
    """What becomes of a connection attempt."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    BREAK = "break"
    ACCEPT_AND_DROP = "accept_and_drop"


class Delivery(NamedTuple):
    """A data object on its way to the clients; `cut` is the share of the message that arrives."""

    frame: Frame
    body: bytes
    cut: float = 1.0


class RestTrouble(NamedTuple):
    """What becomes of a request."""

    fault: Fault
    status: int = 0
    retry_after_s: int = 0
    delay_s: float = 0.0
    hangs: bool = False
    stale: bool = False
    drops: bool = False


class FaultDriver:
    """Arms the script's faults in time and applies the armed ones."""

    def __init__(self, script: FaultScript, t0_ns: int) -> None:
        self.script = script
        self._t0_ns = t0_ns
        self._waiting = list(script)
        self._armed: list[Fault] = []
        self._held: dict[Instrument, Delivery] = {}
        self.stamp_jump_ms = 0

    def next_ns(self) -> int | None:
        """When the next fault is armed."""
        return self._t0_ns + int(self._waiting[0].at_s * 1e9) if self._waiting else None

    def arm(self, now_ns: int) -> Fault:
        """Arm the next fault; what needs no occasion starts here."""
        fault = self._waiting.pop(0)
        fault.armed_ns = now_ns
        if fault.kind is K.CLOCK_JUMP:
            self.stamp_jump_ms += int(fault.seconds * 1000)
            fault.end(now_ns)
        elif fault.kind is not K.GARBAGE:
            self._armed.append(fault)
            if fault.kind in {K.SILENCE, K.DEAD_SOCKET}:
                fault.begin(now_ns)
        return fault

    def _first(self, *kinds: FaultKind) -> Fault | None:
        return next((fault for fault in self._armed if fault.kind in kinds), None)

    def _finish(self, fault: Fault, now_ns: int) -> None:
        fault.end(now_ns)
        self._armed.remove(fault)

    def _use(self, fault: Fault, now_ns: int) -> None:
        fault.begin(now_ns)
        fault.remaining -= 1
        if fault.remaining <= 0:
            self._finish(fault, now_ns)

    def handshake(self, now_ns: int) -> Handshake:
        """Decide a connection attempt."""
        fault = self._first(K.REFUSE_CONNECT, K.DROP_IN_HANDSHAKE, K.DROP_AFTER_CONNECT)
        if fault is None:
            return Handshake.ACCEPT
        self._use(fault, now_ns)
        if fault.kind is K.REFUSE_CONNECT:
            return Handshake.REFUSE
        return Handshake.BREAK if fault.kind is K.DROP_IN_HANDSHAKE else Handshake.ACCEPT_AND_DROP

    def limit_frames(self, connections: list[Connection], now_ns: int) -> None:
        """Give every open connection its last frames."""
        fault = self._first(K.DROP_AFTER_FRAMES)
        if fault is None or not connections:
            return
        if fault.started_ns is None:
            fault.begin(now_ns)
            for connection in connections:
                connection.frames_left = fault.count

    def settle(self, connections: list[Connection], now_ns: int) -> None:
        """End the faults whose effect is over."""
        fault = self._first(K.DROP_AFTER_FRAMES)
        if fault is not None and fault.started_ns is not None and all(c.frames_left is None for c in connections):
            self._finish(fault, now_ns)
        for timed in [each for each in self._armed if each.kind in _TIMED and each.started_ns is not None]:
            end_ns = (timed.started_ns or 0) + int(timed.seconds * 1e9)
            if now_ns >= end_ns:
                self._finish(timed, end_ns)

    def silent(self, now_ns: int) -> bool:
        """Whether frames are lost now."""
        return any(self._running(kind, now_ns) for kind in (K.SILENCE, K.DEAD_SOCKET))

    def answers_pings(self, now_ns: int) -> bool:
        """Whether the exchange sends pongs now."""
        return not self._running(K.DEAD_SOCKET, now_ns)

    def _running(self, kind: FaultKind, now_ns: int) -> bool:
        fault = self._first(kind) if self._armed else None
        if fault is None or fault.started_ns is None:
            return False
        return now_ns < fault.started_ns + int(fault.seconds * 1e9)

    def deliveries(self, delivery: Delivery, now_ns: int) -> list[Delivery]:
        """What clients get instead of a depth message that somebody listens to."""
        instrument = delivery.frame.instrument
        held = self._held.pop(instrument, None)
        if held is not None:
            swap = next(f for f in self._armed if f.kind is K.REORDER and f.instrument == instrument and f.started_ns)
            self._finish(swap, now_ns)
            return [delivery, held]
        fault = next((f for f in self._armed if f.instrument == instrument), None)
        if fault is None:
            return [delivery]
        match fault.kind:
            case K.GAP:
                self._use(fault, now_ns)
                return []
            case K.DUPLICATE:
                self._finish(fault, now_ns)
                return [delivery] * (1 + fault.count)
            case K.TRUNCATED:
                self._finish(fault, now_ns)
                return [delivery._replace(cut=random.Random(fault.seed).uniform(0.1, 0.95))]
            case _:
                fault.begin(now_ns)
                self._held[instrument] = delivery
                return []

    def forget_held(self, now_ns: int) -> None:
        """Every socket is gone, and with it a message that was to come in the wrong order."""
        for fault in [f for f in self._armed if f.kind is K.REORDER and f.instrument in self._held]:
            self._finish(fault, now_ns)
        self._held.clear()

    def request(self, *, depth: bool, now_ns: int) -> RestTrouble | None:
        """Decide a request."""
        fault = self._first(K.THROTTLED, K.BANNED, K.SERVER_ERROR, K.REST_TIMEOUT)
        if fault is None and depth:
            fault = self._first(K.DROP_DURING_SNAPSHOT, K.SLOW_SNAPSHOT, K.STALE_SNAPSHOT)
        if fault is None:
            return None
        match fault.kind:
            case K.THROTTLED | K.BANNED:
                fault.begin(now_ns)
                left_ns = (fault.started_ns or now_ns) + int(fault.seconds * 1e9) - now_ns
                status = 429 if fault.kind is K.THROTTLED else 418
                return RestTrouble(fault, status=status, retry_after_s=max(1, -(-left_ns // 1_000_000_000)))
            case K.SERVER_ERROR:
                self._use(fault, now_ns)
                return RestTrouble(fault, status=fault.status)
            case K.REST_TIMEOUT:
                self._finish(fault, now_ns)
                return RestTrouble(fault, hangs=True)
            case K.SLOW_SNAPSHOT:
                self._finish(fault, now_ns)
                fault.started_ns, fault.ended_ns = now_ns, now_ns + int(fault.seconds * 1e9)
                return RestTrouble(fault, delay_s=fault.seconds)
            case K.STALE_SNAPSHOT:
                return RestTrouble(fault, stale=True)
            case _:
                self._finish(fault, now_ns)
                return RestTrouble(fault, delay_s=0.2, drops=True)

    def stale_served(self, fault: Fault, now_ns: int) -> None:
        """An old book was really found and served."""
        self._finish(fault, now_ns)


def garbage(fault: Fault, connection: Connection) -> list[bytes]:
    """Messages that mean nothing; `count` of them."""
    dice = random.Random(fault.seed)
    made: list[bytes] = []
    names = sorted(connection.streams) or ["btcusdt@depth@100ms"]
    for _ in range(fault.count):
        name = dice.choice(names)
        symbol = name.partition("@")[0].upper()
        wrong = {"e": "depthUpdate", "E": "now", "s": symbol, "U": "many", "u": [], "pu": {}, "b": {"1": 2}, "a": 7}
        made.append(
            dice.choice(
                [
                    dice.randbytes(dice.randint(1, 80)),
                    b'{"stream":"%s","data":{"e":"depthUpdate","E":17' % name.encode(),
                    b"",
                    b"[]",
                    b"null",
                    b'"' + b"x" * 200 + b'"',
                    b'{"stream":"%s"}' % name.encode(),
                    connection.wrap(name, b"{}"),
                    connection.wrap(name, msgspec.json.encode(wrong)),
                    connection.wrap(name, b'{"e":"24hrMiniTicker"}'),
                ]
            )
        )
    return made
