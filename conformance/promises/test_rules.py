"""What an absence must be, and the sentences that say what it is not."""

from __future__ import annotations

import datetime

import pytest

from conformance import expect
from conformance.material import day, made, titled

pytestmark = pytest.mark.contract("1.10")

AFTER = "doit être après le début."
TOO_FAR = "ne peut pas être dans plus de 5 ans"
TOO_OLD = "ne peut pas être avant 2018"


def test_nothing_at_all_is_told_everything_that_misses(worker):
    """`first_day` once, where the original says it twice."""
    expect.blank(worker.post("/absences", json={}), "first_day", "start_time", "end_time", "agent", "title")


@pytest.mark.parametrize("name", ["first_day", "start_time", "end_time", "title"])
@pytest.mark.parametrize("empty", [None, "", "absent"])
def test_missing_null_and_empty_are_blank(worker, asked, name, empty):
    values = {**asked, name: empty}
    if empty == "absent":
        del values[name]
    expect.blank(worker.post("/absences", json=values), name)


def test_a_title_of_spaces_is_blank(worker, asked):
    expect.blank(worker.post("/absences", json=asked | {"title": "   "}), "title")


def test_a_title_is_trimmed(worker, asked):
    assert made(worker, asked, title=f"  {titled('RTT')} ")["title"] == titled("RTT")


@pytest.mark.parametrize("agent", [None, "", "absent", 0, "inconnu", 9223372036854775807, "9" * 30])
def test_an_agent_who_does_not_exist_must(worker, asked, agent):
    values = {**asked, "agent_id": agent}
    if agent == "absent":
        del values["agent_id"]
    expect.blank(worker.post("/absences", json=values), "agent")


@pytest.mark.parametrize(
    "values",
    [
        {"start_time": "12:00", "end_time": "12:00"},
        {"start_time": "12:00", "end_time": "08:00"},
        {"start_time": "12:00:01", "end_time": "12:00:00"},
        {"first_day": day(3), "end_day": day(2), "start_time": "08:00", "end_time": "18:00"},
    ],
)
def test_the_end_is_after_the_start_and_not_at_it(worker, asked, values):
    answer = worker.post("/absences", json=asked | values)
    expect.invalid(answer, {"ends_time": [{"error": AFTER}]}, [f"ends_time {AFTER}"])


def test_an_earlier_hour_of_a_later_day_is_after(worker, asked):
    row = made(worker, asked, start_time="18:00", end_time="08:00", end_day=day(1))
    assert (row["end_day"], row["end_time"]) == (day(1), "08:00:00")


def test_one_second_is_enough(worker, asked):
    assert made(worker, asked, start_time="12:00:00", end_time="12:00:01")["end_time"] == "12:00:01"


def _in_years(years, **more):
    today = datetime.datetime.now(datetime.UTC).date()
    return (today.replace(year=today.year + years, day=min(today.day, 28)) + datetime.timedelta(**more)).isoformat()


def test_a_day_is_not_beyond_five_years(worker, asked):
    far = _in_years(5, days=5)
    answer = worker.post("/absences", json=asked | {"first_day": far})
    expect.invalid(
        answer,
        {"first_day": [{"error": TOO_FAR}], "end_day": [{"error": TOO_FAR}]},
        [f"first_day {TOO_FAR}", f"end_day {TOO_FAR}"],
    )
    answer = worker.post("/absences", json=asked | {"end_day": far})
    expect.invalid(answer, {"end_day": [{"error": TOO_FAR}]}, [f"end_day {TOO_FAR}"])


def test_a_day_just_within_five_years_is_good(worker, asked):
    within = _in_years(5, days=-2)
    assert made(worker, asked, first_day=within)["first_day"] == within


def test_a_day_is_not_before_2018(worker, asked):
    answer = worker.post("/absences", json=asked | {"first_day": "2017-12-31"})
    expect.invalid(
        answer,
        {"first_day": [{"error": TOO_OLD}], "end_day": [{"error": TOO_OLD}]},
        [f"first_day {TOO_OLD}", f"end_day {TOO_OLD}"],
    )


def test_the_first_day_of_2018_is_good(worker, asked):
    assert made(worker, asked, first_day="2018-01-01")["first_day"] == "2018-01-01"


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_the_rules(worker, asked):
    answer = worker.post(
        "/absences", json=asked | {"title": "", "first_day": "2017-03-02", "end_day": "2017-03-01", "agent_id": 0}
    )
    expect.invalid(
        answer,
        {
            "agent": [{"error": "blank"}],
            "title": [{"error": "blank"}],
            "ends_time": [{"error": AFTER}],
            "first_day": [{"error": TOO_OLD}],
            "end_day": [{"error": TOO_OLD}],
        },
        [
            f"agent {expect.MUST_EXIST}",
            f"title {expect.BLANK}",
            f"ends_time {AFTER}",
            f"first_day {TOO_OLD}",
            f"end_day {TOO_OLD}",
        ],
    )


@pytest.mark.parametrize("name", ["first_day", "start_time", "end_time", "title"])
def test_an_update_is_held_to_the_same_rules(worker, absence, name):
    path = f"/absences/{absence['id']}"
    expect.blank(worker.patch(path, json={name: ""}), name)
    answer = worker.patch(path, json={"start_time": "19:00"})
    expect.invalid(answer, {"ends_time": [{"error": AFTER}]}, [f"ends_time {AFTER}"])
    assert expect.body(worker.get(path), 200)["absence"] == absence


@pytest.fixture
def mine(cast, server):
    """An organisation and its admin."""
    admin = cast.admin
    place = sorted(admin.who.adm)[0]
    return admin, place, server.place_id(place)


def test_an_organisation_has_a_name(mine):
    admin, _place, pk = mine
    for empty in ("", None, "  "):
        answer = admin.patch(f"/organisations/{pk}", json={"name": empty})
        expect.invalid(answer, {"name": [{"error": "blank"}]}, [f"name {expect.BLANK}"])


def test_its_name_is_its_own_in_its_territory(mine, directory):
    admin, place, pk = mine
    other = next((one for one in directory.places if one[0] == place[0] and one != place), None)
    if other is None:
        pytest.skip(f"{place[1]} is the only organisation of its territory in the directory file")
    answer = admin.patch(f"/organisations/{pk}", json={"name": other[1]})
    errors = {"name": [{"error": "taken", "value": other[1]}]}
    expect.invalid(answer, errors, ["name est déjà utilisé"])


@pytest.mark.parametrize("number", ["12", "abc", "12345", "01 02 03", "00000000000000000000"])
def test_its_telephone_has_a_valid_number(mine, number):
    admin, _place, pk = mine
    document = expect.body(admin.patch(f"/organisations/{pk}", json={"phone_number": number}), 422)
    assert list(document["errors"]) == ["phone_number"]
    assert [one["error"] for one in document["errors"]["phone_number"]] == ["invalid"]
    assert document["error_messages"] == ["phone_number n'est pas valide"]


def test_its_verticale_is_one_of_four(mine):
    admin, _place, pk = mine
    answer = admin.patch(f"/organisations/{pk}", json={"verticale": "rdv_jardin"})
    errors = {"verticale": [{"error": "inclusion", "value": "rdv_jardin"}]}
    expect.invalid(answer, errors, ["verticale n'est pas inclus(e) dans la liste"])


def test_a_refused_change_of_it_changes_nothing(mine):
    admin, _place, pk = mine
    before = expect.body(admin.get(f"/organisations/{pk}"), 200)
    expect.body(admin.patch(f"/organisations/{pk}", json={"phone_number": "12", "name": titled("Refusé")}), 422)
    assert expect.body(admin.get(f"/organisations/{pk}"), 200) == before
