"""How good a model input is: one score, made from a few facts about it.

The score is the worked formula of SDP-4: frames 0.4 x min(1, frames / 300), book 0.3 if there is a live one, pivots 0.2
if there are any, freshness 0.1 x max(0, 1 - age / 60 s). Frames and age are those of the 1s bars. For a model the parts
that it does not need are left out, and the rest counts for the whole; frames and age are those of the shortest
timeframe that it needs, the age against 60 of its bars. Whether each stream is long enough is asked in `validation`.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from engine.types import Timeframe

FRAMES = 300
"""Bars of a stream that models are given."""

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
