"""Every setting of trading and risk has an effect: for each key one case, from the key to what is done otherwise.

The cases are those of `test_settings_effects`, which sees that no setting is without one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.approval import Refused
from engine.execution.account import Account
from engine.execution.costs import costs_of, fees_of
from engine.operator import Flatten, Kill
from engine.orders import Answered, Mode, OrderSpec, OrderType, Origin, Side, TradingState
from engine.risk import checks, sizing
from engine.risk.regimes import RegimeTracker
from engine.risk.rules import assumed
from engine.risk.situation import Situation
from engine.trading.judging import judge
from engine.trading.marks import mark_of
from engine.trading.turn import Turn
from engine.trading.views import positions_view, trading_view
from engine.types import SECOND
from tests.engine.support import BTC
from tests.engine.trading.books import KEY, Books
from tradetui import trading as joined
from tradetui.config import load
from tradetui.config.schema import SETTINGS
from tradetui.config.sections import Settings
from tradetui.credentials import Credentials, Secret
from tradetui.places import places
from tradetui.stored import Stored

CASES: dict[str, Callable[[str], None]] = {}

WIDE = {
    "risk.limits.max_position": 1.0, "risk.limits.max_exposure": 1.0, "risk.limits.risk_per_trade": 0.1,
    "risk.limits.orders_per_minute": 100, "risk.limits.max_spread_bps": 1000.0, "risk.limits.price_collar": 0.5,
    "risk.regimes.normal.max_spread_bps": 1000.0, "risk.regimes.wild_spread_bps": 1000.0,
    "risk.breakers.flash_move": 0.5,
}  # fmt: skip


def case(*keys: str) -> Callable[[Callable[[str], None]], Callable[[str], None]]:
    """Register what shows the effect of these keys."""

    def register(function: Callable[[str], None]) -> Callable[[str], None]:
        assert not CASES.keys() & set(keys)
        CASES.update(dict.fromkeys(keys, function))
        return function

    return register


@pytest.mark.parametrize("key", CASES)
def test_the_setting_has_an_effect(key: str) -> None:
    CASES[key](key)


def test_every_setting_of_trading_has_a_case() -> None:
    assert set(CASES) == {setting.key for setting in SETTINGS.values() if setting.path[0] in ("trading", "risk")}


def chosen(flags: dict[str, Any]) -> Settings:
    return load(None, {"HOME": "/nowhere"}, flags=flags)


def books(key: str = "", value: Any = None, **more: Any) -> Books:
    """Books under wide limits, with one key set."""
    named = {name.replace("__", "."): item for name, item in more.items()}
    settings = chosen({**WIDE, **named, **({key: value} if key else {})})
    return Books(settings.risk, settings.trading)


def buy(on: Books, quantity: str = "0.05", **more: Any) -> Answered:
    return on.order("buy", quantity, **more)


def lose(on: Books) -> None:
    """Buy, see the price fall by 1 %, sell, and see it come back."""
    buy(on)
    on.move(5_939_900, 5_940_100)
    on.ask(Flatten(symbol=KEY))
    on.wait(3.0)
    on.move(5_999_900, 6_000_100)
    on.wait()


# Limits. --------------------------------------------------------------------------------------------------------------


@case("risk.limits.max_position", "risk.limits.max_exposure", "risk.limits.max_leverage", "risk.limits.risk_per_trade")
def _size(key: str) -> None:
    name = key.rpartition(".")[2]
    assert buy(books(key, 0.1 if name == "risk_per_trade" else 1.0), stop_loss="57000").done
    refused = buy(books(key, 0.001 if name == "risk_per_trade" else 0.2), stop_loss="57000")
    assert (refused.done, refused.code) == (False, name)


@case("risk.limits.assumed_stop")
def _assumed(key: str) -> None:
    assert buy(books(key, 0.02, risk__limits__risk_per_trade=0.01)).done
    assert buy(books(key, 0.1, risk__limits__risk_per_trade=0.01)).code == "risk_per_trade"


@case("risk.limits.daily_loss")
def _day(key: str) -> None:
    for share, done in ((0.5, True), (0.001, False)):
        on = books(key, share)
        lose(on)
        answer = buy(on)
        assert (answer.done, on.account.drawdown.day_blocked) == (done, not done)


@case("risk.limits.drawdown", "risk.drawdown_flattens")
def _drawdown(key: str) -> None:
    for share, flattens, state, left in (
        (0.5, True, "active", 1),
        (0.002, True, "halted", 0),
        (0.002, False, "halted", 1),
    ):
        on = books("risk.limits.drawdown", share, risk__drawdown_flattens=flattens)
        buy(on)
        on.move(5_939_900, 5_940_100)
        for _ in range(3):
            on.wait()
        found = trading_view(on.driver.state, on.account, on.now)
        assert (found.state, found.positions) == (state, left)


@case("risk.limits.orders_per_minute")
def _minute(key: str) -> None:
    for most, codes in ((100, ["", ""]), (1, ["", "orders_per_minute"])):
        on = books(key, most)
        assert [buy(on, "0.001").code for _ in range(2)] == codes


@case("risk.limits.price_collar")
def _collar(key: str) -> None:
    assert books(key, 0.1).order("buy", "0.01", "limit", price="61000").done
    assert books(key, 0.01).order("buy", "0.01", "limit", price="61000").code == "price_collar"


@case("risk.limits.stale_ms")
def _stale(key: str) -> None:
    for most, code in ((60_000, ""), (100, "stale_ms")):
        on = books(key, most)
        on.now += SECOND
        assert on.ask_only("buy", "0.01").code == code


@case("risk.limits.max_spread_bps", "risk.regimes.normal.max_spread_bps")
def _spread(key: str) -> None:
    for most, code in ((10.0, ""), (0.1, "max_spread_bps")):
        on = books(key, most)
        on.wait()
        assert buy(on, "0.01").code == code


@case("risk.limits.min_quality")
def _quality(key: str) -> None:
    for least, passes in ((0.4, True), (0.8, False)):
        on = books(key, least)
        spec = OrderSpec(
            id="m", instrument=KEY, side=Side.BUY, type=OrderType.MARKET, quantity=10**6, origin=Origin.MODEL
        )
        verdict = judge(Turn(on.driver.state, on.account, on.now), spec, quality=0.5)
        assert isinstance(verdict, Refused) is not passes


@case("risk.limits.losses_in_a_row", "risk.limits.pause_s")
def _pause(key: str) -> None:
    for row, pause, code in ((3, 1800.0, ""), (1, 1800.0, "losses_in_a_row"), (1, 0.0, "")):
        on = books("risk.limits.losses_in_a_row", row, risk__limits__pause_s=pause)
        lose(on)
        assert buy(on).code == code


@case("risk.limits.max_open_trades")
def _open_trades(key: str) -> None:
    for most, refusals in ((3, 0), (2, 1)):
        limits = chosen({key: most}).risk.limits
        found = checks.pace(limits, Situation(now=0, state=TradingState.ACTIVE, open_trades=2))
        assert len(list(found)) == refusals


# Exits. ---------------------------------------------------------------------------------------------------------------


@case("risk.exits.stop_loss", "risk.exits.take_profit", "risk.exits.trailing_bps", "risk.exits.time_stop_s")
def _exits(key: str) -> None:
    value, shown = {
        "stop_loss": (0.05, "stop_loss"), "take_profit": (0.05, "take_profit"), "trailing_bps": (100.0, "trailing_bps"),
        "time_stop_s": (60.0, "time_stop"),
    }[key.rpartition(".")[2]]  # fmt: skip
    for given, there in ((0.0, False), (value, True)):
        on = books(key, given)
        buy(on)
        on.wait()
        (position,) = positions_view(on.driver.state, on.account)
        assert bool(getattr(position, shown)) is there


# Breakers. ------------------------------------------------------------------------------------------------------------


@case("risk.breakers.flash_move", "risk.breakers.flash_window_s", "risk.breakers.flash_pause_s")
def _flash(key: str) -> None:
    for move, window, pause, code in (
        (0.02, 10.0, 300.0, ""), (0.005, 10.0, 300.0, "breaker"), (0.005, 1.0, 300.0, ""), (0.005, 10.0, 0.0, ""),
    ):  # fmt: skip
        on = books(
            "risk.breakers.flash_move", move, risk__breakers__flash_window_s=window, risk__breakers__flash_pause_s=pause
        )
        on.wait()
        on.move(6_019_900, 6_020_100, 2.0)
        on.wait(2.0)
        on.move(6_039_900, 6_040_100, 2.0)
        on.wait(2.0)
        assert buy(on, "0.01").code == code, (move, window, pause)


@case("risk.breakers.venue_failures", "risk.breakers.venue_pause_s")
def _venue(key: str) -> None:
    for most, pause, opened in ((5, 60.0, False), (2, 60.0, True), (2, 0.0, False)):
        named = {"risk.breakers.venue_failures": most, "risk.breakers.venue_pause_s": pause}
        settings = chosen(named)
        breaker = Account(settings.trading, settings.risk, prefix="x", venues=("binance",)).venue_breakers["binance"]
        for _ in range(2):
            breaker.failed(SECOND, "HTTP 503")
        assert bool(breaker.open(2 * SECOND)) is opened


# Conditions of the market. --------------------------------------------------------------------------------------------


def tracker(flags: dict[str, Any], percentile: str) -> RegimeTracker:
    """A tracker that has seen hours which grow wilder, or calmer; planted, as a control."""
    found = RegimeTracker(chosen(flags).risk.regimes)
    sizes = np.linspace(1e-4, 1e-2, 600)
    moves = (sizes if percentile == "high" else sizes[::-1]) * np.where(np.arange(600) % 2, 1, -1)
    found.closes(list(100 * np.exp(np.cumsum(moves))))
    return found


@case("risk.regimes.calm_below", "risk.regimes.wild_above")
def _thresholds(key: str) -> None:
    name = key.rpartition(".")[2]
    seen = {value: tracker({key: value}, "low" if name == "calm_below" else "high").regime for value in (0.0, 0.5, 1.0)}
    assert list(seen.values()) == (["normal", "calm", "calm"] if name == "calm_below" else ["wild", "wild", "normal"])


@case("risk.regimes.wild_spread_bps")
def _wide(key: str) -> None:
    for most, regime in ((5.0, "unknown"), (0.1, "wild")):
        on = books(key, most)
        on.wait()
        assert on.account.regimes[KEY].regime == regime


@case(
    "risk.regimes.calm.size", "risk.regimes.normal.size", "risk.regimes.wild.size",
    "risk.regimes.calm.max_spread_bps", "risk.regimes.wild.max_spread_bps",
)  # fmt: skip
def _parameters(key: str) -> None:
    *_, regime, name = key.split(".")
    flags = {"calm": {}, "normal": {"risk.regimes.calm_below": 0.0}, "wild": {}}[regime]
    for value in (0.25, 0.75):
        found = tracker({**flags, key: value}, "high" if regime == "wild" else "low")
        assert found.regime == regime
        assert getattr(found.parameters, name) == value


# Size. ----------------------------------------------------------------------------------------------------------------


def sized(flags: dict[str, Any]) -> int | Refused:
    """What an order of 10,000 USDT with a stop 2 % away would be, of a market with a volatility of 50 %."""
    situation = Situation(now=0, state=TradingState.ACTIVE, equity=10_000 * 10**8, mid=100 * 10**8, free=10**14)
    worth = sizing.Calibrated(probability=0.6, payoff=1.0)
    settings = chosen({**WIDE, **flags}).risk
    return sizing.size(settings, situation, Side.BUY, 100 * 10**8, 98 * 10**8, 0.5, assumed(BTC), worth)


@case("risk.sizing", "risk.volatility_target", "risk.kelly_cap")
def _sizing(key: str) -> None:
    assert sized({"risk.sizing": "fraction", "risk.limits.risk_per_trade": 0.01}) == 50 * 10**8
    assert sized({"risk.sizing": "volatility", "risk.volatility_target": 0.2}) == 40 * 10**8
    assert sized({"risk.sizing": "volatility", "risk.volatility_target": 0.1}) == 20 * 10**8
    assert sized({"risk.sizing": "kelly", "risk.kelly_cap": 0.1, "risk.limits.risk_per_trade": 0.1}) == 100 * 10**8
    assert sized({"risk.sizing": "kelly", "risk.kelly_cap": 0.01}) == 10 * 10**8
    on = books("risk.sizing", "kelly")
    assert buy(on, "").code == "uncalibrated"


@case("risk.ramp")
def _ramp(key: str) -> None:
    for steps in ([0.1, 1.0], [0.5, 1.0]):
        assert books(key, steps).account.ramp.share == steps[0]


@case("risk.kill_flattens")
def _kill(key: str) -> None:
    for flattens, left in ((True, 0), (False, 1)):
        on = books(key, flattens)
        buy(on)
        on.ask(Kill())
        on.wait(3.0)
        assert trading_view(on.driver.state, on.account, on.now).positions == left


# The account. ---------------------------------------------------------------------------------------------------------


@case("trading.paper.balances")
def _balances(key: str) -> None:
    on = books(key, {"USDT": "500", "BTC": "0.5"})
    on.wait()
    assert trading_view(on.driver.state, on.account, on.now).equity == "30500"


@case("trading.currency")
def _currency(key: str) -> None:
    on = books(key, "BTC", trading__paper__balances={"USDT": "0", "BTC": "2"})
    on.wait()
    found = trading_view(on.driver.state, on.account, on.now)
    assert (found.currency, found.equity) == ("BTC", "2")


@case("trading.paper.latency_ms")
def _latency(key: str) -> None:
    for ms in (50.0, 150.0):
        on = books(key, ms)
        buy(on)
        (fill, _) = on.account.fills[0]
        assert fill.ts - on.account.orders.by_id[fill.order].created == int(ms * 10**6)


@case("trading.paper.slippage_bps", "trading.paper.half_spread_bps")
def _modelled(key: str) -> None:
    costs = [costs_of(chosen({key: bps}).trading, "binance") for bps in (0.0, 7.0)]
    assert costs[0] is not None
    assert costs[1] is not None
    assert costs[1].round_trip_bps() - costs[0].round_trip_bps() == pytest.approx(14.0)


@case("trading.fees.binance.taker_bps", "trading.fees.binance.maker_bps")
def _fees(key: str) -> None:
    for bps, fee in ((10.0, 1000), (25.0, 2500)):
        on = books(key, bps)
        if "taker" in key:
            buy(on, "0.01")
        else:
            on.order("buy", "0.01", "limit", price="59999")
            on.move(5_999_800, 6_000_000)
            on.move(5_999_700, 5_999_800)
            on.wait()
        assert [fill.fee for fill, _ in on.account.fills] == [fee]


@case(*(f"trading.fees.{venue}.{name}_bps" for venue in ("binanceusdm", "binancecoinm", "bybit", "mexc")
        for name in ("maker", "taker")))  # fmt: skip
def _fees_elsewhere(key: str) -> None:
    *_, venue, name = key.split(".")
    for bps in (1.5, 4.0):
        assert getattr(fees_of(chosen({key: bps}).trading.fees, venue), name) == bps


@case("trading.mode")
def _mode(key: str) -> None:
    assert Books(trading=chosen({}).trading).account.paper is not None
    live = Account(chosen({key: "live"}).trading, chosen({}).risk, prefix="x", venues=("binance",))
    assert (live.mode, live.paper, list(live.ledgers)) == (Mode.LIVE, None, ["binance"])


@case("trading.priced_by")
def _priced_by(key: str) -> None:
    other = "bybit:BTC/USDT"
    for routes, price in (({}, None), ({other: KEY}, 60_000 * 10**8)):
        on = books()
        settings = chosen({key: routes, "trading.mode": "testnet"})
        on.driver.state.account = Account(settings.trading, settings.risk, prefix="x", venues=("bybit",))
        assert mark_of(on.driver.state, other) == price


@case(*(f"trading.addresses.{venue}.{kind}" for venue in ("binance", "binanceusdm", "bybit", "mexc")
        for kind in ("rest", "ws")))  # fmt: skip
def _addresses(key: str) -> None:
    *_, venue, kind = key.split(".")
    address = "https://a.example" if kind == "rest" else "wss://a.example"
    given: list[dict[str, Any]] = []

    class Noted:
        def __init__(self, *_: object, **named: Any) -> None:
            given.append(named)

    flags: dict[str, Any] = {"trading.mode": "testnet", key: address}
    symbol = f"{venue}:BTC/USDT" + (":USDT" if venue == "binanceusdm" else "")
    if venue in ("bybit", "mexc"):
        flags["trading.priced_by"] = {symbol: KEY}
    else:
        flags["data_provider.symbols"] = [symbol]
    settings = chosen(flags)
    here = places("default", {"HOME": "/nowhere"})
    keys = {venue: Credentials(api_key=Secret("k" * 8), api_secret=Secret("s" * 8), source="environment")}
    trading = joined.Trading(settings, here, Stored(here, settings.storage), keys, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.execution.ccxt_venue.CcxtVenue", Noted)
        on = books()
        on.driver.feeds = []  # type: ignore[attr-defined]
        on.driver.tell = on.driver.now = None  # type: ignore[attr-defined]
        trading._open_venues(on.driver)  # type: ignore[arg-type]
    assert [named[kind] for named in given] == [address]
