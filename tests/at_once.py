"""The suite in two processes (`-p tests.at_once --numprocesses 2`): tests with real servers wait, the others compute.

The first process takes the modules that are `live`, the other the rest, and yields the processors to it: a server whose
tests wait for it comes first, as does what it hashes. Who has no more of its own takes of the other's.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from xdist.scheduler import LoadFileScheduling

LIVE = "@live"  # what is added to the name by which a process tells the others of such a test
NICE = 10  # as much as a server's own thread that hashes (rdv/api/turns.py), which else would starve
OURS = os.getpriority(os.PRIO_PROCESS, 0)


class LiveBesideTheRest(LoadFileScheduling):
    """Gives modules to processes: to the first of them those that are live, while there are any."""

    def _split_scope(self, nodeid: str) -> str:
        return super()._split_scope(nodeid) + (LIVE if nodeid.endswith(LIVE) else "")

    def _assign_work_unit(self, node: Any) -> None:
        first = node is next(iter(self.assigned_work))
        # The next of its kind; where there is none, the next of all.
        scope = min(self.workqueue, key=lambda scope: scope.endswith(LIVE) is not first)
        self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)


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


@pytest.hookimpl(wrapper=True)
def pytest_collection_finish(session: pytest.Session) -> Iterator[None]:
    """Names are sent to who gives out the tests; for people they are as ever."""
    live = [item for item in session.items if item.get_closest_marker("live")]
    names = [item.nodeid for item in live]
    _name(live, [name + LIVE for name in names])
    yield
    _name(live, names)


def _name(items: Sequence[pytest.Item], names: Sequence[str]) -> None:
    for item, name in zip(items, names, strict=True):
        item._nodeid = name


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    priority = OURS + (0 if item.get_closest_marker("live") else NICE)
    if os.getpriority(os.PRIO_PROCESS, 0) != priority:
        with suppress(PermissionError):  # not everybody may be taken more seriously again
            os.setpriority(os.PRIO_PROCESS, 0, priority)
