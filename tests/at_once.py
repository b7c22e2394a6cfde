"""The suite in two processes (`-p tests.at_once --numprocesses 2`): tests with real servers wait, the others compute.

What is marked `live` is for one process, one module after the other, as if it were alone. The other takes the rest,
and yields the processors to it: a server whose tests wait for it comes first, as does what it hashes.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from xdist.scheduler import LoadFileScheduling

LIVE = "@live"  # what is added to the name by which a process tells the others of such a test
NICE = 10  # as much as a server's own thread that hashes (rdv/api/turns.py), which else would starve


class LiveAsOne(LoadFileScheduling):
    """Gives modules to processes, in their order; all that is live at once."""

    def _split_scope(self, nodeid: str) -> str:
        return LIVE if nodeid.endswith(LIVE) else super()._split_scope(nodeid)


def pytest_configure() -> None:
    """Whoever ends a process of these lets it end its servers. Each has a test database of its own: pytest-django gives
    PostgreSQL's a name, SQLite's are in memory.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if connection.vendor == "sqlite":
        settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = ":memory:"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LiveAsOne:
    config.option.loadscopereorder = False
    return LiveAsOne(config, log)


@pytest.hookimpl(trylast=True)  # after they were shuffled
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is live first, since it takes longest; the order is else as it was."""
    items.sort(key=lambda item: item.get_closest_marker("live") is None)


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
    if item.get_closest_marker("live") is None:
        _give_way()


@cache
def _give_way() -> None:
    os.nice(NICE)
