"""Two absences of an agent at once: accepted, told, merged or refused, as the organisations decided, whoever writes."""

from __future__ import annotations

import datetime
import random
import time
from threading import Thread

import pytest
from django.db import connection, connections

from absences.models import Absence, AbsencePolicy, DeletedAbsence, Overlapping
from absences.models.overlaps import Calendars, meet
from absences.recurrence import WEEKDAYS, occurrences
from agents.models import Agent, AgentRole
from tests.directory_file import apply
from tests.factories import AbsenceFactory, AgentFactory, OrganisationFactory

pytestmark = pytest.mark.usefixtures("now")

POST = "/api/v1/absences"


@pytest.fixture
def martine(cast, sign_in):
    return sign_in(cast.martine)


@pytest.fixture
def decides(cast):
    def decide(overlap, organisation=None):
        AbsencePolicy.objects.update_or_create(organisation=organisation or cast.mds, defaults={"overlap": overlap})

    return decide


@pytest.fixture
def there(cast):
    """An absence of Bruno's: all the 10th of December."""
    return AbsenceFactory(agent=cast.bruno, first_day=datetime.date(2026, 12, 10))


@pytest.fixture
def asked(cast):
    return {
        "agent_id": cast.bruno.pk,
        "title": "Autre",
        "first_day": "2026-12-10",
        "start_time": "16:00",
        "end_day": "2026-12-11",
        "end_time": "12:00",
    }


def test_unless_somebody_decided_they_are_accepted(there, martine, asked):
    answer = martine.post(POST, asked)
    assert (answer.status_code, list(answer.json())) == (200, ["absence"])


def test_accepted_and_told(there, martine, asked, decides):
    decides("warn")
    answer = martine.post(POST, asked)
    (warning,) = answer.json()["warnings"]
    assert (warning["warning"], warning["absence_ids"]) == ("overlaps", [there.pk])
    assert warning["message"]
    assert Absence.objects.count() == 2
    # What touches does not overlap.
    beside = martine.post(POST, asked | {"first_day": "2026-12-11", "start_time": "12:00", "end_time": "13:00"})
    assert "warnings" not in beside.json()


def test_refused_with_those_that_are_in_the_way(there, martine, asked, decides):
    decides("refuse")
    answer = martine.post(POST, asked)
    assert (answer.status_code, answer.json()["absence_ids"]) == (409, [there.pk])
    assert answer.json()["errors"] == [{"base": "absence_overlaps"}]
    problem = martine.post(POST, asked, headers={"Accept": "application/problem+json"})
    assert (problem.json()["code"], problem.json()["absence_ids"]) == ("absence_overlaps", [there.pk])
    assert martine.post(POST, asked | {"start_time": "17:00"}).status_code == 200


def test_merged_into_the_older_one(cast, there, martine, asked, decides):
    decides("merge")
    answer = martine.post(POST, asked)
    shown = answer.json()["absence"]
    assert (shown["id"], shown["title"], shown["version"]) == (there.pk, there.title, 2)
    assert (shown["start_time"], shown["end_day"], shown["end_time"]) == ("09:00:00", "2026-12-11", "12:00:00")
    assert answer["Location"].endswith(f"/{there.pk}")
    assert [(one["warning"], one["absence_ids"]) for one in answer.json()["warnings"]] == [("merged", [there.pk])]
    assert Absence.objects.count() == 1
    # Within what is there already nothing changes.
    assert martine.post(POST, asked).json()["absence"]["version"] == 2


def test_halves_that_touch_are_merged(cast, martine, decides):
    decides("merge")
    half = {"agent_id": cast.bruno.pk, "title": "RTT", "first_day": "2026-12-10"}
    martine.post(POST, half | {"period": "afternoon"})
    shown = martine.post(POST, half | {"period": "morning"}).json()["absence"]
    assert (shown["start_time"], shown["end_time"], shown["period"]) == ("08:00:00", "18:30:00", "day")
    assert Absence.objects.count() == 1


def test_one_that_joins_two_makes_one_of_three(cast, there, martine, decides):
    decides("merge")
    later = AbsenceFactory(agent=cast.bruno, first_day=datetime.date(2026, 12, 12), external_ids={"rh": "B"})
    between = {"agent_id": cast.bruno.pk, "title": "x", "first_day": "2026-12-10", "end_day": "2026-12-12"}
    martine.post(POST, between | {"start_time": "17:00", "end_time": "09:00", "external_ids": {"paie": "7"}})
    row = Absence.objects.get()
    assert (row.pk, str(row.end_day), row.external_ids) == (there.pk, "2026-12-12", {"rh": "B", "paie": "7"})
    assert DeletedAbsence.objects.get().pk == later.pk
    for name in ("rh/B", "paie/7"):
        assert martine.get(f"{POST}/by-external-id/{name}").json()["absence"]["id"] == there.pk


@pytest.mark.parametrize("change", [{"kind": "sick"}, {"private": True}, {"rrule": "FREQ=DAILY;COUNT=2"}])
def test_what_would_be_lost_is_not_merged_but_told(there, martine, asked, decides, change):
    decides("merge")
    answer = martine.post(POST, asked | {"end_day": "2026-12-10", "end_time": "18:00"} | change)
    assert [one["warning"] for one in answer.json()["warnings"]] == ["overlaps"]
    assert Absence.objects.count() == 2


def test_nobody_finds_out_what_a_private_absence_is_by_trying_to_merge_another_with_it(cast, sign_in, asked, decides):
    AbsenceFactory(agent=cast.bruno, first_day=datetime.date(2026, 12, 10), kind="sick", private=True)
    decides("merge")
    told = []
    for kind in ("sick", "holiday"):
        tried = asked | {"end_day": "2026-12-10", "end_time": "18:00", "private": True, "kind": kind}
        answer = sign_in(cast.sophie).post(f"{POST}/bulk", {"absences": [tried], "dry_run": True})
        (verdict,) = answer.json()["verdicts"]
        told.append((verdict["result"], verdict["body"]["warnings"]))
    assert told[0] == told[1]
    assert told[0][0] == "created"


def test_series_meet_as_their_occurrences_do():
    """Also where a change of the clocks moves one onto another."""
    days = [datetime.date(2027, 3, 22) + datetime.timedelta(days=number) for number in range(7)]
    times = [datetime.time(*one) for one in ((1, 30), (2, 0), (2, 30), (3, 0), (3, 30), (4, 0))]
    chance, met = random.Random(7), []
    for _round in range(300):
        pair = []
        for _one in range(2):
            day, (start, end) = chance.choice(days), sorted(chance.sample(times, 2))
            weekday = WEEKDAYS[day.weekday()]
            rule = chance.choice(
                ["", "FREQ=DAILY;COUNT=9", "FREQ=DAILY;INTERVAL=3;COUNT=4", f"FREQ=WEEKLY;BYDAY={weekday};COUNT=3"]
            )
            last = day if rule else day + datetime.timedelta(days=chance.choice((0, 1, 3)))
            out = [day.isoformat()] if rule and chance.random() < 0.3 else None
            pair.append(Absence(first_day=day, start_time=start, end_day=last, end_time=end, rrule=rule, exdates=out))
        one, other = ([*occurrences(row.series)] for row in pair)
        met.append(any(here.starts < there.ends and there.starts < here.ends for here in one for there in other))
        assert meet(*pair) == met[-1], [vars(row) for row in pair]
    assert {*met} == {True, False}


def test_hundreds_of_series_at_once_are_no_burden(cast, decides):
    decides("warn")
    calendars = Calendars([cast.bruno.pk])
    rows = [
        AbsenceFactory.build(
            agent=cast.bruno,
            rrule="FREQ=DAILY",
            start_time=datetime.time(number // 60, number % 60),
            end_time=datetime.time(number // 60, number % 60, 30),
        )
        for number in range(240, 640)
    ]
    started = time.process_time()
    assert not any(calendars.settle(row).warnings for row in rows)
    assert time.process_time() - started < 20  # half a second; when they went through the years it was 15 minutes


def test_a_change_is_judged_like_a_creation(cast, there, martine, asked, decides):
    other = martine.post(POST, asked | {"first_day": "2026-12-11", "start_time": "9:00"}).json()["absence"]["id"]
    decides("refuse")
    assert martine.patch(f"{POST}/{other}", {"first_day": "2026-12-10"}).status_code == 409
    assert martine.patch(f"{POST}/{other}", {"title": "Encore"}).status_code == 200
    decides("warn")
    answer = martine.patch(f"{POST}/{other}", {"first_day": "2026-12-10"})
    assert answer.json()["warnings"][0]["absence_ids"] == [there.pk]
    assert "warnings" not in martine.patch(f"{POST}/{other}", {"title": "Toujours"}).json()
    decides("merge")
    shown = martine.patch(f"{POST}/{other}", {"end_time": "13:00"}).json()["absence"]
    assert (shown["id"], shown["end_time"]) == (there.pk, "13:00:00")
    assert martine.get(f"{POST}/{other}").status_code == 404


def test_the_strictest_of_several_organisations_counts(cast, there, martine, asked, decides):
    other = OrganisationFactory(territory=cast.paris)
    AgentRole.objects.create(agent=cast.bruno, organisation=other)
    decides("merge")
    decides("refuse", other)
    assert martine.post(POST, asked).status_code == 409


def test_of_an_agent_out_of_sight_nothing_is_told(cast, there, sign_in, asked, decides):
    decides("refuse")
    answer = sign_in(cast.etienne).post(POST, asked)
    assert answer.status_code == 403
    assert str(there.pk) not in answer.json()


@pytest.mark.parametrize("overlap", ["warn", "merge"])
def test_who_prefers_it_is_refused_where_else_it_is_told(there, martine, asked, decides, overlap):
    decides(overlap)
    headers = {"Prefer": "handling=strict"}
    assert martine.post(POST, asked, headers=headers).status_code == 409
    bulk = martine.post(f"{POST}/bulk", {"absences": [asked]}, headers=headers)
    assert bulk.json()["verdicts"][0]["status"] == 409
    assert martine.put(f"{POST}/by-external-id/rh/1", asked, headers=headers).status_code == 409
    assert Absence.objects.get() == there


class TestRecurring:
    RULE = "FREQ=WEEKLY;BYDAY=TH"

    def test_each_occurrence_counts(self, cast, martine, decides, asked):
        decides("refuse")
        series = AbsenceFactory(
            agent=cast.bruno, first_day=datetime.date(2026, 12, 3), rrule=self.RULE, exdates=["2026-12-17"]
        )
        far = asked | {"first_day": "2029-03-08", "end_day": "2029-03-08", "end_time": "18:00"}
        assert martine.post(POST, far).json()["absence_ids"] == [series.pk]
        assert martine.post(POST, far | {"first_day": "2029-03-09", "end_day": "2029-03-09"}).status_code == 200
        out = asked | {"first_day": "2026-12-17", "end_day": "2026-12-17", "end_time": "18:00"}
        assert martine.post(POST, out).status_code == 200

    def test_of_two_series_as_well(self, cast, martine, decides):
        decides("refuse")
        series = AbsenceFactory(agent=cast.bruno, first_day=datetime.date(2026, 12, 3), rrule=self.RULE)
        body = {"agent_id": cast.bruno.pk, "title": "x", "start_time": "10:00", "end_time": "11:00"}
        monthly = body | {"first_day": "2026-12-04", "rrule": "FREQ=MONTHLY;BYMONTHDAY=4"}
        assert martine.post(POST, monthly).json()["absence_ids"] == [series.pk]  # the 4th of February 2027
        friday = body | {"first_day": "2026-12-04", "rrule": "FREQ=WEEKLY;BYDAY=FR"}
        assert martine.post(POST, friday).status_code == 200


class TestTogether:
    def test_of_one_list_the_later_meets_the_earlier(self, cast, martine, asked, decides):
        decides("refuse")
        answer = martine.post(f"{POST}/bulk", {"absences": [asked, asked, asked | {"agent_id": cast.chloe.pk}]})
        assert [one["status"] for one in answer.json()["verdicts"]] == [200, 409, 200]

    def test_and_is_merged_with_it(self, cast, there, martine, asked, decides):
        decides("merge")
        items = [asked, asked | {"first_day": "2026-12-11", "start_time": "12:00", "end_time": "14:00"}]
        other = asked | {"agent_id": cast.chloe.pk}
        answer = martine.post(f"{POST}/bulk", {"absences": [*items, other, other]})
        verdicts = answer.json()["verdicts"]
        assert [one["result"] for one in verdicts] == ["merged", "merged", "created", "merged"]
        assert {one["body"]["absence"]["id"] for one in verdicts[:2]} == {there.pk}
        there.refresh_from_db()
        assert (str(there.end_day), str(there.end_time), there.version) == ("2026-12-11", "14:00:00", 2)
        assert Absence.objects.count() == 2

    def test_by_its_name_a_part_of_a_merged_one_changes_nothing(self, there, martine, asked, decides):
        decides("merge")
        paths = [f"{POST}/by-external-id/rh/{number}" for number in (1, 2)]
        later = asked | {"first_day": "2026-12-11", "start_time": "11:00", "end_time": "15:00"}
        assert martine.put(paths[0], asked).json()["meta"] == {"result": "merged"}
        assert martine.put(paths[1], later).json()["meta"] == {"result": "merged"}
        before = Absence.objects.values().get()
        for path, body in zip(paths, (asked, later), strict=True):
            assert martine.put(path, body).json()["meta"] == {"result": "unchanged"}
        assert Absence.objects.values().get() == before


class TestElsewhere:
    def test_a_model_refuses_it(self, cast, there, decides):
        decides("refuse")
        with pytest.raises(Overlapping):
            AbsenceFactory(agent=cast.bruno, first_day=there.first_day)

    def test_the_administration_pages(self, cast, there, decides, client):
        decides("refuse")
        boss = Agent.objects.create_superuser("chef@exemple.test", "x")
        client.force_login(boss)
        values = {
            "agent": cast.bruno.pk,
            "title": "x",
            "organisation": "",
            "kind": "other",
            "first_day": "2026-12-10",
            "start_time": "10:00",
            "end_day": "2026-12-10",
            "end_time": "11:00",
            "time_zone": "Europe/Paris",
        }
        page = client.post("/admin/absences/absence/add/", values)
        assert page.status_code == 200
        assert f"({there.pk})" in page.content.decode()
        assert Absence.objects.count() == 1
        decides("merge")
        page = client.post("/admin/absences/absence/add/", values | {"end_time": "19:00"})
        assert page.status_code == 302
        assert str(Absence.objects.get().end_time) == "19:00:00"

    def test_the_directory_file(self, cast, there, decides):
        decides("refuse")
        absence = {
            "agent_email": cast.bruno.email,
            "title": "Fichier",
            "first_day": "2026-12-10",
            "start_time": "10:00",
            "end_time": "18:00",
        }
        for options in (["--dry-run"], []):
            outcome = apply({"absences": [absence]}, *options)
            assert outcome.refused
            assert "absences[0]" in outcome.err
        decides("merge")
        for _ in range(2):
            assert apply({"absences": [absence]}).refused is None
        row = Absence.objects.get()
        assert (row.pk, str(row.end_time), row.version) == (there.pk, "18:00:00", 2)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="there, transactions that write are one after the other")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("overlap", ["refuse", "merge"])
def test_of_two_who_write_at_once_only_one_is_first(overlap):
    organisation = OrganisationFactory()
    agent = AgentFactory(basic_in=[organisation])
    AbsencePolicy.objects.create(organisation=organisation, overlap=overlap)
    outcomes = []

    def file(number):
        try:
            from django.db import transaction

            with transaction.atomic():
                AbsenceFactory(agent=agent, title=f"n{number}")
            outcomes.append("written")
        except Overlapping:
            outcomes.append("refused")
        finally:
            connections.close_all()

    writers = [Thread(target=file, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert Absence.objects.count() == 1
    assert sorted(outcomes) == (["refused"] * 3 + ["written"] if overlap == "refuse" else ["written"] * 4)
