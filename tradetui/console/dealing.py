"""What a person has the engine do about trading. Everything that acts is asked for first, and no is the default.

Nothing is taken for done: what was asked stands as asked until the engine answers, and its refusals are shown whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from engine.errors import EngineUnreachable, RequestDenied
from engine.text import inert
from tradetui.client import in_time
from tradetui.console import staging
from tradetui.console.account import described
from tradetui.console.intents import Wish, changed, sentence
from tradetui.console.killing import KillSwitch
from tradetui.console.questions import Questions
from tradetui.console.render.instruments import pair
from tradetui.console.render.sums import gain, plain
from tradetui.console.screens.choosing import Choose, Way
from tradetui.console.screens.dialogs import Confirm
from tradetui.console.steps import places

if TYPE_CHECKING:
    from engine.tradingviews import PreviewView, TradingView
    from tradetui.console.account import Account
    from tradetui.console.acts import Acts
    from tradetui.console.arguments import Value
    from tradetui.console.desk_app import DeskApp
    from tradetui.console.screens.arming import Armed

EXITS_OFF = "Stops and targets are then watched by nobody but you."

AGAIN = "The stop and target of a position are set again while it is held: move them, or flatten."


class Dealing:
    """Acts of one console about trading."""

    def __init__(self, app: DeskApp, acts: Acts) -> None:
        self._app = app
        self._acts = acts
        self._numbers = itertools.count(1)
        self.questions = Questions(app)
        self.kill_switch = KillSwitch(app, acts, self.questions)

    # What is there. -------------------------------------------------------------------------------------------------

    @property
    def account(self) -> Account:
        """What the engine tells of trading now; a frozen screen does not hold it up."""
        return self._app.link.account

    def trading(self) -> TradingView | None:
        """Return how trading stands; where there is none, None, and why is said."""
        link = self._app.link
        view = self.account.trading if link.attached else None
        if view is None:
            why = self.account.refused or (
                "the engine has not told of it yet" if link.attached else "no engine is attached"
            )
            self.say(f"no trading: {why}")
        return view

    def say(self, text: str) -> None:
        """Tell the person something, among the events."""
        self._app.desk.say(text)
        self._app.changed()

    def _confirm(self, question: str, lines: list[str], told: str, name: str, wish: Wish) -> None:
        """Ask, and on yes have the engine do it."""

        def answered(yes: bool | None) -> None:
            if yes:
                self.send(told, name, wish)
            else:
                self.say(f"not asked: {told}")

        self.questions.ask(Confirm(question, "\n".join(lines)), answered)

    def send(self, told: str, name: str, wish: Wish, refused: Callable[[], None] = lambda: None) -> None:
        """Have the engine do something; `told` is what, in words; `refused` is called if it will not."""
        number, desk = next(self._numbers), self._app.desk
        if not self._app.link.attached:
            refused()
            self.say(f"not sent, no engine is attached: {told}")
            return
        desk.asked[number] = told
        desk.say(f"asked: {told}")
        self._acts.run(self._sent(number, told, name, wish, refused))
        self._app.changed()

    async def _sent(self, number: int, told: str, name: str, wish: Wish, refused: Callable[[], None]) -> str:
        try:
            if name == "order":  # now or not at all: an engine that was stopped must not send it when it comes back
                wish = {**wish, "until_ms": in_time()}
            return f"{told}: {await self._app.link.command(name, **wish) or 'done'}"
        except RequestDenied as denied:
            reason = inert(str(denied), 2000)
            refused()
            self.questions.tell("refused", [f"{told[0].upper()}{told[1:]}:", reason])
            return f"refused: {told}: {reason}"
        except EngineUnreachable as error:
            return f"{told}: {error}; whether it was done is not known, the orders will tell"
        finally:
            self._app.desk.asked.pop(number, None)

    # Orders. --------------------------------------------------------------------------------------------------------

    async def preview(self, wish: Wish) -> PreviewView:
        """Return what the engine thinks of an order.

        Raises:
            ConsoleError: It does not say, or it cannot be read.
        """
        from engine.tradingviews import PreviewView

        text = await self._app.link.command("preview", **wish)
        try:
            return msgspec.json.decode(text.encode(), type=PreviewView)
        except msgspec.MsgspecError as error:
            raise EngineUnreachable(f"what the engine thinks of it cannot be read: {error}") from error

    def ticket(self, side: str) -> None:
        """Show a ticket for the instrument on the desk."""
        from tradetui.console.screens.ticket import Ticket

        view = self.trading()
        if view is None:
            return
        desk = self._app.desk
        symbols = tuple(dict.fromkeys((desk.symbol, *(view.instruments or desk.symbols))))
        first: Wish = {"side": side, "symbol": desk.symbol, "type": "market"}
        if desk.view.cross is not None and desk.view.cross.price is not None:
            first |= {"type": "limit", "price": f"{desk.view.cross.price:.{places(desk, desk.symbol)}f}"}
        ticket = Ticket(first, symbols, self.heading, self.preview, self._ask, view.currency)
        self.questions.ask(ticket, lambda _: None)

    def heading(self) -> str:
        """Return whose money an order would be about, and what may be done."""
        account, attached = self.account, self._app.link.attached
        state = account.trading.state.upper() if account.trading is not None and attached else "NO ENGINE"
        return f"{account.word} {state}"

    def order(self, wish: Wish) -> None:
        """Ask for an order that was typed, with what the engine thinks of it."""
        if self.trading() is None:
            return
        whole: Wish = {"symbol": self._app.desk.symbol, **wish}

        async def asked() -> str:
            try:
                view = await self.preview(whole)
            except RequestDenied as denied:
                return f"refused: {sentence(whole)}: {denied}"
            self._ask(whole, view)
            return ""

        self._acts.run(asked())

    def _ask(self, wish: Wish, view: PreviewView) -> None:
        """Have the person confirm an order; a ticket below it is closed by yes."""
        from tradetui.console.screens.ticket import Ticket
        from tradetui.console.screens.ticket import told as preview_told

        trading, app = self.account.trading, self._app
        currency = trading.currency if trading is not None else ""
        lines = preview_told(view, currency)
        if view.refusals:
            lines.insert(0, "As it stands the engine will refuse it.")

        def answered(yes: bool | None) -> None:
            if not yes:
                return
            if isinstance(app.screen, Ticket):
                app.screen.dismiss(None)
            words = sentence(wish)
            self.send(f"{words[0].lower()}{words[1:]} ({self.account.word})", "order", wish)

        self.questions.ask(Confirm(f"{self.account.word}: {sentence(wish)}?", "\n".join(lines)), answered)

    def cancel(self, which: str | None = None, value: Value = None) -> None:
        """Cancel the chosen order, those of the instrument, or all; asks."""
        if self.trading() is None:
            return
        open_, symbol, word = self.account.open_orders, self._app.chosen_symbol(), self.account.word
        if not open_:
            self.say("no order is open: there is nothing to cancel")
            return
        if which is not None:
            told = self._cancels(which, value)
            wish: Wish = {which: value if value is not None else True}
            lines = [AGAIN] if any(each.origin == "exit" for each in open_) else []
            self._confirm(f"{word}: {told}?", lines, told, "cancel", wish)
            return
        ways, chosen = [], self._app.chosen_order()
        if chosen is not None and chosen.open:
            ways.append(Way("o", f"the chosen one: {described(chosen)}", f"order {chosen.id}"))
        here = sum(each.instrument == symbol for each in open_)
        if here:
            ways.append(Way("s", f"{_orders(here)} of {pair(symbol)}", f"symbol {symbol}"))
        ways.append(Way("a", f"all {_orders(len(open_))} of every symbol", "all"))
        lines = [AGAIN] if any(each.origin == "exit" for each in open_) else []

        def answered(answer: str | None) -> None:
            if answer is not None:
                name, _, value = answer.partition(" ")
                self.send(self._cancels(name, value), "cancel", {name: value or True})

        self.questions.ask(Choose(f"{word}: cancel which of {_orders(len(open_))}?", lines, ways), answered)

    def _cancels(self, which: str, value: Value) -> str:
        """Return in words what is to be cancelled."""
        if which == "all":
            return f"cancel all {_orders(len(self.account.open_orders))}"
        if which == "symbol":
            return f"cancel the orders of {pair(str(value))}"
        order = self.account.order(str(value))
        return f"cancel {described(order) if order is not None else f'order {value}'}"

    def flatten(self, symbol: str | None = None, *, all_: bool = False) -> None:
        """Cancel the orders of an instrument, or of all, and close what is held; asks."""
        view = self.trading()
        if view is None:
            return
        held, here = self.account.positions, symbol or self._app.chosen_symbol()
        lines = [
            f"{pair(each.instrument)}: {plain(each.quantity)} at {plain(each.average)}, open {gain(each.unrealised)[0]}"
            for each in held
        ] or ["Nothing is held; open orders are cancelled."]
        lines.append("Closing is at the market, at whatever price it gives.")
        if symbol is not None or all_:
            name = f"all {_counted(len(held), 'position')}" if all_ else pair(here)
            wish: Wish = {} if all_ else {"symbol": here}
            self._confirm(f"{self.account.word}: flatten {name}?", lines, f"flatten {name}", "flatten", wish)
            return
        ways = [
            Way("s", f"{pair(here)}: cancel its orders and close it", "symbol"),
            Way("a", f"everything: {_counted(len(held), 'position')}, {_orders(len(self.account.open_orders))}", "all"),
        ]

        def answered(answer: str | None) -> None:
            if answer == "symbol":
                self.send(f"flatten {pair(here)}", "flatten", {"symbol": here})
            elif answer == "all":
                self.send("flatten everything", "flatten", {})

        self.questions.ask(Choose(f"{self.account.word}: flatten what?", lines, ways), answered)

    def protect(self, wish: Wish) -> None:
        """Change the exits of a position; asks."""
        if self.trading() is None:
            return
        whole: Wish = {"symbol": self._app.desk.symbol, **wish}
        symbol = str(whole["symbol"])
        held = self.account.position(symbol)
        now = f"Now: stop-loss {held.stop_loss or 'none'}, take profit {held.take_profit or 'none'}." if held else ""
        lines = [now] if now else [f"No position of {pair(symbol)} is known: the engine may refuse it."]
        told = f"{changed(whole)} for {pair(symbol)}"
        self._confirm(f"{self.account.word}: set {told}?", lines, told, "protect", whole)

    def amend(self, wish: Wish) -> None:
        """Change an order; asks."""
        if self.trading() is None:
            return
        order = self.account.order(str(wish["order"]))
        known = described(order) if order is not None else f"order {wish['order']}, which is not listed,"
        told = f"change {known} to {changed(wish)}"
        self._confirm(f"{self.account.word}: {told}?", [], told, "amend", wish)

    # State, switches, limits. ---------------------------------------------------------------------------------------

    def arm(self) -> None:
        """Arm, by the typed word; disarm if it is armed."""
        from tradetui.console.screens.arming import Arming

        view = self.trading()
        if view is None:
            return
        if view.armed and not view.latched and view.state != "halted":
            self.disarm()
            return

        def answered(typed: Armed | None) -> None:
            if typed is None:
                self.say("not armed")
                return
            wish: Wish = {"word": typed.word}
            if typed.reason:
                wish["reason"] = typed.reason
            if typed.unknown:
                wish["unknown_withdrawal"] = True
            self.send(f"arm {self.account.word}", "arm", wish)

        self.questions.ask(Arming(view), answered)

    def disarm(self) -> None:
        """Take no new risk until somebody arms; asks."""
        view = self.trading()
        if view is not None:
            lines = [f"Then only orders that reduce pass, until the word {view.word} is typed again.", "Exits go on."]
            self._confirm(f"{self.account.word}: disarm?", lines, "disarm", "disarm", {"reason": "at a console"})

    def switch(self, name: str, on: bool | None) -> None:
        """Turn a switch, None: to the other side; asks."""
        view = self.trading()
        if view is None:
            return
        if on is None:
            on = not next((each.on for each in view.switches if each.name == name), True)
        shown = pair(name)
        lines = ["Orders that add risk are let through again."] if on else ["Nothing that adds risk passes it then."]
        if name == "exits":
            lines = ["Stops and targets act again."] if on else [EXITS_OFF]
        told = f"turn {shown} {'on' if on else 'off'}"
        self._confirm(f"{self.account.word}: {told}?", lines, told, "switch", {"name": name, "on": on})

    def stage(self, name: str, text: str) -> None:
        """Stage a limit that was typed."""
        limit, desk = self.account.limit(name), self._app.desk
        if limit is None:
            known = ", ".join(each.name for each in self.account.risk.limits) if self.account.risk else "none told yet"
            self.say(f"no limit {name!r}; there are {known}")
            return
        try:
            desk.staged[name] = staging.read(limit, text)
        except ValueError as error:
            self.say(str(error))
            return
        if desk.staged[name] == limit.value:
            del desk.staged[name]
        self._app.focus_pane("risk")

    def apply(self) -> None:
        """Have all staged limits hold, by one command; asks. What the engine refuses stays staged."""
        desk = self._app.desk
        if self.trading() is None or not desk.staged:
            return
        lines, wish = [], dict[str, str | int | float | bool](desk.staged)
        for name, value in desk.staged.items():
            limit = self.account.limit(name)
            if limit is not None:
                lines.append(f"{name}: {staging.told(limit, limit.value)} \u2192 {staging.told(limit, value)}")
        several = _counted(len(wish), "limit")

        def answered(yes: bool | None) -> None:
            if yes:
                before = desk.staged.copy()
                desk.staged.clear()
                self.send(f"change {several} ({'; '.join(lines)})", "limits", wish, lambda: desk.staged.update(before))
            self._app.changed()

        self.questions.ask(Confirm(f"{self.account.word}: change {several}?", "\n".join(lines)), answered)

    def reconcile(self) -> None:
        """Have the venues asked for everything now."""
        if self.trading() is not None:
            self.send("reconcile with the venues", "reconcile", {})


def _orders(count: int) -> str:
    return _counted(count, "order")


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"
