"""What trading costs: one model for fills, for labels and for rewards.

Fees are money of the fill and exact; spread and slippage are assumed only where fills are modelled without a book.
"""

from __future__ import annotations

import msgspec

from engine.execution.money import BPS, FINE, fee, value
from engine.execution.settings import FeeTable, TradingSettings
from engine.orders import Liquidity, Side
from engine.risk.rules import is_derivative
from engine.types import Instrument


class CostModel(msgspec.Struct, frozen=True, kw_only=True):
    """All in bps of what is traded: fees by liquidity (negative is a rebate), half the spread, and slippage."""

    maker_bps: float
    taker_bps: float
    half_spread_bps: float = 0.0
    slippage_bps: float = 0.0

    def fee_bps(self, liquidity: Liquidity) -> float:
        """Return the fee of a fill, bps."""
        return self.maker_bps if liquidity is Liquidity.MAKER else self.taker_bps

    def fee(
        self, instrument: Instrument, side: Side, price: int, quantity: int, liquidity: Liquidity
    ) -> tuple[int, str]:
        """Return the fee of a fill in 1e-8, rounded up, and the asset that it is taken in.

        Spot takes it of what is received: base of a BUY, quote of a SELL; contracts of the settle asset. `price` and
        `quantity` are in 1e-8. Source: Binance, "Spot trading fee", "Futures fee structure" (no discount).
        """
        bps = self.fee_bps(liquidity)
        if is_derivative(instrument.key):
            return fee(value(price, quantity), bps), settle_of(instrument)
        if side is Side.BUY:
            return fee(quantity, bps), instrument.base
        return fee(value(price, quantity), bps), instrument.quote

    def against(self, side: Side, price: int, tick: int) -> int:
        """Return the price at which an order that takes is filled where there is no book, 1e-8.

        It is `price` and half the spread and slippage, to the next step that is no better. At least one step is left.
        """
        share = round((self.half_spread_bps + self.slippage_bps) * FINE)
        whole = BPS * FINE
        exact, per_step = price * (whole + side.sign * share), whole * tick
        steps = -(-exact // per_step) if side is Side.BUY else exact // per_step
        return max(steps, 1) * tick

    def one_way_bps(self, liquidity: Liquidity) -> float:
        """Return what one fill costs, bps: the fee, and for one that takes spread and slippage."""
        if liquidity is Liquidity.MAKER:
            return self.maker_bps
        return self.taker_bps + self.half_spread_bps + self.slippage_bps

    def round_trip_bps(self, entry: Liquidity = Liquidity.TAKER, leave: Liquidity = Liquidity.TAKER) -> float:
        """Return what going in and out costs, bps of the size of one way."""
        return self.one_way_bps(entry) + self.one_way_bps(leave)


def costs_of(settings: TradingSettings, venue: str) -> CostModel | None:
    """Return the costs at a venue as they are set, for fills on candles alone; None where its fees are not known."""
    known = fees_of(settings.fees, venue)
    if known is None:
        return None
    paper = settings.paper
    return msgspec.structs.replace(known, half_spread_bps=paper.half_spread_bps, slippage_bps=paper.slippage_bps)


def fees_of(table: FeeTable, venue: str) -> CostModel | None:
    """Return the fees of a venue alone, for fills against a book; None where they are not known."""
    fees = getattr(table, venue, None)
    return None if fees is None else CostModel(maker_bps=fees.maker_bps, taker_bps=fees.taker_bps)


def settle_of(instrument: Instrument) -> str:
    """Return the asset that a contract is settled in, from its key; the quote asset on spot."""
    settle = instrument.key.partition("/")[2].partition(":")[2].partition("-")[0]
    return settle or instrument.quote
