"""`GET /metrics`, for Prometheus: behind a token, before any turn, host or middleware: an overloaded server tells too.

Without RDV_METRICS_TOKEN nothing is measured, and the address is one that leads nowhere.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.conf import settings

from .api.access_log import AccessLog
from .api.handler import WireHandler
from .api.middleware import FIXED_HEADERS
from .api.observed import count_queries

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from .api.measures import Measures

METRICS = "/metrics"
TEXT = "text/plain; version=0.0.4; charset=utf-8"


def observed(handler: WireHandler) -> WSGIApplication:
    """The handler with those who look at its requests, as the settings want them; itself when nobody does."""
    application: WSGIApplication = handler
    if settings.RDV_METRICS_TOKEN:
        from .api.measures import Measures  # its library costs memory, and writes files

        measures = Measures(lambda: handler.turns.waiting)
        handler.observers.append(measures)
        application = Metrics(handler, measures, settings.RDV_METRICS_TOKEN)
    if settings.RDV_ACCESS_LOG:
        handler.observers.append(AccessLog())
    if handler.observers:
        count_queries()
    return application


class Metrics:
    """The application, and its measures for whoever has the token."""

    def __init__(self, application: WSGIApplication, measures: Measures, token: str) -> None:
        self.application = application
        self.measures = measures
        self._expected = f"Bearer {token}".encode()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != METRICS:
            return self.application(environ, start_response)
        headers = FIXED_HEADERS | {"Cache-Control": "no-store", "Content-Type": TEXT}
        body = b""
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            status = "405 Method Not Allowed"
            headers["Allow"] = "GET, HEAD"
        elif not self._knows(environ.get("HTTP_AUTHORIZATION", "")):
            status = "401 Unauthorized"
            headers["WWW-Authenticate"] = 'Bearer realm="rdv-metrics"'
        else:
            status, body = "200 OK", self.measures.told()
        headers["Content-Length"] = str(len(body))
        start_response(status, list(headers.items()))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _knows(self, authorization: str) -> bool:
        scheme, _blank, token = authorization.partition(" ")
        presented = f"{scheme.capitalize()} {token.strip()}".encode("latin-1", "replace")
        return hmac.compare_digest(presented, self._expected)
