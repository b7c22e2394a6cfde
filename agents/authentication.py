"""From a request to an agent: the shared secret, then the token triple (contract 2.1, 2.5 to 2.7)."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Container, Mapping
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from rdv.api.errors import CHALLENGE, Unauthenticated

from . import tokens
from .models import Agent, ClientToken, Refused, hold_rights
from .models.reach import Reach

MAX_UID = 254
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


class SharedSecretCredential:
    """An agent vouched for by a partner application. Its answers carry no credential headers."""

    kind = "shared_secret"

    def __init__(self, agent: Agent) -> None:
        self.agent = agent

    def hold(self) -> bool:
        """As that of a triple; the agent is the credential."""
        hold_rights(self.agent.pk)
        agent = Agent.objects.filter(pk=self.agent.pk).first()
        if agent is None or not agent.usable:
            raise Unauthenticated(Refused.AGENT_DISABLED)
        return _reaches_the_same(self.agent, agent.reach)

    def response_headers(self, params: Container[str], response: Response) -> Mapping[str, str]:
        return {}

    def describe(self) -> dict[str, Any]:
        return {"kind": self.kind}


class TripleCredential:
    """A token that was accepted, and what the answers to its owner carry (contract 2.4)."""

    kind = "token"

    def __init__(self, token: ClientToken, secret: str, *, fresh: bool = False) -> None:
        self.token = token
        self.secret = secret
        self.fresh = fresh
        self.started = timezone.now()

    def hold(self) -> bool:
        """In a transaction that is done but for its commit: from now on until then the caller's rights are what they
        are now, and tells whether they are what they were. Raises Unauthenticated when there are none any more.
        """
        agent = self.token.agent
        hold_rights(agent.pk)
        token = ClientToken.objects.presented(self.token.client)
        refusal = token.refusal_meanwhile(agent.uid, self.secret) if token else Refused.UNKNOWN
        if token is None or refusal:
            raise Unauthenticated(refusal)
        return _reaches_the_same(agent, token.agent.reach)

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


def _reaches_the_same(agent: Agent, reach: Reach) -> bool:
    """Gives `agent` the `reach` that they have now; tells whether it is the one that they had."""
    before, agent.reach = agent.reach, reach
    return reach.opens_the_same(before)


class SharedSecretAuthentication(BaseAuthentication):
    """`X-Agent-Auth-Signature` and `uid`. The header, even empty, closes the way to the tokens (contract 2.1)."""

    def authenticate(self, request: Request) -> tuple[Agent, SharedSecretCredential] | None:
        given = request.META.get("HTTP_X_AGENT_AUTH_SIGNATURE")
        if given is None:
            return None
        uid = request.META.get("HTTP_UID", "")
        secret = settings.RDV_SHARED_SECRET
        agent = Agent.objects.filter(email=uid).first() if secret and given and _plausible(uid) else None
        # Nobody by that name costs the same comparison.
        expected = signature(agent or Agent(), secret)
        if not hmac.compare_digest(given.encode(), expected.encode()) or agent is None:
            raise Unauthenticated(Refused.UNKNOWN)
        if not agent.usable:
            raise Unauthenticated(Refused.AGENT_DISABLED)
        return agent, SharedSecretCredential(agent)

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class TripleAuthentication(BaseAuthentication):
    """`uid`, `client` and `access-token`, as headers or as base64 JSON in `Authorization` (contract 2.5, 2.6).

    Never read from the address or the body: secrets do not travel there (design decision 1). One query, none when
    the form alone is wrong.
    """

    def authenticate(self, request: Request) -> tuple[Agent, TripleCredential] | None:
        sent = presented_triple(request)
        if sent is None:
            return None
        uid, client, secret = sent
        token = find_token(uid, client, secret)
        token.touch()
        return token.agent, TripleCredential(token, secret)

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


def find_token(uid: str, client: str, secret: str) -> ClientToken:
    """The token that accepts this triple, its agent with it. Raises Unauthenticated with the reason otherwise."""
    token = None
    if tokens.well_formed(client) and tokens.well_formed(secret) and _plausible(uid):
        token = ClientToken.objects.presented(client)
    refusal = token.refusal(uid, secret) if token else Refused.UNKNOWN
    if token is None or refusal:
        raise Unauthenticated(refusal)
    return token


def _plausible(uid: str) -> bool:
    """Whether a database can be asked for `uid` at all."""
    return 0 < len(uid) <= MAX_UID and "\x00" not in uid


def presented_triple(request: Request | HttpRequest) -> tuple[str, str, str] | None:
    """(uid, client, access-token) of the request; None when it carries no part of a triple.

    Each part comes from its own header if there is one, even empty, else from `Authorization`.
    """
    meta = request.META
    headers = {
        name: meta[key]
        for name, key in (("uid", "HTTP_UID"), ("client", "HTTP_CLIENT"), ("access-token", "HTTP_ACCESS_TOKEN"))
        if key in meta
    }
    bearer = _bearer(meta["HTTP_AUTHORIZATION"]) if "HTTP_AUTHORIZATION" in meta else {}
    if not headers and "HTTP_AUTHORIZATION" not in meta:
        return None
    parts = bearer | headers
    return parts.get("uid", ""), parts.get("client", "default"), parts.get("access-token", "")


def _bearer(header: str) -> dict[str, str]:
    """The parts in `Authorization: Bearer <base64 of a JSON object>`; whatever is undecodable counts as empty."""
    encoded = header.split()[-1:]
    try:
        document = orjson.loads(base64.b64decode("".join(encoded), validate=True))
    except (ValueError, binascii.Error):
        return {}
    if not isinstance(document, dict):
        return {}
    return {key: value for key, value in document.items() if isinstance(value, str)}
