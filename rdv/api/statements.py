"""Querysets compiled once, run many times.

Django turns a queryset into SQL each time that it is run, which for a list of ours costs more than the database's own
work. A `Statement` keeps what was compiled, and `SavedAlike` what a row is saved with; the SQL is still the one that
the ORM wrote.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

from django.db import DEFAULT_DB_ALIAS, connections, models, transaction
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.models import Field, ForeignKey, Func, Lookup, QuerySet, Value
from django.db.models.lookups import In
from django.db.models.sql import InsertQuery, Query, UpdateQuery


class Parameter(Value):
    """A place in a queryset for a value that comes later, of the type of `output_field`."""

    def __init__(self, name: str, output_field: models.Field[Any, Any]) -> None:
        super().__init__(None, output_field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [self]

    def prepared(self, value: Any, connection: Any) -> Any:
        return self.output_field.get_db_prep_value(value, connection=connection)


class Numbers(Field):
    """The type of a parameter that is a list of identifiers."""

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return list(value) if connection.vendor == "postgresql" else json.dumps(list(value))


@Field.register_lookup
@ForeignKey.register_lookup
class AmongLookup(Lookup):
    """`agent_id__among=[…]`: as `in`, with the list as one parameter, so that the SQL does not depend on its length."""

    lookup_name = "among"
    prepare_rhs = False

    def get_db_prep_lookup(self, value: Any, connection: Any) -> Any:
        return "%s", [Numbers().get_db_prep_value(value, connection)]

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        column, column_parameters = self.process_lhs(compiler, connection)
        place, parameters = self.process_rhs(compiler, connection)
        if connection.vendor == "postgresql":
            sql = f"{column} = ANY({place}::bigint[])"
        else:
            sql = f"{column} IN (SELECT value FROM json_each({place}))"  # noqa: S608 - a column and a place
        return sql, [*column_parameters, *parameters]


@Field.register_lookup
class AmongManyLookup(AmongLookup):
    """The same for thousands, beside rows that are read in an order: PostgreSQL makes a table of them, once."""

    lookup_name = "among_many"

    def as_postgresql(self, compiler: Any, connection: Any) -> Any:
        column, column_parameters = self.process_lhs(compiler, connection)
        place, parameters = self.process_rhs(compiler, connection)
        return f"{column} IN (SELECT unnest({place}::bigint[]))", [*column_parameters, *parameters]


@Field.register_lookup
class AmongRowsLookup(In):
    """`agent_id__among_rows=queryset`: as `in`, so that PostgreSQL looks the rows up first, and an index serves beside
    other conditions ("or"); a plain `in` there reads the whole table.
    """

    lookup_name = "among_rows"

    def as_postgresql(self, compiler: Any, connection: Any) -> Any:
        column, column_parameters = self.process_lhs(compiler, connection)
        rows, parameters = self.process_rhs(compiler, connection)
        return f"{column} = ANY(ARRAY{rows})", [*column_parameters, *parameters]


@models.IntegerField.register_lookup
class PossibleIn(In):
    """`id__in=[…]` does as `id=…`: a number that the column cannot hold is in no row, and no error."""

    def process_rhs(self, compiler: Any, connection: Any) -> Any:
        if self.rhs_is_direct_value():
            least, most = connection.ops.integer_field_range(self.lhs.output_field.get_internal_type())
            self.rhs = [one for one in self.rhs if not isinstance(one, int) or least <= one <= most]
        return super().process_rhs(compiler, connection)


class EpochSeconds(Func):
    """An instant as whole seconds since 1970, rounded down: ten times cheaper to read than an instant."""

    output_field = models.BigIntegerField()

    @property
    def convert_value(self) -> Any:
        """Both databases give whole numbers: there is nothing to convert in each row."""
        return self._convert_value_noop  # type: ignore[attr-defined]

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="FLOOR(EXTRACT(EPOCH FROM %(expressions)s))::bigint", **extra)

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(
            compiler, connection, template="CAST(STRFTIME('%%%%s', %(expressions)s) AS INTEGER)", **extra
        )


class Statement:
    """What `build()` returns, a queryset with `Parameter`s in it, compiled at its first run on each database.

    PostgreSQL plans for it once too, unless that is best done anew, as how much is found depends on the values.
    """

    def __init__(self, build: Callable[[], QuerySet[Any]], *, planned: bool = True) -> None:
        self.build = build
        self.planned = planned

    def run(self, using: str = DEFAULT_DB_ALIAS, **values: Any) -> Iterable[tuple[Any, ...]]:
        """The rows, as tuples of the queryset's `values_list`, with `values` in the places of its parameters."""
        connection = connections[using]
        # A connection goes from thread to thread (turns.py), and what was compiled for it goes with it; and goes away
        # with the statement, of which there is one for each page that somebody asks for.
        statements = vars(connection).setdefault("statements", WeakKeyDictionary())
        compiled = statements.get(self)
        if compiled is None:
            query = self.build().query
            compiler = query.get_compiler(using)
            sql, places = compiler.as_sql()
            readers = compiler.get_converters([column for column, *_alias in compiler.select])
            # Another compiler reads the rows: with its own the whole tree of the query would be kept, some 100 kB.
            compiled = statements[self] = sql, places, readers, Query(query.model).get_compiler(using)
        sql, places, readers, reader = compiled
        parameters = tuple(
            place.prepared(values[place.name], connection) if isinstance(place, Parameter) else place
            for place in places
        )
        with _cursor(connection) if self.planned else connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            rows = cursor.fetchall()
        return map(tuple, reader.apply_converters(rows, readers)) if readers else rows


# What `SavedAlike` compiled, by all that its SQL depends on.
_SAVES: dict[tuple[Any, ...], str] = {}


class SavedAlike(models.Model):
    """A model whose rows are saved one at a time, many a second, with plain values in the same columns each time."""

    class Meta:
        abstract = True

    def _do_insert(self, manager: Any, using: str, fields: Any, returning_fields: Any, raw: bool) -> Any:
        connection = connections[using]
        columns = [(field, getattr(self, field.attname) if raw else field.pre_save(self, add=True)) for field in fields]

        def compiled() -> str:
            query = InsertQuery(type(self))
            query.insert_values(fields, [self], raw=raw)
            compiler: Any = query.get_compiler(using)
            compiler.returning_fields = returning_fields
            return str(compiler.as_sql()[0][0])

        values = [field.get_db_prep_save(value, connection) for field, value in columns]
        with _save("INSERT", self, columns, connection, compiled, values) as cursor:
            return cursor.fetchall()

    @classmethod
    def insert_all(cls, rows: Sequence[Mapping[str, Any]], using: str = DEFAULT_DB_ALIAS) -> None:
        """Insert rows given by their columns, what is not given by its default, with one statement; nothing tells their
        keys. No instance is made, which costs more than the rest, nor as many statements as `bulk_create` makes where
        SQLite's limit of parameters asks for them.
        """
        connection = connections[using]
        sql, columns = _insertion(cls, using)
        values = [
            [
                value if plain else field.get_db_prep_save(value, connection)
                for field, plain in columns
                for value in [row[field.attname] if field.attname in row else field.get_default()]
            ]
            for row in rows
        ]
        if len(rows) == 1:
            with _cursor(connection) as cursor:
                cursor.execute(sql, values[0])
            return
        with transaction.atomic(using=using, savepoint=False), connection.cursor() as cursor:
            cursor.executemany(sql, values)

    # The type stubs are those of a later Django, where it returns rows.
    def _do_update(  # type: ignore[override]
        self, base_qs: Any, using: str, pk_val: Any, values: Any, update_fields: Any, forced_update: bool
    ) -> bool:
        connection = connections[using]
        columns = [(field, value) for field, _model, value in values]

        def compiled() -> str:
            query = base_qs.filter(pk=pk_val).query.chain(UpdateQuery)
            query.add_update_fields(values)
            return str(query.get_compiler(using).as_sql()[0])

        given = [field.get_db_prep_save(value, connection) for field, value in columns if value is not None]
        with _save("UPDATE", self, columns, connection, compiled, [*given, pk_val]) as cursor:
            return bool(cursor.rowcount)


@cache
def _insertion(model: type[models.Model], using: str) -> tuple[str, list[tuple[Any, bool]]]:
    """The statement that inserts a row of `model`; its columns, and whether a value of each is given to the database
    as it is.
    """
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    query = InsertQuery(model)
    query.insert_values(fields, [model()], raw=False)
    plain = (models.CharField, models.IntegerField)
    columns = [(field, isinstance(field, plain)) for field in fields]
    return str(query.get_compiler(using).as_sql()[0][0]), columns


@contextmanager
def _save(
    verb: str,
    row: models.Model,
    columns: Iterable[tuple[Any, Any]],
    connection: Any,
    compiled: Callable[[], str],
    values: list[Any],
) -> Iterator[Any]:
    """A cursor that has written. `columns` are fields and values; of a value, the SQL depends on its being null."""
    key = (verb, type(row), connection.vendor, *((field.attname, value is None) for field, value in columns))
    sql = _SAVES.get(key) or _SAVES.setdefault(key, compiled())
    with _cursor(connection) as cursor:
        cursor.execute(sql, values)
        yield cursor


def _cursor(connection: Any) -> Any:
    """A cursor that PostgreSQL plans for once and for all (`prepare_threshold` in the settings); else the usual one."""
    if connection.vendor != "postgresql":
        return connection.cursor()
    connection.ensure_connection()
    return connection._prepare_cursor(ServerBindingCursor(connection.connection))  # type: ignore[call-arg]
