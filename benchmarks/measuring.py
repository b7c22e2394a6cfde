"""Turns and rounds: every server is asked every operation in turn, so that the machine's drift cancels."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from .databases import World
from .machine import ROOT, cpu_seconds, postgres_cpu_seconds
from .operations import Operation
from .serving import PEERS, Server, command, free_port, serving

WARM_UP = 1.0  # seconds


@contextmanager
def all_serving(names: Iterable[str], worlds: Mapping[str, World], workers: int) -> Iterator[dict[str, Server]]:
    """These peers, each on the world of its database."""
    with ExitStack() as stack:
        servers = {}
        for name in names:
            port = free_port()
            url = worlds[PEERS[name].database].url
            servers[name] = stack.enter_context(serving(name, command(name, port, workers), url, port, workers))
        yield servers


def drive(server: Server, operation: Operation, seconds: float) -> dict[str, Any]:
    """One turn of one server: throughput, latency and CPU.

    What PostgreSQL spends is counted whoever asked: nobody else is asked meanwhile. SQLite's share is the server's.
    """
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "benchmarks.driver", "127.0.0.1", str(server.port)),
            *("--connections", str(operation.connections), "--seconds", str(seconds)),
        ],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    pids = server.pids()
    before = cpu_seconds(pids), postgres_cpu_seconds()
    output, _errors = process.communicate(json.dumps(operation.requests[server.name]).encode())
    after = cpu_seconds(pids), postgres_cpu_seconds()
    if process.returncode:
        raise SystemExit(f"{server.name}, {operation.name}: the driver failed.")
    result = json.loads(output)
    unexpected = {status: count for status, count in result["statuses"].items() if int(status) != operation.status}
    if unexpected or not result["requests"]:
        raise SystemExit(f"{server.name}, {operation.name}: answers {result['statuses']}: {result['sample'][:500]}")
    return {
        "rate": result["requests"] / result["seconds"],
        "p50": result["p50"],
        "p99": result["p99"],
        "server": (after[0] - before[0]) / result["requests"] * 1000,
        "database": (after[1] - before[1]) / result["requests"] * 1000,
    }


def take_turns(measured: Sequence[Operation], servers: Mapping[str, Server], rounds: int, seconds: float) -> None:
    """Fill the results of `measured`. A first, short round warms up and is not counted; each round begins with another
    server, so that none always follows the same one.
    """
    for operation in measured:
        operation.results = {name: [] for name in operation.requests}
    for number in range(rounds + 1):
        for operation in measured:
            names = list(operation.requests)
            first = number % len(names)
            for name in names[first:] + names[:first]:
                result = drive(servers[name], operation, seconds if number else min(WARM_UP, seconds))
                if number:
                    operation.results[name].append(result)
        print(f"round {number} of {rounds}", file=sys.stderr, flush=True)
