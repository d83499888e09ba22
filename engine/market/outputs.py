"""What models say, as data: the last word of each goes into the next input of all."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from engine.ohlcv import Floats

PROBABILITY_SLACK = 1e-6
"""How far probabilities may be from a sum of 1."""


class ModelType(StrEnum):
    """Kinds of models."""

    CNN = "cnn"
    RL = "rl"
    LSTM = "lstm"
    TRANSFORMER = "transformer"
    ORCHESTRATOR = "orchestrator"


class Action(StrEnum):
    """What a model would do."""

    BUY = "BUY"
    SELL = "SELL"
    HOLD = "HOLD"


class ModelOutput(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One answer of one model.

    `as_of` (UTC ns) is the time of the input that it was given, `known_at` when the answer was there: nothing may use
    it before. `confidence` and `action_confidence` 0 to 1; `direction` -1 (down) to 1 (up) with `direction_confidence`
    0 to 1; `probabilities` by name, each 0 to 1, summing to 1 or empty; `predictions` further numbers by name; `hidden`
    arrays for other models to read; `metadata` for people.

    Raises:
        ValueError: A number is outside its range; the message names it.
    """

    model_type: ModelType
    model_name: str
    instrument: str
    as_of: int
    known_at: int
    confidence: float
    action: Action = Action.HOLD
    action_confidence: float = 0.0
    direction: float = 0.0
    direction_confidence: float = 0.0
    probabilities: dict[str, float] = {}
    predictions: dict[str, float] = {}
    hidden: dict[str, Floats] = {}
    metadata: dict[str, str | int | float] = {}

    def __post_init__(self) -> None:
        for name, least in (
            ("confidence", 0),
            ("action_confidence", 0),
            ("direction", -1),
            ("direction_confidence", 0),
        ):
            if not least <= getattr(self, name) <= 1:
                raise ValueError(f"{self.model_name}: {name} is {getattr(self, name)}, allowed is {least} to 1")
        for name, value in self.probabilities.items():
            if not 0 <= value <= 1:
                raise ValueError(f"{self.model_name}: the probability of {name} is {value}, allowed is 0 to 1")
        total = sum(self.probabilities.values())
        if self.probabilities and abs(total - 1) > PROBABILITY_SLACK:
            raise ValueError(f"{self.model_name}: the probabilities sum to {total}, not to 1")
        if self.known_at < self.as_of:
            raise ValueError(f"{self.model_name}: an answer known at {self.known_at} to an input of {self.as_of}")
