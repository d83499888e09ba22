"""What a recording holds: its markets, symbols, scales and trade streams, recognised from the messages themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from engine.errors import ProtocolError, RecordingUnusable
from engine.ingestion import envelope
from engine.ingestion.binance import PREFIX
from engine.ingestion.markets import COINM, MARKETS, SPOT, USDM, Market
from engine.ingestion.shapes import DAMAGE
from engine.ingestion.symbols import guess, instruments, rules
from engine.ingestion.tape import TapeFile
from engine.orders import Rules
from engine.types import Instrument

SAMPLE_LINES = 5_000
"""Lines looked at per file."""

EARLIEST = 10**17
"""Receive stamps before 1973 are not in nanoseconds."""

SAMPLES = 40
"""Messages decoded per stream kind."""

_STREAM = re.compile(rb'\{"stream":"([a-z0-9_]+)@([A-Za-z0-9@]+)"')
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Survey:
    """The findings on one file. `symbol` is the one instrument of the file, "" if there are several."""

    def __init__(self, path: Path, index: int) -> None:
        self.path = path
        self.index = index
        self.market: Market = SPOT
        self.symbols: dict[str, set[str]] = {}
        self.listed: dict[str, Instrument] = {}
        self.rules: dict[str, Rules] = {}
        self.decimals: dict[str, tuple[int, int]] = {}
        self.start = 0
        self.note = ""
        self.traded = False
        """It tells what was traded, beside the market or alone."""
        self._samples: dict[tuple[str, str], int] = {}
        self._futures = self._inverse = 0
        self._snapshots: list[dict[str, Any]] = []
        self._notes: list[envelope.Note] = []

    @property
    def symbol(self) -> str:
        """The one symbol of the file, or ""."""
        return next(iter(self.symbols)) if len(self.symbols) == 1 else ""

    def end(self) -> int:
        """Read the file through, and return its last stamp (UTC ns)."""
        return max((lines[-1][0] for lines in TapeFile(self.path, self.index).lines() if lines), default=0)

    def look(self, market: Market | None) -> None:
        """Read the beginning of the file."""
        seen = 0
        for lines in TapeFile(self.path, self.index).lines():
            if lines and not self.start:
                self.start = lines[0][0]
            for _, _, frame in lines:
                self._frame(frame)
            seen += len(lines)
            if seen >= SAMPLE_LINES:
                break
        inverse = self._inverse > 0 or any("PERP" in symbol for symbol in self.symbols)
        recognised = COINM if inverse else USDM if self._futures > 0 else SPOT
        self.market = market or recognised
        if self.symbols and self.market is not recognised:
            self.note = f"read as {self.market.venue} as asked, but its messages look like {recognised.venue}"
        for note in self._notes:
            if note.source in MARKETS:
                self.market = MARKETS[note.source]
        for note in self._notes:
            with suppress(ProtocolError):
                self._list(note, note.symbol)
        for snapshot in self._snapshots:
            with suppress(*DAMAGE):
                if self.symbol:
                    self._scale(self.symbol, snapshot.get("bids", []) + snapshot.get("asks", []))

    def _list(self, note: envelope.Note, symbol: str) -> None:
        found, _ = instruments(self.market, bytes(note.body), {symbol})
        if symbol in found:
            self.listed[symbol] = found[symbol]
            self.rules.update(rules(self.market, bytes(note.body), {symbol}))
            self.symbols.setdefault(symbol, set())

    def _frame(self, frame: bytes) -> None:
        if frame.startswith(envelope.PREFIX):
            try:
                note = envelope.decode(frame)
            except ProtocolError:
                return
            if note.e == "exchangeInfo":
                self._notes.append(note)
            self.traded |= note.e in ("account", "trading")
            return
        if not frame.startswith(PREFIX):
            if frame.startswith(b'{"lastUpdateId"') and len(self._snapshots) < 2:
                self._keep_snapshot(frame)
            return
        match = _STREAM.match(frame)
        if match is None:
            return
        symbol, kind = match[1].decode().upper(), match[2].decode().partition("@")[0]
        self.symbols.setdefault(symbol, set()).add(kind)
        taken = self._samples.get((symbol, kind), 0)
        if taken < SAMPLES:
            self._samples[symbol, kind] = taken + 1
            self._sample(symbol, kind, frame)

    def _keep_snapshot(self, frame: bytes) -> None:
        try:
            self._snapshots.append(_decode(frame))
        except DAMAGE:
            return

    def _sample(self, symbol: str, kind: str, frame: bytes) -> None:
        try:
            data = _decode(frame)["data"]
            trade = kind in ("trade", "aggTrade")
            # Spot trades carry M, and spot quotes no e; one damaged message does not decide.
            futures = "pu" in data or (trade and "M" not in data) or (kind == "bookTicker" and "e" in data)
            self._futures += 1 if futures else -1
            self._inverse += 1 if "ps" in data else -1
            if kind == "depth":
                self._scale(symbol, data.get("b", []) + data.get("a", []))
            elif trade:
                self._scale(symbol, [(data["p"], data["q"])])
            elif kind == "bookTicker":
                self._scale(symbol, [(data["b"], data["B"]), (data["a"], data["A"])])
        except DAMAGE:
            return

    def _scale(self, symbol: str, levels: Iterable[Any]) -> None:
        """Prices count the decimals that are not zero, sizes all that are printed."""
        price_decimals, size_decimals = self.decimals.get(symbol, (0, 0))
        for level in levels:
            price, size = level
            price_decimals = max(price_decimals, len(price.rstrip("0").partition(".")[2]))
            size_decimals = max(size_decimals, len(size.partition(".")[2]))
        self.decimals[symbol] = price_decimals, size_decimals


class OnlyTraded(RecordingUnusable):
    """Files of a recording that hold nothing of the market."""


class Contents:
    """What a set of files holds together: instruments by market and symbol, and which trades feed their bars."""

    def __init__(self, paths: list[Path], market: Market | None = None) -> None:
        self.files = [Survey(path, index) for index, path in enumerate(paths)]
        for survey in self.files:
            survey.look(market)
        self.skipped = [survey.path for survey in self.files if not (survey.symbols or survey.traded)]
        # What was traded stands behind what was received at the same time.
        known = [survey for survey in self.files if survey.symbols or survey.traded]
        self.files = sorted(known, key=lambda survey: not survey.symbols)
        self.traded = not self._together([survey for survey in self.files if survey.traded])
        if self.files and not any(survey.symbols for survey in self.files):
            names = ", ".join(survey.path.name for survey in self.files[:3])
            raise OnlyTraded(f"{names}: what was traded, and nothing of the market; it is replayed beside its market")
        if not self.files:
            names = ", ".join(str(path) for path in paths[:3])
            raise RecordingUnusable(f"no message of a known stream in {names}; expected `<ns> <message>` lines")
        start = min(survey.start for survey in self.files)
        if start < EARLIEST:
            raise RecordingUnusable(f"{self.files[0].path}: receive stamps must be nanoseconds since 1970, not {start}")
        self.instruments: dict[tuple[str, str], Instrument] = {}
        self.trade_streams: dict[str, str] = {}
        self.rules: dict[str, Rules] = {}
        """What venues have told of orders, by instrument key."""
        self.listed: set[str] = set()
        """Keys of the instruments that the recording itself lists."""
        for survey in self.files:
            for symbol in survey.symbols:
                self._add(survey.market, symbol)
        if not self.instruments:
            seen = ", ".join(sorted(symbol for survey in self.files for symbol in survey.symbols))
            raise RecordingUnusable(f"cannot tell base and quote of {seen}, and no exchangeInfo is recorded")

    def _together(self, traded: list[Survey]) -> bool:
        """Tell, and note, whether several engines traded at the same time; or whether none did."""
        for before, survey in pairwise(sorted(traded, key=lambda survey: survey.start)):
            if before.end() > survey.start:
                survey.note = f"was traded at the same time as {before.path.name}: only the market is replayed"
                return True
        return not traded

    def _add(self, market: Market, symbol: str) -> None:
        here = [survey for survey in self.files if survey.market is market and symbol in survey.symbols]
        if (market.venue, symbol) in self.instruments:
            return
        listed = next((survey.listed[symbol] for survey in here if symbol in survey.listed), None)
        if listed is None:
            seen = [survey.decimals.get(symbol, (0, 0)) for survey in here]
            try:
                listed = guess(market, symbol, max(p for p, _ in seen), max(s for _, s in seen))
            except ProtocolError:
                return
        else:
            self.listed.add(listed.key)
        self.instruments[market.venue, symbol] = listed
        told = next((survey.rules[symbol] for survey in here if symbol in survey.rules), None)
        if told is not None:
            self.rules[listed.key] = told
        kinds = set().union(*(survey.symbols[symbol] for survey in here))
        usual = market.trade_stream
        other = "trade" if usual == "aggTrade" else "aggTrade"
        self.trade_streams[listed.key] = other if usual not in kinds and other in kinds else usual
