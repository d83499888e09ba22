"""Speed, pause, step and seek change when things happen, never what."""

from __future__ import annotations

import asyncio
import gzip
from math import inf
from pathlib import Path

import pytest

from engine.digest import state_hash
from engine.errors import RecordingUnusable
from engine.player import Player
from engine.replay import Recording, Replay
from engine.types import SECOND
from tests.support.exchange import run_virtual

KEY = "binance:BTC/USDT"


@pytest.fixture(scope="module")
def clip(recordings_root_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 3,000 lines of both spot symbols (about 40 s), in files that live as long as the tests."""
    folder = tmp_path_factory.mktemp("clip")
    for symbol in ("btcusdt", "ethusdt"):
        source = recordings_root_path / "hftbacktest-binance-ws" / "spot" / f"{symbol}_20240808.gz"
        with gzip.open(source) as lines:
            (folder / f"{symbol}.jsonl").write_bytes(
                b"".join(line for line, _ in zip(lines, range(3000), strict=False))
            )
    return folder


def straight(clip: Path) -> str:
    replay = Replay(Recording([clip]))
    replay.run()
    return state_hash(replay.state)


async def test_hash_is_the_same_at_any_speed(clip: Path) -> None:
    expected = straight(clip)
    for speed in (100.0, inf):
        replay = Replay(Recording([clip]))
        await Player(replay, speed).play()
        assert state_hash(replay.state) == expected


def test_speed_is_kept(clip: Path) -> None:
    async def main() -> None:
        replay = Replay(Recording([clip]))
        player = Player(replay, 10.0)
        playing = asyncio.create_task(player.play())
        await asyncio.sleep(0.5)
        played = (replay.position - replay.recording.start) / SECOND
        playing.cancel()
        assert 4.5 < played <= 5.0

    run_virtual(main)


async def test_pause_step_and_resume(clip: Path) -> None:
    replay = Replay(Recording([clip]))
    player = Player(replay, inf)
    player.pause()
    playing = asyncio.create_task(player.play())
    await asyncio.sleep(0.01)
    assert replay.messages == 0
    player.step(3)
    await asyncio.sleep(0.01)
    assert replay.messages == 3
    player.resume()
    await playing
    assert state_hash(replay.state) == straight(clip)


def test_seek_forwards_and_back_gives_the_state_of_a_straight_replay(clip: Path) -> None:
    recording = Recording([clip])
    points = [recording.start + seconds * SECOND for seconds in (20, 5, 12, 12, 25)]
    sought = Replay(recording)
    for point in points:
        sought.seek(point)
        fresh = Replay(Recording([clip]))
        fresh.run(until=point)
        assert state_hash(sought.state) == state_hash(fresh.state)
        assert sought.position <= point
    sought.run()
    assert state_hash(sought.state) == straight(clip)


def test_seek_outside_says_what_there_is(clip: Path) -> None:
    replay = Replay(Recording([clip]))
    with pytest.raises(RecordingUnusable, match=r"from 2024-08-08T23:54:13\.937Z"):
        replay.seek(replay.recording.start - 1)
    with pytest.raises(RecordingUnusable, match=r"to 2024-08-08T23:54"):
        replay.seek(replay.recording.start + 3600 * SECOND)


def test_dropping_any_one_applied_record_changes_the_hash(clip: Path, tmp_path: Path) -> None:
    lines = (clip / "btcusdt.jsonl").read_bytes().splitlines(keepends=True)
    expected = straight_of(lines, tmp_path)
    kinds = {b"@depth": 0, b"@trade": 0, b"@bookTicker": 0, b'{"lastUpdateId"': 0}
    for place, line in enumerate(lines):
        kind = next(kind for kind in kinds if kind in line[:60])
        kinds[kind] += 1
        # Each kind at its beginning, and a regular sample after it; the whole set is the same test, only longer.
        if kinds[kind] > 3 and place % 83:
            continue
        assert straight_of(lines[:place] + lines[place + 1 :], tmp_path) != expected, line[:80]
    assert all(kinds.values())


def straight_of(lines: list[bytes], folder: Path) -> str:
    path = folder / "one.jsonl"
    path.write_bytes(b"".join(lines))
    replay = Replay(Recording([path]))
    replay.run()
    return state_hash(replay.state)


def test_a_torn_tail_is_skipped_and_said(clip: Path, tmp_path: Path) -> None:
    whole = (clip / "btcusdt.jsonl").read_bytes()
    packed = b"".join(gzip.compress(line) for line in whole.splitlines(keepends=True)[:200])
    torn = tmp_path / "torn.gz"
    torn.write_bytes(packed[:-40])
    replay = Replay(Recording([torn]))
    assert replay.run() == 199
    assert any("torn tail" in note for note in replay.recording.notes())


def test_a_recording_without_snapshot_never_shows_a_book(recordings_root_path: Path) -> None:
    path = recordings_root_path / "hftbacktest-binance-ws" / "spot" / "btcusdt_20240809.gz"
    replay = Replay(Recording([path]))
    replay.run(limit=5000)
    market = replay.state.markets[KEY]
    assert not market.sync.live
    assert market.sync.book.best_bid == 0
    assert market.counters.depth_updates > 0
    assert market.bars.closed["1s"]
