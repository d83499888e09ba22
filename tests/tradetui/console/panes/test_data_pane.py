"""The data pane: everything that is told of the data stands there, and what is not told is not made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from textual.geometry import Size

from engine.protocol import Asked
from engine.views import GapsView, QualityView, SpanView
from tests.support.recorded_past import RecordedPast
from tests.support.series import HOURS, minutes, read
from tests.tradetui.console.told import EVIL, NOW, Told
from tradetui.console.desk import Desk
from tradetui.console.panes.data import DataPane
from tradetui.console.past import Page
from tradetui.console.render import data

ETH = "binance:ETH/USDT"
GOLDENS = Path(__file__).parent / "goldens"


class Sized(DataPane):
    def __init__(self, on: Desk, size: tuple[int, int]) -> None:
        super().__init__(on)
        self.of = Size(*size)

    @property
    def size(self) -> Size:
        return self.of

    def lines(self) -> list[str]:
        drawn = self.frame(*self.of)
        assert not self.fault, self.fault
        return drawn.lines()


@pytest.fixture(scope="module")
def archive(recordings_root_path: Path) -> RecordedPast:
    hours = read(recordings_root_path / HOURS / "ETH_USDT-1h.feather")
    past = RecordedPast(ETH, minutes(recordings_root_path, "ETH", ("2021-04_05", "2024-07_08")), hours)
    past.until_ms = NOW // 1_000_000
    return past


def told_of(archive: RecordedPast) -> Told:
    told = Told().attached()
    asked = Asked(id=1, topic="quality", instrument=ETH)
    told.link.qualities[ETH] = archive.quality(asked)
    for timeframe in ("1s", "1m", "5m", "1h", "1d"):
        gaps = Asked(id=1, topic="gaps", instrument=ETH, timeframe=timeframe)
        told.link.gaps[ETH, timeframe] = archive.gaps(gaps)
    past = told.link.past(ETH, "1m")
    page = Page(NOW // 1_000_000 - 500 * 60_000, NOW // 1_000_000)
    past.ask(page)
    asked = Asked(id=1, topic="history", instrument=ETH, timeframe="1m", end_ms=page.end_ms, limit=500)
    past.take(page, archive.history(asked), 0.0)
    past.served = "storage 4 ms"
    return told


@pytest.mark.parametrize("size", [(80, 20), (58, 30), (120, 40)])
def test_what_is_told_stands_there(
    archive: RecordedPast, golden: Callable[[Path, str], None], size: tuple[int, int]
) -> None:
    pane = Sized(told_of(archive).desk, size)
    text = "\n".join(line.rstrip() for line in pane.lines()) + "\n"
    golden(GOLDENS / f"data-{size[0]}x{size[1]}.txt", text)


def test_the_score_has_its_four_parts_and_says_what_is_missing(archive: RecordedPast) -> None:
    text = "\n".join(Sized(told_of(archive).desk, (120, 60)).lines())
    for part in ("candles", "indicators", "order book", "pivots"):
        assert part in text
    assert "0.30 NOT VALID" in text
    assert "primary_1s: 0 of 100 bars" in text
    assert "storage 4 ms" in text
    assert "/data/market.db" in text


def test_before_anything_is_told_it_says_so() -> None:
    text = "\n".join(Sized(Told().attached().desk, (80, 20)).lines())
    assert "the engine has not told of it yet" in text
    assert "0.00" not in text


def test_without_an_input_the_reason_stands_there(archive: RecordedPast) -> None:
    told = told_of(archive)
    quality = msgspec.structs.replace(told.link.qualities[ETH], reason="no bars of 1h yet: backfill is under way")
    told.link.qualities[ETH] = quality
    pane = Sized(told.desk, (100, 40))
    assert "no bars of 1h yet: backfill is under way" in "\n".join(pane.lines())
    assert pane.told() == "no input"


def test_what_comes_from_outside_is_inert(archive: RecordedPast) -> None:
    told = told_of(archive)
    quality: QualityView = told.link.qualities[ETH]
    assert quality.storage is not None
    storage = msgspec.structs.replace(quality.storage, error=EVIL, path=EVIL)
    told.link.qualities[ETH] = msgspec.structs.replace(quality, reason=EVIL, missing=(EVIL,), storage=storage)
    text = "".join(Sized(told.desk, (100, 60)).lines())
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_every_gap_is_told_with_its_length_and_its_reason() -> None:
    span = SpanView(first_ms=1_619_323_260_000, last_ms=1_619_340_240_000, missing=284, reason="the venue was down")
    view = GapsView(
        instrument=ETH, timeframe="1m", first_ms=1_618_951_200_000, last_ms=1_622_000_000_000, gaps=(span,),
        missing=284, reason="",
    )  # fmt: skip
    (line,) = data.gaps(view)
    assert line == "2021-04-25 04:01 to 2021-04-25 08:44: 284 bars (4h44m), the venue was down"
    one = msgspec.structs.replace(view.gaps[0], last_ms=view.gaps[0].first_ms, missing=1, reason="")
    (line,) = data.gaps(msgspec.structs.replace(view, gaps=(one,)))
    assert line == "2021-04-25 04:01 to 2021-04-25 04:01: 1 bar (1m00s)"
    assert data.gaps(msgspec.structs.replace(view, gaps=()))[0].startswith("no bar is missing")
    assert data.gaps(None) == ["the engine has not told of it yet"]


def test_nothing_new_is_nothing_to_draw(archive: RecordedPast) -> None:
    told = told_of(archive)
    pane = Sized(told.desk, (100, 40))
    version = pane.version()
    told.link.version += 1
    assert pane.version() == version
    told.link.past(ETH, "1m").failed(Page(0, 1), "x", 0.0)
    assert pane.version() == version, "another page than that under way"
    told.link.gaps[ETH, "1m"] = msgspec.structs.replace(told.link.gaps[ETH, "1m"], missing=1)
    assert pane.version() != version
