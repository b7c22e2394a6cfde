"""Where an organisation wants to be told of what happens in it: list, create, update (contract 4.10), and ours: show,
delete, test, enable, rotate.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from agents.models import Organisation
from rdv.api.conditional import refuse_stale
from rdv.api.errors import Forbidden, Invalid, RecordNotFound, WireError
from rdv.api.filters import TextFilter, WireFilters
from rdv.api.messages import TOO_LONG, blank
from rdv.api.pagination import Fetch
from rdv.api.parsers import MAX_ID, leading_integer
from rdv.api.registry import Answer, Described, Example, Group, Operation, Parameter
from rdv.api.renderers import Representation
from rdv.api.schema import Shape, choice, integer, named, nullable, obj, text
from rdv.api.turns import without_turn
from rdv.api.views import ResourceViewSet

from . import backfill, outbox
from .models import Attempt, Delivery, WebhookEndpoint
from .models.endpoint import LONGEST_SECRET, new_secret
from .serializers import SHAPE, WEBHOOK_ENDPOINT, BooleanField, WebhookEndpointSerializer

PATIENCE = 12.0  # seconds: the worker waits 10 for the receiver
PULSE = 0.2

TERRITORY = _("Un administrateur du territoire de l'organisation.")
ORGANISATION = Parameter(
    "organisation_id",
    _("L'organisation."),
    {"type": "integer", "minimum": 1, "maximum": MAX_ID, "example": 1},
    place="path",
    required=True,
)
SAMPLE_DELIVERY = {"id": 12, "event": "evt_01JCT5V5G0ZQ7M3N9R8B2K4D6E", "state": "delivered", "status": 200}
SAMPLE_DELIVERY |= {"error": None, "answer": "ok", "duration_ms": 48}
DELIVERY = Shape(
    "WebhookTest",
    _("Un envoi d'essai, et ce qu'il en est."),
    {
        "id": integer(_("L'identifiant de l'envoi.")),
        "event": text(_("L'identifiant de l'événement, que l'en-tête `webhook-id` porte.")),
        "state": choice(*Delivery.State.values, about=_("Où il en est.")),
        "status": nullable(integer(_("Le statut de la réponse, au dernier essai."))),
        "error": nullable(text(_("Pourquoi il n'y a pas eu de réponse."))),
        "answer": nullable(text(_("Le début de la réponse."))),
        "duration_ms": nullable(integer(_("Combien de temps elle a pris."))),
    },
)


class EndpointNotFound(RecordNotFound):
    def __init__(self, key: object) -> None:
        super().__init__("webhook_endpoint", key)

    def body(self) -> dict[str, Any]:
        return {"success": False, "errors": [f"Couldn't find WebhookEndpoint with 'id'={self.key}"]}


class WebhookEndpointFilters(WireFilters):
    target_url = TextFilter(field_name="target_url", help_text=_("De cette adresse exactement."))

    class Meta:
        model = WebhookEndpoint
        fields = ()


class WebhookEndpoints(ResourceViewSet):
    group = Group(
        "webhook_endpoints",
        _("Webhooks"),
        _(
            "Les adresses auxquelles une organisation fait dire ce qui change : chaque changement y est envoyé, signé, "
            "et renvoyé tant qu'il n'est pas reçu."
        ),
    )
    operations = {
        "list": Described(
            _("Lister les webhooks d'une organisation"),
            _("Leurs adresses et leurs abonnements, sans leur secret."),
            _("Tout agent de l'organisation."),
            errors=(RecordNotFound("organisation", 0),),
            limits=_("100 par page."),
            examples=(Example(_("Ceux de la première organisation"), {"organisation_id": 1}),),
        ),
        "create": Described(
            _("Créer un webhook"),
            _(
                "Tout ce à quoi il est abonné lui est ensuite envoyé, comme si cela venait d'être créé, sauf avec "
                "trigger=false."
            ),
            TERRITORY,
            errors=(RecordNotFound("organisation", 0),),
            examples=(
                Example(
                    _("Pour les absences"),
                    {
                        "organisation_id": 1,
                        "target_url": "https://partenaire.example/hooks",
                        "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                        "subscriptions": ["absence"],
                    },
                ),
            ),
        ),
        "retrieve": Described(
            _("Montrer un webhook"),
            _("Son adresse, ses abonnements, et s'il est actif ; sans son secret."),
            _("Tout agent de l'organisation, et les administrateurs de son territoire."),
            examples=(Example(_("L'un de ceux de la première organisation"), {"organisation_id": 1, "id": 1}),),
        ),
        "update": Described(
            _("Modifier un webhook"),
            _(
                "Il passe à l'organisation de l'adresse, où l'on doit être administrateur, ou de son territoire. Tout "
                "ce à quoi il est abonné est renvoyé, sauf avec trigger=false. Un nouveau secret vaut aussitôt seul : "
                "pour une transition, voyez rotate."
            ),
            _("Un agent de son organisation qui est administrateur du territoire."),
            errors=(RecordNotFound("organisation", 0),),
            examples=(
                Example(
                    _("Changer d'abonnements, sans rien renvoyer"),
                    {"organisation_id": 1, "id": 1, "subscriptions": ["absence", "agent"], "trigger": False},
                ),
            ),
        ),
        "destroy": Described(
            _("Supprimer un webhook"),
            _("Rien ne lui est plus envoyé, et ses envois sont oubliés."),
            TERRITORY,
            examples=(Example(_("L'un de ceux de la première organisation"), {"organisation_id": 1, "id": 1}),),
        ),
        "enable": Described(
            _("Remettre un webhook en service"),
            _(
                "Ce qui change est de nouveau envoyé. `backlog` dit combien d'événements n'ont pas été envoyés "
                "entre-temps ; avec backlog=true, ils le sont maintenant."
            ),
            TERRITORY,
            parameters=(
                Parameter(
                    "backlog",
                    _("true : envoyer aussi ce qui ne l'a pas été entre-temps."),
                    BooleanField.schema,
                    place="body",
                ),
            ),
            answers={
                200: Answer(
                    _("Tel qu'il est maintenant, et ce qui n'a pas été envoyé."),
                    named({"webhook_endpoint": SHAPE, "backlog": integer(_("Combien d'événements."))}),
                    lambda: {"webhook_endpoint": WEBHOOK_ENDPOINT.example(), "backlog": 3},
                ),
            },
            examples=(Example(_("Avec ce qui a été manqué"), {"organisation_id": 1, "id": 1, "backlog": True}),),
        ),
        "rotate": Described(
            _("Changer le secret d'un webhook"),
            _(
                "Le nouveau secret signe aussitôt ; l'ancien signe aussi, à côté, jusqu'à `former_secret_until`. Sans "
                "`secret`, le serveur en tire un, qu'il ne montre qu'ici."
            ),
            TERRITORY,
            parameters=(
                Parameter(
                    "secret",
                    _("Le nouveau secret ; tiré au hasard quand rien n'est dit."),
                    text(maxLength=LONGEST_SECRET),
                    place="body",
                ),
            ),
            errors=(Invalid({"secret": [blank()]}),),
            examples=(Example(_("Un secret tiré par le serveur"), {"organisation_id": 1, "id": 1}),),
        ),
        "test": Described(
            _("Essayer un webhook"),
            _(
                "Envoie un événement `ping`, signé comme les autres. Avec wait=true, la réponse attend celle du "
                "destinataire, une dizaine de secondes au plus. Un webhook désactivé ne le reçoit qu'une fois remis en "
                "service."
            ),
            TERRITORY,
            parameters=(Parameter("wait", _("true : attendre ce qu'il en est."), BooleanField.schema, place="body"),),
            answers={
                200: Answer(_("L'envoi."), obj("", delivery=DELIVERY), lambda: {"delivery": SAMPLE_DELIVERY}),
            },
            examples=(Example(_("Et attendre la réponse"), {"organisation_id": 1, "id": 1, "wait": True}),),
        ),
    }
    resource = "webhooks"
    model = WebhookEndpoint
    representation: Representation = WEBHOOK_ENDPOINT
    serializer_class = WebhookEndpointSerializer
    filters = WebhookEndpointFilters
    told_once = ("rotate",)
    sorts = {"id": "id", "target_url": "target_url", "created_at": "created_at", "updated_at": "updated_at"}

    @classmethod
    def described_parameters(cls, operation: Operation) -> Iterator[Parameter]:
        yield ORGANISATION
        yield from super().described_parameters(operation)

    @classmethod
    def described_errors(cls, operation: Operation) -> Iterator[WireError]:
        if operation.action in ("enable", "rotate", "test"):
            yield from (Forbidden(), cls.not_found(0))
        yield from super().described_errors(operation)

    @classmethod
    def not_found(cls, pk: int) -> RecordNotFound:
        return EndpointNotFound(pk)

    @property
    def organisation(self) -> int:
        """That of the address."""
        return leading_integer(self.kwargs["organisation_id"])

    # ── Which ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def list(self, request: Request, organisation_id: str = "") -> Response:
        if self.organisation not in request.user.reach.organisations:
            raise RecordNotFound("organisation", self.organisation)
        return super().list(request)

    def rows(self, queryset: Any) -> Fetch:
        return super().rows(queryset.filter(organisation=self.organisation))

    def create(self, request: Request, organisation_id: str = "") -> Response:
        return super().create(request)

    def retrieve(self, request: Request, pk: str, organisation_id: str = "") -> Response:
        return super().retrieve(request, pk)

    def update(self, request: Request, pk: str, organisation_id: str = "") -> Response:
        return super().update(request, pk)

    partial_update = update

    def destroy(self, request: Request, pk: str, organisation_id: str = "") -> Response:
        return super().destroy(request, pk)

    def _row(self, pk: int) -> tuple[Any, ...]:
        """Raises the 404 of what the caller does not see: of an endpoint, nobody else learns that it is there."""
        rows = self.model.objects.visible_to(self.request.user).filter(pk=pk, organisation=self.organisation)
        row = rows.for_wire().values_list(*self.representation.columns).first()
        if row is None:
            raise self.not_found(pk)
        self.row_version = f"{pk}.{row[self.representation.columns.index('version')]}"
        return cast("tuple[Any, ...]", row)

    def _instance(self, pk: str) -> WebhookEndpoint:
        """The endpoint to change, locked. An update knows those of the caller's organisations, wherever the address
        moves them (contract 3.3); the rest those of the address.
        """
        number, reach = leading_integer(pk), self.request.user.reach
        moving = self.action in ("update", "partial_update")
        where = reach.organisations if moving else set(reach.named) & {self.organisation}
        endpoint = self._locked().filter(pk=number, organisation__among=sorted(where)).first()
        if endpoint is None:
            raise self.not_found(number)
        if moving and self.organisation != endpoint.organisation_id:
            self._look_where_it_goes()
        if endpoint.organisation_id not in reach.territorial:
            raise self._forbidden()
        refuse_stale(self.request, endpoint)
        return endpoint

    def _look_where_it_goes(self) -> None:
        """Where it would be told of everything, its mover must know everything: the contract asks less, and would hand
        any organisation's absences to any other territory's administrator.
        """
        if self.organisation not in self.request.user.reach.informed:
            if not Organisation.objects.filter(pk=self.organisation).exists():
                raise RecordNotFound("organisation", self.organisation)
            raise self._forbidden()

    # ── Changes ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _serializer(self, instance: Any) -> Any:
        context = {"request": self.request, "organisation": self.organisation}
        return self.serializer_class(instance, data=self.params, context=context)

    def _create(self) -> Response:
        if self.organisation not in self.request.user.reach.territorial:
            if not Organisation.objects.filter(pk=self.organisation).exists():
                raise RecordNotFound("organisation", self.organisation)
            raise self._forbidden()
        return super()._create()

    def _save(self, serializer: Any) -> Response:
        response, endpoint = super()._save(serializer), serializer.instance
        if not endpoint.active:
            outbox.hold_back(endpoint)
        elif serializer.trigger_all:
            backfill.ask(endpoint)
        return response

    def enable(self, request: Request, pk: str, organisation_id: str) -> Response:
        self._ask_of_one()
        return self._once(lambda: self._enable(self._instance(pk)))

    def _enable(self, endpoint: WebhookEndpoint) -> Response:
        if not endpoint.active or endpoint.failing_since:
            endpoint.switch_on()
            endpoint.save()
        wanted = self._wants("backlog")
        count = outbox.offer_again(endpoint) if wanted else outbox.held_back(endpoint).count()
        self._hold_rights()
        response = self._answer(self._row(endpoint.pk))
        response.data["backlog"] = count
        return response

    def rotate(self, request: Request, pk: str, organisation_id: str) -> Response:
        self._ask_of_one()
        return self._once(lambda: self._rotate(self._instance(pk)))

    def _rotate(self, endpoint: WebhookEndpoint) -> Response:
        given, secret = self.params.get("secret"), (self.params.text("secret") or "").strip()
        if given not in (None, "") and not secret:
            raise Invalid({"secret": [blank()]})
        if len(secret) > LONGEST_SECRET:
            failure = ValidationError(TOO_LONG, code="too_long", params={"count": LONGEST_SECRET})
            raise Invalid({"secret": [failure]})
        endpoint.give_secret(secret or new_secret(), settings.RDV_WEBHOOKS_SECRET_OVERLAP)
        endpoint.save()
        self._hold_rights()
        response = self._answer(self._row(endpoint.pk))
        if not secret:
            response.data[self.representation.singular]["secret"] = endpoint.signing_secrets()[0]
        response["Cache-Control"] = "no-store"
        return response

    def test(self, request: Request, pk: str, organisation_id: str) -> Response:
        self._ask_of_one()
        answer = self._once(lambda: self._test(self._instance(pk)))
        if self._wants("wait") and (answer.data or {}).get("delivery", {}).get("state") == Delivery.State.PENDING:
            answer.data = {"delivery": self._awaited(answer.data["delivery"]["id"])}
        return answer

    def _test(self, endpoint: WebhookEndpoint) -> Response:
        delivery = outbox.ping(endpoint)
        self._hold_rights()
        return Response({"delivery": _shown(delivery)})

    def _awaited(self, delivery: int) -> dict[str, Any]:
        """What came of a delivery; or that nothing did yet."""
        until = time.monotonic() + PATIENCE
        while not Attempt.objects.filter(delivery=delivery).exists() and time.monotonic() < until:
            with without_turn():
                time.sleep(PULSE)
        return _shown(Delivery.objects.select_related("event").get(pk=delivery))

    def _wants(self, name: str) -> bool:
        sent = self.params.get(name)
        return sent not in (None, "") and BooleanField().to_internal_value(sent)


def _shown(delivery: Delivery) -> dict[str, Any]:
    last = delivery.tries.order_by("pk").last()
    return {
        "id": delivery.pk,
        "event": delivery.event.name,
        "state": delivery.state,
        "status": last and last.status,
        "error": (last and last.error) or None,
        "answer": last and last.answer,
        "duration_ms": last and last.duration,
    }
