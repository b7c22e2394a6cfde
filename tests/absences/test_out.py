"""Who is out on a day or in a period, in one call (row A21); the public holidays of an organisation (row A18)."""

import datetime
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from freezegun import freeze_time

from agents.models import AccessLevel, AgentRole

from ..conftest import WireClient
from ..factories import AbsenceFactory, AbsencePolicyFactory, AgentFactory, OrganisationFactory

OUT = "/api/v1/whos-out"
HOLIDAYS = "/api/v1/holidays"
D = datetime.date


def out(client: WireClient, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(OUT, query)
    assert answer.status_code == 200, answer.content
    assert answer.json()["meta"]["total_count"] == int(answer["X-Total-Count"])
    return list(answer.json()["whos_out"])


def who(rows: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(row["day"], row["agent"]["id"]) for row in rows]


def refused(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 422, answer.content
    return {name: [one["error"] for one in found] for name, found in answer.json()["errors"].items()}


# Who is out.


def test_today_is_meant_when_nothing_is_said(cast: SimpleNamespace, martine: WireClient) -> None:
    today = AbsenceFactory(agent=cast.bruno, first_day=D(2026, 11, 16), title="RTT", kind="holiday", period="day")
    AbsenceFactory(agent=cast.chloe, first_day=D(2026, 11, 17))
    AbsenceFactory(agent=cast.chloe, first_day=D(2026, 11, 15))
    assert out(martine) == [
        {
            "day": "2026-11-16",
            "agent": martine.get("/api/v1/agents", {"q": "bruno"}).json()["agents"][0],
            "absences": [
                {
                    "id": today.pk,
                    "ends_at": "2026-11-16 17:00:00 +0100",
                    "kind": "holiday",
                    "period": "day",
                    "private": False,
                    "starts_at": "2026-11-16 09:00:00 +0100",
                    "title": "RTT",
                }
            ],
            "holiday": None,
        }
    ]


def test_the_day_is_that_of_paris(cast: SimpleNamespace, martine: WireClient) -> None:
    AbsenceFactory(agent=cast.bruno, first_day=D(2026, 11, 17))
    with freeze_time("2026-11-16 22:59:00"):
        assert out(martine) == []
    with freeze_time("2026-11-16 23:01:00"):
        assert who(out(martine)) == [("2026-11-17", cast.bruno.pk)]


def test_there_is_one_row_for_each_agent_and_day(cast: SimpleNamespace, martine: WireClient) -> None:
    bruno, chloe = cast.bruno, cast.chloe
    bruno.last_name, chloe.last_name = "ÉMILE", "DURAND"
    bruno.save()
    chloe.save()
    AbsenceFactory(agent=bruno, first_day=D(2026, 12, 1), end_day=D(2026, 12, 3))
    morning = AbsenceFactory(agent=bruno, first_day=D(2026, 12, 2), start_time=datetime.time(8))
    AbsenceFactory(agent=chloe, first_day=D(2026, 12, 2))
    rows = out(martine, **{"from": "2026-12-02", "to": "2026-12-04"})
    assert who(rows) == [("2026-12-02", chloe.pk), ("2026-12-02", bruno.pk), ("2026-12-03", bruno.pk)]
    assert [one["id"] for one in rows[1]["absences"]] == [morning.pk - 1, morning.pk]


def test_an_absence_that_ends_at_midnight_does_not_touch_the_next_day(
    cast: SimpleNamespace, martine: WireClient
) -> None:
    AbsenceFactory(agent=cast.bruno, first_day=D(2026, 12, 1), end_day=D(2026, 12, 2), end_time=datetime.time(0))
    assert who(out(martine, **{"from": "2026-12-01", "to": "2026-12-03"})) == [("2026-12-01", cast.bruno.pk)]


def test_what_comes_again_is_there_each_time_and_where_it_was_moved(cast: SimpleNamespace, martine: WireClient) -> None:
    AbsenceFactory(
        agent=cast.bruno,
        first_day=D(2026, 12, 1),
        rrule="FREQ=WEEKLY;COUNT=4",
        exdates=["2026-12-08"],
        overrides={"2026-12-15": {"first_day": "2026-12-17", "end_day": "2026-12-17", "title": "Bilan"}},
    )
    rows = out(martine, **{"from": "2026-12-02", "to": "2026-12-24"})
    assert [(row["day"], row["absences"][0]["title"]) for row in rows] == [
        ("2026-12-17", "Bilan"),
        ("2026-12-22", "Congés"),
    ]


def test_on_a_public_holiday_everybody_is_out_whose_organisation_does_not_work(
    cast: SimpleNamespace, martine: WireClient
) -> None:
    everybody = {row["id"] for row in martine.get("/api/v1/agents").json()["agents"]}
    absence = AbsenceFactory(agent=cast.bruno, first_day=D(2026, 12, 25))
    rows = out(martine, on="2026-12-25")
    assert {row["agent"]["id"] for row in rows} == everybody
    assert {row["holiday"] for row in rows} == {"Noël"}
    assert {row["agent"]["id"]: [one["id"] for one in row["absences"]] for row in rows if row["absences"]} == {
        cast.bruno.pk: [absence.pk]
    }
    AbsencePolicyFactory(organisation=cast.mds, excluded_holidays=["Noël"])
    (row,) = out(martine, on="2026-12-25")
    assert (row["agent"]["id"], row["holiday"]) == (cast.bruno.pk, None)


def test_the_holidays_of_any_organisation_of_an_agent_count_or_of_the_one_that_is_asked_for(
    cast: SimpleNamespace, martine: WireClient
) -> None:
    """Good Friday is a holiday in Moselle."""
    moselle = OrganisationFactory(territory__departement_number="57")
    AgentRole.objects.create(agent=cast.bruno, organisation=moselle, access_level=AccessLevel.BASIC)
    assert who(out(martine, on="2027-03-26")) == [("2027-03-26", cast.bruno.pk)]
    assert out(martine, on="2027-03-26", organisation_id=cast.mds.pk) == []


def test_only_agents_in_sight_are_told_of(
    cast: SimpleNamespace, sign_in: Callable[..., WireClient], martine: WireClient
) -> None:
    for agent in (cast.bruno, cast.chloe, cast.etienne, cast.paul):
        AbsenceFactory(agent=agent, first_day=D(2026, 12, 1))
    seen = {
        cast.martine: {cast.bruno, cast.chloe, cast.paul},
        cast.paul: {cast.bruno, cast.paul},
        cast.sophie: {cast.bruno, cast.chloe, cast.paul},
        cast.thierry: {cast.bruno, cast.chloe, cast.paul},
        cast.etienne: {cast.etienne},
        cast.nora: set(),
    }
    for caller, agents in seen.items():
        rows = out(sign_in(caller), on="2026-12-01")
        assert {row["agent"]["id"] for row in rows} == {agent.pk for agent in agents}, caller.email


def test_an_organisation_or_a_service_narrows_it(cast: SimpleNamespace, martine: WireClient) -> None:
    for agent in (cast.bruno, cast.chloe):
        AbsenceFactory(agent=agent, first_day=D(2026, 12, 1))
    day = {"on": "2026-12-01"}
    assert len(out(martine, organisation_id=cast.mds.pk, **day)) == 2
    assert who(out(martine, service_id=cast.social.pk, **day)) == [("2026-12-01", cast.chloe.pk)]
    assert who(out(martine, organisation_id=cast.mds.pk, service_id=cast.pmi.pk, **day)) == [
        ("2026-12-01", cast.bruno.pk)
    ]
    for foreign in (cast.lille.pk, 999999, "x"):
        assert out(martine, organisation_id=foreign, **day) == []


def test_an_absence_that_is_kept_for_one_organisation_is_one_in_all_of_them(
    cast: SimpleNamespace, martine: WireClient
) -> None:
    second = OrganisationFactory(territory=cast.paris)
    AgentRole.objects.create(agent=cast.bruno, organisation=second, access_level=AccessLevel.BASIC)
    AbsenceFactory(agent=cast.bruno, organisation=second, first_day=D(2026, 12, 1))
    assert len(out(martine, on="2026-12-01", organisation_id=cast.mds.pk)) == 1


def test_what_is_private_is_told_to_whom_it_may_be(cast: SimpleNamespace, sign_in: Callable[..., WireClient]) -> None:
    AbsenceFactory(
        agent=cast.bruno,
        first_day=D(2026, 12, 1),
        title="Soins",
        kind="sick",
        private=True,
        period="day",
        rrule="FREQ=DAILY;COUNT=2",
        overrides={"2026-12-02": {"title": "Hôpital"}},
    )
    for caller, told in ((cast.martine, True), (cast.bruno, True), (cast.paul, False), (cast.sophie, False)):
        rows = out(sign_in(caller), **{"from": "2026-12-01", "to": "2026-12-02"})
        shown = [(one["title"], one["kind"], one["period"]) for row in rows for one in row["absences"]]
        hidden = ("Indisponible", None, None)
        assert shown == ([("Soins", "sick", "day"), ("Hôpital", "sick", "day")] if told else [hidden, hidden])


@pytest.mark.parametrize(
    ("query", "failures"),
    [
        ({"on": "tomorrow"}, {"on": ["invalid"]}),
        ({"on": "2026-12-01T10:00"}, {"on": ["invalid"]}),
        ({"on": "2026-12-01", "to": "2026-12-02"}, {"on": ["invalid"]}),
        ({"from": "2026-12-02", "to": "2026-12-01"}, {"to": ["invalid"]}),
        ({"from": "2026-12-01", "to": "2027-02-01"}, {"to": ["period_too_long"]}),
        ({"from": "x", "to": "y"}, {"from": ["invalid"], "to": ["invalid"]}),
    ],
    ids=str,
)
def test_days_that_cannot_be_are_refused(martine: WireClient, query: dict[str, str], failures: dict[str, Any]) -> None:
    assert refused(martine.get(OUT, query)) == failures


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "9990-12-31"])
def test_the_ends_of_the_calendar_are_days(cast: SimpleNamespace, martine: WireClient, day: str) -> None:
    AbsenceFactory(agent=cast.bruno, rrule="FREQ=DAILY")
    assert martine.get(OUT, {"on": day}).status_code == 200
    assert martine.get(OUT, {"from": day}).status_code == 200


def test_a_long_answer_comes_in_pages(cast: SimpleNamespace, martine: WireClient) -> None:
    AbsenceFactory(agent=cast.bruno, first_day=D(2026, 12, 1), end_day=D(2026, 12, 10))
    query = {"from": "2026-12-01", "to": "2026-12-10"}
    pages = [martine.get(OUT, query | {"per": 4, "page": page}) for page in (1, 2, 3, 4)]
    assert [len(page.json()["whos_out"]) for page in pages] == [4, 4, 2, 0]
    assert [row["day"] for page in pages for row in page.json()["whos_out"]] == [
        f"2026-12-{day:02}" for day in range(1, 11)
    ]
    assert 'rel="next"' in pages[0]["Link"]


def test_it_costs_the_same_whoever_is_out(
    cast: SimpleNamespace, martine: WireClient, django_assert_num_queries: Any
) -> None:
    martine.get(OUT)
    for _ in range(5):
        agent = AgentFactory(basic_in=[cast.mds], services=[cast.pmi])
        AbsenceFactory(agent=agent, first_day=D(2026, 12, 1), private=True, rrule="FREQ=DAILY")
    for query in ({"on": "2026-12-01"}, {"from": "2026-12-01", "to": "2026-12-31", "organisation_id": cast.mds.pk}):
        with django_assert_num_queries(4):  # the credential, the agents, their absences, their holidays
            martine.get(OUT, query)


# Public holidays.


def test_the_holidays_of_an_organisation_are_those_of_its_departement(
    cast: SimpleNamespace, martine: WireClient
) -> None:
    query = {"organisation_id": cast.mds.pk, "from": "2026-12-01", "to": "2027-01-01"}
    answer = martine.get(HOLIDAYS, query)
    assert answer.json() == {
        "holidays": [{"day": "2026-12-25", "name": "Noël"}, {"day": "2027-01-01", "name": "Jour de l'an"}]
    }
    moselle = OrganisationFactory(territory__departement_number="57")
    AgentRole.objects.create(agent=cast.martine, organisation=moselle, access_level=AccessLevel.BASIC)
    theirs = martine.get(HOLIDAYS, query | {"organisation_id": moselle.pk}).json()["holidays"]
    assert {"day": "2026-12-26", "name": "Saint Étienne"} in theirs


def test_a_year_from_today_is_meant_when_nothing_is_said(cast: SimpleNamespace, martine: WireClient) -> None:
    days = [one["day"] for one in martine.get(HOLIDAYS, {"organisation_id": cast.mds.pk}).json()["holidays"]]
    assert (days[0], days[-1], len(days)) == ("2026-12-25", "2027-11-11", 11)
    later = martine.get(HOLIDAYS, {"organisation_id": cast.mds.pk, "from": "2030-01-01"}).json()["holidays"]
    assert (later[0]["day"], len(later)) == ("2030-01-01", 12)


def test_an_organisation_may_work_on_some_of_them_or_on_all(cast: SimpleNamespace, martine: WireClient) -> None:
    policy = AbsencePolicyFactory(organisation=cast.mds, excluded_holidays=["Lundi de Pentecôte"])
    query = {"organisation_id": cast.mds.pk}
    names = {one["name"] for one in martine.get(HOLIDAYS, query).json()["holidays"]}
    assert "Lundi de Pentecôte" not in names
    assert "Lundi de Pâques" in names
    policy.public_holidays = False
    policy.save()
    assert martine.get(HOLIDAYS, query).json() == {"holidays": []}


def test_whoever_may_name_an_organisation_may_ask_for_its_holidays(
    cast: SimpleNamespace, sign_in: Callable[..., WireClient]
) -> None:
    for caller, status in ((cast.bruno, 200), (cast.thierry, 200), (cast.etienne, 403), (cast.nora, 403)):
        assert sign_in(caller).get(HOLIDAYS, {"organisation_id": cast.mds.pk}).status_code == status
    assert sign_in(cast.bruno).get(HOLIDAYS, {"organisation_id": 999999}).status_code == 404


def test_holidays_that_cannot_be_told_are_refused(cast: SimpleNamespace, martine: WireClient) -> None:
    assert refused(martine.get(HOLIDAYS)) == {"organisation_id": ["blank"]}
    query = {"organisation_id": cast.mds.pk, "from": "2026-01-01"}
    assert refused(martine.get(HOLIDAYS, query | {"to": "2032-01-01"})) == {"to": ["period_too_long"]}
    assert refused(martine.get(HOLIDAYS, query | {"to": "2025-12-31"})) == {"to": ["invalid"]}
    assert refused(martine.get(HOLIDAYS, query | {"to": "then"})) == {"to": ["invalid"]}
    assert len(martine.get(HOLIDAYS, query | {"to": "2030-12-31"}).json()["holidays"]) == 55
