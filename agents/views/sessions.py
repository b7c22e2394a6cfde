"""Signing in and out with the token triple (contract 2.3 and 2.8), and who one is."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from agents.authentication import TripleCredential
from agents.emails import normalise_email
from agents.models import AccessKey, Agent, ApiAccount, ClientToken, Overtaken, Refused, end_tokens
from agents.serializers import account, describe, render_agent, render_organisation, render_service
from rdv.api.client import address_of
from rdv.api.errors import Busy, MethodNotAllowed, Refusal, SwitchedOff, TooManyRequests, Unauthenticated
from rdv.api.views import WireView

from .base import AuthView

BAD_CREDENTIALS = gettext_lazy("Mot de passe ou identifiant invalide.")
MAX_EMAIL = 254
TRIES = 3  # of a sign-in whose agent's password changes between its check and the token


def refuse_passwords() -> None:
    """Raises SwitchedOff where nobody signs in with a password (row T16)."""
    if not settings.RDV_PASSWORD_SIGN_IN:
        sentence = _("La connexion par mot de passe est désactivée sur ce serveur.")
        raise SwitchedOff("password_sign_in_disabled", sentence)


class SignIn(AuthView):
    """`POST auth/sign_in`: `email` and `password` against a fresh triple."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def post(self, request: Request) -> Response:
        refuse_passwords()
        for _try in range(TRIES):
            with suppress(Overtaken):  # judged anew, by what is true now
                return self._sign_in(request)
        raise Busy

    def _sign_in(self, request: Request) -> Response:
        email = normalise_email(self.params.text("email") or "")
        password = self.params.text("password")
        agent = None
        if email and len(email) <= MAX_EMAIL and password:
            agent = self._authenticate(email, password)
        if agent is None:
            raise Refusal(401, str(BAD_CREDENTIALS))
        if not agent.usable:
            # Said only to somebody who knows the password: it admits that the account exists.
            raise Refusal(
                401,
                _(
                    "Un e-mail de confirmation de votre compte a été envoyé à '%(email)s'. "
                    "Merci de suivre les instructions afin de valider votre compte"
                )
                % {"email": agent.email},
            )
        with transaction.atomic():
            token, secret = ClientToken.objects.issue(agent, request.META.get("HTTP_CLIENT"))
            # Forgets the failures, and notes when the agent last came.
            user_logged_in.send(sender=Agent, request=request._request, user=agent)
        request.auth = TripleCredential(token, secret, fresh=True)
        return Response({"data": account(agent)})

    def http_method_not_allowed(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        if request.method == "GET":
            sentence = _("Utilisez POST /sign_in pour la connexion. GET n'est pas supporté.")
            raise Refusal(405, sentence)
        raise MethodNotAllowed(request.method or "")

    def _authenticate(self, email: str, password: str) -> Agent | None:
        """The agent, usable or not; None when the pair is wrong. Raises TooManyRequests after too many failures,
        for an unknown email as for a known one.
        """
        request: HttpRequest = self.request._request
        agent = authenticate(request, username=email, password=password)
        # Failures are counted only for tries that were let through: without a count this one was not.
        if getattr(request, "axes_locked_out", False) and request.axes_failures_since_start is None:  # type: ignore[attr-defined]
            limit = settings.RDV_SIGN_IN_LIMIT
            failures = AccessAttempt.objects.filter(username=email, ip_address=address_of(request))
            last = failures.order_by("-attempt_time").values_list("attempt_time", flat=True).first()
            until = (last or timezone.now()) + limit.window
            raise TooManyRequests((until - timezone.now()).total_seconds(), limit.count)
        return agent if isinstance(agent, Agent) else None


def _is_true(value: object) -> bool:
    return str(value).lower() in ("true", "1")


class SignOut(AuthView):
    """`DELETE auth/sign_out`: this client's token dies; with `everywhere=true`, every token of the agent; with
    `keys=true`, every key too.
    """

    refusal = (404, gettext_lazy("L'utilisateur est inconnu ou n'est pas connecté."))

    def delete(self, request: Request) -> Response:
        own, agent = request.auth.token, request.user
        request.auth = None  # nothing left to repeat in the answer
        with transaction.atomic():
            # Of two who end each other's, the second comes without a token.
            Agent.objects.select_for_update(no_key=True).filter(pk=agent.pk).values_list("pk").first()
            if not ClientToken.objects.filter(pk=own.pk).revoke():
                raise Unauthenticated(Refused.REVOKED)
            if _is_true(self.params.get("everywhere")):
                ClientToken.objects.filter(agent=agent).revoke()
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
