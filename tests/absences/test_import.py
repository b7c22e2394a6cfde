"""A file of absences: all of it is taken or nothing, each defect told with its line, its field and its reason."""

from __future__ import annotations

import datetime
import json
import uuid

import icalendar
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from absences.models import Absence, AbsencePolicy
from tests.factories import AgentFactory, OrganisationFactory

pytestmark = pytest.mark.usefixtures("now")

IMPORT = "/api/v1/absences/import"
TABLE = (
    "agent;titre;premier jour;heure début;heure fin\n{0};Congés d'été;01/12/2026;9h;12h30\n{0};RTT;2/12/2026;9h;17h\n"
)


@pytest.fixture
def martine(cast, sign_in):
    return sign_in(cast.martine)


@pytest.fixture
def table(cast):
    return TABLE.format(cast.bruno.email)


def calendar(*events):
    body = "".join(f"BEGIN:VEVENT\r\n{event}\r\nEND:VEVENT\r\n" for event in events)
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{body}END:VCALENDAR\r\n"


EVENT = (
    "UID:1@x\r\nSUMMARY:Congés\r\nDTSTART;TZID=Europe/Paris:20261201T090000\r\nDTEND;TZID=Europe/Paris:20261201T170000"
)


def refusals(answer):
    return [(one["line"], one["field"], one["error"]) for one in answer.json()["refusals"]]


class TestWays:
    """The same file, however it is sent."""

    def taken(self, answer):
        assert answer.status_code == 200, answer.content
        assert answer.json()["meta"]["created"] == 2
        assert list(Absence.objects.order_by("pk").values_list("title", flat=True)) == ["Congés d'été", "RTT"]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
    def test_as_it_is(self, martine, table, encoding):
        self.taken(martine.post(IMPORT, table.encode(encoding), "text/csv; charset=utf-8"))

    @pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
    def test_in_a_form(self, martine, table, encoding):
        head = (
            'Content-Disposition: form-data; name="file"; filename="été.csv"\r\nContent-Type: application/octet-stream'
        )
        body = f"--b\r\n{head}\r\n\r\n".encode() + table.encode(encoding) + b"\r\n--b--\r\n"
        self.taken(martine.post(IMPORT, body, "multipart/form-data; boundary=b"))

    def test_as_text_in_json(self, martine, table):
        self.taken(martine.post(IMPORT, {"file": table}))

    def test_with_its_parameters_in_the_address(self, martine, table):
        answer = martine.post(f"{IMPORT}?dry_run=true", table.encode(), "text/csv")
        assert answer.json()["meta"]["dry_run"] is True
        assert not Absence.objects.exists()


def test_a_calendar_imported_twice_changes_nothing(cast, martine):
    body = calendar(EVENT, EVENT.replace("1@x", "2@x").replace("20261201", "20261202"))
    first = martine.post(f"{IMPORT}?agent_id={cast.bruno.pk}", body, "text/calendar")
    assert first.json()["meta"]["created"] == 2
    before = list(Absence.objects.order_by("pk").values())
    assert before[0]["external_ids"] == {"ical": "1@x"}
    again = martine.post(f"{IMPORT}?agent_id={cast.bruno.pk}", body, "text/calendar")
    assert again.json()["meta"]["unchanged"] == 2
    assert list(Absence.objects.order_by("pk").values()) == before
    moved = martine.post(f"{IMPORT}?agent_id={cast.bruno.pk}", body.replace("T170000", "T160000"), "text/calendar")
    assert moved.json()["meta"]["updated"] == 2
    assert set(Absence.objects.values_list("version", flat=True)) == {2}


@pytest.mark.parametrize("column", ["", "identifiant"])
def test_a_table_imported_twice_changes_nothing(cast, martine, column):
    text = f"agent;titre;du;au;{column}\n{cast.bruno.email};x;2026-12-01;2026-12-02;{column and 'A-1'}\n"
    assert martine.post(IMPORT, text.encode(), "text/csv").json()["meta"]["created"] == 1
    before = Absence.objects.values().get()
    assert martine.post(IMPORT, text.encode(), "text/csv").json()["meta"]["unchanged"] == 1
    assert Absence.objects.values().get() == before


def test_a_series_with_its_exceptions(cast, martine):
    series = EVENT.replace("20261201", "20261202") + "\r\nRRULE:FREQ=WEEKLY;BYDAY=WE;UNTIL=20270630T080000Z"
    series += "\r\nEXDATE;TZID=Europe/Paris:20261209T090000,20261210T090000"
    moved = "UID:1@x\r\nSUMMARY:Congés\r\nRECURRENCE-ID;TZID=Europe/Paris:20261216T090000\r\nDTSTART;TZID=Europe/Paris:"
    moved += "20261217T090000\r\nDTEND;TZID=Europe/Paris:20261217T170000"
    answer = martine.post(f"{IMPORT}?agent_id={cast.bruno.pk}", calendar(series, moved), "text/calendar")
    assert answer.status_code == 200, answer.content
    row = Absence.objects.get()
    assert (row.exdates, row.recurs_until.isoformat()) == (["2026-12-09"], "2027-06-30")
    assert row.overrides == {"2026-12-16": {"first_day": "2026-12-17", "end_day": "2026-12-17"}}
    again = martine.post(f"{IMPORT}?agent_id={cast.bruno.pk}", calendar(series, moved), "text/calendar")
    assert again.json()["meta"]["unchanged"] == 1
    strange = moved.replace("20261216T", "20261218T")
    answer = martine.post(f"{IMPORT}?agent_id={cast.bruno.pk}", calendar(series, strange), "text/calendar")
    assert refusals(answer) == [(12, "RECURRENCE-ID", "invalid")]


def test_an_event_that_several_agents_have_is_theirs_each(cast, martine):
    for one in (cast.bruno, cast.chloe, cast.bruno, cast.chloe):
        assert martine.post(f"{IMPORT}?agent_id={one.pk}", calendar(EVENT), "text/calendar").status_code == 200
    assert sorted(Absence.objects.values_list("agent", flat=True)) == sorted([cast.bruno.pk, cast.chloe.pk])


def test_what_we_write_is_read_back(cast, martine):
    asked = {"title": "Congés; été, « là »", "first_day": "2026-12-01", "start_time": "9:00", "end_time": "17:00"}
    shown = martine.post("/api/v1/absences", asked | {"agent_id": cast.chloe.pk}).json()["absence"]
    martine.post(f"{IMPORT}?agent_id={cast.bruno.pk}", shown["ical"], "text/calendar")
    read = Absence.objects.get(agent=cast.bruno)
    assert (read.first_day.isoformat(), str(read.start_time)) == (shown["first_day"], shown["start_time"])
    assert read.title.endswith(asked["title"])


def test_a_calendar_of_the_library_is_read(cast, martine):
    event = icalendar.Event.new(
        uid="lib@x", summary="Été, là", start=datetime.date(2026, 12, 1), organizer=cast.bruno.email
    )
    whole = icalendar.Calendar.new(subcomponents=[event])
    answer = martine.post(f"{IMPORT}?agent_id={cast.bruno.pk}", whole.to_ical(), "text/calendar")
    assert answer.status_code == 200, answer.content
    row = Absence.objects.get()
    assert (row.title, str(row.start_time), str(row.end_time)) == ("Été, là", "00:00:00", "23:59:59")


class TestRefusals:
    def test_each_defect_is_told_with_its_line_field_and_reason_and_nothing_is_done(self, cast, martine):
        text = (
            "Agent;Titre;Du;Heure début;Au;Heure fin\n"
            f"{cast.bruno.email};Bonne;2026-12-01;9h;;17h\n"
            f"{cast.bruno.email};;2026-02-30;9h;;25h\n"
            f"{cast.etienne.email};x;2026-12-01;9h;;17h\n"
            "personne@exemple.test;x;2026-12-01;9h;;17h\n"
            f"{cast.bruno.email};x;2026-12-01;17h;;9h\n"
            f"{cast.bruno.email};x;2026-12-01;9h;;17h;de trop\n"
            ";x;2026-12-01;9h;;17h\n"
        )
        answer = martine.post(IMPORT, text.encode(), "text/csv")
        assert answer.status_code == 422
        assert refusals(answer) == [
            (3, "Du", "invalid"),
            (3, "Heure fin", "invalid"),
            (3, "Titre", "blank"),
            (4, "Agent", "forbidden"),
            (5, "Agent", "not_found"),
            (6, "Heure fin", "ends_before_start"),
            (7, "", "invalid"),
            (8, "Agent", "blank"),
        ]
        assert all(one["reason"] for one in answer.json()["refusals"])
        assert not Absence.objects.exists()
        dry = martine.post(f"{IMPORT}?dry_run=true", text.encode(), "text/csv")
        assert refusals(dry) == refusals(answer)

    def test_of_a_calendar_by_its_properties(self, cast, martine):
        bad = "SUMMARY:x\r\nDTSTART:2026\r\nDURATION:PT1H"
        far = EVENT.replace("20261201", "20461201")
        answer = martine.post(f"{IMPORT}?agent_id={cast.bruno.pk}", calendar(bad, far), "text/calendar")
        assert refusals(answer) == [
            (6, "DTSTART", "invalid"),
            (12, "DTSTART", "too_far_ahead"),
            (13, "DTEND", "too_far_ahead"),
        ]

    @pytest.mark.parametrize("language", ["fr", "en"])
    def test_no_more_than_a_thousand_are_told_and_the_others_counted(self, cast, martine, language):
        broken = calendar(EVENT + "\r\nUID:2" * 1200)
        headers = {"Accept-Language": language}
        answer = martine.post(f"{IMPORT}?agent_id={cast.bruno.pk}", broken, "text/calendar", headers=headers).json()
        assert len(answer["refusals"]) == 1000
        assert answer["refusals_left_out"] == 200
        assert len(answer["error_messages"]) == 1001
        others = {"fr": "et 200 autres défauts, qui ne sont pas dits ici", "en": "and 200 more defects, not told here"}
        assert answer["error_messages"][-1] == others[language]

    def test_where_all_are_told_none_is_left_out(self, cast, martine, table):
        assert martine.post(IMPORT, table, "text/csv").json()["refusals_left_out"] == 0
        answer = martine.post(IMPORT, calendar("SUMMARY:x"), "text/calendar").json()
        assert answer["refusals_left_out"] == 0
        assert len(answer["error_messages"]) == len(answer["refusals"])

    def test_of_the_organisations_rules(self, cast, martine, table):
        AbsencePolicy.objects.create(organisation=cast.mds, overlap="refuse")
        martine.post(IMPORT, table.encode(), "text/csv")
        other = table.replace("RTT", "Autre").replace("Congés", "Encore")
        answer = martine.post(IMPORT, other.encode(), "text/csv")
        assert refusals(answer) == [(2, "", "absence_overlaps"), (3, "", "absence_overlaps")]

    @pytest.mark.parametrize(
        ("body", "content_type", "status"),
        [
            (b"", "text/csv", 422),
            (b"   ", "text/calendar", 422),
            (b"\x00", "text/csv", 422),
            (b"\x81", "text/calendar", 422),
            (b"x", "text/plain", 415),
            (b"x", "multipart/form-data; boundary=b", 400),
            (b"--b\r\n\r\n--b--", "multipart/form-data; boundary=b", 422),
            (b'{"file": 3}', "application/json", 422),
            (b'{"file": "x", "format": []}', "application/json", 422),
            (b'{"file": "x", "system": "RH !"}', "application/json", 422),
            (b"file=x", "application/x-www-form-urlencoded", 422),
        ],
    )
    def test_what_is_no_file_is_refused(self, martine, body, content_type, status):
        assert martine.post(IMPORT, body, content_type).status_code == status


def test_who_may_not_see_an_agent_imports_nothing_for_them(cast, sign_in, table):
    answer = sign_in(cast.etienne).post(IMPORT, table.encode(), "text/csv")
    assert [one["error"] for one in answer.json()["refusals"]] == ["forbidden", "forbidden"]
    assert not Absence.objects.exists()


def test_a_key_makes_it_done_once(martine, table):
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    first, second = (martine.post(IMPORT, table.encode(), "text/csv", headers=headers) for _ in range(2))
    assert first.json() == second.json()


def test_times_are_those_where_the_agent_lives(cast, martine, sign_in):
    cast.paris.time_zone = "Indian/Reunion"
    cast.paris.save()
    answer = martine.post(f"{IMPORT}?agent_id={cast.bruno.pk}", calendar(EVENT), "text/calendar")
    shown = answer.json()["verdicts"][0]["body"]["absence"]
    assert (shown["start_time"], shown["time_zone"]) == ("12:00:00", "Indian/Reunion")


def test_it_costs_the_same_however_long_the_file_is(cast, martine):
    people = AgentFactory.create_batch(4, basic_in=[cast.mds], services=[cast.pmi])

    def cost(count):
        days = [f"{people[n % 4].email};t{n};2026-12-{n // 4 + 1:02};A{n}" for n in range(count)]
        text = "agent;titre;du;identifiant\n" + "\n".join(days)
        with CaptureQueriesContext(connection) as queries:
            answer = martine.post(IMPORT, text.encode(), "text/csv")
        assert answer.status_code == 200, answer.content
        Absence.objects.all().delete()
        return len(queries)

    cost(1)
    assert cost(2) == cost(40)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(str.encode),
        st.lists(
            st.sampled_from(
                [
                    "agent",
                    "titre",
                    "du",
                    ";",
                    ",",
                    "\n",
                    '"',
                    "2026-12-01",
                    "1/1/2026",
                    "9h",
                    "x",
                    "\x00",
                    "é",
                    "exdates",
                ]
            ),
            max_size=40,
        ).map(lambda words: "".join(words).encode()),
        st.lists(
            st.sampled_from(
                [
                    *("UID:a", "DTSTART:20261201T090000", "DTSTART:20261201", "DURATION:PT1H", "DTEND:20261202"),
                    *("RRULE:FREQ=DAILY", "RRULE:FREQ=SECONDLY;COUNT=999999999", "EXDATE:20261203", "SUMMARY:x"),
                    *("RECURRENCE-ID:20261203", "STATUS:CANCELLED", "RRULE:", "EXDATE:", "END:VEVENT", "BEGIN:VEVENT"),
                ]
            ),
            max_size=12,
        ).map(lambda lines: calendar("\r\n".join(lines)).encode()),
    ),
    st.sampled_from(["text/csv", "text/calendar", "application/json", "multipart/form-data; boundary=b"]),
)
def test_no_file_makes_the_server_fail(cast, martine, content, content_type):
    body = json.dumps({"file": content.decode("latin-1")}).encode() if content_type == "application/json" else content
    answer = martine.post(f"{IMPORT}?agent_id={cast.bruno.pk}&dry_run=true", body, content_type)
    assert answer.status_code in (200, 400, 422), (body, answer.content)


def test_a_place_is_chosen_for_all(cast, martine, table):
    other = OrganisationFactory(territory=cast.paris)
    assert martine.post(f"{IMPORT}?organisation_id={cast.mds.pk}", table.encode(), "text/csv").status_code == 200
    assert set(Absence.objects.values_list("organisation", flat=True)) == {cast.mds.pk}
    refused = martine.post(f"{IMPORT}?organisation_id={other.pk}", table.encode(), "text/csv")
    assert [one["error"] for one in refused.json()["refusals"]] == ["inclusion", "inclusion"]
