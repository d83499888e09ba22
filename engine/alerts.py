"""The one list of alerts: what is wrong, since when, what is being done about it, and that it healed.

An alert is kept per code and component. While its cause lasts it is active; afterwards it stays in the list, healed,
and is raised again under the same id when the cause comes back. What happened once, a fill or a refusal, cannot heal:
it is active for a moment, to be seen, and then it is not, without a word. All else that changes is an event for the
journal, and the list is what the events add up to, so it outlives restarts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntEnum

import msgspec

from engine.text import inert
from engine.types import SECOND

KEPT = 500
"""Alerts kept; beyond that the ones healed longest ago are forgotten."""

LEFT = "the engine that saw it has ended"
"""What is done about an alert of an earlier engine whose cause this one does not see: it may not have looked yet."""

TELL_EVERY = SECOND
"""Least time between two events that say only that an active alert was seen again."""


class Severity(IntEnum):
    """How bad; from WARNING on the engine counts as degraded while the alert is active."""

    INFO = 0
    WARNING = 1
    ERROR = 2
    CRITICAL = 3


class Kind(msgspec.Struct, frozen=True):
    """What all alerts of one code share; what is `once` has happened and cannot heal, unless its cause then lasts."""

    severity: Severity
    title: str
    suggestion: str
    once: bool = False


CATALOGUE: dict[str, Kind] = {
    "FEED_DOWN": Kind(
        Severity.ERROR, "a market data connection is down",
        "nothing, if it heals; else check the network with `tradetui doctor`"),
    "FEED_SILENT": Kind(
        Severity.WARNING, "a connection is open and says nothing",
        "nothing, if it heals; it is opened anew after data_provider.websocket.silence_s"),
    "FEED_REFUSED": Kind(
        Severity.WARNING, "frames that break the venue's own format were refused",
        "see the log for the frames; a few are noise, many mean a proxy in between or a changed format"),
    "FEED_FAILED": Kind(
        Severity.ERROR, "a feed failed by a fault of ours and was started again",
        "report it with the traceback in the engine's log"),
    "BOOK_OUT_OF_STEP": Kind(
        Severity.WARNING, "a book is not the market at this moment",
        "wait for the snapshot; do not read prices from this book"),
    "BOOK_GAP": Kind(
        Severity.WARNING, "messages of a book were missing or did not fit, and it was begun again",
        "nothing; if it happens every few minutes the line or the machine is too slow"),
    "TRADES_MISSED": Kind(
        Severity.WARNING, "trades were missed; the bars they belong to are not complete",
        "nothing; the venue's own candles replace those bars"),
    "INSTRUMENT_FAILED": Kind(
        Severity.ERROR, "an instrument failed by a fault of ours and was begun again",
        "report it with the engine's log and a recording"),
    "INSTRUMENT_UNKNOWN": Kind(
        Severity.ERROR, "the venue does not list an instrument",
        "correct data_provider.symbols and restart the engine"),
    "REQUEST_FAILED": Kind(
        Severity.WARNING, "a request to a venue fails and is tried again",
        "nothing, if it heals; else check the address with `tradetui doctor`"),
    "HISTORY_FALLBACK": Kind(
        Severity.WARNING, "candles come from another venue, because an instrument's own cannot give them",
        "nothing, if it heals; such candles are marked, and are replaced by the venue's own"),
    "BARS_DIFFERED": Kind(
        Severity.WARNING, "bars built here differed from the venue's own candles, which took their place",
        "nothing; if it happens often, report it with a recording"),
    "VENUE_THROTTLED": Kind(
        Severity.WARNING, "a venue told us to wait; no request is sent until then",
        "close other programs that use this venue from the same address"),
    "CLOCK_APART": Kind(
        Severity.WARNING, "this machine's clock and an exchange's differ by more than a second",
        "set up time synchronisation (timedatectl set-ntp true)"),
    "CLOCK_STEPPED": Kind(
        Severity.WARNING, "this machine's clock was set, or the machine slept",
        "let NTP slew the clock, and keep the machine from sleeping"),
    "QUEUE_OVERFLOW": Kind(
        Severity.ERROR, "records were dropped because the engine could not keep up; books begin again",
        "follow fewer symbols, or give the engine more processor"),
    "ENGINE_STALLED": Kind(
        Severity.WARNING, "the engine did nothing for more than a second",
        "look for a busy or sleeping machine; shells stopped with ctrl-z stop their engine, too"),
    "ENGINE_DIED": Kind(
        Severity.WARNING, "the last engine of this profile did not end cleanly",
        "see the crash report and the end of its log, if there are any", once=True),
    "COMPONENT_FAILED": Kind(
        Severity.ERROR, "a part of the engine failed and is started again",
        "report it with the traceback in the engine's log"),
    "WORKER_DOWN": Kind(
        Severity.ERROR, "a worker process ended and is started again",
        "nothing, if it heals; else see the worker's log"),
    "WORKER_GIVEN_UP": Kind(
        Severity.ERROR, "a worker process ended too often and is left alone; its part is off",
        "see the worker's log, then restart the engine"),
    "DISK_LOW": Kind(
        Severity.WARNING, "the disk is nearly full",
        "free space; recordings are the largest files (see `tradetui doctor`)"),
    "RECORDING_FAILED": Kind(
        Severity.ERROR, "the recording cannot be written; lines wait in memory",
        "free space or mend the folder; it goes on by itself"),
    "STORAGE_FAILED": Kind(
        Severity.ERROR, "the database cannot be used; what is to be kept waits in memory",
        "do as the text says: free space, mend the rights, or `tradetui data restore`"),
    "STORAGE_PRESSED": Kind(
        Severity.ERROR, "the disk is so full that stored days are given up before their time",
        "free space; what is followed live goes first, imports and journals never"),
    "ROWS_LOST": Kind(
        Severity.ERROR, "rows were dropped, because the database has refused them for too long",
        "mend what STORAGE_FAILED says; bars are asked of the venue again", once=True),
    "ROWS_REFUSED": Kind(
        Severity.WARNING, "rows that cannot be right were not stored",
        "see the engine's log; they are kept aside in the database", once=True),
    "BACKUP_FAILED": Kind(
        Severity.WARNING, "the daily copy of the database failed",
        "free space or mend the folder; it is tried again"),
    "JOURNAL_FAILED": Kind(
        Severity.ERROR, "events cannot be written to disk and would be lost at a stop",
        "free space or mend the folder; it goes on by itself"),
    "LOG_FAILED": Kind(
        Severity.WARNING, "log lines are lost",
        "free space or mend the folder; it goes on by itself"),
    "CLIENT_REFUSED": Kind(
        Severity.WARNING, "a connection to the engine's socket was refused",
        "if it was not you, see who runs programs on this machine", once=True),
    "CLIENT_SLOW": Kind(
        Severity.INFO, "a console did not read and was let go; it comes back by itself",
        "nothing; look at the terminal's link if it happens often", once=True),
    "TRADING_HALTED": Kind(
        Severity.CRITICAL, "trading is halted: nothing is submitted, only cancels go out",
        "find out why; look at orders and positions at the venue; then `tradetui arm` with the word and a reason"),
    "TRADING_REDUCED": Kind(
        Severity.WARNING, "no new risk is taken while something is wrong; exits, stops and cancels go on",
        "mend what the text says; it ends by itself when that is over"),
    "TRADING_FAILED": Kind(
        Severity.CRITICAL, "trading failed by a fault of ours; no new risk is taken",
        "look at orders and positions, report it with the engine's log, then restart the engine", once=True),
    "ORDER_REFUSED": Kind(
        Severity.INFO, "an order was refused before it was sent",
        "the text names the limit and what was found; `tradetui risk` shows all limits", once=True),
    "ORDER_REJECTED": Kind(
        Severity.WARNING, "a venue refused an order",
        "correct what the venue says; nothing of this order stands", once=True),
    "ORDER_DENIED": Kind(
        Severity.WARNING, "an order was not sent, for a reason on this side",
        "mend what the text says, then give it again; it never left this machine", once=True),
    "ORDER_EXPIRED": Kind(
        Severity.INFO, "an order ended by its own terms before it was wholly filled",
        "nothing; what was filled of it stands", once=True),
    "ORDER_IMPOSSIBLE": Kind(
        Severity.ERROR, "a venue said something of an order that cannot be",
        "`tradetui reconcile`, and compare with the venue's own page; report it with the engine's log", once=True),
    "ORDER_UNRESOLVED": Kind(
        Severity.ERROR, "it is not known whether an order stands at the venue; its instrument is frozen",
        "nothing, the venue is asked until it tells; look at the venue's own page before you do anything by hand"),
    "NOT_FLAT": Kind(
        Severity.ERROR, "a position could not be closed completely",
        "close what is left at the venue, or leave it: it may be less than the venue's least order", once=True),
    "FLATTEN_RESUMED": Kind(
        Severity.ERROR, "the engine ended while a halt was closing a position; the closing goes on",
        "nothing, unless you close it yourself: then `tradetui kill` again, or look at the venue"),
    "EXIT_REFUSED": Kind(
        Severity.ERROR, "an order that was to close or protect a position could not be sent",
        "look at the position now: `tradetui positions`; close it with `tradetui flatten`, or at the venue", once=True),
    "POSITION_UNPROTECTED": Kind(
        Severity.ERROR, "a position has a stop-loss that nobody holds at this moment",
        "set it again (`tradetui protect`), close the position, or set a stop at the venue"),
    "POSITION_MISMATCH": Kind(
        Severity.ERROR, "a position at the venue cannot be explained by the fills known here",
        "look at the venue's own history; no new risk there until `tradetui reconcile` finds them equal"),
    "EXITS_OFF": Kind(
        Severity.WARNING, "exits are switched off while positions are open",
        "switch them on again, unless you watch these positions yourself", once=True),
    "EQUITY_UNKNOWN": Kind(
        Severity.WARNING, "what the account is worth is not known; no new risk is taken",
        "follow an instrument that prices the asset named, or sell that asset"),
    "DAILY_LOSS": Kind(
        Severity.ERROR, "the loss of the day has reached its limit; no new risk until 00:00 UTC",
        "nothing; `tradetui risk` shows the figures"),
    "DRAWDOWN": Kind(
        Severity.CRITICAL, "equity has fallen from its peak by the limit; trading is halted",
        "find out why before you arm again; the peak begins anew then", once=True),
    "LOSING_STREAK": Kind(
        Severity.WARNING, "trades were lost in a row; no new risk during the pause",
        "nothing; it ends by itself"),
    "KILLED": Kind(
        Severity.CRITICAL, "the kill switch was used",
        "see that no order and no unwanted position is left at the venue; only a person arms again", once=True),
    "KILL_UNREADY": Kind(
        Severity.ERROR, "the kill switch could not be made ready on disk",
        "mend what the text says (disk, folder, owner), then restart the engine"),
    "FLASH_MOVE": Kind(
        Severity.WARNING, "a price moved further in seconds than it may; no new risk there during the pause",
        "nothing; it ends by itself"),
    "VENUE_TROUBLE": Kind(
        Severity.ERROR, "a trading venue fails or refuses again and again; it takes no new risk during the pause",
        "see the venue's status page, and the reason in the text"),
    "RECONCILE_DIFFERS": Kind(
        Severity.WARNING, "the venue's books differed from ours, which were put right",
        "read what differed; arm only if you can explain it", once=True),
    "KEY_UNSAFE": Kind(
        Severity.ERROR, "a trading key may do more than trade, or may not trade",
        "make another key at the venue: trading allowed, withdrawals not"),
    "BLIND_TIME": Kind(
        Severity.WARNING, "no engine ran for a while; stops that are not held by a venue did not act meanwhile",
        "look at your positions; such a stop acts on the first trade, at that trade's price", once=True),
    "SIZE_CHANGED": Kind(
        Severity.INFO, "the share of full size that is traded with live money has changed",
        "nothing; `tradetui risk` shows where the ramp stands", once=True),
    "STOP_HIT": Kind(
        Severity.INFO, "a stop was reached and closes its position",
        "nothing; `tradetui fills` shows at what price", once=True),
    "FILLED": Kind(
        Severity.INFO, "an order was filled, or a part of it",
        "nothing", once=True),
    "NOTICE_FAILED": Kind(
        Severity.WARNING, "the webhook does not take notices; some were given up",
        "see that its address is right and answers"),
}  # fmt: skip
"""Every code there is; `docs/troubleshooting.md` has cause and remedy of each."""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert.

    Units: times UTC ns. `since` begins the present episode, `first_seen` the first one, `last_seen` is the last time
    that the cause was seen. `count` counts occurrences. `healed` is None while `active`, and of what happened once.
    """

    id: int
    code: str
    severity: str
    component: str
    text: str
    doing: str
    suggestion: str
    first_seen: int
    since: int
    last_seen: int
    healed: int | None
    count: int
    active: bool
    acknowledged: bool


class Cause(msgspec.Struct, frozen=True):
    """A cause that is there now. `doing` is what the engine does about it, `since` when it began, if known (UTC ns)."""

    code: str
    component: str
    text: str
    doing: str = ""
    since: int = 0


class Alerts:
    """All alerts; `changed(change, alert)` is called for what the journal keeps, `clean` makes text fit to be shown."""

    def __init__(
        self, changed: Callable[[str, Alert], None] = lambda _change, _alert: None, clean: Callable[[str], str] = inert
    ) -> None:
        self._changed = changed
        self._clean = clean
        self._by_key: dict[tuple[str, str], Alert] = {}
        self._passing: dict[tuple[str, str], int] = {}
        self._told: dict[int, int] = {}
        self._untold: set[tuple[str, str]] = set()
        self._left: set[tuple[str, str]] = set()
        self._lasted: set[tuple[str, str]] = set()
        self._next = 1

    def recall(self, alerts: Iterable[Alert]) -> None:
        """Take the alerts of the journal, oldest change first; those of codes no longer known are left out."""
        for alert in alerts:
            self._next = max(self._next, alert.id + 1)
            if alert.code in CATALOGUE:
                over = alert.active and CATALOGUE[alert.code].once
                known = msgspec.structs.replace(alert, active=False) if over else alert
                self._by_key[alert.code, alert.component] = known
        self._forget(KEPT)
        self._left = {key for key, alert in self._by_key.items() if alert.active}

    def all(self) -> list[Alert]:
        """Return all alerts: active first, then the newest."""
        return sorted(self._by_key.values(), key=lambda alert: (not alert.active, -alert.last_seen, alert.id))

    @property
    def active(self) -> list[Alert]:
        """Alerts whose cause is there now."""
        return [alert for alert in self._by_key.values() if alert.active]

    def lasting(self, causes: Iterable[Cause], now: int) -> None:
        """Take the causes that are there at `now`: theirs are raised, all other lasting alerts heal.

        What happened once leaves quietly, when all of it has been told.
        """
        present = {self._raise(cause, now, 0) for cause in causes}
        self._lasted |= present
        for key, alert in list(self._by_key.items()):
            if alert.active and key not in present and now >= self._passing.get(key, 0):
                quietly = CATALOGUE[alert.code].once and key not in self._lasted
                if quietly and key in self._untold:
                    continue
                self._passing.pop(key, None)
                self._lasted.discard(key)
                doing = LEFT if key in self._left else ""
                self._left.discard(key)
                if quietly:
                    self._by_key[key] = msgspec.structs.replace(alert, active=False)
                else:
                    self._put("healed", msgspec.structs.replace(alert, active=False, healed=now, doing=doing))
        for key in [key for key in self._untold if now - self._told.get(self._by_key[key].id, 0) >= TELL_EVERY]:
            self._told[self._by_key[key].id] = now
            self._put("changed", self._by_key[key])
        self._forget(KEPT)

    def passing(self, cause: Cause, now: int, *, times: int = 1, hold: int = 0) -> None:
        """Take something that happened `times` times just now; it counts as over `hold` ns later."""
        key = self._raise(cause, now, times)
        self._passing[key] = max(self._passing.get(key, 0), now + hold)

    def jumped(self, now: int) -> None:
        """Time has jumped to `now`, on or back: what only passes is over, and nothing began later than now."""
        self._passing = dict.fromkeys(self._passing, now)
        self._told = {number: min(told, now) for number, told in self._told.items()}
        for key, alert in self._by_key.items():
            if alert.active and alert.last_seen > now:
                since, first = min(alert.since, now), min(alert.first_seen, now)
                self._by_key[key] = msgspec.structs.replace(alert, since=since, first_seen=first, last_seen=now)

    def acknowledge(self, number: int | None = None) -> int:
        """Mark one alert, or all, as read by a person; return how many that changed."""
        chosen = [a for a in self._by_key.values() if not a.acknowledged and number in (None, a.id)]
        for alert in chosen:
            self._put("acknowledged", msgspec.structs.replace(alert, acknowledged=True))
        return len(chosen)

    def _raise(self, cause: Cause, now: int, times: int) -> tuple[str, str]:
        """Take a cause; return the key of its alert."""
        kind = CATALOGUE[cause.code]
        component, text, doing = self._clean(cause.component), self._clean(cause.text), self._clean(cause.doing)
        key = cause.code, component
        self._left.discard(key)
        old = self._by_key.get(key)
        if old is not None and old.active:
            alert = msgspec.structs.replace(old, text=text, doing=doing, last_seen=now, count=old.count + times)
            if (times or text != old.text) and now - self._told.get(alert.id, 0) >= TELL_EVERY:
                self._told[alert.id] = now
                self._put("changed", alert)
            else:
                self._by_key[key] = alert
                if times or text != old.text:
                    self._untold.add(key)
            return key
        if old is None:
            self._forget(KEPT - 1)
        alert = Alert(
            id=old.id if old is not None else self._next,
            code=cause.code,
            severity=kind.severity.name.lower(),
            component=component,
            text=text,
            doing=doing,
            suggestion=kind.suggestion,
            first_seen=old.first_seen if old is not None else cause.since or now,
            since=cause.since or now,
            last_seen=now,
            healed=None,
            count=(old.count if old is not None else 0) + max(times, 1),
            active=True,
            acknowledged=False,
        )
        self._next = max(self._next, alert.id + 1)
        self._told[alert.id] = now
        self._put("raised", alert)
        return key

    def _put(self, change: str, alert: Alert) -> None:
        key = alert.code, alert.component
        self._by_key[key] = alert
        self._untold.discard(key)
        self._changed(change, alert)

    def _forget(self, kept: int) -> None:
        """Keep so many at most, as far as they are not active."""
        if len(self._by_key) > kept:
            healed = [(alert.healed or alert.last_seen, key) for key, alert in self._by_key.items() if not alert.active]
            for _, key in sorted(healed)[: len(self._by_key) - kept]:
                self._told.pop(self._by_key.pop(key).id, None)
                self._passing.pop(key, None)
