"""What every kind of credential can be asked (contract 2.1)."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from agents.models import Agent, ApiAccount
from agents.models.reach import Reach
from rdv.api.errors import Forbidden

MAX_UID = 254
# The agent for whom an API account acts: an identifier, or an email.
ACT_FOR = "HTTP_X_RDV_ACT_FOR"


class NotGranted(Forbidden):
    """403: to act for that agent was not granted."""

    code = "not_granted"


class Credential:
    """That which a request came with, once it was accepted: what the views ask of it.

    `caller`: whose rights count, an agent or an API account. `actor`: who did it; another than the caller when an
    account acts for an agent. `signs_in`: whether its holder proved to be the agent, by a password or an identity
    provider, and not by a key: only then may they make keys. `bound_to`: the organisations outside of which it counts
    for nothing; None is everywhere.
    """

    kind: ClassVar[str]
    name = ""  # as its owner named it, where they did
    signs_in = False
    bound_to: Sequence[int] | None = None
    caller: Agent | ApiAccount

    @property
    def actor(self) -> Agent | ApiAccount:
        return self.caller

    @property
    def identity(self) -> str:
        """Who acts, and for whom, as one text, whatever they came with."""
        actor, caller = self.actor, self.caller
        who = f"{actor.recorded_as}:{actor.pk}"
        return who if caller is actor else f"{who} for {caller.recorded_as}:{caller.pk}"

    def permits(self, method: str, resource: str) -> bool:
        """Whether it may be used for that at all; which rows, the caller's reach tells."""
        return True

    def hold(self) -> bool:
        """In a transaction that is done but for its commit: from now on until then the caller's rights are what they
        are now, and tells whether they are what they were. Raises Unauthenticated when there are none any more.
        """
        raise NotImplementedError

    def response_headers(self, params: Container[str], response: Response) -> Mapping[str, str]:
        """What the answers to its holder carry."""
        return {}

    def describe(self) -> dict[str, Any]:
        """What `GET /me` and `GET /token` tell of it."""
        return {"kind": self.kind}

    def _has_the_same(self, reach: Reach) -> bool:
        """Gives the caller the `reach` that they have now; tells whether it is the one that they had."""
        before, self.caller.reach = self.caller.reach, reach
        return reach.opens_the_same(before)


def plausible(uid: str) -> bool:
    """Whether a database can be asked for `uid` at all."""
    return 0 < len(uid) <= MAX_UID and "\x00" not in uid


def refuse_to_act(request: Request, credential: Credential) -> None:
    """Raises NotGranted when the holder of a credential that is no account's asks to act for somebody: what they then
    did in their own name would not be what they meant.
    """
    if ACT_FOR in request.META:
        raise NotGranted().of(credential)
