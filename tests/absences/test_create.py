"""`POST /absences`: for an agent named by id or by email (contract 4.2)."""

import json
import logging

import pytest

from absences.models import Absence

from ..factories import AgentFactory, OrganisationFactory
from .ladder import FORBIDDEN, UNKNOWN_CALLER, climbed

FORM = "application/x-www-form-urlencoded"


def test_anonymous_is_asked_to_sign_in(anonymous, asked):
    answer = anonymous.post("/api/v1/absences", asked)
    assert (answer.status_code, answer.json()) == (401, UNKNOWN_CALLER)
    assert not Absence.objects.exists()


@climbed
def test_one_creates_absences_for_the_agents_one_sees(who, reaches, cast, sign_in, asked):
    answer = sign_in(getattr(cast, who)).post("/api/v1/absences", asked)
    if reaches:
        assert (answer.status_code, answer.json()["absence"]["agent"]["id"]) == (200, cast.bruno.pk)
        assert Absence.objects.get().agent == cast.bruno
    else:
        assert (answer.status_code, answer.json()) == (403, FORBIDDEN)
        assert not Absence.objects.exists()


def test_an_agent_without_role_cannot_even_create_their_own(cast, sign_in, asked):
    answer = sign_in(cast.nora).post("/api/v1/absences", asked | {"agent_id": cast.nora.pk})
    assert (answer.status_code, answer.json()) == (403, FORBIDDEN)
    assert not Absence.objects.exists()


def test_the_answer_is_the_absence_as_it_will_be_shown(martine, asked):
    answer = martine.post("/api/v1/absences", asked)
    assert answer.status_code == 200  # never 201
    absence = answer.json()["absence"]
    assert absence | asked | {
        "start_time": "13:30:00",
        "end_time": "17:00:00",
        "end_day": "2027-06-10",
        "rrule": None,
    } == absence | {"agent_id": asked["agent_id"]}
    assert martine.get(f"/api/v1/absences/{absence['id']}").json()["absence"] == absence


def test_location_leads_to_the_absence(martine, asked):
    answer = martine.post("/api/v1/absences", asked)
    assert answer["Location"] == f"http://testserver/api/v1/absences/{answer.json()['absence']['id']}"


@pytest.mark.parametrize("path", ["absences/", "absences.json", "absences.json/"])
def test_location_is_the_same_whatever_the_form_of_the_address(martine, asked, path):
    answer = martine.post(f"/api/v1/{path}", asked)
    assert answer["Location"] == answer.json()["absence"]["url"]


def test_an_end_day_makes_it_last(martine, asked):
    absence = martine.post("/api/v1/absences", asked | {"end_day": "2027-06-14", "end_time": "08:00"}).json()["absence"]
    assert (absence["first_day"], absence["end_day"], absence["end_time"]) == ("2027-06-10", "2027-06-14", "08:00:00")


@pytest.mark.parametrize("end_day", [None, ""])
def test_without_end_day_it_ends_on_its_first_day(martine, asked, end_day):
    assert martine.post("/api/v1/absences", asked | {"end_day": end_day}).json()["absence"]["end_day"] == "2027-06-10"


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("08:00", "08:00:00"),
        ("8:5", "08:05:00"),
        ("08:05:09", "08:05:09"),
        ("0:0:0", "00:00:00"),
        (" 8:30 ", "08:30:00"),
    ],
)
def test_times_come_back_with_their_seconds(martine, asked, sent, shown):
    assert martine.post("/api/v1/absences", asked | {"start_time": sent}).json()["absence"]["start_time"] == shown


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("  Congé  ", "Congé"), (12, "12"), ("<b>&amp; \\ ; , 'é' 🏖", "<b>&amp; \\ ; , 'é' 🏖"), ("x" * 255, "x" * 255)],
)
def test_a_title_is_trimmed_and_otherwise_kept_as_it_is(martine, asked, sent, kept):
    assert martine.post("/api/v1/absences", asked | {"title": sent}).json()["absence"]["title"] == kept


def test_the_agent_may_be_named_by_email(cast, martine, asked):
    del asked["agent_id"]
    answer = martine.post("/api/v1/absences", asked | {"agent_email": "bruno@exemple.test"})
    assert answer.json()["absence"]["agent"]["id"] == cast.bruno.pk


def test_the_id_wins_over_the_email(cast, martine, asked):
    answer = martine.post("/api/v1/absences", asked | {"agent_email": "chloe@exemple.test"})
    assert answer.json()["absence"]["agent"]["id"] == cast.bruno.pk


def test_the_id_wins_over_an_email_that_nobody_has(cast, martine, asked):
    assert martine.post("/api/v1/absences", asked | {"agent_email": "personne@exemple.test"}).status_code == 200


@pytest.mark.parametrize("agent_id", [None, ""])
def test_an_empty_id_leaves_the_word_to_the_email(cast, martine, asked, agent_id):
    answer = martine.post("/api/v1/absences", asked | {"agent_id": agent_id, "agent_email": "chloe@exemple.test"})
    assert answer.json()["absence"]["agent"]["id"] == cast.chloe.pk


def test_an_id_is_read_as_text_up_to_its_last_digit(cast, martine, asked):
    answer = martine.post("/api/v1/absences", asked | {"agent_id": f"{cast.bruno.pk}abc"})
    assert answer.json()["absence"]["agent"]["id"] == cast.bruno.pk


@pytest.mark.parametrize(
    "email",
    ["personne@exemple.test", "BRUNO@exemple.test", " bruno@exemple.test", "x" * 5000, 12, ["bruno@exemple.test"]],
)
def test_an_email_that_nobody_has_in_exactly_this_form_is_not_found(martine, asked, email):
    del asked["agent_id"]
    answer = martine.post("/api/v1/absences", asked | {"agent_email": email})
    assert (answer.status_code, answer.json()) == (404, {"not_found": "agent"})


def test_an_unknown_email_is_told_before_invalid_values(martine):
    answer = martine.post("/api/v1/absences", {"agent_email": "personne@exemple.test"})
    assert (answer.status_code, answer.json()) == (404, {"not_found": "agent"})


def test_the_email_of_a_deleted_agent_is_not_found(cast, martine, asked):
    cast.bruno.leave()
    del asked["agent_id"]
    answer = martine.post("/api/v1/absences", asked | {"agent_email": cast.bruno.email})
    assert (answer.status_code, answer.json()) == (404, {"not_found": "agent"})


def test_validity_speaks_before_permission(cast, sign_in, asked):
    answer = sign_in(cast.etienne).post("/api/v1/absences", asked | {"title": ""})
    assert answer.status_code == 422


def test_an_organisation_of_the_agent_is_kept_and_shown(cast, martine, asked):
    other = OrganisationFactory(territory=cast.paris)
    cast.bruno.roles.create(organisation=other)
    answer = martine.post("/api/v1/absences", asked | {"organisation_id": other.pk})
    assert answer.json()["absence"]["organisation"]["id"] == other.pk
    assert Absence.objects.get().organisation == other


@pytest.mark.parametrize("organisation_id", [None, ""])
def test_no_organisation_is_for_all_of_them(cast, martine, asked, organisation_id):
    answer = martine.post("/api/v1/absences", asked | {"organisation_id": organisation_id})
    assert answer.json()["absence"]["organisation"]["id"] == cast.mds.pk
    assert Absence.objects.get().organisation is None


@pytest.mark.parametrize("which", ["one where the caller works", "one that does not exist", "9" * 30, "inconnue"])
def test_an_organisation_that_is_not_one_of_the_agents_is_refused(cast, martine, asked, which):
    other = OrganisationFactory(territory=cast.paris)
    cast.martine.roles.create(organisation=other, access_level="admin")
    sent = {"one where the caller works": other.pk, "one that does not exist": 999_999_999}.get(which, which)
    answer = martine.post("/api/v1/absences", asked | {"organisation_id": sent})
    assert (answer.status_code, answer.json()) == (
        422,
        {
            "success": False,
            "errors": {"organisation_id": [{"error": "inclusion", "value": sent}]},
            "error_messages": ["organisation_id n'est pas inclus(e) dans la liste"],
        },
    )
    assert not Absence.objects.exists()


@pytest.mark.parametrize("which", ["theirs", "not theirs"])
def test_the_organisations_of_an_agent_out_of_sight_are_not_told(cast, sign_in, asked, which):
    organisation = {"theirs": cast.mds, "not theirs": cast.lille}[which]
    answer = sign_in(cast.etienne).post("/api/v1/absences", asked | {"organisation_id": organisation.pk})
    assert (answer.status_code, answer.json()) == (403, FORBIDDEN)


def test_a_recurrence_of_another_form_is_ignored(martine, asked):
    answer = martine.post("/api/v1/absences", asked | {"recurrence": {"every": "week"}})
    assert (answer.status_code, answer.json()["absence"]["rrule"]) == (200, None)


def test_what_the_server_decides_cannot_be_sent(cast, martine, asked):
    answer = martine.post(
        "/api/v1/absences",
        asked | {"id": 12345, "version": 9, "created_at": "2000-01-01", "ical": "x", "agent": {"id": cast.chloe.pk}},
    )
    absence = answer.json()["absence"]
    assert absence["id"] != 12345
    assert (absence["version"], absence["agent"]["id"]) == (1, cast.bruno.pk)
    assert absence["created_at"] == "2026-11-16 10:00:00 +0100"


def test_an_invited_agent_may_be_absent(cast, martine, asked):
    invited = AgentFactory(services=[cast.pmi], basic_in=[cast.mds], is_active=False)
    assert martine.post("/api/v1/absences", asked | {"agent_id": invited.pk}).status_code == 200


def test_the_same_absence_twice_is_two_absences(martine, asked):
    first = martine.post("/api/v1/absences", asked).json()["absence"]["id"]
    assert martine.post("/api/v1/absences", asked).json()["absence"]["id"] > first


class TestTheSameByJsonFormAndQuery:
    """P26: three ways to say the same thing."""

    def shown(self, answer):
        assert answer.status_code == 200, answer.content
        absence = answer.json()["absence"]
        return {key: absence[key] for key in ("title", "first_day", "start_time", "end_day", "end_time")}

    def test_by_form(self, martine, asked):
        by_json = self.shown(martine.post("/api/v1/absences", asked))
        form = "&".join(f"{key}={value}" for key, value in asked.items())
        assert self.shown(martine.post("/api/v1/absences", form, FORM)) == by_json

    def test_by_multipart_form(self, martine, asked):
        by_json = self.shown(martine.post("/api/v1/absences", asked))
        boundary = "--b\r\n" + "--b\r\n".join(
            f'Content-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in asked.items()
        )
        answer = martine.post("/api/v1/absences", f"{boundary}--b--\r\n", "multipart/form-data; boundary=b")
        assert self.shown(answer) == by_json

    def test_by_query(self, martine, asked):
        by_json = self.shown(martine.post("/api/v1/absences", asked))
        answer = martine.post("/api/v1/absences", "", FORM, query_params=asked)
        assert self.shown(answer) == by_json

    def test_the_query_beats_the_body(self, martine, asked):
        answer = martine.post("/api/v1/absences?title=Adresse", asked | {"title": "Corps"})
        assert self.shown(answer)["title"] == "Adresse"


def test_a_body_that_is_not_read_is_said_so(martine, asked):
    answer = martine.post("/api/v1/absences", json.dumps(asked), "text/plain")
    assert (answer.status_code, answer.json()["hint"]) == (422, "Content-Type: application/json")


def test_nothing_of_a_refused_creation_is_logged_as_an_error(cast, sign_in, asked, caplog):
    with caplog.at_level(logging.ERROR):
        sign_in(cast.etienne).post("/api/v1/absences", asked)
    assert not caplog.records
