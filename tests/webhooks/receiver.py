"""A partner's receiver, as docs/webhooks.md tells how to write one, on the loopback interface: it believes what the
public library of Standard Webhooks verifies. And receivers as nobody should write them: what `does` returns is done.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SECRET = "secret-de-webhook"


@dataclass
class Received:
    """A request; `verified` says whether the library believed it."""

    path: str
    headers: dict[str, str]
    body: bytes
    verified: bool
    connection: int

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


# Writes an answer; what it returns is whether the connection may be used again.
Behaviour = Callable[["Handler", Received], None]


def answers(status: int, body: bytes = b"", **headers: str) -> Behaviour:
    def behave(handler: Handler, received: Received) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def writes(*parts: bytes, every: float = 0, endlessly: bool = False) -> Behaviour:
    """Bytes as they are, whether HTTP or not; then the connection ends."""

    def behave(handler: Handler, received: Received) -> None:
        handler.close_connection = True
        for part in parts:
            handler.wfile.write(part)
            time.sleep(every)
        while endlessly and not handler.server.stopping.is_set():  # type: ignore[attr-defined]
            handler.wfile.write(parts[-1])
            time.sleep(every)

    return behave


def silence(handler: Handler, received: Received) -> None:
    handler.close_connection = True
    handler.server.stopping.wait(30)  # type: ignore[attr-defined]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        receiver: Receiver = self.server.receiver  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if len(body) < int(self.headers["Content-Length"]):  # whoever asked was killed in the midst of it
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            receiver.library.verify(body, headers)
            verified = True
        except WebhookVerificationError:
            verified = False
        received = Received(self.path, headers, body, verified, id(self.connection))
        with receiver.lock:
            receiver.requests.append(received)
            does = receiver.does
        try:
            does(self, received)
        except OSError:  # whoever asked has gone
            self.close_connection = True

    do_GET = do_POST  # noqa: N815

    def log_message(self, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # whoever asked has gone


@dataclass
class Receiver:
    """`with Receiver() as receiver:` listens at `receiver.url`; `requests` are those that it got, in order."""

    does: Behaviour = field(default_factory=lambda: answers(204))
    secret: str | bytes = SECRET.encode()
    port: int = 0
    tls: Any = None
    requests: list[Received] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def __enter__(self) -> Receiver:
        self.library = Webhook(self.secret)
        self.server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        self.server.receiver = self  # type: ignore[attr-defined]
        self.server.stopping = threading.Event()  # type: ignore[attr-defined]
        if self.tls:
            self.server.socket = self.tls.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_error: Any) -> None:
        self.server.stopping.set()  # type: ignore[attr-defined]
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    def ids(self) -> list[str]:
        with self.lock:
            return [received.id for received in self.requests]
