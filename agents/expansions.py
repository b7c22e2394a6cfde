"""What `expand` embeds in agents and organisations: what the caller may see of it, and nothing else. One query each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from rdv.api.selecting import Expansion

from .models import Agent, AgentRole, Organisation, Service, Territory
from .serializers import (
    ORGANISATION_COLUMNS,
    SERVICE,
    TERRITORY_COLUMNS,
    render_organisation,
    render_service,
    render_territory,
)


def _services(caller: Any, agents: Collection[int]) -> Mapping[int, Any]:
    memberships = Agent.services.through.objects.filter(
        agent__among=agents, service__in=Service.objects.visible_to(caller).order_by()
    )
    found: dict[int, list[Any]] = defaultdict(list)
    columns = (f"service__{column}" for column in SERVICE.columns)
    for agent, *row in memberships.order_by("service_id").values_list("agent_id", *columns):
        found[agent].append(render_service(*row))
    return found


def _organisations(caller: Any, agents: Collection[int]) -> Mapping[int, Any]:
    roles = AgentRole.objects.filter(
        agent__among=agents, organisation__in=Organisation.objects.visible_to(caller).order_by()
    )
    found: dict[int, list[Any]] = defaultdict(list)
    columns = (f"organisation__{column}" for column in ORGANISATION_COLUMNS)
    for agent, *row in roles.order_by("organisation_id").values_list("agent_id", *columns):
        found[agent].append(render_organisation(*row))
    return found


def _territory(caller: Any, organisations: Collection[int]) -> Mapping[int, Any]:
    seen = Organisation.objects.filter(
        pk__among=organisations, territory__in=Territory.objects.visible_to(caller).order_by()
    )
    columns = (f"territory__{column}" for column in TERRITORY_COLUMNS)
    return {pk: render_territory(*row) for pk, *row in seen.order_by().values_list("pk", *columns)}


SERVICES_OF_AGENTS = Expansion(_services, resource="services")
ORGANISATIONS_OF_AGENTS = Expansion(_organisations, resource="organisations")
TERRITORY_OF_ORGANISATIONS = Expansion(_territory, many=False)
