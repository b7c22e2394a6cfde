"""Pages of territories, organisations and services."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.db.models import Count, Exists, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from agents.models import AccessLevel, Agent, AgentRole, Organisation, Service, Territory
from rdv.api.folding import folding_pattern

from .base import HouseAdmin, LinkFilter, to_list


def _count(rows: models.QuerySet[Any], by: str) -> Coalesce:
    """How many of `rows` belong to each row, by the name of their column."""
    counted = rows.filter(**{by: OuterRef("pk")}).order_by().values(by).annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counted), 0)


class _NamedAdmin(HouseAdmin):
    """Rows with a name, found by it, accents and case aside."""

    search_fields = ("name",)
    search_help_text = _("Nom")
    also_searched: tuple[str, ...] = ()

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        for word in search_term.split():
            found = models.Q(name__iregex=folding_pattern(word))
            for column in self.also_searched:
                found |= models.Q(**{f"{column}__iexact": word})
            queryset = queryset.filter(found)
        return queryset, False


class _EmptyFirst(_NamedAdmin):
    """Not deleted while agents are there: what would go with it is too much to be read on one page."""

    def agents_of(self, rows: Any) -> models.QuerySet[Agent]:
        raise NotImplementedError

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        count = self.agents_of(objs).count()
        if count:
            reason = ngettext("%(count)d agent y travaille", "%(count)d agents y travaillent", count)
            return [str(row) for row in objs], {}, set(), [reason % {"count": count}]
        return super().get_deleted_objects(objs, request)


@admin.register(Territory)
class TerritoryAdmin(_NamedAdmin):
    list_display = ("name", "departement_number", "organisations_count", "admins_count")
    search_help_text = _("Nom ou numéro de département")
    also_searched = ("departement_number",)

    def get_queryset(self, request: HttpRequest) -> Any:
        return (
            super()
            .get_queryset(request)
            .annotate(
                organisations_count=_count(Organisation.objects.all(), "territory"),
                admins_count=_count(Territory.admins.through.objects.all(), "territory"),
            )
        )

    @admin.display(description=_("organisations"), ordering="organisations_count")
    def organisations_count(self, territory: Any) -> SafeString:
        return to_list(territory.organisations_count, "agents_organisation", territory=territory.pk)

    @admin.display(description=_("administrateurs territoriaux"), ordering="admins_count")
    def admins_count(self, territory: Any) -> SafeString:
        return to_list(territory.admins_count, "agents_agent", territorial=territory.pk)


class InTerritory(LinkFilter):
    title = _("territoire")
    parameter_name = "territory"
    model = Territory

    def narrow(self, queryset: Any, chosen: Territory) -> Any:
        return queryset.filter(territory=chosen)


class WithoutAdmin(admin.SimpleListFilter):
    """Contract 3.1 wants one; an organisation that was just created has none yet."""

    title = _("administrateur")
    parameter_name = "admin"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("none", _("Sans administrateur"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() != "none":
            return queryset
        admins = AgentRole.objects.filter(organisation=OuterRef("pk"), access_level=AccessLevel.ADMIN)
        return queryset.filter(~Exists(admins))


@admin.register(Organisation)
class OrganisationAdmin(_EmptyFirst):
    list_display = ("name", "territory", "verticale", "agents_count", "admins_count")
    list_filter = (InTerritory, WithoutAdmin, "verticale")
    list_select_related = ("territory",)
    search_help_text = _("Nom, ou numéro de département")
    also_searched = ("territory__departement_number",)
    autocomplete_fields = ("territory",)
    fieldsets = (
        (None, {"fields": ("name", "territory", "verticale", "phone_number", "email")}),
        (_("Sur place"), {"fields": ("admin_names", "related_lists")}),
        (_("Repères"), {"classes": ("collapse",), "fields": ("created_at", "updated_at")}),
    )
    readonly_fields = ("admin_names", "related_lists", "created_at", "updated_at")
    lists = ((_("agents"), "agents_agent", "organisation"),)

    def get_queryset(self, request: HttpRequest) -> Any:
        roles = AgentRole.objects.all()
        return (
            super()
            .get_queryset(request)
            .select_related("territory")
            .annotate(
                agents_count=_count(roles, "organisation"),
                admins_count=_count(roles.filter(access_level=AccessLevel.ADMIN), "organisation"),
            )
        )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fieldsets if obj else self.fieldsets[:1]

    def choices(self) -> models.QuerySet[Organisation]:
        return Organisation.objects.select_related("territory")

    def choice_text(self, row: Organisation) -> str:
        return f"{row.name} — {row.territory}"

    def agents_of(self, rows: Any) -> models.QuerySet[Agent]:
        return Agent.objects.filter(roles__organisation__in=rows).distinct()

    @admin.display(description=_("agents"), ordering="agents_count")
    def agents_count(self, organisation: Any) -> SafeString:
        return to_list(organisation.agents_count, "agents_agent", organisation=organisation.pk)

    @admin.display(description=_("administrateurs"), ordering="admins_count")
    def admins_count(self, organisation: Any) -> int:
        return int(organisation.admins_count)

    @admin.display(description=_("administrateurs"), empty_value=_("aucun : nommez-en un sur la page d'un agent"))
    def admin_names(self, organisation: Organisation) -> str | None:
        admins = Agent.objects.filter(roles__organisation=organisation, roles__access_level=AccessLevel.ADMIN)
        return ", ".join(map(str, admins)) or None


@admin.register(Service)
class ServiceAdmin(_EmptyFirst):
    list_display = ("name", "short_name", "secretariat", "agents_count")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(agents_count=_count(Agent.services.through.objects, "service"))

    def agents_of(self, rows: Any) -> models.QuerySet[Agent]:
        return Agent.objects.filter(services__in=rows).distinct()

    @admin.display(description=_("agents"), ordering="agents_count")
    def agents_count(self, service: Any) -> SafeString:
        return to_list(service.agents_count, "agents_agent", services__id__exact=service.pk)
