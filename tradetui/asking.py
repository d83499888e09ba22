"""The data provider and the questions of the socket, put together for one engine and its storage."""

from __future__ import annotations

import msgspec

from engine.data.provider import DataProvider
from engine.data.queries import Queries
from engine.runtime import Engine
from engine.views import StorageView
from storage.figures import Figures
from tradetui.config.sections import DataProvider as DataSettings
from tradetui.places import Places
from tradetui.stored import Stored


def provider(engine: Engine, stored: Stored, chosen: DataSettings) -> DataProvider:
    """Return the one place that is asked for data."""
    return DataProvider(
        state=lambda: engine.state,
        archive=stored.archive,
        now=engine.now,
        written=stored.writer.flush,
        references=dict(pair.split("/") for pair in chosen.references),
    )


def queries(engine: Engine, stored: Stored, places: Places, chosen: DataSettings) -> Queries:
    """Return what answers the questions of the socket."""
    asked = provider(engine, stored, chosen)
    figures = Figures(stored.writer, places.backups)

    def storage() -> StorageView:
        view = figures.view()
        return msgspec.structs.replace(view, reads=(*asked.reads(), *view.reads))

    return Queries(
        asked,
        lambda: engine.state,
        engine.now,
        history=lambda instrument: engine.history(instrument.key),
        storage=storage,
    )
