"""Frames that no honest client would send: seeded mutations of valid ones, and monsters made by hand."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from typing import Any

import msgpack

from tests.support.wire import packed, said

VALID: tuple[dict[str, Any], ...] = (
    {"type": "get", "id": 1, "topic": "health"},
    {"type": "get", "id": 2, "topic": "book", "instrument": "binance:BTC/USDT", "depth": 100},
    {"type": "get", "id": 3, "topic": "events", "since": "12", "limit": 50},
    {"type": "get", "id": 4, "topic": "price", "instrument": "binance:BTC/USDT"},
    {"type": "subscribe", "id": 5, "topic": "markets", "every_ms": 100},
    {
        "type": "subscribe",
        "id": 6,
        "topic": "bars",
        "instrument": "binance:BTC/USDT",
        "timeframe": "1s",
        "since": "a.3",
    },
    {"type": "subscribe", "id": 7, "topic": "trades", "instrument": "binance:BTC/USDT", "limit": 5000},
    {"type": "unsubscribe", "id": 8, "subscription": 5},
    {"type": "command", "id": 9, "name": "acknowledge", "arguments": {"alert": 3}},
    {"type": "command", "id": 10, "name": "log_level", "arguments": {"level": "debug", "x": 1.5, "y": True}},
    {"type": "hello", "protocol": 1, "version": "1", "client": "x"},
)

ODD: tuple[Any, ...] = (
    -1, 0, 2**31, 2**53, 2**53 + 1, 2**63, 2**64 - 1, -(2**63), 0.5, float("nan"), float("inf"), True, None, "", "0",
    "x" * 200, "x" * 201, "\x00", "\x1b[2J", "٣", "²", "9" * 15, "9" * 16, "-1", "a.", ".1", b"\xff", [], {},
    [[[]]], {"a": 1}, msgpack.ExtType(7, b"abc"), msgpack.Timestamp(1, 2), "binance:", "binance:BTC/USDT:USDT",
    "1s", "price",
)  # fmt: skip


def monsters() -> list[bytes]:
    """Bodies that are dear to read for whoever trusts them."""
    return [
        b"\x91" * 60_000,
        b"\x81\xa1x" * 20_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x05",
        b"\x83\xa4type\xa3get\xa2id\x01\xa5topic\xdb\xff\xff\xff\xff",
        b"\x84\xa4type\xa7command\xa2id\x01\xa4name\xa4stop\xa9arguments\xdf\xff\xff\xff\xff",
        b"\x84\xa4type\xa3get\xa2id\x01\xa5topic\xa6health\xa1x" + b"\x91" * 900 + b"\x90",
        b"\x84\xa4type\xa3get\xa2id\x01\xa5topic\xa6health\xa1x" + b"\x91" * 30_000 + b"\x90",
        b"\xde\xff\xff" + b"\xa1a\x01" * 20_000,
        b"\xc1",
        b"",
    ]


def mutated(body: bytes, dice: random.Random) -> bytes:
    """A valid body with a few bytes changed, taken out, put in, moved or cut."""
    data = bytearray(body)
    for _ in range(dice.randint(1, 4)):
        place = dice.randrange(len(data)) if data else 0
        match dice.randrange(6):
            case 0 if data:
                data[place] ^= 1 << dice.randrange(8)
            case 1 if data:
                data[place] = dice.randrange(256)
            case 2 if data:
                del data[place : place + dice.randint(1, 8)]
            case 3:
                data[place:place] = dice.randbytes(dice.randint(1, 8))
            case 4:
                data[place:place] = data[: dice.randint(0, 40)]
            case _:
                del data[place:]
    return bytes(data)


def hostile_frames(seed: int) -> Iterator[bytes]:
    """An endless row of frames, the same for a seed."""
    dice = random.Random(seed)
    while True:
        valid = dict(dice.choice(VALID))
        match dice.randrange(10):
            case 0 | 1 | 2 | 3:
                yield packed(mutated(msgpack.packb(valid), dice))
            case 4 | 5:
                valid[dice.choice([*valid, "since", "limit", "depth", "every_ms", "news"])] = dice.choice(ODD)
                yield said(**valid)
            case 6:
                yield packed(dice.randbytes(dice.choice((1, 7, 100, 5000))))
            case 7:
                yield packed(dice.choice(monsters()))
            case 8:
                body = msgpack.packb(valid)
                length = dice.choice((0, 1, len(body) - 1, len(body) + 1, 65_536, 65_537, 2**31, 2**32 - 1))
                yield struct.pack(">I", length) + body
            case _:
                yield dice.choice((said(**valid), said(**valid)[: dice.randint(1, 12)], dice.randbytes(3), bytes(9)))
