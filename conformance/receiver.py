"""Where the server sends what it tells: a small receiver beside the kit."""

from __future__ import annotations

import ipaddress
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

LONGEST = 1 << 20  # bytes of a delivery
DAWDLING = 10  # seconds for which a sender may say nothing


@dataclass(frozen=True)
class Delivery:
    """A request that arrived. Names of `headers` are in lower case; `at`: when, in seconds of a clock that only goes
    on.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def about(self) -> Any:
        """The identifier of what it tells of, whatever it looks like."""
        try:
            return self.document["data"]["id"]
        except (ValueError, KeyError, TypeError):
            return None

    @property
    def event(self) -> Any:
        try:
            return self.document["meta"]["event"]
        except (ValueError, KeyError, TypeError):
            return None

    def __str__(self) -> str:
        lines = [f"> {self.method} {self.path}"]
        lines += [f"> {name}: {value}" for name, value in self.headers.items()]
        return "\n".join([*lines, "> ", f"> {self.body.decode(errors='replace')}"])


# What is answered to a delivery: the status, and headers.
Answer = tuple[int, Mapping[str, str]]
Behaviour = Callable[[Delivery], Answer]


def takes_it(delivery: Delivery) -> Answer:
    return 204, {}


class Mailbox:
    """An address of the receiver, and what came there. `behave`: how it is answered; `path`: of its endpoint."""

    def __init__(self, receiver: Receiver) -> None:
        self.name = uuid4().hex
        self.url = f"{receiver.address}/{self.name}"
        self.path = ""
        self.behave: Behaviour = takes_it
        self.deliveries: list[Delivery] = []
        self._news = threading.Condition()

    def put(self, delivery: Delivery) -> Answer:
        with self._news:
            self.deliveries.append(delivery)
            answer = self.behave(delivery)
            self._news.notify_all()
        return answer

    def wait(self, enough: Callable[[Sequence[Delivery]], bool], patience: float) -> bool:
        """Whether what came was `enough` before the patience ended."""
        with self._news:
            return self._news.wait_for(lambda: enough(self.deliveries), patience)

    def of(self, about: int) -> list[Delivery]:
        """What came of one absence."""
        return [one for one in self.deliveries if one.about == about]


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    # Of those who connect at once: with the usual five, the sixth is heard a second later, or three.
    request_queue_size = 128


class Receiver:
    """Listens on `host` and `port` (0: any) until it is closed. `address`: where the server finds it, if elsewhere."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, address: str = "") -> None:
        receiver = self
        self._boxes: dict[str, Mailbox] = {}

        class Handler(BaseHTTPRequestHandler):
            timeout = DAWDLING
            protocol_version = "HTTP/1.1"

            def receive(self) -> None:
                length = self.headers.get("Content-Length", "0")
                box = receiver._boxes.get(urlsplit(self.path).path.rpartition("/")[2])
                if box is None or not length.isdecimal() or int(length) > LONGEST:
                    self._say(404, {"Connection": "close"})
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                self._say(*box.put(Delivery(self.command, self.path, headers, self.rfile.read(int(length)))))

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = receive  # noqa: N815

            def _say(self, status: int, headers: Mapping[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                pass

        self._http = Listener((host, port), Handler)
        self.address = address.rstrip("/") or f"http://{host}:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def mailbox(self) -> Mailbox:
        box = Mailbox(self)
        self._boxes[box.name] = box
        return box

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def is_loopback(address: str) -> bool:
    """Whether this is an address of the machine that asks."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
