"""A regression is visible: `make bench-check`, a run of two minutes at most.

Measures how many times the requests per second of peer (a) we answer, and fails when that falls under half of its
last value, which `make bench` records in results.json with the same code, the same few operations and the same data.
An operation that falls short is measured once more before anything is said of it: the machine may have been busy.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from . import report
from .databases import POSTGRESQL, seeded
from .machine import commit
from .measuring import all_serving, take_turns
from .operations import operations
from .serving import PEERS

KEPT = Path(__file__).parent / "results.json"
OPERATIONS = ("list of 100", "show", "create", "401 refusal", "list, filtered")
SERVERS = ("ours", "stock")
ABSENCES = 20_000
WORKERS = 2
ROUNDS = 5
SECONDS = 1.0
FLOOR = 0.5  # of the last value

Ratios = dict[str, float]


def fallen(found: Mapping[str, float], recorded: Mapping[str, float]) -> list[str]:
    """The operations whose ratio is under half of the one recorded."""
    return [name for name, ratio in found.items() if ratio < FLOOR * recorded.get(name, 0)]


def better(first: Mapping[str, float], second: Mapping[str, float]) -> Ratios:
    """For each operation, the better of two measurements."""
    return {name: max(ratio, second.get(name, ratio)) for name, ratio in first.items()}


def sentence(name: str, found: Mapping[str, float], recorded: Mapping[str, float]) -> str:
    """What became of one operation."""
    now = f"{name}: {found[name]:.2f} times the requests per second of (a)"
    if name not in recorded:
        return f"{now}; no earlier value to compare with"
    if name in fallen(found, recorded):
        return f"{now}, less than half of the last value, {recorded[name]:.2f}"
    return f"{now}; the last value is {recorded[name]:.2f}"


def judge(measure: Callable[[Iterable[str]], Ratios], recorded: Mapping[str, float]) -> Ratios:
    """The ratios of all operations; those that fall short are given a second chance."""
    found = measure(OPERATIONS)
    if again := fallen(found, recorded):
        print(f"Measured once more: {'; '.join(again)}.", file=sys.stderr)
        found = better(found, measure(again))
    return found


@contextmanager
def measuring() -> Iterator[Callable[[Iterable[str]], Ratios]]:
    """A function that measures operations, with the servers up while the block lasts."""
    with (
        seeded(POSTGRESQL, ABSENCES, stock=True) as world,
        all_serving(SERVERS, {POSTGRESQL: world}, WORKERS) as servers,
    ):

        def measure(names: Iterable[str]) -> Ratios:
            measured = operations(names, {POSTGRESQL: world}, {name: server.port for name, server in servers.items()})
            take_turns(measured, servers, ROUNDS, SECONDS)
            return report.ratios(measured)

        yield measure


def record(path: Path) -> None:
    """Keep what is measured now as the value to compare with."""
    with measuring() as measure:
        found = measure(OPERATIONS)
    report.keep(path, check={"commit": commit(), "absences": ABSENCES, "ratios": report.rounded(found)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="record the values to compare with, and compare nothing")
    parser.add_argument("--results", type=Path, default=KEPT)
    options = parser.parse_args()
    if options.record:
        record(options.results)
        return
    recorded = report.read(options.results).get("check", {})
    if recorded.get("absences") != ABSENCES:
        raise SystemExit(f"{options.results} holds nothing to compare with: `make bench` records it.")
    with measuring() as measure:
        found = judge(measure, recorded["ratios"])
    for name in found:
        print(f"{sentence(name, found, recorded['ratios'])}.")
    if low := fallen(found, recorded["ratios"]):
        told = "; ".join(sentence(name, found, recorded["ratios"]) for name in low)
        raise SystemExit(f"Slower, beside {PEERS['stock'].label}, than at commit {recorded['commit']}: {told}.")


if __name__ == "__main__":
    main()
