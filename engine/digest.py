"""The state hash: one number for books, bars and COB, equal wherever the same records were applied."""

from __future__ import annotations

import hashlib

import msgspec

from engine.state import EngineState

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


def state_hash(state: EngineState) -> str:
    """Return a hash of every instrument's state in canonical order (hexadecimal, 64 digits)."""
    digest = hashlib.sha256(b"%d" % state.connections)
    account = state.account
    if account is not None and account.orders.by_id:
        digest.update(_encode(_wide(account.state())))
    for key in sorted(state.markets):
        digest.update(_encode(_wide(state.markets[key].state())))
    return digest.hexdigest()


def _wide(value: object) -> object:
    """Write integers beyond 64 bits, which notionals of cheap coins reach, as text."""
    if isinstance(value, bool) or value is None or isinstance(value, str | float):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, msgspec.Struct):
        return [_wide(getattr(value, name)) for name in value.__struct_fields__]
    if isinstance(value, dict):
        return {key: _wide(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_wide(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no place in the state hash")
