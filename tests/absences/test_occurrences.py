"""Occurrences: those of a window, beside an absence and beside each of a list; one, those that follow or all of them
changed or taken out (rows A9, A10).
"""

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from icalendar import Calendar

from absences.models import Absence, AbsencePolicy, Overlap

from ..factories import AbsenceFactory


@pytest.fixture
def weekly(cast):
    """Every Thursday afternoon of June 2027, five times, but for the 17th."""
    return AbsenceFactory(
        agent=cast.bruno,
        title="Réunion",
        first_day=datetime.date(2027, 6, 3),
        start_time=datetime.time(13, 30),
        end_time=datetime.time(17, 0),
        rrule="FREQ=WEEKLY;BYDAY=TH;COUNT=5",
        exdates=["2027-06-17"],
    )


@pytest.fixture
def shown(martine, weekly):
    def shown(pk=None, query=""):
        answer = martine.get(f"/api/v1/absences/{pk or weekly.pk}/occurrences?{query}")
        assert answer.status_code == 200, answer.content
        return answer.json()["occurrences"]

    return shown


@pytest.fixture
def days(shown):
    def days(pk=None):
        return [one["day"][5:] for one in shown(pk)]

    return days


@pytest.fixture
def change(martine, weekly):
    def change(day, scope="this", pk=None, headers=None, **values):
        address = f"/api/v1/absences/{pk or weekly.pk}/occurrences/{day}?scope={scope}"
        answer = martine.patch(address, values, headers=headers or {})
        return answer.status_code, answer.json() if answer.content else None

    return change


@pytest.fixture
def take_out(martine, weekly):
    def take_out(day, scope="this", pk=None, headers=None):
        address = f"/api/v1/absences/{pk or weekly.pk}/occurrences/{day}?scope={scope}"
        return martine.delete(address, headers=headers or {}).status_code

    return take_out


def done(answer):
    status, body = answer
    assert status == 200, body
    return body


def refused(answer):
    status, body = answer
    assert status == 422, body
    return body["errors"]


# A window


def test_an_occurrence_has_its_instants_with_their_offset(shown):
    assert shown()[0] == {
        "changed": False,
        "day": "2027-06-03",
        "ends_at": "2027-06-03 17:00:00 +0200",
        "starts_at": "2027-06-03 13:30:00 +0200",
        "title": "Réunion",
    }


def test_the_occurrences_are_those_that_are_left(days):
    assert days() == ["06-03", "06-10", "06-24", "07-01"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("from=2027-06-10&to=2027-06-24", ["06-10", "06-24"]),
        ("from=2027-06-10T17:00", ["06-24", "07-01"]),
        ("to=2027-06-10T13:30", ["06-03"]),
        ("from=2030-01-01", []),
        ("from=2027-06-30&to=2027-06-01", []),
        ("from=&to=", ["06-03", "06-10", "06-24", "07-01"]),
        ("from=0001-01-01&to=9999-12-31", ["06-03", "06-10", "06-24", "07-01"]),
    ],
)
def test_a_window_has_those_that_overlap_it(shown, query, expected):
    assert [one["day"][5:] for one in shown(query=query)] == expected


def test_winter_and_summer_have_the_same_hours(shown, cast):
    absence = AbsenceFactory(agent=cast.bruno, first_day=datetime.date(2026, 12, 1), rrule="FREQ=MONTHLY;COUNT=6")
    moments = [one["starts_at"][10:] for one in shown(absence.pk)]
    assert moments == [" 09:00:00 +0100"] * 4 + [" 09:00:00 +0200"] * 2


def test_overseas_the_offset_is_theirs(shown, cast):
    absence = AbsenceFactory(agent=cast.bruno, rrule="FREQ=DAILY;COUNT=2")
    Absence.objects.filter(pk=absence.pk).update(time_zone="Pacific/Noumea")
    assert shown(absence.pk)[0]["starts_at"] == "2026-12-01 09:00:00 +1100"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"from": "2026-12-02", "to": "2026-12-02"}, ["2026-12-02"]),
        ({"from": "2026-12-02T09:00:00+11:00", "to": "2026-12-02T17:00:00+11:00"}, ["2026-12-02"]),
        ({"from": "2026-12-01T17:00:00+11:00", "to": "2026-12-02T09:00:00+11:00"}, []),
        ({"from": "2026-12-01T22:59:59Z", "to": "2026-12-01T23:00:00Z"}, ["2026-12-02"]),
        ({"from": "2026-12-01 07:00:00 +0100"}, ["2026-12-02", "2026-12-03"]),
    ],
)
def test_overseas_a_moment_with_an_offset_is_that_instant(martine, cast, query, expected):
    absence = AbsenceFactory(agent=cast.bruno, first_day=datetime.date(2026, 12, 1), rrule="FREQ=DAILY;COUNT=3")
    Absence.objects.filter(pk=absence.pk).update(time_zone="Pacific/Noumea")
    shown = martine.get(f"/api/v1/absences/{absence.pk}/occurrences", query).json()["occurrences"]
    assert [one["day"] for one in shown] == expected


def test_overseas_a_capped_answer_goes_on_where_it_ended(martine, cast):
    absence = AbsenceFactory(agent=cast.bruno, first_day=datetime.date(2026, 12, 1), rrule="FREQ=DAILY")
    Absence.objects.filter(pk=absence.pk).update(time_zone="Pacific/Noumea")
    address = f"/api/v1/absences/{absence.pk}/occurrences"
    body = martine.get(address).json()
    more = martine.get(address, {"from": body["meta"]["next_from"]}).json()["occurrences"]
    assert (body["occurrences"][-1]["day"], more[0]["day"]) == ("2029-08-26", "2029-08-27")


def test_an_absence_that_does_not_recur_has_one(shown, afternoon):
    (one,) = shown(afternoon.pk)
    assert (one["day"], one["changed"], one["starts_at"]) == ("2027-06-10", False, "2027-06-10 13:30:00 +0200")


def test_a_whole_answer_says_so(martine, weekly):
    meta = martine.get(f"/api/v1/absences/{weekly.pk}/occurrences?from=2027-06-01").json()["meta"]
    assert meta == {
        "capped": False,
        "count": 4,
        "from": "2027-06-01",
        "limit": 1000,
        "message": None,
        "next_from": None,
        "to": None,
    }


def test_an_endless_one_is_capped_and_says_how_to_go_on(martine, cast):
    absence = AbsenceFactory(agent=cast.bruno, first_day=datetime.date(2026, 12, 1), rrule="FREQ=DAILY")
    body = martine.get(f"/api/v1/absences/{absence.pk}/occurrences").json()
    meta = body["meta"]
    assert (meta["capped"], meta["count"], meta["next_from"]) == (True, 1000, "2029-08-27 09:00:00 +0200")
    assert meta["message"] == (
        "1000 occurrences au plus par réponse : demandez la suite avec from=2029-08-27 09:00:00 +0200."
    )
    more = martine.get(f"/api/v1/absences/{absence.pk}/occurrences", {"from": meta["next_from"]}).json()
    assert more["occurrences"][0]["day"] == "2029-08-27"
    assert body["occurrences"][-1]["day"] == "2029-08-26"


@pytest.mark.parametrize("name", ["from", "to"])
def test_a_bound_that_cannot_be_read_is_refused(martine, weekly, name):
    answer = martine.get(f"/api/v1/absences/{weekly.pk}/occurrences?{name}=demain")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [name])


def test_of_an_absence_that_is_not_there_or_not_in_sight(martine, sign_in, cast, weekly):
    answer = martine.get("/api/v1/absences/999999/occurrences")
    assert (answer.status_code, answer.json()) == (404, {"not_found": "absence"})
    assert sign_in(cast.etienne).get(f"/api/v1/absences/{weekly.pk}/occurrences").status_code == 403


@pytest.mark.parametrize("query", ["occurrences=yes", "occurrences[]=true"])
def test_a_list_with_neither_true_nor_false_is_refused(martine, query):
    answer = martine.get(f"/api/v1/absences?{query}")
    assert answer.status_code == 422
    assert answer.json()["error_messages"] == ["occurrences n'est pas inclus(e) dans la liste : true, false"]


@pytest.mark.parametrize("query", ["occurrences=", "occurrences=false"])
def test_a_list_without_them_is_as_ever(martine, weekly, query):
    assert martine.get(f"/api/v1/absences?{query}").json() == martine.get("/api/v1/absences").json()


def test_what_is_private_is_not_told_by_its_occurrences(sign_in, cast, weekly):
    weekly.private, weekly.overrides = True, {"2027-06-10": {"title": "Rendez-vous"}}
    weekly.save()
    colleague = sign_in(cast.paul)
    for address in (f"/api/v1/absences/{weekly.pk}/occurrences", "/api/v1/absences?occurrences=true"):
        content = colleague.get(address).content.decode()
        assert "Indisponible" in content
        assert "Réunion" not in content
        assert "Rendez-vous" not in content


# A list


def test_a_list_has_the_occurrences_of_its_period(martine, weekly, afternoon):
    body = martine.get("/api/v1/absences?occurrences=true&from=2027-06-10&to=2027-06-24").json()
    listed = {one["title"]: [occurrence["day"][8:] for occurrence in one["occurrences"]] for one in body["absences"]}
    assert listed == {"Réunion": ["10", "24"], "Congé formation": ["10"]}
    assert body["meta"]["occurrences"] == {"capped": [], "limit": 100, "message": None}


@pytest.mark.parametrize("query", ["", "occurrences=false", "occurrences="])
def test_a_list_has_no_occurrences_unless_it_is_asked(martine, weekly, query):
    body = martine.get(f"/api/v1/absences?{query}").json()
    assert "occurrences" not in body["absences"][0]
    assert "occurrences" not in body["meta"]


def test_fewer_fields_have_their_occurrences_too(martine, weekly):
    (one,) = martine.get("/api/v1/absences?occurrences=true&fields=title&sort=title").json()["absences"]
    assert (one["title"], len(one["occurrences"]), len(one)) == ("Réunion", 4, 2)


def test_a_walk_has_the_occurrences_too(martine, weekly):
    body = martine.get("/api/v1/absences?occurrences=true&cursor=&expand=agent.services").json()
    assert len(body["absences"][0]["occurrences"]) == 4
    assert body["absences"][0]["agent"]["services"]


def test_a_list_caps_each_absence_and_says_so(martine, cast, weekly):
    endless = AbsenceFactory(agent=cast.bruno, rrule="FREQ=DAILY")
    body = martine.get("/api/v1/absences?occurrences=true").json()
    assert {len(one["occurrences"]) for one in body["absences"]} == {4, 100}
    assert body["meta"]["occurrences"]["capped"] == [endless.pk]
    assert "/absences/:id/occurrences" in body["meta"]["occurrences"]["message"]


@pytest.mark.parametrize("query", ["occurrences=true", "occurrences=true&from=2027-06-01&to=2027-06-30"])
def test_a_list_costs_the_same_however_many_recur(martine, cast, weekly, query):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert martine.get(f"/api/v1/absences?{query}").status_code == 200
        return len(captured)

    queries()  # what is compiled once
    before = queries()
    for _ in range(5):
        AbsenceFactory(agent=cast.bruno, first_day=datetime.date(2027, 6, 3), rrule="FREQ=DAILY;COUNT=30")
    assert queries() == before


# One of them


def test_one_is_changed_alone(change, shown, weekly):
    body = done(change("2027-06-10", title="Bilan", start_time="14:00"))
    assert body["occurrence"] == {
        "changed": True,
        "day": "2027-06-10",
        "ends_at": "2027-06-10 17:00:00 +0200",
        "starts_at": "2027-06-10 14:00:00 +0200",
        "title": "Bilan",
    }
    assert (body["absence"]["title"], body["absence"]["start_time"], body["absence"]["version"]) == (
        "Réunion",
        "13:30:00",
        2,
    )
    assert [one["title"] for one in shown()] == ["Réunion", "Bilan", "Réunion", "Réunion"]
    assert Absence.objects.get().overrides == {"2027-06-10": {"start_time": "14:00:00", "title": "Bilan"}}
    events = Calendar.from_ical(body["absence"]["ical"]).walk("VEVENT")
    assert [("RECURRENCE-ID" in event, int(event["SEQUENCE"])) for event in events] == [(False, 1), (True, 1)]


def test_one_is_moved_and_keeps_its_name(change, shown):
    body = done(change("2027-06-10", first_day="2027-06-12"))
    assert body["occurrence"]["day"] == "2027-06-10"
    assert body["occurrence"]["ends_at"] == "2027-06-12 17:00:00 +0200"
    body = done(change("2027-06-10", first_day="2027-06-11", end_day="2027-06-13"))
    assert body["occurrence"]["starts_at"] == "2027-06-11 13:30:00 +0200"
    assert body["occurrence"]["ends_at"] == "2027-06-13 17:00:00 +0200"
    assert [one["changed"] for one in shown()] == [False, True, False, False]


def test_one_that_is_as_the_others_again_has_nothing_of_its_own(change, weekly):
    done(change("2027-06-10", title="Bilan", first_day="2027-06-12"))
    body = done(change("2027-06-10", title="Réunion", first_day="2027-06-10"))
    assert body["occurrence"]["changed"] is False
    assert Absence.objects.get().overrides is None


def test_a_change_that_changes_nothing_is_none(change):
    assert done(change("2027-06-10", title="Réunion"))["absence"]["version"] == 1


def test_put_does_the_same(martine, weekly):
    answer = martine.put(f"/api/v1/absences/{weekly.pk}/occurrences/2027-06-10", {"title": "Bilan"})
    assert (answer.status_code, answer.json()["occurrence"]["title"]) == (200, "Bilan")


@pytest.mark.parametrize(
    ("values", "errors"),
    [
        ({"title": " "}, ["title"]),
        ({"start_time": "17:00"}, ["ends_time"]),
        ({"end_day": "2027-06-09"}, ["ends_time"]),
        ({"first_day": "2015-06-10"}, ["first_day", "end_day"]),
        ({"first_day": "9999-12-31"}, ["first_day", "end_day"]),
        ({"first_day": "demain", "start_time": None}, ["first_day", "start_time"]),
        ({"rrule": "FREQ=DAILY", "exdates": []}, ["rrule", "exdates"]),
        ({"organisation_id": 1}, ["organisation_id"]),
    ],
)
def test_one_is_held_to_the_rules_of_an_absence(change, weekly, values, errors):
    assert sorted(refused(change("2027-06-10", **values))) == sorted(errors)
    assert Absence.objects.get().version == 1


@pytest.mark.parametrize("day", ["2027-06-11", "2027-06-17", "2027-07-08", "2027-06-32", "demain", "9999-12-31"])
@pytest.mark.parametrize("scope", ["this", "following", "all"])
def test_a_day_that_is_none_of_its_days_is_not_found(change, take_out, martine, weekly, day, scope):
    assert change(day, scope, title="x") == (404, {"not_found": "occurrence"})
    assert take_out(day, scope) == 404
    assert Absence.objects.get().version == 1


def test_the_scope_is_one_of_three(change, take_out):
    (error,) = refused(change("2027-06-10", "others", title="x"))["scope"]
    assert (error["error"], error["allowed"]) == ("inclusion", ["this", "following", "all"])
    assert take_out("2027-06-10", "others") == 422


def test_one_is_taken_out_alone(take_out, days, weekly):
    assert take_out("2027-06-10") == 204
    assert days() == ["06-03", "06-24", "07-01"]
    row = Absence.objects.get()
    assert (row.exdates, row.version, row.recurs_until) == (["2027-06-10", "2027-06-17"], 2, datetime.date(2027, 7, 1))


def test_what_one_had_of_its_own_goes_with_it(change, take_out):
    done(change("2027-07-01", first_day="2027-08-01"))
    assert Absence.objects.get().recurs_until == datetime.date(2027, 8, 1)
    assert take_out("2027-07-01") == 204
    row = Absence.objects.get()
    assert (row.overrides, row.recurs_until) == (None, datetime.date(2027, 6, 24))


def test_the_last_that_is_taken_out_takes_the_absence_along(take_out):
    for day in ("2027-06-03", "2027-07-01", "2027-06-10"):
        assert take_out(day) == 204
    assert Absence.objects.get().exdates == ["2027-06-03", "2027-06-10", "2027-06-17", "2027-07-01"]
    assert take_out("2027-06-24") == 204
    assert not Absence.objects.exists()


# It and those that follow


def test_those_that_follow_become_an_absence_of_their_own(change, days, weekly):
    body = done(change("2027-06-10", "following", title="Autre", start_time="15:00"))
    old, new = body["absence"], body["following"]
    assert (old["id"], old["version"], new["version"]) == (weekly.pk, 2, 1)
    assert (old["rrule"], old["title"]) == (None, "Réunion")  # one is left
    assert (new["rrule"], new["title"], new["first_day"], new["end_day"], new["exdates"]) == (
        "FREQ=WEEKLY;BYDAY=TH;COUNT=4;",
        "Autre",
        "2027-06-10",
        "2027-06-10",
        ["2027-06-17"],
    )
    assert (new["start_time"], new["end_time"], old["start_time"]) == ("15:00:00", "17:00:00", "13:30:00")
    assert days() == ["06-03"]
    assert days(new["id"]) == ["06-10", "06-24", "07-01"]


def test_what_was_said_of_single_ones_goes_to_where_they_are(change, weekly):
    for day in ("2027-06-03", "2027-06-10", "2027-07-01"):
        done(change(day, title=f"Le {day}", end_time="18:00"))
    body = done(change("2027-06-24", "following", end_time="16:00"))
    old, new = (Absence.objects.get(pk=body[name]["id"]) for name in ("absence", "following"))
    assert list(old.overrides) == ["2027-06-03", "2027-06-10"]
    assert list(new.overrides) == ["2027-07-01"]
    assert (old.exdates, new.exdates) == (["2027-06-17"], None)
    assert old.rrule == "FREQ=WEEKLY;BYDAY=TH;UNTIL=20270623T000000"
    assert (old.recurs_until, new.recurs_until) == (datetime.date(2027, 6, 10), datetime.date(2027, 7, 1))


def test_all_that_follow_an_early_one_keep_their_places(change, days, weekly):
    weekly.rrule, weekly.exdates = "FREQ=WEEKLY;INTERVAL=2;BYDAY=TH,MO;COUNT=8", None
    weekly.save()
    before = days()
    body = done(change("2027-06-28", "following", title="Autre"))
    assert days() + days(body["following"]["id"]) == before
    assert body["following"]["rrule"] == "FREQ=WEEKLY;INTERVAL=2;BYDAY=TH,MO;COUNT=5;"


def test_an_endless_one_is_split(change, weekly):
    weekly.rrule = "FREQ=MONTHLY;BYDAY=1TH"
    weekly.exdates = None
    weekly.save()
    body = done(change("2027-09-02", "following", title="Autre"))
    assert body["absence"]["rrule"] == "FREQ=MONTHLY;BYDAY=1TH;UNTIL=20270901T000000;"
    assert body["following"]["rrule"] == "FREQ=MONTHLY;BYDAY=1TH;"


def test_the_last_one_with_those_that_follow_is_an_absence_that_does_not_recur(change, weekly):
    done(change("2027-07-01", start_time="09:00"))
    body = done(change("2027-07-01", "following", title="Dernière"))
    assert (body["following"]["rrule"], body["following"]["start_time"]) == (None, "09:00:00")


def test_the_one_that_is_left_keeps_what_was_its_own(change, weekly):
    done(change("2027-06-03", title="Première", first_day="2027-06-02"))
    body = done(change("2027-06-10", "following", title="Autre"))
    assert (body["absence"]["title"], body["absence"]["first_day"]) == ("Première", "2027-06-02")
    assert Absence.objects.get(pk=weekly.pk).overrides is None


def test_those_that_follow_may_have_another_rule(change, days):
    body = done(
        change("2027-06-10", "following", first_day="2027-06-11", rrule="FREQ=WEEKLY;BYDAY=FR;COUNT=2", exdates=[])
    )
    assert days(body["following"]["id"]) == ["06-11", "06-18"]


def test_the_first_one_with_those_that_follow_is_all(change, take_out):
    body = done(change("2027-06-03", "following", title="Autre"))
    assert (body["absence"]["title"], "following" in body) == ("Autre", False)
    assert take_out("2027-06-03", "following") == 204
    assert not Absence.objects.exists()


def test_those_that_follow_are_taken_out(take_out, days):
    assert take_out("2027-06-24", "following") == 204
    assert days() == ["06-03", "06-10"]
    assert Absence.objects.get().rrule == "FREQ=WEEKLY;BYDAY=TH;UNTIL=20270623T000000"


def test_a_split_that_is_refused_leaves_nothing(change, weekly):
    assert refused(change("2027-06-10", "following", title="")) == {"title": [{"error": "blank"}]}
    row = Absence.objects.get()
    assert (row.version, row.rrule) == (1, "FREQ=WEEKLY;BYDAY=TH;COUNT=5")


def test_other_systems_names_stay_with_what_is_left(change, weekly):
    Absence.objects.update(external_ids={"zimbra": "42"})
    body = done(change("2027-06-10", "following", title="Autre"))
    assert (body["absence"]["external_ids"], body["following"]["external_ids"]) == ({"zimbra": "42"}, {})


# All


def test_all_are_changed_at_one_of_them(change, shown):
    body = done(change("2027-06-24", "all", title="Autre", end_time="16:00"))
    assert (body["absence"]["title"], body["absence"]["first_day"]) == ("Autre", "2027-06-03")
    assert {(one["title"], one["ends_at"][11:16]) for one in shown()} == {("Autre", "16:00")}


def test_all_are_moved_by_as_many_days(change, days, weekly):
    weekly.rrule = "FREQ=WEEKLY;COUNT=5"
    weekly.overrides = {"2027-06-24": {"first_day": "2027-06-25", "title": "Bilan"}}
    weekly.save()
    body = done(change("2027-06-10", "all", first_day="2027-06-11"))
    assert (body["absence"]["first_day"], body["absence"]["end_day"]) == ("2027-06-04", "2027-06-04")
    assert days() == ["06-04", "06-11", "06-25", "07-02"]
    row = Absence.objects.get()
    assert (row.exdates, row.overrides) == (
        ["2027-06-18"],
        {"2027-06-25": {"first_day": "2027-06-26", "title": "Bilan"}},
    )


def test_a_rule_of_named_days_moves_with_a_new_rule_alone(change):
    errors = refused(change("2027-06-10", "all", first_day="2027-06-11"))
    assert errors == {"base": [{"error": "Le début de la récurrence ne correspond pas au premier jour."}]}
    body = done(change("2027-06-10", "all", first_day="2027-06-11", rrule="FREQ=WEEKLY;BYDAY=FR;COUNT=5"))
    assert (body["absence"]["first_day"], body["absence"]["rrule"]) == ("2027-06-04", "FREQ=WEEKLY;BYDAY=FR;COUNT=5;")


@pytest.mark.parametrize("values", [{"first_day": "demain"}, {"first_day": "0001-01-01"}, {"first_day": "9999-12-31"}])
@pytest.mark.parametrize("scope", ["following", "all"])
def test_days_where_no_calendar_leads_are_refused(change, values, scope):
    assert refused(change("2027-06-24", scope, **values))


def test_none_of_several_days(change):
    errors = refused(change("2027-06-10", "all", end_day="2027-06-11"))
    assert errors == {"recurrence": [{"error": "pas possible avec une indisponibilité de plusieurs jours"}]}


def test_all_are_taken_out(take_out):
    assert take_out("2027-06-24", "all") == 204
    assert not Absence.objects.exists()


@pytest.mark.parametrize("scope", ["this", "following", "all"])
def test_the_only_one_is_the_absence(change, take_out, afternoon, weekly, scope):
    weekly.delete()
    body = done(change("2027-06-10", scope, afternoon.pk, first_day="2027-06-14", title="Autre"))
    assert (body["absence"]["first_day"], body["absence"]["end_day"], body["absence"]["title"]) == (
        "2027-06-14",
        "2027-06-14",
        "Autre",
    )
    assert take_out("2027-06-10", scope, afternoon.pk) == 404
    assert take_out("2027-06-14", scope, afternoon.pk) == 204
    assert not Absence.objects.exists()


# As every change


def test_whoever_does_not_see_the_agent_changes_nothing(sign_in, cast, weekly):
    stranger = sign_in(cast.etienne)
    address = f"/api/v1/absences/{weekly.pk}/occurrences/2027-06-10"
    assert stranger.patch(address, {"title": "x"}).status_code == 403
    assert stranger.delete(address).status_code == 403
    assert stranger.patch("/api/v1/absences/999999/occurrences/2027-06-10", {}).status_code == 404
    assert Absence.objects.get().version == 1


@pytest.mark.parametrize("scope", ["this", "following", "all"])
def test_what_was_changed_meanwhile_is_not_overwritten(martine, change, take_out, weekly, scope):
    etag = martine.get(f"/api/v1/absences/{weekly.pk}/occurrences")["ETag"]
    weekly.title = "Autre"
    weekly.save()
    assert change("2027-06-10", scope, headers={"If-Match": etag}, title="x")[0] == 412
    assert take_out("2027-06-10", scope, headers={"If-Match": etag}) == 412
    fresh = martine.get(f"/api/v1/absences/{weekly.pk}")["ETag"]
    assert change("2027-06-10", scope, headers={"If-Match": fresh}, title="x")[0] == 200


@pytest.mark.parametrize("scope", ["this", "following", "all"])
def test_a_change_that_is_sent_again_is_done_once(change, scope):
    headers = {"Idempotency-Key": "une-fois"}
    first = change("2027-06-10", scope, headers=headers, title="Autre")
    assert change("2027-06-10", scope, headers=headers, title="Autre") == first
    assert Absence.objects.count() == (2 if scope == "following" else 1)


def test_a_deletion_that_is_sent_again_is_done_once(take_out, days):
    headers = {"Idempotency-Key": "une-fois"}
    assert take_out("2027-06-10", headers=headers) == 204
    assert take_out("2027-06-10", headers=headers) == 204
    assert Absence.objects.get().version == 2


def test_a_light_answer_is_enough_for_some(change):
    assert change("2027-06-10", headers={"Prefer": "return=minimal"}, title="Autre") == (204, None)


def test_fewer_fields_may_be_shown_of_a_change(martine, weekly):
    address = f"/api/v1/absences/{weekly.pk}/occurrences/2027-06-10?scope=following&fields=rrule"
    body = martine.patch(address, {"title": "Autre"}).json()
    assert body == {"absence": {"rrule": None}, "following": {"rrule": "FREQ=WEEKLY;BYDAY=TH;COUNT=4;"}}


def test_a_body_that_is_not_read_is_no_empty_change(martine, weekly):
    address = f"/api/v1/absences/{weekly.pk}/occurrences/2027-06-10"
    assert martine.patch(address, "title=x", content_type="text/plain").status_code == 415


def test_there_is_no_such_verb(martine, weekly):
    assert martine.post(f"/api/v1/absences/{weekly.pk}/occurrences", {}).status_code == 405
    assert martine.get(f"/api/v1/absences/{weekly.pk}/occurrences/2027-06-10").status_code == 405


# What organisations decided


@pytest.fixture
def refusing(cast):
    """The MDS wants no two absences at once."""
    return AbsencePolicy.objects.create(organisation=cast.mds, overlap=Overlap.REFUSE)


@pytest.mark.parametrize("scope", ["this", "following", "all"])
def test_an_occurrence_that_would_overlap_another_absence_is_refused(change, weekly, cast, refusing, scope):
    AbsenceFactory(
        agent=cast.bruno, first_day=datetime.date(2027, 6, 10), start_time=datetime.time(9), end_time=datetime.time(12)
    )
    status, body = change("2027-06-10", scope, start_time="11:00")
    assert (status, body["errors"]) == (409, [{"base": "absence_overlaps"}])
    assert Absence.objects.count() == 2
    assert Absence.objects.get(pk=weekly.pk).version == 1
    assert change("2027-06-10", scope, start_time="12:00")[0] == 200


def test_an_occurrence_is_free_where_it_is_not(change, weekly, cast, refusing):
    AbsenceFactory(agent=cast.bruno, first_day=datetime.date(2027, 6, 17))
    done(change("2027-06-10", title="Autre"))


def test_what_overlaps_is_told_where_that_is_wanted(change, cast, refusing):
    AbsencePolicy.objects.update(overlap=Overlap.WARN)
    AbsenceFactory(agent=cast.bruno, first_day=datetime.date(2027, 6, 24), start_time=datetime.time(8))
    for scope in ("this", "following"):
        body = done(change("2027-06-24", scope, start_time="11:00"))
        assert [one["warning"] for one in body["warnings"]] == ["overlaps"]


def test_who_may_not_know_the_title_writes_none(sign_in, cast, weekly):
    weekly.private, weekly.overrides = True, {"2027-06-10": {"title": "Rendez-vous"}}
    weekly.save()
    colleague, address = sign_in(cast.paul), f"/api/v1/absences/{weekly.pk}/occurrences/2027-06-10"
    answer = colleague.patch(address, {"title": "Indisponible", "start_time": "14:00"})
    assert (answer.status_code, answer.json()["occurrence"]["title"]) == (200, "Indisponible")
    assert Absence.objects.get().overrides == {"2027-06-10": {"start_time": "14:00:00", "title": "Rendez-vous"}}
