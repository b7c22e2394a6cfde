"""Agents, organisations and services (contract 4.3, 4.4)."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from agents.filters import AgentFilters
from agents.models import Agent, Organisation, Service
from agents.serializers import AGENT, ORGANISATION, SERVICE, OrganisationSerializer
from rdv.api.errors import RecordNotFound
from rdv.api.views import ResourceViewSet


class Agents(ResourceViewSet):
    resource = "agents"
    model = Agent
    representation = AGENT
    filters = AgentFilters


class Organisations(ResourceViewSet):
    resource = "organisations"
    model = Organisation
    representation = ORGANISATION
    serializer_class = OrganisationSerializer
    forbidden = {
        "retrieve": _("Vous n’avez pas les droits suffisants pour accéder à cette organisation")  # noqa: RUF001
    }

    @classmethod
    def changeable_by(cls, agent: Agent) -> QuerySet[Organisation]:
        return Organisation.objects.updatable_by(agent)

    def not_found(self, pk: int) -> RecordNotFound:
        return RecordNotFound(self.representation.singular, pk)


class Services(ResourceViewSet):
    resource = "services"
    model = Service
    representation = SERVICE
