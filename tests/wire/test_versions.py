"""Versions (P1): the same views under each address, and which version an answer is of."""

from __future__ import annotations

import datetime

import pytest
from django.urls import resolve, reverse

from agents.models import RecordEntry
from rdv.api import versioning
from rdv.api.versioning import VERSIONS, Version
from rdv.wsgi import application
from tests.conftest import WireClient
from tests.factories import PASSWORD, AbsenceFactory

ALIASES = ["/api/1", "/api/latest", "/api"]
NOWHERE = {"success": False, "errors": ["not_found"]}
V1 = {
    "version": "1",
    "state": "supported",
    "path": "/api/v1/",
    "since": "2026-11-22",
    "deprecated_on": None,
    "sunset_on": None,
}
RUBBISH = ["3.14", "99", "2", "v2", "0", "-1", "v", "vv1", "one", "1,2", "é", "1;2", "{}", "a" * 5000]


@pytest.fixture
def martine(cast, sign_in):
    return sign_in(cast.martine)


@pytest.mark.parametrize("start", ALIASES)
@pytest.mark.parametrize("rest", ["/absences", "/absences/", "/absences.json", "/absences/12", "/me", "/auth/sign_in"])
def test_other_addresses_lead_to_the_very_same_views(start, rest):
    assert resolve(start + rest).func is resolve(f"/api/v1{rest}").func


@pytest.mark.parametrize("start", ALIASES)
def test_a_list_a_row_and_oneself_are_the_same_under_each_address(cast, martine, start):
    absence = AbsenceFactory(agent=cast.bruno)
    for rest in ("/absences", f"/absences/{absence.pk}", "/agents", "/me", "/auth/validate_token"):
        there, here = martine.get(start + rest), martine.get(f"/api/v1{rest}")
        assert (there.status_code, there.content, there["ETag"]) == (200, here.content, here["ETag"])


@pytest.mark.parametrize("start", ALIASES)
def test_what_is_written_under_one_address_is_there_under_the_others(cast, martine, start):
    sent = {"agent_id": cast.bruno.pk, "title": "RTT", "first_day": "2026-12-01", "start_time": "9:00"}
    made = martine.post(f"{start}/absences", sent | {"end_time": "10:00"})
    assert made.status_code == 200
    pk = made.json()["absence"]["id"]
    # A client that keeps an address goes on under the same one; what it keeps of a row names a version.
    assert made["Location"] == f"http://testserver{start}/absences/{pk}"
    assert made.json()["absence"]["url"] == f"http://testserver/api/v1/absences/{pk}"
    assert martine.get(made["Location"]).status_code == 200
    assert martine.get(made.json()["absence"]["url"]).content == made.content
    assert martine.patch(f"{start}/absences/{pk}", {"title": "Congés"}).status_code == 200
    assert martine.delete(f"{start}/absences/{pk}").status_code == 204
    assert martine.get(f"/api/v1/absences/{pk}").status_code == 404


@pytest.mark.parametrize("start", ALIASES)
def test_the_other_pages_of_a_list_are_under_the_same_address(cast, martine, start):
    AbsenceFactory.create_batch(3, agent=cast.bruno)
    answer = martine.get(f"{start}/absences?per=1")
    assert f'<http://testserver{start}/absences?per=1&page=2>; rel="next"' in answer["Link"]


@pytest.mark.parametrize("start", ALIASES)
def test_rights_are_the_same(cast, sign_in, anonymous, start):
    absence = AbsenceFactory(agent=cast.bruno)
    assert anonymous.get(f"{start}/absences").status_code == 401
    etienne = sign_in(cast.etienne)
    assert etienne.get(f"{start}/absences").json()["absences"] == []
    for verb in ("get", "put", "patch", "delete"):
        assert getattr(etienne, verb)(f"{start}/absences/{absence.pk}").status_code == 403


def test_the_record_names_the_route_alike(cast, sign_in):
    etienne, absence = sign_in(cast.etienne), AbsenceFactory(agent=cast.bruno)
    for start in ("/api/v1", *ALIASES):
        etienne.put(f"{start}/absences/{absence.pk}")
    told = RecordEntry.objects.filter(action="refused").values_list("route", flat=True)
    assert set(told) == {"absences/<pk>"}


def test_failed_sign_ins_are_counted_together(cast, anonymous):
    wrong = {"email": cast.bruno.email, "password": "faux"}
    starts = ["/api/v1", *ALIASES]
    statuses = [anonymous.post(f"{starts[n % 4]}/auth/sign_in", wrong).status_code for n in range(11)]
    assert statuses == [401] * 10 + [429]
    right = wrong | {"password": PASSWORD}
    assert {anonymous.post(f"{start}/auth/sign_in", right).status_code for start in starts} == {429}


@pytest.mark.parametrize("path", ["/api/3.14/absences", "/api/9/absences", "/api/v2/absences", "/api/v1.0/absences"])
@pytest.mark.parametrize("headers", [{}, {"X-API-Version": "1"}, {"X-API-Version": "99"}])
def test_a_version_that_does_not_exist_is_an_address_that_leads_nowhere(martine, path, headers):
    answer = martine.get(path, headers=headers)
    assert answer.status_code == 404
    assert answer.json() == NOWHERE
    assert "X-API-Version" not in answer


@pytest.mark.parametrize("asked", ["1", "v1", "V1", " 1 ", "latest", "LATEST", "", None])
def test_the_header_chooses_where_the_address_names_no_version(martine, asked):
    answer = martine.get("/api/absences", headers={} if asked is None else {"X-API-Version": asked})
    assert answer.status_code == 200
    assert answer["X-API-Version"] == "1"
    assert "X-API-Version" in answer["Vary"]


@pytest.mark.parametrize("asked", RUBBISH)
def test_a_header_that_names_no_version_is_told_which_there_are(martine, anonymous, asked):
    for client in (martine, anonymous):
        for method in ("GET", "POST", "OPTIONS", "BREW"):
            answer = client.generic(method, "/api/absences", "", headers={"X-API-Version": asked})
            assert answer.status_code == 400
            assert answer.json()["errors"] == [{"base": "unknown_version"}]
            assert answer.json()["versions"] == [V1]
            assert "X-API-Version" not in answer.headers
            assert "X-API-Version" in answer["Vary"]
            assert len(answer.content) < 500


def test_nobody_is_asked_who_they_are_for_a_version_that_there_is_not(cast, martine, django_assert_num_queries):
    for client, headers in ((martine, {}), (WireClient(), {"access-token": "A" * 22, "client": "B" * 22, "uid": "c"})):
        with django_assert_num_queries(0):
            answer = client.get("/api/absences", headers=headers | {"X-API-Version": "99"})
        assert answer.status_code == 400
        assert "access-token" not in answer.headers


def test_it_is_told_in_both_languages(anonymous, db):
    for language, sentence in (
        ("fr", "La version « 99 » n'existe pas. Versions disponibles : 1, latest."),
        ("en", "There is no version “99”. Versions available: 1, latest."),
    ):
        answer = anonymous.get("/api/me", headers={"X-API-Version": "99", "Accept-Language": language})
        assert answer.json()["error_messages"] == [sentence]


@pytest.mark.parametrize("start", ["/api/v1", "/api/1", "/api/latest"])
@pytest.mark.parametrize("asked", ["99", "latest", "rubbish"])
def test_an_address_that_names_a_version_does_not_read_the_header(martine, start, asked):
    answer = martine.get(f"{start}/absences", headers={"X-API-Version": asked})
    assert answer.status_code == 200
    assert answer["X-API-Version"] == "1"
    assert "X-API-Version" not in answer["Vary"]


@pytest.mark.parametrize("start", ["/api/v1", "/api/1", "/api/latest"])
def test_every_answer_under_a_version_tells_it(cast, martine, anonymous, start):
    seen = martine.get(f"{start}/agents")
    answers = {
        200: seen,
        204: martine.delete(f"{start}/absences/{AbsenceFactory(agent=cast.bruno).pk}"),
        304: martine.get(f"{start}/agents", headers={"If-None-Match": seen["ETag"]}),
        400: martine.post(f"{start}/absences", "{"),
        401: anonymous.get(f"{start}/agents"),
        404: martine.get(f"{start}/nulle-part"),
        405: martine.delete(f"{start}/agents"),
    }
    preflight = {"Origin": "https://app.test", "Access-Control-Request-Method": "PUT"}
    assert {status: answer.status_code for status, answer in answers.items()} == {status: status for status in answers}
    for answer in (
        *answers.values(),
        martine.options(f"{start}/agents"),
        anonymous.options(start + "/me", headers=preflight),
    ):
        assert answer["X-API-Version"] == "1"


def test_an_answer_to_an_address_without_version_tells_it_too(cast, martine, anonymous):
    seen = martine.get("/api/agents")
    for answer in (
        seen,
        martine.get("/api/agents", headers={"If-None-Match": seen["ETag"]}),
        anonymous.get("/api/agents"),
        martine.delete("/api/agents"),
        martine.post("/api/absences", "{"),
        martine.options("/api/agents"),
    ):
        assert answer["X-API-Version"] == "1"
        assert "X-API-Version" in answer["Vary"]


def test_a_request_that_gets_no_turn_is_told_the_version_of_its_address(door):
    assert _refused_at_the_door("/api/latest/absences")["X-API-Version"] == "1"
    assert "X-API-Version" not in _refused_at_the_door("/api/absences")


def _refused_at_the_door(path):
    told = {}
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": path, "HTTP_HOST": "testserver"}
    next(iter(application.application.refusals.values()))(environ, lambda status, headers: told.update(headers))
    return told


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/auth/jwks", "/.well-known/jwks.json", "/health/live"])
def test_what_is_outside_of_any_version_does_not_read_the_header(anonymous, db, path):
    answer = anonymous.get(path, headers={"X-API-Version": "99"})
    assert answer.json().get("errors") != [{"base": "unknown_version"}]
    assert "X-API-Version" not in answer.headers


def test_signing_in_for_a_json_web_token_stays_where_it_is(cast, anonymous):
    sent = {"email": cast.martine.email, "password": PASSWORD}
    answer = anonymous.post("/api/auth/login", sent, headers={"X-API-Version": "99"})
    assert answer.status_code == 200
    assert "X-API-Version" not in answer
    for start in ("/api/v1", "/api/1", "/api/latest"):
        assert anonymous.post(f"{start}/auth/login", sent).status_code == 404


@pytest.mark.parametrize("start", ["/api/v1", *ALIASES])
def test_the_api_is_switched_off_under_every_address(anonymous, settings, start):
    settings.RDV_API = False
    assert anonymous.get(f"{start}/absences").json()["errors"] == [{"base": "api_disabled"}]


def test_our_own_links_name_the_version():
    assert reverse("me") == "/api/v1/me"


def test_a_version_is_deprecated_from_its_day_on(now):
    version = Version(
        "1",
        since=datetime.date(2026, 1, 1),
        deprecated_on=datetime.date(2026, 11, 17),
        sunset_on=datetime.date(2027, 11, 17),
    )
    assert version.state == "supported"
    now.tick(15 * 60 * 60)
    assert version.state == "deprecated"
    assert version.told() == V1 | {
        "state": "deprecated",
        "since": "2026-01-01",
        "deprecated_on": "2026-11-17",
        "sunset_on": "2027-11-17",
    }


def test_the_answers_of_a_deprecated_version_say_so(martine, monkeypatch):
    ending = Version("1", datetime.date(2026, 1, 1), datetime.date(2026, 12, 1), datetime.date(2027, 12, 1))
    monkeypatch.setattr(versioning, "VERSIONS", (ending,))
    for path in ("/api/v1/agents", "/api/latest/agents", "/api/agents", "/api/v1/nulle-part"):
        answer = martine.get(path)
        assert answer["Deprecation"] == "@1796083200"
        assert answer["Sunset"] == "Wed, 01 Dec 2027 00:00:00 GMT"
        assert '<http://testserver/versions>; rel="deprecation"; type="text/html"' in answer["Link"]
    assert "Deprecation" not in martine.get("/api/auth/jwks")


def test_today_nothing_is_about_to_end(martine):
    assert [version.told() for version in VERSIONS] == [V1]
    assert not {"Deprecation", "Sunset"} & martine.get("/api/v1/agents").headers.keys()
