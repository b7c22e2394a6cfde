"""Who acts, for whom, with what and from where: read of the request under way, or of the command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import PurePath
from typing import Any

from django.http import HttpRequest, HttpResponse
from django_guid import get_guid

from rdv.api.client import address_of

# Threads serve one request after the other: each is put here, and taken away.
_request: ContextVar[HttpRequest | None] = ContextVar("request", default=None)
_command: ContextVar[str] = ContextVar("command", default="")

LONGEST_NAME = 255
LONGEST_ROUTE = 100


class RecordMiddleware:
    """While a request is under way, whatever it changes is told with who sent it. Costs nothing but that."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        before = _request.set(request)
        try:
            return self.get_response(request)
        finally:
            _request.reset(before)


@contextmanager
def acting_as(command: str) -> Iterator[None]:
    """What is changed meanwhile, the system does, by this command."""
    before = _command.set(command)
    try:
        yield
    finally:
        _command.reset(before)


def origin() -> dict[str, Any]:
    """The columns of an entry that tell who acts now, with what and from where."""
    request = _request.get()
    if request is None:
        return {"actor_kind": "system", "actor_name": _command.get() or _program()}
    credential = getattr(request, "credential", None) or getattr(request, "auth", None)
    return place_of(request) | (by_credential(credential) if credential else _by_session(request))


def place_of(request: HttpRequest) -> dict[str, Any]:
    """From where a request comes, and what it asks for. The route, not the address: that may hold anything."""
    match = request.resolver_match
    return {
        "address": address_of(request)[:45],
        "request_id": get_guid() or "",
        "method": (request.method or "")[:10],
        "route": (match.view_name if match else "")[:LONGEST_ROUTE],
        "reason": getattr(request, "reason", ""),
    }


def acted(actor: Any, *, acting_for: Any = None) -> dict[str, Any]:
    """The columns for an agent or an API account; `acting_for`: the agent for whom it acts."""
    columns = {
        "actor_kind": actor.recorded_as,
        "actor_id": actor.pk,
        "actor_name": str(actor)[:LONGEST_NAME],
    }
    if acting_for is not None:
        columns |= {"acting_for_id": acting_for.pk, "acting_for_name": str(acting_for)[:LONGEST_NAME]}
    return columns


def by_credential(credential: Any) -> dict[str, Any]:
    """The columns for who acts with `credential`, and for whom."""
    actor, caller = credential.actor, credential.caller
    return acted(actor, acting_for=None if caller is actor else caller) | presented(credential)


def presented(credential: Any) -> dict[str, Any]:
    """The columns for what a request came with, whether it was accepted or not."""
    row = getattr(credential, "key", None) or getattr(credential, "token", None)
    return {
        "credential_kind": credential.kind,
        "credential_id": getattr(row, "pk", None),
        "credential_name": (row.recorded_name if row else credential.name)[:LONGEST_NAME],
    }


def _by_session(request: HttpRequest) -> dict[str, Any]:
    user: Any = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"actor_kind": "anonymous"}
    return acted(user) | {"credential_kind": "session"}


@cache
def _program() -> str:
    """The command that runs, as it was called."""
    program, *arguments = sys.argv or [""]
    name = PurePath(program).name
    return (arguments[0] if name == "manage.py" and arguments else name)[:LONGEST_NAME]
