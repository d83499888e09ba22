"""Commands that act on trading: order, cancel, protect, flatten, kill, arm, disarm, switch, limits, reconcile.

What is asked is the engine's to judge; only `kill` acts by itself, and loads nothing but what it needs.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from tradetui.cli.options import Config, Json, Profile, Symbol, config_of, key_of, places_of, profile_of
from tradetui.cli.output import show_json, table

if TYPE_CHECKING:
    from engine.tradingviews import PreviewView, TradingView
    from tradetui.client import Client

T = TypeVar("T")

Stop = Annotated[str, typer.Option("--stop", help="Stop-loss of what is filled: a price.")]
Target = Annotated[str, typer.Option("--take-profit", help="Take profit of what is filled: a price.")]
Trailing = Annotated[
    float, typer.Option("--trailing-bps", help="Distance, bps, at which the stop follows the best price.")
]
TimeStop = Annotated[float, typer.Option("--time-stop", help="Close after so many seconds.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept.")]


def order(
    symbol: Symbol,
    side: Annotated[str, typer.Argument(help="buy or sell.")],
    quantity: Annotated[
        str, typer.Argument(help="Quantity in the base asset; without it the engine sizes the order by risk.")
    ] = "",
    kind: Annotated[
        str,
        typer.Option(
            "--type",
            help="market, limit, stop, stop_limit, take_profit or take_profit_limit. [default: limit with --price, "
            "else market]",
        ),
    ] = "",
    price: Annotated[str, typer.Option("--price", help="Limit price.")] = "",
    trigger: Annotated[
        str, typer.Option("--trigger", help="Price of a trade at which a stop or take-profit order wakes.")
    ] = "",
    stop: Stop = "",
    take_profit: Target = "",
    trailing_bps: Trailing = 0.0,
    time_stop: TimeStop = 0.0,
    time_in_force: Annotated[str, typer.Option("--tif", help="gtc, ioc or fok.")] = "gtc",
    reduce_only: Annotated[bool, typer.Option("--reduce-only", help="Only reduce a position.")] = False,
    post_only: Annotated[bool, typer.Option("--post-only", help="Only rest in the book.")] = False,
    size: Annotated[
        str, typer.Option("--size", help="How it is sized without a quantity: fraction, volatility or kelly.")
    ] = "",
    preview: Annotated[bool, typer.Option("--preview", help="Show what it would be, send nothing.")] = False,
    yes: Yes = False,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Send an order, after a preview of its cost and risk. Exit code: 0 taken, 1 refused or not sent."""
    given: dict[str, str | float | bool] = {
        "symbol": key_of(symbol), "side": side.lower(), "type": kind.lower() or ("limit" if price else "market"),
        "quantity": quantity, "price": price, "stop_price": trigger, "stop_loss": stop, "take_profit": take_profit,
        "trailing_bps": trailing_bps, "time_stop_s": time_stop, "time_in_force": time_in_force.lower(),
        "reduce_only": reduce_only, "post_only": post_only, "size": size.lower(),
    }  # fmt: skip
    if not (preview or yes) and (as_json or not sys.stdin.isatty()):
        _unasked("the order was not sent")

    async def act(engine: Client) -> str | None:
        from engine.tradingviews import PreviewView, TradingView
        from tradetui.client import in_time

        if yes and not preview:
            return await engine.command("order", **given, until_ms=in_time())
        import msgspec

        trading = await engine.get("trading", TradingView)
        shown = msgspec.json.decode(await engine.command("preview", **given), type=PreviewView)
        if preview and as_json:
            show_json(shown)
        else:
            _show_preview(shown, trading)
        if preview:
            raise typer.Exit(0 if shown.allowed else 1)
        if not shown.allowed:
            raise typer.Exit(1)
        if not typer.confirm(f"send this order ({trading.mode.upper()})?", default=False):
            typer.echo("not sent")
            raise typer.Exit(1)
        return await engine.command("order", **given, until_ms=in_time())

    _act(profile, act, as_json)


def cancel(
    number: Annotated[
        str, typer.Argument(metavar="[ORDER]", help="Id of the order, as `tradetui orders` has it.")
    ] = "",
    symbol: Annotated[str, typer.Option("--symbol", help="All orders of this instrument.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="All orders.")] = False,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Cancel an order, all of an instrument, or all. It is possible in every state of trading."""
    from engine.errors import SettingsInvalid

    if bool(number) + bool(symbol) + everything != 1:
        raise SettingsInvalid("cancel needs one of ORDER, --symbol and --all; `tradetui orders` lists the open ones")
    if number:
        _act(profile, lambda engine: engine.command("cancel", order=number), as_json)
    elif symbol:
        _act(profile, lambda engine: engine.command("cancel", symbol=key_of(symbol)), as_json)
    else:
        _act(profile, lambda engine: engine.command("cancel", all=True), as_json)


def protect(
    symbol: Symbol,
    stop: Annotated[str, typer.Option("--stop", help='Stop-loss: a price, or "off".')] = "",
    take_profit: Annotated[str, typer.Option("--take-profit", help='Take profit: a price, or "off".')] = "",
    trailing_bps: Annotated[
        float, typer.Option("--trailing-bps", help="Trailing stop, bps behind the best price; negative: off.")
    ] = 0.0,
    time_stop: Annotated[float, typer.Option("--time-stop", help="Close after so many seconds; negative: off.")] = 0.0,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Set the exits of an open position; what is not given stays."""
    from engine.errors import SettingsInvalid

    if not (stop or take_profit or trailing_bps or time_stop):
        raise SettingsInvalid("protect needs one of --stop, --take-profit, --trailing-bps and --time-stop")
    exits: dict[str, str | float] = {
        "stop_loss": stop, "take_profit": take_profit, "trailing_bps": trailing_bps, "time_stop_s": time_stop,
    }  # fmt: skip
    _act(profile, lambda engine: engine.command("protect", symbol=key_of(symbol), **exits), as_json)


def flatten(
    symbol: Annotated[str, typer.Argument(help="Instrument, as in ETH/USDT.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Everything.")] = False,
    yes: Yes = False,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Cancel the orders of an instrument, or of all, and close the position at the market."""
    from engine.errors import SettingsInvalid

    if bool(symbol) == everything:
        raise SettingsInvalid("flatten needs an instrument or --all, and not both")
    key = key_of(symbol) if symbol else ""
    if not yes:
        if as_json or not sys.stdin.isatty():
            _unasked("nothing was closed")
        if not typer.confirm(f"cancel the orders and close the positions of {key or 'everything'}?", default=False):
            typer.echo("nothing was closed")
            raise typer.Exit(1)
    _act(profile, lambda engine: engine.command("flatten", **({"symbol": key} if key else {})), as_json)


def kill(
    flatten: Annotated[
        bool | None,
        typer.Option(
            "--flatten/--no-flatten", help="Also close positions at the market. [default: as the settings say]"
        ),
    ] = None,
    reason: Reason = "",
    profile: Profile = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Stop all trading now: no order leaves any more, everything is cancelled. It asks nothing.

    Works without a console, with the engine stopped or busy, and with storage failing. What it closed stays closed
    until `tradetui arm`. Exit code: 0 only if everything that is known was cancelled.
    """
    from tradetui.kill.command import Asked, run

    file = config_of(config)
    asked = Asked(flatten, reason, profile_of(profile), str(file) if file is not None else "", as_json)
    raise typer.Exit(run(asked))


def arm(
    word: Annotated[
        str, typer.Option("--word", help="PAPER, TESTNET or LIVE; without it you are asked to type it.")
    ] = "",
    reason: Reason = "",
    unknown_withdrawal: Annotated[
        bool,
        typer.Option("--unknown-withdrawal", help="Go on although a venue does not tell whether its key may withdraw."),
    ] = False,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Let new risk be taken, also after a kill: shows state and differences, then wants the mode's name typed."""
    if not word and (as_json or not sys.stdin.isatty()):
        from engine.errors import SettingsInvalid

        raise SettingsInvalid("arm wants the mode's name: give it with --word PAPER, TESTNET or LIVE")

    async def act(engine: Client) -> str:
        from engine.tradingviews import TradingView

        typed, why = word, reason
        if not typed:
            trading = await engine.get("trading", TradingView)
            _show_state(trading)
            if trading.state == "halted" and not why:
                why = typer.prompt("why may trading go on", default="", show_default=False)
            typed = typer.prompt(f"type {trading.word} to arm", default="", show_default=False)
        return await engine.command("arm", word=typed, reason=why, unknown_withdrawal=unknown_withdrawal)

    _act(profile, act, as_json)


def disarm(reason: Reason = "", profile: Profile = None, as_json: Json = False) -> None:
    """Take no new risk until armed; exits, stops and cancels go on."""
    _act(profile, lambda engine: engine.command("disarm", reason=reason), as_json)


def reconcile(profile: Profile = None, as_json: Json = False) -> None:
    """Ask the venues for orders, fills, balances and positions now, and put right what differs."""
    _act(profile, lambda engine: engine.command("reconcile"), as_json)


def switch(
    name: Annotated[str, typer.Argument(help="trading, entries, exits, or an instrument.")],
    state: Annotated[str, typer.Argument(help="on or off.")],
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Turn trading, entries, exits or an instrument on or off."""
    from engine.errors import SettingsInvalid

    if state.lower() not in ("on", "off"):
        raise SettingsInvalid(f"{state!r}: expected on or off")
    which = key_of(name) if "/" in name else name.lower()
    _act(profile, lambda engine: engine.command("switch", name=which, on=state.lower() == "on"), as_json)


def limits(
    pairs: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME VALUE]...", help="Limits and their new values; all or none.")
    ] = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Show the risk limits, what is used of them and their bounds, or change some; it is kept, and who did it."""
    from engine.errors import SettingsInvalid

    if not pairs:
        _show_limits(profile, as_json=as_json)
        return
    if len(pairs) % 2:
        raise SettingsInvalid("expected names and values in pairs, as in `tradetui limits daily_loss 0.01`")
    values: dict[str, float] = {}
    for name, text in zip(pairs[::2], pairs[1::2], strict=True):
        try:
            values[name.replace("-", "_")] = float(text)
        except ValueError:
            raise SettingsInvalid(f"{name} {text!r}: expected a number") from None
    _act(profile, lambda engine: engine.command("limits", **values), as_json)


# Parts of them. -------------------------------------------------------------------------------------------------------


def _act(profile: str | None, work: Callable[[Client], Awaitable[str | None]], as_json: bool) -> None:
    """Have the engine do something and say what it said; a refusal is exit code 1.

    Raises:
        EngineUnreachable: None is running, or it does not answer.
    """
    import asyncio

    from engine.errors import RequestDenied
    from tradetui.client import engine_of

    places = places_of(profile)

    async def ask() -> str | None:
        async with engine_of(places, "command line") as engine:
            return await work(engine)

    try:
        said = asyncio.run(ask())
    except RequestDenied as denied:
        if as_json:
            show_json({"done": False, "code": denied.code, "text": denied.reason})
        else:
            typer.echo(f"tradetui: {denied.reason}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        show_json({"done": True, "code": "", "text": said})
    else:
        typer.echo(said)


def _unasked(what: str) -> NoReturn:
    """Raises:
    SettingsInvalid: Always: there is nobody to be asked.
    """
    from engine.errors import SettingsInvalid

    raise SettingsInvalid(f"{what}: there is no terminal to ask at; add --yes to do it without being asked")


def _show_preview(view: PreviewView, trading: TradingView) -> None:
    currency = trading.currency
    slippage = f", about {view.slippage_bps:.1f} bps from the mid" if view.slippage_bps is not None else ""
    typer.echo(
        f"{trading.mode.upper()}  {view.side} {view.quantity} {view.instrument}  {view.type}  at {view.price}{slippage}"
    )
    share = f" ({view.risk_share:.2%} of equity)" if view.risk_share is not None else ""
    reward = f"  reward {view.reward} {currency}" if view.reward else ""
    typer.echo(f"cost {view.cost}  fee {view.fee} {view.fee_asset}  risk {view.risk or '-'} {currency}{share}{reward}")
    exposure = f"  exposure {view.exposure_after:.1%} of equity" if view.exposure_after is not None else ""
    typer.echo(f"position after it {view.position_after}{exposure}")
    for note in view.notes:
        typer.echo(f"note: {note}")
    for refusal in view.refusals:
        typer.echo(f"refused: {refusal}")


def _show_state(view: TradingView) -> None:
    """Say what may be done now, why not more, and what the venues said when they were last asked."""
    typer.echo(f"{view.mode.upper()}  {view.state}  equity {view.equity or 'not known'} {view.currency}")
    for reason in view.reasons:
        typer.echo(f"- {reason}")
    if view.blind_s:
        typer.echo(f"- no engine ran for {view.blind_s:.0f} s: stops that are not at a venue did not act then")
    typer.echo(f"{view.positions} positions, {view.open_orders} open orders, {view.unresolved} of unknown state")
    for venue in view.venues:
        connected = "connected" if venue.connected else f"NOT CONNECTED ({venue.trouble or 'no reason is known'})"
        typer.echo(
            f"{venue.name}: {connected}; key may trade: {_known(venue.trade)}, withdraw: {_known(venue.withdraw)}"
        )
        for difference in venue.differences:
            typer.echo(f"  differs: {difference}")
        if not venue.differences:
            typer.echo("  agrees with our books" if venue.reconciled else "  not asked yet: `tradetui reconcile`")


def _known(fact: bool | None) -> str:
    return "unknown" if fact is None else "yes" if fact else "no"


def _show_limits(profile: str | None, *, as_json: bool) -> None:
    import asyncio

    from engine.tradingviews import RiskView
    from tradetui.client import engine_of

    places = places_of(profile)

    async def ask() -> RiskView:
        async with engine_of(places, "limits") as engine:
            return await engine.get("risk", RiskView)

    found = asyncio.run(ask()).limits
    if as_json:
        show_json(found)
        return
    table(
        ("limit", "value", "used", "least", "most", "unit", "means"),
        [
            (each.name, f"{each.value:g}", "-" if each.used is None else f"{each.used:.4g}", f"{each.least:g}",
             f"{each.most:g}", each.unit, each.explained)
            for each in found
        ], "1234",
    )  # fmt: skip
