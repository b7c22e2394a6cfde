"""The page of feeds: whose there are, what they show, whether anybody reads them. No address is ever shown, nor what is
kept of one; deleting a feed ends it.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from absences.models import Feed
from agents.admin.base import HouseAdmin, LinkFilter
from agents.models import Agent


class OfOwner(LinkFilter):
    title = _("à qui il est")
    parameter_name = "owner"
    model = Agent

    def narrow(self, queryset: Any, chosen: Agent) -> Any:
        return queryset.filter(owner=chosen)


@admin.register(Feed)
class FeedAdmin(HouseAdmin):
    verbs = {"view": _("voir"), "delete": _("supprimer")}
    list_display = ("name", "owner", "target", "privacy", "last_read_at", "revoked_at")
    list_select_related = ("owner", "agent", "service", "organisation")
    list_filter = (OfOwner, "privacy")
    search_fields = ("name",)
    fields = readonly_fields = (
        *("name", "owner", "target", "privacy", "days_back", "days_ahead", "kinds", "holidays"),
        *("created_at", "updated_at", "last_read_at", "revoked_at"),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        # What is kept of the secrets does not even leave the database.
        return super().get_queryset(request).defer("digest", "owner__password", "agent__password")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        for word in search_term.split():
            owned = queryset.filter(owner__in=Agent.objects.matching(word))
            queryset = queryset.filter(name__icontains=word) | owned
        return queryset, False

    @admin.display(description=_("de qui sont les absences"))
    def target(self, feed: Feed) -> Any:
        return feed.agent or feed.service or feed.organisation

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
