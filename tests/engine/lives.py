"""Random lives of bars: trades in time and late ones, silence, holes, a clock set back, candles of the venue."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hypothesis import strategies as st

from engine.market.bars import Bars
from engine.types import SECOND, Bar, BarsLoaded, Timeframe
from tests.engine.support import BTC, T0, trade

Step = tuple[str, int, int]

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["trade", "late", "time", "cover", "uncover", "hole", "rewind", "load", "look"]),
        st.integers(0, 70),
        st.integers(95, 105),
    ),
    max_size=60,
)
"""What happens, an amount (s, or candles), a price."""

LOADED = (Timeframe.S1, Timeframe.M1, Timeframe.M5)


def live(bars: Bars, steps: list[Step], candle: Callable[[int, int], Bar]) -> Iterator[None]:
    """Have the steps happen; stop where somebody looks, and at the end. `candle` (open, s; price) is the venue's."""
    now, number = T0, 0
    for kind, amount, price in steps:
        match kind:
            case "trade" | "late":
                number += 1
                now += amount if kind == "trade" else 0
                when = now if kind == "trade" else now - amount
                bars.trade(trade(number, price, 1, when * SECOND))
            case "time":
                now += amount
                bars.advance(now * SECOND)
            case "cover":
                bars.cover(now * SECOND)
            case "uncover":
                bars.uncover()
            case "hole":
                bars.hole((now - amount) * SECOND)
            case "rewind":
                now -= amount
                bars.rewind(now * SECOND)
            case "load":
                for timeframe in LOADED:
                    length = timeframe.seconds
                    last = now // length * length - length
                    loaded = tuple(candle(last - i * length, price) for i in reversed(range(amount % 7)))
                    bars.load(BarsLoaded(instrument=BTC.key, timeframe=timeframe, bars=loaded))
            case _:
                yield
    yield
