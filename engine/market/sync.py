"""Keeping a book in step with a venue's diff stream: a state machine of one instrument.

    EMPTY --first diff--> BUFFERING --snapshot that joins--> LIVE
    LIVE --a diff is missing, or the book crosses--> BUFFERING        any --connection lost--> EMPTY

Source: Binance, "How to manage a local order book correctly" (spot: diff `U`..`u` must contain last id + 1;
futures: `pu` of a diff must be the `u` before it). Both are read here as one rule: a diff tells everything that
happened in (prev, last], so it joins when prev <= our id < last. Spot does not send prev; there it is `U` - 1.
The rule also lets two overlapping connections feed one book, which makes planned rotation seamless.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from engine.market.book import Book
from engine.types import SECOND, BookDelta, BookSnapshot

BUFFER = 20_000
"""Diffs kept while a snapshot is awaited; at ten a second that is half an hour."""

OLDS = 50
"""Diffs in a row that are older than the book, after which the book is doubted, if they also span `OLD_SPAN`."""

OLD_SPAN = 10 * SECOND
"""Exchange time; a snapshot may well be ahead of a busy stream, and a rotation brings two seconds of old diffs."""

RECENT = 512
"""Applied diffs kept, so that a deeper snapshot can be merged into a live book."""


class SyncState(StrEnum):
    """Where a book stands; only LIVE books are shown as the market."""

    EMPTY = "empty"
    BUFFERING = "buffering"
    LIVE = "live"


class Step(StrEnum):
    """What one message did to the book."""

    APPLIED = "applied"
    BUFFERED = "buffered"
    OLD = "old"
    GAP = "gap"
    CROSSED = "crossed"
    LOADED = "loaded"
    MERGED = "merged"
    TOO_OLD = "too old"
    HELD = "held"
    DIFFERS = "differs"


class BookSync:
    """One book and its sequence check.

    `low` and `high` are the known range in ticks: lowest bid and highest ask of the snapshots merged so far. Outside
    it the book only holds what the stream has touched.
    """

    __slots__ = (
        "_buffer",
        "_held",
        "_joined",
        "_old_since",
        "_olds",
        "_recent",
        "book",
        "gaps",
        "high",
        "low",
        "resyncs",
        "state",
    )

    def __init__(self) -> None:
        self.book = Book()
        self.state = SyncState.EMPTY
        self.low = 0
        self.high = 0
        self.gaps = 0
        self.resyncs = 0
        self._buffer: deque[BookDelta] = deque(maxlen=BUFFER)
        self._recent: deque[BookDelta] = deque(maxlen=RECENT)
        self._held: BookSnapshot | None = None
        self._olds = 0
        self._old_since = 0
        self._joined = False

    @property
    def live(self) -> bool:
        """True while the book is the venue's book as of `book.update_id`."""
        return self.state is SyncState.LIVE

    def joins(self, delta: BookDelta) -> bool:
        """Tell whether `delta` would be applied to the book at once."""
        last = self.book.update_id
        return self.state is SyncState.LIVE and delta.prev_id <= last < delta.last_id

    def delta(self, delta: BookDelta) -> Step:
        """Take a diff in the order of arrival."""
        if self.state is not SyncState.LIVE:
            self.state = SyncState.BUFFERING
            self._buffer.append(delta)
            return Step.BUFFERED
        book = self.book
        if delta.last_id <= book.update_id:
            if not self._olds:
                self._old_since = delta.ts_exch
            self._olds += 1
            if self._olds < OLDS or delta.ts_exch - self._old_since < OLD_SPAN:
                return Step.OLD
            self._lose(delta)  # the ids have begun again, or ours was wrong
            return Step.GAP
        if delta.prev_id > book.update_id:
            if not self._joined:
                # No diff has followed the snapshot yet: it was taken before the stream began, nothing was lost.
                self._lose(None)
                self._buffer.append(delta)
                return Step.TOO_OLD
            self._lose(delta)
            return Step.GAP
        self._olds = 0
        self._joined = True
        book.apply(delta.bids, delta.asks, delta.last_id)
        self._recent.append(delta)
        if book.best_bid >= book.best_ask and book.crossed:
            # A venue's own book is never crossed: something was lost or altered on the way.
            self._lose(delta, keep=False)
            return Step.CROSSED
        if self._held is not None and self._held.last_id <= book.update_id:
            held, self._held = self._held, None
            merged = self._merge(held)
            return merged if merged in (Step.MERGED, Step.DIFFERS) else Step.APPLIED
        return Step.APPLIED

    def snapshot(self, snapshot: BookSnapshot) -> Step:
        """Take a snapshot: start from it, or widen a live book by it."""
        if self.state is SyncState.LIVE:
            if snapshot.last_id > self.book.update_id:
                self._held = snapshot
                return Step.HELD
            return self._merge(snapshot)
        waiting = [delta for delta in self._buffer if delta.last_id > snapshot.last_id]
        if waiting and waiting[0].prev_id > snapshot.last_id:
            return Step.TOO_OLD
        self._buffer.clear()
        self._recent.clear()
        self._held = None
        self.book.load(snapshot.bids, snapshot.asks, snapshot.last_id)
        self.low = min((price for price, _ in snapshot.bids), default=0)
        self.high = max((price for price, _ in snapshot.asks), default=0)
        self.state = SyncState.LIVE
        self._joined = False
        self.resyncs += 1
        for place, delta in enumerate(waiting):
            outcome = self.delta(delta)
            if outcome in (Step.GAP, Step.CROSSED):
                self._buffer.extend(waiting[place + 1 :])
                return outcome
        return Step.LOADED

    def lose(self) -> None:
        """The connection is gone: nothing is known until a new snapshot."""
        self._lose(None)
        self.state = SyncState.EMPTY

    def _lose(self, delta: BookDelta | None, *, keep: bool = True) -> None:
        if delta is not None:
            self.gaps += 1
        self.state = SyncState.BUFFERING
        self.book.clear()
        self.low = self.high = 0
        self._recent.clear()
        self._held = None
        self._olds = 0
        self._buffer.clear()
        if delta is not None and keep:
            self._buffer.append(delta)

    def _merge(self, snapshot: BookSnapshot) -> Step:
        """Widen the known range of a live book, and audit the range known already.

        A price that a diff after the snapshot touched is ours to know; every other price must be as the snapshot
        says. Inside the known range a difference means that one of the two is wrong, so the book starts again.
        """
        recent = self._recent
        if snapshot.last_id < self.book.update_id and (not recent or recent[0].prev_id > snapshot.last_id):
            return Step.TOO_OLD
        later = [delta for delta in recent if delta.last_id > snapshot.last_id]
        fresh_bids = {price for delta in later for price, _ in delta.bids}
        fresh_asks = {price for delta in later for price, _ in delta.asks}
        book = self.book
        low = min((price for price, _ in snapshot.bids), default=self.low)
        high = max((price for price, _ in snapshot.asks), default=self.high)
        bids = {price: size for price, size in snapshot.bids if price not in fresh_bids}
        asks = {price: size for price, size in snapshot.asks if price not in fresh_asks}
        ours_bids = {price: size for price, size in book.bids.items() if price >= low and price not in fresh_bids}
        ours_asks = {price: size for price, size in book.asks.items() if price <= high and price not in fresh_asks}
        known_low, known_high = max(low, self.low), min(high, self.high)
        if _within(bids, known_low, None) != _within(ours_bids, known_low, None) or (
            _within(asks, None, known_high) != _within(ours_asks, None, known_high)
        ):
            self.gaps += 1
            self._lose(None)
            return Step.DIFFERS
        for price in ours_bids.keys() - bids.keys():
            del book.bids[price]
        for price in ours_asks.keys() - asks.keys():
            del book.asks[price]
        book.bids.update(bids)
        book.asks.update(asks)
        book.best_bid = max(book.bids, default=0)
        book.best_ask = min(book.asks, default=0)
        self.low, self.high = min(low, self.low), max(high, self.high)
        return Step.MERGED


def _within(levels: dict[int, int], low: int | None, high: int | None) -> dict[int, int]:
    return {
        price: size
        for price, size in levels.items()
        if (low is None or price >= low) and (high is None or price <= high)
    }
