"""A real server, started by `bin/serve`: several processes, a database of its own, the loopback only.

    from .server import server  # in the test module: pytest finds the fixture by its name

    def test_it_answers(server):
        server.manage("shell", "-c", "...")
        requests.get(f"{server.address}/api/v1/absences")

The database is a file in the test's own folder; with `DATABASE_URL=postgres://…`, one made beside that one, dropped
at the end.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60  # seconds, for a start on a machine that is busy
PREPARED: set[str] = set()  # addresses of databases that have every table already


class Server:
    """`address` answers; `manage` runs a command of manage.py on the same database; `log` is what the server wrote."""

    def __init__(self, folder: Path, database: str, **settings: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RDV_")}
        self.environment = kept | {
            "DATABASE_URL": database,
            "RDV_SIGN_IN_LIMIT": "off",
            "HOST": "127.0.0.1",
            "PYTHONUNBUFFERED": "1",
            **settings,
        }
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.address = ""

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def manage(self, *arguments: str, stdin: str | None = None) -> str:
        """What `manage.py` prints; a failure is the test's."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def prepare(self) -> None:
        """Every table, unless the database had them from the start."""
        if self.environment["DATABASE_URL"] not in PREPARED:
            self.manage("migrate", "--verbosity", "0")
            self.manage("createcachetable")

    def start(self, workers: int = 2) -> None:
        self.prepare()
        port = _free_port()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["bin/serve"],
                cwd=ROOT,
                env=self.environment | {"PYTHON": sys.executable, "PORT": str(port), "WORKERS": str(workers)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.address = f"http://127.0.0.1:{port}"
        self._wait_until_it_answers(port)

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._process = None

    def _wait_until_it_answers(self, port: int) -> None:
        assert self._process is not None
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            assert self._process.poll() is None, self.log
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                    connection.sendall(b"GET /api/v1/me HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                    if connection.recv(9).startswith(b"HTTP/1.1 "):
                        return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"The server did not answer in {PATIENCE} s.\n{self.log}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _create(name: str, template: str = "template1") -> str:
    """The address of a new database, a copy of the template, beside the one of DATABASE_URL."""
    given = os.environ["DATABASE_URL"]
    with psycopg.connect(given, autocommit=True) as connection:
        command = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(command.format(sql.Identifier(name), sql.Identifier(template)))
    return urlsplit(given)._replace(path=f"/{name}").geturl()


def _drop(name: str) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _on_postgresql() -> bool:
    return os.environ.get("DATABASE_URL", "").startswith("postgres")


@contextmanager
def fresh_database(folder: Path) -> Iterator[str]:
    """The address of an empty database of the kind under test, that nobody else uses."""
    if not _on_postgresql():
        yield f"sqlite:///{folder / 'rdv.sqlite3'}"
        return
    name = f"rdv_live_{uuid.uuid4().hex}"
    try:
        yield _create(name)
    finally:
        _drop(name)


@contextmanager
def prepared_database(folder: Path, *command: str) -> Iterator[str]:
    """The same with every table, and what the `command` of manage.py has put there: a copy of one made once."""
    template = _template(command)
    if not _on_postgresql():
        file = folder / "rdv.sqlite3"
        shutil.copyfile(template, file)
        address = f"sqlite:///{file}"
    else:
        name = f"rdv_live_{uuid.uuid4().hex}"
        address = _create(name, template)
    PREPARED.add(address)
    try:
        yield address
    finally:
        PREPARED.discard(address)
        if _on_postgresql():
            _drop(name)


@cache
def _template(command: tuple[str, ...]) -> str:
    """What is copied, until this process ends: a file, or the name of a database."""
    folder = Path(tempfile.mkdtemp(prefix="rdv-"))
    atexit.register(shutil.rmtree, folder)
    name = f"rdv_template_{uuid.uuid4().hex}"
    if _on_postgresql():
        address = _create(name, _template(()) if command else "template1")
        atexit.register(_drop, name)
    else:
        address = f"sqlite:///{folder / 'rdv.sqlite3'}"
        if command:
            shutil.copyfile(_template(()), folder / "rdv.sqlite3")
    server = Server(folder, address)
    if command:
        server.manage(*command)
    else:
        server.prepare()
    if _on_postgresql():
        return name
    with closing(sqlite3.connect(folder / "rdv.sqlite3")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # so that the one file is the whole of it
    return str(folder / "rdv.sqlite3")


@contextmanager
def serving(
    folder: Path, *prepared: str, workers: int = 2, kind: type[Server] | None = None, **settings: str
) -> Iterator[Server]:
    """A server in its own processes, for whose database, a fresh one, `manage.py` was run with `prepared`."""
    # The demo serves several modules; what is made for one alone need not be kept to be copied.
    copied = prepared if prepared == ("demo",) else ()
    with prepared_database(folder, *copied) as database:
        server = (kind or Server)(folder, database, **settings)
        try:
            server.start(workers=workers)
            if prepared != copied:
                server.manage(*prepared)
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server in its own processes, for the tests of one module."""
    with serving(tmp_path_factory.mktemp("server")) as running:
        yield running
