"""The garbage collector, tuned for a process that allocates millions of short-lived values and few cycles."""

from __future__ import annotations

import gc


def calm_collector() -> None:
    """Leave what is loaded alone, and collect rarely: nothing on the path makes reference cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
