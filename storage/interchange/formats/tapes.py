"""Recordings of a venue's messages, ours or the hftbacktest collector's: trades, and bars as the engine builds them.

The files of one folder are one recording: they are replayed through the engine's own path, and what it tells to keep of
trades and closed bars is taken. Bars that the recording does not wholly cover are left out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.core import Commands
from engine.errors import ImportRefused, RecordingUnusable, SettingsInvalid
from engine.ingestion.markets import MARKETS
from engine.ingestion.survey import OnlyTraded
from engine.keep import Keep
from engine.ohlcv import OHLCV
from engine.replay import Recording, Replay
from engine.settings import MarketSettings
from engine.types import Bar, Instrument, Timeframe, Trade
from storage.interchange.batch import Candles, Hints, LeftOut, Parsed, Trades
from storage.interchange.tabular import source_of


def read(paths: list[Path], hints: Hints) -> Parsed:
    """Read the files of a recording.

    Raises:
        LeftOut: They tell of trading alone.
        ImportRefused: They are no recording, or of a venue whose messages are not known.
    """
    parsed = Parsed("recording")
    market = None
    if hints.venue:
        if hints.venue not in MARKETS:
            raise ImportRefused(f"--venue {hints.venue}: recordings are read of {', '.join(MARKETS)}")
        market = MARKETS[hints.venue]
    kept = _Kept()
    try:
        recording = Recording(paths, market)
        replay = Replay(recording, MarketSettings(), traded=False)
        replay.commands = kept.take
        replay.run()
        kept.rest(replay)
    except OnlyTraded as error:
        raise LeftOut("what was traded, and nothing of the market") from error
    except (RecordingUnusable, SettingsInvalid) as error:
        raise ImportRefused(str(error)) from error
    for note in recording.notes():
        parsed.note(note)
    source = source_of(hints.source, "recording")
    parsed.instruments = kept.instruments
    for instrument, trades in kept.trades.items():
        if not trades:
            continue
        taken = _trades(kept.instruments[instrument], source, trades)
        parsed.trades.append(taken)
        parsed.rows += len(trades)
    for (instrument, timeframe), bars in kept.bars.items():
        whole = {open_ms: each for open_ms, each in sorted(bars.items()) if each[0].complete}
        parsed.rows += len(bars)
        if len(whole) < len(bars):
            parsed.skipped["bars that the recording does not wholly cover"] += len(bars) - len(whole)
        if whole:
            parsed.candles.append(_candles(kept.instruments[instrument], source, timeframe, list(whole.values())))
    if not parsed.trades and not parsed.candles:
        raise ImportRefused("a recording without trades")
    return parsed


class _Kept:
    """What the engine tells to keep, of trades and bars; the newest version of a bar with the time it was known."""

    def __init__(self) -> None:
        self.instruments: dict[str, Instrument] = {}
        self.trades: dict[str, dict[tuple[int, bool], Trade]] = {}
        self.bars: dict[tuple[str, Timeframe], dict[int, tuple[Bar, int]]] = {}

    def take(self, commands: Commands) -> None:
        """Take commands of the core."""
        for keep in commands:
            if not isinstance(keep, Keep):
                continue
            key = keep.instrument.key
            self.instruments[key] = keep.instrument
            trades = self.trades.setdefault(key, {})
            for trade in keep.trades:
                trades.setdefault((trade.id, trade.aggregate), trade)
            for timeframe, bar in keep.bars:
                self.bars.setdefault((key, timeframe), {})[bar.open_ms] = (bar, keep.known_at)
            for timeframe, open_ms in keep.withdrawn:
                self.bars.get((key, timeframe), {}).pop(open_ms, None)

    def rest(self, replay: Replay) -> None:
        """Take the trades of the last second, which no timer has told."""
        for key, market in replay.state.markets.items():
            self.instruments[key] = market.instrument
            trades = self.trades.setdefault(key, {})
            for trade in market.fresh:
                trades.setdefault((trade.id, trade.aggregate), trade)


def _candles(instrument: Instrument, source: str, timeframe: Timeframe, bars: list[tuple[Bar, int]]) -> Candles:
    import msgspec

    whole = OHLCV.of_bars(timeframe, (bar for bar, _ in bars), instrument)
    known = np.array([known_at for _, known_at in bars], np.int64)
    return Candles(instrument=instrument.key, source=source, ohlcv=msgspec.structs.replace(whole, known_at=known))


def _trades(instrument: Instrument, source: str, found: dict[tuple[int, bool], Trade]) -> Trades:
    kept = [found[key] for key in sorted(found)]
    price, size = float(instrument.price_scale), float(instrument.size_scale)
    return Trades(
        instrument=instrument.key,
        source=source,
        aggregate=kept[0].aggregate,
        ids=np.array([trade.id for trade in kept], np.int64),
        ts=np.array([trade.ts_exch for trade in kept], np.int64),
        ts_sent=np.array([trade.ts_sent for trade in kept], np.int64),
        price=np.array([trade.price for trade in kept], np.int64) / price,
        size=np.array([trade.size for trade in kept], np.int64) / size,
        sell=np.array([trade.sell for trade in kept], np.bool_),
        count=np.array([trade.count for trade in kept], np.int64),
    )
