"""Scripts of what goes wrong at the exchange, repeatable from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tests.support.exchange.tape import Instrument


class FaultKind(StrEnum):
    """What can go wrong."""

    REFUSE_CONNECT = "refuse_connect"  # all sockets dropped, the next `count` handshakes are refused
    DROP_IN_HANDSHAKE = "drop_in_handshake"  # all sockets dropped, the next `count` die during their handshake
    DROP_AFTER_CONNECT = "drop_after_connect"  # all sockets dropped, the next one opens and closes without a frame
    DROP_AFTER_FRAMES = "drop_after_frames"  # every open socket is dropped after `count` more frames
    DROP_DURING_SNAPSHOT = "drop_during_snapshot"  # sockets dropped while the next depth request is pending
    GAP = "gap"  # `count` depth frames of one symbol are lost
    DUPLICATE = "duplicate"  # a depth frame of one symbol is sent `count` more times
    REORDER = "reorder"  # two neighbouring depth frames of one symbol are swapped
    GARBAGE = "garbage"  # `count` extra messages that mean nothing
    TRUNCATED = "truncated"  # a depth frame of one symbol arrives cut, so its diff is lost
    SILENCE = "silence"  # sockets stay open, frames of `seconds` are lost; pings are answered
    DEAD_SOCKET = "dead_socket"  # like silence, and pings are not answered either
    SLOW_SNAPSHOT = "slow_snapshot"  # the next depth answer comes `seconds` late
    STALE_SNAPSHOT = "stale_snapshot"  # the next depth answer is older than the client's first diff
    THROTTLED = "throttled"  # 429 for `seconds` from the next request on
    BANNED = "banned"  # 418 for `seconds` from the next request on
    SERVER_ERROR = "server_error"  # `status` (5xx) for the next `count` requests
    REST_TIMEOUT = "rest_timeout"  # the next request is never answered
    CLOCK_JUMP = "clock_jump"  # event stamps are `seconds` off from now on


K = FaultKind
_DISCONNECTS = {
    K.REFUSE_CONNECT, K.DROP_IN_HANDSHAKE, K.DROP_AFTER_CONNECT, K.DROP_AFTER_FRAMES, K.DROP_DURING_SNAPSHOT,
}  # fmt: skip
_ON_SYMBOL = {K.GAP, K.DUPLICATE, K.REORDER, K.TRUNCATED}
_LOSE_DIFFS = {K.GAP, K.REORDER, K.TRUNCATED}
_ON_REST = {
    K.DROP_DURING_SNAPSHOT, K.SLOW_SNAPSHOT, K.STALE_SNAPSHOT, K.THROTTLED, K.BANNED, K.SERVER_ERROR, K.REST_TIMEOUT,
}  # fmt: skip


@dataclass(kw_only=True)
class Fault:
    """One fault and what became of it.

    Attributes:
        kind: What goes wrong.
        at_s: When it is armed, in seconds of the injected clock from the exchange's beginning. It starts with the
            first occasion from then on (a request, a connect, a frame of its symbol).
        instrument: The symbol that is hit, for the kinds that hit one.
        count: How many frames, messages, handshakes or requests.
        seconds: How long, or how far.
        status: The HTTP status.
        provoke: All sockets are dropped when the fault is armed, so that clients come back and run into it.
        seed: For the random parts of its execution.
        armed_ns: The injected clock when it was armed, and sockets were dropped if it drops them; None before.
        started_ns: The injected clock when it met its first occasion; None before.
        ended_ns: The injected clock when the exchange behaved again; None before.
    """

    kind: FaultKind
    at_s: float
    instrument: Instrument | None = None
    count: int = 1
    seconds: float = 0.0
    status: int = 0
    provoke: bool = False
    seed: int = 0
    armed_ns: int | None = None
    started_ns: int | None = None
    ended_ns: int | None = None
    remaining: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        self.remaining = self.count

    @property
    def disconnects(self) -> bool:
        """Whether open sockets are dropped, so that every book must be built again."""
        return self.provoke or self.kind in _DISCONNECTS

    def breaks(self, instrument: Instrument) -> bool:
        """Whether the diffs of a symbol no longer follow each other for a client."""
        if self.disconnects or self.kind in {K.SILENCE, K.DEAD_SOCKET}:
            return True
        return self.kind in _LOSE_DIFFS and self.instrument == instrument

    def begin(self, now_ns: int) -> None:
        """Record the first effect."""
        if self.started_ns is None:
            self.started_ns = now_ns

    def end(self, now_ns: int) -> None:
        """Record that the exchange behaves again."""
        self.begin(now_ns)
        self.ended_ns = now_ns


class FaultScript:
    """Faults in the order of their times."""

    def __init__(self, faults: Sequence[Fault] = ()) -> None:
        self.faults = sorted(faults, key=lambda fault: fault.at_s)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self.faults)

    def __len__(self) -> int:
        return len(self.faults)

    @property
    def finished(self) -> bool:
        """Whether every fault is over."""
        return all(fault.ended_ns is not None for fault in self.faults)

    def fates(self) -> list[dict[str, Any]]:
        """What became of each fault, in plain values."""
        names = ("kind", "at_s", "instrument", "armed_ns", "started_ns", "ended_ns")
        return [{name: getattr(fault, name) for name in names} for fault in self.faults]

    @classmethod
    def from_seed(
        cls,
        seed: int,
        instruments: Sequence[Instrument],
        *,
        duration_s: float = 60.0,
        every_s: float = 5.0,
        first_s: float = 5.0,
        kinds: Sequence[FaultKind] = tuple(FaultKind),
        longest_s: float = 6.0,
    ) -> FaultScript:
        """Faults about every `every_s` seconds, the same ones for the same arguments.

        Args:
            seed: Of the dice.
            instruments: The symbols that may be hit.
            duration_s: No fault is armed later.
            every_s: Mean distance of two faults; at least half of it lies between them.
            first_s: When the first is armed.
            kinds: What may happen; each kind comes once before any comes again.
            longest_s: The longest silence, delay or wait.
        """
        dice = random.Random(seed)
        faults: list[Fault] = []
        hat: list[FaultKind] = []
        at_s = first_s
        while at_s < duration_s:
            if not hat:
                hat = list(kinds)
                dice.shuffle(hat)
            faults.append(_drawn(dice, hat.pop(), round(at_s, 3), instruments, longest_s))
            at_s += every_s * dice.uniform(0.5, 1.5)
        return cls(faults)


def _drawn(
    dice: random.Random, kind: FaultKind, at_s: float, instruments: Sequence[Instrument], longest_s: float
) -> Fault:
    fault = Fault(kind=kind, at_s=at_s, seed=dice.randrange(1 << 30), provoke=kind in _ON_REST)
    if kind in _ON_SYMBOL:
        fault.instrument = dice.choice(list(instruments))
    match kind:
        case K.REFUSE_CONNECT | K.DROP_IN_HANDSHAKE | K.SERVER_ERROR:
            fault.count = dice.randint(1, 2)
        case K.DROP_AFTER_FRAMES:
            fault.count = dice.randint(1, 40)
        case K.GAP:
            fault.count = dice.randint(1, 5)
        case K.DUPLICATE:
            fault.count = dice.randint(1, 3)
        case K.GARBAGE:
            fault.count = dice.choice([1, 1, 3, 10])
    if kind in {K.SILENCE, K.DEAD_SOCKET, K.SLOW_SNAPSHOT}:
        fault.seconds = round(dice.uniform(0.3, longest_s), 3)
    if kind in {K.THROTTLED, K.BANNED}:
        fault.seconds = float(dice.randint(1, max(1, int(longest_s))))
    if kind is K.CLOCK_JUMP:
        fault.seconds = round(dice.uniform(0.5, 3.0) * dice.choice([-1, 1]), 3)
    if kind is K.SERVER_ERROR:
        fault.status = dice.choice([500, 502, 503])
    fault.remaining = fault.count
    return fault
