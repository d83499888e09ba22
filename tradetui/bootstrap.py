"""The composition root: the one place that chooses which parts an engine is made of."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.clock import Clock
from engine.data.archive import Archive, Store
from engine.errors import SettingsInvalid
from engine.execution.account import Account
from engine.ingestion.feed import VenueFeed
from engine.ingestion.history import History, Keeper
from engine.ingestion.markets import MARKETS
from engine.ingestion.network import AiohttpTransport
from engine.ingestion.recorder import Recorder
from engine.ingestion.rest import Rest
from engine.ingestion.sources import Storage, Venue
from engine.ingestion.standins import StandIn
from engine.ingestion.symbols import full_key, symbol_of
from engine.keep import Keep
from engine.ports import StructureSource, Transport
from engine.replay import Observer
from engine.runtime import Engine, EngineClock
from engine.types import MS, Bar, Instrument, Timeframe
from tradetui.config.sections import Addresses, Settings


def build_engine(
    settings: Settings,
    symbols: list[str],
    *,
    record: Path | None = None,
    observer: Observer | None = None,
    clock: EngineClock | None = None,
    transport: Transport | None = None,
    monotonic: Callable[[], float] = time.monotonic,
    dice: Callable[[], float] = random.random,
    store: Store | None = None,
    archive: Archive | None = None,
    structures: StructureSource | None = None,
    account: Account | None = None,
) -> Engine:
    """Return an engine that follows instruments live.

    Args:
        settings: What is set.
        symbols: Instruments; without any those of the settings.
        record: Folder for a recording instead of the one that is set.
        observer: Called after every record.
        clock: The engine's clock; the machine's by default.
        transport: The network; the real one by default.
        monotonic: Seconds that never run backwards.
        dice: Uniform in [0, 1), for delays.
        store: Takes what is to be kept; nothing is kept without.
        archive: What was kept, the first source of past candles.
        structures: Gives the market structure of what was kept, before the past candles come.
        account: What trades; nothing does without.

    Raises:
        SettingsInvalid: An instrument or an address is wrong.
    """
    clock = clock or Clock()
    if record is None and settings.engine.record:
        record = Path(settings.engine.record)
    if record is not None:
        try:
            record.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsInvalid(f"cannot record into {record}: {error.strerror or error}") from error
    recorder = Recorder(record, clock.now) if record is not None else None
    engine = Engine(clock, settings.for_market(), recorder=recorder, observer=observer, store=store, account=account)
    by_venue: dict[str, list[str]] = {}
    for symbol in symbols or settings.data_provider.symbols:
        market, name = symbol_of(full_key(symbol))
        names = by_venue.setdefault(market.venue, [])
        if name not in names:
            names.append(name)
    transport = transport or AiohttpTransport()
    engine.closing.append(transport.aclose)
    storage = Storage(archive) if archive is not None else None
    substitutes = stand_ins(settings, transport, now=clock.now, monotonic=monotonic)
    for venue, names in by_venue.items():
        addresses: Addresses = getattr(settings.venues, venue)
        if not addresses.rest or not addresses.ws:
            raise SettingsInvalid(f"venues.{venue}: at least one rest and one ws address is needed")
        feed = VenueFeed(
            MARKETS[venue],
            names,
            engine,
            transport,
            rest=addresses.rest,
            ws=addresses.ws,
            settings=settings.data_provider.websocket,
            monotonic=monotonic,
            dice=dice,
            storage=storage,
            stand_ins=substitutes,
            keep=keeper(store) if store is not None else None,
            structures=structures,
        )
        engine.feeds.append(feed)
    return engine


def account_of(settings: Settings, *, prefix: str, armed: bool = False, venues: tuple[str, ...] = ()) -> Account:
    """Return what trades, with nothing recalled yet; `prefix` begins its order ids."""
    return Account(settings.trading, settings.risk, prefix=prefix, armed=armed, venues=venues)


def build_history(
    settings: Settings,
    venue: str,
    *,
    transport: Transport,
    store: Store | None = None,
    archive: Archive | None = None,
    clock: EngineClock | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> History:
    """Return the sources of one venue's past candles, for a process in which no engine runs.

    It has a request budget of its own: where an engine runs, its `history` is to be asked instead.

    Raises:
        SettingsInvalid: No such venue.
    """
    if venue not in MARKETS:
        raise SettingsInvalid(f"venue {venue!r} is unknown; known are {', '.join(MARKETS)}")
    clock = clock or Clock()
    addresses: Addresses = getattr(settings.venues, venue)
    return History(
        Venue(Rest(MARKETS[venue], addresses.rest, transport, monotonic)),
        storage=Storage(archive) if archive is not None else None,
        stand_ins=stand_ins(settings, transport, now=clock.now, monotonic=monotonic),
        now=clock.now,
        monotonic=monotonic,
        keep=keeper(store) if store is not None else None,
    )


def stand_ins(
    settings: Settings, transport: Transport, *, now: Callable[[], int], monotonic: Callable[[], float]
) -> tuple[StandIn, ...]:
    """Return the venues that stand in, in the order that is set; one budget each for everything that asks them."""
    names = dict.fromkeys(settings.data_provider.stand_ins)
    return tuple(
        StandIn(name, addresses.rest, transport, now=now, monotonic=monotonic)
        for name in names
        if (addresses := getattr(settings.venues, name)).rest
    )


def keeper(store: Store) -> Keeper:
    """Return what hands candles of the past to storage. Like those of a file, they count as known at their end."""

    def keep(instrument: Instrument, timeframe: Timeframe, bars: Sequence[Bar]) -> None:
        for bar in bars:
            end = (bar.open_ms + timeframe.seconds * 1000) * MS
            store.put(Keep(instrument=instrument, known_at=end, bars=((timeframe, bar),)))

    return keep
