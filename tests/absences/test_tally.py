"""The count of each agent's absences is true whoever writes: the list's total rests on it."""

import pytest
from django.db import connection

from absences.derived import TALLIES
from absences.models import Absence, AbsenceTally
from agents.models import Agent
from tests.factories import AbsenceFactory, AgentFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def true():
    """Whether every tally is the number of rows."""

    def check():
        kept = dict(AbsenceTally.objects.filter(count__gt=0).values_list("agent", "count"))
        counted = {}
        for agent in Absence.objects.values_list("agent", flat=True):
            counted[agent] = counted.get(agent, 0) + 1
        return kept == counted and bool(kept)

    return check


def test_it_follows_creations_one_by_one_and_in_bulk(true):
    agents = [AgentFactory() for _ in range(3)]
    AbsenceFactory(agent=agents[0])
    Absence.objects.bulk_create(AbsenceFactory.build(agent=agent) for agent in agents * 5)
    assert true()
    assert AbsenceTally.objects.get(agent=agents[0]).count == 6


def test_it_follows_deletions_one_by_one_and_in_bulk(true):
    agents = [AgentFactory() for _ in range(2)]
    first = [AbsenceFactory(agent=agent) for agent in agents * 4].pop()
    first.delete()
    Absence.objects.filter(agent=agents[1]).exclude(pk=Absence.objects.filter(agent=agents[1]).latest("pk").pk).delete()
    assert true()


def test_it_follows_an_absence_given_to_another_agent(true):
    absence, other = AbsenceFactory(), AgentFactory()
    Absence.objects.filter(pk=absence.pk).update(agent=other)
    assert true()
    assert AbsenceTally.objects.get(agent=other).count == 1


def test_an_agent_deleted_for_good_leaves_none_behind(true):
    AbsenceFactory()
    gone = AbsenceFactory().agent
    Agent.objects.filter(pk=gone.pk).delete()
    assert true()
    assert not AbsenceTally.objects.filter(agent_id=gone.pk).exists()


def test_triggers_lost_with_a_remade_table_come_back_with_the_truth(true):
    with connection.cursor() as cursor:
        on = " ON absences_absence" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER absences_tally_inserted{on}")
    AbsenceFactory()
    AbsenceFactory()
    assert not true()
    TALLIES.install()
    assert true()
    AbsenceFactory()
    assert true()
