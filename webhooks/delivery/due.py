"""What is due, and may be sent now."""

from __future__ import annotations

import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from webhooks.models import Delivery

# An event waits for those before it about the same object, but not for one that failed as often as this (a quarter of
# an hour): a receiver that cannot take one would never hear of the next.
HELD_UP = 5

PENDING = Delivery.State.PENDING


def free(now: datetime.datetime) -> Q:
    """Of the deliveries, those that no worker is at."""
    return Q(locked_until=None) | Q(locked_until__lte=now)


def due(now: datetime.datetime) -> QuerySet[Delivery]:
    return Delivery.objects.filter(free(now), state=PENDING, next_at__lte=now)


def in_turn(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Those that need not wait for an older event about the same object, to the same endpoint."""
    older = Delivery.objects.filter(
        endpoint=OuterRef("endpoint"),
        about=OuterRef("about"),
        event__lt=OuterRef("event"),
        state=PENDING,
        attempts__lt=HELD_UP,
    )
    return deliveries.filter(~Exists(older))
