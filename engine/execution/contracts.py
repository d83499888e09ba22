"""In what an instrument is counted, what a fill means in it, and a trade when it is over."""

from __future__ import annotations

import msgspec

from engine.errors import SettingsInvalid
from engine.execution.money import value, value_up
from engine.orders import Fill, Mode


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """In what an instrument is counted. P&L is in `settle`, which is the quote asset (on spot as well)."""

    instrument: str
    base: str
    quote: str
    settle: str
    derivative: bool


def contract_of(instrument: str) -> Contract:
    """Return in what an instrument is counted, from its key (`venue:BASE/QUOTE[:SETTLE]`) alone.

    Raises:
        SettingsInvalid: An inverse or quanto contract: its P&L is not in its quote asset.
    """
    pair, _, settle = instrument.partition(":")[2].partition(":")
    base, _, quote = pair.partition("/")
    settle = settle.partition("-")[0]
    if settle not in ("", quote):
        raise SettingsInvalid(
            f"{instrument} is settled in {settle}, not in {quote}: such contracts can be watched, but not traded here"
        )
    return Contract(instrument=instrument, base=base, quote=quote, settle=quote, derivative=bool(settle))


class ClosedTrade(msgspec.Struct, frozen=True, kw_only=True):
    """One trade on one instrument, from flat to flat; `side` is long or short, `quantity` what was entered in all.

    Prices and money in 1e-8 of `asset`; `net` = `gross` - `fees` + `funding`. Fees in a third asset whose price was not
    known are in `other_fees`, by asset, and not in `net`. `r` is `net` over `risk`, None where that is not known.
    """

    id: str
    instrument: str
    mode: Mode
    side: str
    quantity: int
    entry: int
    exit: int
    opened: int
    closed: int
    gross: int
    fees: int
    funding: int
    net: int
    asset: str
    risk: int = 0
    r: float | None = None
    reason: str = ""
    other_fees: dict[str, int] = {}


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A fill as the books see it.

    `quantity` is what comes to the position, signed (less a base fee); `value` what that costs without fees (negative:
    brings), `fee` what the fee costs, both 1e-8 quote: on spot `value` + `fee` is what is paid. A fee in a third asset
    is in `other_fee`, 1e-8 of the fill's fee asset, and `other_value` is its worth in quote, None where that is not
    known. `risk` (1e-8 quote), `dust` (1e-8 base) and `reason` as in `Ledger.fill`.
    """

    fill: Fill
    quantity: int
    value: int
    fee: int = 0
    other_fee: int = 0
    other_value: int | None = None
    risk: int = 0
    dust: int = 0
    reason: str = ""


def change_of(
    contract: Contract, fill: Fill, risk: int = 0, dust: int = 0, fee_rate: int | None = None, reason: str = ""
) -> Change:
    """Return what a fill means; `fee_rate` is the price of a third fee asset in the quote asset, if it is known."""
    quantity = fill.side.sign * fill.quantity
    worth = fill.side.sign * value(fill.price, fill.quantity)
    if fill.fee_asset == contract.quote:
        return Change(fill=fill, quantity=quantity, value=worth, fee=fill.fee, risk=risk, dust=dust, reason=reason)
    if fill.fee_asset == contract.base and not contract.derivative:
        fee = value_up(fill.price, fill.fee)
        return Change(
            fill=fill, quantity=quantity - fill.fee, value=worth - fee, fee=fee, risk=risk, dust=dust, reason=reason
        )
    other = None if fee_rate is None else value_up(fee_rate, fill.fee)
    return Change(
        fill=fill,
        quantity=quantity,
        value=worth,
        other_fee=fill.fee,
        other_value=other,
        risk=risk,
        dust=dust,
        reason=reason,
    )
