"""The top of the command line: what every command shares, and the engine in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tradetui import __version__

app = typer.Typer(
    help="A trading console for the terminal. Paper by default; nothing here sends orders yet.",
    add_completion=True,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

SPEEDS = "1x, 2x, 5x, 10x, 100x or max"


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
    symbol: Annotated[
        list[str] | None,
        typer.Option("--symbol", help="Instrument to follow, as in binance:ETH/USDT; repeatable."),
    ] = None,
    record: Annotated[Path | None, typer.Option(help="Record everything received into this folder.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a JSON report here at the end.")] = None,
    duration: Annotated[float, typer.Option(help="Stop a live engine after this many seconds; 0 runs on.")] = 0,
    config: Annotated[Path | None, typer.Option(help="Settings file instead of the default one.")] = None,
    no_inference: Annotated[bool, typer.Option("--no-inference", help="Run no models.")] = False,
    no_training: Annotated[bool, typer.Option("--no-training", help="Train no models.")] = False,
    no_trading: Annotated[bool, typer.Option("--no-trading", help="Send no orders.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Log more.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Open the console, or with --headless run the engine alone."""
    del no_inference, no_training, no_trading, version  # switches of parts that are not built yet
    if context.invoked_subcommand is not None:
        return
    if not headless:
        typer.echo(
            "The console is not built yet. Run the engine without it: tradetui --headless\n"
            "See tradetui --help for replay and recording.",
            err=True,
        )
        raise typer.Exit(2)
    from engine.errors import SettingsInvalid
    from tradetui.cli import headless as engine_command

    live_only = {"--symbol": symbol, "--record": record, "--duration": duration}
    replay_only = {"--speed": speed != "1x", "--seek": seek, "--until": until, "--market": market}
    for name, given in (live_only if replay else replay_only).items():
        if given:
            raise SettingsInvalid(f"{name} has no meaning {'with' if replay else 'without'} --replay")
    if replay:
        engine_command.replay(replay, speed, seek, until, market, report, config, debug=debug)
    else:
        engine_command.live(symbol or [], record, report, duration, config, debug=debug)


@app.command()
def record(
    folder: Annotated[Path, typer.Argument(help="Folder for the recording; one file per market and symbol.")],
    symbol: Annotated[
        list[str] | None,
        typer.Option("--symbol", help="Instrument, as in binanceusdm:BTC/USDT:USDT; repeatable."),
    ] = None,
    duration: Annotated[float, typer.Option(help="Stop after this many seconds; 0 runs until interrupted.")] = 0,
    report: Annotated[Path | None, typer.Option(help="Write a JSON report here at the end.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file instead of the default one.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Log more.")] = False,
) -> None:
    """Record live market data; what is written replays to the same state."""
    from tradetui.cli import headless as engine_command

    engine_command.live(symbol or [], folder, report, duration, config, debug=debug)
