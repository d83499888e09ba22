"""A fixed sample of `python -m tests.fault.orders`, and that its comparison sees what it is there for."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fault.orders import case, market
from tests.fault.orders_books import Kept, differences

VENUE: dict[str, Any] = {
    "kind": "binance",
    "balances": {"USDT": "99400", "BTC": "0.00999000"},
    "positions": {},
    "orders": [{"client": "a", "state": "filled"}, {"client": "b", "state": "open"}],
    "trades": [
        {"id": "7", "client": "a", "side": "BUY", "price": "60000", "quantity": "0.01", "fee": "0.00001000"},
    ],
    "heard": {"a": 1, "b": 1},
}
BOOK = Kept(orders={"a", "b"}, fills=Counter({"7": 1}), facts={"7": ("a", "buy", "60000", "0.01", "0.00001")})
ORDERS = [{"id": "a", "open": False}, {"id": "b", "open": True}]
POSITIONS = [{"instrument": "binance:BTC/USDT", "quantity": "0.00999"}]
BALANCES = {"USDT": "99400", "BTC": "0.00999"}


def test_equal_books_have_no_differences() -> None:
    assert differences(VENUE, BOOK, ORDERS, POSITIONS, BALANCES) == []


def doubled(venue: Any, book: Kept) -> None:
    book.fills["7"] = 2


def lost(venue: Any, book: Kept) -> None:
    venue["trades"].append(venue["trades"][0] | {"id": "8"})


def invented(venue: Any, book: Kept) -> None:
    book.fills["9"] = 1


def changed(venue: Any, book: Kept) -> None:
    venue["trades"][0]["fee"] = "0.00001001"


def again(venue: Any, book: Kept) -> None:
    venue["heard"]["a"] = 2


def unwritten(venue: Any, book: Kept) -> None:
    book.orders.discard("b")


def standing(venue: Any, book: Kept) -> None:
    venue["orders"].append({"client": "c", "state": "waiting"})


def held(venue: Any, book: Kept) -> None:
    venue["balances"]["BTC"] = "0.01"


def short(venue: Any, book: Kept) -> None:
    venue["positions"]["linear:BTCUSDT"] = "-0.002"


def paid(venue: Any, book: Kept) -> None:
    venue["balances"]["USDT"] = "99399.99999999"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (doubled, "kept more than once"),
        (lost, "1 of 2 fills are lost"),
        (invented, "does not know"),
        (changed, "fill 7 is"),
        (again, "sent more than once"),
        (unwritten, "not in the journal"),
        (standing, "the other way: ['c']"),
        (held, "positions are BTC/USDT 0.00999, the venue's BTC/USDT 0.01"),
        (short, "BTC/USDT:USDT -0.002"),
        (paid, "balances are"),
    ],
)
def test_every_difference_is_told(spoil: Any, said: str) -> None:
    venue, book = copy.deepcopy(VENUE), copy.deepcopy(BOOK)
    spoil(venue, book)
    told = differences(venue, book, ORDERS, POSITIONS, BALANCES)
    assert any(said in each for each in told)


@pytest.fixture(scope="module")
def settings(recordings_root_path: object) -> Iterator[str]:
    with market() as settings:
        yield settings


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2])
def test_a_killed_engine_finds_what_the_venue_knows(settings: str, number: int) -> None:
    outcome = case(7, number, settings, lives=2)
    assert outcome.complaints == []
    assert len(outcome.kills) == 2
    assert len(outcome.recovery_s) == 3 - sum(name.startswith("start") for name in outcome.kills)
    assert outcome.orders
