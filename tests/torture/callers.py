"""A server for races, and who calls it: agents by the API, administrators by their pages, and a look at its tables."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from html.parser import HTMLParser
from typing import Any

import psycopg
import requests

from tests.server import Server

from .order import Call, recorded

PASSWORD = "Rendez-vous 2026 !"
PATIENCE = 120  # seconds, on a machine that is busy
KEPT = ("access-token", "client", "uid")


class Caller:
    """Requests with the same headers, on a connection of each thread's own."""

    def __init__(self, address: str, headers: dict[str, str] | None = None) -> None:
        self.address, self.headers = address, headers or {}
        self._here = threading.local()

    def __call__(self, method: str, path: str, json: Any = None, **more: Any) -> requests.Response:
        if not hasattr(self._here, "session"):
            self._here.session = requests.Session()
        session: requests.Session = self._here.session
        headers = self.headers | more.pop("headers", {})
        return session.request(
            method, f"{self.address}/api/v1/{path}", json=json, headers=headers, timeout=PATIENCE, **more
        )


def triple(answer: requests.Response) -> dict[str, str]:
    return {name: answer.headers[name] for name in KEPT}


class Administrator:
    """Somebody at the administration pages, with a session of their own."""

    def __init__(self, address: str, email: str) -> None:
        self.address = f"{address}/admin/"
        self.session = requests.Session()
        self.session.get(f"{self.address}login/", timeout=PATIENCE)
        answer = self.post("login/", {"username": email, "password": PASSWORD, "next": "/admin/"})
        assert answer.status_code == 302, answer.text

    def open(self, path: str) -> dict[str, list[str]]:
        """The fields of the form of a page, as it would be sent unchanged."""
        answer = self.session.get(self.address + path, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        form = _Form()
        form.feed(answer.text)
        return form.fields

    def post(self, path: str, fields: dict[str, Any]) -> requests.Response:
        token = {"X-CSRFToken": self.session.cookies["csrftoken"]}
        return self.session.post(
            self.address + path, data=fields, headers=token, timeout=PATIENCE, allow_redirects=False
        )

    def act(self, name: str, *agents: int) -> requests.Response:
        """An action of the list of agents."""
        answer = self.post("agents/agent/", {"action": name, "_selected_action": agents, "post": "yes"})
        assert answer.status_code == 302, answer.text
        return answer


class _Form(HTMLParser):
    """The fields of the pages' main form."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, list[str]] = {}
        self._inside = False
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, value = given.get("name") or "", given.get("value")
        if tag == "form":
            self._inside = (given.get("id") or "").endswith("_form")
        elif not self._inside:
            return
        elif tag == "select":
            self._select = name
        elif tag == "option" and "selected" in given:
            self.fields.setdefault(self._select, []).append(value or "")
        elif tag == "input" and name and given.get("type") not in ("submit", "file"):
            if given.get("type") not in ("checkbox", "radio"):
                self.fields.setdefault(name, []).append(value or "")
            elif "checked" in given:
                self.fields.setdefault(name, []).append(value or "on")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


class Site:
    """The server, and its database seen from beside it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.address = server.address
        self.database = server.environment["DATABASE_URL"]

    @property
    def on_postgresql(self) -> bool:
        return self.database.startswith("postgres")

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """`execute(sql, values)` in one transaction that writes; `?` stands for a value."""
        if self.on_postgresql:
            with psycopg.connect(self.database) as connection:
                yield lambda sql, values=(): connection.execute(sql.replace("?", "%s"), values)
            return
        path = self.database.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection.execute
            connection.execute("COMMIT")

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a query gives, in one look."""
        if self.on_postgresql:
            with psycopg.connect(self.database) as connection:
                return connection.execute(sql.replace("?", "%s"), values).fetchall()
        with closing(sqlite3.connect(self.database.removeprefix("sqlite:///"), timeout=PATIENCE)) as connection:
            return connection.execute(sql, values).fetchall()

    def sign_in(self, email: str, password: str = PASSWORD, **headers: str) -> requests.Response:
        sent = {"email": email, "password": password}
        return requests.post(f"{self.address}/api/v1/auth/sign_in", json=sent, headers=headers, timeout=PATIENCE)

    def caller(self, email: str, password: str = PASSWORD) -> Caller:
        answer = self.sign_in(email, password)
        assert answer.status_code == 200, answer.text
        return Caller(self.address, triple(answer))

    def agent(self, email: str) -> int:
        ((pk,),) = self.rows("SELECT id FROM agents_agent WHERE email = ?", email)
        return int(pk)

    def assert_derived(self) -> None:
        """What triggers keep is what they should: no half of a change is left."""
        assert self.rows(TALLIES) == [], "an agent's count of absences is wrong"
        assert self.rows(SHOWN) == [], "an agent's shown organisation is wrong"
        assert self.rows(LEFT) == [], "an agent who left has kept something"


TALLIES = """
    SELECT a.id FROM agents_agent a LEFT JOIN absences_absencetally t ON t.agent_id = a.id
    WHERE coalesce(t.count, 0) <> (SELECT count(*) FROM absences_absence b WHERE b.agent_id = a.id)
"""
SHOWN = """
    SELECT a.id FROM agents_agent a LEFT JOIN agents_shownorganisation s ON s.agent_id = a.id
    WHERE coalesce(s.organisation_id, 0) <>
        coalesce((SELECT min(r.organisation_id) FROM agents_agentrole r WHERE r.agent_id = a.id), 0)
"""
LEFT = """
    SELECT a.id FROM agents_agent a WHERE a.deleted_at IS NOT NULL AND (
        EXISTS (SELECT 1 FROM absences_absence b WHERE b.agent_id = a.id)
        OR EXISTS (SELECT 1 FROM agents_agentrole r WHERE r.agent_id = a.id)
        OR EXISTS (SELECT 1 FROM agents_clienttoken t WHERE t.agent_id = a.id)
    )
"""

Work = tuple[Any, Callable[[], Any]]


def at_once(*workers: Sequence[Work]) -> list[Call]:
    """Each worker's calls one after the other, all workers together; begun at the same moment."""
    start = threading.Barrier(len(workers))

    def work(calls: Sequence[Work]) -> list[Call]:
        start.wait()
        return [recorded(asked, call) for asked, call in calls]

    with ThreadPoolExecutor(len(workers)) as pool:
        return [call for calls in pool.map(work, workers) for call in calls]


def chance(*seed: Any) -> random.Random:
    """Chance that comes again: the same seed, the same requests."""
    return random.Random(repr(seed))
