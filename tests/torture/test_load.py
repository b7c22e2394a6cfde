"""Under load: workers and servers are replaced without a lost request, crowds are served, an overload is refused
politely, and nothing grows.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import pytest
import requests

from benchmarks.machine import family, memory_mb
from tests.server import ROOT, Server, prepared_database

pytestmark = [pytest.mark.live, pytest.mark.any_database]

PASSWORD = "Rendez-vous 2026 !"
PEOPLE = f"""
from agents.models import Agent, AgentRole, Organisation, Territory
mds = Organisation.objects.create(name="MDS", territory=Territory.objects.create(name="Paris"))
for name in ("martine", "bruno"):
    agent = Agent.objects.create_user(f"{{name}}@exemple.test", {PASSWORD!r})
    AgentRole.objects.create(agent=agent, organisation=mds, access_level="admin")
"""
ABSENCE = {"agent_email": "martine@exemple.test", "first_day": "2027-06-10", "start_time": "13:30", "end_time": "17:00"}
BRUNO = {"email": "bruno@exemple.test", "password": PASSWORD}


class Running(Server):
    """`bin/serve` on a socket that outlives it, as systemd hands one over; or on its own."""

    listener: socket.socket | None = None

    def launch(self, workers: int) -> None:
        command, handed = ["bin/serve"], ()
        if self.listener is not None:
            handed = (self.listener.fileno(),)
            command = [sys.executable, "-c", HAND_OVER, str(self.listener.fileno())]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment | {"PYTHON": sys.executable, "WORKERS": str(workers)},
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=handed,
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def workers(self) -> set[int]:
        return set(family(self.pid)) - {self.pid}

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def signed_in(self) -> dict[str, str]:
        self.manage("shell", "-c", PEOPLE)
        pair = {"email": "martine@exemple.test", "password": PASSWORD}
        answer = requests.post(f"{self.address}/api/v1/auth/sign_in", json=pair, timeout=60)
        return {name: answer.headers[name] for name in ("access-token", "client", "uid")}


HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv("bin/serve", ["bin/serve"])
"""


@contextmanager
def prepared(folder: Path, **settings: str) -> Iterator[Running]:
    with prepared_database(folder) as database:
        running = Running(folder, database, SERVER_LOG_LEVEL="warning", **settings)
        try:
            yield running
        finally:
            running.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One worker, which shares with nobody what comes."""
    with prepared(tmp_path_factory.mktemp("server")) as running:
        running.start(workers=1)
        yield running


@pytest.fixture(scope="module")
def martine(server: Running) -> dict[str, str]:
    return server.signed_in()


class Answer(NamedTuple):
    status: int
    polite: bool  # says when to come back
    stays: bool  # the connection is kept
    body: bytes


class Cut(Exception):
    """The connection ended without a whole answer."""


class Caller:
    """A client that keeps its connection, as HTTP allows: it looks whether it was closed before it uses it again."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self.port = port
        self.headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.connection: socket.socket | None = None

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        content = b"" if body is None else json.dumps(body).encode()
        sent = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n" if content else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{self.headers}{sent}\r\n"
        if self.connection is not None and select.select([self.connection], [], [], 0)[0]:
            self.close()
        if self.connection is None:
            self.connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        try:
            self.connection.sendall(head.encode() + content)
            answer = self._read()
        except OSError as error:
            self.close()
            raise Cut(repr(error)) from error
        if not answer.stays:
            self.close()
        return answer

    def ask_once(self, path: str) -> Answer:
        with closing(self):
            return self.ask("GET", path)

    def _read(self) -> Answer:
        assert self.connection is not None
        got = b""
        while b"\r\n\r\n" not in got:
            got += self._more(got)
        head, _blank, body = got.partition(b"\r\n\r\n")
        low = head.lower() + b"\r\n"
        length = int(low.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0] or 0)
        while len(body) < length:
            body += self._more(body)
        stays = b"\r\nconnection: close" not in low
        return Answer(int(head[9:12]), b"\r\nretry-after:" in low, stays, body)

    def _more(self, got: bytes) -> bytes:
        assert self.connection is not None
        piece = self.connection.recv(65536)
        if not piece:
            raise ConnectionError(f"closed after {len(got)} bytes")
        return piece

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Traffic:
    """Clients of several kinds, until told to stop: what each was answered, and what was cut."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self.answered: Counter[tuple[str, int]] = Counter()
        self.cut: list[str] = []
        self.title = str(uuid.uuid4())
        self._ended = threading.Event()
        self._lock = threading.Lock()
        kinds = [*["kept"] * 6, *["fresh"] * 4, *["writing"] * 2, *["dawdling"] * 4]
        self._threads = [threading.Thread(target=self._call, args=(kind, Caller(port, headers))) for kind in kinds]

    def _call(self, kind: str, caller: Caller) -> None:
        while not self._ended.is_set():
            try:
                if kind == "writing":
                    answer = caller.ask("POST", "/api/v1/absences", ABSENCE | {"title": self.title})
                else:
                    answer = caller.ask("GET", "/api/v1/me")
            except Cut as cut:
                with self._lock:
                    self.cut.append(f"{kind}: {cut}")
                continue
            with self._lock:
                self.answered[kind, answer.status] += 1
            if kind == "fresh":
                caller.close()
            elif kind == "dawdling":
                self._ended.wait(1.0)
        caller.close()

    @contextmanager
    def flowing(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in self._threads:
                thread.join()

    def at_least(self, more: int) -> None:
        """Wait for so many answers from now."""
        until, goal = time.monotonic() + 60, self.answered.total() + more
        while self.answered.total() < goal:
            assert time.monotonic() < until, self.answered
            time.sleep(0.01)


def held(traffic: Traffic, server: Running, figure: Callable[[str, Any], None]) -> None:
    """Every request was answered, well, and every write that was acknowledged is there, once."""
    figure("requests", traffic.answered.total())
    figure("cut", len(traffic.cut))
    # granian at times misses that a worker has ended its last connection, and kills it 15 s later: slow, not lost.
    figure("workers killed in the end", server.log.count("refused to gracefully stop"))
    assert traffic.cut == []
    assert {status for _kind, status in traffic.answered} == {200}
    count = (
        f"from absences.models import Absence; print('rows', Absence.objects.filter(title='{traffic.title}').count())"
    )
    said = server.manage("shell", "-c", count)
    assert f"rows {traffic.answered['writing', 200]}\n" in said


def test_workers_are_replaced_without_a_lost_request(
    server: Running, martine: dict[str, str], at_length: Callable[[Any, Any], Any], figure: Callable[[str, Any], None]
) -> None:
    traffic = Traffic(server.port, martine)
    with traffic.flowing():
        for _ in range(at_length(1, 30)):
            traffic.at_least(200)
            before = server.workers
            os.kill(server.pid, signal.SIGHUP)
            until = time.monotonic() + 60
            while server.workers & before or not server.workers:
                assert time.monotonic() < until, server.log
                time.sleep(0.05)
            traffic.at_least(200)
    figure("workers replaced", at_length(1, 30))
    held(traffic, server, figure)


def test_a_server_is_restarted_on_the_socket_of_systemd_without_a_lost_request(
    tmp_path: Path, at_length: Callable[[Any, Any], Any], figure: Callable[[str, Any], None]
) -> None:
    with prepared(tmp_path, DRAIN="2") as server, socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        server.prepare()
        server.listener = listener
        server.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.launch(2)
        traffic = Traffic(server.port, server.signed_in())
        with traffic.flowing():
            for _ in range(at_length(1, 30)):
                traffic.at_least(200)
                server.stop()
                server.launch(2)
                traffic.at_least(200)
        figure("restarts", at_length(1, 30))
        held(traffic, server, figure)

        assert server._process is not None
        server._process.terminate()  # before it stops, it says so: a load balancer has the time to notice
        until = time.monotonic() + 20
        while (ready := Caller(server.port, {}).ask_once("/health/ready")).status == 200:
            assert time.monotonic() < until
        assert (ready.status, json.loads(ready.body)["failing"], ready.stays) == (503, ["leaving"], False)
        assert server._process.wait(20) == 0


def at_once(port: int, headers: dict[str, str], count: int) -> list[Answer]:
    """The answers to requests that are sent together, each on a connection that was there before."""
    callers = [Caller(port, headers) for _ in range(count)]
    ready = threading.Barrier(count)

    def call(caller: Caller) -> Answer:
        with closing(caller):
            caller.connection = socket.create_connection(("127.0.0.1", port), timeout=60)
            ready.wait()
            return caller.ask("GET", "/api/v1/me")

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, callers))


def test_a_crowd_and_programs_with_64_connections_are_all_served(
    server: Running, martine: dict[str, str], at_length: Callable[[Any, Any], Any], figure: Callable[[str, Any], None]
) -> None:
    for _ in range(at_length(2, 50)):
        answers = at_once(server.port, martine, 200)
        assert Counter(answer.status for answer in answers) == {200: 200}
    ended = threading.Event()

    def program(_number: int) -> Counter[int]:
        statuses: Counter[int] = Counter()
        with closing(Caller(server.port, martine)) as caller:
            while not ended.is_set():
                statuses[caller.ask("GET", "/api/v1/me").status] += 1
        return statuses

    with ThreadPoolExecutor(64) as pool:
        programs = [pool.submit(program, number) for number in range(64)]
        ended.wait(at_length(2, 60))
        ended.set()
    statuses = sum((one.result() for one in programs), Counter())
    figure("requests of 64 connections", statuses.total())
    assert set(statuses) == {200}


def test_an_overload_is_refused_politely_and_soon_over(
    server: Running, martine: dict[str, str], at_length: Callable[[Any, Any], Any], figure: Callable[[str, Any], None]
) -> None:
    statuses: Counter[int] = Counter()
    lock, ended = threading.Lock(), threading.Event()

    def insist(_number: int) -> None:
        with closing(Caller(server.port, martine)) as caller:
            while not ended.is_set():
                answer = caller.ask("GET", "/api/v1/me")
                with lock:
                    statuses[answer.status] += 1
                assert answer.status == 200 or (answer.status == 503 and answer.polite), answer

    with ThreadPoolExecutor(300) as pool:  # who ask again at once, whatever they are told
        crowd = [pool.submit(insist, number) for number in range(300)]
        ended.wait(at_length(3, 60))
        memory = max(memory_mb(pid, "Rss") for pid in server.workers)
        ended.set()
        over = time.monotonic()
        for one in crowd:
            one.result()
    figure("answers", dict(statuses))
    figure("memory of the worker, MB", round(memory))
    assert memory < 250
    assert statuses[200] > 0
    assert statuses[503] > 0
    last = over
    with closing(Caller(server.port, martine)) as caller:
        while time.monotonic() < over + 6:
            if caller.ask("GET", "/api/v1/me").status != 200:
                last = time.monotonic()
            time.sleep(0.01)
    figure("normal after s", round(last - over, 1))
    assert last - over < 5


class Held(NamedTuple):
    descriptors: int
    sockets: int
    threads: int
    memory: float

    @classmethod
    def by(cls, server: Running) -> Held:
        """The most that one worker holds."""
        return cls(*(max(each) for each in zip(*map(cls._of, server.workers), strict=True)))

    @staticmethod
    def _of(pid: int) -> tuple[int, int, int, float]:
        kinds = []
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                kinds.append(os.readlink(link))
        sockets = sum(kind.startswith("socket:") for kind in kinds)
        threads = sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())
        return len(kinds), sockets, threads, memory_mb(pid, "Rss")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc")
def test_nothing_grows_under_a_steady_load(
    server: Running, martine: dict[str, str], at_length: Callable[[Any, Any], Any], figure: Callable[[str, Any], None]
) -> None:
    ended, problems = threading.Event(), []
    answered: Counter[int] = Counter()

    def live(number: int) -> None:
        with closing(Caller(server.port, martine)) as caller, closing(Caller(server.port, {})) as stranger:
            while not ended.wait(0.02):
                created = caller.ask("POST", "/api/v1/absences", ABSENCE | {"title": f"Réunion {number}"})
                pk = json.loads(created.body).get("absence", {}).get("id")
                said = [
                    created.status,
                    caller.ask("GET", "/api/v1/absences").status,
                    caller.ask("GET", f"/api/v1/absences/{pk}").status,
                    caller.ask("PATCH", f"/api/v1/absences/{pk}", {"title": "Congés"}).status,
                    caller.ask("DELETE", f"/api/v1/absences/{pk}").status,
                    stranger.ask("GET", "/health/ready").status,
                    stranger.ask("POST", "/api/v1/auth/sign_in", BRUNO).status,
                ]
                if said != [200, 200, 200, 200, 204, 200, 200]:
                    problems.append(said)
                answered.update(said)
                caller.close()

    seconds = at_length(5, 600)
    seen: list[Held] = []
    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(live, number) for number in range(4)]
        ended.wait(seconds / 5)  # what each thread, statement and cache takes once
        while len(seen) < 40 and not ended.wait(seconds / 50):
            seen.append(Held.by(server))
        ended.set()
        for client in clients:
            client.result()
    first, last = seen[:10], seen[-10:]
    figure("seconds", seconds)
    figure("answers", dict(answered))
    for name in Held._fields:
        before, after = (median(getattr(one, name) for one in some) for some in (first, last))
        figure(name, f"{before:.0f} then {after:.0f}, at most {max(getattr(one, name) for one in seen):.0f}")
    assert problems == []
    assert median(one.descriptors for one in last) <= median(one.descriptors for one in first) + 8
    assert median(one.sockets for one in last) <= median(one.sockets for one in first) + 8
    if seconds > 60:
        assert median(one.memory for one in last) < 1.05 * median(one.memory for one in first) + 2
