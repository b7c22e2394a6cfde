"""Pages of API accounts and of everybody's keys. A key's secret is shown once, where it is made, and nowhere else."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from agents.models import AccessKey, AccountRole, Agent, ApiAccount, Grant, KeyState
from agents.pages.forms import NewKeyForm
from agents.pages.keys import described, end_of, fresh, is_fresh, resources_of, secret_shown, spend, state_label
from agents.views.keys import refuse_new_keys
from rdv.api.errors import SwitchedOff

from .base import HouseAdmin, HouseInline, LinkFilter, to_list
from .credentials import OfAgent


class AccountRoleInline(HouseInline):
    model = AccountRole
    autocomplete_fields = ("organisation",)
    verbose_name = _("rôle")
    verbose_name_plural = _("rôles dans les organisations")


class GrantInline(HouseInline):
    model = Grant
    autocomplete_fields = ("agent",)
    verbose_name_plural = _("peut agir pour")


@admin.register(ApiAccount)
class ApiAccountAdmin(HouseAdmin):
    """An account that is no person: its roles, for whom it may act, and the making of its keys."""

    inlines = (AccountRoleInline, GrantInline)
    autocomplete_fields = ("services",)
    list_display = ("name", "is_active", "keys", "created_at")
    search_fields = ("name", "note")
    fieldsets = (
        (None, {"fields": ("name", "note", "is_active", "services")}),
        (_("Clés"), {"fields": ("keys",)}),
        (_("Repères"), {"classes": ("collapse",), "fields": ("created_at", "updated_at")}),
    )
    readonly_fields = ("keys", "created_at", "updated_at")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fieldsets if obj else self.fieldsets[:1]

    def get_urls(self) -> Any:
        view = self.admin_site.admin_view(self.make_key)
        return [path("<path:object_id>/key/", view, name="agents_apiaccount_key"), *super().get_urls()]

    @admin.display(description=_("clés"))
    def keys(self, account: ApiAccount) -> SafeString:
        listed = to_list(_("voir"), "agents_accesskey", account=account.pk)
        making = reverse("admin:agents_apiaccount_key", args=(account.pk,))
        return format_html('{} · <a href="{}">{}</a>', listed, making, _("créer"))

    def make_key(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The form of a new key; then, in the answer to it alone, the key."""
        account = self.get_object(request, unquote(object_id))
        if account is None:
            raise Http404
        if not self.has_change_permission(request, account):
            raise PermissionDenied
        back = redirect("admin:agents_apiaccount_change", account.pk)
        once = request.POST.get("once", "")
        try:
            refuse_new_keys()
        except SwitchedOff as error:
            self.message_user(request, error.sentence(), messages.WARNING)
            return back
        if request.method != "POST":
            return self._key_page(request, account, {"form": NewKeyForm(account), "once": fresh(request.session)})
        if not is_fresh(request.session, once):
            sentence = _("Ce formulaire a déjà servi. Une clé n'est montrée qu'à sa création.")
            self.message_user(request, sentence, messages.WARNING)
            return back
        form = NewKeyForm(account, request.POST)
        if not form.is_valid():
            return self._key_page(request, account, {"form": form, "once": once}, 422)
        spend(request.session, once)

        def make() -> HttpResponse:
            key, secret = form.make()
            self.log_change(request, account, str(_("Clé créée : %(key)s") % {"key": key}))
            page = self._key_page(request, account, secret_shown(request, secret) | {"line": described([key])[0]})
            page["Cache-Control"] = "no-store"
            return page.render()

        return self._as_one_change(request, make)

    def _key_page(
        self, request: HttpRequest, account: ApiAccount, context: dict[str, Any], status: int = 200
    ) -> TemplateResponse:
        about = {"title": _("Ajouter : %(name)s") % {"name": _("clé")}, "account": account, "opts": self.opts}
        context = self.admin_site.each_context(request) | about | context
        return TemplateResponse(request, "admin/agents/apiaccount/make_key.html", context, status=status)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """Their keys go with them; nobody needs the right to delete keys for that, which nobody has."""
        accounts = list(objs)
        keys = AccessKey.objects.filter(account__in=accounts).count()
        counts = {self.opts.verbose_name_plural: len(accounts), AccessKey._meta.verbose_name_plural: keys}
        return [str(account) for account in accounts], counts, set(), []


class OfAccount(LinkFilter):
    title = _("compte d'API")
    parameter_name = "account"
    model = ApiAccount

    def narrow(self, queryset: Any, chosen: ApiAccount) -> Any:
        return queryset.filter(account=chosen)


class StateFilter(admin.SimpleListFilter):
    title = _("état")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(state.value, state_label(state)) for state in KeyState]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        ended = Q(expires_at__lte=timezone.now())
        match self.value():
            case "active":
                return queryset.live()
            case "deactivated":
                return queryset.filter(revoked_at=None).exclude(deactivated_at=None).exclude(ended)
            case "expired":
                return queryset.filter(ended, revoked_at=None)
            case "revoked":
                return queryset.exclude(revoked_at=None)
        return queryset


@admin.register(AccessKey)
class AccessKeyAdmin(HouseAdmin):
    """Everybody's keys, to be looked at and revoked; the right to change one is the right to revoke it."""

    verbs = {"view": _("voir"), "change": _("révoquer")}
    list_display = ("name", "owner_name", "prefix", "state_name", "last_use", "last_day")
    list_select_related = ("agent", "account")
    list_filter = (StateFilter, OfAgent, OfAccount)
    ordering = ("-pk",)
    search_fields = ("name",)
    search_help_text = _("Nom de la clé ; nom, prénom ou e-mail de son agent ; nom de son compte")
    fields = readonly_fields = (
        *("name", "note", "owner_name", "prefix", "state_name"),
        *("read_only", "for_resources", "for_organisations"),
        *("created_at", "last_used_at", "ends"),
    )
    actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> Any:
        # The secrets' digests do not even leave the database.
        return super().get_queryset(request).select_related("agent", "account").defer("digest", "agent__password")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        if search_term:
            theirs = Q(agent__in=Agent.objects.matching(search_term)) | Q(account__name__icontains=search_term)
            queryset = queryset.filter(theirs | Q(name__icontains=search_term))
        return queryset, False

    @admin.display(description=_("propriétaire"))
    def owner_name(self, key: AccessKey) -> str:
        return str(key.owner)

    @admin.display(description=_("état"))
    def state_name(self, key: AccessKey) -> str:
        return state_label(key.state)

    @admin.display(description=_("ressources"))
    def for_resources(self, key: AccessKey) -> str:
        return resources_of(key)

    @admin.display(description=_("organisations"))
    def for_organisations(self, key: AccessKey) -> str:
        return str(described([key])[0]["organisations"])

    @admin.display(description=_("utilisée le"), ordering="last_used_at")
    def last_use(self, key: AccessKey) -> str | None:
        return key.last_used_at and date_format(timezone.localtime(key.last_used_at), "SHORT_DATE_FORMAT")

    @admin.display(description=_("expire le"), ordering="expires_at")
    def last_day(self, key: AccessKey) -> str | None:
        return key.expires_at and date_format(timezone.localtime(key.expires_at), "SHORT_DATE_FORMAT")

    @admin.display(description=_("fin"))
    def ends(self, key: AccessKey) -> str:
        return end_of(key)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AccessKey | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.revoked_at is None)

    def save_model(self, request: HttpRequest, obj: AccessKey, form: Any, change: bool) -> None:
        """The page has one button, which revokes."""
        AccessKey.objects.filter(pk=obj.pk).revoke()

    def construct_change_message(self, *args: Any, **kwargs: Any) -> str:
        return str(_("Révoquée."))

    def response_change(self, request: HttpRequest, obj: AccessKey) -> HttpResponse:
        self.message_user(request, _("Clé révoquée."), messages.SUCCESS)
        return self.response_post_save_change(request, obj)

    @admin.action(description=_("Révoquer"), permissions=("change",))
    def revoke(self, request: HttpRequest, queryset: Any) -> None:
        keys = AccessKey.objects.filter(pk__in=queryset.values("pk"), revoked_at=None)
        LogEntry.objects.log_actions(request.user.pk, keys, CHANGE, change_message=str(_("Révoquée.")))
        count = keys.revoke()
        sentence = ngettext("%(count)d clé révoquée.", "%(count)d clés révoquées.", count)
        self.message_user(request, sentence % {"count": count}, messages.SUCCESS)
