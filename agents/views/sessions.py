"""Signing in and out with the token triple (contract 2.3 and 2.8), and who one is."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework.request import Request
from rest_framework.response import Response

from agents import shapes
from agents.authentication import TripleCredential
from agents.models import AccessKey, Action, Agent, ApiAccount, ClientToken, Refused, end_tokens
from agents.serializers import (
    AGENT,
    ORGANISATION,
    SERVICE,
    account,
    describe,
    render_agent,
    render_organisation,
    render_service,
)
from rdv.api.errors import MethodNotAllowed, Refusal, Unauthenticated
from rdv.api.registry import Answer, Described, Example, Group, Parameter
from rdv.api.schema import flag, obj, text
from rdv.api.views import WireView
from rdv.sessions import end_sessions_of

from .base import AuthView
from .sign_in import BAD_CREDENTIALS, DEMO, EMAIL, PASSWORD, REFUSALS, SLOWED, PasswordSignIn

FLAG = text(example="true")  # anything but true is no
TRIPLE_HEADERS = {
    "access-token": gettext_lazy("Le secret du triplet."),
    "token-type": gettext_lazy("Toujours Bearer."),
    "client": gettext_lazy("Le client du triplet."),
    "expiry": gettext_lazy("Sa fin, en secondes depuis 1970."),
    "uid": gettext_lazy("L'agent du triplet."),
}
SAMPLE_ACCOUNT = {
    "id": 1,
    "deleted_at": None,
    "email": "martine@demo.rdv-solidarites.fr",
    "provider": "email",
    "service_id": 1,
    "role": "admin",
    "last_name": "Validay",
    "first_name": "Martine",
    "uid": "martine@demo.rdv-solidarites.fr",
    "email_original": None,
    "allow_password_change": False,
}
SAMPLE_ME = {
    "agent": AGENT.example()
    | {
        "roles": [{"access_level": "admin", "organisation": ORGANISATION.example()}],
        "services": [SERVICE.example()],
        "territories": [],
    },
    "credential": {
        "kind": "token",
        "client": "Z6EihQAY9NWsZByfZ47i_Q",
        "created_at": "2026-11-16 10:00:00 +0100",
        "expires_at": "2026-11-17 10:00:00 +0100",
        "last_used_at": None,
    },
}


class SignIn(PasswordSignIn):
    """`POST auth/sign_in`: `email` and `password` against a fresh triple."""

    operations = {
        "post": Described(
            gettext_lazy("Se connecter"),
            gettext_lazy(
                "Donne le triplet `access-token`, `client`, `uid` dans les en-têtes de la réponse, à renvoyer avec "
                "chaque requête. Avec l'en-tête `client` d'un triplet encore bon, il est renouvelé sur place."
            ),
            gettext_lazy("Tout agent qui a un mot de passe."),
            name="sign_in",
            parameters=(EMAIL, PASSWORD),
            answers={
                200: Answer(
                    gettext_lazy("L'agent ; le triplet est dans les en-têtes."),
                    obj("", data=shapes.ACCOUNT),
                    lambda: {"data": SAMPLE_ACCOUNT},
                    TRIPLE_HEADERS,
                )
            },
            errors=REFUSALS,
            examples=(Example(gettext_lazy("Martine, des données de démonstration"), DEMO),),
            limits=SLOWED,
            public=True,
        )
    }

    def issue(self, agent: Agent) -> tuple[ClientToken, str]:
        return ClientToken.objects.issue(agent, self.request.META.get("HTTP_CLIENT"))

    def answer(self, token: ClientToken, secret: str) -> Response:
        self.request.auth = TripleCredential(token, secret, fresh=True)
        return Response({"data": account(token.agent)})

    def http_method_not_allowed(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        if request.method == "GET":
            sentence = _("Utilisez POST /sign_in pour la connexion. GET n'est pas supporté.")
            raise Refusal(405, "method_not_allowed", sentence)
        raise MethodNotAllowed(request.method or "")


def _is_true(value: object) -> bool:
    return str(value).lower() in ("true", "1")


class SignOut(AuthView):
    """`DELETE auth/sign_out`: this client's token dies; with `everywhere=true`, every token of the agent, and every
    session of a browser; with `keys=true`, every key too.
    """

    operations = {
        "delete": Described(
            gettext_lazy("Se déconnecter"),
            gettext_lazy("Ce triplet ne vaut plus rien."),
            gettext_lazy("Tout agent connecté."),
            name="sign_out",
            parameters=(
                Parameter("everywhere", gettext_lazy("true : tous les clients de l'agent, et ses navigateurs."), FLAG),
                Parameter("keys", gettext_lazy("true : toutes ses clés aussi."), FLAG),
            ),
            answers={200: Answer(gettext_lazy("C'est fait."), shapes.DONE, lambda: {"success": True})},
            examples=(Example(gettext_lazy("Ici"), {}), Example(gettext_lazy("Partout"), {"everywhere": "true"})),
        )
    }
    refusal = (404, gettext_lazy("L'utilisateur est inconnu ou n'est pas connecté."))
    throttle_classes = ()  # whoever leaves is let go, with a quota or without

    def delete(self, request: Request) -> Response:
        own, agent = request.auth.token, request.user
        request.auth = None  # nothing left to repeat in the answer
        with transaction.atomic():
            # Of two who end each other's, the second comes without a token.
            Agent.objects.select_for_update(no_key=True).filter(pk=agent.pk).values_list("pk").first()
            if not ClientToken.objects.filter(pk=own.pk).revoke(Action.SIGNED_OUT):
                raise Unauthenticated(Refused.REVOKED)
            if _is_true(self.params.get("everywhere")):
                ClientToken.objects.filter(agent=agent).revoke()
                end_sessions_of(agent.pk)
            if _is_true(self.params.get("keys")):
                AccessKey.objects.filter(agent=agent).revoke()
            end_tokens(agent.pk)
        return Response({"success": True})


class ValidateToken(AuthView):
    """`GET auth/validate_token`: whether the triple is good, and whose it is."""

    operations = {
        "get": Described(
            gettext_lazy("Vérifier son triplet"),
            gettext_lazy("S'il vaut encore, et à qui il est."),
            gettext_lazy("Tout agent connecté."),
            name="validate_token",
            answers={
                200: Answer(
                    gettext_lazy("Il vaut."),
                    obj("", success=flag(const=True), data=shapes.ACCOUNT),
                    lambda: {"success": True, "data": SAMPLE_ACCOUNT},
                )
            },
            examples=(Example(gettext_lazy("Le sien"), {}),),
        )
    }
    refusal = (401, BAD_CREDENTIALS)

    def get(self, request: Request) -> Response:
        return Response({"success": True, "data": account(request.user)})


class Me(WireView):
    """`GET me`: the caller, their roles, services and territories, and the credential they came with.

    Through a key that is for some organisations, the roles that count there.
    """

    group = Group("me", gettext_lazy("Moi"), gettext_lazy("Qui l'on est, pour ce serveur."))
    operations = {
        "get": Described(
            gettext_lazy("Montrer qui l'on est"),
            gettext_lazy("L'agent ou le compte d'API, ses rôles, services et territoires, et avec quoi il vient."),
            gettext_lazy("Qui que ce soit qui a le droit d'entrer."),
            name="show",
            answers={200: Answer(gettext_lazy("Qui l'on est."), shapes.ME, lambda: SAMPLE_ME)},
            examples=(Example(gettext_lazy("Soi"), {}),),
        )
    }

    def get(self, request: Request) -> Response:
        caller = request.user
        if isinstance(caller, ApiAccount):
            identity: dict[str, Any] = {"id": caller.pk, "name": caller.name}
        else:
            identity = render_agent(
                caller.pk, caller.email, caller.first_name, caller.inclusion_connect_open_id_sub, caller.last_name
            )
        roles = caller.roles.filter(organisation__among=caller.reach.organisations).select_related("organisation")
        identity["roles"] = [
            {
                "access_level": role.access_level,
                "organisation": render_organisation(
                    role.organisation.pk,
                    role.organisation.email,
                    role.organisation.name,
                    role.organisation.phone_number,
                    role.organisation.verticale,
                ),
            }
            for role in roles.order_by("organisation_id")
        ]
        identity["services"] = [
            render_service(*row)
            for row in caller.services.order_by("pk").values_list("id", "name", "secretariat", "short_name")
        ]
        kind = "api_account"
        if isinstance(caller, Agent):
            kind = "agent"
            territories = caller.territories.order_by("pk")
            if request.auth.bound_to is not None:
                territories = territories.filter(organisations__among=request.auth.bound_to).distinct()
            identity["territories"] = list(territories.values("id", "departement_number", "name"))
        return Response({kind: identity, "credential": describe(request.auth)})
