"""Closed trades added up."""

from __future__ import annotations

import random

from engine.orders import decimal, units
from engine.tradingviews import JournalView
from tradetui.pnl import pnl

DAY = 86_400_000_000_000
T0 = 19_944 * DAY  # 2024-08-09
BTC, ETH = "binance:BTC/USDT", "binance:ETH/USDT"


def trade(number: int, net: str, *, key: str = BTC, closed: int = T0, r: float | None = None) -> JournalView:
    gross = decimal(units(net) + units("0.3"))
    return JournalView(
        id=f"t{number:02}", instrument=key, mode="paper", side="long", quantity="1", entry="100", exit="101",
        opened=closed - 5, closed=closed, gross=gross, fees="0.2", funding="-0.1", net=net, r=r, reason="",
    )  # fmt: skip


def test_trades_add_up_exactly_by_day_and_by_instrument() -> None:
    trades = [
        trade(1, "0.1", closed=T0 + DAY - 1),
        trade(2, "0.2", closed=T0 + DAY),
        trade(3, "-0.30000001", key=ETH, closed=T0 + DAY + 1),
        trade(4, "5", closed=T0 + 3 * DAY),
    ]
    found = pnl(trades)
    assert (found.total.trades, found.total.net, found.total.gross) == (4, "4.99999999", "6.19999999")
    assert (found.total.fees, found.total.funding) == ("0.8", "-0.4")
    assert [(row.name, row.trades, row.net) for row in found.days] == [
        ("2024-08-12", 1, "5"),
        ("2024-08-10", 2, "-0.10000001"),
        ("2024-08-09", 1, "0.1"),
    ]
    assert [(row.name, row.net) for row in found.symbols] == [(BTC, "5.3"), (ETH, "-0.30000001")]


def test_how_good_they_were_does_not_depend_on_their_order() -> None:
    nets = ["3", "-1", "-2.5", "1", "-1", "4"]
    trades = [trade(n, net, closed=T0 + n, r=None if n == 5 else float(net)) for n, net in enumerate(nets)]
    shuffled = trades[:]
    random.Random(4).shuffle(shuffled)
    found = pnl(trades)
    assert pnl(shuffled) == found
    assert found.hit_rate == 0.5
    assert (found.mean_r, found.with_r) == (-0.1, 5)
    assert (found.best, found.worst) == ("4", "-2.5")
    assert found.drawdown == "3.5"  # from 3 to -0.5


def test_a_loss_at_the_start_is_a_drawdown_too() -> None:
    assert pnl([trade(1, "-2"), trade(2, "1")]).drawdown == "2"


def test_without_trades_nothing_is_made_up() -> None:
    found = pnl([])
    assert (found.hit_rate, found.mean_r, found.best, found.drawdown) == (None, None, "", "")
    assert (found.days, found.symbols, found.total.net) == ((), (), "0")
