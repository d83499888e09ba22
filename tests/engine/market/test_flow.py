"""Order flow and the trade tape."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.market.bars import Bars
from engine.market.flow import TAPE, Tape, flow, notional
from engine.types import SECOND, Timeframe
from tests.engine.support import BTC, BTC_COINM, T0, trade


@given(
    trades=st.lists(st.tuples(st.integers(0, 2500), st.integers(1, 1000), st.booleans()), min_size=1, max_size=50),
    window=st.sampled_from([1, 5, 15, 60]),
    wait=st.integers(0, 5),
)
def test_flow_sums_the_trades_of_the_window(trades: list, window: int, wait: int) -> None:
    """The running second counts as the last of the window."""
    bars = Bars(1500)
    bars.cover((T0 - 2) * SECOND)
    now_ms = 0
    made = []
    for number, (gap, size, sell) in enumerate(trades, 1):
        now_ms += gap
        made.append(trade(number, 100, size, (T0 * 1000 + now_ms) * 10**6, sell=sell))
        bars.trade(made[-1])
    now_s = T0 + now_ms // 1000 + wait
    bars.advance(now_s * SECOND)
    found = flow(list(bars.closed[Timeframe.S1]), bars.running(Timeframe.S1), now_s, window)
    inside = [t for t in made if now_s - window < t.ts_exch // SECOND <= now_s]
    assert found.buy == sum(t.size for t in inside if not t.sell)
    assert found.sell == sum(t.size for t in inside if t.sell)
    assert found.trades == len(inside)
    total = found.buy + found.sell
    assert found.buy_ratio == (pytest.approx(found.buy / total) if total else None)


def test_flow_does_not_count_a_running_second_that_is_long_past() -> None:
    """A feed that broke leaves its last second running: an hour later that is not the flow of the last minute."""
    bars = Bars(1500)
    bars.cover((T0 - 2) * SECOND)
    bars.trade(trade(1, 100, 7, T0 * SECOND))
    found = flow(list(bars.closed[Timeframe.S1]), bars.running(Timeframe.S1), T0 + 3600, 60)
    assert (found.buy, found.sell, found.trades) == (0, 0, 0)


def test_flow_looks_at_time_not_at_the_number_of_bars() -> None:
    """Missing seconds (the feed was down) do not let older bars into the window."""
    bars = Bars(1500)
    bars.cover((T0 - 2) * SECOND)
    bars.trade(trade(1, 100, 50, T0 * SECOND))
    bars.uncover()
    bars.trade(trade(2, 100, 3, (T0 + 10) * SECOND))
    found = flow(list(bars.closed[Timeframe.S1]), bars.running(Timeframe.S1), T0 + 10, 5)
    assert (found.buy, found.trades) == (3, 1)


def test_large_trades_count_in_quote_value() -> None:
    tape = Tape(100_000.0)
    # 100,000 / 50,000 = 2 BTC of 10**5 lots each.
    assert tape.is_large(trade(1, 5_000_000, 200_000, T0), BTC)
    assert not tape.is_large(trade(1, 5_000_000, 199_999, T0), BTC)
    # A COIN-M contract is worth $100 whatever the price.
    assert notional(trade(1, 500_000, 1000, T0, key=BTC_COINM.key), BTC_COINM) == 100_000
    assert notional(trade(1, 900_000, 1000, T0, key=BTC_COINM.key), BTC_COINM) == 100_000


def test_the_tape_keeps_the_last_thousand() -> None:
    tape = Tape(1.0)
    for number in range(TAPE + 5):
        tape.trades.append(trade(number, 1, 1, T0))
    assert (len(tape.trades), tape.trades[0].id, tape.trades[-1].id) == (1000, 5, 1004)
