"""What is ours on spot, from the journal in the database alone: the sum of our fills less fees in the base asset."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import msgspec

from tradetui.kill.venues import Ours

BUSY_S = 0.3
"""How long is waited for somebody who has the database."""

UNIT = Decimal(10**8)


class _Fill(msgspec.Struct):
    """What is needed of a fill."""

    id: str
    instrument: str
    side: str
    quantity: int
    fee: int
    fee_asset: str
    ts: int


class _Filled(msgspec.Struct):
    fill: _Fill | None = None


def holdings(database: Path, mode: str) -> dict[str, list[Ours]]:
    """Return the spot positions of a mode, by venue.

    Raises:
        OSError, ValueError: The database or a fill cannot be read; what is held is not known then.
    """
    sums: dict[str, int] = {}
    last: dict[str, int] = {}
    known: dict[str, set[str]] = {}
    for fill in _fills(database, mode):
        pair = fill.instrument.partition(":")[2]
        base, slash, _ = pair.partition("/")
        if not slash or ":" in pair:
            continue  # a derivative: the venue itself knows its position
        amount = fill.quantity if fill.side == "buy" else -fill.quantity
        sums[fill.instrument] = sums.get(fill.instrument, 0) + amount - (fill.fee if fill.fee_asset == base else 0)
        last[fill.instrument] = max(last.get(fill.instrument, 0), fill.ts)
        known.setdefault(fill.instrument, set()).add(fill.id)
    found: dict[str, list[Ours]] = {}
    for instrument, held in sums.items():
        if held > 0:
            venue, _, pair = instrument.partition(":")
            ours = Ours(pair, Decimal(held) / UNIT, last[instrument] // 10**6, frozenset(known[instrument]))
            found.setdefault(venue, []).append(ours)
    return found


def _fills(database: Path, mode: str) -> list[_Fill]:
    try:
        connection = sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True, timeout=BUSY_S)
        try:
            query = "SELECT body FROM records WHERE kind = 'fill' AND mode = ? ORDER BY id"
            bodies = [body for (body,) in connection.execute(query, (mode,))]
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise OSError(f"{database}: {error}") from error
    found = []
    for body in bodies:
        inner = msgspec.json.decode(body, type=_Filled).fill
        found.append(inner or msgspec.json.decode(body, type=_Fill))
    return found
