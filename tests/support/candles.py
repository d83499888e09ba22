"""An engine's socket that tells of recorded candles, one more at a time: a day of the market to look at.

    python -m tests.support.candles --recordings ../shared/data --until 2024-08-05T13:00 --speed 60 --years

(or `--until 2021-04-25T12:00`, with the venue's outage of that day in sight) serves the profile `default` of this
HOME; `tradetui` beside it attaches. The candles are the recording's own; no book, no trades. With `--years` it answers
for the past, too: history, pivots, volume by price. Stop it with ctrl+c.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from engine.protocol import Asked
from engine.types import TIMEFRAME_SECONDS, Timeframe
from engine.views import BarRow, ReplayView
from tests.support.recorded_past import RecordedPast
from tests.support.series import HOURS, MINUTES, read
from tests.support.series import minutes as every_minute
from tests.tradetui.fake_engine import FakeEngine, health, market
from tradetui.places import Places, places

FILES = {"binance:ETH/USDT": "ETH_USDT-1m.feather", "binance:BTC/USDT": "BTC_USDT-1m.feather"}
FOLDER = f"{MINUTES}/2024-07_08"
MONTHS = {datetime(2021, 4, 20, tzinfo=UTC): "2021-04_05", datetime(2024, 7, 26, tzinfo=UTC): "2024-07_08"}
"""Minutes that can be gone through, and since when."""

SERVED = (Timeframe.M1, Timeframe.M5, Timeframe.M15, Timeframe.H1, Timeframe.H4, Timeframe.D1)
MEMORY = 1500
"""Bars of each timeframe that an engine holds."""


def minutes(recordings: Path, instrument: str) -> pl.DataFrame:
    """Return the recorded candles of one minute, oldest first, with `open_ms`."""
    return read(recordings / FOLDER / FILES[instrument])


def bars(table: pl.DataFrame, timeframe: Timeframe, until_ms: int) -> list[BarRow]:
    """Return the newest bars of a timeframe, made of the minutes that began before `until_ms`."""
    length = TIMEFRAME_SECONDS[timeframe] * 1000
    known = table.filter(pl.col("open_ms") < until_ms).tail(MEMORY * length // 60_000)
    made = known.group_by((pl.col("open_ms") // length * length).alias("at"), maintain_order=True).agg(
        pl.col("open").first(), pl.col("high").max(), pl.col("low").min(), pl.col("close").last(),
        pl.col("volume").sum(), pl.len().alias("count"),
    )  # fmt: skip
    per_bar = length // 60_000
    return [
        BarRow(
            row["at"], row["open"], row["high"], row["low"], row["close"], row["volume"], 0, 0.0,
            row["at"] + length <= until_ms, row["count"] == per_bar or row["at"] + length > until_ms, "recording",
        )
        for row in made.tail(MEMORY).iter_rows(named=True)
    ]  # fmt: skip


class CandleEngine(FakeEngine):
    """Tells of recorded candles up to a minute, and of one more with each `on`."""

    def __init__(
        self, at: Places, recordings: Path, until_ms: int, speed: float = 60.0, *, years: bool = False
    ) -> None:
        super().__init__(at)
        self.from_ms = self.until_ms = until_ms
        self.speed = speed
        self.clock = lambda: self.until_ms * 1_000_000
        self.started = time.time_ns()
        began = datetime.fromtimestamp(until_ms / 1000, UTC)
        months = max((since, name) for since, name in MONTHS.items() if since <= began)[1]
        coins = {instrument: instrument.partition(":")[2].partition("/")[0] for instrument in FILES}
        self._tables = {instrument: every_minute(recordings, coin, (months,)) for instrument, coin in coins.items()}
        self._pasts: dict[str, RecordedPast] = {}
        for instrument, coin in coins.items() if years else ():
            hours = recordings / HOURS / f"{coin}_USDT-1h.feather"
            self._pasts[instrument] = RecordedPast(instrument, every_minute(recordings, coin), read(hours))
        if years:
            for topic in ("history", "pivots", "profile", "quality", "gaps"):
                self.answers[topic] = partial(self._answer, topic)
        self._take()

    def _answer(self, topic: str, asked: Asked) -> Any:
        past = self._pasts[asked.instrument]
        past.until_ms = self.until_ms
        return getattr(past, topic)(asked)

    def _take(self) -> None:
        rows = []
        for instrument, table in self._tables.items():
            for timeframe in SERVED:
                self.series["bars", instrument, str(timeframe)] = bars(table, timeframe, self.until_ms)
            last = self.series["bars", instrument, "1m"][-1]
            day = bars(table.filter(pl.col("open_ms") >= self.until_ms - 86_400_000), Timeframe.M1, self.until_ms)
            rows.append(
                market(
                    instrument, best_bid=None, best_ask=None, last=last.close, last_sell=last.close < last.open,
                    change_24h_pct=(last.close / day[0].open - 1) * 100, high_24h=max(bar.high for bar in day),
                    low_24h=min(bar.low for bar in day), volume_24h=sum(bar.volume for bar in day),
                )
            )  # fmt: skip
        self.states["markets"] = rows
        now = self.clock()
        self.states["health"] = health(
            data="replay", version="recorded candles", connections=(), ts=now, started=time.time_ns()
        )
        self.states["replay"] = ReplayView(
            position=now, start=self.from_ms * 1_000_000, end=None, speed=self.speed, paused=False, ended=False,
            seeking=None, progress=None, messages=0, refused=0, files=tuple(FILES.values()), notes=(),
        )  # fmt: skip

    def on(self) -> None:
        """Go one minute on, and tell."""
        self.until_ms += 60_000
        self._take()
        self.say("replay")
        for topic, instrument, timeframe in self.series:
            self.say(topic, instrument, timeframe)


async def serve(recordings: Path, until: datetime, speed: float, *, years: bool) -> None:
    """Serve until cancelled, a minute every 60 / `speed` seconds."""
    async with CandleEngine(places("default"), recordings, int(until.timestamp() * 1000), speed, years=years) as engine:
        while True:
            await asyncio.sleep(60 / speed)
            engine.on()


def main() -> None:
    """Serve until ctrl+c."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--recordings", type=Path, required=True)
    asked.add_argument("--until", type=datetime.fromisoformat, default="2024-08-05T13:00")
    asked.add_argument("--speed", type=float, default=60.0)
    asked.add_argument("--years", action="store_true")
    given = asked.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(given.recordings, given.until.replace(tzinfo=UTC), given.speed, years=given.years))


if __name__ == "__main__":
    main()
