"""The parts of a model input, out of the engine's memory or out of storage: the same whatever they come from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.data.archive import Archive
from engine.market.assembly import Parts
from engine.market.cob import SECONDS
from engine.market.columns import Columns
from engine.market.indicators import NAMES, WARM_UP, indicators
from engine.market.input_bars import MINUTES
from engine.market.inputs import FRAMES, TIMEFRAMES
from engine.market.outputs import ModelOutput
from engine.market.track import PIVOTS, swings_of
from engine.ohlcv import OHLCV, Floats
from engine.settings import REFERENCES
from engine.state import EngineState
from engine.types import SECOND, Instrument, Timeframe

NO_OUTPUTS: Mapping[str, ModelOutput] = {}


def reference_of(key: str, references: Mapping[str, str] = REFERENCES) -> str:
    """Return the key of the reference of an instrument: of the same venue, quote asset and kind; "" where none is."""
    venue, _, name = key.partition(":")
    pair, _, settle = name.partition(":")
    base, _, quote = pair.partition("/")
    other = references.get(base)
    if other is None:
        return ""
    settled, dash, expiry = settle.partition("-")
    settled = other if settled == base else settled
    return f"{venue}:{other}/{quote}" + (f":{settled}{dash}{expiry}" if settle else "")


def live_parts(
    state: EngineState,
    key: str,
    references: Mapping[str, str] = REFERENCES,
    outputs: Mapping[str, ModelOutput] = NO_OUTPUTS,
) -> Parts:
    """Return what the engine knew of an instrument at the last boundary.

    Raises:
        KeyError: The engine does not follow it.
    """
    market = state.markets[key]
    frames = market.frames
    other = state.markets.get(reference_of(key, references))
    return Parts(
        symbol=key,
        as_of=frames.as_of,
        contract_size=market.instrument.contract_size,
        candles={each: frames.tracks[each].candles(MINUTES) for each in TIMEFRAMES},
        values={each: frames.tracks[each].values(MINUTES) for each in TIMEFRAMES},
        columns=frames.columns.last(),
        averages=frames.averages,
        swings={each: frames.tracks[each].swings for each in TIMEFRAMES},
        reference=other.instrument.key if other is not None else "",
        reference_1s=(
            other.frames.tracks[Timeframe.S1].candles(2 * FRAMES) if other is not None else OHLCV.empty(Timeframe.S1)
        ),
        reference_contract_size=other.instrument.contract_size if other is not None else 0,
        outputs=outputs,
    )


def stored_parts(
    archive: Archive,
    key: str,
    as_of: int,
    references: Mapping[str, str] = REFERENCES,
    outputs: Mapping[str, ModelOutput] = NO_OUTPUTS,
) -> Parts:
    """Return what storage knows to have been known of an instrument at `as_of` (UTC ns, a whole second).

    Indicators are worked out of the bars and 1500 more before them. Reads a disk.

    Raises:
        StorageFailed: The database cannot be read.
    """
    second = as_of // SECOND
    instrument = archive.instrument(key)
    stored = archive.columns(key, start_s=second - SECONDS + 1, end_s=second, known_at=as_of) if instrument else []
    candles = {each: _newest(archive, key, each, WARM_UP + FRAMES, as_of) for each in TIMEFRAMES}
    reference = reference_of(key, references)
    reference_1s = _newest(archive, reference, Timeframe.S1, 2 * FRAMES, as_of) if reference else None
    other = archive.instrument(reference) if reference else None
    return Parts(
        symbol=key,
        as_of=as_of,
        contract_size=instrument.contract_size if instrument is not None else 0,
        candles=candles,
        values={each: _values(candles[each]) for each in TIMEFRAMES},
        columns=(
            Columns.of([(each.column, each.bucket) for each in stored], instrument)
            if instrument is not None
            else no_columns()
        ),
        averages=next((each.averages for each in stored if each.column.second == second), ()),
        swings={
            each: swings_of(each, archive.pivots(key, each, per_level=PIVOTS, known_at=as_of)) for each in TIMEFRAMES
        },
        reference=reference if reference_1s is not None and (other is not None or len(reference_1s)) else "",
        reference_1s=reference_1s if reference_1s is not None else OHLCV.empty(Timeframe.S1),
        reference_contract_size=other.contract_size if other is not None else 0,
        outputs=outputs,
    )


def _newest(archive: Archive, key: str, timeframe: Timeframe, most: int, as_of: int) -> OHLCV:
    return archive.candles(key, timeframe, limit=most, known_at=as_of)


def _values(candles: OHLCV) -> Floats:
    return indicators(candles).values if len(candles) else np.empty((0, len(NAMES)))


def no_columns() -> Columns:
    """Return no seconds at all."""
    nobody = Instrument(key="", venue="", symbol="", base="", quote="", price_decimals=0, size_decimals=0)
    return Columns.of((), nobody)
