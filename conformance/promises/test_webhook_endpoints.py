"""Webhook endpoints: who is told of changes, as the API keeps them. What they are told is in test_deliveries.py."""

from __future__ import annotations

import uuid

import pytest

from conformance import expect
from conformance.client import NOWHERE
from conformance.material import made, valid

OBJECTS = pytest.mark.contract("4.1")
ENDPOINTS = pytest.mark.contract("4.10")
RULES = pytest.mark.contract("1.10")
RIGHTS = pytest.mark.contract("3.3")
ADDITION = pytest.mark.contract("+webhooks")

KEYS = ["id", "organisation_id", "subscriptions", "target_url"]
USUAL = ["rdv", "absence", "plage_ouverture"]
EVERYTHING = [
    *("rdv", "plage_ouverture", "motif", "lieu", "user_profile", "agent_role", "organisation", "absence", "agent"),
    *("user", "referent_assignation"),
]
WRONG = "la liste des abonnements choisis contient une ou plusieurs valeurs incorrectes"
NOBODY = ["0", "inconnue", "9223372036854775808"]


def address():
    """One where nobody listens."""
    return f"{NOWHERE}/{uuid.uuid4().hex}"


def path_of(organisation):
    return f"/organisations/{organisation}/webhook_endpoints"


def nowhere_found(answer, kind):
    """The sentence is English, and may say more: only its beginning is promised."""
    document = expect.body(answer, 404)
    assert list(document) == ["success", "errors"]
    assert document["success"] is False
    (sentence,) = document["errors"]
    assert sentence.startswith(f"Couldn't find {kind}")


@pytest.fixture
def values(server):
    """What makes an endpoint that is told nothing."""
    secret = uuid.uuid4().hex
    server.secrets.add(secret)
    return {"target_url": address(), "secret": secret, "trigger": False}


@pytest.fixture
def here(cast, server):
    """Somebody who may make endpoints, and the address of those of an organisation."""
    caller, places = cast.steward
    return caller, path_of(server.place_id(places[0]))


@pytest.fixture
def endpoint(here, values):
    """The path of an endpoint, and how it was shown when it was made."""
    caller, path = here
    row = expect.body(caller.post(path, json=values), 200)["webhook_endpoint"]
    return f"{path}/{row['id']}", row


# What one is


@OBJECTS
def test_an_endpoint_has_its_keys_and_types_and_never_its_secret(here, endpoint, values):
    caller, path = here
    one, row = endpoint
    listed = next(each for each in caller.walk(path, "webhook_endpoints") if each["id"] == row["id"])
    changed = expect.body(caller.patch(one, json={"trigger": False}), 200)["webhook_endpoint"]
    for shown in (row, listed, changed):
        assert [key for key in shown if key in KEYS] == KEYS
        assert type(shown["id"]) is type(shown["organisation_id"]) is int
        assert shown["target_url"] == values["target_url"]
        assert all(isinstance(each, str) for each in shown["subscriptions"])
        assert "secret" not in shown
        assert values["secret"] not in str(shown)


# The list


@ENDPOINTS
def test_the_list_shows_those_of_the_organisation_as_they_were_made(here, endpoint):
    caller, path = here
    answer = expect.body(caller.get(path), 200)
    assert next(iter(answer)) == "webhook_endpoints"
    assert [row for row in answer["webhook_endpoints"] if row["id"] == endpoint[1]["id"]] == [endpoint[1]]
    assert all(str(row["organisation_id"]) == path.split("/")[2] for row in answer["webhook_endpoints"])


@ENDPOINTS
def test_the_list_is_narrowed_by_the_exact_address(here, endpoint, values):
    caller, path = here
    caller.post(path, json=values | {"target_url": address()})
    url = values["target_url"]
    for asked, found in ((url, [endpoint[1]]), (url[:-1], []), (f"{url}/", []), (url.upper(), [])):
        document = expect.body(caller.get(path, params={"target_url": asked}), 200)
        assert document["webhook_endpoints"] == found
        assert document["meta"]["total_count"] == len(found)


@ENDPOINTS
def test_the_list_has_pages(here, endpoint):
    caller, path = here
    first = expect.body(caller.get(path), 200)["meta"]
    assert first["current_page"] == 1
    assert first["total_count"] >= first["total_pages"] >= 1
    beyond = expect.body(caller.get(path, params={"page": 999}), 200)
    assert beyond["webhook_endpoints"] == []
    assert beyond["meta"] == first | {"current_page": 999, "next_page": None, "prev_page": None}


# Create


@ENDPOINTS
def test_a_creation_answers_the_endpoint(here, values):
    caller, path = here
    row = expect.body(caller.post(path, json=values | {"subscriptions": ["rdv", "absence"]}), 200)["webhook_endpoint"]
    assert str(row["organisation_id"]) == path.split("/")[2]
    assert row["target_url"] == values["target_url"]
    assert row["subscriptions"] == ["rdv", "absence"]


@ENDPOINTS
def test_who_asks_for_no_subscription_has_the_usual_ones(endpoint):
    assert endpoint[1]["subscriptions"] == USUAL


@ENDPOINTS
def test_every_subscription_of_the_contract_is_known(here, values):
    caller, path = here
    row = expect.body(caller.post(path, json=values | {"subscriptions": EVERYTHING}), 200)["webhook_endpoint"]
    assert row["subscriptions"] == EVERYTHING


@ENDPOINTS
def test_a_query_string_will_do(here, values):
    caller, path = here
    params = values | {"subscriptions[]": ["absence", "agent"], "trigger": "false"}
    row = expect.body(caller.post(path, params=params), 200)["webhook_endpoint"]
    assert row["subscriptions"] == ["absence", "agent"]


# Update


@ENDPOINTS
@pytest.mark.parametrize("verb", ["put", "patch"])
def test_an_update_changes_what_is_sent_and_nothing_else(here, endpoint, verb):
    caller, path = here
    one, row = endpoint
    change, url = getattr(caller, verb), address()
    for sent in ({"subscriptions": ["absence"]}, {"target_url": url}, {"secret": uuid.uuid4().hex}, {}):
        before = row
        row = expect.body(change(one, json=sent | {"trigger": False}), 200)["webhook_endpoint"]
        shown = {key: value for key, value in sent.items() if key != "secret"}
        assert {key: row[key] for key in KEYS} == {key: before[key] for key in KEYS} | shown
    listed = expect.body(caller.get(path, params={"target_url": url}), 200)["webhook_endpoints"]
    assert listed == [row]


@ENDPOINTS
@pytest.mark.parametrize("verb", ["put", "patch"])
def test_an_update_moves_the_endpoint_to_the_organisation_of_the_address(cast, server, here, endpoint, verb):
    caller, path = here
    _caller, places = cast.steward
    if len(places) < 2:
        pytest.skip(f"{caller.who.email} works in no second organisation of the territory")
    there = server.place_id(places[1])
    row = endpoint[1]
    answer = getattr(caller, verb)(f"{path_of(there)}/{row['id']}", json={"trigger": False})
    moved = expect.body(answer, 200)["webhook_endpoint"]
    assert {key: moved[key] for key in KEYS} == {key: row[key] for key in KEYS} | {"organisation_id": there}
    assert row["id"] not in [each["id"] for each in caller.walk(path, "webhook_endpoints")]
    assert row["id"] in [each["id"] for each in caller.walk(path_of(there), "webhook_endpoints")]


@ENDPOINTS
def test_an_update_does_not_move_it_out_of_what_its_mover_may_know(cast, server, directory, here, endpoint):
    """In the original anybody hands an endpoint to any organisation, and is told all that happens there."""
    caller, _path = here
    foreign = next((one for one in directory.places if one not in directory.orgt(caller.who) | caller.who.reach), None)
    if foreign is None:
        pytest.skip(f"{caller.who.email} has to do with every organisation of the directory file")
    there = server.place_id(foreign)
    answer = caller.patch(f"{path_of(there)}/{endpoint[1]['id']}", json={"trigger": False})
    expect.forbidden(answer)


# What is refused


@ENDPOINTS
def test_nobody_is_told_anything_before_they_sign_in(here, endpoint, anonymous):
    _caller, path = here
    for answer in (
        anonymous.get(path),
        anonymous.post(path, json={}),
        anonymous.put(endpoint[0], json={}),
        anonymous.patch(f"{path_of(0)}/0", json={}),
    ):
        expect.unauthenticated(answer)


@RIGHTS
def test_whoever_has_a_role_in_the_organisation_sees_its_endpoints(cast, here, endpoint):
    _caller, places = cast.steward
    rows = expect.body(cast.colleague(places[0]).get(here[1]), 200)["webhook_endpoints"]
    assert endpoint[1]["id"] in [row["id"] for row in rows]


@RIGHTS
def test_who_has_no_role_there_finds_no_organisation(cast, server, here, endpoint):
    _caller, places = cast.steward
    nowhere_found(cast.stranger(places[0]).get(here[1]), "Organisation")


@RIGHTS
def test_who_does_not_administer_the_territory_makes_and_changes_none(cast, here, endpoint, values):
    """Told so before what they sent is looked at."""
    _caller, places = cast.steward
    colleague = cast.colleague(places[0])
    for answer in (
        colleague.post(here[1], json=values | {"target_url": address()}),
        colleague.post(here[1], json={}),
        colleague.put(endpoint[0], json={"trigger": False}),
        colleague.patch(endpoint[0], json={"subscriptions": ["nonsense"]}),
        cast.stranger(places[0]).post(here[1], json={}),
    ):
        expect.forbidden(answer)


@RIGHTS
def test_the_right_to_make_them_is_that_of_the_territory_alone(server, cast, directory):
    """Without role in the organisation: nothing is made here, but what is sent is looked at."""
    for agent in cast.agents("territorial_admin"):
        known = [
            place
            for place in sorted(directory.orgt(agent) - agent.reach)
            if any(place in one.roles and one.can_sign_in for one in directory.agents)
        ]
        if known:
            answer = server.caller(agent).post(path_of(server.place_id(known[0])), json={})
            expect.blank(answer, "target_url", "secret")
            return
    pytest.skip("every territorial admin of the directory file has a role in all organisations of the territory")


@ENDPOINTS
def test_an_endpoint_of_an_organisation_without_a_role_is_not_found(cast, here, endpoint):
    _caller, places = cast.steward
    for verb in ("PUT", "PATCH"):
        nowhere_found(cast.stranger(places[0]).ask(verb, endpoint[0], json={}), "WebhookEndpoint")


@ENDPOINTS
@pytest.mark.parametrize("unknown", NOBODY)
def test_an_organisation_or_an_endpoint_that_does_not_exist_is_not_found(here, values, unknown):
    caller, path = here
    nowhere_found(caller.get(path_of(unknown)), "Organisation")
    nowhere_found(caller.post(path_of(unknown), json=values), "Organisation")
    for verb in ("PUT", "PATCH"):
        nowhere_found(caller.ask(verb, f"{path}/{unknown}", json={}), "WebhookEndpoint")


@RULES
def test_an_endpoint_needs_an_address_a_secret_and_known_subscriptions(here):
    caller, path = here
    expect.blank(caller.post(path, json={}), "target_url", "secret")
    expect.invalid(
        caller.post(path, json={"target_url": "", "secret": "", "subscriptions": ["absence", "absences"]}),
        {"target_url": [{"error": "blank"}], "base": [{"error": WRONG}], "secret": [{"error": "blank"}]},
        [f"target_url {expect.BLANK}", f"base {WRONG}", f"secret {expect.BLANK}"],
    )


@RULES
def test_an_update_of_an_endpoint_is_held_to_the_same_rules(here, endpoint):
    caller, path = here
    one, row = endpoint
    for sent, name in (({"target_url": ""}, "target_url"), ({"secret": None}, "secret")):
        expect.blank(caller.patch(one, json=sent), name)
    answer = caller.patch(one, json={"subscriptions": ["absences"]})
    expect.invalid(answer, {"base": [{"error": WRONG}]}, [f"base {WRONG}"])
    assert row in expect.body(caller.get(path), 200)["webhook_endpoints"]


@RULES
def test_an_address_is_there_once_in_an_organisation(cast, server, here, endpoint, values):
    caller, path = here
    url = values["target_url"]
    errors = {"target_url": [{"error": "taken", "value": url}]}
    expect.invalid(caller.post(path, json=values), errors, ["target_url est déjà utilisé"])
    _caller, places = cast.steward
    if len(places) > 1:  # elsewhere it is another one
        expect.body(caller.post(path_of(server.place_id(places[1])), json=values), 200)


# What is told at once


@ENDPOINTS
def test_with_trigger_false_nothing_is_told_until_something_happens(server, subscriber, here):
    """In the original it is not looked at, and everything is sent again each time."""
    caller, path = here
    organisation = int(path.split("/")[2])
    made(caller, valid(server.id_of(caller.who)))
    box = subscriber.endpoint(caller, organisation, trigger=False)
    expect.body(caller.patch(box.path, json={"trigger": False}), 200)
    marker = made(caller, valid(server.id_of(caller.who)))["id"]
    subscriber.wait(box, lambda came: marker in {one.about for one in came})
    subscriber.listen_on()
    assert {one.about for one in box.deliveries} == {marker}


@ADDITION
def test_an_endpoint_is_shown_and_removed(here, endpoint):
    """The original has neither."""
    caller, path = here
    one, row = endpoint
    answer = caller.get(one)
    expect.offered(answer.status_code != 404 or "WebhookEndpoint" in answer.text, "endpoints one by one")
    assert expect.body(answer, 200) == {"webhook_endpoint": row}
    assert caller.delete(one).status_code == 204
    nowhere_found(caller.get(one), "WebhookEndpoint")
    assert row not in expect.body(caller.get(path), 200)["webhook_endpoints"]
