"""Whose busy time is asked for, and what it is: three queries, whoever is asked for and however often they are out."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.db import models
from django.db.models import Exists, F, OuterRef, Q

from absences.models import Absence
from absences.policies import holidays_of
from absences.recurrence import LAST_DAY, Series
from agents.models import Agent
from rdv.api.statements import EpochSeconds, Numbers, Parameter, Statement
from rdv.api.times import PARIS

from .busy import Span, merged, of_day, of_series

FORBIDDEN, NOT_FOUND = "forbidden", "not_found"
MARGIN = 2  # days: more than any two zones are apart


@dataclass(frozen=True)
class Member:
    """One of those who are asked for: as they were named, when nothing may be told of them (`error` says why); else who
    they are, when they are busy, and when that last changed, if it is known.
    """

    id: int | None
    email: str | None
    busy: Sequence[Span] | None = None
    error: str | None = None
    changed: datetime.datetime | None = None


_SERIES = tuple(name for name in Absence.SERIES if name != "title")


def _absences() -> models.QuerySet[Any]:
    first, last = (Parameter(name, models.DateField()) for name in ("first", "last"))
    once = Q(rrule="", end_day__gte=first)
    again = Q(rrule__gt="") & (Q(recurs_until=None) | Q(recurs_until__gte=first))
    # An occurrence may have been moved before the first one.
    begun = Q(first_day__lte=last) | Q(overrides__isnull=False)
    return (
        Absence.objects.filter(once | again, begun, agent__among=Parameter("agents", Numbers()))
        .annotate(changed=EpochSeconds("updated_at"))
        .order_by()
        .values_list("agent_id", "changed", *_SERIES)
    )


_ABSENCES = Statement(_absences)


def members(caller: Agent, ids: Sequence[int], emails: Sequence[str], window: Span) -> list[Member]:
    """Each of those named, once, in their order: by number, then by address."""
    visible = Agent.objects.visible_to(caller)
    rows = (
        Agent.objects.filter(Q(pk__among=ids) | Q(email__in=emails), deleted_at=None)
        .order_by()
        .values_list("pk", "email", F(Agent.ZONE), Exists(visible.filter(pk=OuterRef("pk"))))
    )
    known = {pk: (email, zone or PARIS.key, in_sight) for pk, email, zone, in_sight in rows}
    by_email = {email: pk for pk, (email, _zone, _in_sight) in known.items()}
    named: list[Member] = []
    for pk, email in [*((pk, None) for pk in ids), *((by_email.get(email), email) for email in emails)]:
        if pk not in known:
            named.append(Member(pk, email, error=NOT_FOUND))
        elif not known[pk][2]:
            named.append(Member(None if email else pk, email, error=FORBIDDEN))
        else:
            named.append(Member(pk, known[pk][0]))
    named = list(dict.fromkeys(named))
    zones = {one.id: known[one.id][1] for one in named if one.id is not None and one.error is None}
    busy, changed = _busy(zones, window) if zones else ({}, {})
    return [
        one if one.error else Member(one.id, one.email, merged(busy[one.id], window), None, changed.get(one.id))
        for one in named
    ]


def _busy(zones: Mapping[int, str], window: Span) -> tuple[dict[int, list[Span]], dict[int, datetime.datetime]]:
    """By agent, when they are out, and when the last of these absences was changed."""
    spans: dict[int, list[Span]] = {pk: [] for pk in zones}
    changed: dict[int, int] = {}
    first, last = _day(window.starts, -MARGIN), _day(window.ends, MARGIN)
    for agent, at, *columns in _ABSENCES.run(agents=[*zones], first=first, last=last):
        found = list(of_series(Series.of(*columns), window))
        if found:
            spans[agent] += found
            changed[agent] = max(at, changed.get(agent, at))
    for agent, holidays in holidays_of([*zones], first, last).items():
        spans[agent] += [of_day(day, zones[agent]) for day in {holiday.day for holiday in holidays}]
    return spans, {pk: datetime.datetime.fromtimestamp(at, datetime.UTC) for pk, at in changed.items()}


def _day(moment: datetime.datetime, days: int) -> datetime.date:
    """The day that is so many after that of `moment`, within what is counted."""
    return datetime.date.fromordinal(min(max(moment.toordinal() + days, 1), LAST_DAY.toordinal()))


def instant(civil: datetime.datetime) -> datetime.datetime:
    """A civil time of Paris as an instant, in UTC."""
    return civil.replace(tzinfo=ZoneInfo(PARIS.key)).astimezone(datetime.UTC)
