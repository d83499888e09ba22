"""What the command line has a running engine do with storage, as the engine is the one writer.

Such work may take longer than a client waits for an answer: the first asking begins it, every asking says how far it
is, and the one after its end takes the result away. What the work needs is loaded with it, not at the engine's start.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from engine.actions import BEGUN, Action, Args
from engine.errors import ImportRefused, RequestDenied, StorageFailed
from tradetui.commands import only
from tradetui.places import Places
from tradetui.stored import Stored


class Works:
    """Pieces of work by name, until their results are taken away."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    def ask(self, name: str, work: Callable[[], Coroutine[Any, Any, Any]]) -> str:
        """Begin a piece of work, or say how far it is; the answer is JSON."""
        task = self._tasks.get(name)
        if task is None:
            task = self._tasks[name] = asyncio.create_task(work(), name=name)
        if not task.done():
            return BEGUN
        del self._tasks[name]
        error = task.exception()
        if error is None:
            return msgspec.json.encode({"state": "done", "result": task.result()}).decode()
        if not isinstance(error, ImportRefused | StorageFailed):
            raise error
        return msgspec.json.encode({"state": "failed", "kind": type(error).__name__, "reason": str(error)}).decode()


def data_commands(stored: Stored, places: Places) -> dict[str, Action]:
    """Return the commands about storage, by name."""
    works = Works()

    async def data_import(arguments: Args) -> str:
        only(arguments, "path")
        path = Path(_text(arguments, "path"))
        if path.parent != places.temporary or not path.name.startswith("import-"):
            raise RequestDenied(
                "invalid_argument", f"path {str(path)!r}: expected a file that an import has made ready"
            )
        return works.ask(f"import {path.name}", partial(_merge, stored, path))

    async def data_pivots(arguments: Args) -> str:
        only(arguments)
        return works.ask("pivots", partial(_structures, stored))

    async def data_prune(arguments: Args) -> str:
        only(arguments, "instrument", "timeframe", "source")
        if not arguments:
            return works.ask("prune", partial(_retain, stored))
        whose = tuple(_text(arguments, name) for name in ("instrument", "timeframe", "source"))
        return works.ask(f"prune {' '.join(whose)}", partial(_remove, stored, *whose))

    return {"data_import": data_import, "data_pivots": data_pivots, "data_prune": data_prune}


async def _merge(stored: Stored, path: Path) -> Any:
    from storage.interchange import staging

    merged = await stored.writer.upkeep(partial(staging.merge, path=path, now=time.time_ns()))
    stored.writer.changes.touch(merged.touched)
    return msgspec.to_builtins(merged.report)


async def _structures(stored: Stored) -> int:
    from engine.market.pivots import DISTANCE
    from storage.interchange import swings

    loop, writer = asyncio.get_running_loop(), stored.writer

    def write(work: Callable[[Any], Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(writer.upkeep(work), loop).result()

    due = await writer.upkeep(swings.due)
    for key, timeframe in due:
        await asyncio.to_thread(swings.build, stored.archive, write, key, timeframe, DISTANCE, time.time_ns())
    return len(due)


async def _retain(stored: Stored) -> Any:
    return msgspec.to_builtins(await stored.retention.once())


async def _remove(stored: Stored, instrument: str, timeframe: str, source: str) -> Any:
    from storage.interchange import pruning

    chosen = pruning.Chosen(instrument=instrument, timeframe=timeframe, source=source)
    files = await stored.writer.upkeep(partial(pruning.begin, chosen=chosen))
    rows, more = 0, True
    while more:  # each piece by itself, so that the journal never waits for all of them
        gone, more = await stored.writer.upkeep(partial(pruning.piece, chosen=chosen))
        rows += gone
    stored.writer.changes.everything()
    return {"rows": rows, "files": files}


def _text(arguments: Args, name: str) -> str:
    """Return an argument that is a text.

    Raises:
        RequestDenied: It is missing, or none.
    """
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise RequestDenied("invalid_argument", f"{name} {value!r}: expected a text")
    return value
