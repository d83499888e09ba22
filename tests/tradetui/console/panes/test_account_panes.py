"""Panes of trading: what they look like, what they say while nothing is known, and what their rows tell."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.tradingviews import EquityView
from tests.tradetui import account_rows as rows
from tests.tradetui.console.panes.test_tables_panes import on_screen
from tests.tradetui.console.told import EVIL, NOW, Told
from tests.tradetui.fake_engine import market
from tradetui.console.news import SILENT_S
from tradetui.console.panes.dealt import FillsPane, JournalPane, OrdersPane, PositionsPane
from tradetui.console.panes.equity import PAUSE_S, EquityPane
from tradetui.console.panes.lines import Footer
from tradetui.console.panes.risk import RiskPane
from tradetui.console.render.curves import thinned
from tradetui.console.render.look import Look
from tradetui.console.render.pens import OLD

GOLDENS = Path(__file__).with_name("goldens")
PANES: tuple[type[Any], ...] = (PositionsPane, OrdersPane, FillsPane, JournalPane, RiskPane, EquityPane)


def traded(look: Look = Look(), **changed: Any) -> Told:  # noqa: B008
    told = Told(look).attached(markets=[market(rows.ETH), market(rows.BTC)])
    for topic, value in rows.everything(apart=NOW - rows.NOW, **changed).items():
        told.state(topic, value)
    return told


@pytest.mark.parametrize("size", [(38, 10), (80, 24), (118, 12), (200, 30)], ids=lambda size: "x".join(map(str, size)))
@pytest.mark.parametrize("kind", PANES)
async def test_text(kind: type[Any], size: tuple[int, int], golden: Callable[[Path, str], None]) -> None:
    async with on_screen(traded(), kind, size=size) as (app, _):
        (pane,) = app.panes
        assert not pane.fault
        assert {len(line) for line in pane.plain} == {size[0]}
        text = "\n".join(line.rstrip() for line in pane.plain) + "\n"
        golden(GOLDENS / f"{pane.id}-{size[0]}x{size[1]}.txt", text)


@pytest.mark.parametrize("kind", PANES)
async def test_ascii_and_what_others_write(kind: type[Any]) -> None:
    evil = {
        "trading": rows.active(reasons=(EVIL,), currency=EVIL, balances={EVIL: "1"}, venues=(rows.venue(name=EVIL),)),
        "positions": [rows.position(instrument=EVIL, stop_held=EVIL, average=EVIL)],
        "orders": [rows.order(1, reason=EVIL, state=EVIL, side=EVIL, type=EVIL, price=EVIL, origin=EVIL)],
        "fills": [rows.fill(fee_asset=EVIL, price=EVIL, side=EVIL)],
        "journal": [rows.trade(reason=EVIL, net=EVIL)],
        "risk": rows.risk(breakers=(EVIL,), protections=(EVIL,), limits=(rows.limit(EVIL, unit=EVIL),)),
    }  # fmt: skip
    async with on_screen(traded(Look("none", ascii=True), **evil), kind, size=(118, 40)) as (app, _):
        (pane,) = app.panes
        assert not pane.fault
        assert all(line.isascii() and line.isprintable() and len(line) == 118 for line in pane.plain)


@pytest.mark.parametrize("kind", PANES)
async def test_what_nobody_vouches_for_has_no_colour(kind: type[Any]) -> None:
    told = traded()
    async with on_screen(told, kind, size=(118, 40)) as (app, _):
        (pane,) = app.panes
        told.seconds += SILENT_S + 1
        app.tick()
        assert "old" in pane.plain[0]
        if kind is EquityPane:
            return
        inside = pane._frame.inside() if pane._frame is not None else None
        assert inside is not None
        marks = inside.glyphs == "\u25b2"
        assert bool((inside.pens[marks] & OLD).all())


@pytest.mark.parametrize("kind", PANES)
async def test_nothing_known_is_said(kind: type[Any]) -> None:
    told = Told().attached()
    async with on_screen(told, kind, size=(80, 10)) as (app, _):
        (pane,) = app.panes
        assert "the engine was asked about trading" in "".join(pane.plain)
        told.link.account.refused = "trading is off in this engine"
        app.tick()
        assert "no trading here: trading is off in this engine" in "".join(pane.plain)
        told.gone()
        app.tick()
        assert "not known: no engine is attached" in "".join(pane.plain)


async def test_details_tell_everything() -> None:
    told = traded()
    async with on_screen(told, OrdersPane, PositionsPane, FillsPane, JournalPane, size=(118, 40)) as (app, pilot):
        for pane in app.panes:
            pane.focus()
            await pilot.press("enter")
        await pilot.pause()
        found = [dict(lines) for _, lines in app.heard]  # type: ignore[misc, has-type]
        assert found[0]["order"] == "buy 0.25 ETH/USDT limit 2682.25 (PAPER)"
        assert "only as maker" in found[0]["terms"]
        assert "stop 2,681.95, held by the engine" in found[1]["exits"]
        assert "0.00025 ETH, as taker" in found[2]["fee"]
        assert "\u25b2+6.48 net: 7.696 less fees 1.2119" in found[3]["result"]


async def test_a_missing_stop_stands_out() -> None:
    told = traded(positions=[rows.position(stop_loss="", stop_held="")])
    async with on_screen(told, PositionsPane, size=(118, 10)) as (app, _):
        assert " none " in "".join(app.panes[0].plain)


async def test_quantities_and_the_asset_of_a_fee_are_not_cut_while_a_name_has_room() -> None:
    fill = rows.fill(1, fee="0.61762", fee_asset="USDT")
    told = traded(positions=[rows.position(quantity="0.04802193")], fills=[fill])
    for kind, width, text in (
        (PositionsPane, 51, "0.04802193"), (PositionsPane, 59, "0.04802193"), (FillsPane, 80, "0.61762 USDT")
    ):  # fmt: skip
        async with on_screen(told, kind, size=(width, 10)) as (app, _):
            assert text in "".join(app.panes[0].plain)


async def test_a_time_stands_once_below_a_curve() -> None:
    points = tuple((rows.NOW // 10**9 - 50 + 20 * number, 10_000.0 - number, 0.001) for number in range(3))
    async with on_screen(traded(equity=EquityView(points=points)), EquityPane, size=(118, 20)) as (app, _):
        times = re.findall(r"\d\d:\d\d", app.panes[0].plain[-2])
        assert times
        assert len(times) == len(set(times))


async def test_the_curve_is_drawn_once_in_five_seconds_at_most() -> None:
    told = traded()
    async with on_screen(told, EquityPane, size=(118, 20)) as (app, _):
        (pane,) = app.panes
        before = pane.drawn
        points = rows.equity().points
        for number in range(1, 4):
            told.state("equity", EquityView(points=(*points, (points[-1][0] + 60 * number, 10_000.0, 0.02))))
            app.tick()
        assert pane.drawn == before or "down 2.00 %" in pane.plain[0]
        version = pane.version()
        told.state("equity", EquityView(points=points[:-1]))
        assert pane.version() == version
        told.seconds += PAUSE_S + 0.1
        assert pane.version() != version


@pytest.mark.alone
async def test_a_curve_of_a_month_is_quick() -> None:
    points = tuple((1_722_859_200 + 60 * minute, 10_000.0 + minute % 700, 0.01) for minute in range(43_200))
    assert len(thinned(points, 200)) <= 210
    told = traded(equity=EquityView(points=points))
    async with on_screen(told, EquityPane, size=(200, 40)) as (app, _):
        began = time.process_time()
        app.panes[0].frame(200, 40)
        assert time.process_time() - began < 0.5
        assert not app.panes[0].fault


def test_thinning_keeps_the_extremes() -> None:
    points = [(at, 100.0, 0.0) for at in range(1000)]
    points[377] = (377, 80.0, 0.2)
    assert (377, 80.0, 0.2) in thinned(points, 60)
    assert thinned(points, 60)[0] == points[0]
    assert thinned(points, 60)[-1] == points[-1]


async def test_arrows_in_the_footer_are_words_where_only_ascii_may_be_sent() -> None:
    async with on_screen(traded(Look(ascii=True)), Footer, RiskPane, size=(120, 12)) as (app, _):
        assert "left right limit" in app.panes[0].plain[0]
        assert "<" not in app.panes[0].plain[0]
