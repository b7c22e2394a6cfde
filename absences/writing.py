"""Many absences written at once, each judged as if it came alone: by the serializer, the rights and the organisations'
rules of a single creation. However many there are, the database is asked a fixed number of times.

All happens in the transaction of whoever asks: judge (`judged`), write, tell the record, then look again at what the
caller may see, when their rights are held.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agents.models import Agent, AgentExternalId, AgentRole
from agents.models.external import name_taken
from agents.models.privacy import told_of
from agents.record import gathered, row_changed, row_created
from rdv.api.errors import Forbidden, Invalid, NotFound, WireError
from rdv.api.parsers import leading_integer
from rdv.api.times import PARIS

from .errors import Overlaps
from .models import Absence, Overlap, Warned, external
from .models.external import TERRITORY, ExternalId
from .models.overlaps import Calendars, differs
from .policies import POLICIES, SHOWN, Rules
from .serializers import AbsenceSerializer, the_one
from .shapes import CREATED, MERGED, REFUSED, UNCHANGED, UPDATED

OTHER_AGENT = _("est un autre que celui de l'absence, qui ne change pas d'agent")

_COLUMNS = tuple(field.attname for field in Absence._meta.concrete_fields)

# What makes two absences the same, where nobody named them.
_SAME = ("agent_id", "title", "first_day", "start_time", "end_day", "end_time", "rrule", "kind", "private", "period")
_SAME_AS_SHOWN = tuple(name for name in _SAME if name not in ("title", "kind", "period"))

Refuse = Callable[[Absence], None]


@dataclass(slots=True)
class Wanted:
    """An absence to be written: parameters, as of a creation; under `name`, a system and its id, it is written once,
    and changed when it comes again. `finish` gives the row what no parameter says, and may raise ValidationError. What
    cannot be read is `unreadable`.
    """

    params: Mapping[str, Any]
    name: tuple[str, str] | None = None
    # What depends on the zone of the agent, added to `params`. Raises ValidationError, by parameter.
    late: Callable[[str], Mapping[str, Any]] | None = None
    # Of one without a name: when the same is stored already, it is that.
    once: bool = False
    finish: Callable[[Absence], None] | None = None
    unreadable: WireError | None = None


@dataclass(slots=True)
class Verdict:
    """What became of one: the row that holds it now, or the error that a single creation would have answered."""

    result: str
    row: Absence | None = None
    error: WireError | None = None
    warnings: list[Warned] = field(default_factory=list)

    @property
    def status(self) -> int:
        return self.error.status_code if self.error else 200


class _Known:
    """The agents whom the items name, and what must be known of them: asked once."""

    def __init__(self, caller: Any, wanted: Sequence[Wanted], others: Collection[int]) -> None:
        ids = {number for one in wanted if (number := leading_integer(one.params.get("agent_id")))} | {*others}
        sent = (one.params.get("agent_email") for one in wanted)
        emails = {email for email in sent if isinstance(email, str) and 0 < len(email) <= 254}
        called = {name for one in wanted if isinstance(name := one.params.get("agent_external_id"), str)}
        self.called = AgentExternalId.objects.known_by(caller).called(called) if called else {}
        ids |= {agent for agents in self.called.values() for agent in agents}
        visible = Agent.objects.visible_to(caller).filter(pk=OuterRef("pk"))
        rows = (
            Agent.objects.filter(Q(pk__among=sorted(ids)) | Q(email__in=sorted(emails)), deleted_at=None)
            .order_by()
            .values_list("pk", "email", TERRITORY, Exists(visible), Agent.ZONE, POLICIES, SHOWN)
        )
        self.by_id: dict[int, tuple[Any, ...]] = {}
        self.by_email: dict[str, tuple[Any, ...]] = {}
        self.territories: dict[int, int] = {}
        self.in_sight: set[int] = set()
        self.rules: dict[int, Rules] = {}
        for pk, email, territory, visible_one, *more in rows if ids or emails else ():
            self.by_id[pk] = (pk, *more)
            self.rules[pk] = Rules.of(*more[1:])
            if email is not None:
                self.by_email[email] = (pk, *more)
            if territory is not None:
                self.territories[pk] = territory
            if visible_one:
                self.in_sight.add(pk)
        self.roles: set[tuple[int, int]] = set()
        if any(one.params.get("organisation_id") not in (None, "") for one in wanted):
            roles = AgentRole.objects.filter(agent__among=sorted(self.in_sight)).order_by()
            self.roles = set(roles.values_list("agent_id", "organisation_id"))

    def named(self, params: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """As `AbsenceSerializer` finds one. Raises NotFound for an unknown email or name (contract 4.2), and Invalid
        for the name of several.
        """
        number = params.get("agent_id")
        if number not in (None, ""):
            return self.by_id.get(leading_integer(number))
        email = params.get("agent_email")
        if email in (None, ""):
            name = params.get("agent_external_id")
            if name in (None, ""):
                return None
            found = self.by_id.get(the_one(name, self.called.get(name, ()) if isinstance(name, str) else ()))
        else:
            found = self.by_email.get(email) if isinstance(email, str) else None
        if found is None:
            raise NotFound("agent")
        return found


class _Serializer(AbsenceSerializer):
    """The same, of agents who are known already; a file may be sent again by who filed what is private by now."""

    leaves_unread = True

    def _agent(self) -> tuple[Any, ...] | None:
        known: _Known = self.context["known"]
        return known.named(self.initial_data)

    def _place(self, agent_id: int, organisation_id: int) -> tuple[bool, bool]:
        known: _Known = self.context["known"]
        return agent_id in known.in_sight, (agent_id, organisation_id) in known.roles

    def _rules(self, row: Absence) -> Rules:
        known: _Known = self.context["known"]
        return known.rules[row.agent_id]

    def _taken(self, row: Any) -> Any:  # type: ignore[override]
        return ()  # names of all of them are looked for at once


class Writing:
    """One act of writing. `strict`: what would only be told is refused. `refuse_stale`: asked of each stored row that
    would be changed.
    """

    def __init__(self, request: Any, *, strict: bool = False, refuse_stale: Refuse = lambda row: None) -> None:
        self.request, self.strict, self.refuse_stale = request, strict, refuse_stale
        self.verdicts: list[Verdict] = []
        # Of stored rows, what they were; into what absence some became; which absences are no more, by that.
        self._before: dict[int, dict[str, Any]] = {}
        self._kept: dict[int, Absence] = {}
        self._gone: dict[int, tuple[Absence, list[Absence]]] = {}

    def judge(self, wanted: Sequence[Wanted]) -> list[Verdict]:
        """What becomes of each; nothing is written. The rows that it is about are locked."""
        names = [one.name for one in wanted if one.name]
        found = self._named(names)
        self.known = _Known(self.request.user, wanted, {agent for pks in found.values() for _t, _pk, agent in pks})
        stored = [self._stored(one, found) for one in wanted]
        agents = {agent for agent, *_more in self.known.by_id.values()}
        self.calendars = Calendars(agents)
        rows = self._locked({pk for pk in stored if pk is not None})
        self._parted = self._made_of_several(rows)
        serialised = [
            self._read(one, rows.get(pk) if pk is not None else None) for one, pk in zip(wanted, stored, strict=True)
        ]
        self._refuse_taken(wanted, serialised)
        self._find_again(wanted, serialised)
        self.calendars.read([row for row in serialised if isinstance(row, Absence)])
        for row in serialised:
            self.verdicts.append(self._settle(row))
        return self.verdicts

    def _named(self, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], list[tuple[int, int, int]]]:
        """By name, the territory, number and agent of the absences that have it where the caller has a role."""
        found: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
        if names:
            systems, values = {system for system, _value in names}, {value for _system, value in names}
            rows = ExternalId.objects.visible_to(self.request.user).filter(system__in=systems, value__in=values)
            for system, value, *where in rows.order_by("absence").values_list(
                "system", "value", "territory", "absence", "absence__agent"
            ):
                if where[2] is not None:
                    found.setdefault((system, value), []).append((where[0], where[1], where[2]))
        return found

    def _stored(self, one: Wanted, found: Mapping[tuple[str, str], Sequence[tuple[int, int, int]]]) -> int | None:
        """The absence that an item is to change: of the named agent's territory; else one in sight, else any."""
        places = found.get(one.name, ()) if one.name else ()
        try:
            agent = self.known.named(one.params)
        except (NotFound, Invalid):
            return None
        if agent is not None:
            territory = self.known.territories.get(agent[0])
            places = [place for place in places if place[0] == territory]
        in_sight = [pk for _territory, pk, whose in places if whose in self.known.in_sight]
        return next(iter(in_sight), None) or next((pk for _territory, pk, _agent in places), None)

    def _locked(self, pks: Collection[int]) -> dict[int, Absence]:
        rows = Absence.objects.select_for_update(no_key=True).filter(pk__in=pks).order_by("pk") if pks else ()
        found = {row.pk: row for row in rows}
        self._before = {pk: vars(row).copy() for pk, row in found.items()}
        return found

    def _made_of_several(self, rows: Collection[int]) -> set[int]:
        """Those that are more than what a system calls by their name."""
        if Overlap.MERGE not in self.calendars.policies.values():
            return set()
        return set(ExternalId.objects.filter(absence__in=rows, part=True).values_list("absence", flat=True))

    def _read(self, one: Wanted, row: Absence | None) -> Absence | WireError:
        """The row as it is to be; or what a single request would answer."""
        if one.unreadable:
            return one.unreadable
        context = {"request": self.request, "known": self.known}
        try:
            params = one.params
            if one.late:
                agent = self.known.named(params)
                zone = row.time_zone if row is not None else agent and agent[1]
                params = {**params, **one.late(zone or PARIS.key)}
            serializer = _Serializer(row, data=params, context=context)
            if row is not None:
                if row.agent_id not in self.known.in_sight:
                    raise Forbidden
                self.refuse_stale(row)
                self._refuse_another_agent(one, row)
            serializer.is_valid(raise_exception=True)
        except ValidationError as error:
            return Invalid(error.error_dict)
        except WireError as error:
            return error
        read: Absence = serializer.row
        if one.name:
            read.external_ids = (read.external_ids or {}) | {one.name[0]: one.name[1]}
        if one.finish:
            try:
                one.finish(read)
            except ValidationError as error:
                return Invalid(error.error_dict)
        if read.agent_id not in self.known.in_sight:
            return Forbidden()
        return read

    def _refuse_another_agent(self, one: Wanted, row: Absence) -> None:
        agent = self.known.named(one.params)
        if agent is not None and agent[0] != row.agent_id:
            raise Invalid({"agent": [ValidationError(OTHER_AGENT, params={"problem": "other_agent"})]})

    def _refuse_taken(self, wanted: Sequence[Wanted], rows: list[Absence | WireError]) -> None:
        """In `rows`, the error of those that would take a name that another one has, stored or before it in the list;
        and of those that would change what one before it changes.
        """
        given: dict[int, list[tuple[int, str, str]]] = {}
        for number, row in enumerate(rows):
            if isinstance(row, Absence) and row.external_ids and row.agent_id in self.known.territories:
                had = self._before[row.pk]["external_ids"] or {} if row.pk else {}
                fresh = {name for name in row.external_ids.items() if had.get(name[0]) != name[1]}
                asked = {name} if (name := wanted[number].name) else set()
                given[number] = [(self.known.territories[row.agent_id], *one) for one in sorted(fresh | asked)]
        holders = external.holders(name for names in given.values() for name in names)
        seen: set[Any] = set()
        for number, names in given.items():
            row: Any = rows[number]
            mine = {*names, *([row.pk] if row.pk else ())}
            wrong = next((one for one in names if holders.get(one, row.pk) != row.pk or one in seen), None)
            if wrong is not None or not seen.isdisjoint(mine):
                _territory, system, value = wrong or names[0]
                rows[number] = Invalid({"external_ids": [name_taken(system, value)]})
            else:
                seen |= mine

    def _find_again(self, wanted: Sequence[Wanted], rows: list[Absence | WireError]) -> None:
        """In `rows`, those that are stored already in the place of the same that are to be written once."""
        fresh = {
            number: row
            for number, (one, row) in enumerate(zip(wanted, rows, strict=True))
            if isinstance(row, Absence) and row.pk is None and one.once and not one.name
        }
        if not fresh:
            return
        there = Absence.objects.select_for_update(no_key=True).filter(
            agent__in={row.agent_id for row in fresh.values()}, first_day__in={row.first_day for row in fresh.values()}
        )
        rows_there = list(there.order_by("-pk"))
        # Of what the caller may not know, only what they are shown says that it is the same: nobody tries titles here.
        private = {row.agent_id for row in rows_there if row.private}
        unknown = private - told_of(self.request.user, private) if private else set()

        def key(row: Absence) -> tuple[Any, ...]:
            names = _SAME_AS_SHOWN if row.private and row.agent_id in unknown else _SAME
            return tuple(getattr(row, name) for name in names)

        stored = {key(row): row for row in rows_there}
        for number, row in fresh.items():
            found = stored.get(key(row))
            if found is not None:
                self._before.setdefault(found.pk, vars(found).copy())
                rows[number] = found

    def _settle(self, row: Absence | WireError) -> Verdict:
        if isinstance(row, WireError):
            return Verdict(REFUSED, error=row)
        if row.pk in self._kept:
            return Verdict(MERGED, self._kept[row.pk])
        before = self._before.get(row.pk) if row.pk else None
        if before is not None:
            if row.pk in self._parted and self._lies_within(row, before):
                vars(row).update(before)
            if all(before[name] == getattr(row, name) for name in _COLUMNS):
                return Verdict(UNCHANGED, row)
        settled = self.calendars.settle(row, strict=self.strict)
        if settled.refused:
            return Verdict(REFUSED, error=Overlaps(settled.refused.ids))
        keeper = settled.keeper
        if settled.gone:
            stored = [one for one in settled.gone if one.pk is not None]
            self._gone.setdefault(id(keeper), (keeper, []))[1].extend(stored)
            self._kept |= {one.pk: keeper for one in (keeper, *stored) if one.pk is not None}
            for verdict in self.verdicts:
                if verdict.row in settled.gone:
                    verdict.row = keeper
        changed = UPDATED if before is not None else CREATED
        warnings = [*row.noticed, *settled.warnings]
        return Verdict(MERGED if settled.gone else changed, keeper, warnings=warnings)

    def _lies_within(self, row: Absence, before: Mapping[str, Any]) -> bool:
        """Whether what is asked of an absence that is several systems' is part of it already."""
        if self.calendars.policies.get(row.agent_id) != Overlap.MERGE or row.rrule or before["rrule"]:
            return False
        return (before["first_day"], before["start_time"]) <= (row.first_day, row.start_time) and (
            (row.end_day, row.end_time) <= (before["end_day"], before["end_time"])
        )

    def write(self) -> None:
        """What was judged well, in as many statements however much it is."""
        rows = {id(one.row): one.row for one in self.verdicts if one.row is not None and one.result != UNCHANGED}
        created = [row for row in rows.values() if row.pk is None]
        updated = [row for row in rows.values() if row.pk is not None and (row.aliases or differs(row))]
        had = {row.pk: row.remembered.get("external_ids") for row in updated}
        now = timezone.now()
        with gathered():
            for keeper, gone in self._gone.values():
                for one in gone:
                    had[keeper.pk] = (one.external_ids or {}) | (had.get(keeper.pk) or {})
                Absence.absorb(keeper, gone)
            for row in rows.values():
                row.settle_recurrence()
            Absence.objects.bulk_create(created)
            for row in updated:
                row.version += 1
                row.updated_at = now
            columns = [field.name for field in Absence._meta.concrete_fields if not field.primary_key]
            # By way of an insert that meets the row: one statement, where `bulk_update` makes a branch of each row.
            Absence.objects.bulk_create(updated, update_conflicts=True, unique_fields=["pk"], update_fields=columns)
            external.name_all([*created, *updated], had)
            if self._gone:
                external.name_parts([keeper for keeper, _gone in self._gone.values()])
            for row in created:
                row_created(row)
            for row in updated:
                row_changed(row)
