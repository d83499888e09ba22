"""Recorded frames through the live path: the same codecs, the same `step`, the clock of the recording.

Seeking backwards starts again from the first frame, so the state at a point is that of a straight replay to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from math import inf
from pathlib import Path

import msgspec

from engine.core import CONTROL, Commands, step
from engine.errors import ProtocolError, RecordingUnusable
from engine.execution.account import Account
from engine.ingestion import envelope
from engine.ingestion.binance import PREFIX, Codec
from engine.ingestion.markets import MARKETS, Market
from engine.ingestion.survey import Contents
from engine.ingestion.tape import Line, TapeFile, files_of, merge
from engine.operator import TradingEvent
from engine.settings import MarketSettings
from engine.state import EngineState
from engine.timers import Timers
from engine.trading import taped
from engine.trading.marks import value_account
from engine.types import SECOND, Event, InstrumentListed, Record, TimerFired

Observer = Callable[[Record, EngineState], None]


SCRIPT = "script"
"""Source of records that a script, or a person in a replay, has asked for."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of trading before the first record that was received after `at` (UTC ns)."""

    at: int
    event: TradingEvent


class Refusals(msgspec.Struct):
    """Frames that gave no event."""

    count: int = 0
    reasons: Counter[str] = msgspec.field(default_factory=Counter)

    def add(self, error: ProtocolError) -> None:
        """Count one; the list of reasons stays short."""
        self.count += 1
        if len(self.reasons) < 50 or error.reason in self.reasons:
            self.reasons[error.reason] += 1


class Recording:
    """A recording opened for replay: what it holds, and its lines from the first on."""

    def __init__(self, paths: list[Path], market: Market | None = None) -> None:
        files = list(dict.fromkeys(file.resolve() for path in paths for file in files_of(path)))
        self.contents = Contents(files, market)
        self.paths = [survey.path for survey in self.contents.files]
        self.start = min(survey.start for survey in self.contents.files)
        self.tapes: list[TapeFile] = []

    def codecs(self) -> list[tuple[Codec, str]]:
        """Return per file its codec and, if it is of one instrument, the symbol."""
        found: dict[str, Codec] = {}
        for (venue, _), instrument in self.contents.instruments.items():
            found.setdefault(venue, Codec(MARKETS[venue])).add(instrument)
        return [(found.get(s.market.venue, Codec(s.market)), s.symbol) for s in self.contents.files]

    def batches(self) -> Iterator[list[Line]]:
        """Yield all lines in order of reception."""
        self.tapes = [TapeFile(path, index) for index, path in enumerate(self.paths)]
        return merge(self.tapes)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.paths)

    @property
    def consumed(self) -> int:
        """Bytes on disk read so far."""
        return sum(tape.consumed for tape in self.tapes)

    def extent(self, enough: float = inf, stopped: Callable[[], bool] = lambda: False) -> tuple[int, list[str]] | None:
        """Read the files through; return the stamp of the last line, and what is to be skipped.

        Args:
            enough: A stamp at which it is known all that is wanted: a file is read no further.
            stopped: Asked between pieces; once true, the answer is None.

        Raises:
            RecordingUnusable: A file cannot be read any more.
        """
        tapes = [TapeFile(path, index) for index, path in enumerate(self.paths)]
        end = self.start
        for tape in tapes:
            for lines in tape.lines():
                if stopped():
                    return None
                if lines:
                    end = max(end, lines[-1][0])
                if end >= enough:
                    return end, []
        return end, self.notes(tapes)

    def outside(self, stamp: int, end: int | None = None) -> str:
        """Return, for people, that a time is not in the recording, and what is."""
        upto = f" to {iso(end)}" if end is not None else ""
        return f"{iso(stamp)} is not in the recording, which goes from {iso(self.start)}{upto}"

    def notes(self, tapes: list[TapeFile] | None = None) -> list[str]:
        """Return what was skipped so far, by file."""
        said = [f"{path.name}: no message of a known stream; skipped" for path in self.contents.skipped]
        said += [f"{survey.path.name}: {survey.note}" for survey in self.contents.files if survey.note]
        for tape in self.tapes if tapes is None else tapes:
            said += [f"{tape.path.name}: {note}" for note in tape.notes]
            if tape.malformed:
                said.append(f"{tape.path.name}: {tape.malformed} lines without a receive stamp were skipped")
            if tape.backwards:
                said.append(f"{tape.path.name}: {tape.backwards} receive stamps ran backwards and were held")
        return said


class Replay:
    """A position in a recording and the state there.

    `position` is the stamp of the last line applied, 0 before the first; `reached` the time up to which all lines are
    applied.
    """

    def __init__(
        self,
        recording: Recording,
        settings: MarketSettings | None = None,
        observer: Observer | None = None,
        account: Callable[[], Account] | None = None,
        script: Sequence[Asked] = (),
        *,
        traded: bool = True,
    ) -> None:
        """`account` makes what trades, anew for each beginning; `script` is asked of it, each at its time.

        Without an account what was traded is replayed, where the recording tells, unless `traded` is false.
        """
        self.account = account
        self.traded = traded and account is None and recording.contents.traded
        self.script = sorted(script, key=lambda asked: asked.at)
        self.recording = recording
        self.settings = settings or MarketSettings()
        self.observer = observer
        self.commands: Callable[[Commands], None] | None = None
        self._rewind()

    def _rewind(self) -> None:
        self.state = EngineState(self.settings, self.account() if self.account is not None else None)
        self._asked = 0
        self._ask_at = self.script[0].at if self.script else inf
        self.refusals = Refusals()
        self.messages = 0
        self.position = 0
        self.reached = self.recording.start
        self.exhausted = False
        self._codecs = self.recording.codecs()
        self._of_market = sum(bool(survey.symbols) for survey in self.recording.contents.files)
        self._batches = self.recording.batches()
        self._batch: list[Line] = []
        self._place = 0
        self._timers = Timers()
        self._noted = (0, b"")
        self.begun: Account | None = None
        """The first account of the recording as it was taken up, valued when it first could be."""
        self._list()

    def _list(self) -> None:
        """Follow what the recording does not list itself."""
        contents = self.recording.contents
        for (_, _), instrument in sorted(contents.instruments.items()):
            key = instrument.key
            if self.traded and key in contents.listed:
                continue  # nobody could trade it before the engine knew it
            listed = InstrumentListed(
                instrument=instrument, trade_stream=contents.trade_streams[key], rules=contents.rules.get(key)
            )
            self._apply(self.recording.start, "replay", listed, b"")

    @property
    def waiting(self) -> int:
        """Lines that have been read and not been applied yet."""
        return len(self._batch) - self._place

    def read(self) -> bool:
        """Read one piece of the files, if no line is waiting; return whether the next line, or the end, is known."""
        if self._place >= len(self._batch) and not self.exhausted:
            batch = next(self._batches, None)
            self.exhausted = batch is None
            self._batch = batch or []
            self._place = 0
        return self.exhausted or self._place < len(self._batch)

    def next_stamp(self) -> int | None:
        """Return the receive stamp of the next line, or None at the end."""
        while not self.read():
            pass
        return None if self.exhausted else self._batch[self._place][0]

    def run(self, until: float = inf, limit: float = inf) -> int:
        """Apply lines received at or before `until`, at most `limit` of them; return how many."""
        done = 0
        while done < limit:
            stamp = self.next_stamp()
            if stamp is None:
                break
            if stamp > until:
                self.reached = max(self.reached, int(until))
                break
            start = self._place
            stop = min(len(self._batch), start + int(min(limit - done, len(self._batch))))
            if until != inf:
                while stop > start and self._batch[stop - 1][0] > until:
                    stop -= 1
            self._run(self._batch[start:stop])
            self._place = stop
            done += stop - start
        return done

    def _run(self, lines: list[Line]) -> None:
        """The hot loop."""
        codecs = self._codecs
        state = self.state
        observer = self.observer
        timers = self._timers
        of_market = self._of_market
        seq = state.seq
        for stamp, index, frame in lines:
            if (stamp > timers.next or stamp > self._ask_at) and index < of_market:
                state.seq = seq
                self._fire(stamp)
                seq = state.seq
            try:
                event, source = codecs[index][0].decode(frame)
            except ProtocolError as error:
                state.seq = seq
                found = self._other(stamp, index, frame, error)
                state = self.state  # another, where another engine began
                seq = state.seq
                if found is None:
                    continue
                event, source = found
            seq += 1
            record = Record(seq=seq, ts_recv=stamp, source=source, event=event, frame=frame)
            commands = step(state, record)
            if commands and self.commands is not None:
                self.commands(commands)
            if observer is not None:
                observer(record, state)
        self.messages += len(lines)
        self.position = lines[-1][0]
        self.reached = max(self.reached, self.position)

    @property
    def unasked(self) -> int:
        """Commands of the script whose time has not come."""
        return len(self.script) - self._asked

    def ask(self, event: TradingEvent) -> None:
        """Ask something of trading at the position; going back and coming here again asks it again."""
        stamp = self.reached
        del self.script[self._asked :]
        self.script.append(Asked(at=stamp, event=event))
        self._asked = len(self.script)
        self._ask_at = inf
        self._pass(stamp)
        self._apply(stamp, SCRIPT, event, b"")

    def _fire(self, stamp: int) -> None:
        """Pass the timers before `stamp`, and ask what the script asks before it, in the order of their times."""
        while self._ask_at < stamp:
            asked = self.script[self._asked]
            self._asked += 1
            self._ask_at = self.script[self._asked].at if self._asked < len(self.script) else inf
            self._pass(asked.at)
            self._apply(asked.at, SCRIPT, asked.event, b"")
        self._pass(stamp)

    def _pass(self, stamp: int) -> None:
        for boundary in self._timers.before(stamp):
            self._apply(boundary, "timer", TimerFired(boundary=boundary), b"")
        begun, account = self.begun, self.state.account
        if begun is not None and begun.equity is None and account is not None and account.equity is not None:
            value_account(self.state, begun)

    def _apply(self, stamp: int, source: str, event: Event, frame: bytes) -> None:
        record = Record(seq=self.state.seq + 1, ts_recv=stamp, source=source, event=event, frame=frame)
        commands = step(self.state, record)
        if commands and self.commands is not None:
            self.commands(commands)
        if self.observer is not None:
            self.observer(record, self.state)

    def _other(self, stamp: int, index: int, frame: bytes, error: ProtocolError) -> tuple[Event, str] | None:
        """Read a line that is no market frame: a snapshot or a note of our own recorder."""
        codec, symbol = self._codecs[index]
        try:
            if frame.startswith(envelope.PREFIX):
                note = envelope.decode(frame)
                if note.e in taped.KINDS:
                    self._trade(note)
                    return None
                if (stamp, frame) == self._noted:
                    return None  # the same connection event, from the file of another instrument
                self._noted = stamp, frame
                return envelope.to_event(note, codec, note.symbol or symbol)
            if not frame.startswith(PREFIX) and not symbol:
                error = ProtocolError("not a stream message, in a file of several symbols", frame)
            elif not frame.startswith(PREFIX):
                return codec.snapshot(symbol, frame), codec.market.venue + envelope.REST_SUFFIX
        except ProtocolError as damaged:
            error = damaged
        self.refusals.add(error)
        return None

    def _trade(self, note: envelope.Note) -> None:
        """Do what was traded, at its place.

        Raises:
            ProtocolError: Damaged.
        """
        if not self.traded:
            return
        if note.e == taped.ACCOUNT:
            # An engine began here, with nothing: what another has left of the market it did not know.
            self.state, self._timers = EngineState(self.settings), Timers()
            self._list()
            self.state.account = taped.opened(note, self.state)
            self.begun = self.begun or taped.opened(note, self.state)
        elif self.state.account is not None and note.e == taped.TIMERS:
            self._pass(taped.passed(note))
        elif self.state.account is not None:
            told = taped.placed(note)
            if told.timers:
                self._pass(told.timers)
            self._apply(told.ts, CONTROL, told.event, b"")

    def seek(self, stamp: int) -> None:
        """Go to the state after the last line received at or before `stamp`.

        Raises:
            RecordingUnusable: The recording does not reach there; the message says what it holds.
        """
        if stamp < self.recording.start:
            raise RecordingUnusable(self.recording.outside(stamp))
        if stamp < self.position:
            self._rewind()
        self.run(until=stamp)
        if self.next_stamp() is None and self.position < stamp:
            raise RecordingUnusable(self.recording.outside(stamp, self.position))
        self.reached = stamp


def iso(stamp: int) -> str:
    """Return a stamp in ns as UTC text for people."""
    try:
        return datetime.fromtimestamp(stamp / SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    except (ValueError, OverflowError, OSError):
        return f"{stamp} ns"
