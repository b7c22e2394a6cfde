"""A database in use is migrated whatever its triggers name: SQLite remakes tables, and fails over those of others."""

from __future__ import annotations

from pathlib import Path

import pytest

from .server import Server, fresh_database

BEFORE_A_TABLE_WAS_REMADE = "0007_signing_keys"
COUNT = """
from django.apps import apps
print({model._meta.label: model.objects.count() for model in apps.get_app_config("agents").get_models()
       if model._meta.object_name in ("Agent", "AgentRole", "Organisation", "ShownOrganisation")})
"""
FOLDED = """
from agents.models import Agent, Organisation, Service
print(list(Agent.objects.order_by("pk").values_list("folded_last_name", "folded_first_name", "folded_email")))
print([list(model.objects.order_by("pk").values_list("folded_name")) for model in (Organisation, Service)])
"""
TRIGGERS = """
from absences.derived import TALLIES
from agents.derived import KEY_VERSIONS, ORGANISATION_VERSIONS, SHOWN
from django.db import connection
catalogue = "tgname FROM pg_trigger" if connection.vendor == "postgresql" else "name FROM sqlite_master"
with connection.cursor() as cursor:
    cursor.execute("SELECT " + catalogue)
    there = {name for (name,) in cursor.fetchall()}
print({name for one in (TALLIES, KEY_VERSIONS, ORGANISATION_VERSIONS, SHOWN) for name in one.triggers} - there)
"""


@pytest.mark.live
def test_a_database_in_use_goes_back_and_forth_and_its_triggers_are_there_again(tmp_path: Path) -> None:
    with fresh_database(tmp_path) as database:
        server = Server(tmp_path, database)
        server.manage("migrate", "--verbosity", "0")
        server.manage("demo")
        before = server.manage("shell", "--no-imports", "-c", COUNT)
        assert "'agents.Organisation': 12" in before
        folded = server.manage("shell", "--no-imports", "-c", FOLDED)
        assert "martine@demo" in folded
        server.manage("migrate", "--verbosity", "0", "agents", BEFORE_A_TABLE_WAS_REMADE)
        server.manage("migrate", "--verbosity", "0")
        assert server.manage("shell", "--no-imports", "-c", COUNT) == before
        # Of rows that were there before them, columns that follow others are filled in.
        assert server.manage("shell", "--no-imports", "-c", FOLDED) == folded
        assert server.manage("shell", "--no-imports", "-c", TRIGGERS).strip() == "set()"
