"""Many absences in one request: each judged as if it came alone, in their order; all or nothing where that is asked."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from absences.models import Absence
from agents.models import AgentRole, RecordEntry
from tests.factories import AbsenceFactory, AgentFactory

pytestmark = pytest.mark.usefixtures("now")

BULK = "/api/v1/absences/bulk"
HOURS = {"start_time": "09:00", "end_time": "12:30", "title": "Formation"}


@pytest.fixture
def martine(cast, sign_in):
    return sign_in(cast.martine)


def verdicts(answer):
    return [(one["status"], one["result"]) for one in answer.json()["verdicts"]]


def test_each_agent_is_out_in_each_period_in_the_order_of_the_request(cast, martine):
    periods = [{"first_day": "2026-12-11"}, {"first_day": "2026-12-10", "title": "Autre"}]
    people = [cast.chloe, cast.bruno]
    answer = martine.post(BULK, {"agent_ids": [one.pk for one in people], "periods": periods} | HOURS)
    assert answer.status_code == 207
    shown = [one["body"]["absence"] for one in answer.json()["verdicts"]]
    assert [(one["agent"]["id"], one["first_day"], one["title"]) for one in shown] == [
        (agent.pk, period["first_day"], period.get("title", "Formation")) for agent in people for period in periods
    ]
    assert [one["id"] for one in shown] == list(Absence.objects.order_by("pk").values_list("pk", flat=True))
    assert answer.json()["meta"]["created"] == answer.json()["meta"]["total"] == 4


def test_an_absence_is_shown_as_a_creation_shows_it(cast, martine):
    asked = {"agent_id": cast.bruno.pk, "first_day": "2026-12-10", "organisation_id": cast.mds.pk} | HOURS
    shown = martine.post(BULK, {"absences": [asked]}).json()["verdicts"][0]["body"]
    assert shown == martine.get(f"/api/v1/absences/{shown['absence']['id']}").json()


@pytest.mark.parametrize("address", [[], {}, ["x"], 7], ids=str)
def test_an_address_that_is_no_text_is_nobodys(martine, address):
    asked = HOURS | {"agent_email": address, "first_day": "2026-12-10"}
    (verdict,) = martine.post(BULK, {"absences": [asked]}).json()["verdicts"]
    assert verdict["status"] == martine.post("/api/v1/absences", asked).status_code
    assert martine.put("/api/v1/absences/by-external-id/rh/1", asked).status_code == verdict["status"]


def test_a_verdict_for_each_of_what_a_creation_would_have_answered(cast, martine):
    good = {"agent_id": cast.bruno.pk, "first_day": "2026-12-10"}
    asked = [
        good,
        {"agent_id": cast.bruno.pk, "first_day": "2026-02-30"},
        {"agent_id": cast.etienne.pk, "first_day": "2026-12-10"},
        {"agent_email": "personne@exemple.test", "first_day": "2026-12-10"},
        {"agent_id": 999_999_999, "first_day": "2026-12-10"},
        good | {"organisation_id": cast.lille.pk},
        "rien",
    ]
    answer = martine.post(BULK, {"absences": asked} | HOURS)
    assert [one[0] for one in verdicts(answer)] == [200, 422, 403, 404, 422, 422, 422]
    for one, item in zip(answer.json()["verdicts"][1:6], asked[1:6], strict=True):
        alone = martine.post("/api/v1/absences", HOURS | item)
        assert (one["status"], one["body"]) == (alone.status_code, alone.json())
    assert Absence.objects.count() == 1


def test_all_or_nothing(cast, martine):
    asked = [{"agent_id": cast.bruno.pk, "first_day": day} for day in ("2026-12-10", "hier", "2026-12-12")]
    answer = martine.post(BULK, {"absences": asked, "atomic": True} | HOURS)
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == ["absences[1].first_day"]
    assert verdicts(answer) == [(200, "created"), (422, "refused"), (200, "created")]
    assert not Absence.objects.exists()
    problem = martine.post(
        BULK, {"absences": asked, "atomic": True} | HOURS, headers={"Accept": "application/problem+json"}
    ).json()
    assert [one["pointer"] for one in problem["errors"]] == ["#/absences/1/first_day"]
    asked[1]["first_day"] = "2026-12-11"
    answer = martine.post(BULK, {"absences": asked, "atomic": True} | HOURS)
    assert answer.status_code == 200
    assert Absence.objects.count() == 3


@pytest.mark.parametrize("atomic", [True, False])
def test_a_dry_run_says_the_same_and_writes_nothing(cast, martine, atomic):
    asked = [{"agent_id": cast.bruno.pk, "first_day": day} for day in ("2026-12-10", "2026-12-11")]
    asked = asked if atomic else [*asked, {"agent_id": cast.etienne.pk, "first_day": "2026-12-10"}]
    body = {"absences": asked, "atomic": atomic} | HOURS
    entries = RecordEntry.objects.count()
    dry = martine.post(BULK, body | {"dry_run": True}, headers={"Idempotency-Key": str(uuid.uuid4())})
    assert not Absence.objects.exists()
    assert RecordEntry.objects.count() == entries
    wet = martine.post(BULK, body)
    assert dry.status_code == wet.status_code
    assert verdicts(dry) == verdicts(wet)
    for one, other in zip(dry.json()["verdicts"], wet.json()["verdicts"], strict=True):
        if one["status"] == 200:
            nothing = {"id": None, "ical": None, "ical_uid": None, "url": None}
            assert one["body"]["absence"] == other["body"]["absence"] | nothing
        else:
            assert one == other
    dry_meta, wet_meta = dry.json()["meta"], wet.json()["meta"]
    assert dry_meta.pop("dry_run") is True
    assert wet_meta.pop("dry_run") is False
    assert dry_meta == wet_meta


def test_the_agents_of_an_organisation_and_of_a_service_that_one_sees(cast, martine):
    periods = [{"first_day": "2026-12-10"}]
    answer = martine.post(BULK, {"agents_of_organisation_id": cast.mds.pk, "periods": periods} | HOURS)
    people = [one["body"]["absence"]["agent"]["id"] for one in answer.json()["verdicts"]]
    assert people == sorted(AgentRole.objects.filter(organisation=cast.mds).values_list("agent", flat=True))
    answer = martine.post(BULK, {"agents_of_service_id": cast.pmi.pk, "periods": periods} | HOURS)
    people = [one["body"]["absence"]["agent"]["id"] for one in answer.json()["verdicts"]]
    assert people == sorted(
        AgentRole.objects.filter(agent__services=cast.pmi, organisation=cast.mds).values_list("agent", flat=True)
    )
    answer = martine.post(BULK, {"agents_of_organisation_id": cast.lille.pk, "periods": periods} | HOURS)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["agent_ids"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "absences"),
        ({"absences": []}, "absences"),
        ({"absences": "tout"}, "absences"),
        ({"periods": [{}]}, "agent_ids"),
        ({"periods": {}, "agent_ids": [1]}, "periods"),
        ({"periods": [{}], "agent_ids": 3}, "agent_ids"),
        ({"periods": [{}], "agent_ids": [[]]}, "agent_ids"),
        ({"periods": [{}], "agent_ids": [None]}, "agent_ids"),
        ({"periods": [{}], "absences": [{}], "agent_ids": [1]}, "absences"),
        ({"absences": [{}], "dry_run": "peut-être"}, "dry_run"),
        ({"absences": [{}], "atomic": []}, "atomic"),
        ({"absences": [{}] * 1001}, "absences"),
        ({"periods": [{}] * 40, "agent_ids": list(range(1, 41))}, "periods"),
        ({"periods": [{}], "agent_ids": list(range(1, 1100))}, "agent_ids"),
    ],
)
def test_what_is_no_list_of_absences_is_refused_as_a_whole(martine, body, field):
    answer = martine.post(BULK, body)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


def test_it_costs_the_same_however_many_there_are(cast, martine):
    people = AgentFactory.create_batch(4, basic_in=[cast.mds], services=[cast.pmi])

    def cost(agents, periods):
        days = [{"first_day": f"2026-12-{day:02}", "organisation_id": cast.mds.pk} for day in range(1, periods + 1)]
        body = {"agent_ids": [one.pk for one in agents], "periods": days} | HOURS
        with CaptureQueriesContext(connection) as queries:
            answer = martine.post(BULK, body)
        assert {one[0] for one in verdicts(answer)} == {200}
        return len(queries)

    cost(people[:1], 1)  # the first request writes when the token was used
    # The credential; the transaction (2); the agents, with the right to see them; their roles; their policies; the
    # rows; what the record tells; the caller, held; the look again. (SQLite takes some forty rows a statement.)
    assert cost(people[:2], 1) == cost(people, 10) <= 12
    assert Absence.objects.count() == 43


def test_the_record_tells_of_each(cast, martine):
    martine.post(BULK, {"agent_ids": [cast.bruno.pk, cast.chloe.pk], "periods": [{"first_day": "2026-12-10"}]} | HOURS)
    told = RecordEntry.objects.filter(resource="absence", action="created")
    assert sorted(told.values_list("object_id", flat=True)) == sorted(Absence.objects.values_list("pk", flat=True))
    assert set(told.values_list("agent_id", flat=True)) == {cast.bruno.pk, cast.chloe.pk}


def test_a_key_makes_it_done_once(cast, martine, sign_in):
    body = {"agent_ids": [cast.bruno.pk], "periods": [{"first_day": "2026-12-10"}]} | HOURS
    headers = {"Idempotency-Key": "une-fois"}
    first, second = (martine.post(BULK, body, headers=headers) for _ in range(2))
    assert first.json() == second.json()
    assert second["Idempotency-Replayed"] == "true"
    assert Absence.objects.count() == 1
    # Nobody is shown again what they may not see any more.
    AgentRole.objects.filter(agent=cast.bruno).delete()
    assert martine.post(BULK, body, headers=headers).status_code == 403


def test_only_some_keys_are_shown_to_who_asks_for_these(cast, martine):
    body = {"agent_ids": [cast.bruno.pk], "periods": [{"first_day": "2026-12-10"}]} | HOURS
    answer = martine.post(f"{BULK}?fields=id,title", body)
    assert answer.json()["verdicts"][0]["body"] == {"absence": {"id": Absence.objects.get().pk, "title": "Formation"}}


def test_an_absence_that_recurs(cast, martine):
    item = {"agent_id": cast.bruno.pk, "first_day": "2026-12-09", "rrule": "FREQ=WEEKLY;BYDAY=WE;UNTIL=20270630"}
    martine.post(BULK, {"absences": [item]} | HOURS)
    alone = martine.post("/api/v1/absences", item | HOURS).json()["absence"]
    one, other = Absence.objects.order_by("pk")
    assert (one.rrule, one.recurs_until) == (other.rrule, other.recurs_until)
    assert alone["id"] == other.pk


def test_a_form_has_no_place_for_it(martine):
    answer = martine.post(BULK, "absences=1", "application/x-www-form-urlencoded")
    assert answer.status_code == 422
    assert martine.post(BULK, "{}", "text/plain").status_code == 415


def test_nothing_is_seen_of_absences_of_others(cast, sign_in):
    AbsenceFactory(agent=cast.etienne)
    answer = sign_in(cast.bruno).post(BULK, {"agent_ids": [cast.etienne.pk], "periods": [{"first_day": "2026-12-10"}]})
    assert verdicts(answer) == [(422, "refused")]
