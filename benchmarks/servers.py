"""Which server program: gunicorn's worker kinds beside granian, on our application: `make bench-servers`.

All with the same number of workers; what is asked comes over 8 kept-alive connections, where the server keeps them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from . import report
from .databases import POSTGRESQL, World, seeded
from .machine import commit, machine
from .measuring import take_turns
from .operations import CONNECTIONS, Asker, Operation
from .serving import PEERS, Server, command, free_port, serving

CHOSEN = "granian (bin/serve)"
STARTS = 3
FIRST_ANSWER = 2.0  # seconds that a start may take
MEMORY = 120  # MB that a worker may hold


def programs(port: int, workers: int) -> dict[str, list[str]]:
    """How each is started."""
    gunicorn = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", str(workers)]
    gunicorn += ["--keep-alive", "30", "--backlog", "1024", "--log-level", "error"]
    application = PEERS["ours"].application
    return {
        CHOSEN: command("ours", port, workers),
        "gunicorn sync": [*gunicorn, "--worker-class", "sync", application],
        "gunicorn gthread, 1 thread": [*gunicorn, "--worker-class", "gthread", "--threads", "1", application],
        "gunicorn gthread, 4 threads": [*gunicorn, "--worker-class", "gthread", "--threads", "4", application],
    }


def conclusion(
    found: Mapping[str, Mapping[str, Mapping[str, float]]], starts: Mapping[str, Mapping[str, float]]
) -> str:
    """One sentence that the figures support, whichever they are."""
    beside = []
    for operation, servers in found.items():
        name, other = max(
            ((name, one) for name, one in servers.items() if name != CHOSEN), key=lambda entry: entry[1]["rate"]
        )
        beside.append(f"{servers[CHOSEN]['rate'] / other['rate']:.2f} times {name} on {operation}")
    start, memory = starts[CHOSEN]["first_answer"], starts[CHOSEN]["rss"]
    return (
        f"{CHOSEN}, beside the best of the others in requests per second: {', '.join(beside)}; "
        f"its first answer comes {start:.2f} s after its start ({_bar(start, FIRST_ANSWER)} {FIRST_ANSWER:g} s), "
        f"and a worker holds {memory:.0f} MB ({_bar(memory, MEMORY)} {MEMORY} MB)."
    )


def _bar(figure: float, bar: float) -> str:
    return "under" if figure < bar else "not under"


def table(found: report.Figures, starts: Mapping[str, Mapping[str, float]]) -> list[str]:
    lines = [
        "| Server | Operation | requests/s | p50 ms | p99 ms | CPU-s per 1,000: server | database |",
        "|---|---|---|---|---|---|---|",
    ]
    for operation, servers in found.items():
        for name, one in servers.items():
            lines.append(
                f"| {name} | {operation} | {one['rate']:.0f} | {one['p50']:.2f} | {one['p99']:.2f} | "
                f"{one['server']:.2f} | {one['database']:.2f} |"
            )
    lines += [
        "",
        "| Server | first answer, s | largest worker: MB held | of which its own share |",
        "|---|---|---|---|",
    ]
    for name, one in starts.items():
        lines.append(f"| {name} | {one['first_answer']:.2f} | {one['rss']:.0f} | {one['pss']:.0f} |")
    return lines


@contextmanager
def started(name: str, world: World, workers: int) -> Iterator[Server]:
    port = free_port()
    with serving(name, programs(port, workers)[name], world.url, port, workers) as server:
        yield server


def measure(world: World, options: argparse.Namespace) -> tuple[report.Figures, dict[str, dict[str, float]]]:
    """The figures of each operation, and the start and memory of each server."""
    starts: dict[str, list[float]] = {name: [] for name in programs(0, 0)}
    for _time in range(STARTS):
        for name, seconds in starts.items():
            with started(name, world, options.workers) as server:
                seconds.append(server.first_answer)
    with ExitStack() as stack:
        servers = {name: stack.enter_context(started(name, world, options.workers)) for name in starts}
        askers = {name: Asker(name, server.port, world) for name, server in servers.items()}
        measured = [
            Operation("list of 100", 200, {name: asker.list() for name, asker in askers.items()}),
            Operation("show", 200, {name: asker.show() for name, asker in askers.items()}),
            Operation("create", 200, {name: asker.create() for name, asker in askers.items()}),
        ]
        take_turns(measured, servers, options.rounds, options.seconds)
        memory: dict[str, dict[str, Any]] = {
            name: {
                "first_answer": statistics.median(starts[name]),
                "rss": server.memory_mb("Rss"),
                "pss": server.memory_mb("Pss"),
            }
            for name, server in servers.items()
        }
        return report.figures(measured), memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="of each turn")
    parser.add_argument("--absences", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--write", type=Path, help="write SERVERS.md in this folder")
    options = parser.parse_args()
    with seeded(POSTGRESQL, options.absences) as world:
        found, starts = measure(world, options)
    lines = [
        (
            f"RDV on PostgreSQL, {options.absences:,} absences, {options.workers} workers, {CONNECTIONS} connections; "
            f"medians of {options.rounds} rounds of {options.seconds:g} s, and of {STARTS} starts. "
            f"Commit {commit()}; {machine()}."
        ),
        *("", *table(found, starts)),
        *("", conclusion(found, starts)),
    ]
    print("\n".join(lines))
    if options.write:
        (options.write / "SERVERS.md").write_text("\n".join(["# Last results of `make bench-servers`", "", *lines, ""]))


if __name__ == "__main__":
    main()
