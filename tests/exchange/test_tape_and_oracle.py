"""The recording as it is loaded, and the naive book."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.exchange import Instrument, OracleHistory, Tape, load_tape
from tests.support.exchange.oracle import SequenceBroken, opening_book

BTC = Instrument("spot", "BTCUSDT")


def test_spot_tape(spot: Tape) -> None:
    assert spot.instruments == [BTC, Instrument("spot", "ETHUSDT")]
    assert len(spot.frames) + len(spot.prelude) == 41249 + 58325 + 33618 + 46126 - 2
    assert {frame.kind for frame in spot.frames} == {"depth", "trade", "bookTicker"}
    times = [frame.tape_ns for frame in spot.frames]
    assert times == sorted(times)
    assert all(frame.tape_ns >= frame.event_ms * 1_000_000 for frame in spot.frames)
    assert 640e9 < spot.end_ns - spot.start_ns < 660e9


def test_futures_tapes(usdm: Tape, coinm: Tape) -> None:
    assert usdm.instruments == [Instrument("usdm", "BTCUSDT"), Instrument("usdm", "ETHUSDT")]
    assert coinm.instruments == [Instrument("coinm", "BTCUSD_PERP"), Instrument("coinm", "ETHUSD_PERP")]
    assert 60e9 < usdm.end_ns - usdm.start_ns <= 65e9


def test_limit_and_symbols(recordings: Path) -> None:
    tape = load_tape(recordings / "spot", symbols=["btcusdt"], limit_s=5)
    assert tape.instruments == [BTC]
    assert tape.end_ns - tape.start_ns <= 5e9
    with pytest.raises(ValueError, match="no recorded depth"):
        load_tape(recordings / "spot", symbols=["XRPUSDT"])


@pytest.mark.alone
def test_loads_quickly(recordings: Path) -> None:
    begun = time.perf_counter()
    load_tape(recordings / "spot")
    assert time.perf_counter() - begun < 4


@pytest.mark.parametrize("market", ["spot", "usdm", "coinm"])
def test_book_follows_the_whole_tape(market: str, request: pytest.FixtureRequest) -> None:
    tape: Tape = request.getfixturevalue(market)
    for instrument in tape.instruments:
        book = opening_book(tape, instrument)
        for count, frame in enumerate(f for f in tape.frames if f.instrument == instrument and f.kind == "depth"):
            book.apply(frame)
            if count % 200 == 0:
                bids, asks = book.levels(1)
                assert bids[0][0] < asks[0][0]


def test_a_gap_is_noticed(spot: Tape) -> None:
    book = opening_book(spot, BTC)
    diffs = [f for f in spot.frames if f.instrument == BTC and f.kind == "depth"]
    book.apply(diffs[0])
    with pytest.raises(SequenceBroken):
        book.apply(diffs[2])


def test_history(spot: Tape) -> None:
    history = OracleHistory(spot, BTC)
    diffs = [f for f in spot.frames if f.instrument == BTC and f.kind == "depth"]
    far = history.at(diffs[300].last_id).copy()
    near = history.at(diffs[100].last_id).copy()
    assert near.update_id == diffs[100].last_id
    for frame in diffs[101:301]:
        near.apply(frame)
    assert near.levels() == far.levels()
    again = history.at(diffs[300].last_id + spot.spans[BTC].book_id)
    assert again.levels() == far.levels()
    assert again.update_id == far.update_id + spot.spans[BTC].book_id
    joined = history.joined(diffs[100].last_id, 1000, diffs[300].last_id)
    assert joined.levels(20) == far.levels(20)
    assert len(joined.bids) < len(far.bids)
    older = history.before(diffs[50].first_id)
    assert older is not None
    assert older.update_id == diffs[47].last_id
