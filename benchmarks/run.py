"""Us and our peers, on one machine, in one run: `make bench`.

Each round asks every server for every operation in turn, so that the machine's drift cancels; the figures are medians
over the rounds. Peers: (a) stock Django REST framework with django-rest-knox; (b) FastAPI with asynchronous SQLAlchemy;
(c) the bare limit: no framework, one statement, tuples, orjson. All on PostgreSQL; RDV and (c) on SQLite too.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from . import check, provision, report
from .databases import POSTGRESQL, seeded
from .machine import commit, machine
from .measuring import all_serving, take_turns
from .operations import CONNECTIONS, OPERATIONS, compare, operations
from .serving import PEERS

PROVISION = "provision"


def measure(options: argparse.Namespace, names: list[str]) -> tuple[report.Figures, dict[str, float]]:
    """The figures of each operation, and the memory of each server's largest worker."""
    wanted = [name for name in OPERATIONS if options.operations in name]
    if not wanted:
        return {}, {}
    with ExitStack() as stack:
        worlds = {
            kind: stack.enter_context(seeded(kind, options.absences, stock=kind == POSTGRESQL and "stock" in names))
            for kind in dict.fromkeys(PEERS[name].database for name in names)
        }
        servers = stack.enter_context(all_serving(names, worlds, options.workers))
        ports = {name: server.port for name, server in servers.items()}
        measured = operations(wanted, worlds, ports)
        for operation in measured:
            if operation.name in ("list of 100", "show") and "ours" in names:
                print(f"{operation.name}: same bytes as ours: {compare(operation, ports)}", file=sys.stderr)
        take_turns(measured, servers, options.rounds, options.seconds)
        return report.figures(measured), {name: server.memory_mb() for name, server in servers.items()}


def page(setting: str, found: report.Figures, memory: Mapping[str, float], provisioned: report.Figures) -> list[str]:
    """What is printed, and kept in RESULTS.md."""
    lines = [setting]
    if found:
        held = ", ".join(f"{PEERS[name].label} {mb:.0f} MB" for name, mb in memory.items())
        lines += ["", "PostgreSQL, and SQLite where it is said; × (c) is beside the bare limit of the same database."]
        lines += ["", *report.table(found), "", f"Memory of the largest worker: {held}."]
    if provisioned:
        lines += ["", f"## Provisioning of {provision.AGENTS:,} agents without password", ""]
        lines += [
            "A program each, from its start to its end, on an empty database. (a) saves row by row, each with its"
        ]
        lines += ["rules, and is measured once; (c) asks no rule: COPY, and `executemany` on SQLite."]
        lines += ["", *report.provision_table(provisioned)]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of each turn")
    parser.add_argument("--absences", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--servers", default=",".join(PEERS))
    parser.add_argument("--operations", default="", help=f"those whose name holds this; {PROVISION} is one")
    parser.add_argument("--write", type=Path, help="write RESULTS.md, results.json and results.svg in this folder")
    options = parser.parse_args()
    names = options.servers.split(",")

    found, memory = measure(options, names)
    provisioned: report.Figures = {}
    if options.operations in PROVISION:
        provisioned = {
            kind: {name: report.medians(results) for name, results in programs.items()}
            for kind, programs in provision.measure(names, options.rounds).items()
        }
    setting = (
        f"{options.absences:,} absences, {options.workers} workers, {CONNECTIONS} connections; medians of "
        f"{options.rounds} rounds of {options.seconds:g} s. Commit {commit()}; {machine()}."
    )
    lines = page(setting, found, memory, provisioned)
    print("\n".join(lines))
    if options.write and (options.operations or set(names) != set(PEERS)):
        print("A part of the run is not written.", file=sys.stderr)
    elif options.write:
        text = ["# Last results of `make bench`", "", *lines, "", "![](results.svg)", ""]
        (options.write / "RESULTS.md").write_text("\n".join(text))
        report.plot(found, options.write / "results.svg")
        kept = options.write / check.KEPT.name
        sections = {"operations": found, "provision": provisioned, "memory": memory}
        report.keep(kept, setting=setting, **report.rounded(sections))
        check.record(kept)


if __name__ == "__main__":
    main()
