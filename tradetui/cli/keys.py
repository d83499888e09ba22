"""`tradetui keys`: the keys of the console as they hold, and a file to change them."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from tradetui.cli.options import Json


def keys(
    as_json: Json = False,
    write: Annotated[
        bool, typer.Option("--write", help="Write a keymap file that explains every key and changes none.")
    ] = False,
) -> None:
    """Show the keys of the console with your own; exit code 2 if your file has something wrong."""
    from tradetui.cli.output import show_json, table
    from tradetui.console.keymap import KEYS
    from tradetui.console.keys import FILE, load_keys
    from tradetui.places import config_folder

    path = config_folder() / FILE
    if write:
        _write(as_json=as_json)
        return
    held = load_keys(path)
    usual = {key.id: key.names for key in KEYS}
    if as_json:
        rows = [
            {"id": key.id, "keys": key.names.split(",") if key.names else [], "where": key.where,
             "changed": key.names != usual[key.id], "explained": key.explained}
            for key in held.table
        ]  # fmt: skip
        show_json({"file": str(path), "exists": path.exists(), "problems": held.problems, "keys": rows})
    else:
        mark = {True: "*", False: ""}
        rows_ = [
            (key.id, key.names or "-", mark[key.names != usual[key.id]], key.where, key.explained) for key in held.table
        ]
        table(("id", "keys", "", "where", "does"), rows_)
        typer.echo(f"\n{path}{'' if path.exists() else ' is not there; `tradetui keys --write` writes it'}")
        for problem in held.problems:
            typer.echo(problem, err=True)
    if held.problems:
        raise typer.Exit(2)


def _write(*, as_json: bool) -> None:
    """Write the file, unless there is one.

    Raises:
        SettingsInvalid: There is one, or it cannot be written.
    """
    from engine.errors import SettingsInvalid
    from tradetui.cli.output import show_json
    from tradetui.console.keys import FILE, commented
    from tradetui.places import config_folder

    path = config_folder() / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(commented())
    except FileExistsError:
        raise SettingsInvalid(f"{path} is there already; edit it, or take it away first") from None
    except OSError as error:
        raise SettingsInvalid(f"{path}: {error.strerror or error}") from error
    if as_json:
        show_json({"file": str(path), "written": True})
    else:
        typer.echo(f"written: {path}")
