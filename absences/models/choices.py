"""What an absence may be, and which part of a day."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Kind(models.TextChoices):
    HOLIDAY = "holiday", _("congés")
    SICK = "sick", _("maladie")
    TRAINING = "training", _("formation")
    OTHER = "other", _("autre")


class Period(models.TextChoices):
    """The part of the day that was asked for instead of hours."""

    MORNING = "morning", _("matin")
    AFTERNOON = "afternoon", _("après-midi")
    DAY = "day", _("journée")
