"""`kill -9` of an engine that trades, at seeded moments, at a venue that fails it; then both books are compared.

    python -m tests.fault.orders --seed 1 --count 1000 --out orders.jsonl

Each case is one account whose engine is killed five times: before a request is done, after it, before its answer,
between two messages, between the journal and the sending, while it starts, at any time. After every start its fills,
orders and positions must become the venue's: no fill lost or kept twice, no order sent twice or without a record.
Prints JSON. Cases found in `--out` are not run again; `--from K` begins at case K.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from tests.fault.orders_case import LIVES, Case, Outcome
from tests.support.exchange import recordings_root
from tests.support.exchange.process import exchange_process

VENUE = """
[venues.{name}]
rest = ["{address}/{folder}"]
ws = ["{ws}/{folder}"]
"""
"""Where a market is."""

TRADING = """
data_provider.stand_ins = []
data_provider.symbols = ["{followed}"]
credentials.file = "{keys}"
[trading]
mode = "live"
{priced}
[trading.addresses.{kind}]
rest = "{rest}"
ws = "{ws}"
[risk.limits]
risk_per_trade = 0.1
max_position = 10
max_exposure = 10
max_leverage = 20
daily_loss = 1
drawdown = 1
orders_per_minute = 1000
price_collar = 0.5
stale_ms = 60000
max_spread_bps = 1000
losses_in_a_row = 100
max_open_trades = 100
[risk.breakers]
flash_move = 0.5
venue_failures = 100
"""
"""What is traded, and with what limits: none that would keep an order from the venue."""


@contextmanager
def market() -> Iterator[str]:
    """The recorded exchange, for all cases; gives the settings that point there.

    Each market has a process of its own: of two tapes that are played as one the shorter waits for the longer.
    """
    root = recordings_root()
    if root is None:
        sys.exit("no recordings: set TRADETUI_RECORDINGS")
    with ExitStack() as stack:
        settings = ""
        for name, folder in (("binance", "spot"), ("binanceusdm", "usdm")):
            tape = root / "hftbacktest-binance-ws" / folder
            _, address = stack.enter_context(exchange_process(tape, symbols="BTCUSDT"))
            settings += VENUE.format(name=name, folder=folder, address=address, ws=address.replace("http", "ws", 1))
        yield settings


def case(seed: int, number: int, settings: str, keep: Path | None = None, lives: int = LIVES) -> Outcome:
    """Run one account; its folder is kept where it fails, if there is a place for it."""
    folder = Path(tempfile.mkdtemp(prefix=f"orders-{seed}-{number}-"))
    try:
        outcome = Case(seed, number, folder, TRADING + settings).run(lives)
        if outcome.complaints and keep is not None:
            shutil.copytree(folder, keep / folder.name, symlinks=True, ignore=shutil.ignore_patterns("*.sock"))
        return outcome
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def summary(outcomes: list[Outcome]) -> dict[str, object]:
    """What a run showed."""
    recoveries = sorted(each for outcome in outcomes for each in outcome.recovery_s)
    return {
        "kills": sum(len(each.kills) for each in outcomes),
        "accounts": len(outcomes),
        "kinds": dict(Counter(each.kind for each in outcomes)),
        "moments": dict(Counter(name for each in outcomes for name in each.kills)),
        "faults": dict(Counter(name for each in outcomes for name in each.faults)),
        "killed_by_the_venue": sum(each.trapped for each in outcomes),
        "orders_journaled_and_not_sent": sum(each.unsent for each in outcomes),
        "orders": sum(each.orders for each in outcomes),
        "fills": sum(each.fills for each in outcomes),
        "answers": dict(sum((Counter(each.answers) for each in outcomes), Counter())),
        "recovery_s": {
            "median": recoveries[len(recoveries) // 2] if recoveries else None,
            "max": recoveries[-1] if recoveries else None,
        },
        "wrong": [{"case": each.number, "said": each.complaints} for each in outcomes if each.complaints],
    }


def main() -> int:
    """Run cases; 1 if a book was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault.orders", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000, help="kills; each account's engine is killed five times")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first case")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, help="outcomes, one line each, to go on from")
    parser.add_argument("--keep", type=Path, help="where the folders of cases that fail are kept")
    given = parser.parse_args()
    done: dict[int, Outcome] = {}
    if given.out is not None and given.out.exists():
        for line in given.out.read_bytes().splitlines():
            outcome = msgspec.json.decode(line, type=Outcome)
            if outcome.seed == given.seed:
                done[outcome.number] = outcome
    numbers = range(given.first, given.first + -(-given.count // LIVES))
    todo = [number for number in numbers if number not in done]
    begun = time.monotonic()
    with ExitStack() as stack:
        # Each start asks for candles: one exchange for all would throttle so many starts a minute.
        markets = [stack.enter_context(market()) for _ in range(given.processes)]
        pool = stack.enter_context(ProcessPoolExecutor(given.processes))
        runs = [
            pool.submit(case, given.seed, number, markets[place % len(markets)], given.keep)
            for place, number in enumerate(todo)
        ]
        for number, run in enumerate(runs, 1):
            outcome = run.result()
            done[outcome.number] = outcome
            if given.out is not None:
                with given.out.open("ab") as stream:
                    stream.write(msgspec.json.encode(outcome) + b"\n")
            if outcome.complaints:
                print(
                    f"case {outcome.number} {outcome.kind} {outcome.kills}: {'; '.join(outcome.complaints)}",
                    file=sys.stderr,
                )
            if number % 10 == 0:
                print(f"{number}/{len(todo)} after {time.monotonic() - begun:.0f} s", file=sys.stderr)
    found = summary([done[number] for number in numbers])
    print(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())
    return int(bool(found["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
