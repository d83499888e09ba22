"""The arguments of the command line: each kind reads a word, or says what was expected. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from engine.protocol import SEEK_MOST_S
from engine.text import inert
from engine.types import SECOND
from tradetui.console import spans
from tradetui.console.studies import LINES, MARKS, STUDIES
from tradetui.console.view import TIMEFRAMES

if TYPE_CHECKING:
    from engine.views import ReplayView

Value = str | int | float | bool | None


class Known(NamedTuple):
    """What a line may speak of: instruments that are followed, layouts, themes, and the replay if there is one.

    `seen_s` is the moment a chart looks at, `now_s` that of the engine, UTC seconds.
    """

    symbols: Sequence[str] = ()
    layouts: Sequence[str] = ()
    themes: Sequence[str] = ()
    replay: ReplayView | None = None
    seen_s: int = 0
    now_s: int = 0


class Unclear(ValueError):
    """A word cannot be read: the message says what was expected, `close` what may have been meant."""

    def __init__(self, told: str, close: Iterable[str] = ()) -> None:
        super().__init__(told)
        self.close = tuple(close)


class Ambiguous(Unclear):
    """A word means several instruments; `close` names each of them."""


def _nothing(_known: Known) -> Sequence[str]:
    return ()


class Argument(NamedTuple):
    """One argument: its name in the usage, how it is read, what it may be (for completion).

    `absent` are its values when it is left out, None: it must not be. `rest`: it takes all that is left of the line.
    """

    name: str
    read: Callable[[str, Known], tuple[Value, ...]]
    choices: Callable[[Known], Sequence[str]] = _nothing
    absent: tuple[Value, ...] | None = None
    rest: bool = False

    @property
    def usage(self) -> str:
        """How it is shown in the usage of a command."""
        return self.name if self.absent is None else f"[{self.name}]"


def one_of(name: str, choices: Callable[[Known], Sequence[str]], absent: tuple[Value, ...] | None = None) -> Argument:
    """Return an argument that is one of some words."""

    def read(word: str, known: Known) -> tuple[Value, ...]:
        words = choices(known)
        for choice in words:
            if choice.lower() == word.lower():
                return (choice,)
        raise Unclear(f"expected {listed(words)}, not {shown(word)}", close(word, words))

    return Argument(name, read, choices, absent)


def words(*given: str, absent: tuple[Value, ...] | None = None) -> Argument:
    """Return an argument that is one of these words."""
    return one_of("|".join(given), lambda _: given, absent)


def number(name: str, low: float, high: float, unit: str = "", *, whole: bool = False) -> Argument:
    """Return an argument that is a number from `low` to `high`; its unit may stand behind it."""
    expected = f"expected a {'whole ' if whole else ''}number from {_figure(low)} to {_figure(high)}"

    def read(word: str, _known: Known) -> tuple[Value, ...]:
        digits = word.lower().removesuffix(unit.lower()) if unit else word
        try:
            value = float(digits)
        except ValueError:
            value = float("nan")
        if not isfinite(value) or not low <= value <= high or (whole and value != int(value)):
            raise Unclear(f"{expected}, not {shown(word)}")
        return (int(value) if whole else value,)

    return Argument(name, read)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else str(value)


def _flag(word: str, _known: Known) -> tuple[Value, ...]:
    if word.lower() not in ("on", "off"):
        raise Unclear(f"expected on or off, not {shown(word)}", close(word, ("on", "off")))
    return (word.lower() == "on",)


SWITCH = Argument("on|off", _flag, lambda _: ("on", "off"), absent=(None,))
"""True, False, or None: the other of what is."""

TIMEFRAME = one_of("TIMEFRAME", lambda _: TIMEFRAMES)
TEXT = Argument("TEXT", lambda word, _: (inert(word),), absent=("",), rest=True)


# Instruments. -------------------------------------------------------------------------------------------------------


def spellings(symbol: str) -> tuple[tuple[str, ...], ...]:
    """Return how an instrument may be written, the most exact first: those of one rank may mean several of them."""
    symbol = symbol.lower()
    venue, _, name = symbol.partition(":")
    pair = name.partition(":")[0]
    base, _, quote = pair.partition("/")
    together = f"{base}{quote}"
    return (symbol,), (name, f"{venue}:{pair}"), (pair, together, f"{base}-{quote}", f"{venue}:{base}"), (base,)


def instrument(word: str, symbols: Sequence[str]) -> str:
    """Return the instrument that a word means among those followed.

    Raises:
        Ambiguous: Several.
        Unclear: None.
    """
    if not symbols:
        raise Unclear("no instrument is known yet: the engine has not told of any")
    for rank in range(4):
        found = [symbol for symbol in symbols if word.lower() in spellings(symbol)[rank]]
        if len(found) == 1:
            return found[0]
        if found:
            raise Ambiguous(f"{shown(word)} may be {listed(found)}", [short(symbol, symbols) for symbol in found])
    every = [short(symbol, symbols) for symbol in symbols]
    raise Unclear(f"no instrument {shown(word)} is followed; there are {listed(every)}", close(word, every))


def short(symbol: str, symbols: Sequence[str]) -> str:
    """Return the shortest way to write an instrument that means no other one."""
    others = [each for each in symbols if each != symbol]
    ranks = spellings(symbol)
    for rank in (3, 2, 1):
        name = ranks[rank][0]
        if not any(name in spelt for other in others for spelt in spellings(other)[: rank + 1]):
            return name
    return symbol.lower()


def _symbols(known: Known) -> Sequence[str]:
    return [short(symbol, known.symbols) for symbol in known.symbols]


INSTRUMENT = Argument("SYMBOL", lambda word, known: (instrument(word, known.symbols),), _symbols)


# Charts. ------------------------------------------------------------------------------------------------------------


def _when(text: str, known: Known) -> tuple[Value, ...]:
    try:
        return (spans.moment(text, known.seen_s, known.now_s),)
    except ValueError as error:
        raise Unclear(str(error)) from None


def _stretch(word: str, _known: Known) -> tuple[Value, ...]:
    try:
        return (spans.stretch(word),)
    except ValueError as error:
        raise Unclear(str(error)) from None


WHEN = Argument("DATE|SPAN", _when, lambda _: ("-1d", "-1w", "-1M", "now"), rest=True)
"""A moment, UTC seconds."""

RANGE = Argument("|".join(spans.RANGES) + "|...", _stretch, lambda _: spans.RANGES)
"""A stretch of time, seconds."""

LAYER = one_of("NAME", lambda _: (*LINES, *STUDIES, *MARKS, "none"))


# Replays. -----------------------------------------------------------------------------------------------------------

_SPAN = re.compile(r"([+-])(?=.)(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9}(?:\.\d{1,3})?)s?)?", re.ASCII)
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?", re.ASCII)
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,4})?)\s*%", re.ASCII)

SEEK = "expected a time, as in 2024-08-09T00:01:00 or 00:01:30, a span, as in +30s or -5m, or a share, as in 50%"


def seek(text: str, known: Known) -> tuple[Value, ...]:
    """Return where to seek: `("to", UTC ns)`, or `("by_s", seconds)`. Times are UTC.

    Raises:
        Unclear: It cannot be read, or the recording's end, which a share needs, is not known yet.
    """
    replay = known.replay
    if replay is None:
        raise Unclear("this is no replay")
    text = text.strip()
    if match := _SPAN.fullmatch(text):
        sign, hours, minutes, seconds = match.groups()
        by_s = int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds or 0)
        if by_s > SEEK_MOST_S:
            raise Unclear("expected a span of a year at most")
        return "by_s", -by_s if sign == "-" else by_s
    if match := _SHARE.fullmatch(text):
        share = float(match[1]) / 100
        if share > 1:
            raise Unclear("expected a share from 0% to 100%")
        if replay.end is None:
            raise Unclear("the end of the recording is not known yet; wait a moment, or seek by a time")
        return "to", replay.start + int((replay.end - replay.start) * share)
    if match := _CLOCK.fullmatch(text):
        hour, minute, second = (int(part or 0) for part in match.groups())
        if hour > 23 or minute > 59 or second > 59:
            raise Unclear("expected a time of day from 00:00:00 to 23:59:59")
        return "to", _nearest((hour * 60 + minute) * 60 + second, replay)
    try:
        when = datetime.fromisoformat(text.upper())
        when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
        stamp = int((when - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)) * 1000
    except (ValueError, OverflowError):
        raise Unclear(SEEK) from None
    if not 0 <= stamp < 2**63:
        raise Unclear("expected a time from 1970 to 2262")
    return "to", stamp


def _nearest(second: int, replay: ReplayView) -> int:
    """Return the time of day (s) next to the position that the recording holds, UTC ns; else that of its day."""
    today = datetime.fromtimestamp(replay.position // SECOND, UTC).date().toordinal() - date(1970, 1, 1).toordinal()
    stamps = [((today + days) * 86_400 + second) * SECOND for days in (0, -1, 1)]
    last = replay.end if replay.end is not None else stamps[-1]
    held = [stamp for stamp in stamps if replay.start // SECOND * SECOND <= stamp <= last]
    found = min(held, key=lambda stamp: abs(stamp - replay.position)) if held else stamps[0]
    return max(found, replay.start) if held else found


def _speed(word: str, _known: Known) -> tuple[Value, ...]:
    if word.lower() == "max":
        return (0.0,)
    try:
        speed = float(word.lower().removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0.01 <= speed <= 1_000_000:
        raise Unclear(f"expected recorded seconds per second, 0.01x to 1000000x, or max, not {shown(word)}")
    return (speed,)


SPEED = Argument("SPEED", _speed, lambda _: ("1x", "2x", "5x", "10x", "100x", "max"))
"""Recorded seconds per second; 0.0 is as fast as possible."""

TIME = Argument("TIME", seek, rest=True)


# Words. -------------------------------------------------------------------------------------------------------------


def shown(word: str) -> str:
    """Return a word as it is repeated in a message: short and inert."""
    return f"'{inert(word, 40)}'"


def listed(given: Sequence[str], most: int = 8) -> str:
    """Return words as a list for people; a long one is cut."""
    if len(given) > most:
        return f"{', '.join(given[:most])} and {len(given) - most} more"
    return f"{', '.join(given[:-1])} or {given[-1]}" if len(given) > 1 else "".join(given)


def close(word: str, known: Iterable[str]) -> list[str]:
    """Return what may have been meant by a word: at most three."""
    folded = {each.lower(): each for each in known}
    begun = [each for low, each in folded.items() if len(word) > 1 and low.startswith(word.lower())]
    alike = [folded[low] for low in difflib.get_close_matches(word.lower()[:40], folded, 3)]
    return list(dict.fromkeys([*begun, *alike]))[:3]
