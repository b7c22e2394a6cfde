"""What can go wrong with webhooks."""

from django.utils.translation import gettext_lazy as _

from rdv.api.errors import Invalid
from rdv.api.problems import Problem

from .models import WebhookEndpoint

PROBLEMS = (
    Problem(
        "wrong_subscriptions",
        422,
        _("Abonnement inconnu"),
        _("La liste des abonnements d'un webhook contient ce à quoi l'on ne peut pas s'abonner."),
        _("Choisissez parmi ceux que la documentation de l'adresse nomme, par exemple absence ou agent."),
        of_a_value=True,
        example=lambda: Invalid.about(WebhookEndpoint(subscriptions=["absences"])),
    ),
)
