"""Who may do what to what (T13): every caller, target and verb over HTTP, against a table and against the oracle.

The table is small enough to be read, and covers each kind of caller with each kind of target. The generated worlds
mix everything: roles that differ by organisation, several services, territories, secretariats, intervenants, invited
and deleted agents. The sample is always the same (a seed a world, so that a failure names its world);
`TEST_WORLDS=200 pytest tests/test_visibility.py` takes a larger one.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from absences.models import Absence
from agents.models import Agent

from . import oracle
from .conftest import WireClient
from .factories import AbsenceFactory, AgentFactory, OrganisationFactory, ServiceFactory, TerritoryFactory
from .oracle import Person, World

WORLDS = int(os.environ.get("TEST_WORLDS", "3"))


@contextmanager
def undone() -> Iterator[None]:
    """What is written inside is rolled back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


class Settled:
    """A world in the database, and what its people are answered over HTTP."""

    def __init__(self, world: World, sign_in: Callable[[Agent], WireClient]) -> None:
        self.world = world
        territories = {name: TerritoryFactory(name=name) for name in sorted(set(world.organisations.values()))}
        self.organisations = {
            name: OrganisationFactory(name=name, territory=territories[territory])
            for name, territory in world.organisations.items()
        }
        self.services = {
            name: ServiceFactory(name=name, secretariat=name in world.secretariats) for name in sorted(world.services)
        }
        self.agents = {}
        self.clients = {}
        for person in world.people:
            where = {
                level: [self.organisations[name] for name, given in person.roles.items() if given == level]
                for level in ("admin", "basic", "intervenant")
            }
            agent = AgentFactory(
                services=[self.services[name] for name in person.services],
                admin_of=where["admin"],
                basic_in=where["basic"],
                intervenant_in=where["intervenant"],
                territorial_admin_of=[
                    territories.get(name) or TerritoryFactory(name=name) for name in person.territories
                ],
                is_active=person.active,
                # Roles that a deletion would have left behind must not show anybody again.
                deleted_at=timezone.now() if person.deleted else None,
            )
            self.agents[person.name] = agent
            self.clients[person.name] = sign_in(agent)
        self.absences = {
            name: AbsenceFactory(agent=self.agents[who], organisation=self.organisations.get(where or ""))
            for name, (who, where) in world.absences.items()
        }

    def get(self, caller: str, path: str, **query: Any) -> Any:
        return self.clients[caller].get(f"/api/v1/{path}", query)

    def listed(self, caller: str, plural: str, **query: Any) -> list[int]:
        answer = self.get(caller, plural, **query)
        assert answer.status_code == 200, answer.content
        ids = [shown["id"] for shown in answer.json()[plural]]
        assert answer.json()["meta"]["total_count"] == len(ids)
        return ids

    def show(self, caller: str, absence: str) -> int:
        return self.get(caller, f"absences/{self.absences[absence].pk}").status_code

    def create(self, caller: str, target: str) -> int:
        sent = {"title": "x", "first_day": "2026-12-01", "start_time": "9:00", "end_time": "10:00"}
        with undone():
            before = Absence.objects.count()
            answer = self.clients[caller].post("/api/v1/absences", sent | {"agent_id": self.agents[target].pk})
            assert Absence.objects.count() - before == (answer.status_code == 200)
        return answer.status_code

    def update(self, caller: str, absence: str) -> int:
        row = self.absences[absence]
        with undone():
            answer = self.clients[caller].patch(f"/api/v1/absences/{row.pk}", {"title": "Autre"})
            written = Absence.objects.filter(pk=row.pk, title="Autre").exists()
            assert written == (answer.status_code == 200)
        return answer.status_code

    def delete(self, caller: str, absence: str) -> int:
        row = self.absences[absence]
        with undone():
            answer = self.clients[caller].delete(f"/api/v1/absences/{row.pk}")
            assert Absence.objects.filter(pk=row.pk).exists() == (answer.status_code != 204)
        return answer.status_code

    def change_organisation(self, caller: str, organisation: str) -> int:
        with undone():
            path = f"/api/v1/organisations/{self.organisations[organisation].pk}"
            return self.clients[caller].patch(path, {"email": "x@exemple.test"}).status_code


# ── The table ────────────────────────────────────────────────────────────────────────────────────────────────────────

LEVELS = ("basic", "admin", "intervenant")
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
        frozenset({PMI, SOCIAL, SECRETARIAT}),
        frozenset({SECRETARIAT}),
        people,
        {f"of {person.name}": (person.name, None) for person in people},
    )


def _crosses(row: str) -> list[bool]:
    return [mark == "x" for mark in row.replace(" ", "")]


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
def test_the_table_and_the_oracle_agree(caller: Person) -> None:
    world = _alone_with_the_targets(caller)
    assert [oracle.sees(world, caller, target) for target in world.people] == _crosses(CALLERS[caller])


@pytest.mark.django_db
@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
def test_each_verb_reaches_what_the_table_crosses(caller: Person, now: Any, sign_in: Any) -> None:
    settled = Settled(_alone_with_the_targets(caller), sign_in)
    listed = settled.listed(caller.name, "absences")
    agents = settled.listed(caller.name, "agents")
    for target, reached in zip(settled.world.people, _crosses(CALLERS[caller]), strict=True):
        absence = f"of {target.name}"
        assert {
            "listed": settled.absences[absence].pk in listed,
            "among the agents": settled.agents[target.name].pk in agents,
            "show": settled.show(caller.name, absence),
            "create": settled.create(caller.name, target.name),
            "update": settled.update(caller.name, absence),
            "delete": settled.delete(caller.name, absence),
        } == {
            "listed": reached,
            "among the agents": reached,
            "show": 200 if reached else 403,
            "create": 200 if reached else 403,
            "update": 200 if reached else 403,
            "delete": 204 if reached else 403,
        }, target.name


# ── The generated worlds ─────────────────────────────────────────────────────────────────────────────────────────────

SERVICES = ("S1", "S2", "S3", "Secrétariat 1")


def generated(seed: int) -> World:
    """A small world where anything may be mixed with anything. Each seed is one world, always the same."""
    dice = random.Random(seed)
    organisations = {f"O{n}": dice.choice(("T1", "T2")) for n in range(dice.randint(2, 4))}
    people = tuple(
        Person(
            f"P{n}",
            services=frozenset(dice.sample(SERVICES, dice.choice((0, 1, 1, 1, 2)))),
            roles={
                organisation: dice.choices(LEVELS, (3, 1, 1))[0]
                for organisation in dice.sample(sorted(organisations), dice.choice((0, 1, 1, 2)))
            },
            territories=frozenset(territory for territory in ("T1", "T2") if dice.random() < 1 / 8),
            active=dice.random() < 7 / 8,
            deleted=dice.random() < 1 / 8,
        )
        for n in range(6)
    )
    absences = {f"A{n}": (person.name, dice.choice((None, *person.roles))) for n, person in enumerate(people)}
    return World(organisations, frozenset(SERVICES), frozenset({"Secrétariat 1"}), people, absences)


def test_the_sample_holds_each_reason_to_see_and_not_to_see() -> None:
    reasons = set()
    for world in map(generated, range(WORLDS)):
        for a, b in itertools.product(world.people, repeat=2):
            shared, service = oracle.org(b), bool(a.services & b.services)
            reasons |= {
                ("admin", bool(oracle.adm(a) & shared)),
                ("territory", bool(oracle.orgt(world, a) & shared)),
                ("secretariat", oracle.sec(world, a) and bool(oracle.org(a) & shared)),
                ("basic, same service", bool(oracle.bas(a) & shared) and service),
                ("basic, another service", bool(oracle.bas(a) & shared) and not service),
                ("not even oneself", a is b and not oracle.sees(world, a, b)),
                ("deleted", b.deleted and bool(oracle.adm(a) & shared)),
                ("cannot sign in", not oracle.may_sign_in(a)),
            }
    assert {name for name, present in reasons if present} == {name for name, _present in reasons}


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(WORLDS))
def test_the_server_and_the_oracle_agree(seed: int, now: Any, sign_in: Any) -> None:
    settled = Settled(generated(seed), sign_in)
    for caller in settled.world.people:
        if oracle.may_sign_in(caller):
            _lists_agree(settled, caller)
            _verbs_agree(settled, caller)
        else:
            _is_turned_away(settled, caller)


def _keys(rows: dict[str, Any], names: set[str]) -> list[int]:
    return sorted(rows[name].pk for name in names)


def _lists_agree(settled: Settled, caller: Person) -> None:
    world, who = settled.world, caller.name
    visible = oracle.visible_absences(world, caller)
    expected = {
        "absences": _keys(settled.absences, visible),
        "agents": _keys(settled.agents, oracle.visible_agents(world, caller)),
        "organisations": _keys(settled.organisations, oracle.visible_organisations(caller)),
        "services": _keys(settled.services, oracle.visible_services(world, caller)),
    }
    assert {plural: sorted(settled.listed(who, plural)) for plural in expected} == expected, (who, world)
    for name, organisation in settled.organisations.items():
        filtered = {
            plural: sorted(settled.listed(who, plural, organisation_id=organisation.pk))
            for plural in ("absences", "agents")
        }
        assert filtered == {
            "absences": _keys(settled.absences, oracle.absences_of_organisation(world, caller, name)),
            "agents": _keys(settled.agents, oracle.agents_of_organisation(world, caller, name)),
        }, (who, name, world)
    for name, service in settled.services.items():
        of_service = oracle.agents_of_service(world, caller, name)
        assert sorted(settled.listed(who, "absences", service_id=service.pk)) == _keys(
            settled.absences, {absence for absence in visible if world.absences[absence][0] in of_service}
        ), (who, name, world)


def _verbs_agree(settled: Settled, caller: Person) -> None:
    world, who = settled.world, caller.name
    visible = oracle.visible_absences(world, caller)
    for absence in settled.absences:
        answers = (settled.show(who, absence), settled.update(who, absence), settled.delete(who, absence))
        assert answers == ((200, 200, 204) if absence in visible else (403, 403, 403)), (who, absence, world)
    for target in world.people:
        allowed = 422 if target.deleted else 200 if oracle.sees(world, caller, target) else 403
        assert settled.create(who, target.name) == allowed, (who, target.name, world)
    for name, organisation in settled.organisations.items():
        shown = 200 if name in oracle.visible_organisations(caller) else 403
        assert settled.get(who, f"organisations/{organisation.pk}").status_code == shown, (who, name, world)
        changed = 200 if name in oracle.changeable_organisations(caller) else 403
        assert settled.change_organisation(who, name) == changed, (who, name, world)


def _is_turned_away(settled: Settled, caller: Person) -> None:
    who = caller.name
    some = next(iter(settled.absences))
    answers = {settled.get(who, path).status_code for path in ("absences", "agents", "organisations", "services")}
    answers |= {settled.show(who, some), settled.update(who, some), settled.delete(who, some), settled.create(who, who)}
    assert answers == {401}, (who, settled.world)
