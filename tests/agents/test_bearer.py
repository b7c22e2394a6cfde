"""Contract 2.6: the triple in `Authorization: Bearer`, base64 of a JSON object."""

from __future__ import annotations

import base64
import json

import pytest

AGENTS = "/api/v1/agents"


def bearer(document):
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return {"Authorization": f"Bearer {base64.b64encode(text).decode()}"}


def test_the_triple_in_authorization_is_accepted(cast, sign_in, anonymous):
    triple = sign_in(cast.martine).triple
    answer = anonymous.get(AGENTS, headers=bearer(triple))
    assert answer.status_code == 200
    assert {name: answer[name] for name in triple} == triple


def test_the_five_headers_as_the_library_sends_them_are_accepted(cast, sign_in, anonymous):
    five = sign_in(cast.martine).triple | {"token-type": "Bearer", "expiry": "1750000000"}
    assert anonymous.get(AGENTS, headers=bearer(five)).status_code == 200


@pytest.mark.parametrize("scheme", ["bearer", "Basic", "Token  ", "anything"])
def test_the_scheme_is_not_checked(cast, sign_in, anonymous, scheme):
    encoded = bearer(sign_in(cast.martine).triple)["Authorization"].split()[1]
    assert anonymous.get(AGENTS, headers={"Authorization": f"{scheme} {encoded}"}).status_code == 200


def test_validate_token_accepts_it_too(cast, sign_in, anonymous):
    triple = sign_in(cast.martine).triple
    assert anonymous.get("/api/v1/auth/validate_token", headers=bearer(triple)).status_code == 200


def test_each_part_missing_from_the_headers_is_taken_from_authorization(cast, sign_in, anonymous):
    triple = sign_in(cast.martine).triple
    headers = bearer({"client": triple["client"], "uid": triple["uid"]}) | {"access-token": triple["access-token"]}
    assert anonymous.get(AGENTS, headers=headers).status_code == 200


@pytest.mark.parametrize("part", ["access-token", "client", "uid"])
def test_a_header_of_its_own_beats_authorization_even_empty(cast, sign_in, anonymous, part):
    headers = bearer(sign_in(cast.martine).triple) | {part: ""}
    assert anonymous.get(AGENTS, headers=headers).status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer not-base64!",
        "Bearer é",
        "Bearer e30",  # {} without its padding
        "Basic bWFydGluZTpzZWNyZXQ=",
        *(
            bearer(content)["Authorization"]
            for content in (
                b"\xff\xfe",
                b"not json",
                b"[]",
                b"null",
                b'"text"',
                b"{}",
                b'{"uid":1,"client":[],"access-token":{}}',
                b"[" * 10_000,
                b'{"uid":"a\\u0000b"}',
            )
        ),
        "Bearer " + "A" * 100_000,
    ],
)
def test_what_cannot_be_decoded_counts_as_empty(anonymous, db, django_assert_num_queries, header):
    with django_assert_num_queries(0):
        answer = anonymous.get(AGENTS, headers={"Authorization": header})
    assert answer.status_code == 401
    assert 'error_description="unknown"' in answer["WWW-Authenticate"]
    assert answer.json() == {"errors": ["Vous devez vous connecter ou vous inscrire pour continuer."]}
