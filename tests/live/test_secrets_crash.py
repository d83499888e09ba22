"""A marked key is in a process that fails: in messages, in local variables, in threads; no last word has it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.marked import FORMS, MARK
from tests.support.terminal import Desk

BOOM = """
import asyncio, logging, os, sys, threading
secret = os.environ.get("TRADETUI_BINANCE_API_KEY") or sys.argv.pop()
def boom(*given, **named):
    held = secret
    raise RuntimeError(f"signed with {held}")
async def aboom(*given, **named):
    boom()
class Dying:
    def __del__(self):
        boom()
"""

ENDS: dict[str, tuple[str, str]] = {
    "doctor": ("import tradetui.doctor as there; there.examine = boom", "doctor"),
    "status": ("import tradetui.client as there; there.engine_of = boom", "status"),
    "config": ("import tradetui.config as there; there.resolve = boom", "config show"),
    "kill": ("import tradetui.kill.command as there; there.kill = boom", "kill"),
    "kill, as the others": ("import tradetui.kill.command as there; there.kill = boom", "kill --reason=x --config=-"),
    "headless": ("import tradetui.service as there; there.Service.run = aboom", "--headless"),
    "headless, at its start": ("import tradetui.service as there; there.open_log = boom", "--headless"),
    "a cause": (
        "import tradetui.client as there\n"
        "def caused(*given):\n"
        "    try: boom()\n"
        "    except RuntimeError as error: raise ValueError('other') from error\n"
        "there.engine_of = caused",
        "status",
    ),
}
"""What fails where nobody takes it, and the words of the command."""

GOES_ON: dict[str, str] = {
    "a log line": "logging.getLogger('engine.x').warning('told %s', secret)",
    "a logged fault": "\n    try: boom()\n    except RuntimeError: logging.getLogger('engine.x').exception('odd')",
    "a thread": "thread = threading.Thread(target=boom); thread.start(); thread.join()",
    "a finaliser": "Dying()",
    "a task": "asyncio.run(forgotten())",
}
"""What fails in a command that goes on."""


def home_of(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "TRADETUI"))}
    return {**kept, "HOME": str(folder), "TRADETUI_BINANCE_API_KEY": MARK, "TRADETUI_BINANCE_API_SECRET": MARK, **more}


def run(code: str, words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    script = f"{BOOM}\n{code}\nfrom tradetui.__main__ import main\nmain()"
    return subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=False, timeout=60, env=environment
    )


def search(folder: Path, *said: str) -> None:
    """Nothing of the marked key in what was said and what is kept."""
    for text in said:
        assert [form for form in FORMS if form in text] == [], text
    for path in [path for path in folder.rglob("*") if path.is_file() and path.name != "keys.toml"]:
        assert [form for form in FORMS if form.encode() in path.read_bytes()] == [], path


@pytest.mark.parametrize("name", ENDS)
def test_a_command_that_fails_tells_the_fault_and_not_the_key(name: str, tmp_path: Path) -> None:
    code, words = ENDS[name]
    done = run(code, words.split(), home_of(tmp_path))
    assert done.returncode not in (0, 2)
    search(tmp_path, done.stdout, done.stderr)
    told = done.stderr + "".join(path.read_text() for path in tmp_path.rglob("crashes/*.txt"))
    assert "signed with ***" in told


@pytest.mark.parametrize("name", GOES_ON)
def test_what_a_command_says_beside_its_work_has_no_key(name: str, tmp_path: Path) -> None:
    code = (
        "import tradetui.doctor as there\n"
        "async def forgotten():\n"
        "    asyncio.create_task(aboom())\n"
        "    await asyncio.sleep(0.01)\n"
        "    import gc; gc.collect()\n"
        f"def odd(*given):\n    {GOES_ON[name]}\n    return [there.Check('x', there.Outcome.PASS, 'fine')]\n"
        "there.examine = odd"
    )
    done = run(code, ["doctor", "--json"], home_of(tmp_path))
    assert '"checks"' in done.stdout
    assert "***" in done.stderr
    search(tmp_path, done.stdout, done.stderr)


def test_a_key_of_the_file_is_masked_in_who_has_read_it(tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text(f'[bybit]\napi_key = "{MARK}"\napi_secret = "{MARK}"\n')
    keys.chmod(0o600)
    config = tmp_path / "config.toml"
    nowhere = 'rest = ["http://127.0.0.1:9"]\nws = ["ws://127.0.0.1:9"]\n'
    venues = "".join(f"[venues.{venue}]\n{nowhere}" for venue in ("binance", "binanceusdm"))
    config.write_text(f'data_provider.stand_ins = []\n{venues}[credentials]\nfile = "{keys}"\n')
    environment = home_of(tmp_path)
    del environment["TRADETUI_BINANCE_API_KEY"], environment["TRADETUI_BINANCE_API_SECRET"]
    code = "import tradetui.doctor as there; there.cleaned = boom"
    done = run(code, ["doctor", "--config", str(config), MARK], environment)
    assert "signed with ***" in done.stderr
    search(tmp_path, done.stdout, done.stderr)


CORES = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
import {module} as there
def tell(*given, **named):
    print(resource.getrlimit(resource.RLIMIT_CORE)[0])
    sys.exit(0)
there.{name} = tell
"""


@pytest.mark.skipif(resource.getrlimit(resource.RLIMIT_CORE)[1] == 0, reason="no core is ever written here")
@pytest.mark.parametrize(
    ("module", "name", "words"),
    [
        ("tradetui.kill.command", "kill", "kill"),
        ("tradetui.cli.live", "live", "--headless"),
        ("tradetui.doctor", "examine", "doctor"),
    ],
)
def test_no_core_is_written_of_a_process_with_keys(module: str, name: str, words: str, tmp_path: Path) -> None:
    done = run(CORES.format(module=module, name=name), words.split(), home_of(tmp_path))
    assert done.stdout.strip() == "0", done.stderr


CONSOLE = """
import os
from tradetui.config import load
from tradetui.console.app import ConsoleApp
from tradetui.credentials import load_credentials

secret = os.environ["TRADETUI_BINANCE_API_KEY"]
real = ConsoleApp.draw
def draw(self, *given, **named):
    settings, keys, held = load(), load_credentials(None), secret
    raise RuntimeError(f"signed with {{held}}")
{where}

from tradetui.__main__ import main
main()
"""

BREAKS = {
    "drawing": "ConsoleApp.draw = draw",
    "a key": "ConsoleApp.action_help = draw; ConsoleApp.on_key = draw",
    "a worker": (
        "ConsoleApp.on_ready = lambda self: self.run_worker(self.broken())\n"
        "async def broken(self): draw(self)\n"
        "ConsoleApp.broken = broken"
    ),
    "a task": (
        "import asyncio, gc\n"
        "async def broken(self): draw(self)\n"
        "async def ready(self):\n"
        "    self.lost = asyncio.create_task(broken(self))\n"
        "    await asyncio.sleep(0.1)\n"
        "    self.lost = None; gc.collect()\n"
        "    self.exit()\n"
        "ConsoleApp.on_ready = ready"
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_the_console_crashes_without_the_key(name: str, tmp_path: Path, exchange_config: Path) -> None:
    (tmp_path / "crashing.py").write_text(CONSOLE.format(where=BREAKS[name]))
    environment = home_of(tmp_path, PYTHONPATH=f"{tmp_path}:{Path(__file__).parents[2]}")
    desk = Desk(environment, "--config", str(exchange_config), module="crashing")
    try:
        desk.read(1)
        for _ in range(40):
            if desk.process.poll() is not None:
                break
            os.write(desk.master, b"?")
            desk.read(0.5)
        assert desk.process.poll() is not None, desk.text[-2000:]
        desk.read(0.5)
    finally:
        desk.process.kill()
        subprocess.run([sys.executable, "-m", "tradetui", "stop"], env=environment, check=False, timeout=30)
    (tmp_path / "crashing.py").unlink()
    search(tmp_path, desk.text, desk.raw.decode("utf-8", "replace"))
    told = desk.text + "".join(path.read_text() for path in tmp_path.rglob("crashes/*.txt"))
    if name != "a task":
        assert "signed with ***" in told
        assert "Traceback" not in desk.text


TRADING = """
import os
import engine.execution.{module} as there
from tradetui.__main__ import main
secret = os.environ["TRADETUI_BINANCE_API_KEY"]

def boom(*given, **named):
    held = given, secret
    raise RuntimeError(f"signed with {{secret}}")

async def aboom(*given, **named):
    boom(*given)

there.{name} = {how}
main()
"""


@pytest.mark.parametrize(
    ("module", "name", "how", "ends"),
    [
        ("ccxt_wire", "Wire._made", "boom", 1),
        ("ccxt_wire", "Wire._fetch", "aboom", 1),
        ("ccxt_wire", "_moved", "boom", 1),
        ("outbox", "Outbox.run", "aboom", 1),
        ("outbox", "Outbox.put", "boom", 70),
        ("keeper", "Keeper._check", "aboom", 1),
        ("keeper", "Keeper.follow", "aboom", 1),
    ],
)
def test_what_trades_fails_without_telling_the_key(
    module: str, name: str, how: str, ends: int, tmp_path: Path, parrot: int
) -> None:
    config = tmp_path / "config.toml"
    rest, ws = f"http://127.0.0.1:{parrot}", f"ws://127.0.0.1:{parrot}"
    config.write_text(
        "data_provider.stand_ins = []\n"
        f'[venues.binance]\nrest = ["{rest}"]\nws = ["{ws}"]\n[trading]\nmode = "testnet"\n'
        f'[trading.addresses.binance]\nrest = "{rest}"\nws = "{ws}"\n'
    )
    script = TRADING.format(module=module, name=name, how=how)
    done = subprocess.run(
        [sys.executable, "-c", script, "--headless", "--config", str(config), "--duration", "6"],
        capture_output=True, text=True, check=False, timeout=100, env=home_of(tmp_path),
    )  # fmt: skip
    assert done.returncode == ends, done.stderr[-2000:]
    logs = "".join(path.read_text() for path in tmp_path.rglob("engine.log*"))
    assert "signed with ***" in logs
    search(tmp_path, done.stdout, done.stderr)
