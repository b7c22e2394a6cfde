"""The world that every peer is measured on: N absences of 1,000 agents in 20 organisations, the same at each run.

    python -m benchmarks.data --absences 100000

fills the (empty, migrated) database of DATABASE_URL and writes a JSON object: the credentials of the callers.
`admin` sees 1 agent in 20, `everyone` all of them (a secretariat's agent with a role everywhere), `mixed` has ten
roles of every kind.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import random
from typing import Any

import django

START = datetime.date(2025, 1, 6)
TITLES = ("Congés", "RTT", "Formation", "Réunion d'équipe", "Arrêt maladie", "Visite à domicile")


def fill(absences: int, agents: int = 1000, organisations: int = 20, tokens: int = 0) -> dict[str, Any]:
    """Create the world; gives the callers' credentials and some ids."""
    from django.contrib.auth.hashers import make_password
    from django.utils import timezone

    from absences.models import Absence
    from agents.models import Agent, AgentRole, ClientToken, Organisation, Service, Territory

    dice = random.Random(20201103)
    territory = Territory.objects.create(name="Paris", departement_number="75")
    places = Organisation.objects.bulk_create(
        Organisation(
            territory=territory, name=f"MDS {n:02}", email=f"mds{n:02}@exemple.test", phone_number="0102030405"
        )
        for n in range(organisations)
    )
    services = Service.objects.bulk_create(
        Service(name=f"Service {n}", short_name=f"S{n}", secretariat=n == 0) for n in range(8)
    )
    people = Agent.objects.bulk_create(
        (
            Agent(email=f"agent{n:05}@exemple.test", first_name=f"Prénom{n}", last_name=f"NOM{n}", password="!")
            for n in range(agents)
        ),
        batch_size=1000,
    )
    memberships = Agent.services.through
    memberships.objects.bulk_create(
        (memberships(agent=agent, service=services[1 + n % 7]) for n, agent in enumerate(people)), batch_size=1000
    )
    AgentRole.objects.bulk_create(
        (
            AgentRole(agent=agent, organisation=places[n % organisations], access_level="basic")
            for n, agent in enumerate(people)
        ),
        batch_size=1000,
    )

    def absence(number: int) -> Absence:
        first = START + datetime.timedelta(days=dice.randrange(900))
        return Absence(
            agent=people[number % agents],
            title=TITLES[dice.randrange(len(TITLES))],
            first_day=first,
            start_time=datetime.time(8 + dice.randrange(4), dice.choice((0, 30))),
            end_day=first + datetime.timedelta(days=dice.randrange(3)),
            end_time=datetime.time(13 + dice.randrange(5)),
            created_at=moment,
            updated_at=moment,
        )

    moment = datetime.datetime(2025, 1, 6, 8, tzinfo=datetime.UTC)
    for begin in range(0, absences, 10_000):
        Absence.objects.bulk_create(
            (absence(number) for number in range(begin, min(begin + 10_000, absences))), batch_size=2000
        )

    password = make_password("Rendez-vous 2026 !")

    def caller(email: str, roles: list[tuple[Organisation, str]], service: Service, extra_tokens: int = 0) -> Any:
        agent = Agent.objects.create(email=email, first_name="Appel", last_name="ANT", password=password)
        agent.services.add(service)
        AgentRole.objects.bulk_create(
            AgentRole(agent=agent, organisation=place, access_level=level) for place, level in roles
        )
        token, secret = ClientToken.objects.issue(agent)
        ClientToken.objects.filter(pk=token.pk).update(expires_at=timezone.now() + datetime.timedelta(days=30))
        return {"uid": email, "client": token.client, "access-token": secret, "id": agent.pk}

    if tokens:
        from agents.tokens import digest, new_secret

        ClientToken.objects.bulk_create(
            (
                ClientToken(
                    agent=people[n % agents],
                    client=new_secret(),
                    digest=digest(new_secret()),
                    created_at=moment,
                    expires_at=timezone.now() + datetime.timedelta(days=30),
                )
                for n in range(tokens)
            ),
            batch_size=1000,
        )
    levels = ("admin", "basic", "intervenant", "basic", "basic", "admin", "basic", "intervenant", "basic", "basic")
    world = {
        "admin": caller("admin@exemple.test", [(places[0], "admin")], services[1]),
        "everyone": caller("everyone@exemple.test", [(place, "basic") for place in places], services[0]),
        "mixed": caller("mixed@exemple.test", list(zip(places[:10], levels, strict=False)), services[1]),
        "absences": list(Absence.objects.filter(agent=people[0]).values_list("pk", flat=True)[:100]),
        "agent": people[0].pk,
        "password": "Rendez-vous 2026 !",
    }
    # The stock peer keeps Django's default hash.
    Agent.objects.create(email="stock@exemple.test", password=make_password(world["password"], hasher="pbkdf2_sha256"))
    from django.db import connection

    with connection.cursor() as cursor:  # statistics, as autovacuum would have gathered them
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
    return world


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rdv.settings")
    django.setup()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--absences", type=int, default=100_000)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--tokens", type=int, default=0)
    options = parser.parse_args()
    print(json.dumps(fill(options.absences, options.agents, tokens=options.tokens)))
