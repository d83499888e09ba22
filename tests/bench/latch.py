"""What a look at the kill latch costs: it is had before every order.

python -m tests.bench.latch
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from tradetui.latch import Latch

LOOKS = 20_000


def best(latch: Latch) -> float:
    """Microseconds of a look, the best of five rounds."""
    rounds = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(LOOKS):
            latch.closed()
        rounds.append((time.perf_counter() - began) / LOOKS * 1e6)
    return min(rounds)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        latch = Latch(Path(folder) / "killed")
        latch.prepare()
        opened = best(latch)
        latch.close("a measurement")
        print(json.dumps({"open_us": round(opened, 2), "closed_us": round(best(latch), 2)}))


if __name__ == "__main__":
    main()
