"""The page of an agent: who they are, where they work and as what, and whether they may come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from agents.forms import AgentPasswordForm, NewAgentForm
from agents.models import Agent, AgentExternalId, AgentRole, AgentTerritorialRole, ClientToken, Organisation, Territory
from agents.record import row_changed

from .base import HouseAdmin, HouseInline, LinkFilter, RowForm, row_key

admin.site.unregister(Group)

SHOWN = 2  # places and trades in a line of the list; the page has them all


class KeepsAnAdmin(BaseInlineFormSet):
    def clean(self) -> None:
        """Roles that go, like those that change (`AgentRole.clean`), leave an admin in their organisation."""
        super().clean()
        gone = [form.instance.pk for form in self.deleted_forms if form.instance.pk]
        AgentRole.objects.filter(pk__in=gone).keep_last_admins()


class RoleInline(HouseInline):
    model = AgentRole
    formset = KeepsAnAdmin
    autocomplete_fields = ("organisation",)
    verbose_name = _("rôle")
    verbose_name_plural = _("rôles dans les organisations")


class TerritorialRoleInline(HouseInline):
    model = AgentTerritorialRole
    autocomplete_fields = ("territory",)
    verbose_name = _("territoire")
    verbose_name_plural = _("administrateur territorial de")


class ExternalIdInline(HouseInline):
    model = AgentExternalId
    autocomplete_fields = ("territory",)
    fields = ("territory", "system", "value")
    verbose_name_plural = _("identifiants dans d'autres systèmes")


class _Rights(forms.ModelMultipleChoiceField):
    """Rights, each in the words of the page that it opens."""

    def __init__(self, pages: Mapping[Any, HouseAdmin], **kwargs: Any) -> None:
        self.pages = pages
        super().__init__(**kwargs)

    def label_from_instance(self, right: Any) -> str:
        model = right.content_type.model_class()
        verb = right.codename.removesuffix(f"_{model._meta.model_name}")
        return f"{capfirst(model._meta.verbose_name_plural)} : {self.pages[model].verbs[verb]}"


class PresenceFilter(admin.SimpleListFilter):
    """Those who left are not shown unless asked for."""

    title = _("présence")
    parameter_name = "presence"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("inactive", _("Désactivés")),
            ("staff", _("Accèdent à l'administration")),
            ("deleted", _("Supprimés")),
        ]

    def choices(self, changelist: Any) -> Any:
        everyone, *others = super().choices(changelist)
        return [everyone | {"display": _("Présents")}, *others]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "deleted":
                return queryset.exclude(deleted_at=None)
            case "inactive":
                return queryset.filter(deleted_at=None, is_active=False)
            case "staff":
                return queryset.filter(deleted_at=None, is_staff=True)
        return queryset.filter(deleted_at=None)


class InOrganisation(LinkFilter):
    title = _("organisation")
    parameter_name = "organisation"
    model = Organisation

    def narrow(self, queryset: Any, chosen: Organisation) -> Any:
        return queryset.of_organisation(Organisation.objects.filter(pk=chosen.pk))


class TerritorialIn(LinkFilter):
    title = _("administrateur territorial")
    parameter_name = "territorial"
    model = Territory

    def narrow(self, queryset: Any, chosen: Territory) -> Any:
        return queryset.filter(territorial_roles__territory=chosen)


@admin.register(Agent)
class AgentAdmin(HouseAdmin, UserAdmin):
    """Deleting is `Agent.leave` (contract 2.9). Whoever opens these pages without being superuser neither changes
    another who does, nor gives anyone the right to: or they could make themselves superuser.
    """

    form = RowForm
    add_form = NewAgentForm
    add_form_template = None
    change_password_form = AgentPasswordForm
    inlines = (RoleInline, TerritorialRoleInline, ExternalIdInline)
    autocomplete_fields = ("services",)
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("first_name", "last_name", "email", "services")}),
        (_("Connexion"), {"fields": ("is_active", "password_state", "last_login", "related_lists")}),
        (
            _("Administration du serveur"),
            {"classes": ("collapse",), "fields": ("is_staff", "is_superuser", "user_permissions")},
        ),
        (
            _("Repères"),
            {
                "classes": ("collapse",),
                "fields": ("inclusion_connect_open_id_sub", "created_at", "updated_at", "deleted_at", "email_original"),
            },
        ),
    )
    add_fieldsets = (
        (None, {"fields": ("first_name", "last_name", "email", "services")}),
        (
            _("Mot de passe"),
            {
                "description": _("Facultatif : sans lui, l'agent ne se connecte pas par mot de passe."),
                "fields": ("password1", "password2"),
            },
        ),
    )
    readonly_fields = (
        "password_state",
        "last_login",
        "related_lists",
        "created_at",
        "updated_at",
        "deleted_at",
        "email_original",
    )
    list_display = ("name", "email", "works_in", "trades", "may_come_in", "last_came")
    list_filter = (
        PresenceFilter,
        InOrganisation,
        TerritorialIn,
        ("roles__access_level", admin.ChoicesFieldListFilter),
        "services",
    )
    ordering = ("last_name", "first_name", "pk")
    search_fields = ("last_name", "first_name", "email")
    search_help_text = _("Nom, prénom ou e-mail ; les accents ne comptent pas")
    actions = ("deactivate", "reactivate", "revoke_tokens")
    lists = ((_("jetons"), "agents_clienttoken", "agent"), (_("clés"), "agents_accesskey", "agent"))

    # The list.

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        if "field_name" in request.GET:  # one of them is being chosen, not looked up
            queryset = queryset.filter(deleted_at=None)
        return queryset.matching(search_term), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        models.prefetch_related_objects(list(changelist.result_list), "services", "roles__organisation")
        return changelist

    @admin.display(description=_("nom"), ordering="last_name")
    def name(self, agent: Agent) -> str:
        return " ".join(filter(None, (agent.last_name, agent.first_name))) or str(agent)

    @admin.display(description=_("organisations"))
    def works_in(self, agent: Agent) -> str:
        roles = sorted(agent.roles.all(), key=lambda role: (role.access_level, role.organisation.name))
        # Most are basic agents: only another level is worth the room.
        levels = {role: f" ({role.get_access_level_display()})" for role in roles if role.access_level != "basic"}
        return _shortened([f"{role.organisation}{levels.get(role, '')}" for role in roles])

    @admin.display(description=_("services"))
    def trades(self, agent: Agent) -> str:
        return _shortened([service.short_name for service in agent.services.all()])

    @admin.display(description=_("actif"), boolean=True, ordering="is_active")
    def may_come_in(self, agent: Agent) -> bool:
        return agent.usable

    @admin.display(description=_("connecté le"), ordering="last_login")
    def last_came(self, agent: Agent) -> str | None:
        return agent.last_login and date_format(timezone.localtime(agent.last_login), "SHORT_DATE_FORMAT")

    # The page.

    def get_inlines(self, request: HttpRequest, obj: Agent | None) -> Any:
        return () if obj and obj.deleted_at else self.inlines

    def get_fieldsets(self, request: HttpRequest, obj: Agent | None = None) -> Any:
        if obj is None:
            return self.add_fieldsets
        who, access, server, landmarks = self.fieldsets
        return (who, access, server, landmarks) if request.user.is_superuser else (who, access, landmarks)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user_permissions":
            return self._rights(db_field)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def _rights(self, db_field: Any) -> _Rights:
        """A choice among the rights that have a meaning on these pages."""
        pages = {model: page for model, page in self.admin_site._registry.items() if isinstance(page, HouseAdmin)}
        types = ContentType.objects.get_for_models(*pages, for_concrete_models=False)
        meant = Q(pk__in=())
        for model, page in pages.items():
            codenames = [f"{verb}_{model._meta.model_name}" for verb in page.verbs]
            meant |= Q(content_type=types[model], codename__in=codenames)
        rights = Permission.objects.filter(meant).select_related("content_type")
        return _Rights(
            pages,
            queryset=rights.order_by("content_type__app_label", "content_type__model", "pk"),
            label=_("Droits"),
            help_text=_("Ce que l'agent voit et fait sur ces pages ; un super-utilisateur peut tout."),
            required=False,
            widget=forms.CheckboxSelectMultiple,
        )

    @admin.display(description=_("mot de passe"))
    def password_state(self, agent: Agent) -> str:
        if not agent.has_usable_password():
            state, change = _("aucun : pas de connexion par mot de passe"), _("en donner un")
        else:
            state, change = _("défini"), _("changer")
        address = reverse("admin:auth_user_password_change", args=(agent.pk,))
        return format_html('{} · <a href="{}">{}</a>', state, address, change)

    def choices(self) -> models.QuerySet[Agent]:
        return Agent.objects.filter(deleted_at=None)

    def choice_text(self, row: Agent) -> str:
        return f"{row.get_full_name()} ({row.email})" if row.get_full_name() and row.email else str(row)

    def response_add(self, request: HttpRequest, obj: Agent, post_url_continue: Any = None) -> HttpResponse:
        # Not UserAdmin's detour by the change page: here everything is on one.
        return super(UserAdmin, self).response_add(request, obj, post_url_continue)

    # Rights.

    def has_change_permission(self, request: HttpRequest, obj: Agent | None = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        beyond = obj is not None and (
            obj.deleted_at is not None or ((obj.is_staff or obj.is_superuser) and not request.user.is_superuser)
        )
        return allowed and not beyond

    def has_delete_permission(self, request: HttpRequest, obj: Agent | None = None) -> bool:
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or (obj != request.user and self.has_change_permission(request, obj)))

    @staticmethod
    def _within_reach(request: HttpRequest, agents: Any) -> Any:
        """Those of `agents` whom `has_change_permission` lets the administrator change."""
        present = agents.filter(deleted_at=None)
        return present if request.user.is_superuser else present.filter(is_staff=False, is_superuser=False)

    # Leaving.

    def hold(self, object_id: str | None) -> None:
        _hold(Agent.objects.filter(pk=row_key(object_id)))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        agents = list(objs)
        refused: list[Any] = []
        try:
            AgentRole.objects.filter(agent__in=agents).keep_last_admins()
        except ValidationError as failure:
            refused = failure.messages
        reached = self._within_reach(request, Agent.objects.filter(pk__in=[agent.pk for agent in agents]))
        beyond = len(agents) - reached.exclude(pk=request.user.pk).count()
        if beyond:
            refused.append(_("Vous ne pouvez supprimer ni vous-même, ni un agent qui accède à l'administration."))
        return (
            [self.choice_text(agent) for agent in agents],
            {self.opts.verbose_name_plural: len(agents)},
            set(),
            refused,
        )

    def delete_model(self, request: HttpRequest, obj: Agent) -> None:
        self.delete_queryset(request, Agent.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        agents = Agent.objects.filter(pk__in=_hold(queryset), deleted_at=None)
        AgentRole.objects.filter(agent__in=agents).keep_last_admins()
        for agent in list(agents):
            agent.leave()

    # Actions.

    @admin.action(description=_("Désactiver"), permissions=("change",))
    def deactivate(self, request: HttpRequest, queryset: Any) -> None:
        agents = self._within_reach(request, queryset).exclude(pk=request.user.pk).filter(is_active=True)
        count = self._set(request, agents, is_active=False)
        self._report(request, ngettext("%(count)d agent désactivé.", "%(count)d agents désactivés.", count), count)

    @admin.action(description=_("Réactiver"), permissions=("change",))
    def reactivate(self, request: HttpRequest, queryset: Any) -> None:
        count = self._set(request, self._within_reach(request, queryset).filter(is_active=False), is_active=True)
        self._report(request, ngettext("%(count)d agent réactivé.", "%(count)d agents réactivés.", count), count)

    @admin.action(description=_("Révoquer tous les jetons"), permissions=("change",))
    def revoke_tokens(self, request: HttpRequest, queryset: Any) -> None:
        agents = self._within_reach(request, queryset)
        self._log(request, agents.filter(tokens__in=ClientToken.objects.live()).distinct(), _("Jetons révoqués."))
        count = ClientToken.objects.filter(agent__in=_hold(agents)).revoke()
        self._report(request, ngettext("%(count)d jeton révoqué.", "%(count)d jetons révoqués.", count), count)

    def _set(self, request: HttpRequest, agents: Any, *, is_active: bool) -> int:
        # Not of `agents` themselves: a list that is filtered by what hangs on them is one of distinct rows.
        held = Agent.objects.filter(pk__in=agents.values("pk")).select_for_update(no_key=True).order_by("pk")
        changed = Agent.objects.filter(pk__in=list(held.values_list("pk", flat=True)))
        self._log(request, changed, _("Réactivé.") if is_active else _("Désactivé."))
        for agent in changed:
            agent.is_active = is_active
            row_changed(agent)
        return int(changed.update(is_active=is_active, updated_at=timezone.now()))

    @staticmethod
    def _log(request: HttpRequest, agents: Any, message: Any) -> None:
        LogEntry.objects.log_actions(request.user.pk, agents, CHANGE, change_message=str(message))

    def _report(self, request: HttpRequest, sentence: str, count: int) -> None:
        self.message_user(request, sentence % {"count": count}, messages.SUCCESS if count else messages.WARNING)


def _shortened(words: Sequence[str]) -> str:
    more = f", +{len(words) - SHOWN}" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + more


def _hold(agents: Any) -> list[int]:
    """Until the transaction ends nobody else changes `agents`, whose ids it gives, nor takes an admin away from their
    organisations: two who did at the same time would each count on the other's. Agents come first, as everywhere.
    """
    present = Agent.objects.filter(pk__in=agents.values("pk")).select_for_update(no_key=True).order_by("pk")
    pks = list(present.values_list("pk", flat=True))
    held = Organisation.objects.filter(pk__in=AgentRole.objects.filter(agent__in=pks).values("organisation"))
    list(held.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    return pks
