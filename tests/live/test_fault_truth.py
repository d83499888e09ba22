"""Status, alerts and metrics tell the truth during every scripted fault of the recorded exchange, in virtual time.

What was broken, since when, what is being done, and that it healed is known from the exchange's side of every socket
and request (`witness.Truth`). Ten times a second everything that is shown is held against it (`witness.Witness`); here
it is said, for every kind of fault, which alerts there must be, in what words and how soon, and that there are no
others. A kind without a case fails.
"""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from engine.alerts import CATALOGUE
from engine.ingestion.session import FeedSettings
from engine.runtime import Engine
from engine.types import SECOND
from engine.watch import HOLD, PATIENCE
from tests.live.sweep import sweep
from tests.live.witness import AT_ONCE, LOOK, STALE, TOLD, Key, Run, Truth, play
from tests.support.exchange import Fault, FaultKind, Instrument

K = FaultKind
AT_S = 3.0
"""When the fault comes; the engine is healthy long before."""

SPOT = ("binance:BTC/USDT", "binance:ETH/USDT")
USDM = ("binanceusdm:BTC/USDT:USDT",)
SOURCES = {SPOT: ("binance",), USDM: ("binanceusdm/public", "binanceusdm/market")}
BOOKS = {SPOT: "binance", USDM: "binanceusdm/public"}
VENUE = {SPOT: "binance", USDM: "binanceusdm"}
Symbols = tuple[str, ...]
Episodes = Callable[[Run, str], list[tuple[int, int]]]

# What really happened: when it began, and when it was over. -----------------------------------------------------------


def down(run: Run, source: str) -> list[tuple[int, int]]:
    """A connection was lost, until the next one was open for at least a look of the watch."""
    lives = [life for life in run.truth.lives[source] if life.closed is None or life.closed - life.opened >= LOOK]
    return [
        (life.closed, following.opened)
        for life, following in pairwise(lives)
        if life.closed is not None and life.closed < following.opened
    ]


def silent(run: Run, source: str) -> list[tuple[int, int]]:
    """An open connection said nothing, until it did or was lost."""
    found = []
    for life in run.truth.lives[source]:
        until = min(life.closed or run.ended, run.ended)
        heard = [life.opened, *(at for at in run.truth.said[source] if life.opened <= at <= until), until]
        found += [(before, after) for before, after in pairwise(heard) if after - before > STALE]
    return found


def failing(run: Run, what: str) -> list[tuple[int, int]]:
    """A request failed, until the same one worked."""
    done = sorted((a.done, a.status) for a in run.truth.asked if a.what == what and a.done is not None)
    found: list[tuple[int, int]] = []
    for at, status in done:
        if status != 200 and (not found or found[-1][1] != run.ended):
            found.append((at, run.ended))
        elif status == 200 and found and found[-1][1] == run.ended:
            found[-1] = found[-1][0], at
    return found


def told_to_wait(run: Run, venue: str) -> list[tuple[int, int]]:
    """The venue told us to wait, until the time was over."""
    waits = [a for a in run.truth.asked if a.wait_s and a.what.startswith(f"{venue} ") and a.done is not None]
    first = min((a.done for a in waits if a.done is not None), default=0)
    return [(first, max(int(a.done + a.wait_s * SECOND) for a in waits if a.done is not None))] if waits else []


def passing(times: Callable[[Run], Mapping[str, list[int]]]) -> Episodes:
    """Something happened; it stays in sight for as long as things that are over do."""

    def episodes(run: Run, component: str) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for at in times(run).get(component, []):
            if found and at <= found[-1][1] + HOLD:
                found[-1] = found[-1][0], at
            else:
                found.append((at, at))
        return found

    return episodes


def out_of_step(run: Run, key: str) -> list[tuple[int, int]]:
    """A book was not the market though its connection was open, until it was or the connection was lost.

    Whether a book is the market is the status's own word, which the witness holds against the oracle.
    """
    source = BOOKS[SPOT if key in SPOT else USDM]
    found: list[tuple[int, int]] = []
    began = last = 0
    quiet = silent(run, source)
    for sample in run.samples:
        live = any(view.live for view in sample.health.instruments if view.instrument == key)
        is_open = any(c.up for c in sample.health.connections if c.source == source)
        excused = any(before + STALE < sample.at < after for before, after in quiet) and not found
        if not live and is_open and not excused:
            began, last = began or sample.at, sample.at
        elif began:
            found.append((began, last))
            began = 0
    return [(before, after) for before, after in found if after - before > PATIENCE + LOOK]


@dataclass(frozen=True)
class Rule:
    """How soon an alert is told after its cause began, and healed after it was over, and how well it knows since when.

    A look comes every 0.1 s; a sample lies between two looks. What is over at once stays in sight for `HOLD`.
    """

    truth: Episodes
    told: int = TOLD
    healed: int = TOLD
    since: int = LOOK


RULES: dict[str, Rule] = {
    "FEED_DOWN": Rule(down, since=AT_ONCE),
    "FEED_SILENT": Rule(silent, told=STALE + TOLD, since=AT_ONCE),
    "REQUEST_FAILED": Rule(failing, since=AT_ONCE),
    "VENUE_THROTTLED": Rule(told_to_wait),
    "BOOK_OUT_OF_STEP": Rule(out_of_step, told=PATIENCE + TOLD),
    "BOOK_GAP": Rule(passing(lambda run: run.truth.breaks), healed=HOLD + TOLD),
    "TRADES_MISSED": Rule(passing(lambda run: run.truth.holes), healed=HOLD + TOLD),
    "FEED_REFUSED": Rule(passing(lambda run: run.truth.garbled), healed=HOLD + TOLD),
}


def obey(run: Run, code: str, component: str) -> list[tuple[float, float]]:
    """Hold every episode of an alert against the truth; return how soon each was told and healed, in seconds."""
    rule, figures = RULES[code], []
    told = run.of(code, component)
    raised = [(at, alert) for at, change, alert in told if change == "raised"]
    healed = [(at, alert) for at, change, alert in told if change == "healed"]
    episodes = rule.truth(run, component)
    assert len(raised) == len(healed) == len(episodes), (code, component, episodes, told)
    for (began, over), (told_at, alert), (healed_at, _) in zip(episodes, raised, healed, strict=True):
        assert began <= told_at <= began + rule.told, (code, component, run.s(began), run.s(told_at))
        assert began <= alert.since + LOOK, (code, component, run.s(began), run.s(alert.since))
        assert alert.since - began <= rule.since, (code, component, run.s(began), run.s(alert.since))
        assert over <= healed_at <= over + rule.healed, (code, component, run.s(over), run.s(healed_at))
        shown = run.at(told_at)
        assert shown.health.state == "degraded"
        assert f"{code} {component}: {alert.text}" in shown.health.why
        figures.append(((told_at - began) / SECOND, (healed_at - over) / SECOND))
    assert told[-1][2].count >= len(episodes)
    return figures


# What must be told of every kind of fault. ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Words:
    """What an alert says: its text, what is being done, and how often it happened."""

    text: str
    doing: str
    count: int | None = None


@dataclass(frozen=True)
class Case:
    """Faults, and the alerts that they must and may raise."""

    faults: tuple[Fault, ...]
    alerts: dict[Key, Words] = field(default_factory=dict)
    seconds: float = 22.0
    refused: Words | None = None
    """What is said of every request that fails; which ones do is settled between those sent at the same moment."""

    def of(self, run: Run, symbols: Symbols) -> dict[Key, Words]:
        """The alerts, with those of the requests that failed."""
        if self.refused is None:
            return self.alerts
        found = dict(self.alerts)
        for asked in run.truth.asked:
            if asked.status != 200:
                found["REQUEST_FAILED", asked.what] = self.refused
                late = [key for key in symbols if "no answer" in self.refused.text and asked.what.endswith(name(key))]
                found |= waiting(tuple(late))
        return found


def name(key: str) -> str:
    """The venue's symbol of an instrument."""
    return key.partition(":")[2].partition(":")[0].replace("/", "")


TRY = r"^try 1 in \d\.\d s$"
LOST = "the exchange closed the connection"


def fault(kind: FaultKind, **facts: object) -> Fault:
    return Fault(kind=kind, at_s=AT_S, **facts)  # type: ignore[arg-type]


def lost(symbols: Symbols, text: str = LOST, doing: str = TRY, count: int | None = 1) -> dict[Key, Words]:
    """All connections were lost; trades were missed meanwhile."""
    missed = {("TRADES_MISSED", key): Words("trade ids are missing", "asked of the venue") for key in symbols}
    return {("FEED_DOWN", source): Words(text, doing, count) for source in SOURCES[symbols]} | missed


def waiting(symbols: Symbols, *, text: str = "depth snapshot") -> dict[Key, Words]:
    return {("BOOK_OUT_OF_STEP", key): Words("not the market", f"waiting for .*{text}") for key in symbols}


def gap(symbols: Symbols) -> dict[Key, Words]:
    return {("BOOK_GAP", symbols[0]): Words("missing or differ", "begins again from a snapshot", 1)}


def failed(symbols: Symbols, text: str, doing: str, *names: str) -> dict[Key, Words]:
    return {("REQUEST_FAILED", f"{VENUE[symbols]} {name}"): Words(text, doing) for name in names}


def throttled(symbols: Symbols, kind: FaultKind, status: int) -> Case:
    """Everything that is asked after the reconnect is refused, and nothing more is asked until the time is over."""
    names = ["klines"] if symbols is USDM else ["klines", "depth of BTCUSDT", "depth of ETHUSDT"]
    return Case(
        (fault(kind, seconds=4.0, provoke=True),),
        lost(symbols)
        | waiting(symbols)
        | failed(symbols, f"HTTP {status} from http://exchange/[a-z]+ on [a-z]+$", r"^try 2 in 3\.\d s$", *names)
        | {("VENUE_THROTTLED", VENUE[symbols]): Words("told us to send no requests", r"go on in 3\.\d s$", 1)},
    )


def first(symbols: Symbols) -> Instrument:
    return Instrument("spot" if symbols is SPOT else "usdm", "BTCUSDT")


CASES: dict[FaultKind, Callable[[Symbols], Case]] = {
    K.REFUSE_CONNECT: lambda s: Case(
        (fault(K.REFUSE_CONNECT, count=2),), lost(s, f"^{LOST} / connection refused$"), seconds=18
    ),
    K.DROP_IN_HANDSHAKE: lambda s: Case(
        (fault(K.DROP_IN_HANDSHAKE, count=2),), lost(s, f"^{LOST} / handshake broke$"), seconds=18
    ),
    K.DROP_AFTER_CONNECT: lambda s: Case((fault(K.DROP_AFTER_CONNECT),), lost(s), seconds=15),
    K.DROP_AFTER_FRAMES: lambda s: Case((fault(K.DROP_AFTER_FRAMES, count=20),), lost(s), seconds=15),
    K.DROP_DURING_SNAPSHOT: lambda s: Case((fault(K.DROP_DURING_SNAPSHOT, provoke=True),), lost(s, count=None), 18),
    K.GAP: lambda s: Case((fault(K.GAP, count=3, instrument=first(s)),), gap(s), 11),
    K.DUPLICATE: lambda s: Case((fault(K.DUPLICATE, count=3, instrument=first(s)),), seconds=8),
    K.REORDER: lambda s: Case((fault(K.REORDER, instrument=first(s)),), gap(s), 11),
    K.GARBAGE: lambda s: Case(
        (fault(K.GARBAGE, count=3),),
        {("FEED_REFUSED", source): Words("^Expected ", "^dropped; ", 3) for source in SOURCES[s]},
        11,
    ),
    K.TRUNCATED: lambda s: Case(
        (fault(K.TRUNCATED, instrument=first(s)),),
        gap(s) | {("FEED_REFUSED", BOOKS[s]): Words("truncated", "^dropped; ", 1)},
        11,
    ),
    K.SILENCE: lambda s: Case(
        (fault(K.SILENCE, seconds=8.0),),
        {("FEED_SILENT", source): Words("^no valid message for more than 5 s$", r"^given up in (9\.\d|10\.0) s$", 1)
         for source in SOURCES[s]}
        | {("BOOK_GAP", key): Words("missing or differ", "begins again", 1) for key in s}
        | {("TRADES_MISSED", key): Words("trade ids are missing", "asked of the venue", 1) for key in s},
        20,
    ),
    K.DEAD_SOCKET: lambda s: Case(
        (fault(K.DEAD_SOCKET, seconds=12.0),),
        lost(s, "^no pong within 5 s$")
        | waiting(s, text="stream")
        | {("FEED_SILENT", source): Words("^no valid message for", r"^pinged, no answer yet; given up in 2\.\d s$")
           for source in SOURCES[s]},
        24,
    ),
    K.SLOW_SNAPSHOT: lambda s: Case(
        (fault(K.SLOW_SNAPSHOT, seconds=3.0, provoke=True),), lost(s) | waiting(s[:1]), 13
    ),
    K.STALE_SNAPSHOT: lambda s: Case((fault(K.STALE_SNAPSHOT, provoke=True),), lost(s), 12),
    K.THROTTLED: lambda s: throttled(s, K.THROTTLED, 429),
    K.BANNED: lambda s: throttled(s, K.BANNED, 418),
    K.SERVER_ERROR: lambda s: Case(
        (fault(K.SERVER_ERROR, count=2, status=503, provoke=True),),
        lost(s), 13, Words("HTTP 503 on", r"^try 2 in 0\.\d s$")
    ),
    K.REST_TIMEOUT: lambda s: Case(
        (fault(K.REST_TIMEOUT, provoke=True),),
        lost(s), 15, Words("^no answer within 5.0 s$", r"^try 2 in 0\.\d s$")
    ),
    K.CLOCK_JUMP: lambda s: Case(
        (fault(K.CLOCK_JUMP, seconds=2.5), Fault(kind=K.CLOCK_JUMP, at_s=12.0, seconds=-2.5)),
        {("CLOCK_APART", key): Words("^the exchange's clock is more than 2 s ahead of ours$", "exchange's clock", 1)
         for key in s},
        20,
    ),
}  # fmt: skip


def apart(run: Run, key: str, jump: Fault) -> int:
    """When 32 of the last 63 trades, whose median tells the clock, were made after a jump."""
    traded = run.truth.traded[key]
    return traded[bisect_right(traded, jump.armed_ns or 0) + 31]


DIFFERENT = {
    K.REFUSE_CONNECT, K.DROP_AFTER_FRAMES, K.DROP_DURING_SNAPSHOT, K.GAP, K.REORDER, K.GARBAGE, K.TRUNCATED, K.SILENCE,
    K.DEAD_SOCKET, K.THROTTLED,
}  # fmt: skip
"""What is not the same on USD-M, with its two connections and its other rule of sequence."""


@pytest.mark.parametrize(
    ("kind", "symbols"),
    [
        pytest.param(kind, symbols, id=f"{kind}-{'spot' if symbols is SPOT else 'usdm'}")
        for kind in FaultKind
        for symbols in (SPOT, USDM)
        if symbols is SPOT or kind in DIFFERENT
    ],
)
def test_what_is_shown_is_true(kind: FaultKind, symbols: Symbols, recordings_root_path: Path, tmp_path: Path) -> None:
    assert kind in CASES, "a new kind of fault needs to be told of, too"
    case = CASES[kind](symbols)
    run = play(recordings_root_path, tmp_path, case.faults, case.seconds, symbols=symbols)
    assert run.complaints == []
    assert all(each.ended_ns is not None for each in case.faults), "the fault did not happen"
    assert run.checks > 10 * len(symbols)
    # Before: healthy, and no word of anything.
    armed = case.faults[0].armed_ns or 0
    before = [sample for sample in run.samples if run.began + SECOND // 2 < sample.at < armed]
    assert len(before) > 20
    assert {sample.health.state for sample in before} == {"healthy"}
    assert all(at >= armed for at, _, _ in run.changes)
    # During: exactly these alerts, in time, with their cause and what is done.
    alerts = case.of(run, symbols)
    assert run.raised() == set(alerts)
    assert case.refused is None or len(alerts) > len(case.alerts)
    for (code, component), words in alerts.items():
        told = run.of(code, component)
        texts = " / ".join(dict.fromkeys(alert.text for _, change, alert in told if change != "healed"))
        assert re.search(words.text, texts), (code, component, texts)
        assert re.search(words.doing, told[0][2].doing), (code, component, told[0][2].doing)
        assert told[0][2].severity == CATALOGUE[code].severity.name.lower()
        assert words.count in (None, told[-1][2].count), (code, component, told)
        if code == "CLOCK_APART":
            (at, _, _), (over, _, _) = told
            assert apart(run, component, case.faults[0]) <= at <= apart(run, component, case.faults[0]) + SECOND + TOLD
            assert (
                apart(run, component, case.faults[1]) <= over <= apart(run, component, case.faults[1]) + SECOND + TOLD
            )
        else:
            obey(run, code, component)
    # After: healed, and healthy as soon as nothing is in sight any more.
    end = run.samples[-1]
    assert end.health.state == "healthy"
    assert not end.active
    if kind is not K.CLOCK_JUMP:
        assert run.healthy_since() <= run.calm + HOLD + TOLD
    if not case.alerts:
        assert run.healthy_since() < armed


# More than one at a time, and from the start. -------------------------------------------------------------------------


def at(at_s: float, kind: FaultKind, **facts: object) -> Fault:
    return Fault(kind=kind, at_s=at_s, **facts)  # type: ignore[arg-type]


BTC, ETH = Instrument("spot", "BTCUSDT"), Instrument("spot", "ETHUSDT")


@pytest.mark.parametrize(
    ("faults", "codes"),
    [
        pytest.param(
            (at(3, K.SILENCE, seconds=7.0), at(8.5, K.REFUSE_CONNECT, count=1)),
            # The last second seemed to be without trades; the venue's candle after the outage tells better.
            {"FEED_SILENT", "FEED_DOWN", "TRADES_MISSED", "BARS_DIFFERED"},
            id="refused while silent",
        ),
        pytest.param(
            (at(3, K.THROTTLED, seconds=6.0, provoke=True), at(5.5, K.DROP_AFTER_CONNECT)),
            {"FEED_DOWN", "VENUE_THROTTLED", "REQUEST_FAILED", "BOOK_OUT_OF_STEP", "TRADES_MISSED"},
            id="dropped while throttled",
        ),
        pytest.param(
            (at(3, K.GAP, instrument=BTC), at(3.05, K.TRUNCATED, instrument=ETH), at(3.3, K.GARBAGE, count=10)),
            {"BOOK_GAP", "FEED_REFUSED", "FEED_DOWN", "TRADES_MISSED"},
            id="garbage on the heels of gaps",
        ),
        pytest.param(
            (at(3, K.BANNED, seconds=4.0, provoke=True), at(5, K.REST_TIMEOUT)),
            {"FEED_DOWN", "VENUE_THROTTLED", "REQUEST_FAILED", "BOOK_OUT_OF_STEP", "TRADES_MISSED"},
            id="no answer after a ban",
        ),
    ],
)
def test_faults_during_faults(
    faults: tuple[Fault, ...], codes: set[str], recordings_root_path: Path, tmp_path: Path
) -> None:
    run = play(recordings_root_path, tmp_path, faults, 26, symbols=SPOT)
    assert run.complaints == []
    assert {code for code, _ in run.raised()} == codes
    for code, component in run.raised():
        # The first's rule is for one outage, the second's for live books; the last's truth is the venue's candles.
        if code not in ("BOOK_OUT_OF_STEP", "BOOK_GAP", "BARS_DIFFERED"):
            obey(run, code, component)
    assert run.samples[-1].health.state == "healthy"
    assert run.healthy_since() <= run.calm + HOLD + TOLD


def test_a_snapshot_of_the_time_before_is_not_taken_for_the_book_of_a_new_connection(
    recordings_root_path: Path, tmp_path: Path
) -> None:
    """It was asked for, the connection was lost, the next one is silent: nothing would show that it is too old."""
    faults = (
        at(3, K.SLOW_SNAPSHOT, seconds=4.0, provoke=True),
        at(4.5, K.DROP_AFTER_FRAMES, count=1),
        at(4.8, K.SILENCE, seconds=4.0),
    )
    run = play(recordings_root_path, tmp_path, faults, 15, symbols=USDM)
    assert run.complaints == []
    assert [asked.what for asked in run.truth.dropped] == ["binanceusdm depth of BTCUSDT"]
    assert run.samples[-1].health.state == "healthy"


@pytest.mark.parametrize("seed", [0, 7])
def test_many_faults_at_random(seed: int, recordings_root_path: Path, tmp_path: Path) -> None:
    """Any number of them: `python -m tests.live.sweep`."""
    assert sweep(recordings_root_path, tmp_path, seed) == []


@pytest.mark.parametrize(
    ("faults", "alert", "text", "before"),
    [
        (at(0, K.SERVER_ERROR, count=3, status=503), ("REQUEST_FAILED", "binance exchangeInfo"), "HTTP 503 on", 0.1),
        (at(0, K.BANNED, seconds=5.0), ("REQUEST_FAILED", "binance exchangeInfo"), "HTTP 418", 0.1),
        (at(0, K.REST_TIMEOUT), ("REQUEST_FAILED", "binance exchangeInfo"), "no answer within 5.0 s", 5.1),
        (at(0, K.REFUSE_CONNECT, count=2), ("FEED_DOWN", "binance"), "^connection refused$", 0.1),
    ],
    ids=["rest fails", "banned", "no answer", "streams refused"],
)
def test_an_engine_that_starts_while_the_exchange_is_down(
    faults: Fault, alert: Key, text: str, before: float, recordings_root_path: Path, tmp_path: Path
) -> None:
    run = play(recordings_root_path, tmp_path, (faults,), 12, symbols=SPOT)
    assert run.complaints == []
    states = list(dict.fromkeys(sample.health.state for sample in run.samples))
    assert states == ["starting", "degraded", "healthy"]
    (raised_at, _, first_word), (healed_at, _, _) = (row for row in run.of(*alert) if row[1] != "changed")
    assert run.s(raised_at) <= before + 0.1
    assert run.s(first_word.since) <= before
    assert re.search(text, first_word.text)
    assert re.search(r"^try 2 in \d\.\d s$", first_word.doing)
    more = {("VENUE_THROTTLED", "binance")} if faults.kind is K.BANNED else set()
    assert run.raised() == {alert} | more
    assert run.healthy_since() - healed_at <= PATIENCE


def test_an_engine_whose_connections_hang_from_the_start(recordings_root_path: Path, tmp_path: Path) -> None:
    """A handshake may take ten seconds (`connect_timeout_s`); until then nothing is known to be wrong."""

    async def scene(engine: Engine, truth: Truth) -> None:
        truth.hangs = True
        await asyncio.sleep(10.5)
        truth.hangs = False

    run = play(recordings_root_path, tmp_path, (), 14, symbols=SPOT, scene=scene)
    assert run.complaints == []
    assert run.raised() == {("FEED_DOWN", "binance")}
    (raised_at, _, alert), (healed_at, _, _) = run.of("FEED_DOWN", "binance")
    assert 10 <= run.s(raised_at) <= 10.2
    assert run.s(alert.since) <= 0.1
    assert "no connection in 10 s" in alert.text
    assert run.at(raised_at - SECOND).health.state == "starting"
    assert healed_at <= run.truth.lives["binance"][0].opened + TOLD
    assert run.samples[-1].health.state == "healthy"


@pytest.mark.parametrize("until", [5, 12])
def test_requests_for_candles_that_fail_for_long_are_one_trouble(
    until: int, recordings_root_path: Path, tmp_path: Path
) -> None:
    """A series is asked for five times in eight seconds, and then again after a minute.

    The trouble is over when a request works, and not before.
    """

    async def scene(engine: Engine, truth: Truth) -> None:
        truth.refuses = lambda what: "klines" in what
        await asyncio.sleep(until)
        truth.refuses = lambda what: False

    run = play(recordings_root_path, tmp_path, (), 14, symbols=USDM, scene=scene)
    assert run.complaints == []
    assert run.raised() == {("REQUEST_FAILED", "binanceusdm klines")}
    told = run.of("REQUEST_FAILED", "binanceusdm klines")
    if until == 5:
        assert [change for _, change, _ in told] == ["raised", "healed"]
        obey(run, "REQUEST_FAILED", "binanceusdm klines")
    else:
        assert [change for _, change, _ in told] == ["raised"]
        doing = run.samples[-1].active["REQUEST_FAILED", "binanceusdm klines"].doing
        assert re.fullmatch(r"try 6 in 5\d\.\d s", doing)


def test_a_silence_in_spite_of_pongs_counts_down_to_a_new_connection(
    recordings_root_path: Path, tmp_path: Path
) -> None:
    """`silence_s` is 15 s; the connection is looked at four times a second, and opened again a moment later."""
    run = play(recordings_root_path, tmp_path, (at(3, K.SILENCE, seconds=18.0),), 29, symbols=SPOT)
    assert run.complaints == []
    told = {"FEED_SILENT", "FEED_DOWN", "BOOK_OUT_OF_STEP", "TRADES_MISSED", "BARS_DIFFERED"}
    assert {code for code, _ in run.raised()} == told
    for code in ("FEED_SILENT", "FEED_DOWN"):
        obey(run, code, "binance")
    lost = run.truth.losses("binance")[0]
    promises = [
        (sample.at, float(alert.doing.removeprefix("given up in ").removesuffix(" s")))
        for sample in run.samples
        if (alert := sample.active.get(("FEED_SILENT", "binance"))) is not None
    ]
    assert len(promises) > 90
    for said_at, seconds in promises:
        late = lost - (said_at + seconds * SECOND)
        assert -AT_ONCE <= late <= 0.25 * SECOND + LOOK + AT_ONCE
    assert re.search(r"^no data for 15 s$", run.of("FEED_DOWN", "binance")[0][2].text)
    assert run.samples[-1].health.state == "healthy"


def test_a_planned_rotation_is_no_trouble(recordings_root_path: Path, tmp_path: Path) -> None:
    websocket = FeedSettings(rotate_after_s=4)
    run = play(recordings_root_path, tmp_path, (), 12, symbols=SPOT, websocket=websocket)
    assert run.complaints == []
    assert len(run.truth.lives["binance"]) >= 3
    assert run.raised() == set()
    assert run.healthy_since() < run.began + SECOND


# Faults of ours. ------------------------------------------------------------------------------------------------------


def bug_at(seconds: float, times: int = 1) -> Callable[[Engine, Truth], object]:
    """A codec that fails on some message, as often as said, as soon as the feed runs again."""

    async def scene(engine: Engine, truth: Truth) -> None:
        (feed,) = engine.feeds
        real, left = feed.codec.decode, [0]

        def decode(frame: bytes) -> object:
            if left[0]:
                left[0] -= 1
                raise RuntimeError("our \x1b[31mbug")
            return real(frame)

        feed.codec.decode = decode  # type: ignore[method-assign, assignment]
        await asyncio.sleep(seconds)
        left[0] = times

    return scene


@pytest.mark.parametrize("symbols", [SPOT, USDM], ids=["spot", "usdm"])
def test_a_feed_that_fails_by_a_bug_of_ours(symbols: Symbols, recordings_root_path: Path, tmp_path: Path) -> None:
    venue = VENUE[symbols]
    run = play(recordings_root_path, tmp_path, (), 12, symbols=symbols, scene=bug_at(3))  # type: ignore[arg-type]
    assert run.complaints == []
    told = run.of("FEED_FAILED", venue)
    assert [change for _, change, _ in told] == ["raised", "healed"]
    assert told[0][2].text == "RuntimeError: our ?[31mbug"
    assert re.fullmatch(r"starts again in (0\.\d|1\.0) s", told[0][2].doing)
    assert told[-1][2].count == 1
    assert 3 <= run.s(told[0][0]) <= 3.3
    for source in SOURCES[symbols]:
        obey(run, "FEED_DOWN", source)
        words = run.of("FEED_DOWN", source)[0][2]
        assert words.text == "the feed failed: RuntimeError: our ?[31mbug"
        assert words.doing == "waits for its feed to start again"
    restarted = run.at(told[0][0] + 2 * SECOND)
    assert restarted.alerts["FEED_FAILED", venue].doing == "started again"
    assert [(part.name, part.restarts) for part in restarted.health.components if part.name == venue] == [(venue, 1)]
    assert run.samples[-1].health.state == "healthy"


def test_a_feed_that_fails_twice_counts_two(recordings_root_path: Path, tmp_path: Path) -> None:
    scene = bug_at(3, times=2)
    run = play(recordings_root_path, tmp_path, (), 14, symbols=SPOT, scene=scene)  # type: ignore[arg-type]
    assert run.complaints == []
    assert [change for _, change, _ in run.of("FEED_FAILED", "binance")] == ["raised", "changed", "healed"]
    assert run.of("FEED_FAILED", "binance")[-1][2].count == 2


def test_a_connection_is_not_told_to_have_healed_before_it_is_there_again(
    recordings_root_path: Path, tmp_path: Path
) -> None:
    """The feed failed and starts again, and its first request is not answered: its connection is still down."""
    faults = (at(2.9, K.SERVER_ERROR, count=3, status=500),)
    run = play(recordings_root_path, tmp_path, faults, 15, symbols=SPOT, scene=bug_at(3))  # type: ignore[arg-type]
    assert run.complaints == []
    ((lost, opened),) = down(run, "binance")
    assert opened - lost > 3 * SECOND
    obey(run, "FEED_DOWN", "binance")
    assert run.of("FEED_DOWN", "binance")[-1][2].count == 1


def test_an_instrument_that_fails_by_a_bug_of_ours_fails_alone(recordings_root_path: Path, tmp_path: Path) -> None:
    class Broken:
        def __getattr__(self, name: str) -> object:
            raise ZeroDivisionError("our bug")

    async def scene(engine: Engine, truth: Truth) -> None:
        await asyncio.sleep(3)
        market = engine.state.markets[SPOT[0]]
        whole, market.tape = market.tape, Broken()  # type: ignore[assignment]
        failures = market.counters.failures
        while market.counters.failures == failures:  # noqa: ASYNC110 - the next trade fails
            await asyncio.sleep(0.01)
        market.tape = whole

    run = play(recordings_root_path, tmp_path, (), 12, symbols=SPOT, scene=scene)
    assert {code for code, _ in run.raised()} == {"INSTRUMENT_FAILED"}
    (raised_at, _, alert), *_, (healed_at, _, last) = run.of("INSTRUMENT_FAILED", SPOT[0])
    assert alert.text == "ZeroDivisionError: our bug"
    assert (alert.component, last.count) == (SPOT[0], 1)
    assert 3 <= run.s(raised_at) <= 3.4
    assert healed_at - raised_at <= HOLD + TOLD
    assert {view.live for s in run.samples[5:] for view in s.health.instruments if view.instrument == SPOT[1]} == {True}
    assert run.samples[-1].health.state == "healthy"


def test_a_recording_that_cannot_be_written_is_told_and_heals(recordings_root_path: Path, tmp_path: Path) -> None:
    """Lines are written once a second, and tried again as often."""
    venue = tmp_path / "tape" / "binance"

    async def scene(engine: Engine, truth: Truth) -> None:
        await asyncio.sleep(3)
        venue.rename(tmp_path / "away")
        venue.write_text("in the way")
        await asyncio.sleep(4)
        venue.unlink()
        (tmp_path / "away").rename(venue)

    run = play(recordings_root_path, tmp_path, (), 10, symbols=SPOT, scene=scene, record=tmp_path / "tape")
    assert run.complaints == []
    assert run.raised() == {("RECORDING_FAILED", "recorder")}
    (raised_at, _, alert), *_, (healed_at, _, _) = run.of("RECORDING_FAILED", "recorder")
    assert 3 <= run.s(raised_at) <= 4 + TOLD / SECOND
    assert 7 <= run.s(healed_at) <= 8 + TOLD / SECOND
    assert str(venue) in alert.text
    assert alert.doing == "tried again every second"
    assert run.samples[-1].health.state == "healthy"
