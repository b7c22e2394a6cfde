"""How the list's cost grows with what is visible and with the live tokens: `make bench-growth`.

A fresh database for each number of absences, all of them visible to the caller; the server of `make serve`, one
connection, so that what is measured is an answer and not a queue.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .databases import POSTGRESQL, seeded
from .machine import commit, machine
from .measuring import all_serving, drive
from .operations import Asker, Operation, fetch
from .report import drawing

PER_PAGE = 100
PAGES = (1, 10, 100, 1000)
WITH_TOKENS = 10_000  # absences that are visible while the tokens grow


class Point(NamedTuple):
    """One measured page."""

    absences: int
    tokens: int
    page: int
    by_cursor: bool
    figures: dict[str, Any]

    @property
    def label(self) -> str:
        return f"page {self.page:,}{' by cursor' if self.by_cursor else ''}"


def pages_of(absences: int) -> list[int]:
    """Those of PAGES that hold anything."""
    return [page for page in PAGES if (page - 1) * PER_PAGE < absences]


def measure(absences: int, tokens: int, pages: Sequence[int], seconds: float) -> list[Point]:
    """Each page by its number, and the last one by cursor too."""
    with (
        seeded(POSTGRESQL, absences, tokens=tokens) as world,
        all_serving(["ours"], {POSTGRESQL: world}, 1) as servers,
    ):
        asker = Asker("ours", servers["ours"].port, world)

        def numbered(page: int) -> list[str]:
            return asker.get(f"/api/v1/absences?page={page}", "everyone")

        def by_cursor(page: int) -> list[str]:
            """The same page, walked to from the first row."""
            place = ""
            for _step in range(page - 1):
                request = asker.get(f"/api/v1/absences?cursor={place}", "everyone")[0]
                place = json.loads(fetch(asker.port, request))["meta"]["next_cursor"]
            return asker.get(f"/api/v1/absences?cursor={place}", "everyone")

        asked = [(page, False, numbered(page)) for page in pages]
        if pages[-1] > 1:
            asked.append((pages[-1], True, by_cursor(pages[-1])))
        points = []
        for page, cursor, requests in asked:
            operation = Operation(f"page {page}", 200, {"ours": requests}, connections=1)
            drive(servers["ours"], operation, min(1, seconds))
            points.append(Point(absences, tokens, page, cursor, drive(servers["ours"], operation, seconds)))
        return points


def row(point: Point) -> str:
    figures = [f"{point.figures[name]:.2f}" for name in ("p50", "p99", "server", "database")]
    return f"| {point.absences:,} | {point.tokens:,} | {point.label} | {' | '.join(figures)} |"


def curves(points: Sequence[Point]) -> dict[str, list[tuple[int, float]]]:
    """p50 by what is visible: the first page, and the last of each size, by number and by cursor."""
    found: dict[str, list[tuple[int, float]]] = {"first page": [], "deepest page": [], "deepest page, by cursor": []}
    deepest = {point.absences: max(p.page for p in points if p.absences == point.absences) for point in points}
    for point in points:
        at = (point.absences, point.figures["p50"])
        if point.page == 1:
            found["first page"].append(at)
        elif point.page == deepest[point.absences]:
            found["deepest page, by cursor" if point.by_cursor else "deepest page"].append(at)
    return found


def plot(by_size: Sequence[Point], by_tokens: Sequence[Point], path: Path) -> None:
    figure, (sizes, tokens) = drawing().subplots(1, 2, figsize=(11, 4), sharey=True, width_ratios=(2, 1))
    for label, places in curves(by_size).items():
        sizes.plot([x for x, _p50 in places], [p50 for _x, p50 in places], marker="o", label=label)
    last = max(PAGES)
    sizes.set_xlabel(f"visible absences (the deepest page is page {last:,} from {last * PER_PAGE:,} on)")
    sizes.set_ylabel("p50, ms")
    sizes.legend()
    tokens.plot([p.tokens for p in by_tokens], [p.figures["p50"] for p in by_tokens], marker="o")
    tokens.set_xlabel(f"live tokens (first page of {WITH_TOKENS:,})")
    for axes in (sizes, tokens):
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=numbers, default="1000,10000,100000,1000000")
    parser.add_argument("--tokens", type=numbers, default="10,100,1000,10000")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--write", type=Path, help="write GROWTH.md and growth.svg in this folder")
    options = parser.parse_args()
    lines = [
        f"PostgreSQL, one connection, one worker. Commit {commit()}; {machine()}.",
        "",
        "| Visible absences | Live tokens | Page | p50 ms | p99 ms | CPU-s per 1,000: server | database |",
        "|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines))

    def measured(absences: int, tokens: int, pages: Sequence[int]) -> list[Point]:
        points = measure(absences, tokens, pages, options.seconds)
        for point in points:
            lines.append(row(point))
            print(lines[-1], flush=True)
        return points

    by_size = [point for size in options.sizes for point in measured(size, 0, pages_of(size))]
    by_tokens = [point for tokens in options.tokens for point in measured(WITH_TOKENS, tokens, [1])]
    if options.write:
        (options.write / "GROWTH.md").write_text(
            "\n".join(["# Last results of `make bench-growth`", "", *lines, "", "![](growth.svg)", ""])
        )
        plot(by_size, by_tokens, options.write / "growth.svg")


if __name__ == "__main__":
    main()
