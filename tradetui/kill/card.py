"""What a running engine leaves behind for the kill switch: whose money, which venues, where. Never a key.

The engine's settings may have come from flags or an environment that whoever kills does not have, and the settings
file may be broken by then.
"""

from __future__ import annotations

import contextlib
import os
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

    `earlier`: where engines of this profile had traded before one on paper left its card, "" nowhere.
    """

    mode: str
    venues: tuple[VenueCard, ...] = ()
    credentials: str = ""
    database: str = ""
    flatten: bool = False
    earlier: str = ""


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
    """Leave the card, for its owner alone, in place of the one before; return what is wrong, or ""."""
    older = read_card(path)
    if not card.venues and older is not None:
        places = f"{older.mode} at {', '.join(venue.name for venue in older.venues)}" if older.venues else ""
        card = msgspec.structs.replace(card, earlier=places or older.earlier)
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
        return f"{path}: {error.strerror or error}; `tradetui kill` goes by an older one, or by the settings"
    return ""


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
