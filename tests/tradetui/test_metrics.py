"""Prometheus text: a real parser reads it, and what it says does not grow with every scrape."""

from __future__ import annotations

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from engine.health import ConsoleView
from tests.tradetui.fake_engine import health
from tradetui.metrics import absence, exposition


def parsed(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


def console(number: int, name: str) -> ConsoleView:
    return ConsoleView(
        id=number,
        client=name,
        pid=number,
        since=1,
        subscriptions=0,
        delivered=number,
        failed=0,
        sent_bytes=0,
        waiting=2,
    )


def test_an_engine_that_is_not_there_is_down() -> None:
    assert parsed(absence("mine")) == {"tradetui_up": [({"profile": "mine"}, 0.0)]}


def test_consoles_are_counted_by_name_and_the_scraper_not_at_all() -> None:
    view = msgspec.structs.replace(
        health(), consoles=(console(1, "console"), console(2, "console"), console(3, "metrics"), console(4, "mine"))
    )
    found = parsed(exposition(view, []))
    assert found["tradetui_consoles"] == [({"client": "console"}, 2.0), ({"client": "mine"}, 1.0)]
    assert found["tradetui_console_delivered_total"] == [({"client": "console"}, 3.0), ({"client": "mine"}, 4.0)]
    assert found["tradetui_console_waiting_bytes"] == [({"client": "console"}, 4.0), ({"client": "mine"}, 2.0)]
    assert found["tradetui_up"] == [({"profile": view.profile}, 1.0)]
