"""An engine at a venue that fails it, killed and started again, records: a replay has every order, fill and state."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fault.orders import TRADING, market
from tests.fault.orders_case import GONE, Case, Ways
from tests.support.processes import BlockingClient, EngineProcess

FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("submit", {"kind": "torn", "skip": 2}),
    ("submit", {"kind": "silent", "skip": 4}),
    ("submit", {"kind": "lost", "skip": 6}),
    ("cancel", {"kind": "torn"}),
    ("amend", {"kind": "torn"}),
    ("query", {"kind": "error", "times": 2}),
)
"""What the venue does to requests: answers that do not come, or come in part."""


@pytest.fixture(scope="module")
def settings(recordings_root_path: object) -> Iterator[str]:
    with market() as settings:
        yield settings


class Recorded(Case):
    """A case whose engines all record into one folder."""

    def start(self) -> None:
        tape, report = str(self.home / "tape"), str(self.home / "report.json")
        self.engine = EngineProcess(self.home, self.config, "--record", tape, "--report", report)
        self.venue.control("set", pid=self.engine.pid)
        self.database = self.engine.places.of_mode("live").database


def replayed(case: Case, *more: str) -> dict[str, Any]:
    report = case.home / "replayed.json"
    command = [sys.executable, "-m", "tradetui", "--headless", "--replay", str(case.home / "tape"), "--speed", "max"]
    given = [*command, "--report", str(report), "--config", str(case.config), *more]
    assert case.engine is not None
    done = subprocess.run(given, env=case.engine.environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(report.read_bytes())
    return found


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 3])  # of four kinds of venue: spot here, derivatives there
def test_a_replay_has_what_a_venue_answered(number: int, settings: str, tmp_path: Path) -> None:
    case = Recorded(7, number, tmp_path, TRADING + settings)
    try:
        assert case.live(Ways("some time", wait_s=4.0), first=True), case.outcome.complaints
        case.start()
        assert case.agree(), case.outcome.complaints
        assert case.engine is not None
        with contextlib.suppress(*GONE), BlockingClient(case.engine.places.socket) as client:
            case.arm(client)
            for action, fault in FAULTS:
                case.venue.control("fault", on=action, **fault)
            case.operate(client, Ways("some time", wait_s=4.0))
        assert case.engine.stop(signal.SIGTERM) == 0
        told = json.loads((tmp_path / "report.json").read_bytes())
        state = case.venue.state()
        again = replayed(case)
        assert again["state_hash"] == told["state_hash"]
        assert again["recording"]["refusals"] == {}
        fills = {(each["symbol"], each["id"]) for each in again["ledger"]["fills"]}
        assert len(fills) == len(again["ledger"]["fills"])
        # What was filled while nobody recorded was known to the next engine when it took up the account, or not at all.
        assert 10 < len(fills) <= len(state["trades"])
        assert len(state["faults"]["done"]) >= 3
        assert again["ledger"]["mode"] == "live"
        sent = len(state["heard"])
        assert len(case.venue.state()["heard"]) == sent, "a replay sends nothing"
    finally:
        if case.engine is not None:
            case.engine.stop(signal.SIGKILL)
        case.venue.stop()
