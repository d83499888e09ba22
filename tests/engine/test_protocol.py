"""Messages and their framing: what is written is read again, and everything else is refused by one error."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import islice
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ProtocolError
from engine.protocol import (
    ANSWER_MOST,
    HEADER,
    REQUEST_MOST,
    Answer,
    Bye,
    Command,
    Denied,
    Done,
    Get,
    Hello,
    Refused,
    Request,
    Series,
    State,
    Subscribe,
    Unsubscribe,
    Welcome,
    frame,
    raw,
    read_answer,
    read_hello,
    read_request,
)
from tests.support.hostile import ODD, hostile_frames

TEXT = st.text(max_size=200)
NUMBER = st.integers(0, 2**53)
ASKED = {
    "id": NUMBER, "topic": TEXT, "instrument": TEXT, "timeframe": TEXT, "depth": st.integers(1, 5000),
    "limit": st.integers(1, 5000), "since": TEXT,
}  # fmt: skip
ARGUMENT = TEXT | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.booleans()
REQUESTS: st.SearchStrategy[Request] = st.one_of(
    st.builds(Get, **ASKED),
    st.builds(Subscribe, **ASKED, every_ms=st.integers(100, 60_000)),
    st.builds(Unsubscribe, id=NUMBER, subscription=NUMBER),
    st.builds(Command, id=NUMBER, name=TEXT, arguments=st.dictionaries(TEXT, ARGUMENT, max_size=5)),
)
HELLOS = st.builds(Hello, protocol=st.integers(-(2**63), 2**64 - 1), version=TEXT, client=TEXT)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
RAW = VALUE.map(raw)
WIDE = st.integers(0, 2**63 - 1)
ANSWERS: st.SearchStrategy[Answer] = st.one_of(
    st.builds(
        Welcome, protocol=NUMBER, version=TEXT, pid=NUMBER, profile=TEXT, started=WIDE, seq=WIDE
    ),
    st.builds(Refused, code=TEXT, reason=TEXT),
    st.builds(State, id=NUMBER, topic=TEXT, instrument=TEXT, seq=WIDE, ts=WIDE, data=RAW),
    st.builds(
        Series, id=NUMBER, topic=TEXT, instrument=TEXT, timeframe=TEXT, seq=WIDE, ts=WIDE, cursor=TEXT,
        reset=st.booleans(), rows=st.lists(RAW, max_size=3),
    ),
    st.builds(Done, id=NUMBER, text=TEXT),
    st.builds(Denied, id=NUMBER, code=TEXT, reason=TEXT),
    st.builds(Bye, reason=TEXT),
)  # fmt: skip


def body(message: Hello | Request | Answer) -> bytes:
    framed = frame(message)
    (length,) = HEADER.unpack(framed[:4])
    assert length == len(framed) - 4
    return framed[4:]


@given(REQUESTS)
def test_requests_come_through(request: Request) -> None:
    assert read_request(body(request)) == request


@given(HELLOS)
def test_hello_comes_through(hello: Hello) -> None:
    assert read_hello(body(hello)) == hello


@given(ANSWERS)
def test_answers_come_through_and_are_plain_msgpack(answer: Answer) -> None:
    assert read_answer(body(answer)) == answer
    plain = msgpack.unpackb(body(answer))
    assert plain["type"] == answer.__struct_config__.tag
    assert set(plain) == {"type", *answer.__struct_fields__}
    if isinstance(answer, State):
        assert plain["data"] == msgpack.unpackb(bytes(answer.data))


def refusal(read: Callable[[bytes], object], data: bytes) -> str:
    """Why bytes are no message, in a word; anything but a `ProtocolError` is a fault."""
    try:
        read(data)
    except ProtocolError as error:
        return error.reason
    return "read"


@given(st.binary(max_size=300))
def test_bytes_are_a_message_or_an_error_and_nothing_else(data: bytes) -> None:
    for read in (read_hello, read_request, read_answer):
        assert 0 < len(refusal(read, data)) < 400


def test_hostile_bodies_are_a_message_or_an_error_and_nothing_else() -> None:
    for framed in islice(hostile_frames(7), 5000):
        for read in (read_hello, read_request, read_answer):
            assert 0 < len(refusal(read, framed[4:])) < 400


@given(REQUESTS, st.dictionaries(st.text(min_size=1, max_size=9), VALUE, max_size=3))
def test_fields_that_are_not_known_yet_are_ignored(request: Request, more: dict[str, Any]) -> None:
    known = msgspec.to_builtins(request)
    assert read_request(msgpack.packb({**more, **known})) == request


@pytest.mark.parametrize("odd", [value for value in ODD if value not in (True,)], ids=repr)
def test_numbers_have_bounds(odd: object) -> None:
    for name, least, most in (("id", 0, 2**53), ("depth", 1, 5000), ("limit", 1, 5000), ("every_ms", 100, 60_000)):
        asked = {"type": "subscribe", "id": 1, "topic": "x", name: odd}
        fits = isinstance(odd, int) and least <= odd <= most
        if fits:
            assert getattr(read_request(msgpack.packb(asked)), name) == odd
        else:
            with pytest.raises(ProtocolError):
                read_request(msgpack.packb(asked))


@pytest.mark.parametrize("odd", [True, 1.0, 1e300, math.nan])
def test_truth_and_fractions_are_no_numbers(odd: object) -> None:
    assert "Expected `int`" in refusal(read_request, msgpack.packb({"type": "get", "id": odd, "topic": "x"}))


def test_nan_and_infinity_are_arguments_like_others() -> None:
    asked = {"type": "command", "id": 1, "name": "x", "arguments": {"a": math.nan, "b": math.inf}}
    request = read_request(msgpack.packb(asked))
    assert isinstance(request, Command)
    assert isinstance(request.arguments["a"], float)
    assert math.isnan(request.arguments["a"])


def test_every_largest_request_fits_its_limit() -> None:
    longest = "\U0001f600" * 200
    asked = Subscribe(id=2**53, topic=longest, instrument=longest, timeframe=longest, since=longest, every_ms=60_000)
    assert len(frame(asked)) < REQUEST_MOST < ANSWER_MOST
