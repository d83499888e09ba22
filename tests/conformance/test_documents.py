"""Documents and code say the same."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from engine import errors
from tradetui.config import Settings

ROOT = Path(__file__).parents[2]


def keys(kind: type[msgspec.Struct]) -> set[str]:
    found = set()
    for field in msgspec.structs.fields(kind):
        nested = isinstance(field.type, type) and issubclass(field.type, msgspec.Struct)
        found |= {field.name} | (keys(field.type) if nested else set())
    return found


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    assert [key for key in keys(Settings) if key not in text] == []


def leaves(kind: type[errors.ConsoleError]) -> list[type[errors.ConsoleError]]:
    children = kind.__subclasses__()
    return [leaf for child in children for leaf in leaves(child)] if children else [kind]


@pytest.mark.parametrize("leaf", leaves(errors.ConsoleError))
def test_every_error_tells_its_consequence_and_has_a_policy(leaf: type[errors.ConsoleError]) -> None:
    assert isinstance(leaf.policy, errors.Policy)
    assert leaf.__doc__
    assert leaf.__name__ in (errors.__doc__ or "")


def test_readme_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    assert text.count("python3 -m venv .venv &&") == 2


def test_no_module_is_called_after_nothing() -> None:
    banned = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager"}
    packages = ("engine", "nn", "storage", "themes", "tradetui")
    assert [path for name in packages for path in (ROOT / name).rglob("*.py") if path.stem in banned] == []


def test_modules_stay_small() -> None:
    packages = ("engine", "nn", "storage", "themes", "tradetui")
    sizes = {path: len(path.read_text().splitlines()) for name in packages for path in (ROOT / name).rglob("*.py")}
    assert {path.name: size for path, size in sizes.items() if size > 600} == {}
