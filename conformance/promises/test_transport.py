"""Addresses, bodies, verbs and identifiers."""

from __future__ import annotations

import pytest

from conformance import expect
from conformance.material import day, made, titled

pytestmark = pytest.mark.contract("1.1")

ENDS = ["", "/", ".json"]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("path", ["/absences", "/agents", "/organisations", "/auth/validate_token"])
def test_an_address_may_end_with_a_slash_or_json(worker, path, end):
    assert worker.get(path + end).status_code == 200


@pytest.mark.parametrize("end", ENDS)
def test_so_may_that_of_one_record_for_every_verb(worker, asked, end):
    answer = worker.post(f"/absences{end}", json=asked)
    assert answer.status_code == 200
    path = f"/absences/{answer.json()['absence']['id']}{end}"
    assert worker.get(path).status_code == 200
    assert worker.put(path, json={"title": titled("RTT")}).status_code == 200
    assert worker.patch(path, json={"title": titled("RTT")}).status_code == 200
    assert worker.delete(path).status_code == 204


@pytest.mark.parametrize("accept", [None, "application/json", "text/html", "application/xml", "*/*", "nonsense"])
def test_an_answer_is_json_whatever_is_accepted(worker, accept):
    answer = worker.get("/agents", headers={"Accept": accept} if accept else {})
    assert expect.media(answer) == expect.JSON
    assert "agents" in answer.json()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/absences", 200),
        ("GET", "/absences/inconnu", 404),
        ("GET", "/nulle-part", 404),
        ("POST", "/absences", 422),
        ("GET", "/auth/sign_in", 405),
    ],
)
def test_every_answer_with_a_body_is_json_in_utf_8(worker, method, path, status):
    answer = worker.ask(method, path, headers={"Accept": "text/html"})
    assert answer.status_code == status
    assert expect.media(answer) == expect.JSON
    answer.json()


def test_a_refusal_is_json_too(anonymous, worker, foreign):
    for caller, status in ((anonymous, 401), (worker, 403)):
        answer = caller.get(f"/absences/{foreign['id']}", headers={"Accept": "text/html"})
        assert answer.status_code == status
        assert expect.media(answer) == expect.JSON


@pytest.mark.parametrize("form", ["json", "form", "multipart", "query"])
def test_a_creation_is_the_same_by_json_form_or_query(worker, asked, form):
    answer = worker.post("/absences", **_sent(asked, form))
    row = expect.body(answer, 200)["absence"]
    assert (row["agent"]["id"], row["title"]) == (asked["agent_id"], asked["title"])
    assert (row["first_day"], row["start_time"], row["end_time"]) == (day(), "08:00:00", "12:00:00")


@pytest.mark.parametrize("form", ["json", "form", "multipart", "query"])
@pytest.mark.parametrize("verb", ["PUT", "PATCH"])
def test_an_update_is_partial_by_put_and_patch_by_json_form_or_query(worker, absence, verb, form):
    change = {"title": titled("Formation")}
    answer = worker.ask(verb, f"/absences/{absence['id']}", **_sent(change, form))
    row = expect.body(answer, 200)["absence"]
    assert row["title"] == change["title"]
    kept = ("id", "agent", "first_day", "end_day", "start_time", "end_time", "organisation")
    assert {name: row[name] for name in kept} == {name: absence[name] for name in kept}


def _sent(values, form):
    match form:
        case "json":
            return {"json": values}
        case "form":
            return {"data": values}
        case "multipart":
            return {"files": {name: (None, str(value)) for name, value in values.items()}}
    return {"params": values}


def test_a_deletion_may_have_parameters(worker, absence):
    assert worker.delete(f"/absences/{absence['id']}", params={"anything": "1"}).status_code == 204


def test_the_query_beats_the_body(worker, absence):
    answer = worker.patch(
        f"/absences/{absence['id']}", params={"title": titled("Adresse")}, json={"title": titled("Corps")}
    )
    assert expect.body(answer, 200)["absence"]["title"] == titled("Adresse")


def test_the_path_beats_the_query_and_the_body(worker, asked, absence):
    other = made(worker, asked, title=titled("Autre"))
    answer = worker.patch(
        f"/absences/{absence['id']}", params={"id": other["id"], "pk": other["id"]}, json={"id": other["id"]}
    )
    assert expect.body(answer, 200)["absence"]["id"] == absence["id"]


def test_json_under_another_type_is_absent(worker, asked):
    """Here a creation says what is missing; a body that holds parameters by chance is not taken for JSON."""
    content = b'{"agent_id": %d, "title": "x", "first_day": "%s"}' % (asked["agent_id"], day().encode())
    answer = worker.post("/absences", content=content, headers={"Content-Type": "text/plain"})
    expect.blank(answer, "first_day", "start_time", "end_time", "agent", "title")


def test_json_may_name_its_charset(worker, asked):
    headers = {"Content-Type": "application/json; charset=utf-8"}
    content = f'{{"agent_id": {asked["agent_id"]}, "title": "{titled("Élève")}", "first_day": "{day()}", '
    content += '"start_time": "08:00", "end_time": "12:00"}'
    answer = worker.post("/absences", content=content.encode(), headers=headers)
    assert expect.body(answer, 200)["absence"]["title"] == titled("Élève")


def test_unknown_parameters_change_nothing(worker, asked):
    answer = worker.post("/absences", params={"inconnu": "1"}, json=asked | {"unknown": [1], "id": 12})
    row = expect.body(answer, 200)["absence"]
    assert row["id"] != 12
    assert row["title"] == asked["title"]
    assert expect.body(worker.get("/agents"), 200) == expect.body(worker.get("/agents", params={"zzz": "1"}), 200)


@pytest.mark.parametrize("path", ["/absences", "/agents", "/organisations", "/auth/validate_token"])
def test_head_is_get_without_the_body(worker, path):
    get, head = worker.get(path), worker.ask("HEAD", path)
    assert head.status_code == get.status_code == 200
    assert head.content == b""
    for name in ("Content-Type", "ETag", "Cache-Control"):
        assert head.headers[name] == get.headers[name]


def test_head_of_one_record(worker, absence):
    assert worker.ask("HEAD", f"/absences/{absence['id']}").status_code == 200
    assert worker.ask("HEAD", "/absences/0").status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/absences"),
        ("POST", "/absences/1"),
        ("POST", "/agents"),
        ("DELETE", "/agents"),
        ("POST", "/organisations"),
        ("DELETE", "/organisations/1"),
        ("POST", "/auth/validate_token"),
        ("GET", "/auth/sign_out"),
    ],
)
def test_a_known_address_with_another_verb_is_405_which_names_the_verbs(worker, method, path):
    """The original answers 404, as if the address were wrong."""
    answer = worker.ask(method, path)
    assert answer.status_code == 405
    allowed = {verb.strip() for verb in answer.headers["Allow"].split(",")}
    assert allowed
    assert method not in allowed


def test_a_creation_is_200_and_never_201(worker, asked):
    assert worker.post("/absences", json=asked).status_code == 200


def test_a_deletion_is_204_without_body_or_content_type(worker, absence):
    answer = worker.delete(f"/absences/{absence['id']}")
    assert answer.status_code == 204
    assert answer.content == b""
    assert "Content-Type" not in answer.headers


@pytest.mark.parametrize("end", ["abc", "-x", "%20", ".5", "é"])
def test_an_identifier_is_its_leading_digits(worker, absence, end):
    answer = worker.get(f"/absences/{absence['id']}{end}")
    assert expect.body(answer, 200)["absence"]["id"] == absence["id"]


@pytest.mark.parametrize("identifier", ["inconnu", "0", "-1", "x1", "9223372036854775808", "9" * 40])
@pytest.mark.parametrize("verb", ["GET", "PUT", "PATCH", "DELETE"])
def test_what_is_no_identifier_finds_nothing(worker, verb, identifier):
    expect.not_found(worker.ask(verb, f"/absences/{identifier}"), "absence")


def test_an_identifier_in_a_parameter_is_its_leading_digits_too(worker, asked):
    row = made(worker, asked, agent_id=f"{asked['agent_id']}abc")
    assert row["agent"]["id"] == asked["agent_id"]
