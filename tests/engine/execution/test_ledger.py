from itertools import permutations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from engine.errors import SettingsInvalid
from engine.execution import ledger as books
from engine.execution.ledger import Contract, Ledger, contract_of
from engine.execution.money import value, value_up
from engine.orders import BalancesReported, Fill, FundingPaid, Liquidity, Side, decimal, units

SPOT = Contract(instrument="binance:BTC/USDT", base="BTC", quote="USDT", settle="USDT", derivative=False)
OTHER = Contract(instrument="binance:ETH/USDT", base="ETH", quote="USDT", settle="USDT", derivative=False)
CROSS = Contract(instrument="binance:ETH/BTC", base="ETH", quote="BTC", settle="BTC", derivative=False)
SWAP = Contract(instrument="binanceusdm:BTC/USDT:USDT", base="BTC", quote="USDT", settle="USDT", derivative=True)


def fill(number, side, quantity, price, fee="0", asset="USDT", contract=SPOT, ts=None):
    return Fill(
        id=str(number),
        order=f"t-{number}",
        instrument=contract.instrument,
        side=side,
        price=units(price) if isinstance(price, str) else price,
        quantity=units(quantity) if isinstance(quantity, str) else quantity,
        fee=units(fee) if isinstance(fee, str) else fee,
        fee_asset=asset,
        liquidity=Liquidity.TAKER,
        ts=number if ts is None else ts,
    )


def paid(number, amount, ts=None, asset="USDT"):
    ts = number if ts is None else ts
    return FundingPaid(id=str(number), instrument=SWAP.instrument, ts=ts, amount=amount, asset=asset)


def again(ledger):
    """The ledger after a restart."""
    return Ledger.restore(msgspec.json.decode(msgspec.json.encode(ledger.image())))


def balanced(ledger, begun):
    """The books agree for every asset, to the unit."""
    assets = {"USDT", "BTC", "ETH", "BNB"} | set(begun) | set(ledger.balances)
    for asset in assets:
        spot = [each for each in ledger.positions.values() if not each.contract.derivative]
        expected = (
            begun.get(asset, 0)
            + ledger.transfers.get(asset, 0)
            + ledger.outside.get(asset, 0)
            + ledger.realised.get(asset, 0)
            - ledger.fees.get(asset, 0)
            + ledger.funding.get(asset, 0)
            - sum(each.cost for each in spot if each.contract.quote == asset)
            + sum(each.quantity for each in spot if each.contract.base == asset)
        )
        assert ledger.balances.get(asset, 0) == expected, asset


def shown(amounts):
    return {asset: decimal(amount) for asset, amount in amounts.items() if amount}


def test_a_day_that_can_be_checked_by_hand():
    """BUY 0.015 at 60,000 (fee 0.1 % in BTC), 0.01 at 61,000; SELL 0.01 at 62,000; SELL what can be sold at 59,000."""
    ledger = Ledger("USDT", {"USDT": units("10000")})
    first = fill(1, Side.BUY, "0.015", "60000", "0.000015", "BTC")
    opened = ledger.fill(SPOT, first, risk=units("9"), dust=units("0.00001"))
    assert (opened.opened, opened.realised, opened.closed) == (True, 0, None)
    position = ledger.positions[SPOT.instrument]
    assert shown(ledger.balances) == {"USDT": "9100", "BTC": "0.014985"}
    # 900 paid: 0.9 of it is the fee's worth, the rest is cost.
    assert (decimal(position.quantity), decimal(position.cost)) == ("0.014985", "899.1")
    assert decimal(position.average) == "60000"

    ledger.fill(SPOT, fill(2, Side.BUY, "0.01", "61000", "0.00001", "BTC"), dust=units("0.00001"))
    assert (decimal(position.quantity), decimal(position.cost)) == ("0.024975", "1508.49")

    sold = ledger.fill(SPOT, fill(3, Side.SELL, "0.01", "62000", "0.62"), dust=units("0.00001"))
    # 0.01 / 0.024975 of 1508.49 is 604, and 620 came.
    assert decimal(sold.realised) == "16"
    assert (sold.opened, sold.closed) == (False, None)

    ended = ledger.fill(SPOT, fill(4, Side.SELL, "0.01497", "59000", "0.88323"), dust=units("0.00001"), reason="stop")
    # 0.01497 / 0.014975 of 904.49 is 904.188; 883.23 came. 0.000005 BTC are dust, with 0.302 as their cost.
    assert decimal(ended.realised) == "-20.958"
    trade = ended.closed
    assert trade is not None
    assert (trade.id, trade.side, trade.reason, trade.asset) == (f"{SPOT.instrument}#1", "long", "stop", "USDT")
    assert [decimal(each) for each in (trade.quantity, trade.gross, trade.fees, trade.net)] == [
        "0.024975", "-4.958", "3.01323", "-7.97123"]  # fmt: skip
    assert (decimal(trade.entry, 4), decimal(trade.exit, 4)) == ("60400", "60201.4417")
    assert (trade.opened, trade.closed, trade.r) == (1, 4, pytest.approx(-7.97123 / 9))
    assert list(ledger.closed) == [trade]
    assert not position.open
    assert (decimal(position.quantity), decimal(position.cost)) == ("0.000005", "0.302")
    assert shown(ledger.balances) == {"USDT": "9991.72677", "BTC": "0.000005"}
    assert shown(ledger.fees) == {"USDT": "3.01323"}
    assert shown(ledger.taken) == {"BTC": "0.000025", "USDT": "1.50323"}
    balanced(ledger, {"USDT": units("10000")})

    equity = ledger.equity({}.get, {SPOT.instrument: units("59000")}.get)
    assert equity.total == units("10000") + ledger.realised["USDT"] - ledger.fees["USDT"] + equity.unrealised
    assert decimal(equity.unrealised) == "-0.007"


def test_dust_goes_into_the_next_trade_with_its_cost():
    ledger = Ledger("USDT", {"USDT": units("1000")})
    dust = units("0.001")
    ledger.fill(SPOT, fill(1, Side.BUY, "1.0004", "100"), dust=dust)
    assert ledger.fill(SPOT, fill(2, Side.SELL, "1", "110"), dust=dust).closed is not None
    position = ledger.positions[SPOT.instrument]
    assert (position.trade, decimal(position.quantity), decimal(position.cost)) == ("", "0.0004", "0.04")
    assert ledger.fill(SPOT, fill(3, Side.BUY, "1", "120"), dust=dust).opened
    assert (decimal(position.quantity), decimal(position.cost)) == ("1.0004", "120.04")
    trade = ledger.fill(SPOT, fill(4, Side.SELL, "1.0004", "120"), dust=dust).closed
    assert decimal(trade.gross) == "0.008"
    assert (position.quantity, position.cost) == (0, 0)


def test_a_purchase_that_is_too_small_to_be_sold_can_be_swept():
    ledger = Ledger("USDT", {"USDT": units("1000")})
    ledger.fill(SPOT, fill(1, Side.BUY, "0.0004", "100"), dust=units("0.001"))
    assert ledger.positions[SPOT.instrument].open
    assert ledger.sweep(SPOT.instrument, units("0.0004"), 5) is None
    trade = ledger.sweep(SPOT.instrument, units("0.001"), 5, "dust")
    assert (trade.reason, trade.gross, trade.exit, list(ledger.closed)) == ("dust", 0, 0, [trade])
    assert not ledger.positions[SPOT.instrument].open
    assert ledger.sweep(SPOT.instrument, units("0.001"), 6) is None
    assert ledger.sweep("binance:ETH/USDT", 5, 6) is None


def test_a_sale_beyond_the_position_is_of_what_is_not_ours_to_count():
    begun = {"USDT": 0, "BTC": units("2")}
    ledger = Ledger("USDT", begun)
    ledger.fill(SPOT, fill(1, Side.BUY, "1", "100"))
    applied = ledger.fill(SPOT, fill(2, Side.SELL, "1.5", "110"))
    assert (decimal(applied.realised), decimal(applied.beyond)) == ("10", "0.5")
    assert applied.closed is not None
    assert (ledger.positions[SPOT.instrument].quantity, shown(ledger.balances)) == (0, {"USDT": "65", "BTC": "1.5"})
    assert shown(ledger.outside) == {"BTC": "-0.5", "USDT": "55"}
    balanced(ledger, begun)


def test_a_purchase_that_is_told_after_its_sale_leaves_no_position():
    begun = {"USDT": units("1000")}
    ledger = Ledger("USDT", begun)
    assert ledger.fill(SPOT, fill(2, Side.SELL, "1", "110")).beyond == units("1")
    ledger = again(ledger)
    applied = ledger.fill(SPOT, fill(1, Side.BUY, "1.5", "100"))
    assert decimal(applied.realised) == "10"
    assert decimal(ledger.positions[SPOT.instrument].quantity) == "0.5"
    assert shown(ledger.outside) == {}
    assert shown(ledger.balances) == {"USDT": "960", "BTC": "0.5"}
    balanced(ledger, begun)
    ledger.fill(SPOT, fill(9, Side.SELL, "0.75", "110"))
    ledger.fill(SPOT, fill(10, Side.BUY, "0.25", "100"))
    assert decimal(ledger.positions[SPOT.instrument].quantity) == "0.25"  # made after the sale: it was not sold


def test_a_short_that_turns_long_is_two_trades():
    ledger = Ledger("USDT", {"USDT": units("1000")})
    ledger.fill(SWAP, fill(1, Side.SELL, "2", "100", "0.1", contract=SWAP), risk=units("4"))
    position = ledger.positions[SWAP.instrument]
    assert (decimal(position.quantity), decimal(position.cost), decimal(position.average)) == ("-2", "-200", "100")
    assert shown(ledger.balances) == {"USDT": "999.9"}
    assert ledger.fund(SWAP, paid(7, units("0.25")))
    assert not ledger.fund(SWAP, paid(7, units("0.25")))
    applied = ledger.fill(SWAP, fill(2, Side.BUY, "3", "90", "0.3", contract=SWAP), risk=units("6"))
    assert (decimal(applied.realised), applied.opened) == ("20", True)
    trade = applied.closed
    assert [decimal(each) for each in (trade.gross, trade.fees, trade.funding, trade.net)] == [
        "20", "0.3", "0.25", "19.95"]  # fmt: skip
    assert (trade.side, decimal(trade.entry), decimal(trade.exit), trade.r) == ("short", "100", "90", 19.95 / 4)
    assert (decimal(position.quantity), decimal(position.cost), decimal(position.risk)) == ("1", "90", "2")
    assert (position.trade, decimal(position.fees)) == (f"{SWAP.instrument}#2", "0.1")
    assert shown(ledger.balances) == {"USDT": "1019.85"}
    equity = ledger.equity({}.get, {SWAP.instrument: units("95")}.get)
    assert (decimal(equity.total), decimal(equity.unrealised)) == ("1024.85", "5")
    balanced(ledger, {"USDT": units("1000")})


def test_fees_in_a_third_asset_are_paid_in_it_and_cost_the_trade_what_it_is_worth():
    begun = {"USDT": units("1000"), "BNB": units("1")}
    ledger = Ledger("USDT", begun)
    ledger.fill(SPOT, fill(1, Side.BUY, "1", "100", "0.0001", "BNB"), fee_rate=units("600"))
    ledger.fill(SPOT, fill(2, Side.SELL, "1", "100", "0.0002", "BNB"))
    trade = ledger.closed[0]
    assert (decimal(trade.fees), trade.other_fees, decimal(trade.net)) == ("0.06", {"BNB": units("0.0002")}, "-0.06")
    assert shown(ledger.balances) == {"USDT": "1000", "BNB": "0.9997"}
    assert shown(ledger.fees) == shown(ledger.taken) == {"BNB": "0.0003"}
    balanced(ledger, begun)


def test_rebates_come_in():
    ledger = Ledger("USDT", {"USDT": units("1000")})
    ledger.fill(SPOT, fill(1, Side.BUY, "1", "100", "-0.001", "BTC"))
    assert decimal(ledger.positions[SPOT.instrument].cost) == "100.1"
    ledger.fill(SPOT, fill(2, Side.SELL, "1.001", "100", "-0.02"))
    assert shown(ledger.balances) == {"USDT": "1000.12"}
    assert decimal(ledger.closed[0].net) == "0.12"
    balanced(ledger, {"USDT": units("1000")})


def test_a_report_explains_what_fills_do_not_whichever_is_heard_first():
    def told(order):
        ledger = Ledger("USDT", {"USDT": units("1000")})
        steps = {
            "early": lambda: ledger.fill(SPOT, fill(1, Side.BUY, "1", "100", ts=10)),
            "report": lambda: ledger.report(
                BalancesReported(venue="binance", ts=20, balances={"USDT": units("950"), "BTC": units("1")})
            ),
            "after": lambda: ledger.fill(SPOT, fill(2, Side.BUY, "1", "100", ts=30)),
        }
        for step in order:
            steps[step]()
        balanced(ledger, {"USDT": units("1000")})
        return ledger

    for order in permutations(("early", "report", "after")):
        ledger = told(order)
        assert shown(ledger.balances) == {"USDT": "850", "BTC": "2"}
        assert shown(ledger.transfers) == {"USDT": "50"}


def test_a_report_names_what_changed_and_an_older_one_is_old_news():
    ledger = Ledger("USDT")
    report = BalancesReported(venue="binance", ts=5, balances={"USDT": 7, "BTC": 3, "ETH": 0})
    assert ledger.report(report) == {"USDT": 7, "BTC": 3}
    assert ledger.report(report) == {}
    assert ledger.report(BalancesReported(venue="binance", ts=4, balances={})) == {}
    assert ledger.report(BalancesReported(venue="binance", ts=6, balances={"USDT": 7})) == {"BTC": -3}
    assert ledger.balances == {"USDT": 7, "BTC": 0}


def test_equity_is_not_known_while_a_price_that_it_needs_is_not():
    ledger = Ledger("USDT", {"USDT": units("100"), "BTC": units("1"), "XYZ": units("5")})
    ledger.fill(SPOT, fill(1, Side.BUY, "1", "50"))
    ledger.fill(SWAP, fill(1, Side.BUY, "1", "50", contract=SWAP))
    nothing = ledger.equity({}.get, {SWAP.instrument: units("60")}.get)
    assert (nothing.total, nothing.unrealised) == (None, units("10"))
    assert nothing.unknown == ("BTC", "XYZ", SPOT.instrument)
    marks = {SPOT.instrument: units("70"), SWAP.instrument: units("60")}
    known = ledger.equity({"BTC": units("71"), "XYZ": 0}.get, marks.get)
    assert (decimal(known.total), known.unknown) == ("201", ())  # 50 + 70 + 71 + 10


def test_equity_converts_what_is_quoted_in_another_asset():
    ledger = Ledger("USDT", {"BTC": units("1")})
    ledger.fill(CROSS, fill(1, Side.BUY, "10", "0.05", contract=CROSS))
    marks = {CROSS.instrument: units("0.06")}
    assert ledger.equity({}.get, marks.get).unknown == ("BTC",)
    equity = ledger.equity({"BTC": units("60000")}.get, marks.get)
    assert (decimal(equity.total), decimal(equity.unrealised)) == ("66000", "6000")


@pytest.mark.parametrize(
    ("symbol", "said"),
    [("BTC/USD:BTC", "settled in BTC, not in USD"), ("BTC/USDT:BTC-261225", "settled in BTC, not in USDT")],
)
def test_inverse_contracts_are_refused_in_a_sentence(symbol, said):
    with pytest.raises(SettingsInvalid, match=said):
        contract_of(f"v:{symbol}")


def test_contracts_of_instruments():
    assert contract_of("v:BTC/USDT") == msgspec.structs.replace(SPOT, instrument="v:BTC/USDT")
    for symbol in ("BTC/USDT:USDT", "BTC/USDT:USDT-261225"):
        linear = contract_of(f"v:{symbol}")
        assert (linear.derivative, linear.settle, linear.instrument) == (True, "USDT", f"v:{symbol}")


def test_what_was_forgotten_and_is_older_is_taken_for_a_duplicate(monkeypatch):
    monkeypatch.setattr(books, "REMEMBERED", 3)
    ledger = Ledger("USDT")
    for number in range(1, 7):
        assert not ledger.fill(SPOT, fill(number, Side.BUY, "1", "1")).duplicate
    ledger = again(ledger)
    for number in range(1, 7):
        assert ledger.fill(SPOT, fill(number, Side.BUY, "1", "1", ts=number - (number == 3))).duplicate
    assert ledger.positions[SPOT.instrument].quantity == units("6")


amounts = st.integers(1, 10**12)
fills = st.lists(
    st.tuples(st.sampled_from(Side), amounts, st.integers(1, 10**13), st.integers(-50, 100)), min_size=1, max_size=12
)


@settings(max_examples=150, deadline=None)
@given(fills, st.randoms(use_true_random=False))
def test_in_whichever_order_and_however_often_fills_are_told_what_is_held_is_the_same(rows, dice):
    """On spot the position as well, where a sale is told before the purchase that it followed at once."""
    told, held = [], 0
    for number, (side, quantity, price, bps) in enumerate(rows, 1):
        quantity = min(quantity, held) if side is Side.SELL else quantity
        held += side.sign * quantity
        if quantity:
            fee = max(bps, 0) * value(price, quantity) // 10_000
            told.append(fill(number, side, quantity, price, fee, "USDT", ts=number))
    plain, mixed, late, crossed = Ledger("USDT"), Ledger("USDT"), Ledger("USDT"), Ledger("USDT")
    shuffled = told + told
    dice.shuffle(shuffled)
    for each in told:
        plain.fill(SPOT, each)
    for each in shuffled:
        swap = msgspec.structs.replace(each, instrument=SWAP.instrument)
        mixed.fill(SWAP, swap)
        late.fill(SPOT, each)
    for pair in zip(told[::2], told[1::2], strict=False):
        for each in reversed(pair):
            crossed.fill(SPOT, each)
    for each in told:
        crossed.fill(SPOT, each)
    assert held == sum(each.quantity for each in plain.positions.values())
    assert held == sum(each.quantity for each in mixed.positions.values())
    assert held == sum(each.quantity for each in crossed.positions.values())
    assert not any(crossed.outside.values())
    assert late.balances == plain.balances == crossed.balances
    assert late.fees == plain.fees == mixed.fees
    balanced(late, {})
    balanced(mixed, {})


class Account(RuleBasedStateMachine):
    """One account in one currency that holds nothing but what it buys."""

    contracts = (SPOT, OTHER, SWAP)

    @initialize(begun=st.integers(0, 10**14))
    def begin(self, begun):
        self.ledger, self.begun, self.number = Ledger("USDT", {"USDT": begun}), begun, 0
        self.held = dict.fromkeys((each.instrument for each in self.contracts), 0)
        self.last, self.closed, self.net = None, 0, 0

    @rule(
        contract=st.sampled_from(contracts),
        side=st.sampled_from(Side),
        quantity=amounts,
        price=st.integers(1, 10**13),
        fee=st.integers(-20, 100),
        in_base=st.booleans(),
        dust=st.sampled_from([0, 1, 1000, 10**9]),
        share=st.integers(1, 4),
    )
    def trade(self, contract, side, quantity, price, fee, in_base, dust, share):
        self.number += 1
        held = self.held[contract.instrument]
        if side is Side.SELL and not contract.derivative:
            quantity = held // share
            if not quantity:
                return
        in_base = in_base and not contract.derivative and side is Side.BUY
        worth = quantity if in_base else value(price, quantity)
        fee = -(-worth * fee // 10_000)
        told = fill(self.number, side, quantity, price, fee, contract.base if in_base else "USDT", contract)
        position = self.ledger.positions.get(contract.instrument)
        was = position.trade if position else ""
        applied = self.ledger.fill(contract, told, dust=dust)
        self.held[contract.instrument] += side.sign * quantity - (fee if in_base else 0)
        self.last = contract, told
        assert not applied.duplicate
        assert applied.beyond == 0
        now = self.ledger.positions[contract.instrument].trade
        assert applied.opened == (now not in ("", was))
        assert (applied.closed is not None) == (was not in ("", now))
        self.closed += applied.closed is not None

    @rule()
    def duplicate(self):
        if self.last is not None:
            before = self.ledger.image()
            assert self.ledger.fill(*self.last).duplicate
            assert self.ledger.image() == before

    @rule(amount=st.integers(-(10**12), 10**12))
    def fund(self, amount):
        self.number += 1
        assert self.ledger.fund(SWAP, paid(self.number, amount))
        assert not self.ledger.fund(SWAP, paid(self.number, amount))

    @rule(amount=st.integers(-(10**12), 10**12))
    def transfer(self, amount):
        balances = dict(self.ledger.balances)
        balances["USDT"] = balances.get("USDT", 0) + amount
        report = BalancesReported(venue="v", ts=self.number, balances=balances)
        assert self.ledger.report(report) == ({"USDT": amount} if amount else {})

    @rule()
    def restart(self):
        ledger = again(self.ledger)
        assert ledger == self.ledger
        self.ledger = ledger

    @invariant()
    def a_position_is_the_sum_of_its_fills_less_base_fees(self):
        for instrument, position in self.ledger.positions.items():
            assert position.quantity == self.held[instrument]
            assert position.quantity or not position.cost
            assert position.contract.derivative or position.quantity >= 0

    @invariant()
    def the_books_agree(self):
        balanced(self.ledger, {"USDT": self.begun})
        assert len(self.ledger.closed) == self.closed

    @invariant()
    def equity_changes_by_what_was_won_less_fees(self):
        for mark in (1, 3_333_333_333, 10**13 + 7):
            equity = self.ledger.equity({}.get, lambda _, mark=mark: mark)
            ledger = self.ledger
            assert equity.total == (
                self.begun
                + ledger.realised.get("USDT", 0)
                + equity.unrealised
                - ledger.fees.get("USDT", 0)
                + ledger.funding.get("USDT", 0)
                + ledger.transfers.get("USDT", 0)
            )


TestAccount = Account.TestCase
TestAccount.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


class Anything(RuleBasedStateMachine):
    """Fills as no venue tells them: sales beyond, fees in anything, reports and fills that cross."""

    @initialize()
    def begin(self):
        self.begun = {"USDT": 10**14, "BTC": 10**10, "BNB": 10**9}
        self.ledger, self.number = Ledger("USDT", self.begun), 0

    @rule(
        contract=st.sampled_from((SPOT, OTHER, CROSS, SWAP)),
        side=st.sampled_from(Side),
        quantity=amounts,
        price=st.integers(1, 10**13),
        fee=st.integers(-(10**6), 10**13),
        asset=st.sampled_from(("BTC", "ETH", "USDT", "BNB")),
        rate=st.sampled_from((None, 6 * 10**10)),
        ts=st.integers(1, 50),
    )
    def trade(self, contract, side, quantity, price, fee, asset, rate, ts):
        self.number += 1
        told = fill(self.number, side, quantity, price, fee, asset, contract, ts)
        self.ledger.fill(contract, told, fee_rate=rate)

    @rule(ts=st.integers(1, 50), balances=st.dictionaries(st.sampled_from(("BTC", "USDT")), st.integers(0, 10**14)))
    def report(self, ts, balances):
        self.ledger.report(BalancesReported(venue="v", ts=ts, balances=balances))

    @rule(amount=st.integers(-(10**12), 10**12), ts=st.integers(1, 50), asset=st.sampled_from(("BNB", "USDT")))
    def fund(self, amount, ts, asset):
        self.number += 1
        self.ledger.fund(SWAP, paid(self.number, amount, ts, asset))

    @rule()
    def restart(self):
        self.ledger = again(self.ledger)

    @invariant()
    def the_books_agree(self):
        balanced(self.ledger, self.begun)
        for position in self.ledger.positions.values():
            assert position.quantity or not position.cost
            assert position.contract.derivative or position.quantity >= 0


TestAnything = Anything.TestCase
TestAnything.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_a_base_fee_and_the_cost_beside_it_are_exactly_what_was_paid():
    ledger = Ledger("USDT")
    told = fill(1, Side.BUY, "0.00333333", "61234.56789", "0.00000334", "BTC")
    ledger.fill(SPOT, told)
    position = ledger.positions[SPOT.instrument]
    assert ledger.fees["USDT"] == value_up(told.price, told.fee) == position.fees
    assert position.cost + position.fees == value(told.price, told.quantity) == -ledger.balances["USDT"]
