"""Columns that the database keeps by itself, with triggers: right whoever writes, in bulk or from another program.

An app declares its `Derived` and connects `install` to `post_migrate`: a migration that remakes a table (SQLite) drops
the table's triggers, so they are put back after each `migrate`, and what they keep is computed anew when one was gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections, transaction


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
