"""The list of alerts against a model, and the journal's events against the list."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine import alerts as module
from engine.alerts import CATALOGUE, LEFT, TELL_EVERY, Alert, Alerts, Cause, Severity
from engine.text import LONGEST
from engine.types import SECOND

Key = tuple[str, str]
T0 = 1_700_000_000 * SECOND
CODES = st.sampled_from(["FEED_DOWN", "BOOK_GAP", "CLIENT_SLOW", "FILLED"])
COMPONENTS = st.sampled_from(["a", "b", "c"])
CAUSES = st.builds(Cause, CODES, COMPONENTS, st.sampled_from(["one", "two"]), st.sampled_from(["", "tried"]))


class Told:
    """What a journal was told, and what it adds up to: the last word on every alert, oldest first."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self.clock = clock
        self.events: list[tuple[int, str, Alert]] = []

    def __call__(self, change: str, alert: Alert) -> None:
        self.events.append((self.clock(), change, alert))

    def fold(self) -> list[Alert]:
        words: dict[int, Alert] = {}
        for _, _, alert in self.events:
            words.pop(alert.id, None)
            words[alert.id] = alert
        return list(words.values())


class AlertsMachine(RuleBasedStateMachine):
    """Causes come and go, things happen, a person reads, the engine is killed and started again."""

    KEPT = 5

    @initialize()
    def begin(self) -> None:
        self.real_kept, module.KEPT = module.KEPT, self.KEPT
        self.now = T0
        self.told = Told(lambda: self.now)
        self.alerts = Alerts(self.told)
        self.model: dict[Key, Alert] = {}
        self.held: dict[Key, int] = {}
        self.left: set[Key] = set()
        self.lasted: set[Key] = set()
        self.ids = 0
        self.started = self.checked = 0
        self.last: dict[int, tuple[int, int, str, bool]] = {}

    def teardown(self) -> None:
        if hasattr(self, "real_kept"):
            module.KEPT = self.real_kept

    # The model. -------------------------------------------------------------------------------------------------------

    def forget(self, kept: int) -> None:
        healed = sorted((a.healed or a.last_seen, k) for k, a in self.model.items() if not a.active)
        for _, key in healed[: max(len(self.model) - kept, 0)]:
            del self.model[key]

    def expect(self, cause: Cause, times: int) -> None:
        key = cause.code, cause.component
        self.left.discard(key)
        old = self.model.get(key)
        if old is not None and old.active:
            self.model[key] = msgspec.structs.replace(
                old, text=cause.text, doing=cause.doing, last_seen=self.now, count=old.count + times
            )
            return
        if old is None:
            self.forget(self.KEPT - 1)
            self.ids += 1
        kind = CATALOGUE[cause.code]
        self.model[key] = Alert(
            id=old.id if old is not None else self.ids,
            code=cause.code,
            severity=kind.severity.name.lower(),
            component=cause.component,
            text=cause.text,
            doing=cause.doing,
            suggestion=kind.suggestion,
            first_seen=old.first_seen if old is not None else self.now,
            since=self.now,
            last_seen=self.now,
            healed=None,
            count=(old.count if old is not None else 0) + max(times, 1),
            active=True,
            acknowledged=False,
        )

    # What can happen. -------------------------------------------------------------------------------------------------

    @rule(milliseconds=st.sampled_from([0, 1, 100, 500, 999, 1000, 7000]))
    def time_passes(self, milliseconds: int) -> None:
        self.now += milliseconds * SECOND // 1000

    @rule(causes=st.lists(CAUSES, max_size=6, unique_by=lambda cause: (cause.code, cause.component)))
    def look(self, causes: list[Cause]) -> None:
        self.now += 1  # no two looks at the same time
        for cause in causes:
            self.expect(cause, 0)
        present = {(cause.code, cause.component) for cause in causes}
        self.lasted |= present
        lasted = set(self.lasted)
        told = {(alert.code, alert.component): alert for alert in self.told.fold()}
        for key, alert in self.model.items():
            if alert.active and key not in present and self.now >= self.held.get(key, 0):
                quiet = CATALOGUE[key[0]].once and key not in self.lasted
                if quiet and (told[key].text, told[key].count) != (alert.text, alert.count):
                    continue  # what has not been told yet is told first
                self.held.pop(key, None)
                self.lasted.discard(key)
                doing = LEFT if key in self.left else ""
                self.left.discard(key)
                self.model[key] = (
                    msgspec.structs.replace(alert, active=False)
                    if quiet
                    else msgspec.structs.replace(alert, active=False, healed=self.now, doing=doing)
                )
        self.forget(self.KEPT)
        before = len(self.told.events)
        self.alerts.lasting(iter(causes), self.now)
        for _, change, event in self.told.events[before:]:
            assert change != "healed" or not CATALOGUE[event.code].once or (event.code, event.component) in lasted
        # Whatever was not told yet was told of a moment ago.
        kept = {(alert.code, alert.component): alert for alert in self.told.fold()}
        for key, alert in self.model.items():
            if (kept[key].text, kept[key].count) != (alert.text, alert.count):
                last = max(at for at, _, event in self.told.events if event.id == alert.id)
                assert self.now - last < TELL_EVERY

    @rule(cause=CAUSES, times=st.integers(0, 3), hold=st.sampled_from([0, 1, 5]))
    def happens(self, cause: Cause, times: int, hold: int) -> None:
        self.expect(cause, times)
        key = cause.code, cause.component
        self.held[key] = max(self.held.get(key, 0), self.now + hold * SECOND)
        self.alerts.passing(cause, self.now, times=times, hold=hold * SECOND)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), everything=st.booleans())
    def a_person_reads(self, data: st.DataObject, everything: bool) -> None:
        number = None if everything else data.draw(st.sampled_from([a.id for a in self.model.values()]) | st.just(999))
        chosen = [k for k, a in self.model.items() if not a.acknowledged and number in (None, a.id)]
        for key in chosen:
            self.model[key] = msgspec.structs.replace(self.model[key], acknowledged=True)
        assert self.alerts.acknowledge(number) == len(chosen)

    @rule()
    def killed_and_started_again(self) -> None:
        """The next engine knows what the journal was told; its first look ends what the last one saw."""
        self.alerts = Alerts(self.told)
        words = self.told.fold()
        self.alerts.recall(words)
        recalled = {(alert.code, alert.component): alert for alert in self.alerts.all()}
        if len({(alert.code, alert.component) for alert in words}) <= self.KEPT:
            assert recalled.keys() == self.model.keys()
        lasts = {key for key, alert in self.model.items() if alert.active and not CATALOGUE[key[0]].once}
        assert lasts == {key for key, alert in recalled.items() if alert.active}
        assert len(recalled) <= self.KEPT or lasts == recalled.keys()
        for key in recalled.keys() & self.model.keys():
            alert, before = recalled[key], self.model[key]
            names = ("id", "first_seen", "since", "healed", "active", "acknowledged", "severity")
            if CATALOGUE[key[0]].once:  # it has happened, whatever the last engine still showed
                before = msgspec.structs.replace(before, active=False)
            assert [getattr(alert, name) for name in names] == [getattr(before, name) for name in names]
            assert alert.count <= before.count
            assert alert.last_seen <= before.last_seen
        self.model = recalled
        self.held.clear()
        self.lasted.clear()
        self.left = {key for key, alert in recalled.items() if alert.active}
        self.started = len(self.told.events)

    # What always holds. -----------------------------------------------------------------------------------------------

    @invariant()
    def the_list_is_as_expected(self) -> None:
        if not hasattr(self, "alerts"):
            return
        shown = self.alerts.all()
        assert {(alert.code, alert.component): alert for alert in shown} == self.model
        assert len({alert.id for alert in shown}) == len(shown)
        assert [a.active for a in shown] == sorted((a.active for a in shown), reverse=True)
        for active in (True, False):
            seen = [alert.last_seen for alert in shown if alert.active is active]
            assert seen == sorted(seen, reverse=True)
        assert {alert.id for alert in self.alerts.active} == {alert.id for alert in shown if alert.active}
        assert len(shown) <= max(self.KEPT, len(self.alerts.active))

    @invariant()
    def the_events_make_sense(self) -> None:
        if not hasattr(self, "told"):
            return
        for place, (at, change, alert) in enumerate(self.told.events[self.checked :], self.checked):
            then, last, before, was = self.last.get(alert.id, (0, 0, "", False))
            once = CATALOGUE[alert.code].once  # leaves the list without a word
            assert (change, was, alert.active) in {
                ("raised", was and once, True),
                ("changed", True, True),
                ("healed", True, False),
                ("acknowledged", was, was),
                ("acknowledged", was, was and not once),
            }
            assert (alert.healed is None) or not alert.active
            assert alert.healed is not None or alert.active or once
            assert alert.first_seen <= alert.since <= alert.last_seen <= at
            if change == "changed" and before in ("raised", "changed") and then >= self.started:
                assert at - last >= TELL_EVERY
            self.last[alert.id] = place, at, change, alert.active
        self.checked = len(self.told.events)


TestAlertsMachine = AlertsMachine.TestCase
TestAlertsMachine.settings = settings(max_examples=60, stateful_step_count=40)


def test_since_is_the_causes_own_word_where_it_has_one() -> None:
    alerts = Alerts()
    alerts.lasting([Cause("FEED_DOWN", "x", "gone", since=T0 - 5 * SECOND)], T0)
    (alert,) = alerts.all()
    assert (alert.since, alert.first_seen, alert.last_seen) == (T0 - 5 * SECOND, T0 - 5 * SECOND, T0)
    alerts.lasting([], T0 + SECOND)
    alerts.lasting([Cause("FEED_DOWN", "x", "gone", since=T0 + 2 * SECOND)], T0 + 3 * SECOND)
    (alert,) = alerts.all()
    assert (alert.since, alert.first_seen, alert.count) == (T0 + 2 * SECOND, T0 - 5 * SECOND, 2)


def test_a_cause_that_lasts_is_not_told_again_and_a_count_down_is_no_event() -> None:
    told: list[str] = []
    alerts = Alerts(lambda change, _alert: told.append(change))
    for tenth in range(100):
        alerts.lasting(
            [Cause("FEED_DOWN", "x", "gone", f"try 2 in {10 - tenth / 10:.1f} s")], T0 + tenth * SECOND // 10
        )
    assert told == ["raised"]
    assert alerts.all()[0].doing == "try 2 in 0.1 s"


def test_what_was_read_is_unread_when_it_comes_back() -> None:
    alerts = Alerts()
    alerts.lasting([Cause("FEED_DOWN", "x", "gone")], T0)
    assert alerts.acknowledge(1) == 1
    assert alerts.acknowledge() == 0
    alerts.lasting([], T0 + SECOND)
    assert alerts.all()[0].acknowledged
    alerts.lasting([Cause("FEED_DOWN", "x", "gone")], T0 + 2 * SECOND)
    assert not alerts.all()[0].acknowledged


FILL = Cause("FILLED", "binance:BTC/USDT", "bought 0.1")


def test_what_happened_once_is_told_once_and_leaves_without_a_word() -> None:
    told: list[tuple[str, Alert]] = []
    alerts = Alerts(lambda change, alert: told.append((change, alert)))
    alerts.passing(FILL, T0, hold=10 * SECOND)
    alerts.passing(Cause("BOOK_GAP", "binance:BTC/USDT", "a gap"), T0, hold=10 * SECOND)
    alerts.lasting([Cause("FEED_DOWN", "x", "gone")], T0 + SECOND)
    assert len(alerts.active) == 3
    alerts.lasting([], T0 + 10 * SECOND)
    assert alerts.active == []
    assert sorted((change, alert.code) for change, alert in told) == [
        ("healed", "BOOK_GAP"), ("healed", "FEED_DOWN"),
        ("raised", "BOOK_GAP"), ("raised", "FEED_DOWN"), ("raised", "FILLED"),
    ]  # fmt: skip
    (fill,) = (alert for alert in alerts.all() if alert.code == "FILLED")
    assert (fill.active, fill.healed, fill.text, fill.last_seen) == (False, None, "bought 0.1", T0)
    alerts.passing(msgspec.structs.replace(FILL, text="sold 0.1"), T0 + 20 * SECOND, hold=SECOND)
    assert told[-1][0] == "raised"
    assert (told[-1][1].id, told[-1][1].count, told[-1][1].text) == (fill.id, 2, "sold 0.1")


def test_what_happened_once_is_over_for_the_next_engine_and_a_condition_is_healed_by_it() -> None:
    told = Told(lambda: T0)
    alerts = Alerts(told)
    alerts.passing(FILL, T0, hold=10 * SECOND)
    alerts.lasting([Cause("STORAGE_FAILED", "storage", "full")], T0)
    after = Alerts(told)
    after.recall(told.fold())
    assert [alert.code for alert in after.active] == ["STORAGE_FAILED"]
    after.lasting([], T0 + 20 * SECOND)
    assert [(change, alert.code) for _, change, alert in told.events[2:]] == [("healed", "STORAGE_FAILED")]


def test_what_happened_and_then_lasts_is_healed_when_it_is_over() -> None:
    """Exits are switched off, which is told; that they are off while something is open is a condition."""
    told: list[str] = []
    alerts = Alerts(lambda change, _alert: told.append(change))
    cause = Cause("EXITS_OFF", "trading", "off")
    alerts.passing(cause, T0, hold=SECOND)
    alerts.lasting([cause], T0 + SECOND)
    alerts.lasting([], T0 + 2 * SECOND)
    assert told == ["raised", "healed"]
    alerts.passing(cause, T0 + 3 * SECOND, hold=SECOND)
    alerts.lasting([], T0 + 5 * SECOND)
    assert told == ["raised", "healed", "raised"]
    assert alerts.active == []


def test_the_last_of_many_is_told_before_they_leave() -> None:
    told: list[tuple[str, str]] = []
    alerts = Alerts(lambda change, alert: told.append((change, alert.text)))
    for tenth in range(3):
        alerts.passing(msgspec.structs.replace(FILL, text=f"fill {tenth}"), T0 + tenth * SECOND // 10)
    for tenth in range(3, 20):
        alerts.lasting([], T0 + tenth * SECOND // 10)
    assert told == [("raised", "fill 0"), ("changed", "fill 2")]
    assert alerts.active == []


@pytest.mark.parametrize("code", ["FILLED", "STOP_HIT", "ORDER_REFUSED", "ORDER_REJECTED", "ORDER_DENIED",
                                  "ORDER_EXPIRED", "ORDER_IMPOSSIBLE", "SIZE_CHANGED", "NOT_FLAT", "EXIT_REFUSED",
                                  "KILLED", "DRAWDOWN", "TRADING_FAILED", "RECONCILE_DIFFERS", "ENGINE_DIED",
                                  "CLIENT_REFUSED", "CLIENT_SLOW", "ROWS_LOST", "ROWS_REFUSED"])  # fmt: skip
def test_what_cannot_heal_is_marked_so(code: str) -> None:
    assert CATALOGUE[code].once


@pytest.mark.parametrize("code", ["FEED_DOWN", "STORAGE_FAILED", "BOOK_GAP", "TRADING_HALTED", "DISK_LOW",
                                  "ORDER_UNRESOLVED", "POSITION_UNPROTECTED", "COMPONENT_FAILED"])  # fmt: skip
def test_what_heals_is_not(code: str) -> None:
    assert not CATALOGUE[code].once


def test_the_longest_hold_counts() -> None:
    alerts = Alerts()
    cause = Cause("CLIENT_REFUSED", "socket", "who")
    alerts.passing(cause, T0, hold=60 * SECOND)
    alerts.passing(cause, T0 + SECOND, hold=SECOND)
    alerts.lasting([], T0 + 30 * SECOND)
    assert alerts.all()[0].active
    alerts.lasting([], T0 + 60 * SECOND)
    assert not alerts.all()[0].active


def test_so_many_are_kept_and_those_healed_longest_ago_are_forgotten() -> None:
    alerts = Alerts()
    for number in range(module.KEPT):
        alerts.lasting([Cause("BOOK_GAP", f"old {number}", "gone")], T0 + number)
    lasting = [Cause("FEED_DOWN", f"down {number}", "gone") for number in range(3)]
    alerts.lasting(lasting, T0 + SECOND)
    shown = {alert.component for alert in alerts.all()}
    assert len(shown) == module.KEPT
    assert {f"old {number}" for number in range(module.KEPT)} - shown == {"old 0", "old 1", "old 2"}
    # What is there now is never forgotten, however much it is.
    many = [Cause("FEED_DOWN", f"down {number}", "gone") for number in range(module.KEPT + 10)]
    alerts.lasting(many, T0 + 2 * SECOND)
    assert len(alerts.active) == len(alerts.all()) == module.KEPT + 10
    alerts.lasting([], T0 + 3 * SECOND)
    alerts.passing(Cause("BOOK_GAP", "new", "gone"), T0 + 4 * SECOND)
    assert len(alerts.all()) == module.KEPT


def test_a_recalled_list_is_cut_and_knows_no_forgotten_codes() -> None:
    old = [
        Alert(
            id=number, code="BOOK_GAP" if number != 7 else "GONE_BY_NOW", severity="warning", component=str(number),
            text="", doing="", suggestion="", first_seen=T0, since=T0, last_seen=T0 + number, healed=T0 + number,
            count=1, active=False, acknowledged=False,
        )
        for number in range(1, module.KEPT + 50)
    ]  # fmt: skip
    alerts = Alerts()
    alerts.recall(old)
    shown = {alert.id for alert in alerts.all()}
    assert len(shown) == module.KEPT
    assert min(shown) == 50
    alerts.passing(Cause("BOOK_GAP", "new", "gone"), T0 + SECOND)
    assert max(alert.id for alert in alerts.all()) == module.KEPT + 50


@given(
    component=st.text(st.characters(codec=None), max_size=900),
    text=st.text(st.characters(codec=None), max_size=900),
    doing=st.text(st.characters(codec=None), max_size=900),
)
def test_hostile_text_is_inert_everywhere(component: str, text: str, doing: str) -> None:
    told: list[Alert] = []
    alerts = Alerts(lambda _change, alert: told.append(alert))
    cause = Cause("FEED_REFUSED", component, text, doing)
    alerts.lasting([cause], T0)
    alerts.lasting([cause], T0 + SECOND)
    assert len(alerts.all()) == 1
    alerts.lasting([], T0 + 2 * SECOND)
    for alert in (*alerts.all(), *told):
        for shown in (alert.component, alert.text, alert.doing):
            assert len(shown) <= LONGEST
            assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ud800-\udfff]", shown)
        assert msgspec.json.decode(msgspec.json.encode(alert), type=Alert) == alert


def test_secrets_are_taken_out_before_the_text_is_cut() -> None:
    alerts = Alerts(clean=lambda text: text.replace("secret", "***"))
    alerts.passing(Cause("FEED_REFUSED", "x", "the secret", "with the secret"), T0)
    assert (alerts.all()[0].text, alerts.all()[0].doing) == ("the ***", "with the ***")


@pytest.mark.parametrize("code", list(CATALOGUE))
def test_every_kind_says_what_to_do(code: str) -> None:
    kind = CATALOGUE[code]
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", code)
    assert isinstance(kind.severity, Severity)
    assert kind.title
    assert kind.suggestion
    assert not kind.title.endswith(".")
