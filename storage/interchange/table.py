"""Tables as files give them: columns by their many names, numbers and times by what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import ImportRefused
from engine.ohlcv import Floats, Ints
from storage.interchange.stamps import of_column

if TYPE_CHECKING:
    import polars as pl

TIME = (
    "open_ms", "open_time", "opentime", "open_timestamp", "timestamp", "unix_timestamp", "unix", "unixtime", "epoch",
    "time", "ts", "t", "date", "datetime", "open_date", "date_utc", "time_utc", "utc", "timestamp_ms",
    "time_period_start", "index_level_0", "index",
)  # fmt: skip
"""Names of a column of opening (trades: trade) times; epochs go before texts for people."""

CANDLE: Mapping[str, tuple[str, ...]] = {
    "time": TIME,
    "open": ("open", "o", "open_price", "price_open"),
    "high": ("high", "h", "max", "high_price", "price_high"),
    "low": ("low", "l", "min", "low_price", "price_low"),
    "close": ("close", "c", "last", "close_price", "price_close"),
    "volume": ("volume", "v", "vol", "base_volume", "volume_base", "amount", "basevolume", "volume_traded"),
    "quote_volume": ("quote_volume", "quote_asset_volume", "volume_quote", "quotevolume", "turnover", "quote_vol"),
    "taker_buy": (
        "taker_buy", "taker_buy_volume", "taker_buy_base_asset_volume", "taker_buy_base", "taker_buy_base_volume",
    ),
    "trades": ("trades", "count", "number_of_trades", "trade_count", "tradecount", "n", "num_trades", "trades_count"),
    "complete": ("complete",),
    "known_at": ("known_at",),
    "symbol": ("symbol", "pair", "instrument"),
    "timeframe": ("timeframe", "interval"),
    "source": ("source",),
}  # fmt: skip

TRADE: Mapping[str, tuple[str, ...]] = {
    "time": (*TIME, "transact_time", "trade_time"),
    "id": ("id", "trade_id", "tradeid", "agg_trade_id", "tid"),
    "price": ("price", "p", "px"),
    "size": ("size", "qty", "quantity", "amount", "q", "sz"),
    "sell": ("is_buyer_maker", "buyer_maker", "sell", "m"),
    "side": ("side", "taker_side", "aggressor"),
    "first": ("first_trade_id", "first_id", "f"),
    "last": ("last_trade_id", "last_id", "l"),
    "sent": ("ts_sent", "event_time"),
    "count": ("count",),
    "aggregate": ("aggregate",),
    "millisecond": ("millisecond", "milliseconds", "msec"),
    "symbol": ("symbol", "pair", "instrument"),
    "source": ("source",),
}

PRICES = ("open", "high", "low", "close")

_VOLUME_OF = re.compile(r"(?:volume|vol)_([a-z0-9]{2,10})")


def plain(name: str) -> str:
    """Return a column's name as it is compared."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower().lstrip("\ufeff")).strip("_")


def places(names: Sequence[str], kinds: Mapping[str, tuple[str, ...]]) -> dict[str, list[int]]:
    """Return the places of each field among columns; of times there may be several, the preferred one first."""
    flat = [plain(name) for name in names]
    found: dict[str, list[int]] = {}
    for field, synonyms in kinds.items():
        here = [flat.index(name) for name in synonyms if name in flat]
        if here:
            found[field] = here if field == "time" else here[:1]
    if kinds is CANDLE and "volume" not in found:
        # `Volume BTC`, `Volume USDT`: the first is the base asset's, in every file of this kind.
        of_assets = [i for i, name in enumerate(flat) if _VOLUME_OF.fullmatch(name)]
        if of_assets:
            found["volume"] = of_assets[:1]
            if len(of_assets) > 1:
                found.setdefault("quote_volume", of_assets[1:2])
    return found


def is_candles(names: Sequence[str]) -> bool:
    """Tell whether columns are those of candles."""
    return {"time", "volume", *PRICES} <= places(names, CANDLE).keys()


def is_trades(names: Sequence[str]) -> bool:
    """Tell whether columns are those of trades."""
    found = places(names, TRADE).keys()
    return {"time", "price", "size"} <= found and bool({"sell", "side"} & found) and not is_candles(names)


def missing(names: Sequence[str]) -> ImportRefused:
    """Return what to say of columns that are neither candles nor trades."""
    lacking = [field for field in ("time", *PRICES, "volume") if field not in places(names, CANDLE)]
    return ImportRefused(
        f"columns {', '.join(name[:20] for name in names[:12])}: neither candles (no {', '.join(lacking) or 'volume'}) "
        "nor trades (time, price, size, side); name them in order, as in --columns time,open,high,low,close,volume"
    )


def plain_cells(frame: pl.DataFrame, columns: Iterable[int]) -> pl.DataFrame:
    """Return a table whose `columns` hold numbers, times, texts or truths; categories become texts.

    Raises:
        ImportRefused: One holds lists, bytes or the like.
    """
    import polars as pl

    for place in columns:
        column = frame.to_series(place)
        kind = column.dtype
        if kind in (pl.Categorical, pl.Enum):
            frame = frame.with_columns(column.cast(pl.String))
        elif kind.is_nested() or kind in (pl.Binary, pl.Object, pl.Duration, pl.Time):
            raise ImportRefused(f"column {column.name[:40]} holds {str(kind)[:40]}: expected one number or text a row")
    return frame


def numbers(column: pl.Series) -> Floats:
    """Return a column as float64, nan where a cell is empty or no number. [n]"""
    import polars as pl

    if column.dtype == pl.String:
        column = column.str.strip_chars(" \t\r\"'\x00")
    return column.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()


def whole_numbers(column: pl.Series) -> Ints:
    """Return a column as int64, -1 where a cell is empty or no whole number. [n]"""
    import polars as pl

    if column.dtype == pl.String:
        column = column.str.strip_chars(" \t\r\"'\x00")
    return column.cast(pl.Int64, strict=False).fill_null(-1).to_numpy()


def flags(column: pl.Series) -> Ints:
    """Return truths as 1 and 0, -1 where a cell is neither. [n]"""
    import polars as pl

    if column.dtype == pl.Boolean:
        return column.cast(pl.Int64).fill_null(-1).to_numpy()
    texts = column.cast(pl.String).str.strip_chars(" \t\r\"'\x00").str.to_lowercase()
    yes, no = texts.is_in(["true", "1", "t", "yes"]).to_numpy(), texts.is_in(["false", "0", "f", "no"]).to_numpy()
    return np.where(yes, 1, np.where(no, 0, -1)).astype(np.int64)


def times(frame: pl.DataFrame, columns: Sequence[int]) -> tuple[Ints, list[str]]:
    """Return the times of a table as UTC ns, 0 where there is none, and what is to be said of them.

    Where several columns tell the time the first is taken, and the others are compared with it.
    """
    ns, good, found = of_column(frame.to_series(columns[0]))
    notes = [f"times in {' and '.join(found)}"] if len(found) > 1 else []
    for place in columns[1:]:
        other, fine, _ = of_column(frame.to_series(place))
        apart = np.flatnonzero(good & fine & (other != ns))
        if len(apart):
            hours = np.unique(np.round((other[apart] - ns[apart]) / 3.6e12, 2))[:3]
            notes.append(
                f"column {frame.columns[place]} differs from {frame.columns[columns[0]]} in {len(apart)} rows by "
                f"{', '.join(f'{each:g}' for each in hours)} h; {frame.columns[columns[0]]} is taken"
            )
    return np.where(good, ns, 0), notes
