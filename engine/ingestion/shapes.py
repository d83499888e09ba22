"""The shapes of Binance's messages, as its JSON has them, and what reads each.

Sides of a book are read as integers, which they are once `scaling.scaler` has written exponents behind their numbers;
the `Text` shapes read the same message with its numbers as they stand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from engine.ingestion.scaling import EXACT

DAMAGE = (msgspec.MsgspecError, RecursionError, ValueError, OverflowError, KeyError, TypeError, AttributeError)
"""What reading a damaged message can raise."""

Price = Annotated[int, msgspec.Meta(gt=0, lt=EXACT)]
Size = Annotated[int, msgspec.Meta(ge=0, lt=EXACT)]
Scaled = tuple[tuple[Price, Size], ...]


class DepthShape(msgspec.Struct, gc=False):
    e: str
    E: int
    s: str
    U: int
    u: int
    b: Scaled
    a: Scaled
    T: int = 0
    pu: int = -1


class DepthFrame(msgspec.Struct, gc=False):
    data: DepthShape


class DepthText(msgspec.Struct, gc=False):
    e: str
    E: int
    s: str
    U: int
    u: int
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]
    T: int = 0
    pu: int = -1


class DepthTextFrame(msgspec.Struct, gc=False):
    data: DepthText


class TradeShape(msgspec.Struct, gc=False):
    e: str
    E: int
    s: str
    p: float
    q: float
    T: int
    m: bool
    t: int = -1
    a: int = -1
    f: int = -1
    l: int = -1  # noqa: E741
    X: str = "MARKET"


class TradeFrame(msgspec.Struct, gc=False):
    data: TradeShape


class QuoteShape(msgspec.Struct, gc=False):
    u: int
    s: str
    b: float
    B: float
    a: float
    A: float
    T: int = 0


class QuoteFrame(msgspec.Struct, gc=False):
    data: QuoteShape


class TickerShape(msgspec.Struct, gc=False):
    e: str
    E: int
    s: str
    c: str
    o: str
    h: str
    l: str  # noqa: E741
    v: str
    n: int
    P: float


class TickerFrame(msgspec.Struct, gc=False):
    data: TickerShape


class MarkShape(msgspec.Struct, gc=False):
    e: str
    E: int
    s: str
    p: float
    T: int = 0
    i: float | None = None
    r: str = ""


class MarkFrame(msgspec.Struct, gc=False):
    data: MarkShape


class SnapshotShape(msgspec.Struct, gc=False):
    lastUpdateId: int  # noqa: N815
    bids: Scaled
    asks: Scaled
    T: int = 0
    symbol: str = ""


class SnapshotText(msgspec.Struct, gc=False):
    lastUpdateId: int  # noqa: N815
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    T: int = 0
    symbol: str = ""


class PriceAnswer(msgspec.Struct, gc=False):
    symbol: str
    price: str


def _decoder(shape: type[Any]) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(shape, strict=False).decode


read_depth = _decoder(DepthFrame)
read_depth_text = _decoder(DepthTextFrame)
read_trade = _decoder(TradeFrame)
read_quote = _decoder(QuoteFrame)
read_ticker = _decoder(TickerFrame)
read_mark = _decoder(MarkFrame)
read_snapshot = _decoder(SnapshotShape)
read_snapshot_text = _decoder(SnapshotText)
read_klines = msgspec.json.Decoder(list[tuple[int, str, str, str, str, str, int, str, int, str, str, Any]]).decode
read_prices = msgspec.json.Decoder(PriceAnswer | list[PriceAnswer]).decode
read_text = msgspec.json.Decoder(dict[str, Any]).decode
