"""Absences in the record."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from absences.models import Absence
from agents.models import RecordEntry
from tests.factories import AbsenceFactory

ABSENCES = "/api/v1/absences"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]


def last() -> RecordEntry:
    return RecordEntry.objects.order_by("-pk")[0]


@pytest.fixture
def asked(cast: SimpleNamespace) -> dict[str, Any]:
    span = {"first_day": "2026-12-10", "start_time": "9:00", "end_time": "12:30"}
    return {"agent_id": cast.bruno.pk, "title": "Formation", **span}


def test_a_creation_is_told_with_what_it_made(cast: SimpleNamespace, sign_in: Any, asked: Any) -> None:
    absence = sign_in(cast.martine).post(f"{ABSENCES}?reason=planning", asked).json()["absence"]
    entry = last()
    assert (entry.action, entry.resource, entry.object_id) == ("created", "absence", absence["id"])
    assert (entry.object_name, entry.agent_id, entry.reason) == ("Formation", cast.bruno.pk, "planning")
    assert entry.changes == {
        "agent_id": [None, cast.bruno.pk],
        "title": [None, "Formation"],
        "first_day": [None, "2026-12-10"],
        "start_time": [None, "09:00:00"],
        "end_day": [None, "2026-12-10"],
        "end_time": [None, "12:30:00"],
    }


def test_a_change_is_told_with_what_was_there_before(cast: SimpleNamespace, sign_in: Any) -> None:
    absence = AbsenceFactory(agent=cast.bruno)
    sent = {"end_day": "2026-12-02", "title": absence.title}
    sign_in(cast.martine).patch(f"{ABSENCES}/{absence.pk}", sent)
    assert last().changes == {"end_day": ["2026-12-01", "2026-12-02"]}


def test_a_deletion_is_told_with_its_reason_and_what_is_gone(cast: SimpleNamespace, sign_in: Any) -> None:
    absence = AbsenceFactory(agent=cast.bruno, organisation=cast.mds)
    sign_in(cast.martine).delete(f"{ABSENCES}/{absence.pk}?reason=Erreur de saisie")
    entry = last()
    assert (entry.action, entry.reason, entry.object_id) == ("deleted", "Erreur de saisie", absence.pk)
    assert entry.changes["title"] == ["Congés", None]
    assert entry.changes["organisation_id"] == [cast.mds.pk, None]
    # Its agent's matter, whatever the organisation that it was kept for.
    assert (entry.agent_id, entry.organisation_id) == (cast.bruno.pk, None)


def test_a_write_that_is_refused_is_not_told_as_done(cast: SimpleNamespace, sign_in: Any, asked: Any) -> None:
    before = last().pk
    assert sign_in(cast.etienne).post(ABSENCES, asked).status_code == 403
    assert [entry.action for entry in RecordEntry.objects.filter(pk__gt=before)] == ["refused"]
    assert not Absence.objects.exists()


def test_an_agent_who_leaves_takes_absences_along_and_each_is_told(cast: SimpleNamespace) -> None:
    for day in (1, 2, 3):
        AbsenceFactory(agent=cast.bruno, first_day=datetime.date(2026, 12, day))
    before = last().pk
    cast.bruno.leave()
    gone = RecordEntry.objects.filter(pk__gt=before, resource="absence")
    assert {entry.changes["first_day"][0] for entry in gone} == {"2026-12-01", "2026-12-02", "2026-12-03"}
