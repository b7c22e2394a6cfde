"""What the organisations of an agent decided about absences, taken together: the strictest counts."""

from __future__ import annotations

import datetime
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.db.models import JSONField, OuterRef, Subquery
from django.db.models.functions import JSONArray

from agents.models import Agent, AgentRole
from agents.models.reach import JSONList

from .holidays import Holiday, public_holidays
from .models import AbsencePolicy, OnHoliday, Overlap, Period

Hours = tuple[datetime.time, datetime.time, datetime.time]

DEFAULT = AbsencePolicy()


@dataclass(frozen=True)
class Rules:
    """Those of one agent. `policies`: of those of their organisations that have one; `departements`: of these, by
    organisation; `shown`: the organisation that their absences show. Organisations by number.
    """

    policies: tuple[AbsencePolicy, ...] = ()
    departements: Mapping[int, str] = field(default_factory=dict)
    shown: int | None = None

    @classmethod
    def of(cls, told: Any, shown: int | None) -> Rules:
        """From the column `POLICIES`, and the number of the shown organisation."""
        policies, departements = [], {}
        for row in told or ():
            *values, departement = row
            policies.append(AbsencePolicy(**{name: _read(name, one) for name, one in zip(_READ, values, strict=True)}))
            departements[policies[-1].organisation_id] = departement
        return cls(tuple(policies), departements, shown)

    @cached_property
    def overlap(self) -> str:
        """The strictest way to deal with absences that overlap."""
        return max((one.overlap for one in self.policies), key=Overlap.values.index, default=Overlap.ALLOW)

    def private(self, kind: str) -> bool:
        """Whether an absence of this kind is private in itself."""
        return any(kind in one.private_kinds for one in self.policies)

    def hours(self, organisation: int | None) -> Hours:
        """When the morning begins, noon, and when the day ends: in the organisation that an absence is for, else in the
        one that the agent shows.
        """
        place = organisation or self.shown
        policy = next((one for one in self.policies if one.organisation_id == place), DEFAULT)
        return policy.morning_starts, policy.noon, policy.day_ends

    def times(self, period: str, organisation: int | None) -> tuple[datetime.time, datetime.time]:
        """When such a part of a day begins and ends. The afternoon begins where the morning ends."""
        morning, noon, evening = self.hours(organisation)
        return (noon if period == Period.AFTERNOON else morning), (noon if period == Period.MORNING else evening)

    def on_holiday(self, day: datetime.date) -> tuple[str, Holiday | None]:
        """What becomes of a half-day of absence on `day`, and the holiday that it is, if any."""
        found: tuple[str, Holiday | None] = (OnHoliday.ALLOW, None)
        for one in self.policies:
            if one.public_holidays and OnHoliday.values.index(one.on_holiday) > OnHoliday.values.index(found[0]):
                departement = self.departements.get(one.organisation_id, "")
                for holiday in public_holidays(departement, day, day, one.excluded_holidays)[:1]:
                    found = (one.on_holiday, holiday)
        return found


_READ = (
    *("organisation_id", "overlap", "private_kinds", "morning_starts", "noon", "day_ends"),
    *("public_holidays", "excluded_holidays", "on_holiday"),
)


def _read(name: str, value: Any) -> Any:
    """A column of a policy, from JSON: the databases do not write times, flags and lists alike."""
    if name == "organisation_id":
        return value
    column: Any = AbsencePolicy._meta.get_field(name)
    if isinstance(column, JSONField):
        return json.loads(value) if isinstance(value, str) else value
    return column.to_python(value)


# Of a queryset of agents: what `Rules.of` takes.
POLICIES = Subquery(
    AbsencePolicy.objects.filter(organisation__roles__agent=OuterRef("pk"))
    .order_by()
    .values("organisation__roles__agent")
    .annotate(all=JSONList(JSONArray(*_READ, "organisation__territory__departement_number")))
    .values("all")
)
SHOWN = "shown__organisation_id"


def rules_of(agents: Collection[int]) -> dict[int, Rules]:
    """By agent; one query."""
    rows = Agent.objects.filter(pk__among=[*agents]).order_by().values_list("pk", POLICIES, SHOWN)
    return {pk: Rules.of(told, shown) for pk, told, shown in rows}


def holidays_of(
    agents: Collection[int], from_: datetime.date, to: datetime.date, organisations: Collection[int] | None = None
) -> dict[int, list[Holiday]]:
    """By agent, the public holidays from `from_` to `to` on which they do not work: those that any of their
    organisations keeps, or of `organisations` alone. One query; an agent without any is not in it.
    """
    roles = AgentRole.objects.filter(agent__among=[*agents])
    if organisations is not None:
        roles = roles.filter(organisation__among=[*organisations])
    policy = "organisation__absence_policy__"
    rows = roles.order_by().values_list(
        "agent_id",
        "organisation__territory__departement_number",
        f"{policy}public_holidays",
        f"{policy}excluded_holidays",
    )
    calendars: dict[tuple[Any, ...], list[Holiday]] = {}
    found: dict[int, set[Holiday]] = {}
    for agent, *calendar in rows:
        for holiday in _kept(calendars, calendar, from_, to):
            found.setdefault(agent, set()).add(holiday)
    return {agent: sorted(holidays) for agent, holidays in found.items()}


def _kept(
    calendars: dict[tuple[Any, ...], list[Holiday]], calendar: Iterable[Any], from_: datetime.date, to: datetime.date
) -> list[Holiday]:
    """Those of one organisation, reckoned once for all that keep the same."""
    departement, kept, excluded = calendar
    key = (departement, kept is not False, *(excluded or ()))
    if key not in calendars:
        calendars[key] = public_holidays(departement, from_, to, excluded or ()) if kept is not False else []
    return calendars[key]
