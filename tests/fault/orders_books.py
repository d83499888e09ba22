"""Two books of the same account: what the venue knows, and what an engine keeps and shows of it."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

UNIT = Decimal(10) ** 8

DUST = Decimal("0.00001")
"""Bitcoins of which nothing can be sold."""


class Kept(msgspec.Struct, kw_only=True):
    """What a database holds: ids of orders that were to be sent, and the fills as venues count them."""

    orders: set[str]
    fills: Counter[str]
    facts: dict[str, tuple[str, ...]]
    """By trade: order, side, price, quantity and fee."""


def kept(database: Path) -> Kept:
    """Read the records of trading, as they are on disk."""
    found = Kept(orders=set(), fills=Counter(), facts={})
    if not database.is_file():
        return found
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
    try:
        rows = connection.execute("SELECT kind, body FROM records WHERE kind IN ('order', 'fill') ORDER BY id")
        for kind, body in rows:
            said = json.loads(body)
            if kind == "order":
                found.orders.add(said["id"])
                continue
            fill = said.get("fill", said)
            venue, _, name = fill["id"].partition("-")
            name = name if venue == "bybit" else name.rpartition("-")[2]  # Binance counts by symbol
            found.fills[name] += 1
            numbers = [_plain(Decimal(fill[name]) / UNIT) for name in ("price", "quantity", "fee")]
            found.facts[name] = (fill["order"], fill["side"], *numbers)
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
    finally:
        connection.close()
    return found


def differences(venue: Any, book: Kept, orders: list[Any], positions: list[Any], balances: dict[str, str]) -> list[str]:
    """Say what the two do not agree on; orders, positions and balances are those of the engine's topics."""
    wrong: list[str] = []
    trades = {trade["id"]: trade for trade in venue["trades"]}
    doubled = sorted(each for each, count in book.fills.items() if count > 1)
    if doubled:
        wrong.append(f"fills are kept more than once: {doubled[:5]}")
    if lost := sorted(set(trades) - set(book.fills)):
        wrong.append(f"{len(lost)} of {len(trades)} fills are lost: {lost[:5]}")
    if invented := sorted(set(book.fills) - set(trades)):
        wrong.append(f"fills that the venue does not know: {invented[:5]}")
    for name, trade in trades.items():
        numbers = [_plain(Decimal(trade[each])) for each in ("price", "quantity", "fee")]
        fact = (trade["client"], trade["side"].lower(), *numbers)
        if name in book.facts and book.facts[name] != fact:
            wrong.append(f"fill {name} is {book.facts[name]}, the venue's is {fact}")
    if again := sorted(each for each, count in venue["heard"].items() if count > 1):
        wrong.append(f"orders were sent more than once: {again[:5]}")
    if unknown := sorted(set(venue["heard"]) - book.orders):
        wrong.append(f"orders were sent that are not in the journal: {unknown[:5]}")
    ours = {row["id"] for row in orders if row["open"]}
    theirs = {each["client"] for each in venue["orders"] if each["state"] in ("waiting", "open")}
    if ours != theirs:
        wrong.append(
            f"open here but not there: {sorted(ours - theirs)[:5]}, the other way: {sorted(theirs - ours)[:5]}"
        )
    return wrong + _positions(venue, positions) + _balances(venue, balances)


def _positions(venue: Any, positions: list[Any]) -> list[str]:
    """On spot the account began with none of any base asset, so that what it holds is the position.

    A rest that is too small to be sold is shown among the balances only.
    """
    here = {row["instrument"].partition(":")[2]: Decimal(row["quantity"]) for row in positions}
    held = {f"{name}/USDT": Decimal(amount) for name, amount in venue["balances"].items() if name != "USDT"}
    held |= {
        f"{key[7:].removesuffix('USDT')}/USDT:USDT": Decimal(amount)
        for key, amount in venue["positions"].items()
        if key.startswith("linear:")
    }
    there = {name: amount for name, amount in held.items() if abs(amount) >= DUST or (amount and name in here)}
    return [] if there == here else [f"positions are {_text(here)}, the venue's {_text(there)}"]


def _balances(venue: Any, balances: dict[str, str]) -> list[str]:
    here = {name: Decimal(amount) for name, amount in balances.items() if Decimal(amount)}
    there = {name: Decimal(amount) for name, amount in venue["balances"].items() if Decimal(amount)}
    return [] if there == here else [f"balances are {_text(here)}, the venue's {_text(there)}"]


def _text(amounts: dict[str, Decimal]) -> str:
    return ", ".join(f"{name} {_plain(amount)}" for name, amount in sorted(amounts.items())) or "none"


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"
