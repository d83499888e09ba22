"""JSON arrays of events as a venue's WebSocket sends them: trades and aggregate trades; books are neither."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from engine.errors import ImportRefused
from engine.types import MS
from storage.interchange import sifting
from storage.interchange.batch import Hints, Parsed
from storage.interchange.identity import Identity, key_of
from storage.interchange.tabular import source_of

KINDS = {"aggTrade": "a", "trade": "t"}
"""Events that are read, with the field of their id (Binance, "WebSocket Streams")."""


def take_events(parsed: Parsed, entries: list[Any], identity: Identity, hints: Hints) -> None:
    """Take a list of events into `parsed`; those that are no trades are counted.

    Raises:
        ImportRefused: None of them is a trade, or the venue cannot be told.
    """
    parsed.format = "events"
    found: dict[tuple[str, str], list[tuple[int, dict[str, Any]]]] = {}
    parsed.rows += len(entries)
    for number, entry in enumerate(entries, 1):
        kind = entry.get("e") if isinstance(entry, dict) else None
        if not isinstance(kind, str):
            parsed.refusals.add(number, "not an event", text=json.dumps(entry)[:200])
        elif kind in KINDS:
            found.setdefault((kind, str(entry.get("s", ""))), []).append((number, entry))
        else:
            parsed.skipped[f"{kind[:20]} events are neither candles nor trades"] += 1
    if not found:
        kinds = ", ".join(sorted({str(e.get("e"))[:20] for e in entries if isinstance(e, dict)}))
        raise ImportRefused(
            f"events of {kinds}: neither candles nor trades; a recording of them is replayed, not imported"
        )
    for (kind, symbol), events in found.items():
        # Only spot events have the field M; the futures markets cannot be told from one another, nor from other venues.
        venue = hints.venue or identity.venue or ("binance" if all("M" in event for _, event in events) else "")
        key = key_of(venue, hints.symbols.get(symbol, "") or hints.symbol or symbol)
        _take(parsed, key, kind, events, hints)


def _take(parsed: Parsed, key: str, kind: str, events: list[tuple[int, dict[str, Any]]], hints: Hints) -> None:
    def numbers(name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([_float(event.get(name)) for _, event in events], np.float64)

    def whole(name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.array(
            [value if type(value := event.get(name)) is int and abs(value) < 2**62 else -1 for _, event in events],
            np.int64,
        )

    time, first, last, maker = whole("T"), whole("f"), whole("l"), [event.get("m") for _, event in events]
    in_ns = np.where(time >= 10**14, time * 1000, time * MS)  # spot may be asked for microseconds
    sent = whole("E")
    sifting.trades(
        parsed, key, source_of(hints.source, "events"),
        {
            "time": np.where((time > 0) & (time < 10**16), in_ns, 0),
            "sent": np.where((sent > 0) & (sent < 10**16), np.where(sent >= 10**14, sent * 1000, sent * MS), 0),
            "price": numbers("p"), "size": numbers("q"), "id": whole(KINDS[kind]),
            "sell": np.array([1 if each is True else 0 if each is False else -1 for each in maker], np.int64),
            "count": np.where((first >= 0) & (last >= first), last - first + 1, 1),
        },
        np.array([number for number, _ in events]), lambda place: json.dumps(events[place][1]), hints,
        aggregate=kind == "aggTrade",
    )  # fmt: skip


def _float(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return float("nan")
