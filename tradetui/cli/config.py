"""`tradetui config`: what is set, where it came from, and whether it is right."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Annotated

import typer

from tradetui.cli.options import Config, Json, Profile, config_of, profile_of
from tradetui.cli.output import show_json

app = typer.Typer(help="Show, check and begin the settings file.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def show(config: Config = None, profile: Profile = None, as_json: Json = False) -> None:
    """Show every setting as it holds, with the source of what is not a default."""
    from tradetui.config import resolve
    from tradetui.config.text import shown_json, shown_toml

    resolved = resolve(config_of(config), profile=profile_of(profile))
    if as_json:
        show_json(shown_json(resolved))
    else:
        typer.echo(shown_toml(resolved), nl=False)


@app.command()
def path(config: Config = None, profile: Profile = None, as_json: Json = False) -> None:
    """Show which settings file is used."""
    from tradetui.config import default_path

    file = config_of(config) or default_path()
    if as_json:
        show_json({"file": str(file), "exists": file.exists(), "profile": profile_of(profile)})
        return
    typer.echo(str(file))
    if not file.exists():
        typer.echo("not there: the defaults hold; `tradetui config init` writes it", err=True)


@app.command()
def check(
    file: Annotated[Path | None, typer.Argument(help="Settings file instead of the one in use.")] = None,
    config: Config = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Check the settings; exit code 2 if something is wrong."""
    from tradetui.config import default_path, examine

    chosen = file or config_of(config)
    resolved, problems = examine(chosen, profile=profile_of(profile))
    name = str(chosen or default_path())
    if as_json:
        show_json({"file": name, "ok": not problems, "problems": problems})
    elif resolved is None:
        typer.echo("\n".join(problems), err=True)
    else:
        typer.echo(f"{name}: ok" if resolved.file else f"{name}: not there, the defaults hold: ok")
    if problems:
        raise typer.Exit(2)


@app.command()
def init(
    config: Config = None,
    profile: Profile = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Write a settings file that explains every setting and sets none; for its owner alone."""
    from engine.errors import SettingsInvalid
    from tradetui.config import default_path
    from tradetui.config.text import commented
    from tradetui.places import places

    chosen = places(profile_of(profile)).profile
    file = (config_of(config) or default_path()).resolve()
    if not force and file.exists():
        raise SettingsInvalid(f"{file} is there already; --force writes over it")
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh.touch(mode=0o600, exist_ok=False)
        fresh.write_text(commented(chosen), encoding="utf-8")
        fresh.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise SettingsInvalid(f"{file}: {error.strerror or error}") from error
    if as_json:
        show_json({"file": str(file), "written": True})
    else:
        typer.echo(f"written: {file}")
