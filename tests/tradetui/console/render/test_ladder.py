"""The ladder: the mid in the middle, each side outwards from it, sums that are true, bounds that say so."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.snapshot import BookView, CobView, book_view
from engine.types import SECOND
from tests.support.desk_data import COIN_BTC, FUTURES_ETH, SPOT_ETH, playback
from tradetui.console.render.frame import Frame
from tradetui.console.render.instruments import inverse
from tradetui.console.render.ladder import MINE, Ladder, sides
from tradetui.console.render.pens import ASK, BID, fore_of


@pytest.fixture(scope="module")
def books(recordings_root_path: Path) -> dict[str, CobView]:
    """Real books: of the linear one the outer buckets are partial."""
    found = {}
    for name in (SPOT_ETH, FUTURES_ETH, COIN_BTC):
        cob = playback(recordings_root_path, name, 90).desk.cob()
        assert cob is not None
        found[name] = cob
    return found


def drawn(cob: CobView, width: int, height: int, merge: int = 1, *, live: bool = True) -> Frame:
    frame = Frame.blank(width, height)
    assert Ladder().draw(frame, cob, merge, 0.01, live=live)
    return frame


@pytest.mark.parametrize("merge", [1, 2, 5])
@pytest.mark.parametrize("name", [SPOT_ETH, FUTURES_ETH, COIN_BTC])
def test_the_sides_are_the_buckets_from_the_best_price_outwards(
    books: dict[str, CobView], name: str, merge: int
) -> None:
    cob = books[name]
    found = sides(cob, merge, 60 // merge)
    assert found is not None
    bids, asks = found
    size = (cob.bucket_size or 0) * merge
    assert cob.best_bid is not None
    assert cob.best_ask is not None
    assert bids.prices[0] <= cob.best_bid < bids.prices[0] + size
    assert cob.best_ask is not None
    assert asks.prices[0] <= cob.best_ask < asks.prices[0] + size
    np.testing.assert_allclose(np.diff(bids.prices), -size)
    np.testing.assert_allclose(np.diff(asks.prices), size)
    # Over all buckets that are known, the sums are the whole of both sides.
    assert np.nanmax(bids.sums) == pytest.approx(sum(bucket.bid for bucket in cob.buckets))
    assert np.nanmax(asks.sums) == pytest.approx(sum(bucket.ask for bucket in cob.buckets))
    assert np.isnan(bids.sizes[-1])
    assert np.isnan(asks.sums[-1])
    assert (np.diff(bids.bounds.astype(int)) >= 0).all()


@pytest.mark.parametrize("height", [9, 14, 21, 40])
def test_the_mid_is_in_the_middle_and_the_prices_go_down_in_whole_buckets(
    books: dict[str, CobView], height: int
) -> None:
    cob = books[SPOT_ETH]
    lines = drawn(cob, 40, height).lines()
    middle = next(y for y, line in enumerate(lines) if "──" in line)
    head = 1 if lines[0].lstrip().startswith("price") else 0
    assert abs((middle - head) - (height - 1 - middle)) <= 1
    assert f"{cob.mid:.3f}" in lines[middle]
    assert "bp" in lines[middle]
    prices = [float(line.split()[0]) for line in lines[head:middle] + lines[middle + 1 :]]
    above, below = prices[: middle - head], prices[middle - head :]
    assert above == sorted(above, reverse=True)
    assert set(np.diff(above)) | set(np.diff(below)) <= {-1.0}
    assert cob.best_ask is not None
    assert cob.best_bid is not None
    assert above[-1] <= cob.best_ask < above[-1] + 1
    assert below[0] <= cob.best_bid < below[0] + 1


def test_rows_tell_size_and_sum(books: dict[str, CobView]) -> None:
    cob = books[COIN_BTC]
    found = sides(cob, 1, 8)
    assert found is not None
    lines = drawn(cob, 40, 13).lines()
    middle = next(y for y, line in enumerate(lines) if "──" in line)
    for side, step in ((found[0], 1), (found[1], -1)):
        for place in range(5):
            words = re.sub(r"[^\d. ≥<]", " ", lines[middle + step * (place + 1)]).split()
            assert float(words[0]) == side.prices[place]
            assert float(words[1].lstrip("≥<")) == pytest.approx(side.sizes[place], abs=0.06)
            assert float(words[2].lstrip("≥<")) == pytest.approx(side.sums[place], abs=0.6)


def test_sides_differ_without_colour_and_lower_bounds_are_marked(books: dict[str, CobView]) -> None:
    cob = books[FUTURES_ETH]
    frame = drawn(cob, 44, 50)
    lines = frame.lines()
    middle = next(y for y, line in enumerate(lines) if "──" in line)
    above, below = "".join(lines[1:middle]), "".join(lines[middle + 1 :])
    assert "▓" in above
    assert "▓" not in below
    assert "█" in below
    assert "█" not in above
    assert {fore_of(int(pen)) for pen in frame.pens[1:middle, 0]} >= {ASK}
    assert {fore_of(int(pen)) for pen in frame.pens[middle + 1 :, 0]} >= {BID}
    marked = [line for line in lines if "╱" in line]
    assert marked
    assert all(line.count("≥") == 2 for line in marked)
    unknown = [line for line in lines if line.split()[1:] == ["·", "·"]]
    assert unknown
    assert not any("█" in line or "▓" in line or "╱" in line for line in unknown)


def test_orders_of_ones_own_are_marked_once(books: dict[str, CobView]) -> None:
    cob = books[SPOT_ETH]
    assert cob.mid is not None
    assert cob.bucket_size is not None
    ladder, frame = Ladder(), Frame.blank(40, 21)
    prices = (cob.mid + 0.005, cob.mid - 0.005, cob.mid + 3 * cob.bucket_size, cob.mid - 9000.0)
    ladder.own = tuple((price, BID if price < cob.mid else ASK) for price in prices)
    assert ladder.draw(frame, cob, 1, 0.01, live=True)
    marked = [(float(line.split(MINE)[0]), row) for row, line in enumerate(frame.lines()) if MINE in line]
    assert len(marked) == 3, "one of them is far below all rows"
    middle = next(row for row, line in enumerate(frame.lines()) if "bp" in line)
    for price, row in marked:
        assert any(price <= own < price + cob.bucket_size and (own > cob.mid) == (row < middle) for own in prices)


def test_a_mid_that_is_not_the_present_says_so(books: dict[str, CobView]) -> None:
    lines = "\n".join(drawn(books[SPOT_ETH], 30, 11, live=False).lines())
    assert "last 26" in lines
    assert "▲" not in lines
    assert "▼" not in lines


def test_the_direction_is_that_of_the_last_move(books: dict[str, CobView]) -> None:
    ladder, cob = Ladder(), books[SPOT_ETH]
    assert cob.mid is not None
    told = []
    for mid in (cob.mid, cob.mid + 1, cob.mid + 1, cob.mid):
        frame = Frame.blank(30, 5)
        assert ladder.draw(frame, msgspec.structs.replace(cob, mid=mid), 1, 0.01, live=True)
        told.append(next(char for char in frame.lines()[2] if char in "·▲▼"))
    assert told == ["·", "▲", "▲", "▼"]


def test_a_narrow_one_has_whole_numbers_or_none(books: dict[str, CobView]) -> None:
    cob = books[SPOT_ETH]
    found = sides(cob, 1, 4)
    assert found is not None
    wide = [line.split() for line in drawn(cob, 16, 7).lines()]
    assert wide[4][0] == f"{found[0].prices[0]:.0f}"
    assert float(wide[4][-1]) == pytest.approx(found[0].sizes[0], abs=0.06)
    bar = drawn(cob, 9, 7).lines()[4]
    assert bar.startswith(f"{found[0].prices[0]:.0f} ")
    assert not any(char.isdigit() for char in bar[5:])


def test_no_book_no_ladder(books: dict[str, CobView]) -> None:
    empty = CobView(instrument="x:A/B", seq=1, live=False, age_ms=None)
    assert not Ladder().draw(Frame.blank(20, 9), empty, 1, 0.01, live=False)


@settings(max_examples=80, deadline=None)
@given(
    width=st.integers(1, 70), height=st.integers(1, 60), merge=st.sampled_from([1, 2, 5, 10]),
    name=st.sampled_from([SPOT_ETH, FUTURES_ETH, COIN_BTC]), live=st.booleans(),
)  # fmt: skip
def test_every_size_can_be_drawn(
    books: dict[str, CobView], width: int, height: int, merge: int, name: str, live: bool
) -> None:
    frame = drawn(books[name], width, height, merge, live=live)
    assert all(len(char) == 1 for char in frame.glyphs.ravel())


# Single prices. -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def levels_of(recordings_root_path: Path) -> BookView:
    play = playback(recordings_root_path, SPOT_ETH, 90)
    return book_view(play.replay.state, SPOT_ETH, 40, play.replay.recording.start + 90 * SECOND)


def exact(book: BookView, width: int, height: int, *, live: bool = True) -> list[str]:
    frame = Frame.blank(width, height)
    assert Ladder().draw_levels(frame, book, 0.01, live=live)
    return frame.lines()


@pytest.mark.parametrize(("width", "height"), [(16, 17), (30, 22), (44, 40)])
def test_levels_are_the_prices_of_the_book_best_ones_in_the_middle(
    levels_of: BookView, width: int, height: int
) -> None:
    lines = exact(levels_of, width, height)
    middle = next(y for y, line in enumerate(lines) if "\u2500\u2500" in line)
    head = 1 if lines[0].lstrip().startswith("price") else 0
    above = [line.split() for line in lines[head:middle]][::-1]
    below = [line.split() for line in lines[middle + 1 :]]
    for rows, side in ((above, levels_of.asks), (below, levels_of.bids)):
        assert [float(row[0]) for row in rows] == [price for price, _ in side[: len(rows)]]
        place = -2 if width == 44 else -1
        assert [float(row[place]) for row in rows] == pytest.approx([size for _, size in side[: len(rows)]], abs=1e-3)
    bid, ask = levels_of.bids[0][0], levels_of.asks[0][0]
    assert f"{(bid + ask) / 2:.3f}" in lines[middle]
    assert width < 30 or f"spread {ask - bid:.2f}" in lines[middle]
    if width == 44:
        sums = np.cumsum([size for _, size in levels_of.bids[: len(below)]])
        assert [float(row[-1]) for row in below] == pytest.approx(sums.tolist(), rel=1e-3)


def test_a_side_with_few_levels_leaves_the_rest_blank() -> None:
    book = BookView(
        instrument="x:BTC/USDT", seq=1, live=True, update_id=1, bids=((61_700.0, 0.00012),),
        asks=((61_700.01, 12.34567), (61_709.99, 0.5)),
    )  # fmt: skip
    lines = exact(book, 16, 9)
    assert [line.replace("\u2500", " ").split() for line in lines] == [
        [], [], ["61709.99", "0.50000"], ["61700.01", "12.3457"], ["61700.005", "\u00b7"], ["61700.00", "0.00012"],
        [], [], [],
    ]  # fmt: skip
    assert "last 61700" in "".join(exact(book, 22, 9, live=False))
    assert not Ladder().draw_levels(Frame.blank(20, 9), msgspec.structs.replace(book, bids=()), 0.01, live=True)


def test_sizes_of_an_inverse_market_are_contracts(levels_of: BookView) -> None:
    assert "ETH size" in exact(levels_of, 50, 20)[0]
    assert "contracts" in exact(msgspec.structs.replace(levels_of, instrument=COIN_BTC), 50, 20)[0]
    assert inverse("binancecoinm:BTC/USD:BTC-240927")
    assert not inverse(FUTURES_ETH)


@settings(max_examples=40, deadline=None)
@given(width=st.integers(1, 70), height=st.integers(1, 100), tick=st.sampled_from([0.0, 0.01]))
def test_levels_of_every_size_can_be_drawn(levels_of: BookView, width: int, height: int, tick: float) -> None:
    frame = Frame.blank(width, height)
    assert Ladder().draw_levels(frame, levels_of, tick, live=True)
    assert all(len(char) == 1 for char in frame.glyphs.ravel())
