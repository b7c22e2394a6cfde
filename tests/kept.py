"""Rows that most tests begin with: factories make them once, then they are put back as they were."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import connection
from django.utils import timezone
from freezegun.api import FrozenDateTimeFactory, freeze_factories

from agents.models import (
    Agent,
    AgentRole,
    AgentTerritorialRole,
    Organisation,
    RecordEntry,
    Service,
    Territory,
)

# What may be kept, in an order in which each finds the rows it points to; what is derived of it, triggers derive.
MODELS = (
    *(Territory, Service, Organisation, Agent, Agent.services.through, AgentRole, AgentTerritorialRole),
    RecordEntry,
)


@dataclass(frozen=True, slots=True)
class _Kept:
    objects: Any
    rows: list[tuple[str, list[tuple[Any, ...]]]]  # how a table is filled, with what


Made = TypeVar("Made")

_kept: dict[tuple[Any, ...], _Kept] = {}


def again(make: Callable[[], Made]) -> Made:
    """What `make` makes, of rows of MODELS alone. It is called again for each instant at which a clock stands still;
    where clocks go on, the rows are as old as the first of them; and wherever such rows are there already.
    """
    stands_still = freeze_factories and isinstance(freeze_factories[-1], FrozenDateTimeFactory)
    key = (make, timezone.now() if stands_still else None)
    if not _empty():
        return make()
    if key not in _kept:
        _kept[key] = _Kept(make(), [_read(model) for model in MODELS])
    else:
        with connection.cursor() as cursor:
            for fill, rows in _kept[key].rows:
                cursor.executemany(fill, rows)
    return copy.deepcopy(_kept[key].objects)


def _empty() -> bool:
    tables = (connection.ops.quote_name(model._meta.db_table) for model in MODELS)
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + " OR ".join(f"EXISTS (SELECT 1 FROM {table})" for table in tables))
        return not cursor.fetchone()[0]


def _read(model: Any) -> tuple[str, list[tuple[Any, ...]]]:
    table = connection.ops.quote_name(model._meta.db_table)
    columns = ", ".join(connection.ops.quote_name(field.column) for field in model._meta.concrete_fields)
    values = ", ".join(["%s"] * len(model._meta.concrete_fields))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {table}")
        return f"INSERT INTO {table} ({columns}) VALUES ({values})", cursor.fetchall()
