"""Deletion with a reason, what is left of an absence, and how it comes back (row A19)."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from freezegun import freeze_time

from absences.models import Absence, DeletedAbsence
from absences.models.external import ExternalId
from agents.models import RecordEntry

from ..conftest import WireClient
from ..factories import AbsenceFactory, AbsencePolicyFactory, OrganisationFactory

ABSENCES = "/api/v1/absences"


@pytest.fixture
def gone(martine: WireClient, afternoon: Absence) -> int:
    assert martine.delete(f"{ABSENCES}/{afternoon.pk}?reason=Saisie deux fois").status_code == 204
    return afternoon.pk


def deleted(client: WireClient, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(f"{ABSENCES}/deleted", query)
    assert answer.status_code == 200, answer.content
    return list(answer.json()["deleted_absences"])


# Deletion.


def test_a_deleted_absence_is_in_no_list_but_that_of_the_deleted(
    cast: SimpleNamespace, martine: WireClient, gone: int
) -> None:
    assert martine.get(f"{ABSENCES}/{gone}").status_code == 404
    assert martine.get(ABSENCES).json()["absences"] == []
    assert deleted(martine) == [
        {
            "id": gone,
            "agent": martine.get("/api/v1/agents", {"q": "bruno"}).json()["agents"][0],
            "deleted_at": "2026-11-16 10:00:00 +0100",
            "deleted_by": cast.martine.pk,
            "end_day": "2027-06-10",
            "end_time": "17:00:00",
            "first_day": "2027-06-10",
            "kind": "other",
            "organisation_id": None,
            "period": None,
            "private": False,
            "reason": "Saisie deux fois",
            "rrule": None,
            "start_time": "13:30:00",
            "time_zone": "Europe/Paris",
            "title": "Congé formation",
            "version": 2,
        }
    ]


@pytest.mark.parametrize("how", ["address", "json", "form"])
def test_the_reason_is_said_in_the_address_or_in_the_body(martine: WireClient, afternoon: Absence, how: str) -> None:
    path = f"{ABSENCES}/{afternoon.pk}"
    if how == "address":
        answer = martine.delete(f"{path}?reason=Annulé")
    elif how == "json":
        answer = martine.delete(path, json.dumps({"reason": "Annulé"}), content_type="application/json")
    else:
        answer = martine.delete(path, "reason=Annul%C3%A9", content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 204
    assert DeletedAbsence.objects.get().reason == "Annulé"
    entry = RecordEntry.objects.filter(resource="absence").order_by("pk").last()
    assert entry is not None
    assert (entry.action, entry.reason) == ("deleted", "Annulé")


def test_a_reason_that_is_too_long_deletes_nothing(martine: WireClient, afternoon: Absence) -> None:
    for sent in ({"QUERY_STRING": "reason=" + "x" * 1001}, {"data": json.dumps({"reason": "x" * 1001})}):
        answer = martine.delete(f"{ABSENCES}/{afternoon.pk}", content_type="application/json", **sent)
        assert answer.status_code == 422
        assert answer.json()["errors"]["reason"][0]["error"] == "too_long"
    assert martine.delete(f"{ABSENCES}/{afternoon.pk}?reason={'x' * 1000}").status_code == 204
    assert len(DeletedAbsence.objects.get().reason) == 1000


def test_a_body_that_says_nothing_of_a_reason_deletes_as_ever(martine: WireClient, afternoon: Absence) -> None:
    answer = martine.delete(f"{ABSENCES}/{afternoon.pk}", json.dumps({"reason": ["x"], "title": "y"}))
    assert answer.status_code == 204
    assert DeletedAbsence.objects.get().reason == ""


# The list of the deleted.


def test_the_last_deleted_comes_first_a_page_at_a_time(cast: SimpleNamespace, martine: WireClient) -> None:
    ids = []
    for day in range(1, 6):
        absence = AbsenceFactory(agent=cast.bruno)
        ids.insert(0, absence.pk)
        with freeze_time(f"2026-11-1{day}"):
            absence.delete()
    assert [one["id"] for one in deleted(martine)] == ids
    assert [one["id"] for one in deleted(martine, per=2, page=2)] == ids[2:4]
    walked, cursor = [], ""
    while cursor is not None:
        answer = martine.get(f"{ABSENCES}/deleted", {"per": 2, "cursor": cursor}).json()
        walked += [one["id"] for one in answer["deleted_absences"]]
        cursor = answer["meta"]["next_cursor"]
    assert walked == ids
    assert [one["id"] for one in deleted(martine, deleted_since="2026-11-14")] == ids[:2]
    assert deleted(martine, agent_id=cast.chloe.pk) == []
    assert len(deleted(martine, agent_id=cast.bruno.pk)) == 5


def test_only_who_sees_the_agent_sees_what_was_deleted(
    cast: SimpleNamespace, sign_in: Callable[..., WireClient], gone: int
) -> None:
    for who, seen in ((cast.bruno, 1), (cast.paul, 1), (cast.sophie, 1), (cast.thierry, 1), (cast.etienne, 0)):
        assert len(deleted(sign_in(who))) == seen
    for who in (cast.nora, cast.chloe):
        assert deleted(sign_in(who)) == []


def test_what_was_private_stays_so_and_so_does_why_it_was_deleted(
    cast: SimpleNamespace, sign_in: Callable[..., WireClient]
) -> None:
    absence = AbsenceFactory(agent=cast.bruno, title="Soins", private=True, kind="sick", period="day")
    sign_in(cast.bruno).delete(f"{ABSENCES}/{absence.pk}?reason=Guéri")
    names = ("title", "kind", "period", "reason")
    for who, told in (
        (cast.paul, ("Indisponible", None, None, None)),
        (cast.sophie, ("Indisponible", None, None, None)),
        (cast.bruno, ("Soins", "sick", "day", "Guéri")),
        (cast.martine, ("Soins", "sick", "day", "Guéri")),
        (cast.thierry, ("Soins", "sick", "day", "Guéri")),
    ):
        (one,) = deleted(sign_in(who))
        assert tuple(one[name] for name in names) == told
        (part,) = deleted(sign_in(who), fields="title,reason")
        assert part == {"reason": told[3], "title": told[0]}


def test_the_list_costs_the_same_whatever_is_in_it(
    cast: SimpleNamespace, martine: WireClient, django_assert_num_queries: Any
) -> None:
    for number in range(3):
        AbsenceFactory(agent=cast.bruno, private=number == 1).delete()
    with django_assert_num_queries(3):
        martine.get(f"{ABSENCES}/deleted")


# Coming back.


def test_what_is_restored_is_what_it_was_under_its_number_with_a_greater_version(
    martine: WireClient, afternoon: Absence
) -> None:
    path = f"{ABSENCES}/{afternoon.pk}"
    martine.patch(path, {"kind": "training", "rrule": "FREQ=WEEKLY;COUNT=3;"})
    before = martine.get(path).json()["absence"]
    martine.delete(path)
    with freeze_time("2026-11-16 19:00:00"):
        answer = martine.post(f"{path}/restore?reason=Erreur")
    assert answer.status_code == 200
    after = answer.json()["absence"]
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"ical", "updated_at", "version"}
    assert (before["version"], after["version"]) == (2, 4)
    assert "SEQUENCE:3\r\n" in after["ical"]
    assert martine.get(path).json()["absence"] == after
    assert deleted(martine) == []
    entry = RecordEntry.objects.filter(resource="absence").order_by("pk").last()
    assert entry is not None
    assert (entry.action, entry.object_id, entry.reason) == ("created", afternoon.pk, "Erreur")


def test_what_is_there_cannot_be_restored(martine: WireClient, gone: int) -> None:
    assert martine.post(f"{ABSENCES}/{gone}/restore").status_code == 200
    answer = martine.post(f"{ABSENCES}/{gone}/restore")
    assert answer.status_code == 409
    assert answer.json()["errors"] == [{"base": "already_there"}]


def test_what_never_was_cannot_be_restored(martine: WireClient) -> None:
    for pk in ("999999", "nothing", "0"):
        assert martine.post(f"{ABSENCES}/{pk}/restore").json() == {"not_found": "absence"}


def test_only_who_may_create_it_may_restore_it(
    cast: SimpleNamespace, sign_in: Callable[..., WireClient], gone: int
) -> None:
    for who in (cast.etienne, cast.nora, cast.chloe):
        assert sign_in(who).post(f"{ABSENCES}/{gone}/restore").status_code == 403
        assert DeletedAbsence.objects.filter(pk=gone).exists()
    assert sign_in(cast.paul).post(f"{ABSENCES}/{gone}/restore").status_code == 200
    assert sign_in(cast.etienne).post(f"{ABSENCES}/{gone}/restore").status_code == 403  # it is there, and no concern


def test_of_an_agent_who_left_nothing_comes_back_nor_is_anything_told(
    cast: SimpleNamespace, martine: WireClient, sign_in: Callable[..., WireClient], gone: int
) -> None:
    out_of_sight = sign_in(cast.etienne).post(f"{ABSENCES}/{gone}/restore")
    cast.bruno.leave()
    for client in (martine, sign_in(cast.etienne)):
        answer = client.post(f"{ABSENCES}/{gone}/restore")
        assert answer.status_code == 403
        assert answer.json() == out_of_sight.json()
        assert deleted(client) == []
    assert not Absence.objects.filter(pk=gone).exists()


def test_of_an_agent_whose_row_is_gone_nothing_comes_back(
    cast: SimpleNamespace, martine: WireClient, gone: int
) -> None:
    cast.bruno.delete()
    assert martine.post(f"{ABSENCES}/{gone}/restore").status_code == 403


def test_an_organisation_that_is_no_more_is_forgotten(cast: SimpleNamespace, martine: WireClient) -> None:
    place = OrganisationFactory(territory=cast.paris)
    absence = AbsenceFactory(agent=cast.bruno, organisation=place)
    martine.delete(f"{ABSENCES}/{absence.pk}")
    place.delete()
    restored = martine.post(f"{ABSENCES}/{absence.pk}/restore").json()["absence"]
    assert restored["organisation"]["id"] == cast.mds.pk


def test_names_of_other_systems_come_back_unless_they_were_given_away(
    cast: SimpleNamespace, martine: WireClient, asked: dict[str, Any]
) -> None:
    first = martine.post(ABSENCES, asked | {"external_ids": {"rh": "7", "paie": "8"}}).json()["absence"]
    martine.delete(f"{ABSENCES}/{first['id']}")
    martine.post(ABSENCES, asked | {"external_ids": {"rh": "7"}})
    restored = martine.post(f"{ABSENCES}/{first['id']}/restore").json()["absence"]
    assert restored["external_ids"] == {"paie": "8"}
    assert ExternalId.objects.get(absence=first["id"]).value == "8"


def test_an_organisation_that_wants_no_overlaps_refuses_one_that_comes_back(
    cast: SimpleNamespace, martine: WireClient, asked: dict[str, Any], gone: int
) -> None:
    other = martine.post(ABSENCES, asked).json()["absence"]["id"]
    AbsencePolicyFactory(organisation=cast.mds, overlap="refuse")
    answer = martine.post(f"{ABSENCES}/{gone}/restore")
    assert (answer.status_code, answer.json()["absence_ids"]) == (409, [other])
    assert DeletedAbsence.objects.filter(pk=gone).exists()


@pytest.mark.parametrize(("overlap", "warned"), [("merge", []), ("warn", ["overlaps"]), ("allow", [])])
def test_what_comes_back_is_never_merged(
    cast: SimpleNamespace, martine: WireClient, asked: dict[str, Any], gone: int, overlap: str, warned: list[str]
) -> None:
    """It would have another number."""
    other = martine.post(ABSENCES, asked).json()["absence"]["id"]
    AbsencePolicyFactory(organisation=cast.mds, overlap=overlap)
    answer = martine.post(f"{ABSENCES}/{gone}/restore").json()
    assert (answer["absence"]["id"], answer["absence"]["end_time"]) == (gone, "17:00:00")
    assert [one["warning"] for one in answer.get("warnings", [])] == warned
    assert set(Absence.objects.values_list("pk", flat=True)) == {gone, other}


def test_what_a_restoring_answers_may_be_asked_for_in_part_and_again(martine: WireClient, gone: int) -> None:
    once = {"headers": {"Idempotency-Key": "a1"}}
    first = martine.post(f"{ABSENCES}/{gone}/restore?fields=id,version", **once)
    assert first.json() == {"absence": {"id": gone, "version": 3}}
    again = martine.post(f"{ABSENCES}/{gone}/restore?fields=id,version", **once)
    assert (again.content, again["Idempotency-Replayed"]) == (first.content, "true")


def test_a_private_one_is_restored_by_a_colleague_who_is_not_told_what_it_is(
    cast: SimpleNamespace, sign_in: Callable[..., WireClient]
) -> None:
    absence = AbsenceFactory(agent=cast.bruno, title="Soins", private=True)
    paul = sign_in(cast.paul)
    paul.delete(f"{ABSENCES}/{absence.pk}")
    assert paul.post(f"{ABSENCES}/{absence.pk}/restore").json()["absence"]["title"] == "Indisponible"
    assert Absence.objects.get(pk=absence.pk).title == "Soins"


# For how long.


def test_deleted_absences_are_purged_when_their_time_has_come(
    cast: SimpleNamespace, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.RDV_ABSENCES_TOMBSTONE_DAYS = 30
    old, young = AbsenceFactory(agent=cast.bruno), AbsenceFactory(agent=cast.bruno)
    with freeze_time("2026-10-17 08:59:59"):
        pk = old.pk
        old.delete()
    with freeze_time("2026-10-17 09:00:01"):
        kept = young.pk
        young.delete()
    call_command("purge_deleted_absences")
    assert capsys.readouterr().out.startswith("1 deleted absences removed")
    assert list(DeletedAbsence.objects.values_list("pk", flat=True)) == [kept] != [pk]
    entry = RecordEntry.objects.get(resource="deleted_absence")
    assert (entry.action, entry.changes["absences"]) == ("purged", [1, 0])
    call_command("purge_deleted_absences")
    assert RecordEntry.objects.filter(resource="deleted_absence").count() == 1


# On the administration pages.


def test_the_pages_restore_what_is_chosen(cast: SimpleNamespace, admin_client: Any, gone: int) -> None:
    page = "/admin/absences/deletedabsence/"
    assert "Congé formation" in admin_client.get(page).content.decode()
    assert "Saisie deux fois" in admin_client.get(f"{page}{gone}/change/").content.decode()
    answer = admin_client.post(page, {"action": "restore", "_selected_action": [gone]}, follow=True)
    assert "1 absence rétablie." in answer.content.decode()
    assert Absence.objects.get(pk=gone).version == 3


def test_the_pages_say_what_could_not_be_restored(cast: SimpleNamespace, admin_client: Any, gone: int) -> None:
    cast.bruno.leave()
    page = "/admin/absences/deletedabsence/"
    answer = admin_client.post(page, {"action": "restore", "_selected_action": [gone]}, follow=True)
    assert "doit exister" in answer.content.decode()
    assert not Absence.objects.filter(pk=gone).exists()


def test_the_pages_know_who_deleted(cast: SimpleNamespace, admin_client: Any, afternoon: Absence) -> None:
    admin_client.post(f"/admin/absences/absence/{afternoon.pk}/delete/", {"post": "yes"})
    assert DeletedAbsence.objects.get().deleted_by is not None
