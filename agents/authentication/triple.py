"""The token triple of a sign-in (contract 2.4 to 2.6)."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from agents import tokens
from agents.models import Agent, ClientToken, Refused, hold_rights
from rdv.api.errors import CHALLENGE, Unauthenticated
from rdv.api.registry import Way, header

from .carriers import presented_triple
from .credential import Credential, plausible, refuse_to_act


class TripleCredential(Credential):
    """A token that was accepted, and what the answers to its owner carry (contract 2.4)."""

    kind = "token"
    signs_in = True

    def __init__(self, token: ClientToken, secret: str, *, fresh: bool = False) -> None:
        self.token = token
        self.caller = token.agent
        self.secret = secret
        self.fresh = fresh
        self.started = timezone.now()

    def hold(self) -> bool:
        """As any credential's, with the token looked at again."""
        agent = self.token.agent
        hold_rights(agent.pk)
        token = ClientToken.objects.presented(self.token.client)
        refusal = token.refusal_meanwhile(agent.uid, self.secret) if token else Refused.UNKNOWN
        if token is None or refusal:
            raise Unauthenticated(refusal)
        return self._has_the_same(token.agent.reach)

    def triple(self) -> dict[str, str]:
        """The five headers of this credential, in the order of contract 2.3."""
        return {
            "access-token": self.secret,
            "token-type": "Bearer",
            "client": self.token.client,
            "expiry": str(int(self.token.expires_at.timestamp())),
            "uid": self.token.agent.uid,
        }

    def response_headers(self, params: Container[str], response: Response) -> Mapping[str, str]:
        """The triple; a renewed one after a successful request when `RDV_TOKEN_ROTATION` is `request`."""
        if settings.RDV_TOKEN_ROTATION != "request" or self.fresh or response.status_code >= 400:
            return self.triple()
        match self.token.rotate(self.started, unbatch="unbatch" in params):
            case None:
                return {}
            case "":
                # Present but blank, so that even a 304 overwrites a cached token: "keep the one you have".
                return self.triple() | {"access-token": " ", "expiry": " "}
            case secret:
                self.secret = secret
                return self.triple()

    def describe(self) -> dict[str, Any]:
        """What `GET /me` tells of it."""
        token = self.token
        return {
            "kind": self.kind,
            "client": token.client,
            "created_at": token.created_at,
            "expires_at": token.expires_at,
            "last_used_at": token.last_used_at,
        }


class TripleAuthentication(BaseAuthentication):
    """`uid`, `client` and `access-token`, as headers or as base64 JSON in `Authorization` (contract 2.5, 2.6).

    Never read from the address or the body: secrets do not travel there (design decision 1). One query, none when
    the form alone is wrong.
    """

    ways = (
        Way(
            "triple",
            _("Les trois en-têtes que donne une connexion, bons 24 heures."),
            {
                "access-token": header("access-token", _("Le secret du triplet.")),
                "client": header("client", _("Le client du triplet.")),
                "uid": header("uid", _("L'adresse de l'agent.")),
            },
            given_by="auth.sign_in",
        ),
    )

    def authenticate(self, request: Request) -> tuple[Agent, TripleCredential] | None:
        sent = presented_triple(request)
        if sent is None:
            return None
        uid, client, secret = sent
        token = find_token(uid, client, secret)
        credential = TripleCredential(token, secret)
        refuse_to_act(request, credential)
        token.touch()
        return token.agent, credential

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


def find_token(uid: str, client: str, secret: str) -> ClientToken:
    """The token that accepts this triple, its agent with it. Raises Unauthenticated with the reason otherwise."""
    token = None
    if tokens.well_formed(client) and tokens.well_formed(secret) and plausible(uid):
        token = ClientToken.objects.presented(client)
    refusal = token.refusal(uid, secret) if token else Refused.UNKNOWN
    if token is None or refusal:
        # Known to somebody who holds the right secret; else anybody's.
        raise Unauthenticated(refusal).of(token if refusal != Refused.UNKNOWN else None)
    return token
