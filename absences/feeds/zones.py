"""The VTIMEZONE of any zone of the IANA database, good for years without end (RFC 5545 section 3.6.5). Pure.

Ours, since icalendar's lists each change of the clock up to some day, says so in a comment that ends up in people's
calendars, and begins summer an hour late; it is the oracle of the tests.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

# Absences are not before 2018; of what changed earlier nothing is told.
FIRST_YEAR = 2017
# Years looked through for what comes each year alike; of a zone without such a rule, this is all that is told.
YEARS = 30
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Change:
    """The clock goes from one offset to another, at `at`: a civil time by the former one (RFC 5545)."""

    at: datetime.datetime
    before: datetime.timedelta
    after: datetime.timedelta
    name: str
    summer: bool


@lru_cache(maxsize=256)
def changes(tzid: str) -> tuple[Change, ...]:
    """Those of `YEARS` years, in their order."""
    return tuple(_changes(ZoneInfo(tzid)))


@lru_cache(maxsize=256)
def days_of_change(tzid: str) -> frozenset[datetime.date]:
    return frozenset(one.at.date() for one in changes(tzid))


def _changes(zone: ZoneInfo) -> Iterator[Change]:
    day = datetime.datetime(FIRST_YEAR, 1, 1, tzinfo=datetime.UTC)
    end = day.replace(year=FIRST_YEAR + YEARS)
    while day < end:
        if _offset(day, zone) != _offset(day + DAY, zone):
            low, high = 0, 24 * 60  # minutes
            while high - low > 1:
                middle = (low + high) // 2
                same = _offset(day + middle * DAY / 1440, zone) == _offset(day, zone)
                low, high = (middle, high) if same else (low, middle)
            instant = day + high * DAY / 1440
            before, after = _offset(day, zone), _offset(instant, zone)
            local = instant.astimezone(zone)
            yield Change(
                (instant + before).replace(tzinfo=None), before, after, local.tzname() or "", bool(local.dst())
            )
        day += DAY


def _offset(instant: datetime.datetime, zone: ZoneInfo) -> datetime.timedelta:
    return instant.astimezone(zone).utcoffset() or datetime.timedelta()


@lru_cache(maxsize=256)
def vtimezone(tzid: str) -> str:
    """With CRLF after each line."""
    kinds: dict[tuple[object, ...], list[Change]] = {}
    for one in changes(tzid):
        kinds.setdefault((one.before, one.after, one.name, one.summer), []).append(one)
    rules = {kind: _rule(found) for kind, found in kinds.items()}
    observances = []
    if not kinds or not all(rules.values()):
        opening = datetime.datetime(FIRST_YEAR, 1, 1, tzinfo=ZoneInfo(tzid))
        offset = opening.utcoffset() or datetime.timedelta()
        start = Change(opening.replace(tzinfo=None), offset, offset, opening.tzname() or "", bool(opening.dst()))
        observances.append(_observance(start))
    for kind, found in kinds.items():
        if rules[kind]:
            observances.append(_observance(found[0], f"RRULE:{rules[kind]}\r\n"))
        else:
            observances.extend(_observance(one) for one in found)
    return f"BEGIN:VTIMEZONE\r\nTZID:{tzid}\r\n{''.join(observances)}END:VTIMEZONE\r\n"


def _rule(found: Sequence[Change]) -> str:
    """By which these come each year; "" when by none."""
    first = found[0].at
    alike = {(one.at.month, one.at.weekday(), one.at.time()) for one in found}
    if [one.at.year for one in found] != [*range(FIRST_YEAR, FIRST_YEAR + YEARS)] or len(alike) > 1:
        return ""
    places = {(one.at.day - 1) // 7 + 1 for one in found}
    last = all((one.at + 7 * DAY).month != first.month for one in found)
    if not last and len(places) > 1:
        return ""
    place = -1 if last else places.pop()
    return f"FREQ=YEARLY;BYMONTH={first.month};BYDAY={place}{WEEKDAYS[first.weekday()]}"


def _observance(change: Change, more: str = "") -> str:
    name = "DAYLIGHT" if change.summer else "STANDARD"
    return (
        f"BEGIN:{name}\r\nDTSTART:{change.at:%Y%m%dT%H%M%S}\r\n"
        f"TZOFFSETFROM:{_written(change.before)}\r\nTZOFFSETTO:{_written(change.after)}\r\n"
        f"{more}TZNAME:{change.name}\r\nEND:{name}\r\n"
    )


def _written(offset: datetime.timedelta) -> str:
    minutes = int(offset.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
