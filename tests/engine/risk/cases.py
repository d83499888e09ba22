"""An account and a market at which everything is allowed, to be spoilt one thing at a time."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from engine.orders import UNIT, OrderSpec, OrderType, Rules, Side, TradingState
from engine.risk.limits import Limits
from engine.risk.situation import Situation
from engine.types import SECOND

NOW = 1_723_161_600 * SECOND
BTC = "binance:BTC/USDT"
PRICE = 60_000 * UNIT
RULES = Rules(tick=UNIT // 100, step=1000, min_quantity=1000, min_notional=5 * UNIT)
LIMITS = Limits()


def well(**changes: Any) -> Situation:
    """10,000 USDT, flat, a live book round 60,000."""
    facts: dict[str, Any] = {
        "now": NOW,
        "state": TradingState.ACTIVE,
        "equity": 10_000 * UNIT,
        "peak": 10_000 * UNIT,
        "day_start": 10_000 * UNIT,
        "free": 10_000 * UNIT,
        "mid": PRICE,
        "best_bid": PRICE - UNIT // 100,
        "best_ask": PRICE + UNIT // 100,
        "book_reach": PRICE + UNIT,
        "book_age_ms": 50.0,
        "currency": "USDT",
    }
    return Situation(**(facts | changes))


def long(quantity: int = UNIT // 100, **changes: Any) -> Situation:
    """As `well`, with a position."""
    worth = quantity * 60_000
    facts = {"position": quantity, "closable": quantity, "position_value": worth, "exposure": worth, "open_trades": 1}
    return well(**(facts | changes))


def order(**changes: Any) -> OrderSpec:
    """A market BUY of 0.01 BTC: 600 USDT, 12 of them at risk."""
    facts: dict[str, Any] = {
        "id": "t-1",
        "instrument": BTC,
        "side": Side.BUY,
        "type": OrderType.MARKET,
        "quantity": UNIT // 100,
    }
    return OrderSpec(**(facts | changes))


def limit(price: int, **changes: Any) -> OrderSpec:
    """As `order`, with a limit."""
    return order(type=OrderType.LIMIT, price=price, **changes)


shares = st.floats(0.001, 1.0)

some_limits = st.builds(
    Limits,
    risk_per_trade=st.floats(0.0001, 0.1),
    assumed_stop=st.floats(0.001, 0.5),
    max_position=shares,
    max_exposure=shares,
    max_leverage=st.floats(0.1, 5),
    daily_loss=shares,
    drawdown=shares,
    orders_per_minute=st.integers(1, 20),
    price_collar=st.floats(0.0001, 0.05),
    stale_ms=st.integers(100, 5000),
    max_spread_bps=st.floats(0.01, 50),
    min_quality=st.floats(0, 1),
    max_open_trades=st.integers(1, 5),
)

amounts = st.integers(0, 12_000 * UNIT)
near = st.integers(PRICE * 97 // 100, PRICE * 103 // 100)

situations = st.builds(
    well,
    state=st.sampled_from([TradingState.ACTIVE] * 6 + [TradingState.REDUCE, TradingState.HALTED]),
    equity=st.integers(8_000 * UNIT, 12_000 * UNIT),
    peak=st.integers(10_000 * UNIT, 12_000 * UNIT),
    day_start=st.integers(10_000 * UNIT, 12_000 * UNIT),
    position=st.integers(-2 * UNIT, 2 * UNIT),
    closable=st.integers(0, 2 * UNIT),
    position_value=amounts,
    open_value=st.integers(0, 500 * UNIT),
    exposure=amounts,
    open_trades=st.integers(0, 4),
    orders_last_minute=st.integers(0, 12),
    can_short=st.booleans(),
    derivative=st.booleans(),
    free=amounts,
    best_ask=st.integers(PRICE, PRICE + 60 * UNIT),
    book_reach=near,
    book_age_ms=st.floats(0, 3000),
    quality=st.none() | st.floats(0.5, 1),
    size_factor=st.floats(0.05, 1),
    max_spread_bps=st.none() | st.floats(0.1, 20),
    trade_risk=st.integers(0, 20 * UNIT),
)

orders = st.builds(
    order,
    side=st.sampled_from(Side),
    type=st.sampled_from(OrderType),
    quantity=st.integers(1, 30_000).map(lambda lots: lots * 1000),
    price=near.map(lambda price: price // RULES.tick * RULES.tick),
    stop_price=near.map(lambda price: price // RULES.tick * RULES.tick),
    stop_loss=st.sampled_from([0, PRICE * 99 // 100, PRICE * 101 // 100]),
)
