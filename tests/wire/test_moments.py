"""DATE and DATETIME of a filter, as civil time of Paris (contract 1.4).

On a running clock: a frozen one forgets `fold`.
"""

import datetime

import pytest

from rdv.api.times import PARIS, read_moment

pytestmark = pytest.mark.no_database


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-10-25T02:30:00+02:00", "2026-10-25T00:30:00"),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00"),
        ("2026-10-25T00:30:00Z", "2026-10-25T00:30:00"),
        ("2026-10-25T01:30:00Z", "2026-10-25T01:30:00"),
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00"),  # without offset, the first of the two
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00"),  # an hour that does not exist
        ("2026-03-29", "2026-03-28T23:00:00"),
        ("2026-03-30", "2026-03-29T22:00:00"),
    ],
)
def test_civil_time_keeps_which_of_two_equal_hours_was_meant(text, instant):
    moment = read_moment(text).replace(tzinfo=PARIS).astimezone(datetime.UTC)
    assert moment.replace(tzinfo=None).isoformat() == instant


@pytest.mark.parametrize(
    ("day", "end"),
    [
        ("2026-03-29", "2026-03-30T00:00:00"),
        ("2026-12-31", "2027-01-01T00:00:00"),
        ("9999-12-31", "9999-12-31T23:59:59.999999"),
    ],
)
def test_the_end_of_a_day_is_the_midnight_that_follows(day, end):
    assert read_moment(day, end_of_day=True).isoformat() == end


def test_the_end_of_the_day_does_not_move_a_time():
    assert read_moment("2026-03-29T08:00", end_of_day=True).isoformat() == "2026-03-29T08:00:00"
