"""Headers of every answer, conditional reading, and other origins."""

from __future__ import annotations

import re
import uuid

import pytest

from conformance import expect
from conformance.material import titled

pytestmark = pytest.mark.contract("1.2")

FIXED = {
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "X-Download-Options": "noopen",
    "X-Permitted-Cross-Domain-Policies": "none",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-XSS-Protection": "1; mode=block",
}
STRONG = re.compile(r'"[!#-~]+"')  # RFC 9110 8.8.3
ETAG = re.compile(r'W/"[0-9a-f]{32}"')
ORIGIN = {"Origin": "https://app.agence.example"}
PREFLIGHT = ORIGIN | {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "access-token, client, uid, x-anything",
}


@pytest.fixture
def answers(worker, anonymous, asked, foreign):
    """An answer of each kind."""
    made = worker.post("/absences", json=asked)
    path = f"/absences/{made.json()['absence']['id']}"
    shown = worker.get(path)
    return [
        made,
        shown,
        worker.get("/agents"),
        worker.get("/auth/validate_token"),
        worker.get(path, headers={"If-None-Match": shown.headers.get("ETag", "")}),
        anonymous.get("/absences"),
        worker.get(f"/absences/{foreign['id']}"),
        worker.get("/absences/0"),
        worker.get("/nulle-part"),
        anonymous.get("/auth/sign_in"),
        worker.post("/absences"),
        worker.post("/absences", content=b"{", headers={"Content-Type": "application/json"}),
        worker.delete(path),
    ]


@pytest.mark.parametrize("name", FIXED)
def test_the_fixed_headers_are_on_every_answer(answers, name):
    assert {answer.status_code for answer in answers} == {200, 204, 304, 400, 401, 403, 404, 405, 422}
    for answer in answers:
        assert answer.headers.get(name) == FIXED[name], f"on {answer.status_code}"


def test_every_answer_has_a_request_id_and_a_run_time(answers):
    seen = set()
    for answer in answers:
        seen.add(uuid.UUID(answer.headers["X-Request-Id"]))
        assert re.fullmatch(r"[0-9]+\.[0-9]{6}", answer.headers["X-Runtime"]), f"on {answer.status_code}"
    assert len(seen) == len(answers)


def test_a_request_id_that_comes_in_goes_out(worker, anonymous):
    for caller in (worker, anonymous):
        given = str(uuid.uuid4())
        assert caller.get("/agents", headers={"X-Request-Id": given}).headers["X-Request-Id"] == given


def test_an_etag_is_weak_with_32_hexadecimal_digits_and_on_200_alone(answers):
    """That of one record may be strong, where the original has weak ones only: the version that a change asks about."""
    kinds = set()
    for answer in answers:
        if answer.status_code == 200:
            one = "absence" in answer.json()
            kinds.add(one)
            assert (STRONG if one and answer.headers["ETag"].startswith('"') else ETAG).fullmatch(
                answer.headers["ETag"]
            )
        elif answer.status_code != 304:
            assert "ETag" not in answer.headers, f"on {answer.status_code}"
    assert kinds == {True, False}


def test_what_has_an_etag_may_be_kept_and_asked_about_and_nothing_else(answers):
    for answer in answers:
        policy = "max-age=0, private, must-revalidate" if "ETag" in answer.headers else "no-cache"
        assert answer.headers["Cache-Control"] == policy, f"on {answer.status_code}"


def test_no_answer_carries_the_header_of_a_development_tool(answers):
    assert all("X-Meta-Request-Version" not in answer.headers for answer in answers)


def test_the_same_answer_has_the_same_etag_and_another_another(worker, absence):
    path = f"/absences/{absence['id']}"
    first, again = worker.get(path), worker.get(path)
    assert first.headers["ETag"] == again.headers["ETag"]
    worker.patch(path, json={"title": titled("Autre")})
    assert worker.get(path).headers["ETag"] != first.headers["ETag"]


@pytest.mark.parametrize("form", ["{}", '"other", {}', '{} , W/"other"', "*"])
@pytest.mark.parametrize("path", ["/absences/{id}", "/organisations", "/auth/validate_token"])
def test_what_is_known_already_is_304_without_body(worker, absence, path, form):
    path = path.replace("{id}", str(absence["id"]))
    etag = worker.get(path).headers["ETag"]
    answer = worker.get(path, headers={"If-None-Match": form.replace("{}", etag)})
    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["ETag"] == etag


def test_the_list_of_absences_is_304_too(worker):
    answer = worker.get("/absences")
    again = worker.get("/absences", headers={"If-None-Match": answer.headers["ETag"]})
    if again.status_code == 200:  # the list may have changed meanwhile, on a server that others use
        assert again.headers["ETag"] != answer.headers["ETag"]
        assert again.content != answer.content
    else:
        assert again.status_code == 304


@pytest.mark.parametrize("condition", ['"other"', 'W/"00000000000000000000000000000000"', "nonsense", ""])
def test_what_is_not_known_is_answered_whole(worker, absence, condition):
    answer = worker.get(f"/absences/{absence['id']}", headers={"If-None-Match": condition})
    assert expect.body(answer, 200)["absence"] == absence


def test_what_changed_is_answered_whole(worker, absence):
    path = f"/absences/{absence['id']}"
    etag = worker.get(path).headers["ETag"]
    worker.patch(path, json={"title": titled("Changé")})
    answer = worker.get(path, headers={"If-None-Match": etag})
    assert expect.body(answer, 200)["absence"]["title"] == titled("Changé")


def test_an_error_is_never_304(worker, anonymous):
    assert worker.get("/absences/0", headers={"If-None-Match": "*"}).status_code == 404
    assert anonymous.get("/absences", headers={"If-None-Match": "*"}).status_code == 401


def test_a_change_does_not_look_at_if_none_match(worker, absence):
    path = f"/absences/{absence['id']}"
    etag = worker.get(path).headers["ETag"]
    answer = worker.patch(path, json={}, headers={"If-None-Match": etag})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/absences", "/absences/1", "/agents", "/auth/sign_in"])
def test_a_preflight_is_answered_to_anyone(anonymous, path):
    answer = anonymous.ask("OPTIONS", path, headers=PREFLIGHT)
    assert answer.status_code in (200, 204)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert _names(answer, "Access-Control-Allow-Methods") == {"get", "post", "patch", "put"}
    allowed = _names(answer, "Access-Control-Allow-Headers")
    assert allowed == {"*"} or allowed >= {"access-token", "client", "uid", "x-anything"}
    assert answer.headers["Access-Control-Max-Age"] == "7200"


@pytest.mark.parametrize("origin", ["https://app.agence.example", "http://localhost:3000", "null"])
def test_any_origin_may_read_the_answer_and_the_credential(worker, origin):
    answer = worker.get("/agents", headers={"Origin": origin})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert _names(answer, "Access-Control-Expose-Headers") >= {"client", "uid", "access-token"}


def test_errors_may_be_read_from_any_origin(anonymous, worker):
    for answer in (anonymous.get("/agents", headers=ORIGIN), worker.get("/absences/0", headers=ORIGIN)):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_cookies_are_not_shared_with_other_origins(worker, anonymous):
    for answer in (worker.get("/agents", headers=ORIGIN), anonymous.ask("OPTIONS", "/agents", headers=PREFLIGHT)):
        assert "Access-Control-Allow-Credentials" not in answer.headers


def _names(answer, header):
    return {name.strip().lower() for name in answer.headers.get(header, "").split(",")}
