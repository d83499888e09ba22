"""A marked key is put wherever keys may be, everything is made to talk, and the mark is searched for everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

from tests.support.marked import FORMS, MARK


def test_a_marked_key_is_found_nowhere(parrot: int, tmp_path: Path) -> None:
    home = tmp_path / "home"
    keys = tmp_path / "keys.toml"
    home.mkdir()
    keys.write_text(f'[bybit]\napi_key = "{MARK}"\napi_secret = "{MARK}"\n')
    keys.chmod(0o600)
    config = tmp_path / "config.toml"
    user = quote(MARK, safe="")
    host = f"user:{user}@127.0.0.1:{parrot}"
    config.write_text(
        f'[venues.binance]\nrest = ["http://{host}"]\nws = ["ws://{host}"]\n[credentials]\nfile = "{keys}"\n'
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "TRADETUI"))},
        "HOME": str(home),
        "TRADETUI_BINANCE_API_KEY": MARK,
        "TRADETUI_BINANCE_API_SECRET": MARK,
    }
    said: dict[str, str] = {}

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "tradetui", *arguments],
            capture_output=True, text=True, check=False, timeout=60, env={**environment, **more},
        )  # fmt: skip
        said[" ".join(arguments) + str(more.keys())] = done.stdout + done.stderr
        return done

    arguments = ["--headless", "--debug", "--config", str(config), "--report", str(home / "r")]
    engine = subprocess.Popen(
        [sys.executable, "-m", "tradetui", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
    )  # fmt: skip
    try:
        until = time.monotonic() + 30
        while "REQUEST_FAILED" not in run("alerts", "--json").stdout:
            assert time.monotonic() < until, said
            assert engine.poll() is None
        for command in ("status", "alerts", "metrics", "doctor", "log"):
            run(command, "--json", *(("--config", str(config)) if command == "doctor" else ()))
        for command in ("status", "alerts", "metrics", "log"):
            run(command)
        run("doctor", "--config", str(config))
        run("stream", "status", "--json")
        run("price", "ETH/USDT")
        run("log", MARK)
        run("config", "show", "--config", str(config))
        run("config", "show", "--json", "--config", str(config))
        run("config", "check", "--config", str(config))
        # Mistakes that people make with keys: in the settings, in the environment, on the command line.
        wrong = tmp_path / "wrong.toml"
        wrong.write_text(f'[venues.binance]\napi_secret = "{MARK}"\n[binance]\nsecret = "{MARK}"\nkey = {MARK!r}\n')
        assert run("config", "check", "--config", str(wrong)).returncode == 2
        assert run("--headless", "--config", str(wrong)).returncode == 2
        assert run("config", "check", TRADETUI__VENUES__BINANCE__API_SECRET=MARK).returncode == 2
        keys.chmod(0o644)
        assert run("doctor", "--config", str(config)).returncode == 1
    finally:
        engine.terminate()
        said["engine"] = engine.communicate(timeout=30)[0]
    # It was the engine that met the key: the error that carries it is there, without it.
    log = (home / ".local/state/tradetui/default/logs/engine.log").read_text()
    assert "HTTP 401" in log
    assert "***" in log
    for name, text in said.items():
        assert text, name
        assert [form for form in FORMS if form in text] == [], name
    files = [path for path in home.rglob("*") if path.is_file()]
    assert {"engine.log", "market.db", "r"} <= {path.name for path in files}
    for path in files:
        text = path.read_bytes()
        assert [form for form in FORMS if form.encode() in text] == [], path


CRASH = """
import asyncio, sys
from pathlib import Path
from engine.runtime import Engine
from tradetui.config import load
from tradetui.places import places
from tradetui.service import Service

secret = sys.argv[1]
async def broken(self, stop):
    raise RuntimeError(f"signed with {secret}")
Engine.run = broken
with Service(load(), places("default"), echo=sys.stderr) as service:
    asyncio.run(service.run())
"""


def test_a_crash_report_has_the_fault_and_not_the_key(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "TRADETUI_BINANCE_API_KEY": MARK,
        "TRADETUI_BINANCE_API_SECRET": "x" * 9,
    }
    for name in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", CRASH, MARK], capture_output=True, text=True, check=False, timeout=60, env=environment
    )
    (report,) = tmp_path.rglob("crashes/*.txt")
    assert "signed with ***" in report.read_text()
    assert report.stat().st_mode & 0o077 == 0
    assert "EngineFailed" in done.stderr
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        assert [form for form in FORMS if form.encode() in path.read_bytes()] == [], path
    assert [form for form in FORMS if form in done.stdout + done.stderr] == []
