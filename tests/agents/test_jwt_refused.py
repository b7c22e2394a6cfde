"""Row T9, bad input: what is no token of ours lets nobody in, costs no query, and is never a 500."""

from __future__ import annotations

import base64
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from agents.models import ClientToken, SigningKey
from agents.models.signing import keyring
from tests.conftest import WireClient

from .test_jwt import AGENTS, bearer, log_in, reason

pytestmark = pytest.mark.django_db


def segment(document):
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.fixture
def token(cast):
    return log_in(cast.martine)


@pytest.fixture
def parts(token):
    """The header and the claims of a good token, and a function that signs others with our own key."""
    header, claims = jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})
    kid, private = keyring.signing()

    def signed(claims, **more):
        payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
        return jwt.api_jws.PyJWS().encode(payload, private, "ES256", {"kid": kid} | more)

    return header, claims, signed


@pytest.fixture
def refused(django_assert_num_queries):
    def check(text, why="unknown", queries=0):
        with django_assert_num_queries(queries):
            answer = WireClient().get(AGENTS, headers=bearer(text))
        assert reason(answer) == why

    return check


def test_our_key_signs_a_token_that_is_good(anonymous, parts):
    _header, claims, signed = parts
    assert anonymous.get(AGENTS, headers=bearer(signed(claims))).status_code == 200


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None, 0, [], {}, "ES256K", "HS256"])
def test_no_signature(parts, refused, alg):
    header, claims, _signed = parts
    for signature in ("", "AAAA"):
        refused(f"{segment(header | {'alg': alg})}.{segment(claims)}.{signature}")


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_the_public_key_as_a_shared_secret(parts, refused, alg):
    header, claims, _signed = parts
    public = keyring.public(header["kid"])
    encodings = (serialization.Encoding.PEM, serialization.Encoding.DER)
    secrets = [public.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo) for encoding in encodings]
    secrets.append(json.dumps(SigningKey.objects.get().jwk()).encode())
    for secret in secrets:
        body = f"{segment(header | {'alg': alg})}.{segment(claims)}"
        digest = jwt.algorithms.get_default_algorithms()[alg].sign(body.encode(), secret)
        refused(f"{body}.{segment(digest)}")


def test_a_key_that_the_token_brings_along(parts, refused):
    header, claims, _signed = parts
    own = ec.generate_private_key(ec.SECP256R1())
    brought = ECAlgorithm.to_jwk(own.public_key(), as_dict=True)
    for more in ({"jwk": brought}, {"jku": "http://127.0.0.1:9/jwks"}, {"x5u": "http://127.0.0.1:9/x"}, {"x5c": ["A"]}):
        refused(jwt.encode(claims, own, "ES256", {"kid": header["kid"]} | more))
        refused(jwt.encode(claims, own, "ES256", {"kid": "mine"} | more))


@pytest.mark.parametrize(
    "kid", [None, "", "x", "a" * 44, "é" * 44, "a" * 5000, "../../etc/passwd", "' OR 1=1 --", "\x00"]
)
def test_a_key_of_an_unknown_name(parts, refused, kid):
    _header, claims, _signed = parts
    own = ec.generate_private_key(ec.SECP256R1())
    refused(jwt.encode(claims, own, "ES256", {"kid": kid} if kid is not None else {}))


@pytest.mark.parametrize("kid", [1, 1.5, True, [], ["a"], {}, {"a": 1}, None])
def test_a_name_that_is_no_text(parts, refused, kid):
    header, claims, _signed = parts
    refused(f"{segment(header | {'kid': kid})}.{segment(claims)}.{'A' * 86}")


def test_a_key_that_was_dropped_is_looked_for_once_in_a_while(now, parts, refused):
    _header, claims, signed = parts
    text = signed(claims)
    SigningKey.objects.all().delete()
    keyring.forget()
    refused(text, queries=1)
    refused(text)
    now.tick(3)
    refused(text, queries=1)


@pytest.mark.parametrize("critical", [["b64"], ["exp"], [], "b64", None, {}])
def test_what_must_be_understood_is_not(parts, refused, critical):
    header, claims, signed = parts
    refused(signed(claims, crit=critical) if critical == ["exp"] else f"{segment(header | {'crit': critical})}.e30.AA")
    refused(f"{segment(header | {'crit': ['b64'], 'b64': False})}..AAAA")


@pytest.mark.parametrize("kind", ["logout+jwt", "dpop+jwt", 1, [], {}])
def test_a_token_of_another_kind(parts, refused, kind):
    _header, claims, signed = parts
    if isinstance(kind, str):
        refused(signed(claims, typ=kind))
    else:
        refused(f"{segment({'alg': 'ES256', 'typ': kind})}.{segment(claims)}.AA")


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "iat", "exp", "sid", "jti"])
def test_every_claim_must_be_there_and_of_its_form(parts, refused, name):
    _header, claims, signed = parts
    refused(signed({key: value for key, value in claims.items() if key != name}))
    for value in (None, True, [], {}, -1, "", "x", 1e308, 10**400, float("nan"), float("inf"), "\x00" * 22, "é" * 22):
        if name == "iat" and value in (True, -1):
            continue  # long ago
        answer = WireClient().get(AGENTS, headers=bearer(signed(claims | {name: value})))
        # The row's end decides.
        assert answer.status_code == (200 if (name, value) == ("exp", 1e308) else 401), (name, value)


@pytest.mark.parametrize("claim", [{"aud": "autre"}, {"aud": ["autre"]}, {"iss": "https://autre.test"}, {"iss": "RDV"}])
def test_for_others_or_of_others(parts, refused, claim):
    _header, claims, signed = parts
    refused(signed(claims | claim))


def test_an_end_that_is_past(parts, refused):
    _header, claims, signed = parts
    refused(signed(claims | {"exp": int(time.time()) - 60}), why="expired")


def test_an_end_that_a_token_puts_off(anonymous, parts):
    # The row's end decides, whatever the token says.
    _header, claims, signed = parts
    ClientToken.objects.update(expires_at="2026-01-01T00:00:00Z")
    text = signed(claims | {"exp": int(time.time()) + 9999})
    assert reason(anonymous.get(AGENTS, headers=bearer(text))) == "expired"


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_beginning_that_is_to_come(parts, refused, name):
    _header, claims, signed = parts
    refused(signed(claims | {name: int(time.time()) + 60}))


def test_somebody_else_s_subject(cast, parts, refused):
    _header, claims, signed = parts
    refused(signed(claims | {"sub": str(cast.bruno.pk)}), queries=1)


@pytest.mark.parametrize("place", range(3))
def test_one_wrong_character(token, refused, place):
    segments = token.split(".")
    for position in (3, len(segments[place]) // 2, len(segments[place]) - 4):
        wrong = "B" if segments[place][position] != "B" else "C"
        changed = segments[place][:position] + wrong + segments[place][position + 1 :]
        refused(".".join([*segments[:place], changed, *segments[place + 1 :]]))


@pytest.mark.parametrize(
    "text",
    [
        "eyJ..",
        "eyJ.eyJ.eyJ",
        "eyJhbGciOiJFUzI1NiJ9..",
        "eyJhbGciOiJFUzI1NiJ9.e30.",
        "eyJhbGciOiJFUzI1NiJ9.e30.e30.e30",
        "eyJhbGciOiJFUzI1NiJ9.e30",
        f"{segment({'a': 1})}.{segment([1])}.AA",
        f"{segment({'a': 1})}.{segment(b'null')}.AA",
        f"{segment({'a': 1})}.{segment(bytes([123, 255, 125]))}.AA",
        segment(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}") + ".e30.AA",
        f"{segment({'a': 1})}." + segment(b'{"iss":"rdv","a":' + b"[" * 1000 + b"]" * 1000 + b"}") + ".AA",
        f"{segment({'a': 1})}." + segment(b'{"iss":"rdv","exp":' + b"9" * 5000 + b"}") + ".AA",
        f"{segment({'a': 1})}.{segment({'iss': ['rdv']})}.AA",
        f"{segment({'a': 1})}.{segment({'iss': {'rdv': 1}})}.AA",
        "eyJ" + "A" * 17_000 + ".e30.AA",
        "eyJ" + "A" * 8_000 + "." + "A" * 8_000 + ".",
    ],
)
def test_garbage(refused, text):
    refused(text)


def test_levels_of_a_good_signature(parts, refused):
    _header, _claims, signed = parts
    for levels in (900, 1000, 1020, 2000):
        refused(signed(b'{"iss":"rdv","a":' + b"[" * levels + b"]" * levels + b"}"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "zip"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=50) | st.lists(st.text(max_size=5), max_size=3),
    ),
    claims=st.dictionaries(
        st.sampled_from(["iss", "aud", "sub", "exp", "iat", "nbf", "sid", "jti"]),
        st.just("rdv")
        | st.none()
        | st.floats()
        | st.integers()
        | st.text(max_size=50)
        | st.lists(st.integers(), max_size=3),
    ),
    signature=st.binary(max_size=80),
)
def test_whatever_is_written_in_it(db, header, claims, signature):
    for more in ({}, {"alg": "ES256"}):
        text = f"{segment(header | more)}.{segment(claims | {'iss': 'rdv'})}.{segment(signature)}"
        answer = WireClient().get(AGENTS, headers=bearer(text))
        assert answer.status_code == 401, text
