"""What clients may have the engine do with orders, limits and the kill switch: socket commands to operator commands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from engine.actions import Args, Attributed
from engine.errors import RequestDenied
from engine.operator import (
    AmendOrder,
    Arm,
    CancelOrders,
    Disarm,
    Flatten,
    Kill,
    OperatorCommand,
    PlaceOrder,
    Protect,
    Reconcile,
    SetLimits,
    Switch,
    Who,
)
from engine.text import inert
from engine.trader import NO_ANSWER
from engine.tradingviews import PreviewView
from tradetui.audit import Judged
from tradetui.kill.inside import Ask, closed
from tradetui.latch import REASON_MOST, Latch, told
from tradetui.trading_arguments import WORDS, command_of, finite, in_time, order_of, shown, wrong

Preview = Callable[[PlaceOrder], PreviewView]
"""What an order would be; raises RequestDenied where there is no such instrument."""

_JSON = msgspec.json.Encoder()


def trading_commands(
    ask: Ask, latch: Latch, preview: Preview, clean: Callable[[str], str] = str
) -> dict[str, Attributed]:
    """Return the commands about trading by name; `ask` answers each, `latch` is the profile's.

    `clean` takes secrets out of what people write: their words are kept and shown.
    """

    async def done(command: OperatorCommand, who: Who) -> str:
        answered = await ask(command, who)
        if answered.code == NO_ANSWER:
            raise RequestDenied(answered.code, answered.text)
        if not answered.done:
            raise Judged(answered.code or "refused", answered.text)
        return answered.text

    async def order(arguments: Args, who: Who) -> str:
        in_time(arguments.get("until_ms"))
        return await done(order_of({name: each for name, each in arguments.items() if name != "until_ms"}), who)

    async def show(arguments: Args, _who: Who) -> str:
        return _JSON.encode(preview(order_of(arguments))).decode()

    async def cancel(arguments: Args, who: Who) -> str:
        command = command_of(CancelOrders, arguments, WORDS["cancel"])
        if bool(command.order) + bool(command.symbol) + command.all != 1:
            raise wrong('expected one of order, symbol and all, as in all=true or symbol="binance:BTC/USDT"')
        return await done(command, who)

    async def amend(arguments: Args, who: Who) -> str:
        command = command_of(AmendOrder, arguments, WORDS["amend"])
        if not (command.price or command.stop_price or command.quantity):
            raise wrong("nothing to change: expected a new price, stop_price or quantity")
        return await done(command, who)

    async def protect(arguments: Args, who: Who) -> str:
        command = command_of(Protect, arguments, WORDS["protect"])
        if not (command.stop_loss or command.take_profit or command.trailing_bps or command.time_stop_s):
            raise wrong("nothing to set: expected stop_loss, take_profit, trailing_bps or time_stop_s")
        return await done(command, who)

    async def flatten(arguments: Args, who: Who) -> str:
        return await done(command_of(Flatten, arguments, WORDS["flatten"]), who)

    async def kill(arguments: Args, who: Who) -> str:
        command = command_of(Kill, arguments, WORDS["kill"])
        reason = told(command.reason)
        # Before the engine is asked; the disk may take its time beside it.
        closing = None if latch.hold(reason, who.user) else asyncio.ensure_future(closed(latch, reason, who.user))
        said = await done(msgspec.structs.replace(command, reason=reason), who)
        trouble = await closing if closing is not None else ""
        return f"{said}; {trouble}" if trouble else said

    async def arm(arguments: Args, who: Who) -> str:
        command = command_of(Arm, arguments, WORDS["arm"])
        why = inert(command.reason.strip(), REASON_MOST)
        if (held := latch.closed()) and not why:
            raise RequestDenied("reason", f"{held}; it needs a reason, as in --reason 'the feed is back'")
        with latch.arming() as seen:
            said = await done(msgspec.structs.replace(command, reason=why), who)
            try:
                latch.open(seen)
            except OSError as error:
                raise RequestDenied(
                    "latched", f"the kill switch is not open ({error.strerror or error}): no order is sent; look why, "
                    "then arm again"
                ) from error  # fmt: skip
        return said

    async def disarm(arguments: Args, who: Who) -> str:
        command = command_of(Disarm, arguments, WORDS["disarm"])
        return await done(Disarm(reason=inert(command.reason.strip(), REASON_MOST)), who)

    async def switch(arguments: Args, who: Who) -> str:
        return await done(command_of(Switch, arguments, WORDS["switch"]), who)

    async def limits(arguments: Args, who: Who) -> str:
        values: dict[str, float] = {}
        for name, value in arguments.items():
            if isinstance(value, str) or not finite(value):
                raise wrong(f"{inert(name, 40)} {shown(value)}: expected a number")
            values[inert(name, 40)] = float(value)
        if not values:
            raise wrong("expected limits with their new values, as in daily_loss=0.01")
        return await done(SetLimits(values=values), who)

    async def reconcile(arguments: Args, who: Who) -> str:
        return await done(command_of(Reconcile, arguments, WORDS["reconcile"]), who)

    def told_clean(act: Callable[[Args, Who], Awaitable[str]]) -> Attributed:
        async def acting(arguments: Args, who: Who) -> str:
            said = {clean(name): clean(value) if isinstance(value, str) else value for name, value in arguments.items()}
            return await act(said, who)

        return Attributed(acting)

    acts = {
        "order": order,
        "preview": show,
        "cancel": cancel,
        "amend": amend,
        "protect": protect,
        "flatten": flatten,
        "kill": kill,
        "arm": arm,
        "disarm": disarm,
        "switch": switch,
        "limits": limits,
        "reconcile": reconcile,
    }
    return {name: told_clean(act) for name, act in acts.items()}
