"""A person who trades at random on paper while everything else goes wrong, and what the engine makes of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from engine.core import Commands
from engine.execution.account import Account
from engine.execution.settings import PaperSettings, TradingSettings
from engine.keep import Keep
from engine.operator import (
    Arm,
    CancelOrders,
    Disarm,
    Flatten,
    Kill,
    OperatorAsked,
    OperatorCommand,
    PlaceOrder,
    Protect,
    SetLimits,
    Switch,
    Who,
)
from engine.orders import OrderType, Side, TimeInForce
from engine.risk.limits import Limits, RiskSettings
from engine.runtime import Engine
from engine.trader import Trader
from engine.types import Command

CASH = "1000000"


def account() -> Account:
    """Paper, with limits so wide that most orders pass."""
    limits = Limits(
        risk_per_trade=0.1,
        max_position=1.0,
        max_exposure=1.0,
        daily_loss=1.0,
        drawdown=1.0,
        max_open_trades=10,
        orders_per_minute=1000,
        max_spread_bps=1000.0,
        losses_in_a_row=100,
        stale_ms=60_000,
    )
    return Account(
        TradingSettings(paper=PaperSettings(balances={"USDT": CASH})), RiskSettings(limits=limits), prefix="t"
    )


class Heard(Trader):
    """Keeps what trading wanted done, in its order."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine.tell)
        self.commands: list[Command] = []

    def carry_out(self, command: Command | Keep) -> bool:
        mine = super().carry_out(command)
        if mine:
            self.commands.append(command)  # type: ignore[arg-type]
        return mine

    def take(self, commands: Commands) -> None:
        """Hear the commands of a replay."""
        for command in commands:
            self.carry_out(command)


class Operator:
    """Asks for something now and then, often for several things at once."""

    def __init__(self, engine: Engine, keys: Sequence[str], seed: int) -> None:
        self.engine = engine
        self.keys = keys
        self.dice = random.Random(seed)
        self.number = 0

    async def run(self) -> None:
        self.tell(Arm(word="PAPER"))
        while True:
            await asyncio.sleep(self.dice.choice((0.0, 0.013, 0.1, 0.4, 1.1)))
            for _ in range(self.dice.choice((1, 1, 1, 2, 4))):
                self.tell(self.wish())

    def tell(self, command: OperatorCommand) -> None:
        self.number += 1
        self.engine.tell(OperatorAsked(id=self.number, who=Who(client="test"), command=command))

    def wish(self) -> OperatorCommand:
        dice, key = self.dice, self.dice.choice(self.keys)
        market = self.engine.state.markets.get(key)
        price = market.instrument.price(market.last_trade.price) if market and market.last_trade else 1000.0
        kind = dice.choices(
            ("order", "cancel", "flatten", "protect", "limits", "switch", "disarm", "kill", "arm"),
            (50, 8, 6, 10, 3, 4, 2, 1, 16),
        )[0]

        def near(most_bps: float) -> str:
            return f"{price * (1 + dice.uniform(-most_bps, most_bps) / 10_000):.1f}"

        match kind:
            case "order":
                type_ = dice.choice(tuple(OrderType))
                return PlaceOrder(
                    symbol=key,
                    side=dice.choice(tuple(Side)),
                    type=type_,
                    quantity=f"{dice.choice((0.001, 0.01, 0.3, 2.0)):.3f}",
                    price=near(20) if "limit" in type_ else "",
                    stop_price=near(20) if type_ not in (OrderType.MARKET, OrderType.LIMIT) else "",
                    time_in_force=dice.choice(tuple(TimeInForce)) if type_ is OrderType.LIMIT else TimeInForce.GTC,
                    reduce_only=dice.random() < 0.2,
                    stop_loss=near(30) if dice.random() < 0.3 else "",
                    take_profit=near(30) if dice.random() < 0.3 else "",
                )
            case "cancel":
                return CancelOrders(symbol=key)
            case "flatten":
                return Flatten(symbol=key)
            case "protect":
                return Protect(symbol=key, stop_loss=near(15), trailing_bps=dice.choice((0.0, 3.0)))
            case "limits":
                return SetLimits(values={"max_leverage": dice.choice((1.0, 2.0, 3.0))})
            case "switch":
                return Switch(name=dice.choice(("entries", key)), on=dice.random() < 0.7)
            case "disarm":
                return Disarm(reason="a pause")
            case "kill":
                return Kill(flatten=dice.random() < 0.5, reason="enough")
            case _:
                return Arm(word="PAPER", reason="it goes on")
