"""Bybit's unified account: spot and linear contracts.

Source: bybit-exchange.github.io/docs/v5: guide "Authentication", order/cancel-all, order/open-order, create-order,
position (position/list), account/wallet-balance, market/instrument.
"""

from __future__ import annotations

import hashlib
import hmac
import json
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

SETTLES = ("USDT", "USDC")
"""What linear contracts are settled in."""

FILTERS = ("Order", "StopOrder", "tpslOrder", "OcoOrder", "BidirectionalTpslOrder")
"""Kinds of spot orders: a request that names none means the first alone."""

NOTHING = frozenset({"110001", "170213", "170142"})
"""Codes for: there is no such order."""

PAGES = 20
"""Pages of one list, at most."""

WEEK_MS = 7 * 86_400_000
"""Executions of at most so long are told at once."""

WEEKS = 13


def signer(credentials: Credentials) -> Callable[[str, str, Params, int], Call]:
    """Return what signs: HMAC SHA-256 of time, key, window and query or body, in headers."""

    def sign(method: str, path: str, params: Params, now_ms: int) -> Call:
        query = urlencode(params) if method == "GET" else ""
        body = b"" if method == "GET" else json.dumps(_typed(params)).encode()
        key, secret = credentials.api_key.reveal(), credentials.api_secret.reveal().encode()
        said = f"{now_ms}{key}{WINDOW_MS}".encode() + (query.encode() or body)
        headers = {
            "X-BAPI-API-KEY": key, "X-BAPI-TIMESTAMP": str(now_ms), "X-BAPI-RECV-WINDOW": WINDOW_MS,
            "X-BAPI-SIGN": hmac.new(secret, said, hashlib.sha256).hexdigest(),
        }  # fmt: skip
        if body:
            headers["Content-Type"] = "application/json"
        return Call(f"{path}?{query}" if query else path, headers, body)

    return sign


def _typed(params: Params) -> dict[str, Any]:
    """Return parameters as the venue wants them in a body: what is yes or a place is no text there."""
    return {
        name: value == "true" if name == "reduceOnly" else int(value) if name == "positionIdx" else value
        for name, value in params.items()
    }


class Bybit:
    """An account at Bybit; only the kinds of instrument that are traded here are asked for."""

    def __init__(self, card: VenueCard, credentials: Credentials, clean: Callable[[str], str], until: float) -> None:
        """Raises:
        ValueError: The venue has no address.
        """
        linear = any(":" in name for name in card.instruments)
        self._spot = not linear or any(":" not in name for name in card.instruments)
        self._settles = SETTLES if linear or not card.instruments else ()
        self.line = Line(card.url, signer(credentials), clean, until)
        self.line.outdated = frozenset({"10002"})
        self.line.clock = lambda line: int(line.public("/v5/market/time")["time"])

    def orders(self) -> list[Standing]:
        """Return all open orders."""
        found: list[Standing] = []
        if self._spot:
            for kind in FILTERS:
                found += self._open({"category": "spot", "orderFilter": kind}, kind)
        for settle in self._settles:
            found += self._open({"category": "linear", "settleCoin": settle}, settle)
        return found

    def cancel(self, standing: list[Standing]) -> None:
        """Cancel all orders of the kinds that stand, of all kinds where none is known."""
        kinds = {each.kind for each in standing}
        wanted = [
            {"category": "spot", "orderFilter": kind} for kind in FILTERS if self._spot and (not kinds or kind in kinds)
        ]
        wanted += [
            {"category": "linear", "settleCoin": settle} for settle in self._settles if not kinds or settle in kinds
        ]
        failed: list[Refusal | Unanswered] = []
        for each in wanted:
            try:
                self.line.ask("POST", "/v5/order/cancel-all", each)
            except (Refusal, Unanswered) as error:
                if not isinstance(error, Refusal) or error.code not in NOTHING:
                    failed.append(error)
        if failed:
            raise failed[0]

    def positions(self) -> list[Held]:
        """Return the open positions; `kind` is the venue's place of it in hedge mode."""
        found = []
        for settle in self._settles:
            for each in self._rows("/v5/position/list", {"category": "linear", "settleCoin": settle}):
                quantity = Decimal(str(each.get("size") or 0))
                if quantity:
                    side = str(each["side"])
                    place = str(each.get("positionIdx", 0))
                    signed = quantity if side == "Buy" else -quantity
                    found.append(Held(str(each["symbol"]), signed, "" if place == "0" else side, place))
        return found

    def reduce(self, held: Held) -> str:
        """Close at the market, reduce-only."""
        order = {
            "category": "linear", "symbol": held.symbol, "side": "Sell" if held.quantity > 0 else "Buy",
            "orderType": "Market", "qty": plain(abs(held.quantity)), "reduceOnly": "true", "positionIdx": held.kind,
        }  # fmt: skip
        self._place(order)
        return f"closed {held.text} at the market"

    def sell(self, ours: Ours) -> str:
        """Sell what is ours, at most what is free."""
        free = Decimal(0)
        for account in self._rows("/v5/account/wallet-balance", {"accountType": "UNIFIED", "coin": ours.base}):
            for coin in account.get("coin", ()):
                if coin["coin"] == ours.base:
                    free += Decimal(coin.get("walletBalance") or 0) - Decimal(coin.get("locked") or 0)
        rules = self.line.public(f"/v5/market/instruments-info?category=spot&symbol={ours.symbol}")["result"]["list"]
        step = max((Decimal(each["lotSizeFilter"].get("basePrecision") or 0) for each in rules), default=Decimal(0))
        quantity, less = salable(ours, self._sold(ours), free, step)
        if not quantity:
            return less
        order = {
            "category": "spot", "symbol": ours.symbol, "side": "Sell", "orderType": "Market", "qty": plain(quantity),
            "marketUnit": "baseCoin",
        }  # fmt: skip
        self._place(order)
        return f"sold {plain(quantity)} {ours.base} of {ours.instrument} at the market{less}"

    def close(self) -> None:
        """Let go of the connection."""
        self.line.close()

    def _sold(self, ours: Ours) -> Decimal:
        """Return what was sold since the journal's last fill, and the journal does not know: by a stop, by a kill."""
        now = int(time.time() * 1000) + self.line.offset_ms
        sold = Decimal(0)
        for number, start in enumerate(range(ours.since_ms, now + 1, WEEK_MS)):
            if number == WEEKS:
                raise Unanswered(f"the last fill of {ours.instrument} is more than {WEEKS} weeks old")
            asked = {
                "category": "spot", "symbol": ours.symbol, "startTime": str(start), "endTime": str(start + WEEK_MS - 1),
                "limit": "100",
            }  # fmt: skip
            for each in self._rows("/v5/execution/list", asked):
                if each["side"] == "Sell" and str(each["execId"]) not in ours.known:
                    sold += Decimal(each["execQty"])
        return sold

    def _place(self, order: dict[str, str]) -> None:
        """Send an order once; where no answer came, ask what became of it."""
        name = f"kill-{time.time_ns():x}"
        try:
            self.line.ask("POST", "/v5/order/create", {**order, "orderLinkId": name}, again=False)
        except Unanswered as lost:
            asked = {"category": order["category"], "symbol": order["symbol"], "orderLinkId": name}
            try:
                found = self._rows("/v5/order/realtime", asked)
            except (Refusal, Unanswered) as error:
                raise Unanswered(f"{lost}; asked for it: {error}") from None
            if not found:
                raise Unanswered(f"{lost}; the venue knows of no such order") from None

    def _open(self, asked: dict[str, str], kind: str) -> list[Standing]:
        found = []
        for row in self._rows("/v5/order/realtime", {**asked, "limit": "50"}):
            price = f" at {row['price']}" if Decimal(str(row.get("price") or 0)) else ""
            what = f"{row['symbol']} {str(row.get('side', '')).lower()} {str(row.get('orderType', 'order')).lower()}"
            found.append(
                Standing(
                    row["symbol"], str(row["orderId"]), f"{what} {row.get('qty')}{price} (id {row['orderId']})", kind
                )
            )
        return found

    def _rows(self, path: str, asked: dict[str, str]) -> list[dict[str, Any]]:
        """Return all rows of a list, page by page."""
        rows: list[dict[str, Any]] = []
        cursor = ""
        for _ in range(PAGES):
            answer = self.line.ask("GET", path, {**asked, "cursor": cursor} if cursor else asked)
            result = answer.get("result") if isinstance(answer, dict) else None
            if not isinstance(result, dict) or not isinstance(result.get("list"), list):
                raise Unanswered(f"the venue's answer to {path} has another shape than is known")
            rows += result["list"]
            cursor = str(result.get("nextPageCursor") or "")
            if not cursor or not result["list"]:
                return rows
        raise Unanswered(f"the venue's answer to {path} does not end")
