"""How large an order is that names no quantity: what its method asks for, never more than the gate lets pass.

Fixed fraction: `risk_per_trade` of equity is lost at the stop. Volatility target: the position's yearly volatility is
`volatility_target` of equity. Kelly: `kelly_cap` of f* = p - (1 - p) / b is lost at the stop (Kelly 1956, "A New
Interpretation of Information Rate"), for a forecast whose hit rate p and payoff b are calibrated.
"""

from __future__ import annotations

import msgspec

from engine.approval import Refused
from engine.orders import UNIT, Rules, Side
from engine.risk.limits import Limits, RiskSettings
from engine.risk.situation import Situation
from engine.risk.wording import UNKNOWN, money, percent
from engine.risk.worth import share_of


class Calibrated(msgspec.Struct, frozen=True, kw_only=True):
    """What a forecast has been shown to be: probability of a win, and the mean win as a multiple of the mean loss."""

    probability: float
    payoff: float


def size(
    settings: RiskSettings,
    situation: Situation,
    side: Side,
    entry: int,
    stop: int,
    volatility: float | None,
    rules: Rules | None,
    calibrated: Calibrated | None = None,
) -> int | Refused:
    """Return the quantity for an entry, 1e-8 of the base asset, rounded down to the lot; or why there is none.

    A market order counts at `situation.book_reach`, if that is worse than `entry`. As the reach grows with the size,
    the gate may still refuse what was sized by the best price: size again by the reach of the first result.

    Args:
        settings: `sizing` is the method.
        situation: The account; its size factor scales what the method asks for.
        side: Of the entry.
        entry: Price at which it is to be filled, 1e-8.
        stop: Price of its stop-loss, 1e-8; 0: `assumed_stop` away.
        volatility: Yearly, of the instrument's returns, as a share; None: not known.
        rules: The venue's; None: not known, which refuses.
        calibrated: What the forecast is worth, where that has been measured.
    """
    limits, equity, rate = settings.limits, situation.equity, situation.rate
    if equity is None or equity <= 0 or rate is None or rate <= 0 or entry <= 0 or rules is None:
        text = "equity, price or the venue's rules are not known, so there is no size: give a quantity, or wait"
        return _no("unknown", "known", UNKNOWN, text)
    sells = side is Side.SELL
    if sells and not situation.can_short:
        text = "a SELL on a spot market opens nothing that could be sized by risk: give a quantity, or flatten"
        return _no("spot_short", "a quantity", "none", text)
    if situation.book_reach is not None:
        entry = min(entry, situation.book_reach) if sells else max(entry, situation.book_reach)
    distance = (entry - stop) * side.sign if stop else share_of(entry, limits.assumed_stop)
    if distance <= 0:
        place = f"{'above' if sells else 'below'} {money(entry)}"
        text = f"a stop-loss at {money(stop)} is not {place}, the price of the {side.value.upper()}: move it"
        return _no("stop_loss", place, money(stop), text)
    quantity = _wanted(settings, situation, equity, entry, distance, volatility, calibrated)
    if isinstance(quantity, Refused):
        return quantity
    quantity = min(quantity, _most(limits, situation, side, equity, entry, distance))
    most = (rules.max_quantity, rules.max_market_quantity if situation.book_reach is not None else 0)
    quantity = min((quantity, *(each for each in most if each)))
    quantity -= quantity % rules.step
    if quantity <= 0 or quantity < rules.min_quantity or quantity * entry // UNIT < rules.min_notional:
        least = max(rules.min_quantity, rules.step, -(-rules.min_notional * UNIT // entry))
        text = (
            f"risk, limits and balance allow {money(max(quantity, 0))}, and the venue takes no less than {money(least)}"
            ": set a nearer stop-loss, or raise the limit that holds it down"
        )
        return _no("too_small", money(least), money(max(quantity, 0)), text)
    return quantity


def _within(amount: int, price: int, rate: int) -> int:
    """Return the largest quantity whose value at `price` is within an amount, exactly as the gate rounds it."""
    return amount * UNIT // rate * UNIT // price if amount > 0 else 0


def _wanted(
    settings: RiskSettings,
    situation: Situation,
    equity: int,
    entry: int,
    distance: int,
    volatility: float | None,
    calibrated: Calibrated | None,
) -> int | Refused:
    """Quantity that the method asks for."""
    rate, factor = situation.rate or UNIT, situation.size_factor
    if settings.sizing == "fraction":
        return _within(share_of(equity, settings.limits.risk_per_trade, factor), distance, rate)
    if settings.sizing == "volatility":
        if volatility is None or not volatility > 0:
            text = (
                "the volatility of the instrument is not known, so none can be aimed at: size by a fixed fraction, or "
                "wait until there are hourly candles"
            )
            return _no("volatility", "known", UNKNOWN, text)
        return _within(share_of(equity, settings.volatility_target / volatility, factor), entry, rate)
    if calibrated is None:
        text = (
            "Kelly sizing needs a forecast whose hit rate and payoff have been measured, and none has: size by a fixed "
            "fraction or by volatility until an expert is calibrated"
        )
        return _no("uncalibrated", "calibrated", "not calibrated", text)
    p, payoff = calibrated.probability, calibrated.payoff
    edge = p - (1 - p) / payoff if payoff > 0 else -1.0
    if not 0 < edge <= 1:
        text = (
            f"with a hit rate of {percent(p)} and wins of {payoff:g} times the losses the Kelly fraction is "
            f"{percent(edge)}, so there is nothing to gain: leave this trade"
        )
        return _no("no_edge", "more than 0 %", percent(edge), text)
    return _within(share_of(equity, settings.kelly_cap * edge, factor), distance, rate)


def _most(limits: Limits, situation: Situation, side: Side, equity: int, entry: int, distance: int) -> int:
    """Quantity that position, exposure, leverage, risk per trade and balance still let pass."""
    rate, factor = situation.rate or UNIT, situation.size_factor
    held = situation.position_value * (1 if situation.position >= 0 else -1) * side.sign
    others = max(situation.exposure - situation.position_value - situation.open_value, 0)
    exposed = min(share_of(equity, limits.max_exposure, factor), share_of(equity, limits.max_leverage)) - others
    after = min(share_of(equity, limits.max_position, factor), exposed) - situation.open_value
    price = max(entry, situation.mid or 0) if side is Side.SELL else entry
    most = min(
        _within(after - held, price, rate),
        _within(share_of(equity, limits.risk_per_trade, factor) - situation.trade_risk, distance, rate),
    )
    return most if situation.free is None else min(most, _within(situation.free, entry, UNIT))


def _no(reason: str, limit: str, observed: str, text: str) -> Refused:
    return Refused(reason=reason, limit=limit, observed=observed, text=text)
