"""Where timers stand among the records: the rule itself, and that engine and replay place them alike."""

from __future__ import annotations

import asyncio
import gzip
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ingestion.binance import Codec
from engine.ingestion.markets import SPOT
from engine.replay import Recording, Replay
from engine.runtime import Engine
from engine.state import EngineState
from engine.timers import LONGEST_SILENCE, TENTH, Timers
from engine.types import MS, SECOND, Record, TimerFired
from tests.engine.support import BTC, T0
from tests.support.exchange import now_ns, run_virtual
from tests.support.virtual_clock import VirtualClock

START = T0 * SECOND
GAPS = st.one_of(
    st.integers(1, 3 * TENTH),
    st.sampled_from([TENTH, 2 * TENTH, 1, TENTH - 1, TENTH + 1, LONGEST_SILENCE, LONGEST_SILENCE + TENTH]),
    st.integers(SECOND, 200 * SECOND),
)


@given(st.integers(0, TENTH), st.lists(GAPS, min_size=1, max_size=30))
def test_boundaries_are_tenths_in_order_before_the_first_later_record(offset: int, gaps: list[int]) -> None:
    timers, stamp, last = Timers(), START + offset, 0
    assert list(timers.before(stamp)) == []
    for gap in gaps:
        before, stamp = stamp, stamp + gap
        found = list(timers.before(stamp))
        assert all(boundary % TENTH == 0 for boundary in found)
        assert all(before <= boundary < stamp for boundary in found)
        for boundary in found:
            assert boundary > last
            last = boundary
        if gap <= LONGEST_SILENCE:
            first = -(-before // TENTH) * TENTH
            assert found == list(range(first, stamp, TENTH))
        else:
            assert 0 < len(found) <= LONGEST_SILENCE // TENTH
        assert timers.next >= stamp
        assert timers.next - stamp < TENTH


@pytest.mark.parametrize("gap", [LONGEST_SILENCE + 2 * TENTH, 86_400 * SECOND, 10**18])
def test_a_long_silence_is_crossed_in_bounded_work(gap: int) -> None:
    timers = Timers()
    assert list(timers.before(START)) == []
    found = []
    for boundary in timers.before(START + gap):
        found.append(boundary)
        assert len(found) <= LONGEST_SILENCE // TENTH
    assert found == list(range(START, START + len(found) * TENTH, TENTH))
    assert list(timers.before(START + gap + 1)) in ([], [START + gap])


def frame(number: int, stamp: int) -> bytes:
    body = (
        f'"e":"trade","E":{stamp // MS},"s":"BTCUSDT","t":{number},"p":"60000.01","q":"0.00100"'
        f',"T":{stamp // MS},"m":true,"M":true'
    )
    return ('{"stream":"btcusdt@trade","data":{' + body + "}}").encode()


class Places:
    """The order of records and timers."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    def __call__(self, record: Record, state: EngineState) -> None:
        self.seen.append(("timer" if isinstance(record.event, TimerFired) else "record", record.ts_recv))


def replayed(folder: Path, lines: list[tuple[int, bytes]], end: int) -> Places:
    path = folder / "btcusdt_20240809.gz"
    text = [b"%d %s\n" % line for line in lines]
    text.append(b'%d {"stream":"!tradetui","data":{"e":"end"}}\n' % end)
    path.write_bytes(gzip.compress(b"".join(text)))
    places = Places()
    replay = Replay(Recording([path]), observer=places)
    places.seen.clear()
    replay.run()
    return places


def stamps_of(seed: int, count: int, longest: int) -> list[int]:
    dice, stamps = random.Random(seed), [START + 33 * MS]
    for _ in range(count):
        gap = dice.choice([1, MS, TENTH, dice.randint(1, 3 * TENTH), dice.randint(1, longest)])
        stamps.append(stamps[-1] + gap)
        if dice.random() < 0.4:
            stamps.append(-(-(stamps[-1] + 1) // TENTH) * TENTH)  # on a boundary
    return stamps


class Stamps:
    """A clock that stands at the last stamp given out."""

    def __init__(self, end: int) -> None:
        self.end = end

    def now(self) -> int:
        return self.end

    def stamp(self) -> int:
        return self.end

    def pass_by(self, boundary: int) -> None:
        raise AssertionError(boundary)


@pytest.mark.parametrize("seed", range(4))
async def test_the_same_stamps_give_the_same_places(seed: int, tmp_path: Path) -> None:
    """The queue of the engine against a replay, crossings of long silences included."""
    lines = [(at, frame(number, at)) for number, at in enumerate(stamps_of(seed, 60, 100 * SECOND))]
    end = lines[-1][0] + 150 * MS
    expected = replayed(tmp_path, lines, end).seen
    places, codec = Places(), Codec(SPOT, [BTC])
    engine = Engine(Stamps(end), observer=places)
    for at, text in lines:
        engine.deliver(at, "binance", codec.decode(text)[0], text)
    await engine._finish()
    assert places.seen == expected
    assert len([place for place in expected if place[0] == "record"]) == len(lines)
    assert [place for place in expected if place[0] == "timer" and ("record", place[1]) in expected]


@pytest.mark.parametrize("seed", range(3))
def test_a_waiting_engine_places_timers_as_its_replay_does(seed: int, tmp_path: Path) -> None:
    """The pump fires by its clock, before it knows what comes; the recording must tell the same places."""
    places, codec, lines, ends = Places(), Codec(SPOT, [BTC]), [], []
    wanted = stamps_of(seed, 80, 2 * SECOND)

    class Clock(VirtualClock):
        def stamp(self) -> int:
            ends.append(super().stamp())
            return ends[-1]

    async def main() -> None:
        engine = Engine(Clock(), observer=places)
        stop = asyncio.Event()
        running = asyncio.create_task(engine.run(stop))
        for number, at in enumerate(wanted):
            await asyncio.sleep((at - now_ns()) / SECOND)
            stamp = engine.stamp()
            text = frame(number, stamp)
            lines.append((stamp, text))
            engine.deliver(stamp, "binance", codec.decode(text)[0], text)
        stop.set()
        await running

    run_virtual(main, start_ns=START)
    assert places.seen == replayed(tmp_path, lines, ends[-1]).seen
    assert len(lines) == len(wanted)
