"""Worker processes: real children that beat, die, hang, talk nonsense, and are started again or given up."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable

import psutil
import pytest

from engine.alerts import Alert, Alerts
from engine.clock import Clock
from engine.errors import WorkerLost
from engine.monitor import Identity, Monitor
from engine.pulse import Resources
from engine.runtime import Engine
from engine.supervisor import Part, PartState, Supervisor
from engine.worker import Worker

BEATING = """
import sys, threading, time
from engine.worker import beat
threading.Thread(target=lambda: (sys.stdin.buffer.read(), __import__("os")._exit(0)), daemon=True).start()
while True:
    beat("epoch 3")
    time.sleep(0.05)
"""


DEAF = """
import signal, time
from engine.worker import beat
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    beat("epoch 3")
    time.sleep(0.05)
"""

TALKING = "import sys; sys.stderr.write('x' * 79 + '\\n'); sys.stderr.write(('y' * 79 + '\\n') * 50_000); sys.exit(3)"


def worker(code: str, silent_s: float = 10.0) -> Worker:
    return Worker("trainer", [sys.executable, "-c", code], silent_s=silent_s)


async def until(happened: Callable[[], bool], within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        while not happened():  # noqa: ASYNC110 - another process is waited for
            await asyncio.sleep(0.01)


async def supervised(made: Worker, scene: Callable[[Supervisor], Awaitable[None]]) -> None:
    supervisor = Supervisor()
    keeping = asyncio.create_task(supervisor.keep(made.part))
    try:
        await scene(supervisor)
    finally:
        supervisor.stopping = True
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def test_a_worker_is_given_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BINANCE_API_KEY", "BINANCE_API_SECRET", "OKX_API_PASSPHRASE", "WEBHOOK_URL"):
        monkeypatch.setenv(f"TRADETUI_{name}", "marked-77")
    monkeypatch.setenv("TRADETUI_PROFILE", "safe")
    made = worker("import os, sys; sys.exit(str([n for n, v in os.environ.items() if v in ('marked-77', 'safe')]))")
    with pytest.raises(WorkerLost, match=re.escape("['TRADETUI_PROFILE']")):
        await made.run()


async def test_a_worker_is_seen_and_ends_with_the_engine() -> None:
    made, pids = worker(BEATING), []

    async def scene(supervisor: Supervisor) -> None:
        await until(lambda: "epoch 3" in made.view().state)
        view = made.view()
        pids.append(view.pid)
        assert view.state == "running: epoch 3"
        assert view.heartbeat_age_s is not None
        assert view.heartbeat_age_s < 1
        assert view.rss_mb is not None
        assert view.rss_mb > 1
        assert view.restarts == 0

    await supervised(made, scene)
    assert not psutil.pid_exists(pids[0])
    assert made.view().pid == 0


async def test_a_killed_worker_is_started_again_and_says_how_it_ended() -> None:
    made = worker(BEATING)

    async def scene(supervisor: Supervisor) -> None:
        await until(lambda: "epoch" in made.view().state)
        first = made.view().pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: made.part.state is PartState.WAITING)
        assert made.view().last_error == "trainer ended (signal 9)"
        assert made.view().heartbeat_age_s is None
        await until(lambda: "epoch" in made.view().state)
        assert made.view().pid != first
        assert made.view().restarts == 1

    await supervised(made, scene)


async def test_one_that_always_fails_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.supervisor.PAUSE_S", 0.01)
    made = worker("import sys; sys.exit('no such \\x1b[31mmodel')")

    async def scene(supervisor: Supervisor) -> None:
        await until(lambda: made.part.state is PartState.GIVEN_UP)
        assert made.view().restarts == 5
        assert made.view().last_error == "trainer ended (exit 1): no such ?[31mmodel"

    await supervised(made, scene)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import time; time.sleep(60)", "has said nothing for 0.3 s"),
        ("import sys, time; sys.stdout.buffer.write(b'\\xff' * 8); sys.stdout.flush(); time.sleep(60)", "announced"),
        (
            "import sys, time; sys.stdout.buffer.write(b'\\0\\0\\0\\2hi'); sys.stdout.flush(); time.sleep(60)",
            "was not understood",
        ),
    ],
)
async def test_silence_and_nonsense_end_it(code: str, said: str) -> None:
    made = worker(code, silent_s=0.3 if "nothing" in said else 10)
    with pytest.raises(WorkerLost, match=said):
        await made.run()
    assert made.view().pid == 0


async def test_one_that_heeds_no_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.worker.TERM_S", 0.2)
    made = worker(DEAF)
    pids = []

    async def scene(supervisor: Supervisor) -> None:
        await until(lambda: "epoch" in made.view().state)
        pids.append(made.view().pid)

    await supervised(made, scene)
    assert not psutil.pid_exists(pids[0])


async def test_a_worker_that_talks_a_lot_on_standard_error_is_not_held_up() -> None:
    made = worker(TALKING)
    with pytest.raises(WorkerLost, match=r"exit 3\): y{50}"):
        await made.run()


async def test_the_engine_tells_of_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead worker degrades the engine, which says so and goes on; a hopeless one is given up."""
    monkeypatch.setattr("engine.supervisor.PAUSE_S", 0.3)
    engine, alerts = Engine(Clock()), Alerts()
    good, hopeless = worker(BEATING), Worker("forecaster", [sys.executable, "-c", "raise SystemExit(4)"])
    hopeless.part.most_restarts = 1
    monitor = Monitor(
        engine,
        Identity(profile="test", version="0", started=1),
        alerts,
        monotonic=time.monotonic,
        resources=Resources(),
    )
    monitor.workers = lambda: (good.view(), hopeless.view())
    engine.companions += [Part(name="monitor", run=monitor.run), good.part, hopeless.part]
    stop = asyncio.Event()
    running = asyncio.create_task(engine.run(stop))

    def active(code: str, name: str) -> list[Alert]:
        return [a for a in alerts.active if (a.code, a.component) == (code, name)]

    await until(lambda: bool(active("WORKER_GIVEN_UP", "forecaster")) and "epoch" in good.view().state)
    assert active("WORKER_GIVEN_UP", "forecaster")[0].text == "forecaster ended (exit 4)"
    os.kill(good.view().pid, signal.SIGKILL)
    await until(lambda: bool(active("WORKER_DOWN", "trainer")))
    view = monitor.view()
    assert view.state == "degraded"
    assert any("trainer ended (signal 9)" in why for why in view.why)
    assert [process.name for process in view.processes] == ["engine", "trainer", "forecaster"]
    await until(lambda: good.view().restarts == 1 and "epoch" in good.view().state)
    assert not running.done()
    stop.set()
    await running
    assert good.view().pid == 0
