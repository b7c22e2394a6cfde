"""The directory file: absences are as it says, by the same rules as everywhere."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from absences.models import Absence, AbsencePolicy
from absences.provision import Plan
from agents.models import Organisation
from tests.directory_file import MARTINE, MDS, PARIS, apply, paris
from tests.factories import AbsenceFactory, AgentFactory, OrganisationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]

CONGES = {
    "agent_email": MARTINE["email"],
    "organisation": MDS["name"],
    "title": "Congés d'été",
    "first_day": "2026-12-23",
    "start_time": "08:00",
    "end_day": "2027-01-05",
    "end_time": "18:00",
}


def given(*absences: Any) -> dict[str, Any]:
    return paris(agents=[MARTINE], absences=list(absences))


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in CONGES.items() if name != key}


def test_an_absence_is_there_as_the_file_says():
    outcome = apply(given(CONGES))

    assert outcome.counts("absences") == (1, 0, 0)
    absence = Absence.objects.get()
    assert (absence.agent.email, absence.title, absence.organisation.name) == (
        MARTINE["email"],
        "Congés d'été",
        MDS["name"],
    )
    assert (absence.first_day, absence.start_time) == (datetime.date(2026, 12, 23), datetime.time(8))
    assert (absence.end_day, absence.end_time) == (datetime.date(2027, 1, 5), datetime.time(18))
    assert absence.version == 1


WEEKLY = CONGES | {
    "title": "Permanence",
    "end_day": None,
    "rrule": "rrule:freq=weekly;byday=we;until=20270630",
    "exdates": ["2027-01-06", "2026-12-30"],
    "kind": "training",
}


def test_an_absence_comes_again_as_the_file_says():
    apply(given(WEEKLY))

    absence = Absence.objects.get()
    assert absence.rrule == "FREQ=WEEKLY;BYDAY=WE;UNTIL=20270630T000000"
    assert absence.exdates == ["2026-12-30", "2027-01-06"]
    assert (absence.kind, absence.private) == ("training", False)
    assert absence.recurs_until == datetime.date(2027, 6, 30)


def test_the_second_run_leaves_what_comes_again_as_it_is():
    apply(given(WEEKLY))
    Absence.objects.update(overrides={"2027-01-13": {"start_time": "10:00:00"}})

    assert apply(given(WEEKLY)).counts("absences") == (0, 0, 1)
    assert Absence.objects.get().version == 1


def test_a_file_that_says_nothing_of_it_leaves_a_recurrence_alone_and_null_ends_it():
    apply(given(WEEKLY))
    silent = {name: value for name, value in WEEKLY.items() if name not in ("rrule", "exdates", "kind")}

    assert apply(given(silent | {"end_time": "17:00"})).counts("absences") == (0, 1, 0)
    absence = Absence.objects.get()
    assert (absence.rrule[:11], len(absence.exdates), absence.kind) == ("FREQ=WEEKLY", 2, "training")

    assert apply(given(silent | {"end_time": "17:00", "rrule": None})).counts("absences") == (0, 1, 0)
    absence = Absence.objects.get()
    assert (absence.rrule, absence.exdates, absence.recurs_until) == ("", None, None)


def test_a_rule_that_does_not_fit_is_named():
    outcome = apply(given(WEEKLY | {"rrule": "FREQ=WEEKLY;BYDAY=TU"}, CONGES | {"rrule": "FREQ=HOURLY", "kind": "nap"}))

    assert outcome.refused is not None
    assert {line.split(":")[0] for line in outcome.problems} == {
        "absences[0].rrule",
        "absences[1].rrule",
        "absences[1].kind",
    }


AT_WORK = MARTINE | {"services": [], "roles": [{"organisation": MDS["name"], "access_level": "basic"}]}


def test_what_an_organisation_keeps_private_is_private_unless_the_file_says_otherwise():
    apply(given())
    AbsencePolicy.objects.create(organisation=Organisation.objects.get(name=MDS["name"]), private_kinds=["sick"])
    told = CONGES | {"first_day": "2026-12-22", "kind": "sick", "private": False}
    apply(paris(agents=[AT_WORK], absences=[CONGES | {"kind": "sick"}, told]))

    assert [*Absence.objects.order_by("first_day").values_list("private", flat=True)] == [False, True]


def test_absences_are_meant_in_the_zone_that_the_file_gives_their_territory():
    document = paris(agents=[AT_WORK], absences=[CONGES])
    apply(document | {"territories": [PARIS | {"time_zone": "Indian/Reunion"}]})

    assert Absence.objects.get().time_zone == "Indian/Reunion"


def test_a_title_can_be_searched_without_accents():
    apply(given(CONGES))

    assert Absence.objects.get().folded_title == "conges d'ete"


def test_the_second_run_leaves_every_absence_as_it_is(now):
    document = given(CONGES, CONGES | {"first_day": "2026-12-22"} | {"organisation": None})
    apply(document)
    before = list(Absence.objects.values())
    now.tick(60)

    assert apply(document).counts("absences") == (0, 0, 2)
    assert list(Absence.objects.values()) == before


def test_a_dry_run_writes_no_absence():
    assert apply(given(CONGES), "--dry-run").counts("absences") == (1, 0, 0)
    assert not Absence.objects.exists()


@pytest.mark.parametrize(
    "change", [{"end_day": "2027-01-06"}, {"end_time": "18:30"}, {"organisation": None}, {"end_day": None}]
)
def test_a_changed_absence_is_a_new_version_of_the_same(change, now):
    apply(given(CONGES))
    before = Absence.objects.get()
    now.tick(60)

    outcome = apply(given(CONGES | change))

    after = Absence.objects.get()
    assert outcome.counts("absences") == (0, 1, 0)
    assert (after.pk, after.version, after.created_at) == (before.pk, 2, before.created_at)
    assert after.updated_at == before.updated_at + datetime.timedelta(minutes=1)
    assert after.folded_title == before.folded_title


def test_the_version_grows_from_what_it_has_become():
    apply(given(CONGES))
    absence = Absence.objects.get()
    absence.save()
    absence.save()

    apply(given(CONGES | {"end_time": "18:30"}))

    assert Absence.objects.get().version == 4


@pytest.mark.parametrize("key", ["organisation", "end_day"])
def test_an_absent_key_leaves_what_is_stored(key):
    apply(given(CONGES))

    assert apply(given(without(key))).counts("absences") == (0, 0, 1)


def test_an_absent_organisation_stays_when_the_rest_changes():
    apply(given(CONGES))

    assert apply(given(without("organisation") | {"end_time": "12:00"})).counts("absences") == (0, 1, 0)
    assert Absence.objects.get().organisation.name == MDS["name"]


def test_without_end_day_an_absence_ends_on_its_first():
    apply(given(without("end_day")))

    assert Absence.objects.get().end_day == datetime.date(2026, 12, 23)


def test_an_absence_may_hold_for_all_organisations():
    apply(given(without("organisation")))

    assert Absence.objects.get().organisation is None


def test_an_absence_may_be_kept_for_an_organisation_of_the_same_file():
    apply(given(without("organisation")))
    other = {"name": "MDS Paris Est", "departement_number": "75"}

    outcome = apply({"organisations": [other], "absences": [CONGES | {"organisation": other["name"]}]})

    assert outcome.counts("absences") == (0, 1, 0)
    assert Absence.objects.get().organisation.name == other["name"]


def test_the_agent_may_be_one_that_the_file_does_not_list(cast):
    outcome = apply({"absences": [without("organisation") | {"agent_email": cast.bruno.email.upper()}]})

    assert outcome.counts("absences") == (1, 0, 0)
    assert cast.bruno.absences.count() == 1


def test_an_agent_without_any_role_may_be_absent():
    agent = AgentFactory()

    apply({"absences": [without("organisation") | {"agent_email": agent.email}]})

    assert agent.absences.count() == 1


def test_other_absences_are_left_alone(cast):
    other = AbsenceFactory(agent=cast.martine, title="Autre")

    apply(given(CONGES))

    assert Absence.objects.filter(pk=other.pk, version=1).exists()


def test_of_two_stored_absences_that_are_the_same_the_oldest_is_meant():
    apply(given(CONGES))
    first = Absence.objects.get()
    second = Absence.objects.create(
        agent=first.agent,
        title=first.title,
        first_day=first.first_day,
        start_time=first.start_time,
        end_day=first.end_day,
        end_time=datetime.time(12),
    )

    assert apply(given(CONGES)).counts("absences") == (0, 0, 1)
    apply(given(CONGES | {"end_time": "19:00"}))
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.end_time, second.end_time) == (datetime.time(19), datetime.time(12))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"agent_email": "nobody@exemple.fr"}, "agent_email"),
        ({"organisation": "MDS Nort"}, "organisation"),
        ({"title": ""}, "title"),
        ({"title": "C" * 256}, "title"),
        ({"title": "Con\x00gés"}, "title"),
        ({"first_day": "2026-02-30"}, "first_day"),
        ({"first_day": None}, "first_day"),
        ({"first_day": "2017-12-31"}, "first_day"),
        ({"end_day": "2031-11-17"}, "end_day"),
        ({"end_day": "tomorrow"}, "end_day"),
        ({"end_day": "2026-12-22"}, "end_time"),
        ({"start_time": "8h"}, "start_time"),
        ({"end_time": "24:00"}, "end_time"),
        ({"end_time": 18}, "end_time"),
        ({"motif": "?"}, "motif"),
    ],
)
def test_a_bad_absence_is_named_by_its_path(change, path):
    outcome = apply(given(CONGES, CONGES | {"title": "Autre"} | change))

    assert [line.partition(": ")[0] for line in outcome.problems] == [f"absences[1].{path}"]
    assert not Absence.objects.exists()


def test_a_stored_absence_is_held_to_the_rules_when_it_changes():
    apply(given(CONGES))

    outcome = apply(given(CONGES | {"end_day": "2026-12-22"}))

    assert [line.partition(": ")[0] for line in outcome.problems] == ["absences[0].end_time"]


def test_an_absence_may_not_come_twice():
    outcome = apply(given(CONGES, CONGES | {"agent_email": MARTINE["email"].upper(), "end_time": "12:00"}))

    assert outcome.problems == ["absences[1]: the same as absences[0]"]


def test_an_agent_who_left_cannot_be_absent(cast):
    email = cast.bruno.email
    cast.bruno.leave()

    outcome = apply({"absences": [without("organisation") | {"agent_email": email}]})

    assert outcome.problems == [f'absences[0].agent_email: no agent with the email "{email}"']


def test_two_organisations_of_one_name_are_told_apart_by_their_territory(cast):
    OrganisationFactory(name=cast.mds.name, territory=cast.nord)
    absence = CONGES | {"organisation": cast.mds.name}

    assert "more than one organisation" in apply({"absences": [absence]}).err
    apply({"absences": [absence | {"departement_number": "59"}]})
    assert Absence.objects.get().organisation.territory == cast.nord


def test_an_absence_that_vanishes_meanwhile_stops_it_all(monkeypatch):
    apply(given(CONGES))
    write = Plan.write

    def write_late(plan: Plan, *args: Any) -> None:
        Absence.objects.all().delete()
        write(plan, *args)

    monkeypatch.setattr(Plan, "write", write_late)

    assert "meanwhile" in (apply(given(CONGES | {"end_time": "12:00"})).refused or "")


def test_the_number_of_queries_does_not_grow_with_the_absences():
    def cost(count: int, end_time: str) -> int:
        first_days = [datetime.date(2020, 1, 1) + datetime.timedelta(days=number) for number in range(count)]
        change = {"title": f"{count}", "end_time": end_time, "end_day": None}
        absences = [CONGES | change | {"first_day": day.isoformat()} for day in first_days]
        with CaptureQueriesContext(connection) as queries:
            outcome = apply({"absences": absences})
        assert outcome.refused is None
        return len(queries)

    apply(given())
    assert cost(10, "17:00") == cost(40, "17:00")  # created
    assert cost(10, "18:00") == cost(40, "18:00")  # changed
    assert cost(10, "18:00") == cost(40, "18:00")  # unchanged
