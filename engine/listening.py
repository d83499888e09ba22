"""The place where clients come in: a unix socket, opened, watched, and put away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from engine.errors import ConsoleError
from engine.unix import bound

log = logging.getLogger(__name__)

BACKLOG = 128
"""Connections that may wait to be taken in."""

PAUSE_S = 0.002
"""Pause after each connection: a thousand at once come in one after the other, and the path comes first."""

RETRY_S = 1.0
"""Pause after the system gave no connection, as when too many files are open."""

Accept = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Listening:
    """A listening socket at a path."""

    def __init__(self, path: Path, accept: Accept, *, buffered: int) -> None:
        """`accept` is called with each connection, of which about `buffered` bytes are read ahead."""
        self._path = path
        self._accept = accept
        self._buffered = buffered
        self._sock: socket.socket | None = None
        self._place: tuple[int, int] | None = None
        self._taking: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to take connections.

        Raises:
            EngineRunning: Somebody answers on the socket.
            SettingsInvalid: What is at its place is not ours.
            OSError: The folder is missing or cannot be written.
        """
        sock = bound(self._path)
        self._place = self._look()
        sock.setblocking(False)
        sock.listen(BACKLOG)
        self._sock = sock
        self._taking = asyncio.create_task(self._take(sock), name="listening")

    async def close(self) -> None:
        """Take no more connections; what is at the socket's place by now may be somebody else's."""
        if self._sock is None or self._taking is None:
            return
        sock, self._sock = self._sock, None
        if self._is_there():
            self._path.unlink(missing_ok=True)
        self._taking.cancel()
        await asyncio.gather(self._taking, return_exceptions=True)
        sock.close()

    async def mend(self) -> str:
        """Open anew where the file was taken away, as a system does with XDG_RUNTIME_DIR at a logout.

        Returns:
            Why that did not go well, or "".
        """
        taking = self._taking is not None and not self._taking.done()
        if self._sock is not None and taking and self._is_there():
            return ""
        await self.close()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.open()
        except (OSError, ConsoleError) as error:
            return str(error)
        log.warning("%s was taken away by somebody, or took nobody any more; made again", self._path)
        return ""

    def _is_there(self) -> bool:
        return self._place is not None and self._look() == self._place

    def _look(self) -> tuple[int, int] | None:
        """Return what is at the socket's path, as (device, inode)."""
        try:
            facts = self._path.lstat()
        except OSError:
            return None
        return facts.st_dev, facts.st_ino

    async def _take(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                taken, _ = await loop.sock_accept(sock)
            except OSError as error:
                log.warning("no connection could be taken: %s", error.strerror or error)
                await asyncio.sleep(RETRY_S)
                continue
            with contextlib.suppress(OSError):
                await loop.connect_accepted_socket(self._protocol, taken)
            await asyncio.sleep(PAUSE_S)

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=self._buffered), self._accept)
