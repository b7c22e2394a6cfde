"""What an organisation decided about absences: shown to who sees it, changed by its admins, recorded (row A11, A18)."""

import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from absences.models import AbsencePolicy
from agents.models import RecordEntry

from ..conftest import WireClient
from ..factories import AbsencePolicyFactory, AgentFactory

DEFAULTS = {
    "day_ends": "18:30:00",
    "excluded_holidays": [],
    "morning_starts": "08:00:00",
    "noon": "12:30:00",
    "on_holiday": "allow",
    "overlap": "allow",
    "private_kinds": [],
    "public_holidays": True,
}
CHOSEN = {
    "day_ends": "17:00:00",
    "excluded_holidays": ["Lundi de Pentecôte", "Armistice"],
    "morning_starts": "09:00:00",
    "noon": "12:00:00",
    "on_holiday": "refuse",
    "overlap": "merge",
    "private_kinds": ["sick", "other"],
    "public_holidays": False,
}


@pytest.fixture
def path(cast: SimpleNamespace) -> str:
    return f"/api/v1/organisations/{cast.mds.pk}/absence_policy"


def shown(client: WireClient, path: str) -> dict[str, Any]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.content
    return dict(answer.json()["absence_policy"])


def test_an_organisation_that_decided_nothing_has_the_defaults(
    cast: SimpleNamespace, martine: WireClient, path: str
) -> None:
    assert shown(martine, path) == {"organisation_id": cast.mds.pk} | DEFAULTS


@pytest.mark.parametrize("verb", ["put", "patch"])
def test_what_is_sent_is_decided_and_the_rest_stays(
    cast: SimpleNamespace, martine: WireClient, path: str, verb: str
) -> None:
    answer = getattr(martine, verb)(path, {"overlap": "warn"})
    assert answer.status_code == 200
    assert answer.json()["absence_policy"] == {"organisation_id": cast.mds.pk} | DEFAULTS | {"overlap": "warn"}
    assert getattr(martine, verb)(path, CHOSEN).status_code == 200
    assert shown(martine, path) == {"organisation_id": cast.mds.pk} | CHOSEN
    assert AbsencePolicy.objects.count() == 1


def test_nothing_sent_decides_nothing(martine: WireClient, path: str) -> None:
    assert martine.patch(path, {}).status_code == 200
    assert not AbsencePolicy.objects.exists()


def test_null_gives_the_default_back(cast: SimpleNamespace, martine: WireClient, path: str) -> None:
    martine.patch(path, CHOSEN)
    martine.patch(path, dict.fromkeys(CHOSEN))
    assert shown(martine, path) == {"organisation_id": cast.mds.pk} | DEFAULTS


def test_a_form_writes_lists_with_commas(martine: WireClient, path: str) -> None:
    sent = "private_kinds=sick,training&public_holidays=0"
    answer = martine.patch(path, sent, content_type="application/x-www-form-urlencoded")
    assert answer.json()["absence_policy"]["private_kinds"] == ["sick", "training"]
    assert answer.json()["absence_policy"]["public_holidays"] is False


@pytest.mark.parametrize(
    ("sent", "failures"),
    [
        ({"noon": "07:00"}, {"noon": ["noon_outside_day"]}),
        ({"day_ends": "12:30"}, {"noon": ["noon_outside_day"]}),
        ({"morning_starts": "8h"}, {"morning_starts": ["invalid"]}),
        ({"overlap": "sometimes"}, {"overlap": ["inclusion"]}),
        ({"on_holiday": "merge"}, {"on_holiday": ["inclusion"]}),
        ({"private_kinds": ["sick", "secret"]}, {"private_kinds": ["inclusion"]}),
        ({"private_kinds": {"sick": True}}, {"private_kinds": ["invalid"]}),
        ({"private_kinds": [["sick"]]}, {"private_kinds": ["invalid"]}),
        ({"excluded_holidays": ["Pâques"]}, {"excluded_holidays": ["inclusion"]}),
        ({"public_holidays": "maybe", "noon": "7:00"}, {"public_holidays": ["invalid"], "noon": ["noon_outside_day"]}),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_whole(
    martine: WireClient, path: str, sent: dict[str, Any], failures: dict[str, Any]
) -> None:
    answer = martine.patch(path, {"overlap": "warn"} | sent)
    assert answer.status_code == 422
    assert {name: [one["error"] for one in found] for name, found in answer.json()["errors"].items()} == failures
    assert not AbsencePolicy.objects.exists()


def test_an_agent_of_the_organisation_reads_it_and_its_admins_change_it(
    cast: SimpleNamespace, sign_in: Any, path: str
) -> None:
    for who in (cast.bruno, cast.sophie, cast.ines):
        assert sign_in(who).get(path).status_code == 200
        assert sign_in(who).patch(path, {"overlap": "warn"}).status_code == 403
    for stranger in (cast.etienne, AgentFactory(admin_of=[cast.lille])):
        assert sign_in(stranger).get(path).status_code == 403
        assert sign_in(stranger).patch(path, {"overlap": "warn"}).status_code == 403
    assert not AbsencePolicy.objects.exists()


def test_an_organisation_that_there_is_not_has_none(martine: WireClient) -> None:
    answer = martine.get("/api/v1/organisations/999999/absence_policy")
    assert answer.status_code == 404
    assert martine.patch("/api/v1/organisations/999999/absence_policy", {}).status_code == 404


def test_a_change_is_recorded_with_what_was_before(cast: SimpleNamespace, martine: WireClient, path: str) -> None:
    martine.patch(path, {"private_kinds": ["sick"]})
    martine.patch(f"{path}?reason=Avis du CSE", {"private_kinds": []})
    created, changed = RecordEntry.objects.filter(resource="absence_policy").order_by("pk")
    assert (created.action, created.organisation_id) == ("created", cast.mds.pk)
    assert (changed.action, changed.changes, changed.reason) == (
        "updated",
        {"private_kinds": [["sick"], []]},
        "Avis du CSE",
    )


def test_a_change_of_what_somebody_else_changed_is_refused(martine: WireClient, path: str) -> None:
    first = martine.get(path)["ETag"]
    assert martine.patch(path, {"overlap": "warn"}, headers={"If-Match": first}).status_code == 200
    assert martine.patch(path, {"overlap": "refuse"}, headers={"If-Match": first}).status_code == 412
    second = martine.get(path)["ETag"]
    assert martine.patch(path, {"overlap": "refuse"}, headers={"If-Match": second}).status_code == 200


def test_a_change_under_one_key_is_made_once(martine: WireClient, path: str) -> None:
    once = {"headers": {"Idempotency-Key": "7b1c"}}
    first = martine.patch(path, {"overlap": "warn"}, **once)
    AbsencePolicy.objects.update(overlap="allow")
    again = martine.patch(path, {"overlap": "warn"}, **once)
    assert (again.content, again["Idempotency-Replayed"]) == (first.content, "true")
    assert AbsencePolicy.objects.get().overlap == "allow"


def test_the_administration_page_of_an_organisation_has_its_rules(cast: SimpleNamespace, admin_client: Any) -> None:
    page = f"/admin/agents/organisation/{cast.mds.pk}/change/"
    shown = admin_client.get(page)
    assert "Lundi de Pentecôte" in shown.content.decode()
    prefix = "absence_policy"
    sent = {
        "name": cast.mds.name,
        "territory": cast.mds.territory_id,
        "verticale": cast.mds.verticale,
        "phone_number": "",
        "email": "",
        "seen_change": cast.mds.updated_at.isoformat(),
        f"{prefix}-TOTAL_FORMS": 1,
        f"{prefix}-INITIAL_FORMS": 0,
        f"{prefix}-0-organisation": cast.mds.pk,
        f"{prefix}-0-morning_starts": "08:00",
        f"{prefix}-0-noon": "07:00",
        f"{prefix}-0-day_ends": "18:00",
        f"{prefix}-0-overlap": "warn",
        f"{prefix}-0-on_holiday": "allow",
        f"{prefix}-0-private_kinds": ["sick"],
        f"{prefix}-0-excluded_holidays": ["Lundi de Pentecôte"],
    }
    assert "doit être entre le début et la fin de la journée" in admin_client.post(page, sent).content.decode()
    assert admin_client.post(page, sent | {f"{prefix}-0-noon": "12:00"}).status_code == 302
    policy = AbsencePolicy.objects.get()
    assert (policy.noon, policy.private_kinds, policy.public_holidays) == (datetime.time(12), ["sick"], False)
    assert policy.excluded_holidays == ["Lundi de Pentecôte"]


def test_a_policy_costs_its_reader_no_more_than_another_row(
    cast: SimpleNamespace, martine: WireClient, path: str, django_assert_max_num_queries: Any
) -> None:
    AbsencePolicyFactory(organisation=cast.mds)
    martine.get(path)
    with django_assert_max_num_queries(2):
        martine.get(path)
