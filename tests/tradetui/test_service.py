"""The engine as a process, from lock to goodbye, without a market: signals, commands, what is remembered."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.alerts import Alert
from engine.errors import EngineRunning, EngineUnreachable, RequestDenied, SettingsInvalid
from engine.health import HealthView
from engine.ports import Entry
from engine.unix import reachable
from tradetui.client import Client, connect
from tradetui.config.sections import Addresses, Settings, Venues
from tradetui.lock import Holder, ProfileLock, holder_of, is_held
from tradetui.places import Places, places
from tradetui.service import SIGNALS, Service

NOWHERE = Addresses(rest=("http://127.0.0.1:9",), ws=("ws://127.0.0.1:9",))
SETTINGS = Settings(venues=Venues(binance=NOWHERE))

Scene = Callable[[Service, Client], Awaitable[None]]


@pytest.fixture
def where(tmp_path: Path) -> Places:
    return places("default", {"HOME": str(tmp_path)})


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A service sets the folder of temporary files, signal handlers and the log for its process."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    before = [signal.getsignal(number) for number in SIGNALS], logging.getLogger().handlers[:]
    yield
    assert ([signal.getsignal(number) for number in SIGNALS], logging.getLogger().handlers) == before


async def attached(where: Places) -> Client:
    for _ in range(5000):
        with contextlib.suppress(EngineUnreachable):
            return await connect(where, "test")
        await asyncio.sleep(0.01)
    raise AssertionError("no engine")


async def first_alerts(client: Client) -> list[Alert]:
    """The alerts, once there is one; without a market there soon is."""
    for _ in range(2000):
        if alerts := await client.get("alerts", list[Alert]):
            return alerts
        await asyncio.sleep(0.025)
    raise AssertionError("no alert")


def serve(where: Places, scene: Scene | None = None) -> Service:
    """Run an engine for the length of a scene; without one until something else ends it."""
    with Service(SETTINGS, where) as service:

        async def main() -> None:
            async with asyncio.timeout(60):
                running = asyncio.create_task(service.run())
                if scene is not None:
                    async with await attached(where) as client:
                        await scene(service, client)
                    service.stop("the test is over")
                await running

        asyncio.run(main())
    return service


# Beginning and end. -------------------------------------------------------------------------------------------------


def test_an_engine_holds_its_profile_as_long_as_it_lives(where: Places) -> None:
    async def scene(_service: Service, client: Client) -> None:
        assert is_held(where.lock)
        holder = holder_of(where.lock)
        assert holder is not None
        assert (holder.pid, holder.socket) == (os.getpid(), str(where.socket))
        assert (client.welcome.profile, client.welcome.pid) == ("default", os.getpid())
        with pytest.raises(EngineRunning, match=f"pid {os.getpid()}"):
            Service(SETTINGS, where)
        assert tempfile.gettempdir() == str(where.temporary / "engine")
        health = await client.get("health", HealthView)
        assert [part.name for part in health.components][-4:] == ["monitor", "socket", "journal", "upkeep"]

    before = tempfile.tempdir
    serve(where, scene)
    assert tempfile.tempdir == before
    assert not is_held(where.lock)
    assert holder_of(where.lock) is None
    assert not where.socket.exists()


def test_clients_are_told_goodbye(where: Places) -> None:
    reasons: list[str] = []

    async def scene(service: Service, client: Client) -> None:
        service.stop("the test is over")
        reasons.append(await client.lost())

    serve(where, scene)
    assert reasons == ["the engine is stopping"]


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("when", ["running", "before", "twice"])
def test_a_signal_ends_it_in_order(number: signal.Signals, when: str, where: Places) -> None:
    async def scene(_service: Service, client: Client) -> None:
        for _ in range(2 if when == "twice" else 1):
            os.kill(os.getpid(), number)
        assert await client.lost() == "the engine is stopping"

    if when == "before":
        with Service(SETTINGS, where) as service:
            os.kill(os.getpid(), number)
            asyncio.run(asyncio.wait_for(service.run(), 60))
    else:
        serve(where, scene)
    assert holder_of(where.lock) is None
    assert [entry.kind for entry in events(where)] == ["start", "stop"]


def test_a_signal_that_comes_at_the_very_end_does_no_harm(where: Places) -> None:
    with Service(SETTINGS, where) as service:
        service.stop("the test is over")
        asyncio.run(asyncio.wait_for(service.run(), 60))
        real = service.log.close

        def close() -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            real()

        service.log.close = close  # type: ignore[method-assign]
    assert holder_of(where.lock) is None


def test_who_said_nohup_is_heard(where: Places) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:

        async def scene(service: Service, client: Client) -> None:
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0.1)
            assert not service.stopping.is_set()
            assert (await client.get("health", HealthView)).state in ("starting", "degraded")

        serve(where, scene)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("wrong", ["lock", "folder"])
def test_a_start_that_fails_leaves_nothing_behind(wrong: str, where: Places) -> None:
    if wrong == "lock":
        where.lock.mkdir(parents=True)
    else:
        where.state.parent.mkdir(parents=True)
        where.state.write_text("x")
    with pytest.raises(SettingsInvalid):
        Service(SETTINGS, where)
    assert not is_held(where.lock)


def test_what_is_in_the_sockets_place_ends_the_engine_and_stays(where: Places) -> None:
    where.make()
    where.socket.write_text("precious")
    with pytest.raises(SettingsInvalid, match="is in the way"):
        serve(where)
    assert where.socket.read_text() == "precious"
    assert holder_of(where.lock) is None


def test_the_service_manager_is_told(where: Places, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, tempfile.TemporaryDirectory() as short:
        manager.bind(f"{short}/notify")
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", f"{short}/notify")

        async def scene(_service: Service, client: Client) -> None:
            await client.command("stop")
            await client.lost()

        serve(where, scene)
        words = []
        while True:
            try:
                words.append(manager.recv(100))
            except BlockingIOError:
                break
    assert sorted(words) == [b"READY=1", b"STOPPING=1", b"WATCHDOG=1"]
    assert words[-1] == b"STOPPING=1"


# What is remembered. ------------------------------------------------------------------------------------------------


def events(where: Places) -> list[Entry]:
    """What the journal on disk holds."""
    from storage.journal import stored_events

    return stored_events(where.database)


def test_an_engine_that_was_killed_is_reported_by_the_next(where: Places) -> None:
    where.make()
    lock = ProfileLock(where.lock)
    lock.acquire(Holder(pid=4711, socket=str(where.socket), started=1))
    assert lock._descriptor is not None
    os.close(lock._descriptor)  # as the system does with a process that was killed
    left = socket.socket(socket.AF_UNIX)
    with reachable(where.socket) as address:
        left.bind(address)
    left.close()
    found: list[Alert] = []

    async def scene(_service: Service, client: Client) -> None:
        found.extend(await client.get("alerts", list[Alert]))

    serve(where, scene)
    (alert,) = (alert for alert in found if alert.code == "ENGINE_DIED")
    assert "pid 4711 did not end cleanly" in alert.text
    assert alert.active
    found.clear()
    serve(where, scene)
    (again,) = (alert for alert in found if alert.code == "ENGINE_DIED")
    assert again.count == alert.count  # the second one ended in order


def test_alerts_and_events_outlive_the_engine(where: Places) -> None:
    lists: list[list[Alert]] = []
    seen: list[Entry] = []

    async def scene(_service: Service, client: Client) -> None:
        alerts = await first_alerts(client)
        await client.command("acknowledge", alert=alerts[0].id)
        lists.append(await client.get("alerts", list[Alert]))
        seen[:] = await client.rows("events", Entry)

    serve(where, scene)
    cursors = [entry.cursor for entry in seen]
    assert cursors == list(range(1, len(cursors) + 1))
    serve(where, scene)
    assert [entry.cursor for entry in seen][: len(cursors)] == cursors
    assert [entry.kind for entry in seen].count("start") == 2
    first = {(alert.code, alert.component): alert.id for alert in lists[0]}
    second = {(alert.code, alert.component): alert.id for alert in lists[1]}
    assert first.items() <= second.items()


# Commands. ----------------------------------------------------------------------------------------------------------


def test_stop_is_answered_and_then_done(where: Places) -> None:
    async def scene(_service: Service, client: Client) -> None:
        assert await client.command("stop") == f"the engine (pid {os.getpid()}) is stopping"
        assert await client.lost() == "the engine is stopping"

    serve(where, scene)


def test_hostile_arguments_are_denied_and_change_nothing(where: Places) -> None:
    odd: tuple[Any, ...] = (True, 0, -1, 2**63, 1.5, float("nan"), "", "x" * 200, "\x1b[2J", "DEBUG ", "../../x", "all")

    async def scene(service: Service, client: Client) -> None:
        level = service.log.level
        for value in odd:
            for command, argument in (("log_level", "level"), ("acknowledge", "alert")):
                with pytest.raises(RequestDenied) as denied:
                    await client.command(command, **{argument: value})
                assert denied.value.code == "invalid_argument"
                assert denied.value.reason.isprintable()
        for command, arguments in (
            ("log_level", {}),
            ("log_level", {"level": "debug", "more": 1}),
            ("acknowledge", {"number": 1}),  # misspelt: must not mark them all
            ("acknowledge", {"alert": 1, "all": True}),
            ("stop", {"now": True}),
        ):
            with pytest.raises(RequestDenied, match=r"unknown argument|level None") as denied:
                await client.command(command, **arguments)
            assert denied.value.code == "invalid_argument"
        assert service.log.level == level
        assert not any(alert.acknowledged for alert in await client.get("alerts", list[Alert]))
        assert not service.stopping.is_set()

    serve(where, scene)


def test_log_level_and_acknowledge_do_what_they_say(where: Places) -> None:
    async def scene(service: Service, client: Client) -> None:
        before = service.log.level
        assert await client.command("log_level", level="Warning") == f"log level WARNING (was {before})"
        assert (await client.get("health", HealthView)).log_level == "WARNING"
        alerts = await first_alerts(client)
        assert await client.command("acknowledge", alert=alerts[0].id) == "1 acknowledged"
        assert await client.command("acknowledge", alert=alerts[0].id) == "0 acknowledged"
        read = {alert.id: alert.acknowledged for alert in await client.get("alerts", list[Alert])}
        assert read[alerts[0].id]
        await client.command("acknowledge")
        assert all(alert.acknowledged for alert in await client.get("alerts", list[Alert]) if alert.id in read)

    serve(where, scene)


def test_health_tells_the_last_error_that_was_logged(where: Places) -> None:
    said: list[str] = []

    async def scene(_service: Service, client: Client) -> None:
        logging.getLogger("engine.test").warning("not this")
        logging.getLogger("engine.test").error("the %s \x1b[31mfailed", "part")
        said.append((await client.get("health", HealthView)).processes[0].last_error)

    serve(where, scene)
    assert said[0].endswith("Z engine.test: the part ?[31mfailed")
    assert not [handler for handler in logging.getLogger().handlers if type(handler).__name__ == "_LastError"]
