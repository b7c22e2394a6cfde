"""Absences that come again. In the contract they are made on the web alone; a server that does not read `rrule` shows
none to the kit, and skips these.
"""

from __future__ import annotations

import datetime

import pytest

from conformance import expect
from conformance.material import day, made

MEANING = pytest.mark.contract("5.1")
STRING = pytest.mark.contract("5.2")
CALENDAR = pytest.mark.contract("5.3")
RULES = pytest.mark.contract("1.10")

WRONG_START = "Le début de la récurrence ne correspond pas au premier jour."
WRONG_END = "La fin de la récurrence doit être après le premier jour."
SEVERAL_DAYS = "pas possible avec une indisponibilité de plusieurs jours"
# Of the contract, by a first day that each of them has; and one whose days were chosen in another order.
RRULES = [
    ("2027-01-04", "FREQ=WEEKLY;BYDAY=MO;", "FREQ=WEEKLY;BYDAY=MO"),
    (
        "2027-01-04",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;UNTIL=20271231T000000;",
        "FREQ=WEEKLY;UNTIL=20271231T000000;INTERVAL=2;BYDAY=MO,WE",
    ),
    ("2027-01-07", "FREQ=WEEKLY;INTERVAL=1;", "FREQ=WEEKLY;INTERVAL=1"),
    ("2027-01-13", "FREQ=MONTHLY;INTERVAL=1;BYDAY=2WE;", "FREQ=MONTHLY;INTERVAL=1;BYDAY=2WE"),
    ("2027-01-06", "FREQ=WEEKLY;BYDAY=WE,MO;", "FREQ=WEEKLY;BYDAY=WE,MO"),
]


def recurring(worker, asked, first_day, rule, **changes):
    """An absence that comes again."""
    row = made(worker, asked, first_day=first_day, rrule=rule, **changes)
    if row["rrule"] is None:
        pytest.skip("this server makes no recurring absence for a client of its API")
    return row


@pytest.fixture
def rules(worker, asked):
    """What makes a recurring absence, where there are such."""
    recurring(worker, asked, "2027-01-04", "FREQ=WEEKLY;BYDAY=MO")
    return asked | {"first_day": "2027-01-04", "rrule": "FREQ=WEEKLY;BYDAY=MO"}


@STRING
@pytest.mark.parametrize(("first_day", "shown", "_calendar"), RRULES)
def test_the_parts_come_in_their_order_each_with_its_semicolon(worker, asked, first_day, shown, _calendar):
    row = recurring(worker, asked, first_day, shown.rstrip(";"))
    assert row["rrule"] == shown
    assert expect.body(worker.get(f"/absences/{row['id']}"), 200)["absence"] == row
    again = worker.patch(f"/absences/{row['id']}", json={"rrule": shown})
    assert expect.body(again, 200)["absence"]["rrule"] == shown


@STRING
def test_who_does_not_speak_of_the_rule_leaves_it_alone(worker, asked):
    row = recurring(worker, asked, "2027-01-04", "FREQ=WEEKLY;BYDAY=MO")
    changed = worker.patch(f"/absences/{row['id']}", json={"start_time": "07:00"})
    assert expect.body(changed, 200)["absence"]["rrule"] == row["rrule"]


@CALENDAR
@pytest.mark.parametrize(("first_day", "shown", "calendar"), RRULES)
def test_the_calendar_has_the_rule_in_another_order_after_the_title(worker, asked, first_day, shown, calendar):
    row = recurring(worker, asked, first_day, shown, start_time="13:30", end_time="17:00")
    lines = row["ical"].replace("\r\n ", "").split("\r\n")
    event = lines[lines.index("BEGIN:VEVENT") :]
    (number,) = (number for number, line in enumerate(event) if line.startswith("RRULE"))
    assert event[number] == f"RRULE:{calendar}"
    assert event[number - 1].startswith("SUMMARY:")
    compact = first_day.replace("-", "")
    assert f"DTSTART;TZID=Europe/Paris:{compact}T133000" in event
    assert f"DTEND;TZID=Europe/Paris:{compact}T170000" in event


@MEANING
@pytest.mark.parametrize(
    ("first_day", "rule", "until", "days"),
    [
        # Weeks are counted from that of the first day, a Monday the first of them.
        ("2027-01-06", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE", "2027-02-03", "01-06 01-18 01-20 02-01 02-03"),
        ("2027-01-04", "FREQ=WEEKLY;UNTIL=20270118T000000", "2027-03-01", "01-04 01-11 01-18"),
        # A month that has no fifth one is passed over.
        ("2027-01-29", "FREQ=MONTHLY;BYDAY=5FR", "2027-07-31", "01-29 04-30 07-30"),
        ("2027-01-13", "FREQ=MONTHLY;INTERVAL=2;BYDAY=2WE", "2027-05-31", "01-13 03-10 05-12"),
    ],
)
def test_it_comes_on_the_days_of_its_rule(worker, asked, first_day, rule, until, days):
    row = recurring(worker, asked, first_day, rule, start_time="09:00", end_time="10:30")
    answer = worker.get(f"/absences/{row['id']}/occurrences", params={"from": first_day, "to": until})
    if answer.status_code == 404:
        pytest.skip("this server shows no single occurrences")
    found = expect.body(answer, 200)["occurrences"]
    expected = [f"2027-{one}" for one in days.split()]
    assert [one["starts_at"][:16] for one in found] == [f"{one} 09:00" for one in expected]
    assert [one["ends_at"][:16] for one in found] == [f"{one} 10:30" for one in expected]


@RULES
def test_a_recurrence_begins_on_the_first_day_and_ends_after_it(worker, rules):
    answer = worker.post("/absences", json=rules | {"first_day": "2027-01-05"})
    expect.invalid(answer, {"base": [{"error": WRONG_START}]}, [f"base {WRONG_START}"])
    for last in ("20270104", "20270103"):
        answer = worker.post("/absences", json=rules | {"rrule": f"FREQ=WEEKLY;BYDAY=MO;UNTIL={last}T000000"})
        document = expect.body(answer, 422)
        assert document["errors"]["base"] == [{"error": WRONG_END}]
        assert f"base {WRONG_END}" in document["error_messages"]


@RULES
def test_an_absence_of_several_days_cannot_recur(worker, rules):
    answer = worker.post("/absences", json=rules | {"end_day": "2027-01-05"})
    expect.invalid(answer, {"recurrence": [{"error": SEVERAL_DAYS}]}, [f"recurrence {SEVERAL_DAYS}"])


@RULES
def test_a_recurrence_does_not_end_beyond_five_years(worker, rules):
    beyond = (datetime.date.fromisoformat(day()) + datetime.timedelta(days=2 * 366)).strftime("%Y%m%d")
    answer = worker.post("/absences", json=rules | {"rrule": f"FREQ=WEEKLY;BYDAY=MO;UNTIL={beyond}T000000"})
    sentence = "ne peut pas être dans plus de 5 ans"
    errors = {"recurrence_ends_at": [{"error": sentence}]}
    expect.invalid(answer, errors, [f"recurrence_ends_at {sentence}"])


@RULES
def test_the_first_day_of_a_recurring_absence_moves_with_its_rule_only(worker, asked):
    row = recurring(worker, asked, "2027-01-04", "FREQ=WEEKLY;BYDAY=MO")
    answer = worker.patch(f"/absences/{row['id']}", json={"first_day": "2027-01-05", "end_day": "2027-01-05"})
    assert {"error": WRONG_START} in expect.body(answer, 422)["errors"]["base"]
