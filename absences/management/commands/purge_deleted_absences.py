"""`manage.py purge_deleted_absences`: remove what deleted absences were, once they were kept for long enough."""

from __future__ import annotations

import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from absences.models import AbsenceChange, DeletedAbsence
from agents.models import Action
from agents.record import acting_as, note
from rdv.api.committed import prune

BATCH = 1000


class Command(BaseCommand):
    help = "Remove the deleted absences that are older than RDV_ABSENCES_TOMBSTONE_DAYS, and record how many."

    def handle(self, *args: Any, **options: Any) -> None:
        before = timezone.now() - datetime.timedelta(days=settings.RDV_ABSENCES_TOMBSTONE_DAYS)
        count = 0
        with acting_as("purge_deleted_absences"):
            while removed := _remove(before):
                count += removed
            while _forget(before):
                pass
            if count:
                note(Action.PURGED, "deleted_absence", changes={"absences": [count, 0], "before": [None, before]})
        self.stdout.write(f"{count} deleted absences removed, of before {before:%Y-%m-%d %H:%M} UTC.")


def _remove(before: Any) -> int:
    """Some of those deleted before then, the oldest first, as one change that others need not wait for; how many."""
    old = DeletedAbsence.objects.filter(deleted_at__lt=before).order_by("deleted_at").values_list("pk", flat=True)
    count, _by_model = DeletedAbsence.objects.filter(pk__in=list(old[:BATCH])).delete()
    return count


def _forget(before: Any) -> int:
    """The places of some of them among changes: whoever has not read so far begins anew (`absences/changes/`)."""
    old = AbsenceChange.objects.filter(deleted=True, at__lt=before).order_by("transaction", "id")
    return prune(AbsenceChange.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:BATCH])))
