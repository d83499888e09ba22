"""A word to the service manager: ready, alive, stopping (sd_notify(3), the protocol of NOTIFY_SOCKET)."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(word: str) -> None:
    """Send e.g. `READY=1`; says nothing where nobody asked to be told."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.sendto(word.encode("ascii"), address)
