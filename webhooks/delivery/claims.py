"""What is due, and what came of it: the outbox as its workers see it, in short transactions.

A worker *claims* deliveries, for the time of a lease, sends them outside of any transaction, and *records* what came of
them. One that is killed in between loses nothing: the lease ends, and another one sends the same event by the same id.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from webhooks.models import Attempt, Delivery, Tally, WebhookEndpoint
from webhooks.models.delivery import LONGEST_ANSWER
from webhooks.sending import Outcome
from webhooks.signing import signed

from .due import due, in_turn
from .schedule import ATTEMPTS, rest_asked, wait_after

LEASE = datetime.timedelta(seconds=30)  # ten for the receiver, the rest for a database that is busy


@dataclass(frozen=True, slots=True)
class Work:
    """A delivery that was claimed, with all that it takes to send it. `attempts`: how many there were."""

    delivery: int
    endpoint: int
    attempts: int
    url: str
    secrets: Sequence[str]
    id: str
    sequence: int
    object_version: int | None
    body: bytes

    def headers(self, timestamp: int) -> dict[str, str]:
        """Of an attempt at this time; the rest of them is the same each time."""
        headers = signed(self.secrets, self.id, timestamp, self.body)
        headers["webhook-sequence"] = str(self.sequence)
        if self.object_version is not None:
            headers["webhook-object-version"] = str(self.object_version)
        return headers


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it, and when it was over."""

    work: Work
    outcome: Outcome
    at: datetime.datetime


def claim(worker: str, room: int, room_of: Callable[[int], int], turn: int = 0) -> list[Work]:
    """Deliveries that are now `worker`'s, `room` at most, and of each endpoint as many as `room_of` has for it. The
    endpoints are asked in turn, beginning with another one each `turn`. Nothing is written where nothing is due.
    """
    now = timezone.now()
    waiting = due(now).filter(endpoint=OuterRef("pk"))
    endpoints = {each.pk: each for each in WebhookEndpoint.objects.filter(Exists(waiting), active=True).order_by("pk")}
    order = list(endpoints)
    if order:
        start = turn % len(order)
        order = order[start:] + order[:start]
    chosen: list[int] = []
    for pk in order:
        share = min(room_of(pk), room - len(chosen))
        if share > 0:
            rows = in_turn(due(now).filter(endpoint=pk)).order_by("next_at", "pk")
            chosen += rows.values_list("pk", flat=True)[:share]
    if not chosen:
        return []
    with transaction.atomic():
        held = list(
            due(now).filter(pk__in=chosen).select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True)
        )
        mine = Delivery.objects.filter(pk__in=held)
        mine.update(locked_until=now + LEASE, claimed_by=worker)
        rows = mine.order_by("next_at", "pk").values_list(
            "pk",
            "endpoint",
            "attempts",
            "event__name",
            "event",
            "event__object_version",
            "event__body",
        )
        secrets = {pk: endpoints[pk].signing_secrets() for pk in {row[1] for row in rows}}
        return [
            Work(pk, endpoint, attempts, endpoints[endpoint].target_url, secrets[endpoint], name, event, version,
                 body.encode())
            for pk, endpoint, attempts, name, event, version, body in rows
        ]  # fmt: skip


@transaction.atomic
def record(worker: str, done: Iterable[Done]) -> None:
    """What came of deliveries that `worker` has claimed. Of those that it has lost since (a lease that ended, an
    endpoint that was deleted) nothing is kept: whoever has them now sends them again, by the same id.
    """
    by_pk = {one.work.delivery: one for one in done}
    held = set(
        Delivery.objects.filter(pk__in=by_pk, claimed_by=worker)
        .order_by("pk")
        .select_for_update(no_key=True)
        .values_list("pk", flat=True)
    )
    if not held:
        return
    kept = [by_pk[pk] for pk in sorted(held)]
    Attempt.insert_all(
        [
            {
                "delivery_id": one.work.delivery,
                "at": one.at - datetime.timedelta(seconds=one.outcome.seconds),
                "status": one.outcome.status,
                "duration": round(one.outcome.seconds * 1000),
                "answer": one.outcome.answer[:LONGEST_ANSWER],
                "error": one.outcome.error,
            }
            for one in kept
        ]
    )
    over = {"attempts": F("attempts") + 1, "locked_until": None, "claimed_by": ""}
    received = [one for one in kept if one.outcome.succeeded]
    if received:
        rows = Delivery.objects.filter(pk__in=[one.work.delivery for one in received])
        rows.update(state=Delivery.State.DELIVERED, delivered_at=max(one.at for one in received), **over)
    failed = [one for one in kept if not one.outcome.succeeded]
    if failed:
        endpoints = {one.work.endpoint for one in failed}
        active = set(WebhookEndpoint.objects.filter(pk__in=endpoints, active=True).values_list("pk", flat=True))
        for one in failed:
            rows = Delivery.objects.filter(pk=one.work.delivery)
            if one.work.attempts + 1 >= ATTEMPTS:
                rows.update(state=Delivery.State.FAILED, **over)
            elif one.work.endpoint not in active:
                rows.update(state=Delivery.State.CANCELLED, **over)
            else:
                rows.update(next_at=next_try(one), **over)
    if settings.RDV_METRICS_TOKEN:
        given_up = sum(one.work.attempts + 1 >= ATTEMPTS for one in failed)
        Tally.add({Delivery.State.DELIVERED: len(received), Delivery.State.FAILED: given_up})


def next_try(one: Done) -> datetime.datetime:
    rest = rest_asked(one.outcome.status, one.outcome.retry_after, one.at)
    return one.at + max(wait_after(one.work.attempts + 1), rest)
