"""Rows in the order in which they were committed, for who reads on from where they were: changes, events.

Numbers of a sequence are handed out before the commit, so a row may appear below one that was read already. Here each
row has a place: the transaction that wrote it, then its own number. On PostgreSQL a reader stops below the oldest
transaction that is still under way (`pg_snapshot_xmin`): what appears later has a greater place. No writer waits for
anything; a transaction that is long in coming delays the readers, and loses them nothing. Transactions of other
databases of the same cluster count there too. SQLite has one writer at a time, so that the number alone is enough.

A place says something in one life of a database only. After a dump was restored, into another cluster or over the same
one, or a standby has taken over, numbers may stand for other rows: the database then has another `Lineage`, and a place
that was kept with the former one is no use. `horizon` sees to that, whoever asks it first; what an older and busier
cluster wrote counts as committed before everything else.

    class Event(Committed): ...

    seen = horizon(Event)                        # one query
    rows = Event.objects.committed(place, seen)  # those after `place`, in order, as far as all is committed
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections, models, transaction
from django.db.models import BooleanField, F, Func, Value

from .models import Lineage, Pruned

Row = TypeVar("Row", bound="Committed")


class Place(NamedTuple):
    """Where a row stands: the transaction that wrote it (0 on SQLite), and its number."""

    transaction: int
    number: int


BEGINNING = Place(0, 0)


class CurrentTransaction(Func):
    """The number of the transaction; 0 where writers are one at a time."""

    output_field = models.BigIntegerField()

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="(pg_current_xact_id()::text::bigint)", **extra)

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="0", **extra)


class Compared(Func):
    """A row's place beside another one, as one comparison, which an index serves: `Compared(">", place)`. The two parts
    of `place` are numbers, or expressions.
    """

    output_field = BooleanField()
    arity = 4

    def __init__(self, operator: str, place: Any) -> None:
        parts = [part if hasattr(part, "resolve_expression") else Value(part) for part in place]
        super().__init__(F("transaction"), F("id"), *parts)
        self.operator = operator

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> Any:  # type: ignore[override]
        columns = [compiler.compile(one) for one in self.get_source_expressions()]
        (a, b, c, d), parameters = (
            [sql for sql, _values in columns],
            [one for _sql, values in columns for one in values],
        )
        return f"({a}, {b}) {self.operator} ({c}, {d})", parameters


@dataclass(frozen=True)
class Horizon:
    """How far the rows of a table can be read. `lineage`: the life of the database in which places mean something;
    `place`: of the last row below which everything is committed; `floor`: up to where rows were removed, so that who
    has read less has missed something; `reached`: beyond which there is no place yet.
    """

    lineage: str
    place: Place
    floor: Place
    reached: Place


class CommittedQuerySet(models.QuerySet[Row]):
    def committed(self, after: Place, seen: Horizon) -> CommittedQuerySet[Row]:
        """Those after a place, in the order of their commits, as far as `seen`."""
        return self.filter(Compared(">", after), Compared("<=", seen.place)).order_by("transaction", "id")


class Committed(models.Model):
    """A row with a place, which the database gives it. An index is the model's to declare: `("transaction", "id")`.

    Written once; a row that is to come anew is removed and inserted, or given both columns anew by the database.
    """

    id = models.BigAutoField(primary_key=True)
    transaction = models.BigIntegerField(db_default=CurrentTransaction(), editable=False)

    # The columns that hold numbers of transactions.
    TRANSACTIONS: tuple[str, ...] = ("transaction",)

    class Meta:
        abstract = True

    @property
    def place(self) -> Place:
        return Place(self.transaction, self.id)


# What tells one life of a database from the next. PostgreSQL: the cluster, the times that a standby took over, and the
# table itself, which a restore makes anew. The functions are open to every role.
HORIZON = {
    "postgresql": """
        WITH now AS (SELECT pg_current_snapshot() AS snapshot)
        SELECT lineage.name, lineage.life, life.now, coalesce(top.transaction, 0), coalesce(top.id, 0),
               coalesce(pruned.transaction, 0), coalesce(pruned.number, 0),
               pg_snapshot_xmax(snapshot)::text::bigint, coalesce(pg_sequence_last_value({sequence}), 0)
        FROM now
        CROSS JOIN (
            SELECT concat_ws('.', system_identifier, timeline_id, database.oid, 'api_lineage'::regclass::oid) AS now
            FROM pg_control_system(), pg_control_checkpoint(), pg_database AS database
            WHERE datname = current_database()
        ) AS life
        LEFT JOIN api_lineage AS lineage ON true
        LEFT JOIN api_pruned AS pruned ON pruned.name = '{table}'
        LEFT JOIN LATERAL (
            SELECT transaction, id FROM {table} WHERE transaction < pg_snapshot_xmin(snapshot)::text::bigint
            ORDER BY transaction DESC, id DESC LIMIT 1
        ) AS top ON true
    """,
    # The number of its schemas: a copy (VACUUM INTO) has the next one.
    "sqlite": """
        SELECT lineage.name, lineage.life, schema_version, 0, coalesce((SELECT max(id) FROM {table}), 0),
               0, coalesce(pruned.number, 0),
               0, coalesce((SELECT seq FROM sqlite_sequence WHERE name = '{table}'), 0)
        FROM pragma_schema_version
        LEFT JOIN api_lineage AS lineage ON true
        LEFT JOIN api_pruned AS pruned ON pruned.name = '{table}'
    """,
}


def horizon(model: type[Committed], using: str = DEFAULT_DB_ALIAS) -> Horizon:
    """How far `model` can be read now: one query. Ask before the rows are read."""
    connection = connections[using]
    table = model._meta.db_table
    sequence = f"pg_get_serial_sequence('{table}', 'id')::regclass"
    sql = HORIZON[connection.vendor].format(table=table, sequence=sequence)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            name, known, life, *numbers = cursor.fetchone()
        life = f"{life}{_file_of(connection)}"
        if name is not None and known == life:
            top, floor, reached = (Place(*numbers[at : at + 2]) for at in (0, 2, 4))
            return Horizon(name, top, floor, reached)
        _begin(life, using)


# Whoever asks is not among them.
UNDER_WAY = """
    SELECT (SELECT min(one::text::bigint) FROM pg_snapshot_xip(snapshot) AS one),
           pg_snapshot_xmax(snapshot)::text::bigint
    FROM pg_current_snapshot() AS snapshot
"""


def under_way(using: str = DEFAULT_DB_ALIAS) -> tuple[int | None, int]:
    """The numbers of the oldest other transaction that has written and is not over, None where there is none, and of
    the next one to come. On SQLite, for one that writes: there is no other.
    """
    connection = connections[using]
    if connection.vendor == "sqlite":
        return None, 0
    with connection.cursor() as cursor:
        cursor.execute(UNDER_WAY)
        oldest, next_one = cursor.fetchone()
    return oldest, next_one


def settle(using: str = DEFAULT_DB_ALIAS) -> None:
    """Has the first of all tables with places looked at, where there is one."""
    tables = set(connections[using].introspection.table_names())
    if {Lineage._meta.db_table, Pruned._meta.db_table} <= tables and (model := next(_with_places(tables), None)):
        horizon(model, using)


def _with_places(tables: Collection[str]) -> Iterator[type[Committed]]:
    """Of the tables, those that have places; in the midst of an upgrade not all of them are there."""
    return (model for model in apps.get_models() if issubclass(model, Committed) and model._meta.db_table in tables)


def _file_of(connection: Any) -> str:
    """Of SQLite, the file itself: another one may have been put in its place."""
    if connection.vendor == "sqlite":
        with suppress(OSError):
            return f".{os.stat(connection.settings_dict['NAME']).st_ino}"
    return ""


def _begin(life: str, using: str) -> None:
    """Another life of the database begins. What is there is committed: when its transactions are those of a cluster
    which had come further than this one, they go, and its order is that of the sequence.
    """
    connection = connections[using]
    with transaction.atomic(using=using):
        Lineage.objects.using(using).get_or_create(pk=1, defaults={"name": _new(), "life": ""})
        lineage = Lineage.objects.using(using).select_for_update().get(pk=1)
        if lineage.life == life:
            return
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
                (reached,) = cursor.fetchone()
            for model in _with_places(connection.introspection.table_names()):
                for column in model.TRANSACTIONS:
                    rows = model._base_manager.using(using)
                    if rows.filter((f"{column}__gte", reached)).exists():
                        rows.exclude((column, 0)).update(**{column: 0})
        Pruned.objects.using(using).all().delete()  # nobody has read anything yet
        lineage.name, lineage.life = _new(), life
        lineage.save(using=using)


def _new() -> str:
    return uuid.uuid4().hex


def prune(rows: CommittedQuerySet[Any]) -> int:
    """Removes rows, and keeps up to where: who has read less is told so. Gives how many."""
    using, model = rows.db, rows.model
    with transaction.atomic(using=using):
        last = rows.order_by("-transaction", "-id").values_list("transaction", "id").first()
        if last is None:
            return 0
        # Up to there alone, whatever has come meanwhile.
        count, _by_model = rows.filter(Compared("<=", last)).order_by().delete()
        floor, made = (
            Pruned.objects.using(using)
            .select_for_update()
            .get_or_create(name=model._meta.db_table, defaults={"transaction": last[0], "number": last[1]})
        )
        if not made and (floor.transaction, floor.number) < last:
            floor.transaction, floor.number = last
            floor.save(using=using)
        return count
