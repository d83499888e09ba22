"""Cold files: one Parquet file per table, instrument and day, packed out of the database and read as if still in it.

Prices and sizes are decimals where the instrument's scales are known, which is smaller and exact. Layout: the columns
of the table without the number of its series or instrument; `known_at` of bars is kept as `known_after`, ns since the
opening time.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from engine.errors import StorageFailed
from engine.ohlcv import OHLCV, source_code
from engine.types import DAY, DAY_MS, MS, Timeframe

if TYPE_CHECKING:
    import polars as pl

LEVEL = 9
"""Of zstd."""

HELD_BYTES = 48 << 20
"""Of the contents of files that are kept in memory."""

SLICE = 2000
"""Rows made into columns at once: it holds up the process's other threads for about a millisecond."""

_FLOATS = ("open", "high", "low", "close", "volume", "quote_volume", "taker_buy")


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A table that can be packed: its time column, units of it in a day, and the column that says whose rows they are.

    `columns` are those of a file, in the order of the table; `price`, `size`, `both` those that are whole ticks, lots,
    ticks x lots.
    """

    table: str
    time: str
    day: int
    owner: str
    columns: tuple[str, ...]
    price: tuple[str, ...] = ()
    size: tuple[str, ...] = ()
    both: tuple[str, ...] = ()
    where: str = "1"
    """Which rows are packed and pruned; imports never are."""


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_BARS = _names("open_ms open high low close volume quote_volume taker_buy trades complete known_at sequence")
_COB = _names("second bucket base best_bid best_ask bids asks bid_notional ask_notional partial")

KINDS: dict[str, Kind] = {
    kind.table: kind
    for kind in (
        Kind(
            table="bars", time="open_ms", day=DAY_MS, owner="series_id",
            columns=_BARS,
            price=("open", "high", "low", "close"), size=("volume", "taker_buy"), both=("quote_volume",),
        ),
        Kind(
            table="trades", time="ts", day=DAY, owner="instrument_id",
            columns=_names("aggregate trade_id ts price size sell count regular ts_sent source known_at"),
            price=("price",), size=("size",), where="source = 'venue'",
        ),
        Kind(table="cob_1s", time="second", day=86_400, owner="instrument_id", columns=(*_COB, "known_at")),
        Kind(
            table="cob_1m", time="second", day=86_400, owner="instrument_id",
            columns=(*_COB, "seconds", "known_at"),
        ),
        Kind(
            table="imbalances", time="second", day=86_400, owner="instrument_id",
            columns=("second", "band", *(f"{what}_{w}s" for what in ("imbalance", "volume_imbalance", "samples")
                                         for w in (1, 5, 15, 60)), "known_at"),
        ),
        Kind(
            table="book_snapshots", time="ts", day=DAY, owner="instrument_id",
            columns=_names("ts bids asks mid_price spread bid_volume ask_volume sequence known_at"),
        ),
    )
}  # fmt: skip


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was written: its place below the cold folder, what it holds (in units of the time column)."""

    path: str
    rows: int
    first: int
    last: int
    bytes: int
    sha256: str
    known_at: int


class Cold:
    """The cold files below a folder. Safe in any thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._frames: OrderedDict[tuple[str, str], Any] = OrderedDict()
        self._lock = threading.Lock()

    # Reading. ---------------------------------------------------------------------------------------------------------

    def bars(
        self, connection: sqlite3.Connection, series: int, source: str, timeframe: Timeframe, start_ms: int, end_ms: int
    ) -> list[OHLCV]:
        """Return the packed candles of a series that open in [start_ms, end_ms), a part for each file."""
        parts = []
        for frame in self._overlapping(connection, "bars", "series_id", series, start_ms, end_ms - 1):
            found = _between(frame, "open_ms", start_ms, end_ms - 1)
            opens = found["open_ms"].to_numpy()
            trades = found["trades"].fill_null(-1).to_numpy()
            parts.append(
                OHLCV(
                    timeframe=timeframe,
                    open_ms=opens,
                    trades=trades,
                    complete=found["complete"].to_numpy().astype(np.bool_),
                    known_at=found["known_after"].to_numpy() + opens * MS,
                    source=np.full(len(found), source_code(source), np.uint8),
                    **{name: _floats(found[name]) for name in _FLOATS},
                )
            )
        return parts

    def rows(
        self,
        connection: sqlite3.Connection,
        table: str,
        instrument: int,
        first: int,
        last: int,
        enough: int | None = None,
    ) -> list[tuple[Any, ...]]:
        """Return the packed rows of an instrument with first <= time <= last, without its number, in no order.

        The newest files are read until there are `enough` rows, among them the newest so many.
        """
        import polars as pl

        kind = KINDS[table]
        rows: list[tuple[Any, ...]] = []
        for frame in self._overlapping(connection, table, "instrument_id", instrument, first, last):
            if enough is not None and len(rows) >= enough:
                break
            found = _between(frame, kind.time, first, last)
            rows += found.with_columns(pl.selectors.decimal().cast(pl.Float64)).select(kind.columns).rows()
        return rows

    def _overlapping(
        self, connection: sqlite3.Connection, kind: str, owner: str, number: int, first: int, last: int
    ) -> Iterator[pl.DataFrame]:
        """Yield the contents of the files that reach into a stretch, the newest first."""
        found = connection.execute(
            f"SELECT path, sha256 FROM cold_files WHERE kind = ? AND {owner} = ? AND first <= ? AND last >= ?"
            " ORDER BY first DESC",
            (kind, number, last, first),
        ).fetchall()
        for path, digest in found:
            yield self._frame(path, digest)

    def _frame(self, path: str, digest: str) -> pl.DataFrame:
        import polars as pl

        with self._lock:
            frame: pl.DataFrame | None = self._frames.get((path, digest))
            if frame is not None:
                self._frames.move_to_end((path, digest))
                return frame
        try:
            frame = pl.read_parquet(self.folder / path)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise StorageFailed(
                f"{self.folder / path}: {error}; the database says that rows were packed into it: "
                "`tradetui data restore` brings back an older state"
            ) from error
        with self._lock:
            self._frames[path, digest] = frame
            while len(self._frames) > 1 and sum(each.estimated_size() for each in self._frames.values()) > HELD_BYTES:
                self._frames.popitem(last=False)
        return frame

    # Writing. ---------------------------------------------------------------------------------------------------------

    def write(
        self, kind: Kind, batches: Iterable[Sequence[tuple[Any, ...]]], path: str, scales: tuple[int, int] | None
    ) -> Packed:
        """Write rows of a table (`kind.columns`) to a file, which is read again and compared before it has its name.

        `scales` are the decimals of prices and sizes; None: unknown.

        Raises:
            StorageFailed: The file cannot be written, or does not read as it was written.
        """
        import polars as pl

        frame = _framed(kind, batches)
        packed = _exact(kind, frame, scales)
        place = self.folder / path
        part = place.with_name(place.name + ".part")
        try:
            for folder in reversed(Path(path).parents):
                (self.folder / folder).mkdir(exist_ok=True, mode=0o700)
            with part.open("wb") as stream:
                part.chmod(0o600)
                packed.write_parquet(stream, compression="zstd", compression_level=LEVEL)
                stream.flush()
                os.fsync(stream.fileno())
            again = pl.read_parquet(part)
            if not _restored(kind, again).equals(frame):
                raise StorageFailed(f"{part}: {len(frame)} rows do not read as they were written; nothing was packed")
            digest = hashlib.sha256(part.read_bytes()).hexdigest()
            part.replace(place)
            _sync(place.parent)
        except OSError as error:
            raise StorageFailed(f"{place}: {error.strerror or error}; nothing was packed") from error
        finally:
            part.unlink(missing_ok=True)
        return Packed(
            path=path, rows=len(frame), first=_whole(frame[kind.time].min()), last=_whole(frame[kind.time].max()),
            bytes=place.stat().st_size, sha256=digest, known_at=_whole(frame["known_at"].max()),
        )  # fmt: skip

    def strays(self, connection: sqlite3.Connection) -> list[Path]:
        """Return the files that the database does not know: a packing that was killed has left them."""
        known = {row[0] for row in connection.execute("SELECT path FROM cold_files")}
        files = self.folder.rglob("*") if self.folder.is_dir() else ()
        return [file for file in files if file.is_file() and str(file.relative_to(self.folder)) not in known]

    def forget(self) -> None:
        """Forget what was read."""
        with self._lock:
            self._frames.clear()


def _between(frame: pl.DataFrame, column: str, first: int, last: int) -> pl.DataFrame:
    import polars as pl

    return frame.filter(pl.col(column).is_between(first, last))


def _floats(column: pl.Series) -> np.ndarray[Any, np.dtype[np.float64]]:
    import polars as pl

    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _framed(kind: Kind, batches: Iterable[Sequence[tuple[Any, ...]]]) -> pl.DataFrame:
    import polars as pl

    types: dict[str, Any] = dict.fromkeys(kind.columns, pl.Int64)
    types |= dict.fromkeys((*kind.price, *kind.size, *kind.both), pl.Float64)
    for name in kind.columns:
        if name.startswith(("imbalance_", "volume_imbalance_")) or name.endswith(("_volume", "_price", "spread")):
            types[name] = pl.Float64
        if name in ("bids", "asks", "bid_notional", "ask_notional", "partial", "source"):
            types[name] = pl.String
    parts = [pl.DataFrame(batch, schema=types, orient="row") for batch in batches if batch]
    return pl.concat(parts) if parts else pl.DataFrame(schema=types)


def _exact(kind: Kind, frame: pl.DataFrame, scales: tuple[int, int] | None) -> pl.DataFrame:
    """Return a frame as it goes to the file: prices and sizes as decimals, if that loses nothing."""
    import polars as pl

    if kind.table == "bars":
        frame = frame.with_columns((pl.col("known_at") - pl.col("open_ms") * MS).alias("known_after")).drop("known_at")
    if scales is None:
        return frame
    price, size = scales
    wanted = [(name, price) for name in kind.price] + [(name, size) for name in kind.size]
    wanted += [(name, price + size) for name in kind.both]
    try:
        packed = frame.with_columns(pl.col(name).cast(pl.Decimal(18, scale)) for name, scale in wanted)
    except pl.exceptions.PolarsError:
        return frame  # a number is too large
    same = packed.with_columns(pl.selectors.decimal().cast(pl.Float64)).equals(frame)
    return packed if same else frame


def _restored(kind: Kind, packed: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    if kind.table == "bars":
        packed = packed.with_columns((pl.col("known_after") + pl.col("open_ms") * MS).alias("known_at"))
    return packed.with_columns(pl.selectors.decimal().cast(pl.Float64)).select(kind.columns)


def _whole(value: Any) -> int:
    return int(value)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
