"""Times in files: seconds to nanoseconds since 1970, ISO texts, dates and columns of dates, all as UTC nanoseconds.

Numbers carry their unit in their size: between 1973 and 2100 seconds, milli-, micro- and nanoseconds never overlap. A
text without a zone is UTC; one with an offset is converted; the name of a zone is refused, as it may stand for two
offsets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.ohlcv import Flags, Floats, Ints

if TYPE_CHECKING:
    import polars as pl

EARLIEST = 100_000_000
"""Seconds: 1973."""

LATEST = 4_102_444_800
"""Seconds: 2100."""

UNITS = (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9))
"""Units, with their number in a second."""

NAIVE = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y%m%d %H:%M:%S", "%Y%m%d %H:%M", "%Y%m%dT%H%M%S")
ZONED = ("%Y-%m-%d %H:%M:%S%.f%:z", "%Y-%m-%d %H:%M%:z", "%Y-%m-%d %H:%M:%S%.f%z")
DATES = ("%Y-%m-%d", "%Y%m%d")


def of_numbers(values: Ints | Floats) -> tuple[Ints, Flags, list[str]]:
    """Return numbers as UTC ns, which of them are times, and the units found.

    Shapes: [n] each. Fractions of a second are taken to the millisecond, of finer units not at all.
    """
    ns = np.zeros(len(values), np.int64)
    good = np.zeros(len(values), np.bool_)
    found = []
    with np.errstate(invalid="ignore"):
        for name, per_second in UNITS:
            here = (values >= EARLIEST * per_second) & (values < LATEST * per_second)
            if not here.any():
                continue
            found.append(name)
            good |= here
            if values.dtype.kind == "i":
                ns[here] = values[here].astype(np.int64) * (10**9 // per_second)
            elif name == "s":
                ns[here] = np.round(values[here] * 1000).astype(np.int64) * 10**6
            else:
                ns[here] = np.round(values[here]).astype(np.int64) * (10**9 // per_second)
    return ns, good, found


def of_column(column: pl.Series) -> tuple[Ints, Flags, list[str]]:
    """Return a column of any type as UTC ns, which of its cells are times, and the units or forms found."""
    import polars as pl

    kind = column.dtype
    if kind == pl.Datetime:
        unit = {"ms": 10**6, "us": 10**3, "ns": 1}[kind.time_unit]  # type: ignore[attr-defined]
        return _physical(column, unit, "datetime")
    if kind == pl.Date:
        return _physical(column, 86_400 * 10**9, "date")
    if kind.is_integer():
        whole = column.cast(pl.Int64, strict=False)
        ns, good, found = of_numbers(whole.fill_null(0).to_numpy())
        return ns, good & whole.is_not_null().to_numpy(), found
    if kind.is_numeric():
        return of_numbers(column.cast(pl.Float64).fill_null(float("nan")).to_numpy())
    return _of_texts(column.cast(pl.String))


def _physical(column: pl.Series, factor: int, form: str) -> tuple[Ints, Flags, list[str]]:
    """Return dates and times as ns. Those outside 1973 to 2100 are damage, and could overflow."""
    import polars as pl

    raw = column.to_physical().cast(pl.Int64)
    known = raw.is_not_null().to_numpy()
    values = raw.fill_null(0).to_numpy()
    per_second = 10**9 // factor if factor <= 10**9 else 0
    seconds = values // per_second if per_second else values * (factor // 10**9)
    good = known & (np.abs(values) < 2**62) & (seconds >= EARLIEST) & (seconds < LATEST)
    return np.where(good, values, 0) * factor, good, [form]


def _of_texts(texts: pl.Series) -> tuple[Ints, Flags, list[str]]:
    """Return texts as ns: whole numbers, numbers with a fraction, dates and times."""
    import polars as pl

    stripped = texts.str.strip_chars(" \t\r\"'\x00")
    whole = stripped.cast(pl.Int64, strict=False)
    ns, good, found = of_numbers(whole.fill_null(0).to_numpy())
    good &= whole.is_not_null().to_numpy()
    if not good.all():
        broken = stripped.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
        other, fine, units = of_numbers(np.where(good, np.nan, broken))
        ns[fine], good = other[fine], good | fine
        found = list(dict.fromkeys(found + units))
    if not good.all():
        where = np.flatnonzero(~good)
        other, fine = _of_dates(stripped.gather(where))
        ns[where[fine]] = other[fine]
        good[where[fine]] = True
        found += ["text"] if fine.any() else []
    return ns, good, found


def _of_dates(texts: pl.Series) -> tuple[Ints, Flags]:
    """Return dates and times in text as ns; microseconds are the finest, so that no year overflows."""
    import polars as pl

    plain = texts.str.replace(r"^(\d{4})/(\d{2})/(\d{2})", "${1}-${2}-${3}").str.replace(
        r"^(\d{4}-\d{2}-\d{2})T", "$1 "
    )
    plain = plain.str.replace(r" ?(Z|UTC|GMT)$", "+00:00")
    best = pl.Series(values=[None] * len(texts), dtype=pl.Datetime("us"))
    for form in ZONED:
        if best.null_count():
            zoned = plain.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False)
            best = best.fill_null(zoned.dt.replace_time_zone(None))
    for form in NAIVE:
        if best.null_count():
            best = best.fill_null(plain.str.to_datetime(form, time_unit="us", strict=False))
    for form in DATES:
        if best.null_count():
            best = best.fill_null(plain.str.to_date(form, strict=False).cast(pl.Datetime("us")))
    ns, good, _ = _physical(best, 1000, "text")
    return ns, good
