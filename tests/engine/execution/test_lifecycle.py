import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.execution import lifecycle
from engine.execution.lifecycle import FINAL, NEVER_THERE, OPEN, TRANSITIONS, Order, Orders, OrderState, Outcome, apply
from engine.execution.money import value
from engine.orders import (
    Adopted,
    AmendRefused,
    AmendSent,
    CancelRefused,
    CancelSent,
    Fill,
    Liquidity,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderDenied,
    OrderFilled,
    OrderRejected,
    OrderReported,
    OrderSpec,
    OrderSubmitted,
    OrderTriggered,
    OrderType,
    OrderUnresolved,
    Origin,
    Side,
    units,
)

S = OrderState
KEY = "binance:BTC/USDT"
PRICE = units("60000")


def spec(number="t-1", quantity=10, kind=OrderType.LIMIT, instrument=KEY):
    return OrderSpec(
        id=number, instrument=instrument, side=Side.BUY, type=kind, quantity=quantity, price=PRICE, created=1
    )


def fill(number, quantity, order="t-1", price=PRICE, fee=1, instrument=KEY, side=Side.BUY):
    told = Fill(
        id=str(number),
        order=order,
        instrument=instrument,
        side=side,
        price=price,
        quantity=quantity,
        fee=fee,
        fee_asset="BTC",
        liquidity=Liquidity.TAKER,
        ts=5,
    )
    return OrderFilled(order=order, ts=5, fill=told)


submitted = OrderSubmitted(order="t-1", ts=2)
accepted = OrderAccepted(order="t-1", ts=3, venue_id="77")
rejected = OrderRejected(order="t-1", ts=3, code="-2010", reason="not enough balance")
denied = OrderDenied(order="t-1", ts=3, reason="the latch is closed")
triggered = OrderTriggered(order="t-1", ts=4, price=PRICE)
cancel_sent = CancelSent(order="t-1", ts=6)
canceled = OrderCanceled(order="t-1", ts=7, reason="asked for")
expired = OrderCanceled(order="t-1", ts=7, expired=True)
cancel_refused = CancelRefused(order="t-1", ts=7, reason="unknown order")
amend_sent = AmendSent(order="t-1", ts=6, price=PRICE + 5)
amended = OrderAmended(order="t-1", ts=7, price=PRICE + 5)
amend_refused = AmendRefused(order="t-1", ts=7, reason="price the same")


def unresolved(doing):
    return OrderUnresolved(order="t-1", ts=4, doing=doing, reason="no answer within 5 s")


def reported(state, filled=0):
    return OrderReported(order="t-1", ts=9, state=state, filled=filled, venue_id="77")


def after(*events, kind=OrderType.LIMIT):
    """The order after these events, and what the last one was."""
    order = Order(spec(kind=kind))
    outcome = None
    for event in events:
        outcome = apply(order, event)
    return order, outcome


WAYS = {
    S.NEW: (),
    S.SUBMITTED: (submitted,),
    S.WORKING: (submitted, accepted),
    S.TRIGGERED: (submitted, accepted, triggered),
    S.PARTIAL: (submitted, accepted, fill(1, 4)),
    S.CANCELING: (submitted, accepted, cancel_sent),
    S.AMENDING: (submitted, accepted, amend_sent),
    S.UNRESOLVED: (submitted, unresolved("submit")),
    S.FILLED: (submitted, accepted, fill(1, 10)),
    S.CANCELED: (submitted, accepted, canceled),
    S.EXPIRED: (submitted, accepted, expired),
    S.REJECTED: (submitted, rejected),
    S.DENIED: (denied,),
}

EVENTS = {
    "submitted": submitted,
    "denied": denied,
    "accepted": accepted,
    "rejected": rejected,
    "unresolved": unresolved("cancel"),
    "triggered": triggered,
    "filled": fill(2, 3),
    "filled up": fill(2, 10),
    "cancel sent": cancel_sent,
    "canceled": canceled,
    "cancel refused": cancel_refused,
    "amend sent": amend_sent,
    "amended": amended,
    "amend refused": amend_refused,
    "reported working": reported("working"),
    "reported canceled": reported("canceled"),
    "reported filled": reported("filled", 10),
    "reported missing": reported("missing"),
}


def expectations():
    """By (state, event) where the order is then, written out by hand; what is not here stays where it was."""
    table = {}
    for state in OPEN:
        table |= {
            (state, "rejected"): S.CANCELED if state is S.PARTIAL else S.REJECTED,
            (state, "unresolved"): S.UNRESOLVED,
            (state, "filled"): S.PARTIAL,
            (state, "filled up"): S.FILLED,
            (state, "cancel sent"): S.CANCELING,
            (state, "canceled"): S.CANCELED,
            (state, "amend sent"): S.AMENDING,
            (state, "amended"): S.WORKING,
            (state, "reported working"): S.WORKING,
            (state, "reported canceled"): S.CANCELED,
            (state, "reported filled"): S.UNRESOLVED,
            (state, "reported missing"): S.UNRESOLVED,
        }
    for state in (S.NEW, S.SUBMITTED):
        table |= {
            (state, "denied"): S.DENIED,
            (state, "accepted"): S.WORKING,
            (state, "triggered"): S.TRIGGERED,
            (state, "reported missing"): S.REJECTED,
        }
    table[S.NEW, "submitted"] = S.SUBMITTED
    table[S.WORKING, "triggered"] = S.TRIGGERED
    for state in (S.TRIGGERED, S.PARTIAL):
        table |= {(state, name): state for name in ("amended", "reported working")}
    for state, names in {
        S.CANCELING: ("filled", "triggered", "amend sent", "amended", "reported working"),
        S.AMENDING: ("filled", "triggered", "reported working"),
        S.UNRESOLVED: ("unresolved", "cancel sent", "amend sent"),
    }.items():
        table |= dict.fromkeys(((state, name) for name in names), state)
    table |= {
        (S.CANCELING, "cancel refused"): S.WORKING,
        (S.AMENDING, "amended"): S.WORKING,
        (S.AMENDING, "amend refused"): S.WORKING,
        (S.UNRESOLVED, "accepted"): S.WORKING,
        (S.UNRESOLVED, "triggered"): S.TRIGGERED,
        (S.UNRESOLVED, "reported missing"): S.REJECTED,
        (S.REJECTED, "filled"): S.UNRESOLVED,
        (S.DENIED, "filled"): S.UNRESOLVED,
    }
    for state in FINAL - {S.FILLED}:
        table |= {(state, "filled up"): S.FILLED, (state, "reported filled"): S.UNRESOLVED}
    return table


@pytest.mark.parametrize("state", list(OrderState))
@pytest.mark.parametrize("name", list(EVENTS))
def test_every_event_in_every_state_leads_where_it_should(state, name):
    kind = OrderType.STOP_LIMIT
    order, _ = after(*WAYS[state], kind=kind)
    assert order.state is state
    before = order.image()
    outcome = apply(order, EVENTS[name])
    assert order.state is expectations().get((state, name), state)
    assert outcome is not Outcome.UNKNOWN
    if type(EVENTS[name]) not in TRANSITIONS[state]:
        assert outcome is Outcome.IMPOSSIBLE
        assert order.image() == before
    if outcome is Outcome.DUPLICATE:
        assert order.image() == before
    if state in FINAL:
        assert outcome is not Outcome.APPLIED


def test_the_table_has_a_row_for_every_state_and_open_and_final_are_all():
    assert set(TRANSITIONS) == set(OrderState) == OPEN | FINAL
    assert not OPEN & FINAL


@pytest.mark.parametrize(
    "events", list(itertools.permutations([submitted, accepted, fill(1, 4), fill(2, 6), canceled]))
)
def test_the_totals_do_not_depend_on_the_order_in_which_things_are_told(events):
    order, _ = after(*events)
    assert (order.filled, order.cost, order.fees) == (10, value(PRICE, 4) + value(PRICE, 6), {"BTC": 2})
    assert order.state is S.FILLED


@pytest.mark.parametrize(
    "events", list(itertools.permutations([accepted, fill(1, 4), OrderCanceled(order="t-1", ts=7, filled=4)]))
)
def test_a_cancel_that_crosses_a_fill_ends_the_order_once_the_fill_is_known(events):
    order, _ = after(submitted, cancel_sent, *events)
    assert order.state is S.CANCELED
    assert (order.filled, order.missing, order.doing, order.remaining) == (4, 0, "", 0)


def test_an_end_that_speaks_of_fills_that_are_not_here_leaves_the_order_unresolved_until_they_are():
    order, outcome = after(submitted, accepted, fill(1, 2), OrderCanceled(order="t-1", ts=7, filled=5))
    assert outcome is Outcome.APPLIED
    assert (order.state, order.doing, order.missing, order.remaining) == (S.UNRESOLVED, "fills", 3, 0)
    assert apply(order, cancel_sent) is Outcome.LATE
    assert apply(order, fill(2, 1)) is Outcome.APPLIED
    assert order.state is S.UNRESOLVED
    assert apply(order, fill(2, 1)) is Outcome.DUPLICATE
    assert apply(order, reported("canceled", 5)) is Outcome.DUPLICATE
    assert apply(order, fill(3, 2)) is Outcome.APPLIED
    assert (order.state, order.filled) == (S.CANCELED, 5)


def test_a_report_of_more_fills_than_are_known_reopens_an_order_that_was_over():
    order, outcome = after(submitted, accepted, canceled, reported("canceled", 3))
    assert outcome is Outcome.LATE
    assert (order.state, order.doing) == (S.UNRESOLVED, "fills")
    apply(order, fill(1, 3))
    assert order.state is S.CANCELED


def test_an_unresolved_submit_is_settled_by_every_proof_and_by_nothing_else():
    lost = (submitted, unresolved("submit"))
    assert after(*lost, accepted)[0].state is S.WORKING
    assert after(*lost, fill(1, 4))[0].state is S.PARTIAL
    assert after(*lost, reported("working", 0))[0].state is S.WORKING
    assert after(*lost, rejected)[0].state is S.REJECTED
    missing, _ = after(*lost, reported("missing"))
    assert (missing.state, missing.reason) == (S.REJECTED, NEVER_THERE)
    for event in (submitted, cancel_sent, cancel_refused, amend_refused, unresolved("cancel"), fill(1, 4, order="t-2")):
        order, _ = after(*lost, event)
        assert (order.state, order.doing) == (S.UNRESOLVED, "submit")


@pytest.mark.parametrize(
    ("doing", "sent", "refused"), [("cancel", cancel_sent, cancel_refused), ("amend", amend_sent, amend_refused)]
)
def test_an_unresolved_change_is_settled_by_its_own_answer(doing, sent, refused):
    lost = (submitted, accepted, sent, unresolved(doing))
    order, _ = after(*lost, fill(1, 4))
    assert (order.state, order.doing, order.filled) == (S.UNRESOLVED, doing, 4)
    assert apply(order, refused) is Outcome.APPLIED
    assert (order.state, order.reason) == (S.PARTIAL, refused.reason)
    assert after(*lost, reported("working"))[0].state is S.WORKING
    assert after(*lost, fill(1, 10))[0].state is S.FILLED


def test_an_order_that_was_accepted_cannot_be_missing():
    order, outcome = after(submitted, accepted, reported("missing"))
    assert outcome is Outcome.IMPOSSIBLE
    assert (order.state, order.doing) == (S.UNRESOLVED, "query")
    assert apply(order, accepted) is Outcome.DUPLICATE
    assert order.state is S.UNRESOLVED
    apply(order, reported("working"))
    assert order.state is S.WORKING


@pytest.mark.parametrize("life", [accepted, triggered, reported("working"), fill(1, 4)])
def test_an_order_that_was_believed_lost_and_shows_itself_is_asked_for(life):
    order, outcome = after(submitted, reported("missing"), life, kind=OrderType.STOP_LIMIT)
    assert outcome is Outcome.LATE
    assert (order.state, order.doing) == (S.UNRESOLVED, "query")
    apply(order, reported("canceled", order.filled))
    assert order.state is S.CANCELED


def test_a_rejection_by_the_venue_stands_against_a_late_accept():
    order, outcome = after(submitted, rejected, accepted)
    assert (order.state, outcome, order.venue_id) == (S.REJECTED, Outcome.LATE, "77")


def test_fills_beyond_the_quantity_are_impossible_and_counted_once():
    order, outcome = after(submitted, accepted, fill(1, 10), fill(2, 3))
    assert (outcome, order.state, order.filled) == (Outcome.IMPOSSIBLE, S.FILLED, 13)
    assert apply(order, fill(2, 3)) is Outcome.DUPLICATE
    assert order.filled == 13


@pytest.mark.parametrize("other", [fill(1, 4, instrument="binance:ETH/USDT"), fill(1, 4, side=Side.SELL), fill(1, 0)])
def test_a_fill_that_is_none_of_this_order_is_impossible_and_not_counted(other):
    order, outcome = after(submitted, other)
    assert (outcome, order.state, order.filled) == (Outcome.IMPOSSIBLE, S.SUBMITTED, 0)


def test_amendments_count_the_quantity_with_what_is_filled():
    order, _ = after(submitted, accepted, fill(1, 4), amend_sent, OrderAmended(order="t-1", ts=8, quantity=12))
    assert (order.state, order.quantity, order.remaining, order.price) == (S.PARTIAL, 12, 8, PRICE)
    assert apply(order, OrderAmended(order="t-1", ts=9, quantity=4, venue_id="78")) is Outcome.APPLIED
    assert (order.state, order.venue_id) == (S.FILLED, "78")


def test_a_cancel_that_crosses_an_amendment_keeps_both():
    order, _ = after(submitted, accepted, amend_sent, cancel_sent, amended)
    assert (order.state, order.price) == (S.CANCELING, PRICE + 5)
    apply(order, canceled)
    assert order.state is S.CANCELED


def test_a_canceled_order_may_be_over_before_it_was_sent():
    order, _ = after(cancel_sent, denied)
    assert order.state is S.DENIED
    refused, _ = after(cancel_sent, submitted, cancel_refused)
    assert refused.state is S.SUBMITTED


def test_the_average_is_of_what_was_filled():
    order, _ = after(accepted, fill(1, 4, price=units("100")), fill(2, 6, price=units("110")))
    assert order.average == units("106")
    assert Order(spec()).average == 0


MOMENTS = st.sampled_from([*EVENTS.values(), *(fill(n, q) for n in range(3) for q in (1, 4)), unresolved("submit"),
                           unresolved("amend"), expired, reported("working", 4), reported("rejected"),
                           reported("nonsense"), OrderCanceled(order="t-1", ts=7, filled=4)])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(MOMENTS, max_size=25))
def test_whatever_is_told_nothing_raises_and_no_fill_is_lost_or_counted_twice(events):
    order, fills = Order(spec(kind=OrderType.STOP_LIMIT)), {}
    for event in events:
        was = order.state
        if isinstance(event, OrderFilled):
            fills.setdefault(event.fill.id, event.fill.quantity)
        outcome = apply(order, event)
        reopened = was in FINAL and order.state in OPEN
        assert not reopened or (order.state is S.UNRESOLVED and outcome is not Outcome.APPLIED)
        assert order.filled == sum(fills.values())
        assert order.fees.get("BTC", 0) == len(fills)
        assert not (order.state in FINAL and order.missing)
        assert (order.state is S.UNRESOLVED) <= (order.doing != "")
        assert (order.state in FINAL) <= (order.doing == "")
        assert not (order.state is S.UNRESOLVED and order.doing == "submit" and order.accepted)
        if outcome is Outcome.DUPLICATE:
            again = order.image()
            apply(order, event)
            assert order.image() == again
    image = msgspec.json.decode(msgspec.json.encode(order.image()))
    assert Order.restore(image) == order


class OrdersMachine(RuleBasedStateMachine):
    """Orders of two instruments, told anything, with a restart anywhere."""

    def __init__(self):
        super().__init__()
        self.orders, self.made, self.filled = Orders(), 0, {}

    @rule(instrument=st.sampled_from([KEY, "bybit:ETH/USDT"]))
    def make(self, instrument):
        self.made += 1
        number = f"t-{self.made}"
        self.orders.add(spec(number, instrument=instrument))
        self.filled[number] = {}

    @precondition(lambda self: self.made)
    @rule(data=st.data(), event=MOMENTS)
    def tell(self, data, event):
        number = f"t-{data.draw(st.integers(1, self.made))}"
        known = self.orders.by_id.get(number)
        if isinstance(event, OrderFilled):
            instrument = known.spec.instrument if known else KEY
            event = fill(event.fill.id, event.fill.quantity, order=number, instrument=instrument)
            if known:
                self.filled[number].setdefault(event.fill.id, event.fill.quantity)
        else:
            event = msgspec.structs.replace(event, order=number)
        order, outcome = self.orders.apply(event)
        assert order is known
        assert (outcome is Outcome.UNKNOWN) == (known is None)

    @precondition(lambda self: self.made)
    @rule(data=st.data())
    def adopt(self, data):
        number = f"t-{data.draw(st.integers(1, self.made))}"
        told = spec(number) if number not in self.orders.by_id else self.orders.by_id[number].spec
        order = self.orders.adopt(
            Adopted(spec=msgspec.structs.replace(told, origin=Origin.EXTERNAL), venue_id="9", ts=9)
        )
        assert order.open or order.filled >= order.quantity
        self.filled.setdefault(number, {})

    @rule()
    def restart(self):
        image = msgspec.json.decode(msgspec.json.encode(self.orders.image()))
        again = Orders.restore(image)
        assert again == self.orders
        assert [order.id for order in again.recent(50)] == [order.id for order in self.orders.recent(50)]
        self.orders = again

    @invariant()
    def the_lists_are_of_the_states(self):
        orders = self.orders
        assert {order.id for order in orders.by_id.values() if order.open} == {order.id for order in orders.open()}
        assert {order.id for order in orders.unresolved()} == {
            order.id for order in orders.by_id.values() if order.state is S.UNRESOLVED
        }
        assert all(order.spec.instrument == KEY for order in orders.open(KEY))

    @invariant()
    def no_fill_is_lost(self):
        for number, order in self.orders.by_id.items():
            assert order.filled == sum(self.filled[number].values())


TestOrdersMachine = OrdersMachine.TestCase
TestOrdersMachine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_of_orders_that_are_over_the_newest_stay_and_open_ones_always(monkeypatch):
    monkeypatch.setattr(lifecycle, "KEPT", 3)
    orders = Orders()
    for number in range(8):
        orders.add(spec(f"t-{number}"))
        if number:
            orders.apply(OrderDenied(order=f"t-{number}", ts=2, reason="no"))
    assert list(orders.by_id) == ["t-0", "t-5", "t-6", "t-7"]
    assert [order.id for order in orders.recent(2)] == ["t-7", "t-6", "t-0"]
    late, outcome = orders.apply(fill(1, 4, order="t-6"))
    assert (late.filled, outcome, late.state) == (4, Outcome.LATE, S.UNRESOLVED)
    assert [order.id for order in orders.open()] == ["t-0", "t-6"]
    assert orders.apply(fill(1, 4, order="t-1")) == (None, Outcome.UNKNOWN)
    with pytest.raises(ValueError, match="order t-0 is there already"):
        orders.add(spec("t-0"))


def test_an_order_that_stands_at_the_venue_though_it_was_thought_over_is_asked_for():
    orders = Orders()
    orders.add(spec())
    orders.apply(rejected)
    order = orders.adopt(Adopted(spec=spec(), venue_id="9", ts=9))
    assert (order.state, order.doing, order.venue_id) == (S.UNRESOLVED, "query", "9")
    assert orders.open() == [order]
    stranger = orders.adopt(Adopted(spec=spec("web-1"), venue_id="10", ts=9))
    assert (stranger.state, stranger.venue_id) == (S.WORKING, "10")
