"""Busy time as a calendar: a VFREEBUSY for each agent (RFC 5545 section 3.6.4). Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator

from absences.ical import UID_DOMAIN, fold

from .busy import Span
from .reading import FORBIDDEN, Member

# RFC 5546 section 3.6.
STATUS = {FORBIDDEN: "3.8;No authority"}
UNKNOWN = "3.7;Invalid calendar user"


def vfreebusy(members: Iterable[Member], window: Span) -> str:
    """A complete VCALENDAR, CRLF after every line. Of whom nothing may be told, a REQUEST-STATUS says so."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:RDV Solidarités", "CALSCALE:GREGORIAN"]
    for member in members:
        lines += _component(member, window)
    return "".join(f"{fold(line)}\r\n" for line in (*lines, "END:VCALENDAR"))


def _component(member: Member, window: Span) -> Iterator[str]:
    starts, ends = map(_utc, window)
    who = f"{member.id}" if member.id is not None else f"{member.email}"
    yield "BEGIN:VFREEBUSY"
    yield f"UID:freebusy_{who}_{starts}_{ends}@{UID_DOMAIN}"
    yield f"DTSTAMP:{_utc(member.changed or window.starts)}"  # not now: the same calendar is the same bytes
    yield f"DTSTART:{starts}"
    yield f"DTEND:{ends}"
    if member.id is not None:
        yield f"X-RDV-AGENT-ID:{member.id}"
    if member.email:
        yield f"{'ATTENDEE' if member.error else 'ORGANIZER'}:mailto:{member.email}"
    if member.error:
        yield f"REQUEST-STATUS:{STATUS.get(member.error, UNKNOWN)}"
    for span in member.busy or ():
        yield f"FREEBUSY;FBTYPE=BUSY:{_utc(span.starts)}/{_utc(span.ends)}"
    yield "END:VFREEBUSY"


def _utc(moment: datetime.datetime) -> str:
    return f"{moment.astimezone(datetime.UTC):%Y%m%dT%H%M%SZ}"
