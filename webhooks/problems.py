"""What can go wrong with webhooks."""

from django.utils.translation import gettext_lazy as _

from rdv.api.errors import Invalid
from rdv.api.problems import Problem

from .models import WebhookEndpoint

PROBLEMS = (
    Problem(
        "events_gone",
        410,
        _("Événement trop ancien"),
        _(
            "L'événement après lequel vous voulez lire n'est plus gardé : ce qui l'a suivi ne l'est peut-être plus non "
            "plus."
        ),
        _("Relisez tout ce que vous suivez, par exemple les absences, puis les événements sans after."),
    ),
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
