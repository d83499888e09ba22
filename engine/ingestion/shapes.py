"""The shapes of Binance's messages, as its JSON has them, and what reads each.

Sides of a book are read as integers (`Scaled`), which they are once `scaling.scaler` has written exponents behind their
numbers, or as they stand (`Text`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from engine.ingestion.scaling import EXACT

DAMAGE = (msgspec.MsgspecError, RecursionError, ValueError, OverflowError, KeyError, TypeError, AttributeError)
"""What reading a damaged message can raise."""

Price = Annotated[int, msgspec.Meta(gt=0, lt=EXACT)]
Size = Annotated[int, msgspec.Meta(ge=0, lt=EXACT)]
Scaled = tuple[tuple[Price, Size], ...]
Text = list[tuple[str, str]]

Data = TypeVar("Data")
Side = TypeVar("Side")


class Frame(msgspec.Struct, Generic[Data], gc=False):
    data: Data


class DepthShape(msgspec.Struct, Generic[Side], gc=False):
    e: str
    E: int
    s: str
    U: int
    u: int
    b: Side
    a: Side
    T: int = 0
    pu: int = -1


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


class QuoteShape(msgspec.Struct, gc=False):
    u: int
    s: str
    b: float
    B: float
    a: float
    A: float
    T: int = 0


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


class MarkShape(msgspec.Struct, gc=False):
    e: str
    E: int
    s: str
    p: float
    T: int = 0
    i: float | None = None
    r: str = ""


class SnapshotShape(msgspec.Struct, Generic[Side], gc=False):
    lastUpdateId: int  # noqa: N815
    bids: Side
    asks: Side
    T: int = 0
    symbol: str = ""


class PriceAnswer(msgspec.Struct, gc=False):
    symbol: str
    price: str


def _decoder(shape: type[Any]) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(shape, strict=False).decode


read_depth = _decoder(Frame[DepthShape[Scaled]])
read_depth_text = _decoder(Frame[DepthShape[Text]])
read_trade = _decoder(Frame[TradeShape])
read_quote = _decoder(Frame[QuoteShape])
read_ticker = _decoder(Frame[TickerShape])
read_mark = _decoder(Frame[MarkShape])
read_snapshot = _decoder(SnapshotShape[Scaled])
read_snapshot_text = _decoder(SnapshotShape[Text])
read_klines = msgspec.json.Decoder(list[tuple[int, str, str, str, str, str, int, str, int, str, str, Any]]).decode
read_prices = msgspec.json.Decoder(PriceAnswer | list[PriceAnswer]).decode
read_text = msgspec.json.Decoder(dict[str, Any]).decode
