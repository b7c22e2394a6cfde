"""What an agent's roles open, in identifiers: the vocabulary of contract 3.2, asked for once, with the credential."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from django.db.models import Aggregate, Case, JSONField, OuterRef, Subquery, When
from django.db.models.functions import JSONArray

from rdv.api.statements import Numbers, Parameter

from .roles import AccessLevel, AgentRole, AgentTerritorialRole


@dataclass(frozen=True, slots=True)
class Reach:
    """Identifiers of organisations, services and agents.

    `organisations`: where the agent has any role; `administered`: where admin; `basic`: where basic; `whole`: those
    whose every agent is visible to them; `informed`: of whose agents they may know also what is private (ADM and ORGT);
    `named`: those that they may name in a filter; `services`: their own; `own`: the agent themselves, or nobody for a
    caller who is no person; `person`: the same, but for a key that is for some organisations, and leaves aside what is
    the agent's own elsewhere; `territorial`: those of the territories that they administer.
    """

    organisations: Sequence[int]
    administered: Sequence[int]
    basic: Sequence[int]
    whole: Sequence[int]
    informed: Sequence[int]
    named: Sequence[int]
    services: Sequence[int]
    own: Sequence[int] = ()
    person: Sequence[int] = ()
    territorial: Sequence[int] = ()

    @classmethod
    def of(
        cls,
        roles: Sequence[tuple[int, str]] | None,
        services: Sequence[tuple[int, bool]] | None,
        territorial: Sequence[int] | None,
        own: int | None = None,
    ) -> Reach:
        """From the roles (organisation, access level), the services (id, is it a secretariat), and the organisations of
        the territories administered; None stands for none.
        """
        organisations = [organisation for organisation, _level in roles or ()]
        administered = [organisation for organisation, level in roles or () if level == AccessLevel.ADMIN]
        secretariat = any(is_secretariat for _service, is_secretariat in services or ())
        return cls(
            organisations=organisations,
            administered=administered,
            basic=[organisation for organisation, level in roles or () if level == AccessLevel.BASIC],
            whole=[*(organisations if secretariat else administered), *(territorial or ())],
            informed=[*administered, *(territorial or ())],
            named=[*organisations, *(territorial or ())],
            services=[service for service, _is_secretariat in services or ()],
            own=[own] if own else [],
            person=[own] if own else [],
            territorial=[*(territorial or ())],
        )

    def within(self, organisations: Container[int]) -> Reach:
        """What is left of it in `organisations`: as if there were no role elsewhere."""
        kept = {
            name: [pk for pk in getattr(self, name) if pk in organisations]
            for name in ("organisations", "administered", "basic", "whole", "informed", "named", "territorial")
        }
        return replace(self, person=(), **kept)

    def opens_the_same(self, other: Reach) -> bool:
        """Whether `other` opens what this one does; the database gives each in any order."""
        return all(set(mine) == set(other.values()[name]) for name, mine in self.values().items())

    @classmethod
    def to_come(cls) -> Any:
        """A reach of parameters, for statements that are compiled before their caller is known."""
        return cls(*(Parameter(field.name, Numbers()) for field in fields(cls)))

    def values(self) -> dict[str, Sequence[int]]:
        """The values of those parameters."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


class JSONList(Aggregate):
    """The values of a group as one JSON array."""

    function = "JSONB_AGG"
    output_field = JSONField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, function="JSON_GROUP_ARRAY", **extra)


def reach_columns(agent: str) -> dict[str, Subquery]:
    """The three arguments of `Reach.of` as columns of a queryset whose `agent` names the agent's id."""
    of_agent = {"agent": OuterRef(agent)}
    roles = AgentRole.objects.filter(**of_agent).values("agent")
    memberships = AgentRole.agent.field.related_model.services.through.objects.filter(**of_agent).values("agent")
    territorial = AgentTerritorialRole.objects.filter(**of_agent, territory__organisations__isnull=False).values(
        "agent"
    )
    secretariat = Case(When(service__secretariat=True, then=1), default=0)
    return {
        "reach_roles": Subquery(roles.annotate(all=JSONList(JSONArray("organisation", "access_level"))).values("all")),
        "reach_services": Subquery(memberships.annotate(all=JSONList(JSONArray("service", secretariat))).values("all")),
        "reach_territorial": Subquery(territorial.annotate(all=JSONList("territory__organisations")).values("all")),
    }
