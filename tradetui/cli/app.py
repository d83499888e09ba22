"""The top of the command line: attach, or run the engine, and the commands about both."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tradetui import __version__
from tradetui.cli import account as account_commands
from tradetui.cli import config as config_commands
from tradetui.cli import data as data_commands
from tradetui.cli import engine as engine_commands
from tradetui.cli import market as market_commands
from tradetui.cli import query as query_commands
from tradetui.cli import trading as trading_commands
from tradetui.cli.doctor import doctor
from tradetui.cli.keys import keys
from tradetui.cli.options import Config, Profile, before, config_of, profile_of
from tradetui.cli.screen import Screen

SPEEDS = "1x, 2x, 5x, 10x, 100x, max"

app = typer.Typer(
    add_completion=True,
    pretty_exceptions_enable=False,
    help="A trading console for the terminal.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def run(
    context: typer.Context,
    headless: Annotated[
        bool, typer.Option("--headless", help="Run the engine in the foreground, without a screen.")
    ] = False,
    profile: Profile = None,
    config: Config = None,
    symbol: Annotated[
        list[str] | None,
        typer.Option("--symbol", help="Instrument to follow, as in binance:ETH/USDT; repeatable."),
    ] = None,
    record: Annotated[Path | None, typer.Option(help="Record everything received into this folder.")] = None,
    replay: Annotated[
        list[Path] | None,
        typer.Option("--replay", help="Replay a recording (file or folder) instead of going live; may be repeated."),
    ] = None,
    speed: Annotated[str, typer.Option(help=f"Speed of a replay: {SPEEDS}.")] = "1x",
    seek: Annotated[str, typer.Option(help="Begin the replay at this UTC time, as in 2024-08-09T00:00:00.")] = "",
    until: Annotated[str, typer.Option(help="End the replay at this UTC time.")] = "",
    market: Annotated[
        str, typer.Option(help="Market of a recording (binance, binanceusdm, binancecoinm), if not recognised.")
    ] = "",
    database: Annotated[
        Path | None, typer.Option(help="Write what a headless replay keeps into this new database.")
    ] = None,
    script: Annotated[
        Path | None, typer.Option(help="Trade on paper in a headless replay by this script (JSON lines).")
    ] = None,
    anew: Annotated[
        bool,
        typer.Option("--anew", help="Replay on a fresh paper account, without the orders that the recording tells of."),
    ] = False,
    report: Annotated[Path | None, typer.Option(help="Write a JSON report here at the end.")] = None,
    duration: Annotated[float, typer.Option(min=0, help="Stop a live engine after this many seconds; 0 runs on.")] = 0,
    no_inference: Annotated[bool, typer.Option("--no-inference", help="Run no models.")] = False,
    no_training: Annotated[bool, typer.Option("--no-training", help="Train no models.")] = False,
    no_trading: Annotated[bool, typer.Option("--no-trading", help="Send no orders.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Log more.")] = False,
    color: Annotated[
        str,
        typer.Option(
            "--color", help="Colours of the screen: auto, truecolor, 256, 16, none.", rich_help_panel="Screen"
        ),
    ] = "auto",
    theme: Annotated[str, typer.Option(help="Theme of the screen; it is kept.", rich_help_panel="Screen")] = "",
    ascii_only: Annotated[
        bool, typer.Option("--ascii", help="Draw with ASCII only.", rich_help_panel="Screen")
    ] = False,
    low_bandwidth: Annotated[
        bool,
        typer.Option("--low-bandwidth", help="A slow line: one frame a second, no heat map.", rich_help_panel="Screen"),
    ] = False,
    no_mouse: Annotated[
        bool, typer.Option("--no-mouse", help="Leave the mouse to the terminal.", rich_help_panel="Screen")
    ] = False,
    detached: Annotated[bool, typer.Option("--detached", hidden=True)] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Open the console on the running engine, or start one; with --headless run the engine alone."""
    del version
    before.update(profile=profile, config=str(config) if config is not None else None)
    context.call_on_close(lambda: before.update(profile=None, config=None))
    if context.invoked_subcommand is not None:
        _nothing_before(context.invoked_subcommand, context.params)
        return
    from engine.errors import SettingsInvalid

    live_only = {"--symbol": symbol, "--record": record, "--duration": duration}
    replay_only = {"--speed": speed != "1x", "--seek": seek, "--until": until, "--market": market}
    replay_only |= {"--database": database, "--script": script, "--anew": anew}
    for name, given in (live_only if replay else replay_only).items():
        if given:
            raise SettingsInvalid(f"{name} has no meaning {'with' if replay else 'without'} --replay")
    screen = Screen(color, ascii_only, low_bandwidth, not no_mouse, theme)
    if headless and screen != Screen():
        raise SettingsInvalid("--color, --theme, --ascii, --low-bandwidth and --no-mouse are for a screen")
    chosen, file = profile_of(profile), config_of(config)
    flags = _flags(symbol, record, no_inference, no_training, no_trading, debug)
    if replay:
        from tradetui.cli.replay import Asked, replay_console, replay_engine, replay_through

        asked = Asked(paths=replay, speed=speed, seek=seek, until=until, market=market, anew=anew)
        if detached:
            replay_engine(asked, chosen, file, flags)
        elif headless:
            paths = {"report": report, "database": database, "script": script}
            replay_through(asked, chosen, file, **paths, trading=not no_trading, debug=debug)
        elif report is not None or database is not None or script is not None:
            name = "--report" if report is not None else "--database" if database is not None else "--script"
            raise SettingsInvalid(f"{name} is for a replay in the foreground; add --headless")
        else:
            replay_console(asked, chosen, file, flags, screen)
    elif headless:
        from tradetui.cli.live import live

        live(chosen, file, flags, report=report, duration=duration, detached=detached)
    else:
        from tradetui.cli.console import console

        if report is not None or duration:
            raise SettingsInvalid("--report and --duration are for an engine in the foreground; add --headless")
        console(chosen, file, flags, symbols=symbol or [], screen=screen)


def _nothing_before(command: str, given: dict[str, Any]) -> None:
    """Refuse options of the engine that were put before a command, which would be forgotten.

    Raises:
        SettingsInvalid: There is one.
    """
    from engine.errors import SettingsInvalid

    usual = {"speed": "1x", "color": "auto"}
    for name, value in given.items():
        if name not in ("profile", "config") and value and value != usual.get(name):
            option = "ascii" if name == "ascii_only" else name.replace("_", "-")
            raise SettingsInvalid(f"--{option} has no meaning before `{command}`; does it belong behind it?")


def _flags(
    symbols: list[str] | None, record: Path | None, no_inference: bool, no_training: bool, no_trading: bool, debug: bool
) -> dict[str, object]:
    """Return switches as settings."""
    flags: dict[str, Any] = {"data_provider.symbols": symbols or None, "engine.record": record}
    for name, off in (("inference", no_inference), ("training", no_training), ("trading", no_trading)):
        flags[f"parts.{name}"] = False if off else None
    flags["log.level"] = "DEBUG" if debug else None
    return flags


@app.command()
def record(
    folder: Annotated[Path, typer.Argument(help="Folder for the recording; one file per market and symbol.")],
    symbol: Annotated[
        list[str] | None,
        typer.Option("--symbol", help="Instrument, as in binanceusdm:BTC/USDT:USDT; repeatable."),
    ] = None,
    duration: Annotated[float, typer.Option(min=0, help="Stop after this many seconds; 0 runs until interrupted.")] = 0,
    report: Annotated[Path | None, typer.Option(help="Write a JSON report here at the end.")] = None,
    profile: Annotated[
        str | None,
        typer.Option("--profile", help="Profile; not that of an engine which runs beside it. [default: record]"),
    ] = None,
    config: Config = None,
    debug: Annotated[bool, typer.Option("--debug", help="Log more.")] = False,
) -> None:
    """Record live market data; what is written replays to the same state."""
    from tradetui.cli.live import live

    flags = _flags(symbol, folder, False, False, False, debug)
    live(profile_of(profile, "record"), config_of(config), flags, report=report, duration=duration)


app.command()(engine_commands.status)
app.command()(engine_commands.stop)
app.command()(engine_commands.log)
app.command()(engine_commands.alerts)
app.command()(engine_commands.metrics)
app.command()(doctor)
app.command()(keys)
app.command()(market_commands.price)
app.command()(market_commands.book)
app.command()(market_commands.bars)
app.command()(query_commands.history)
app.command()(query_commands.pivots)
app.command()(query_commands.profile)
app.command()(query_commands.depth)
app.command()(query_commands.quality)
app.command("input")(query_commands.model_input)
app.command()(account_commands.positions)
app.command()(account_commands.orders)
app.command()(account_commands.fills)
app.command()(account_commands.risk)
app.command()(account_commands.pnl)
app.command()(account_commands.audit)
app.command()(trading_commands.order)
app.command()(trading_commands.cancel)
app.command()(trading_commands.protect)
app.command()(trading_commands.flatten)
app.command()(trading_commands.kill)
app.command()(trading_commands.arm)
app.command()(trading_commands.disarm)
app.command()(trading_commands.switch)
app.command()(trading_commands.limits)
app.command()(trading_commands.reconcile)
app.add_typer(market_commands.stream, name="stream")
app.add_typer(config_commands.app, name="config")
app.add_typer(data_commands.app, name="data")
