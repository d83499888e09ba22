"""What the terminal can show, found out from what it says of itself, and said to the libraries before they load."""

from __future__ import annotations

import os
from collections.abc import Mapping

from tradetui.console.render.look import COLOURS, Look

SYSTEMS = {"truecolor": "truecolor", "256": "256", "16": "standard", "none": "standard"}
"""What Textual calls them."""

SIXTEEN = ("linux", "xterm-16color", "screen", "rxvt", "vt220", "ansi", "cygwin")
"""Terminals of sixteen colours."""


def look_of(
    colour: str = "auto", *, ascii_only: bool = False, low: bool = False, environment: Mapping[str, str] = os.environ
) -> Look:
    """Return the look for a terminal.

    Args:
        colour: One of `COLOURS`, or `auto`: NO_COLOR (https://no-color.org), COLORTERM and TERM decide.
        ascii_only: Nothing but ASCII; otherwise the locale decides.
        low: A slow line: no more than 256 colours.
        environment: The environment.

    Raises:
        ValueError: `colour` is none of them.
    """
    if colour not in ("auto", *COLOURS):
        raise ValueError(f"--color {colour!r}: expected auto, {', '.join(COLOURS)}")
    if colour == "auto":
        colour = _colours(environment)
    if low and colour == "truecolor":
        colour = "256"
    return Look(colour, ascii_only or not _unicode(environment))


def _colours(environment: Mapping[str, str]) -> str:
    term = environment.get("TERM", "")
    if environment.get("NO_COLOR") or term in ("dumb", "unknown"):
        return "none"
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit") or term.endswith(("-direct", "-truecolor")):
        return "truecolor"
    return (
        "16"
        if term in SIXTEEN or ("256" not in term and not term.startswith(("xterm", "tmux", "alacritty")))
        else "256"
    )


def _unicode(environment: Mapping[str, str]) -> bool:
    """Tell whether the locale can do more than ASCII; an unset one is taken for UTF-8, as most terminals are."""
    locale = next((environment[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(name)), "")
    return not locale or "utf" in locale.lower()


def prepare(look: Look) -> None:
    """Tell Textual, which reads it when it is imported. Colours are ours to leave out, so NO_COLOR is taken from it.

    What the environment says to Textual itself (its driver, keys to press, logs) would end the console or play tricks
    on it, and exported COLUMNS and LINES would hold against every resize: they are taken away.
    """
    for name in [name for name in os.environ if name.startswith("TEXTUAL") or name in ("COLUMNS", "LINES")]:
        del os.environ[name]
    os.environ["TEXTUAL_COLOR_SYSTEM"] = SYSTEMS[look.colours]
    os.environ["TEXTUAL_ANIMATIONS"] = "none"
    if look.colours == "none":
        os.environ["NO_COLOR"] = "1"
    else:
        os.environ.pop("NO_COLOR", None)
