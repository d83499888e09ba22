"""The database in figures: what is in it, what waits, and what cannot be read is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.keep import Keep
from engine.types import SECOND, Bar, Timeframe
from storage import figures
from storage.figures import TABLES, Figures
from storage.writer import Writer
from tests.engine.support import BTC, T0


def minute(place: int) -> Keep:
    bar = Bar(
        open_ms=(T0 + 60 * place) * 1000, open=10, high=12, low=9, close=11, volume=5, trades=2, taker_buy=3,
        quote_volume=50, source="venue",
    )  # fmt: skip
    return Keep(instrument=BTC, known_at=(T0 + 60 * place + 60) * SECOND, bars=((Timeframe.M1, bar),))


async def test_rows_are_counted_once_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Writer(tmp_path / "market.db", clock=lambda: (T0 + 600) * SECOND) as writer:
        told = Figures(writer, tmp_path / "backups")
        for place in range(5):
            writer.put(minute(place))
        assert told.view().waiting == 5
        await writer.flush()
        view = told.view()
        assert (view.waiting, view.written, view.rejected, view.error, view.backup_ms) == (0, 5, 0, "", None)
        assert view.bytes > 0
        assert view.free_bytes > 0
        counted = {table.name: table.rows for table in view.tables}
        assert set(counted) == set(TABLES)
        assert counted["bars"] == 0, "counted a moment ago, before they were written"
        monkeypatch.setattr(figures, "COUNT_S", 0.0)
        assert {table.name: table.rows for table in told.view().tables}["bars"] == 5
        assert told.view().reads[0].name == "flush"


async def test_a_database_that_cannot_be_read_has_no_tables(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "gone" / "market.db")
    view = Figures(writer, tmp_path / "backups").view()
    assert (view.tables, view.bytes, view.free_bytes) == ((), 0, 0)
    assert "there is no database" in view.error
