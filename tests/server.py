"""A real server, started by `bin/serve`: several processes, a database of its own, the loopback only.

    from .server import server  # in the test module: pytest finds the fixture by its name

    def test_it_answers(server):
        server.manage("shell", "-c", "...")
        requests.get(f"{server.address}/api/v1/absences")

The database is a file in the test's own folder; with `DATABASE_URL=postgres://…`, one made beside that one, dropped
at the end.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60  # seconds, for a start on a machine that is busy


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

    def start(self, workers: int = 2) -> None:
        self.manage("migrate", "--verbosity", "0")
        self.manage("createcachetable")
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


@contextmanager
def fresh_database(folder: Path) -> Iterator[str]:
    """The address of an empty database of the kind under test, that nobody else uses."""
    given = os.environ.get("DATABASE_URL", "")
    if not given.startswith("postgres"):
        yield f"sqlite:///{folder / 'rdv.sqlite3'}"
        return
    name = f"rdv_live_{uuid.uuid4().hex}"
    with psycopg.connect(given, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlsplit(given)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def serving(
    folder: Path, *prepared: str, workers: int = 2, kind: type[Server] | None = None, **settings: str
) -> Iterator[Server]:
    """A server in its own processes, for whose database, a fresh one, `manage.py` was run with `prepared`."""
    with fresh_database(folder) as database:
        server = (kind or Server)(folder, database, **settings)
        try:
            server.start(workers=workers)
            if prepared:
                server.manage(*prepared)
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server in its own processes, for the tests of one module."""
    with serving(tmp_path_factory.mktemp("server")) as running:
        yield running
