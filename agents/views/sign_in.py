"""Signing in by API with a password, whatever it gives: who may, how often, and in which words they may not."""

from __future__ import annotations

from contextlib import suppress

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from agents.emails import normalise_email
from agents.models import Agent, ClientToken, Overtaken
from agents.record.refusals import sign_in_failed
from rdv.api.client import address_of
from rdv.api.errors import Busy, Refusal, SwitchedOff, TooManyRequests
from rdv.api.registry import Parameter
from rdv.api.schema import text

from .base import AuthView, said

BAD_CREDENTIALS = gettext_lazy("Mot de passe ou identifiant invalide.")
NOT_CONFIRMED = gettext_lazy(
    "Un e-mail de confirmation de votre compte a été envoyé à '%(email)s'. "
    "Merci de suivre les instructions afin de valider votre compte"
)
MAX_EMAIL = 254
TRIES = 3  # of a sign-in whose agent's password changes between its check and the token


EMAIL = Parameter("email", gettext_lazy("L'adresse de l'agent."), text(), place="body", required=True)
PASSWORD = Parameter(
    "password", gettext_lazy("Son mot de passe."), text(format="password"), place="body", required=True
)
PASSWORDS_OFF = SwitchedOff(
    "password_sign_in_disabled", gettext_lazy("La connexion par mot de passe est désactivée sur ce serveur.")
)
SLOWED = gettext_lazy("Après dix échecs pour une adresse depuis un même endroit, il faut attendre un quart d'heure.")
DEMO = {"email": "martine@demo.rdv-solidarites.fr", "password": "123456"}


REFUSALS = (
    Refusal(401, "bad_credentials", BAD_CREDENTIALS),
    Refusal(401, "account_not_confirmed", said(NOT_CONFIRMED, email=DEMO["email"])),
    PASSWORDS_OFF,
)


def refuse_passwords() -> None:
    """Raises SwitchedOff where nobody signs in with a password (row T16)."""
    if not settings.RDV_PASSWORD_SIGN_IN:
        raise SwitchedOff(PASSWORDS_OFF.code, PASSWORDS_OFF.sentence())


class PasswordSignIn(AuthView):
    """`POST`: the email in the first parameter of `names` that is there, and `password`."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    names: tuple[str, ...] = ("email",)

    def issue(self, agent: Agent) -> tuple[ClientToken, str]:
        """The token of an agent who may come in, in the transaction that notes it, and its secret. Raises Overtaken
        when they may not any more.
        """
        raise NotImplementedError

    def answer(self, token: ClientToken, secret: str) -> Response:
        """What they are told."""
        raise NotImplementedError

    def post(self, request: Request) -> Response:
        refuse_passwords()
        for _try in range(TRIES):
            with suppress(Overtaken):  # judged anew, by what is true now
                return self._sign_in(request)
        raise Busy

    def _sign_in(self, request: Request) -> Response:
        email = normalise_email(next(filter(None, map(self.params.text, self.names)), ""))
        password = self.params.text("password")
        agent = None
        if email and len(email) <= MAX_EMAIL and password:
            agent = self._authenticate(email, password)
        if agent is None:
            raise Refusal(401, "bad_credentials", str(BAD_CREDENTIALS))
        if not agent.usable:
            sign_in_failed(agent, "agent_disabled")
            # Said only to somebody who knows the password: it admits that the account exists.
            raise Refusal(401, "account_not_confirmed", said(NOT_CONFIRMED, email=agent.email))
        with transaction.atomic():
            issued = self.issue(agent)
            # Forgets the failures, and notes when the agent last came.
            user_logged_in.send(sender=Agent, request=request._request, user=agent)
        return self.answer(*issued)

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
