"""Rows of bars as columns: one stretch of one timeframe, every source, as it was known at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from engine.ohlcv import OHLCV, Ints, source_code
from engine.types import MS, Timeframe
from storage.cold import Cold
from storage.rollup import merged

FIELDS = "open_ms, open, high, low, close, volume, quote_volume, taker_buy, trades, complete, known_at"
"""Columns of a row as `columns` takes them."""

SHORTER: dict[Timeframe, tuple[Timeframe, ...]] = {
    timeframe: tuple(list(Timeframe)[:place]) for place, timeframe in enumerate(Timeframe)
}
"""The timeframes that a bar can be built from, shortest first."""


BEHIND_MS = 60_000
"""So far a clock may be behind the venue's, ms: a bar can be known before it has opened by that clock."""

NEVER = 1 << 62
"""A time after every other one, in ms as in ns."""


class Series(msgspec.Struct, frozen=True):
    """A stored series: its number, source and rank."""

    number: int
    source: str
    rank: int


class Stretch(msgspec.Struct, frozen=True):
    """Candles of one stretch; `plain`: of one series and never revised, so what was known when is in `known_at`."""

    candles: OHLCV
    plain: bool


def series_of(connection: sqlite3.Connection, instrument: str, timeframe: Timeframe) -> list[Series]:
    """Return the series of an instrument and timeframe."""
    rows = connection.execute(
        "SELECT s.id, s.source, s.rank FROM series s JOIN instruments i ON i.id = s.instrument_id"
        " WHERE i.key = ? AND s.timeframe = ? ORDER BY s.rank, s.id",
        (instrument, str(timeframe)),
    )
    return [Series(*row) for row in rows]


def stretch(
    connection: sqlite3.Connection, cold: Cold, series: Sequence[Series], timeframe: Timeframe, start_ms: int,
    end_ms: int, known_at: int | None,
) -> Stretch:  # fmt: skip
    """Return the candles that open in [start_ms, end_ms), of each time the best source's."""
    parts: list[OHLCV] = []
    ranks: list[npt.NDArray[np.int64]] = []
    place, plain = (start_ms, end_ms), True
    for place_in_order, each in enumerate(series):
        found = []
        rows = connection.execute(
            f"SELECT {FIELDS} FROM bars WHERE series_id = ? AND open_ms >= ? AND open_ms < ?", (each.number, *place)
        ).fetchall()
        if rows:
            found.append(columns(timeframe, rows, each.source))
        found += cold.bars(connection, each.number, each.source, timeframe, start_ms, end_ms)
        revised = f"SELECT {FIELDS}, until FROM bar_revisions WHERE series_id = ? AND open_ms >= ? AND open_ms < ?"
        if known_at is None:
            plain &= connection.execute(f"{revised} LIMIT 1", (each.number, *place)).fetchone() is None
        else:
            older = connection.execute(f"{revised} AND until > ?", (each.number, *place, known_at)).fetchall()
            if older:
                found.append(columns(timeframe, [row[:-1] for row in older], each.source))
        parts += found
        ranks += [np.full(len(part), each.rank * 1000 + place_in_order) for part in found]
    if not parts:
        return Stretch(OHLCV.empty(timeframe), plain)
    whole, rank = OHLCV.join(parts), np.concatenate(ranks)
    if known_at is not None:
        known = whole.known_at <= known_at
        whole, rank = whole.take(known), rank[known]
    return Stretch(merged(whole, rank), plain and len(parts) == 1)


def columns(timeframe: Timeframe, rows: Sequence[Sequence[Any]], source: str) -> OHLCV:
    """Return rows of `FIELDS` as columns."""
    by_name = dict(zip(FIELDS.split(", "), zip(*rows, strict=True), strict=True))
    trades = by_name["trades"]
    if None in trades:
        trades = tuple(-1 if each is None else each for each in trades)
    return OHLCV(
        timeframe=timeframe,
        open_ms=np.array(by_name["open_ms"], np.int64),
        trades=np.array(trades, np.int64),
        complete=np.array(by_name["complete"], np.bool_),
        known_at=np.array(by_name["known_at"], np.int64),
        source=np.full(len(rows), source_code(source), np.uint8),
        **{
            name: np.array(by_name[name], np.float64)
            for name in ("open", "high", "low", "close", "volume", "quote_volume", "taker_buy")
        },
    )


def opens(
    connection: sqlite3.Connection,
    cold: Cold,
    series: Sequence[Series],
    timeframe: Timeframe,
    start_ms: int,
    end_ms: int,
) -> Ints:
    """Return the opening times at which any series has a bar, in order, each once."""
    parts = []
    for each in series:
        rows = connection.execute(
            "SELECT open_ms FROM bars WHERE series_id = ? AND open_ms >= ? AND open_ms < ?",
            (each.number, start_ms, end_ms),
        )
        parts.append(np.fromiter((row[0] for row in rows), np.int64))
        parts += [part.open_ms for part in cold.bars(connection, each.number, each.source, timeframe, start_ms, end_ms)]
    return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64)


def newest_before(
    connection: sqlite3.Connection, instrument: str, timeframe: Timeframe, end_ms: int, *, revised: bool = False
) -> int | None:
    """Return the opening time of the newest bar before `end_ms` that is stored, or can be built of shorter ones.

    `revised`: also one that is no longer believed.
    """
    length = timeframe.seconds * 1000
    found: list[int] = []
    for each in (timeframe, *SHORTER[timeframe]):
        for series in series_of(connection, instrument, each):
            (newest,) = connection.execute(
                "SELECT max(open_ms) FROM bars WHERE series_id = ? AND open_ms < ?", (series.number, end_ms)
            ).fetchone()
            (cold,) = connection.execute(
                "SELECT max(min(last, ? - 1)) FROM cold_files WHERE kind = 'bars' AND series_id = ? AND first < ?",
                (end_ms, series.number, end_ms),
            ).fetchone()
            older = None
            if revised:
                query = "SELECT max(open_ms) FROM bar_revisions WHERE series_id = ? AND open_ms < ?"
                (older,) = connection.execute(query, (series.number, end_ms)).fetchone()
            found += [at // length * length for at in (newest, cold, older) if at is not None]
    return max(found, default=None)


def extent(connection: sqlite3.Connection, series: Series) -> tuple[int, int] | None:
    """Return the opening times of the first and the last bar of a series, UTC ms, or None."""
    row = connection.execute(
        "SELECT min(a), max(b) FROM (SELECT (SELECT min(open_ms) FROM bars WHERE series_id = ?1) a,"
        " (SELECT max(open_ms) FROM bars WHERE series_id = ?1) b UNION ALL"
        " SELECT min(first), max(last) FROM cold_files WHERE kind = 'bars' AND series_id = ?1)",
        (series.number,),
    ).fetchone()
    return None if row[0] is None else (int(row[0]), int(row[1]))


def count(connection: sqlite3.Connection, series: Series) -> int:
    """Return how many bars a series has, in the database and in cold files."""
    row = connection.execute(
        "SELECT (SELECT count(*) FROM bars WHERE series_id = ?1)"
        " + (SELECT ifnull(sum(rows), 0) FROM cold_files WHERE kind = 'bars' AND series_id = ?1)",
        (series.number,),
    ).fetchone()
    return int(row[0])


def known_by(candles: OHLCV, known_at: int | None) -> OHLCV:
    """Return the candles that were known by a time, UTC ns; None: all."""
    return candles if known_at is None else candles.take(candles.known_at <= known_at)


def opened_by(end_ms: int, known_at: int | None) -> int:
    """Return the end of what can have been known by a time, by a clock that is up to `BEHIND_MS` behind the venue's."""
    return end_ms if known_at is None else min(end_ms, known_at // MS + BEHIND_MS)


def is_over(
    connection: sqlite3.Connection, cold: Cold, instrument: str, shorter: Timeframe, end_ms: int, known_at: int | None
) -> bool:
    """Tell whether a shorter bar that ends at `end_ms` or later was known by a time: then it is over for certain."""
    until = NEVER if known_at is None else known_at
    for each in (shorter, *SHORTER[shorter]):
        first, stop = end_ms - each.seconds * 1000, opened_by(NEVER, known_at)
        for series in series_of(connection, instrument, each):
            for table in ("bars", "bar_revisions"):
                query = f"SELECT 1 FROM {table} WHERE series_id = ? AND open_ms >= ? AND open_ms < ? AND known_at <= ?"
                if connection.execute(f"{query} LIMIT 1", (series.number, first, stop, until)).fetchone():
                    return True
            packed = cold.bars(connection, series.number, series.source, each, first, stop)
            if any((part.known_at <= until).any() for part in packed):
                return True
    return False
