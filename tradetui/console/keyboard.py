"""What the terminal sends: keys, the mouse, answers, and noise. Nothing that is sent ends the console or its keyboard.

Textual reads the terminal in a thread that ends, with a traceback over the desk, at the first byte that is not UTF-8
(a key of a Latin-1 terminal, an old mouse report) and at numbers out of range.
"""

from __future__ import annotations

import errno
import logging
import os
import selectors
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable

from textual import events
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from engine.text import inert

log = logging.getLogger(__name__)

LINES = 10
"""Lines of a paste that are taken."""

PASTE, PASTED = "\x1b[200~", "\x1b[201~"

PASTE_S = 2.0
"""A paste of which nothing came for so long was broken off; its end is never to come, and keys would go into it."""

LOOK_S = 0.1
"""Seconds between two looks whether the thread has to end."""

PIECE = 4096

MOST = 2000
"""Columns or lines of a terminal that can be believed."""


def harmless(paste: str) -> str:
    """Return a paste as it may be shown: without what would act on the terminal, and no more than fits into a line."""
    return "\n".join(inert(line) for line in paste.splitlines()[:LINES])


class Reader:
    """Makes messages of what a terminal sends; what makes no sense is left out."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.refused = 0
        """Pieces that could not be read."""
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self._parser = XTermParser()
        self._monotonic = monotonic
        self._pasting = False
        self._heard = 0.0

    def read(self, data: bytes) -> list[Message]:
        """Return the messages in a piece of what came; the last may end in the next piece."""
        text = self._decode(data)
        self._heard = self._monotonic()
        if PASTE in text or PASTED in text:
            self._pasting = text.rfind(PASTE) > text.rfind(PASTED)
        return self._parsed(lambda: self._parser.feed(text)) if text else []

    def wait(self) -> list[Message]:
        """Return what is complete because nothing follows: `esc` alone, a paste that was broken off."""
        if self._pasting and self._monotonic() - self._heard > PASTE_S:
            return self.read(PASTED.encode())
        return self._parsed(self._parser.tick)

    def _parsed(self, parse: Callable[[], Iterable[Message]]) -> list[Message]:
        found: list[Message] = []
        try:
            found.extend(parse())
        except Exception as error:  # noqa: BLE001 - the parser trusts terminals: any fault is one of what was sent
            self.refused += 1
            log.warning("input of the terminal cannot be read: %s: %s", type(error).__name__, error)
            before, self._parser = self._parser, XTermParser()
            for name in ("mouse_pixels", "terminal_size", "terminal_pixel_size"):
                setattr(self._parser, name, getattr(before, name))
        return found


class Driver(LinuxDriver):
    """Textual's driver with that reader; the end of the terminal is left to `tradetui.console.terminal`."""

    def _run_input_thread(self) -> None:
        """Read until told to end. An `OSError` ends the thread: the terminal is gone."""
        self.run_input_thread()

    def run_input_thread(self) -> None:
        """Read what the terminal sends, and pass it on."""
        reader = Reader()
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                found = reader.read(self._piece()) if selector.select(LOOK_S) else []
                for message in (*found, *reader.wait()):
                    self.process_message(message)

    def _piece(self) -> bytes:
        try:
            data = os.read(self.fileno, PIECE)
        except BlockingIOError:  # another process has taken it, or made the terminal non-blocking
            return b""
        if not data:
            raise OSError(errno.EIO, "the terminal is gone")
        return data

    def process_message(self, message: Message) -> None:
        """Pass a message on. A size that nobody has asked for, or that cannot be, is none; a paste does nothing."""
        if isinstance(message, events.Resize):
            width, height = message.size
            if not self._in_band_window_resize or not (0 < width <= MOST and 0 < height <= MOST):
                return
        if isinstance(message, events.Paste):
            message = events.Paste(harmless(message.text))
        super().process_message(message)
