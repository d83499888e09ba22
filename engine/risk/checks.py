"""What new risk is held against: the market, size, pace, losses, balance. Each check is a limit, in words too."""

from __future__ import annotations

from collections.abc import Iterator

from engine.approval import Refused
from engine.orders import OrderSpec, OrderType, Origin, Side
from engine.risk.limits import Limits
from engine.risk.rules import quote_of
from engine.risk.situation import Situation
from engine.risk.wording import UNKNOWN, money, percent, span, time_of_day
from engine.risk.worth import adds, position_after, reference, share_of, up, worth
from engine.types import SECOND


def market(limits: Limits, situation: Situation, spec: OrderSpec) -> Iterator[Refused]:
    """Age, spread and quality of what is known of the market, and how far from it the order would trade."""
    age = situation.book_age_ms
    if age is None or not age <= limits.stale_ms:
        seen = UNKNOWN if age is None else f"{age:.1f} ms"
        yield Refused(
            reason="stale_ms",
            limit=f"{limits.stale_ms} ms",
            observed=seen,
            text=f"the age of the book of {spec.instrument} is {seen}, and beyond {limits.stale_ms} ms no new risk is "
            "taken: wait until the feed is live again",
        )
    yield from _spread(limits, situation, spec)
    if situation.quality is not None or spec.origin is Origin.MODEL:
        quality = situation.quality
        if quality is None or not quality >= limits.min_quality:
            seen = UNKNOWN if quality is None else f"{quality:.2f}"
            yield Refused(
                reason="min_quality",
                limit=f"{limits.min_quality:.2f}",
                observed=seen,
                text=f"the quality of the data of {spec.instrument} is {seen}, and a model's order needs "
                f"{limits.min_quality:.2f}: wait for more data, or lower min_quality",
            )
    yield from _collar(limits, situation, spec)


def _spread(limits: Limits, situation: Situation, spec: OrderSpec) -> Iterator[Refused]:
    most, of_regime = limits.max_spread_bps, situation.max_spread_bps
    binds = of_regime is not None and of_regime < most
    if of_regime is not None:
        most = min(most, of_regime)
    mid, bid, ask = situation.mid, situation.best_bid, situation.best_ask
    if mid is None or bid is None or ask is None or mid <= 0:
        seen = UNKNOWN
    else:
        bps = (ask - bid) * 10_000 / mid
        if 0 <= bps <= most:
            return
        seen = f"{bps:.4g} bps"
    told, raised = "the limit is", "max_spread_bps"
    if binds:
        told, raised = f"the limit of the {situation.regime} regime is", "that of the regime (settings, risk.regimes)"
    done = "wait until the book is live" if seen == UNKNOWN else f"wait until it is narrower, or raise {raised}"
    yield Refused(
        reason="max_spread_bps",
        limit=f"{most:g} bps",
        observed=seen,
        text=f"the spread of {spec.instrument} is {seen}, and {told} {most:g} bps: {done}",
    )


def _collar(limits: Limits, situation: Situation, spec: OrderSpec) -> Iterator[Refused]:
    kind, collar, mid = spec.type, limits.price_collar, situation.mid
    if kind is not OrderType.MARKET and kind is not OrderType.LIMIT:
        # The market will be at its stop price then: that, not today's mid, is what the limit is held against.
        if not kind.limited:
            return
        price, stop, place = spec.price, spec.stop_price, "its stop price"
        if mid is not None and kind is OrderType.TAKE_PROFIT_LIMIT and (stop - mid) * spec.side.sign > 0:
            place = "the mid"  # it is passed already, and wakes at the next trade
        else:
            mid = stop
    else:
        price, place = reference(situation, spec) or 0, "the mid"
    if mid is not None and mid > 0 and price > 0:
        worse = (
            price - mid
        ) * spec.side.sign  # a resting order on the better side of the market waits, and harms nobody
        if worse <= collar * mid:
            return
        far = percent(abs(price - mid) / mid)
        does = "would walk the book to" if kind is OrderType.MARKET else "is priced at"
        done = "make it smaller, use a limit order" if kind is OrderType.MARKET else "bring it nearer"
        text = (
            f"this {_order(spec)} {does} {money(price)}, {far} from {place} of {money(mid)}, and the price collar is "
            f"{percent(collar)}: {done}, or raise price_collar"
        )
    else:
        far = UNKNOWN
        text = (
            f"the known book does not tell at what price this {_order(spec)} would be filled, and the price collar is "
            f"{percent(collar)}: make it smaller, or wait until the book is live"
        )
    yield Refused(reason="price_collar", limit=percent(collar), observed=far, text=text)


def _order(spec: OrderSpec) -> str:
    return f"{spec.type.value.replace('_', ' ')} {spec.side.value.upper()} of {money(spec.quantity)} {spec.instrument}"


def size(limits: Limits, situation: Situation, spec: OrderSpec) -> Iterator[Refused]:
    """Position, exposure, leverage and the loss at the stop, against equity."""
    equity, value = situation.equity, worth(situation, spec)
    if equity is None or equity <= 0:
        seen = UNKNOWN if equity is None else money(equity, situation.currency)
        yield Refused(
            reason="equity",
            limit="more than 0",
            observed=seen,
            text=f"the equity of the account is {seen}, so no size can be held against it: wait until every asset "
            "that is held has a price, or pay in",
        )
        return
    if value is None:
        yield Refused(
            reason="value",
            limit="known",
            observed=UNKNOWN,
            text=f"what this {_order(spec)} is worth is not known without a live book and a price of its quote asset: "
            "wait until there is one",
        )
        return
    after = position_after(situation, spec, value)
    exposed = max(situation.exposure - situation.position_value - situation.open_value, 0) + after
    factor = situation.size_factor
    if after > (most := share_of(equity, limits.max_position, factor)):
        what = f"{spec.instrument} with its open orders"
        yield _over(situation, equity, "max_position", limits.max_position, most, after, what)
    if exposed > (most := share_of(equity, limits.max_exposure, factor)):
        what = "all positions and open orders"
        yield _over(situation, equity, "max_exposure", limits.max_exposure, most, exposed, what)
    if exposed > share_of(equity, limits.max_leverage):
        yield Refused(
            reason="max_leverage",
            limit=f"{limits.max_leverage:g}",
            observed=f"{exposed / equity:.4g}",
            text=f"leverage would be {exposed / equity:.4g} ({money(exposed, situation.currency)} on an equity of "
            f"{money(equity)}), and the limit is {limits.max_leverage:g}: make the order smaller, close something, or "
            "raise max_leverage",
        )
    yield from _risk(limits, situation, spec, equity)


def _over(situation: Situation, equity: int, reason: str, share: float, most: int, would: int, what: str) -> Refused:
    asset = situation.currency
    return Refused(
        reason=reason,
        limit=money(most, asset),
        observed=money(would, asset),
        text=f"{what} would be worth {money(would, asset)} ({percent(would / equity)} of equity), and the limit is "
        f"{money(most, asset)} ({percent(share)}{_scaled(situation)}): make the order smaller, or raise {reason}",
    )


def _scaled(situation: Situation) -> str:
    factor = situation.size_factor
    return "" if factor == 1 else f", times {factor:g} for regime and ramp"


def _risk(limits: Limits, situation: Situation, spec: OrderSpec, equity: int) -> Iterator[Refused]:
    entry = reference(situation, spec)
    if entry is None or situation.rate is None:  # `size` has said so
        return
    asset, stop = situation.currency, spec.stop_loss
    distance = (entry - stop) * spec.side.sign if stop else share_of(entry, limits.assumed_stop)
    if distance <= 0:
        wrong = "below" if spec.side is Side.BUY else "above"
        yield Refused(
            reason="stop_loss",
            limit=f"{wrong} {money(entry)}",
            observed=money(stop),
            text=f"the stop-loss of a {spec.side.value.upper()} has to be {wrong} its price of {money(entry)}, and "
            f"{money(stop)} is not: move it",
        )
        return
    loss = up(up(distance * adds(situation, spec)) * situation.rate) + situation.trade_risk
    most = share_of(equity, limits.risk_per_trade, situation.size_factor)
    if loss > most:
        at = f"the stop at {money(stop)}" if stop else f"an assumed stop {percent(limits.assumed_stop)} away"
        yield Refused(
            reason="risk_per_trade",
            limit=money(most, asset),
            observed=money(loss, asset),
            text=f"the trade would lose {money(loss, asset)} ({percent(loss / equity)} of equity) at {at}, and the "
            f"limit is {money(most, asset)} ({percent(limits.risk_per_trade)}{_scaled(situation)}): make the order "
            "smaller, set a nearer stop-loss, or raise risk_per_trade",
        )


def pace(limits: Limits, situation: Situation) -> Iterator[Refused]:
    """Open trades, orders a minute, and the pause after losses."""
    opens = (situation.position == 0 or situation.dust) and situation.open_value == 0
    if opens and situation.open_trades >= limits.max_open_trades:
        yield Refused(
            reason="max_open_trades",
            limit=str(limits.max_open_trades),
            observed=str(situation.open_trades),
            text=f"{situation.open_trades} trades are open, and the limit is {limits.max_open_trades}: close one, or "
            "raise max_open_trades",
        )
    if situation.orders_last_minute >= limits.orders_per_minute:
        yield Refused(
            reason="orders_per_minute",
            limit=str(limits.orders_per_minute),
            observed=str(situation.orders_last_minute),
            text=f"{situation.orders_last_minute} orders that add risk were sent within a minute, and the limit is "
            f"{limits.orders_per_minute}: wait a little, or raise orders_per_minute",
        )
    left = (situation.pause_until - situation.now) / SECOND
    if left > 0:
        yield Refused(
            reason="losses_in_a_row",
            limit=str(limits.losses_in_a_row),
            observed=str(situation.losses_in_a_row),
            text=f"the last {situation.losses_in_a_row} trades lost, so no new risk is taken for {span(left)}: wait "
            f"until {time_of_day(situation.pause_until)}",
        )


def losses(limits: Limits, situation: Situation) -> Iterator[Refused]:
    """Loss of the day and fall from the peak, open positions included."""
    equity, asset = situation.equity, situation.currency
    if equity is None:  # `size` has said so
        return
    start, peak = situation.day_start, situation.peak
    lost = start - equity
    if situation.day_blocked or start <= 0 or lost >= limits.daily_loss * start:
        seen = UNKNOWN if start <= 0 else f"{money(lost, asset)}, {percent(lost / start)}"
        yield Refused(
            reason="daily_loss",
            limit=percent(limits.daily_loss),
            observed=seen,
            text=f"the loss since 00:00 UTC has reached the limit of {percent(limits.daily_loss)} (now {seen}), so no "
            "new risk is taken: wait until 00:00 UTC"
            if start > 0
            else "what equity was at 00:00 UTC is not known, so the loss of the day is not: wait until it is",
        )
    fallen = peak - equity
    if peak <= 0 or fallen >= limits.drawdown * peak:
        seen = UNKNOWN if peak <= 0 else f"{money(fallen, asset)} ({percent(fallen / peak)})"
        yield Refused(
            reason="drawdown",
            limit=percent(limits.drawdown),
            observed=seen,
            text=f"equity has fallen by {seen} from its peak of {money(peak, asset)}, and the limit is "
            f"{percent(limits.drawdown)}: find out why, and arm again to go on from here"
            if peak > 0
            else "the peak of equity is not known, so the drawdown is not: wait until it is",
        )


def balance(situation: Situation, spec: OrderSpec) -> Iterator[Refused]:
    """Whether what the order pays with is there. A spot SELL that adds has been refused before."""
    price, free = reference(situation, spec), situation.free
    if price is None or (spec.side is Side.SELL and not situation.can_short):
        return
    needed = up(price * (adds(situation, spec) if situation.derivative else spec.quantity))
    if free is None or needed > free:
        asset = quote_of(spec.instrument)
        seen = UNKNOWN if free is None else money(free, asset)
        yield Refused(
            reason="balance",
            limit=seen,
            observed=money(needed, asset),
            text=f"this {_order(spec)} needs {money(needed, asset)}, and what is free is {seen}: "
            + ("wait until the balances are known" if free is None else "make it smaller, or cancel what holds it"),
        )
