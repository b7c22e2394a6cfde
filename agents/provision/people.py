"""The agents of the directory file, with their services, roles and passwords."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.hashers import make_password
from django.utils import timezone

from agents.emails import normalise_email
from agents.models import AccessLevel, Agent, AgentRole, AgentTerritorialRole, ClientToken, Organisation

from .directory import Organisations, Services, Territories
from .document import Problems, Shape, each, flag, items, one_of, secret, text, text_or_nothing
from .links import Links
from .names import Names, ids
from .passwords import Passwords, Wanted
from .section import ChangedMeanwhile, Section, Track, batches, change, create, stored, untracked

ROLE = Shape(
    required={"organisation": text},
    optional={"departement_number": text, "access_level": one_of(*AccessLevel.values)},
)

# The keys of the file that are columns, under their names.
COLUMNS = {"first_name": "first_name", "last_name": "last_name", "active": "is_active"}


class Agents(Section[Agent]):
    """Each by its `email`, whatever its case."""

    name = "agents"
    shape = Shape(
        required={"email": text},
        optional={
            "password": secret,
            "first_name": text_or_nothing,
            "last_name": text_or_nothing,
            "services": each(text),
            "roles": each(ROLE.read),
            "territorial_admin_of": each(text),
            "active": flag,
            "external_ids": ids,
        },
    )
    columns = ("email", "first_name", "last_name")

    def __init__(
        self,
        document: Mapping[str, Any],
        problems: Problems,
        territories: Territories,
        services: Services,
        organisations: Organisations,
    ) -> None:
        super().__init__(problems)
        self._territories, self._services, self._organisations = territories, services, organisations
        # By email: those of the file, and those that `find` brought.
        self.known: dict[str, Agent] = {}
        self._changed_columns = {"updated_at"}
        self._passwords: list[tuple[Agent, Wanted]] = []
        self._renewed: list[Agent] = []

        entries = self._entries(document)
        found = {agent.email: agent for agent in stored(Agent.objects.all(), "email", entries)}
        self._listed = {agent.pk: agent for agent in found.values()}
        self._read = {agent.pk: (agent.updated_at, agent.password) for agent in found.values()}
        self._memberships = Links(Agent.services.through, "service", self._listed)
        self._roles = Links(AgentRole, "organisation", self._listed)
        self._territorial_roles = Links(AgentTerritorialRole, "territory", self._listed)
        called = [agent.pk for email, agent in found.items() if "external_ids" in entries[email][1]]
        self._names = Names(called, problems)
        for email, (path, values) in entries.items():
            self._compare(found.get(email), email, values, path)
        self._names.refuse_taken()

    def find(self, emails: Iterable[str]) -> None:
        """Add to `known` the agents of `emails` that the file does not list; those who left are not found."""
        missing = [email for email in emails if email not in self.known]
        for agent in stored(Agent.objects.filter(deleted_at=None).only("pk", "email"), "email", missing):
            self.known[agent.email] = agent

    def settle_passwords(self, passwords: Passwords, track: Track = untracked) -> None:
        """Give each agent the hash of the password that the file wants; the stored one where it matches."""
        passwords.work_out([wanted for _agent, wanted in self._passwords], track)
        updated = {agent.pk for agent in self.updated}
        for agent, wanted in self._passwords:
            encoded = passwords.encoded(wanted)
            if encoded == agent.password:
                continue
            agent.password = encoded
            if agent.pk is not None:
                self._renewed.append(agent)
                self._changed_columns.add("password")
                if agent.pk not in updated:
                    self.updated.append(agent)
                    self.unchanged -= 1

    def left_without_admin(self) -> list[Organisation]:
        """The organisations that have an admin who can sign in, and no more once the file is applied."""
        had, will_have = set(), set()
        usable = AgentRole.objects.filter(agent__is_active=True, agent__deleted_at=None)
        admins = usable.filter(access_level=AccessLevel.ADMIN).values_list("organisation_id", "agent_id")
        for organisation, agent in admins:
            had.add(organisation)
            if agent not in self._listed:
                will_have.add(organisation)
        for role in self._roles.current():
            agent = self._listed.get(role.agent_id) or role.agent
            if role.access_level == AccessLevel.ADMIN and agent.is_active:
                will_have.add(role.organisation_id)
        return self._organisations.by_id(had - will_have)

    def lock(self) -> None:
        """Nobody else changes those that `write` will; before any other row, as everywhere. Raises ChangedMeanwhile
        when somebody has, since they were read.
        """
        self._compare_with_stored(sorted(agent.pk for agent in self.updated), lock=True)

    def confirm_unchanged(self) -> None:
        """Raises ChangedMeanwhile when somebody changed one of the others since they were read. Asked when rights are
        held (`agents.models.rights`), so that the answer stays true until the commit.
        """
        self._compare_with_stored(self._read.keys() - {agent.pk for agent in self.updated}, lock=False)

    def _compare_with_stored(self, agents: Iterable[int], *, lock: bool) -> None:
        pks = list(agents)
        rows = Agent.objects.order_by("pk").values_list("pk", "updated_at", "password")
        rows = rows.select_for_update(no_key=True) if lock else rows
        now = {pk: rest for pk, *rest in stored(rows, "pk", pks)}
        if any(now.get(pk) != [*self._read[pk]] for pk in pks):
            raise ChangedMeanwhile

    def write(self, track: Track = untracked) -> None:
        """Write the agents, then what joins them to the rest."""
        create(Agent, self.created, track, "agents")
        now = timezone.now()
        for agent in self.updated:
            agent.updated_at = now
        change(Agent, self.updated, self._changed_columns, track, "changed agents")
        for batch in batches(self._renewed):
            ClientToken.objects.filter(agent__in=batch).revoke()
        for links in (self._memberships, self._roles, self._territorial_roles):
            links.write()
        self._names.write()

    def _entries(self, document: Mapping[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
        """By email, the path and the values of each agent of the file."""
        entries = {}
        for path, item in items(document, self.name, self.problems):
            values = self.shape.read(item, path, self.problems)
            email = normalise_email(values.get("email", ""))
            if email and not self.is_repeated(email, path):
                entries[email] = (path, values)
        return entries

    def _compare(self, agent: Agent | None, email: str, values: Mapping[str, Any], path: str) -> None:
        if agent and agent.deleted_at:
            self.problems.add(f"{path}.email", "is the address that an agent was given when they left")
            return
        new = agent is None
        agent = self.known[email] = agent or Agent(email=email, password=make_password(None))
        columns = {COLUMNS[key]: value for key, value in values.items() if key in COLUMNS}
        changed = self.give(agent, columns, path, new=new)
        self._changed_columns |= changed
        self.count(agent, changed | self._join(agent, values, path), new=new)
        if "password" in values:
            self._passwords.append((agent, Wanted(email, "" if new else agent.password, values["password"])))

    def _join(self, agent: Agent, values: Mapping[str, Any], path: str) -> set[str]:
        """Join `agent` to the services, organisations and territories that the file names; gives the keys that change
        anything.
        """
        changed = set()
        if "services" in values:
            services = [(where, self._services.named(name, where), {}) for where, name in values["services"]]
            if self._memberships.replace(agent, self._once(services)):
                changed.add("services")
        if "roles" in values:
            roles = [self._role(where, role) for where, role in values["roles"]]
            if self._roles.replace(agent, self._once(roles)):
                changed.add("roles")
        if "territorial_admin_of" in values:
            numbers = values["territorial_admin_of"]
            territories = [(where, self._territories.named(number, where), {}) for where, number in numbers]
            if self._territorial_roles.replace(agent, self._once(territories)):
                changed.add("territorial_admin_of")
        if "external_ids" in values:
            places = self._organisations.stored(self._roles.kept(agent)) + self._roles.gained(agent)
            astray = bool(values.get("roles")) and not places  # told already
            if not astray and self._names.replace(agent, places, values["external_ids"], f"{path}.external_ids"):
                changed.add("external_ids")
        return changed

    def _role(self, path: str, role: Mapping[str, Any]) -> tuple[str, Organisation | None, dict[str, Any]]:
        path = f"{path}.organisation"
        level = {"access_level": role["access_level"]} if "access_level" in role else {}
        if "organisation" not in role:
            return path, None, level
        return path, self._organisations.named(role["organisation"], role.get("departement_number"), path), level

    def _once(self, named: Iterable[tuple[str, Any, dict[str, Any]]]) -> list[tuple[Any, dict[str, Any]]]:
        """The rows named and what is said of them, each row once; naming one twice is a problem."""
        rows: dict[int, tuple[Any, dict[str, Any]]] = {}
        for path, row, values in named:
            if row is not None and rows.setdefault(id(row), (row, values))[1] is not values:
                self.problems.add(path, "named twice")
        return list(rows.values())
