"""Costs: fees in the asset that the venue takes, never rounded in our favour; prices without a book."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.execution.costs import CostModel, costs_of, fees_of, settle_of
from engine.execution.settings import FeeTable, TradingSettings
from engine.orders import Liquidity, Side, units
from tests.engine.execution.papers import PERPETUAL, SPOT

COSTS = CostModel(maker_bps=-0.5, taker_bps=10.0, half_spread_bps=0.5, slippage_bps=1.0)


@pytest.mark.parametrize(
    ("instrument", "side", "asset", "of"),
    [
        (SPOT, Side.BUY, "BTC", "quantity"),
        (SPOT, Side.SELL, "USDT", "value"),
        (PERPETUAL, Side.BUY, "USDT", "value"),
        (PERPETUAL, Side.SELL, "USDT", "value"),
    ],
)
def test_fees_are_taken_of_what_is_received_and_of_contracts_in_the_settle_asset(
    instrument: msgspec.Struct, side: Side, asset: str, of: str
) -> None:
    price, quantity = units("60000.01"), units("0.00123")
    fee = COSTS.fee(instrument, side, price, quantity, Liquidity.TAKER)  # type: ignore[arg-type]
    exact = Decimal("0.00123") * (Decimal("60000.01") if of == "value" else 1) / 1000
    assert fee == (int((exact * 10**8).to_integral_value(ROUND_CEILING)), asset)


@given(st.integers(1, 10**14), st.integers(1, 10**12), st.floats(-10, 100, allow_nan=False), st.sampled_from(Side))
def test_a_fee_is_never_less_than_its_share_and_a_rebate_never_more(
    price: int, quantity: int, bps: float, side: Side
) -> None:
    costs = CostModel(maker_bps=bps, taker_bps=0.0)
    fee, asset = costs.fee(SPOT, side, price, quantity, Liquidity.MAKER)
    whole = Decimal(quantity) if asset == "BTC" else Decimal(price * quantity) / 10**8
    share = whole * Decimal(round(bps * 10**6)) / 10**10
    assert -2 < share - fee <= Decimal("0.5") * abs(Decimal(bps)) / 10**4 + Decimal("1e-6")


@given(st.integers(1, 10**7), st.sampled_from(Side), st.floats(0, 500), st.floats(0, 500))
def test_a_price_without_a_book_is_on_the_grid_and_worse_by_its_costs(
    ticks: int, side: Side, spread: float, slippage: float
) -> None:
    tick = units("0.01")
    costs = CostModel(maker_bps=0, taker_bps=0, half_spread_bps=spread, slippage_bps=slippage)
    price = costs.against(side, ticks * tick, tick)
    assert price % tick == 0
    assert price > 0
    worse = (price - ticks * tick) * side.sign
    wanted = Decimal(ticks * tick) * round((spread + slippage) * 10**6) / 10**10
    assert wanted <= worse < wanted + tick or price == tick


def test_a_round_trip_counts_spread_and_slippage_only_where_one_takes() -> None:
    assert COSTS.one_way_bps(Liquidity.TAKER) == 11.5
    assert COSTS.round_trip_bps() == 23.0
    assert COSTS.round_trip_bps(Liquidity.MAKER) == 11.0
    assert COSTS.round_trip_bps(Liquidity.MAKER, Liquidity.MAKER) == -1.0


def test_costs_come_from_the_settings_by_venue() -> None:
    settings = TradingSettings()
    spot = costs_of(settings, "binance")
    assert spot == CostModel(maker_bps=10.0, taker_bps=10.0, half_spread_bps=0.5, slippage_bps=1.0)
    assert fees_of(FeeTable(), "binanceusdm") == CostModel(maker_bps=2.0, taker_bps=5.0)
    assert costs_of(settings, "elsewhere") is None
    assert fees_of(FeeTable(), "elsewhere") is None


def test_the_settle_asset_is_in_the_key() -> None:
    assert settle_of(SPOT) == settle_of(PERPETUAL) == "USDT"
    dated = msgspec.structs.replace(PERPETUAL, key="binancecoinm:BTC/USD:BTC-240927", base="BTC", quote="USD")
    assert settle_of(dated) == "BTC"
