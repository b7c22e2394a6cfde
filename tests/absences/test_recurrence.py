"""Rules of recurrence and the occurrences that they mean, with python-dateutil as the oracle (contract 5.1, 5.2)."""

import datetime
import itertools
from zoneinfo import ZoneInfo

import pytest
from dateutil import tz
from dateutil.rrule import rrulestr
from django.core.exceptions import ValidationError
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from absences.recurrence import WEEKDAYS, Change, Rule, Series, instants, judge, occurrences, parse

pytestmark = pytest.mark.no_database

ZONES = ("Europe/Paris", "Indian/Reunion", "America/Martinique", "Pacific/Noumea", "America/Miquelon")
TUESDAY = datetime.date(2026, 6, 2)
DAY = datetime.timedelta(days=1)


def time(text):
    return datetime.time.fromisoformat(text)


def civil(text):
    return datetime.datetime.fromisoformat(text)


def series(rule, first_day=TUESDAY, start="09:00", end="12:00", **more):
    parsed = parse(rule, first_day) if rule else None
    return Series(first_day, time(start), more.pop("end_day", first_day), time(end), parsed, **more)


def days(rule, first_day, stop=400):
    return list(itertools.islice(parse(rule, first_day).days(first_day), stop))


def refusal(rule, first_day=TUESDAY):
    with pytest.raises(ValidationError) as caught:
        parse(rule, first_day)
    return caught.value.error_list


# What is read, and how it is written


def test_an_end_of_long_ago_is_written_with_four_digits():
    rule, _failures = judge("FREQ=DAILY;UNTIL=00010101", TUESDAY)
    assert rule.text == "FREQ=DAILY;UNTIL=00010101T000000"
    assert [one.params["problem"] for one in refusal(rule.text)] == ["recurrence_ends_too_early"]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("FREQ=WEEKLY;BYDAY=TU;", "FREQ=WEEKLY;BYDAY=TU"),
        ("FREQ=WEEKLY;INTERVAL=1;", "FREQ=WEEKLY;INTERVAL=1"),
        ("RRULE:FREQ=WEEKLY", "FREQ=WEEKLY"),
        (" rrule:freq=weekly;byday=tu,we ", "FREQ=WEEKLY;BYDAY=TU,WE"),
        ("BYDAY=WE,TU,WE;FREQ=WEEKLY", "FREQ=WEEKLY;BYDAY=WE,TU"),
        ("UNTIL=20261231;FREQ=DAILY;INTERVAL=3", "FREQ=DAILY;INTERVAL=3;UNTIL=20261231T000000"),
        ("FREQ=DAILY;UNTIL=20261231T235959", "FREQ=DAILY;UNTIL=20261231T000000"),
        ("FREQ=DAILY;UNTIL=20261231T225959Z", "FREQ=DAILY;UNTIL=20261231T000000"),
        ("FREQ=DAILY;UNTIL=20261231T233000Z", "FREQ=DAILY;UNTIL=20270101T000000"),
        ("FREQ=DAILY;COUNT=10", "FREQ=DAILY;COUNT=10"),
        ("FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR", "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR"),
        ("FREQ=MONTHLY;INTERVAL=1;BYDAY=1TU;", "FREQ=MONTHLY;INTERVAL=1;BYDAY=1TU"),
        ("FREQ=MONTHLY;BYDAY=TU;BYSETPOS=1", "FREQ=MONTHLY;BYDAY=1TU"),
        ("FREQ=MONTHLY;BYDAY=+1TU,-1FR", "FREQ=MONTHLY;BYDAY=1TU,-1FR"),
        ("FREQ=MONTHLY;BYMONTHDAY=2,-1", "FREQ=MONTHLY;BYMONTHDAY=2,-1"),
        ("FREQ=YEARLY;BYMONTH=6;BYMONTHDAY=2", "FREQ=YEARLY"),
        ("FREQ=WEEKLY;WKST=SU;BYDAY=TU", "FREQ=WEEKLY;BYDAY=TU"),
    ],
)
def test_a_rule_is_read_as_calendars_write_it_and_kept_in_one_form(sent, kept):
    assert parse(sent, TUESDAY).text == kept
    assert parse(kept, TUESDAY) == parse(sent, TUESDAY)


def test_the_calendar_has_the_end_second():
    rule = parse("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,WE;UNTIL=20261231T000000;", TUESDAY)
    assert rule.ical == "FREQ=WEEKLY;UNTIL=20261231T000000;INTERVAL=2;BYDAY=TU,WE"


@pytest.mark.parametrize(
    "sent",
    [
        "every tuesday",
        "FREQ",
        "FREQ=",
        "FREQ=HOURLY",
        "INTERVAL=2",
        "FREQ=WEEKLY;;BYDAY=TU",
        "FREQ=WEEKLY\nFREQ=DAILY",
        "FREQ=WEEKLY;FREQ=WEEKLY",
        "FREQ=WEEKLY;BYHOUR=9",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=WEEKLY;BYDAY=",
        "FREQ=WEEKLY;BYDAY=2TU",
        "FREQ=WEEKLY;BYDAY=0TU",
        "FREQ=WEEKLY;BYMONTHDAY=2",
        "FREQ=WEEKLY;INTERVAL=0",
        "FREQ=WEEKLY;INTERVAL=-1",
        "FREQ=WEEKLY;INTERVAL=1,2",
        "FREQ=WEEKLY;INTERVAL=1.5",
        "FREQ=WEEKLY;INTERVAL=1000000000",
        "FREQ=WEEKLY;INTERVAL=99999999999999999999",
        "FREQ=WEEKLY;INTERVAL=٣",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;COUNT=1000000000",
        "FREQ=DAILY;COUNT=3;UNTIL=20261231",
        "FREQ=DAILY;UNTIL=20261331",
        "FREQ=DAILY;UNTIL=00000101",
        "FREQ=DAILY;UNTIL=2026-12-31",
        "FREQ=DAILY;UNTIL=20261231T250000",
        "FREQ=DAILY;BYDAY=1TU",
        "FREQ=DAILY;BYMONTHDAY=2",
        "FREQ=MONTHLY;BYDAY=TU",
        "FREQ=MONTHLY;BYDAY=0TU",
        "FREQ=MONTHLY;BYDAY=6TU",
        "FREQ=MONTHLY;BYDAY=1TU;BYMONTHDAY=2",
        "FREQ=MONTHLY;BYDAY=1TU;BYSETPOS=1",
        "FREQ=MONTHLY;BYDAY=TU,WE;BYSETPOS=1",
        "FREQ=MONTHLY;BYMONTHDAY=2;BYSETPOS=1",
        "FREQ=MONTHLY;BYMONTHDAY=0",
        "FREQ=MONTHLY;BYMONTHDAY=32",
        "FREQ=YEARLY;BYDAY=TU",
        "FREQ=YEARLY;BYMONTH=13",
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=SU,TU",
        "FREQ=WEEKLY;BYDAY=" + ",".join(["TU"] * 200),
    ],
)
def test_a_rule_that_is_not_ours_is_refused_with_what_is_expected(sent):
    (error,) = refusal(sent)
    assert error.code in ("invalid", "inclusion", "too_long")
    assert error.params.keys() & {"format", "allowed", "count"}


@pytest.mark.parametrize("sent", [None, 3, True, ["FREQ=WEEKLY"], {"every": "week"}])
def test_a_rule_is_a_text(sent):
    assert [error.code for error in refusal(sent)] == ["invalid"]


@pytest.mark.parametrize(
    ("sent", "first_day"),
    [
        ("FREQ=WEEKLY;BYDAY=MO", TUESDAY),
        ("FREQ=DAILY;BYDAY=MO", TUESDAY),
        ("FREQ=MONTHLY;BYDAY=2TU", TUESDAY),
        ("FREQ=MONTHLY;BYMONTHDAY=31", TUESDAY),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31", TUESDAY),
        ("FREQ=YEARLY;BYMONTHDAY=31", datetime.date(2026, 2, 28)),
        ("FREQ=YEARLY;BYMONTH=7", TUESDAY),
    ],
)
def test_a_rule_begins_on_the_first_day(sent, first_day):
    (error,) = refusal(sent, first_day)
    assert str(error.message) == "Le début de la récurrence ne correspond pas au premier jour."
    assert error.params["attribute"] == "base"


@pytest.mark.parametrize("until", ["20260601", "20260602", "00010101"])
def test_a_rule_ends_after_the_first_day(until):
    (error,) = refusal(f"FREQ=WEEKLY;UNTIL={until}")
    assert str(error.message) == "La fin de la récurrence doit être après le premier jour."
    assert error.params["attribute"] == "base"


def test_what_is_wrong_with_both_ends_is_told_at_once():
    assert len(refusal("FREQ=WEEKLY;BYDAY=MO;UNTIL=20260501")) == 2


# The days


def test_the_last_day_counts():
    assert days("FREQ=WEEKLY;UNTIL=20260616", TUESDAY)[-1] == datetime.date(2026, 6, 16)


def test_weeks_begin_on_monday():
    sunday = datetime.date(2026, 6, 7)
    assert days("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;COUNT=3", sunday) == [
        sunday,
        datetime.date(2026, 6, 15),
        datetime.date(2026, 6, 21),
    ]


def test_a_month_without_the_day_is_passed_over():
    found = days("FREQ=MONTHLY;COUNT=4", datetime.date(2026, 1, 31))
    assert [day.month for day in found] == [1, 3, 5, 7]


def test_a_month_without_a_fifth_such_day_is_passed_over():
    found = days("FREQ=MONTHLY;BYDAY=5TU;COUNT=3", datetime.date(2026, 6, 30))
    assert found == [datetime.date(2026, 6, 30), datetime.date(2026, 9, 29), datetime.date(2026, 12, 29)]


def test_the_29_of_february_comes_every_four_years():
    found = days("FREQ=YEARLY;COUNT=3", datetime.date(2096, 2, 29))
    assert [day.year for day in found] == [2096, 2104, 2108]


@pytest.mark.parametrize(
    ("rule", "first_day"),
    [
        ("FREQ=DAILY", TUESDAY),
        ("FREQ=DAILY;COUNT=9999", TUESDAY),
        ("FREQ=DAILY;INTERVAL=999;COUNT=9999", TUESDAY),
        ("FREQ=DAILY;INTERVAL=7;BYDAY=MO,TU", TUESDAY),
        ("FREQ=WEEKLY;INTERVAL=999;COUNT=9999", TUESDAY),
        ("FREQ=MONTHLY;INTERVAL=12;COUNT=9999", datetime.date(2024, 2, 29)),
        ("FREQ=YEARLY;INTERVAL=999;COUNT=9999", datetime.date(2024, 2, 29)),
        ("FREQ=YEARLY;INTERVAL=100;COUNT=9999", datetime.date(2024, 2, 29)),
        ("FREQ=YEARLY", datetime.date(9999, 12, 31)),
        ("FREQ=MONTHLY;BYMONTHDAY=-1;UNTIL=99991231", datetime.date(9989, 12, 31)),
    ],
)
def test_no_rule_leads_out_of_the_calendar(rule, first_day):
    absent = series(rule, first_day)
    end = civil("9999-12-31 23:59:59")
    beyond = list(occurrences(absent, civil("9980-01-01"), end, limit=10_000))
    assert all(one.starts < one.ends for one in beyond)
    assert len(list(occurrences(absent, civil("0001-01-01"), end, limit=5))) <= 5
    assert len(list(occurrences(absent, datetime.datetime.min.replace(tzinfo=datetime.UTC), limit=5))) <= 5


# Against the oracle


@st.composite
def rules(draw):
    """A rule with the first day that fits it."""
    freq = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = [f"FREQ={freq}"]
    if draw(st.booleans()):
        parts.append(f"INTERVAL={draw(st.integers(1, 14))}")
    weekdays = st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=4, unique=True)
    if freq in ("DAILY", "WEEKLY") and draw(st.booleans()):
        parts.append("BYDAY=" + ",".join(draw(weekdays)))
    if freq == "MONTHLY":
        match draw(st.sampled_from(["", "BYDAY", "BYMONTHDAY"])):
            case "BYDAY":
                places = st.integers(-5, 5).filter(bool)
                parts.append("BYDAY=" + ",".join(f"{draw(places)}{weekday}" for weekday in draw(weekdays)))
            case "BYMONTHDAY":
                numbers = st.lists(st.integers(-31, 31).filter(bool), min_size=1, max_size=4, unique=True)
                parts.append("BYMONTHDAY=" + ",".join(map(str, draw(numbers))))
    anchor = draw(st.dates(datetime.date(2018, 1, 1), datetime.date(2031, 12, 31)))
    # dateutil begins on the first day that fits; ours must be it. INTERVAL has no hold on that one.
    loose = [part for part in parts if not part.startswith("INTERVAL")]
    found = rrulestr(";".join(loose), dtstart=midnight(anchor)).after(midnight(anchor), inc=True)
    assume(found and found.year < 2040)
    first_day = found.date()
    match draw(st.sampled_from(["", "COUNT", "UNTIL"])):
        case "COUNT":
            parts.append(f"COUNT={draw(st.integers(1, 300))}")
        case "UNTIL":
            until = first_day + draw(st.integers(1, 2500)) * DAY
            parts.append(f"UNTIL={until:%Y%m%d}")
    return ";".join(parts), first_day


def midnight(day):
    return datetime.datetime.combine(day, datetime.time())


@settings(max_examples=1500, deadline=None)
@given(rules(), st.integers(-40, 3000), st.integers(0, 800))
@example(("FREQ=MONTHLY;BYDAY=-5MO", datetime.date(2026, 6, 1)), 0, 800)
@example(("FREQ=YEARLY;INTERVAL=4", datetime.date(2024, 2, 29)), 1, 3000)
def test_the_days_are_those_of_dateutil(asked, start, length):
    rule, first_day = asked
    low, high = first_day + start * DAY, first_day + (start + length) * DAY
    oracle = rrulestr(rule, dtstart=midnight(first_day)).between(midnight(low), midnight(high), inc=True)
    assert list(parse(rule, first_day).days(first_day, low, high)) == [one.date() for one in oracle]


@settings(max_examples=700, deadline=None)
@given(
    rules(),
    st.sampled_from(ZONES),
    st.times().map(lambda one: one.replace(microsecond=0)),
    st.integers(1, 600),
    st.integers(-3, 1500),
    st.integers(0, 400),
)
def test_the_occurrences_are_those_of_dateutil_at_constant_civil_time(asked, zone, start, minutes, skip, length):
    rule, first_day = asked
    begin = datetime.datetime.combine(first_day, start)
    finish = begin + datetime.timedelta(minutes=minutes)
    assume(finish.date() == first_day)
    absent = Series(first_day, start, first_day, finish.time(), parse(rule, first_day), zone=zone)
    low = midnight(first_day + skip * DAY)
    high = low + length * DAY
    here = tz.gettz(zone)
    oracle = []
    # UNTIL is inclusive of its day, whatever the time of the day (contract 5.1).
    for one in rrulestr(rule, dtstart=midnight(first_day)).between(low - 3 * DAY, high + 3 * DAY, inc=True):
        starts = tz.resolve_imaginary(datetime.datetime.combine(one, start, here))
        ends = tz.resolve_imaginary(datetime.datetime.combine(one, finish.time(), here))
        starts, ends = starts.astimezone(datetime.UTC), ends.astimezone(datetime.UTC)
        if ends <= starts:
            ends = starts + datetime.timedelta(minutes=minutes)
        if starts < high.replace(tzinfo=here).astimezone(datetime.UTC) and ends > low.replace(tzinfo=here).astimezone(
            datetime.UTC
        ):
            oracle.append((one.date(), starts, ends))
    found = list(occurrences(absent, low, high))
    assert [
        (one.day, one.starts.astimezone(datetime.UTC), one.ends.astimezone(datetime.UTC)) for one in found
    ] == oracle
    # The same window, as instants.
    aware = [moment.replace(tzinfo=ZoneInfo(zone)).astimezone(datetime.UTC) for moment in (low, high)]
    assert list(occurrences(absent, *aware)) == found


# Both nights of the clock changes


PARIS = ZoneInfo("Europe/Paris")
SHORT, LONG = datetime.date(2027, 3, 28), datetime.date(2026, 10, 25)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("02:30", "04:00", ("03:30+0200", "04:00+0200")),
        ("02:30", "02:45", ("03:30+0200", "03:45+0200")),
        ("02:15", "03:00", ("03:15+0200", "04:00+0200")),
        ("01:30", "02:15", ("01:30+0100", "03:15+0200")),
        ("00:30", "08:00", ("00:30+0100", "08:00+0200")),
    ],
)
def test_a_time_that_the_short_night_skips_is_an_hour_later(start, end, expected):
    absent = series("FREQ=WEEKLY;BYDAY=SU", SHORT - 7 * DAY, start, end)
    one = absent.on(SHORT)
    assert (f"{one.starts:%H:%M%z}", f"{one.ends:%H:%M%z}") == expected
    assert f"{absent.on(SHORT - 7 * DAY).starts:%H:%M%z}" == f"{start}+0100"
    assert f"{absent.on(SHORT + 7 * DAY).starts:%H:%M%z}" == f"{start}+0200"


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("02:30", "02:45", ("02:30+0200", "02:45+0200")),
        ("02:30", "03:30", ("02:30+0200", "03:30+0100")),
        ("01:30", "02:30", ("01:30+0200", "02:30+0200")),
    ],
)
def test_a_time_that_the_long_night_has_twice_is_the_first(start, end, expected):
    one = series("FREQ=WEEKLY;BYDAY=SU", LONG - 7 * DAY, start, end).on(LONG)
    assert (f"{one.starts:%H:%M%z}", f"{one.ends:%H:%M%z}") == expected


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from([*ZONES, "America/Havana", "Australia/Lord_Howe", "Asia/Beirut", "Africa/Casablanca"]),
    st.dates(datetime.date(2018, 1, 1), datetime.date(2035, 1, 1)),
    st.times().map(lambda one: one.replace(microsecond=0)),
    st.integers(0, 3),
    st.times().map(lambda one: one.replace(microsecond=0)),
)
def test_no_occurrence_is_of_no_or_negative_length(zone, day, start, span, end):
    assume((start, 0) < (end, span) if span == 0 else True)
    starts, ends = instants(day, start, day + span * DAY, end, ZoneInfo(zone))
    assert starts.astimezone(datetime.UTC) < ends.astimezone(datetime.UTC)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("start", ["02:30", "00:00", "23:30", "01:59:59"])
def test_every_day_of_a_year_has_one_occurrence_at_the_same_wall_clock(zone, start):
    absent = series("FREQ=DAILY", datetime.date(2026, 1, 1), start, "23:59:59", zone=zone)
    found = list(occurrences(absent, civil("2026-01-01"), civil("2027-01-01")))
    assert [one.day for one in found] == [datetime.date(2026, 1, 1) + number * DAY for number in range(365)]
    other = [one.day for one in found if one.starts.time() != time(start)]
    assert len(other) <= 1  # the short night
    assert len({one.starts.astimezone(datetime.UTC) for one in found}) == 365


# Those taken out, those changed


def test_what_is_taken_out_is_not_there():
    absent = series("FREQ=WEEKLY;COUNT=3", exdates=frozenset([TUESDAY + 7 * DAY]))
    assert [one.day for one in occurrences(absent)] == [TUESDAY, TUESDAY + 14 * DAY]


def test_what_is_moved_keeps_its_name_and_comes_when_it_is():
    moved = Change(first_day=TUESDAY + 20 * DAY, start_time=time("14:00"), end_time=time("15:00"), title="Autre")
    absent = series("FREQ=WEEKLY;COUNT=4", overrides={TUESDAY + 7 * DAY: moved}, title="Réunion")
    found = list(occurrences(absent))
    assert [(one.day - TUESDAY).days for one in found] == [0, 14, 7, 21]
    assert [one.title for one in found] == ["Réunion", "Réunion", "Autre", "Réunion"]
    assert [one.changed for one in found] == [False, False, True, False]
    assert f"{found[2].starts:%Y-%m-%d %H:%M}" == "2026-06-22 14:00"
    # By when it is, not by its name.
    week = [civil("2026-06-08"), civil("2026-06-14")]
    assert list(occurrences(absent, *week)) == []
    assert list(occurrences(absent, civil("2026-06-22"), civil("2026-06-23"))) == [found[2]]


def test_what_is_changed_may_last_days():
    long = Change(end_day=TUESDAY + 2 * DAY)
    absent = series("FREQ=WEEKLY;COUNT=2", overrides={TUESDAY: long})
    (one,) = occurrences(absent, civil("2026-06-04"), civil("2026-06-05"))
    assert (one.day, f"{one.ends:%d %H:%M}") == (TUESDAY, "04 12:00")


def test_a_change_of_a_day_that_is_none_shows_nothing():
    absent = series("FREQ=WEEKLY;COUNT=2", overrides={TUESDAY + DAY: Change(title="Perdu")})
    assert [one.title for one in occurrences(absent)] == ["", ""]


def test_touching_is_not_overlapping():
    absent = series("FREQ=WEEKLY")
    begin, end = civil("2026-06-09 09:00"), civil("2026-06-09 12:00")
    assert list(occurrences(absent, end, end + DAY)) == []
    assert list(occurrences(absent, begin - DAY, begin)) == []
    second = datetime.timedelta(seconds=1)
    assert len(list(occurrences(absent, end - second, end + DAY))) == 1
    assert len(list(occurrences(absent, begin - DAY, begin + second))) == 1


def test_an_absence_that_does_not_recur_is_one_occurrence():
    absent = series(None, end_day=TUESDAY + 3 * DAY, title="Congés")
    (one,) = occurrences(absent, civil("2026-06-04"), civil("2026-06-05"))
    assert (one.day, one.title, one.changed) == (TUESDAY, "Congés", False)
    assert (f"{one.starts:%Y-%m-%d %H:%M%z}", f"{one.ends:%d %H:%M}") == ("2026-06-02 09:00+0200", "05 12:00")
    assert list(occurrences(absent, civil("2026-06-06"))) == []


def test_an_endless_series_is_read_as_far_as_is_asked():
    absent = series("FREQ=DAILY")
    assert len(list(occurrences(absent, limit=7))) == 7
    assert next(occurrences(absent, civil("9000-01-01"))).day == datetime.date(9000, 1, 1)


@pytest.mark.parametrize(
    ("rule", "more", "expected"),
    [
        ("FREQ=WEEKLY", {}, None),
        ("FREQ=WEEKLY;COUNT=3", {}, TUESDAY + 14 * DAY),
        ("FREQ=WEEKLY;UNTIL=20260620", {}, TUESDAY + 14 * DAY),
        ("FREQ=WEEKLY;COUNT=3", {"exdates": frozenset([TUESDAY + 14 * DAY])}, TUESDAY + 7 * DAY),
        ("FREQ=WEEKLY;COUNT=3", {"overrides": {TUESDAY: Change(end_day=TUESDAY + 30 * DAY)}}, TUESDAY + 30 * DAY),
        ("FREQ=WEEKLY;COUNT=1", {"exdates": frozenset([TUESDAY])}, None),
        (None, {}, TUESDAY),
    ],
)
def test_the_end_is_that_of_the_last_occurrence(rule, more, expected):
    assert series(rule, **more).ends_on == expected


def test_a_series_is_made_of_what_a_row_keeps():
    kept = Change(first_day=TUESDAY + DAY, start_time=time("10:00"), title="Autre").kept()
    assert kept == {"first_day": "2026-06-03", "start_time": "10:00:00", "title": "Autre"}
    made = Series.of(
        *(TUESDAY, time("09:00"), TUESDAY, time("12:00"), "FREQ=WEEKLY;COUNT=3"),
        *(["2026-06-09"], {"2026-06-02": kept}, "Indian/Reunion", "Réunion"),
    )
    assert [f"{one.starts:%m-%d %H:%M%z} {one.title}" for one in occurrences(made)] == [
        "06-03 10:00+0400 Autre",
        "06-16 09:00+0400 Réunion",
    ]


def test_rules_that_mean_the_same_are_the_same():
    assert parse("rrule:freq=weekly;byday=tu;", TUESDAY) == Rule("WEEKLY", byday=((0, 1),))
