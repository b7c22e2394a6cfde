"""How many times the database is asked, whatever the number of rows: a list 3 times, one absence 2, a write at most 11.

Each number is that of a token in use: the first request in five minutes writes one query more, `last_used_at`.
"""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from absences.models import Absence
from agents.models import Agent, AgentRole

from .factories import AbsenceFactory, OrganisationFactory

pytestmark = pytest.mark.usefixtures("now")

LISTS = {
    "absences": 3,  # the credential with its agent and reach; the agents in sight, with the total; the page
    "agents": 3,
    "organisations": 3,
    "services": 3,
    # Filters are conditions of the same queries.
    "absences?agent_id=1&service_id=1&organisation_id=1&title=x&from=2026-01-01&changed_since=2026-01-01": 3,
    "absences?title=cong%C3%A9&from=2026-01-01&to=2030-01-01&changed_since=2026-01-01": 4,
}


# Before its commit a write asks again who its caller is; on PostgreSQL it first keeps that from changing.
HELD = 2 if connection.vendor == "postgresql" else 1
# And it tells the record what it did, once.
TOLD = 1
# And asks who subscribed to it.
HEARD = 1


@pytest.fixture
def asked(cast):
    return {
        "agent_id": cast.bruno.pk,
        "title": "Congé formation",
        "first_day": "2027-06-10",
        "start_time": "13:30",
        "end_time": "17:00",
    }


@pytest.fixture
def crowd(cast):
    """150 agents more at the MDS, each with an absence, and 150 organisations more for Martine."""

    def come():
        agents = Agent.objects.bulk_create(Agent(email=f"{n}@exemple.test", password="!") for n in range(150))
        AgentRole.objects.bulk_create(AgentRole(agent=agent, organisation=cast.mds) for agent in agents)
        for agent in agents:
            agent.services.add(cast.pmi)
        Absence.objects.bulk_create(AbsenceFactory.build(agent=agent) for agent in agents)
        organisations = [OrganisationFactory(territory=cast.nord) for _ in range(150)]
        AgentRole.objects.bulk_create(AgentRole(agent=cast.martine, organisation=one) for one in organisations)

    return come


@pytest.fixture
def martine(cast, sign_in):
    return sign_in(cast.martine)


@pytest.fixture
def queries_of():
    """How many queries a call costs; it must succeed."""
    # SQLite is asked once a process whether it knows JSON.
    assert connection.features.supports_json_field

    def count(call, *args, status=200):
        with CaptureQueriesContext(connection) as queries:
            answer = call(*args)
        assert answer.status_code == status, answer.content
        return len(queries)

    return count


@pytest.mark.parametrize(("path", "count"), LISTS.items())
def test_a_list(cast, martine, queries_of, path, count):
    AbsenceFactory(agent=cast.bruno)
    assert queries_of(martine.get, f"/api/v1/{path}") == count


@pytest.mark.parametrize("path", ["absences", "agents", "organisations", "services"])
def test_a_list_costs_the_same_with_150_rows(cast, martine, queries_of, crowd, path):
    AbsenceFactory(agent=cast.bruno)
    alone = queries_of(martine.get, f"/api/v1/{path}")
    crowd()
    assert queries_of(martine.get, f"/api/v1/{path}") == alone
    assert queries_of(martine.get, f"/api/v1/{path}?page=2&per=40") <= alone


def test_an_empty_list_does_not_ask_for_its_page(martine, queries_of):
    # The credential; how many there are.
    assert queries_of(martine.get, "/api/v1/absences") == 2


def test_one_absence(cast, martine, queries_of, crowd):
    absence = AbsenceFactory(agent=cast.bruno)
    # The credential; the absence, with the right to see it and its organisation.
    assert queries_of(martine.get, f"/api/v1/absences/{absence.pk}") == 2
    crowd()
    assert queries_of(martine.get, f"/api/v1/absences/{absence.pk}") == 2


def test_one_organisation(cast, martine, queries_of):
    # The credential; the organisation, with the right to see it.
    assert queries_of(martine.get, f"/api/v1/organisations/{cast.mds.pk}") == 2


@pytest.mark.parametrize("status", [403, 404])
def test_a_refusal_costs_no_more_than_what_it_refuses(cast, sign_in, queries_of, status):
    path = {403: AbsenceFactory(agent=cast.bruno).pk, 404: 999_999_999}[status]
    etienne = sign_in(cast.etienne)
    # A 403 is told to the record, once a minute.
    assert queries_of(etienne.get, f"/api/v1/absences/{path}", status=status) == 2 + (TOLD if status == 403 else 0)
    assert queries_of(etienne.get, f"/api/v1/absences/{path}", status=status) == 2


def test_a_creation(martine, queries_of, asked, crowd):
    # The credential; the transaction (2); the agent; the row; the caller, held; the look again, which is the answer.
    assert queries_of(martine.post, "/api/v1/absences", asked) == 6 + HELD + TOLD + HEARD
    crowd()
    assert queries_of(martine.post, "/api/v1/absences", asked) == 6 + HELD + TOLD + HEARD


def test_a_creation_for_one_organisation(cast, martine, queries_of, asked):
    # One more: whether the organisation is one of the agent's.
    assert (
        queries_of(martine.post, "/api/v1/absences", asked | {"organisation_id": cast.mds.pk})
        == 7 + HELD + TOLD + HEARD
    )


def test_a_creation_by_email(cast, martine, queries_of, asked):
    del asked["agent_id"]
    assert (
        queries_of(martine.post, "/api/v1/absences", asked | {"agent_email": cast.bruno.email})
        == 6 + HELD + TOLD + HEARD
    )


def test_an_update(cast, martine, queries_of, crowd):
    path = f"/api/v1/absences/{AbsenceFactory(agent=cast.bruno).pk}"
    # The credential; the transaction (2); the row, locked, with the right; the change; the caller, held; the look
    # again.
    assert queries_of(martine.patch, path, {"title": "Autre"}) == 6 + HELD + TOLD + HEARD
    crowd()
    assert queries_of(martine.patch, path, {"title": "Encore"}) == 6 + HELD + TOLD + HEARD
    # One more: whether the organisation is one of the agent's.
    assert queries_of(martine.patch, path, {"title": "Plus", "organisation_id": cast.mds.pk}) == 7 + HELD + TOLD + HEARD


def test_an_update_of_an_organisation(cast, martine, queries_of):
    # As an absence, and one more: whether the name is taken in the territory.
    path = f"/api/v1/organisations/{cast.mds.pk}"
    assert queries_of(martine.patch, path, {"name": "MDS du parc"}) == 7 + HELD + TOLD + HEARD


def test_a_deletion(cast, martine, queries_of):
    absence = AbsenceFactory(agent=cast.bruno)
    # The credential; the transaction (2); the row, locked, with the right; the deletion; the tombstone; the caller,
    # held; the look again.
    assert queries_of(martine.delete, f"/api/v1/absences/{absence.pk}", status=204) == 7 + HELD + TOLD + HEARD


def test_an_unknown_token_costs_one_query(cast, martine, queries_of):
    martine.triple["access-token"] = "A" * 22
    assert queries_of(martine.get, "/api/v1/absences", status=401) == 1


@pytest.mark.django_db
def test_no_credential_costs_none(anonymous, queries_of):
    assert queries_of(anonymous.get, "/api/v1/absences", status=401) == 0
