"""The calendar of an absence, as text (contract 5.3, RFC 5545). Pure: dates in, text out, no database.

Written by hand because a library that builds it object by object costs more than the rest of a list's row; the
library is the oracle of the tests.
"""

from __future__ import annotations

import datetime
from functools import lru_cache

from rdv.api.times import PARIS

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
) -> str:
    """A complete VCALENDAR with one VEVENT, CRLF after every line.

    Days and times are civil, Europe/Paris; `changed_at` is an aware instant, shown in UTC as DTSTAMP; `sequence`
    grows with each change.
    """
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:RDV Solidarités\r\nCALSCALE:GREGORIAN\r\nMETHOD:PUBLISH\r\n"
        f"{vtimezone(first_day, start_time)}"
        + event_lines(
            absence_uid(pk),
            f"{compact(changed_at.astimezone(datetime.UTC).isoformat())}Z",
            compact(f"{first_day}T{start_time}"),
            compact(f"{end_day}T{end_time}"),
            organizer,
            sequence,
            f"RDV Solidarités {escape(title)}",
        )
        + "END:VCALENDAR\r\n"
    )


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
