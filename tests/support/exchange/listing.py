"""What the exchange knows of one symbol as of exchange time."""

from __future__ import annotations

from pathlib import Path

from tests.support.exchange.aggregates import Aggregates, decode_trade
from tests.support.exchange.candles import Candles
from tests.support.exchange.oracle import NaiveBook, OracleHistory, opening_book
from tests.support.exchange.stamps import Shifts
from tests.support.exchange.tape import Frame, Instrument, Tape

# Bounds the pause of the first request after a long time without any.
_MOST_UNREAD = 400


class Listing:
    """Book, last price and candles; diffs are applied when somebody looks."""

    def __init__(self, tape: Tape, instrument: Instrument, root: Path | None, delta_ms: int) -> None:
        self.instrument = instrument
        self.candles = Candles(instrument, root, tape.start_ns // 1_000_000 + delta_ms, delta_ms)
        self.last_price: str | None = None
        self.last_trade_ms = 0
        self._tape = tape
        self._book = opening_book(tape, instrument)
        self._unread: list[Frame] = []
        self._history: OracleHistory | None = None
        self._aggregates: Aggregates | None = None

    @property
    def book(self) -> NaiveBook:
        """The book now."""
        for frame in self._unread:
            self._book.apply(frame)
        self._unread.clear()
        return self._book

    @property
    def history(self) -> OracleHistory:
        """The book at any update id."""
        if self._history is None:
            self._history = OracleHistory(self._tape, self.instrument)
        return self._history

    @property
    def aggregates(self) -> Aggregates:
        """The aggregate trades of the whole tape."""
        if self._aggregates is None:
            self._aggregates = Aggregates(self._tape, self.instrument)
        return self._aggregates

    def serve(self, frame: Frame, shifts: Shifts) -> None:
        """Take note of a frame that is due."""
        if frame.kind == "depth":
            self._unread.append(frame)
            if len(self._unread) > _MOST_UNREAD:
                _ = self.book
        elif frame.kind == "trade":
            trade = decode_trade(frame.data)
            self.last_price = trade.p
            self.last_trade_ms = trade.T + shifts.stamp_ms
            self.candles.add(trade, shifts.stamp_ms)

    def restart(self, turn: int) -> None:
        """Begin a round of the tape: the book is the recorded one again, under this round's ids."""
        self._unread.clear()
        self._book = opening_book(self._tape, self.instrument, turn * self._tape.spans[self.instrument].book_id)
