from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AgentsConfig(AppConfig):
    name = "agents"
    verbose_name = _("Annuaire")

    def ready(self) -> None:
        from .derived import SHOWN

        post_migrate.connect(SHOWN.install, sender=self, weak=False)
