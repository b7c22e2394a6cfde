"""Provisioning of 10,000 agents on an empty database: us, peer (a) and the bare limit (c), on both databases.

A program each, from its start to its end. The agents have no password: ten thousand different ones would measure
Argon2, which is slow by intent, and little else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .databases import POSTGRESQL, SQLITE, database, migrated, run
from .machine import ROOT, postgres_cpu_seconds

AGENTS = 10_000
PROGRAMS = {
    "ours": ("manage.py", "provision"),
    "stock": ("-m", "benchmarks.peers.provision_stock"),
    "bare": ("-m", "benchmarks.peers.provision_bare"),
}
LABELS = {"ours": "RDV", "stock": "(a) stock Django, row by row", "bare": "(c) bare limit"}
_COUNT = """
from agents.models import Agent, AgentRole, ShownOrganisation
print(*(rows.objects.count() for rows in (Agent, AgentRole, Agent.services.through, ShownOrganisation)))
"""

# database → program → one result a round
Results = dict[str, dict[str, list[dict[str, float]]]]


def directory(agents: int = AGENTS, organisations: int = 20, services: int = 8) -> dict[str, Any]:
    """The file: each agent in one organisation and one service, each organisation with an admin."""
    return {
        "territories": [{"name": "Paris", "departement_number": "75"}],
        "services": [{"name": f"Service {n}", "short_name": f"S{n}"} for n in range(services)],
        "organisations": [{"name": f"MDS {n:02}", "departement_number": "75"} for n in range(organisations)],
        "agents": [
            {
                "email": f"agent{n:05}@exemple.test",
                "first_name": f"Prénom{n}",
                "last_name": f"NOM{n}",
                "services": [f"Service {n % services}"],
                "roles": [
                    {
                        "organisation": f"MDS {n % organisations:02}",
                        "access_level": "admin" if n < organisations else "basic",
                    }
                ],
            }
            for n in range(agents)
        ],
    }


def measure(names: Iterable[str], rounds: int) -> Results:
    """Every program in turn, on each database, `rounds` times; peer (a) once, since it takes a minute or more."""
    programs = [name for name in PROGRAMS if name in names]
    results: Results = {kind: {name: [] for name in programs} for kind in (POSTGRESQL, SQLITE)}
    with ExitStack() as stack:
        file = Path(stack.enter_context(TemporaryDirectory(prefix="rdv-bench-")), "directory.json")
        file.write_text(json.dumps(directory()))
        empty = {kind: stack.enter_context(migrated(kind)) for kind in results}
        for number in range(rounds):
            for kind, by_program in results.items():
                for name, measured in by_program.items():
                    if name == "stock" and number:
                        continue
                    with database(kind, like=empty[kind]) as url:
                        measured.append(apply(name, file, url))
                        written = run(url, "manage.py", "shell", "--no-imports", "--command", _COUNT).split()
                        if written != [str(AGENTS)] * 4:
                            raise SystemExit(f"{name} provisioned {written} rows on {kind}, not {AGENTS} of each.")
            print(f"provision: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return results


def apply(name: str, file: Path, url: str) -> dict[str, float]:
    """One program's time and CPU, and the database's."""
    environment = os.environ | {"DATABASE_URL": url, "PYTHONWARNINGS": "ignore"}
    database_before = postgres_cpu_seconds()
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *PROGRAMS[name], str(file)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    _pid, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{name} could not provision.")
    return {
        "seconds": seconds,
        "process": usage.ru_utime + usage.ru_stime,
        "database": postgres_cpu_seconds() - database_before,
    }
