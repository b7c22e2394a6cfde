"""How dates and times are read and written."""

from __future__ import annotations

import pytest

from conformance import expect
from conformance.material import day, made, titled

READ = pytest.mark.contract("1.4")
WRITTEN = pytest.mark.contract("1.5")


@READ
@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("08:00", "08:00:00"),
        ("8:00", "08:00:00"),
        ("8:5", "08:05:00"),
        ("08:00:00", "08:00:00"),
        ("8:5:9", "08:05:09"),
        ("00:00", "00:00:00"),
        (" 08:00 ", "08:00:00"),
    ],
)
def test_a_time_has_hours_minutes_and_perhaps_seconds(worker, asked, sent, shown):
    assert made(worker, asked, start_time=sent)["start_time"] == shown


@READ
@pytest.mark.parametrize("name", ["start_time", "end_time"])
@pytest.mark.parametrize(
    "sent",
    ["8h", "08h", "8", "0830", "8am", "noon", "10:60", "25:00", "10:30Z", "08:00:00.5", "08:00:61", "-1:00", "x", 8, 0],
)
def test_a_time_that_cannot_be_read_is_told_so(worker, asked, name, sent):
    """The original takes it for a missing one."""
    answer = worker.post("/absences", json=asked | {name: sent})
    error = {"error": "invalid", "value": sent, "format": "H:m[:s]"}
    expect.invalid(answer, {name: [error]}, [f"{name} {expect.TIME}"])


@READ
@pytest.mark.parametrize("sent", ["24:00", "24:00:00"])
def test_the_end_of_a_day_is_the_next_day_at_midnight(worker, asked, sent):
    answer = worker.post("/absences", json=asked | {"end_time": sent})
    error = {"error": "invalid", "value": sent, "format": "H:m[:s]"}
    expect.invalid(answer, {"end_time": [error]}, [f"end_time {expect.MIDNIGHT}"])


@READ
@pytest.mark.parametrize("name", ["first_day", "end_day"])
@pytest.mark.parametrize(
    "sent",
    [
        "21/10/2026",
        "21-10-2026",
        "2026/10/21",
        "20261021",
        "2026-10-21T08:00:00",
        "21 oct 2026",
        "10/21/2026",
        "2026-02-30",
        "2026-13-01",
        "26-10-21",
        "demain",
        20261021,
    ],
)
def test_a_date_that_cannot_be_read_is_told_so(worker, asked, name, sent):
    """The original reads some of them by guessing, and takes the others for missing ones, or for none."""
    answer = worker.post("/absences", json=asked | {name: sent})
    error = {"error": "invalid", "value": sent, "format": "YYYY-MM-DD"}
    expect.invalid(answer, {name: [error]}, [f"{name} {expect.DATE}"])


@READ
def test_an_update_is_read_the_same(worker, absence):
    answer = worker.patch(f"/absences/{absence['id']}", json={"start_time": "8h", "end_day": "demain"})
    expect.invalid(
        answer,
        {
            "start_time": [{"error": "invalid", "value": "8h", "format": "H:m[:s]"}],
            "end_day": [{"error": "invalid", "value": "demain", "format": "YYYY-MM-DD"}],
        },
        [f"start_time {expect.TIME}", f"end_day {expect.DATE}"],
    )
    assert expect.body(worker.get(f"/absences/{absence['id']}"), 200)["absence"] == absence


@READ
def test_a_leap_day_is_a_day(worker, asked):
    assert made(worker, asked, first_day="2024-02-29")["first_day"] == "2024-02-29"


@WRITTEN
def test_dates_and_times_are_written_in_one_way(worker, asked):
    row = made(worker, asked, start_time="8:00", end_time="9:5:7", end_day=day(3))
    assert (row["first_day"], row["end_day"]) == (day(), day(3))
    assert (row["start_time"], row["end_time"]) == ("08:00:00", "09:05:07")


@WRITTEN
@pytest.mark.parametrize("path", ["/absences", "/agents", "/organisations"])
def test_id_comes_first_then_the_keys_by_the_alphabet(worker, path):
    document = expect.body(worker.get(path), 200)
    plural, meta = document
    assert (plural, meta) == (path[1:], "meta")
    assert document[plural], f"the caller sees no {plural}"
    expect.in_order(document[plural])


@WRITTEN
def test_so_they_do_in_one_record(worker, absence):
    row = expect.body(worker.get(f"/absences/{absence['id']}"), 200)["absence"]
    expect.in_order(row)
    assert row == absence


@WRITTEN
def test_what_is_absent_is_null_under_its_key(worker, absence):
    assert absence["rrule"] is None
    assert "inclusion_connect_open_id_sub" in absence["agent"]


@WRITTEN
@pytest.mark.parametrize(
    "text", ["Été à l’école – <b>&amp; 100 %</b>", '"entre guillemets" \\ et 🌍', "Œuvre ; un, deux"]
)
def test_text_comes_back_as_it_was_sent(worker, asked, text):
    row = made(worker, asked, title=titled(text))
    assert row["title"] == titled(text)
    assert expect.body(worker.get(f"/absences/{row['id']}"), 200)["absence"]["title"] == titled(text)
