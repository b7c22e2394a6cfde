"""Peer (c)'s way to apply a directory file to empty tables: the rows as fast as the database takes them, no rule asked.

    python -m benchmarks.peers.provision_bare directory.json

COPY on PostgreSQL, one `executemany` a table on SQLite; one transaction.
"""

from __future__ import annotations

import datetime
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson

Rows = Iterable[tuple[Any, ...]]
URL = urlsplit(os.environ["DATABASE_URL"])


@contextmanager
def postgresql() -> Iterator[Any]:
    import psycopg

    def insert(table: str, columns: str, rows: Rows) -> None:
        with connection.cursor().copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    with psycopg.connect(host=URL.hostname, port=URL.port, user=URL.username, dbname=URL.path[1:]) as connection:
        yield connection, insert


@contextmanager
def sqlite() -> Iterator[Any]:
    import sqlite3

    def insert(table: str, columns: str, rows: Rows) -> None:
        places = ", ".join("?" for _column in columns.split(","))
        connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", rows)

    with sqlite3.connect(unquote(URL.path[1:])) as connection:
        yield connection, insert


def provision(document: dict[str, Any]) -> None:
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    with postgresql() if URL.scheme.startswith("postgres") else sqlite() as (connection, insert):

        def ids(table: str, key: str) -> dict[str, int]:
            return dict(connection.execute(f"SELECT {key}, id FROM {table}").fetchall())

        insert(
            "agents_territory",
            "name, departement_number",
            ((item["name"], item["departement_number"]) for item in document["territories"]),
        )
        territories = ids("agents_territory", "departement_number")
        insert(
            "agents_service",
            "name, short_name, secretariat",
            ((item["name"], item["short_name"], False) for item in document["services"]),
        )
        services = ids("agents_service", "name")
        insert(
            "agents_organisation",
            "name, territory_id, verticale, created_at, updated_at",
            (
                (item["name"], territories[item["departement_number"]], "rdv_solidarites", now, now)
                for item in document["organisations"]
            ),
        )
        organisations = ids("agents_organisation", "name")
        insert(
            "agents_agent",
            "email, first_name, last_name, password, provider, is_superuser, is_staff, is_active,"
            " allow_password_change, created_at, updated_at",
            (
                (
                    item["email"],
                    item["first_name"],
                    item["last_name"],
                    "!",
                    "email",
                    False,
                    False,
                    True,
                    False,
                    now,
                    now,
                )
                for item in document["agents"]
            ),
        )
        agents = ids("agents_agent", "email")
        insert(
            "agents_agent_services",
            "agent_id, service_id",
            ((agents[item["email"]], services[name]) for item in document["agents"] for name in item["services"]),
        )
        insert(
            "agents_agentrole",
            "agent_id, organisation_id, access_level",
            (
                (agents[item["email"]], organisations[role["organisation"]], role["access_level"])
                for item in document["agents"]
                for role in item["roles"]
            ),
        )


if __name__ == "__main__":
    provision(orjson.loads(Path(sys.argv[1]).read_bytes()))
