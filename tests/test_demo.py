"""The demo: a directory that looks like life, on an empty server and nowhere else."""

from __future__ import annotations

import datetime
import io
import json
from collections import Counter
from typing import Any

import pytest
from dateutil.rrule import rrulestr
from django.core.management import CommandError, call_command

from absences.demo import demo_directory
from absences.models import Absence
from agents.models import Agent, AgentRole, Organisation, Service, Territory
from tests.directory_file import apply
from tests.factories import AgentFactory

TODAY = datetime.date(2026, 11, 16)


def demo(*options: str) -> str:
    out = io.StringIO()
    call_command("demo", *options, stdout=out, stderr=out)
    return out.getvalue()


@pytest.fixture(scope="module")
def directory() -> dict[str, Any]:
    return demo_directory(TODAY)


# The directory


def test_the_demo_has_the_size_of_an_agency(directory):
    sizes = {section: len(items) for section, items in directory.items()}

    assert 1400 <= sizes.pop("absences") <= 1600
    assert sizes == {"territories": 3, "services": 8, "organisations": 12, "agents": 60}


def test_the_demo_is_the_same_for_everyone_on_one_day(directory):
    assert demo_directory(TODAY) == directory


def test_the_days_follow_the_calendar(directory):
    days = [absence["first_day"] for absence in directory["absences"]]

    assert "2025-11-16" <= min(days) < "2025-12-01"
    assert "2027-11-01" < max(absence.get("end_day", "") for absence in directory["absences"]) <= "2027-11-16"
    later = [absence["first_day"] for absence in demo_directory(TODAY + datetime.timedelta(days=100))["absences"]]
    assert min(later) >= "2026-02-24"


def test_martine_comes_first(directory):
    martine = directory["agents"][0]

    assert (martine["email"], martine["password"]) == ("martine@demo.rdv-solidarites.fr", "123456")
    assert (martine["first_name"], martine["last_name"]) == ("Martine", "VALIDAY")
    assert martine["services"] == ["PMI (Protection Maternelle Infantile)"]
    assert [role["access_level"] for role in martine["roles"]] == ["admin"]


def test_every_kind_of_agent_is_there(directory):
    agents = directory["agents"]
    levels = Counter(role["access_level"] for agent in agents for role in agent["roles"])

    assert set(levels) == {"basic", "admin", "intervenant"}
    assert any("Secrétariat" in agent["services"] for agent in agents)
    assert any(len(agent["services"]) > 1 for agent in agents)
    assert any(len({role["access_level"] for role in agent["roles"]}) == 3 for agent in agents)
    assert any(agent.get("territorial_admin_of") and agent["roles"] for agent in agents)
    assert any(agent.get("territorial_admin_of") and not agent["roles"] for agent in agents)
    assert sum(not agent["roles"] and "territorial_admin_of" not in agent for agent in agents) == 1
    assert sum(agent.get("active") is False for agent in agents) == 1
    assert sum("password" not in agent for agent in agents) == 1


def test_nobody_is_absent_twice_at_once(directory):
    taken = Counter()
    for absence in directory["absences"]:
        first_day = datetime.date.fromisoformat(absence["first_day"])
        end_day = datetime.date.fromisoformat(absence.get("end_day", absence["first_day"]))
        days = range((end_day - first_day).days + 1)
        midnight = datetime.datetime.combine(first_day, datetime.time())
        for start in rrulestr(absence.get("rrule", "FREQ=DAILY;COUNT=1"), dtstart=midnight):
            if start.date().isoformat() not in absence.get("exdates", ()):
                taken.update((absence["agent_email"], start.date() + datetime.timedelta(days=day)) for day in days)

    assert max(taken.values()) == 1


def test_some_absences_come_again_but_for_days_that_are_taken_anyway(directory):
    recurring = [absence for absence in directory["absences"] if "rrule" in absence]

    assert len({absence["agent_email"] for absence in recurring}) == len(recurring) >= 20
    assert any(absence["exdates"] for absence in recurring)


def test_what_people_are_ill_with_is_nobodys_business(directory):
    assert {absence["title"] for absence in directory["absences"] if absence.get("private")} == {"Arrêt maladie"}


def test_nobody_plans_to_be_ill(directory):
    ill = [absence["first_day"] for absence in directory["absences"] if absence["title"] == "Arrêt maladie"]

    assert ill
    assert max(ill) <= TODAY.isoformat()


# The command


@pytest.mark.django_db
def test_an_empty_server_gets_the_demo(now):
    last = demo().splitlines()[-1]

    assert last.startswith("territories: 3 created, 0 updated, 0 unchanged; services: 8 created")
    assert (Territory.objects.count(), Service.objects.count(), Organisation.objects.count()) == (3, 8, 12)
    first = Agent.objects.order_by("pk").first()
    assert first.email == "martine@demo.rdv-solidarites.fr"
    assert first.check_password("123456")
    assert AgentRole.objects.filter(agent=first, access_level="admin").exists()
    assert 1400 <= Absence.objects.count() <= 1600


@pytest.mark.django_db
def test_there_is_an_administrator_of_the_server(now):
    demo()

    administrator = Agent.objects.get(email="admin@demo.rdv-solidarites.fr")
    assert administrator.is_superuser
    assert administrator.is_staff
    assert administrator.check_password("123456")
    assert Agent.objects.count() == 61


@pytest.mark.django_db
def test_a_directory_with_agents_is_left_alone(now):
    AgentFactory()

    assert demo() == "There are agents already: the demo is left out.\n"
    assert Agent.objects.count() == 1


@pytest.mark.django_db
def test_it_can_be_added_by_force_as_often_as_one_likes(now):
    AgentFactory()

    demo("--force")
    assert Agent.objects.count() == 62
    assert "agents: 0 created, 0 updated, 60 unchanged" in demo("--force")
    assert Agent.objects.count() == 62


@pytest.mark.django_db
def test_production_refuses_it(settings):
    settings.PRODUCTION = True

    with pytest.raises(CommandError, match="not for production"):
        demo("--force")
    assert not Agent.objects.exists()


@pytest.mark.django_db
def test_the_demo_can_be_printed_as_a_directory_file(now):
    printed = json.loads(demo("--print"))

    assert not Agent.objects.exists()
    assert apply(printed, "--dry-run").counts("agents") == (60, 0, 0)
