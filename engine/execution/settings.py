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
        float,
        Meta(ge=0, le=1000, description="Slippage, bps, of fills on candles alone; nothing is traded on those yet."),
    ] = 1.0
    half_spread_bps: Annotated[
        float,
        Meta(
            ge=0,
            le=1000,
            description="Half the spread, bps, of fills on candles alone; nothing is traded on those yet.",
        ),
    ] = 0.5


Address = Annotated[str, Meta(pattern=r"^$|^(https?|wss?)://[^\s/]", extra={"allowed": "an address or nothing"})]


class TradingAddress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where orders of one venue go; empty is the venue's own address of the mode (live or testnet)."""

    rest: Annotated[Address, Meta(description="REST base address.")] = ""
    ws: Annotated[Address, Meta(description="WebSocket base address of the private stream.")] = ""


class TradingAddresses(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By venue."""

    binance: TradingAddress = TradingAddress()
    binanceusdm: TradingAddress = TradingAddress()
    bybit: TradingAddress = TradingAddress()
    mexc: TradingAddress = TradingAddress()


class TradingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section `trading`."""

    mode: Annotated[
        Mode,
        Meta(description="Whose money: paper, testnet (the venue's play money), live. Each has a database of its own; "
             "an engine has one mode as long as it runs, and begins in REDUCE until a person arms it."),
    ] = Mode.PAPER  # fmt: skip
    currency: Annotated[str, Meta(pattern=r"^[A-Z0-9]{2,10}$", description="Asset that equity is counted in.")] = "USDT"
    fees: FeeTable = FeeTable()
    addresses: TradingAddresses = TradingAddresses()
    priced_by: Annotated[
        dict[str, str],
        Meta(description="Instruments of venues that are traded and not followed, each with the followed one that "
             "prices it, as in \"bybit:BTC/USDT\" = \"binance:BTC/USDT\"; with testnet and live money alone.",
             extra={"allowed": "a table of instruments by instrument"}),
    ] = msgspec.field(default_factory=dict)  # fmt: skip
    paper: PaperSettings = msgspec.field(default_factory=PaperSettings)
