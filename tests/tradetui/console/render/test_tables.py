"""Tables: cells of fixed width, columns that give way, and rows that tell what is old or wrong without colours."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.health import LatencyView, ServingView
from engine.ports import Entry
from engine.types import SECOND
from tests.tradetui.console.told import ALERTS, EVIL, NOW, Told, fit, playing, troubled
from tests.tradetui.fake_engine import market
from tradetui.console.news import SILENT_S, Note
from tradetui.console.render import alerts, cells, events, markets, system, vitals
from tradetui.console.render.frame import Frame
from tradetui.console.render.pens import BAR, OLD, SELECT, back_of
from tradetui.console.render.table import PAST, QUIET, Column, Gauge, Row, draw, heading, places
from tradetui.console.render.vitals import Own
from tradetui.console.view import AlertsView

numbers = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.sampled_from((0.0, 1e9, -5.0, 1e-9)))


def lines(rows: list[Row], width: int, columns: tuple[Column, ...] = ()) -> list[str]:
    frame = Frame.blank(width, len(rows))
    draw(frame, columns, rows)
    return frame.lines()


# Columns. -----------------------------------------------------------------------------------------------------------

column = st.builds(
    Column, st.just("head"), st.integers(1, 20), st.integers(0, 60), st.booleans(), st.integers(0, 5), st.booleans()
)


@given(columns=st.lists(column, min_size=1, max_size=10).map(tuple), width=st.integers(1, 220))
@settings(max_examples=200, deadline=None)
def test_columns_stand_apart_and_inside(columns: tuple[Column, ...], width: int) -> None:
    found = places(columns, width)
    for one, other in pairwise(found):
        assert one.x + one.width < other.x
        assert one.number < other.number
    assert all(place.x + place.width <= width for place in found)
    ranks = {place.number for place in found}
    left_out = [columns[number].rank for number in range(len(columns)) if number not in ranks and columns[number].rank]
    kept = [columns[number].rank for number in ranks]
    if left_out and sum(columns[number].least for number in ranks) + len(ranks) - 1 <= width:
        assert max(kept, default=0) <= min(left_out), "a column of a higher rank has stayed"


def test_rows_of_a_table() -> None:
    columns = (Column("name", 4, 10), Column("price", 6, right=True), Column("used", 4), Column("gone", 30, rank=1))
    rows = [heading(columns), Row(1, ("one", ("2.50", 7), Gauge(0.5, 8), "x"))]
    frame = Frame.blank(30, 2)
    draw(frame, columns, rows, chosen=1, active=True)
    assert frame.lines() == [
        " name         price  used     ",
        "\u25b8one           2.50  \u2588\u2588\u00b7\u00b7     ",
    ]
    assert {back_of(int(pen_)) for pen_ in frame.pens[0]} == {BAR}
    assert {back_of(int(pen_)) for pen_ in frame.pens[1]} == {SELECT}
    assert rows[1].text == "one 2.50 50% x"
    draw(frame, columns, rows, chosen=1)
    assert SELECT not in {back_of(int(pen_)) for pen_ in frame.pens[1]}, "the cursor of a pane without focus"
    for width, height in ((0, 0), (1, 1), (2, 5), (3, 1)):
        draw(Frame.blank(width, height), columns, rows)


# Markets. -----------------------------------------------------------------------------------------------------------

FIGURES = (
    "age_ms", "best_bid", "best_ask", "last", "change_24h_pct", "high_24h", "low_24h", "volume_24h", "mark",
    "funding_rate",
)  # fmt: skip

row_of = st.fixed_dictionaries(
    dict.fromkeys(FIGURES, numbers)
    | {
        "live": st.booleans(),
        "last_sell": st.sampled_from((None, True, False)),
        "tick": st.sampled_from((0.01, 1e-8, 0.5, 0.0, 1e9)),
        "name": st.sampled_from((EVIL, "a:B/C", "", "a:b:c/d:e")),
    }
)


@given(fields=row_of, width=st.integers(3, 210))
@settings(max_examples=200, deadline=None)
def test_any_market_can_be_drawn(fields: dict[str, Any], width: int) -> None:
    told = Told().attached(markets=[market(**fields)])
    row = markets.row(told.link, told.link.markets[0], "SHORT", True, width)
    (line,) = lines([row], width, markets.columns(width))
    assert len(line) == width
    assert "\x1b" not in line
    assert "nan" not in line
    assert "inf" not in line


def test_nothing_moves_when_numbers_change() -> None:
    told = Told().attached()
    for width in (36, 78, 116, 198):
        for fields in (
            {}, {"best_bid": 99_999.99, "best_ask": 100_000.0, "last": 100_000.0, "change_24h_pct": None},
            {"best_bid": None, "best_ask": None, "last": None, "last_sell": None}, {"last": 0.5, "age_ms": 59_000.0},
            {"live": False, "age_ms": 1e9},
        ):  # fmt: skip
            row = markets.row(told.link, market(**fields), "ETH", False, width)
            (line,) = lines([row], width, markets.columns(width))
            for one, other in pairwise(places(markets.columns(width), width - 2)):
                assert not line[1 + one.x + one.width : 1 + other.x].strip(), "a figure has left its column"


def test_what_is_old_is_grey_and_has_its_age() -> None:
    told = Told().attached()
    live, _, dead, new = (markets.row(told.link, each, "X", False, 100) for each in told.link.markets)
    assert markets.LIVE in live.text
    assert "<1s" in live.text
    assert not live.pen & OLD
    assert markets.NOT_LIVE in dead.text
    assert "42s" in dead.text
    assert dead.pen & OLD
    assert new.text.split().count(cells.NOTHING) >= 5, "what is not known is not 0"
    assert " 0 " not in new.text
    told.seconds += 8
    for each, age in zip(told.link.markets, ("8s", "8s", "50s", "-"), strict=True):
        row = markets.row(told.link, each, "X", False, 100)
        assert markets.NO_NEWS in row.text, "nobody says that it is live any more"
        assert age in row.text.split()
        assert row.pen & OLD
        assert all(cell[1] & OLD or cell[0] in " \u25cf" for cell in row.cells if isinstance(cell, tuple))
        narrow = markets.row(told.link, each, "X", False, 36)
        assert markets.NO_NEWS in narrow.text
        assert age in narrow.text


def test_up_and_down_differ_without_colours() -> None:
    told = Told().attached()
    (buy, sell) = (markets.row(told.link, market(last_sell=sold), "X", False, 100).text for sold in (False, True))
    assert "\u25b2" in buy
    assert "\u25bc" in sell


# Alerts. ------------------------------------------------------------------------------------------------------------


def test_alerts_are_in_the_order_of_need() -> None:
    seen = troubled(9, severity="critical", acknowledged=True)
    found = alerts.listed([*ALERTS, seen], AlertsView())
    assert [alert.id for alert in found] == [4, 1, 5, 9, 3, 2]
    assert [alert.id for alert in alerts.listed(ALERTS, AlertsView(severity="error"))] == [4, 1]
    assert [alert.id for alert in alerts.listed(ALERTS, AlertsView(active=True))] == [4, 1, 5, 3]
    assert alerts.told(ALERTS, short=False) == "\u25a0 1 critical  \u00d7 1 error  ! 1 warning  \u00b7 1 info"
    assert alerts.told(ALERTS, short=True) == "\u25a01 \u00d71 !1 \u00b71"
    assert alerts.told([ALERTS[1]], short=True) == ""


def test_severities_differ_without_colours() -> None:
    shapes = {alerts.SHAPES[severity][0] for severity in alerts.SEVERITIES}
    assert len(shapes) == len(alerts.SEVERITIES)
    row = alerts.row(troubled(1, severity="apocalypse"), NOW, True)
    assert "apocalypse" in row.text
    assert "?" in row.text


@pytest.mark.parametrize("width", [36, 78, 116, 198])
def test_an_alert_in_a_line(width: int) -> None:
    frame = Frame.blank(width, 2)
    draw(frame, alerts.COLUMNS, [alerts.row(alert, NOW, True) for alert in ALERTS[:2]])
    first, second = frame.lines()
    for word in ("\u00d7", "FEED_DOWN", "public", "active"):
        assert word in first
    assert "healed" in second
    if width > 100:
        assert "try 4 in 3.2 s" in first
        assert "11:59:50Z" in second
    old = alerts.row(ALERTS[0], NOW, False)
    assert old.pen == PAST
    assert all(cell[1] == PAST for cell in old.cells if isinstance(cell, tuple))


def test_an_alert_is_told_whole() -> None:
    told = dict(alerts.detail(ALERTS[0]))
    assert told["what"] == "cannot connect: refused"
    assert told["engine"] == "try 4 in 3.2 s"
    assert told["you"] == "nothing, if it heals"
    assert "12 times" in told["alert"]
    assert dict(alerts.detail(ALERTS[1]))["engine"].startswith("healed 2024-08-05 11:59:50Z")
    assert dict(alerts.detail(troubled(1, text="", doing="", suggestion="")))["what"] == cells.NOTHING
    frame = Frame.blank(70, alerts.DETAIL)
    alerts.draw_detail(frame, troubled(1, text=EVIL, component=EVIL, doing=EVIL, suggestion=EVIL), True)
    assert "\x1b" not in "".join(frame.lines())
    assert "\u202e" not in "".join(frame.lines())
    for width in range(12):
        alerts.draw_detail(Frame.blank(width, 4), ALERTS[0], True)


# Events. ------------------------------------------------------------------------------------------------------------


def entry(cursor: int, ts: int, **fields: Any) -> Entry:
    return Entry(**({"cursor": cursor, "ts": ts, "seq": 0, "kind": "start", "text": f"event {cursor}"} | fields))


def test_events_and_notes_are_merged_by_time() -> None:
    told = Told().attached()
    told.entries(entry(1, NOW - 5 * SECOND), entry(2, NOW + 5 * SECOND))
    told.link.say("between")
    assert [events.words(event)[1] for event in events.story(told.link)] == [
        "start event 1",
        "between",
        "start event 2",
    ]
    assert [events.words(event)[1] for event in events.newest(told.link, 2)] == ["start event 2", "between"]
    assert events.newest(told.link, 3, [])[0].ts == NOW + 5 * SECOND


def test_a_fill_is_told_once_in_the_line_and_stands_in_the_pane() -> None:
    told = Told().attached()
    fill = msgspec.structs.replace(ALERTS[0], code="FILLED", component="ETH/USDT")
    told.entries(entry(1, NOW - SECOND), entry(2, NOW, kind="alert", change="raised", alert=fill))
    told.link.say("filled buy 1 ETH/USDT")
    assert [events.words(event)[1] for event in events.newest(told.link, 3)] == [
        "filled buy 1 ETH/USDT",
        "start event 1",
    ]
    assert len(events.story(told.link)) == 3


def test_in_a_replay_a_note_stands_where_it_was_said() -> None:
    told = Told().attached(replay=playing())
    then = NOW - 365 * 86_400 * SECOND
    told.link.say("before")
    told.entries(entry(1, then))
    told.link.say("between")
    told.entries(entry(2, then + SECOND))
    assert [events.words(event)[1] for event in events.story(told.link)] == [
        "before", "start event 1", "between", "start event 2",
    ]  # fmt: skip


def test_what_an_event_says() -> None:
    told = Told().attached()
    raised = entry(1, NOW - SECOND, kind="alert", change="raised", alert=ALERTS[0])
    healed = entry(2, NOW, kind="alert", change="healed", alert=ALERTS[0])
    for width in (36, 78):
        one, other = lines([events.row(event, told.link) for event in (raised, healed)], width, events.COLUMNS)
        assert "raised" in one
        assert "healed" in other
    assert ("engine", "try 4 in 3.2 s") in events.detail(raised)
    assert events.row(Note(NOW, EVIL), told.link).cells[1][0] == "console"
    told.gone()
    assert events.row(raised, told.link).pen == PAST
    assert events.row(Note(NOW, "x"), told.link).pen != PAST, "the console itself is there"


def test_what_happened_once_is_the_engines_word_and_never_healed() -> None:
    told = Told().attached()
    fill = troubled(9, code="FILLED", severity="info", component="binance:BTC/USDT", text="bought 0.1", doing="")
    rows = [
        entry(number, NOW, kind="alert", change=change, alert=fill)
        for number, change in enumerate(("raised", "changed"), 1)
    ]
    for event in rows:
        assert events.words(event) == ("engine", "FILLED binance:BTC/USDT: bought 0.1")
        assert events.pens(event, True) == alerts.sign_of("info")[1]
    stop = msgspec.structs.replace(fill, code="STOP_HIT")
    told.entries(entry(1, NOW, kind="alert", change="raised", alert=stop))
    frame = Frame.blank(78, 1)
    events.draw_line(frame, events.newest(told.link, 8), told.link)
    assert "STOP_HIT" in frame.lines()[0]
    assert "raised" not in frame.lines()[0]
    past = msgspec.structs.replace(fill, active=False)
    assert ("past", QUIET) in alerts.row(past, NOW, True).cells
    assert dict(alerts.detail(past))["alert"].startswith("info, past, since ")
    assert "healed" not in str(alerts.detail(past))


def test_the_line_of_events_fits_any_width() -> None:
    told = Told().attached()
    told.entries(entry(1, NOW - 50 * SECOND, text=EVIL), entry(2, NOW, kind="alert", change="raised", alert=ALERTS[0]))
    told.link.say("hello " + EVIL)
    for width in range(1, 210):
        frame = Frame.blank(width, 1)
        events.draw_line(frame, events.newest(told.link, 8), told.link)
        (line,) = frame.lines()
        assert len(line) == width
        assert "\x1b" not in line
    assert line.index("hello") < line.index("raised FEED_DOWN")
    events.draw_line(Frame.blank(80, 1), [], told.link)


# System. ------------------------------------------------------------------------------------------------------------


def all_rows(told: Told, own: Own = Own(), *, low: bool = False) -> list[Row]:  # noqa: B008
    return [row for section in system.sections(told.link, own, low=low) for row in section]


def test_everything_of_the_health_is_told() -> None:
    told = Told().attached()
    text = "\n".join(lines(all_rows(told, Own(3, 36.4, 4.0)), 198))
    for words in (
        "healthy", "up 3h04m", "[x] engine", "running", "4711", "104", "131", "81 MB", "12", "[ ] trainer",
        "exit 1: out of memory", "[ ] inference", "not built", "[x] binance", "[ ] recorder", "no space left",
        "DOWN", "42s", "try 4 in 3.2 s: cannot connect: refused", "0.02", "0.35", "1.2", "receive to state",
        "310", "1024", "4800", "6000", "31s", "100 MB written of 1.0 GB", "51 GB", "999", "12 MB", "level INFO",
        "3 ms late", "36 kB/s",
    ):  # fmt: skip
        assert words in text, words


def test_who_serves_the_candles_of_the_past_is_told() -> None:
    def series(timeframe: str, source: str, **told: object) -> ServingView:
        plain = {"rows": 1500, "ms": 81.0, "at": 1, "failed": "", "again_s": None, "missing": 0, "stand_in": ""}
        return ServingView(instrument="binance:ETH/USDT", timeframe=timeframe, source=source, **(plain | told))

    failed = {"failed": "venue: HTTP 503", "stand_in": "mexc", "missing": 4}
    views = (series("1s", ""), series("1m", "venue"), series("5m", "venue"), series("1h", "mexc", **failed))
    text = "\n".join(lines(all_rows(Told().attached(fit(history=views))), 198))
    assert re.search(r"binance:ETH/USDT +venue +1m 5m +81 +0", text)
    assert re.search(r"binance:ETH/USDT +mexc +1h +81 +4 +venue: HTTP 503", text)
    assert "candles of" not in "\n".join(lines(all_rows(Told().attached(fit(history=views[:1]))), 198))


def test_a_small_pane_tells_the_worst_first() -> None:
    told = Told().attached(fit(state="degraded", why=("FEED_DOWN binance: it is down",)))
    found = lines(all_rows(told, low=True)[:9], 36)
    assert found[0].split()[0] == "degraded"
    assert "FEED_DOWN" in found[1]
    assert "[x] engine" in found[3]
    assert "feeds" in found[5]
    assert "1/2 up, 42s, gaps 2" in found[5]
    assert "p99" in found[6]


def test_figures_of_a_feed_that_is_down_are_those_of_then() -> None:
    down = msgspec.structs.replace(fit().connections[0], up=False)
    rows = all_rows(Told().attached(fit(connections=(down,))), low=True)
    by = {row.id[1]: row for row in rows if not row.head and row.id[0] in ("brief", "stage", "connection")}  # type: ignore[index]
    assert "0/1 up" in by["feeds"].text
    assert by["p99"].cells[1][1] & OLD  # type: ignore[index]
    assert by["apply"].pen & OLD
    assert by["binance"].cells[3][1] == PAST  # type: ignore[index]
    told = Told().attached(fit(connections=fit().connections[:1]))
    assert "1/1 up" in "".join(row.text for row in all_rows(told, low=True))
    told.seconds += SILENT_S + 4
    assert "0/1 up" in "".join(row.text for row in all_rows(told, low=True))


def test_a_replay_tells_messages_instead_of_feeds_and_times() -> None:
    nothing = LatencyView(samples=0, p50_ms=None, p95_ms=None, p99_ms=None, max_ms=None)
    fared = fit(data="replay", connections=(), stages={"apply": nothing})
    told = Told().attached(fared, replay=playing(messages=1234, refused=2))
    text = "\n".join(row.text for row in all_rows(told, low=True))
    assert "1234 messages, gaps" in text
    assert "1234 messages, 2 refused" in text
    assert "0/0" not in text
    assert "latency" not in text


def test_an_engine_that_is_gone_is_told_by_the_console() -> None:
    told = Told().attached()
    told.gone()
    told.seconds += 9
    rows = all_rows(told)
    engine = next(row for row in rows if row.id == system.ENGINE)
    assert "[ ] engine GONE" in engine.text
    assert "E or enter starts it" in engine.text
    old = [row for row in rows if not row.head and row.id[0] not in ("verdict", "process", "own")]  # type: ignore[index]
    assert old
    assert all(row.pen & OLD for row in old), "old figures look like those of now"
    assert "no news for 9s" in rows[0].text
    assert all_rows(Told())[0].text.startswith("looking")


def test_a_stalled_engine_keeps_its_word() -> None:
    told = Told().attached()
    told.seconds += SILENT_S + 4
    engine = next(row for row in all_rows(told) if row.id == system.ENGINE)
    assert "[x] engine STALLED" in engine.text
    assert "4711" in engine.text
    assert engine.pen & OLD


@given(
    width=st.integers(3, 210),
    number=st.sampled_from((0, 1, 10**9, 10**18)),
    figure=st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)),
    text=st.sampled_from(("", EVIL, "x" * 400)),
)
@settings(max_examples=60, deadline=None)
def test_any_health_can_be_drawn(width: int, number: int, figure: float | None, text: str) -> None:
    def anything(view: Any) -> Any:
        fields = {}
        for name in view.__struct_fields__:
            value = getattr(view, name)
            if isinstance(value, bool):
                continue
            if isinstance(value, int):
                fields[name] = number
            elif isinstance(value, float) or value is None:
                optional = name not in ("rate", "reset_s", "blocked_s")
                fields[name] = figure if optional else abs(figure or 0.0)
            elif isinstance(value, str):
                fields[name] = text
        return msgspec.structs.replace(view, **fields)

    plain = fit()
    changed = {
        name: tuple(anything(each) for each in getattr(plain, name))
        for name in ("processes", "components", "queues", "connections", "budgets", "consoles")
    }
    told = Told().attached(fit(**changed, stages={text: anything(plain.stages["queue"])}, disk_free_mb=number))
    for low in (False, True):
        for line in lines(all_rows(told, Own(float(number), float(number)), low=low), width):
            assert len(line) == width
            assert "\x1b" not in line


def test_a_bar_is_as_wide_as_its_column() -> None:
    told = Told().attached()
    for width in (36, 78, 198):
        line = next(line for line in lines(vitals.budgets(told.link.health), width) if "binance" in line)  # type: ignore[arg-type]
        assert "\u2026" not in line
        assert "\u2588" in line
