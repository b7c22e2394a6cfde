"""Personal access tokens by API (rows T6, T7, T12): made, told, bounded, put aside, ended."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from absences.models import Absence
from agents import tokens
from agents.models import AccessKey, AccountRole, ApiAccount
from agents.models.keys import end_of
from tests.conftest import WireClient
from tests.factories import AbsenceFactory, OrganisationFactory
from tests.worlds import KINDS, credentials

TOKENS = "/api/v1/tokens"
TOKEN = "/api/v1/token"
ABSENCES = "/api/v1/absences"
PERIOD = {"first_day": "2026-12-01", "start_time": "09:00", "end_time": "10:00", "title": "Formation"}

pytestmark = pytest.mark.django_db


@pytest.fixture
def martine(cast: SimpleNamespace, sign_in: Any) -> WireClient:
    return sign_in(cast.martine)


def made(client: WireClient, **fields: Any) -> dict[str, Any]:
    answer = client.post(TOKENS, {"name": "Tâche de nuit"} | fields)
    assert answer.status_code == 200, answer.content
    return answer.json()["token"]


def bearer(token: dict[str, Any]) -> WireClient:
    client = WireClient()
    client.triple = {"Authorization": f"Bearer {token['secret']}"}
    return client


def test_a_token_is_made_and_its_secret_shown_once(martine: WireClient, now: Any) -> None:
    answer = martine.post(TOKENS, {"name": "Tâche de nuit", "note": "cron de 2 h"})
    token = answer.json()["token"]
    secret = token.pop("secret")
    assert tokens.is_key(secret)
    assert secret.startswith("rdv_pat_")
    assert answer["Cache-Control"] == "no-store"
    assert answer["Location"].endswith(f"/api/v1/tokens/{token['id']}")
    assert token == {
        "id": token["id"],
        "name": "Tâche de nuit",
        "note": "cron de 2 h",
        "prefix": secret[:12],
        "state": "active",
        "read_only": False,
        "resources": None,
        "organisations": None,
        "created_at": "2026-11-16 10:00:00 +0100",
        "expires_at": "2026-12-16 10:00:00 +0100",
        "last_used_at": None,
    }
    listed = martine.get(TOKENS)
    assert listed.json()["tokens"] == [token] == [martine.get(f"{TOKENS}/{token['id']}").json()["token"]]
    assert secret not in listed.content.decode()


def test_of_a_secret_nothing_but_a_digest_is_kept(martine: WireClient) -> None:
    secret = made(martine)["secret"]
    assert secret[12:] not in str(AccessKey.objects.values().get())


def test_two_may_have_the_same_name(martine: WireClient) -> None:
    assert made(martine)["secret"] != made(martine)["secret"]


@pytest.mark.parametrize(
    ("expires", "end"),
    [
        (7, "2026-11-23 10:00:00 +0100"),
        ("30", "2026-12-16 10:00:00 +0100"),
        ("60d", "2027-01-15 10:00:00 +0100"),
        (90, "2027-02-14 10:00:00 +0100"),
        ("2027-07-01", "2027-07-02 00:00:00 +0200"),
        ("never", None),
        ("", "2026-12-16 10:00:00 +0100"),
        (None, "2026-12-16 10:00:00 +0100"),
    ],
)
def test_the_end_is_chosen(expires: Any, end: str | None, martine: WireClient, now: Any) -> None:
    assert made(martine, expires_at=expires)["expires_at"] == end


@pytest.mark.parametrize(
    ("sent", "attribute", "code"),
    [
        ({"name": ""}, "name", "blank"),
        ({"name": "x" * 256}, "name", "too_long"),
        ({"name": {}}, "name", "invalid"),
        ({"note": "x" * 2001}, "note", "too_long"),
        ({"expires_at": 8}, "expires_at", "inclusion"),
        ({"expires_at": "demain"}, "expires_at", "invalid"),
        ({"expires_at": "2026-11-15"}, "expires_at", "past"),
        ({"expires_at": "9999-12-31"}, "expires_at", "invalid"),
        ({"expires_at": True}, "expires_at", "invalid"),
        ({"expires_at": [7]}, "expires_at", "invalid"),
        ({"read_only": "peut-être"}, "read_only", "invalid"),
        ({"resources": []}, "resources", "empty"),
        ({"resources": ["rdvs"]}, "resources", "inclusion"),
        ({"resources": 3}, "resources", "invalid"),
        ({"resources": [["absences"]]}, "resources", "invalid"),
        ({"organisations": []}, "organisations", "empty"),
        ({"organisations": ["x"]}, "organisations", "invalid"),
        ({"organisations": [10**30]}, "organisations", "invalid"),
        ({"organisations": [999_999]}, "organisations", "inclusion"),
    ],
)
def test_bad_values_are_told_by_field_and_nothing_is_made(
    sent: dict[str, Any], attribute: str, code: str, martine: WireClient, now: Any
) -> None:
    answer = martine.post(TOKENS, {"name": "Tâche de nuit"} | sent)
    assert answer.status_code == 422, answer.content
    assert [failure["error"] for failure in answer.json()["errors"][attribute]] == [code]
    assert not AccessKey.objects.exists()


def test_without_end_can_be_forbidden(martine: WireClient, settings: Any) -> None:
    settings.RDV_KEYS_WITHOUT_END = False
    answer = martine.post(TOKENS, {"name": "Toujours", "expires_at": "never"})
    assert answer.json()["errors"] == {"expires_at": [{"error": "end_required"}]}


def test_an_organisation_out_of_reach_cannot_be_chosen(martine: WireClient, cast: SimpleNamespace) -> None:
    answer = martine.post(TOKENS, {"name": "Lille", "organisations": [cast.lille.pk]})
    assert answer.json()["errors"] == {"organisations": [{"error": "inclusion", "value": [cast.lille.pk]}]}


def test_name_note_and_state_change_and_nothing_else(martine: WireClient) -> None:
    token = made(martine)
    address = f"{TOKENS}/{token['id']}"
    changed = martine.patch(address, {"name": "Autre", "note": "x", "active": False}).json()["token"]
    assert (changed["name"], changed["note"], changed["state"]) == ("Autre", "x", "deactivated")
    refused = martine.patch(address, {"read_only": True, "expires_at": "never", "organisations": [1]})
    assert refused.status_code == 422
    assert refused.json()["errors"] == {name: [{"error": "fixed"}] for name in refused.json()["errors"]}
    assert refused.json()["errors"].keys() == {"read_only", "expires_at", "organisations"}


def test_deactivated_it_is_refused_and_activated_again_it_is_not(martine: WireClient) -> None:
    token = made(martine)
    address, client = f"{TOKENS}/{token['id']}", bearer(token)
    assert client.get(ABSENCES).status_code == 200
    assert martine.patch(address, {"active": False}).json()["token"]["state"] == "deactivated"
    assert client.get(ABSENCES).status_code == 401
    assert martine.patch(address, {"active": True}).json()["token"]["state"] == "active"
    assert client.get(ABSENCES).status_code == 200


def test_deleted_it_is_gone(martine: WireClient) -> None:
    token = made(martine)
    assert martine.delete(f"{TOKENS}/{token['id']}").status_code == 204
    assert bearer(token).get(ABSENCES).status_code == 401
    assert martine.get(f"{TOKENS}/{token['id']}").status_code == 404
    assert martine.get(TOKENS).json()["tokens"] == []


def test_expired_it_says_so(martine: WireClient, now: Any) -> None:
    token = made(martine, expires_at=7)
    now.tick(datetime.timedelta(days=7))
    assert 'error_description="expired"' in bearer(token).get(ABSENCES)["WWW-Authenticate"]
    assert AccessKey.objects.get().state == "expired"


def test_a_key_makes_changes_and_deletes_no_key(martine: WireClient) -> None:
    token = made(martine)
    client = bearer(token)
    assert client.get(TOKENS).status_code == 200
    for answer in (
        client.post(TOKENS, {"name": "Encore"}),
        client.patch(f"{TOKENS}/{token['id']}", {"active": True}),
        client.delete(f"{TOKENS}/{token['id']}"),
    ):
        assert answer.status_code == 403
        assert answer.json()["errors"] == [{"base": "insufficient_scope"}]


def test_a_key_can_end_itself(martine: WireClient) -> None:
    client = bearer(made(martine))
    assert client.delete(TOKEN).status_code == 204
    assert 'error_description="revoked"' in client.get(TOKEN)["WWW-Authenticate"]
    assert martine.get(TOKENS).json()["tokens"][0]["state"] == "revoked"


def test_a_revoked_key_is_not_activated_again(martine: WireClient) -> None:
    token = made(martine)
    client = bearer(token)
    client.delete(TOKEN)
    assert martine.patch(f"{TOKENS}/{token['id']}", {"active": True}).json()["token"]["state"] == "revoked"
    assert client.get(ABSENCES).status_code == 401


def test_sign_out_ends_keys_only_when_asked(martine: WireClient, cast: SimpleNamespace, sign_in: Any) -> None:
    client = bearer(made(martine))
    assert martine.delete("/api/v1/auth/sign_out", headers={}).status_code == 200
    assert client.get(ABSENCES).status_code == 200
    assert sign_in(cast.martine).delete("/api/v1/auth/sign_out?everywhere=true").status_code == 200
    assert client.get(ABSENCES).status_code == 200
    assert sign_in(cast.martine).delete("/api/v1/auth/sign_out?everywhere=true&keys=true").status_code == 200
    assert client.get(ABSENCES).status_code == 401


# How far it reaches.


@pytest.mark.parametrize("path", ["agent.services", "agent.organisations", "organisation.territory"])
def test_what_is_embedded_is_within_its_resources_too(martine: WireClient, cast: SimpleNamespace, path: str) -> None:
    row = AbsenceFactory(agent=cast.bruno)
    narrow, wide = (
        bearer(made(martine, resources=resources))
        for resources in (["absences"], ["absences", "services", "organisations"])
    )
    of_scope = path != "organisation.territory"  # which has no scope: `GET me` shows it to every key
    new = PERIOD | {"agent_id": cast.bruno.pk}
    for client, status in ((narrow, 403 if of_scope else 200), (wide, 200)):
        for answer in (
            client.get(f"{ABSENCES}?expand={path}"),
            client.get(f"{ABSENCES}/{row.pk}?expand={path}"),
            client.patch(f"{ABSENCES}/{row.pk}?expand={path}", {"title": "Autre"}),
            client.post(f"{ABSENCES}?expand={path}", new),
        ):
            assert answer.status_code == status
            if status == 403:
                assert answer.json()["errors"] == [{"base": "insufficient_scope"}]
    assert Absence.objects.count() == (2 if of_scope else 3)


def test_a_key_that_only_reads_writes_nothing(martine: WireClient, cast: SimpleNamespace) -> None:
    client = bearer(made(martine, read_only=True))
    row = AbsenceFactory(agent=cast.bruno)
    for answer in (
        client.post(ABSENCES, PERIOD | {"agent_id": cast.bruno.pk}),
        client.patch(f"{ABSENCES}/{row.pk}", {"title": "Autre"}),
        client.delete(f"{ABSENCES}/{row.pk}"),
    ):
        assert answer.status_code == 403
        assert answer.json()["errors"] == [{"base": "insufficient_scope"}]
        assert answer["WWW-Authenticate"] == 'Bearer error="insufficient_scope", realm="rdv"'
    assert client.get(f"{ABSENCES}/{row.pk}").status_code == 200
    assert Absence.objects.get().title == row.title


def test_a_key_for_some_resources_opens_no_other(martine: WireClient) -> None:
    client = bearer(made(martine, resources=["absences"]))
    allowed = {
        path: client.get(f"/api/v1/{path}").status_code for path in ("absences", "agents", "services", "me", "token")
    }
    assert allowed == {"absences": 200, "agents": 403, "services": 403, "me": 200, "token": 200}


def test_a_key_never_has_more_than_its_agent_has_now(martine: WireClient, cast: SimpleNamespace) -> None:
    client = bearer(made(martine, organisations=[cast.mds.pk]))
    AbsenceFactory(agent=cast.bruno)
    assert client.get(ABSENCES).json()["meta"]["total_count"] == 1
    cast.martine.roles.all().delete()
    assert client.get(ABSENCES).json()["meta"]["total_count"] == 0
    assert client.get(f"{ABSENCES}/{Absence.objects.get().pk}").status_code == 403


def test_a_key_for_every_organisation_follows_its_agent(martine: WireClient, cast: SimpleNamespace) -> None:
    client = bearer(made(martine))
    later = OrganisationFactory(territory=cast.paris)
    cast.martine.roles.create(organisation=later, access_level="admin")
    assert later.pk in [one["id"] for one in client.get("/api/v1/organisations").json()["organisations"]]


def test_the_scope_that_changes_under_a_write_decides(
    martine: WireClient, cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that is put aside while its request is under way writes nothing."""
    token = made(martine)
    row = AbsenceFactory(agent=cast.bruno)
    save = Absence.save

    def then(self: Absence, **kwargs: Any) -> None:
        save(self, **kwargs)
        AccessKey.objects.filter(pk=token["id"]).update(deactivated_at=timezone.now())

    monkeypatch.setattr(Absence, "save", then)
    answer = bearer(token).patch(f"{ABSENCES}/{row.pk}", {"title": "Trop tard"})
    assert (answer.status_code, Absence.objects.get().title) == (401, row.title)


# Who am I, with what.


def test_token_tells_what_a_key_is(martine: WireClient, cast: SimpleNamespace, now: Any) -> None:
    token = made(martine, read_only=True, resources=["absences"], organisations=[cast.mds.pk])
    assert bearer(token).get(TOKEN).json() == {
        "token": {
            "kind": "personal_token",
            "id": token["id"],
            "name": "Tâche de nuit",
            "prefix": token["prefix"],
            "read_only": True,
            "resources": ["absences"],
            "organisations": [cast.mds.pk],
            "created_at": "2026-11-16 10:00:00 +0100",
            "expires_at": "2026-12-16 10:00:00 +0100",
            "last_used_at": None,
            "owner": {"kind": "agent", "id": cast.martine.pk, "email": cast.martine.email, "name": "Martine VALIDAY"},
            "acts_for": None,
        }
    }


def test_me_through_a_key_tells_roles_and_key(martine: WireClient, cast: SimpleNamespace) -> None:
    told = bearer(made(martine)).get("/api/v1/me").json()
    assert [role["organisation"]["id"] for role in told["agent"]["roles"]] == [cast.mds.pk]
    assert (told["credential"]["kind"], told["credential"]["name"]) == ("personal_token", "Tâche de nuit")


def test_only_a_key_can_be_given_up_this_way(martine: WireClient) -> None:
    answer = martine.delete(TOKEN)
    assert (answer.status_code, answer.json()) == (404, {"not_found": "token"})


# API accounts.


@pytest.fixture
def account(cast: SimpleNamespace) -> ApiAccount:
    account = ApiAccount.objects.create(name="Agenda de la mairie")
    AccountRole.objects.create(account=account, organisation=cast.mds, access_level="admin")
    return account


def program(account: ApiAccount, act_for: object = None, **fields: Any) -> WireClient:
    client = WireClient()
    secret = AccessKey.make(account, name="clé 1", expires_at=end_of(30), **fields)[1]
    client.triple = {"X-Api-Key": secret} | ({"X-RDV-Act-For": str(act_for)} if act_for is not None else {})
    return client


def test_an_account_has_what_its_roles_open(account: ApiAccount, cast: SimpleNamespace) -> None:
    AbsenceFactory(agent=cast.bruno)
    AbsenceFactory(agent=cast.etienne)
    client = program(account)
    assert client.get(ABSENCES).json()["meta"]["total_count"] == 1
    created = client.post(ABSENCES, PERIOD | {"agent_id": cast.bruno.pk})
    assert created.status_code == 200
    assert client.delete(f"{ABSENCES}/{created.json()['absence']['id']}").status_code == 204
    assert client.post(ABSENCES, PERIOD | {"agent_id": cast.etienne.pk}).status_code == 403


def test_a_basic_account_sees_those_of_its_services(account: ApiAccount, cast: SimpleNamespace) -> None:
    account.roles.update(access_level="basic")
    client = program(account)
    assert client.get("/api/v1/agents").json()["agents"] == []
    account.services.add(cast.pmi)
    seen = {agent["id"] for agent in client.get("/api/v1/agents").json()["agents"]}
    assert cast.bruno.pk in seen
    assert cast.chloe.pk not in seen


def test_an_account_is_on_no_list_of_agents(account: ApiAccount, martine: WireClient) -> None:
    assert account.name not in martine.get("/api/v1/agents").content.decode()


def test_me_and_token_tell_the_account(account: ApiAccount, cast: SimpleNamespace) -> None:
    client = program(account)
    told = client.get("/api/v1/me").json()
    assert (told["api_account"]["name"], "agent" in told) == ("Agenda de la mairie", False)
    assert [role["access_level"] for role in told["api_account"]["roles"]] == ["admin"]
    assert client.get(TOKEN).json()["token"]["owner"] == {
        "kind": "api_account",
        "id": account.pk,
        "name": "Agenda de la mairie",
    }


def test_an_account_acts_for_an_agent_only_where_that_was_granted(
    account: ApiAccount, cast: SimpleNamespace, martine: WireClient
) -> None:
    AbsenceFactory(agent=cast.etienne)
    for name in (cast.etienne.pk, cast.etienne.email):
        refused = program(account, name).get(ABSENCES)
        assert (refused.status_code, refused.json()["errors"]) == (403, [{"base": "not_granted"}])
    account.grants.create(agent=cast.etienne)
    client = program(account, cast.etienne.email)
    assert client.get("/api/v1/me").json()["agent"]["id"] == cast.etienne.pk
    told = client.get(TOKEN).json()["token"]
    assert (told["owner"]["name"], told["acts_for"]["id"]) == ("Agenda de la mairie", cast.etienne.pk)
    # With the agent's rights, and not its own.
    visible = client.get(ABSENCES).json()["absences"]
    assert {one["agent"]["id"] for one in visible} <= {cast.etienne.pk}
    account.grants.all().delete()
    assert client.get(ABSENCES).status_code == 403


@pytest.mark.parametrize("nobody", ["", "0", "999999", "x" * 5000, "-1", "personne@exemple.test", "\x01", "9" * 400])
def test_to_act_for_nobody_is_refused_like_for_somebody(nobody: str, account: ApiAccount) -> None:
    answer = program(account, nobody).get(ABSENCES)
    assert (answer.status_code, answer.json()["errors"]) == (403, [{"base": "not_granted"}])


@pytest.mark.parametrize("kind", KINDS)
def test_only_an_account_acts_for_others(kind: str, cast: SimpleNamespace, settings: Any) -> None:
    """Whoever asks for it otherwise is refused, rather than heard in their own name."""
    settings.RDV_SHARED_SECRET = "cle-de-test"
    client = credentials(cast.martine)[kind]
    refused = client.get(ABSENCES, headers={"X-RDV-Act-For": str(cast.bruno.pk)})
    assert (refused.status_code, refused.json()["errors"]) == (403, [{"base": "not_granted"}])


def test_the_agent_acted_for_must_be_able_to_come_in(account: ApiAccount, cast: SimpleNamespace) -> None:
    account.grants.create(agent=cast.bruno)
    client = program(account, cast.bruno.pk)
    assert client.get(ABSENCES).status_code == 200
    type(cast.bruno).objects.filter(pk=cast.bruno.pk).update(is_active=False)
    assert client.get(ABSENCES).status_code == 401


def test_the_scope_of_an_accounts_key_bounds_whom_it_acts_for_too(account: ApiAccount, cast: SimpleNamespace) -> None:
    account.grants.create(agent=cast.martine)
    for act_for in (None, cast.martine.pk):
        client = program(account, act_for, organisations=[cast.lille.pk])
        assert client.get("/api/v1/organisations").json()["organisations"] == []


def test_an_account_put_aside_is_refused_at_once(account: ApiAccount) -> None:
    client = program(account)
    ApiAccount.objects.update(is_active=False)
    assert 'error_description="account_disabled"' in client.get(ABSENCES)["WWW-Authenticate"]


def test_an_account_has_no_personal_tokens(account: ApiAccount) -> None:
    client = program(account)
    assert client.get(TOKENS).json()["tokens"] == []
    assert client.post(TOKENS, {"name": "x"}).status_code == 403


# Switches (row T16).


def test_making_keys_can_be_switched_off(martine: WireClient, settings: Any) -> None:
    token = made(martine)
    settings.RDV_KEY_CREATION = False
    answer = martine.post(TOKENS, {"name": "x"})
    assert (answer.status_code, answer.json()["errors"]) == (403, [{"base": "key_creation_disabled"}])
    assert bearer(token).get(ABSENCES).status_code == 200


def test_passwords_can_be_switched_off(anonymous: WireClient, settings: Any) -> None:
    settings.RDV_PASSWORD_SIGN_IN = False
    answer = anonymous.post("/api/v1/auth/sign_in", {"email": "x@exemple.test", "password": "x"})
    assert (answer.status_code, answer.json()["errors"]) == (403, [{"base": "password_sign_in_disabled"}])


def test_the_api_can_be_switched_off(martine: WireClient, settings: Any) -> None:
    settings.RDV_API = False
    for client in (martine, WireClient()):
        for path in (ABSENCES, "/api/v1/auth/sign_in", "/api/v1/nulle_part"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["errors"]) == (403, [{"base": "api_disabled"}])
            assert answer["X-Request-Id"]
    english = martine.get(ABSENCES, headers={"Accept-Language": "en"})
    assert english.json()["error_messages"] == ["The API is switched off on this server."]
    assert martine.get("/admin/login/").status_code == 200
