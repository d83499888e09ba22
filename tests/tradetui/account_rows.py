"""Rows of the topics about trading, as an engine tells them; figures are made by hand, and fit each other."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.tradingviews import (
    EquityView,
    FillView,
    JournalView,
    LimitView,
    OrderView,
    PositionView,
    PreviewView,
    RegimeView,
    RiskView,
    SwitchView,
    TradingView,
    VenueView,
)
from engine.types import SECOND

ETH, BTC = "binance:ETH/USDT", "binance:BTC/USDT"

NOW = 1_722_859_200 * SECOND
"""2024-08-05 12:00:00 UTC."""


def trading(**changed: Any) -> TradingView:
    fields: dict[str, Any] = {
        "mode": "paper", "state": "reduce",
        "reasons": ("not armed since the engine began: type PAPER (M, or `tradetui arm`) to let orders add risk",),
        "armed": False, "latched": False, "word": "PAPER", "currency": "USDT", "equity": "10182.4", "day_pnl": "76.8",
        "drawdown": 0.0061, "exposure": "1341", "unrealised": "-0.25", "realised": "79.1", "fees": "2.325",
        "funding": "0", "open_orders": 3, "unresolved": 0, "open_trades": 1, "positions": 1, "blind_s": 0.0,
        "blind_from": 0,
        "switches": tuple(SwitchView(name=name, on=True) for name in ("trading", "entries", "exits", ETH)),
        "venues": (), "balances": {"USDT": "8681.175", "ETH": "0.5"}, "instruments": (ETH, BTC),
    }  # fmt: skip
    return TradingView(**(fields | changed))


def active(**changed: Any) -> TradingView:
    return trading(**({"state": "active", "reasons": (), "armed": True} | changed))


def venue(**changed: Any) -> VenueView:
    fields: dict[str, Any] = {
        "name": "bybit", "connected": True, "clock_ms": -41.0, "trade": True, "withdraw": None, "reconciled": NOW,
        "differences": ("0.25 ETH more than was known here: a fill while no engine ran, or a transfer",),
        "paused_s": 0.0, "trouble": "",
    }  # fmt: skip
    return VenueView(**(fields | changed))


def position(**changed: Any) -> PositionView:
    fields: dict[str, Any] = {
        "instrument": ETH, "mode": "paper", "quantity": "0.5", "average": "2682.5", "mark": "2682",
        "value": "1341", "unrealised": "-0.25", "unrealised_pct": -0.0186, "realised": "0", "fees": "1.3413",
        "funding": "0", "stop_loss": "2681.95", "take_profit": "2684", "trailing_bps": 0.0, "time_stop": 0,
        "stop_held": "engine", "r": -0.91, "opened": NOW - 720 * SECOND, "trade": "t-1",
    }  # fmt: skip
    return PositionView(**(fields | changed))


def order(number: int = 1, **changed: Any) -> OrderView:
    fields: dict[str, Any] = {
        "id": f"k3x-{number}", "venue_id": "", "instrument": ETH, "mode": "paper", "side": "buy", "type": "limit",
        "quantity": "0.25", "filled": "0", "price": "2682.25", "stop_price": "", "average": "", "time_in_force": "gtc",
        "reduce_only": False, "post_only": False, "origin": "operator", "oco": "", "state": "working", "open": True,
        "reason": "", "fees": {}, "created": NOW - 60 * SECOND, "updated": NOW - 60 * SECOND,
    }  # fmt: skip
    return OrderView(**(fields | changed))


def orders() -> list[OrderView]:
    """Return an entry that was filled, its exits, an order that waits, and one that was rejected; newest first."""
    over = {"open": False, "created": NOW - 720 * SECOND, "updated": NOW - 719 * SECOND}
    away = {"side": "sell", "quantity": "0.5", "reduce_only": True, "origin": "exit", "oco": "k3x-1", "price": ""}
    return [
        order(5, post_only=True),
        order(4, **(over | {
            "state": "rejected", "type": "market", "price": "", "quantity": "0.0001",
            "reason": "0.0001 ETH is worth 0.27 USDT, below the venue's least of 5 USDT: order more",
        })),
        order(3, **(away | {"type": "take_profit", "stop_price": "2684"})),
        order(2, **(away | {"type": "stop", "stop_price": "2681.95"})),
        order(1, **(over | {
            "state": "filled", "type": "market", "quantity": "0.5", "filled": "0.5", "average": "2682.5", "price": "",
            "fees": {"ETH": "0.0005"},
        })),
    ]  # fmt: skip


def fill(number: int = 1, **changed: Any) -> FillView:
    fields: dict[str, Any] = {
        "id": f"k3x-1/{number}", "order": "k3x-1", "instrument": ETH, "mode": "paper", "side": "buy",
        "price": "2682.5", "quantity": "0.25", "fee": "0.00025", "fee_asset": "ETH", "liquidity": "taker",
        "realised": "", "ts": NOW - 720 * SECOND,
    }  # fmt: skip
    return FillView(**(fields | changed))


def trade(**changed: Any) -> JournalView:
    fields: dict[str, Any] = {
        "id": "t-0", "instrument": BTC, "mode": "paper", "side": "long", "quantity": "0.01", "entry": "60210.5",
        "exit": "60980.1", "opened": NOW - 7200 * SECOND, "closed": NOW - 3600 * SECOND, "gross": "7.696",
        "fees": "1.2119", "funding": "0", "net": "6.4841", "r": 1.08, "reason": "take profit",
    }  # fmt: skip
    return JournalView(**(fields | changed))


def limit(name: str = "max_position", **changed: Any) -> LimitView:
    fields: dict[str, Any] = {
        "name": name, "value": 0.2, "used": 0.1317, "least": 0.0, "most": 10.0, "unit": "share",
        "explained": "Largest position of one symbol, with its open orders, share of equity.",
    }  # fmt: skip
    return LimitView(**(fields | changed))


def limits() -> tuple[LimitView, ...]:
    return (
        limit("risk_per_trade", value=0.005, used=0.000027, most=0.1,
              explained="Largest loss of a trade at its stop, as a share of equity."),
        limit(),
        limit("max_exposure", value=0.5, used=0.1317, explained="Largest sum of all positions and open orders."),
        limit("max_leverage", value=1.0, used=0.1317, least=0.1, most=20.0, unit="x", explained="Leverage."),
        limit("daily_loss", value=0.02, used=0.0, most=1.0, explained="Loss since 00:00 UTC at which entries end."),
        limit("drawdown", value=0.1, used=0.0061, most=1.0, explained="Fall from the peak at which all stops."),
        limit("orders_per_minute", value=10.0, used=9.0, least=1.0, most=1000.0, unit="1/min",
              explained="Orders that add risk, per minute."),
        limit("stale_ms", value=2000.0, used=None, least=100.0, most=60_000.0, unit="ms",
              explained="Age of the book above which it blocks."),
        limit("max_open_trades", value=3.0, used=1.0, least=1.0, most=100.0, unit="", explained="Open trades."),
    )  # fmt: skip


def risk(**changed: Any) -> RiskView:
    fields: dict[str, Any] = {
        "limits": limits(), "equity": "10182.4", "peak": "10244.9", "day_start": "10100", "drawdown": 0.0061,
        "daily": 0.0, "exposure": 0.1317, "leverage": 0.1317, "var": "58.2", "es": "81.4", "samples": 364,
        "hit_rate": 0.58, "mean_r": 0.21, "trades": 12, "losses_in_a_row": 1, "pause_until": 0,
        "orders_last_minute": 9, "ramp": 1.0, "ramp_told": "",
        "regimes": (
            RegimeView(instrument=ETH, regime="normal", percentile=0.42, spread_bps=0.04, size=1.0),
            RegimeView(instrument=BTC, regime="wild", percentile=0.93, spread_bps=0.02, size=0.5),
        ),
        "breakers": (), "protections": ("ETH/USDT: stop 2681.95, target 2684",),
    }  # fmt: skip
    return RiskView(**(fields | changed))


def equity() -> EquityView:
    """Return two hours, a point a minute: up, a dent, and up again."""
    values = [10_100 + 1.2 * minute - (40 if 60 <= minute < 75 else 0) for minute in range(120)]
    peak, points = 0.0, []
    for minute, value in enumerate(values):
        peak = max(peak, value)
        points.append((NOW // SECOND - 7200 + 60 * minute, value, 1 - value / peak))
    return EquityView(points=tuple(points))


def preview(**changed: Any) -> PreviewView:
    fields: dict[str, Any] = {
        "instrument": ETH, "side": "buy", "type": "market", "quantity": "0.01", "price": "2682.01", "cost": "26.8201",
        "fee": "0.00001", "fee_asset": "ETH", "slippage_bps": 0.2, "risk": "0.5364", "risk_share": 0.00005268,
        "reward": "", "position_after": "0.51", "exposure_after": 0.1343, "allowed": True, "refusals": (), "notes": (),
    }  # fmt: skip
    return PreviewView(**(fields | changed))


REFUSAL = (
    "the order would lose 76.20 USDT at its stop of 2,860, 0.75 % of equity; the limit is 0.50 % (risk_per_trade): "
    "order 0.33 ETH or less, or set a nearer stop"
)


def everything(*, apart: int = 0, **changed: Any) -> dict[str, Any]:
    """Return all topics about trading by name, so many ns later."""
    told = {
        "trading": active(), "positions": [position()], "orders": orders(), "fills": [fill(2), fill(1)],
        "journal": [trade()], "risk": risk(), "equity": equity(), **changed,
    }  # fmt: skip
    for topic in ("positions", "orders", "fills", "journal"):
        told[topic] = [_later(row, apart) for row in told[topic]]
    points = tuple((second + apart // SECOND, *rest) for second, *rest in told["equity"].points)
    return told | {"equity": EquityView(points=points)}  # type: ignore[arg-type, unused-ignore]


def _later(row: Any, apart: int) -> Any:
    times = {
        name: getattr(row, name) + apart
        for name in ("opened", "closed", "created", "updated", "ts")
        if hasattr(row, name)
    }
    return msgspec.structs.replace(row, **times)
