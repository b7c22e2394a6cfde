"""Columns that follow a text column of their row without accents or case, and how text is put in order and looked into:
the same on every database, whose own ways of comparing text differ from each other and from machine to machine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from django.db import models, transaction
from django.db.models import Func, Lookup, Q, QuerySet

from .folding import fold

# Rows that are filled at a time.
BATCH = 500


class FoldedField(models.TextField):
    """Follows another text field of the row, folded; written with it, in bulk too. With `null`, no value and nothing
    but accents are null.
    """

    def __init__(self, *, of: str, **kwargs: Any) -> None:
        self.of = of
        super().__init__(editable=False, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["editable"]
        return name, path, args, kwargs | {"of": self.of}

    def pre_save(self, model_instance: models.Model, add: bool) -> str | None:
        folded = fold(getattr(model_instance, self.of) or "") or (None if self.null else "")
        setattr(model_instance, self.attname, folded)
        return folded


@FoldedField.register_lookup
class Holds(Lookup):
    """`folded_name__holds="x"`: where the text is somewhere in the column. Not LIKE: SQLite refuses long patterns."""

    lookup_name = "holds"

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        column, column_parameters = self.process_lhs(compiler, connection)
        text, parameters = self.process_rhs(compiler, connection)
        function = "STRPOS" if connection.vendor == "postgresql" else "INSTR"
        return f"{function}({column}, {text}) > 0", [*column_parameters, *parameters]


class CodePoints(Func):
    """Text in the order of its code points: what SQLite does, and PostgreSQL when it is told to."""

    arity = 1

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template='%(expressions)s COLLATE "C"', **extra)

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="%(expressions)s", **extra)


class Folding(models.Model):
    """A model with folded columns: they are written whenever what they follow is."""

    class Meta:
        abstract = True

    def save(self, **kwargs: Any) -> None:
        named = kwargs.get("update_fields")
        if named is not None:
            kwargs["update_fields"] = with_folded(type(self), named)
        for field in _folded(type(self)):
            if field.attname not in self.__dict__ and field.of in self.__dict__:
                field.pre_save(self, add=False)  # left out when the row was read: it would not be saved
        super().save(**kwargs)


def _folded(model: type[models.Model]) -> list[FoldedField]:
    return [field for field in model._meta.concrete_fields if isinstance(field, FoldedField)]


def with_folded(model: type[models.Model], columns: Iterable[str]) -> set[str]:
    """`columns`, and the folded ones that follow them."""
    named = set(columns)
    return named | {field.name for field in _folded(model) if field.of in named}


def plain_columns(model: type[models.Model], *without: str) -> tuple[str, ...]:
    """The columns of `model` that say something by themselves."""
    fields = [field for field in model._meta.concrete_fields if not isinstance(field, FoldedField)]
    return tuple(field.attname for field in fields if field.name not in without)


def holding(queryset: QuerySet[Any], words: Collection[str], *columns: str) -> QuerySet[Any]:
    """The rows of `queryset` with each of `words` somewhere in one of `columns`, which are folded as they are."""
    for word in words:
        queryset = queryset.filter(Q(*((f"{column}__holds", word) for column in columns), _connector=Q.OR))
    return queryset


def fill(model: Any, using: str) -> None:
    """In a migration: the folded columns of rows that were there before them. Some rows at a time, locked, so that
    whoever changes one meanwhile is not undone.
    """
    folded = _folded(model)
    rows = model._default_manager.using(using).order_by("pk").only("pk", *(field.of for field in folded))
    last = 0
    while True:
        with transaction.atomic(using=using):
            batch = list(rows.select_for_update().filter(pk__gt=last)[:BATCH])
            for row in batch:
                for field in folded:
                    field.pre_save(row, add=False)
            rows.bulk_update(batch, [field.name for field in folded])
        if len(batch) < BATCH:
            return
        last = batch[-1].pk
