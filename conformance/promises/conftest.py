"""What the tests have at hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from conformance.cast import Cast
from conformance.client import Caller, Server
from conformance.directory import Directory
from conformance.material import made, valid
from conformance.plugin import SERVER


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config) -> Server:
    return pytestconfig.stash[SERVER]


@pytest.fixture(scope="session")
def directory(server: Server) -> Directory:
    return server.directory


@pytest.fixture(scope="session")
def cast(server: Server) -> Cast:
    return Cast(server)


@pytest.fixture(autouse=True)
def _leave_nothing(server: Server) -> Iterator[None]:
    """What a test asked is told when it fails; what it made is removed."""
    server.exchanges.clear()
    yield
    left = server.tidy()
    assert not left, left


@pytest.fixture
def anonymous(server: Server) -> Caller:
    return server.anonymous


@pytest.fixture
def worker(cast: Cast) -> Caller:
    return cast.worker


@pytest.fixture
def asked(server: Server, cast: Cast, worker: Caller) -> dict[str, Any]:
    """What makes a valid absence of an agent whom `worker` sees."""
    return valid(server.id_of(cast.seen(worker)))


@pytest.fixture
def absence(worker: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    """An absence that `worker` made and may change."""
    return made(worker, asked)


@pytest.fixture
def foreign(cast: Cast, server: Server, worker: Caller) -> dict[str, Any]:
    """An absence of an agent whom `worker` does not see, made by somebody who does."""
    agent, seer = cast.hidden(worker)
    return made(seer, valid(server.id_of(agent)))
