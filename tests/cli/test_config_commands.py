"""`tradetui config`: show, path, check, init."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from engine.errors import SettingsInvalid
from tradetui.cli.app import app as tradetui
from tradetui.cli.config import app
from tradetui.config import resolve
from tradetui.config.schema import SETTINGS


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of our own, and none of the caller's settings."""
    for name in [name for name in os.environ if name.startswith(("TRADETUI_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def config(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def file_of(home: Path, text: str) -> Path:
    path = home / ".config" / "tradetui" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_show_without_a_file_is_the_defaults(home: Path) -> None:
    done = config("show")
    assert done.exit_code == 0
    assert "#" not in done.stdout
    again = file_of(home, done.stdout)
    assert resolve(again).settings == resolve(environment={"HOME": str(home / "elsewhere")}).settings


def test_show_says_where_a_value_came_from(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_of(
        home,
        """
        [market]
        large_trade = 5
        [data_provider.cob.bucket_sizes]
        "SOL/USDT" = "0.05"
        [profiles.mine.log]
        backups = 7
        """,
    )
    monkeypatch.setenv("TRADETUI__LOG__LEVEL", "DEBUG")
    done = config("show", "--profile", "mine")
    assert f"large_trade = 5.0  # file {path}\n" in done.stdout
    assert f'"SOL/USDT" = "0.05"  # file {path}\n' in done.stdout
    assert '"ETH/USDT" = "1"\n' in done.stdout
    assert "backups = 7  # profile mine\n" in done.stdout
    assert 'level = "DEBUG"  # environment TRADETUI__LOG__LEVEL\n' in done.stdout
    tomllib.loads(done.stdout)
    monkeypatch.setenv("TRADETUI_PROFILE", "mine")
    assert config("show").stdout == done.stdout


def test_show_as_json_has_every_setting(home: Path) -> None:
    path = file_of(home, "[engine]\nrecord = '~/tape'\n")
    shown: dict[str, dict[str, Any]] = json.loads(config("show", "--json").stdout)
    assert list(shown) == [setting.key for setting in SETTINGS.values()]
    assert all(set(row) == {"value", "source", "default", "description"} for row in shown.values())
    assert shown["engine.record"] | {"description": ""} == {
        "value": str(home / "tape"),
        "source": f"file {path}",
        "default": "",
        "description": "",
    }
    assert [row for row in shown.values() if row["value"] != row["default"]] == [shown["engine.record"]]
    recorded = json.loads(config("show", "--json", "--profile", "record").stdout)
    assert recorded["parts.training"]["source"] == "profile record"


def test_show_and_check_keep_passwords(home: Path) -> None:
    path = file_of(home, '[venues.binance]\nrest = ["https://me:hunter2@proxy.example/x"]\n[log]\napi_secret = "abc9"')
    for arguments in (("check",), ("check", "--json")):
        done = config(*arguments)
        assert done.exit_code == 2
        assert "***" in done.output
        assert "abc9" not in done.output
    path.write_text(path.read_text().partition("[log]")[0])
    for arguments in (("show",), ("show", "--json")):
        done = config(*arguments)
        assert "https://***@proxy.example/x" in done.output
        assert "hunter2" not in done.output


def test_path(home: Path) -> None:
    done = config("path")
    assert done.stdout.splitlines() == [str(home / ".config" / "tradetui" / "config.toml")]
    assert "config init" in done.stderr
    assert json.loads(config("path", "--json").stdout)["exists"] is False
    other = home / "other.toml"
    other.touch()
    told = json.loads(config("path", "--json", "--config", str(other), "--profile", "mine").stdout)
    assert told == {"file": str(other), "exists": True, "profile": "mine"}
    assert config("path", "--config", str(other)).stderr == ""


def test_profile_and_file_may_be_named_before_the_command(home: Path) -> None:
    path = home / "other.toml"
    path.write_text("[profiles.mine.log]\nbackups = 9\n")
    done = CliRunner().invoke(tradetui, ["--profile", "mine", "--config", str(path), "config", "show"])
    assert "backups = 9  # profile mine" in done.stdout


def test_check(home: Path) -> None:
    assert "not there" in config("check").stdout
    path = file_of(home, "[log]\nbackups = 3\n")
    done = config("check")
    assert (done.exit_code, done.stdout) == (0, f"{path}: ok\n")
    assert json.loads(config("check", "--json").stdout) == {"file": str(path), "ok": True, "problems": []}
    wrong = home / "wrong.toml"
    wrong.write_text("[log]\nbackups = -3\nlevels = 1\n")
    for arguments in (("check", str(wrong)), ("check", "--config", str(wrong))):
        done = config(*arguments)
        assert (done.exit_code, done.stdout) == (2, "")
        assert len(done.stderr.splitlines()) == 2
    done = config("check", str(wrong), "--json")
    assert done.exit_code == 2
    assert len(json.loads(done.stdout)["problems"]) == 2


def test_init_writes_a_file_that_changes_nothing_and_is_not_overwritten(home: Path) -> None:
    done = config("init")
    path = home / ".config" / "tradetui" / "config.toml"
    assert (done.exit_code, done.stdout) == (0, f"written: {path}\n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert resolve(path).settings == resolve(environment={"HOME": str(home / "elsewhere")}).settings
    path.write_text("[log]\nbackups = 3\n")
    with pytest.raises(SettingsInvalid, match="--force"):
        config("init")
    assert "backups = 3" in path.read_text()
    assert json.loads(config("init", "--force", "--json").stdout) == {"file": str(path), "written": True}
    assert path.stat().st_mode & 0o777 == 0o600
    assert "# backups = 5" in path.read_text()


def test_every_line_of_the_written_file_can_be_taken_into_use(home: Path) -> None:
    """Each `# key = value` is right, and is the default."""
    config("init")
    path = home / ".config" / "tradetui" / "config.toml"
    keys = {setting.path[-1] for setting in SETTINGS.values()}
    head, _, _ = path.read_text().partition("# Laid over")
    lines = [line.removeprefix("# ") if line[2:].partition(" = ")[0] in keys else line for line in head.splitlines()]
    path.write_text("\n".join(lines))
    written = resolve(path)
    assert {written.sources[setting.key] for setting in SETTINGS.values() if setting.default != {}} == {f"file {path}"}
    assert written.settings == resolve(environment={"HOME": str(home / "elsewhere")}).settings


@pytest.mark.parametrize("profile", ["mine", "record", "cob"])
def test_init_for_a_profile_writes_its_section(home: Path, profile: str) -> None:
    path = home / "new" / "mine.toml"
    config("init", "--config", str(path), "--profile", profile)
    assert profile in tomllib.loads(path.read_text())["profiles"]
    assert resolve(path, profile=profile).settings == resolve(profile=profile).settings


def test_what_cannot_be_written_or_named_is_said(home: Path) -> None:
    (home / "file").touch()
    with pytest.raises(SettingsInvalid, match="file"):
        config("init", "--config", str(home / "file" / "config.toml"))
    for command in ("show", "check", "init"):
        with pytest.raises(SettingsInvalid, match="profile 'No Name'"):
            config(command, "--profile", "No Name")
    with pytest.raises(SettingsInvalid, match=r"nowhere\.toml"):
        config("show", "--config", "nowhere.toml")


def test_the_commands_load_nothing_heavy() -> None:
    code = (
        "import sys; from tradetui.cli.config import app; from tradetui.config.text import markdown; markdown();"
        "print(*[name for name in ('numpy', 'aiohttp', 'textual', 'torch', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
