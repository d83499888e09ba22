"""The link: attaches, keeps the news, comes back by itself for ever, never starts an engine unasked."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from engine.errors import EngineUnreachable, RequestDenied
from engine.snapshot import BookView
from engine.types import SECOND
from engine.views import BarRow, ProfileView, ReplayView
from tests.tradetui.console.told import NOW, Told, troubled
from tests.tradetui.fake_engine import FakeEngine, alert, health, market
from tradetui.client import Client, connect
from tradetui.console import inquiry
from tradetui.console import link as link_module
from tradetui.console import news as news_module
from tradetui.console.link import Link, Phase, Want
from tradetui.places import Places, places

PAUSES = (0.05, 0.1)


@pytest.fixture
def here(tmp_path: Path) -> Places:
    return places("default", {"HOME": str(tmp_path)})


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """No engine process is started; what would be started is kept."""
    calls: list[list[str]] = []

    async def attach(
        at: Places, name: str, arguments: list[str], waiting: Callable[[str], None]
    ) -> tuple[Client, bool]:
        try:
            return await connect(at, name), False
        except EngineUnreachable as error:
            calls.append(arguments)
            waiting("starting engine")
            await asyncio.sleep(0.1)
            raise EngineUnreachable("the engine ended at its start (exit 2): no") from error

    monkeypatch.setattr(link_module, "attach", attach)
    return calls


@contextlib.asynccontextmanager
async def running(here: Places, arguments: list[str] | None = None) -> AsyncIterator[Link]:
    link = Link(here, arguments or [], pauses=PAUSES)
    task = asyncio.create_task(link.run())
    try:
        yield link
    finally:
        assert not task.done(), "the link has ended"
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def wait_for(condition: Callable[[], object], within_s: float = 30.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def said(link: Link) -> str:
    return "\n".join(note.text for note in link.notes)


async def test_it_keeps_what_the_engine_says(here: Places, launched: list[list[str]]) -> None:
    async with FakeEngine(here) as engine:
        engine.states["alerts"] = [alert(1)]
        engine.event("one")
        async with running(here) as link:
            await wait_for(lambda: link.events and link.fresh("health"))
            assert link.attached
            assert (link.pid, link.started) == (4711, 1)
            assert link.health is not None
            assert link.health.seq == 1234567
            assert [row.instrument for row in link.markets] == ["binance:ETH/USDT"]
            assert [each.id for each in link.alerts] == [1]
            assert link.fresh("alerts")
            assert link.cursor == "1"
            engine.event("two")
            await wait_for(lambda: len(link.events) > 1)
            assert [entry.text for entry in link.events][-1] == "two"
    assert launched == []


async def test_it_comes_back_and_resumes_by_cursor(here: Places, launched: list[list[str]]) -> None:
    engine = FakeEngine(here)
    engine.event("one")
    await engine.start()
    async with running(here) as link:
        await wait_for(lambda: link.events)
        await engine.stop()
        await wait_for(lambda: link.phase is Phase.GONE)
        assert link.why == "the engine closed the connection"
        since = link.since
        await asyncio.sleep(0.4)
        assert link.phase is Phase.GONE
        assert (link.why, link.since) == ("the engine closed the connection", since), "the first reason is kept"
        assert not link.fresh("health")
        assert link.markets, "the last numbers stay, as old ones"
        engine.event("two")
        engine.asked.clear()
        await engine.start()
        await wait_for(lambda: link.attached and len(link.events) == 2)
        (asked,) = [each for each in engine.asked if each.topic == "events"]
        assert asked.since == "1"
        assert "attached again to the engine (pid 4711)" in said(link)
        await engine.stop()
    assert launched == []


async def test_another_engine_is_said(here: Places, launched: list[list[str]]) -> None:
    async with FakeEngine(here) as engine, running(here) as link:
        await wait_for(lambda: link.attached)
        await engine.stop("the engine is stopping")
        await wait_for(lambda: link.phase is Phase.GONE)
        assert link.why == "the engine is stopping"
        engine.pid, engine.started = 4712, 2
        await engine.start()
        await wait_for(lambda: link.attached)
        assert "new engine (pid 4712), before it pid 4711" in said(link)


async def test_another_journal_replaces_the_events(here: Places, launched: list[list[str]]) -> None:
    async with FakeEngine(here) as engine, running(here) as link:
        for text in ("one", "two"):
            engine.event(text)
        await wait_for(lambda: len(link.events) == 2)
        await engine.stop()
        await wait_for(lambda: not link.attached)
        engine.entries.clear()
        await engine.start()
        await wait_for(lambda: link.attached)
        engine.event("other")
        await wait_for(lambda: [entry.text for entry in link.events] == ["other"])


async def test_only_the_first_attach_starts_an_engine_and_then_a_person(
    here: Places, launched: list[list[str]]
) -> None:
    async with running(here, ["--debug"]) as link:
        await wait_for(lambda: link.phase is Phase.STARTING)
        await wait_for(lambda: link.phase is Phase.GONE)
        assert "exit 2" in link.why
        await asyncio.sleep(0.5)
        assert launched == [["--debug"]]
        link.start_engine()
        await wait_for(lambda: len(launched) == 2)
        await wait_for(lambda: link.phase is Phase.GONE)
        await asyncio.sleep(0.3)
        assert len(launched) == 2
        async with FakeEngine(here):
            await wait_for(lambda: link.attached)


async def test_pauses_grow_and_can_be_cut_short(here: Places, launched: list[list[str]]) -> None:
    link = Link(here, [], pauses=(0.01, 30.0))
    task = asyncio.create_task(link.run())
    try:
        await wait_for(lambda: (link.again_in() or 0) > 20)
        async with FakeEngine(here):
            link.try_now()
            await wait_for(lambda: link.attached, 10)
    finally:
        task.cancel()


async def test_options_without_effect_are_said_once(here: Places, launched: list[list[str]]) -> None:
    async with FakeEngine(here) as engine, running(here, ["--symbol", "X/Y"]) as link:
        await wait_for(lambda: link.attached)
        await engine.stop()
        await wait_for(lambda: not link.attached)
        await engine.start()
        await wait_for(lambda: link.attached)
        assert said(link).count("no effect on a running engine: --symbol X/Y") == 1


async def test_news_that_cannot_be_read_go_stale_and_nothing_ends(here: Places, launched: list[list[str]]) -> None:
    async with FakeEngine(here) as engine:
        engine.states["markets"] = [{"instrument": 5}]
        async with running(here) as link:
            await wait_for(lambda: link.fresh("health") and "news of markets cannot be read" in said(link))
            await asyncio.sleep(0.4)
            assert link.attached
            assert not link.fresh("markets")
            assert said(link).count("news of markets cannot be read") == 1
            engine.states["markets"] = [market()]
            await wait_for(lambda: link.fresh("markets"))


async def test_a_topic_that_is_denied_is_said(here: Places, launched: list[list[str]]) -> None:
    async with FakeEngine(here) as engine:
        engine.denies.add("alerts")
        async with running(here) as link:
            await wait_for(lambda: link.fresh("markets") and link.events is not None and len(engine.asked) == 6)
            await wait_for(lambda: "the engine does not tell of alerts: no such topic" in said(link))
            assert link.attached


async def test_an_engine_that_dies_at_once_is_not_stormed(here: Places, launched: list[list[str]]) -> None:
    async with FakeEngine(here) as engine:
        engine.dies_of.add("health")
        link = Link(here, [], pauses=(0.05, 30.0))
        task = asyncio.create_task(link.run())
        try:
            await wait_for(lambda: (link.again_in() or 0) > 20)
            assert len(engine.asked) <= 2
        finally:
            task.cancel()


async def test_a_silent_engine_is_stalled(
    here: Places, launched: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news_module, "SILENT_S", 0.3)
    async with FakeEngine(here) as engine, running(here) as link:
        # Until every topic has been told once: one that is told later than the last word of health is fresh for longer.
        await wait_for(lambda: link.fresh("health") and link.fresh("alerts") and link.age("events") is not None)
        assert link.stalled_s() is None
        engine.mute = True
        await wait_for(lambda: link.stalled_s() is not None)
        assert link.attached
        assert not link.fresh("health")
        assert not link.fresh("alerts")
        engine.mute = False
        await wait_for(lambda: link.stalled_s() is None and link.fresh("alerts"))


async def test_acts(here: Places, launched: list[list[str]]) -> None:
    async with FakeEngine(here) as engine, running(here) as link:
        with pytest.raises(EngineUnreachable, match="no engine is attached"):
            await link.command("acknowledge", alert=3)
        await wait_for(lambda: link.fresh("health"))
        await link.command("acknowledge", alert=3)
        with pytest.raises(RequestDenied, match="engine 1 is gone"):
            await link.stop_engine(1)
        assert engine.commands == [("acknowledge", {"alert": 3})]
        await link.stop_engine(4711)
        await wait_for(lambda: link.phase is Phase.GONE)
        assert link.why == "stopped from this console"
        await engine.start()


async def test_a_still_of_the_link_does_not_change(here: Places, launched: list[list[str]]) -> None:
    async with FakeEngine(here) as engine, running(here) as link:
        await wait_for(lambda: link.fresh("markets") and link.health is not None)
        still = link.still()
        age, before = still.age("health"), still.health
        engine.states["health"] = health(seq=1)
        engine.event("new")
        await wait_for(lambda: link.events and link.health is not None and link.health.seq == 1)
        assert still.health is before
        assert still.age("health") == age
        assert not still.events


async def test_an_engine_that_does_not_let_us_in(
    here: Places, launched: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeEngine(here) as engine, running(here) as link:
        await wait_for(lambda: link.attached)

        async def refused(*_: object) -> Client:
            raise EngineUnreachable("the engine refused the connection: 32 connections are open already", hung=True)

        with monkeypatch.context() as patched:
            patched.setattr(link_module, "connect", refused)
            await engine.stop("bye")
            await wait_for(lambda: link.refusal)
            assert "32 connections" in link.refusal
            assert link.why == "bye"
        await wait_for(lambda: not link.refusal)
        assert link.why == "bye"
        await engine.start()
        await wait_for(lambda: link.attached)
        assert not link.refusal


async def test_an_engine_on_its_way_down_keeps_the_reason(
    here: Places, launched: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeEngine(here) as engine, running(here) as link:
        await wait_for(lambda: link.attached)

        async def stopping(*_: object) -> Client:
            raise EngineUnreachable("it is starting or stopping", hung=True, starting=True)

        monkeypatch.setattr(link_module, "connect", stopping)
        await link.stop_engine(4711)
        await wait_for(lambda: link.phase is Phase.GONE)
        await asyncio.sleep(0.3)
        assert (link.why, link.refusal) == ("stopped from this console", "")
        await engine.start()


def bar(open_ms: int, close: float = 10.0, **changed: object) -> BarRow:
    fields = {
        "open_ms": open_ms, "open": 10.0, "high": 99.0, "low": 1.0, "close": close, "volume": 1.0, "trades": 1,
        "taker_buy": 0.5, "closed": True, "complete": True, "source": "stream",
    }  # fmt: skip
    return BarRow(**(fields | changed))  # type: ignore[arg-type]


ETH = "binance:ETH/USDT"


async def test_what_is_looked_at_is_followed_and_nothing_else(here: Places, launched: list[list[str]]) -> None:
    async with FakeEngine(here) as engine, running(here) as link:
        engine.series["bars", ETH, "1m"] = [bar(0), bar(60_000)]
        link.look_at({Want("bars", ETH, "1m")})
        await wait_for(lambda: len(link.candles(ETH, "1m")) == 2)
        assert link.age("bars", ETH, "1m") is not None
        link.look_at({Want("trades", ETH)})
        await wait_for(lambda: link.age("trades", ETH) is not None)
        await wait_for(lambda: len(engine.ended) == 1)
        link.look_at({Want("bars", ETH, "1m")})
        await wait_for(lambda: [asked.topic for asked in engine.asked].count("bars") == 2)
        first, again = (asked for asked in engine.asked if asked.topic == "bars")
        assert first.since == ""
        assert again.since == "1", "it goes on where it was"
        assert first.limit == again.limit == link_module.BARS


async def test_a_book_is_asked_for_with_its_depth_and_kept(here: Places, launched: list[list[str]]) -> None:
    async with FakeEngine(here) as engine, running(here) as link:
        engine.states["book"] = BookView(
            instrument=ETH, seq=1, live=True, update_id=1, bids=((9.0, 1.0),), asks=((10.0, 2.0),)
        )
        link.look_at({Want("book", ETH)})
        await wait_for(lambda: ETH in link.books)
        assert link.books[ETH].asks == ((10.0, 2.0),)
        assert link.age("book", ETH) is not None
        (asked,) = (asked for asked in engine.asked if asked.topic == "book")
        assert asked.depth == link_module.DEPTH == 40
        assert asked.every_ms == 250


async def test_what_the_engine_does_not_know_yet_is_asked_for_again(
    here: Places, launched: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "AGAIN_S", 0.05)
    async with FakeEngine(here) as engine, running(here) as link:
        engine.denies.add("bars")
        link.look_at({Want("bars", ETH, "1m"), Want("trades", ETH)})
        await wait_for(lambda: link.age("trades", ETH) is not None and len(engine.asked) > 8)
        assert link.attached
        engine.denies.clear()
        await wait_for(lambda: link.age("bars", ETH, "1m") is not None)


async def test_a_candle_that_cannot_be_is_said_and_not_kept(here: Places, launched: list[list[str]]) -> None:
    async with FakeEngine(here) as engine, running(here) as link:
        engine.series["bars", ETH, "1s"] = [bar(0), bar(1000, low=20.0), bar(2000)]
        link.look_at({Want("bars", ETH, "1s")})
        await wait_for(lambda: len(link.candles(ETH, "1s")) == 2)
        assert "1 candles of binance:ETH/USDT 1s are not drawn: low 20 above open or close" in said(link)


async def test_what_is_looked_at_is_there_again_with_a_new_engine(here: Places, launched: list[list[str]]) -> None:
    async with FakeEngine(here) as engine:
        engine.series["bars", ETH, "1m"] = [bar(0)]
        async with running(here) as link:
            link.look_at({Want("bars", ETH, "1m")})
            await wait_for(lambda: len(link.candles(ETH, "1m")) == 1)
            await engine.stop()
            await wait_for(lambda: not link.attached)
            engine.series["bars", ETH, "1m"] = [bar(60_000), bar(120_000)]
            await engine.start()
            await wait_for(lambda: link.candles(ETH, "1m").open_ms.tolist() == [60_000, 120_000])


async def test_a_live_engine_has_no_replay_and_a_replay_says_where_it_is(
    here: Places, launched: list[list[str]]
) -> None:
    async with FakeEngine(here) as engine, running(here) as link:
        await wait_for(lambda: link.fresh("markets"))
        assert link.replay is None
        assert abs(link.engine_now() - time.time_ns()) < 10**9
        await engine.stop()
        engine.states["replay"] = ReplayView(
            position=5, start=1, end=9, speed=1.0, paused=True, ended=False, seeking=None, progress=None, messages=3,
            refused=0, files=("x",), notes=(),
        )  # fmt: skip
        await wait_for(lambda: not link.attached)
        await engine.start()
        await wait_for(lambda: link.replay is not None)
        assert link.replay.position == 5
        assert link.still_standing


async def test_a_still_picture_does_not_change(here: Places, launched: list[list[str]]) -> None:
    async with FakeEngine(here) as engine, running(here) as link:
        engine.series["bars", ETH, "1m"] = [bar(0)]
        link.look_at({Want("bars", ETH, "1m")})
        await wait_for(lambda: len(link.candles(ETH, "1m")) == 1)
        still = link.still()
        now = still.engine_now()
        engine.series["bars", ETH, "1m"] = [bar(0), bar(60_000)]
        engine.say("bars", ETH, "1m")
        await wait_for(lambda: len(link.candles(ETH, "1m")) == 2)
        assert len(still.candles(ETH, "1m")) == 1
        assert still.engine_now() == now
        assert still.fresh("markets")


# Questions and the past. --------------------------------------------------------------------------------------------


def profile(volume: float) -> ProfileView:
    return ProfileView(
        instrument="binance:ETH/USDT", since_ms=0, until_ms=1, price=1.0, size=1.0, volumes=(volume,), total=volume,
        control=None, value_low=None, value_high=None, approximate=False, reason="",
    )  # fmt: skip


async def test_what_can_only_be_asked_is_asked_while_somebody_looks_at_it(
    here: Places, launched: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(inquiry.QUESTIONS, "profile", (ProfileView, 0.05))
    monkeypatch.setattr(inquiry, "QUESTION_S", 0.02)
    answers = iter(range(1, 10_000))
    async with FakeEngine(here) as engine, running(here) as link:
        engine.answers["profile"] = lambda _: profile(float(next(answers)))
        engine.denies.add("quality")
        link.look_at({Want("profile", "binance:ETH/USDT"), Want("quality", "binance:ETH/USDT")})
        await wait_for(lambda: "binance:ETH/USDT" in link.profiles)
        first = link.profiles["binance:ETH/USDT"].total
        await wait_for(lambda: link.profiles["binance:ETH/USDT"].total > first)
        assert not link.qualities
        assert link.attached, "what cannot be answered ends nothing"
        link.look_at(set())
        await asyncio.sleep(0.1)
        asked = len(engine.got)
        await asyncio.sleep(0.2)
        assert len(engine.got) == asked, "nobody looks at it any more"


async def test_an_engine_that_goes_while_a_page_is_under_way_leaves_no_page_under_way(
    here: Places, launched: list[list[str]]
) -> None:
    engine = FakeEngine(here)
    async with engine, running(here) as link:
        await wait_for(lambda: link.attached)
        engine.answer_s = 5.0
        link.load("binance:ETH/USDT", "1m", 0, 10**12)
        past = link.past("binance:ETH/USDT", "1m")
        await wait_for(lambda: bool(engine.got))
        assert past.asked is not None
        await engine.stop("stopped")
        await wait_for(lambda: not link.attached)
        await wait_for(lambda: past.asked is None)
        assert past.trouble
        link.load("binance:ETH/USDT", "1m", 0, 10**12)
        assert link.past("binance:ETH/USDT", "1m").asked is None, "nobody is there to be asked"
        await engine.start()


def test_an_alert_rings_when_it_comes_and_when_it_comes_again_and_never_when_it_goes() -> None:
    told = Told().attached(alerts=[])
    lost = troubled(1)
    told.state("alerts", [lost])
    assert told.link.rings == 1
    told.state("alerts", [msgspec.structs.replace(lost, count=2, doing="try 5")])
    healed = msgspec.structs.replace(lost, active=False, healed=NOW)
    told.state("alerts", [healed])
    assert told.link.rings == 1
    told.state("alerts", [msgspec.structs.replace(lost, since=NOW + SECOND)])
    assert told.link.rings == 2
    refused = troubled(2, code="ORDER_REJECTED", severity="warning", since=NOW)
    told.state("alerts", [refused])
    told.state("alerts", [msgspec.structs.replace(refused, active=False)])
    assert told.link.rings == 3
    told.state("alerts", [msgspec.structs.replace(refused, since=NOW + SECOND)])
    assert told.link.rings == 4
