"""What an import did, file by file, with counts that add up."""

from __future__ import annotations

import msgspec

from storage.interchange.batch import Parsed, Refusal


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """A value told first by storage (or earlier in a file), then otherwise: the first stays. `at`: UTC ms or an id."""

    series: str
    at: int
    field: str
    stored: float | None
    file: float | None


class SeriesReport(msgspec.Struct, kw_only=True):
    """What became of one series of a file. `first`, `last`: opening (trades: trade) times, UTC ms."""

    instrument: str
    kind: str
    """A timeframe, `trades` or `aggregate trades`."""
    source: str
    first: int
    last: int
    rows: int
    new: int = 0
    identical: int = 0
    conflicts: int = 0


class FileReport(msgspec.Struct, kw_only=True):
    """What became of one file: `rows` = new + identical + conflicts + refused + left_out.

    `outcome`: `imported`, `already` (of an earlier import), `skipped` (the manifest says so, or no data), `refused`, or
    `would import` of a dry run. `kinds` counts the reasons of refused rows, `left` of those left out.
    """

    path: str
    outcome: str
    reason: str = ""
    format: str = ""
    bytes: int = 0
    sha256: str = ""
    rows: int = 0
    new: int = 0
    identical: int = 0
    conflicts: int = 0
    refused: int = 0
    left_out: int = 0
    kinds: dict[str, int] = {}
    left: dict[str, int] = {}
    notes: list[str] = []
    series: list[SeriesReport] = []
    examples: list[Refusal] = []
    differences: list[Conflict] = []
    seconds: float = 0.0

    @property
    def adds_up(self) -> bool:
        """Whether every row is accounted for."""
        return self.rows == self.new + self.identical + self.conflicts + self.refused + self.left_out


class Report(msgspec.Struct, kw_only=True):
    """What an import did in all; `failed` says why it could not go on, "" if it could.

    `schema` are the steps by which the database was brought up to date before.
    """

    files: list[FileReport] = []
    seconds: float = 0.0
    dry_run: bool = False
    interrupted: bool = False
    failed: str = ""
    schema: list[int] = []

    @property
    def ok(self) -> bool:
        """Whether all was done, and no file refused, nor every row of one."""
        refused = any(file.outcome == "refused" or 0 < file.rows == file.refused for file in self.files)
        return not (self.interrupted or self.failed or refused)


EXAMPLES = 20
"""Refused rows and conflicts that a report shows one by one; storage keeps more."""


def of_parsed(path: str, parsed: Parsed) -> FileReport:
    """Return the report of a file as far as reading it tells; merging fills in what storage had already."""
    series = [
        SeriesReport(
            instrument=each.instrument, kind=str(each.timeframe), source=each.source, first=int(each.ohlcv.open_ms[0]),
            last=int(each.ohlcv.open_ms[-1]), rows=len(each), identical=each.duplicates, conflicts=each.conflicts,
        )
        for each in parsed.candles
    ]  # fmt: skip
    series += [
        SeriesReport(
            instrument=each.instrument, kind="aggregate trades" if each.aggregate else "trades", source=each.source,
            first=int(each.ts.min()) // 1_000_000, last=int(each.ts.max()) // 1_000_000, rows=len(each),
            identical=each.duplicates, conflicts=each.conflicts,
        )
        for each in parsed.trades
    ]  # fmt: skip
    differences = [
        Conflict(series=each.name, at=at, field=field, stored=first, file=again)
        for each in parsed.candles
        for at, field, first, again in each.clashes
    ]
    return FileReport(
        path=path, outcome="imported", differences=differences[:EXAMPLES],
        format=parsed.format, rows=parsed.rows, refused=parsed.refusals.count,
        left_out=parsed.skipped.total(), kinds=dict(parsed.refusals.kinds), left=dict(parsed.skipped),
        notes=list(parsed.notes), series=series, examples=parsed.refusals.rows[:EXAMPLES],
    )  # fmt: skip


def total(report: FileReport) -> None:
    """Add up the series of a report."""
    report.new = sum(each.new for each in report.series)
    report.identical = sum(each.identical for each in report.series)
    report.conflicts = sum(each.conflicts for each in report.series)
