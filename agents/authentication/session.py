"""Whoever is signed in with a browser, in the requests that a page makes for them (row W5)."""

from __future__ import annotations

from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.utils.crypto import constant_time_compare
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from agents.models import Agent, Refused, hold_rights
from rdv.api.errors import CHALLENGE, Unauthenticated
from rdv.api.registry import Way

from .credential import Credential, refuse_to_act


class SessionCredential(Credential):
    """The session of an agent. No request from outside carries one: a page puts it beside the request that it makes
    within the server (`rdv.api.within`), so that no other site's page can have the browser send it.
    """

    kind = "session"
    signs_in = True

    def __init__(self, session: SessionBase, agent: Agent) -> None:
        self.session = session
        self.caller = agent

    def hold(self) -> bool:
        """As any credential's; the session is looked at again."""
        agent = still_signed_in(self.session, self.caller.pk)
        if agent is None:
            raise Unauthenticated(Refused.REVOKED)
        return self._has_the_same(agent.reach)


class SessionAuthentication(BaseAuthentication):
    """Who asks is what the page says; that they may still come in is asked anew."""

    ways: tuple[Way, ...] = ()

    def authenticate(self, request: Request) -> tuple[Agent, SessionCredential] | None:
        credential: SessionCredential | None = request._request.__dict__.get("session_credential")
        if credential is None:
            return None
        if not credential.caller.usable:
            raise Unauthenticated(Refused.AGENT_DISABLED).of(credential.caller)
        refuse_to_act(request, credential)
        return credential.caller, credential

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


def still_signed_in(session: SessionBase, pk: int) -> Agent | None:
    """In a transaction that is done but for its commit: the agent, whose rights are from now on until then what they
    are now; None when their session, by which the change was asked for, stands no more.
    """
    hold_rights(pk)
    agent = Agent.objects.filter(pk=pk).first()
    same = agent is not None and agent.usable and agent.get_session_auth_hash()
    if not same or not constant_time_compare(session[HASH_SESSION_KEY], same):
        return None
    return agent if session.exists(session.session_key) else None
