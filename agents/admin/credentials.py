"""Pages of what lets agents in: their live tokens, and the failures that lock them out. No secret is ever shown."""

from __future__ import annotations

from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import OuterRef, Subquery, Sum
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from agents.models import Action, Agent, ClientToken
from agents.record import gathered, note

from .base import HouseAdmin, LinkFilter


class OfAgent(LinkFilter):
    title = _("agent")
    parameter_name = "agent"
    model = Agent

    def narrow(self, queryset: Any, chosen: Agent) -> Any:
        return queryset.filter(agent=chosen)


@admin.register(ClientToken)
class ClientTokenAdmin(HouseAdmin):
    """Live tokens, to be looked at and revoked; the right to change one is the right to revoke it."""

    verbs = {"view": _("voir"), "change": _("révoquer")}
    list_display = ("agent", "client_start", "created_at", "last_used_at", "expires_at")
    list_select_related = ("agent",)
    list_filter = (OfAgent,)
    ordering = ("-pk",)
    search_fields = ("agent",)
    search_help_text = _("Nom, prénom ou e-mail de l'agent")
    fields = readonly_fields = list_display
    actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> Any:
        # The secrets' digests do not even leave the database.
        hidden = ("digest", "previous_digest", "last_digest", "agent__password")
        return super().get_queryset(request).live().select_related("agent").defer(*hidden)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        if search_term:
            queryset = queryset.filter(agent__in=Agent.objects.matching(search_term))
        return queryset, False

    @admin.display(description=_("appareil"))
    def client_start(self, token: ClientToken) -> str:
        return f"{token.client[:6]}…"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ClientToken, form: Any, change: bool) -> None:
        """The page has one button, which revokes."""
        ClientToken.objects.filter(pk=obj.pk).revoke()

    def construct_change_message(self, *args: Any, **kwargs: Any) -> str:
        return str(_("Révoqué."))

    def response_change(self, request: HttpRequest, obj: ClientToken) -> HttpResponse:
        self.message_user(request, _("Jeton révoqué."), messages.SUCCESS)
        return self.response_post_save_change(request, obj)

    @admin.action(description=_("Révoquer"), permissions=("change",))
    def revoke(self, request: HttpRequest, queryset: Any) -> None:
        LogEntry.objects.log_actions(request.user.pk, queryset, CHANGE, change_message=str(_("Révoqué.")))
        count = ClientToken.objects.filter(pk__in=queryset.values("pk")).revoke()
        sentence = ngettext("%(count)d jeton révoqué.", "%(count)d jetons révoqués.", count)
        self.message_user(request, sentence % {"count": count}, messages.SUCCESS)


@admin.register(AccessAttempt)
class FailedSignInAdmin(HouseAdmin):
    """Failed sign-ins by email and address; forgetting them lets a locked out agent try again."""

    verbs = {"view": _("voir"), "delete": _("oublier")}
    list_display = ("username", "ip_address", "failures_since_start", "attempt_time", "locked_out")
    list_display_links = None
    search_fields = ("username", "ip_address")
    search_help_text = _("E-mail ou adresse IP")
    # What was typed and sent is nobody's business.
    fields = readonly_fields = list_display
    actions = ("forget",)

    def get_queryset(self, request: HttpRequest) -> Any:
        window = settings.AXES_COOLOFF_TIME
        recent = AccessAttempt.objects.filter(username=OuterRef("username"), ip_address=OuterRef("ip_address"))
        if window:
            recent = recent.filter(attempt_time__gte=timezone.now() - window)
        total = recent.order_by().values("username").annotate(total=Sum("failures_since_start")).values("total")
        return super().get_queryset(request).defer("get_data", "post_data").annotate(total=Subquery(total))

    @admin.display(description=_("bloqué"))
    def locked_out(self, attempt: Any) -> Any:
        locked = settings.AXES_ENABLED and (attempt.total or 0) >= settings.AXES_FAILURE_LIMIT
        return _("oui") if locked else _("non")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_forget_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("axes.delete_accessattempt")

    @admin.action(description=_("Oublier ces échecs (débloque)"), permissions=("forget",))
    def forget(self, request: HttpRequest, queryset: Any) -> None:
        forgotten = dict(queryset.values_list("pk", "username"))
        count = len(forgotten)
        agents = {agent.email: agent for agent in Agent.objects.filter(email__in=forgotten.values())}
        AccessAttempt.objects.filter(pk__in=list(forgotten)).delete()
        with gathered():
            for pk, typed in forgotten.items():
                agent = agents.get(typed)  # of what nobody is called nothing is kept: it may be a password
                whose = {"agent": agent.pk, "name": str(agent)} if agent else {}
                note(Action.DELETED, "failed_sign_in", id=pk, **whose)
        self.message_user(
            request, ngettext("%(count)d échec oublié.", "%(count)d échecs oubliés.", count) % {"count": count}
        )
