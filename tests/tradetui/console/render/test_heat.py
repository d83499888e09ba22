"""The heat map: what it shows is the book, and what was shown stays where it is."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.views import HeatRow, TradeRow
from tests.support.desk_data import COIN_BTC, FUTURES_ETH, SPOT_ETH, Playback, playback
from tradetui.console.render import ramps
from tradetui.console.render.columns import History, Window, gather, join, present, read
from tradetui.console.render.frame import Frame
from tradetui.console.render.heat import HeatMap, Scene, arrange
from tradetui.console.render.heat_edge import depth
from tradetui.console.render.heat_image import ASCII_DOTS, DOTS, LINES, Scheme, image, lines
from tradetui.console.render.look import COLOURS, Look
from tradetui.console.render.pens import (
    ASK,
    BALANCE,
    BID,
    GROUND,
    HEAT,
    HEAT_ASK,
    HEAT_BID,
    LEVELS,
    MID,
    OLD,
    UNKNOWN,
    back_of,
    fore_of,
)
from tradetui.console.render.prints import Prints
from tradetui.console.view import HeatView

LOOKS = [*(Look(colours) for colours in COLOURS), Look("none", ascii=True)]


@pytest.fixture(scope="module")
def plays(recordings_root_path: Path) -> dict[str, Playback]:
    """Two minutes of a linear market, an inverse one, and one whose book is known in part."""
    return {name: playback(recordings_root_path, name, 120) for name in (SPOT_ETH, FUTURES_ETH, COIN_BTC)}


def row(second: int, price: float = 100.0, *, size: float = 1.0, zero: int = -1, partial: int = -1) -> HeatRow:
    """Forty buckets from `price` on: bids of 2 below the middle, asks of 4 from it on."""
    bids = [0.0 if place == zero else 2.0 for place in range(20)] + [0.0] * 20
    asks = [0.0] * 20 + [0.0 if place == zero else 4.0 for place in range(20, 40)]
    middle = price + 20 * size
    marks = tuple(place == partial for place in range(40))
    return HeatRow(second, price, size, middle - 0.1, middle + 0.1, tuple(bids), tuple(asks), marks)


def scene(play: Playback, *, live: bool = True) -> Scene:
    desk = play.desk
    heat, trades = desk.heat(), desk.trades()
    return Scene(
        play.instrument, heat.rows, heat.version, trades.rows, trades.version, desk.cob(), live,
        desk.now() // 10**9, 0.01,
    )  # fmt: skip


def of_rows(rows: list[HeatRow], trades: list[TradeRow] | None = None, now: int = 0) -> Scene:
    return Scene("x:A/B", rows, len(rows), trades or [], len(trades or []), None, False, now, 0.1)


def drawn(heat: HeatMap, what: Scene, width: int, height: int, view: HeatView, look: Look = LOOKS[0]) -> Frame:
    frame = Frame.blank(width, height)
    assert heat.draw(frame, what, view, look)
    return frame


# Columns. -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["size", "imbalance", "spread"])
@pytest.mark.parametrize("name", [SPOT_ETH, FUTURES_ETH, COIN_BTC])
def test_a_grid_is_the_heat_map_of_the_engine(plays: dict[str, Playback], name: str, metric: str) -> None:
    play = plays[name]
    cob, instrument = play.market.cob, play.market.instrument
    assert cob is not None
    wanted = cob.heatmap(metric)
    history = History()
    rows = play.desk.heat().rows
    history.take(rows, rows[-1].size)
    window = Window(wanted.seconds[0] - 1, len(wanted.seconds), 1, wanted.base, 40, 1, rows[-1].size)
    grid = gather(history.seconds, window, metric)
    cells = wanted.cells.T
    if metric == "size" and not instrument.contract_size:
        cells = cells / instrument.size_scale
    if metric != "size" or not instrument.contract_size:  # the engine's are contracts there, ours are coins
        np.testing.assert_allclose(grid.value, cells, rtol=1e-9)
    seen = ~np.isnan(cob.heatmap("size").cells.T)
    np.testing.assert_array_equal(grid.known, seen)
    if metric == "size":
        np.testing.assert_array_equal(grid.partial, wanted.partial.T)
    best = np.array([(each.best_bid, each.best_ask) for each in cob.columns]).T
    np.testing.assert_allclose(grid.best, best * instrument.price(1))


@pytest.mark.parametrize(("each", "merge"), [(1, 1), (5, 1), (2, 5), (10, 10)])
def test_a_column_holds_the_same_seconds_wherever_the_window_stands(
    plays: dict[str, Playback], each: int, merge: int
) -> None:
    rows = plays[SPOT_ETH].desk.heat().rows
    seconds = read(rows)
    first, bottom = int(seconds.start[0]) // each, int(seconds.base[0]) // merge
    whole = gather(seconds, Window(first, 120 // each, each, bottom, 40, merge, float(merge)), "size")
    for along, up in ((1, 0), (3, 2)):
        moved = gather(seconds, Window(first + along, 8, each, bottom + up, 12, merge, float(merge)), "size")
        for one, other in ((moved.value, whole.value), (moved.partial, whole.partial), (moved.known, whole.known)):
            np.testing.assert_array_equal(one, other[up : up + 12, along : along + 8])


def test_means_are_over_the_known_seconds_and_sums_over_the_buckets() -> None:
    seconds = read([row(11), row(13, zero=0), row(31)])  # seconds 10 and 12 of column 1, 30 of column 3
    grid = gather(seconds, Window(0, 4, 10, 50, 20, 2, 2.0), "size")
    assert grid.known.any(axis=0).tolist() == [False, True, False, True]
    assert grid.value[0, 1] == pytest.approx((4.0 + 2.0) / 2)  # buckets 100 and 101: 2 + 2, then 0 + 2
    assert grid.value[0, 3] == 4.0
    assert np.isnan(grid.value[:, [0, 2]]).all()
    assert np.isnan(grid.best[:, [0, 2]]).all()


def test_a_merged_bucket_that_is_seen_in_part_is_a_lower_bound() -> None:
    grid = gather(read([row(1, price=101.0)]), Window(0, 1, 1, 50, 22, 2, 2.0), "size")
    assert (grid.known[0, 0], grid.partial[0, 0], grid.value[0, 0]) == (True, True, 2.0)  # 101 alone of 100 and 101
    assert (grid.known[1, 0], grid.partial[1, 0], grid.value[1, 0]) == (True, False, 4.0)
    assert not grid.known[21, 0]


def test_only_new_rows_are_read(plays: dict[str, Playback], monkeypatch: pytest.MonkeyPatch) -> None:
    rows = plays[SPOT_ETH].desk.heat().rows
    history = History()
    history.take(rows[:50], rows[0].size)
    counted: list[int] = []
    monkeypatch.setattr("tradetui.console.render.columns.read", lambda new: counted.append(len(new)) or read(new))
    history.take(rows[5:53], rows[0].size)
    assert counted == [3]
    for one, other in zip(history.seconds, read(rows[5:53]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_rows_of_another_bucket_size_are_left_out() -> None:
    history = History()
    history.take([row(1), row(2, size=2.0)], 2.0)
    assert history.seconds.start.tolist() == [1]


def test_the_present_is_a_second_like_any_other(plays: dict[str, Playback]) -> None:
    play = plays[FUTURES_ETH]
    cob = play.desk.cob()
    assert cob is not None
    now = present(cob, 7)
    assert now is not None
    assert now.bids[0].tolist() == [bucket.bid for bucket in cob.buckets]
    assert now.base[0] * (cob.bucket_size or 0) == cob.buckets[0].price
    assert len(join(now, now).start) == 2


# Scales. ------------------------------------------------------------------------------------------------------------


def test_cut_offs_are_percentiles_and_stay_until_they_moved_by_a_level() -> None:
    values = np.array([np.nan, 0.0, *range(1, 102)], dtype=np.float64)
    cut = ramps.wanted_cut(values, 5.0)
    assert cut == ramps.Cut(6.0, 96.0)
    assert ramps.follow_cut(cut, ramps.Cut(6.0, 96.0 + 90 / 16)) == cut
    assert ramps.follow_cut(cut, moved := ramps.Cut(6.0, 96.1 + 90 / 16)) == moved
    assert ramps.follow_cut(cut, None) == cut
    assert ramps.wanted_cut(np.zeros(3), 5.0) is None


def test_what_hardly_differs_does_not_look_different() -> None:
    cut = ramps.wanted_cut(np.array([0.0162, 0.01621, 0.01619]), 5.0)
    assert set(ramps.levels(np.array([[0.0162, 0.01621, 0.01619]]), cut)[0].tolist()) == {0}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.floats(0, 40), st.just(float("nan"))), min_size=6, max_size=30), st.integers(1, 4))
def test_levels_stay_when_the_window_moves_and_are_true(sizes: list[float], step: int) -> None:
    values, cut, width = np.array([sizes]), ramps.Cut(4.0, 36.0), 5
    steady, before = ramps.Steady(), np.zeros((1, 0), dtype=np.int64)
    for first in range(0, len(sizes) - width, step):
        level = steady.levels(values[:, first : first + width], cut, first, "same")
        if first and step < width:
            assert level[0, : width - step].tolist() == before[0, step:].tolist()
        before = level
        for value, found in zip(sizes[first : first + width], level[0].tolist(), strict=True):
            exact = np.clip((value - 4.0) / 2.0, 0, 15.99)
            assert found == 0 if np.isnan(value) else found - 0.51 <= exact <= found + 1.51


def test_a_second_that_came_late_is_drawn() -> None:
    steady, cut = ramps.Steady(), ramps.Cut(0.0, 16.0)
    steady.levels(np.array([[1.0, np.nan, 9.0]]), cut, 0, "same")
    assert steady.levels(np.array([[7.0, 9.0, 9.0]]), cut, 1, "same").tolist() == [[7, 9, 9]]


def test_the_middle_stays_until_the_mid_leaves_the_inner_third() -> None:
    assert ramps.follow_middle(None, 100, 30) == 100
    assert [ramps.follow_middle(100, mid, 30) for mid in (95, 105, 106, 94)] == [100, 100, 106, 94]


@given(st.floats(1e-9, 1e12), st.floats(0, 1e12))
def test_a_scale_of_bars_holds_every_bar(most: float, kept: float) -> None:
    top = ramps.follow_top(kept, most)
    assert most <= top * (1 + 1e-9)
    assert top == kept or most > 0.4 * top
    assert ramps.follow_top(top, most) == top


def test_bars_tell_the_sides_apart_and_show_what_is_small() -> None:
    values = np.array([0.0, 1e-6, 50.0, 100.0, 200.0, np.nan])
    bids, asks = (ramps.bars(values, 100.0, 4, ramp) for ramp in (ramps.BID_BAR, ramps.ASK_BAR))
    assert ["".join(line) for line in bids] == ["    ", "▏   ", "██  ", "████", "████", "    "]
    assert ["".join(line) for line in asks] == ["    ", "░   ", "▓▓  ", "▓▓▓▓", "▓▓▓▓", "    "]


# Cells. -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("look", LOOKS, ids=str)
@pytest.mark.parametrize("rows", [20, 40], ids=["two buckets a row", "one bucket a row"])
def test_unknown_nothing_and_partial_look_different(look: Look, rows: int) -> None:
    seconds = read([row(1, zero=0, partial=6), row(2, zero=0, partial=6)])
    view = HeatView()
    scheme = arrange(40, rows + 2, 5, view, look).scheme
    buckets = 2 * rows if not scheme.tall else rows
    window = Window(0, 4, 1, 98, buckets, 1, 1.0)
    grid = gather(seconds, window, "size")
    picture = image(grid, window, ramps.levels(grid.value, ramps.Cut(0.5, 4.0)), scheme)
    y = {name: int(scheme.row(np.array(float(bucket - 98)))) for name, bucket in
         (("unknown", 98), ("nothing", 100), ("partial", 106), ("some", 110))}  # fmt: skip
    cells = {
        name: [(str(picture.glyphs[at, x]), int(picture.pens[at, x])) for x in (0, 1)]
        for name, at in y.items() if 0 <= at < scheme.rows
    }  # fmt: skip
    assert len({str(cell) for cell in cells.values()}) == len(cells)
    if "partial" in cells:
        assert ramps.HATCH in cells["partial"][0][0] + cells["partial"][1][0]
    if "unknown" in cells:
        assert cells["unknown"][0][0] == " "
        if look.shades:
            assert back_of(cells["unknown"][0][1]) == GROUND
            assert cells["nothing"][0][0] != " "
        else:
            assert back_of(cells["unknown"][0][1]) == UNKNOWN
    assert (picture.glyphs[:, 2:] == " ").all()
    assert (picture.roles[:, 2:] == (GROUND if look.shades else UNKNOWN)).all()


def test_the_upper_half_of_a_row_is_the_higher_price() -> None:
    window = Window(0, 1, 1, 100, 40, 1, 1.0)
    grid = gather(read([row(1, zero=0)]), window, "size")  # bucket 100 is empty, 101 is not
    picture = image(grid, window, ramps.levels(grid.value, ramps.Cut(0.5, 4.0)), Scheme(20, 0, "size", False, LOOKS[0]))
    assert picture.glyphs[19, 0] == "▀"
    assert (fore_of(int(picture.pens[19, 0])), back_of(int(picture.pens[19, 0]))) == (HEAT + 6, HEAT)


def test_a_spread_is_no_lower_bound_outside_of_itself() -> None:
    grid = gather(read([row(1, partial=6)]), Window(0, 1, 1, 100, 40, 1, 1.0), "spread")
    assert not grid.partial.any()
    assert np.flatnonzero(~np.isnan(grid.value[:, 0])).tolist() == [19, 20]


def test_best_bid_and_ask_have_lines_of_their_own_where_they_are_apart() -> None:
    window, scheme = Window(0, 2, 1, 100, 40, 1, 1.0), Scheme(40, 1, "size", False, LOOKS[0])
    rows = [row(1), row(2)]
    rows[1] = msgspec.structs.replace(rows[1], best_bid=120.4, best_ask=120.6)
    grid = gather(read(rows), window, "size")
    picture = image(grid, window, ramps.levels(grid.value, ramps.Cut(1.0, 40.0)), scheme)
    lines(picture, grid, window, scheme)
    # 119.9 and 120.1: the top of one bucket and the bottom of the next; 120.4 and 120.6: one line in the middle.
    assert picture.glyphs[19:21, :].tolist() == [["▁", "─"], ["▔", " "]]
    assert [fore_of(int(pen)) for pen in picture.pens[[20, 19, 19], [0, 0, 1]]] == [BID, ASK, MID]


def test_tint_gives_the_sides_ramps_of_their_own() -> None:
    seconds, view = read([row(1)]), HeatView(tint=True)
    window = Window(0, 1, 1, 100, 40, 1, 1.0)
    grid = gather(seconds, window, "size")
    picture = image(
        grid, window, ramps.levels(grid.value, ramps.Cut(1.0, 8.0)), Scheme(40, 1, "size", view.tint, LOOKS[0])
    )
    assert {(role - HEAT_BID) // LEVELS for role in picture.roles[:20, 0].tolist()} == {0}
    assert {(role - HEAT_ASK) // LEVELS for role in picture.roles[20:, 0].tolist()} == {0}


def test_imbalance_leans_to_the_side_that_is_larger() -> None:
    window = Window(0, 1, 1, 100, 40, 1, 1.0)
    grid = gather(read([row(1)]), window, "imbalance")
    level = ramps.levels(grid.value, ramps.BALANCED)
    colours = image(grid, window, level, Scheme(40, 1, "imbalance", False, LOOKS[0]))
    assert (colours.roles[0, 0], colours.roles[39, 0]) == (BALANCE + 15, BALANCE)
    for look, ends in ((Look("none"), "▲▼"), (Look("none", ascii=True), "^V")):
        shaded = image(grid, window, level, Scheme(40, 1, "imbalance", False, look))
        assert shaded.glyphs[39, 0] == {"▲": "▲", "^": "A"}[ends[0]]
        assert shaded.glyphs[0, 0] == ends[1]


@pytest.mark.parametrize("look", LOOKS, ids=str)
@pytest.mark.parametrize(("merge", "height"), [(1, 42), (5, 22), (1, 18)])
def test_dots_and_lines_stand_on_their_second_and_price(look: Look, merge: int, height: int) -> None:
    rows = [row(second) for second in range(1001, 1061)]
    trades = [
        TradeRow(1, 1_020_300, 113.5, 50.0, True, True),
        TradeRow(2, 1_030_999, 118.0, 60.0, False, True),
        TradeRow(3, 1_030_999, 118.0, 0.1, True, False),
    ]
    view = HeatView(merge=merge)
    heat = HeatMap()
    frame = drawn(heat, of_rows(rows, trades, 1060), 80, height, view, look)
    layout = arrange(80, height, 7, view, look)
    marks = ASCII_DOTS if look.ascii else DOTS
    part = frame.part(0, 0, layout.columns, layout.scheme.rows).glyphs
    found = [(int(x), int(y), str(part[y, x])) for y, x in np.argwhere(np.isin(part, list(marks)))]
    assert heat.window is not None
    first, bottom = heat.window.first, heat.window.bottom
    wanted = [
        (second - first, int(layout.scheme.row(np.array(price // merge - bottom + 0.5))), glyph)
        for second, price, glyph in ((1020, 113, marks[1]), (1030, 118, marks[3]))
    ]
    assert sorted(found) == sorted(wanted)
    x = 1040 - first
    y = int(layout.scheme.row(np.array(120.0 / merge - bottom)))
    assert any(str(part[at, x]) in LINES for at in (y, y + 1))
    labels = frame.part(layout.columns + 1, 0, layout.label, layout.scheme.rows).lines()
    assert "▸" in labels[y] or "120" in labels[y]


def test_the_numbers_of_trades_do_not_end_with_the_tape() -> None:
    prints, window = Prints(), Window(0, 100, 1, 100, 40, 1, 1.0)
    prints.take([TradeRow(1, 5000, 110.0, 3.0, False, True)], 1.0)
    prints.take([TradeRow(2, 6000, 111.0, 3.0, True, False)], 1.0)  # the first has rolled out of the tape
    assert prints.hits(window).x.tolist() == [5, 6]
    prints.take([TradeRow(1, 5000, 110.0, 3.0, False, True)], 1.0)  # a replay went back
    assert prints.hits(window).x.tolist() == [5]


# The whole. ---------------------------------------------------------------------------------------------------------


def test_between_two_seconds_only_the_column_of_now_and_the_edge_change(recordings_root_path: Path) -> None:
    play = playback(recordings_root_path, FUTURES_ETH, 60)
    heat, view, width = HeatMap(), HeatView(), 120
    columns = arrange(width, 30, len("2679.205") + 1, view, LOOKS[0]).columns
    before, still, moved = None, 0, 0
    for quarter in range(40):
        play.to(60 + quarter / 4)
        frame = drawn(heat, scene(play), width, 30, view)
        if before is not None:
            seconds = heat.window, play.desk.heat().version
            differs = (frame.glyphs != before[0].glyphs) | (frame.pens != before[0].pens)
            if seconds == before[1]:
                assert not differs[:28, : columns - 1].any()
                still += 1
            else:
                moved += 1
        before = frame, (heat.window, play.desk.heat().version)
    assert still >= 25
    assert moved >= 8


def test_columns_keep_their_cells_while_they_move(recordings_root_path: Path) -> None:
    play = playback(recordings_root_path, FUTURES_ETH, 100)
    heat, view = HeatMap(), HeatView(dots=False, lines=False)
    kept = changed = 0
    before = None
    for second in range(20):
        play.to(100 + second)
        frame = drawn(heat, scene(play), 100, 30, view)
        window, cut = heat.window, heat.cut
        assert window is not None
        if before is not None and (cut, window.bottom) == before[1]:
            shift = window.first - before[2]
            columns = window.columns - 1
            one = frame.part(0, 0, columns - shift, 28)
            other = before[0].part(shift, 0, columns - shift, 28)
            assert (one.glyphs == other.glyphs).all()
            assert (one.pens == other.pens).all()
            kept += 1
        elif before is not None:
            changed += 1
        before = frame, (cut, window.bottom), window.first
    assert kept > 2 * changed


def test_missing_seconds_stay_open(plays: dict[str, Playback]) -> None:
    play = plays[SPOT_ETH]
    told = scene(play)
    rows = [each for each in told.rows if each.second % 60 not in range(20, 30)]
    heat = HeatMap()
    frame = drawn(heat, told._replace(rows=rows), 100, 30, HeatView(dots=False))
    assert heat.window is not None
    hole = [x for x in range(heat.window.columns - 1) if (heat.window.first + x + 1) % 60 in range(20, 30)]
    assert len(hole) >= 10
    assert {back_of(int(pen)) for pen in frame.pens[:28, hole].ravel()} == {UNKNOWN}


def test_a_book_that_is_not_live_has_no_column_and_no_depth_of_now(plays: dict[str, Playback]) -> None:
    told = scene(plays[SPOT_ETH])
    live = drawn(HeatMap(), told, 118, 24, HeatView())
    lost = drawn(HeatMap(), told._replace(live=False, now=told.now + 60, word="now▸"), 118, 24, HeatView())
    text = "\n".join(lost.lines())
    assert "live▸" in live.lines()[22]
    assert "live" not in text
    assert "now▸" in lost.lines()[22]
    assert "unknown since" in text
    bars = [line[-12:] for line in live.lines()[:22]]
    assert "▓" in "".join(bars[:9])
    assert "▓" not in "".join(bars[13:])
    assert "█" in "".join(bars[13:])
    assert "█" not in "".join(bars[:9])
    assert not any(char in "\n".join(line[-12:] for line in lost.lines()[:20]) for char in "█▓")


def test_nothing_is_drawn_of_nothing() -> None:
    frame = Frame.blank(30, 10)
    assert not HeatMap().draw(frame, of_rows([]), HeatView(), LOOKS[0])
    assert set("".join(frame.lines())) == {" "}


def test_another_instrument_begins_anew(plays: dict[str, Playback]) -> None:
    heat, view = HeatMap(), HeatView()
    drawn(heat, scene(plays[SPOT_ETH]), 100, 24, view)
    one = drawn(heat, scene(plays[COIN_BTC]), 100, 24, view)
    other = drawn(HeatMap(), scene(plays[COIN_BTC]), 100, 24, view)
    assert one.lines() == other.lines()
    assert (one.pens == other.pens).all()


@settings(max_examples=80, deadline=None)
@given(
    width=st.integers(1, 130), height=st.integers(1, 60), look=st.sampled_from(LOOKS),
    metric=st.sampled_from(["size", "imbalance", "spread"]), seconds=st.sampled_from([1, 2, 5, 10, 30]),
    merge=st.sampled_from([1, 2, 5, 10]), tint=st.booleans(), live=st.booleans(),
)  # fmt: skip
def test_every_size_can_be_drawn(
    plays: dict[str, Playback], width: int, height: int, look: Look, metric: str, seconds: int, merge: int, tint: bool,
    live: bool,
) -> None:  # fmt: skip
    view = HeatView(metric=metric, seconds=seconds, merge=merge, tint=tint)  # type: ignore[arg-type]
    heat = HeatMap()
    told = scene(plays[SPOT_ETH], live=live)
    frame = drawn(heat, told, width, height, view, look)
    assert all(len(char) == 1 for char in frame.glyphs.ravel())
    again = drawn(heat, told, width, height, view, look)
    assert frame.changed(again) == []


# What a trader asked for. -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "merge"), [(42, 1), (82, 1), (125, 1), (22, 1), (30, 5), (40, 10)])
def test_the_tag_of_the_mid_stands_on_the_row_of_its_bucket_beside_its_own_bar(
    plays: dict[str, Playback], height: int, merge: int
) -> None:
    heat, view, width = HeatMap(), HeatView(merge=merge), 130
    told = scene(plays[COIN_BTC])
    assert told.cob is not None
    assert told.cob.mid is not None
    frame = drawn(heat, told, width, height, view)
    layout = arrange(width, height, len("60000.005") + 1, view, LOOKS[0])
    window, scheme = heat.window, layout.scheme
    assert window is not None
    bucket = int(told.cob.mid // window.size) - window.bottom
    upwards = range(scheme.rows)
    if scheme.tall:
        rows = {scheme.rows - 1 - up for up in upwards if up // scheme.tall == bucket}
    else:
        rows = {scheme.rows - 1 - up for up in upwards if up == bucket // 2}
    tags = [y for y, line in enumerate(frame.lines()) if "\u25b8" in line and y < scheme.rows]
    assert len(tags) == 1
    assert tags[0] in rows
    labels = frame.part(layout.columns + 1, 0, layout.label, scheme.rows).lines()
    if scheme.tall > 1:
        assert labels[max(rows)].strip() == f"{(bucket + window.bottom) * window.size:.0f}"
    alone = Frame.blank(layout.bar, scheme.rows)
    now = present(told.cob, told.now)
    assert now is not None
    grid = gather(now, window._replace(first=told.now, columns=1, each=1), "size")
    depth(alone, grid, heat._top, scheme)
    bars = frame.part(layout.columns + layout.label + 2, 0, layout.bar, scheme.rows)
    assert bars.lines()[tags[0]] == alone.lines()[tags[0]]
    assert grid.bids[bucket, 0] + grid.asks[bucket, 0] > 0


def test_a_mid_that_is_past_is_no_tag(plays: dict[str, Playback]) -> None:
    told, view = scene(plays[SPOT_ETH]), HeatView()
    mid = f"{(told.rows[-1].best_bid + told.rows[-1].best_ask) / 2:.3f}"
    frame = drawn(HeatMap(), told._replace(live=False, now=told.now + 9, word="last\u25b8"), 110, 40, view)
    assert "\u25b8" not in "".join(frame.lines()[:38])
    (y,) = (y for y, line in enumerate(frame.lines()[:38]) if mid in line)
    x = frame.lines()[y].index(mid)
    assert frame.pens[y, x] & OLD
    assert back_of(int(frame.pens[y, x])) == GROUND


@pytest.mark.parametrize("width", [58, 65])
def test_a_narrow_legend_keeps_trades_and_best_prices(plays: dict[str, Playback], width: int) -> None:
    text = drawn(HeatMap(), scene(plays[SPOT_ETH]), width, 20, HeatView()).lines()[-1]
    assert "\u25cb buy  \u25cf sell  \u2500 best" in text
    assert "unknown" not in text
    wide = drawn(HeatMap(), scene(plays[SPOT_ETH]), 120, 20, HeatView()).lines()[-1]
    for words in ("\u25cb bought", "\u25cf sold", "\u2500 best prices", "\u2571 lower bound", "unknown"):
        assert words in wide


def test_a_spread_is_seen_on_a_scale_from_nothing_to_the_widest(plays: dict[str, Playback]) -> None:
    rows = [row(1), row(2), msgspec.structs.replace(row(3), best_bid=117.0, best_ask=122.0)]
    heat = HeatMap()
    frame = drawn(heat, of_rows(rows, now=3), 60, 42, HeatView(metric="spread", dots=False))
    assert heat.cut is not None
    widest = 20_000 * 5 / 239
    assert widest <= heat.cut.high <= 1.1 * widest
    assert heat.window is not None
    seen = (frame.pens[:40, : heat.window.columns] >> 8 & 0xFF) - HEAT
    x = [second - 1 - heat.window.first for second in (1, 2, 3)]
    levels = [[int(level) for level in seen[:, at] if 0 <= level < LEVELS] for at in x]
    assert [len(each) for each in levels] == [2, 2, 6]
    assert min(levels[0]) >= ramps.DIMMEST
    assert min(levels[2]) > max(levels[0])
    steady = drawn(HeatMap(), scene(plays[FUTURES_ETH]), 65, 20, HeatView(metric="spread"))
    text = steady.lines()[-1]
    assert text.startswith("0 ")
    low, high = text[:2].strip(), re.search(r"([\d.]+) +bp", text)
    assert high is not None
    assert low == "0"
    assert len(high[1].replace("0.", "").lstrip("0")) <= 2


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_a_spread_is_seen_in_every_look(plays: dict[str, Playback], look: Look) -> None:
    frame = drawn(HeatMap(), scene(plays[FUTURES_ETH]), 65, 24, HeatView(metric="spread", dots=False), look)
    part = frame.part(0, 0, 50, 22)
    if look.shades:
        told = set("".join(part.lines()))
        assert told & set(ramps.ASCII_SHADES[1:] if look.ascii else ramps.SHADES[1:])
    else:
        roles = {role for pen in part.pens.ravel().tolist() for role in (fore_of(pen), back_of(pen))}
        assert any(HEAT + ramps.DIMMEST <= role < HEAT + LEVELS for role in roles)
