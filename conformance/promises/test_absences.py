"""Absences, one by one and listed."""

from __future__ import annotations

import re

import pytest

from conformance import expect
from conformance.material import day, made, titled, valid

OBJECTS = pytest.mark.contract("4.1")
ABSENCES = pytest.mark.contract("4.2")
RRULE = pytest.mark.contract("5.2")

ABSENCE = [
    *("id", "agent", "end_day", "end_time", "first_day", "ical", "ical_uid", "organisation", "rrule", "start_time"),
    "title",
]
AGENT = ["id", "email", "first_name", "inclusion_connect_open_id_sub", "last_name"]
ORGANISATION = ["id", "email", "name", "phone_number", "verticale"]
TEXTS = (str, type(None))


def is_agent(document):
    assert [key for key in document if key in AGENT] == AGENT
    assert type(document["id"]) is int
    assert all(isinstance(document[key], TEXTS) for key in AGENT[1:])


def is_organisation(document):
    assert [key for key in document if key in ORGANISATION] == ORGANISATION
    assert type(document["id"]) is int
    assert isinstance(document["name"], str)
    assert all(isinstance(document[key], TEXTS) for key in ("email", "phone_number"))
    assert document["verticale"] in ("rdv_insertion", "rdv_solidarites", "rdv_aide_numerique", "rdv_mairie")


# 4.1


@OBJECTS
def test_an_absence_has_its_keys_and_types(absence, asked):
    assert [key for key in absence if key in ABSENCE] == ABSENCE
    assert type(absence["id"]) is int
    assert all(isinstance(absence[key], str) for key in ("title", "ical", "ical_uid", "first_day", "start_time"))
    is_agent(absence["agent"])
    assert absence["agent"]["id"] == asked["agent_id"]
    is_organisation(absence["organisation"])


@OBJECTS
@pytest.mark.parametrize(("plural", "check"), [("agents", is_agent), ("organisations", is_organisation)])
def test_agents_and_organisations_have_theirs(worker, plural, check):
    rows = expect.body(worker.get(f"/{plural}"), 200)[plural]
    assert rows
    for row in rows:
        check(row)


@OBJECTS
def test_an_absence_in_a_list_is_the_absence_itself(worker, absence):
    rows = expect.body(worker.get("/absences"), 200)["absences"]
    assert [row for row in rows if row["id"] == absence["id"]] == [absence]


@OBJECTS
def test_the_calendars_name_has_its_space_and_its_accent(absence):
    assert absence["ical_uid"] == f"absence_{absence['id']}@RDV Solidarités"


@OBJECTS
def test_the_agent_is_shown_as_in_the_list_of_agents(worker, absence):
    agents = {row["id"]: row for row in worker.walk("/agents", "agents")}
    assert agents[absence["agent"]["id"]] == absence["agent"]


@OBJECTS
def test_the_names_are_those_of_the_directory(directory, worker):
    for row in worker.walk("/agents", "agents"):
        agent = directory.by_email.get(row["email"])
        if agent is not None:
            assert (row["first_name"], row["last_name"]) == (agent.first_name, agent.last_name)


@OBJECTS
def test_the_organisation_shown_is_the_agents_of_lowest_id(cast, server, directory):
    """Of somebody in several of them, all of which somebody of the file works in."""
    able = [one for one in directory.agents if one.can_sign_in]
    for agent in directory.agents:
        seer = next((one for one in able if directory.sees(one, agent)), None)
        known = all(any(place in one.roles for one in able) for place in agent.roles)
        if seer and known and len(agent.roles) > 1:
            row = made(server.caller(seer), valid(server.id_of(agent)))
            assert row["organisation"]["id"] == min(server.place_id(place) for place in agent.roles)
            return
    pytest.skip("the directory file has nobody who works in several organisations, and whom somebody sees")


# 4.2: creation


@ABSENCES
def test_a_creation_answers_the_absence_as_it_is_shown_then(worker, asked):
    answer = worker.post("/absences", json=asked)
    row = expect.body(answer, 200)["absence"]
    assert (row["title"], row["first_day"], row["end_day"]) == (asked["title"], asked["first_day"], asked["first_day"])
    assert (row["start_time"], row["end_time"]) == ("08:00:00", "12:00:00")
    assert expect.body(worker.get(f"/absences/{row['id']}"), 200) == {"absence": row}


@ABSENCES
def test_the_agent_may_be_named_by_email(worker, asked, cast):
    del asked["agent_id"]
    email = cast.seen(worker).email
    assert made(worker, asked, agent_email=email)["agent"]["email"] == email


@ABSENCES
def test_the_id_wins_over_the_email(worker, asked):
    row = made(worker, asked, agent_email="personne@conformance.invalid")
    assert row["agent"]["id"] == asked["agent_id"]


@ABSENCES
@pytest.mark.parametrize("empty", [None, ""])
def test_the_email_counts_where_the_id_is_empty(worker, asked, cast, empty):
    email = cast.seen(worker).email
    assert made(worker, asked, agent_id=empty, agent_email=email)["agent"]["email"] == email


@ABSENCES
def test_an_email_is_exact(worker, asked, cast):
    del asked["agent_id"]
    email = cast.seen(worker).email
    for other in (email.upper(), f"x{email}", f" {email}"):
        expect.not_found(worker.post("/absences", json=asked | {"agent_email": other}), "agent")


@ABSENCES
def test_without_agent_it_is_blank(worker, asked):
    del asked["agent_id"]
    expect.blank(worker.post("/absences", json=asked), "agent")


@ABSENCES
@pytest.mark.parametrize("pk", [0, 2**62, "inconnu"])
def test_an_unknown_id_is_422_where_an_unknown_email_is_404(worker, asked, pk):
    expect.blank(worker.post("/absences", json=asked | {"agent_id": pk}), "agent")


@ABSENCES
def test_an_end_day_makes_it_last(worker, asked):
    row = made(worker, asked, end_day=day(6))
    assert (row["first_day"], row["end_day"]) == (day(), day(6))


@ABSENCES
@pytest.mark.parametrize("end_day", [None, ""])
def test_without_end_day_it_ends_on_its_first_day(worker, asked, end_day):
    assert made(worker, asked, end_day=end_day)["end_day"] == day()


@ABSENCES
@pytest.mark.parametrize(
    "values",
    [
        {"recurrence": {"every": "week"}},
        {"ical_uid": "x"},
        {"recurrence": "FREQ=DAILY", "expired": True},
    ],
)
def test_a_recurrence_is_ignored(worker, asked, values):
    row = made(worker, asked, **values)
    assert row["rrule"] is None
    assert row["ical_uid"].startswith(f"absence_{row['id']}@")


@ABSENCES
def test_the_same_absence_twice_is_two(worker, asked):
    assert made(worker, asked)["id"] != made(worker, asked)["id"]


# 4.2: organisation_id


@pytest.fixture
def places(server, directory, cast):
    """An agent, who sees them, an organisation of theirs, and one that is not."""
    able = [one for one in directory.agents if one.can_sign_in]
    known = [place for place in directory.places if any(place in one.roles for one in able)]
    for agent in directory.agents:
        seer = next((one for one in able if directory.sees(one, agent) and set(one.roles) & set(agent.roles)), None)
        others = [place for place in known if place not in agent.roles]
        if seer and others:
            mine = next(place for place in agent.roles if place in seer.roles)
            unreachable = [place for place in others if place not in set(seer.roles) | directory.orgt(seer)]
            return (
                server.caller(seer),
                server.id_of(agent),
                server.place_id(mine),
                (server.place_id((unreachable or others)[0])),
                bool(unreachable),
            )
    pytest.skip("the directory file has nobody who sees a colleague, and an organisation besides")


@ABSENCES
def test_an_organisation_of_the_agent_is_kept_and_shown(places):
    """The original ignores it."""
    caller, agent, mine, _other, _far = places
    row = made(caller, valid(agent), organisation_id=mine)
    assert row["organisation"]["id"] == mine


@ABSENCES
def test_an_organisation_that_is_not_the_agents_is_refused(places):
    caller, agent, _mine, other, _far = places
    for pk in (other, 0):
        answer = caller.post("/absences", json=valid(agent) | {"organisation_id": pk})
        document = expect.body(answer, 422)
        assert document["errors"] == {"organisation_id": [{"error": "inclusion", "value": pk}]}
        assert document["error_messages"] == ["organisation_id n'est pas inclus(e) dans la liste"]


@ABSENCES
def test_the_list_may_be_narrowed_to_an_organisation_and_never_widens(places):
    """The original ignores the question."""
    caller, agent, mine, other, far = places
    row = made(caller, valid(agent), organisation_id=mine)
    listed = expect.body(caller.get("/absences", params={"organisation_id": mine}), 200)["absences"]
    assert row["id"] in [one["id"] for one in listed]
    for pk in (other if far else 0, 0, "inconnu"):
        document = expect.body(caller.get("/absences", params={"organisation_id": pk}), 200)
        assert document["absences"] == []
        assert document["meta"]["total_count"] == 0


# 4.2: update, deletion


@ABSENCES
@pytest.mark.parametrize("verb", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    ("name", "sent", "shown"),
    [
        ("title", titled("Formation"), titled("Formation")),
        ("start_time", "9:30", "09:30:00"),
        ("end_time", "18:00", "18:00:00"),
        ("end_day", day(2), day(2)),
    ],
)
def test_an_update_keeps_what_is_not_sent(worker, absence, verb, name, sent, shown):
    path = f"/absences/{absence['id']}"
    row = expect.body(worker.ask(verb, path, json={name: sent}), 200)["absence"]
    assert row[name] == shown
    same = set(ABSENCE) - {name, "ical"}
    assert {key: row[key] for key in same} == {key: absence[key] for key in same}
    assert expect.body(worker.get(path), 200)["absence"] == row


@ABSENCES
def test_nothing_sent_changes_nothing(worker, absence):
    path = f"/absences/{absence['id']}"
    row = expect.body(worker.put(path, json={}), 200)["absence"]
    assert {key: row[key] for key in ABSENCE} == {key: absence[key] for key in ABSENCE}


@ABSENCES
def test_the_agent_stays(worker, absence, foreign):
    path = f"/absences/{absence['id']}"
    values = {"agent_id": foreign["agent"]["id"], "agent_email": foreign["agent"]["email"]}
    assert expect.body(worker.patch(path, json=values), 200)["absence"]["agent"] == absence["agent"]


@ABSENCES
@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_end_day_is_the_first_day_again(worker, asked, empty):
    row = made(worker, asked, end_day=day(4))
    answer = worker.patch(f"/absences/{row['id']}", json={"end_day": empty})
    assert expect.body(answer, 200)["absence"]["end_day"] == row["first_day"]


@ABSENCES
def test_a_first_day_moved_past_the_end_day_is_refused(worker, absence):
    sentence = "doit être après le début."
    answer = worker.patch(f"/absences/{absence['id']}", json={"first_day": day(1)})
    expect.invalid(answer, {"ends_time": [{"error": sentence}]}, [f"ends_time {sentence}"])
    both = {"first_day": day(1), "end_day": day(1)}
    answer = worker.patch(f"/absences/{absence['id']}", json=both)
    assert expect.body(answer, 200)["absence"]["first_day"] == day(1)


@ABSENCES
def test_what_is_deleted_is_gone(worker, absence):
    path = f"/absences/{absence['id']}"
    assert worker.delete(path).status_code == 204
    for verb in ("GET", "PUT", "PATCH", "DELETE"):
        expect.not_found(worker.ask(verb, path), "absence")
    assert absence["id"] not in [row["id"] for row in expect.body(worker.get("/absences"), 200)["absences"]]


@ABSENCES
def test_out_of_sight_it_stays_as_it_is(worker, cast, foreign):
    path = f"/absences/{foreign['id']}"
    for verb in ("GET", "PUT", "PATCH", "DELETE"):
        expect.forbidden(worker.ask(verb, path, json={"title": titled("À moi")}))
    _agent, seer = cast.hidden(worker)
    assert expect.body(seer.get(path), 200)["absence"] == foreign


# 4.2: the list


@ABSENCES
def test_the_latest_first_day_comes_first_then_the_latest_start_then_the_latest_made(worker, asked):
    rows = [
        made(worker, asked, first_day=day(first), start_time=start, title=titled(str(number)))
        for number, (first, start) in enumerate(
            [(20, "09:00"), (22, "08:00"), (20, "10:00"), (21, "08:00"), (20, "09:00"), (22, "07:00")]
        )
    ]
    mine = {row["id"] for row in rows}
    listed = expect.body(worker.get("/absences"), 200)["absences"]
    keys = [(row["first_day"], row["start_time"], row["id"]) for row in listed]
    assert keys == sorted(keys, reverse=True)
    assert [row["id"] for row in listed if row["id"] in mine] == [rows[index]["id"] for index in (1, 5, 3, 2, 4, 0)]


@ABSENCES
def test_past_ones_are_listed_too(worker, asked):
    row = made(worker, asked, first_day="2018-01-01", start_time="00:00", end_time="00:01")
    meta = expect.body(worker.get("/absences"), 200)["meta"]
    listed = expect.body(worker.get("/absences", params={"page": meta["total_pages"]}), 200)["absences"]
    assert row["id"] in [one["id"] for one in listed]


@ABSENCES
def test_an_absence_is_listed_once(worker, absence):
    listed = [row["id"] for row in expect.body(worker.get("/absences"), 200)["absences"]]
    assert listed.count(absence["id"]) == 1
    assert len(set(listed)) == len(listed)


@ABSENCES
def test_the_total_counts_what_is_seen(worker, asked):
    before = expect.body(worker.get("/absences"), 200)["meta"]["total_count"]
    made(worker, asked)
    after = expect.body(worker.get("/absences"), 200)["meta"]["total_count"]
    if after != before + 1:  # somebody else may have made or removed one at the same moment: once more
        before = expect.body(worker.get("/absences"), 200)["meta"]["total_count"]
        made(worker, asked)
        after = expect.body(worker.get("/absences"), 200)["meta"]["total_count"]
    assert after == before + 1


@ABSENCES
def test_the_absences_of_the_directory_are_there(worker, directory):
    """Those of agents in sight, unless they were changed since: so, at least one of a file that has any."""
    seen = {one.email for one in directory.seen_by(worker.who)}
    expected = {(one.email, one.title, one.first_day) for one in directory.absences if one.email in seen}
    if not expected:
        pytest.skip(f"the directory file has no absence that {worker.who.email} sees")
    listed = {(row["agent"]["email"], row["title"], row["first_day"]) for row in worker.walk("/absences", "absences")}
    assert expected & listed


@RRULE
def test_what_does_not_recur_has_none(worker, absence):
    assert absence["rrule"] is None
    rule = re.compile(r"FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY);([A-Z]+=[^;]+;)*")
    for row in expect.body(worker.get("/absences"), 200)["absences"]:
        assert row["rrule"] is None or rule.fullmatch(row["rrule"])
