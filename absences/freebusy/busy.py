"""Busy time: spans of instants, and what is left of them when they are put together. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from zoneinfo import ZoneInfo

from absences.recurrence import Series, instants, occurrences

MIDNIGHT = datetime.time()
DAY = datetime.timedelta(days=1)


class Span(NamedTuple):
    """From an instant to a later one, which is not in it; both in UTC."""

    starts: datetime.datetime
    ends: datetime.datetime


def of_series(series: Series, window: Span) -> Iterator[Span]:
    """When an absence is, as far as it touches `window`."""
    for one in occurrences(series, *window):
        yield Span(one.starts.astimezone(datetime.UTC), one.ends.astimezone(datetime.UTC))


def of_day(day: datetime.date, zone: str) -> Span:
    """A whole civil day."""
    starts, ends = instants(day, MIDNIGHT, day + DAY, MIDNIGHT, ZoneInfo(zone))
    return Span(starts.astimezone(datetime.UTC), ends.astimezone(datetime.UTC))


def merged(spans: Iterable[Span], window: Span) -> list[Span]:
    """The same time within `window`, in order; spans that overlap or touch are one."""
    found: list[Span] = []
    for span in sorted(spans):
        starts, ends = max(span.starts, window.starts), min(span.ends, window.ends)
        if starts >= ends:
            continue
        if found and starts <= found[-1].ends:
            found[-1] = Span(found[-1].starts, max(found[-1].ends, ends))
        else:
            found.append(Span(starts, ends))
    return found
