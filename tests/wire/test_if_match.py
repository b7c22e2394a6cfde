"""No lost update (row P8): a row's strong ETag, and `If-Match` before anything is done (RFC 9110 8.8, 13.1.1)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection

from absences.models import Absence
from agents.models import AccessKey, Organisation
from tests.conftest import WireClient
from tests.factories import AbsenceFactory, OrganisationFactory

STRONG = re.compile(r'"[0-9]+\.[0-9]+-[0-9a-f]{32}"')
NEW = {"title": "Formation", "first_day": "2026-12-01", "start_time": "9:00", "end_time": "10:00"}
STALE = {
    "success": False,
    "errors": [{"base": "precondition_failed"}],
    "error_messages": ["La fiche a changé depuis que vous l'avez lue. Relisez-la, puis refaites votre modification."],
}

pytestmark = pytest.mark.usefixtures("now")


@pytest.fixture
def martine(cast: SimpleNamespace, sign_in: Any) -> WireClient:
    return sign_in(cast.martine)


@pytest.fixture
def absence(cast: SimpleNamespace) -> Absence:
    return AbsenceFactory(agent=cast.bruno, title="Original")


@pytest.fixture
def rows(cast: SimpleNamespace, absence: Absence) -> dict[str, tuple[str, dict[str, str], Any]]:
    """Of each resource with versions: the address of a row, a change of it, and the row."""
    key, _secret = AccessKey.make(cast.martine, name="Tâche de nuit")
    return {
        "absence": (f"/api/v1/absences/{absence.pk}", {"title": "Autre"}, absence),
        "organisation": (f"/api/v1/organisations/{cast.mds.pk}", {"name": "Autre"}, cast.mds),
        "token": (f"/api/v1/tokens/{key.pk}", {"name": "Autre"}, key),
    }


each = pytest.mark.parametrize("resource", ["absence", "organisation", "token"])
each_verb = pytest.mark.parametrize("verb", ["put", "patch", "delete"])


def ask(client: WireClient, verb: str, path: str, condition: str, body: Any = None) -> Any:
    sent = [body] if body is not None and verb != "delete" else []
    return getattr(client, verb)(path, *sent, headers={"If-Match": condition})


def version(etag: str) -> str:
    return etag.strip('"').partition("-")[0]


# The validator.


@each
def test_a_row_has_a_strong_etag_and_a_list_a_weak_one(martine: WireClient, rows: Any, resource: str) -> None:
    path, _change, _row = rows[resource]
    assert STRONG.fullmatch(martine.get(path)["ETag"])
    assert martine.get(path.rpartition("/")[0])["ETag"].startswith('W/"')


@each
def test_a_change_answers_with_the_etag_that_reading_would(martine: WireClient, rows: Any, resource: str) -> None:
    path, change, _row = rows[resource]
    before = martine.get(path)["ETag"]
    changed = martine.patch(path, change)["ETag"]
    assert version(changed) != version(before)
    assert martine.get(path)["ETag"] == changed


def test_a_creation_answers_with_the_etag_that_reading_would(cast: SimpleNamespace, martine: WireClient) -> None:
    made = martine.post("/api/v1/absences", NEW | {"agent_id": cast.bruno.pk})
    assert martine.get(made["Location"])["ETag"] == made["ETag"]


@each
def test_a_change_that_changes_nothing_leaves_the_version(martine: WireClient, rows: Any, resource: str) -> None:
    path, change, _row = rows[resource]
    changed = martine.patch(path, change)["ETag"]
    assert martine.patch(path, change)["ETag"] == changed


@each
def test_two_writes_in_one_tick_differ(martine: WireClient, rows: Any, resource: str) -> None:
    path, change, _row = rows[resource]
    name = next(iter(change))
    tags = [martine.patch(path, {name: value})["ETag"] for value in ("A", "B", "A")]
    assert len({version(tag) for tag in tags}) == 3


@pytest.mark.parametrize(
    "headers", [{"Accept-Language": "en"}, {"Host": "127.0.0.1"}, {"Accept": "application/json; profile=envelope"}]
)
def test_other_bytes_of_the_same_version_have_another_etag(
    martine: WireClient, absence: Absence, headers: dict[str, str]
) -> None:
    path = f"/api/v1/absences/{absence.pk}"
    plain, other = martine.get(path), martine.get(path, headers=headers)
    assert (plain["ETag"] == other["ETag"]) == (plain.content == other.content)
    assert version(plain["ETag"]) == version(other["ETag"].removeprefix("W/"))


def test_an_envelope_whose_bytes_never_repeat_is_weak(martine: WireClient, absence: Absence) -> None:
    headers = {"Accept": "application/json; profile=envelope"}
    path = f"/api/v1/absences/{absence.pk}"
    tag = martine.get(path, headers=headers)["ETag"]
    assert tag.startswith('W/"')
    assert martine.get(path, headers=headers | {"If-None-Match": tag}).status_code == 304


def test_what_a_row_shows_of_others_counts_for_reading_and_not_for_writing(
    cast: SimpleNamespace, martine: WireClient, absence: Absence
) -> None:
    path = f"/api/v1/absences/{absence.pk}"
    tag = martine.get(path)["ETag"]
    assert martine.get(path, headers={"If-None-Match": tag}).status_code == 304
    cast.bruno.first_name = "Bruno-Paul"
    cast.bruno.save()
    shown = martine.get(path, headers={"If-None-Match": tag})
    assert shown.status_code == 200
    assert shown["ETag"] != tag
    assert ask(martine, "patch", path, tag, {"title": "Autre"}).status_code == 200


# The condition.


@each
@each_verb
def test_the_state_that_was_read_may_be_changed(martine: WireClient, rows: Any, resource: str, verb: str) -> None:
    path, change, _row = rows[resource]
    if (resource, verb) == ("organisation", "delete"):
        pytest.skip("nobody deletes an organisation by API")
    answer = ask(martine, verb, path, martine.get(path)["ETag"], change)
    assert answer.status_code == (204 if verb == "delete" else 200)


@each
@each_verb
def test_a_state_that_is_no_more_is_412_and_nothing_is_done(
    martine: WireClient, rows: Any, resource: str, verb: str
) -> None:
    path, change, row = rows[resource]
    if (resource, verb) == ("organisation", "delete"):
        pytest.skip("nobody deletes an organisation by API")
    tag = martine.get(path)["ETag"]
    other = dict.fromkeys(change, "Entre-temps")
    martine.patch(path, other)
    answer = ask(martine, verb, path, tag, change)
    assert (answer.status_code, answer.json()) == (412, STALE)
    assert "ETag" not in answer
    row.refresh_from_db()
    assert {name: getattr(row, name) for name in other} == other
    english = martine.patch(path, change, headers={"If-Match": tag, "Accept-Language": "en"})
    assert english.json()["error_messages"] == [
        "The record has changed since you read it. Read it again, then make your change again."
    ]


def test_every_form_in_which_a_row_was_read_will_do(martine: WireClient, absence: Absence) -> None:
    path = f"/api/v1/absences/{absence.pk}"
    tag = martine.get(f"{path}?prettify=true", headers={"Accept-Language": "en", "Host": "localhost"})["ETag"]
    assert ask(martine, "patch", path, tag, {"title": "A"}).status_code == 200
    tag = martine.get(path)["ETag"]
    compressed = f'{tag[:-1]}-gzip"'
    assert ask(martine, "patch", path, compressed, {"title": "B"}).status_code == 200


@pytest.mark.parametrize("form", ["*", " * ", '"x", {tag}', '"x","y" ,\t{tag},', '{tag}, W/"x"'])
def test_the_forms_of_a_condition_that_holds(martine: WireClient, absence: Absence, form: str) -> None:
    path = f"/api/v1/absences/{absence.pk}"
    condition = form.format(tag=martine.get(path)["ETag"])
    assert ask(martine, "patch", path, condition, {"title": "Autre"}).status_code == 200


@pytest.mark.parametrize(
    "form",
    [
        *("", ",", '"', "W/", "é", '"x"', 'W/"x"', "1.1", '"*"', "W/{tag}", "{tag}x", '"{version}"'),
        *('"{version}-"', '"{version}-' + "0" * 31 + '"', '"{version}-' + "0" * 32 + "-" + "z" * 11 + '"', "a" * 5000),
    ],
)
def test_what_does_not_match_or_cannot_be_read_is_412(martine: WireClient, absence: Absence, form: str) -> None:
    path = f"/api/v1/absences/{absence.pk}"
    tag = martine.get(path)["ETag"]
    condition = form.format(tag=tag, version=version(tag))
    assert ask(martine, "patch", path, condition, {"title": "Autre"}).status_code == 412
    absence.refresh_from_db()
    assert absence.title == "Original"


def test_a_state_of_another_row_does_not_match(cast: SimpleNamespace, martine: WireClient, absence: Absence) -> None:
    other = martine.get(f"/api/v1/absences/{AbsenceFactory(agent=cast.bruno).pk}")["ETag"]
    assert ask(martine, "patch", f"/api/v1/absences/{absence.pk}", other, {"title": "Autre"}).status_code == 412


def test_who_and_which_row_are_asked_first_and_the_values_last(
    cast: SimpleNamespace, anonymous: WireClient, martine: WireClient, sign_in: Any, absence: Absence
) -> None:
    path, invalid = f"/api/v1/absences/{absence.pk}", {"title": ""}
    assert ask(anonymous, "patch", path, '"x"', invalid).status_code == 401
    assert ask(martine, "patch", "/api/v1/absences/999999", '"x"', invalid).status_code == 404
    assert ask(sign_in(cast.etienne), "patch", path, '"x"', invalid).status_code == 403
    assert ask(martine, "patch", path, '"x"', invalid).status_code == 412
    assert ask(martine, "patch", path, "*", invalid).status_code == 422


def test_a_creation_is_of_nothing_that_was_read(cast: SimpleNamespace, martine: WireClient) -> None:
    asked = NEW | {"agent_id": cast.bruno.pk}
    assert ask(martine, "post", "/api/v1/absences", '"1.1-x"', asked).status_code == 412
    assert Absence.objects.count() == 0
    assert ask(martine, "post", "/api/v1/absences", "*", asked).status_code == 200


def test_other_conditions_of_a_change_are_not_looked_at(martine: WireClient, absence: Absence) -> None:
    path = f"/api/v1/absences/{absence.pk}"
    headers = {"If-Unmodified-Since": "Sat, 01 Jan 2000 00:00:00 GMT", "If-None-Match": "*"}
    assert martine.patch(path, {"title": "Autre"}, headers=headers).status_code == 200


@each
@each_verb
def test_where_it_is_required_a_change_without_it_is_428(
    martine: WireClient, rows: Any, settings: Any, resource: str, verb: str
) -> None:
    path, change, _row = rows[resource]
    if (resource, verb) == ("organisation", "delete"):
        pytest.skip("nobody deletes an organisation by API")
    settings.RDV_IF_MATCH = "required"
    answer = getattr(martine, verb)(path, *([change] if verb != "delete" else []))
    assert (answer.status_code, answer.json()) == (
        428,
        {
            "success": False,
            "errors": [{"base": "precondition_required"}],
            "error_messages": ["Envoyez If-Match avec l'ETag de la fiche telle que vous l'avez lue."],
        },
    )
    assert ask(martine, verb, path, martine.get(path)["ETag"], change).status_code in (200, 204)


def test_where_it_is_required_creations_and_sign_outs_go_on(
    cast: SimpleNamespace, martine: WireClient, settings: Any
) -> None:
    settings.RDV_IF_MATCH = "required"
    assert martine.post("/api/v1/absences", NEW | {"agent_id": cast.bruno.pk}).status_code == 200
    assert martine.delete("/api/v1/auth/sign_out").status_code == 200


# The versions of organisations and keys, which the database keeps.


def stored(row: Any) -> int:
    return type(row).objects.values_list("version", flat=True).get(pk=row.pk)


def by_save(row: Any, **values: Any) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    row.save()


def by_save_of_these(row: Any, **values: Any) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    row.save(update_fields=list(values))


def by_update(row: Any, **values: Any) -> None:
    type(row).objects.filter(pk=row.pk).update(**values)


def by_statement(row: Any, **values: Any) -> None:
    ((name, value),) = values.items()
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {row._meta.db_table} SET {name} = %s WHERE id = %s", [value, row.pk])


def by_upsert(row: Any, **values: Any) -> None:
    """As `provision` does."""
    for name, value in values.items():
        setattr(row, name, value)
    type(row).objects.bulk_create([row], update_conflicts=True, unique_fields=("pk",), update_fields=tuple(values))


each_way = pytest.mark.parametrize("write", [by_save, by_save_of_these, by_update, by_statement, by_upsert])


@each_way
@pytest.mark.parametrize("resource", ["organisation", "token"])
def test_however_a_row_is_changed_its_version_grows_by_one(
    rows: Any, resource: str, write: Callable[..., None]
) -> None:
    row = rows[resource][2]
    for before, name in enumerate(("A", "B", "A"), start=1):
        assert stored(row) == before
        write(row, name=name)
    assert stored(row) == 4


@each_way
@pytest.mark.parametrize("resource", ["organisation", "token"])
def test_what_changes_nothing_of_a_row_leaves_its_version(rows: Any, resource: str, write: Callable[..., None]) -> None:
    row = rows[resource][2]
    write(row, name=row.name)
    assert stored(row) == 1


@pytest.mark.parametrize("resource", ["organisation", "token"])
def test_a_row_that_was_read_long_ago_does_not_set_the_version_back(rows: Any, resource: str) -> None:
    row = rows[resource][2]
    late = type(row).objects.get(pk=row.pk)
    for name in ("A", "B", "C"):
        by_update(row, name=name)
    by_save(late, name="D")
    assert stored(row) == 5


def test_a_key_that_is_used_is_the_same_key(cast: SimpleNamespace) -> None:
    key, _secret = AccessKey.make(cast.martine, name="Tâche de nuit")
    key.touch()
    assert stored(key) == 1
    key.switch(on=False)
    assert stored(key) == 2


def test_an_organisation_whose_verticale_changes_still_tells_its_agents(cast: SimpleNamespace) -> None:
    """Two triggers of one table, side by side."""
    by_update(cast.mds, verticale=Organisation.Verticale.RDV_MAIRIE)
    assert stored(cast.mds) == 2
    assert stored(OrganisationFactory(territory=cast.paris)) == 1
    cast.bruno.shown.refresh_from_db()
    assert cast.bruno.shown.by_mairie


def test_an_etag_is_a_header_that_json_can_quote(martine: WireClient, absence: Absence) -> None:
    assert json.loads(martine.get(f"/api/v1/absences/{absence.pk}")["ETag"])
