"""What loading a part must not load, and how long the help may take."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "textual", "polars", "ccxt", "aiosqlite")


@pytest.mark.parametrize(
    ("code", "banned"),
    [
        ("import engine, engine.runtime, engine.replay", (*HEAVY, "typer", "rich")),
        ("from typer.testing import CliRunner; from tradetui.cli.app import app; CliRunner().invoke(app, ['--help'])",
         (*HEAVY, "numpy", "aiohttp")),
        ("import nn, storage, themes, tradetui", HEAVY),
    ],
)  # fmt: skip
def test_nothing_heavy_is_loaded(code: str, banned: tuple[str, ...]) -> None:
    check = f"{code}\nimport sys\nprint(*[name for name in {banned!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_packages_are_ours() -> None:
    names = "engine, nn, storage, themes, tradetui"
    code = f"import {names}\nprint(*[module.__file__ for module in ({names})])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    roots = {path.rsplit("/", 2)[0] for path in done.stdout.split()}
    assert len(roots) == 1
