"""The error tree. Each class says what it stops, and its policy tells the supervisor what happens next.

    ConsoleError
    |-- SettingsInvalid      exit     the user can fix it; nothing was started
    |-- RecordingUnusable    exit     the path given holds nothing that can be replayed
    |   `-- OnlyTraded       exit     what was traded, and nothing of the market
    |-- EngineRunning        exit     another engine holds the profile
    |-- EngineFailed         exit     a fault of ours ended the engine; a crash report says more
    |-- EngineUnreachable    exit     a command needs a running engine, and there is none that answers
    |-- RequestDenied        exit     the engine does not do what a client asks; the connection goes on
    |   `-- Judged           exit     the core itself has said no, and keeps a record of it
    |-- WorkerLost           retry    a worker process ended; started again, given up after too many times
    |-- StorageFailed        retry    the database cannot be read or written; the market stays on screen
    |   `-- SchemaUnknown    exit     a newer version wrote it; nothing is touched
    |-- ImportRefused        exit     a file cannot be imported as it is; the message names the flag to give
    |   `-- LeftOut          exit     nothing in it could be imported, and nothing is wrong with it
    `-- FeedError
        |-- FeedUnavailable  retry    reconnect with back-off, next address
        |   |-- NotSent      retry    a request to a venue's account did not leave; it changed nothing
        |   `-- NotAnswered  retry    such a request may have arrived: it is asked about, never sent again
        |-- Said             retry    a venue's account says no; what it means is told with it
        |-- RequestRefused   retry    the venue answered that the request itself is wrong
        |-- ProtocolError    retry    the peer sent what its specification forbids; counted, excerpt kept
        |   `-- ScaleOutdated retry   a number is finer than the instrument's scale; the scale is asked for again
        `-- VenueThrottled   retry    wait as long as the venue says
A gap, a refusal or a stale book are values, not exceptions.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class Policy(StrEnum):
    """What the supervisor does with a component that raised."""

    RETRY = "retry"
    EXIT = "exit"


class ConsoleError(Exception):
    """Base of all errors of the product."""

    policy: ClassVar[Policy] = Policy.RETRY
    exit_code: ClassVar[int] = 2
    """Of the process that it ends."""


class SettingsInvalid(ConsoleError):
    """A setting is wrong; nothing was started, the user can mend it."""

    policy = Policy.EXIT


class RecordingUnusable(ConsoleError):
    """The recording cannot be opened, is empty, or does not reach the asked time."""

    policy = Policy.EXIT


class EngineRunning(ConsoleError):
    """Another engine holds the profile; nothing was started."""

    policy = Policy.EXIT


class EngineFailed(ConsoleError):
    """The engine ended by a fault of ours; a crash report says more. A service manager should start it again."""

    policy = Policy.EXIT
    exit_code = 70


class EngineUnreachable(ConsoleError):
    """A command needs a running engine, and there is none that answers.

    `hung`: there is one, and it does not answer or does not want us; `refused`: it said that it does not; `starting`:
    it is not there yet, or going.
    """

    policy = Policy.EXIT

    def __init__(self, message: str, *, hung: bool = False, refused: bool = False, starting: bool = False) -> None:
        super().__init__(message)
        self.refused = refused
        self.hung = hung
        self.starting = starting


class RequestDenied(ConsoleError):
    """The engine does not do what a client asks: no such topic, instrument or command, or a wrong argument."""

    policy = Policy.EXIT

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class WorkerLost(ConsoleError):
    """A worker process ended or fell silent; it is started again, and given up after too many times."""

    policy = Policy.RETRY


class StorageFailed(ConsoleError):
    """The database cannot be read or written: disk full, locked, damaged, read-only. The market stays on screen."""

    policy = Policy.RETRY


class SchemaUnknown(StorageFailed):
    """The database was written by a newer version, or is none of ours; nothing is touched."""

    policy = Policy.EXIT


class ImportRefused(ConsoleError):
    """A file cannot be imported as it is: unknown format, venue, symbol or timeframe. Nothing of it was taken."""

    policy = Policy.EXIT


class FeedError(ConsoleError):
    """Something between the venue and us failed."""

    policy = Policy.RETRY


class FeedUnavailable(FeedError):
    """No connection, a broken one, or no answer in time; tried again after a delay at the next address."""


class RequestRefused(FeedError):
    """The venue answered that the request itself is wrong; an unknown symbol is left out, the others are followed."""

    def __init__(self, what: str, status: int, answer: bytes) -> None:
        super().__init__(f"{what}: HTTP {status} {answer[:120].decode('ascii', 'replace')!r}")
        self.status = status
        self.answer = answer


class ProtocolError(FeedError):
    """A message that the venue's specification forbids; it is dropped and counted, ten in a row reconnect.

    The excerpt keeps the first bytes of the message for the log.
    """

    def __init__(self, reason: str, frame: bytes = b"") -> None:
        super().__init__(reason)
        self.reason = reason
        self.excerpt = frame[:120]


class ScaleOutdated(ProtocolError):
    """A number is finer than the scale we know: the venue changed the instrument, which is listed and begun again."""


class VenueThrottled(FeedError):
    """The venue's request limit is used up, or it told us to wait; nothing is sent until then."""

    def __init__(self, venue: str, retry_after_s: float, why: str) -> None:
        super().__init__(f"{venue}: {why}; next request in {retry_after_s:.1f} s")
        self.venue = venue
        self.retry_after_s = retry_after_s
