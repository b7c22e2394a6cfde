"""Who is measured, and how each is started: all on the same server program, with the same number of workers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from .databases import POSTGRESQL, SQLITE
from .driver import Connection
from .machine import ROOT, family, memory_mb

GRANIAN = (
    *("-m", "granian", "--http", "1", "--no-ws", "--host", "127.0.0.1", "--blocking-threads", "1"),
    *("--runtime-threads", "1", "--backlog", "1024", "--backpressure", "128", "--log-level", "error"),
)
PATIENCE = 30.0  # seconds that a server may take to its first answer


class Peer(NamedTuple):
    label: str
    interface: str
    application: str
    database: str = POSTGRESQL


PEERS = {
    "ours": Peer("RDV", "wsgi", "rdv.wsgi:application"),
    "stock": Peer("(a) stock DRF + knox", "wsgi", "benchmarks.peers.stock.wsgi:application"),
    "fastapi": Peer("(b) FastAPI + SQLAlchemy", "asgi", "benchmarks.peers.fastapi_app:app"),
    "bare": Peer("(c) bare limit", "wsgi", "benchmarks.peers.bare:application"),
    "ours-sqlite": Peer("RDV on SQLite", "wsgi", "rdv.wsgi:application", SQLITE),
    "bare-sqlite": Peer("(c) bare limit on SQLite", "wsgi", "benchmarks.peers.bare:application", SQLITE),
}


class Server(NamedTuple):
    name: str
    port: int
    process: subprocess.Popen[bytes]
    first_answer: float  # seconds from its start

    def pids(self) -> list[int]:
        return family(self.process.pid)

    def memory_mb(self, measure: str = "Pss") -> float:
        """Of the largest worker."""
        pids = self.pids()
        return max(memory_mb(pid, measure) for pid in pids[1:] or pids)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def command(name: str, port: int, workers: int) -> list[str]:
    """How a peer is started; ours by bin/serve, as in production."""
    peer = PEERS[name]
    if peer.application == PEERS["ours"].application:
        return [str(ROOT / "bin" / "serve")]
    options = ["--interface", peer.interface, "--workers", str(workers), "--port", str(port)]
    return [sys.executable, *GRANIAN, *options, peer.application]


@contextmanager
def serving(name: str, words: list[str], url: str, port: int, workers: int) -> Iterator[Server]:
    """The server that `words` starts on the database at `url`, answering when the block begins."""
    environment = os.environ | {
        "DATABASE_URL": url,
        "PYTHON": sys.executable,
        "PORT": str(port),
        "WORKERS": str(workers),
        "RDV_SIGN_IN_LIMIT": "off",
        "RDV_LOG_LEVEL": "ERROR",
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
    }
    began = time.perf_counter()
    process = subprocess.Popen(words, cwd=ROOT, env=environment)
    try:
        while not answers(port):
            if process.poll() is not None:
                raise SystemExit(f"{name} stopped: {process.returncode}")
            if time.perf_counter() - began > PATIENCE:
                raise SystemExit(f"{name} does not answer.")
            time.sleep(0.01)
        yield Server(name, port, process, time.perf_counter() - began)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(port: int) -> bool:
    try:
        connection = Connection("127.0.0.1", port)
        connection.ask(b"GET /api/v1/absences HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    except OSError:
        return False
    connection.socket.close()
    return True
