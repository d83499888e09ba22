"""Dialogs that close once, however many keys and clicks were under way to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from textual.await_complete import AwaitComplete

Answer = TypeVar("Answer")

if TYPE_CHECKING:
    from textual.screen import Screen

    class _Screen(Screen[Answer]): ...
else:

    class _Screen(Generic[Answer]):
        """No screen itself: Textual looks for styles and bindings along the first base that is one."""


class Once(_Screen[Answer]):
    """Mixed into a screen: it may be dismissed again after it has gone. Textual would take away another, or fail."""

    def dismiss(self, result: Answer | None = None) -> AwaitComplete:
        """Close with an answer, unless it is closed already."""
        return super().dismiss(result) if self.is_active else AwaitComplete.nothing()  # type: ignore[no-untyped-call]
