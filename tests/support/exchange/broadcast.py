"""Who is connected, who listens to what, and the copies that go out."""

from __future__ import annotations

from tests.support.exchange.connection import Connection, routed
from tests.support.exchange.fault_driver import Delivery
from tests.support.exchange.tape import Instrument

Client = tuple[Connection, bytes]


class Broadcast:
    """Open connections; messages become visible to their transports with `flush`."""

    def __init__(self, *, legacy_routes: bool) -> None:
        self.connections: list[Connection] = []
        self._legacy_routes = legacy_routes
        self._clients: dict[tuple[Instrument, str], list[Client]] = {}
        self._touched: set[Connection] = set()

    def refresh(self) -> None:
        """Take note of changed subscriptions, of new and of closed connections."""
        self._clients = {}
        self.connections = [each for each in self.connections if not each.closed]
        for connection in self.connections:
            for name, (instrument, kind) in connection.streams.items():
                if kind and routed(connection.market, connection.route, kind, legacy=self._legacy_routes):
                    prefix = b'{"stream":"%s","data":' % name.encode() if connection.combined else b""
                    self._clients.setdefault((instrument, kind), []).append((connection, prefix))

    def clients(self, instrument: Instrument, kind: str) -> list[Client]:
        """Those who listen to one kind of message of one symbol."""
        return self._clients.get((instrument, kind), [])

    def send(self, clients: list[Client], delivery: Delivery, book_shift: int) -> None:
        """One message to each; those that may get no more are dropped."""
        frame, body, cut = delivery
        for connection, prefix in clients:
            message = b"%s%s}" % (prefix, body) if prefix else body
            if cut < 1:
                message = message[: max(1, int(len(message) * cut))]
            if frame.kind == "depth":
                connection.first_depth.setdefault(frame.instrument, frame.first_id + book_shift)
            connection.send(message)
            self._touched.add(connection)
        if any(connection.closed for connection, _ in clients):
            self.refresh()

    def send_raw(self, connection: Connection, messages: list[bytes]) -> None:
        """Messages as they are to one client."""
        for message in messages:
            connection.send(message)
        self._touched.add(connection)

    def flush(self) -> None:
        """Tell the transports of those that were sent something."""
        for connection in self._touched:
            connection.flush()
        self._touched.clear()

    def drop_all(self, *, abrupt: bool) -> None:
        """Drop every client."""
        for connection in self.connections:
            connection.close(abrupt=abrupt)
        self.refresh()
