"""A report in a few lines, for people."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import typer

from engine.errors import SettingsInvalid

COLUMNS = (
    "instrument",
    "book",
    "best bid",
    "best ask",
    "depth",
    "trades",
    "quotes",
    "gaps",
    "agree",
    "1m bars",
    "partial",
)


DISPENSABLE = ("1m bars", "quotes", "trades", "depth", "partial", "agree")
"""Columns left out, one after the other, where the terminal is too narrow."""


def summary(result: dict[str, Any], width: int = 200) -> str:
    """Return the report's figures as a table that fits `width` columns, and what holds for the whole run."""
    rows = [COLUMNS, *(_row(key, stream) for key, stream in result["streams"].items())]
    for name in DISPENSABLE:
        if sum(max(len(row[i]) for row in rows) + 2 for i in range(len(rows[0]))) - 2 <= width:
            break
        place = rows[0].index(name)
        rows = [row[:place] + row[place + 1 :] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    throughput = result["throughput"]
    lines.append("")
    lines.append(
        f"{throughput['messages']:,} messages in {throughput['seconds']:.2f} s"
        f" ({throughput['messages_per_s'] or 0:,} per second)"
    )
    latency = result.get("latency")
    if latency and latency["samples"]:
        lines.append(f"latency p50 {latency['p50_ms']} ms, p99 {latency['p99_ms']} ms, max {latency['max_ms']} ms")
    lines.append(f"state {result['state_hash']}")
    return "\n".join(lines)


def _row(key: str, stream: dict[str, Any]) -> tuple[str, ...]:
    book, check = stream["book"], stream["quote_check"]
    decimals = len(f"{stream['tick']:.10f}".rstrip("0").partition(".")[2])
    agree = f"{100 * check['matched'] / check['checked']:.2f} %" if check["checked"] else "-"
    partial = "-" if stream["partial_buckets"] is None else f"{stream['partial_buckets']}/40"
    return (
        key,
        "live" if stream["live"] else "NOT LIVE",
        "-" if book["best_bid"] is None else f"{book['best_bid']:,.{decimals}f}",
        "-" if book["best_ask"] is None else f"{book['best_ask']:,.{decimals}f}",
        f"{stream['depth_updates']:,}",
        f"{stream['trades']:,}",
        f"{stream['quotes']:,}",
        str(stream["gaps"]),
        agree,
        f"{len(stream['bars_1m']):,}",
        partial,
    )


def check(report: Path | None) -> None:
    """Find out before the run whether the report can be written after it.

    Raises:
        SettingsInvalid: It cannot.
    """
    if report is not None:
        try:
            report.open("ab").close()
        except OSError as error:
            raise SettingsInvalid(f"--report {report}: {error.strerror or error}") from error


def write(result: dict[str, Any], report: Path | None) -> None:
    """Print the summary, and write the report if one is wanted."""
    typer.echo(summary(result, shutil.get_terminal_size((200, 24)).columns))
    if report is None:
        return
    report.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
