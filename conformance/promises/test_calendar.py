"""The calendar of an absence, line by line."""

from __future__ import annotations

import datetime
import re

import pytest

from conformance import expect
from conformance.material import made, titled

pytestmark = pytest.mark.contract("5.3")

ORGANISERS = ("secretariat-auto@rdv-solidarites.fr", "secretariat-auto@rdv-service-public.fr")
MARCH = "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3"
OCTOBER = "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10"


def last_sunday(year, month):
    last = datetime.date(year, month, 31)
    return (last - datetime.timedelta(days=(last.weekday() + 1) % 7)).strftime("%Y%m%d")


def unfolded(text):
    return text.replace("\r\n ", "")


def lines(row):
    return unfolded(row["ical"]).split("\r\n")


@pytest.mark.parametrize(
    ("first_day", "summer", "winter"),
    [("2027-06-10", 2027, 2027), ("2026-11-20", 2027, 2026), ("2027-02-20", 2027, 2026)],
)
def test_its_lines_in_their_order(worker, asked, first_day, summer, winter):
    row = made(worker, asked, first_day=first_day, start_time="13:30", end_time="17:00", title=titled("Formation"))
    compact = first_day.replace("-", "")
    found = lines(row)
    assert found[:17] == [
        *("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:RDV Solidarités", "CALSCALE:GREGORIAN", "METHOD:PUBLISH"),
        *("BEGIN:VTIMEZONE", "TZID:Europe/Paris"),
        *("BEGIN:DAYLIGHT", f"DTSTART:{last_sunday(summer, 3)}T030000"),
        *("TZOFFSETFROM:+0100", "TZOFFSETTO:+0200", MARCH, "TZNAME:CEST", "END:DAYLIGHT"),
        *("BEGIN:STANDARD", f"DTSTART:{last_sunday(winter, 10)}T020000", "TZOFFSETFROM:+0200"),
    ]
    assert found[17:23] == ["TZOFFSETTO:+0100", OCTOBER, "TZNAME:CET", "END:STANDARD", "END:VTIMEZONE", "BEGIN:VEVENT"]
    stamp, uid, start, end, organiser, sequence, summary, *rest = found[23:]
    assert re.fullmatch(r"DTSTAMP:\d{8}T\d{6}Z", stamp)
    assert uid == f"UID:absence_{row['id']}@RDV Solidarités"
    assert start == f"DTSTART;TZID=Europe/Paris:{compact}T133000"
    assert end == f"DTEND;TZID=Europe/Paris:{compact}T170000"
    assert organiser.removeprefix("ORGANIZER:mailto:") in ORGANISERS
    assert sequence == "SEQUENCE:0"
    assert summary == f"SUMMARY:RDV Solidarités {titled('Formation')}"
    assert rest == ["END:VEVENT", "END:VCALENDAR", ""]


def test_its_end_is_that_of_the_last_day(worker, asked):
    row = made(worker, asked, first_day="2027-06-10", end_day="2027-06-14", end_time="18:05")
    assert "DTEND;TZID=Europe/Paris:20270614T180500" in lines(row)


def test_text_is_escaped(worker, asked):
    row = made(worker, asked, title=titled("a,b;c\\d"))
    assert f"SUMMARY:RDV Solidarités {titled('a')}\\,b\\;c\\\\d" in lines(row)


def test_a_title_adds_no_line(worker, asked):
    row = made(worker, asked, title=titled("a\nBEGIN:VEVENT"))
    assert lines(row).count("BEGIN:VEVENT") == 1
    assert f"SUMMARY:RDV Solidarités {titled('a')}\\nBEGIN:VEVENT" in lines(row)


@pytest.mark.parametrize("text", ["é" * 90, "a" * 200, "🌍" * 40])
def test_a_long_line_is_folded_between_characters(worker, asked, text):
    row = made(worker, asked, title=titled(text))
    physical = row["ical"].split("\r\n")
    assert max(len(line.encode()) for line in physical) <= 75
    assert any(len(line.encode()) > 70 for line in physical)
    assert f"SUMMARY:RDV Solidarités {titled(text)}" in lines(row)


def test_every_line_ends_with_crlf(absence):
    assert absence["ical"].endswith("END:VCALENDAR\r\n")
    assert absence["ical"].count("\n") == absence["ical"].count("\r\n")


def test_it_does_not_change_while_the_absence_stays(worker, absence):
    """In the original it carries the second of the answer, and no calendar is ever up to date."""
    assert expect.body(worker.get(f"/absences/{absence['id']}"), 200)["absence"]["ical"] == absence["ical"]


def test_its_sequence_grows_with_each_change(worker, absence):
    """In the original it is always 0, and calendars keep what they have."""
    numbers = [_sequence(absence)]
    for text in ("Un", "Deux"):
        answer = worker.patch(f"/absences/{absence['id']}", json={"title": titled(text)})
        numbers.append(_sequence(expect.body(answer, 200)["absence"]))
    assert numbers[0] < numbers[1] < numbers[2]


def _sequence(row):
    return next(int(line.removeprefix("SEQUENCE:")) for line in lines(row) if line.startswith("SEQUENCE:"))
