"""Columns that the database keeps by itself, with triggers: right whoever writes, in bulk or from another program.

An app declares its `Derived` and calls `follow_migrations`. A migration that remakes a table (SQLite) drops the table's
triggers, and fails over a trigger of another table that names it: so there they are taken away before, put back after
each `migrate`, and what they keep is computed anew when one was gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections, transaction
from django.db.models.signals import post_migrate, pre_migrate


@dataclass(frozen=True)
class Derived:
    """`table`: where it is kept; `triggers`: their names; `create`: by database vendor, the statements that make them
    (each may be repeated); `refresh`: the statements that compute everything anew, the same on each database; `column`:
    that of the table without which there is nothing to keep.
    """

    table: str
    triggers: Sequence[str]
    create: Mapping[str, Sequence[str]]
    refresh: Sequence[str]
    column: str = ""

    def follow_migrations(self, app: Any) -> None:
        pre_migrate.connect(self.step_aside, sender=app, weak=False)
        post_migrate.connect(self.install, sender=app, weak=False)

    def step_aside(self, *, using: str = "default", plan: Sequence[Any] = (), **_signal: Any) -> None:
        """Drop the triggers while there is something to migrate, on SQLite; `install` makes them again."""
        connection = connections[using]
        if plan and connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                for name in self.triggers:
                    cursor.execute(f'DROP TRIGGER IF EXISTS "{name}"')

    def install(self, *, using: str = "default", **_signal: Any) -> None:
        """Make the triggers that are missing, and then what they would have kept; nothing before the table is there,
        as when a migration is gone to by its name.
        """
        connection = connections[using]
        catalogue = {
            "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
            "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
        }
        with connection.cursor() as cursor, transaction.atomic(using=using):
            if self.table not in connection.introspection.table_names(cursor):
                return
            columns = connection.introspection.get_table_description(cursor, self.table) if self.column else ()
            if self.column and self.column not in {column.name for column in columns}:
                return
            cursor.execute(catalogue[connection.vendor])
            if set(self.triggers) <= {name for (name,) in cursor.fetchall()}:
                return
            for statement in (*self.create[connection.vendor], *self.refresh):
                cursor.execute(statement)
