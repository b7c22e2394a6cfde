from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WebhooksConfig(AppConfig):
    name = "webhooks"
    verbose_name = _("Webhooks")

    def ready(self) -> None:
        from rdv.api import figures as stored
        from rdv.api import problems

        from .figures import figures
        from .outbox import listen
        from .problems import PROBLEMS

        problems.declare(*PROBLEMS)
        stored.declare(figures)
        listen()
