"""`GET /metrics`: what Prometheus is told, of all processes together, behind a token (row O3)."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from rdv import VERSION
from rdv.api.errors import Busy
from tests.factories import PASSWORD, AbsenceFactory

from .observing import by, door_of_a_server
from .server import ROOT, Server, prepared_database

TOKEN = "jeton-des-mesures-1234"
ASKED = {"HTTP_AUTHORIZATION": f"Bearer {TOKEN}"}
ABSENCES = "/api/v1/absences"


@pytest.fixture
def door(db, settings):
    settings.RDV_METRICS_TOKEN = TOKEN
    with door_of_a_server() as door:
        yield door


@pytest.fixture
def martine(cast, sign_in):
    return by(sign_in(cast.martine))


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Each value by its name and labels, in the order of the labels' names."""
    return {
        (sample.name, *(value for _name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def told(door) -> dict[tuple[str, ...], float]:
    status, headers, body = door.ask("GET", "/metrics", **ASKED)
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert headers["Content-Length"] == str(len(body))
    return samples(body.decode())


def test_without_a_token_of_its_own_the_server_has_no_such_address(db, settings):
    assert settings.RDV_METRICS_TOKEN == ""
    with door_of_a_server() as door:
        status, _headers, body = door.ask("GET", "/metrics", **ASKED)
    assert (status, json.loads(body)) == (404, {"success": False, "errors": ["not_found"]})


@pytest.mark.parametrize(
    "said", [None, "", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer \xe9" * 9]
)
def test_whoever_has_not_the_token_is_told_nothing(door, said):
    status, headers, body = door.ask("GET", "/metrics", **({"HTTP_AUTHORIZATION": said} if said is not None else {}))
    assert (status, body) == (401, b"")
    assert headers["WWW-Authenticate"] == 'Bearer realm="rdv-metrics"'


def test_the_token_is_read_from_nowhere_else(door):
    assert door.ask("GET", f"/metrics?token={TOKEN}", HTTP_X_API_TOKEN=TOKEN)[0] == 401


def test_a_wrong_verb(door):
    status, headers, _body = door.ask("POST", "/metrics", **ASKED)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert door.ask("HEAD", "/metrics", **ASKED)[2] == b""


def test_requests_are_told_by_method_route_and_class_of_status(door, martine):
    for address in (ABSENCES, ABSENCES, f"{ABSENCES}/1", f"{ABSENCES}/2"):
        door.ask("GET", address, **martine)
    door.ask("GET", "/api/v1/nowhere")
    values = told(door)
    assert values["rdv_requests_total", "GET", ABSENCES, "2xx"] == 2
    assert values["rdv_requests_total", "GET", f"{ABSENCES}/<pk>", "4xx"] == 2
    assert values["rdv_requests_total", "GET", "-", "4xx"] == 1
    assert values["rdv_errors_total", "404"] == 3
    assert values["rdv_request_seconds_count", ABSENCES] == 2
    assert 0 < values["rdv_request_seconds_sum", ABSENCES] < 60
    assert values["rdv_request_seconds_bucket", "+Inf", ABSENCES] == 2
    assert values["rdv_turn_wait_seconds_count",] == 5
    assert values["rdv_info", VERSION] == 1


def test_addresses_and_methods_of_any_make_do_not_add_to_them(door, martine):
    for number in range(20):
        door.ask("GET", f"{ABSENCES}/{number}", **martine)
        door.ask(f"VERB{number}", ABSENCES, **martine)
        door.ask("GET", f"/nowhere/{number}")
    requests_told = {key[1:] for key in told(door) if key[0] == "rdv_requests_total"}
    assert requests_told == {("GET", f"{ABSENCES}/<pk>", "4xx"), ("OTHER", ABSENCES, "4xx"), ("GET", "-", "4xx")}


def test_the_database_is_counted(cast, door, martine):
    AbsenceFactory(agent=cast.bruno)
    door.ask("GET", ABSENCES, **martine)
    before = told(door)
    door.ask("GET", ABSENCES, **martine)
    after = told(door)
    assert after["rdv_database_queries_total",] - before["rdv_database_queries_total",] == 3
    assert after["rdv_database_seconds_total",] > before["rdv_database_seconds_total",]


def test_sign_ins_are_counted_as_they_went(cast, door):
    for password in (PASSWORD, "Faux 1 !", "Faux 2 !"):
        typed = json.dumps({"email": cast.martine.email, "password": password}).encode()
        door.ask("POST", "/api/v1/auth/sign_in", typed)
    values = told(door)
    assert values["rdv_sign_ins_total", "succeeded"] == 1
    assert values["rdv_sign_ins_total", "refused"] == 2


def test_who_is_turned_away_is_told_with_the_reason(door, martine, monkeypatch):
    def full(*, returning=False):
        raise Busy

    monkeypatch.setattr(door.handler.turns, "_take", full)
    door.ask("GET", ABSENCES, **martine)
    values = told(door)  # which needs no turn
    assert values["rdv_turned_away_total", "service_unavailable"] == 1
    assert values["rdv_errors_total", "503"] == 1


def test_who_is_inside_and_who_waits_is_told_while_they_are(door, martine, monkeypatch):
    inside = []
    monkeypatch.setattr(type(door.handler.turns), "waiting", property(lambda self: 7))
    answer = door.handler._answer
    monkeypatch.setattr(door.handler, "_answer", lambda *asked: (inside.append(told(door)), answer(*asked))[1])
    door.ask("GET", ABSENCES, **martine)
    assert inside[0]["rdv_requests_in_progress",] == 1
    assert inside[0]["rdv_turns_waiting",] == 7
    assert told(door)["rdv_requests_in_progress",] == 0


def test_the_measures_are_not_measured(door):
    told(door)
    assert not [key for key in told(door) if key[0] == "rdv_requests_total"]


@pytest.mark.parametrize("token", ["short", "x" * 19, "with a blank in the midst", "é" * 20])
def test_a_token_that_is_none_stops_the_start_and_is_not_shown(token):
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=os.environ | {"RDV_METRICS_TOKEN": token},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "RDV_METRICS_TOKEN must be" in done.stderr
    assert token not in done.stderr.replace("RDV_METRICS_TOKEN", "")


# A real server of two processes.


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("measured")
    (folder / "tmp").mkdir()
    with prepared_database(folder) as database:
        running = Server(folder, database, RDV_METRICS_TOKEN=TOKEN, TMPDIR=str(folder / "tmp"))
        try:
            running.start(workers=2)
            yield running
        finally:
            running.stop()
    assert list((folder / "tmp").glob("rdv-measures-*")) == [], "what was counted goes with the server"


def scraped(server: Server) -> dict[tuple[str, ...], float]:
    answer = requests.get(f"{server.address}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
    assert answer.status_code == 200
    return samples(answer.text)


NOT_FOUND = ("rdv_requests_total", "GET", "-", "4xx")


@pytest.mark.live
def test_all_processes_are_told_together_whoever_is_asked(server):
    before = scraped(server).get(NOT_FOUND, 0)
    for _ in range(40):  # each on a connection of its own: the kernel gives them to both processes
        requests.get(f"{server.address}/api/v1/nowhere", timeout=30)
    assert {scraped(server)[NOT_FOUND] - before for _ in range(10)} == {40}


@pytest.mark.live
def test_what_the_database_has_to_tell_is_among_them(server):
    values = scraped(server)
    assert values["rdv_webhook_deliveries_pending",] == 0
    assert values["rdv_webhook_deliveries_total", "delivered"] == 0


@pytest.mark.live
def test_a_process_that_was_killed_is_in_the_midst_of_nothing_and_what_it_counted_stays(server):
    requests.get(f"{server.address}/api/v1/nowhere", timeout=30)
    before = scraped(server)
    assert ("rdv_requests_in_progress",) in before
    folder = next(iter((server._log.parent / "tmp").glob("rdv-measures-*")))
    [first, *_others] = {int(re.search(r"_(\d+)\.db", file.name)[1]) for file in folder.glob("counter_*.db")}
    os.kill(first, signal.SIGKILL)
    until = time.monotonic() + 30
    while list(folder.glob(f"gauge_livesum_{first}.db")):
        assert time.monotonic() < until
        try:
            after = scraped(server)
        except requests.ConnectionError:
            time.sleep(0.1)
    assert after[NOT_FOUND] >= before[NOT_FOUND]
