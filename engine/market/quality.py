"""How good a model input is, and whether a model may be run on it.

The score is the worked formula of SDP-4: frames 0.4 x min(1, frames / 300), book 0.3 if there is a live one, pivots 0.2
if there are any, freshness 0.1 x max(0, 1 - age / 60 s). Frames and age are those of the 1s bars. For a model the parts
that it does not need are left out, and the rest counts for the whole; frames and age are those of the shortest
timeframe that it needs, the age against 60 of its bars. Each stream's own length is asked by itself (`validate`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from engine.types import SECOND, Timeframe

if TYPE_CHECKING:
    from engine.market.inputs import Frame, ModelInput

FRAMES = 300
"""Bars of a stream that models are given."""

LEAST_FRAMES = 100
"""Real bars of a stream without which a model that needs it is not run."""

LEAST_SCORE = 0.8
"""Quality from which on an input may be used."""

FRESH_BARS = 60
"""Bars after which nothing of the freshness is left."""

WEIGHTS: dict[str, int] = {"frames": 4, "book": 3, "pivots": 2, "freshness": 1}
"""Parts of the score, in tenths: whole numbers, so that 0.4 + 0.3 + 0.1 is 0.8."""


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What a model cannot do without; its card names it. Everything, if nothing else is said."""

    timeframes: tuple[Timeframe, ...] = (Timeframe.S1, Timeframe.M1, Timeframe.H1, Timeframe.D1)
    reference: bool = True
    book: bool = True
    pivots: bool = True


class QualityPart(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the score: `weight` of the whole, `score` 0 to 1, and `why` it is not 1."""

    name: str
    weight: float
    score: float
    why: str = ""


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """The score, 0 to 1, and what it is made of."""

    score: float
    parts: tuple[QualityPart, ...]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the score is made from: real bars of each stream, ages in s of its newest, a live book, pivots by timeframe.

    An age is None without a bar.
    """

    frames: Mapping[Timeframe, int]
    ages: Mapping[Timeframe, float | None]
    reference: int
    book: bool
    pivots: Mapping[Timeframe, int]


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that keeps a model from being run."""

    what: str
    expected: str
    actual: str

    def __str__(self) -> str:
        return f"{self.what}: expected {self.expected}, have {self.actual}"


FULL = Needs(timeframes=(Timeframe.S1,), reference=False)
"""What the full score, which people are shown, counts: SDP-4 looks at the 1s bars alone."""


def quality(facts: Facts, needs: Needs = FULL) -> Quality:
    """Return the score of the parts that are needed, rescaled so that they make up the whole."""
    scores: list[tuple[str, float, str]] = []
    if needs.timeframes:
        shortest = min(needs.timeframes, key=lambda timeframe: timeframe.seconds)
        there = facts.frames.get(shortest, 0)
        scores.append(("frames", min(1.0, there / FRAMES), f"{there} of {FRAMES} bars of {shortest}"))
    else:
        shortest = Timeframe.S1
    if needs.book:
        scores.append(("book", float(facts.book), "no live book"))
    if needs.pivots:
        wanted = tuple(facts.pivots) if needs is FULL else needs.timeframes
        scores.append(("pivots", float(any(facts.pivots.get(each) for each in wanted)), "no confirmed pivot"))
    age = facts.ages.get(shortest)
    left = 0.0 if age is None else min(1.0, max(0.0, 1 - age / (FRESH_BARS * shortest.seconds)))
    said = f"no bar of {shortest}" if age is None else f"the last bar of {shortest} ended {age:.1f} s ago"
    scores.append(("freshness", left, said))
    whole = sum(WEIGHTS[name] for name, _, _ in scores)
    return Quality(
        score=sum(WEIGHTS[name] * score for name, score, _ in scores) / whole,
        parts=tuple(
            QualityPart(name=name, weight=WEIGHTS[name] / whole, score=score, why=why if score < 1 else "")
            for name, score, why in scores
        ),
    )


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
