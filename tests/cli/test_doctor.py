"""`rdv doctor` names what is wrong, and says what to do (row K4)."""

from __future__ import annotations

import datetime
import email.utils
import socket
import ssl
import time

import httpx
import pytest

from rdv_cli import doctor

pytestmark = pytest.mark.no_database

HELLO = {"name": "RDV", "version": "0.1.0", "versions": [{"version": "1", "state": "supported"}]}
TOKEN = {"kind": "personal_token", "expires_at": None, "owner": {"email": "m@exemple.test"}}


def at(offset: float) -> str:
    return email.utils.formatdate(time.time() + offset, usegmt=True)


@pytest.fixture
def server(desk):
    """A server in good health; a test spoils one part of it."""
    parts = {"hello": HELLO, "status": 200, "token": TOKEN, "date": at(0), "challenge": None, "others": False}

    def answer(request: httpx.Request) -> httpx.Response:
        if parts.get("error"):
            raise parts["error"]
        headers = {"Date": parts["date"]}
        if request.url.path == "/api":
            return httpx.Response(parts["status"], json=parts["hello"], headers=headers)
        if parts["challenge"]:
            why = f'Bearer error="invalid_token", error_description="{parts["challenge"]}", realm="rdv"'
            return httpx.Response(401, json={"errors": ["No."]}, headers={"WWW-Authenticate": why})
        return httpx.Response(200, json={"token": parts["token"]}, headers=headers)

    desk.answer = answer
    return parts


def findings(ran) -> dict[str, str]:
    return {one["check"]: one["state"] for one in ran.json["findings"]}


def test_all_is_well(desk, server):
    ran = desk("doctor", "-o", "json")
    assert ran.code == 0
    assert ran.json["well"] is True
    assert findings(ran) == dict.fromkeys(("address", "reach", "clock", "server", "credential"), "ok")
    told = desk("doctor", "-o", "table").out
    assert "✓ m@exemple.test (personal_token, RDVCLI_TOKEN)" in told
    assert "rdv_pat_secret" not in told + ran.out


def test_no_address(desk):
    del desk.environment["RDVCLI_SERVER"]
    ran = desk("doctor")
    assert ran.code == 2
    assert "address is said nowhere" in ran.out
    assert "rdv sign-in --server" in ran.out


@pytest.mark.parametrize(
    ("cause", "check"),
    [
        (ConnectionRefusedError(), "reach:refused"),
        (socket.gaierror(-2, "Name or service not known"), "reach:dns"),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), "reach:tls"),
        (OSError("Network is unreachable"), "reach:network"),
    ],
)
def test_an_address_that_does_not_answer(desk, server, cause, check):
    error = httpx.ConnectError("no")
    error.__cause__ = cause
    server["error"] = error
    ran = desk("doctor", "-o", "json")
    assert ran.code == 8
    assert findings(ran)[check] == "wrong"
    assert ran.json["findings"][-1]["todo"]
    assert desk.slept == []


def test_one_that_is_slow(desk, server):
    server["error"] = httpx.ConnectTimeout("slow")
    assert findings(desk("doctor", "-o", "json"))["reach:timeout"] == "wrong"


def test_another_web_server(desk, server):
    desk.others = True
    server["hello"] = {"it": "works"}
    ran = desk("doctor", "-o", "json")
    assert ran.code == 1
    assert findings(ran)["server"] == "wrong"
    assert "This is no RDV server" in ran.out


def test_one_that_sends_elsewhere(desk, server):
    desk.others = True
    desk.answer = lambda request: httpx.Response(301, headers={"Location": "https://rdv.agence.example/"})
    assert "It redirects to https://rdv.agence.example/." in desk("doctor").out


def test_a_proxy_before_a_server_that_is_stopped(desk, server):
    desk.others = True
    server |= {"status": 502, "hello": {}}
    ran = desk("doctor")
    assert ran.code == 8
    assert "What stands before the server answers 502" in ran.out


def test_a_version_of_the_api_that_is_not_served(desk, server):
    server["hello"] = HELLO | {"versions": [{"version": "2", "state": "supported"}]}
    ran = desk("doctor")
    assert ran.code == 1
    assert "This server has no version 1 of the API. It has: 2." in ran.out
    server["hello"] = HELLO | {"versions": [{"version": "1", "state": "deprecated"}]}
    ran = desk("doctor", "-o", "json")
    assert (ran.code, findings(ran)["api"]) == (0, "warning")


def test_an_old_server_that_does_not_describe_itself(desk, server):
    server["hello"] = {"name": "RDV", "version": "0.1.0"}
    desk.described = lambda request: httpx.Response(404, json={"errors": ["not_found"]})
    assert "has no version 1 of the API" in desk("doctor").out


def test_an_api_that_is_switched_off(desk, server):
    body = {"success": False, "errors": [{"base": "api_disabled"}], "error_messages": ["The API is switched off."]}
    desk.described = lambda request: httpx.Response(403, json=body)
    ran = desk("doctor")
    assert ran.code == 4
    assert "The API is switched off." in ran.out


def test_another_version_of_the_server(desk, server):
    server["hello"] = HELLO | {"version": "0.9.2"}
    ran = desk("doctor", "-o", "json")
    assert (ran.code, findings(ran)["version"]) == (0, "warning")
    server["hello"] = HELLO | {"version": "0.1.7"}
    assert "version" not in findings(desk("doctor", "-o", "json"))


@pytest.mark.parametrize(("offset", "way"), [(-3600, "1:00:00 ahead"), (3600, "1:00:00 behind")])
def test_a_clock_that_is_off(desk, server, offset, way):
    server["date"] = at(offset)
    ran = desk("doctor")
    assert ran.code == 1
    assert way in ran.out.replace("0:59:59", "1:00:00").replace("1:00:01", "1:00:00")
    server["date"] = at(-30)
    assert desk("doctor").code == 0


def test_nobody_is_signed_in(desk, server):
    del desk.environment["RDVCLI_TOKEN"]
    ran = desk("doctor")
    assert ran.code == 3
    assert "Nobody is signed in." in ran.out
    assert "rdv sign-in --server https://rdv.agence.example" in ran.out


@pytest.mark.parametrize(
    "reason", ["expired", "revoked", "deactivated", "agent_disabled", "account_disabled", "unknown"]
)
def test_a_key_that_does_not_do(desk, server, reason):
    server["challenge"] = reason
    ran = desk("doctor", "-o", "json")
    assert ran.code == 3
    assert findings(ran)[f"credential:{reason}"] == "wrong"


@pytest.mark.parametrize(
    ("kind", "left", "state"),
    [
        ("personal_token", datetime.timedelta(days=3), "warning"),
        ("personal_token", datetime.timedelta(days=20), None),
        ("token", datetime.timedelta(minutes=30), "warning"),
        ("token", datetime.timedelta(hours=20), None),
    ],
)
def test_a_key_that_ends_soon(desk, server, kind, left, state):
    end = datetime.datetime.now(datetime.UTC) + left
    server["token"] = TOKEN | {"kind": kind, "expires_at": end.strftime("%Y-%m-%d %H:%M:%S +0000")}
    ran = desk("doctor", "-o", "json")
    assert ran.code == 0
    assert findings(ran).get("end") == state


def test_a_file_that_others_can_read(desk, server):
    path = desk.write("credentials.json", "{}", 0o644)
    ran = desk("doctor")
    assert ran.code == 2
    assert f"chmod 600 {path}" in ran.out
    assert desk.requests == []


def test_a_file_that_says_something_wrong(desk, server):
    desk.write("config.toml", "[profiles.default]\nservr = 'x'\n")
    ran = desk("doctor")
    assert ran.code == 2
    assert "Perhaps server?" in ran.out


def test_it_speaks_french(desk, server):
    ran = desk("doctor", "--lang", "fr", "-o", "table")
    assert "Les horloges s'accordent." in ran.out
    assert doctor.SERVED == "1"
