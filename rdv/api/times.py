"""Civil time and instants: how they are read from filters and written on the wire (contract 1.4, 1.5). Pure."""

from __future__ import annotations

import datetime
import re
from zoneinfo import ZoneInfo

from django.utils.translation import gettext_lazy as _

from .messages import invalid

PARIS = ZoneInfo("Europe/Paris")

_DATETIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+)?(Z|[+-][0-9]{2}:?[0-9]{2})?")


def read_moment(text: str, *, end_of_day: bool = False) -> datetime.datetime:
    """A DATE or DATETIME of a filter as a naive civil datetime of Europe/Paris.

    A date alone is its midnight, or the midnight that ends it with `end_of_day`; an offset is converted; without
    offset the time is already civil. Raises ValidationError when the text is neither.
    """
    text = text.strip()
    # In a query string an unescaped "+" arrives as a space.
    match = _DATETIME.fullmatch(re.sub(r"(?<=:[0-9]{2}) (?=[0-9]{2}:?[0-9]{2}$)", "+", text))
    try:
        if match:
            moment = datetime.datetime.fromisoformat(match.group())
            if match.group(1) is None and match.group(2) is None:
                return moment + datetime.timedelta(days=1) if end_of_day else moment
            return moment.astimezone(PARIS).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        pass
    raise invalid(
        text,
        _("n'est pas une date ou une date et heure valide (format attendu : %(format)s)"),
        format="YYYY-MM-DD[THH:MM[:SS][±HH:MM]]",
    )


def wire_datetime(moment: datetime.datetime) -> str:
    """An instant as resources and webhooks show it (contract 1.5): `2025-06-10 13:30:00 +0200`, Paris offset."""
    # isoformat and slices: strftime would cost more than the rest of a row.
    text = moment.astimezone(PARIS).isoformat(" ", "seconds")
    return f"{text[:19]} {text[19:22]}{text[23:]}"


def auth_datetime(moment: datetime.datetime | None) -> str | None:
    """An instant as the bodies of `auth/*` show it (contract 1.5): ISO 8601 with milliseconds, Paris offset."""
    return moment.astimezone(PARIS).isoformat(timespec="milliseconds") if moment else None
