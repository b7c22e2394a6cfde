"""Absences that are no more: what they were, until nobody can ask any longer."""

from __future__ import annotations

import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agents.models import Agent

from .absence import Absence


class DeletedAbsenceQuerySet(models.QuerySet["DeletedAbsence"]):
    def visible_to(self, agent: Agent) -> DeletedAbsenceQuerySet:
        """Whoever may see an agent may see what was deleted of theirs (contract 3.3)."""
        return self.filter(agent__in=Agent.objects.visible_to(agent))


class DeletedAbsence(models.Model):
    """The tombstone of an absence, under its number. Whoever deletes one leaves it, so that the absences themselves
    are only those that hold; it can be restored, and calendars hear that it was withdrawn.
    """

    absence_id = models.BigIntegerField(_("numéro"), primary_key=True)
    # By number: an agent who is gone, row and all, leaves their tombstones.
    agent = models.ForeignKey(
        Agent,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="deleted_absences",
        verbose_name=_("agent"),
    )
    # The columns of the absence by name, as JSON writes them.
    kept = models.JSONField(_("ce qu'elle était"), encoder=DjangoJSONEncoder)
    # One more than the absence's last: its end is a change too.
    version = models.PositiveIntegerField(_("version"))
    reason = models.CharField(_("motif"), max_length=255, blank=True)
    deleted_at = models.DateTimeField(_("supprimée le"), default=timezone.now)
    # The agent who deleted it, by number; null when a command did.
    deleted_by = models.BigIntegerField(_("supprimée par"), null=True, blank=True)

    objects = DeletedAbsenceQuerySet.as_manager()

    class Meta:
        verbose_name = _("absence supprimée")
        verbose_name_plural = _("absences supprimées")
        ordering = ("-deleted_at", "-absence_id")
        indexes = (models.Index(fields=("deleted_at",), name="deleted_absence_at"),)

    def __str__(self) -> str:
        return f"{self.kept['title']} ({self.agent_id})"

    def absence(self) -> Absence:
        """What it was, as a row that is not stored."""
        fields = {field.attname: field for field in Absence._meta.concrete_fields}
        values = {name: fields[name].to_python(value) for name, value in self.kept.items() if name in fields}
        return Absence(**values)


@receiver(post_delete, sender=Absence)
def bury(instance: Absence, **signal: Any) -> None:
    values: dict[str, Any] = {
        field.attname: getattr(instance, field.attname) for field in Absence._meta.concrete_fields
    }
    DeletedAbsence.objects.create(
        absence_id=values["id"],
        agent_id=instance.agent_id,
        kept={name: value.isoformat() if isinstance(value, datetime.time) else value for name, value in values.items()},
        version=instance.version + 1,
        reason=instance.deletion_reason,
        deleted_by=instance.deleted_by,
    )
