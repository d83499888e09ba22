"""Documents and code say the same."""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from engine import errors
from tradetui.config import resolve
from tradetui.config.schema import SETTINGS
from tradetui.config.text import commented, markdown, shown_toml
from tradetui.config.toml import dotted, toml

ROOT = Path(__file__).parents[2]
PACKAGES = ("engine", "nn", "storage", "themes", "tradetui")


def test_settings_reference_is_what_the_settings_say(golden: Callable[[Path, str], None]) -> None:
    golden(ROOT / "docs" / "settings.md", markdown())


def test_every_setting_is_documented_and_shown() -> None:
    document, shown = markdown(), tomllib.loads(shown_toml(resolve(environment={"HOME": "/nowhere"})))
    for path, setting in SETTINGS.items():
        section = document.partition(f"## `[{dotted(path[:-1])}]`\n")[2].partition("\n## ")[0]
        assert f"| `{path[-1]}` | `{toml(setting.default)}` | " in section, setting.key
        assert setting.description.endswith("."), setting.key
        assert setting.allowed, setting.key
        assert f"{path[-1]} = " in commented(), setting.key
        place = shown
        for name in path:
            place = place[name]
        assert msgspec.convert(place, setting.type) == setting.default


def test_every_number_of_the_settings_has_bounds_and_a_unit() -> None:
    for setting in SETTINGS.values():
        if isinstance(setting.default, int | float) and not isinstance(setting.default, bool):
            assert any(f" {word} " in setting.allowed for word in ("from", "below", "at most")), setting.key
            said = setting.description
            assert not setting.key.endswith("_s") or re.search(r"\bs\b", said), setting.key
            assert not setting.key.endswith("_mb") or "MB" in said, setting.key


def kinds() -> Iterator[type[errors.ConsoleError]]:
    """Every error that is raised, in whichever module it stands."""
    written = [
        (base, name, ".".join(path.relative_to(ROOT).with_suffix("").parts))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for name, base in re.findall(r"^class (\w+)\((\w+)\):", path.read_text("utf-8"), re.MULTILINE)
    ]
    found = {"ConsoleError"}
    while more := {name for base, name, _ in written if base in found} - found:
        found |= more
    for base, name, module in written:
        if base in found and name != "FeedError":  # a room of the tree, never raised
            yield getattr(importlib.import_module(module), name)


def test_every_error_tells_its_consequence_and_its_policy() -> None:
    tree = dict(re.findall(r"-- (\w+) +(\w+)", errors.__doc__ or ""))
    assert tree == {kind.__name__: str(kind.policy) for kind in kinds()}
    assert all(kind.__doc__ for kind in kinds())


def test_readme_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    assert text.count("python3 -m venv .venv &&") == 2


def test_no_module_is_called_after_nothing() -> None:
    banned = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager"}
    assert [path for name in PACKAGES for path in (ROOT / name).rglob("*.py") if path.stem in banned] == []


def test_modules_stay_small() -> None:
    sizes = {path: len(path.read_text().splitlines()) for name in PACKAGES for path in (ROOT / name).rglob("*.py")}
    assert {path.name: size for path, size in sizes.items() if size > 600} == {}
