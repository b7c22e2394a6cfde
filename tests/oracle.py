"""The rights of contract 3.2 and 3.3, over again, in plain Python over plain data: no model, no query, no `visible_to`.

What the server answers is held against this in test_visibility.py and torture/test_rights.py. Written from the
contract alone, set by set and under the names that the contract gives them; when the two disagree, read the contract,
then decide which one is wrong.
"""

from __future__ import annotations

import datetime
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_MORNING = datetime.datetime.fromisoformat("2026-12-01T09:00")
_EVENING = datetime.datetime.fromisoformat("2026-12-01T17:00")
_BEFORE = datetime.datetime.fromisoformat("2026-11-16T09:00Z")


@dataclass(frozen=True, eq=False)
class Person:
    """An agent. `roles`: organisation → access level; `territories`: where they are territorial admin; `mail`: whether
    they have an email; `staff`: whether they administer the server, which opens nothing by API. `bound`: the
    organisations of the key that they come with, when it is for some only. `account`: it is an API account with their
    roles that comes, which is nobody.
    """

    name: str
    services: frozenset[str] = frozenset()
    roles: dict[str, str] = field(default_factory=dict)
    territories: frozenset[str] = frozenset()
    active: bool = True
    deleted: bool = False
    mail: bool = True
    staff: bool = False
    bound: frozenset[str] | None = None
    account: bool = False


@dataclass(frozen=True, eq=False)
class Leave:
    """An absence: of whom, kept for which organisation (None: for all), and what the filters look at. `starts` and
    `ends` are civil; `changed` is an instant. `private`: what it is, is for the agent and their admins alone.
    """

    agent: str
    organisation: str | None = None
    title: str = "Congés"
    starts: datetime.datetime = _MORNING
    ends: datetime.datetime = _EVENING
    changed: datetime.datetime = _BEFORE
    private: bool = False


@dataclass(frozen=True, eq=False)
class World:
    """`organisations`: organisation → its territory, in the order of their ids; `services`, too; `secretariats`: which
    of them are one.
    """

    organisations: dict[str, str]
    services: tuple[str, ...]
    secretariats: frozenset[str]
    people: tuple[Person, ...]
    absences: dict[str, Leave]

    def person(self, name: str) -> Person:
        return next(person for person in self.people if person.name == name)


def may_sign_in(person: Person) -> bool:
    """Whether any credential of theirs is accepted: an intervenant without email has no uid (contract 2.9)."""
    return person.active and not person.deleted and person.mail


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


def within(a: Person, organisations: set[str]) -> set[str]:
    """What is left of them with the key that `a` came with: elsewhere it is as if `a` had no role."""
    return organisations if a.bound is None else organisations & a.bound


def sees(world: World, a: Person, b: Person) -> bool:
    """Visible agents: any role in an organisation of ADM, of ORGT, or of ORG if SEC; plus any role in an organisation
    of BAS and at least one service shared with `a`. Self is no special case; the deleted are seen by nobody.
    """
    if b.deleted:
        return False
    open_to_a = within(a, adm(a) | orgt(world, a) | (org(a) if sec(world, a) else set()))
    if open_to_a & org(b):
        return True
    return bool(within(a, bas(a)) & org(b)) and bool(a.services & b.services)


def visible_agents(world: World, a: Person) -> set[str]:
    return {b.name for b in world.people if sees(world, a, b)}


def visible_absences(world: World, a: Person) -> set[str]:
    """Exactly those whose agent is a visible agent, whatever their organisation: one rule for all five verbs."""
    visible = visible_agents(world, a)
    return {absence for absence, leave in world.absences.items() if leave.agent in visible}


def oneself(a: Person, b: Person) -> bool:
    return a.name == b.name and not a.account


def informed(world: World, a: Person, leave: Leave) -> bool:
    """Whether `a` may know what it is: when it is not private; the agent; who is admin, here or of the territory, of an
    organisation where the agent has a role (ADM, ORGT).
    """
    b = world.person(leave.agent)
    return not leave.private or oneself(a, b) or bool(within(a, adm(a) | orgt(world, a)) & org(b))


def named_in(world: World, a: Person, b: Person) -> set[str]:
    """The territories where `a` gives `b` external ids: of the organisations of ADM and ORGT where `b` has a role."""
    return (
        {world.organisations[place] for place in within(a, adm(a) | orgt(world, a)) & org(b)}
        if not b.deleted
        else set()
    )


def names_known_in(world: World, a: Person, b: Person) -> set[str]:
    """Those whose external ids of `b` are for `a` to read; their own are, wherever they work."""
    return {world.organisations[place] for place in org(b)} if oneself(a, b) else named_in(world, a, b)


def shown_title(world: World, a: Person, leave: Leave) -> str:
    return leave.title if informed(world, a, leave) else "Indisponible"


def visible_organisations(a: Person) -> set[str]:
    return within(a, org(a))


def changeable_organisations(a: Person) -> set[str]:
    return within(a, adm(a))


def visible_services(world: World, a: Person) -> set[str]:
    """One's own where one is basic somewhere, and those at work in every organisation wholly open to one."""
    open_to_a = within(a, adm(a) | orgt(world, a) | (org(a) if sec(world, a) else set()))
    at_work = {service for b in world.people if not b.deleted and open_to_a & org(b) for service in b.services}
    return at_work | (set(a.services) if within(a, bas(a)) else set())


def sees_feed(world: World, a: Person, owner: Person, kind: str, name: str) -> bool:
    """One's own; with a key for some organisations, those of what it sees there: an agent, service or organisation."""
    if not oneself(a, owner):
        return False
    seen = {
        "agent": lambda: visible_agents(world, a),
        "service": lambda: visible_services(world, a),
        "organisation": lambda: visible_organisations(a),
    }
    return a.bound is None or name in seen[kind]()


def visible_territories(world: World, a: Person) -> set[str]:
    """Those where one has a role, and those that one administers."""
    return {world.organisations[organisation] for organisation in nameable_organisations(world, a)}


def nameable_organisations(world: World, a: Person) -> set[str]:
    """Those that a filter may name: ORG and ORGT. Any other empties the list (design decision 1)."""
    return within(a, org(a) | orgt(world, a))


def absences_of_organisation(world: World, a: Person, organisation: str) -> set[str]:
    """The list filtered by `organisation_id`: of agents with a role there, kept for it or for all."""
    if organisation not in nameable_organisations(world, a):
        return set()
    return {
        absence
        for absence in visible_absences(world, a)
        if organisation in org(world.person(world.absences[absence].agent))
        and world.absences[absence].organisation in (None, organisation)
    }


def agents_of_organisation(world: World, a: Person, organisation: str) -> set[str]:
    if organisation not in nameable_organisations(world, a):
        return set()
    return {name for name in visible_agents(world, a) if organisation in org(world.person(name))}


def agents_of_service(world: World, a: Person, service: str) -> set[str]:
    """Whose absences the list filtered by `service_id` keeps."""
    return {name for name in visible_agents(world, a) if service in world.person(name).services}


def listed_absences(world: World, a: Person, asked: Mapping[str, Any]) -> list[str]:
    """The list with the filters `asked`, which together narrow it, in its order: latest start first. Who and where is
    named as in the world, anything else in it is unknown; moments are civil, but for `changed_since`.
    """
    kept = visible_absences(world, a)
    for filter, value in asked.items():
        match filter:
            case "agent_id":
                kept &= {absence for absence in kept if world.absences[absence].agent == value}
            case "agent_email":
                kept &= {
                    absence
                    for absence in kept
                    if world.absences[absence].agent == value and world.person(world.absences[absence].agent).mail
                }
            case "service_id":
                of_service = agents_of_service(world, a, value)
                kept &= {absence for absence in kept if world.absences[absence].agent in of_service}
            case "organisation_id":
                kept &= absences_of_organisation(world, a, value)
            case "title":
                titles = {absence: shown_title(world, a, world.absences[absence]) for absence in kept}
                kept &= {absence for absence in kept if folded(value) in folded(titles[absence])}
            case "from":
                kept &= {absence for absence in kept if world.absences[absence].ends > value}
            case "to" | "starts_before":
                kept &= {absence for absence in kept if world.absences[absence].starts < value}
            case "starts_after":
                kept &= {absence for absence in kept if world.absences[absence].starts >= value}
            case "changed_since":
                kept &= {absence for absence in kept if world.absences[absence].changed >= value}
    return in_order(world, kept)


def in_order(world: World, absences: set[str]) -> list[str]:
    ids = {absence: place for place, absence in enumerate(world.absences)}
    return sorted(absences, key=lambda absence: (world.absences[absence].starts, ids[absence]), reverse=True)


def folded(text: str) -> str:
    """Without accents or case."""
    return "".join(one for one in unicodedata.normalize("NFD", text) if not unicodedata.combining(one)).casefold()


def merged(path: Mapping[str, Any], query: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """The path beats the query string, which beats the body (contract 1.1)."""
    return {**body, **query, **path}


def updating(world: World, a: Person, absence: str, sent: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """What a change of `absence` with the parameters `sent` answers, and what of the row is another afterwards: only
    its title and its organisation can be asked for here; who it is of never changes, whatever is sent.
    """
    if absence not in visible_absences(world, a):
        return 403, {}
    leave = world.absences[absence]
    if "title" in sent and not informed(world, a, leave):
        return 422, {}  # nobody tries out what a private absence is called
    changes = {name: sent[name] for name in ("title", "organisation") if name in sent}
    if changes.get("organisation") not in (None, *org(world.person(leave.agent))):
        return 422, {}
    return 200, {name: value for name, value in changes.items() if getattr(leave, name) != value}


def creating(world: World, a: Person, sent: Mapping[str, Any]) -> tuple[int, str | None]:
    """What a creation with otherwise good values answers, and of whom the absence then is. The id wins over the email;
    an unknown id is 422, an unknown email 404, and so are those of the deleted (contract 4.2).
    """
    known = {person.name: person for person in world.people if not person.deleted}
    if sent.get("agent_id"):
        target = known.get(sent["agent_id"])
    elif sent.get("agent_email"):
        target = known.get(sent["agent_email"])
        if target is None or not target.mail:
            return 404, None
    else:
        target = None
    if target is None:
        return 422, None
    if not sees(world, a, target):
        return 403, None  # and nothing of where they work, whatever organisation is sent
    if sent.get("organisation") not in (None, *org(target)):
        return 422, None
    return 200, target.name


def told_of(world: World, a: Person) -> set[tuple[str, str]]:
    """Of what (kind, name) an answer to `a` may hold the words: what they see and are, and the organisations that an
    absence in sight shows, its own or one of its agent's (contract 4.1).
    """
    agents, absences = visible_agents(world, a), visible_absences(world, a)
    organisations = visible_organisations(a) | {place for name in agents for place in org(world.person(name))}
    organisations |= {place for absence in absences if (place := world.absences[absence].organisation)}
    return {
        *(("person", name) for name in agents | {a.name}),
        *(("absence", absence) for absence in absences if informed(world, a, world.absences[absence])),
        *(("organisation", organisation) for organisation in organisations),
        *(("service", service) for service in visible_services(world, a) | a.services),
        *(("territory", territory) for territory in visible_territories(world, a) | a.territories),
    }
