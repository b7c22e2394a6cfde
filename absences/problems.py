"""What can go wrong with an absence."""

from django.utils.translation import gettext_lazy as _

from rdv.api.problems import Problem

PROBLEMS = (
    Problem(
        "ends_before_start",
        422,
        _("Fin avant le début"),
        _("L'absence finirait avant de commencer, ou au même instant."),
        _("Donnez un dernier jour et une heure de fin qui soient après le début."),
        of_a_value=True,
    ),
    Problem(
        "too_far_ahead",
        422,
        _("Trop loin dans l'avenir"),
        _("Une date est dans plus de cinq ans : c'est presque toujours une faute de frappe."),
        _("Vérifiez l'année."),
        of_a_value=True,
    ),
    Problem(
        "too_long_ago",
        422,
        _("Trop loin dans le passé"),
        _("Une date est avant 2018 : c'est presque toujours une faute de frappe."),
        _("Vérifiez l'année."),
        of_a_value=True,
    ),
)
