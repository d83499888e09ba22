"""Subscribers: each gets what it asked for, and one that fails harms nobody (DP-17, WSF-3)."""

from __future__ import annotations

import logging

import pytest

from engine.distribution import Distributor
from engine.snapshot import CobView
from tests.engine.support import BTC, ETH


def view(key: str, seq: int = 1) -> CobView:
    return CobView(instrument=key, seq=seq, live=False, age_ms=None)


def test_each_gets_its_instruments_and_nothing_else() -> None:
    distributor = Distributor()
    got: dict[str, list[CobView]] = {"btc": [], "both": [], "none": []}
    distributor.subscribe(got["btc"].append, [BTC.key], "btc")
    distributor.subscribe(got["both"].append, [BTC.key, ETH.key, ETH.key], "both")
    distributor.subscribe(got["none"].append, [], "none")
    assert distributor.wanted == {BTC.key, ETH.key}
    one, two = view(BTC.key), view(ETH.key, 2)
    distributor.publish(one)
    distributor.publish(two)
    assert got == {"btc": [one], "both": [one, two], "none": []}
    assert [(s.name, s.delivered, s.symbols) for s in distributor.stats()] == [
        ("btc", 1, (BTC.key,)),
        ("both", 2, (BTC.key, ETH.key)),
        ("none", 0, ()),
    ]


def test_one_that_fails_is_counted_and_said_once_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    distributor = Distributor()
    got: list[CobView] = []

    def fail(_: CobView) -> None:
        raise KeyError("nothing here")

    distributor.subscribe(fail, [BTC.key], "bad")
    distributor.subscribe(got.append, [BTC.key], "good")
    with caplog.at_level(logging.WARNING):
        for seq in range(5):
            distributor.publish(view(BTC.key, seq))
    bad, good = distributor.stats()
    assert (bad.delivered, bad.failed) == (0, 5)
    assert "KeyError" in bad.last_error
    assert (good.delivered, good.failed) == (5, 0)
    assert len(got) == 5
    assert len([record for record in caplog.records if "bad" in record.getMessage()]) == 1


def test_subscriptions_end_once_and_ids_are_not_used_again() -> None:
    distributor = Distributor()
    got: list[CobView] = []
    first = distributor.subscribe(got.append, [BTC.key], "a")
    second = distributor.subscribe(got.append, [BTC.key], "a")
    assert first != second
    assert distributor.unsubscribe(first)
    assert not distributor.unsubscribe(first)
    distributor.publish(view(BTC.key))
    assert len(got) == 1
    assert distributor.subscribe(got.append, [BTC.key], "b") not in (first, second)
    assert distributor.wanted == {BTC.key}


def test_subscribing_and_leaving_from_inside_a_callback() -> None:
    distributor = Distributor()
    got: list[str] = []
    ids: list[int] = []

    def leave(_: CobView) -> None:
        got.append("once")
        distributor.unsubscribe(ids[0])
        distributor.subscribe(lambda _: got.append("new"), [BTC.key], "new")

    ids.append(distributor.subscribe(leave, [BTC.key], "leaves"))
    distributor.subscribe(lambda _: got.append("other"), [BTC.key], "other")
    distributor.publish(view(BTC.key))
    assert got == ["once", "other"]
    distributor.publish(view(BTC.key))
    assert got == ["once", "other", "other", "new"]
