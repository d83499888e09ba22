"""Many seeded fault runs; resumable: seeds found in the output file are not run again.

python -m tests.fault --seeds 0 1000 --out faults.jsonl
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec

from tests.fault.run import Outcome, run_seed
from tests.support.exchange import recordings_root


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fault", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 1000), metavar=("FIRST", "END"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    logging.disable(logging.ERROR)
    if recordings_root() is None:
        sys.exit("no recordings: set TRADETUI_RECORDINGS")
    done: dict[int, Outcome] = {}
    if given.out.exists():
        for line in given.out.read_bytes().splitlines():
            outcome = msgspec.json.decode(line, type=Outcome)
            done[outcome.seed] = outcome
    todo = [seed for seed in range(*given.seeds) if seed not in done]
    with given.out.open("ab") as stream, ProcessPoolExecutor(given.processes) as pool:
        for number, outcome in enumerate(pool.map(run_seed, todo, chunksize=5), 1):
            done[outcome.seed] = outcome
            stream.write(msgspec.json.encode(outcome) + b"\n")
            stream.flush()
            if outcome.complaints:
                print(f"seed {outcome.seed} {outcome.market} {outcome.faults}: {'; '.join(outcome.complaints)}")
            if number % 50 == 0:
                print(f"{number}/{len(todo)}", file=sys.stderr)
    outcomes = [done[seed] for seed in range(*given.seeds)]
    recoveries = sorted(o.recovery_s for o in outcomes if o.recovery_s is not None)
    summary = {
        "runs": len(outcomes),
        "faults": sum(len(o.faults) for o in outcomes),
        "kinds": dict(Counter(name.partition("x")[0] for o in outcomes for name in o.faults)),
        "book_checks": sum(o.checks for o in outcomes),
        "wrong_books": sum(o.wrong for o in outcomes),
        "runs_with_complaints": sum(bool(o.complaints) for o in outcomes),
        "recovery_s": {
            "median": recoveries[len(recoveries) // 2] if recoveries else None,
            "max": recoveries[-1] if recoveries else None,
        },
        "over_2s_by_the_reconnect_ruling": sum(o.excused for o in outcomes),
    }
    print(msgspec.json.format(msgspec.json.encode(summary), indent=1).decode())
    return int(summary["wrong_books"] > 0 or summary["runs_with_complaints"] > 0)


if __name__ == "__main__":
    sys.exit(main())
