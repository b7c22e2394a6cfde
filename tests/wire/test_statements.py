"""A queryset compiled once gives what it gives compiled each time, and `among` what `in` does."""

import gc

import pytest
from django.db import connection, models
from django.test.utils import CaptureQueriesContext

from agents.models import Agent
from rdv.api.statements import EpochSeconds, Numbers, Parameter, Statement
from tests.factories import AgentFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def agents():
    return [AgentFactory() for _ in range(5)]


def test_its_parameters_are_filled_in_at_each_run(agents):
    by_email = Statement(
        lambda: Agent.objects.filter(email=Parameter("email", models.CharField())).values_list("pk", "is_active")
    )
    for agent in agents:
        assert list(by_email.run(email=agent.email)) == [(agent.pk, True)]
    assert list(by_email.run(email="personne@exemple.test")) == []


def test_it_is_compiled_once(agents):
    built = []

    def build():
        built.append(1)
        return Agent.objects.filter(pk=Parameter("pk", models.BigIntegerField())).values_list("pk")

    statement = Statement(build)
    for agent in agents:
        assert list(statement.run(pk=agent.pk)) == [(agent.pk,)]
    assert built == [1]


@pytest.mark.parametrize("length", [0, 1, 3, 5])
def test_among_finds_what_in_finds(agents, length):
    wanted = [agent.pk for agent in agents[:length]]
    assert set(Agent.objects.filter(pk__among=wanted)) == set(Agent.objects.filter(pk__in=wanted))
    assert set(Agent.objects.exclude(pk__among=wanted)) == set(Agent.objects.exclude(pk__in=wanted))


def test_among_has_one_parameter_however_long_the_list(agents):
    statement = Statement(lambda: Agent.objects.filter(pk__among=Parameter("pks", Numbers())).values_list("pk"))
    with CaptureQueriesContext(connection) as queries:
        assert list(statement.run(pks=[agents[0].pk])) == [(agents[0].pk,)]
        assert list(statement.run(pks=[])) == []
        assert len(list(statement.run(pks=range(1_000_000)))) == len(agents)
    assert len(queries) == 3


def test_epoch_seconds_are_those_of_the_instant_rounded_down(agents, now):
    Agent.objects.update(created_at="2026-03-29T00:59:59.999Z")
    assert Agent.objects.values_list(EpochSeconds("created_at"), flat=True)[0] == 1774745999


def test_among_rows_finds_what_in_finds(agents):
    some = Agent.objects.filter(pk__in=[agent.pk for agent in agents[:3]])
    found = Agent.objects.filter(pk__among_rows=some.values("pk"))
    assert set(found) == set(agents[:3])
    assert not Agent.objects.filter(pk__among_rows=some.none().values("pk")).exists()
    assert set(Agent.objects.exclude(pk__among_rows=some.values("pk"))) == set(agents[3:])


def test_what_was_compiled_goes_with_its_statement(agents):
    """Each page that somebody asks for has one: a connection, which stays, must not keep them all."""

    def one(size):
        statement = Statement(lambda: Agent.objects.order_by("pk").values_list("pk")[:size])
        assert len(list(statement.run())) == min(size, len(agents))

    gc.collect()
    before = len(getattr(connection, "statements", ()))
    for size in range(1, 30):
        one(size)
    gc.collect()
    assert len(connection.statements) <= before
