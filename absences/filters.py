"""Filters of the absences list."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from agents.filters import ExternalIdFilter
from agents.models import Agent, Organisation
from rdv.api.filters import (
    FoldedTextFilter,
    IdFilter,
    InstantFilter,
    MomentFilter,
    TextFilter,
    WireFilter,
    WireFilters,
)
from rdv.api.messages import not_among
from rdv.api.schema import choice
from rdv.api.statements import Numbers, Parameter

from .models import Absence, AbsenceQuerySet, ExternalId, Kind


class _KindField(forms.Field):
    def clean(self, value: Any) -> str | None:
        if value in (None, ""):
            return None
        if value not in Kind.values:
            raise not_among(value, Kind.values)
        return str(value)


class KindFilter(WireFilter):
    """One of the kinds. Absent or empty: no filter."""

    field_class = _KindField
    schema = choice(*Kind.values, "")


# Beside the filters: of the absences that recur, those that touch the period.
AGAIN = "again"


class AbsenceFilters(WireFilters):
    """Each narrows the list; together they are combined with "and". Moments are DATE or DATETIME (see `read_moment`).

    `from`, `to`: absences with an occurrence that overlaps the period, both days included when they are dates;
    `starts_after`, `starts_before`: whose first occurrence starts in it; `changed_since`: created or changed at that
    instant or later.
    """

    agent_id = IdFilter(field_name="agent_id", help_text=_("De cet agent."))
    agent_email = TextFilter(field_name="agent__email", help_text=_("De l'agent de cette adresse."))
    service_id = IdFilter(method="of_service", help_text=_("Des agents de ce service."))
    organisation_id = IdFilter(
        method="of_organisation",
        help_text=_("Des agents de cette organisation, pour elle ou pour toutes ; hors de portée : aucune."),
    )
    to = MomentFilter(
        method="period", end_of_day=True, help_text=_("Qui touchent la période jusque là, ce jour compris.")
    )
    starts_after = MomentFilter(
        method="starting_from", help_text=_("Qui commencent, la première fois, alors ou après.")
    )
    starts_before = MomentFilter(method="starting_until", help_text=_("Qui commencent, la première fois, avant."))
    changed_since = InstantFilter(
        field_name="updated_at", lookup_expr="gte", help_text=_("Créées ou changées alors ou après.")
    )
    title = FoldedTextFilter(
        method="titled", help_text=_("Dont le titre contient cela, sans égard à la casse ni aux accents.")
    )
    kind = KindFilter(method="of_kind", help_text=_("De ce genre, pour qui peut le savoir."))
    external_id = ExternalIdFilter(
        method="named",
        help_text=_("Qu'un autre système appelle ainsi : système:identifiant, comme rh:A-2026-17."),
    )

    class Meta:
        model = Absence
        fields = ()

    def of_service(self, queryset: AbsenceQuerySet, name: str, value: int) -> QuerySet[Absence]:
        return queryset.filter(agent__in=Agent.services.through.objects.filter(service=value).values("agent"))

    def of_organisation(self, queryset: AbsenceQuerySet, name: str, value: int) -> QuerySet[Absence]:
        return queryset.of_organisation(Organisation.objects.within_reach_of(self.request.user).filter(pk=value))

    @classmethod
    def filling(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        again = {AGAIN: values[AGAIN]} if AGAIN in values else {}
        return super().filling({name: value for name, value in values.items() if name != AGAIN}) | again

    def to_come(self, name: str) -> Any:
        return Parameter(AGAIN, Numbers()) if name == AGAIN else super().to_come(name)

    def narrowed(self, values: Mapping[str, Any]) -> Any:
        """With the two ends of the period held against each absence together."""
        rows = super().narrowed({name: value for name, value in values.items() if name != AGAIN})
        start, end = values.get("from"), values.get("to")
        return rows if start is end is None else rows.touching(start, end, values.get(AGAIN))

    def period(self, queryset: AbsenceQuerySet, name: str, value: datetime.datetime) -> QuerySet[Absence]:
        return queryset  # see narrowed

    def starting_from(self, queryset: AbsenceQuerySet, name: str, value: datetime.datetime) -> QuerySet[Absence]:
        return queryset.starting_from(value)

    def starting_until(self, queryset: AbsenceQuerySet, name: str, value: datetime.datetime) -> QuerySet[Absence]:
        return queryset.starting_before(value)

    def of_kind(self, queryset: AbsenceQuerySet, name: str, value: str) -> QuerySet[Absence]:
        return queryset.of_kind(value)

    def named(self, queryset: AbsenceQuerySet, name: str, value: tuple[str, str]) -> QuerySet[Absence]:
        system, number = value
        names = ExternalId.objects.visible_to(self.request.user).filter(system=system, value=number)
        return queryset.filter(pk__in=names.values("absence"), hidden=0)

    def titled(self, queryset: AbsenceQuerySet, name: str, value: str) -> QuerySet[Absence]:
        return queryset.titled(value)


# "from" is a word of Python, so it cannot be declared like the others.
AbsenceFilters.base_filters["from"] = MomentFilter(
    method="period", help_text=_("Qui touchent la période à partir de là.")
)
