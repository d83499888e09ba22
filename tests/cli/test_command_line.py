"""The command line as a newcomer meets it: help, errors that say what to do, exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def tradetui(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tradetui", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **environment}
    )


@pytest.mark.parametrize("arguments", [("--help",), ("record", "--help"), ("--version",)])
def test_help_and_version_end_well(arguments: tuple[str, ...]) -> None:
    done = tradetui(*arguments)
    assert done.returncode == 0
    assert done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "the console needs a terminal"),
        (("--replay", "."), "--headless"),
        (("--headless", "--replay", "nowhere"), "nowhere: no such file or folder"),
        (("--headless", "--replay", ".", "--speed", "3x"), "1x, 2x, 5x, 10x, 100x, max"),
        (("--headless", "--replay", ".", "--market", "kraken"), "binancecoinm"),
        (("--headless", "--symbol", "kraken:BTC/USD"), "known are binance, binanceusdm, binancecoinm"),
        (("--headless", "--seek", "2024-01-01"), "--seek has no meaning without --replay"),
        (("--headless", "--replay", ".", "--duration", "3"), "--duration has no meaning with --replay"),
        (("--headless", "--replay", ".", "--seek", "2024-01-02", "--until", "2024-01-01"), "is after --until"),
        (("--headless", "--symbol", "binanceusdm:BTC/USDT"), "binanceusdm:BTC/USDT:USDT"),
        (("--headless", "--config", "nowhere.toml"), "nowhere.toml"),
        (("--headless", "--report", "/nowhere/at/all.json"), "/nowhere/at/all.json"),
        (("record", "/proc/nothing"), "/proc/nothing"),
    ],
)
def test_mistakes_are_one_line_with_the_way_out(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = tradetui(*arguments, HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path))
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_setting_is_named_with_its_neighbour() -> None:
    done = tradetui("--headless", TRADETUI__WEBSOCKET__SILENC_S="3")
    assert done.returncode == 2
    assert "websocket.silenc_s" in done.stderr
    assert "data_provider.websocket.silence_s" in done.stderr


def test_without_a_network_it_says_what_it_tries_and_when_again(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[venues.binance]\nrest = ["http://127.0.0.1:9"]\nws = ["ws://127.0.0.1:9"]\n')
    done = tradetui("--headless", "--config", str(config), "--duration", "1")
    assert done.returncode == 1
    assert "http://127.0.0.1:9" in done.stderr
    assert "next try in" in done.stderr


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here\n")
    done = tradetui("--headless", "--replay", str(tmp_path), "--speed", "max")
    assert done.returncode == 2
    assert "no message of a known stream" in done.stderr
