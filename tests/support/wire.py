"""The engine's socket spoken by hand: frames in and out, with nothing of the product's client."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import msgpack

HEADER = struct.Struct(">I")
PATIENCE_S = 20.0
"""Time of the running loop after which an answer does not come any more."""


def packed(body: bytes) -> bytes:
    return HEADER.pack(len(body)) + body


def said(**message: Any) -> bytes:
    return packed(msgpack.packb(message))


HELLO = said(type="hello", protocol=1, version="test", client="test")


class Wire:
    """One connection in the running loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.welcome: dict[str, Any] = {}

    async def greet(self, hello: bytes = HELLO) -> None:
        """Say the first words, and wait for the answer to them."""
        self.writer.write(hello)
        self.welcome = await self.read()

    def send(self, **message: Any) -> None:
        self.writer.write(said(**message))

    async def read(self) -> dict[str, Any]:
        """The next message; an empty one at the end of the connection."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                (length,) = HEADER.unpack(await self.reader.readexactly(4))
                return msgpack.unpackb(await self.reader.readexactly(length))
            except (asyncio.IncompleteReadError, ConnectionError):
                return {}

    async def ask(self, **message: Any) -> dict[str, Any]:
        """Send a request and wait for its answer; news in between are dropped."""
        self.send(**message)
        while True:
            answer = await self.read()
            if not answer or answer.get("id") == message.get("id"):
                return answer

    async def rest(self) -> list[dict[str, Any]]:
        """Everything until the end of the connection."""
        return [message async for message in self]

    def __aiter__(self) -> Wire:
        return self

    async def __anext__(self) -> dict[str, Any]:
        message = await self.read()
        if not message:
            raise StopAsyncIteration
        return message

    async def close(self) -> None:
        self.writer.close()
        await asyncio.sleep(0)
