"""What clients may have the engine do with orders, limits and the kill switch: socket commands to operator commands.

Arguments are flat; numbers of money and size are decimals as text, which are exact. What is wrong is told in a sentence
before the engine is asked, all else is the engine's to judge.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
import time
import types
from collections.abc import Awaitable, Callable, Mapping
from math import isfinite
from typing import NamedTuple, TypeVar

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
from engine.orders import Answered, OrderType, units
from engine.text import inert
from engine.trader import NO_ANSWER
from engine.tradingviews import PreviewView
from tradetui.audit import Judged
from tradetui.commands import only
from tradetui.latch import REASON_MOST, Latch, told

log = logging.getLogger("tradetui.engine")

T = TypeVar("T", bound=msgspec.Struct)

Ask = Callable[[OperatorCommand, Who], Awaitable[Answered]]
"""Has the engine judge and do a command."""

Preview = Callable[[PlaceOrder], PreviewView]
"""What an order would be; raises RequestDenied where there is no such instrument."""

DISK_S = 1.0
"""Time for the latch to be on disk before the answer to a kill goes without it."""

SIGNALLED = "signal SIGUSR1"

KEEP_RUNNING = "do not restart this engine"

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
        _in_time(arguments.get("until_ms"))
        return await done(_order({name: each for name, each in arguments.items() if name != "until_ms"}), who)

    async def show(arguments: Args, _who: Who) -> str:
        return _JSON.encode(preview(_order(arguments))).decode()

    async def cancel(arguments: Args, who: Who) -> str:
        command = _command(CancelOrders, arguments, WORDS["cancel"])
        if bool(command.order) + bool(command.symbol) + command.all != 1:
            raise _wrong('expected one of order, symbol and all, as in all=true or symbol="binance:BTC/USDT"')
        return await done(command, who)

    async def amend(arguments: Args, who: Who) -> str:
        command = _command(AmendOrder, arguments, WORDS["amend"])
        if not (command.price or command.stop_price or command.quantity):
            raise _wrong("nothing to change: expected a new price, stop_price or quantity")
        return await done(command, who)

    async def protect(arguments: Args, who: Who) -> str:
        command = _command(Protect, arguments, WORDS["protect"])
        if not (command.stop_loss or command.take_profit or command.trailing_bps or command.time_stop_s):
            raise _wrong("nothing to set: expected stop_loss, take_profit, trailing_bps or time_stop_s")
        return await done(command, who)

    async def flatten(arguments: Args, who: Who) -> str:
        return await done(_command(Flatten, arguments, WORDS["flatten"]), who)

    async def kill(arguments: Args, who: Who) -> str:
        command = _command(Kill, arguments, WORDS["kill"])
        reason = told(command.reason)
        # Before the engine is asked; the disk may take its time beside it.
        closing = None if latch.hold(reason, who.user) else asyncio.ensure_future(_closed(latch, reason, who.user))
        said = await done(msgspec.structs.replace(command, reason=reason), who)
        trouble = await closing if closing is not None else ""
        return f"{said}; {trouble}" if trouble else said

    async def arm(arguments: Args, who: Who) -> str:
        command = _command(Arm, arguments, WORDS["arm"])
        why = inert(command.reason.strip(), REASON_MOST)
        if (closed := latch.closed()) and not why:
            raise RequestDenied("reason", f"{closed}; it needs a reason, as in --reason 'the feed is back'")
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
        command = _command(Disarm, arguments, WORDS["disarm"])
        return await done(Disarm(reason=inert(command.reason.strip(), REASON_MOST)), who)

    async def switch(arguments: Args, who: Who) -> str:
        return await done(_command(Switch, arguments, WORDS["switch"]), who)

    async def limits(arguments: Args, who: Who) -> str:
        values: dict[str, float] = {}
        for name, value in arguments.items():
            if isinstance(value, str) or not _finite(value):
                raise _wrong(f"{inert(name, 40)} {_shown(value)}: expected a number")
            values[inert(name, 40)] = float(value)
        if not values:
            raise _wrong("expected limits with their new values, as in daily_loss=0.01")
        return await done(SetLimits(values=values), who)

    async def reconcile(arguments: Args, who: Who) -> str:
        return await done(_command(Reconcile, arguments, WORDS["reconcile"]), who)

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


# The latch. -----------------------------------------------------------------------------------------------------------


class KillSignal:
    """SIGUSR1 as kill switch: the latch is closed at once, also in a loop that is busy; the engine halts when it can.

    A signal that comes while the latch is closed already asks for no flattening: who closed it has said whether.
    """

    def __init__(self, latch: Latch, ask: Ask, who: Who) -> None:
        """`who` stands for whoever sent it, which a signal does not tell."""
        self._latch = latch
        self._ask = ask
        self._who = who
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._before: signal.Handlers | int | Callable[[int, types.FrameType | None], object] | None = None

    def install(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take the signal, where this is the main thread."""
        if threading.current_thread() is threading.main_thread():
            self._loop = loop
            self._before = signal.signal(signal.SIGUSR1, self._hear)

    def remove(self) -> None:
        """Give it back."""
        if self._loop is not None:
            signal.signal(signal.SIGUSR1, self._before if self._before is not None else signal.SIG_DFL)
            self._loop = None

    def _hear(self, _number: int, _frame: types.FrameType | None) -> None:
        """Close the latch between two instructions of whatever runs; say it when the loop comes round."""
        first = not self._latch.closed()
        if first and not self._latch.hold(SIGNALLED):
            threading.Thread(target=_close, args=(self._latch, SIGNALLED, self._who.user), daemon=True).start()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin, first)

    def _begin(self, first: bool) -> None:
        task = asyncio.ensure_future(self._kill(first))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _kill(self, first: bool) -> None:
        with contextlib.suppress(Exception):
            answered = await self._ask(Kill(flatten=None if first else False, reason=SIGNALLED), self._who)
            log.warning("kill by signal: %s", answered.text)


async def _closed(latch: Latch, reason: str, user: str) -> str:
    """Close the latch on disk, in a thread; return what is wrong with that, "" if nothing is."""
    work = asyncio.ensure_future(asyncio.to_thread(_close, latch, reason, user))
    finished, _ = await asyncio.wait((work,), timeout=DISK_S)
    return work.result() if finished else f"the kill switch is not on disk yet, after {DISK_S:g} s: {KEEP_RUNNING}"


def _close(latch: Latch, reason: str, user: str) -> str:
    try:
        latch.close(reason, user)
    except OSError as error:
        said = f"the kill switch is closed in this engine only, not on disk ({error.strerror or error}): {KEEP_RUNNING}"
        log.critical("%s", said)
        return said
    return ""


# Arguments. -----------------------------------------------------------------------------------------------------------


class Word(NamedTuple):
    """An argument: what it is for people, what it may be, and whether it must be there."""

    said: str
    holds: Callable[[object], bool]
    needed: bool = False


def _amount(value: object) -> bool:
    """Tell whether a value is a decimal above 0, as text."""
    try:
        return isinstance(value, str) and units(value) > 0
    except ValueError:
        return False


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


_NAME = Word("a name", lambda value: isinstance(value, str) and bool(value) and value.isprintable())
_THIS = _NAME._replace(needed=True)
_TEXT = Word("a text", lambda value: isinstance(value, str))
_FLAG = Word("true or false", lambda value: isinstance(value, bool))
_NUMBER = Word("a number", _finite)
_PRICE = Word('a price above 0 as text, as in "60000.5"', lambda value: value == "" or _amount(value))
_SIZE = Word('a quantity above 0 as text, as in "0.01"', lambda value: value == "" or _amount(value))
_EXIT = Word('a price above 0 as text, or "off"', lambda value: value in ("", "off") or _amount(value))


def _above(value: object) -> bool:
    return isinstance(value, int | float) and _finite(value) and value >= 0


def _one_of(*texts: str) -> Word:
    said = ", ".join(texts[:-1])
    return Word(f"{said} or {texts[-1]}", lambda value: isinstance(value, str) and value in texts)


_ORDER = {
    "symbol": _THIS,
    "side": _one_of("buy", "sell")._replace(needed=True),
    "type": _one_of(*OrderType),
    "quantity": _SIZE,
    "price": _PRICE,
    "stop_price": _PRICE,
    "time_in_force": _one_of("gtc", "ioc", "fok"),
    "reduce_only": _FLAG,
    "post_only": _FLAG,
    "stop_loss": _PRICE,
    "take_profit": _PRICE,
    "trailing_bps": Word("a number, 0 or more", _above),
    "time_stop_s": Word("a number, 0 or more", _above),
    "size": Word("fraction, volatility or kelly", lambda value: value in ("", "fraction", "volatility", "kelly")),
}

WORDS: dict[str, dict[str, Word]] = {
    "order": _ORDER,
    "preview": _ORDER,
    "cancel": {"order": _NAME, "symbol": _NAME, "all": _FLAG},
    "amend": {"order": _THIS, "price": _PRICE, "stop_price": _PRICE, "quantity": _SIZE},
    "protect": {"symbol": _THIS, "stop_loss": _EXIT, "take_profit": _EXIT, "trailing_bps": _NUMBER,
                "time_stop_s": _NUMBER},
    "flatten": {"symbol": _NAME},
    "kill": {"flatten": _FLAG, "reason": _TEXT},
    "arm": {"word": Word("the word to arm with, as in PAPER", _NAME.holds, needed=True), "reason": _TEXT,
            "unknown_withdrawal": _FLAG},
    "disarm": {"reason": _TEXT},
    "switch": {"name": _THIS, "on": _FLAG._replace(needed=True)},
    "reconcile": {},
}  # fmt: skip
"""Arguments by command; those of `limits` are the limits' own names."""


def _in_time(until_ms: object) -> None:
    """Deny an order that comes later (UTC ms) than it was meant: an engine that was stopped finds it in its socket."""
    if until_ms is None:
        return
    if isinstance(until_ms, bool) or not isinstance(until_ms, int):
        raise _wrong(f"until_ms {_shown(until_ms)}: expected UTC milliseconds, a whole number")
    late_s = time.time() - until_ms / 1000
    if late_s > 0:
        text = (
            f"the engine has come to this order {late_s:.1f} s too late, for another market: look at it, and ask again"
        )
        raise RequestDenied("late", text)


def _order(arguments: Args) -> PlaceOrder:
    """Return an order whose numbers fit its type.

    Raises:
        RequestDenied: They do not.
    """
    order = _command(PlaceOrder, arguments, _ORDER)
    kind = order.type
    for name, wanted, meaning in (
        ("price", kind.limited, "a limit price"),
        ("stop_price", kind.conditional, "the price at which it becomes an order"),
    ):
        if wanted != bool(getattr(order, name)):
            raise _wrong(f"an order of type {kind} {f'needs {name}, {meaning}' if wanted else f'has no {name}'}")
    if order.post_only and not kind.limited:
        raise _wrong(f"post_only is for orders with a limit price, not for {kind}")
    return order


def _command(kind: type[T], arguments: Args, words: Mapping[str, Word]) -> T:
    """Return a command of these arguments.

    Raises:
        RequestDenied: One is missing, unknown, or nothing that it can be.
    """
    only(arguments, *words)
    for name, word in words.items():
        if name not in arguments:
            if word.needed:
                raise _wrong(f"{name} is missing: expected {word.said}")
        elif not word.holds(arguments[name]):
            raise _wrong(f"{name} {_shown(arguments[name])}: expected {word.said}")
    try:
        return msgspec.convert(dict(arguments), kind)
    except msgspec.ValidationError as error:
        raise _wrong(inert(str(error))) from error


def _shown(value: object) -> str:
    return inert(repr(value), 80)


def _wrong(reason: str) -> RequestDenied:
    return RequestDenied("invalid_argument", reason)
