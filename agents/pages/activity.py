"""An agent's own record: what they did, what was done for them, and what was done to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.utils.timezone import make_aware
from django.utils.translation import gettext_lazy as _

from agents.models import Agent
from agents.models.privacy import told_of
from agents.models.record import ActorKind, RecordEntry
from rdv.api.times import PARIS, read_moment

from .base import Page

PER_PAGE = 50

# The record's words (`recorded_as`, and kinds of credentials) for people; another stands for itself.
OBJECTS = {
    "absence": _("absence"),
    "account_role": _("rôle d'un compte"),
    "agent": _("agent"),
    "api_account": _("compte d'API"),
    "grant": _("autorisation"),
    "organisation": _("organisation"),
    "page": _("page"),
    "role": _("rôle"),
    "service": _("service"),
    "territorial_role": _("rôle territorial"),
    "territory": _("territoire"),
    "token": _("clé"),
}
MEANS = {
    "account_token": _("clé d'un compte d'API"),
    "jwt": _("jeton JWT"),
    "oidc": _("fournisseur d'identité"),
    "password": _("mot de passe"),
    "personal_token": _("clé"),
    "session": _("navigateur"),
    "shared_secret": _("application partenaire"),
    "token": _("jeton"),
}


class PeriodForm(forms.Form):
    """Days, both included."""

    since = forms.CharField(label=_("Du"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.CharField(label=_("Au"), required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def clean_since(self) -> Any:
        return self._moment("since", end_of_day=False)

    def clean_until(self) -> Any:
        return self._moment("until", end_of_day=True)

    def _moment(self, name: str, *, end_of_day: bool) -> Any:
        text = self.cleaned_data[name]
        try:
            return make_aware(read_moment(text, end_of_day=end_of_day), PARIS).astimezone(UTC) if text else None
        except OverflowError:  # the very first day: everything is after it
            return None


class Activity(Page):
    """`/activite`, newest first; `since` and `until` narrow it to a period."""

    def get(self, request: HttpRequest) -> HttpResponse:
        form = PeriodForm(request.GET)
        entries = own_entries(request.user)
        if form.is_valid():
            since, until = form.cleaned_data["since"], form.cleaned_data["until"]
            entries = entries.filter(at__gte=since) if since else entries
            entries = entries.filter(at__lt=until) if until else entries
        else:
            entries = entries.none()
        page = Paginator(entries.order_by("-pk"), PER_PAGE).get_page(request.GET.get("page"))
        asked = {name: request.GET[name] for name in ("since", "until") if request.GET.get(name)}
        context = {
            "form": form,
            "page": page,
            "lines": [described(entry, request.user) for entry in known_to(request.user, page)],
            "query": f"{urlencode(asked)}&" if asked else "",
            "asked": asked,
        }
        return render(request, "agents/activity.html", context, status=200 if form.is_valid() else 422)


def own_entries(agent: Agent) -> QuerySet[RecordEntry]:
    """Of what the agent may read of the record, what is theirs: not that of the organisations that they administer."""
    did = Q(actor_kind=ActorKind.AGENT, actor_id=agent.pk)
    return RecordEntry.objects.visible_to(agent).filter(did | Q(acting_for_id=agent.pk) | Q(agent_id=agent.pk))


def known_to(agent: Agent, entries: Iterable[RecordEntry]) -> list[RecordEntry]:
    """`entries`, of which what is private is told as far as `agent` may know it."""
    read = list(entries)
    private = {entry.agent_id for entry in read if entry.confidential and entry.agent_id is not None}
    told = told_of(agent, private) if private else ()
    for entry in read:
        if entry.agent_id not in told:
            entry.conceal()
    return read


def described(entry: RecordEntry, agent: Agent) -> dict[str, Any]:
    """What the page says of an entry."""
    return {
        "entry": entry,
        "object": OBJECTS.get(entry.resource, entry.resource),
        "how": " · ".join(_circumstances(entry, agent)),
        "changes": [(name, *values) for name, values in entry.changes.items()],
    }


def _circumstances(entry: RecordEntry, agent: Agent) -> Iterator[str]:
    """By whom, unless by the agent themselves, for whom, with what and from where."""
    if not (entry.actor_kind == ActorKind.AGENT and entry.actor_id == agent.pk):
        yield _("par %(name)s") % {"name": entry.actor_name or entry.get_actor_kind_display()}
    if entry.acting_for_name and entry.acting_for_id != agent.pk:
        yield _("pour %(name)s") % {"name": entry.acting_for_name}
    if entry.credential_kind:
        means = str(MEANS.get(entry.credential_kind, entry.credential_kind))
        yield f"{means} « {entry.credential_name} »" if entry.credential_name else means
    if entry.address:
        yield entry.address
