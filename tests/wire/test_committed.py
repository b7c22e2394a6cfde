"""Rows with a place are read once each, in one order, whoever commits late: `rdv/api/committed.py`."""

import threading

import pytest
from django.db import connection, models, transaction
from django.test.utils import isolate_apps

from rdv.api.committed import BEGINNING, Committed, CommittedQuerySet, Place, horizon, prune
from rdv.api.models import Lineage

pytestmark = pytest.mark.alone
postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer")


@pytest.fixture
def told(transactional_db):
    """A table of rows with places."""
    with isolate_apps("rdv.api"):

        class Told(Committed):
            text = models.CharField(max_length=20)
            objects = CommittedQuerySet.as_manager()

            class Meta:
                app_label = "api"
                indexes = (models.Index(fields=("transaction", "id"), name="told_order"),)

        with connection.schema_editor() as editor:
            editor.create_model(Told)
        yield Told
        with connection.schema_editor() as editor:
            editor.delete_model(Told)


@pytest.fixture
def aside():
    """Runs work in a transaction of another connection, which commits when it is told to; gives what tells it."""
    threads = []

    def begin(work):
        began, end = threading.Event(), threading.Event()

        def run():
            try:
                with transaction.atomic():
                    work()
                    began.set()
                    end.wait(30)
            finally:
                connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        began.wait(30)

        def commit():
            end.set()
            thread.join()

        threads.append(commit)
        return commit

    yield begin
    for commit in threads:
        commit()


def read(told, place=BEGINNING):
    return [row.text for row in told.objects.committed(place, horizon(told))]


def test_rows_come_in_the_order_in_which_they_were_written(told):
    for text in ("a", "b"):
        told.objects.create(text=text)
    told.objects.bulk_create(told(text=text) for text in ("c", "d"))
    assert read(told) == ["a", "b", "c", "d"]


def test_who_reads_on_from_the_place_of_a_row_has_the_rest(told):
    told.objects.bulk_create(told(text=text) for text in ("a", "b", "c"))
    second = told.objects.get(text="b")
    assert read(told, second.place) == ["c"]


def test_who_has_read_as_far_as_it_goes_reads_on_from_there(told):
    told.objects.create(text="a")
    seen = horizon(told)
    assert read(told, seen.place) == []
    told.objects.create(text="b")
    assert read(told, seen.place) == ["b"]


def test_an_empty_table_can_be_read_as_far_as_its_beginning(told):
    assert horizon(told).place == BEGINNING
    assert read(told) == []


def test_what_was_undone_is_nowhere_and_holds_up_nothing(told):
    with transaction.atomic():
        told.objects.create(text="a")
        transaction.set_rollback(True)
    told.objects.create(text="b")
    assert read(told) == ["b"]


@postgresql
def test_a_row_that_is_committed_late_is_met_by_who_has_read_one_with_a_greater_number(told, aside):
    commit = aside(lambda: told.objects.create(text="late"))
    told.objects.create(text="early")
    seen = horizon(told)
    first = list(told.objects.committed(BEGINNING, seen))
    commit()
    assert [row.text for row in first] + read(told, first[-1].place if first else seen.place) == ["late", "early"]


@postgresql
def test_a_transaction_under_way_holds_up_no_writer_and_only_what_came_after_it(told, aside):
    told.objects.create(text="before")
    aside(lambda: told.objects.create(text="late"))
    told.objects.create(text="after")
    assert read(told) == ["before"]


@postgresql
def test_a_transaction_that_only_reads_holds_up_nothing(told, aside):
    aside(lambda: told.objects.count())
    told.objects.create(text="a")
    assert read(told) == ["a"]


@postgresql
def test_a_row_of_a_savepoint_has_the_place_of_its_transaction(told):
    with transaction.atomic():
        one = told.objects.create(text="a")
        with transaction.atomic():
            two = told.objects.create(text="b")
    places = [told.objects.get(pk=row.pk).place for row in (one, two)]
    assert places[0].transaction == places[1].transaction > 0


def test_what_was_pruned_is_told_to_who_had_not_read_it(told):
    told.objects.bulk_create(told(text=text) for text in ("a", "b", "c"))
    second = told.objects.get(text="b").place
    assert horizon(told).floor == BEGINNING
    assert prune(told.objects.filter(text__in=["a", "b"])) == 2
    assert horizon(told).floor == second
    assert prune(told.objects.filter(text="nothing")) == 0
    assert horizon(told).floor == second
    assert read(told) == ["c"]


def test_no_place_is_beyond_what_was_reached(told):
    told.objects.bulk_create(told(text=text) for text in ("a", "b"))
    last = told.objects.get(text="b").place
    told.objects.get(text="b").delete()
    reached = horizon(told).reached
    assert last.transaction <= reached.transaction
    assert last.number == reached.number


def test_the_life_of_a_database_has_one_name_while_it_lasts(told):
    name = horizon(told).lineage
    told.objects.create(text="a")
    assert horizon(told).lineage == name
    assert Lineage.objects.count() == 1


def test_a_database_that_was_put_in_the_place_of_another_has_another_name(told):
    told.objects.create(text="a")
    prune(told.objects.filter(text="a"))
    name = horizon(told).lineage
    Lineage.objects.update(life="another")
    assert horizon(told).lineage != name
    assert horizon(told).floor == BEGINNING


def test_looking_how_far_one_can_read_is_one_query(told, django_assert_num_queries):
    horizon(told)
    with django_assert_num_queries(1):
        horizon(told)


def test_places_go_by_the_transaction_first():
    assert Place(7, 3) < Place(8, 1) < Place(8, 2)
