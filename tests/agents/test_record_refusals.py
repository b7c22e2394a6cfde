"""Refusals and failed sign-ins in the record: of whom, and how many at most."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from agents.authentication import signature
from agents.models import AccessKey, Agent, ApiAccount, ClientToken, Grant, RecordEntry
from agents.record import refusals
from tests.conftest import WireClient
from tests.factories import PASSWORD, AbsenceFactory, AgentFactory

API = "/api/v1"

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(cast: SimpleNamespace) -> Any:
    """The entries since the cast is there."""
    before = RecordEntry.objects.order_by("-pk").values_list("pk", flat=True)[0]
    return lambda: list(RecordEntry.objects.filter(pk__gt=before, action__in=("refused", "sign_in_failed")))[::-1]


@pytest.fixture
def key(cast: SimpleNamespace, now: Any) -> tuple[AccessKey, WireClient]:
    key, secret = AccessKey.make(cast.bruno, name="Pont")
    client = WireClient()
    client.triple = {"Authorization": f"Bearer {secret}"}
    return key, client


def put_aside(key: AccessKey) -> None:
    key.switch(on=False)


def revoke(key: AccessKey) -> None:
    AccessKey.objects.filter(pk=key.pk).revoke()


def expire(key: AccessKey) -> None:
    AccessKey.objects.filter(pk=key.pk).update(expires_at=timezone.now())


def disable(key: AccessKey) -> None:
    Agent.objects.filter(pk=key.agent_id).update(is_active=False)


@pytest.mark.parametrize(
    ("end", "code"),
    [(put_aside, "deactivated"), (revoke, "revoked"), (expire, "expired"), (disable, "agent_disabled")],
)
def test_a_key_that_lets_nobody_in_any_more_is_told(
    cast: SimpleNamespace, key: Any, told: Any, end: Any, code: str
) -> None:
    row, client = key
    end(row)
    assert client.get(f"{API}/absences").status_code == 401
    (entry,) = told()
    assert (entry.action, entry.code, entry.resource) == ("refused", code, "absence")
    assert (entry.actor_kind, entry.actor_id, entry.agent_id) == ("agent", cast.bruno.pk, cast.bruno.pk)
    assert (entry.credential_kind, entry.credential_id, entry.address) == ("personal_token", row.pk, "127.0.0.1")


def test_a_token_that_was_revoked_is_told(cast: SimpleNamespace, sign_in: Any, told: Any) -> None:
    bruno = sign_in(cast.bruno)
    ClientToken.objects.revoke()
    assert bruno.get(f"{API}/auth/validate_token").status_code == 401
    (entry,) = told()
    assert (entry.code, entry.credential_kind, entry.actor_id) == ("revoked", "token", cast.bruno.pk)


def test_a_sign_out_with_a_token_that_was_revoked_is_told(cast: SimpleNamespace, sign_in: Any, told: Any) -> None:
    bruno = sign_in(cast.bruno)
    ClientToken.objects.revoke()
    assert bruno.delete(f"{API}/auth/sign_out").status_code == 404
    assert [entry.code for entry in told()] == ["revoked"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer rdv_pat_nothing"},
        {"Authorization": "Bearer rdv_pat_" + "A" * 43},
        {"access-token": "A" * 22, "client": "B" * 22, "uid": "bruno@exemple.test"},
        {"X-Agent-Auth-Signature": "0" * 64, "uid": "bruno@exemple.test"},
    ],
)
def test_of_a_stranger_nothing_is_told(anonymous: WireClient, told: Any, headers: dict[str, str]) -> None:
    assert anonymous.get(f"{API}/absences", headers=headers).status_code == 401
    assert told() == []


def test_a_wrong_secret_for_a_known_token_is_a_strangers(cast: SimpleNamespace, sign_in: Any, told: Any) -> None:
    bruno = sign_in(cast.bruno)
    ClientToken.objects.revoke()
    bruno.triple["access-token"] = "A" * 22
    assert bruno.get(f"{API}/absences").status_code == 401
    assert told() == []


def test_a_403_is_told_with_what_was_asked(cast: SimpleNamespace, sign_in: Any, told: Any) -> None:
    absence = AbsenceFactory(agent=cast.bruno)
    answer = sign_in(cast.etienne).patch(f"{API}/absences/{absence.pk}?reason=essai", {"title": "x"})
    assert answer.status_code == 403
    (entry,) = told()
    assert (entry.code, entry.resource, entry.object_id) == ("forbidden", "absence", absence.pk)
    assert (entry.method, entry.route, entry.reason) == ("PATCH", "absences/<pk>", "essai")
    assert entry.agent_id == cast.etienne.pk, "of the row that was asked for nobody learns"


def test_a_key_beyond_its_scope_is_told(cast: SimpleNamespace, told: Any) -> None:
    _key, secret = AccessKey.make(cast.martine, name="Lecture", read_only=True)
    client = WireClient()
    client.triple = {"Authorization": f"Bearer {secret}"}
    assert client.delete(f"{API}/absences/1").status_code == 403
    assert [entry.code for entry in told()] == ["insufficient_scope"]


@pytest.mark.parametrize(("granted", "code"), [(False, "not_granted"), (True, "agent_disabled")])
def test_an_account_that_may_not_act_for_an_agent_is_told(
    cast: SimpleNamespace, told: Any, granted: bool, code: str
) -> None:
    account = ApiAccount.objects.create(name="Agence")
    if granted:
        Grant.objects.create(account=account, agent=cast.bruno)
        Agent.objects.filter(pk=cast.bruno.pk).update(is_active=False)
    _key, secret = AccessKey.make(account, name="Pont")
    client = WireClient()
    client.triple = {"Authorization": f"Bearer {secret}", "X-RDV-Act-For": str(cast.bruno.pk)}
    assert client.get(f"{API}/absences").status_code == (401 if granted else 403)
    (entry,) = told()
    assert (entry.code, entry.actor_kind, entry.actor_id) == (code, "api_account", account.pk)


def test_a_signature_of_somebody_put_aside_is_told(
    cast: SimpleNamespace, told: Any, settings: Any, anonymous: WireClient
) -> None:
    settings.RDV_SHARED_SECRET = "cle-de-test"
    Agent.objects.filter(pk=cast.bruno.pk).update(is_active=False)
    headers = {"X-Agent-Auth-Signature": signature(cast.bruno, "cle-de-test"), "uid": cast.bruno.email}
    assert anonymous.get(f"{API}/absences", headers=headers).status_code == 401
    assert [(entry.code, entry.credential_kind) for entry in told()] == [("agent_disabled", "shared_secret")]


def test_a_refused_page_is_told(cast: SimpleNamespace, client: Any, told: Any) -> None:
    helper = AgentFactory(email="renfort@exemple.test", is_staff=True)
    client.force_login(helper, backend="agents.backends.PasswordBackend")
    assert client.get("/admin/agents/agent/").status_code == 403
    (entry,) = told()
    assert (entry.code, entry.actor_id, entry.credential_kind) == ("forbidden", helper.pk, "session")
    assert entry.route == "admin:agents_agent_changelist"


# Failed sign-ins.


def test_a_wrong_password_is_told_to_whose_it_is(cast: SimpleNamespace, anonymous: WireClient, told: Any) -> None:
    wrong = {"email": cast.bruno.email, "password": "Canari-faux 1 !"}
    assert anonymous.post(f"{API}/auth/sign_in", wrong).status_code == 401
    (entry,) = told()
    assert (entry.action, entry.code) == ("sign_in_failed", "bad_credentials")
    assert (entry.actor_kind, entry.actor_id) == ("anonymous", None)
    assert (entry.object_id, entry.agent_id) == (cast.bruno.pk, cast.bruno.pk)
    assert "Canari" not in json.dumps(list(RecordEntry.objects.values()), default=str)


def test_an_email_that_nobody_has_is_not_kept(anonymous: WireClient, told: Any) -> None:
    anonymous.post(f"{API}/auth/sign_in", {"email": "Canari-dans-le-mauvais-champ 2 !", "password": "x"})
    (entry,) = told()
    assert (entry.object_id, entry.object_name, entry.agent_id) == (None, "", None)
    assert "anari" not in json.dumps(list(RecordEntry.objects.values()), default=str)


def test_the_right_password_of_somebody_put_aside_is_told(
    cast: SimpleNamespace, anonymous: WireClient, told: Any
) -> None:
    Agent.objects.filter(pk=cast.bruno.pk).update(is_active=False)
    right = {"email": cast.bruno.email, "password": PASSWORD}
    assert anonymous.post(f"{API}/auth/sign_in", right).status_code == 401
    assert [entry.code for entry in told()] == ["agent_disabled"]


def test_a_failure_on_the_page_is_told_too(cast: SimpleNamespace, client: Any, told: Any) -> None:
    client.post("/admin/login/", {"username": cast.bruno.email, "password": "Canari-faux 3 !"})
    (entry,) = told()
    assert (entry.action, entry.agent_id) == ("sign_in_failed", cast.bruno.pk)


# The bounds.


def test_the_same_refusal_is_told_once_a_minute_and_then_how_often(key: Any, told: Any, now: Any) -> None:
    row, client = key
    put_aside(row)
    for _ in range(5):
        assert client.get(f"{API}/absences").status_code == 401
    assert [entry.repeated for entry in told()] == [0]
    now.tick(61)
    client.get(f"{API}/absences")
    assert [entry.repeated for entry in told()] == [0, 4]


def test_another_refusal_of_the_same_credential_is_told(key: Any, told: Any) -> None:
    row, client = key
    put_aside(row)
    client.get(f"{API}/absences")
    client.get(f"{API}/agents")
    assert [entry.resource for entry in told()] == ["absence", "agent"]


def test_each_failed_sign_in_is_told_but_20_a_minute_of_one_address(
    cast: SimpleNamespace, anonymous: WireClient, told: Any, now: Any
) -> None:
    for number in range(30):
        anonymous.post(f"{API}/auth/sign_in", {"email": f"personne{number}@exemple.test", "password": "x"})
    assert len(told()) == 20
    now.tick(61)
    anonymous.post(f"{API}/auth/sign_in", {"email": "personne@exemple.test", "password": "x"})
    assert [entry.repeated for entry in told()][-1] == 10


def test_a_hundred_a_minute_of_all(
    cast: SimpleNamespace, anonymous: WireClient, told: Any, settings: Any, now: Any
) -> None:
    settings.RDV_TRUSTED_PROXIES = 1
    for number in range(110):
        headers = {"X-Forwarded-For": f"203.0.113.{number}"}
        anonymous.post(f"{API}/auth/sign_in", {"email": "personne@exemple.test", "password": "x"}, headers=headers)
    assert len(told()) == 100


def test_what_is_remembered_of_those_left_out_is_bounded(now: Any) -> None:
    bound = refusals.Bound()
    for number in range(5000):
        bound.admit(number, number, each=False)
    assert len(bound._left_out) == refusals.REMEMBERED


def test_a_clock_that_goes_back_does_not_silence(key: Any, told: Any, now: Any) -> None:
    row, client = key
    put_aside(row)
    client.get(f"{API}/absences")
    now.move_to("2026-11-16 08:00:00")
    client.get(f"{API}/absences")
    assert len(told()) == 2


def test_a_record_that_cannot_be_written_changes_no_answer(
    cast: SimpleNamespace, key: Any, told: Any, monkeypatch: pytest.MonkeyPatch, now: Any
) -> None:
    row, client = key
    put_aside(row)

    def locked(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr("agents.record.refusals.note", locked)
        assert client.get(f"{API}/absences").status_code == 401
    assert told() == []
    now.tick(61)
    client.get(f"{API}/absences")
    assert [entry.repeated for entry in told()] == [1]
