"""The command `tradetui`."""

from __future__ import annotations

import sys

from tradetui import lastwords


def main() -> None:
    """Run the command line; errors that a person can mend are one line, not a traceback, and faults show no key."""
    lastwords.guard()
    try:
        _run()
    except Exception as error:  # noqa: BLE001 - a fault of ours
        lastwords.ended(error)
        sys.exit(1)


def _run() -> None:
    if sys.argv[1:2] == ["kill"]:
        _kill(sys.argv[2:])
    try:
        from engine.errors import ConsoleError
        from tradetui.cli.app import app
    except KeyboardInterrupt:  # what is loaded takes a moment
        sys.exit(130)
    lastwords.guard_logs()
    try:
        app()
    except ConsoleError as error:
        sys.stderr.write(lastwords.masked(f"tradetui: {error}\n"))
        sys.exit(error.exit_code)


def _kill(words: list[str]) -> None:
    """Kill without loading the other commands; what is not plain is left to the command line, which explains it."""
    from engine.errors import ConsoleError
    from tradetui.kill.command import parsed, run

    asked = parsed(words)
    if asked is None:
        return
    try:
        sys.exit(run(asked))
    except ConsoleError as error:
        sys.stderr.write(lastwords.masked(f"tradetui: {error}\n"))
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
