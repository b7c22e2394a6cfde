"""The orders of a list: its own, and those that `sort` asks for. Always total, the primary key last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Field, Q, QuerySet
from django.db.models.expressions import OrderBy

from .folded import CodePoints
from .messages import not_among
from .parsers import names_in


@dataclass(frozen=True)
class Term:
    """One column of an order. Text goes by its code points; rows without a value come last, in both directions."""

    field: Field[Any, Any]
    descending: bool = False

    @property
    def name(self) -> str:
        """How the column is called in a queryset that the order was laid `on`."""
        return f"{self.field.attname}_in_order" if self.text else self.field.attname

    @property
    def text(self) -> bool:
        return isinstance(self.field, models.CharField | models.TextField)

    def expression(self) -> OrderBy:
        return OrderBy(F(self.name), descending=self.descending, nulls_last=self.field.null or None)

    def beyond(self, value: Any) -> Q | None:
        """What comes after `value`; None: nothing does."""
        if value is None:
            return None
        further = Q((f"{self.name}__{'lt' if self.descending else 'gt'}", value))
        return further | Q((f"{self.name}__isnull", True)) if self.field.null else further

    def at(self, value: Any) -> Q:
        return Q((f"{self.name}__isnull", True)) if value is None else Q((self.name, value))


@dataclass(frozen=True)
class Order:
    """`terms`, of which the last is the primary key; `name`: how it was asked for, "" for the list's own order."""

    terms: tuple[Term, ...]
    name: str = ""

    @classmethod
    def of(cls, queryset: QuerySet[Any]) -> Order:
        """The order that `queryset` has, of columns that are never null and no text."""
        meta = queryset.model._meta
        named = [(str(name).removeprefix("-"), str(name).startswith("-")) for name in queryset.query.order_by]
        return cls(tuple(Term(meta.pk if name == "pk" else meta.get_field(name), down) for name, down in named))

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(term.field.attname for term in self.terms)

    def on(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """`queryset` in this order."""
        if not self.name:
            return queryset
        texts = {term.name: CodePoints(term.field.attname) for term in self.terms if term.text}
        rows: QuerySet[Any] = queryset.alias(**texts)
        return rows.order_by(*(term.expression() for term in self.terms))

    def after(self, queryset: QuerySet[Any], key: Sequence[Any]) -> QuerySet[Any]:
        """The rows of `queryset`, which is in this order, that come after the one whose values in it are `key`."""
        beyond: Q | None = None
        for term, value in reversed(list(zip(self.terms, key, strict=True))):
            rest = term.at(value) & beyond if beyond else None
            further = term.beyond(value)
            beyond = further | rest if further and rest else further or rest
        first = self.terms[0]
        if not first.field.null:
            # Said once more of the first column alone: an index can begin there.
            queryset = queryset.filter(Q((f"{first.name}__{'lte' if first.descending else 'gte'}", key[0])))
        return queryset.filter(beyond or Q())


@lru_cache(maxsize=256)
def _order(model: Any, columns: tuple[tuple[str, str, bool], ...]) -> Order:
    """`columns`: wire name, column, whether it is descending. A model may have more, which its `for_wire` computes."""
    meta, computed = model._meta, getattr(model, "COMPUTED", {})
    terms = []
    for _name, column, descending in columns:
        terms.append(Term(computed.get(column) or meta.get_field(column), descending))
        if terms[-1].field.primary_key:
            break  # nothing is equal any more
    else:
        terms.append(Term(meta.pk, terms[-1].descending))
    return Order(tuple(terms), ",".join(f"{'-' if down else ''}{name}" for name, _column, down in columns))


def asked_order(
    params: Mapping[str, Any], model: type[models.Model], sorts: Mapping[str, str]
) -> tuple[Order | None, dict[str, list[ValidationError]]]:
    """The order that `sort` and `order` ask for, None for the list's own; and what is wrong with them.

    `sort` names columns of `sorts`, the wire's names, with commas. Those with a "-" go down, and all of them do with
    `order=desc`. A name that comes twice counts once. Rows that are equal in all of them follow by their id, in the
    direction of the last one.
    """
    failures: dict[str, list[ValidationError]] = {}
    direction = params.get("order")
    direction = direction.strip().lower() if isinstance(direction, str) else direction
    if direction not in (None, "", "asc", "desc"):
        failures["order"] = [not_among(params["order"], ("asc", "desc"))]
    columns: dict[str, tuple[str, str, bool]] = {}
    for signed in names_in(params.get("sort")):
        name = signed.removeprefix("-").removeprefix("+").strip()
        if name in sorts:
            columns.setdefault(name, (name, sorts[name], direction == "desc" or signed.startswith("-")))
        else:
            failures.setdefault("sort", []).append(not_among(name, sorts))
            break
    return _order(model, tuple(columns.values())) if columns and not failures else None, failures
