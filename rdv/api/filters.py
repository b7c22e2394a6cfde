"""Filters of lists, declared with django-filter and read from the merged parameters.

Each of them can be part of a queryset whose values come later, so that lists that are narrowed alike share what is
compiled (narrowing.py): for the value that is to come, its method is given `to_come`, which `filling` then fills in.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db import models

from .errors import Invalid
from .fields import IdentifierField
from .folding import fold
from .messages import invalid
from .parsers import leading_integer
from .schema import text
from .statements import Parameter
from .times import MOMENT, PARIS, read_moment

# What a filter says that no row fulfils.
NOTHING = object()

# The instants that both databases can be asked for, and all that ever happened.
FIRST, LAST = datetime.datetime.fromisoformat("1970-01-01"), datetime.datetime.fromisoformat("9999-01-01")


class WireFilter(django_filters.Filter):
    """A filter whose value is one parameter of a statement, of the type of `column`."""

    column: models.Field[Any, Any] = models.TextField()

    def to_come(self, name: str) -> Any:
        """What stands for the value of the filter `name`."""
        return Parameter(f"filter:{name}", self.column)

    def filling(self, name: str, value: Any) -> dict[str, Any]:
        """The parameters of `to_come`, of a value as it was read."""
        return {f"filter:{name}": value}


class _LenientIdField(forms.Field):
    def clean(self, value: Any) -> int | None:
        return None if value in (None, "") else leading_integer(value)


class IdFilter(WireFilter):
    """An identifier. Absent or empty: no filter. Unreadable: finds nothing, so that the list never grows."""

    field_class = _LenientIdField
    schema = IdentifierField.schema
    column = models.BigIntegerField()


class _TextField(forms.Field):
    def clean(self, value: Any) -> Any:
        if value in (None, ""):
            return None
        if not isinstance(value, str):
            raise invalid(value)
        return value


class TextFilter(WireFilter):
    """Text, as given: neither trimmed nor folded. Absent or empty: no filter. A list (`name[]`) is refused."""

    field_class = _TextField
    schema = text()


class _FoldedTextField(_TextField):
    def clean(self, value: Any) -> Any:
        given = super().clean(value)
        return given and (fold(given) or NOTHING)  # of accents alone nothing is left, and every text would contain it


class FoldedTextFilter(TextFilter):
    """Text without its accents and case. Absent or empty: no filter."""

    field_class = _FoldedTextField


class _MomentField(forms.Field):
    def __init__(self, *, end_of_day: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.end_of_day = end_of_day

    def clean(self, value: Any) -> Any:
        if value in (None, ""):
            return None
        return read_moment(value if isinstance(value, str) else str(value), end_of_day=self.end_of_day)


class MomentToCome:
    """Stands for a civil datetime, of which a queryset asks the day and the time."""

    def __init__(self, name: str) -> None:
        self.name = name

    def date(self) -> Parameter:
        return Parameter(f"filter:{self.name}:day", models.DateField())

    def time(self) -> Parameter:
        return Parameter(f"filter:{self.name}:time", models.TimeField())


class MomentFilter(WireFilter):
    """A DATE or DATETIME, given to the method as a naive civil datetime (see `read_moment`)."""

    field_class = _MomentField
    schema = text(example="2026-12-01", pattern=rf"^({MOMENT.pattern})?$")

    def to_come(self, name: str) -> MomentToCome:
        return MomentToCome(name)

    def filling(self, name: str, value: datetime.datetime) -> dict[str, Any]:
        return {f"filter:{name}:day": value.date(), f"filter:{name}:time": value.time()}


class _InstantField(_MomentField):
    def clean(self, value: Any) -> Any:
        moment = super().clean(value)
        return moment and min(max(moment, FIRST), LAST).replace(tzinfo=PARIS)


class InstantFilter(WireFilter):
    """A DATE or DATETIME as an instant: civil times are those of Europe/Paris."""

    field_class = _InstantField
    schema = MomentFilter.schema
    column = models.DateTimeField()


class WireFilters(django_filters.FilterSet):
    """The filters of a list. Each narrows it; together they are combined with "and"."""

    @classmethod
    def asked(cls, params: Mapping[str, Any]) -> bool:
        """Whether `params` holds any of them: most lists do not."""
        return not params.keys().isdisjoint(cls.base_filters)

    @classmethod
    def read(cls, params: Mapping[str, Any]) -> dict[str, Any]:
        """What those say that say something.

        Raises Invalid (422) naming each known parameter whose value cannot be read: a list is never silently wider.
        """
        values: dict[str, Any] = {}
        failures: dict[str, list[ValidationError]] = {}
        for name, one in cls.base_filters.items():
            try:
                value = one.field.clean(params.get(name))
            except ValidationError as error:
                failures[name] = error.error_list
            else:
                values |= {} if value is None else {name: value}
        if failures:
            raise Invalid(failures)
        return values

    @classmethod
    def filling(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters of a queryset whose values were to come."""
        filled: dict[str, Any] = {}
        for name, value in values.items():
            filled |= cls.base_filters[name].filling(name, value)
        return filled

    def to_come(self, name: str) -> Any:
        """What stands for the value of this filter."""
        return self.base_filters[name].to_come(name)

    def narrowed(self, values: Mapping[str, Any]) -> Any:
        """The queryset that this was made with, narrowed by values as they were read, or by what stands for them."""
        rows = self.queryset
        if NOTHING in values.values():
            return rows.none()
        for name, value in values.items():
            rows = self.filters[name].filter(rows, value)
        return rows


def filtered(queryset: Any, filters: type[WireFilters], params: Mapping[str, Any], request: Any) -> Any:
    """`queryset` narrowed by the parameters that `filters` knows. Raises Invalid (422), see `read`."""
    return filters(queryset=queryset, request=request).narrowed(filters.read(params))
