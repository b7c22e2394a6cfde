"""Who sees and may do what: each kind of agent against each agent of the file, by the rules of the contract."""

from __future__ import annotations

import itertools

import pytest

from conformance import expect
from conformance.cast import Cast
from conformance.material import day, made, titled, valid

pytestmark = pytest.mark.contract("3.3")

KINDS = sorted(Cast.KINDS)
# Of each kind, so many agents of the file are asked as.
TWINS = 2


def callers(cast, server, kind):
    getattr(cast, kind)  # skips when there is none
    return [server.caller(agent) for agent in cast.agents(kind)[:TWINS]]


@pytest.mark.parametrize("kind", KINDS)
def test_the_agents_whom_one_sees(cast, server, directory, kind):
    for caller in callers(cast, server, kind):
        listed = {row["email"] for row in caller.walk("/agents", "agents")}
        seen = {one.email for one in directory.seen_by(caller.who)}
        assert listed & set(directory.by_email) == seen, caller.who.email


@pytest.mark.parametrize("kind", KINDS)
def test_the_organisations_where_one_has_a_role(cast, server, kind):
    for caller in callers(cast, server, kind):
        listed = [row["name"] for row in caller.walk("/organisations", "organisations")]
        assert sorted(listed) == sorted(name for _number, name in caller.who.roles), caller.who.email


def some(agents, count=3):
    """A few of them, the sooner of different rights."""
    kinds = {}
    for one in agents:
        kinds.setdefault((tuple(sorted(set(one.roles.values()))), one.secretary, bool(one.territories)), one)
    return [*kinds.values(), *agents][:count]


@pytest.fixture
def of_everybody(cast, server, directory):
    """Makes an absence of each agent given, by somebody who sees them; skips nobody but those whom nobody sees."""
    able = [one for one in directory.agents if one.can_sign_in]

    def make(agents):
        rows = {}
        for number, agent in enumerate(agents):
            seer = next((one for one in able if directory.sees(one, agent)), None)
            if seer is not None:
                values = valid(server.id_of(agent)) | {"title": titled("Vue"), "first_day": day(number)}
                rows[agent] = made(server.caller(seer), values)
        return rows

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_the_absences_of_those_agents_and_of_no_other(cast, server, directory, of_everybody, kind):
    for caller in callers(cast, server, kind):
        seen, hidden = directory.seen_by(caller.who), directory.hidden_from(caller.who)
        rows = of_everybody([*some(seen), *some(hidden)])
        listed = set()
        for row in caller.walk("/absences", "absences"):
            email = row["agent"]["email"]
            agent = directory.by_email.get(email)
            assert agent is None or agent in seen, f"{caller.who.email} is shown an absence of {email}"
            listed.add(row["id"])
            if row["first_day"] < day():
                break
        for agent, row in rows.items():
            assert (row["id"] in listed) == (agent in seen), f"{agent.email}, for {caller.who.email}"
            answer = caller.get(f"/absences/{row['id']}")
            if agent in seen:
                assert expect.body(answer, 200)["absence"] == row
            else:
                expect.forbidden(answer)
        server.tidy()


@pytest.mark.parametrize("kind", KINDS)
def test_no_page_of_the_list_shows_an_absence_out_of_sight(cast, server, directory, kind):
    caller = callers(cast, server, kind)[0]
    hidden = {one.email for one in directory.hidden_from(caller.who)}
    for row in itertools.islice(caller.walk("/absences", "absences"), 1000):
        assert row["agent"]["email"] not in hidden


@pytest.mark.parametrize("kind", KINDS)
def test_one_rule_for_the_changes_too(cast, server, directory, of_everybody, kind):
    for caller in callers(cast, server, kind):
        for agent in [*some(directory.hidden_from(caller.who), 2), *some(directory.seen_by(caller.who), 2)]:
            row = of_everybody([agent]).get(agent)
            if row is None:
                continue
            path, values = f"/absences/{row['id']}", valid(row["agent"]["id"])
            answers = [
                caller.post("/absences", json=values),
                caller.patch(path, json={"title": titled("Changée")}),
                caller.put(path, json={"title": titled("Changée")}),
                caller.delete(path),
            ]
            may = directory.sees(caller.who, agent)
            expected = [200, 200, 200, 204] if may else [403, 403, 403, 403]
            statuses = [answer.status_code for answer in answers]
            assert statuses == expected, f"{caller.who.email} on {agent.email}"
            server.tidy()


def test_without_role_one_cannot_even_be_absent_oneself(cast):
    caller = cast.roleless
    me = expect.body(caller.get("/auth/validate_token"), 200)["data"]["id"]
    expect.forbidden(caller.post("/absences", json=valid(me)))


@pytest.mark.parametrize("kind", KINDS)
def test_an_organisation_is_shown_where_one_has_a_role_and_changed_where_one_is_admin(cast, server, directory, kind):
    able = [one for one in directory.agents if one.can_sign_in]
    places = [place for place in directory.places if any(place in one.roles for one in able)]
    for caller in callers(cast, server, kind):
        roles = caller.who.roles
        mine = [place for place in places if place in roles]
        others = [place for place in places if place not in roles][:2]
        for place in [*mine, *others]:
            path = f"/organisations/{server.place_id(place)}"
            assert caller.get(path).status_code == (200 if place in roles else 403), (caller.who.email, place)
            changed = caller.patch(path, json={})
            assert changed.status_code == (200 if place in caller.who.adm else 403), (caller.who.email, place)


@pytest.mark.parametrize("kind", KINDS)
def test_the_agents_of_an_organisation(cast, server, directory, kind):
    """Of one out of reach there are none, where the original forgets the question and shows all."""
    able = [one for one in directory.agents if one.can_sign_in]
    places = [place for place in directory.places if any(place in one.roles for one in able)]
    for caller in callers(cast, server, kind):
        for place in places[:6]:
            pk = server.place_id(place)
            listed = {row["email"] for row in caller.walk("/agents", "agents", organisation_id=pk)}
            assert listed & set(directory.by_email) == directory.of_place(caller.who, place), (caller.who.email, place)
            if place not in set(caller.who.roles) | directory.orgt(caller.who):
                assert listed == set()
