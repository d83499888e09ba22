"""The page about trading and the code name the same limits, defaults, states, refusals and records."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from engine.alerts import CATALOGUE
from engine.execution.states import FINAL, OrderState
from engine.orders import Journaled, OrderType, TradingState
from engine.risk.limits import Limits
from storage.records import IMAGES
from tests.conformance.test_protocol_page import table
from tradetui.config.schema import SETTINGS
from tradetui.places import places
from tradetui.webhook import Notice

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "trading.md").read_text(encoding="utf-8")


def names(text: str) -> list[str]:
    return re.findall(r"`(\w+)`", text)


def test_limits_and_their_defaults_are_those_of_the_code() -> None:
    rows = {names(row[0])[0]: float(row[1]) for row in table(PAGE, "limit")}
    assert rows == {name: float(value) for name, value in msgspec.structs.asdict(Limits()).items()}


def test_states_are_those_of_the_code() -> None:
    rows = {names(row[0])[0]: row[1] for row in table(PAGE, "order state")}
    assert set(rows) == {str(state) for state in OrderState}
    assert {name for name, said in rows.items() if said.startswith("over")} == {str(state) for state in FINAL}
    assert [names(row[0])[0] for row in table(PAGE, "state")] == [str(state) for state in TradingState]


def test_order_types_are_those_of_the_code() -> None:
    said = PAGE.partition("## Orders\n\n")[2].partition(";")[0]
    assert names(said) == [str(kind) for kind in OrderType]


def codes() -> Iterator[str]:
    """The code of every refusal of an order."""
    for path in (*(ROOT / "engine" / "risk").glob("*.py"), ROOT / "engine" / "trading" / "wanted.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            given = [word.value for word in node.keywords if word.arg == "reason"] if node.func.id == "Refused" else []
            given += node.args[:1] if node.func.id in ("_no", "_off", "refusal") else []
            given += node.args[2:3] if node.func.id == "_over" else []
            for value in given:
                yield from (
                    each.value
                    for each in ast.walk(value)
                    if isinstance(each, ast.Constant) and isinstance(each.value, str)
                )


def test_refusals_are_those_of_the_code() -> None:
    said = [name for row in table(PAGE, "code") for name in names(row[0])]
    assert len(set(said)) == len(said)
    assert set(said) == set(codes())


def test_kinds_of_records_are_those_of_the_code() -> None:
    said = [names(row[0])[0] for row in table(PAGE, "kind")]
    assert set(said) == set(names((Journaled.__doc__ or "").partition("Kinds:")[2]))
    used = {
        node.args[0].value
        for path in (ROOT / "engine").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "journal"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    assert used
    assert used <= set(said)
    assert IMAGES == 2
    assert "only the newest two are kept" in PAGE


def test_databases_and_notices_are_those_of_the_code() -> None:
    at = places("default", {"HOME": "/h"})
    for mode in ("paper", "testnet", "live"):
        assert f"`{at.of_mode(mode).database.name}`" in PAGE
    assert ", ".join(f"`{name}`" for name in Notice.__struct_fields__) in " ".join(PAGE.split())


def test_settings_and_alerts_that_are_named_are_there() -> None:
    known = {setting.key for setting in SETTINGS.values()}
    named = set(re.findall(r"`((?:risk|trading|notices)\.[\w.]+)`", PAGE))
    assert named
    assert named <= known
    assert "NOTICE_FAILED" in CATALOGUE
