"""Whole screens as text, at three sizes, of a recording at one moment: what a person sees, cell by cell."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.health import ProcessView
from engine.protocol import Series, State, Subscribe, raw
from engine.types import SECOND
from engine.views import ReplayView
from tests.support.desk_data import SPOT_ETH, Playback, playback
from tests.tradetui import account_rows
from tests.tradetui.console.consoles import SIZES
from tests.tradetui.fake_engine import alert, health
from themes.palette import load
from tradetui.console.account import Account
from tradetui.console.app import ConsoleApp
from tradetui.console.desk import Desk
from tradetui.console.link import Link
from tradetui.console.meter import Meter
from tradetui.console.news import Phase
from tradetui.console.panes.paint import Paint
from tradetui.console.render.look import Look
from tradetui.console.view import TIMEFRAMES, Cross, View
from tradetui.places import places

GOLDENS = Path(__file__).parent / "goldens"

AT_S = 95.0
"""Seconds after the recording's start."""


class Told(Link):
    """A link that hears nothing but what a test says."""

    async def run(self) -> None:
        await asyncio.Event().wait()


def told_by(root: Path) -> tuple[Told, Playback]:
    """Return a link that was told all about one instrument, at one moment of its recording."""
    play = playback(root, SPOT_ETH)
    start = play.replay.recording.start
    link = Told(
        places("default", {"HOME": "/nowhere"}),
        [],
        monotonic=lambda: play.clock,
        wall=lambda: start + int(AT_S * SECOND),
    )
    link.phase, link.pid, link.started = Phase.ATTACHED, 4711, start
    play.news = link
    play.to(AT_S)
    seq, now = play.replay.state.seq, start + int(AT_S * SECOND)
    for timeframe in TIMEFRAMES:
        asked = Subscribe(id=1, topic="bars", instrument=SPOT_ETH, timeframe=timeframe)
        rows, cursor, reset = play._topics.series(asked).newer("", 1500)
        link.take(
            Series(id=1, topic="bars", instrument=SPOT_ETH, timeframe=timeframe, seq=seq, ts=now, cursor=cursor,
                   reset=reset, rows=rows)
        )  # fmt: skip
    process = ProcessView(
        name="engine", pid=4711, state="running", started=start, heartbeat_age_s=0.1, beat_p50_ms=100.0,
        beat_p95_ms=101.0, beat_p99_ms=104.0, beat_max_ms=106.0, rss_mb=96.0, cpu_percent=4.5,
    )  # fmt: skip
    fared = health(seq=seq, ts=now, started=start, data="replay", connections=(), instruments=(), processes=(process,))
    replay = ReplayView(
        position=now, start=start, end=start + 650 * SECOND, speed=10.0, paused=True, ended=False, seeking=None,
        progress=None, messages=12_345, refused=0, files=("ethusdt_20240808.gz",), notes=(),
    )  # fmt: skip
    warning = alert(1, severity="warning", code="BOOK_OUT_OF_STEP", first_seen=start, since=start, last_seen=now)
    for topic, value in (("health", fared), ("replay", replay), ("alerts", [warning])):
        link.take(State(id=1, topic=topic, instrument="", seq=seq, ts=now, data=raw(value)))
    link.say("attached to the engine (pid 4711)")
    return link, play


@pytest.fixture(scope="module")
def told(recordings_root_path: Path) -> tuple[Told, Playback]:
    return told_by(recordings_root_path)


def trades(link: Told) -> None:
    """Tell of an account, too, at the moment of the recording; prices are near those of then."""
    link.account = Account()
    apart = link.engine_now() - account_rows.NOW
    for topic, value in account_rows.everything(apart=apart).items():
        link.take(State(id=1, topic=topic, instrument="", seq=1, ts=link.engine_now(), data=raw(value)))


LOOKS = {"truecolor": Look(), "ascii": Look("none", ascii=True)}

STATES: dict[str, Callable[[View], None]] = {
    "desk": lambda view: None,
    "quad": lambda view: setattr(view, "preset", "quad"),
    "book": lambda view: (setattr(view, "preset", "book"), setattr(view, "pane", "heat"))[0],
    "engine": lambda view: (setattr(view, "preset", "engine"), setattr(view, "pane", "system"))[0],
    "traded": lambda view: None,
    "trading": lambda view: setattr(view, "preset", "trading"),
}


SCREENS = [
    *((state, size, "truecolor") for state in STATES for size in SIZES),
    *((state, size, "ascii") for state in ("desk", "trading") for size in SIZES),
]


@pytest.mark.parametrize(("state", "size", "look"), SCREENS)
async def test_whole_screens(
    told: tuple[Told, Playback], golden: Callable[[Path, str], None], monkeypatch: pytest.MonkeyPatch,
    state: str, size: tuple[int, int], look: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(Meter, "lag_ms", property(lambda _: 2.0))
    monkeypatch.setattr(Meter, "kilobytes_s", property(lambda _: 12.0))
    view = View(symbol=SPOT_ETH)
    STATES[state](view)
    if state == "quad":
        start = told[1].replay.recording.start
        view.cross = Cross(ms=(start // 1_000_000 // 60_000 + 1) * 60_000, chart=1)
    shown = LOOKS[look]
    link = copy.copy(told[0])
    link._changed = asyncio.Event()
    if state in ("traded", "trading"):
        trades(link)
    app = ConsoleApp(Desk(link, view, shown, Paint(load("colour-safe"), shown)))
    async with app.run_test(size=size) as pilot:
        await pilot.pause(0.2)
        app.draw()
        await pilot.pause()
        lines = [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]
    text = "\n".join(lines) + "\n"
    assert "cannot be drawn" not in text
    name = f"{state}-{size[0]}x{size[1]}{'-ascii' if look == 'ascii' else ''}.txt"
    golden(GOLDENS / name, text)
    if look == "ascii":
        assert text.isascii()
