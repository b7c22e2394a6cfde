"""Lists that are narrowed by filters and words: what is compiled for one serves all that are narrowed alike, whatever
the caller and the values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, cast

from django.db.models import Count, QuerySet, TextField, Value

from .filters import NOTHING, WireFilters
from .pagination import Fetch, Reading
from .sorting import Order
from .statements import Parameter, Statement


@dataclass(frozen=True)
class Narrowing:
    """By which filters, by name, and by how many words a list of `model` is narrowed for a caller of that type."""

    model: Any
    caller: Any
    filters: type[WireFilters] | None
    names: tuple[str, ...]
    words: int

    @classmethod
    def of(cls, view: Any, values: Mapping[str, Any], words: Sequence[str] = ()) -> Narrowing:
        return cls(view.model, type(view.request.user), view.filters, tuple(values), len(words))

    def rows(self) -> Any:
        """The rows, of a caller and values to come."""
        caller = self.caller.to_come()
        rows = self.model.objects.visible_to(caller)
        if self.filters and self.names:
            filters = self.filters(queryset=rows, request=SimpleNamespace(user=caller))
            rows = filters.narrowed({name: filters.to_come(name) for name in self.names})
        if self.words:
            rows = rows.searched([Parameter(f"word:{place}", TextField()) for place in range(self.words)])
        return rows

    def filling(self, caller: Any, values: Mapping[str, Any], words: Sequence[str] = ()) -> dict[str, Any]:
        """What fills in what was to come."""
        filled = self.filters.filling(values) if self.filters else {}
        return {**caller.reach.values(), **filled, **{f"word:{place}": word for place, word in enumerate(words)}}


@lru_cache(maxsize=256)
def _total(narrowing: Narrowing) -> Statement:
    def build() -> QuerySet[Any]:
        together = narrowing.rows().order_by().annotate(together=Value(1)).values("together")
        return cast("QuerySet[Any]", together.annotate(total=Count("*")).values_list("total"))

    return Statement(build, planned=False)


@lru_cache(maxsize=256)
def _page(
    narrowing: Narrowing, columns: tuple[str, ...], order: Order, start: int, size: int, after: tuple[bool, ...] | None
) -> Statement:
    """`after`: which columns of the place to begin after have a value; what comes after none is other SQL."""

    def build() -> QuerySet[Any]:
        rows = order.on(narrowing.rows().for_wire())
        if after is not None:
            terms = enumerate(zip(order.terms, after, strict=True))
            rows = order.after(rows, [Parameter(f"key:{n}", term.field) if has else None for n, (term, has) in terms])
        return rows.values_list(*columns)[start : start + size]

    return Statement(build, planned=False)


def _nothing(start: int, size: int, key: Sequence[Any] | None = None) -> tuple[int, Sequence[tuple[Any, ...]]]:
    return 0, ()


def narrowed(view: Any, reading: Reading, values: Mapping[str, Any], words: Sequence[str] | None) -> Fetch:
    """How the rows that the caller of `view` sees are counted and read, narrowed by the `values` of its filters and by
    `words`; None: by no words; of no words left to look for, nothing is found.
    """
    if (words is not None and not words) or NOTHING in values.values():
        return _nothing
    narrowing = Narrowing.of(view, values, words or ())
    filling = narrowing.filling(view.request.user, values, words or ())

    def fetch(start: int, size: int, key: Sequence[Any] | None = None) -> tuple[int, Sequence[tuple[Any, ...]]]:
        total = next(iter(_total(narrowing).run(**filling)), (0,))[0]
        if start >= total:
            return total, ()
        after = None if key is None else tuple(value is not None for value in key)
        page = _page(narrowing, reading.columns, reading.order, start, size, after)
        return total, list(page.run(**filling, **{f"key:{place}": value for place, value in enumerate(key or ())}))

    return fetch


class NarrowedAlike:
    """A view whose narrowed lists share what is compiled. Its model's `visible_to` asks the database for what of the
    reach it depends on: when it is called, that is still to come.
    """

    def fetch_narrowed(self, values: Mapping[str, Any], words: Sequence[str] | None) -> Fetch:
        return narrowed(self, cast("Any", self).asked.reading, values, words)
