"""Heat map, ladder and tape as panes: keys, titles, and the truth about what is not the present."""

from __future__ import annotations

import time
from pathlib import Path
from unittest import mock

import msgspec
import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.geometry import Size

from engine.protocol import State, raw
from engine.snapshot import CobView, book_view
from engine.views import ReplayView
from tests.support.desk_data import FUTURES_ETH, SPOT_ETH, Playback, playback
from tradetui.console.keymap import KEYS
from tradetui.console.news import Phase, Want
from tradetui.console.panes.heat import HeatPane
from tradetui.console.panes.ladder import LadderPane
from tradetui.console.panes.pane import Pane
from tradetui.console.panes.tape import TapePane
from tradetui.console.render.frame import Frame
from tradetui.console.render.look import COLOURS, Look
from tradetui.console.render.pens import OLD
from tradetui.console.view import HeatView


class Book(App[None]):
    """The three panes side by side over a replay."""

    CSS = "Pane { width: 1fr; height: 1fr; }"

    def __init__(self, play: Playback) -> None:
        super().__init__()
        self.play = play
        self.changes = 0
        self.said: list[str] = []
        play.desk.say = self.said.append
        play.desk.changed = self.changed
        self.heat, self.ladder, self.tape = HeatPane(play.desk), LadderPane(play.desk), TapePane(play.desk)

    def changed(self) -> None:
        self.changes += 1
        self.tick()

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield from (self.heat, self.ladder, self.tape)

    def tick(self) -> None:
        for pane in (self.heat, self.ladder, self.tape):
            pane.tick()


@pytest.fixture
def play(recordings_root_path: Path) -> Playback:
    return playback(recordings_root_path, SPOT_ETH, 70)


def picture(pane: Pane, width: int = 60, height: int = 16) -> Frame:
    """Draw a pane as if it were on a screen."""
    with mock.patch.object(type(pane), "size", Size(width, height)):
        frame = pane.frame(width, height)
    assert not pane.fault
    return frame


def test_ids_digits_and_kinds() -> None:
    assert [(pane.KIND, pane.DIGIT) for pane in (HeatPane, LadderPane, TapePane)] == [
        ("heat", "2"), ("heat", "3"), ("table", "4")
    ]  # fmt: skip


@pytest.mark.parametrize("pane", [HeatPane, LadderPane, TapePane])
def test_every_key_of_its_kind_has_an_action(pane: type[Pane]) -> None:
    wanted = [key.action.partition("(")[0] for key in KEYS if key.where in pane.KIND.split()]
    assert wanted
    assert all(callable(getattr(pane, f"action_{name}", None)) for name in wanted)


async def test_keys_change_the_view_and_are_drawn_at_once(play: Playback) -> None:
    app = Book(play)
    async with app.run_test(size=(180, 40)) as pilot:
        view = play.desk.view
        app.tick()
        for pane in (app.heat, app.ladder):
            pane.focus()
            await pilot.pause()
            for key, name, wanted in (
                ("greater_than_sign", "seconds", 2), ("greater_than_sign", "seconds", 5),
                ("less_than_sign", "seconds", 2),
                ("right_curly_bracket", "merge", 2), ("left_curly_bracket", "merge", 1), ("plus", "cut", 10.0),
                ("minus", "cut", 5.0), ("b", "tint", True), ("s", "metric", "imbalance"), ("s", "metric", "spread"),
                ("s", "metric", "size"), ("d", "dots", False), ("v", "lines", False),
            ):  # fmt: skip
                before = app.changes
                await pilot.press(key)
                assert getattr(view.heat, name) == wanted, key
                assert app.changes == before + 1
            await pilot.press("0")
            assert view.heat == HeatView()
        assert "1 s/col" in "\n".join(app.heat.plain)
        app.heat.action_seconds(-1)
        assert view.heat.seconds == 1  # the ends hold
        for _ in range(9):
            app.heat.action_seconds(1)
            app.heat.action_merge(1)
            app.heat.action_cut(1)
        assert (view.heat.seconds, view.heat.merge, view.heat.cut) == (30, 10, 40.0)
        assert "30 s/col \u00b7 bucket 10" in app.heat.title()


async def test_the_wheel_doubles_keys_and_a_click_focuses(play: Playback) -> None:
    app = Book(play)
    async with app.run_test(size=(120, 30)) as pilot:
        app.tick()
        await pilot.click(app.tape)
        assert app.focused is app.tape
        await pilot._post_mouse_events([events.MouseScrollDown], app.heat)
        assert play.desk.view.heat.seconds == 2
        await pilot._post_mouse_events([events.MouseScrollUp], app.heat)
        assert play.desk.view.heat.seconds == 1
        await pilot._post_mouse_events([events.MouseScrollDown], app.ladder)
        assert play.desk.view.heat.merge == 2
        await pilot._post_mouse_events([events.MouseScrollDown], app.tape)
        assert "newer above" in app.tape.title()


async def test_what_did_not_change_is_not_drawn(play: Playback) -> None:
    app = Book(play)
    async with app.run_test(size=(150, 30)):
        app.tick()
        sent = [pane.drawn for pane in (app.heat, app.ladder, app.tape)]
        app.tick()
        assert [pane.drawn for pane in (app.heat, app.ladder, app.tape)] == sent
        play.to(71.5)
        app.tick()
        now = [pane.drawn for pane in (app.heat, app.ladder, app.tape)]
        assert all(after > before for after, before in zip(now, sent, strict=True))


async def test_a_tape_that_was_scrolled_stands_still(play: Playback) -> None:
    app = Book(play)
    async with app.run_test(size=(150, 20)) as pilot:
        app.tick()
        app.tape.focus()
        await pilot.press("j", "j", "pagedown")
        before = app.tape.plain[1:-1]
        newer = app.tape._newer()
        assert newer > 2
        play.to(72)
        app.tick()
        assert app.tape.plain[1:-1] == before
        assert app.tape._newer() > newer
        await pilot.press("enter")
        price = next(row.price for row in app.tape._rows()[app.tape._newer() :])
        assert f"at {price:.10g}" in app.said[-1]
        await pilot.press("home")
        assert "newer" not in app.tape.title()
        assert app.tape.plain[1:-1] != before
        await pilot.press("end")
        assert app.tape._newer() == len(app.tape._rows()) - 18


async def test_a_filter_is_shown_and_says_when_nothing_fits(play: Playback) -> None:
    app = Book(play)
    async with app.run_test(size=(180, 20)):
        play.desk.view.filters["tape"] = "sell >1"
        app.tick()
        assert "/sell >1" in app.tape.plain[0]
        rows = [line for line in app.tape.plain[1:-1] if line.strip("\u2502 ")]
        assert rows
        assert all("\u25bc" in line for line in rows)
        play.desk.view.filters["tape"] = ">1000000"
        app.tick()
        assert "fits />1000000" in "\n".join(app.tape.plain)


@pytest.mark.parametrize("kind", [HeatPane, LadderPane, TapePane])
def test_an_empty_pane_says_what_it_waits_for(kind: type[HeatPane | LadderPane | TapePane], play: Playback) -> None:
    fresh = Playback(play.instrument, play.replay)
    pane = kind(fresh.desk)
    assert "waiting for" in "\n".join(picture(pane).lines())
    fresh.news.markets = play.news.markets
    text = "\n".join(picture(pane, 90).lines())
    assert "ETH/USDT" in text
    assert "x: next instrument" in text


@pytest.mark.parametrize("kind", [HeatPane, LadderPane])
@pytest.mark.parametrize("lost", ["book", "topic", "feed"])
def test_a_book_that_is_not_live_does_not_look_live(
    kind: type[HeatPane | LadderPane], lost: str, play: Playback
) -> None:
    pane, news = kind(play.desk), play.news
    frame = picture(pane, 80)
    assert pane.condition().live
    assert not (frame.pens[1:-1, 1:-1] & OLD).any()
    cob = news.cobs[SPOT_ETH]
    if lost == "book":
        news.cobs[SPOT_ETH] = msgspec.structs.replace(cob, live=False)
    elif lost == "feed":
        news.markets = [msgspec.structs.replace(news.markets[0], live=False)]
    else:
        for want in [want for want in news._heard if want.topic == "cob"]:
            news._heard[want] -= 30
    assert not pane.condition().live
    frame = picture(pane, 80)
    assert (frame.pens[1:-1, 1:-1] & OLD).all()
    assert pane.condition().why in frame.lines()[0]
    text = "\n".join(frame.lines())
    assert "live\u25b8" not in text
    if kind is LadderPane:
        assert "last 2" in text
    assert (lost == "topic") == ("SILENT 30s" in frame.lines()[0])


def tell_book(play: Playback) -> None:
    """Tell the best levels as the engine does."""
    view = book_view(play.replay.state, play.instrument, 40, play._now)
    given = {"seq": view.seq, "ts": play._now, "id": 1}
    play.news.take(State(topic="book", instrument=play.instrument, data=msgspec.Raw(raw(view)), **given))


async def test_below_the_smallest_buckets_are_single_prices_on_the_ladder(play: Playback) -> None:
    app, view, desk = Book(play), play.desk.view.heat, play.desk
    async with app.run_test(size=(180, 40)) as pilot:
        app.heat.focus()
        await pilot.press("left_curly_bracket")
        assert not view.levels
        assert "smallest buckets; { on the ladder: single prices" in app.said[-1]
        app.ladder.focus()
        assert Want("book", SPOT_ETH) not in desk.wants({"ladder", "heat"})
        await pilot.press("left_curly_bracket")
        assert view.levels
        assert app.ladder.title().startswith("book")
        assert Want("book", SPOT_ETH) in desk.wants({"ladder"})
        assert Want("book", SPOT_ETH) not in desk.wants({"heat", "tape"})
        assert "waiting for the book" in "\n".join(app.ladder.plain)
        tell_book(play)
        app.tick()
        book = desk.book()
        assert book is not None
        text = "\n".join(app.ladder.plain)
        assert all(f"{price:.2f}" in text for price, _ in (*book.bids[:9], *book.asks[:9]))
        await pilot.press("left_curly_bracket")
        assert "these are single prices" in app.said[-1]
        await pilot.press("right_curly_bracket")
        assert (view.levels, view.merge) == (False, 1)
        assert "COB" in app.ladder.title()
        await pilot.press("right_curly_bracket")
        assert view.merge == 2


def test_single_prices_that_are_not_live_do_not_look_live(play: Playback) -> None:
    play.desk.view.heat.levels = True
    pane = LadderPane(play.desk)
    tell_book(play)
    assert pane.condition().live
    version = pane.version()
    play.to(71)
    tell_book(play)
    assert pane.version() != version
    play.clock += 30
    play.tell()  # all but the levels
    assert "BOOK SILENT 30s" in pane.condition().why
    assert "last 2" in "\n".join(picture(pane, 40).lines())
    play.desk.freeze(True)
    assert len(play.desk.news.books) == 1


def test_the_ladder_says_how_large_a_bucket_is(play: Playback) -> None:
    pane = LadderPane(play.desk)
    play.desk.view.heat.merge = 5
    for width, title in ((18, "3 COB"), (36, "3 COB \u00b7 bucket 5"), (60, "3 COB ETH/USDT \u00b7 bucket 5")):
        assert f" {title} " in picture(pane, width).lines()[0]


def test_a_book_that_is_no_book_is_not_drawn_as_one(play: Playback) -> None:
    play.news.cobs[SPOT_ETH] = CobView(instrument=SPOT_ETH, seq=1, live=False, age_ms=None)
    assert "waiting for the book" in "\n".join(picture(LadderPane(play.desk), 70).lines())
    text = "\n".join(picture(HeatPane(play.desk), 100, 20).lines())
    assert "unknown" in text  # its seconds are still known
    assert "live\u25b8" not in text


def test_frozen_and_replayed_do_not_say_live(play: Playback) -> None:
    pane = HeatPane(play.desk)
    assert "live\u25b8" in "\n".join(picture(pane).lines())
    play.news.replay = ReplayView(
        position=1, start=0, end=None, speed=1.0, paused=False, ended=False, seeking=None, progress=None, messages=0,
        refused=0, files=(), notes=(),
    )  # fmt: skip
    text = "\n".join(picture(pane).lines())
    assert "replay\u25b8" in text
    assert "live" not in text
    play.desk.freeze(True)
    text = "\n".join(picture(pane).lines())
    assert "frozen\u25b8" in text
    assert "FROZEN" in text


def test_without_an_engine_time_stands_still(play: Playback) -> None:
    pane = HeatPane(play.desk)
    picture(pane)
    play.news.phase = Phase.GONE
    one = picture(pane, 80)
    play.clock += 100
    assert "last\u25b8" in "\n".join(one.lines())
    assert picture(pane, 80).changed(one) == []


@pytest.mark.parametrize("kind", [HeatPane, LadderPane, TapePane])
def test_one_that_fails_still_tells_prices(kind: type[HeatPane | LadderPane | TapePane], play: Playback) -> None:
    pane = kind(play.desk)
    with mock.patch.object(type(pane), "draw", side_effect=ValueError("broken")):
        lines = pane.frame(70, 8).lines()
    assert "broken" in lines[1]
    assert "26" in lines[2]


def test_titles_tell_figures(play: Playback, recordings_root_path: Path) -> None:
    tape, ladder = TapePane(play.desk), LadderPane(play.desk)
    assert "%" in picture(tape, 70).lines()[0]
    assert "/s" in picture(tape, 70).lines()[0]
    cob = play.desk.cob()
    assert cob is not None
    assert cob.imbalance[0].plain is not None
    assert f"imb {cob.imbalance[0].plain:+.2f}" in picture(ladder, 30).lines()[0]
    assert f"1s {cob.imbalance[0].plain:+.2f} 5s" in picture(ladder, 60).lines()[0]
    assert "imb" not in picture(ladder, 18).lines()[0]
    del play.news.cobs[SPOT_ETH]
    assert ladder.told() == ""
    futures = playback(recordings_root_path, FUTURES_ETH, 5)
    assert "bucket 1" in HeatPane(futures.desk).title()


@pytest.mark.parametrize("look", [*(Look(colours) for colours in COLOURS), Look("none", ascii=True)], ids=str)
def test_every_look_keeps_the_sides_apart(play: Playback, look: Look) -> None:
    play.look(look)
    for pane in (HeatPane(play.desk), LadderPane(play.desk), TapePane(play.desk)):
        frame = picture(pane, 100, 30)
        text = "\n".join(frame.lines())
        assert text.isascii() or not look.ascii
        assert "?" not in text
        for pen in set(frame.pens.ravel().tolist()):
            play.desk.paint.style(pen)
    bid, ask = ("#", "%") if look.ascii else ("\u2588", "\u2593")
    ladder = picture(LadderPane(play.desk), 40, 25).lines()
    assert bid in "".join(ladder[13:])
    assert ask in "".join(ladder[:12])
    tape = "\n".join(picture(TapePane(play.desk), 40, 90).lines())
    assert all(sign in tape for sign in ("^v" if look.ascii else "\u25b2\u25bc"))


def test_a_tick_is_cheap(recordings_root_path: Path) -> None:
    play = playback(recordings_root_path, FUTURES_ETH, 100)
    heat, ladder, tape = HeatPane(play.desk), LadderPane(play.desk), TapePane(play.desk)
    sizes = ((heat, 118, 24), (ladder, 40, 24), (tape, 44, 24))
    costs: dict[Pane, list[float]] = {pane: [] for pane, _, _ in sizes}
    for quarter in range(24):
        play.to(100 + quarter / 4)
        for pane, width, height in sizes:
            start = time.process_time()
            pane.frame(width, height)
            costs[pane].append(time.process_time() - start)
    for pane, spent in costs.items():
        assert sorted(spent)[len(spent) // 2] < 0.008, pane.id  # measured: 0.5 to 1 ms
