"""Storage put together for one profile: its writer, its reader, what packs and prunes, and the daily copy."""

from __future__ import annotations

from collections.abc import Iterator

from engine.alerts import Cause
from engine.supervisor import Part
from storage.archive import StoredArchive
from storage.backup import DailyBackup
from storage.bulk import Pace
from storage.retention import Days, Policy, Retention
from storage.writer import Writer
from tradetui.config.sections import Storage
from tradetui.places import Places


class Stored:
    """The database of one profile, or of one replay: that one is never packed, pruned or copied."""

    def __init__(self, places: Places, chosen: Storage) -> None:
        self.writer = Writer(places.database, pace(chosen), engine=not places.replay)
        self.archive = StoredArchive(places.database, places.cold, self.writer.changes)
        self.retention = Retention(self.writer, self.archive.cold, policy(chosen))
        self.backup = DailyBackup(places.database, places.backups, keep=chosen.backups)
        self._lasting = not places.replay
        self._lost = self._rejected = 0

    def parts(self) -> Iterator[Part]:
        """Yield what runs beside the engine."""
        yield Part(name="storage", run=self.writer.run)
        if self._lasting:
            yield Part(name="retention", run=self.retention.run)
            yield Part(name="backup", run=self.backup.run)

    def troubles(self) -> Iterator[Cause]:
        """Yield what is wrong at this moment."""
        writer = self.writer
        if writer.error:
            doing = "the market goes on without it; tried again" if not writer.is_open else "tried again"
            yield Cause("STORAGE_FAILED", "storage", writer.error, doing)
        if self.retention.pressed:
            yield Cause("STORAGE_PRESSED", "storage", self.retention.pressed, "the oldest days are given up")
        if self.backup.last_error:
            yield Cause("BACKUP_FAILED", "backup", self.backup.last_error, "tried again in ten minutes")

    def news(self) -> Iterator[tuple[Cause, int]]:
        """Yield what went wrong since the last look, and how many times."""
        writer = self.writer
        lost, self._lost = writer.lost - self._lost, writer.lost
        rejected, self._rejected = writer.rejected - self._rejected, writer.rejected
        if lost > 0:
            yield Cause("ROWS_LOST", "storage", f"{lost} rows were dropped: too many wait", "the oldest go first"), lost
        if rejected > 0:
            yield Cause("ROWS_REFUSED", "storage", f"{rejected} rows are not plausible", "kept aside"), rejected

    async def close(self) -> None:
        """Write what waits and close everything; never raises."""
        await self.writer.close()
        self.archive.close()


def pace(chosen: Storage) -> Pace:
    """Return how rows are written."""
    return Pace(rows=chosen.flush_rows, seconds=chosen.flush_s, most_waiting=chosen.waiting_rows)


def policy(chosen: Storage) -> Policy:
    """Return what is kept for how long."""
    cob = Days(pack=chosen.pack_cob_days, keep=chosen.cob_days)
    return Policy(
        days={
            "book_snapshots": Days(pack=chosen.pack_books_days, keep=chosen.books_days),
            "cob_1s": cob,
            "cob_1m": cob,
            "imbalances": Days(pack=chosen.pack_imbalances_days, keep=chosen.imbalances_days),
            "trades": Days(pack=chosen.pack_trades_days, keep=chosen.trades_days),
            "bars": Days(pack=chosen.pack_seconds_days, keep=chosen.seconds_days),
        },
        prune_below_mb=chosen.prune_below_mb,
    )
