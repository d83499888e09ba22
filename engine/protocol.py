"""The words spoken on the engine's socket, and their framing. `docs/protocol.md` tells them to writers of clients.

A frame is a length (4 bytes, big endian) and that many bytes of one msgpack map, whose `type` names the message.
"""

from __future__ import annotations

import struct
from typing import Annotated, TypeAlias, TypeVar

import msgspec

from engine.errors import ProtocolError

PROTOCOL = 1
"""Goes up when an old client would misunderstand a new engine, or the reverse."""

HEADER = struct.Struct(">I")

REQUEST_MOST = 64 * 1024
"""Bytes of the largest frame that a client may send."""

ANSWER_MOST = 64 * 1024 * 1024
"""Bytes of the largest frame that a client needs to expect."""

SEEK_MOST_S = 366 * 86_400
"""Seconds that one command may seek on or back in a replay."""

T = TypeVar("T")

Text = Annotated[str, msgspec.Meta(max_length=200)]
Number = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="hello"):
    """First word of a client."""

    protocol: int
    version: Text = ""
    client: Text = ""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of a topic; each topic heeds the fields that concern it."""

    id: Number
    topic: Text
    instrument: Text = ""
    timeframe: Text = ""
    depth: Annotated[int, msgspec.Meta(ge=1, le=5000)] = 20
    limit: Annotated[int, msgspec.Meta(ge=1, le=5000)] = 1500
    since: Text = ""
    start_ms: Number | None = None
    end_ms: Number | None = None


class Get(Asked, frozen=True, kw_only=True, tag_field="type", tag="get"):
    """Ask for a topic once."""


class Subscribe(Asked, frozen=True, kw_only=True, tag_field="type", tag="subscribe"):
    """Ask for a topic now and whenever it has changed, at most every `every_ms`."""

    every_ms: Annotated[int, msgspec.Meta(ge=100, le=60_000)] = 250


class Unsubscribe(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="unsubscribe"):
    """End the subscription that was asked for under `subscription`."""

    id: Number
    subscription: Number


class Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="command"):
    """Ask the engine to do something; answered by `Done` or `Denied`."""

    id: Number
    name: Text
    arguments: dict[Text, Text | int | float | bool] = {}


Request: TypeAlias = Get | Subscribe | Unsubscribe | Command


class Welcome(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="welcome"):
    """Answer to `Hello`. `started` is UTC ns; `seq` counts the records applied so far."""

    protocol: int
    version: str
    pid: int
    profile: str
    started: int
    seq: int


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="refused"):
    """The connection is being closed, and why."""

    code: str
    reason: str


class State(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="state"):
    """A topic as a whole. `seq` is the last record in it, `ts` the engine's clock, UTC ns."""

    id: int
    topic: str
    instrument: str
    seq: int
    ts: int
    data: msgspec.Raw


class Series(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="series"):
    """Rows that are new or changed since `since`; `cursor` is the next `since`. `reset`: forget the rows before."""

    id: int
    topic: str
    instrument: str
    timeframe: str
    seq: int
    ts: int
    cursor: str
    reset: bool
    rows: list[msgspec.Raw]


class Done(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="done"):
    """A command was carried out, a subscription ended."""

    id: int
    text: str = ""


class Denied(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="denied"):
    """A request was not carried out, and why; the connection goes on."""

    id: int
    code: str
    reason: str


class Bye(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="bye"):
    """The engine is stopping."""

    reason: str


Answer: TypeAlias = Welcome | Refused | State | Series | Done | Denied | Bye

_encoder = msgspec.msgpack.Encoder()
_hello = msgspec.msgpack.Decoder(Hello)
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def frame(message: Hello | Request | Answer) -> bytes:
    """Return a message with its length before it."""
    body = _encoder.encode(message)
    return HEADER.pack(len(body)) + body


def raw(value: object) -> msgspec.Raw:
    """Return a value packed, to be put into messages as it is."""
    return msgspec.Raw(_encoder.encode(value))


def read_hello(body: bytes) -> Hello:
    """Return a client's first word.

    Raises:
        ProtocolError: It is something else.
    """
    return _read(_hello, body, "expected hello")


def read_request(body: bytes) -> Request:
    """Return what a client asks.

    Raises:
        ProtocolError: It is no request.
    """
    return _read(_requests, body, "not understood")


def read_answer(body: bytes) -> Answer:
    """Return what the engine says.

    Raises:
        ProtocolError: It is nothing that an engine of this protocol says.
    """
    return _read(_answers, body, "not understood")


def _read(decoder: msgspec.msgpack.Decoder[T], body: bytes, otherwise: str) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"{otherwise}: {error}", body) from error
