"""A recording of an engine that traded, replayed: through silences, pauses, several sessions, and what is damaged."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from engine.digest import state_hash
from engine.execution.account import Account
from engine.execution.settings import TradingSettings
from engine.ingestion import envelope
from engine.ingestion.binance import PREFIX, Codec
from engine.ingestion.envelope import Note
from engine.ingestion.markets import SPOT
from engine.ingestion.recorder import Recorder
from engine.ingestion.symbols import guess
from engine.operator import Arm, OperatorAsked, OperatorCommand, PlaceOrder, Who
from engine.orders import ConditionChanged, OrderFilled, Side
from engine.replay import Recording, Replay
from engine.risk.limits import RiskSettings
from engine.runtime import Engine
from engine.trading.recall import image, recall
from engine.types import SECOND, Event, FeedLost, FeedUp, Record
from tests.engine.support import frames
from tests.engine.trading.books import WIDE

SYMBOL = guess(SPOT, "BTCUSDT", 2, 8)
ENTRY = (
    b'{"symbols":[{"symbol":"BTCUSDT","baseAsset":"BTC","quoteAsset":"USDT","baseAssetPrecision":8,'
    b'"filters":[{"filterType":"PRICE_FILTER","tickSize":"0.01000000"}]}]}'
)
TENTH = SECOND // 10


class Hands:
    """A clock that is set by hand."""

    steps = 0

    def __init__(self, time: int) -> None:
        self.time = self.last = time

    def now(self) -> int:
        return self.time

    def stamp(self) -> int:
        self.last = max(self.time, self.last + 1)
        return self.last

    def pass_by(self, boundary: int) -> None:
        self.last = max(self.last, boundary)


class Session:
    """An engine that records, from its start to its end; what is received comes out of a recording, later."""

    def __init__(self, tape: Path, source: Path, *, skip: int = 0, later: int = 0, image: bytes | None = None) -> None:
        self.lines = list(frames(source, skip + 1500))[skip:]
        self.codec = Codec(SPOT, [SYMBOL])
        self.later = later
        self.clock = Hands(self.lines[0][0] + later - 5 * SECOND)
        account = Account(TradingSettings(), RiskSettings(limits=WIDE), prefix=f"s{later // SECOND}")
        self.commands: list[object] = []
        self.engine = Engine(self.clock, recorder=Recorder(tape, self.clock.now), account=account)
        if image is not None:
            recall(self.engine.state, account, image, (), self.clock.time)
        self.engine.take_up()
        self.asks(Arm(word="PAPER"))
        told = Note(e="exchangeInfo", symbol="BTCUSDT", trade_stream="trade", body=msgspec.Raw(ENTRY))
        found = envelope.to_event(told, self.codec, "BTCUSDT")
        assert found is not None
        self.hears("binance:rest", found[0], told)
        self.hears("binance", up := FeedUp(source="binance"), envelope.of_event(up))
        self.place = 0

    @property
    def account(self) -> Account:
        assert self.engine.state.account is not None
        return self.engine.state.account

    def hears(self, source: str, event: Event, note: Note | None = None, frame: bytes = b"") -> None:
        self.engine.deliver(self.clock.stamp(), source, event, frame, [SYMBOL.key], note)
        self.engine._drain(256)

    def plays(self, count: int) -> None:
        """The next lines, each at its time."""
        for stamp, frame in self.lines[self.place : self.place + count]:
            self.waits(until=stamp + self.later)
            if frame.startswith(PREFIX):
                event, source = self.codec.decode(frame)
                self.hears(source, event, frame=frame)
            else:
                self.hears("binance:rest", self.codec.snapshot("BTCUSDT", frame), frame=frame)
        self.place += count

    def waits(self, seconds: float = 0.0, *, until: int = 0) -> None:
        """Time passes, and with it timers, as the pump has them pass."""
        until = until or self.clock.time + int(seconds * SECOND)
        while self.engine._timers.next and self.engine._timers.next < until:
            self.clock.time = max(self.clock.time, self.engine._timers.next + 1)
            self.clock.pass_by(self.clock.time)
            self.engine._fire(self.clock.time)
        self.clock.time = max(self.clock.time, until)

    def asks(self, command: OperatorCommand) -> None:
        self.engine.tell(OperatorAsked(id=1, who=Who(), command=command))
        self.engine._drain(256)

    def buys(self, **more: float) -> None:
        order = PlaceOrder(symbol=SYMBOL.key, side=Side.BUY, quantity="0.01", **more)  # type: ignore[arg-type]
        self.asks(order)

    async def ends(self) -> str:
        await self.engine._finish()
        return self.engine.final_hash


@pytest.fixture
def source(recordings: Path) -> Path:
    return recordings / "spot/btcusdt_20240808.gz"


def replayed(tape: Path) -> Replay:
    fills: list[Record] = []

    def see(record: Record, _state: object) -> None:
        if isinstance(record.event, OrderFilled):
            fills.append(record)

    replay = Replay(Recording([tape]), observer=see)
    replay.run()
    assert replay.refusals.count == 0, replay.refusals.reasons
    return replay


@pytest.mark.parametrize("silent", [20, 70, 200])
async def test_what_time_brings_in_a_silence_is_brought_again(silent: int, source: Path, tmp_path: Path) -> None:
    session = Session(tmp_path, source)
    session.plays(600)
    session.buys(time_stop_s=0.7 * silent)
    session.plays(200)
    assert session.account.quantity(SYMBOL.key)
    session.later += silent * SECOND
    session.plays(400)
    assert not session.account.quantity(SYMBOL.key), "the time stop has closed it, in the silence"
    expected = await session.ends()
    assert state_hash(replayed(tmp_path).state) == expected


@pytest.mark.parametrize("stopped", [30, 55, 61, 300])
@pytest.mark.parametrize("silent", [0, 25, 50])
async def test_an_engine_that_was_stopped_stands_still_in_the_replay(
    stopped: int, silent: int, source: Path, tmp_path: Path
) -> None:
    session = Session(tmp_path, source)
    session.plays(600)
    session.buys(time_stop_s=20.0 + silent)
    session.plays(200)
    session.later += (stopped + 2 * silent) * SECOND
    session.waits(silent)
    session.clock.time += stopped * SECOND  # nobody is there to see the time pass
    session.waits(silent)
    session.plays(400)
    expected = await session.ends()
    assert state_hash(replayed(tmp_path).state) == expected


async def test_each_session_begins_as_its_engine_began(source: Path, tmp_path: Path) -> None:
    first = Session(tmp_path, source)
    first.plays(600)
    first.buys()
    first.plays(200)
    await first.ends()
    left = msgspec.json.encode(image(first.account))
    second = Session(tmp_path, source, skip=1000, later=3600 * SECOND, image=left)
    second.buys()  # its own book is not known yet
    second.plays(800)
    expected = await second.ends()
    replay = replayed(tmp_path)
    assert replay.state.account is not None
    assert replay.state.account.ledgers == second.account.ledgers
    assert state_hash(replay.state) == expected
    replay.seek(replay.recording.start + 5 * SECOND)
    replay.run()
    assert state_hash(replay.state) == expected


async def test_what_an_account_began_with_is_valued_then(source: Path, tmp_path: Path) -> None:
    """What a position that was held gains, or loses, in the recording is no part of what the account began with."""
    first = Session(tmp_path / "first", source)
    first.plays(600)
    first.buys()
    first.plays(200)
    await first.ends()
    left = msgspec.json.encode(image(first.account))
    second = Session(tmp_path / "second", source, skip=0, later=3600 * SECOND, image=left)
    while second.account.equity is None:
        second.plays(1)
    begun = second.account.equity
    second.plays(1400)
    second.waits(1)
    end = second.account.equity
    await second.ends()
    replay = replayed(tmp_path / "second")
    assert replay.begun is not None
    assert replay.begun.equity is not None
    assert end != begun
    assert replay.begun.equity == begun


async def test_engines_that_traded_at_the_same_time_are_replayed_without_trading(source: Path, tmp_path: Path) -> None:
    for folder, later in (("one", 0), ("two", SECOND)):
        session = Session(tmp_path / folder, source, later=later)
        session.plays(900)
        session.buys()
        session.plays(100)
        await session.ends()
    recording = Recording([tmp_path])
    replay = Replay(recording)
    replay.run()
    assert not replay.traded
    assert replay.state.account is None
    assert any("at the same time" in note for note in recording.notes())


def rewritten(tape: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    (path,) = tape.glob("trading_*.gz")
    path.write_bytes(gzip.compress(b"".join(change(gzip.decompress(path.read_bytes()).splitlines(keepends=True)))))


async def test_a_session_whose_account_is_damaged_is_not_traded_on_another(source: Path, tmp_path: Path) -> None:
    first = Session(tmp_path / "first", source)
    first.plays(600)
    first.buys()
    first.plays(100)
    await first.ends()
    second = Session(tmp_path / "second", source, later=3600 * SECOND)
    second.plays(600)
    second.buys()
    second.plays(100)
    await second.ends()
    rewritten(tmp_path / "second", lambda lines: [lines[0].replace(b'"prefix"', b'"prefax"'), *lines[1:]])
    replay = Replay(Recording([tmp_path]))
    replay.run()
    assert replay.refusals.count == 1
    assert replay.state.account is None


@pytest.mark.parametrize("value", [b"99999999999999999999999999", b"9000000000000000000", b"-5", b'"x"', b"1e30"])
@pytest.mark.parametrize("name", [b'"ts":', b'"timers":'])
async def test_times_that_are_none_are_refused(name: bytes, value: bytes, source: Path, tmp_path: Path) -> None:
    session = Session(tmp_path, source)
    session.plays(600)
    session.buys()
    session.plays(100)
    await session.ends()

    def change(lines: list[bytes]) -> list[bytes]:
        place = next(number for number, line in enumerate(lines) if b'"side"' in line)
        head, _, rest = lines[place].partition(name)
        end = min(found for found in (rest.find(b","), rest.find(b"}")) if found >= 0)
        lines[place] = head + name + value + rest[end:]
        return lines

    rewritten(tmp_path, change)
    replay = Replay(Recording([tmp_path]))
    replay.run()
    assert replay.refusals.count == 1
    assert replay.state.account is not None
    assert not replay.state.account.orders.by_id
    assert replay._timers.next < replay.position + SECOND


@pytest.mark.parametrize(
    ("whole", "torn"),
    [
        (b'"balances":{"USDT":1000000000000}', b'"balances":{"USDT":"\\u001b[31m"}'),
        (b'"reported":0', b'"reported":1e300'),
        (b'"forgotten":0', b'"forgotten":null'),
        (b'"peak":0', b'"peak":""'),
    ],
)
async def test_an_account_that_holds_other_things_is_refused(
    whole: bytes, torn: bytes, source: Path, tmp_path: Path
) -> None:
    session = Session(tmp_path, source)
    session.plays(600)
    await session.ends()

    def change(lines: list[bytes]) -> list[bytes]:
        assert whole in lines[0]
        return [lines[0].replace(whole, torn), *lines[1:]]

    rewritten(tmp_path, change)
    replay = Replay(Recording([tmp_path]))
    replay.run()
    (reason,) = replay.refusals.reasons
    assert reason.startswith("account in the recording")
    assert replay.state.account is None
    assert replay.messages > 600


async def test_what_cannot_be_written_does_not_end_the_engine(source: Path, tmp_path: Path) -> None:
    session = Session(tmp_path, source)
    session.plays(600)
    session.engine.tell(ConditionChanged(name="x", text="\ud800", ts=session.clock.time))
    session.engine._drain(256)
    session.buys()
    session.plays(100)
    await session.ends()
    assert "x" in session.account.conditions
    assert replayed(tmp_path).state.account is not None


async def test_a_file_of_market_and_trading_is_as_good_as_two(source: Path, tmp_path: Path) -> None:
    session = Session(tmp_path / "two", source)
    session.plays(600)
    session.buys()
    session.plays(100)
    session.waits(3)
    session.later += 3 * SECOND
    session.plays(100)
    expected = await session.ends()
    (market,), (traded,) = (tmp_path / "two").glob("binance/*.gz"), (tmp_path / "two").glob("trading*.gz")
    lines = gzip.decompress(market.read_bytes()).splitlines() + gzip.decompress(traded.read_bytes()).splitlines()
    (tmp_path / "one.txt").write_bytes(b"\n".join(sorted(lines, key=lambda line: int(line.partition(b" ")[0]))))
    assert state_hash(replayed(tmp_path / "one.txt").state) == expected
    lost = FeedLost(source="binance", reason="")
    assert envelope.of_event(lost).e == "feedLost"
