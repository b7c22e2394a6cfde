"""What is asked of each server, as raw requests."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from .databases import World
from .driver import Connection
from .serving import PEERS

CONNECTIONS = 8
FILTERS = "starts_after=2025-06-01&starts_before=2025-07-01&title=cong%C3%A9"
ABSENCE = {
    "title": "Banc d'essai",
    "first_day": "2020-05-04",
    "start_time": "09:00",
    "end_day": "2020-05-04",
    "end_time": "17:00",
}
READ_AND_WRITE = tuple(PEERS)
ON_POSTGRESQL = ("ours", "stock", "fastapi", "bare")
PAIR = ("ours", "stock")


@dataclass
class Operation:
    """One thing that is asked, of whom: requests by server, since each has its own credentials."""

    name: str
    status: int
    requests: dict[str, list[str]]
    connections: int = CONNECTIONS
    results: dict[str, list[dict[str, float]]] = field(default_factory=dict)


@dataclass
class Asker:
    """Writes the requests to one server."""

    server: str
    port: int
    world: World

    def headers(self, who: str) -> dict[str, str]:
        if self.server == "stock":
            return {"Authorization": f"Token {self.world.knox[who]}"}
        return self.world.credentials(who)

    def get(self, path: str, who: str = "admin") -> list[str]:
        return [raw("GET", path, self.port, self.headers(who))]

    def filtered(self) -> list[str]:
        return self.get(f"/api/v1/absences?{FILTERS}")

    def list(self) -> list[str]:
        return self.get("/api/v1/absences")

    def mixed(self) -> list[str]:
        return self.get("/api/v1/absences", "mixed")

    def show(self) -> list[str]:
        return [request for pk in self.world.facts["absences"] for request in self.get(f"/api/v1/absences/{pk}")]

    def create(self) -> list[str]:
        body = json.dumps({"agent_id": self.world.facts["agent"], **ABSENCE})
        return [raw("POST", "/api/v1/absences", self.port, self.headers("admin"), body)]

    def update(self) -> list[str]:
        return [
            raw("PATCH", f"/api/v1/absences/{pk}", self.port, self.headers("admin"), json.dumps({"title": title}))
            for title in ("Titre 0", "Titre 1", "Titre 2")
            for pk in self.world.facts["absences"]
        ]

    def wrong(self) -> list[str]:
        headers = self.headers("admin")
        if self.server == "stock":
            refused = {"Authorization": f"{headers['Authorization'][:14]}{'0' * 56}"}
        else:
            refused = headers | {"access-token": "A" * 22}
        return [raw("GET", "/api/v1/absences", self.port, refused)]

    def sign_in(self) -> list[str]:
        email, password = self.world.facts["everyone"]["uid"], self.world.facts["password"]
        if self.server == "stock":  # its agent has Django's default hash
            basic = base64.b64encode(f"stock@exemple.test:{password}".encode()).decode()
            return [raw("POST", "/api/v1/auth/sign_in", self.port, {"Authorization": f"Basic {basic}"}, "{}")]
        return [raw("POST", "/api/v1/auth/sign_in", self.port, {}, json.dumps({"email": email, "password": password}))]


# name → status, what is asked, of whom
OPERATIONS: dict[str, tuple[int, Callable[[Asker], list[str]], tuple[str, ...]]] = {
    "list of 100": (200, Asker.list, READ_AND_WRITE),
    "show": (200, Asker.show, READ_AND_WRITE),
    "create": (200, Asker.create, READ_AND_WRITE),
    "update": (200, Asker.update, READ_AND_WRITE),
    "401 refusal": (401, Asker.wrong, ON_POSTGRESQL),
    "list, filtered": (200, Asker.filtered, (*PAIR, "ours-sqlite")),
    "list, ten mixed roles": (200, Asker.mixed, (*PAIR, "ours-sqlite")),
    "sign-in": (200, Asker.sign_in, PAIR),
}


def operations(names: Iterable[str], worlds: Mapping[str, World], ports: Mapping[str, int]) -> list[Operation]:
    """These operations, on the servers of `ports`; `worlds` are by database."""
    found = []
    for name in names:
        status, ask, servers = OPERATIONS[name]
        askers = [Asker(server, ports[server], worlds[PEERS[server].database]) for server in servers if server in ports]
        if askers:
            found.append(Operation(name, status, {asker.server: ask(asker) for asker in askers}))
    return found


def raw(method: str, path: str, port: int, headers: Mapping[str, str], body: str = "") -> str:
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *(f"{k}: {v}" for k, v in headers.items())]
    encoded = body.encode()
    if method in ("POST", "PATCH"):
        lines += ["Content-Type: application/json", f"Content-Length: {len(encoded)}"]
    return "\r\n".join(lines) + "\r\n\r\n" + encoded.decode("latin-1")


def fetch(port: int, request: str) -> bytes:
    """The body of one raw request's answer."""
    connection = Connection("127.0.0.1", port)
    _status, body = connection.ask(request.encode("latin-1"))
    connection.socket.close()
    return body


def compare(operation: Operation, ports: Mapping[str, int]) -> dict[str, bool]:
    """Whether each peer's answer is ours, byte for byte but for the port in its addresses."""
    bodies = {
        name: fetch(ports[name], requests[0]).replace(f":{ports[name]}".encode(), b":PORT")
        for name, requests in operation.requests.items()
    }
    return {name: body == bodies["ours"] for name, body in bodies.items() if name != "ours"}
