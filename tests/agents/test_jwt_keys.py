"""Row T9: the keys that our JSON Web Tokens are signed with: made once, published, rotated, useless to a thief."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.management import call_command
from django.db import connection, connections
from jwt.algorithms import ECAlgorithm

from agents.models import SigningKey, signing
from agents.models.signing import Keyring, keyring, rotate

from .test_jwt import AGENTS, bearer, log_in, reason

JWKS = ("/.well-known/jwks.json", "/api/auth/jwks")


@pytest.fixture
def keys(db):
    """The names of the keys that are published."""

    def of(client):
        return {key["kid"] for key in client.get(JWKS[0]).json()["keys"]}

    return of


def test_the_first_login_makes_the_first_key(cast, anonymous, keys):
    assert keys(anonymous) == set()
    token = log_in(cast.martine)
    assert keys(anonymous) == {jwt.get_unverified_header(token)["kid"]}
    log_in(cast.bruno)
    assert SigningKey.objects.count() == 1


@pytest.mark.parametrize("path", JWKS)
def test_the_keys_are_published_without_their_private_half(cast, anonymous, path):
    log_in(cast.martine)
    answer = anonymous.get(path)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "public, max-age=300"
    (key,) = answer.json()["keys"]
    assert key.keys() == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")


def test_where_the_api_is_off_the_keys_are_still_published(settings, anonymous, db):
    settings.RDV_API = False
    assert anonymous.get(JWKS[0]).status_code == 200
    assert anonymous.get(JWKS[1]).status_code == 403


@pytest.mark.parametrize("path", JWKS)
def test_nobody_writes_there(anonymous, path):
    assert anonymous.post(path).status_code == 405


def test_a_stolen_row_signs_nothing(cast):
    log_in(cast.martine)
    row = SigningKey.objects.get()
    with pytest.raises(ValueError, match="Could not deserialize"):
        serialization.load_der_private_key(row.private.encode(), password=None)
    with pytest.raises(InvalidToken):
        Fernet(Fernet.generate_key()).decrypt(row.private)
    public = keyring.public(row.kid)
    assert row.open().public_key() == public  # the secret key of the settings opens it


def test_a_row_of_somebody_else_s_making_counts_for_nothing(cast, anonymous, keys):
    token = log_in(cast.martine)
    claims = jwt.decode(token, options={"verify_signature": False})
    good = SigningKey.objects.get()
    own = ec.generate_private_key(ec.SECP256R1())
    public = ECAlgorithm.to_jwk(own.public_key(), as_dict=True)
    SigningKey.objects.create(kid="mine", public=public, private="x")
    for kid in ("mine", good.kid):
        assert (
            reason(anonymous.get(AGENTS, headers=bearer(jwt.encode(claims, own, "ES256", {"kid": kid})))) == "unknown"
        )
    assert keys(anonymous) == {good.kid}
    SigningKey.objects.filter(pk=good.pk).update(public=public)  # under the name of ours
    keyring.forget()
    forged = jwt.encode(claims, own, "ES256", {"kid": good.kid})
    assert reason(anonymous.get(AGENTS, headers=bearer(forged))) == "unknown"


def test_a_key_that_the_secret_key_no_longer_opens_is_left_aside(settings, cast, anonymous, keys):
    former = log_in(cast.martine)
    settings.SECRET_KEY = "another-" + "1" * 50
    keyring.forget()
    assert reason(anonymous.get(AGENTS, headers=bearer(former))) == "unknown"
    token = log_in(cast.martine)
    assert anonymous.get(AGENTS, headers=bearer(token)).status_code == 200
    assert keys(anonymous) == {jwt.get_unverified_header(token)["kid"]}
    assert SigningKey.objects.count() == 2


def test_rotation_makes_another_key_and_the_former_one_stays_good(now, cast, anonymous, keys):
    former = log_in(cast.martine)
    told = io.StringIO()
    call_command("rotate_signing_keys", stdout=told)
    now.tick(60)  # until every process has read it
    token = log_in(cast.martine)
    names = [jwt.get_unverified_header(one)["kid"] for one in (former, token)]
    assert names[0] != names[1]
    assert names[1] in told.getvalue()
    assert keys(anonymous) == set(names)
    assert all(anonymous.get(AGENTS, headers=bearer(one)).status_code == 200 for one in (former, token))


def test_a_process_that_has_not_heard_of_a_rotation_accepts_what_others_sign(now, cast, anonymous, monkeypatch):
    log_in(cast.martine)
    elsewhere = Keyring()
    now.tick(3)
    rotate()
    kid, private = elsewhere.signing()
    token = log_in(cast.bruno)  # still with the former key
    assert jwt.get_unverified_header(token)["kid"] != kid
    claims = jwt.decode(token, options={"verify_signature": False})
    assert anonymous.get(AGENTS, headers=bearer(jwt.encode(claims, private, "ES256", {"kid": kid}))).status_code == 200


def test_a_retired_key_has_no_private_half_and_is_dropped_in_the_end(now, settings, cast, anonymous, keys):
    log_in(cast.martine)
    former = SigningKey.objects.get()
    key, retired, gone = rotate()
    assert (retired, gone) == (1, 0)
    former.refresh_from_db()
    assert former.private == ""
    now.tick(settings.RDV_JWT_LIFETIME.total_seconds() + 290)
    assert keys(anonymous) == {former.kid, key.kid}
    now.tick(20)
    assert keys(anonymous) == {key.kid}
    assert rotate()[1:] == (1, 1)
    assert not SigningKey.objects.filter(pk=former.pk).exists()


def test_a_dropped_key_is_forgotten_by_every_process_within_a_minute(now, cast, anonymous):
    token = log_in(cast.martine)
    SigningKey.objects.all().delete()
    now.tick(61)
    assert reason(anonymous.get(AGENTS, headers=bearer(token))) == "unknown"


def test_a_first_key_that_another_machine_made_meanwhile_is_taken(db, monkeypatch):
    made = []
    monkeypatch.setattr(signing, "_one_at_a_time", lambda: made.append(SigningKey.make()))
    assert Keyring().signing()[0] == made[0].kid
    assert SigningKey.objects.count() == 1


@pytest.mark.skipif(connection.vendor == "sqlite", reason="a database in memory is locked by table, unlike a file")
@pytest.mark.django_db(transaction=True)
def test_two_machines_at_once_make_one_first_key():
    both = threading.Barrier(2)

    def machine():
        try:
            both.wait(10)
            return Keyring().signing()[0]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as machines:
        names = [one.result(30) for one in [machines.submit(machine) for _ in range(2)]]
    assert names == [SigningKey.objects.get().kid] * 2
