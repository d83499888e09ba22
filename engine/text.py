"""Text from outside, made fit to be logged, stored and drawn."""

from __future__ import annotations

import unicodedata

LONGEST = 400
"""Characters kept of a text from outside."""

_HARMFUL = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories that move the cursor, hide or reorder text, or cannot be encoded."""


def inert(text: str, longest: int = LONGEST) -> str:
    """Return `text` on one line without control, format and private characters; each becomes `?`, line ends a space."""
    cut = text if len(text) <= longest else text[: max(longest - 3, 0)] + "..."[:longest]
    if cut.isascii() and cut.isprintable():
        return cut
    return "".join(" " if char in "\r\n\t" else "?" if unicodedata.category(char) in _HARMFUL else char for char in cut)
