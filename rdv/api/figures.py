"""What there is to tell of the rows that are stored, for Prometheus: whoever keeps them declares who tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """`values`: one number, or one for each value of `label`; `counted`: it only grows."""

    name: str
    about: str
    values: float | Mapping[str, float]
    label: str = ""
    counted: bool = False


Teller = Callable[[], Iterable[Figure]]

TELLERS: list[Teller] = []


def declare(teller: Teller) -> None:
    """It is called where measures are wanted and somebody looks at them, outside of any request."""
    if teller not in TELLERS:
        TELLERS.append(teller)
