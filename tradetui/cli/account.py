"""What the account holds, ordered, filled, earned and risks, and who changed what: of the engine, else as stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tradetui.cli.options import Json, Profile
from tradetui.cli.output import clock, number, show_json, table
from tradetui.cli.reading import PAGE, all_trades, as_last_known, chosen, of_engine, past_rows, reached

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.tradingviews import FillView, OrderView, TradingView
    from tradetui.pnl import LastKnown, Pnl, PnlRow

Of = Annotated[str, typer.Option("--symbol", help="Only this instrument.")]
Limit = Annotated[int, typer.Option("--limit", "-l", min=1, max=PAGE, help="How many, newest first.")]
Since = Annotated[
    str, typer.Option("--since", help="From this UTC time on, as in 2024-08-05T13:00, or for so long: 2h, 7d.")
]

SHORT = 32
"""Characters of a state in a row of the audit."""


def positions(symbol: Of = "", profile: Profile = None, as_json: Json = False) -> None:
    """Show open positions: quantity, mark, unrealised P&L, R, and where their stops are."""
    from engine.tradingviews import PositionView

    found = chosen(of_engine(profile, "positions", list[PositionView]), symbol)
    if as_json:
        show_json(found)
    elif not found:
        typer.echo("no open position")
    else:
        heads = ("symbol", "mode", "quantity", "average", "mark", "value", "unrealised", "%", "R", "stop", "held by",
                 "target", "opened")  # fmt: skip
        rows = [
            (each.instrument, each.mode, each.quantity, each.average, each.mark or "-", each.value or "-",
             each.unrealised or "-", number(each.unrealised_pct, 2), number(each.r, 2), each.stop_loss or "-",
             each.stop_held or "-", each.take_profit or "-", clock(each.opened))
            for each in found
        ]  # fmt: skip
        table(heads, rows, "2345678")


def orders(
    symbol: Of = "",
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    limit: Limit = 50,
    since: Since = "",
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Show open orders; with --all or --since those of the past, too. Without an engine: as they were last known."""
    from engine.tradingviews import OrderView

    found: list[OrderView]
    if everything or since:
        found, stored = past_rows(profile, "order_history", OrderView, symbol, limit, since)
    else:
        known = reached(profile, "orders", list[OrderView])
        stored = known is None
        if known is None:
            known, _ = past_rows(profile, "order_history", OrderView, symbol, PAGE, since, stored_only=True)
        found = [each for each in chosen(known, symbol) if each.open][:limit]
    if as_json:
        show_json(found)
        return
    _say_stored(stored, "the states are those last known")
    if not found:
        typer.echo("no order" if everything or since else "no open order (--all shows those that are over)")
        return
    heads = ("made", "id", "symbol", "mode", "side", "type", "quantity", "filled", "price", "stop", "average", "state",
             "by", "why")  # fmt: skip
    rows = [
        (clock(each.created), each.id, each.instrument, each.mode, each.side, _kind(each), each.quantity, each.filled,
         each.price or "-", each.stop_price or "-", each.average or "-", each.state, each.origin, each.reason)
        for each in found
    ]  # fmt: skip
    table(heads, rows, "6789")


def fills(
    symbol: Of = "", limit: Limit = 50, since: Since = "", profile: Profile = None, as_json: Json = False
) -> None:
    """Show what was filled, at what price and fee, and what it realised (without fees; -: not known)."""
    from engine.tradingviews import FillView

    found: list[FillView]
    found, stored = past_rows(profile, "fill_history", FillView, symbol, limit, since)
    if as_json:
        show_json(found)
        return
    _say_stored(stored)
    if not found:
        typer.echo("no fill")
        return
    heads = ("time", "symbol", "mode", "side", "price", "quantity", "fee", "", "realised", "liquidity", "order")
    rows = [
        (clock(each.ts), each.instrument, each.mode, each.side, each.price, each.quantity, each.fee, each.fee_asset,
         each.realised or "-", each.liquidity, each.order)
        for each in found
    ]  # fmt: skip
    table(heads, rows, "4568")


def risk(profile: Profile = None, as_json: Json = False) -> None:
    """Show the state of trading, every limit with what is used of it, and the figures of risk."""
    from engine.tradingviews import RiskView, TradingView

    trading = of_engine(profile, "trading", TradingView)
    found = of_engine(profile, "risk", RiskView)
    if as_json:
        show_json({"trading": trading, "risk": found})
        return
    _standing(trading)
    money = trading.currency
    typer.echo(
        f"equity {found.equity or 'unknown'} {money}  peak {found.peak}  day's start {found.day_start}"
        f"  drawdown {_percent(found.drawdown)}  loss of the day {_percent(found.daily)}"
    )
    typer.echo(
        f"exposure {_percent(found.exposure)}  leverage {number(found.leverage, 2)}  VaR 95 % of a day"
        f" {found.var or 'unknown'}  ES {found.es or 'unknown'} ({found.samples} days)"
    )
    typer.echo(
        f"trades {found.trades}  hit rate {_percent(found.hit_rate)}  mean R {number(found.mean_r, 2)}"
        f"  losses in a row {found.losses_in_a_row}  pause until {clock(found.pause_until)}"
        f"  orders in the last minute {found.orders_last_minute}"
    )
    if found.ramp_told:
        typer.echo(found.ramp_told)
    typer.echo("")
    table(
        ("limit", "value", "used", "from", "to", "", "means"),
        [
            (each.name, f"{each.value:g}", "-" if each.used is None else f"{each.used:.4g}", f"{each.least:g}",
             f"{each.most:g}", each.unit, each.explained)
            for each in found.limits
        ],
        "1234",
    )  # fmt: skip
    if found.regimes:
        typer.echo("")
        table(
            ("symbol", "condition", "volatility percentile", "spread bps", "size"),
            [
                (each.instrument, each.regime, _percent(each.percentile), number(each.spread_bps, 2),
                 _percent(each.size))
                for each in found.regimes
            ],
            "234",
        )  # fmt: skip
    for line in (*found.breakers, *found.protections):
        typer.echo(line)


def pnl(symbol: Of = "", limit: Limit = 20, since: Since = "", profile: Profile = None, as_json: Json = False) -> None:
    """Show what closed trades brought, by day and symbol, and the equity of now. --limit: trades that are listed.

    Without an engine: as stored, with what is open and its cost; what that is worth is not known then.
    """
    import msgspec

    from engine.tradingviews import JournalView, TradingView
    from tradetui.pnl import pnl as added_up

    trades, stored = all_trades(profile, JournalView, symbol, since)
    trading = None if stored else reached(profile, "trading", TradingView)
    known = as_last_known(profile) if stored else None
    found = added_up(trades)
    if known is not None:
        known = msgspec.structs.replace(known, positions=tuple(chosen(known.positions, symbol)))
    if as_json:
        show_json({"now": trading, "stored": known, "closed": found, "trades": trades[:limit]})
        return
    _say_stored(stored, "what is open has no price, so unrealised P&L and equity only a running engine knows")
    if known is not None:
        _last_known(known)
    if trading is not None:
        _standing(trading)
        typer.echo(
            f"equity {trading.equity or 'unknown'} {trading.currency}  of the day {trading.day_pnl or 'unknown'}"
            f"  realised {trading.realised}  unrealised {trading.unrealised or 'unknown'}  fees {trading.fees}"
            f"  funding {trading.funding}  drawdown {_percent(trading.drawdown)}\n"
        )
    if not trades:
        typer.echo("no closed trade")
        return
    _sums("day (UTC)", (*found.days, found.total))
    typer.echo("")
    _sums("symbol", found.symbols)
    _quality(found)
    typer.echo("")
    heads = ("closed", "symbol", "mode", "side", "quantity", "entry", "exit", "fees", "net", "R", "why")
    rows = [
        (clock(each.closed), each.instrument, each.mode, each.side, each.quantity, each.entry, each.exit, each.fees,
         each.net, number(each.r, 2), each.reason)
        for each in trades[:limit]
    ]  # fmt: skip
    table(heads, rows, "456789")


def audit(limit: Limit = 50, since: Since = "", profile: Profile = None, as_json: Json = False) -> None:
    """Show who changed what: time, person, from what to what, and what came of it."""
    from engine.tradingviews import AuditView

    found, stored = past_rows(profile, "audit", AuditView, "", limit, since)
    if as_json:
        show_json(found)
        return
    _say_stored(stored)
    if not found:
        typer.echo("nothing was changed")
        return
    rows = [
        (clock(each.ts), f"{each.user or '-'} ({each.client or '-'} {each.pid or ''})".replace(" )", ")"),
         each.command, "done" if each.done else "refused", _short(each.before), _short(each.after), each.result)
        for each in found
    ]  # fmt: skip
    table(("time", "who", "what", "", "from", "to", "result"), rows)


def _short(text: str) -> str:
    """Return a text as short as a column of many rows wants it; all of it is in the JSON."""
    return text if len(text) <= SHORT else f"{text[: SHORT - 3]}..."


# Saying. --------------------------------------------------------------------------------------------------------------


def _say_stored(stored: bool, more: str = "") -> None:
    if stored:
        typer.echo(f"no engine that trades is running; this is what is stored{'; ' + more if more else ''}")


def _standing(trading: TradingView) -> None:
    typer.echo(f"{trading.mode.upper()} {trading.state.upper()}")
    for reason in trading.reasons:
        typer.echo(f"  {reason}")


def _last_known(known: LastKnown) -> None:
    when = f"as last known {clock(known.ts)}" if known.ts else "nothing is stored"
    typer.echo(
        f"{known.mode.upper()}, {when}\nrealised {_amounts(known.realised)}  fees {_amounts(known.fees)}"
        f"  funding {_amounts(known.funding)}"
    )
    if not known.positions:
        typer.echo("no open position\n")
        return
    typer.echo("unrealised: unknown without an engine, for open positions need a price\n")
    heads = ("open", "quantity", "average", "cost", "", "realised", "fees", "funding", "opened")
    rows = [
        (each.instrument, each.quantity, each.average, each.cost, each.asset, each.realised, each.fees, each.funding,
         clock(each.opened))
        for each in known.positions
    ]  # fmt: skip
    table(heads, rows, "123567")
    typer.echo("")


def _amounts(by_asset: dict[str, str]) -> str:
    return ", ".join(f"{amount} {asset}" for asset, amount in by_asset.items()) or "none"


def _sums(what: str, rows: Sequence[PnlRow]) -> None:
    table(
        (what, "trades", "gross", "fees", "funding", "net"),
        [(each.name, str(each.trades), each.gross, each.fees, each.funding, each.net) for each in rows],
        "12345",
    )


def _quality(found: Pnl) -> None:
    typer.echo(
        f"\nhit rate {_percent(found.hit_rate)}  mean R {number(found.mean_r, 2)} ({found.with_r} trades)"
        f"  best {found.best}  worst {found.worst}  largest fall of the sum {found.drawdown}"
    )


def _kind(order: OrderView) -> str:
    marks = (("reduce only", order.reduce_only), ("post only", order.post_only), (order.time_in_force, True))
    return " ".join((order.type, *(name for name, there in marks if there and name != "gtc")))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.2f} %"
