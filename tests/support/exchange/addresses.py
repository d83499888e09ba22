"""The exchange's addresses: a path prefix per market, then the venue's own paths."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.support.exchange.tape import Market

_MARKETS: dict[str, Market] = {"spot": "spot", "usdm": "usdm", "coinm": "coinm"}
_ROUTES = ("public", "market", "private")


@dataclass(frozen=True, kw_only=True)
class StreamAddress:
    """Where a WebSocket was opened."""

    market: Market
    route: str
    streams: list[str]
    combined: bool


@dataclass(frozen=True, kw_only=True)
class RestAddress:
    """What was requested."""

    market: Market
    path: str
    params: dict[str, str] = field(default_factory=dict)


def parse(url: str) -> StreamAddress | RestAddress | None:
    """Read a URL or a path with its query; None: no such address."""
    parts = urlsplit(url)
    head, _, rest = parts.path.lstrip("/").partition("/")
    market = _MARKETS.get(head)
    if market is None:
        return None
    route, _, inner = rest.partition("/")
    if market == "usdm" and route in _ROUTES:
        rest = inner
    else:
        route = ""
    if rest == "stream":
        names = dict(parse_qsl(parts.query)).get("streams", "")
        return StreamAddress(market=market, route=route, streams=[n for n in names.split("/") if n], combined=True)
    if rest == "ws" or rest.startswith("ws/"):
        names = unquote(rest.removeprefix("ws")).strip("/")
        return StreamAddress(market=market, route=route, streams=[n for n in names.split("/") if n], combined=False)
    return RestAddress(market=market, path="/" + rest, params=dict(parse_qsl(parts.query)))
