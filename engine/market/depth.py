"""What a book amounts to: volume near the mid, and how liquid it is.

Prices are ticks, volumes lots, sums exact integers. Outside the known range of a book (`low` to `high`, ticks) levels
may be missing: what reaches beyond it is *partial*, a lower bound.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from engine.market.cob import spread_bps
from engine.types import Instrument

BANDS_BPS: tuple[int, ...] = (10, 50, 100)
"""Distances from the mid in basis points: 0.1, 0.5 and 1 per cent."""


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """Volume within `bps` basis points of the mid, in lots, both ends included.

    `bid_partial`, `ask_partial`: the known range ends before the band does, the volume is a lower bound.
    """

    bps: int
    bid: int
    ask: int
    bid_partial: bool
    ask_partial: bool

    @property
    def total(self) -> int:
        """Volume of both sides."""
        return self.bid + self.ask

    @property
    def imbalance(self) -> float | None:
        """(bid - ask) / (bid + ask); None without volume."""
        return imbalance(self.bid, self.ask)

    @property
    def partial(self) -> bool:
        """True when either side is a lower bound."""
        return self.bid_partial or self.ask_partial


def imbalance(bid: float, ask: float) -> float | None:
    """Return (bid - ask) / (bid + ask); None without volume."""
    return (bid - ask) / (bid + ask) if bid + ask else None


def depth(
    bids: Mapping[int, int], asks: Mapping[int, int], low: int, high: int, bands: tuple[int, ...] = BANDS_BPS
) -> tuple[Band, ...]:
    """Return the volume within each distance of the mid: bids at mid - distance and above, asks at mid + and below.

    Args:
        bids: Price to size, as in `Book`.
        asks: The same.
        low: Lowest price of the known range.
        high: Highest price of the known range.
        bands: Distances in basis points, ascending.

    Returns:
        A band for each, and none for a book without a bid or without an ask: it has no mid.
    """
    if not bids or not asks:
        return ()
    # The mid may lie between two ticks; mid x (1 - bps / 10 000) <= price is compared in 1 / 20 000 of a tick.
    middle = max(bids) + min(asks)
    near_bids, near_asks = list(bids.items()), list(asks.items())
    found = []
    for bps in sorted(bands, reverse=True):
        lower, upper = middle * (10_000 - bps), middle * (10_000 + bps)
        first, last = -(-lower // 20_000), upper // 20_000
        near_bids = [level for level in near_bids if level[0] >= first]
        near_asks = [level for level in near_asks if level[0] <= last]
        found.append(
            Band(
                bps=bps,
                bid=sum([size for _, size in near_bids]),
                ask=sum([size for _, size in near_asks]),
                bid_partial=first < low,
                ask_partial=last > high,
            )
        )
    return tuple(reversed(found))


class LiquidityScale(msgspec.Struct, frozen=True, kw_only=True):
    """What counts as half way to a perfect book: a spread in basis points, and a depth in quote units.

    The depth is that of both sides within 0.1 %; farther out proportionally more is asked for.
    """

    spread_bps: float = 1.0
    notional: float = 1_000_000.0


class Liquidity(msgspec.Struct, frozen=True, kw_only=True):
    """A score from 0 to 1 and its parts; `partial`: from depths that are lower bounds, so it is one itself."""

    score: float
    tightness: float
    near: float
    wide: float
    balance: float
    partial: bool


def liquidity(
    bids: Mapping[int, int],
    asks: Mapping[int, int],
    bands: tuple[Band, ...],
    instrument: Instrument,
    scale: LiquidityScale | None = None,
) -> Liquidity | None:
    """Return how liquid a live book is, None where it has no mid.

    score = 0.4 tightness + 0.25 near + 0.25 wide + 0.1 balance, each from 0 to 1 and monotone:

    - tightness = S / (S + spread), S the scale's spread, both in basis points of the mid;
    - near = D / (D + N) with D the notional of both sides within 0.1 % of the mid and N the scale's notional;
    - wide the same within 0.5 %, of five times the notional;
    - balance = smaller side / larger side within 0.5 %, 0 where a side is empty.

    Notionals are taken at the mid price.

    Args:
        bids: Price to size, as in `Book`.
        asks: The same.
        bands: What `depth` returned for the book, with the bands of 10 and 50 basis points.
        instrument: For the units.
        scale: What the book is measured against.

    Raises:
        ValueError: a band is missing.
    """
    if not bids or not asks:
        return None
    scale = scale or LiquidityScale()
    best_bid, best_ask = max(bids), min(asks)
    by_bps = {band.bps: band for band in bands}
    if not {10, 50} <= by_bps.keys():
        raise ValueError(f"liquidity needs the depth within 10 and 50 bps, given are {sorted(by_bps)}")
    near, wide = by_bps[10], by_bps[50]
    # A lot of an inverse market is worth quote units, of a linear one base asset.
    lot = instrument.size(1) * (instrument.contract_size or instrument.price((best_bid + best_ask) / 2))
    tightness = scale.spread_bps / (scale.spread_bps + spread_bps(best_bid, best_ask))
    shares = [band.total * lot / (band.total * lot + band.bps / 10 * scale.notional) for band in (near, wide)]
    larger = max(wide.bid, wide.ask)
    balance = min(wide.bid, wide.ask) / larger if larger else 0.0
    return Liquidity(
        score=0.4 * tightness + 0.25 * shares[0] + 0.25 * shares[1] + 0.1 * balance,
        tightness=tightness,
        near=shares[0],
        wide=shares[1],
        balance=balance,
        partial=wide.partial,
    )
