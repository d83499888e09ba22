"""`tradetui data prune, backup, restore, check, rejects`: keeping what is stored in order."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradetui.cli.options import Config, Json, Profile, Stored, config_of, key_of, places_of, profile_of
from tradetui.cli.output import clock, iso, number, show_json, table

if TYPE_CHECKING:
    from tradetui.places import Places


def prune(
    symbol: Annotated[
        str,
        typer.Argument(help="Instrument whose import is to go, with --timeframe and --source; without one: the rules."),
    ] = "",
    timeframe: Annotated[str, typer.Option("--timeframe", "-t", help="1s to 1d, or trades.")] = "",
    source: Annotated[str, typer.Option(help="Import that is to go, as `data ls` names it.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, it is only said what would be done.")] = False,
    profile: Profile = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Delete what the rules of retention say, or one import; without --yes only say what would go.

    The rules never touch imports, bars of a minute and longer, annotations, orders and fills. A removed import can be
    imported again, with other flags. Exit code: 0, or 2 if it cannot be done.
    """
    from engine.errors import SettingsInvalid
    from storage.interchange import pruning
    from tradetui.cli.data_store import Own, reading, writing
    from tradetui.config import resolve
    from tradetui.stored import policy

    places = places_of(profile)
    if symbol and not (timeframe and source):
        raise SettingsInvalid("an import is named by --timeframe and --source, as `tradetui data ls` shows them")
    rules = policy(resolve(config_of(config), profile=profile_of(profile)).settings.storage)
    if symbol:
        chosen = pruning.Chosen(instrument=key_of(symbol), timeframe=timeframe, source=source)
        with reading(places) as connection:
            gone: Any = pruning.count(connection, chosen)
        if yes:
            with writing(places) as storage:
                given = {"instrument": chosen.instrument, "timeframe": timeframe, "source": source}
                if isinstance(storage, Own):
                    gone = storage.write(lambda connection: pruning.remove(connection, chosen))
                    storage.note("data_prune", given, f"{gone.rows} rows of {gone.files} files")
                else:
                    gone = pruning.Removed(**storage.work("data_prune", **given))
                storage.pivots(lambda *_: None)
        said = {
            "instrument": chosen.instrument,
            "timeframe": timeframe,
            "source": source,
            "rows": gone.rows,
            "files": gone.files,
        }
        line = f"{chosen.instrument} {timeframe} {source}: {gone.rows:,} rows of {gone.files} files"
    else:
        with reading(places) as connection:
            due = list(pruning.due(connection, rules, time.time_ns()))
        if yes:
            _retain(places, rules)
        said = {
            each.table: {"older_than_days": each.days, "rows": each.rows, "packed_rows": each.packed} for each in due
        }
        line = "\n".join(
            f"{each.table}: {each.rows:,} rows and {each.packed:,} packed ones are older than {each.days} days"
            for each in due
        )
    if as_json:
        show_json({"dry_run": not yes, **said})
    else:
        typer.echo(line)
        typer.echo("deleted" if yes else "nothing was deleted; --yes does it")


def _retain(places: Places, rules: Any) -> None:
    """Apply the rules, by the engine if one runs."""
    import asyncio

    from storage.cold import Cold
    from storage.retention import Retention
    from storage.writer import Writer
    from tradetui.cli.data_store import Own, writing

    async def once() -> None:
        async with Writer(places.database, engine=False) as writer:
            await Retention(writer, Cold(places.cold), rules).once()

    with writing(places) as storage:
        if isinstance(storage, Own):
            storage.note("data_prune", {}, "what the rules of retention say is being deleted")
            storage.close()
            asyncio.run(once())
        else:
            storage.work("data_prune")


def backup(
    folder: Annotated[
        Path | None, typer.Option("--to", help="Folder for the copy. [default: the profile's own]")
    ] = None,
    keep: Annotated[int, typer.Option("--keep", min=1, help="Copies that are kept in the folder; older ones go.")] = 7,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Copy the database, also while an engine writes it, and check the copy.

    Cold files are not copied; the database only names them. Exit code: 0 copied, 2 it could not be.
    """
    from engine.errors import StorageFailed
    from storage.backup import back_up

    places = places_of(profile)
    if not places.database.exists():
        raise StorageFailed(f"profile {places.profile!r} has stored nothing yet: there is nothing to copy")
    made = back_up(places.database, folder or places.backups, keep=keep, now=time.time_ns())
    if as_json:
        show_json({"path": str(made.path), "bytes": made.bytes, "at": clock(made.at)})
    else:
        typer.echo(f"{made.path}: {made.bytes:,} bytes, checked")


def restore(
    file: Annotated[
        Path | None, typer.Argument(help="Copy to go back to. [default: the newest of the profile]")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, the copies are listed.")] = False,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Put a copy in the place of the database; what was there is kept beside it. The engine must not run.

    Exit code: 0 done or listed, 2 it could not be done; then everything is as it was.
    """
    from engine.errors import StorageFailed
    from storage.backup import backups
    from storage.backup import restore as put_back
    from tradetui.cli.data_store import held

    places = places_of(profile)
    kept = backups(places.backups)
    if not yes:
        if as_json:
            show_json([{"path": str(each.path), "bytes": each.bytes, "at": clock(each.at)} for each in kept])
        else:
            table(("copy", "made", "bytes"), [(str(e.path), clock(e.at), f"{e.bytes:,}") for e in kept], "2")
            typer.echo("nothing was changed; --yes puts the newest, or the one that is named, in place of the database")
        return
    chosen = file or (kept[-1].path if kept else None)
    if chosen is None or not chosen.is_file():
        raise StorageFailed(f"{chosen or places.backups}: no such copy; `tradetui data backup` makes one")
    with held(places):
        aside = put_back(chosen, places.database, now=time.time_ns())
    if as_json:
        show_json({"restored": str(chosen), "replaced": str(aside) if aside else None})
    else:
        typer.echo(f"{chosen} is in place{f'; the database before it is {aside}' if aside else ''}")


CHECKED = ("1s", "1m", "1h", "1d")
"""Timeframes that models use (ANN-27)."""


def check(symbol: Stored = "", profile: Profile = None, as_json: Json = False) -> None:
    """Load the four timeframes of models, and show rows, range and last close, and whether the order is right.

    Exit code: 0 all four are there and in order, 1 one is not, 2 the database cannot be read.
    """
    from tradetui.cli.data_store import archive, reading

    places = places_of(profile)
    with reading(places) as connection:
        query = "SELECT DISTINCT i.key FROM series s JOIN instruments i ON i.id = s.instrument_id ORDER BY 1"
        stored = [str(row[0]) for row in connection.execute(query)]
    keys = [key_of(symbol)] if symbol else stored
    with archive(places) as reader:
        found = [_checked(reader, key, name) for key in keys for name in CHECKED]
    if as_json:
        show_json(found)
    else:
        table(
            ("instrument", "timeframe", "rows", "first", "last", "last close", ""),
            [
                (each["instrument"], each["timeframe"], f"{each['rows']:,}", each["first"] or "-", each["last"] or "-",
                 number(each["last_close"], 8).rstrip("0").rstrip("."), each["fault"] or "ok")
                for each in found
            ], "25",
        )  # fmt: skip
    if any(each["fault"] for each in found):
        raise typer.Exit(1)


def _checked(reader: Any, key: str, name: str) -> dict[str, Any]:
    import numpy as np

    from engine.types import Timeframe

    timeframe = Timeframe(name)
    bounds, rows = reader.bounds(key, timeframe), reader.candles(key, timeframe)
    fault = ""
    if not len(rows):
        fault = "nothing stored"
    elif (np.diff(rows.open_ms) <= 0).any():
        fault = "not in order"
    elif (rows.open_ms % (timeframe.seconds * 1000)).any():
        fault = "an opening time is no multiple of the timeframe"
    elif bounds != (int(rows.open_ms[0]), int(rows.open_ms[-1])):
        fault = f"rows go from {rows.open_ms[0]} to {rows.open_ms[-1]} ms, the bounds say {bounds}"
    return {
        "instrument": key, "timeframe": name, "rows": len(rows),
        "first": iso(int(rows.open_ms[0])) if len(rows) else None,
        "last": iso(int(rows.open_ms[-1])) if len(rows) else None,
        "last_close": float(rows.close[-1]) if len(rows) else None, "fault": fault,
    }  # fmt: skip


def rejects(
    limit: Annotated[int, typer.Option("--limit", "-l", min=1, max=1_000_000, help="How many, newest first.")] = 50,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """List rows that were refused, live or in an import, with the reason and what they said. Exit code: 0, or 2."""
    import json

    from engine.text import inert
    from tradetui.cli.data_store import reading

    with reading(places_of(profile)) as connection:
        rows = connection.execute(
            "SELECT at, kind, instrument, reason, body FROM rejects ORDER BY id DESC LIMIT ?", (limit,)
        ).fetchall()
        kept = int(connection.execute("SELECT count(*) FROM rejects").fetchone()[0])
    if as_json:
        show_json(
            [
                {"at": clock(at), "kind": kind, "instrument": key, "reason": why, "row": json.loads(body)}
                for at, kind, key, why, body in rows
            ]
        )
        return
    for at, kind, key, why, body in rows:
        typer.echo(inert(f"{clock(at)}  {kind}  {key or '-'}  {why}  {body}", 2000))
    typer.echo(f"{kept:,} refused rows are kept" if kept else "nothing was refused")
