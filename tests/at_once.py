"""The suite in two processes (`-p tests.at_once --numprocesses 2`): tests with real servers wait, the others compute.

The first process takes the modules that are `live`, the other the rest, and yields the processors to it: a server whose
tests wait for it comes first, as does what it hashes. Who has no more of its own takes of the other's.
"""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from xdist.scheduler import LoadFileScheduling

LIVE = re.compile(r"\bmark\.live\b|\bimport .*\bpytestmark\b")  # in a module: who gives it out has names of tests alone
NICE = 10  # as much as a server's own thread that hashes (rdv/api/turns.py), which else would starve
OURS = os.getpriority(os.PRIO_PROCESS, 0)


class LiveBesideTheRest(LoadFileScheduling):
    """Gives modules to processes: to the first of them those that are live, while there are any."""

    def _assign_work_unit(self, node: Any) -> None:
        first = node is next(iter(self.assigned_work))
        # The next of its kind; where there is none, the next of all.
        module = min(self.workqueue, key=lambda module: _is_live(self.config.rootpath / module) is not first)
        self.workqueue.move_to_end(module, last=False)
        super()._assign_work_unit(node)

    def remove_node(self, node: Any) -> str | None:
        """The test that a process died of is not run again, in others; the rest of what it had is."""
        unfinished = {name: tests for name, tests in self.assigned_work[node].items() if not all(tests.values())}
        fatal = next(((tests, test) for tests in unfinished.values() for test, done in tests.items() if not done), None)
        if fatal:
            fatal[0][fatal[1]] = True
        self.assigned_work[node] = {name: tests for name, tests in unfinished.items() if not all(tests.values())}
        super().remove_node(node)
        return fatal and fatal[1]


@cache
def _is_live(module: Path) -> bool:
    return bool(LIVE.search(module.read_text(encoding="utf-8")))


def pytest_configure() -> None:
    """Whoever ends a process of these lets it end its servers. Each has a test database of its own: pytest-django gives
    PostgreSQL's a name, SQLite's are in memory.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if connection.vendor == "sqlite":
        settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = ":memory:"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LiveBesideTheRest:
    config.option.loadscopereorder = False  # shuffled as they are
    return LiveBesideTheRest(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    priority = OURS + (0 if item.get_closest_marker("live") else NICE)
    if os.getpriority(os.PRIO_PROCESS, 0) != priority:
        with suppress(PermissionError):  # not everybody may be taken more seriously again
            os.setpriority(os.PRIO_PROCESS, 0, priority)
