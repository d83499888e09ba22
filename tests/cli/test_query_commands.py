"""What the commands print of the engine's answers, and their exit codes."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from engine.views import (
    BandView,
    BarRow,
    BoundsView,
    DepthView,
    FloorView,
    HistoryView,
    ModelInputView,
    PivotRow,
    PivotsView,
    ProfileView,
    QualityPartView,
    QualityView,
    ServedView,
    SpanView,
    StorageView,
    StreamView,
    TrendView,
    WallView,
)
from tradetui.cli import query
from tradetui.cli.app import app

ETH = "binance:ETH/USDT"
AT = 1_723_161_600_000
STREAM = StreamView(
    name="primary_1s", wanted=300, rows=299, incomplete=2, missing=1, first_ms=AT, last_ms=AT + 299_000, age_ms=1.0,
    sources={"venue": 299},
)  # fmt: skip
ANSWERS: dict[str, Any] = {
    "history": HistoryView(
        instrument=ETH, timeframe="1m",
        rows=(BarRow(AT, 2.0, 3.0, 1.0, 2.5, 10.0, -1, float("nan"), True, True, "import"),),
        served=(ServedView(source="storage", rows=1, ms=2.5),),
        gaps=(SpanView(first_ms=AT + 60_000, last_ms=AT + 120_000, missing=2),),
        reached_start=False, first_ms=AT, last_ms=AT, reason="nobody has more of that time",
    ),
    "pivots": PivotsView(
        instrument=ETH, timeframe="1m", as_of=AT * 10**6, points=(PivotRow(AT, AT + 180_000, 1, True, 2684.39),),
        trends=(TrendView(level=1, trend="up", support=2673.6, resistance=None),),
        floor=FloorView(day_ms=AT, pivot=1.0, r1=2.0, r2=3.0, r3=4.0, s1=0.5, s2=0.4, s3=0.3),
        bounds=BoundsView(low=2673.6, high=2684.39, source="pivots"), reason="",
    ),
    "profile": ProfileView(
        instrument=ETH, since_ms=AT, until_ms=AT + 1000, price=2676.0, size=1.0, volumes=(1.0, 4.0), total=5.0,
        control=2677.5, value_low=2677.0, value_high=2678.0, approximate=True, reason="",
    ),
    "depth": DepthView(
        instrument=ETH, seq=1, live=True, mid=2677.6, spread_bps=0.04, liquidity=0.8,
        bands=(BandView(within_pct=0.1, bid=5.0, ask=6.0, imbalance=-0.09, partial=True),), top=(),
        walls=(WallView(price=2670.0, size=300.0, intensity=0.9, bid=True),), partial_buckets=4, reason="",
    ),
    "quality": QualityView(
        instrument=ETH, as_of=AT * 10**6, score=0.6, valid=False,
        parts=(QualityPartView(name="frames", weight=0.4, score=0.0, why="0 of 300 bars of 1s"),),
        missing=("primary 1s: expected at least 100 bars, have 0",), streams=(STREAM,),
        storage=StorageView(
            path="market.db", bytes=4096, free_bytes=1, schema=1, tables=(), waiting=3, written=9, rejected=1,
            lag_ms=None, backup_ms=None, error="disk full",
        ),
        reason="",
    ),
    "model_input": ModelInputView(
        instrument=ETH, reference="", as_of=AT * 10**6, source="database", age_ms=1000.0, build_ms=9.5, price=2677.6,
        score=0.9, missing=(), warnings=("the newest bar (1s) ended 4.0 s before that time",), streams=(STREAM,),
        indicators={"1s": {"rsi_14": 31.9}, "1m": {"rsi_14": None}}, pivots={}, imbalance={},
        micro={"mid": 2677.6}, outputs={}, reason="",
    ),
}  # fmt: skip
SAID = {
    "history": ["2024-08-09 00:00:00Z", "import", "storage: 1 rows in 2.5 ms", "missing: 2 from 2024-08-09 00:01:00Z"],
    "pivots": ["2,684.39", "up", "bounds 2,673.6 to 2,684.39 (from the pivots)", "s3 0.30"],
    "profile": ["2,677", "####", "point of control 2,677.5", "part of it from candles"],
    "depth": ["mid 2,677.6", "lower bounds", "300", "0.90"],
    "quality": ["quality 0.600", "0 of 300 bars of 1s", "299/300", "disk full", "have 0"],
    "input": ["31.9", "from database in 9.5 ms", "the newest bar (1s) ended 4.0 s"],
}
CODES = {"quality": 1}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, dict[str, Any]]]:
    questions: list[tuple[str, str, dict[str, Any]]] = []

    def answer(_profile: str | None, topic: str, symbol: str, _kind: type, **given: Any) -> Any:
        questions.append((topic, symbol, given))
        return ANSWERS[topic]

    monkeypatch.setattr(query, "_ask", answer)
    return questions


@pytest.mark.parametrize("command", SAID)
def test_what_is_printed(command: str, asked: list[tuple[str, str, dict[str, Any]]]) -> None:
    done = CliRunner().invoke(app, [command, "ETH/USDT"])
    assert done.exit_code == CODES.get(command, 0), done.output
    for text in SAID[command]:
        assert text in done.output
    assert [(topic, symbol) for topic, symbol, _ in asked] == [
        ("model_input" if command == "input" else command, "ETH/USDT")
    ]


@pytest.mark.parametrize("command", SAID)
def test_json_is_the_answer(command: str, asked: list[tuple[str, str, dict[str, Any]]]) -> None:
    done = CliRunner().invoke(app, [command, "ETH/USDT", "--json"])
    assert json.loads(done.output)["instrument"] == ETH
    assert len(asked) == 1


def test_times_are_utc(asked: list[tuple[str, str, dict[str, Any]]]) -> None:
    runner = CliRunner()
    runner.invoke(app, ["history", "ETH/USDT", "--end", "2024-08-09T00:00", "-l", "5"])
    runner.invoke(app, ["input", "ETH/USDT", "--at", "2024-08-09T02:00:00+02:00"])
    assert [given.get("end_ms") for _, _, given in asked] == [AT, AT]
    turned = runner.invoke(app, ["history", "ETH/USDT", "--start", "2024-01-02", "--end", "2024-01-01"])
    assert "--start 2024-01-02 is not before --end 2024-01-01" in str(turned.exception)
    wrong = runner.invoke(app, ["history", "ETH/USDT", "--end", "yesterday"])
    assert "'yesterday' is no time" in str(wrong.exception)


def test_figures_of_a_column_have_the_same_decimals_and_volumes_a_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (
        BarRow(AT, 2.0, 3.25, 1.0, 2.5, 10.0, -1, float("nan"), True, True, "import"),
        BarRow(AT + 60_000, 2000.0, 3000.0, 1.5, 2.5, 0.125, 7, float("nan"), True, True, "import"),
    )
    told = msgspec.structs.replace(ANSWERS["history"], rows=rows)
    monkeypatch.setattr(query, "_ask", lambda *_args, **_asked: told)
    lines = CliRunner().invoke(app, ["history", "ETH/USDT"]).output.splitlines()
    assert "volume ETH" in lines[0]
    assert len({line.index("import") for line in lines[1:3]}) == 1
    assert "3.25" in lines[1]
    assert "3,000.00" in lines[2]
    assert "0.125" in lines[2]
    assert "10.000" in lines[1]
    monkeypatch.setattr(query, "_ask", lambda *_args, **_asked: msgspec.structs.replace(told, rows=()))
    assert CliRunner().invoke(app, ["history", "ETH/USDT"]).output.startswith(f"{ETH} 1m: no candles\n")
