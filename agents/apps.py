from django.apps import AppConfig
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AgentsConfig(AppConfig):
    name = "agents"
    verbose_name = _("Annuaire")

    def ready(self) -> None:
        from rdv.api import problems

        from .derived import KEY_VERSIONS, ORGANISATION_VERSIONS, SHOWN
        from .problems import PROBLEMS
        from .record.kept import KEPT
        from .record.refusals import listen
        from .record.writing import follow_all

        # Each connection's first read would ask, in a transaction that waits for whoever writes, whether SQLite knows
        # JSON (it does, since 3.38); and having waited in vain, believe for good that it does not.
        DatabaseWrapper.features_class.supports_json_field = True
        for derived in (SHOWN, ORGANISATION_VERSIONS, KEY_VERSIONS):
            derived.follow_migrations(self)
        post_migrate.connect(KEPT.install, sender=self, weak=False)
        follow_all()
        listen()
        problems.declare(*PROBLEMS)
