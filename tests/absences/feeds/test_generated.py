"""Whatever recurs, wherever: a feed's text, expanded by other people's libraries, is what we say happens (C6)."""

from __future__ import annotations

import datetime
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from absences import recurrence
from absences.feeds.calendar import absence_events, calendar, duration
from absences.feeds.zones import changes, vtimezone
from absences.recurrence import Series

pytestmark = pytest.mark.no_database

ZONES = (
    "Europe/Paris",
    "Indian/Reunion",
    "America/Martinique",
    "America/Miquelon",
    "Pacific/Noumea",
    "America/Cayenne",
)
ELSEWHERE = ("Africa/Casablanca", "Australia/Lord_Howe", "Europe/London", "America/Sao_Paulo", "Asia/Kolkata", "UTC")
HORIZON = datetime.timedelta(days=800)
DAYS = st.dates(datetime.date(2024, 1, 1), datetime.date(2027, 12, 31))
MINUTES = st.integers(0, 22 * 60)
RULES = st.sampled_from(
    [
        *("", "FREQ=DAILY", "FREQ=DAILY;INTERVAL=3", "FREQ=WEEKLY", "FREQ=WEEKLY;INTERVAL=2"),
        *("FREQ=MONTHLY", "FREQ=YEARLY"),
        *("FREQ=WEEKLY;BYDAY={day}", "FREQ=WEEKLY;INTERVAL=2;BYDAY={day},SA", "FREQ=DAILY;BYDAY={day},MO,TU"),
        *("FREQ=MONTHLY;BYDAY={nth}{day}", "FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY={monthday}"),
    ]
)  # fmt: skip


def at(minutes: int) -> datetime.time:
    return datetime.time(minutes // 60, minutes % 60)


@st.composite
def rows(draw: Any) -> dict[str, Any]:
    """The columns of an absence."""
    first, start, zone = draw(DAYS), draw(MINUTES), draw(st.sampled_from(ZONES))
    words = {"day": recurrence.WEEKDAYS[first.weekday()], "nth": (first.day - 1) // 7 + 1, "monthday": first.day}
    rule = draw(RULES).format(**words)
    if rule and draw(st.booleans()):
        rule += draw(
            st.one_of(
                st.integers(1, 60).map(";COUNT={}".format),
                st.integers(1, 700).map(lambda n: f";UNTIL={first + datetime.timedelta(days=n):%Y%m%d}T000000"),
            )
        )
    row = {
        "first_day": first,
        "start_time": at(start),
        "end_day": first,
        "end_time": at(start + draw(st.integers(1, 23 * 60 + 59 - start))),
        "rrule": rule,
        "exdates": None,
        "overrides": None,
        "zone": zone,
        "title": "Congés",
    }
    if rule:
        days = list(islice(Series.of(**row).days(), 30))
        row["exdates"] = sorted(map(str, draw(st.sets(st.sampled_from(days), max_size=4))))
        row["overrides"] = {
            str(day): {
                "first_day": str(moved := day + datetime.timedelta(days=draw(st.integers(-3, 3)))),
                "end_day": str(moved),
                "start_time": str(at(begin := draw(MINUTES))),
                "end_time": str(at(begin + 45)),
                "title": "Autre",
            }
            for day in draw(st.sets(st.sampled_from(days), max_size=3))
        }
    return row


def fed(row: dict[str, Any]) -> Calendar:
    columns = {name: value for name, value in row.items() if name != "title"}
    text = absence_events(
        7, lambda title: title, row["title"], stamp="20261116T090000Z", sequence=0, organizer="a@b.test", **columns
    )
    body = calendar("x", datetime.timedelta(hours=1), "Europe/Paris", [row["zone"]], [text])
    parsed = Calendar.from_ical(body)
    assert not any(component.errors for component in parsed.walk())
    return parsed


def expanded(parsed: Calendar, until: datetime.datetime) -> set[tuple[datetime.datetime, str]]:
    """When each occurrence begins, as a reader of the calendar makes it out, with python-dateutil."""
    found, replaced = set(), set()
    events = list(parsed.walk("VEVENT"))
    for event in events:
        if "RECURRENCE-ID" in event:
            replaced.add(event["RECURRENCE-ID"].dt.replace(tzinfo=None))
            found.add((event["DTSTART"].dt.astimezone(datetime.UTC), str(event["SUMMARY"])))
    for event in events:
        start = event["DTSTART"].dt
        if "RECURRENCE-ID" in event:
            continue
        if "RRULE" not in event:
            found.add((start.astimezone(datetime.UTC), str(event["SUMMARY"])))
            continue
        out = event.get("EXDATE", [])
        out = {one.dt.replace(tzinfo=None) for line in (out if isinstance(out, list) else [out]) for one in line.dts}
        for moment in rrulestr(event["RRULE"].to_ical().decode(), dtstart=start).between(start, until, inc=True):
            if moment.replace(tzinfo=None) not in out | replaced:
                found.add((moment.astimezone(datetime.UTC), str(event["SUMMARY"])))
    return {one for one in found if one[0] <= until}


@settings(max_examples=300, deadline=None)
@given(row=rows())
def test_a_feed_is_expanded_to_what_happens(row: dict[str, Any]) -> None:
    until = datetime.datetime.combine(row["first_day"], datetime.time(), datetime.UTC) + HORIZON
    expected = {
        (one.starts.astimezone(datetime.UTC), one.title)
        for one in recurrence.occurrences(Series.of(**row), None, until + datetime.timedelta(minutes=1))
    }
    assert expanded(fed(row), until) == {one for one in expected if one[0] <= until}


@pytest.mark.parametrize("zone", [*ZONES, *ELSEWHERE])
def test_a_vtimezone_has_the_offsets_of_its_zone(zone: str) -> None:
    """As icalendar understands it, on either side of each change and in between."""
    text = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{vtimezone(zone)}END:VCALENDAR\r\n"
    [component] = Calendar.from_ical(text).walk("VTIMEZONE")
    read, known = component.to_tz(lookup_tzid=False), ZoneInfo(zone)
    hour = datetime.timedelta(hours=1)
    moments = [one.at + shift * hour for one in changes(zone) if one.at.year >= 2018 for shift in (-48, -2, 2, 48)]
    noon = datetime.time(12)
    days = (datetime.date(year, month, 15) for year in range(2018, 2033) for month in range(1, 13))
    moments += [datetime.datetime.combine(day, noon) for day in days]
    for moment in moments:
        assert read.utcoffset(moment) == known.utcoffset(moment), moment


@pytest.mark.parametrize(
    ("span", "text"),
    [
        ({"hours": 1}, "PT1H"),
        ({"minutes": 90}, "PT90M"),
        ({"days": 2}, "P2D"),
        ({"seconds": 61}, "PT61S"),
    ],
)
def test_a_duration_is_written_as_calendars_read_it(span: dict[str, int], text: str) -> None:
    assert duration(datetime.timedelta(**span)) == text
