"""`tradetui kill`: the latch first, then everything else at once: the engine is told, the venues are asked directly.

It needs no engine, no console, no storage and no settings file; where it lacks one of them it does what can be done
without, and says so. It loads nothing that takes time.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from engine.errors import SettingsInvalid
from engine.text import inert
from tradetui.credentials import Credentials, keys_for, load_credentials
from tradetui.credentials import known as secrets
from tradetui.kill import engine
from tradetui.kill.beside import Beside
from tradetui.kill.binance import Mexc, Spot, Usdm
from tradetui.kill.bybit import Bybit
from tradetui.kill.card import KillCard, VenueCard, aside, read_card
from tradetui.kill.holdings import holdings
from tradetui.kill.known import known
from tradetui.kill.venues import Account, Ours, VenueReport, work
from tradetui.latch import Latch, told
from tradetui.lock import Holder
from tradetui.places import Places
from tradetui.redaction import Redactor, redactor

WITHIN_S = 10.0
"""Time for everything; a venue that does not answer by then is reported as not done."""

LATCH_S = 0.4
"""Time for the latch to be on disk; a disk that takes longer is waited for no more."""

KEYS_S = 0.1
"""Time for the file of keys to be read before the latch is closed: a reason that may hold a key is written to it."""

KEY_LEAST = 8
"""Characters of the shortest word of a reason that may be a key."""

STORED_S = 1.0
"""Time for the database to say what is ours."""

Opened = Callable[[VenueCard, Credentials, Callable[[str], str], float], Account]

ACCOUNTS: dict[str, Opened] = {"binance": Spot, "binanceusdm": Usdm, "bybit": Bybit, "mexc": Mexc}


class KillReport(msgspec.Struct, kw_only=True):
    """What a kill did. `latched`: the latch is on disk; `engine_done`: the engine has halted, or there is none.

    `notes` are sentences about what was done without; `troubles` what may still be sent or open.
    """

    profile: str
    mode: str
    reason: str
    flatten: bool
    latched: bool = False
    latch: str = ""
    engine: str = "no engine of this profile is running"
    engine_done: bool = True
    venues: list[VenueReport] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)
    troubles: list[str] = msgspec.field(default_factory=list)
    ms: float = 0.0

    @property
    def done(self) -> bool:
        """Whether nothing can be sent any more, and everything known was cancelled."""
        return self.latched and not self.troubles and all(each.clean for each in self.venues)


def kill(
    places: Places,
    *,
    flatten: bool | None = None,
    reason: str = "",
    card: Callable[[], KillCard] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> KillReport:
    """Stop all trading of a profile; never raises for what can fail.

    Args:
        places: The profile's.
        flatten: Also close positions; None: as the engine's settings say.
        reason: For the latch and the audit.
        card: Makes a card out of the settings, where no engine has left one; raises SettingsInvalid.
        environment: Where keys are looked for first.
    """
    began = time.monotonic()
    reason = told(_without_keys(places, reason, environment))
    report = KillReport(profile=places.profile, mode="", reason=reason, flatten=bool(flatten))
    closing = Beside(lambda: _closed(places, reason))  # a disk that hangs must not keep us from the venues
    report.latch = closing.result(LATCH_S) or f"{places.latch}: {_wrong_with(closing)}"
    report.latched = closing.done and closing.error is None
    latched = time.monotonic()
    found = known(places, card)
    report.mode = found.mode
    report.notes += found.notes
    report.troubles += found.troubles
    report.flatten = found.flatten if flatten is None else flatten
    holder = engine.running(places)
    telling = Beside(lambda: engine.tell(places, holder, report.flatten and not found.real, reason) if holder else None)
    stored = [(each, Beside(_stored(each))) for each in found.cards if each.venues]
    if not report.latched:  # nothing else keeps it from sending what would be cancelled now
        _engine(places, report, holder, telling.result(engine.CONFIRM_S + 0.2))
    if stored:
        try:
            _venues(stored, report, holder, environment, latched)
        except Exception as error:  # noqa: BLE001 - what was done must be told
            report.troubles.append(f"a fault of ours ({type(error).__name__}): look at your venues")
    if report.latched:
        _engine(places, report, holder, telling.result(engine.CONFIRM_S + 0.2))
    report.ms = (time.monotonic() - began) * 1000
    Beside(lambda: _keep(places, report)).result(LATCH_S)
    return report


def _closed(places: Places, reason: str) -> str:
    places.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Latch(places.latch).close(reason)


def _wrong_with(closing: Beside[str]) -> str:
    if not closing.done:
        return f"the disk did not answer within {LATCH_S:g} s"
    return str(getattr(closing.error, "strerror", None) or closing.error)


def _without_keys(places: Places, reason: str, environment: Mapping[str, str]) -> str:
    """Return a reason without keys that were pasted into it: it is kept and shown."""

    def read() -> None:
        card = read_card(places.kill_card) or read_card(aside(places.kill_card))
        if card is not None and card.credentials:
            load_credentials(Path(card.credentials), {})

    if any(len(word) >= KEY_LEAST for word in reason.split()):
        Beside(read).result(KEYS_S)
    return Redactor(secrets(environment))(reason)


def _stored(card: KillCard) -> Callable[[], dict[str, list[Ours]]]:
    spot = any(":" not in each for venue in card.venues for each in venue.instruments)
    return lambda: holdings(Path(card.database), card.mode) if spot else {}


def _venues(
    stored: list[tuple[KillCard, Beside[dict[str, list[Ours]]]]],
    report: KillReport,
    holder: Holder | None,
    environment: Mapping[str, str],
    latched: float,
) -> None:
    """Ask all venues of all cards at once."""
    until = latched + WITHIN_S
    asked: list[tuple[VenueReport, Beside[None]]] = []
    for card, held in stored:
        keys = _keys(card, report, holder, environment)
        clean = redactor(keys)
        ours = _ours(held, report)
        for venue in card.venues:
            one = VenueReport(venue=venue.name, url=venue.url)
            report.venues.append(one)
            credentials = keys_for(venue.name, keys)
            opened = ACCOUNTS.get(venue.name)
            if opened is None or credentials is None:
                lacks = "keys for it were not found" if opened else "it is not known here"
                one.troubles.append(f"{lacks}: nothing was cancelled there by this command")
                continue
            try:
                account = opened(venue, credentials, clean, until)
            except ValueError as error:
                one.troubles.append(f"{inert(clean(str(error)))}: nothing was cancelled there by this command")
                continue
            asked.append((one, Beside(_asking(account, one, ours.get(venue.name, []), report.flatten, latched))))
    for one, asking in asked:
        asking.result(until + 0.5 - time.monotonic())
        if not asking.done:
            one.troubles.append(f"it has not answered within {WITHIN_S:g} s: look at the venue")
        elif asking.error is not None:
            one.troubles.append(f"a fault of ours ({type(asking.error).__name__}): look at the venue")


def _asking(account: Account, one: VenueReport, ours: list[Ours], flatten: bool, latched: float) -> Callable[[], None]:
    def ask() -> None:
        began = time.monotonic()
        try:
            work(account, one, ours, flatten=flatten, latched=latched)
        finally:
            one.ms = (time.monotonic() - began) * 1000
            account.close()

    return ask


def _keys(
    card: KillCard, report: KillReport, holder: Holder | None, environment: Mapping[str, str]
) -> dict[str, Credentials]:
    """Return the keys by venue: from the environment and the file, else from the environment of the engine."""
    keys: dict[str, Credentials] = {}
    sources = [(environment, ""), *([(engine.environment_of(holder), "the engine's environment: ")] if holder else [])]
    for source, name in sources:
        for file in (Path(card.credentials), None) if card.credentials else (None,):
            try:
                keys = load_credentials(file, source) | keys
                break
            except SettingsInvalid as error:
                report.notes.append(f"{name}{error}")
    return keys


def _ours(stored: Beside[dict[str, list[Ours]]], report: KillReport) -> dict[str, list[Ours]]:
    """Return what is ours on spot; where nobody can tell, nothing is sold there."""
    found = stored.result(STORED_S)
    if found is not None:
        return found
    said = f"what is ours on spot is not known ({inert(str(stored.error or f'no answer within {STORED_S:g} s'))})"
    if report.flatten:
        report.troubles.append(f"{said}: nothing was sold there; look at the venue")
    else:
        report.notes.append(said)
    return {}


def _engine(places: Places, report: KillReport, holder: Holder | None, said: engine.Said | None) -> None:
    """Take in what the engine answered; one that could still send is ended."""
    open_latch = f"the latch cannot be closed ({report.latch}): the next engine is not held by it"
    if holder is not None:
        report.engine_done, report.engine = said or engine.Said(False, f"the engine (pid {holder.pid}) was not told")
    if report.latched and not report.engine_done and not report.venues:
        report.troubles.append("its paper orders stand until it goes on; none of them is sent or filled before")
    elif report.latched and report.engine_done and report.flatten and holder is not None:
        unreached = ", ".join(one.venue for one in report.venues if not one.ms)
        if unreached:
            again = engine.tell(places, holder, True, report.reason)
            report.notes.append(f"{unreached}: the engine was asked to close positions there. {again.text}")
    elif not report.latched:
        report.troubles.append(open_latch)
        if holder is not None and not report.engine_done:
            try:
                report.engine = engine.end(holder, places)
            except OSError as error:
                report.troubles.append(f"THE ENGINE MAY STILL SEND ORDERS: `kill -9 {holder.pid}` ({error.strerror})")


def _keep(places: Places, report: KillReport) -> None:
    """Leave word of the kill beside the latch; the engine that comes next, and people, can read it."""
    line = json.dumps({"at": time.time_ns(), "report": msgspec.to_builtins(report)}) + "\n"
    with contextlib.suppress(OSError):
        descriptor = os.open(places.kills, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, line.encode("utf-8", "replace"))
        finally:
            os.close(descriptor)
