"""What is kept of how we spoke."""

from __future__ import annotations

import datetime

from django.conf import settings
from django.db import models
from django.utils import timezone

from .statements import SavedAlike

BATCH = 200  # are removed at once


class KeptAnswerQuerySet(models.QuerySet["KeptAnswer"]):
    def ended(self) -> KeptAnswerQuerySet:
        """Those whose keys are free again, the oldest first."""
        return self.filter(at__lte=timezone.now() - settings.RDV_IDEMPOTENCY_KEPT).order_by("at")

    def purge(self) -> int:
        """Removes some of those; gives how many. What another purge removes is left to it: nobody waits."""
        some = self.ended().select_for_update(skip_locked=True).values_list("pk", flat=True)[:BATCH]
        count, _by_model = self.filter(pk__in=list(some)).delete()
        return count


class KeptAnswer(SavedAlike):
    """The answer to a write that came with an `Idempotency-Key`, for whoever sends the same again.

    Neither the key nor the caller is kept, but a digest of both; nor the request, but another of it. No credential, and
    nothing that is told once, is ever here.
    """

    key = models.CharField(max_length=64, unique=True)
    request = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now, db_index=True)

    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    content_type = models.CharField(max_length=100, blank=True)
    body = models.TextField(blank=True)  # the JSON, before its form was chosen

    # Of the row that the answer shows, if any: its key, its version as ETags have it, and whose it was.
    row = models.BigIntegerField(null=True)
    row_version = models.CharField(max_length=40, blank=True)
    trace = models.JSONField(default=dict)

    objects = KeptAnswerQuerySet.as_manager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.status}, {self.at:%Y-%m-%d %H:%M:%S}"

    @property
    def ends_at(self) -> datetime.datetime:
        """When the key is free again."""
        kept: datetime.timedelta = settings.RDV_IDEMPOTENCY_KEPT
        return self.at + kept


class Lineage(models.Model):
    """Which life of the database this is, one row: another one begins when it is restored from a copy, or a standby has
    taken over (`committed.py`). What was said of places in a former one holds no more.
    """

    name = models.CharField(max_length=32)
    life = models.CharField(max_length=200)  # by what it is known

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class Pruned(models.Model):
    """Up to which place rows of a table have been removed (`committed.py`)."""

    name = models.CharField(max_length=63, primary_key=True)  # of the table
    transaction = models.BigIntegerField()
    number = models.BigIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} : {self.transaction}.{self.number}"
