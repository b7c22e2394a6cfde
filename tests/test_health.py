"""What a load balancer is told: that the server lives, whatever happens to it, and what keeps it from serving."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import requests
from django.db import OperationalError, connection

from rdv import VERSION, health
from rdv.health import FRESH, Health, Readiness

from .server import Server, prepared_database

LIVE, READY = {"status": "live", "version": VERSION}, {"status": "ready", "version": VERSION}


def not_ready(*failing: str) -> dict[str, Any]:
    return {"status": "not_ready", "failing": list(failing), "version": VERSION}


# The answers, asked of the WSGI callable.


class Asked:
    def __init__(self, application: Health, path: str, method: str = "GET") -> None:
        environ = {"PATH_INFO": path, "REQUEST_METHOD": method, "QUERY_STRING": "x=1", "HTTP_HOST": "10.0.0.7"}
        self.body = b"".join(application(environ, self._start))

    def _start(self, status: str, headers: list[tuple[str, str]], *_args: Any) -> None:
        self.status, self.headers = int(status[:3]), dict(headers)


class Says:
    """A readiness that is what one says."""

    def __init__(self, *failing: str) -> None:
        self.failing = lambda: list(failing)


def behind(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


def nobody(environ: Any, start_response: Any) -> list[bytes]:
    raise AssertionError("the application was asked")


def test_it_lives_without_asking_anybody():
    answer = Asked(Health(nobody, None), "/health/live")
    assert (answer.status, json.loads(answer.body)) == (200, LIVE)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-RDV-Server"] == VERSION


def test_it_is_ready_when_nothing_fails_and_says_what_does():
    answer = Asked(Health(nobody, Says()), "/health/ready")
    assert (answer.status, json.loads(answer.body)) == (200, READY)
    answer = Asked(Health(nobody, Says("migrations", "cache")), "/health/ready")
    assert (answer.status, json.loads(answer.body)) == (503, not_ready("migrations", "cache"))
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_head_has_the_headers_alone_and_other_methods_are_refused(path: str):
    application = Health(nobody, Says())
    got, head = Asked(application, path), Asked(application, path, "HEAD")
    assert (head.status, head.headers, head.body) == (200, got.headers, b"")
    assert int(got.headers["Content-Length"]) == len(got.body)
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        refused = Asked(application, path, method)
        assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/health", "/health/", "/health/other", "/health/live/", "/"])
def test_every_other_address_is_the_applications(path: str):
    assert Asked(Health(behind), path).body == b"ok"


def test_a_server_that_leaves_lives_is_not_ready_and_keeps_no_connection():
    application = Health(behind, Says())
    assert "Connection" not in Asked(application, "/api/v1/absences").headers
    application.leave()
    for path, status in (("/health/live", 200), ("/health/ready", 503), ("/api/v1/absences", 200)):
        answer = Asked(application, path)
        assert (answer.status, answer.headers["Connection"]) == (status, "close")
    assert json.loads(Asked(application, "/health/ready").body) == not_ready("leaving")


# What is asked of the database and the cache, and how often.


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What each check does; counted in `asked`."""
    does: dict[str, Any] = {"database": lambda: True, "migrations": lambda: True, "cache": lambda: True, "asked": 0}

    def database() -> bool:
        does["asked"] += 1
        return does["database"]()

    monkeypatch.setattr(health, "_database_answers", database)
    monkeypatch.setattr(health, "_cache_answers", lambda: does["cache"]())
    monkeypatch.setattr(Readiness, "_migrated", lambda self: does["migrations"]())
    return does


def breaks() -> bool:
    raise OperationalError("could not connect to 10.1.2.3 as rdv with secret")


def test_each_failure_has_its_name_and_the_log_its_reason(checks: dict[str, Any], caplog: pytest.LogCaptureFixture):
    assert Readiness().failing() == []
    assert not caplog.records
    for failing in (["migrations"], ["cache"], ["migrations", "cache"], ["database", "cache"]):
        for name in ("database", "migrations", "cache"):
            checks[name] = breaks if name in failing else lambda: True
        assert Readiness().failing() == failing
    assert "could not connect" in caplog.text


def test_a_cache_in_the_database_fails_with_it(checks: dict[str, Any], settings: Any):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "rdv_cache"}}
    checks["database"] = breaks
    assert Readiness().failing() == ["database"]


def test_the_database_is_asked_once_a_second_however_many_want_to_know(checks: dict[str, Any]):
    now = 0.0
    readiness = Readiness(lambda: now)
    for _ in range(100):
        readiness.failing()
    assert checks["asked"] == 1
    checks["database"] = breaks
    now = FRESH - 0.01
    assert readiness.failing() == []
    now = FRESH
    assert readiness.failing() == ["database"]
    assert checks["asked"] == 2


def test_what_does_not_answer_in_time_fails_and_is_asked_by_one_thread_alone(
    checks: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(health, "PATIENCE", 0.05)
    answer = threading.Event()
    checks["database"] = lambda: answer.wait(30)
    readiness = Readiness()
    with ThreadPoolExecutor(8) as many:
        assert list(many.map(lambda _: readiness.failing(), range(16))) == [["database"]] * 16
    assert checks["asked"] == 1
    answer.set()
    monkeypatch.setattr(health, "PATIENCE", 30)
    assert readiness.failing() == []


# A real server, as in production.


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    production = {
        "RDV_ENV": "production",
        "RDV_SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz" * 2,
        "RDV_ALLOWED_HOSTS": "rdv.agence.example",
        "RDV_SIGN_IN_LIMIT": "10/15m",
        "RDV_TRUSTED_PROXIES": "1",
    }
    with prepared_database(folder) as database:
        running = Server(folder, database, **production)
        try:
            running.start(workers=1)
            yield running
        finally:
            running.stop()


def ask(server: Server, path: str) -> tuple[int, Any]:
    answer = requests.get(server.address + path, headers={"Host": "10.0.0.7"}, timeout=20, allow_redirects=False)
    return answer.status_code, answer.json()


def becomes(server: Server, status: int, told: Any) -> None:
    """Wait until `/health/ready` says so; it lives meanwhile."""
    until = time.monotonic() + 20
    while (said := ask(server, "/health/ready")) != (status, told):
        assert time.monotonic() < until, said
        assert ask(server, "/health/live") == (200, LIVE)
    assert ask(server, "/health/live") == (200, LIVE)


@pytest.mark.live
def test_a_server_in_production_answers_by_any_name_and_without_tls(server: Server):
    assert ask(server, "/health/live") == (200, LIVE)
    assert ask(server, "/health/ready") == (200, READY)
    assert requests.get(f"{server.address}/api/v1/absences", timeout=20).status_code == 400


@pytest.mark.live
def test_a_migration_that_is_not_applied_is_told(server: Server):
    server.manage("migrate", "axes", "0008")
    becomes(server, 503, not_ready("migrations"))
    server.manage("migrate", "--verbosity", "0")
    becomes(server, 200, READY)


@pytest.mark.live
def test_a_cache_that_does_not_answer_is_told(server: Server):
    sql = "from django.db import connection as c; c.cursor().execute('ALTER TABLE {} RENAME TO {}')"
    server.manage("shell", "-c", sql.format("rdv_cache", "away"))
    becomes(server, 503, not_ready("cache"))
    server.manage("shell", "-c", sql.format("away", "rdv_cache"))
    becomes(server, 200, READY)


@contextmanager
def database_away(address: str) -> Iterator[None]:
    parts = urlsplit(address)
    if parts.scheme == "sqlite":
        file = Path(parts.path[1:] if parts.path.startswith("//") else parts.path)
        kept = file.with_suffix(".kept")
        file.rename(kept)
        file.write_bytes(b"not a database" * 100)
        try:
            yield
        finally:
            kept.replace(file)
        return
    name = parts.path[1:]
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


@pytest.mark.live
def test_a_database_that_does_not_answer_is_told_and_nothing_more(server: Server):
    with database_away(server.environment["DATABASE_URL"]):
        becomes(server, 503, not_ready("database"))
    becomes(server, 200, READY)


@contextmanager
def writes_wait(address: str) -> Iterator[None]:
    """Whoever writes meanwhile, waits; on PostgreSQL, and with them all who wait for their turn."""
    parts = urlsplit(address)
    if parts.scheme == "sqlite":
        with sqlite3.connect(parts.path[1:] if parts.path.startswith("//") else parts.path) as lock:
            lock.execute("BEGIN IMMEDIATE")
            yield
    else:
        with psycopg.connect(address) as lock:
            lock.execute("LOCK TABLE axes_accessattempt, agents_agent")
            yield
            lock.rollback()


PROXIED = {"Host": "rdv.agence.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "10.0.0.1"}


def sign_in(server: Server) -> int:
    """A write: the failure is counted."""
    pair = {"email": "x@exemple.test", "password": "x"}
    address = f"{server.address}/api/v1/auth/sign_in"
    return requests.post(address, json=pair, headers=PROXIED, timeout=60).status_code


def look(server: Server) -> int:
    return requests.get(f"{server.address}/api/v1/absences", headers=PROXIED, timeout=60).status_code


@pytest.mark.live
@pytest.mark.skipif(connection.vendor == "sqlite", reason="there readers have their turn while a writer waits")
def test_it_answers_at_once_while_nobody_gets_a_turn(server: Server):
    with ThreadPoolExecutor(110) as crowd:
        with writes_wait(server.environment["DATABASE_URL"]):
            waiting = [crowd.submit(sign_in, server)]
            while not wait([crowd.submit(look, server)], 1).not_done:
                assert not waiting[0].done()
            waiting += [crowd.submit(look, server) for _ in range(100)]
            began = time.monotonic()
            for _ in range(20):
                assert ask(server, "/health/live") == (200, LIVE)
            took = time.monotonic() - began
            assert not any(one.done() for one in waiting)
        assert [one.result() for one in waiting] == [401] * 101
    assert took < 5


@pytest.mark.live
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL locks rows, not the whole database")
def test_whoever_reads_is_served_while_writers_wait(server: Server):
    """A `provision`, a copy or a migration may hold SQLite's lock for seconds; the server has one worker here."""
    with ThreadPoolExecutor(8) as crowd:
        with writes_wait(server.environment["DATABASE_URL"]):
            writers = [crowd.submit(sign_in, server) for _ in range(8)]
            assert not wait(writers, 1).done
            for _ in range(10):
                assert look(server) == 401
            assert not any(one.done() for one in writers)
        assert [one.result() for one in writers] == [401] * 8
