"""How the kit asks: politely, as one agent of the file or as nobody, and keeping what was said for the report."""

from __future__ import annotations

import base64
import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import pytest

from .directory import Agent, Directory, Place
from .receiver import Delivery

API = "/api/v1"
TRIPLE = ("access-token", "client", "uid")
PATIENCE = 90  # seconds that a server may ask the kit to wait
RETRIES = 3
ENDPOINTS = re.compile(r"/organisations/[^/]+/webhook_endpoints")
NO_ENDPOINT = "Couldn't find WebhookEndpoint"
NOWHERE = "https://conformance.invalid"
MASK = "•••"
# Of a body that is shown in the report.
LONGEST = 2000


class Secrets:
    """What must not be shown: passwords of the file and tokens of this run."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def add(self, *secrets: str | None) -> None:
        for secret in secrets:
            if secret and len(secret) > 3:
                # As it is, in an address, in a form, in JSON.
                self._known |= {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
                self._known.add(json.dumps(secret)[1:-1])

    def mask(self, text: str) -> str:
        if not self._known:
            return text
        # The longest first: one may be a part of another.
        pattern = "|".join(map(re.escape, sorted(self._known, key=len, reverse=True)))
        return re.sub(pattern, MASK, text)


class Server:
    """The server under test: its address, the directory file that was applied to it, and what the kit left there."""

    def __init__(self, address: str, directory: Directory, rate: float = 0) -> None:
        self.address = address.rstrip("/")
        self.directory = directory
        self.secrets = Secrets()
        self.secrets.add(*(agent.password for agent in directory.agents))
        self.exchanges: list[httpx.Response] = []
        # What it told the kit's receiver; whether it ever did; and why there is no use in waiting for it.
        self.deliveries: list[Delivery] = []
        self.reached = False
        self.unreachable = ""
        self._pause = 1 / rate if rate else 0
        self._next = 0.0
        self._http = httpx.Client(timeout=60, trust_env=False, headers={"User-Agent": "rdv-conformance"})
        self._callers: dict[str, Caller] = {}
        self._places: dict[Place, int] = {}
        self._agents: dict[str, int] = {}
        self._absences: dict[int, Caller] = {}  # left to remove
        self._endpoints: dict[int, tuple[int, Caller]] = {}  # likewise; each with its organisation

    # Asking.

    def ask(self, method: str, path: str, *, patient: bool = True, **kwargs: Any) -> httpx.Response:
        """The answer. `path` begins after `/api/v1`; with two slashes, at the address. A server that asks to wait is
        obeyed (unless not `patient`); one that fails (500) fails the test, whatever it was about.
        """
        url = self.address + (path[1:] if path.startswith("//") else API + path)
        for _try in range(RETRIES + 1):
            time.sleep(max(0.0, self._next - time.monotonic()))
            self._next = time.monotonic() + self._pause
            try:
                answer = self._http.request(method, url, **kwargs)
            except httpx.TransportError as error:
                pytest.fail(f"{method} {url}: no answer ({type(error).__name__}: {error}).", pytrace=False)
            self._http.cookies.clear()
            self.exchanges.append(answer)
            self.secrets.add(answer.headers.get("access-token"))
            if not patient or answer.status_code not in (429, 503) or "Retry-After" not in answer.headers:
                break
            wait = answer.headers["Retry-After"]
            seconds = int(wait) if wait.isdecimal() else math.inf
            if seconds > PATIENCE:
                pytest.skip(f"the server asks to wait {wait} s ({answer.status_code})")
            time.sleep(seconds)
        if answer.status_code == 500:
            pytest.fail(f"{method} {answer.url}: 500, a bug of the server (contract 1.3).", pytrace=False)
        return answer

    # Who asks.

    @property
    def anonymous(self) -> Caller:
        return Caller(self, None, {})

    def sign_in(self, agent: Agent, **kwargs: Any) -> Caller:
        """The agent with a triple of their own, which is signed out by whoever asked for it."""
        body = {"email": agent.email, "password": agent.password}
        answer = self.ask("POST", "/auth/sign_in", json=body, **kwargs)
        missing = [name for name in TRIPLE if not answer.headers.get(name)]
        if answer.status_code != 200 or missing:
            pytest.fail(
                f"{agent.email} of the directory file cannot sign in ({answer.status_code}). "
                "Was the file applied to this server?",
                pytrace=False,
            )
        return Caller(self, agent, {name: answer.headers[name] for name in TRIPLE})

    def caller(self, agent: Agent) -> Caller:
        """The agent, signed in once for all tests."""
        if agent.email not in self._callers:
            self._callers[agent.email] = self.sign_in(agent)
        return self._callers[agent.email]

    # What the server calls them.

    def id_of(self, agent: Agent) -> int:
        """The identifier of an agent of the file. Skips when nobody who can sign in sees them."""
        if agent.email not in self._agents:
            seers = [one for one in self.directory.agents if one.can_sign_in and self.directory.sees(one, agent)]
            if not seers:
                pytest.skip(f"nobody of the directory file with a password sees {agent.email}")
            # Whoever is signed in already, else who sees most: the fewest questions.
            known = [one for one in seers if one.email in self._callers]
            seer = (known or sorted(seers, key=lambda one: -len(self.directory.seen_by(one))))[0]
            for row in self.caller(seer).walk("/agents", "agents"):
                if row["email"]:
                    self._agents[row["email"]] = row["id"]
            if agent.email not in self._agents:
                pytest.fail(
                    f"{seer.email} should see {agent.email} (contract 3.3), and does not. "
                    "Was the directory file applied to this server?",
                    pytrace=False,
                )
        return self._agents[agent.email]

    def place_id(self, place: Place) -> int:
        """The identifier of an organisation of the file. Skips when nobody who can sign in works there."""
        if place not in self._places:
            colleagues = [one for one in self.directory.agents if one.can_sign_in and place in one.roles]
            if not colleagues:
                pytest.skip(f"nobody of the directory file with a password works in {place[1]}")
            # Only among the places of one agent is a name sure to be unique, where they are of one territory.
            colleague = min(colleagues, key=lambda one: len(one.roles))
            names = [name for _number, name in colleague.roles]
            for row in self.caller(colleague).walk("/organisations", "organisations"):
                if names.count(row["name"]) == 1:
                    mine = next(one for one in colleague.roles if one[1] == row["name"])
                    self._places[mine] = row["id"]
            if place not in self._places:
                pytest.skip(f"{place[1]} cannot be told from another organisation of that name")
        return self._places[place]

    # What was made here.

    def keep(self, absence: int, caller: Caller) -> None:
        """An absence that was made, by whoever can remove it."""
        self._absences[absence] = caller

    def forget(self, absence: int) -> None:
        self._absences.pop(absence, None)

    def keep_endpoint(self, endpoint: int, organisation: int, caller: Caller) -> None:
        """A webhook endpoint that was made or moved, by whoever can remove it."""
        self._endpoints[endpoint] = (organisation, caller)

    def tidy(self) -> list[str]:
        """Remove what a test made; what could not be removed, in words."""
        left = []
        for endpoint, (organisation, caller) in list(self._endpoints.items()):
            path = f"/organisations/{organisation}/webhook_endpoints/{endpoint}"
            answer = caller.delete(path)
            gone = answer.status_code == 404 and NO_ENDPOINT in answer.text
            if answer.status_code != 204 and not gone:
                # The contract has no way to remove one; this one is told nothing more.
                aside = {"target_url": f"{NOWHERE}/{endpoint}", "subscriptions": [], "trigger": False}
                answer = caller.ask("PATCH", path, json=aside)
                if answer.status_code != 200:
                    left.append(f"webhook endpoint {endpoint} of the kit could not be removed: {answer.status_code}")
            self._endpoints.pop(endpoint)
        for absence, caller in list(self._absences.items()):
            answer = caller.delete(f"/absences/{absence}")
            if answer.status_code not in (204, 404):
                left.append(f"absence {absence} of the kit could not be removed: {answer.status_code}")
            self.forget(absence)
        return left

    def leave(self) -> None:
        """Sign everybody out."""
        for caller in self._callers.values():
            caller.delete("/auth/sign_out")
        self._callers.clear()
        self._http.close()


class Caller:
    """An agent with a triple, or nobody. `get`, `post`… take what httpx takes; `headers` beside the triple, None in
    place of one of its headers leaves it out.
    """

    def __init__(self, server: Server, agent: Agent | None, triple: Mapping[str, str]) -> None:
        self.server = server
        self.agent = agent
        self.triple = dict(triple)
        server.secrets.add(triple.get("access-token"))

    @property
    def who(self) -> Agent:
        assert self.agent is not None
        return self.agent

    def ask(
        self, method: str, path: str, *, headers: Mapping[str, str | None] | None = None, **kwargs: Any
    ) -> httpx.Response:
        sent = {**self.triple, **(headers or {})}
        answer = self.server.ask(
            method, path, headers={name: value for name, value in sent.items() if value is not None}, **kwargs
        )
        # A server that renews the token at each request tells the next one.
        renewed = answer.headers.get("access-token", "").strip()
        if self.triple and renewed and answer.headers.get("client") == self.triple["client"]:
            self.triple["access-token"] = renewed
        return answer

    def get(self, path: str, **kwargs: Any) -> httpx.Response:
        return self.ask("GET", path, **kwargs)

    def post(self, path: str, **kwargs: Any) -> httpx.Response:
        """An absence or a webhook endpoint that it makes is removed after the test."""
        answer = self.ask("POST", path, **kwargs)
        if answer.status_code in (200, 201) and re.fullmatch(r"/absences(\.json)?/?", path):
            self.server.keep(answer.json()["absence"]["id"], self)
        return self._kept(answer, path)

    def put(self, path: str, **kwargs: Any) -> httpx.Response:
        return self._kept(self.ask("PUT", path, **kwargs), path)

    def patch(self, path: str, **kwargs: Any) -> httpx.Response:
        return self._kept(self.ask("PATCH", path, **kwargs), path)

    def _kept(self, answer: httpx.Response, path: str) -> httpx.Response:
        """A webhook endpoint that was made, or is elsewhere now, is removed after the test."""
        if answer.status_code in (200, 201) and ENDPOINTS.match(path):
            row = answer.json()["webhook_endpoint"]
            self.server.keep_endpoint(row["id"], row["organisation_id"], self)
        return answer

    def delete(self, path: str, **kwargs: Any) -> httpx.Response:
        return self.ask("DELETE", path, **kwargs)

    def walk(self, path: str, plural: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Every row of a list, page after page."""
        page: int | None = 1
        while page:
            answer = self.get(path, params=params | {"page": page})
            if answer.status_code != 200:
                pytest.fail(f"GET {path}: {answer.status_code} instead of a list.", pytrace=False)
            yield from answer.json()[plural]
            page = answer.json()["meta"]["next_page"]

    def bearer(self, scheme: str = "Bearer", **changes: str) -> dict[str, str]:
        """The triple in one piece, as a header (contract 2.6)."""
        document = json.dumps(self.triple | changes, separators=(",", ":"))
        value = base64.b64encode(document.encode()).decode()
        self.server.secrets.add(value)
        return {"Authorization": f"{scheme} {value}"}


def segment(text: object) -> str:
    """A part of an address."""
    return quote(str(text), safe="")


def told(answer: httpx.Response) -> str:
    """A request and its answer, as the report shows them."""
    request = answer.request
    lines = [f"> {request.method} {request.url}"]
    lines += [f"> {name}: {value}" for name, value in request.headers.multi_items() if _interesting(name)]
    lines += ["> ", *(f"> {line}" for line in _text(_content(request)).splitlines())]
    lines += [f"< {answer.status_code}"]
    lines += [f"< {name}: {value}" for name, value in answer.headers.multi_items()]
    lines += ["< ", *(f"< {line}" for line in _text(answer.content).splitlines())]
    return "\n".join(lines)


def _interesting(name: str) -> bool:
    return name.lower() not in ("accept", "accept-encoding", "connection", "user-agent", "host")


def _content(request: httpx.Request) -> bytes:
    try:
        return request.content
    except httpx.RequestNotRead:  # a form in parts, which went as it was made
        return b"(multipart/form-data)"


def _text(content: bytes) -> str:
    text = content.decode(errors="replace")
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"
