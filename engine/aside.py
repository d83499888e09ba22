"""Threads for what clients ask: few, and their own.

What the engine itself does in threads (the kill switch's note, recordings, copies) waits for no flood of questions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 4
"""Questions that are read at a time, those among them for which nobody waits any more; others wait for a thread."""

_threads = ThreadPoolExecutor(THREADS, "question")


async def aside(work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Return what `work` returns, done in a thread; whoever is cancelled does not wait for its end."""
    return await asyncio.get_running_loop().run_in_executor(_threads, partial(work, *given, **named))
