"""An agent vouched for by a partner application, which shares a secret with us (contract 2.7)."""

from __future__ import annotations

import hmac

import orjson
from django.conf import settings
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from agents.models import Agent, Refused, hold_rights
from rdv.api.errors import CHALLENGE, ConflictingCredentials, Unauthenticated
from rdv.api.registry import Way, header

from .carriers import presents_a_key
from .credential import Credential, plausible, refuse_to_act

# Written as in the original's JSON (contract 2.7); "/" is not escaped.
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def signature(agent: Agent, secret: str) -> str:
    """Lower-case hexadecimal HMAC-SHA256 of who the agent is, with the shared secret (contract 2.7)."""
    identity = {
        "id": agent.pk,
        "first_name": agent.first_name,
        "last_name": agent.last_name,
        "email": agent.email,
    }
    message = orjson.dumps(identity).decode().translate(_ESCAPES)
    return hmac.new(secret.encode(), message.encode(), "sha256").hexdigest()


class SharedSecretCredential(Credential):
    """An agent vouched for by a partner application. Its answers carry no credential headers."""

    kind = "shared_secret"

    def __init__(self, agent: Agent) -> None:
        self.caller = self.agent = agent

    def hold(self) -> bool:
        """As that of a triple; the agent is the credential."""
        hold_rights(self.agent.pk)
        agent = Agent.objects.caller(pk=self.agent.pk)
        if agent is None or not agent.usable:
            raise Unauthenticated(Refused.AGENT_DISABLED)
        return self._has_the_same(agent.reach)


class SharedSecretAuthentication(BaseAuthentication):
    """`X-Agent-Auth-Signature` and `uid`. The header, even empty, closes the way to the tokens (contract 2.1)."""

    ways = (
        Way(
            "signature",
            _("La signature d'une application partenaire qui partage un secret avec ce serveur, et l'agent."),
            {
                "X-Agent-Auth-Signature": header("X-Agent-Auth-Signature", _("La signature de l'agent.")),
                "uid": header("uid", _("L'adresse de l'agent.")),
            },
        ),
    )

    def authenticate(self, request: Request) -> tuple[Agent, SharedSecretCredential] | None:
        given = request.META.get("HTTP_X_AGENT_AUTH_SIGNATURE")
        if given is None:
            return None
        if presents_a_key(request):
            raise ConflictingCredentials
        uid = request.META.get("HTTP_UID", "")
        secret = settings.RDV_SHARED_SECRET
        agent = Agent.objects.caller(email=uid) if secret and given and plausible(uid) else None
        # Nobody by that name costs the same comparison.
        expected = signature(agent or Agent(), secret)
        if not hmac.compare_digest(given.encode(), expected.encode()) or agent is None:
            raise Unauthenticated(Refused.UNKNOWN)
        if not agent.usable:
            raise Unauthenticated(Refused.AGENT_DISABLED).of(agent)
        credential = SharedSecretCredential(agent)
        refuse_to_act(request, credential)
        return agent, credential

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE
