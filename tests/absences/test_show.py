"""`GET /absences/:id`: one absence, whole (contract 4.1, 4.2)."""

import datetime
import json

import pytest

from ..factories import AbsenceFactory, AgentFactory, OrganisationFactory
from .ladder import FORBIDDEN, NOBODY, UNKNOWN_CALLER, climbed


@pytest.fixture
def odile(cast):
    """Of the example in the contract."""
    mds = OrganisationFactory(id=5, name="MDS Les Tilleuls", territory=cast.nord)
    cast.martine.roles.create(organisation=mds, access_level="admin")
    return AgentFactory(
        id=42,
        email="odile.mercier@exemple.test",
        first_name="Odile",
        last_name="MERCIER",
        services=[cast.pmi],
        basic_in=[mds],
    )


def test_the_example_of_the_contract_byte_for_byte(martine, odile):
    AbsenceFactory(
        id=31,
        agent=odile,
        title="Congé formation",
        first_day=datetime.date(2025, 6, 10),
        start_time=datetime.time(13, 30),
        end_time=datetime.time(17, 0),
    )
    answer = martine.get("/api/v1/absences/31")
    ical = answer.json()["absence"]["ical"]
    assert ical.startswith("BEGIN:VCALENDAR\r\n")
    assert answer["Content-Type"] == "application/json; charset=utf-8"
    assert answer.content.decode() == (
        '{"absence":{"id":31,"agent":{"id":42,"email":"odile.mercier@exemple.test","first_name":"Odile",'
        '"inclusion_connect_open_id_sub":null,"last_name":"MERCIER"},"created_at":"2026-11-16 10:00:00 +0100",'
        '"end_day":"2025-06-10","end_time":"17:00:00","exdates":null,"external_ids":{},"first_day":"2025-06-10",'
        f'"ical":{json.dumps(ical, ensure_ascii=False)},"ical_uid":"absence_31@RDV Solidarités","kind":"other",'
        '"organisation":{"id":5,"email":null,"name":"MDS Les Tilleuls","phone_number":null,'
        '"verticale":"rdv_solidarites"},"period":null,"private":false,"rrule":null,"start_time":"13:30:00",'
        '"time_zone":"Europe/Paris","title":"Congé formation",'
        '"updated_at":"2026-11-16 10:00:00 +0100","url":"http://testserver/api/v1/absences/31","version":1}}'
    )


def test_anonymous_is_asked_to_sign_in(anonymous, afternoon):
    answer = anonymous.get(f"/api/v1/absences/{afternoon.pk}")
    assert (answer.status_code, answer.json()) == (401, UNKNOWN_CALLER)


@climbed
def test_one_is_shown_the_absences_of_the_agents_one_sees(who, reaches, cast, sign_in, afternoon):
    answer = sign_in(getattr(cast, who)).get(f"/api/v1/absences/{afternoon.pk}")
    if reaches:
        assert (answer.status_code, answer.json()["absence"]["id"]) == (200, afternoon.pk)
    else:
        assert (answer.status_code, answer.json()) == (403, FORBIDDEN)


@pytest.mark.parametrize("pk", NOBODY)
def test_what_does_not_exist_is_not_found(martine, afternoon, pk):
    answer = martine.get(f"/api/v1/absences/{pk}")
    assert (answer.status_code, answer.json()) == (404, {"not_found": "absence"})


def test_an_identifier_is_read_up_to_its_last_digit(martine, afternoon):
    assert martine.get(f"/api/v1/absences/{afternoon.pk}abc").json()["absence"]["id"] == afternoon.pk


@pytest.mark.parametrize("suffix", ["/", ".json", ".json/"])
def test_the_address_is_forgiving(martine, afternoon, suffix):
    assert martine.get(f"/api/v1/absences/{afternoon.pk}{suffix}").json()["absence"]["id"] == afternoon.pk


def test_without_an_organisation_of_its_own_the_agents_one_of_lowest_id_is_shown(cast, martine):
    later = OrganisationFactory(territory=cast.paris)
    agent = AgentFactory(services=[cast.pmi], basic_in=[later, cast.mds])
    absence = AbsenceFactory(agent=agent)
    assert martine.get(f"/api/v1/absences/{absence.pk}").json()["absence"]["organisation"]["id"] == cast.mds.pk


def test_the_organisation_it_is_kept_for_is_shown(cast, martine):
    later = OrganisationFactory(
        name="PMI du canal", territory=cast.paris, email="pmi@exemple.test", phone_number="0102030405"
    )
    agent = AgentFactory(services=[cast.pmi], basic_in=[cast.mds, later])
    absence = AbsenceFactory(agent=agent, organisation=later)
    assert martine.get(f"/api/v1/absences/{absence.pk}").json()["absence"]["organisation"] == {
        "id": later.pk,
        "email": "pmi@exemple.test",
        "name": "PMI du canal",
        "phone_number": "0102030405",
        "verticale": "rdv_solidarites",
    }


def test_an_absence_kept_for_one_organisation_blocks_the_agent_in_the_others(cast, sign_in):
    # A22: whoever may see the agent's diary anywhere sees it.
    elsewhere = OrganisationFactory(territory=cast.nord)
    agent = AgentFactory(services=[cast.pmi], basic_in=[cast.mds, elsewhere])
    admin_elsewhere = AgentFactory(admin_of=[elsewhere])
    absence = AbsenceFactory(agent=agent, organisation=cast.mds)
    answer = sign_in(admin_elsewhere).get(f"/api/v1/absences/{absence.pk}")
    assert (answer.status_code, answer.json()["absence"]["organisation"]["id"]) == (200, cast.mds.pk)


def test_an_intervenant_has_no_email_and_may_be_absent(cast, martine):
    intervenant = AgentFactory(email=None, intervenant_in=[cast.mds])
    absence = AbsenceFactory(agent=intervenant)
    assert martine.get(f"/api/v1/absences/{absence.pk}").json()["absence"]["agent"]["email"] is None


def test_an_agent_put_aside_keeps_their_absences(cast, martine, afternoon):
    cast.bruno.is_active = False
    cast.bruno.save()
    assert martine.get(f"/api/v1/absences/{afternoon.pk}").status_code == 200


def test_absences_leave_with_their_agent(cast, martine, afternoon):
    cast.bruno.leave()
    answer = martine.get(f"/api/v1/absences/{afternoon.pk}")
    assert (answer.status_code, answer.json()) == (404, {"not_found": "absence"})
    assert martine.get("/api/v1/absences").json()["absences"] == []


def test_head_answers_like_get_without_a_body(martine, afternoon):
    answer = martine.head(f"/api/v1/absences/{afternoon.pk}")
    assert (answer.status_code, answer.content) == (200, b"")
