"""What webhook endpoints are told, as it arrives. Needs a receiver that the server can reach (`--receiver`)."""

from __future__ import annotations

import uuid

import pytest

from conformance import expect
from conformance.deliveries import is_plain, is_sent, is_shown, is_signed, is_signed_with_its_moment, tells
from conformance.material import made, titled, valid

pytestmark = pytest.mark.contract("5.5")

SHOWN = [
    *("id", "agent", "end_day", "end_time", "first_day", "ical", "ical_uid", "organisation", "rrule", "start_time"),
    "title",
]
WORDS = "Réunion <b>d'été</b> & bilan"
EVENTS = ("created", "updated", "destroyed")


@pytest.fixture(scope="module")
def told(server, cast, subscriber):
    """By event, what an endpoint was told of an absence that was made, changed and removed; by event, how the API
    showed it.
    """
    caller, places = cast.steward
    box = subscriber.endpoint(caller, server.place_id(places[0]))
    rows = {"created": made(caller, valid(server.id_of(caller.who)), title=titled(WORDS))}
    one = f"/absences/{rows['created']['id']}"
    answer = caller.patch(one, json={"start_time": "07:30"})
    rows["updated"] = rows["destroyed"] = expect.body(answer, 200)["absence"]
    assert caller.delete(one).status_code == 204
    subscriber.wait(box, lambda came: set(EVENTS) <= {each.event for each in came} or len(came) >= len(EVENTS))
    assert not server.tidy()
    return {event: next((each for each in box.deliveries if each.event == event), None) for event in EVENTS}, rows


@pytest.fixture
def here(cast, server):
    """Who may make endpoints, and the organisation."""
    caller, places = cast.steward
    return caller, server.place_id(places[0])


@pytest.mark.parametrize("event", EVENTS)
def test_each_is_a_post_of_json_a_deletion_too(told, event):
    deliveries, _rows = told
    assert deliveries[event], f"no {event} arrived"
    is_sent(deliveries[event])


@pytest.mark.parametrize("event", EVENTS)
def test_each_is_signed_over_its_very_bytes(told, subscriber, event):
    deliveries, _rows = told
    assert deliveries[event], f"no {event} arrived"
    is_signed(deliveries[event], subscriber.secret)


@pytest.mark.parametrize("event", EVENTS)
def test_it_says_what_happened_to_what_and_shows_it(told, event):
    """As it is after the change; what was destroyed as it was before."""
    deliveries, rows = told
    assert deliveries[event], f"no {event} arrived"
    is_shown(tells(deliveries[event], event), rows[event], SHOWN)


@pytest.mark.contract("+webhooks")
@pytest.mark.parametrize("event", EVENTS)
def test_each_is_signed_a_second_time_with_its_id_and_moment(told, subscriber, event):
    deliveries, _rows = told
    assert deliveries[event], f"no {event} arrived"
    expect.offered("webhook-signature" in deliveries[event].headers, "Standard Webhooks")
    is_signed_with_its_moment(deliveries[event], subscriber.secret)


@pytest.mark.contract("+webhooks")
def test_each_event_has_an_id_of_its_own(told):
    deliveries, _rows = told
    assert all(deliveries.values()), "not all arrived"
    names = [one.headers.get("webhook-id") for one in deliveries.values()]
    expect.offered(any(names), "webhook-id")
    assert len(set(names)) == len(EVENTS)


def test_text_is_not_escaped_for_html(told):
    deliveries, _rows = told
    assert deliveries["created"], "nothing arrived"
    is_plain(deliveries["created"], WORDS)


def test_a_new_secret_signs_from_then_on_whatever_it_looks_like(server, subscriber, here):
    caller, organisation = here
    box = subscriber.endpoint(caller, organisation)
    secret = f"whsec_{uuid.uuid4().hex}"
    server.secrets.add(secret)
    expect.body(caller.patch(box.path, json={"secret": secret, "trigger": False}), 200)
    made(caller, valid(server.id_of(caller.who)))
    subscriber.wait(box, len)
    is_signed(box.deliveries[0], secret)


def test_an_absence_is_told_to_every_organisation_of_the_agent_and_to_no_other(cast, server, directory, subscriber):
    caller, places = cast.steward
    partly = [one for one in directory.seen_by(caller.who) if set(places) & one.reach and set(places) - one.reach]
    if not partly:
        pytest.skip(f"nobody works in one of the organisations of {caller.who.email} and not in all of them")
    boxes = {place: subscriber.endpoint(caller, server.place_id(place)) for place in places}
    agents = [caller.who, partly[0]]
    rows = {agent: made(caller, valid(server.id_of(agent)))["id"] for agent in agents}
    told_of = {place: {rows[agent] for agent in agents if place in agent.roles} for place in places}
    for place, box in boxes.items():
        subscriber.wait(box, lambda came, expected=told_of[place]: expected <= {one.about for one in came})
    subscriber.listen_on()
    assert {place: {one.about for one in box.deliveries} for place, box in boxes.items()} == told_of


def test_only_what_is_subscribed_to_is_told(cast, server, directory, subscriber):
    """An absence, and then a change of the organisation itself, to who follows organisations alone."""
    caller, places = cast.steward
    able = [one for one in directory.agents if one.can_sign_in]
    place, admin = next(((place, one) for place in places for one in able if place in one.adm), (None, None))
    if admin is None:
        pytest.skip(f"the directory file has no admin with a password where {caller.who.email} works")
    organisation, admin = server.place_id(place), server.caller(admin)
    one = f"/organisations/{organisation}"
    before = expect.body(admin.get(one), 200)["organisation"]
    box = subscriber.endpoint(caller, organisation, subscriptions=["organisation"])
    made(caller, valid(server.id_of(caller.who)))
    try:
        changed = expect.body(admin.patch(one, json={"email": "webhook@conformance.example"}), 200)["organisation"]
        subscriber.wait(box, len)
    finally:
        expect.body(admin.patch(one, json={"email": before["email"]}), 200)
    subscriber.listen_on()
    told = tells(box.deliveries[0], "updated", "Organisation")
    assert {key: told[key] for key in changed} == changed
    assert {each.document["meta"]["model"] for each in box.deliveries} == {"Organisation"}


def test_what_there_is_is_told_as_created_when_an_endpoint_is_made_and_when_it_is_changed(server, subscriber, here):
    caller, organisation = here
    rows = {row["id"]: row for row in (made(caller, valid(server.id_of(caller.who))) for _time in range(2))}
    box = subscriber.endpoint(caller, organisation, trigger=None)
    for change in ({}, None):
        subscriber.wait(box, lambda came: rows.keys() <= {one.about for one in came})
        for number, row in rows.items():
            is_shown(tells(box.of(number)[0], "created"), row, SHOWN)
        box.deliveries.clear()
        if change is not None:
            expect.body(caller.patch(box.path, json=change), 200)
