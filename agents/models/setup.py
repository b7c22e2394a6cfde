"""The first administrator (row T15): a secret that the server shows once, and that makes one superuser."""

from __future__ import annotations

import datetime

from django.db import models, transaction
from django.utils import timezone

from agents import tokens

from .agent import Agent

LIFETIME = datetime.timedelta(hours=24)
ONLY = 1  # the key of the one row


class FirstSecretQuerySet(models.QuerySet["FirstSecret"]):
    def issue(self) -> str | None:
        """A fresh secret, good for 24 hours; None while a former one is good still, and where nobody may use one."""
        if administered() or self.waiting():  # as at nearly every start: nothing is written, and nobody waited for
            return None
        with transaction.atomic():
            row, _created = self.select_for_update().get_or_create(pk=ONLY, defaults={"expires_at": timezone.now()})
            if administered() or row.expires_at > timezone.now():
                return None
            secret = tokens.new_secret()
            row.digest, row.expires_at = tokens.digest(secret), timezone.now() + LIFETIME
            row.save()
        return secret

    def waiting(self) -> FirstSecret | None:
        """The secret that somebody may use still."""
        row = self.filter(pk=ONLY, expires_at__gt=timezone.now()).first()
        return None if row is None or administered() else row

    def spend(self, secret: str) -> bool:
        """Within a transaction: whether `secret` was the one, which is none from now on."""
        row = self.select_for_update().filter(pk=ONLY, expires_at__gt=timezone.now()).first()
        if row is None or administered() or not tokens.matches(secret, row.digest):
            return False
        row.delete()
        return True


class FirstSecret(models.Model):
    """At most one row. Of the secret its digest alone is kept."""

    digest = models.CharField(max_length=64)
    expires_at = models.DateTimeField()

    objects = FirstSecretQuerySet.as_manager()

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(pk=ONLY), name="first_secret_is_one"),)

    def __str__(self) -> str:
        return "secret of the first administrator"

    def matches(self, secret: str) -> bool:
        return tokens.matches(secret, self.digest)


def administered() -> bool:
    """Whether somebody is superuser, and may come in."""
    return Agent.objects.filter(is_superuser=True, is_active=True, deleted_at=None).exists()
