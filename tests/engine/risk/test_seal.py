"""An order that the gate has not approved reaches no venue: it neither type-checks nor runs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import engine
from engine import approval
from engine.approval import Approved, Refused, Seal, released
from engine.execution.paper import PaperVenue
from engine.execution.settings import FeeTable
from engine.risk.gate import judge
from tests.engine.risk.cases import LIMITS, RULES, order, well

ROOT = Path(engine.__file__).parent.parent
PACKAGES = ("engine", "nn", "storage", "themes", "tradetui")


def mentions(path: Path, name: str) -> bool:
    """Whether a module names something: as a name, an attribute, an import or a text that could be one."""
    for node in ast.walk(ast.parse(path.read_text())):
        named = {getattr(node, "id", None), getattr(node, "attr", None), getattr(node, "value", None)}
        if isinstance(node, ast.ImportFrom):
            named.update(each.name for each in node.names)
        if name in {each for each in named if isinstance(each, str)}:
            return True
    return False


def test_only_the_gate_holds_the_seal():
    sources = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert len(sources) > 100
    holders = {str(path.relative_to(ROOT)) for path in sources if mentions(path, "_SEAL")}
    assert holders == {"engine/approval.py", "engine/risk/gate.py"}
    builders = {str(path.relative_to(ROOT)) for path in sources if mentions(path, "Seal")}
    assert builders == {"engine/approval.py"}


def test_nobody_else_can_build_an_approval():
    with pytest.raises(TypeError, match="gate"):
        Approved(order(), Seal())
    with pytest.raises(TypeError):
        Approved(order())  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="gate"):
        Approved(order(), None)  # type: ignore[arg-type]


def test_what_was_approved_stays_what_it_was():
    passed = judge(LIMITS, well(), order(), RULES)
    assert not isinstance(passed, Refused)
    with pytest.raises(TypeError, match="cannot be changed"):
        passed._value = order(quantity=10**12)
    with pytest.raises(TypeError, match="cannot be changed"):
        passed.value = order(quantity=10**12)  # type: ignore[misc]
    with pytest.raises(TypeError, match="cannot be changed"):
        del passed._value
    assert approval.Approved.__slots__ == ("_value",)
    with pytest.raises(TypeError, match="this class alone"):
        type("Mine", (Approved,), {})


def test_a_venue_takes_nothing_that_was_not_approved():
    venue = PaperVenue(0, FeeTable(), lambda spec: 10**15, lambda key: 0)
    for unapproved in (order(), SimpleNamespace(value=order())):
        with pytest.raises(TypeError, match="not been approved"):
            venue.submit(unapproved, 0)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="not been approved"):
            venue.amend(unapproved, 0)  # type: ignore[arg-type]
    passed = judge(LIMITS, well(), order(), RULES)
    assert not isinstance(passed, Refused)
    assert released(passed) is passed.value
    venue.submit(passed, 0)
    assert venue.due == 0


WELL = """
from engine.approval import Approved, Refused
from engine.execution.venue import Venue
from engine.orders import OrderEvent, OrderSpec, Rules
from engine.risk.gate import judge
from engine.risk.limits import Limits
from engine.risk.situation import Situation

async def send(venue: Venue, seen: Situation, spec: OrderSpec, rules: Rules) -> OrderEvent | Refused:
    verdict = judge(Limits(), seen, spec, rules)
    if isinstance(verdict, Refused):
        return verdict
    return await venue.submit(verdict)
"""

ILL = """
from engine.approval import Approved, Seal
from engine.execution.venue import Venue
from engine.orders import OrderSpec, SubmitOrder

async def bare(venue: Venue, spec: OrderSpec) -> None:
    await venue.submit(spec)

async def unasked(venue: Venue, spec: OrderSpec) -> None:
    await venue.submit(Approved(spec))

async def sealed(venue: Venue, spec: OrderSpec) -> None:
    await venue.submit(Approved(spec, object()))

def command(spec: OrderSpec) -> SubmitOrder:
    return SubmitOrder(order=spec)

def other(price: Approved[int]) -> SubmitOrder:
    return SubmitOrder(order=price)
"""


@pytest.mark.slow
def test_an_order_without_approval_does_not_type_check(tmp_path: Path):
    (tmp_path / "well.py").write_text(WELL)
    (tmp_path / "ill.py").write_text(ILL)
    plain = ["--strict", "--no-error-summary", "--follow-imports=silent", "--config-file="]
    asked = [sys.executable, "-m", "mypy", *plain, f"--cache-dir={tmp_path / 'cache'}", "well.py", "ill.py"]
    told = subprocess.run(asked, cwd=tmp_path, env={"MYPYPATH": str(ROOT)}, capture_output=True, text=True)
    lines = [line.partition("ill.py:")[2] for line in told.stdout.splitlines() if ": error:" in line]
    assert "well.py" not in told.stdout, told.stdout
    wrong = {int(line.partition(":")[0]) for line in lines}
    calls = {at for at, line in enumerate(ILL.splitlines(), 1) if "await " in line or "return " in line}
    assert wrong == calls, told.stdout + told.stderr
