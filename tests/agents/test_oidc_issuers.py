"""Row T9: an identity provider rotates its keys, dies, hangs, lies: tokens are refused or put off, never a 500."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from agents.authentication.jwt import issuers
from rdv.api.turns import Turns
from rdv.settings import OidcIssuer
from tests.conftest import WireClient
from tests.identity_provider import AUDIENCE, DISCOVERY, KEYS, SUB, IdentityProvider, private_key, public_jwk

from .test_jwt import AGENTS, bearer
from .test_oidc import known, refused

pytestmark = pytest.mark.django_db


def put_off(text, after="10"):
    answer = WireClient().get(AGENTS, headers=bearer(text) | {"Accept-Language": "en"})
    assert answer.status_code == 503, answer.content
    assert answer.json()["errors"] == [{"base": "identity_provider_unavailable"}]
    assert answer.json()["error_messages"] == ["The identity provider does not answer. Please try again in a moment."]
    assert answer["Retry-After"] == after
    assert "WWW-Authenticate" not in answer


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(issuers, "PATIENCE", 0.3)
    monkeypatch.setattr(issuers, "LONGEST", 0.3)
    monkeypatch.setattr(issuers, "STEP", 0.2)


def test_a_new_key_is_asked_for_but_not_more_than_once_in_thirty_seconds(now, known_there, provider):
    assert known(provider.token(sub=SUB))
    provider.rotate()
    refused(provider.token(sub=SUB))
    assert len(provider.asked) == 2
    now.tick(31)
    assert known(provider.token(sub=SUB))
    assert len(provider.asked) == 4
    provider.kid = "key 0"
    assert known(provider.token(sub=SUB))
    for _time in range(3):
        refused(provider.token({"kid": "no such key"}, sub=SUB))
    assert len(provider.asked) == 4


def test_a_key_that_its_issuer_dropped_is_forgotten(now, known_there, provider):
    text = provider.token(sub=SUB, exp=int(time.time()) + 9999)
    assert known(text)
    del provider.keys["key 0"]
    provider.rotate()
    now.tick(601)
    refused(text)


def test_while_its_issuer_is_dead_a_key_is_good_for_an_hour(now, known_there, provider):
    text = provider.token(sub=SUB, exp=int(time.time()) + 9999)
    assert known(text)
    provider.die()
    now.tick(3500)
    assert known(text)
    now.tick(200)
    put_off(text)


def test_a_dead_issuer(known_there, provider):
    provider.die()
    put_off(provider.token(sub=SUB))


def test_an_unknown_key_of_a_dead_issuer(now, known_there, provider):
    assert known(provider.token(sub=SUB))
    provider.die()
    now.tick(31)
    put_off(provider.token({"kid": "new"}, sub=SUB))
    assert known(provider.token(sub=SUB))


def test_that_an_issuer_does_not_answer_is_remembered_for_some_seconds(now, known_there, provider):
    provider.lie(DISCOVERY, {}, 500)
    text = provider.token(sub=SUB)
    put_off(text)
    now.tick(4)
    put_off(text, after="6")
    assert provider.asked == [DISCOVERY]
    provider.be_honest()
    now.tick(6)
    assert known(text)


def test_after_those_seconds_it_is_asked_anew_however_long_it_takes_to_tell_who_waited(
    now, monkeypatch, known_there, provider
):
    told = threading.Event()

    class Question(Future):
        def set_exception(self, error):
            super().set_exception(error)
            told.wait(60)

    monkeypatch.setattr(issuers, "Future", Question)
    provider.lie(DISCOVERY, {}, 500)
    text = provider.token(sub=SUB)
    put_off(text)
    provider.be_honest()
    now.tick(10)
    try:
        assert known(text)
    finally:
        told.set()


@pytest.mark.parametrize("path", [DISCOVERY, KEYS])
@pytest.mark.parametrize(
    ("document", "status"),
    [
        (b"", 200),
        (b"not json", 200),
        (b"\xff\xfe", 200),
        (b"[" * 100_000, 200),
        (b"<html>", 404),
        (b"{}", 200),
        (b"[]", 200),
        (b"null", 200),
        (b'{"issuer":"https://autre.test","jwks_uri":"https://autre.test/keys"}', 200),
        (b'{"keys":{}}', 200),
        (b'{"keys":null}', 200),
        (b"{}" + b" " * 300_000, 200),
        (b'{"keys":[]}', 500),
        (b'{"keys":[]}', 204),
    ],
)
def test_a_document_that_is_none(known_there, provider, path, document, status):
    provider.lie(path, document, status)
    put_off(provider.token(sub=SUB))


@pytest.mark.parametrize("path", [DISCOVERY, KEYS])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nobody_is_followed_elsewhere(known_there, provider, path, status):
    provider.lie(path, b"", status, Location=f"{provider.issuer}/elsewhere")
    provider.lie("/elsewhere", provider.document(path))
    put_off(provider.token(sub=SUB))
    assert "/elsewhere" not in provider.asked


def test_the_discovery_document_of_another_issuer(known_there, provider):
    for issuer in (f"{provider.issuer}/", provider.issuer.upper(), "", None, [provider.issuer]):
        issuers.Issuer._all.clear()
        provider.lie(DISCOVERY, provider.document(DISCOVERY) | {"issuer": issuer})
        put_off(provider.token(sub=SUB))


@pytest.mark.parametrize(
    "address",
    [
        None,
        1,
        [],
        "",
        "/keys",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "http://192.0.2.1/keys",
        "http://[",
        "http://127.0.0.1:99999/k",
        "http://127.0.0.1:x/k",
    ],
)
def test_keys_at_an_address_that_may_not_be_asked(known_there, provider, address):
    provider.lie(DISCOVERY, provider.document(DISCOVERY) | {"jwks_uri": address})
    put_off(provider.token(sub=SUB))


def test_keys_that_are_none_are_left_aside(known_there, provider):
    good = provider.document(KEYS)["keys"]
    other = public_jwk(private_key("ES384"), "ES384", kid="key 0")
    strange = [
        *(None, 1, "x", [], {}, {"kty": "EC"}, {"kty": "EC", "crv": "P-256", "x": 1, "y": []}, {"kty": 1}),
        *({"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "key 0"}, {"kty": "oct", "k": "AAAA", "kid": "key 0"}),
        *(good[0] | more for more in ({"kid": 1}, {"kid": []}, {"d": "AAAA"}, {"alg": "ES384"}, {"use": "enc"})),
        other,
    ]
    provider.lie(KEYS, {"keys": [*strange, *good]})
    assert known(provider.token(sub=SUB))
    issuers.Issuer._all.clear()
    provider.lie(KEYS, {"keys": strange})
    refused(provider.token(sub=SUB))


def test_a_weak_key_signs_for_nobody(known_there, provider):
    provider.keys = {provider.kid: ("RS256", rsa.generate_private_key(65537, 1024))}
    with pytest.warns(match="key is 1024 bits"):
        text = provider.token(sub=SUB)
    refused(text)


@pytest.mark.parametrize("path", [DISCOVERY, KEYS])
def test_an_issuer_that_hangs(impatient, known_there, provider, path):
    provider.hang(path)
    started = time.monotonic()
    put_off(provider.token(sub=SUB))
    put_off(provider.token(sub=SUB))
    assert time.monotonic() - started < 4
    assert provider.asked.count(path) == 1


@pytest.mark.parametrize("path", [DISCOVERY, KEYS])
def test_an_issuer_that_dawdles(impatient, known_there, provider, path):
    provider.dawdle(path)
    started = time.monotonic()
    put_off(provider.token(sub=SUB))
    assert time.monotonic() - started < 4


def test_an_issuer_that_answers_too_late_is_heard_all_the_same(settings, monkeypatch, known_there, provider):
    monkeypatch.setattr(issuers, "PATIENCE", 0.2)
    late = threading.Event()
    provider._lies[DISCOVERY] = lambda handler: late.wait(60) and provider.answer(handler, provider.document(DISCOVERY))
    text = provider.token(sub=SUB)
    put_off(text)
    late.set()
    (issuer,) = settings.RDV_OIDC_ISSUERS
    deadline = time.monotonic() + 60
    while issuers.Issuer.of(issuer)._keys is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert known(text)


def test_one_question_at_a_time(settings, known_there, provider):
    answer, keys = threading.Event(), provider.document(KEYS)
    provider._lies[KEYS] = lambda handler: answer.wait(10) and provider.answer(handler, keys)
    (configuration,) = settings.RDV_OIDC_ISSUERS
    issuer = issuers.Issuer.of(configuration)
    with ThreadPoolExecutor(8) as threads:
        asking = [threads.submit(issuer.key, "key 0", "ES256") for _ in range(8)]
        time.sleep(0.2)
        answer.set()
        assert all(one.result(10) for one in asking)
    assert provider.asked == [DISCOVERY, KEYS]


def test_who_waits_for_an_issuer_keeps_nobody_from_their_turn(settings, provider):
    turns, answer, keys = Turns(), threading.Event(), provider.document(KEYS)
    asked = threading.Event()

    def when_told(handler):
        asked.set()
        answer.wait(10)
        provider.answer(handler, keys)

    provider._lies[KEYS] = when_told
    (configuration,) = settings.RDV_OIDC_ISSUERS

    def ask():
        with turns.turn():
            return issuers.Issuer.of(configuration).key("key 0", "ES256")

    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(ask)
        assert asked.wait(10)
        with turns.turn():
            answer.set()
        assert asking.result(10)


def test_each_issuer_has_keys_of_its_own(settings, known_there, provider):
    with IdentityProvider() as other:
        theirs = OidcIssuer(other.issuer, (AUDIENCE,), match=("email",))
        settings.RDV_OIDC_ISSUERS = (*settings.RDV_OIDC_ISSUERS, theirs)
        assert known(provider.token(sub=SUB))
        assert known(other.token(email=known_there.email, email_verified=True))
        refused(other.token(sub=SUB, iss=provider.issuer))


def test_the_address_of_an_issuer_with_a_path(settings, known_there, provider):
    path = "/realms/agents"
    issuer = f"{provider.issuer}{path}"
    provider.lie(f"{path}{DISCOVERY}", {"issuer": issuer, "jwks_uri": f"{provider.issuer}{KEYS}"})
    settings.RDV_OIDC_ISSUERS = (OidcIssuer(issuer, (AUDIENCE,)),)
    assert known(provider.token(sub=SUB, iss=issuer))


def test_what_the_log_says(known_there, provider, caplog):
    provider.lie(DISCOVERY, {"issuer": "https://autre.test"})
    text = provider.token(sub=SUB)
    put_off(text)
    assert f"The keys of {provider.issuer} are not to be had" in caplog.text
    assert text not in caplog.text
    assert json.dumps(SUB) not in caplog.text
