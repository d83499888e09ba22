"""The account as people see it, after what was traded on a hand-made book; and the same out of its records."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from engine.errors import StorageFailed
from engine.market.sync import BookSync
from engine.operator import Disarm, Kill, Protect, SetLimits, Switch
from engine.orders import (
    Adopted,
    Journaled,
    Mode,
    OrderCanceled,
    OrderSpec,
    OrderType,
    Origin,
    Side,
    decimal,
    units,
)
from engine.ports import Record
from engine.protocol import raw
from engine.risk.limits import Limits, RiskSettings
from engine.trading import past, riskview, shown, views
from engine.tradingviews import EquityView, OrderView, PositionView, RiskView, TradingView
from engine.types import SECOND, Bar, BarsLoaded, Timeframe
from tests.engine.support import BTC, T0
from tests.engine.trading.books import KEY, Books


@pytest.fixture
def books() -> Books:
    return Books()


def trading(books: Books) -> TradingView:
    return views.trading_view(books.driver.state, books.account, books.now)


def positions(books: Books) -> list[PositionView]:
    return views.positions_view(books.driver.state, books.account)


def risk(books: Books) -> RiskView:
    state, account = books.driver.state, books.account
    return riskview.risk_view(state, account, books.now, riskview.tail(state, account))


def used(books: Books, name: str) -> float | None:
    (found,) = (each for each in risk(books).limits if each.name == name)
    return found.used


# What is shown. -------------------------------------------------------------------------------------------------------


def test_an_account_that_has_done_nothing_says_so(books: Books) -> None:
    books.wait()
    found = trading(books)
    assert (found.mode, found.state, found.word, found.currency) == ("paper", "active", "PAPER", "USDT")
    assert (found.equity, found.day_pnl, found.unrealised, found.realised, found.fees) == ("10000", "0", "0", "0", "0")
    assert (found.open_orders, found.positions, found.open_trades, found.unresolved) == (0, 0, 0, 0)
    assert found.balances == {"USDT": "10000"}
    assert found.instruments == (KEY,)
    assert positions(books) == []
    assert views.orders_view(books.account) == []
    assert risk(books).hit_rate is None


def test_an_open_position_is_valued_at_the_mid_and_the_sums_agree(books: Books) -> None:
    books.order("buy", "0.05", stop_loss="59000", take_profit="62000")
    books.wait()
    (position,) = positions(books)
    assert (position.quantity, position.average, position.mark) == ("0.04995", "60001", "60000")
    assert (position.value, position.unrealised, position.fees) == ("2997", "-0.04995", "3.00005")
    assert (position.stop_loss, position.take_profit, position.stop_held) == ("59000", "62000", "engine")
    assert position.r == pytest.approx((-0.04995 - 3.00005) / 50.05)
    assert position.opened == T0 * SECOND + 350_000_000
    found = trading(books)
    assert found.equity == "9996.95"
    assert found.equity is not None
    assert found.unrealised is not None
    assert units(found.equity) - 10_000 * 10**8 == units(found.unrealised) + units(found.realised) - units(found.fees)
    assert (found.day_pnl, found.exposure, found.open_orders, found.positions) == ("-3.05", "2997", 2, 1)
    assert found.balances == {"BTC": "0.04995", "USDT": "6999.95"}


def test_orders_are_shown_newest_first_with_what_became_of_them(books: Books) -> None:
    books.order("buy", "0.05")
    books.order("buy", "0.01", "limit", price="59000")
    books.order("buy", "0.01", "limit", price="58000.00", post_only=True)
    books.cancel_all()
    books.order("buy", "0.02", "limit", price="59500")
    found = views.orders_view(books.account)
    assert [(each.type, each.quantity, each.price, each.state, each.open) for each in found] == [
        ("limit", "0.02", "59500", "working", True),
        ("limit", "0.01", "58000", "canceled", False),
        ("limit", "0.01", "59000", "canceled", False),
        ("market", "0.05", "", "filled", False),
    ]
    assert (found[-1].filled, found[-1].average, found[-1].fees) == ("0.05", "60001", {"BTC": "0.00005"})
    assert (found[1].post_only, found[1].mode, found[1].origin) == (True, "paper", "operator")


def test_a_closed_trade_is_in_the_journal_with_its_fills(books: Books) -> None:
    books.order("buy", "0.05", stop_loss="59000")
    books.move(5_890_000, 5_890_200)
    books.wait()
    (trade,) = views.journal_rows(books.account)
    assert (trade.side, trade.entry, trade.exit, trade.quantity) == ("long", "60001", "58900", "0.04995")
    assert units(trade.net) == units(trade.gross) - units(trade.fees) + units(trade.funding)
    assert trade.r is not None
    assert trade.r < -1
    sold, bought = views.fills_view(books.account)
    assert (sold.side, sold.price, sold.fee_asset, sold.realised) == ("sell", "58900", "USDT", "-54.99495")
    assert (bought.side, bought.fee, bought.fee_asset, bought.realised) == ("buy", "0.00005", "BTC", "0")
    assert positions(books) == []
    found = risk(books)
    assert (found.trades, found.hit_rate, found.losses_in_a_row) == (1, 0.0, 1)
    assert found.mean_r == trade.r


def test_what_has_no_price_is_not_known_and_not_zero(books: Books) -> None:
    books.order("buy", "0.05")
    market = books.driver.market()
    market.sync = BookSync()
    market.last_trade = None
    (position,) = positions(books)
    assert (position.mark, position.value, position.unrealised, position.r) == (None, None, None, None)
    assert trading(books).unrealised is None
    assert risk(books).var is None


def test_the_standing_says_what_may_be_done_and_why_not_more(books: Books) -> None:
    books.ask(Disarm())
    assert trading(books).state == "reduce"
    assert "not armed" in trading(books).reasons[0]
    assert not trading(books).armed
    books.ask(Kill(reason="test"))
    found = trading(books)
    assert (found.state, found.latched) == ("halted", True)
    assert "test" in found.reasons[0]


def test_switches_are_shown(books: Books) -> None:
    books.ask(Switch(name=KEY, on=False))
    assert {each.name: each.on for each in trading(books).switches} == {
        "trading": True, "entries": True, "exits": True, KEY: False,
    }  # fmt: skip


def test_exits_are_told_in_words(books: Books) -> None:
    books.order("buy", "0.05")
    books.ask(Protect(symbol=KEY, stop_loss="59000", trailing_bps=50.0, time_stop_s=90.0))
    (said,) = risk(books).protections
    assert said.startswith(f"{KEY}: stop-loss ")
    assert "trailing 50 bps" in said
    assert "time stop at 00:0" in said
    (position,) = positions(books)
    assert (position.trailing_bps, position.time_stop > books.now) == (50.0, True)


# Limits. --------------------------------------------------------------------------------------------------------------


def test_every_limit_is_shown_with_the_bounds_that_its_type_has(books: Books) -> None:
    found = {each.name: each for each in risk(books).limits}
    assert list(found) == list(Limits.__struct_fields__)
    for name, limit in found.items():
        assert limit.explained.endswith("."), name
        assert limit.least < limit.most
        assert limit.least <= limit.value <= limit.most
        whole = isinstance(getattr(Limits(), name), int)
        for value, fits in ((limit.most, True), (limit.most * 1.5, False), (limit.least - 1, False)):
            answer = books.ask(SetLimits(values={name: round(value) if whole else value}))
            assert answer.done is fits, (name, value, answer.text)
    assert {each.unit for each in found.values()} == {"share", "x", "1/min", "ms", "bps", "s", ""}


def test_what_is_used_of_limits_follows_what_is_held(books: Books) -> None:
    books.wait()
    assert used(books, "max_position") == 0.0
    books.order("buy", "0.05", stop_loss="59000")
    books.wait()
    equity = 9996.95
    assert used(books, "max_position") == pytest.approx(2997 / equity)
    assert used(books, "max_exposure") == pytest.approx(2997 / equity)
    assert used(books, "risk_per_trade") == pytest.approx(50.05 / equity)
    assert used(books, "max_open_trades") == 1
    assert used(books, "orders_per_minute") == 1
    assert used(books, "drawdown") == pytest.approx(3.05 / 10_000)
    assert used(books, "price_collar") is None
    assert used(books, "max_spread_bps") == pytest.approx(1 / 3)
    books.order("buy", "0.05", "limit", price="58000")
    assert used(books, "max_exposure") == pytest.approx((2997 + 2900) / equity)
    assert risk(books).leverage == pytest.approx(2997 / equity)


def test_a_limit_that_was_changed_is_shown_as_it_is_now() -> None:
    books = Books(RiskSettings())
    books.ask(SetLimits(values={"max_position": 0.1}))
    assert {each.name: each.value for each in risk(books).limits}["max_position"] == 0.1


def test_value_at_risk_is_told_from_the_days_that_are_known(books: Books) -> None:
    """Hand-made closes that fall by 1, 2, ... 40 % and stand again: 5 % of 80 days lose 37 % or more."""
    books.order("buy", "0.05")
    day, closes = 86_400, [1000]
    for fall in range(1, 41):
        closes += [1000 - 10 * fall, 1000]
    bars = tuple(
        Bar(
            open_ms=(T0 - (len(closes) + 1 - place) * day) * 1000, open=close, high=close, low=close, close=close,
            volume=1, trades=1, taker_buy=0, quote_volume=close,
        )
        for place, close in enumerate(closes)
    )  # fmt: skip
    assert (risk(books).var, risk(books).samples) == (None, 0)
    loaded = BarsLoaded(instrument=KEY, timeframe=Timeframe.D1, bars=bars)
    books.driver.apply(books.now, "binance:rest", loaded)
    books.wait(61.0)
    found = risk(books)
    held = float(positions(books)[0].value or 0)
    assert found.samples == 80
    assert float(found.var or 0) == pytest.approx(0.37 * held, abs=0.01)
    assert float(found.es or 0) == pytest.approx(np.mean([0.37, 0.38, 0.39, 0.40]) * held, abs=0.01)


# Out of the records. --------------------------------------------------------------------------------------------------


def test_the_past_is_what_was_shown_when_it_was_the_present(books: Books) -> None:
    books.order("buy", "0.05", stop_loss="59000")
    books.order("buy", "0.01", "limit", price="58500")
    books.move(5_890_000, 5_890_200)
    books.wait()
    books.cancel_all()
    now = {each.id: each for each in views.orders_view(books.account)}
    stored = past.past(books.kept, "order_history", limit=100)
    assert [each.id for each in stored] == list(now)
    for each in stored:
        assert msgspec.structs.replace(each, updated=0) == msgspec.structs.replace(now[each.id], updated=0)
    assert past.past(books.kept, "trade_history", limit=100) == views.journal_rows(books.account)
    fills = views.fills_view(books.account)
    assert {each.realised for each in fills} > {"0"}
    assert past.past(books.kept, "fill_history", limit=100) == fills
    audit = past.past(books.kept, "audit", limit=100, instrument=KEY)
    assert [each.command for each in audit] == ["cancel", "order", "order"]
    assert {(each.user, each.client, each.pid) for each in audit} == {("anna", "console", 7)}


def test_what_an_old_fill_realised_is_not_made_up(books: Books) -> None:
    """Records of versions that did not keep it."""
    books.order("buy", "0.05")
    for place, row in enumerate(books.kept.rows):
        body = msgspec.json.decode(row.body)
        if row.kind == "fill":
            del body["realised"]
            books.kept.rows[place] = msgspec.structs.replace(row, body=msgspec.json.encode(body))
    assert [each.realised for each in past.past(books.kept, "fill_history", limit=9)] == [""]


def external(number: int, ts: int, id_: str = "") -> Adopted:
    spec = OrderSpec(
        id=id_ or f"x-{number}", instrument=KEY, side=Side.BUY, type=OrderType.LIMIT, quantity=units("0.01"),
        price=units("50000"), origin=Origin.EXTERNAL, mode=Mode.LIVE, created=ts - 3600 * SECOND,
    )  # fmt: skip
    return Adopted(spec=spec, venue_id=str(number), ts=ts)


def test_orders_found_at_a_venue_are_among_those_of_the_past(books: Books) -> None:
    books.order("buy", "0.01", "limit", price="58500")
    books.now += SECOND // 10
    books.driver.apply(books.now, "binance", external(7, books.now))
    books.now += SECOND // 10
    books.driver.apply(books.now, "binance", external(8, books.now))
    books.driver.apply(books.now + 1, "binance", OrderCanceled(order="x-7", ts=books.now, filled=0, reason="by hand"))
    books.wait()
    books.order("buy", "0.01")
    stored = {each.id: each for each in past.past(books.kept, "order_history", limit=100)}
    now = {each.id: each for each in views.orders_view(books.account)}
    assert list(stored) == list(now) == ["t-2", "x-8", "x-7", "t-1"]
    for key, each in stored.items():
        assert msgspec.structs.replace(each, updated=0) == msgspec.structs.replace(now[key], updated=0)
    assert [(each.origin, each.state) for each in stored.values()] == [
        ("operator", "filled"), ("external", "working"), ("external", "canceled"), ("operator", "working"),
    ]  # fmt: skip
    assert [each.id for each in past.past(books.kept, "order_history", limit=2)] == ["t-2", "x-8"]
    assert len(past.past(books.kept, "order_history", limit=9, instrument=KEY)) == 4


def test_an_order_of_ours_that_was_found_again_is_told_once(books: Books) -> None:
    books.order("buy", "0.01", "limit", price="58500")
    body = msgspec.json.encode(external(7, books.now, "t-1"))
    books.kept.put(Journaled(kind="account", key="paper/account/adopted/t-1", ts=books.now, body=body))
    (order,) = past.past(books.kept, "order_history", limit=9)
    assert (order.id, order.origin, order.quantity) == ("t-1", "operator", "0.01")


def test_the_past_is_bounded_in_number_and_time(books: Books) -> None:
    for _ in range(4):
        books.order("buy", "0.001")
    orders: list[OrderView] = past.past(books.kept, "order_history", limit=2)
    assert [each.id for each in orders] == [each.id for each in views.orders_view(books.account)[:2]]
    middle = orders[1].created
    assert [each.created for each in past.past(books.kept, "order_history", limit=9, start=middle)] == [
        orders[0].created, middle,
    ]  # fmt: skip
    assert len(past.past(books.kept, "order_history", limit=9, end=middle)) == 2
    assert past.past(books.kept, "fill_history", limit=9, instrument="binance:ETH/USDT") == []


def test_a_record_of_another_version_says_which_it_is(books: Books) -> None:
    books.kept.rows.append(Record(id=7, kind="audit", key="x", ts=1, body=b'{"when":1}'))
    with pytest.raises(StorageFailed, match=r"record 7 \(audit\) cannot be read by this version"):
        past.past(books.kept, "audit", limit=5)


# As topics. -----------------------------------------------------------------------------------------------------------


def test_rows_are_made_anew_only_when_something_changed(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    made: Counter[str] = Counter()
    make = shown.Shown._make

    def counted(self: shown.Shown, name: str, *rest: object) -> object:
        made[name] += 1
        return make(self, name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(shown.Shown, "_make", counted)
    topics, state, account = shown.Shown(), books.driver.state, books.account
    tenth = SECOND // 10
    for look in range(40):
        for name in shown.TRADING:
            topics.topic(name, state, account, books.now // SECOND * SECOND + look * tenth)
    assert {name: made[name] for name in ("orders", "fills", "journal", "equity")} == {
        "orders": 1, "fills": 1, "journal": 1, "equity": 1,
    }  # fmt: skip
    assert {made[name] for name in shown.MOVING} == {16}  # four a second
    books.order("buy", "0.01")
    assert bytes(topics.topic("orders", state, account, books.now)) == bytes(raw(views.orders_view(account)))
    assert made["orders"] == 2


def test_another_account_has_its_own_rows(books: Books) -> None:
    topics, other = shown.Shown(), Books()
    books.order("buy", "0.01")
    other.account.version = books.account.version
    first = bytes(topics.topic("orders", books.driver.state, books.account, books.now))
    assert bytes(topics.topic("orders", other.driver.state, other.account, books.now)) != first


def test_the_curve_has_a_point_a_minute(books: Books) -> None:
    for _ in range(14):
        books.wait(10.0)
    points = msgspec.msgpack.decode(
        shown.Shown().topic("equity", books.driver.state, books.account, books.now), type=EquityView
    ).points
    assert len(points) == 3
    assert [later[0] - earlier[0] for earlier, later in pairwise(points)] == [60, 60]
    assert {point[1:] for point in points} == {(10_000.0, 0.0)}


def test_numbers_of_people_are_exact() -> None:
    assert decimal(units("0.00000001")) == "0.00000001"
    assert BTC.key == KEY
