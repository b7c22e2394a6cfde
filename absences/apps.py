from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AbsencesConfig(AppConfig):
    name = "absences"
    verbose_name = _("Absences")

    def ready(self) -> None:
        from rdv.api import problems

        from .derived import CHANGES, TALLIES
        from .feeds.problems import PROBLEMS as OF_FEEDS
        from .problems import PROBLEMS

        problems.declare(*PROBLEMS, *OF_FEEDS)
        for derived in (TALLIES, CHANGES):
            derived.follow_migrations(self)
