"""`GET changes`: what became of absences since one last asked (row C8)."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from absences import serializers
from rdv.api.errors import Invalid
from rdv.api.fields import IdentifierField
from rdv.api.messages import invalid
from rdv.api.pagination import size_asked
from rdv.api.parsers import leading_integer
from rdv.api.registry import Answer, Described, Example, Group, Parameter
from rdv.api.schema import INSTANT, Shape, any_of, array, choice, flag, integer, nullable, obj, text
from rdv.api.views import WireView

from .reading import since
from .token import FILTERS, FullSyncRequired

TOMBSTONE = Shape(
    "AbsenceTombstone",
    _("Une absence qui n'est plus là."),
    {
        "id": integer(_("Son identifiant.")),
        "deleted_at": INSTANT,
        "reason": nullable(text(_("Pourquoi elle a été supprimée, si cela a été dit et si l'on peut le savoir."))),
        "version": integer(_("Plus grande que toutes celles qu'elle a eues.")),
    },
)
SAMPLE = "WzEsIjVmN2M4MDk0IixbODEyLDQyXV0"
CHANGES = obj(
    changes=array(
        any_of(
            obj(type=choice("created", "updated"), absence=serializers.SHAPE),
            obj(type=choice("deleted"), absence=TOMBSTONE),
        ),
        _("Dans l'ordre où elles ont été validées ; chaque absence telle qu'elle est maintenant."),
    ),
    meta=obj(
        has_more=flag(_("S'il y a déjà une suite : à demander aussitôt avec le nouveau jeton.")),
        sync_token=text(_("Jusqu'où l'on a lu : à renvoyer la prochaine fois.")),
    ),
)


def _sample() -> dict[str, object]:
    tombstone = {"id": 6, "deleted_at": "2026-11-16 10:00:00 +0100", "reason": None, "version": 3}
    return {
        "changes": [
            {"type": "created", "absence": serializers.ABSENCE.example()},
            {"type": "deleted", "absence": tombstone},
        ],
        "meta": {"has_more": False, "sync_token": SAMPLE},
    }


class Changes(WireView):
    """Parameters: `sync_token`, `per` and the filters `agent_id`, `organisation_id` and `service_id`, which a token
    keeps.
    """

    group = Group("changes", _("Changements"), _("Ce que les absences sont devenues depuis la dernière fois."))
    operations = {
        "get": Described(
            _("Lister ce qui a changé"),
            _(
                "Sans jeton, tout ce que l'on voit, page après page ; avec un jeton, ce qui a été créé, changé ou "
                "supprimé depuis. Qui met chaque absence à sa place a, à la fin, ce qu'une lecture complète donnerait."
                " 410 quand le jeton n'y mène plus : relire tout, sans jeton."
            ),
            _("Qui voit un agent voit ce que deviennent ses absences."),
            name="list",
            parameters=(
                Parameter(
                    "sync_token",
                    _("Le `meta.sync_token` de la réponse précédente ; rien : depuis le début."),
                    text(pattern="^[A-Za-z0-9_-]*$"),
                ),
                Parameter(
                    "per",
                    _("Combien par page : 100 au plus, et quand rien n'est dit."),
                    {"type": ["integer", "string"], "example": 20},
                ),
                Parameter("agent_id", _("De cet agent."), IdentifierField.schema),
                Parameter(
                    "organisation_id",
                    _("Des agents de cette organisation, pour elle ou pour toutes ; hors de portée : aucune."),
                    IdentifierField.schema,
                ),
                Parameter("service_id", _("Des agents de ce service."), IdentifierField.schema),
            ),
            answers={200: Answer(_("Une page de changements."), CHANGES, _sample)},
            errors=(FullSyncRequired(), Invalid({"sync_token": [invalid("?")]})),
            limits=_("100 par page."),
            examples=(Example(_("Tout, pour commencer"), {}), Example(_("Par petites pages"), {"per": 20})),
        )
    }
    resource = "absences"

    def get(self, request: Request) -> Response:
        token = self.params.get("sync_token")
        filters = {
            name: leading_integer(value) for name in FILTERS if (value := self.params.get(name)) not in (None, "")
        }
        text = str(token) if token else None
        page = since(text, request.user, filters, size_asked(self.params), self.base)
        return Response({"changes": page.changes, "meta": {"has_more": page.has_more, "sync_token": page.token}})
