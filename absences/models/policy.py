"""What an organisation decided about the absences of its agents."""

from __future__ import annotations

import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agents.models import Organisation, Recorded
from agents.models.recorded import BOOKKEEPING
from rdv.api.messages import not_among

from ..holidays import names
from .choices import Kind


class Overlap(models.TextChoices):
    """What becomes of an absence that overlaps another one of the same agent. The later, the stricter."""

    ALLOW = "allow", _("l'accepter")
    WARN = "warn", _("l'accepter et le dire")
    MERGE = "merge", _("la réunir à l'autre")
    REFUSE = "refuse", _("la refuser")


class OnHoliday(models.TextChoices):
    """What becomes of a half-day of absence on a public holiday."""

    ALLOW = "allow", _("l'accepter")
    WARN = "warn", _("l'accepter et le dire")
    REFUSE = "refuse", _("la refuser")


class AbsencePolicy(Recorded):
    """Of one organisation; without it the defaults hold. Of an agent's several organisations the strictest counts.

    Hours are civil, of the absence's zone: a morning goes from `morning_starts` to `noon`, an afternoon from there to
    `day_ends`, so that two halves make the day.
    """

    recorded_as = "absence_policy"
    not_recorded = BOOKKEEPING | {"version"}

    organisation = models.OneToOneField(
        Organisation,
        on_delete=models.CASCADE,
        related_name="absence_policy",
        verbose_name=_("organisation"),
    )
    overlap = models.CharField(
        _("absences qui se chevauchent"), max_length=8, choices=Overlap.choices, default=Overlap.ALLOW
    )
    private_kinds = models.JSONField(_("genres confidentiels"), default=list, blank=True)
    morning_starts = models.TimeField(_("début de la matinée"), default=datetime.time(8))
    noon = models.TimeField(_("fin de la matinée"), default=datetime.time(12, 30))
    day_ends = models.TimeField(_("fin de la journée"), default=datetime.time(18, 30))
    public_holidays = models.BooleanField(_("jours fériés chômés"), default=True)
    excluded_holidays = models.JSONField(_("jours fériés travaillés"), default=list, blank=True)
    on_holiday = models.CharField(
        _("demi-journée un jour férié"), max_length=8, choices=OnHoliday.choices, default=OnHoliday.ALLOW
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(_("créée le"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("modifiée le"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("règles d'absence")
        verbose_name_plural = _("règles d'absence")

    def __str__(self) -> str:
        return str(self.organisation)

    @property
    def recorded_name(self) -> str:
        known = self._state.fields_cache.get("organisation")
        return str(known) if known else ""

    def concerns(self) -> tuple[int | None, int | None]:
        return None, self.organisation_id

    def save(self, **kwargs: Any) -> None:
        if not self._state.adding:
            self.version += 1
            self.updated_at = timezone.now()
        super().save(**kwargs)

    def clean(self) -> None:
        failures: dict[str, list[ValidationError]] = {}
        for column, known in (("private_kinds", Kind.values), ("excluded_holidays", names())):
            named = getattr(self, column)
            unknown = next((one for one in named if one not in known), None) if isinstance(named, list) else named
            if unknown is not None:
                failures[column] = [not_among(unknown, known)]
        if (
            None not in (hours := (self.morning_starts, self.noon, self.day_ends))
            and not hours[0] < hours[1] < hours[2]
        ):
            sentence = _("doit être entre le début et la fin de la journée")
            failures["noon"] = [ValidationError(sentence, code="noon_outside_day")]
        if failures:
            raise ValidationError(failures)  # type: ignore[arg-type]
