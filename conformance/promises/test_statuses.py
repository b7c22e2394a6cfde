"""Which status comes first, when several would do."""

from __future__ import annotations

import json

import pytest

from conformance import expect
from conformance.material import titled

pytestmark = pytest.mark.contract("1.3")

BROKEN = {"content": b'{"title": ', "headers": {"Content-Type": "application/json"}}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/absences"),
        ("GET", "/absences/0"),
        ("POST", "/absences"),
        ("PUT", "/absences/0"),
        ("PATCH", "/absences/0"),
        ("DELETE", "/absences/0"),
        ("GET", "/agents"),
        ("GET", "/organisations"),
        ("GET", "/organisations/0"),
        ("PATCH", "/organisations/0"),
    ],
)
def test_credentials_come_before_everything_else(anonymous, method, path):
    expect.unauthenticated(anonymous.ask(method, path))


def test_nobody_unknown_has_their_json_read(anonymous):
    """The original tells a stranger that their JSON is malformed."""
    expect.unauthenticated(anonymous.post("/absences", **BROKEN))


def test_malformed_json_comes_before_the_record(worker, foreign):
    for identifier in ("0", foreign["id"]):
        assert worker.patch(f"/absences/{identifier}", **BROKEN).status_code == 400


def test_the_record_comes_before_its_values(worker):
    expect.not_found(worker.patch("/absences/0", json={"start_time": "8h", "title": ""}), "absence")


@pytest.mark.parametrize("verb", ["PUT", "PATCH"])
def test_the_right_comes_before_the_values_of_an_update(worker, foreign, verb):
    expect.forbidden(worker.ask(verb, f"/absences/{foreign['id']}", json={"start_time": "8h", "title": ""}))


def test_a_creation_is_judged_by_its_values_before_the_right(worker, asked, foreign):
    values = asked | {"agent_id": foreign["agent"]["id"]}
    expect.blank(worker.post("/absences", json=values | {"title": ""}), "title")
    expect.forbidden(worker.post("/absences", json=values))


def test_a_refused_creation_makes_nothing(worker, cast, asked, foreign):
    worker.post("/absences", json=asked | {"agent_id": foreign["agent"]["id"], "title": titled("Refusé")})
    _agent, seer = cast.hidden(worker)
    assert expect.body(seer.get(f"/absences/{foreign['id']}"), 200)["absence"]["title"] == foreign["title"]
    rows = expect.body(seer.get("/absences"), 200)["absences"]
    assert not [row for row in rows if row["title"] == titled("Refusé") and row["first_day"] == asked["first_day"]]


@pytest.mark.parametrize("path", ["/nulle-part", "/absences/1/2", "/absence", "//api/v9/absences"])
def test_an_unknown_address_is_404_for_whoever_asks(worker, anonymous, path):
    for caller in (worker, anonymous):
        assert caller.get(path).status_code == 404


def test_unreadable_input_is_never_a_bug(worker, asked):
    """Any 500 fails a test of this kit; these are a few ways to one."""
    for values in (
        {"agent_id": {"a": 1}},
        {"agent_id": [1]},
        {"agent_id": True},
        {"agent_id": 1e400},
        {"title": {"a": "b"}},
        {"title": ["x"]},
        {"first_day": 20261122},
        {"first_day": ["2026-11-22"]},
        {"start_time": {"hour": 8}},
        {"start_time": 8.5},
        {"end_day": False},
    ):
        assert worker.post("/absences", content=_json(asked | values), headers=_JSON).status_code in (400, 422)
    assert worker.get("/absences", params={"page": "9" * 400}).status_code == 200
    assert worker.get("/absences?page=%FF").status_code in (200, 400)
    assert worker.get("/absences?page=%00").status_code in (200, 400)


_JSON = {"Content-Type": "application/json"}


def _json(values):
    return json.dumps(values).replace("Infinity", "1e400").encode()
