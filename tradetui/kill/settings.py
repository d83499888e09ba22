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
    addresses = {name: getattr(trading.addresses, name, None) for name in ADDRESSES["live"]}
    return make_card(
        mode,
        tuple(full_key(symbol) for symbol in (*settings.data_provider.symbols, *trading.priced_by)),
        urls={name: each.rest for name, each in addresses.items() if each is not None and each.rest},
        credentials=settings.credentials.file,
        database=places.of_mode(mode).database,
        flatten=settings.risk.kill_flattens,
    )
