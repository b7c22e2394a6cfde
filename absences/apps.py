from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AbsencesConfig(AppConfig):
    name = "absences"
    verbose_name = _("Absences")

    def ready(self) -> None:
        from rdv.api import problems

        from .derived import TALLIES
        from .problems import PROBLEMS

        problems.declare(*PROBLEMS)
        TALLIES.follow_migrations(self)
