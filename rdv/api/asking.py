"""What a read asks for beside its filters: `sort`, `order`, `q`, `fields`, `expand`. Most ask for nothing of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from .errors import Invalid
from .pagination import Reading
from .registry import Parameter
from .schema import choice, text
from .searching import LONGEST, asked_words
from .selecting import Selection, asked_selection
from .sorting import asked_order

OF_A_LIST = frozenset({"sort", "order", "q"})
OF_ANY = frozenset({"fields", "expand"})


@dataclass(frozen=True)
class Asked:
    """How a list goes: what is read of a row, in which order; what is shown of it; the words to be found, if any."""

    reading: Reading
    selection: Selection
    words: list[str] | None = None


def asks(params: Mapping[str, Any], names: frozenset[str]) -> bool:
    return not params.keys().isdisjoint(names)


def asked_of_a_list(params: Mapping[str, Any], usual: Asked, *, view: Any) -> Asked:
    """What `params` ask of `view`'s list, which goes as `usual` else. Raises Invalid (422) with all that is wrong."""
    order, failures = asked_order(params, view.model, view.sorts) if view.sorts else (None, {})
    words, unreadable = asked_words(params) if view.searched else (None, [])
    if unreadable:
        failures["q"] = unreadable
    selection, unknown = asked_selection(params, view.representation, view.expansions, narrow=True)
    failures |= unknown
    if failures:
        raise Invalid(failures)
    reading = Reading(selection.columns, order or usual.reading.order)
    return Asked(reading, selection, words)


def asked_of_one(params: Mapping[str, Any], usual: Asked, *, view: Any) -> Asked:
    """The same of what shows a single row."""
    selection, failures = asked_selection(params, view.representation, view.expansions, narrow=False)
    if failures:
        raise Invalid(failures)
    return Asked(usual.reading, selection)


def parameters(view: Any, action: str) -> Iterator[Parameter]:
    """What of this an action of `view` reads, as the registry has it."""
    if action == "list" and view.sorts:
        yield Parameter(
            "sort",
            _(
                "L'ordre de la liste : un ou plusieurs noms, séparés par des virgules, `-` devant ceux qui "
                "décroissent. Ce qui n'a pas de valeur vient en dernier."
            ),
            _names(view.sorts, sign="-?"),
        )
        yield Parameter("order", _("`desc` : tous les noms de `sort` décroissent."), choice("asc", "desc", ""))
    if action == "list" and view.searched:
        about = _("Des mots à trouver, tous, sans égard aux accents ni à la casse, dans : {names}.")
        yield Parameter("q", format_lazy(about, names=", ".join(view.searched)), text(maxLength=LONGEST))
    if action in ("list", "retrieve", "create", "update"):
        yield Parameter(
            "fields",
            _("Les seules clés à montrer, séparées par des virgules."),
            _names(view.representation.names),
        )
        if view.expansions:
            yield Parameter(
                "expand",
                _("Ce qui est à montrer de plus, séparé par des virgules ; de cela, ce que l'on a le droit de voir."),
                _names(view.expansions),
            )


def _names(names: Iterable[str], sign: str = "") -> dict[str, Any]:
    """The type of a list of names with commas. `x-names`, for programs: the names by themselves."""
    known = list(names)
    one = f"{sign}({'|'.join(re.escape(name) for name in known)})"
    return text(pattern=f"^({one}(,{one})*)?$", example=known[0]) | {"x-names": known}
