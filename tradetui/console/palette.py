"""The palette of commands (ctrl+p): everything that can be done here, found by its words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from tradetui.console.arguments import Known
from tradetui.console.keymap import WHERE, Key
from tradetui.console.prompt import COMMANDS, Command
from tradetui.console.screens.closing import Once
from tradetui.console.screens.drawn import as_shown

if TYPE_CHECKING:
    from textual.widget import Widget

MOST = 16
"""Choices of a command that are listed one by one."""


class Console(Protocol):
    """What the palette needs of the app."""

    keys: Sequence[Key]
    """The keys as they hold."""

    @property
    def focused_pane(self) -> Widget:
        """The pane in focus before the palette came; its `KIND` names its keys."""

    def known(self) -> Known:
        """Return what a command may speak of."""

    def enter(self, line: str) -> None:
        """Carry out a line of the command line."""

    def begin_line(self, prefix: str, text: str) -> None:
        """Open the command line with a text in it."""


def literal(text: str) -> str:
    """Return a text that Textual's markup leaves as it is (its own `escape` passes over upper case)."""
    return text.replace("[", r"\[")


class Entry(NamedTuple):
    """One line of the palette: what it is called, what it says below that, and what it does."""

    name: str
    told: str
    act: Callable[[], object]


class Palette(Once[None], CommandPalette):
    """Textual's palette of commands, asking in our words. Push it instead of the `command_palette` action."""

    def __init__(self) -> None:
        super().__init__(placeholder="a command, by any letters of it", id="--command-palette")


class ConsoleCommands(Provider):
    """Keys that hold in the pane in focus, those of everywhere, and commands."""

    async def discover(self) -> Hits:
        """Offer everything."""
        for entry in self._entries():
            yield DiscoveryHit(Content(entry.name), entry.act, entry.name, literal(entry.told))

    async def search(self, query: str) -> Hits:
        """Offer what has these letters in its name, or this text in what it says."""
        matcher = self.matcher(query)
        for entry in self._entries():
            score = matcher.match(entry.name)
            if score > 0:
                yield Hit(score, matcher.highlight(literal(entry.name)), entry.act, entry.name, literal(entry.told))
            elif query.lower() in entry.told.lower():
                yield Hit(0.1, Content(entry.name), entry.act, entry.name, literal(entry.told))

    def _entries(self) -> Iterator[Entry]:
        for entry in self._all():
            yield entry._replace(name=as_shown(self.app, entry.name), told=as_shown(self.app, entry.told))

    def _all(self) -> Iterator[Entry]:
        console = cast("Console", self.app)
        pane = console.focused_pane
        kinds = getattr(pane, "KIND", "").split()
        known = console.known()
        for kind in (*kinds, *(["replay"] if known.replay is not None else []), "trading", "everywhere"):
            for key in console.keys:
                if key.where == kind and key.id not in ("palette", "back"):
                    told = f"{WHERE[kind].lower()} \u00b7 key {key.shown}"
                    yield Entry(key.explained, told, partial(self._press, key, pane if kind in kinds else None))
        for command in COMMANDS:
            if command.replay and known.replay is None:
                continue
            yield from _lines(command, known, console)

    async def _press(self, key: Key, pane: Widget | None) -> None:
        """Do what a key does."""
        await self.app.run_action(key.action, default_namespace=pane or self.app)


def _lines(command: Command, known: Known, console: Console) -> Iterator[Entry]:
    """Return a command's lines: one that can be entered as it is, one for each choice, or one to be completed."""
    told = f":{command.usage}"
    takes = command.takes
    if all(argument.absent is not None for argument in takes):
        yield Entry(f"{command.name}: {command.explained}", told, partial(console.enter, command.name))
    else:
        begin = partial(console.begin_line, ":", f"{command.name} ")
        yield Entry(f"{command.name}\u2026: {command.explained}", told, begin)
    for choice in takes[0].choices(known)[:MOST] if takes else ():
        line = f"{command.name} {choice}"
        yield Entry(f"{line}: {command.explained}", told, partial(console.enter, line))
