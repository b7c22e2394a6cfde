"""What can go wrong with a feed."""

from django.utils.translation import gettext_lazy as _

from rdv.api.errors import Invalid
from rdv.api.problems import Problem

from .serializers import several_targets, stays_revoked

PROBLEMS = (
    Problem(
        "several_targets",
        422,
        _("De qui est le calendrier ?"),
        _("Un calendrier à suivre est d'un agent, d'un service ou d'une organisation, pas de plusieurs à la fois."),
        _("Nommez-en un ; créez un calendrier pour chacun des autres."),
        of_a_value=True,
        example=lambda: Invalid({"service_id": [several_targets()]}),
    ),
    Problem(
        "address_revoked",
        422,
        _("Adresse révoquée"),
        _("Une adresse révoquée ne mène plus jamais nulle part."),
        _("Renouvelez l'adresse du calendrier : une nouvelle est donnée, à mettre à la place de l'ancienne."),
        of_a_value=True,
        example=lambda: Invalid({"active": [stays_revoked()]}),
    ),
)
