"""Deliveries made to order, and a worker that sends them."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from django.db import connections
from django.utils import timezone

from agents.models import Organisation
from tests.factories import OrganisationFactory
from webhooks.backfill import advance
from webhooks.delivery import worker as worker_module
from webhooks.delivery.worker import Worker
from webhooks.models import Delivery, Event, WebhookEndpoint
from webhooks.sending import Sender

from .receiver import SECRET

_numbers = itertools.count(1)


def endpoint_at(url: str, organisation: Organisation | None = None, secret: str = SECRET, **values: Any) -> Any:
    endpoint = WebhookEndpoint(organisation=organisation or OrganisationFactory(), target_url=url, **values)
    endpoint.give_secret(secret)
    endpoint.save()
    return endpoint


def event(object_id: int | None = None, body: str = "", **values: Any) -> Event:
    number = next(_numbers)
    values = {"model": "Absence", "event": "updated", "object_version": number} | values
    object_id = number if object_id is None else object_id
    return Event.objects.create(object_id=object_id, body=body or f'{{"data":{{"n":{number}}}}}', **values)


def delivery(
    endpoint: WebhookEndpoint, object_id: int | None = None, of: Event | None = None, **values: Any
) -> Delivery:
    of = of or event(object_id)
    about = f"{of.model}:{of.object_id}"
    return Delivery.objects.create(endpoint=endpoint, event=of, about=about, **values)


class WorkerOfThisTest(Worker):
    """Asks the database within the test's own transaction; with connections of its own, in tests/torture."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.connection = connections["default"]

    async def in_database(self, work: Any, *args: Any) -> Any:
        return await super().in_database(self._borrowing, work, *args)

    def _borrowing(self, work: Any, *args: Any) -> Any:
        if work is worker_module._hang_up:
            return None
        self.connection.inc_thread_sharing()
        connections["default"] = self.connection
        try:
            return work(*args)
        finally:
            del connections["default"]
            self.connection.dec_thread_sharing()


def work(patience: float = 10, **options: Any) -> Worker:
    """A worker that has sent all that is due, and has ended."""
    worker = WorkerOfThisTest(sender=lambda: Sender(patience=patience), **options)
    asyncio.run(worker.run(until_idle=True))
    return worker


def send_everything_again() -> int:
    """What was asked for by those that were made or changed; how many batches."""
    count = 0
    while advance():
        count += 1
    return count


def time_passes() -> None:
    """Until all that waits is due, and no lease holds."""
    Delivery.objects.filter(state="pending").update(next_at=timezone.now(), locked_until=None)


def states() -> list[str]:
    return list(Delivery.objects.order_by("event").values_list("state", flat=True))
