"""Row T9: tokens of configured identity providers are accepted, and lead to an agent."""

from __future__ import annotations

import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import Agent
from rdv.api.views import ResourceViewSet
from tests.conftest import WireClient
from tests.factories import AbsenceFactory, AgentFactory
from tests.identity_provider import AUDIENCE, DISCOVERY, KEYS, SUB, private_key

from .test_jwt import AGENTS, bearer, reason
from .test_jwt_refused import segment
from .test_sign_in import CREDENTIAL_HEADERS

ME = "/api/v1/me"

pytestmark = pytest.mark.django_db


def known(text):
    answer = WireClient().get(ME, headers=bearer(text))
    assert answer.status_code == 200, answer.content
    return answer.json()["agent"]["id"]


def refused(text, why="unknown"):
    answer = WireClient().get(AGENTS, headers=bearer(text))
    assert reason(answer) == why


def test_an_agent_is_known_by_their_identifier(known_there, provider):
    answer = WireClient().get(ME, headers=bearer(provider.token(sub=SUB)))
    assert answer.json()["agent"]["id"] == known_there.pk
    assert answer.json()["credential"] == {"kind": "oidc", "issuer": provider.issuer}
    assert not any(name in answer for name in CREDENTIAL_HEADERS)


def test_an_agent_is_known_by_a_verified_email(cast, provider):
    assert known(provider.token(email="BRUNO@exemple.test", email_verified=True)) == cast.bruno.pk


@pytest.mark.parametrize("verified", [False, None, "true", 1, ..., ["true"]])
def test_an_email_that_is_not_verified_tells_nothing(cast, provider, verified):
    refused(provider.token(email=cast.bruno.email, email_verified=verified))


def test_the_identifier_beats_the_email(cast, known_there, provider):
    assert known(provider.token(sub=SUB, email=cast.bruno.email, email_verified=True)) == known_there.pk
    assert known(provider.token(sub="other", email=cast.bruno.email, email_verified=True)) == cast.bruno.pk


def test_of_several_issuers_only_one_knows_the_identifiers(settings, known_there, provider):
    (issuer,) = settings.RDV_OIDC_ISSUERS
    settings.RDV_OIDC_ISSUERS = (issuer._replace(match=("email",)),)
    refused(provider.token(sub=SUB))
    assert known(provider.token(sub=SUB, email=known_there.email, email_verified=True)) == known_there.pk


def test_where_emails_do_not_count(settings, known_there, provider):
    (issuer,) = settings.RDV_OIDC_ISSUERS
    settings.RDV_OIDC_ISSUERS = (issuer._replace(match=("sub",)),)
    assert known(provider.token(sub=SUB)) == known_there.pk
    refused(provider.token(email=known_there.email, email_verified=True))


@pytest.mark.parametrize("email", [None, 1, [], {}, "", "nobody@exemple.test", "a\x00b@exemple.test", "a" * 300])
def test_nobody_of_that_name(cast, provider, email):
    refused(provider.token(email=email, email_verified=True))


@pytest.mark.parametrize("sub", ["", "\x00", "a" * 300, None, 1, [], {}, ...])
def test_an_identifier_that_is_none(cast, provider, sub):
    refused(provider.token(sub=sub))


def test_an_agent_without_identifier_or_email_is_not_found_by_none(cast, provider):
    AgentFactory(email=None, intervenant_in=[cast.mds])
    refused(provider.token(sub="", email="", email_verified=True))
    refused(provider.token(sub="None", email=None, email_verified=True))


def test_an_agent_who_may_not_come_in(known_there, provider):
    text = provider.token(sub=SUB)
    assert known(text) == known_there.pk
    Agent.objects.filter(pk=known_there.pk).update(is_active=False)
    refused(text, "agent_disabled")


def test_an_agent_without_email_could_not_sign_in_either(known_there, provider):
    Agent.objects.filter(pk=known_there.pk).update(email=None)
    refused(provider.token(sub=SUB), "agent_disabled")


def test_an_agent_who_left(known_there, provider):
    known_there.leave()
    refused(provider.token(sub=SUB), "agent_disabled")


def test_its_holder_signed_in_and_may_make_keys(known_there, provider):
    answer = WireClient().post("/api/v1/tokens", {"name": "cron"}, headers=bearer(provider.token(sub=SUB)))
    assert answer.status_code == 200, answer.content


def test_a_write_is_not_done_when_access_ended_meanwhile(cast, known_there, provider, monkeypatch):
    absence = AbsenceFactory(agent=cast.bruno)
    hold = ResourceViewSet._hold_rights

    def then(view):
        Agent.objects.filter(pk=known_there.pk).update(is_active=False)
        hold(view)

    monkeypatch.setattr(ResourceViewSet, "_hold_rights", then)
    sent = {"title": "Autre"}
    answer = WireClient().patch(f"/api/v1/absences/{absence.pk}", sent, headers=bearer(provider.token(sub=SUB)))
    assert reason(answer) == "agent_disabled"
    absence.refresh_from_db()
    assert absence.title == "Congés"


def test_a_list_costs_as_many_queries_as_with_a_triple(known_there, provider, sign_in, cast):
    AbsenceFactory(agent=cast.bruno)
    text = provider.token(sub=SUB)
    client = sign_in(known_there)
    client.get("/api/v1/absences")
    known(text)

    def cost(client, **extra):
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/api/v1/absences", **extra).status_code == 200
        return len(queries)

    assert cost(WireClient(), headers=bearer(text)) == cost(client) == 3


@pytest.mark.parametrize("who", ["martine", "bruno", "chloe", "sophie", "thierry", "etienne"])
def test_it_opens_what_a_triple_opens(who, cast, provider, sign_in):
    agent = getattr(cast, who)
    for one in vars(cast).values():
        if isinstance(one, Agent):
            AbsenceFactory(agent=one)
    text = provider.token(email=agent.email, email_verified=True)
    for resource in ("absences", "agents", "organisations", "services"):
        answers = [
            client.get(f"/api/v1/{resource}", headers=headers).json()
            for client, headers in ((sign_in(agent), {}), (WireClient(), bearer(text)))
        ]
        assert answers[0] == answers[1]
        assert answers[0]["meta"]["total_count"] or resource == "organisations"


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "RS512", "ES256", "ES384", "ES512", "EdDSA"])
def test_each_algorithm_where_it_is_allowed(settings, known_there, provider, algorithm):
    provider.rotate(algorithm)
    (issuer,) = settings.RDV_OIDC_ISSUERS
    if algorithm not in ("RS256", "ES256"):
        refused(provider.token(sub=SUB))
    settings.RDV_OIDC_ISSUERS = (issuer._replace(algorithms=(algorithm,)),)
    assert known(provider.token(sub=SUB)) == known_there.pk


def test_a_token_without_the_name_of_its_key_where_there_is_one_key(known_there, provider):
    assert known(provider.token({"kid": ...}, sub=SUB)) == known_there.pk


def test_a_token_without_the_name_of_its_key_where_there_are_two(now, known_there, provider):
    provider.rotate()
    refused(provider.token({"kid": ...}, sub=SUB))


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": "autre"}, "unknown"),
        ({"aud": ...}, "unknown"),
        ({"aud": [1]}, "unknown"),
        ({"iat": ...}, "unknown"),
        ({"exp": ...}, "unknown"),
        ({"exp": "x"}, "unknown"),
        ({"exp": 1e400}, "unknown"),
        ({"exp": 0}, "expired"),
        ({"iss": "https://autre.test"}, "unknown"),
        ({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}, "unknown"),
    ],
)
def test_claims_that_let_nobody_in(known_there, provider, claims, why):
    refused(provider.token(sub=SUB, **claims), why)


def test_several_audiences(known_there, provider):
    assert known(provider.token(sub=SUB, aud=["autre", AUDIENCE])) == known_there.pk


@pytest.mark.parametrize(("off", "good"), [(50, True), (70, False)])
def test_clocks_may_differ_by_the_leeway(known_there, provider, off, good):
    at = int(time.time())
    for claims, why in (({"exp": at - off}, "expired"), ({"nbf": at + off}, "unknown"), ({"iat": at + off}, "unknown")):
        text = provider.token(sub=SUB, **claims)
        if good:
            assert known(text) == known_there.pk
        else:
            refused(text, why)


@pytest.mark.parametrize("issuer", ["/", "", " ", "?", "#"])
def test_the_issuer_is_read_to_the_letter(known_there, provider, issuer):
    refused(provider.token(sub=SUB, iss=provider.issuer + (issuer or "x")))
    refused(provider.token(sub=SUB, iss=provider.issuer.upper()))


def test_nothing_is_asked_for_a_token_that_cannot_be_theirs(known_there, provider, django_assert_num_queries):
    _header, *rest = provider.token(sub=SUB).split(".")
    good = {"alg": "ES256", "kid": provider.kid}
    wrong = [{"alg": alg} for alg in ("HS256", "none", "ES384", None, 1, [], {})] + [
        {"kid": kid} for kid in (1, [], {})
    ]
    with django_assert_num_queries(0):
        refused(provider.token(sub=SUB, iss="https://autre.test"))
        for header in wrong:
            refused(".".join([segment(good | header), *rest]))
    assert provider.asked == []


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"typ": "logout+jwt"}, {"typ": "secevent+jwt"}])
def test_headers_that_let_nobody_in(known_there, provider, header):
    refused(provider.token(header, sub=SUB))


@pytest.mark.parametrize("header", [{"typ": "at+jwt"}, {"typ": "application/at+jwt"}, {"jku": "http://x"}])
def test_headers_that_change_nothing(known_there, provider, header):
    assert known(provider.token(header, sub=SUB)) == known_there.pk


def test_a_signature_of_somebody_else_s_costs_no_query(known_there, provider, django_assert_num_queries):
    text = provider.token(sub=SUB)
    assert known(text)
    provider.keys[provider.kid] = "ES256", private_key("ES256")
    with django_assert_num_queries(0):
        refused(provider.token(sub=SUB))
        refused(text[:-10] + "A" * 10)


def test_keys_are_asked_for_once(known_there, provider):
    for _time in range(3):
        assert known(provider.token(sub=SUB)) == known_there.pk
    assert provider.asked == [DISCOVERY, KEYS]


def test_where_the_keys_are_may_be_configured(settings, known_there, provider):
    (issuer,) = settings.RDV_OIDC_ISSUERS
    settings.RDV_OIDC_ISSUERS = (issuer._replace(jwks_uri=f"{provider.issuer}{KEYS}"),)
    assert known(provider.token(sub=SUB)) == known_there.pk
    assert provider.asked == [KEYS]
