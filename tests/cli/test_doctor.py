"""`tradetui doctor` as a person and a script meet it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tradetui.cli.app import app
from tradetui.doctor import Check, Outcome


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "TRADETUI_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    at = '{ rest = ["http://me:secret@127.0.0.1:9"], ws = ["ws://127.0.0.1:9"] }\n'
    (tmp_path / "keys.toml").write_text("[binance]\n")
    (tmp_path / "keys.toml").chmod(0o644)
    (tmp_path / "my.toml").write_text(
        f'[venues]\nbinance = {at}binanceusdm = {at}binancecoinm = {at}[credentials]\nfile = "~/keys.toml"\n'
    )
    return tmp_path


def test_what_is_wrong_is_told_with_its_remedy(home: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", "--config", str(home / "my.toml")])
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith("[ok]   config       ")
    assert all(line.isascii() and line.isprintable() for line in lines)
    assert any(line.startswith("[fail] credentials  ") and "chmod 600" in line for line in lines)
    assert any(line.startswith("[fail] network      http://***@127.0.0.1:9 does not connect") for line in lines)
    assert lines[-1].startswith("                    -> look at network")
    assert sum("-> look at network" in line for line in lines) == 1
    assert "me:secret" not in done.stdout


def test_json_for_scripts(home: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", "--config", str(home / "my.toml"), "--profile", "paper", "--json"])
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert (report["profile"], report["ok"]) == ("paper", False)
    assert {"name", "outcome", "text", "remedy"} == set(report["checks"][0])
    assert {check["outcome"] for check in report["checks"]} <= {"pass", "warn", "fail"}


def test_nothing_failed_is_success(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [Check("a", Outcome.PASS, "caf\u00e9"), Check("longer", Outcome.WARN, "odd", "mend it")]
    monkeypatch.setattr("tradetui.doctor.examine", lambda *_: checks)
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 0
    assert done.stdout == "[ok]   a       caf\\xe9\n[warn] longer  odd\n               -> mend it\n"
    assert json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)["ok"] is True
