"""A recorded exchange: plays real recordings as the venue would, over a loopback server or in memory.

It is the tests' independent oracle, so it shares no code with the engine; only the in-memory transport knows the
engine's network ports. In virtual time:

    tape = load_tape(recordings_root() / "hftbacktest-binance-ws" / "spot")

    async def main() -> None:
        exchange = RecordedExchange(tape, now_ns, faults=FaultScript.from_seed(1, tape.instruments))
        transport = MemoryTransport(exchange)
        socket = await transport.connect("ws://any/spot/stream?streams=btcusdt@depth@100ms")
        ...
        assert book == exchange.oracle("spot", "BTCUSDT").at(update_id).levels(100)

    run_virtual(main, start_ns=tape.aligned(START_NS))

Over loopback: `async with serve(RecordedExchange(tape, time.time_ns)) as base_url`, or in its own process
`python -m tests.support.exchange --recordings PATH --rate 1000`.
"""

from tests.support.exchange.exchange import RecordedExchange
from tests.support.exchange.faults import Fault, FaultKind, FaultScript
from tests.support.exchange.memory import MemoryTransport
from tests.support.exchange.oracle import NaiveBook, OracleHistory
from tests.support.exchange.server import serve
from tests.support.exchange.tape import Frame, Instrument, Tape, load_tape, recordings_root
from tests.support.exchange.virtual_time import START_NS, VirtualDeadlock, now_ns, run_virtual

__all__ = [
    "START_NS",
    "Fault",
    "FaultKind",
    "FaultScript",
    "Frame",
    "Instrument",
    "MemoryTransport",
    "NaiveBook",
    "OracleHistory",
    "RecordedExchange",
    "Tape",
    "VirtualDeadlock",
    "load_tape",
    "now_ns",
    "recordings_root",
    "run_virtual",
    "serve",
]
