"""Where a profile keeps its things: the XDG rules, folders for their owner alone, profiles apart."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import SettingsInvalid
from tradetui.places import Places, contents, own, places

FOLDERS = ("state", "data", "runtime", "logs", "temporary")


def at(home: Path, **variables: str) -> Places:
    return places("default", {"HOME": str(home), **variables})


def test_without_variables_everything_is_below_home(tmp_path: Path) -> None:
    found = at(tmp_path)
    assert found.state == tmp_path / ".local/state/tradetui/default"
    assert found.data == tmp_path / ".local/share/tradetui/default"
    assert found.runtime == found.state / "run"
    assert found.lock == found.state / "engine.lock"
    assert found.socket == found.runtime / "engine.sock"
    assert found.journal == found.state / "events.jsonl"
    assert found.database == found.data / "market.db"
    assert (found.cold, found.backups) == (found.data / "cold", found.data / "backups")
    assert (found.logs, found.temporary) == (found.state / "logs", found.state / "tmp")
    assert list(tmp_path.iterdir()) == []


def test_variables_say_where(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir(mode=0o700)
    found = at(
        tmp_path,
        XDG_STATE_HOME=str(tmp_path / "s"),
        XDG_DATA_HOME=str(tmp_path / "d"),
        XDG_RUNTIME_DIR=str(tmp_path / "r"),
    )
    assert found.state == tmp_path / "s/tradetui/default"
    assert found.data == tmp_path / "d/tradetui/default"
    assert found.socket == tmp_path / "r/tradetui/default/engine.sock"


@pytest.mark.parametrize("value", ["", "relative", "./x", "../x", "~/x"])
def test_a_path_that_is_not_absolute_is_ignored(value: str, tmp_path: Path) -> None:
    """The specification: a relative path is invalid and to be ignored."""
    variables = dict.fromkeys(("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"), value)
    assert at(tmp_path, **variables) == at(tmp_path)


@pytest.mark.parametrize("what", ["missing", "file", "writable by the group", "writable by all"])
def test_a_runtime_folder_that_is_not_private_is_not_used(what: str, tmp_path: Path) -> None:
    runtime = tmp_path / "r"
    if what == "file":
        runtime.touch()
    elif what != "missing":
        runtime.mkdir()
        runtime.chmod(0o770 if what == "writable by the group" else 0o777)
    assert at(tmp_path, XDG_RUNTIME_DIR=str(runtime)).runtime == at(tmp_path).state / "run"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_another_users_folders_are_not_used(tmp_path: Path) -> None:
    runtime = tmp_path / "r"
    runtime.mkdir(mode=0o700)
    os.chown(runtime, 65534, 65534)
    assert at(tmp_path, XDG_RUNTIME_DIR=str(runtime)).runtime == at(tmp_path).state / "run"
    with pytest.raises(SettingsInvalid, match="belongs to user 65534, not to you"):
        own(runtime)


def test_a_runtime_folder_that_cannot_be_looked_at_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.stat

    def stat_(path: Path, **given: bool) -> os.stat_result:
        if path.name == "secret":
            raise PermissionError(13, "Permission denied")
        return real(path, **given)

    monkeypatch.setattr(Path, "stat", stat_)
    assert at(tmp_path, XDG_RUNTIME_DIR=str(tmp_path / "secret")).runtime == at(tmp_path).state / "run"


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_folders_are_their_owners_alone(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        found = at(tmp_path)
        found.make()
        found.make()
    finally:
        os.umask(before)
    for name in FOLDERS:
        assert stat.S_IMODE(getattr(found, name).stat().st_mode) == 0o700


def test_folders_that_were_open_are_closed(tmp_path: Path) -> None:
    found = at(tmp_path)
    found.state.mkdir(parents=True)
    found.state.chmod(0o777)
    found.make()
    assert stat.S_IMODE(found.state.stat().st_mode) == 0o700


@pytest.mark.parametrize("kind", ["file", "dangling link", "loop"])
def test_a_folder_that_cannot_be_made_is_named(kind: str, tmp_path: Path) -> None:
    found = at(tmp_path)
    found.state.parent.mkdir(parents=True)
    if kind == "file":
        found.state.write_text("x")
    else:
        found.state.symlink_to(tmp_path / "nowhere" / "x" if kind == "dangling link" else found.state)
    with pytest.raises(SettingsInvalid, match=str(found.state)):
        found.make()


def test_profiles_share_no_folder(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir(mode=0o700)
    for variables in ({}, {"XDG_RUNTIME_DIR": str(tmp_path / "r")}):
        one, two = (places(name, {"HOME": str(tmp_path), **variables}) for name in ("one", "two"))
        names = (*FOLDERS, "lock", "socket", "journal")
        mine, others = ([getattr(each, name) for name in names] for each in (one, two))
        for path in mine:
            for other in others:
                assert path != other
                assert path not in other.parents
                assert other not in path.parents


@given(st.text(max_size=40))
def test_a_profiles_name_stays_in_its_folder(name: str) -> None:
    try:
        found = places(name, {"HOME": "/h"})
    except SettingsInvalid:
        assert not (name.isascii() and name.islower() and name.isalpha() and len(name) <= 32)
    else:
        assert found.state == Path("/h/.local/state/tradetui") / name
        assert name.isascii()
        assert len(name) <= 32
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "A", "a b", "-a", "_a", "a\n", "é", "x" * 33, "a\0"])
def test_other_names_are_refused_with_what_is_expected(name: str) -> None:
    with pytest.raises(SettingsInvalid, match="expected up to 32 of a-z"):
        places(name, {"HOME": "/h"})


def test_places_do_not_change(tmp_path: Path) -> None:
    with pytest.raises(AttributeError):
        at(tmp_path).state = tmp_path  # type: ignore[misc]
    assert msgspec.structs.replace(at(tmp_path), profile="x").profile == "x"


def test_only_small_plain_files_are_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with pytest.raises(FileNotFoundError):
        contents(file)
    file.write_bytes(b"x" * 10)
    assert contents(file, 10) == b"x" * 10
    with pytest.raises(OSError, match="longer than 9"):
        contents(file, 9)
    pipe, device = tmp_path / "pipe", tmp_path / "device"
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    for odd in (pipe, device):
        with pytest.raises(OSError, match="not a plain file"):
            contents(odd)


def test_each_mode_has_a_database_of_its_own(tmp_path: Path) -> None:
    found = [at(tmp_path).of_mode(mode) for mode in ("paper", "testnet", "live")]
    assert [each.database.name for each in found] == ["market.db", "market-testnet.db", "market-live.db"]
    for kept in ("database", "cold", "backups"):
        assert len({getattr(each, kept) for each in found}) == 3
    assert {(each.state, each.lock, each.logs) for each in found} == {(found[0].state, found[0].lock, found[0].logs)}
