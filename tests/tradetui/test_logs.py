"""The log: what is written, and that nothing can make it hold up or break the program."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import SettingsInvalid
from tradetui import logs
from tradetui.credentials import Secret
from tradetui.logs import ProcessLog, channel, open_log, read_log
from tradetui.places import Places, places
from tradetui.redaction import Redactor

log = logging.getLogger("engine.feed")

HOSTILE = "\x1b]0;owned\x07\x1b[2J \x00\x7f\x9b31m \n\r\t \udc80\u202eevil\u2066 \u2028 caf\u00e9 \U0001f600"


@pytest.fixture
def where(tmp_path: Path) -> Places:
    return places("default", {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")})


@pytest.fixture
def opened(where: Places) -> Iterator[Callable[..., ProcessLog]]:
    made: list[ProcessLog] = []

    def make(**given: Any) -> ProcessLog:
        asked = {
            "places": where, "process": "engine", "level": "INFO", "max_mb": 8, "backups": 2,
            "seq": lambda: 7, "redact": str, **given,
        }  # fmt: skip
        made.append(open_log(**asked))
        return made[-1]

    yield make
    for each in made:
        each.close()


def fail(text: str) -> None:
    raise ValueError(text)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def test_a_line_says_when_what_and_at_which_record(opened: Callable[..., ProcessLog], where: Places) -> None:
    seq = iter((41, 42))
    made = opened(seq=lambda: next(seq))
    before = time.time()
    log.warning("stream %s lost", "a")
    try:
        fail("odd")
    except ValueError:
        log.exception("refused")
    assert made.flush()
    first, second = lines(where.logs / "engine.log")
    assert list(first) == ["ts", "level", "logger", "seq", "text"]
    assert (first["level"], first["logger"], first["seq"], first["text"]) == (
        "WARNING", "engine.feed", 41, "stream a lost"
    )  # fmt: skip
    assert first["ts"].startswith(time.strftime("%Y-%m-%d", time.gmtime(before)))
    assert len(first["ts"]) == len("2026-11-20T06:57:36.123Z")
    assert first["ts"].endswith("Z")
    assert second["seq"] == 42
    assert second["error"].startswith("Traceback")
    assert second["error"].endswith("ValueError: odd")
    assert "raise ValueError(text)" in second["error"]
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(where.logs.stat().st_mode) == 0o700
    assert (made.dropped, made.errors, made.last_error) == (0, 0, "")


def test_the_level_can_change_while_running(opened: Callable[..., ProcessLog]) -> None:
    made = opened(level="warning")
    assert made.level == "WARNING"
    log.info("one")
    made.set_level("DEBUG")
    log.debug("two")
    logging.getLogger("asyncio").debug("noise")
    logging.getLogger("aiohttp.client").info("noise")
    made.set_level("ERROR")
    log.warning("three")
    logging.getLogger("asyncio").warning("noise")
    with pytest.raises(SettingsInvalid, match="DEBUG, INFO, WARNING, ERROR"):
        made.set_level("LOUD")
    assert made.level == "ERROR"
    assert made.flush()
    assert [entry.text for entry in read_log(made.path)] == ["two"]


def test_a_wrong_level_starts_nothing(opened: Callable[..., ProcessLog]) -> None:
    threads = threading.active_count()
    with pytest.raises(SettingsInvalid, match="LOUD"):
        opened(level="LOUD")
    assert threading.active_count() == threads


def test_closing_puts_logging_back(opened: Callable[..., ProcessLog]) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("asyncio").level)
    made = opened(level="DEBUG")
    log.info("last words")
    made.close()
    made.close()
    assert (root.level, list(root.handlers), logging.getLogger("asyncio").level) == before
    assert [entry.text for entry in read_log(made.path)] == ["last words"]


def test_files_are_rotated_and_read_back_across(opened: Callable[..., ProcessLog], where: Places) -> None:
    made = opened(max_mb=0.002, backups=2)
    for number in range(100):
        log.info("line %d", number)
    assert made.flush()
    files = sorted(where.logs.iterdir())
    assert [path.name for path in files] == ["engine.log", "engine.log.1", "engine.log.2"]
    assert all(path.stat().st_size <= 2000 and stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)
    assert [entry.text for entry in read_log(made.path, last=30)] == [f"line {number}" for number in range(70, 100)]
    everything = [entry.text for entry in read_log(made.path, last=10_000)]
    assert 30 < len(everything) < 100
    assert everything == [f"line {number}" for number in range(100 - len(everything), 100)]


def test_without_older_files_the_log_begins_anew(opened: Callable[..., ProcessLog], where: Places) -> None:
    made = opened(max_mb=0.0005, backups=0)
    for number in range(20):
        log.info("line %d", number)
    assert made.flush()
    assert [path.name for path in where.logs.iterdir()] == ["engine.log"]
    assert list(read_log(made.path))[-1].text == "line 19"
    assert made.errors == 0


def test_a_removed_file_is_made_again(opened: Callable[..., ProcessLog]) -> None:
    made = opened()
    log.info("one")
    assert made.flush()
    made.path.unlink()
    log.info("two")
    assert made.flush()
    assert [entry.text for entry in read_log(made.path)] == ["two"]


def test_reading_leaves_torn_lines_out(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    assert list(read_log(path)) == []
    whole = '{"ts":"t","level":"INFO","logger":"l","seq":null,"text":"%s"}\n'
    path.write_bytes((whole % "a" + '{"ts":"t","lev\n\n[]\n' + whole % "b").encode() + b'\xff\xfe\n{"ts":')
    assert [entry.text for entry in read_log(path)] == ["a", "b"]
    path.write_text("".join(whole % ("x" * 997 + f"{number:03}") for number in range(500)))
    assert [entry.text[-3:] for entry in read_log(path, last=200)] == [f"{number:03}" for number in range(300, 500)]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_loses_lines_and_says_so_afterwards(
    opened: Callable[..., ProcessLog], where: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    where.logs.mkdir(parents=True)
    mode = Path("/dev/full").stat().st_mode
    made = opened()
    made.path.symlink_to("/dev/full")
    log.info("one")
    log.info("two")
    assert made.flush()
    assert made.errors == 2
    assert "No space left" in made.last_error
    assert Path("/dev/full").stat().st_mode == mode
    made.path.unlink()
    log.info("three")
    assert made.flush()
    said = list(read_log(made.path))
    assert [entry.text for entry in said[:1]] == ["three"]
    assert "2 could not be written" in said[1].text
    assert "No space left" in said[1].text
    assert len(said) == 2
    assert made.errors == 2
    assert capsys.readouterr().err == ""


def test_half_a_line_does_not_spoil_the_next(
    opened: Callable[..., ProcessLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = opened()
    write = os.write
    most = [10]

    def nearly_full(file: int, data: bytes) -> int:
        if threading.current_thread().name != "log file" or not most:
            return write(file, data)
        return write(file, data[: most.pop()])

    monkeypatch.setattr(os, "write", nearly_full)
    log.info("torn")
    log.info("whole")
    assert made.flush()
    assert made.errors == 1
    assert f"Errno {errno.ENOSPC}" in made.last_error
    assert next(read_log(made.path)).text == "whole"


def test_a_folder_that_cannot_be_made_loses_lines(
    opened: Callable[..., ProcessLog], where: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    where.state.parent.mkdir(parents=True)
    where.state.write_text("in the way")
    made = opened()
    log.error("one")
    assert made.flush()
    assert made.errors == 1
    assert "SettingsInvalid" in made.last_error
    where.state.unlink()
    log.error("two")
    assert made.flush()
    assert next(read_log(made.path)).text == "two"
    assert capsys.readouterr().err == ""


def read_pipe(path: Path) -> list[dict[str, Any]]:
    with path.open() as pipe:
        return [json.loads(line) for line in pipe]


@pytest.mark.alone
async def test_a_flood_on_a_stalled_disk_does_not_hold_the_loop(
    opened: Callable[..., ProcessLog], where: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening a pipe that nobody reads hangs, as a dead disk does."""
    monkeypatch.setattr(channel, "WAITING_MOST", 100)
    where.logs.mkdir(parents=True)
    seq = [0]
    made = opened(seq=lambda: seq[0])
    os.mkfifo(made.path)
    began = time.monotonic()
    for number in range(5000):
        seq[0] = number
        log.info("line %d", number)
    assert time.monotonic() - began < 2
    assert 4890 <= made.dropped <= 4900
    reading = asyncio.create_task(asyncio.to_thread(read_pipe, made.path))
    assert await asyncio.to_thread(made.flush)
    await asyncio.to_thread(made.close)
    said = await reading
    lost = [line["text"] for line in said if line["logger"] == "tradetui.logs"]
    kept = [line for line in said if line["logger"] != "tradetui.logs"]
    assert [line["seq"] for line in kept[:100]] == list(range(100))
    assert all(line["text"] == f"line {line['seq']}" for line in kept)
    assert lost == [f"{made.dropped} lines were dropped because too many waited"]
    assert len(kept) + made.dropped == 5000


@pytest.mark.alone
def test_closing_leaves_a_stalled_disk_behind(
    opened: Callable[..., ProcessLog], where: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "CLOSE_S", 0.05)
    where.logs.mkdir(parents=True)
    made = opened()
    os.mkfifo(made.path)
    log.info("one")
    began = time.monotonic()
    made.close()
    assert time.monotonic() - began < 1
    assert [line["text"] for line in read_pipe(made.path)] == ["one"]


def test_hostile_text_is_harmless_everywhere(opened: Callable[..., ProcessLog]) -> None:
    echo = io.StringIO()
    made = opened(echo=echo)
    logging.getLogger("evil\x1b[31m").warning(HOSTILE)
    try:
        fail(HOSTILE)
    except ValueError:
        log.exception("%s", HOSTILE)
    assert made.flush()
    raw = made.path.read_bytes()
    assert all(byte == 0x0A or 0x20 <= byte < 0x7F for byte in raw)
    assert raw.count(b"\n") == 2
    for entry in read_log(made.path):
        assert entry.text.isprintable()
        assert all(line.isprintable() for line in entry.error.split("\n"))
        assert "\\x1b]0;owned\\x07" in entry.text
        assert "\\udc80\\u202eevil" in entry.text
        assert "café \U0001f600" in entry.text
    assert all(line.isprintable() for line in echo.getvalue().split("\n"))
    assert made.errors == 0


def test_secrets_are_masked_in_texts_tracebacks_and_on_the_terminal(opened: Callable[..., ProcessLog]) -> None:
    echo = io.StringIO()
    made = opened(redact=Redactor([Secret("hunter2hunter2")]), echo=echo)
    try:
        try:
            fail("https://me:pass@host?signature=abc")
        except ValueError as error:
            raise ValueError("key hunter2hunter2") from error
    except ValueError:
        log.exception("with hunter2hunter2")
    log.info("x" * (channel.HELD_MOST - 5) + "hunter2hunter2")
    log.info("hunter2hunter2 " * 2000)
    assert made.flush()
    for said in (made.path.read_text(), echo.getvalue()):
        assert "hunter2" not in said
        assert "hunte" not in said
        assert "me:pass" not in said
        assert "signature=abc" not in said
        assert "ValueError: key ***" in said


def test_the_foreground_gets_plain_lines(opened: Callable[..., ProcessLog]) -> None:
    echo = io.StringIO()
    made = opened(echo=echo)
    log.warning("stream lost")
    try:
        fail("odd")
    except ValueError:
        log.exception("refused")
    assert made.flush()
    first, second, *trace = echo.getvalue().splitlines()
    stamp, rest = first.split(" ", 1)
    assert rest == "WARNING engine.feed stream lost"
    assert (len(stamp), stamp[10], stamp[-1]) == (24, "T", "Z")
    assert second.endswith("ERROR engine.feed refused")
    assert trace[0] == "  Traceback (most recent call last):"
    assert trace[-1] == "  ValueError: odd"


def test_a_stalled_terminal_holds_up_only_itself(opened: Callable[..., ProcessLog], tmp_path: Path) -> None:
    held = threading.Event()

    class Stalled(io.StringIO):
        def write(self, text: str) -> int:
            held.wait(60)
            return super().write(text)

    made = opened(echo=Stalled())
    log.info("one")
    deadline = time.monotonic() + 20
    while not list(read_log(made.path)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    held.set()
    assert made.flush()


def test_a_closed_terminal_is_no_loss(opened: Callable[..., ProcessLog], capsys: pytest.CaptureFixture[str]) -> None:
    echo = io.StringIO()
    echo.close()
    made = opened(echo=echo)
    log.info("one")
    assert made.flush()
    assert (made.errors, made.dropped, made.last_error) == (0, 0, "")
    assert [entry.text for entry in read_log(made.path)] == ["one"]
    assert capsys.readouterr().err == ""


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def test_wrong_log_calls_do_not_fail(
    opened: Callable[..., ProcessLog], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own raise
    made = opened(seq=lambda: 1 // 0)
    log.info("%d of %d", "x")
    log.info("%s", Unspeakable())
    log.info(Unspeakable())
    log.error("no error", exc_info=True)
    log.info("x" * 1_000_000)
    assert made.flush()
    said = list(read_log(made.path))
    assert [entry.seq for entry in said] == [None] * 4
    assert said[0].text == "'%d of %d', with arguments that do not fit (TypeError)"
    assert said[1].text == "'%s', with arguments that do not fit (RuntimeError)"
    assert len(said[3].text) == channel.TEXT_MOST + 3
    assert made.errors == 1
    assert capsys.readouterr().err == ""


def test_a_redactor_that_fails_writes_nothing(opened: Callable[..., ProcessLog]) -> None:
    def broken(text: str) -> str:
        raise KeyError(text)

    made = opened(redact=broken)
    log.info("one")
    assert made.flush()
    assert made.errors == 1
    assert made.last_error == "KeyError"
    assert not made.path.exists()


def test_a_long_traceback_keeps_its_end(opened: Callable[..., ProcessLog]) -> None:
    made = opened()
    try:
        fail("x" * 100_000 + "the end")
    except ValueError:
        log.exception("long")
    assert made.flush()
    (entry,) = read_log(made.path)
    assert len(entry.error) < channel.ERROR_MOST + 10
    assert entry.error.endswith("the end")


def test_many_threads_log_at_once(opened: Callable[..., ProcessLog]) -> None:
    made = opened()
    threads = [threading.Thread(target=lambda: [log.info("x") for _ in range(200)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made.flush()
    assert len(list(read_log(made.path, last=5000))) == 1600
