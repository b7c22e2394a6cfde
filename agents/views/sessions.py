"""Signing in and out with the token triple (contract 2.3 and 2.8), and who one is."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework.request import Request
from rest_framework.response import Response

from agents.authentication import TripleCredential
from agents.models import AccessKey, Action, Agent, ApiAccount, ClientToken, Refused, end_tokens
from agents.serializers import account, describe, render_agent, render_organisation, render_service
from rdv.api.errors import MethodNotAllowed, Refusal, Unauthenticated
from rdv.api.views import WireView
from rdv.sessions import end_sessions_of

from .base import AuthView
from .sign_in import BAD_CREDENTIALS, PasswordSignIn


class SignIn(PasswordSignIn):
    """`POST auth/sign_in`: `email` and `password` against a fresh triple."""

    def issue(self, agent: Agent) -> tuple[ClientToken, str]:
        return ClientToken.objects.issue(agent, self.request.META.get("HTTP_CLIENT"))

    def answer(self, token: ClientToken, secret: str) -> Response:
        self.request.auth = TripleCredential(token, secret, fresh=True)
        return Response({"data": account(token.agent)})

    def http_method_not_allowed(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        if request.method == "GET":
            sentence = _("Utilisez POST /sign_in pour la connexion. GET n'est pas supporté.")
            raise Refusal(405, sentence)
        raise MethodNotAllowed(request.method or "")


def _is_true(value: object) -> bool:
    return str(value).lower() in ("true", "1")


class SignOut(AuthView):
    """`DELETE auth/sign_out`: this client's token dies; with `everywhere=true`, every token of the agent, and every
    session of a browser; with `keys=true`, every key too.
    """

    refusal = (404, gettext_lazy("L'utilisateur est inconnu ou n'est pas connecté."))

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

    refusal = (401, BAD_CREDENTIALS)

    def get(self, request: Request) -> Response:
        return Response({"success": True, "data": account(request.user)})


class Me(WireView):
    """`GET me`: the caller, their roles, services and territories, and the credential they came with.

    Through a key that is for some organisations, the roles that count there.
    """

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
