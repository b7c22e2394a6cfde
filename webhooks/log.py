"""What was sent to an endpoint, each attempt and what came of it, for its subscriber to read; and sending it again."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from rdv.api.errors import Forbidden, WireError
from rdv.api.filters import IdFilter, InstantFilter, TextFilter, WireFilters, filtered
from rdv.api.pagination import Fetch
from rdv.api.parsers import leading_integer
from rdv.api.registry import Answer, Described, Example, Group, Operation, Parameter
from rdv.api.renderers import Representation
from rdv.api.schema import INSTANT, Shape, array, choice, integer, named, nullable, obj, text
from rdv.api.times import wire_datetime
from rdv.api.views import ResourceViewSet

from .models import Attempt, Delivery, Event, WebhookEndpoint
from .views import ORGANISATION, TERRITORY, EndpointNotFound

AT_ONCE = 10_000  # deliveries that one call sends again

COLUMNS = (
    *("id", "event__name", "event__model", "event__object_id", "event__object_version", "event__event", "event_id"),
    *("state", "attempts", "next_at", "delivered_at", "created_at"),
)


def render_delivery(
    id: int,
    name: str,
    model: str,
    object_id: int,
    object_version: int | None,
    what: str,
    sequence: int,
    state: str,
    attempts: int,
    next_at: datetime.datetime,
    delivered_at: datetime.datetime | None,
    created_at: datetime.datetime,
) -> dict[str, Any]:
    """A delivery; the arguments are `COLUMNS`. Its attempts are put in afterwards, for a whole page at once."""
    return {
        "id": id,
        "attempts": attempts,
        "created_at": wire_datetime(created_at),
        "delivered_at": wire_datetime(delivered_at) if delivered_at else None,
        "event": what,
        "event_id": name,
        "model": model,
        "next_at": wire_datetime(next_at) if state == Delivery.State.PENDING else None,
        "object_id": object_id,
        "object_version": object_version,
        "sequence": sequence,
        "state": state,
        "tries": [],
    }


def render_attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "at": wire_datetime(attempt.at),
        "status": attempt.status,
        "error": attempt.error or None,
        "duration_ms": attempt.duration,
        "answer": attempt.answer,
    }


TRY = obj(
    "",
    at=INSTANT,
    status=nullable(integer(_("Le statut de la réponse ; null quand il n'y en a pas eu."))),
    error=nullable(text(_("Pourquoi l'essai a échoué, en un code : timeout, connection, tls, status, redirect…"))),
    duration_ms=integer(_("Combien de temps il a pris, en millisecondes.")),
    answer=text(_("Le début de la réponse.")),
)
SHAPE = Shape(
    "WebhookDelivery",
    _("Un événement envoyé à un webhook, et chaque essai."),
    {
        "id": integer(_("Son identifiant.")),
        "attempts": integer(_("Combien d'essais, depuis le début ou depuis qu'il a été renvoyé.")),
        "created_at": INSTANT,
        "delivered_at": nullable(INSTANT),
        "event": choice(*Event.What.values, about=_("Ce qui est arrivé.")),
        "event_id": text(_("L'identifiant de l'événement, que l'en-tête `webhook-id` porte à chaque essai.")),
        "model": text(_("Le genre de l'objet.")),
        "next_at": nullable(INSTANT),
        "object_id": integer(_("L'objet.")),
        "object_version": nullable(integer(_("Sa version."))),
        "sequence": integer(_("Grandit d'un événement d'un objet au suivant.")),
        "state": choice(*Delivery.State.values, about=_("Où il en est.")),
        "tries": array(TRY, _("Chaque essai, du premier au dernier.")),
    },
)
WHEN = datetime.datetime(2026, 11, 16, 9, tzinfo=datetime.UTC)
DELIVERY = Representation(
    "delivery",
    "deliveries",
    COLUMNS,
    lambda base, *row: render_delivery(*row),
    SHAPE,
    (12, "evt_01JCT5V5G0ZQ7M3N9R8B2K4D6E", "Absence", 31, 2, "updated", 57, "delivered", 1, WHEN, WHEN, WHEN),
)


class DeliveryFilters(WireFilters):
    """Each narrows the list; `from`, `to`: of what happened in that period, both days included when they are dates."""

    state = TextFilter(
        field_name="state", help_text=_("Où ils en sont : pending, delivered, failed, dropped ou cancelled.")
    )
    event = TextFilter(
        field_name="event__event", help_text=_("Ce qui est arrivé : created, updated, destroyed ou ping.")
    )
    event_id = TextFilter(field_name="event__name", help_text=_("Celui de cet événement."))
    model = TextFilter(field_name="event__model", help_text=_("D'objets de ce genre : Absence, Agent…"))
    to = InstantFilter(
        field_name="created_at", lookup_expr="lt", end_of_day=True, help_text=_("Jusqu'à ce jour ou ce moment.")
    )

    class Meta:
        model = Delivery
        fields = ()


# "from" is a word of Python, so it cannot be declared like the others.
SINCE = InstantFilter(field_name="created_at", lookup_expr="gte", help_text=_("Depuis ce jour ou ce moment."))
DeliveryFilters.base_filters["from"] = SINCE


class ReplayFilters(DeliveryFilters):
    delivery_id = IdFilter(field_name="pk", help_text=_("Cet envoi seul."))


ReplayFilters.base_filters["from"] = SINCE


class Deliveries(ResourceViewSet):
    """`…/webhook_endpoints/:id/deliveries` and `…/replay`."""

    group = Group(
        "webhook_deliveries", _("Envois des webhooks"), _("Ce qui a été envoyé à un webhook, et ce qu'il en est.")
    )
    operations = {
        "list": Described(
            _("Lire ce qui a été envoyé à un webhook"),
            _("Chaque événement avec ses essais et le début de chaque réponse, du plus récent au plus ancien."),
            TERRITORY,
            errors=(EndpointNotFound(0), Forbidden()),
            limits=_("100 par page ; ce qui a plus de 30 jours n'est pas gardé."),
            examples=(Example(_("Ce qui a échoué"), {"organisation_id": 1, "id": 1, "state": "failed"}),),
        ),
        "send_again": Described(
            _("Renvoyer à un webhook"),
            _(
                "Sans rien de plus, tout ce qui a échoué ; avec `delivery_id`, cet envoi ; avec `from` ou `to`, tout "
                "ce qui est arrivé alors, reçu ou non ; `state` n'en prend que ceux qui en sont là. Chaque événement "
                "garde son identifiant. Ce qui est encore à envoyer n'est pas touché."
            ),
            TERRITORY,
            limits=_("10 000 envois par appel, les plus anciens d'abord ; `left` dit combien il en reste."),
            answers={
                200: Answer(
                    _("Combien sont renvoyés."),
                    named(
                        {
                            "replayed": integer(_("Combien d'envois vont partir.")),
                            "left": integer(_("Combien sont restés, au-delà de ce qu'un appel renvoie.")),
                        }
                    ),
                    lambda: {"replayed": 3, "left": 0},
                )
            },
            name="replay",
            examples=(Example(_("Tout ce qui a échoué"), {"organisation_id": 1, "id": 1}),),
        ),
    }
    resource = "webhooks"
    model = Delivery
    representation = DELIVERY
    filters = DeliveryFilters
    sorts = {"id": "id"}

    @classmethod
    def described_parameters(cls, operation: Operation) -> Iterator[Parameter]:
        yield ORGANISATION
        if operation.action == "send_again":
            for name, filter in ReplayFilters.base_filters.items():
                yield Parameter(name, filter.extra.get("help_text", ""), filter.schema, place="body")
        yield from super().described_parameters(operation)

    @classmethod
    def described_errors(cls, operation: Operation) -> Iterator[WireError]:
        if operation.action == "send_again":
            yield from (Forbidden(), EndpointNotFound(0))
        yield from super().described_errors(operation)

    def list(self, request: Request, pk: str, organisation_id: str) -> Response:
        self._endpoint(pk)
        return super().list(request)

    def rows(self, queryset: Any) -> Fetch:
        return super().rows(queryset.filter(endpoint=leading_integer(self.kwargs["pk"])))

    def _shown(self, rows: Sequence[tuple[Any, ...]]) -> Sequence[dict[str, Any]]:
        shown = super()._shown(rows)
        tries: dict[int, list[dict[str, Any]]] = defaultdict(list)
        pks = [row[self.asked.reading.columns.index("id")] for row in rows]
        for attempt in Attempt.objects.filter(delivery__in=pks).order_by("pk"):
            tries[attempt.delivery_id].append(render_attempt(attempt))
        for pk, one in zip(pks, shown, strict=True):
            if "tries" in one:
                one["tries"] = tries[pk]
        return shown

    def _endpoint(self, pk: str) -> WebhookEndpoint:
        """The endpoint of the address. Raises its 404, or 403 when the caller only knows that it is there."""
        number, organisation = leading_integer(pk), leading_integer(self.kwargs["organisation_id"])
        reach = self.request.user.reach
        endpoint = WebhookEndpoint.objects.filter(pk=number, organisation=organisation).first()
        if endpoint is None or organisation not in {*reach.organisations, *reach.territorial}:
            raise EndpointNotFound(number)
        if organisation not in reach.territorial:
            raise self._forbidden()
        return endpoint

    def send_again(self, request: Request, pk: str, organisation_id: str) -> Response:
        self._ask_of_one()
        return self._once(lambda: self._send_again(pk))

    def _send_again(self, pk: str) -> Response:
        deliveries = Delivery.objects.filter(endpoint=self._endpoint(pk)).exclude(state=Delivery.State.PENDING)
        if ReplayFilters.asked(self.params):
            deliveries = filtered(deliveries, ReplayFilters, self.params, self.request)
        else:
            deliveries = deliveries.filter(state=Delivery.State.FAILED)
        chosen = list(deliveries.order_by("event").values_list("pk", flat=True)[: AT_ONCE + 1])
        left = max(deliveries.count() - AT_ONCE, 0) if len(chosen) > AT_ONCE else 0
        replayed = Delivery.objects.filter(pk__among=chosen[:AT_ONCE]).send_again()
        self._hold_rights()
        return Response({"replayed": replayed, "left": left})
