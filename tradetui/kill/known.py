"""What is known of what a profile trades, for a kill without the engine: its card, else older ones and the settings.

A card is the last engine's if that has the pid which left it, and was started before. What an older engine left may be
wrong by now: the account, the venues, the addresses may be others. It is better than nothing, so it is gone by, beside
the settings, and both are said: more may be cancelled than is needed, never less than is known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from engine.errors import SettingsInvalid
from engine.text import inert
from tradetui.kill.card import KillCard, VenueCard, ago, aside, by, dated, read_card, where
from tradetui.lock import Holder, holder_of
from tradetui.places import Places


class Known(NamedTuple):
    """Cards to go by, one of each mode, the likeliest first; sentences about how sure that is."""

    cards: tuple[KillCard, ...]
    notes: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()

    @property
    def mode(self) -> str:
        """Whose money, as far as is known."""
        return ", ".join(dict.fromkeys(card.mode for card in self.cards))

    @property
    def flatten(self) -> bool:
        """Whether positions are to be closed where nobody has said."""
        return self.cards[0].flatten

    @property
    def real(self) -> bool:
        """Whether something may stand at a venue."""
        return any(card.venues for card in self.cards)


def known(places: Places, settings: Callable[[], KillCard] | None) -> Known:
    """Return what is known of a profile; `settings` makes a card of them, and raises SettingsInvalid."""
    if places.replay:  # it never has anything at a venue
        return Known((KillCard(mode="paper"),))
    left, last = read_card(places.kill_card), holder_of(places.lock)
    if left is not None and _of(left, last):
        return Known((left,), notes=_earlier(left))
    told, wrong = _settings(settings)
    older = left or read_card(aside(places.kill_card))
    if older is None and not places.kill_card.exists():
        return _by_settings(told, wrong)
    return _by_both(told, wrong, older, last, torn=left is None and places.kill_card.exists())


def _by_both(told: KillCard | None, wrong: str, older: KillCard | None, last: Holder | None, *, torn: bool) -> Known:
    """Return what the settings and an older card say; that is all there is, unless both say the same."""
    said = "the last engine"
    if last is not None:
        said += f" (pid {last.pid}, started {dated(last.started)}, {ago(last.started)})"
    said += " has left no word of what it trades"
    if told is not None and older is not None and _same(told, older):
        note = f"{said}: gone by was what {_left(older)}; the settings say the same"
        return Known((told,), notes=(note, *_earlier(older)))
    sources = [f"{where(told)}, as the settings say"] if told is not None else []
    sources += [f"{where(older)}, as {_left(older)}"] if older is not None else []
    said += f"{' that can be read' if torn else ''}; gone by was what is known: {'; '.join(sources) or 'nothing'}"
    doubts = (f"{said}; look at your venues", *([wrong] if wrong else []))
    cards = _together([card for card in (told, older) if card is not None])
    return Known(cards or (KillCard(mode="unknown"),), troubles=doubts, notes=_earlier(older) if older else ())


def _left(card: KillCard) -> str:
    return f"{by(card)} left {ago(card.at)}" if card.at else f"{by(card)} left"


def _of(card: KillCard, last: Holder | None) -> bool:
    """Tell whether a card is the last engine's, as far as anybody knows who that was."""
    return last is None or not card.at or (card.pid == last.pid and card.at >= last.started)


def _settings(make: Callable[[], KillCard] | None) -> tuple[KillCard | None, str]:
    """Return what the settings say, and why they do not."""
    if make is None:
        return None, ""
    try:
        return make(), ""
    except SettingsInvalid as error:
        return None, f"the settings cannot be read: {inert(str(error))}"


def _by_settings(told: KillCard | None, wrong: str) -> Known:
    if told is not None:
        return Known((told,), notes=(f"no engine has left word of what it trades; the settings say {where(told)}",))
    lacking = (f"no engine has left word of what it trades, and {wrong}; look at your venues",) if wrong else ()
    return Known((KillCard(mode="unknown"),), troubles=lacking)


def _earlier(card: KillCard) -> tuple[str, ...]:
    if not card.earlier:
        return ()
    return (f"an earlier engine of this profile traded {card.earlier}: what it left there is not touched; look there",)


def _same(one: KillCard, other: KillCard) -> bool:
    venues = [{(v.name, v.url, frozenset(v.instruments)) for v in card.venues} for card in (one, other)]
    return one.mode == other.mode and venues[0] == venues[1]


def _together(cards: list[KillCard]) -> tuple[KillCard, ...]:
    """Return one card of each mode: with the venues of all, and the rest of the first."""
    found: dict[str, KillCard] = {}
    for card in cards:
        first = found.get(card.mode)
        found[card.mode] = card if first is None else msgspec.structs.replace(
            first,
            venues=_venues((*first.venues, *card.venues)),
            credentials=first.credentials or card.credentials,
            database=first.database or card.database,
        )  # fmt: skip
    return tuple(found.values())


def _venues(venues: tuple[VenueCard, ...]) -> tuple[VenueCard, ...]:
    found: dict[tuple[str, str], VenueCard] = {}
    for venue in venues:
        first = found.get((venue.name, venue.url), venue)
        names = tuple(dict.fromkeys((*first.instruments, *venue.instruments)))
        found[venue.name, venue.url] = msgspec.structs.replace(first, instruments=names)
    return tuple(found.values())
