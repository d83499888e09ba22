"""The command `tradetui`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; errors that a person can mend are one line, not a traceback."""
    try:
        from engine.errors import ConsoleError
        from tradetui.cli.app import app
    except KeyboardInterrupt:  # what is loaded takes a moment
        sys.exit(130)
    try:
        app()
    except ConsoleError as error:
        sys.stderr.write(f"tradetui: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
