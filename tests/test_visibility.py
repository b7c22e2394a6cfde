"""Who may do what to what (T13): each kind of caller with each kind of target, over HTTP, against a table small enough
to be read; and the table against the oracle, which torture/test_rights.py holds the server to in generated worlds.
"""

from __future__ import annotations

from typing import Any

import pytest

from . import oracle
from .oracle import Leave, Person, World
from .worlds import Settled

NORD, SUD = "Nord", "Sud"
HERE, NEAR, FAR = "ici", "près, même territoire", "loin"
PMI, SOCIAL, SECRETARIAT = "PMI", "Social", "Secrétariat"


def _who(name: str, services: set[str], territories: set[str] | None = None, **roles: str) -> Person:
    places = {"here": HERE, "near": NEAR, "far": FAR}
    return Person(
        name,
        frozenset(services),
        {places[place]: level for place, level in roles.items()},
        frozenset(territories or ()),
    )


TARGETS = (
    _who("same service here", {PMI}, here="basic"),
    _who("other service here", {SOCIAL}, here="basic"),
    _who("intervenant here", {SOCIAL}, here="intervenant"),
    _who("intervenant of the service here", {PMI}, here="intervenant"),
    _who("no service here", set(), here="admin"),
    _who("same service near", {PMI}, near="basic"),
    _who("other service near", {SOCIAL}, near="basic"),
    _who("same service far", {PMI}, far="basic"),
    _who("same service, nowhere", {PMI}),
)
# Of the targets, in their order, whom each caller sees: x or not. The caller's absences follow, in the same way.
#
#       same service here ┐
#      other service here │┐
#        intervenant here ││┐
#       of the service .. │││┐
#         no service here ││││┐
#       same service near │││││┐
#      other service near ││││││┐
#        same service far │││││││┐
#   same service, nowhere ││││││││┐ and self
CALLERS = {
    _who("basic", {PMI}, here="basic"): "x..x..... x",
    _who("basic of two services", {PMI, SOCIAL}, here="basic"): "xxxx..... x",
    _who("basic without service", set(), here="basic"): "......... .",
    _who("admin", {PMI}, here="admin"): "xxxxx.... x",
    _who("admin without service", set(), here="admin"): "xxxxx.... x",
    _who("admin here, basic near", {PMI}, here="admin", near="basic"): "xxxxxx... x",
    _who("intervenant", {PMI}, here="intervenant"): "......... .",
    _who("secretariat", {SECRETARIAT}, here="basic"): "xxxxx.... x",
    _who("secretariat, also of the service", {SECRETARIAT, PMI}, here="basic"): "xxxxx.... x",
    _who("secretariat as intervenant", {SECRETARIAT}, here="intervenant"): "xxxxx.... x",
    _who("secretariat without role", {SECRETARIAT}): "......... .",
    _who("territorial admin", {PMI}, {NORD}): "xxxxxxx.. .",
    _who("territorial admin with a role there", {PMI}, {NORD}, here="basic"): "xxxxxxx.. x",
    _who("territorial admin elsewhere, basic here", {PMI}, {SUD}, here="basic"): "x..x...x. x",
    _who("unrelated", {PMI}, far="basic"): ".......x. x",
    _who("without role", {PMI}): "......... .",
}


def _alone_with_the_targets(caller: Person) -> World:
    people = (*TARGETS, caller)
    return World(
        {HERE: NORD, NEAR: NORD, FAR: SUD},
        (PMI, SOCIAL, SECRETARIAT),
        frozenset({SECRETARIAT}),
        people,
        {f"of {person.name}": Leave(person.name) for person in people},
    )


def _crosses(row: str) -> list[bool]:
    return [mark == "x" for mark in row.replace(" ", "")]


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
def test_the_table_and_the_oracle_agree(caller: Person) -> None:
    world = _alone_with_the_targets(caller)
    assert [oracle.sees(world, caller, target) for target in world.people] == _crosses(CALLERS[caller])


@pytest.mark.django_db
@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
def test_each_verb_reaches_what_the_table_crosses(caller: Person, now: Any, settings: Any) -> None:
    settings.RDV_SHARED_SECRET = "cle-de-test"
    settled = Settled(_alone_with_the_targets(caller))
    who = caller.name
    listed = settled.listed(who, "absences")
    agents = settled.listed(who, "agents")
    good = {"title": "x", "first_day": "2026-12-01", "start_time": "9:00", "end_time": "10:00"}
    for target, reached in zip(settled.world.people, _crosses(CALLERS[caller]), strict=True):
        absence, agent = f"of {target.name}", settled.agents[target.name].pk
        assert {
            "listed": settled.absences[absence].pk in listed,
            "among the agents": agent in agents,
            "show": settled.status(who, "GET", "absences/<pk>", absence),
            "create": settled.ask(who, "POST", "absences", body=good | {"agent_id": agent}).status_code,
            "update": settled.status(who, "PATCH", "absences/<pk>", absence, body={"title": "Autre"}),
            "delete": settled.status(who, "DELETE", "absences/<pk>", absence),
        } == {
            "listed": reached,
            "among the agents": reached,
            "show": 200 if reached else 403,
            "create": 200 if reached else 403,
            "update": 200 if reached else 403,
            "delete": 204 if reached else 403,
        }, target.name
