"""`PUT` and `PATCH /absences/:id`: both change what is sent and keep the rest (contract 1.1, 4.2)."""

import datetime

import pytest

from absences.models import Absence

from ..factories import AbsenceFactory, OrganisationFactory
from .ladder import FORBIDDEN, NOBODY, UNKNOWN_CALLER, climbed

both_verbs = pytest.mark.parametrize("verb", ["put", "patch"])


@pytest.fixture
def change(martine, afternoon):
    """Martine changes the afternoon; gives the answer's status and body."""

    def of(verb="patch", **values):
        answer = getattr(martine, verb)(f"/api/v1/absences/{afternoon.pk}", values)
        return answer.status_code, answer.json()

    return of


@both_verbs
def test_anonymous_is_asked_to_sign_in(anonymous, afternoon, verb):
    answer = getattr(anonymous, verb)(f"/api/v1/absences/{afternoon.pk}", {"title": "Autre"})
    assert (answer.status_code, answer.json()) == (401, UNKNOWN_CALLER)


@both_verbs
@climbed
def test_one_changes_the_absences_of_the_agents_one_sees(who, reaches, cast, sign_in, afternoon, verb):
    answer = getattr(sign_in(getattr(cast, who)), verb)(f"/api/v1/absences/{afternoon.pk}", {"title": "Autre"})
    afternoon.refresh_from_db()
    if reaches:
        assert (answer.status_code, afternoon.title) == (200, "Autre")
    else:
        assert (answer.status_code, answer.json(), afternoon.title) == (403, FORBIDDEN, "Congé formation")


@both_verbs
@pytest.mark.parametrize("pk", NOBODY)
def test_what_does_not_exist_is_not_found(martine, afternoon, verb, pk):
    answer = getattr(martine, verb)(f"/api/v1/absences/{pk}", {"title": ""})
    assert (answer.status_code, answer.json()) == (404, {"not_found": "absence"})


def test_permission_speaks_before_validity(cast, sign_in, afternoon):
    answer = sign_in(cast.etienne).patch(f"/api/v1/absences/{afternoon.pk}", {"title": ""})
    assert (answer.status_code, answer.json()) == (403, FORBIDDEN)


@both_verbs
@pytest.mark.parametrize(
    ("name", "sent", "shown"),
    [
        ("title", " Formation ", "Formation"),
        ("first_day", "2027-06-09", "2027-06-09"),
        ("start_time", "8:00", "08:00:00"),
        ("end_day", "2027-06-12", "2027-06-12"),
        ("end_time", "18:15:30", "18:15:30"),
    ],
)
def test_only_what_is_sent_changes_and_the_answer_is_whole(change, martine, afternoon, verb, name, sent, shown):
    before = martine.get(f"/api/v1/absences/{afternoon.pk}").json()["absence"]
    status, body = change(verb, **{name: sent})
    after = body["absence"]
    assert (status, after[name]) == (200, shown)
    moved = {key for key in before if before[key] != after[key]}
    assert moved - {"ical", "version", "updated_at"} == {name}
    assert martine.get(f"/api/v1/absences/{afternoon.pk}").json()["absence"] == after


def test_nothing_sent_changes_nothing(change, martine, afternoon):
    before = martine.get(f"/api/v1/absences/{afternoon.pk}").json()
    assert change() == (200, before)


@pytest.mark.parametrize("end_day", [None, ""])
def test_an_empty_end_day_is_reset_to_the_first_day(change, cast, martine, end_day):
    long = AbsenceFactory(agent=cast.bruno, end_day=datetime.date(2026, 12, 4))
    answer = martine.patch(f"/api/v1/absences/{long.pk}", {"end_day": end_day})
    assert answer.json()["absence"]["end_day"] == "2026-12-01"


def test_an_empty_end_day_follows_a_first_day_that_moves_with_it(change):
    _status, body = change(first_day="2027-06-15", end_day=None)
    assert (body["absence"]["first_day"], body["absence"]["end_day"]) == ("2027-06-15", "2027-06-15")


def test_a_first_day_moved_past_the_end_day_is_refused(change):
    assert change(first_day="2027-06-11") == (
        422,
        {
            "success": False,
            "errors": {"ends_time": [{"error": "doit être après le début."}]},
            "error_messages": ["ends_time doit être après le début."],
        },
    )


@pytest.mark.parametrize("name", ["title", "first_day", "start_time", "end_time"])
@pytest.mark.parametrize("empty", [None, "", "   "])
def test_what_is_required_cannot_be_emptied(change, name, empty):
    status, body = change(**{name: empty})
    assert status == 422
    code = "invalid" if empty == "   " and name != "title" else "blank"
    assert [failure["error"] for failure in body["errors"][name]] == [code]
    assert list(body["errors"]) == [name]


def test_a_value_that_cannot_be_read_is_not_compared_by_the_one_it_would_replace(change):
    # 13:30 to 08:00 would be an error; nobody asked for it.
    status, body = change(start_time="8h", end_time="08:00")
    assert (status, list(body["errors"])) == (422, ["start_time"])


def test_a_refused_change_changes_nothing(change, martine, afternoon):
    before = martine.get(f"/api/v1/absences/{afternoon.pk}").json()
    status, _body = change(title="Autre", end_time="10:00")
    assert status == 422
    assert martine.get(f"/api/v1/absences/{afternoon.pk}").json() == before


@pytest.mark.parametrize("name", ["agent_id", "agent_email", "agent", "id", "version", "created_at"])
def test_what_an_update_may_not_touch_is_ignored(change, martine, cast, afternoon, name):
    before = martine.get(f"/api/v1/absences/{afternoon.pk}").json()
    sent = {"agent_id": cast.chloe.pk, "agent_email": "personne@exemple.test"}.get(name, 1)
    assert change(**{name: sent}) == (200, before)


def test_the_organisation_may_be_chosen_and_taken_back(change, cast):
    other = OrganisationFactory(territory=cast.paris)
    cast.bruno.roles.create(organisation=other)
    assert change(organisation_id=other.pk)[1]["absence"]["organisation"]["id"] == other.pk
    assert change(organisation_id=None)[1]["absence"]["organisation"]["id"] == cast.mds.pk
    assert Absence.objects.get().organisation is None


def test_the_organisation_stays_when_it_is_not_sent(change, cast, afternoon):
    other = OrganisationFactory(territory=cast.paris)
    cast.bruno.roles.create(organisation=other)
    change(organisation_id=other.pk)
    assert change(title="Autre")[1]["absence"]["organisation"]["id"] == other.pk


def test_an_organisation_that_is_not_one_of_the_agents_is_refused(change, cast):
    status, body = change(organisation_id=cast.lille.pk)
    assert (status, body["errors"]) == (
        422,
        {"organisation_id": [{"error": "inclusion", "value": cast.lille.pk}]},
    )


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "application/json"])
def test_the_same_by_query_as_by_json(martine, afternoon, content_type):
    # P26: the client C and the tests of P send everything in the address.
    answer = martine.patch(f"/api/v1/absences/{afternoon.pk}?title=Autre&end_time=18:00", "", content_type)
    assert (answer.json()["absence"]["title"], answer.json()["absence"]["end_time"]) == ("Autre", "18:00:00")


def test_the_same_by_form_as_by_json(martine, afternoon):
    answer = martine.put(
        f"/api/v1/absences/{afternoon.pk}", "title=Autre&end_time=18:00", "application/x-www-form-urlencoded"
    )
    assert (answer.json()["absence"]["title"], answer.json()["absence"]["end_time"]) == ("Autre", "18:00:00")


def test_a_body_that_cannot_be_read_does_not_pass_for_an_empty_change(martine, afternoon):
    answer = martine.patch(f"/api/v1/absences/{afternoon.pk}", '{"title":"Autre"}', "text/plain")
    assert (answer.status_code, answer.json()["hint"]) == (415, "Content-Type: application/json")
