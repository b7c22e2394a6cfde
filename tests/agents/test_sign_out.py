"""Contract 2.8: `DELETE /api/v1/auth/sign_out`, this client's token dies at once."""

from __future__ import annotations

import pytest
from django.test import Client

from .test_sign_in import CREDENTIAL_HEADERS

SIGN_OUT = "/api/v1/auth/sign_out"


def test_answers_success_and_no_credential(cast, sign_in):
    answer = sign_in(cast.martine).delete(SIGN_OUT)
    assert answer.status_code == 200
    assert answer.json() == {"success": True}
    assert not any(name in answer for name in CREDENTIAL_HEADERS)


def test_the_triple_is_refused_from_then_on(cast, sign_in):
    martine = sign_in(cast.martine)
    martine.delete(SIGN_OUT)
    answer = martine.get("/api/v1/agents")
    assert answer.status_code == 401
    assert 'error_description="revoked"' in answer["WWW-Authenticate"]


def test_the_other_clients_of_the_agent_stay(cast, sign_in):
    one, other = sign_in(cast.martine), sign_in(cast.martine)
    one.delete(SIGN_OUT)
    assert other.get("/api/v1/agents").status_code == 200


@pytest.mark.parametrize("everywhere", ["true", "TRUE", "1"])
def test_everywhere_ends_every_client_of_the_agent_and_no_other(cast, sign_in, everywhere):
    one, other, bruno = sign_in(cast.martine), sign_in(cast.martine), sign_in(cast.bruno)
    one.delete(f"{SIGN_OUT}?everywhere={everywhere}")
    assert other.get("/api/v1/agents").status_code == 401
    assert bruno.get("/api/v1/agents").status_code == 200


def test_everywhere_false_ends_this_client_only(cast, sign_in):
    one, other = sign_in(cast.martine), sign_in(cast.martine)
    one.delete(f"{SIGN_OUT}?everywhere=false")
    assert other.get("/api/v1/agents").status_code == 200


def test_without_a_triple_it_is_404(anonymous, db):
    answer = anonymous.delete(SIGN_OUT)
    assert answer.status_code == 404
    assert answer.json() == {"success": False, "errors": ["L'utilisateur est inconnu ou n'est pas connecté."]}
    assert "WWW-Authenticate" not in answer


def test_with_a_triple_that_is_dead_already_it_is_404(cast, sign_in):
    martine = sign_in(cast.martine)
    martine.delete(SIGN_OUT)
    assert martine.delete(SIGN_OUT).status_code == 404


def test_the_shared_secret_is_no_triple(cast, anonymous, settings):
    settings.RDV_SHARED_SECRET = "cle-de-test"
    answer = anonymous.delete(SIGN_OUT, headers={"X-Agent-Auth-Signature": "", "uid": cast.martine.email})
    assert answer.status_code == 404


@pytest.mark.parametrize("verb", ["get", "post", "put"])
def test_another_verb_is_405_whoever_asks(anonymous, db, verb):
    answer = getattr(anonymous, verb)(SIGN_OUT)
    assert answer.status_code == 405
    assert answer["Allow"] == "DELETE, OPTIONS"


def test_everywhere_ends_the_sessions_of_browsers_too(cast, sign_in):
    browser, other = Client(), Client()
    browser.force_login(cast.martine, backend="agents.backends.PasswordBackend")
    other.force_login(cast.bruno, backend="agents.backends.PasswordBackend")
    sign_in(cast.martine).delete(f"{SIGN_OUT}?everywhere=true")
    assert browser.get("/cles").status_code == 302
    assert other.get("/cles").status_code == 200
