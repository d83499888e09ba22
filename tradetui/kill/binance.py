"""Binance spot and USD-M, and MEXC spot, which speaks the same words with fewer of them.

Sources: developers.binance.com, "Spot: Request Security, Trading endpoints, Account endpoints", "USDS-Margined Futures:
Trade" (Cancel All Open Orders, Cancel All Algo Open Orders, Position Information V3); mexc.com/api-docs/spot-v3, "Spot
Account/Trade". MEXC's private side was never seen to answer us.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from tradetui.credentials import Credentials
from tradetui.kill.card import VenueCard
from tradetui.kill.line import Call, Line, Params, Refusal, Unanswered
from tradetui.kill.venues import Held, Ours, Standing, plain, salable

WINDOW_MS = "10000"
"""How old a request may be when it arrives."""

NOTHING = frozenset({"-2011", "-30005", "-2013"})
"""Codes for: there is no such order, so there is nothing to cancel."""

NO_SUCH_PATH = frozenset({"HTTP 404", "-5000", "-1"})

SYMBOLS = 5
"""Symbols of one request at MEXC."""


def signer(credentials: Credentials, header: str) -> Callable[[str, str, Params, int], Call]:
    """Return what signs: HMAC SHA-256 of the query, the key in a header."""

    def sign(_method: str, path: str, params: Params, now_ms: int) -> Call:
        query = urlencode({**params, "recvWindow": WINDOW_MS, "timestamp": str(now_ms)})
        secret = credentials.api_secret.reveal().encode()
        signature = hmac.new(secret, query.encode(), hashlib.sha256).hexdigest()
        return Call(f"{path}?{query}&signature={signature}", {header: credentials.api_key.reveal()})

    return sign


class Spot:
    """An account at Binance spot."""

    HEADER = "X-MBX-APIKEY"
    OUTDATED = frozenset({"-1021"})
    TIME = "/api/v3/time"

    def __init__(self, card: VenueCard, credentials: Credentials, clean: Callable[[str], str], until: float) -> None:
        """Raises:
        ValueError: The venue has no address.
        """
        self._symbols = [name.partition(":")[0].replace("/", "") for name in card.instruments]
        self.line = Line(card.url, signer(credentials, self.HEADER), clean, until)
        self.line.outdated = self.OUTDATED
        self.line.clock = lambda line: int(line.public(self.TIME)["serverTime"])

    def orders(self) -> list[Standing]:
        """Return all open orders of the account."""
        return _standing(self.line.ask("GET", "/api/v3/openOrders"))

    def cancel(self, standing: list[Standing]) -> None:
        """Cancel all orders of every symbol, those of order lists, too."""
        self._each(standing, "/api/v3/openOrders")

    def positions(self) -> list[Held]:
        """Return none: there are balances only."""
        return []

    def reduce(self, held: Held) -> str:
        """Raises:
        Refusal: There are no positions here.
        """
        raise Refusal("", f"{held.text}: spot has no positions")

    def sell(self, ours: Ours) -> str:
        """Sell what is ours, at most what is free."""
        account = self.line.ask("GET", "/api/v3/account", self._only_some())
        free = sum((Decimal(each["free"]) for each in account["balances"] if each["asset"] == ours.base), Decimal(0))
        quantity, less = salable(ours, self._sold(ours), free, self._step(ours.symbol))
        if not quantity:
            return less
        order = {"symbol": ours.symbol, "side": "SELL", "type": "MARKET", "quantity": plain(quantity)}
        done = self._place("/api/v3/order", order)
        sold = Decimal(str(done.get("executedQty") or quantity))
        return f"sold {plain(sold)} {ours.base} of {ours.instrument} at the market{less}"

    def close(self) -> None:
        """Let go of the connection."""
        self.line.close()

    def _sold(self, ours: Ours) -> Decimal:
        """Return what was sold since the journal's last fill, and the journal does not know: by a stop, by a kill."""
        asked = {"symbol": ours.symbol, "startTime": str(ours.since_ms), "limit": "1000"}
        sold = Decimal(0)
        for each in self.line.ask("GET", "/api/v3/myTrades", asked):
            if not each["isBuyer"] and str(each["id"]) not in ours.known:
                sold += Decimal(each["qty"])
        return sold

    def _only_some(self) -> dict[str, str]:
        return {"omitZeroBalances": "true"}

    def _step(self, symbol: str) -> Decimal:
        """Return the least step of a quantity, 0 where the venue does not tell."""
        steps = [Decimal(0)]
        for each in self.line.public(f"/api/v3/exchangeInfo?symbol={symbol}")["symbols"]:
            steps += [
                Decimal(f["stepSize"]) for f in each["filters"] if f["filterType"] in ("LOT_SIZE", "MARKET_LOT_SIZE")
            ]
        return max(steps)

    def _place(self, path: str, order: dict[str, str]) -> dict[str, Any]:
        """Send an order once; where no answer came, ask what became of it."""
        name = f"kill-{time.time_ns():x}"
        try:
            return dict(
                self.line.ask(
                    "POST", path, {**order, "newClientOrderId": name, "newOrderRespType": "RESULT"}, again=False
                )
            )
        except Unanswered as lost:
            try:
                return dict(self.line.ask("GET", path, {"symbol": order["symbol"], "origClientOrderId": name}))
            except (Refusal, Unanswered) as error:
                raise Unanswered(f"{lost}; asked for it: {error}") from None

    def _each(self, standing: list[Standing], path: str, kind: str = "") -> None:
        """Cancel by symbol; one that fails does not keep the others."""
        symbols = dict.fromkeys([each.symbol for each in standing if each.kind == kind] or self._symbols)
        failed: list[Refusal | Unanswered] = []
        for symbol in symbols:
            try:
                self.line.ask("DELETE", path, {"symbol": symbol})
            except (Refusal, Unanswered) as error:
                if not isinstance(error, Refusal) or error.code not in NOTHING:
                    failed.append(error)
        if failed:
            raise failed[0]


class Mexc(Spot):
    """An account at MEXC spot: only the orders of symbols that are named can be seen and cancelled."""

    HEADER = "X-MEXC-APIKEY"
    OUTDATED = frozenset({"700003"})

    def orders(self) -> list[Standing]:
        """Return the open orders of the symbols that are traded here."""
        found: list[Standing] = []
        for symbol in self._symbols:
            found += _standing(self.line.ask("GET", "/api/v3/openOrders", {"symbol": symbol}))
        return found

    def cancel(self, standing: list[Standing]) -> None:
        """Cancel all orders of these symbols, five a request."""
        symbols = list(dict.fromkeys([each.symbol for each in standing] or self._symbols))
        for first in range(0, len(symbols), SYMBOLS):
            self.line.ask("DELETE", "/api/v3/openOrders", {"symbol": ",".join(symbols[first : first + SYMBOLS])})

    def _only_some(self) -> dict[str, str]:
        return {}

    def _step(self, symbol: str) -> Decimal:
        found = self.line.public(f"/api/v3/exchangeInfo?symbol={symbol}")["symbols"]
        return max((Decimal(str(each.get("baseSizePrecision") or 0)) for each in found), default=Decimal(0))


class Usdm(Spot):
    """An account at Binance USD-M futures. Conditional orders stand apart there, as algo orders."""

    TIME = "/fapi/v1/time"

    def orders(self) -> list[Standing]:
        """Return all open orders, the conditional ones, too."""
        found = _standing(self.line.ask("GET", "/fapi/v1/openOrders"))
        try:
            algo = self.line.ask("GET", "/fapi/v1/openAlgoOrders")
        except Refusal as error:
            if error.code not in NO_SUCH_PATH:
                raise
            algo = []  # a venue that keeps them among the others
        return found + _standing(algo, kind="algo")

    def cancel(self, standing: list[Standing]) -> None:
        """Cancel all orders of every symbol."""
        failed: list[Refusal | Unanswered] = []
        blind = not standing
        for path, kind in (("/fapi/v1/allOpenOrders", ""), ("/fapi/v1/algoOpenOrders", "algo")):
            if blind or any(each.kind == kind for each in standing):
                try:
                    self._each(standing, path, kind)
                except (Refusal, Unanswered) as error:
                    failed.append(error)
        if failed:
            raise failed[0]

    def positions(self) -> list[Held]:
        """Return the open positions; `side` is LONG or SHORT in hedge mode."""
        found = []
        for each in self.line.ask("GET", "/fapi/v3/positionRisk"):
            quantity = Decimal(str(each["positionAmt"]))
            side = str(each.get("positionSide") or "BOTH")
            if quantity:
                found.append(Held(str(each["symbol"]), quantity, "" if side == "BOTH" else side))
        return found

    def reduce(self, held: Held) -> str:
        """Close at the market, reduce-only: what is gone meanwhile is not opened the other way."""
        order = {
            "symbol": held.symbol, "side": "SELL" if held.quantity > 0 else "BUY", "type": "MARKET",
            "quantity": plain(abs(held.quantity)),
        }  # fmt: skip
        self._place("/fapi/v1/order", order | ({"positionSide": held.side} if held.side else {"reduceOnly": "true"}))
        return f"closed {held.text} at the market"

    def sell(self, ours: Ours) -> str:
        """Raises:
        Refusal: There are positions here, not balances.
        """
        raise Refusal("", f"{ours.instrument} is no spot instrument")


def _standing(rows: Any, kind: str = "") -> list[Standing]:
    """Return the venue's open orders; one of a strange shape is an error, never nothing."""
    if isinstance(rows, dict):
        rows = rows.get("orders", rows.get("data"))
    if not isinstance(rows, list):
        raise Unanswered("the venue's open orders have another shape than is known")
    found = []
    for row in rows:
        number = str(row.get("algoId") or row.get("orderId") or row.get("clientOrderId") or "")
        what = str(row.get("orderType") or row.get("type") or "order").lower()
        size, price = row.get("quantity") or row.get("origQty"), row.get("price")
        at = f" at {price}" if price and Decimal(str(price)) else ""
        side = str(row.get("side", "")).lower()
        found.append(
            Standing(str(row["symbol"]), number, f"{row['symbol']} {side} {what} {size}{at} (id {number})", kind)
        )
    return found
