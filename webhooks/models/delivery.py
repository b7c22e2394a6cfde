"""What came of telling an endpoint of an event: the work of the worker, and the log that its subscriber reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from rdv.api.statements import SavedAlike

from .endpoint import WebhookEndpoint
from .event import Event

if TYPE_CHECKING:
    from agents.models import Agent

LONGEST_ANSWER = 1000  # characters of an answer that are kept


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def visible_to(self, agent: Agent) -> DeliveryQuerySet:
        """What was sent to the endpoints that `agent` manages: others do not see all that is told to them."""
        return self.filter(endpoint__in=WebhookEndpoint.objects.managed_by(agent).order_by())

    def for_wire(self) -> DeliveryQuerySet:
        return self.order_by("-pk")

    def send_again(self) -> int:
        """Whatever came of them, these are sent once more, by the same ids; how many. What is still to be sent is left
        as it is.
        """
        over = self.exclude(state=Delivery.State.PENDING)
        again = {"state": Delivery.State.PENDING, "attempts": 0, "next_at": timezone.now(), "delivered_at": None}
        return int(over.update(**again, locked_until=None, claimed_by=""))


class Delivery(SavedAlike):
    """One event for one endpoint. Made with the event, in its transaction: `pending`, due at once; or `cancelled`, when
    the endpoint is not active. From there on it is the worker's: it takes what is due (`next_at`) and free
    (`locked_until`, `claimed_by`), of each endpoint and object (`about`) the oldest event first.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("à envoyer")
        DELIVERED = "delivered", _("reçu")
        # Tried for the last time, in vain. Can be sent again.
        FAILED = "failed", _("échoué")
        # Nobody wants it any more: too old, or not subscribed to when it was due.
        DROPPED = "dropped", _("abandonné")
        # The endpoint was not active; enabling it offers it again.
        CANCELLED = "cancelled", _("annulé")

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries")
    # Without a constraint: a change never fails, nor waits, because somebody deletes an endpoint meanwhile. What is
    # left over of it is nobody's (the worker joins the endpoint), and goes with the purge.
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.CASCADE, db_constraint=False, related_name="deliveries"
    )
    # The object, "Absence:31": its events go in order.
    about = models.CharField(max_length=60)
    state = models.CharField(_("état"), max_length=9, choices=State.choices, default=State.PENDING)
    attempts = models.PositiveIntegerField(_("essais"), default=0)
    next_at = models.DateTimeField(default=timezone.now)
    locked_until = models.DateTimeField(null=True)
    claimed_by = models.CharField(max_length=60, blank=True)
    delivered_at = models.DateTimeField(_("reçu le"), null=True)
    created_at = models.DateTimeField(_("créé le"), default=timezone.now)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        ordering = ("pk",)
        constraints = (models.UniqueConstraint(fields=("endpoint", "event"), name="webhook_event_once_for_endpoint"),)
        indexes = (
            # What is due to an endpoint; whether an older one about the same is still to be sent; the log, by state.
            models.Index(fields=("endpoint", "next_at", "id"), name="webhook_due_there", condition=Q(state="pending")),
            models.Index(fields=("endpoint", "about", "event"), name="webhook_in_turn", condition=Q(state="pending")),
            models.Index(fields=("endpoint", "state", "id"), name="webhook_log"),
        )

    def __str__(self) -> str:
        return f"{self.event_id} → {self.endpoint_id} : {self.state}"


class Attempt(SavedAlike):
    """One try of a delivery. `status`: the answer's, null when there was none; then `error` says why, in a code."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField(_("quand"), default=timezone.now)
    status = models.PositiveSmallIntegerField(_("statut"), null=True)
    duration = models.PositiveIntegerField(_("durée (ms)"))
    answer = models.CharField(_("réponse"), max_length=LONGEST_ANSWER, blank=True)
    error = models.CharField(_("erreur"), max_length=100, blank=True)

    class Meta:
        default_permissions = ()
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.delivery_id} : {self.status or self.error}"
