"""Whether this server lives, and whether it can serve: for load balancers, before any turn, host or middleware.

`GET /health/live` asks nothing of anybody. `GET /health/ready` names what fails: `database`, `migrations` (some are
not applied), `cache`, or `leaving`: this process is about to stop. django-health-check would make an event loop, a
thread and a connection for each request, answer 500 with the exception's text, and bring a DNS library along.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from . import VERSION
from .api.asked import AskedOnce
from .api.connections import last
from .api.middleware import FIXED_HEADERS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

LIVE, READY = "/health/live", "/health/ready"
FRESH = 1.0  # seconds for which an answer of the database and the cache holds
PATIENCE = 2.0  # seconds that one waits for them: what has not answered by then, fails


class Readiness:
    """What fails, asked by one thread of its own at most once in `FRESH` seconds, however many want to know."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._asked = AskedOnce(lambda: list(self._failures()), "readiness", FRESH, clock)
        self._asking = ""  # whom, just now
        self._needed: set[tuple[str, str]] | None = None

    def failing(self) -> list[str]:
        try:
            return self._asked.answer(PATIENCE)
        except TimeoutError:
            return [self._asking]

    def _failures(self) -> Iterator[str]:
        reachable = self._holds("database", _database_answers)
        if not reachable:
            yield "database"
        elif not self._holds("migrations", self._migrated):
            yield "migrations"
        in_database = settings.CACHES["default"]["BACKEND"].endswith("DatabaseCache")
        if (reachable or not in_database) and not self._holds("cache", _cache_answers):
            yield "cache"

    def _holds(self, name: str, check: Callable[[], bool]) -> bool:
        self._asking = name
        try:
            return check()
        except Exception:  # whatever it is, the check failed; the log says how, the answer does not
            logger.exception("Not ready: %s", name)
            return False

    def _migrated(self) -> bool:
        if self._needed is None:  # the files do not change while the process lives
            self._needed = set(MigrationLoader(None, ignore_no_migrations=True).graph.nodes)
        return self._needed <= set(MigrationRecorder(connection).applied_migrations())


def _database_answers() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone())


def _cache_answers() -> bool:
    cache.get("health")
    return True


class Health:
    """The application behind its health: answers `/health/…` itself, and lets clients go once the process is leaving.

    Any `Host` will do, with TLS or without: a load balancer calls machines by their addresses, and nothing is made of
    the name.
    """

    def __init__(self, application: WSGIApplication, readiness: Readiness | None = None) -> None:
        self.application = application
        self.readiness = readiness or Readiness()
        self.leaving = False

    def leave(self) -> None:
        """From now on each connection ends with its next answer, and the process is not ready: it will be stopped."""
        self.leaving = True

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] in (LIVE, READY):
            return self._tell(environ, start_response)
        if not self.leaving:
            return self.application(environ, start_response)
        return self.application(environ, last(start_response))

    def _tell(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        method = environ["REQUEST_METHOD"]
        headers = FIXED_HEADERS | {"Content-Type": "application/json", "Cache-Control": "no-store"}
        if self.leaving:
            headers["Connection"] = "close"
        if method not in ("GET", "HEAD"):
            status, told = "405 Method Not Allowed", {"status": "method_not_allowed"}
            headers["Allow"] = "GET, HEAD"
        elif environ["PATH_INFO"] == LIVE:
            status, told = "200 OK", {"status": "live", "version": VERSION}
        elif failing := ["leaving"] if self.leaving else self.readiness.failing():
            status, told = "503 Service Unavailable", {"status": "not_ready", "failing": failing, "version": VERSION}
            headers["Retry-After"] = "1"
        else:
            status, told = "200 OK", {"status": "ready", "version": VERSION}
        body = json.dumps(told, separators=(",", ":")).encode()
        headers["Content-Length"] = str(len(body))
        start_response(status, list(headers.items()))
        return [] if method == "HEAD" else [body]
