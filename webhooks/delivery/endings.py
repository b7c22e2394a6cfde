"""What ends an endpoint, and what brings it back (row I6)."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from django.conf import settings
from django.utils import timezone

from agents.record import acting_as
from rdv.api.transactions import write
from webhooks.mails import send_disabled
from webhooks.models import Delivery, WebhookEndpoint

from .claims import Done
from .due import PENDING, free

GONE = 410


def judge(done: Iterable[Done]) -> None:
    """What these outcomes mean for their endpoints: since when each fails, and which are disabled: at once by a 410,
    and by RDV_WEBHOOKS_DISABLE_DAYS of failures alone.
    """
    latest: dict[int, Done] = {}
    gone = set()
    for one in sorted(done, key=lambda one: one.at):
        latest[one.work.endpoint] = one
        if one.outcome.status == GONE:
            gone.add(one.work.endpoint)
    for endpoint in WebhookEndpoint.objects.filter(pk__in=latest, active=True):
        one = latest[endpoint.pk]
        since = endpoint.failing_since
        if endpoint.pk in gone:
            disable(endpoint.pk, WebhookEndpoint.Why.GONE)
        elif one.outcome.succeeded:
            if since is not None:
                WebhookEndpoint.objects.filter(pk=endpoint.pk).update(failing_since=None)
        elif since is None:
            WebhookEndpoint.objects.filter(pk=endpoint.pk, failing_since=None).update(failing_since=one.at)
        elif one.at - since >= datetime.timedelta(days=settings.RDV_WEBHOOKS_DISABLE_DAYS):
            disable(endpoint.pk, WebhookEndpoint.Why.FAILING)


def disable(pk: int, why: str) -> None:
    """Nothing is sent there any more; what was to be waits, cancelled, until it is enabled. Its owner has a mail."""

    def work() -> WebhookEndpoint | None:
        endpoint = WebhookEndpoint.objects.select_for_update(no_key=True).filter(pk=pk, active=True).first()
        if endpoint is not None:
            endpoint.switch_off(why)
            endpoint.save()
            cancel(endpoint)
        return endpoint

    with acting_as("webhooks_worker"):
        endpoint = write(work)
    if endpoint is not None:
        send_disabled(endpoint)


def cancel(endpoint: WebhookEndpoint) -> None:
    """What waits for an endpoint that is not active any more. What is under way is recorded by its worker."""
    rows = Delivery.objects.filter(free(timezone.now()), endpoint=endpoint, state=PENDING)
    rows.update(state=Delivery.State.CANCELLED)
