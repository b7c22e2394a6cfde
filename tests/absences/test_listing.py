"""The quick list is the obvious one: the same rows, the same count, whoever asks and however the database is asked."""

import datetime
import random

import pytest

from absences import listing
from absences.models import Absence
from absences.serializers import ABSENCE
from absences.views import Absences
from agents.models import Agent
from tests.factories import AbsenceFactory, AgentFactory, OrganisationFactory, ServiceFactory, TerritoryFactory

READING = Absences.as_usual().reading


def obvious(agent, start, size):
    """What `visible_to` says, counted and cut without any thought of speed."""
    visible = Absence.objects.visible_to(agent)
    return visible.count(), list(visible.for_wire().values_list(*ABSENCE.columns)[start : start + size])


def some(dice, things):
    return dice.sample(things, dice.randrange(len(things)))


@pytest.fixture(params=range(3))
def world(request, db):
    """Agents with roles of every kind, and absences of each of them."""
    dice = random.Random(request.param)
    territories = [TerritoryFactory() for _ in range(2)]
    places = [OrganisationFactory(territory=dice.choice(territories)) for _ in range(6)]
    services = [ServiceFactory(secretariat=number == 0) for number in range(4)]
    agents = []
    for _ in range(25):
        where = some(dice, places)
        cut = sorted(dice.randrange(len(where) + 1) for _ in range(2))
        agents.append(
            AgentFactory(
                admin_of=where[: cut[0]],
                basic_in=where[cut[0] : cut[1]],
                intervenant_in=where[cut[1] :],
                services=some(dice, services),
                territorial_admin_of=territories[:1] if dice.random() < 0.1 else [],
            )
        )
    for _ in range(120):
        AbsenceFactory(
            agent=dice.choice(agents),
            organisation=dice.choice([None, *places]),
            # Few days, so that the order has to be settled by the time and the id.
            first_day=datetime.date(2026, 12, 1) + datetime.timedelta(days=dice.randrange(4)),
            start_time=datetime.time(8 + dice.randrange(2)),
        )
    return agents


@pytest.fixture(params=["few", "many"])
def way(request, monkeypatch):
    """Both ways of asking: the agents in sight by name, or by the rights themselves."""
    monkeypatch.setattr(listing, "FEW", 1000 if request.param == "few" else 0)
    return request.param


def test_every_page_of_every_caller_is_the_obvious_one(world, way):
    seen = set()
    for agent in Agent.objects.all():
        for start, size in ((0, 100), (0, 7), (7, 7), (98, 7), (500, 100)):
            total, rows = listing.fetch(agent, READING, start, size)
            assert (total, list(rows)) == obvious(agent, start, size)
            seen.add(total)
        total, rows = obvious(agent, 0, 200)
        for place in range(0, total, 9):
            key = Absence.objects.values_list("first_day", "start_time", "id").get(pk=rows[place][0])
            assert listing.fetch(agent, READING, 0, 20, key) == (total, rows[place + 1 : place + 21])
    assert len(seen) > 3  # the callers see more, and less


def test_a_right_withdrawn_counts_at_the_next_list(world, way):
    agent = max(Agent.objects.all(), key=lambda one: obvious(one, 0, 1)[0])
    agent.roles.all().delete()
    agent.territorial_roles.all().delete()
    again = Agent.objects.get(pk=agent.pk)
    assert listing.fetch(again, READING, 0, 100) == (0, ())
