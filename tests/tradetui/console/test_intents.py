"""Lines about trading: what they ask for, what is wrong with the others, and how it reads as a sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradetui.console.arguments import Known, Unclear
from tradetui.console.intents import TYPES, Wish, change, changed, decimal, exits, order, sentence, wished
from tradetui.console.prompt import Order, Wrong, parse

ETH, BTC = "binance:ETH/USDT", "binance:BTC/USDT"
KNOWN = Known((ETH, BTC))


@pytest.mark.parametrize(
    ("line", "wish"),
    [
        ("buy 0.01", {"side": "buy", "quantity": "0.01", "type": "market"}),
        ("SELL 1,000 btc", {"side": "sell", "quantity": "1000", "symbol": BTC, "type": "market"}),
        ("buy 0.01 eth 2600.5", {"side": "buy", "quantity": "0.01", "symbol": ETH, "price": "2600.5", "type": "limit"}),
        ("buy 1 price=9 post", {"side": "buy", "quantity": "1", "price": "9", "post_only": True, "type": "limit"}),
        ("sell 1 trigger=2500", {"side": "sell", "quantity": "1", "stop_price": "2500", "type": "stop"}),
        ("sell 1 trigger=2500 price=2490 reduce", {
            "side": "sell", "quantity": "1", "stop_price": "2500", "price": "2490", "reduce_only": True,
            "type": "stop_limit",
        }),
        ("sell 1 take_profit trigger=2900", {
            "side": "sell", "quantity": "1", "stop_price": "2900", "type": "take_profit",
        }),
        ("buy size=fraction stop=2600 target=2,800 trailing=50 time=3600s tif=ioc", {
            "side": "buy", "size": "fraction", "stop_loss": "2600", "take_profit": "2800", "trailing_bps": 50.0,
            "time_stop_s": 3600.0, "time_in_force": "ioc", "type": "market",
        }),
    ],
)  # fmt: skip
def test_orders(line: str, wish: Wish) -> None:
    assert order(line, KNOWN) == wish
    read = parse(f"order {line}", KNOWN)
    assert isinstance(read, Order)
    assert wished(read.arguments) == wish


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("order", "expected buy or sell"),
        ("order hold 1", "expected buy or sell"),
        ("order buy 1 doge", "no instrument 'doge' is followed"),
        ("order buy 1 prize=3", "expected price="),
        ("order buy 1 price=cheap", "expected a number"),
        ("order buy 1 price=-3", "expected a number of 0 or more"),
        ("order buy 1 tif=day", "expected tif= gtc, ioc or fok"),
        ("order buy 1 post=maybe", "expected post=on or post=off"),
        ("protect eth", "expected stop="),
        ("protect price=3", "expected stop="),
        ("amend k3x-1", "expected what is to be another"),
        ("switch everything off", "no instrument"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told(line: str, told: str) -> None:
    read = parse(line, KNOWN)
    assert isinstance(read, Wrong)
    assert told in read.told


def test_exits_and_changes() -> None:
    assert exits("eth stop=2600 target=off trailing=off time=60", KNOWN) == {
        "symbol": ETH, "stop_loss": "2600", "take_profit": "off", "trailing_bps": -1.0, "time_stop_s": 60.0,
    }  # fmt: skip
    assert change("k3x-1 price=2600 quantity=1", KNOWN) == {"order": "k3x-1", "price": "2600", "quantity": "1"}
    assert changed(exits("stop=2600 trailing=off", KNOWN)) == "stop-loss 2600, trailing off"
    assert parse("cancel eth", KNOWN) == Order("cancel", ("symbol", ETH))
    assert parse("cancel k3x-12", KNOWN) == Order("cancel", ("order", "k3x-12"))
    assert parse("cancel all", KNOWN) == Order("cancel", ("all", True))
    assert parse("flatten", KNOWN) == Order("flatten", (None, None))
    assert parse("limits max_position 25 %", KNOWN) == Order("limits", ("max_position", "25 %"))


@given(st.text(max_size=30))
def test_no_line_is_an_accident(line: str) -> None:
    try:
        wish = order(line, KNOWN)
    except Unclear:
        return
    assert wish["side"] in ("buy", "sell")
    assert wish["type"] in TYPES


@given(st.decimals(min_value=0, max_value=10**9, places=8, allow_nan=False))
def test_numbers_stay_as_they_were_typed(value: object) -> None:
    assert decimal(f"{value:f}") == f"{value:f}"


def test_sentences() -> None:
    bought: Wish = {"symbol": ETH, "side": "buy", "quantity": "0.5", "type": "market", "stop_loss": "2600"}
    assert sentence(bought) == "Buy 0.5 ETH/USDT at the market, stop-loss 2600"
    sold: Wish = {
        "symbol": BTC,
        "side": "sell",
        "quantity": "1",
        "type": "stop_limit",
        "price": "9",
        "stop_price": "10",
    }
    assert sentence(sold) == "Sell 1 BTC/USDT at 9 as a stop, once a trade reaches 10"
    sized: Wish = {"symbol": ETH, "side": "buy", "size": "kelly", "type": "limit", "price": "3", "post_only": True}
    assert sentence(sized) == "Buy as much as kelly makes it of ETH/USDT at 3, only as maker"
