"""The directory file, and who sees whom by it: the rules of contract 3.2 and 3.3 over plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECRETARIAT = "Secrétariat"

# An organisation's name is its own within its territory only.
Place = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Agent:
    """An agent of the file. `roles`: organisation → access level; `services`: their names, in lower case, since the
    file compares them so; `territories`: where they are territorial admin; `secretary`: whether a service is one.
    """

    email: str
    password: str | None = field(repr=False)
    first_name: str | None
    last_name: str | None
    active: bool
    services: frozenset[str]
    secretary: bool
    roles: Mapping[Place, str]
    territories: frozenset[str]

    @property
    def can_sign_in(self) -> bool:
        return self.active and bool(self.password)

    @property
    def adm(self) -> set[Place]:
        """ADM: where admin."""
        return {place for place, level in self.roles.items() if level == "admin"}

    @property
    def bas(self) -> set[Place]:
        """BAS: where basic."""
        return {place for place, level in self.roles.items() if level == "basic"}

    @property
    def reach(self) -> set[Place]:
        """The organisations that concern them: those of their roles."""
        return set(self.roles)


@dataclass(frozen=True)
class Absence:
    email: str
    title: str
    first_day: str


class Directory:
    """The file, read. Raises ValueError, which says what is wrong, when it is none."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.places = [(one["departement_number"], one["name"]) for one in document.get("organisations", ())]
        self.organisations = {
            (one["departement_number"], one["name"]): one for one in document.get("organisations", ())
        }
        services = {one["name"].lower(): one for one in document.get("services", ())}
        self.secretariats = {
            name for name, one in services.items() if one.get("secretariat", one["name"] == SECRETARIAT)
        }
        self.services = services
        self.agents = [self._agent(one) for one in document.get("agents", ())]
        self.by_email = {agent.email: agent for agent in self.agents}
        self.absences = [
            Absence(one["agent_email"].strip().lower(), one["title"], one["first_day"])
            for one in document.get("absences", ())
        ]

    @classmethod
    def read(cls, path: Path) -> Directory:
        try:
            document = json.loads(path.read_text(encoding="utf-8-sig"))
            if not isinstance(document, dict):
                raise ValueError("an object is expected")
            return cls(document)
        except OSError as error:
            raise ValueError(f"{path} cannot be read: {error.strerror}.") from None
        except KeyError as error:
            raise ValueError(f"{path} is no directory file: {error} is missing from an item.") from None
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is no directory file: {error}.") from None

    def _agent(self, one: Mapping[str, Any]) -> Agent:
        services = frozenset(name.lower() for name in one.get("services", ()))
        return Agent(
            email=one["email"].strip().lower(),
            password=one.get("password"),
            first_name=one.get("first_name") or None,
            last_name=one.get("last_name") or None,
            active=one.get("active", True),
            services=services,
            secretary=bool(services & self.secretariats),
            roles={self._place(role): role.get("access_level", "basic") for role in one.get("roles", ())},
            territories=frozenset(one.get("territorial_admin_of", ())),
        )

    def _place(self, role: Mapping[str, Any]) -> Place:
        named = [
            place
            for place in self.places
            if place[1] == role["organisation"] and role.get("departement_number") in (None, place[0])
        ]
        if len(named) != 1:
            raise ValueError(f"{role['organisation']!r} names no organisation of the file, or more than one")
        return named[0]

    def orgt(self, a: Agent) -> set[Place]:
        """ORGT: the organisations of the territories where `a` is territorial admin."""
        return {place for place in self.places if place[0] in a.territories}

    def sees(self, a: Agent, b: Agent) -> bool:
        """Visible agents (3.3): any role in an organisation of ADM, of ORGT, or of ORG for a secretary; plus any role
        in an organisation of BAS and a service shared with `a`. Oneself is no special case.
        """
        whole = a.adm | self.orgt(a) | (set(a.roles) if a.secretary else set())
        if whole & set(b.roles):
            return True
        return bool(a.bas & set(b.roles)) and bool(a.services & b.services)

    def seen_by(self, a: Agent) -> list[Agent]:
        return [b for b in self.agents if self.sees(a, b)]

    def hidden_from(self, a: Agent) -> list[Agent]:
        return [b for b in self.agents if not self.sees(a, b)]

    def of_place(self, a: Agent, place: Place) -> set[str]:
        """The emails of the agents whom `a` sees in an organisation; nobody out of their reach."""
        if place not in set(a.roles) | self.orgt(a):
            return set()
        return {b.email for b in self.seen_by(a) if place in b.roles}

    def services_shown_to(self, a: Agent) -> set[str]:
        """Their own where they are basic somewhere, and those at work where all is open to them."""
        whole = a.adm | self.orgt(a) | (set(a.roles) if a.secretary else set())
        at_work = {service for b in self.agents if whole & set(b.roles) for service in b.services}
        return at_work | (set(a.services) if a.bas else set())
