"""What is seen of each request, for measures and logs: who, which route, how long, how many queries; nothing sent.

Nothing here runs unless somebody looks (RDV_METRICS_TOKEN, RDV_ACCESS_LOG).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connections
from django.db.backends.signals import connection_created
from django.http import HttpRequest

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SEEN = "rdv.seen"  # in the environ of a request that is looked at
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
NOWHERE = "-"  # the route of an address that leads nowhere: it may hold anything

_here = threading.local()  # `.seen`: the request that this thread is at


class Seen:
    """One request, while and after it was answered."""

    __slots__ = (
        "account",
        "acts_for",
        "agent",
        "away",
        "bytes",
        "credential",
        "database_seconds",
        "ended",
        "method",
        "queries",
        "read",
        "request_id",
        "route",
        "started",
        "status",
        "turn",
    )

    def __init__(self, environ: Mapping[str, Any]) -> None:
        method = environ.get("REQUEST_METHOD", "")
        self.method = method if method in METHODS else "OTHER"
        self.route = NOWHERE
        self.status = 500  # unless one is sent
        self.bytes = 0
        self.request_id: str | None = None
        self.agent: int | None = None
        self.account: int | None = None
        self.acts_for: int | None = None
        self.credential: str | None = None
        self.away: str | None = None  # why it was refused at the door
        self.queries = 0
        self.database_seconds = 0.0
        self.started = time.perf_counter()
        self.read: float | None = None  # when it had its body,
        self.turn: float | None = None  # and its turn
        self.ended = 0.0

    @property
    def seconds(self) -> float:
        return self.ended - self.started

    @property
    def waited(self) -> float:
        """Seconds in line, also of one that was turned away; none of one that did not come so far."""
        return (self.turn or self.ended) - self.read if self.read is not None else 0.0

    def stands_in_line(self) -> None:
        self.read = time.perf_counter()

    def has_its_turn(self) -> None:
        self.turn = time.perf_counter()

    def understood(self, request: HttpRequest) -> None:
        """What Django made of the request, once it is answered. Asks the database nothing."""
        if request.resolver_match is not None:
            self.route = route_of(request.resolver_match.route or "")
        elif request.path.startswith(settings.STATIC_URL):
            self.route = settings.STATIC_URL
        credential: Any = getattr(request, "credential", None)
        if credential is not None:
            actor, caller = credential.actor, credential.caller
            self.credential = credential.kind
            if caller is not actor:
                self.acts_for = caller.pk
        else:
            # That of a page: only when the page asked for it.
            actor = getattr(request, "_cached_user", None)
            if actor is None or not actor.is_authenticated:
                return
            self.credential = "session"
        if actor.recorded_as == "agent":
            self.agent = actor.pk
        else:
            self.account = actor.pk


@lru_cache(maxsize=1024)
def route_of(pattern: str) -> str:
    """The pattern of an address as one reads it: `/api/v1/absences/<pk>`. As many as there are patterns."""
    readable = re.sub(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)", r"<\1>", pattern)
    readable = re.sub(r"\(\?:(?:[^()]|\([^()]*\))*\)\?(?:/\?)?|\\Z|[\^$]", "", readable)  # what may be left out, is
    return "/" + re.sub(r"<\w+:(\w+)>", r"<\1>", readable)


class Observer:
    """Sees each request that a worker answers. `began` and `ended` are called in its thread, outside of any turn."""

    def began(self) -> None:
        pass

    def ended(self, seen: Seen) -> None:
        raise NotImplementedError


def observe(
    observers: Iterable[Observer],
    answer: Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]],
    environ: WSGIEnvironment,
    start_response: StartResponse,
) -> Iterable[bytes]:
    """What `answer` answers; the observers are told."""
    seen = environ[SEEN] = _here.seen = Seen(environ)
    length: str | None = None

    def start(status: str, headers: list[tuple[str, str]], *args: Any) -> Any:
        nonlocal length
        seen.status = int(status[:3])
        for name, value in headers:
            if name == "X-Request-Id":
                seen.request_id = value
            elif name == "Content-Length":
                length = value
        return start_response(status, headers, *args)

    for observer in observers:
        observer.began()
    try:
        body = answer(environ, start)
        if isinstance(body, list):
            seen.bytes = 0 if seen.method == "HEAD" else sum(map(len, body))
        elif length and seen.method != "HEAD":
            seen.bytes = int(length)  # a file, which is sent afterwards
        return body
    finally:
        _here.seen = None
        seen.ended = time.perf_counter()
        for observer in observers:
            observer.ended(seen)


def count_queries() -> None:
    """From now on the queries of each request are counted, on whatever connection."""
    connection_created.connect(_watch, dispatch_uid="rdv.observed")
    for connection in connections.all(initialized_only=True):
        _watch(connection=connection)


def _watch(connection: Any, **signal: Any) -> None:
    if _counted not in connection.execute_wrappers:
        connection.execute_wrappers.append(_counted)


def _counted(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
    seen: Seen | None = getattr(_here, "seen", None)
    if seen is None:
        return execute(sql, params, many, context)
    started = time.perf_counter()
    try:
        return execute(sql, params, many, context)
    finally:
        seen.queries += 1
        seen.database_seconds += time.perf_counter() - started
