"""The last words of a process: what it says on standard error of a fault that nobody took, without keys.

`tradetui kill` begins here: nothing is loaded before there is something to say.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tradetui.redaction import Redactor


def guard() -> None:
    """Mask what threads and finalisers of this process say of their faults, and have no core of its memory written."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    threading.excepthook = _thread_ended
    sys.unraisablehook = _ignored


def guard_logs() -> None:
    """Mask log lines of a process that has opened no log: Python writes those from WARNING on to standard error."""
    import logging

    class Masked(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return masked(super().format(record))

    if logging.lastResort is not None:
        logging.lastResort.setFormatter(Masked())


def ended(error: BaseException) -> None:
    """Tell of the fault that ends this process; never raises."""
    _say("", error)


def masked(text: str) -> str:
    """Return `text` without the keys that this process has, and fit for a terminal; what fails is not shown at all."""
    try:
        from tradetui.logs.files import harmless

        return "\n".join(map(harmless, everything()(text).split("\n")))
    except Exception as trouble:  # noqa: BLE001 - better no word than a key
        return f"it cannot be told without keys ({type(trouble).__name__})"


def everything() -> Redactor:
    """Return what masks all keys of this process: those that it has read, and those of its environment."""
    from tradetui.credentials import known
    from tradetui.redaction import Redactor

    redact = Redactor(known())
    if "TRADETUI_WEBHOOK_URL" in os.environ:
        from tradetui.webhook import secrets_of, webhook_url

        with contextlib.suppress(Exception):
            redact.add(secrets_of(url) if (url := webhook_url()) is not None else ())
    return redact


def _say(head: str, error: BaseException | None) -> None:
    with contextlib.suppress(Exception):
        import traceback

        told = "".join(traceback.format_exception(error)) if error is not None else "\n"
        sys.stderr.write(masked(head + told))


def _thread_ended(hook: threading.ExceptHookArgs) -> None:
    if not isinstance(hook.exc_value, SystemExit):
        _say(f"in thread {hook.thread.name if hook.thread is not None else 'unknown'}: ", hook.exc_value)


def _ignored(hook: sys.UnraisableHookArgs) -> None:
    _say("raised where nobody could take it: ", hook.exc_value)
