"""What a feed holds, as icalendar reads it: what its owner sees, whole and right through each change (C3, C4, C6)."""

from __future__ import annotations

import datetime
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from absences.models import Absence, AbsencePolicy, DeletedAbsence
from agents.models import AgentRole
from tests.factories import AbsenceFactory, AgentFactory, FeedFactory

from .conftest import address, ask, events, read, summaries

PARIS = ZoneInfo("Europe/Paris")


@pytest.fixture
def martine(cast: SimpleNamespace) -> Any:
    return cast.martine


def when(event: Any) -> tuple[datetime.datetime, datetime.datetime]:
    return event["DTSTART"].dt, event["DTEND"].dt


def test_the_calendar_says_what_it_is(martine: Any, settings: Any) -> None:
    calendar = read(FeedFactory(owner=martine, name="Équipe ; PMI, « été »"))
    assert calendar["VERSION"] == "2.0"
    assert calendar["METHOD"] == "PUBLISH"
    assert calendar["NAME"].to_ical().decode() == "Équipe \\; PMI\\, « été »"
    assert calendar["X-WR-CALNAME"].to_ical() == calendar["NAME"].to_ical()
    assert calendar["X-WR-TIMEZONE"] == "Europe/Paris"
    assert calendar["REFRESH-INTERVAL"].params["VALUE"] == "DURATION"
    assert calendar["REFRESH-INTERVAL"].to_ical() == calendar["X-PUBLISHED-TTL"].encode() == b"PT1H"
    settings.RDV_FEEDS_REFRESH = datetime.timedelta(minutes=90)
    assert read(FeedFactory(owner=martine))["X-PUBLISHED-TTL"] == "PT90M"


def test_lines_are_short_and_end_as_they_must(martine: Any) -> None:
    AbsenceFactory(agent=martine, title="Séminaire à Évian ; été, " * 8 + "\\ et \n fin")
    feed = FeedFactory(owner=martine, privacy="full", name="é" * 200)
    body = ask(feed).content
    assert body.count(b"\n") == body.count(b"\r\n")
    assert max(map(len, body.split(b"\r\n"))) <= 75
    assert summaries(feed) == ["Séminaire à Évian ; été, " * 8 + "\\ et \n fin"]


def test_an_absence_is_an_event(martine: Any) -> None:
    absence = AbsenceFactory(
        agent=martine, first_day="2026-12-23", start_time="08:00", end_day="2027-01-04", end_time="18:30"
    )
    [event] = events(FeedFactory(owner=martine, privacy="titles"))
    assert event["UID"] == f"absence_{absence.pk}@RDV Solidarités"
    assert when(event) == (
        datetime.datetime(2026, 12, 23, 8, tzinfo=PARIS),
        datetime.datetime(2027, 1, 4, 18, 30, tzinfo=PARIS),
    )
    assert event["DTSTART"].params["TZID"] == "Europe/Paris"
    assert (event["SUMMARY"], event["STATUS"], event["SEQUENCE"]) == ("Congés", "CONFIRMED", 0)
    assert event["ORGANIZER"].startswith("mailto:")  # RFC 5546 3.2.1 asks for one


def test_uid_stays_and_sequence_and_last_modified_grow_with_each_change(martine: Any, now: Any) -> None:
    absence, feed, seen = AbsenceFactory(agent=martine), FeedFactory(owner=martine), []
    for number in range(4):
        [event] = events(feed)
        seen.append((event["SEQUENCE"], event["LAST-MODIFIED"].dt, event["DTSTAMP"].dt, event["UID"]))
        now.tick(60)
        row = Absence.objects.get(pk=absence.pk)
        row.title = f"Congés {number}"
        row.save()
    assert [sequence for sequence, *_rest in seen] == [0, 1, 2, 3]
    assert len({uid for *_rest, uid in seen}) == 1
    assert all(later[1] > before[1] and later[2] > before[2] for before, later in pairwise(seen))


def test_they_grow_too_when_the_feed_says_another_thing(martine: Any, change: Any, now: Any) -> None:
    AbsenceFactory(agent=martine)
    feed = FeedFactory(owner=martine)
    [before] = events(feed)
    now.tick(60)
    [after] = events(change(feed, privacy="titles"))
    assert after["SUMMARY"] != before["SUMMARY"]
    assert after["SEQUENCE"] > before["SEQUENCE"]
    assert after["LAST-MODIFIED"].dt > before["LAST-MODIFIED"].dt


def test_what_was_deleted_stays_as_cancelled_for_a_while(martine: Any, now: Any, settings: Any) -> None:
    absence, feed = AbsenceFactory(agent=martine), FeedFactory(owner=martine)
    [before] = events(feed)
    now.tick(60)
    absence.delete()
    [after] = events(feed)
    assert (before["STATUS"], after["STATUS"]) == ("CONFIRMED", "CANCELLED")
    assert after["UID"] == before["UID"]
    assert after["SEQUENCE"] > before["SEQUENCE"]
    assert after["LAST-MODIFIED"].dt > before["LAST-MODIFIED"].dt
    assert when(after) == when(before)
    now.tick(settings.RDV_FEEDS_CANCELLED_DAYS * 86400 - 61)
    assert [event["STATUS"] for event in events(feed)] == ["CANCELLED"]
    now.tick(2 * 86400)
    assert events(feed) == []


def test_an_absence_of_several_days_of_the_window_is_cancelled_there_alone(martine: Any) -> None:
    AbsenceFactory(agent=martine, first_day="2026-09-01").delete()
    assert DeletedAbsence.objects.count() == 1
    assert events(FeedFactory(owner=martine)) == []


@pytest.mark.parametrize(
    ("first_day", "end_day", "shown"),
    [
        ("2026-11-13", "2026-11-13", True),  # today is the 16th
        ("2026-11-12", "2026-11-12", False),
        ("2026-11-01", "2026-11-13", True),
        ("2026-11-18", "2026-12-24", True),
        ("2026-11-19", "2026-11-19", False),
        ("2026-01-01", "2027-01-01", True),
    ],
)
def test_the_window_bounds_what_is_shown(martine: Any, first_day: str, end_day: str, shown: bool) -> None:
    AbsenceFactory(agent=martine, first_day=first_day, end_day=end_day)
    assert len(events(FeedFactory(owner=martine, days_back=3, days_ahead=2))) == shown


def test_kinds_choose_among_absences(martine: Any) -> None:
    for kind in ("holiday", "sick", "training", "other"):
        AbsenceFactory(agent=martine, kind=kind, title=kind)
    assert summaries(FeedFactory(owner=martine, privacy="titles", kinds=["sick", "other"])) == ["sick", "other"]


# Recurrence.


def series(agent: Any, **columns: Any) -> Absence:
    row: Absence = AbsenceFactory(agent=agent, first_day=datetime.date(2026, 11, 17), **columns)
    return row


def test_what_recurs_is_one_event_with_its_rule(martine: Any) -> None:
    series(martine, rrule="FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH;UNTIL=20270617T000000", exdates=["2026-12-01"])
    [event] = events(FeedFactory(owner=martine))
    assert event["RRULE"] == {
        "FREQ": ["WEEKLY"], "INTERVAL": [2], "BYDAY": ["TU", "TH"],
        # Inclusive, in UTC, and summer by then (RFC 5545 3.3.10).
        "UNTIL": [datetime.datetime(2027, 6, 17, 7, tzinfo=datetime.UTC)],
    }  # fmt: skip
    assert [one.dt for one in event["EXDATE"].dts] == [datetime.datetime(2026, 12, 1, 9, tzinfo=PARIS)]
    assert event["EXDATE"].params["TZID"] == "Europe/Paris"


def test_a_changed_occurrence_is_an_event_of_the_same_uid(martine: Any) -> None:
    changed = {
        "2026-11-24": {"first_day": "2026-11-25", "start_time": "14:00:00", "end_day": "2026-11-25", "title": "X"}
    }
    series(martine, rrule="FREQ=WEEKLY", overrides=changed)
    whole, one = events(FeedFactory(owner=martine, privacy="titles"))
    assert whole["UID"] == one["UID"]
    assert "RRULE" not in one
    assert one["RECURRENCE-ID"].dt == datetime.datetime(2026, 11, 24, 9, tzinfo=PARIS)
    assert when(one) == (
        datetime.datetime(2026, 11, 25, 14, tzinfo=PARIS),
        datetime.datetime(2026, 11, 25, 17, tzinfo=PARIS),
    )
    assert (whole["SUMMARY"], one["SUMMARY"]) == ("Congés", "X")


def test_an_occurrence_that_was_changed_and_then_taken_out_is_out(martine: Any) -> None:
    changed = {"2026-11-24": {"title": "X"}}
    series(martine, rrule="FREQ=WEEKLY", overrides=changed, exdates=["2026-11-24"])
    [event] = events(FeedFactory(owner=martine, privacy="titles"))
    assert "EXDATE" in event


@pytest.mark.parametrize(
    ("rrule", "shown"),
    [
        ("FREQ=WEEKLY", True),  # endless, from long ago
        ("FREQ=WEEKLY;UNTIL=20261112T000000", False),  # its last is on the 10th
        ("FREQ=DAILY;UNTIL=20261113T000000", True),
    ],
)
def test_a_series_is_shown_while_it_touches_the_window(martine: Any, rrule: str, shown: bool) -> None:
    AbsenceFactory(agent=martine, first_day=datetime.date(2026, 3, 3), rrule=rrule)
    assert len(events(FeedFactory(owner=martine, days_back=3, days_ahead=30))) == shown


# Zones.


def test_each_zone_that_is_named_is_defined(cast: SimpleNamespace) -> None:
    for zone in ("Indian/Reunion", "America/Miquelon", "Pacific/Noumea", "Europe/Paris", "Indian/Reunion"):
        row = AbsenceFactory(agent=cast.bruno)
        Absence.objects.filter(pk=row.pk).update(time_zone=zone)
    calendar = read(FeedFactory(owner=cast.martine, organisation=cast.mds))
    defined = [str(zone["TZID"]) for zone in calendar.walk("VTIMEZONE")]
    assert defined == sorted(set(defined)) == ["America/Miquelon", "Europe/Paris", "Indian/Reunion", "Pacific/Noumea"]
    for event in calendar.walk("VEVENT"):
        zone = event["DTSTART"].params["TZID"]
        assert event["DTSTART"].dt == datetime.datetime(2026, 12, 1, 9, tzinfo=ZoneInfo(zone))
    assert calendar.get_missing_tzids() == set()


def test_a_time_that_does_not_exist_is_told_as_it_happens(martine: Any) -> None:
    """02:30 on the short night is 03:30; the end, 03:10, comes after it."""
    AbsenceFactory(agent=martine, first_day="2027-03-28", start_time="02:30", end_time="03:10")
    [event] = events(FeedFactory(owner=martine))
    start, end = when(event)
    assert start == datetime.datetime(2027, 3, 28, 3, 30, tzinfo=PARIS)
    assert end - start == datetime.timedelta(minutes=40)


# Holidays.


def holidays(feed: Any) -> list[tuple[datetime.date, str]]:
    return [(event["DTSTART"].dt, str(event["SUMMARY"])) for event in events(feed)]


def test_public_holidays_are_there_when_they_are_asked_for(cast: SimpleNamespace) -> None:
    options = {"owner": cast.martine, "days_back": 0, "days_ahead": 50}
    assert holidays(FeedFactory(**options)) == []
    expected = [(datetime.date(2026, 12, 25), "Noël"), (datetime.date(2027, 1, 1), "Jour de l'an")]
    for target in ({}, {"organisation": cast.mds}, {"service": cast.pmi}, {"agent": cast.bruno}):
        assert holidays(FeedFactory(**options, **target, holidays=True)) == expected
    AbsencePolicy.objects.create(organisation=cast.mds, excluded_holidays=["Noël"])
    assert holidays(FeedFactory(**options, holidays=True)) == expected[1:]
    AbsencePolicy.objects.update(public_holidays=False)
    assert holidays(FeedFactory(**options, holidays=True)) == []


# Asked again.


def test_who_has_it_is_told_so(martine: Any) -> None:
    AbsenceFactory(agent=martine)
    feed = FeedFactory(owner=martine)
    first = ask(feed)
    assert first["ETag"].startswith('"')  # strong
    for headers in ({"If-None-Match": first["ETag"]}, {"If-Modified-Since": first["Last-Modified"]}):
        again = ask(feed, **headers)
        assert (again.status_code, again.content) == (304, b"")
        assert (again["ETag"], again["Last-Modified"]) == (first["ETag"], first["Last-Modified"])
    assert ask(feed).content == first.content


@pytest.mark.parametrize("what", ["an absence", "a deletion", "a right", "a name", "the window", "the feed"])
def test_whatever_changes_it_is_told_to_who_asks_again_in_either_way(
    cast: SimpleNamespace, now: Any, change: Any, what: str
) -> None:
    absence = AbsenceFactory(agent=cast.bruno, first_day="2026-11-17")
    feed = FeedFactory(owner=cast.martine, organisation=cast.mds, privacy="titles", days_back=2)
    first = ask(feed)
    match what:
        case "an absence":
            AbsenceFactory(agent=cast.bruno)
        case "a deletion":
            absence.delete()
        case "a right":
            AgentRole.objects.filter(agent=cast.bruno).delete()
        case "a name":
            cast.bruno.last_name = "AUTRE"
            cast.bruno.save()
        case "the window":
            now.tick(4 * 86400)
        case "the feed":
            change(feed, name="Autre")
    for headers in ({"If-None-Match": first["ETag"]}, {"If-Modified-Since": first["Last-Modified"]}):
        again = ask(feed, **headers)
        assert again.status_code == 200
        assert again["ETag"] != first["ETag"]


def test_two_contents_of_the_same_second_are_told_apart_by_their_time(martine: Any) -> None:
    feed, times = FeedFactory(owner=martine), []
    for _ in range(3):
        times.append(ask(feed)["Last-Modified"])
        AbsenceFactory(agent=martine)
    assert len(set(times)) == 3


@pytest.mark.parametrize("header", ["If-None-Match", "If-Modified-Since"])
@pytest.mark.parametrize("value", ["", "x", '"', "*, ", "Mon, 99 Nov 2026", "é" * 10, "Z" * 9000, '"a", W/"b'])
def test_a_validator_that_cannot_be_read_is_none(martine: Any, header: str, value: str) -> None:
    assert ask(FeedFactory(owner=martine), **{header: value.encode().decode("latin-1")}).status_code == 200


def test_its_reading_is_noted_at_most_once_in_five_minutes(martine: Any, now: Any) -> None:
    feed = FeedFactory(owner=martine)
    assert feed.last_read_at is None
    ask(feed)
    feed.refresh_from_db()
    first = feed.last_read_at
    now.tick(299)
    with CaptureQueriesContext(connection) as asked:
        ask(feed)
    assert not any(str(one["sql"]).startswith("UPDATE") for one in asked)
    feed.refresh_from_db()
    assert feed.last_read_at == first
    now.tick(2)
    ask(feed)
    feed.refresh_from_db()
    assert feed.last_read_at - first == datetime.timedelta(seconds=301)
    assert feed.version == 1


def test_it_costs_the_same_queries_whatever_it_shows(cast: SimpleNamespace) -> None:
    feed = FeedFactory(owner=cast.martine, organisation=cast.mds, privacy="full", holidays=True)
    counts = []
    for number in (1, 8):
        for _ in range(number):
            agent = AgentFactory(basic_in=[cast.mds], services=[cast.pmi])
            AbsenceFactory(agent=agent, private=True)
            AbsenceFactory(agent=agent, private=True).delete()
        ask(feed)
        with CaptureQueriesContext(connection) as asked:
            assert ask(feed).status_code == 200
        counts.append(len(asked))
    assert counts == [5, 5]  # the address; the absences; the deleted, and of whom one may know; the holidays


def test_nobody_in_sight_is_an_empty_calendar(cast: SimpleNamespace) -> None:
    AbsenceFactory(agent=cast.etienne)
    feed = FeedFactory(owner=cast.martine, agent=cast.etienne)
    assert events(feed) == []
    assert address(feed)
