"""iCalendar as calendars export it (RFC 5545): an absence for each VEVENT, a series with its exceptions for one.

The library reads lines, durations and dates. Components are put together here, because each refusal tells its line,
and because what a time zone is comes from its name alone: a VTIMEZONE is a program that a file would have us run.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from icalendar import vDuration
from icalendar.parser import Contentline
from icalendar.prop import vDate, vDatetime
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from rdv.api.messages import blank, invalid

from .items import TOO_MANY, Item, Refusal, Sheet, Values

# The properties that say something to us; of one that comes once, a second is refused.
ONCE = frozenset(
    {"UID", "DTSTART", "DTEND", "DURATION", "SUMMARY", "RRULE", "RECURRENCE-ID", "STATUS", "CLASS", "ORGANIZER"}
)
MANY = frozenset({"EXDATE", "ATTENDEE", "RDATE", "EXRULE"})
MOST_VALUES = 2000  # of EXDATE, in one event
LONGEST_LINE = 10_000  # characters, unfolded, of a property that we read
LONGEST_UID = 255
WHOLE_DAY = datetime.time(23, 59, 59)  # when a day ends, as contract 6.4 has it

_NAME = re.compile(r"[ \t]*([A-Za-z0-9-]{1,50})[ \t]*[;:]")
_MAIL = re.compile(r"(?i:mailto:)(.{3,254})")

NOT_A_CALENDAR = _("n'est pas un calendrier : il doit commencer par BEGIN:VCALENDAR et finir par END:VCALENDAR")
BROKEN = _("ne peut pas être lue")
UNCLOSED = _("finit sans que %(value)s soit fermé")
MISPLACED = _("ferme %(value)s, qui n'est pas ouvert")
TWICE = _("est une propriété que l'événement a deux fois")
LONG = _("est trop long (pas plus de %(count)s caractères)")
UNKNOWN_ZONE = _("est un fuseau horaire qui n'est pas connu : %(value)s")
NO_DATE = _("n'est pas une date, ni une date et heure")
NO_DURATION = _("n'est pas une durée")
NO_END = _("n'est pas rempli : l'événement n'a ni fin (DTEND) ni durée (DURATION)")
TWO_ENDS = _("est de trop : l'événement a une fin (DTEND) et une durée (DURATION)")
UNSUPPORTED = _("n'est pas pris en charge")
OTHER_DAY = _("se répète à des heures d'un autre fuseau, qui tombent un autre jour dans celui de l'agent")
MANY_VALUES = _("a trop de valeurs (pas plus de %(count)s)")

Moment = datetime.date | datetime.datetime


@dataclass(slots=True)
class _Property:
    line: int
    params: dict[str, str]
    value: str


@dataclass(slots=True)
class _Event:
    line: int
    properties: dict[str, list[_Property]] = field(default_factory=dict)

    def one(self, name: str) -> _Property | None:
        found = self.properties.get(name)
        return found[0] if found else None

    def text(self, name: str) -> str:
        found = self.one(name)
        return found.value.strip() if found else ""


class _Unreadable(Exception):
    """A property that is not what it must be."""

    def __init__(self, line: int, name: str, failure: ValidationError) -> None:
        super().__init__(name)
        self.line, self.name, self.failure = line, name, failure


def read_calendar(text: str, limit: int, sheet: Sheet) -> Sheet:
    """What the calendar holds, at most `limit` events of it, put on `sheet`; what was cancelled is not there."""
    zone = "Europe/Paris"  # of times without one, unless the calendar says which
    events: list[_Event] = []
    open_components: list[str] = []
    event: _Event | None = None
    begun = False
    for line, content in _unfolded(text):
        match = _NAME.match(content)
        if match is None:
            if content.strip() and event is not None:
                sheet.refuse(line, "", BROKEN)
            continue
        name = match[1].upper()
        if name == "BEGIN":
            kind = content[match.end() :].strip().upper()[:50]
            if not open_components and kind != "VCALENDAR":
                break
            begun = True
            open_components.append(kind)
            if kind == "VEVENT":
                if len(events) >= limit:
                    sheet.refuse(line, "", TOO_MANY, "too_many", count=limit)
                    return sheet
                event = _Event(line)
                events.append(event)
        elif name == "END":
            kind = content[match.end() :].strip().upper()[:50]
            if not open_components or open_components[-1] != kind:
                sheet.refuse(line, "END", MISPLACED, value=kind)
                return sheet
            open_components.pop()
            if kind == "VEVENT":
                event = None
        elif name == "X-WR-TIMEZONE" and open_components == ["VCALENDAR"]:
            zone = _known_zone(content[match.end() :].strip()) or zone
        elif event is not None and open_components[-1] == "VEVENT" and name in ONCE | MANY:
            _add(event, name, line, content, sheet)
    if not begun:
        sheet.refuse(1, "", NOT_A_CALENDAR)
    elif open_components:
        sheet.refuse(text.count("\n") + 1, "", UNCLOSED, value=open_components[-1])
    else:
        _gather(events, zone, sheet)
    return sheet


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """Each content line, with the number of the line where it begins (section 3.1)."""
    began, pieces = 0, []
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        if line[:1] in (" ", "\t") and pieces:
            pieces.append(line[1:])
            continue
        if pieces:
            yield began, "".join(pieces)
        began, pieces = number, [line]
    if pieces:
        yield began, "".join(pieces)


def _add(event: _Event, name: str, line: int, content: str, sheet: Sheet) -> None:
    if len(content) > LONGEST_LINE * (10 if name == "EXDATE" else 1):
        sheet.refuse(line, name, LONG, "too_long", count=LONGEST_LINE)
        return
    found = event.properties.setdefault(name, [])
    if found and name in ONCE:
        sheet.refuse(line, name, TWICE, "taken")
        return
    try:
        _name, params, value = Contentline(content).parts()
    except ValueError:
        sheet.refuse(line, name, BROKEN)
        return
    known = {key.upper(): one if isinstance(one, str) else one[0] for key, one in params.items() if one}
    found.append(_Property(line, known, value))


def _gather(events: list[_Event], zone: str, sheet: Sheet) -> None:
    """Events to items; those that change one occurrence go to the series of their UID."""
    masters = {event.text("UID"): event for event in events if event.text("UID") and not event.one("RECURRENCE-ID")}
    changes: dict[int, list[_Event]] = {}
    alone: list[_Event] = []
    for event in events:
        master = masters.get(event.text("UID")) if event.one("RECURRENCE-ID") else None
        if master is not None:
            changes.setdefault(id(master), []).append(event)
        elif event.text("STATUS").upper() != "CANCELLED":
            alone.append(event)
    seen: dict[str, int] = {}
    for event in alone:
        try:
            item = _item(event, changes.get(id(event), []), zone)
        except _Unreadable as error:
            sheet.add(Refusal(error.line, error.name, error.failure))
            continue
        if item.uid is not None and seen.setdefault(item.uid, event.line) != event.line:
            sheet.refuse(event.line, "UID", TWICE, "taken")
            continue
        sheet.items.append(item)


def _item(event: _Event, changes: list[_Event], zone: str) -> Item:
    """Raises _Unreadable."""
    start, end = _span(event, zone)
    title, rule = event.text("SUMMARY"), event.one("RRULE")
    for name in ("RDATE", "EXRULE"):
        if unsupported := event.one(name):
            raise _Unreadable(unsupported.line, name, ValidationError(UNSUPPORTED, code="invalid"))
    uid = event.text("UID") or None
    if uid is not None and len(uid) > LONGEST_UID:
        found = event.properties["UID"][0]
        raise _Unreadable(found.line, "UID", ValidationError(LONG, code="too_long", params={"count": LONGEST_UID}))
    if uid is not None and event.one("RECURRENCE-ID"):  # of a series that is not in the file
        uid = f"{uid}#{event.text('RECURRENCE-ID')}"[:LONGEST_UID]
    until = _until(rule) if rule else None
    removed = [*_moments(event, "EXDATE", zone)]
    changed: list[tuple[Moment, Moment, Moment, str]] = []
    for change in changes:
        (original,) = _moments(change, "RECURRENCE-ID", zone)
        if change.text("STATUS").upper() == "CANCELLED":
            removed.append(original)
        else:
            changed.append((original, *_span(change, zone), change.text("SUMMARY")))
    private = event.text("CLASS").upper() in ("PRIVATE", "CONFIDENTIAL")

    def values(where: str) -> Values:
        given = _civil_values(start, end, where) | {"title": title}
        if private:
            given["private"] = True
        if rule:
            began = _civil(start, where)
            if began.date() != _day_of(start) and "BYDAY" in rule.value.upper():
                raise ValidationError({"rrule": [invalid(rule.value[:100], OTHER_DAY)]})
            given["rrule"] = _rule_in(rule.value, until, where)
            if removed:
                given["exdates"] = sorted({_civil(one, where).date().isoformat() for one in removed})
        return given

    def overrides(where: str) -> dict[str, dict[str, str]]:
        own = _civil_values(start, end, where) | {"title": title}
        found = {}
        for original, its_start, its_end, its_title in changed:
            day = _civil(original, where).date()
            usual_end = _civil(end, where).date() - _civil(start, where).date() + day
            usual = own | {"first_day": day.isoformat(), "end_day": usual_end.isoformat()}
            its_own = _civil_values(its_start, its_end, where) | ({"title": its_title} if its_title else {})
            other = {key for key, value in its_own.items() if usual[key] != value}
            if "first_day" in other:  # an end day that is not said follows the first
                other.add("end_day")
            found[day.isoformat()] = {key: value for key, value in its_own.items() if key in other}
        return found

    places = {
        name: (its_name, found.line)
        for name, its_name in (
            *(("title", "SUMMARY"), ("first_day", "DTSTART"), ("start_time", "DTSTART"), ("rrule", "RRULE")),
            *(("end_day", "DTEND"), ("end_time", "DTEND"), ("ends_time", "DTEND"), ("exdates", "EXDATE")),
            *(("external_ids", "UID"), ("private", "CLASS"), ("agent", "ATTENDEE")),
        )
        for found in [event.one(its_name) or event.one("DURATION" if its_name == "DTEND" else its_name)]
        if found
    }
    places = {"agent": ("ATTENDEE", event.line), "title": ("SUMMARY", event.line)} | places
    if changes:
        places["overrides"] = ("RECURRENCE-ID", changes[0].line)
    return Item(event.line, values, places, None, _whose(event), uid, overrides if changed and rule else None)


def _whose(event: _Event) -> str | None:
    """The one attendee's address, else the organizer's."""
    invited = {match[1] for one in event.properties.get("ATTENDEE", ()) if (match := _MAIL.match(one.value.strip()))}
    if len(invited) == 1:
        return invited.pop().strip()
    organizer = _MAIL.match(event.text("ORGANIZER"))
    return organizer[1].strip() if organizer else None


def _span(event: _Event, zone: str) -> tuple[Moment, Moment]:
    """Start and end; the end of an event of whole days is its last day. Raises _Unreadable."""
    start_property, end_property, duration = event.one("DTSTART"), event.one("DTEND"), event.one("DURATION")
    if start_property is None:
        raise _Unreadable(event.line, "DTSTART", blank())
    start = _moment(start_property, "DTSTART", start_property.value, zone)
    whole = not isinstance(start, datetime.datetime)
    if end_property and duration:
        raise _Unreadable(duration.line, "DURATION", ValidationError(TWO_ENDS, code="invalid"))
    if end_property:
        end = _moment(end_property, "DTEND", end_property.value, zone)
        if whole != (not isinstance(end, datetime.datetime)):
            raise _Unreadable(end_property.line, "DTEND", invalid(end_property.value[:100], NO_DATE))
    elif duration:
        end = _after(start, duration)
    elif whole:
        end = start + datetime.timedelta(days=1) if start < datetime.date.max else start
    else:
        raise _Unreadable(start_property.line, "DTEND", ValidationError(NO_END, code="blank"))
    if whole and end > start:  # exclusive there (3.6.1), the last day here
        end -= datetime.timedelta(days=1)
    return start, end


def _after(start: Moment, duration: _Property) -> Moment:
    """A duration later: its days are civil, what remains is time that passes (3.3.6)."""
    try:
        length = vDuration.from_ical(duration.value.strip()[:50])
        if length < datetime.timedelta(0) or (not isinstance(start, datetime.datetime) and length.seconds):
            raise ValueError
        days = start + datetime.timedelta(days=length.days)
        if not isinstance(days, datetime.datetime):
            return days
        return (days.astimezone(datetime.UTC) + (length - datetime.timedelta(days=length.days))).astimezone(days.tzinfo)
    except (ValueError, OverflowError):
        failure = invalid(duration.value[:100], NO_DURATION)
        raise _Unreadable(duration.line, "DURATION", failure) from None


def _moments(event: _Event, name: str, zone: str) -> Iterator[Moment]:
    count = 0
    for found in event.properties.get(name, ()):
        for text in found.value.split(","):
            count += 1
            if count > MOST_VALUES:
                params = {"count": MOST_VALUES}
                raise _Unreadable(found.line, name, ValidationError(MANY_VALUES, code="too_many", params=params))
            yield _moment(found, name, text, zone)


def _moment(found: _Property, name: str, text: str, zone: str) -> Moment:
    """A day, or an instant in the zone of its own. Raises _Unreadable."""
    text = text.strip()
    try:
        if len(text) == 8:
            return vDate.from_ical(text)
        if not text.isascii() or not text.replace("T", "").removesuffix("Z").isdigit():
            raise ValueError
        moment = vDatetime.from_ical(text)
    except ValueError:
        raise _Unreadable(found.line, name, invalid(text[:100], NO_DATE)) from None
    if moment.tzinfo is not None:
        return moment.replace(tzinfo=datetime.UTC)
    named = found.params.get("TZID")
    known = _known_zone(named) if named else zone
    if known is None:
        failure = ValidationError(UNKNOWN_ZONE, code="invalid", params={"value": (named or "")[:100]})
        raise _Unreadable(found.line, name, failure)
    return moment.replace(tzinfo=ZoneInfo(known))


@lru_cache(maxsize=256)
def _known_zone(name: str) -> str | None:
    """The IANA name of a zone: itself, behind a vendor's prefix, or for the name that Windows has for it."""
    name = name.strip().strip('"')[:100]
    parts = name.strip("/").split("/")
    for one in (name, WINDOWS_TO_OLSON.get(name, ""), "/".join(parts[-2:]), "/".join(parts[-3:])):
        try:
            if one and one[:1].isalpha():
                return ZoneInfo(one).key
        except (KeyError, ValueError, OSError):  # no such zone, or no name that a zone could have
            continue
    return None


def _day_of(moment: Moment) -> datetime.date:
    return moment.date() if isinstance(moment, datetime.datetime) else moment


def _civil(moment: Moment, zone: str, time: datetime.time = datetime.time.min) -> datetime.datetime:
    """The wall clock in `zone`; of a day, at `time`. Raises ValidationError beyond the calendar."""
    if not isinstance(moment, datetime.datetime):
        return datetime.datetime.combine(moment, time)
    try:
        return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    except OverflowError:
        raise ValidationError({"first_day": [invalid(moment.date().isoformat(), NO_DATE)]}) from None


def _civil_values(start: Moment, end: Moment, zone: str) -> dict[str, str]:
    begins, ends = _civil(start, zone), _civil(end, zone, WHOLE_DAY)
    return {
        "first_day": begins.date().isoformat(),
        "start_time": begins.time().isoformat("seconds"),
        "end_day": ends.date().isoformat(),
        "end_time": ends.time().isoformat("seconds"),
    }


def _until(rule: _Property) -> datetime.datetime | None:
    """The instant in which the rule ends, where it says one in UTC. Raises _Unreadable."""
    match = re.search(r"(?i)UNTIL=([0-9T]{1,20})Z", rule.value)
    if match is None:
        return None
    try:
        return vDatetime.from_ical(match[1]).replace(tzinfo=datetime.UTC)
    except ValueError:
        raise _Unreadable(rule.line, "RRULE", invalid(rule.value[:100], NO_DATE)) from None


def _rule_in(rule: str, until: datetime.datetime | None, zone: str) -> str:
    """The rule as the API takes it: its last day that of the agent's zone, and no week start where it is Monday."""
    parts = [part for part in rule.strip().strip(";").split(";") if part.upper() != "WKST=MO"]
    if until is not None:
        last = f"UNTIL={_civil(until, zone):%Y%m%d}"
        parts = [last if part.upper().startswith("UNTIL=") else part for part in parts]
    return ";".join(parts)
