"""Agents and organisations."""

from __future__ import annotations

import pytest

from conformance import expect

AGENTS = pytest.mark.contract("4.3")
ORGANISATIONS = pytest.mark.contract("4.4")


@AGENTS
@pytest.mark.parametrize("kind", ["territorial_admin", "admin", "secretary", "basic", "mixed"])
def test_an_agent_is_listed_once_however_many_their_roles_and_services(cast, kind):
    rows = list(getattr(cast, kind).walk("/agents", "agents"))
    ids = [row["id"] for row in rows]
    assert len(set(ids)) == len(ids)


@AGENTS
def test_one_sees_oneself_through_ones_rights(cast, directory):
    for caller in (cast.admin, cast.basic, cast.secretary):
        listed = {row["email"] for row in caller.walk("/agents", "agents")}
        assert (caller.who.email in listed) == directory.sees(caller.who, caller.who)


@AGENTS
def test_an_empty_organisation_is_no_filter(worker):
    whole = expect.body(worker.get("/agents"), 200)
    assert expect.body(worker.get("/agents", params={"organisation_id": ""}), 200) == whole


@AGENTS
def test_those_of_an_organisation_are_those_with_a_role_there(worker, server, directory):
    place = next(iter(worker.who.roles))
    params = {"organisation_id": server.place_id(place)}
    listed = {row["email"] for row in expect.body(worker.get("/agents", params=params), 200)["agents"]}
    assert listed & set(directory.by_email) == directory.of_place(worker.who, place)


@AGENTS
@pytest.mark.parametrize("unknown", ["0", "9223372036854775808", "inconnu"])
def test_an_organisation_that_nobody_knows_empties_the_list(worker, unknown):
    """The original forgets the question, and the list grows."""
    document = expect.body(worker.get("/agents", params={"organisation_id": unknown}), 200)
    assert document["agents"] == []
    assert document["meta"]["total_count"] == 0


@AGENTS
def test_the_list_is_the_same_each_time(worker):
    first = expect.body(worker.get("/agents"), 200)
    assert expect.body(worker.get("/agents"), 200) == first
    assert first["meta"]["total_count"] >= len(first["agents"]) > 0


@pytest.fixture
def mine(cast, server):
    """An admin, and the identifier of an organisation of theirs, which is as it was afterwards."""
    admin = cast.admin
    path = f"/organisations/{server.place_id(sorted(admin.who.adm)[0])}"
    before = expect.body(admin.get(path), 200)["organisation"]
    yield admin, path, before
    values = {name: before[name] for name in ("name", "phone_number", "email", "verticale")}
    assert expect.body(admin.put(path, json=values), 200)["organisation"] == before


@ORGANISATIONS
@pytest.mark.parametrize("kind", ["admin", "secretary", "basic", "mixed"])
def test_the_list_is_by_id(cast, kind):
    ids = [row["id"] for row in getattr(cast, kind).walk("/organisations", "organisations")]
    assert ids == sorted(set(ids))


@ORGANISATIONS
def test_one_of_them_is_as_in_the_list(worker):
    for row in expect.body(worker.get("/organisations"), 200)["organisations"][:5]:
        assert expect.body(worker.get(f"/organisations/{row['id']}"), 200) == {"organisation": row}
        again = worker.get(f"/organisations/{row['id']}abc")
        assert expect.body(again, 200) == {"organisation": row}


@ORGANISATIONS
def test_they_are_those_of_the_directory(worker, directory):
    names = {name: directory.organisations[number, name] for number, name in worker.who.roles}
    for row in worker.walk("/organisations", "organisations"):
        assert row["name"] in names


@ORGANISATIONS
@pytest.mark.parametrize("verb", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("phone_number", "01 99 00 12 34"),
        ("phone_number", "3949"),
        ("phone_number", None),
        ("email", "c@conformance.example"),
    ],
)
def test_an_update_keeps_what_is_not_sent(mine, verb, name, sent):
    admin, path, before = mine
    row = expect.body(admin.ask(verb, path, json={name: sent}), 200)["organisation"]
    assert row == before | {name: sent}
    assert expect.body(admin.get(path), 200)["organisation"] == row


@ORGANISATIONS
def test_nothing_sent_changes_nothing(mine):
    admin, path, before = mine
    assert expect.body(admin.patch(path, json={}), 200) == {"organisation": before}
    assert expect.body(admin.patch(path, json={"id": 1, "territory_id": 1}), 200) == {"organisation": before}


@ORGANISATIONS
@pytest.mark.parametrize("verb", ["GET", "PUT", "PATCH"])
@pytest.mark.parametrize("identifier", ["0", "inconnu", "9223372036854775808"])
def test_one_that_does_not_exist_is_not_found(worker, verb, identifier):
    document = expect.body(worker.ask(verb, f"/organisations/{identifier}"), 404)
    assert document["success"] is False
    assert document["errors"][0].startswith("Couldn't find Organisation")
