"""Contract 1.3, 1.7, 1.8: one shape for each error, whoever raises it."""

from __future__ import annotations

import pytest
from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation, ValidationError
from django.http import Http404, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions

from agents.views.sessions import Me
from tests.factories import AgentFactory, OrganisationFactory

REFUSED = {"errors": ["Vous devez vous connecter ou vous inscrire pour continuer."]}
FORBIDDEN = {
    "errors": [{"base": "forbidden"}],
    "error_messages": ["Vous n’avez pas les droits suffisants pour accéder à cette page ou effectuer cette action"],
}
NOWHERE = {"success": False, "errors": ["not_found"]}
MALFORMED = {
    "success": False,
    "errors": [{"base": "bad_request"}],
    "error_messages": ["La requête est mal formée."],
}
BUG = {
    "success": False,
    "errors": [{"base": "internal_server_error"}],
    "error_messages": ["Une erreur interne est survenue."],
}


@pytest.fixture
def martine(cast, sign_in):
    return sign_in(cast.martine)


@pytest.mark.parametrize(
    ("raised", "status", "body"),
    [
        (exceptions.NotAuthenticated(), 401, REFUSED),
        (exceptions.AuthenticationFailed(), 401, REFUSED),
        (PermissionDenied(), 403, FORBIDDEN),
        (exceptions.PermissionDenied(), 403, FORBIDDEN),
        (Http404(), 404, NOWHERE),
        (exceptions.NotFound(), 404, NOWHERE),
        (exceptions.ParseError(), 400, MALFORMED),
        (BadRequest(), 400, MALFORMED),
        (SuspiciousOperation(), 400, MALFORMED),
        (MultiPartParserError(), 400, MALFORMED),
        (UnreadablePostError(), 400, MALFORMED),
        (RuntimeError("a bug"), 500, BUG),
        (RecursionError(), 500, BUG),
        (MemoryError(), 500, BUG),
    ],
)
def test_whatever_is_raised_has_its_shape(martine, monkeypatch, raised, status, body):
    def fail(self, request):
        raise raised

    martine.described = False  # no view raises all of these
    monkeypatch.setattr(Me, "get", fail)
    answer = martine.get("/api/v1/me")
    assert answer.status_code == status
    assert answer.json() == body


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (exceptions.MethodNotAllowed("GET"), 405, "method_not_allowed"),
        (exceptions.UnsupportedMediaType("a/b"), 415, "unsupported_media_type"),
        (RequestDataTooBig(), 413, "payload_too_large"),
    ],
)
def test_the_errors_of_our_own_have_a_code_and_a_sentence(martine, monkeypatch, raised, status, code):
    def fail(self, request):
        raise raised

    martine.described = False  # no view raises all of these
    monkeypatch.setattr(Me, "get", fail)
    answer = martine.get("/api/v1/me")
    assert answer.status_code == status
    assert answer.json()["errors"] == [{"base": code}]
    assert len(answer.json()["error_messages"]) == 1
    assert answer.json()["success"] is False


def test_an_invalid_record_groups_by_attribute_and_tells_each_failure(martine, monkeypatch):
    def fail(self, request):
        raise ValidationError(
            {
                "a": [ValidationError("trop %(count)s", code="many", params={"count": 3}), ValidationError("non.")],
                "__all__": [ValidationError("en tout")],
            }
        )

    martine.described = False  # no view raises all of these
    monkeypatch.setattr(Me, "get", fail)
    answer = martine.get("/api/v1/me")
    assert answer.status_code == 422
    assert answer.json() == {
        "success": False,
        "errors": {
            "a": [{"error": "many", "count": 3}, {"error": "non."}],
            "base": [{"error": "en tout"}],
        },
        "error_messages": ["a trop 3", "a non.", "base en tout"],
    }


def test_a_bug_is_logged_with_its_trace(martine, monkeypatch, caplog):
    def fail(self, request):
        raise RuntimeError("a bug")

    monkeypatch.setattr(Me, "get", fail)
    martine.get("/api/v1/me")
    (record,) = [record for record in caplog.records if record.exc_info and record.exc_info[0] is RuntimeError]
    assert record.levelname == "ERROR"


def test_malformed_json_is_400_and_says_where(martine):
    answer = martine.post("/api/v1/absences", '{\n "title": oui}')
    assert answer.status_code == 400
    assert answer.json() == {
        "success": False,
        "errors": [{"base": "bad_request"}],
        "error_messages": ["Le corps de la requête n'est pas un JSON valide."],
        "hint": "ligne 2, colonne 11",
    }


def test_malformed_json_of_a_stranger_is_401(anonymous, db):
    assert anonymous.post("/api/v1/absences", "{").status_code == 401


def test_malformed_json_is_refused_before_the_record_is_looked_for(martine):
    assert martine.put("/api/v1/absences/999", "{").status_code == 400
    assert martine.delete("/api/v1/absences/999").status_code == 404


def test_an_unknown_address_is_404_for_a_stranger_too(anonymous, db):
    answer = anonymous.get("/api/v1/nulle-part")
    assert answer.status_code == 404
    assert answer.json() == NOWHERE


def test_an_address_outside_of_the_api_is_404_in_json(anonymous, db):
    answer = anonymous.get("/nulle-part")
    assert answer.status_code == 404
    assert answer.json() == NOWHERE


@pytest.mark.parametrize("key", ["999999", "inconnu", "9" * 30])
def test_an_unknown_absence_is_named(martine, key):
    for verb in ("get", "put", "delete"):
        answer = getattr(martine, verb)(f"/api/v1/absences/{key}")
        assert answer.status_code == 404
        assert answer.json() == {"not_found": "absence"}


def test_an_unknown_organisation_is_named_in_english(martine):
    answer = martine.get("/api/v1/organisations/999999")
    assert answer.status_code == 404
    assert answer.json() == {"success": False, "errors": ["Couldn't find Organisation with 'id'=999999"]}


def test_forbidden_has_no_success_key(cast, sign_in):
    organisation = OrganisationFactory()
    agent = AgentFactory(basic_in=[organisation])
    answer = sign_in(agent).put(f"/api/v1/organisations/{organisation.pk}", {"name": "Autre"})
    assert answer.status_code == 403
    assert answer.json() == FORBIDDEN


def test_a_wrong_verb_names_itself_and_those_allowed(martine):
    answer = martine.delete("/api/v1/agents")
    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD, OPTIONS"
    assert answer.json() == {
        "success": False,
        "errors": [{"base": "method_not_allowed"}],
        "error_messages": ["La méthode DELETE n'est pas acceptée à cette adresse."],
    }


def test_a_refused_host_is_400_in_json(anonymous, db):
    answer = anonymous.post("/api/v1/auth/sign_in", {}, headers={"Host": "ailleurs.test"})
    assert answer.status_code == 400
    assert answer.json() == MALFORMED
