"""`docs/protocol.md` and the code name the same messages, fields, topics, commands, codes and limits."""

from __future__ import annotations

import ast
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from engine import (
    answering,
    delivery,
    listening,
    peer,
    playback,
    protocol,
    server,
    snapshot,
    topics,
    tradingviews,
    views,
)
from engine.alerts import Alert
from engine.data import queries
from engine.distribution import SubscriberView
from engine.health import (
    ConnectionView,
    ConsoleView,
    GapView,
    HealthView,
    InstrumentView,
    PartView,
    ProcessView,
    QueueView,
    ServingView,
)
from engine.ingestion.budget import BudgetView
from engine.ingestion.recorder import RecorderView
from engine.latency import LatencyView
from engine.market.cob import Averages
from engine.market.price import PriceSource
from engine.market.sync import SyncState
from engine.operator import OperatorCommand
from engine.orders import Liquidity, OrderType, Origin, TimeInForce, TradingState
from engine.ports import Entry
from engine.supervisor import PartState
from engine.types import Timeframe
from tradetui import commands, data_commands, trading_commands
from tradetui.lock import Holder

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")

MESSAGES = typing.get_args(protocol.Request) + typing.get_args(protocol.Answer) + (protocol.Hello,)

TOPICS: dict[str, type[msgspec.Struct]] = {
    "health": HealthView,
    "alerts": Alert,
    "markets": views.MarketRow,
    "book": snapshot.BookView,
    "cob": snapshot.CobView,
    "price": views.PriceView,
    "bars": views.BarRow,
    "trades": views.TradeRow,
    "heat": views.HeatRow,
    "events": Entry,
    "replay": views.ReplayView,
    "history": views.HistoryView,
    "pivots": views.PivotsView,
    "profile": views.ProfileView,
    "depth": views.DepthView,
    "quality": views.QualityView,
    "model_input": views.ModelInputView,
    "gaps": views.GapsView,
    "storage": views.StorageView,
    "trading": tradingviews.TradingView,
    "positions": tradingviews.PositionView,
    "orders": tradingviews.OrderView,
    "fills": tradingviews.FillView,
    "journal": tradingviews.JournalView,
    "risk": tradingviews.RiskView,
    "equity": tradingviews.EquityView,
    "audit": tradingviews.AuditView,
}
SAME = {"order_history": "orders", "fill_history": "fills", "trade_history": "journal"}
"""Topics that have the rows of others."""

PARTS: dict[str, type[msgspec.Struct]] = {
    "bucket": snapshot.BucketView,
    "average": Averages,
    "flow": snapshot.FlowView,
    "process": ProcessView,
    "component": PartView,
    "latency": LatencyView,
    "queue": QueueView,
    "connection": ConnectionView,
    "instrument": InstrumentView,
    "budget": BudgetView,
    "candle_source": ServingView,
    "gap": GapView,
    "console": ConsoleView,
    "subscriber": SubscriberView,
    "recorder": RecorderView,
    "served": views.ServedView,
    "span": views.SpanView,
    "pivot": views.PivotRow,
    "trend": views.TrendView,
    "floor": views.FloorView,
    "bounds": views.BoundsView,
    "band": views.BandView,
    "wall": views.WallView,
    "quality_part": views.QualityPartView,
    "stream": views.StreamView,
    "table": views.TableView,
    "reads": views.ReadsView,
    "switch": tradingviews.SwitchView,
    "venue": tradingviews.VenueView,
    "limit": tradingviews.LimitView,
    "regime": tradingviews.RegimeView,
}
SECTIONS = {kind.__struct_config__.tag: kind for kind in MESSAGES} | TOPICS | PARTS
NAMES = {kind: name for name, kind in (TOPICS | PARTS).items()}
PLAIN = {int: "int", float: "float", str: "text", bool: "bool", msgspec.Raw: "value"}


def sections() -> dict[str, str]:
    """The text below each heading that is a name."""
    parts = re.split(r"^##+ (.*)$", PAGE, flags=re.M)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    return {name.strip("`"): text for name, text in found.items() if name.startswith("`")}


def table(text: str, head: str) -> list[list[str]]:
    """The rows of the first table whose first column has this head."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith(f"| {head} |"):
            next(lines)
            rows = []
            for row in lines:
                if not row.startswith("|"):
                    break
                rows.append([cell.strip() for cell in row.strip("|").split("|")])
            return rows
    raise AssertionError(f"no table of {head}")


def names(text: str, head: str) -> list[str]:
    found = [row[0] for row in table(text, head)]
    assert all(re.fullmatch(r"`\w+`", name) for name in found), found
    return [name.strip("`") for name in found]


def told(kind: object) -> str:
    """A type as the page calls it."""
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        (inner,) = (each for each in typing.get_args(kind) if each is not types.NoneType)
        return f"{told(inner)} or nil"
    if isinstance(kind, types.GenericAlias):
        first, *rest = typing.get_args(kind)
        if kind.__origin__ is dict:
            return "map"
        if kind.__origin__ is tuple and rest != [...]:
            return f"({', '.join(map(told, typing.get_args(kind)))})"
        return "list" if first is msgspec.Raw else f"list of {told(first)}"
    if kind in PLAIN:
        return PLAIN[kind]
    return f"`{NAMES[kind]}`"


def shown(kind: type[msgspec.Struct]) -> list[tuple[str, str]]:
    return [(name, told(each)) for name, each in typing.get_type_hints(kind).items()]


def codes(*modules: types.ModuleType) -> Iterator[tuple[str, str]]:
    """(what is raised or sent, its code) of every place in the code."""
    for module in modules:
        for node in ast.walk(ast.parse(Path(module.__file__ or "").read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                given = [word.value for word in node.keywords if word.arg == "code"] or node.args[:1]
                if given and isinstance(given[0], ast.Constant) and isinstance(given[0].value, str):
                    yield node.func.id, given[0].value


def test_every_name_has_its_section_and_no_other_is_there() -> None:
    assert set(sections()) == {*SECTIONS, *SAME}


@pytest.mark.parametrize("name", SAME)
def test_a_topic_with_the_rows_of_another_says_so(name: str) -> None:
    assert sections()[name].strip() == f"Maps as of `{SAME[name]}`, of what is stored."


@pytest.mark.parametrize("name", SECTIONS)
def test_fields_and_their_types_are_those_of_the_code(name: str) -> None:
    found = [(row[0].strip("`"), row[1]) for row in table(sections()[name], "field")]
    assert found == shown(SECTIONS[name])


def test_rows_are_lists_exactly_where_the_page_says_so() -> None:
    lists = {name for name in TOPICS if "in this order" in sections()[name]}
    assert lists == {name for name, kind in TOPICS.items() if kind.__struct_config__.array_like}


def test_every_part_of_a_topic_is_described() -> None:
    def inside(kind: object) -> Iterator[object]:
        for each in typing.get_args(kind) or (kind,):
            if isinstance(each, type) and issubclass(each, msgspec.Struct):
                yield each
            elif each is not kind:
                yield from inside(each)

    parts = {each for kind in (TOPICS | PARTS).values() for hint in typing.get_type_hints(kind).values()
             for each in inside(hint)}  # fmt: skip
    assert parts <= set(NAMES)
    assert set(PARTS.values()) <= parts


def test_the_lock_file_is_described() -> None:
    found = [(row[0].strip("`"), row[1]) for row in table(PAGE.partition("## Finding it")[2], "field")]
    assert found == shown(Holder)


def test_topics_are_those_of_the_code() -> None:
    rows = table(PAGE, "topic")
    answers = {row[0].strip("`"): row[1].partition(",")[0] for row in rows}
    assert {name for name, answer in answers.items() if answer == "state"} == {*topics.STATES, *topics.ONCE}
    assert {name for name, answer in answers.items() if answer == "series"} == set(topics.SERIES)
    assert {row[0].strip("`") for row in rows if row[2] == "yes"} == set(topics.OF_INSTRUMENT)
    assert set(answers) == {*TOPICS, *SAME}


def test_refusals_and_denials_are_those_of_the_code() -> None:
    found = list(codes(answering, delivery, listening, peer, playback, protocol, queries, server, topics, commands))
    assert set(names(PAGE, "refusal")) == {code for what, code in found if what in ("Refusal", "Refused")}
    assert set(names(PAGE, "denial")) == {code for what, code in found if what in ("RequestDenied", "_deny", "Denied")}


def test_commands_and_their_arguments_are_those_of_the_code() -> None:
    page = {row[0].strip("`"): set(re.findall(r"`(\w+)`:", row[1])) for row in table(PAGE, "command")}
    plain = {name: words for name, words in page.items() if name not in trading()}
    assert plain == {**taken(commands, "commands"), **taken(data_commands, "data_commands")}


def trading() -> dict[str, type[msgspec.Struct]]:
    """The commands about trading, and what each becomes."""
    found = {str(kind.__struct_config__.tag): kind for kind in typing.get_args(OperatorCommand)}
    return {**found, "preview": found["order"]}


def test_commands_about_trading_have_the_arguments_of_what_they_ask() -> None:
    rows = {row[0].strip("`"): row[1] for row in table(PAGE, "command")}
    assert rows["preview"] == "as `order`"
    for name, kind in trading().items():
        if name not in ("preview", "limits"):
            assert set(re.findall(r"`(\w+)`", rows[name])) - {"off", "until_ms", "late"} == set(
                kind.__struct_fields__
            ), name
    assert set(trading()) == set(made(trading_commands, "trading_commands"))


def taken(module: types.ModuleType, function: str) -> dict[str, set[str]]:
    """Return the commands that a function of a module makes, with the arguments that each takes."""
    source = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
    (build,) = (node for node in ast.walk(source) if isinstance(node, ast.FunctionDef) and node.name == function)
    found = {
        each.name: {
            word.value
            for node in ast.walk(each)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "only"
            for word in node.args
            if isinstance(word, ast.Constant)
        }
        for each in build.body
        if isinstance(each, ast.AsyncFunctionDef)
    }
    assert made(module, function) == list(found)
    return found


def made(module: types.ModuleType, function: str) -> list[str]:
    """Return the names of the commands that a function of a module makes."""
    source = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
    (build,) = (node for node in ast.walk(source) if isinstance(node, ast.FunctionDef) and node.name == function)
    found = [node.value for node in build.body if isinstance(node, ast.Return | ast.Assign)]
    (acts,) = (value for value in found if isinstance(value, ast.Dict))
    return [str(key.value) for key in acts.keys if isinstance(key, ast.Constant)]


def test_limits_are_those_of_the_code() -> None:
    said = [(row[0], row[1]) for row in table(PAGE, "limit")]
    assert said == [
        ("frame of a client", f"{protocol.REQUEST_MOST >> 10} KiB, `hello` {server.HELLO_MOST} bytes"),
        ("frame of the engine", f"{protocol.ANSWER_MOST >> 20} MiB"),
        ("first word, and rest of a frame once begun", f"{peer.HELLO_S:.0f} s"),
        ("requests", f"{peer.RATE} a second for long, {2 * peer.RATE} at once"),
        ("subscriptions", f"{answering.SUBSCRIPTIONS} a connection"),
        ("questions and commands under way", f"{answering.BESIDE} of each a connection, {answering.TOTAL} of all"),
        ("connections", str(server.CLIENTS)),
        ("answers that you do not read", f"{answering.SEND_MOST >> 20} MiB, or any for {server.SLOW_S:.0f} s"),
    ]
    assert f"| `protocol` | int | {protocol.PROTOCOL}; " in PAGE
    for name, least, most, usual in (("depth", 1, 5000, 20), ("limit", 1, 5000, 1500), ("every_ms", 100, 60000, 250)):
        (row,) = (row for row in table(sections()["subscribe" if name == "every_ms" else "get"], "field")
                  if row[0] == f"`{name}`")  # fmt: skip
        assert f"{least} to {most}; {usual} if left out" in row[2]
        frame = {"type": "subscribe", "id": 1, "topic": "x"}
        for value, fits in ((least, True), (most, True), (least - 1, False), (most + 1, False)):
            body = msgspec.msgpack.encode({**frame, name: value})
            if fits:
                assert getattr(protocol.read_request(body), name) == value
            else:
                with pytest.raises(protocol.ProtocolError):
                    protocol.read_request(body)
        asked = protocol.read_request(msgspec.msgpack.encode(frame))
        assert getattr(asked, name) == usual


def test_values_of_names_are_those_of_the_code() -> None:
    for section, field, values in (
        ("get", "timeframe", list(Timeframe)),
        ("price", "source", [*PriceSource, "unknown"]),
        ("instrument", "book", list(SyncState)),
        ("component", "state", list(PartState)),
        ("trading", "state", list(TradingState)),
        ("orders", "type", list(OrderType)),
        ("orders", "time_in_force", list(TimeInForce)),
        ("orders", "origin", list(Origin)),
        ("fills", "liquidity", list(Liquidity)),
    ):
        (row,) = (row for row in table(sections()[section], "field") if row[0] == f"`{field}`")
        named = [name for name in re.findall(r"`([^`]+)`", row[2]) if name not in TOPICS]
        assert named == [str(value) for value in values]
