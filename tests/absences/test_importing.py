"""What is read of a file of absences: lines, names and words as people's programs write them; nothing breaks it."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from absences.importing import Sheet, decoded, read_calendar, read_table

pytestmark = pytest.mark.no_database

PARIS, REUNION = "Europe/Paris", "Indian/Reunion"


def table(text, limit=1000):
    return read_table(text, limit, Sheet())


def calendar(*events, limit=1000, before=""):
    lines = "".join(f"BEGIN:VEVENT\r\n{event}\r\nEND:VEVENT\r\n" for event in events)
    return read_calendar(f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{before}{lines}END:VCALENDAR\r\n", limit, Sheet())


def only(sheet, zone=PARIS):
    assert not sheet.refusals, sheet.refusals
    (item,) = sheet.items
    return item.values(zone)


def refused(sheet):
    return [(one.line, one.field) for one in sheet.refusals]


class TestTable:
    def test_the_names_of_the_api(self):
        sheet = table(
            "agent_email,title,first_day,start_time,end_day,end_time\na@b.fr,RTT,2026-12-01,9:00,2026-12-02,17:00\n"
        )
        assert sheet.items[0].agent_email == "a@b.fr"
        assert only(sheet) == {
            "title": "RTT",
            "first_day": "2026-12-01",
            "start_time": "9:00",
            "end_day": "2026-12-02",
            "end_time": "17:00",
        }

    def test_french_names_days_and_times_with_semicolons(self):
        sheet = table(
            "Courriel;Libellé;Date de début;Heure début;Date de fin;Heure fin\n"
            "a@b.fr;Congés;1/12/2026;9h;02/12/2026;17h30"
        )
        assert only(sheet) == {
            "title": "Congés",
            "first_day": "2026-12-01",
            "start_time": "9:00",
            "end_day": "2026-12-02",
            "end_time": "17:30",
        }

    def test_the_words_of_kinds_and_halves(self):
        sheet = table("agent_id;titre;jour;nature;demi-journée;confidentiel\n3;x;2026-12-01;Arrêt maladie;Matin;Oui")
        values = only(sheet)
        assert (values["kind"], values["period"], values["private"]) == ("sick", "morning", True)
        assert "start_time" not in values

    def test_a_file_of_days_is_of_whole_days(self):
        values = only(table("agent_id;titre;du;au\n3;x;2026-12-01;2026-12-03"))
        assert (values["start_time"], values["end_time"]) == ("00:00", "23:59:59")

    def test_columns_that_say_nothing_are_named(self):
        sheet = table("agent_id;titre;du;Couleur\n3;x;2026-12-01;rouge")
        assert sheet.ignored == ["Couleur"]

    def test_a_failure_is_told_where_the_file_has_it(self):
        sheet = table('Agent;Titre;Du;Heure début;Heure fin\n\na@b.fr;"Deux\nlignes";2026-12-01;9h;8h\n')
        item = sheet.items[0]
        assert item.line == 3
        assert item.place("start_time") == ("Heure début", 3)
        assert item.place("ends_time") == ("Heure fin", 3)

    def test_a_value_of_several_lines_does_not_shift_the_next(self):
        sheet = table('agent_id;titre;du\n1;"a\nb\nc";2026-12-01\n2;d;2026-12-02\n')
        assert [item.line for item in sheet.items] == [2, 5]

    @pytest.mark.parametrize(
        ("text", "where"),
        [
            ("", [(1, "")]),
            ("rien\nx\n", [(1, "")]),
            ("titre;du;titre\nx;2026-12-01;y\n", [(1, "titre")]),
            ('titre;du\nx;"2026-12-01\n', [(2, "")]),
            ('titre;du\nx;"2026"-12-01\n', [(2, "")]),
            ("titre;du\nx;2026-12-01;de trop\n", [(2, "")]),
            (";".join(["titre", "du"] + ["x"] * 200) + "\n", [(1, "")]),
            ("titre;du\n" + "a" * 200_000 + ";x\n", [(2, "")]),
            ("titre;du\n" + "a" * 20_000 + ";x\n", [(2, "")]),
        ],
    )
    def test_what_is_no_table_is_refused_with_its_line(self, text, where):
        assert refused(table(text)) == where

    def test_no_more_lines_than_the_limit_are_read(self):
        sheet = table("titre;du\n" + "x;2026-12-01\n" * 500, limit=3)
        assert len(sheet.items) == 3
        assert refused(sheet) == [(5, "")]


@pytest.mark.parametrize(
    "sheet",
    [
        lambda: table("titre;du\n" + "x;y;z\n" * 1500),
        lambda: calendar("UID:1\r\n" + "UID:2\r\n" * 1500),
        lambda: calendar(*["SUMMARY:x\r\nDTSTART:2026\r\nDURATION:PT1H"] * 1500, limit=2000),
    ],
    ids=["lines of a table", "lines of an event", "events"],
)
def test_a_thousand_defects_are_told_and_the_others_counted(sheet):
    read = sheet()
    assert len(read.refusals) == 1000
    assert read.left_out >= 500


class TestText:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
    def test_it_is_read_as_it_was_written(self, encoding):
        sheet = Sheet()
        assert decoded("Congés d'été — à Noël €".encode(encoding), sheet) == "Congés d'été — à Noël €"
        assert not sheet.refusals

    @pytest.mark.parametrize(("content", "line"), [(b"a\nb\x00c", 2), (b"\x81\x8d", 1), (b"\xff\xfea", 1)])
    def test_what_is_no_text_is_refused(self, content, line):
        sheet = Sheet()
        assert decoded(content, sheet) is None
        assert refused(sheet) == [(line, "")]


class TestCalendar:
    def test_an_event_with_a_zone(self):
        values = only(
            calendar("UID:1\r\nSUMMARY:Cong\\, s\r\nDTSTART;TZID=Europe/Paris:20261201T090000\r\nDURATION:PT3H30M")
        )
        assert values == {
            "title": "Cong, s",
            "first_day": "2026-12-01",
            "start_time": "09:00:00",
            "end_day": "2026-12-01",
            "end_time": "12:30:00",
        }

    def test_an_instant_is_shown_where_the_agent_lives(self):
        sheet = calendar("SUMMARY:x\r\nDTSTART:20261201T220000Z\r\nDTEND:20261201T230000Z")
        assert only(sheet, PARIS)["start_time"] == "23:00:00"
        assert (only(sheet, REUNION)["first_day"], only(sheet, REUNION)["start_time"]) == ("2026-12-02", "02:00:00")

    def test_whole_days_are_whole_and_end_on_their_last_one(self):
        values = only(calendar("SUMMARY:x\r\nDTSTART;VALUE=DATE:20261223\r\nDTEND;VALUE=DATE:20270103"))
        assert (values["first_day"], values["end_day"], values["end_time"]) == ("2026-12-23", "2027-01-02", "23:59:59")

    @pytest.mark.parametrize(
        "zone",
        ["Romance Standard Time", "/freeassociation.sourceforge.net/Europe/Paris", '"Europe/Paris"', "Europe/Brussels"],
    )
    def test_zones_as_calendars_name_them(self, zone):
        values = only(calendar(f"SUMMARY:x\r\nDTSTART;TZID={zone}:20260701T090000\r\nDURATION:PT1H"))
        assert values["start_time"] == "09:00:00"

    def test_a_zone_by_default_is_that_of_the_calendar(self):
        sheet = calendar(
            "SUMMARY:x\r\nDTSTART:20261201T090000\r\nDURATION:PT1H", before="X-WR-TIMEZONE:Indian/Reunion\r\n"
        )
        assert only(sheet, PARIS)["start_time"] == "06:00:00"
        assert only(sheet, REUNION)["start_time"] == "09:00:00"

    def test_a_series_with_its_exceptions(self):
        sheet = calendar(
            "UID:s\r\nSUMMARY:Temps partiel\r\nDTSTART;TZID=Europe/Paris:20261202T080000\r\nDURATION:PT4H\r\n"
            "RRULE:FREQ=WEEKLY;WKST=MO;BYDAY=WE;UNTIL=20270630T070000Z\r\n"
            "EXDATE;TZID=Europe/Paris:20261209T080000,20261223T080000",
            "UID:s\r\nSUMMARY:Temps partiel\r\nRECURRENCE-ID;TZID=Europe/Paris:20261216T080000\r\n"
            "DTSTART;TZID=Europe/Paris:20261217T080000\r\nDURATION:PT4H",
            "UID:s\r\nSUMMARY:x\r\nSTATUS:CANCELLED\r\nRECURRENCE-ID;TZID=Europe/Paris:20261230T080000\r\n"
            "DTSTART;TZID=Europe/Paris:20261230T080000\r\nDURATION:PT4H",
        )
        values = only(sheet)
        assert values["rrule"] == "FREQ=WEEKLY;BYDAY=WE;UNTIL=20270630"
        assert values["exdates"] == ["2026-12-09", "2026-12-23", "2026-12-30"]
        assert sheet.items[0].overrides(PARIS) == {"2026-12-16": {"first_day": "2026-12-17", "end_day": "2026-12-17"}}

    def test_a_series_whose_days_are_others_elsewhere_is_refused(self):
        sheet = calendar("SUMMARY:x\r\nDTSTART:20261202T230000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=WEEKLY;BYDAY=WE")
        with pytest.raises(ValidationError) as refusal:
            sheet.items[0].values(REUNION)
        assert list(refusal.value.error_dict) == ["rrule"]

    def test_whose_it_is(self):
        event = "SUMMARY:x\r\nDTSTART:20261201T090000\r\nDURATION:PT1H\r\nORGANIZER;CN=Chef:mailto:chef@b.fr\r\n"
        assert calendar(event + "ATTENDEE;CN=A:MAILTO:a@b.fr").items[0].agent_email == "a@b.fr"
        both = "ATTENDEE:mailto:a@b.fr\r\nATTENDEE:mailto:c@b.fr"
        assert calendar(event + both).items[0].agent_email == "chef@b.fr"

    def test_what_was_cancelled_is_not_there(self):
        assert calendar("UID:1\r\nSTATUS:CANCELLED\r\nSUMMARY:x\r\nDTSTART:20261201T090000").items == []

    def test_an_alarm_is_none_of_the_event(self):
        inner = "BEGIN:VALARM\r\nSUMMARY:Alarme\r\nDURATION:PT5M\r\nEND:VALARM"
        assert only(calendar(f"SUMMARY:x\r\nDTSTART:20261201T090000\r\nDURATION:PT1H\r\n{inner}"))["title"] == "x"

    def test_a_zone_that_the_file_defines_is_not_run(self):
        zone = (
            "BEGIN:VTIMEZONE\r\nTZID:Paris\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n"
            "RRULE:FREQ=SECONDLY\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
        )
        sheet = calendar("SUMMARY:x\r\nDTSTART;TZID=Paris:20261201T090000\r\nDURATION:PT1H", before=zone)
        (refusal,) = sheet.refusals
        assert refusal.field == "DTSTART"
        assert "Paris" in str(refusal.failure.messages[0])

    @pytest.mark.parametrize(
        ("event", "line", "field"),
        [
            ("SUMMARY:x", 3, "DTSTART"),
            ("DTSTART:2026-12-01", 4, "DTSTART"),
            ("DTSTART:20261301", 4, "DTSTART"),
            ("DTSTART:20261201T090000", 4, "DTEND"),
            ("DTSTART:20261201T090000\r\nDTEND;VALUE=DATE:20261202", 5, "DTEND"),
            ("DTSTART:20261201\r\nDURATION:PT3H", 5, "DURATION"),
            ("DTSTART:20261201\r\nDURATION:P9999999999D", 5, "DURATION"),
            ("DTSTART:20261201\r\nDTEND:20261202\r\nDURATION:P1D", 6, "DURATION"),
            ("DTSTART:20261201\r\nDTSTART:20261202", 5, "DTSTART"),
            ("DTSTART:20261201\r\nRDATE:20261203", 5, "RDATE"),
            ("DTSTART;TZID=../../etc/passwd:20261201T090000\r\nDURATION:PT1H", 4, "DTSTART"),
            ("DTSTART:20261201\r\nRRULE:FREQ=DAILY;UNTIL=2026Z", 5, "RRULE"),
            (f"DTSTART:20261201\r\nUID:{'u' * 300}", 5, "UID"),
            (f"DTSTART:20261201\r\nSUMMARY:{'u' * 20000}", 5, "SUMMARY"),
        ],
    )
    def test_what_cannot_be_read_is_refused_with_its_line_and_property(self, event, line, field):
        assert refused(calendar(event))[0] == (line, field)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "Bonjour",
            "BEGIN:VEVENT\r\nEND:VEVENT\r\n",
            "BEGIN:VCALENDAR\r\n",
            "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VCALENDAR\r\n",
        ],
    )
    def test_what_is_no_calendar_is_refused(self, text):
        sheet = read_calendar(text, 1000, Sheet())
        assert sheet.refusals
        assert not sheet.items

    def test_no_more_events_than_the_limit_are_read(self):
        sheet = calendar(*["SUMMARY:x\r\nDTSTART:20261201"] * 5, limit=3)
        assert refused(sheet)[-1] == (15, "")

    def test_the_same_event_twice_is_refused_once(self):
        sheet = calendar(*["UID:1\r\nSUMMARY:x\r\nDTSTART:20261201"] * 2)
        assert len(sheet.items) == 1
        assert refused(sheet) == [(8, "UID")]


WORDS = st.sampled_from(
    [
        *("BEGIN:VCALENDAR", "END:VCALENDAR", "BEGIN:VEVENT", "END:VEVENT", "BEGIN:", "DTSTART", "DTEND", "DURATION"),
        *("RRULE", "EXDATE", "RECURRENCE-ID", "UID:1", "UID:2", "SUMMARY:x", "STATUS:CANCELLED", "\r\n", "\r\n", "\n "),
        *("\r\n", ";TZID=", ";VALUE=DATE", "Europe/Paris", "UTC", ":", ";", ",", '"', "\\", "20261201", "00010101"),
        *(
            "99991231",
            "T000000",
            "T235959Z",
            "-P1D",
            "PT1H",
            "P99999W",
            "FREQ=DAILY;UNTIL=99991231T235959Z",
            "BYDAY=MO",
        ),
        *(
            "BYDAY=MO",
            "mailto:a@b.fr",
            "ATTENDEE",
            "ORGANIZER",
            "X-WR-TIMEZONE:",
            "Pacific/Kiritimati",
            "²",
            "٣",
            "/",
            "..",
        ),
    ]
)
CELLS = st.sampled_from(
    [
        "titre",
        "du",
        "au",
        "agent",
        "kind",
        "exdates",
        ";",
        ",",
        "\n",
        "\r\n",
        "\r",
        '"',
        '""',
        "\t",
        "1/2/2026",
        "9h",
        " ",
    ]
)


def _all_of(sheet):
    """Everything that may be asked of what was read."""
    for item in sheet.items:
        for zone in (PARIS, REUNION, "Pacific/Kiritimati", "Pacific/Pago_Pago"):
            for ask in (item.values, item.overrides):
                with suppress(ValidationError):
                    assert ask is None or isinstance(ask(zone), dict)
    for refusal in sheet.refusals:
        assert refusal.line >= 1
        assert all(str(message) for message in refusal.failure.messages)


@given(st.lists(WORDS, max_size=40).map("".join))
def test_no_calendar_breaks_the_reader(text):
    _all_of(read_calendar(text, 20, Sheet()))


@given(st.lists(WORDS, min_size=1, max_size=25).map("".join))
def test_no_event_breaks_the_reader(text):
    _all_of(calendar(text, limit=20))


@given(st.one_of(st.lists(CELLS, max_size=40).map("".join), st.text()))
def test_no_table_breaks_the_reader(text):
    _all_of(table(text, limit=20))
    _all_of(table(f"titre;du;agent;exdates;kind\n{text}", limit=20))


@given(st.binary())
def test_no_bytes_break_the_reader(content):
    sheet = Sheet()
    text = decoded(content, sheet)
    assert (text is None) == bool(sheet.refusals)


def test_a_megabyte_of_anything_takes_little_time():
    started = time.process_time()
    for text in ("BEGIN:VEVENT\r\n" * 75_000, "a" * 1_000_000, '"' * 1_000_000, ";" * 1_000_000, "\r\n " * 330_000):
        read_calendar(f"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nX:{text}", 1000, Sheet())
        read_calendar(f"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:{text}", 1000, Sheet())
        table(text)
        table(f"titre;du\n{text}")
    assert time.process_time() - started < 20
