"""Binance's public data archive: zips of klines, trades and aggregate trades, one CSV each, stamps in ms or us.

Source: github.com/binance/binance-public-data, README: spot stamps are microseconds from 2025 on; futures files have a
header. On COIN-M markets volumes count contracts, and the column of the quote volume holds base asset: it is left out.
"""

from __future__ import annotations

from pathlib import Path

from engine.errors import ImportRefused
from engine.ingestion.markets import MARKETS
from storage.interchange.batch import Hints, Parsed
from storage.interchange.formats.delimited import BARE, KLINE, text_table
from storage.interchange.identity import Identity, of_archive
from storage.interchange.packed import members

TRADES = {
    6: ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker"),
    7: ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker", "is_best_match"),
}
AGG_TRADES = {
    7: ("agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "transact_time", "is_buyer_maker"),
    8: (
        "agg_trade_id",
        "price",
        "quantity",
        "first_trade_id",
        "last_trade_id",
        "transact_time",
        "is_buyer_maker",
        "best",
    ),
}
INVERSE = {12: tuple("-" if name in ("quote_volume", "taker_buy_quote_volume") else name for name in KLINE)}


def read(path: Path, hints: Hints) -> Parsed:
    """Read a zip of the archive.

    Raises:
        ImportRefused: It cannot be read, or whose it is cannot be told.
    """
    parsed = Parsed("archive")
    for member, data in members(path):
        identity = of_archive(path, member) or Identity()
        name = f"{path.name} {member}"
        bare = AGG_TRADES if "aggTrades" in name else TRADES if "-trades-" in name else BARE
        inverse = MARKETS.get(hints.venue or identity.venue)
        asked = hints
        if bare is BARE and inverse is not None and inverse.inverse and not hints.columns:
            bare, asked = INVERSE, _named(data, hints)
        if bare is BARE and not (hints.venue or identity.venue):
            raise ImportRefused(
                f"{member}: spot and futures files have the same name: give --venue binance or --venue binanceusdm, "
                "or keep the archive's folders (data/spot/..., data/futures/um/...)"
            )
        text_table(parsed, data, identity, asked, "archive", bare)
    return parsed


def _named(data: bytes, hints: Hints) -> Hints:
    """Return hints that leave out the columns that mean something else on inverse markets."""
    import msgspec

    return (
        msgspec.structs.replace(hints, columns=INVERSE[12]) if data[:200].split(b"\n")[0].count(b",") == 11 else hints
    )
