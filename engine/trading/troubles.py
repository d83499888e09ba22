"""What is wrong with trading at a moment, as lasting alerts; what happens once, the core tells by itself."""

from __future__ import annotations

from collections.abc import Iterator

from engine.alerts import Cause
from engine.execution.account import Account
from engine.orders import Mode, decimal
from engine.risk.wording import percent, span, time_of_day


def causes(account: Account, now: int) -> Iterator[Cause]:
    """Yield what is wrong at `now` (UTC ns)."""
    held = tuple(
        (key, each) for ledger in account.ledgers.values() for key, each in ledger.positions.items() if each.open
    )
    yield from _standing(account)
    yield from _closing(account)
    yield from _orders(account)
    yield from _paused(account, now)
    yield from _venues(account)
    if held and not account.switches["exits"]:
        keys = ", ".join(key for key, _ in held)
        yield Cause("EXITS_OFF", "trading", f"exits are switched off, and open are {keys}", "stops here do not act")
    if account.unvalued:
        text = f"the account cannot be valued: no price of {', '.join(account.unvalued)} is known"
        yield Cause("EQUITY_UNKNOWN", "trading", text, "no new risk until it is known")
    for key, position in held:
        yield from _exits(account, key, opened=position.opened)


def _standing(account: Account) -> Iterator[Cause]:
    if account.latched or account.halted:
        text = account.halted or "the kill switch holds"
        yield Cause("TRADING_HALTED", "trading", text, "nothing is submitted until a person arms again")
        return
    for name, text in account.conditions.items():  # the loss of the day has an alert of its own
        if name == "daily loss":
            continue
        yield Cause("TRADING_REDUCED", name, text, "no new risk until it is over; exits and cancels go on")


def _closing(account: Account) -> Iterator[Cause]:
    """Yield what the halt of an earlier engine was closing, until it is closed."""
    for key, closing in account.closing.items():
        held = abs(account.quantity(key))
        if not closing.recalled or closing.barred or not held or not account.blind_from:
            continue
        text = f"the last engine ended before {key} was closed ({closing.reason}): {decimal(held)} of it are held still"
        doing = "it is closed at the market, no more than that, as soon as there is a book"
        if closing.waits:
            text += ", as far as is known here"
            doing = f"what is left is closed when {key.partition(':')[0]} has told what is held there"
        yield Cause("FLATTEN_RESUMED", key, text, doing, closing.begun)


def _orders(account: Account) -> Iterator[Cause]:
    for order in account.orders.unresolved():
        spec = order.spec
        text = (
            f"{spec.side} {decimal(spec.quantity)} {spec.instrument} ({spec.id}): what became of the "
            f"{order.doing or 'order'} is not known: {order.reason or 'the venue has not told'}"
        )
        yield Cause(
            "ORDER_UNRESOLVED", spec.instrument, text, "the venue is asked; nothing new there until it tells",
            order.updated,
        )  # fmt: skip


def _paused(account: Account, now: int) -> Iterator[Cause]:
    if account.drawdown.day_blocked:
        lost, most = account.drawdown.daily, account.risk.limits.daily_loss
        text = f"the loss of the day reached its limit of {percent(most)}"
        doing = f"no new risk until 00:00 UTC; the loss is {percent(lost)} now" if lost is not None else ""
        yield Cause("DAILY_LOSS", "trading", text, doing or "no new risk until 00:00 UTC")
    if account.streak.pause_until > now:
        until = time_of_day(account.streak.pause_until)
        text = f"{account.streak.losses} trades in a row lost money"
        yield Cause("LOSING_STREAK", "trading", text, f"no new risk until {until}")
    for code, breakers in (("FLASH_MOVE", account.flash), ("VENUE_TROUBLE", account.venue_breakers)):
        for key, breaker in breakers.items():
            if breaker.until > now:  # the rest of its sentence counts down
                text = breaker.open(now).partition(": wait ")[0]
                yield Cause(code, key, text, f"no new risk there until {time_of_day(breaker.until)}; exits go on")


def _venues(account: Account) -> Iterator[Cause]:
    for key in sorted(account.mismatched):
        text = f"the position of {key} at the venue is not what its fills add up to here"
        yield Cause("POSITION_MISMATCH", key, text, "no new risk there until both agree")
    for status in account.venues.values():
        if status.trade is False:
            yield Cause("KEY_UNSAFE", status.name, f"the key of {status.name} may not trade", "it cannot be armed")
        if status.withdraw is True:
            doing = "it cannot be armed" if account.mode is Mode.LIVE else "of no harm with play money"
            yield Cause("KEY_UNSAFE", status.name, f"the key of {status.name} may withdraw", doing)


def _exits(account: Account, key: str, *, opened: int) -> Iterator[Cause]:
    """Yield stops that nobody holds, and those that were nobody's while no engine ran."""
    protection = account.protections.get(key)
    if protection is None or not protection.stop:
        return
    stop = decimal(protection.stop)
    if not protection.stop_held and not account.switches["exits"]:
        text = f"the stop of {key} at {stop} rests nowhere, and exits are switched off"
        yield Cause("POSITION_UNPROTECTED", key, text, "the position stays open below it")
    elif not protection.stop_held and account.mode is not Mode.PAPER:
        text = f"the stop of {key} at {stop} does not rest at the venue"
        yield Cause("POSITION_UNPROTECTED", key, text, "it is watched here, and acts while this engine runs")
    if account.blind_s and opened < account.blind_from and (account.paper is not None or not protection.stop_held):
        text = f"no engine ran for {span(account.blind_s)} from {time_of_day(account.blind_from)} on, so the stop of "
        text += f"{key} did not act meanwhile"  # without its price: that of now may be another than that of then
        yield Cause(
            "BLIND_TIME", key, text, "it acts on the first trade that reaches it, at that trade's price",
            account.blind_from,
        )  # fmt: skip
