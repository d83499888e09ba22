"""One seeded run of the whole live path against the recorded exchange, with faults, in virtual time.

The oracle is the exchange's naive book, which shares no code with the engine. A *wrong book* is one that says it is
live and differs from the oracle's at the same update id, anywhere in its known range.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

import msgspec

from engine.digest import state_hash
from engine.ingestion.markets import MARKETS
from engine.market.cob import Cob
from engine.orders import Journaled
from engine.replay import Recording, Replay
from engine.runtime import Engine
from engine.state import EngineState, MarketState
from engine.types import BookDelta, BookSnapshot, FeedLost, Record, Timeframe, TimerFired
from tests.fault import trading
from tests.support.exchange import (
    FaultKind,
    FaultScript,
    Instrument,
    MemoryTransport,
    OracleHistory,
    RecordedExchange,
    Tape,
    load_tape,
    now_ns,
    recordings_root,
    run_virtual,
)
from tests.support.exchange.faults import Fault
from tests.support.virtual_clock import VirtualClock
from tradetui.bootstrap import build_engine
from tradetui.config.sections import Addresses, DataProvider, Settings, Venues

START_NS = 1_767_225_600_000_000_000
QUIET_S = 12.0
RECOVERY_S = 2.0
REST_S = 0.1
REST_TIMEOUT_S = 5.0

FOLDERS = {"spot": "spot", "usdm": "usdm", "coinm": "cm"}
VENUES = {"spot": "binance", "usdm": "binanceusdm", "coinm": "binancecoinm"}
KEYS = {
    "spot": ("binance:BTC/USDT", "binance:ETH/USDT"),
    "usdm": ("binanceusdm:BTC/USDT:USDT", "binanceusdm:ETH/USDT:USDT"),
    "coinm": ("binancecoinm:BTC/USD:BTC", "binancecoinm:ETH/USD:ETH"),
}


@dataclass
class Outcome:
    """What a run showed; `complaints` is empty when all is well."""

    seed: int
    market: str
    faults: list[str]
    checks: int = 0
    wrong: int = 0
    recovery_s: float | None = None
    excused: bool = False
    fills: int = 0
    complaints: list[str] = field(default_factory=list)


def address(prefix: str) -> Addresses:
    """Where the recorded exchange serves a market."""
    return Addresses(rest=(f"http://exchange/{prefix}",), ws=(f"ws://exchange/{prefix}",))


@cache
def tape_of(root: Path, market: str) -> Tape:
    """Two recorded minutes of both symbols of a market, longer than any run."""
    return load_tape(root / "hftbacktest-binance-ws" / FOLDERS[market], limit_s=125)


@lru_cache(maxsize=500_000)
def scaled(text: str, decimals: int) -> int:
    """A decimal text as an integer, the slow and plain way."""
    whole, _, part = text.partition(".")
    assert not part[decimals:].strip("0")
    return int(whole + part[:decimals].ljust(decimals, "0"))


class Watch:
    """Compares every book with the oracle after every message, and notes when books are live."""

    def __init__(self, exchange: RecordedExchange, tape: Tape, outcome: Outcome) -> None:
        self.oracles = {i.symbol: OracleHistory(tape, i) for i in tape.instruments}
        self.live: dict[str, list[tuple[int, bool]]] = {}
        self.outcome = outcome
        self.exchange = exchange

    def __call__(self, record: Record, state: EngineState) -> None:
        event = record.event
        if isinstance(event, TimerFired):
            return
        if isinstance(event, BookDelta | BookSnapshot):
            market = state.markets[event.instrument]
            self.note(market)
            if market.sync.live:
                if state.source(market.book_source).lost:
                    self.outcome.complaints.append(f"{market.instrument.key} live without a connection")
                self.compare(market)
        elif isinstance(event, FeedLost):
            for market in state.markets.values():
                self.note(market)
                if market.book_source == event.source and market.sync.live:
                    self.outcome.complaints.append(f"{market.instrument.key} live after its connection was lost")

    def note(self, market: MarketState) -> None:
        seen = self.live.setdefault(market.instrument.key, [])
        if not seen or seen[-1][1] is not market.sync.live:
            seen.append((now_ns(), market.sync.live))

    def compare(self, market: MarketState) -> None:
        instrument, sync = market.instrument, market.sync
        truth = self.oracles[instrument.symbol].at(sync.book.update_id)
        pd, sd = instrument.price_decimals, instrument.size_decimals
        bids = {scaled(p, pd): scaled(q, sd) for p, q in truth.bids.items()}
        asks = {scaled(p, pd): scaled(q, sd) for p, q in truth.asks.items()}
        low, high = sync.low, sync.high
        self.outcome.checks += 1
        if self.outcome.checks % 10 == 0 and market.cob is not None:
            fresh = Cob(market.cob.bucket, market.cob.band)
            fresh.rebuild(sync.book)
            if fresh.state()[2] != market.cob.state()[2]:
                self.outcome.complaints.append(f"{instrument.key} COB differs from its book at {sync.book.update_id}")
        same = (
            {p: q for p, q in sync.book.bids.items() if p >= low} == {p: q for p, q in bids.items() if p >= low}
            and {p: q for p, q in sync.book.asks.items() if p <= high} == {p: q for p, q in asks.items() if p <= high}
            and sync.book.best_bid == max(bids)
            and sync.book.best_ask == min(asks)
        )
        if not same:
            self.outcome.wrong += 1
            if self.outcome.wrong == 1:
                self.outcome.complaints.append(f"{instrument.key} wrong at update {sync.book.update_id}")

    def live_at(self, key: str, ns: int) -> bool:
        state = False
        for at, live in self.live.get(key, []):
            if at > ns:
                break
            state = live
        return state

    def always_live(self, key: str, start: int, end: int) -> bool:
        return self.live_at(key, start) and all(live for at, live in self.live[key] if start <= at <= end)

    def live_since(self, key: str, ns: int) -> int | None:
        """When, at or after `ns`, the book became live for good; None if it is not."""
        seen = self.live.get(key, [])
        if not seen or not seen[-1][1]:
            return None
        return max(seen[-1][0], ns)


def run(root: Path, seed: int, record: Path | None = None) -> Outcome:
    """Run a seed: even ones script a single fault, odd ones several that may overlap; markets take turns.

    With `record`, somebody trades on paper meanwhile, the run is recorded there, and its replay must trade the same way
    and give the same state.
    """
    market = tuple(FOLDERS)[seed // 2 % 3] if seed % 4 else "spot"
    tape = tape_of(root, market)
    single = seed % 2 == 0
    kinds = tuple(FaultKind)
    if single:
        kinds = (kinds[seed // 2 % len(kinds)],)
    script = FaultScript.from_seed(
        seed, tape.instruments, kinds=kinds, first_s=5.0, duration_s=5.1 if single else 20.0, every_s=3.0
    )
    names = [f"{fault.kind}x{fault.count}" for fault in script]
    outcome = Outcome(seed=seed, market=market, faults=names)

    async def main() -> None:
        # A third of the runs get snapshots that are ahead of the stream, as a venue's mostly are.
        exchange = RecordedExchange(
            tape, now_ns, faults=script, recordings=root, begin="start", tile=True, ahead=seed % 3 == 1
        )
        watch = Watch(exchange, tape, outcome)
        transport = MemoryTransport(exchange)
        loop = asyncio.get_running_loop()
        engine = build_engine(
            Settings(
                venues=Venues(**{venue: address(prefix) for prefix, venue in VENUES.items()}),  # type: ignore[arg-type]
                data_provider=DataProvider(stand_ins=()),
            ),
            list(KEYS[market]),
            clock=VirtualClock(),
            transport=transport,
            monotonic=loop.time,
            dice=random.Random(seed).random,
            observer=watch,
            record=record,
            account=trading.account() if record is not None else None,
        )
        heard = trading.Heard(engine)
        engine.trader = heard
        engine.take_up()
        operator = trading.Operator(engine, KEYS[market], seed)
        asking = asyncio.create_task(operator.run()) if record is not None else None
        stop = asyncio.Event()
        running = asyncio.create_task(engine.run(stop))
        for _ in range(1000):
            await asyncio.sleep(0.1)
            if script.finished:
                calm_s = now_ns() / 1e9 - max(f.ended_ns or 0 for f in script) / 1e9
                live = all(market.sync.live for market in engine.state.markets.values())
                if (calm_s > QUIET_S and live) or calm_s > allowed(list(script))[1] + QUIET_S:
                    break
        judge(script, watch, engine, outcome)
        if asking is not None:
            asking.cancel()
        stop.set()
        await running
        if record is not None:
            replay = Replay(Recording([record]))
            again = trading.Heard(engine)
            replay.commands = again.take
            replay.run()
            outcome.fills = sum(isinstance(each, Journaled) and each.kind == "fill" for each in heard.commands)
            if again.commands != heard.commands:
                outcome.complaints.append("the replay of the recording trades otherwise")
            if state_hash(replay.state) != engine.final_hash:
                outcome.complaints.append("the replay of the recording gives another state")

    run_virtual(main, start_ns=tape.aligned(START_NS))
    return outcome


def run_seed(seed: int) -> Outcome:
    """Run a seed with the recordings that are found."""
    root = recordings_root()
    assert root is not None
    return run(root, seed)


def judge(script: FaultScript, watch: Watch, engine: Engine, outcome: Outcome) -> None:
    """Hold the run against the promises."""
    complain = outcome.complaints.append
    if not script.finished:
        complain("the script did not finish")
        return
    last = max(fault.ended_ns or 0 for fault in script)
    for key in KEYS[outcome.market]:
        since = watch.live_since(key, last)
        if since is None:
            complain(f"{key} did not end live")
            continue
        outcome.recovery_s = max(outcome.recovery_s or 0.0, (since - last) / 1e9)
    bound, ruled = allowed(list(script))
    if outcome.recovery_s is not None and outcome.recovery_s > bound:
        outcome.excused = outcome.recovery_s <= ruled
        if not outcome.excused:
            complain(f"live {outcome.recovery_s:.2f} s after the last fault, allowed {bound:.2f}")
    if len(script) == 1:
        fault = script.faults[0]
        for symbol, key in zip(("BTC", "ETH"), KEYS[outcome.market], strict=True):
            hit = next(i for i in watch.oracles if i.startswith(symbol))
            instrument = Instrument(outcome.market, hit)
            breaks = fault.breaks(instrument) or (fault.kind is FaultKind.GARBAGE and fault.count >= 10)
            if not breaks and not watch.always_live(key, fault.armed_ns or 0, (fault.ended_ns or 0) + 3 * 10**9):
                complain(f"{key} left live though {fault.kind} breaks no sequence")
    if FaultKind.CLOCK_JUMP not in {fault.kind for fault in script}:
        check_bars(watch, engine, outcome)
    for market in engine.state.markets.values():
        if market.failed or market.counters.failures:
            complain(f"{market.instrument.key} failed: {market.failed}")


def allowed(faults: list[Fault]) -> tuple[float, float]:
    """Seconds to be live again after the last fault: 2 s plus the REST answer, and what the reconnect ruling excuses.

    A request that is never answered costs its time-out. The ruled reconnect delay is 2^n x U(0.5, 1) s after n
    failures in a row, so a connection that failed three times may have to wait longer than 2 s.
    """
    kinds = FaultKind
    bound = RECOVERY_S + REST_S
    if any(fault.kind is kinds.REST_TIMEOUT for fault in faults):
        bound += REST_TIMEOUT_S
    if any(fault.kind is kinds.DROP_DURING_SNAPSHOT for fault in faults):
        bound += 0.2  # this fault ends when the request comes in, and drops the sockets while it is answered
    failures = sum(
        fault.disconnects
        + (fault.count if fault.kind in (kinds.REFUSE_CONNECT, kinds.DROP_IN_HANDSHAKE) else 0)
        + (fault.kind in (kinds.DROP_AFTER_CONNECT, kinds.DEAD_SOCKET))
        for fault in faults
    )
    return bound, bound + (min(2.0**failures, 60.0) if failures > 2 else 0.0)


def check_bars(watch: Watch, engine: Engine, outcome: Outcome) -> None:
    """A second that is called complete must hold exactly the trades that were made in it."""
    exchange = watch.exchange
    delta_ms = exchange.timeline.delta_ns // 10**6
    for key, market in engine.state.markets.items():
        if MARKETS[key.partition(":")[0]].futures:
            continue
        made: dict[int, list[tuple[int, int, int]]] = {}
        for frame in exchange.tape.frames:
            if frame.kind == "trade" and frame.instrument.symbol == market.instrument.symbol:
                data = msgspec.json.decode(frame.data)
                second = (data["T"] + delta_ms) // 1000 * 1000
                pd, sd = market.instrument.price_decimals, market.instrument.size_decimals
                made.setdefault(second, []).append((data["t"], scaled(data["p"], pd), scaled(data["q"], sd)))
        for bar in market.bars.closed[Timeframe.S1]:
            if not bar.complete or bar.source != "trades":
                continue
            trades = sorted(made.get(bar.open_ms, []))
            prices = [price for _, price, _ in trades]
            expected = (sum(size for *_, size in trades), len(trades))
            if (bar.volume, bar.trades) != expected or (
                prices and (bar.open, bar.high, bar.low, bar.close) != (prices[0], max(prices), min(prices), prices[-1])
            ):
                outcome.complaints.append(f"{key} second {bar.open_ms} is called complete and is not")
                return
