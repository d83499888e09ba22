"""A recorded exchange: plays real recordings as the venue would, over a loopback server or in memory.

It is the tests' independent oracle, so it shares no code with the engine; only the in-memory transport knows the
engine's network ports.
"""

from tests.support.exchange.exchange import RecordedExchange
from tests.support.exchange.faults import Fault, FaultKind, FaultScript
from tests.support.exchange.memory import MemoryTransport
from tests.support.exchange.oracle import NaiveBook, OracleHistory
from tests.support.exchange.server import serve
from tests.support.exchange.tape import Frame, Instrument, Tape, load_tape, recordings_root
from tests.support.exchange.virtual_time import VirtualDeadlock, now_ns, run_virtual

__all__ = [
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
