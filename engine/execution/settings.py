"""What the trading core is told: whose money, at what cost, with which paper account."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from engine.orders import Mode

Decimal = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]{1,8})?$")]

Decimals = Annotated[dict[str, Decimal], Meta(extra={"allowed": 'a table of numbers as text, as in {USDT = "10000"}'})]


class Fees(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fees of one venue, bps of what is traded."""

    maker_bps: Annotated[float, Meta(ge=-100, le=1000, description="Fee of a resting order, bps.")]
    taker_bps: Annotated[float, Meta(ge=-100, le=1000, description="Fee of an order that takes, bps.")]


class FeeTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By venue; the defaults are the venues' first tier without discounts."""

    binance: Fees = Fees(maker_bps=10.0, taker_bps=10.0)
    binanceusdm: Fees = Fees(maker_bps=2.0, taker_bps=5.0)
    binancecoinm: Fees = Fees(maker_bps=2.0, taker_bps=5.0)
    bybit: Fees = Fees(maker_bps=10.0, taker_bps=10.0)
    mexc: Fees = Fees(maker_bps=0.0, taker_bps=5.0)


class PaperSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The paper account and its venue: real data, modelled fills."""

    balances: Annotated[Decimals, Meta(description="What the paper account begins with, by asset.")] = msgspec.field(
        default_factory=lambda: {"USDT": "10000"}
    )
    latency_ms: Annotated[
        float, Meta(ge=0, le=60_000, description="Time from an order to the venue's book, ms; the same every time.")
    ] = 50.0
    slippage_bps: Annotated[
        float, Meta(ge=0, le=1000, description="Slippage, bps, where fills are modelled without a book.")
    ] = 1.0
    half_spread_bps: Annotated[
        float, Meta(ge=0, le=1000, description="Half the spread, bps, where fills are modelled without a book.")
    ] = 0.5


class TradingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section `trading`."""

    mode: Annotated[
        Mode,
        Meta(description="Whose money: paper, testnet (the venue's play money), live. Each has a database of its own; "
             "an engine has one mode as long as it runs, and begins in REDUCE until a person arms it."),
    ] = Mode.PAPER  # fmt: skip
    currency: Annotated[str, Meta(pattern=r"^[A-Z0-9]{2,10}$", description="Asset that equity is counted in.")] = "USDT"
    fees: FeeTable = FeeTable()
    paper: PaperSettings = msgspec.field(default_factory=PaperSettings)
