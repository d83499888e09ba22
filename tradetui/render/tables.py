"""The tables: markets, connections, alerts, events. What is old is grey, and its age goes on counting."""

from __future__ import annotations

from rich.text import Text

from engine.alerts import Alert
from engine.health import ConnectionView
from engine.ports import Entry
from engine.views import MarketRow
from tradetui.link import Link, Note
from tradetui.render.cells import (
    BAD,
    DOWN,
    FAINT,
    GOOD,
    NOTHING,
    OWN,
    SELECTED,
    STALE,
    TEXT,
    UP,
    WARN,
    Cell,
    Column,
    age,
    clock,
    count,
    fit,
    head,
    number,
    price,
    row,
    stamp,
    words,
)

NORMAL, WIDE = 110, 170
"""Columns of the terminal from which tables are wider."""

SEVERITIES = {"info": FAINT, "warning": WARN, "error": BAD, "critical": f"reverse {BAD}"}


def _pick(width: int, narrow: tuple[Column, ...], normal: tuple[Column, ...]) -> tuple[tuple[Column, ...], int]:
    return (normal, 2) if width >= NORMAL else (narrow, 1)


def _cut(lines: list[Text], height: int, width: int) -> list[Text]:
    """Return as many lines as there is room for; that some are missing is said."""
    if len(lines) <= height:
        return lines
    missing = len(lines) - height + 1
    return [*lines[: height - 1], words(f"\u2026 {missing} more; there is no room for them", width, FAINT)]


MARKETS = (
    Column("market", 16), Column("book", 8), Column("age", 4, True), Column("bid", 11, True), Column("ask", 11, True),
    Column("last", 12, True), Column("24h %", 6, True), Column("bps", 5, True),
)  # fmt: skip
MARKETS_NORMAL = (
    Column("market", 27), Column("book", 8), Column("age", 4, True), Column("bid", 14, True), Column("ask", 14, True),
    Column("last", 16, True), Column("24h %", 9, True), Column("spread bps", 10, True),
)  # fmt: skip
MARKETS_WIDE = (
    *MARKETS_NORMAL, Column("24h high", 14, True), Column("24h low", 14, True), Column("24h volume", 16, True),
    Column("funding %", 9, True),
)  # fmt: skip


def markets(link: Link, width: int, height: int) -> list[Text]:
    """Return the markets."""
    columns, gap = _pick(width, MARKETS, MARKETS_WIDE if width >= WIDE else MARKETS_NORMAL)
    lines = [head(columns, width, gap)]
    since, fresh = link.age("markets") or 0.0, link.fresh("markets")
    for each in link.markets:
        usable = fresh and each.live
        sizes = {column.head: column.width for column in columns}
        bid, ask = each.best_bid, each.best_ask
        spread = (ask - bid) / (ask + bid) * 20_000 if bid and ask else None
        glyph, glyph_style = _direction(each)
        change = number(each.change_24h_pct, 2, sign=True)
        change_style = "" if not each.change_24h_pct else UP if each.change_24h_pct > 0 else DOWN
        last = price(each.last, each.tick, sizes["last"] - 2)
        state = ("live", GOOD) if usable else ("NOT LIVE" if fresh else "no news", WARN if fresh else STALE)
        own = "" if usable else STALE
        cells: list[Cell] = [
            fit(each.instrument, columns[0].width, keep_end=True),
            state,
            age((each.age_ms / 1000 if each.age_ms is not None else 0.0) + since)
            if each.age_ms is not None
            else NOTHING,
            price(bid, each.tick, sizes["bid"]),
            price(ask, each.tick, sizes["ask"]),
            (f"{last} {glyph}", own or glyph_style),
            (change, own or change_style),
            number(spread, 2),
        ]
        if width >= WIDE:
            cells += [
                price(each.high_24h, each.tick, 14), price(each.low_24h, each.tick, 14), number(each.volume_24h, 2),
                number(each.funding_rate * 100 if each.funding_rate is not None else None, 4, sign=True),
            ]  # fmt: skip
        lines.append(row(columns, cells, width, own or TEXT, gap))
    if not link.markets:
        lines.append(words("no market yet", width, FAINT))
    return _cut(lines, height, width)


def _direction(market: MarketRow) -> tuple[str, str]:
    if market.last is None or market.last_sell is None:
        return " ", ""
    return ("\u25bc", DOWN) if market.last_sell else ("\u25b2", UP)


CONNECTIONS = (
    Column("connection", 20), Column("state", 7), Column("age", 4, True), Column("msg/s", 6, True),
    Column("again", 5, True), Column("gaps", 4, True), Column("what is done", 0),
)  # fmt: skip
CONNECTIONS_NORMAL = (
    Column("connection", 27), Column("state", 8), Column("age", 4, True), Column("since", 10), Column("msg/s", 8, True),
    Column("again", 6, True), Column("gaps", 6, True), Column("resyncs", 7, True), Column("what is done", 0),
)  # fmt: skip


def connections(link: Link, width: int, height: int) -> list[Text]:
    """Return the market data connections."""
    columns, gap = _pick(width, CONNECTIONS, CONNECTIONS_NORMAL)
    lines = [head(columns, width, gap)]
    found = link.health.connections if link.health is not None else ()
    since, fresh = link.age("health") or 0.0, link.fresh("health")
    for each in found:
        state, style = _connected(each)
        cells: list[Cell] = [
            fit(each.source, columns[0].width, keep_end=True),
            (state, style) if fresh else ("no news", STALE),
            age(each.age_ms / 1000 + since if each.age_ms is not None else None),
            *([clock(each.since, link.wall())] if gap == 2 else []),
            number(each.rate, 1),
            count(each.reconnects, 5),
            count(each.gaps, 4),
            *([count(each.resyncs, 6)] if gap == 2 else []),
            ": ".join(filter(None, (each.doing, each.reason))),
        ]
        own = TEXT if fresh and each.up and not each.stale else STALE if not fresh else WARN
        lines.append(row(columns, cells, width, own, gap))
    if not found:
        lines.append(words("no connection yet", width, FAINT))
    return _cut(lines, height, width)


def _connected(connection: ConnectionView) -> tuple[str, str]:
    if not connection.up:
        return "DOWN", BAD
    return ("silent", WARN) if connection.stale else ("up", GOOD)


ALERTS = (
    Column("", 1), Column("severity", 8), Column("alert", 18), Column("component", 23), Column("since", 10),
    Column("healed", 10), Column("seen", 4),
)  # fmt: skip
ALERTS_NORMAL = (
    Column("", 1), Column("severity", 8), Column("alert", 18), Column("component", 24), Column("since", 10),
    Column("healed", 10), Column("seen", 4), Column("what is done", 0),
)  # fmt: skip


def alerts(link: Link, shown: list[Alert], chosen: int, top: int, width: int, height: int) -> list[Text]:
    """Return the alerts from the `top`th on; the one with the number `chosen` is marked."""
    columns, gap = _pick(width, ALERTS, ALERTS_NORMAL)
    lines = [head(columns, width, gap)]
    now, fresh = link.wall(), link.fresh("alerts")
    for each in shown[top : top + height - 1]:
        here = each.id == chosen
        cells: list[Cell] = [
            "\u25b8" if here else "",
            (each.severity, SEVERITIES.get(each.severity, WARN) if fresh and each.active else ""),
            each.code,
            fit(each.component, columns[3].width, keep_end=True),
            clock(each.since, now),
            "active" if each.active else clock(each.healed or 0, now),
            "seen" if each.acknowledged else "",
            *([each.doing] if gap == 2 else []),
        ]
        style = STALE if not fresh else TEXT if each.active else FAINT
        line = row(columns, cells, width, style, gap)
        if here:
            line.stylize(SELECTED)
        lines.append(line)
    if not shown:
        lines.append(words("no alert" if fresh else "not known", width, FAINT))
    return lines


def detail(link: Link, shown: list[Alert], chosen: int, width: int, height: int) -> list[Text]:
    """Return everything about the chosen alert."""
    at = next((i for i, alert in enumerate(shown) if alert.id == chosen), None)
    if at is None:
        return []
    alert = shown[at]
    style = TEXT if link.fresh("alerts") else STALE
    times = f", {alert.count} times" if alert.count > 1 else ""
    title = f"alert {at + 1} of {len(shown)}: {alert.code} {alert.component}, since {stamp(alert.since)}{times}"
    lines = [head((Column(title, 0),), width)]
    doing = alert.doing or ("-" if alert.active else f"healed {stamp(alert.healed or 0)}")
    lines += [
        words(f"what    {alert.text}", width, style),
        words(f"engine  {doing}", width, style),
        words(f"you     {alert.suggestion}", width, style),
    ]
    return lines[:height]


def events(link: Link, width: int, height: int) -> list[Text]:
    """Return the newest events, the newest last."""
    now, style, wanted = link.wall(), TEXT if link.attached else STALE, max(height - 1, 0)
    rows = [(entry.ts, _event(entry, now, width, style)) for entry in list(link.events)[-wanted:]]
    rows += [(note.ts, _note(note, now, width)) for note in list(link.notes)[-wanted:]]
    rows.sort(key=lambda each: each[0])
    return [head((Column("time", 10), Column("event", 0)), width), *(line for _, line in rows[-wanted:])]


def _event(entry: Entry, now: int, width: int, style: str) -> Text:
    alert = entry.alert
    if alert is not None:
        text = f"{entry.change:12} {alert.code} {alert.component}: {alert.text}"
    else:
        text = f"{'engine':12} {entry.kind} {entry.text}"
    return words(f"{clock(entry.ts, now):10} {text}", width, style)


def _note(note: Note, now: int, width: int) -> Text:
    return words(f"{clock(note.ts, now):10} {'console':12} {note.text}", width, OWN)
