"""`GET freebusy`: when agents are not to be had, in JSON and as a calendar, and never why."""

import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from icalendar import Calendar

from absences.freebusy.busy import Span, merged, of_day, of_series
from absences.models import Absence, AbsencePolicy
from absences.recurrence import Series
from tests.factories import AbsenceFactory, AgentFactory, OrganisationFactory, TerritoryFactory

pytestmark = pytest.mark.usefixtures("now")
URL = "/api/v1/freebusy"
PERIOD = {"from": "2026-12-07", "to": "2026-12-11"}  # a week without public holidays


@pytest.fixture
def ask(sign_in, cast):
    client = sign_in(cast.martine)

    def of(*agents, **query):
        query = PERIOD | {"agent_ids": ",".join(str(agent.pk) for agent in agents)} | query
        answer = client.get(URL, query)
        assert answer.status_code == 200, answer.content
        return answer.json()["freebusy"]

    return of


def spans(member):
    return [(one["starts_at"], one["ends_at"]) for one in member["busy"]]


def busy(day, start, end, **more):
    return AbsenceFactory(
        first_day=datetime.date(2026, 12, day),
        start_time=datetime.time.fromisoformat(start),
        end_time=datetime.time.fromisoformat(end),
        **more,
    )


def test_it_tells_when_an_agent_is_out_and_nothing_else(ask, cast):
    busy(8, "09:00", "12:00", agent=cast.bruno, title="Opération", kind="sick", private=True)
    told = ask(cast.bruno)
    assert told == {
        "from": "2026-12-07 00:00:00 +0100",
        "to": "2026-12-12 00:00:00 +0100",
        "agents": [
            {
                "id": cast.bruno.pk,
                "busy": [{"starts_at": "2026-12-08 09:00:00 +0100", "ends_at": "2026-12-08 12:00:00 +0100"}],
                "email": "bruno@exemple.test",
                "error": None,
            }
        ],
    }


def test_what_overlaps_or_touches_is_one(ask, cast):
    for start, end in (("09:00", "12:00"), ("11:00", "13:00"), ("13:00", "14:00"), ("15:00", "16:00")):
        busy(8, start, end, agent=cast.bruno)
    (member,) = ask(cast.bruno)["agents"]
    assert spans(member) == [
        ("2026-12-08 09:00:00 +0100", "2026-12-08 14:00:00 +0100"),
        ("2026-12-08 15:00:00 +0100", "2026-12-08 16:00:00 +0100"),
    ]


def test_what_goes_beyond_the_period_is_cut_at_its_ends(ask, cast):
    AbsenceFactory(agent=cast.bruno, first_day=datetime.date(2026, 11, 1), end_day=datetime.date(2027, 1, 5))
    (member,) = ask(cast.bruno)["agents"]
    assert spans(member) == [("2026-12-07 00:00:00 +0100", "2026-12-12 00:00:00 +0100")]
    (member,) = ask(cast.bruno, **{"from": "2026-12-08T10:30", "to": "2026-12-08T11:00+01:00"})["agents"]
    assert spans(member) == [("2026-12-08 10:30:00 +0100", "2026-12-08 11:00:00 +0100")]


def test_each_time_that_an_absence_comes_again_counts(ask, cast):
    AbsenceFactory(
        agent=cast.bruno,
        first_day=datetime.date(2026, 11, 2),
        end_time=datetime.time(10),
        rrule="FREQ=WEEKLY;BYDAY=MO,WE,FR",
        exdates=["2026-12-09"],
        overrides={"2026-12-11": {"start_time": "14:00:00", "end_time": "15:00:00"}},
    )
    (member,) = ask(cast.bruno)["agents"]
    assert spans(member) == [
        ("2026-12-07 09:00:00 +0100", "2026-12-07 10:00:00 +0100"),
        ("2026-12-11 14:00:00 +0100", "2026-12-11 15:00:00 +0100"),
    ]


def test_so_does_an_occurrence_that_was_moved_before_the_first(ask, cast):
    AbsenceFactory(
        agent=cast.bruno,
        first_day=datetime.date(2027, 2, 1),
        rrule="FREQ=WEEKLY;COUNT=2",
        overrides={"2027-02-08": {"first_day": "2026-12-08"}},
    )
    (member,) = ask(cast.bruno)["agents"]
    assert spans(member) == [("2026-12-08 09:00:00 +0100", "2026-12-08 17:00:00 +0100")]


def test_hours_are_those_of_the_zone_of_the_absence(ask, cast):
    cast.paris.time_zone = "Indian/Reunion"
    cast.paris.save()
    busy(8, "09:00", "12:00", agent=cast.bruno)
    (member,) = ask(cast.bruno)["agents"]
    assert spans(member) == [("2026-12-08 06:00:00 +0100", "2026-12-08 09:00:00 +0100")]


def test_public_holidays_are_busy_where_the_organisation_keeps_them(ask, cast):
    christmas = {"from": "2026-12-23", "to": "2026-12-27"}
    (member,) = ask(cast.bruno, **christmas)["agents"]
    assert spans(member) == [("2026-12-25 00:00:00 +0100", "2026-12-26 00:00:00 +0100")]
    AbsencePolicy.objects.create(organisation=cast.mds, public_holidays=False)
    (member,) = ask(cast.bruno, **christmas)["agents"]
    assert spans(member) == []


def test_a_public_holiday_is_a_day_of_the_agent_s_territory(sign_in, now):
    island = OrganisationFactory(territory=TerritoryFactory(departement_number="974", time_zone="Indian/Reunion"))
    agent = AgentFactory(admin_of=[island])
    answer = sign_in(agent).get(URL, {"agent_ids": agent.pk, "from": "2026-12-18", "to": "2026-12-22"})
    (member,) = answer.json()["freebusy"]["agents"]
    # 20 December, the end of slavery there.
    assert spans(member) == [("2026-12-19 21:00:00 +0100", "2026-12-20 21:00:00 +0100")]


def test_who_is_out_of_sight_is_refused_by_name_and_the_others_are_answered(sign_in, cast):
    busy(8, "09:00", "12:00", agent=cast.etienne)
    busy(8, "09:00", "12:00", agent=cast.bruno)
    query = {
        "agent_ids[]": [cast.etienne.pk, cast.bruno.pk, 999_999_999, "abc"],
        "emails[]": ["etienne@exemple.test", "bruno@exemple.test", "chloe@exemple.test", "personne@exemple.test"],
    }
    answer = sign_in(cast.martine).get(URL, PERIOD | query)
    told = [
        (one["id"], one["email"], one["busy"] if one["busy"] is None else len(one["busy"]), one["error"])
        for one in answer.json()["freebusy"]["agents"]
    ]
    forbidden = {"code": "forbidden", "message": "Vous n'avez pas le droit de voir cet agent."}
    not_found = {"code": "not_found", "message": "Cet agent n'existe pas."}
    assert told == [
        (cast.etienne.pk, None, None, forbidden),
        (cast.bruno.pk, "bruno@exemple.test", 1, None),
        (999_999_999, None, None, not_found),
        (0, None, None, not_found),
        (None, "etienne@exemple.test", None, forbidden),
        (cast.chloe.pk, "chloe@exemple.test", 0, None),
        (None, "personne@exemple.test", None, not_found),
    ]


def test_who_is_gone_is_nobody(ask, cast):
    cast.bruno.leave()
    (member,) = ask(cast.bruno)["agents"]
    assert member["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("query", "failures"),
    [
        ({}, {"agent_ids": "blank", "from": "blank", "to": "blank"}),
        ({"agent_ids": "1", "from": "2026-02-30", "to": "x"}, {"from": "invalid", "to": "invalid"}),
        ({"agent_ids": "1", "from": "2026-12-02", "to": "2026-12-01"}, {"to": "invalid"}),
        ({"agent_ids": "1", "from": "2026-12-01T10:00", "to": "2026-12-01T10:00"}, {"to": "invalid"}),
        ({"agent_ids": "1", "from": "2026-12-01", "to": "2027-01-30"}, {"to": "period_too_long"}),
        ({"agent_ids": ",".join(map(str, range(1, 52))), **PERIOD}, {"agent_ids": "too_many"}),
        ({"agent_ids": "1", "from": "0001-01-01", "to": "0001-01-02"}, {"from": "invalid", "to": "invalid"}),
        ({"agent_ids": "1", "from": "1969-12-31", "to": "1970-01-02"}, {"from": "invalid"}),
        ({"agent_ids[]": [1], "from[]": ["2026-12-01"], "to": "2026-12-01"}, {"from": "invalid"}),
    ],
)
def test_all_that_is_wrong_is_told_at_once(sign_in, cast, query, failures):
    answer = sign_in(cast.martine).get(URL, query)
    assert answer.status_code == 422
    assert {name: one[0]["error"] for name, one in answer.json()["errors"].items()} == failures


@pytest.mark.parametrize(
    "period",
    [
        {"from": "2026-12-01", "to": "2027-01-29"},  # 60 days
        {"from": "2026-09-15", "to": "2026-11-13"},  # 60 days and an hour
        {"from": "1970-01-01", "to": "1970-01-31"},
        {"from": "9999-12-01", "to": "9999-12-31"},
    ],
)
def test_a_period_may_be_anywhere(ask, cast, period):
    assert ask(cast.bruno, **period)["agents"][0]["error"] is None


def test_fifty_agents_may_be_asked_for(ask, cast):
    agents = [AgentFactory(basic_in=[cast.mds]) for _ in range(50)]
    assert [one["id"] for one in ask(*agents)["agents"]] == [agent.pk for agent in agents]


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        (f"{URL}.ics", {}),
        (f"{URL}.ics/", {}),
        (URL, {"Accept": "text/calendar"}),
        (URL, {"Accept": "text/calendar, application/json;q=0.9"}),
    ],
)
def test_a_calendar_is_for_who_asks_for_one(sign_in, cast, address, headers):
    query = PERIOD | {"agent_ids": cast.bruno.pk}
    answer = sign_in(cast.martine).get(address, query, headers=headers)
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    assert "Accept" in answer["Vary"]
    assert answer.content.startswith(b"BEGIN:VCALENDAR\r\n")


@pytest.mark.parametrize("accept", ["*/*", "text/*", "application/json", "text/calendar;q=0.5, application/json", ""])
def test_json_is_for_everybody_else(sign_in, cast, accept):
    query = PERIOD | {"agent_ids": cast.bruno.pk}
    answer = sign_in(cast.martine).get(URL, query, headers={"Accept": accept})
    assert answer["Content-Type"] == "application/json; charset=utf-8"
    assert "Accept" in answer["Vary"]


def test_the_calendar_is_one_that_icalendar_reads(sign_in, cast):
    busy(8, "09:00", "12:00", agent=cast.bruno, title="Opération")
    busy(9, "09:00", "12:00", agent=cast.bruno)
    query = PERIOD | {"agent_ids[]": [cast.bruno.pk, cast.etienne.pk], "emails": "personne@exemple.test"}
    answer = sign_in(cast.martine).get(f"{URL}.ics", query)
    assert "Opération" not in answer.content.decode()
    assert all(len(line) <= 75 for line in answer.content.split(b"\r\n"))
    calendar = Calendar.from_ical(answer.content)
    assert not calendar.errors
    bruno, etienne, nobody = calendar.walk("VFREEBUSY")
    assert not bruno.errors
    moment = datetime.datetime
    assert bruno["DTSTART"].dt == moment(2026, 12, 6, 23, tzinfo=datetime.UTC)
    assert bruno["DTEND"].dt == moment(2026, 12, 11, 23, tzinfo=datetime.UTC)
    assert bruno["ORGANIZER"] == "mailto:bruno@exemple.test"
    periods = [(one.start, one.end) for one in bruno["FREEBUSY"]]
    assert periods == [
        (moment(2026, 12, day, 8, tzinfo=datetime.UTC), moment(2026, 12, day, 11, tzinfo=datetime.UTC))
        for day in (8, 9)
    ]
    assert {one.params["FBTYPE"] for one in bruno["FREEBUSY"]} == {"BUSY"}
    assert etienne["REQUEST-STATUS"] == "3.8;No authority"
    assert nobody["REQUEST-STATUS"] == "3.7;Invalid calendar user"
    assert "FREEBUSY" not in etienne
    assert len({one["UID"] for one in (bruno, etienne, nobody)}) == 3


def test_a_calendar_that_did_not_change_is_304(sign_in, cast, now):
    busy(8, "09:00", "12:00", agent=cast.bruno)
    client, query = sign_in(cast.martine), PERIOD | {"agent_ids": cast.bruno.pk}
    etag = client.get(f"{URL}.ics", query)["ETag"]
    now.tick(3600)
    assert client.get(f"{URL}.ics", query, headers={"If-None-Match": etag}).status_code == 304


def test_the_queries_are_as_many_for_one_as_for_all(sign_in, cast):
    client = sign_in(cast.martine)

    def asked(agents):
        with CaptureQueriesContext(connection) as queries:
            client.get(URL, PERIOD | {"agent_ids[]": [agent.pk for agent in agents]})
        return len(queries)

    asked([cast.bruno])
    agents = [AgentFactory(basic_in=[cast.mds]) for _ in range(40)]
    Absence.objects.bulk_create(
        AbsenceFactory.build(agent=agent, first_day=datetime.date(2026, 12, 8), rrule=rule)
        for agent in agents
        for rule in ("", "FREQ=DAILY")
    )
    # The credential, the agents, their absences, their public holidays.
    assert asked([cast.bruno]) == asked(agents) == 4


# ── Against a minute's grid ──────────────────────────────────────────────────────────────────────────────────────────

ZONES = ("Europe/Paris", "Indian/Reunion", "America/Martinique", "Pacific/Noumea", "America/Miquelon")
# Both nights of the clock changes are in it.
STARTS = [datetime.date(2026, 3, 25), datetime.date(2026, 10, 21), datetime.date(2026, 12, 7)]
MINUTE = datetime.timedelta(minutes=1)
times = st.integers(0, 24 * 60 - 1).map(lambda minute: datetime.time(minute // 60, minute % 60))


@st.composite
def leaves(draw):
    """An absence of a world: civil values, a rule, a zone; near one of the nights."""
    begin = draw(st.sampled_from(STARTS)) + datetime.timedelta(days=draw(st.integers(-4, 8)))
    start, end, days = draw(times), draw(times), draw(st.integers(0, 2))
    rule = draw(st.sampled_from(["", "", "FREQ=DAILY", "FREQ=DAILY;INTERVAL=2;COUNT=3", "FREQ=WEEKLY"]))
    if rule:
        days = 0
    if (0, start) >= (days, end):
        start, end = (end, start) if end < start else (datetime.time(8), datetime.time(9))
    return Series.of(begin, start, begin + datetime.timedelta(days=days), end, rule, zone=draw(st.sampled_from(ZONES)))


def by_the_minute(absences, window):
    """The minutes of the window that an absence covers, each looked at by itself; python-dateutil has the days."""
    covered = set()
    for one in absences:
        zone, first = ZoneInfo(one.zone), datetime.datetime.combine(one.first_day, datetime.time())
        days = [first]
        if one.rule:
            days = rrulestr(one.rule.text, dtstart=first).between(
                first, window.ends.replace(tzinfo=None) + datetime.timedelta(days=3), inc=True
            )
        for day in days:
            begin = datetime.datetime.combine(day.date(), one.start_time)
            finish = datetime.datetime.combine(day.date() + (one.end_day - one.first_day), one.end_time)
            starts, ends = (moment.replace(tzinfo=zone).astimezone(datetime.UTC) for moment in (begin, finish))
            if ends <= starts:  # the hour that does not exist
                ends = starts + (finish - begin)
            minute = max(starts, window.starts)
            while minute < min(ends, window.ends):
                covered.add(minute)
                minute += MINUTE
    return covered


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(leaves(), max_size=6), st.sampled_from(STARTS), times, st.integers(1, 6 * 24 * 60))
@example([], STARTS[0], datetime.time(), 1)
def test_busy_time_is_that_of_a_grid_of_minutes(absences, day, time, minutes):
    starts = datetime.datetime.combine(day, time, datetime.UTC)
    window = Span(starts, starts + minutes * MINUTE)
    found = merged((span for one in absences for span in of_series(one, window)), window)
    for former, later in pairwise(found):
        assert former.ends < later.starts
    minutes_found = set()
    for span in found:
        assert window.starts <= span.starts < span.ends <= window.ends
        minute = span.starts
        while minute < span.ends:
            minutes_found.add(minute)
            minute += MINUTE
    assert minutes_found == by_the_minute(absences, window)


def test_a_day_is_as_long_as_its_clock_has_it():
    lengths = {
        day: of_day(datetime.date.fromisoformat(day), "Europe/Paris").ends
        - of_day(datetime.date.fromisoformat(day), "Europe/Paris").starts
        for day in ("2026-03-29", "2026-10-25", "2026-12-25")
    }
    assert [length.total_seconds() / 3600 for length in lengths.values()] == [23, 25, 24]
