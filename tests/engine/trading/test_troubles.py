"""What is wrong with trading while it lasts."""

from __future__ import annotations

import pytest

from engine.alerts import CATALOGUE, Cause
from engine.execution.account import VenueStatus
from engine.operator import Disarm, Kill, Switch
from engine.orders import Mode, OrderUnresolved, units
from engine.risk.breakers import VenueBreaker
from engine.risk.limits import Breakers
from engine.trading import troubles
from engine.types import SECOND
from tests.engine.trading.books import KEY, START, Books


@pytest.fixture
def books() -> Books:
    return Books()


def wrong(books: Books) -> dict[tuple[str, str], Cause]:
    found = list(troubles.causes(books.account, books.now))
    assert len({(each.code, each.component) for each in found}) == len(found)
    for each in found:
        assert each.code in CATALOGUE
        assert each.text
        assert each.doing
    return {(each.code, each.component): each for each in found}


def test_nothing_is_wrong_with_an_account_that_trades(books: Books) -> None:
    books.order("buy", "0.05", stop_loss="59000")
    books.wait()
    assert wrong(books) == {}


def test_that_nobody_has_armed_is_no_alert(books: Books) -> None:
    books.ask(Disarm())
    assert wrong(books) == {}


def test_a_halt_is_there_until_a_person_arms_and_hides_what_means_less(books: Books) -> None:
    books.account.conditions["journal"] = "records wait"
    books.ask(Kill(reason="a test"))
    found = wrong(books)
    assert list(found) == [("TRADING_HALTED", "trading")]
    assert "a test" in found["TRADING_HALTED", "trading"].text


def test_each_condition_is_told_by_its_name(books: Books) -> None:
    books.account.conditions |= {"journal": "12 records wait", "connection binance": "lost", "daily loss": "2 %"}
    assert {key: each.text for key, each in wrong(books).items()} == {
        ("TRADING_REDUCED", "journal"): "12 records wait",
        ("TRADING_REDUCED", "connection binance"): "lost",
    }


def test_an_order_whose_state_is_not_known_is_told_until_it_is(books: Books) -> None:
    books.order("buy", "0.01", "limit", price="59000")
    (order,) = books.account.orders.open()
    books.account.orders.apply(OrderUnresolved(order=order.id, ts=books.now, doing="cancel", reason="no answer in 5 s"))
    cause = wrong(books)["ORDER_UNRESOLVED", KEY]
    assert order.id in cause.text
    assert "cancel" in cause.text
    assert "no answer in 5 s" in cause.text
    assert cause.since == books.now


def test_exits_that_are_off_are_told_while_something_is_open(books: Books) -> None:
    books.ask(Switch(name="exits", on=False))
    assert wrong(books) == {}
    books.order("buy", "0.01", stop_loss="59000")
    found = wrong(books)
    assert KEY in found["EXITS_OFF", "trading"].text
    assert "59000" in found["POSITION_UNPROTECTED", KEY].text


def test_pauses_are_told_until_they_are_over(books: Books) -> None:
    account = books.account
    account.drawdown.day_blocked = True
    account.streak.losses, account.streak.pause_until = 3, books.now + 60 * SECOND
    books.move(5_890_000, 5_890_200)
    assert set(wrong(books)) == {("DAILY_LOSS", "trading"), ("LOSING_STREAK", "trading"), ("FLASH_MOVE", KEY)}
    first = wrong(books)["FLASH_MOVE", KEY]
    assert "moved 1.83" in first.text
    books.now += 30 * SECOND
    assert wrong(books)["FLASH_MOVE", KEY].text == first.text  # what is told does not count down
    books.now += 3600 * SECOND
    assert set(wrong(books)) == {("DAILY_LOSS", "trading")}


def test_what_the_account_is_worth_may_be_unknown(books: Books) -> None:
    books.account.unvalued = ("XYZ",)
    assert "XYZ" in wrong(books)["EQUITY_UNKNOWN", "trading"].text


def test_venues_that_fail_differ_or_have_a_key_that_may_do_too_much(books: Books) -> None:
    account = books.account
    breaker = account.venue_breakers["binance"] = VenueBreaker(Breakers(venue_failures=1), "binance")
    breaker.failed(books.now, "HTTP 503")
    status = account.venues["binance"] = VenueStatus("binance")
    account.mismatched.add(KEY)
    assert set(wrong(books)) == {("VENUE_TROUBLE", "binance"), ("POSITION_MISMATCH", KEY)}
    assert "HTTP 503" in wrong(books)["VENUE_TROUBLE", "binance"].text
    status.withdraw = True
    assert "may withdraw" in wrong(books)["KEY_UNSAFE", "binance"].text
    status.trade, status.withdraw = False, None
    assert "may not trade" in wrong(books)["KEY_UNSAFE", "binance"].text


def test_a_stop_that_was_nobodys_for_a_while_is_told_until_the_position_is_closed(books: Books) -> None:
    books.order("buy", "0.01", stop_loss="59000")
    account = books.account
    account.blind_from, account.blind_s = books.now, 90.0
    books.now += 100 * SECOND
    cause = wrong(books)["BLIND_TIME", KEY]
    assert "90 s" in cause.text
    assert cause.since == account.blind_from
    assert "that trade's price" in cause.doing
    account.protections[KEY].stop = units("58900")
    assert wrong(books)["BLIND_TIME", KEY] == cause, "a stop that is moved later did not fail to act then"
    account.protections[KEY].stop = units("59000")
    books.move(5_890_000, 5_890_200)
    books.wait()
    assert ("BLIND_TIME", KEY) not in wrong(books)


def test_a_position_of_after_the_blind_time_was_never_alone(books: Books) -> None:
    account = books.account
    account.blind_from, account.blind_s = START - 90 * SECOND, 80.0
    books.order("buy", "0.01", stop_loss="59000")
    assert wrong(books) == {}


def test_a_stop_that_does_not_rest_at_a_real_venue_is_told(books: Books) -> None:
    books.order("buy", "0.01", stop_loss="59000")
    books.account.mode, books.account.paper = Mode.LIVE, None
    books.account.protections[KEY].stop_held = False
    assert "does not rest at the venue" in wrong(books)["POSITION_UNPROTECTED", KEY].text
