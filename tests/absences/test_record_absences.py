"""Absences in the record."""

from __future__ import annotations

import datetime
import io
import json
import random
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.core.serializers.json import DjangoJSONEncoder

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


def replayed() -> dict[int, dict[str, Any]]:
    """The absences as the record alone tells them; each change found what the one before it left."""
    rows: dict[int, dict[str, Any]] = {}
    for entry in RecordEntry.objects.filter(resource="absence").exclude(action="refused").order_by("pk"):
        row = rows.setdefault(entry.object_id, {})
        assert {name: row.get(name) for name in entry.changes} == {name: one[0] for name, one in entry.changes.items()}
        row |= {name: after for name, (_before, after) in entry.changes.items()}
        if entry.action == "deleted":
            assert not any(row.values())
            del rows[entry.object_id]
    return rows


def test_the_record_alone_tells_what_there_is(cast: SimpleNamespace, sign_in: Any, asked: Any, tmp_path: Any) -> None:
    dice, martine = random.Random(5), sign_in(cast.martine)
    path = tmp_path / "directory.json"
    for _ in range(80):
        known = list(Absence.objects.values_list("pk", flat=True))
        match dice.choice(("create", "change", "change", "move", "delete", "provision", "fail")):
            case "create":
                martine.post(ABSENCES, asked | {"title": dice.choice(("RTT", "Congés"))})
            case "change" if known:
                sent = {"title": dice.choice(("RTT", "Congés", "")), "end_day": f"2026-12-{dice.randint(8, 20):02}"}
                martine.patch(f"{ABSENCES}/{dice.choice(known)}", sent)
            case "move" if known:
                place = dice.choice((cast.mds.pk, cast.lille.pk, ""))
                martine.patch(f"{ABSENCES}/{dice.choice(known)}", {"organisation_id": place})
            case "delete" if known:
                martine.delete(f"{ABSENCES}/{dice.choice(known)}")
            case "provision":
                span = {"first_day": f"2026-12-{dice.randint(1, 3):02}", "start_time": "9:00"}
                end = {"end_time": dice.choice(("11:00", "12:00"))}
                leave = {"agent_email": cast.bruno.email, "title": "Du fichier"} | span | end
                path.write_text(json.dumps({"absences": [leave]}))
                call_command("provision", str(path), stdout=io.StringIO())
            case "fail":
                martine.post(ABSENCES, asked | {"agent_id": cast.etienne.pk})
    columns = ("agent_id", "title", "first_day", "start_time", "end_day", "end_time", "organisation_id")
    stored = {
        row.pk: {name: value for name in columns if (value := getattr(row, name)) is not None}
        for row in Absence.objects.all()
    }
    told = {pk: {name: value for name, value in row.items() if value is not None} for pk, row in replayed().items()}
    assert told == json.loads(json.dumps(stored, cls=DjangoJSONEncoder), object_hook=_with_numbers)
    assert len(stored) > 5


def _with_numbers(row: dict[str, Any]) -> dict[Any, Any]:
    """JSON has no numbers for keys."""
    return {int(name) if name.isdecimal() else name: value for name, value in row.items()}
