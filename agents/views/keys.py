"""Keys by API: an agent's own, and the one that a request came with (rows T6, T7, T12)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from agents.authentication import KeyCredential
from agents.authentication.jwt import JwtCredential
from agents.models import AccessKey, ClientToken, end_tokens
from agents.serializers import KEY, KeySerializer, render_credential
from rdv.api.errors import InsufficientScope, NotFound, SwitchedOff
from rdv.api.views import ResourceViewSet, WireView


class Tokens(ResourceViewSet):
    """`/tokens`: personal access tokens. Made, changed and deleted by who signed in; a key only reads them."""

    resource = "tokens"
    model = AccessKey
    representation = KEY
    serializer_class = KeySerializer

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
        raise SwitchedOff("key_creation_disabled", _("La création de clés est désactivée sur ce serveur."))


class Token(WireView):
    """`GET token`: the credential of this very request. `DELETE token`: a key, or a JSON Web Token of ours, that ends
    itself, for good.
    """

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
