"""The command line's language: what each line means, and that no line is ever a surprise."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.types import SECOND
from engine.views import ReplayView
from tradetui.console.arguments import Known, Unclear, instrument, short
from tradetui.console.keymap import KEYS
from tradetui.console.layout import PANES, PRESETS
from tradetui.console.prompt import BY_NAME, COMMANDS, LONGEST, Command, Order, Wrong, complete, hint, parse
from tradetui.console.view import TIMEFRAMES

SYMBOLS = ("binance:ETH/USDT", "binance:BTC/USDT", "binanceusdm:BTC/USDT:USDT", "binancecoinm:SOL/USD:SOL")


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


REPLAY = ReplayView(
    position=ns("2024-08-09T00:10:00"), start=ns("2024-08-09T00:00:00") + 5, end=ns("2024-08-09T01:00:00") + 5,
    speed=1.0, paused=False, ended=False, seeking=None, progress=None, messages=1, refused=0, files=(), notes=(),
)  # fmt: skip
KNOWN = Known(SYMBOLS, PRESETS, ("colour-safe", "light"), REPLAY)
LIVE = KNOWN._replace(replay=None)


@pytest.mark.parametrize(
    ("line", "order"),
    [
        ("eth", ("show", "binance:ETH/USDT", None)),
        ("ETH 1M", ("show", "binance:ETH/USDT", "1m")),
        ("5m eth", ("show", "binance:ETH/USDT", "5m")),
        ("eth/usdt 5m", ("show", "binance:ETH/USDT", "5m")),
        ("ethusdt", ("show", "binance:ETH/USDT", None)),
        ("btc/usdt", ("show", "binance:BTC/USDT", None)),
        ("binanceusdm:btc/usdt:usdt", ("show", "binanceusdm:BTC/USDT:USDT", None)),
        ("btc/usdt:usdt 1h", ("show", "binanceusdm:BTC/USDT:USDT", "1h")),
        ("binanceusdm:btc", ("show", "binanceusdm:BTC/USDT:USDT", None)),
        ("sol", ("show", "binancecoinm:SOL/USD:SOL", None)),
        ("show sol 1d", ("show", "binancecoinm:SOL/USD:SOL", "1d")),
        ("tf 5m", ("timeframe", "5m")),
        ("  :5M ", ("timeframe", "5m")),
        ("cob", ("go", "heat", None)),
        ("heat eth", ("go", "heat", "binance:ETH/USDT")),
        ("ladder", ("go", "ladder", None)),
        ("tape sol", ("go", "tape", "binancecoinm:SOL/USD:SOL")),
        ("system", ("go", "system", None)),
        ("chart 2", ("go", "chart2", None)),
        ("layout QUAD", ("layout", "quad")),
        ("theme light", ("theme", "light")),
        ("theme", ("theme", None)),
        ("rate 4", ("rate", 4.0)),
        ("rate 0.5Hz", ("rate", 0.5)),
        ("sync on", ("sync", True)),
        ("sync OFF", ("sync", False)),
        ("sync", ("sync", None)),
        ("scale log", ("scale", "log")),
        ("heikin", ("heikin", None)),
        ("glyphs box", ("glyphs", "box")),
        ("metric imbalance", ("metric", "imbalance")),
        ("seconds 5s", ("seconds", 5)),
        ("merge 2", ("merge", 2)),
        ("levels", ("levels", None)),
        ("levels on", ("levels", True)),
        ("cut 12.5%", ("cut", 12.5)),
        ("tint", ("tint", None)),
        ("filter a  B", ("filter", "a  B")),
        ("filter", ("filter", "")),
        ("freeze", ("freeze", None)),
        ("ack", ("acknowledge", None)),
        ("ack 12", ("acknowledge", 12)),
        ("ack ALL", ("acknowledge", "all")),
        ("pause", ("pause",)),
        ("play", ("play",)),
        ("resume", ("play",)),
        ("step", ("step", 1)),
        ("step 10", ("step", 10)),
        ("speed 10x", ("speed", 10.0)),
        ("speed 0.5", ("speed", 0.5)),
        ("speed max", ("speed", 0.0)),
        ("seek 2024-08-09T00:01:00", ("seek", "to", ns("2024-08-09T00:01:00"))),
        ("seek 2024-08-09 00:01", ("seek", "to", ns("2024-08-09T00:01:00"))),
        ("seek 2024-08-09t00:01:00z", ("seek", "to", ns("2024-08-09T00:01:00"))),
        ("seek 2024-08-09T02:01:00+02:00", ("seek", "to", ns("2024-08-09T00:01:00"))),
        ("seek 00:01:30", ("seek", "to", ns("2024-08-09T00:01:30"))),
        ("seek 00:00", ("seek", "to", REPLAY.start)),
        ("seek +30s", ("seek", "by_s", 30.0)),
        ("seek -10", ("seek", "by_s", -10.0)),
        ("seek -1h5m", ("seek", "by_s", -3900.0)),
        ("seek 50%", ("seek", "to", ns("2024-08-09T00:30:00") + 5)),
        ("seek 100 %", ("seek", "to", REPLAY.end)),
        ("stop", ("stop",)),
        ("start", ("start",)),
        ("log DEBUG", ("log", "debug")),
        ("detach", ("detach",)),
        ("quit", ("quit",)),
        ("help crosshair", ("help", "crosshair")),
        ("keys", ("keys",)),
        ("reset", ("reset",)),
    ],
)
def test_what_a_line_means(line: str, order: tuple[object, ...]) -> None:
    assert parse(line, KNOWN) == Order(str(order[0]), order[1:])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_its_own_example_is_understood(command: Command) -> None:
    known = KNOWN._replace(symbols=SYMBOLS[:2])
    order = parse(command.example, known)
    assert isinstance(order, Order), order
    assert order.name == (command.order or command.name)
    assert command.example.startswith(command.name)
    assert command.explained
    assert command.usage.startswith(command.name)


def test_the_table() -> None:
    names = [name for command in COMMANDS for name in (command.name, *command.aliases)]
    assert len(set(names)) == len(names)
    assert not set(names) & set(TIMEFRAMES)
    assert all(name == name.lower() and " " not in name for name in names)
    panes = {command.fixed[0] for command in COMMANDS if command.order == "go" and command.fixed}
    assert panes == {pane for pane in PANES if not pane.startswith("chart")}
    assert {"theme", "layout", "freeze", "sync", "quit"} <= {key.id if key.id != "leave" else "quit" for key in KEYS}


@pytest.mark.parametrize(
    ("line", "told", "suggestions"),
    [
        ("", "type a command", ()),
        ("thme light", "no command or instrument 'thme'", ("theme",)),
        ("light", "no command or instrument", ("theme light",)),
        ("quad", "no command or instrument", ("layout quad",)),
        ("btc", "may be binance:BTC/USDT or binanceusdm:BTC/USDT:USDT", ("btc/usdt", "btc/usdt:usdt")),
        ("btc 1m", "may be", ("btc/usdt 1m", "btc/usdt:usdt 1m")),
        ("eth 2m", "expected a timeframe behind eth: 1s, 1m", ("eth 1m",)),
        ("eth btc", "expected a timeframe behind eth", ("eth 1m",)),
        ("1m 5m", "expected one timeframe", ("1m", "5m")),
        ("tf", "tf: expected 1s, 1m", ("tf 1s", "tf 1m", "tf 5m")),
        ("theme lite", "not 'lite'", ("theme light",)),
        ("cob xrp", "no instrument 'xrp' is followed", ()),
        ("chart 7", "a whole number from 1 to 4, not '7', as in `chart 2`", ()),
        ("rate nan", "from 0.5 to 10, not 'nan'", ()),
        ("rate inf", "from 0.5 to 10", ()),
        ("rate 1e400", "from 0.5 to 10", ()),
        ("merge 1.5", "a whole number", ()),
        ("sync onn", "expected on or off", ("sync on",)),
        ("stop now", "expected nothing behind it, not 'now'", ()),
        ("step 0", "from 1 to 1,000,000", ()),
        ("speed 0", "0.01x to 1000000x, or max", ()),
        ("speed nan", "or max", ()),
        ("seek", "seek: expected TIME", ()),
        ("seek soon", "expected a time, as in", ()),
        ("seek +", "expected a time, as in", ()),
        ("seek 101%", "from 0% to 100%", ()),
        ("seek 25:00", "time of day", ()),
        ("seek 1969-01-01", "from 1970 to 2262", ()),
        ("seek 9999-12-31T23:59:59-23:00", "from 1970 to 2262", ()),
        ("seek +999999h", "a year at most", ()),
        ("ack foo", "the number of an alert, or all", ()),
        ("log verbose", "expected debug, info, warning or error", ()),
        ("x" * (LONGEST + 1), "up to 200 characters", ()),
        ("\x1b[31mred", "'?[31mred'", ()),
    ],
)
def test_what_cannot_be_read(line: str, told: str, suggestions: tuple[str, ...]) -> None:
    wrong = parse(line, KNOWN)
    assert isinstance(wrong, Wrong)
    assert told in wrong.text
    assert wrong.suggestions[: len(suggestions)] == suggestions
    assert all(each in wrong.told for each in suggestions)


def test_replay_commands_need_a_replay() -> None:
    for command in COMMANDS:
        read = parse(command.example, LIVE._replace(symbols=SYMBOLS[:2]))
        assert isinstance(read, Wrong) is command.replay
        assert (command.name in complete("", LIVE)) is not command.replay
    assert "this is no replay" in parse("pause", LIVE).text  # type: ignore[union-attr]


def test_a_share_needs_the_end() -> None:
    known = KNOWN._replace(replay=msgspec.structs.replace(REPLAY, end=None))
    assert "the end of the recording is not known yet" in parse("seek 50%", known).text  # type: ignore[union-attr]
    assert parse("seek 00:20", known) == Order("seek", ("to", ns("2024-08-09T00:20:00")))


def test_a_time_of_day_is_one_that_the_recording_holds() -> None:
    over_midnight = msgspec.structs.replace(
        REPLAY, position=ns("2024-08-08T23:50:00"), start=ns("2024-08-08T23:00:00"), end=ns("2024-08-09T01:00:00")
    )
    known = KNOWN._replace(replay=over_midnight)
    assert parse("seek 00:30", known) == Order("seek", ("to", ns("2024-08-09T00:30:00")))
    assert parse("seek 23:30", known) == Order("seek", ("to", ns("2024-08-08T23:30:00")))
    # None of them: the engine says what it holds.
    assert parse("seek 12:00", known) == Order("seek", ("to", ns("2024-08-08T12:00:00")))


def test_no_instruments_yet() -> None:
    with pytest.raises(Unclear, match="no instrument is known yet"):
        instrument("eth", ())
    assert isinstance(parse("eth", Known()), Wrong)


def test_the_short_name_means_the_instrument() -> None:
    assert [short(symbol, SYMBOLS) for symbol in SYMBOLS] == ["eth", "btc/usdt", "btc/usdt:usdt", "sol"]
    for symbol in SYMBOLS:
        assert instrument(short(symbol, SYMBOLS), SYMBOLS) == symbol
        assert instrument(symbol, SYMBOLS) == symbol


def test_completion() -> None:
    assert complete("th", KNOWN) == ["theme"]
    assert complete("TH", KNOWN) == ["THeme"]
    assert complete("theme l", KNOWN) == ["theme light"]
    assert complete("eth 1", KNOWN) == ["eth 1s", "eth 1m", "eth 15m", "eth 1h", "eth 1d"]
    assert complete("show eth 5", KNOWN) == ["show eth 5m"]
    assert complete("", KNOWN)[:2] == ["eth", "btc/usdt"]
    assert complete("stop ", KNOWN) == []
    assert complete("rate ", KNOWN) == []


def test_hints() -> None:
    assert "`eth 1m`" in hint("", KNOWN)
    assert hint("theme ", KNOWN).startswith("theme [NAME]")
    assert hint("t", KNOWN).split()[:3] == ["tf", "tape", "theme"]
    assert "did you mean `theme`?" in hint("thme", KNOWN)


WORDS = st.sampled_from([*BY_NAME, *TIMEFRAMES, *SYMBOLS, "eth", "btc", "+30s", "50%", "on", "12:00", "quad", ":", " "])
LINES = st.text(max_size=30) | st.lists(WORDS | st.text(max_size=8), max_size=5).map(" ".join)


def harmless(text: str) -> bool:
    return not any(unicodedata.category(char).startswith("C") for char in text)


@settings(max_examples=400, deadline=None)
@given(LINES, st.sampled_from([KNOWN, LIVE, Known()]))
@example("seek -", KNOWN)
@example("seek 0000-01-01", KNOWN)
@example("\u0130", KNOWN)
@example("rate \u0664", KNOWN)
@example("step \u00b2", KNOWN)
@example("seek 1\u0662:00", KNOWN)
def test_any_line_is_an_order_or_an_explanation(line: str, known: Known) -> None:
    read = parse(line, known)
    if isinstance(read, Order):
        assert read.name in {command.order or command.name for command in COMMANDS}
        assert all(value is None or isinstance(value, str | int | float) for value in read.arguments)
    else:
        assert read.text
        assert harmless(read.told)
        assert len(read.suggestions) <= max(3, len(known.symbols))
    assert harmless(hint(line, known))
    assert all(whole.lower().startswith(line.lower()) or not line for whole in complete(line, known))


@settings(max_examples=100, deadline=None)
@given(st.text(min_size=1, max_size=12))
def test_what_is_no_command_is_no_action(word: str) -> None:
    """Nothing that is merely alike is carried out."""
    if word.strip().lstrip(":").strip().partition(" ")[0].lower() in (*BY_NAME, *TIMEFRAMES):
        return
    assert isinstance(parse(word, Known(themes=("light",), layouts=("quad",))), Wrong)
