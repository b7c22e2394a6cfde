"""From results to figures, and from figures to tables, JSON and a plot. Pure, but for the files written.

Figures are medians over the rounds: operation → server → figure.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .databases import SQLITE
from .operations import Operation
from .provision import LABELS
from .serving import PEERS

Figures = dict[str, dict[str, dict[str, float]]]
DATABASES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}


def medians(results: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {what: statistics.median(result[what] for result in results) for what in results[0]}


def figures(measured: Iterable[Operation]) -> Figures:
    return {one.name: {name: medians(results) for name, results in one.results.items()} for one in measured}


def ratios(measured: Iterable[Operation]) -> dict[str, float]:
    """Our requests per second beside those of peer (a), by operation: the median over the rounds of each round's
    ratio, so that a moment when the machine was busy with something else weighs on both or on one round only.
    """
    return {
        one.name: statistics.median(
            ours["rate"] / stock["rate"] for ours, stock in zip(one.results["ours"], one.results["stock"], strict=True)
        )
        for one in measured
    }


def table(found: Figures) -> list[str]:
    """Each beside (a) in requests per second, and beside (c) on its own database in CPU."""
    lines = [
        "| Operation | Server | requests/s | p50 ms | p99 ms | CPU-s per 1,000: server | database | × (a) req/s | × (c) CPU |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for operation, servers in found.items():
        for name, one in servers.items():
            stock = servers.get("stock")
            bare = servers.get("bare-sqlite" if PEERS[name].database == SQLITE else "bare")
            ratio = f"{one['rate'] / stock['rate']:.2f}" if stock else ""
            limit = f"{_cpu(one) / _cpu(bare):.2f}" if bare and _cpu(bare) else ""
            base = "in the server" if PEERS[name].database == SQLITE else f"{one['database']:.2f}"
            lines.append(
                f"| {operation} | {PEERS[name].label} | {one['rate']:.0f} | {one['p50']:.2f} | {one['p99']:.2f} | "
                f"{one['server']:.2f} | {base} | {ratio} | {limit} |"
            )
    return lines


def _cpu(one: Mapping[str, float]) -> float:
    return one["server"] + one["database"]


def provision_table(found: Figures) -> list[str]:
    """`found` is by database, then by program."""
    lines = [
        "| Database | Program | seconds | CPU-s: program | database | faster than (a) | × (c) time |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, programs in found.items():
        for name, one in programs.items():
            faster = f"{programs['stock']['seconds'] / one['seconds']:.2f}" if "stock" in programs else ""
            limit = f"{one['seconds'] / programs['bare']['seconds']:.2f}" if "bare" in programs else ""
            base = "in the program" if kind == SQLITE else f"{one['database']:.2f}"
            lines.append(
                f"| {DATABASES[kind]} | {LABELS[name]} | {one['seconds']:.2f} | {one['process']:.2f} | {base} | "
                f"{faster} | {limit} |"
            )
    return lines


def read(path: Path) -> dict[str, Any]:
    """The figures kept at `path`; nothing when there are none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def keep(path: Path, **sections: Any) -> None:
    """Write these sections at `path`; the others stay."""
    path.write_text(json.dumps(read(path) | sections, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def rounded(value: Any) -> Any:
    """Figures as they are kept: four digits after the point say enough."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def plot(found: Figures, path: Path) -> None:
    """Requests per second of each server, beside peer (a), one group an operation."""
    pyplot = drawing()
    shown = {operation: servers for operation, servers in found.items() if "stock" in servers}
    figure, axes = pyplot.subplots(figsize=(12, 4.5))
    width = 0.85 / len(PEERS)
    for place, (name, peer) in enumerate(PEERS.items()):
        bars = [
            (number + place * width, servers[name]["rate"] / servers["stock"]["rate"])
            for number, servers in enumerate(shown.values())
            if name in servers
        ]
        axes.bar([x for x, _ratio in bars], [ratio for _x, ratio in bars], width, label=peer.label)
    axes.set_xticks([number + 0.35 for number in range(len(shown))], list(shown))
    axes.set_yscale("log")
    axes.set_ylabel("requests per second, peer (a) = 1")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def drawing() -> Any:
    """matplotlib, writing SVG that is the same for the same figures."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "rdv"
    from matplotlib import pyplot

    return pyplot
