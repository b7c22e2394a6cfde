"""Kinds of absence, and parts of the day instead of hours (rows A11, A12)."""

import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from absences.models import Absence
from agents.models import AccessLevel, AgentRole

from ..conftest import WireClient
from ..factories import AbsenceFactory, AbsencePolicyFactory, OrganisationFactory

ABSENCES = "/api/v1/absences"
NOEL = "2026-12-25"


@pytest.fixture
def half(cast: SimpleNamespace) -> dict[str, Any]:
    return {"agent_id": cast.bruno.pk, "title": "Congés", "first_day": "2026-12-10", "period": "morning"}


def created(client: WireClient, values: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(ABSENCES, values)
    assert answer.status_code == 200, answer.content
    return dict(answer.json()["absence"])


def refused(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 422, answer.content
    return {name: [one["error"] for one in found] for name, found in answer.json()["errors"].items()}


def when(absence: dict[str, Any]) -> tuple[str, str, str, str, str | None]:
    return tuple(absence[name] for name in ("first_day", "start_time", "end_day", "end_time", "period"))  # type: ignore[return-value]


# Kinds.


def test_an_absence_is_of_the_kind_that_is_asked_for(martine: WireClient, asked: dict[str, Any]) -> None:
    assert created(martine, asked)["kind"] == "other"
    for kind in ("holiday", "sick", "training", "other"):
        assert created(martine, asked | {"kind": kind})["kind"] == kind
    shown = created(martine, asked | {"kind": "sick"})
    assert martine.patch(f"{ABSENCES}/{shown['id']}", {"kind": None}).json()["absence"]["kind"] == "other"


def test_an_unknown_kind_is_refused_with_those_there_are(martine: WireClient, asked: dict[str, Any]) -> None:
    answer = martine.post(ABSENCES, asked | {"kind": "sabbatical"})
    assert refused(answer) == {"kind": ["inclusion"]}
    assert answer.json()["errors"]["kind"][0]["allowed"] == ["holiday", "sick", "training", "other"]
    assert refused(martine.get(ABSENCES, {"kind": "sabbatical"})) == {"kind": ["inclusion"]}
    assert refused(martine.post(ABSENCES, asked | {"kind": ["sick"], "private": "perhaps"})) == {
        "kind": ["invalid"],
        "private": ["invalid"],
    }


def test_the_list_is_narrowed_to_a_kind(martine: WireClient, asked: dict[str, Any]) -> None:
    ids = {kind: created(martine, asked | {"kind": kind})["id"] for kind in ("sick", "training")}
    for kind, id in ids.items():
        assert [one["id"] for one in martine.get(ABSENCES, {"kind": kind}).json()["absences"]] == [id]
    assert martine.get(ABSENCES, {"kind": "holiday"}).json()["absences"] == []
    assert len(martine.get(ABSENCES, {"kind": ""}).json()["absences"]) == 2


def test_nothing_is_private_unless_it_is_asked_for(martine: WireClient, asked: dict[str, Any]) -> None:
    assert created(martine, asked | {"kind": "sick"})["private"] is False
    for value in (True, "true", 1):
        assert created(martine, asked | {"private": value})["private"] is True


def test_a_kind_that_an_organisation_holds_private_is(
    cast: SimpleNamespace, martine: WireClient, asked: dict[str, Any]
) -> None:
    AbsencePolicyFactory(organisation=cast.mds, private_kinds=["sick"])
    assert created(martine, asked | {"kind": "sick"})["private"] is True
    assert created(martine, asked | {"kind": "sick", "private": False})["private"] is True
    other = created(martine, asked)
    assert other["private"] is False
    assert martine.patch(f"{ABSENCES}/{other['id']}", {"kind": "sick"}).json()["absence"]["private"] is True
    again = martine.patch(f"{ABSENCES}/{other['id']}", {"kind": "training", "private": False}).json()["absence"]
    assert again["private"] is False


def test_one_of_several_organisations_that_holds_a_kind_private_is_enough(
    cast: SimpleNamespace, martine: WireClient, asked: dict[str, Any]
) -> None:
    second = OrganisationFactory()
    AgentRole.objects.create(agent=cast.bruno, organisation=second, access_level=AccessLevel.BASIC)
    AbsencePolicyFactory(organisation=cast.mds)
    AbsencePolicyFactory(organisation=second, private_kinds=["training"])
    assert created(martine, asked | {"kind": "training"})["private"] is True
    assert created(martine, asked | {"kind": "sick"})["private"] is False


def test_who_may_not_know_what_it_is_may_not_lift_its_privacy(cast: SimpleNamespace, sign_in: Any) -> None:
    absence = AbsenceFactory(agent=cast.bruno, title="Soins", private=True)
    path = f"{ABSENCES}/{absence.pk}"
    assert refused(sign_in(cast.paul).patch(path, {"private": False})) == {"private": ["not_yours"]}
    for informed in (cast.martine, cast.bruno):
        Absence.objects.filter(pk=absence.pk).update(private=True)
        assert sign_in(informed).patch(path, {"private": False}).json()["absence"]["title"] == "Soins"


def test_what_a_colleague_reads_and_writes_back_loses_nothing(cast: SimpleNamespace, sign_in: Any) -> None:
    absence = AbsenceFactory(
        agent=cast.bruno, title="Soins", private=True, kind="sick", external_ids={"sirh": "7"}, period="day"
    )
    path = f"{ABSENCES}/{absence.pk}"
    paul = sign_in(cast.paul)
    shown = paul.get(path).json()["absence"]
    names = ("title", "kind", "period", "private", "first_day", "start_time", "end_day", "end_time")
    answer = paul.put(path, {name: shown[name] for name in names} | {"end_time": "18:00:00"})
    assert answer.status_code == 200
    absence.refresh_from_db()
    assert (absence.title, absence.kind, absence.end_time) == ("Soins", "sick", datetime.time(18))
    assert absence.external_ids == {"sirh": "7"}


@pytest.mark.parametrize("tried", [{"title": "Soins"}, {"title": "Opération"}, {"kind": "sick"}, {"kind": "other"}])
def test_a_colleague_learns_nothing_by_trying_what_it_is(
    cast: SimpleNamespace, sign_in: Any, tried: dict[str, str]
) -> None:
    absence = AbsenceFactory(
        agent=cast.bruno, title="Soins", private=True, kind="sick", rrule="FREQ=WEEKLY", external_ids={"rh": "7"}
    )
    paul, path = sign_in(cast.paul), f"{ABSENCES}/{absence.pk}"
    assert refused(paul.patch(path, tried)) == {name: ["not_yours"] for name in tried}
    if "title" in tried:
        assert refused(paul.patch(f"{path}/occurrences/2026-12-08", tried)) == {"title": ["not_yours"]}
    # Where writes are told by what they change, it is left out.
    answer = paul.put(f"{ABSENCES}/by-external-id/rh/7", {"agent_id": cast.bruno.pk} | tried)
    assert (answer.status_code, answer.json()["meta"]["result"]) == (200, "unchanged")
    absence.refresh_from_db()
    assert (absence.title, absence.kind, absence.version) == ("Soins", "sick", 1)


# Parts of the day.


@pytest.mark.parametrize(
    ("period", "starts", "ends"),
    [("morning", "08:00:00", "12:30:00"), ("afternoon", "12:30:00", "18:30:00"), ("day", "08:00:00", "18:30:00")],
)
def test_a_part_of_the_day_stands_for_its_hours(
    martine: WireClient, half: dict[str, Any], period: str, starts: str, ends: str
) -> None:
    assert when(created(martine, half | {"period": period})) == ("2026-12-10", starts, "2026-12-10", ends, period)


def test_the_hours_are_those_of_the_organisation(
    cast: SimpleNamespace, martine: WireClient, half: dict[str, Any]
) -> None:
    """Of the one that the absence is for, else of the one that the agent's absences show."""
    second = OrganisationFactory(territory=cast.mds.territory)
    AgentRole.objects.create(agent=cast.bruno, organisation=second, access_level=AccessLevel.BASIC)
    hours = {"morning_starts": datetime.time(9), "noon": datetime.time(12), "day_ends": datetime.time(17)}
    AbsencePolicyFactory(organisation=second, **hours)
    assert created(martine, half)["end_time"] == "12:30:00"
    assert created(martine, half | {"organisation_id": second.pk})["end_time"] == "12:00:00"
    AbsencePolicyFactory(organisation=cast.mds, noon=datetime.time(13))
    assert created(martine, half)["end_time"] == "13:00:00"


def test_two_halves_touch_and_make_the_day(martine: WireClient, half: dict[str, Any]) -> None:
    morning, afternoon, day = (created(martine, half | {"period": one}) for one in ("morning", "afternoon", "day"))
    assert morning["end_time"] == afternoon["start_time"]
    assert (morning["start_time"], afternoon["end_time"]) == (day["start_time"], day["end_time"])


def test_whole_days_may_be_several_and_a_half_only_one(martine: WireClient, half: dict[str, Any]) -> None:
    whole = created(martine, half | {"period": "day", "end_day": "2026-12-11"})
    assert when(whole) == ("2026-12-10", "08:00:00", "2026-12-11", "18:30:00", "day")
    assert refused(martine.post(ABSENCES, half | {"end_day": "2026-12-11"})) == {"end_day": ["half_of_one_day"]}
    assert created(martine, half | {"end_day": "2026-12-10"})["period"] == "morning"


def test_hours_beside_a_part_of_the_day_are_refused_unless_they_are_its_own(
    martine: WireClient, half: dict[str, Any]
) -> None:
    answer = martine.post(ABSENCES, half | {"start_time": "09:00", "end_time": "12:00"})
    assert refused(answer) == {"start_time": ["given_with_period"], "end_time": ["given_with_period"]}
    same = created(martine, half | {"start_time": "8:00", "end_time": "12:30"})
    assert martine.put(f"{ABSENCES}/{same['id']}", same).json()["absence"] == same


def test_a_part_of_the_day_that_is_none_is_refused(martine: WireClient, half: dict[str, Any]) -> None:
    hours = {"start_time": "9:00", "end_time": "10:00"}
    assert refused(martine.post(ABSENCES, half | hours | {"period": "evening"})) == {"period": ["inclusion"]}
    assert refused(martine.post(ABSENCES, half | {"period": ""})) == {"start_time": ["blank"], "end_time": ["blank"]}


def test_a_change_takes_or_leaves_a_part_of_the_day(martine: WireClient, half: dict[str, Any]) -> None:
    path = f"{ABSENCES}/{created(martine, half)['id']}"
    afternoon = martine.patch(path, {"period": "afternoon"}).json()["absence"]
    assert when(afternoon) == ("2026-12-10", "12:30:00", "2026-12-10", "18:30:00", "afternoon")
    assert martine.patch(path, {"title": "RTT"}).json()["absence"]["period"] == "afternoon"
    hours = martine.patch(path, {"end_time": "16:00"}).json()["absence"]
    assert (hours["start_time"], hours["end_time"], hours["period"]) == ("12:30:00", "16:00:00", None)
    martine.patch(path, {"period": "day"})
    none = martine.patch(path, {"period": None}).json()["absence"]
    assert (none["start_time"], none["end_time"], none["period"]) == ("08:00:00", "18:30:00", None)


# On a public holiday.


@pytest.mark.parametrize("period", ["morning", "afternoon"])
def test_a_half_day_on_a_public_holiday_is_as_the_organisation_says(
    cast: SimpleNamespace, martine: WireClient, half: dict[str, Any], period: str
) -> None:
    asked = half | {"first_day": NOEL, "period": period}
    assert "warnings" not in martine.post(ABSENCES, asked).json()
    policy = AbsencePolicyFactory(organisation=cast.mds, on_holiday="warn")
    answer = martine.post(ABSENCES, asked)
    assert answer.status_code == 200
    (warning,) = answer.json()["warnings"]
    assert (warning["warning"], warning["message"]) == ("on_holiday", "Le 2026-12-25 est un jour férié : Noël.")
    assert "warnings" not in martine.post(ABSENCES, half).json()
    strict = martine.post(ABSENCES, asked, headers={"Prefer": "handling=strict"})
    assert refused(strict) == {"first_day": ["on_holiday"]}
    policy.on_holiday = "refuse"
    policy.save()
    before = Absence.objects.count()
    answer = martine.post(ABSENCES, asked)
    assert refused(answer) == {"first_day": ["on_holiday"]}
    assert answer.json()["error_messages"] == ["first_day est un jour férié (Noël)"]
    assert Absence.objects.count() == before
    hours = {"start_time": "9:00", "end_time": "10:00", "period": None}
    assert created(martine, asked | hours)["first_day"] == NOEL  # hours are nobody's half


@pytest.mark.parametrize("told", [{"public_holidays": False}, {"excluded_holidays": ["Noël"]}], ids=str)
def test_a_day_that_the_organisation_works_is_no_holiday(
    cast: SimpleNamespace, martine: WireClient, half: dict[str, Any], told: dict[str, Any]
) -> None:
    AbsencePolicyFactory(organisation=cast.mds, on_holiday="refuse", **told)
    assert created(martine, half | {"first_day": NOEL})["first_day"] == NOEL


def test_a_half_day_that_moves_to_a_holiday_is_judged_again(
    cast: SimpleNamespace, martine: WireClient, half: dict[str, Any]
) -> None:
    path = f"{ABSENCES}/{created(martine, half)['id']}"
    AbsencePolicyFactory(organisation=cast.mds, on_holiday="refuse")
    assert refused(martine.patch(path, {"first_day": NOEL, "end_day": NOEL})) == {"first_day": ["on_holiday"]}
    assert martine.patch(path, {"title": "RTT"}).status_code == 200


def test_the_strictest_of_several_organisations_counts_for_a_holiday(
    cast: SimpleNamespace, martine: WireClient, half: dict[str, Any]
) -> None:
    """Good Friday is one in Moselle alone."""
    moselle = OrganisationFactory(territory__departement_number="57")
    AgentRole.objects.create(agent=cast.bruno, organisation=moselle, access_level=AccessLevel.BASIC)
    AbsencePolicyFactory(organisation=cast.mds, on_holiday="refuse")
    good_friday = half | {"first_day": "2027-03-26"}
    assert created(martine, good_friday)
    AbsencePolicyFactory(organisation=moselle, on_holiday="warn")
    assert martine.post(ABSENCES, good_friday).json()["warnings"][0]["warning"] == "on_holiday"
    assert refused(martine.post(ABSENCES, half | {"first_day": NOEL})) == {"first_day": ["on_holiday"]}


def test_rules_cost_a_creation_no_query_more(
    cast: SimpleNamespace, martine: WireClient, asked: dict[str, Any], django_assert_num_queries: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    martine.post(ABSENCES, asked)
    with CaptureQueriesContext(connection) as plain:
        martine.post(ABSENCES, asked)
    AbsencePolicyFactory(organisation=cast.mds, private_kinds=["sick"], on_holiday="warn")
    hours = {"start_time": None, "end_time": None, "first_day": NOEL, "period": "morning", "kind": "sick"}
    with django_assert_num_queries(len(plain)):
        martine.post(ABSENCES, asked | hours)
