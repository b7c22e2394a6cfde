"""Four times what the machine can carry, and what becomes of it: `make bench-overload`.

Requests arrive when they arrive (an open loop, at random), whether or not earlier ones were answered, and their time
counts from then: a client that waits in our own queue waits. Four phases against one server: what it can carry (a
closed loop), a quiet spell, the overload, and the quiet after it.

Each request comes on a connection of its own, as from clients who know nothing of each other. On connections that are
kept (`--kept`) whoever is refused is soon free to ask again: they gather at the worker that refuses, and the few that
wait at another one, fewer than the 64 which any worker serves in full, wait as long as so many must.
"""

from __future__ import annotations

import argparse
import json
import random
import selectors
import socket
import time
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any, NamedTuple

from .databases import POSTGRESQL, SQLITE, seeded
from .driver import drive
from .operations import OPERATIONS, Asker
from .serving import Server, command, free_port, serving

CONNECTIONS = 800  # at most; further arrivals wait here
QUIET = 0.2  # of what the machine can carry
GIVE_UP = 30.0  # seconds without any answer
LATE = 5  # times the p99 of the quiet spell


class Answer(NamedTuple):
    arrived: float  # seconds since the start of its phase
    took: float
    status: int
    polite: bool  # has Retry-After


class _Client:
    """One connection, one request at a time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=GIVE_UP)
        self.socket.setblocking(False)
        self.arrived = 0.0
        self._got = bytearray()
        self._length: int | None = None

    def ask(self, request: bytes, arrived: float) -> None:
        self.arrived = arrived
        self._got.clear()
        self._length = None
        self.socket.sendall(request)

    def answered(self) -> tuple[int, bool, bool] | None:
        """Status, whether it says when to come back, whether the connection stays open; None while not all is here."""
        piece = self.socket.recv(262144)
        if not piece:
            return 0, False, False
        self._got += piece
        if self._length is None:
            end = self._got.find(b"\r\n\r\n")
            if end < 0:
                return None
            head = bytes(self._got[:end]).lower()
            self._length = end + 4 + int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0] or 0)
            self._polite, self._open = b"\r\nretry-after:" in head, b"\r\nconnection: close" not in head
        return (int(self._got[9:12]), self._polite, self._open) if len(self._got) >= self._length else None


def arrive(
    port: int, request: bytes, rate: float, seconds: float, server: Server, *, kept: bool = False
) -> tuple[list[Answer], float]:
    """The answers to requests that arrive `rate` times a second, in order of arrival; and the most memory a worker
    held. A connection that broke is status 0.
    """
    answers: list[Answer] = []
    idle: list[_Client] = []
    waiting: deque[float] = deque()
    busy = 0
    memory = looked = 0.0
    random.seed(1)
    began = last = time.perf_counter()
    upcoming = 0.0
    with selectors.DefaultSelector() as events:
        while upcoming < seconds or waiting or busy:
            now = time.perf_counter() - began
            while upcoming < seconds and upcoming <= now:
                waiting.append(upcoming)
                upcoming += random.expovariate(rate)
            while waiting and (idle or busy + len(idle) < CONNECTIONS):
                client = idle.pop() if idle else None
                if client is None:
                    client = _Client(port)
                    events.register(client.socket, selectors.EVENT_READ, client)
                client.ask(request, waiting.popleft())
                busy += 1
            if now - looked > 0.5:
                memory, looked = max(memory, server.memory_mb("Rss")), now
            due = upcoming - (time.perf_counter() - began) if upcoming < seconds else 1.0
            for key, _mask in events.select(max(0.0, due)):
                client = key.data
                done = client.answered() if client not in idle else (0, False, False)
                if done is None:
                    continue
                last = time.perf_counter()
                status, polite, stays = done
                if client in idle:
                    idle.remove(client)  # closed by the server after a while
                else:
                    busy -= 1
                    answers.append(Answer(client.arrived, last - began - client.arrived, status, polite))
                if stays and kept:
                    idle.append(client)
                else:
                    events.unregister(client.socket)
                    client.socket.close()
            if time.perf_counter() - last > GIVE_UP:
                raise SystemExit(f"No answer for {GIVE_UP:.0f} s, {busy} requests open.")
        for client in idle:
            client.socket.close()
    return sorted(answers), memory


def percentile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def served(answers: list[Answer]) -> list[float]:
    return [answer.took * 1000 for answer in answers if answer.status == 200]


def measure(server: Server, requests: list[str], times: float, seconds: float, *, kept: bool) -> dict[str, Any]:
    raw = [request.encode("latin-1") for request in requests]
    drive("127.0.0.1", server.port, raw, 8, 1)
    carried = drive("127.0.0.1", server.port, raw, 16, 4)
    capacity = carried["requests"] / carried["seconds"]
    quiet, before = arrive(server.port, raw[0], QUIET * capacity, seconds, server, kept=kept)
    loaded, during = arrive(server.port, raw[0], times * capacity, seconds, server, kept=kept)
    after, later = arrive(server.port, raw[0], QUIET * capacity, seconds, server, kept=kept)
    usual = percentile(served(quiet), 0.99)
    late = [answer.arrived for answer in after if answer.status != 200 or answer.took * 1000 > LATE * usual]
    good = served(loaded)
    statuses = sorted({answer.status for answer in loaded})
    return {
        "capacity": capacity,
        "carried statuses": carried["statuses"],
        "quiet p50": percentile(served(quiet), 0.5),
        "quiet p99": usual,
        "offered": len(loaded) / seconds,
        "served": len(good) / seconds,
        "served p50": percentile(good, 0.5),
        "served p99": percentile(good, 0.99),
        "p99 ratio": percentile(good, 0.99) / usual,
        # Whether it is the beginning, the end, or all along.
        "served late, by second": Counter(
            int(a.arrived) for a in loaded if a.status == 200 and a.took * 1000 > LATE * usual
        ),
        "statuses": {status: sum(answer.status == status for answer in loaded) for status in statuses},
        "refused p50": percentile((a.took * 1000 for a in loaded if a.status == 503), 0.5),
        "refused p99": percentile((a.took * 1000 for a in loaded if a.status == 503), 0.99),
        "without Retry-After": sum(answer.status == 503 and not answer.polite for answer in loaded),
        "normal after s": max(late, default=0.0),
        "memory MB": [before, during, later],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operation", default="list of 100", choices=list(OPERATIONS))
    parser.add_argument("--times", type=float, default=4.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--absences", type=int, default=20_000)
    parser.add_argument("--kept", action="store_true", help="clients keep their connections")
    parser.add_argument("--sqlite", action="store_true")
    options = parser.parse_args()
    name, kind = ("ours-sqlite", SQLITE) if options.sqlite else ("ours", POSTGRESQL)
    with seeded(kind, options.absences) as world:
        port = free_port()
        with serving(name, command(name, port, options.workers), world.url, port, options.workers) as server:
            ask = OPERATIONS[options.operation][1]
            for _round in range(options.rounds):
                found = measure(
                    server, ask(Asker(name, port, world)), options.times, options.seconds, kept=options.kept
                )
                print(json.dumps(found, default=str, indent=1), flush=True)


if __name__ == "__main__":
    main()
