"""What other systems call agents: for the agent and their admins, territory by territory; and agents named by it."""

from __future__ import annotations

import json
from threading import Thread

import pytest
from django.db import connection, connections

from absences.models import Absence
from agents.models import Agent, AgentExternalId, AgentRole, ApiAccount, RecordEntry
from tests.directory_file import MDS, PARIS, apply, paris
from tests.factories import AgentFactory, OrganisationFactory, WebhookEndpointFactory
from tests.worlds import bearing, key_of
from webhooks.models import Event

pytestmark = pytest.mark.usefixtures("now")

LEAVE = {"title": "RTT", "first_day": "2026-12-10", "start_time": "09:00", "end_time": "17:00"}


@pytest.fixture
def martine(cast, sign_in):
    return sign_in(cast.martine)


@pytest.fixture
def named(cast):
    """Bruno is `rh:A-17` in his territory."""
    AgentExternalId.objects.create(agent=cast.bruno, territory=cast.mds.territory, system="rh", value="A-17")
    return cast.bruno


def path(agent):
    return f"/api/v1/agents/{agent.pk}/external_ids"


def names(agent):
    return sorted(agent.external_names.values_list("territory", "system", "value"))


def ids_found(client, name="rh:A-17"):
    answer = client.get("/api/v1/agents", {"external_id": name})
    assert answer.status_code == 200, answer.content
    assert answer.json()["meta"]["total_count"] == len(answer.json()["agents"])
    return [one["id"] for one in answer.json()["agents"]]


class TestGiven:
    def test_what_is_sent_replaces_all(self, cast, martine):
        first = martine.put(path(cast.bruno), {"external_ids": {"rh": "A-17", "paie": "3"}})
        shown = {"agent": {"id": cast.bruno.pk, "external_ids": {"paie": "3", "rh": "A-17"}}}
        assert (first.status_code, first.json()) == (200, shown)
        second = martine.patch(path(cast.bruno), {"external_ids": {"rh": 18}})
        assert (
            second.json()["agent"]["external_ids"]
            == {"rh": "18"}
            == martine.get(path(cast.bruno)).json()["agent"]["external_ids"]
        )
        assert martine.put(path(cast.bruno), {"external_ids": None}).json()["agent"]["external_ids"] == {}
        assert not AgentExternalId.objects.exists()

    def test_nothing_sent_changes_nothing(self, cast, martine, named):
        before = names(cast.bruno)
        assert martine.put(path(cast.bruno), {}).json()["agent"]["external_ids"] == {"rh": "A-17"}
        assert martine.put(path(cast.bruno), {"external_ids": {"rh": "A-17"}}).status_code == 200
        assert names(cast.bruno) == before
        assert not RecordEntry.objects.filter(resource="external_id", action="updated").exists()

    def test_one_that_a_colleague_has_is_taken(self, cast, martine, named):
        answer = martine.put(path(cast.chloe), {"external_ids": {"rh": "A-17"}})
        assert answer.status_code == 422
        assert answer.json()["errors"]["external_ids"] == [{"error": "taken", "value": "rh:A-17"}]
        assert martine.put(path(cast.chloe), {"external_ids": {"paie": "A-17"}}).status_code == 200

    def test_another_territory_knows_nothing_of_it(self, cast, sign_in, named):
        boss = AgentFactory(admin_of=[cast.lille])
        answer = sign_in(boss).put(path(cast.etienne), {"external_ids": {"rh": "A-17"}})
        assert answer.status_code == 200, answer.content
        assert ids_found(sign_in(boss)) == [cast.etienne.pk]
        assert ids_found(sign_in(cast.martine)) == [cast.bruno.pk]

    @pytest.mark.parametrize(
        "sent",
        [
            "x",
            [],
            {"RH": "1"},
            {"": "1"},
            {"rh": "a\nb"},
            {"rh": "x" * 256},
            {"rh": ["1"]},
            {"rh": True},
            {f"s{n}": "1" for n in range(21)},
        ],
    )
    def test_the_limits_are_those_of_absences(self, cast, martine, named, sent):
        answer = martine.put(path(cast.bruno), {"external_ids": sent})
        assert answer.status_code == 422, answer.content
        assert set(answer.json()["errors"]) == {"external_ids"}
        assert names(cast.bruno) == [(cast.mds.territory_id, "rh", "A-17")]

    def test_who_works_in_two_territories_is_named_where_the_caller_is_admin(self, cast, sign_in, named):
        AgentRole.objects.create(agent=cast.bruno, organisation=cast.lille)
        boss = sign_in(AgentFactory(admin_of=[cast.lille]))
        assert boss.get(path(cast.bruno)).json()["agent"]["external_ids"] == {}
        assert boss.put(path(cast.bruno), {"external_ids": {"rh": "B-3"}}).status_code == 200
        assert names(cast.bruno) == sorted(
            [(cast.mds.territory_id, "rh", "A-17"), (cast.lille.territory_id, "rh", "B-3")]
        )
        # The agent reads both; where they differ, that of the organisation that they show.
        shown = sign_in(cast.bruno).get(path(cast.bruno)).json()["agent"]["external_ids"]
        first = min(cast.mds, cast.lille, key=lambda place: place.pk)
        assert shown == {"rh": "A-17" if first == cast.mds else "B-3"}
        assert ids_found(boss) == []
        assert ids_found(boss, "rh:B-3") == [cast.bruno.pk]

    def test_with_if_match_nobody_overwrites_what_they_have_not_seen(self, cast, martine, named):
        seen = martine.get(path(cast.bruno))["ETag"]
        changed = martine.put(path(cast.bruno), {"external_ids": {"rh": "B"}}, headers={"If-Match": seen})
        assert changed.status_code == 200, changed.content
        stale = martine.put(path(cast.bruno), {"external_ids": {"rh": "C"}}, headers={"If-Match": seen})
        assert stale.status_code == 412
        assert names(cast.bruno)[0][2] == "B"

    def test_sent_again_it_is_answered_again_and_shows_nothing_that_is_not_the_callers_any_more(self, cast, sign_in):
        AgentRole.objects.create(agent=cast.bruno, organisation=cast.lille)
        role = AgentRole.objects.create(agent=cast.martine, organisation=cast.lille, access_level="admin")
        AgentFactory(admin_of=[cast.lille, cast.mds])
        martine, key = sign_in(cast.martine), {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
        first, again = (martine.put(path(cast.bruno), {"external_ids": {"rh": "B-3"}}, headers=key) for _ in range(2))
        assert first.status_code == 200
        assert again.content == first.content
        AgentExternalId.objects.exclude(territory=cast.lille.territory).delete()
        role.delete()
        later = martine.put(path(cast.bruno), {"external_ids": {"rh": "B-3"}}, headers=key)
        assert (later.status_code, later.json()["agent"]["external_ids"]) == (200, {})

    def test_the_record_says_who_and_not_which_number(self, cast, martine):
        martine.put(path(cast.bruno), {"external_ids": {"rh": "A-17"}})
        (entry,) = RecordEntry.objects.filter(resource="external_id")
        assert (entry.action, entry.agent_id, entry.actor_id) == ("created", cast.bruno.pk, cast.martine.pk)
        assert entry.changes["system"] == [None, "rh"]
        assert entry.changes["value"] == [None, "***"]
        assert "A-17" not in json.dumps(entry.changes) + entry.object_name

    def test_a_deleted_agent_frees_them(self, cast, martine, named):
        cast.bruno.leave()
        assert not AgentExternalId.objects.exists()
        assert martine.put(path(cast.chloe), {"external_ids": {"rh": "A-17"}}).status_code == 200
        assert martine.get(path(cast.bruno)).status_code == 404


class TestWhoKnows:
    def test_the_agent_and_their_admins_read_them(self, cast, sign_in, named):
        for who in (cast.bruno, cast.martine, cast.thierry):
            answer = sign_in(who).get(path(cast.bruno))
            assert (answer.status_code, answer.json()["agent"]["external_ids"]) == (200, {"rh": "A-17"}), who

    def test_whoever_else_sees_the_agent_does_not(self, cast, sign_in, named):
        colleague = AgentFactory(services=[cast.pmi], basic_in=[cast.mds])
        for who in (cast.sophie, colleague, cast.etienne):
            client = sign_in(who)
            assert client.get(path(cast.bruno)).status_code == 403, who
            assert client.put(path(cast.bruno), {"external_ids": {}}).status_code == 403
            assert ids_found(client) == []
        assert names(cast.bruno)

    def test_the_agent_reads_and_does_not_set(self, cast, sign_in, named):
        bruno = sign_in(cast.bruno)
        assert bruno.put(path(cast.bruno), {"external_ids": {"rh": "B"}}).status_code == 403
        assert ids_found(bruno) == [cast.bruno.pk]

    def test_nobody_there_is_not_found(self, martine):
        for answer in (martine.get("/api/v1/agents/999999/external_ids"), martine.put("/api/v1/agents/0/external_ids")):
            assert answer.status_code == 404

    def test_the_agent_object_says_nothing_of_them(self, martine, named):
        (shown,) = martine.get("/api/v1/agents", {"external_id": "rh:A-17"}).json()["agents"]
        assert list(shown) == ["id", "email", "first_name", "inclusion_connect_open_id_sub", "last_name"]

    @pytest.mark.parametrize(
        "name", ["rh", "rh:", "A-17", ":A-17", "RH:A-17", "rh:a-17", "rh:A-17 ", "rh:" + "x" * 999]
    )
    def test_what_is_no_name_finds_nobody(self, martine, named, name):
        assert ids_found(martine, name) == []

    def test_the_filter_costs_no_query_more(self, cast, martine, named, django_assert_num_queries):
        martine.get("/api/v1/agents", {"external_id": "rh:A-17"})
        with django_assert_num_queries(3):
            martine.get("/api/v1/agents", {"external_id": "rh:A-17"})


class TestNaming:
    """An agent named by it in what is written of absences."""

    def test_an_absence_is_created(self, martine, named):
        answer = martine.post("/api/v1/absences", LEAVE | {"agent_external_id": "rh:A-17"})
        assert (answer.status_code, answer.json()["absence"]["agent"]["id"]) == (200, named.pk)

    def test_the_id_and_the_email_win(self, cast, martine, named):
        for by in ({"agent_id": cast.chloe.pk}, {"agent_email": cast.chloe.email}):
            answer = martine.post("/api/v1/absences", LEAVE | by | {"agent_external_id": "rh:A-17"})
            assert answer.json()["absence"]["agent"]["id"] == cast.chloe.pk

    @pytest.mark.parametrize("name", ["rh:B", "rh", 17, ["rh:A-17"], {"rh": "A-17"}, "rh:" + "x" * 999])
    def test_nobody_known_answers_as_an_unknown_email(self, martine, named, name):
        unknown = martine.post("/api/v1/absences", LEAVE | {"agent_email": "personne@exemple.test"})
        answer = martine.post("/api/v1/absences", LEAVE | {"agent_external_id": name})
        assert (answer.status_code, answer.json()) == (unknown.status_code, unknown.json()) == (404, answer.json())
        bulk = martine.post("/api/v1/absences/bulk", {"absences": [LEAVE | {"agent_external_id": name}]})
        assert [one["status"] for one in bulk.json()["verdicts"]] == [404]

    def test_so_does_one_whose_ids_are_not_for_the_caller(self, cast, sign_in, named):
        for who in (cast.sophie, cast.etienne):
            client = sign_in(who)
            assert client.post("/api/v1/absences", LEAVE | {"agent_external_id": "rh:A-17"}).status_code == 404
            bulk = client.post("/api/v1/absences/bulk", {"absences": [LEAVE | {"agent_external_id": "rh:A-17"}]})
            assert [one["status"] for one in bulk.json()["verdicts"]] == [404]
        assert not Absence.objects.exists()

    def test_one_name_of_two_agents_says_so(self, cast, sign_in, named):
        AgentExternalId.objects.create(agent=cast.etienne, territory=cast.lille.territory, system="rh", value="A-17")
        both = sign_in(AgentFactory(admin_of=[cast.mds, cast.lille]))
        answer = both.post("/api/v1/absences", LEAVE | {"agent_external_id": "rh:A-17"})
        assert answer.status_code == 422
        assert answer.json()["errors"]["agent_external_id"][0]["error"] == "invalid"
        bulk = both.post("/api/v1/absences/bulk", {"absences": [LEAVE | {"agent_external_id": "rh:A-17"}]})
        assert [one["status"] for one in bulk.json()["verdicts"]] == [422]
        assert sorted(ids_found(both)) == sorted([cast.bruno.pk, cast.etienne.pk])

    def test_many_at_once(self, cast, martine, named):
        martine.put(path(cast.chloe), {"external_ids": {"rh": "B:2"}})
        body = {"agent_external_ids": ["rh:A-17", "rh:B:2"], "periods": [{"first_day": "2026-12-10"}], **LEAVE}
        del body["first_day"]
        answer = martine.post("/api/v1/absences/bulk", body)
        assert [one["status"] for one in answer.json()["verdicts"]] == [200, 200]
        assert set(Absence.objects.values_list("agent", flat=True)) == {cast.bruno.pk, cast.chloe.pk}

    def test_by_the_name_of_an_absence_too(self, martine, named):
        at = "/api/v1/absences/by-external-id/paie/7"
        answer = martine.put(at, LEAVE | {"agent_external_id": "rh:A-17"})
        assert answer.json()["meta"] == {"result": "created"}
        again = martine.put(at, LEAVE | {"agent_external_id": "rh:A-17"})
        assert again.json()["meta"] == {"result": "unchanged"}

    @pytest.mark.parametrize(
        ("column", "cell", "more"),
        [
            ("agent_external_id", "rh:A-17", {}),
            ("Matricule", "rh:A-17", {}),
            ("Matricule", "A-17", {"system": "rh"}),
        ],
    )
    def test_of_a_table(self, martine, named, column, cell, more):
        file = f"{column};titre;du\n{cell};RTT;10/12/2026\n"
        answer = martine.post("/api/v1/absences/import", {"file": file} | more)
        assert answer.status_code == 200, answer.content
        assert Absence.objects.get().agent == named

    def test_a_line_of_a_table_that_names_nobody_says_where(self, martine, named):
        answer = martine.post("/api/v1/absences/import", {"file": "Matricule;titre;du\nA-17;RTT;10/12/2026\n"})
        assert answer.status_code == 422
        (refusal,) = answer.json()["refusals"]
        assert (refusal["line"], refusal["field"], refusal["error"]) == (2, "Matricule", "not_found")

    def test_of_a_calendar(self, martine, named):
        file = "\r\n".join(
            [
                *("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", "BEGIN:VEVENT", "UID:1", "SUMMARY:RTT"),
                *("DTSTART:20261210T080000Z", "DTEND:20261210T160000Z", "END:VEVENT", "END:VCALENDAR", ""),
            ]
        )
        for _ in range(2):
            answer = martine.post("/api/v1/absences/import", {"file": file, "agent_external_id": "rh:A-17"})
            assert answer.status_code == 200, answer.content
        assert Absence.objects.get().agent == named


def test_webhooks_say_nothing_of_them(cast, martine):
    WebhookEndpointFactory(organisation=cast.mds)
    martine.put(path(cast.bruno), {"external_ids": {"rh": "A-17"}})
    assert names(cast.bruno)
    assert not Event.objects.exists()


@pytest.mark.skipif(connection.vendor == "sqlite", reason="there, transactions that write are one after the other")
@pytest.mark.django_db(transaction=True)
def test_of_two_who_give_one_id_at_once_to_two_agents_one_does(sign_in):
    place = OrganisationFactory()
    agents = [AgentFactory(basic_in=[place]) for _ in range(3)]
    boss = AgentFactory(admin_of=[place])
    clients = [(sign_in(boss), agent) for agent in agents]
    answers = []

    def send(client, agent):
        try:
            answers.append(client.put(path(agent), {"external_ids": {"rh": "A-17"}}).status_code)
        finally:
            connections.close_all()

    writers = [Thread(target=send, args=one) for one in clients]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(answers) == [200, 422, 422]
    assert AgentExternalId.objects.count() == 1


def test_an_api_account_that_is_admin_does_as_admins_do(cast, named):
    account = ApiAccount.objects.create(name="Paie")
    account.roles.create(organisation=cast.mds, access_level="admin")
    client = bearing({"Authorization": f"Bearer {key_of(account)}"})
    assert ids_found(client) == [named.pk]
    assert client.put(path(named), {"external_ids": {"rh": "B"}}).status_code == 200


def test_a_key_for_one_organisation_opens_no_other(cast, named):
    other = OrganisationFactory(territory=cast.nord)
    AgentRole.objects.create(agent=cast.martine, organisation=other, access_level="admin")
    client = bearing({"Authorization": f"Bearer {key_of(cast.martine, organisations=[other.pk])}"})
    assert client.get(path(named)).status_code == 403
    assert ids_found(client) == []


def test_a_key_for_one_organisation_reads_the_agents_own_in_its_territory_alone(cast, named):
    AgentRole.objects.create(agent=named, organisation=cast.lille)
    AgentExternalId.objects.create(agent=named, territory=cast.lille.territory, system="paie", value="L-3")
    client = bearing({"Authorization": f"Bearer {key_of(named, organisations=[cast.lille.pk])}"})
    assert client.get(path(named)).json()["agent"]["external_ids"] == {"paie": "L-3"}
    for name, status in (("rh:A-17", 404), ("paie:L-3", 200)):
        answer = client.post("/api/v1/absences", LEAVE | {"agent_external_id": name})
        assert answer.status_code == status, answer.content
    whole = bearing({"Authorization": f"Bearer {key_of(named)}"})
    assert whole.get(path(named)).json()["agent"]["external_ids"] == {"paie": "L-3", "rh": "A-17"}


def test_the_page_of_an_agent_gives_them(cast, client, named):
    boss = Agent.objects.create_superuser("boss@exemple.test", "x")
    client.force_login(boss)
    address = f"/admin/agents/agent/{cast.bruno.pk}/change/"
    page = client.get(address)
    assert page.status_code == 200
    form = page.context["adminform"].form
    sent = {name: value for name, value in form.initial.items() if value is not None and name != "user_permissions"}
    sent |= {name: field.initial for name, field in form.fields.items() if name == "seen_change"}
    sent["services"] = [one.pk for one in cast.bruno.services.all()]
    sent["last_name"] = "X"
    for formset in page.context["inline_admin_formsets"]:
        prefix = formset.formset.prefix
        sent |= {f"{prefix}-{name}": value for name, value in formset.formset.management_form.initial.items()}
        for one in formset.formset.initial_forms:
            sent |= {f"{one.prefix}-{name}": value for name, value in one.initial.items() if value is not None}
            sent[f"{one.prefix}-id"] = one.instance.pk
    sent["external_names-0-value"] = "B-18"
    answer = client.post(address, sent)
    assert answer.status_code == 302, answer.context["errors"]
    assert names(cast.bruno)[0][2] == "B-18"
    sent["external_names-0-system"] = "Système RH"
    sent["seen_change"] = Agent.objects.get(pk=cast.bruno.pk).updated_at.isoformat()
    assert client.post(address, sent).status_code == 200
    assert names(cast.bruno)[0][1] == "rh"


class TestTheDirectoryFile:
    def agents(self, *agents):
        return apply(paris(agents=list(agents)))

    def one(self, name, **more):
        return {"email": f"{name}@exemple.test", "roles": [{"organisation": "MDS Paris Nord"}], **more}

    def test_gives_them_and_a_second_run_changes_nothing(self, db):
        file = [self.one("a", external_ids={"rh": "A-17", "paie": "3"}), self.one("b", external_ids={"rh": "18"})]
        assert self.agents(*file).counts("agents") == (2, 0, 0)
        assert self.agents(*file).counts("agents") == (0, 0, 2)
        a = Agent.objects.get(email="a@exemple.test")
        assert [name[1:] for name in names(a)] == [("paie", "3"), ("rh", "A-17")]

    def test_an_absent_key_leaves_them_and_null_takes_them(self, db):
        self.agents(self.one("a", external_ids={"rh": "A-17"}))
        assert self.agents(self.one("a")).counts("agents") == (0, 0, 1)
        assert AgentExternalId.objects.count() == 1
        assert self.agents(self.one("a", external_ids=None)).counts("agents") == (0, 1, 0)
        assert not AgentExternalId.objects.exists()

    def test_two_may_change_theirs_for_each_others(self, db):
        self.agents(self.one("a", external_ids={"rh": "1"}), self.one("b", external_ids={"rh": "2"}))
        outcome = self.agents(self.one("a", external_ids={"rh": "2"}), self.one("b", external_ids={"rh": "1"}))
        assert outcome.counts("agents") == (0, 2, 0)
        assert dict(AgentExternalId.objects.values_list("agent__email", "value")) == {
            "a@exemple.test": "2",
            "b@exemple.test": "1",
        }

    def test_one_that_another_has_is_refused_in_the_file_and_beside_it(self, db):
        outcome = self.agents(self.one("a", external_ids={"rh": "1"}), self.one("b", external_ids={"rh": "1"}))
        assert outcome.problems == ['agents[1].external_ids.rh: "1" is the id of another agent in "Paris (75)" already']
        self.agents(self.one("a", external_ids={"rh": "1"}))
        outcome = self.agents(self.one("b", external_ids={"rh": "1"}))
        assert outcome.problems == ['agents[0].external_ids.rh: "1" is the id of another agent in "Paris (75)" already']
        outcome = self.agents(self.one("a"), self.one("b", external_ids={"rh": "1"}))
        assert len(outcome.problems) == 1
        assert AgentExternalId.objects.count() == 1

    def test_what_is_none_is_told_with_its_place(self, db):
        outcome = self.agents(
            self.one("a", external_ids={"RH": "1"}),
            self.one("b", external_ids=[]),
            {"email": "c@exemple.test", "external_ids": {"rh": "1"}},
        )
        assert [line.partition(":")[0] for line in outcome.problems] == [f"agents[{n}].external_ids" for n in range(3)]

    def test_they_follow_the_roles_that_the_file_gives(self, db):
        document = {
            "territories": [PARIS, {"name": "Nord", "departement_number": "59"}],
            "organisations": [MDS, {"name": "MDS Lille", "departement_number": "59"}],
            "agents": [
                self.one("a", external_ids={"rh": "1"})
                | {"roles": [{"organisation": "MDS Paris Nord"}, {"organisation": "MDS Lille"}]}
            ],
        }
        assert apply(document).err == ""
        assert sorted(AgentExternalId.objects.values_list("territory__departement_number", flat=True)) == ["59", "75"]
        assert apply(document).counts("agents") == (0, 0, 1)
        document["agents"] = [self.one("a", external_ids={"rh": "1"}) | {"roles": [{"organisation": "MDS Lille"}]}]
        assert apply(document).counts("agents") == (0, 1, 0)
        assert AgentExternalId.objects.get().territory.departement_number == "59"
