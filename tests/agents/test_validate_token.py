"""Contract 2.8: `GET /api/v1/auth/validate_token`, whether a triple is good and whose it is."""

from __future__ import annotations

from tests.factories import PASSWORD

from .test_sign_in import BAD_CREDENTIALS, CREDENTIAL_HEADERS, SIGN_IN

VALIDATE = "/api/v1/auth/validate_token"


def test_answers_the_account_as_sign_in_does(cast, sign_in, anonymous):
    signed_in = anonymous.post(SIGN_IN, {"email": cast.martine.email, "password": PASSWORD})
    answer = sign_in(cast.martine).get(VALIDATE)
    assert answer.status_code == 200
    assert list(answer.json()) == ["success", "data"]
    assert answer.json() == {"success": True, "data": signed_in.json()["data"]}


def test_repeats_the_triple_presented(now, cast, sign_in):
    martine = sign_in(cast.martine)
    answer = martine.get(VALIDATE)
    assert {name: answer[name] for name in martine.triple} == martine.triple
    assert answer["token-type"] == "Bearer"
    assert answer["expiry"] == "1794906000"


def test_refuses_without_a_triple(anonymous, db):
    answer = anonymous.get(VALIDATE)
    assert answer.status_code == 401
    assert answer.json() == BAD_CREDENTIALS
    assert answer["WWW-Authenticate"] == 'Bearer realm="rdv"'
    assert not any(name in answer for name in CREDENTIAL_HEADERS)


def test_a_refused_triple_has_the_same_body_and_says_why_in_a_header(cast, sign_in):
    martine = sign_in(cast.martine)
    martine.triple["access-token"] = "a" * 22
    answer = martine.get(VALIDATE)
    assert answer.json() == BAD_CREDENTIALS
    assert answer["WWW-Authenticate"] == 'Bearer error="invalid_token", error_description="unknown", realm="rdv"'


def test_the_shared_secret_is_ignored(cast, anonymous, settings):
    settings.RDV_SHARED_SECRET = "cle-de-test"
    answer = anonymous.get(VALIDATE, headers={"X-Agent-Auth-Signature": "faux", "uid": cast.martine.email})
    assert answer.json() == BAD_CREDENTIALS


def test_head_is_served(cast, sign_in):
    answer = sign_in(cast.martine).head(VALIDATE)
    assert answer.status_code == 200
    assert answer["uid"] == cast.martine.email
