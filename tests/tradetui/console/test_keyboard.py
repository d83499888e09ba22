"""What a terminal sends: all of it that makes sense is read, and nothing ends the reading."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as some
from textual import events

from tradetui.console.keyboard import PASTE_S, Reader, harmless

NOISE = (
    b"\xe9", b"\xff\xfe", b"\xc3(", b"\xed\xa0\x80", b"\xf0\x9f", b"\x9b31m", b"\x1b[M\xff\xff\xff", b"\x1b[99999999~",
    b"\x1b[1114112u", b"\x1b[55296u", b"\x1b[97;1:99;999u", b"\x1b[48;0;0;0;0t", b"\x1b[48;1;1;0;0t\x1b[<0;5;5M",
    b"\x1b]11;rgb:zz/zz/zz\x07", b"\x1bP>|x\x1b\\", b"\x1b[?2026;9$y", b"\x1b[<99999999999;1;1M", b"\x00\x1c",
)  # fmt: skip


def pressed(found: list[object]) -> list[str]:
    return [each.key for each in found if isinstance(each, events.Key)]


@pytest.mark.parametrize("noise", NOISE)
def test_keys_are_read_after_noise(noise: bytes) -> None:
    clock = [0.0]
    reader = Reader(lambda: clock[0])
    reader.read(noise)
    reader.read(b"\x1b\x1b")  # ends what was begun
    reader.wait()
    for _ in range(40):  # what a sequence without an end has swallowed is given up after so many
        reader.read(b" ")
    assert pressed([*reader.read(b"q"), *reader.wait()]) == ["q"]


def test_letters_and_keys_in_pieces() -> None:
    reader = Reader()
    assert pressed(reader.read("é".encode()[:1])) == []
    assert [each.character for each in reader.read("é".encode()[1:]) if isinstance(each, events.Key)] == ["é"]
    assert pressed(reader.read(b"\x1b[")) == []
    assert pressed(reader.read(b"A")) == ["up"]


def test_a_paste_that_was_broken_off_ends() -> None:
    clock = [0.0]
    reader = Reader(lambda: clock[0])
    reader.read(b"\x1b[200~never ended")
    assert reader.wait() == []
    clock[0] += PASTE_S / 2
    assert pressed(reader.read(b"q")) == []
    clock[0] += PASTE_S * 1.1
    (paste,) = [each for each in reader.wait() if isinstance(each, events.Paste)]
    assert paste.text == "never endedq"
    assert pressed(reader.read(b"q")) == ["q"]
    whole = reader.read(b"\x1b[200~whole\x1b[201~q")
    assert [type(each) for each in whole] == [events.Paste, events.Key]


def test_a_paste_does_nothing_to_the_terminal() -> None:
    assert harmless("a\x1b[2J\x9b2J\x07\u202eb\r\nc\td") == "a?[2J?2J??b\nc d"
    assert len(harmless("x" * 100_000)) == 400
    assert len(harmless("x\n" * 100_000)) < 40


@given(some.lists(some.binary(max_size=60), max_size=20), some.integers())
def test_nothing_that_is_sent_ends_the_reading(pieces: list[bytes], seed: int) -> None:
    reader, dice = Reader(), random.Random(seed)
    for piece in pieces:
        reader.read(piece)
        reader.read(dice.choice(NOISE))
        reader.wait()
