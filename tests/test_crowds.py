"""Many at once, in a real server: a crowd is served, hashes hold nobody else up, and who gets no turn is told when to
come back.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from rdv.api.connections import PATIENCE

from .server import Server, serving

pytestmark = [pytest.mark.live, pytest.mark.any_database]

PASSWORD = "Rendez-vous 2026 !"
# Bruno's password was hashed elsewhere, so dearly that a sign-in of his keeps the worker's hashing busy for seconds.
PEOPLE = f"""
from agents.models import Agent, AgentRole, Organisation, Territory
mds = Organisation.objects.create(name="MDS", territory=Territory.objects.create(name="Paris"))
for name in ("martine", "bruno"):
    agent = Agent.objects.create_user(f"{{name}}@exemple.test", {PASSWORD!r})
    AgentRole.objects.create(agent=agent, organisation=mds, access_level="admin")
Agent.objects.filter(email="bruno@exemple.test").update(password="pbkdf2_sha256$8000000$salt$" + "A" * 43 + "=")
"""
BUSY = {
    "success": False,
    "errors": [{"base": "service_unavailable"}],
    "error_messages": ["Le serveur est très sollicité. Merci de réessayer dans un instant."],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One worker, where two sign-ins may wait, for a second."""
    with serving(
        tmp_path_factory.mktemp("server"),
        "shell",
        "-c",
        PEOPLE,
        workers=1,
        RDV_SIGN_IN_QUEUE="2",
        RDV_SIGN_IN_PATIENCE="1s",
    ) as running:
        yield running


def sign_in(server: Server, name: str, **headers: str) -> requests.Response:
    pair = {"email": f"{name}@exemple.test", "password": PASSWORD}
    return requests.post(f"{server.address}/api/v1/auth/sign_in", json=pair, headers=headers, timeout=60)


@pytest.fixture(scope="module")
def martine(server: Server) -> dict[str, str]:
    answer = sign_in(server, "martine")
    assert answer.status_code == 200, answer.text
    return {name: answer.headers[name] for name in ("access-token", "client", "uid")}


def test_64_requests_at_once_are_all_served(server: Server, martine: dict[str, str]) -> None:
    def one(_number: int) -> int:
        return requests.get(f"{server.address}/api/v1/absences", headers=martine, timeout=60).status_code

    with ThreadPoolExecutor(64) as pool:
        assert list(pool.map(one, range(256))) == [200] * 256


def test_while_one_hashes_lists_are_served_and_sign_ins_wait_so_long_and_no_more(
    server: Server, martine: dict[str, str]
) -> None:
    begun = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        dear = pool.submit(sign_in, server, "bruno")
        time.sleep(0.3)
        patient = pool.submit(sign_in, server, "martine")
        time.sleep(0.3)
        too_many = sign_in(server, "martine", **{"Accept-Language": "en"})
        listed = requests.get(f"{server.address}/api/v1/absences", headers=martine, timeout=60)
        assert not dear.done()
        assert listed.status_code == 200
        assert too_many.status_code == 503
        assert too_many.headers["Retry-After"] == "1"
        assert too_many.json()["error_messages"] == ["The server is very busy. Please try again in a moment."]
        answer = patient.result()
        assert not dear.done()
        assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == (503, BUSY, "1")
        try:
            assert dear.result().status_code == 401
        except requests.ConnectionError:  # on a machine so busy that hashes, of the lowest priority, hardly go on
            assert time.monotonic() - begun > PATIENCE.total_seconds(), "let go, and not for its silence"
            while sign_in(server, "martine").status_code == 503:  # the hash that nobody waits for is to end first
                assert time.monotonic() - begun < 120
    assert sign_in(server, "martine").status_code == 200


def test_who_dawdles_over_a_body_holds_nobody_up(server: Server, martine: dict[str, str]) -> None:
    def slowly() -> Any:
        yield b'{"email": '
        time.sleep(2)
        yield b'"x@exemple.test", "password": "x"}'

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(requests.post, f"{server.address}/api/v1/auth/sign_in", data=slowly(), timeout=60)
        time.sleep(0.5)
        assert requests.get(f"{server.address}/api/v1/absences", headers=martine, timeout=60).status_code == 200
        assert not slow.done()
        assert slow.result().status_code in (401, 415)
