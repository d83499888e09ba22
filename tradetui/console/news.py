"""What the engine has told this console: its health, the markets, candles, order books, alerts, events. Draws nothing.

`still` keeps it as it is at a moment; the screen is frozen by reading that instead.
"""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

import msgspec

from engine.alerts import Alert
from engine.ports import Entry
from engine.protocol import Series, State
from engine.text import inert
from engine.types import SECOND, TIMEFRAME_SECONDS, Timeframe
from engine.views import (
    BarRow,
    GapsView,
    HeatRow,
    MarketRow,
    PivotsView,
    ProfileView,
    QualityView,
    ReplayView,
    TradeRow,
)
from tradetui.console import account
from tradetui.console.account import Account
from tradetui.console.past import Past
from tradetui.console.series import Candles, Heat, Trades

if TYPE_CHECKING:
    from engine.health import HealthView
    from engine.snapshot import BookView, CobView

SILENT_S = 3.0
"""Without news for this long a topic is stale, and an engine without news of its health is stalled."""

EVENTS = 200
"""Events kept."""

FOLLOWED = 64
"""Series of other instruments and timeframes that are kept; the one not looked at for longest is forgotten."""


Told: TypeAlias = PivotsView | ProfileView | QualityView | GapsView
"""Answers to questions that are kept."""


class Phase(StrEnum):
    """How the link stands."""

    LOOKING = "looking for the engine"
    STARTING = "starting engine"
    ATTACHED = "attached"
    GONE = "gone"


class Note(msgspec.Struct, frozen=True):
    """A word of the console itself among the events, UTC ns; `after` is the cursor of the last event before it."""

    ts: int
    text: str
    after: int = 0


class Want(NamedTuple):
    """A topic that is followed while somebody looks at it."""

    topic: str
    instrument: str = ""
    timeframe: str = ""


class News:
    """The engine as this console knows it."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], int] = time.time_ns) -> None:
        self.phase = Phase.LOOKING
        self.pid = 0
        self.started = 0
        self.since = wall()
        """When the present phase of being attached or not began, UTC ns."""
        self.why = ""
        """Why there is no engine, if there is none."""
        self.refusal = ""
        """What an engine that is there and does not let us in said, or that it said nothing."""
        self.again_at: float | None = None
        self.health: HealthView | None = None
        self.replay: ReplayView | None = None
        self.alerts: list[Alert] = []
        self.markets: list[MarketRow] = []
        self.events: deque[Entry] = deque(maxlen=EVENTS)
        self.notes: deque[Note] = deque(maxlen=EVENTS)
        self.cobs: dict[str, CobView] = {}
        self.books: dict[str, BookView] = {}
        self.pivots: dict[tuple[str, str], PivotsView] = {}
        self.profiles: dict[str, ProfileView] = {}
        self.qualities: dict[str, QualityView] = {}
        self.gaps: dict[tuple[str, str], GapsView] = {}
        self.account = Account()
        """What is told of trading."""
        self.rings = 0
        """How often something happened that is worth a bell."""
        self.version = 0
        """Goes up with everything that is heard."""
        self.monotonic = monotonic
        self.wall = wall
        self._candles: dict[tuple[str, str], Candles] = {}
        self._pasts: dict[tuple[str, str], Past] = {}
        self._heats: dict[str, Heat] = {}
        self._trades: dict[str, Trades] = {}
        self._heard: dict[Want, float] = {}
        self._attached_at = 0.0
        self._engine_ts = 0
        self._engine_at = 0.0

    # How it stands. -------------------------------------------------------------------------------------------------

    @property
    def attached(self) -> bool:
        """Whether the engine answers."""
        return self.phase is Phase.ATTACHED

    def age(self, topic: str, instrument: str = "", timeframe: str = "") -> float | None:
        """Return the seconds since the last news of a topic from the engine of now, None without any."""
        heard = self._heard.get(Want(topic, instrument, timeframe))
        return None if heard is None else self.monotonic() - heard

    def ticks(self, topic: str) -> int:
        """Return the quarters of a second since the last news of a topic: what is as old as that is drawn anew."""
        return int((self.age(topic) or 0.0) * 4)

    def fresh(self, topic: str, instrument: str = "") -> bool:
        """Tell whether a topic can be believed: the engine is attached and spoke of it a moment ago.

        Alerts, trading, markets without a book, and everything of a replay that stands, are told only when they change:
        for them the engine's health speaks.
        """
        age = self.age(topic, instrument)
        if not self.attached or age is None:
            return False
        quiet = (
            topic == "alerts"
            or topic in account.TOPICS
            or (topic != "health" and self.still_standing)
            or (topic == "markets" and self._no_book())
        )
        return age < SILENT_S or (quiet and self.fresh("health"))

    def _no_book(self) -> bool:
        return all(row.age_ms is None for row in self.markets)

    @property
    def still_standing(self) -> bool:
        """Whether the engine replays and its clock stands: then nothing changes, and that is as it should be."""
        return self.replay is not None and (self.replay.paused or self.replay.ended)

    def stalled_s(self) -> float | None:
        """Return how long an attached engine has said nothing of its health, or None while it does."""
        silent = self.monotonic() - max(self._heard.get(Want("health"), 0.0), self._attached_at)
        return silent if self.attached and silent >= SILENT_S else None

    def again_in(self) -> float | None:
        """Return the seconds until the next attempt, None while one is under way."""
        return None if self.again_at is None else max(self.again_at - self.monotonic(), 0.0)

    def engine_now(self) -> int:
        """Return the engine's time, UTC ns: its last stamp, and what has passed since; in a replay the stamp itself."""
        if not self._engine_ts:
            return self.wall()
        if self.replay is not None or (self.health is not None and self.health.data != "live"):
            return self._engine_ts
        return self._engine_ts + int((self.monotonic() - self._engine_at) * SECOND)

    def still(self) -> News:
        """Return the news as they stand at this moment; what is shown of them does not change any more."""
        copied = copy.copy(self)
        copied.events, copied.notes, copied._heard = self.events.copy(), self.notes.copy(), self._heard.copy()
        copied.cobs, copied.books = self.cobs.copy(), self.books.copy()
        copied.pivots, copied.profiles = self.pivots.copy(), self.profiles.copy()
        copied.qualities, copied.gaps = self.qualities.copy(), self.gaps.copy()
        copied.account = copy.copy(self.account)
        copied._candles = {key: candles.still() for key, candles in self._candles.items()}
        copied._heats = {key: heat.still() for key, heat in self._heats.items()}
        copied._trades = {key: trades.still() for key, trades in self._trades.items()}
        now, wall, engine = self.monotonic(), self.wall(), self.engine_now()
        copied.monotonic, copied.wall = lambda: now, lambda: wall
        copied._engine_ts, copied._engine_at = engine, now
        return copied

    # The markets. ---------------------------------------------------------------------------------------------------

    def candles(self, instrument: str, timeframe: str) -> Candles:
        """Return the candles of a timeframe; there may be none yet."""
        return _kept(self._candles, (instrument, timeframe), Candles)

    def past(self, instrument: str, timeframe: str) -> Past:
        """Return what is loaded of the time before the candles; a frozen screen can be scrolled, too."""
        length_ms = TIMEFRAME_SECONDS[Timeframe(timeframe)] * 1000
        return _kept(self._pasts, (instrument, timeframe), lambda: Past(length_ms))

    def heat(self, instrument: str) -> Heat:
        """Return the heat map of an instrument; it may be empty yet."""
        return _kept(self._heats, instrument, Heat)

    def trades(self, instrument: str) -> Trades:
        """Return the last trades of an instrument; there may be none yet."""
        return _kept(self._trades, instrument, Trades)

    def has(self, want: Want) -> bool:
        """Tell whether something of a series is kept."""
        match want.topic:
            case "bars":
                return bool(len(self.candles(want.instrument, want.timeframe)))
            case "heat":
                return bool(self.heat(want.instrument).rows)
            case "trades":
                return bool(self.trades(want.instrument).rows)
            case _:
                return False

    # What is heard. -------------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Put a word of the console among the events."""
        self.notes.append(Note(self.wall(), inert(text), self.events[-1].cursor if self.events else 0))
        self.version += 1

    def take(self, news: State | Series) -> None:
        """Keep what the engine says.

        Raises:
            msgspec.MsgspecError: It cannot be read.
        """
        if isinstance(news, Series):
            self._series(news)
        else:
            self._state(news)
        now = self.monotonic()
        self._heard[Want(news.topic, news.instrument, getattr(news, "timeframe", ""))] = now
        self._engine_ts, self._engine_at = news.ts, now
        self.version += 1

    def _series(self, news: Series) -> None:
        decode, reset = msgspec.msgpack.decode, news.reset
        match news.topic:
            case "events":
                rows = [decode(row, type=Entry) for row in news.rows]
                if reset or (rows and self.events and rows[0].cursor <= self.events[-1].cursor):
                    self.events.clear()  # another journal than before
                self.events.extend(rows)
            case "bars":
                bars = [decode(row, type=BarRow) for row in news.rows]
                self._bars(news, bars, reset=reset)
            case "heat":
                self.heat(news.instrument).take([decode(row, type=HeatRow) for row in news.rows], reset=reset)
            case "trades":
                self.trades(news.instrument).take([decode(row, type=TradeRow) for row in news.rows], reset=reset)

    def _bars(self, news: Series, bars: list[BarRow], *, reset: bool) -> None:
        candles = self.candles(news.instrument, news.timeframe)
        before = candles.refused
        candles.take(bars, reset=reset)
        if candles.refused > before:
            which = f"{news.instrument} {news.timeframe}"
            self.say(f"{candles.refused - before} candles of {which} are not drawn: {candles.refusal}")

    def _state(self, news: State) -> None:
        decode = msgspec.msgpack.decode
        match news.topic:
            case "health":
                from engine.health import HealthView  # loads much: after the first words are on the screen

                self.health = decode(news.data, type=HealthView)
            case "alerts":
                told = decode(news.data, type=list[Alert])
                known = {(alert.id, alert.since) for alert in self.alerts if alert.active}
                new = any(a.active and a.severity != "info" and (a.id, a.since) not in known for a in told)
                self.rings += new and self._heard.get(Want("alerts")) is not None
                self.alerts = told
            case "markets":
                self.markets = decode(news.data, type=list[MarketRow])
            case "cob":
                from engine.snapshot import CobView

                self.cobs[news.instrument] = decode(news.data, type=CobView)
            case "book":
                from engine.snapshot import BookView

                self.books[news.instrument] = decode(news.data, type=BookView)
            case "replay":
                self.replay = decode(news.data, type=ReplayView)
            case topic if topic in account.TOPICS:
                for notice in self.account.take(topic, news.data):
                    self.say(notice.text)
                    self.rings += notice.rings

    def told(self, want: Want, view: Told) -> None:
        """Keep the answer to a question."""
        match view:
            case PivotsView():
                self.pivots[want.instrument, want.timeframe] = view
            case ProfileView():
                self.profiles[want.instrument] = view
            case QualityView():
                self.qualities[want.instrument] = view
            case GapsView():
                self.gaps[want.instrument, want.timeframe] = view


K = TypeVar("K")
V = TypeVar("V")


def _kept(kept: dict[K, V], key: K, make: Callable[[], V]) -> V:
    """Return a series, made if it is not there; it is the last that will be forgotten."""
    found = kept.pop(key, None)
    if found is None:
        found = make()
        while len(kept) >= FOLLOWED:
            del kept[next(iter(kept))]
    kept[key] = found
    return found
