"""The command line `:`: a table of commands, and a line of text read by it. Pure: an order says what is wanted.

An unknown word is never an action: what is wrong is said together with what may have been meant.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.types import SECOND
from tradetui.console.arguments import (
    INSTRUMENT,
    LAYER,
    RANGE,
    SPEED,
    SWITCH,
    TEXT,
    TIME,
    TIMEFRAME,
    WHEN,
    Ambiguous,
    Argument,
    Known,
    Unclear,
    Value,
    close,
    instrument,
    listed,
    number,
    one_of,
    short,
    shown,
    words,
)  # fmt: skip
from tradetui.console.intents import CHANGE, EXITS_OF, ORDER, WHICH, WHOSE
from tradetui.console.layout import TRADING
from tradetui.console.view import TIMEFRAMES

if TYPE_CHECKING:
    from tradetui.console.desk import Desk

LONGEST = 200
"""Characters of a line."""


class Order(NamedTuple):
    """What a line asks for. The arguments of each order are always as many, see `Command.takes`; None: left out."""

    name: str
    arguments: tuple[Value, ...] = ()


class Wrong(NamedTuple):
    """A line that cannot be read: what was expected, and whole lines that may have been meant."""

    text: str
    suggestions: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """Both, for people: what may have been meant comes first, for there is little room."""
        return f"did you mean `{'`, `'.join(self.suggestions)}`? {self.text}" if self.suggestions else self.text


class Command(NamedTuple):
    """One command of the table. `order` is the order's name if it differs, `fixed` its first arguments.

    `replay`: it means something in a replay only.
    """

    group: str
    name: str
    takes: tuple[Argument, ...]
    explained: str
    example: str
    aliases: tuple[str, ...] = ()
    order: str = ""
    fixed: tuple[Value, ...] = ()
    replay: bool = False

    @property
    def usage(self) -> str:
        """How it is written."""
        return " ".join((self.name, *(argument.usage for argument in self.takes)))


def _chart(word: str, known: Known) -> tuple[Value, ...]:
    return f"chart{number('NUMBER', 1, 4, whole=True).read(word, known)[0]}", None


def _alert(word: str, known: Known) -> tuple[Value, ...]:
    if word.lower() == "all":
        return ("all",)
    try:
        return number("NUMBER", 1, 2**53, whole=True).read(word, known)
    except Unclear:
        raise Unclear(f"expected the number of an alert, or all, not {shown(word)}", close(word, ("all",))) from None


def _which(word: str, known: Known) -> tuple[Value, ...]:
    """Read the name of a switch: one of the engine's, or an instrument."""
    return (word.lower(),) if word.lower() in SWITCHED else (instrument(word, known.symbols),)


SWITCHED = ("trading", "entries", "exits")


def _maybe(argument: Argument) -> Argument:
    return argument._replace(absent=(None,))


_SYMBOL = _maybe(INSTRUMENT)

COMMANDS = (
    Command("Look at", "show", (INSTRUMENT, _maybe(TIMEFRAME)),
        "show an instrument; `eth 1m` alone does the same", "show eth 1m", ("symbol",)),
    Command("Look at", "tf", (TIMEFRAME,), "timeframe of the chart; `5m` alone does the same", "tf 5m",
        ("timeframe",), order="timeframe"),
    Command("Look at", "chart", (Argument("NUMBER", _chart, lambda _: ("1", "2", "3", "4")),), "go to a chart",
        "chart 2", order="go"),
    Command("Look at", "cob", (_SYMBOL,), "go to the heat map of the order book", "cob btc", ("heat", "book"),
        order="go", fixed=("heat",)),
    Command("Look at", "ladder", (_SYMBOL,), "go to the ladder", "ladder eth", ("depth",), order="go",
        fixed=("ladder",)),
    Command("Look at", "tape", (_SYMBOL,), "go to the trades", "tape", ("trades",), order="go", fixed=("tape",)),
    *(
        Command("Look at", name, (), f"go to the {name}", name, order="go", fixed=(name, None))
        for name in ("markets", "system", "alerts", "events", *TRADING)
    ),
    Command("Look at", "quality", (), "go to the data: how good, how complete, where from", "quality", ("data",),
        order="go", fixed=("data", None)),
    Command("Screen", "layout", (one_of("NAME", lambda known: known.layouts),), "which panes are shown, and where",
        "layout quad"),
    Command("Screen", "theme", (one_of("NAME", lambda known: known.themes, absent=(None,)),),
        "colours; without a name: choose from all", "theme light"),
    Command("Screen", "rate", (number("HZ", 0.5, 10, "hz"),), "frames a second", "rate 4"),
    Command("Screen", "sync", (SWITCH,), "tie the charts to one time", "sync on"),
    Command("Screen", "freeze", (SWITCH,), "keep the screen as it is; the engine goes on", "freeze"),
    Command("Screen", "filter", (TEXT,), "show only rows of the pane that hold a text; without one: all",
        "filter binance"),
    Command("Screen", "reset", (), "the pane as at the start", "reset"),
    Command("Charts", "goto", (WHEN,), "go to a date (UTC), or by a span from what is seen", "goto 2024-08-05 06:00"),
    Command("Charts", "range", (RANGE,), "show a stretch of time, up to what is seen", "range 3d"),
    Command("Charts", "layer", (LAYER, SWITCH),
        "an indicator, pivots of a level, support and resistance, volume by price: on or off", "layer ema21 on",
        ("indicator", "overlay")),
    Command("Charts", "scale", (words("linear", "log", "percent"),), "price scale", "scale log"),
    Command("Charts", "heikin", (SWITCH,), "Heikin-Ashi candles instead of the real ones", "heikin on"),
    Command("Charts", "glyphs", (words("eighth", "half", "box", "braille"),), "how candles are drawn", "glyphs box"),
    Command("Charts", "volume", (SWITCH,), "volume under the candles", "volume off"),
    Command("Heat map", "metric", (words("size", "imbalance", "spread"),), "what is shown", "metric imbalance"),
    Command("Heat map", "seconds", (number("SECONDS", 1, 60, "s", whole=True),), "time in a column", "seconds 5"),
    Command("Heat map", "merge", (number("BUCKETS", 1, 20, whole=True),), "price buckets in a row", "merge 2"),
    Command("Heat map", "levels", (SWITCH,), "single prices on the ladder instead of buckets", "levels on"),
    Command("Heat map", "cut", (number("PER CENT", 0, 45, "%"),), "part of the small and the large that is cut off",
        "cut 10"),
    Command("Heat map", "tint", (SWITCH,), "bids and asks in colours of their own", "tint on"),
    Command("Alerts", "ack", (Argument("NUMBER|all", _alert, lambda _: ("all",), absent=(None,)),),
        "mark an alert as seen: the one chosen, one by its number, or all", "ack all", ("acknowledge",),
        order="acknowledge"),
    Command("Trading", "order", (ORDER,),
        "an order, at the market or at price=; stop= and target= make exits of it; asks first",
        "order buy 0.01 eth stop=2600"),
    Command("Trading", "ticket", (words("buy", "sell", absent=("buy",)),), "fill in an order, and see what it costs",
        "ticket sell"),
    Command("Trading", "cancel", (WHICH,), "cancel an order, those of a symbol, or all; alone it asks which",
        "cancel eth"),
    Command("Trading", "amend", (CHANGE,), "change an order; asks first", "amend r-12 price=2600"),
    Command("Trading", "protect", (EXITS_OF,), "stop and target of a position; off takes one away; asks first",
        "protect eth stop=2600 target=2800"),
    Command("Trading", "flatten", (WHOSE,), "cancel the orders and close what is held; asks first", "flatten eth"),
    Command("Trading", "kill", (words("flatten", absent=(None,)),),
        "the kill switch, at once: halts and cancels everything; with flatten it closes positions, too", "kill"),
    Command("Trading", "arm", (), "let orders add risk, by typing the mode's word; also ends a halt", "arm"),
    Command("Trading", "disarm", (), "let nothing add risk until somebody arms; asks first", "disarm"),
    Command("Trading", "switch", (Argument("trading|entries|exits|SYMBOL", _which, lambda _: SWITCHED), SWITCH),
        "turn it on or off; asks first", "switch entries off"),
    Command("Trading", "limits", (Argument("NAME", lambda word, _: (word.lower(),)), TEXT._replace(name="VALUE")),
        "stage a limit; `apply` has all that are staged hold", "limits max_position 25%", ("limit",)),
    Command("Trading", "apply", (), "have the staged limits hold; asks first", "apply"),
    Command("Trading", "reconcile", (), "ask the venues for everything now, and put right what differs", "reconcile"),
    Command("Screen", "bell", (SWITCH,), "ring the terminal's bell at fills and alerts", "bell off"),
    Command("Replay", "pause", (), "stop the replay where it is", "pause", replay=True),
    Command("Replay", "play", (), "let the replay go on", "play", ("resume",), replay=True),
    Command("Replay", "step", (number("FRAMES", 1, 1_000_000, whole=True)._replace(absent=(1,)),),
        "apply the next frames, and pause", "step 10", replay=True),
    Command("Replay", "speed", (SPEED,), "how fast it plays: 1x is as it was, max as fast as possible", "speed 10x",
        replay=True),
    Command("Replay", "seek", (TIME,), "go to a time (2024-08-09T00:01:00, 00:01:30), by a span (+30s, -5m), or 50%",
        "seek +30s", replay=True),
    Command("Engine", "start", (), "start an engine where there is none; asks first", "start"),
    Command("Engine", "stop", (), "stop the engine, for every console; asks first", "stop"),
    Command("Engine", "log", (words("debug", "info", "warning", "error"),), "how much the engine logs", "log debug"),
    Command("Leave", "detach", (), "leave at once; the engine goes on", "detach"),
    Command("Leave", "quit", (), "leave; asks whether the engine is to go on", "quit", ("leave", "exit", "q")),
    Command("Help", "help", (TEXT._replace(name="WORD"),), "keys, commands and words; with a word only what has it",
        "help crosshair", ("h",)),
    Command("Help", "keys", (), "where your own keys are kept, and how to change them", "keys"),
)  # fmt: skip

BY_NAME = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}


def known_of(desk: Desk, own_themes: Path | None = None, seen_ms: int | None = None) -> Known:
    """Return what a line may speak of on a desk; `seen_ms` is the moment from which spans go on, None: now."""
    from themes.palette import names
    from tradetui.console.layout import PRESETS

    now = desk.now() // SECOND
    seen = now if seen_ms is None else seen_ms // 1000
    return Known(tuple(desk.symbols), PRESETS, tuple(names(own_themes)), desk.replay, seen, now)


def parse(line: str, known: Known) -> Order | Wrong:
    """Read a line: what is wanted, or what is wrong with it."""
    text = line.strip().lstrip(":").strip()
    if not text:
        return Wrong("type a command, as in `eth 1m`; `help` tells all")
    if len(text) > LONGEST:
        return Wrong(f"expected a line of up to {LONGEST} characters")
    head, _, rest = text.partition(" ")
    command = BY_NAME.get(head.lower())
    if command is None:
        return _bare(text.split(), known)
    if command.replay and known.replay is None:
        return Wrong(f"{command.name}: this is no replay; `tradetui --replay PATH` starts one")
    try:
        return Order(command.order or command.name, command.fixed + _read(command, rest.strip(), known))
    except Unclear as unclear:
        meant = tuple(f"{head} {word}" for word in unclear.close)
        example = "" if "as in" in str(unclear) else f", as in `{command.example}`"
        return Wrong(f"{command.name}: {unclear}{example}", meant)


def _read(command: Command, rest: str, known: Known) -> tuple[Value, ...]:
    values: tuple[Value, ...] = ()
    left = rest.split()
    for argument in command.takes:
        word = (" ".join(left) if values else rest) if argument.rest else left[0] if left else ""
        left = [] if argument.rest else left[1:]
        if word:
            values += argument.read(word, known)
        elif argument.absent is None:
            choices = argument.choices(known)
            raise Unclear(f"expected {listed(choices) if choices else argument.name}", choices[:3])
        else:
            values += argument.absent
    if left:
        raise Unclear(f"expected nothing behind it, not {shown(' '.join(left))}")
    return values


def _bare(given: list[str], known: Known) -> Order | Wrong:
    """Read a line that begins with no command: a timeframe, an instrument, or both."""
    frames = [word.lower() for word in given if word.lower() in TIMEFRAMES]
    names = [word for word in given if word.lower() not in TIMEFRAMES]
    if not names:
        if len(frames) == 1:
            return Order("timeframe", (frames[0],))
        return Wrong("expected one timeframe, as in `5m`", tuple(dict.fromkeys(frames)))
    try:
        symbol = instrument(names[0], known.symbols)
    except Ambiguous as several:
        return Wrong(str(several), tuple(" ".join((name, *frames[:1])) for name in several.close))
    except Unclear:
        return Wrong(f"there is no command or instrument {shown(names[0])}; `help` tells all", _meant(names[0], known))
    if len(names) == 1 and len(frames) <= 1:
        return Order("show", (symbol, frames[0] if frames else None))
    name = short(symbol, known.symbols)
    return Wrong(f"expected a timeframe behind {name}: {listed(TIMEFRAMES)}", (f"{name} 1m",))


def _meant(word: str, known: Known) -> tuple[str, ...]:
    lines = {name: name for name in (*BY_NAME, *TIMEFRAMES, *(short(each, known.symbols) for each in known.symbols))}
    for name in ("theme", "layout", "scale", "glyphs", "metric"):
        lines = {**{choice.lower(): f"{name} {choice}" for choice in BY_NAME[name].takes[0].choices(known)}, **lines}
    return tuple(dict.fromkeys(lines[each] for each in close(word, lines)))


def complete(text: str, known: Known) -> list[str]:
    """Return whole lines that begin as the text does, the likeliest first."""
    head, space, rest = text.partition(" ")
    if not space:
        symbols = [short(symbol, known.symbols) for symbol in known.symbols]
        offered = [command for command in COMMANDS if known.replay is not None or not command.replay]
        aliases = [alias for command in offered for alias in command.aliases]
        return _begun(text, text, [*symbols, *(command.name for command in offered), *TIMEFRAMES, *aliases])
    command, given = BY_NAME.get(head.lower()), rest.split(" ")
    if command is None:
        return _begun(text, given[0], TIMEFRAMES) if len(given) == 1 else []
    if len(given) > len(command.takes):
        return []
    return _begun(text, given[-1], command.takes[len(given) - 1].choices(known))


def _begun(text: str, word: str, choices: Iterable[str]) -> list[str]:
    found = [choice for choice in choices if choice.lower().startswith(word.lower())]
    return [text + choice[len(word) :] for choice in dict.fromkeys(found)]


def hint(text: str, known: Known) -> str:
    """Return what to say while a line is typed: the command's usage, or what begins like it."""
    head, space, _ = text.strip(":").lstrip().partition(" ")
    command = BY_NAME.get(head.lower())
    if command is not None:
        return f"{command.usage} \u00b7 {command.explained}"
    if not head:
        return "a command or an instrument: `eth 1m`, `theme light`; tab completes, esc leaves"
    if space:
        return ""
    found = complete(head, known)
    return " ".join(found[:12]) if found else Wrong(f"nothing begins with {shown(head)}", _meant(head, known)).told
