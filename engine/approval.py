"""The gate's word: only an approved order reaches a venue, and only the risk gate approves.

`Approved` cannot be built without the gate's seal: elsewhere it neither type-checks nor runs.
"""

from __future__ import annotations

from typing import Final, Generic, TypeAlias, TypeVar, final

import msgspec

T = TypeVar("T")


@final
class Seal:
    """What the gate holds and nobody else."""

    __slots__ = ()


_SEAL: Final = Seal()


@final
class Approved(Generic[T]):
    """A value that the risk gate has let pass; nothing of it can be changed."""

    __slots__ = ("_value",)
    _value: T

    def __init__(self, value: T, seal: Seal) -> None:
        """Only `risk.gate` calls this.

        Raises:
            TypeError: The seal is not the gate's.
        """
        if seal is not _SEAL:
            raise TypeError("an order is approved by the risk gate alone")
        object.__setattr__(self, "_value", value)

    @property
    def value(self) -> T:
        """What was approved."""
        return self._value

    def __setattr__(self, name: str, value: object) -> None:
        raise TypeError("what was approved cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise TypeError("what was approved cannot be changed")

    def __init_subclass__(cls) -> None:
        raise TypeError("what is approved is of this class alone")

    def __repr__(self) -> str:
        return f"Approved({self._value!r})"


def released(order: Approved[T]) -> T:
    """Return what was approved, to be sent; a venue calls this before anything else.

    Raises:
        TypeError: It is not the gate's approval, whatever the type checker was told.
    """
    if type(order) is not Approved:
        raise TypeError(f"{type(order).__name__} has not been approved by the risk gate, and is not sent")
    return order.value


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """The gate does not let an order pass.

    `reason` is the limit's name (stable, for programs), `limit` and `observed` its bound and what was found, as text
    with units; `text` is the sentence for people: what happened, with numbers, and what can be done.
    """

    reason: str
    limit: str
    observed: str
    text: str


Verdict: TypeAlias = Approved[T] | Refused
