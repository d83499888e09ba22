"""What an engine tells to keep, as rows: checked, converted and written in one transaction, in the writer's thread."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache

import msgspec

from engine.keep import BookKept, Keep
from engine.market.cob import Averages, Column
from engine.ohlcv import source_code
from engine.types import MS, Bar, Instrument, Timeframe
from storage import validation
from storage.catalogue import IMPORT, Catalogue
from storage.changes import Changes
from storage.connection import is_environment
from storage.minutes import Minutes
from storage.recovery import Holes

log = logging.getLogger(__name__)

Row = tuple[object, ...]

BARS_TAIL = """
ON CONFLICT (series_id, open_ms) DO UPDATE SET
    open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close, volume = excluded.volume,
    quote_volume = excluded.quote_volume, taker_buy = excluded.taker_buy, trades = excluded.trades,
    complete = excluded.complete, known_at = excluded.known_at, sequence = excluded.sequence
WHERE excluded.known_at >= known_at AND (
    open <> excluded.open OR high <> excluded.high OR low <> excluded.low OR close <> excluded.close
    OR volume <> excluded.volume OR complete <> excluded.complete OR trades IS NOT excluded.trades
    OR quote_volume IS NOT excluded.quote_volume OR taker_buy IS NOT excluded.taker_buy)
"""

PUT_ASIDE = """
INSERT OR REPLACE INTO bar_revisions
SELECT *, ?1 FROM bars WHERE series_id = ?2 AND open_ms = ?3 AND known_at < ?1
"""

TAKE_AWAY = "DELETE FROM bars WHERE series_id = ?2 AND open_ms = ?3 AND known_at <= ?1"

TABLES: dict[str, tuple[int, str]] = {
    "bars": (13, BARS_TAIL),
    "trades": (12, "ON CONFLICT DO NOTHING"),
    "cob_1s": (12, "ON CONFLICT DO NOTHING"),
    "imbalances": (16, "ON CONFLICT DO NOTHING"),
    "book_snapshots": (10, "ON CONFLICT DO NOTHING"),
    "pivots": (8, "ON CONFLICT DO NOTHING"),
}
"""Number of columns of each table, and what happens to a row that is there already."""

TOGETHER = 16
"""Rows of one statement: faster than one by one, and other threads are held up less."""

REJECTS = "INSERT INTO rejects (at, kind, instrument, reason, body) VALUES (?, ?, ?, ?, ?)"

REJECTS_KEPT = 10_000
"""Refused rows that are kept aside; older ones give way."""

WINDOWS = 4
"""Averages of a band: over 1, 5, 15 and 60 s."""

_text = msgspec.json.Encoder().encode

Span = tuple[str, str, int, int]
"""Instrument, timeframe, opening times (ms) of the first and the last bar that were written."""


def size(keep: Keep) -> int:
    """Return how many rows a second's news make, about."""
    more = (2 if keep.column is not None else 0) + (keep.book is not None)
    return len(keep.bars) + len(keep.trades) + len(keep.withdrawn) + len(keep.pivots) + more


class Written(msgspec.Struct):
    """What one transaction has done: rows handed to the database, rows refused, bars touched."""

    rows: int = 0
    rejected: int = 0
    touched: list[Span] = []


class Ingest:
    """Writes what is to be kept, through one connection.

    A refused row is kept in `rejects`. `rejected` counts them over the process's life.
    """

    def __init__(self, catalogue: Catalogue, minutes: Minutes, holes: Holes, changes: Changes) -> None:
        self.changes = changes
        self.catalogue = catalogue
        self.minutes = minutes
        self.holes = holes
        self._clear()

    def _clear(self) -> None:
        self._values: dict[str, list[object]] = {table: [] for table in TABLES}
        self._replaced: list[Row] = []
        self._believed: dict[tuple[int, str, int], int] = {}
        self._rejects: list[Row] = []
        self._spans: dict[tuple[str, str], tuple[int, int]] = {}

    def write(self, connection: sqlite3.Connection, keeps: Iterable[Keep]) -> Written:
        """Write news in one transaction, in their order; nothing of them is written if it fails.

        Raises:
            sqlite3.Error: The database refused.
        """
        self._clear()
        written = Written()
        connection.execute("BEGIN IMMEDIATE")
        try:
            for keep in keeps:
                self._take(connection, keep)
                written.rows += size(keep)
            self._send(connection)
            written.touched = [(*key, *span) for key, span in self._spans.items()]
            self.minutes.roll(connection)
            self.holes.heal(connection, written.touched)
            written.rejected = len(self._rejects)
            if self._rejects:
                self._refuse(connection)
            self.changes.touch(written.touched)  # before readers can see any of it; the writer does so again after
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self.catalogue.clear()
            self.minutes.forget()
            self.holes.forget()
            raise
        return written

    def write_what_can(self, connection: sqlite3.Connection, batch: Sequence[Keep], name: str) -> Written:
        """Write a batch; if a row of it is impossible, second by second, so that only that second is refused.

        `name` is the database's, for the log.

        Raises:
            sqlite3.Error, OSError: The database refused.
        """
        try:
            return self.write(connection, batch)
        except Exception as error:
            if is_environment(error):
                raise
            log.exception("%s: a batch of %d seconds cannot be written", name, len(batch))
            return self._apart(connection, batch)

    def _apart(self, connection: sqlite3.Connection, batch: Sequence[Keep]) -> Written:
        whole = Written()
        for keep in batch:
            try:
                one = self.write(connection, [keep])
            except Exception as error:
                if is_environment(error):
                    raise
                reason = f"{type(error).__name__}: {error}"
                connection.execute(REJECTS, (keep.known_at, "keep", keep.instrument.key, reason, repr(keep)[:4000]))
                whole.rejected += size(keep)
            else:
                whole.rows += one.rows
                whole.rejected += one.rejected
                whole.touched = whole.touched + one.touched
        return whole

    def _take(self, connection: sqlite3.Connection, keep: Keep) -> None:
        instrument, known_at = keep.instrument, keep.known_at
        number = self.catalogue.instrument(connection, instrument)
        if keep.withdrawn:
            self._send(connection)
            gone = [
                (known_at, series, open_ms)
                for timeframe, open_ms in keep.withdrawn
                for series in self.catalogue.live(connection, number, timeframe)
            ]
            connection.executemany(PUT_ASIDE, gone)
            connection.executemany(TAKE_AWAY, gone)
            for timeframe, open_ms in keep.withdrawn:
                self._touch(instrument.key, timeframe, open_ms)
        for timeframe, bar in keep.bars:
            self._bar(connection, number, instrument, timeframe, bar, known_at)
        if keep.trades:
            self._take_trades(number, keep)
        if keep.column is not None:
            self._column(number, keep, keep.column)
        if keep.book is not None:
            self._book(number, instrument, keep.book, known_at)
        for p in keep.pivots:
            self._values["pivots"] += (
                number, str(p.timeframe), p.level, p.confirmed_ms, p.ts_ms, p.high, p.price, p.known_at,
            )  # fmt: skip

    def _bar(
        self, connection: sqlite3.Connection, number: int, instrument: Instrument, timeframe: Timeframe, bar: Bar,
        known_at: int,
    ) -> None:  # fmt: skip
        if source_code(bar.source) == IMPORT:
            return  # it came from here
        fault = validation.bar_fault(timeframe, bar, known_at)
        if fault:
            self._reject(known_at, "bars", instrument, fault, (timeframe, bar))
            return
        series = self.catalogue.series(connection, number, timeframe, bar.source)
        place = (number, str(timeframe), bar.open_ms)
        if self._believed.setdefault(place, series) != series:
            self._send(connection)  # another source's bar of that time is in this batch: one after the other
            self._believed[place] = series
        price, lots = float(instrument.price_scale), float(instrument.size_scale)
        self._values["bars"] += (
            series, bar.open_ms, bar.open / price, bar.high / price, bar.low / price, bar.close / price,
            bar.volume / lots, bar.quote_volume / (price * lots) if bar.quote_volume >= 0 else None,
            bar.taker_buy / lots if bar.taker_buy >= 0 else None, bar.trades if bar.trades >= 0 else None,
            bar.complete, known_at, bar.last_id,
        )  # fmt: skip
        others = self.catalogue.others(connection, series, number, timeframe)
        if others:
            self._replaced += [(known_at, other, bar.open_ms) for other in others]
        self._touch(instrument.key, timeframe, bar.open_ms)

    def _touch(self, key: str, timeframe: Timeframe, open_ms: int) -> None:
        first, last = self._spans.get((key, str(timeframe)), (open_ms, open_ms))
        self._spans[key, str(timeframe)] = (min(first, open_ms), max(last, open_ms))

    def _take_trades(self, number: int, keep: Keep) -> None:
        known_at, instrument = keep.known_at, keep.instrument
        price, lots = instrument.price_scale, instrument.size_scale
        earliest, latest = validation.EARLIEST_MS * MS, known_at + validation.AHEAD
        values = self._values["trades"]
        for trade in keep.trades:
            if trade.price > 0 and trade.size > 0 and earliest <= trade.ts_exch < latest:
                values += (
                    number, trade.aggregate, trade.id, trade.ts_exch, trade.price / price, trade.size / lots,
                    trade.sell, trade.count, trade.regular, trade.ts_sent, "venue", known_at,
                )  # fmt: skip
            else:
                self._reject(known_at, "trades", instrument, validation.trade_fault(trade, known_at), trade)

    def _column(self, number: int, keep: Keep, column: Column) -> None:
        fault = validation.column_fault(column)
        if fault:
            self._reject(keep.known_at, "cob_1s", keep.instrument, fault, column)
            return
        self._values["cob_1s"] += (number, column.second, keep.bucket, *column_row(column), keep.known_at)
        self.minutes.saw(number, column.second)
        if len(keep.averages) == WINDOWS:
            self._values["imbalances"] += (
                number, column.second, keep.band, *[each.plain for each in keep.averages],
                *[each.weighted for each in keep.averages], *[each.samples for each in keep.averages], keep.known_at,
            )  # fmt: skip

    def _book(self, number: int, instrument: Instrument, book: BookKept, known_at: int) -> None:
        fault = validation.book_fault(book)
        if fault:
            self._reject(known_at, "book_snapshots", instrument, fault, book)
            return
        bid, ask = book.bids[0][0], book.asks[0][0]
        price, lots = instrument.price_scale, instrument.size_scale
        volumes = (sum(lot for _, lot in side) / lots for side in (book.bids, book.asks))
        self._values["book_snapshots"] += (
            number, known_at, _text(book.bids).decode(), _text(book.asks).decode(), (bid + ask) / (2 * price),
            (ask - bid) / price, *volumes, book.sequence, known_at,
        )  # fmt: skip

    def _reject(self, at: int, kind: str, instrument: Instrument, reason: str, body: object) -> None:
        self._rejects.append((at, kind, instrument.key, reason, _text(body).decode()))

    def _send(self, connection: sqlite3.Connection) -> None:
        """Hand the rows over; a bar that takes another source's place puts that one's row aside."""
        if self._replaced:
            connection.executemany(PUT_ASIDE, self._replaced)
            connection.executemany(TAKE_AWAY, self._replaced)
            self._replaced = []
        for table, values in self._values.items():
            if values:
                width, step = TABLES[table][0], TABLES[table][0] * TOGETHER
                whole = len(values) // step * step
                connection.executemany(_insert(table, TOGETHER), (values[i : i + step] for i in range(0, whole, step)))
                rest = range(whole, len(values), width)
                connection.executemany(_insert(table, 1), (values[i : i + width] for i in rest))
                values.clear()

    def _refuse(self, connection: sqlite3.Connection) -> None:
        kinds = Counter((key, kind) for _, kind, key, _, _ in self._rejects)
        for _, kind, key, reason, _ in self._rejects:
            count = kinds.pop((key, kind), 0)
            if count:
                log.warning("%s: %d rows of %s were refused; the first: %s", key, count, kind, reason)
        connection.executemany(REJECTS, self._rejects)
        connection.execute("DELETE FROM rejects WHERE id <= (SELECT max(id) FROM rejects) - ?", (REJECTS_KEPT,))


@cache
def _insert(table: str, rows: int) -> str:
    width, tail = TABLES[table]
    row = f"({', '.join('?' * width)})"
    return f"INSERT INTO {table} VALUES {', '.join([row] * rows)} {tail}"


def column_row(column: Column) -> Row:
    """Return a column's own part of its row."""
    arrays: Sequence[Sequence[int]] = (column.bids, column.asks, column.bid_notional, column.ask_notional)
    partial = [int(each) for each in column.partial]
    texts = [_text(each).decode() for each in (*arrays, partial)]
    return (column.base, column.best_bid, column.best_ask, *texts)


def averages_of(row: Sequence[float | None]) -> tuple[Averages, ...]:
    """Return the averages of a band from its row: four plain ones, four weighted ones, four numbers of samples."""
    return tuple(
        Averages(window_s=window, plain=row[place], weighted=row[place + 4], samples=int(row[place + 8] or 0))
        for place, window in enumerate((1, 5, 15, 60))
    )
