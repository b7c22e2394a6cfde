"""Many writers at once, in a real server of several processes: everything lands, once, and nobody is turned away."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from .server import Server, server

__all__ = ["server"]

pytestmark = pytest.mark.live

AT_ONCE = 50
PASSWORD = "Rendez-vous 2026 !"
ABSENCE = {"first_day": "2027-06-10", "start_time": "13:30", "end_time": "17:00"}

DIRECTORY = f"""
from agents.models import Agent, AgentRole, Organisation, Territory
martine = Agent.objects.create_user("martine@exemple.test", {PASSWORD!r})
mds = Organisation.objects.create(name="MDS", territory=Territory.objects.create(name="Paris"))
AgentRole.objects.create(agent=martine, organisation=mds, access_level="admin")
"""


@pytest.fixture(scope="module")
def martine(server: Server) -> dict[str, str]:
    """The triple of one sign-in, which every request of this file carries."""
    server.manage("shell", "-c", DIRECTORY)
    answer = requests.post(
        f"{server.address}/api/v1/auth/sign_in",
        json={"email": "martine@exemple.test", "password": PASSWORD},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    return {name: answer.headers[name] for name in ("access-token", "client", "uid")}


@pytest.fixture
def at_once(server: Server, martine: dict[str, str]) -> Any:
    """The answers to `AT_ONCE` requests sent together."""

    def send(method: str, path: str, bodies: list[dict[str, Any]]) -> list[requests.Response]:
        def one(body: dict[str, Any]) -> requests.Response:
            return requests.request(method, f"{server.address}{path}", json=body, headers=martine, timeout=60)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(one, bodies))

    return send


def test_50_creations_with_one_triple_all_land_once_each(server: Server, martine: dict[str, str], at_once: Any) -> None:
    bodies = [ABSENCE | {"agent_email": "martine@exemple.test", "title": f"Création {n}"} for n in range(AT_ONCE)]
    answers = at_once("POST", "/api/v1/absences", bodies)
    assert [answer.status_code for answer in answers] == [200] * AT_ONCE, server.log
    listed = requests.get(f"{server.address}/api/v1/absences?title=création", headers=martine, timeout=30).json()
    assert sorted(absence["title"] for absence in listed["absences"]) == sorted(body["title"] for body in bodies)
    assert {absence["id"] for absence in listed["absences"]} == {answer.json()["absence"]["id"] for answer in answers}
    assert "locked" not in server.log


def test_50_changes_of_one_absence_are_all_counted(server: Server, martine: dict[str, str], at_once: Any) -> None:
    # Each is one version, none is lost under another (A20).
    created = requests.post(
        f"{server.address}/api/v1/absences",
        json=ABSENCE | {"agent_email": "martine@exemple.test", "title": "Original"},
        headers=martine,
        timeout=30,
    ).json()["absence"]
    answers = at_once("PATCH", f"/api/v1/absences/{created['id']}", [{"title": f"Titre {n}"} for n in range(AT_ONCE)])
    assert [answer.status_code for answer in answers] == [200] * AT_ONCE, server.log
    versions = [answer.json()["absence"]["version"] for answer in answers]
    assert sorted(versions) == list(range(2, AT_ONCE + 2))


def test_of_50_deletions_of_one_absence_one_succeeds(server: Server, martine: dict[str, str], at_once: Any) -> None:
    created = requests.post(
        f"{server.address}/api/v1/absences",
        json=ABSENCE | {"agent_email": "martine@exemple.test", "title": "À effacer"},
        headers=martine,
        timeout=30,
    ).json()["absence"]
    answers = at_once("DELETE", f"/api/v1/absences/{created['id']}", [{}] * AT_ONCE)
    assert sorted(answer.status_code for answer in answers) == [204] + [404] * (AT_ONCE - 1), server.log


def test_of_organisations_that_want_one_name_at_once_one_gets_it(
    server: Server, martine: dict[str, str], at_once: Any
) -> None:
    server.manage(
        "shell",
        "-c",
        "from agents.models import Agent, AgentRole, Organisation, Territory\n"
        "martine, paris = Agent.objects.get(), Territory.objects.get()\n"
        "for n in range(10):\n"
        "    one = Organisation.objects.create(name=f'Antenne {n}', territory=paris)\n"
        "    AgentRole.objects.create(agent=martine, organisation=one, access_level='admin')\n",
    )
    organisations = requests.get(f"{server.address}/api/v1/organisations", headers=martine, timeout=30).json()
    pks = [organisation["id"] for organisation in organisations["organisations"]]

    def rename(pk: int) -> int:
        address = f"{server.address}/api/v1/organisations/{pk}"
        return requests.patch(address, json={"name": "Maison commune"}, headers=martine, timeout=60).status_code

    with ThreadPoolExecutor(len(pks)) as pool:
        assert sorted(pool.map(rename, pks)) == [200] + [422] * (len(pks) - 1), server.log
