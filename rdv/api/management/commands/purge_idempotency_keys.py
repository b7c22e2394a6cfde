"""`manage.py purge_idempotency_keys`: remove the answers that were kept for retries for long enough."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from rdv.api.models import KeptAnswer


class Command(BaseCommand):
    help = "Remove the answers that were kept under an Idempotency-Key for longer than RDV_IDEMPOTENCY_KEPT."

    def handle(self, *args: Any, **options: Any) -> None:
        count = 0
        while True:
            with transaction.atomic():  # each by itself: others need not wait for all
                removed = KeptAnswer.objects.purge()
            if not removed:
                break
            count += removed
        self.stdout.write(f"{count} kept answers removed.")
