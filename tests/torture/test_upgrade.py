"""An upgrade keeps nobody from reading: `migrate` runs on a large database while the code of before goes on asking."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.server import PATIENCE, ROOT, Server, fresh_database

from .writers import PASSWORD, SETUP, Database, Writer

pytestmark = pytest.mark.live

# Where an upgrade may begin: the last migrations of each release that is still upgraded from.
STATES = {
    "the first migrations": {"agents": "0001_directory_roles_and_tokens", "absences": "0001_absences"},
}
ON_POSTGRESQL = os.environ.get("DATABASE_URL", "").startswith("postgres")
AGENTS, ORGANISATIONS = 1000, 20
BLOCKED = 1.0  # seconds that a read may wait

HISTORY = """
from django.db import connection, connections
from django.db.migrations.loader import MigrationLoader
state = MigrationLoader(connection).project_state(list(STATE.items())).apps
Agent, AgentRole, Organisation, Territory = (
    state.get_model("agents", name) for name in ("Agent", "AgentRole", "Organisation", "Territory")
)
Absence = state.get_model("absences", "Absence")
"""
# The apps of that release alone: one that came later needs what the others have since become.
MIGRATE = """
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
graph = MigrationLoader(connection).graph
released = {key for target in STATE.items() for key in graph.forwards_plan(target)}
for app, migration in STATE.items():
    call_command("migrate", app, migration, verbosity=0)
for leaf in graph.leaf_nodes():
    if {key for key in graph.forwards_plan(leaf) if key[0] in STATE} <= released:
        call_command("migrate", *leaf, verbosity=0)
"""
SEED = """
from django.contrib.auth.hashers import make_password
paris = Territory.objects.create(name="Paris", departement_number="75")
places = [Organisation.objects.create(name=f"MDS {n}", territory=paris) for n in range(ORGANISATIONS)]
hashed = make_password(PASSWORD)
agents = Agent.objects.bulk_create(
    Agent(email=f"w{n}@exemple.test", password=hashed) for n in range(AGENTS)
)
AgentRole.objects.bulk_create(
    AgentRole(agent=agent, organisation=places[n % ORGANISATIONS], access_level="admin")
    for n, agent in enumerate(agents)
)
first = min(agent.pk for agent in agents)
if connection.vendor == "postgresql":
    numbers, day = "generate_series(0, %s) AS n", "date '2026-01-01' + (n %% 700)::int"
else:
    numbers = "(WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < %s) SELECT n FROM c)"
    day = "date('2026-01-01', '+' || (n %% 700) || ' days')"
with connection.cursor() as cursor:
    cursor.execute(
        "INSERT INTO absences_absence (first_day, end_day, start_time, end_time, title, folded_title, version,"
        " created_at, updated_at, agent_id)"
        f" SELECT {day}, {day}, '08:30:00', '17:00:00', 'Absence ' || n, 'absence ' || n, 1,"
        f" CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, {first} + n %% {AGENTS} FROM {numbers}",
        [SIZE - 1],
    )
    cursor.execute("ANALYZE")
"""
# What a server of that release asks for: a page of an agent's list, one absence, who asks; and what it writes.
READ = """
page = Absence.objects.order_by("-first_day", "-start_time", "-id").values_list()
list(page[:100])
list(page.filter(agent=dice.choice(agents))[:100])
Absence.objects.filter(pk=dice.choice(pks)).values_list().get()
Agent.objects.filter(pk=dice.choice(agents)).values_list("email", "roles__organisation__name").get()
"""
WRITE = """
Absence.objects.filter(pk=dice.choice(pks)).update(version=2)
"""
WITNESS = """
import json, random, select, sys, time
dice = random.Random(0)
agents = list(Agent.objects.values_list("pk", flat=True)[:1000])
pks = list(Absence.objects.values_list("pk", flat=True)[:1000])
work = compile(WORK, "work", "exec")
exec(work)
times = []
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0.01)[0]:
    began = time.monotonic()
    exec(work)
    times.append(time.monotonic() - began)
    if len(times) % 50 == 0:
        connections.close_all()  # a new one must find its way in too
print(json.dumps({"times": len(times), "longest": max(times)}))
"""


@contextmanager
def witness(server: Server, state: dict[str, str], work: str) -> Iterator[dict[str, Any]]:
    """Within, a process does `work` over and over; after it, what it gives says how often, and how long at most."""
    script = f"STATE = {state}\nWORK = {work!r}\n{HISTORY}{WITNESS}"
    process = subprocess.Popen(
        [sys.executable, "manage.py", "shell", "--verbosity", "0", "-c", script],
        cwd=ROOT,
        env=server.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    told: dict[str, Any] = {}
    try:
        assert process.stdout.readline() == "ready\n"
        yield told
        told |= json.loads(process.communicate("stop\n", timeout=PATIENCE)[0])
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_migrations_keep_nobody_from_reading(
    state: dict[str, str], tmp_path: Path, at_length: Any, figure: Callable[[str, Any], None]
) -> None:
    size = at_length(20_000, 1_000_000)
    with fresh_database(tmp_path) as address:
        server = Server(tmp_path, address)
        constants = f"STATE = {state}\nSIZE, AGENTS, ORGANISATIONS, PASSWORD = {size, AGENTS, ORGANISATIONS, PASSWORD}"
        server.manage("shell", "--verbosity", "0", "-c", f"{constants}\n{MIGRATE}{HISTORY}{SEED}")
        began = time.monotonic()
        with witness(server, state, READ) as reads, witness(server, state, WRITE) as writes:
            server.manage("migrate", "--verbosity", "0")
        took = time.monotonic() - began
        figure("absences", size)
        figure("migrate (s)", round(took, 1))
        figure("reads meanwhile", reads["times"])
        figure("longest read (s)", round(reads["longest"], 2))
        figure("longest write (s)", round(writes["longest"], 2))
        assert reads["longest"] < BLOCKED
        _what_was_there_is_there(server, size)


@pytest.mark.skipif(ON_POSTGRESQL, reason="there everybody may write at once")
def test_a_server_that_starts_while_somebody_writes_reads_at_once(
    tmp_path: Path, figure: Callable[[str, Any], None]
) -> None:
    with fresh_database(tmp_path) as address:
        server = Server(tmp_path, address)
        try:
            server.start()
            server.manage("shell", "--verbosity", "0", "-c", SETUP % 1)
            writer = Writer(server, 0, "")
            writer.sign_in()
            server.stop()
            server.start()
            with closing(sqlite3.connect(address.removeprefix("sqlite:///"), isolation_level=None)) as somebody:
                somebody.execute("BEGIN IMMEDIATE")
                longest = 0.0
                for path in ("absences", "agents", "organisations", "services", "absences?title=x", "me") * 4:
                    began = time.monotonic()
                    answer = requests.get(f"{server.address}/api/v1/{path}", headers=writer.triple, timeout=60)
                    assert answer.status_code == 200, answer.text
                    longest = max(longest, time.monotonic() - began)
        finally:
            server.stop()
    figure("longest read (s)", round(longest, 2))
    assert longest < BLOCKED * 5  # the first ones compile their statements


def _what_was_there_is_there(server: Server, size: int) -> None:
    database = Database(server.environment["DATABASE_URL"])
    database.check()
    assert database.ask("SELECT count(*) FROM absences_absence") == [(size,)]
    try:
        server.start()
        pair = {"email": "w0@exemple.test", "password": PASSWORD}
        signed = requests.post(f"{server.address}/api/v1/auth/sign_in", json=pair, timeout=60)
        triple = {name: signed.headers[name] for name in ("access-token", "client", "uid")}
        listed = requests.get(f"{server.address}/api/v1/absences", headers=triple, timeout=60).json()
        assert listed["meta"]["total_count"] == size // ORGANISATIONS
    finally:
        server.stop()
