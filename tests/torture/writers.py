"""Clients that write absences without rest, and keep a journal of what they were told and of what they were not.

Absence `w2-17` of writer 2 is `w2-17/1` when it is created, `w2-17/2` once changed, and so on: the title says which
write made a row, everything else in the row follows from it, and its version is that number.
"""

from __future__ import annotations

import datetime
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import Any

import psycopg
import requests

from tests.server import Server

PASSWORD = "Rendez-vous 2026 !"
ORGANISATIONS = 2  # each writer's agent is in one of them, and sees no more
KEPT = 25  # absences of a writer that exist at a time, about
GONE = 0  # the revision of what does not exist
SETUP = f"""
from agents.models import Agent, AgentRole, Organisation, Territory
paris = Territory.objects.create(name="Paris")
places = [Organisation.objects.create(name=f"MDS {{n}}", territory=paris) for n in range({ORGANISATIONS})]
for n in range(%d):
    agent = Agent.objects.create_user(f"w{{n}}@exemple.test", {PASSWORD!r})
    AgentRole.objects.create(agent=agent, organisation=places[n %% {ORGANISATIONS}], access_level="admin")
"""


def content(label: str, revision: int) -> dict[str, str]:
    """What the write of that revision says, all of it."""
    number = int(label.partition("-")[2])
    day = datetime.date(2027, 1, 1) + datetime.timedelta(days=(number * 7 + revision) % 300)
    return {
        "title": f"{label}/{revision}",
        "first_day": day.isoformat(),
        "start_time": f"{revision % 12:02}:{number % 60:02}",
        "end_day": (day + datetime.timedelta(days=revision % 5)).isoformat(),
        "end_time": f"{12 + revision % 12:02}:{number % 60:02}",
    }


@dataclass
class Entry:
    """What a writer knows of an absence: its last acknowledged revision, and the one asked for without an answer."""

    acknowledged: int = GONE
    asked: int | None = None
    pk: int | None = None
    latest: int = GONE  # that was ever asked for

    @property
    def possible(self) -> set[int]:
        return {self.acknowledged} | ({self.asked} if self.asked is not None else set())


class Writer:
    """One client. Its writes follow one another, each in its own request."""

    def __init__(self, server: Server, number: int, seed: str) -> None:
        self.name = f"w{number}"
        self.server = server
        self.dice = random.Random(f"{seed} {self.name}")
        self.journal: dict[str, Entry] = {}
        self.seen: Counter[str] = Counter()  # acknowledged, unanswered, 503
        self.wrong: list[str] = []
        self.longest = 0.0
        self.last_acknowledged = 0.0  # the moment when that request was sent
        self.longest_gap = 0.0  # between one acknowledged write and the next
        self._news = threading.Condition()
        self._made = 0
        self.triple: dict[str, str] = {}
        self._session = requests.Session()

    def sign_in(self) -> None:
        pair = {"email": f"{self.name}@exemple.test", "password": PASSWORD}
        answer = requests.post(f"{self.server.address}/api/v1/auth/sign_in", json=pair, timeout=60)
        assert answer.status_code == 200, answer.text
        self.triple = {name: answer.headers[name] for name in ("access-token", "client", "uid")}
        self._session.headers.update(self.triple)

    def write(self, stop: threading.Event) -> None:
        self.last_acknowledged = time.monotonic()
        while not stop.is_set() and not self.wrong:
            if not self._one():
                stop.wait(0.05)  # as a client does who is told to come back

    def wait_for_an_acknowledged(self, since: float, within: float) -> float:
        """Until a write that was sent after `since` was acknowledged; gives how long after that it was."""
        with self._news:
            self._news.wait_for(lambda: self.last_acknowledged > since or self.wrong, within)
        assert not self.wrong, self.wrong
        assert self.last_acknowledged > since, f"{self.name} was not served again within {within} s"
        return self.last_acknowledged - since

    def _one(self) -> bool:
        """One write, of any kind; whether it was acknowledged."""
        sure = [label for label, entry in self.journal.items() if entry.asked is None and entry.acknowledged != GONE]
        kind = self.dice.choice(("create", "update", "update", "delete"))
        if not sure or (kind == "create" and len(sure) < KEPT):
            self._made += 1
            label = f"{self.name}-{self._made}"
            entry = self.journal[label] = Entry(asked=1)
            return self._send(label, entry, "POST", "", {"agent_email": f"{self.name}@exemple.test"})
        label = self.dice.choice(sure)
        entry = self.journal[label]
        if kind == "delete":
            entry.asked = GONE
            return self._send(label, entry, "DELETE", f"/{entry.pk}")
        entry.asked = entry.acknowledged + 1
        return self._send(label, entry, "PATCH", f"/{entry.pk}")

    def _send(self, label: str, entry: Entry, method: str, path: str, more: dict[str, str] | None = None) -> bool:
        assert entry.asked is not None
        entry.latest = max(entry.latest, entry.asked)
        body = content(label, entry.asked) | (more or {}) if entry.asked else None
        address, sent = f"{self.server.address}/api/v1/absences{path}", time.monotonic()
        try:
            answer = self._session.request(method, address, json=body, timeout=60)
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            self.seen["unanswered"] += 1
            return False
        except requests.Timeout:
            self.wrong.append(f"{method} {label}: no answer in 60 s")
            return False
        finally:
            self.longest = max(self.longest, time.monotonic() - sent)
        if answer.status_code == 503 and "Retry-After" in answer.headers and not answer.json()["success"]:
            self.seen["503"] += 1
            return False
        if answer.status_code != (204 if method == "DELETE" else 200):
            self.wrong.append(f"{method} {label} → {answer.status_code} {answer.text}")
            return False
        if body is not None:
            absence = answer.json()["absence"]
            if (absence["title"], absence["version"]) != (body["title"], entry.asked):
                self.wrong.append(f"{method} {label} → {answer.text}")
                return False
            entry.pk = absence["id"]
        with self._news:
            entry.acknowledged, entry.asked = entry.asked, None
            self.seen["acknowledged"] += 1
            self.longest_gap = max(self.longest_gap, sent - self.last_acknowledged)
            self.last_acknowledged = sent
            self._news.notify_all()
        return True

    def total(self, pages: float = inf) -> tuple[int, list[int]]:
        """How many absences the list says there are, and the ids of all of them, page by page, or of so many pages."""
        pks: list[int] = []
        address: str | None = f"{self.server.address}/api/v1/absences?per=100"
        while address and pages > 0:
            pages -= 1
            answer = requests.get(address, headers=self.triple, timeout=60)
            assert answer.status_code == 200, answer.text
            pks += [absence["id"] for absence in answer.json()["absences"]]
            total = answer.json()["meta"]["total_count"]
            address = answer.links.get("next", {}).get("url")
        return total, pks


@contextmanager
def writing(writers: list[Writer]) -> Iterator[None]:
    """Within, all of them write; after it, none does, and each knows how its last write ended."""
    stop = threading.Event()
    threads = [threading.Thread(target=writer.write, args=(stop,)) for writer in writers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@dataclass
class Row:
    """An absence as the database has it."""

    pk: int
    agent: int
    version: int
    content: dict[str, str]


class Database:
    """What is in a database, read past RDV: `sqlite:///path` or `postgres://…`."""

    def __init__(self, address: str) -> None:
        self.address = address

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        """A moment in which nobody writes: whoever was about to has ended."""
        if self.address.startswith("sqlite"):
            connection: Any = sqlite3.connect(self.address.removeprefix("sqlite:///"), 60, isolation_level=None)
            connection.execute("BEGIN IMMEDIATE")
        else:
            connection = psycopg.connect(self.address)
            connection.execute("LOCK TABLE absences_absence IN SHARE MODE")
        try:
            yield connection
        finally:
            connection.rollback()
            connection.close()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with self._connected() as connection:
            return list(connection.execute(query).fetchall())

    def absences(self) -> list[Row]:
        columns = "id, agent_id, version, title, first_day, start_time, end_day, end_time"
        names = ("title", "first_day", "start_time", "end_day", "end_time")
        rows = self.ask(f"SELECT {columns} FROM absences_absence WHERE title LIKE 'w%-%/%'")
        return [
            Row(pk, agent, version, {name: str(value) for name, value in zip(names, values, strict=True)})
            for pk, agent, version, *values in rows
        ]

    def check(self) -> None:
        """The file is sound, and what the database keeps by itself is what the rows say."""
        if self.address.startswith("sqlite"):
            with self._connected() as connection:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        counted = dict(self.ask("SELECT agent_id, count(*) FROM absences_absence GROUP BY agent_id"))
        kept = dict(self.ask("SELECT agent_id, count FROM absences_absencetally WHERE count <> 0"))
        assert kept == counted, "the tallies are wrong"
        roles = self.ask(
            "SELECT r.agent_id, o.id, o.verticale FROM agents_agentrole r"
            " JOIN agents_organisation o ON o.id = r.organisation_id ORDER BY o.id"
        )
        places: dict[int, list[tuple[int, str]]] = {}
        for agent, organisation, verticale in roles:
            places.setdefault(agent, []).append((organisation, verticale))
        shown = {agent: (own[0][0], _by_mairie([verticale for _pk, verticale in own])) for agent, own in places.items()}
        kept_shown = self.ask("SELECT agent_id, organisation_id, by_mairie FROM agents_shownorganisation")
        assert {agent: (place, bool(by)) for agent, place, by in kept_shown} == shown, "what is shown is wrong"


def _by_mairie(verticales: list[str]) -> bool:
    return "rdv_mairie" in verticales and "rdv_aide_numerique" not in verticales


def by_label(rows: list[Row]) -> dict[str, Row]:
    """The rows, each there once and whole."""
    found: dict[str, Row] = {}
    for row in rows:
        label = row.content["title"].partition("/")[0]
        assert label not in found, f"{label} is there twice"
        found[label] = row
        expected = content(label, row.version)
        for name in ("start_time", "end_time"):
            expected[name] += ":00"
        assert row.content == expected, f"{label} is not whole"
    return found


def compare(writers: list[Writer], rows: list[Row]) -> None:
    """Every acknowledged write is there, once, whole; every other one whole or not at all. Then each writer takes what
    is there for what it knows.
    """
    found = by_label(rows)
    for writer in writers:
        for label, entry in writer.journal.items():
            there = found.pop(label, None)
            revision = there.version if there else GONE
            assert revision in entry.possible, f"{label} is {revision}, {entry}"
            if there:
                assert entry.pk in (None, there.pk), f"{label} became another row"
                entry.pk = there.pk
            entry.acknowledged, entry.asked = revision, None
    assert not found, f"rows that nobody wrote: {found}"
