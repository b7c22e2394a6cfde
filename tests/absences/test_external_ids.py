"""Absences by the names that other systems gave them: one name, one absence, however often it is sent."""

from __future__ import annotations

import json
from threading import Thread

import pytest
from django.db import connection, connections

from absences.models import Absence, ExternalId
from agents.models import AgentRole, ApiAccount
from tests.factories import AbsenceFactory, AgentFactory, OrganisationFactory
from tests.worlds import bearing, key_of

pytestmark = pytest.mark.usefixtures("now")

PATH = "/api/v1/absences/by-external-id/rh/A-17"


@pytest.fixture
def martine(cast, sign_in):
    return sign_in(cast.martine)


@pytest.fixture
def asked(cast):
    return {
        "agent_id": cast.bruno.pk,
        "title": "RTT",
        "first_day": "2026-12-10",
        "start_time": "09:00",
        "end_time": "17:00",
    }


def test_sent_twice_it_is_one_absence_and_the_second_changes_nothing(martine, asked):
    first, second = (martine.put(PATH, asked) for _ in range(2))
    row = Absence.objects.get()
    assert (first.status_code, first.json()["meta"]) == (200, {"result": "created"})
    assert first["Location"].endswith(f"/api/v1/absences/{row.pk}")
    assert first.json()["absence"]["external_ids"] == {"rh": "A-17"}
    assert second.json() == {"absence": first.json()["absence"], "meta": {"result": "unchanged"}}
    assert "Location" not in second
    assert row.version == 1


def test_what_is_sent_changes_what_is_there(martine, asked):
    martine.put(PATH, asked)
    answer = martine.put(PATH, {"title": "Congés"})
    assert answer.json()["meta"] == {"result": "updated"}
    assert answer.json()["absence"] == martine.get(PATH).json()["absence"]
    row = Absence.objects.get()
    assert (row.title, row.version, row.folded_title) == ("Congés", 2, "conges")


def test_it_is_shown_and_deleted_by_its_name_which_is_free_again(martine, asked):
    number = martine.put(PATH, asked).json()["absence"]["id"]
    shown = martine.get(PATH)
    assert shown.json() == martine.get(f"/api/v1/absences/{number}").json()
    assert shown["ETag"] == martine.get(f"/api/v1/absences/{number}")["ETag"]
    assert martine.delete(PATH).status_code == 204
    assert martine.get(PATH).status_code == 404
    assert martine.delete(PATH).status_code == 404
    assert not ExternalId.objects.exists()
    again = martine.put(PATH, asked)
    assert again.json()["meta"] == {"result": "created"}
    assert again.json()["absence"]["id"] != number


def test_what_is_wrong_is_told_as_for_a_creation(cast, martine, asked):
    assert martine.put(PATH, asked | {"first_day": "hier"}).status_code == 422
    assert martine.put(PATH, asked | {"agent_id": cast.etienne.pk}).status_code == 403
    assert martine.put(PATH, {"agent_email": "personne@exemple.test"}).status_code == 404
    assert not Absence.objects.exists()


@pytest.mark.parametrize("name", ["RH/1", "r h/1", f"{'a' * 50}/1", "-/1", f"rh/{'1' * 300}", "rh/%20"])
def test_a_name_that_can_be_none_is_refused(martine, asked, name):
    path = f"/api/v1/absences/by-external-id/{name}"
    for answer in (martine.get(path), martine.put(path, asked), martine.delete(path)):
        assert answer.status_code == 422, (name, answer.content)


def test_another_agent_than_its_own_is_no_change_of_it(cast, martine, asked):
    martine.put(PATH, asked)
    answer = martine.put(PATH, asked | {"agent_id": cast.chloe.pk})
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["agent"])


def test_it_is_changed_only_in_the_state_that_was_read(martine, asked):
    martine.put(PATH, asked)
    tag = martine.get(PATH)["ETag"]
    assert martine.put(PATH, {"title": "Un"}, headers={"If-Match": tag}).status_code == 200
    assert martine.put(PATH, {"title": "Deux"}, headers={"If-Match": tag}).status_code == 412
    assert martine.delete(PATH, headers={"If-Match": tag}).status_code == 412
    other = "/api/v1/absences/by-external-id/rh/autre"
    assert martine.put(other, asked, headers={"If-Match": tag}).status_code == 412
    assert Absence.objects.get().title == "Un"


class TestTerritories:
    def test_another_territory_has_names_of_its_own(self, cast, sign_in, martine, asked):
        martine.put(PATH, asked)
        etienne = sign_in(cast.etienne)
        assert etienne.get(PATH).status_code == 404
        answer = etienne.put(PATH, asked | {"agent_id": cast.etienne.pk})
        assert answer.json()["meta"] == {"result": "created"}
        assert etienne.get(PATH).json()["absence"]["agent"]["id"] == cast.etienne.pk
        assert martine.get(PATH).json()["absence"]["agent"]["id"] == cast.bruno.pk

    def test_who_works_in_both_writes_where_the_agent_is(self, cast, sign_in, martine, asked):
        martine.put(PATH, asked)
        AgentRole.objects.create(agent=cast.martine, organisation=cast.lille, access_level="admin")
        answer = martine.put(PATH, asked | {"agent_id": cast.etienne.pk})
        assert answer.json()["meta"] == {"result": "created"}
        assert martine.put(PATH, asked).json()["meta"] == {"result": "unchanged"}

    def test_of_the_same_territory_it_is_there_but_out_of_sight(self, cast, sign_in, martine, asked):
        other = OrganisationFactory(territory=cast.paris)
        stranger = AgentFactory(admin_of=[other])
        martine.put(PATH, asked)
        client = sign_in(stranger)
        for answer in (client.get(PATH), client.put(PATH, {"title": "x"}), client.delete(PATH)):
            assert answer.status_code == 403
        assert client.put(PATH, asked | {"agent_id": stranger.pk}).status_code == 403
        assert Absence.objects.get().title == "RTT"


class TestGivenWithAnAbsence:
    def test_by_a_creation_and_a_change(self, martine, asked):
        number = martine.post("/api/v1/absences", asked | {"external_ids": {"rh": "A-17"}}).json()["absence"]["id"]
        assert martine.get(PATH).json()["absence"]["id"] == number
        answer = martine.patch(f"/api/v1/absences/{number}", {"external_ids": {"rh": "B", "paie": "3"}})
        assert answer.json()["absence"]["external_ids"] == {"rh": "B", "paie": "3"}
        assert martine.get(PATH).status_code == 404
        assert martine.get("/api/v1/absences/by-external-id/paie/3").status_code == 200
        martine.patch(f"/api/v1/absences/{number}", {"external_ids": None})
        assert not ExternalId.objects.exists()

    def test_a_name_that_another_has_is_taken(self, martine, asked):
        martine.put(PATH, asked)
        answer = martine.post("/api/v1/absences", asked | {"external_ids": {"rh": "A-17"}})
        assert answer.status_code == 422
        assert answer.json()["errors"]["external_ids"] == [{"error": "taken", "value": "rh:A-17"}]
        bulk = martine.post("/api/v1/absences/bulk", {"absences": [asked | {"external_ids": {"rh": "A-17"}}]})
        assert bulk.json()["verdicts"][0]["body"] == answer.json()

    def test_of_an_agent_out_of_sight_nothing_is_told(self, cast, sign_in, martine, asked):
        martine.put(PATH, asked)
        stranger = sign_in(AgentFactory(admin_of=[OrganisationFactory(territory=cast.paris)]))
        answer = stranger.post("/api/v1/absences", asked | {"external_ids": {"rh": "A-17"}})
        assert answer.status_code == 403

    def test_in_one_list_a_name_is_given_once(self, martine, asked):
        asked = asked | {"external_ids": {"rh": "A-17"}}
        answer = martine.post("/api/v1/absences/bulk", {"absences": [asked, asked]})
        assert [one["status"] for one in answer.json()["verdicts"]] == [200, 422]

    @pytest.mark.parametrize(
        "ids", ["x", ["x"], {"RH": "1"}, {"rh": "x" * 300}, {"rh": []}, {"rh": True}, {str(n): "1" for n in range(30)}]
    )
    def test_what_can_be_no_name_is_refused(self, martine, asked, ids):
        answer = martine.post("/api/v1/absences", asked | {"external_ids": ids})
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["external_ids"])

    def test_they_are_found_by_them(self, cast, sign_in, martine, asked):
        AbsenceFactory(agent=cast.bruno)
        number = martine.put(PATH, asked).json()["absence"]["id"]
        for asks in ("rh:A-17", "rh:"):
            found = martine.get("/api/v1/absences", query_params={"external_id": asks}).json()["absences"]
            assert [one["id"] for one in found] == ([number] if asks == "rh:A-17" else [])
        assert sign_in(cast.etienne).get("/api/v1/absences?external_id=rh:A-17").json()["absences"] == []


def test_an_api_account_writes_where_it_has_a_role(cast, asked):
    account = ApiAccount.objects.create(name="RH")
    account.roles.create(organisation=cast.mds, access_level="admin")
    client = bearing({"Authorization": f"Bearer {key_of(account)}"})
    for expected in ("created", "unchanged"):
        assert client.put(PATH, json.dumps(asked)).json()["meta"] == {"result": expected}
    assert client.put(PATH, json.dumps(asked | {"agent_id": cast.etienne.pk})).status_code == 403
    table = f"agent_id;titre;du;identifiant\n{cast.chloe.pk};x;2026-12-01;1\n"
    for expected in ("created", "unchanged"):
        answer = client.post("/api/v1/absences/import", table.encode(), "text/csv")
        assert (answer.status_code, answer.json()["meta"][expected]) == (200, 1)
    bulk = {"absences": [asked | {"first_day": "2027-01-04"}, asked | {"agent_id": cast.etienne.pk}]}
    verdicts = client.post("/api/v1/absences/bulk", json.dumps(bulk)).json()["verdicts"]
    assert [one["status"] for one in verdicts] == [200, 403]


@pytest.mark.skipif(connection.vendor == "sqlite", reason="there, transactions that write are one after the other")
@pytest.mark.django_db(transaction=True)
def test_of_two_who_send_it_at_once_one_creates_it(sign_in):
    organisation = OrganisationFactory()
    agent = AgentFactory(admin_of=[organisation])
    body = {"agent_id": agent.pk, "title": "x", "first_day": "2026-12-10", "start_time": "9:00", "end_time": "10:00"}
    clients = [sign_in(agent) for _ in range(3)]
    answers = []

    def send(client):
        try:
            answers.append(client.put(PATH, body).json()["meta"]["result"])
        finally:
            connections.close_all()

    writers = [Thread(target=send, args=(client,)) for client in clients]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(answers) == ["created", "unchanged", "unchanged"]
    assert Absence.objects.get().version == 1


def test_who_wants_to_create_only_changes_nothing_that_is_there(cast, sign_in):
    path, client = "/api/v1/absences/by-external-id/rh/seule", sign_in(cast.martine)
    asked = {
        "agent_id": cast.bruno.pk,
        "title": "RTT",
        "first_day": "2026-12-18",
        "start_time": "8:00",
        "end_time": "9:00",
    }
    answers = [client.put(path, asked | {"title": title}, headers={"If-None-Match": "*"}) for title in ("RTT", "Autre")]
    assert [answer.status_code for answer in answers] == [200, 412]
    assert client.get(path).json()["absence"]["title"] == "RTT"
