"""Memory of a process that allocates millions of short-lived values and few cycles, and runs for weeks."""

from __future__ import annotations

import ctypes
import gc


def calm_collector(young: int = 200_000) -> None:
    """Leave what is loaded alone, and collect rarely: nothing on the path makes reference cycles.

    `young`: with so many new objects more than were given up, all that came since the last time are looked through,
    which takes 0.4 ms for every thousand.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(young, 50, 100)


def give_back() -> None:
    """Hand freed memory back to the system, where the C library can (glibc; about a millisecond).

    Messages of all sizes leave holes that its allocator would otherwise keep, a few megabytes more every hour.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
