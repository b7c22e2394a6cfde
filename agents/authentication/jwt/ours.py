"""The JSON Web Tokens that we give: each is the token of a client, signed, so that what ends the one ends the other."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import jwt
from django.conf import settings
from rest_framework.response import Response

from agents import tokens
from agents.models import Agent, ClientToken, Refused
from agents.models.signing import ALGORITHM, keyring
from rdv.api.errors import Unauthenticated

from ..triple import TripleCredential
from .form import verified

AUDIENCE = "rdv"
# The clocks of our machines may differ so much; the end is the row's, to the letter.
LEEWAY = 30  # seconds
# What the secrets of their rows begin with, as that of no triple does: else whoever finds a token could make a triple
# of its claims, and that might be renewed (`RDV_TOKEN_ROTATION`).
FORM = "jwt:"


class JwtCredential(TripleCredential):
    """A JSON Web Token of ours that was accepted. Its answers carry no credential headers."""

    kind = "jwt"

    def response_headers(self, params: Container[str], response: Response) -> Mapping[str, str]:
        return {}


def issuer() -> str:
    """Who gives them: the same name on every machine, whatever it is called by."""
    return settings.RDV_PUBLIC_URL or AUDIENCE


def issue(agent: Agent) -> tuple[ClientToken, str]:
    """A fresh client of `agent` for a JSON Web Token, and its secret. Raises Overtaken, as for any client."""
    return ClientToken.objects.issue(agent, lifetime=settings.RDV_JWT_LIFETIME, form=FORM)


def signed(token: ClientToken, secret: str) -> str:
    """The JSON Web Token that stands for a client so issued."""
    kid, private = keyring.signing()
    claims = {
        "iss": issuer(),
        "aud": AUDIENCE,
        "sub": str(token.agent_id),
        "iat": int(token.created_at.timestamp()),
        "exp": int(token.expires_at.timestamp()),
        "sid": token.client,
        "jti": secret.removeprefix(FORM),
    }
    return jwt.encode(claims, private, ALGORITHM, {"kid": kid})


def accept(text: str, header: Mapping[str, Any]) -> JwtCredential:
    """The credential that a token which names us as its issuer is. Raises Unauthenticated with the reason."""
    key = keyring.public(header.get("kid"))
    if key is None:
        raise Unauthenticated(Refused.UNKNOWN)
    claims = verified(text, key, [ALGORITHM], ("sid", "jti"), audience=AUDIENCE, issuer=issuer(), leeway=LEEWAY)
    client, identifier = claims["sid"], claims["jti"]
    token = None
    if tokens.well_formed(client) and tokens.well_formed(identifier):
        token = ClientToken.objects.presented(client)
    if token is None or claims["sub"] != str(token.agent_id):
        raise Unauthenticated(Refused.UNKNOWN)
    secret = FORM + identifier
    credential = JwtCredential(token, secret)
    refusal = token.refusal(token.agent.uid, secret)
    if refusal is None and not token.agent.may_come_in:
        refusal = Refused.AGENT_DISABLED
    if refusal:
        raise Unauthenticated(refusal).of(credential if refusal != Refused.UNKNOWN else None)
    token.touch()
    return credential
