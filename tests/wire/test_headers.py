"""Contract 1.1, 1.2: what every answer carries, errors included."""

from __future__ import annotations

import re
import uuid

import pytest

from agents.views.sessions import Me
from rdv import VERSION
from tests.factories import AbsenceFactory

FIXED = {
    "X-Frame-Options": "SAMEORIGIN",
    "X-XSS-Protection": "1; mode=block",
    "X-Content-Type-Options": "nosniff",
    "X-Download-Options": "noopen",
    "X-Permitted-Cross-Domain-Policies": "none",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-RDV-Server": VERSION,
}
JSON = "application/json; charset=utf-8"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@pytest.fixture
def answers(cast, sign_in, anonymous, monkeypatch):
    """One answer of each status, by status."""
    martine = sign_in(cast.martine)
    seen = martine.get("/api/v1/agents")
    answers = {
        200: seen,
        204: martine.delete(f"/api/v1/absences/{AbsenceFactory(agent=cast.bruno).pk}"),
        304: martine.get("/api/v1/agents", headers={"If-None-Match": seen["ETag"]}),
        400: martine.post("/api/v1/absences", "{"),
        401: anonymous.get("/api/v1/agents"),
        403: martine.get(f"/api/v1/organisations/{cast.lille.pk}"),
        404: martine.get("/api/v1/nulle-part"),
        405: martine.delete("/api/v1/agents"),
        413: martine.post("/api/v1/absences", " " * (1024 * 1024 + 1)),
        415: martine.put(f"/api/v1/organisations/{cast.mds.pk}", "a", content_type="text/plain"),
        422: martine.post("/api/v1/absences", {}),
    }

    def fail(self, request):
        raise RuntimeError("a bug")

    monkeypatch.setattr(Me, "get", fail)
    answers[500] = martine.get("/api/v1/me")
    assert {status: answer.status_code for status, answer in answers.items()} == {status: status for status in answers}
    return answers


def test_the_fixed_headers_are_on_every_answer(answers):
    for answer in answers.values():
        assert {name: answer[name] for name in FIXED} == FIXED


def test_every_answer_with_a_body_is_json_in_utf8(answers):
    for status, answer in answers.items():
        if status not in (204, 304):
            assert answer["Content-Type"] == JSON
            assert answer.json() is not None


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_body_has_no_content_type(answers, status):
    assert answers[status].content == b""
    assert "Content-Type" not in answers[status]


def test_an_etag_is_on_200_and_on_the_304_that_stands_for_it_only(answers):
    for status, answer in answers.items():
        assert ("ETag" in answer) is (status in (200, 304))


def test_the_cache_policy_goes_with_the_etag(answers):
    for status, answer in answers.items():
        expected = "max-age=0, private, must-revalidate" if status in (200, 304) else "no-cache"
        assert answer["Cache-Control"] == expected


def test_every_answer_has_a_request_id_and_a_run_time(answers):
    ids = {answer["X-Request-Id"] for answer in answers.values()}
    assert all(UUID.fullmatch(id) for id in ids)
    assert len(ids) == len(answers)
    assert all(re.fullmatch(r"[0-9]+\.[0-9]{6}", answer["X-Runtime"]) for answer in answers.values())


def test_no_answer_sets_a_cookie(answers):
    assert not any(answer.cookies for answer in answers.values())


def test_the_header_of_a_development_tool_is_not_sent(answers):
    assert not any("X-Meta-Request-Version" in answer for answer in answers.values())


def test_a_refused_host_has_them_too(anonymous, db):
    answer = anonymous.get("/api/v1/agents", headers={"Host": "ailleurs.test"})
    assert answer.status_code == 400
    assert {name: answer[name] for name in FIXED} == FIXED
    assert answer["Content-Type"] == JSON
    assert UUID.fullmatch(answer["X-Request-Id"])


def test_a_request_id_that_is_a_uuid_is_kept(anonymous, db):
    given = str(uuid.uuid4())
    assert anonymous.get("/api/v1/agents", headers={"X-Request-Id": given})["X-Request-Id"] == given


@pytest.mark.parametrize("given", ["", "1", "../../etc/passwd", "é", "a" * 10_000, "<script>"])
def test_another_request_id_is_replaced(anonymous, db, given):
    answer = anonymous.get("/api/v1/agents", headers={"X-Request-Id": given})
    assert UUID.fullmatch(answer["X-Request-Id"])


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*;q=0.1", "", "a/b/c", "*/*"])
def test_answers_are_json_whatever_is_accepted(cast, sign_in, accept):
    answer = sign_in(cast.martine).get("/api/v1/agents", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer["Content-Type"] == JSON


def test_text_is_utf8_without_escapes(cast, sign_in):
    cast.chloe.first_name = "Chloé"
    cast.chloe.save()
    assert '"first_name":"Chloé"'.encode() in sign_in(cast.martine).get("/api/v1/agents").content


def test_a_bug_says_nothing_of_itself(answers, caplog):
    assert answers[500].json() == {
        "success": False,
        "errors": [{"base": "internal_server_error"}],
        "error_messages": ["Une erreur interne est survenue."],
    }
    assert b"a bug" not in answers[500].content


def test_a_bug_outside_of_any_view_is_json_too(cast, sign_in, monkeypatch):
    def fail(data):
        raise TypeError("cannot be rendered")

    monkeypatch.setattr("rdv.api.renderers.orjson.dumps", fail)
    answer = sign_in(cast.martine).get("/api/v1/agents")
    assert answer.status_code == 500
    assert answer["Content-Type"] == JSON
    assert answer.json()["errors"] == [{"base": "internal_server_error"}]
    assert {name: answer[name] for name in FIXED} == FIXED
