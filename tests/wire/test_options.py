"""OPTIONS, `Allow` and 405 (design decision 1): what an address is for is told to anyone; HEAD is served with GET."""

from __future__ import annotations

import pytest

from tests.factories import AbsenceFactory

VERBS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"}
ALLOWED = {
    "/api/v1/absences": "GET, POST, HEAD, OPTIONS",
    "/api/v1/absences/1": "GET, PUT, PATCH, DELETE, HEAD, OPTIONS",
    "/api/v1/agents": "GET, HEAD, OPTIONS",
    "/api/v1/organisations": "GET, HEAD, OPTIONS",
    "/api/v1/organisations/1": "GET, PUT, PATCH, HEAD, OPTIONS",
    "/api/v1/services": "GET, HEAD, OPTIONS",
    "/api/v1/me": "GET, HEAD, OPTIONS",
    "/api/v1/auth/sign_in": "POST, OPTIONS",
    "/api/v1/auth/sign_out": "DELETE, OPTIONS",
    "/api/v1/auth/validate_token": "GET, HEAD, OPTIONS",
    "/api/v1/auth/password": "POST, PUT, PATCH, OPTIONS",
    "/api/v1/auth/password/edit": "GET, HEAD, OPTIONS",
}


def verbs(allow):
    return set(allow.split(", "))


@pytest.mark.parametrize(("path", "allow"), ALLOWED.items())
def test_options_answers_anyone_with_what_the_address_is_for(anonymous, db, path, allow):
    answer = anonymous.options(path)
    assert answer.status_code == 200
    assert verbs(answer["Allow"]) == verbs(allow)
    assert answer["Content-Type"] == "application/json; charset=utf-8"
    assert set(answer.json()["actions"]) == verbs(allow) - {"OPTIONS"}


@pytest.mark.parametrize(("path", "allow"), ALLOWED.items())
def test_a_verb_that_an_address_does_not_have_is_405_with_those_it_has(cast, anonymous, sign_in, path, allow):
    for caller in (anonymous, sign_in(cast.martine)):
        for verb in VERBS - verbs(allow):
            answer = caller.generic(verb, path)
            assert answer.status_code == 405, verb
            assert verbs(answer["Allow"]) == verbs(allow)


def test_options_tells_the_fields_with_their_types_and_formats(cast, sign_in):
    described = sign_in(cast.martine).options("/api/v1/absences").json()
    assert described["actions"]["POST"] == {
        "first_day": {"type": "date", "format": "YYYY-MM-DD"},
        "start_time": {"type": "time", "format": "H:m[:s]"},
        "end_time": {"type": "time", "format": "H:m[:s]"},
        "rrule": {"type": "rule"},
        "exdates": {"type": "days"},
        "agent": {"type": "identifier"},
        "title": {"type": "text"},
        "end_day": {"type": "date", "format": "YYYY-MM-DD"},
        "organisation_id": {"type": "identifier"},
        "kind": {"type": "choice"},
        "period": {"type": "choice"},
        "private": {"type": "flag"},
        "external_ids": {"type": "externalids"},
    }
    assert described["actions"]["GET"] == {}
    assert "changed_since" in described["filters"]


def test_options_repeats_a_good_credential(cast, sign_in):
    martine = sign_in(cast.martine)
    answer = martine.options("/api/v1/absences")
    assert {name: answer[name] for name in martine.triple} == martine.triple


def test_options_does_not_mind_a_bad_credential(anonymous, db):
    answer = anonymous.options("/api/v1/auth/sign_out", headers={"access-token": "faux"})
    assert answer.status_code == 200
    assert "access-token" not in answer


def test_options_changes_nothing_and_reads_no_body(cast, sign_in):
    absence = AbsenceFactory(agent=cast.bruno)
    answer = sign_in(cast.martine).options(f"/api/v1/absences/{absence.pk}", "{", content_type="application/json")
    assert answer.status_code == 200
    absence.refresh_from_db()
    assert absence.version == 1


@pytest.mark.parametrize("path", [path for path, allow in ALLOWED.items() if "HEAD" in allow and "edit" not in path])
def test_head_answers_as_get_does_without_the_body(cast, sign_in, path):
    absence = AbsenceFactory(agent=cast.bruno, pk=1)
    assert absence.pk == 1
    path = path.replace("organisations/1", f"organisations/{cast.mds.pk}")
    martine = sign_in(cast.martine)
    got, head = martine.get(path), martine.head(path)
    assert got.status_code == head.status_code == 200
    assert head.content == b""
    assert {name for name in got.headers if name != "Content-Length"} == {
        name for name in head.headers if name != "Content-Length"
    }
