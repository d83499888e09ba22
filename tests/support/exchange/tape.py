"""Recordings as one time-ordered tape of frames.

A recording line is `<local receive ns> <raw JSON>`. The recorder's clock ran behind the venue's, so tape time is the
receive time moved by one constant: as little as makes no frame arrive before its own event stamp.
"""

from __future__ import annotations

import gc
import gzip
import heapq
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

Market = Literal["spot", "usdm", "coinm"]

MINUTE_NS = 60_000_000_000


class Instrument(NamedTuple):
    """One traded symbol of one market."""

    market: Market
    symbol: str


class Frame(msgspec.Struct, gc=False, eq=False):
    """One recorded stream message; the ids are 0 where the message has none."""

    instrument: Instrument
    kind: str
    stream: str
    receive_ns: int
    tape_ns: int
    data: bytes
    event_ms: int = 0
    trade_ms: int = 0
    first_id: int = 0
    last_id: int = 0
    previous_id: int = 0
    trade_id: int = 0
    template: bytes = b""
    values: tuple[int, ...] = ()
    families: str = ""


class Snapshot(msgspec.Struct, gc=False):
    """A recorded REST order book."""

    last_update_id: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    trade_ms: int = 0


class Spans(NamedTuple):
    """How far one symbol's ids move from one round of the tape to the next."""

    book_id: int
    trade_id: int


class Tape(msgspec.Struct):
    """A loaded recording: `frames` from the moment every symbol's snapshot is known, `prelude` what came before."""

    frames: list[Frame]
    prelude: list[Frame]
    snapshots: dict[Instrument, Snapshot]
    start_ns: int
    end_ns: int
    spans: dict[Instrument, Spans]
    folders: list[Path]

    @property
    def instruments(self) -> list[Instrument]:
        """All symbols, in a stable order."""
        return sorted(self.snapshots)

    def aligned(self, near_ns: int) -> int:
        """The last clock time up to `near_ns` at which a shifted exchange begins exactly at the tape's start."""
        return near_ns - (near_ns - self.start_ns) % MINUTE_NS


class _Data(msgspec.Struct, gc=False):
    s: str
    e: str = ""
    E: int = 0
    T: int = 0
    ps: str = ""
    X: str = ""
    U: int = 0
    u: int = 0
    pu: int = 0
    t: int = 0


class _Line(msgspec.Struct, gc=False):
    stream: str = ""
    data: _Data | None = None
    last_update_id: int = msgspec.field(name="lastUpdateId", default=0)
    T: int = 0
    bids: list[tuple[str, str]] | None = None
    asks: list[tuple[str, str]] | None = None


_decode_line = msgspec.json.Decoder(_Line).decode
_KINDS = {"depth": "depth", "trade": "trade", "bookTicker": "bookTicker"}


def recordings_root() -> Path | None:
    """The folder of recordings: TRADETUI_RECORDINGS, or `shared/data` beside the repository; None when absent."""
    named = os.environ.get("TRADETUI_RECORDINGS")
    root = Path(named) if named else Path(__file__).resolve().parents[4] / "shared" / "data"
    return root if root.is_dir() else None


def _market_of(data: _Data, kind: str) -> Market:
    if data.ps:
        return "coinm"
    # Spot best quotes carry no event name and spot trades no execution type.
    if data.pu or data.X or (kind == "bookTicker" and data.e):
        return "usdm"
    return "spot"


def _files(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        found.extend(sorted(path.rglob("*.gz")) if path.is_dir() else [path])
    return found


def _first_ns(path: Path) -> int:
    with gzip.open(path, "rb") as lines:
        return int(lines.readline().partition(b" ")[0])


def _instrument_of(path: Path) -> Instrument | None:
    with gzip.open(path, "rb") as lines:
        for raw in lines:
            line = _decode_line(raw.partition(b" ")[2])
            kind = line.stream.partition("@")[2].partition("@")[0]
            if line.data is not None and kind == "depth":
                return Instrument(_market_of(line.data, kind), line.data.s)
    return None


def _read(instrument: Instrument, files: list[Path]) -> Iterator[tuple[int, Frame | Snapshot, Instrument]]:
    streams: dict[str, tuple[str, str]] = {}
    for path in files:
        with gzip.open(path, "rb") as lines:
            for raw in lines:
                stamp, _, text = raw.partition(b" ")
                receive_ns = int(stamp)
                line = _decode_line(text)
                data = line.data
                if data is None:
                    bids, asks = line.bids or [], line.asks or []
                    yield receive_ns, Snapshot(line.last_update_id, bids, asks, line.T), instrument
                    continue
                named = streams.get(line.stream)
                if named is None:
                    kind = _KINDS.get(line.stream.partition("@")[2].partition("@")[0], "")
                    named = streams[line.stream] = (line.stream, kind)
                at = text.index(b'"data":') + 7
                frame = Frame(
                    instrument, named[1], named[0], receive_ns, receive_ns, text[at : text.rindex(b"}")],
                    data.E, data.T, data.U, data.u, data.pu, data.t,
                )  # fmt: skip
                yield receive_ns, frame, instrument


def load_tape(*paths: Path, symbols: Iterable[str] | None = None, limit_s: float | None = None) -> Tape:
    """Load folders or files of recordings; the files of one symbol are concatenated.

    Args:
        paths: Folders (searched for `*.gz`) or single files.
        symbols: Only these symbols, as the venue writes them.
        limit_s: Only this many seconds from the tape's start; the rest is not even read.

    Raises:
        ValueError: Nothing usable, or a symbol without a recorded snapshot.
    """
    groups: dict[Instrument, list[Path]] = {}
    wanted = None if symbols is None else {symbol.upper() for symbol in symbols}
    files = _files(paths)
    for path in files:
        instrument = _instrument_of(path)
        if instrument is not None and (wanted is None or instrument.symbol in wanted):
            groups.setdefault(instrument, []).append(path)
    if not groups:
        raise ValueError(f"no recorded depth stream in {[str(path) for path in paths]}")
    readers = [_read(instrument, sorted(group, key=_first_ns)) for instrument, group in groups.items()]
    collecting = gc.isenabled()
    gc.disable()
    try:
        frames, prelude, snapshots = _split(heapq.merge(*readers, key=lambda row: row[0]), len(groups), limit_s)
    finally:
        if collecting:
            gc.enable()
    missing = groups.keys() - snapshots.keys()
    if missing or not frames:
        raise ValueError(f"no recorded snapshot of {sorted(missing)}")
    behind_ns = max(frame.event_ms * 1_000_000 - frame.receive_ns for frame in frames if frame.event_ms)
    for frame in frames:
        frame.tape_ns = frame.receive_ns + behind_ns
    for frame in prelude:
        frame.tape_ns = frame.receive_ns + behind_ns
    folders = sorted({path.parent for group in groups.values() for path in group})
    return Tape(frames, prelude, snapshots, frames[0].tape_ns, frames[-1].tape_ns, _spans(frames, snapshots), folders)


def _split(
    rows: Iterable[tuple[int, Frame | Snapshot, Instrument]], symbols: int, limit_s: float | None
) -> tuple[list[Frame], list[Frame], dict[Instrument, Snapshot]]:
    frames: list[Frame] = []
    prelude: list[Frame] = []
    snapshots: dict[Instrument, Snapshot] = {}
    target, last_ns = prelude, None
    for receive_ns, row, instrument in rows:
        if isinstance(row, Snapshot):
            snapshots.setdefault(instrument, row)
            if len(snapshots) == symbols:
                target = frames
            continue
        if target is frames:
            if last_ns is None and limit_s is not None:
                last_ns = receive_ns + int(limit_s * 1e9)
            if last_ns is not None and receive_ns >= last_ns:
                break
        if row.kind:
            target.append(row)
    return frames, prelude, snapshots


def _spans(frames: list[Frame], snapshots: dict[Instrument, Snapshot]) -> dict[Instrument, Spans]:
    books = {instrument: snapshot.last_update_id for instrument, snapshot in snapshots.items()}
    trades: dict[Instrument, tuple[int, int]] = {}
    for frame in frames:
        instrument = frame.instrument
        if frame.last_id > books[instrument]:
            books[instrument] = frame.last_id
        if frame.trade_id:
            first = trades[instrument][0] if instrument in trades else frame.trade_id
            trades[instrument] = (first, frame.trade_id)
    spans: dict[Instrument, Spans] = {}
    for instrument, last_id in books.items():
        first, last = trades.get(instrument, (0, 0))
        # A hole between two rounds' book ids, so that nothing can chain over the seam by chance.
        spans[instrument] = Spans(last_id - snapshots[instrument].last_update_id + 1000, last - first + 1)
    return spans
