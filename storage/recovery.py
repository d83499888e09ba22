"""What a stop has left out: listed as gaps at the next start, marked as healed when the bars are there."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable

from engine.types import MS, TIMEFRAME_SECONDS, Timeframe
from storage.atomic import transaction
from storage.catalogue import IMPORT_RANKS

log = logging.getLogger(__name__)

KILLED = "process ended"
STOPPED = "engine was not running"

LAST = """
SELECT s.instrument_id, s.timeframe, max((SELECT max(open_ms) FROM bars b WHERE b.series_id = s.id))
FROM series s WHERE s.timeframe = ? AND s.rank NOT BETWEEN ? AND ? GROUP BY 1
"""

NOTE = """
INSERT INTO gaps VALUES (?, ?, ?, ?, ?, ?, ?, NULL) ON CONFLICT DO UPDATE
SET last_ms = excluded.last_ms, missing = excluded.missing, noted_at = excluded.noted_at, healed_at = NULL
WHERE excluded.last_ms > last_ms
"""

COUNT = """
SELECT count(DISTINCT b.open_ms) FROM series s JOIN bars b ON b.series_id = s.id AND b.open_ms BETWEEN ? AND ?
WHERE s.instrument_id = ? AND s.timeframe = ? AND b.complete
"""


def set_meta(connection: sqlite3.Connection, key: str, value: object) -> None:
    """Remember a fact about the database."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, str(value)))


def get_meta(connection: sqlite3.Connection, key: str) -> str:
    """Return a fact about the database, "" if it is not known."""
    found = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return str(found[0]) if found else ""


def begin(connection: sqlite3.Connection, now: int) -> list[str]:
    """Note what is missing since the last engine, and that one runs from `now` (UTC ns) on; return what was noted.

    Rows of at most the last flush before a kill are lost; the stretch from the last stored second on is listed.
    """
    noted = []
    with transaction(connection):
        unclean = bool(get_meta(connection, "running"))
        reason = KILLED if unclean else STOPPED
        for number, timeframe, last in connection.execute(LAST, (str(Timeframe.S1), *IMPORT_RANKS)).fetchall():
            length = TIMEFRAME_SECONDS[Timeframe(timeframe)] * 1000
            first, end = (last or 0) + length, now // MS // length * length - length
            if last is None or end < first:
                continue
            missing = (end - first) // length + 1
            connection.execute(NOTE, (number, timeframe, first, end, missing, reason, now))
            noted.append(f"{missing} bars of {timeframe} of instrument {number}: {reason}")
        set_meta(connection, "running", now)
    return noted


def end(connection: sqlite3.Connection) -> None:
    """Note that the engine ended in order: everything it had is written."""
    set_meta(connection, "running", "")


class Holes:
    """The listed gaps that are not healed, as far as they were asked for."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: list[tuple[int, str, str, int, int, int]] | None = None

    def forget(self) -> None:
        """Ask again at the next look."""
        self._open = None

    def heal(self, connection: sqlite3.Connection, touched: Iterable[tuple[str, str, int, int]]) -> None:
        """Mark the gaps whose bars are there, among those that the touched stretches reach."""
        if self._open is None:
            self._open = connection.execute(
                "SELECT g.instrument_id, i.key, g.timeframe, g.first_ms, g.last_ms, g.missing FROM gaps g"
                " JOIN instruments i ON i.id = g.instrument_id WHERE g.healed_at IS NULL"
            ).fetchall()
        for key, timeframe, first, last in touched if self._open else ():
            for gap in list(self._open):
                number, name, length, begins, ends, missing = gap
                if (name, length) != (key, timeframe) or last < begins or first > ends:
                    continue
                if connection.execute(COUNT, (begins, ends, number, length)).fetchone()[0] >= missing:
                    connection.execute(
                        "UPDATE gaps SET healed_at = (SELECT max(b.known_at) FROM series s JOIN bars b ON b.series_id ="
                        " s.id WHERE s.instrument_id = ?1 AND s.timeframe = ?2 AND b.open_ms BETWEEN ?3 AND ?4)"
                        " WHERE instrument_id = ?1 AND timeframe = ?2 AND first_ms = ?3",
                        (number, length, begins, ends),
                    )
                    self._open.remove(gap)
                    log.info("%s: %d missing bars of %s are there now", key, missing, timeframe)
