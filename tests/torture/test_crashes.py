"""Killed at any moment, RDV keeps what it acknowledged, and comes back by itself.

`TORTURE_SEED` repeats the dice of a run that failed; `TORTURE_CYCLES` says how many kills.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import requests
from django.db import OperationalError
from django.test import Client

from rdv.api.errors import as_wire_error
from tests.server import fresh_database

from .cluster import Cluster, Mortal, alive, eventually
from .writers import ORGANISATIONS, PASSWORD, SETUP, Database, Writer, compare, writing

pytestmark = pytest.mark.live

ON_POSTGRESQL = os.environ.get("DATABASE_URL", "").startswith("postgres")
WRITERS = 4
SERVED_AGAIN_WITHIN = 30  # seconds after a kill, on a machine that is busy
ORPHANED_FOR = 12  # a worker without a master finishes what it began, for 10 s at most
CRASH_LOOP = 6  # granian ends when a worker dies again this soon, and leaves the rest to the supervisor
KINDS = ["master", "worker", "group", *(["postmaster", "backend"] if ON_POSTGRESQL else [])]
AWAY = {
    "success": False,
    "errors": [{"base": "database_unavailable"}],
    "error_messages": ["La base de données ne répond pas. Merci de réessayer dans un instant."],
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster | None]:
    """A PostgreSQL to be killed; None when the tests run on SQLite."""
    if not ON_POSTGRESQL:
        yield None
        return
    # Not in pytest's own folder, which its next run closes to other users.
    with TemporaryDirectory(prefix="rdv-") as folder:
        made = Cluster(Path(folder))
        made.start()
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture(scope="module")
def mortal(cluster: Cluster | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    folder = tmp_path_factory.mktemp("server")
    with ExitStack() as stack:
        address = cluster.address if cluster else stack.enter_context(fresh_database(folder))
        server = Mortal(folder, address)
        stack.callback(server.stop)
        server.start()
        server.manage("shell", "-c", SETUP % WRITERS)
        yield server


class Reaper:
    """Kills as the dice fall, and does then what a supervisor does; nothing else."""

    def __init__(self, server: Mortal, cluster: Cluster | None, dice: random.Random) -> None:
        self.server, self.cluster, self.dice = server, cluster, dice
        self._worker_died = 0.0

    def kill(self, kind: str) -> None:
        getattr(self, f"_{kind}")()

    def _worker(self) -> None:
        """The master puts another one in its place; dead again too soon, it ends, and the supervisor starts it."""
        too_soon = time.monotonic() - self._worker_died < CRASH_LOOP
        victim = self.dice.choice(self.server.workers)
        self.server.kill(victim)
        self._worker_died = time.monotonic()
        replaced = lambda: len(self.server.workers) == 2 and victim not in self.server.workers  # noqa: E731
        eventually(lambda: replaced() or not self.server.running, SERVED_AGAIN_WITHIN)
        if not self.server.running:
            assert too_soon, f"the server ended with one worker\n{self.server.log}"
            self.server.launch()

    def _master(self) -> None:
        """Its workers end by themselves, while a new master has its own."""
        orphans = self.server.workers
        self.server.kill(self.server.master)
        self.server.launch()
        eventually(lambda: not any(map(alive, orphans)), ORPHANED_FOR)
        self.server.wait()  # they may have answered for it

    def _group(self) -> None:
        self.server.kill(self.server.master, *self.server.workers)
        self.server.launch()

    def _postmaster(self) -> None:
        assert self.cluster
        self.cluster.kill_postmaster()
        time.sleep(self.dice.choice((0, 0.3, 1)))  # an outage is short or long
        self.cluster.start()

    def _backend(self) -> None:
        assert self.cluster
        self.cluster.kill_backend()


def test_what_was_acknowledged_survives_kills_at_random_moments(
    mortal: Mortal, cluster: Cluster | None, at_length: Any, figure: Callable[[str, Any], None]
) -> None:
    seed = os.environ.get("TORTURE_SEED") or str(random.SystemRandom().randrange(10**9))
    dice = random.Random(seed)
    writers = [Writer(mortal, number, seed) for number in range(WRITERS)]
    for writer in writers:
        writer.sign_in()
    database, reaper = Database(mortal.environment["DATABASE_URL"]), Reaper(mortal, cluster, dice)
    cycles = int(os.environ.get("TORTURE_CYCLES") or at_length(len(KINDS), 100))
    kills: Counter[str] = Counter()
    checked = limbo = 0
    for cycle in range(cycles):
        kind = KINDS[cycle % len(KINDS)] if cycle < len(KINDS) else dice.choice(KINDS)
        try:
            with writing(writers):
                began = time.monotonic()
                for writer in writers:
                    writer.wait_for_an_acknowledged(began, SERVED_AGAIN_WITHIN)
                time.sleep(dice.uniform(0, 0.4))  # a random moment, which is the point
                reaper.kill(kind)
                restarted = time.monotonic()
                for writer in writers:
                    writer.wait_for_an_acknowledged(restarted, SERVED_AGAIN_WITHIN)
            kills[kind] += 1
            limbo += sum(entry.asked is not None for writer in writers for entry in writer.journal.values())
            checked += sum(len(writer.journal) for writer in writers)
            rows = database.absences()
            compare(writers, rows)
            database.check()
            _the_lists_are_true(writers, database)
            assert not any(writer.wrong for writer in writers), [writer.wrong for writer in writers]
        except BaseException as failure:
            failure.add_note(f"Cycle {cycle}, {kind} killed. Again with TORTURE_SEED={seed}")
            failure.add_note(mortal.log[-5000:])
            raise
    seen = sum((writer.seen for writer in writers), Counter())
    figure("kills survived", dict(kills))
    figure("writes acknowledged", seen["acknowledged"])
    figure("writes without an answer, or with a 503", [seen["unanswered"], seen["503"]])
    figure("of these under way at a check", limbo)
    figure("absences compared", checked)
    figure("longest time without a write acknowledged to a client (s)", round(max(w.longest_gap for w in writers), 2))
    figure("longest answer (s)", round(max(writer.longest for writer in writers), 2))
    assert "Traceback" not in mortal.log


def _the_lists_are_true(writers: list[Writer], database: Database) -> None:
    everyone = database.ask("SELECT id, email FROM agents_agent")
    rows = database.absences()
    for writer in writers[:ORGANISATIONS]:
        place = int(writer.name[1:]) % ORGANISATIONS
        colleagues = {pk for pk, email in everyone if int(email.partition("@")[0][1:]) % ORGANISATIONS == place}
        visible = sorted(row.pk for row in rows if row.agent in colleagues)
        total, pks = writer.total()
        assert (total, sorted(pks)) == (len(visible), visible), f"{writer.name}'s list is not true"


REQUESTS = {
    "list": ("GET", "/api/v1/absences", {}),
    "filtered list": ("GET", "/api/v1/absences?title=w&from=2027-01-01", {}),
    "show": ("GET", "/api/v1/absences/1", {}),
    "agents": ("GET", "/api/v1/agents", {}),
    "creation": ("POST", "/api/v1/absences", {"json": {"title": "x"}}),
    "deletion": ("DELETE", "/api/v1/absences/1", {}),
    "sign-in": ("POST", "/api/v1/auth/sign_in", {"json": {"email": "w0@exemple.test", "password": PASSWORD}}),
    "sign-out": ("DELETE", "/api/v1/auth/sign_out", {}),
    "page of the administration": ("GET", "/admin/absences/absence/", {"cookies": {"sessionid": "x" * 32}}),
}


@pytest.mark.skipif(not ON_POSTGRESQL, reason="an embedded database is never away")
def test_while_postgresql_is_away_everybody_is_told_to_come_back(
    mortal: Mortal, cluster: Cluster, at_length: Any, figure: Callable[[str, Any], None]
) -> None:
    writer = Writer(mortal, 0, "")
    writer.sign_in()
    cluster.kill_postmaster()
    try:

        def one(name: str) -> tuple[str, requests.Response, float]:
            method, path, more = REQUESTS[name]
            sent = time.monotonic()
            headers = writer.triple if name != "sign-in" else {}
            answer = requests.request(method, mortal.address + path, headers=headers, timeout=60, **more)
            return name, answer, time.monotonic() - sent

        names = list(REQUESTS) * at_length(20, 200)
        with ThreadPoolExecutor(32) as threads:
            answers = list(threads.map(one, names))
    finally:
        cluster.start()
    for name, answer, _seconds in answers:
        assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "1"), (name, answer.text)
        assert answer.json() == AWAY, name
        assert answer.headers["X-Request-Id"]
    longest = max(seconds for _name, _answer, seconds in answers)
    assert longest < 5, f"{longest} s to say that the database is away"
    assert "Traceback" not in mortal.log
    for _ in range(16):  # at once, on connections that lay idle in either worker
        assert requests.get(f"{mortal.address}/api/v1/absences", headers=writer.triple, timeout=60).status_code == 200
    figure("refused while away", len(answers))
    figure("longest answer (s)", round(longest, 2))


@pytest.mark.parametrize(("statement", "status"), [("SELECT * FROM nowhere", 500), ("BEGIN IMMEDIATE", 503)])
def test_on_sqlite_a_missing_table_is_an_error_and_a_locked_file_is_not(
    statement: str, status: int, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "x", 0)) as one, closing(sqlite3.connect(tmp_path / "x", 0)) as other:
        one.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as failure:
            other.execute(statement)
    told = OperationalError()
    told.__cause__ = failure.value  # as Django says it
    assert as_wire_error(told).status_code == status


class Unlucky:
    """A middleware whose database is away, as that of the sessions may be."""

    def __init__(self, get_response: Any) -> None:
        pass

    def __call__(self, request: Any) -> Any:
        raise OperationalError("server closed the connection unexpectedly")


@pytest.mark.parametrize("path", ["/api/v1/absences", "/admin/"])
def test_an_error_outside_of_any_view_is_told_the_same(path: str, settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.Unlucky"]
    answer = Client(raise_request_exception=False).get(path)
    assert (answer.status_code, answer["Retry-After"], answer.json()) == (503, "1", AWAY)
    english = Client(raise_request_exception=False).get(path, headers={"Accept-Language": "en"})
    assert english.json()["error_messages"] == ["The database does not answer. Please try again in a moment."]
