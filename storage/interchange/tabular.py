"""A table of candles or trades, whoever wrote it, sorted into its series."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from engine.errors import ImportRefused
from engine.ohlcv import Ints
from engine.types import Timeframe
from storage.interchange import sifting, table
from storage.interchange.batch import Hints, Parsed
from storage.interchange.identity import Identity, key_of, pair_of, timeframe_of

if TYPE_CHECKING:
    import polars as pl

MANY = 10_000
"""Series in one table beyond which it is none of candles or trades."""


def source_of(name: str, usual: str) -> str:
    """Return a source's name in storage: a person's, the file's, or the usual one; imports are marked as such."""
    chosen = (name or usual).removeprefix("import:").strip().lower()
    if not chosen or len(chosen) > 40 or not all(c.isalnum() or c in "-_." for c in chosen):
        raise ImportRefused(f"--source {name!r}: expected up to 40 of a-z, 0-9, -, _ and ., as in --source archive")
    return f"import:{chosen}"


def take(
    parsed: Parsed,
    frame: pl.DataFrame,
    names: list[str],
    identity: Identity,
    hints: Hints,
    usual: str,
    *,
    first_row: int = 1,
) -> None:
    """Take a table into `parsed`.

    `names` are the columns' names, `usual` the source where nobody names one, `first_row` the number of the first row.

    Raises:
        ImportRefused: Neither candles nor trades, or whose they are cannot be told.
    """
    if identity.refused:
        raise ImportRefused(identity.refused)
    candles = table.is_candles(names)
    if not candles and not table.is_trades(names):
        raise table.missing(names)
    parsed.rows += frame.height
    if not frame.height:
        parsed.note("no rows")
        return
    found = table.places(names, table.CANDLE if candles else table.TRADE)
    frame = table.plain_cells(frame, (place for here in found.values() for place in here))
    rows = np.arange(first_row, first_row + frame.height)
    cut = ("symbol", "timeframe", "source") if candles else ("symbol", "source")
    columns = (_candle_columns if candles else _trade_columns)(parsed, frame, found)
    for told, part in _series(frame, {name: found[name][0] for name in cut if name in found}):
        text = _text(frame, part)
        here = {name: values[part] for name, values in columns.items()}
        venue, symbol = _told(told.get("symbol", ""), identity, hints)
        key = key_of(venue, symbol)
        source = source_of(hints.source or told.get("source", ""), usual)
        if candles:
            length = _timeframe(told.get("timeframe", ""), identity, hints, here["time"].astype(np.int64))
            if not isinstance(length, Timeframe):
                parsed.skipped[f"{length} is not a timeframe that is stored"] += len(part)
                continue
            sifting.candles(parsed, key, length, source, here, rows[part], text, hints)
        else:
            aggregated = bool(here["aggregate"][0] == 1) if "aggregate" in here else "first" in found
            sifting.trades(parsed, key, source, here, rows[part], text, hints, aggregate=aggregated)


def _told(symbol: str, identity: Identity, hints: Hints) -> tuple[str, str]:
    """Return venue and symbol: what a person says goes before what the file says, and that before its name."""
    venue = hints.venue or identity.venue
    symbol = symbol.strip("\x00 ")
    if ":" in symbol and "/" in symbol.partition(":")[2]:  # a key of ours
        return symbol.partition(":")[0], symbol.partition(":")[2]
    if symbol in hints.symbols:
        return venue, hints.symbols[symbol]
    if hints.symbol and not hints.symbols:
        return venue, hints.symbol
    return venue, (symbol if pair_of(symbol) else "") or identity.symbol or symbol


def _series(frame: pl.DataFrame, by: dict[str, int]) -> list[tuple[dict[str, str], npt.NDArray[np.intp]]]:
    """Cut a table into its series: what the columns `by` say, and the rows of each."""
    import polars as pl

    if not by:
        return [({}, np.arange(frame.height))]
    keys = frame.select(pl.nth(place).cast(pl.String).fill_null("").alias(name) for name, place in by.items())
    groups = keys.with_row_index("_row").group_by(list(by), maintain_order=True).agg("_row")
    if groups.height > MANY:
        raise ImportRefused(f"{groups.height} different {' and '.join(by)}: not a table of candles or trades")
    return [
        ({name: str(row[name]) for name in by}, np.array(row["_row"], np.intp)) for row in groups.iter_rows(named=True)
    ]


def _timeframe(told: str, identity: Identity, hints: Hints, time: Ints) -> Timeframe | str:
    """Return the timeframe, or the name of one that is not stored.

    Raises:
        ImportRefused: It cannot be told, or the rows contradict it.
    """
    said = hints.timeframe or told
    if said:
        name, odd = timeframe_of(said)
        if not name and not odd:
            raise ImportRefused(f"--timeframe {said!r}: expected one of {', '.join(Timeframe)}")
    else:
        name, odd = identity.timeframe, identity.odd
    if odd:
        return odd
    known = np.unique(time[time > 0])
    apart = np.diff(known) // 10**9
    if not name:
        usual = int(np.bincount(apart[apart <= 86_400]).argmax()) if (apart <= 86_400).any() else 0
        name = next((each.value for each in Timeframe if each.seconds == usual), "")
        if not name or len(known) < 3:
            raise ImportRefused("the timeframe cannot be told: give --timeframe 1m")
    found = Timeframe(name)
    if len(apart) >= 10 and apart.min() > found.seconds:
        raise ImportRefused(
            f"said to be {found}, but no two of its {len(known)} rows are less than {apart.min()} s apart: "
            "give the right --timeframe"
        )
    return found


Columns = dict[str, npt.NDArray[np.float64] | Ints]


def _candle_columns(parsed: Parsed, frame: pl.DataFrame, found: dict[str, list[int]]) -> Columns:
    columns: Columns = {}
    columns["time"], notes = table.times(frame, found["time"])
    for note in notes:
        parsed.note(note)
    for name in (*table.PRICES, "volume", "quote_volume", "taker_buy"):
        if name in found:
            columns[name] = table.numbers(frame.to_series(found[name][0]))
    for name in ("trades", "known_at"):
        if name in found:
            columns[name] = table.whole_numbers(frame.to_series(found[name][0]))
    if "complete" in found:
        columns["complete"] = table.flags(frame.to_series(found["complete"][0]))
    return columns


def _trade_columns(parsed: Parsed, frame: pl.DataFrame, found: dict[str, list[int]]) -> Columns:
    columns: Columns = {}
    time, notes = table.times(frame, found["time"])
    for note in notes:
        parsed.note(note)
    if "millisecond" in found:
        within = table.whole_numbers(frame.to_series(found["millisecond"][0]))
        time = np.where((within >= 0) & (within < 1000), time + within * 10**6, 0)
    columns["time"] = time
    for name in ("price", "size"):
        columns[name] = table.numbers(frame.to_series(found[name][0]))
    columns["sell"] = _sells(frame, found)
    if "id" in found:
        columns["id"] = table.whole_numbers(frame.to_series(found["id"][0]))
    if "first" in found and "last" in found:
        first, last = (table.whole_numbers(frame.to_series(found[name][0])) for name in ("first", "last"))
        columns["count"] = np.where((first >= 0) & (last >= first), last - first + 1, 1)
    elif "count" in found:
        columns["count"] = table.whole_numbers(frame.to_series(found["count"][0]))
    if "sent" in found:
        columns["sent"] = table.times(frame, found["sent"])[0]
    if "aggregate" in found:
        columns["aggregate"] = table.flags(frame.to_series(found["aggregate"][0]))
    return columns


def _sells(frame: pl.DataFrame, found: dict[str, list[int]]) -> Ints:
    """Return who took: 1 a seller, 0 a buyer, -1 not told. A buyer who made was sold to."""
    import polars as pl

    if "side" not in found:
        return table.flags(frame.to_series(found["sell"][0]))
    side = frame.to_series(found["side"][0]).cast(pl.String).str.strip_chars(" \t\"'\x00").str.to_lowercase()
    sells, buys = side.is_in(["sell", "s", "ask"]).to_numpy(), side.is_in(["buy", "b", "bid"]).to_numpy()
    return np.where(sells, 1, np.where(buys, 0, -1)).astype(np.int64)


def _text(frame: pl.DataFrame, part: npt.NDArray[np.intp]) -> Callable[[int], str]:
    def text(place: int) -> str:
        cells = frame.row(int(part[place]))
        return ",".join("" if cell is None else str(cell).strip("\x00") for cell in cells)

    return text
