"""Saving by statements compiled once is Django's own saving, only sooner (rdv/api/statements.py)."""

import datetime

import pytest
from django.db import models

from absences.models import Absence
from rdv.api.statements import SavedAlike
from tests.factories import AbsenceFactory, AgentFactory

pytestmark = pytest.mark.django_db

VARIETY = [
    {},
    {"title": "Élections d'été 🌻"},
    {"title": "%s %% {}", "start_time": datetime.time(0, 0), "end_time": datetime.time(23, 59, 59)},
]


@pytest.fixture
def plainly(monkeypatch):
    """Call it, and absences are saved as Django would."""

    def switch():
        monkeypatch.setattr(SavedAlike, "_do_insert", models.Model._do_insert)
        monkeypatch.setattr(SavedAlike, "_do_update", models.Model._do_update)

    return switch


def stored(absence):
    """All that the database holds of a row, but for its identifier."""
    row = Absence.objects.filter(pk=absence.pk).values().get()
    del row["id"]
    return row


@pytest.mark.parametrize("values", VARIETY)
def test_a_new_row_is_stored_as_django_stores_it(values, now, plainly):
    agent = AgentFactory()
    ours = stored(AbsenceFactory(agent=agent, **values))
    plainly()
    assert stored(AbsenceFactory(agent=agent, **values)) == ours


@pytest.mark.parametrize("values", VARIETY)
def test_a_change_is_stored_as_django_stores_it(values, now, plainly):
    agent = AgentFactory()

    def changed():
        absence = AbsenceFactory(agent=agent)
        for name, value in values.items():
            setattr(absence, name, value)
        absence.save()
        return stored(absence)

    ours = changed()
    plainly()
    assert changed() == ours


def test_a_row_that_is_gone_is_not_said_to_be_changed(now):
    absence = AbsenceFactory()
    Absence.objects.filter(pk=absence.pk).delete()
    absence.title = "Trop tard"
    absence.save(force_insert=False)
    assert Absence.objects.get().title == "Trop tard"  # as with Django: what was gone is written anew
