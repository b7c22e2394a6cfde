"""`manage.py purge_record`: remove what the record has kept for long enough."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from agents.models import Action, RecordEntry, RecordPurge
from agents.record import acting_as, note

BATCH = 1000


class Command(BaseCommand):
    help = "Remove the entries of the record that are older than RDV_RECORD_KEPT, and record how many."

    def handle(self, *args: Any, **options: Any) -> None:
        before = timezone.now() - settings.RDV_RECORD_KEPT
        count = 0
        with acting_as("purge_record"):
            while removed := _remove(before):
                count += removed
            if count:
                note(Action.PURGED, "record", changes={"entries": [count, 0], "before": [None, before]})
        self.stdout.write(f"{count} entries removed, of before {before:%Y-%m-%d %H:%M} UTC.")


@transaction.atomic
def _remove(before: Any) -> int:
    """Some of the entries of before then, the oldest first, as one change that others need not wait for; how many."""
    old = list(RecordEntry.objects.filter(at__lt=before).order_by("at").values_list("pk", flat=True)[:BATCH])
    if not old:
        return 0
    # Without this row the database refuses (`agents/record/kept.py`). Nobody else sees it.
    purge = RecordPurge.objects.create(before=before)
    count, _by_model = RecordEntry.objects.filter(pk__in=old).delete()
    purge.delete()
    return count
