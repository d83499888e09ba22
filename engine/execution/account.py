"""Everything that trading knows, in one place with one owner: `core.step` alone changes it.

What must survive is journaled as it happens, and folded again at the start (`trading.recall`).
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from engine.errors import SettingsInvalid
from engine.execution.ledger import Contract, Ledger, contract_of
from engine.execution.lifecycle import Order, Orders
from engine.execution.money import value
from engine.execution.paper import PaperVenue
from engine.execution.settings import TradingSettings
from engine.orders import Fill, Mode, OrderSpec, Origin, Rules, Side, units
from engine.risk.breakers import FlashBreaker, VenueBreaker
from engine.risk.drawdown import EquityWatch
from engine.risk.exits import Protection
from engine.risk.limits import RiskSettings
from engine.risk.ramp import Ramp
from engine.risk.regimes import RegimeTracker
from engine.risk.streak import Streak
from engine.types import MS, Instrument

PAPER = "paper"
"""Name of the one ledger of the paper account, which all venues share."""

KEPT_FILLS = 500
"""Fills in memory, for screens; the journal has all."""

KEPT_POINTS = 1440
"""Points of the equity curve in memory: a day of minutes."""

WITHOUT_STOPS = frozenset({"mexc"})
"""Venues that take no stop orders through their API."""

SWITCHES = ("trading", "entries", "exits")


class VenueStatus:
    """A real venue as the core knows it; `clock_ms` is its clock less ours.

    `complete` is when it was last asked for all fills, also by earlier engines (UTC ns); `reconciled` by this one.
    """

    __slots__ = (
        "clock_ms",
        "complete",
        "connected",
        "differences",
        "name",
        "reconciled",
        "trade",
        "trouble",
        "withdraw",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.connected = False
        self.clock_ms: float | None = None
        self.trade: bool | None = None
        self.withdraw: bool | None = None
        self.reconciled = self.complete = 0
        self.differences: tuple[str, ...] = ()
        self.trouble = ""


class Announced(NamedTuple):
    """Funding that a venue has announced: due at `at` (UTC ns), at this mark price and rate."""

    at: int
    mark: float
    rate: float


class Closing:
    """A position that is being closed: orders first, then what is left of it, at the market.

    `halting`: the flattening belongs to a halt, and outlives the engine. Then `begun` is when it was asked for, and
    `recalled` when this engine has taken it up from an earlier one, 0 if it was asked for here (UTC ns). One that
    `waits` does so until it is known what is held; one that is `barred` is not gone on with, for that reason.
    """

    __slots__ = ("asked", "barred", "begun", "halting", "reason", "recalled", "since", "tries", "waits")

    def __init__(self, reason: str, since: int, *, halting: bool = False) -> None:
        self.reason = reason
        self.since = self.begun = since
        self.halting = halting
        self.recalled = 0
        self.waits = False
        self.barred = ""
        self.tries = 0
        self.asked: dict[str, int] = {}
        """Orders that were to be cancelled first: when that may be asked again, UTC ns."""


class Account:
    """Orders, money and risk of one engine, in one mode."""

    __slots__ = (
        "announced",
        "armed",
        "blind_from",
        "blind_s",
        "changed",
        "closing",
        "conditions",
        "contracts",
        "counter",
        "deferred",
        "drawdown",
        "entries",
        "equity",
        "equity_points",
        "exits_again",
        "fills",
        "flash",
        "halted",
        "instruments",
        "latched",
        "ledgers",
        "mismatched",
        "mode",
        "orders",
        "paper",
        "prefix",
        "protections",
        "ramp",
        "records",
        "regimes",
        "risk",
        "rules",
        "streak",
        "switches",
        "trading",
        "unvalued",
        "venue_breakers",
        "venues",
        "version",
        "waiting",
    )

    def __init__(
        self,
        trading: TradingSettings,
        risk: RiskSettings,
        *,
        prefix: str,
        armed: bool = False,
        venues: tuple[str, ...] = (),
    ) -> None:
        """`prefix` begins every client order id; `venues` are the real ones, none in paper mode."""
        self.trading = trading
        self.risk = risk
        self.mode = trading.mode
        self.prefix = prefix
        self.armed = armed
        self.counter = self.records = 0
        """Ids given to orders, and keys given to records, since the start."""
        self.version = 0
        self.orders = Orders()
        self.ledgers: dict[str, Ledger] = {}
        self.paper: PaperVenue | None = None
        if self.mode is Mode.PAPER:
            begun = {asset: units(amount) for asset, amount in trading.paper.balances.items()}
            self.ledgers[PAPER] = Ledger(trading.currency, begun)
            self.paper = PaperVenue(int(trading.paper.latency_ms * MS), trading.fees, self.free, self.quantity)
        else:
            self.ledgers = {venue: Ledger(trading.currency, {}) for venue in venues}
        self.venues = {venue: VenueStatus(venue) for venue in venues}
        self.venue_breakers = {venue: VenueBreaker(risk.breakers, venue) for venue in venues}
        self.instruments: dict[str, Instrument] = {}
        self.contracts: dict[str, Contract] = {}
        self.rules: dict[str, Rules] = {}
        self.protections: dict[str, Protection] = {}
        self.exits_again: dict[str, int] = {}
        """When exits that could not be sent are tried again, UTC ns; until then they are watched here."""
        self.closing: dict[str, Closing] = {}
        self.deferred: dict[str, list[OrderSpec]] = {}
        """Orders that wait until exits, which hold what they sell, have given it back."""
        self.regimes: dict[str, RegimeTracker] = {}
        self.flash: dict[str, FlashBreaker] = {}
        self.changed: dict[str, float] = {}
        """Limits that a command has changed: they outlive the engine, whatever its settings say."""
        self.drawdown = EquityWatch(risk.limits, trading.currency)
        self.streak = Streak(risk.limits)
        self.ramp = Ramp(risk.ramp)
        self.switches = dict.fromkeys(SWITCHES, True)
        self.halted = ""
        self.latched = False
        self.conditions: dict[str, str] = {}
        self.mismatched: set[str] = set()
        self.announced: dict[str, Announced] = {}
        self.equity: int | None = None
        self.unvalued: tuple[str, ...] = ()
        self.equity_points: deque[tuple[int, int, float]] = deque(maxlen=KEPT_POINTS)
        self.fills: deque[tuple[Fill, int]] = deque(maxlen=KEPT_FILLS)
        self.entries: deque[int] = deque()
        """When orders that add risk were approved, within the last minute."""
        self.waiting: dict[str, tuple[int, int]] = {}
        """Orders whose state is not known: when the venue is asked again (UTC ns), and the pause after that."""
        self.blind_from = 0
        self.blind_s = 0.0

    def state(self) -> list[object]:
        """Return the content that the state hash covers."""
        return [
            self.orders.image(),
            [[name, ledger.image()] for name, ledger in sorted(self.ledgers.items())],
            [[key, each.image()] for key, each in sorted(self.protections.items())],
            self.paper.state() if self.paper is not None else None,
            [self.armed, self.halted, sorted(self.switches.items())],
        ]

    def next_id(self) -> str:
        """Return a client order id that was never used."""
        self.counter += 1
        return f"{self.prefix}-{self.counter}"

    def ledger_of(self, instrument: str) -> Ledger:
        """Return the ledger that an instrument's fills go to; made where a venue was not known."""
        name = PAPER if self.paper is not None else instrument.partition(":")[0]
        found = self.ledgers.get(name)
        if found is None:
            found = self.ledgers[name] = Ledger(self.trading.currency, {})
        return found

    def contract(self, instrument: str) -> Contract:
        """Return what an instrument is, from its key alone.

        Raises:
            SettingsInvalid: It is not settled in its quote asset, and not traded here.
        """
        found = self.contracts.get(instrument)
        if found is None:
            found = contract_of(instrument)
            self.contracts[instrument] = found
        return found

    def _contract(self, instrument: str) -> Contract | None:
        """Return the same; None of what is not traded here."""
        try:
            return self.contract(instrument)
        except SettingsInvalid:
            return None

    def quantity(self, instrument: str) -> int:
        """Return the signed position, 1e-8 of the base asset."""
        position = self.ledger_of(instrument).positions.get(instrument)
        return position.quantity if position is not None else 0

    def dust(self, instrument: str) -> bool:
        """Tell whether what is held is the rest of a trade that is over, and too little to be sold."""
        position = self.ledger_of(instrument).positions.get(instrument)
        return position is not None and position.quantity != 0 and not position.open

    def holds_both(self, instrument: str) -> bool:
        """Whether several orders may hold the same position, of which none does more than close it.

        So it is on paper and on derivatives; a spot venue locks what an order is to sell.
        """
        return self.paper is not None or self.contract(instrument).derivative

    def rests(self, instrument: str) -> bool:
        """Whether stops of an instrument can rest where it is traded; else the engine watches them."""
        return self.paper is not None or instrument.partition(":")[0] not in WITHOUT_STOPS

    def closable(self, instrument: str, *, beside: str = "", exits: bool = True) -> int:
        """Return how much of the position no open reducing order holds, those of one OCO group counted once.

        `beside`: an order, or a group, that does not count. Without `exits` those do not, which give way to others.
        """
        held = sum(spec.quantity for spec in self.deferred.get(instrument, ()) if spec.id != beside)
        groups: dict[str, int] = {}
        position = self.quantity(instrument)
        for order in self.orders.open(instrument):
            spec = order.spec
            if spec.origin is Origin.EXIT and not exits:
                continue
            if spec.id == beside or (spec.oco and spec.oco == beside) or spec.side.sign * position >= 0:
                continue
            if spec.oco:
                groups[spec.oco] = max(groups.get(spec.oco, 0), order.most)
            else:
                held += order.most
        return max(abs(position) - held - sum(groups.values()), 0)

    def free(self, spec: OrderSpec) -> int:
        """Return what is free of the asset that an order pays with, the order itself not counted.

        On spot the quote asset for a BUY and the base asset for a SELL; on derivatives the value that may still be
        bought or sold at the leverage that is allowed (reducing orders need none).
        """
        contract = self.contract(spec.instrument)
        ledger = self.ledger_of(spec.instrument)
        if contract.derivative:
            return self._margin(spec, contract, ledger)
        asset = contract.quote if spec.side is Side.BUY else contract.base
        locked = 0
        groups: dict[str, int] = {}
        for order in self.orders.open():
            other = order.spec
            if other.id == spec.id or (other.oco and other.oco == spec.oco):
                continue
            if other.origin is Origin.EXIT and self.paper is not None:
                continue  # it locks nothing there
            theirs = self._contract(other.instrument)
            if theirs is None or theirs.derivative or self.ledger_of(other.instrument) is not ledger:
                continue
            pays = theirs.quote if other.side is Side.BUY else theirs.base
            if pays != asset:
                continue
            amount = _locks(order)
            if other.oco:
                groups[other.oco] = max(groups.get(other.oco, 0), amount)
            else:
                locked += amount
        return ledger.balances.get(asset, 0) - locked - sum(groups.values())

    def _margin(self, spec: OrderSpec, contract: Contract, ledger: Ledger) -> int:
        used = sum(
            abs(position.cost)
            for position in ledger.positions.values()
            if position.contract.derivative and position.contract.settle == contract.settle and position.quantity
        )
        used += sum(
            value(order.dearest, order.most)
            for order in self.orders.open()
            if order.spec.id != spec.id
            and not order.spec.reduce_only
            and self.ledger_of(order.spec.instrument) is ledger
            and (other := self._contract(order.spec.instrument)) is not None
            and other.derivative
            and other.settle == contract.settle
        )
        return int(ledger.balances.get(contract.settle, 0) * self.risk.limits.max_leverage) - used


def _locks(order: Order) -> int:
    """Return what an open order holds of the asset that it pays with; a market order that is under way: nothing yet."""
    if order.spec.side is Side.SELL:
        return order.most
    return value(order.dearest, order.most)
