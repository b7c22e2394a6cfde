"""What is told of: four models, each with its object on the wire (contract 4.1) and the endpoints concerned (5.5)."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.db.models import QuerySet

from absences.models import Absence
from absences.serializers import ABSENCE
from agents.models import Agent, AgentRole, Organisation
from agents.serializers import AGENT_COLUMNS, ORGANISATION_COLUMNS, render_agent, render_organisation
from rdv.api.statements import Numbers, Parameter, Statement


@dataclass(frozen=True, eq=False)
class Source:
    """A model that is told of. `columns`: what is read of a row to show it, with `render`; `wire`: of the row's own
    columns, those that show (None: all); `by_agent`: told to every organisation of the agent `key`, else to the
    organisation `key`.
    """

    model: type[models.Model]
    subscription: str
    columns: Sequence[str]
    render: Callable[[Mapping[str, Any]], dict[str, Any]]
    rows: Callable[[], QuerySet[Any]]
    key: str
    by_agent: bool
    wire: frozenset[str] | None = None

    @property
    def name(self) -> str:
        return self.model.__name__

    @cached_property
    def _statement(self) -> Statement:
        def build() -> QuerySet[Any]:
            return self.rows().filter(pk__among=Parameter("pks", Numbers())).order_by("pk").values_list(*self.columns)

        return Statement(build)

    def read(self, pks: Collection[int]) -> dict[int, dict[str, Any]]:
        """The stored rows of `pks`, as their columns."""
        return {row[0]: dict(zip(self.columns, row, strict=True)) for row in self._statement.run(pks=list(pks))}

    def of_instance(self, row: Any, **other: Any) -> dict[str, Any]:
        """The same of a row that is not stored any more, or otherwise; `other`: attributes that it had then."""
        return {column: _walk(row, column, other) for column in self.columns}

    def shows(self, changes: Mapping[str, Any]) -> bool:
        """Whether any of these changes is one of the object on the wire."""
        return self.wire is None or not self.wire.isdisjoint(changes)

    def of_organisation(self, organisation: int) -> QuerySet[Any]:
        """The keys of all its rows that this organisation is told of, in their order."""
        here = {"pk": "pk", "organisation_id": "organisation"}.get(self.key) if not self.by_agent else None
        if here:
            found = self.model._default_manager.filter(**{here: organisation})
        else:
            roles = AgentRole.objects.filter(organisation=organisation).values("agent")
            found = self.model._default_manager.filter(**{f"{self.key}__in": roles})
        return found.order_by("pk").values_list("pk", flat=True)


_INSTANTS = {"created": "created_at", "changed": "updated_at"}


def _walk(row: Any, column: str, other: Mapping[str, Any]) -> Any:
    if column == "hidden":
        return int(row.private)  # from whoever it is told to: a webhook is nobody in particular (row A12)
    if column in _INSTANTS:
        instant: datetime.datetime = getattr(row, _INSTANTS[column])
        return int(instant.timestamp())
    first, *rest = column.split("__")
    try:
        value = other[first] if first in other else getattr(row, first)
        for name in rest:
            value = None if value is None else getattr(value, name)
    except ObjectDoesNotExist:
        return None
    return value


def _absence(row: Mapping[str, Any]) -> dict[str, Any]:
    return ABSENCE.render(settings.RDV_PUBLIC_URL, *row.values())


def _role(row: Mapping[str, Any]) -> dict[str, Any]:
    id, access_level, *rest = row.values()
    agent, organisation = rest[: len(AGENT_COLUMNS)], rest[len(AGENT_COLUMNS) :]
    return {
        "id": id,
        "access_level": access_level,
        "agent": render_agent(*agent),
        "organisation": render_organisation(*organisation),
    }


SOURCES = (
    Source(Absence, "absence", ABSENCE.columns, _absence, Absence.objects.for_wire, key="agent_id", by_agent=True),
    Source(
        Agent,
        "agent",
        AGENT_COLUMNS,
        lambda row: render_agent(*row.values()),
        Agent.objects.all,
        key="pk",
        by_agent=True,
        wire=frozenset(AGENT_COLUMNS),
    ),
    Source(
        Organisation,
        "organisation",
        (*ORGANISATION_COLUMNS, "version"),
        lambda row: render_organisation(*[row[column] for column in ORGANISATION_COLUMNS]),
        Organisation.objects.all,
        key="pk",
        by_agent=False,
        wire=frozenset(ORGANISATION_COLUMNS),
    ),
    Source(
        AgentRole,
        "agent_role",
        (
            *("id", "access_level", "agent_id"),
            *(f"agent__{column}" for column in AGENT_COLUMNS[1:]),
            "organisation_id",
            *(f"organisation__{column}" for column in ORGANISATION_COLUMNS[1:]),
        ),
        _role,
        AgentRole.objects.all,
        key="organisation_id",
        by_agent=False,
    ),
)
OF: Mapping[type[models.Model], Source] = {source.model: source for source in SOURCES}
