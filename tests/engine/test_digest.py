"""The state hash: the same for the same content, another for any other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.digest import state_hash
from engine.types import MS, SECOND, FeedAlive, Timeframe
from tests.engine.support import BTC, ETH, T0, Driver, delta, snapshot, trade

START = T0 * SECOND


def driven(*instruments: object, size: int = 7) -> Driver:
    driver = Driver(*(instruments or (BTC, ETH)))  # type: ignore[arg-type]
    driver.up(START)
    driver.at(START, snapshot(10, [(6_000_000, size), (5_000_000, 1)], [(6_000_100, 3)]), "binance:rest")
    for second in range(3):
        driver.at(START + second * SECOND, trade(second + 1, 6_000_000, 5, START + second * SECOND))
    driver.until(START + 4 * SECOND)
    return driver


def test_it_is_the_same_for_the_same_content() -> None:
    digest = state_hash(driven().state)
    assert len(digest) == 64
    assert digest == state_hash(driven().state)
    # The order in which instruments were listed and levels arrived is no content.
    assert digest == state_hash(driven(ETH, BTC).state)
    one, two = driven(), driven()
    levels = [(5_500_000 + n, n + 1) for n in range(5)]
    one.at(START + 5 * SECOND, delta(11, levels))
    two.at(START + 5 * SECOND, delta(11, levels[::-1]))
    assert state_hash(one.state) == state_hash(two.state)


CHANGES: dict[str, Callable[[Driver], object]] = {
    "a level": lambda d: d.at(START + 5 * SECOND, delta(11, [(5_999_999, 1)])),
    "an update id": lambda d: d.at(START + 5 * SECOND, delta(11)),
    "a trade": lambda d: d.at(START + 4 * SECOND, trade(4, 1, 1, START + 4 * SECOND)),
    "a duplicate": lambda d: d.at(START + 4 * SECOND, trade(3, 1, 1, START + 4 * SECOND)),
    "a bar": lambda d: d.market().bars.closed[Timeframe.S1].pop(),
    "the known range": lambda d: setattr(d.market().sync, "low", 1),
    "a column": lambda d: d.market().cob.columns.pop(),  # type: ignore[union-attr]
    "a sample": lambda d: d.market().cob.samples.pop(),  # type: ignore[union-attr]
    "completeness": lambda d: d.market().bars.hole(START),
    "an instrument less": lambda d: d.state.markets.pop(ETH.key),
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_another_for_any_other_content(change: str) -> None:
    driver = driven()
    before = state_hash(driver.state)
    CHANGES[change](driver)
    assert state_hash(driver.state) != before


def test_a_sign_of_life_counts_like_every_applied_record() -> None:
    driver = driven()
    before = state_hash(driver.state)
    driver.apply(START + 4 * SECOND + MS, "binance", FeedAlive(source="binance"))
    assert state_hash(driver.state) != before


def test_integers_beyond_64_bits() -> None:
    """Notionals in ticks x lots of a cheap coin reach beyond what msgpack can write."""
    driver = driven()
    before = state_hash(driver.state)
    driver.at(START + 5 * SECOND, delta(11, [(6_000_000, 2**52)]))
    one = state_hash(driver.state)
    driver.at(START + 5 * SECOND, delta(12, [(5_900_000, 2**62)]))
    two = state_hash(driver.state)
    assert len({before, one, two}) == 3
