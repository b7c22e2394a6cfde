"""Guessing passwords is slowed (429, `Retry-After`), and tells nobody which emails exist (contract 1.7, 2.3)."""

from __future__ import annotations

import argon2
import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings as configured
from django.contrib.auth import hashers

from agents.models import Agent
from rdv.api.client import address_of
from tests.conftest import PlainHasher, WireClient
from tests.factories import PASSWORD, AgentFactory

from .test_sign_in import BAD_CREDENTIALS, SIGN_IN

KNOWN = "martine@demo.rdv-solidarites.fr"
UNKNOWN = "personne@exemple.test"
QUARTER = 15 * 60
OURS = configured.PASSWORD_HASHERS  # before the tests are given a quick one


def guess(client, email=KNOWN, times=10, password="faux", **extra):
    return [client.post(SIGN_IN, {"email": email, "password": password}, **extra) for _ in range(times)]


@pytest.mark.parametrize("email", [KNOWN, UNKNOWN])
def test_after_ten_failures_the_next_try_waits_whoever_it_is(now, cast, anonymous, email):
    failures = guess(anonymous, email)
    assert {answer.status_code for answer in failures} == {401}
    assert {answer.content for answer in failures} == {failures[0].content}
    now.tick(60)
    answer = anonymous.post(SIGN_IN, {"email": email, "password": "faux"})
    assert answer.status_code == 429
    assert answer["Retry-After"] == str(QUARTER - 60)
    assert answer["RateLimit-Limit"] == "10"
    assert answer["RateLimit-Remaining"] == "0"
    assert answer["Content-Type"] == "application/json"
    assert answer.json() == {"errors": ["Limite d'appels API atteinte. Merci de patienter.\n"]}


def test_the_right_password_waits_too(now, cast, anonymous):
    guess(anonymous)
    assert anonymous.post(SIGN_IN, {"email": KNOWN, "password": PASSWORD}).status_code == 429


def test_a_try_while_waiting_does_not_make_one_wait_longer(now, cast, anonymous):
    guess(anonymous)
    now.tick(QUARTER - 1)
    assert guess(anonymous, times=1)[0]["Retry-After"] == "1"
    now.tick(2)
    assert anonymous.post(SIGN_IN, {"email": KNOWN, "password": PASSWORD}).status_code == 200


def test_success_forgets_the_failures(now, cast, anonymous):
    for _ in range(2):
        guess(anonymous, times=9)
        assert anonymous.post(SIGN_IN, {"email": KNOWN, "password": PASSWORD}).status_code == 200


def test_another_spelling_of_the_email_does_not_help(now, cast, anonymous):
    guess(anonymous, times=5)
    guess(anonymous, email=f" {KNOWN.upper()} ", times=5)
    assert anonymous.post(SIGN_IN, {"email": KNOWN, "password": PASSWORD}).status_code == 429


def test_another_program_at_the_same_address_does_not_help(now, cast, anonymous):
    for number in range(10):
        guess(anonymous, times=1, headers={"User-Agent": f"program {number}"})
    assert anonymous.post(SIGN_IN, {"email": KNOWN, "password": PASSWORD}).status_code == 429


def test_another_email_does_not_wait(now, cast, anonymous):
    guess(anonymous)
    assert anonymous.post(SIGN_IN, {"email": cast.bruno.email, "password": PASSWORD}).status_code == 200


def test_a_stranger_elsewhere_cannot_lock_the_agent_out(now, cast, anonymous):
    guess(WireClient(REMOTE_ADDR="192.0.2.66"))
    assert anonymous.post(SIGN_IN, {"email": KNOWN, "password": PASSWORD}).status_code == 200


def test_a_forwarded_address_is_not_believed_without_a_trusted_proxy(now, cast, anonymous):
    for number in range(10):
        guess(anonymous, times=1, headers={"X-Forwarded-For": f"192.0.2.{number}"})
    assert anonymous.post(SIGN_IN, {"email": KNOWN, "password": PASSWORD}).status_code == 429


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "192.0.2.1", "127.0.0.1"),
        (1, "192.0.2.1", "192.0.2.1"),
        (1, "192.0.2.1, 192.0.2.2", "192.0.2.2"),
        (2, "192.0.2.1, 192.0.2.2", "192.0.2.1"),
        (2, "192.0.2.1", "127.0.0.1"),
        (1, "2001:DB8::1", "2001:db8::1"),
        (1, "unknown", "127.0.0.1"),
        (1, "", "127.0.0.1"),
    ],
)
def test_behind_trusted_proxies_the_address_is_the_one_that_they_saw(rf, settings, proxies, forwarded, address):
    settings.RDV_TRUSTED_PROXIES = proxies
    assert address_of(rf.get("/", headers={"X-Forwarded-For": forwarded})) == address


def test_the_other_addresses_of_the_api_do_not_wait(now, cast, anonymous, sign_in):
    martine = sign_in(cast.martine)
    guess(anonymous)
    assert martine.get("/api/v1/agents").status_code == 200


def test_off_slows_nothing(now, cast, anonymous, settings):
    settings.AXES_ENABLED = False
    settings.RDV_SIGN_IN_LIMIT = None
    assert {answer.status_code for answer in guess(anonymous, times=12)} == {401}


@pytest.mark.parametrize("email", [UNKNOWN, "invite@exemple.test", "sans@exemple.test", "ailleurs@exemple.test"])
def test_an_email_that_cannot_sign_in_costs_the_same_hash_as_a_wrong_password(cast, anonymous, monkeypatch, email):
    AgentFactory(email="invite@exemple.test", is_active=False)
    AgentFactory(email="sans@exemple.test", password="!")
    AgentFactory(email="ailleurs@exemple.test", provider="inclusion_connect")
    hashed = []

    def encode(self, password, salt):
        hashed.append(password)
        return f"plain${password}"

    def verify(self, password, encoded):
        return self.encode(password, "") == encoded

    monkeypatch.setattr(PlainHasher, "encode", encode)
    monkeypatch.setattr(PlainHasher, "verify", verify)
    guess(anonymous, times=1)
    known = len(hashed)
    guess(anonymous, email=email, times=1)
    assert len(hashed) - known == known == 1


def test_an_email_that_waits_costs_no_hash_known_or_not(now, cast, anonymous, monkeypatch):
    for email in (KNOWN, UNKNOWN):
        guess(anonymous, email)

    def slow(*args):
        raise AssertionError("A password was hashed for somebody who must wait.")

    monkeypatch.setattr(PlainHasher, "encode", slow)
    monkeypatch.setattr(PlainHasher, "verify", slow)
    for email in (KNOWN, UNKNOWN):
        assert guess(anonymous, email, times=1)[0].status_code == 429


@pytest.mark.parametrize("password", [PASSWORD, "faux"], ids=["right", "wrong"])
def test_a_guess_let_through_before_the_limit_was_reached_elsewhere_is_not_told_whether_it_was_right(
    now, cast, anonymous, monkeypatch, password
):
    verify = PlainHasher.verify

    def meanwhile(self, given, encoded):
        monkeypatch.setattr(PlainHasher, "verify", verify)
        guess(WireClient())
        return verify(self, given, encoded)

    monkeypatch.setattr(PlainHasher, "verify", meanwhile)
    answer = anonymous.post(SIGN_IN, {"email": KNOWN, "password": password})
    assert (answer.status_code, answer["Retry-After"]) == (429, str(QUARTER))
    assert AccessAttempt.objects.get().failures_since_start == 10


@pytest.mark.parametrize(
    ("path", "body", "content_type"),
    [
        (SIGN_IN, '{"email":"martine@demo.rdv-solidarites.fr","password":"Secret-Typed-1"}', "application/json"),
        (
            SIGN_IN,
            "email=martine@demo.rdv-solidarites.fr&password=Secret-Typed-1",
            "application/x-www-form-urlencoded",
        ),
        (f"{SIGN_IN}?email=martine@demo.rdv-solidarites.fr&password=Secret-Typed-1", "{}", "application/json"),
    ],
)
def test_no_password_that_was_tried_is_kept(cast, anonymous, path, body, content_type):
    for _ in range(2):
        assert anonymous.post(path, body, content_type=content_type).json() == BAD_CREDENTIALS
    rows = [row for model in (AccessAttempt, AccessFailureLog, AccessLog) for row in model.objects.values()]
    assert rows
    assert "Secret-Typed-1" not in str(rows)


def test_the_hasher_is_argon2id_as_owasp_recommends(settings):
    settings.PASSWORD_HASHERS = ["agents.passwords.OwaspArgon2Hasher"]
    assert hashers.make_password("x").startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize(
    "older",
    [
        hashers.PBKDF2PasswordHasher().encode(PASSWORD, "salt", iterations=1000),
        "argon2" + argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD),
    ],
    ids=["PBKDF2", "a cheaper Argon2id"],
)
def test_an_older_hash_is_made_anew_at_sign_in(cast, anonymous, settings, older):
    settings.PASSWORD_HASHERS = OURS
    Agent.objects.filter(pk=cast.martine.pk).update(password=older)
    assert anonymous.post(SIGN_IN, {"email": KNOWN, "password": "wrong"}).status_code == 401
    assert Agent.objects.get(pk=cast.martine.pk).password == older
    assert anonymous.post(SIGN_IN, {"email": KNOWN, "password": PASSWORD}).status_code == 200
    renewed = Agent.objects.get(pk=cast.martine.pk).password
    assert renewed.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert anonymous.post(SIGN_IN, {"email": KNOWN, "password": PASSWORD}).status_code == 200
    assert Agent.objects.get(pk=cast.martine.pk).password == renewed
