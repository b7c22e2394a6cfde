"""The record tells every change: who, for whom, with what, from where, why, and what was there before."""

from __future__ import annotations

import datetime
import io
import json
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from agents.models import (
    AccessKey,
    AccountRole,
    Agent,
    AgentRole,
    ApiAccount,
    ClientToken,
    Grant,
    RecordEntry,
    Service,
    SigningKey,
)
from agents.record import gathered, note
from agents.record.origin import RecordMiddleware, origin
from tests.conftest import NOW, WireClient
from tests.factories import PASSWORD, AgentFactory, OrganisationFactory

API = "/api/v1"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]


def last(**asked: Any) -> RecordEntry:
    return RecordEntry.objects.filter(**asked).order_by("-pk")[0]


def told_since(before: int) -> list[RecordEntry]:
    return list(RecordEntry.objects.filter(pk__gt=before).order_by("pk"))


@pytest.fixture
def mark(cast: SimpleNamespace) -> int:
    """The last entry there is, once the cast is."""
    return RecordEntry.objects.order_by("-pk").values_list("pk", flat=True)[0]


@pytest.fixture
def martine(cast: SimpleNamespace, sign_in: Any) -> WireClient:
    return sign_in(cast.martine)


def bearing(key: str, **headers: str) -> WireClient:
    client = WireClient()
    client.triple = {"Authorization": f"Bearer {key}", **headers}
    return client


# Who, with what, from where, why.


def test_a_change_by_api_tells_all_there_is_to_tell(cast: SimpleNamespace, martine: WireClient) -> None:
    request_id = "6f9e1c2a-7d1b-4a56-9d0e-1f2a3b4c5d6e"
    address = f"{API}/organisations/{cast.mds.pk}?reason=Fusion des sites"
    answer = martine.patch(address, {"name": "MDS du parc"}, headers={"X-Request-Id": request_id})
    assert answer.status_code == 200
    entry = last()
    shown = {name: value for name, value in vars(entry).items() if name not in ("_state", "id", "at", "credential_id")}
    assert entry.at.isoformat() == f"{NOW.replace(' ', 'T')}+00:00"
    assert shown == {
        "action": "updated",
        "code": "",
        "repeated": 0,
        "resource": "organisation",
        "object_id": cast.mds.pk,
        "object_name": "MDS du parc",
        "changes": {"name": ["MDS Les Tilleuls", "MDS du parc"]},
        "reason": "Fusion des sites",
        "actor_kind": "agent",
        "actor_id": cast.martine.pk,
        "actor_name": "Martine VALIDAY",
        "acting_for_id": None,
        "acting_for_name": "",
        "credential_kind": "token",
        "credential_name": f"{martine.triple['client'][:6]}…",
        "address": "127.0.0.1",
        "request_id": request_id,
        "method": "PATCH",
        "route": "organisations/<pk>",
        "agent_id": None,
        "confidential": False,
        "organisation_id": cast.mds.pk,
    }
    assert entry.credential_id == ClientToken.objects.get().pk


def test_a_change_with_a_key_names_the_key(cast: SimpleNamespace) -> None:
    key, secret = AccessKey.make(cast.martine, name="Tâche de nuit")
    bearing(secret).patch(f"{API}/organisations/{cast.mds.pk}", {"name": "MDS du parc"})
    entry = last()
    assert (entry.credential_kind, entry.credential_id) == ("personal_token", key.pk)
    assert entry.credential_name == f"Tâche de nuit ({secret[:12]}…)"


def test_an_account_that_acts_for_an_agent_is_the_actor_and_the_agent_is_beside_it(cast: SimpleNamespace) -> None:
    account = ApiAccount.objects.create(name="Agence du numérique")
    Grant.objects.create(account=account, agent=cast.martine)
    _key, secret = AccessKey.make(account, name="Pont")
    client = bearing(secret, **{"X-RDV-Act-For": str(cast.martine.pk)})
    assert client.patch(f"{API}/organisations/{cast.mds.pk}", {"name": "MDS du parc"}).status_code == 200
    entry = last()
    assert (entry.actor_kind, entry.actor_id, entry.actor_name) == ("api_account", account.pk, "Agence du numérique")
    assert (entry.acting_for_id, entry.acting_for_name) == (cast.martine.pk, "Martine VALIDAY")
    assert entry.credential_kind == "account_token"


def test_an_account_in_its_own_name_acts_for_nobody(cast: SimpleNamespace) -> None:
    account = ApiAccount.objects.create(name="Agence du numérique")
    AccountRole.objects.create(account=account, organisation=cast.mds, access_level="admin")
    _key, secret = AccessKey.make(account, name="Pont")
    bearing(secret).patch(f"{API}/organisations/{cast.mds.pk}", {"name": "MDS du parc"})
    assert (last().actor_id, last().acting_for_id) == (account.pk, None)


def test_a_change_without_a_request_is_the_systems(cast: SimpleNamespace, mark: int) -> None:
    cast.mds.name = "MDS du parc"
    cast.mds.save()
    (entry,) = told_since(mark)
    assert (entry.actor_kind, entry.address, entry.route) == ("system", "", "")


def test_a_thread_forgets_its_request(cast: SimpleNamespace) -> None:
    request = RequestFactory().get("/")
    request.resolver_match, seen = None, []
    RecordMiddleware(lambda _request: seen.append(origin()))(request)
    with pytest.raises(ZeroDivisionError):
        RecordMiddleware(lambda _request: 1 / 0)(request)
    assert [one["actor_kind"] for one in (*seen, origin())] == ["anonymous", "system"]


# Why.


@pytest.mark.parametrize("verb", ["patch", "put"])
def test_a_reason_in_the_body_is_none(cast: SimpleNamespace, martine: WireClient, verb: str) -> None:
    answer = getattr(martine, verb)(f"{API}/organisations/{cast.mds.pk}", {"name": "Autre", "reason": "du corps"})
    assert answer.status_code == 200
    assert last().reason == ""


def test_a_reason_of_more_than_1000_characters_is_refused(cast: SimpleNamespace, martine: WireClient) -> None:
    path = f"{API}/organisations/{cast.mds.pk}?reason="
    refused = martine.patch(path + "x" * 1001, {"name": "Autre"})
    assert refused.status_code == 422
    assert refused.json()["errors"] == {"reason": [{"error": "too_long", "count": 1000}]}
    assert martine.patch(path + "x" * 1000, {"name": "Autre"}).status_code == 200
    assert last().reason == "x" * 1000


@pytest.mark.parametrize("reason", ["", "?reason=", "?reason=%20", "?raison=x"])
def test_a_reason_may_be_required(cast: SimpleNamespace, martine: WireClient, settings: Any, reason: str) -> None:
    settings.RDV_REASON = "required"
    answer = martine.patch(f"{API}/organisations/{cast.mds.pk}{reason}", {"name": "Autre", "reason": "du corps"})
    assert answer.status_code == 422
    assert answer.json() == {
        "success": False,
        "errors": {"reason": [{"error": "reason_required"}]},
        "error_messages": ["reason doit être donné dans l'adresse : ?reason=…"],
    }
    cast.mds.refresh_from_db()
    assert cast.mds.name == "MDS Les Tilleuls"
    assert martine.patch(f"{API}/organisations/{cast.mds.pk}?reason=x", {"name": "Autre"}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "absences"), ("PUT", "absences/1"), ("PATCH", "absences/1"), ("DELETE", "absences/1"),
        ("PUT", "organisations/1"), ("POST", "tokens"), ("PATCH", "tokens/1"), ("DELETE", "tokens/1"),
        ("DELETE", "token"),
    ],
)  # fmt: skip
def test_every_change_of_a_resource_asks_for_it(martine: WireClient, settings: Any, method: str, path: str) -> None:
    settings.RDV_REASON = "required"
    assert martine.generic(method, f"{API}/{path}").json()["errors"] == {"reason": [{"error": "reason_required"}]}


def test_reading_and_signing_in_and_out_ask_for_none(
    cast: SimpleNamespace, martine: WireClient, anonymous: WireClient, settings: Any
) -> None:
    settings.RDV_REASON = "required"
    assert martine.get(f"{API}/absences").status_code == 200
    right = {"email": cast.martine.email, "password": PASSWORD}
    assert anonymous.post(f"{API}/auth/sign_in", right).status_code == 200
    assert martine.delete(f"{API}/auth/sign_out").status_code == 200


# What.


def test_a_change_that_changes_nothing_is_none(cast: SimpleNamespace, martine: WireClient, mark: int) -> None:
    martine.patch(f"{API}/organisations/{cast.mds.pk}", {"name": cast.mds.name})
    cast.mds.save()
    assert told_since(mark) == []


def test_a_second_save_tells_only_what_came_after_the_first(cast: SimpleNamespace, mark: int) -> None:
    service = Service.objects.get(pk=cast.pmi.pk)
    service.name = "PMI du nord"
    service.save()
    service.short_name = "PMIN"
    service.save()
    assert [list(entry.changes) for entry in told_since(mark)] == [["name"], ["short_name"]]


def test_what_is_not_saved_is_not_told(cast: SimpleNamespace, mark: int) -> None:
    service = Service.objects.get(pk=cast.pmi.pk)
    service.name, service.short_name = "Autre", "Autre"
    service.save(update_fields=("name",))
    service.refresh_from_db()
    service.save()
    assert [entry.changes for entry in told_since(mark)] == [{"name": [cast.pmi.name, "Autre"]}]


def change_and_fail(organisation: Any) -> None:
    organisation.name = "Autre"
    organisation.save()
    raise ZeroDivisionError


def test_what_is_undone_is_not_told(cast: SimpleNamespace, mark: int) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        change_and_fail(cast.mds)
    assert told_since(mark) == []


def test_a_password_is_told_as_changed_and_never_what_it_is(cast: SimpleNamespace, mark: int) -> None:
    cast.bruno.set_password("Un mot de passe 9 !")
    cast.bruno.save()
    (entry,) = told_since(mark)
    assert entry.changes == {"password": ["***", "***"]}
    assert "plain$" not in json.dumps(list(RecordEntry.objects.values()), default=str)


def test_a_password_changed_by_api_is_told(martine: WireClient) -> None:
    new = {"password": "Un mot de passe 9 !", "password_confirmation": "Un mot de passe 9 !"}
    assert martine.put(f"{API}/auth/password", new).status_code == 200
    assert last(resource="agent").changes == {"password": ["***", "***"]}


def test_a_column_that_is_read_later_hides_no_change(cast: SimpleNamespace, mark: int) -> None:
    agent = Agent.objects.defer("last_name").get(pk=cast.bruno.pk)
    agent.first_name = "Autre"
    agent.last_name += " !"  # read now
    agent.save()
    (entry,) = told_since(mark)
    assert entry.changes == {
        "first_name": [cast.bruno.first_name, "Autre"],
        "last_name": [cast.bruno.last_name, f"{cast.bruno.last_name} !"],
    }


def test_services_are_told_as_they_come_and_go(cast: SimpleNamespace, mark: int) -> None:
    cast.bruno.services.set([cast.social])
    cast.pmi.agents.remove(cast.martine)
    cast.bruno.services.clear()
    assert [(entry.object_id, entry.changes["services"]) for entry in told_since(mark)] == [
        (cast.bruno.pk, [[cast.pmi.pk], []]),
        (cast.bruno.pk, [[], [cast.social.pk]]),
        (cast.martine.pk, [[cast.pmi.pk], []]),
        (cast.bruno.pk, [[cast.social.pk], []]),
    ]


def test_a_role_is_the_matter_of_its_agent_and_its_organisation(cast: SimpleNamespace, mark: int) -> None:
    role = AgentRole.objects.create(agent=cast.bruno, organisation=cast.lille)
    role.access_level = "admin"
    role.save()
    role.delete()
    entries = told_since(mark)
    assert [(entry.action, entry.resource) for entry in entries] == [
        ("created", "role"), ("updated", "role"), ("deleted", "role"),
    ]  # fmt: skip
    assert {(entry.agent_id, entry.organisation_id) for entry in entries} == {(cast.bruno.pk, cast.lille.pk)}
    assert entries[1].changes == {"access_level": ["basic", "admin"]}
    assert entries[2].changes["access_level"] == ["admin", None]


def test_an_agent_who_leaves_is_told_with_all_that_goes_with_them(cast: SimpleNamespace, mark: int) -> None:
    cast.bruno.leave()
    entries = told_since(mark)
    assert [(entry.action, entry.resource) for entry in entries] == [
        ("deleted", "agent"), ("updated", "agent"), ("deleted", "role"),
    ]  # fmt: skip
    assert entries[0].changes["email"] == ["bruno@exemple.test", f"agent_{cast.bruno.pk}@deleted.rdv-solidarites.fr"]


def test_what_cascades_is_told(cast: SimpleNamespace) -> None:
    organisation = OrganisationFactory()
    AgentRole.objects.create(agent=cast.bruno, organisation=organisation)
    before = last().pk
    organisation.delete()
    assert {(entry.action, entry.resource) for entry in told_since(before)} == {
        ("deleted", "role"),
        ("deleted", "organisation"),
    }


# Keys and tokens.


def test_the_life_of_a_key_is_told(cast: SimpleNamespace, martine: WireClient) -> None:
    before = last().pk
    token = martine.post(f"{API}/tokens?reason=cron", {"name": "Tâche de nuit"}).json()["token"]
    martine.patch(f"{API}/tokens/{token['id']}", {"active": False})
    martine.delete(f"{API}/tokens/{token['id']}")
    entries = told_since(before)
    assert [(entry.action, entry.resource, entry.object_id) for entry in entries] == [
        ("created", "token", token["id"]),
        ("updated", "token", token["id"]),
        ("deleted", "token", token["id"]),
    ]
    assert [entry.reason for entry in entries] == ["cron", "", ""]
    assert list(entries[1].changes) == ["deactivated_at"]
    kept = json.dumps(list(RecordEntry.objects.values()), default=str)
    assert token["secret"][12:] not in kept
    assert AccessKey.objects.count() == 0


def test_a_key_that_ends_itself_is_told_with_itself(cast: SimpleNamespace) -> None:
    key, secret = AccessKey.make(cast.martine, name="Pont")
    assert bearing(secret).delete(f"{API}/token").status_code == 204
    entry = last()
    assert (entry.action, entry.object_id, entry.credential_id) == ("revoked", key.pk, key.pk)


def test_no_digest_is_told(cast: SimpleNamespace) -> None:
    key, _secret = AccessKey.make(cast.martine, name="Pont")
    token, _secret = ClientToken.objects.issue(Agent.objects.get(pk=cast.martine.pk))
    AccessKey.objects.revoke()
    ClientToken.objects.revoke()
    key.delete()
    kept = json.dumps(list(RecordEntry.objects.values()), default=str)
    assert key.digest not in kept
    assert token.digest not in kept


def test_signing_in_and_out_is_told(cast: SimpleNamespace, anonymous: WireClient) -> None:
    before = last().pk
    answer = anonymous.post(f"{API}/auth/sign_in", {"email": cast.bruno.email, "password": PASSWORD})
    client = WireClient()
    client.triple = {name: answer[name] for name in ("access-token", "client", "uid")}
    client.delete(f"{API}/auth/sign_out")
    came, went = told_since(before)
    assert (came.action, came.credential_kind, came.actor_id) == ("signed_in", "password", cast.bruno.pk)
    assert (went.action, went.resource, went.credential_kind) == ("signed_out", "client", "token")
    assert {came.agent_id, went.agent_id, went.actor_id} == {cast.bruno.pk}


def test_signing_out_everywhere_tells_of_each(cast: SimpleNamespace, martine: WireClient, sign_in: Any) -> None:
    sign_in(cast.martine)
    before = last().pk
    martine.delete(f"{API}/auth/sign_out?everywhere=true")
    assert [entry.action for entry in told_since(before)] == ["signed_out", "revoked"]


# In bulk.


def directory(**more: Any) -> bytes:
    role = {"organisation": "MDS", "access_level": "basic"}
    agent = {"email": "zoe@agence.test", "services": ["PMI"], "roles": [role]} | more
    document = {
        "territories": [{"name": "Paris", "departement_number": "75"}],
        "services": [{"name": "PMI", "short_name": "PMI"}],
        "organisations": [{"name": "MDS", "departement_number": "75"}],
        "agents": [agent],
        "absences": [],
    }
    return json.dumps(document).encode()


@pytest.fixture
def provision(tmp_path: Any) -> Any:
    def apply(**more: Any) -> list[RecordEntry]:
        before = RecordEntry.objects.count() and last().pk
        file = tmp_path / "directory.json"
        file.write_bytes(directory(**more))
        call_command("provision", str(file), verbosity=0)
        return told_since(before)

    return apply


def test_provision_tells_what_it_creates_and_changes(provision: Any) -> None:
    entries = provision(password="Un mot de passe 9 !")
    assert {(entry.actor_kind, entry.actor_name) for entry in entries} == {("system", "provision")}
    assert [(entry.action, entry.resource) for entry in entries] == [
        ("created", "territory"), ("created", "service"), ("created", "organisation"), ("created", "agent"),
        ("updated", "agent"), ("created", "role"),
    ]  # fmt: skip
    assert entries[3].changes["password"] == [None, "***"]
    assert list(entries[4].changes) == ["services"]
    assert entries[5].object_name == "zoe@agence.test → MDS"
    assert provision(password="Un mot de passe 9 !") == []


def test_provision_tells_what_was_there_before(provision: Any) -> None:
    provision()
    entries = provision(first_name="Zoé", active=False, services=[], roles=[])
    agent = Agent.objects.get()
    assert entries[0].changes == {"first_name": [None, "Zoé"], "is_active": [True, False]}
    assert entries[1].changes == {"services": [[Service.objects.get().pk], []]}
    assert (entries[2].action, entries[2].resource, entries[2].agent_id) == ("deleted", "role", agent.pk)


def test_many_entries_are_one_statement(cast: SimpleNamespace) -> None:
    def cost(count: int) -> int:
        with CaptureQueriesContext(connection) as queries, gathered():
            for _ in range(count):
                cast.mds.name += "x"
                cast.mds.save()
        return len(queries) - count

    assert cost(40) == cost(20)


def test_what_is_gathered_and_fails_is_not_told(cast: SimpleNamespace, mark: int) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic(), gathered():
        change_and_fail(cast.mds)
    assert told_since(mark) == []


def test_a_command_is_named(cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getpass", lambda prompt: "Un mot de passe 9 !")
    before = last().pk
    call_command("changepassword", cast.bruno.email, stdout=io.StringIO())
    (entry,) = told_since(before)
    assert (entry.actor_name, entry.changes) == ("changepassword", {"password": ["***", "***"]})


def test_a_new_signing_key_is_told_by_its_name_alone(db: None) -> None:
    call_command("rotate_signing_keys", stdout=io.StringIO())
    key, entry = SigningKey.objects.get(), last()
    assert (entry.action, entry.resource, entry.object_name) == ("created", "signing_key", key.kid)
    assert (entry.actor_name, entry.changes) == ("rotate_signing_keys", {"kid": [None, key.kid]})


# On the pages.


def test_a_change_on_a_page_is_its_administrators(cast: SimpleNamespace, client: Any) -> None:
    odile = AgentFactory(email="odile@exemple.test", is_staff=True, is_superuser=True)
    client.force_login(odile, backend="agents.backends.PasswordBackend")
    before = last().pk
    address = f"/admin/agents/service/{cast.pmi.pk}/change/"
    typed = {"name": "PMI du nord", "short_name": "PMI"}
    assert client.post(address, typed).status_code == 302
    (entry,) = told_since(before)
    assert (entry.actor_id, entry.credential_kind) == (odile.pk, "session")
    assert (entry.route, entry.changes) == (
        "admin:agents_service_change",
        {"name": ["PMI (Protection Maternelle Infantile)", "PMI du nord"]},
    )


def test_an_action_on_many_agents_tells_of_each(cast: SimpleNamespace, client: Any) -> None:
    odile = AgentFactory(email="odile@exemple.test", is_staff=True, is_superuser=True)
    client.force_login(odile, backend="agents.backends.PasswordBackend")
    before = last().pk
    chosen = {"action": "deactivate", "_selected_action": [cast.bruno.pk, cast.chloe.pk]}
    client.post("/admin/agents/agent/", chosen)
    entries = told_since(before)
    assert {entry.object_id for entry in entries} == {cast.bruno.pk, cast.chloe.pk}
    assert [entry.changes for entry in entries] == [{"is_active": [True, False]}] * 2


def test_what_is_told_together_is_stored_as_what_is_told_alone(cast: SimpleNamespace, mark: int) -> None:
    changes = {"first_day": [None, datetime.date(2026, 12, 1)], "title": ["é", None], "services": [[], [1]]}
    told = {"id": 7, "name": "Congés", "changes": changes, "agent": cast.bruno.pk, "code": "x", "repeated": 3}
    note("created", "absence", **told)
    with gathered():
        note("created", "absence", **told)
        note("created", "absence", **told)
    columns = RecordEntry.objects.filter(pk__gt=mark).order_by("pk").values()[0]
    RecordEntry(**columns | {"id": None}).save()  # as Django does it
    one, *others = RecordEntry.objects.filter(pk__gt=mark).order_by("pk").values()
    assert others == [one | {"id": other["id"]} for other in others]
    assert len(others) == 3
    assert one["changes"] == {"first_day": [None, "2026-12-01"], "title": ["é", None], "services": [[], [1]]}
