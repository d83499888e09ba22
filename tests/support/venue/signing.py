"""Keys, signatures and clocks, checked as Binance and Bybit check them."""

from __future__ import annotations

import hashlib
import hmac

from tests.support.venue.orders import Refusal

KEY = "venue-key-4f1c"
SECRET = "venue-secret-9d27-do-not-print"
"""The only pair that the venue knows, and what searches for leaked secrets look for."""


def signature(text: str) -> str:
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()


def binance(key: str, signed: str, said: str, stamp: str, window: str, now_ms: int) -> None:
    """Check a signed request of Binance.

    Raises:
        Refusal: A wrong key, signature or time.
    """
    if not key:
        raise Refusal("no key")
    if key != KEY:
        raise Refusal("key")
    if not hmac.compare_digest(signature(signed), said):
        raise Refusal("signature")
    if not stamp.isdigit():
        raise Refusal("parameter", "timestamp")
    if int(stamp) >= now_ms + 1000:
        raise Refusal("ahead")
    if now_ms - int(stamp) > int(window or 5000):
        raise Refusal("behind")


def bybit(key: str, stamp: str, window: str, text: str, said: str, now_ms: int) -> None:
    """Check a signed request of Bybit.

    Raises:
        Refusal: A wrong key, signature or time.
    """
    if key != KEY:
        raise Refusal("key")
    if not hmac.compare_digest(signature(f"{stamp}{key}{window}{text}"), said):
        raise Refusal("signature")
    if not now_ms - int(window or 5000) <= int(stamp) < now_ms + 1000:
        raise Refusal("behind")
