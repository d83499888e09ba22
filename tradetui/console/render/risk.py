"""Risk as rows: what may be done, switches, one row a limit with what is used of it, figures, regimes, venues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tradetui.console import staging
from tradetui.console.account import Account
from tradetui.console.render.account import money, reason, state
from tradetui.console.render.cells import NOTHING, age, clock, stamp
from tradetui.console.render.pens import BAD, BOLD, FAINT, GOOD, OWN, TEXT, TITLE, WARN, pen
from tradetui.console.render.sums import STATES, gain, number, plain, r, share
from tradetui.console.render.table import LINE, PAST, PLAIN, QUIET, Cell, Column, Gauge, Row, heading
from tradetui.console.render.vitals import box

if TYPE_CHECKING:
    from engine.tradingviews import LimitView, RiskView, TradingView, VenueView

SWITCHES = (Column("switch", 12, 18), Column("", 10, 200))

LIMITS = (
    Column("limit", 15, 17), Column("used", 5, 12, rank=3), Column("now", 8, right=True, rank=1),
    Column("of", 8, right=True), Column("staged", 9, 12), Column("range", 16, rank=4),
    Column("what it is", 30, 200, rank=5),
)  # fmt: skip

REGIMES = (
    Column("regime of", 9, 20), Column("is", 6), Column("volatility", 10, right=True, rank=2),
    Column("spread", 9, right=True, rank=1), Column("size", 6, right=True),
)  # fmt: skip

VENUES = (
    Column("venue", 8, 14), Column("stream", 6), Column("clock", 8, right=True, rank=2), Column("trade", 5),
    Column("withdraw", 8), Column("reconciled", 10, rank=1), Column("differences", 11, 200, rank=3),
)  # fmt: skip

EXPLAINED = {
    "trading": ("orders are let through", "OFF: no order that adds risk, from whomever it comes"),
    "entries": ("positions are opened and added to", "OFF: nothing is opened or added to"),
    "exits": ("stops and targets act by themselves", "OFF: nobody but you watches stops and targets"),
}
"""What a switch does while it is on, and while it is off."""

SYMBOL = "positions in it are opened and added to", "OFF: nothing is opened or added to in it"

KNOB, RAIL = "\u25cf", "\u2500"

FULL, HIGH = 1.0, 0.8


def sections(account: Account, staged: Mapping[str, float], now: int, fresh: bool) -> list[list[Row]]:
    """Return the sections of the pane."""
    trading, risk = account.trading, account.risk
    found = []
    if trading is not None:
        found += [_state(trading), _switches(trading)]
    if risk is not None:
        found += [limits(risk, staged), _figures(risk, trading, now), _regimes(risk), _told(risk)]
    if trading is not None and trading.venues:
        found.append(_venues(trading, now))
    rows = [section for section in found if any(not row.head for row in section)]
    return rows if fresh else [[_past(row) for row in section] for section in rows]


def _past(row: Row) -> Row:
    cells = tuple(cell._replace(pen=PAST) if isinstance(cell, Gauge) else cell if isinstance(cell, str) else cell[0]
                  for cell in row.cells)  # fmt: skip
    return row if row.head else row._replace(cells=cells, pen=PAST)


def _line(name: str, text: str, own: int = PLAIN, which: int = 0) -> Row:
    return Row(("line", name, which), ((name, pen(TITLE)), (text, own)), columns=LINE)


def _state(view: TradingView) -> list[Row]:
    first = Row(("state", 0), ((state(view), STATES.get(view.state, pen(BAD))), reason(view) or NOTHING), columns=LINE)
    found = [first]
    found += [Row(("because", number_), ("", each), columns=LINE) for number_, each in enumerate(view.reasons[1:], 1)]
    armed = "armed" if view.armed else "not armed: nothing that adds risk is let through"
    if view.latched:
        armed = "the kill switch holds; only a person ends it, with a reason"
    found.append(_line("armed", armed, PLAIN if view.armed and not view.latched else pen(WARN)))
    if view.blind_s > 0:
        said = f"no engine ran for {view.blind_s:.0f} s before {stamp(view.blind_from + int(view.blind_s * 1e9))}"
        found.append(_line("blind", f"{said}; stops held here did not act", pen(WARN)))
    if view.unresolved:
        several = f"{view.unresolved} order{'s' if view.unresolved > 1 else ''}"
        told = f"what became of {several} is not known; new orders there wait for the venue's answer"
        found.append(_line("unresolved", told, pen(BAD, attributes=BOLD)))
    return found


def _switches(view: TradingView) -> list[Row]:
    found = [heading(SWITCHES)]
    for each in view.switches:
        on, off = EXPLAINED.get(each.name, SYMBOL)
        told, name = (on if each.on else off), each.name.partition(":")[2] or each.name
        own = PLAIN if each.on else pen(WARN, attributes=BOLD)
        cells: tuple[Cell, ...] = ((f"{box(each.on)} {name}", own), (told, pen(FAINT) if each.on else pen(WARN)))
        found.append(Row(("switch", each.name), cells, columns=SWITCHES))
    return found


def limits(risk: RiskView, staged: Mapping[str, float]) -> list[Row]:
    """Return one row a limit; a staged value stands beside the one that holds, with a star."""
    found = [heading(LIMITS)]
    for each in risk.limits:
        other = staged.get(each.name)
        stage: Cell = "" if other is None else (f"\u2192 {staging.told(each, other)} *", pen(WARN, attributes=BOLD))
        cells: tuple[Cell, ...] = (
            each.name.replace("_", " "), gauge(each), used(each), staging.told(each, each.value),
            stage, (rail(each, each.value if other is None else other), pen(OWN if other is None else WARN)),
            (each.explained, pen(FAINT)),
        )  # fmt: skip
        found.append(Row(("limit", each.name), cells, columns=LIMITS))
    return found


def used(limit: LimitView) -> str:
    """Return what is used of a limit, short: its unit stands beside the limit."""
    if limit.used is None:
        return NOTHING
    return f"{limit.used * 100:.2f} %" if limit.unit in staging.SHARES else f"{limit.used:,.4g}"


def gauge(limit: LimitView) -> Gauge:
    """Return how much of a limit is used."""
    part = limit.used / limit.value if limit.used is not None and limit.value > 0 else None
    own = GOOD if part is None or part < HIGH else WARN if part < FULL else BAD
    return Gauge(part, pen(own))


def rail(limit: LimitView, value: float, width: int = 16) -> str:
    """Return where a value stands between its bounds, as a knob on a rail."""
    at = round(staging.part(limit, value) * (width - 1))
    return RAIL * at + KNOB + RAIL * (width - 1 - at)


def _figures(risk: RiskView, trading: TradingView | None, now: int) -> list[Row]:
    currency = f" {trading.currency}" if trading is not None else ""
    found = [
        _line("equity", f"{plain(risk.equity, 2)}{currency}, peak {plain(risk.peak, 2)}, "
                        f"{plain(risk.day_start, 2)} at 00:00 UTC"),
        _line("down", f"{share(risk.drawdown)} from the peak, {share(risk.daily)} today"),
        _line("exposure", f"{share(risk.exposure, 1)} of equity, leverage "
                          f"{NOTHING if risk.leverage is None else f'{risk.leverage:.2f}'}"),
        _line("VaR, ES", f"{plain(risk.var, 2)}, {plain(risk.es, 2)}{currency} in a day (95 %, {risk.samples} days)"
                         if risk.var is not None else f"not known: {risk.samples} days of prices are too few"),
        _line("trades", f"hit rate {share(risk.hit_rate, 0)}, mean R {r(risk.mean_r)} of the last {risk.trades}"),
        _line("ramp", f"{share(risk.ramp, 0)} of the size{f': {risk.ramp_told}' if risk.ramp_told else ''}"),
    ]  # fmt: skip
    losses = f"{risk.losses_in_a_row} in a row"
    if risk.pause_until > now:
        losses += f"; a pause until {clock(risk.pause_until, now)}, {age((risk.pause_until - now) / 1e9)} more"
    found.append(_line("losses", losses, pen(WARN) if risk.pause_until > now else PLAIN))
    if trading is not None:
        found.append(_line("money", f"realised {gain(trading.realised)[0]}, fees {money(trading, trading.fees)}, "
                                    f"funding {money(trading, trading.funding)}"))  # fmt: skip
        held = ", ".join(f"{plain(amount)} {asset}" for asset, amount in trading.balances.items() if number(amount))
        found.append(_line("balances", held or "none"))
    return found


def _regimes(risk: RiskView) -> list[Row]:
    found = [heading(REGIMES)]
    for each in risk.regimes:
        word: Cell = (each.regime, pen(WARN)) if each.regime == "wild" else each.regime
        spread = NOTHING if each.spread_bps is None else f"{each.spread_bps:.2f} bps"
        told = NOTHING if each.percentile is None else f"{each.percentile * 100:.0f} pctl"
        cells: tuple[Cell, ...] = (each.instrument.partition(":")[2], word, told, spread, share(each.size, 0))
        found.append(Row(("regime", each.instrument), cells, columns=REGIMES))
    return found


def _told(risk: RiskView) -> list[Row]:
    found = [_line("breaker", each, pen(WARN), at) for at, each in enumerate(risk.breakers)]
    return found + [_line("exits", each, PLAIN, at) for at, each in enumerate(risk.protections)]


def _venues(view: TradingView, now: int) -> list[Row]:
    return [heading(VENUES), *(_venue(each, now) for each in view.venues)]


def _venue(each: VenueView, now: int) -> Row:
    may = {True: "yes", False: "no", None: "unknown"}
    stream: Cell = ("up", pen(GOOD)) if each.connected else ("DOWN", pen(BAD, attributes=BOLD))
    told = "; ".join(filter(None, (each.trouble, *each.differences)))
    withdraw: Cell = (may[each.withdraw], PLAIN if each.withdraw is False else pen(WARN))
    cells: tuple[Cell, ...] = (
        each.name, stream, NOTHING if each.clock_ms is None else f"{each.clock_ms:+.0f} ms", may[each.trade], withdraw,
        clock(each.reconciled, now) if each.reconciled else "never", (told, pen(WARN)) if told else ("none", QUIET),
    )  # fmt: skip
    return Row(("venue", each.name), cells, pen(TEXT), VENUES)
