"""What can go wrong with an absence."""

import datetime

from django.utils.translation import gettext_lazy as _

from rdv.api.errors import Invalid
from rdv.api.problems import Problem

from .models import Absence


def _absence(**values: datetime.date) -> Absence:
    """One with something wrong."""
    days = {"first_day": datetime.date(2026, 12, 23), "end_day": datetime.date(2026, 12, 24)} | values
    return Absence(start_time=datetime.time(9), end_time=datetime.time(18), **days)


PROBLEMS = (
    Problem(
        "ends_before_start",
        422,
        _("Fin avant le début"),
        _("L'absence finirait avant de commencer, ou au même instant."),
        _("Donnez un dernier jour et une heure de fin qui soient après le début."),
        of_a_value=True,
        example=lambda: Invalid.about(_absence(end_day=datetime.date(2026, 12, 1))),
    ),
    Problem(
        "too_far_ahead",
        422,
        _("Trop loin dans l'avenir"),
        _("Une date est dans plus de cinq ans : c'est presque toujours une faute de frappe."),
        _("Vérifiez l'année."),
        of_a_value=True,
        example=lambda: Invalid.about(_absence(end_day=datetime.date(9999, 12, 24))),
    ),
    Problem(
        "too_long_ago",
        422,
        _("Trop loin dans le passé"),
        _("Une date est avant 2018 : c'est presque toujours une faute de frappe."),
        _("Vérifiez l'année."),
        of_a_value=True,
        example=lambda: Invalid.about(_absence(first_day=datetime.date(1926, 12, 23))),
    ),
)
