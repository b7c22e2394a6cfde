"""The calendar of an absence, as text (contract 5.3, RFC 5545). Pure: dates in, text out, no database.

Written by hand because a library that builds it object by object costs more than the rest of a list's row; the
library is the oracle of the tests.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from rdv.api.times import PARIS

from .feeds import zones
from .recurrence import Series, read

Overrides = Mapping[str, Mapping[str, str]]
UID_DOMAIN = "RDV Solidarités"
ORGANIZER = "secretariat-auto@rdv-solidarites.fr"
ORGANIZER_MAIRIE = "secretariat-auto@rdv-service-public.fr"

# Control characters other than the tab have no place in a TEXT (RFC 5545 section 3.1).
_ESCAPES = str.maketrans(
    {chr(code): None for code in (*range(9), 11, 12, *range(14, 32), 127)}
    | {"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n", "\r": "\\n"}
)


def absence_uid(pk: int) -> str:
    """`absence_31@RDV Solidarités`, space and accent included (contract 4.1)."""
    return f"absence_{pk}@{UID_DOMAIN}"


def escape(text: str) -> str:
    """TEXT value of RFC 5545 section 3.3.11."""
    return text.replace("\r\n", "\n").translate(_ESCAPES)


def fold(line: str) -> str:
    """`line` in pieces of at most 75 octets, cut between characters (RFC 5545 section 3.1)."""
    if len(line.encode()) <= 75:
        return line
    pieces, piece, room = [], "", 75
    for character in line:
        width = len(character.encode())
        if width > room:
            pieces.append(piece)
            piece, room = "", 74
        piece += character
        room -= width
    return "\r\n ".join([*pieces, piece])


def last_sunday(year: int, month: int) -> datetime.date:
    """The last Sunday of a month of 31 days."""
    last = datetime.date(year, month, 31)
    return last - datetime.timedelta(days=(last.weekday() + 1) % 7)


@lru_cache(maxsize=64)
def _timezone(summer_year: int, winter_year: int) -> str:
    return (
        "BEGIN:VTIMEZONE\r\nTZID:Europe/Paris\r\n"
        f"BEGIN:DAYLIGHT\r\nDTSTART:{last_sunday(summer_year, 3):%Y%m%d}T030000\r\n"
        "TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\nTZNAME:CEST\r\nEND:DAYLIGHT\r\n"
        f"BEGIN:STANDARD\r\nDTSTART:{last_sunday(winter_year, 10):%Y%m%d}T020000\r\n"
        "TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\nTZNAME:CET\r\nEND:STANDARD\r\n"
        "END:VTIMEZONE\r\n"
    )


@lru_cache(maxsize=4096)
def vtimezone(day: datetime.date, time: datetime.time) -> str:
    """The zone as it stands when the event starts: in summer, that summer and its end; in winter, the change that ends
    this winter and the one that opened it (contract 5.3).
    """
    start = datetime.datetime.combine(day, time, PARIS)
    if start.dst():
        return _timezone(day.year, day.year)
    # In winter before March the season opened the year before.
    return _timezone(day.year, day.year - 1) if day.month < 7 else _timezone(day.year + 1, day.year)


def absence_calendar(
    pk: int,
    title: str,
    first_day: datetime.date,
    start_time: datetime.time,
    end_day: datetime.date,
    end_time: datetime.time,
    changed_at: datetime.datetime,
    sequence: int,
    organizer: str = ORGANIZER,
    zone: str = "Europe/Paris",
    rrule: str = "",
    exdates: Sequence[str] | None = None,
    overrides: Overrides | None = None,
) -> str:
    """A complete VCALENDAR with one VEVENT, and one more for each occurrence that has something of its own; CRLF after
    every line.

    Days and times are civil, of `zone`; `rrule`, `exdates` and `overrides` are as a row keeps them; `changed_at` is an
    aware instant, shown in UTC as DTSTAMP; `sequence` grows with each change.
    """
    changed: Iterable[str] = ()
    if overrides:
        series = Series.of(first_day, start_time, end_day, end_time, rrule, exdates, overrides, zone, title)
        stamp = f"{compact(changed_at.astimezone(datetime.UTC).isoformat())}Z"
        changed = (
            event_lines(
                *(absence_uid(pk), stamp, compact(f"{first}T{start}"), compact(f"{last}T{end}")),
                *(organizer, sequence, f"RDV Solidarités {escape(own_title)}", zone),
                after_summary=f"RECURRENCE-ID;TZID={zone}:{compact(f'{day}T{start_time}')}\r\n",
            )
            for day in sorted(series.overrides)
            for first, start, last, end, own_title in [series.civil(day)]
        )
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:RDV Solidarités\r\nCALSCALE:GREGORIAN\r\nMETHOD:PUBLISH\r\n"
        f"{vtimezone(first_day, start_time) if zone == 'Europe/Paris' else zones.vtimezone(zone)}"
        + event_lines(
            absence_uid(pk),
            f"{compact(changed_at.astimezone(datetime.UTC).isoformat())}Z",
            compact(f"{first_day}T{start_time}"),
            compact(f"{end_day}T{end_time}"),
            organizer,
            sequence,
            f"RDV Solidarités {escape(title)}",
            zone,
            after_summary=_recurrence(rrule, exdates, start_time, zone) if rrule else "",
        )
        + "".join(changed)
        + "END:VCALENDAR\r\n"
    )


def _recurrence(rrule: str, exdates: Sequence[str] | None, start_time: datetime.time, zone: str) -> str:
    """RRULE as contract 5.3 has it, and EXDATE."""
    rule = fold(f"RRULE:{read(rrule)[0].ical}") + "\r\n"
    if not exdates:
        return rule
    out = ",".join(compact(f"{day}T{start_time}") for day in exdates)
    return f"{rule}{fold(f'EXDATE;TZID={zone}:{out}')}\r\n"


def event_lines(
    uid: str,
    stamp: str,
    starts: str,
    ends: str,
    organizer: str,
    sequence: int,
    summary: str,
    zone: str = "Europe/Paris",
    *,
    after_end: str = "",
    after_sequence: str = "",
    after_summary: str = "",
) -> str:
    """One VEVENT, its lines in the order of contract 5.3. `stamp` is in UTC, `starts` and `ends` are civil times of
    `zone`; these and `summary` are as iCalendar writes them (`compact`, `escape`). The `after_…` are whole lines to be
    put there, each with its CRLF: DESCRIPTION and LOCATION, STATUS, what recurs.
    """
    return (
        "BEGIN:VEVENT\r\n"
        f"DTSTAMP:{stamp}\r\n"
        f"UID:{uid}\r\n"
        f"DTSTART;TZID={zone}:{starts}\r\n"
        f"DTEND;TZID={zone}:{ends}\r\n"
        f"{after_end}"
        f"ORGANIZER:mailto:{organizer}\r\n"
        f"SEQUENCE:{sequence}\r\n"
        f"{after_sequence}"
        f"{fold(f'SUMMARY:{summary}')}\r\n"
        f"{after_summary}"
        "END:VEVENT\r\n"
    )


def compact(moment: str) -> str:
    """`2025-06-10T13:30:00…` as `20250610T133000`; strftime would cost five times as much."""
    return f"{moment[:4]}{moment[5:7]}{moment[8:13]}{moment[14:16]}{moment[17:19]}"
