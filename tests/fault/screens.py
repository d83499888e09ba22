"""Random lives of a console on an emulated terminal: what the terminal shows equals a full render, always.

    python -m tests.fault.screens --seed 0 --count 3000

runs so many steps in lives of `LIFE` steps each: news of a recording (whole, reset, lost, with odd prices, empty books
and hostile texts), silence, keys of the whole map, commands, the mouse, resizes from 1x1 to 250x70, themes, dialogs,
freezes. After each step the screen is compared with a full render of it, and each pane with itself drawn anew; nothing
but known sequences may be written. It prints a JSON of figures; differences come with seed, step and place, and a step
is repeated by `--from STEP` (the first step of its life), which also resumes a run. Ends with 1 if something differs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pyte
from rich.style import Style
from textual import events
from textual.app import App
from textual.geometry import Size
from textual.keys import key_to_character
from textual.pilot import Pilot

from engine.alerts import Alert
from engine.errors import EngineUnreachable, RequestDenied
from engine.ports import Entry
from engine.protocol import Asked, Series, State, Subscribe, raw
from engine.replay import Recording, Replay
from engine.topics import Topics
from engine.types import SECOND
from engine.views import BarRow, MarketRow, PivotRow, ReplayView, TrendView
from tests.support import candles
from tests.support.emulator import EmulatedDriver, cells, differing, rendered, shown
from tests.support.exchange import recordings_root
from tests.support.recorded_past import RecordedPast
from tests.tradetui.console.told import fit
from tests.tradetui.fake_engine import alert, health, market
from themes.palette import load
from tradetui.console.app import ConsoleApp
from tradetui.console.desk import Desk
from tradetui.console.keyboard import harmless
from tradetui.console.keymap import KEYS
from tradetui.console.link import Link
from tradetui.console.news import Phase
from tradetui.console.panes.paint import SYSTEMS, Paint
from tradetui.console.panes.pane import Pane
from tradetui.console.past import Page
from tradetui.console.prompt import COMMANDS
from tradetui.console.render.look import COLOURS, Look
from tradetui.console.view import View
from tradetui.places import places

LIFE = 50
"""Steps of one console."""

ETH, BTC = "binance:ETH/USDT", "binance:BTC/USDT"
RECORDED = ("spot/ethusdt_20240808.gz", "spot/btcusdt_20240808.gz")

HOSTILE = (
    "[bold red]x[/] [@click=app.exit]y[/]", "\x1b[31mred\x07", "\x1b]52;c;aGFjaw==\x07", "\x9b2J\x85", "a\r\nb\tc\x00",
    "\u202eabc\u2066", "\u65e5\u672c\u8a9e\U0001f468\u200d\U0001f469", "e\u0301\u0301", "x" * 5000, "\\", "{{", "",
    "\ud7ff\ue000\ufeff\ufffe", "$x %s {0} &amp;", "\x1bP1$r\x1b\\", "\u2588\u258c\u28ff",
)  # fmt: skip

ALLOWED = re.compile(r"\x1b\[(?:[0-9;:]*[mH]|\?[0-9;]+[hl]|[0-9]*[ABCDJK])|\x1b\]22;[a-z-]*\x07")
FORBIDDEN = re.compile(
    r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffe]"
)

THEMES = ("colour-safe", "classic", "red-up", "light", "high-contrast", "seed")


@dataclass
class Figures:
    """What a run showed."""

    seed: int
    steps: int = 0
    lives: int = 0
    compared: int = 0
    panes: int = 0
    cells: int = 0
    written: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)


class Offline(Link):
    """A link without an engine: news are what the life says, and time passes when it says so."""

    def __init__(self, dice: random.Random, start: int) -> None:
        self.seconds = 1000.0
        self.dice = dice
        self.start = start
        self.pending: list[tuple[str, str, Page]] = []
        super().__init__(
            places("default", {"HOME": "/nowhere"}), [], monotonic=lambda: self.seconds,
            wall=lambda: start + int((self.seconds - 1000.0) * SECOND),
        )  # fmt: skip

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def command(self, name: str, **arguments: str | int | float | bool) -> str:
        match self.dice.randrange(3):
            case 0:
                return f"{name} done {self.dice.choice(HOSTILE)}"
            case 1:
                raise RequestDenied("denied", self.dice.choice(HOSTILE))
            case _:
                raise EngineUnreachable(self.dice.choice(HOSTILE))

    def load(self, instrument: str, timeframe: str, begin: int, end: int) -> None:
        past = self.past(instrument, timeframe)
        page = past.lacks(begin, end, self.seconds) if self.attached else None
        if page is not None:
            past.ask(page)
            self.pending.append((instrument, timeframe, page))

    def bounds(self, instrument: str, timeframe: str) -> None:
        past = self.past(instrument, timeframe)
        if past.stored is None and not past.looking and self.attached:
            past.bounded(None, self.dice.choice(HOSTILE))

    async def acknowledge(self, alert: int) -> str:
        return await self.command("acknowledge", alert=alert)

    async def stop_engine(self, pid: int) -> None:
        self._lost("stopped from this console")


class Restless(ConsoleApp):
    """A console that never leaves, and whose clock is the life's."""

    left = 0

    def _pace(self) -> None:
        if self._timer is not None:
            self._timer.stop()

    def exit(self, *_: Any, **__: Any) -> None:
        self.left += 1


class Terminal(EmulatedDriver):
    """The emulated terminal; what is written is looked at as well. A resize leaves rubbish on it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.strange: list[str] = []

    def write(self, data: str) -> None:
        if found := FORBIDDEN.search(ALLOWED.sub("", data)):
            at = max(found.start() - 20, 0)
            self.strange.append(repr(ALLOWED.sub("", data)[at : at + 60]))
        super().write(data)

    def resized(self, width: int, height: int) -> None:
        super().resized(width, height)
        rubbish = self.screen.cursor.attrs._replace(data="#", fg="red")
        for y in range(height):
            for x in range(width):
                self.screen.buffer[y][x] = rubbish


class Market:
    """The news that an engine on the recording would tell, at any time of it."""

    def __init__(self, root: Path) -> None:
        self.replay = Replay(Recording([root / "hftbacktest-binance-ws" / name for name in RECORDED]))
        self.start = self.replay.recording.start
        self.now = self.start
        self._cursors: dict[tuple[str, str], str] = {}
        engine: Any = SimpleNamespace(state=self.replay.state, now=lambda: self.now)
        self._topics = Topics(engine, None, None, "test")  # type: ignore[arg-type]
        until = 1_722_859_200_000  # the crash of 2024-08-05
        self.pasts = {name: RecordedPast(name, _minutes(root, name)) for name in candles.FILES}
        for past in self.pasts.values():
            past.until_ms = until
        self.bars = {
            (name, str(timeframe)): candles.bars(table.tail(20_000), timeframe, until)[-400:]
            for name, table in ((name, _minutes(root, name)) for name in candles.FILES)
            for timeframe in candles.SERVED
        }

    def on(self, seconds: float) -> None:
        """Let time pass."""
        self.now += int(seconds * SECOND)
        self.replay.run(until=self.now)

    def state(self, topic: str, instrument: str = "") -> Any:
        return self._topics.state(Asked(id=1, topic=topic, instrument=instrument))

    def rows(self, topic: str, instrument: str) -> tuple[list[Any], bool]:
        since = self._cursors.get((topic, instrument), "")
        timeframe = "1s" if topic == "bars" else ""
        found = self._topics.series(Subscribe(id=1, topic=topic, instrument=instrument, timeframe=timeframe))
        rows, self._cursors[topic, instrument], reset = found.newer(since, 2000)
        return rows, reset


def _scaled(bar: BarRow, scale: float) -> BarRow:
    prices = {name: getattr(bar, name) * scale for name in ("open", "high", "low", "close")}
    return msgspec.structs.replace(bar, volume=bar.volume / scale, **prices)


def _minutes(root: Path, name: str, kept: dict[str, Any] = {}) -> Any:  # noqa: B006
    if name not in kept:
        kept[name] = candles.minutes(root, name)
    return kept[name]


class Life:
    """One console, from its start; `step` does one random thing to it."""

    def __init__(self, seed: int, number: int, root: Path) -> None:
        self.dice = dice = random.Random(f"{seed}/{number}")
        self.market = Market(root)
        self.market.on(dice.uniform(0, 90))
        self.link = Offline(dice, self.market.now)
        look = Look(dice.choice(COLOURS), dice.random() < 0.2)
        theme = dice.choice(THEMES)
        if look.colours == "none":
            os.environ["NO_COLOR"] = "1"  # Textual takes it away when it has read it
        self.app = Restless(Desk(self.link, View(theme=theme), look, Paint(load(theme), look)))
        self.app.console._color_system = SYSTEMS[look.colours]  # what `capabilities.prepare` says once a process
        self.app.low = dice.random() < 0.1
        self.app.driver_class = Terminal
        self.size = self._size()
        self.first = dice.choice([ETH, BTC])
        self.doing = ""
        self._cache: dict[Style, tuple[Any, ...]] = {}

    # What can happen. -----------------------------------------------------------------------------------------------

    def _size(self) -> tuple[int, int]:
        dice = self.dice
        match dice.choices(range(5), (50, 25, 8, 4, 13))[0]:
            case 0:
                return dice.randint(80, 100), dice.randint(24, 30)
            case 1:
                return dice.randint(110, 130), dice.randint(34, 40)
            case 2:
                return dice.randint(160, 190), dice.randint(48, 55)
            case 3:
                return dice.randint(80, 250), dice.randint(24, 70)
            case _:
                return dice.choice((1, 2, dice.randint(1, 250))), dice.choice((1, 2, dice.randint(1, 70)))

    async def step(self) -> str:
        """Do something; return what kind of thing it was."""
        kinds = {
            self.news: 34, self.odd_news: 14, self.silence: 4, self.key: 22, self.command: 7, self.typing: 4,
            self.mouse: 7, self.resize: 5, self.theme: 3, self.engine: 4,
        }  # fmt: skip
        act = self.dice.choices(list(kinds), list(kinds.values()))[0]
        self.doing = act.__name__
        found = act()
        if asyncio.iscoroutine(found):
            await found
        return act.__name__

    def tell(self, topic: str, value: Any, instrument: str = "") -> None:
        self._take(State(
            id=1, topic=topic, instrument=instrument, seq=1, ts=self.market.now, data=msgspec.Raw(raw(value))
        ))  # fmt: skip

    def rows(
        self, topic: str, rows: list[Any], *, instrument: str = "", timeframe: str = "", reset: bool = False
    ) -> None:
        packed = [row if isinstance(row, msgspec.Raw) else msgspec.Raw(raw(row)) for row in rows]
        self._take(Series(
            id=1, topic=topic, instrument=instrument, timeframe=timeframe, seq=1, ts=self.market.now, cursor="1",
            reset=reset, rows=packed,
        ))  # fmt: skip

    def _take(self, news: State | Series) -> None:
        if self.link.attached:
            self.link._news(news)

    def attach(self) -> None:
        """Attach, as to another engine, and be told everything once."""
        link = self.link
        link.pid = self.dice.randint(2, 99_999)
        link._heard.clear()
        link.replay = None
        link._attached_at = link.seconds
        link.phase, link.since, link.why, link.refusal = Phase.ATTACHED, link.wall(), "", ""
        self.tell("health", fit(ts=self.market.now))
        self.tell("alerts", [])
        self.rows("events", [], reset=True)
        self.news()
        for (name, timeframe), bars in self.market.bars.items():
            if self.dice.random() < 0.8:
                self.rows("bars", bars, instrument=name, timeframe=timeframe, reset=True)

    def news(self) -> None:
        """Tell what the recording holds, a little later."""
        dice = self.dice
        seconds = dice.choice((0.1, 0.25, 0.25, 1.0, 3.0, 20.0))
        self.market.on(seconds)
        self.link.seconds += seconds
        self.tell("markets", msgspec.msgpack.decode(raw(self.market.state("markets")), type=list[MarketRow]))
        self.tell("health", health(ts=self.market.now))
        for name in (ETH, BTC):
            if dice.random() < 0.8:
                self.tell("cob", self.market.state("cob", name), name)
            for topic in ("heat", "trades", "bars"):
                if dice.random() < 0.8:
                    rows, reset = self.market.rows(topic, name)
                    self.rows(topic, rows, instrument=name, timeframe="1s" if topic == "bars" else "", reset=reset)

    def silence(self) -> None:
        """Let time pass without a word."""
        self.link.seconds += self.dice.choice((0.5, 2.9, 3.1, 10.0, 4000.0, 1e6))

    def odd_news(self) -> None:
        """Tell something odd that is possible."""
        dice = self.dice
        name = dice.choice((ETH, BTC, "binance:NEW/USDT"))
        scale = dice.choice((1e-8, 1e-6, 1.0, 1e3, 1e9, 1e12))
        match dice.randrange(15):
            case 12:
                self.past(scale)
            case 13:
                self.layers(scale)
            case 14:
                self.quality(scale)
            case 0:
                cob = self.market.state("cob", dice.choice((ETH, BTC)))
                self.tell("cob", msgspec.structs.replace(cob, live=False, buckets=(), bucket_size=None, mid=None), name)
            case 1:
                self.tell("cob", self._scaled_cob(scale), name)
            case 2:
                self.rows("heat", [], instrument=name, reset=True)
                self.rows("trades", [], instrument=name, reset=dice.random() < 0.5)
            case 3:
                frame = dice.choice(("1s", "1m", "1h", "1d"))
                bars = self.market.bars[ETH, "1m"][:: dice.choice((1, 3, 50))][-dice.choice((1, 2, 40, 400)) :]
                self.rows("bars", [_scaled(bar, scale) for bar in bars], instrument=name, timeframe=frame, reset=True)
            case 4:
                wrong = [BarRow(1, 1.0, 0.5, 2.0, 1.0, -1.0, 0, 0.0, True, True, "x")] * 2
                self.rows("bars", wrong, instrument=name, timeframe="1m")
            case 5:
                flat = [BarRow(60_000 * n, *[scale] * 4, 0.0, 0, 0.0, True, n % 2 > 0, "x") for n in range(9)]
                self.rows("bars", flat, instrument=name, timeframe=dice.choice(("1m", "1h")), reset=True)
            case 6:
                count = dice.choice((0, 1, 1, 5, 60))
                odd = [self._market(f"binance:{chr(65 + n % 26)}{n}/USDT", scale) for n in range(count)]
                self.tell("markets", [*odd, *([market()] if dice.random() < 0.8 else [])])
            case 7:
                self.tell("alerts", [self._alert(n) for n in range(dice.choice((0, 1, 3, 300)))])
            case 8:
                first = self.link.events[-1].cursor + 1 if self.link.events and dice.random() < 0.7 else 1
                entries = [
                    Entry(cursor=first + n, ts=self.market.now, seq=n, kind=dice.choice(("start", "alert", "x\x1b")),
                          text=dice.choice(HOSTILE))
                    for n in range(dice.choice((1, 3, 250)))
                ]  # fmt: skip
                self.rows("events", entries, reset=dice.random() < 0.2)
            case 9:
                self.tell("health", self._health())
            case 10:
                self.tell("replay", self._replay())
                self.tell("health", health(ts=self.market.now, data="replay"))
            case _:
                self.link.say(dice.choice(HOSTILE))

    def past(self, scale: float) -> None:
        """Answer what was asked of the past: as it is recorded, scaled, with a hole, with nothing, or not at all."""
        dice, link = self.dice, self.link
        pending, link.pending = link.pending, []
        for name, timeframe, page in pending:
            past, archive = link.past(name, timeframe), self.market.pasts.get(name)
            asked = Asked(
                id=1, topic="history", instrument=name, timeframe=timeframe, start_ms=page.start_ms,
                end_ms=page.end_ms, limit=800,
            )  # fmt: skip
            if archive is None or timeframe == "1s" or dice.random() < 0.2:
                past.failed(page, dice.choice(HOSTILE), link.seconds)
                continue
            told = archive.history(asked)
            match dice.randrange(5):
                case 0:
                    told = msgspec.structs.replace(told, rows=(), reason=dice.choice(HOSTILE))
                case 1:
                    odd = tuple(_scaled(each, scale) for each in told.rows[:: dice.choice((1, 2, 100))])
                    told = msgspec.structs.replace(told, rows=odd, reached_start=dice.random() < 0.5)
                case 2:
                    told = msgspec.structs.replace(told, rows=told.rows[::-1][:3], first_ms=None)
            past.take(page, told, link.seconds)
        link.version += 1

    def layers(self, scale: float) -> None:
        """Tell pivots and volume by price, as recorded, scaled, or with a reason."""
        dice = self.dice
        name, timeframe = dice.choice((ETH, BTC)), dice.choice(("1m", "1h", "1d", "5m"))
        asked = Asked(id=1, topic="pivots", instrument=name, timeframe=timeframe)
        pivots = self.market.pasts[name].pivots(asked)
        if dice.random() < 0.3:
            pivots = msgspec.structs.replace(pivots, points=(), trends=(), floor=None, reason=dice.choice(HOSTILE))
        elif dice.random() < 0.5:
            points = tuple(PivotRow(each.ts_ms, 0, each.level, each.high, each.price * scale) for each in pivots.points)
            trends = tuple(
                TrendView(level=n, trend=dice.choice(HOSTILE), support=scale, resistance=None) for n in (1, 9)
            )
            pivots = msgspec.structs.replace(pivots, points=points, trends=trends)
        self.tell("pivots", pivots, name)
        profile = self.market.pasts[name].profile(asked)
        if dice.random() < 0.4:
            size = max(profile.size * scale, 1e-9)
            profile = msgspec.structs.replace(profile, size=size, control=scale, reason=dice.choice(HOSTILE),
                                              volumes=profile.volumes[: dice.choice((0, 1, 5))])  # fmt: skip
        self.tell("profile", profile, name)

    def quality(self, scale: float) -> None:
        """Tell how good the data are, and what is missing."""
        dice = self.dice
        name = dice.choice((ETH, BTC))
        for timeframe in ("1s", "1m", "1h"):
            asked = Asked(id=1, topic="gaps", instrument=name, timeframe=timeframe)
            self.tell("gaps", self.market.pasts[name].gaps(asked), name)
        quality = self.market.pasts[name].quality(asked)
        if dice.random() < 0.5:
            quality = msgspec.structs.replace(
                quality, score=scale, reason=dice.choice(HOSTILE), missing=tuple(dice.choices(HOSTILE, k=3)),
                storage=None if dice.random() < 0.5 or quality.storage is None else msgspec.structs.replace(
                    quality.storage, error=dice.choice(HOSTILE), path=dice.choice(HOSTILE), bytes=10**15,
                    waiting=10**9, lag_ms=1e9, backup_ms=0,
                ),
            )  # fmt: skip
        self.tell("quality", quality, name)

    def _scaled_cob(self, scale: float) -> Any:
        cob = self.market.state("cob", ETH)
        if not cob.buckets:
            return cob
        times = {name: getattr(cob, name) * scale for name in ("bucket_size", "best_bid", "best_ask", "mid")}
        buckets = tuple(
            msgspec.structs.replace(
                each, price=each.price * scale, bid=each.bid / scale, partial=self.dice.random() < 0.2
            )
            for each in cob.buckets
        )  # fmt: skip
        return msgspec.structs.replace(cob, buckets=buckets, **times)

    def _market(self, name: str, scale: float) -> MarketRow:
        dice = self.dice
        price = dice.choice((None, scale, 3 * scale))
        return market(
            name, live=dice.random() < 0.7, age_ms=dice.choice((None, 3.0, 9e9)), tick=scale / 100, best_bid=price,
            best_ask=price, last=price, last_sell=dice.choice((None, True, False)), mark=dice.choice((None, scale)),
            change_24h_pct=dice.choice((None, 0.0, -99.99, 1e6)), volume_24h=dice.choice((None, 0.0, 1e15)),
            funding_rate=dice.choice((None, -0.003, 0.5)),
        )  # fmt: skip

    def _alert(self, number: int) -> Alert:
        dice = self.dice
        return alert(
            number, severity=dice.choice(("info", "warning", "error", "critical")), active=dice.random() < 0.6,
            text=dice.choice(HOSTILE), component=dice.choice(HOSTILE), doing=dice.choice(HOSTILE),
            suggestion=dice.choice(HOSTILE), count=dice.choice((1, 10**9)), acknowledged=dice.random() < 0.3,
            first_seen=self.market.now, since=self.market.now - dice.choice((0, 10**11, 10**16)),
            last_seen=self.market.now, healed=dice.choice((None, self.market.now)),
        )  # fmt: skip

    def _health(self) -> Any:
        dice = self.dice
        full = fit(ts=self.market.now)
        connections = tuple(
            msgspec.structs.replace(
                each, up=dice.random() < 0.6, stale=dice.random() < 0.3, reason=dice.choice(HOSTILE),
                doing=dice.choice(HOSTILE), age_ms=dice.choice((None, 0.0, 1e12)), rate=dice.choice((0.0, 1e9)),
            )
            for each in full.connections
        )  # fmt: skip
        return msgspec.structs.replace(
            full, connections=connections[: dice.randint(0, 2)], state=dice.choice(("healthy", "degraded", "failed")),
            why=tuple(dice.choices(HOSTILE, k=dice.randint(0, 3))), data=dice.choice(("live", "replay", "x\x1b[2J")),
            trading=dice.choice(("not built", "off", "paper", "live", dice.choice(HOSTILE))),
            processes=full.processes * dice.choice((0, 1, 20)), parts={}, profile=dice.choice(HOSTILE),
        )  # fmt: skip

    def _replay(self) -> ReplayView:
        dice, now = self.dice, self.market.now
        return ReplayView(
            position=now, start=now - dice.choice((0, 10**9, 10**14)), end=dice.choice((None, now, now + 10**12)),
            speed=dice.choice((0.0, 0.125, 1.0, 1024.0, 1e9)), paused=dice.random() < 0.3, ended=dice.random() < 0.2,
            seeking=dice.choice((None, now + 10**10)), progress=dice.choice((None, 0.0, 0.5, 1.0)), messages=10**9,
            refused=3, files=tuple(dice.choices(HOSTILE, k=2)), notes=(dice.choice(HOSTILE),),
        )  # fmt: skip

    def press(self, key: str, character: str | None = None) -> None:
        self.app.post_message(events.Key(key, character))

    def key(self) -> None:
        """Press a key, mostly one of the map."""
        dice = self.dice
        if dice.random() < 0.9:
            names = dice.choice(KEYS).names.split(",")
        else:
            names = ["escape", "enter", "backspace", "y", "n", "s", "delete", "ctrl+z", "f3", "ctrl+l", "shift+tab"]
        for _ in range(dice.choice((1, 1, 1, 1, 5))):
            name = dice.choice(names)
            self.doing += f" {name}"
            self.press(name, key_to_character(name))

    def typing(self) -> None:
        """Type or paste into whatever takes it."""
        dice = self.dice
        if dice.random() < 0.5:
            self.press("colon" if dice.random() < 0.6 else "slash", ":")
        text = dice.choice((*HOSTILE, "eth 1m", "theme li", "bin", "a b c", "FEED", "trades >1"))[:30]
        if dice.random() < 0.3:
            self.app.post_message(events.Paste(harmless(text * dice.choice((1, 100)))))
        else:
            for char in text:
                self.press("x" if not char.isalnum() else char, char)
        if dice.random() < 0.5:
            self.press(dice.choice(("enter", "escape", "tab", "up")))

    async def command(self) -> None:
        """Carry out a command of the table, or nonsense."""
        dice, known = self.dice, self.app.known()
        command = dice.choice(COMMANDS)
        choices = [choice for argument in command.takes for choice in argument.choices(known)[:20]]
        line = dice.choice((
            command.example, f"{command.name} {dice.choice(choices or [''])}", command.name,
            f"{command.name} {dice.choice(HOSTILE)}", dice.choice(HOSTILE), f"{command.name} {dice.randint(-5, 10**9)}",
        ))  # fmt: skip
        self.doing += f" {line[:60]!r}"
        self.app.enter(line)

    def mouse(self) -> None:
        """Click, drag, or turn the wheel somewhere."""
        dice = self.dice
        width, height = self.app.size
        x, y = dice.randrange(max(width, 1)), dice.randrange(max(height, 1))

        def post(kind: type[events.MouseEvent], x: int, y: int, button: int = 1) -> None:
            self.app.post_message(kind(None, x, y, 0, 0, button, False, False, False, screen_x=x, screen_y=y))

        match dice.randrange(4):
            case 0:
                post(dice.choice((events.MouseScrollUp, events.MouseScrollDown)), x, y, 0)
            case 1 | 2:
                for _ in range(dice.choice((1, 2))):
                    post(events.MouseDown, x, y)
                    post(events.MouseUp, x, y)
            case _:
                post(events.MouseDown, x, y)
                for _ in range(3):
                    x, y = dice.randrange(max(width, 1)), dice.randrange(max(height, 1))
                    post(events.MouseMove, x, y)
                if dice.random() < 0.8:
                    post(events.MouseUp, x, y)

    def resize(self) -> None:
        """Give the terminal another size, several in a row at times."""
        for _ in range(self.dice.choice((1, 1, 3))):
            self.size = width, height = self._size()
            driver = self.app._driver
            assert isinstance(driver, Terminal)
            driver._size = self.size
            driver.resized(width, height)
            self.app.post_message(events.Resize(Size(width, height), Size(width, height)))
        self.doing += f" {self.size}"

    def theme(self) -> None:
        """Take another theme."""
        self.app.acts.theme(self.dice.choice(THEMES))

    def engine(self) -> None:
        """Lose the engine, find another one, or look for one."""
        link, dice = self.link, self.dice
        match dice.randrange(4):
            case 0:
                link._lost(dice.choice(HOSTILE))
                link.again_at = dice.choice((None, link.seconds + 3))
            case 1:
                link.phase = dice.choice((Phase.LOOKING, Phase.STARTING))
                link.refusal = dice.choice(("", dice.choice(HOSTILE)))
            case _:
                self.attach()

    # What has to hold. ----------------------------------------------------------------------------------------------

    def expected(self) -> list[list[tuple[Any, ...]]]:
        """Return the cells of a full render, read from its strips: as `rendered`, and ten times as fast."""
        app: App[Any] = self.app
        system = app.console._color_system
        found = []
        for strip in app.screen._compositor.render_strips():
            row: list[tuple[Any, ...]] = []
            for text, style, _ in strip:
                look = self._look(style or Style.null(), system)
                row += [(char, *look) for char in text]
            found.append(row)
        return found

    def _look(self, style: Style, system: Any) -> tuple[Any, ...]:
        look = self._cache.get(style)
        if look is None:
            screen = pyte.Screen(2, 1)
            pyte.Stream(screen).feed(style.render("x", color_system=system))
            look = self._cache[style] = cells(screen)[0][0][1:]
        return look

    def difference(self, figures: Figures) -> str:
        """Return what is wrong with the screen, "" if nothing is."""
        app = self.app
        driver = app._driver
        assert isinstance(driver, Terminal)
        if app._exception is not None:
            error = app._exception
            return f"it ended: {type(error).__name__}: {error}"
        if driver.strange:
            return f"written: {driver.strange.pop()}"
        now = shown(app)
        figures.compared += 1
        figures.cells += len(now) * len(now[0])
        if now != self.expected():
            places_ = differing(now, rendered(app))
            if places_:
                x, y = places_[0]
                full = rendered(app)
                there, wanted = ("".join(cell[0] for cell in each[y])[max(x - 10, 0) : x + 30] for each in (now, full))
                pens = f"{now[y][x][1:]} for {full[y][x][1:]}"
                return f"{len(places_)} cells, first ({x}, {y}): {there!r} for {wanted!r}, {pens}"
        return self._stale(figures)

    def _stale(self, figures: Figures) -> str:
        """Return which pane would look otherwise if it were drawn anew."""
        app = self.app
        if app._is_small(app.size):
            return ""
        app.draw()
        for pane in app.screen_stack[0].query(Pane):
            frame = pane._frame
            if not pane.display or frame is None or not pane.size:
                continue
            if pane.fault:
                return f"pane {pane.id} failed: {pane.fault}"
            figures.panes += 1
            fresh = pane.frame(frame.width, frame.height)
            wrong = (fresh.glyphs != frame.glyphs) | (fresh.pens != frame.pens)
            if wrong.any():
                y, x = (int(place) for place in np.argwhere(wrong)[0])
                old, new = frame.lines()[y][max(x - 10, 0) : x + 40], fresh.lines()[y][max(x - 10, 0) : x + 40]
                return f"pane {pane.id} is stale, {int(wrong.sum())} cells, first ({x}, {y}): {old!r} for {new!r}"
        return ""


async def settled(app: Restless) -> None:
    """Let everything that was posted be done and painted."""
    pilot = Pilot(app)
    for _ in range(2):
        await pilot._wait_for_screen()
        for _ in range(4):
            await asyncio.sleep(0)
        app.screen._on_timer_update()


@contextlib.asynccontextmanager
async def living(seed: int, number: int, root: Path) -> AsyncIterator[Life]:
    """Run a life's console."""
    life = Life(seed, number, root)
    async with life.app.run_test(headless=False, size=(120, 40)) as pilot:
        driver = life.app._driver
        assert isinstance(driver, Terminal)
        await pilot.pause()
        life.attach()
        life.app._tick()
        yield life


async def live(seed: int, number: int, root: Path, steps: range, figures: Figures) -> None:
    """Live one life, and note what was wrong in it; the first difference ends it."""
    async with living(seed, number, root) as life:
        for step in steps:
            figures.kinds[await life.step()] += 1
            figures.steps += 1
            await settled(life.app)
            if life.dice.random() < 0.7:
                life.app._tick()
            await settled(life.app)
            wrong = life.difference(figures)
            for _ in range(15):  # Textual may not have come to it yet; by itself the console draws nothing meanwhile
                if not wrong:
                    break
                await asyncio.sleep(0.1)
                await settled(life.app)
                wrong = life.difference(figures)
            if wrong:
                figures.differences.append(f"seed {seed} step {step} {life.doing} {tuple(life.app.size)}: {wrong}")
                break
        driver = life.app._driver
        assert isinstance(driver, Terminal)
        figures.lives += 1
        figures.written += driver.written


def lives(first: int, count: int) -> Iterator[tuple[int, range]]:
    """Yield lives by number, with the steps in them."""
    for number in range(first // LIFE, (first + count + LIFE - 1) // LIFE):
        yield number, range(number * LIFE, min((number + 1) * LIFE, first + count))


def run(seed: int, count: int, first: int = 0, tell: bool = False) -> Figures:
    """Run so many steps; return what they showed."""
    root = recordings_root()
    assert root is not None
    figures = Figures(seed)
    for number, steps in lives(first, count):
        before = len(figures.differences)
        try:
            asyncio.run(live(seed, number, root, steps, figures))
        except Exception as error:  # noqa: BLE001 - what ends a console is what is looked for
            if not figures.differences or "it ended" not in figures.differences[-1]:
                figures.differences.append(f"seed {seed} life of step {steps.start}: {type(error).__name__}: {error}")
        if tell:
            told = figures.differences[before:]
            print(steps.stop, *told, file=sys.stderr, flush=True)
    return figures


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault.screens", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="STEP")
    given = parser.parse_args()
    if recordings_root() is None:
        sys.exit("no recordings: set TRADETUI_RECORDINGS")
    began = time.monotonic()
    figures = run(given.seed, given.count, given.first, tell=True)
    print(json.dumps({**vars(figures), "seconds": round(time.monotonic() - began, 1)}, indent=1))
    return int(bool(figures.differences))


if __name__ == "__main__":
    sys.exit(main())
