"""Checks of the machine: folders, disk, terminal, GPU."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from engine.unix import PATH_MOST
from tradetui.doctor.checks import Check, Outcome
from tradetui.places import Places

COLUMNS, LINES = 80, 24
"""Size of the smallest terminal that shows everything."""

GPU_LIMIT_S = 3.0
"""Seconds for nvidia-smi."""

MB = 1_000_000


def folders(places: Places) -> list[Check]:
    """Whether the profile's folders are ours alone, or can be made."""
    checks = []
    for folder in (places.state, places.data, places.runtime, places.logs, places.temporary):
        trouble = _trouble(folder)
        if trouble is not None:
            checks.append(trouble)
    length = len(os.fsencode(places.socket))
    # On Linux the engine reaches a socket with a longer path, too.
    if length > PATH_MOST and sys.platform != "linux":
        checks.append(
            Check(
                "folders",
                Outcome.FAIL,
                f"the socket's path has {length} bytes, {PATH_MOST} are allowed: {places.socket}",
                "set XDG_RUNTIME_DIR to a shorter folder of yours",
            )
        )
    made = "ours alone" if places.state.is_dir() else "will be made at the first start"
    return checks or [Check("folders", Outcome.PASS, f"{places.state}, {places.data}: {made}")]


def _trouble(folder: Path) -> Check | None:
    there = _nearest(folder)
    try:
        facts = there.stat()
    except OSError as error:
        return Check("folders", Outcome.FAIL, f"{there}: {error.strerror}", "choose another place")
    if not stat.S_ISDIR(facts.st_mode):
        return Check("folders", Outcome.FAIL, f"{there} is not a folder", "move it away")
    if there == folder and facts.st_uid != os.getuid():
        text = f"{folder} belongs to user {facts.st_uid}, not to you"
        return Check("folders", Outcome.FAIL, text, "choose another place (XDG_STATE_HOME, XDG_DATA_HOME)")
    if not os.access(there, os.W_OK | os.X_OK):
        text = f"{there} cannot be written" + ("" if there == folder else f", so {folder} cannot be made")
        return Check("folders", Outcome.FAIL, text, f"chmod u+rwx {there}, or choose another place")
    if there == folder and facts.st_mode & 0o077:
        text = f"{folder} is open to others ({stat.S_IMODE(facts.st_mode):o})"
        return Check("folders", Outcome.WARN, text, f"chmod 700 {folder}; the engine does so at its start")
    return None


def _nearest(path: Path) -> Path:
    """Return the path, or the nearest folder above it that exists."""
    return next((each for each in (path, *path.parents) if os.path.lexists(each)), path)


def disk(places: Places, low_mb: float) -> list[Check]:
    """Free space for the profile's state and data, beside the setting `engine.disk_low_mb` (MB of 10**6 bytes)."""
    checks: dict[int, Check] = {}
    for folder in (places.state, places.data):
        there = _nearest(folder)
        free = shutil.disk_usage(there).free // MB
        text = f"{free:,} MB free in {there}"
        if free >= low_mb:
            found = Check("disk", Outcome.PASS, text)
        else:
            remedy = "free space; recordings are the largest files"
            found = Check("disk", Outcome.WARN if free else Outcome.FAIL, f"{text}, less than {low_mb:,.0f} MB", remedy)
        checks.setdefault(there.stat().st_dev, found)
    return list(checks.values())


def terminal(stream: TextIO, environment: Mapping[str, str]) -> Check:
    """Size, character set and colours of the terminal."""
    try:
        columns, lines = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        text = "the output is no terminal, so nothing is known about it"
        return Check("terminal", Outcome.WARN, text, "run the doctor in the terminal that will show the console")
    encoding = (stream.encoding or "unknown").lower()
    colours = _colours(environment)
    text = f"{columns}x{lines}, {encoding}, {colours}"
    if columns < COLUMNS or lines < LINES:
        return Check("terminal", Outcome.WARN, text, f"make it at least {COLUMNS}x{LINES}")
    if encoding.replace("-", "") != "utf8":
        return Check("terminal", Outcome.WARN, text, "set a UTF-8 locale, as in LANG=C.UTF-8")
    if colours == "no colours":
        return Check("terminal", Outcome.WARN, text, "set TERM, as in TERM=xterm-256color")
    return Check("terminal", Outcome.PASS, text)


def _colours(environment: Mapping[str, str]) -> str:
    kind = environment.get("TERM", "")
    if environment.get("NO_COLOR"):
        return "colours switched off (NO_COLOR)"
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return "16 million colours"
    if "256" in kind or "direct" in kind:
        return "256 colours"
    return "no colours" if kind in ("", "dumb") else "16 colours"


def gpu(devices: Path = Path("/dev"), command: str = "nvidia-smi") -> Check:
    """Which GPU there is; without one models run on the CPU."""
    nodes = [path.name for path in sorted(devices.glob("nvidia[0-9]*"))]
    nodes += ["dxg"] * (devices / "dxg").exists()  # WSL
    program = shutil.which(command)
    if program is None:
        if not nodes or nodes == ["dxg"]:
            return Check("gpu", Outcome.PASS, "none: models will run on the CPU")
        text = f"{', '.join(nodes)} but no {command}"
        return Check("gpu", Outcome.WARN, text, "install the driver's tools; without them models may run on the CPU")
    query = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    without_keys = {name: value for name, value in os.environ.items() if not name.startswith("TRADETUI")}
    try:
        done = subprocess.run(
            query, capture_output=True, text=True, errors="replace", timeout=GPU_LIMIT_S, check=False, env=without_keys
        )
    except subprocess.TimeoutExpired:
        return Check("gpu", Outcome.WARN, f"{command} did not answer within {GPU_LIMIT_S:g} s", "restart the machine")
    except OSError as error:
        return Check("gpu", Outcome.WARN, f"{program}: {error.strerror or error}", "reinstall the driver's tools")
    if done.returncode or not done.stdout.strip():
        if not nodes:
            return Check("gpu", Outcome.PASS, f"none ({command} finds no device): models will run on the CPU")
        said = (done.stdout + done.stderr).strip().split("\n")[0][:200]
        text = f"{', '.join(nodes)}, but {command} says: {said or 'nothing'}"
        return Check("gpu", Outcome.WARN, text, "reinstall the driver; until then models will run on the CPU")
    return Check("gpu", Outcome.PASS, "; ".join(line.strip() for line in done.stdout.strip().split("\n")))
