"""The agent whom an identity provider vouches for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q

from agents.emails import normalise_email
from agents.models import Agent, Refused
from agents.models.agent import CALLER as _AGENT
from agents.models.reach import Reach, reach_columns
from rdv.api.errors import Unauthenticated
from rdv.api.statements import Parameter, Statement

from ..credential import plausible
from ..shared_secret import SharedSecretCredential
from .form import verified
from .issuers import Issuer

if TYPE_CHECKING:
    from rdv.settings import OidcIssuer

MAX_SUB = 255


class OidcCredential(SharedSecretCredential):
    """A token of an identity provider that was accepted."""

    kind = "oidc"
    signs_in = True

    def __init__(self, agent: Agent, issuer: str) -> None:
        super().__init__(agent)
        self.issuer = issuer

    def describe(self) -> dict[str, Any]:
        return {"kind": self.kind, "issuer": self.issuer}


def accept(text: str, header: Mapping[str, Any], configuration: OidcIssuer) -> OidcCredential:
    """The credential that a token of a configured issuer is. Raises Unauthenticated with the reason, and
    IdentityProviderUnavailable when there are no keys to check it with.
    """
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in configuration.algorithms or not (kid is None or isinstance(kid, str)):
        raise Unauthenticated(Refused.UNKNOWN)
    key = Issuer.of(configuration).key(kid, algorithm)
    if key is None:
        raise Unauthenticated(Refused.UNKNOWN)
    claims = verified(
        text,
        key,
        [algorithm],
        audience=configuration.audience,
        issuer=configuration.issuer,
        leeway=configuration.leeway,
    )
    # What tells of a sign-out may be of no type of its own (OpenID Connect Back-Channel Logout 2.4).
    agent = None if "events" in claims else _agent(claims, configuration.match)
    if agent is None:
        raise Unauthenticated(Refused.UNKNOWN)
    credential = OidcCredential(agent, configuration.issuer)
    if not agent.may_come_in:
        raise Unauthenticated(Refused.AGENT_DISABLED).of(credential)
    return credential


def _agent(claims: Mapping[str, Any], match: tuple[str, ...]) -> Agent | None:
    """The agent of that identifier, else of that verified email, with their reach. One query; none for nobody."""
    sub, email = claims["sub"], claims.get("email")
    if "sub" not in match or not 0 < len(sub) <= MAX_SUB or "\x00" in sub:
        sub = None
    email = normalise_email(email) if isinstance(email, str) and claims.get("email_verified") is True else ""
    if "email" not in match or not plausible(email):
        email = None
    if sub is None and email is None:
        return None
    found: dict[bool, Agent] = {}
    for row in _statement.run(sub=sub, email=email):
        agent = Agent.from_db("default", _AGENT, row[: len(_AGENT)])
        agent.reach = Reach.of(*row[len(_AGENT) :], own=agent.pk)
        found[sub is not None and agent.inclusion_connect_open_id_sub == sub] = agent
    return found.get(True) or found.get(False)


def _rows() -> models.QuerySet[Any]:
    reach = reach_columns("pk")
    by_sub = Q(inclusion_connect_open_id_sub=Parameter("sub", models.CharField()))
    by_email = Q(email=Parameter("email", models.CharField()))
    return Agent.objects.filter(by_sub | by_email).annotate(**reach).order_by().values_list(*_AGENT, *reach)


_statement = Statement(_rows)
