"""Where a credential may be carried, of each kind, in each state (rows T6, T8, T11): one table."""

from __future__ import annotations

import base64
import datetime
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from agents import tokens
from agents.authentication import TripleCredential, signature
from agents.authentication.jwt import issue, signed
from agents.models import AccessKey, AccountRole, Agent, ApiAccount, ClientToken
from agents.models.keys import end_of
from tests.conftest import WireClient
from tests.factories import AbsenceFactory, AgentFactory
from tests.identity_provider import IdentityProvider

ABSENCES = "/api/v1/absences"
CARRIERS = {
    "Authorization": lambda secret: {"Authorization": f"Bearer {secret}"},
    "X-API-Token": lambda secret: {"X-API-Token": secret},
    "X-Api-Key": lambda secret: {"X-Api-Key": secret},
    "x-auth": lambda secret: {"x-auth": f"Bearer {secret}"},
}
# What each state is answered, as (status, reason); None where a kind does not know the state.
STATES = {
    "live": (200, None),
    "unknown": (401, "unknown"),
    "one character flipped": (401, "unknown"),
    "expired": (401, "expired"),
    "deactivated": (401, "deactivated"),
    "revoked": (401, "revoked"),
    "owner disabled": (401, "agent_disabled"),
    "deleted": (401, "unknown"),
}
PERIOD = {"name": "Tâche de nuit"}


def account_of(cast: SimpleNamespace, **fields: Any) -> ApiAccount:
    """An account that is admin of the MDS, as Martine is."""
    account = ApiAccount.objects.create(name="Agenda de la mairie", **fields)
    AccountRole.objects.create(account=account, organisation=cast.mds, access_level="admin")
    return account


def one_string(triple: dict[str, str]) -> str:
    return base64.b64encode(json.dumps(triple).encode()).decode()


def key(owner: Agent | ApiAccount, state: str) -> str:
    row, secret = AccessKey.make(owner, expires_at=end_of(30), **PERIOD)
    rows = AccessKey.objects.filter(pk=row.pk)
    match state:
        case "unknown":
            return tokens.new_key(secret[: len(tokens.PERSONAL)])
        case "one character flipped":
            return secret[:-8] + ("a" if secret[-8] != "a" else "b") + secret[-7:]
        case "expired":
            rows.update(expires_at=timezone.now())
        case "deactivated":
            row.switch(on=False)
        case "revoked":
            rows.revoke()
        case "owner disabled":
            type(owner).objects.filter(pk=owner.pk).update(is_active=False)
        case "deleted":
            rows.delete()
    return secret


def triple(owner: Agent, state: str) -> str | None:
    token, secret = ClientToken.objects.issue(owner)
    rows = ClientToken.objects.filter(pk=token.pk)
    sent = TripleCredential(token, secret).triple()
    match state:
        case "deactivated":
            return None
        case "unknown":
            sent["client"] = "A" * 22
        case "one character flipped":
            sent["access-token"] = ("a" if secret[0] != "a" else "b") + secret[1:]
        case "expired":
            rows.update(expires_at=timezone.now())
        case "revoked":
            rows.revoke()
        case "owner disabled":
            Agent.objects.filter(pk=owner.pk).update(is_active=False)
        case "deleted":
            rows.delete()
    return one_string(sent)


def web_token(owner: Agent, state: str) -> str | None:
    token, secret = issue(owner)
    rows = ClientToken.objects.filter(pk=token.pk)
    if state == "expired":
        token.expires_at = timezone.now() - datetime.timedelta(minutes=1)
    elif state == "unknown":
        secret = tokens.new_secret()
    text = signed(token, secret)
    match state:
        case "deactivated":
            return None
        case "one character flipped":
            return flipped_in(text, -20)
        case "revoked":
            rows.revoke()
        case "owner disabled":
            Agent.objects.filter(pk=owner.pk).update(is_active=False)
        case "deleted":
            rows.delete()
    return text


def token_of(provider: IdentityProvider, owner: Agent, state: str) -> str | None:
    end = int(time.time()) + (-99 if state == "expired" else 99)
    text = provider.token(email=owner.email, email_verified=True, exp=end)
    match state:
        case "deactivated" | "revoked" | "deleted":  # that is the provider's business
            return None
        case "unknown":
            return provider.token(email="nobody@exemple.test", email_verified=True)
        case "one character flipped":
            return flipped_in(text, -20)
        case "owner disabled":
            Agent.objects.filter(pk=owner.pk).update(is_active=False)
    return text


def flipped_in(text: str, place: int) -> str:
    return text[:place] + ("a" if text[place] != "a" else "b") + text[place + 1 :]


def made(kind: str, state: str, cast: SimpleNamespace, provider: IdentityProvider | None = None) -> str | None:
    match kind:
        case "personal token":
            return key(cast.martine, state)
        case "account's token":
            return key(account_of(cast), state)
        case "JSON Web Token":
            return web_token(cast.martine, state)
        case "identity provider's token" if provider:
            return token_of(provider, cast.martine, state)
    return triple(cast.martine, state)


@pytest.mark.django_db
@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    "kind",
    ["personal token", "account's token", "triple in one piece", "JSON Web Token", "identity provider's token"],
)
def test_each_kind_in_each_state_is_answered_alike_in_each_carrier(
    kind: str, state: str, carrier: str, cast: SimpleNamespace, anonymous: WireClient, provider: IdentityProvider
) -> None:
    secret = made(kind, state, cast, provider)
    if secret is None:
        return
    status, reason = STATES[state]
    if kind == "account's token" and state == "owner disabled":
        reason = "account_disabled"
    answer = anonymous.get(ABSENCES, headers=CARRIERS[carrier](secret))
    assert answer.status_code == status, answer.content
    if reason:
        assert f'error_description="{reason}"' in answer["WWW-Authenticate"]
        assert answer.json() == {"errors": ["Vous devez vous connecter ou vous inscrire pour continuer."]}


@pytest.mark.django_db
@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_flipped_character_costs_no_query(
    carrier: str, cast: SimpleNamespace, anonymous: WireClient, django_assert_num_queries: Any
) -> None:
    secret = key(cast.martine, "live")
    for place in range(len(secret)):
        flipped = secret[:place] + ("0" if secret[place] != "0" else "1") + secret[place + 1 :]
        with django_assert_num_queries(0):
            assert anonymous.get(ABSENCES, headers=CARRIERS[carrier](flipped)).status_code == 401, place


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["personal token", "account's token"])
def test_a_key_costs_as_many_queries_as_the_triple(
    kind: str, cast: SimpleNamespace, sign_in: Any, anonymous: WireClient, django_assert_num_queries: Any
) -> None:
    secret = made(kind, "live", cast)
    AccessKey.objects.update(last_used_at=timezone.now())
    client = sign_in(cast.martine)
    AbsenceFactory(agent=cast.bruno)
    with django_assert_num_queries(3):
        assert client.get(ABSENCES).status_code == 200
    with django_assert_num_queries(3):
        assert anonymous.get(ABSENCES, headers={"X-Api-Key": secret}).status_code == 200


@pytest.mark.django_db
def test_with_1000_keys_one_costs_the_same(
    cast: SimpleNamespace, anonymous: WireClient, django_assert_num_queries: Any
) -> None:
    secret = key(cast.martine, "live")
    rows = [AccessKey(**PERIOD) for _ in range(1000)]
    for row in rows:
        row.own(cast.martine)
    AccessKey.objects.bulk_create(rows)
    AccessKey.objects.update(last_used_at=timezone.now())
    AbsenceFactory(agent=cast.bruno)
    with django_assert_num_queries(3):
        assert anonymous.get(ABSENCES, headers={"X-Api-Key": secret}).status_code == 200


# Two at once.


def two(first: str, second: str) -> list[dict[str, str]]:
    """`first` and `second` in each pair of carriers."""
    return [CARRIERS[one](first) | CARRIERS[other](second) for one in CARRIERS for other in CARRIERS if one != other]


@pytest.mark.django_db
def test_two_that_differ_are_refused_wherever_they_are(cast: SimpleNamespace, anonymous: WireClient) -> None:
    martine, bruno = key(cast.martine, "live"), key(cast.bruno, "live")
    for headers in two(martine, bruno):
        answer = anonymous.get(ABSENCES, headers=headers)
        assert answer.status_code == 400
        assert answer.json()["errors"] == [{"base": "conflicting_credentials"}]


@pytest.mark.django_db
def test_the_same_twice_is_one(cast: SimpleNamespace, anonymous: WireClient) -> None:
    secret = key(cast.martine, "live")
    for headers in two(secret, secret):
        assert anonymous.get(ABSENCES, headers=headers).status_code == 200


@pytest.mark.django_db
def test_a_key_beside_a_triple_or_a_signature_is_refused(
    cast: SimpleNamespace, sign_in: Any, anonymous: WireClient, settings: Any
) -> None:
    settings.RDV_SHARED_SECRET = "cle-de-test"
    secret = {"X-API-Token": key(cast.martine, "live")}
    assert sign_in(cast.martine).get(ABSENCES, headers=secret).status_code == 400
    signed = {"X-Agent-Auth-Signature": signature(cast.martine, "cle-de-test"), "uid": cast.martine.email}
    assert anonymous.get(ABSENCES, headers=signed | secret).status_code == 400
    assert anonymous.get(ABSENCES, headers=signed).status_code == 200


@pytest.mark.django_db
def test_a_triple_may_come_with_itself_in_one_piece(cast: SimpleNamespace, sign_in: Any) -> None:
    client = sign_in(cast.martine)
    assert client.get(ABSENCES, headers={"X-Api-Key": one_string(client.triple)}).status_code == 200
    other = one_string(sign_in(cast.bruno).triple)
    assert client.get(ABSENCES, headers={"X-Api-Key": other}).status_code == 400


@pytest.mark.django_db
@pytest.mark.parametrize(
    "stranger",
    [{"X-Api-Key": "cle-de-la-passerelle"}, {"Authorization": "Basic cHJveHk6cHJveHk="}, {"X-Auth": "autre"}],
)
def test_what_is_no_credential_of_ours_may_stand_beside_one(
    stranger: dict[str, str], cast: SimpleNamespace, sign_in: Any
) -> None:
    """Gateways and proxies have keys of their own: who came in before they were looked at still does."""
    assert sign_in(cast.martine).get(ABSENCES, headers=stranger).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize(
    "garbage",
    ["", " ", "é", "Bearer", "rdv_pat_", "rdv_pat_" + "A" * 36, "x" * 7000, "e30=", "bnVsbA==", "..", "eyJ..", "\x01"],
)
def test_garbage_is_refused_without_a_query(
    carrier: str, garbage: str, anonymous: WireClient, django_assert_num_queries: Any
) -> None:
    headers = {name: value.encode().decode("latin-1") for name, value in CARRIERS[carrier](garbage).items()}
    with django_assert_num_queries(0):
        assert anonymous.get(ABSENCES, headers=headers).status_code == 401


# In the address.


@pytest.mark.django_db
def test_a_key_in_the_address_is_read_only_where_that_is_allowed_and_only_on_get(
    cast: SimpleNamespace, anonymous: WireClient, settings: Any
) -> None:
    secret = key(cast.martine, "live")
    address = f"{ABSENCES}?api_key={secret}"
    assert anonymous.get(address).status_code == 401
    settings.RDV_KEY_IN_ADDRESS = True
    assert anonymous.get(address).status_code == 200
    one = address.replace("?", f"/{AbsenceFactory(agent=cast.bruno).pk}?")
    assert anonymous.get(one).status_code == 200
    for verb in ("put", "patch", "delete"):
        assert getattr(anonymous, verb)(one).status_code == 401, verb
    assert anonymous.post(ABSENCES, {"api_key": secret}).status_code == 401


@pytest.mark.django_db
def test_answers_to_a_key_repeat_no_credential(cast: SimpleNamespace, anonymous: WireClient) -> None:
    answer = anonymous.get(ABSENCES, headers={"X-Api-Key": key(cast.martine, "live")})
    assert not {"access-token", "client", "uid", "expiry", "token-type"} & {name.lower() for name in answer.headers}


@pytest.mark.django_db
def test_the_use_of_a_key_is_noted_at_most_once_in_five_minutes(
    cast: SimpleNamespace, anonymous: WireClient, now: Any
) -> None:
    secret = key(cast.martine, "live")
    used = []
    for minutes in (0, 4, 2):
        now.tick(datetime.timedelta(minutes=minutes))
        anonymous.get(ABSENCES, headers={"X-Api-Key": secret})
        used.append(AccessKey.objects.get().last_used_at)
    assert used[0] == used[1] < used[2]


@pytest.mark.django_db
def test_an_agent_without_email_comes_in_by_no_key(anonymous: WireClient) -> None:
    answer = anonymous.get(ABSENCES, headers={"X-Api-Key": key(AgentFactory(email=None), "live")})
    assert answer.status_code == 401
