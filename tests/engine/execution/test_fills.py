"""The fill models: a book, a trade, a bar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.execution.costs import CostModel
from engine.execution.fills import BarExit, BarFills, BookFills, FillModel, Swept, TradeFills, bar_exit, walk
from engine.market.book import Book
from engine.orders import Side, units
from engine.types import Bar, Trade
from tests.engine.execution.papers import SPOT

STEP = units("0.00001")
PRICE = units("0.01")
COSTS = CostModel(maker_bps=10, taker_bps=10, half_spread_bps=5, slippage_bps=5)
BUY, SELL = Side.BUY, Side.SELL

levels = st.dictionaries(st.integers(9_000, 11_000), st.integers(1, 10**9), max_size=30)
taken = st.dictionaries(st.integers(9_000, 11_000), st.integers(1, 10**9))
sweeps = st.none() | st.builds(Swept, st.integers(8_900, 11_100), st.integers(1, 10**9))


@given(
    levels,
    st.sampled_from(Side),
    st.integers(1, 10**10),
    st.integers(0, 12_000),
    st.integers(0, 12_000),
    taken,
    sweeps,
    st.sampled_from([1, 1000, STEP, units("1")]),
)
def test_a_walk_takes_best_first_no_more_than_is_there_and_never_beyond_its_limit(
    shown: dict[int, int],
    side: Side,
    quantity: int,
    limit: int,
    bound: int,
    consumed: dict[int, int],
    swept: Swept | None,
    step: int,
) -> None:
    parts = walk(
        side,
        shown,
        quantity,
        instrument=SPOT,
        step=step,
        limit=limit * PRICE,
        bound=bound,
        consumed=consumed,
        swept=swept,
    )

    def there(ticks: int) -> int:
        if any(edge and (ticks - edge) * side.sign > 0 for edge in (limit, bound)):
            return 0
        if swept is not None and (ticks - swept.price) * side.sign < 0:
            return 0
        return shown[ticks] - consumed.get(ticks, 0) - (swept.size if swept and ticks == swept.price else 0)

    assert sum(part.quantity for part in parts) <= quantity
    prices = [part.price for part in parts]
    assert prices == sorted(set(prices), reverse=side is SELL)
    for part in parts:
        ticks, rest = divmod(part.price, PRICE)
        assert rest == 0
        assert 0 < part.quantity <= there(ticks)
        assert part.quantity % step == 0
    if sum(part.quantity for part in parts) <= quantity - step:  # it wanted more: nothing that it could have is left
        got = {part.price // PRICE: part.quantity for part in parts}
        assert all(there(ticks) - got.get(ticks, 0) < step for ticks in shown)


def test_a_book_gives_once_and_a_resting_order_at_its_own_price() -> None:
    book = Book()
    book.load([(9_999, units("1"))], [(10_001, units("1")), (10_002, units("2"))], 1)
    fills = BookFills(SPOT, book, STEP, {}, {})
    assert fills.meet(BUY, units("100.02"), units("9")) == units("3")
    for part in fills.take(BUY, units("1.5")):
        fills.commit(BUY, part.price, part.quantity)
    assert fills.meet(BUY, units("100.02"), units("9")) == units("1.5")
    assert fills.take(SELL, units("2")) == [(units("99.99"), units("1"))]


def traded(price: str, size: str, *, sell: bool) -> TradeFills:
    trade = Trade(
        instrument=SPOT.key, id=1, price=units(price) // PRICE, size=units(size), ts_exch=1, ts_sent=1, sell=sell
    )
    return TradeFills(SPOT, trade, STEP)


@pytest.mark.parametrize(
    ("side", "price", "sell", "ahead", "given"),
    [
        (BUY, "100", True, "0", "2"),
        (BUY, "100", True, "1.5", "0.5"),
        (BUY, "100", True, "2", "0"),
        (BUY, "100", False, "0", "0"),
        (BUY, "100.01", True, "50", "2"),
        (BUY, "100.01", False, "50", "2"),
        (BUY, "99.99", True, "0", "0"),
        (SELL, "100", False, "1.5", "0.5"),
        (SELL, "100", True, "0", "0"),
        (SELL, "99.99", True, "9", "2"),
        (SELL, "100.01", False, "0", "0"),
    ],
)
def test_a_trade_gives_a_resting_order_what_is_left_of_it(
    side: Side, price: str, sell: bool, ahead: str, given: str
) -> None:
    fills = traded("100", "2", sell=sell)
    assert fills.meet(side, units(price), units("10"), units(ahead)) == units(given)
    assert fills.meet(side, units(price), units("0.3"), units(ahead)) == min(units("0.3"), units(given))


def test_a_trade_gives_one_that_takes_its_own_price() -> None:
    fills = traded("100", "2", sell=True)
    assert fills.take(SELL, units("10")) == [(units("100"), units("10"))]
    assert fills.take(SELL, units("10"), units("100.01")) == []
    assert fills.take(BUY, units("10"), units("100")) == [(units("100"), units("10"))]


def barred(open_: str, high: str, low: str, close: str) -> BarFills:
    at = [units(price) // PRICE for price in (open_, high, low, close)]
    bar = Bar(
        open_ms=0, open=at[0], high=at[1], low=at[2], close=at[3], volume=1, trades=1, taker_buy=-1, quote_volume=-1
    )
    return BarFills(SPOT, bar, COSTS)


def test_in_bars_one_takes_at_the_next_open_with_its_costs() -> None:
    fills = barred("100", "101", "99", "100")
    assert fills.take(BUY, units("1")) == [(units("100.1"), units("1"))]
    assert fills.take(SELL, units("1")) == [(units("99.9"), units("1"))]
    assert fills.take(BUY, units("1"), units("100.09")) == []


def test_in_bars_a_resting_order_has_to_be_gone_beyond() -> None:
    fills = barred("100", "101", "99", "100")
    assert fills.meet(BUY, units("99"), 5) == 0
    assert fills.meet(BUY, units("99.01"), 5) == 5
    assert fills.meet(SELL, units("101"), 5) == 0
    assert fills.meet(SELL, units("100.99"), 5) == 5


@pytest.mark.parametrize(
    ("side", "stop", "target", "wanted"),
    [
        (SELL, "99.5", "100.5", ("99.4", True)),  # both were reached: the stop was first
        (SELL, "98", "100.5", ("100.5", False)),
        (SELL, "98", "101", None),
        (SELL, "100.2", "102", ("99.9", True)),  # the open has passed the stop: it fills at the open
        (SELL, "100", "102", ("99.9", True)),
        (BUY, "100.5", "99.5", ("100.61", True)),
        (BUY, "102", "99.5", ("99.5", False)),
        (BUY, "99.8", "0", ("100.1", True)),
        (SELL, "0", "0", None),
    ],
)
def test_in_bars_the_stop_goes_before_the_target_and_a_gap_fills_at_the_open(
    side: Side, stop: str, target: str, wanted: tuple[str, bool] | None
) -> None:
    found = bar_exit(barred("100", "101", "99", "100"), side, units(stop), units(target))
    assert found == (None if wanted is None else BarExit(price=units(wanted[0]), stopped=wanted[1]))


def test_all_forms_are_one_port() -> None:
    book = Book()
    book.load([(9_999, 10)], [(10_001, 10)], 1)
    forms: list[FillModel] = [
        BookFills(SPOT, book, 1, {}, {}),
        traded("100", "1", sell=True),
        barred("100", "101", "99", "100"),
    ]
    for form in forms:
        [part] = form.take(BUY, 10)
        assert part.quantity == 10
        assert part.price >= units("100")
        assert form.meet(BUY, units("90"), 10) == 0
