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
from conformance.receiver import Receiver, is_loopback
from conformance.subscriber import Subscriber


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
    server.deliveries.clear()
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


@pytest.fixture(scope="session")
def subscriber(server: Server, pytestconfig: pytest.Config) -> Iterator[Subscriber]:
    """Who has webhook endpoints, and hears what they are told. Skips when the server would not find the receiver."""
    address, (host, port) = pytestconfig.option.receiver, pytestconfig.option.listen
    if not address and not is_loopback(server.address):
        pytest.skip("the server is on another machine: --receiver says by which address it reaches this one")
    try:
        receiver = Receiver(host, port, address or "")
    except OSError as error:
        pytest.fail(f"--listen {host}:{port}: {error.strerror}", pytrace=False)
    yield Subscriber(server, receiver, insists=bool(address))
    receiver.close()
