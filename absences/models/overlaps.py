"""What becomes of an absence that meets another one of the same agent: as the organisations decided (row A17).

Whoever saves an absence asks here first, one or thousands. Where a policy says more than "allow", the agents' rows are
locked first, in their order, so that of two who write at once the second sees what the first wrote.

Two meet when an occurrence of the one overlaps an occurrence of the other; touching is not overlapping, but what
touches is merged, as two halves of a day are. What recurs, or is of another kind, or kept for another organisation, or
more private than the other, is never merged, since something of it would be lost: that is told instead.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from absences.recurrence import Series, clock_changes, instants, occurrences
from agents.models import Agent
from rdv.api.statements import Numbers, Parameter, Statement

from .policy import AbsencePolicy, Overlap
from .warnings import Warned

if TYPE_CHECKING:
    from .absence import Absence

STRICTER = {choice: number for number, choice in enumerate(Overlap.values)}
# What an absence's place in time is made of.
TIMES = ("agent_id", "first_day", "start_time", "end_day", "end_time", "rrule", "exdates", "overrides", "time_zone")
# What two must have in common to become one.
ALIKE = ("kind", "private", "organisation_id", "time_zone")
DAY = datetime.timedelta(days=1)
# Two endless series are compared over so many years from the day on which the later one begins.
YEARS = 5
EARLIEST = datetime.date(2000, 1, 1).toordinal()  # no absence is from before 2018
SHOWN = 20  # absences that are named

OVERLAPS = _("L'absence chevauche une autre absence de l'agent.")
MERGED = _("L'absence a été réunie à une autre, qu'elle chevauchait ou touchait.")

# Asked for by who writes: what is only told is refused (RFC 7240 4.4).
_strict: ContextVar[bool] = ContextVar("strict", default=False)

_POLICIES = Statement(
    lambda: (
        AbsencePolicy.objects.exclude(overlap=Overlap.ALLOW)
        .filter(organisation__roles__agent__among=Parameter("agents", Numbers()))
        .order_by()
        .values_list("organisation__roles__agent", "overlap")
    )
)


class Overlapping(ValidationError):
    """An absence that must not overlap those of `ids`, of the same agent."""

    def __init__(self, ids: Sequence[int]) -> None:
        super().__init__(OVERLAPS, code="absence_overlaps", params={"problem": "absence_overlaps"})
        self.ids = list(ids)


@contextmanager
def strictly(strict: bool = True) -> Iterator[None]:
    """What is saved meanwhile is refused where else something would be told of it."""
    before = _strict.set(strict)
    try:
        yield
    finally:
        _strict.reset(before)


def is_strict() -> bool:
    return _strict.get()


def strictest(agents: Collection[int]) -> dict[int, str]:
    """By agent, the policy that counts for them, of those for whom it is not to allow everything."""
    found: dict[int, str] = {}
    for agent, overlap in _POLICIES.run(agents=sorted(agents)) if agents else ():
        if STRICTER[overlap] > STRICTER[found.get(agent, Overlap.ALLOW)]:
            found[agent] = overlap
    return found


def matters_to_agent(agent: str) -> Exists:
    """Whether one of the organisations of the agent in that column asks about overlaps."""
    return Exists(
        AbsencePolicy.objects.exclude(overlap=Overlap.ALLOW).filter(organisation__roles__agent=OuterRef(agent))
    )


def hold_agent_of(absence: int) -> None:
    """Before an absence is locked whose time may change: agents come first in the order of locks."""
    agents = Agent.objects.filter(matters_to_agent("pk"), absences=absence)
    list(agents.select_for_update(no_key=True, of=("self",)).order_by().values_list("pk"))


@dataclass
class Settled:
    """What becomes of an absence: what it meets; the absence that keeps its place, when that is another one; those that
    are no more afterwards, being part of that.
    """

    absence: Absence
    keeper: Absence
    gone: list[Absence] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)
    refused: Overlapping | None = None


class Calendars:
    """What some agents have, where a policy asks to look at it."""

    def __init__(self, agents: Collection[int], *, lock: bool = True) -> None:
        """The rows of those agents whom a policy concerns are locked, since others may write to their calendars."""
        self.policies = strictest(agents)
        self._rows: dict[int, list[Absence]] = {}
        self._lock = lock
        if self.policies and lock:
            held = Agent.objects.select_for_update(no_key=True).filter(pk__in=self.policies)
            list(held.order_by("pk").values_list("pk"))

    def read(self, absences: Collection[Absence]) -> None:
        """What there is where `absences` are to be: rows to be written, new or changed."""
        absences = [one for one in absences if one.agent_id in self.policies]
        if not absences:
            return
        low = min(one.first_day for one in absences) - DAY
        again = ~Q(rrule="") & (Q(recurs_until=None) | Q(recurs_until__gte=low))
        rows = type(absences[0]).objects.filter(Q(rrule="", end_day__gte=low) | again, agent__in=self.policies)
        if not any(one.rrule for one in absences):
            rows = rows.filter(first_day__lte=max(one.end_day for one in absences) + DAY)
        if self._lock and Overlap.MERGE in self.policies.values():
            rows = rows.select_for_update(no_key=True, of=("self",))
        for row in rows.order_by("pk"):
            self._rows.setdefault(row.agent_id, []).append(row)

    def settle(self, absence: Absence, *, strict: bool | None = None, merging: bool = True) -> Settled:
        """What becomes of `absence` as it is now; from then on it is among those that others meet. Nothing is written:
        the keeper has its new times, and what it took over. `merging`: whether it may become one with another.
        """
        settled = Settled(absence, absence)
        policy = self.policies.get(absence.agent_id)
        if policy is None:
            return settled
        strict = is_strict() if strict is None else strict
        rows = [row for row in self._rows.get(absence.agent_id, ()) if row.pk is None or row.pk != absence.pk]
        merging = merging and policy == Overlap.MERGE and not strict
        joined = [row for row in rows if merging and _joins(absence, row)]
        overlapped = [row for row in rows if row not in joined and meet(absence, row)]
        if overlapped and (strict or policy == Overlap.REFUSE):
            settled.refused = Overlapping(_ids(overlapped))
            return settled
        if overlapped:
            settled.warnings.append(Warned("overlaps", OVERLAPS, _ids(overlapped)))
        if joined:
            settled.warnings.append(Warned("merged", MERGED, _ids([*joined, absence])))
            self._merge(settled, joined)
        kept = [row for row in rows if row not in settled.gone and row is not settled.keeper]
        self._rows[absence.agent_id] = [*kept, settled.keeper]
        return settled

    @staticmethod
    def _merge(settled: Settled, joined: list[Absence]) -> None:
        parts = sorted([*joined, settled.absence], key=lambda one: (one.pk is None, one.pk or 0))
        keeper = parts[0]
        first = min(parts, key=lambda one: (one.first_day, one.start_time))
        last = max(parts, key=lambda one: (one.end_day, one.end_time))
        periods = sorted(one.period for one in parts)
        days = {(one.first_day, one.end_day) for one in parts}
        begins, ends = (first.first_day, first.start_time), (last.end_day, last.end_time)
        whole = periods == ["afternoon", "morning"] and len(days) == 1
        if (keeper.first_day, keeper.start_time) != begins or (keeper.end_day, keeper.end_time) != ends:
            keeper.period = "day" if whole else ""
        (keeper.first_day, keeper.start_time), (keeper.end_day, keeper.end_time) = begins, ends
        for part in parts[1:]:
            if part.external_ids:
                keeper.aliases = [*keeper.aliases, *part.external_ids.items(), *part.aliases]
                keeper.external_ids = part.external_ids | (keeper.external_ids or {})
        settled.keeper, settled.gone = keeper, parts[1:]


def _ids(absences: Iterable[Absence]) -> tuple[int, ...]:
    return tuple(sorted(one.pk for one in absences if one.pk is not None)[:SHOWN])


def _joins(one: Absence, other: Absence) -> bool:
    """Whether they may become one, and overlap or touch."""
    # Whether two private ones are of a kind is not told to whoever tries one beside another.
    if one.private or one.rrule or other.rrule or any(getattr(one, name) != getattr(other, name) for name in ALIKE):
        return False
    return (one.first_day, one.start_time) <= (other.end_day, other.end_time) and (
        (other.first_day, other.start_time) <= (one.end_day, one.end_time)
    )


def _span(one: Absence) -> tuple[datetime.datetime, datetime.datetime]:
    return instants(one.first_day, one.start_time, one.end_day, one.end_time, ZoneInfo(one.time_zone))


def _series(one: Absence) -> Series:
    return Series.of(
        one.first_day,
        one.start_time,
        one.end_day,
        one.end_time,
        one.rrule,
        one.exdates,
        one.overrides,
        one.time_zone,
    )


def meet(one: Absence, other: Absence) -> bool:
    """Whether an occurrence of the one overlaps one of the other."""
    if not one.rrule and not other.rrule:
        if one.time_zone == other.time_zone:
            return (one.first_day, one.start_time) < (other.end_day, other.end_time) and (
                (other.first_day, other.start_time) < (one.end_day, one.end_time)
            )
        (starts, ends), (begins, finishes) = _span(one), _span(other)
        return starts < finishes and begins < ends
    if not one.rrule or not other.rrule:
        single, series = (other, one) if one.rrule else (one, other)
        if single.time_zone == series.time_zone and not series.overrides:
            if single.first_day == single.end_day:
                return _regular_meet(one, other)
            horizon = max(one.first_day, other.first_day).year + YEARS
            # The days between the first and the last it has from morning to night.
            between = (1 << (single.end_day - single.first_day).days - 1) - 1
            if _days(series.rrule, series.first_day, _out(series), horizon) & (
                between << single.first_day.toordinal() + 1 - EARLIEST
            ):
                return True
        return any(occurrences(_series(series), *_span(single), limit=1))
    if one.overrides or other.overrides or one.time_zone != other.time_zone:
        return _series_meet(_series(one), _series(other))
    return _regular_meet(one, other)


def _regular_meet(one: Absence, other: Absence) -> bool:
    """The same of two of one zone, whose occurrences have nothing of their own: each lasts one day, so
    that they meet on a day that both have. A list of a thousand series is half a million pairs.
    """
    horizon = max(one.first_day, other.first_day).year + YEARS
    days, among = (
        _days(one.rrule, one.first_day, _out(one), horizon),
        _days(other.rrule, other.first_day, _out(other), horizon),
    )
    both = days & among
    if not both:
        return False
    changes = _moved(one.start_time, one.end_time, one.time_zone, horizon)
    changes |= _moved(other.start_time, other.end_time, other.time_zone, horizon)
    if one.start_time < other.end_time and other.start_time < one.end_time and both & ~changes:
        return True
    both &= changes
    zone = ZoneInfo(one.time_zone)
    while both:
        number = both.bit_length() - 1
        day = datetime.date.fromordinal(number + EARLIEST)
        starts, ends = instants(day, one.start_time, day, one.end_time, zone)
        begins, finishes = instants(day, other.start_time, day, other.end_time, zone)
        if starts < finishes and begins < ends:
            return True
        both ^= 1 << number
    return False


def _out(one: Absence) -> tuple[str, ...]:
    return tuple(one.exdates or ())


@lru_cache(maxsize=4096)
def _days(rrule: str, first_day: datetime.date, out: tuple[str, ...], horizon: int) -> int:
    """The days of a series until the end of the year `horizon`: one bit each, counted from EARLIEST."""
    series = Series.of(first_day, datetime.time.min, first_day, datetime.time.max, rrule, out)
    return _bits(series.days(None, datetime.date(min(horizon, datetime.MAXYEAR - 1), 12, 31)))


@lru_cache(maxsize=4096)
def _moved(start: datetime.time, end: datetime.time, zone: str, horizon: int) -> int:
    """The days on which a change of the clocks makes something else of these civil times, as `_days` writes them."""
    place, combine = ZoneInfo(zone), datetime.datetime.combine
    return _bits(
        day
        for year in range(horizon - YEARS, min(horizon, datetime.MAXYEAR - 2) + 1)
        for day in clock_changes(place, year)
        if instants(day, start, day, end, place) != (combine(day, start, place), combine(day, end, place))
    )


def _bits(days: Iterable[datetime.date]) -> int:
    bits = bytearray()
    for day in days:
        place, bit = divmod(max(day.toordinal() - EARLIEST, 0), 8)
        if place >= len(bits):
            bits.extend(bytes(place + 1 - len(bits)))
        bits[place] |= 1 << bit
    return int.from_bytes(bits, "little")


def _series_meet(one: Series, other: Series) -> bool:
    """Side by side, from the day on which both are there until one of them ends."""
    zone = datetime.UTC
    begins = datetime.datetime.combine(max(one.first_day, other.first_day) - DAY, datetime.time.min, zone)
    ends = begins + YEARS * 366 * DAY
    left, right = (occurrences(series, begins, ends) for series in (one, other))
    here, there = next(left, None), next(right, None)
    while here is not None and there is not None:
        if here.starts < there.ends and there.starts < here.ends:
            return True
        if here.ends <= there.ends:
            here = next(left, None)
        else:
            there = next(right, None)
    return False


def differs(absence: Absence) -> bool:
    """Whether a stored absence is other than it was when it was read."""
    before = absence.remembered
    return any(before.get(field.attname) != getattr(absence, field.attname) for field in absence._meta.concrete_fields)


def settle_one(absence: Absence) -> Settled | None:
    """What becomes of an absence that is to be saved by itself; None where nothing asks. Raises Overlapping."""
    before: dict[str, Any] = {} if absence._state.adding else absence.remembered
    if before and all(before.get(name) == getattr(absence, name) for name in TIMES):
        return None
    if absence.end_day is None or absence.agent_id is None or not absence.overlaps_matter:
        return None
    calendars = Calendars([absence.agent_id])
    calendars.read([absence])
    settled = calendars.settle(absence)
    if settled.refused:
        raise settled.refused
    return settled
