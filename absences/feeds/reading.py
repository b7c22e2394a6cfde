"""What a feed shows at this moment: what its owner sees now, of what it is of, no more than it may tell.

The same number of queries however much there is: the absences, what was deleted, and, where they are wanted, of whose
private absences the owner may know what was deleted, and whose public holidays are kept.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.db import models
from django.db.models import Q, QuerySet
from django.utils import timezone

from absences import ical, recurrence
from absences.holidays import public_holidays
from absences.models import Absence, DeletedAbsence, Feed, Kind, Privacy
from absences.models.privacy import hidden_from
from agents.models import Agent, AgentRole, Organisation, ShownOrganisation
from agents.models.privacy import UNAVAILABLE, told_of
from rdv.api.statements import EpochSeconds, Parameter, Statement
from rdv.api.times import PARIS

from . import calendar as calendars
from . import zones
from .calendar import CANCELLED, absence_events, holiday_event

TARGETS = ("agent", "service", "organisation")
_COLUMNS = (
    *("id", "agent_id", "title", "first_day", "start_time", "end_day", "end_time", "time_zone", "version", "changed"),
    *(
        "kind",
        "private",
        "hidden",
        "rrule",
        "exdates",
        "overrides",
        "agent__first_name",
        "agent__last_name",
        "agent__email",
    ),
    *("agent__shown__by_mairie", "organisation__name"),
)
_ZONE = _COLUMNS.index("time_zone")
_GONE = (
    *("absence_id", "version", "changed", "kept", "agent__first_name", "agent__last_name", "agent__email"),
    "agent__shown__by_mairie",
)


def target_of(feed: Feed) -> tuple[str, int]:
    """Of what the feed is: "agent", "service" or "organisation", and its number."""
    return next((name, pk) for name in TARGETS if (pk := getattr(feed, f"{name}_id")) is not None)


def _agents(target: str) -> QuerySet[Any]:
    """Those whose absences it shows: of the target, and in sight of the owner now."""
    visible = Agent.objects.visible_to(Agent.to_come()).order_by()
    of = Parameter("target", models.BigIntegerField())
    if target == "agent":
        return visible.filter(pk=of)
    if target == "service":
        return visible.filter(pk__in=Agent.services.through.objects.filter(service=of).values("agent"))
    return visible.filter(pk__in=AgentRole.objects.filter(organisation=of).values("agent"))


@cache
def _absences(target: str) -> Statement:
    def build() -> QuerySet[Any]:
        start, end = (Parameter(name, models.DateField()) for name in ("start", "end"))
        # Of a series the first occurrence alone is in its own columns.
        touching = Q(end_day__gte=start) | ~Q(rrule="") & (Q(recurs_until=None) | Q(recurs_until__gte=start))
        rows = Absence.objects.filter(touching, first_day__lte=end, agent__in=_agents(target))
        if target == "organisation":
            rows = rows.filter(Q(organisation=Parameter("target", models.BigIntegerField())) | Q(organisation=None))
        rows = rows.annotate(hidden=hidden_from(Agent.to_come()), changed=EpochSeconds("updated_at"))
        return rows.order_by("pk").values_list(*_COLUMNS)

    return Statement(build)


@cache
def _deleted(target: str) -> Statement:
    def build() -> QuerySet[Any]:
        since = Parameter("since", models.DateTimeField())
        rows = DeletedAbsence.objects.filter(deleted_at__gt=since, agent__in=_agents(target))
        return rows.annotate(changed=EpochSeconds("deleted_at")).order_by("pk").values_list(*_GONE)

    return Statement(build)


@cache
def _maker() -> bytes:
    """What tells the program that makes calendars from one that makes others."""
    sources = (ical, recurrence, calendars, zones, sys.modules[__name__])
    return b"".join(Path(str(one.__file__)).read_bytes() for one in sources)


class Content:
    """What one feed shows at this moment: `digest` tells it from what it showed before, `body` is the calendar. Who has
    it already costs the questions alone; writing the calendar costs twice as much again.
    """

    def __init__(self, feed: Feed) -> None:
        self.feed, self.owner = feed, feed.owner
        self.target, self.number = target_of(feed)
        self.full = feed.privacy == Privacy.FULL
        self.titles = self.full or feed.privacy == Privacy.TITLES
        self.kinds = {kind.value: kind.label.capitalize() for kind in Kind}
        self.made = int(feed.created_at.timestamp())
        # What the feed itself tells may have changed after what it shows did.
        self.revised = int(feed.updated_at.timestamp()) if feed.version > 1 else 0
        now, reach = timezone.now(), self.owner.reach.values()
        today = now.astimezone(PARIS).date()
        self.start = today - datetime.timedelta(days=feed.days_back)
        self.end = today + datetime.timedelta(days=feed.days_ahead)
        window = {"target": self.number, "start": self.start, "end": self.end}
        self.absences = list(_absences(self.target).run(**window, **reach))
        since = now - datetime.timedelta(days=settings.RDV_FEEDS_CANCELLED_DAYS)
        gone = _deleted(self.target).run(target=self.number, since=since, **reach)
        kept = [(row, DeletedAbsence(kept=row[3]).absence()) for row in gone]
        self.deleted = [(row, one) for row, one in kept if self.shows(one)]
        self.told = self.told_of({one.agent_id for _row, one in self.deleted if one.private})
        self.holidays = list(self._holidays()) if feed.holidays else []

    @property
    def digest(self) -> str:
        """Of all that the calendar is made of, the program that makes it included: the same is the same calendar."""
        feed, named = self.feed, sorted(self.zones)
        says = [feed.name, feed.privacy, feed.kinds, feed.version, self.made, self.revised, self.target, self.number]
        around = [settings.RDV_FEEDS_REFRESH.total_seconds(), [zones.vtimezone(zone) for zone in named]]
        gone = [row for row, _one in self.deleted]
        made_of = [says, around, self.absences, gone, sorted(self.told), self.holidays]
        return sha256(_maker() + orjson.dumps(made_of, default=str, option=orjson.OPT_NON_STR_KEYS)).hexdigest()[:32]

    @property
    def body(self) -> bytes:
        """The calendar."""
        events = chain(self.of_absences(), self.of_deleted(), self.of_holidays())
        return calendars.calendar(self.feed.name, settings.RDV_FEEDS_REFRESH, PARIS.key, self.zones, events)

    @property
    def zones(self) -> set[str]:
        """Those of all that may be shown."""
        return {PARIS.key, *(row[_ZONE] for row in self.absences), *(one.time_zone for _row, one in self.deleted)}

    def of_absences(self) -> Iterator[str]:
        for row in self.absences:
            id, _agent, title, first_day, start_time, end_day, end_time, zone, version, changed, *rest = row
            kind, private, hidden, rrule, exdates, overrides, first_name, last_name, email, by_mairie, place = rest
            masked = private and (hidden or not self.full)
            if self.leaves_out(kind, masked):
                continue
            who = " ".join(filter(None, (first_name, last_name))) or email or ""
            yield absence_events(
                id,
                self.summary(who, masked),
                title,
                first_day,
                start_time,
                end_day,
                end_time,
                zone,
                *self.stamped(changed, version),
                ical.ORGANIZER_MAIRIE if by_mairie else ical.ORGANIZER,
                description="" if masked else self.description(who, email, kind, place),
                category="" if masked else self.category(kind),
                rrule=rrule,
                exdates=exdates,
                overrides=overrides,
            )

    def of_deleted(self) -> Iterator[str]:
        """What is no more, as cancelled, for as long as calendars may need to hear of it."""
        for (id, version, changed, _kept, first_name, last_name, email, by_mairie), one in self.deleted:
            masked = one.private and one.agent_id not in self.told
            if self.leaves_out(one.kind, masked):
                continue
            who = " ".join(filter(None, (first_name, last_name))) or email or ""
            yield absence_events(
                id,
                self.summary(who, masked),
                one.title,
                one.first_day,
                one.start_time,
                one.end_day,
                one.end_time,
                one.time_zone,
                *self.stamped(changed, version),
                ical.ORGANIZER_MAIRIE if by_mairie else ical.ORGANIZER,
                rrule=one.rrule,
                exdates=one.exdates,
                overrides=one.overrides,
                status=CANCELLED,
            )

    def of_holidays(self) -> Iterator[str]:
        for day, name, place in self.holidays:
            yield holiday_event(day, name, place, *self.stamped(self.made, 1))

    def _holidays(self) -> Iterator[tuple[datetime.date, str, str]]:
        """Those that are kept in the organisation that the feed is of, or that its agent or owner shows."""
        organisation = Q(pk=self.number)
        if self.target != "organisation":
            agent = self.number if self.target == "agent" else self.owner.pk
            organisation = Q(pk__in=ShownOrganisation.objects.filter(agent=agent).values("organisation"))
        columns = (
            "territory__departement_number",
            "absence_policy__public_holidays",
            "absence_policy__excluded_holidays",
        )
        for place, kept, excluded in Organisation.objects.filter(organisation).order_by().values_list(*columns):
            if kept is not False:  # None: without rules of its own, the usual ones
                for holiday in public_holidays(place, self.start, self.end, excluded or ()):
                    yield holiday.day, holiday.name, place

    def leaves_out(self, kind: str, masked: bool) -> bool:
        """Whether only some kinds are wanted, and this is none of them; what is masked has none."""
        return self.feed.kinds is not None and (masked or kind not in self.feed.kinds)

    def shows(self, gone: Absence) -> bool:
        """Whether an absence that is no more was in the window, and for the organisation."""
        in_window = gone.first_day <= self.end and (gone.end_day >= self.start or bool(gone.rrule))
        return in_window and (self.target != "organisation" or gone.organisation_id in (None, self.number))

    def told_of(self, agents: set[int]) -> set[int]:
        """Of `agents`, those of whose private absences this feed may tell."""
        return told_of(self.owner, agents) if self.full and agents else set()

    def summary(self, who: str, masked: bool) -> Callable[[str], str]:
        """What is shown in the place of a title: nobody's name where the feed says no more than "busy", nor that of
        the one whom it is of.
        """
        if not self.titles:
            return _unavailable
        before = "" if self.target == "agent" else f"{who} : "
        return lambda title: f"{before}{UNAVAILABLE if masked else title}"

    def description(self, who: str, email: str | None, kind: str, place: str | None) -> str:
        if not self.full:
            return ""
        return "\n".join(filter(None, (f"{who} <{email}>" if email else who, self.kinds[kind], place)))

    def category(self, kind: str) -> str:
        return self.kinds[kind] if self.full else ""

    def stamped(self, changed: int, version: int) -> tuple[str, int]:
        """When an event last changed here, in UTC, and its SEQUENCE: both grow with what it is, and with what the feed
        says of it.
        """
        at = datetime.datetime.fromtimestamp(max(changed, self.revised), datetime.UTC)
        return f"{ical.compact(at.isoformat())}Z", version + self.feed.version - 2


def _unavailable(title: str) -> str:
    return UNAVAILABLE
