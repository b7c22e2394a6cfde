"""The wire's types: how a DATE, a TIME, a text or an identifier is read and written (contract 1.4 and 1.5).

A field's `to_internal_value` receives what the client sent, never empty, and returns a Python value or raises
Django's ValidationError with the wire's code, sentence and extra keys. Whether a value may be empty is a rule of the
model, not of its type.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from .messages import invalid
from .parsers import MAX_ID, leading_integer
from .schema import choice, text

_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{1,2})(?::([0-9]{1,2}))?")


class DateField(serializers.Field):
    """A civil day, `YYYY-MM-DD` and nothing else. Gives a `datetime.date`."""

    format = "YYYY-MM-DD"
    schema = text(format="date", example="2026-12-23")

    def to_internal_value(self, data: Any) -> datetime.date:
        match = _DATE.fullmatch(data.strip()) if isinstance(data, str) else None
        try:
            if match:
                return datetime.date(*map(int, match.groups()))
        except ValueError:  # a day that no calendar has
            pass
        raise invalid(
            data,
            _("n'est pas une date valide (format attendu : %(format)s, par exemple 2021-10-21)"),
            format=self.format,
        )


class TimeField(serializers.Field):
    """A civil time of day, `H:m[:s]`, each part of one or two digits. Gives a naive `datetime.time`."""

    format = "H:m[:s]"
    schema = text(pattern=r"^([01]?[0-9]|2[0-3]):[0-5]?[0-9](:[0-5]?[0-9])?$", example="09:00")

    def to_internal_value(self, data: Any) -> datetime.time:
        match = _TIME.fullmatch(data.strip()) if isinstance(data, str) else None
        if match:
            hour, minute, second = (int(part or 0) for part in match.groups())
            if (hour, minute, second) == (24, 0, 0):
                raise invalid(
                    data,
                    _("n'est pas une heure valide (24:00 n'existe pas : indiquez 00:00 du jour suivant)"),
                    format=self.format,
                )
            if hour < 24 and minute < 60 and second < 60:
                return datetime.time(hour, minute, second)
        raise invalid(
            data,
            _("n'est pas une heure valide (format attendu : %(format)s, par exemple 10:30)"),
            format=self.format,
        )


class TextField(serializers.Field):
    """Text, trimmed. A number is read as text; a boolean, a list or an object is refused."""

    schema = {"type": ["string", "number"]}

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, bool) or not isinstance(data, str | int | float):
            raise invalid(data)
        return str(data).strip()


class ChoiceField(TextField):
    """Text that the model takes only when it is one of `values`."""

    def __init__(self, values: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.schema = choice(*values)


class IdentifierField(serializers.Field):
    """An identifier, read leniently: see `leading_integer`. Gives 0 when no record can have it."""

    schema = {"type": ["integer", "string"], "minimum": 1, "maximum": MAX_ID}

    def to_internal_value(self, data: Any) -> int:
        return leading_integer(data)
