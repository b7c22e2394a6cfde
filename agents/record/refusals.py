"""Refusals and failed sign-ins: told, but never more than a stranger may write, nor at the price of the answer.

What is refused is rolled back; its entry is written afterwards, by itself. In each process, the same refusal of the
same credential at the same route is told once a minute, one origin (a credential, else an address) is heard 20 times a
minute, all together 100 times; what is left out is counted, and the next entry like it says how many.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import DatabaseError, connection
from django.http import HttpRequest
from django.utils import timezone

from agents.emails import normalise_email
from agents.models import AccessKey, Action, Agent, ClientToken
from rdv.api.errors import WireError
from rdv.api.parsers import MAX_ID, leading_integer
from rdv.api.signals import refused

from .origin import acted, by_credential, origin
from .writing import note

logger = logging.getLogger("rdv.record")

WINDOW = 60  # seconds
OF_ONE_ORIGIN = 20
OF_ALL = 100
REMEMBERED = 1000  # kinds of refusals whose number left out is kept
LOCKED = 0.25  # seconds for which SQLite may make a refusal wait for whoever writes


class Bound:
    """How many refusals are told in a minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        self._since = 0.0
        self._told: set[Hashable] = set()
        self._by_origin: Counter[Hashable] = Counter()
        self._left_out: Counter[Hashable] = Counter()

    def admit(self, origin: Hashable, kind: Hashable, *, each: bool) -> int | None:
        """How many of this kind were left out before this one; None when this one is to be left out too. `each`: those
        of one kind are told each, as far as the bounds go.
        """
        with self._lock:
            now = timezone.now().timestamp()
            if not 0 <= now - self._since < WINDOW:
                self._since = now
                self._told.clear()
                self._by_origin.clear()
            told = kind in self._told and not each
            if told or self._by_origin[origin] >= OF_ONE_ORIGIN or self._by_origin.total() >= OF_ALL:
                self.left_out(kind)
                return None
            self._told.add(kind)
            self._by_origin[origin] += 1
            return self._left_out.pop(kind, 0)

    def left_out(self, kind: Hashable, count: int = 1) -> None:
        if kind in self._left_out or len(self._left_out) < REMEMBERED:
            self._left_out[kind] += count


bound = Bound()


def tell_refusal(request: Any, view: Any, error: WireError, **signal: Any) -> None:
    """A 401 of a credential that is known, or a 403 of a caller who is. Of a stranger nothing is told."""
    credential = getattr(request, "_request", request).__dict__.get("credential")
    who = _of(error.presented) if error.presented is not None else {}
    if not who and credential is None:
        return
    code = getattr(error, "reason", None) or error.code
    number = leading_integer(view.kwargs.get("pk"))
    shown = getattr(view, "representation", None)
    resource = shown.singular if shown else view.request.resolver_match.url_name.partition("/")[0]
    _tell(Action.REFUSED, resource[:30], code, who, id=number if 0 < number <= MAX_ID else None)


def tell_page_refusal(request: HttpRequest) -> None:
    """A 403 of the administration pages."""
    if request.user.is_authenticated:
        _tell(Action.REFUSED, "page", "forbidden", {})


def sign_in_failed(agent: Agent | None, code: str) -> None:
    """`agent`: whose email was given. Of another nothing is kept: people type passwords there."""
    columns = {"actor_kind": "anonymous", "actor_id": None, "actor_name": "", "credential_kind": "password"}
    id, name = (agent.pk, str(agent)) if agent else (None, "")
    _tell(Action.SIGN_IN_FAILED, "agent", code, columns, id=id, name=name, agent=id, each=True)


def signed_in(agent: Agent, by: str) -> None:
    note(Action.SIGNED_IN, "agent", id=agent.pk, name=str(agent), agent=agent.pk, **acted(agent), credential_kind=by)


def listen() -> None:
    """From now on, refusals and sign-ins are told, however they come about."""
    refused.connect(tell_refusal)
    user_login_failed.connect(_failed)
    user_logged_in.connect(_came)
    user_logged_out.connect(_went)


def _failed(credentials: dict[str, Any], request: HttpRequest | None = None, **signal: Any) -> None:
    if request is None:
        return
    email = normalise_email(str(credentials.get("username") or ""))
    plausible = 0 < len(email) <= 254 and "\x00" not in email
    agent = Agent.objects.filter(email=email).first() if plausible else None
    sign_in_failed(agent, "locked_out" if getattr(request, "axes_locked_out", False) else "bad_credentials")


def _came(user: Agent, **signal: Any) -> None:
    signed_in(user, "password")


def _went(user: Agent | None, **signal: Any) -> None:
    if user is not None:
        columns = acted(user) | {"credential_kind": "session"}
        note(Action.SIGNED_OUT, "agent", id=user.pk, name=str(user), agent=user.pk, **columns)


def _of(presented: Any) -> dict[str, Any]:
    """The columns for whose credential it was: its row, an agent, or the credential itself."""
    match presented:
        case AccessKey():
            kind = "personal_token" if presented.agent_id is not None else "account_token"
            return acted(presented.owner) | _credential(kind, presented)
        case ClientToken():
            return acted(presented.agent) | _credential("token", presented)
        case Agent():
            return acted(presented) | {"credential_kind": "shared_secret"}
    return by_credential(presented)


def _credential(kind: str, row: Any) -> dict[str, Any]:
    return {
        "credential_kind": kind,
        "credential_id": row and row.pk,
        "credential_name": row.recorded_name[:255] if row else "",
    }


def _tell(action: str, resource: str, code: str, who: dict[str, Any], *, each: bool = False, **entry: Any) -> None:
    columns = origin() | who
    if "agent" not in entry:
        # The matter of whoever was refused.
        agent = columns.get("actor_id") if columns["actor_kind"] == "agent" else columns.get("acting_for_id")
        entry["agent"] = agent
    by = (columns["actor_kind"], columns.get("actor_id"), columns.get("credential_kind"), columns.get("credential_id"))
    heard = columns.get("address") if columns["actor_kind"] == "anonymous" else by
    kind = (action, heard, code, columns.get("method"), columns.get("route"))
    repeated = bound.admit(heard, kind, each=each)
    if repeated is None:
        return
    try:
        with _hardly_waiting():
            note(action, resource, **entry, **columns, code=code[:50], repeated=repeated)
    except DatabaseError as error:  # the answer is what counts
        bound.left_out(kind, repeated + 1)
        logger.warning("A refusal was not recorded: %s", type(error).__name__)


@contextmanager
def _hardly_waiting() -> Iterator[None]:
    """On SQLite a write waits for whoever writes: a refusal, not for long."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    usual, connection.patience = connection.patience, LOCKED
    try:
        yield
    finally:
        connection.patience = usual
