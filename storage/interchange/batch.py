"""What a file gives: candles and trades as columns, what was refused of it and why."""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np
import numpy.typing as npt

from engine.errors import ImportRefused
from engine.ohlcv import OHLCV, Flags, Floats, Ints
from engine.types import Instrument, Timeframe


class LeftOut(ImportRefused):
    """There is nothing in it that could be imported, and nothing is wrong with it."""


KEPT_PER_FILE = 1000
"""Refused rows of one file that are kept aside word for word; all are counted."""


class Hints(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person says about a file, on the command line or in a manifest; "" says nothing.

    `columns` names the columns of a table in order. `volume` is `base`, `quote` or `contracts`: what volumes count.
    `symbols` gives the unified symbol of each name in a file of several. Only what opens (trades: happened) in
    [`since`, `until`), UTC dates or times, is taken. `skip` says why the file is not to be imported.
    """

    format: str = ""
    venue: str = ""
    symbol: str = ""
    timeframe: str = ""
    source: str = ""
    columns: tuple[str, ...] = ()
    volume: str = "base"
    symbols: dict[str, str] = {}
    since: str = ""
    until: str = ""
    skip: str = ""

    def over(self, other: Hints) -> Hints:
        """Return these hints, with `other`'s where these say nothing."""
        usual = Hints()
        said = {name: getattr(self, name) for name in self.__struct_fields__}
        return msgspec.structs.replace(
            other, **{name: value for name, value in said.items() if value != getattr(usual, name)}
        )

    @property
    def said(self) -> str:
        """What they say, as text that is the same for the same."""
        usual = Hints()
        told = {
            name: getattr(self, name) for name in self.__struct_fields__ if getattr(self, name) != getattr(usual, name)
        }
        return msgspec.json.encode(told, order="sorted").decode()


class Refusal(msgspec.Struct, frozen=True):
    """One row that was not taken: its place in the file (line, entry or row, from 1), why, and its text."""

    row: int
    reason: str
    text: str = ""


class Refusals:
    """The refused rows of one file; kinds of reasons are counted, the rows are kept as far as `KEPT_PER_FILE` goes."""

    __slots__ = ("count", "kinds", "rows")

    def __init__(self) -> None:
        self.count = 0
        self.kinds: Counter[str] = Counter()
        self.rows: list[Refusal] = []

    def add(self, row: int, kind: str, detail: str = "", text: str = "") -> None:
        """Refuse a row; `kind` is the reason as it is counted, `detail` its numbers."""
        self.count += 1
        self.kinds[kind] += 1
        if len(self.rows) < KEPT_PER_FILE:
            self.rows.append(Refusal(row, f"{kind}: {detail}" if detail else kind, text[:200]))


class Candles(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Candles of one series, sorted, each opening time once; `duplicates` and `conflicts` are what the file said twice.

    A repeated row is a duplicate where it says the same, else a conflict: the first stays. `clashes` are some of those:
    opening time (UTC ms), field, the first value and the other one.
    """

    instrument: str
    source: str
    ohlcv: OHLCV
    duplicates: int = 0
    conflicts: int = 0
    clashes: tuple[tuple[int, str, float, float], ...] = ()

    @property
    def timeframe(self) -> Timeframe:
        """The length of the candles."""
        return self.ohlcv.timeframe

    @property
    def name(self) -> str:
        """The series, for people."""
        return f"{self.instrument} {self.ohlcv.timeframe} {self.source}"

    def __len__(self) -> int:
        return len(self.ohlcv)


class Trades(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Trades of one instrument in order of their ids, each once.

    Units: `ts`, `ts_sent` UTC ns (`ts_sent` 0 where the file does not tell), `price` in quote units, `size` in base
    asset (contracts on inverse markets). `sell`: the taker sold. `aggregate`: each stands for `count` trades of one
    taker.
    """

    instrument: str
    source: str
    aggregate: bool
    ids: Ints
    ts: Ints
    ts_sent: Ints
    price: Floats
    size: Floats
    sell: Flags
    count: Ints
    duplicates: int = 0
    conflicts: int = 0

    @property
    def name(self) -> str:
        """The series, for people."""
        return f"{self.instrument} {'aggregate trades' if self.aggregate else 'trades'} {self.source}"

    def __len__(self) -> int:
        return len(self.ids)


class Parsed:
    """All that was read of one file: `rows` = taken + repeated + refused + left out (`skipped`: why and how many).

    `instruments` are those whose scales the file tells, by key.
    """

    __slots__ = ("candles", "format", "instruments", "notes", "refusals", "rows", "skipped", "trades")

    def __init__(self, format: str) -> None:
        self.format = format
        self.rows = 0
        self.candles: list[Candles] = []
        self.trades: list[Trades] = []
        self.refusals = Refusals()
        self.skipped: Counter[str] = Counter()
        self.notes: list[str] = []
        self.instruments: dict[str, Instrument] = {}

    def note(self, text: str) -> None:
        """Say something about the file; once."""
        if text not in self.notes:
            self.notes.append(text)


def first_of_equals(keys: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the places that sort keys, the first of equals first, and for each the place of that first one."""
    order = np.argsort(keys, kind="stable")
    fresh = np.ones(len(keys), np.bool_)
    fresh[1:] = keys[order][1:] != keys[order][:-1]
    return order, order[np.maximum.accumulate(np.where(fresh, np.arange(len(keys)), 0))]
