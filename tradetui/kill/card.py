"""What a running engine leaves behind for the kill switch: whose money, which venues, where. Never a key.

The engine's settings may have come from flags or an environment that whoever kills does not have, and the settings
file may be broken by then. A card that cannot be written puts the one before it aside: that is an older engine's.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import msgspec

SIZE_MOST = 1 << 20

ADDRESSES: dict[str, dict[str, str]] = {
    "live": {
        "binance": "https://api.binance.com",
        "binanceusdm": "https://fapi.binance.com",
        "bybit": "https://api.bybit.com",
        "mexc": "https://api.mexc.com",
    },
    "testnet": {
        "binance": "https://testnet.binance.vision",
        "binanceusdm": "https://testnet.binancefuture.com",
        "bybit": "https://api-testnet.bybit.com",
    },
}
"""REST addresses of the venues by mode.

Source: developers.binance.com, "Spot: General API Information", "USDS-Margined Futures: General Info" and the two
testnets' pages; bybit-exchange.github.io/docs/v5/guide, "Authentication"; mexc.com/api-docs/spot-v3, "Base endpoint".
"""


class VenueCard(msgspec.Struct, frozen=True, kw_only=True):
    """One venue: where it is reached, and the instruments that are traded there (`BASE/QUOTE[:SETTLE]`)."""

    name: str
    url: str
    instruments: tuple[str, ...] = ()


class KillCard(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed to cancel everything; `credentials` and `database` are paths, "" without one.

    `earlier`: where engines of this profile had traded before one on paper left its card, "" nowhere. `pid` is the
    process that left it, `at` when (UTC ns; 0: nobody knows).
    """

    mode: str
    venues: tuple[VenueCard, ...] = ()
    credentials: str = ""
    database: str = ""
    flatten: bool = False
    earlier: str = ""
    pid: int = 0
    at: int = 0


def make_card(
    mode: str,
    instruments: tuple[str, ...],
    *,
    urls: dict[str, str] | None = None,
    credentials: str = "",
    database: Path | None = None,
    flatten: bool = False,
) -> KillCard:
    """Return the card of an engine that trades `instruments` (`venue:BASE/QUOTE[:SETTLE]`).

    `urls` are addresses other than the venues' own. In paper mode there is nothing at any venue.
    """
    venues: dict[str, list[str]] = {}
    for key in instruments if mode != "paper" else ():
        venue, _, name = key.partition(":")
        venues.setdefault(venue, []).append(name)
    known = ADDRESSES.get(mode, {}) | (urls or {})
    return KillCard(
        mode=mode,
        venues=tuple(
            VenueCard(name=venue, url=known.get(venue, ""), instruments=tuple(names)) for venue, names in venues.items()
        ),
        credentials=credentials,
        database=str(database) if database is not None else "",
        flatten=flatten,
    )


def write_card(path: Path, card: KillCard) -> str:
    """Leave the card, for its owner alone, in place of the one before; return what is wrong and goes wrong, or ""."""
    older = read_card(path) or read_card(aside(path))
    if not card.venues and older is not None:
        card = msgspec.structs.replace(card, earlier=where(older) if older.venues else older.earlier)
    if not card.at:
        card = msgspec.structs.replace(card, pid=os.getpid(), at=time.time_ns())
    part = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(card))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        return f"{path}: {error.strerror or error}; this engine trades {where(card)}, and {_believed(path, older)}"
    with contextlib.suppress(OSError):
        aside(path).unlink(missing_ok=True)
    return ""


def _believed(path: Path, older: KillCard | None) -> str:
    """Put the card of an older engine aside; return what a kill goes by now."""
    found = "`tradetui kill` without this engine goes by the settings that it finds"
    if older is None:
        return found
    left = f"{where(older)}, as {by(older)} left it"
    try:
        if path.exists():  # needs no room, unlike a mark
            path.replace(aside(path))
    except OSError:
        return (
            f"`tradetui kill` goes by {left}, too; when this engine has ended in order it would take that for this "
            "engine's: do not end it before this is mended"
        )
    return f"{found}, and by {left}; it says so, and never that all is done, unless both are the same"


def aside(path: Path) -> Path:
    """Return where the card of an older engine is put, when the one after it could leave none."""
    return path.with_name(f"{path.name}.old")


def where(card: KillCard) -> str:
    """Return in words what is traded: `live at binance, bybit`, `paper`."""
    return f"{card.mode} at {', '.join(venue.name for venue in card.venues)}" if card.venues else card.mode


def by(card: KillCard) -> str:
    """Return in words who left an older card."""
    return f"an older one (pid {card.pid}, {dated(card.at)})" if card.at else "an older one"


def dated(at: int) -> str:
    """Return a time (UTC ns) for people."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(at // 1_000_000_000))


def ago(at: int) -> str:
    """Return how long ago a time (UTC ns) is, as `5 h ago`."""
    seconds = max(time.time_ns() - at, 0) // 1_000_000_000
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"


def read_card(path: Path) -> KillCard | None:
    """Return the card, or None if there is none that can be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            return msgspec.json.decode(os.read(descriptor, SIZE_MOST), type=KillCard)
        finally:
            os.close(descriptor)
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError):
        return None
