"""The composition root: the one place that chooses which parts an engine is made of."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from engine.clock import Clock
from engine.errors import SettingsInvalid
from engine.ingestion.feed import VenueFeed
from engine.ingestion.markets import MARKETS
from engine.ingestion.network import AiohttpTransport
from engine.ingestion.recorder import Recorder
from engine.ingestion.symbols import full_key, symbol_of
from engine.ports import Transport
from engine.replay import Observer
from engine.runtime import Engine, EngineClock
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
    engine = Engine(clock, settings.for_market(), recorder=recorder, observer=observer)
    by_venue: dict[str, list[str]] = {}
    for symbol in symbols or settings.data_provider.symbols:
        market, name = symbol_of(full_key(symbol))
        names = by_venue.setdefault(market.venue, [])
        if name not in names:
            names.append(name)
    transport = transport or AiohttpTransport()
    engine.closing.append(transport.aclose)
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
        )
        engine.feeds.append(feed)
    return engine
