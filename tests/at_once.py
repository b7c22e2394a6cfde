"""The suite in two processes (`-p tests.at_once --numprocesses 2`): tests with real servers wait, the others compute.

The first process takes the modules that are `live`, the other the rest, and yields the processors to it: a server whose
tests wait for it comes first, as does what it hashes. Who has no more of its own takes of the other's.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

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


class Company:
    """Who runs beside whom: tests that are to be alone (`alone`) wait for the other process to have ended its test, and
    let it wait meanwhile. Where a PostgreSQL server has several databases, a transaction under way in one of them holds
    up what the others may read as committed (rdv/api/committed.py).
    """

    def __init__(self, run: str) -> None:
        folder = Path(tempfile.gettempdir())
        # Two locks: by the first, nobody overtakes who waits for the second.
        self._turn, self._server = (self._open(folder / f"rdv-tests-{run}-{name}.lock") for name in ("turn", "server"))
        self._alone = False

    @staticmethod
    def _open(path: Path) -> IO[bytes]:
        return path.open("ab")

    def enter(self, *, alone: bool) -> None:
        if alone and self._alone:
            return  # with the test before
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        fcntl.flock(self._server, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(self._turn, fcntl.LOCK_UN)
        self._alone = alone

    def leave(self, *, stay: bool) -> None:
        if not (self._alone and stay):
            fcntl.flock(self._server, fcntl.LOCK_UN)
            self._alone = False

    def close(self) -> None:
        for lock in (self._turn, self._server):
            lock.close()
            Path(lock.name).unlink(missing_ok=True)


@cache
def _is_live(module: Path) -> bool:
    return bool(LIVE.search(module.read_text(encoding="utf-8")))


_company: list[Company] = []


def pytest_configure(config: pytest.Config) -> None:
    """Whoever ends a process of these lets it end its servers. Each has a test database of its own: pytest-django gives
    PostgreSQL's a name, SQLite's are in memory.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if connection.vendor == "sqlite":
        settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = ":memory:"
    elif run := getattr(config, "workerinput", {}).get("testrunuid"):
        _company.append(Company(run))


def pytest_unconfigure() -> None:
    while _company:
        _company.pop().close()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LiveBesideTheRest:
    config.option.loadscopereorder = False  # shuffled as they are
    return LiveBesideTheRest(config, log)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[Any]:
    priority = OURS + (0 if item.get_closest_marker("live") else NICE)
    if os.getpriority(os.PRIO_PROCESS, 0) != priority:
        with suppress(PermissionError):  # not everybody may be taken more seriously again
            os.setpriority(os.PRIO_PROCESS, 0, priority)
    for company in _company:
        company.enter(alone=_is_alone(item))
    try:
        return (yield)
    finally:
        for company in _company:
            company.leave(stay=_is_alone(nextitem))


def _is_alone(item: pytest.Item | None) -> bool:
    return item is not None and item.get_closest_marker("alone") is not None
