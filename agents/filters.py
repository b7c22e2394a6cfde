"""Filters of the agents list (contract 4.3)."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from rdv.api.filters import IdFilter, WireFilters

from .models import Agent, Organisation


class AgentFilters(WireFilters):
    """`organisation_id`: the visible agents who have a role there; out of the caller's reach, nobody."""

    organisation_id = IdFilter(
        method="of_organisation", help_text=_("Qui ont un rôle dans cette organisation ; hors de portée : personne.")
    )

    class Meta:
        model = Agent
        fields = ()

    def of_organisation(self, queryset: QuerySet[Agent], name: str, value: int) -> QuerySet[Agent]:
        return queryset.of_organisation(Organisation.objects.within_reach_of(self.request.user).filter(pk=value))
