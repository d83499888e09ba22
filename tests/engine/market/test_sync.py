"""Keeping a book in step: whatever a connection does to a true sequence of diffs, a live book is the true book."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.ingestion.binance import Codec
from engine.ingestion.symbols import guess
from engine.market.sync import BUFFER, RECENT, BookSync, Step, SyncState
from engine.types import BookDelta, Level
from tests.engine.support import MARKET_FILES, delta, frames, snapshot
from tests.support.exchange import Instrument, OracleHistory, load_tape

MID = 100
Changes = list[tuple[int, int]]
BIDS = st.lists(st.tuples(st.integers(60, 99), st.integers(0, 5)), max_size=4, unique_by=lambda level: level[0])
ASKS = st.lists(st.tuples(st.integers(101, 140), st.integers(0, 5)), max_size=4, unique_by=lambda level: level[0])

TICKS = st.lists(
    st.tuples(BIDS, ASKS, st.sampled_from([0, 0, 0, 1]), st.sampled_from([*["arrives"] * 12, "waits", "lost"])),
    min_size=1,
    max_size=6,
)


class Venue:
    """The true book: every single update id sets one level, so the book at any id is known."""

    def __init__(self) -> None:
        self.updates: list[tuple[str, int, int]] = []
        for distance in range(1, 31):
            self.updates.append(("b", MID - distance, distance))
            self.updates.append(("a", MID + distance, distance))

    @property
    def now(self) -> int:
        return len(self.updates)

    def at(self, update_id: int) -> tuple[dict[int, int], dict[int, int]]:
        sides: dict[str, dict[int, int]] = {"b": {}, "a": {}}
        for side, price, size in self.updates[:update_id]:
            if size:
                sides[side][price] = size
            else:
                sides[side].pop(price, None)
        return sides["b"], sides["a"]

    def diff(self, prev: int, last: int) -> BookDelta:
        """What changed in (prev, last], with the sizes as of last."""
        bids, asks = self.at(last)
        touched = self.updates[prev:last]
        return delta(
            last,
            [(p, bids.get(p, 0)) for p in sorted({p for s, p, _ in touched if s == "b"})],
            [(p, asks.get(p, 0)) for p in sorted({p for s, p, _ in touched if s == "a"})],
            prev=prev,
        )


class Delivery(RuleBasedStateMachine):
    """Two connections cut the same true sequence into diffs at different ids and deliver them as badly as they like."""

    @initialize()
    def begin(self) -> None:
        self.venue = Venue()
        self.sync = BookSync()
        self.cut = [self.venue.now, self.venue.now]
        self.queues: list[list[BookDelta]] = [[], []]
        self.sent: list[BookDelta] = []
        self.next_snapshot = 0

    # What happens at the venue.

    @rule(ticks=TICKS)
    def trade_on(self, ticks: list[tuple[Changes, Changes, int, str]]) -> None:
        """Levels change; a connection cuts a diff of all since its last one, which arrives, waits or is lost."""
        for bids, asks, connection, fate in ticks:
            self.venue.updates += [("b", p, q) for p, q in bids] + [("a", p, q) for p, q in asks]
            if self.cut[connection] == self.venue.now:
                continue
            diff = self.venue.diff(self.cut[connection], self.venue.now)
            self.cut[connection] = self.venue.now
            if fate == "arrives" and not self.queues[connection]:
                self._deliver(diff)
            elif fate != "lost":
                self.queues[connection].append(diff)

    # What the network does.

    def _deliver(self, diff: BookDelta) -> None:
        before = self.sync.book.update_id
        live = self.sync.live
        joins = self.sync.joins(diff)
        step = self.sync.delta(diff)
        if live:
            assert joins == (diff.prev_id <= before < diff.last_id)
            if diff.last_id <= before:
                assert step is Step.OLD
                assert self.sync.book.update_id == before
            elif diff.prev_id > before:
                assert step in (Step.GAP, Step.TOO_OLD)
                assert not self.sync.live
            else:
                assert step in (Step.APPLIED, Step.MERGED), step
                assert self.sync.book.update_id == diff.last_id
        else:
            assert step is Step.BUFFERED
            assert not self.sync.live
        self.sent.append(diff)

    @precondition(lambda self: any(self.queues))
    @rule(connection=st.integers(0, 1), count=st.integers(1, 4))
    def deliver(self, connection: int, count: int) -> None:
        for _ in range(count):
            if self.queues[connection]:
                self._deliver(self.queues[connection].pop(0))

    @precondition(lambda self: max(map(len, self.queues)) > 1)
    @rule(connection=st.integers(0, 1))
    def overtake(self, connection: int) -> None:
        if len(self.queues[connection]) > 1:
            self._deliver(self.queues[connection].pop(1))

    @precondition(lambda self: self.sent)
    @rule(place=st.integers(0, 10))
    def repeat(self, place: int) -> None:
        self._deliver(self.sent[-1 - place % len(self.sent)])

    @precondition(lambda self: self.sync.book.update_id > 80)
    @rule()
    def lose(self) -> None:
        self.sync.lose()
        assert self.sync.state is SyncState.EMPTY
        assert not self.sync.book.bids
        self.cut = [self.venue.now, self.venue.now]
        self.queues = [[], []]

    @precondition(lambda self: self.venue.now >= self.next_snapshot)
    @rule(age=st.integers(0, 8), depth=st.integers(1, 45))
    def snapshot(self, age: int, depth: int) -> None:
        """A snapshot that is up to some updates old; queued diffs make it look like one from the future."""
        self.next_snapshot = self.venue.now + 6
        at = max(self.venue.now - age, 60)
        bids, asks = self.venue.at(at)
        step = self.sync.snapshot(
            snapshot(at, sorted(bids.items(), reverse=True)[:depth], sorted(asks.items())[:depth])
        )
        assert step in (Step.LOADED, Step.MERGED, Step.HELD, Step.TOO_OLD, Step.GAP), step
        if step in (Step.LOADED, Step.MERGED):
            assert self.sync.live
        if step is Step.GAP:
            assert not self.sync.live

    # What must hold.

    @invariant()
    def a_live_book_is_the_true_book(self) -> None:
        if not hasattr(self, "sync"):
            return
        sync = self.sync
        book = sync.book
        assert sync.gaps == 0 or sync.state is not SyncState.EMPTY or not book.bids
        if not sync.live:
            assert not book.bids
            assert not book.asks
            assert (sync.low, sync.high) == (0, 0)
            return
        bids, asks = self.venue.at(book.update_id)
        known_bids = {p: q for p, q in bids.items() if p >= sync.low}
        known_asks = {p: q for p, q in asks.items() if p <= sync.high}
        assert {p: q for p, q in book.bids.items() if p >= sync.low} == known_bids
        assert {p: q for p, q in book.asks.items() if p <= sync.high} == known_asks
        # Outside the known range only what is true now may stand.
        assert book.bids.items() <= bids.items()
        assert book.asks.items() <= asks.items()
        if known_bids:
            assert book.best_bid == max(bids)
        if known_asks:
            assert book.best_ask == min(asks)

    @invariant()
    def a_fresh_snapshot_always_helps(self) -> None:
        """After everything sent was delivered, a fresh snapshot makes any book live at once."""
        if not hasattr(self, "sync") or self.sync.live or any(self.queues):
            return
        if any(c != self.venue.now for c in self.cut):
            return
        bids, asks = self.venue.at(self.venue.now)
        trial = BookSync()
        trial.state = self.sync.state
        trial._buffer.extend(self.sync._buffer)
        assert trial.snapshot(snapshot(self.venue.now, list(bids.items()), list(asks.items()))) is Step.LOADED
        assert trial.live


Delivery.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestDelivery = Delivery.TestCase


def steady(sync: BookSync, venue: Venue, diffs: int, width: int = 2) -> None:
    for number in range(diffs):
        prev = venue.now
        for part in range(width):
            venue.updates.append(("b" if part % 2 else "a", MID + (1 - 2 * (part % 2)) * (1 + number % 20), 1 + number))
        sync.delta(venue.diff(prev, venue.now))


def full(venue: Venue, at: int, depth: int = 100) -> tuple[int, list[Level], list[Level]]:
    bids, asks = venue.at(at)
    return at, sorted(bids.items(), reverse=True)[:depth], sorted(asks.items())[:depth]


def test_live_as_soon_as_nothing_is_lost() -> None:
    """First diffs, then the snapshot that lies among them: live at once, and for good."""
    venue, sync = Venue(), BookSync()
    steady(sync, venue, 5)
    at = venue.now - 3
    assert sync.state is SyncState.BUFFERING
    steady(sync, venue, 2)
    assert sync.snapshot(snapshot(*full(venue, at))) is Step.LOADED
    steady(sync, venue, 200)
    assert sync.live
    assert (sync.gaps, sync.resyncs) == (0, 1)
    assert (sync.book.bids, sync.book.asks) == venue.at(venue.now)


@pytest.mark.parametrize("style", ["spot", "futures"])
def test_first_diff_after_the_snapshot(style: str) -> None:
    """The venue's rule to the letter: the first diff applied has U <= id + 1 <= u on spot, U <= id <= u on futures."""
    book = ([(99, 1)], [(101, 1)])
    for first, last, expected in [(8, 9, Step.OLD), (9, 10, Step.OLD), (10, 11, Step.APPLIED), (11, 12, Step.APPLIED)]:
        sync = BookSync()
        assert sync.snapshot(snapshot(10, *book)) is Step.LOADED
        assert sync.delta(delta(last, [(98, 1)], prev=first - 1)) is expected
    sync = BookSync()
    sync.snapshot(snapshot(10, *book))
    # Futures: pu may lie far below U, since the venue counts other instruments' updates in between.
    prev = 10 if style == "futures" else 11
    outcome = sync.delta(delta(13, [(98, 1)], prev=prev))
    assert outcome is (Step.APPLIED if style == "futures" else Step.TOO_OLD)
    assert sync.gaps == 0, "the snapshot came before the stream; nothing was lost"
    assert sync.live == (style == "futures")


def test_a_snapshot_older_than_the_buffer_is_refused_until_a_newer_comes() -> None:
    venue, sync = Venue(), BookSync()
    old = full(venue, venue.now)
    venue.updates.append(("b", 99, 7))
    steady(sync, venue, 3)
    assert sync.snapshot(snapshot(*old)) is Step.TOO_OLD
    assert not sync.live
    assert sync.snapshot(snapshot(*full(venue, venue.now - 1))) is Step.LOADED
    assert (sync.book.bids, sync.book.asks) == venue.at(venue.now)


def test_the_diff_that_showed_the_gap_is_kept_for_the_resync() -> None:
    venue, sync = Venue(), BookSync()
    sync.snapshot(snapshot(*full(venue, venue.now)))
    steady(sync, venue, 1)
    venue.updates.append(("b", 99, 50))
    at = venue.now
    prev = venue.now
    venue.updates.append(("a", 101, 60))
    assert sync.delta(venue.diff(prev, venue.now)) is Step.GAP
    assert (sync.live, sync.gaps) == (False, 1)
    assert sync.snapshot(snapshot(*full(venue, at))) is Step.LOADED
    assert (sync.book.bids, sync.book.asks) == venue.at(venue.now)


def test_a_crossed_book_is_thrown_away() -> None:
    sync = BookSync()
    sync.snapshot(snapshot(10, [(99, 1)], [(101, 1)]))
    assert sync.delta(delta(11, [(101, 4)])) is Step.CROSSED
    assert not sync.live
    assert not sync.book.bids


def test_deeper_snapshot_widens_without_a_resync() -> None:
    venue, sync = Venue(), BookSync()
    sync.snapshot(snapshot(*full(venue, venue.now, 5)))
    assert (sync.low, sync.high) == (95, 105)
    at = venue.now
    steady(sync, venue, 10)
    assert sync.snapshot(snapshot(*full(venue, at, 25))) is Step.MERGED
    assert (sync.low, sync.high, sync.resyncs, sync.gaps) == (75, 125, 1, 0)
    bids, asks = venue.at(venue.now)
    assert sync.book.bids == {p: q for p, q in bids.items() if p >= 75}
    assert sync.book.asks == {p: q for p, q in asks.items() if p <= 125}


def test_a_shallower_snapshot_does_not_narrow_the_known_range() -> None:
    venue, sync = Venue(), BookSync()
    sync.snapshot(snapshot(*full(venue, venue.now, 25)))
    steady(sync, venue, 4)
    before = dict(sync.book.bids)
    assert sync.snapshot(snapshot(*full(venue, venue.now, 5))) is Step.MERGED
    assert (sync.low, sync.high) == (75, 125)
    assert sync.book.bids == before


def test_deeper_snapshot_from_the_future_waits_for_its_diff() -> None:
    venue, sync = Venue(), BookSync()
    sync.snapshot(snapshot(*full(venue, venue.now, 5)))
    prev = venue.now
    venue.updates += [("b", 80, 9), ("a", 101, 0)]
    ahead = full(venue, venue.now, 28)
    assert sync.snapshot(snapshot(*ahead)) is Step.HELD
    assert (sync.low, sync.high) == (95, 105)
    venue.updates.append(("a", 102, 33))
    sync.delta(venue.diff(prev, venue.now))
    assert sync.live
    assert (sync.low, sync.high) == (min(ahead[1])[0], max(ahead[2])[0])
    bids, asks = venue.at(venue.now)
    assert sync.book.bids == {p: q for p, q in bids.items() if p >= sync.low}
    assert sync.book.asks == {p: q for p, q in asks.items() if p <= sync.high}


def test_a_snapshot_that_contradicts_the_book_stops_it() -> None:
    venue, sync = Venue(), BookSync()
    sync.snapshot(snapshot(*full(venue, venue.now, 10)))
    at, bids, asks = full(venue, venue.now, 20)
    assert sync.snapshot(snapshot(at, [(99, 77), *bids[1:]], asks)) is Step.DIFFERS
    assert not sync.live
    assert sync.gaps == 1


def test_a_merge_beyond_what_is_remembered_is_refused_and_harms_nothing() -> None:
    venue, sync = Venue(), BookSync()
    sync.snapshot(snapshot(*full(venue, venue.now, 25)))
    at = full(venue, venue.now, 30)
    steady(sync, venue, RECENT + 1, 1)
    before = dict(sync.book.bids)
    assert sync.snapshot(snapshot(*at)) is Step.TOO_OLD
    assert sync.live
    assert sync.book.bids == before


def test_waiting_for_a_snapshot_takes_bounded_memory() -> None:
    sync = BookSync()
    for number in range(BUFFER + 10):
        sync.delta(delta(number + 1, [(99, number + 1)]))
    assert len(sync._buffer) == BUFFER
    assert sync.snapshot(snapshot(5, [(99, 1)], [(101, 1)])) is Step.TOO_OLD
    assert sync.snapshot(snapshot(10, [(99, 10)], [(101, 1)])) is Step.LOADED
    assert sync.book.update_id == BUFFER + 10


@pytest.mark.parametrize("entry", MARKET_FILES[::2], ids=lambda entry: entry[1].split("/")[0])
def test_recorded_book_equals_the_naive_one(entry: tuple, recordings: Path) -> None:
    """The whole book, every level, after many recorded diffs, against the text book of the recorded exchange."""
    market, name, symbol, price_decimals, size_decimals = entry
    instrument = guess(market, symbol, price_decimals, size_decimals)
    codec = Codec(market, [instrument])
    tape = load_tape(recordings / name, limit_s=40)
    history = OracleHistory(tape, Instrument(tape.instruments[0].market, symbol))
    sync = BookSync()
    applied = 0
    for _, message in frames(recordings / name, 20_000):
        if message.startswith(b'{"lastUpdateId"'):
            taken = codec.snapshot(symbol, message)
            assert sync.snapshot(taken) is Step.LOADED
            continue
        event = codec.decode(message)[0]
        if not isinstance(event, BookDelta) or sync.delta(event) is not Step.APPLIED:
            continue
        applied += 1
        if applied % 60 == 0 and applied <= 300:
            naive = history.at(event.last_id)
            assert naive.update_id == event.last_id
            bids, asks = sync.book.top(1_000_000)
            for ours, theirs in ((bids, naive.levels()[0]), (asks, naive.levels()[1])):
                assert [(int(p.scaleb(price_decimals)), int(q.scaleb(size_decimals))) for p, q in theirs] == ours
        if applied > 300:
            break
    assert applied > 200
    assert (sync.gaps, sync.resyncs) == (0, 1)
