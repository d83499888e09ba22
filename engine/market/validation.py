"""Whether a model may be run on an input: what it needs is there, long enough and sound, and the score high enough."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from engine.market.inputs import Frame, ModelInput
from engine.market.quality import LEAST_SCORE, Needs, quality
from engine.types import SECOND, Timeframe

LEAST_FRAMES = 100
"""Real bars of a stream without which a model that needs it is not run."""


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that keeps a model from being run."""

    what: str
    expected: str
    actual: str

    def __str__(self) -> str:
        return f"{self.what}: expected {self.expected}, have {self.actual}"


def validate(given: ModelInput, needs: Needs | None = None, symbol: str | None = None) -> tuple[Missing, ...]:
    """Return what keeps a model with these needs from being run on an input; empty: it may be.

    Args:
        given: The input.
        needs: Of the model; None: everything.
        symbol: The instrument that the model is to be run for.
    """
    needs = needs or Needs()
    found: list[Missing] = []

    def want(fits: bool, what: str, expected: str, actual: str) -> None:
        if not fits:
            found.append(Missing(what=what, expected=expected, actual=actual))

    want(symbol in (None, given.symbol), "symbol", str(symbol), given.symbol)
    want(given.as_of > 0 and not given.as_of % SECOND, "time", "a whole second, UTC ns", str(given.as_of))
    streams = {f"primary {timeframe}": given.frames[timeframe] for timeframe in needs.timeframes}
    if needs.reference:
        streams["reference 1s"] = given.reference_1s
    for name, frame in streams.items():
        real = int(frame.there.sum())
        want(real >= LEAST_FRAMES, name, f"at least {LEAST_FRAMES} bars", str(real))
        _check(want, name, frame)
    if needs.reference:
        away = int(given.reference_1s.open_ms[-1] - given.frames[Timeframe.S1].open_ms[-1])
        same = np.array_equal(given.reference_1s.open_ms, given.frames[Timeframe.S1].open_ms)
        want(same, "reference 1s", "the seconds of the primary", f"seconds {away / 1000:+.0f} s away")
    if needs.book:
        want(bool(given.cob.there[-1]), "book", "a live one", "none at that second")
        volumes = (given.cob.bids[given.cob.there], given.cob.asks[given.cob.there])
        sound = all(bool((np.isfinite(part) & (part >= 0)).all()) for part in volumes)
        want(sound, "book", "finite volumes, none negative", "others")
    score = quality(given.facts(), needs)
    why = "; ".join(part.why for part in score.parts if part.why)
    want(score.score >= LEAST_SCORE, "quality", f"at least {LEAST_SCORE}", f"{score.score:.3f} ({why})")
    return tuple(found)


def _check(want: Callable[[bool, str, str, str], None], name: str, frame: Frame) -> None:
    """See that the bars that are there are sound."""
    steps = np.diff(frame.open_ms)
    length = frame.timeframe.seconds * 1000
    want(
        bool((steps == length).all()),
        name,
        f"opening times {length} ms apart",
        f"{int((steps != length).sum())} others",
    )
    prices = frame.values[frame.there][:, :5]
    bad = int((~(np.isfinite(prices) & (prices >= 0)).all(axis=1)).sum())
    want(not bad, name, "finite prices and volumes, none negative", f"{bad} bars with others")
