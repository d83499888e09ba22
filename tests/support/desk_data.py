"""A desk over a recording, without an engine process: what a replay would tell on the socket is taken as if heard."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from engine.protocol import Asked, Series, State, Subscribe, raw
from engine.replay import Recording, Replay
from engine.state import MarketState
from engine.topics import Topics
from engine.types import SECOND
from tests.tradetui.fake_engine import health
from themes.palette import load
from tradetui.console.desk import Desk
from tradetui.console.news import News, Phase
from tradetui.console.panes.paint import Paint
from tradetui.console.render.look import Look
from tradetui.console.view import View

SPOT_ETH = "binance:ETH/USDT"
FUTURES_ETH = "binanceusdm:ETH/USDT:USDT"
COIN_BTC = "binancecoinm:BTC/USD:BTC"

FILES = {
    SPOT_ETH: "spot/ethusdt_20240808.gz",
    FUTURES_ETH: "usdm/ethusdt_20240808.gz",
    COIN_BTC: "cm/btcusd_perp_20240808.gz",
}
"""Recordings that begin with a snapshot; their books are partial where it did not reach."""


@dataclass
class Playback:
    """A replay, and the news of it. `clock` is the console's own, seconds; it goes with the recording."""

    instrument: str
    replay: Replay
    clock: float = 1000.0
    news: News = field(init=False)
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        self.news = News(lambda: self.clock, lambda: self.replay.recording.start)
        self.news.phase = Phase.ATTACHED
        self._cursors: dict[str, str] = {}
        engine: Any = SimpleNamespace(state=self.replay.state, now=lambda: self._now)
        self._topics = Topics(engine, None, None, "test")  # type: ignore[arg-type]
        self._now = self.replay.recording.start
        self.desk = Desk(self.news, View(symbol=self.instrument), Look(), self.paint(Look()))  # type: ignore[arg-type]

    @staticmethod
    def paint(look: Look) -> Paint:
        return Paint(load("colour-safe"), look)

    @property
    def market(self) -> MarketState:
        return self.replay.state.markets[self.instrument]

    def look(self, look: Look) -> None:
        self.desk.look, self.desk.paint = look, self.paint(look)

    def to(self, seconds: float, *, tell: bool = True) -> None:
        """Go to a time after the start of the recording, and tell what is known there."""
        stamp = self.replay.recording.start + int(seconds * SECOND)
        self.clock += (stamp - self._now) / SECOND
        self._now = stamp
        self.replay.run(until=stamp)
        if tell:
            self.tell()

    def tell(self) -> None:
        state, now = self.replay.state, self._now
        given = {"seq": state.seq, "ts": now, "id": 1}
        for topic, instrument in (("markets", ""), ("cob", self.instrument)):
            asked = Asked(id=1, topic=topic, instrument=instrument)
            data = raw(self._topics.state(asked))
            self.news.take(State(topic=topic, instrument=instrument, data=data, **given))
        self.news.take(State(topic="health", instrument="", data=raw(health(connections=())), **given))
        for topic in ("heat", "trades"):
            found = self._topics.series(Subscribe(id=1, topic=topic, instrument=self.instrument))
            rows, cursor, reset = found.newer(self._cursors.get(topic, ""), 2000)
            self._cursors[topic] = cursor
            if rows or reset:
                self.news.take(
                    Series(
                        topic=topic, instrument=self.instrument, timeframe="", cursor=cursor, reset=reset, rows=rows,
                        **given,
                    )
                )  # fmt: skip


def playback(root: Path, instrument: str = SPOT_ETH, seconds: float = 0.0) -> Playback:
    """Return a replay of one instrument's recording, at a time after its start."""
    play = Playback(instrument, Replay(Recording([root / "hftbacktest-binance-ws" / FILES[instrument]])))
    if seconds:
        play.to(seconds)
    return play
