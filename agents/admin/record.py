"""The record on the administration pages: read, never written."""

from __future__ import annotations

import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from agents.models import Agent, Organisation, RecordEntry
from agents.models.privacy import MAY_KNOW, Concealing

from .base import HouseAdmin, LinkFilter, row_key

for whose, parameter in ((Agent, "agent"), (Organisation, "organisation")):
    admin.site.get_model_admin(whose).lists += ((_("journal"), "agents_recordentry", parameter),)


class OfAgent(LinkFilter):
    """What an agent did, what was done for them, and what is their matter."""

    title = _("agent")
    parameter_name = "agent"
    model = Agent

    def narrow(self, queryset: Any, chosen: Agent) -> Any:
        did = Q(actor_kind="agent", actor_id=chosen.pk)
        return queryset.filter(did | Q(agent_id=chosen.pk) | Q(acting_for_id=chosen.pk))


class OfOrganisation(LinkFilter):
    title = _("organisation")
    parameter_name = "organisation"
    model = Organisation

    def narrow(self, queryset: Any, chosen: Organisation) -> Any:
        return queryset.filter(organisation_id=chosen.pk)


class OfResource(admin.SimpleListFilter):
    title = _("ressource")
    parameter_name = "resource"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(name, name) for name in RESOURCES]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(resource=self.value()) if self.value() else queryset


# Those that one looks for; asking the record which it has would read all of it.
RESOURCES = (
    *("absence", "agent", "role", "organisation", "service", "territory", "token", "client"),
    *("api_account", "account_role", "grant", "external_id", "record"),
)


class PeriodFilter(admin.SimpleListFilter):
    title = _("période")
    parameter_name = "period"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("Depuis 24 heures")), ("7", _("Depuis 7 jours")), ("30", _("Depuis 30 jours"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() not in ("1", "7", "30"):
            return queryset
        return queryset.filter(at__gte=timezone.now() - datetime.timedelta(days=int(self.value() or 0)))


@admin.register(RecordEntry)
class RecordAdmin(HouseAdmin):
    verbs = {"view": _("voir")}
    list_display = ("moment", "action", "thing", "author", "what_changed", "why", "address")
    list_display_links = ("moment",)
    list_filter = ("action", OfResource, "actor_kind", PeriodFilter, OfAgent, OfOrganisation)
    search_fields = ("object_name",)
    search_help_text = _("Nom d'un objet ou d'un auteur, motif, identifiant d'une requête, ou numéro d'un objet")
    fieldsets = (
        (None, {"fields": ("moment", "action", "code", "repeated", "thing", "before_and_after", "why")}),
        (_("Qui"), {"fields": ("author", "credential")}),
        (_("D'où"), {"fields": ("address", "request_id", "method", "route")}),
    )
    readonly_fields = (
        *("moment", "action", "code", "repeated", "thing", "before_and_after", "why"),
        *("author", "credential", "address", "request_id", "method", "route"),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)
        if not request.user.has_perm(MAY_KNOW):
            rows._iterable_class = Concealing
        return rows

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        for word in search_term.split():
            texts = ("actor_name", "acting_for_name", "reason", "request_id")
            found = Q(object_id=row_key(word) or None) if row_key(word) else Q(pk__in=())
            named = Q(object_name__icontains=word)
            found |= named if request.user.has_perm(MAY_KNOW) else named & Q(confidential=False)
            for text in texts:
                found |= Q(**{f"{text}__icontains": word})
            queryset = queryset.filter(found)
        return queryset, False

    @admin.display(description=_("quand"), ordering="at")
    def moment(self, entry: RecordEntry) -> str:
        return date_format(timezone.localtime(entry.at), "j N Y, H:i:s")

    @admin.display(description=_("objet"))
    def thing(self, entry: RecordEntry) -> str:
        number = f"n° {entry.object_id}" if entry.object_id is not None else ""
        return " ".join(filter(None, (entry.resource, number, entry.object_name)))

    @admin.display(description=_("auteur"), ordering="actor_name")
    def author(self, entry: RecordEntry) -> str:
        name = entry.actor_name or entry.get_actor_kind_display()
        return f"{name} ({_('pour')} {entry.acting_for_name})" if entry.acting_for_id is not None else name

    @admin.display(description=_("moyen"))
    def credential(self, entry: RecordEntry) -> str:
        return " ".join(filter(None, (entry.credential_kind, entry.credential_name))) or "-"

    @admin.display(description=_("motif"))
    def why(self, entry: RecordEntry) -> str:
        return entry.reason or "-"

    @admin.display(description=_("changements"))
    def what_changed(self, entry: RecordEntry) -> str:
        return ", ".join(entry.changes) or entry.code or "-"

    @admin.display(description=_("avant et après"))
    def before_and_after(self, entry: RecordEntry) -> SafeString | str:
        if not entry.changes:
            return "-"
        rows = format_html_join(
            "",
            '<tr><th scope="row">{}</th><td>{}</td><td>{}</td></tr>',
            ((name, _shown(before), _shown(after)) for name, (before, after) in entry.changes.items()),
        )
        heads = (_("colonne"), _("avant"), _("après"))
        head = format_html_join("", '<th scope="col">{}</th>', ((one,) for one in heads))
        return format_html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", head, rows)


def _shown(value: Any) -> Any:
    match value:
        case None | "" | []:
            return "–"  # noqa: RUF001
        case True:
            return _("oui")
        case False:
            return _("non")
        case list():
            return ", ".join(map(str, value))
    return value
