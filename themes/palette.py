"""Themes as data: what colour each role has. A theme is a TOML file in this folder, or one of the person's own.

A file names every role in `[colours]` (`#rrggbb`), four ramps in `[ramps]` (two or more colours from little to much,
interpolated to 16 steps), and what stands for the roles on a terminal of 16 colours in `[sixteen]` (0 to 15, -1: the
terminal's own). `like = "name"` takes everything that is not said from another theme.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent

HEX = re.compile(r"#[0-9a-f]{6}", re.ASCII)

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)

ROLES = (
    "ground", "bar", "panel", "text", "faint", "stale", "border", "focus", "title", "up", "down", "flat", "bid", "ask",
    "mid", "axis", "cross", "cross_text", "select", "select_text", "good", "warn", "bad", "own", "alarm",
    "alarm_text", "live", "replay", "paper", "mode_text", "up_faint", "down_faint", "tag_text", "unknown", "key",
    "line1", "line2", "line3", "line4", "line5",
)  # fmt: skip
"""What has a colour of its own; a theme names them all."""

STAND_INS = {"line1": "own", "line2": "mid", "line3": "ask", "line4": "bid", "line5": "flat"}
"""What colours the lines over candles in a theme that was written before there were any."""

LEVELS = 16
"""Steps of a ramp."""

RAMPS = ("heat", "heat_bid", "heat_ask", "balance")
"""Resting size; the same tinted by side, twice; imbalance, from asks over even to bids."""

FIRST = "colour-safe"
"""The theme that holds until another one is chosen."""

SECTIONS = ("colours", "ramps", "sixteen")

TITLE = 60
"""Characters of a title at most."""

Colour = tuple[int, int, int]


class ThemeInvalid(ValueError):
    """A theme file says something that cannot be; the message names the file, the place and what is expected."""


class Palette(NamedTuple):
    """One theme: `colours` by role, `ramps` by name with `LEVELS` steps, `sixteen` by role (-1: the terminal's own)."""

    name: str
    title: str
    dark: bool
    colours: dict[str, Colour]
    ramps: dict[str, tuple[Colour, ...]]
    sixteen: dict[str, int]


def names(own: Path | None = None) -> list[str]:
    """Return the names of all themes: those that come with the product first, then the person's own."""
    shipped = _shipped()
    return [*shipped, *(path.stem for path in _files(own) if NAME.fullmatch(path.stem) and path.stem not in shipped)]


def catalogue(own: Path | None = None) -> tuple[list[Palette], list[str]]:
    """Return every theme that can be had, and a line for each file of the person's own that makes none."""
    found, problems = [], []
    for name in names(own):
        try:
            found.append(load(name, own))
        except ThemeInvalid as error:
            problems.append(str(error))
    for path in _files(own):
        if not NAME.fullmatch(path.stem):
            problems.append(f"{path}: a theme's name is up to 32 of a-z, 0-9 and -, as in my-theme.toml")
        elif path.stem in _shipped():
            problems.append(f"{path}: there is a theme {path.stem} already; give yours another name")
    return found, problems


def load(name: str, own: Path | None = None) -> Palette:
    """Return a theme by name; `own` is the folder of the person's own themes.

    Raises:
        ThemeInvalid: There is none of that name, or its file is wrong.
    """
    path = _path(name, own)
    data = _merged(path, own, ())
    needed = {"colours": ROLES, "ramps": RAMPS, "sixteen": (*ROLES, *RAMPS)}
    for line, other in STAND_INS.items():
        for section in ("colours", "sixteen"):
            if line not in data[section] and other in data[section]:
                data[section][line] = data[section][other]
    for section, known in needed.items():
        missing = [each for each in known if each not in data[section]]
        if missing:
            raise ThemeInvalid(f'{path}, [{section}]: missing {", ".join(missing)}; `like = "{FIRST}"` fills it in')
        for each in data[section]:
            if each not in known:
                raise ThemeInvalid(f"{path}, [{section}]: unknown {each!r}{_close(each, known)}")
    return Palette(
        name=name,
        title=data.get("title", name),
        dark=data.get("dark", True),
        colours={role: _colour(path, f"colours.{role}", text) for role, text in data["colours"].items()},
        ramps={ramp: _ramp(path, ramp, stops) for ramp, stops in data["ramps"].items()},
        sixteen={role: _number(path, role, number) for role, number in data["sixteen"].items()},
    )


def _shipped() -> list[str]:
    return sorted((path.stem for path in FOLDER.glob("*.toml")), key=lambda name: (name != FIRST, name))


def _files(own: Path | None) -> list[Path]:
    """Return the person's own files; none where the folder is not there or cannot be read."""
    try:
        return sorted(own.glob("*.toml")) if own is not None else []
    except OSError:
        return []


def _path(name: str, own: Path | None) -> Path:
    """Return a theme's file; nobody's own takes the place of one that comes with the product."""
    if NAME.fullmatch(name):
        for folder in (FOLDER, own):
            if folder is not None and (folder / f"{name}.toml").is_file():
                return folder / f"{name}.toml"
    raise ThemeInvalid(f"there is no theme {name!r}; there are {', '.join(names(own))}")


def _merged(path: Path, own: Path | None, seen: tuple[str, ...]) -> dict[str, Any]:
    """Return a file's content over that of the theme it is like."""
    if path.stem in seen:
        raise ThemeInvalid(f"{path}: it is like itself ({' -> '.join((*seen, path.stem))})")
    data = _read(path)
    under: dict[str, Any] = {section: {} for section in SECTIONS}
    if "like" in data:
        try:
            other = _path(str(data["like"]), own)
        except ThemeInvalid as error:
            raise ThemeInvalid(f"{path}, like: {error}") from error
        under = _merged(other, own, (*seen, path.stem))
    for section in SECTIONS:
        given = data.get(section, {})
        if not isinstance(given, dict):
            raise ThemeInvalid(f"{path}, {section}: expected a table, as in [{section}]")
        under[section] = {**under[section], **given}
    if "title" in data:
        if not isinstance(data["title"], str) or len(data["title"]) > TITLE:
            raise ThemeInvalid(f"{path}, title: expected a text of up to {TITLE} characters")
        under["title"] = data["title"]
    if "dark" in data:
        if not isinstance(data["dark"], bool):
            raise ThemeInvalid(f"{path}, dark: expected true or false, not {data['dark']!r}")
        under["dark"] = data["dark"]
    known = ("title", "dark", "like", *SECTIONS)
    for key in data:
        if key not in known:
            raise ThemeInvalid(f"{path}: unknown {key!r}{_close(key, known)}")
    return under


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ThemeInvalid(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ThemeInvalid(f"{path}: not UTF-8 text") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ThemeInvalid(f"{path}: {error}") from error


def _close(wrong: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(wrong, list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""


def _colour(path: Path, place: str, text: object) -> Colour:
    if not isinstance(text, str) or not HEX.fullmatch(text.lower()):
        raise ThemeInvalid(f"{path}, {place}: {text!r} is no colour such as '#1a2b3c'")
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def _ramp(path: Path, ramp: str, stops: object) -> tuple[Colour, ...]:
    if not isinstance(stops, list) or len(stops) < 2:
        raise ThemeInvalid(f"{path}, ramps.{ramp}: expected a list of two or more colours, from little to much")
    colours = [_colour(path, f"ramps.{ramp}", stop) for stop in stops]
    steps: list[Colour] = []
    for level in range(LEVELS):
        at = level * (len(colours) - 1) / (LEVELS - 1)
        low = min(int(at), len(colours) - 2)
        one, other, part = colours[low], colours[low + 1], at - low
        red, green, blue = (round(a + (b - a) * part) for a, b in zip(one, other, strict=True))
        steps.append((red, green, blue))
    return tuple(steps)


def _number(path: Path, role: str, number: object) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or not -1 <= number <= 15:
        raise ThemeInvalid(f"{path}, sixteen.{role}: expected a number from -1 to 15, not {number!r}")
    return number
