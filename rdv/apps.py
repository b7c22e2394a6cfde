"""The administration pages among the installed apps."""

from django.apps import apps
from django.contrib.admin.apps import AdminConfig
from django.utils.translation import gettext_lazy as _


class AdministrationConfig(AdminConfig):
    default_site = "rdv.admin.Administration"

    def ready(self) -> None:
        super().ready()
        # The library that counts failed sign-ins calls its chapter by its own name.
        apps.get_app_config("axes").verbose_name = _("Connexions")
