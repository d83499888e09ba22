"""Recordings of several engines in one folder: each session trades again as it was traded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.live.test_record_trading import BOOK, Trader, at_work, config, replayed, trade
from tests.support.processes import EngineProcess, until

__all__ = ["config"]


def ids(rows: list[dict[str, Any]]) -> set[str]:
    return {row["id"] for row in rows}


def more(trader: Trader) -> None:
    trader.does("arm", word="PAPER")
    until(lambda: trader.may(symbol=BOOK, side="buy", quantity="0.003"), "a book")
    trader.does("order", symbol=BOOK, side="buy", quantity="0.003")
    until(lambda: trader.sees("fills"), "a fill")
    trader.does("cancel", symbol=BOOK)
    trader.does("flatten")
    until(lambda: not trader.sees("positions"), "all is closed")


def test_several_sessions_in_one_folder(config: Path, tmp_path: Path) -> None:
    tape, live = tmp_path / "tape", tmp_path / "live.json"
    with at_work(EngineProcess(tmp_path, config, "--record", str(tape)).ready()) as trader:
        trade(trader)
        first = ids(trader.sees("fills"))
    with at_work(EngineProcess(tmp_path, config, "--record", str(tape), "--report", str(live)).ready()) as trader:
        more(trader)
        second = ids(trader.sees("fills"))
    again = replayed(tape, tmp_path / "replay.json")
    assert ids(again["ledger"]["fills"]) == first | second
    assert again["state_hash"] == json.loads(live.read_bytes())["state_hash"]
    assert again["ledger"]["equity"][0] == "10000"
