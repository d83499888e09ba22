"""The raw book updates of the last half hour, as they came, packed in blocks: for models and for looking back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import msgspec
import zstandard

from engine.types import SECOND

MOST = 180_000
"""Most updates kept per instrument."""

AGE = 1800 * SECOND
"""Oldest update kept, by receive stamp; a block goes when its last one is older."""

BLOCK = 128
"""Updates packed together: frames repeat each other, so a block takes about an eighth of their bytes."""


class _Block(msgspec.Struct, frozen=True, gc=False):
    last: int
    updates: int
    packed: bytes


_lines = msgspec.msgpack.Decoder(list[tuple[int, bytes]]).decode


class RawUpdates:
    """A ring of (receive stamp ns, frame)."""

    __slots__ = ("_blocks", "_compress", "_open", "_packed")

    def __init__(self) -> None:
        self._blocks: deque[_Block] = deque()
        self._open: list[tuple[int, bytes]] = []
        self._packed = 0
        self._compress = zstandard.ZstdCompressor(level=1).compress

    def __len__(self) -> int:
        return self._packed + len(self._open)

    def append(self, stamp: int, frame: bytes) -> None:
        """Keep an update, received at `stamp`; forget what is too old or too many."""
        self._open.append((stamp, frame))
        if len(self._open) == BLOCK:
            # The compressor's result was shrunk in a buffer of the largest size; a copy lets that go whole.
            packed = bytes(memoryview(self._compress(msgspec.msgpack.encode(self._open))))
            self._blocks.append(_Block(last=stamp, updates=BLOCK, packed=packed))
            self._packed += BLOCK
            self._open = []
        elif self._open[0][0] < stamp - AGE:
            self._open = [line for line in self._open if line[0] >= stamp - AGE]
        blocks = self._blocks
        while blocks and (blocks[0].last < stamp - AGE or self._packed + BLOCK > MOST):
            self._packed -= blocks.popleft().updates

    def since(self, stamp: int) -> Iterator[tuple[int, bytes]]:
        """Yield the updates received at `stamp` or later, oldest first."""
        for block in self._blocks:
            if block.last >= stamp:
                for line in _lines(zstandard.ZstdDecompressor().decompress(block.packed)):
                    if line[0] >= stamp:
                        yield line
        for line in self._open:
            if line[0] >= stamp:
                yield line
