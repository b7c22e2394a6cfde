"""Contract 1.2: an ETag on each 200, and 304 for a GET whose answer the client has already (RFC 9110 13.1.2)."""

from __future__ import annotations

import re

import pytest
from django.utils.http import parse_etags

from rdv.api import conditional
from tests.factories import AbsenceFactory

AGENTS = "/api/v1/agents"
WEAK = re.compile(r'W/"[0-9a-f]{32}"')
STRONG = re.compile(r'"[0-9]+\.1-[0-9a-f]{32}"')


@pytest.fixture
def martine(cast, sign_in):
    return sign_in(cast.martine)


@pytest.fixture
def etag(martine):
    return martine.get(AGENTS)["ETag"]


def ask(martine, condition, verb="get", path=AGENTS):
    return getattr(martine, verb)(path, headers={"If-None-Match": condition})


def test_an_etag_is_weak_and_has_32_hexadecimal_digits(etag):
    assert WEAK.fullmatch(etag)


def test_the_same_answer_has_the_same_etag(now, martine, etag):
    now.tick(60)
    assert martine.get(AGENTS)["ETag"] == etag


def test_another_answer_has_another_etag(cast, martine, etag):
    cast.bruno.first_name = "Bruno-Paul"
    cast.bruno.save()
    assert martine.get(AGENTS)["ETag"] != etag


def test_a_creation_has_one_too(cast, martine):
    answer = martine.post(
        "/api/v1/absences",
        {
            "agent_id": cast.bruno.pk,
            "title": "Congés",
            "first_day": "2026-12-01",
            "start_time": "9:00",
            "end_time": "10:00",
        },
    )
    assert answer.status_code == 200
    assert STRONG.fullmatch(answer["ETag"])


def test_known_already_it_is_304_without_body(martine, etag):
    answer = ask(martine, etag)
    assert answer.status_code == 304
    assert answer.content == b""
    assert answer["ETag"] == etag


def test_a_304_repeats_the_credential_and_the_other_headers(martine, etag):
    answer = ask(martine, etag)
    assert {name: answer[name] for name in martine.triple} == martine.triple
    assert answer["Cache-Control"] == "max-age=0, private, must-revalidate"
    assert answer["X-Total-Count"] == "4"
    assert "Accept-Language" in answer["Vary"]


@pytest.mark.parametrize("form", ["{strong}", '"x", {weak}', "*", "{weak},{weak}", ' W/"a" , {strong} '])
def test_the_forms_of_a_condition_that_holds(martine, etag, form):
    assert ask(martine, form.format(weak=etag, strong=etag.removeprefix("W/"))).status_code == 304


@pytest.mark.parametrize("condition", ["", '"x"', 'W/"x"', "x", ",", '"', "é", "W/", "a" * 5000])
def test_a_condition_that_does_not_hold_or_cannot_be_read(martine, etag, condition):
    assert ask(martine, condition).status_code == 200


def test_a_change_makes_it_200_again(cast, martine):
    absence = AbsenceFactory(agent=cast.bruno)
    path = f"/api/v1/absences/{absence.pk}"
    etag = martine.get(path)["ETag"]
    assert ask(martine, etag, path=path).status_code == 304
    martine.patch(path, {"title": "Formation"})
    assert ask(martine, etag, path=path).status_code == 200


def test_the_etag_of_an_absence_stays_while_time_passes(now, cast, martine):
    path = f"/api/v1/absences/{AbsenceFactory(agent=cast.bruno).pk}"
    etag = martine.get(path)["ETag"]
    now.tick(60 * 60)
    assert ask(martine, etag, path=path).status_code == 304


def test_head_has_the_same_etag_and_the_same_304(martine, etag):
    answer = martine.head(AGENTS)
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer["ETag"] == etag
    assert answer["Content-Type"] == "application/json; charset=utf-8"
    assert ask(martine, etag, verb="head").status_code == 304


def test_a_change_does_not_look_at_if_none_match(cast, martine):
    answer = martine.patch(f"/api/v1/organisations/{cast.mds.pk}", {"name": "Nouveau"}, headers={"If-None-Match": "*"})
    assert answer.status_code == 200


def test_an_error_is_never_304(anonymous, cast, martine):
    assert ask(anonymous, "*").status_code == 401
    assert ask(martine, "*", path="/api/v1/absences/999").status_code == 404


def test_another_agent_with_another_answer_has_another_etag(cast, sign_in, etag):
    assert sign_in(cast.bruno).get(AGENTS)["ETag"] != etag


def test_of_a_header_of_many_kilobytes_the_first_are_read(cast, martine, etag, monkeypatch):
    read = []
    monkeypatch.setattr(conditional, "parse_etags", lambda sent: read.append(len(sent)) or parse_etags(sent))
    many = ", ".join(['"x"'] * 50_000)
    assert ask(martine, f"{etag}, {many}").status_code == 304
    assert ask(martine, f"{many}, {etag}").status_code == 200
    path = f"/api/v1/absences/{AbsenceFactory(agent=cast.bruno).pk}"
    assert martine.delete(path, headers={"If-Match": many}).status_code == 412
    assert len(read) == 3
    assert max(read) == conditional.LONGEST
