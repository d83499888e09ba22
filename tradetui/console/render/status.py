"""The first line: mode, engine, prices, feeds, alerts, the clock. The word for the mode is the engine's own.

Every part has a place of fixed width; which parts there are depends on the width of the terminal and on what engine it
is, never on a figure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tradetui.console.render.alerts import rank, sign_of
from tradetui.console.render.cells import NOTHING, age, change, clock, count, figure, fit, price, stamp, uptime
from tradetui.console.render.frame import Frame
from tradetui.console.render.instruments import names
from tradetui.console.render.markets import old_s, sign
from tradetui.console.render.pens import (
    ALARM,
    ALARM_TEXT,
    BAD,
    BAR,
    BOLD,
    FAINT,
    GOOD,
    LIVE,
    MODE_TEXT,
    OLD,
    PAPER,
    REPLAY,
    TEXT,
    TITLE,
    WARN,
    pen,
    with_back,
)
from tradetui.console.render.system import verdict
from tradetui.console.render.tabs import PLAYS, playing
from tradetui.console.render.vitals import Own, gaps, good, kilobytes, worst_s

if TYPE_CHECKING:
    from engine.views import MarketRow, ReplayView
    from tradetui.console.news import News

NORMAL, WIDE = 110, 160
"""Columns from which parts have names, and from which they say all."""

OFF = ("not built", "off", "")
"""The engine's words for that there is no trading."""

NO_ORDERS = "no orders"
"""What is said where the engine cannot trade."""

PLAIN = pen(TEXT, BAR)
QUIET = pen(FAINT, BAR)
PAST = pen(TEXT, BAR, OLD)


class Piece(NamedTuple):
    """A text in a place of fixed width."""

    text: str
    width: int
    pen: int = PLAIN
    right: bool = False


class Part(NamedTuple):
    """Pieces that stand together. The lowest rank gets its place first."""

    rank: int
    pieces: tuple[Piece, ...]

    @property
    def width(self) -> int:
        """Cells that it takes."""
        return sum(piece.width for piece in self.pieces)


def draw(frame: Frame, link: News, shown: News, own: Own, *, frozen: bool) -> None:
    """Draw the line. `link` tells how the engine is now, `shown` what the screen shows, which may be frozen."""
    frame.fill(PLAIN)
    width = frame.width
    gap = 2 if width >= WIDE else 1
    parts = _parts(link, shown, own, width, frozen=frozen)
    kept, room = set(), width - 1
    for part in sorted(parts, key=lambda each: each.rank):
        if part.width + gap <= room:
            kept.add(part)
            room -= part.width + gap
    x = 1
    for part in parts:
        if part not in kept:
            continue
        for piece in part.pieces:
            frame.text(x, 0, fit(piece.text, piece.width, right=piece.right), piece.pen)
            x += piece.width
        x += gap


def draw_killing(frame: Frame, key: str) -> None:
    """Draw, in the place of the line, that the next key kills."""
    frame.fill(pen(ALARM_TEXT, ALARM, BOLD))
    frame.text(1, 0, f"{key} again within 2 s kills: halts, cancels all orders, asks nothing more")


def _parts(link: News, shown: News, own: Own, width: int, *, frozen: bool) -> list[Part]:
    """Return all parts in the order of the line."""
    normal, wide = width >= NORMAL, width >= WIDE
    money = _money(link)
    found = [_mode(link)] if money is None else [money, _data(link, normal)]
    replay = link.replay if link.attached else None
    if replay is not None:
        found.append(_playing(replay, normal))
    found += [*([_no_orders(link)] if money is None else []), _engine(link, wide)]
    first = shown.markets[:2]
    short = names(tuple(market.instrument for market in first))
    for number, market in enumerate(first):
        found.append(_price(link, shown, market, short.get(market.instrument, market.instrument), number, normal))
    if replay is None:
        found += [_feeds(link, normal), _gaps(link), _rate(link)]
    else:
        found += [_played(link, replay, normal, wide), _gaps(link)]
    found += [_alerts(link, normal)]
    found += [_own(own), _time(shown.engine_now(), normal, wide, frozen=frozen)]
    return found


def _time(now: int, normal: bool, wide: bool, *, frozen: bool) -> Part:
    """Return the clock; if the screen is frozen, that it is, at the same place."""
    text = stamp(now) if wide else clock(now) if normal else clock(now)[:-1]
    if not frozen:
        return Part(2, (Piece(text, len(text), pen(TITLE, BAR, BOLD)),))
    said = f" FROZEN {clock(now)}" if wide else " FROZEN "
    return Part(2, (Piece(said, len(text), pen(ALARM_TEXT, ALARM, BOLD)),))


def _mode(link: News) -> Part:
    """Return the word for what the data are; without an engine that speaks, none is known."""
    health = link.health
    if health is None or not link.attached:
        return Part(0, (Piece(" ---- ", 6, QUIET),))
    word = fit(health.data.upper(), min(len(health.data), 8))
    back = {"live": LIVE, "replay": REPLAY}.get(health.data)
    own = pen(MODE_TEXT, back, BOLD) if back is not None else pen(WARN, BAR, BOLD)
    return Part(0, (Piece(f" {word} ", len(word) + 2, own if link.fresh("health") else PAST),))


def _money(link: News) -> Part | None:
    """Return the word for whose money orders are, the engine's own; None where nothing can be ordered."""
    health = link.health
    if health is None or not link.attached:
        return None
    mode = link.account.mode or ("" if health.trading in OFF else health.trading)
    if not mode:
        return None
    own = {"paper": pen(MODE_TEXT, PAPER, BOLD), "testnet": pen(MODE_TEXT, LIVE, BOLD)}.get(
        mode, pen(ALARM_TEXT, ALARM, BOLD)
    )
    word = fit(mode.upper(), min(len(mode), 8))
    return Part(0, (Piece(f" {word} ", len(word) + 2, own if link.fresh("health") else PAST),))


def _data(link: News, normal: bool) -> Part:
    """Return what the data are, where the first word is that of the money: a replay stands out, the market does not."""
    health = link.health
    if health is None or health.data != "live":
        return _mode(link)
    text = "live data" if normal else "live"
    return Part(5, (Piece(text, len(text), QUIET if link.fresh("health") else PAST),))


def _no_orders(link: News) -> Part:
    """Return that no order can be sent, where that is known."""
    known = link.attached and link.health is not None
    return Part(7, (Piece(NO_ORDERS if known else "", len(NO_ORDERS), QUIET),))


def _playing(replay: ReplayView, normal: bool) -> Part:
    """Return how a replay goes."""
    shape, word, more = playing(replay)
    text = f"{shape} {word} {more}" if normal else f"{shape} {more or word}"
    return Part(1, (Piece(text, 14 if normal else 7, pen(TITLE if word == PLAYS else WARN, BAR, BOLD)),))


def _engine(link: News, wide: bool) -> Part:
    word, own = verdict(link)
    pieces = [Piece(word, 8, with_back(own, BAR))]
    if wide:
        up = uptime((link.wall() - link.started) / 1e9) if link.started and link.attached else NOTHING
        pieces += [Piece(" up ", 4, QUIET), Piece(up, 6, PLAIN)]
    return Part(0, tuple(pieces))


def _price(link: News, shown: News, market: MarketRow, name: str, number: int, normal: bool) -> Part:
    """Return an instrument's last price and its change of a day; if it is old, its age instead."""
    live = link.fresh("markets") and shown.fresh("markets") and market.live
    since = old_s(shown, market)
    digits, size = (10, 9) if normal else (9, 8)
    if live:
        told = Piece(change(market.change_24h_pct, size - 1), size, with_back(sign(market.change_24h_pct), BAR), True)
    else:
        told = Piece(f"old {age(since)}" if since is not None else "old", size, pen(WARN, BAR), True)
    pieces = (
        Piece(name, 5 if normal else 4, pen(TITLE, BAR) if live else PAST),
        Piece(price(market.last, market.tick, digits), digits, pen(TITLE, BAR, BOLD) if live else PAST, True),
        told,
    )
    return Part(3 + 2 * number, pieces)


def _known(link: News) -> tuple[bool, int]:
    """Return whether the engine's figures can be shown at all, and their pen."""
    return link.attached and link.health is not None, PLAIN if link.fresh("health") else PAST


def _played(link: News, replay: ReplayView, normal: bool, wide: bool) -> Part:
    """Return how many messages a replay has played: it has no feeds."""
    own, digits = PLAIN if link.fresh("health") else PAST, 9 if wide else 5
    pieces = (Piece(count(replay.messages, digits), digits, own, True), Piece(" msg", 4, QUIET))
    return Part(6 if normal else 8, (Piece("played", 6, QUIET), *pieces) if wide else pieces)


def _feeds(link: News, normal: bool) -> Part:
    """Return how many connections are up, and how long the most silent one has said nothing."""
    known, own = _known(link)
    told, oldest, bad = NOTHING, NOTHING, False
    if known and link.health is not None:
        every = link.health.connections
        up = good(link)
        told, oldest, bad = f"{up}/{len(every)}", age(worst_s(link)), up < len(every)
    own = pen(WARN, BAR, BOLD) if bad and own == PLAIN else own
    if not normal:
        return Part(6, (Piece(told, 4, own),))
    return Part(6, (Piece("feeds ", 6, QUIET), Piece(told, 5, own), Piece(oldest, 4, own, right=True)))


def _gaps(link: News) -> Part:
    known, own = _known(link)
    lost = gaps(link.health) if link.health is not None else 0
    own = pen(WARN, BAR) if lost and own == PLAIN else own
    return Part(8, (Piece("gaps ", 5, QUIET), Piece(count(lost, 4) if known else NOTHING, 4, own)))


def _rate(link: News) -> Part:
    known, own = _known(link)
    rate = sum(each.rate for each in link.health.connections) if link.health is not None else None
    own = own if good(link) else PAST  # it is the rate of then
    return Part(9, (Piece(figure(rate) if known else NOTHING, 5, own, right=True), Piece(" msg/s", 6, QUIET)))


def _alerts(link: News, normal: bool) -> Part:
    """Return how many alerts are active; its shape is that of the worst."""
    fresh = link.fresh("alerts")
    active = [alert for alert in link.alerts if alert.active]
    shape, own = " ", PLAIN
    if not link.attached:
        told = NOTHING
    else:
        told = count(len(active), 3)
        if active:
            shape, own = sign_of(max(active, key=lambda each: rank(each.severity)).severity)
    own = with_back(own, BAR) | BOLD if fresh else PAST
    pieces = (Piece(shape, 1, own), Piece(told, 3, own))
    return Part(4, (Piece("alerts ", 7, QUIET), *pieces) if normal else pieces)


def _own(own: Own) -> Part:
    """Return what this console costs."""
    lag = NOTHING if own.lag_ms is None else f"{count(round(own.lag_ms), 4)} ms"
    return Part(10, (
        Piece("ui ", 3, QUIET), Piece(f"{own.rate:g} Hz", 5), Piece(kilobytes(own), 10, right=True),
        Piece(" lag", 4, QUIET), Piece(lag, 8, pen(BAD if own.late else GOOD, BAR), True),
    ))  # fmt: skip
