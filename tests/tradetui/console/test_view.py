"""The kept view: it comes back as it was, whatever happens to its file."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tradetui.console.view import ChartView, Cross, Memory, View


def test_what_was_kept_comes_back(tmp_path: Path) -> None:
    view = View(symbol="binance:BTC/USDT", preset="book", pane="ladder", chart=3, folded=["tape"], theme="light")
    view.charts[1] = ChartView(timeframe="4h", columns=0.5, end=1_700_000_000_000, low=1.5, high=2.5, scale="log")
    view.cross = Cross(ms=5, price=2.0, chart=1)
    view.filters["alerts"] = "feed"
    view.heat.metric = "imbalance"
    memory = Memory(tmp_path / "console.json")
    assert memory.keep(view)
    assert not memory.keep(view), "nothing has changed"
    assert Memory(tmp_path / "console.json").recall() == view
    assert stat.S_IMODE((tmp_path / "console.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["console.json"]


def test_without_a_file_it_is_the_first_view(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "console.json")
    assert memory.recall() == View()
    assert memory.trouble == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"rate": 99}',
        '{"charts": []}',
        '{"heat": {"metric": "guess"}}',
        '{"symbol": 5}',
        "\u0000",
        '{"pane": null}',
    ],
)
def test_a_file_that_makes_no_sense_is_put_aside_and_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "console.json"
    path.write_text(text)
    memory = Memory(path)
    assert memory.recall() == View()
    assert "begins anew" in memory.trouble
    assert path.with_suffix(".unread").read_text() == text
    assert memory.keep(View(symbol="x"))
    assert Memory(path).recall().symbol == "x"


def test_a_timeframe_of_another_version_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "console.json"
    view = View()
    view.charts[0].timeframe = "7m"
    Memory(path).keep(view)
    assert Memory(path).recall().charts[0].timeframe == "1m"


def test_a_full_disk_is_told_and_costs_nothing_else(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "nowhere" / "console.json")
    assert not memory.keep(View())
    assert "cannot be kept" in memory.trouble
    assert not memory.keep(View())
    (tmp_path / "nowhere").mkdir()
    assert memory.keep(View())
    assert memory.trouble == ""
