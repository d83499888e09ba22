"""Subscribers inside the process: each gets the topics it asked for, and one that fails harms nobody else."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from itertools import count

from engine.health import SubscriberView
from engine.snapshot import CobView

log = logging.getLogger(__name__)

Callback = Callable[[CobView], None]


class _Subscriber:
    __slots__ = ("callback", "delivered", "failed", "id", "last_error", "name", "symbols")

    def __init__(self, number: int, name: str, symbols: frozenset[str], callback: Callback) -> None:
        self.id = number
        self.name = name
        self.symbols = symbols
        self.callback = callback
        self.delivered = 0
        self.failed = 0
        self.last_error = ""


class Distributor:
    """Hands COB views to callbacks, ten times a second."""

    def __init__(self) -> None:
        self._subscribers: dict[int, _Subscriber] = {}
        self._ids = count(1)

    def subscribe(self, callback: Callback, symbols: Iterable[str], name: str) -> int:
        """Call `callback` with every view of the given instrument keys; return the subscription's id."""
        subscriber = _Subscriber(next(self._ids), name, frozenset(symbols), callback)
        self._subscribers[subscriber.id] = subscriber
        return subscriber.id

    def unsubscribe(self, number: int) -> bool:
        """End a subscription; False if there is none of that id."""
        return self._subscribers.pop(number, None) is not None

    @property
    def wanted(self) -> frozenset[str]:
        """Instruments that somebody listens to."""
        return frozenset().union(*(subscriber.symbols for subscriber in self._subscribers.values()))

    def publish(self, view: CobView) -> None:
        """Deliver a view to everybody who asked for its instrument."""
        for subscriber in list(self._subscribers.values()):
            if view.instrument not in subscriber.symbols:
                continue
            try:
                subscriber.callback(view)
            except Exception as error:  # noqa: BLE001 - a failing subscriber is counted, the others go on
                subscriber.failed += 1
                subscriber.last_error = f"{type(error).__name__}: {error}"
                if subscriber.failed == 1:
                    log.warning("subscriber %s failed: %s", subscriber.name, subscriber.last_error)
            else:
                subscriber.delivered += 1

    def stats(self) -> tuple[SubscriberView, ...]:
        """Return the figures of all subscribers."""
        return tuple(
            SubscriberView(
                id=s.id,
                name=s.name,
                symbols=tuple(sorted(s.symbols)),
                delivered=s.delivered,
                failed=s.failed,
                last_error=s.last_error,
            )
            for s in self._subscribers.values()
        )
