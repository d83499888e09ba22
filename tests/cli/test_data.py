"""`tradetui data`: import, list, check, export, keep in order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from engine.errors import ConsoleError, EngineUnreachable, ImportRefused, SettingsInvalid, StorageFailed
from tests.storage.interchange.support import START, bars, table
from tradetui.cli.app import app
from tradetui.lock import Holder, ProfileLock, holder_of
from tradetui.places import places

SAID = ("--venue", "binance", "--symbol", "BTC/USDT", "-t", "1m")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of our own, and none of the caller's settings."""
    for name in [name for name in os.environ if name.startswith(("TRADETUI_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def data(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["data", *map(str, arguments)], catch_exceptions=False)


def told(*arguments: object, code: int = 0) -> Any:
    """Return what a command prints as JSON."""
    done = data(*arguments, "--json")
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def dump() -> list[str]:
    import sqlite3

    with sqlite3.connect(places("default").database) as found:
        return list(found.iterdump())


def test_import_ls_and_again(home: Path, recordings_root_path: Path) -> None:
    folder = recordings_root_path / "candles-1m-binance-spot/2021-04_05"
    report = told("import", folder)
    assert (report["ok"], report["totals"]["new"], report["totals"]["files"]) == (True, 85_830, 3)
    file = report["files"][0]
    assert file["rows"] == file["new"] + file["identical"] + file["conflicts"] + file["refused"] + file["left_out"]
    first, second = told("ls")
    names = ("venue", "symbol", "timeframe", "source", "first", "last", "rows", "gaps", "duplicates")
    assert {name: first[name] for name in names} == {
        "venue": "binance", "symbol": "BTC/USDT", "timeframe": "1m", "source": "import:freqtrade",
        "first": "2021-04-20T20:42:00Z", "last": "2021-05-20T20:40:00Z", "rows": 42_915, "gaps": 1, "duplicates": 0,
    }  # fmt: skip
    assert second["symbol"] == "ETH/USDT"
    before = dump()
    assert told("import", folder)["totals"]["new"] == 0
    assert dump() == before
    (series,) = told("gaps", "ETH/USDT")
    assert series["gaps"] == [
        {
            "first_missing": "2021-04-25T04:01:00Z", "last_missing": "2021-04-25T08:44:00Z", "missing": 284,
            "distance_s": 17_100, "distance": "4h45m", "next": "2021-04-25T08:45:00Z", "why": "inside one file",
        }
    ]  # fmt: skip
    text = data("gaps", "ETH/USDT").stdout
    assert "284 missing" in text
    assert "4h45m between neighbours" in text


def test_nothing_stored_is_said(home: Path) -> None:
    assert told("ls") == []
    assert "data import PATH" in data("ls").stdout
    for command in (("gaps",), ("verify",), ("check",), ("rejects",), ("export", "BTC/USDT"), ("backup",), ("prune",)):
        with pytest.raises(StorageFailed, match="has stored nothing yet"):
            data(*command)


def test_refused_files_and_rows_are_told_and_cost_the_exit_code(home: Path) -> None:
    good = table([*bars(5), "x,1,1,1,1,1"], home / "binance_BTCUSDT_1m.csv")
    bad = home / "\x1b[31mx.bin"
    bad.write_bytes(b"nothing known")
    done = data("import", good, bad)
    assert done.exit_code == 1
    assert "\x1b" not in done.stdout
    assert "refused 1 x no time, first in row 7" in done.stdout
    assert "REFUSED: of no format that is known" in done.stdout
    assert "6 rows read = 5 new + 0 identical + 0 conflicts + 1 refused + 0 left out" in done.stdout
    assert "no time" in data("rejects").stdout
    assert told("rejects")[0]["row"] == {"file": str(good), "row": 7, "text": "x,1,1,1,1,1"}


def test_what_is_missing_is_named_with_its_flag(home: Path) -> None:
    path = table(bars(5), home / "x.csv")
    for given, flag in (((), "--venue binance and --symbol BTC/USDT"), (("--venue", "kraken"), "give --symbol")):
        report = told("import", path, *given, code=1)
        assert flag in report["files"][0]["reason"]
    assert told("import", path, *SAID)["totals"]["new"] == 5
    with pytest.raises(ImportRefused, match="--volume 'dollars'"):
        data("import", path, "--volume", "dollars")
    with pytest.raises(ImportRefused, match="--manifest"):
        data("import", path, "--manifest", home / "no.toml")


def test_a_pickle_is_refused_with_what_to_do(home: Path) -> None:
    path = home / "BTC.pkl"
    path.write_bytes(b"\x80\x04\x95\x00")
    assert "can run any code" in told("import", path, code=1)["files"][0]["reason"]


def test_a_dry_run_makes_no_database(home: Path) -> None:
    path = table(bars(5), home / "x.csv")
    report = told("import", path, *SAID, "--dry-run")
    assert (report["dry_run"], report["files"][0]["outcome"], report["totals"]["new"]) == (True, "would import", 5)
    assert not places("default").database.exists()


def test_a_manifest_and_profiles(home: Path) -> None:
    path = table(bars(5), home / "mine.csv")
    manifest = home / "m.toml"
    manifest.write_text('[[file]]\nglob = "mine.csv"\nvenue = "kraken"\nsymbol = "BTC/EUR"\nsource = "me"\n')
    assert told("import", path, "--manifest", manifest, "--profile", "other")["totals"]["new"] == 5
    assert told("ls") == []
    assert [each["source"] for each in told("ls", "--profile", "other")] == ["import:me"]


def test_verify_ends_with_1_where_something_differs(home: Path) -> None:
    rows = bars(30)
    told("import", table(rows, home / "a.csv"), *SAID, "--source", "a")
    told("import", table(rows, home / "b.csv", "Date,open,high,low,close,volume"), *SAID, "--source", "b")
    assert told("verify")["agree"] is True
    cells = rows[3].split(",")
    rows[3] = ",".join([*cells[:5], "9"])
    told("import", table(rows, home / "c.csv"), *SAID, "--source", "c")
    found = told("verify", code=1)
    assert (found["agree"], found["differing_pairs"], found["differing_candles"]) == (False, 2, 2)
    one = next(each for each in found["comparisons"] if each["differing"])
    assert one["disagreements"] == [{"time": "2023-11-14T22:17:00Z", "field": "volume", "left": 1.0, "right": 9.0}]
    done = data("verify", "BTC/USDT")
    assert done.exit_code == 1
    assert "2023-11-14T22:17:00Z volume: 1m import:a 1, 1m import:c 9" in done.stdout


def test_export_writes_whole_files_and_none_over_another(home: Path) -> None:
    told("import", table(bars(30), home / "a.csv"), *SAID)
    out = home / "out"
    out.mkdir()
    done = told(
        "export", "BTC/USDT", "-o", out, "--format", "csv", "--from", "2023-11-14T22:20", "--to", "2023-11-14T22:30"
    )
    assert (done["rows"], done["first"], done["last"]) == (10, "2023-11-14T22:20:00Z", "2023-11-14T22:29:00Z")
    with pytest.raises(SettingsInvalid, match="--force writes over it"):
        data("export", "BTC/USDT", "-o", out, "--format", "csv")
    assert told("export", "BTC/USDT", "-o", out, "--format", "csv", "--force")["rows"] == 30
    assert told("export", "BTC/USDT", "-o", out, "--source", "csv")["rows"] == 30
    for wrong in (("--source", "nobody"), ("--format", "xls"), ("-t", "7m"), ("--from", "yesterday")):
        with pytest.raises(ConsoleError):
            data("export", "BTC/USDT", "-o", out / "x", *wrong)
    with pytest.raises(ConsoleError, match="nothing to export"):
        data("export", "ETH/USDT", "-o", out)


def test_prune_says_and_does(home: Path) -> None:
    told("import", table(bars(30), home / "a.csv"), *SAID)
    assert told("prune")["bars"] == {"older_than_days": 730, "rows": 0, "packed_rows": 0}
    said = told("prune", "BTC/USDT", "-t", "1m", "--source", "csv")
    assert (said["dry_run"], said["rows"], said["files"]) == (True, 30, 1)
    assert len(told("ls")) == 1
    assert told("prune", "BTC/USDT", "-t", "1m", "--source", "csv", "--yes")["rows"] == 30
    assert told("ls") == []
    assert told("prune", "--yes")["dry_run"] is False
    with pytest.raises(ImportRefused, match="no import 'csv'"):
        data("prune", "BTC/USDT", "-t", "1m", "--source", "csv")
    with pytest.raises(SettingsInvalid, match="--timeframe and --source"):
        data("prune", "BTC/USDT")


def test_backup_and_restore(home: Path) -> None:
    told("import", table(bars(30), home / "a.csv"), *SAID)
    made = told("backup")
    assert Path(made["path"]).exists()
    told("import", table(bars(30, start=START + 6_000_000), home / "b.csv"), *SAID)
    assert told("ls")[0]["rows"] == 60
    assert [each["path"] for each in told("restore")] == [made["path"]]
    assert told("ls")[0]["rows"] == 60
    assert Path(told("restore", "--yes")["replaced"]).exists()
    assert told("ls")[0]["rows"] == 30
    with pytest.raises(StorageFailed, match="no such copy"):
        data("restore", home / "nothing.db", "--yes")


def test_odd_folders_and_figures_are_told_and_what_was_killed_is_cleared_away(home: Path) -> None:
    data("import", table(bars(20), home / "x.csv"), *SAID)
    (home / "file").touch()
    with pytest.raises(StorageFailed, match="file: File exists"):
        data("backup", "--to", home / "file")
    assert data("rejects", "--limit", 10**20).exit_code == 2
    left = places("default").temporary / "import-killed.db"
    left.touch()
    data("import", home / "x.csv", *SAID)
    assert not left.exists()


def test_a_database_that_refuses_the_pivots_leaves_the_report(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise StorageFailed("market.db: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("storage.interchange.swings.build", refuse)
        report = told("import", table(bars(20), home / "x.csv"), *SAID, code=2)
    assert (report["totals"]["new"], report["ok"]) == (20, False)
    assert report["failed"] == "market.db: No space left on device"
    assert told("import", home / "x.csv", *SAID)["ok"]


def test_check_loads_what_models_need(home: Path) -> None:
    told("import", table(bars(1500, start=1_700_006_400_000), home / "a.csv"), *SAID)
    found = told("check", "BTC/USDT", code=1)
    assert [(each["timeframe"], each["rows"], each["fault"]) for each in found] == [
        ("1s", 0, "nothing stored"), ("1m", 1500, ""), ("1h", 25, ""), ("1d", 1, ""),
    ]  # fmt: skip
    assert found[1]["last_close"] == float(bars(1500)[-1].split(",")[4])
    assert "nothing stored" in data("check").stdout


def test_migrate_brings_old_parquet_in_counts_it_and_keeps_it(home: Path) -> None:
    import polars as pl

    old = home / "cache"
    old.mkdir()
    rows = [tuple(map(float, row.split(","))) for row in bars(40)]
    frame = pl.DataFrame(rows, schema=["timestamp", "open", "high", "low", "close", "volume"], orient="row")
    frame.with_columns(pl.col("timestamp").cast(pl.Int64)).write_parquet(old / "ETHUSDT_1m.parquet")
    (old / "ETHUSDT_1m.pkl").write_bytes(b"\x80\x04\x95\x00")
    assert told("migrate")["schema"] != []
    report = told("migrate", old, code=1)
    assert report["schema"] == []
    assert [(each["outcome"], each["new"]) for each in report["files"]] == [("imported", 40), ("refused", 0)]
    assert [(each["symbol"], each["rows"]) for each in told("ls")] == [("ETH/USDT", 40)]
    assert (old / "ETHUSDT_1m.parquet").exists()
    told("migrate", old, "--archive-to", home / "kept", code=1)
    assert sorted(path.name for path in (home / "kept").iterdir()) == ["ETHUSDT_1m.parquet"]
    assert (old / "ETHUSDT_1m.pkl").exists()


def test_a_held_profile_is_not_written_beside_its_holder(home: Path) -> None:
    path = table(bars(5), home / "x.csv")
    told("import", path, *SAID)
    place = places("default")
    lock = ProfileLock(place.lock)
    lock.acquire(Holder(pid=os.getpid(), socket=str(place.socket), started=time.time_ns()))
    try:
        with pytest.raises(EngineUnreachable, match="held by another process"):
            data("import", table(bars(5), home / "y.csv"), *SAID)
        assert told("ls")[0]["rows"] == 5
    finally:
        lock.release()


def test_an_engine_that_died_is_still_known_after_an_import(home: Path) -> None:
    """Its note in the lock tells the next engine; an import between the two must not take it away."""
    place = places("default")
    place.make()
    note = Holder(pid=999_999, socket="x", started=1)
    import msgspec

    place.lock.write_bytes(msgspec.json.encode(note))
    told("import", table(bars(5), home / "x.csv"), *SAID)
    assert holder_of(place.lock) == note


def test_ctrl_c_and_again(home: Path, recordings_root_path: Path) -> None:
    """Files that were done stay done, and the same command goes on."""
    folder = recordings_root_path / "candles-1m-binance-spot"
    command = [sys.executable, "-m", "tradetui", "data", "import", str(folder), "--venue", "binance", "--json"]
    process = subprocess.Popen(command, env={**os.environ, "HOME": str(home)}, stdout=subprocess.PIPE)
    database = places("default").database
    until = time.monotonic() + 30
    while time.monotonic() < until and not (database.exists() and database.stat().st_size > 1_000_000):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    report = json.loads(out)
    assert report["interrupted"] is True
    done = [each for each in report["files"] if each["outcome"] == "imported"]
    again = told("import", folder / "2021-04_05", "--venue", "binance")
    finished = {each["path"] for each in done}
    assert all(each["outcome"] == "already" for each in again["files"] if each["path"] in finished)
    assert again["ok"]


@pytest.mark.parametrize(
    "command",
    [
        "import",
        "export",
        "ls",
        "gaps",
        "verify",
        "backfill",
        "prune",
        "migrate",
        "backup",
        "restore",
        "check",
        "rejects",
    ],
)
def test_every_command_explains_itself(command: str) -> None:
    done = data(command, "--help")
    assert done.exit_code == 0
    text = " ".join(done.stdout.replace("│", " ").split())
    assert "Exit code" in text
    assert "--profile" in text
    assert "--json" in text


def test_backfill_asks_the_exchange_and_stores_what_it_has(home: Path, recordings_root_path: Path) -> None:
    from tests.bench.start import exchange

    now = int(time.time()) // 3600 * 3600
    start, end = (time.strftime("%Y-%m-%dT%H:%M", time.gmtime(now - hours * 3600)) for hours in (6, 2))
    with exchange(home) as config:
        given = ("backfill", "BTC/USDT", "-t", "1m", "--from", start, "--to", end, "--config", config)
        first = told(*given)
        assert (first["served"], first["missing"]) == ({"venue": 240}, 0)
        (series,) = told("ls")
        assert (series["source"], series["rows"], series["gaps"]) == ("venue", 240, 0)
        assert told(*given)["served"] == {"storage": 240}
        assert told("backfill", "BTC/USDT", "-t", "1m", "--config", config)["ranges"] == 0
    with pytest.raises(ConsoleError):
        data("backfill", "ETH/USDT", "-t", "1m", "--from", start, "--to", end, "--config", config)
    with pytest.raises(SettingsInvalid, match="unknown venue 'kraken'"):
        data("backfill", "kraken:BTC/EUR")
