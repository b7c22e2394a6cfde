"""Absences that come again, by the API: `rrule` and `exdates` on creation and change, the rules of contract 1.10, the
calendar of contract 5.3.
"""

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from icalendar import Calendar

from absences.models import Absence
from agents.models import Territory

from ..factories import AbsenceFactory, AgentFactory, OrganisationFactory
from .test_calendar import lines, values

WRONG_START = "Le début de la récurrence ne correspond pas au premier jour."
WRONG_END = "La fin de la récurrence doit être après le premier jour."
SEVERAL_DAYS = "pas possible avec une indisponibilité de plusieurs jours"


@pytest.fixture
def weekly(cast):
    """Every Thursday afternoon of June 2027, but for the 17th."""
    return AbsenceFactory(
        agent=cast.bruno,
        title="Réunion",
        first_day=datetime.date(2027, 6, 3),
        start_time=datetime.time(13, 30),
        end_time=datetime.time(17, 0),
        rrule="FREQ=WEEKLY;BYDAY=TH;UNTIL=20270630T000000",
        exdates=["2027-06-17"],
    )


@pytest.fixture
def create(martine, asked):
    def create(**values):
        answer = martine.post("/api/v1/absences", asked | values)
        return answer.status_code, answer.json()

    return create


@pytest.fixture
def change(martine, weekly):
    def change(**values):
        answer = martine.put(f"/api/v1/absences/{weekly.pk}", values)
        return answer.status_code, answer.json()

    return change


def created(answer):
    status, body = answer
    assert status == 200, body
    return body["absence"]


def refused(answer):
    status, body = answer
    assert status == 422, body
    return body["errors"]


# Creation


def test_an_absence_comes_again(create):
    absence = created(create(rrule="FREQ=WEEKLY;BYDAY=TH;UNTIL=20271231", exdates=["2027-06-24", "2027-06-17"]))
    assert absence["rrule"] == "FREQ=WEEKLY;BYDAY=TH;UNTIL=20271231T000000;"
    assert absence["exdates"] == ["2027-06-17", "2027-06-24"]
    row = Absence.objects.get()
    assert (row.rrule, row.recurs_until) == ("FREQ=WEEKLY;BYDAY=TH;UNTIL=20271231T000000", datetime.date(2027, 12, 30))


def test_without_end_it_has_no_last_day(create):
    assert created(create(rrule="FREQ=MONTHLY;BYDAY=2TH;"))["exdates"] == []
    assert Absence.objects.get().recurs_until is None


@pytest.mark.parametrize("rrule", [None, ""])
def test_nothing_is_no_recurrence(create, rrule):
    absence = created(create(rrule=rrule, exdates=None))
    assert (absence["rrule"], absence["exdates"]) == (None, None)


def test_the_rule_may_stand_in_the_address(martine, asked):
    answer = martine.post(
        "/api/v1/absences?rrule=FREQ%3DDAILY%3BCOUNT%3D3&exdates[]=2027-06-11", asked, content_type="application/json"
    )
    assert (answer.json()["absence"]["rrule"], answer.json()["absence"]["exdates"]) == (
        "FREQ=DAILY;COUNT=3;",
        ["2027-06-11"],
    )


@pytest.mark.parametrize("rrule", ["every thursday", "FREQ=HOURLY", 3, True, ["FREQ=DAILY"], {"every": "week"}])
def test_a_bad_rule_is_refused(create, rrule):
    (error,) = refused(create(rrule=rrule))["rrule"]
    assert (error["error"], error["value"]) == ("invalid", rrule)
    assert not Absence.objects.exists()


def test_a_bad_rule_says_what_is_expected(create):
    _status, body = create(rrule="FREQ=WEEKLY;INTERVAL=1000000000")
    assert body["errors"]["rrule"][0] | {"value": ""} == {
        "error": "invalid",
        "value": "",
        "format": "INTERVAL=1..999",
    }
    assert body["error_messages"] == ["rrule a INTERVAL qui ne convient pas (format attendu : INTERVAL=1..999)"]


@pytest.mark.parametrize(
    ("values", "name", "message"),
    [
        ({"rrule": "FREQ=WEEKLY;BYDAY=MO"}, "base", WRONG_START),
        ({"rrule": "FREQ=WEEKLY;UNTIL=20270610"}, "base", WRONG_END),
        ({"rrule": "FREQ=WEEKLY", "end_day": "2027-06-11"}, "recurrence", SEVERAL_DAYS),
        ({"rrule": "FREQ=WEEKLY;UNTIL=20350101"}, "recurrence_ends_at", "ne peut pas être dans plus de 5 ans"),
        ({"rrule": "FREQ=YEARLY;COUNT=9999"}, "recurrence_ends_at", "ne peut pas être dans plus de 5 ans"),
    ],
)
def test_the_rules_of_the_contract(create, values, name, message):
    status, body = create(**values)
    assert (status, body["errors"]) == (422, {name: [{"error": message}]})
    assert body["error_messages"] == [f"{name} {message}"]


def test_all_that_is_wrong_is_told_in_the_contracts_order(martine):
    answer = martine.post(
        "/api/v1/absences",
        {"first_day": "2027-06-10", "end_day": "2027-06-09", "start_time": "9:00", "rrule": "FREQ=DAILY;BYDAY=MO"},
    )
    assert list(answer.json()["errors"]) == ["end_time", "base", "agent", "title", "recurrence"]


def test_no_occurrence_ends_before_it_starts(create):
    errors = refused(create(rrule="FREQ=WEEKLY;UNTIL=20271231", start_time="17:00", end_time="09:00"))
    assert errors == {"ends_time": [{"error": "doit être après le début."}]}


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"exdates": ["2027-06-11"]}, "inclusion"),
        ({"exdates": ["2027-06-32"]}, "invalid"),
        ({"exdates": [3]}, "invalid"),
        ({"exdates": {"2027-06-17": True}}, "invalid"),
        ({"exdates": True}, "invalid"),
        ({"exdates": ["2027-06-10", "2027-06-17", "2027-06-24"]}, "invalid"),
        ({"exdates": ["2027-06-17"] * 1001}, "too_long"),
        ({"exdates": ["2027-06-17"], "rrule": None}, "invalid"),
    ],
)
def test_days_that_cannot_be_taken_out(create, values, code):
    (error,) = refused(create(**{"rrule": "FREQ=WEEKLY;COUNT=3"} | values))["exdates"]
    assert error["error"] == code


def test_a_rule_and_its_days_that_are_bad_are_told_at_once(create):
    assert list(refused(create(rrule="FREQ=NEVER", exdates=["hier"]))) == ["rrule", "exdates"]


# Change


def test_what_is_not_sent_stays(change, weekly):
    absence = created(change(title="Autre"))
    assert (absence["rrule"], absence["exdates"]) == ("FREQ=WEEKLY;BYDAY=TH;UNTIL=20270630T000000;", ["2027-06-17"])
    assert absence["version"] == 2


def test_what_was_read_may_be_sent_back(change, martine, weekly):
    read = martine.get(f"/api/v1/absences/{weekly.pk}").json()["absence"]
    assert created(change(**{name: read[name] for name in ("first_day", "rrule", "exdates", "title")})) == read


@pytest.mark.parametrize("rrule", [None, ""])
def test_a_recurrence_may_end(change, rrule):
    absence = created(change(rrule=rrule))
    assert (absence["rrule"], absence["exdates"], absence["version"]) == (None, None, 2)
    row = Absence.objects.get()
    assert (row.rrule, row.exdates, row.overrides, row.recurs_until) == ("", None, None, None)


def test_the_first_day_moves_with_the_rule_alone(change):
    assert refused(change(first_day="2027-06-10", end_day="2027-06-10")) == {"base": [{"error": WRONG_START}]}
    moved = {"first_day": "2027-06-10", "end_day": "2027-06-10", "rrule": "FREQ=WEEKLY;BYDAY=TH;COUNT=3"}
    assert created(change(**moved))["first_day"] == "2027-06-10"
    assert Absence.objects.get().recurs_until == datetime.date(2027, 6, 24)


def test_days_that_the_new_rule_has_not_are_forgotten(change):
    absence = created(change(rrule="FREQ=WEEKLY;INTERVAL=3"))
    assert absence["exdates"] == []


def test_days_that_the_new_rule_has_stay_out(change):
    assert created(change(rrule="FREQ=WEEKLY;INTERVAL=2"))["exdates"] == ["2027-06-17"]


def test_what_an_occurrence_has_of_its_own_is_forgotten_with_it(change, weekly):
    weekly.overrides = {"2027-06-10": {"title": "Autre"}, "2027-06-24": {"title": "Encore"}}
    weekly.save()
    created(change(exdates=["2027-06-10"]))
    assert Absence.objects.get().overrides == {"2027-06-24": {"title": "Encore"}}


def test_the_end_is_kept_with_what_was_moved(weekly):
    weekly.overrides = {"2027-06-24": {"first_day": "2027-08-01", "end_day": "2027-08-02"}}
    weekly.save()
    assert Absence.objects.get().recurs_until == datetime.date(2027, 8, 2)


# The calendar


def test_the_calendar_has_the_rule_after_the_summary(martine, weekly):
    ical = martine.get(f"/api/v1/absences/{weekly.pk}").json()["absence"]["ical"]
    event = lines(ical)[lines(ical).index("BEGIN:VEVENT") :]
    assert event[2:] == [
        f"UID:absence_{weekly.pk}@RDV Solidarités",
        "DTSTART;TZID=Europe/Paris:20270603T133000",
        "DTEND;TZID=Europe/Paris:20270603T170000",
        "ORGANIZER:mailto:secretariat-auto@rdv-solidarites.fr",
        "SEQUENCE:0",
        "SUMMARY:RDV Solidarités Réunion",
        "RRULE:FREQ=WEEKLY;UNTIL=20270630T000000;BYDAY=TH",
        "EXDATE;TZID=Europe/Paris:20270617T133000",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]


def test_an_occurrence_with_something_of_its_own_is_an_event(martine, weekly):
    weekly.overrides = {
        "2027-06-24": {"title": "Bilan, annuel"},
        "2027-06-10": {"first_day": "2027-06-11", "start_time": "09:00:00", "end_time": "10:00:00"},
    }
    weekly.save()
    calendar = Calendar.from_ical(martine.get(f"/api/v1/absences/{weekly.pk}").json()["absence"]["ical"])
    series, moved, titled = calendar.walk("VEVENT")
    assert "RRULE" in series
    assert len({str(event["UID"]) for event in (series, moved, titled)}) == 1
    assert "RRULE" not in moved
    assert (moved.decoded("RECURRENCE-ID").date(), moved.decoded("DTSTART").isoformat()) == (
        datetime.date(2027, 6, 10),
        "2027-06-11T09:00:00+02:00",
    )
    assert moved.decoded("RECURRENCE-ID").time() == datetime.time(13, 30)
    assert str(titled["SUMMARY"]) == "RDV Solidarités Bilan, annuel"
    assert titled.decoded("DTEND").isoformat() == "2027-06-24T17:00:00+02:00"


@pytest.mark.parametrize(
    ("zone", "offset"), [("Indian/Reunion", 4), ("America/Martinique", -4), ("Pacific/Noumea", 11)]
)
def test_overseas_the_calendar_has_their_zone(sign_in, zone, offset):
    territory = Territory.objects.create(name="Là-bas", departement_number="974", time_zone=zone)
    organisation = OrganisationFactory(territory=territory)
    admin = sign_in(AgentFactory(admin_of=[organisation]))
    agent = AgentFactory(basic_in=[organisation])
    asked = {"agent_id": agent.pk, "title": "RTT", "first_day": "2027-06-10", "start_time": "9:00", "end_time": "12:00"}
    answer = admin.post("/api/v1/absences", asked | {"rrule": "FREQ=WEEKLY;UNTIL=20271231"})
    absence = answer.json()["absence"]
    assert absence["time_zone"] == zone
    (event,) = Calendar.from_ical(absence["ical"]).walk("VEVENT")
    assert event.decoded("DTSTART").utcoffset() == datetime.timedelta(hours=offset)
    assert values(absence["ical"], "TZID") == [zone]


def test_where_clocks_change_elsewhere_the_calendar_says_when(sign_in):
    territory = Territory.objects.create(
        name="Saint-Pierre-et-Miquelon", departement_number="975", time_zone="America/Miquelon"
    )
    organisation = OrganisationFactory(territory=territory)
    agent = AgentFactory(basic_in=[organisation])
    asked = {"agent_id": agent.pk, "title": "RTT", "first_day": "2027-06-10", "start_time": "9:00", "end_time": "12:00"}
    answer = sign_in(AgentFactory(admin_of=[organisation])).post("/api/v1/absences", asked)
    ical = answer.json()["absence"]["ical"]
    (zone,) = Calendar.from_ical(ical).walk("VTIMEZONE")
    assert {str(part["TZNAME"]) for part in zone.subcomponents} == {"-03", "-02"}
    made = zone.to_tz()
    winter, summer = (datetime.datetime(2027, month, 10, 9, tzinfo=made) for month in (12, 6))
    assert (winter.utcoffset(), summer.utcoffset()) == (datetime.timedelta(hours=-3), datetime.timedelta(hours=-2))


def test_fields_alone_are_the_same(martine, weekly):
    weekly.overrides = {"2027-06-24": {"title": "Bilan"}}
    weekly.save()
    whole = martine.get("/api/v1/absences").json()["absences"][0]
    (part,) = martine.get("/api/v1/absences?fields=ical,rrule,exdates").json()["absences"]
    assert part == {name: whole[name] for name in ("exdates", "ical", "rrule")}


# The list's periods


@pytest.fixture
def found(martine, weekly):
    def found(query):
        return bool(martine.get(f"/api/v1/absences?{query}").json()["absences"])

    return found


@pytest.mark.parametrize(
    ("query", "there"),
    [
        ("from=2027-06-10&to=2027-06-10", True),
        ("from=2027-06-11&to=2027-06-16", False),
        ("from=2027-06-17&to=2027-06-17", False),  # taken out
        ("from=2027-06-10T17:00&to=2027-06-16", False),
        ("from=2027-06-10T16:59&to=2027-06-16", True),
        ("from=2027-06-04&to=2027-06-10T13:30", False),
        ("from=2027-06-04&to=2027-06-10T13:31", True),
        ("from=2027-06-24", True),
        ("from=2027-06-25", False),
        ("to=2027-06-02", False),
        ("to=2027-06-03", True),
        ("from=9999-12-31", False),
        ("from=0001-01-01&to=9999-12-31", True),
    ],
)
def test_a_period_is_held_against_each_occurrence(found, query, there):
    assert found(query) is there


def test_a_period_finds_what_was_moved_where_it_is(found, weekly):
    weekly.overrides = {"2027-06-03": {"first_day": "2027-05-20"}, "2027-06-24": {"first_day": "2027-07-20"}}
    weekly.save()
    assert found("from=2027-05-20&to=2027-05-20")
    assert found("from=2027-07-20&to=2027-07-20")
    assert not found("from=2027-06-03&to=2027-06-03")
    assert not found("from=2027-06-24&to=2027-06-24")


def test_an_endless_one_is_found_in_any_year_to_come(found, weekly):
    weekly.rrule = "FREQ=MONTHLY;BYDAY=1TH"
    weekly.save()
    assert found("from=2041-01-03&to=2041-01-03")
    assert not found("from=2041-01-04&to=2041-02-06")


def test_the_beginning_is_that_of_the_first_occurrence(found):
    assert found("starts_after=2027-06-03&starts_before=2027-06-04")
    assert not found("starts_after=2027-06-04")


def test_a_period_costs_one_query_more_however_many_recur(martine, cast, weekly):
    def queries(query):
        with CaptureQueriesContext(connection) as captured:
            assert martine.get(f"/api/v1/absences?{query}").status_code == 200
        return len(captured)

    filtered, period = "title=r%C3%A9union", "title=r%C3%A9union&from=2027-06-01&to=2027-06-30"
    queries(filtered)  # what is compiled once
    assert queries(period) == queries(filtered) + 1
    for _ in range(5):
        AbsenceFactory(agent=cast.bruno, first_day=datetime.date(2027, 6, 3), rrule="FREQ=DAILY;COUNT=30")
    assert queries(period) == queries(filtered) + 1
