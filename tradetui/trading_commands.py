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
import types
from collections.abc import Awaitable, Callable, Mapping
from math import isfinite
from typing import NamedTuple, TypeVar

import msgspec

from engine.errors import RequestDenied
from engine.orders import (
    AmendOrder,
    Answered,
    Arm,
    CancelOrders,
    Disarm,
    Flatten,
    Kill,
    OperatorCommand,
    OrderType,
    PlaceOrder,
    Protect,
    Reconcile,
    SetLimits,
    Switch,
    Who,
    units,
)
from engine.server import Attributed
from engine.text import inert
from engine.tradingviews import PreviewView
from tradetui.commands import Args, only
from tradetui.latch import Latch, told

log = logging.getLogger("tradetui.engine")

T = TypeVar("T", bound=msgspec.Struct)

Ask = Callable[[OperatorCommand, Who], Awaitable[Answered]]
"""Has the engine judge and do a command."""

Preview = Callable[[PlaceOrder], PreviewView]
"""What an order would be; raises RequestDenied where there is no such instrument."""

_JSON = msgspec.json.Encoder()


REASON_MOST = 200
"""Characters of a reason that are kept."""

DISK_S = 1.0
"""Time for the latch to be on disk before the answer to a kill goes without it."""

REASON = "signal SIGUSR1"

KEEP_RUNNING = "do not restart this engine"

HOLDS = "look why, then arm again"


class _Word(NamedTuple):
    """An argument: what it is for people, what it may be, and whether it must be there."""

    said: str
    holds: Callable[[object], bool]
    needed: bool = False


def trading_commands(ask: Ask, latch: Latch, preview: Preview) -> dict[str, Attributed]:
    """Return the commands about trading by name; `ask` answers each, `latch` is the profile's."""

    async def done(command: OperatorCommand, who: Who) -> str:
        answered = await ask(command, who)
        if not answered.done:
            raise RequestDenied(answered.code or "refused", answered.text)
        return answered.text

    def plain(kind: type[OperatorCommand], words: Mapping[str, _Word]) -> Attributed:
        async def act(arguments: Args, who: Who) -> str:
            return await done(_command(kind, arguments, words), who)

        return Attributed(act)

    async def order(arguments: Args, who: Who) -> str:
        return await done(_order(arguments), who)

    async def show(arguments: Args, _who: Who) -> str:
        return _JSON.encode(preview(_order(arguments))).decode()

    async def cancel(arguments: Args, who: Who) -> str:
        command = _command(CancelOrders, arguments, {"order": _NAME, "symbol": _NAME, "all": _FLAG})
        if bool(command.order) + bool(command.symbol) + command.all != 1:
            raise _wrong('expected one of order, symbol and all, as in all=true or symbol="binance:BTC/USDT"')
        return await done(command, who)

    async def amend(arguments: Args, who: Who) -> str:
        words = {"order": _NAME._replace(needed=True), "price": _PRICE, "stop_price": _PRICE, "quantity": _SIZE}
        command = _command(AmendOrder, arguments, words)
        if not (command.price or command.stop_price or command.quantity):
            raise _wrong("nothing to change: expected a new price, stop_price or quantity")
        return await done(command, who)

    async def protect(arguments: Args, who: Who) -> str:
        words = {
            "symbol": _NAME._replace(needed=True), "stop_loss": _EXIT, "take_profit": _EXIT, "trailing_bps": _NUMBER,
            "time_stop_s": _NUMBER,
        }  # fmt: skip
        command = _command(Protect, arguments, words)
        if not (command.stop_loss or command.take_profit or command.trailing_bps or command.time_stop_s):
            raise _wrong("nothing to set: expected stop_loss, take_profit, trailing_bps or time_stop_s")
        return await done(command, who)

    async def kill(arguments: Args, who: Who) -> str:
        command = _command(Kill, arguments, {"flatten": _FLAG, "reason": _TEXT})
        reason = told(command.reason)
        closing = _closing(latch, reason, who.user)
        said = await done(msgspec.structs.replace(command, reason=reason), who)
        trouble = await closing
        return f"{said}; {trouble}" if trouble else said

    async def arm(arguments: Args, who: Who) -> str:
        words = {"word": _WORD, "reason": _TEXT, "unknown_withdrawal": _FLAG}
        command = _command(Arm, arguments, words)
        closed = latch.closed()
        if closed and not command.reason.strip():
            raise RequestDenied("reason", f"{closed}; it needs a reason, as in --reason 'the feed is back'")
        why = inert(command.reason.strip(), REASON_MOST)
        with latch.arming() as seen:
            said = await done(msgspec.structs.replace(command, reason=why), who)
            try:
                latch.open(seen)
            except OSError as error:
                raise RequestDenied(
                    "latched", f"the kill switch is not open ({error.strerror or error}): no order is sent; {HOLDS}"
                ) from error  # fmt: skip
        if latch.closed():
            raise RequestDenied("latched", f"{latch.closed()}; {HOLDS}")
        return said

    async def disarm(arguments: Args, who: Who) -> str:
        command = _command(Disarm, arguments, {"reason": _TEXT})
        return await done(msgspec.structs.replace(command, reason=inert(command.reason.strip(), REASON_MOST)), who)

    async def limits(arguments: Args, who: Who) -> str:
        values: dict[str, float] = {}
        for name, value in arguments.items():
            if isinstance(value, str) or not _finite(value):
                raise _wrong(f"{inert(name, 40)} {_shown(value)}: expected a number")
            values[name] = float(value)
        if not values:
            raise _wrong("expected limits with their new values, as in daily_loss=0.01")
        return await done(SetLimits(values=values), who)

    return {
        "order": Attributed(order),
        "preview": Attributed(show),
        "cancel": Attributed(cancel),
        "amend": Attributed(amend),
        "protect": Attributed(protect),
        "flatten": plain(Flatten, {"symbol": _NAME}),
        "kill": Attributed(kill),
        "arm": Attributed(arm),
        "disarm": Attributed(disarm),
        "switch": plain(Switch, {"name": _NAME._replace(needed=True), "on": _FLAG._replace(needed=True)}),
        "limits": Attributed(limits),
        "reconcile": plain(Reconcile, {}),
    }


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
        """Take the signal, from the main thread."""
        self._loop = loop
        self._before = signal.signal(signal.SIGUSR1, self._hear)

    def remove(self) -> None:
        """Give it back."""
        signal.signal(signal.SIGUSR1, self._before if self._before is not None else signal.SIG_DFL)
        self._loop = None

    def _hear(self, _number: int, _frame: types.FrameType | None) -> None:
        """Close the latch between two instructions of whatever runs; say it when the loop comes round."""
        first = not self._latch.closed()
        if first:
            self._latch.hold(REASON)
            threading.Thread(target=_close, args=(self._latch, REASON, self._who.user), daemon=True).start()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin, first)

    def _begin(self, first: bool) -> None:
        task = asyncio.ensure_future(self._kill(first))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _kill(self, first: bool) -> None:
        with contextlib.suppress(Exception):
            answered = await self._ask(Kill(flatten=None if first else False, reason=REASON), self._who)
            log.warning("kill by signal: %s", answered.text)


async def _closing_in(latch: Latch, reason: str, user: str) -> str:
    work = asyncio.ensure_future(asyncio.to_thread(_close, latch, reason, user))
    done, _ = await asyncio.wait((work,), timeout=DISK_S)
    return work.result() if done else f"the kill switch is not on disk yet, after {DISK_S:g} s: {KEEP_RUNNING}"


def _closing(latch: Latch, reason: str, user: str) -> asyncio.Future[str]:
    """Close the latch in this process at once, and on disk beside the loop; the result is what is wrong with that."""
    latch.hold(reason, user)
    return asyncio.ensure_future(_closing_in(latch, reason, user))


def _close(latch: Latch, reason: str, user: str) -> str:
    try:
        latch.close(reason, user)
    except OSError as error:
        said = f"the kill switch is closed in this engine only, not on disk ({error.strerror or error}): {KEEP_RUNNING}"
        log.critical("%s", said)
        return said
    return ""


# Arguments. -----------------------------------------------------------------------------------------------------------


def _decimal(value: object, *, zero: bool = False) -> bool:
    """Tell whether a value is a decimal as text that can be an amount."""
    if not isinstance(value, str):
        return False
    try:
        return units(value) >= (0 if zero else 1)
    except ValueError:
        return False


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


_NAME = _Word("a name", lambda value: isinstance(value, str) and bool(value) and value.isprintable())
_TEXT = _Word("a text", lambda value: isinstance(value, str))
_WORD = _Word("the word to arm with, as in PAPER", lambda value: isinstance(value, str) and bool(value), needed=True)
_FLAG = _Word("true or false", lambda value: isinstance(value, bool))
_NUMBER = _Word("a number", _finite)
_POSITIVE = _Word("a number, 0 or more", lambda value: _finite(value) and value >= 0)  # type: ignore[operator]
_PRICE = _Word('a price above 0 as text, as in "60000.5"', lambda value: value == "" or _decimal(value))
_SIZE = _Word('a quantity above 0 as text, as in "0.01"', lambda value: value == "" or _decimal(value))
_EXIT = _Word('a price above 0 as text, or "off"', lambda value: value in ("", "off") or _decimal(value))

_ORDER = {
    "symbol": _NAME._replace(needed=True),
    "side": _Word("buy or sell", lambda value: value in ("buy", "sell"), needed=True),
    "type": _Word(f"one of {', '.join(OrderType)}", lambda value: value in tuple(OrderType)),
    "quantity": _SIZE,
    "price": _PRICE,
    "stop_price": _PRICE,
    "time_in_force": _Word("gtc, ioc or fok", lambda value: value in ("gtc", "ioc", "fok")),
    "reduce_only": _FLAG,
    "post_only": _FLAG,
    "stop_loss": _PRICE,
    "take_profit": _PRICE,
    "trailing_bps": _POSITIVE,
    "time_stop_s": _POSITIVE,
    "size": _Word("fraction, volatility or kelly", lambda value: value in ("", "fraction", "volatility", "kelly")),
}


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


def _command(kind: type[T], arguments: Args, words: Mapping[str, _Word]) -> T:
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
