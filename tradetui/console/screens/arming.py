"""The dialog that arms trading: everything that is not as it should be, and the word that has to be typed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from textual.binding import Binding
from textual.widget import Widget
from textual.widgets import Input, Static

from engine.types import SECOND
from tradetui.console.account import WORDS
from tradetui.console.render.cells import stamp
from tradetui.console.screens.dialogs import LONG, Choice, Dialog, Scrolled
from tradetui.console.screens.drawn import drawn

if TYPE_CHECKING:
    from typing import ClassVar

    from engine.tradingviews import TradingView, VenueView


class Armed(NamedTuple):
    """What a person typed: the word, the reason, and whether an unknown right to withdraw is taken as it is."""

    word: str
    reason: str
    unknown: bool


def lines(view: TradingView) -> list[str]:
    """Return what somebody should know who arms: whose money, the state and why, every venue and what differs there."""
    mode = WORDS.get(view.mode, view.mode.upper())
    whose = {"paper": "no order leaves this machine", "live": "this is REAL MONEY"}
    found = [f"Mode {mode}: {whose.get(view.mode, 'orders go to a test network')}. State {view.state.upper()}."]
    found += [f"\u00b7 {each}" for each in view.reasons]
    if view.blind_s > 0:
        found.append(f"\u00b7 no engine ran for {view.blind_s:.0f} s; stops held here did not act in that time")
    for venue in view.venues:
        found += [f"{venue.name}: {each}" for each in told(venue)]
    orders = f"Open orders: {view.open_orders}. Orders of unknown state: {view.unresolved}."
    found.append(f"Positions: {view.positions}. {orders}")
    return found


def told(venue: VenueView) -> list[str]:
    """Return what is known of a venue before it is armed."""
    at = f"reconciled {stamp(venue.reconciled)}" if venue.reconciled >= SECOND else "NOT reconciled yet"
    stream = "private stream up" if venue.connected else "private stream DOWN"
    clock = "" if venue.clock_ms is None else f", its clock {venue.clock_ms:+.0f} ms from ours"
    found = [f"{at}, {stream}{clock}"]
    found += [f"differs: {each}" for each in venue.differences] or ["nothing differs from what was known here"]
    if venue.trade is False:
        found.append("its key may not trade")
    if venue.withdraw is None:
        found.append("it does not tell whether its key may withdraw: unknown")
    elif venue.withdraw:
        found.append("its key MAY WITHDRAW: it is refused for live trading")
    return [*found, *([venue.trouble] if venue.trouble else [])]


class Arming(Dialog[Armed]):
    """Shows how things stand and takes the word; anything else leaves everything as it is."""

    TITLE_ = "arm trading"
    BINDINGS: ClassVar = [Binding("escape,ctrl+q,ctrl+c", "leave"), Binding("up", "before"), Binding("down", "after")]

    def __init__(self, view: TradingView) -> None:
        super().__init__()
        self._view = view
        self._halted = view.latched or view.state == "halted"
        self._unknown = any(venue.withdraw is None for venue in view.venues)

    def content(self) -> Iterable[Widget]:
        """Return how things stand, and what has to be typed."""
        view = self._view
        first = "End the halt and arm?" if self._halted else "Let orders add risk?"
        yield Static(drawn(self.app, first), classes="question")
        yield Scrolled(*(Static(drawn(self.app, line, LONG)) for line in lines(view)), classes="short")
        if self._halted:
            yield Static(drawn(self.app, "Why the halt ends (kept in the audit):"))
            yield Input(placeholder="a reason", compact=True, id="reason")
        asks = f"Type {view.word} and press enter"
        if self._unknown:
            asks += f", or {view.word} UNKNOWN to go on although the right to withdraw is unknown"
        yield Static(drawn(self.app, f"{asks}:", LONG))
        yield Input(compact=True, id="word")  # without a hint: that would look like the word, typed already
        yield Static("", classes="wrong")
        yield Choice("esc", "leave it as it is", "leave", first=True)

    def on_mount(self) -> None:
        """Begin at the first line of input."""
        self.query(Input).first().focus()

    def action_before(self) -> None:
        """Go to the line above."""
        self.focus_previous(Input)

    def action_after(self) -> None:
        """Go to the line below."""
        self.focus_next(Input)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the word, or say what is expected."""
        event.stop()
        reason = self.query_one("#reason", Input).value.strip() if self._halted else ""
        if event.input.id == "reason":
            self.query_one("#word", Input).focus()
            return
        words = event.value.split()
        if not words or words[0] != self._view.word:
            event.input.value = ""
            self._wrong(f"expected {self._view.word}, in capitals; nothing is armed")
        elif self._halted and not reason:
            self._wrong("a halt ends with a reason: type one above")
            self.query_one("#reason", Input).focus()
        else:
            self.dismiss(Armed(words[0], reason, words[1:] == ["UNKNOWN"]))

    def _wrong(self, text: str) -> None:
        self.query_one(".wrong", Static).update(drawn(self.app, text))
