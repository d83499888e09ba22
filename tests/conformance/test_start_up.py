"""What loading a part must not load, and how long the help may take."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.start import exchange, help_cost, start

HEAVY = ("torch", "textual", "polars", "ccxt", "aiosqlite")


@pytest.mark.parametrize(
    ("code", "banned"),
    [
        ("import engine, engine.runtime, engine.replay", (*HEAVY, "typer", "rich")),
        ("from typer.testing import CliRunner; from tradetui.cli.app import app; CliRunner().invoke(app, ['--help'])",
         (*HEAVY, "numpy", "aiohttp", "asyncio", "msgspec", "psutil", "prometheus_client")),
        ("import engine.server, engine.monitor, engine.worker", (*HEAVY, "typer", "rich")),
        ("import tradetui.client, tradetui.launch", (*HEAVY, "aiohttp", "numpy", "typer")),
        ("from typer.testing import CliRunner; from tradetui.cli.app import app\n"
         "for name in ('data', 'history'): assert CliRunner().invoke(app, [name, '--help']).exit_code == 0",
         (*HEAVY, "sqlite3", "numpy", "aiohttp", "msgspec")),
        ("import tradetui.service", ("torch", "textual", "polars", "ccxt", "typer")),
        ("import tradetui.console.app", ("torch", "polars", "ccxt", "aiosqlite", "sqlite3", "aiohttp")),
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


def test_the_help_is_there_at_once() -> None:
    """0.3 s, counted in processor time so that a busy machine does not decide; the best of three."""
    assert min(help_cost()[1] for _ in range(3)) <= 0.3


@pytest.mark.alone
def test_the_first_book_is_there_in_two_seconds(recordings_root_path: Path, tmp_path: Path) -> None:
    with exchange(tmp_path) as config:
        assert min(start(config, tmp_path)[1] for _ in range(3)) <= 2.0
