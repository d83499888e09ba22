"""The limits, as settings: every default stands here, and only here. Shares are of equity unless they say otherwise."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(gt=0, le=1)]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the gate holds every order against that adds risk. Orders that only reduce pass most of them."""

    risk_per_trade: Annotated[
        float, Meta(gt=0, le=0.1, description="Largest loss of a trade at its stop, as a share of equity.")
    ] = 0.005
    assumed_stop: Annotated[
        float,
        Meta(
            gt=0, le=0.5, description="Distance of the stop, as a share of the price, assumed for orders without one."
        ),
    ] = 0.02
    max_position: Annotated[
        float, Meta(gt=0, le=10, description="Largest position of one symbol, with its open orders, share of equity.")
    ] = 0.2
    max_exposure: Annotated[
        float, Meta(gt=0, le=10, description="Largest sum of all positions and open orders, share of equity.")
    ] = 0.5
    max_leverage: Annotated[float, Meta(ge=0.1, le=20, description="Largest exposure divided by equity.")] = 1.0
    daily_loss: Annotated[
        float,
        Meta(gt=0, le=1, description="Loss since 00:00 UTC, open positions included, at which no new risk is taken "
             "until the next day."),
    ] = 0.02  # fmt: skip
    drawdown: Annotated[
        float,
        Meta(gt=0, le=1, description="Fall of equity from its peak, open positions included, at which all stops."),
    ] = 0.1
    orders_per_minute: Annotated[int, Meta(ge=1, le=1000, description="Orders that add risk, per minute.")] = 10
    price_collar: Annotated[
        float,
        Meta(
            gt=0, le=0.5, description="Distance beyond the mid at which an order may be priced or filled, to its loss."
        ),
    ] = 0.005
    stale_ms: Annotated[int, Meta(ge=100, le=60_000, description="Age of the book, ms, above which it blocks.")] = 2000
    max_spread_bps: Annotated[
        float, Meta(gt=0, le=1000, description="Spread, bps of the mid, above which it blocks.")
    ] = 10.0
    min_quality: Annotated[
        float, Meta(ge=0, le=1, description="Least data quality for an order that a model wants.")
    ] = 0.8
    losses_in_a_row: Annotated[
        int, Meta(ge=1, le=100, description="Losing trades in a row after which there is a pause.")
    ] = 3
    pause_s: Annotated[float, Meta(ge=0, le=86_400, description="Length of that pause, s.")] = 1800.0
    max_open_trades: Annotated[int, Meta(ge=1, le=100, description="Open trades at a time.")] = 3


class Exits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Exits that every new trade gets where its order names none; 0 is none."""

    stop_loss: Annotated[float, Meta(ge=0, le=0.5, description="Stop-loss, share of the entry price.")] = 0.0
    take_profit: Annotated[float, Meta(ge=0, le=5, description="Take profit, share of the entry price.")] = 0.0
    trailing_bps: Annotated[float, Meta(ge=0, le=5000, description="Trailing stop, bps behind the best price.")] = 0.0
    time_stop_s: Annotated[float, Meta(ge=0, le=31_536_000, description="Time stop, s.")] = 0.0


class Breakers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stops new risk by itself for a while."""

    flash_move: Annotated[
        float, Meta(gt=0, le=0.5, description="Move of the mid within `flash_window_s`, share, that is a flash move.")
    ] = 0.01
    flash_window_s: Annotated[float, Meta(ge=1, le=600, description="Its window, s.")] = 10.0
    flash_pause_s: Annotated[float, Meta(ge=0, le=86_400, description="Pause of that symbol after one, s.")] = 300.0
    venue_failures: Annotated[
        int, Meta(ge=1, le=100, description="Failed or rejected requests in a row at which a venue is paused.")
    ] = 5
    venue_pause_s: Annotated[float, Meta(ge=0, le=86_400, description="Length of that pause, s.")] = 60.0


class Regime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a market condition makes of the limits."""

    size: Annotated[float, Meta(gt=0, le=1, description="Factor of position, exposure and risk limits, and of sizes.")]
    max_spread_bps: Annotated[float, Meta(gt=0, le=1000, description="Spread, bps, above which it blocks.")] = 10.0


class Regimes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sets of parameters by market condition, told by 30-day percentile of volatility, and by spread."""

    calm_below: Annotated[float, Meta(ge=0, le=1, description="Percentile of volatility below which it is calm.")] = 0.3
    wild_above: Annotated[float, Meta(ge=0, le=1, description="Percentile of volatility above which it is wild.")] = 0.9
    wild_spread_bps: Annotated[
        float, Meta(gt=0, le=1000, description="Median spread of a minute, bps, above which it is wild.")
    ] = 5.0
    calm: Regime = Regime(size=1.0)
    normal: Regime = Regime(size=1.0)
    wild: Regime = Regime(size=0.5)


class RiskSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section `risk`."""

    limits: Limits = Limits()
    exits: Exits = Exits()
    breakers: Breakers = Breakers()
    regimes: Regimes = Regimes()
    sizing: Annotated[
        Literal["fraction", "volatility", "kelly"],
        Meta(description="How an order without a quantity is sized: a fixed fraction of risk, a target of volatility, "
             "or capped Kelly (only for calibrated forecasts)."),
    ] = "fraction"  # fmt: skip
    volatility_target: Annotated[
        float, Meta(gt=0, le=5, description="Yearly volatility that a position is sized for, share of equity.")
    ] = 0.2
    kelly_cap: Annotated[float, Meta(gt=0, le=1, description="Largest part of the Kelly fraction that is taken.")] = (
        0.25
    )
    kill_flattens: Annotated[bool, Meta(description="Whether the kill switch also closes positions, unless told.")] = (
        False
    )
    drawdown_flattens: Annotated[bool, Meta(description="Whether the halt by drawdown also closes positions.")] = True
    ramp: Annotated[
        tuple[Share, ...],
        Meta(description="Steps of size with live money; each needs 20 closed trades whose mean net R has a lower 80 % "
             "bound above -0.1."),
    ] = (0.1, 0.25, 0.5, 1.0)  # fmt: skip
