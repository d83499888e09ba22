"""The person's own keys: `keys.toml` over the table of `keymap`, checked; what is wrong is told and does not hold."""

from __future__ import annotations

import difflib
import string
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tradetui.console.keymap import ACTS, KEYS, WHERE, Key
from tradetui.places import contents

FILE = "keys.toml"

KEPT = frozenset({"help", "leave", "back", "kill"})
"""What always has a key: without it somebody would be stuck, or could not stop what trades."""

OFF = "unbound"
"""Stands for no key; no terminal sends it. (Textual takes an empty text for the key of the table.)"""

TOGETHER = frozenset({frozenset({"table", each}) for each in ("alerts", "markets", "risk")})
"""Kinds whose keys hold at the same time, because a pane is both."""

PUNCTUATION = {
    "!": "exclamation_mark", '"': "quotation_mark", "#": "number_sign", "$": "dollar_sign", "%": "percent_sign",
    "&": "ampersand", "'": "apostrophe", "(": "left_parenthesis", ")": "right_parenthesis", "*": "asterisk",
    "+": "plus", ",": "comma", "-": "minus", ".": "full_stop", "/": "slash", ":": "colon", ";": "semicolon",
    "<": "less_than_sign", "=": "equals_sign", ">": "greater_than_sign", "?": "question_mark", "@": "at",
    "[": "left_square_bracket", "\\": "backslash", "]": "right_square_bracket", "^": "circumflex_accent",
    "_": "underscore", "`": "grave_accent", "{": "left_curly_bracket", "|": "vertical_line",
    "}": "right_curly_bracket", "~": "tilde",
}  # fmt: skip
"""Textual's names of the characters that are neither letter nor digit."""

ARROWS = {"left": "\u2190", "right": "\u2192", "up": "\u2191", "down": "\u2193"}

SHOWN = {
    **{char: char for char in string.ascii_letters + string.digits},
    **{name: char for char, name in PUNCTUATION.items()},
    **ARROWS,
    **{f"ctrl+{name}": f"^{shown}" for name, shown in ARROWS.items()},
    **{f"ctrl+{letter}": f"^{letter}" for letter in string.ascii_lowercase if letter not in "abhijm"},
    **{f"f{number}": f"F{number}" for number in range(1, 11)},
    "home": "home", "end": "end", "pageup": "page up", "pagedown": "page down", "insert": "insert",
    "delete": "delete", "tab": "tab", "shift+tab": "shift tab", "enter": "enter", "escape": "esc", "space": "space",
    "backspace": "backspace",
}  # fmt: skip
"""Every key that all terminals pass on, and how it is shown."""

TAKEN = {
    "ctrl+i": "terminals send it as tab", "ctrl+m": "terminals send it as enter",
    "ctrl+j": "terminals send it as enter", "ctrl+h": "terminals send it as backspace",
    "ctrl+a": "screen takes it", "ctrl+b": "tmux takes it",
}  # fmt: skip

ALLOWED = "letters, digits, punctuation, f1 to f10, ctrl+letter, arrows, home, end, pageup, pagedown, tab, enter, space"


class Keys(NamedTuple):
    """The keys as they hold.

    `table` is that of `keymap` with these names; `keymap` what differs, by id, for Textual's `App.set_keymap`;
    `problems` one line for everything in the file that does not hold.
    """

    path: Path
    table: tuple[Key, ...]
    keymap: dict[str, str]
    problems: tuple[str, ...]


def load_keys(path: Path) -> Keys:
    """Return the keys as they hold with the person's file, which need not be there."""
    try:
        tree = tomllib.loads(contents(path).decode("utf-8"))
    except FileNotFoundError:
        return Keys(path, KEYS, {}, ())
    except OSError as error:
        return Keys(path, KEYS, {}, (f"{path}: {error.strerror or error}",))
    except UnicodeDecodeError:
        return Keys(path, KEYS, {}, (f"{path}: not UTF-8 text",))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return Keys(path, KEYS, {}, (f"{path}: {error}",))
    problems = [f"unknown {name!r}; keys belong in [keys]" for name in tree if name != "keys"]
    given = tree.get("keys", {})
    if not isinstance(given, dict):
        problems, given = [*problems, "keys: expected a table, as in [keys]"], {}
    held, wrong = keys_of(given)
    table = tuple(_with(key, held[key.id]) if key.id in held else key for key in KEYS)
    keymap = {id_: names or OFF for id_, names in held.items()}
    return Keys(path, table, keymap, tuple(f"{path}: {problem}" for problem in (*problems, *wrong)))


def keys_of(given: Mapping[str, object]) -> tuple[dict[str, str], list[str]]:
    """Return the names by id that hold of what a person gives, and one line for everything that does not."""
    held: dict[str, str] = {}
    problems = []
    known = {key.id: key for key in KEYS}
    for id_, value in given.items():
        key = known.get(id_)
        if key is None:
            problems.append(f"unknown {id_!r}{_close(id_, known)}")
            continue
        names, trouble = _names(key, value)
        if trouble:
            problems.append(f"{id_} = {value!r}: {trouble}")
        elif names != key.names:
            held[id_] = names
    while (clash := _clash(held)) is not None:
        id_, told = clash
        problems.append(f"{id_} = {held.pop(id_)!r}: {told}")
    return held, problems


def pressed(table: Iterable[Key], *ids: str) -> str:
    """Return how some keys of a table are shown, as in `[ ]`."""
    by_id = {key.id: key.shown for key in table}
    return " ".join(by_id[id_] for id_ in ids)


def overlap(one: str, other: str) -> bool:
    """Tell whether keys of two contexts can hold at the same time."""
    anywhere = {"everywhere", "replay", "trading"}
    return one == other or bool(anywhere & {one, other}) or frozenset({one, other}) in TOGETHER


def clashes(table: Iterable[Key]) -> list[tuple[Key, Key, str]]:
    """Return pairs of keys that want the same name at the same time, in the order of the table."""
    by_name: dict[str, list[Key]] = {}
    found = []
    for key in table:
        for name in filter(None, key.names.split(",")):
            others = by_name.setdefault(name, [])
            found += [(other, key, name) for other in others if overlap(other.where, key.where)]
            others.append(key)
    return found


def commented() -> str:
    """Return a keymap file that changes nothing: every id with its keys, as comments."""
    lines = [
        "# The keys of the console. Take away the # before a line, and put your own key, or keys, into it.",
        '# Several keys: "left,h". No key: "". Upper-case letters are for what acts, and for nothing else.',
        f"# Keys: {ALLOWED}.",
        '# Punctuation by its sign ("?") or name ("question_mark"); a comma is "comma".',
        "",
        "[keys]",
    ]
    for where, title in WHERE.items():
        keys = [key for key in KEYS if key.where == where]
        lines += ["", f"# {title}"] if keys else []
        lines += [f"# {f'{key.id} = {_quoted(key.names)}':<42} # {key.explained}" for key in keys]
    return "\n".join(lines) + "\n"


def _quoted(names: str) -> str:
    return f'"{names}"'


def _with(key: Key, names: str) -> Key:
    """Return a key with other names, shown by the first two of them."""
    shown = [SHOWN[name] for name in names.split(",")[:2]] if names else ["-"]
    return key._replace(names=names, shown=" ".join(shown))


def _names(key: Key, value: object) -> tuple[str, str]:
    """Return Textual's names of a key's value, or what is wrong with it."""
    if not isinstance(value, str):
        return "", 'expected a text, as in "left,h"'
    if not value.strip():
        return "", f"{key.id} has to keep a key" if key.id in KEPT else ""
    names = []
    for part in value.split(","):
        name = part.strip()
        name = PUNCTUATION.get(name, name if len(name) == 1 else name.lower().replace(" ", ""))
        if name in TAKEN:
            return "", f"{part.strip()} cannot be used: {TAKEN[name]}"
        if name not in SHOWN:
            return "", f"there is no key {part.strip()!r} that all terminals pass on{_close(name, SHOWN)} ({ALLOWED})"
        upper = len(name) == 1 and name.isupper()
        if key.id in ACTS and not upper:
            return "", f"{key.id} acts: expected an upper-case letter, as in {key.names!r}"
        if upper and key.id not in ACTS:
            return "", f"{name} is upper case, which is for what acts; {key.id} only looks"
        if name not in names:
            names.append(name)
    return ",".join(names), ""


def _clash(held: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the id of a person's entry that cannot hold beside the others, and why; None if all can.

    Of two entries the later one in the file gives way.
    """
    order = {id_: place for place, id_ in enumerate(held)}
    for pair in clashes(key._replace(names=held.get(key.id, key.names)) for key in KEYS):
        stays, out = sorted(pair[:2], key=lambda key: order.get(key.id, -1))
        if out.id in held:
            where = WHERE[stays.where].lower()
            return out.id, f"{SHOWN[pair[2]]} is {stays.id!r} already ({where}); give that one another key, too"
    return None


def _close(wrong: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(wrong, list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""
