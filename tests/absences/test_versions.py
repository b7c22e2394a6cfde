"""Dates of creation and change, a version and a deep link on each absence (A20)."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from absences.models import Absence


@pytest.fixture
def created(martine, asked):
    return martine.post("/api/v1/absences", asked).json()["absence"]


def test_a_new_absence_is_in_its_first_version(created):
    assert (created["version"], created["created_at"], created["updated_at"]) == (
        1,
        "2026-11-16 10:00:00 +0100",
        "2026-11-16 10:00:00 +0100",
    )


def test_the_link_leads_to_the_absence(martine, created):
    assert created["url"] == f"http://testserver/api/v1/absences/{created['id']}"
    assert martine.get(created["url"]).json()["absence"] == created


def test_a_change_moves_the_version_and_the_date_of_change(martine, created, now):
    now.tick(90)
    changed = martine.patch(created["url"], {"title": "Autre"}).json()["absence"]
    assert (changed["version"], changed["created_at"], changed["updated_at"]) == (
        2,
        "2026-11-16 10:00:00 +0100",
        "2026-11-16 10:01:30 +0100",
    )


def test_each_change_is_one_version(martine, created):
    for title in ("un", "deux", "trois"):
        changed = martine.patch(created["url"], {"title": title}).json()["absence"]
    assert changed["version"] == 4


def test_several_values_at_once_are_one_change(martine, created):
    changed = martine.put(created["url"], {"title": "Autre", "end_time": "18:00", "end_day": "2027-06-11"}).json()
    assert changed["absence"]["version"] == 2


def test_a_refused_change_moves_neither(martine, created, now):
    now.tick(90)
    assert martine.patch(created["url"], {"title": ""}).status_code == 422
    assert martine.get(created["url"]).json()["absence"] == created


def test_a_forbidden_change_moves_neither(cast, sign_in, martine, created, now):
    now.tick(90)
    assert sign_in(cast.etienne).patch(created["url"], {"title": "Autre"}).status_code == 403
    assert martine.get(created["url"]).json()["absence"] == created


def test_the_same_values_again_are_no_change(martine, created, asked, now):
    now.tick(90)
    assert martine.put(created["url"], asked | {"end_day": None}).json()["absence"] == created


def test_the_same_values_again_are_not_even_written(martine, created, asked):
    with CaptureQueriesContext(connection) as queries:
        martine.put(created["url"], asked)
    # A statement that PostgreSQL has prepared has no text here; a write of Django's always has.
    assert not [query for query in queries if (query["sql"] or "").startswith("UPDATE")]


def test_a_summer_moment_is_shown_with_the_offset_of_summer(cast, sign_in, asked, now):
    now.move_to("2027-07-01 08:00:00")
    created = sign_in(cast.martine).post("/api/v1/absences", asked | {"first_day": "2027-12-01"}).json()["absence"]
    assert created["created_at"] == "2027-07-01 10:00:00 +0200"


def test_the_key_of_a_deleted_absence_is_not_given_again(martine, created, asked):
    martine.delete(created["url"])
    assert martine.post("/api/v1/absences", asked).json()["absence"]["id"] > created["id"]
    assert Absence.objects.count() == 1
