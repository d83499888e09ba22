"""What the console costs: processor, bytes, first frame, keys, lateness of its loop; beside it a desk drawn by plotext.

    python -m tests.bench.console --seconds 60 --out console.json

Each console has a real pty and an engine on the recorded exchange at 1x (spot, two instruments), and is measured after
its first paint. `cpu_percent` is of one core, user and system time of the process alone. A key (the command line's) is
pressed, and its effect on the screen waited for. The plotext desk shows the same panes of the same engine by Textual's
own widgets and plotext 5; its figures are the ratio's other side.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from tests.bench.start import exchange
from tests.support.processes import EngineProcess
from tests.support.terminal import Desk

SIZES = ((200, 60), (120, 40), (80, 24))
SETTLE_S = 5.0
KEY_S = 1.0


def percentile(values: list[float], share: float) -> float | None:
    """Return a percentile, None without values."""
    return round(sorted(values)[min(int(len(values) * share), len(values) - 1)], 1) if values else None


def key_to_change(desk: Desk) -> float:
    """Open the command line, and return the milliseconds until it is on the screen; then close it again."""
    began = time.monotonic()
    desk.press_now(":")
    while time.monotonic() - began < 5:
        desk.read(0.002)
        if "tab completes" in desk.drawn():
            break
    else:
        raise AssertionError("the key had no effect")
    taken = (time.monotonic() - began) * 1000
    desk.press_now("\x1b")
    return taken


def measure(engine: EngineProcess, config: Path, size: tuple[int, int], seconds: float, module: str) -> dict[str, Any]:
    """Return the figures of one console."""
    folder = Path(tempfile.mkdtemp())
    lags = folder / "lags.json"
    environment = {**engine.environment, "COLORTERM": "truecolor", "CONSOLE_LAGS": str(lags)}
    desk = Desk(environment, "--config", str(config), size=size, module=module)
    try:
        first = desk.sees_anything()
        desk.read(SETTLE_S)
        painted = len(desk.raw)
        process = psutil.Process(desk.process.pid)
        before, began, sent = process.cpu_times(), time.monotonic(), len(desk.raw)
        desk.read(seconds)
        spent, after = time.monotonic() - began, process.cpu_times()
        cpu = (after.user + after.system - before.user - before.system) / spent * 100
        kilobytes = (len(desk.raw) - sent) / 1000 / spent
        keys: list[float] = []
        if module != "tests.bench.plotext_desk":
            for _ in range(20):
                keys.append(key_to_change(desk))
                desk.read(KEY_S / 4)
        rss = process.memory_info().rss / 1e6
        desk.press_now("q")
        desk.read(0.5)
        desk.press_now("d")
        desk.ended()
        late = json.loads(lags.read_text()) if lags.is_file() else []
        return {
            "size": f"{size[0]}x{size[1]}",
            "first_frame_s": round(first, 2),
            "first_paint_kb": round(painted / 1000, 1),
            "cpu_percent": round(cpu, 2),
            "kb_per_s": round(kilobytes, 1),
            "loop_lag_ms": {"p50": percentile(late, 0.5), "p95": percentile(late, 0.95), "max": percentile(late, 1.0)},
            "key_to_change_ms": {
                "p50": round(statistics.median(keys), 1) if keys else None,
                "p95": percentile(keys, 0.95),
            },
            "rss_mb": round(rss, 1),
        }
    finally:
        desk.close()


def trade(engine: EngineProcess) -> None:
    """Open a position on paper with a stop and a target, so that its lines and figures move with every price."""
    for arguments in (
        ("arm", "--word", "PAPER"),
        ("order", "ETH/USDT", "buy", "0.3", "--stop", "2600", "--take-profit", "2900", "--yes"),
    ):
        subprocess.run([sys.executable, "-m", "tradetui", *arguments], env=engine.environment, check=True)


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seconds", type=float, default=60.0)
    asked.add_argument("--sizes", nargs="*", default=[f"{width}x{height}" for width, height in SIZES])
    asked.add_argument("--without-plotext", action="store_true")
    asked.add_argument("--position", action="store_true", help="hold a position meanwhile")
    asked.add_argument("--out", type=Path)
    given = asked.parse_args()
    sizes = [(int(width), int(height)) for width, height in (size.split("x") for size in given.sizes)]
    modules = {"tradetui": "tests.bench.console_probe"}
    if not given.without_plotext:
        modules["plotext"] = "tests.bench.plotext_desk"
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, exchange(Path(folder)) as config:
        for name, module in modules.items():
            found[name] = []
            for size in sizes:
                home = Path(folder) / f"{name}{size[0]}"
                home.mkdir()
                engine = EngineProcess(home, config)
                try:
                    engine.ready()
                    if given.position:
                        trade(engine)
                    found[name].append(measure(engine, config, size, given.seconds, module))
                finally:
                    engine.stop()
                print(json.dumps({name: found[name][-1]}), flush=True)
    for ours, theirs in zip(found["tradetui"], found.get("plotext", ()), strict=False):
        ours["ratio_to_plotext"] = {
            key: round(theirs[key] / ours[key], 1) for key in ("cpu_percent", "kb_per_s") if ours[key]
        }
    print(json.dumps(found, indent=2))
    if given.out is not None:
        given.out.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
