"""The person's own keys: the table itself, what a file may say, and what is told of the rest."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.app import App, ComposeResult
from textual.keys import _character_to_key
from textual.widgets import Static
from typer.testing import CliRunner

from tradetui.cli.app import app as tradetui
from tradetui.console.keymap import ACTS, KEYS, WHERE, Key
from tradetui.console.keys import KEPT, OFF, PUNCTUATION, SHOWN, clashes, commented, keys_of, load_keys, overlap

BY_ID = {key.id: key for key in KEYS}


def file_of(folder: Path, text: str) -> Path:
    path = folder / "keys.toml"
    path.write_text(text)
    return path


def test_the_table_is_free_of_conflicts() -> None:
    assert clashes(KEYS) == []
    assert len(BY_ID) == len(KEYS)
    assert {key.where for key in KEYS} <= set(WHERE)
    assert set(BY_ID) >= KEPT


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.id)
def test_every_key_can_be_sent_and_is_shown_as_it_is(key: Key) -> None:
    names = key.names.split(",")
    assert set(names) <= set(SHOWN)
    shown = [SHOWN[name] for name in names]
    assert key.shown in (" ".join(shown[:length]) for length in range(1, len(shown) + 1))


def test_lower_case_looks_upper_case_acts() -> None:
    upper = {key.id for key in KEYS for name in key.names.split(",") if len(name) == 1 and name.isupper()}
    assert upper == ACTS


def test_names_of_punctuation_are_textuals() -> None:
    assert {char: _character_to_key(char) for char in PUNCTUATION} == PUNCTUATION


def test_contexts_that_hold_together() -> None:
    assert overlap("everywhere", "chart")
    assert overlap("heat", "replay")
    assert overlap("alerts", "table")
    assert not overlap("chart", "heat")
    assert not overlap("alerts", "markets")


def test_without_a_file(tmp_path: Path) -> None:
    keys = load_keys(tmp_path / "keys.toml")
    assert keys.table == KEYS
    assert not keys.keymap
    assert not keys.problems


def test_own_keys(tmp_path: Path) -> None:
    path = file_of(
        tmp_path,
        '[keys]\nlayout = "l"\nright = "right"\ntint = ""\nengine = "X"\nhelp = "?, F10"\nleft = "left"\n',
    )
    keys = load_keys(path)
    # `l` is a second key of `right`, which gives it away.
    assert keys.problems == ()
    assert keys.keymap == {
        "layout": "l", "right": "right", "tint": OFF, "engine": "X", "help": "question_mark,f10", "left": "left",
    }  # fmt: skip
    table = {key.id: key for key in keys.table}
    assert (table["layout"].names, table["layout"].shown) == ("l", "l")
    assert (table["help"].names, table["help"].shown) == ("question_mark,f10", "? F10")
    assert (table["tint"].names, table["tint"].shown) == ("", "-")
    assert table["theme"] == BY_ID["theme"]


def test_two_keys_change_places() -> None:
    assert keys_of({"crosshair": "v", "volume": "c"}) == ({"crosshair": "v", "volume": "c"}, [])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"crosshiar": "c"}, "unknown 'crosshiar'; did you mean crosshair?"),
        ({"zoom": 3}, "expected a text"),
        ({"zoom": "alt+z"}, "there is no key 'alt+z' that all terminals pass on"),
        ({"zoom": "hoome"}, "did you mean home?"),
        ({"zoom": "f11"}, "that all terminals pass on"),
        ({"zoom": "ctrl+m"}, "terminals send it as enter"),
        ({"zoom": "ctrl+b"}, "tmux takes it"),
        ({"zoom": "\u00e4"}, "there is no key"),
        ({"zoom": "Z"}, "Z is upper case, which is for what acts"),
        ({"engine": "e"}, "engine acts: expected an upper-case letter"),
        ({"leave": ""}, "leave has to keep a key"),
        ({"back": "  "}, "back has to keep a key"),
        ({"help": "x"}, "x is 'symbol' already (everywhere)"),
        ({"zoom": "c"}, "c is 'crosshair' already (charts)"),
        ({"crosshair": "z"}, "z is 'zoom' already (everywhere)"),
        ({"acknowledge": "j"}, "j is 'row-down' already (tables)"),
        ({"step": "c"}, "c is 'crosshair' already (charts)"),
    ],
)
def test_what_cannot_be_is_told_and_does_not_hold(given: dict[str, object], told: str) -> None:
    held, problems = keys_of(given)
    assert held == {}
    assert len(problems) == 1
    assert told in problems[0]


def test_of_two_entries_the_later_gives_way() -> None:
    held, problems = keys_of({"crosshair": "u", "volume": "u", "tint": "u"})
    assert held == {"crosshair": "u", "tint": "u"}, "tint holds elsewhere"
    assert len(problems) == 1
    assert "volume = 'u': u is 'crosshair' already" in problems[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("keys = 3", "expected a table"),
        ('zoom = "z"', "unknown 'zoom'; keys belong in [keys]"),
        ("[keys\n", "at line 1"),
        ("a = " + "[" * 5000, "keys.toml"),
    ],
)
def test_a_file_that_makes_no_sense(tmp_path: Path, text: str, told: str) -> None:
    keys = load_keys(file_of(tmp_path, text))
    assert keys.table == KEYS
    assert len(keys.problems) == 1
    assert told in keys.problems[0]
    assert keys.problems[0].startswith(str(tmp_path / "keys.toml"))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert "Is a directory" in load_keys(tmp_path).problems[0]
    path = tmp_path / "keys.toml"
    path.write_bytes(b"# \xe4")
    assert "not UTF-8" in load_keys(path).problems[0]


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(sorted(BY_ID)) | st.text(max_size=6),
        st.lists(st.sampled_from(sorted(SHOWN)) | st.text(max_size=5), max_size=3).map(",".join) | st.integers(),
        max_size=12,
    )
)
def test_whatever_a_file_says_the_keys_work(given_: dict[str, object]) -> None:
    held, problems = keys_of(given_)
    table = [key._replace(names=held.get(key.id, key.names)) for key in KEYS]
    assert clashes(table) == []
    names = {key.id: key.names for key in table}
    assert all(names[id_] for id_ in KEPT)
    assert all(len(name) > 1 or not name.isupper() for id_ in set(names) - ACTS for name in names[id_].split(","))
    usual = {id_ for id_, value in given_.items() if id_ in BY_ID and value == BY_ID[id_].names}
    assert len(problems) <= len(given_)
    assert set(held).isdisjoint(usual)


def test_the_commented_file_changes_nothing_and_names_everything(tmp_path: Path) -> None:
    path = file_of(tmp_path, commented())
    assert load_keys(path) == load_keys(path)._replace(table=KEYS, keymap={}, problems=())
    bare = "\n".join(line.removeprefix("# ") if " = " in line else line for line in commented().splitlines())
    assert tomllib.loads(bare)["keys"] == {key.id: key.names for key in KEYS}


# In Textual. --------------------------------------------------------------------------------------------------------


async def test_textual_takes_them(tmp_path: Path) -> None:
    from tradetui.console.panes.pane import bindings

    done: list[str] = []

    class Pane(Static, can_focus=True):
        BINDINGS = bindings("chart")

        def action_crosshair(self) -> None:
            done.append("crosshair")

        def action_volume(self) -> None:
            done.append("volume")

        def action_scale(self) -> None:
            done.append("scale")

    class Host(App[None]):
        def compose(self) -> ComposeResult:
            yield Pane()

    keys = load_keys(file_of(tmp_path, '[keys]\ncrosshair = "v,!"\nvolume = "c"\nscale = ""\n'))
    assert not keys.problems
    app = Host()
    async with app.run_test() as pilot:
        app.set_keymap(keys.keymap)
        app.query_one(Pane).focus()
        await pilot.press("v", "c", "exclamation_mark", "s")
        await pilot.pause()
    assert done == ["crosshair", "volume", "crosshair"]


# The command. -------------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("TRADETUI_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".config" / "tradetui" / "keys.toml"


def test_keys_command(home: Path) -> None:
    done = CliRunner().invoke(tradetui, ["keys"])
    assert done.exit_code == 0
    assert all(key.id in done.output for key in KEYS)
    assert f"{home} is not there; `tradetui keys --write` writes it" in done.output
    assert CliRunner().invoke(tradetui, ["keys", "--write"]).output == f"written: {home}\n"
    assert home.read_text() == commented()
    assert home.stat().st_mode & 0o777 == 0o600
    again = CliRunner().invoke(tradetui, ["keys", "--write"])
    assert again.exit_code != 0
    assert "is there already" in str(again.exception)


def test_keys_command_tells_what_is_wrong(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home.parent.parent))
    home.parent.mkdir(parents=True)
    home.write_text('[keys]\nzoom = "u"\nlayot = "l"\n')
    done = CliRunner().invoke(tradetui, ["keys", "--json"])
    assert done.exit_code == 2
    told = json.loads(done.stdout)
    assert told["file"] == str(home)
    assert len(told["problems"]) == 1
    assert [row["id"] for row in told["keys"] if row["changed"]] == ["zoom"]
    done = CliRunner().invoke(tradetui, ["keys"])
    assert done.exit_code == 2
    assert "did you mean layout?" in done.stderr
