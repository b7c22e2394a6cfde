"""Civil time and instants: how they are read from filters and written on the wire (contract 1.4, 1.5). Pure."""

from __future__ import annotations

import datetime
import re
from functools import cache
from zoneinfo import ZoneInfo
from zoneinfo import available_timezones as read_timezones

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from .messages import invalid

PARIS = ZoneInfo("Europe/Paris")

# Read from the files of the machine, once.
available_timezones = cache(read_timezones)

MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)"
    # In a query string an unescaped "+" arrives as a space; the wire's own instants have a space before the offset.
    r"(?: ?(Z|[+ -][0-9]{2}:?[0-9]{2}))?)?"
)


def read_moment(text: str, *, end_of_day: bool = False) -> datetime.datetime:
    """A DATE or DATETIME of a filter as a naive civil datetime of Europe/Paris.

    A date alone is its midnight, or the midnight that ends it with `end_of_day`; an offset is converted; without
    offset the time is already civil. What the wire shows can be sent back as it is. Raises ValidationError when the
    text is none of these.
    """
    moment = read_moment_of_any_zone(text, end_of_day=end_of_day)
    try:
        return moment.astimezone(PARIS).replace(tzinfo=None) if moment.tzinfo else moment
    except OverflowError:
        raise _unreadable(text) from None


def read_moment_of_any_zone(text: str, *, end_of_day: bool = False) -> datetime.datetime:
    """The same, where the zone of what is civil is known to the caller alone: aware when it has an offset."""
    match = MOMENT.fullmatch(text.strip())
    try:
        if match:
            day, time, offset = match.groups()
            if time is None:
                midnight = datetime.datetime.fromisoformat(day)
                return _next_midnight(midnight) if end_of_day else midnight
            return datetime.datetime.fromisoformat(f"{day}T{time}{(offset or '').replace(' ', '+')}")
    except ValueError:
        pass
    raise _unreadable(text)


def _unreadable(text: str) -> ValidationError:
    return invalid(
        text,
        _("n'est pas une date ou une date et heure valide (format attendu : %(format)s)"),
        format="YYYY-MM-DD[THH:MM[:SS][±HH:MM]]",
    )


def _next_midnight(midnight: datetime.datetime) -> datetime.datetime:
    """The midnight after `midnight`; after the last day of the calendar, its last moment."""
    try:
        return midnight + datetime.timedelta(days=1)
    except OverflowError:
        return datetime.datetime.combine(midnight, datetime.time.max)


def validate_time_zone(name: str) -> None:
    """Raises ValidationError unless `name` is one of the IANA database."""
    if name not in available_timezones():
        raise ValidationError(_("n'est pas un fuseau horaire connu (exemple : Indian/Reunion)"), code="invalid")


def wire_datetime(moment: datetime.datetime) -> str:
    """An instant as resources and webhooks show it (contract 1.5): `2025-06-10 13:30:00 +0200`, Paris offset."""
    # isoformat and slices: strftime would cost more than the rest of a row.
    text = moment.astimezone(PARIS).isoformat(" ", "seconds")
    return f"{text[:19]} {text[19:22]}{text[23:]}"


def auth_datetime(moment: datetime.datetime | None) -> str | None:
    """An instant as the bodies of `auth/*` show it (contract 1.5): ISO 8601 with milliseconds, Paris offset."""
    return moment.astimezone(PARIS).isoformat(timespec="milliseconds") if moment else None
