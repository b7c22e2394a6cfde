"""Row T9: `POST /api/auth/login` against a JSON Web Token, which is the token of a client, signed."""

from __future__ import annotations

import datetime

import jwt
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import Action, Agent, ClientToken, RecordEntry, SigningKey
from agents.models.signing import keyring
from rdv.api.views import ResourceViewSet
from rdv.settings import Limit
from tests.conftest import WireClient
from tests.factories import PASSWORD, AbsenceFactory, AgentFactory

from .test_sign_in import BAD_CREDENTIALS, CREDENTIAL_HEADERS, NOT_CONFIRMED

LOGIN = "/api/auth/login"
AGENTS = "/api/v1/agents"

pytestmark = pytest.mark.django_db


def log_in(agent, **extra):
    answer = WireClient().post(LOGIN, {"username": agent.email, "password": PASSWORD}, **extra)
    assert answer.status_code == 200, answer.content
    return answer.json()["access_token"]


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def reason(answer):
    assert answer.status_code == 401, answer.content
    return answer["WWW-Authenticate"].partition('error_description="')[2].partition('"')[0]


@pytest.fixture
def token(now, cast):
    return log_in(cast.martine)


@pytest.fixture
def claims(token):
    return jwt.decode(token, options={"verify_signature": False})


def test_answers_with_a_bearer_token_and_its_lifetime(cast, anonymous):
    answer = anonymous.post(LOGIN, {"username": cast.martine.email, "password": PASSWORD})
    assert answer.status_code == 200
    assert list(answer.json()) == ["access_token", "token_type", "expires_in"]
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["expires_in"] == 3600


def test_no_cache_keeps_the_answer(cast, anonymous):
    answer = anonymous.post(LOGIN, {"username": cast.martine.email, "password": PASSWORD})
    assert answer["Cache-Control"] == "no-store"
    assert not any(name in answer for name in CREDENTIAL_HEADERS)


def test_the_token_lets_its_agent_in_and_is_not_repeated(cast, anonymous, token):
    answer = anonymous.get("/api/v1/me", headers=bearer(token))
    assert answer.json()["agent"]["email"] == cast.martine.email
    assert answer.json()["credential"]["kind"] == "jwt"
    assert not any(name in answer for name in CREDENTIAL_HEADERS)


def test_its_claims_make_no_triple(cast, anonymous, claims):
    triple = {"uid": cast.martine.email, "client": claims["sid"], "access-token": claims["jti"]}
    assert reason(anonymous.get(AGENTS, headers=triple)) == "unknown"
    assert reason(anonymous.get(AGENTS, headers=triple | {"access-token": f"jwt:{claims['jti']}"})) == "unknown"


def test_a_sign_in_in_its_place_ends_it(cast, anonymous, token, claims):
    sent = {"email": cast.martine.email, "password": PASSWORD}
    answer = anonymous.post("/api/v1/auth/sign_in", sent, headers={"client": claims["sid"]})
    assert answer["client"] == claims["sid"]
    assert reason(anonymous.get(AGENTS, headers=bearer(token))) == "unknown"


def test_it_is_not_renewed_where_triples_are(settings, anonymous, token):
    settings.RDV_TOKEN_ROTATION = "request"
    for _time in range(3):
        answer = anonymous.get(AGENTS, headers=bearer(token))
        assert answer.status_code == 200
        assert not any(name in answer for name in CREDENTIAL_HEADERS)


@pytest.mark.parametrize("header", ["X-API-Token", "X-Api-Key", "x-auth"])
def test_every_carrier_carries_it(anonymous, token, header):
    assert anonymous.get(AGENTS, headers={header: token}).status_code == 200


def test_its_holder_signed_in_and_may_make_keys(anonymous, token):
    answer = anonymous.post("/api/v1/tokens", {"name": "cron"}, headers=bearer(token))
    assert answer.status_code == 200, answer.content


def test_pages_of_other_sites_may_ask_for_one_as_at_sign_in(cast, anonymous):
    sent = {"username": cast.martine.email, "password": PASSWORD}
    assert anonymous.post(LOGIN, sent, headers={"Origin": "https://app.test"})["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("path", [LOGIN, f"{LOGIN}/", f"{LOGIN}.json"])
def test_every_form_of_the_address(cast, anonymous, path):
    assert anonymous.post(path, {"username": cast.martine.email, "password": PASSWORD}).status_code == 200


@pytest.mark.parametrize("name", ["username", "email"])
def test_by_json_or_by_form_under_either_name(cast, anonymous, name):
    assert anonymous.post(LOGIN, {name: " MARTINE@demo.rdv-solidarites.fr", "password": PASSWORD}).status_code == 200
    form = f"{name}=martine%40demo.rdv-solidarites.fr&password={PASSWORD.replace(' ', '+')}"
    assert anonymous.post(LOGIN, form, content_type="application/x-www-form-urlencoded").status_code == 200


def test_get_is_refused(anonymous):
    answer = anonymous.get(LOGIN)
    assert answer.status_code == 405
    assert answer["Allow"] == "POST, OPTIONS"


@pytest.mark.parametrize(
    "sent",
    [
        {"username": "martine@demo.rdv-solidarites.fr", "password": "faux"},
        {"username": "personne@exemple.test", "password": PASSWORD},
        {"username": "martine@demo.rdv-solidarites.fr"},
        {"username": {}, "email": [], "password": {}},
        {"username": "a" * 300, "password": PASSWORD},
        {"password": PASSWORD},
        {},
    ],
)
def test_a_wrong_pair_is_refused_as_at_sign_in(cast, anonymous, sent):
    answer = anonymous.post(LOGIN, sent)
    assert answer.status_code == 401
    assert answer.json() == BAD_CREDENTIALS
    assert answer["WWW-Authenticate"] == 'Bearer realm="rdv"'


def test_an_account_not_confirmed_is_told_so_as_at_sign_in(anonymous):
    agent = AgentFactory(email="invite@exemple.test", is_active=False)
    answer = anonymous.post(LOGIN, {"username": agent.email, "password": PASSWORD})
    assert answer.status_code == 401
    assert answer.json()["errors"] == [NOT_CONFIRMED]


def test_guesses_are_counted_with_those_at_sign_in(now, settings, cast, anonymous):
    settings.RDV_SIGN_IN_LIMIT = Limit(2, datetime.timedelta(minutes=15))
    settings.AXES_FAILURE_LIMIT = 2
    anonymous.post("/api/v1/auth/sign_in", {"email": cast.martine.email, "password": "faux"})
    anonymous.post(LOGIN, {"username": cast.martine.email, "password": "faux"})
    answer = anonymous.post(LOGIN, {"username": cast.martine.email, "password": PASSWORD})
    assert answer.status_code == 429
    assert answer["Retry-After"] == "900"
    assert (
        anonymous.post("/api/v1/auth/sign_in", {"email": cast.martine.email, "password": PASSWORD}).status_code == 429
    )


def test_where_nobody_signs_in_with_a_password(settings, cast, anonymous):
    settings.RDV_PASSWORD_SIGN_IN = False
    answer = anonymous.post(LOGIN, {"username": cast.martine.email, "password": PASSWORD})
    assert answer.status_code == 403
    assert answer.json()["errors"] == [{"base": "password_sign_in_disabled"}]


def test_where_the_api_is_off(settings, cast, anonymous):
    settings.RDV_API = False
    answer = anonymous.post(LOGIN, {"username": cast.martine.email, "password": PASSWORD})
    assert answer.json()["errors"] == [{"base": "api_disabled"}]


def test_the_claims(cast, claims):
    row = ClientToken.objects.get()
    assert claims.pop("jti")
    assert claims == {
        "iss": "rdv",
        "aud": "rdv",
        "sub": str(cast.martine.pk),
        "iat": 1794819600,  # 16 November 2026, 9:00 UTC
        "exp": 1794823200,
        "sid": row.client,
    }


def test_the_issuer_is_the_public_address_where_there_is_one(settings, cast, anonymous):
    settings.RDV_PUBLIC_URL = "https://rdv.agence.test"
    token = log_in(cast.martine)
    assert jwt.decode(token, options={"verify_signature": False})["iss"] == "https://rdv.agence.test"
    assert anonymous.get(AGENTS, headers=bearer(token)).status_code == 200
    settings.RDV_PUBLIC_URL = "https://autre.agence.test"
    assert reason(anonymous.get(AGENTS, headers=bearer(token))) == "unknown"


def test_anybody_can_check_it_with_the_published_keys(anonymous, token):
    (published,) = anonymous.get("/.well-known/jwks.json").json()["keys"]
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": published["kid"], "typ": "JWT"}
    assert jwt.decode(token, jwt.PyJWK(published), ["ES256"], audience="rdv", issuer="rdv")


def test_nothing_stored_gives_it_away(token, claims):
    kept = str([*ClientToken.objects.values(), *SigningKey.objects.values()])
    assert token not in kept
    assert claims["jti"] not in kept


def test_its_lifetime_is_a_setting(now, settings, cast, anonymous):
    settings.RDV_JWT_LIFETIME = datetime.timedelta(minutes=2)
    token = log_in(cast.martine)
    now.tick(119)
    assert anonymous.get(AGENTS, headers=bearer(token)).status_code == 200
    now.tick(2)
    assert reason(anonymous.get(AGENTS, headers=bearer(token))) == "expired"
    now.tick(3600)
    assert reason(anonymous.get(AGENTS, headers=bearer(token))) == "expired"


def disable(agent):
    Agent.objects.filter(pk=agent.pk).update(is_active=False)


def change_password(agent, client):
    sent = {"password": "Autre rendez-vous 1 !", "password_confirmation": "Autre rendez-vous 1 !"}
    Agent.objects.filter(pk=agent.pk).update(allow_password_change=True)
    assert client.put("/api/v1/auth/password", sent).status_code == 200


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (lambda agent, client: client.delete("/api/v1/auth/sign_out?everywhere=true"), "revoked"),
        (change_password, "revoked"),
        (lambda agent, client: disable(agent), "agent_disabled"),
        (lambda agent, client: Agent.objects.filter(pk=agent.pk).update(email=None), "agent_disabled"),
        (lambda agent, client: agent.leave(), "unknown"),
        (lambda agent, client: ClientToken.objects.all().delete(), "unknown"),
    ],
)
def test_what_ends_a_triple_ends_it_at_once(cast, sign_in, anonymous, token, end, why):
    assert anonymous.get(AGENTS, headers=bearer(token)).status_code == 200
    end(cast.martine, sign_in(cast.martine))
    assert reason(anonymous.get(AGENTS, headers=bearer(token))) == why


def test_it_ends_itself(cast, sign_in, anonymous, token):
    another = log_in(cast.martine)
    assert anonymous.delete("/api/v1/token", headers=bearer(token)).status_code == 204
    assert reason(anonymous.get(AGENTS, headers=bearer(token))) == "revoked"
    assert anonymous.get(AGENTS, headers=bearer(another)).status_code == 200


def test_the_record_tells_of_it(cast, anonymous, token):
    assert RecordEntry.objects.filter(action=Action.SIGNED_IN, agent_id=cast.martine.pk).count() == 1
    anonymous.patch(
        f"/api/v1/absences/{AbsenceFactory(agent=cast.bruno).pk}", {"title": "Autre"}, headers=bearer(token)
    )
    assert RecordEntry.objects.filter(action=Action.UPDATED, credential_kind="jwt", actor_id=cast.martine.pk).exists()
    ClientToken.objects.all().revoke()
    anonymous.get(AGENTS, headers=bearer(token))
    assert RecordEntry.objects.filter(action=Action.REFUSED, credential_kind="jwt", actor_id=cast.martine.pk).exists()


def test_it_counts_among_the_clients_of_its_agent(now, settings, cast, anonymous):
    settings.RDV_TOKEN_MAX_CLIENTS = 2
    first, *others = [log_in(cast.martine) for _ in range(3) if now.tick(1) or True]
    assert reason(anonymous.get(AGENTS, headers=bearer(first))) == "revoked"
    assert all(anonymous.get(AGENTS, headers=bearer(one)).status_code == 200 for one in others)


def test_it_never_renews_another_client(cast, sign_in, anonymous):
    client = sign_in(cast.martine)
    log_in(cast.martine, headers={"client": client.triple["client"]})
    assert client.get(AGENTS).status_code == 200


def test_a_write_is_not_done_when_it_ended_meanwhile(cast, anonymous, token, monkeypatch):
    absence = AbsenceFactory(agent=cast.bruno)
    hold = ResourceViewSet._hold_rights

    def then(view):
        ClientToken.objects.all().revoke()
        hold(view)

    monkeypatch.setattr(ResourceViewSet, "_hold_rights", then)
    answer = anonymous.patch(f"/api/v1/absences/{absence.pk}", {"title": "Autre"}, headers=bearer(token))
    assert reason(answer) == "revoked"
    absence.refresh_from_db()
    assert absence.title == "Congés"


def test_it_says_when_it_was_last_used(now, anonymous, token):
    now.tick(600)
    anonymous.get(AGENTS, headers=bearer(token))
    assert ClientToken.objects.get().last_used_at.isoformat() == "2026-11-16T09:10:00+00:00"


@pytest.mark.parametrize("method", ["get", "post", "patch", "delete"])
def test_it_costs_as_many_queries_as_a_triple(now, cast, sign_in, token, method):
    def cost(client, headers):
        absence = AbsenceFactory(agent=cast.bruno)
        days = {"first_day": "2027-06-10", "start_time": "09:00", "end_time": "10:00"}
        sent = {"title": "Formation"} | ({"agent_id": cast.bruno.pk} | days if method == "post" else {})
        path = "/api/v1/absences" + (f"/{absence.pk}" if method in ("patch", "delete") else "")
        with CaptureQueriesContext(connection) as queries:
            answer = getattr(client, method)(path, *([sent] if method in ("post", "patch") else []), headers=headers)
        assert answer.status_code < 300, answer.content
        return len(queries)

    assert connection.features.supports_json_field  # SQLite is asked once a process
    assert cost(WireClient(), bearer(token)) == cost(sign_in(cast.martine), {})
    if method == "get":
        assert cost(WireClient(), bearer(token)) == 3


def test_a_process_that_has_just_begun_reads_the_keys_once(cast, anonymous, token, django_assert_num_queries):
    keyring.forget()
    connection.features.supports_json_field  # noqa: B018 - SQLite is asked once a process
    with CaptureQueriesContext(connection) as first:
        assert anonymous.get(AGENTS, headers=bearer(token)).status_code == 200
    with django_assert_num_queries(len(first) - 1):
        assert anonymous.get(AGENTS, headers=bearer(token)).status_code == 200
