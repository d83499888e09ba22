"""The order ticket: fields to fill in, and below them what the engine says of such an order, as it is typed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual import events
from textual.binding import Binding
from textual.containers import Grid, Horizontal
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from engine.errors import ConsoleError
from tradetui.console.arguments import Unclear
from tradetui.console.intents import SIDES, SIZES, TIFS, TYPES, Wish, named, typed
from tradetui.console.render.instruments import pair
from tradetui.console.render.sums import number, plain, share
from tradetui.console.screens.dialogs import LONG, Choice, Dialog, Scrolled
from tradetui.console.screens.drawn import as_shown, drawn

if TYPE_CHECKING:
    from engine.tradingviews import PreviewView

PAUSE_S = 0.25
"""Seconds without a key before the engine is asked what it thinks of the order."""

AGAIN_S = 2.0
"""Seconds after which it is asked again: the market goes on."""

NONE = "-"
"""A choice that says nothing."""


class Field(NamedTuple):
    """One field: its argument, its label, and its choices; without choices a text is typed."""

    name: str
    label: str
    choices: tuple[str, ...] = ()


FIELDS = (
    Field("symbol", "symbol", (NONE,)), Field("side", "side", SIDES),
    Field("type", "type", TYPES), Field("quantity", "quantity"),
    Field("price", "price"), Field("size", "or size by", (NONE, *SIZES)),
    Field("stop_price", "trigger"), Field("time_in_force", "in force", TIFS),
    Field("stop_loss", "stop-loss"), Field("take_profit", "target"),
    Field("trailing_bps", "trailing bps"), Field("time_stop_s", "time stop s"),
    Field("reduce_only", "only reduces", ("no", "yes")), Field("post_only", "only as maker", ("no", "yes")),
)  # fmt: skip


class Picked(Message):
    """Another choice was taken."""


class Pick(Static, can_focus=True):
    """One of some choices; left and right go through them, and so does a letter they begin with."""

    BINDINGS: ClassVar = [
        Binding("left,h", "go(-1)"), Binding("right,l,space", "go(1)"),
    ]  # fmt: skip

    def __init__(self, choices: Sequence[str], chosen: str, id_: str) -> None:
        super().__init__(id=id_, classes="pick")
        self._choices = tuple(choices)
        short = Counter(pair(each) for each in choices)
        self._names = {each: pair(each) for each in choices if ":" in each and short[pair(each)] == 1}
        self.value = chosen if chosen in choices else choices[0]

    def on_mount(self) -> None:
        """Show the choice."""
        self._show()

    def _show(self) -> None:
        text = f"\u25c2 {self._names.get(self.value, self.value.replace('_', ' '))} \u25b8"
        self.update(Content(as_shown(self.app, text)))

    def action_go(self, steps: int) -> None:
        """Take the next choice, or the one before."""
        self.take(self._choices[(self._choices.index(self.value) + steps) % len(self._choices)])

    def take(self, choice: str) -> None:
        """Take a choice."""
        self.value = choice
        self._show()
        self.post_message(Picked())

    def on_key(self, event: events.Key) -> None:
        """Take the next choice that begins with a letter."""
        letter = (event.character or "").lower()
        if letter.isalpha() and letter not in ("h", "l") and event.key.islower():
            at = self._choices.index(self.value)
            after = [*self._choices[at + 1 :], *self._choices[: at + 1]]
            found = next((each for each in after if each.startswith(letter)), None)
            if found is not None:
                event.stop()
                self.take(found)

    def on_click(self) -> None:
        """Take the next choice."""
        self.action_go(1)


def sized(wish: Wish) -> bool:
    """Tell whether an order says how much."""
    return bool(wish.get("quantity") or wish.get("size"))


def figure(price: str) -> str:
    """Return a price, an average without the decimals that no price has."""
    value = number(price)
    return plain(price, max(0, 7 - len(f"{value:.0f}"))) if value is not None and len(price) > 10 else plain(price)


def told(view: PreviewView, currency: str) -> list[str]:
    """Return what the engine says of an order: what it costs and risks, what comes after, all that refuses it."""
    said = [*(f"\u00d7 {each}" for each in view.refusals), *(f"\u00b7 {each}" for each in view.notes)]
    if not view.price and said:
        return said  # what it costs is not known
    slips = view.slippage_bps is not None and view.slippage_bps >= 0  # below 0: it rests at a better price
    slip = f", slippage {view.slippage_bps:.1f} bps" if slips else ""
    fee = f"{plain(view.fee)} {view.fee_asset}" if view.fee else "not known"
    after = "" if view.exposure_after is None else f", exposure {share(view.exposure_after, 1)} of equity"
    risk = f"{plain(view.risk, 2)} {currency}" if view.risk else "not known"
    part = "" if view.risk_share is None else f" = {share(view.risk_share)} of equity"
    reward = f"; {plain(view.reward, 2)} {currency} at the target" if number(view.reward) else ""
    return [
        f"{view.side} {plain(view.quantity)} at {figure(view.price)}: cost {plain(view.cost, 2)} {currency}, "
        f"fee {fee}{slip}",
        f"at risk {risk}{part}{reward}; position after {plain(view.position_after)}{after}",
        *said,
    ]


class Ticket(Dialog[None]):
    """Fields of an order and what the engine says of it. Enter asks; nothing is sent before that is answered by yes."""

    BINDINGS: ClassVar = [
        Binding("escape,ctrl+q,ctrl+c", "leave"), Binding("enter", "ask"), Binding("up", "field(-1)"),
        Binding("down", "field(1)"),
    ]  # fmt: skip

    def __init__(
        self,
        first: Wish,
        symbols: Sequence[str],
        heading: Callable[[], str],
        preview: Callable[[Wish], Awaitable[PreviewView]],
        ask: Callable[[Wish, PreviewView], None],
        currency: str,
    ) -> None:
        """`first` are the values at the beginning, `heading` tells mode and state; `ask` has an order confirmed."""
        super().__init__()
        self._heading = heading
        self._first, self._symbols, self._currency = first, tuple(symbols), currency
        self._preview, self._ask = preview, ask
        self._seen: tuple[Wish, PreviewView] | None = None
        self._number = 0

    def content(self) -> Iterable[Widget]:
        """Return the fields in two columns, what is said of them, and the keys."""
        with Grid(classes="fields"):
            for field in FIELDS:
                with Horizontal(classes="field"):
                    yield Static(drawn(self.app, field.label), classes="label")
                    yield self._widget(field)
        yield Scrolled(Static("", classes="preview"), classes="said")
        yield Choice("enter", "ask the engine for it; you are asked first", "ask", first=True)
        yield Choice("esc", "no order   \u2191 \u2193 fields   \u2190 \u2192 choices", "leave")

    def _widget(self, field: Field) -> Widget:
        value = self._first.get(field.name, "")
        if field.name == "symbol":
            return Pick(self._symbols or (NONE,), str(value), "symbol")
        if field.choices:
            shown = "yes" if value is True else str(value)
            return Pick(field.choices, shown, field.name)
        return Input(f"{value:g}" if isinstance(value, float) else str(value), compact=True, id=field.name)

    def on_mount(self) -> None:
        """Begin at the quantity."""
        self.query_one("#quantity").focus()
        self._look()
        self.set_interval(AGAIN_S, self._look)

    # What is typed. -------------------------------------------------------------------------------------------------

    def wish(self) -> Wish:
        """Return the fields that say something, as the arguments of the command.

        Raises:
            Unclear: A field holds no number.
        """
        found: Wish = {}
        for field in FIELDS:
            widget = self.query_one(f"#{field.name}")
            value = widget.value.strip() if isinstance(widget, Input | Pick) else ""
            if field.choices == ("no", "yes"):
                if value == "yes":
                    found[field.name] = True
            elif field.choices:
                if value not in ("", NONE):
                    found[field.name] = value
            elif value:
                try:
                    found[field.name] = named(f"{field.name}={value}")[1]
                except Unclear:
                    raise Unclear(f"{field.label}: expected a number, not {value[:20]!r}") from None
        return found

    def on_input_changed(self, event: Input.Changed) -> None:
        """Look at what was typed a moment after the last key; prices make the type that they belong to."""
        type_ = self.query_one("#type", Pick)
        if event.input.id in ("price", "stop_price") and not type_.value.startswith("take_profit"):
            prices = {name: self.query_one(f"#{name}", Input).value for name in ("price", "stop_price")}
            wanted = typed({name: value for name, value in prices.items() if value})
            if wanted != type_.value:
                type_.take(wanted)
        self._later()

    def on_picked(self) -> None:
        """Look at what was chosen."""
        self._later()

    def _later(self) -> None:
        self._number += 1
        number = self._number
        self.set_timer(PAUSE_S, lambda: self._look() if number == self._number else None)

    def _look(self) -> None:
        self.query_one(".box").border_title = Content(f"order {self._heading()}")
        try:
            wish = self.wish()
        except Unclear as unclear:
            self._say([str(unclear)])
            return
        self.run_worker(self._asked(wish), exclusive=True)

    async def _asked(self, wish: Wish, *, ask: bool = False) -> None:
        """Have the engine look at it, and say what it says; `ask`: then have the order confirmed."""
        try:
            view = await self._preview(wish)
        except ConsoleError as error:
            self._seen = None
            self._say([f"\u00d7 {error}"])
            return
        self._seen = wish, view
        first = [] if sized(wish) else ["Type a quantity, or choose how to size it. By the settings it would be:"]
        self._say([*first, *told(view, self._currency)])
        if ask and self.is_current:
            self._ask(wish, view)

    def _say(self, lines: Sequence[str]) -> None:
        text = "\n".join(drawn(self.app, line, LONG).plain for line in lines)
        self.query_one(".preview", Static).update(Content(text))

    # Keys. ----------------------------------------------------------------------------------------------------------

    def action_field(self, steps: int) -> None:
        """Go to the field below, or above: down one column, then the other."""
        names = [field.name for field in (*FIELDS[::2], *FIELDS[1::2])]
        focused = self.focused.id if self.focused is not None else None
        at = names.index(focused) if focused in names else -1
        self.query_one(f"#{names[(at + steps) % len(names)]}").focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Ask."""
        event.stop()
        self.action_ask()

    def action_ask(self) -> None:
        """Have the person confirm the order, with what the engine says of just this one."""
        try:
            wish = self.wish()
        except Unclear as unclear:
            self._say([str(unclear)])
            return
        if not sized(wish):
            self._say(["expected a quantity, or how to size it"])
            return
        if self._seen is not None and self._seen[0] == wish:
            self._ask(wish, self._seen[1])
        else:
            self.run_worker(self._asked(wish, ask=True), exclusive=True)
