"""`Accept: application/json;profile=envelope`: the answer, or the error, in five keys (row P24; RFC 6906)."""

from __future__ import annotations

import io
import uuid

import orjson
import pytest

from agents.views.sessions import Me
from tests.factories import AbsenceFactory

ABSENCES = "/api/v1/absences"
ASKED = {"Accept": "application/json; profile=envelope"}
KEYS = ["action", "id", "result", "data", "errorDetails"]
TYPE = "application/json; profile=envelope; charset=utf-8"


@pytest.fixture
def martine(cast, sign_in):
    return sign_in(cast.martine)


@pytest.fixture
def absence(cast):
    return AbsenceFactory(agent=cast.bruno)


def test_a_list(martine, absence):
    usual, answer = martine.get(ABSENCES), martine.get(ABSENCES, headers=ASKED)
    assert answer.status_code == 200
    assert answer["Content-Type"] == TYPE
    assert answer["Content-Length"] == str(len(answer.content))
    body = answer.json()
    assert list(body) == KEYS
    assert body == {
        "action": "absences.list",
        "id": answer["X-Request-Id"],
        "result": "success",
        "data": usual.json(),
        "errorDetails": None,
    }
    assert usual.content in answer.content  # the data are byte for byte those of everyone


def test_the_id_is_that_of_the_request(martine):
    sent = str(uuid.uuid4())
    assert martine.get(ABSENCES, headers=ASKED | {"X-Request-Id": sent}).json()["id"] == sent


@pytest.mark.parametrize(
    "accept",
    [
        'application/json;profile="envelope"',
        "APPLICATION/JSON;Profile=envelope",
        "application/json;profile=envelope;q=.5",
    ],
)
def test_it_is_asked_for_with_quotes_or_without(martine, accept):
    assert martine.get(ABSENCES, headers={"Accept": accept})["Content-Type"] == TYPE


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json;profile=other", "text/html", ""])
def test_whoever_does_not_name_it_gets_the_usual_bytes(martine, accept):
    usual, answer = martine.get(ABSENCES), martine.get(ABSENCES, headers={"Accept": accept})
    assert answer.content == usual.content
    assert answer["Content-Type"] == usual["Content-Type"]
    assert answer["Vary"] == usual["Vary"]
    assert "Accept," not in f"{usual['Vary']},".replace("Accept-Language", "")


def test_caches_are_told_that_it_was_asked_for(martine):
    assert "Accept" in [name.strip() for name in martine.get(ABSENCES, headers=ASKED)["Vary"].split(",")]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{ABSENCES}/0", 404),
        ("GET", "/api/nowhere", 404),
        ("POST", ABSENCES, 422),
        ("PUT", ABSENCES, 405),
    ],
)
def test_an_error(martine, method, path, status):
    usual = martine.generic(method, path)
    answer = martine.generic(method, path, headers=ASKED)
    assert (usual.status_code, answer.status_code) == (status, status)
    assert answer["Content-Type"] == TYPE
    body = answer.json()
    assert list(body) == KEYS
    assert (body["result"], body["data"], body["errorDetails"]) == ("error", None, usual.json())


def test_an_error_of_a_stranger(anonymous, db):
    answer = anonymous.get(ABSENCES, headers=ASKED)
    assert answer.status_code == 401
    assert answer.json()["action"] == "absences.list"
    assert answer.json()["errorDetails"] == anonymous.get(ABSENCES).json()


def test_an_error_of_ours(martine, monkeypatch):
    def fail(self, request):
        raise RuntimeError("a bug")

    monkeypatch.setattr(Me, "get", fail)
    answer = martine.get("/api/v1/me", headers=ASKED)
    assert (answer.status_code, answer.json()["result"]) == (500, "error")


def test_an_address_that_leads_nowhere_has_no_action(martine):
    assert martine.get("/api/nowhere", headers=ASKED).json()["action"] is None


@pytest.mark.parametrize(
    ("method", "action"), [("get", "absences.show"), ("patch", "absences.update"), ("delete", "absences.delete")]
)
def test_the_action_is_the_operation(martine, absence, method, action):
    answer = getattr(martine, method)(f"{ABSENCES}/{absence.pk}", headers=ASKED)
    assert (answer.json()["action"], answer.json()["result"]) == (action, "success")


def test_a_deletion_has_a_body_then_and_so_is_200(martine, absence):
    answer = martine.delete(f"{ABSENCES}/{absence.pk}", headers=ASKED)
    assert answer.status_code == 200
    assert answer["Content-Type"] == TYPE
    assert answer.json()["data"] is None
    assert martine.get(f"{ABSENCES}/{absence.pk}").status_code == 404


def test_a_creation(cast, martine):
    new = {
        "agent_id": cast.bruno.pk,
        "title": "RTT",
        "first_day": "2026-12-01",
        "start_time": "08:00",
        "end_time": "12:00",
    }
    answer = martine.post(ABSENCES, new, headers=ASKED)
    assert answer.json()["data"]["absence"]["title"] == "RTT"
    assert answer["Location"].endswith(f"/{answer.json()['data']['absence']['id']}")


def test_it_is_indented_too_when_both_are_asked_for(martine):
    answer = martine.get(f"{ABSENCES}?prettify=true", headers=ASKED)
    assert answer.content.startswith(b'{\n  "action": "absences.list",\n  "id": "')
    assert orjson.loads(answer.content)["data"] == martine.get(ABSENCES).json()


def test_a_304_is_as_ever(martine, absence):
    etag = martine.get(ABSENCES, headers=ASKED)["ETag"]
    again = martine.get(ABSENCES, headers=ASKED | {"If-None-Match": etag})  # of another request, with another id
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)
    assert "Accept" in [name.strip() for name in again["Vary"].split(",")]


def test_each_shape_has_its_own_etag(martine, absence):
    asked = [(path, headers) for path in (ABSENCES, f"{ABSENCES}?prettify=true") for headers in ({}, ASKED)]
    assert len({martine.get(path, headers=headers)["ETag"] for path, headers in asked}) == 4


def test_another_answer_has_another_etag(martine, absence):
    etag = martine.get(ABSENCES, headers=ASKED)["ETag"]
    martine.patch(f"{ABSENCES}/{absence.pk}", {"title": "Autre"})
    assert martine.get(ABSENCES, headers=ASKED)["ETag"] != etag


def test_a_preflight_is_as_ever(anonymous):
    asked = {"Origin": "https://app.test", "Access-Control-Request-Method": "GET"}
    answer = anonymous.options(ABSENCES, headers=asked | ASKED)
    assert answer.content == anonymous.options(ABSENCES, headers=asked).content


def test_a_refusal_at_the_door_too(door):
    sent, request_id, environ = (
        [],
        str(uuid.uuid4()),
        {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/api/v1/auth/sign_in",
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "HTTP_TRANSFER_ENCODING": "chunked",
            "HTTP_ACCEPT": ASKED["Accept"],
            "wsgi.input": io.BytesIO(b"email=x"),
        },
    )
    environ["HTTP_X_REQUEST_ID"] = request_id
    body = b"".join(door(environ, lambda status, headers: sent.append((status, dict(headers)))))
    [(status, headers)] = sent
    assert status.startswith("411")
    assert (headers["Content-Type"], headers["Content-Length"]) == (TYPE, str(len(body)))
    told = orjson.loads(body)
    assert (told["action"], told["id"], told["result"], told["data"]) == (None, request_id, "error", None)
    assert told["errorDetails"]["errors"] == [{"base": "length_required"}]
