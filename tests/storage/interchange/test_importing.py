"""Whole imports: counts that add up, nothing done twice, nothing half done."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest

from engine.errors import ImportRefused, StorageFailed
from storage.interchange import importing, staging
from storage.interchange.batch import Hints
from storage.interchange.importing import Importer, units
from storage.interchange.manifest import Manifest, load
from storage.interchange.report import FileReport, Report
from tests.storage.interchange.support import NOW, START, Shelf, bars, closes, only, table

ROOT = Path(__file__).parents[3]
SAID = {"venue": "binance", "symbol": "BTC/USDT", "timeframe": "1m"}


def test_importing_again_changes_nothing(shelf: Shelf, recordings_root_path: Path) -> None:
    paths = [
        recordings_root_path / name
        for name in (
            "octobot-sqlite-2017_2018",
            "binance-vision-zips",
            "lean-crypto",
            "candles-1m-binance-spot/2021-11_12",
        )
    ]
    first = shelf.bring(*paths)
    assert all(each.adds_up for each in first.files)
    shelf.pivots()
    before = shelf.dump()
    again = shelf.bring(*paths)
    assert shelf.dump() == before
    assert {each.outcome for each in again.files} == {"already", "skipped", "refused"}
    assert [each.reason for each in first.files if each.outcome == "refused"] == [
        each.reason for each in again.files if each.outcome == "refused"
    ]


def test_what_was_traded_is_no_data_and_no_fault(shelf: Shelf, recordings_root_path: Path, tmp_path: Path) -> None:
    """A folder of our recorder: the market is taken, what was traded is left out."""
    note = b'{"stream":"!tradetui","data":{"e":"account","body":{}}}'
    tape = tmp_path / "tape"
    traded, market = tape / "trading_1723161248.gz", tape / "binance" / "btcusdt.txt"
    market.parent.mkdir(parents=True)
    traded.write_bytes(gzip.compress(b"1723161248000000000 %s\n" % note))
    with gzip.open(recordings_root_path / "hftbacktest-binance-ws/spot/btcusdt_20240808.gz") as lines:
        market.write_bytes(b"".join(islice(lines, 3000)))
    report = shelf.bring(tape)
    assert {each.path: (each.outcome, each.reason) for each in report.files} == {
        str(market): ("imported", ""),
        str(traded): ("skipped", "what was traded, and nothing of the market"),
    }


def test_the_same_rows_in_another_file_are_duplicates_and_change_no_row(shelf: Shelf, tmp_path: Path) -> None:
    rows = bars(20)
    shelf.bring(table(rows, tmp_path / "a.csv"), **SAID)
    before = closes(shelf)
    file = only(shelf.bring(table([*rows, *bars(5, start=START + 20 * 60_000)], tmp_path / "b.csv"), **SAID))
    assert (file.rows, file.new, file.identical, file.conflicts) == (25, 5, 20, 0)
    assert {at: close for at, close in closes(shelf).items() if at in before} == before
    assert shelf.rows("SELECT duplicates, conflicts FROM series") == [(20, 0)]


def test_a_contradiction_is_reported_with_both_values_and_the_first_stays(shelf: Shelf, tmp_path: Path) -> None:
    rows = bars(10)
    shelf.bring(table(rows, tmp_path / "a.csv"), **SAID)
    other = rows.copy()
    cells = other[3].split(",")
    cells[2] = str(float(cells[2]) + 1)
    other[3] = ",".join(cells)
    file = only(shelf.bring(table(other, tmp_path / "b.csv"), **SAID))
    assert (file.new, file.identical, file.conflicts) == (0, 9, 1)
    (difference,) = file.differences
    assert (difference.at, difference.field) == (START + 180_000, "high")
    assert difference.file == difference.stored + 1  # type: ignore[operator]
    assert shelf.rows("SELECT high FROM bars WHERE open_ms = ?", START + 180_000) == [(difference.stored,)]
    beside = only(shelf.bring(tmp_path / "b.csv", **SAID, source="other"))
    assert (beside.new, beside.conflicts) == (10, 0)  # another hand's rows stand beside


def test_what_is_said_otherwise_is_another_import(shelf: Shelf, tmp_path: Path) -> None:
    path = table(bars(10), tmp_path / "x.csv")
    assert only(shelf.bring(path, **SAID)).outcome == "imported"
    assert only(shelf.bring(path, **SAID)).outcome == "already"
    assert only(shelf.bring(path, **{**SAID, "symbol": "ETH/USDT"})).new == 10
    copy = tmp_path / "copy.csv"
    copy.write_bytes(path.read_bytes())
    file = only(shelf.bring(copy, **SAID))
    assert (file.outcome, file.reason) == ("already", f"imported earlier, as {path}")


def test_the_same_content_under_the_name_of_another_instrument_is_another_import(shelf: Shelf, tmp_path: Path) -> None:
    for name in ("ETHUSDT_1m.csv", "BTCUSDT_1m.csv"):
        assert only(shelf.bring(table(bars(10), tmp_path / name), venue="binance")).new == 10
    assert shelf.rows("SELECT key FROM instruments ORDER BY key") == [("binance:BTC/USDT",), ("binance:ETH/USDT",)]
    (tmp_path / "moved").mkdir()
    moved = (tmp_path / "ETHUSDT_1m.csv").rename(tmp_path / "moved/ETHUSDT_1m.csv")
    assert only(shelf.bring(moved, venue="binance")).outcome == "already"


def test_trades_that_are_there_are_found_by_their_ids(shelf: Shelf, tmp_path: Path) -> None:
    rows = [f"{i},{START + i},1.5,2,buy" for i in range(3000)]
    head, steps = "id,time,price,size,side", 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    assert only(shelf.bring(table(rows, tmp_path / "a.csv", head), **SAID)).new == 3000
    shelf.connection.set_progress_handler(count, 10_000)
    file = only(shelf.bring(table([*rows, f"9999,{START},1.5,2,buy"], tmp_path / "b.csv", head), **SAID))
    assert (file.new, file.identical) == (1, 3000)
    assert steps < 200  # going through all for each takes 3000 x 3000 and more


def test_a_name_that_is_no_text(shelf: Shelf, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.csv"))
    try:
        table([*bars(3), "x,1,2,1,1,1"], path)
    except OSError:
        pytest.skip("the file system takes only names that are text")
    assert only(shelf.bring(path, **SAID)).path.endswith(r"\xff.csv")
    assert only(shelf.bring(path, **SAID)).reason == "imported earlier"


def test_a_file_of_which_every_row_is_refused_is_told(shelf: Shelf, tmp_path: Path) -> None:
    assert shelf.bring(table(bars(10), tmp_path / "a.csv"), **SAID).ok
    commas = [f"{time},1;5,2;5,1;5,1;5,1;5" for time in range(START, START + 600_000, 60_000)]
    done = shelf.bring(table(commas, tmp_path / "b.csv"), **SAID)
    assert (only(done).rows, only(done).refused, done.ok) == (10, 10, False)


def test_refused_rows_are_kept_aside(shelf: Shelf, tmp_path: Path) -> None:
    path = table([*bars(3), "x,1,2,1,1,1"], tmp_path / "x.csv")
    file = only(shelf.bring(path, **SAID))
    assert (file.new, file.refused, file.kinds) == (3, 1, {"no time": 1})
    ((at, kind, reason, body),) = shelf.rows("SELECT at, kind, reason, body FROM rejects")
    assert (at, kind, reason) == (NOW, "bars", "no time")
    assert json.loads(body) == {"file": str(path), "row": 5, "text": "x,1,2,1,1,1"}


def test_a_file_in_another_unit_is_refused_whole(shelf: Shelf, tmp_path: Path) -> None:
    shelf.bring(table(bars(50), tmp_path / "a.csv"), **SAID)
    before = shelf.dump()
    file = only(shelf.bring(table(bars(50, price=100_000.0), tmp_path / "b.csv"), **SAID, source="other"))
    assert file.outcome == "refused"
    assert "10^3 times those of import:csv" in file.reason
    assert shelf.dump() == before


def test_volumes_in_quote_currency_are_noticed(shelf: Shelf, tmp_path: Path) -> None:
    rows = bars(30)
    shelf.bring(table(rows, tmp_path / "a.csv"), **SAID)
    quoted = [f"{row.rpartition(',')[0]},{float(row.split(',')[5]) * float(row.split(',')[4])}" for row in rows]
    (note,) = only(shelf.bring(table(quoted, tmp_path / "b.csv"), **SAID, source="other")).notes
    assert "volumes look like quote currency" in note


def test_the_better_source_is_read(shelf: Shelf, tmp_path: Path) -> None:
    low, high = bars(5), bars(5, price=101.0)
    shelf.bring(table(low, tmp_path / "a.csv"), **SAID, source="octobot")
    shelf.bring(table(high, tmp_path / "b.csv"), **SAID, source="archive")
    from engine.types import Timeframe

    assert shelf.archive.candles("binance:BTC/USDT", Timeframe.M1).open.tolist() == [
        float(r.split(",")[1]) for r in high
    ]
    ranks = dict(shelf.rows("SELECT source, rank FROM series"))
    assert ranks["import:archive"] < staging.rank("import:somebody") < ranks["import:octobot"]


def test_links_hidden_files_and_odd_ones(shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    path = table(bars(3), folder / "binance_BTCUSDT_1m.csv")
    (folder / "again.csv").symlink_to(path)
    (folder / "broken.csv").symlink_to(folder / "nothing")
    (folder / "loop").symlink_to(folder)
    (folder / ".hidden.csv").write_text("x")
    (folder / "README.md").write_text("x")
    os.mkfifo(folder / "pipe.csv")
    report = shelf.bring(folder)
    outcomes = {Path(each.path).name: (each.outcome, each.reason) for each in report.files}
    assert sorted(outcomes) == ["README.md", "again.csv", "broken.csv", "pipe.csv"]
    assert outcomes["README.md"] == ("skipped", "a document, no data")
    assert outcomes["pipe.csv"] == ("refused", "not a plain file")
    assert outcomes["broken.csv"][1].startswith("cannot be read")
    assert not report.ok


def test_a_checksum_beside_a_file_is_compared(shelf: Shelf, tmp_path: Path) -> None:
    path = table(bars(3), tmp_path / "x.csv")
    beside = tmp_path / "x.csv.CHECKSUM"
    beside.write_text(f"{'0' * 64}  x.csv\n")
    assert "not what x.csv.CHECKSUM says" in only(shelf.bring(path, **SAID)).reason
    beside.write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  x.csv\n")
    assert only(shelf.bring(path, **SAID)).new == 3


def test_originals_are_only_read(shelf: Shelf, tmp_path: Path) -> None:
    path = table(bars(3), tmp_path / "x.csv")
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    path.chmod(0o400)
    shelf.bring(path, **SAID)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert not list(shelf.folder.glob("import-*"))


def test_a_dry_run_stores_nothing(shelf: Shelf, tmp_path: Path) -> None:
    before = shelf.dump()
    path = table([*bars(3), "x"], tmp_path / "x.csv")
    report = Importer(shelf, shelf.folder, dry_run=True).run(units([path], Manifest(), Hints(**SAID)))
    file = only(report)
    assert (file.outcome, file.new, file.refused) == ("would import", 3, 1)
    assert shelf.dump() == before


def test_ctrl_c_leaves_finished_files_done(shelf: Shelf, tmp_path: Path) -> None:
    paths = [table(bars(3, start=START + i * 600_000), tmp_path / f"{i}.csv") for i in range(3)]

    def stop(done: int, of: int, name: str) -> None:
        if done == 1 and name:
            raise KeyboardInterrupt

    report = Importer(shelf, shelf.folder, progress=stop).run(units(paths, Manifest(), Hints(**SAID)))
    assert report.interrupted
    assert len(closes(shelf)) == 3
    assert [each.outcome for each in shelf.bring(*paths, **SAID).files] == ["already", "imported", "imported"]


def test_what_is_not_complete_gives_way_to_what_is(shelf: Shelf, tmp_path: Path) -> None:
    head = "timestamp,open,high,low,close,volume,complete"
    rows = bars(5)
    shelf.bring(table([f"{row},{int(i < 4)}" for i, row in enumerate(rows)], tmp_path / "a.csv", head), **SAID)
    last = rows[4].rpartition(",")[0]
    file = only(
        shelf.bring(table([*(f"{row},1" for row in rows[:4]), f"{last},50,1"], tmp_path / "b.csv", head), **SAID)
    )
    assert (file.new, file.identical, file.conflicts) == (1, 4, 0)
    assert shelf.rows("SELECT volume, complete FROM bars ORDER BY open_ms DESC LIMIT 1") == [(50, 1)]
    file = only(shelf.bring(table([f"{last},60,0"], tmp_path / "c.csv", head), **SAID))
    assert (file.new, file.conflicts) == (0, 1)


def test_what_a_file_says_twice_and_otherwise_is_told(shelf: Shelf, tmp_path: Path) -> None:
    rows = bars(5)
    again = rows[2].rpartition(",")[0] + ",77"
    file = only(shelf.bring(table([*rows, rows[1], again], tmp_path / "x.csv"), **SAID))
    assert (file.rows, file.new, file.identical, file.conflicts) == (7, 5, 1, 1)
    ((at, field, first, other),) = [(d.at, d.field, d.stored, d.file) for d in file.differences]
    assert (at, field, first, other) == (START + 120_000, "volume", 3, 77)


def test_a_database_that_refuses_is_told_with_what_is_done(shelf: Shelf, tmp_path: Path) -> None:
    paths = [table(bars(3, start=START + i * 600_000), tmp_path / f"{i}.csv") for i in range(3)]
    take, taken = shelf.take, []

    def full(staged: Path) -> FileReport:
        if taken:
            raise StorageFailed("No space left on device")
        taken.append(staged)
        return take(staged)

    shelf.take = full  # type: ignore[method-assign]
    report = shelf.bring(*paths, **SAID)
    assert (report.failed, report.ok, len(report.files)) == ("No space left on device", False, 1)
    shelf.take = take  # type: ignore[method-assign]
    assert [each.outcome for each in shelf.bring(*paths, **SAID).files] == ["already", "imported", "imported"]


def test_scales_that_a_recording_tells_are_stored_unless_known(shelf: Shelf, recordings_root_path: Path) -> None:
    path = recordings_root_path / "hftbacktest-binance-ws/cm/ethusd_perp_20240808.gz"
    key = "binancecoinm:ETH/USD:ETH"
    only(shelf.bring(path))
    ((symbol, price, contract),) = shelf.rows(
        "SELECT symbol, price_decimals, contract_size FROM instruments WHERE key = ?", key
    )
    assert (symbol, price, contract) == ("ETHUSD_PERP", 2, 10)
    found = shelf.archive.trades(key, start=0, end=2**62, limit=3)
    newest = shelf.rows("SELECT price FROM trades ORDER BY trade_id DESC LIMIT 3")
    assert [trade.price for trade in found] == [round(price * 100) for (price,) in reversed(newest)]
    shelf.connection.execute("UPDATE instruments SET price_decimals = 3")
    only(shelf.bring(path, source="again"))
    assert shelf.rows("SELECT DISTINCT price_decimals FROM instruments") == [(3,)]


def test_a_merge_that_fails_leaves_nothing(shelf: Shelf, tmp_path: Path) -> None:
    path = table(bars(30), tmp_path / "x.csv")
    before = shelf.dump()
    shelf.connection.execute("CREATE TEMP TRIGGER no BEFORE INSERT ON imports BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(sqlite3.Error, match="no"):
        shelf.bring(path, **SAID)
    shelf.connection.execute("DROP TRIGGER no")
    assert shelf.dump() == before
    assert not list(shelf.folder.glob("import-*"))
    assert only(shelf.bring(path, **SAID)).new == 30


def test_counts_that_do_not_add_up_take_nothing(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(bars(30), tmp_path / "x.csv")
    before = shelf.dump()
    read = importing.recognise.read

    def wrong(paths: list[Path], format: str, hints: Hints) -> object:
        parsed = read(paths, format, hints)
        parsed.rows += 1
        return parsed

    monkeypatch.setattr(importing.recognise, "read", wrong)
    assert "do not add up" in shelf.bring(path, **SAID).failed
    assert shelf.dump() == before


KILLED = """
import sys, time
from pathlib import Path
from tests.storage.interchange.support import Shelf
shelf = Shelf(Path(sys.argv[1]))
print("ready", flush=True)
shelf.bring(*map(Path, sys.argv[2:]))
"""


def test_killed_in_the_middle_it_goes_on(shelf: Shelf, tmp_path: Path, recordings_root_path: Path) -> None:
    """`kill -9` at several moments: a file is there whole or not at all, and the end is that of a straight import."""
    paths = sorted((recordings_root_path / "candles-1m-binance-spot/2021-04_05").glob("*.json"))
    paths += sorted((recordings_root_path / "candles-1m-binance-spot/2024-07_08").glob("*.feather"))
    shelf.bring(*paths)
    whole = shelf.rows(
        "SELECT s.timeframe, count(*), sum(open), sum(volume) FROM bars b JOIN series s ON s.id = series_id"
    )
    folder = tmp_path / "killed"
    for pause in (0.1, 0.3, 0.5, 0.7):
        command = [sys.executable, "-c", KILLED, str(folder), *map(str, paths)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        with sqlite3.connect(folder / "market.db") as found:
            assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            taken = sum(json.loads(row[0])["new"] for row in found.execute("SELECT report FROM imports"))
            assert found.execute("SELECT count(*) FROM bars").fetchone() == (taken,)
    again = Shelf(folder)
    try:
        again.bring(*paths)
        assert (
            again.rows(
                "SELECT s.timeframe, count(*), sum(open), sum(volume) FROM bars b JOIN series s ON s.id = series_id"
            )
            == whole
        )
    finally:
        again.close()


# The manifest. --------------------------------------------------------------------------------------------------------


def test_the_manifest_of_the_documents_covers_every_recorded_file(recordings_root_path: Path) -> None:
    """All that is refused is nothing, all that is left out has a reason."""
    manifest = load(ROOT / "docs" / "import-manifest.toml")
    found = units([recordings_root_path], manifest, Hints())
    assert [unit.name for unit in found if unit.reason and not unit.skipped] == []
    assert sum(1 for unit in found if not unit.reason) == 77
    text = (ROOT / "docs" / "import-manifest.toml").read_text()
    for entry in manifest._entries:
        assert any(entry.pattern.fullmatch(path.as_posix()) for path in recordings_root_path.rglob("*")), entry.pattern
    assert text.count("[[file]]") == len(manifest._entries)


def test_a_file_of_two_venues_is_parted(shelf: Shelf, recordings_root_path: Path) -> None:
    manifest = load(ROOT / "docs" / "import-manifest.toml")
    report: Report = shelf.bring(
        recordings_root_path / "candles-1d-btcusd-2011_2025/BTCUSD_1d_candles.csv", manifest=manifest
    )
    assert [(each.series[0].instrument, each.new, each.left_out) for each in report.files] == [
        ("bitstamp:BTC/USD", 1434, 3681), ("coinbase:BTC/USD", 3681, 1434),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[file]]\nvenue = 'x'", "entry 1: expected glob"),
        ("[[file]]\nglob = '*'\nvenu = 'x'", "entry 1 .*unknown field `venu`"),
        ("[[file]]\nglob = '*'\nvolume = 'usd'", "expected base, quote or contracts"),
        ("[files]\nglob = '*'", "expected \\[\\[file\\]\\] entries"),
        ("[[file]\n", "--manifest"),
        ("[[file]]\nglob = '*'\ncolumns = 'a,b'", "entry 1"),
    ],
)  # fmt: skip
def test_a_wrong_manifest_names_the_entry(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "manifest.toml"
    path.write_text(text)
    with pytest.raises(ImportRefused, match=why):
        load(path)
    with pytest.raises(ImportRefused, match="No such file"):
        load(tmp_path / "nothing.toml")


def test_globs_fit_the_end_of_a_path_and_the_first_counts(tmp_path: Path) -> None:
    path = tmp_path / "manifest.toml"
    path.write_text(
        "[[file]]\nglob = 'a/*.csv'\nvenue = 'one'\n[[file]]\nglob = 'a/**/x?.csv'\nvenue = 'two'\n"
        "[[file]]\nglob = '*.csv'\nvenue = 'three'\nsince = 2020-01-01\n"
    )
    manifest = load(path)
    found = {
        name: [each.venue for each in manifest.hints(Path(name))]
        for name in ("/r/a/x1.csv", "/r/a/b/c/x1.csv", "/r/ba/x1.csv", "/r/a/b/x12.csv", "/r/a/x.json")
    }
    assert found == {
        "/r/a/x1.csv": ["one"], "/r/a/b/c/x1.csv": ["two"], "/r/ba/x1.csv": ["three"], "/r/a/b/x12.csv": ["three"],
        "/r/a/x.json": [],
    }  # fmt: skip
    assert manifest.hints(Path("/r/z.csv"))[0].since == "2020-01-01"
    assert Hints(venue="flag").over(manifest.hints(Path("/r/z.csv"))[0]) == Hints(venue="flag", since="2020-01-01")


def test_the_document_quotes_the_manifest() -> None:
    manifest = (ROOT / "docs" / "import-manifest.toml").read_text()
    assert f"```toml\n{manifest}```" in (ROOT / "docs" / "data.md").read_text()
