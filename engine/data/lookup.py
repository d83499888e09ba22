"""Looking up in storage what was known at a time. All of it reads a disk: the provider calls it in threads.

Everywhere `as_of` is UTC ns, a whole second; what was not known by then is left out.

Raises everywhere:
    StorageFailed: The database cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.data.answers import Context
from engine.data.archive import Archive, StoredBook, StoredColumn
from engine.data.parts import stored_parts
from engine.market.assembly import build, reached
from engine.market.columns import Columns
from engine.market.inputs import TIMEFRAMES, ModelInput
from engine.market.outputs import ModelOutput
from engine.market.track import PIVOTS
from engine.ohlcv import OHLCV
from engine.types import MS, SECOND, Instrument, PivotPoint, Timeframe


def newest(archive: Archive, key: str) -> int | None:
    """Return the second at which the newest stored bar was known, UTC ns, or None."""
    bars = [archive.candles(key, each, limit=1) for each in TIMEFRAMES]
    known = max((int(each.known_at[-1]) for each in bars if len(each)), default=None)
    return None if known is None else -(-known // SECOND) * SECOND


def model_input(
    archive: Archive, key: str, as_of: int, references: Mapping[str, str], outputs: Mapping[str, ModelOutput]
) -> ModelInput | None:
    """Return the input, or None where not a single bar was known."""
    parts = stored_parts(archive, key, as_of, references, outputs)
    return build(parts) if reached(parts.candles) else None


def context(archive: Archive, key: str, start: int, end: int) -> Context:
    """Return what is stored of [start, end], UTC ns, whenever it was known."""
    scaled = archive.instrument(key) is not None
    return Context(
        start=start,
        end=end,
        candles={each: archive.candles(key, each, start_ms=start // MS, end_ms=end // MS) for each in Timeframe},
        columns=tuple(archive.columns(key, start_s=start // SECOND, end_s=end // SECOND)) if scaled else (),
        trades=tuple(archive.trades(key, start=start, end=end)) if scaled else (),
    )


def candles(
    archive: Archive, key: str, timeframes: Iterable[Timeframe], as_of: int, limit: int
) -> dict[Timeframe, OHLCV]:
    """Return the newest `limit` closed bars of each timeframe."""
    return {each: archive.candles(key, each, limit=limit, known_at=as_of) for each in timeframes}


def books(
    archive: Archive, key: str, aggregation: str, as_of: int, limit: int
) -> tuple[tuple[StoredBook, ...], tuple[StoredColumn, ...]]:
    """Return the books (`raw`) or the COB columns (`1s`, `1m`) of the newest `limit` minutes or seconds."""
    second = as_of // SECOND
    if aggregation == "raw":
        start = as_of - limit * 60 * SECOND
        return tuple(archive.books(key, start=start, end=as_of, known_at=as_of)[-limit:]), ()
    if aggregation == "1s":
        return (), tuple(archive.columns(key, start_s=second - limit + 1, end_s=second, known_at=as_of))
    return (), tuple(archive.minutes(key, start_s=second - 60 * limit + 1, end_s=second, known_at=as_of))


def columns(archive: Archive, instrument: Instrument, start_s: int, end_s: int) -> Columns:
    """Return the COB seconds in [start_s, end_s] as arrays."""
    found = archive.columns(instrument.key, start_s=start_s, end_s=end_s)
    return Columns.of([(each.column, each.bucket) for each in found], instrument)


def pivots(archive: Archive, key: str, as_of: int | None) -> dict[Timeframe, list[PivotPoint]]:
    """Return the newest confirmed pivots of every level, by timeframe; None: as known now."""
    return {each: archive.pivots(key, each, per_level=PIVOTS, known_at=as_of) for each in Timeframe}
