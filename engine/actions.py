"""What a command is to those who carry it out: its arguments, a word about what was done, and perhaps who asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from engine.operator import Who

Args = Mapping[str, str | int | float | bool]

BEGUN = '{"state":"running"}'
"""What a command says of work that goes on; it is asked again until it is over."""

Action = Callable[[Args], Awaitable[str]]
"""A command: takes its arguments, returns a word about what was done, raises `RequestDenied`."""


class Attributed(NamedTuple):
    """A command that is also told who asks."""

    act: Callable[[Args, Who], Awaitable[str]]
