"""What an absence shows of its agent's organisations is derived from the roles, whoever changes them."""

import threading

import pytest
from django.db import connection, transaction

from agents.models import Agent, AgentRole, Organisation, ShownOrganisation
from tests.factories import AgentFactory, OrganisationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def places():
    return [OrganisationFactory() for _ in range(3)]


def shown(agent):
    return ShownOrganisation.objects.filter(agent=agent).values_list("organisation", flat=True).first()


def test_the_organisation_of_lowest_id_is_shown(places):
    agent = AgentFactory(basic_in=[places[2], places[0]])
    assert shown(agent) == places[0].pk


def test_a_role_that_goes_leaves_the_next_one(places):
    agent = AgentFactory(basic_in=places)
    agent.roles.get(organisation=places[0]).delete()
    assert shown(agent) == places[1].pk


def test_without_a_role_nothing_is_shown(places):
    agent = AgentFactory(basic_in=places)
    agent.roles.all().delete()
    assert shown(agent) is None


def test_roles_written_in_bulk_count(places):
    agents = [AgentFactory() for _ in range(3)]
    AgentRole.objects.bulk_create(AgentRole(agent=agent, organisation=places[1]) for agent in agents)
    assert [shown(agent) for agent in agents] == [places[1].pk] * 3


def test_a_role_moved_to_another_organisation_counts(places):
    agent = AgentFactory(basic_in=[places[1]])
    AgentRole.objects.filter(agent=agent).update(organisation=places[2])
    assert shown(agent) == places[2].pk


def test_a_role_given_to_another_agent_counts_for_both(places):
    agent, other = AgentFactory(basic_in=[places[1]]), AgentFactory()
    AgentRole.objects.filter(agent=agent).update(agent=other)
    assert (shown(agent), shown(other)) == (None, places[1].pk)


def test_an_organisation_deleted_gives_way_to_the_next(places):
    agent = AgentFactory(basic_in=places[:2])
    Organisation.objects.filter(pk=places[0].pk).delete()
    assert shown(agent) == places[1].pk


def test_an_agent_deleted_for_good_leaves_nothing_behind(places):
    agent = AgentFactory(basic_in=places)
    Agent.objects.filter(pk=agent.pk).delete()
    assert not ShownOrganisation.objects.filter(agent_id=agent.pk).exists()


def test_the_verticale_of_an_organisation_counts_when_it_changes(places):
    agent = AgentFactory(basic_in=places[:2])
    assert agent.shown.by_mairie is False
    Organisation.objects.filter(pk=places[1].pk).update(verticale="rdv_mairie")
    assert ShownOrganisation.objects.get(agent=agent).by_mairie is True
    Organisation.objects.filter(pk=places[0].pk).update(verticale="rdv_aide_numerique")
    assert ShownOrganisation.objects.get(agent=agent).by_mairie is False


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's writers are one after the other")
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("verticale", "role"),
        ("role", "verticale"),
        ("another role", "role"),
        ("role", "another role"),
        ("role taken", "another role"),
        ("another role", "role taken"),
    ],
)
def test_what_two_change_at_once_counts_for_both(first, second):
    """`first` is not committed when `second` begins."""
    mairie, other = OrganisationFactory(verticale="rdv_insertion"), OrganisationFactory()
    agent = AgentFactory(basic_in=[mairie] if "taken" in first + second else [])
    changes = {
        "verticale": lambda: Organisation.objects.filter(pk=mairie.pk).update(verticale="rdv_mairie"),
        "role": lambda: AgentRole.objects.create(agent=agent, organisation=mairie, access_level="basic"),
        "another role": lambda: AgentRole.objects.create(agent=agent, organisation=other, access_level="basic"),
        "role taken": lambda: AgentRole.objects.filter(agent=agent, organisation=mairie).delete(),
    }

    def change():
        try:
            changes[second]()
        finally:
            connection.close()

    late = threading.Thread(target=change)
    with transaction.atomic():
        changes[first]()
        late.start()
        late.join(0.3)  # it waits, or is done; both may be right
    late.join(10)
    kept = ShownOrganisation.objects.filter(agent=agent).values_list("organisation", "by_mairie").first()
    organisations = agent.roles.order_by("organisation").values_list("organisation", "organisation__verticale")
    by_mairie = "rdv_mairie" in [verticale for _pk, verticale in organisations]
    assert kept == (organisations[0][0], by_mairie)
