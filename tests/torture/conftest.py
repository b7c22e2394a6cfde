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
FIGURES: dict[str, dict[str, Any]] = {}


@pytest.fixture(scope="session")
def at_length() -> Callable[[Any, Any], Any]:
    """`at_length(3, 100)` is 3 in `make test` and 100 in `make torture`."""
    return lambda short, long: long if LONG else short


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str, Any], None]:
    """`figure("kills survived", 7)`: what a run saw, told at its end and kept for docs/guarantees.md."""

    def keep(name: str, value: Any) -> None:
        FIGURES.setdefault(request.node.nodeid, {})[name] = value

    return keep


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not FIGURES:
        return
    terminalreporter.section("figures")
    for test, figures in FIGURES.items():
        told = ", ".join(f"{name}: {value}" for name, value in figures.items())
        terminalreporter.write_line(f"{test.rpartition('::')[2]}: {told}")
    if LONG:
        KEPT.parent.mkdir(exist_ok=True)
        known = json.loads(KEPT.read_text()) if KEPT.exists() else {}
        engine = "postgresql" if os.environ.get("DATABASE_URL", "").startswith("postgres") else "sqlite"
        known.setdefault(engine, {}).update(FIGURES)
        KEPT.write_text(json.dumps(known, indent=2, ensure_ascii=False))
