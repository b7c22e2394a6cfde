"""Row T9, with real processes: a token of one is good for the others; an issuer that hangs holds up nobody."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from agents.authentication.jwt.issuers import UNREACHABLE
from rdv.api.turns import OUTSIDE
from tests.identity_provider import AUDIENCE, DISCOVERY, IdentityProvider
from tests.server import Server, prepared_database

from .test_jwt import bearer

pytestmark = [pytest.mark.live, pytest.mark.any_database]

EMAIL, PASSWORD = "martine@demo.rdv-solidarites.fr", "123456"


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    with IdentityProvider() as provider:
        yield provider


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, provider: IdentityProvider) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("jwt")
    issuers = json.dumps([{"issuer": provider.issuer, "audience": AUDIENCE}])
    with prepared_database(folder) as database:
        running = Server(folder, database, RDV_OIDC_ISSUERS=issuers)
        try:
            running.start(workers=2)
            running.manage("demo")
            yield running
        finally:
            running.stop()


def ask(server: Server, token: str) -> requests.Response:
    """By a connection of its own: any process may answer."""
    return requests.get(f"{server.address}/api/v1/me", headers=bearer(token), timeout=30)


def log_in(server: Server) -> str:
    sent = {"username": EMAIL, "password": PASSWORD}
    answer = requests.post(f"{server.address}/api/auth/login", json=sent, timeout=30)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def published(server: Server) -> int:
    return len(requests.get(f"{server.address}/.well-known/jwks.json", timeout=30).json()["keys"])


def test_first_logins_at_once_make_one_key_and_a_rotation_ends_no_token(server: Server) -> None:
    with ThreadPoolExecutor(8) as clients:
        tokens = list(clients.map(log_in, [server] * 8))
        answers = list(clients.map(lambda token: ask(server, token), tokens * 4))
    assert {answer.status_code for answer in answers} == {200}
    assert published(server) == 1
    server.manage("rotate_signing_keys")
    assert published(server) == 2
    assert {ask(server, token).status_code for token in [*tokens, log_in(server)]} == {200}


def test_an_issuer_that_hangs_holds_up_nobody_else(server: Server, provider: IdentityProvider) -> None:
    provider.hang(DISCOVERY)
    token = provider.token(email=EMAIL, email_verified=True)
    with ThreadPoolExecutor(2 * OUTSIDE) as clients:
        waiting = [clients.submit(ask, server, token) for _ in range(2 * OUTSIDE)]
        time.sleep(0.5)
        slowest = 0.0
        for _time in range(20):
            started = time.monotonic()
            assert requests.get(f"{server.address}/api/v1/me", timeout=30).status_code == 401
            slowest = max(slowest, time.monotonic() - started)
        assert not all(one.done() for one in waiting)
        assert {one.result(30).status_code for one in waiting} == {503}
    assert slowest < 2
    assert provider.asked.count(DISCOVERY) <= 2  # one for each process
    provider.be_honest()
    time.sleep(UNREACHABLE)
    until = time.monotonic() + 20  # each process asks anew when it is its turn
    while time.monotonic() < until and {ask(server, token).status_code for _time in range(8)} != {200}:
        time.sleep(0.5)
    assert {ask(server, token).status_code for _time in range(8)} == {200}
    assert "Traceback" not in server.log
