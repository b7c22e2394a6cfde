"""Contract 2.7: an agent vouched for by a partner application, `X-Agent-Auth-Signature`."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from agents.authentication import signature
from agents.models import Agent
from tests.factories import AgentFactory

from .test_sign_in import CREDENTIAL_HEADERS

AGENTS = "/api/v1/agents"
REFUSED = {"errors": ["Vous devez vous connecter ou vous inscrire pour continuer."]}
SECRET = "cle-de-test"
# id, first name, last name, email, signature: the contract's own test vectors.
VECTORS = [
    (
        42,
        "Odile",
        "MERCIER",
        "odile.mercier@exemple.test",
        "5f0e9322d1c412dad10990c121192b6525d97166089937fef7514de40c635baa",
    ),
    (
        43,
        "Zoé & Léa",
        "D'ARC <2>",
        "zoe@exemple.test",
        "0d5f7ceeb1cf98332b140a4d0926bc9c0948cf6f29f5785966b4702c3df4c16a",
    ),
    (44, None, "ROUX", "roux@exemple.test", "7f74c4760eefd2573b555eb5a6d585566ccdeb9307967b1b304e565261a15e2b"),
]


@pytest.fixture
def partner(anonymous, settings):
    """Asks for the list of agents with the signature given."""
    settings.RDV_SHARED_SECRET = SECRET

    def ask(signature, uid, path=AGENTS, **headers):
        return anonymous.get(path, headers={"X-Agent-Auth-Signature": signature, "uid": uid, **headers})

    return ask


@pytest.mark.parametrize(("id", "first_name", "last_name", "email", "expected"), VECTORS)
def test_the_vectors_of_the_contract(db, partner, id, first_name, last_name, email, expected):
    AgentFactory(pk=id, first_name=first_name, last_name=last_name, email=email)
    assert partner(expected, email).status_code == 200


def test_the_separators_that_javascript_reads_as_line_ends_are_escaped():
    agent = Agent(pk=1, first_name="a\u2028b\u2029", last_name="/", email="a@exemple.test")
    message = '{"id":1,"first_name":"a\\u2028b\\u2029","last_name":"/","email":"a@exemple.test"}'
    assert signature(agent, SECRET) == hmac.new(SECRET.encode(), message.encode(), hashlib.sha256).hexdigest()


def test_the_agent_has_their_usual_rights(cast, partner, sign_in):
    answer = partner(signature(cast.bruno, SECRET), cast.bruno.email)
    assert answer.json() == sign_in(cast.bruno).get(AGENTS).json()


def test_the_answer_carries_no_credential(cast, partner):
    answer = partner(signature(cast.bruno, SECRET), cast.bruno.email)
    assert answer.status_code == 200
    assert not any(name in answer for name in CREDENTIAL_HEADERS)


@pytest.mark.parametrize("given", ["", "faux", "é", "5F0E9322", "0" * 64])
def test_a_wrong_signature_is_refused(cast, partner, given):
    answer = partner(given, cast.bruno.email)
    assert answer.status_code == 401
    assert answer.json() == REFUSED
    assert 'error_description="unknown"' in answer["WWW-Authenticate"]


def test_upper_case_is_another_signature(cast, partner):
    assert partner(signature(cast.bruno, SECRET).upper(), cast.bruno.email).status_code == 401


def test_the_signature_of_another_agent_is_refused(cast, partner):
    assert partner(signature(cast.martine, SECRET), cast.bruno.email).status_code == 401


def test_the_signature_with_another_secret_is_refused(cast, partner):
    assert partner(signature(cast.bruno, "autre"), cast.bruno.email).status_code == 401


@pytest.mark.parametrize("uid", ["personne@exemple.test", "BRUNO@exemple.test", " bruno@exemple.test", "", "a\x00b"])
def test_an_unknown_uid_is_refused(cast, partner, uid):
    answer = partner(signature(cast.bruno, SECRET), uid)
    assert answer.status_code == 401
    assert answer.json() == REFUSED


def test_without_secret_in_the_settings_nobody_comes_in(cast, partner, settings):
    settings.RDV_SHARED_SECRET = ""
    assert partner(signature(cast.bruno, ""), cast.bruno.email).status_code == 401


def test_an_agent_put_aside_is_refused(cast, partner):
    Agent.objects.filter(pk=cast.bruno.pk).update(is_active=False)
    answer = partner(signature(cast.bruno, SECRET), cast.bruno.email)
    assert answer.status_code == 401
    assert 'error_description="agent_disabled"' in answer["WWW-Authenticate"]


def test_an_agent_who_left_is_refused(cast, partner):
    cast.bruno.leave()
    assert partner(signature(cast.bruno, SECRET), cast.bruno.email).status_code == 401


def test_the_header_even_empty_closes_the_way_to_the_tokens(cast, partner, sign_in):
    triple = sign_in(cast.bruno).triple
    answer = partner("", triple["uid"], **{"access-token": triple["access-token"], "client": triple["client"]})
    assert answer.status_code == 401


def test_a_refusal_costs_one_query_at_most(cast, partner, django_assert_num_queries):
    with django_assert_num_queries(1):  # the agent by email
        partner("0" * 64, cast.bruno.email)
    with django_assert_num_queries(0):
        partner("", cast.bruno.email)


def test_me_says_how_one_came(cast, partner):
    answer = partner(signature(cast.bruno, SECRET), cast.bruno.email, path="/api/v1/me")
    assert answer.json()["credential"] == {"kind": "shared_secret"}
