"""Filters of lists, declared with django-filter and read from the merged parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from rest_framework.request import Request

from .errors import Invalid
from .fields import IdentifierField
from .messages import invalid
from .parsers import leading_integer
from .schema import text
from .times import MOMENT, read_moment


class _LenientIdField(forms.Field):
    def clean(self, value: Any) -> int | None:
        return None if value in (None, "") else leading_integer(value)


class IdFilter(django_filters.Filter):
    """An identifier. Absent or empty: no filter. Unreadable: finds nothing, so that the list never grows."""

    field_class = _LenientIdField
    schema = IdentifierField.schema


class _TextField(forms.Field):
    def clean(self, value: Any) -> str | None:
        if value in (None, ""):
            return None
        if not isinstance(value, str):
            raise invalid(value)
        return value


class TextFilter(django_filters.Filter):
    """Text, as given: neither trimmed nor folded. Absent or empty: no filter. A list (`name[]`) is refused."""

    field_class = _TextField
    schema = text()


class _MomentField(forms.Field):
    def __init__(self, *, end_of_day: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.end_of_day = end_of_day

    def clean(self, value: Any) -> Any:
        if value in (None, ""):
            return None
        return read_moment(value if isinstance(value, str) else str(value), end_of_day=self.end_of_day)


class MomentFilter(django_filters.Filter):
    """A DATE or DATETIME, given to the method as a naive civil datetime (see `read_moment`)."""

    field_class = _MomentField
    schema = text(example="2026-12-01", pattern=rf"^({MOMENT.pattern})?$")


def asks_for_less(filters: type[django_filters.FilterSet], params: Mapping[str, Any]) -> bool:
    """Whether `params` holds any of the filters: most lists do not, and are spared the form."""
    return not params.keys().isdisjoint(filters.base_filters)


def filtered(
    queryset: QuerySet[Any], filters: type[django_filters.FilterSet], params: Mapping[str, Any], request: Request
) -> QuerySet[Any]:
    """`queryset` narrowed by the parameters that `filters` knows.

    Raises Invalid (422) naming each known parameter whose value cannot be read: a list is never silently wider.
    """
    bound = filters(data=params, queryset=queryset, request=request)
    if not bound.is_valid():
        failures: dict[str, list[ValidationError]] = bound.form.errors.as_data()
        raise Invalid(failures)
    return cast("QuerySet[Any]", bound.qs)
