"""The doctor: each check in sickness and in health, and that none of them can hold up or break the rest."""

from __future__ import annotations

import asyncio
import fcntl
import io
import os
import pty
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from engine.errors import SettingsInvalid
from engine.protocol import PROTOCOL, Welcome, frame
from engine.unix import reachable
from storage import schema
from storage.connection import open_for_writing
from tradetui.config.sections import Addresses, DataProvider, Settings, Venues
from tradetui.doctor import Check, Outcome, examine
from tradetui.doctor import network as net
from tradetui.doctor.checks import cleaned, in_thread, run_checks
from tradetui.doctor.machine import disk, folders, gpu, terminal
from tradetui.doctor.profile_checks import credentials, database, engine
from tradetui.places import Places, places
from tradetui.redaction import Redactor

PASS, WARN, FAIL = Outcome.PASS, Outcome.WARN, Outcome.FAIL


@pytest.fixture
def where() -> Iterator[Places]:
    # The folders of pytest are too long for a socket's path.
    with TemporaryDirectory(prefix="tt") as home:
        yield places("default", {"HOME": home})


# How checks run


@pytest.mark.alone
async def test_a_check_that_raises_or_hangs_has_failed_and_holds_up_nobody() -> None:
    def broken() -> Check:
        raise KeyError("odd")

    async def silent() -> Check:
        await asyncio.Event().wait()
        raise AssertionError

    async def well() -> list[Check]:
        return [Check("well", PASS, "1"), Check("well", WARN, "2")]

    began = time.monotonic()
    work = {"broken": broken, "silent": silent, "stuck": lambda: time.sleep(1), "well": well}
    found = await run_checks(work, limit_s=0.1)
    assert time.monotonic() - began < 0.9
    assert [(check.name, check.outcome) for check in found] == [
        ("broken", FAIL), ("silent", FAIL), ("stuck", FAIL), ("well", PASS), ("well", WARN),
    ]  # fmt: skip
    assert found[0].text == "the check itself failed: KeyError: 'odd'"
    assert found[1].text == "no outcome within 0.1 s"
    assert await run_checks({}) == []


@pytest.mark.alone
def test_a_thread_that_hangs_does_not_hold_the_end_of_the_program() -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await in_thread(time.sleep, 0.5)

    began = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - began < 0.4
    time.sleep(0.5)  # what it returns then meets a closed loop


def test_what_is_shown_is_redacted_and_harmless() -> None:
    check = cleaned(Check("a", PASS, "\x1b[2J http://me:pw@host", "apiKey=ab12"), Redactor())
    assert check == Check("a", PASS, "\\x1b[2J http://***@host", "apiKey=***")


# The machine


def test_folders_can_be_made(where: Places) -> None:
    (check,) = folders(where)
    assert check.outcome is PASS
    assert "will be made" in check.text
    assert not where.state.exists()
    where.make()
    (check,) = folders(where)
    assert check.outcome is PASS
    assert "ours alone" in check.text


def test_folders_that_are_open_to_others_are_told(where: Places) -> None:
    where.make()
    where.logs.chmod(0o755)
    (check,) = folders(where)
    assert check.outcome is WARN
    assert check.text == f"{where.logs} is open to others (755)"
    assert f"chmod 700 {where.logs}" in check.remedy


def test_folders_of_somebody_else(where: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    where.make()
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    assert {check.outcome for check in folders(where)} == {FAIL}
    assert f"belongs to user {owner}" in folders(where)[0].text


def test_folders_that_cannot_be_made(where: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    where.state.parent.mkdir(parents=True)
    where.state.write_text("in the way")
    assert FAIL in {check.outcome for check in folders(where)}
    assert f"{where.state} is not a folder" in folders(where)[0].text
    where.state.unlink()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert f"{where.state.parent} cannot be written, so {where.state} cannot be made" in folders(where)[0].text


def test_a_long_path_of_the_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = places("default", {"HOME": str(tmp_path / ("x" * 100))})
    monkeypatch.setattr(sys, "platform", "darwin")
    (*_, check) = folders(long)
    assert check.outcome is FAIL
    assert "103 are allowed" in check.text
    assert "XDG_RUNTIME_DIR" in check.remedy
    monkeypatch.setattr(sys, "platform", "linux")
    assert [check.outcome for check in folders(long)] == [PASS]


def test_disk(where: Places) -> None:
    (check,) = disk(where, 0)
    assert check.outcome is PASS
    assert " MB free in " in check.text
    (check,) = disk(where, 10**12)
    assert check.outcome is WARN
    assert "less than 1,000,000,000,000 MB" in check.text


def test_no_terminal() -> None:
    assert terminal(io.StringIO(), {}).outcome is WARN


@pytest.mark.parametrize(
    ("size", "encoding", "environment", "outcome", "text"),
    [
        ((24, 80), "utf-8", {"TERM": "xterm-256color"}, PASS, "80x24, utf-8, 256 colours"),
        ((60, 200), "UTF-8", {"TERM": "xterm", "COLORTERM": "truecolor"}, PASS, "200x60, utf-8, 16 million colours"),
        ((24, 80), "utf8", {"TERM": "screen"}, PASS, "80x24, utf8, 16 colours"),
        ((24, 80), "utf8", {"TERM": "xterm", "NO_COLOR": "1"}, PASS, "80x24, utf8, colours switched off (NO_COLOR)"),
        ((23, 80), "utf8", {"TERM": "xterm"}, WARN, "80x23, utf8, 16 colours"),
        ((24, 79), "utf8", {"TERM": "xterm"}, WARN, "79x24, utf8, 16 colours"),
        ((24, 80), "ascii", {"TERM": "xterm"}, WARN, "80x24, ascii, 16 colours"),
        ((24, 80), "utf8", {"TERM": "dumb"}, WARN, "80x24, utf8, no colours"),
    ],
)
def test_terminals(
    size: tuple[int, int], encoding: str, environment: dict[str, str], outcome: Outcome, text: str
) -> None:
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, size)
    with os.fdopen(theirs, "w", encoding=encoding) as stream:
        check = terminal(stream, environment)
    os.close(ours)
    assert (check.outcome, check.text) == (outcome, text)


def smi(folder: Path, body: str) -> str:
    path = folder / "smi"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)
    return str(path)


def test_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = tmp_path / "dev"
    devices.mkdir()
    none = gpu(devices, "no-such-program")
    assert (none.outcome, none.text) == (PASS, "none: models will run on the CPU")
    lost = smi(tmp_path, "echo NVIDIA-SMI has failed; exit 9")
    assert gpu(devices, lost).outcome is PASS
    (devices / "nvidia0").touch()
    (devices / "nvidiactl").touch()
    assert gpu(devices, "no-such-program").text == "nvidia0 but no no-such-program"
    check = gpu(devices, lost)
    assert (check.outcome, "says: NVIDIA-SMI has failed" in check.text) == (WARN, True)
    check = gpu(devices, smi(tmp_path, "echo NVIDIA H200, 143771 MiB, 570.1; echo NVIDIA H200, 143771 MiB, 570.1"))
    expected = "NVIDIA H200, 143771 MiB, 570.1; NVIDIA H200, 143771 MiB, 570.1"
    assert (check.outcome, check.text) == (PASS, expected)
    monkeypatch.setattr("tradetui.doctor.machine.GPU_LIMIT_S", 0.1)
    check = gpu(devices, smi(tmp_path, "exec sleep 5"))
    assert (check.outcome, check.text.endswith("did not answer within 0.1 s")) == (WARN, True)
    path = Path(smi(tmp_path, ""))
    path.write_text("#!/no/such/shell\n")
    assert gpu(devices, str(path)).outcome is WARN


# The profile


def test_a_database_that_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "market.db"
    assert database(path).text == f"none yet; will be {path}"
    connection = open_for_writing(path)
    schema.migrate(connection, str(path))
    connection.close()
    check = database(path)
    assert check.outcome is PASS
    assert check.text.startswith("0 events, 0 series, 0 rejects, ")


def test_a_database_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "market.db"
    path.write_bytes(b"no database at all" * 300)
    assert "is not a database" in database(path).text
    path.unlink()
    connection = open_for_writing(path)
    schema.migrate(connection, str(path))
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    assert database(path).outcome is FAIL
    assert "use the newer version" in database(path).text
    path.unlink()
    test_a_database_that_is_sound(tmp_path)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "cannot be written" in database(path).text


def test_credentials(tmp_path: Path) -> None:
    assert credentials(None, {}).text.startswith("none")
    path = tmp_path / "keys.toml"
    path.write_text('[bybit]\napi_key = "hunter2hunter2"\napi_secret = "hunter2hunter2"\n')
    path.chmod(0o640)
    check = credentials(path, {})
    assert check.outcome is FAIL
    assert f"chmod 600 {path}" in check.text
    path.chmod(0o600)
    check = credentials(path, {"TRADETUI_BINANCE_API_KEY": "hunter2hunter2", "TRADETUI_BINANCE_API_SECRET": "x"})
    assert check.outcome is PASS
    assert f"binance (environment), bybit ({path})" in check.text
    assert "hunter2" not in check.text


def welcome(listener: socket.socket) -> None:
    """Answer one hello."""
    taken, _ = listener.accept()
    with taken:
        taken.recv(4096)
        taken.sendall(frame(Welcome(protocol=PROTOCOL, version="0", pid=123, profile="default", started=1, seq=0)))
        taken.recv(1)


def test_the_engine_runs_or_not(where: Places) -> None:
    assert engine(where).text == "not running"
    where.make()
    note = msgspec.json.encode({"pid": 123, "socket": str(where.socket), "started": 1})
    where.lock.write_bytes(note)
    assert "pid 123, did not end cleanly" in engine(where).text
    with where.lock.open("rb+") as held, socket.socket(socket.AF_UNIX) as listener:
        fcntl.flock(held, fcntl.LOCK_EX)
        check = engine(where)
        assert (check.outcome, "socket" in check.text) == (WARN, True)
        with reachable(where.socket) as address:
            listener.bind(address)
        check = engine(where)
        assert (check.outcome, "is stopping" in check.text) == (FAIL, True)
        listener.listen()
        answering = threading.Thread(target=welcome, args=(listener,))
        answering.start()
        check = engine(where)
        answering.join()
        assert (check.outcome, check.text) == (PASS, f"running, pid 123, at {where.socket}")
        held.truncate(0)
        check = engine(where)
        assert (check.outcome, "does not tell its pid" in check.text) == (WARN, True)
    assert engine(where).text == "not running"


# The network


@asynccontextmanager
async def exchange(date: float | None = 0.0, status: int = 200, hang: bool = False) -> AsyncIterator[str]:
    """An exchange on the loopback whose clock is `date` seconds off; the part of the address after `://`."""

    async def ping(request: web.Request) -> web.Response:
        if hang:
            await asyncio.sleep(30)
        headers = {} if date is None else {"Date": formatdate(time.time() + date, usegmt=True)}
        return web.json_response({}, status=status, headers=headers)

    async def stream(request: web.Request) -> web.StreamResponse:
        if status != 200:
            return web.Response(status=status)
        opened = web.WebSocketResponse()
        await opened.prepare(request)
        async for _ in opened:
            pass
        return opened

    app = web.Application()
    app.router.add_get("/api/v3/ping", ping)
    app.router.add_get("/fapi/v1/ping", ping)
    app.router.add_get("/dapi/v1/ping", ping)
    app.router.add_get("/ws", stream)
    app.router.add_get("/market/ws", stream)
    async with TestServer(app) as server:
        yield f"127.0.0.1:{server.port}"


def settings(*spot: str, others: str = "", symbols: tuple[str, ...] = ("ETH/USDT",)) -> Settings:
    def addresses(*hosts: str) -> Addresses:
        return Addresses(rest=tuple(f"http://{at}" for at in hosts), ws=tuple(f"ws://{at}" for at in hosts))

    rest = addresses(others or spot[0])
    return Settings(
        data_provider=DataProvider(symbols=symbols),
        venues=Venues(binance=addresses(*spot), binanceusdm=rest, binancecoinm=rest),
    )


async def ask(given: Settings) -> tuple[list[Check], Check]:
    probes = asyncio.create_task(net.probe_all(given))
    return await net.addresses(probes, given), await net.clock(probes)


async def test_a_network_that_works() -> None:
    async with exchange() as at:
        found, clock = await ask(settings(at))
    assert [check.outcome for check in found] == [PASS] * 6
    assert found[0].text.startswith(f"http://{at} answers in ")
    assert found[1].text.startswith(f"ws://{at} answers in ")
    assert clock.outcome is PASS


@pytest.mark.parametrize(("off", "text"), [(-30, "ahead of binance"), (30, "behind binance")])
async def test_a_clock_that_is_off(off: float, text: str) -> None:
    async with exchange(off) as at:
        _, clock = await ask(settings(at))
    assert clock.outcome is WARN
    assert text in clock.text
    assert float(clock.text.partition(" s ")[0]) == pytest.approx(30, abs=1.5)
    assert "timedatectl" in clock.remedy


async def test_a_clock_that_was_never_set_or_is_set_now(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = net.Probe(venue="binance", kind="rest", url="http://x", ms=1, ahead_s=0.1)

    async def told(each: net.Probe) -> Check:
        return await net.clock(asyncio.create_task(asyncio.sleep(0, [each])))

    assert (await told(probe)).outcome is PASS
    stepped = await told(msgspec.structs.replace(probe, stepped_s=-3.0))
    assert (stepped.outcome, stepped.text) == (WARN, "it was set by 3.0 s while we looked")
    monkeypatch.setattr(net, "FIRST_YEAR", 9999)
    assert (await told(probe)).outcome is FAIL


async def test_without_a_network_the_clock_is_unknown() -> None:
    found, clock = await ask(settings("127.0.0.1:9"))
    assert [check.outcome for check in found] == [FAIL] * 2 + [WARN] * 4
    assert "does not connect" in found[0].text
    assert "Connect" in found[0].text
    assert clock.text == "unknown: no venue told its time"
    assert clock.outcome is WARN


async def test_one_address_of_several_is_enough() -> None:
    async with exchange() as at:
        found, clock = await ask(settings("127.0.0.1:9", at, others="127.0.0.1:9", symbols=("binance:ETH/USDT",)))
        assert [check.outcome for check in found] == [WARN, PASS, WARN, PASS] + [WARN] * 4
        assert clock.outcome is PASS
        followed = settings(at, others="127.0.0.1:9", symbols=("binanceusdm:ETH/USDT:USDT",))
        found, _ = await ask(followed)
        assert [check.outcome for check in found] == [PASS, PASS, FAIL, FAIL, WARN, WARN]


async def test_a_venue_that_refuses_us() -> None:
    async with exchange(status=451) as at:
        found, _ = await ask(settings(at))
    assert [check.outcome for check in found[:2]] == [FAIL] * 2
    assert [check.text.partition(" ")[2] for check in found[:2]] == ["answers HTTP 451"] * 2
    assert "does not serve this place" in found[0].remedy


@pytest.mark.alone
async def test_an_address_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net, "ANSWER_S", 0.2)
    async with exchange(hang=True) as at:
        began = time.monotonic()
        found, _ = await ask(settings(at))
        assert time.monotonic() - began < 1.5
    assert found[0].text.endswith("does not answer within 0.2 s")


async def test_names_that_do_not_resolve_and_what_is_no_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    found, _ = await ask(settings("exchange.invalid:80"))
    assert found[0].text == "http://exchange.invalid:80 its name does not resolve"

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"220 mail at your service\r\n")
        writer.close()

    server = await asyncio.start_server(nonsense, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    found, clock = await ask(settings(f"127.0.0.1:{port}"))
    server.close()
    assert [check.outcome for check in found[:2]] == [FAIL] * 2
    assert clock.text.startswith("unknown")


async def test_names_are_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    async with exchange(date=None) as at:
        port = int(at.partition(":")[2])
        found_at = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [found_at])
        found, clock = await ask(settings(f"exchange.invalid:{port}"))
    assert {check.outcome for check in found} == {PASS}
    assert clock.outcome is PASS or clock.text.startswith("unknown")


async def test_a_secure_address_of_an_insecure_server() -> None:
    async with exchange() as at:
        given = Settings(venues=Venues(binance=Addresses(rest=(f"https://{at}",), ws=(f"wss://{at}",))))
        probes = await net.probe_all(given)
    first = [probe.problem for probe in probes if probe.venue == "binance"]
    assert all(problem.startswith("no secure connection") for problem in first), first


# All together


def test_all_checks_in_order(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    at = '{ rest = ["http://127.0.0.1:9"], ws = ["ws://127.0.0.1:9"] }\n'
    config.write_text(f"[venues]\nbinance = {at}binanceusdm = {at}binancecoinm = {at}")
    environment = {"HOME": str(tmp_path)}
    found = examine("default", config, environment, stream=io.StringIO())
    assert list(dict.fromkeys(check.name for check in found)) == [
        "config", "folders", "disk", "terminal", "gpu", "database", "credentials", "engine", "clock", "network",
    ]  # fmt: skip
    assert found[0].text == f"{config}; profile default"
    assert list(tmp_path.iterdir()) == [config]


def test_wrong_settings_are_told_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_probes(_: Settings) -> list[net.Probe]:
        return []

    monkeypatch.setattr("tradetui.doctor.network.probe_all", no_probes)
    config = tmp_path / "config.toml"
    config.write_text('[engine]\ndisk_low_mbs = 3\n[log]\nlevel = "LOUD"\n')
    found = examine("default", config, {"HOME": str(tmp_path)}, stream=io.StringIO())
    wrong = [check for check in found if check.name == "config"]
    assert [check.outcome for check in wrong] == [FAIL, FAIL]
    assert "disk_low_mb" in wrong[0].text + wrong[1].text
    assert "level" in wrong[0].text + wrong[1].text
    none = examine("default", None, {"HOME": str(tmp_path)}, stream=io.StringIO())[0]
    assert none.outcome is PASS
    assert "no file at" in none.text
    with pytest.raises(SettingsInvalid, match="profile"):
        examine("../x", None, {"HOME": str(tmp_path)})
