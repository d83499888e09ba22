"""ccxt, as people use it, with all its addresses on loopback."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.support.venue import KEY, SECRET


def _moved(addresses: Any, host: str) -> Any:
    if isinstance(addresses, dict):
        return {name: _moved(each, host) for name, each in addresses.items()}
    if not isinstance(addresses, str):
        return addresses
    return re.sub(r"^(http|ws)s?://[^/]+", lambda found: f"{found[1]}://{host}", addresses)


@asynccontextmanager
async def ccxt_client(kind: str, address: str, **options: Any) -> AsyncIterator[Any]:
    """A ccxt.pro client of a venue that is served at an address."""
    from ccxt import pro

    client = getattr(pro, kind)({
        "apiKey": KEY, "secret": SECRET, "enableRateLimit": False, "timeout": 30_000,
        "options": {"warnOnFetchOpenOrdersWithoutSymbol": False, **options},
    })  # fmt: skip
    client.urls["api"] = _moved(client.urls["api"], address.removeprefix("http://"))
    if "hostname" in client.describe():
        client.hostname = "none"
    try:
        yield client
    finally:
        await client.close()


async def seen(watch: Callable[[], Awaitable[list[Any]]], wanted: Callable[[Any], bool], within_s: float = 30) -> Any:
    """What a stream tells until something wanted is among it."""

    async def look() -> Any:
        while True:
            for each in await watch():
                if wanted(each):
                    return each

    return await asyncio.wait_for(look(), within_s)
