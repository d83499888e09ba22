"""The live feed of one market: connections, REST answers, and what becomes of both when something fails.

Everything that reaches the engine leaves here through one `Sink`, stamped in the order of arrival and recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from engine.errors import (
    FeedError,
    FeedUnavailable,
    RequestRefused,
    SettingsInvalid,
    VenueThrottled,
)
from engine.ingestion import envelope
from engine.ingestion.binance import Codec
from engine.ingestion.budget import Breaker
from engine.ingestion.connection import Connection, Sink, Wiring
from engine.ingestion.history import History, Keeper
from engine.ingestion.loader import CandleLoader
from engine.ingestion.markets import Market
from engine.ingestion.rest import Rest
from engine.ingestion.session import FeedSettings
from engine.ingestion.sources import Storage, Venue
from engine.ingestion.standins import StandIn
from engine.ingestion.symbols import entry_of, instruments, rules
from engine.orders import Rules
from engine.ports import StructureSource, Transport
from engine.types import (
    FetchBars,
    FetchSnapshot,
    Instrument,
    InstrumentListed,
)

log = logging.getLogger(__name__)

RETRY_S = 0.5
"""Pause after a failed snapshot request; it doubles up to `RETRY_MOST_S`."""

RETRY_MOST_S = 10.0

PACE_S = 0.1
"""First pause between snapshot requests of one symbol in quick succession."""


RELIST_S = 60.0
"""Least time between two requests for changed scales."""


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """A request that fails: since when (UTC ns), why, how often, and when it is tried again (monotonic seconds)."""

    since: int
    text: str
    tries: int
    again_at: float


class VenueFeed:
    """All connections and requests of one market.

    Raises:
        SettingsInvalid: The market has no stream of the update speed that is set.
    """

    def __init__(
        self,
        market: Market,
        symbols: list[str],
        sink: Sink,
        transport: Transport,
        *,
        rest: tuple[str, ...],
        ws: tuple[str, ...],
        settings: FeedSettings,
        monotonic: Callable[[], float],
        dice: Callable[[], float],
        storage: Storage | None = None,
        stand_ins: Sequence[StandIn] = (),
        keep: Keeper | None = None,
        structures: StructureSource | None = None,
    ) -> None:
        market.depth_stream(settings.update_speed)
        self.market = market
        self.symbols = symbols
        self.sink = sink
        self.transport = transport
        self.monotonic = monotonic
        self.codec = Codec(market)
        self._wiring = Wiring(
            market=market,
            codec=self.codec,
            sink=sink,
            transport=transport,
            ws=ws,
            settings=settings,
            monotonic=monotonic,
            dice=dice,
            relist=self._relist,
        )
        self.rest = Rest(market, rest, transport, monotonic)
        self.history = History(
            Venue(self.rest), storage=storage, stand_ins=stand_ins, now=sink.now, monotonic=monotonic, keep=keep
        )
        self.troubles: dict[str, Trouble] = {}
        self.loader = CandleLoader(self.history, sink, self._source, self, monotonic=monotonic, structures=structures)
        self.breaker = Breaker()
        self.connections: list[Connection] = []
        self.settings = settings
        self._symbol_of: dict[str, str] = {}
        self._snapshots: dict[str, asyncio.Task[None]] = {}
        self._asked: dict[str, int] = {}
        self._paces: dict[str, tuple[float, float]] = {}
        self.missing: list[str] = []
        self._relist_after = 0.0
        self._tasks: asyncio.TaskGroup | None = None

    @property
    def _source(self) -> str:
        return self.market.venue + envelope.REST_SUFFIX

    async def run(self) -> None:
        """List the instruments, then follow them until cancelled."""
        try:
            await self._insistently("exchangeInfo", self._list)
            self._wire()
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self.loader.run())
                for connection in self.connections:
                    tasks.create_task(connection.run())
        finally:
            self._tasks = None
            self._snapshots.clear()
            self.troubles.clear()

    def _wire(self) -> None:
        """Make the connections; after a failure they go on as they were: since when they are down is still true."""
        by_source: dict[str, list[str]] = {}
        for symbol in self._symbol_of.values():
            for stream in self.market.streams(symbol, self.settings.update_speed):
                by_source.setdefault(self.market.source(stream), []).append(stream)
        keys = list(self._symbol_of)
        known = {c.source: c for c in self.connections if (c.streams, c.keys) == (by_source.get(c.source), keys)}
        self.connections = [
            known.get(source) or Connection(self._wiring, source, streams, keys)
            for source, streams in by_source.items()
        ]

    def lose(self, reason: str) -> None:
        """Tell that every connection is gone."""
        for connection in self.connections:
            connection.lose(reason)

    async def _insistently(self, what: str, attempt: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Try until it works, ever more patiently."""
        pause = RETRY_S
        while True:
            try:
                await attempt()
            except VenueThrottled as error:
                log.warning("%s: %s: %s", self.market.venue, what, error)
                await self._troubled(what, error, error.retry_after_s)
            except FeedError as error:
                log.warning("%s: %s: %s; next try in %.1f s", self.market.venue, what, error, pause)
                await self._troubled(what, error, pause)
                pause = min(2 * pause, RETRY_MOST_S)
            else:
                self.troubles.pop(what, None)
                return

    async def _troubled(self, what: str, error: FeedError, pause: float) -> None:
        """Remember what fails, and wait until it is time for the next try."""
        self.note(what, error, pause)
        await asyncio.sleep(pause)

    def has(self, what: str) -> bool:
        """Tell whether a kind of request fails."""
        return what in self.troubles

    def over(self, what: str) -> None:
        """A kind of request works."""
        self.troubles.pop(what, None)

    def note(self, what: str, error: FeedError, pause: float) -> None:
        """Remember that a kind of request fails, and is tried again after `pause` seconds."""
        old = self.troubles.get(what)
        # What a throttled request says of the time to wait is true only now.
        text = str(error).partition(";")[0] if isinstance(error, VenueThrottled) else str(error)
        self.troubles[what] = Trouble(
            since=old.since if old is not None else self.sink.now(),
            text=text,
            tries=old.tries + 1 if old is not None else 1,
            again_at=self.monotonic() + pause,
        )

    async def _list(self) -> None:
        """Learn the scales of all symbols; one that the venue does not know is left out and said.

        Raises:
            SettingsInvalid: The venue knows none of them.
        """
        try:
            await self._list_some(self.symbols)
        except RequestRefused as error:
            # Spot refuses the whole request for one unknown symbol.
            if error.status != 400:
                raise
            for symbol in self.symbols:
                with contextlib.suppress(RequestRefused):
                    await self._list_some([symbol])
        known = set(self._symbol_of.values())
        self.missing = missing = [symbol for symbol in self.symbols if symbol not in known]
        if not known:
            raise SettingsInvalid(f"{self.market.venue} does not list {', '.join(missing)}")
        if missing:
            log.error("%s does not list %s: not followed", self.market.venue, ", ".join(missing))

    def _relist(self) -> None:
        """Ask for the scales again, at most once a minute: the venue has changed one."""
        now = self.monotonic()
        if self._tasks is not None and now >= self._relist_after:
            self._relist_after = now + RELIST_S
            self._tasks.create_task(self._insistently("exchangeInfo", self._list))

    async def _list_some(self, symbols: list[str]) -> None:
        body = await self.rest.exchange_info(symbols)
        found, self.rest.budget.limit = instruments(self.market, body, set(symbols))
        told = rules(self.market, body, set(symbols))
        for symbol, instrument in found.items():
            self._listed(symbol, instrument, told.get(symbol), entry_of(body, symbol) or b"")

    def _listed(self, symbol: str, instrument: Instrument, told: Rules | None, entry: bytes) -> None:
        self.codec.add(instrument)
        self._symbol_of[instrument.key] = symbol
        self.loader.add(instrument)
        stamp = self.sink.stamp()
        event = InstrumentListed(instrument=instrument, trade_stream=self.market.trade_stream, rules=told)
        note = envelope.Note(
            e="exchangeInfo",
            source=self.market.venue,
            symbol=symbol,
            trade_stream=self.market.trade_stream,
            body=msgspec.Raw(entry),
        )
        self.sink.deliver(stamp, self._source, event, b"", [instrument.key], note)

    # Requests of the core. ----------------------------------------------------------------------------------------

    def fetch_snapshot(self, command: FetchSnapshot) -> None:
        """Ask for a depth snapshot until one has come; a request under way is not doubled.

        One that was sent before the present connection was open is dropped: its answer would be a book of before.
        """
        symbol = self._symbol_of[command.instrument]
        if self._tasks is None:
            return
        market = self.market
        running = self._snapshots.get(symbol)
        if running is not None and not running.done():
            source = market.source(f"{symbol.lower()}@depth")
            if all(self._asked[symbol] >= c.since for c in self.connections if c.source == source):
                return
            running.cancel()
            trouble = self.troubles.get(f"depth of {symbol}")
            if trouble is not None:
                self.troubles[f"depth of {symbol}"] = msgspec.structs.replace(trouble, again_at=self.monotonic())
        self._asked[symbol] = self.sink.now()
        # The first snapshot comes sooner and weighs less than the deeper one.
        limit = market.depth_limit if command.deeper else market.depth_levels(self.settings.max_depth)
        self._snapshots[symbol] = self._tasks.create_task(self._snapshot(symbol, limit, self._pace(symbol)))

    def _pace(self, symbol: str) -> float:
        """Return how long to wait before a snapshot request: asking again soon after an answer slows down."""
        answered, pause = self._paces.get(symbol, (-RETRY_MOST_S, 0.0))
        soon = self.monotonic() - answered < 2 * PACE_S
        pause = min(max(2 * pause, PACE_S), RETRY_MOST_S) if soon else 0.0
        self._paces[symbol] = answered, pause
        return pause

    async def _snapshot(self, symbol: str, limit: int, pause: float) -> None:
        await asyncio.sleep(pause)

        async def attempt() -> None:
            body = await self.rest.depth(symbol, limit)
            event = self.codec.snapshot(symbol, body)
            stamp = self.sink.stamp()
            # The request is over before the answer is applied, which may well ask for the next one.
            self._snapshots.pop(symbol, None)
            self._paces[symbol] = self.monotonic(), self._paces[symbol][1]
            self.sink.deliver(stamp, self._source, event, body)

        await self._insistently(f"depth of {symbol}", attempt)

    def fetch_bars(self, command: FetchBars) -> None:
        """Ask for candles."""
        self.loader.fetch(command)

    async def fetch_price(self, key: str) -> None:
        """Ask for the last price, behind a circuit breaker.

        Raises:
            FeedError: No usable answer, or the breaker is open after failures in a row.
        """
        now = self.monotonic()
        if not self.breaker.allows(now):
            raise FeedUnavailable(f"{self.market.venue}: price requests rest after {self.breaker.failures} failures")
        symbol = self._symbol_of[key]
        try:
            body = await self.rest.price(symbol)
            event = self.codec.price(symbol, body)
        except FeedError:
            self.breaker.failed(self.monotonic())
            raise
        self.breaker.succeeded()
        stamp = self.sink.stamp()
        note = envelope.Note(e="price", symbol=symbol, body=msgspec.Raw(body))
        self.sink.deliver(stamp, self._source, event, b"", [key], note)
