"""`prettify=true` in the address indents the answer, and changes nothing else (row P14)."""

from __future__ import annotations

import io

import orjson
import pytest

from tests.factories import AbsenceFactory

ABSENCES = "/api/v1/absences"


@pytest.fixture
def martine(cast, sign_in):
    AbsenceFactory.create_batch(3, agent=cast.bruno, title="Congés « d'été »")
    return sign_in(cast.martine)


def is_indented(answer):
    return answer.content.startswith(b'{\n  "') and answer.content.endswith(b"\n}\n")


def test_the_answer_is_indented_and_its_data_the_same(martine):
    usual, pretty = martine.get(ABSENCES), martine.get(f"{ABSENCES}?prettify=true")
    assert is_indented(pretty)
    assert orjson.dumps(orjson.loads(pretty.content)) == usual.content
    assert pretty["Content-Length"] == str(len(pretty.content))
    assert pretty["Content-Type"] == usual["Content-Type"]


@pytest.mark.parametrize("said", ["prettify=true", "prettify=True", "prettify=1", "prettify=false&prettify=true"])
def test_it_is_asked_for_in_these_words(martine, said):
    assert is_indented(martine.get(f"{ABSENCES}?{said}"))


@pytest.mark.parametrize(
    "said", ["prettify=false", "prettify=", "prettify", "prettify=oui", "xprettify=true", "prettify=true&prettify=no"]
)
def test_anything_else_leaves_the_answer_as_it_is(martine, said):
    assert martine.get(f"{ABSENCES}?{said}").content == martine.get(ABSENCES).content


def test_a_body_cannot_ask_for_it(cast, martine):
    new = {
        "agent_id": cast.bruno.pk,
        "title": "RTT",
        "first_day": "2026-12-01",
        "start_time": "08:00",
        "end_time": "12:00",
    }
    assert not is_indented(martine.post(ABSENCES, new | {"prettify": True}))
    assert is_indented(martine.post(f"{ABSENCES}?prettify=true", new))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{ABSENCES}/0", 404),
        ("GET", "/api/nowhere", 404),
        ("GET", "/api/v1/nowhere", 404),
        ("POST", ABSENCES, 422),
        ("PUT", ABSENCES, 405),
        ("GET", "/api/v1/auth/sign_in", 405),
    ],
)
def test_errors_too(martine, method, path, status):
    usual = martine.generic(method, path)
    pretty = martine.generic(method, f"{path}?prettify=true")
    assert (usual.status_code, pretty.status_code) == (status, status)
    assert is_indented(pretty)
    assert pretty.json() == usual.json()


def test_those_of_a_stranger_too(anonymous, db):
    assert is_indented(anonymous.get(f"{ABSENCES}?prettify=true"))


def test_what_has_no_body_gets_none(cast, martine):
    absence = AbsenceFactory(agent=cast.bruno)
    answer = martine.delete(f"{ABSENCES}/{absence.pk}?prettify=true")
    assert (answer.status_code, answer.content) == (204, b"")


def test_the_etag_is_of_the_bytes_sent(martine):
    usual, pretty = martine.get(ABSENCES), martine.get(f"{ABSENCES}?prettify=true")
    assert usual["ETag"] != pretty["ETag"]
    again = martine.get(f"{ABSENCES}?prettify=true", headers={"If-None-Match": pretty["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert martine.get(f"{ABSENCES}?prettify=true", headers={"If-None-Match": usual["ETag"]}).status_code == 200


def test_the_next_pages_are_indented_too(martine):
    assert "prettify=true" in martine.get(f"{ABSENCES}?prettify=true&per=1")["Link"]


def test_a_page_is_no_answer_of_the_api(client, db):
    assert client.get("/connexion?prettify=true").content.startswith(b"<!doctype")


def test_an_address_of_any_make_is_read(martine):
    assert martine.get(f"{ABSENCES}?" + "&".join(["prettify=true"] * 900)).status_code == 200
    assert martine.get(f"{ABSENCES}?prettify=%FF").status_code == 400


def test_a_refusal_at_the_door_too(door):
    sent, environ = (
        [],
        {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/api/v1/auth/sign_in",
            "QUERY_STRING": "prettify=true",
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "HTTP_TRANSFER_ENCODING": "chunked",
            "wsgi.input": io.BytesIO(b"email=x"),
        },
    )
    body = b"".join(door(environ, lambda status, headers: sent.append((status, dict(headers)))))
    [(status, headers)] = sent
    assert status.startswith("411")
    assert headers["Content-Length"] == str(len(body))
    assert body.startswith(b'{\n  "success"')
