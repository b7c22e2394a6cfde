"""What each client gets (docs/clients.md): what no other test has of it; and each row names a test that there is."""

from __future__ import annotations

import datetime
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import requests

from absences.demo import demo_directory
from rdv.api.registry import operations
from rdv.settings import ROOT

from .server import serving

BIN = Path(sys.executable).parent
MARTINE = {"email": "martine@demo.rdv-solidarites.fr", "password": "123456"}
PAGE = Path(ROOT, "docs", "clients.md")


@pytest.fixture(scope="module")
def demo_server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("demo"), "demo") as server:
        yield server


@pytest.fixture(scope="module")
def generated(demo_server, tmp_path_factory):
    """A client made of what the server says of itself, and its folder."""
    folder = tmp_path_factory.mktemp("generated")
    kept = folder / "openapi.json"
    kept.write_bytes(httpx.get(f"{demo_server.address}/api/v1/openapi.json", headers={"Accept-Language": "en"}).content)
    subprocess.run(
        [
            *(str(BIN / "openapi-python-client"), "generate", "--path", str(kept), "--meta", "none"),
            *("--output-path", str(folder / "rdv_client"), "--fail-on-warning"),
        ],
        env=os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"},
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


def run(*command: str, **more: str) -> str:
    done = subprocess.run(command, env=os.environ | more, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.live
@pytest.mark.any_database
def test_a_generated_client_does_the_session_of_the_readme(demo_server, generated):
    session = str(Path(ROOT, "tests", "generated", "session.py"))
    assert run(sys.executable, session, demo_server.address, PYTHONPATH=str(generated)) == "everything was done\n"


@pytest.mark.live
@pytest.mark.any_database
@pytest.mark.no_database
def test_the_types_of_a_generated_client_fit_what_is_made_of_it(generated):
    session = str(Path(ROOT, "tests", "generated", "session.py"))
    told = run(
        *(
            str(BIN / "mypy"),
            "--strict",
            "--follow-imports=silent",
            "--config-file",
            os.devnull,
            "--cache-dir",
            str(generated / "mypy"),
        ),
        session,
        MYPYPATH=str(generated),
    )
    assert told.startswith("Success"), told


@pytest.mark.live
@pytest.mark.any_database
def test_requests_signs_in_lists_is_told_errors_and_spares_itself_what_it_has(demo_server):
    session = requests.Session()
    base = f"{demo_server.address}/api/v1"
    signed = session.post(f"{base}/auth/sign_in", json=MARTINE)
    session.headers.update({name: signed.headers[name] for name in ("access-token", "client", "uid")})
    first = session.get(f"{base}/absences", params={"per": 3})
    assert len(first.json()["absences"]) == 3
    second = session.get(first.links["next"]["url"])
    assert second.json()["meta"]["current_page"] == 2
    again = session.get(f"{base}/absences", params={"per": 3}, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    wrong = session.post(f"{base}/absences", json={"title": "Rien"}, headers={"Accept": "application/problem+json"})
    assert wrong.status_code == 422
    assert "#/first_day" in {one["pointer"] for one in wrong.json()["errors"]}
    absence = {**MARTINE, "agent_email": MARTINE["email"], "title": "RTT", "first_day": "2026-12-11"}
    absence |= {"start_time": "08:00", "end_time": "18:00"}
    key = {"Idempotency-Key": "cc1a6f0e-5a6e-4b8a-9e6d-0f2f0e6f9f11"}
    made, retried = (session.post(f"{base}/absences", json=absence, headers=key) for _try in range(2))
    assert made.json() == retried.json()
    assert session.delete(made.json()["absence"]["url"]).status_code == 204


def with_arguments(operation, arguments):
    """The request of an example: its arguments where the registry says that they go."""
    places = {one.name: one.place for one in operation.parameters}
    path = operation.path
    found = {"query": {}, "body": {}, "header": {}}
    for name, value in arguments.items():
        if places[name] == "path":
            path = path.replace(f"{{{name}}}", str(value))
        else:
            found[places[name]][name] = value
    return path, found["query"], found["body"], found["header"]


@pytest.mark.live
@pytest.mark.any_database
def test_every_example_of_the_description_works_on_the_demo_data(demo_server):
    base = demo_server.address

    def signed_in(who=MARTINE):
        headers = httpx.post(f"{base}/api/v1/auth/sign_in", json=who).headers
        return {name: headers[name] for name in ("access-token", "client", "uid")}

    triple = signed_in()
    # Webhooks are for who administers the territory.
    _martine, of_paris, *_others = demo_directory(datetime.datetime.now(tz=datetime.UTC).date())["agents"]
    administrator = signed_in({name: of_paris[name] for name in ("email", "password")})
    weekly = {"agent_email": MARTINE["email"], "title": "Permanence", "first_day": "2026-12-10", "rrule": "FREQ=WEEKLY"}
    weekly |= {"start_time": "09:00", "end_time": "12:30"}
    recurring = httpx.post(f"{base}/api/v1/absences", json=weekly, headers=triple).json()["absence"]
    every = [(one, example) for one in operations().values() for example in one.described.examples]
    assert {one.id for one, _example in every} >= {"absences.create", "tokens.create", "audit.list"}
    # What makes something comes before what shows it, and that before what ends it.
    order = {"POST": 0, "GET": 1, "PATCH": 2, "PUT": 2, "DELETE": 3, "absences.upsert": 0, "absences.restore": 4}
    for operation, example in sorted(every, key=lambda pair: order.get(pair[0].id, order[pair[0].method])):
        # As in the README, the address is that of a server on one's own machine.
        here = {
            name: value.replace("http://127.0.0.1:8000", base) if isinstance(value, str) else value
            for name, value in example.arguments.items()
        }
        if "occurrence" in operation.id:
            here["id"] = recurring["id"]
        path, query, body, headers = with_arguments(operation, here)
        credential = {} if operation.public else triple
        if operation.id.startswith(("webhook_", "events.")):
            credential = administrator
        if operation.id == "auth.sign_out":
            credential = signed_in()
        if operation.id == "token.delete":  # which is for keys
            key = {"name": "À finir", "expires_at": 7}
            secret = httpx.post(f"{base}/api/v1/tokens", json=key, headers=signed_in()).json()["token"]["secret"]
            credential = {"Authorization": f"Bearer {secret}"}
        sent = {"json": body} if body else {}
        if operation.id == "auth.sign_out" and query:
            continue  # everywhere: last of all, below
        # An endpoint of webhooks is sent everything that it subscribes to, within the request.
        asked = {"params": query, "headers": credential | headers, "timeout": 60, **sent}
        answer = httpx.request(operation.method, base + path, **asked)
        assert answer.status_code < 400, (operation.id, example.arguments, answer.text)
    last = httpx.delete(f"{base}/api/v1/auth/sign_out", params={"everywhere": "true"}, headers=triple)
    assert last.status_code == 200


@pytest.mark.live
@pytest.mark.any_database
def test_every_link_of_the_discovery_document_leads_somewhere(demo_server):
    answer = httpx.get(f"{demo_server.address}/api")
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert len(answer.content) < 20_000
    links = {}

    def gather(value, at):
        for name, one in value.items():
            if isinstance(one, dict):
                gather(one, f"{at}/{name}")
            elif isinstance(one, str) and one.startswith("http"):
                links[f"{at}/{name}"] = one

    gather(answer.json(), "")
    assert {"/links/description", "/links/documentation", "/links/health"} <= links.keys()
    for name, address in links.items():
        assert address.startswith(demo_server.address), name
        assert httpx.get(address, follow_redirects=True).status_code == 200, address
    for way in answer.json()["sign_in"]:
        assert way["headers"]
        assert way["given_by"] is None or way["given_by"] in operations()


def test_each_row_of_the_page_names_a_test_that_there_is():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE.read_text(encoding="utf-8"))
    assert len(named) >= 15
    for file, name in named:
        assert f"def {name}(" in Path(ROOT, file).read_text(encoding="utf-8"), (file, name)
