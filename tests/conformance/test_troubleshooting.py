"""The page about trouble and the list of alerts say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.alerts import CATALOGUE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### `(\w+)`\n\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))


def test_every_code_has_its_section_and_every_section_its_code() -> None:
    assert re.findall(r"^### (.*)$", PAGE, re.MULTILINE) == [f"`{code}`" for code in SECTIONS]
    assert set(SECTIONS) == set(CATALOGUE)


@pytest.mark.parametrize("code", list(CATALOGUE))
def test_a_section_says_what_it_is_what_is_done_and_what_to_do(code: str) -> None:
    kind, text = CATALOGUE[code], SECTIONS[code]
    assert text.startswith(f"*{kind.severity.name.lower()}*: {kind.title}.\n")
    assert re.findall(r"^- \*\*([\w ]+)\*\*", text, re.MULTILINE) == ["You see", "Cause", "The engine", "You"]


def sources(*folders: str) -> dict[Path, str]:
    own = {Path(__file__), ROOT / "engine" / "alerts.py"}
    return {path: path.read_text(encoding="utf-8") for name in folders for path in (ROOT / name).rglob("*.py")
            if path not in own}  # fmt: skip


@pytest.mark.parametrize("code", list(CATALOGUE))
def test_every_code_is_raised_somewhere_and_tested(code: str) -> None:
    for folders in (("engine", "tradetui"), ("tests",)):
        assert any(f'"{code}"' in text for text in sources(*folders).values()), f"{code} in none of {folders}"


def test_no_code_is_raised_that_nobody_knows() -> None:
    """A cause is made with a code of the list, written out; whoever makes one of a variable says so by `code=`."""
    raised = {
        code
        for text in sources("engine", "tradetui", "storage").values()
        for code in re.findall(r'(?:(?:Cause|notice)\(\s*|(?:code: str = |code=)(?="[A-Z]+_))"([A-Z_]+)"', text)
    }
    assert raised <= set(CATALOGUE)
    assert len(raised) > 20


@pytest.mark.parametrize("page", ["docs/troubleshooting.md", "docs/service.md"])
def test_other_pages_that_are_named_are_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([\w./]+\.md)\)", text):
        assert (ROOT / page).parent.joinpath(target).exists(), target


def test_settings_that_are_named_are_there() -> None:
    from tradetui.config.schema import SETTINGS

    known = {setting.key for setting in SETTINGS.values()}
    named = set(re.findall(r"`((?:data_provider|engine|market|log)\.[\w.]+)`", PAGE))
    assert named
    assert named <= known


def test_commands_that_are_named_are_there() -> None:
    from tradetui.cli.app import app

    commands = {info.name or info.callback.__name__ for info in app.registered_commands if info.callback is not None}
    commands |= {group.name for group in app.registered_groups if group.name}
    named = set(re.findall(r"`tradetui (\w+)", PAGE))
    assert {"status", "alerts", "log", "doctor"} <= named
    assert named <= commands
