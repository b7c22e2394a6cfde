"""Contract 2.4, 2.5: how long a token lives, how many live side by side, and what a 401 says of a dead one."""

from __future__ import annotations

import datetime

import pytest
from django.contrib.auth.hashers import BasePasswordHasher

from agents import tokens
from agents.models import Agent, ClientToken
from tests.conftest import WireClient
from tests.factories import PASSWORD, AgentFactory

from .test_sign_in import CREDENTIAL_HEADERS, SIGN_IN

AGENTS = "/api/v1/agents"
REFUSED = {"errors": ["Vous devez vous connecter ou vous inscrire pour continuer."]}
DAY = 24 * 60 * 60


def why(answer):
    """The reason in `WWW-Authenticate`, after the checks that hold for every refused credential."""
    assert answer.status_code == 401
    assert answer.json() == REFUSED
    assert not any(name in answer for name in CREDENTIAL_HEADERS)
    return answer["WWW-Authenticate"].removeprefix('Bearer error="invalid_token", error_description="').split('"')[0]


def test_a_token_lives_until_one_second_before_24_hours(now, cast, sign_in):
    martine = sign_in(cast.martine)
    now.tick(DAY - 1)
    assert martine.get(AGENTS).status_code == 200


def test_at_24_hours_it_has_expired(now, cast, sign_in):
    martine = sign_in(cast.martine)
    now.tick(DAY)
    assert why(martine.get(AGENTS)) == "expired"


def test_use_does_not_make_it_live_longer(now, cast, sign_in):
    martine = sign_in(cast.martine)
    now.tick(DAY - 1)
    martine.get(AGENTS)
    now.tick(1)
    assert why(martine.get(AGENTS)) == "expired"


def test_no_credential_at_all_has_no_reason(anonymous, db):
    answer = anonymous.get(AGENTS)
    assert answer.status_code == 401
    assert answer.json() == REFUSED
    assert answer["WWW-Authenticate"] == 'Bearer realm="rdv"'


def test_a_wrong_token_is_unknown(cast, sign_in):
    martine = sign_in(cast.martine)
    martine.triple["access-token"] = tokens.new_secret()
    assert why(martine.get(AGENTS)) == "unknown"


def test_only_the_holder_of_the_secret_learns_that_a_token_expired(now, cast, sign_in):
    martine = sign_in(cast.martine)
    martine.triple["access-token"] = tokens.new_secret()
    now.tick(DAY)
    assert why(martine.get(AGENTS)) == "unknown"


def test_a_token_signed_out_is_revoked(cast, sign_in):
    martine = sign_in(cast.martine)
    ClientToken.objects.filter(agent=cast.martine).revoke()
    assert why(martine.get(AGENTS)) == "revoked"


def test_an_agent_put_aside_is_refused_at_once(cast, sign_in):
    martine = sign_in(cast.martine)
    Agent.objects.filter(pk=cast.martine.pk).update(is_active=False)
    assert why(martine.get(AGENTS)) == "agent_disabled"


def test_a_deleted_agent_is_refused_at_once(cast, sign_in):
    martine = sign_in(cast.martine)
    cast.martine.leave()
    assert why(martine.get(AGENTS)) == "unknown"


def test_deletion_alone_disables_the_agent(now, cast, sign_in):
    martine = sign_in(cast.martine)
    Agent.objects.filter(pk=cast.martine.pk).update(deleted_at=datetime.datetime.now(datetime.UTC))
    assert why(martine.get(AGENTS)) == "agent_disabled"


@pytest.mark.parametrize(
    "changed",
    [
        {"uid": "MARTINE@demo.rdv-solidarites.fr"},
        {"uid": " martine@demo.rdv-solidarites.fr "},
        {"uid": "bruno@exemple.test"},
        {"uid": ""},
        {"uid": "a" * 10_000},
        {"uid": "é\xff"},
        {"access-token": ""},
        {"access-token": "trop court"},
        {"client": ""},
        {"client": "default"},
        {"client": "c" * 22},
    ],
)
def test_every_part_of_the_triple_must_be_exact(cast, sign_in, changed):
    martine = sign_in(cast.martine)
    martine.triple |= changed
    assert why(martine.get(AGENTS)) == "unknown"


@pytest.mark.parametrize("part", ["access-token", "client", "uid"])
def test_every_part_of_the_triple_is_needed(cast, sign_in, part):
    martine = sign_in(cast.martine)
    del martine.triple[part]
    assert why(martine.get(AGENTS)) == "unknown"


@pytest.mark.parametrize("part", ["access-token", "client", "uid"])
def test_parts_of_two_agents_do_not_mix(cast, sign_in, part):
    martine, bruno = sign_in(cast.martine), sign_in(cast.bruno)
    martine.triple[part] = bruno.triple[part]
    assert why(martine.get(AGENTS)) == "unknown"


@pytest.mark.parametrize("part", ["access-token", "client", "uid"])
def test_a_duplicated_header_is_refused(cast, sign_in, part):
    martine = sign_in(cast.martine)
    martine.triple[part] = f"{martine.triple[part]},{martine.triple[part]}"  # how a server joins them
    assert why(martine.get(AGENTS)) == "unknown"


def test_a_truncated_token_is_refused(cast, sign_in):
    martine = sign_in(cast.martine)
    martine.triple["access-token"] = martine.triple["access-token"][:-1]
    assert why(martine.get(AGENTS)) == "unknown"


def test_the_triple_is_not_read_from_the_address(cast, sign_in, anonymous):
    triple = sign_in(cast.martine).triple
    assert anonymous.get(AGENTS, triple).status_code == 401


def test_the_triple_is_not_read_from_the_body(cast, sign_in, anonymous):
    triple = sign_in(cast.martine).triple
    assert anonymous.post("/api/v1/absences", triple).status_code == 401


def test_a_cookie_of_the_pages_gives_no_right_here(cast, anonymous):
    cast.martine.is_staff = True
    cast.martine.save()
    anonymous.force_login(cast.martine, backend="agents.backends.PasswordBackend")
    assert anonymous.get(AGENTS).status_code == 401


def test_clients_live_side_by_side(cast, sign_in):
    one, other = sign_in(cast.martine), sign_in(cast.martine)
    assert one.get(AGENTS).status_code == other.get(AGENTS).status_code == 200


def test_the_eleventh_client_pushes_out_the_oldest_and_no_other(now, cast, sign_in):
    clients = []
    for _ in range(11):
        clients.append(sign_in(cast.martine))
        now.tick(60)
    oldest, *others = clients
    assert why(oldest.get(AGENTS)) == "revoked"
    assert {client.get(AGENTS).status_code for client in others} == {200}


def test_a_cap_of_one_is_the_original(cast, sign_in, settings):
    settings.RDV_TOKEN_MAX_CLIENTS = 1
    first, second = sign_in(cast.martine), sign_in(cast.martine)
    assert why(first.get(AGENTS)) == "revoked"
    assert second.get(AGENTS).status_code == 200


def test_a_shorter_life_in_the_settings_breaks_no_new_sign_in(now, cast, sign_in, settings):
    settings.RDV_TOKEN_MAX_CLIENTS = 2
    olds = [sign_in(cast.martine), sign_in(cast.martine)]
    settings.RDV_TOKEN_LIFETIME = datetime.timedelta(hours=1)
    newest = sign_in(cast.martine)
    assert newest.get(AGENTS).status_code == 200
    assert sorted(client.get(AGENTS).status_code for client in olds) == [200, 401]


def test_the_life_is_a_setting(now, cast, sign_in, settings):
    settings.RDV_TOKEN_LIFETIME = datetime.timedelta(hours=1)
    martine = sign_in(cast.martine)
    now.tick(60 * 60)
    assert why(martine.get(AGENTS)) == "expired"


def test_expired_tokens_do_not_count_against_the_cap(now, cast, sign_in, settings):
    settings.RDV_TOKEN_MAX_CLIENTS = 2
    sign_in(cast.martine)
    now.tick(DAY)
    one, other = sign_in(cast.martine), sign_in(cast.martine)
    assert one.get(AGENTS).status_code == other.get(AGENTS).status_code == 200


def test_a_sign_in_buries_the_tokens_that_died_a_week_ago(now, cast, sign_in):
    sign_in(cast.martine)
    now.tick(9 * DAY)
    sign_in(cast.martine)
    assert ClientToken.objects.count() == 1


def test_the_clients_of_others_do_not_count(cast, sign_in, settings):
    settings.RDV_TOKEN_MAX_CLIENTS = 1
    martine = sign_in(cast.martine)
    sign_in(cast.bruno)
    assert martine.get(AGENTS).status_code == 200


def sign_in_as_client(agent, client, anonymous):
    answer = anonymous.post(SIGN_IN, {"email": agent.email, "password": PASSWORD}, headers={"client": client})
    renewed = WireClient()
    renewed.triple = {name: answer[name] for name in ("access-token", "client", "uid")}
    return renewed


def test_a_sign_in_with_a_live_client_renews_its_token_in_place(now, cast, sign_in, anonymous):
    martine = sign_in(cast.martine)
    now.tick(60)
    renewed = sign_in_as_client(cast.martine, martine.triple["client"], anonymous)
    assert renewed.triple["client"] == martine.triple["client"]
    assert renewed.triple["access-token"] != martine.triple["access-token"]
    assert why(martine.get(AGENTS)) == "unknown"
    assert renewed.get(AGENTS).status_code == 200
    assert ClientToken.objects.count() == 1


def test_a_sign_in_with_the_client_of_another_agent_leaves_that_one_alone(cast, sign_in, anonymous):
    bruno = sign_in(cast.bruno)
    martine = sign_in_as_client(cast.martine, bruno.triple["client"], anonymous)
    assert martine.triple["client"] != bruno.triple["client"]
    assert bruno.get(AGENTS).status_code == martine.get(AGENTS).status_code == 200


@pytest.mark.parametrize("client", ["", "default", "c" * 22, "a,b", "é"])
def test_the_server_chooses_the_name_of_a_new_client(cast, anonymous, client):
    martine = sign_in_as_client(cast.martine, client, anonymous)
    assert martine.triple["client"] != client
    assert martine.get(AGENTS).status_code == 200


def test_a_sign_in_with_an_expired_client_opens_a_new_one(now, cast, sign_in, anonymous):
    martine = sign_in(cast.martine)
    now.tick(DAY)
    assert (
        sign_in_as_client(cast.martine, martine.triple["client"], anonymous).triple["client"]
        != (martine.triple["client"])
    )


def test_a_changed_email_takes_its_tokens_along(cast, sign_in):
    martine = sign_in(cast.martine)
    cast.martine.email = "martine@exemple.test"
    cast.martine.save()
    assert martine.get(AGENTS).status_code == 401
    martine.triple["uid"] = "martine@exemple.test"
    assert martine.get(AGENTS).status_code == 200


def test_use_is_noted_at_most_once_in_five_minutes(now, cast, sign_in, django_assert_num_queries):
    martine = sign_in(cast.martine)
    now.tick(5 * 60)
    martine.get(AGENTS)
    assert ClientToken.objects.get().last_used_at.isoformat() == "2026-11-16T09:05:00+00:00"
    now.tick(5 * 60 - 1)
    martine.get(AGENTS)
    assert ClientToken.objects.get().last_used_at.isoformat() == "2026-11-16T09:05:00+00:00"


def test_a_refused_token_costs_one_query(cast, sign_in, django_assert_num_queries):
    martine = sign_in(cast.martine)
    martine.triple["access-token"] = tokens.new_secret()
    with django_assert_num_queries(1):  # the token by its client, its agent with it
        martine.get(AGENTS)


@pytest.mark.parametrize("triple", [{}, {"uid": "martine@demo.rdv-solidarites.fr", "access-token": "faux"}])
def test_what_cannot_be_a_token_costs_no_query(cast, anonymous, django_assert_num_queries, triple):
    with django_assert_num_queries(0):
        anonymous.get(AGENTS, headers=triple)


def test_a_check_asks_no_slow_hash(cast, sign_in, monkeypatch):
    martine = sign_in(cast.martine)

    def slow(*args):
        raise AssertionError("A token was checked with a hash for passwords.")

    monkeypatch.setattr(BasePasswordHasher, "encode", slow)
    monkeypatch.setattr("django.contrib.auth.hashers.check_password", slow)
    assert martine.get(AGENTS).status_code == 200


def test_a_check_costs_the_same_among_many_tokens(cast, sign_in, django_assert_num_queries):
    martine = sign_in(cast.martine)
    for _ in range(20):
        sign_in(AgentFactory())
    with django_assert_num_queries(1):  # the token; `me` then asks roles, services and territories
        martine.triple["access-token"] = tokens.new_secret()
        martine.get("/api/v1/me")


def test_every_answer_to_a_known_caller_carries_the_credential(cast, sign_in):
    martine = sign_in(cast.martine)
    answers = {
        200: martine.get(AGENTS),
        400: martine.post("/api/v1/absences", "{"),
        403: martine.get(f"/api/v1/organisations/{cast.lille.pk}"),
        404: martine.get("/api/v1/absences/999"),
        405: martine.delete(AGENTS),
        413: martine.post("/api/v1/absences", " " * (1024 * 1024 + 1)),
        415: martine.put(f"/api/v1/organisations/{cast.mds.pk}", "a", content_type="text/plain"),
        422: martine.post("/api/v1/absences", {}),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert {name: answer[name] for name in martine.triple} == martine.triple
        assert answer["token-type"] == "Bearer"
        assert answer["expiry"].isdigit()
