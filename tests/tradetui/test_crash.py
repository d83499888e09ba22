"""What is kept of a crash, and what is said of errors that nobody caught."""

from __future__ import annotations

import asyncio
import gc
import io
import logging
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tradetui import __version__
from tradetui.crash import KEPT, Hooks, crash_report, install
from tradetui.credentials import Secret
from tradetui.logs import read_log
from tradetui.places import Places, places
from tradetui.redaction import Redactor

REDACT = Redactor([Secret("hunter2hunter2")])


@pytest.fixture
def where(tmp_path: Path) -> Places:
    return places("default", {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")})


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def hooks(where: Places, said: io.StringIO) -> Iterator[Hooks]:
    made = install(where, "engine", REDACT, lambda: 12, stderr=said)
    yield made
    made.remove()


def fail(text: str, kept: str) -> None:
    raise ValueError(text)


def raised(text: str = "odd") -> BaseException:
    try:
        fail(text, "kept".upper())
    except ValueError as error:
        return error
    raise AssertionError


def test_a_report_says_what_is_needed_and_no_secret(where: Places) -> None:
    path = crash_report(where, "engine", raised("\x1b[2J hunter2hunter2 \udc80 café"), REDACT, lambda: 12)
    assert path is not None
    assert path.parent == where.state / "crashes"
    assert path.name.startswith("engine-20")
    assert path.name.endswith("Z.txt")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    text = path.read_text("utf-8")
    assert f"tradetui   {__version__}\n" in text
    assert "Python 3." in text
    assert "seq        12\n" in text
    assert "ValueError: \\x1b[2J *** \\udc80 café\n" in text
    assert "raise ValueError(text)" in text
    assert "KEPT" not in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_only_the_newest_reports_are_kept(where: Places) -> None:
    paths = [crash_report(where, "engine", raised(str(number)), REDACT, lambda: 12) for number in range(KEPT + 5)]
    left = set((where.state / "crashes").iterdir())
    assert len(left) == KEPT
    assert paths[-1] in left
    assert "ValueError: 14" in paths[-1].read_text()


def test_a_report_never_raises(where: Places) -> None:
    def broken(*_: object) -> int:
        raise RuntimeError("half gone")

    path = crash_report(where, "engine", raised(), str, broken)
    assert path is not None
    assert "seq        unknown" in path.read_text()
    assert crash_report(where, "engine", raised(), broken, lambda: 1) is None
    path.unlink()
    (where.state / "crashes").rmdir()
    (where.state / "crashes").write_text("in the way")
    assert crash_report(where, "engine", raised(), REDACT, lambda: 1) is None


def test_a_long_traceback_keeps_its_end(where: Places) -> None:
    path = crash_report(where, "engine", raised("x" * 500_000 + "the end"), REDACT, lambda: 1)
    assert path is not None
    assert path.stat().st_size < 250_000
    assert path.read_text().endswith("the end\n")


def test_the_end_of_the_program_is_one_line_and_a_report(
    where: Places, hooks: Hooks, said: io.StringIO, caplog: pytest.LogCaptureFixture
) -> None:
    error = raised("\x1b[2J hunter2hunter2")
    sys.excepthook(type(error), error, error.__traceback__)
    (report,) = (where.state / "crashes").iterdir()
    expected = f"tradetui: engine ended by a fault of ours: ValueError: \\x1b[2J ***; see {report}\n"
    assert said.getvalue() == expected
    (record,) = caplog.records
    assert (record.levelno, record.exc_info[1]) == (logging.CRITICAL, error)


def test_ctrl_c_is_no_crash(where: Places, hooks: Hooks, said: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert "KeyboardInterrupt" in capsys.readouterr().err
    assert not (where.state / "crashes").exists()
    assert said.getvalue() == ""


def test_a_thread_that_ends_is_logged_and_reported(
    where: Places, hooks: Hooks, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ValueError("odd")

    for target in (fail, sys.exit):
        thread = threading.Thread(target=target, name="worker")
        thread.start()
        thread.join()
    (record,) = caplog.records
    assert record.getMessage() == "thread worker ended: ValueError: odd"
    assert len(list((where.state / "crashes").iterdir())) == 1
    assert capsys.readouterr().err == ""


def test_what_a_finaliser_raises_is_logged(
    hooks: Hooks, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    class Fails:
        def __del__(self) -> None:
            raise ValueError("odd")

    Fails()
    gc.collect()
    (record,) = caplog.records
    assert "ValueError: odd" in record.getMessage()
    assert capsys.readouterr().err == ""


async def test_a_task_that_nobody_awaits_is_logged_once(hooks: Hooks, caplog: pytest.LogCaptureFixture) -> None:
    hooks.attach(asyncio.get_running_loop())

    async def fail() -> None:
        raise ValueError("odd")

    task = asyncio.create_task(fail(), name="watcher")
    await asyncio.wait((task,))
    del task
    gc.collect()
    asyncio.get_running_loop().call_soon(lambda: 1 // 0)
    await asyncio.sleep(0)
    first, second = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert first.getMessage() == "Task exception was never retrieved (watcher): ValueError: odd"
    assert isinstance(first.exc_info[1], ValueError)
    assert "ZeroDivisionError" in second.getMessage()


async def test_a_loop_is_told_of_other_trouble_too(hooks: Hooks, caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    hooks.attach(loop)
    loop.call_exception_handler({"message": "socket trouble"})
    loop.call_exception_handler({})
    assert [record.getMessage() for record in caplog.records] == ["socket trouble", "fault in the event loop"]
    hooks.remove()
    assert loop.get_exception_handler() is None


def test_hooks_can_be_taken_away(where: Places) -> None:
    before = (sys.excepthook, threading.excepthook, sys.unraisablehook)
    install(where, "engine", REDACT, lambda: 1).remove()
    assert (sys.excepthook, threading.excepthook, sys.unraisablehook) == before


PROGRAM = """
import logging
from tradetui.crash import install
from tradetui.credentials import Secret
from tradetui.logs import open_log
from tradetui.places import places
from tradetui.redaction import Redactor
where = places("default")
redact = Redactor([Secret("hunter2hunter2")])
open_log(where, "engine", "INFO", 8, 2, lambda: 5, redact)
install(where, "engine", redact, lambda: 5)
logging.getLogger("x").info("before")
raise ValueError("hunter2" * 2)
"""


def test_a_process_that_dies_leaves_log_and_report_and_one_line(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("tradetui: engine ended by a fault of ours: ValueError: ***; see ")
    assert "ValueError: ***" in Path(line.partition("; see ")[2]).read_text()
    entries = list(read_log(places("default", environment).logs / "engine.log"))
    assert [(entry.level, entry.text) for entry in entries] == [
        ("INFO", "before"),
        ("CRITICAL", "engine ended: ValueError: ***"),
    ]
    assert entries[1].error.endswith("ValueError: ***")
