"""Checks that need the network: every address of every venue, and the clock beside theirs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult

from engine.ingestion.markets import MARKETS, Market, market_of
from engine.ingestion.symbols import full_key
from tradetui.config.sections import Settings
from tradetui.doctor.checks import Check, Outcome, in_thread

ANSWER_S = 5.0
"""Seconds in which an address has to answer."""

CLOSE_S = 0.5
"""Seconds for the goodbye of a WebSocket."""

APART_S = 2.0
"""Seconds between our clock and a venue's above which we warn; their Date header has whole seconds."""

STEPPED_S = 0.2
"""Seconds by which the wall clock may leave the monotonic one while we look."""

FIRST_YEAR = 2025
"""A clock that is before this year was never set."""


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """What one address answered: `ms` until then, and how far our clock is ahead of its Date (seconds), if it said."""

    venue: str
    kind: Literal["rest", "ws"]
    url: str
    ms: float
    problem: str = ""
    ahead_s: float | None = None
    stepped_s: float = 0.0


class _Resolver(AbstractResolver):
    """Resolves names in threads that do not hold up the end of the program, however long a name server is silent."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host."""
        found = await in_thread(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
        return [
            ResolveResult(hostname=host, host=str(at[0]), port=port, family=kind, proto=protocol, flags=0)
            for kind, _, protocol, _, at in found
        ]

    async def close(self) -> None:
        """Nothing to let go."""


async def probe_all(settings: Settings) -> list[Probe]:
    """Ask every address of every venue at once; takes little more than `ANSWER_S` seconds and never raises."""
    async with aiohttp.ClientSession(
        trust_env=True, headers={"User-Agent": "tradetui"}, connector=aiohttp.TCPConnector(resolver=_Resolver())
    ) as session:
        asked = []
        for market in MARKETS.values():
            given = getattr(settings.venues, market.venue)
            asked += [_probe(session, market, "rest", url) for url in given.rest]
            asked += [_probe(session, market, "ws", url) for url in given.ws]
        return await asyncio.gather(*asked)


async def _probe(session: aiohttp.ClientSession, market: Market, kind: Literal["rest", "ws"], url: str) -> Probe:
    ask = _ask_rest if kind == "rest" else _ask_ws
    wall, began = time.time(), time.monotonic()
    problem, said = "", ""
    try:
        async with asyncio.timeout(ANSWER_S):
            said = await ask(session, market, url)
    except TimeoutError:
        problem = f"does not answer within {ANSWER_S:g} s"
    except aiohttp.ClientConnectorDNSError:
        problem = "its name does not resolve"
    except aiohttp.ClientSSLError as error:
        problem = f"no secure connection: {error}"
    except aiohttp.ClientConnectorError as error:
        problem = f"does not connect: {error.strerror or error}"
    except aiohttp.ClientResponseError as error:
        problem = f"answers HTTP {error.status}"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        problem = f"{type(error).__name__}: {error}"
    elapsed = time.monotonic() - began
    return Probe(
        venue=market.venue,
        kind=kind,
        url=url,
        ms=elapsed * 1000,
        problem=problem,
        ahead_s=_ahead(said, wall + elapsed),
        stepped_s=time.time() - wall - elapsed,
    )


async def _ask_rest(session: aiohttp.ClientSession, market: Market, url: str) -> str:
    """Return the Date of the answer to a ping, if it has one."""
    async with session.get(f"{url.rstrip('/')}{market.api}/ping", raise_for_status=True) as response:
        return response.headers.get("Date", "")


async def _ask_ws(session: aiohttp.ClientSession, market: Market, url: str) -> str:
    """Open a WebSocket that follows nothing."""
    opened = await session.ws_connect(f"{url.rstrip('/')}{market.default_route}/ws", autoping=False)
    with contextlib.suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(CLOSE_S):
            await opened.close()
    return ""


def _ahead(date: str, wall: float) -> float | None:
    """Return by how many seconds a time (UTC seconds) is after a Date header, which is half a second old on average."""
    try:
        return wall - parsedate_to_datetime(date).timestamp() - 0.5
    except ValueError:
        return None


async def addresses(probes: asyncio.Task[list[Probe]], settings: Settings) -> list[Check]:
    """Return a check per address. One that does not work fails if nothing is left for a venue that is followed."""
    found = await asyncio.shield(probes)
    followed = {market_of(full_key(symbol)).venue for symbol in settings.data_provider.symbols}
    working = {(probe.venue, probe.kind) for probe in found if not probe.problem}
    checks = []
    for probe in found:
        if not probe.problem:
            checks.append(Check("network", Outcome.PASS, f"{probe.url} answers in {probe.ms:.0f} ms"))
            continue
        left = (probe.venue, probe.kind) in working or probe.venue not in followed
        refused = "HTTP 403" in probe.problem or "HTTP 451" in probe.problem
        trouble = "the venue does not serve this place" if refused else "look at network, name server and proxy"
        checks.append(
            Check(
                "network",
                Outcome.WARN if left else Outcome.FAIL,
                f"{probe.url} {probe.problem}",
                f"{trouble}; other addresses can be set in [venues]",
            )
        )
    return checks


async def clock(probes: asyncio.Task[list[Probe]]) -> Check:
    """Compare our clock with the venues', and with itself."""
    remedy = "set up time synchronisation (timedatectl set-ntp true)"
    now = datetime.now(UTC)
    if now.year < FIRST_YEAR:
        return Check("clock", Outcome.FAIL, f"it says {now:%Y-%m-%d}: it was never set", remedy)
    found = await asyncio.shield(probes)
    stepped = max((abs(probe.stepped_s) for probe in found), default=0.0)
    if stepped > STEPPED_S:
        return Check("clock", Outcome.WARN, f"it was set by {stepped:.1f} s while we looked", remedy)
    ahead = {probe.venue: probe.ahead_s for probe in found if probe.ahead_s is not None}
    if not ahead:
        text = "unknown: no venue told its time"
        return Check("clock", Outcome.WARN, text, "see network below")
    worst = max(ahead, key=lambda venue: abs(ahead[venue]))
    off = ahead[worst]
    text = f"{abs(off):.1f} s {'ahead of' if off > 0 else 'behind'} {worst} (their times are whole seconds)"
    return Check("clock", Outcome.WARN if abs(off) > APART_S else Outcome.PASS, text, remedy * (abs(off) > APART_S))
