"""Absences that are no more: what they were, until nobody can ask any longer."""

from __future__ import annotations

import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agents.models import ActorKind, Agent, Organisation
from agents.models.privacy import UNAVAILABLE
from agents.models.record import MAX_REASON
from agents.record.origin import origin
from rdv.api.messages import MUST_EXIST, blank
from rdv.api.statements import EpochSeconds

from .absence import Absence
from .external import holders, territories_of
from .overlaps import settle_one
from .privacy import hidden_from


class DeletedAbsenceQuerySet(models.QuerySet["DeletedAbsence"]):
    def visible_to(self, agent: Agent) -> DeletedAbsenceQuerySet:
        """Whoever may see an agent may see what was deleted of theirs (contract 3.3), as far as they may know it."""
        return self.known_by(agent).filter(agent__in=Agent.objects.visible_to(agent))

    def known_by(self, agent: Agent | None) -> DeletedAbsenceQuerySet:
        """With `hidden`, as absences have it."""
        return self.annotate(hidden=hidden_from(agent, "kept__private"))

    def for_wire(self) -> DeletedAbsenceQuerySet:
        """The last deleted first, with the instant in seconds."""
        rows = self if "hidden" in self.query.annotations else self.known_by(None)
        return rows.annotate(deleted=EpochSeconds("deleted_at")).order_by("-deleted_at", "-absence_id")


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
    reason = models.CharField(_("motif"), max_length=MAX_REASON, blank=True)
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
        return f"{UNAVAILABLE if self.kept.get('private') else self.kept['title']} ({self.agent_id})"

    def conceal(self) -> None:
        """Leave, of what was private, what anybody who sees the agent may know."""
        if self.kept.get("private"):
            self.kept = self.kept | {"title": UNAVAILABLE, "kind": "", "period": "", "external_ids": None}
            self.reason = ""

    def restore(self) -> Absence:
        """Put it back under its number: its version goes on growing, and so does SEQUENCE in calendars. Names that
        another absence has got meanwhile stay there; an organisation that is no more is none. It is never merged with
        another, or it would have another number.

        Raises Overlapping where the organisations want that, and ValidationError when the agent has left.
        """
        if not Agent.objects.filter(pk=self.agent_id, deleted_at=None).exists():
            raise ValidationError({"agent": [blank(MUST_EXIST)]})
        absence = self.absence()
        if not Organisation.objects.filter(pk=absence.organisation_id).exists():
            absence.organisation_id = None
        absence.external_ids = self._free_names(absence.external_ids or {}) or None
        absence.version, absence.updated_at, absence.zone_settled = self.version + 1, timezone.now(), True
        settled = settle_one(self.absence())
        if settled and not settled.gone:
            absence.warnings = settled.warnings
        self.delete()
        absence.save_alone(force_insert=True)
        return absence

    def _free_names(self, names: dict[str, str]) -> dict[str, str]:
        if not names:
            return {}
        territory = territories_of([self.agent_id]).get(self.agent_id, 0)
        taken = holders((territory, system, value) for system, value in names.items())
        return {system: value for system, value in names.items() if (territory, system, value) not in taken}

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
    # Whoever deletes says why in the request, as for the record, unless the code knows it.
    by = origin()
    who = by.get("actor_id") if by["actor_kind"] == ActorKind.AGENT else by.get("acting_for_id")
    DeletedAbsence.objects.create(
        absence_id=values["id"],
        agent_id=instance.agent_id,
        kept={name: value.isoformat() if isinstance(value, datetime.time) else value for name, value in values.items()},
        version=instance.version + 1,
        reason=instance.deletion_reason or by.get("reason", ""),
        deleted_by=instance.deleted_by or who,
    )
