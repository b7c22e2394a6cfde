"""Promises under torture: small in `make test`, for hours in `make torture` (`TORTURE=long`), the same code in both."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LONG = os.environ.get("TORTURE") == "long"
KEPT = Path(__file__).resolve().parent.parent.parent / "var" / "torture.json"
FIGURE = "figure"  # what a report carries of them, from whichever process the test ran in


@pytest.fixture(scope="session")
def at_length() -> Callable[[Any, Any], Any]:
    """`at_length(3, 100)` is 3 in `make test` and 100 in `make torture`."""
    return lambda short, long: long if LONG else short


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str, Any], None]:
    """`figure("kills survived", 7)`: what a run saw, told at its end and kept for docs/guarantees.md."""

    def keep(name: str, value: Any) -> None:
        request.node.user_properties.append((FIGURE, (name, value)))

    return keep


def pytest_terminal_summary(terminalreporter: Any) -> None:
    kept: dict[str, dict[str, Any]] = {}
    for report in (one for outcome in ("passed", "failed") for one in terminalreporter.getreports(outcome)):
        for name, value in (said for kind, said in report.user_properties if kind == FIGURE):
            kept.setdefault(report.nodeid, {})[name] = value
    if not kept:
        return
    terminalreporter.section("figures")
    for test, figures in kept.items():
        told = ", ".join(f"{name}: {value}" for name, value in figures.items())
        terminalreporter.write_line(f"{test.rpartition('::')[2]}: {told}")
    if LONG:
        KEPT.parent.mkdir(exist_ok=True)
        known = json.loads(KEPT.read_text()) if KEPT.exists() else {}
        engine = "postgresql" if os.environ.get("DATABASE_URL", "").startswith("postgres") else "sqlite"
        known.setdefault(engine, {}).update(kept)
        KEPT.write_text(json.dumps(known, indent=2, ensure_ascii=False))
