"""Fixtures of all tests, and a search of examples that is the same each time and knows no clock."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.exchange import recordings_root
from tests.support.turns import turn

RECORDINGS = "TRADETUI_RECORDINGS"

settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    print_blob=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="Write what is compared instead of comparing it.")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compares a text with a file of the repository; with --update-goldens writes the file."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--update-goldens"):
            path.write_text(text, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is out of date: pytest --update-goldens"

    return compare


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test meets the engines, settings or keys of whoever runs it; two runs side by side do not meet either."""
    for name in [name for name in os.environ if name.startswith(("XDG_", "TRADETUI_")) and name != RECORDINGS]:
        del os.environ[name]
    os.environ["HOME"] = str(tmp_path_factory.mktemp("home"))
    # Under nohup hang-ups are ignored, in the background of a script ctrl-c and ctrl-\ are, in all children, too. A
    # handler is not inherited: they hear of them again.
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGQUIT) is signal.SIG_IGN:
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.fixture(scope="session")
def recordings_root_path() -> Path:
    """The folder of recordings; without it tests are skipped, but fail where they must have run."""
    root = recordings_root()
    if root is None or not (root / "hftbacktest-binance-ws").is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail("the recordings are missing: set TRADETUI_RECORDINGS")
        pytest.skip("no recordings: set TRADETUI_RECORDINGS")
    return root


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test marked `alone` runs while no other does, but for those that only wait: what it measures is not theirs."""
    worker = getattr(item.config, "workerinput", None)
    if worker is None or item.get_closest_marker("idle") is not None:
        return (yield)
    # What the workers of a run share, and pytest takes away after some runs.
    folder = item.config._tmp_path_factory.getbasetemp().parent / "turns"  # type: ignore[attr-defined]
    with turn(folder, alone=item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, None]:
    """Hostile texts are logged by tests, and reports go from process to process: they have to be UTF-8."""
    outcome = yield
    report = outcome.get_result()
    report.sections = [(name, text.encode("utf-8", "replace").decode()) for name, text in report.sections]
