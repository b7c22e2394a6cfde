"""The bodies of errors, and their sentences."""

from __future__ import annotations

import pytest

from conformance import expect

BODIES = pytest.mark.contract("1.7")
SHAPE = pytest.mark.contract("1.8")
SENTENCES = pytest.mark.contract("1.9")

JSON = {"Content-Type": "application/json"}


@BODIES
@pytest.mark.parametrize("content", ["{", '{"title": }', "[1]", '"text"', "null", "{'a': 1}", '{"a": NaN}', "\ufeff{"])
def test_a_body_that_is_no_json_object_is_a_bad_request(worker, content):
    expect.bad_request(worker.post("/absences", content=content.encode(), headers=JSON))


@BODIES
def test_the_sentence_of_malformed_json(worker):
    document = expect.body(worker.post("/absences", content=b"{", headers=JSON), 400)
    assert document["error_messages"] == ["Le corps de la requête n'est pas un JSON valide."]


@BODIES
@pytest.mark.parametrize("path", ["/absences", "/absences/1", "/agents", "/organisations", "/organisations/1"])
def test_a_stranger_is_asked_to_sign_in(anonymous, path):
    expect.unauthenticated(anonymous.get(path))


@BODIES
def test_forbidden_has_no_success_key(worker, foreign):
    answer = worker.get(f"/absences/{foreign['id']}")
    assert list(expect.body(answer, 403)) == ["errors", "error_messages"]
    expect.forbidden(answer)


@BODIES
@pytest.mark.parametrize("verb", ["GET", "PUT", "PATCH", "DELETE"])
def test_an_unknown_absence_is_named(worker, verb):
    expect.not_found(worker.ask(verb, "/absences/0"), "absence")


@BODIES
def test_an_unknown_email_of_an_agent_is_named(worker, asked):
    values = {name: value for name, value in asked.items() if name != "agent_id"}
    answer = worker.post("/absences", json=values | {"agent_email": "personne@conformance.invalid"})
    expect.not_found(answer, "agent")


@BODIES
@pytest.mark.parametrize("verb", ["GET", "PUT", "PATCH"])
def test_an_unknown_organisation_is_told_in_the_long_form(worker, verb):
    document = expect.body(worker.ask(verb, "/organisations/0"), 404)
    assert document["success"] is False
    (sentence,) = document["errors"]
    assert sentence.startswith("Couldn't find Organisation")


@BODIES
def test_an_unknown_address_is_told_in_json(worker, anonymous):
    for caller in (worker, anonymous):
        expect.refused(caller.get("/nulle-part"), 404, "not_found")


@BODIES
def test_get_sign_in_is_refused_with_the_verb_to_use(anonymous):
    answer = anonymous.get("/auth/sign_in")
    expect.refused(answer, 405, "Utilisez POST /sign_in pour la connexion. GET n'est pas supporté.")


@BODIES
def test_another_wrong_verb_has_the_shape_of_a_bad_request(worker):
    document = expect.body(worker.delete("/agents"), 405)
    assert document["success"] is False
    assert document["errors"] == [{"base": "method_not_allowed"}]
    assert len(document["error_messages"]) == 1


@BODIES
def test_an_invalid_record_has_three_keys(worker):
    document = expect.body(worker.post("/absences"), 422)
    assert list(document) == ["success", "errors", "error_messages"]
    assert document["success"] is False


@SHAPE
def test_errors_are_grouped_by_attribute_and_told_one_by_one(worker, asked):
    answer = worker.post("/absences", json=asked | {"title": " ", "first_day": "2017-05-06", "end_day": "2017-05-07"})
    document = expect.body(answer, 422)
    assert isinstance(document["errors"], dict)
    for attribute, failures in document["errors"].items():
        assert isinstance(failures, list)
        for failure in failures:
            assert isinstance(failure["error"], str)
        assert any(message.startswith(f"{attribute} ") for message in document["error_messages"])
    assert len(document["error_messages"]) == sum(map(len, document["errors"].values()))


@SHAPE
def test_a_rule_without_code_shows_its_sentence_instead(worker, asked):
    answer = worker.post("/absences", json=asked | {"end_time": asked["start_time"]})
    sentence = "doit être après le début."
    expect.invalid(answer, {"ends_time": [{"error": sentence}]}, [f"ends_time {sentence}"])


@SHAPE
def test_attributes_are_named_as_on_the_wire(worker):
    document = expect.body(worker.post("/absences"), 422)
    for message in document["error_messages"]:
        assert message.split()[0] in document["errors"]


@SENTENCES
@pytest.mark.parametrize("verb", ["GET", "PUT", "PATCH", "DELETE"])
def test_an_absence_out_of_sight(worker, foreign, verb):
    expect.forbidden(worker.ask(verb, f"/absences/{foreign['id']}", json={}), expect.FORBIDDEN)


@SENTENCES
def test_a_creation_out_of_sight(worker, asked, foreign):
    expect.forbidden(worker.post("/absences", json=asked | {"agent_id": foreign["agent"]["id"]}), expect.FORBIDDEN)


@SENTENCES
def test_an_organisation_where_one_has_no_role(cast, directory, server):
    caller, place = stranger(cast, directory)
    expect.forbidden(caller.get(f"/organisations/{server.place_id(place)}"), expect.FORBIDDEN_ORGANISATION)


@SENTENCES
@pytest.mark.parametrize("verb", ["PUT", "PATCH"])
def test_an_organisation_where_one_is_no_admin(cast, server, verb):
    caller = cast.basic
    place = next(iter(caller.who.bas))
    answer = caller.ask(verb, f"/organisations/{server.place_id(place)}", json={})
    expect.forbidden(answer, expect.FORBIDDEN)


def stranger(cast, directory):
    """Somebody, and an organisation where they have no role, and somebody else has."""
    caller = cast.worker
    able = [one for one in directory.agents if one.can_sign_in]
    for place in directory.places:
        if place not in caller.who.roles and any(place in one.roles for one in able):
            return caller, place
    pytest.skip(f"{caller.who.email} has a role in every organisation of the directory file")
