"""Worlds of the oracle: generated, put into the database, and asked over HTTP with every kind of credential.

Each name of a world has a mark, a word that occurs nowhere else, in whatever the database knows of it: an answer that
holds the mark of something out of the caller's sight has told too much, wherever in it that is.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from absences.models import Absence, Feed
from agents.authentication import TripleCredential, signature
from agents.authentication.jwt import ours, signed
from agents.models import (
    AccessKey,
    Agent,
    AgentExternalId,
    AgentRole,
    AgentTerritorialRole,
    ApiAccount,
    ClientToken,
    Organisation,
)
from agents.models.keys import end_of
from agents.models.signing import keyring
from agents.tokens import digest
from rdv.api.statements import Statement
from webhooks.models import WebhookEndpoint

from . import oracle
from .conftest import WireClient
from .factories import (
    AbsenceFactory,
    AgentFactory,
    AudienceFactory,
    FeedFactory,
    OrganisationFactory,
    ServiceFactory,
    TerritoryFactory,
    WebhookEndpointFactory,
)
from .oracle import Leave, Person, World

LEVELS = ("basic", "admin", "intervenant")
SERVICES = ("S1", "S2", "S3", "Secrétariat 1")
TITLES = ("Congés", "RTT", "Formation d'été", "congés")
NOBODY = 999_999_999  # the id of nothing
FORM = "application/x-www-form-urlencoded"
WRITES = ("POST", "PUT", "PATCH", "DELETE")

# Every way to say who one is, for an agent who may come in.
KINDS = ("triple", "bearer", "signature", "key", "jwt")


def mark(kind: str, name: str) -> str:
    return "zq" + hashlib.sha256(f"{kind} {name}".encode()).hexdigest()[:8]


MARKS = re.compile("zq[0-9a-f]{8}")


def civil(day: int, hour: int = 0) -> datetime.datetime:
    """An hour of December 2026, in which all absences of a world are: naive, since it is the agent's."""
    return datetime.datetime.fromisoformat(f"2026-12-{day:02}T{hour:02}:00")


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
            mail=dice.random() < 9 / 10,
            staff=dice.random() < 1 / 8,
        )
        for n in range(6)
    )
    absences = {}
    for n in range(9):
        person = people[n % len(people)]
        starts = civil(dice.randint(1, 4), dice.choice((0, 9, 13)))
        absences[f"A{n}"] = Leave(
            person.name,
            # Of all, of one of theirs, or of one that they have left since.
            dice.choice((None, *person.roles, *organisations)),
            f"{dice.choice(TITLES)} {mark('absence', f'A{n}')}",
            starts,
            starts + datetime.timedelta(hours=dice.choice((1, 8, 24, 48))),
            datetime.datetime(2026, 11, dice.randint(1, 15), 12, tzinfo=datetime.UTC),
            private=n % 3 == 0,
        )
    return World(organisations, SERVICES, frozenset({"Secrétariat 1"}), people, absences)


# What the API may write, and what is read of it to see what was written.
_WRITTEN = {
    "absence": (
        Absence,
        ("pk", "agent_id", "organisation_id", "title", "first_day", "start_time", "end_day", "end_time"),
    ),
    "organisation": (Organisation, ("pk", "territory_id", "name", "email", "phone_number", "verticale")),
    "external_id": (AgentExternalId, ("pk", "agent_id", "territory_id", "system", "value")),
    "password": (Agent, ("pk", "password")),
    "token": (ClientToken, ("pk", "agent_id", "digest", "revoked_at")),
    "feed": (
        Feed,
        ("pk", "owner_id", "agent_id", "service_id", "organisation_id", "name", "privacy", "digest", "revoked_at"),
    ),
    "webhook": (WebhookEndpoint, ("pk", "organisation_id", "target_url", "version", "active")),
    "key": (AccessKey, ("pk", "agent_id", "name", "note", "digest", "deactivated_at", "revoked_at")),
}
COLUMNS = {kind: columns[1:] for kind, (_model, columns) in _WRITTEN.items()}


def _written(kind: str) -> Statement:
    model, columns = _WRITTEN[kind]
    return Statement(lambda: model.objects.order_by().values_list(*columns))


_STATEMENTS = {kind: _written(kind) for kind in _WRITTEN}


@contextmanager
def undone() -> Iterator[None]:
    """What is written inside is rolled back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def email(name: str) -> str:
    return f"{mark('person', name)}@exemple.test"


class Settled:
    """A world in the database, and what its people are answered over HTTP.

    `ask` sends the same with each of `kinds`, and holds the answers against each other: a credential of another kind
    opens neither more nor less. It counts them, notes which route and verb was asked, and reads each answer for marks.
    """

    def __init__(self, world: World, kinds: tuple[str, ...] = ("triple", "signature")) -> None:
        self.world = world
        self.kinds, self.all_kinds = kinds, KINDS
        self.asked: set[tuple[str, str]] = set()
        self.answers = 0
        self.territories = {
            name: TerritoryFactory(name=f"{name} {mark('territory', name)}")
            for name in sorted({*world.organisations.values(), *(t for one in world.people for t in one.territories)})
        }
        self.organisations = {
            name: OrganisationFactory(
                name=f"{name} {mark('organisation', name)}",
                email=f"{mark('organisation', name)}@exemple.test",
                territory=self.territories[territory],
            )
            for name, territory in world.organisations.items()
        }
        self.services = {
            name: ServiceFactory(name=f"{name} {mark('service', name)}", secretariat=name in world.secretariats)
            for name in world.services
        }
        self.agents = {person.name: self._agent(person) for person in world.people}
        self.absences = {
            name: AbsenceFactory(
                agent=self.agents[leave.agent],
                organisation=self.organisations.get(leave.organisation or ""),
                title=leave.title,
                first_day=leave.starts.date(),
                start_time=leave.starts.time(),
                end_day=leave.ends.date(),
                end_time=leave.ends.time(),
                private=leave.private,
                created_at=leave.changed,
                updated_at=leave.changed,
            )
            for name, leave in world.absences.items()
        }
        for agent in self.agents.values():
            FeedFactory(owner=agent)
        # Of each organisation, a webhook, and an event that it was told of.
        self.endpoints = {
            name: WebhookEndpointFactory(organisation=place, subscriptions=[])
            for name, place in self.organisations.items()
        }
        self.events = {name: AudienceFactory(organisation_id=row.pk).event for name, row in self.organisations.items()}
        self.rows: dict[str, Mapping[str, Any]] = {
            "person": self.agents,
            "organisation": self.organisations,
            "service": self.services,
            "territory": self.territories,
            "absence": self.absences,
        }
        self.marks = {mark(kind, name): (kind, name) for kind, rows in self.rows.items() for name in rows}
        keyring.forget()  # of a world that is undone
        self.clients = {name: credentials(agent) for name, agent in self.agents.items()}

    def _agent(self, person: Person) -> Agent:
        where = {
            level: [self.organisations[name] for name, given in person.roles.items() if given == level]
            for level in LEVELS
        }
        word = mark("person", person.name)
        return AgentFactory(
            email=email(person.name) if person.mail else None,
            first_name=f"Prénom {word}",
            last_name=f"NOM {word}",
            services=[self.services[name] for name in person.services],
            admin_of=where["admin"],
            basic_in=where["basic"],
            intervenant_in=where["intervenant"],
            territorial_admin_of=[self.territories[name] for name in person.territories],
            is_active=person.active,
            is_staff=person.staff and person.mail,
            is_superuser=person.staff and person.mail,
            # Roles that a deletion would have left behind must not show anybody again.
            deleted_at=timezone.now() if person.deleted else None,
        )

    # Asking.

    def ask(
        self,
        caller: str,
        method: str,
        route: str,
        pk: Any = "",
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        form: bool = False,
        kinds: tuple[str, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The answer to this request, and as its `changed` the rows that it wrote, before and after; they are undone.
        A refusal writes nothing, and two kinds of credential never get two answers.
        """
        self.asked.add((method, route))
        named = pk if isinstance(pk, Mapping) else {"pk": pk}
        path = "/api/v1/" + re.sub(r"<(\w+)>", lambda name: str(named.get(name[1], name[0])), route)
        path += f"?{urlencode(query, doseq=True)}" if query else ""
        sent = path + json.dumps(body)
        content = "" if body is None else urlencode(body) if form else json.dumps(body)
        content_type = FORM if form else "application/json"
        first: Any = None
        before = self.written() if method in WRITES else {}
        for kind in kinds or self.kinds:
            with undone() if method in WRITES else nullcontext():
                answer = self.clients[caller][kind].generic(method, path, content, content_type, headers=headers)
                after = self.written() if method in WRITES else {}
            rows = before.keys() | after.keys()
            answer.changed = {
                row: (before.get(row), after.get(row)) for row in sorted(rows) if before.get(row) != after.get(row)
            }
            assert not answer.changed or answer.status_code < 300, (caller, kind, method, path, answer.changed)
            self.answers += 1
            self._tells_too_much(caller, answer, sent)
            if first is None:
                first = answer
                continue
            assert answer.status_code == first.status_code, (caller, kind, method, path, answer.content)
            assert list(answer.changed.values()) == list(first.changed.values()), (caller, kind, method, path)
            # What a write shows of the moment and of a row that is no more differs without harm.
            if method not in WRITES or answer.status_code >= 400:
                assert _comparable(answer) == _comparable(first), (caller, kind, method, path)
        return first

    def _tells_too_much(self, caller: str, answer: Any, sent: str) -> None:
        text = answer.content.decode() + str(answer.headers)
        told = set(MARKS.findall(text)) - set(MARKS.findall(sent))
        beyond = {self.marks[one] for one in told} - oracle.told_of(self.world, self.world.person(caller))
        assert not beyond, (caller, beyond, sent, text)

    def listed(self, caller: str, plural: str, query: Mapping[str, Any] | None = None, **options: Any) -> list[int]:
        answer = self.ask(caller, "GET", plural, query=query, **options)
        assert answer.status_code == 200, (answer.content, query)
        ids = [shown["id"] for shown in answer.json()[plural]]
        assert answer.json()["meta"]["total_count"] == len(ids) == int(answer["X-Total-Count"])
        return ids

    def status(self, caller: str, method: str, route: str, name: str, **sent: Any) -> int:
        """Of a request for the absence or organisation `name`."""
        rows = self.absences if route.startswith("absences") else self.organisations
        return int(self.ask(caller, method, route, rows[name].pk, **sent).status_code)

    def written(self) -> dict[tuple[str, int], tuple[Any, ...]]:
        """All that the API may write: absences, feeds, organisations, passwords and tokens, as they are."""
        return {(kind, row[0]): tuple(row[1:]) for kind, rows in _STATEMENTS.items() for row in rows.run()}

    def keys(self, name: str) -> list[int]:
        """The keys of this person, the newest first."""
        return list(AccessKey.objects.filter(agent=self.agents[name]).order_by("-pk").values_list("pk", flat=True))

    def feeds(self, name: str) -> list[int]:
        """Likewise their calendar feeds."""
        return list(Feed.objects.filter(owner=self.agents[name]).order_by("-pk").values_list("pk", flat=True))

    def id(self, kind: str, name: str | None) -> int:
        """The id of what is so named; an id of nothing for a name that is none."""
        row = self.rows[kind].get(name or "")
        return row.pk if row else NOBODY


def credentials(agent: Agent) -> dict[str, WireClient]:
    """A client for each kind of credential of this agent, whoever they are: the server says who may."""
    token, secret = ClientToken.objects.issue(agent)
    # That of a JSON Web Token is of another form: the same client has both here, as if it had been renewed.
    ClientToken.objects.filter(pk=token.pk).update(previous_digest=digest(ours.FORM + secret))
    triple = TripleCredential(token, secret, fresh=True).triple()
    sent = {key: triple[key] for key in ("access-token", "client", "uid")}
    return {
        "triple": bearing(sent),
        "bearer": bearing({"Authorization": f"Bearer {base64.b64encode(json.dumps(sent).encode()).decode()}"}),
        "signature": bearing(
            {"X-Agent-Auth-Signature": signature(agent, settings.RDV_SHARED_SECRET), "uid": agent.uid}
        ),
        "key": bearing({"Authorization": f"Bearer {key_of(agent)}"}),
        "jwt": bearing({"Authorization": f"Bearer {signed(token, secret)}"}),
    }


def key_of(owner: Agent | ApiAccount, **fields: Any) -> str:
    """A key of `owner`, for 30 days."""
    return AccessKey.make(owner, **{"name": "Tâche de nuit", "expires_at": end_of(30)} | fields)[1]


def bearing(headers: dict[str, str]) -> WireClient:
    """A client that sends these headers with every request."""
    client = WireClient()
    client.triple = headers
    return client


def _comparable(answer: Any) -> Any:
    in_json = answer.content and "json" in answer["Content-Type"]
    if answer.status_code == 200 and "credential" in (body := answer.json() if in_json else {}):
        return body["agent"]  # of `me`, which also tells by what credential one came
    return answer.content, answer.get("ETag"), answer.get("Link"), answer.get("X-Total-Count")


# What changes in a world from one request to the next: each gives what happened in words, or None where it cannot.


def _swap(settled: Settled, before: Person, **changes: Any) -> Agent:
    after = replace(before, **changes)
    people = tuple(after if person is before else person for person in settled.world.people)
    settled.world = replace(settled.world, people=people)
    return settled.agents[before.name]


def take_role(settled: Settled, dice: random.Random, one: Person) -> str | None:
    if not one.roles:
        return None
    place = dice.choice(sorted(one.roles))
    agent = _swap(settled, one, roles={name: level for name, level in one.roles.items() if name != place})
    AgentRole.objects.get(agent=agent, organisation=settled.organisations[place]).delete()
    return f"{one.name} leaves {place}"


def give_role(settled: Settled, dice: random.Random, one: Person) -> str | None:
    free = sorted(settled.world.organisations.keys() - one.roles.keys())
    if not free:
        return None
    place, level = dice.choice(free), dice.choice(LEVELS)
    agent = _swap(settled, one, roles=one.roles | {place: level})
    AgentRole.objects.create(agent=agent, organisation=settled.organisations[place], access_level=level)
    return f"{one.name} becomes {level} of {place}"


def change_level(settled: Settled, dice: random.Random, one: Person) -> str | None:
    if not one.roles:
        return None
    place = dice.choice(sorted(one.roles))
    level = dice.choice([level for level in LEVELS if level != one.roles[place]])
    agent = _swap(settled, one, roles=one.roles | {place: level})
    role = AgentRole.objects.get(agent=agent, organisation=settled.organisations[place])
    role.access_level = level
    role.save()
    return f"{one.name} is now {level} in {place}"


def change_services(settled: Settled, dice: random.Random, one: Person) -> str | None:
    services = frozenset(dice.sample(SERVICES, dice.choice((0, 1, 2))))
    _swap(settled, one, services=services).services.set([settled.services[name] for name in services])
    return f"{one.name} moves to {sorted(services)}"


def change_territories(settled: Settled, dice: random.Random, one: Person) -> str | None:
    territory = dice.choice(sorted(settled.territories))
    agent = _swap(settled, one, territories=one.territories ^ {territory})
    if territory in one.territories:
        AgentTerritorialRole.objects.get(agent=agent, territory=settled.territories[territory]).delete()
        return f"{one.name} no longer administers {territory}"
    AgentTerritorialRole.objects.create(agent=agent, territory=settled.territories[territory])
    return f"{one.name} administers {territory}"


def change_activity(settled: Settled, dice: random.Random, one: Person) -> str | None:
    agent = _swap(settled, one, active=not one.active)
    agent.is_active = not one.active
    agent.save()
    return f"{one.name} is {'put aside' if one.active else 'let in again'}"


def leave(settled: Settled, dice: random.Random, one: Person) -> str | None:
    """Deletion as the pages do it: their absences go along."""
    if one.deleted:
        return None
    agent = _swap(settled, one, deleted=True, roles={}, services=frozenset(), territories=frozenset(), mail=False)
    agent.leave()
    gone = [name for name, absence in settled.world.absences.items() if absence.agent == one.name]
    for name in gone:
        del settled.absences[name]
    kept = {name: absence for name, absence in settled.world.absences.items() if name not in gone}
    settled.world = replace(settled.world, absences=kept)
    return f"{one.name} leaves for good"


def change_secretariat(settled: Settled, dice: random.Random, one: Person) -> str | None:
    name = dice.choice(SERVICES)
    settled.world = replace(settled.world, secretariats=settled.world.secretariats ^ {name})
    service = settled.services[name]
    service.secretariat = name in settled.world.secretariats
    service.save()
    return f"{name} {'becomes' if service.secretariat else 'is no longer'} a secretariat"


def move_organisation(settled: Settled, dice: random.Random, one: Person) -> str | None:
    place = dice.choice(sorted(settled.world.organisations))
    territory = dice.choice(sorted(settled.territories))
    settled.world = replace(settled.world, organisations=settled.world.organisations | {place: territory})
    organisation = settled.organisations[place]
    organisation.territory = settled.territories[territory]
    organisation.save()
    return f"{place} is now in {territory}"


CHANGES = (
    take_role,
    give_role,
    change_level,
    change_services,
    change_territories,
    change_activity,
    leave,
    change_secretariat,
    move_organisation,
)
