"""The recorder: what went in comes out of a replay, and a full disk costs nothing that fits."""

from __future__ import annotations

import asyncio
import gzip
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from engine.digest import state_hash
from engine.ingestion import envelope
from engine.ingestion import recorder as recorder_module
from engine.ingestion.binance import PREFIX, Codec
from engine.ingestion.envelope import Note
from engine.ingestion.markets import SPOT
from engine.ingestion.recorder import Recorder
from engine.ingestion.symbols import guess
from engine.replay import Recording, Replay
from engine.types import FeedLost, FeedUp, InstrumentListed, Record
from tests.engine.support import BTC, ETH, T0, Driver, frames

NOW = T0 * 10**9


def recorder(folder: Path) -> Recorder:
    made = Recorder(folder, lambda: NOW)
    made.open(BTC)
    return made


def path_of(made: Recorder) -> Path:
    return made._tracks[BTC.key].path


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.gz"))


def lines(path: Path) -> list[bytes]:
    return gzip.decompress(path.read_bytes()).splitlines()


async def test_one_file_per_market_and_symbol_in_members_that_are_whole(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    made.open(ETH)
    for second in range(3):
        for number in range(4):
            made.frame(BTC.key, NOW + 10 * second + number, b'{"n":%d}' % number)
        await made.flush()
        assert len(lines(path_of(made))) == 4 * (second + 1)
    made.frame(ETH.key, NOW, b"{}")
    made.frame("binance:SOL/USDT", NOW, b"{}")
    await made.close(NOW + 99)
    assert [p.relative_to(tmp_path).as_posix() for p in files(tmp_path)] == [
        f"binance/btcusdt_{T0}.gz",
        f"binance/ethusdt_{T0}.gz",
    ]
    found = lines(path_of(made))
    assert found[:2] == [b'%d {"n":0}' % NOW, b'%d {"n":1}' % (NOW + 1)]
    assert found[-1].startswith(b"%d " % (NOW + 99))
    assert envelope.decode(found[-1].partition(b" ")[2]).e == "end"
    view = made.view()
    assert (view.lost_lines, view.error) == (0, "")
    assert view.bytes_written == sum(p.stat().st_size for p in files(tmp_path))


async def test_what_was_recorded_replays_to_the_same_state(tmp_path: Path, recordings: Path) -> None:
    """Recorded frames, a listing, connection events and a snapshot: live path and replay end in the same state."""
    instrument = guess(SPOT, "BTCUSDT", 2, 8)
    entry = (
        b'{"symbols":[{"symbol":"BTCUSDT","baseAsset":"BTC","quoteAsset":"USDT","baseAssetPrecision":8,'
        b'"filters":[{"filterType":"PRICE_FILTER","tickSize":"0.01000000"}]}]}'
    )
    codec = Codec(SPOT, [instrument])
    made = Recorder(tmp_path, lambda: NOW)
    made.open(instrument)
    driver = Driver()
    taken = list(frames(recordings / "spot/btcusdt_20240808.gz", 6000))
    first = taken[0][0]

    def live(stamp: int, source: str, event: object, frame: bytes, note: Note | None = None) -> None:
        driver.until(stamp)
        driver.apply(stamp, source, event, frame)  # type: ignore[arg-type]
        if note is not None:
            made.note([instrument.key], stamp, note)
        else:
            made.frame(instrument.key, stamp, frame)

    info = Note(e="exchangeInfo", source="binance", symbol="BTCUSDT", trade_stream="trade", body=msgspec.Raw(entry))
    listed = InstrumentListed(instrument=instrument, trade_stream="trade")
    live(first - 3000, "binance:rest", listed, b"", info)
    up = FeedUp(source="binance")
    live(first - 2000, "binance", up, b"", envelope.of_event(up))
    for number, (stamp, frame) in enumerate(taken):
        if number == 3000:
            lost = FeedLost(source="binance", reason="test")
            live(stamp - 2, "binance", lost, b"", envelope.of_event(lost))
            live(stamp - 1, "binance", up, b"", envelope.of_event(up))
        if frame.startswith(PREFIX):
            event, source = codec.decode(frame)
            live(stamp, source, event, frame)
        else:
            live(stamp, "binance:rest", codec.snapshot("BTCUSDT", frame), frame)
        if number % 1000 == 0:
            await made.flush()
    await made.close(taken[-1][0] + 1)
    seen: list[Record] = []
    replay = Replay(Recording([tmp_path]), observer=lambda record, _: seen.append(record))
    replay.run()
    assert replay.refusals.count == 0
    assert replay.recording.notes() == []
    assert sum(bool(record.frame) for record in seen if record.source != "timer") >= 6000
    assert state_hash(replay.state) == state_hash(driver.state)


async def test_line_breaks_in_frames_harm_no_line(tmp_path: Path) -> None:
    """In a message that was understood they are white space; one that was refused is kept byte for byte."""
    made = recorder(tmp_path)
    understood = [b'{"x":\n1}', b'{\r\n"x":1}\n', b'\n\n{"x":1}']
    refused = [b"a\nb", b"\r", b"\n" * 5, b"1 2\n3 {}\n", b"\xff\x00"]
    for number, frame in enumerate(understood):
        made.frame(BTC.key, NOW + number, frame)
    for number, frame in enumerate(refused):
        made.note([BTC.key], NOW + 10 + number, envelope.garbage(frame))
        made.frame(BTC.key, NOW + 20 + number, b'{"ok":1}')
    await made.close(NOW + 99)
    messages = [line.partition(b" ")[2] for line in lines(path_of(made))]
    assert len(messages) == len(understood) + 2 * len(refused) + 1
    assert [msgspec.json.decode(message) for message in messages[:3]] == [{"x": 1}] * 3
    assert messages[4:-1:2] == [b'{"ok":1}'] * len(refused)
    for message, frame in zip(messages[3:-1:2], refused, strict=True):
        assert bytes(envelope.decode(message).body) == bytes(envelope.garbage(frame).body)


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes: the write fails part of the way, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)


def noise(number: int) -> bytes:
    """A frame that does not compress well."""
    return b'{"n":%d,"x":"%s"}' % (number, bytes.hex((number * 2**200 // 997).to_bytes(40, "big")).encode())


@pytest.mark.parametrize("room", [0, 1, 50, 3000])
async def test_a_full_disk_loses_nothing_and_leaves_the_file_whole(room: int, tmp_path: Path) -> None:
    made = recorder(tmp_path)
    written = [noise(number) for number in range(900)]
    for number, frame in enumerate(written[:300]):
        made.frame(BTC.key, NOW + number, frame)
    await made.flush()
    size = path_of(made).stat().st_size
    for number, frame in enumerate(written[300:600], 300):
        made.frame(BTC.key, NOW + number, frame)
    with disk_of(size + room):
        await made.flush()
        assert "File too large" in made.view().error
        await made.flush()
    assert path_of(made).stat().st_size == size
    assert len(lines(path_of(made))) == 300
    for number, frame in enumerate(written[600:], 600):
        made.frame(BTC.key, NOW + number, frame)
    await made.close(NOW + 1000)
    assert made.view().error == ""
    assert made.view().lost_lines == 0
    assert lines(path_of(made))[:-1] == [b"%d %s" % (NOW + n, frame) for n, frame in enumerate(written)]


async def test_a_disk_that_stays_full_takes_bounded_memory_and_the_loss_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "HELD", 5000)
    made = recorder(tmp_path)
    with disk_of(0):
        for number in range(500):
            made.frame(BTC.key, NOW + number, noise(number))
            if number % 50 == 0:
                await made.flush()
    track = made._tracks[BTC.key]
    assert sum(map(len, track.pending)) <= 5000 + 200
    lost = made.view().lost_lines
    assert lost > 300
    await made.close(NOW + 999)
    kept = lines(path_of(made))
    assert len([line for line in kept if b'"n":' in line]) == 500 - lost
    assert made._tracks[BTC.key].held == 0


async def test_a_folder_that_cannot_be_made_is_an_error_not_an_end(tmp_path: Path) -> None:
    (tmp_path / "binance").write_bytes(b"a file where a folder should be")
    made = recorder(tmp_path)
    made.frame(BTC.key, NOW, b"{}")
    await made.flush()
    assert "binance" in made.view().error
    (tmp_path / "binance").unlink()
    await made.flush()
    assert made.view().error == ""
    assert lines(path_of(made)) == [b"%d {}" % NOW]


async def test_stopping_in_the_middle_of_a_write_keeps_every_line_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task that writes once a second is cancelled at the end; what it was writing must not be overtaken."""
    made = recorder(tmp_path)
    pack = gzip.compress
    slow = [0.3]

    def compress(data: bytes, level: int) -> bytes:
        if slow:
            time.sleep(slow.pop())
        return pack(data, level)

    monkeypatch.setattr(gzip, "compress", compress)
    made.frame(BTC.key, NOW, b'{"n":1}')
    writing = asyncio.create_task(made.flush())
    await asyncio.sleep(0.05)
    made.frame(BTC.key, NOW + 1, b'{"n":2}')
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await made.close(NOW + 2)
    await asyncio.sleep(0.4)
    stamps = [int(line.partition(b" ")[0]) for line in lines(path_of(made))]
    assert stamps == [NOW, NOW + 1, NOW + 2]


async def test_nothing_is_taken_after_the_end(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    made.frame(BTC.key, NOW, b"{}")
    await made.close(NOW + 1)
    made.frame(BTC.key, NOW + 2, b'{"late":1}')
    await made.close(NOW + 3)
    await made.flush()
    assert len(lines(path_of(made))) == 2


async def test_a_second_run_in_the_same_second_does_not_damage_the_first(tmp_path: Path) -> None:
    first = recorder(tmp_path)
    first.frame(BTC.key, NOW, b'{"run":1}')
    await first.close(NOW + 1)
    second = recorder(tmp_path)
    second.frame(BTC.key, NOW + 5, b'{"run":2}')
    await second.flush()
    with disk_of(path_of(second).stat().st_size):
        second.frame(BTC.key, NOW + 6, b'{"run":2}')
        await second.flush()
    found = b"".join(b"\n".join(lines(path)) for path in files(tmp_path))
    assert b'{"run":1}' in found
    assert b'{"run":2}' in found


async def test_a_failed_first_write_does_not_empty_a_file_that_was_there(tmp_path: Path) -> None:
    first = recorder(tmp_path)
    first.frame(BTC.key, NOW, b'{"run":1}')
    await first.close(NOW + 1)
    size = path_of(first).stat().st_size
    second = recorder(tmp_path)
    second.frame(BTC.key, NOW + 5, b'{"run":2}')
    with disk_of(size):
        await second.flush()
    assert b'{"run":1}' in b"".join(b"\n".join(lines(path)) for path in files(tmp_path))
