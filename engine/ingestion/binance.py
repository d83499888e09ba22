"""Binance's messages of spot, USD-M and COIN-M as events; pure, bytes in, values out.

A frame is a combined-stream message `{"stream": name, "data": {...}}`. What is not one of the streams that the engine
follows is refused with the reason. Numbers become integers exactly. In book messages an exponent is written behind
each number before parsing ("61837.63" becomes "61837.63e2"), so that the JSON parser itself yields integers and refuses
what is finer than the scale; single numbers are scaled as floats and scaled back. Where either way refuses (too fine,
too large, negative, not a number), the text itself decides.

Source: developers.binance.com, WebSocket streams of the three markets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from engine.errors import ProtocolError
from engine.ingestion import answers
from engine.ingestion.markets import Market
from engine.ingestion.shapes import DAMAGE, read_text
from engine.ingestion.streams import DECODERS
from engine.types import BarsLoaded, BookSnapshot, Event, Instrument, PriceReported, Timeframe

PREFIX = b'{"stream":"'
_START = len(PREFIX)


class Codec:
    """Decodes the frames of one market for the instruments it knows.

    Holds: an event is returned whole or `ProtocolError` is raised; nothing else escapes.
    """

    def __init__(self, market: Market, instruments: Iterable[Instrument] = ()) -> None:
        self.market = market
        self._decoders: dict[bytes, tuple[Callable[[bytes], Event], str]] = {}
        self._instruments: dict[str, Instrument] = {}
        for instrument in instruments:
            self.add(instrument)

    def add(self, instrument: Instrument) -> None:
        """Know one more instrument, or the new scales of a known one."""
        self._instruments[instrument.symbol] = instrument
        self._decoders.clear()

    def decode(self, frame: bytes) -> tuple[Event, str]:
        """Return the event that a frame tells, and the name of the connection that carries its stream.

        Raises:
            ProtocolError: The frame is damaged, or not of a stream that is followed.
        """
        found = self._decoders.get(frame[_START : frame.find(b'"', _START)])
        try:
            if found is None or not frame.startswith(PREFIX):
                found = self._choose(frame)
            return found[0](frame), found[1]
        except ProtocolError as error:
            raise type(error)(error.reason, frame) from None
        except DAMAGE as error:
            raise ProtocolError(str(error), frame) from error

    def snapshot(self, symbol: str, body: bytes) -> BookSnapshot:
        """Return the event that a REST depth answer tells.

        Raises:
            ProtocolError: The answer is damaged or belongs to another symbol.
        """
        return answers.snapshot(self.known(symbol), body)

    def klines(self, symbol: str, timeframe: Timeframe, body: bytes) -> BarsLoaded:
        """Return the candles of a REST klines answer, as the venue sent them (the last may still be running).

        Raises:
            ProtocolError: The answer is damaged, or a candle contradicts itself.
        """
        return answers.klines(self.known(symbol), timeframe, body)

    def price(self, symbol: str, body: bytes) -> PriceReported:
        """Return the price of a REST price answer.

        Raises:
            ProtocolError: The answer is damaged or of another symbol.
        """
        return answers.price(self.known(symbol), body)

    def known(self, symbol: str) -> Instrument:
        """Return the instrument of a symbol.

        Raises:
            ProtocolError: It is not followed.
        """
        instrument = self._instruments.get(symbol)
        if instrument is None:
            raise ProtocolError(f"{self.market.venue} symbol {symbol!r} is not followed")
        return instrument

    def _choose(self, frame: bytes) -> tuple[Callable[[bytes], Event], str]:
        """Find the decoder of a stream seen for the first time, or say why there is none."""
        name = read_text(frame).get("stream")
        if not isinstance(name, str):
            raise ProtocolError("not a combined-stream message", frame)
        symbol, at, kind = name.partition("@")
        if not at or symbol.startswith("!"):
            raise ProtocolError(f"stream {name!r} is not of one symbol", frame)
        make: Callable[[Instrument], Callable[[bytes], Event]] | None = DECODERS.get(kind)
        if make is None:
            raise ProtocolError(f"stream kind {kind!r} is not followed", frame)
        found = make(self.known(symbol.upper())), self.market.source(name)
        if frame.startswith(PREFIX + name.encode() + b'"'):
            self._decoders[name.encode()] = found
        return found
