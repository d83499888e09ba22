"""Dialogs that close once, however many keys and clicks were under way to them."""

from __future__ import annotations

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import Screen

Answer = TypeVar("Answer")


class Once(Screen[Answer]):
    """A screen that may be dismissed again after it has gone: Textual would take away another screen, or fail."""

    def dismiss(self, result: Answer | None = None) -> AwaitComplete:
        """Close with an answer, unless it is closed already."""
        return super().dismiss(result) if self.is_active else AwaitComplete.nothing()  # type: ignore[no-untyped-call]
