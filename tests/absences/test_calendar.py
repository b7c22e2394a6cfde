"""The `ical` field: the text of contract 5.3, and a calendar that other programs read (RFC 5545)."""

import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from absences.ical import absence_calendar

from ..factories import AbsenceFactory, AgentFactory, OrganisationFactory

PARIS = ZoneInfo("Europe/Paris")

EXAMPLE = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:RDV Solidarités
CALSCALE:GREGORIAN
METHOD:PUBLISH
BEGIN:VTIMEZONE
TZID:Europe/Paris
BEGIN:DAYLIGHT
DTSTART:20250330T030000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
TZNAME:CEST
END:DAYLIGHT
BEGIN:STANDARD
DTSTART:20251026T020000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
TZNAME:CET
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
DTSTAMP:20250602T071500Z
UID:absence_31@RDV Solidarités
DTSTART;TZID=Europe/Paris:20250610T133000
DTEND;TZID=Europe/Paris:20250610T170000
ORGANIZER:mailto:secretariat-auto@rdv-solidarites.fr
SEQUENCE:0
SUMMARY:RDV Solidarités Congé formation
END:VEVENT
END:VCALENDAR
"""


def lines(calendar):
    """The unfolded lines of a calendar."""
    return calendar.replace("\r\n ", "").split("\r\n")


def values(calendar, name):
    """The values of a property, parameters left out."""
    return [line.partition(":")[2] for line in lines(calendar) if line.partition(":")[0].partition(";")[0] == name]


@pytest.fixture
def calendar_of(martine):
    """The `ical` that Martine is shown of an absence."""

    def of(absence):
        return martine.get(f"/api/v1/absences/{absence.pk}").json()["absence"]["ical"]

    return of


@pytest.fixture
def summary(cast, calendar_of):
    """The SUMMARY line of an absence so titled, as it stands in the calendar."""

    def of(title):
        calendar = calendar_of(AbsenceFactory(agent=cast.bruno, title=title))
        return next(line for line in lines(calendar) if line.startswith("SUMMARY"))

    return of


class TestText:
    def test_the_example_of_the_contract_line_for_line(self, cast, sign_in, now):
        now.move_to("2025-06-02 07:15:00")
        AbsenceFactory(
            id=31,
            agent=cast.bruno,
            title="Congé formation",
            first_day=datetime.date(2025, 6, 10),
            start_time=datetime.time(13, 30),
            end_time=datetime.time(17, 0),
        )
        answer = sign_in(cast.martine).get("/api/v1/absences/31")
        assert answer.json()["absence"]["ical"] == EXAMPLE.replace("\n", "\r\n")

    def test_the_end_is_that_of_the_last_day(self, cast, calendar_of):
        long = AbsenceFactory(agent=cast.bruno, end_day=datetime.date(2026, 12, 24), end_time=datetime.time(8, 5, 9))
        assert values(calendar_of(long), "DTEND") == ["20261224T080509"]

    @pytest.mark.parametrize(
        ("title", "text"),
        [
            (r"a\b", r"a\\b"),
            ("a;b,c:d", r"a\;b\,c:d"),
            ("a\nb", r"a\nb"),
            ("a\r\nb", r"a\nb"),
            ("a\rb", r"a\nb"),
            (r"a\n", r"a\\n"),
            ("a\tb", "a\tb"),
            ('"a"', '"a"'),
            ("a\x0bb\x7fc\x1fd", "abcd"),
        ],
    )
    def test_a_title_is_escaped(self, summary, title, text):
        assert summary(title) == f"SUMMARY:RDV Solidarités {text}"

    def test_a_title_cannot_add_lines(self, cast, calendar_of):
        calendar = calendar_of(AbsenceFactory(agent=cast.bruno, title="x\r\nEND:VEVENT\r\nATTENDEE:mailto:a@b.test"))
        assert calendar.count("\r\nEND:VEVENT") == 1
        assert "ATTENDEE" not in {line.partition(":")[0] for line in lines(calendar)}

    @pytest.mark.parametrize("length", [50, 51, 124, 125, 126, 230])
    def test_a_long_line_is_folded_at_75_octets_then_74(self, cast, calendar_of, length):
        calendar = calendar_of(AbsenceFactory(agent=cast.bruno, title="x" * length))
        folded = calendar[calendar.index("SUMMARY") :].split("\r\nEND:VEVENT")[0].split("\r\n ")
        # "SUMMARY:RDV Solidarités " takes 25 octets.
        octets = [len(piece.encode()) for piece in folded]
        assert sum(octets) == 25 + length
        assert octets[0] == min(75, 25 + length)
        assert all(count == 74 for count in octets[1:-1])
        assert len(octets) == 1 or 0 < octets[-1] <= 74

    def test_a_fold_never_cuts_a_character(self, cast, calendar_of):
        calendar = calendar_of(AbsenceFactory(agent=cast.bruno, title="é🏖" * 60))
        assert values(calendar, "SUMMARY") == ["RDV Solidarités " + "é🏖" * 60]
        assert max(len(line.encode()) for line in calendar.split("\r\n")) <= 75


class TestZone:
    @pytest.mark.parametrize(
        ("first_day", "start_time", "daylight", "standard"),
        [
            ("2025-06-10", "13:30", "20250330T030000", "20251026T020000"),
            ("2023-11-20", "09:00", "20240331T030000", "20231029T020000"),
            ("2024-01-15", "09:00", "20240331T030000", "20231029T020000"),
            ("2026-03-28", "23:59", "20260329T030000", "20251026T020000"),
            ("2026-03-29", "01:59", "20260329T030000", "20251026T020000"),
            ("2026-03-29", "03:00", "20260329T030000", "20261025T020000"),
            ("2026-10-25", "01:59", "20260329T030000", "20261025T020000"),
            ("2026-10-25", "03:00", "20270328T030000", "20261025T020000"),
            ("2026-12-31", "23:59", "20270328T030000", "20261025T020000"),
        ],
    )
    def test_summer_and_winter_around_the_start(self, cast, calendar_of, first_day, start_time, daylight, standard):
        absence = AbsenceFactory(
            agent=cast.bruno,
            first_day=datetime.date.fromisoformat(first_day),
            start_time=datetime.time.fromisoformat(start_time),
            end_day=datetime.date(2027, 12, 31),
        )
        assert values(calendar_of(absence), "DTSTART")[:2] == [daylight, standard]


class TestChanges:
    def test_the_calendar_does_not_move_by_being_read(self, martine, afternoon, now):
        first = martine.get(f"/api/v1/absences/{afternoon.pk}")
        now.tick(3600)
        again = martine.get(f"/api/v1/absences/{afternoon.pk}")
        assert (again.content, again["ETag"]) == (first.content, first["ETag"])

    def test_its_stamp_is_the_last_change_and_its_sequence_grows(self, martine, afternoon, calendar_of, now):
        assert (values(calendar_of(afternoon), "DTSTAMP"), values(calendar_of(afternoon), "SEQUENCE")) == (
            ["20261116T090000Z"],
            ["0"],
        )
        for sequence in (1, 2):
            now.tick(60)
            martine.patch(f"/api/v1/absences/{afternoon.pk}", {"title": f"Changement {sequence}"})
            assert values(calendar_of(afternoon), "SEQUENCE") == [str(sequence)]
            assert values(calendar_of(afternoon), "DTSTAMP") == [f"20261116T090{sequence}00Z"]

    def test_a_change_that_changes_nothing_moves_neither(self, martine, afternoon, calendar_of, now):
        before = calendar_of(afternoon)
        now.tick(60)
        martine.patch(f"/api/v1/absences/{afternoon.pk}", {"title": afternoon.title})
        assert calendar_of(afternoon) == before

    def test_the_uid_stays(self, martine, afternoon, calendar_of):
        martine.patch(f"/api/v1/absences/{afternoon.pk}", {"title": "Autre"})
        absence = martine.get(f"/api/v1/absences/{afternoon.pk}").json()["absence"]
        assert absence["ical_uid"] == f"absence_{afternoon.pk}@RDV Solidarités"
        assert values(absence["ical"], "UID") == [absence["ical_uid"]]


@pytest.mark.parametrize(
    ("verticales", "domain"),
    [
        (["rdv_solidarites"], "rdv-solidarites.fr"),
        (["rdv_insertion"], "rdv-solidarites.fr"),
        (["rdv_mairie"], "rdv-service-public.fr"),
        (["rdv_solidarites", "rdv_mairie"], "rdv-service-public.fr"),
        (["rdv_aide_numerique"], "rdv-solidarites.fr"),
        (["rdv_mairie", "rdv_aide_numerique"], "rdv-solidarites.fr"),
    ],
)
def test_the_organiser_follows_all_the_organisations_of_the_agent(cast, calendar_of, verticales, domain):
    organisations = [OrganisationFactory(territory=cast.paris, verticale=verticale) for verticale in verticales]
    for organisation in organisations:
        cast.martine.roles.create(organisation=organisation, access_level="admin")
    absence = AbsenceFactory(agent=AgentFactory(basic_in=organisations), organisation=organisations[0])
    assert values(calendar_of(absence), "ORGANIZER") == [f"mailto:secretariat-auto@{domain}"]


civil = datetime.datetime.fromisoformat
NINE = datetime.datetime(2026, 11, 16, 9, tzinfo=datetime.UTC)

# Everything that a title may hold, control characters aside: those are taken out (TestText).
TITLES = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("\n\t\\;,:\"'é🏖"), min_size=1)
MOMENTS = st.datetimes(civil("2018-01-01"), civil("2036-12-31")).map(
    lambda moment: moment.replace(microsecond=0, fold=0)
)


@settings(derandomize=True, max_examples=150, deadline=None, database=None)
@given(
    title=TITLES,
    start=MOMENTS,
    length=st.timedeltas(datetime.timedelta(seconds=1), datetime.timedelta(days=400)),
    changed=st.datetimes(civil("2018-01-01"), civil("2036-12-31"), timezones=st.just(PARIS)),
    sequence=st.integers(0, 10_000),
)
@example("x" * 255, civil("2026-03-29T03:00"), datetime.timedelta(hours=1), NINE, 0)
@example("\\;,\n" * 60, civil("2026-10-25T02:00"), datetime.timedelta(1), NINE, 1)
def test_another_program_reads_back_what_was_meant(title, start, length, changed, sequence):
    end = (start + length).replace(microsecond=0) + datetime.timedelta(seconds=1)
    text = absence_calendar(31, title, start.date(), start.time(), end.date(), end.time(), changed, sequence)
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    calendar = Calendar.from_ical(text)
    (event,) = calendar.walk("VEVENT")
    assert event["SUMMARY"] == f"RDV Solidarités {title}"
    assert event["DTSTART"].dt.replace(tzinfo=None) == start
    assert event["DTEND"].dt.replace(tzinfo=None) == end
    assert str(event["DTSTART"].params["TZID"]) == str(event["DTEND"].params["TZID"]) == "Europe/Paris"
    assert event["DTSTAMP"].dt == changed.replace(microsecond=0)
    assert (event["SEQUENCE"], event["UID"]) == (sequence, "absence_31@RDV Solidarités")


@settings(derandomize=True, max_examples=60, deadline=None, database=None)
@given(start=MOMENTS)
@example(civil("2026-01-01"))
@example(civil("2026-03-29T03:00"))
@example(civil("2026-10-25T03:00"))
def test_the_zone_it_carries_agrees_with_the_clocks_of_paris(start):
    text = absence_calendar(1, "x", start.date(), start.time(), start.date(), start.time(), start.astimezone(PARIS), 0)
    (zone,) = Calendar.from_ical(text).walk("VTIMEZONE")
    (daylight,), (standard,) = zone.walk("DAYLIGHT"), zone.walk("STANDARD")
    # The season of the start is the one that began last, and the seasons begin when the clocks change.
    began = {part["DTSTART"].dt: part["TZOFFSETTO"].td for part in (daylight, standard) if part["DTSTART"].dt <= start}
    real = start.replace(tzinfo=PARIS)
    night = datetime.timedelta(hours=4)
    if (real - night).utcoffset() == (real + night).utcoffset():
        assert began[max(began)] == real.utcoffset()
    for part in (daylight, standard):
        change = part["DTSTART"].dt.replace(tzinfo=PARIS)
        assert (change - night).utcoffset() == part["TZOFFSETFROM"].td
        assert (change + night).utcoffset() == part["TZOFFSETTO"].td
