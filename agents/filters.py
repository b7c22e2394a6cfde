"""Filters of the agents list (contract 4.3)."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from rdv.api.filters import IdFilter, TextFilter, WireFilters
from rdv.api.statements import Parameter

from .models import Agent, AgentExternalId, Organisation
from .models.external import split_name


class _ExternalIdField(forms.Field):
    def clean(self, value: Any) -> tuple[str, str] | None:
        given = TextFilter.field_class().clean(value)
        return None if given is None else split_name(given)


class ExternalIdFilter(TextFilter):
    """A name that a system gave, `system:value`; a pair for the method."""

    field_class = _ExternalIdField

    def to_come(self, name: str) -> tuple[Any, Any]:
        return Parameter(f"filter:{name}:system", self.column), Parameter(f"filter:{name}:value", self.column)

    def filling(self, name: str, value: tuple[str, str]) -> dict[str, Any]:
        return {f"filter:{name}:system": value[0], f"filter:{name}:value": value[1]}


class AgentFilters(WireFilters):
    """`organisation_id`: the visible agents who have a role there; out of the caller's reach, nobody. `external_id`: of
    those whose ids are for the caller to know, whom a system calls so.
    """

    organisation_id = IdFilter(
        method="of_organisation", help_text=_("Qui ont un rôle dans cette organisation ; hors de portée : personne.")
    )
    external_id = ExternalIdFilter(
        method="named",
        help_text=_(
            "Qu'un autre système appelle ainsi : système:identifiant, comme rh:A-17 ; pour qui peut le savoir, sinon "
            "personne."
        ),
    )

    class Meta:
        model = Agent
        fields = ()

    def of_organisation(self, queryset: QuerySet[Agent], name: str, value: int) -> QuerySet[Agent]:
        return queryset.of_organisation(Organisation.objects.within_reach_of(self.request.user).filter(pk=value))

    def named(self, queryset: QuerySet[Agent], name: str, value: tuple[Any, Any]) -> QuerySet[Agent]:
        names = AgentExternalId.objects.known_by(self.request.user).filter(system=value[0], value=value[1])
        return queryset.filter(pk__in=names.values("agent"))
