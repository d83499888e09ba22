"""Rows of the topics that the socket serves, light to import."""

from __future__ import annotations

import msgspec


class MarketRow(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument in one line.

    Units: prices in quote units; sizes and `volume_24h` in base asset (contracts on inverse markets); `age_ms` since
    the last book update; `change_24h_pct` per cent. None: not known.
    """

    instrument: str
    live: bool
    age_ms: float | None
    tick: float
    best_bid: float | None
    best_ask: float | None
    last: float | None
    last_sell: bool | None
    change_24h_pct: float | None
    high_24h: float | None
    low_24h: float | None
    volume_24h: float | None
    mark: float | None
    funding_rate: float | None


class PriceView(msgspec.Struct, frozen=True, kw_only=True):
    """The best price there is, in quote units, with its source and age; `stale`: nobody should act on it."""

    instrument: str
    price: float | None
    source: str
    age_ms: float | None
    stale: bool


class BarRow(msgspec.Struct, frozen=True, array_like=True):
    """One candle: prices in quote units, sizes in base asset (contracts on inverse markets)."""

    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int
    taker_buy: float
    closed: bool
    complete: bool
    source: str


class TradeRow(msgspec.Struct, frozen=True, array_like=True):
    """One trade: `ts_ms` UTC; `sell`: the taker sold; `large`: worth marking."""

    id: int
    ts_ms: int
    price: float
    size: float
    sell: bool
    large: bool


class HeatRow(msgspec.Struct, frozen=True, array_like=True):
    """One second of the heat map: 40 buckets from `price` upwards, `size` wide, base asset; `partial`: lower bounds."""

    second: int
    price: float
    size: float
    best_bid: float
    best_ask: float
    bids: tuple[float, ...]
    asks: tuple[float, ...]
    partial: tuple[bool, ...]


class ReplayView(msgspec.Struct, frozen=True, kw_only=True):
    """Where a replay stands.

    Units: times UTC ns; `speed` recorded seconds per second, 0.0 is as fast as possible. `end` is None until the files
    have been read through, and with it come `notes`: what of them was skipped. `seeking` is the time that is being
    sought, `progress` the share of the way there (0 to 1). `ended`: there is nothing to come; one can seek back.
    `messages` and `refused` count the recorded lines up to `position`, and those of them that gave no event.
    """

    position: int
    start: int
    end: int | None
    speed: float
    paused: bool
    ended: bool
    seeking: int | None
    progress: float | None
    messages: int
    refused: int
    files: tuple[str, ...]
    notes: tuple[str, ...]
