"""Trading put together for one engine: the account with what it remembers, venues, the way out, the kill switch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

import msgspec

from engine.actions import Action, Attributed
from engine.alerts import Alerts, Cause
from engine.errors import RequestDenied, SettingsInvalid, StorageFailed
from engine.execution.outbox import Outbox
from engine.execution.venue import Venue
from engine.ingestion.symbols import full_key
from engine.operator import PlaceOrder, Who
from engine.orders import BlindTime, ConditionChanged, Journaled, Mode, Noticed, OrderSpec, Origin
from engine.playback import AS_TRADED, Playback
from engine.runtime import Engine
from engine.supervisor import Part, told
from engine.trader import Trader
from engine.trading.closing import KILLED
from engine.trading.preview import preview
from engine.trading.recall import image, recall
from engine.tradingviews import PreviewView
from engine.types import SECOND
from storage.records import StoredRecords, forget_images
from tradetui.bootstrap import account_of
from tradetui.config.sections import Settings
from tradetui.credentials import Credentials, keys_for
from tradetui.kill.card import KillCard, make_card, write_card
from tradetui.kill.inside import KillSignal
from tradetui.latch import Latch
from tradetui.places import Places
from tradetui.redaction import redactor
from tradetui.stored import Stored
from tradetui.trading_commands import trading_commands

if TYPE_CHECKING:
    from engine.execution.keeper import Keeper

log = logging.getLogger("tradetui.trading")

IMAGE_S = 3600.0
"""Seconds between two images of the account, so that a start folds an hour of records at most."""

FLUSH_S = 5.0
"""How long a stop waits for records and answers that are under way."""

HELD = 10 * SECOND
"""How long what happened once stays among the active alerts."""

_encode = msgspec.json.Encoder().encode


class Trading:
    """What trades in one engine: made before it, joined to it, put away after it."""

    def __init__(
        self, settings: Settings, places: Places, stored: Stored, credentials: dict[str, Credentials], started: int
    ) -> None:
        """Make account and kill switch; `started` (UTC ns) makes order ids that no other start gives.

        Raises:
            SettingsInvalid: The mode needs something that is not there: a venue, or its keys.
        """
        self.settings = settings
        self.places = places
        self.stored = stored
        self.mode = settings.trading.mode
        self.latch = Latch(places.latch, engine=True)
        self.credentials = credentials
        self.clean = redactor(credentials)
        self.instruments = self._instruments()
        names = tuple(dict.fromkeys(key.partition(":")[0] for key in self.instruments))
        self.account = account_of(settings, prefix=_base36(started // 1_000_000), venues=names)
        self.records = StoredRecords(places.database, self.mode)
        self.venues: dict[str, Venue] = {}
        self.keepers: list[Keeper] = []
        self.recalled = False
        self.trouble = ""
        """What the kill switch lacks, "" if nothing."""
        self._images = 0

    def _instruments(self) -> tuple[str, ...]:
        """Return what is traded at real venues; nothing on paper.

        Raises:
            SettingsInvalid: A venue has no keys.
        """
        if self.mode is Mode.PAPER:
            return ()
        keys = [full_key(symbol) for symbol in self.settings.data_provider.symbols]
        traded = [*keys, *self.settings.trading.priced_by]
        found = tuple(key for key in traded if self._keys(key.partition(":")[0]) is not None)
        if not found:
            venues = ", ".join(dict.fromkeys(key.partition(":")[0] for key in traded))
            raise SettingsInvalid(
                f"trading.mode is {self.mode} and there are no keys of {venues}: set TRADETUI_BINANCE_API_KEY and "
                "..._API_SECRET (or those of your venue), or a credentials file; or trade on paper"
            )
        return found

    def _keys(self, venue: str) -> Credentials | None:
        return keys_for(venue, self.credentials)

    # Before the engine runs. ----------------------------------------------------------------------------------------

    def join(self, engine: Engine, alerts: Alerts) -> Trader:
        """Put it between an engine's core and the outside."""
        if self.mode is not Mode.PAPER:
            self._open_venues(engine)
        outbox = Outbox(self.mode, self.stored.writer, self.venues, engine.tell, engine.now, self._held)

        def reconcile() -> None:
            for keeper in self.keepers:
                keeper.wake()

        trader = Trader(engine.tell, outbox=outbox, notice=_notifier(engine, alerts), reconcile=reconcile)
        self.keepers = self._keepers_of(engine, outbox)
        engine.trader, engine.latch = trader, self.latch.unheeded
        return trader

    def _keepers_of(self, engine: Engine, outbox: Outbox) -> list[Keeper]:
        if not self.venues:
            return []
        from engine.execution.keeper import Keeper

        return [
            Keeper(
                venue,
                self.account,
                tuple(key for key in self.instruments if key.startswith(f"{name}:")),
                engine.tell,
                outbox.put,
                engine.now,
            )
            for name, venue in self.venues.items()
        ]

    def _open_venues(self, engine: Engine) -> None:
        from engine.execution.ccxt_venue import CcxtVenue

        budgets = {feed.market.venue: feed.rest.budget for feed in engine.feeds}
        for name in self.account.venues:
            found = self._keys(name)
            assert found is not None
            address = getattr(self.settings.trading.addresses, name)
            own = self.mode is Mode.LIVE and not address.rest
            self.venues[name] = CcxtVenue(
                name,
                [key for key in self.instruments if key.startswith(f"{name}:")],
                found.api_key.reveal,
                found.api_secret.reveal,
                mode=self.mode,
                sink=engine.tell,
                budget=budgets.get(name) if own else None,
                rest=address.rest,
                ws=address.ws,
                now=engine.now,
                latch=self._held,
                clean=self.clean,
            )

    async def recover(self, engine: Engine) -> None:
        """Take up what earlier engines of this account left.

        Raises:
            StorageFailed: It is there and cannot be read: whoever begins at nothing would trade on a wrong account.
        """
        unready = [each for each in (self.latch.prepare(), write_card(self.places.kill_card, self._card())) if each]
        self.trouble = "; ".join(unready)

        def read() -> int:
            begun, records = self.records.since_image()
            image_ts = begun.ts if begun is not None else 0
            last = recall(engine.state, self.account, begun.body if begun is not None else None, records, engine.now())
            return max(last, image_ts)

        last = await asyncio.to_thread(read) if self.places.database.exists() else 0
        killed, killed_at = self.latch.closed_beside(self.account.halted.removeprefix(KILLED))
        if self.latch.closed():
            self.account.latched = True
            self.account.halted = self.account.halted or self.latch.closed()
        if last:
            engine.tell(BlindTime(since=last, ts=engine.now(), killed=killed, killed_at=killed_at))
        self.recalled = True

    def unreadable(self, engine: Engine, error: str) -> None:
        """What was traded before cannot be read: nothing new is begun, and no image of a half account is kept."""
        text = f"what was traded before cannot be read ({error}); mend the database and restart the engine"
        engine.tell(ConditionChanged(name="recall", text=text, ts=engine.now()))
        self.account.closing.clear()  # of half an account nothing is closed

    def troubles(self) -> Iterator[Cause]:
        """Yield what is wrong outside the core."""
        if self.trouble:
            yield Cause("KILL_UNREADY", "kill switch", self.trouble, "it still closes inside this engine")

    def _held(self, spec: OrderSpec) -> str:
        """Return why the kill switch holds an order back; it does not hold the closing that belongs to the halt.

        Unless somebody has killed again meanwhile (what is taken up from an earlier engine: since the start), and may
        be closing himself.
        """
        account = self.account
        if spec.origin is Origin.FLATTEN and account.latched:
            closing = account.closing.get(spec.instrument)
            since = spec.created if closing is None else closing.recalled or spec.created
            if closing is not None and closing.halting and not self.latch.closed_since(since):
                return ""
        return self.latch.closed()

    def _card(self) -> KillCard:
        addresses = self.settings.trading.addresses
        urls = {name: each.rest for name in self.account.venues if (each := getattr(addresses, name)).rest}
        return make_card(
            self.mode,
            self.instruments,
            urls=urls,
            credentials=self.settings.credentials.file,
            database=self.places.database,
            flatten=self.settings.risk.kill_flattens,
        )

    # While it runs. ---------------------------------------------------------------------------------------------------

    def commands(self, engine: Engine, trader: Trader) -> dict[str, Action | Attributed]:
        """Return what clients may have done."""

        def shown(asked: PlaceOrder) -> PreviewView:
            return preview(engine.state, self.account, asked, engine.now())

        return dict(trading_commands(trader.ask, self.latch, shown, self.clean))

    def parts(self, engine: Engine, trader: Trader) -> Iterator[Part]:
        """Yield what runs beside the engine."""
        if trader.outbox is not None:
            yield Part(name="outbox", run=missed(engine, "outbox", trader.outbox.run))
        yield Part(name="images", run=lambda: self._images_of(engine, trader))
        for keeper in self.keepers:
            name = keeper.venue.name
            yield Part(name=f"{name} account", run=missed(engine, f"{name} account", keeper.follow))
            yield Part(name=f"{name} reconciling", run=missed(engine, f"{name} reconciling", keeper.run))

    def signal(self, trader: Trader) -> KillSignal:
        """Return the kill switch that is a signal."""
        return KillSignal(self.latch, trader.ask, Who(client="signal"))

    async def _images_of(self, engine: Engine, trader: Trader) -> None:
        while True:
            await asyncio.sleep(IMAGE_S)
            self.keep_image(trader, engine.now())
            try:
                await forget_images(self.stored.writer, self.mode)
            except StorageFailed as error:
                log.warning("old images of the account stay: %s", error)

    def keep_image(self, trader: Trader, now: int) -> None:
        """Keep all of the account in one record, behind everything that led to it."""
        if trader.outbox is None or not self.recalled:
            return
        self._images += 1
        key = f"{self.mode}/image/{self.account.prefix}-{self._images}"
        trader.outbox.put(Journaled(kind="image", key=key, ts=now, body=_encode(image(self.account))))

    async def close(self, engine: Engine, trader: Trader) -> None:
        """Wait for what is under way, and let go of the venues; never raises."""
        if trader.outbox is not None:
            self.keep_image(trader, engine.now())
            outbox = asyncio.create_task(trader.outbox.run())
            if not await trader.outbox.flush(FLUSH_S):
                log.error("%d records or requests of trading were still under way", trader.outbox.waiting)
            outbox.cancel()
            await asyncio.gather(outbox, return_exceptions=True)
        for venue in self.venues.values():
            await venue.close()


def missed(engine: Engine, name: str, run: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """Return the same work, without which no new risk is taken: from its failure until it is begun again."""

    async def watched() -> None:
        engine.tell(ConditionChanged(name=f"part {name}", text="", ts=engine.now()))
        try:
            await run()
        except Exception as error:
            text = f"the part {name!r} failed ({told(error)}); it is started again by itself"
            engine.tell(ConditionChanged(name=f"part {name}", text=text, ts=engine.now()))
            raise

    return watched


def replayed(playback: Playback, engine: Engine, alerts: Alerts) -> Trader:
    """Return what stands between a replay's paper account and those who ask; nothing of it is kept."""
    return Trader(playback.tell, notice=_notifier(engine, alerts))


def replay_commands(
    playback: Playback, trader: Trader, places: Places, clean: Callable[[str], str]
) -> dict[str, Action | Attributed]:
    """Return what may be done on paper in a replay; its kill switch is its own. `clean` takes secrets out of words."""
    engine = playback.engine

    def shown(asked: PlaceOrder) -> PreviewView:
        account = engine.state.account
        if playback.as_traded or account is None:
            raise RequestDenied("as_traded", AS_TRADED)
        return preview(engine.state, account, asked, engine.now())

    return dict(trading_commands(trader.ask, Latch(places.latch), shown, clean))


def _notifier(engine: Engine, alerts: Alerts) -> Callable[[Noticed], None]:
    def notice(noticed: Noticed) -> None:
        cause = Cause(noticed.code, noticed.component, noticed.text, noticed.doing)
        alerts.passing(cause, engine.now(), hold=HELD)
        if noticed.detail:
            log.error("%s: %s", noticed.code, noticed.detail)

    return notice


def _base36(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = digits[digit] + text
    return text or "0"
