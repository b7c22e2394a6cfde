"""What happened: the outbox, written in the transaction of the change itself (row I3)."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from django.db import models
from django.utils import timezone

from rdv.api.committed import Committed, CommittedQuerySet
from rdv.api.statements import SavedAlike

if TYPE_CHECKING:
    from agents.models import Agent

PREFIX = "evt_"
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's, in the order of ASCII


def new_name() -> str:
    """A name for an event, as a ULID: 48 bits of time, in milliseconds, then 80 of chance. Sorts by time."""
    number = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    return PREFIX + "".join(_DIGITS[number >> shift & 31] for shift in range(125, -1, -5))


class EventQuerySet(CommittedQuerySet["Event"]):
    def readable_by(self, agent: Agent) -> EventQuerySet:
        """Those of the organisations that `agent` administers, and of the territories: to whom everything in them is
        open. Those who only see an endpoint do not see all that it is told.
        """
        told = Audience.objects.filter(event=models.OuterRef("pk"), organisation_id__among=agent.reach.informed)
        return self.filter(models.Exists(told))


class Event(Committed):
    """One change of one object, as it is told to everyone: kept only where somebody is subscribed.

    `name` is the `webhook-id` of each delivery and each retry. `pk` grows from event to event of one object (the change
    holds the object's row when it takes its number), so that two changes in one second can be told apart and put in
    order: `webhook-sequence`. `object_version` is the object's own `version`, where it has one; of a `destroyed` one,
    one more than its last. `body` is what is sent, byte for byte, at each attempt (UTF-8). A `ping`, and what is sent
    again because an endpoint was made or changed, are events too, for that endpoint alone: without audience, not among
    `GET /events`.
    """

    class What(models.TextChoices):
        CREATED = "created"
        UPDATED = "updated"
        DESTROYED = "destroyed"
        PING = "ping"

    name = models.CharField(max_length=30, unique=True, default=new_name)
    model = models.CharField(max_length=30)  # "Absence"
    object_id = models.BigIntegerField()
    object_version = models.PositiveIntegerField(null=True)
    event = models.CharField(max_length=10, choices=What.choices)
    webhook_reason = models.CharField(max_length=20, null=True)
    body = models.TextField()
    at = models.DateTimeField(default=timezone.now)

    objects = EventQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        ordering = ("pk",)
        indexes = (
            models.Index(fields=("transaction", "id"), name="webhook_event_order"),
            models.Index(fields=("at",), name="webhook_event_at"),
        )

    def __str__(self) -> str:
        return f"{self.name} : {self.model} {self.object_id} {self.event}"


class Audience(SavedAlike):
    """An organisation that an event is told to, by its number: who reads there may read the event again later, whatever
    became of the endpoints.
    """

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="audience")
    organisation_id = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=("organisation_id", "event"), name="webhook_event_once_in_organisation"),
        )

    def __str__(self) -> str:
        return f"{self.event_id} : {self.organisation_id}"
