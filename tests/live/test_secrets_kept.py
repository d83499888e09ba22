"""A marked key, written wherever people and addresses can write one, in everything that an engine leaves behind."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import polars as pl

from storage.cold import Cold
from storage.retention import DAY, Days, Policy, Retention
from storage.writer import Writer
from tests.support.marked import FORMS, MARK
from tests.support.processes import BlockingClient, until
from tests.support.wire import said
from tradetui.places import places

TABLES = ("book_snapshots", "cob_1s", "cob_1m", "imbalances", "trades", "bars")


def unpacked(path: Path) -> Iterator[bytes]:
    """The file as it is, and what is compressed in it."""
    data = path.read_bytes()
    yield data
    if data[:2] == b"\x1f\x8b":
        yield gzip.decompress(data)
    elif data[:4] == b"PAR1":
        # Columns, their statistics and the file's own notes.
        frame = pl.read_parquet(io.BytesIO(data))
        yield frame.write_json().encode() if frame.width else b""
        yield repr(pl.read_parquet_metadata(io.BytesIO(data))).encode()
    elif data[:4] == b"PK\x03\x04":
        archive = zipfile.ZipFile(io.BytesIO(data))
        yield from (archive.read(name) for name in archive.namelist())
    elif data[:6] == b"SQLite":
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        yield "\n".join(connection.iterdump()).encode()
        connection.close()


def leaks(folder: Path) -> list[tuple[str, str]]:
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "keys.toml" and path.name != "config.toml":
            found += [
                (str(path.relative_to(folder)), form)
                for text in unpacked(path)
                for form in FORMS
                if form.encode() in text
            ]
    return found


def test_the_search_finds_what_is_packed(tmp_path: Path) -> None:
    """A search that finds nothing proves nothing."""
    with gzip.open(tmp_path / "a.gz", "wb") as file:
        file.write(MARK.encode() * 2)
    pl.DataFrame({"text": [MARK] * 1000}).write_parquet(tmp_path / "b.parquet", compression="zstd")
    pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "note.parquet", metadata={"why": MARK})
    with zipfile.ZipFile(tmp_path / "c.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("d", MARK * 9)
    connection = sqlite3.connect(tmp_path / "e.db")
    connection.execute("CREATE TABLE t (x)")
    connection.execute("INSERT INTO t VALUES (?)", (MARK,))
    connection.commit()
    connection.close()
    assert {path for path, _ in leaks(tmp_path)} == {"a.gz", "b.parquet", "note.parquet", "c.zip", "e.db"}


async def pack(database: Path) -> None:
    """Pack all that is older than a day, ten days from now."""
    writer = Writer(database)
    await writer.open()
    try:
        policy = Policy(days={table: Days(pack=1, keep=36_500) for table in TABLES}, prune_below_mb=0)
        now = time.time_ns() + 10 * DAY
        await Retention(writer, Cold(database.parent / "cold"), policy, clock=lambda: now).once()
    finally:
        await writer.close()


def test_nothing_that_is_kept_has_the_key(tmp_path: Path, exchange_config: Path) -> None:
    home, words = tmp_path / "home", tmp_path / "words"
    (home / "tmp").mkdir(parents=True)
    words.mkdir()
    keys = tmp_path / "keys.toml"
    keys.write_text(f'[bybit]\napi_key = "{MARK}"\napi_secret = "{MARK}"\n')
    keys.chmod(0o600)
    config = tmp_path / "config.toml"
    user = quote(MARK, safe="")
    config.write_text(
        exchange_config.read_text().replace("://", f"://user:{user}@") + f'[credentials]\nfile = "{keys}"\n'
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "TRADETUI"))}
    environment = {
        **kept, "HOME": str(home), "TMPDIR": str(home / "tmp"),
        "TRADETUI_BINANCE_API_KEY": MARK, "TRADETUI_BINANCE_API_SECRET": MARK,
    }  # fmt: skip
    there = places("default", environment)
    count = 0

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        nonlocal count
        done = subprocess.run(
            [sys.executable, "-m", "tradetui", *arguments],
            capture_output=True, text=True, check=False, timeout=60, env={**environment, **more},
        )  # fmt: skip
        count += 1
        (words / f"{count} {arguments[0] if arguments else ''}").write_text(done.stdout + done.stderr)
        return done

    tape = home / "tape"
    arguments = ["--headless", "--debug", "--config", str(config), "--record", str(tape), "--report", str(home / "r")]
    with (words / "engine").open("wb") as out:
        engine = subprocess.Popen(
            [sys.executable, "-m", "tradetui", *arguments], stdout=out, stderr=out, env=environment
        )
    try:
        until(lambda: engine.poll() is not None or there.socket.exists(), "its socket")
        hello = said(type="hello", protocol=1, client=f"my {MARK}"[:40], version=MARK)
        with BlockingClient(there.socket, hello) as client:
            until(lambda: any(row["live"] for row in client.ask(type="get", id=1, topic="markets")["data"]), "a book")
            number = 1

            def ask(**request: object) -> None:
                nonlocal number
                number += 1
                (words / f"answer {number}").write_text(repr(client.ask(id=number, **request)))

            for topic in (MARK, "book", "bars", "history", "price"):
                ask(type="get", topic=topic, instrument=MARK, timeframe=MARK)
            ask(type="get", topic="history", instrument="binance:BTC/USDT", timeframe="1s")
            for name, given in (
                (MARK, {MARK: MARK}),
                ("log_level", {"level": MARK}),
                ("data_import", {"path": MARK}),
                ("data_prune", {"instrument": MARK, "timeframe": MARK, "source": MARK}),
                ("order", {"symbol": MARK, "side": "buy", "quantity": "1"}),
                ("order", {"symbol": "binance:BTC/USDT", "side": MARK, "quantity": MARK}),
                ("cancel", {"order": MARK}),
                ("switch", {"name": MARK, "on": True}),
                ("limits", {MARK: 1}),
                ("kill", {"reason": f"it is {MARK}"}),
                ("arm", {"word": MARK, "reason": MARK}),
                ("arm", {"word": "PAPER", "reason": f"again {MARK}"}),
                ("order", {"symbol": "binance:BTC/USDT", "side": "buy", "quantity": "0.001"}),
                ("disarm", {"reason": MARK}),
            ):
                ask(type="command", name=name, arguments=given)
            for topic in ("health", "alerts", "events", "audit", "orders", "order_history", "fill_history", "trading"):
                ask(type="get", topic=topic)
        (words / "processes").write_bytes(Path(f"/proc/{engine.pid}/cmdline").read_bytes())
        limits = Path(f"/proc/{engine.pid}/limits").read_text()
        assert next(line for line in limits.splitlines() if line.startswith("Max core file size")).split()[4] == "0"
        run("arm", "--word", "PAPER", "--reason", MARK)
        run("kill", "--reason", f"the key of the file is {MARK}")
        run("audit", "--json")
        time.sleep(6)  # rows are written after five seconds
        out_file = home / "out"
        out_file.mkdir()
        for form in ("parquet", "csv"):
            run("data", "export", "BTC/USDT", "-t", "1s", "-o", str(out_file), "--format", form)
        run("data", "backup")
        for command in ("ls", "verify", "rejects"):
            run("data", command)
        for command in ("import", "export"):
            run("data", command, f"/nowhere/{MARK}")
            (words / f"{count} data").unlink()  # a terminal may repeat what was typed on it; what is kept may not
        run("doctor", "--config", str(config))
        run("--show-completion", SHELL="/bin/bash")
        run(_TRADETUI_COMPLETE="complete_bash", COMP_WORDS=f"tradetui order {MARK} ", COMP_CWORD="3")
        engine.terminate()
        assert engine.wait(30) == 0
    finally:
        engine.kill()
        engine.wait()
    asyncio.run(pack(there.database))
    names = [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()]
    for what in ("tape/", "cold/", "backups/", "engine.log", ".csv", ".parquet", "kill.json", "kills.jsonl", "killed"):
        assert [name for name in names if what in name], (what, names)
    assert "***" in (there.latch.read_text() + there.kills.read_text())
    assert leaks(words) == []
    assert leaks(home) == []
