"""What can be traded at the venue, with the filters that the real venues have (2026)."""

from __future__ import annotations

from decimal import Decimal

import msgspec


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """`category` is `spot` or `linear`, as Bybit says it; a linear contract is settled in its quote asset."""

    category: str
    symbol: str
    base: str
    quote: str
    tick: Decimal
    step: Decimal
    least: Decimal
    most: Decimal
    notional: Decimal

    @property
    def key(self) -> str:
        return f"{self.category}:{self.symbol}"

    @property
    def spot(self) -> bool:
        return self.category == "spot"


def _instrument(category: str, base: str, tick: str, step: str, most: str, notional: str) -> Instrument:
    return Instrument(
        category=category, symbol=f"{base}USDT", base=base, quote="USDT", tick=Decimal(tick), step=Decimal(step),
        least=Decimal(step), most=Decimal(most), notional=Decimal(notional),
    )  # fmt: skip


SPOT = (
    _instrument("spot", "BTC", "0.01", "0.00001", "9000", "5"),
    _instrument("spot", "ETH", "0.01", "0.0001", "9000", "5"),
    _instrument("spot", "SOL", "0.01", "0.001", "90000", "5"),
)
BINANCE_LINEAR = (
    _instrument("linear", "BTC", "0.10", "0.001", "1000", "100"),
    _instrument("linear", "ETH", "0.01", "0.001", "10000", "20"),
    _instrument("linear", "SOL", "0.01", "0.01", "100000", "5"),
)
BYBIT_SPOT = (
    _instrument("spot", "BTC", "0.01", "0.000001", "83", "5"),
    _instrument("spot", "ETH", "0.01", "0.00001", "2000", "5"),
    _instrument("spot", "SOL", "0.01", "0.001", "50000", "5"),
)
BYBIT_LINEAR = (
    _instrument("linear", "BTC", "0.10", "0.001", "1190", "5"),
    _instrument("linear", "ETH", "0.01", "0.01", "7240", "5"),
    _instrument("linear", "SOL", "0.01", "0.1", "79770", "5"),
)

KINDS = {"binance": SPOT, "binanceusdm": BINANCE_LINEAR, "bybit": BYBIT_SPOT + BYBIT_LINEAR}
"""What each kind of venue lists."""

PRICES = {"BTC": Decimal(60000), "ETH": Decimal(3000), "SOL": Decimal(150)}
"""Where prices begin."""

LEVERAGE = Decimal(20)
"""Of all linear positions."""
