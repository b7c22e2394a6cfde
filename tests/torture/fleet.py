"""Several machines on one: web servers with an address each, nginx in front, a Redis, PostgreSQL with its standby.

Everything but DATABASE_URL's PostgreSQL is started from the machine's own programs, on addresses of the loopback
interface, in folders of its own, as an ordinary user where the program asks for it; stopped by its own process id.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
import requests

from tests.server import PATIENCE, ROOT, Server, prepared_database

DEPLOY = ROOT / "deploy" / "nginx"
HOST = "rdv.exemple.test"
BATCH_WINDOW = 1  # seconds, where tokens are renewed at each request
PASSWORD = "Rendez-vous 2026 !"


def program(name: str, package: str, *elsewhere: str) -> str:
    """The path of a program of the machine. Without it a test is skipped, but fails where CI must have it."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))
    for pattern in elsewhere:
        found = found or max(
            glob.glob(pattern), key=lambda path: [int(n) for n in re.findall(r"\d+", path)], default=""
        )
    if found:
        return found
    sentence = f"{name} is not installed; several machines are tested with it (Debian: apt-get install {package})."
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)


def _version(path: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path)]


def until(what: str, true: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """What `true()` gives as soon as it is something; asks other processes, which cannot tell us by themselves."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.02)
    raise AssertionError(f"Not within {seconds} s: {what}")


def free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def accepts(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


def children(pid: int) -> list[int]:
    """The processes that `pid` started (Linux)."""
    with suppress(FileNotFoundError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def unprivileged(user: str) -> list[str]:
    """What to write before a command so that root does not run it: `user`, or nobody."""
    if os.geteuid() != 0:
        return []
    import pwd

    try:
        account = pwd.getpwnam(user)
    except KeyError:
        account = pwd.getpwnam("nobody")
    return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]


@contextmanager
def folder_of(user: str) -> Iterator[Path]:
    """A folder that `user` may write, gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="rdv-"))
    try:
        if asked := unprivileged(user):
            os.chown(home, int(asked[1].rpartition("=")[2]), int(asked[2].rpartition("=")[2]))
        yield home
    finally:
        shutil.rmtree(home)


class Program:
    """A process in the foreground, in a group of its own; `stop` asks it to, `kill` does not."""

    def __init__(self, command: list[str], log: Path, **options: Any) -> None:
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True, **options
            )
        self.pid = self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def tell(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """As a power cut: the whole group, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        finally:
            self.kill()


class WebServer(Server):
    """`bin/serve` at an address of its own, with a temporary folder of its own."""

    def __init__(self, host: str, folder: Path, database: str, **settings: str) -> None:
        folder.mkdir()
        super().__init__(folder, database, HOST=host, TMPDIR=str(folder), **settings)
        self.host, self.port = host, free_port(host)
        self.address = f"http://{host}:{self.port}"
        self.program: Program | None = None

    def launch(self, workers: int = 1) -> None:
        self.program = Program(
            ["bin/serve"],
            self._log,
            cwd=ROOT,
            env=self.environment | {"PYTHON": sys.executable, "PORT": str(self.port), "WORKERS": str(workers)},
        )

    def wait(self) -> None:
        """Until it answers; by its own name, as from nginx."""

        def answers() -> bool:
            assert self.program is not None
            assert self.program.running, self.log
            with suppress(requests.RequestException):
                return requests.get(f"{self.address}/api/v1/me", headers={"Host": HOST}, timeout=5).status_code == 401
            return False

        until(f"{self.address} answers", answers)

    def kill(self) -> None:
        if self.program:
            self.program.kill()

    def stop(self) -> None:
        if self.program and self.program.running:
            self.program.stop()


class Nginx:
    """Debian's nginx with deploy/nginx/proxy.conf as it is, and a `servers.conf` of these servers."""

    def __init__(self, home: Path, servers: list[WebServer]) -> None:
        self.home, self.servers = home, servers
        self.port = free_port("127.0.0.1")
        self.address = f"http://127.0.0.1:{self.port}"
        self.binary = program("nginx", "nginx")
        shutil.copy(DEPLOY / "proxy.conf", home)
        paths = "".join(
            f"{kind}_temp_path {home}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (home / "nginx.conf").write_text(
            f"""
            pid {home}/nginx.pid;
            daemon off;
            worker_processes 1;
            events {{ worker_connections 1024; }}
            http {{
                access_log off;
                {paths}
                include {home}/servers.conf;
                server {{
                    listen 127.0.0.1:{self.port};
                    server_name {HOST};
                    include {home}/proxy.conf;
                }}
            }}
            """
        )

    def _write_servers(self, down: WebServer | None = None) -> None:
        kept = (DEPLOY / "servers.conf").read_text()
        one = re.search(r"^ *server (\S+:\d+)(.*);$", kept, re.MULTILINE)
        assert one, "deploy/nginx/servers.conf names no server"
        lines = "\n".join(
            f"server {server.host}:{server.port}{one[2]}{' down' if server is down else ''};" for server in self.servers
        )
        block = re.sub(r"(?:^ *server \S+:\d+.*;\n)+", lambda _: lines + "\n", kept, flags=re.MULTILINE)
        (self.home / "servers.conf").write_text(block)

    def start(self) -> None:
        self._write_servers()
        command = [self.binary, "-p", str(self.home), "-c", "nginx.conf", "-e", str(self.home / "error.log")]
        self.program = Program([*unprivileged("nobody"), *command], self.home / "output.log")
        until("nginx answers", lambda: self.program.running and accepts("127.0.0.1", self.port), 10)

    def use(self, down: WebServer | None = None) -> None:
        """Send nothing to `down` from now on; returns when what was sent to it before is answered."""
        before = set(children(self.program.pid))
        self._write_servers(down)
        self.program.tell(signal.SIGHUP)
        # The workers with the former list go when they have answered, after the others came.
        until("nginx has read its new list", lambda: (now := set(children(self.program.pid))) and not now & before)

    def stop(self) -> None:
        self.program.stop()


class Redis:
    """A Redis without persistence: what it holds may be lost."""

    def __init__(self, home: Path) -> None:
        self.home, self.host = home, "127.0.0.9"
        self.port = free_port(self.host)
        self.url = f"redis://{self.host}:{self.port}/0"
        self.binary = program("redis-server", "redis-server")

    def start(self) -> None:
        options = f"--bind {self.host} --port {self.port} --dir {self.home} --appendonly no --save".split()
        self.program = Program([self.binary, *options, ""], self.home / "redis.log")
        until("Redis answers", self.answers, 10)

    def answers(self) -> bool:
        assert self.program.running, (self.home / "redis.log").read_text()
        with redis.Redis(host=self.host, port=self.port) as client, suppress(redis.exceptions.RedisError):
            return bool(client.ping())
        return False


class Postgres:
    """One PostgreSQL, at an address of its own; `follow` makes it the standby of another, `promote` ends that."""

    def __init__(self, home: Path, host: str) -> None:
        self.home, self.host, self.port = home, host, free_port(host)
        self.data = home / f"data-{host}"
        self.log = home / f"{host}.log"
        self.url = f"postgres://rdv@{host}:{self.port}/postgres"
        initdb = program("initdb", "postgresql", "/usr/lib/postgresql/*/bin/initdb", "/usr/local/pgsql/bin/initdb")
        self.bin = Path(initdb).resolve().parent

    def run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            [*unprivileged("postgres"), str(self.bin / name), *arguments],
            cwd=self.home,
            env=os.environ | {"HOME": str(self.home)},
            stdout=subprocess.PIPE if name != "pg_ctl" else subprocess.DEVNULL,  # the server keeps the pipe
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        log = self.log.read_text(errors="replace") if self.log.exists() else ""
        assert done.returncode == 0, f"{name}: {done.stdout}\n{log}"

    def create(self) -> None:
        self.run(
            "initdb",
            "--pgdata",
            str(self.data),
            "--username=rdv",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        )
        with (self.data / "pg_hba.conf").open("a") as file:
            file.write("host all all 127.0.0.0/8 trust\nhost replication all 127.0.0.0/8 trust\n")

    def start(self) -> None:
        options = f"-c listen_addresses={self.host} -c port={self.port} -c unix_socket_directories={self.home}"
        options += f" -c max_connections=60 -c wal_level=replica -c hot_standby=on -c cluster_name={self.host}"
        self.run(
            "pg_ctl", "--pgdata", str(self.data), "--log", str(self.log), "--silent", "--wait", "-o", options, "start"
        )

    def follow(self, primary: Postgres) -> None:
        """Become the synchronous standby of `primary`, from a fresh copy: from then on, what `primary` commits is on
        both disks before anybody is told.
        """
        shutil.rmtree(self.data, ignore_errors=True)
        self.run(
            "pg_basebackup", "--pgdata", str(self.data), "--write-recovery-conf", "--checkpoint=fast", "--no-sync",
            "--host", primary.host, "--port", str(primary.port), "--username=rdv",
        )  # fmt: skip
        self.start()
        # The copy has the primary's settings too; promoted, it would wait for a standby that it does not have.
        self.execute("ALTER SYSTEM RESET synchronous_standby_names")
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.execute("SELECT pg_reload_conf()")
        state = "SELECT sync_state FROM pg_stat_replication"
        until("the standby is synchronous", lambda: primary.execute(state) == [("sync",)])

    def execute(self, statement: str, *values: Any, database: str = "postgres") -> Any:
        """The rows of a statement, if it has any."""
        with psycopg.connect(self.url, dbname=database, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else None

    @property
    def pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text().splitlines()[0])

    def kill(self) -> None:
        """As a power cut: the server and each of its processes."""
        pid = self.pid
        for one in (pid, *children(pid)):
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        until("the killed PostgreSQL is gone", lambda: not accepts(self.host, self.port))

    @contextmanager
    def receiving_nothing(self, primary: Postgres) -> Iterator[None]:
        """Until the end of the block this standby lags; from the start of it, `primary` has a commit that waits."""
        ((receiver,),) = self.execute("SELECT pid FROM pg_stat_wal_receiver")
        os.kill(receiver, signal.SIGSTOP)
        try:
            waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            until("a commit waits for the standby", lambda: primary.execute(waiting), 10)
            yield
        finally:
            os.kill(receiver, signal.SIGCONT)

    def promote(self) -> None:
        self.run("pg_ctl", "--pgdata", str(self.data), "--silent", "--wait", "promote")

    def stop(self) -> None:
        if accepts(self.host, self.port):
            self.run("pg_ctl", "--pgdata", str(self.data), "--mode=immediate", "--silent", "--wait", "stop")


PEOPLE = f"""
from agents.models import Agent, AgentRole, Organisation, Service, Territory
mds = Organisation.objects.create(name="MDS", territory=Territory.objects.create(name="Paris"))
first = Agent.objects.create_user("martine@exemple.test", {PASSWORD!r})
for name in ("martine", "bruno", "chloe", "sophie", "thierry", "etienne"):
    agent = Agent.objects.filter(email=f"{{name}}@exemple.test").first() or Agent(email=f"{{name}}@exemple.test")
    agent.password = first.password
    agent.save()
    AgentRole.objects.create(agent=agent, organisation=mds, access_level="admin")
"""


def triple(answer: requests.Response) -> dict[str, str]:
    """The credential of a sign-in's answer."""
    assert answer.status_code == 200, answer.text
    return {name: answer.headers[name] for name in ("access-token", "client", "uid")}


def call(
    where: WebServer | Nginx, method: str, path: str, credential: dict[str, str] | None = None, **options: Any
) -> requests.Response:
    """One request, on a connection of its own. `came_from` is the address that a proxy would tell of."""
    headers = {"Host": HOST} | (credential or {})
    if came_from := options.pop("came_from", None):
        headers["X-Forwarded-For"] = came_from
    return requests.request(
        method, f"{where.address}/api/v1/{path}", headers=headers, timeout=PATIENCE, allow_redirects=False, **options
    )


def sign_in(where: WebServer | Nginx, name: str, password: str = PASSWORD, **options: Any) -> requests.Response:
    body = {"email": f"{name}@exemple.test", "password": password}
    return call(where, "POST", "auth/sign_in", json=body, **options)


class Writers:
    """Threads that create absences through nginx without pause, and remember what they were told of each."""

    def __init__(self, nginx: Nginx, credential: dict[str, str], threads: int = 4) -> None:
        self.nginx, self.credential = nginx, credential
        self.mark = uuid.uuid4().hex[:8]  # in each title, so that no other round's rows are taken for these
        self.acknowledged: dict[str, int] = {}  # title → id
        self.in_doubt: dict[str, str] = {}  # title → what was answered instead
        self.refused: list[requests.Response] = []
        self.slowest = 0.0
        self._over = threading.Event()
        self._news = threading.Condition()
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(threads)]

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _write(self, writer: int) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            title = f"écriture {self.mark} {writer} {number}"
            body = {
                "agent_email": "martine@exemple.test", "title": title, "first_day": "2026-12-10",
                "start_time": "09:00", "end_time": "12:30",
            }  # fmt: skip
            began = time.monotonic()
            answer = call(self.nginx, "POST", "absences", self.credential, json=body)
            took = time.monotonic() - began
            with self._news:
                self.slowest = max(self.slowest, took)
                if answer.status_code == 200:
                    self.acknowledged[title] = answer.json()["absence"]["id"]
                else:
                    self.in_doubt[title] = f"{answer.status_code}"
                    self.refused.append(answer)
                self._news.notify_all()

    def wait_for(self, more: int, seconds: float = PATIENCE) -> None:
        """Until `more` writes than now were acknowledged."""
        with self._news:
            goal = len(self.acknowledged) + more
            assert self._news.wait_for(lambda: len(self.acknowledged) >= goal, seconds), self.told()

    def wait_for_refusals(self, more: int) -> None:
        """Until `more` writes than now were answered otherwise."""
        with self._news:
            goal = len(self.refused) + more
            assert self._news.wait_for(lambda: len(self.refused) >= goal, PATIENCE), self.told()

    def told(self) -> dict[str, int]:
        return dict(Counter(self.in_doubt.values())) | {"200": len(self.acknowledged)}

    def check(self, rows: list[tuple[int, str]]) -> int:
        """Everything acknowledged is in `rows` (id, title), once; nothing is there twice. Gives how many of those in
        doubt were done all the same.
        """
        titles = Counter(title for _pk, title in rows)
        twice = [title for title, times in titles.items() if times > 1]
        assert twice == [], twice
        kept = {title: pk for pk, title in rows}
        lost = {title: pk for title, pk in self.acknowledged.items() if kept.get(title) != pk}
        assert lost == {}, lost
        unknown = kept.keys() - self.acknowledged.keys() - self.in_doubt.keys()
        assert unknown == set(), unknown
        return len(kept.keys() & self.in_doubt.keys())


def rows_of(database: str, writers: Writers) -> list[tuple[int, str]]:
    with psycopg.connect(database) as connection:
        statement = "SELECT id, title FROM absences_absence WHERE title LIKE %s"
        return connection.execute(statement, [f"écriture {writers.mark} %"]).fetchall()


class Fleet:
    """What `started` started. `execute` runs a statement on the database; `redis` is None when CACHE_URL names one."""

    def __init__(self, database: str, cache: Redis | None) -> None:
        self.database, self.redis = database, cache
        self.servers: list[WebServer] = []
        self.rotating: list[WebServer] = []
        self.nginx: Nginx

    def execute(self, statement: str, *values: Any) -> Any:
        with psycopg.connect(self.database) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else None


@contextmanager
def started(database: str = "", servers: int = 3, rotating: int = 2) -> Iterator[Fleet]:
    """So many web servers behind nginx, and some beside it that renew tokens at each request; they share the database
    (a fresh one beside DATABASE_URL's when none is given), a Redis and a secret key, and nothing else.
    """
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rdv-")))
        if not database:
            database = stack.enter_context(prepared_database(home))
        cache = None
        if not os.environ.get("CACHE_URL"):
            cache = Redis(home)
            stack.callback(lambda: cache.program.kill())
            cache.start()
        fleet = Fleet(database, cache)
        settings = {
            "RDV_ENV": "production",
            "RDV_TLS": "off",
            "RDV_SECRET_KEY": "the same on each " * 4,
            "RDV_ALLOWED_HOSTS": HOST,
            "RDV_TRUSTED_PROXIES": "1",
            "RDV_SIGN_IN_LIMIT": "10/15m",
            "RDV_REDIRECT_ORIGINS": "https://app.exemple.test",
            "CACHE_URL": cache.url if cache else os.environ["CACHE_URL"],
            "EMAIL_URL": "dummymail://",
        }
        renewing = {"RDV_TOKEN_ROTATION": "request", "RDV_TOKEN_BATCH_WINDOW": f"{BATCH_WINDOW}s"}
        for number in range(servers + rotating):
            host = f"127.0.0.{number + 2}"
            extra = renewing if number >= servers else {}
            server = WebServer(host, home / host, database, **settings, **extra)
            (fleet.rotating if extra else fleet.servers).append(server)
        fleet.servers[0].manage("migrate", "--verbosity", "0")
        for server in fleet.servers + fleet.rotating:
            server.launch()
            stack.callback(server.stop)
        fleet.servers[0].manage("shell", "-c", PEOPLE)
        for server in fleet.servers + fleet.rotating:
            server.wait()
        # nginx runs as nobody: its folder is its own.
        fleet.nginx = Nginx(stack.enter_context(folder_of("nobody")), fleet.servers)
        stack.callback(lambda: fleet.nginx.stop())
        fleet.nginx.start()
        yield fleet
