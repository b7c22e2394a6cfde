"""Keys by API: an agent's own, and the one that a request came with (rows T6, T7, T12)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from agents import shapes
from agents.authentication import KeyCredential
from agents.authentication.jwt import JwtCredential
from agents.models import AccessKey, ClientToken, end_tokens
from agents.serializers import KEY, KeySerializer, render_credential
from rdv.api.errors import InsufficientScope, NotFound, SwitchedOff
from rdv.api.registry import Answer, Described, Example, Group
from rdv.api.schema import obj
from rdv.api.views import ResourceViewSet, WireView

SAMPLE_TOKEN_IN_USE = {
    "kind": "personal_token",
    **{name: value for name, value in KEY.example().items() if name not in ("note", "state")},
    "owner": {"kind": "agent", "id": 1, "email": "martine@demo.rdv-solidarites.fr", "name": "Martine VALIDAY"},
    "acts_for": None,
}
KEYS_OFF = SwitchedOff("key_creation_disabled", _("La création de clés est désactivée sur ce serveur."))


class Tokens(ResourceViewSet):
    """`/tokens`: personal access tokens. Made, changed and deleted by who signed in; a key only reads them."""

    group = Group(
        "tokens",
        _("Clés"),
        _(
            "Les clés d'accès personnelles : pour une tâche de nuit, un script, un collègue. Chacune a sa fin et sa "
            "portée, et n'a jamais plus de droits que son agent."
        ),
    )
    operations = {
        "list": Described(
            _("Lister ses clés"),
            _("Les siennes, avec leur état, sans leur secret."),
            _("Tout agent, pour les siennes."),
            limits=_("100 par page."),
            examples=(Example(_("Toutes"), {}),),
        ),
        "create": Described(
            _("Créer une clé"),
            _("Son secret n'est montré qu'ici, une seule fois."),
            _("Un agent qui s'est connecté ; une clé n'en crée pas d'autres."),
            errors=(InsufficientScope(), KEYS_OFF),
            examples=(
                Example(
                    _("Pour une tâche de nuit, qui lit les absences"),
                    {"name": "Tâche de nuit", "expires_at": 30, "read_only": True, "resources": ["absences"]},
                ),
            ),
        ),
        "retrieve": Described(
            _("Montrer une clé"),
            _("Sans son secret."),
            _("L'agent à qui elle est."),
            examples=(Example(_("L'une des siennes"), {"id": 1}),),
        ),
        "update": Described(
            _("Modifier une clé"),
            _("Son nom, sa note, et si elle vaut. Ce qu'elle peut ne change jamais."),
            _("L'agent à qui elle est, connecté."),
            errors=(InsufficientScope(),),
            examples=(Example(_("La mettre de côté"), {"id": 1, "active": False}),),
        ),
        "destroy": Described(
            _("Supprimer une clé"),
            _("Elle ne vaut plus rien aussitôt, et l'on ne la voit plus."),
            _("L'agent à qui elle est, connecté."),
            errors=(InsufficientScope(),),
            examples=(Example(_("L'une des siennes"), {"id": 1}),),
        ),
    }
    resource = "tokens"
    model = AccessKey
    representation = KEY
    serializer_class = KeySerializer
    told_once = ("create",)
    sorts = {
        "id": "id",
        "name": "folded_name",
        "created_at": "created_at",
        "expires_at": "expires_at",
        "last_used_at": "last_used_at",
    }
    searched = ("name", "note")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method not in ("GET", "HEAD", "OPTIONS") and request.auth and not request.auth.signs_in:
            raise InsufficientScope

    def create(self, request: Request) -> Response:
        refuse_new_keys()
        return super().create(request)

    def _save(self, serializer: Any) -> Response:
        """The secret of a new key is shown in the answer to its creation, and never again."""
        making = serializer.instance is None
        response = super()._save(serializer)
        if making:
            response.data[self.representation.singular]["secret"] = serializer.secret
            response["Cache-Control"] = "no-store"
        else:
            end_tokens(self.request.user.pk)
        return response

    def _delete(self, instance: AccessKey) -> Response:
        response = super()._delete(instance)
        end_tokens(self.request.user.pk)
        return response


def refuse_new_keys() -> None:
    """Raises SwitchedOff where no key may be made (row T16)."""
    if not settings.RDV_KEY_CREATION:
        raise SwitchedOff(KEYS_OFF.code, KEYS_OFF.sentence())


class Token(WireView):
    """`GET token`: the credential of this very request. `DELETE token`: a key, or a JSON Web Token of ours, that ends
    itself, for good.
    """

    group = Group("token", _("Cette clé"), _("Ce avec quoi la requête est venue."))
    operations = {
        "get": Described(
            _("Montrer ce avec quoi l'on vient"),
            _("Son genre, sa portée, sa fin, à qui c'est, et pour qui cela agit."),
            _("Qui que ce soit qui a le droit d'entrer."),
            name="show",
            answers={
                200: Answer(
                    _("Ce que c'est."), obj("", token=shapes.TOKEN_IN_USE), lambda: {"token": SAMPLE_TOKEN_IN_USE}
                )
            },
            examples=(Example(_("Celle que l'on utilise"), {}),),
        ),
        "delete": Described(
            _("Mettre fin à cette clé"),
            _("Une clé, ou un jeton JWT, se met fin à elle-même, pour de bon."),
            _("Qui vient avec une clé ou un jeton JWT de ce serveur ; un triplet se termine par auth.sign_out."),
            name="delete",
            answers={204: Answer(_("Elle ne vaut plus rien."))},
            errors=(NotFound("token"),),
            examples=(Example(_("Celle que l'on utilise"), {}),),
        ),
    }

    def get(self, request: Request) -> Response:
        return Response({"token": render_credential(request.auth)})

    def delete(self, request: Request) -> Response:
        credential = request.auth
        if not isinstance(credential, KeyCredential | JwtCredential):
            raise NotFound("token")
        with transaction.atomic():
            if isinstance(credential, JwtCredential):
                ClientToken.objects.filter(pk=credential.token.pk).revoke()
                end_tokens(credential.token.agent_id)
            else:
                AccessKey.objects.filter(pk=credential.key.pk).revoke()
                end_tokens(credential.key.owner_number)
        request.auth = None
        return Response(status=204)
