"""A recorded message with its stamps and ids moved by constants, everything else byte for byte as recorded."""

from __future__ import annotations

import re
from operator import add
from typing import NamedTuple

from tests.support.exchange.tape import Frame

# Book levels and quotes are JSON strings, so an unquoted number under these names is always the message's own field.
_FIELD = re.compile(rb'"(E|T|U|u|pu|t)":(\d+)')
_FAMILY = {b"E": "s", b"T": "s", b"U": "b", b"u": "b", b"pu": "b", b"t": "t"}


class Shifts(NamedTuple):
    """What is added to event times, to order-book ids and to trade ids."""

    stamp_ms: int = 0
    book_id: int = 0
    trade_id: int = 0


def render(frame: Frame, shifts: Shifts) -> bytes:
    """The frame's data object under `shifts`."""
    if shifts == (0, 0, 0):
        return frame.data
    if not frame.template:
        _prepare(frame)
    by_family = {"s": shifts.stamp_ms, "b": shifts.book_id, "t": shifts.trade_id}
    moved = map(add, frame.values, map(by_family.__getitem__, frame.families))
    return frame.template % tuple(moved)


def _prepare(frame: Frame) -> None:
    found = _FIELD.findall(frame.data)
    frame.values = tuple(int(value) for _, value in found)
    frame.families = "".join(_FAMILY[name] for name, _ in found)
    frame.template = _FIELD.sub(rb'"\1":%d', frame.data.replace(b"%", b"%%"))
