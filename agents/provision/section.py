"""What every section of the file has in common: rows to create, rows to change, and the model's rules asked of both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models

from agents.models import Recorded
from agents.record import row_changed, row_created
from rdv.api.folded import with_folded

from .document import Problems, Shape

Row = TypeVar("Row", bound=models.Model)

# How many rows one statement names, or writes where the database itself does not ask for fewer.
BATCH = 2000

# Follows a long loop: gets what is looped over and a word for it, gives it back; a progress bar, or nothing.
Track = Callable[[Sequence[Any], str], Iterable[Any]]


class ChangedMeanwhile(Exception):
    """Somebody else changed a row between our look at it and our change."""


def untracked(things: Sequence[Any], label: str) -> Iterable[Any]:
    return things


def batches(things: Sequence[Any]) -> list[Sequence[Any]]:
    return [things[start : start + BATCH] for start in range(0, len(things), BATCH)]


class Section(Generic[Row]):
    """One list of the file against what is stored; nothing is written before `write`.

    `created` and `updated` hold rows that are unsaved, or carry values that are not stored yet.
    """

    name: ClassVar[str]
    shape: ClassVar[Shape]
    # The columns whose rules are asked of the model's fields.
    columns: ClassVar[tuple[str, ...]]

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.created: list[Row] = []
        self.updated: list[Row] = []
        self.unchanged = 0
        self._paths: dict[Any, str] = {}
        self._unchecked: dict[type[models.Model], set[str]] = {}

    def tally(self) -> str:
        return f"{len(self.created)} created, {len(self.updated)} updated, {self.unchanged} unchanged"

    def is_repeated(self, key: Any, path: str) -> bool:
        """Whether an earlier item of the file has the same `key`, which is then a problem."""
        first = self._paths.setdefault(key, path)
        if first != path:
            self.problems.add(path, f"the same as {first}")
        return first != path

    def give(self, row: Row, values: Mapping[str, Any], path: str, *, new: bool) -> set[str]:
        """Give `row` the `values` of the file, and ask the model's rules; gives the columns that changed."""
        changed = {column for column, value in values.items() if getattr(row, column) != value}
        for column in changed:
            setattr(row, column, values[column])
        if new:
            self.check(row, self.columns, path)
        elif changed:
            self.check(row, changed.intersection(self.columns), path)
        return changed

    def count(self, row: Row, changed: Iterable[str], *, new: bool) -> None:
        if new:
            self.created.append(row)
        elif changed:
            self.updated.append(row)
        else:
            self.unchanged += 1

    def check(self, row: Row, columns: Iterable[str], path: str) -> None:
        """Ask the model's fields, for `columns`, then its `clean`: the same rules as everywhere."""
        # A value that must be there and is not could not be read, which was told.
        fields = row._meta.get_field
        unread = {column for column in columns if getattr(row, column) in (None, "") and not fields(column).blank}
        excluded = self._excluded(type(row)).difference(columns) | unread
        for rules in (lambda: row.clean_fields(exclude=excluded), row.clean):
            try:
                rules()
            except ValidationError as failure:
                for column, failures in failure.update_error_dict({}).items():
                    where = path if column == NON_FIELD_ERRORS else f"{path}.{column}"
                    for each in failures:
                        self.problems.add_failure(where, each)

    def _excluded(self, model: type[models.Model]) -> set[str]:
        if model not in self._unchecked:
            self._unchecked[model] = {field.name for field in model._meta.fields}
        return self._unchecked[model]


def stored(queryset: models.QuerySet[Any], column: str, values: Iterable[Any]) -> Iterator[Any]:
    """What `queryset` gives where `column` is one of `values`, asked for in batches."""
    for batch in batches(list(values)):
        yield from queryset.filter(**{f"{column}__in": batch})


def create(model: type[models.Model], rows: Sequence[Any], track: Track = untracked, label: str = "") -> None:
    for batch in track(batches(rows), label):
        model._default_manager.bulk_create(batch, batch_size=BATCH)
        for row in batch:
            if isinstance(row, Recorded):
                row_created(row)


def change(
    model: type[models.Model], rows: Sequence[Any], columns: Iterable[str], track: Track = untracked, label: str = ""
) -> None:
    """Write `columns` of stored `rows`. By way of an insert that meets the row it was made from: five times as fast as
    `bulk_update`, for which every row is a branch of one long CASE. The rows must be whole. Raises ChangedMeanwhile
    when one is gone.
    """
    for batch in track(batches(rows), label):
        locked = model._default_manager.select_for_update(no_key=True).filter(pk__in=[row.pk for row in batch])
        if len(locked.order_by("pk").values_list("pk")) < len(batch):
            raise ChangedMeanwhile
        written = tuple(with_folded(model, columns))
        model._default_manager.bulk_create(
            batch, batch_size=BATCH, update_conflicts=True, unique_fields=("pk",), update_fields=written
        )
        for row in batch:
            if isinstance(row, Recorded):
                row_changed(row, columns)
