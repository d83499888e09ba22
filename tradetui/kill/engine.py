"""Telling a running engine of the kill, without waiting for one that is stopped or busy."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from typing import NamedTuple

from engine.errors import ProtocolError
from engine.protocol import ANSWER_MOST, HEADER, PROTOCOL, Command, Denied, Done, Hello, Refused, frame, read_answer
from engine.unix import reachable
from tradetui.lock import Holder, holder_of, is_held
from tradetui.places import Places

CONFIRM_S = 0.5
"""Time for an engine to say that it has halted; one that is stopped or busy reads the command when it goes on."""

GONE_S = 2.0


class Said(NamedTuple):
    """What an engine answered: whether it has halted, and its words."""

    done: bool
    text: str


def running(places: Places) -> Holder | None:
    """Return who runs a profile, None if nobody does."""
    return holder_of(places.lock) if is_held(places.lock) else None


def tell(places: Places, holder: Holder, flatten: bool | None, reason: str, within_s: float = CONFIRM_S) -> Said:
    """Have an engine halt; the command is on its way even if no answer comes."""
    arguments: dict[str, str | int | float | bool] = {"reason": reason}
    if flatten is not None:
        arguments["flatten"] = flatten
    words = frame(Hello(protocol=PROTOCOL, client="kill")) + frame(Command(id=1, name="kill", arguments=arguments))
    until = time.monotonic() + within_s
    who = f"the engine (pid {holder.pid})"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(within_s)
            with reachable(places.socket.__class__(holder.socket)) as address:
                line.connect(address)
            line.sendall(words)
            while True:
                answer = read_answer(_frame(line, until))
                if isinstance(answer, Done):
                    return Said(True, f"{who}: {answer.text}")
                if isinstance(answer, Denied | Refused):
                    return Said(False, f"{who} refuses: {answer.reason}")
    except TimeoutError:
        return Said(False, f"{who} did not answer within {within_s:g} s; it halts when it goes on")
    except (OSError, ProtocolError) as error:
        return Said(False, f"{who} cannot be told: {getattr(error, 'strerror', None) or error}")


def end(holder: Holder, places: Places) -> str:
    """End an engine that could not be stopped otherwise; after a restart it takes no new risk until it is armed.

    Raises:
        OSError: It cannot be ended.
    """
    now = running(places)
    if now is None or now.pid != holder.pid:
        return "the engine has ended by itself"
    os.kill(holder.pid, signal.SIGKILL)
    until = time.monotonic() + GONE_S
    while is_held(places.lock) and time.monotonic() < until:
        time.sleep(0.01)
    return f"the engine (pid {holder.pid}) was ended, as neither the latch could be closed nor did it answer"


def environment_of(holder: Holder) -> dict[str, str]:
    """Return the environment that an engine was started with, {} where the system does not tell."""
    found: dict[str, str] = {}
    with contextlib.suppress(OSError), open(f"/proc/{holder.pid}/environ", "rb") as file:  # noqa: PTH123
        for each in file.read().split(b"\0"):
            name, _, value = each.partition(b"=")
            found[os.fsdecode(name)] = os.fsdecode(value)
    return found


def _frame(line: socket.socket, until: float) -> bytes:
    (length,) = HEADER.unpack(_exactly(line, HEADER.size, until))
    if length > ANSWER_MOST:
        raise ProtocolError(f"a frame of {length} bytes")
    return _exactly(line, length, until)


def _exactly(line: socket.socket, count: int, until: float) -> bytes:
    got = b""
    while len(got) < count:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        line.settimeout(left)
        part = line.recv(count - len(got))
        if not part:
            raise ConnectionError("it closed the connection")
        got += part
    return got
