"""`GET /api/v1/audit`: what is shown of the record, to whom, and how it is asked for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from agents.models import AccessKey, AccountRole, AgentRole, ApiAccount, Grant, RecordEntry
from agents.views import record
from tests.conftest import WireClient
from tests.factories import AbsenceFactory, OrganisationFactory

AUDIT = "/api/v1/audit"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]


def listed(client: WireClient, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"{AUDIT}{query}")
    assert answer.status_code == 200, answer.content
    entries = answer.json()["entries"]
    assert answer.json()["meta"]["total_count"] == int(answer["X-Total-Count"])
    return entries


def bearing(key: str, **headers: str) -> WireClient:
    client = WireClient()
    client.triple = {"Authorization": f"Bearer {key}", **headers}
    return client


def things(entries: list[dict[str, Any]]) -> set[tuple[str, int]]:
    return {(entry["resource"], entry["object"]["id"]) for entry in entries}


@pytest.fixture
def absence(cast: SimpleNamespace, sign_in: Any) -> Any:
    """Sophie's change of an absence of Bruno's."""
    absence = AbsenceFactory(agent=cast.bruno)
    answer = sign_in(cast.sophie).patch(f"/api/v1/absences/{absence.pk}?reason=Erreur", {"title": "RTT"})
    assert answer.status_code == 200
    return absence


def test_an_entry_on_the_wire(cast: SimpleNamespace, absence: Any, sign_in: Any) -> None:
    bruno = sign_in(cast.bruno)
    (entry,) = listed(bruno, "?resource=absence&action=updated")
    shown = bruno.get(f"{AUDIT}/{entry['id']}")
    assert shown.json() == {"entry": entry}
    assert entry.pop("request_id")
    assert entry.pop("credential") == {
        "kind": "token",
        "id": RecordEntry.objects.get(pk=entry["id"]).credential_id,
        "name": RecordEntry.objects.get(pk=entry["id"]).credential_name,
    }
    assert entry == {
        "id": entry["id"],
        "at": "2026-11-16 10:00:00 +0100",
        "action": "updated",
        "code": None,
        "repeated": 0,
        "resource": "absence",
        "object": {"id": absence.pk, "name": "RTT"},
        "changes": {"title": ["Congés", "RTT"]},
        "reason": "Erreur",
        "actor": {"kind": "agent", "id": cast.sophie.pk, "name": str(cast.sophie)},
        "acts_for": None,
        "address": "127.0.0.1",
        "method": "PATCH",
        "route": "absences/<pk>",
        "agent_id": cast.bruno.pk,
        "organisation_id": None,
    }


@pytest.mark.parametrize(
    ("who", "sees"),
    [("bruno", True), ("sophie", True), ("martine", True), ("chloe", False), ("thierry", False), ("etienne", False)],
)
def test_who_reads_that_sophie_changed_an_absence_of_brunos(
    cast: SimpleNamespace, absence: Any, sign_in: Any, who: str, sees: bool
) -> None:
    client = sign_in(getattr(cast, who))
    assert (("absence", absence.pk) in things(listed(client))) is sees
    (pk,) = RecordEntry.objects.filter(action="updated", resource="absence").values_list("pk", flat=True)
    assert client.get(f"{AUDIT}/{pk}").status_code == (200 if sees else 403)


def test_an_admin_does_not_read_what_their_agent_does_elsewhere(cast: SimpleNamespace, sign_in: Any) -> None:
    AgentRole.objects.create(agent=cast.bruno, organisation=cast.lille, access_level="admin")
    absence = AbsenceFactory(agent=cast.etienne)
    bruno = sign_in(cast.bruno)
    assert bruno.patch(f"/api/v1/absences/{absence.pk}", {"title": "RTT"}).status_code == 200
    assert bruno.patch(f"/api/v1/organisations/{cast.lille.pk}", {"name": "Lille"}).status_code == 200
    elsewhere = {("absence", absence.pk), ("organisation", cast.lille.pk)}
    assert elsewhere <= things(listed(bruno))
    martine = sign_in(cast.martine)
    assert not elsewhere & things(listed(martine))
    # Nor that he has a role there.
    assert cast.lille.pk not in {entry["organisation_id"] for entry in listed(martine)}


def test_an_agent_reads_what_was_done_for_them(cast: SimpleNamespace, sign_in: Any) -> None:
    account = ApiAccount.objects.create(name="Agence")
    Grant.objects.create(account=account, agent=cast.martine)
    _key, secret = AccessKey.make(account, name="Pont")
    client = bearing(secret, **{"X-RDV-Act-For": str(cast.martine.pk)})
    client.patch(f"/api/v1/organisations/{cast.mds.pk}", {"name": "MDS du parc"})
    AgentRole.objects.filter(agent=cast.martine).delete()
    entry = next(one for one in listed(sign_in(cast.martine)) if one["resource"] == "organisation")
    assert entry["actor"] == {"kind": "api_account", "id": account.pk, "name": "Agence"}
    assert entry["acts_for"] == {"id": cast.martine.pk, "name": "Martine VALIDAY"}


def test_an_account_of_that_number_is_another(cast: SimpleNamespace, sign_in: Any) -> None:
    account = ApiAccount.objects.create(pk=cast.etienne.pk, name="Agence")
    AccountRole.objects.create(account=account, organisation=cast.mds, access_level="admin")
    _key, secret = AccessKey.make(account, name="Pont")
    bearing(secret).patch(f"/api/v1/organisations/{cast.mds.pk}", {"name": "MDS du parc"})
    assert ("organisation", cast.mds.pk) not in things(listed(sign_in(cast.etienne)))


def test_an_account_reads_what_is_of_the_organisations_that_it_administers(cast: SimpleNamespace, absence: Any) -> None:
    account = ApiAccount.objects.create(name="Agence")
    role = AccountRole.objects.create(account=account, organisation=cast.mds, access_level="admin")
    _key, secret = AccessKey.make(account, name="Pont")
    assert ("absence", absence.pk) in things(listed(bearing(secret)))
    role.access_level = "basic"
    role.save()
    assert listed(bearing(secret)) == []


def test_a_key_for_some_organisations_reads_of_these_alone(cast: SimpleNamespace, absence: Any) -> None:
    other = OrganisationFactory()
    AgentRole.objects.create(agent=cast.martine, organisation=other, access_level="admin")
    _key, secret = AccessKey.make(cast.martine, name="Prêt", organisations=[other.pk])
    entries = listed(bearing(secret))
    assert entries
    assert {entry["organisation_id"] or entry["agent_id"] for entry in entries} <= {other.pk, cast.martine.pk}
    assert ("absence", absence.pk) not in things(entries)


def test_a_key_without_the_resource_reads_nothing(cast: SimpleNamespace) -> None:
    _key, secret = AccessKey.make(cast.martine, name="Absences", resources=["absences"])
    assert bearing(secret).get(AUDIT).status_code == 403


def test_the_newest_comes_first_a_hundred_at_a_time(cast: SimpleNamespace, sign_in: Any) -> None:
    for number in range(120):
        cast.mds.name = f"MDS {number}"
        cast.mds.save()
    martine = sign_in(cast.martine)
    entries = listed(martine, "?resource=organisation")
    ids = [entry["id"] for entry in entries]
    assert len(ids) == 100
    assert ids == sorted(ids, reverse=True)
    assert listed(martine, "?resource=organisation&cursor=") == entries


def test_many_entries_are_counted_so_far_and_all_can_be_walked_through(
    cast: SimpleNamespace, sign_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        cast.mds.name = f"MDS {number}"
        cast.mds.save()
        cast.lille.name = f"Lille {number}"
        cast.lille.save()
    martine = sign_in(cast.martine)
    query = "?resource=organisation&action=updated"
    everything = [entry["id"] for entry in listed(martine, query)]
    assert len(everything) == 12
    monkeypatch.setattr(record, "COUNTED", 10)
    assert [entry["id"] for entry in listed(martine, query)] == everything
    assert martine.get(f"{AUDIT}{query}").json()["meta"]["total_count"] == 10
    assert listed(martine, f"{query}&per=5&page=3") == []
    walked, cursor = [], ""
    while cursor is not None:
        answer = martine.get(f"{AUDIT}{query}&per=5&cursor={cursor}").json()
        walked += [entry["id"] for entry in answer["entries"]]
        cursor = answer["meta"]["next_cursor"]
    assert walked == everything


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("actor_id={sophie}", 1), ("actor_id={bruno}", 0), ("actor_id=x", 0),
        ("actor_kind=agent&resource=absence", 1), ("actor_kind=system&resource=absence", 1),
        ("resource=absence&object_id={absence}", 2), ("resource=absence&object_id=0", 0),
        ("resource=absence&action=created", 1), ("resource=absence&agent_id={bruno}", 2),
        ("resource=absence&agent_id={chloe}", 0), ("resource=rien", 0),
        ("resource=absence&from=2026-11-16", 2), ("resource=absence&from=2026-11-17", 0),
        ("resource=absence&to=2026-11-16", 2), ("resource=absence&to=2026-11-15", 0),
        ("resource=absence&to=2026-11-16T10:00:00", 0), ("resource=absence&from=2026-11-16T10:00:00", 2),
        ("resource=absence&from=0001-01-01&to=9999-12-31", 2),
    ],
)  # fmt: skip
def test_the_filters(cast: SimpleNamespace, absence: Any, sign_in: Any, query: str, count: int) -> None:
    query = query.format(sophie=cast.sophie.pk, bruno=cast.bruno.pk, chloe=cast.chloe.pk, absence=absence.pk)
    assert len(listed(sign_in(cast.bruno), f"?{query}")) == count


@pytest.mark.parametrize("query", ["from=hier", "to=2026-02-30"])
def test_a_period_that_cannot_be_read_is_told(cast: SimpleNamespace, sign_in: Any, query: str) -> None:
    assert sign_in(cast.bruno).get(f"{AUDIT}?{query}").status_code == 422


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_it_is_read_and_nothing_else(cast: SimpleNamespace, sign_in: Any, method: str) -> None:
    martine = sign_in(cast.martine)
    (pk, *_rest) = [entry["id"] for entry in listed(martine)]
    for path in (AUDIT, f"{AUDIT}/{pk}"):
        assert martine.generic(method, path, "{}").status_code == 405


def test_nobody_reads_it_without_a_credential(anonymous: WireClient) -> None:
    assert anonymous.get(AUDIT).status_code == 401
