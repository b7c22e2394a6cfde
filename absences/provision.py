"""The directory file as a whole: the sections of the directory, the absences, and how all of it is applied.

Of an absence, `end_day` absent means the first day in a new one and leaves a stored one alone; null means the first
day. `kind`, `private`, `rrule` and `exdates` are those of the API (docs/api.md); absent in a new one they are usual,
and leave a stored one alone; null as `rrule` ends a recurrence. `organisation` absent or null in a new one: it holds
for all of the agent's. It may be one where the agent has no role: roles come and go, and an absence blocks its agent
everywhere. See `agents.provision` for the other keys.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone

from agents.emails import normalise_email
from agents.models import Organisation, end_rights
from agents.provision import (
    Agents,
    ChangedMeanwhile,
    Organisations,
    Passwords,
    Problems,
    Section,
    Services,
    Territories,
    Track,
    untracked,
)
from agents.provision.document import Shape, as_on_the_wire, flag, items, one_of, quoted, text, text_or_nothing
from agents.provision.section import batches, change, create, stored
from agents.record import gathered
from rdv.api.fields import DateField, TimeField
from rdv.api.transactions import write

from .models import Absence, Kind
from .models.overlaps import OVERLAPS, Calendars, Settled, differs
from .policies import rules_of
from .recurring import DaysField, RuleField, recur

# Any number, as long as nobody else locks with it.
PROVISION_LOCK = 7_364_001


class _Stored(NamedTuple):
    pk: int
    end_day: datetime.date
    end_time: datetime.time
    organisation_id: int | None
    kind: str
    private: bool
    rrule: str
    exdates: list[str] | None
    overrides: dict[str, dict[str, str]] | None


# An agent's email, a title, a first day and a start time: what makes two absences the same.
_Key = tuple[str, str, datetime.date, datetime.time]
IDENTITY = ("agent_id", "title", "first_day", "start_time")

_read_date = as_on_the_wire(DateField())


def _date_or_nothing(value: Any, path: str, problems: Problems) -> datetime.date | None:
    return None if value is None else _read_date(value, path, problems)


_read_rule = as_on_the_wire(RuleField())


def _rule_or_nothing(value: Any, path: str, problems: Problems) -> Any:
    return None if value is None else _read_rule(value, path, problems)


# What says when an absence comes again: written together, since each is held against the others.
_AGAIN = {"rrule", "exdates", "overrides", "recurs_until"}


class Absences(Section[Absence]):
    """Each by its agent, title, first day and start time; of several stored ones that are the same, the oldest."""

    name = "absences"
    shape = Shape(
        required={
            "agent_email": text,
            "title": text,
            "first_day": _read_date,
            "start_time": as_on_the_wire(TimeField()),
            "end_time": as_on_the_wire(TimeField()),
        },
        optional={
            "end_day": _date_or_nothing,
            "organisation": text_or_nothing,
            "departement_number": text,
            "kind": one_of(*Kind.values),
            "private": flag,
            "rrule": _rule_or_nothing,
            "exdates": as_on_the_wire(DaysField()),
        },
    )
    columns = ("title", "first_day", "start_time", "end_day", "end_time", "kind", "private")

    def __init__(
        self,
        document: Mapping[str, Any],
        problems: Problems,
        organisations: Organisations,
        agents: Agents,
        track: Track = untracked,
    ) -> None:
        super().__init__(problems)
        self._organisations, self._agents = organisations, agents
        # Where the file has each absence that is to be written; those that become part of others.
        self._where: dict[int, str] = {}
        self._joined: list[Settled] = []
        # Of each absence to be changed, the columns of which the file says nothing.
        self._not_given: dict[int, set[str]] = {}
        entries = self._entries(document)
        agents.find({key[0]: None for key in entries})
        known = self._stored(entries)
        for key, (path, values) in _followed(entries, track):
            self._compare(key, values, path, known.get(key))

    def write(self, track: Track = untracked) -> None:
        """Raises ChangedMeanwhile when an absence to be changed is gone, or is another one by now."""
        self._settle(self.created)
        self.judge(lock=True)
        self.problems.refuse()
        parts = {id(part) for settled in self._joined for part in settled.gone}
        create(Absence, [one for one in self.created if id(one) not in parts], track, "absences")
        self._join()
        now = timezone.now()
        for batch in track(batches(self.updated), "changed absences"):
            locked = Absence.objects.select_for_update(no_key=True).filter(pk__in=[absence.pk for absence in batch])
            now_stored = {absence.pk: absence for absence in locked.order_by("pk")}
            for absence in batch:
                here = now_stored.get(absence.pk)
                if here is None or any(getattr(here, column) != getattr(absence, column) for column in IDENTITY):
                    raise ChangedMeanwhile
                # Written since it was read: what the file does not say stays as it is now.
                for column in self._not_given[absence.pk]:
                    setattr(absence, column, getattr(here, column))
                absence.remember(here)
                absence.version = here.version + 1
                absence.updated_at = now
            columns = ("end_day", "end_time", "organisation", "kind", "private", *sorted(_AGAIN))
            change(Absence, batch, (*columns, "version", "updated_at"))

    def _settle(self, absences: list[Absence]) -> None:
        """What new rows take from their agents' territories and organisations, unless the file says it."""
        for absence in absences:
            absence.agent_id = absence.agent.pk  # who may be as new
        Absence.settle_zones(absences)
        kinds = [absence for absence in absences if absence.private is None]
        rules = rules_of({absence.agent_id for absence in kinds}) if kinds else {}
        for absence in kinds:
            absence.private = absence.agent_id in rules and rules[absence.agent_id].private(absence.kind)

    def judge(self, *, lock: bool = False) -> None:
        """What the organisations say of two absences at once. Of those that the file changes it tells what is refused;
        those that it makes may be merged into others.
        """
        rows = [one for one in (*self.created, *self.updated) if one.agent_id is not None]
        calendars = Calendars({one.agent_id for one in rows}, lock=lock)
        calendars.read(rows)
        self._joined = []
        for absence in rows if calendars.policies else ():
            fresh = absence.pk is None
            settled = calendars.settle(absence, merging=fresh)
            if settled.refused:
                self.problems.add(self._where[id(absence)], str(OVERLAPS))
            elif settled.gone:
                self._joined.append(settled)

    def _join(self) -> None:
        """Write what absences of the file became part of."""
        for settled in self._joined:
            settled.absence.absorb(settled.keeper, [one for one in settled.gone if one.pk is not None])
            if settled.keeper.pk is not None and differs(settled.keeper):
                settled.keeper.save_alone()

    def _entries(self, document: Mapping[str, Any]) -> dict[_Key, tuple[str, dict[str, Any]]]:
        """By key, the path and the values of each absence of the file."""
        entries: dict[_Key, tuple[str, dict[str, Any]]] = {}
        for path, item in items(document, self.name, self.problems):
            values = self.shape.read(item, path, self.problems)
            try:
                email = normalise_email(values.pop("agent_email"))
                key = (email, values["title"], values["first_day"], values["start_time"])
            except KeyError:  # told already
                continue
            if not self.is_repeated(key, path):
                entries[key] = (path, values)
        return entries

    def _stored(self, wanted: Mapping[_Key, Any]) -> dict[_Key, _Stored]:
        emails = {agent.pk: email for email, agent in self._agents.known.items() if agent.pk is not None}
        listed = {key[0] for key in wanted}
        pks = [pk for pk, email in emails.items() if email in listed]
        rows = Absence.objects.order_by("-pk").values_list(
            "agent_id", "title", "first_day", "start_time", "pk", *_Stored._fields[1:]
        )
        found = {}
        for agent, title, first_day, start_time, *rest in stored(rows, "agent", pks):
            key = (emails[agent], title, first_day, start_time)
            if key in wanted:
                found[key] = _Stored(*rest)
        return found

    def _compare(self, key: _Key, values: dict[str, Any], path: str, found: _Stored | None) -> None:
        email = key[0]
        agent = self._agents.known.get(email)
        if agent is None:
            self.problems.add(f"{path}.agent_email", f"no agent with the email {quoted(email)}")
        kept_for = "organisation" in values
        organisation = self._organisation(values, path)
        again = {name: values.pop(name) for name in ("rrule", "exdates") if name in values}
        if found is None:
            absence = Absence(agent=agent, organisation=organisation, **{"private": None} | values)
            self._recur(absence, again, path)
            self.check(absence, {*self.columns} - ({"private"} - values.keys()), path)
            self.created.append(absence)
            self._where[id(absence)] = path
            return
        if "end_day" in values:
            values["end_day"] = values["end_day"] or values["first_day"]
        known = found._asdict()
        there = not kept_for or _is(organisation, found.organisation_id)
        # Nearly all of a file that is applied again: no row is made of it.
        if there and not again and all(known.get(name, value) == value for name, value in values.items()):
            self.unchanged += 1
            return
        absence = Absence(agent=agent, **known | values)
        self._recur(absence, again, path)
        if kept_for:
            absence.organisation = organisation
        if there and all(getattr(absence, name) == value for name, value in known.items() if name != "organisation_id"):
            self.unchanged += 1
            return
        self._not_given[found.pk] = ({"end_day", "kind", "private"} - values.keys()) | (_AGAIN if not again else set())
        if not kept_for:
            self._not_given[found.pk].add("organisation_id")
        self.check(absence, self.columns, path)
        self.updated.append(absence)
        self._where[id(absence)] = path

    def _recur(self, absence: Absence, again: dict[str, Any], path: str) -> None:
        """Let an absence come again as the file says; what is wrong with that is a problem of `path`."""
        if None in (absence.first_day, absence.start_time, absence.end_time):  # told already
            return
        absence.end_day = absence.end_day or absence.first_day
        for name, failures in recur(absence, again, None).items():
            for failure in failures:
                self.problems.add_failure(f"{path}.{name}", failure)
        absence.settle_recurrence()

    def _organisation(self, values: dict[str, Any], path: str) -> Organisation | None:
        name, number = values.pop("organisation", None), values.pop("departement_number", None)
        if name is None:
            return None
        return self._organisations.named(name, number, f"{path}.organisation")


def _is(organisation: Organisation | None, pk: int | None) -> bool:
    """Whether `organisation`, which may not be stored yet, is the one that `pk` refers to."""
    return pk is None if organisation is None else organisation.pk is not None and organisation.pk == pk


def _followed(entries: Mapping[_Key, Any], track: Track) -> Any:
    return track(list(entries.items()), "reading absences")


class Plan:
    """A file against the database: what would change. Raises Refused, with every problem, if the file cannot be."""

    def __init__(self, document: Mapping[str, Any], track: Track = untracked) -> None:
        problems = Problems()
        self.territories = Territories(document, problems)
        self.services = Services(document, problems)
        self.organisations = Organisations(document, problems, self.territories)
        self.agents = Agents(document, problems, self.territories, self.services, self.organisations)
        self.absences = Absences(document, problems, self.organisations, self.agents, track)
        problems.refuse()
        self.absences.judge()
        problems.refuse()
        self.sections = (self.territories, self.services, self.organisations, self.agents, self.absences)
        self.left_without_admin = self.agents.left_without_admin()

    def changes_anything(self) -> bool:
        return any(section.created or section.updated for section in self.sections)

    def __str__(self) -> str:
        return "; ".join(f"{section.name}: {section.tally()}" for section in self.sections)

    def write(self, track: Track = untracked) -> None:
        """All but the commit. Raises ChangedMeanwhile when somebody else changed what the plan rests on."""
        self.agents.lock()
        with gathered():
            self.territories.write()
            self.services.write()
            self.organisations.write()
            self.agents.write(track)
            self.absences.write(track)
        end_rights()
        self.agents.confirm_unchanged()


def provision(document: Mapping[str, Any], *, dry_run: bool = False, track: Track = untracked) -> Plan:
    """Apply a file, all of it or nothing, or with `dry_run` only look; gives what changed, or would.

    Raises Refused with every problem of the file, and what the database raises. When somebody else changed the same
    rows meanwhile it plans and writes anew; and raises ChangedMeanwhile, or what the database says, if that does not
    end.
    The first look needs no lock: a file that changes nothing, and the slow hashes of passwords, keep nobody waiting.
    """
    passwords = Passwords()
    plan = Plan(document, track)
    plan.agents.settle_passwords(passwords, track)
    if dry_run or not plan.changes_anything():
        return plan
    return write(lambda: _apply(document, passwords, track), ChangedMeanwhile)


def _apply(document: Mapping[str, Any], passwords: Passwords, track: Track) -> Plan:
    _one_at_a_time()
    plan = Plan(document, track)
    plan.agents.settle_passwords(passwords, track)
    plan.write(track)
    return plan


def _one_at_a_time() -> None:
    """Wait until no other provision is under way. SQLite's transactions do so by themselves."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (PROVISION_LOCK,))
