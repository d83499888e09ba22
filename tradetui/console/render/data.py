"""How good the data are: the model input's score, its streams, what is stored of each timeframe, the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.types import MS, TIMEFRAME_SECONDS, Timeframe
from tradetui.console.render.cells import NOTHING, age, count, figure, size, stamp, uptime
from tradetui.console.render.pens import BAD, BOLD, GOOD, TEXT, WARN, pen
from tradetui.console.render.table import LINE, PAST, PLAIN, QUIET, Cell, Column, Gauge, Row, heading

if TYPE_CHECKING:
    from engine.views import GapsView, QualityView, StorageView, StreamView
    from tradetui.console.news import News

PARTS = (
    Column("model input", 12, 22), Column("score", 6, 24), Column("gives", 9, right=True),
    Column("why", 12, 200, rank=1),
)  # fmt: skip

STREAMS = (
    Column("stream", 12, 18), Column("rows", 9, right=True), Column("missing", 7, right=True),
    Column("partial", 7, right=True, rank=3), Column("age", 4, right=True), Column("first", 16, rank=4),
    Column("last", 16, rank=2), Column("from", 8, 60, rank=1),
)  # fmt: skip

STORED = (
    Column("stored", 6, 8), Column("first", 16), Column("last", 16, rank=1), Column("missing", 7, right=True),
    Column("gaps", 5, right=True), Column("loaded", 6, right=True, rank=3), Column("served by", 14, 100, rank=2),
)  # fmt: skip

DATABASE = (Column("storage", 10, 16), Column("", 12, 1000))

TABLES = (
    Column("rows of", 10, 24), Column("rows", 8, right=True), Column("size", 7, right=True, rank=1),
    Column("packed", 8, right=True, rank=2),
)  # fmt: skip

READS = (
    Column("reads", 10, 24), Column("asked", 7, right=True), Column("hits", 5, right=True),
    Column("p50 ms", 6, right=True), Column("p99 ms", 6, right=True),
)  # fmt: skip

ENOUGH, GOOD_ENOUGH = 0.5, 0.8
"""Scores below which a part is bad, and from which it will do."""

GAP = "gap"
"""Rows of stored candles: enter tells every gap."""


def sections(news: News, symbol: str, timeframes: tuple[str, ...]) -> list[list[Row]]:
    """Return the sections, each with its heading; what is not told is not there."""
    quality = news.qualities.get(symbol)
    found = [_input(quality)]
    if quality is not None:
        found += [_parts(quality), _streams(quality)]
    found.append(_stored(news, symbol, timeframes))
    if quality is not None and quality.storage is not None:
        found += _storage(quality.storage, news)
    return [section for section in found if any(not row.head for row in section)]


def verdict(quality: QualityView | None) -> tuple[str, int]:
    """Return the score in a word, and its pen."""
    if quality is None:
        return NOTHING, PAST
    if quality.reason:
        return "no input", pen(BAD, attributes=BOLD)
    own = pen(GOOD if quality.valid else WARN, attributes=BOLD)
    return f"{quality.score:.2f} {'valid' if quality.valid else 'NOT VALID'}", own


def _input(quality: QualityView | None) -> list[Row]:
    if quality is None:
        return [Row(("input", 0), (("quality", QUIET), "the engine has not told of it yet"), columns=LINE)]
    rows = [Row(("input", 0), (("quality", QUIET), verdict(quality)), columns=LINE)]
    said = (quality.reason, *quality.missing) if quality.reason else quality.missing
    return rows + [
        Row(("missing", number), (("missing", pen(WARN)), text), columns=LINE) for number, text in enumerate(said)
    ]


def _parts(quality: QualityView) -> list[Row]:
    found = [heading(PARTS)]
    for part in quality.parts:
        own = pen(GOOD if part.score >= GOOD_ENOUGH else WARN if part.score >= ENOUGH else BAD)
        gives = f"{part.score * part.weight:.2f}/{part.weight:.2f}"
        cells: tuple[Cell, ...] = (part.name, Gauge(part.score, own), gives, part.why)
        found.append(Row(("part", part.name), cells, columns=PARTS))
    return found


def _streams(quality: QualityView) -> list[Row]:
    found = [heading(STREAMS)]
    for each in quality.streams:
        late = each.rows < each.wanted
        cells: tuple[Cell, ...] = (
            each.name, (f"{each.rows}/{each.wanted}", pen(WARN if late else TEXT)),
            (count(each.missing, 7), pen(WARN if each.missing else TEXT)), count(each.incomplete, 7),
            age(each.age_ms / 1000 if each.age_ms is not None else None), moment(each.first_ms), moment(each.last_ms),
            _sources(each),
        )  # fmt: skip
        found.append(Row(("stream", each.name), cells, columns=STREAMS))
    return found


def _sources(stream: StreamView) -> str:
    ordered = sorted(stream.sources.items(), key=lambda each: -each[1])
    return ", ".join(f"{name} {number}" for name, number in ordered)


def _stored(news: News, symbol: str, timeframes: tuple[str, ...]) -> list[Row]:
    found = [heading(STORED)]
    for timeframe in timeframes:
        told = news.gaps.get((symbol, timeframe))
        past, live = news.past(symbol, timeframe), news.candles(symbol, timeframe)
        loaded = len(past.candles) + len(live)
        if told is None and not loaded:
            continue
        served, trouble = _served(news, symbol, timeframe)
        cells: tuple[Cell, ...] = (
            timeframe, moment(told.first_ms if told is not None else None),
            moment(told.last_ms if told is not None else None), *_holes(told), count(loaded, 6),
            (served, pen(WARN) if trouble else PLAIN),
        )  # fmt: skip
        found.append(Row((GAP, timeframe), cells, columns=STORED))
    return found


def _served(news: News, symbol: str, timeframe: str) -> tuple[str, bool]:
    """Return who gave candles last, to this console or to the engine itself, and whether something failed."""
    past = news.past(symbol, timeframe)
    if past.trouble or past.served:
        return past.trouble or past.served, bool(past.trouble)
    known = news.health.history if news.health is not None else ()
    for each in known:
        if (each.instrument, each.timeframe) == (symbol, timeframe) and (each.source or each.failed):
            told = f"{each.source} {each.ms:.0f} ms" if each.source else ""
            return ", ".join(filter(None, (told, each.stand_in, each.failed))), bool(each.failed)
    return "", False


def _holes(told: GapsView | None) -> tuple[Cell, Cell]:
    if told is None or told.first_ms is None:
        return NOTHING, NOTHING
    own = pen(WARN if told.missing else TEXT)
    return (count(told.missing, 7), own), (count(len(told.gaps), 5), own)


def gaps(told: GapsView | None) -> list[str]:
    """Return every gap in a line: from when to when, how many bars, and what is known of it."""
    if told is None:
        return ["the engine has not told of it yet"]
    lines = [told.reason] if told.reason else []
    for each in reversed(told.gaps):
        span = uptime(each.missing * TIMEFRAME_SECONDS[Timeframe(told.timeframe)])
        bars = f"{each.missing:,} bar{'' if each.missing == 1 else 's'}"
        why = f", {each.reason}" if each.reason else ""
        lines.append(f"{moment(each.first_ms)} to {moment(each.last_ms)}: {bars} ({span}){why}")
    return lines or ["no bar is missing between the first and the last one stored"]


def _storage(storage: StorageView, news: News) -> list[list[Row]]:
    now_ms = news.engine_now() // MS
    since = f"{age((now_ms - storage.backup_ms) / 1000)} ago" if storage.backup_ms is not None else "none yet"
    waiting = f"{storage.waiting:,} rows" + (f", for {figure(storage.lag_ms)} ms" if storage.lag_ms else "")
    lines = [
        (
            "database",
            f"{storage.path}, {size(storage.bytes)}, {size(storage.free_bytes)} free, schema {storage.schema}",
        ),
        ("waiting", waiting),
        ("written", f"{storage.written:,} rows since the start, {storage.rejected:,} refused"),
        ("backup", since),
    ]
    first = [heading(DATABASE)]
    if storage.error:
        first.append(Row(("storage", "error"), (("ERROR", pen(BAD, attributes=BOLD)), storage.error), columns=DATABASE))
    first += [Row(("storage", name), ((name, QUIET), text), columns=DATABASE) for name, text in lines]
    tables = [heading(TABLES)]
    for table in storage.tables:
        bytes_ = size(table.bytes) if table.bytes is not None else NOTHING
        row = (table.name, count(table.rows, 8), bytes_, count(table.packed, 8))
        tables.append(Row(("table", table.name), row, columns=TABLES))
    reads = [heading(READS)]
    for read in storage.reads:
        asked = read.hits + read.misses
        hits = f"{read.hits / asked * 100:.0f}%" if asked else NOTHING
        reads.append(
            Row(("reads", read.name), (read.name, count(read.count, 7), hits, figure(read.p50_ms), figure(read.p99_ms)),
                columns=READS)
        )  # fmt: skip
    return [first, tables, reads]


def moment(ms: int | None) -> str:
    """Return a UTC time to the minute."""
    return stamp(ms * MS)[:16] if ms is not None else NOTHING
