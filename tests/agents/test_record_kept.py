"""What is in the record stays as it was written, until the purge."""

from __future__ import annotations

import datetime
import io
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from agents.management.commands import purge_record
from agents.models import RecordEntry, RecordPurge
from agents.record import note
from agents.record.kept import KEPT
from tests.conftest import NOW
from tests.factories import OrganisationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def entry(db: None) -> RecordEntry:
    note("created", "absence", id=1, name="Congés")
    return RecordEntry.objects.get()


REFUSED = {
    "a change": "UPDATE agents_recordentry SET actor_name = 'un autre'",
    "a change of nothing": "UPDATE agents_recordentry SET actor_name = actor_name",
    "a deletion": "DELETE FROM agents_recordentry",
    "an empty table": "TRUNCATE agents_recordentry",
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_database_refuses(entry: RecordEntry, what: str) -> None:
    if connection.vendor == "sqlite" and "TRUNCATE" in REFUSED[what]:
        pytest.skip("SQLite has no TRUNCATE")
    with pytest.raises(IntegrityError, match="the record is never changed"), transaction.atomic():
        connection.cursor().execute(REFUSED[what])
    assert list(RecordEntry.objects.values()) == [{f.attname: getattr(entry, f.attname) for f in entry._meta.fields}]


def test_a_purge_reaches_what_is_older_and_nothing_else(entry: RecordEntry) -> None:
    RecordPurge.objects.create(before=entry.at)
    with pytest.raises(IntegrityError), transaction.atomic():
        RecordEntry.objects.all().delete()
    RecordPurge.objects.create(before=entry.at + datetime.timedelta(seconds=1))
    RecordEntry.objects.all().delete()
    assert not RecordEntry.objects.exists()


def test_a_row_is_not_saved_twice(entry: RecordEntry) -> None:
    entry.actor_name = "un autre"
    with pytest.raises(IntegrityError), transaction.atomic():
        entry.save()
    assert RecordEntry.objects.get().actor_name != "un autre"


def test_a_migration_that_remakes_the_table_does_not_open_it(entry: RecordEntry) -> None:
    on = " ON agents_recordentry" if connection.vendor == "postgresql" else ""
    connection.cursor().execute(f"DROP TRIGGER agents_record_updated{on}")
    KEPT.install()
    with pytest.raises(IntegrityError), transaction.atomic():
        RecordEntry.objects.update(actor_name="un autre")


# The purge.


def purge() -> str:
    out = io.StringIO()
    call_command("purge_record", stdout=out)
    return out.getvalue()


@pytest.fixture
def of_days(now: Any) -> Any:
    """Entries of so many days ago."""

    def write(*days: int) -> None:
        for day in days:
            now.move_to(datetime.datetime.fromisoformat(NOW) - datetime.timedelta(days=day))
            note("created", "absence", id=day)
        now.move_to(NOW)

    return write


def test_the_purge_removes_what_is_older_than_was_asked_and_tells_itself(of_days: Any, settings: Any) -> None:
    settings.RDV_RECORD_KEPT = datetime.timedelta(days=30)
    of_days(400, 31, 29, 0)
    assert purge() == "2 entries removed, of before 2026-10-17 09:00 UTC.\n"
    *kept, told = RecordEntry.objects.order_by("pk")
    assert [entry.object_id for entry in kept] == [29, 0]
    assert (told.action, told.actor_kind, told.actor_name) == ("purged", "system", "purge_record")
    assert told.changes["entries"] == [2, 0]
    assert not RecordPurge.objects.exists()


def test_a_purge_of_nothing_tells_nothing(of_days: Any) -> None:
    of_days(364)
    assert purge().startswith("0 entries removed")
    assert RecordEntry.objects.count() == 1


def test_the_purge_goes_in_batches(of_days: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge_record, "BATCH", 2)
    of_days(401, 402, 403, 404, 405)
    assert purge().startswith("5 entries removed")
    assert [entry.action for entry in RecordEntry.objects.all()] == ["purged"]


@pytest.mark.django_db(transaction=True)
def test_a_purge_that_is_broken_off_leaves_the_record_closed(
    of_days: Any, monkeypatch: pytest.MonkeyPatch, now: Any
) -> None:
    of_days(401)
    monkeypatch.setattr(RecordPurge, "delete", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        purge()
    assert not RecordPurge.objects.exists()
    with pytest.raises(IntegrityError):
        RecordEntry.objects.all().delete()
    assert RecordEntry.objects.count() == 1


def test_the_record_of_a_row_outlives_it(db: None) -> None:
    organisation = OrganisationFactory(name="MDS")
    pk = organisation.pk
    organisation.delete()
    assert [entry.action for entry in RecordEntry.objects.filter(object_id=pk, resource="organisation")] == [
        "deleted",
        "created",
    ]
    assert timezone.now() >= RecordEntry.objects.latest("at").at
