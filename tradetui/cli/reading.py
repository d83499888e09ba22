"""Where the commands about the account have their rows from: the running engine, else the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from tradetui.cli.options import places_of, utc_of
from tradetui.cli.output import MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.tradingviews import JournalView
    from storage.records import StoredRecords
    from tradetui.config.sections import Settings
    from tradetui.places import Places
    from tradetui.pnl import LastKnown

T = TypeVar("T")

PAGE = 5000
"""Rows of one answer of the engine."""

REMEMBERED = {"order_history": "orders", "fill_history": "fills", "trade_history": "journal"}
"""Where an engine that keeps no records, as that of a replay, has the newest of them."""

STORED_MOST = 1_000_000
"""Rows read of the database for sums."""


def of_engine(profile: str | None, topic: str, kind: type[T]) -> T:
    """Return a topic of the running engine.

    Raises:
        EngineUnreachable: None runs, or it does not answer.
        RequestDenied: It says why not, e.g. because trading is off.
    """
    import asyncio

    from tradetui.client import engine_of

    places = places_of(profile)

    async def ask() -> T:
        async with engine_of(places, topic) as engine:
            return await engine.get(topic, kind)

    return asyncio.run(ask())


def reached(profile: str | None, topic: str, kind: type[T]) -> T | None:
    """Return a topic of the running engine; None where none runs, or trading is off in it.

    Raises:
        EngineUnreachable: One runs and does not answer.
    """
    from engine.errors import EngineUnreachable, RequestDenied

    try:
        return of_engine(profile, topic, kind)
    except EngineUnreachable as error:
        if error.hung:
            raise
    except RequestDenied as error:
        if error.code != "not_available":
            raise
    return None


def past_rows(
    profile: str | None,
    topic: str,
    kind: type[T],
    symbol: str,
    limit: int,
    since: str,
    *,
    end_ms: int | None = None,
    stored_only: bool = False,
) -> tuple[list[T], bool]:
    """Return rows of the past, newest first, and whether they were read from the database, because no engine runs.

    Raises:
        StorageFailed: The database cannot be read.
        EngineUnreachable: An engine runs and does not answer.
    """
    import asyncio

    from engine.errors import EngineUnreachable, RequestDenied
    from engine.ingestion.symbols import full_key
    from tradetui.client import engine_of

    places, start_ms = places_of(profile), since_ms(since)
    key = full_key(symbol) if symbol else ""

    async def ask() -> list[T]:
        async with engine_of(places, topic) as engine:
            try:
                return await engine.get(
                    topic,
                    list[kind],  # type: ignore[valid-type]
                    instrument=key,
                    limit=min(limit, PAGE),
                    start_ms=start_ms,
                    end_ms=end_ms,
                )
            except RequestDenied as error:
                if error.code != "not_available" or topic not in REMEMBERED:
                    raise
            rows: list[Any] = await engine.get(REMEMBERED[topic], list[kind])  # type: ignore[valid-type]
            return [row for row in rows if key in ("", row.instrument)][:limit]

    if not stored_only:
        try:
            return asyncio.run(ask()), False
        except EngineUnreachable as error:
            if error.hung:
                raise
    return _stored(places, topic, limit, key, start_ms), True


def _stored(places: Places, topic: str, limit: int, key: str, start_ms: int | None) -> list[Any]:
    from engine.trading.past import past

    _, records = _records(places)
    start = None if start_ms is None else start_ms * MS
    return past(records, topic, limit=limit, start=start, instrument=key)


def _records(places: Places) -> tuple[Settings, StoredRecords]:
    from storage.records import StoredRecords
    from tradetui.cli.options import config_of
    from tradetui.config import load

    settings = load(config_of(None), profile=places.settings)
    mode = settings.trading.mode
    return settings, StoredRecords(places.of_mode(mode).database, mode)


def as_last_known(profile: str | None) -> LastKnown:
    """Return the account as its newest image and the records behind it leave it, without an engine.

    Raises:
        StorageFailed: They cannot be read.
    """
    import time

    import msgspec

    from engine.errors import StorageFailed
    from engine.execution.account import Account
    from engine.state import EngineState
    from engine.trading.recall import recall
    from tradetui.pnl import last_known

    settings, records = _records(places_of(profile))
    image, rest = records.since_image()
    account = Account(settings.trading, settings.risk, prefix="past")
    try:
        last = recall(EngineState(), account, None if image is None else image.body, rest, time.time_ns())
    except msgspec.MsgspecError as error:
        raise StorageFailed(
            f"what is stored of the account cannot be read by this version of tradetui ({error}); use the one that "
            "wrote it"
        ) from error
    return last_known(account, max(last, 0 if image is None else image.ts))


def all_trades(profile: str | None, kind: type[JournalView], symbol: str, since: str) -> tuple[list[JournalView], bool]:
    """Return every closed trade since a time, newest first, and whether they were read from the database."""
    found: dict[str, JournalView] = {}
    end_ms: int | None = None
    while True:
        rows, stored = past_rows(profile, "trade_history", kind, symbol, STORED_MOST, since, end_ms=end_ms)
        before = len(found)
        found |= {row.id: row for row in rows}
        if stored or len(rows) < PAGE or len(found) == before:
            return list(found.values()), stored
        end_ms = rows[-1].closed // MS + 1


def since_ms(text: str) -> int | None:
    """Return a UTC time, or one so long ago, as UTC ms; None for nothing.

    Raises:
        SettingsInvalid: It is neither.
    """
    import re
    import time

    if not text:
        return None
    if ago := re.fullmatch(r"(\d{1,6})([smhd])", text):
        seconds = int(ago[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[ago[2]]
        return max(int((time.time() - seconds) * 1000), 0)
    return int(utc_of("--since", text, ", 2h or 7d").timestamp() * 1000)


def chosen(rows: Sequence[T], symbol: str) -> list[T]:
    """Return the rows of an instrument, all without one."""
    from engine.ingestion.symbols import full_key

    key = full_key(symbol) if symbol else ""
    return [row for row in rows if not key or row.instrument == key]  # type: ignore[attr-defined]
