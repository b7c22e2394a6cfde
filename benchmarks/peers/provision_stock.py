"""Peer (a)'s way to apply a directory file: row by row, each with its rules, in one transaction.

python -m benchmarks.peers.provision_stock directory.json
"""

import json
import os
import sys
from pathlib import Path

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.peers.stock.settings"
django.setup()

from django.db import transaction  # noqa: E402 - Django must be set up first

from agents.models import Agent, AgentRole, Organisation, Service, Territory  # noqa: E402


def make(model, **values):
    row = model(**values)
    row.full_clean()
    row.save()
    return row


@transaction.atomic
def provision(document):
    territories = {item["departement_number"]: make(Territory, **item) for item in document["territories"]}
    services = {item["name"]: make(Service, **item) for item in document["services"]}
    organisations = {
        item["name"]: make(Organisation, name=item["name"], territory=territories[item["departement_number"]])
        for item in document["organisations"]
    }
    for item in document["agents"]:
        agent = Agent(email=item["email"], first_name=item["first_name"], last_name=item["last_name"])
        agent.set_unusable_password()
        agent.full_clean()
        agent.save()
        agent.services.set([services[name] for name in item["services"]])
        for role in item["roles"]:
            organisation = organisations[role["organisation"]]
            make(AgentRole, agent=agent, organisation=organisation, access_level=role["access_level"])


if __name__ == "__main__":
    provision(json.loads(Path(sys.argv[1]).read_bytes()))
