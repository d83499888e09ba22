"""Whoever has something changed leaves a record, also when it fails, and when the database does."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.actions import BEGUN, Attributed
from engine.errors import RequestDenied, StorageFailed
from engine.operator import Who
from storage.interchange import staging
from storage.interchange.batch import Hints
from storage.interchange.recognise import read
from storage.writer import Writer
from tests.storage.interchange.support import bars, table
from tradetui import audit as module
from tradetui.audit import Audit, note_here
from tradetui.cli.data_store import writing
from tradetui.credentials import Secret
from tradetui.places import places
from tradetui.redaction import Redactor

ANNA = Who(user="anna", client="console", pid=7)

SECRET = "a-marked-secret-that-is-nowhere"


class Kept:
    """A database that refuses while `error` is set, or never answers while `stuck` is."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.error = ""
        self.stuck = False

    async def record(self, kind: str, key: str, body: bytes, *, mode: str, ts: int) -> bool:
        if self.stuck:
            await asyncio.Event().wait()
        if self.error:
            raise StorageFailed(self.error)
        assert (kind, mode) == ("audit", "paper")
        self.keys.append(key)
        self.rows.append(json.loads(body) | {"stored_ts": ts})
        return True


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def audit(kept: Kept) -> Audit:
    return Audit(kept.record, "paper", Redactor([Secret(SECRET)]), lambda: 42)


async def say(arguments: Mapping[str, Any]) -> str:
    return f"said {arguments.get('level', '')}"


async def ask(commands: Mapping[str, Any], name: str, **arguments: Any) -> str:
    found = commands[name]
    assert isinstance(found, Attributed)
    return await found.act(arguments, ANNA)


async def test_a_record_says_who_what_from_what_to_what_and_the_result(audit: Audit, kept: Kept) -> None:
    level = ["INFO"]

    async def log_level(arguments: Mapping[str, Any]) -> str:
        level[0] = arguments["level"]
        return "changed"

    commands = audit.over({"log_level": log_level}, {"log_level": lambda: level[0]})
    assert await ask(commands, "log_level", level="DEBUG") == "changed"
    (row,) = kept.rows
    assert row["user"] == "anna"
    assert (row["client"], row["pid"], row["ts"], row["stored_ts"]) == ("console", 7, 42, 42)
    assert (row["before"], row["after"], row["done"], row["result"]) == ("INFO", "DEBUG", True, "changed")
    assert json.loads(row["detail"]) == {"level": "DEBUG"}


async def test_what_was_denied_or_failed_is_kept_too(audit: Audit, kept: Kept) -> None:
    async def denied(_arguments: Mapping[str, Any]) -> str:
        raise RequestDenied("invalid_argument", "there is no such level")

    async def broken(_arguments: Mapping[str, Any]) -> str:
        raise KeyError("x")

    commands = audit.over({"a": denied, "b": broken})
    with pytest.raises(RequestDenied):
        await ask(commands, "a")
    with pytest.raises(KeyError):
        await ask(commands, "b")
    assert [(row["done"], row["result"]) for row in kept.rows] == [
        (False, "there is no such level"),
        (False, "KeyError"),
    ]


async def test_who_asks_reaches_a_command_that_wants_it(audit: Audit, kept: Kept) -> None:
    async def who_am_i(_arguments: Mapping[str, Any], who: Who) -> str:
        return who.user

    assert await ask(audit.over({"who": Attributed(who_am_i)}), "who") == "anna"
    assert len(kept.rows) == 1


async def test_looking_leaves_no_record(audit: Audit) -> None:
    commands = {"replay_pause": say, "acknowledge": say}
    assert audit.over(commands) == commands


async def test_work_that_goes_on_is_kept_at_its_begin_and_its_end(audit: Audit, kept: Kept) -> None:
    answers = [BEGUN] * 5 + ['{"state":"done","result":3}'] + [BEGUN] * 2

    async def data_prune(_arguments: Mapping[str, Any]) -> str:
        return answers.pop(0)

    commands = audit.over({"data_prune": data_prune})
    for _ in range(8):
        await ask(commands, "data_prune", source="a")
    assert [row["result"] for row in kept.rows] == [BEGUN, '{"state":"done","result":3}', BEGUN]


async def test_hostile_text_is_inert_and_secrets_are_not_there(
    audit: Audit, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    commands = audit.over({"stop": say})
    await ask(commands, "stop", level=f"\x1b]0;x\x07\u202e {SECRET} " + "y" * 9999)
    (row,) = kept.rows
    assert all(str(value).isprintable() for value in row.values())
    assert len(row["detail"]) <= module.TEXT_MOST
    assert SECRET not in repr(row)
    assert SECRET not in caplog.text
    assert "audit" in caplog.text


async def test_while_the_database_refuses_records_wait_and_commands_go_on(audit: Audit, kept: Kept) -> None:
    kept.error = "disk full"
    commands = audit.over({"stop": say})
    for _ in range(3):
        assert await ask(commands, "stop") == "said "
    assert (kept.rows, audit.waiting) == ([], 3)
    kept.error = ""
    await ask(commands, "stop")
    assert (len(kept.rows), audit.waiting) == (4, 0)
    assert len(set(kept.keys)) == 4


async def test_a_database_that_hangs_does_not_hold_a_command(
    audit: Audit, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WITHIN_S", 0.01)
    monkeypatch.setattr(module, "WAITING_MOST", 2)
    kept.stuck = True
    commands = audit.over({"stop": say})
    for _ in range(4):
        assert await ask(commands, "stop") == "said "
    assert audit.waiting == 2
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


async def test_in_the_database_it_is_a_record_that_stands(tmp_path: Path) -> None:
    path = tmp_path / "market.db"
    writer = Writer(path)
    await writer.open()
    audit = Audit(writer.record, "live", str)
    wrapped: Callable[..., Awaitable[str]] = audit.over({"stop": say})["stop"].act  # type: ignore[union-attr]
    await wrapped({}, ANNA)
    await writer.close()
    connection = sqlite3.connect(path)
    note_here(connection, "live", "data_import", {"path": "/x\x1b"}, "3 rows")
    rows = connection.execute("SELECT kind, mode, body FROM records ORDER BY id").fetchall()
    connection.close()
    assert [(kind, mode) for kind, mode, _ in rows] == [("audit", "live")] * 2
    assert [json.loads(body)["command"] for *_, body in rows] == ["stop", "data_import"]


def test_what_is_done_to_data_without_an_engine_is_kept_too(tmp_path: Path) -> None:
    place = places("default", {"HOME": str(tmp_path)})
    place.make()
    path = table(bars(3), tmp_path / "bars.csv")
    made = place.temporary / "import-1.db"
    parsed = read([path], "csv", Hints(venue="binance", symbol="BTC/USDT", timeframe="1m"))
    with writing(place) as storage:
        staging.stage(made, parsed, source_path=str(path), size=1, sha256="s", said="{}")
        storage.take(made)
    connection = sqlite3.connect(place.database)
    (body,) = [body for (body,) in connection.execute("SELECT body FROM records WHERE kind = 'audit'")]
    connection.close()
    row = json.loads(body)
    assert (row["command"], row["client"], row["result"]) == (
        "data_import", "command line", "imported: 3 new rows, 0 conflicts, 0 refused",
    )  # fmt: skip
    assert json.loads(row["detail"]) == {"path": str(path)}
