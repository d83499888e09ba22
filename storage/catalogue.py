"""Instruments and series by their numbers in the database; asked once, remembered after."""

from __future__ import annotations

import sqlite3

from engine.ohlcv import SOURCES, source_code
from engine.types import Instrument, Timeframe

IMPORT = source_code("import")

LIVE = tuple(source for source in SOURCES if source != "import")
"""Sources that an engine follows or asks. It believes one bar of each time: a new one puts the others' aside."""

STEP = 10
"""Ranks between two of `SOURCES`, so that imports can be ranked among themselves."""


IMPORT_RANKS = (STEP * IMPORT, STEP * IMPORT + STEP - 1)
"""The first and the last rank of an import."""


def rank(source: str) -> int:
    """Return where a source stands by itself; the lower goes first."""
    return STEP * source_code(source)


class Catalogue:
    """Numbers of instruments and series, as far as one connection has asked for them."""

    __slots__ = ("_instruments", "_others", "_series")

    def __init__(self) -> None:
        self._instruments: dict[str, tuple[int, Instrument]] = {}
        self._series: dict[tuple[int, str, str], int] = {}
        self._others: dict[int, tuple[int, ...]] = {}

    def clear(self) -> None:
        """Forget everything, as after a transaction that was taken back."""
        self._instruments.clear()
        self._series.clear()
        self._others.clear()

    def instrument(self, connection: sqlite3.Connection, instrument: Instrument) -> int:
        """Return an instrument's number; a new one, or new scales, are written down."""
        known = self._instruments.get(instrument.key)
        if known is not None and known[1] is instrument:
            return known[0]
        found = connection.execute(
            "INSERT INTO instruments (key, venue, symbol, base, quote, price_decimals, size_decimals, tick,"
            " contract_size) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET symbol ="
            " excluded.symbol, price_decimals = excluded.price_decimals, size_decimals = excluded.size_decimals,"
            " tick = excluded.tick, contract_size = excluded.contract_size RETURNING id",
            (
                instrument.key, instrument.venue, instrument.symbol, instrument.base, instrument.quote,
                instrument.price_decimals, instrument.size_decimals, instrument.tick, instrument.contract_size,
            ),
        ).fetchone()  # fmt: skip
        self._instruments[instrument.key] = (int(found[0]), instrument)
        return int(found[0])

    def series(self, connection: sqlite3.Connection, instrument: int, timeframe: Timeframe, source: str) -> int:
        """Return a series' number; a new one is written down."""
        key = (instrument, str(timeframe), source)
        known = self._series.get(key)
        if known is None:
            connection.execute(
                "INSERT INTO series (instrument_id, timeframe, source, rank) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (*key, rank(source)),
            )
            select = "SELECT id FROM series WHERE instrument_id = ? AND timeframe = ? AND source = ?"
            known = self._series[key] = int(connection.execute(select, key).fetchone()[0])
            self._others.clear()
        return known

    def live(self, connection: sqlite3.Connection, instrument: int, timeframe: Timeframe) -> tuple[int, ...]:
        """Return the numbers of the series of an instrument and timeframe that an engine believes in."""
        select = "SELECT id, source FROM series WHERE instrument_id = ? AND timeframe = ?"
        return tuple(
            int(number)
            for number, source in connection.execute(select, (instrument, str(timeframe)))
            if source_code(source) != IMPORT
        )

    def others(
        self, connection: sqlite3.Connection, series: int, instrument: int, timeframe: Timeframe
    ) -> tuple[int, ...]:
        """Return the other live series of a live one."""
        known = self._others.get(series)
        if known is None:
            found = self.live(connection, instrument, timeframe)
            known = self._others[series] = tuple(each for each in found if each != series)
        return known
