"""The last that happened to each absence has a place, whoever writes: what changed since is read in that order."""

import pytest
from django.core.management import call_command
from django.db import connection

from absences.derived import CHANGES
from absences.models import Absence, AbsenceChange, DeletedAbsence
from agents.models import Agent, AgentRole, Organisation
from rdv.api.committed import horizon
from rdv.api.models import Lineage
from tests.factories import AbsenceFactory, AgentFactory, OrganisationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def happened():
    """What happened since the last time that one asked: (absence, whether it was deleted), in order."""
    seen = 0

    def since():
        nonlocal seen
        rows = list(AbsenceChange.objects.filter(id__gt=seen).order_by("transaction", "id"))
        seen = max([seen, *(row.id for row in rows)])
        return [(row.absence_id, row.deleted) for row in rows]

    return since


@pytest.fixture
def absences():
    return [AbsenceFactory() for _ in range(3)]


def test_each_creation_change_and_deletion_moves_to_the_end(happened, absences):
    one, two, three = absences
    assert happened() == [(one.pk, False), (two.pk, False), (three.pk, False)]
    one.save()
    assert happened() == [(one.pk, False)]
    pk = two.pk
    two.delete()
    assert happened() == [(pk, True)]
    assert AbsenceChange.objects.count() == 3


def test_so_does_every_row_of_what_is_written_in_bulk(happened, absences):
    happened()
    made = Absence.objects.bulk_create(AbsenceFactory.build(agent=absences[0].agent) for _ in range(2))
    assert happened() == [(row.pk, False) for row in made]
    Absence.objects.filter(pk__in=[row.pk for row in absences[:2]]).update(title="RTT")
    assert happened() == [(row.pk, False) for row in absences[:2]]
    Absence.objects.filter(pk__in=[row.pk for row in absences[1:]]).delete()
    assert sorted(happened()) == [(row.pk, True) for row in absences[1:]]


def test_a_row_written_if_there_is_none_counts_when_it_is_written(happened, absences):
    happened()
    Absence.objects.bulk_create(
        [absences[0], AbsenceFactory.build(agent=absences[1].agent)], ignore_conflicts=True, batch_size=10
    )
    assert happened() == [(Absence.objects.latest("pk").pk, False)]


def test_the_end_has_the_version_of_the_tombstone(absences):
    pk = absences[0].pk
    absences[0].save()
    absences[0].delete()
    assert AbsenceChange.objects.get(absence_id=pk).version == DeletedAbsence.objects.get(pk=pk).version == 3


def test_the_place_of_the_creation_stays_until_it_comes_back_from_the_dead(absences):
    def change():
        return AbsenceChange.objects.get(absence_id=pk)

    pk, place = absences[0].pk, AbsenceChange.objects.get(absence_id=absences[0].pk).id
    assert change().born is None
    absences[0].save()
    assert change().born == place
    absences[0].save()
    assert change().born == place
    absences[0].delete()
    assert change().born == place
    DeletedAbsence.objects.get(pk=pk).absence().save(force_insert=True)
    assert change().born is None
    assert not change().deleted


def test_an_absence_given_to_another_agent_is_gone_for_those_who_see_the_first(happened, absences):
    absence, other = absences[0], absences[1].agent
    former = absence.agent_id
    happened()
    Absence.objects.filter(pk=absence.pk).update(agent=other)
    assert happened() == [(absence.pk, True), (absence.pk, False)]
    changes = AbsenceChange.objects.filter(absence_id=absence.pk).order_by("id")
    assert [change.agent_id for change in changes] == [former, other.pk]
    Absence.objects.filter(pk=absence.pk).update(agent=former)
    assert happened() == [(absence.pk, True), (absence.pk, False)]


def test_what_an_absence_shows_of_its_agent_is_a_part_of_it(happened):
    mine, _other = AbsenceFactory(), AbsenceFactory()
    happened()
    Agent.objects.filter(pk=mine.agent_id).update(last_name="AUTRE")
    assert happened() == [(mine.pk, False)]
    Agent.objects.filter(pk=mine.agent_id).update(last_name="AUTRE", last_login="2026-11-16T00:00Z")
    assert happened() == []


def test_what_it_shows_of_organisations_is_a_part_of_it(happened):
    place, kept_for = OrganisationFactory(), OrganisationFactory()
    shown = AbsenceFactory(agent=AgentFactory(basic_in=[place]))
    kept = AbsenceFactory(organisation=kept_for)
    AbsenceFactory()
    happened()
    Organisation.objects.filter(pk=place.pk).update(name="Ailleurs")
    assert happened() == [(shown.pk, False)]
    Organisation.objects.filter(pk=kept_for.pk).update(verticale="rdv_mairie")
    assert happened() == [(kept.pk, False)]
    kept_for.delete()
    assert happened() == [(kept.pk, False)]


def test_so_is_the_organisation_where_its_agent_works(happened):
    absence, place, another = AbsenceFactory(), OrganisationFactory(), OrganisationFactory()
    happened()
    role = AgentRole.objects.create(agent=absence.agent, organisation=another)
    assert happened() == [(absence.pk, False)]
    AgentRole.objects.create(agent=absence.agent, organisation=place)
    assert happened() == [(absence.pk, False)]
    role.delete()
    assert happened() == []
    AgentRole.objects.all().delete()
    assert happened() == [(absence.pk, False)]


def test_nothing_is_shown_anew_of_what_is_deleted(happened, absences):
    agent = absences[0].agent
    absences[0].delete()
    happened()
    Agent.objects.filter(pk=agent.pk).update(first_name="Autre")
    assert happened() == []


def test_triggers_that_were_lost_come_back_and_tell_of_everything_once_more(happened, absences):
    one, two, three = absences
    lost = three.pk
    with connection.cursor() as cursor:
        for event in ("put", "changed", "gone"):
            table = " ON absences_absence" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TRIGGER absences_change_{event}{table}")
    three.delete()
    unseen = AbsenceFactory()
    happened()
    CHANGES.install()
    assert happened() == [(lost, True), (one.pk, False), (two.pk, False), (unseen.pk, False)]
    one.save()
    assert happened() == [(one.pk, False)]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no transactions with a number")
def test_what_an_older_cluster_wrote_counts_as_committed(absences):
    absences[0].save()
    AbsenceChange.objects.update(transaction=10**15)
    AbsenceChange.objects.exclude(born=None).update(born_transaction=10**15)
    before = horizon(AbsenceChange)
    Lineage.objects.update(life="of another cluster")
    call_command("migrate", verbosity=0)
    after = horizon(AbsenceChange)
    assert after.lineage != before.lineage
    rows = AbsenceChange.objects.order_by("id")
    assert [(row.transaction, row.born_transaction or 0) for row in rows] == [(0, 0)] * 3
    assert after.place == rows.last().place
