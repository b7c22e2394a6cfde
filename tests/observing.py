"""A server's door with somebody who looks at what goes through it, in the database connection of the test."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection
from django.db.backends.signals import connection_created

from rdv.api import observed as seen
from rdv.api.handler import WireHandler
from rdv.metrics import observed


class Door:
    """`ask` answers (status, headers, body) as the server program would."""

    def __init__(self, handler: WireHandler, application: Any) -> None:
        self.handler, self.application = handler, application

    def ask(self, method: str, address: str, body: bytes = b"", **environ: str) -> tuple[int, dict[str, str], bytes]:
        parts, sent = urlsplit(address), []
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "HTTP_HOST": "testserver",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            **({"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/json"} if body else {}),
            **environ,
        }
        given = self.application(environ, lambda *started: sent.append(started))
        answer = b"".join(given)
        getattr(given, "close", lambda: None)()  # a file
        [(status, headers)] = sent
        return int(status[:3]), dict(headers), answer


def by(client: Any) -> dict[str, str]:
    """The credential of a test's client, as the environ has it."""
    return {"HTTP_" + name.upper().replace("-", "_"): value for name, value in client.triple.items()}


@contextmanager
def door_of_a_server() -> Iterator[Door]:
    """As the settings of the moment want it to be looked at."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    handler = WireHandler()
    try:
        yield Door(handler, observed(handler))
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)
        connection_created.disconnect(dispatch_uid="rdv.observed")
        if seen._counted in connection.execute_wrappers:
            connection.execute_wrappers.remove(seen._counted)
