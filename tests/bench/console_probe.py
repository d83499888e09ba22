"""The product's own console with a probe in its loop: how late a sleep of 50 ms wakes up. For `tests.bench.console`."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

from tradetui.__main__ import main
from tradetui.cli import screen

SLEEP_S = 0.05


def keep(late: list[float]) -> None:
    """Write down what was measured."""
    Path(os.environ["CONSOLE_LAGS"]).write_text(json.dumps(late))


def probe() -> None:
    """Have every console write down its lateness, ms, when it ends."""
    original = screen.prepare

    def prepare(look: screen.Look) -> None:
        original(look)
        from tradetui.console.app import ConsoleApp

        late: list[float] = []

        class Probed(ConsoleApp):
            async def _watch_loop(self) -> None:
                await asyncio.sleep(5)  # the first paint is measured by itself
                while True:
                    began = time.monotonic()
                    await asyncio.sleep(SLEEP_S)
                    late.append((time.monotonic() - began - SLEEP_S) * 1000)

            def on_mount(self) -> None:
                super().on_mount()
                self._watching = asyncio.create_task(self._watch_loop())

            async def on_unmount(self) -> None:
                self._watching.cancel()
                await super().on_unmount()
                keep(late)

        import tradetui.console.app

        tradetui.console.app.ConsoleApp = Probed  # type: ignore[misc]

    screen.prepare = prepare


if __name__ == "__main__":
    probe()
    main()
