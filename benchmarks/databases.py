"""Databases of the benchmarks' own, made for a block and dropped after it: nothing else of the server is touched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from .machine import ROOT

POSTGRESQL, SQLITE = "postgresql", "sqlite"
STOCK = {"DJANGO_SETTINGS_MODULE": "benchmarks.peers.stock.settings"}
_KNOX_TOKENS = """
import json
from agents.models import Agent
from knox.models import AuthToken
callers = Agent.objects.filter(email__in=[f"{who}@exemple.test" for who in ("admin", "everyone", "mixed")])
print(json.dumps({agent.email.partition("@")[0]: AuthToken.objects.create(agent)[1] for agent in callers}))
"""


@dataclass
class World:
    """A filled database: its address, what benchmarks.data said of it, and the tokens of peer (a)."""

    url: str
    facts: dict[str, Any]
    knox: dict[str, str] = field(default_factory=dict)

    def credentials(self, who: str) -> dict[str, str]:
        return {key: self.facts[who][key] for key in ("uid", "client", "access-token")}


@contextmanager
def database(kind: str, like: str = "") -> Iterator[str]:
    """The address of a database that is empty, or a copy of the one at `like`."""
    if kind == SQLITE:
        with TemporaryDirectory(prefix="rdv-bench-") as folder:
            file = Path(folder, "rdv.sqlite3")
            if like:
                shutil.copyfile(urlsplit(like).path[1:], file)
            yield f"sqlite:///{file}"
        return
    given = os.environ["DATABASE_URL"]
    name = f"bench_{uuid.uuid4().hex}"
    template = urlsplit(like).path[1:] or "template1"
    with psycopg.connect(given, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
        try:
            yield urlsplit(given)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def migrated(kind: str) -> Iterator[str]:
    """The address of a database with our tables and no rows."""
    with database(kind) as url:
        run(url, "manage.py", "migrate", "--verbosity=0")
        run(url, "manage.py", "createcachetable")
        yield url


@contextmanager
def seeded(kind: str, absences: int, *, tokens: int = 0, stock: bool = False) -> Iterator[World]:
    """The world of benchmarks.data; with `stock`, peer (a) has its tokens in it."""
    with migrated(kind) as url:
        facts = run(url, "-m", "benchmarks.data", "--absences", str(absences), "--tokens", str(tokens))
        knox = "{}"
        if stock:
            run(url, "manage.py", "migrate", "knox", "--verbosity=0", **STOCK)
            knox = run(url, "manage.py", "shell", "--no-imports", "--command", _KNOX_TOKENS, **STOCK)
        yield World(url, json.loads(facts), json.loads(knox))


def run(url: str, *words: str, **environment: str) -> str:
    """What a Python program writes, with this database as its own."""
    environment = os.environ | {"DATABASE_URL": url, "PYTHONWARNINGS": "ignore"} | environment
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout
