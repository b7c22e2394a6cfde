"""A series that is split has the occurrences that it had, with what was their own: over generated rules (row A10)."""

import datetime
from itertools import islice

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from absences import splitting
from absences.models import Absence
from absences.recurrence import occurrences

from .test_recurrence import DAY, rules

pytestmark = pytest.mark.no_database

NINE, TEN, NOON = (datetime.time(hour) for hour in (9, 10, 12))
SEEN = 400


def absence(rule, first_day, exdates=(), overrides=None):
    return Absence(
        first_day=first_day,
        start_time=NINE,
        end_day=first_day,
        end_time=NOON,
        rrule=rule,
        exdates=sorted(exdates) or None,
        overrides=overrides or None,
        title="Réunion",
    )


def shown(row):
    """Those of its first occurrences, by when they are and what they are called."""
    return [(one.starts, one.ends, one.title) for one in islice(occurrences(row.series), SEEN)]


@st.composite
def series(draw):
    """A series of which some days are taken out and some have something of their own; and one of its days."""
    rule, first_day = draw(rules())
    row = absence(rule, first_day)
    days = list(islice(row.series.days(), 40))
    out = draw(st.lists(st.sampled_from(days), max_size=3, unique=True))
    left = [day for day in days if day not in out]
    assume(left)
    own = draw(st.lists(st.sampled_from(left), max_size=3, unique=True))
    changes = {
        day.isoformat(): draw(
            st.sampled_from(
                [
                    {"title": "Bilan"},
                    {"start_time": "10:00:00"},
                    {"first_day": (day + DAY).isoformat(), "title": "À part"},
                ]
            )
        )
        for day in own
    }
    row = absence(rule, first_day, [day.isoformat() for day in out], changes)
    return row, draw(st.sampled_from(left))


@settings(max_examples=200, deadline=None)
@given(series())
def test_what_is_cut_off_and_the_rest_are_the_whole(given_series):
    row, day = given_series
    before = shown(row)
    assume(day != next(row.series.days()))
    rest = splitting.rest(row, day)
    splitting.cut(row, day)
    after = sorted([*shown(row), *shown(rest)])[:SEEN]
    if len(before) == SEEN:  # an endless one, of which the two parts have other ends
        after, before = after[: SEEN // 2], sorted(before)[: SEEN // 2]
    assert after == sorted(before)
    assert not (row.series.endless and row.rrule)


@settings(max_examples=200, deadline=None)
@given(series())
def test_one_that_is_taken_out_leaves_the_others_as_they_are(given_series):
    row, day = given_series
    before = {one.day: one for one in islice(occurrences(row.series), SEEN)}
    splitting.take_out(row, day)
    after = {one.day: one for one in islice(occurrences(row.series), SEEN)}
    assert day not in after
    del before[day]
    assert {name: after[name] for name in before if name in after} == before


@settings(max_examples=200, deadline=None)
@given(series(), st.integers(-40, 40), st.sampled_from([NINE, TEN]), st.sampled_from(["Réunion", "Bilan"]))
def test_one_is_as_it_was_made_and_no_other_is(given_series, by, starts, title):
    row, day = given_series
    others = {one.day: one for one in islice(occurrences(row.series), SEEN) if one.day != day}
    first = day + by * DAY
    alone = Absence(first_day=first, start_time=starts, end_day=first, end_time=NOON, title=title)
    change = splitting.own(row.series, day, alone)
    splitting.override(row, day, change)
    made = row.series.on(day)
    assert (made.starts.date(), made.starts.time(), made.title) == (first, starts, title)
    assert made.changed is bool(change.kept())
    after = {one.day: one for one in islice(occurrences(row.series), SEEN)}
    assert {name: after[name] for name in others if name in after} == {
        name: one for name, one in others.items() if name in after
    }


def test_what_is_said_of_single_ones_moves_with_the_series():
    row = absence(
        "FREQ=WEEKLY",
        datetime.date(2026, 6, 2),
        ["2026-06-09"],
        {"2026-06-16": {"first_day": "2026-06-17", "title": "x"}},
    )
    splitting.shift(row, 2 * DAY)
    assert row.exdates == ["2026-06-11"]
    assert row.overrides == {"2026-06-18": {"first_day": "2026-06-19", "title": "x"}}
