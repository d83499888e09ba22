"""Where stored series have no bars: stretches, their neighbours, and whether a file or an outage is to blame."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import msgspec
import numpy as np

from engine.ohlcv import Ints
from engine.types import Timeframe
from storage.candles import NEVER, Series, opens
from storage.cold import Cold
from storage.interchange.report import FileReport

INSIDE = "inside one file"
BETWEEN = "between files"


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Bars that are missing between two neighbours.

    `first`, `last`: opening times of the first and the last that is missing, `after`, `before` those of the neighbours,
    UTC ms; `distance_s` seconds between the neighbours. `why`: `inside one file` where an imported file goes on over it
    (an outage, or minutes without trades), `between files` where none does; of live bars what the engine noted.
    """

    first: int
    last: int
    missing: int
    after: int
    before: int
    distance_s: int
    why: str


class SeriesGaps(msgspec.Struct, frozen=True, kw_only=True):
    """A series with its gaps, in order of time."""

    instrument: str
    timeframe: str
    source: str
    first: int
    last: int
    rows: int
    gaps: list[Gap]


class Listed(msgspec.Struct, frozen=True):
    """A stored series: its number, whose it is, timeframe, source and rank."""

    number: int
    instrument: str
    timeframe: Timeframe
    source: str
    rank: int

    @property
    def series(self) -> Series:
        """As `storage.candles` takes it."""
        return Series(self.number, self.source, self.rank)

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.timeframe} {self.source}"


def listed(connection: sqlite3.Connection, instrument: str = "", timeframe: str = "", source: str = "") -> list[Listed]:
    """Return the stored series that fit; "" fits all, a source fits with and without `import:`."""
    rows = connection.execute(
        "SELECT s.id, i.key, s.timeframe, s.source, s.rank FROM series s JOIN instruments i ON i.id = s.instrument_id"
        " WHERE ?1 IN ('', i.key) AND ?2 IN ('', s.timeframe) AND (?3 IN ('', s.source) OR s.source = 'import:' || ?3)",
        (instrument, timeframe, source),
    ).fetchall()
    lengths = list(Timeframe)
    found = [Listed(row[0], row[1], Timeframe(row[2]), row[3], row[4]) for row in rows]
    return sorted(found, key=lambda each: (each.instrument, lengths.index(each.timeframe), each.rank, each.source))


def gaps(connection: sqlite3.Connection, cold: Cold, series: list[Listed], *, least: int = 1) -> Iterator[SeriesGaps]:
    """Yield each series with its gaps of at least `least` bars."""
    files = _files(connection)
    for each in series:
        at = opens(connection, cold, [each.series], each.timeframe, 0, NEVER)
        if not len(at):
            continue
        covered = files.get((each.instrument, str(each.timeframe), each.source), [])
        noted = connection.execute(
            "SELECT g.first_ms, g.last_ms, g.reason FROM gaps g JOIN instruments i ON i.id = g.instrument_id"
            " WHERE i.key = ?",
            (each.instrument,),
        ).fetchall()
        yield SeriesGaps(
            instrument=each.instrument, timeframe=str(each.timeframe), source=each.source, first=int(at[0]),
            last=int(at[-1]), rows=len(at),
            gaps=[_gap(a, b, each, covered, noted) for a, b in _apart(at, each.timeframe, least)],
        )  # fmt: skip


def _apart(at: Ints, timeframe: Timeframe, least: int) -> list[tuple[int, int]]:
    """Return neighbours that lie too far apart."""
    places = np.flatnonzero(np.diff(at) > least * timeframe.seconds * 1000)
    return [(int(at[place]), int(at[place + 1])) for place in places]


def _gap(
    after: int, before: int, series: Listed, covered: list[tuple[int, int]], noted: list[tuple[int, int, str]]
) -> Gap:
    length = series.timeframe.seconds * 1000
    why = next((reason for first, last, reason in noted if first < before and last > after), "")
    if series.source.startswith("import:"):
        why = INSIDE if any(first <= after and before <= last for first, last in covered) else BETWEEN
    return Gap(
        first=after + length, last=before - length, missing=(before - after) // length - 1, after=after, before=before,
        distance_s=(before - after) // 1000, why=why,
    )  # fmt: skip


def _files(connection: sqlite3.Connection) -> dict[tuple[str, str, str], list[tuple[int, int]]]:
    """Return what imported files cover: first and last opening time, by series."""
    found: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    for (text,) in connection.execute("SELECT report FROM imports"):
        for each in msgspec.json.decode(text, type=FileReport).series:
            found.setdefault((each.instrument, each.kind, each.source), []).append((each.first, each.last))
    return found
