"""Reads what is stored, for the engine's `Archive` port: read-only, one connection a thread, columns out.

Candle stretches that were read lately are kept in memory (`stretches.py`).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engine.data.archive import StoredBook, StoredColumn
from engine.errors import StorageFailed
from engine.market.cob import Column
from engine.ohlcv import OHLCV
from engine.types import Instrument, PivotPoint, Timeframe, Trade
from engine.views import SpanView
from storage import candles as rows
from storage import schema
from storage.candles import NEVER, SHORTER
from storage.changes import Changes
from storage.cold import KINDS, Cold
from storage.connection import failures, identity, open_for_reading
from storage.ingest import averages_of
from storage.listing import SeriesView, listed
from storage.rollup import missing
from storage.stretches import CacheView, Stretches, frozen

CLOSE_S = 5.0
"""How long closing waits for those who read."""

LEVELS = (1, 2, 3, 4, 5)
"""Of pivots."""

_ints = msgspec.json.Decoder(tuple[int, ...]).decode
_levels = msgspec.json.Decoder(tuple[tuple[int, int], ...]).decode


class StoredArchive:
    """The archive of one database. `changes` is the writer's, if it is in this process; else every write is asked for.

    Calls block; every method can be called from any thread and raises StorageFailed when the database cannot be read.
    """

    def __init__(self, path: Path, cold: Path, changes: Changes | None = None) -> None:
        self.path = path
        self.cold = Cold(cold)
        self._stretches = Stretches(self.cold, changes)
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._idle = threading.Condition()
        self._readers = 0
        self._closed = False
        self._connections: list[sqlite3.Connection] = []

    def close(self) -> None:
        """Close what was opened, when those who are reading have their answer."""
        with self._idle:
            self._closed = True
            if not self._idle.wait_for(lambda: not self._readers, CLOSE_S):
                return  # the process is about to end; a connection in use must not be taken away
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            self._mine = threading.local()
            self._stretches.forget()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Give this thread's connection.

        Raises:
            StorageFailed: The database is not there, is of another schema, or cannot be read; or it was closed.
        """
        with self._idle:
            if self._closed:
                raise StorageFailed(f"{self.path}: it is closed")
            self._readers += 1
        try:
            with self._given() as connection:
                yield connection
        finally:
            with self._idle:
                self._readers -= 1
                self._idle.notify_all()

    @contextmanager
    def _given(self) -> Iterator[sqlite3.Connection]:
        with failures(self.path):
            connection: sqlite3.Connection | None = getattr(self._mine, "connection", None)
            file = identity(self.path)
            if connection is None or self._mine.file != file:  # the other one's file was removed or replaced
                connection = open_for_reading(self.path)
                try:
                    schema.check(connection, str(self.path))
                except BaseException:
                    connection.close()
                    raise
                with self._lock:
                    self._connections.append(connection)
                self._mine.connection, self._mine.file = connection, file
            yield connection

    # Candles. ---------------------------------------------------------------------------------------------------------

    def candles(
        self,
        instrument: str,
        timeframe: Timeframe,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
        known_at: int | None = None,
    ) -> OHLCV:
        """Return the newest `limit` candles that open in [start_ms, end_ms), of each time the best source's.

        A candle that is not stored is built of shorter ones. The arrays cannot be written to.
        """
        end = rows.opened_by(NEVER if end_ms is None else end_ms, known_at)
        start, wanted = start_ms or 0, limit if limit is not None else NEVER
        parts: list[OHLCV] = []
        with self._reading() as connection:
            for part in self._stretches.backwards(connection, instrument, timeframe, start, end, known_at):
                if wanted <= 0:
                    break
                parts.append(part[max(len(part) - wanted, 0) :])
                wanted -= len(part)
        found = [part for part in reversed(parts) if len(part)]
        return frozen(OHLCV.join(found) if found else OHLCV.empty(timeframe))

    def bounds(self, instrument: str, timeframe: Timeframe) -> tuple[int, int] | None:
        """Return the opening times of the first and the last stored candle, UTC ms, or None."""
        length = _ms(timeframe)
        found = []
        with self._reading() as connection:
            for each in (timeframe, *SHORTER[timeframe]):
                for series in rows.series_of(connection, instrument, each):
                    extent = rows.extent(connection, series)
                    if extent is None:
                        continue
                    first, last = extent[0] // length * length, extent[1]
                    if each is not timeframe:  # the last one that is over
                        last = (extent[1] + _ms(each)) // length * length - length
                    if first <= last:
                        found.append((first, last))
        return (min(first for first, _ in found), max(last for _, last in found)) if found else None

    def gaps(self, instrument: str, timeframe: Timeframe, start_ms: int, end_ms: int) -> tuple[SpanView, ...]:
        """Return the stretches without a candle between the first and last stored one inside [start_ms, end_ms)."""
        length = _ms(timeframe)
        with self._reading() as connection:
            series = rows.series_of(connection, instrument, timeframe)
            opens = rows.opens(connection, self.cold, series, timeframe, start_ms, end_ms)
            extent = self.bounds(instrument, timeframe)
            if extent is None:
                return ()
            first, last = max(extent[0], -(-start_ms // length) * length), min(extent[1], end_ms - 1)
            holes = missing(opens, first, last + 1, length)
            built = self._stretches.build(connection, instrument, timeframe, holes, None)
            holes = holes[~np.isin(holes, built.open_ms)]
            noted = connection.execute(
                "SELECT g.first_ms, g.last_ms, g.reason FROM gaps g JOIN instruments i ON i.id = g.instrument_id"
                " WHERE i.key = ? AND g.last_ms >= ? AND g.first_ms < ? ORDER BY g.noted_at",
                (instrument, start_ms, end_ms),
            ).fetchall()
        # What is missing at either end of the asked stretch, outside of all candles in it, is no gap of it.
        inside = np.union1d(opens, built.open_ms)
        if not len(inside):
            return ()
        holes = holes[(holes > inside[0]) & (holes < inside[-1])]
        spans = np.split(holes, np.flatnonzero(np.diff(holes) != length) + 1) if len(holes) else []
        return tuple(
            SpanView(
                first_ms=int(span[0]),
                last_ms=int(span[-1]),
                missing=len(span),
                reason=next((why for a, b, why in noted if a <= span[-1] + length - 1 and b >= span[0]), ""),
            )
            for span in spans
        )

    def series(self) -> list[SeriesView]:
        """Return every stored series, and the trades of every instrument."""
        with self._reading() as connection:
            return listed(connection, self.cold)

    # The rest. --------------------------------------------------------------------------------------------------------

    def instrument(self, key: str) -> Instrument | None:
        """Return the scales last stored for an instrument; None if it is not known or came without scales."""
        with self._reading() as connection:
            row = connection.execute(
                "SELECT key, venue, symbol, base, quote, price_decimals, size_decimals, tick, contract_size"
                " FROM instruments WHERE key = ?",
                (key,),
            ).fetchone()
        if row is None or row[5] is None or row[6] is None:
            return None
        values = dict(zip(Instrument.__struct_fields__, row, strict=True))
        return Instrument(**{**values, "tick": row[7] or 1, "contract_size": row[8] or 0})

    def trades(
        self, instrument: str, *, start: int, end: int, limit: int | None = None, known_at: int | None = None
    ) -> list[Trade]:
        """Return trades with start <= trade time < end (UTC ns) by their ids, the newest `limit` at most.

        Where both single trades and aggregates are stored, the single ones.

        Raises:
            StorageFailed: The database cannot be read, or the instrument came without scales.
        """
        scales = self.instrument(instrument)
        found = self._rows("trades", instrument, start, end - 1, known_at, limit)
        if not found:
            return []
        if scales is None:
            raise StorageFailed(f"{instrument}: its trades were imported, and its scales are not known yet")
        price, size = scales.price_scale, scales.size_scale
        kind = min(row[0] for row in found)
        trades = [
            Trade(
                instrument=instrument, id=row[1], price=round(row[3] * price), size=round(row[4] * size),
                ts_exch=row[2], ts_sent=row[8], sell=bool(row[5]), aggregate=bool(row[0]), count=row[6],
                regular=bool(row[7]),
            )
            for row in found
            if row[0] == kind and isinstance(row[1], int)
        ]  # fmt: skip
        trades.sort(key=lambda trade: trade.id)
        return trades if limit is None else trades[max(len(trades) - limit, 0) :]

    def _rows(
        self, table: str, instrument: str, first: int, last: int, known_at: int | None, limit: int | None = None
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a table with first <= time <= last, warm and cold, oldest first, each once.

        With a `limit` among them are the newest so many, of trades those of each kind.
        """
        kind = KINDS[table]
        until, most = NEVER if known_at is None else known_at, -1 if limit is None else limit
        query = (
            f"SELECT {', '.join(kind.columns)} FROM {table} WHERE instrument_id = ? AND {kind.time} BETWEEN ? AND ?"
            f" AND known_at <= ? %s ORDER BY {kind.time} DESC LIMIT ?"
        )
        kinds = ("AND aggregate = 0", "AND aggregate = 1") if table == "trades" and limit is not None else ("",)
        with self._reading() as connection:
            number = connection.execute("SELECT id FROM instruments WHERE key = ?", (instrument,)).fetchone()
            if number is None:
                return []
            found: list[tuple[Any, ...]] = []
            for each in kinds:
                found += connection.execute(query % each, (number[0], first, last, until, most)).fetchall()
            packed = self.cold.rows(connection, table, number[0], first, last, limit)
        at, known = kind.columns.index(kind.time), kind.columns.index("known_at")
        once = {row[:2] if table == "trades" else row[at]: row for row in (*packed, *found) if row[known] <= until}
        return sorted(once.values(), key=lambda row: row[at])

    def columns(self, instrument: str, *, start_s: int, end_s: int, known_at: int | None = None) -> list[StoredColumn]:
        """Return the COB seconds in [start_s, end_s], oldest first."""
        averages = {row[0]: row for row in self._rows("imbalances", instrument, start_s, end_s, known_at)}
        return [
            _column(row, averages_of(averages[row[0]][2:-1]) if row[0] in averages else ())
            for row in self._rows("cob_1s", instrument, start_s, end_s, known_at)
        ]

    def minutes(self, instrument: str, *, start_s: int, end_s: int, known_at: int | None = None) -> list[StoredColumn]:
        """Return the COB minutes that end in [start_s, end_s]: mean volumes in buckets ten times as large.

        They are as many buckets as the seconds have touched.
        """
        return [_column(row, ()) for row in self._rows("cob_1m", instrument, start_s, end_s, known_at)]

    def books(self, instrument: str, *, start: int, end: int, known_at: int | None = None) -> list[StoredBook]:
        """Return the stored books (top 50, one a minute) of [start, end], UTC ns, oldest first."""
        found = self._rows("book_snapshots", instrument, start, end, known_at)
        scales = self.instrument(instrument) if found else None
        if scales is None:
            return []

        def side(text: str) -> tuple[tuple[float, float], ...]:
            return tuple((scales.price(ticks), scales.size(lots)) for ticks, lots in _levels(text))

        return [
            StoredBook(ts=row[0], known_at=row[8], bids=side(row[1]), asks=side(row[2]), sequence=row[7])
            for row in found
        ]

    def pivots(
        self, instrument: str, timeframe: Timeframe, *, per_level: int, known_at: int | None = None
    ) -> list[PivotPoint]:
        """Return the newest `per_level` confirmed pivots of each level, in order of confirmation."""
        query = """
            SELECT level, high, ts_ms, price, confirmed_ms, known_at FROM pivots
            WHERE instrument_id = (SELECT id FROM instruments WHERE key = ?) AND timeframe = ? AND level = ?
            AND known_at <= ? ORDER BY confirmed_ms DESC, ts_ms DESC, high DESC LIMIT ?
        """
        until = NEVER if known_at is None else known_at
        found: list[PivotPoint] = []
        with self._reading() as connection:
            for level in LEVELS:
                found += [
                    PivotPoint(
                        timeframe=timeframe, level=row[0], high=bool(row[1]), ts_ms=row[2], price=row[3],
                        confirmed_ms=row[4], known_at=row[5],
                    )
                    for row in connection.execute(query, (instrument, str(timeframe), level, until, per_level))
                ]  # fmt: skip
        return sorted(found, key=lambda pivot: (pivot.confirmed_ms, pivot.level, pivot.ts_ms, pivot.high))

    def pivot_state(self, instrument: str, timeframe: Timeframe) -> tuple[int, bytes] | None:
        """Return the market structure's saved state and the opening time of the last bar it has seen, or None."""
        with self._reading() as connection:
            row = connection.execute(
                "SELECT until_ms, state FROM pivot_states WHERE timeframe = ?"
                " AND instrument_id = (SELECT id FROM instruments WHERE key = ?)",
                (str(timeframe), instrument),
            ).fetchone()
        return None if row is None else (int(row[0]), bytes(row[1]))

    def cache(self) -> CacheView:
        """Return what memory served so far."""
        return self._stretches.view()


def _column(row: tuple[Any, ...], averages: tuple[Any, ...]) -> StoredColumn:
    second, bucket, base, best_bid, best_ask, bids, asks, bid_notional, ask_notional, partial = row[:10]
    column = Column(
        second=second, base=base, best_bid=best_bid, best_ask=best_ask, bids=_ints(bids), asks=_ints(asks),
        bid_notional=_ints(bid_notional), ask_notional=_ints(ask_notional),
        partial=tuple([bool(each) for each in _ints(partial)]),
    )  # fmt: skip
    return StoredColumn(column=column, bucket=bucket, averages=averages, known_at=row[-1])


def _ms(timeframe: Timeframe) -> int:
    return timeframe.seconds * 1000
