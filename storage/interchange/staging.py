"""The way into storage: what was read of one file is put into a database of its own, and that is merged in one
transaction.

Reading and checking is done by whoever imports; the one writer of storage only attaches the file and copies rows, at
the speed of the database. Within a series the row that is there stays: one that says the same is counted as a
duplicate, one that differs as a conflict, with both values; only what is not complete gives way to what is. Rows of
other sources are never touched; a read chooses by rank.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np

from engine.errors import ImportRefused, StorageFailed
from engine.types import SECOND
from storage import catalogue
from storage.atomic import transaction
from storage.ingest import REJECTS_KEPT
from storage.interchange import swings
from storage.interchange.batch import Candles, Parsed, Trades
from storage.interchange.report import EXAMPLES, Conflict, FileReport, SeriesReport, of_parsed, total

PREFERRED = ("archive", "recording", "export")
"""Imports that go before others where they overlap: the venue's own files, what we heard ourselves, what we had."""

BEHIND = ("octobot", "lean")
"""Imports that go behind others: collections made by third parties, some of unfinished bars."""

SCHEMA = """
CREATE TABLE series (
    id INTEGER PRIMARY KEY, instrument TEXT, timeframe TEXT, source TEXT, rank INTEGER);
CREATE TABLE bars (
    series_id INTEGER, open_ms INTEGER, open REAL, high REAL, low REAL, close REAL, volume REAL, quote_volume REAL,
    taker_buy REAL, trades INTEGER, complete INTEGER, known_at INTEGER, sequence INTEGER);
CREATE TABLE trades (
    series_id INTEGER, aggregate INTEGER, trade_id, ts INTEGER, price REAL, size REAL, sell INTEGER,
    count INTEGER, regular INTEGER, ts_sent INTEGER, source TEXT, known_at INTEGER);
CREATE TABLE rejects (kind TEXT, instrument TEXT, reason TEXT, body TEXT);
CREATE TABLE scales (
    key TEXT, symbol TEXT, price_decimals INTEGER, size_decimals INTEGER, tick INTEGER, contract_size INTEGER);
CREATE TABLE file (sha256 TEXT, said TEXT, report TEXT);
"""
"""Ids of trades have no type, as in storage: compared with integers, its key would not be searched but gone through."""

_encode = msgspec.json.encode


def rank(source: str) -> int:
    """Return where an import stands among all sources; the lower goes first."""
    name = source.removeprefix("import:")
    first = catalogue.rank("import")
    if name in PREFERRED:
        return first + PREFERRED.index(name)
    return first + (9 if name in BEHIND else 5)


def stage(path: Path, parsed: Parsed, *, source_path: str, size: int, sha256: str, said: str) -> FileReport:
    """Write what was read of a file into a new database at `path`; return the report so far."""
    report = of_parsed(source_path, parsed)
    report.bytes, report.sha256 = size, sha256
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(SCHEMA)
        connection.execute("BEGIN")
        batches: list[Candles | Trades] = [*parsed.candles, *parsed.trades]
        for number, each in enumerate(batches):
            timeframe = str(each.timeframe) if isinstance(each, Candles) else ""
            head = (number, each.instrument, timeframe, each.source, rank(each.source))
            connection.execute("INSERT INTO series VALUES (?, ?, ?, ?, ?)", head)
            if isinstance(each, Candles):
                connection.executemany(
                    "INSERT INTO bars VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, -1)", _bars(number, each)
                )
            else:
                connection.executemany(
                    "INSERT INTO trades VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)", _trades(number, each)
                )
        connection.executemany(
            "INSERT INTO scales VALUES (?, ?, ?, ?, ?, ?)",
            (
                (one.key, one.symbol, one.price_decimals, one.size_decimals, one.tick, one.contract_size)
                for one in parsed.instruments.values()
            ),
        )
        whose = report.series[0].instrument if len({each.instrument for each in report.series}) == 1 else ""
        kind = "trades" if parsed.trades and not parsed.candles else "bars"
        connection.executemany(
            "INSERT INTO rejects VALUES (?, ?, ?, ?)",
            (
                (kind, whose, each.reason, _encode({"file": source_path, "row": each.row, "text": each.text}).decode())
                for each in parsed.refusals.rows
            ),
        )
        connection.execute("INSERT INTO file VALUES (?, ?, ?)", (sha256, said, _encode(report).decode()))
        connection.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        raise StorageFailed(f"{path}: the file for the import cannot be written: {error}; free some space") from error
    finally:
        connection.close()
    return report


def _bars(number: int, candles: Candles) -> Iterable[tuple[object, ...]]:
    """Yield rows; sqlite3 writes nan as NULL."""
    rows = candles.ohlcv
    unknown = rows.trades < 0
    trades: list[int | None] = rows.trades.tolist()
    for place in np.flatnonzero(unknown):
        trades[place] = None
    return zip(
        [number] * len(rows), rows.open_ms.tolist(), rows.open.tolist(), rows.high.tolist(), rows.low.tolist(),
        rows.close.tolist(), rows.volume.tolist(), rows.quote_volume.tolist(), rows.taker_buy.tolist(), trades,
        rows.complete.tolist(), rows.known_at.tolist(), strict=True,
    )  # fmt: skip


def _trades(number: int, trades: Trades) -> Iterable[tuple[object, ...]]:
    """Yield rows; a trade of a file is known from the end of its second on."""
    n = len(trades)
    known = (trades.ts // SECOND + 1) * SECOND
    return zip(
        [number] * n, [int(trades.aggregate)] * n, trades.ids.tolist(), trades.ts.tolist(), trades.price.tolist(),
        trades.size.tolist(), trades.sell.tolist(), trades.count.tolist(), trades.ts_sent.tolist(), [trades.source] * n,
        known.tolist(), strict=True,
    )  # fmt: skip


class Merged(msgspec.Struct, kw_only=True):
    """What a merge did: the report, and the stretches of bars that changed (instrument, timeframe, first, last ms)."""

    report: FileReport
    touched: list[tuple[str, str, int, int]] = []


def merge(connection: sqlite3.Connection, path: Path, now: int) -> Merged:
    """Merge a staged file into storage, in one transaction; the writer's thread does this. `now`: UTC ns.

    Raises:
        ImportRefused: Prices stand a power of ten off those of another source; nothing was taken.
        StorageFailed: The counts do not agree; nothing was taken.
        sqlite3.Error: The database refused; nothing was taken.
    """
    connection.execute("ATTACH ? AS incoming", (str(path),))
    try:
        with transaction(connection):
            merged = _merge(connection, now)
    finally:
        connection.execute("DETACH incoming")
    return merged


def _merge(connection: sqlite3.Connection, now: int) -> Merged:
    sha256, said, text = connection.execute("SELECT sha256, said, report FROM incoming.file").fetchone()
    report = msgspec.json.decode(text, type=FileReport)
    merged = Merged(report=report)
    staged = connection.execute("SELECT * FROM incoming.series ORDER BY id").fetchall()
    for told, (number, key, timeframe, source, place) in zip(report.series, staged, strict=True):
        instrument = _instrument(connection, key)
        if timeframe:
            series = _series(connection, instrument, timeframe, source, place)
            report.notes += _units(connection, number, instrument, timeframe, told)
            _merge_bars(connection, number, series, told, report)
            repeats = (told.identical, told.conflicts, series)
            connection.execute(
                "UPDATE series SET duplicates = duplicates + ?, conflicts = conflicts + ? WHERE id = ?", repeats
            )
            merged.touched.append((key, timeframe, told.first, told.last))
        else:
            _merge_trades(connection, number, instrument, told, report)
    connection.execute(
        "UPDATE instruments SET (symbol, price_decimals, size_decimals, tick, contract_size) = (SELECT"
        " s.symbol, s.price_decimals, s.size_decimals, s.tick, s.contract_size FROM incoming.scales s"
        " WHERE s.key = instruments.key) WHERE price_decimals IS NULL AND key IN (SELECT key FROM incoming.scales)"
    )
    swings.note(connection, ((key, timeframe) for key, timeframe, _, _ in merged.touched))
    connection.execute(
        "INSERT INTO rejects (at, kind, instrument, reason, body) SELECT ?, * FROM incoming.rejects", (now,)
    )
    connection.execute("DELETE FROM rejects WHERE id <= (SELECT max(id) FROM rejects) - ?", (REJECTS_KEPT,))
    total(report)
    if not report.adds_up:
        raise StorageFailed(
            f"{report.path}: {report.rows} rows were read, and other counts do not add up to them; nothing was taken"
        )
    connection.execute(
        "INSERT INTO imports (sha256, said, path, bytes, format, report, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (sha256, said, report.path, report.bytes, report.format, _encode(report).decode(), now),
    )
    return merged


def _instrument(connection: sqlite3.Connection, key: str) -> int:
    """Return an instrument's number; one that is new has no scales."""
    venue, _, symbol = key.partition(":")
    base, _, quote = symbol.partition(":")[0].partition("/")
    connection.execute(
        "INSERT INTO instruments (key, venue, symbol, base, quote) VALUES (?, ?, '', ?, ?) ON CONFLICT DO NOTHING",
        (key, venue, base, quote),
    )
    return int(connection.execute("SELECT id FROM instruments WHERE key = ?", (key,)).fetchone()[0])


def _series(connection: sqlite3.Connection, instrument: int, timeframe: str, source: str, place: int) -> int:
    connection.execute(
        "INSERT INTO series (instrument_id, timeframe, source, rank) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (instrument, timeframe, source, place),
    )
    select = "SELECT id FROM series WHERE instrument_id = ? AND timeframe = ? AND source = ?"
    return int(connection.execute(select, (instrument, timeframe, source)).fetchone()[0])


FIELDS = ("open", "high", "low", "close", "volume", "complete")
LOOSE = ("quote_volume", "taker_buy", "trades")
"""Fields that not every file tells: unknown is no contradiction."""

_DIFFERENT = " OR ".join(
    [f"s.{name} IS NOT b.{name}" for name in FIELDS]
    + [f"(s.{name} <> b.{name} AND s.{name} IS NOT NULL AND b.{name} IS NOT NULL)" for name in LOOSE]
)
_DIFFERENT_TRADE = " OR ".join(f"s.{name} IS NOT t.{name}" for name in ("ts", "price", "size", "sell", "count"))


def _merge_bars(
    connection: sqlite3.Connection, number: int, series: int, told: SeriesReport, report: FileReport
) -> None:
    there = "SELECT 1 FROM bars WHERE series_id = ? AND open_ms BETWEEN ? AND ? LIMIT 1"
    if connection.execute(there, (series, told.first, told.last)).fetchone():
        same = "b.series_id = ?1 AND b.open_ms = s.open_ms"
        joined = f"FROM incoming.bars s CROSS JOIN bars b ON {same} WHERE s.series_id = ?2 AND b.complete >= s.complete"
        both = int(connection.execute(f"SELECT count(*) {joined}", (series, number)).fetchone()[0])
        different = int(
            connection.execute(f"SELECT count(*) {joined} AND ({_DIFFERENT})", (series, number)).fetchone()[0]
        )
        told.identical += both - different
        told.conflicts += different
        if different and len(report.differences) < EXAMPLES:
            names = (*FIELDS, *LOOSE)
            pairs = ", ".join(f"b.{name}, s.{name}" for name in names)
            query = f"SELECT s.open_ms, {pairs} {joined} AND ({_DIFFERENT}) ORDER BY s.open_ms LIMIT {EXAMPLES}"
            for at, *values in connection.execute(query, (series, number)):
                report.differences += _differences(told, at, names, values)
    done = connection.execute(
        "INSERT INTO bars SELECT ?, open_ms, open, high, low, close, volume, quote_volume, taker_buy, trades, complete,"
        " known_at, sequence FROM incoming.bars WHERE series_id = ? ORDER BY open_ms ON CONFLICT DO UPDATE SET"
        f" {', '.join(f'{name} = excluded.{name}' for name in (*FIELDS, *LOOSE, 'known_at'))}"
        " WHERE complete < excluded.complete",
        (series, number),
    )
    told.new = done.rowcount


def _merge_trades(
    connection: sqlite3.Connection, number: int, instrument: int, told: SeriesReport, report: FileReport
) -> None:
    joined = (
        "FROM incoming.trades s CROSS JOIN trades t ON t.instrument_id = ?1 AND t.aggregate = s.aggregate"
        " AND t.trade_id = s.trade_id WHERE s.series_id = ?2"
    )
    both = int(connection.execute(f"SELECT count(*) {joined}", (instrument, number)).fetchone()[0])
    if both:
        query = f"SELECT count(*) {joined} AND ({_DIFFERENT_TRADE})"
        different = int(connection.execute(query, (instrument, number)).fetchone()[0])
        told.identical += both - different
        told.conflicts += different
        names = ("ts", "price", "size", "sell", "count")
        pairs = ", ".join(f"t.{name}, s.{name}" for name in names)
        query = f"SELECT s.trade_id, {pairs} {joined} AND ({_DIFFERENT_TRADE}) LIMIT {EXAMPLES}"
        for at, *values in connection.execute(query, (instrument, number)):
            report.differences += _differences(told, at, names, values)
    done = connection.execute(
        "INSERT INTO trades (instrument_id, aggregate, trade_id, ts, price, size, sell, count, regular, ts_sent,"
        " source, known_at) SELECT ?, aggregate, trade_id, ts, price, size, sell, count, regular, ts_sent, source,"
        " known_at FROM incoming.trades WHERE series_id = ? ON CONFLICT DO NOTHING",
        (instrument, number),
    )
    told.new = done.rowcount


def _differences(told: SeriesReport, at: int, names: tuple[str, ...], values: list[float | None]) -> list[Conflict]:
    name = f"{told.instrument} {told.kind} {told.source}"
    return [
        Conflict(series=name, at=at, field=field, stored=values[2 * i], file=values[2 * i + 1])
        for i, field in enumerate(names)
        if values[2 * i] != values[2 * i + 1] and not (field in LOOSE and None in values[2 * i : 2 * i + 2])
    ]


def _units(
    connection: sqlite3.Connection, number: int, instrument: int, timeframe: str, told: SeriesReport
) -> list[str]:
    """Compare prices and volumes with what is stored of the same times, of any source; return what is to be said.

    Raises:
        ImportRefused: Prices stand a power of ten off.
    """
    pairs = connection.execute(
        "SELECT s.close, s.volume, b.close, b.volume, x.source FROM incoming.bars s CROSS JOIN series x"
        " JOIN bars b ON b.series_id = x.id AND b.open_ms = s.open_ms"
        " WHERE s.series_id = ? AND x.instrument_id = ? AND x.timeframe = ? LIMIT 500",
        (number, instrument, timeframe),
    ).fetchall()
    if len(pairs) < 3:
        return []
    decades = float(np.median([np.log10(close / other) for close, _, other, _, _ in pairs]))
    if abs(decades) > 0.9 and abs(decades - round(decades)) < 0.1:
        raise ImportRefused(
            f"prices of {told.instrument} {timeframe} are 10^{round(decades)} times those of {pairs[0][4]} at the same "
            "times: another unit, or another --symbol?"
        )
    shares = [volume / other / close for close, volume, _, other, _ in pairs if volume and other]
    if len(shares) > 2 and 0.5 < float(np.median(shares)) < 2:
        return [
            f"{told.instrument} {timeframe}: volumes look like quote currency: `data prune` it, and import it "
            "again with --volume quote"
        ]
    return []


def imported(connection: sqlite3.Connection, sha256: str, said: str) -> str | None:
    """Return the path that a file was imported from with the same things said of it, or None."""
    found = connection.execute("SELECT path FROM imports WHERE sha256 = ? AND said = ?", (sha256, said)).fetchone()
    return str(found[0]) if found else None
