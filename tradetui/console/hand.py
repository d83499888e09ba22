"""A line of the chart in the hand: an order, a stop or a target, moved by keys, and asked for where it is put."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradetui.console.holdings import movable
from tradetui.console.render.instruments import pair
from tradetui.console.render.sums import number
from tradetui.console.screens.choosing import Moving
from tradetui.console.steps import places, step_of, tick

if TYPE_CHECKING:
    from tradetui.console.dealing import Dealing
    from tradetui.console.desk import Taken
    from tradetui.console.desk_app import DeskApp


class Hand:
    """Takes a line, moves it, and lets it go. The engine is asked only for where it is put down."""

    def __init__(self, app: DeskApp, dealing: Dealing) -> None:
        self._app = app
        self._dealing = dealing

    def take(self) -> None:
        """Take the line of an order or an exit into the hand."""
        desk, app = self._app.desk, self._app
        if self._dealing.trading() is None:
            return
        desk.show(app.chosen_symbol())
        found = movable(self._dealing.account, desk.symbol)
        if not found:
            self._dealing.say(f"no open order, stop or target of {pair(desk.symbol)} to move")
            return
        chosen = app.chosen_order()
        at = 0
        if chosen is not None:  # an exit has the line of its position, which may stand where an order's does
            waits, exits = number(chosen.stop_price or chosen.price), chosen.origin == "exit"
            own = [n for n, each in enumerate(found) if each.id == chosen.id]
            own += [n for n, each in enumerate(found) if exits and each.before == waits]
            at = own[0] if own else 0
        app.focus_pane(f"chart{desk.view.chart + 1}")
        if not desk.laid("orders"):
            desk.lay("orders", True)
        desk.taken = found[at]

        def move(steps: int) -> None:
            if desk.taken is not None:
                self._to(desk.taken, steps, step_of(desk.taken.before, tick(desk, desk.symbol)))

        def whole(ticks: int) -> None:
            if desk.taken is not None:
                self._to(desk.taken, ticks, tick(desk, desk.symbol))

        def other(steps: int) -> None:
            lines = movable(self._dealing.account, desk.symbol)
            names = [(each.what, each.id) for each in lines]
            now = (desk.taken.what, desk.taken.id) if desk.taken is not None else ("", "")
            if lines:
                desk.taken = lines[(names.index(now) + steps) % len(lines) if now in names else 0]
            self._hold()

        self._dealing.questions.ask(Moving(move, other, whole), self._moved)
        self._hold()

    def _to(self, taken: Taken, steps: int, step: float) -> None:
        """Hold a line some steps away from where it is held."""
        least = tick(self._app.desk, self._app.desk.symbol)
        price = max(round((taken.price + steps * step) / least), 1) * least
        self._app.desk.taken = taken._replace(price=price)
        self._hold()

    def _hold(self) -> None:
        taken, desk = self._app.desk.taken, self._app.desk
        if taken is not None:
            price = f"{taken.price:.{places(desk, desk.symbol)}f}"
            step = step_of(taken.before, tick(desk, desk.symbol))
            keys = f"\u2191\u2193 {step:.10g}, page {10 * step:.10g}, \u2190\u2192 tick, tab next"
            desk.hold = f"{taken.label}: {price}, was {taken.before:.10g}; enter asks, esc; {keys}"
        self._app.changed()

    def _moved(self, ask: bool | None) -> None:
        desk = self._app.desk
        taken, desk.taken, desk.hold = desk.taken, None, ""
        if not ask or taken is None or taken.price == taken.before:
            self._app.changed()
            return
        if (taken.what, taken.id) not in [(each.what, each.id) for each in movable(self._dealing.account, desk.symbol)]:
            self._dealing.say(f"{taken.label} is not there any more: nothing is asked")
            return
        price = f"{taken.price:.{places(desk, desk.symbol)}f}"
        if taken.what in ("stop_loss", "take_profit"):
            self._dealing.protect({"symbol": taken.id, taken.what: price})
        else:
            self._dealing.amend({"order": taken.id, "stop_price" if taken.what == "trigger" else "price": price})
