"""Rows of the topics about trading, light to import. Money, prices and quantities are decimals as text, exact.

Prices are in quote units, quantities in base units, values in the account's currency; times UTC ns. None and "": not
known, or none.
"""

from __future__ import annotations

import msgspec


class SwitchView(msgspec.Struct, frozen=True, kw_only=True):
    """`trading`, `entries`, `exits`, or an instrument."""

    name: str
    on: bool


class TradingView(msgspec.Struct, frozen=True, kw_only=True):
    """Topic `trading`: whose money, what may be done, and why not more.

    `state` is active, reduce or halted; `reasons` are sentences, the weightiest first. `armed` by a person; `latched`:
    the kill switch holds. `blind`: seconds without an engine before this one began (0: none), during which local and
    paper stops did not act. `unresolved` orders whose state is not known. Money in `currency`.
    """

    mode: str
    state: str
    reasons: tuple[str, ...]
    armed: bool
    latched: bool
    word: str
    """What has to be typed to arm."""
    currency: str
    equity: str | None
    day_pnl: str | None
    drawdown: float | None
    exposure: str
    unrealised: str | None
    realised: str
    fees: str
    funding: str
    open_orders: int
    unresolved: int
    open_trades: int
    positions: int
    blind_s: float
    blind_from: int
    switches: tuple[SwitchView, ...]
    venues: tuple[VenueView, ...]
    balances: dict[str, str]
    instruments: tuple[str, ...]
    """What can be traded here."""


class VenueView(msgspec.Struct, frozen=True, kw_only=True):
    """A real venue: its private stream, its clock less ours, what its key may do, when it was last reconciled."""

    name: str
    connected: bool
    clock_ms: float | None
    trade: bool | None
    withdraw: bool | None
    reconciled: int
    differences: tuple[str, ...]
    paused_s: float
    trouble: str


class PositionView(msgspec.Struct, frozen=True, kw_only=True):
    """Topic `positions`: one open position. `quantity` is signed; `liquidation` is not modelled.

    `r`: unrealised and realised P&L over the risk at the entry. `blind`: its stop has not acted while no engine ran.
    """

    instrument: str
    mode: str
    quantity: str
    average: str
    mark: str | None
    value: str | None
    unrealised: str | None
    unrealised_pct: float | None
    realised: str
    fees: str
    funding: str
    stop_loss: str
    take_profit: str
    trailing_bps: float
    time_stop: int
    stop_held: str
    """Where its stop is: `venue`, `engine`, or "" without one."""
    r: float | None
    opened: int
    trade: str


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """Topic `orders`: one order, newest first; all open ones and the last ones that are over."""

    id: str
    venue_id: str
    instrument: str
    mode: str
    side: str
    type: str
    quantity: str
    filled: str
    price: str
    stop_price: str
    average: str
    time_in_force: str
    reduce_only: bool
    post_only: bool
    origin: str
    oco: str
    state: str
    open: bool
    reason: str
    fees: dict[str, str]
    created: int
    updated: int


class FillView(msgspec.Struct, frozen=True, kw_only=True):
    """Topic `fills`: newest first. `realised`: what it closed, without fees."""

    id: str
    order: str
    instrument: str
    mode: str
    side: str
    price: str
    quantity: str
    fee: str
    fee_asset: str
    liquidity: str
    realised: str
    ts: int


class JournalView(msgspec.Struct, frozen=True, kw_only=True):
    """Topic `journal`: one closed trade, from flat to flat, newest first. `side`: long or short; `net` of fees."""

    id: str
    instrument: str
    mode: str
    side: str
    quantity: str
    entry: str
    exit: str
    opened: int
    closed: int
    gross: str
    fees: str
    funding: str
    net: str
    r: float | None
    reason: str


class LimitView(msgspec.Struct, frozen=True, kw_only=True):
    """One limit: its value now, what is used of it (same unit; None: not known), its bounds, and what it means."""

    name: str
    value: float
    used: float | None
    least: float
    most: float
    unit: str
    explained: str


class RegimeView(msgspec.Struct, frozen=True, kw_only=True):
    """The market condition of an instrument, and from what it was told."""

    instrument: str
    regime: str
    percentile: float | None
    spread_bps: float | None
    size: float


class RiskView(msgspec.Struct, frozen=True, kw_only=True):
    """Topic `risk`. `var`, `es`: historical, 95 %, one day, in currency, of the positions as they are; `samples` days.

    `hit_rate` and `mean_r` of the last closed trades, `trades` of them; `ramp` is the share of size in force.
    """

    limits: tuple[LimitView, ...]
    equity: str | None
    peak: str
    day_start: str
    drawdown: float | None
    daily: float | None
    exposure: float | None
    leverage: float | None
    var: str | None
    es: str | None
    samples: int
    hit_rate: float | None
    mean_r: float | None
    trades: int
    losses_in_a_row: int
    pause_until: int
    orders_last_minute: int
    ramp: float
    ramp_told: str
    regimes: tuple[RegimeView, ...]
    breakers: tuple[str, ...]
    protections: tuple[str, ...]


class EquityView(msgspec.Struct, frozen=True, kw_only=True):
    """Topic `equity`: points (UTC s, equity, drawdown as a share), oldest first, one a minute at most."""

    points: tuple[tuple[int, float, float], ...]


class PreviewView(msgspec.Struct, frozen=True, kw_only=True):
    """Topic `preview`'s answer: what an order would cost and risk, and everything that would refuse it."""

    instrument: str
    side: str
    type: str
    quantity: str
    price: str
    cost: str
    fee: str
    fee_asset: str
    slippage_bps: float | None
    risk: str
    risk_share: float | None
    reward: str
    position_after: str
    exposure_after: float | None
    allowed: bool
    refusals: tuple[str, ...]
    notes: tuple[str, ...]


class AuditView(msgspec.Struct, frozen=True, kw_only=True):
    """One command that changed something: who, what, from what to what, and what came of it."""

    ts: int
    user: str
    client: str
    pid: int
    command: str
    detail: str
    before: str
    after: str
    done: bool
    result: str
