"""The order book in the simplest possible way, to check a fast one against."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from tests.support.exchange.tape import Frame, Instrument, Snapshot, Tape


class Diff(msgspec.Struct, gc=False):
    """The level changes of one depth message: pairs of price and size, size zero removes the level."""

    b: list[tuple[str, str]]
    a: list[tuple[str, str]]


Level = tuple[Decimal, Decimal]
_decode_diff = msgspec.json.Decoder(Diff).decode


class SequenceBroken(AssertionError):
    """A diff does not follow the book under the venue's documented rule."""


class NaiveBook:
    """Two dicts of price text to size text, and the update id; futures follow `pu`, spot follows `U`."""

    def __init__(self, instrument: Instrument, snapshot: Snapshot, id_shift: int = 0) -> None:
        self.instrument = instrument
        self.bids: dict[str, str] = dict(snapshot.bids)
        self.asks: dict[str, str] = dict(snapshot.asks)
        self.update_id = snapshot.last_update_id + id_shift
        self.trade_ms = snapshot.trade_ms
        self.id_shift = id_shift
        self._from_snapshot = True

    def copy(self, limit: int | None = None) -> NaiveBook:
        """An independent book, of the best `limit` levels a side when given."""
        bids, asks = self.snapshot(limit)
        book = NaiveBook(self.instrument, Snapshot(self.update_id, bids, asks, self.trade_ms))
        book.id_shift = self.id_shift
        book._from_snapshot = self._from_snapshot or limit is not None
        return book

    def apply(self, frame: Frame) -> bool:
        """Apply a recorded depth message, its ids moved by `id_shift`; False when the book is already past it.

        Raises:
            SequenceBroken: There is a gap between the book and the message.
        """
        first, last = frame.first_id + self.id_shift, frame.last_id + self.id_shift
        if last <= self.update_id:
            if last == self.update_id:
                self._from_snapshot = False
            return False
        if self.instrument.market == "spot":
            follows = first <= self.update_id + 1
        else:
            previous = frame.previous_id + self.id_shift
            # The venue's book has ids between two events too, so a snapshot may lie inside its first event.
            follows = previous == self.update_id or (self._from_snapshot and previous < self.update_id)
        if not follows:
            raise SequenceBroken(f"{self.instrument}: book at {self.update_id}, next diff {first}..{last}")
        self.change(frame)
        self.update_id = last
        self.trade_ms = frame.trade_ms
        self._from_snapshot = False
        return True

    def change(self, frame: Frame) -> None:
        """Set the levels of a message, whatever its ids."""
        diff = _decode_diff(frame.data)
        _change(self.bids, diff.b)
        _change(self.asks, diff.a)

    def snapshot(self, limit: int | None = None) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """The best `limit` bids and asks as text, best first."""
        bids = sorted(self.bids.items(), key=lambda level: Decimal(level[0]), reverse=True)
        asks = sorted(self.asks.items(), key=lambda level: Decimal(level[0]))
        return bids[:limit], asks[:limit]

    def levels(self, limit: int | None = None) -> tuple[list[Level], list[Level]]:
        """The best `limit` bids and asks as exact numbers, best first."""
        bids, asks = self.snapshot(limit)
        return _numbers(bids), _numbers(asks)


def _change(side: dict[str, str], levels: list[tuple[str, str]]) -> None:
    for price, size in levels:
        if size.strip("0.") == "":
            side.pop(price, None)
        else:
            side[price] = size


def _numbers(levels: list[tuple[str, str]]) -> list[Level]:
    return [(Decimal(price), Decimal(size)) for price, size in levels]


def opening_book(tape: Tape, instrument: Instrument, id_shift: int = 0) -> NaiveBook:
    """The book at the tape's start: the recorded snapshot and the diffs received up to there."""
    book = NaiveBook(instrument, tape.snapshots[instrument], id_shift)
    for frame in tape.prelude:
        if frame.instrument == instrument and frame.kind == "depth":
            book.apply(frame)
    return book


class OracleHistory:
    """The naive book of one symbol at any update id; rounds of the tape are the tape's `spans` apart.

    Asking for growing ids is cheap: one cursor book walks forward and starts again only for an older id.
    """

    def __init__(self, tape: Tape, instrument: Instrument) -> None:
        self.instrument = instrument
        self._id_span = tape.spans[instrument].book_id
        self._tape = tape
        self._opening = opening_book(tape, instrument)
        self._diffs = [f for f in tape.frames if f.instrument == instrument and f.kind == "depth"]
        self._cursor = self._opening.copy()
        self._next = 0
        self._round = 0

    def round_of(self, update_id: int) -> int:
        """Which round of the tape an id belongs to, from 0."""
        return (update_id - self._opening.update_id) // self._id_span

    def at(self, update_id: int) -> NaiveBook:
        """The book after the last diff with `u <= update_id`; a view, valid until the next call."""
        turn = self.round_of(update_id)
        if turn != self._round or update_id < self._cursor.update_id:
            self._round, self._next = turn, 0
            self._cursor = opening_book(self._tape, self.instrument, turn * self._id_span)
        book = self._cursor
        while self._next < len(self._diffs):
            frame = self._diffs[self._next]
            if frame.last_id + book.id_shift > update_id:
                break
            book.apply(frame)
            self._next += 1
        return book

    def joined(self, snapshot_id: int, limit: int, update_id: int, *, first_u: int = 0) -> NaiveBook:
        """The book of a client that took a snapshot of `limit` levels at `snapshot_id` and then applied all diffs.

        Such a client does not know the levels that were beyond the limit, so it may differ from `at` far from the top.

        Args:
            snapshot_id: The snapshot's `lastUpdateId`.
            limit: Its levels a side.
            update_id: The `u` of the last diff applied.
            first_u: The `u` of the first diff applied. On futures that may be the snapshot's own last event, which
                the documented rule applies once more, with what it holds beyond the limit.
        """
        book = self.at(snapshot_id).copy(limit)
        for frame in self._diffs:
            last_id = frame.last_id + book.id_shift
            if last_id > update_id:
                break
            if last_id == first_u == snapshot_id:
                book.change(frame)
            book.apply(frame)
        return book

    def after(self, update_id: int) -> NaiveBook | None:
        """The book after the next diff, None at the end of a round: what a venue knows before its stream has told."""
        shift = self.round_of(update_id) * self._id_span
        place = self._index(update_id - shift + 1)
        return self.at(self._diffs[place].last_id + shift).copy() if place < len(self._diffs) else None

    def before(self, update_id: int) -> NaiveBook | None:
        """The book a few diffs before `update_id`, None when the tape does not reach back that far."""
        shift = self.round_of(update_id) * self._id_span
        older = [f.last_id + shift for f in self._diffs[: self._index(update_id - shift)]]
        older = [last for last in older if last > self._opening.update_id + shift]
        return self.at(older[-min(3, len(older))]).copy() if older else None

    def _index(self, recorded_id: int) -> int:
        low, high = 0, len(self._diffs)
        while low < high:
            middle = (low + high) // 2
            if self._diffs[middle].last_id < recorded_id:
                low = middle + 1
            else:
                high = middle
        return low
