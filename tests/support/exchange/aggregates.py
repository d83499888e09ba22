"""Aggregate trades, derived exactly from recorded ones.

One aggregate is a run of consecutive trades of the same time, price and maker side; `f` and `l` are real trade ids, `a`
is a running count from the tape's start, and the message is due with the run's last trade.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from tests.support.exchange.stamps import Shifts
from tests.support.exchange.tape import Instrument, Tape


class Trade(msgspec.Struct, gc=False):
    """The fields of a recorded trade that are computed with."""

    E: int
    T: int
    t: int
    p: str
    q: str
    m: bool


class Aggregate(msgspec.Struct, gc=False):
    """One run of trades."""

    number: int
    first: Trade
    last: Trade
    size: Decimal


decode_trade = msgspec.json.Decoder(Trade).decode


class Aggregates:
    """The aggregates of one symbol, by the id of their last trade."""

    def __init__(self, tape: Tape, instrument: Instrument) -> None:
        self.instrument = instrument
        self.by_last_trade: dict[int, Aggregate] = {}
        run: Aggregate | None = None
        for frame in tape.frames:
            if frame.kind != "trade" or frame.instrument != instrument:
                continue
            trade = decode_trade(frame.data)
            if run is not None and (trade.T, trade.p, trade.m) == (run.last.T, run.last.p, run.last.m):
                run.last = trade
                run.size += Decimal(trade.q)
                continue
            if run is not None:
                self.by_last_trade[run.last.t] = run
            run = Aggregate(len(self.by_last_trade) + 1, trade, trade, Decimal(trade.q))
        if run is not None:
            self.by_last_trade[run.last.t] = run

    def render(self, last_trade_id: int, shifts: Shifts, turn: int) -> bytes | None:
        """The message that closes with a trade, None when its run goes on."""
        run = self.by_last_trade.get(last_trade_id)
        if run is None:
            return None
        message = {
            "e": "aggTrade",
            "E": run.last.E + shifts.stamp_ms,
            "s": self.instrument.symbol,
            "a": run.number + turn * len(self.by_last_trade),
            "p": run.last.p,
            "q": str(run.size),
            "f": run.first.t + shifts.trade_id,
            "l": run.last.t + shifts.trade_id,
            "T": run.last.T + shifts.stamp_ms,
            "m": run.last.m,
        }
        if self.instrument.market == "spot":
            message["M"] = True
        return msgspec.json.encode(message)
