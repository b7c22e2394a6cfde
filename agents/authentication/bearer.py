"""Keys, JSON Web Tokens, and triples in one piece: whatever is carried whole (rows T6, T8, T9, T11)."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from agents import tokens
from agents.models import AccessKey, Agent, ApiAccount, Grant, Refused, hold_rights
from agents.models.agent import CALLER
from agents.models.reach import Reach
from rdv.api.errors import CHALLENGE, Unauthenticated
from rdv.api.parsers import leading_integer
from rdv.api.registry import Way, header
from rdv.api.statements import Parameter, Statement

from . import carriers, jwt
from .credential import ACT_FOR, Credential, NotGranted, plausible, refuse_to_act
from .triple import TripleCredential, find_token


class KeyCredential(Credential):
    """A key that was accepted; `agent`: for whom its account acts."""

    def __init__(self, key: AccessKey, secret: str, agent: Agent | None = None) -> None:
        self.key = key
        self.secret = secret
        self.name = key.name
        self.kind = "personal_token" if key.agent_id is not None else "account_token"
        self.bound_to = key.organisations
        self.acting_for = agent
        self.caller = agent or key.owner
        self.caller.reach = key.scope.narrow(self.caller.reach)

    @property
    def actor(self) -> Agent | ApiAccount:
        return self.key.owner

    def permits(self, method: str, resource: str) -> bool:
        return self.key.scope.permits(method, resource)

    def hold(self) -> bool:
        hold_rights(self.key.owner_number)
        key = AccessKey.objects.presented(self.secret)
        refusal = key.refusal_meanwhile() if key else Refused.UNKNOWN
        if key is None or refusal:
            raise Unauthenticated(refusal)
        reach: Reach = key.owner.reach if self.acting_for is None else _granted(key, str(self.acting_for.pk)).reach
        # What the key permits may have changed too.
        return self._has_the_same(key.scope.narrow(reach)) and key.scope == self.key.scope

    def describe(self) -> dict[str, Any]:
        key = self.key
        account = {"account": {"id": key.account_id, "name": str(key.account)}} if key.account_id else {}
        return account | {
            "kind": self.kind,
            "id": key.pk,
            "name": key.name,
            "prefix": key.prefix,
            "read_only": key.read_only,
            "resources": key.resources,
            "organisations": key.organisations,
            "created_at": key.created_at,
            "expires_at": key.expires_at,
            "last_used_at": key.last_used_at,
        }


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer`, `X-API-Token`, `X-Api-Key` or `x-auth`, and in the address where that is allowed."""

    ways = (
        Way(
            "bearer",
            _("Une clé d'accès personnelle, la clé d'un compte d'API, un jeton JWT, ou le triplet en base64."),
            {"bearer": {"type": "http", "scheme": "bearer", "description": _("`Authorization: Bearer rdv_pat_…`")}},
            given_by="auth.login",
        ),
        *(
            Way(name.lower(), _("La même clé, pour les outils qui n'ont que cet en-tête."), {name: header(name)})
            for name in ("X-API-Token", "X-Api-Key", "x-auth")
        ),
    )

    def authenticate(self, request: Request) -> tuple[Any, Credential] | None:
        bearer = carriers.presented_bearer(request)
        if bearer is None:
            if carriers.presented_triple(request) is None and carriers.presents_something_else(request):
                raise Unauthenticated(Refused.UNKNOWN)
            return None
        credential = self._credential(bearer, request)
        if not isinstance(credential, KeyCredential) or credential.acting_for is None:
            refuse_to_act(request, credential)
        return credential.caller, credential

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE

    @staticmethod
    def _credential(bearer: str, request: Request) -> Credential:
        if carriers.looks_like_a_key(bearer):
            return _with_key(bearer, request.META.get(ACT_FOR))
        if carriers.looks_like_a_jwt(bearer):
            return jwt.authenticate(bearer)
        token = find_token(*carriers.triple_of(bearer) or ("", "", ""))
        token.touch()
        return TripleCredential(token, token_secret(bearer))


def _with_key(bearer: str, act_for: str | None) -> KeyCredential:
    key = AccessKey.objects.presented(bearer) if tokens.is_key(bearer) else None
    refusal = key.refusal() if key else Refused.UNKNOWN
    if key is None or refusal:
        raise Unauthenticated(refusal).of(key)
    key.touch()
    return KeyCredential(key, bearer, _granted(key, act_for) if act_for is not None and key.account_id else None)


def _granted(key: AccessKey, name: str) -> Agent:
    """The agent of that identifier or email, for whom the account may act. Raises NotGranted alike for nobody, and
    for somebody who did not allow it; Unauthenticated for somebody who may not come in themselves.
    """
    column, value = ("agent", leading_integer(name)) if name.isdecimal() else ("agent__email", name)
    granted = _grants(column).run(account=key.account_id, value=value) if plausible(name) else ()
    agent = next((Agent.from_db("default", CALLER, row) for row in granted), None)
    if agent is None:
        raise NotGranted().of(key)
    if not agent.may_come_in:
        raise Unauthenticated(Refused.AGENT_DISABLED).of(key)
    return agent


@cache
def _grants(column: str) -> Statement:
    """The agent that has this value there, if the account may act for them."""
    number = models.BigIntegerField()
    value = Parameter("value", number if column == "agent" else models.CharField())
    granted = Grant.objects.filter(**{"account": Parameter("account", number), column: value}).order_by()
    return Statement(lambda: granted.values_list(*(f"agent__{name}" for name in CALLER)))


def token_secret(bearer: str) -> str:
    """The secret of a triple in one piece."""
    triple = carriers.triple_of(bearer)
    return triple[2] if triple else ""
