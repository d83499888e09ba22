"""Names of instruments for people."""

from __future__ import annotations

from tradetui.console.render import instruments


def test_short_names_are_never_two_of_one() -> None:
    keys = ("binance:ETH/USDT", "binance:BTC/USDT", "binanceusdm:BTC/USDT:USDT", "kraken:BTC/USDT", "odd", "odder:")
    found = instruments.names(keys)
    assert found["binance:ETH/USDT"] == "ETH"
    assert found["binanceusdm:BTC/USDT:USDT"] == "BTC/USDT:USDT"
    assert found["binance:BTC/USDT"] == "binance:BTC/USDT"
    assert set(found) == set(keys)
    assert len(set(found.values())) == len(keys)


def test_a_pair_and_its_base() -> None:
    assert instruments.pair("binanceusdm:ETH/USDT:USDT") == "ETH/USDT:USDT"
    assert instruments.base("binance:ETH/USDT") == "ETH"
    assert instruments.pair("odd") == instruments.base("odd") == "odd"
