"""What was read of a file: items and refusals, each where it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

Values = dict[str, Any]  # parameters of the API, as a client would send them
MOST_REFUSALS = 1000


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a line is not taken: `field` as the file calls it, "" for the line as a whole."""

    line: int
    field: str
    failure: ValidationError


@dataclass(frozen=True, slots=True)
class Item:
    """An absence of the file. `values` gives its parameters in the zone where the agent lives, or raises
    ValidationError, by field; `places` tells, of a parameter, what the file calls it and where that stands.
    """

    line: int
    values: Callable[[str], Values]
    places: Mapping[str, tuple[str, int]]
    agent_id: Any = None
    agent_email: Any = None
    uid: str | None = None
    overrides: Callable[[str], dict[str, dict[str, str]]] | None = None
    agent_external_id: str | None = None  # as it stands there: with its system, or without

    def place(self, parameter: str) -> tuple[str, int]:
        return self.places.get(parameter, (parameter, self.line))


@dataclass(slots=True)
class Sheet:
    """A file, read: what it holds, what is not taken, and the columns that say nothing to us."""

    items: list[Item] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    left_out: int = 0  # refusals beyond MOST_REFUSALS

    def refuse(self, line: int, field: str, message: Any, code: str = "invalid", **params: Any) -> None:
        self.add(Refusal(line, field, ValidationError(message, code=code, params=params or None)))

    def add(self, refusal: Refusal) -> None:
        """The first thousand are told one by one, of the others how many they are."""
        if len(self.refusals) < MOST_REFUSALS:
            self.refusals.append(refusal)
        else:
            self.left_out += 1


TOO_MANY = _("contient trop d'absences (pas plus de %(count)s par fichier)")
