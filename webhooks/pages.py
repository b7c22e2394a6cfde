"""The endpoints of the agent's territories in a browser: whether they receive, what was sent to them, sending it again,
a test, enabling (row W6).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from agents.pages.activity import PeriodForm
from agents.pages.base import Page
from rdv.api.parsers import leading_integer

from . import outbox
from .models import Attempt, Delivery, Event, WebhookEndpoint
from .models.delivery import DeliveryQuerySet

PER_PAGE = 50
AT_ONCE = 10_000  # as by API

EVENTS = {
    Event.What.CREATED: gettext_lazy("créé"),
    Event.What.UPDATED: gettext_lazy("modifié"),
    Event.What.DESTROYED: gettext_lazy("supprimé"),
    Event.What.PING: gettext_lazy("essai"),
}
ERRORS = {
    "connection": gettext_lazy("connexion impossible"),
    "internal": gettext_lazy("erreur de notre côté"),
    "malformed": gettext_lazy("adresse mal formée"),
    "port": gettext_lazy("port non permis"),
    "private_address": gettext_lazy("l'adresse mène dans un réseau privé"),
    "protocol": gettext_lazy("réponse incompréhensible ou interrompue"),
    "redirect": gettext_lazy("redirection, qui n'est pas suivie"),
    "scheme": gettext_lazy("https est nécessaire"),
    "secret": gettext_lazy("le secret ne peut plus être lu : donnez-en un nouveau"),
    "status": gettext_lazy("refusé par le destinataire"),
    "timeout": gettext_lazy("pas de réponse complète en 10 secondes"),
    "tls": gettext_lazy("certificat ou TLS non valable"),
    "too_long": gettext_lazy("adresse trop longue"),
    "unresolved": gettext_lazy("nom de domaine introuvable"),
    "userinfo": gettext_lazy("l'adresse contient un mot de passe"),
}


class Webhooks(Page):
    """`/webhooks`: the endpoints that the agent manages, by organisation."""

    def get(self, request: HttpRequest) -> HttpResponse:
        endpoints = WebhookEndpoint.objects.managed_by(request.user).select_related("organisation")
        page = Paginator(endpoints.order_by("organisation__name", "pk"), PER_PAGE).get_page(request.GET.get("page"))
        return render(request, "webhooks/webhooks.html", {"page": page, "lines": described(page)})


class LogForm(PeriodForm):
    """Days, both included; and what became of it."""

    state = forms.ChoiceField(label=gettext_lazy("État"), required=False)
    event = forms.ChoiceField(label=gettext_lazy("Événement"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        every = ("", _("Tous"))
        self._choices("state", [every, *Delivery.State.choices])
        self._choices("event", [every, *EVENTS.items()])

    def _choices(self, name: str, choices: Iterable[tuple[str, Any]]) -> None:
        field: Any = self.fields[name]
        field.choices = choices

    @property
    def asked(self) -> dict[str, str]:
        """What is chosen, as an address has it."""
        return {name: self.data[name] for name in self.fields if self.data.get(name)}

    def narrow(self, deliveries: DeliveryQuerySet) -> DeliveryQuerySet:
        chosen = self.cleaned_data
        deliveries = deliveries.filter(created_at__gte=chosen["since"]) if chosen["since"] else deliveries
        deliveries = deliveries.filter(created_at__lt=chosen["until"]) if chosen["until"] else deliveries
        deliveries = deliveries.filter(state=chosen["state"]) if chosen["state"] else deliveries
        return deliveries.filter(event__event=chosen["event"]) if chosen["event"] else deliveries


class OfOne(Page):
    """What is about one endpoint; 404 for one that the agent does not manage, as for none."""

    def endpoint(self, pk: int, rows: Any = None) -> WebhookEndpoint:
        rows = WebhookEndpoint.objects.select_related("organisation") if rows is None else rows
        found: WebhookEndpoint | None = rows.managed_by(self.request.user).filter(pk=leading_integer(pk)).first()
        if found is None:
            raise Http404
        return found

    def held(self, pk: int) -> WebhookEndpoint:
        """The same, which nobody else changes before the transaction ends."""
        return self.endpoint(pk, WebhookEndpoint.objects.select_for_update(no_key=True))


class Log(OfOne):
    """`/webhooks/…`: what was sent there, the newest first, each with its attempts."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        endpoint, form = self.endpoint(pk), LogForm(request.GET)
        deliveries: Any = Delivery.objects.filter(endpoint=endpoint)
        deliveries = form.narrow(deliveries) if form.is_valid() else deliveries.none()
        rows = deliveries.select_related("event").defer("event__body").order_by("-pk")
        page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
        (line,) = described([endpoint])
        context = {
            "line": line,
            "form": form,
            "page": page,
            "entries": told(page),
            "asked": form.asked,
            "query": f"{urlencode(form.asked)}&" if form.asked else "",
        }
        return render(request, "webhooks/log.html", context, status=200 if form.is_valid() else 422)


class Try(OfOne):
    """`/webhooks/…/essai`: a ping."""

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        delivery = self.change(lambda: outbox.ping(self.held(pk)))
        messages.success(request, _("Un essai est parti : rechargez cette page pour voir la réponse."))
        return redirect(f"{reverse('webhook', args=[delivery.endpoint_id])}?event=ping")


class Enable(OfOne):
    """`/webhooks/…/activer`: what happened meanwhile is sent too."""

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        def enable() -> int:
            endpoint = self.held(pk)
            if not endpoint.active:
                endpoint.switch_on()
                endpoint.save()
            return outbox.offer_again(endpoint)

        count = self.change(enable)
        sentence = ngettext(
            "Le webhook est actif. %(count)d événement resté en attente va partir.",
            "Le webhook est actif. %(count)d événements restés en attente vont partir.",
            count,
        )
        messages.success(request, sentence % {"count": count})
        return redirect("webhook", pk=pk)


class SendAgain(OfOne):
    """`/webhooks/…/renvoyer`: one delivery, or all that failed, the oldest first."""

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        def again() -> int:
            deliveries = Delivery.objects.filter(endpoint=self.endpoint(pk))
            if "delivery" in request.POST:
                return deliveries.filter(pk=leading_integer(request.POST["delivery"])).send_again()
            failed = deliveries.filter(state=Delivery.State.FAILED).order_by("event")
            return Delivery.objects.filter(pk__among=[*failed.values_list("pk", flat=True)[:AT_ONCE]]).send_again()

        count = self.change(again)
        sentence = ngettext("%(count)d envoi va repartir.", "%(count)d envois vont repartir.", count)
        messages.success(request, sentence % {"count": count})
        return redirect("webhook", pk=pk)


# In words.


def described(endpoints: Iterable[WebhookEndpoint]) -> list[dict[str, Any]]:
    """What a page says of each endpoint."""
    endpoints = list(endpoints)
    of_interest = (Delivery.State.PENDING, Delivery.State.FAILED, Delivery.State.CANCELLED)
    counted = (
        Delivery.objects.filter(endpoint__in=endpoints, state__in=of_interest)
        .order_by()
        .values_list("endpoint", "state", "event__model")
        .annotate(count=Count("pk"))
    )
    unwanted = {one.pk: one.unwanted for one in endpoints}
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for endpoint, state, model, count in counted:
        if state != Delivery.State.CANCELLED or model not in unwanted[endpoint]:  # as enabling it offers them
            counts[endpoint][state] += count
    return [{"endpoint": one, "counts": counts[one.pk], **_state_of(one)} for one in endpoints]


def _state_of(endpoint: WebhookEndpoint) -> dict[str, str]:
    if not endpoint.active:
        return {"state": "revoked", "state_name": _("Désactivé"), "why": endpoint.get_disabled_why_display()}
    if endpoint.failing_since:
        return {"state": "deactivated", "state_name": _("En échec"), "why": ""}
    return {"state": "active", "state_name": _("Actif"), "why": ""}


def told(deliveries: Iterable[Delivery]) -> list[dict[str, Any]]:
    """What a page says of each delivery, with its attempts."""
    deliveries = list(deliveries)
    tries: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for attempt in Attempt.objects.filter(delivery__in=deliveries).order_by("pk"):
        said = str(ERRORS.get(attempt.error, attempt.error))
        tries[attempt.delivery_id].append({"attempt": attempt, "error": said})
    looks = {Delivery.State.DELIVERED: "active", Delivery.State.FAILED: "revoked"}
    return [
        {
            "delivery": one,
            "what": EVENTS.get(one.event.event, one.event.event),
            "look": looks.get(one.state, "deactivated"),
            "tries": tries[one.pk],
            "over": one.state != Delivery.State.PENDING,
        }
        for one in deliveries
    ]
