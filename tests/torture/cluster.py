"""Processes to be killed: a PostgreSQL of one's own, and RDV's server program with its master and workers by name."""

from __future__ import annotations

import getpass
import glob
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from tests.server import PATIENCE, ROOT, Server


def eventually(what: Callable[[], object], within: float = PATIENCE) -> float:
    """Wait until `what()` is true, of other processes that tell nobody; gives how many seconds it took."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < within, f"{what.__name__} is still not true after {within} s"
        time.sleep(0.02)
    return time.monotonic() - began


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody buried does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def children(pid: int) -> list[int]:
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in table.splitlines() if int(line.split()[1]) == pid]


def lasting_port() -> int:
    """A free port that stays ours while nobody listens: not one of those that the system lends to whoever connects."""
    while True:
        port = random.SystemRandom().randrange(15_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Mortal(Server):
    """A server whose processes may be killed one by one, and which is launched again at its own address."""

    port = 0

    def __init__(self, folder: Path, database: str, **settings: str) -> None:
        super().__init__(folder, database, **settings)
        self._groups: list[int] = []

    def start(self, workers: int = 2) -> None:
        self.prepare()
        self.port = lasting_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.launch(workers)

    def launch(self, workers: int = 2) -> None:
        """What a supervisor does when the server has ended."""
        if self._process:
            self._process.wait(PATIENCE)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["bin/serve"],
                cwd=ROOT,
                env=self.environment | {"PYTHON": sys.executable, "PORT": str(self.port), "WORKERS": str(workers)},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._groups.append(self._process.pid)
        self._wait_until_it_answers(self.port)

    def stop(self) -> None:
        """Also those that outlived their master, which a test then has found."""
        super().stop()
        for group in self._groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)

    def wait(self) -> None:
        self._wait_until_it_answers(self.port)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def master(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def workers(self) -> list[int]:
        return sorted(children(self.master))

    def kill(self, *pids: int) -> None:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)


class Cluster:
    """A PostgreSQL of the machine's own binaries, in a folder of its own, on the loopback.

    `address` is that of its empty database. Started as root, it runs as the user `postgres`, for it refuses root.
    """

    def __init__(self, folder: Path) -> None:
        self.bin = programs()
        self.port = lasting_port()
        self.address = f"postgres://rdv@127.0.0.1:{self.port}/postgres"
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "postgres.log"
        self._as: list[str] = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            for parent in (folder, *folder.parents):
                if parent.owner() == getpass.getuser() and not parent.stat().st_mode & 0o001:
                    parent.chmod(parent.stat().st_mode | 0o011)  # pytest's folders let nobody else through
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._as = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        self._run("initdb", f"--pgdata={self.data}", "--username=rdv", "--auth=trust", "--encoding=UTF8", "--locale=C")

    def start(self) -> None:
        """Also after a kill: until the last backend of the dead server has ended, a new one refuses to start."""
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self.folder}"
        arguments = (f"--pgdata={self.data}", f"--log={self.log}", "--silent", "--wait", "-o", options, "start")
        try:
            eventually(lambda: self._run("pg_ctl", *arguments, check=False) == 0)
        except AssertionError as failure:
            failure.add_note(self.log.read_text()[-3000:])
            raise

    def stop(self) -> None:
        self._run("pg_ctl", f"--pgdata={self.data}", "--mode=immediate", "--silent", "stop", check=False)

    @property
    def postmaster(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def kill_postmaster(self) -> None:
        os.kill(self.postmaster, signal.SIGKILL)

    def kill_backend(self) -> None:
        """One that serves RDV. The others then end too, and the postmaster recovers what was committed."""
        with psycopg.connect(self.address, autocommit=True) as connection:
            query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            row = connection.execute(query).fetchone()
        assert row, "no backend serves RDV"
        os.kill(row[0], signal.SIGKILL)

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        done = subprocess.run(
            [*self._as, str(self.bin / program), *arguments],
            cwd=self.folder,
            env=os.environ | {"HOME": str(self.folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0 or not check, f"{program} failed: {done.returncode}"
        return done.returncode


def programs() -> Path:
    """Where PostgreSQL's own programs are: as bin/with-postgres looks for them."""
    found = shutil.which("initdb")
    places = [
        *([found] if found else []),
        *sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), reverse=True),
        *glob.glob("/usr/local/pgsql/bin/initdb"),
        *glob.glob("/opt/homebrew/opt/postgresql*/bin/initdb"),
    ]
    for place in places:
        # A wrapper on the path, as some systems have, knows one program and not its neighbours.
        if (Path(place).resolve().parent / "pg_ctl").exists():
            return Path(place).resolve().parent
    pytest.skip("needs PostgreSQL's own programs: initdb, pg_ctl")
