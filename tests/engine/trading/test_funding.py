"""Funding of perpetuals on paper: what the venue announced last before the time, for what is held at it, once."""

from __future__ import annotations

from engine.execution.account import PAPER
from engine.operator import PlaceOrder
from engine.orders import Side, units
from engine.types import SECOND, MarkPrice
from tests.engine.support import BTC_USDM
from tests.engine.trading.floor import CASH, Floor

KEY = BTC_USDM.key


def announce(floor: Floor, due: int, rate: float, mark: float = 60_000.0) -> None:
    event = MarkPrice(instrument=KEY, ts_exch=floor.now, mark=mark, index=None, funding_rate=rate, next_funding=due)
    floor.now += SECOND
    floor.driver.at(floor.now, event, floor.driver.state.markets[KEY].trade_source)


def pass_by(floor: Floor, stamp: int) -> None:
    floor.now = stamp
    floor.driver.until(stamp)


def held(side: Side) -> Floor:
    floor = Floor()
    floor.ask(PlaceOrder(symbol=KEY, side=side, quantity="0.1"))
    pass_by(floor, floor.now + 2 * SECOND)
    assert floor.account.quantity(KEY) == side.sign * units("0.1")
    return floor


def test_a_long_pays_a_positive_rate_once() -> None:
    floor = held(Side.BUY)
    ledger = floor.account.ledgers[PAPER]
    before, due = ledger.balances["USDT"], floor.now + 20 * SECOND
    announce(floor, due, 0.0003)
    announce(floor, due, 0.0001, mark=61_000.0)
    pass_by(floor, due + 2 * SECOND)
    assert ledger.balances["USDT"] == before, "nothing is paid before the venue has gone on to its next time"
    announce(floor, due + 8 * 3600 * SECOND, 0.0005)
    pass_by(floor, floor.now + 3 * SECOND)
    paid = units("0.61")  # 0.1 x 61,000 x 0.0001
    assert before - ledger.balances["USDT"] in (paid, paid + 1)  # floats of the venue, rounded against the account
    assert ledger.funding["USDT"] == ledger.balances["USDT"] - before
    announce(floor, due + 8 * 3600 * SECOND, 0.0005)
    pass_by(floor, floor.now + 5 * SECOND)
    assert before - ledger.balances["USDT"] in (paid, paid + 1)


def test_a_short_is_paid_and_who_holds_nothing_is_not() -> None:
    floor = held(Side.SELL)
    idle = Floor()
    for each in (floor, idle):
        due = each.now + 5 * SECOND
        announce(each, due, 0.0001)
        pass_by(each, due + SECOND)
        announce(each, due + 3600 * SECOND, 0.0001)
        pass_by(each, each.now + 3 * SECOND)
    gained = floor.account.ledgers[PAPER].funding["USDT"]
    assert units("0.6") - 1 <= gained <= units("0.6")
    assert idle.account.ledgers[PAPER].funding == {}
    assert idle.account.ledgers[PAPER].balances == {"USDT": CASH}
