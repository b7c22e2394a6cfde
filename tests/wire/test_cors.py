"""Contract 1.2, "CORS": any origin may call `/api/v1/*`, with any header; never with cookies."""

from __future__ import annotations

import pytest

ORIGIN = {"Origin": "https://app.agence.test"}
PREFLIGHT = ORIGIN | {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "access-token, client, uid, x-anything",
}
PATHS = [
    *("/api/v1/absences", "/api/v1/absences/1", "/api/v1/auth/sign_in", "/api/v1/auth/sign_out"),
    *("/api/1/absences", "/api/latest/absences/1", "/api/absences", "/api/auth/sign_in"),
]


@pytest.mark.parametrize("path", PATHS)
def test_a_preflight_needs_no_credential(anonymous, path):
    answer = anonymous.options(path, headers=PREFLIGHT)
    assert answer.status_code == 200
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert answer["Access-Control-Allow-Headers"] == "access-token, client, uid, x-anything"
    assert answer["Access-Control-Allow-Methods"] == "GET, POST, PATCH, PUT"
    assert answer["Access-Control-Max-Age"] == "7200"


def test_a_preflight_costs_no_query(anonymous, db, django_assert_num_queries):
    with django_assert_num_queries(0):
        anonymous.options("/api/v1/absences", headers=PREFLIGHT)


def test_a_preflight_has_neither_body_nor_content_type(anonymous):
    answer = anonymous.options("/api/v1/absences", headers=PREFLIGHT)
    assert answer.content == b""
    assert "Content-Type" not in answer


def test_a_preflight_carries_the_headers_of_every_answer(anonymous):
    answer = anonymous.options("/api/v1/absences", headers=PREFLIGHT)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Request-Id"]


@pytest.mark.parametrize("origin", ["https://app.agence.test", "http://localhost:3000", "null", "nonsense"])
def test_any_origin_may_read_the_answer_and_its_credential(cast, sign_in, origin):
    answer = sign_in(cast.martine).get("/api/v1/agents", headers={"Origin": origin})
    assert answer["Access-Control-Allow-Origin"] == "*"
    exposed = answer["Access-Control-Expose-Headers"].split(", ")
    assert exposed[:3] == ["client", "uid", "access-token"]
    assert {"ETag", "Link", "Retry-After", "X-API-Version", "X-Request-Id", "X-Total-Count"} <= set(exposed[3:])


def test_errors_may_be_read_too(anonymous, db):
    for path, status in (("/api/v1/agents", 401), ("/api/v1/nulle-part", 404)):
        answer = anonymous.get(path, headers=ORIGIN)
        assert answer.status_code == status
        assert answer["Access-Control-Allow-Origin"] == "*"


def test_cookies_are_never_allowed(cast, sign_in, anonymous):
    for answer in (
        sign_in(cast.martine).get("/api/v1/agents", headers=ORIGIN),
        anonymous.options("/api/v1/agents", headers=PREFLIGHT),
    ):
        assert "Access-Control-Allow-Credentials" not in answer


def test_without_an_origin_there_is_nothing_to_say(cast, sign_in):
    answer = sign_in(cast.martine).get("/api/v1/agents")
    assert not [name for name in answer.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize(
    "path", ["/", "/admin/login/", "/nulle-part", "/api/v2/agents", "/api/3.14/agents", "/api/9/agents", "/api/"]
)
def test_nothing_else_may_be_read_from_another_origin(anonymous, db, path):
    for answer in (anonymous.get(path, headers=ORIGIN), anonymous.options(path, headers=PREFLIGHT)):
        assert not [name for name in answer.headers if name.startswith("Access-Control")]


def test_a_304_may_be_read_too(cast, sign_in):
    martine = sign_in(cast.martine)
    etag = martine.get("/api/v1/agents")["ETag"]
    answer = martine.get("/api/v1/agents", headers=ORIGIN | {"If-None-Match": etag})
    assert answer.status_code == 304
    assert answer["Access-Control-Allow-Origin"] == "*"
