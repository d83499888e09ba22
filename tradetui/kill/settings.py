"""The kill card as the settings alone make it, for a kill that finds none of an engine."""

from __future__ import annotations

from engine.ingestion.symbols import full_key
from tradetui.config.sections import Settings
from tradetui.kill.card import ADDRESSES, KillCard, make_card
from tradetui.places import Places


def card_of(settings: Settings, places: Places) -> KillCard:
    """Return what an engine with these settings would leave.

    Raises:
        SettingsInvalid: An instrument is none.
    """
    trading = settings.trading
    mode = str(trading.mode)
    followed = tuple(full_key(symbol) for symbol in settings.data_provider.symbols)
    return make_card(
        mode,
        (*followed, *trading.priced_by),
        urls={name: rest for name in ADDRESSES["live"] if (rest := getattr(trading.addresses, name).rest)},
        credentials=settings.credentials.file,
        database=places.of_mode(mode).database,
        flatten=settings.risk.kill_flattens,
    )
