"""`tradetui data backfill`: what is missing, asked of the exchange."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradetui.cli.options import Config, Json, Profile, config_of, places_of, profile_of, time_of, timeframe_of
from tradetui.cli.output import iso, show_json

if TYPE_CHECKING:
    from engine.types import Timeframe
    from tradetui.cli.data_store import Progress
    from tradetui.places import Places

PAGE = 10_000
"""Candles asked for at once."""

ANSWER = 1000
"""The same of an engine, which has to answer within seconds."""

NEVER = 1 << 61
"""UTC ms that no candle opens at: as an end, that of everything."""


def backfill(
    symbol: Annotated[str, typer.Argument(help="Instrument of a market that is followed live, as in ETH/USDT.")],
    timeframe: Annotated[str, typer.Option("--timeframe", "-t", help="1s, 1m, 5m, 15m, 1h, 4h or 1d.")] = "1m",
    start: Annotated[str, typer.Option("--from", help="UTC time of the first, as in 2024-08-09.")] = "",
    end: Annotated[str, typer.Option("--to", help="UTC time before which the last opens. [default: now]")] = "",
    profile: Profile = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Ask the exchange for the candles of a range that are not stored, and store them.

    Without --from the gaps between the first and the last stored candle are asked for. A running engine does it, within
    its request budget; without one this command does. What nobody has is listed, and stays missing.

    Exit code: 0 nothing is missing any more, 1 something is, 2 nobody could be asked.
    """
    from engine.ingestion.symbols import full_key, symbol_of
    from engine.types import Timeframe
    from tradetui.cli.data_store import archive

    key, places = full_key(symbol), places_of(profile)
    symbol_of(key)
    length = Timeframe(timeframe_of(timeframe))
    step = length.seconds * 1000
    now = int(time.time() * 1000)
    last = min(time_of("--to", end, now), now) // step * step
    if start:
        spans = [(max(time_of("--from", start, 0), 0), last)]
    else:
        with archive(places) as stored:
            holes = stored.gaps(key, length, 0, NEVER)
        spans = [(gap.first_ms, gap.last_ms + step) for gap in holes if gap.first_ms < last]
    pages = [(at, min(at + PAGE * step, b)) for a, b in spans for at in range(a, b, PAGE * step)]
    got, lacking, reasons = _fill(places, config_of(config), profile_of(profile), key, length, pages, quiet=as_json)
    missing = sum(count for _, _, count in lacking)
    if as_json:
        show_json(
            {
                "instrument": key, "timeframe": str(length), "ranges": len(spans), "served": got, "missing": missing,
                "gaps": [{"first": iso(a), "last": iso(b), "missing": count} for a, b, count in lacking],
                "reasons": reasons,
            }
        )  # fmt: skip
    else:
        served = ", ".join(f"{count:,} from {name}" for name, count in got.items()) or "nothing"
        typer.echo(f"{key} {length}: {len(spans):,} ranges asked for; {served}; {missing:,} candles are nowhere")
        for a, b, count in lacking[:20]:
            typer.echo(f"    {iso(a)} to {iso(b)}: {count:,}")
        for reason in reasons:
            typer.echo(f"    {reason}")
    if missing:
        raise typer.Exit(1)


Filled = tuple[dict[str, int], list[tuple[int, int, int]], list[str]]


def _fill(
    places: Places,
    config: Path | None,
    profile: str,
    key: str,
    length: Timeframe,
    pages: list[tuple[int, int]],
    *,
    quiet: bool,
) -> Filled:
    """Have ranges filled by the engine if one runs, else here; return who served how much, what is missing, and why."""
    import asyncio

    from tradetui.cli.data_store import Progress
    from tradetui.lock import is_held

    progress = Progress(quiet=quiet)
    work = _by_engine if is_held(places.lock) else _here
    filled = asyncio.run(work(places, config, profile, key, length, pages, progress))
    progress(1, 1, "")
    return filled


async def _by_engine(
    places: Places,
    _config: Path | None,
    _profile: str,
    key: str,
    length: Timeframe,
    pages: list[tuple[int, int]],
    progress: Progress,
) -> Filled:
    from engine.views import HistoryView
    from tradetui.client import engine_of

    served: dict[str, int] = {}
    lacking: list[tuple[int, int, int]] = []
    reasons: dict[str, None] = {}
    step = length.seconds * 1000
    small = [(at, min(at + ANSWER * step, end)) for start, end in pages for at in range(start, end, ANSWER * step)]
    async with engine_of(places, "backfill") as engine:
        for place, (start, end) in enumerate(small):
            progress(place, len(small), f"{key} {length}")
            found = await engine.get(
                "history", HistoryView, instrument=key, timeframe=str(length), start_ms=start, end_ms=end, limit=ANSWER
            )
            for each in found.served:
                served[each.source] = served.get(each.source, 0) + each.rows
            gone = _missing([row.open_ms for row in found.rows], start, end, step)
            lacking += gone
            if gone and found.reason:
                reasons[found.reason] = None
    return served, lacking, list(reasons)


def _missing(opens: list[int], start: int, end: int, step: int) -> list[tuple[int, int, int]]:
    """Return the stretches in [start, end) without a candle: first, last, how many."""
    wanted = set(range(-(-start // step) * step, end, step)) - set(opens)
    found: list[tuple[int, int, int]] = []
    for at in sorted(wanted):
        if found and found[-1][1] == at - step:
            found[-1] = (found[-1][0], at, found[-1][2] + 1)
        else:
            found.append((at, at, 1))
    return found


async def _here(
    places: Places,
    config: Path | None,
    profile: str,
    key: str,
    length: Timeframe,
    pages: list[tuple[int, int]],
    progress: Progress,
) -> Filled:
    """Ask the exchange from this process, which holds the profile meanwhile."""
    from engine.errors import SettingsInvalid
    from engine.ingestion.network import AiohttpTransport
    from engine.ingestion.symbols import instruments, symbol_of
    from storage.archive import StoredArchive
    from storage.writer import Writer
    from tradetui.bootstrap import build_history
    from tradetui.cli.data_store import held
    from tradetui.config import resolve

    settings = resolve(config, profile=profile).settings
    market, symbol = symbol_of(key)
    transport = AiohttpTransport()
    served: dict[str, int] = {}
    lacking: list[tuple[int, int, int]] = []
    reasons: dict[str, None] = {}
    with held(places):
        try:
            async with Writer(places.database, engine=False) as writer:
                archive = StoredArchive(places.database, places.cold, writer.changes)
                history = build_history(settings, market.venue, transport=transport, store=writer, archive=archive)
                found, _ = instruments(market, await history.venue.rest.exchange_info([symbol]), {symbol})
                if symbol not in found:
                    raise SettingsInvalid(f"{key}: {market.venue} lists no {symbol}")
                for place, (start, end) in enumerate(pages):
                    progress(place, len(pages), f"{key} {length}")
                    answer = await history.range(found[symbol], length, start, end)
                    for each in answer.served:
                        served[each.source] = served.get(each.source, 0) + each.rows
                    lacking += [(gap.first_ms, gap.last_ms, gap.missing) for gap in answer.gaps]
                    if answer.reason:
                        reasons[answer.reason] = None
                    await writer.flush()
                archive.close()
        finally:
            await transport.aclose()
    return served, lacking, list(reasons)
