"""Every rule on an absence, in the contract's words and order (contract 1.4, 1.8, 1.10; design decision 1)."""

import datetime

import pytest
from django.db import IntegrityError, transaction

from absences.models import Absence

from ..factories import AbsenceFactory

BLANK = "doit être rempli(e)"
A_TIME = "n'est pas une heure valide (format attendu : H:m[:s], par exemple 10:30)"
NO_24 = "n'est pas une heure valide (24:00 n'existe pas : indiquez 00:00 du jour suivant)"
A_DATE = "n'est pas une date valide (format attendu : YYYY-MM-DD, par exemple 2021-10-21)"
TOO_FAR = "ne peut pas être dans plus de 5 ans"
TOO_EARLY = "ne peut pas être avant 2018"
NOT_AFTER = "doit être après le début."


@pytest.fixture
def refused(martine, asked):
    """The 422 of a creation with `values` in place of the good ones; a value of `...` is not sent."""

    def of(**values):
        sent = {name: value for name, value in (asked | values).items() if value is not ...}
        answer = martine.post("/api/v1/absences", sent)
        assert answer.status_code == 422, answer.content
        assert not Absence.objects.exists()
        return answer.json()

    return of


def body(errors, *messages):
    return {"success": False, "errors": errors, "error_messages": list(messages)}


def test_nothing_at_all_is_answered_with_everything_that_misses(martine):
    # As in the contract, first_day once (design decision 1).
    answer = martine.post("/api/v1/absences", {})
    assert answer.status_code == 422
    assert answer.content.decode() == (
        '{"success":false,"errors":{"first_day":[{"error":"blank"}],"start_time":[{"error":"blank"}],'
        '"end_time":[{"error":"blank"}],"agent":[{"error":"blank"}],"title":[{"error":"blank"}]},'
        '"error_messages":["first_day doit être rempli(e)","start_time doit être rempli(e)",'
        '"end_time doit être rempli(e)","agent doit exister","title doit être rempli(e)"]}'
    )


@pytest.mark.parametrize("name", ["first_day", "start_time", "end_time", "title"])
@pytest.mark.parametrize("empty", [..., None, ""])
def test_missing_null_and_empty_are_blank(refused, name, empty):
    assert refused(**{name: empty}) == body({name: [{"error": "blank"}]}, f"{name} {BLANK}")


def test_a_title_of_spaces_is_blank(refused):
    assert refused(title=" \t\n ") == body({"title": [{"error": "blank"}]}, f"title {BLANK}")


@pytest.mark.parametrize("agent_id", [..., None, "", 0, -1, 999_999_999, "inconnu", "9" * 30, [1], {"id": 1}, True])
def test_an_agent_who_does_not_exist_is_blank(refused, agent_id):
    assert refused(agent_id=agent_id) == body({"agent": [{"error": "blank"}]}, "agent doit exister")


def test_a_deleted_agent_does_not_exist(cast, refused):
    cast.bruno.leave()
    assert refused() == body({"agent": [{"error": "blank"}]}, "agent doit exister")


@pytest.mark.parametrize("name", ["start_time", "end_time"])
@pytest.mark.parametrize(
    "value",
    [
        *(
            "8",
            "8h",
            "08h",
            "10h30",
            "0830",
            "083000",
            "8am",
            "noon",
            "midnight",
            "10:60",
            "25:00",
            "10:30:60",
            "24:01",
        ),
        *("10:30Z", "10:30+02:00", "10:30:00.5", "010:30", "10:030", "-1:30", "10:", ":30", "10:30:", "٠٨:٣٠"),
        *(8, 8.5, True, [], {}, "2027-06-10T10:30", "x" * 3000),
    ],
)
def test_an_unreadable_time_is_said_so(refused, name, value):
    assert refused(**{name: value}) == body(
        {name: [{"error": "invalid", "value": value, "format": "H:m[:s]"}]}, f"{name} {A_TIME}"
    )


@pytest.mark.parametrize("value", ["24:00", "24:00:00"])
def test_the_end_of_the_day_is_the_next_day_at_midnight(refused, value):
    assert refused(end_time=value) == body(
        {"end_time": [{"error": "invalid", "value": value, "format": "H:m[:s]"}]}, f"end_time {NO_24}"
    )


@pytest.mark.parametrize("name", ["first_day", "end_day"])
@pytest.mark.parametrize(
    "value",
    [
        *("2027-02-29", "2021-02-30", "2027-13-01", "2027-00-10", "0000-01-01", "21/10/2027", "10/21/2027"),
        *("2027-6-10", "20270610", "2027/06/10", "2027-06-10T00:00:00", "21 oct 2027", "demain", "27-06-10"),
        *(20270610, 1.5, True, [], {}, "٢٠٢٧-٠٦-١٠"),
    ],
)
def test_an_unreadable_date_is_said_so(refused, name, value):
    assert refused(**{name: value}) == body(
        {name: [{"error": "invalid", "value": value, "format": "YYYY-MM-DD"}]}, f"{name} {A_DATE}"
    )


def test_a_leap_day_is_a_day(martine, asked):
    answer = martine.post("/api/v1/absences", asked | {"first_day": "2028-02-29"})
    assert answer.json()["absence"]["first_day"] == "2028-02-29"


def test_an_unreadable_end_day_hides_the_comparison_it_was_for(refused):
    failures = refused(end_day="demain", start_time="18:00", end_time="08:00")["errors"]
    assert list(failures) == ["end_day"]


@pytest.mark.parametrize("value", [True, [], ["x"], {"fr": "Congé"}])
def test_a_title_is_text(refused, value):
    assert refused(title=value) == body({"title": [{"error": "invalid", "value": value}]}, "title n'est pas valide")


def test_a_title_has_255_characters_at_most(refused):
    assert refused(title="x" * 256) == body(
        {"title": [{"error": "too_long", "count": 255}]}, "title est trop long (pas plus de 255 caractères)"
    )


@pytest.mark.parametrize(
    "values",
    [
        {"start_time": "17:00"},
        {"start_time": "17:00:01"},
        {"start_time": "23:59:59", "end_time": "0:0"},
        {"end_day": "2027-06-09"},
        {"end_day": "2027-06-10", "end_time": "13:30"},
    ],
)
def test_the_end_is_after_the_start_and_not_at_it(refused, values):
    # The key really is `ends_time`.
    assert refused(**values) == body({"ends_time": [{"error": NOT_AFTER}]}, f"ends_time {NOT_AFTER}")


def test_one_second_is_enough(martine, asked):
    answer = martine.post("/api/v1/absences", asked | {"start_time": "13:30:00", "end_time": "13:30:01"})
    assert answer.status_code == 200


def test_an_earlier_hour_of_a_later_day_is_after_the_start(martine, asked):
    answer = martine.post("/api/v1/absences", asked | {"end_day": "2027-06-11", "end_time": "00:00"})
    assert answer.status_code == 200


@pytest.mark.parametrize("name", ["first_day", "end_day"])
@pytest.mark.parametrize(
    ("day", "message"),
    [
        ("2031-11-16", None),
        ("2031-11-17", TOO_FAR),
        ("9999-12-31", TOO_FAR),
        ("2018-01-01", None),
        ("2017-12-31", TOO_EARLY),
        ("0020-06-10", TOO_EARLY),
    ],
)
def test_days_lie_between_2018_and_five_years_from_now(martine, asked, name, day, message):
    other = {"first_day": {"end_day": day}, "end_day": {"first_day": "2018-01-01"}}[name]
    answer = martine.post("/api/v1/absences", asked | other | {name: day})
    failure = [{"error": message}]
    if message is None:
        assert answer.status_code == 200
    elif name == "first_day":
        assert answer.json() == body(
            {"first_day": failure, "end_day": failure}, f"first_day {message}", f"end_day {message}"
        )
    elif message == TOO_FAR:
        assert answer.json() == body({"end_day": failure}, f"end_day {message}")
    else:
        assert answer.json() == body(
            {"ends_time": [{"error": NOT_AFTER}], "end_day": failure}, f"ends_time {NOT_AFTER}", f"end_day {message}"
        )


def test_the_five_years_are_counted_in_paris(cast, sign_in, asked, now):
    now.move_to("2026-11-16 23:30:00")  # UTC: the 17th in Paris
    answer = sign_in(cast.martine).post("/api/v1/absences", asked | {"first_day": "2031-11-17"})
    assert answer.status_code == 200


def test_five_years_after_a_leap_day_end_on_the_28th(cast, sign_in, asked, now):
    now.move_to("2028-02-29 09:00:00")
    martine = sign_in(cast.martine)
    assert martine.post("/api/v1/absences", asked | {"first_day": "2033-02-28"}).status_code == 200
    assert martine.post("/api/v1/absences", asked | {"first_day": "2033-03-01"}).status_code == 422


def test_all_wrong_at_once_is_told_at_once_in_the_order_of_the_rules(martine, cast):
    answer = martine.post(
        "/api/v1/absences",
        {
            "organisation_id": cast.lille.pk,
            "end_day": "2017-01-01",
            "title": " ",
            "agent_id": cast.bruno.pk,
            "end_time": "8:00",
            "start_time": "10h30",
            "first_day": "2021-02-30",
        },
    )
    assert answer.json() == body(
        {
            "first_day": [{"error": "invalid", "value": "2021-02-30", "format": "YYYY-MM-DD"}],
            "start_time": [{"error": "invalid", "value": "10h30", "format": "H:m[:s]"}],
            "title": [{"error": "blank"}],
            "organisation_id": [{"error": "inclusion", "value": cast.lille.pk}],
            "end_day": [{"error": TOO_EARLY}],
        },
        f"first_day {A_DATE}",
        f"start_time {A_TIME}",
        f"title {BLANK}",
        "organisation_id n'est pas inclus(e) dans la liste",
        f"end_day {TOO_EARLY}",
    )


def test_comparisons_come_after_blanks(refused):
    answer = refused(title="", start_time="18:00", first_day="2017-06-10")
    assert list(answer["errors"]) == ["title", "ends_time", "first_day", "end_day"]


def test_an_update_is_held_to_the_same_rules(cast, martine):
    absence = AbsenceFactory(agent=cast.bruno)
    answer = martine.put(
        f"/api/v1/absences/{absence.pk}",
        {"first_day": "2017-06-10", "end_day": "2017-06-10", "start_time": "18:00", "title": None},
    )
    assert answer.json() == body(
        {
            "title": [{"error": "blank"}],
            "ends_time": [{"error": NOT_AFTER}],
            "first_day": [{"error": TOO_EARLY}],
            "end_day": [{"error": TOO_EARLY}],
        },
        f"title {BLANK}",
        f"ends_time {NOT_AFTER}",
        f"first_day {TOO_EARLY}",
        f"end_day {TOO_EARLY}",
    )


def test_codes_do_not_change_with_the_language(martine, asked):
    wrong = asked | {"title": "", "end_time": "10:00", "end_day": "2099-01-01", "first_day": "x", "start_time": "8h"}
    wrong_too = asked | {"end_time": "10:00"}
    for sent in (wrong, wrong_too):
        french = martine.post("/api/v1/absences", sent).json()["errors"]
        english = martine.post("/api/v1/absences", sent, headers={"Accept-Language": "en"}).json()["errors"]
        assert english == french


@pytest.mark.parametrize("column", ["end_day", "end_time"])
def test_the_database_refuses_an_end_before_the_start_whoever_writes_it(cast, column):
    # Row rules live on the model: the admin site and imports meet them too.
    wrong = {"end_day": datetime.date(2026, 11, 30), "end_time": datetime.time(9, 0)}
    with pytest.raises(IntegrityError, match="absence_ends_after_it_starts"), transaction.atomic():
        AbsenceFactory(agent=cast.bruno, **{column: wrong[column]})
