"""What is kept of an account, what has happened to orders, and which lines of the chart are whose."""

from __future__ import annotations

import msgspec
import pytest

from engine.protocol import raw
from tests.tradetui import account_rows as rows
from tradetui.console.account import Account, notices
from tradetui.console.holdings import held, marks, movable
from tradetui.console.render.account import draw
from tradetui.console.render.frame import Frame


def told(**changed: object) -> Account:
    account = Account()
    for topic, value in rows.everything(**changed).items():  # type: ignore[arg-type]
        account.take(topic, msgspec.Raw(raw(value)))
    return account


def test_what_is_told_first_is_no_news() -> None:
    account = Account()
    first = msgspec.Raw(raw(rows.orders()))
    assert account.take("orders", first) == []
    assert account.take("orders", first) == []
    account.forget()
    assert account.take("orders", msgspec.Raw(raw([rows.order(9, state="filled", filled="0.25")]))) == []


def test_notices_tell_what_became_of_orders() -> None:
    before = (rows.order(1), rows.order(2), rows.order(3))
    after = (
        rows.order(4, state="denied", reason="the latch is closed", open=False),
        rows.order(3, state="unresolved", reason="no answer for 5 s"),
        rows.order(2, filled="0.1", average="2682.25", state="partial"),
        rows.order(1, state="canceled", open=False),
    )
    assert notices(before, after) == [
        ("filled 0.1 of buy 0.25 ETH/USDT limit 2682.25 (PAPER) at 2682.25", True),
        ("unresolved buy 0.25 ETH/USDT limit 2682.25 (PAPER): no answer for 5 s", True),
        ("denied buy 0.25 ETH/USDT limit 2682.25 (PAPER): the latch is closed", False),
    ]
    assert notices(after, after) == []


def test_what_cannot_be_read_changes_nothing() -> None:
    account = told()
    with pytest.raises(msgspec.MsgspecError):
        account.take("positions", msgspec.Raw(raw([{"instrument": 3}])))
    assert account.positions == tuple(rows.everything()["positions"])


def test_lines_of_a_chart() -> None:
    account = told()
    lines = {each.what: each for each in held(account, rows.ETH)}
    assert {what: (each.price, each.told) for what, each in lines.items()} == {
        "average": (2682.5, "LONG 0.5 \u25bc-0.25"),
        "stop_loss": (2681.95, "stop 0.5 \u25bc-0.28"),
        "take_profit": (2684.0, "target 0.5 \u25b2+0.75"),
        "order": (2682.25, "BUY 0.25 limit"),
    }, "the exit orders are told once, as those of the position"
    assert [each.what for each in movable(account, rows.ETH)] == ["take_profit", "order", "stop_loss"]
    assert held(account, rows.BTC) == []
    assert len(marks(account, rows.ETH)) == 3


def test_without_a_position_exits_are_orders() -> None:
    account = told(positions=[])
    assert [(each.what, each.price) for each in held(account, rows.ETH)] == [
        ("order", 2682.25), ("trigger", 2684.0), ("trigger", 2681.95),
    ]  # fmt: skip
    limited = rows.order(7, type="stop_limit", stop_price="2680", price="2679.5")
    both = held(told(positions=[], orders=[limited]), rows.ETH)
    assert [each.told for each in both] == ["BUY 0.25 stop limit trigger", "BUY 0.25 stop limit"]


def test_a_short_gains_downwards() -> None:
    account = told(positions=[rows.position(quantity="-0.5", unrealised="0.25", stop_loss="2684", take_profit="2680")])
    assert [each.told for each in held(account, rows.ETH)][:3] == [
        "SHORT 0.5 \u25b2+0.25", "stop 0.5 \u25bc-0.75", "target 0.5 \u25b2+1.25",
    ]  # fmt: skip


def test_a_state_that_nobody_vouches_for_is_told_as_the_last_one() -> None:
    frame = Frame.blank(120, 1)
    draw(frame, rows.active(), fresh=True)
    assert "last told" not in frame.lines()[0]
    draw(frame, rows.active(), fresh=False)
    assert " ACTIVE  as last told: orders may add risk" in frame.lines()[0]
