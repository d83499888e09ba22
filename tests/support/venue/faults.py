"""What goes wrong at the venue: scripts for requests and for the private streams.

A request fault is a `Fault`: the first one that fits a request, and whose `skip` is used up, is done `times` times.

    refuse   answered with `code` and `text`, not done        throttle  429, Retry-After `seconds`, not done
    error    answered with HTTP `status`, not done            ban       418, Retry-After `seconds`, not done
    lost     not done, never answered                         cut       not done, connection cut
    silent   done, never answered                             torn      done, connection cut instead of an answer
    broken   done, answered with HTTP `status`                garbage   done, answered with half a body
    delay    done after `seconds`                             late      done at once, answered after `seconds`
    kill     not done, `pid` is killed (-9)                   killed    done, `pid` is killed (-9), not answered
    unseen   (queries) the venue does not know it yet

Stream faults are counters in `StreamFaults`: so many messages are affected from now on.
"""

from __future__ import annotations

import msgspec

BEFORE = frozenset({"refuse", "error", "throttle", "ban", "lost", "cut", "kill", "unseen"})
"""The request is not done."""

AFTER = frozenset({"silent", "torn", "broken", "garbage", "delay", "late", "killed"})
"""The request is done."""

ACTIONS = (
    "submit", "cancel", "cancel_all", "amend", "query", "open", "account", "trades", "time", "rules", "permissions",
    "listen", "stream", "other",
)  # fmt: skip
"""What requests are for."""


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One thing that goes wrong; `on` is an action or `any`."""

    kind: str
    on: str = "any"
    times: int = 1
    skip: int = 0
    seconds: float = 1.0
    status: int = 503
    code: str = ""
    text: str = "it is scripted so"

    def __post_init__(self) -> None:
        if self.kind not in BEFORE | AFTER:
            raise ValueError(f"no such fault: {self.kind}")
        if self.on != "any" and self.on not in ACTIONS:
            raise ValueError(f"no such action: {self.on}")


class RequestFaults:
    """Faults that wait for their requests."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []
        self.done: list[str] = []

    def take(self, action: str) -> Fault | None:
        """The fault of this request."""
        for fault in self.waiting:
            if fault.on not in ("any", action):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self.waiting.remove(fault)
            self.done.append(f"{fault.kind} {action}")
            return fault
        return None


class StreamFaults(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How many messages are ...; `drop_after`, `kill_after` -1 is never, `refuse` counts connections."""

    mute: int = 0
    duplicate: int = 0
    reorder: int = 0
    drop_after: int = -1
    kill_after: int = -1
    refuse: int = 0
    delay: float = 0.0
