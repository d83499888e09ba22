"""What the command line has an engine do with storage: it stays the one writer, and answers at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.actions import Action
from engine.errors import RequestDenied
from engine.types import Timeframe
from storage.interchange import staging
from storage.interchange.batch import Hints, Parsed
from storage.interchange.recognise import read
from tests.storage.interchange.support import START, bars, table
from tradetui.config.sections import Storage
from tradetui.data_commands import data_commands
from tradetui.places import Places, places
from tradetui.stored import Stored

HINTS = Hints(venue="binance", symbol="BTC/USDT", timeframe="1m")
KEY = "binance:BTC/USDT"


@pytest.fixture
def place(tmp_path: Path) -> Places:
    found = places("default", {"HOME": str(tmp_path)})
    found.make()
    return found


@pytest.fixture
async def stored(place: Places) -> AsyncIterator[Stored]:
    made = Stored(place, Storage())
    await made.writer.open()
    yield made
    await made.close()


def staged(place: Places, path: Path, name: str = "import-1.db") -> str:
    """Make a file ready as an import does; return its path."""
    parsed: Parsed = read([path], "csv", HINTS)
    made = place.temporary / name
    staging.stage(made, parsed, source_path=str(path), size=1, sha256=name, said="{}")
    return str(made)


async def done(command: Action, **arguments: Any) -> dict[str, Any]:
    """Ask until it is done."""
    for _ in range(5000):
        answer: dict[str, Any] = json.loads(await command(arguments))
        if answer["state"] != "running":
            return answer
        await asyncio.sleep(0.01)
    raise AssertionError("it never ended")


async def test_a_staged_file_is_merged_and_read_at_once(stored: Stored, place: Places, tmp_path: Path) -> None:
    known = data_commands(stored, place)
    path = staged(place, table(bars(30), tmp_path / "x.csv"))
    assert json.loads(await known["data_import"]({"path": path})) == {"state": "running"}
    answer = await done(known["data_import"], path=path)
    assert (answer["state"], answer["result"]["new"]) == ("done", 30)
    assert len(stored.archive.candles(KEY, Timeframe.M1)) == 30
    more = staged(place, table(bars(5, start=START + 30 * 60_000), tmp_path / "y.csv"), "import-2.db")
    await done(known["data_import"], path=more)
    assert len(stored.archive.candles(KEY, Timeframe.M1)) == 35  # what was remembered of it is not what is there
    assert (await done(known["data_pivots"]))["result"] == 6
    assert stored.archive.pivots(KEY, Timeframe.M1, per_level=5)


async def test_a_refusal_says_why_and_the_writer_goes_on(stored: Stored, place: Places, tmp_path: Path) -> None:
    known = data_commands(stored, place)
    await done(known["data_import"], path=staged(place, table(bars(30), tmp_path / "x.csv")))
    wrong = staged(place, table(bars(30, price=10_000.0), tmp_path / "y.csv"), "import-2.db")
    answer = await done(known["data_import"], path=wrong)
    assert (answer["state"], answer["kind"]) == ("failed", "ImportRefused")
    assert "10^2 times those of" in answer["reason"]
    gone = str(place.temporary / "import-3.db")  # taken away meanwhile
    assert (await done(known["data_import"], path=gone))["state"] == "failed"
    assert stored.writer.error == ""
    assert await stored.writer.record("note", "1", msgspec.json.encode({}), mode="paper", ts=1)


async def test_an_import_is_removed(stored: Stored, place: Places, tmp_path: Path) -> None:
    known = data_commands(stored, place)
    await done(known["data_import"], path=staged(place, table(bars(30), tmp_path / "x.csv")))
    assert len(stored.archive.candles(KEY, Timeframe.M1)) == 30
    answer = await done(known["data_prune"], instrument=KEY, timeframe="1m", source="csv")
    assert answer["result"] == {"rows": 30, "files": 1}
    assert len(stored.archive.candles(KEY, Timeframe.M1)) == 0
    assert (await done(known["data_prune"]))["result"]["deleted"] == 0


@pytest.mark.parametrize("path", ["", "/etc/passwd", "{}/../x.db", "{}/other.db"])
async def test_only_files_that_an_import_made_ready_are_opened(stored: Stored, place: Places, path: str) -> None:
    known = data_commands(stored, place)
    with pytest.raises(RequestDenied, match="path"):
        await known["data_import"]({"path": path.format(place.temporary)})
    with pytest.raises(RequestDenied, match="source"):
        await known["data_prune"]({"instrument": KEY, "timeframe": "1m"})
