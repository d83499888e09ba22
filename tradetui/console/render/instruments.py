"""Names of instruments for people. An instrument is `venue:BASE/QUOTE[:SETTLE]`, as in `binanceusdm:ETH/USDT:USDT`."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache


def pair(instrument: str) -> str:
    """Return an instrument's name without its venue: `ETH/USDT` of `binance:ETH/USDT`."""
    return instrument.partition(":")[2] or instrument


def base(instrument: str) -> str:
    """Return the asset in which sizes are told: `ETH` of `binance:ETH/USDT`."""
    return pair(instrument).partition("/")[0]


def inverse(instrument: str) -> bool:
    """Tell whether an instrument is settled in its base asset; then books and trades tell sizes in contracts."""
    settled = pair(instrument).partition(":")[2]
    return bool(settled) and settled.partition("-")[0] == base(instrument)


@lru_cache(64)
def names(keys: tuple[str, ...]) -> dict[str, str]:
    """Return short names of instruments, none of them twice: ETH, else ETH/USDT, else all of it."""
    found: dict[str, str] = {}
    for form in (lambda key: key.partition(":")[2].partition("/")[0], lambda key: key.partition(":")[2], str):
        left = [key for key in keys if key not in found]
        seen = Counter(form(key) for key in left)
        found |= {key: name for key in left if (name := form(key)) and seen[name] == 1 and name not in found.values()}
    return found
