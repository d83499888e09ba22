"""The kill card as the settings make it: for an engine that begins, and for a kill that finds none."""

from __future__ import annotations

from tradetui.config.sections import Settings
from tradetui.kill.card import KillCard, make_card
from tradetui.places import Places


def card_of(settings: Settings, places: Places) -> KillCard:
    """Return what the kill switch needs to know of an engine with these settings."""
    mode = str(settings.trading.mode)
    return make_card(
        mode,
        settings.data_provider.symbols,
        credentials=settings.credentials.file,
        database=places.of_mode(mode).database,
        flatten=settings.risk.kill_flattens,
    )
