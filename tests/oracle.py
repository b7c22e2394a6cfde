"""The rights of contract 3.2 and 3.3, over again, in plain Python over plain data: no model, no query, no `visible_to`.

What the server answers is held against this in test_visibility.py. Written from the contract alone, set by set and
under the names that the contract gives them; when the two disagree, read the contract, then decide which one is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, eq=False)
class Person:
    """An agent. `roles`: organisation → access level; `territories`: where they are territorial admin."""

    name: str
    services: frozenset[str] = frozenset()
    roles: dict[str, str] = field(default_factory=dict)
    territories: frozenset[str] = frozenset()
    active: bool = True
    deleted: bool = False


@dataclass(frozen=True, eq=False)
class World:
    """`organisations`: organisation → its territory; `secretariats`: which of `services` are one;
    `absences`: absence → (name of the agent, organisation it is kept for or None).
    """

    organisations: dict[str, str]
    services: frozenset[str]
    secretariats: frozenset[str]
    people: tuple[Person, ...]
    absences: dict[str, tuple[str, str | None]]

    def person(self, name: str) -> Person:
        return next(person for person in self.people if person.name == name)


def may_sign_in(person: Person) -> bool:
    return person.active and not person.deleted


def org(a: Person) -> set[str]:
    """ORG: organisations where `a` has any role."""
    return set(a.roles)


def adm(a: Person) -> set[str]:
    """ADM: where admin."""
    return {organisation for organisation, level in a.roles.items() if level == "admin"}


def bas(a: Person) -> set[str]:
    """BAS: where basic."""
    return {organisation for organisation, level in a.roles.items() if level == "basic"}


def orgt(world: World, a: Person) -> set[str]:
    """ORGT: organisations of the territories where `a` is territorial admin."""
    return {organisation for organisation, territory in world.organisations.items() if territory in a.territories}


def sec(world: World, a: Person) -> bool:
    """SEC: whether one of the services of `a` is the secretariat."""
    return bool(a.services & world.secretariats)


def sees(world: World, a: Person, b: Person) -> bool:
    """Visible agents: any role in an organisation of ADM, of ORGT, or of ORG if SEC; plus any role in an organisation
    of BAS and at least one service shared with `a`. Self is no special case; the deleted are seen by nobody.
    """
    if b.deleted:
        return False
    open_to_a = adm(a) | orgt(world, a) | (org(a) if sec(world, a) else set())
    if open_to_a & org(b):
        return True
    return bool(bas(a) & org(b)) and bool(a.services & b.services)


def visible_agents(world: World, a: Person) -> set[str]:
    return {b.name for b in world.people if sees(world, a, b)}


def visible_absences(world: World, a: Person) -> set[str]:
    """Exactly those whose agent is a visible agent, whatever their organisation: one rule for all five verbs."""
    visible = visible_agents(world, a)
    return {absence for absence, (name, _organisation) in world.absences.items() if name in visible}


def visible_organisations(a: Person) -> set[str]:
    return org(a)


def changeable_organisations(a: Person) -> set[str]:
    return adm(a)


def visible_services(world: World, a: Person) -> set[str]:
    """One's own where one is basic somewhere, and those at work in every organisation wholly open to one."""
    open_to_a = adm(a) | orgt(world, a) | (org(a) if sec(world, a) else set())
    at_work = {service for b in world.people if not b.deleted and open_to_a & org(b) for service in b.services}
    return at_work | (set(a.services) if bas(a) else set())


def nameable_organisations(world: World, a: Person) -> set[str]:
    """Those that a filter may name: ORG and ORGT. Any other empties the list (design decision 1)."""
    return org(a) | orgt(world, a)


def absences_of_organisation(world: World, a: Person, organisation: str) -> set[str]:
    """The list filtered by `organisation_id`: of agents with a role there, kept for it or for all."""
    if organisation not in nameable_organisations(world, a):
        return set()
    return {
        absence
        for absence in visible_absences(world, a)
        if organisation in org(world.person(world.absences[absence][0]))
        and world.absences[absence][1] in (None, organisation)
    }


def agents_of_organisation(world: World, a: Person, organisation: str) -> set[str]:
    if organisation not in nameable_organisations(world, a):
        return set()
    return {name for name in visible_agents(world, a) if organisation in org(world.person(name))}


def agents_of_service(world: World, a: Person, service: str) -> set[str]:
    """Whose absences the list filtered by `service_id` keeps."""
    return {name for name in visible_agents(world, a) if service in world.person(name).services}
