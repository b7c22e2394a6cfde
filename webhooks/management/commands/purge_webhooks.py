"""`manage.py purge_webhooks`: remove what webhooks have told long enough ago."""

from __future__ import annotations

import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db.models import Exists, OuterRef
from django.utils import timezone

from rdv.api.committed import prune
from webhooks.models import Delivery, Event, WebhookEndpoint

BATCH = 1000


class Command(BaseCommand):
    help = "Remove events of webhooks, with their deliveries and attempts, that are older than RDV_WEBHOOKS_KEEP_DAYS."

    def handle(self, *args: Any, **options: Any) -> None:
        before = timezone.now() - datetime.timedelta(days=settings.RDV_WEBHOOKS_KEEP_DAYS)
        count = 0
        while old := list(
            Event.objects.filter(at__lt=before).order_by("at", "pk").values_list("pk", flat=True)[:BATCH]
        ):
            # In short transactions, which nobody needs to wait for.
            prune(Event.objects.filter(pk__in=old))
            count += len(old)
        # Of endpoints that were deleted while something was told to them.
        there = WebhookEndpoint.objects.filter(pk=OuterRef("endpoint"))
        while left := list(Delivery.objects.filter(~Exists(there)).values_list("pk", flat=True)[:BATCH]):
            Delivery.objects.filter(pk__in=left).delete()
        self.stdout.write(f"{count} events removed, of before {before:%Y-%m-%d %H:%M} UTC.")
