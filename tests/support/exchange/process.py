"""The recorded exchange in a process of its own, on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exchange_process(*recordings: Path, **options: object) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Serve folders of recordings as `python -m tests.support.exchange` does; give the process and its address."""
    said = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "tests.support.exchange", "--recordings", *map(str, recordings), *said]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())["address"]
        finally:
            process.kill()
