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
from engine.ingestion.symbols import symbol_of
from engine.ports import Transport
from engine.replay import Observer
from engine.runtime import Engine, EngineClock
from tradetui.config import Addresses, Settings


def full_key(symbol: str) -> str:
    """Return an instrument key; a bare BASE/QUOTE is Binance spot.

    Raises:
        SettingsInvalid: Not an instrument.
    """
    venue, colon, name = symbol.partition(":")
    if not colon or "/" in venue:
        venue, name = "binance", symbol
    key = f"{venue}:{name.upper()}"
    symbol_of(key)
    return key


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
    """Return an engine that follows the given instruments live.

    Raises:
        SettingsInvalid: An instrument or an address is wrong.
    """
    clock = clock or Clock()
    if record is not None:
        try:
            record.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsInvalid(f"cannot record into {record}: {error.strerror or error}") from error
    recorder = Recorder(record, clock.now) if record is not None else None
    engine = Engine(clock, settings.market, recorder=recorder, observer=observer)
    by_venue: dict[str, list[str]] = {}
    for symbol in symbols:
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
            settings=settings.websocket,
            depth_limit=settings.data.max_depth,
            monotonic=monotonic,
            dice=dice,
        )
        engine.feeds.append(feed)
    return engine
