"""A feed as the text of a calendar (RFC 5545, 7986): plain values in, bytes out. Pure.

What Google, Outlook, Zimbra, Apple and Thunderbird ask of a calendar that they follow: UTF-8, CRLF, folded lines, a
UID that stays while the thing is the same, a SEQUENCE that grows with each change, a VTIMEZONE for each TZID, and a
DTSTART that is the first occurrence of its RRULE. Here UNTIL is an instant, as RFC 5545 asks beside a TZID; in the
calendar of a single absence it is what our partners know (contract 5.3).
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from zoneinfo import ZoneInfo

from absences import recurrence
from absences.ical import UID_DOMAIN, absence_uid, compact, escape, event_lines, fold
from absences.recurrence import Rule, Series

from .zones import days_of_change, vtimezone

PRODID = "-//RDV Solidarités//Absences//FR"
CONFIRMED, CANCELLED = "CONFIRMED", "CANCELLED"
# For Outlook, which has no better word than "busy" otherwise.
OUT_OF_OFFICE = "X-MICROSOFT-CDO-BUSYSTATUS:OOF\r\n"


def calendar(name: str, refresh: datetime.timedelta, zone: str, zones: Iterable[str], events: Iterable[str]) -> bytes:
    """The whole: `name` is shown as the calendar's own, `refresh` is how often it is worth asking for it, `zone` that
    of who looks at it, `zones` those that the events name.
    """
    shown = escape(name)
    every = duration(refresh)
    head = (
        f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:{PRODID}\r\nCALSCALE:GREGORIAN\r\nMETHOD:PUBLISH\r\n"
        f"{fold(f'NAME:{shown}')}\r\n{fold(f'X-WR-CALNAME:{shown}')}\r\nX-WR-TIMEZONE:{zone}\r\n"
        f"REFRESH-INTERVAL;VALUE=DURATION:{every}\r\nX-PUBLISHED-TTL:{every}\r\n"
    )
    return "".join((head, *map(vtimezone, sorted({zone, *zones})), *events, "END:VCALENDAR\r\n")).encode()


def duration(span: datetime.timedelta) -> str:
    """As RFC 5545 section 3.3.6 writes it, in the greatest unit that leaves nothing over."""
    seconds = int(span.total_seconds())
    for unit, size in (("D", 86400), ("H", 3600), ("M", 60)):
        if seconds % size == 0:
            return f"P{seconds // size}D" if unit == "D" else f"PT{seconds // size}{unit}"
    return f"PT{seconds}S"


def absence_events(
    pk: int,
    summary: Callable[[str], str],
    title: str,
    first_day: datetime.date,
    start_time: datetime.time,
    end_day: datetime.date,
    end_time: datetime.time,
    zone: str,
    stamp: str,
    sequence: int,
    organizer: str,
    *,
    description: str = "",
    category: str = "",
    rrule: str = "",
    exdates: Iterable[str] | None = None,
    overrides: Mapping[str, Mapping[str, str]] | None = None,
    status: str = CONFIRMED,
) -> str:
    """The VEVENT of an absence; when it recurs, those of its changed occurrences after it. `summary` makes of a title
    what is shown in its place; `stamp`: its last change, in UTC, as iCalendar writes it.
    """
    after_end = f"{fold(f'DESCRIPTION:{escape(description)}')}\r\n" if description else ""
    after_sequence = f"STATUS:{status}\r\nLAST-MODIFIED:{stamp}\r\n{OUT_OF_OFFICE}" + (
        f"CATEGORIES:{escape(category)}\r\n" if category else ""
    )
    uid = absence_uid(pk)

    def event(
        starts: tuple[datetime.date, datetime.time], ends: tuple[datetime.date, datetime.time], title: str, more: str
    ) -> str:
        changing = days_of_change(zone)
        # Not of a series: its first time is that of all of them.
        if (starts[0] in changing or ends[0] in changing) and "RRULE" not in more:
            starts, ends = _told(starts, ends, zone)
        return event_lines(
            uid,
            stamp,
            compact(f"{starts[0]}T{starts[1]}"),
            compact(f"{ends[0]}T{ends[1]}"),
            organizer,
            sequence,
            escape(summary(title)),
            zone,
            after_end=after_end,
            after_sequence=after_sequence,
            after_summary=more,
        )

    if not rrule:
        return event((first_day, start_time), (end_day, end_time), title, "")
    series = Series.of(first_day, start_time, end_day, end_time, rrule, exdates, overrides, zone, title)
    at = compact(f"2000-01-01T{start_time}")[8:]
    left_out = "".join(f"EXDATE;TZID={zone}:{day:%Y%m%d}{at}\r\n" for day in sorted(series.exdates))
    repeated = fold(f"RRULE:{rule_text(rrule, start_time, zone)}") + "\r\n" + left_out
    events = [event((first_day, start_time), (end_day, end_time), title, repeated)]
    for day in sorted(series.overrides):
        if any(series.days(day, day)):
            first, start, last, end, own = series.civil(day)
            named = f"RECURRENCE-ID;TZID={zone}:{day:%Y%m%d}{at}\r\n"
            events.append(event((first, start), (last, end), own, named))
    return "".join(events)


def _told(
    starts: tuple[datetime.date, datetime.time], ends: tuple[datetime.date, datetime.time], zone: str
) -> tuple[tuple[datetime.date, datetime.time], tuple[datetime.date, datetime.time]]:
    """Where a clock changes, the civil times at which a span begins and ends in truth (`recurrence`)."""
    begin, finish = recurrence.instants(*starts, *ends, ZoneInfo(zone))
    return (begin.date(), begin.time()), (finish.date(), finish.time())


@lru_cache(maxsize=1024)
def rule_text(rrule: str, start_time: datetime.time, zone: str) -> str:
    """A rule as RFC 5545 has it: UNTIL, which is inclusive here, is the instant of an occurrence on that day."""
    rule: Rule = recurrence.read(rrule)[0]
    if rule.until is None:
        return rule.ical
    begin, _end = recurrence.instants(rule.until, start_time, rule.until, start_time, ZoneInfo(zone))
    return rule.ical.replace(
        f"UNTIL={rule.until:%Y%m%d}T000000", f"UNTIL={begin.astimezone(datetime.UTC):%Y%m%dT%H%M%S}Z"
    )


def holiday_event(day: datetime.date, name: str, place: str, stamp: str, sequence: int) -> str:
    """A public holiday as a whole day of busy time; `place`: of which département."""
    following = day + datetime.timedelta(days=1)
    return (
        f"BEGIN:VEVENT\r\nDTSTAMP:{stamp}\r\nUID:jour_ferie_{day:%Y%m%d}_{place or 'fr'}@{UID_DOMAIN}\r\n"
        f"DTSTART;VALUE=DATE:{day:%Y%m%d}\r\nDTEND;VALUE=DATE:{following:%Y%m%d}\r\nSEQUENCE:{sequence}\r\n"
        f"STATUS:{CONFIRMED}\r\nTRANSP:OPAQUE\r\n{OUT_OF_OFFICE}{fold(f'SUMMARY:{escape(name)}')}\r\nEND:VEVENT\r\n"
    )
