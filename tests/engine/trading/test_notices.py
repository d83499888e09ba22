"""What trading tells of once: each notice is of the catalogue, names what it is about, and is told when it happens."""

from __future__ import annotations

import pytest

from engine.alerts import CATALOGUE
from engine.execution.account import VenueStatus
from engine.operator import Arm, Flatten, TradingEvent
from engine.orders import (
    Fill,
    Liquidity,
    Mode,
    Noticed,
    OrderAccepted,
    OrderDenied,
    OrderFilled,
    OrderRejected,
    Reconciled,
    Side,
)
from engine.risk.limits import Limits, RiskSettings
from engine.trading import path
from tests.engine.trading.books import KEY, Books


@pytest.fixture
def books() -> Books:
    return Books()


def tell(books: Books, event: TradingEvent) -> None:
    books.driver.apply(books.now, "control", event)
    books.wait()


def told(books: Books, code: str) -> Noticed:
    found = [each for each in books.notices if each.code == code]
    assert found, sorted({each.code for each in books.notices})
    assert {each.code for each in books.notices} <= set(CATALOGUE)
    assert found[-1].text
    return found[-1]


def resting(books: Books) -> str:
    """The id of an order that rests."""
    books.order("buy", "0.01", "limit", price="59000")
    (order,) = books.account.orders.open()
    return order.id


def test_an_order_that_the_venue_refuses_is_told_in_its_words(books: Books) -> None:
    books.order("buy", "0.01", "limit", price="60500", post_only=True)
    assert KEY in told(books, "ORDER_REJECTED").text


def test_a_venue_that_says_no_later_is_told(books: Books) -> None:
    order = resting(books)
    tell(books, OrderRejected(order=order, ts=books.now, code="-2010", reason="insufficient balance"))
    assert "insufficient balance" in told(books, "ORDER_REJECTED").text


def test_an_order_that_was_not_sent_is_told(books: Books) -> None:
    books.ask_only("buy", "0.01")
    (order,) = books.account.orders.open()
    tell(books, OrderDenied(order=order.id, ts=books.now, reason="the database cannot keep it"))
    assert "the database cannot keep it" in told(books, "ORDER_DENIED").text


def test_what_cannot_be_is_told(books: Books) -> None:
    order = resting(books)
    tell(books, OrderDenied(order=order, ts=books.now, reason="too late"))
    assert order in told(books, "ORDER_IMPOSSIBLE").text
    tell(books, OrderAccepted(order=order, ts=books.now, venue_id="7"))


def test_dust_that_cannot_be_sold_is_told(books: Books) -> None:
    books.order("buy", "0.0001")
    books.move(5_200_000, 5_200_200)
    books.ask(Flatten(symbol=KEY))
    books.wait()
    assert "too little" in told(books, "NOT_FLAT").text


def test_an_exit_that_cannot_rest_is_told(books: Books) -> None:
    books.order("buy", "0.0001", stop_loss="40000")
    assert "40000" in told(books, "EXIT_REFUSED").text


def test_the_drawdown_halts_and_is_told() -> None:
    wide = Limits(
        max_position=1.0, max_exposure=1.0, risk_per_trade=0.1, drawdown=0.01, price_collar=0.5, max_spread_bps=1000.0
    )
    books = Books(RiskSettings(limits=wide))
    books.order("buy", "0.15")
    books.move(5_900_000, 5_900_200)
    books.wait()
    assert "the limit is 1 %" in told(books, "DRAWDOWN").text
    assert told(books, "TRADING_HALTED").component == "trading"
    assert books.account.halted


def test_a_ramp_that_begins_anew_is_told(books: Books) -> None:
    books.account.mode, books.account.halted, books.account.ramp.step = Mode.LIVE, "a test", 2
    assert books.ask(Arm(word="LIVE", reason="it is over")).done
    assert "from 50 % to 10 %" in told(books, "SIZE_CHANGED").text


def test_what_a_venue_was_found_to_differ_in_is_told(books: Books) -> None:
    books.account.venues["binance"] = VenueStatus("binance")
    tell(books, Reconciled(venue="binance", ts=books.now, differences=("a fill was missing", "0.1 BTC came in")))
    notice = told(books, "RECONCILE_DIFFERS")
    assert notice.component == "binance"
    assert "a fill was missing; 0.1 BTC came in" in notice.text


def test_a_fault_of_ours_is_told_and_takes_the_risk_away(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a test")

    order = resting(books)
    monkeypatch.setattr(path.answers, "apply", fail)
    monkeypatch.setattr(path, "_APPLY", {})
    fill = Fill(
        id="1", order=order, instrument=KEY, side=Side.BUY, price=1, quantity=1, fee=0, fee_asset="BTC",
        liquidity=Liquidity.MAKER, ts=books.now,
    )  # fmt: skip
    tell(books, OrderFilled(order=order, ts=books.now, fill=fill))
    assert "ZeroDivisionError: a test" in told(books, "TRADING_FAILED").text
    assert not books.account.armed
