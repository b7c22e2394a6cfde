"""What of a resource is shown: `fields` for less, `expand` for more.

Ours, since the packages that exist for it work on serializers, and a read uses none (`Representation`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

from django.core.exceptions import ValidationError

from .messages import not_among
from .parsers import names_in
from .renderers import Representation


@dataclass(frozen=True)
class Expansion:
    """What may be embedded in an object that is shown. `load`, given the caller and the ids of such objects, gives by
    id what the caller may see of it, with one query; `many`: it is a list, else one object or null. `resource`: what
    the scope of a key calls it; None: for every key.
    """

    load: Callable[[Any, Collection[int]], Mapping[int, Any]]
    many: bool = True
    resource: str | None = None


# By its path in the object: "services", or "agent.services".
Expansions = Mapping[str, Expansion]


@dataclass(frozen=True)
class Selection:
    """`columns` are read, and `render` makes the object of them; then each of `expansions` is embedded. `without`: keys
    that were needed on the way, and not asked for.
    """

    columns: tuple[str, ...]
    render: Callable[..., dict[str, Any]]
    expansions: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def embed(self, shown: Sequence[dict[str, Any]], declared: Expansions, caller: Any) -> None:
        """As many queries as there are expansions, however many objects are `shown`."""
        for path in self.expansions:
            at, _dot, name = path.rpartition(".")
            owners = list(_owners(shown, at))
            expansion = declared[path]
            found = expansion.load(caller, {owner["id"] for owner in owners}) if owners else {}
            for owner in owners:
                owner[name] = found.get(owner["id"], [] if expansion.many else None)
        for name in self.without:
            for one in shown:
                del one[name]


def _owners(shown: Sequence[dict[str, Any]], at: str) -> Iterator[dict[str, Any]]:
    """The objects at that path; in a list, each of them."""
    for one in shown:
        within = one[at] if at else one
        if isinstance(within, list):
            yield from within
        elif within is not None:
            yield within


def asked_selection(
    params: Mapping[str, Any], representation: Representation, declared: Expansions, *, narrow: bool
) -> tuple[Selection, dict[str, list[ValidationError]]]:
    """What `fields` and `expand` ask for, and what is wrong with them. `narrow`: only the columns that it takes are to
    be read. What is expanded is shown also when `fields` does not name it.
    """
    failures: dict[str, list[ValidationError]] = {}
    paths = _known(names_in(params.get("expand")), declared, "expand", failures) if declared else []
    # "organisations.territory" has no place without "organisations".
    expansions = tuple(
        dict.fromkeys(one for path in paths for one in (path.rpartition(".")[0], path) if one in declared)
    )
    added = [path for path in expansions if "." not in path]
    names = _known(names_in(params.get("fields")), (*representation.names, *added), "fields", failures)
    if failures or not names:
        return Selection(representation.columns, representation.render, expansions), failures
    wanted = {*names, *(path.partition(".")[0] for path in expansions)}
    without = ("id",) if added and "id" not in wanted else ()
    chosen = tuple(name for name in representation.names if name in wanted or name in without)
    columns, render = _chosen(representation, chosen, narrow)
    return Selection(columns, render, expansions, without), failures


def _known(
    names: list[str], allowed: Collection[str], parameter: str, failures: dict[str, list[ValidationError]]
) -> list[str]:
    unknown = next((name for name in names if name not in allowed), None)
    if unknown is not None:
        failures[parameter] = [not_among(unknown, allowed)]
    return names


@lru_cache(maxsize=256)
def _chosen(
    representation: Representation, names: tuple[str, ...], narrow: bool
) -> tuple[tuple[str, ...], Callable[..., dict[str, Any]]]:
    """The columns to read, and what makes of them the object with `names` alone."""
    whole, parts = representation.render, representation.parts
    if not parts:
        return representation.columns, lambda *row: _picked(whole(*row), names)
    needed = {column for name in names for column in parts[name][0]}
    columns = tuple(one for one in representation.columns if one in needed) if narrow else representation.columns
    place = {"base": 0} | {column: number for number, column in enumerate(columns, 1)}
    made = [(name, _maker(parts[name][1], [place[one] for one in parts[name][0]])) for name in names]
    return columns, lambda *row: {name: make(row) for name, make in made}


def _maker(make: Any, places: list[int]) -> Callable[[tuple[Any, ...]], Any]:
    """What makes a part of a row: of its columns at `places`."""
    pick = itemgetter(*places)
    if make is None:
        return pick
    return (lambda row: make(*pick(row))) if len(places) > 1 else (lambda row: make(pick(row)))


def _picked(whole: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: whole[name] for name in names}
