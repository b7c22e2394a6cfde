"""However often, at once and through whatever breaks a keyed request is sent, it is done once; and of writers who read
the same state one gets it.
"""

from __future__ import annotations

import json
import os
import random
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.server import serving

from .callers import Caller, Site, at_once
from .cluster import Mortal

pytestmark = pytest.mark.live

PASSWORD = "Rendez-vous 2026 !"
SEED = os.environ.get("TORTURE_SEED", "20261122")
AT_ONCE = 200
LOST = 40  # of these, who hang up without having read the answer
PATIENCE = 60  # seconds until a retry must have been answered
ABSENCE = {"first_day": "2027-06-10", "start_time": "13:30", "end_time": "17:00", "agent_email": "martine@exemple.test"}
SETUP = f"""
from agents.models import Agent, AgentRole, Organisation, Territory
martine = Agent.objects.create_user("martine@exemple.test", {PASSWORD!r})
mds = Organisation.objects.create(name="MDS", territory=Territory.objects.create(name="Paris"))
AgentRole.objects.create(agent=martine, organisation=mds, access_level="admin")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    with serving(tmp_path_factory.mktemp("retries"), "shell", "-c", SETUP, kind=Mortal) as mortal:
        yield mortal


@pytest.fixture(scope="module")
def site(server: Mortal) -> Site:
    return Site(server)


@pytest.fixture(scope="module")
def martine(site: Site) -> Caller:
    return site.caller("martine@exemple.test")


def until_answered(martine: Caller, title: str, key: str, seen: Counter[str]) -> requests.Response:
    """What a client does that keeps its key: the same request, until it is told how it went."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            answer = martine("POST", "absences", ABSENCE | {"title": title}, headers={"Idempotency-Key": key})
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            seen["unanswered"] += 1
            time.sleep(0.05)
            continue
        replayed = answer.headers.get("Idempotency-Replayed") == "true"
        seen["replayed" if replayed else str(answer.status_code)] += 1
        if answer.status_code not in (409, 503):
            return answer
        assert answer.headers["Retry-After"] == "1"
        time.sleep(random.uniform(0.02, 0.2))
    raise AssertionError(f"{title} was not answered in {PATIENCE} s: {seen}")


def send_and_hang_up(martine: Caller, title: str, key: str) -> None:
    """The request whole, its answer unread."""
    body = json.dumps(ABSENCE | {"title": title}).encode()  # as requests writes it
    place = urlsplit(martine.address)
    headers = martine.headers | {
        "Host": place.netloc,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Idempotency-Key": key,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection((place.hostname, place.port), timeout=PATIENCE) as connection:
        connection.sendall(f"POST /api/v1/absences HTTP/1.1\r\n{head}\r\n".encode() + body)


def test_200_retries_of_one_creation_at_once_make_one_absence(
    server: Mortal, site: Site, martine: Caller, at_length: Any, figure: Any
) -> None:
    rounds, seen = at_length(2, 50), Counter[str]()
    for number in range(rounds):
        title, key = f"au même moment {number}", str(uuid.uuid4())
        start = threading.Barrier(AT_ONCE)

        def one(client: int, title: str = title, key: str = key, start: Any = start) -> requests.Response:
            start.wait(PATIENCE)
            if client < LOST:
                send_and_hang_up(martine, title, key)
            return until_answered(martine, title, key, seen)

        with ThreadPoolExecutor(AT_ONCE) as threads:
            answers = list(threads.map(one, range(AT_ONCE)))
        rows = site.rows("SELECT id FROM absences_absence WHERE title = ?", title)
        assert len(rows) == 1, f"{len(rows)} absences of one key"
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        ((pk,),) = rows
        assert answers[0].json()["absence"]["id"] == pk
        assert {(answer.headers["Location"], answer.headers["ETag"]) for answer in answers} == {
            (answers[0].headers["Location"], answers[0].headers["ETag"])
        }
        told = site.rows("SELECT id FROM agents_recordentry WHERE resource = 'absence' AND object_id = ?", pk)
        assert len(told) == 1, "the record tells one effect"
    assert "Traceback" not in server.log, server.log[-4000:]
    figure("rounds", rounds)
    figure("answers", dict(seen))


def test_whatever_is_killed_each_key_is_done_once(
    server: Mortal, site: Site, martine: Caller, at_length: Any, figure: Any
) -> None:
    dice = random.Random(f"{SEED} kills")
    kills, clients = at_length(3, 60), 8
    over, seen, made = threading.Event(), Counter[str](), Counter[int]()
    acknowledged: dict[str, int] = {}

    def write(client: int) -> None:
        while not over.is_set():
            made[client] += 1
            title, key = f"tué {client}-{made[client]}", str(uuid.uuid4())
            answer = until_answered(martine, title, key, seen)
            assert answer.status_code == 200, answer.text
            acknowledged[title] = answer.json()["absence"]["id"]
            if made[client] % 4 == 0:  # as if that one had been lost too
                again = until_answered(martine, title, key, seen)
                assert again.content == answer.content

    with ThreadPoolExecutor(clients) as threads:
        working = [threads.submit(write, client) for client in range(clients)]
        try:
            for _kill in range(kills):
                before = len(acknowledged)
                until = time.monotonic() + PATIENCE
                while len(acknowledged) < before + clients and time.monotonic() < until:
                    time.sleep(0.02)
                time.sleep(dice.uniform(0, 0.3))
                server.kill(server.master, *server.workers)
                server.launch()
        finally:
            over.set()
        for one in working:
            one.result()
    stored = site.rows("SELECT title, id FROM absences_absence WHERE title LIKE ?", "tué %")
    assert sorted(stored) == sorted(acknowledged.items())
    assert len(stored) > kills
    assert "Traceback" not in server.log, server.log[-4000:]
    figure("kills survived", kills)
    figure("keys, each done once", len(stored))
    figure("answers", dict(seen))


def test_of_writers_who_read_the_same_state_one_gets_it(
    site: Site, martine: Caller, at_length: Any, figure: Any
) -> None:
    rounds, writers = at_length(5, 300), 8
    made = martine("POST", "absences", ABSENCE | {"title": "Original"})
    path = f"absences/{made.json()['absence']['id']}"
    for number in range(rounds):
        tag = martine("GET", path).headers["ETag"]

        def change(writer: int, number: int = number, tag: str = tag) -> tuple[int, str]:
            title = f"{number} par {writer}"
            answer = martine("PATCH", path, {"title": title}, headers={"If-Match": tag})
            return answer.status_code, title

        calls = at_once(*([(n, lambda n=n: change(n))] for n in range(writers)))
        answered = [call.answered for call in calls]
        assert Counter(status for status, _title in answered) == {200: 1, 412: writers - 1}
        (winner,) = (title for status, title in answered if status == 200)
        shown = martine("GET", path).json()["absence"]
        assert (shown["title"], shown["version"]) == (winner, number + 2)
    figure("rounds", rounds)
    figure("writers refused", rounds * (writers - 1))
